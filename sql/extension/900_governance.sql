-- The life of a request after its report: four eyes, release, and the ways in which it may end. Destruction is 905_retention.sql.

CREATE FUNCTION _jdl_require_reason(reason text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'reason: is required' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN btrim(reason);
END
$$;
COMMENT ON FUNCTION _jdl_require_reason(text) IS 'The reason without surrounding blanks; refuses an empty one.';

CREATE FUNCTION _jdl_hands(request_id bigint) RETURNS TABLE (person name, action text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT r.opened_by, 'open_request' FROM jdl.request r WHERE r.request_id = _jdl_hands.request_id
    UNION SELECT e.actor, e.action FROM jdl_audit.event e
    WHERE e.request_id = _jdl_hands.request_id AND e.action IN ('link', 'override_link', 'match', 'freeze_plan', 'analyse', 'report');
END
$$;
COMMENT ON FUNCTION _jdl_hands(bigint) IS 'Who opened a request, and everybody who had a hand in its figures, as the trail has it.';

-- Whoever opened the request or had a hand in its figures cannot pass it on. The trail is asked, which nobody can change: the row of a
-- step names only who took it last.
CREATE FUNCTION _jdl_require_other_eyes(request_id bigint, overriding boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF @extschema@._jdl_actor() IN (SELECT h.person FROM @extschema@._jdl_hands(request_id) h WHERE NOT (overriding AND h.action = 'override_link')) THEN
        PERFORM @extschema@._jdl_refuse(format('request %s needs other eyes', request_id), 'Whoever opened a request, forced one of its links or analysed it neither approves, releases nor keeps it.',
            'Another approver can.', request_id);
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_require_other_eyes(bigint, boolean) IS 'Refuses the acting person if they opened the request or had a hand in its figures; whoever forces links may go on forcing them.';

CREATE FUNCTION jdl_approve(request_id bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    IF (SELECT r.status FROM jdl.request r WHERE r.request_id = jdl_approve.request_id) <> 'approved' THEN
        PERFORM @extschema@._jdl_require_status(request_id, 'approved', 'analysed');
        IF NOT EXISTS (SELECT FROM jdl.report p WHERE p.request_id = jdl_approve.request_id) THEN
            RAISE EXCEPTION 'request % has no report yet', request_id USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Its analyst runs jdl_report.';
        END IF;
        PERFORM @extschema@._jdl_require_other_eyes(request_id);
        UPDATE jdl.request r SET status = 'approved', approved_by = @extschema@._jdl_actor(), approved_at = clock_timestamp() WHERE r.request_id = jdl_approve.request_id;
        PERFORM @extschema@._jdl_audit('approve', request_id, 'jdl.request', 1);
    END IF;
    RETURN 'approved';
END
$$;
COMMENT ON FUNCTION jdl_approve(bigint) IS 'Approves the report of a request; the approver is neither who opened it nor who analysed it.';

CREATE FUNCTION jdl_release(request_id bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    destruction_date date;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    IF (SELECT r.status FROM jdl.request r WHERE r.request_id = jdl_release.request_id) <> 'released' THEN
        PERFORM @extschema@._jdl_require_status(request_id, 'released', 'approved');
        PERFORM @extschema@._jdl_require_other_eyes(request_id);
        PERFORM @extschema@._jdl_record_release(request_id);
        UPDATE jdl.request r SET status = 'released', released_by = @extschema@._jdl_actor(), released_at = clock_timestamp() WHERE r.request_id = jdl_release.request_id;
        destruction_date := @extschema@._jdl_reclock(request_id);
        INSERT INTO jdl.released_measure (request_id, provider, intervention, measure, treatment_n, comparison_n, treatment_value, comparison_value, difference, difference_low, difference_high, p_value, conclusive, withheld, released_on)
        SELECT r.request_id, r.provider, r.intervention, m.*, @extschema@._jdl_today()
        FROM jdl.request r, jdl.report p, @extschema@._jdl_report_measures(p.report) m
        WHERE r.request_id = jdl_release.request_id AND p.request_id = r.request_id;
        PERFORM @extschema@._jdl_audit('release', request_id, 'jdl.released_measure', NULL, jsonb_build_object('destroy_on', destruction_date));
    END IF;
    RETURN format('released; the individual-level data is destroyed by %s', (SELECT r.destroy_on FROM jdl.request r WHERE r.request_id = jdl_release.request_id));
END
$$;
COMMENT ON FUNCTION jdl_release(bigint) IS 'Releases an approved report that jdl_release_check lets through: its protected figures go to jdl.published_results and the review period starts.';

-- Ends a request that will not (or no longer) be processed and starts the clock of destruction.
CREATE FUNCTION _jdl_end(request_id bigint, step text, status text, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    destruction_date date;
BEGIN
    PERFORM @extschema@._jdl_require_reason(reason);
    -- A clock that already runs is not set back.
    UPDATE jdl.request r SET status = _jdl_end.status, status_reason = btrim(_jdl_end.reason), decided_on = coalesce(r.decided_on, @extschema@._jdl_today())
    WHERE r.request_id = _jdl_end.request_id;
    -- What was extended for the sake of the work has no reason any more; a hold has.
    UPDATE jdl.retention_decision d SET ended_by = @extschema@._jdl_actor(), ended_at = clock_timestamp(), end_reason = _jdl_end.status
    WHERE d.request_id = _jdl_end.request_id AND d.kind = 'extension' AND d.ended_at IS NULL;
    destruction_date := @extschema@._jdl_reclock(request_id);
    UPDATE jdl.released_measure m SET state = CASE _jdl_end.status WHEN 'superseded' THEN 'superseded' ELSE 'withdrawn' END WHERE m.request_id = _jdl_end.request_id;
    PERFORM @extschema@._jdl_audit(step, request_id, 'jdl.request', 1, jsonb_build_object('destroy_on', destruction_date));
    RETURN format('%s; the individual-level data is destroyed by %s', status, destruction_date);
END
$$;
COMMENT ON FUNCTION _jdl_end(bigint, text, text, text) IS 'Ends a request with a reason and starts the clock of destruction.';

CREATE FUNCTION jdl_reject(request_id bigint, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    PERFORM @extschema@._jdl_require_status(request_id, 'rejected', 'open', 'rejected', 'awaiting resubmission', 'linked', 'matched', 'analysed', 'halted');
    UPDATE jdl.request r SET rejected_by = @extschema@._jdl_actor() WHERE r.request_id = jdl_reject.request_id;
    RETURN @extschema@._jdl_end(request_id, 'reject', 'rejected', reason);
END
$$;
COMMENT ON FUNCTION jdl_reject(bigint, text) IS 'Rejects a request that cannot be processed; says when its data will be destroyed.';

CREATE FUNCTION jdl_halt(request_id bigint, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    PERFORM @extschema@._jdl_require_status(request_id, 'halted', 'open', 'linked', 'matched', 'analysed', 'approved', 'awaiting resubmission');
    RETURN @extschema@._jdl_end(request_id, 'halt', 'halted', reason);
END
$$;
COMMENT ON FUNCTION jdl_halt(bigint, text) IS 'Halts a request whose data turned out wrong before the report was released.';

CREATE FUNCTION jdl_withdraw(request_id bigint, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    PERFORM @extschema@._jdl_require_status(request_id, 'withdrawn', 'open', 'rejected', 'linked', 'matched', 'analysed', 'approved', 'released', 'halted', 'awaiting resubmission');
    RETURN @extschema@._jdl_end(request_id, 'withdraw', 'withdrawn', reason);
END
$$;
COMMENT ON FUNCTION jdl_withdraw(bigint, text) IS 'Withdraws a request or a released report; what was published is marked withdrawn.';

CREATE FUNCTION jdl_supersede(request_id bigint, new_request_id bigint, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    IF new_request_id = request_id THEN
        RAISE EXCEPTION 'new_request_id: is the request itself' USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT EXISTS (SELECT FROM jdl.request r JOIN jdl.request n ON n.provider = r.provider WHERE r.request_id = jdl_supersede.request_id AND n.request_id = new_request_id) THEN
        RAISE EXCEPTION 'new_request_id: no such request of the same provider' USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM @extschema@._jdl_require_status(request_id, 'superseded', 'open', 'rejected', 'linked', 'matched', 'analysed', 'approved', 'released', 'halted', 'awaiting resubmission');
    UPDATE jdl.request r SET superseded_by = new_request_id WHERE r.request_id = jdl_supersede.request_id;
    RETURN @extschema@._jdl_end(request_id, 'supersede', 'superseded', reason);
END
$$;
COMMENT ON FUNCTION jdl_supersede(bigint, bigint, text) IS 'Marks a request as replaced by a corrected one of the same provider.';
