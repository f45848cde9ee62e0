-- What holds for every table: row security enabled and forced, the engine's policy, the audit triggers, no statistics on
-- identifiers, jdl_owner as owner. Written once here, so that a table cannot be forgotten.
DO $guard$
DECLARE
    relation record;
    identifier record;
BEGIN
    FOR relation IN
        SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relname, n.nspname, c.relkind
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('jdl', 'jdl_restricted', 'jdl_pseudonymised', 'jdl_audit') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        ORDER BY 2
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relation.name);
        IF relation.nspname <> 'jdl_audit' THEN
            IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = relation.oid AND polroles = ARRAY['jdl_engine'::regrole::oid]) THEN
                EXECUTE format('CREATE POLICY %I ON %s TO jdl_engine USING (true)', relation.relname || '_engine_all', relation.name);
            END IF;
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON %s TO jdl_engine', relation.name);
            -- Derived tables and the change list are rebuilt from audited ones; their own statements would only be noise.
            IF relation.relname NOT IN ('register_change', 'index_event', 'linkage_key', 'linkage_record', 'linkage_index', 'term_frequency', 'institution_postcode') THEN
                PERFORM @extschema@._jdl_audit_attach(relation.oid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = relation.oid AND attname = 'request_id'));
            END IF;
        END IF;
        EXECUTE format('ALTER TABLE %s OWNER TO jdl_owner', relation.name);
    END LOOP;
    -- Partitions carry triggers of their own; DROP EXTENSION ... CASCADE took them along.
    FOR relation IN
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'jdl_restricted' AND c.relkind = 'r' AND c.relispartition
    LOOP
        PERFORM @extschema@._jdl_audit_attach(relation.oid::regclass, 'request_id');
    END LOOP;
    FOR identifier IN
        SELECT format('%I.%I', n.nspname, c.relname) AS relation, c.oid, a.attname, a.attnum
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'jdl_restricted' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
          AND (a.attname IN ('pnc_id', 'cro', 'prison_number', 'forename', 'middle_name', 'surname', 'date_of_birth', 'postcode')
               -- The partitions have none at all; ANALYZE would gather the same values for the parent.
               OR c.relkind = 'p' AND a.attname <> 'request_id')
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', identifier.relation, identifier.attname);
        DELETE FROM pg_statistic s WHERE s.starelid = identifier.oid AND s.staattnum = identifier.attnum;
    END LOOP;
    FOR relation IN
        SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'jdl' AND c.relkind = 'v'
    LOOP
        EXECUTE format('ALTER VIEW %s OWNER TO jdl_engine', relation.name);
    END LOOP;
END
$guard$;

GRANT USAGE ON SCHEMA jdl TO jdl_engine, jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor, jdl_reader, jdl_job;
GRANT USAGE ON SCHEMA jdl_restricted TO jdl_engine, jdl_dba;
GRANT USAGE ON SCHEMA jdl_pseudonymised TO jdl_engine, jdl_analyst;
GRANT USAGE ON SCHEMA jdl_audit TO jdl_engine, jdl_auditor;

-- Analysts see the analysis rows of their requests, and the designs that were tried.
DROP POLICY IF EXISTS member_analyst_select ON jdl_pseudonymised.member;
CREATE POLICY member_analyst_select ON jdl_pseudonymised.member FOR SELECT TO jdl_analyst USING (request_id = ANY ((SELECT @extschema@.jdl_my_requests())::bigint[]));
DROP POLICY IF EXISTS match_design_analyst_select ON jdl.match_design;
CREATE POLICY match_design_analyst_select ON jdl.match_design FOR SELECT TO jdl_analyst USING (request_id = ANY ((SELECT @extschema@.jdl_my_requests())::bigint[]));
DROP POLICY IF EXISTS match_design_approver_select ON jdl.match_design;
CREATE POLICY match_design_approver_select ON jdl.match_design FOR SELECT TO jdl_approver, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_auditor')));
DROP POLICY IF EXISTS analysis_plan_analyst_select ON jdl.analysis_plan;
CREATE POLICY analysis_plan_analyst_select ON jdl.analysis_plan FOR SELECT TO jdl_analyst USING (request_id = ANY ((SELECT @extschema@.jdl_my_requests())::bigint[]));
DROP POLICY IF EXISTS analysis_plan_approver_select ON jdl.analysis_plan;
CREATE POLICY analysis_plan_approver_select ON jdl.analysis_plan FOR SELECT TO jdl_approver, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_auditor')));
GRANT SELECT ON jdl_pseudonymised.member TO jdl_analyst;
GRANT SELECT ON jdl.match_design, jdl.analysis_plan TO jdl_analyst, jdl_approver, jdl_auditor;

