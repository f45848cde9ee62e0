-- A step is taken once: it leaves a row in jdl.request_step, and asking again answers from that row.

-- The stored summary of a step if it stands with these options ('{}' asks for whatever stands); null if it has to be taken.
CREATE FUNCTION _jdl_standing_step(request_id bigint, step text, options jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    standing record;
BEGIN
    SELECT s.options, s.summary INTO standing FROM jdl.request_step s WHERE s.request_id = _jdl_standing_step.request_id AND s.step = _jdl_standing_step.step;
    IF NOT FOUND OR (options <> '{}' AND options <> standing.options) THEN
        RETURN NULL;
    END IF;
    RETURN standing.summary;
END
$$;
COMMENT ON FUNCTION _jdl_standing_step(bigint, text, jsonb) IS 'The summary of a step that stands with these options; null if it has to be taken.';

CREATE FUNCTION _jdl_take_step(request_id bigint, step text, status text, options jsonb, summary jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO jdl.request_step (request_id, step, actor, options, summary)
    VALUES (_jdl_take_step.request_id, _jdl_take_step.step, @extschema@._jdl_actor(), _jdl_take_step.options, _jdl_take_step.summary)
    ON CONFLICT ON CONSTRAINT request_step_pkey DO UPDATE SET actor = excluded.actor, taken_at = excluded.taken_at, options = excluded.options, summary = excluded.summary;
    -- A clock that an earlier rejection started stops when the work goes on.
    UPDATE jdl.request r SET status = _jdl_take_step.status, status_reason = NULL, decided_on = NULL, destroy_on = NULL WHERE r.request_id = _jdl_take_step.request_id AND r.status <> _jdl_take_step.status;
    PERFORM @extschema@._jdl_audit(step, request_id, NULL, NULL, summary);
END
$$;
COMMENT ON FUNCTION _jdl_take_step(bigint, text, text, jsonb, jsonb) IS 'Records that a step was taken, by whom and with what answer.';

-- Refuses a step that the state of the request does not allow.
CREATE FUNCTION _jdl_require_status(request_id bigint, step text, VARIADIC allowed text[]) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked record;
BEGIN
    SELECT r.status, r.status_reason, r.destroy_on INTO asked FROM jdl.request r WHERE r.request_id = _jdl_require_status.request_id;
    IF asked.status <> ALL (allowed) THEN
        RAISE EXCEPTION 'request % is %: it cannot be %', request_id, asked.status, step USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = concat_ws(' ', 'A request that is ' || array_to_string(allowed, ' or ') || ' can.', 'Reason: ' || asked.status_reason || '.', 'Its individual-level data is destroyed by ' || asked.destroy_on || '.');
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_require_status(bigint, text, text[]) IS 'Refuses a step (a past participle) unless the request has one of the states.';

-- Identities stand in unlogged tables, which a crash empties. A request that still needed them goes back to waiting for its list: what
-- was derived from the lost one is put away, and nothing else. Asked by the steps that read identities, and not by every step: it looks
-- into the partitions, and whoever destroys must hold no lock on them before it takes the strongest.
CREATE FUNCTION _jdl_notice_crash(request_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lost boolean;
BEGIN
    lost := CASE (SELECT r.status FROM jdl.request r WHERE r.request_id = _jdl_notice_crash.request_id)
        WHEN 'linked' THEN NOT EXISTS (SELECT FROM jdl_restricted.link l WHERE l.request_id = _jdl_notice_crash.request_id)
        WHEN 'matched' THEN NOT EXISTS (SELECT FROM jdl_restricted.link l WHERE l.request_id = _jdl_notice_crash.request_id)
        WHEN 'open' THEN NOT EXISTS (SELECT FROM jdl_restricted.submission s WHERE s.request_id = _jdl_notice_crash.request_id)
            AND EXISTS (SELECT FROM jdl_audit.event e WHERE e.request_id = _jdl_notice_crash.request_id AND e.action = 'insert' AND e.relation LIKE 'jdl\_restricted.submission%')
        ELSE false
    END;
    IF NOT lost THEN
        RETURN;
    END IF;
    DELETE FROM jdl.request_step s WHERE s.request_id = _jdl_notice_crash.request_id;
    DELETE FROM jdl_pseudonymised.member m WHERE m.request_id = _jdl_notice_crash.request_id;
    DELETE FROM jdl_pseudonymised.index_loss l WHERE l.request_id = _jdl_notice_crash.request_id;
    DELETE FROM jdl_restricted.submission s WHERE s.request_id = _jdl_notice_crash.request_id;
    UPDATE jdl.request r SET status = 'awaiting resubmission', status_reason = 'the records were lost in a crash', decided_on = NULL, destroy_on = NULL WHERE r.request_id = _jdl_notice_crash.request_id;
    PERFORM @extschema@._jdl_audit('lost_in_crash', request_id, 'jdl_restricted.submission', NULL);
END
$$;
COMMENT ON FUNCTION _jdl_notice_crash(bigint) IS 'Sends a request whose identities a crash has emptied back to waiting for its list.';
