-- The schemas, by how sensitive what they hold is. None is an extension member: a dump carries them, DROP EXTENSION cannot drop them.
CREATE SCHEMA jdl AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl IS 'Requests, settings, aggregate results, released views.';
CREATE SCHEMA jdl_restricted AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl_restricted IS 'Submissions, register, links: identities. Reached only through functions of jdl_engine.';
CREATE SCHEMA jdl_pseudonymised AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl_pseudonymised IS 'Analysis rows under pseudonyms.';
CREATE SCHEMA jdl_audit AUTHORIZATION jdl_owner;
COMMENT ON SCHEMA jdl_audit IS 'The trail.';

CREATE TABLE jdl.schema_version (
    version text PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    installed_by name NOT NULL DEFAULT session_user
);
COMMENT ON TABLE jdl.schema_version IS 'Which versions of the tables were installed, when and by whom.';
