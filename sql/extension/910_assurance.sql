-- The self-check that an accreditor reads: each promise, asked of the catalogs and the data as they are now.

CREATE FUNCTION jdl_assurance() RETURNS TABLE (check_id text, title text, passed boolean, evidence text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor name := @extschema@._jdl_actor();
BEGIN
    IF NOT (pg_has_role(actor, 'jdl_auditor', 'MEMBER') OR pg_has_role(actor, 'jdl_approver', 'MEMBER') OR pg_has_role(actor, 'jdl_dba', 'MEMBER')) THEN
        RAISE EXCEPTION 'permission denied for the self-check' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
    WITH guarded AS (
        SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relpersistence, c.relispartition, c.relacl
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('jdl', 'jdl_restricted', 'jdl_pseudonymised', 'jdl_audit') AND c.relkind IN ('r', 'p')
    ), code AS (
        SELECT p.oid, p.oid::regprocedure::text AS name, p.prosecdef, p.proowner, p.proconfig, p.proleakproof, p.proacl
        FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'jdl'
    ), found (check_id, title, offenders, total) AS (
        SELECT 'rls-forced', 'Row-level security is enabled and forced on every table and partition',
               (SELECT array_agg(name ORDER BY name) FROM guarded WHERE NOT (relrowsecurity AND relforcerowsecurity)), (SELECT count(*) FROM guarded)
        UNION ALL SELECT 'rls-policy', 'Every table has at least one policy',
               (SELECT array_agg(name ORDER BY name) FROM guarded g WHERE NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = g.oid)), (SELECT count(*) FROM guarded)
        UNION ALL SELECT 'owner', 'Every table belongs to jdl_owner, who has no policy and sees nothing',
               (SELECT array_agg(name ORDER BY name) FROM guarded WHERE relowner <> 'jdl_owner'::regrole), (SELECT count(*) FROM guarded)
        UNION ALL SELECT 'no-public-table', 'PUBLIC has no right on any table',
               (SELECT array_agg(DISTINCT name) FROM guarded, aclexplode(relacl) a WHERE a.grantee = 0), (SELECT count(*) FROM guarded)
        UNION ALL SELECT 'identities', 'No people''s role can select from a table of jdl_restricted',
               (SELECT array_agg(DISTINCT g.name || ' by ' || r.rolname) FROM guarded g, pg_roles r
                WHERE g.nspname = 'jdl_restricted' AND r.rolname IN ('jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor', 'jdl_reader', 'jdl_job')
                  AND has_table_privilege(r.oid, g.oid, 'SELECT')), (SELECT count(*) FROM guarded WHERE nspname = 'jdl_restricted')
        UNION ALL SELECT 'reader', 'BI readers can select from released results only',
               (SELECT array_agg(g.name) FROM guarded g WHERE has_table_privilege('jdl_reader', g.oid, 'SELECT') AND g.name <> 'jdl.access'), 1::bigint
        UNION ALL SELECT 'roles', 'No role of jdl is a superuser or bypasses row security',
               (SELECT array_agg(rolname::text) FROM pg_roles WHERE rolname LIKE 'jdl\_%' AND (rolsuper OR rolbypassrls OR rolcreaterole)), (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'jdl\_%')
        UNION ALL SELECT 'owner-members', 'Nobody is a member of jdl_owner or jdl_engine',
               (SELECT array_agg(m.member::regrole::text) FROM pg_auth_members m WHERE m.roleid IN ('jdl_owner'::regrole, 'jdl_engine'::regrole)), 2::bigint
        UNION ALL SELECT 'definer-owner', 'Every SECURITY DEFINER function belongs to jdl_engine or jdl_owner',
               (SELECT array_agg(name) FROM code WHERE prosecdef AND proowner NOT IN ('jdl_engine'::regrole, 'jdl_owner'::regrole)), (SELECT count(*) FROM code WHERE prosecdef)
        UNION ALL SELECT 'search-path', 'Every SECURITY DEFINER function fixes its search path',
               (SELECT array_agg(name) FROM code WHERE prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)), (SELECT count(*) FROM code WHERE prosecdef)
        UNION ALL SELECT 'no-public-code', 'PUBLIC may execute no function of jdl',
               (SELECT array_agg(name) FROM code WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) a WHERE a.grantee = 0)), (SELECT count(*) FROM code)
        UNION ALL SELECT 'leakproof', 'No function of jdl claims to be leakproof',
               (SELECT array_agg(name) FROM code WHERE proleakproof), (SELECT count(*) FROM code)
        UNION ALL SELECT 'audit-triggers', 'Every audited table and partition has its four statement triggers, always enabled',
               (SELECT array_agg(g.name) FROM guarded g WHERE g.nspname <> 'jdl_audit' AND g.relname NOT IN ('register_change', 'index_event', 'linkage_key', 'linkage_record', 'linkage_index', 'term_frequency', 'institution_postcode')
                AND 4 <> (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = g.oid AND t.tgname LIKE 'audit\_%' AND t.tgenabled = 'A')), (SELECT count(*) FROM guarded)
        UNION ALL SELECT 'audit-chain', 'The trail is intact',
               (SELECT array_agg('position ' || v.first_bad) FROM @extschema@.jdl_audit_verify() v WHERE NOT v.intact), (SELECT count(*) FROM jdl_audit.chain)
        UNION ALL SELECT 'audit-frozen', 'Nobody may change or remove an entry of the trail',
               (SELECT array_agg(DISTINCT r.rolname::text) FROM pg_roles r, guarded g WHERE g.nspname = 'jdl_audit' AND r.rolname LIKE 'jdl\_%' AND r.rolname <> 'jdl_owner'
                AND (has_table_privilege(r.oid, g.oid, 'UPDATE') OR has_table_privilege(r.oid, g.oid, 'DELETE') OR has_table_privilege(r.oid, g.oid, 'TRUNCATE'))), 2::bigint
        UNION ALL SELECT 'unlogged', 'Identities of requests stand in unlogged partitions only',
               (SELECT array_agg(name) FROM guarded WHERE nspname = 'jdl_restricted' AND relispartition AND relpersistence <> 'u'), (SELECT count(*) FROM guarded WHERE relispartition)
        UNION ALL SELECT 'statistics', 'No statistics are kept on identifiers',
               (SELECT array_agg(g.name || '.' || a.attname) FROM guarded g JOIN pg_attribute a ON a.attrelid = g.oid
                WHERE g.nspname = 'jdl_restricted' AND a.attname IN ('pnc_id', 'cro', 'prison_number', 'forename', 'middle_name', 'surname', 'date_of_birth', 'postcode')
                  AND (a.attstattarget <> 0 OR EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = g.oid AND s.staattnum = a.attnum))), (SELECT count(*) FROM guarded WHERE nspname = 'jdl_restricted')
        UNION ALL SELECT 'overdue', 'Nothing that was due for destruction is still there',
               (SELECT array_agg('request ' || r.request_id) FROM jdl.request r WHERE r.destroyed_at IS NULL AND r.destroy_on < (clock_timestamp() AT TIME ZONE 'Europe/London')::date), (SELECT count(*) FROM jdl.request WHERE destroy_on IS NOT NULL)
        UNION ALL SELECT 'leftovers', 'No partition of a destroyed request is left',
               (SELECT array_agg(g.name) FROM guarded g JOIN jdl.request r ON g.relname ~ ('^(submission|link|link_override|index_choice|pseudonym)_' || r.request_id || '$') WHERE r.destroyed_at IS NOT NULL), (SELECT count(*) FROM jdl.destruction)
        UNION ALL SELECT 'holidays', 'The bank holidays of the next twelve months are known',
               CASE WHEN (SELECT max(holiday) FROM jdl.bank_holiday) < current_date + 365 THEN ARRAY['they end on ' || (SELECT max(holiday) FROM jdl.bank_holiday)] END, (SELECT count(*) FROM jdl.bank_holiday)
    )
    SELECT f.check_id, f.title, coalesce(cardinality(f.offenders), 0) = 0,
           CASE WHEN coalesce(cardinality(f.offenders), 0) = 0 THEN format('%s looked at', f.total) ELSE array_to_string(f.offenders[1:10], ', ') END
    FROM found f;
END
$$;
COMMENT ON FUNCTION jdl_assurance() IS 'The self-check that an accreditor reads: each control, whether it holds now, and the evidence.';
