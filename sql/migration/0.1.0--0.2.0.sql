-- What jdl_migrate() changes in the tables of 0.1.0 beyond what the files of sql/schema do when they are run again.

-- A DBA sets values of settings and renames none.
REVOKE UPDATE ON jdl.setting FROM jdl_dba;

ALTER TABLE jdl.setting ADD CONSTRAINT setting_days_run_forward
    CHECK (setting NOT LIKE '%\_days' OR CASE jsonb_typeof(value) WHEN 'number' THEN value::numeric BETWEEN 1 AND 3660 ELSE false END);

-- What defends against comparing releases is a word, not a number.
ALTER TABLE jdl.setting DROP CONSTRAINT setting_is_of_its_kind, ADD CONSTRAINT setting_is_of_its_kind CHECK (jsonb_typeof(value) = CASE setting WHEN 'default_design' THEN 'object' WHEN 'instance' THEN 'string' WHEN 'backup_role' THEN 'string' WHEN 'differencing' THEN 'string' ELSE 'number' END),
    ADD CONSTRAINT setting_differencing_is_known CHECK (setting <> 'differencing' OR value IN ('"sketch"', '"perturb"'));

-- 0.1.0 kept the certificate, which holds the true counts, beside the report, in a form that is not checked any more. The table is
-- written anew without it, so that its files hold no earlier version of the rows.
ALTER TABLE jdl.report ALTER COLUMN disclosure TYPE jsonb USING disclosure - '{certificate,certificate_bytes}'::text[];
