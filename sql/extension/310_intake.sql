-- Intake: a request is opened, its records arrive, and people see what is wrong with them before anybody waits.

CREATE FUNCTION jdl_open_request(provider text, intervention text, channel text, assurances jsonb, options jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing text;
    opened bigint;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_require_role('open a request', 'jdl_intake');
    IF coalesce(btrim(provider), '') = '' THEN
        RAISE EXCEPTION 'provider: is required' USING ERRCODE = 'invalid_parameter_value';
    ELSIF coalesce(btrim(intervention), '') = '' THEN
        RAISE EXCEPTION 'intervention: is required' USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT EXISTS (SELECT FROM jdl.channel c WHERE c.channel = jdl_open_request.channel) THEN
        RAISE EXCEPTION 'channel: is not permitted' USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'What came by any other way is returned, deleted and purged.',
            HINT = 'Permitted channels: ' || (SELECT string_agg(c.channel, ', ' ORDER BY c.channel) FROM jdl.channel c) || '.';
    END IF;
    SELECT string_agg(name, ', ') INTO missing FROM unnest(ARRAY['legal_basis_confirmed', 'sharing_gateway_confirmed']) name
    WHERE (assurances -> name) IS DISTINCT FROM 'true'::jsonb;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'assurances: not confirmed: %', missing USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'The provider confirms its legal basis and the gateway for sharing before any data is transferred.',
            HINT = '{"legal_basis_confirmed": true, "sharing_gateway_confirmed": true}';
    END IF;
    PERFORM @extschema@._jdl_check_request_options(options);
    INSERT INTO jdl.request (provider, intervention, channel, assurances, options, opened_by)
    VALUES (btrim(jdl_open_request.provider), btrim(jdl_open_request.intervention), jdl_open_request.channel, jdl_open_request.assurances, jdl_open_request.options, @extschema@._jdl_actor())
    RETURNING request_id INTO opened;
    PERFORM @extschema@._jdl_make_partitions(opened);
    PERFORM @extschema@._jdl_audit('open_request', opened, 'jdl.request', 1);
    RETURN opened;
END
$$;
COMMENT ON FUNCTION jdl_open_request(text, text, text, jsonb, jsonb) IS 'Opens a request and returns its number; refused unless the legal assurances are confirmed and the channel is permitted.';

-- What a request may ask for, by type and range: found wrong now and not in the middle of a later step.
CREATE FUNCTION _jdl_check_request_options(options jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bound record;
BEGIN
    PERFORM @extschema@._jdl_check_options(options, 'follow_up_months', 'waiting_months', 'offence_groups', 'region', 'seed', 'primary_measure', 'threshold');
    FOR bound IN SELECT * FROM (VALUES ('follow_up_months', 1, 120), ('waiting_months', 0, 120), ('seed', 0, 2147483647), ('threshold', 1, 1000)) b (name, least, most) LOOP
        IF options ? bound.name AND NOT (options ->> bound.name ~ '^[0-9]{1,10}$' AND jsonb_typeof(options -> bound.name) = 'number'
                                         AND (options ->> bound.name)::numeric BETWEEN bound.least AND bound.most) THEN
            RAISE EXCEPTION 'options: % must be a whole number from % to %', bound.name, bound.least, bound.most USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END LOOP;
    IF options ? 'offence_groups' AND (jsonb_typeof(options -> 'offence_groups') <> 'array' OR jsonb_path_exists(options, '$.offence_groups[*] ? (@.type() != "string")')) THEN
        RAISE EXCEPTION 'options: offence_groups must be a list of texts' USING ERRCODE = 'invalid_parameter_value';
    ELSIF options ? 'region' AND NOT EXISTS (SELECT FROM jdl.postcode_area a WHERE a.region = options ->> 'region') THEN
        RAISE EXCEPTION 'options: region is not known' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Known regions: ' || (SELECT string_agg(DISTINCT a.region, ', ' ORDER BY a.region) FROM jdl.postcode_area a) || '.';
    ELSIF options ? 'primary_measure' AND coalesce(options ->> 'primary_measure', '') NOT IN ('reoffending_rate', 'reoffence_frequency', 'days_to_first_reoffence') THEN
        RAISE EXCEPTION 'options: primary_measure is not known' USING ERRCODE = 'invalid_parameter_value', HINT = 'Known measures: reoffending_rate, reoffence_frequency, days_to_first_reoffence.';
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_check_request_options(jsonb) IS 'Checks the options of a request by name, type and range.';

-- The partitions of a request. Owned by jdl_owner, who alone may attach them; that is why this function and the next are jdl_owner's.
CREATE FUNCTION _jdl_make_partitions(request_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    parent text;
    partition text;
    identifier name;
BEGIN
    FOREACH parent IN ARRAY ARRAY['submission', 'link', 'link_override', 'index_choice', 'pseudonym'] LOOP
        partition := format('jdl_restricted.%I', parent || '_' || request_id);
        -- Made apart and attached, which waits for nobody who reads or writes another request's partition.
        EXECUTE format('CREATE UNLOGGED TABLE %s (LIKE jdl_restricted.%I INCLUDING ALL, CONSTRAINT belongs_to_the_request CHECK (request_id = %s))', partition, parent, request_id);
        EXECUTE format('ALTER TABLE jdl_restricted.%I ATTACH PARTITION %s FOR VALUES IN (%s)', parent, partition, request_id);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition);
        EXECUTE format('CREATE POLICY engine_all ON %s TO jdl_engine USING (true)', partition);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO jdl_engine', partition);
        -- Most common values of names would stay in pg_statistic after the rows are gone.
        FOR identifier IN SELECT attname FROM pg_attribute WHERE attrelid = partition::regclass AND attnum > 0 AND attname <> 'request_id' LOOP
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', partition, identifier);
        END LOOP;
        PERFORM @extschema@._jdl_audit_attach(partition, 'request_id');
    END LOOP;
END
$$;
COMMENT ON FUNCTION _jdl_make_partitions(bigint) IS 'Makes the partitions that hold a request''s identities.';

CREATE FUNCTION _jdl_drop_partitions(request_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['submission', 'link', 'link_override', 'index_choice', 'pseudonym'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS jdl_restricted.%I', parent || '_' || request_id);
    END LOOP;
END
$$;
COMMENT ON FUNCTION _jdl_drop_partitions(bigint) IS 'Destroys a request''s identities by dropping the partitions that hold them.';

-- The request that SET jdl.request_id names, ready to take records.
CREATE FUNCTION _jdl_receiving_request() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := current_setting('jdl.request_id', true);
    receiving record;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    IF coalesce(named, '') = '' THEN
        RAISE EXCEPTION 'jdl.request_id is not set' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SET jdl.request_id = ''42'' names the request that the records belong to.';
    ELSIF named !~ '^[0-9]{1,18}$' THEN
        RAISE EXCEPTION 'jdl.request_id: is not a request number' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM @extschema@._jdl_enter(named::bigint, 'jdl_intake');
    PERFORM @extschema@._jdl_notice_crash(named::bigint);
    SELECT * INTO receiving FROM jdl.request r WHERE r.request_id = named::bigint;
    IF receiving.status NOT IN ('open', 'rejected', 'awaiting resubmission') OR receiving.rejected_by IS NOT NULL
       OR EXISTS (SELECT FROM jdl.request_step s WHERE s.request_id = receiving.request_id AND s.step = 'link') THEN
        RAISE EXCEPTION 'request % takes no more records: it is %', receiving.request_id, receiving.status USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Open another request; jdl_supersede replaces this one by it.';
    END IF;
    RETURN receiving.request_id;
END
$$;
COMMENT ON FUNCTION _jdl_receiving_request() IS 'The request named by jdl.request_id, locked, if it still takes records.';

CREATE FUNCTION jdl_validate(request_id bigint) RETURNS TABLE (record_no integer, field text, severity text, finding text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_intake', 'jdl_analyst', 'jdl_approver');
    PERFORM @extschema@._jdl_audit('validate', request_id, 'jdl_restricted.submission', NULL);
    IF NOT EXISTS (SELECT FROM jdl_restricted.submission s WHERE s.request_id = jdl_validate.request_id) THEN
        RETURN QUERY SELECT NULL::integer, NULL::text, 'error', 'no record has been loaded';
    END IF;
    RETURN QUERY SELECT v.record_no, v.field, v.severity, v.finding FROM @extschema@._jdl_validate(request_id, @extschema@._jdl_today()) v ORDER BY v.record_no NULLS FIRST, v.field, v.finding;
END
$$;
COMMENT ON FUNCTION jdl_validate(bigint) IS 'What is wrong with the submitted records: error (the record cannot be used), warning or note. Never echoes a value; record_no null: the whole list.';

-- What a request can hope for, before anybody waits. Shares expected of a list are settings, from published requests.
CREATE FUNCTION _jdl_appraise(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked record;
    register record;
    follow_up integer;
    waiting integer;
    last_index date;
    counted jsonb;
    usable integer;
    answerable integer;
    expected integer;
    reasons text[] := ARRAY[]::text[];
    known_answer jsonb;
BEGIN
    SELECT * INTO asked FROM jdl.request r WHERE r.request_id = _jdl_appraise.request_id;
    PERFORM @extschema@._jdl_require_fresh_register();
    SELECT * INTO register FROM jdl.register_version ORDER BY register_version DESC LIMIT 1;
    follow_up := coalesce((asked.options ->> 'follow_up_months')::integer, @extschema@._jdl_setting_int('follow_up_months'));
    waiting := coalesce((asked.options ->> 'waiting_months')::integer, @extschema@._jdl_setting_int('waiting_months'));
    last_index := (register.extracted_on - make_interval(months => follow_up + waiting))::date;
    counted := @extschema@._jdl_intake_summary(request_id, @extschema@._jdl_today(), @extschema@._jdl_setting_int('first_cohort_year'), last_index);
    usable := (counted ->> 'usable')::integer;
    answerable := (counted ->> 'answerable')::integer;
    expected := floor(answerable * @extschema@._jdl_setting('expected_match_rate')::numeric * @extschema@._jdl_setting('expected_index_share')::numeric);
    IF (counted ->> 'submitted')::integer = 0 AND EXISTS (SELECT FROM jdl_audit.event e WHERE e.request_id = _jdl_appraise.request_id AND e.action = 'insert' AND e.relation LIKE 'jdl\_restricted.submission%') THEN
        -- Submissions are unlogged: the price is that a crash empties those that were not linked yet.
        reasons := reasons || 'the records were lost in a crash and have to be sent again'::text;
    END IF;
    IF (counted ->> 'submitted')::integer < @extschema@._jdl_setting_int('minimum_records') THEN
        reasons := reasons || format('too few records: %s, at least %s needed', counted ->> 'submitted', @extschema@._jdl_setting('minimum_records'));
    END IF;
    IF (counted ->> 'submitted')::integer - usable > (counted ->> 'submitted')::numeric * @extschema@._jdl_setting('largest_error_share')::numeric THEN
        reasons := reasons || format('too many unusable records: %s of %s', (counted ->> 'submitted')::integer - usable, counted ->> 'submitted');
    END IF;
    IF answerable < @extschema@._jdl_setting_int('minimum_treatment') AND usable >= answerable THEN
        reasons := reasons || format('too few records from years that can be answered: %s, at least %s needed', answerable, @extschema@._jdl_setting('minimum_treatment'));
    END IF;
    IF expected >= 2 THEN
        known_answer := to_jsonb(round((100 * @extschema@._jdl_minimum_detectable_effect(@extschema@._jdl_setting('expected_rate')::float8, expected, expected * 10, @extschema@._jdl_setting('significance_level')::float8))::numeric, 1));
    END IF;
    RETURN counted || jsonb_build_object(
        'request_id', request_id,
        'decision', CASE WHEN cardinality(reasons) = 0 THEN 'accept' ELSE 'reject' END,
        'reasons', to_jsonb(reasons),
        'expected_linked', floor(answerable * @extschema@._jdl_setting('expected_match_rate')::numeric),
        'expected_analysed', expected,
        'minimum_detectable_effect_pp', known_answer,
        'years', jsonb_build_array(@extschema@._jdl_setting('first_cohort_year'), extract(year FROM last_index)),
        'latest_index_date', last_index,
        'answerable_from', (counted ->> 'latest_start')::date + make_interval(months => follow_up + waiting) + (@extschema@._jdl_today() - register.extracted_on) * interval '1 day');
END
$$;
COMMENT ON FUNCTION _jdl_appraise(bigint) IS 'The figures and the decision of jdl_preflight, without recording them.';

CREATE FUNCTION jdl_preflight(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    appraisal jsonb;
    asked record;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_intake', 'jdl_analyst', 'jdl_approver');
    PERFORM @extschema@._jdl_notice_crash(request_id);
    PERFORM @extschema@._jdl_require_status(request_id, 'appraised', 'open', 'rejected', 'awaiting resubmission', 'linked', 'matched', 'analysed', 'approved', 'released', 'halted');
    appraisal := @extschema@._jdl_appraise(request_id);
    SELECT * INTO asked FROM jdl.request r WHERE r.request_id = jdl_preflight.request_id;
    IF asked.rejected_by IS NOT NULL OR EXISTS (SELECT FROM jdl.request_step s WHERE s.request_id = jdl_preflight.request_id AND s.step = 'link') THEN
        -- An approver has decided, or the work has begun: asking changes nothing.
        appraisal := appraisal || jsonb_build_object('destroy_on', asked.destroy_on);
    ELSIF asked.status IN ('open', 'awaiting resubmission') AND appraisal -> 'reasons' ? 'the records were lost in a crash and have to be sent again' THEN
        UPDATE jdl.request r SET status = 'awaiting resubmission', status_reason = 'the records were lost in a crash' WHERE r.request_id = jdl_preflight.request_id AND r.status = 'open';
    ELSIF asked.status IN ('open', 'rejected', 'awaiting resubmission') THEN
        IF appraisal ->> 'decision' = 'accept' THEN
            UPDATE jdl.request r SET status = 'open', status_reason = NULL, decided_on = NULL, destroy_on = NULL WHERE r.request_id = jdl_preflight.request_id AND r.status <> 'open';
        ELSE
            -- A clock that already runs is not set back by asking again.
            UPDATE jdl.request r SET status = 'rejected', status_reason = array_to_string(ARRAY(SELECT jsonb_array_elements_text(appraisal -> 'reasons')), '; '),
                decided_on = coalesce(r.decided_on, @extschema@._jdl_today())
            WHERE r.request_id = jdl_preflight.request_id;
            appraisal := appraisal || jsonb_build_object('destroy_on', @extschema@._jdl_reclock(request_id));
        END IF;
    END IF;
    PERFORM @extschema@._jdl_audit('preflight', request_id, NULL, (appraisal ->> 'submitted')::bigint, jsonb_build_object('decision', appraisal ->> 'decision'));
    RETURN appraisal;
END
$$;
COMMENT ON FUNCTION jdl_preflight(bigint) IS 'Expected losses, the smallest effect that could be shown, the date from which the request can be answered, accept or reject with the reasons; a rejection says when the data will be destroyed.';
