-- What jdl_migrate() changes in the tables of 0.1.0 beyond what the files of sql/schema do when they are run again.

-- A DBA sets values of settings and renames none.
REVOKE UPDATE ON jdl.setting FROM jdl_dba;
