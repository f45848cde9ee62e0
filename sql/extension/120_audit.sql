-- The trail: one event a statement or step, sealed into a hash chain at commit. Never a personal value.

-- Writes an event. Who and when are the database's word, not the caller's.
CREATE FUNCTION _jdl_audit(action text, request_id bigint, relation text, row_count bigint, detail jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO jdl_audit.event (login, actor, action, request_id, relation, row_count, detail)
    VALUES (session_user, @extschema@._jdl_actor(), _jdl_audit.action, _jdl_audit.request_id, _jdl_audit.relation, _jdl_audit.row_count, coalesce(_jdl_audit.detail, '{}'));
END
$$;
COMMENT ON FUNCTION _jdl_audit(text, bigint, text, bigint, jsonb) IS 'Writes an event to the trail: action, request, relation, number of rows, detail without personal values.';

-- Statement trigger of every individual-level and workflow table. TG_ARGV[0] is the column that holds the request, if there is one.
CREATE FUNCTION _jdl_audit_statement() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation text := format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
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
    EXECUTE format('CREATE TRIGGER audit_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement(%s)', relation, argument);
    EXECUTE format('CREATE TRIGGER audit_update AFTER UPDATE ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement(%s)', relation, argument);
    EXECUTE format('CREATE TRIGGER audit_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement(%s)', relation, argument);
    EXECUTE format('CREATE TRIGGER audit_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_statement()', relation);
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

-- Deferred to the commit, so that writers do not queue behind one another while they work. Under a stricter isolation
-- than read committed the head of the chain may be out of sight: the event is left for the next sealer.
CREATE FUNCTION _jdl_audit_seal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM @extschema@._jdl_audit_append(NEW.event_id);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _jdl_audit_seal() IS 'Constraint trigger: seals an event into the chain at commit.';

CREATE FUNCTION _jdl_audit_append(event_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head record;
    unsealed record;
BEGIN
    PERFORM pg_advisory_xact_lock(7364108, 1);
    SELECT chain.position, chain.digest INTO head FROM jdl_audit.chain ORDER BY chain.position DESC LIMIT 1;
    head.position := coalesce(head.position, 0);
    -- First what stricter transactions had to leave, then this one.
    FOR unsealed IN
        SELECT e.* FROM jdl_audit.event e
        WHERE (e.event_id = _jdl_audit_append.event_id OR e.isolation <> 'read committed')
          AND NOT EXISTS (SELECT FROM jdl_audit.chain c WHERE c.event_id = e.event_id)
        ORDER BY e.event_id
    LOOP
        head.position := head.position + 1;
        head.digest := @extschema@._jdl_audit_digest(head.digest, unsealed.event_id, unsealed.occurred_at, unsealed.login, unsealed.actor, unsealed.action, unsealed.request_id,
            unsealed.relation, unsealed.row_count, unsealed.transaction_id, unsealed.isolation, unsealed.detail);
        INSERT INTO jdl_audit.chain (position, event_id, digest) VALUES (head.position, unsealed.event_id, head.digest);
    END LOOP;
END
$$;
COMMENT ON FUNCTION _jdl_audit_append(bigint) IS 'Appends an event to the chain, once, and before it what stricter transactions left unsealed.';

CREATE FUNCTION jdl_audit_verify() RETURNS TABLE (intact boolean, entries bigint, first_bad bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    person name := @extschema@._jdl_actor();
BEGIN
    IF NOT (pg_has_role(person, 'jdl_auditor', 'MEMBER') OR pg_has_role(person, 'jdl_approver', 'MEMBER') OR pg_has_role(person, 'jdl_dba', 'MEMBER')) THEN
        RAISE EXCEPTION 'permission denied to verify the trail' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
    WITH linked AS (
        SELECT c.position, c.digest, lag(c.digest) OVER w AS previous, lag(c.position, 1, 0::bigint) OVER w AS before, e.*
        FROM jdl_audit.chain c LEFT JOIN jdl_audit.event e USING (event_id)
        WINDOW w AS (ORDER BY c.position)
    ), bad AS (
        SELECT position FROM linked
        WHERE position <> before + 1 OR login IS NULL
           OR digest IS DISTINCT FROM @extschema@._jdl_audit_digest(previous, event_id, occurred_at, login, actor, action, request_id, relation, row_count, transaction_id, isolation, detail)
    ), cut AS (
        -- A chain that ends before the newest sealed event was cut off; its events would be unsealed now.
        SELECT count(*) AS unsealed FROM jdl_audit.event e WHERE NOT EXISTS (SELECT FROM jdl_audit.chain c WHERE c.event_id = e.event_id)
          AND e.transaction_id IS DISTINCT FROM pg_current_xact_id_if_assigned()::text AND e.isolation = 'read committed'
    )
    SELECT (SELECT count(*) FROM bad) = 0 AND cut.unsealed = 0,
           (SELECT count(*) FROM linked),
           coalesce((SELECT min(position) FROM bad), CASE WHEN cut.unsealed > 0 THEN (SELECT coalesce(max(position), 0) + 1 FROM linked) END)
    FROM cut;
END
$$;
COMMENT ON FUNCTION jdl_audit_verify() IS 'Recomputes the chain of the trail: whether it is intact, how many entries it has, and the first bad position.';
