-- The trail: one event a statement or step, sealed into a hash chain at commit. Never a personal value.

-- Writes an event. Who and when are the database's word, not the caller's.
CREATE FUNCTION _jdl_audit(action text, request_id bigint, relation text, row_count bigint, detail jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO jdl_audit.event (login, actor, action, request_id, relation, row_count, detail)
    VALUES (session_user, @extschema@._jdl_actor(), _jdl_audit.action, _jdl_audit.request_id, _jdl_audit.relation, _jdl_audit.row_count, coalesce(_jdl_audit.detail, '{}'));
    -- What was read stays read when its transaction is rolled back: the server's log keeps a line of it.
    IF action IN ('read_restricted', 'read_report', 'validate', 'preflight', 'dpia') THEN
        RAISE LOG 'jdl: %, request %, by %', action, request_id, @extschema@._jdl_actor();
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_audit(text, bigint, text, bigint, jsonb) IS 'Writes an event to the trail: action, request, relation, number of rows, detail without personal values.';

-- Writes a refused attempt; called by the process that _jdl_note_refusal starts. Left to be sealed apart, which may have to wait.
CREATE FUNCTION _jdl_audit_refused(login oid, actor oid, request_id bigint, message text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    INSERT INTO jdl_audit.event (login, actor, action, request_id, isolation, detail)
    VALUES (pg_get_userbyid(_jdl_audit_refused.login), pg_get_userbyid(_jdl_audit_refused.actor), 'refused', _jdl_audit_refused.request_id, 'apart', jsonb_build_object('message', message))
    RETURNING event_id INTO written;
    RETURN written;
END
$$;
COMMENT ON FUNCTION _jdl_audit_refused(oid, oid, bigint, text) IS 'Writes a refused attempt to the trail, to be sealed apart.';

-- Statement trigger of every individual-level and workflow table. TG_ARGV[0] is the column that holds the request, if there is one.
CREATE FUNCTION _jdl_audit_statement() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Not quoted, which the session could ask for (quote_all_identifiers): other functions look for these names.
    relation text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
    transition text := CASE TG_OP WHEN 'DELETE' THEN 'old_rows' ELSE 'new_rows' END;
    request_id bigint;
    row_count bigint;
BEGIN
    IF TG_TABLE_SCHEMA NOT LIKE 'jdl%' OR TG_LEVEL <> 'STATEMENT' THEN
        RAISE EXCEPTION 'this trigger belongs to the tables of jdl' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM @extschema@._jdl_audit('truncate', NULL, relation, NULL);
    ELSIF TG_NARGS = 0 THEN
        EXECUTE format('SELECT count(*) FROM %s', transition) INTO row_count;
        PERFORM @extschema@._jdl_audit(lower(TG_OP), NULL, relation, row_count);
    ELSE
        FOR request_id, row_count IN EXECUTE format('SELECT %I, count(*) FROM %s GROUP BY 1 ORDER BY 1', TG_ARGV[0], transition) LOOP
            PERFORM @extschema@._jdl_audit(lower(TG_OP), request_id, relation, row_count);
        END LOOP;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _jdl_audit_statement() IS 'Statement trigger: writes how many rows a statement inserted, updated or deleted.';

-- Puts the statement triggers on a table (and on each partition: they are not inherited). ENABLE ALWAYS, so that
-- session_replication_role does not switch them off.
CREATE FUNCTION _jdl_audit_attach(relation regclass, request_column name DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    argument text := CASE WHEN request_column IS NULL THEN '' ELSE quote_literal(request_column) END;
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement(%s)', relation, argument);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement(%s)', relation, argument);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement(%s)', relation, argument);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement()', relation);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_insert, ENABLE ALWAYS TRIGGER audit_update, ENABLE ALWAYS TRIGGER audit_delete, ENABLE ALWAYS TRIGGER audit_truncate', relation);
END
$$;
COMMENT ON FUNCTION _jdl_audit_attach(regclass, name) IS 'Puts the audit triggers on a table.';

-- The digest of an event, chained to the one before. The bytes are made in Rust: no setting of a session changes them.
CREATE FUNCTION _jdl_audit_digest(previous bytea, event_id bigint, occurred_at timestamptz, login name, actor name, action text, request_id bigint, relation text, row_count bigint, transaction_id text, isolation text, detail jsonb) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN sha256(coalesce(previous, '') || @extschema@._jdl_audit_bytes(ARRAY[
        event_id::text, (extract(epoch FROM occurred_at) * 1000000)::bigint::text, login::text, actor::text, action, request_id::text, relation, row_count::text, transaction_id, isolation, detail::text]));
COMMENT ON FUNCTION _jdl_audit_digest(bytea, bigint, timestamptz, name, name, text, bigint, text, bigint, text, text, jsonb) IS 'SHA-256 of an event chained to the digest before it.';

-- Nobody rewrites the trail by a plain statement, a superuser neither; who switches this off leaves a trail that no longer verifies.
CREATE FUNCTION _jdl_audit_frozen() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the trail is append-only' USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$;
COMMENT ON FUNCTION _jdl_audit_frozen() IS 'Statement trigger of the trail: refuses to change or remove anything.';

-- Deferred to the commit, so that writers do not queue behind one another while they work. Under a stricter isolation
-- than read committed the head of the chain may be out of sight: the event is left for the next sealer.
CREATE FUNCTION _jdl_audit_seal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.isolation = 'read committed' THEN
        PERFORM @extschema@._jdl_audit_append(NEW.event_id);
    ELSE
        INSERT INTO jdl_audit.pending (event_id) VALUES (NEW.event_id);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _jdl_audit_seal() IS 'Constraint trigger: seals an event into the chain at commit, or leaves it to the next sealer.';

CREATE FUNCTION _jdl_audit_append(event_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
    unsealed record;
BEGIN
    -- The row's lock makes the order; an advisory lock could be held by anybody.
    SELECT h.position, h.digest INTO last FROM jdl_audit.head h FOR UPDATE;
    -- First what had to be left, then this one.
    FOR unsealed IN
        SELECT e.* FROM jdl_audit.event e
        WHERE (e.event_id = _jdl_audit_append.event_id OR e.event_id IN (SELECT p.event_id FROM jdl_audit.pending p))
          AND NOT EXISTS (SELECT FROM jdl_audit.chain c WHERE c.event_id = e.event_id)
        ORDER BY e.event_id
    LOOP
        last.position := last.position + 1;
        last.digest := @extschema@._jdl_audit_digest(last.digest, unsealed.event_id, unsealed.occurred_at, unsealed.login, unsealed.actor, unsealed.action, unsealed.request_id,
            unsealed.relation, unsealed.row_count, unsealed.transaction_id, unsealed.isolation, unsealed.detail);
        INSERT INTO jdl_audit.chain (position, event_id, digest) VALUES (last.position, unsealed.event_id, last.digest);
        IF unsealed.isolation <> 'read committed' THEN
            DELETE FROM jdl_audit.pending p WHERE p.event_id = unsealed.event_id;
        END IF;
    END LOOP;
    UPDATE jdl_audit.head SET position = last.position, digest = last.digest WHERE true;
END
$$;
COMMENT ON FUNCTION _jdl_audit_append(bigint) IS 'Appends an event to the chain, once, and before it what was left unsealed.';

-- What an auditor keeps outside the database: with it jdl_audit_verify shows a trail that was cut off, or rewritten as a whole.
CREATE FUNCTION jdl_audit_anchor() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_require_role('read the trail', 'jdl_auditor', 'jdl_approver');
    RETURN (SELECT h.position || ':' || encode(h.digest, 'hex') FROM jdl_audit.head h);
END
$$;
COMMENT ON FUNCTION jdl_audit_anchor() IS 'The head of the trail, to be kept where nobody of the lab can change it; jdl_audit_verify(anchor) asks whether it still stands.';

CREATE FUNCTION jdl_audit_verify(anchor text DEFAULT NULL) RETURNS TABLE (intact boolean, entries bigint, first_bad bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_require_role('verify the trail', 'jdl_auditor', 'jdl_approver', 'jdl_dba');
    IF anchor !~ '^[0-9]{1,18}:[0-9a-f]*$' THEN
        RAISE EXCEPTION 'anchor: is not one of jdl_audit_anchor()' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    WITH linked AS (
        SELECT c.position, c.digest, lag(c.digest) OVER w AS previous, lag(c.position, 1, 0::bigint) OVER w AS before, e.*
        FROM jdl_audit.chain c LEFT JOIN jdl_audit.event e USING (event_id)
        WINDOW w AS (ORDER BY c.position)
    ), tail AS (
        SELECT coalesce(max(position), 0) AS position FROM jdl_audit.chain
    ), bad AS (
        SELECT position FROM linked
        WHERE position <> before + 1 OR login IS NULL
           OR digest IS DISTINCT FROM @extschema@._jdl_audit_digest(previous, event_id, occurred_at, login, actor, action, request_id, relation, row_count, transaction_id, isolation, detail)
        -- The head says how long the chain is and how it ends: torn off seals, with their events or without, are missed here.
        UNION ALL SELECT tail.position + 1 FROM tail WHERE NOT EXISTS (
            SELECT FROM jdl_audit.head h LEFT JOIN jdl_audit.chain c ON c.position = h.position WHERE h.position = tail.position AND h.digest IS NOT DISTINCT FROM c.digest)
        -- Whoever could rewrite the chain could rewrite the head: what was kept outside shows it.
        UNION ALL SELECT split_part(anchor, ':', 1)::bigint WHERE split_part(anchor, ':', 1)::bigint > 0 AND NOT EXISTS (
            SELECT FROM jdl_audit.chain c WHERE c.position = split_part(anchor, ':', 1)::bigint AND encode(c.digest, 'hex') = split_part(anchor, ':', 2))
        -- Every event is sealed or waits for it; one that did neither was slipped in, one that waits and is not there was removed.
        UNION ALL SELECT tail.position + 1 FROM tail WHERE EXISTS (
            SELECT FROM jdl_audit.event e
            WHERE NOT EXISTS (SELECT FROM jdl_audit.chain c WHERE c.event_id = e.event_id) AND NOT EXISTS (SELECT FROM jdl_audit.pending p WHERE p.event_id = e.event_id)
              AND e.transaction_id IS DISTINCT FROM pg_current_xact_id_if_assigned()::text)
        UNION ALL SELECT tail.position + 1 FROM tail WHERE EXISTS (
            SELECT FROM jdl_audit.pending p WHERE NOT EXISTS (SELECT FROM jdl_audit.event e WHERE e.event_id = p.event_id))
    )
    SELECT count(*) = 0, (SELECT count(*) FROM jdl_audit.chain), min(bad.position) FROM bad;
END
$$;
COMMENT ON FUNCTION jdl_audit_verify(text) IS 'Recomputes the chain of the trail: whether it is intact, how many entries it has, and the first bad position. An anchor that was kept outside shows a trail cut off or rewritten.';
