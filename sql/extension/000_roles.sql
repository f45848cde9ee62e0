-- The roles. They belong to the cluster, not to the database: another database, or a restore of the globals,
-- may have made them already. `docs/administration.md` says who is meant to be a member of which.
DO $roles$
DECLARE
    role_name text;
BEGIN
    -- A schema that somebody else owns could be renamed and refilled behind our back (SECURITY: extension-script hijack).
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace
        WHERE oid OPERATOR(pg_catalog.=) '@extschema@'::pg_catalog.regnamespace
          AND (pg_catalog.pg_has_role(current_user, nspowner, 'MEMBER') OR nspowner OPERATOR(pg_catalog.=) 'pg_database_owner'::pg_catalog.regrole)
    ) THEN
        RAISE EXCEPTION 'the schema belongs to another role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Create the extension in a schema that you own.';
    END IF;
    -- Where anybody may create functions, one that fits a call of ours better would be taken in its place, with the engine's rights.
    IF pg_catalog.has_schema_privilege('public', '@extschema@'::pg_catalog.regnamespace, 'CREATE') THEN
        RAISE EXCEPTION 'everybody may create objects in the schema of the extension'
            USING ERRCODE = 'insufficient_privilege', HINT = 'REVOKE CREATE ON SCHEMA @extschema@ FROM PUBLIC;';
    END IF;
    FOREACH role_name IN ARRAY ARRAY['jdl_owner', 'jdl_engine', 'jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor', 'jdl_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) role_name::pg_catalog.name) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
    -- pg_cron runs a job by logging in as the job's user, hence jdl_job alone may log in; it has no password.
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'jdl_job'::pg_catalog.name) THEN
        CREATE ROLE jdl_job LOGIN;
    END IF;
END
$roles$;
