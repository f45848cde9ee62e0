-- The roles. They belong to the cluster, not to the database: another database, or a restore of the globals,
-- may have made them already. `docs/administration.md` says who is meant to be a member of which.
DO $roles$
DECLARE
    role_name text;
BEGIN
    -- A schema that somebody else owns could be renamed and refilled behind our back (SECURITY: extension-script hijack).
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace
        WHERE oid = '@extschema@'::pg_catalog.regnamespace
          AND (pg_catalog.pg_has_role(current_user, nspowner, 'MEMBER') OR nspowner = 'pg_database_owner'::pg_catalog.regrole)
    ) THEN
        RAISE EXCEPTION 'the schema belongs to another role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Create the extension in a schema that you own.';
    END IF;
    FOREACH role_name IN ARRAY ARRAY['jdl_owner', 'jdl_engine', 'jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor', 'jdl_reader', 'jdl_job'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            -- pg_cron runs a job by logging in as the job's user, hence jdl_job alone may log in; it has no password.
            EXECUTE pg_catalog.format('CREATE ROLE %I %s', role_name, CASE role_name WHEN 'jdl_job' THEN 'LOGIN' ELSE 'NOLOGIN' END);
        END IF;
    END LOOP;
END
$roles$;
