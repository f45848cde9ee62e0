-- The self-check that an accreditor reads: each promise, asked of the catalogs and the data as they are now.

CREATE FUNCTION jdl_assurance() RETURNS TABLE (check_id text, title text, passed boolean, evidence text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
BEGIN
    PERFORM @extschema@._jdl_require_role('run the self-check', 'jdl_auditor', 'jdl_approver', 'jdl_dba');
    RETURN QUERY
    WITH people (role) AS (
        VALUES ('jdl_intake'::name), ('jdl_analyst'), ('jdl_approver'), ('jdl_dba'), ('jdl_auditor'), ('jdl_reader')
    ), guarded AS (
        SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relpersistence, c.relispartition, c.relacl
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('jdl', 'jdl_restricted', 'jdl_pseudonymised', 'jdl_audit') AND c.relkind IN ('r', 'p')
    ), code AS (
        SELECT p.oid, p.oid::regprocedure::text AS name, p.prosrc, p.prosecdef, p.proowner, p.proconfig, p.proleakproof, p.proacl
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
        UNION ALL SELECT 'identities', 'Nobody but superusers, the engine and the backup role can select from a table of jdl_restricted',
               (SELECT array_agg(DISTINCT g.name || ' by ' || r.rolname) FROM guarded g, pg_roles r
                WHERE g.nspname = 'jdl_restricted' AND NOT r.rolsuper AND r.rolname NOT IN ('jdl_engine', 'jdl_owner', 'pg_read_all_data', @extschema@._jdl_setting('backup_role') #>> '{}')
                  AND has_table_privilege(r.oid, g.oid, 'SELECT')), (SELECT count(*) FROM guarded WHERE nspname = 'jdl_restricted')
        UNION ALL SELECT 'bypass', 'Nobody but superusers and the backup role bypasses row security',
               (SELECT array_agg(r.rolname::text) FROM pg_roles r WHERE r.rolbypassrls AND NOT r.rolsuper AND r.rolname <> (@extschema@._jdl_setting('backup_role') #>> '{}')), (SELECT count(*) FROM pg_roles)
        UNION ALL SELECT 'reader', 'BI readers can select from released results only',
               (SELECT array_agg(g.name) FROM guarded g WHERE has_table_privilege('jdl_reader', g.oid, 'SELECT') AND g.name <> 'jdl.access'), 1::bigint
        UNION ALL SELECT 'reader-depends', 'What BI readers read is made from released results and nothing else',
               (SELECT array_agg(DISTINCT format('%s from %s', v.oid::regclass, d.refobjid::regclass)) FROM pg_class v JOIN pg_rewrite w ON w.ev_class = v.oid
                JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
                WHERE v.relkind IN ('v', 'm') AND has_table_privilege('jdl_reader', v.oid, 'SELECT') AND v.relnamespace IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname ~ '^jdl')
                  AND d.refobjid <> 'jdl.released_measure'::regclass), 1::bigint
        UNION ALL SELECT 'views', 'Every view of jdl belongs to jdl_engine and is a barrier',
               (SELECT array_agg(c.oid::regclass::text) FROM pg_class c WHERE c.relkind IN ('v', 'm') AND c.relnamespace IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname ~ '^jdl')
                AND NOT (c.relowner = 'jdl_engine'::regrole AND coalesce('security_barrier=true' = ANY (c.reloptions), false))),
               (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('v', 'm') AND c.relnamespace IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname ~ '^jdl'))
        UNION ALL SELECT 'pseudonymised', 'No column of the analysis rows names a person',
               (SELECT array_agg(g.name || '.' || a.attname) FROM guarded g JOIN pg_attribute a ON a.attrelid = g.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE g.nspname = 'jdl_pseudonymised' AND a.attname ~ 'name|birth|pnc|cro$|prison|postcode|person|sentence_id|record_no'), (SELECT count(*) FROM guarded WHERE nspname = 'jdl_pseudonymised')
        UNION ALL SELECT 'schemas', 'Nobody but its owner may create anything in a schema of jdl',
               (SELECT array_agg(DISTINCT format('%s by %s', n.nspname, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)) FROM pg_namespace n, aclexplode(n.nspacl) a
                WHERE (n.nspname ~ '^jdl' OR n.oid = '@extschema@'::regnamespace) AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
                  AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolsuper)), (SELECT count(*) FROM pg_namespace WHERE nspname ~ '^jdl')
        UNION ALL SELECT 'database', 'Nobody but its owner may create schemas or temporary tables in the database',
               (SELECT array_agg(DISTINCT format('%s by %s', a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)) FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                WHERE d.datname = current_database() AND a.privilege_type IN ('CREATE', 'TEMPORARY') AND a.grantee <> d.datdba
                  AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolsuper)), 1::bigint
        UNION ALL SELECT 'grantees', 'Every live grant of access is of a login that is still there and still a member of its group',
               (SELECT array_agg('grant ' || a.access_id) FROM jdl.access a LEFT JOIN pg_roles r ON r.rolname = a.person AND r.rolcanlogin
                WHERE a.revoked_at IS NULL AND @extschema@._jdl_today() <= a.ends_on AND (r.oid IS NULL OR NOT pg_has_role(r.oid, a.role, 'MEMBER'))), (SELECT count(*) FROM jdl.access)
        UNION ALL SELECT 'signed-off', 'On a live instance every member of a people''s group is signed off for it',
               (SELECT array_agg(r.rolname || ' for ' || p.role) FROM people p, pg_roles r
                WHERE @extschema@._jdl_setting('instance') = '"live"' AND r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, p.role, 'MEMBER')
                  AND NOT EXISTS (SELECT FROM jdl.access a WHERE a.person = r.rolname AND a.role = p.role AND a.revoked_at IS NULL AND @extschema@._jdl_today() BETWEEN a.starts_on AND a.ends_on)),
               (SELECT count(*) FROM jdl.access)
        UNION ALL SELECT 'signers', 'Every live grant of access was signed by another person, who may still sign (a login that is gone is not judged)',
               (SELECT array_agg('grant ' || a.access_id) FROM jdl.access a LEFT JOIN pg_roles r ON r.rolname = a.granted_by
                WHERE a.revoked_at IS NULL AND @extschema@._jdl_today() <= a.ends_on
                  AND (a.granted_by = a.person OR r.oid IS NOT NULL AND NOT (r.rolsuper OR pg_has_role(r.oid, 'jdl_approver', 'MEMBER')))), (SELECT count(*) FROM jdl.access)
        UNION ALL SELECT 'training', 'Nobody whose access is live was trained more than two years ago',
               (SELECT array_agg('grant ' || a.access_id) FROM jdl.access a WHERE a.revoked_at IS NULL AND @extschema@._jdl_today() <= a.ends_on AND a.trained_on < @extschema@._jdl_today() - 731), (SELECT count(*) FROM jdl.access)
        UNION ALL SELECT 'four-eyes', 'No request was approved or released by somebody who opened or analysed it',
               (SELECT array_agg('request ' || r.request_id) FROM jdl.request r
                WHERE EXISTS (SELECT FROM @extschema@._jdl_hands(r.request_id) h WHERE h.person IN (r.approved_by, r.released_by))), (SELECT count(*) FROM jdl.request)
        UNION ALL SELECT 'released', 'Nothing was published that was not approved and released',
               (SELECT array_agg(DISTINCT 'request ' || m.request_id) FROM jdl.released_measure m JOIN jdl.request r USING (request_id) WHERE r.approved_by IS NULL OR r.released_by IS NULL), (SELECT count(*) FROM jdl.released_measure)
        UNION ALL SELECT 'release-record', 'Every release since 0.2.0 stands with the record of how it was protected',
               (SELECT array_agg(DISTINCT 'request ' || m.request_id) FROM jdl.released_measure m JOIN jdl.request r USING (request_id)
                WHERE NOT EXISTS (SELECT FROM jdl.release_record k WHERE k.request_id = m.request_id)
                  AND coalesce(r.released_at, 'infinity') >= (SELECT min(v.installed_at) FROM jdl.schema_version v WHERE v.version <> '0.1.0')), (SELECT count(*) FROM jdl.release_record)
        UNION ALL SELECT 'disclosure-key', 'There is a key of disclosure control, and it lies outside the database',
               CASE WHEN @extschema@._jdl_key_problem() IS NOT NULL THEN ARRAY[@extschema@._jdl_key_problem()] END, (SELECT count(*) FROM jdl.disclosure_key)
        UNION ALL SELECT 'members', 'No table of jdl is a member of the extension: a dump carries them all',
               (SELECT array_agg(g.name) FROM guarded g JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = g.oid AND d.deptype = 'e'), (SELECT count(*) FROM guarded)
        UNION ALL SELECT 'code', 'The functions are those that were installed',
               CASE WHEN @extschema@._jdl_code_digest() IS DISTINCT FROM (SELECT v.code_digest FROM jdl.schema_version v ORDER BY v.installed_at DESC LIMIT 1)
                    THEN ARRAY['their sources differ from those of the last jdl_install() or jdl_migrate()'] END, (SELECT count(*) FROM code)
        UNION ALL SELECT 'server-version', 'The server has the fixes that row-level security needs',
               CASE WHEN current_setting('server_version_num')::integer < @extschema@._jdl_setting_int('least_server_version') THEN ARRAY[current_setting('server_version')] END, current_setting('server_version_num')::bigint
        UNION ALL SELECT 'server-log', 'The server''s log keeps no statement, parameter or detail of an error, and no transaction outlives its session',
               (SELECT array_agg(wanted.name || ' = ' || coalesce(current_setting(wanted.name, true), 'unset'))
                FROM (VALUES ('log_min_error_statement', '{fatal,panic}'::text[]), ('log_error_verbosity', '{terse}'), ('log_parameter_max_length', '{0}'), ('log_parameter_max_length_on_error', '{0}'),
                             ('log_statement', '{none,ddl}'), ('log_min_duration_statement', '{-1}'), ('log_min_duration_sample', '{-1}'), ('debug_print_parse', '{off}'), ('debug_print_plan', '{off}'), ('max_prepared_transactions', '{0}')) wanted (name, safe)
                WHERE current_setting(wanted.name, true) <> ALL (wanted.safe)), 10::bigint
        UNION ALL SELECT 'literals', 'No library that keeps the literals of statements is loaded',
               (SELECT array_agg(DISTINCT found_in) FROM (
                    SELECT format('%s in %s', library, setting) AS found_in
                    FROM (VALUES ('shared_preload_libraries'), ('session_preload_libraries'), ('local_preload_libraries')) s (setting), (VALUES ('pg_stat_statements'), ('auto_explain')) l (library)
                    WHERE current_setting(setting) ~ library AND NOT (library = 'pg_stat_statements' AND coalesce(current_setting('pg_stat_statements.track_utility', true) = 'off', false))
                    UNION ALL SELECT format('%s of %s', line, coalesce(nullif(d.setrole, 0)::regrole::text, 'everybody')) FROM pg_db_role_setting d, unnest(d.setconfig) line WHERE line ~ 'auto_explain|pg_stat_statements') found_libraries), 2::bigint
        UNION ALL SELECT 'row-security-off', 'No role or database is set to do without triggers or to widen its search path',
               (SELECT array_agg(format('%s of %s', line, coalesce(nullif(d.setrole, 0)::regrole::text, 'everybody'))) FROM pg_db_role_setting d, unnest(d.setconfig) line WHERE line ~ '^(session_replication_role|search_path|default_transaction_isolation)='),
               (SELECT count(*) FROM pg_db_role_setting)
        UNION ALL SELECT 'publications', 'No table of jdl is published to another server',
               (SELECT array_agg(format('%s in %s', p.tablename, p.pubname)) FROM pg_publication_tables p WHERE p.schemaname ~ '^jdl'), (SELECT count(*) FROM pg_publication)
        UNION ALL SELECT 'large-objects', 'There is no large object: a side store that no policy guards',
               (SELECT array_agg('large object ' || l.oid) FROM pg_largeobject_metadata l), 0::bigint
        UNION ALL SELECT 'derived', 'Nobody copied identities into a table, view or temporary table of their own',
               (SELECT array_agg(DISTINCT c.oid::regclass::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                WHERE c.relkind IN ('r', 'm', 'p', 'f') AND c.relnamespace NOT IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname ~ '^jdl' OR n.nspname IN ('pg_catalog', 'information_schema'))
                  AND a.attname IN ('pnc_id', 'prison_number', 'surname', 'date_of_birth')), 0::bigint
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
                AND (4 <> (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = g.oid AND t.tgname LIKE 'audit\_%' AND t.tgenabled = 'A')
                     OR g.name = 'jdl.setting' AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = g.oid AND t.tgname = 'setting_changed' AND t.tgenabled = 'A'))), (SELECT count(*) FROM guarded)
        UNION ALL SELECT 'audit-chain', 'The trail is intact',
               (SELECT array_agg('position ' || v.first_bad) FROM @extschema@.jdl_audit_verify() v WHERE NOT v.intact), (SELECT count(*) FROM jdl_audit.chain)
        UNION ALL SELECT 'audit-frozen', 'Nobody may change or remove an entry of the trail',
               (SELECT array_agg(DISTINCT r.rolname::text) FROM pg_roles r, guarded g WHERE g.nspname = 'jdl_audit' AND g.relname IN ('event', 'chain') AND NOT r.rolsuper AND r.rolname NOT IN ('jdl_owner', 'pg_write_all_data')
                AND (has_table_privilege(r.oid, g.oid, 'UPDATE') OR has_table_privilege(r.oid, g.oid, 'DELETE') OR has_table_privilege(r.oid, g.oid, 'TRUNCATE'))), 2::bigint
        UNION ALL SELECT 'audit-seal', 'Every event is sealed as it commits, and neither events nor seals can be changed',
               (SELECT array_agg(want) FROM unnest(ARRAY['event_seal', 'event_frozen', 'chain_frozen']) want WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid IN ('jdl_audit.event'::regclass, 'jdl_audit.chain'::regclass) AND t.tgname = want AND t.tgenabled = 'A')), (SELECT count(*) FROM jdl_audit.event)
        UNION ALL SELECT 'audit-pending', 'No event has waited longer than a day for its seal',
               (SELECT array_agg('event ' || e.event_id) FROM jdl_audit.pending p JOIN jdl_audit.event e USING (event_id) WHERE e.occurred_at < clock_timestamp() - interval '1 day'), (SELECT count(*) FROM jdl_audit.pending)
        UNION ALL SELECT 'unlogged', 'Identities of requests stand in unlogged partitions only',
               (SELECT array_agg(name) FROM guarded WHERE nspname = 'jdl_restricted' AND relispartition AND relpersistence <> 'u'), (SELECT count(*) FROM guarded WHERE relispartition)
        UNION ALL SELECT 'statistics', 'No statistics are kept on identifiers, nor on anything else that is destroyed with a request',
               (SELECT array_agg(g.name || '.' || a.attname) FROM guarded g JOIN pg_attribute a ON a.attrelid = g.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE g.nspname = 'jdl_restricted' AND (a.attname IN ('pnc_id', 'cro', 'prison_number', 'forename', 'middle_name', 'surname', 'date_of_birth', 'postcode')
                                                        OR (g.relkind = 'p' OR g.relispartition) AND a.attname <> 'request_id')
                  -- Null is the default from PostgreSQL 17 on.
                  AND (a.attstattarget IS DISTINCT FROM 0 OR EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = g.oid AND s.staattnum = a.attnum))), (SELECT count(*) FROM guarded WHERE nspname = 'jdl_restricted')
        UNION ALL SELECT 'overdue', 'Nothing that was due for destruction is still there',
               (SELECT array_agg('request ' || r.request_id) FROM jdl.request r WHERE r.destroyed_at IS NULL AND r.destroy_on < @extschema@._jdl_today() AND @extschema@._jdl_held_until(r.request_id) IS NULL), (SELECT count(*) FROM jdl.request WHERE destroy_on IS NOT NULL)
        UNION ALL SELECT 'leftovers', 'No partition of a destroyed request is left',
               (SELECT array_agg(g.name) FROM guarded g JOIN jdl.request r ON g.relname ~ ('^(submission|link|link_override|index_choice|pseudonym)_' || r.request_id || '$') WHERE r.destroyed_at IS NOT NULL), (SELECT count(*) FROM jdl.destruction)
        UNION ALL SELECT 'clock', 'Every request that ended has a date of destruction',
               (SELECT array_agg('request ' || r.request_id) FROM jdl.request r WHERE r.destroyed_at IS NULL AND r.destroy_on IS NULL AND r.status IN ('rejected', 'released', 'halted', 'withdrawn', 'superseded')), (SELECT count(*) FROM jdl.request)
        UNION ALL SELECT 'clocks-set', 'No clock of destruction is set longer than the privacy impact assessment has it',
               (SELECT array_agg(format('%s = %s', c.name, @extschema@._jdl_setting_int(c.name))) FROM (VALUES ('review_working_days', 20), ('decision_working_days', 5), ('discussion_working_days', 10)) c (name, longest)
                WHERE @extschema@._jdl_setting_int(c.name) > c.longest), 3::bigint
        UNION ALL SELECT 'certificates', 'Every destroyed request has a certificate that says what it said when it was written',
               (SELECT array_agg('request ' || r.request_id) FROM jdl.request r LEFT JOIN jdl.destruction d USING (request_id)
                WHERE r.destroyed_at IS NOT NULL AND coalesce(d.certificate ->> 'digest', '') IS DISTINCT FROM encode(sha256(convert_to((d.certificate - 'digest')::text, 'UTF8')), 'hex')), (SELECT count(*) FROM jdl.destruction)
        UNION ALL SELECT 'retention-ran', 'Retention ran within the last 26 hours, if a clock has run as long',
               (SELECT array_agg('last run: ' || coalesce((SELECT max(j.started_at)::text FROM jdl.job_run j), 'never'))
                WHERE EXISTS (SELECT FROM jdl.request r WHERE r.destroyed_at IS NULL AND r.destroy_on IS NOT NULL AND (r.released_at < clock_timestamp() - interval '26 hours' OR r.decided_on < @extschema@._jdl_today() - 1))
                  AND NOT EXISTS (SELECT FROM jdl.job_run j WHERE j.started_at > clock_timestamp() - interval '26 hours')), (SELECT count(*) FROM jdl.job_run)
        UNION ALL SELECT 'retention-failed', 'The last run of retention destroyed all that was due',
               (SELECT array_agg(j.failed || ' failed') FROM (SELECT * FROM jdl.job_run ORDER BY job_run_id DESC LIMIT 1) j WHERE j.failed > 0), (SELECT count(*) FROM jdl.job_run)
        UNION ALL SELECT 'old-sessions', 'No session that may hold what was destroyed is still open',
               (SELECT array_agg(format('process %s of %s', s.pid, s.person)) FROM @extschema@._jdl_sessions_with_identities() s WHERE s.began < (SELECT max(d.destroyed_at) FROM jdl.destruction d)), (SELECT count(*) FROM jdl.destruction)
        UNION ALL SELECT 'holidays', 'The bank holidays of the next twelve months are known, and no year has so many that they only put clocks off',
               (SELECT array_agg(h.evidence) FROM (
                    SELECT 'they end on ' || max(b.holiday) AS evidence FROM jdl.bank_holiday b HAVING max(b.holiday) < @extschema@._jdl_today() + 365
                    UNION ALL SELECT format('%s in %s', count(*), extract(year FROM b.holiday)) FROM jdl.bank_holiday b GROUP BY extract(year FROM b.holiday) HAVING count(*) > 12) h), (SELECT count(*) FROM jdl.bank_holiday)
    )
    SELECT f.check_id, f.title, coalesce(cardinality(f.offenders), 0) = 0,
           CASE WHEN coalesce(cardinality(f.offenders), 0) = 0 THEN format('%s looked at', f.total) ELSE array_to_string(f.offenders[1:10], ', ') END
    FROM found f;
