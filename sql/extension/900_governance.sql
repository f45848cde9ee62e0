-- The life of a request after its report: four eyes, release, the ways in which it may end, and destruction.

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

-- Whoever opened the request or took one of its steps cannot pass it on.
CREATE FUNCTION _jdl_require_other_eyes(request_id bigint) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM jdl.request r WHERE r.request_id = _jdl_require_other_eyes.request_id AND r.opened_by = @extschema@._jdl_actor())
       OR EXISTS (SELECT FROM jdl.request_step s WHERE s.request_id = _jdl_require_other_eyes.request_id AND s.step IN ('link', 'match', 'analyse', 'report') AND s.actor = @extschema@._jdl_actor()) THEN
        RAISE EXCEPTION 'request % needs other eyes', request_id USING ERRCODE = 'insufficient_privilege',
            DETAIL = 'Whoever opened or analysed a request neither approves nor releases it.';
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_require_other_eyes(bigint) IS 'Refuses the acting person if they opened or analysed the request.';

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
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    IF (SELECT r.status FROM jdl.request r WHERE r.request_id = jdl_release.request_id) <> 'released' THEN
        PERFORM @extschema@._jdl_require_status(request_id, 'released', 'approved');
        PERFORM @extschema@._jdl_require_other_eyes(request_id);
        destruction_date := @extschema@.jdl_add_working_days(current_date, @extschema@._jdl_setting_int('review_working_days'));
        UPDATE jdl.request r SET status = 'released', released_by = @extschema@._jdl_actor(), released_at = clock_timestamp(), destroy_on = destruction_date
        WHERE r.request_id = jdl_release.request_id;
        INSERT INTO jdl.released_measure (request_id, provider, intervention, measure, treatment_n, comparison_n, treatment_value, comparison_value, difference, difference_low, difference_high, p_value, conclusive, withheld, released_on)
        SELECT r.request_id, r.provider, r.intervention, m.*, current_date
        FROM jdl.request r, jdl.report p, @extschema@._jdl_report_measures(p.report) m
        WHERE r.request_id = jdl_release.request_id AND p.request_id = r.request_id;
        PERFORM @extschema@._jdl_audit('release', request_id, 'jdl.released_measure', NULL, jsonb_build_object('destroy_on', destruction_date));
    END IF;
    RETURN format('released; the individual-level data is destroyed by %s', (SELECT r.destroy_on FROM jdl.request r WHERE r.request_id = jdl_release.request_id));
END
$$;
COMMENT ON FUNCTION jdl_release(bigint) IS 'Releases an approved report: its protected figures go to jdl.published_results and the review period starts.';

