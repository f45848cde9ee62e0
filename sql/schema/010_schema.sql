-- The schemas, by how sensitive what they hold is. None is an extension member: a dump carries them, DROP EXTENSION cannot drop them.
-- Every file of this folder may be run again: jdl_install() mends what is missing (DROP EXTENSION ... CASCADE takes policies and triggers
-- along), jdl_migrate() adds what is new.
CREATE SCHEMA IF NOT EXISTS jdl AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl IS 'Requests, settings, aggregate results, released views.';
CREATE SCHEMA IF NOT EXISTS jdl_restricted AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl_restricted IS 'Submissions, register, links: identities. Reached only through functions of jdl_engine.';
CREATE SCHEMA IF NOT EXISTS jdl_pseudonymised AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl_pseudonymised IS 'Analysis rows under pseudonyms.';
CREATE SCHEMA IF NOT EXISTS jdl_audit AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl_audit IS 'The trail.';

-- A schema that somebody made before us could be renamed and refilled behind our back.
DO $schemas$
BEGIN
    IF EXISTS (SELECT FROM pg_namespace n WHERE n.nspname IN ('jdl', 'jdl_restricted', 'jdl_pseudonymised', 'jdl_audit') AND n.nspowner <> 'jdl_owner'::regrole) THEN
        RAISE EXCEPTION 'a schema of jdl belongs to another role' USING ERRCODE = 'insufficient_privilege', HINT = 'The schemas jdl, jdl_restricted, jdl_pseudonymised and jdl_audit belong to jdl_owner.';
    END IF;
END
$schemas$;

CREATE TABLE IF NOT EXISTS jdl.schema_version (
    version text PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    installed_by name NOT NULL DEFAULT session_user,
    code_digest text
);
COMMENT ON TABLE jdl.schema_version IS 'Which versions of the tables were installed, when and by whom.';