END
$$;
COMMENT ON FUNCTION jdl_assurance() IS 'The self-check that an accreditor reads: each control, whether it holds now, and the evidence.';

-- What the functions of the extension are, in one figure. How a session wants names quoted changes nothing in it.
CREATE FUNCTION _jdl_code_digest() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
    BEGIN ATOMIC
        SELECT encode(sha256(convert_to(string_agg(pg_get_functiondef(p.oid), E'\n'
                                                   ORDER BY p.proname COLLATE "C", pg_get_function_identity_arguments(p.oid) COLLATE "C"), 'UTF8')), 'hex')
        FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'jdl';
    END;
COMMENT ON FUNCTION _jdl_code_digest() IS 'SHA-256 of the sources of the extension''s functions.';

-- The record for the data-protection file.
CREATE FUNCTION jdl_dpia(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    record jsonb;
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver', 'jdl_auditor', 'jdl_dba');
    SELECT jsonb_build_object(
        'request', jsonb_build_object('request_id', r.request_id, 'provider', r.provider, 'status', r.status, 'status_reason', r.status_reason, 'opened_by', r.opened_by, 'opened_at', r.opened_at, 'channel', r.channel),
        'purpose', jsonb_build_object('question', 'whether people who took part re-offended less than similar people who did not', 'intervention', r.intervention, 'options', r.options,
            'about', 'groups only: no decision about a person is made from it, and no question about a person is answered'),
        'lawful_basis', jsonb_build_object('confirmed_by_the_provider', r.assurances),
        'data', jsonb_build_object(
            'submitted_fields', (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = 'jdl_restricted.submission'::regclass AND a.attnum > 0 AND a.attname NOT IN ('request_id', 'record_no')),
            'link', (SELECT s.summary FROM jdl.request_step s WHERE s.request_id = r.request_id AND s.step = 'link'),
            'register', (SELECT jsonb_build_object('register_version', v.register_version, 'extracted_on', v.extracted_on, 'persons', v.persons, 'is_synthetic', v.is_synthetic)
                         FROM jdl_pseudonymised.analysis x JOIN jdl.register_version v USING (register_version) WHERE x.request_id = r.request_id),
            'kept_rows', @extschema@._jdl_kept_rows(r.request_id)),
        'access', jsonb_build_object(
            'signed_off', coalesce((SELECT jsonb_agg(jsonb_build_object('person', a.person, 'role', a.role, 'everywhere', a.request_id IS NULL, 'reason', a.reason, 'trained_on', a.trained_on, 'from', a.starts_on, 'until', a.ends_on,
                                             'signed_by', a.granted_by, 'revoked_at', a.revoked_at, 'revoked_by', a.revoked_by) ORDER BY a.access_id)
                           FROM jdl.access a WHERE a.request_id = r.request_id OR (a.request_id IS NULL AND a.ends_on >= (r.opened_at AT TIME ZONE 'Europe/London')::date)), '[]'),
            'used', coalesce((SELECT jsonb_agg(jsonb_build_object('person', e.actor, 'action', e.action, 'times', e.times, 'first', e.first_at, 'last', e.last_at) ORDER BY e.first_at, e.actor, e.action)
                     FROM (SELECT e.actor, e.action, count(*) AS times, min(e.occurred_at) AS first_at, max(e.occurred_at) AS last_at FROM jdl_audit.event e
                           WHERE e.request_id = r.request_id AND e.action NOT IN ('insert', 'update', 'delete', 'refused') GROUP BY 1, 2) e), '[]'),
            'refused', (SELECT count(*) FROM jdl_audit.event e WHERE e.request_id = r.request_id AND e.action = 'refused')),
        'released', jsonb_build_object('approved_by', r.approved_by, 'approved_at', r.approved_at, 'released_by', r.released_by, 'released_at', r.released_at,
            'measures', coalesce((SELECT jsonb_agg(m.measure ORDER BY m.measure) FROM jdl.released_measure m WHERE m.request_id = r.request_id), '[]'),
            'disclosure', (SELECT p.report -> 'disclosure' FROM jdl.report p WHERE p.request_id = r.request_id),
            'record', (SELECT to_jsonb(k) - 'request_id' FROM jdl.release_record k WHERE k.request_id = r.request_id)),
        'fingerprints', jsonb_build_object(
            'kept', coalesce((SELECT jsonb_agg(jsonb_build_object('analysed_set', k.analysed_set, 'key_id', k.key_id, 'made_on', k.made_on) ORDER BY k.analysed_set, k.key_id) FROM jdl_restricted.sketch k WHERE k.request_id = r.request_id), '[]'),
            'what', 'pseudonymous fingerprints of the analysed sets, 64 sums a key, kept after destruction to find later releases about the same people but for a few; personal data while their key lives, deleted with it (docs/disclosure.md)'),
        'retention', jsonb_build_object('discussed_on', r.discussed_on, 'decided_on', r.decided_on, 'destroy_on', r.destroy_on, 'clock', (SELECT c.rule FROM @extschema@._jdl_clock(r.request_id) c),
            'decisions', coalesce((SELECT jsonb_agg(to_jsonb(d) - 'request_id' ORDER BY d.decision_id) FROM jdl.retention_decision d WHERE d.request_id = r.request_id), '[]')),
        'destroyed', (SELECT d.certificate FROM jdl.destruction d WHERE d.request_id = r.request_id),
        'trail', (SELECT jsonb_build_object('head', h.position || ':' || encode(h.digest, 'hex'), 'events_of_the_request', (SELECT count(*) FROM jdl_audit.event e WHERE e.request_id = r.request_id)) FROM jdl_audit.head h),
        'made_at', clock_timestamp(), 'made_by', @extschema@._jdl_actor())
    INTO record FROM jdl.request r WHERE r.request_id = jdl_dpia.request_id;
    PERFORM @extschema@._jdl_audit('dpia', request_id, NULL, 1);
    RETURN record;
END
$$;
COMMENT ON FUNCTION jdl_dpia(bigint) IS 'The record of a request for the data-protection file: purpose, lawful basis, data, who had access and used it, what was released, what was destroyed when.';