-- Reference tables hold nothing personal: everybody with a role may read them.
DROP POLICY IF EXISTS setting_select ON jdl.setting;
CREATE POLICY setting_select ON jdl.setting FOR SELECT TO jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor')));
-- A live instance stays live: only a superuser makes a training instance of it again.
DROP POLICY IF EXISTS setting_dba_update ON jdl.setting;
CREATE POLICY setting_dba_update ON jdl.setting FOR UPDATE TO jdl_dba
    USING ((SELECT @extschema@._jdl_holds('jdl_dba')) AND (setting <> 'instance' OR value <> '"live"')) WITH CHECK (true);
DROP POLICY IF EXISTS channel_select ON jdl.channel;
CREATE POLICY channel_select ON jdl.channel FOR SELECT TO jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor')));
DROP POLICY IF EXISTS channel_dba_all ON jdl.channel;
CREATE POLICY channel_dba_all ON jdl.channel TO jdl_dba USING ((SELECT @extschema@._jdl_holds('jdl_dba')));
DROP POLICY IF EXISTS bank_holiday_select ON jdl.bank_holiday;
CREATE POLICY bank_holiday_select ON jdl.bank_holiday FOR SELECT TO jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor')));
DROP POLICY IF EXISTS bank_holiday_dba_all ON jdl.bank_holiday;
CREATE POLICY bank_holiday_dba_all ON jdl.bank_holiday TO jdl_dba USING ((SELECT @extschema@._jdl_holds('jdl_dba')));
DROP POLICY IF EXISTS register_version_select ON jdl.register_version;
CREATE POLICY register_version_select ON jdl.register_version FOR SELECT TO jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor')));
DROP POLICY IF EXISTS linkage_model_select ON jdl.linkage_model;
CREATE POLICY linkage_model_select ON jdl.linkage_model FOR SELECT TO jdl_analyst, jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor')));
GRANT SELECT ON jdl.linkage_model TO jdl_analyst, jdl_approver, jdl_dba, jdl_auditor;
DROP POLICY IF EXISTS destruction_select ON jdl.destruction;
CREATE POLICY destruction_select ON jdl.destruction FOR SELECT TO jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_dba', 'jdl_auditor')));
DROP POLICY IF EXISTS job_run_select ON jdl.job_run;
CREATE POLICY job_run_select ON jdl.job_run FOR SELECT TO jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_dba', 'jdl_auditor')));
DROP POLICY IF EXISTS schema_version_select ON jdl.schema_version;
CREATE POLICY schema_version_select ON jdl.schema_version FOR SELECT TO jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_dba', 'jdl_auditor')));
GRANT SELECT ON jdl.setting, jdl.channel, jdl.bank_holiday, jdl.register_version TO jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor;
GRANT UPDATE (value) ON jdl.setting TO jdl_dba;
GRANT INSERT, UPDATE, DELETE ON jdl.channel, jdl.bank_holiday TO jdl_dba;
DROP POLICY IF EXISTS retention_decision_select ON jdl.retention_decision;
CREATE POLICY retention_decision_select ON jdl.retention_decision FOR SELECT TO jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_dba', 'jdl_auditor')));
GRANT SELECT ON jdl.destruction, jdl.retention_decision TO jdl_approver, jdl_dba, jdl_auditor;
GRANT SELECT ON jdl.job_run, jdl.schema_version TO jdl_dba, jdl_auditor;

-- A DBA writes the register and cannot read it back (COPY needs BYPASSRLS; INSERT does not: docs/administration.md).
DROP POLICY IF EXISTS person_dba_insert ON jdl_restricted.person;
CREATE POLICY person_dba_insert ON jdl_restricted.person FOR INSERT TO jdl_dba WITH CHECK ((SELECT @extschema@._jdl_holds('jdl_dba')));
DROP POLICY IF EXISTS alias_dba_insert ON jdl_restricted.alias;
CREATE POLICY alias_dba_insert ON jdl_restricted.alias FOR INSERT TO jdl_dba WITH CHECK ((SELECT @extschema@._jdl_holds('jdl_dba')));
DROP POLICY IF EXISTS sentence_dba_insert ON jdl_restricted.sentence;
CREATE POLICY sentence_dba_insert ON jdl_restricted.sentence FOR INSERT TO jdl_dba WITH CHECK ((SELECT @extschema@._jdl_holds('jdl_dba')));
DROP POLICY IF EXISTS offence_dba_insert ON jdl_restricted.offence;
CREATE POLICY offence_dba_insert ON jdl_restricted.offence FOR INSERT TO jdl_dba WITH CHECK ((SELECT @extschema@._jdl_holds('jdl_dba')));
DROP POLICY IF EXISTS circumstance_dba_insert ON jdl_restricted.circumstance;
CREATE POLICY circumstance_dba_insert ON jdl_restricted.circumstance FOR INSERT TO jdl_dba WITH CHECK ((SELECT @extschema@._jdl_holds('jdl_dba')));
GRANT INSERT ON jdl_restricted.person, jdl_restricted.alias, jdl_restricted.sentence, jdl_restricted.offence, jdl_restricted.circumstance TO jdl_dba;
