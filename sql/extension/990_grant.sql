-- Owners and rights of every function, last: by default nobody may call anything.
-- A function and not a DO block, because it can fix its search path; it does its work and goes.
CREATE FUNCTION _jdl_grant() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    code record;
BEGIN
    FOR code IN
        SELECT p.oid::regprocedure::text AS signature, p.proname, p.prosecdef
        FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = '@extschema@'::regnamespace AND p.proname ~ '^_?jdl_'
          AND EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid AND x.extname = 'jdl'
                      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', code.signature);
        IF code.proname IN ('_jdl_make_partitions', '_jdl_drop_partitions', '_jdl_analyse_derived') THEN
            EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO jdl_owner', code.signature);
        ELSIF code.prosecdef THEN
            EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO jdl_engine', code.signature);
        END IF;
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO jdl_engine', code.signature);
        -- Pure functions on numbers and texts, for everybody who works with jdl.
        IF code.proname IN ('jdl_pnc_id', 'jdl_pnc_id_status', 'jdl_prison_number', 'jdl_cro', 'jdl_postcode', 'jdl_name_key', 'jdl_jaro_winkler',
                            'jdl_add_working_days', 'jdl_working_days_between', '_jdl_actor', '_jdl_is_superuser', 'jdl_my_requests', '_jdl_may', '_jdl_holds') THEN
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO jdl_owner, jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor, jdl_reader, jdl_job', code.signature);
        END IF;
        -- The methods on any relation run with the caller's own rights.
        IF code.proname IN ('jdl_match_controls', 'jdl_propensity', 'jdl_balance', 'jdl_match_summary', 'jdl_compare_rates', 'jdl_suppress', 'jdl_disclosure_audit') THEN
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO jdl_analyst, jdl_approver', code.signature);
        END IF;
    END LOOP;
END
$$;
SELECT @extschema@._jdl_grant();
DROP FUNCTION _jdl_grant();

GRANT USAGE ON SCHEMA @extschema@ TO jdl_owner, jdl_engine, jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor, jdl_reader, jdl_job;
GRANT EXECUTE ON FUNCTION _jdl_audit_attach(regclass, name), _jdl_audit_statement(), _jdl_audit(text, bigint, text, bigint, jsonb) TO jdl_owner;
GRANT EXECUTE ON FUNCTION jdl_open_request(text, text, text, jsonb, jsonb) TO jdl_intake;
GRANT EXECUTE ON FUNCTION jdl_validate(bigint), jdl_preflight(bigint) TO jdl_intake, jdl_analyst, jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_link(bigint, jsonb), jdl_match(bigint, jsonb), jdl_analyse(bigint) TO jdl_analyst;
GRANT EXECUTE ON FUNCTION jdl_explain_link(bigint, integer), jdl_link_weights(bigint, double precision), jdl_link_reasons(bigint), jdl_link_identifiers(bigint) TO jdl_analyst, jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_override_link(bigint, integer, text, text, bigint) TO jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_train_linkage(bigint[], jsonb), jdl_register_identifiers() TO jdl_dba;
GRANT EXECUTE ON FUNCTION jdl_report(bigint), jdl_report_text(bigint), jdl_report_html(bigint), jdl_check_claim(bigint, text) TO jdl_analyst, jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_approve(bigint), jdl_release(bigint), jdl_reject(bigint, text), jdl_withdraw(bigint, text), jdl_supersede(bigint, bigint, text) TO jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_halt(bigint, text), jdl_release_check(bigint) TO jdl_analyst, jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_decide_release(bigint, text, text) TO jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_expire_sketches(bigint, text) TO jdl_dba;
GRANT EXECUTE ON FUNCTION jdl_grant_access(name, name, bigint, text, date, date), jdl_hold(bigint, date, text), jdl_lift_hold(bigint, text), jdl_extend_retention(bigint, date, text) TO jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_revoke_access(bigint, text) TO jdl_approver, jdl_dba;
GRANT EXECUTE ON FUNCTION jdl_note_discussion(bigint, date) TO jdl_intake, jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_dpia(bigint) TO jdl_approver, jdl_auditor, jdl_dba;
GRANT EXECUTE ON FUNCTION jdl_audit_anchor() TO jdl_auditor, jdl_approver;
GRANT EXECUTE ON FUNCTION jdl_retention_due() TO jdl_auditor;
GRANT EXECUTE ON FUNCTION jdl_plan(bigint, jsonb, text) TO jdl_analyst;
GRANT EXECUTE ON FUNCTION jdl_forest_html() TO jdl_reader, jdl_analyst, jdl_approver, jdl_auditor;
GRANT EXECUTE ON FUNCTION jdl_destroy(bigint), jdl_retention_due(), jdl_retention_run() TO jdl_approver, jdl_dba, jdl_job;
GRANT EXECUTE ON FUNCTION jdl_schedule_retention(text), _jdl_note_schedule(text, bigint), _jdl_require_scheduler(), jdl_register_refresh(date) TO jdl_dba;
GRANT EXECUTE ON FUNCTION jdl_assurance(), jdl_audit_verify(text) TO jdl_auditor, jdl_approver, jdl_dba;
GRANT EXECUTE ON FUNCTION jdl_synthesise_register(integer, bigint), jdl_synthesise_cohort(integer, bigint) TO jdl_dba;

-- The triggers of the write-only view write on behalf of an intake officer who may not.
ALTER FUNCTION _jdl_submission_row() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION _jdl_submission_row() OWNER TO jdl_engine;
ALTER FUNCTION _jdl_submission_statement() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION _jdl_submission_statement() OWNER TO jdl_engine;

-- jdl_assurance() asks whether statistics of an identifier exist, never what they are.
GRANT SELECT (starelid, staattnum) ON pg_catalog.pg_statistic TO jdl_engine;
-- Destruction and revocation end sessions that could go on reading; jdl_assurance() asks how the server is set.
GRANT pg_signal_backend, pg_read_all_stats, pg_read_all_settings TO jdl_engine;
