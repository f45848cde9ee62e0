-- Outcomes and tests, stored once.

-- The plan is frozen, with its hash, before an outcome is read.
CREATE FUNCTION _jdl_freeze_plan(request_id bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    frozen integer;
    canonical jsonb;
BEGIN
    SELECT jsonb_build_object(
        'analysis', jsonb_strip_nulls(jsonb_build_object(
            'follow_up_months', coalesce(r.options -> 'follow_up_months', @extschema@._jdl_setting('follow_up_months')),
            'waiting_months', coalesce(r.options -> 'waiting_months', @extschema@._jdl_setting('waiting_months')),
            'offence_groups', r.options -> 'offence_groups',
            'primary_measure', r.options -> 'primary_measure',
            'confidence', 1 - @extschema@._jdl_setting('significance_level')::numeric,
            'seed', coalesce(r.options -> 'seed', @extschema@._jdl_setting('plan_seed')))),
        'design', (SELECT d.options FROM jdl.match_design d WHERE d.request_id = r.request_id ORDER BY d.design_no DESC LIMIT 1))
    INTO canonical FROM jdl.request r WHERE r.request_id = _jdl_freeze_plan.request_id;
    SELECT coalesce(max(p.plan_version), 0) + 1 INTO frozen FROM jdl.analysis_plan p WHERE p.request_id = _jdl_freeze_plan.request_id;
    INSERT INTO jdl.analysis_plan (request_id, plan_version, plan, digest, frozen_by)
    VALUES (_jdl_freeze_plan.request_id, frozen, canonical, encode(sha256(convert_to(canonical::text, 'UTF8')), 'hex'), @extschema@._jdl_actor());
    RETURN frozen;
END
$$;
COMMENT ON FUNCTION _jdl_freeze_plan(bigint) IS 'Stores the analysis plan of a request with its hash, before outcomes are read.';

CREATE FUNCTION jdl_analyse(request_id bigint) RETURNS TABLE (treatment_n integer, comparison_n integer, measures integer, plan_version integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    summary jsonb;
    frozen integer;
    computed jsonb;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst');
    PERFORM @extschema@._jdl_notice_crash(request_id);
    summary := @extschema@._jdl_standing_step(request_id, 'analyse', '{}');
    IF summary IS NULL THEN
        PERFORM @extschema@.jdl_match(request_id);
        PERFORM @extschema@._jdl_require_status(request_id, 'analysed', 'matched');
        frozen := @extschema@._jdl_freeze_plan(request_id);
        RAISE NOTICE 'outcomes and tests: plan version %', frozen;
        computed := @extschema@._jdl_analyse(request_id, (SELECT p.plan -> 'analysis' FROM jdl.analysis_plan p WHERE p.request_id = jdl_analyse.request_id AND p.plan_version = frozen));
        INSERT INTO jdl_pseudonymised.analysis (request_id, plan_version, register_version, result)
        VALUES (jdl_analyse.request_id, frozen, (SELECT max(v.register_version) FROM jdl.register_version v), computed -> 'result');
        summary := (computed - 'result') || jsonb_build_object('plan_version', frozen);
        PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.offence', (summary ->> 'offences_read')::bigint);
        PERFORM @extschema@._jdl_take_step(request_id, 'analyse', 'analysed', '{}', summary);
    END IF;
    RETURN QUERY SELECT r.treatment_n, r.comparison_n, r.measures, r.plan_version
    FROM jsonb_to_record(summary) AS r (treatment_n integer, comparison_n integer, measures integer, plan_version integer);
END
$$;
COMMENT ON FUNCTION jdl_analyse(bigint) IS 'Freezes the plan, derives proven re-offending of both groups and tests it; stored once.';
