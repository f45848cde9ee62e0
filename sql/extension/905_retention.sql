-- Retention and destruction: the clocks, who may stop or extend them, and the certificate.

-- When a request falls due and by which clock; no row while none runs. For what cannot be processed the clock from the decision and
-- the one from the talk with the provider both run, and the earlier destroys (the privacy impact assessment of 2013 names both).
CREATE FUNCTION _jdl_clock(request_id bigint) RETURNS TABLE (due date, rule text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH asked AS (
        SELECT (r.released_at AT TIME ZONE 'Europe/London')::date AS released_on, r.decided_on, r.discussed_on FROM jdl.request r WHERE r.request_id = _jdl_clock.request_id
    ), clock AS (
        SELECT c.started_on, c.setting, c.since
        FROM asked a, LATERAL (VALUES (a.released_on, 'review_working_days', 'the release'),
                                      (a.decided_on, 'decision_working_days', 'the decision'),
                                      (CASE WHEN a.decided_on IS NOT NULL THEN a.discussed_on END, 'discussion_working_days', 'the talk with the provider')) c (started_on, setting, since)
        WHERE c.started_on IS NOT NULL
    ), earliest AS (
        SELECT @extschema@.jdl_add_working_days(c.started_on, @extschema@._jdl_setting_int(c.setting)) AS due, format('%s working days from %s', @extschema@._jdl_setting(c.setting), c.since) AS rule
        FROM clock c ORDER BY 1, 2 LIMIT 1
    ), extended AS (
        SELECT d.until FROM jdl.retention_decision d WHERE d.request_id = _jdl_clock.request_id AND d.kind = 'extension' AND d.ended_at IS NULL ORDER BY d.until DESC LIMIT 1
    )
    SELECT greatest(e.due, x.until), CASE WHEN x.until > e.due THEN 'extended from ' || e.due ELSE e.rule END FROM earliest e LEFT JOIN extended x ON true;
END
$$;
COMMENT ON FUNCTION _jdl_clock(bigint) IS 'The date on which a request falls due for destruction, and by which clock.';

-- Sets the date anew from what the clocks say. A holiday proclaimed late moves open clocks on and never back.
CREATE FUNCTION _jdl_reclock(request_id bigint, never_earlier boolean DEFAULT false) RETURNS date
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    running date := (SELECT c.due FROM @extschema@._jdl_clock(request_id) c);
    stands date;
BEGIN
    UPDATE jdl.request r SET destroy_on = CASE WHEN never_earlier THEN greatest(r.destroy_on, running) ELSE running END
    WHERE r.request_id = _jdl_reclock.request_id AND r.destroyed_at IS NULL AND r.destroy_on IS DISTINCT FROM running AND NOT (never_earlier AND r.destroy_on >= running);
    SELECT r.destroy_on INTO stands FROM jdl.request r WHERE r.request_id = _jdl_reclock.request_id;
    RETURN stands;
END
$$;
COMMENT ON FUNCTION _jdl_reclock(bigint, boolean) IS 'Sets the date of destruction of a request anew from its clocks; returns it.';

CREATE FUNCTION _jdl_holidays_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_RELID <> 'jdl.bank_holiday'::regclass THEN
        RAISE EXCEPTION 'this trigger belongs to jdl.bank_holiday' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM @extschema@._jdl_reclock(r.request_id, true) FROM jdl.request r WHERE r.destroy_on IS NOT NULL AND r.destroyed_at IS NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _jdl_holidays_changed() IS 'Statement trigger of jdl.bank_holiday: moves the open clocks.';

CREATE FUNCTION jdl_note_discussion(request_id bigint, discussed_on date) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due date;
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_intake', 'jdl_approver');
    PERFORM @extschema@._jdl_require_status(request_id, 'discussed', 'open', 'rejected', 'linked', 'matched', 'analysed', 'halted', 'withdrawn', 'awaiting resubmission');
    IF discussed_on IS NULL OR discussed_on > @extschema@._jdl_today() OR discussed_on < (SELECT (r.opened_at AT TIME ZONE 'Europe/London')::date FROM jdl.request r WHERE r.request_id = jdl_note_discussion.request_id) THEN
        RAISE EXCEPTION 'discussed_on: must be a day between the opening of the request and today' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The first talk counts: a second one does not buy time.
    UPDATE jdl.request r SET discussed_on = least(r.discussed_on, jdl_note_discussion.discussed_on) WHERE r.request_id = jdl_note_discussion.request_id;
    due := @extschema@._jdl_reclock(request_id);
    PERFORM @extschema@._jdl_audit('discussion', request_id, 'jdl.request', 1, jsonb_build_object('discussed_on', discussed_on, 'destroy_on', due));
    RETURN coalesce('noted; the individual-level data is destroyed by ' || due, 'noted');
END
$$;
COMMENT ON FUNCTION jdl_note_discussion(bigint, date) IS 'Notes the day of the talk with the provider about a request that cannot be processed: a second clock, of which the earlier one destroys.';

-- A hold keeps what is due from being destroyed until a day; it never lapses unseen (jdl_retention_due, jdl_assurance) nor unsigned.
CREATE FUNCTION jdl_hold(request_id bigint, until date, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    PERFORM @extschema@._jdl_require_other_eyes(request_id);
    PERFORM @extschema@._jdl_keep(request_id, 'hold', until, reason);
    RETURN format('nothing of request %s is destroyed before %s', request_id, until);
END
$$;
COMMENT ON FUNCTION jdl_hold(bigint, date, text) IS 'Keeps the data of a request from being destroyed before a day, for a reason and over the approver''s name.';

CREATE FUNCTION jdl_lift_hold(request_id bigint, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lifted bigint;
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    UPDATE jdl.retention_decision d SET ended_by = @extschema@._jdl_actor(), ended_at = clock_timestamp(), end_reason = @extschema@._jdl_require_reason(jdl_lift_hold.reason)
    WHERE d.request_id = jdl_lift_hold.request_id AND d.kind = 'hold' AND d.ended_at IS NULL;
    GET DIAGNOSTICS lifted = ROW_COUNT;
    IF lifted = 0 THEN
        RAISE EXCEPTION 'request % is not held', request_id USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM @extschema@._jdl_audit('lift_hold', request_id, 'jdl.retention_decision', lifted);
    RETURN format('request %s is no longer held', request_id);
END
$$;
COMMENT ON FUNCTION jdl_lift_hold(bigint, text) IS 'Ends the holds of a request, with a reason: what was due is destroyed by the next run.';

CREATE FUNCTION jdl_extend_retention(request_id bigint, until date, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stands date;
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    PERFORM @extschema@._jdl_require_other_eyes(request_id);
    SELECT r.destroy_on INTO stands FROM jdl.request r WHERE r.request_id = jdl_extend_retention.request_id AND r.destroyed_at IS NULL;
    IF stands IS NULL THEN
        RAISE EXCEPTION 'request % has no clock that could be extended', request_id USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF until <= stands THEN
        RAISE EXCEPTION 'until: must be after %, when the data falls due', stands USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM @extschema@._jdl_keep(request_id, 'extension', until, reason);
    RETURN format('extended; the individual-level data is destroyed by %s', @extschema@._jdl_reclock(request_id));
END
$$;
COMMENT ON FUNCTION jdl_extend_retention(bigint, date, text) IS 'Moves the date of destruction on, for a reason and over the approver''s name.';

CREATE FUNCTION _jdl_keep(request_id bigint, kind text, until date, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM jdl.request r WHERE r.request_id = _jdl_keep.request_id AND r.destroyed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'request % is destroyed', request_id USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF until IS NULL OR until <= @extschema@._jdl_today() OR until > @extschema@._jdl_today() + 366 THEN
        RAISE EXCEPTION 'until: must be a day within a year from now' USING ERRCODE = 'invalid_parameter_value', HINT = 'It can be signed anew.';
    END IF;
    INSERT INTO jdl.retention_decision (request_id, kind, until, reason, signed_by)
    VALUES (_jdl_keep.request_id, _jdl_keep.kind, _jdl_keep.until, @extschema@._jdl_require_reason(_jdl_keep.reason), @extschema@._jdl_actor());
    PERFORM @extschema@._jdl_audit(kind, request_id, 'jdl.retention_decision', 1, jsonb_build_object('until', until));
END
$$;
COMMENT ON FUNCTION _jdl_keep(bigint, text, date, text) IS 'Writes a hold or an extension over the acting person''s name.';

CREATE FUNCTION _jdl_held_until(request_id bigint) RETURNS date
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT max(d.until) FROM jdl.retention_decision d WHERE d.request_id = _jdl_held_until.request_id AND d.kind = 'hold' AND d.ended_at IS NULL AND d.until > @extschema@._jdl_today());
END
$$;
COMMENT ON FUNCTION _jdl_held_until(bigint) IS 'The day until which a request is held; null where it is not.';

-- Ends the sessions of others who may read identities: a cursor opened before would go on giving them after the tables are gone.
-- Sessions of superusers are not ours to end: the certificate counts them and jdl_assurance() asks after them.
CREATE FUNCTION _jdl_end_older_sessions() RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended integer := 0;
    left_standing integer := 0;
    older record;
BEGIN
    FOR older IN SELECT * FROM @extschema@._jdl_sessions_with_identities() LOOP
        IF older.is_superuser THEN
            left_standing := left_standing + 1;
        ELSE
            -- Waits until it is gone: the lock that follows must not wait for its transaction.
            PERFORM pg_terminate_backend(older.pid, 5000);
            ended := ended + 1;
        END IF;
    END LOOP;
    RETURN jsonb_build_object('ended', ended, 'of_superusers_left', left_standing);
END
$$;
COMMENT ON FUNCTION _jdl_end_older_sessions() IS 'Ends the sessions of others who may read identities; counts those of superusers.';

CREATE FUNCTION _jdl_sessions_with_identities() RETURNS TABLE (pid integer, person name, is_superuser boolean, began timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT s.pid, s.usename, r.rolsuper, s.backend_start
    FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid
    WHERE s.datname = current_database() AND s.pid <> pg_backend_pid() AND s.backend_type = 'client backend'
      AND has_table_privilege(s.usesysid, 'jdl_restricted.submission', 'SELECT');
END
$$;
COMMENT ON FUNCTION _jdl_sessions_with_identities() IS 'Other sessions of this database whose role may read identities.';

-- Destroys what is due, without asking who asks; the callers ask.
CREATE FUNCTION _jdl_destroy(request_id bigint, rule text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '60s' AS $$
DECLARE
    sessions jsonb := @extschema@._jdl_end_older_sessions();
    counts jsonb;
    certificate jsonb;
BEGIN
    -- The callers have claimed the identities (_jdl_claim_identities). Against everybody else, all parents in one order, before a count.
    LOCK TABLE ONLY jdl_restricted.submission, ONLY jdl_restricted.link, ONLY jdl_restricted.link_override, ONLY jdl_restricted.index_choice, ONLY jdl_restricted.pseudonym IN ACCESS EXCLUSIVE MODE;
    counts := jsonb_build_object(
        'submissions', (SELECT count(*) FROM jdl_restricted.submission s WHERE s.request_id = _jdl_destroy.request_id),
        'links', (SELECT count(*) FROM jdl_restricted.link l WHERE l.request_id = _jdl_destroy.request_id),
        'link_overrides', (SELECT count(*) FROM jdl_restricted.link_override o WHERE o.request_id = _jdl_destroy.request_id),
        'index_choices', (SELECT count(*) FROM jdl_restricted.index_choice c WHERE c.request_id = _jdl_destroy.request_id),
        'pseudonyms', (SELECT count(*) FROM jdl_restricted.pseudonym p WHERE p.request_id = _jdl_destroy.request_id));
    PERFORM @extschema@._jdl_drop_partitions(request_id);
    DELETE FROM jdl_pseudonymised.certificate c WHERE c.request_id = _jdl_destroy.request_id;
    UPDATE jdl.request r SET status = 'destroyed', destroyed_at = clock_timestamp() WHERE r.request_id = _jdl_destroy.request_id;
    certificate := jsonb_build_object(
        'request_id', request_id, 'destroyed_at', clock_timestamp(), 'destroyed_by', @extschema@._jdl_actor(), 'rule', rule, 'rows', counts,
        'wal_position', pg_current_wal_insert_lsn(),
        'clock', (SELECT c.rule FROM @extschema@._jdl_clock(_jdl_destroy.request_id) c),
        'sessions', sessions,
        'kept_rows', @extschema@._jdl_kept_rows(_jdl_destroy.request_id),
        'kept', 'Analysis rows under pseudonyms to which no key is left, the protected report, the trail. The rows carry no name, number or date of a person; but a combination of covariates that no other row '
             || 'of the request shares (kept_rows.unlike_any_other) could be recognised by somebody who reads both these rows and the register, and then tells them what the row tells. Keyed sketches '
             || '(kept_rows.sketches): a pseudonymous fingerprint of each analysed set, 64 sums a key, by which later releases are compared; they are deleted with their key, which is outside the database.',
        'may_remain', 'Submissions, links and pseudonyms stood in unlogged tables: not in WAL, archives, base backups or replicas. A dump taken with unlogged data before this time holds them until it expires; '
                   || 'freed disk blocks hold them until they are overwritten or trimmed; a session of a superuser that was open holds what it had fetched until it ends.',
        'dumps_expire_on', @extschema@._jdl_today() + @extschema@._jdl_setting_int('backup_days'));
    certificate := certificate || jsonb_build_object('digest', encode(sha256(convert_to(certificate::text, 'UTF8')), 'hex'));
    INSERT INTO jdl.destruction (request_id, destroyed_by, rule, certificate) VALUES (_jdl_destroy.request_id, @extschema@._jdl_actor(), _jdl_destroy.rule, certificate);
    PERFORM @extschema@._jdl_audit('destroy', request_id, 'jdl_restricted.submission', (counts ->> 'submissions')::bigint, counts);
    RETURN certificate;
END
$$;
COMMENT ON FUNCTION _jdl_destroy(bigint, text) IS 'Drops the identities of a request and writes the certificate.';

-- What stays of a request's individual-level rows, and how many of them a reader of the register could recognise.
CREATE FUNCTION _jdl_kept_rows(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        WITH alike AS (
            SELECT count(*) AS n FROM jdl_pseudonymised.member m WHERE m.request_id = _jdl_kept_rows.request_id
            GROUP BY m.disposal, m.offence_group, m.gender, m.ethnicity, m.nationality, m.region, m.age, m.previous_sanctions, m.previous_custody, m.previous_offences, m.months_since_last
        )
        SELECT jsonb_build_object('members', coalesce(sum(n), 0), 'unlike_any_other', count(*) FILTER (WHERE n = 1),
            'sketches', (SELECT count(*) FROM jdl_restricted.sketch k WHERE k.request_id = _jdl_kept_rows.request_id),
            'outcomes', (SELECT count(*) FROM jdl_pseudonymised.outcome o WHERE o.request_id = _jdl_kept_rows.request_id)) FROM alike);
END
$$;
COMMENT ON FUNCTION _jdl_kept_rows(bigint) IS 'How many analysis rows of a request are kept, and how many have a combination of covariates of their own.';

CREATE FUNCTION jdl_destroy(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked record;
BEGIN
    PERFORM @extschema@._jdl_claim_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver', 'jdl_dba', 'jdl_job');
    SELECT r.status, r.destroy_on INTO asked FROM jdl.request r WHERE r.request_id = jdl_destroy.request_id;
    IF asked.status = 'destroyed' THEN
        RETURN (SELECT d.certificate FROM jdl.destruction d WHERE d.request_id = jdl_destroy.request_id);
    ELSIF asked.destroy_on IS NULL THEN
        RAISE EXCEPTION 'request % is not due for destruction: it is %', request_id, asked.status USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Release, reject, halt or withdraw it first: then its clock runs.';
    ELSIF @extschema@._jdl_held_until(request_id) IS NOT NULL THEN
        RAISE EXCEPTION 'request % is held until %', request_id, @extschema@._jdl_held_until(request_id) USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'jdl_lift_hold ends the hold.';
    ELSIF asked.destroy_on > @extschema@._jdl_today()
          AND (asked.status = 'released' OR EXISTS (SELECT FROM jdl.retention_decision d WHERE d.request_id = jdl_destroy.request_id AND d.kind = 'extension' AND d.ended_at IS NULL)) THEN
        RAISE EXCEPTION 'request % is not due for destruction before %', request_id, asked.destroy_on USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'The provider may ask questions until the review period ends.', HINT = 'jdl_withdraw ends the review period early.';
    END IF;
    RETURN @extschema@._jdl_destroy(request_id, CASE asked.status WHEN 'released' THEN 'end of the review period' ELSE asked.status END);
END
$$;
COMMENT ON FUNCTION jdl_destroy(bigint) IS 'Destroys the individual-level data of a request that is due and returns the certificate. Idempotent.';

CREATE FUNCTION jdl_retention_due() RETURNS TABLE (request_id bigint, status text, destroy_on date, overdue boolean, rule text, held_until date)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_require_role('read what is due', 'jdl_approver', 'jdl_dba', 'jdl_auditor', 'jdl_job');
    RETURN QUERY SELECT r.request_id, r.status, r.destroy_on, r.destroy_on < @extschema@._jdl_today() AND h.held IS NULL, c.rule, h.held
    FROM jdl.request r LEFT JOIN LATERAL @extschema@._jdl_clock(r.request_id) c ON true CROSS JOIN LATERAL (SELECT @extschema@._jdl_held_until(r.request_id) AS held) h
    WHERE r.destroy_on IS NOT NULL AND r.destroyed_at IS NULL ORDER BY r.destroy_on, r.request_id;
END
$$;
COMMENT ON FUNCTION jdl_retention_due() IS 'What falls due for destruction, when, by which clock, and what is held.';

-- State-based, so that a missed run is made good by the next one, and two at once are harmless.
CREATE FUNCTION jdl_retention_run() RETURNS TABLE (destroyed integer, failed integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '60s' AS $$
DECLARE
    due record;
BEGIN
    PERFORM @extschema@._jdl_require_role('run retention', 'jdl_job', 'jdl_dba');
    destroyed := 0;
    failed := 0;
    BEGIN
        LOCK TABLE jdl.job_run IN SHARE ROW EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RAISE NOTICE 'another retention run is active';
        RETURN NEXT;
        RETURN;
    END;
    -- Before any request is locked, and only where there is something to destroy: steps wait until the run is over.
    IF EXISTS (SELECT FROM jdl.request r WHERE r.destroyed_at IS NULL AND r.destroy_on <= @extschema@._jdl_today() AND @extschema@._jdl_held_until(r.request_id) IS NULL) THEN
        PERFORM @extschema@._jdl_claim_identities();
    ELSE
        PERFORM @extschema@._jdl_end_holders();
    END IF;
    FOR due IN SELECT r.request_id, r.status FROM jdl.request r
        WHERE r.destroyed_at IS NULL AND r.destroy_on <= @extschema@._jdl_today() AND @extschema@._jdl_held_until(r.request_id) IS NULL ORDER BY r.request_id
    LOOP
        -- One failure does not stop the rest; the message may carry anything, so only its code is kept.
        BEGIN
            -- Another session may have destroyed or withdrawn it since the list was made.
            SELECT r.request_id, r.status INTO due FROM jdl.request r
            WHERE r.request_id = due.request_id AND r.destroyed_at IS NULL AND r.destroy_on <= @extschema@._jdl_today() FOR UPDATE;
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

-- pg_cron asks for the caller's own rights, the rules and the trail for the engine's.
CREATE FUNCTION _jdl_require_scheduler() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_require_role('schedule retention', 'jdl_dba');
END
$$;
COMMENT ON FUNCTION _jdl_require_scheduler() IS 'Refuses whoever may not schedule retention.';

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
    PERFORM @extschema@._jdl_require_scheduler();
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RAISE EXCEPTION 'pg_cron is not installed in this database' USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Retention has to run at least once a day.',
            HINT = format('CREATE EXTENSION pg_cron, or let another scheduler run: psql -U jdl_job -d %s -c %L', current_database(), statement);
    ELSIF NOT has_schema_privilege('cron', 'USAGE') THEN
        RAISE EXCEPTION 'permission denied for pg_cron' USING ERRCODE = 'insufficient_privilege', HINT = 'A superuser runs: GRANT USAGE ON SCHEMA cron TO jdl_dba;';
    END IF;
    IF @extschema@._jdl_is_superuser() THEN
        -- The job's own account, which nobody's leaving touches; only a superuser may schedule for another.
        EXECUTE format('SELECT cron.schedule_in_database(%L, %L, %L, %L, %L)', 'jdl retention', schedule, statement, current_database(), 'jdl_job') INTO job;
    ELSE
        EXECUTE format('SELECT cron.schedule(%L, %L, %L)', 'jdl retention', schedule, statement) INTO job;
    END IF;
    PERFORM @extschema@._jdl_note_schedule(schedule, job);
    RETURN format('job %s runs "%s" on the schedule "%s"', job, statement, schedule);
END
$$;
COMMENT ON FUNCTION jdl_schedule_retention(text) IS 'Puts jdl_retention_run() into pg_cron under the caller''s name (a superuser: under jdl_job''s); without pg_cron it says what to run instead.';