-- Ends a request that will not (or no longer) be processed and starts the clock of destruction.
CREATE FUNCTION _jdl_end(request_id bigint, step text, status text, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    destruction_date date := @extschema@.jdl_add_working_days(current_date, @extschema@._jdl_setting_int('decision_working_days'));
BEGIN
    PERFORM @extschema@._jdl_require_reason(reason);
    UPDATE jdl.request r SET status = _jdl_end.status, status_reason = btrim(_jdl_end.reason), destroy_on = least(r.destroy_on, destruction_date)
    WHERE r.request_id = _jdl_end.request_id RETURNING r.destroy_on INTO destruction_date;
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

-- Destroys what is due, without asking who asks; the callers ask.
CREATE FUNCTION _jdl_destroy(request_id bigint, rule text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counts jsonb;
    certificate jsonb;
BEGIN
    -- Dropping a partition locks its parent: all in one order, before a count takes a weaker lock that another destruction waits for.
    LOCK TABLE ONLY jdl_restricted.submission, ONLY jdl_restricted.link, ONLY jdl_restricted.link_override, ONLY jdl_restricted.index_choice, ONLY jdl_restricted.pseudonym IN ACCESS EXCLUSIVE MODE;
    counts := jsonb_build_object(
        'submissions', (SELECT count(*) FROM jdl_restricted.submission s WHERE s.request_id = _jdl_destroy.request_id),
        'links', (SELECT count(*) FROM jdl_restricted.link l WHERE l.request_id = _jdl_destroy.request_id),
        'link_overrides', (SELECT count(*) FROM jdl_restricted.link_override o WHERE o.request_id = _jdl_destroy.request_id),
        'index_choices', (SELECT count(*) FROM jdl_restricted.index_choice c WHERE c.request_id = _jdl_destroy.request_id),
        'pseudonyms', (SELECT count(*) FROM jdl_restricted.pseudonym p WHERE p.request_id = _jdl_destroy.request_id));
    PERFORM @extschema@._jdl_drop_partitions(request_id);
    UPDATE jdl.request r SET status = 'destroyed', destroyed_at = clock_timestamp() WHERE r.request_id = _jdl_destroy.request_id;
    certificate := jsonb_build_object(
        'request_id', request_id, 'destroyed_at', clock_timestamp(), 'destroyed_by', @extschema@._jdl_actor(), 'rule', rule, 'rows', counts,
        'wal_position', pg_current_wal_insert_lsn(),
        'kept', 'Analysis rows under pseudonyms to which no key is left (whoever may read both them and the register could still recognise a rare combination); the protected report; the trail.',
        'may_remain', 'Submissions, links and pseudonyms stood in unlogged tables: not in WAL, archives, base backups or replicas. A dump taken with unlogged data before this time holds them until it expires; freed disk blocks hold them until they are overwritten or trimmed.');
    certificate := certificate || jsonb_build_object('digest', encode(sha256(convert_to(certificate::text, 'UTF8')), 'hex'));
    INSERT INTO jdl.destruction (request_id, destroyed_by, rule, certificate) VALUES (_jdl_destroy.request_id, @extschema@._jdl_actor(), _jdl_destroy.rule, certificate);
    PERFORM @extschema@._jdl_audit('destroy', request_id, 'jdl_restricted.submission', (counts ->> 'submissions')::bigint, counts);
    RETURN certificate;
END
$$;
COMMENT ON FUNCTION _jdl_destroy(bigint, text) IS 'Drops the identities of a request and writes the certificate.';

CREATE FUNCTION jdl_destroy(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked record;
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver', 'jdl_dba', 'jdl_job');
    SELECT r.status, r.destroy_on INTO asked FROM jdl.request r WHERE r.request_id = jdl_destroy.request_id;
    IF asked.status = 'destroyed' THEN
        RETURN (SELECT d.certificate FROM jdl.destruction d WHERE d.request_id = jdl_destroy.request_id);
    ELSIF asked.destroy_on IS NULL THEN
        RAISE EXCEPTION 'request % is not due for destruction: it is %', request_id, asked.status USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Release, reject, halt or withdraw it first: then its clock runs.';
    ELSIF asked.destroy_on > (clock_timestamp() AT TIME ZONE 'Europe/London')::date AND asked.status = 'released' THEN
        RAISE EXCEPTION 'request % is not due for destruction before %', request_id, asked.destroy_on USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'The provider may ask questions until the review period ends.', HINT = 'jdl_withdraw ends the review period early.';
    END IF;
    RETURN @extschema@._jdl_destroy(request_id, CASE asked.status WHEN 'released' THEN 'end of the review period' ELSE asked.status END);
END
$$;
COMMENT ON FUNCTION jdl_destroy(bigint) IS 'Destroys the individual-level data of a request that is due and returns the certificate. Idempotent.';

CREATE FUNCTION jdl_retention_due() RETURNS TABLE (request_id bigint, status text, destroy_on date, overdue boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT r.request_id, r.status, r.destroy_on, r.destroy_on < (clock_timestamp() AT TIME ZONE 'Europe/London')::date
    FROM jdl.request r WHERE r.destroy_on IS NOT NULL AND r.destroyed_at IS NULL ORDER BY r.destroy_on, r.request_id;
END
$$;
COMMENT ON FUNCTION jdl_retention_due() IS 'What falls due for destruction, and when.';

-- State-based, so that a missed run is made good by the next one, and two at once are harmless.
CREATE FUNCTION jdl_retention_run() RETURNS TABLE (destroyed integer, failed integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due record;
BEGIN
    IF NOT (pg_has_role(@extschema@._jdl_actor(), 'jdl_job', 'MEMBER') OR pg_has_role(@extschema@._jdl_actor(), 'jdl_dba', 'MEMBER')) THEN
        RAISE EXCEPTION 'permission denied to run retention' USING ERRCODE = 'insufficient_privilege';
    END IF;
    destroyed := 0;
    failed := 0;
    IF NOT pg_try_advisory_xact_lock(7364108, 2) THEN
        RAISE NOTICE 'another retention run is active';
        RETURN NEXT;
        RETURN;
    END IF;
    FOR due IN SELECT r.request_id, r.status FROM jdl.request r
        WHERE r.destroyed_at IS NULL AND r.destroy_on <= (clock_timestamp() AT TIME ZONE 'Europe/London')::date ORDER BY r.request_id
    LOOP
        -- One failure does not stop the rest; the message may carry anything, so only its code is kept.
        BEGIN
            -- Another session may have destroyed or withdrawn it since the list was made.
            SELECT r.request_id, r.status INTO due FROM jdl.request r
            WHERE r.request_id = due.request_id AND r.destroyed_at IS NULL AND r.destroy_on <= (clock_timestamp() AT TIME ZONE 'Europe/London')::date FOR UPDATE;
            CONTINUE WHEN NOT FOUND;
            PERFORM @extschema@._jdl_destroy(due.request_id, CASE due.status WHEN 'released' THEN 'end of the review period' ELSE due.status END);
            destroyed := destroyed + 1;
        EXCEPTION WHEN OTHERS THEN
            failed := failed + 1;
            PERFORM @extschema@._jdl_audit('destroy_failed', due.request_id, NULL, NULL, jsonb_build_object('sqlstate', SQLSTATE));
        END;
    END LOOP;
    INSERT INTO jdl.job_run (destroyed, failed) VALUES (jdl_retention_run.destroyed, jdl_retention_run.failed);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION jdl_retention_run() IS 'Destroys all that is due; harmless when run twice. jdl_schedule_retention puts it into pg_cron.';

-- pg_cron asks for the caller's own rights, the trail for the engine's.
CREATE FUNCTION _jdl_note_schedule(schedule text, job bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_audit('schedule_retention', NULL, 'cron.job', 1, jsonb_build_object('schedule', schedule, 'job', job));
END
$$;
COMMENT ON FUNCTION _jdl_note_schedule(text, bigint) IS 'Writes to the trail that retention was scheduled.';

CREATE FUNCTION jdl_schedule_retention(schedule text DEFAULT '17 * * * *') RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    statement text := 'SELECT @extschema@.jdl_retention_run()';
    job bigint;
BEGIN
    IF NOT (pg_has_role(@extschema@._jdl_actor(), 'jdl_dba', 'MEMBER')) THEN
        RAISE EXCEPTION 'permission denied to schedule retention' USING ERRCODE = 'insufficient_privilege';
    ELSIF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RAISE EXCEPTION 'pg_cron is not installed in this database' USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Retention has to run at least once a day.',
            HINT = format('CREATE EXTENSION pg_cron, or let another scheduler run: psql -U jdl_job -d %s -c %L', current_database(), statement);
    ELSIF NOT has_schema_privilege('cron', 'USAGE') THEN
        RAISE EXCEPTION 'permission denied for pg_cron' USING ERRCODE = 'insufficient_privilege', HINT = 'A superuser runs: GRANT USAGE ON SCHEMA cron TO jdl_dba;';
    END IF;
    EXECUTE format('SELECT cron.schedule(%L, %L, %L)', 'jdl retention', schedule, statement) INTO job;
    PERFORM @extschema@._jdl_note_schedule(schedule, job);
    RETURN format('job %s runs "%s" on the schedule "%s"', job, statement, schedule);
END
$$;
COMMENT ON FUNCTION jdl_schedule_retention(text) IS 'Puts jdl_retention_run() into pg_cron under the caller''s name; without pg_cron it says what to run instead.';
