-- Index events and the comparison group.

-- The index event of each linked person: the sentence that the intervention belongs to. Losses are counted by reason.
-- Temporary results live in a table of this transaction only.
CREATE FUNCTION _jdl_find_index_events(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked record;
    last_index date;
    first_year integer := @extschema@._jdl_setting_int('first_cohort_year');
    reach interval := @extschema@._jdl_setting_int('index_window_days') * interval '1 day';
BEGIN
    SELECT r.options INTO asked FROM jdl.request r WHERE r.request_id = _jdl_find_index_events.request_id;
    last_index := @extschema@._jdl_last_index_date(request_id);
    DELETE FROM jdl_pseudonymised.index_loss l WHERE l.request_id = _jdl_find_index_events.request_id;
    DELETE FROM jdl_restricted.index_choice c WHERE c.request_id = _jdl_find_index_events.request_id;
    INSERT INTO jdl_restricted.index_choice (request_id, person_id, sentence_id, loss)
    SELECT _jdl_find_index_events.request_id, link.person_id, best.sentence_id,
           CASE
               WHEN best.sentence_id IS NULL THEN 'no sentence that the intervention belongs to'
               WHEN best.index_year < first_year THEN 'index event too early'
               WHEN best.index_date > last_index THEN 'index event too recent: follow-up not complete'
               WHEN best.age IS NULL OR best.age < 10 THEN 'date of birth contradicts the index event'
           END
    FROM @extschema@._jdl_submitted_dates(_jdl_find_index_events.request_id) dates
    JOIN jdl_restricted.link ON link.request_id = _jdl_find_index_events.request_id AND link.record_no = dates.record_no AND link.status = 'linked'
    LEFT JOIN LATERAL (
        SELECT e.* FROM jdl_restricted.index_event e
        WHERE e.person_id = link.person_id AND (
            e.sentence_start = dates.sentence_start
            OR e.sentence_end = dates.sentence_end
            OR dates.intervention_start BETWEEN e.sentence_start AND greatest(coalesce(e.sentence_end, e.sentence_start), e.index_date) + reach)
        ORDER BY -- What the provider said of the sentence goes before what the intervention's date suggests; then the nearest.
            (e.sentence_start = dates.sentence_start) IS TRUE DESC,
            (e.sentence_end = dates.sentence_end) IS TRUE DESC,
            (dates.intervention_start BETWEEN e.sentence_start AND coalesce(e.sentence_end, e.index_date)) IS TRUE DESC,
            abs(coalesce(dates.intervention_start, dates.sentence_start, dates.sentence_end) - e.index_date),
            e.sentence_id
        LIMIT 1
    ) best ON true;
    INSERT INTO jdl_pseudonymised.index_loss (request_id, reason, people)
    SELECT _jdl_find_index_events.request_id, c.loss, count(*) FROM jdl_restricted.index_choice c
    WHERE c.request_id = _jdl_find_index_events.request_id AND c.loss IS NOT NULL GROUP BY c.loss;
    RETURN (SELECT jsonb_build_object('linked', count(*), 'index_events', count(*) FILTER (WHERE c.loss IS NULL))
            FROM jdl_restricted.index_choice c WHERE c.request_id = _jdl_find_index_events.request_id);
END
$$;
COMMENT ON FUNCTION _jdl_find_index_events(bigint) IS 'Finds the index event of each linked person and counts the losses by reason.';

-- The last index date whose follow-up and waiting period the extract covers.
CREATE FUNCTION _jdl_last_index_date(request_id bigint) RETURNS date
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT (v.extracted_on - make_interval(months =>
                coalesce((r.options ->> 'follow_up_months')::integer, @extschema@._jdl_setting_int('follow_up_months'))
                + coalesce((r.options ->> 'waiting_months')::integer, @extschema@._jdl_setting_int('waiting_months'))))::date
            FROM jdl.request r, (SELECT extracted_on FROM jdl.register_version ORDER BY register_version DESC LIMIT 1) v
            WHERE r.request_id = _jdl_last_index_date.request_id);
END
$$;
COMMENT ON FUNCTION _jdl_last_index_date(bigint) IS 'The last index date whose follow-up and waiting period the extract covers.';

-- What matching looks at: the treated at their index events, and every index event of the same years and disposals with the
-- reason why it may not serve as a comparison (null: it may). A plain query, so that the planner takes it into the one around it.
--
-- Every index event that could serve, not one a person: which of a person's events to take could only be decided by what came
-- after it (which biases the comparison) or by being the first (which the treated events are not).
--
-- Nothing is known to the planner of the tables of a request, which were filled a moment ago. Where it could join row by row, which with
-- thousands of people sent in takes hours, the question is whether a value is in a list, which it answers from a hash table.
CREATE FUNCTION _jdl_candidates(request_id bigint) RETURNS TABLE (sentence_id bigint, treated boolean, loss text, age integer, gender text, ethnicity text, nationality text, region text, disposal text, offence_group text, index_year text,
        previous_sanctions integer, previous_custody integer, previous_cautions integer, previous_community integer, recent_sanctions integer, months_since_last integer, months_since_custody integer, age_at_first integer, copas_rate double precision,
        previous_offences integer, recent_offences integer, previous_violence integer, previous_acquisitive integer, previous_drugs integer, previous_same_group integer,
        employment text, employed_months integer, benefits text, benefit_months integer, accommodation_need text, employment_need text, drugs_need text, alcohol_need text, thinking_need text)
    LANGUAGE sql STABLE AS $$
    WITH chosen AS MATERIALIZED (
        SELECT c.sentence_id FROM jdl_restricted.index_choice c WHERE c.request_id = _jdl_candidates.request_id AND c.loss IS NULL
    ), years AS MATERIALIZED (
        SELECT min(e.index_year) AS first_year, max(e.index_year) AS last_year, array_agg(DISTINCT e.disposal) AS disposals,
               (SELECT r.options ->> 'region' FROM jdl.request r WHERE r.request_id = _jdl_candidates.request_id) AS only_region,
               @extschema@._jdl_last_index_date(_jdl_candidates.request_id) AS last_index
        FROM jdl_restricted.index_event e WHERE e.sentence_id IN (SELECT chosen.sentence_id FROM chosen)
    ), sent AS MATERIALIZED (
        -- Nobody who was sent in may serve as a comparison: neither the linked nor the suspects.
        SELECT DISTINCT l.person_id, l.status = 'linked' AS linked FROM jdl_restricted.link l WHERE l.request_id = _jdl_candidates.request_id AND l.person_id IS NOT NULL
    ), known_as AS MATERIALIZED (
        SELECT p.date_of_birth, concat_ws('/', p.date_of_birth, upper(btrim(p.surname)), upper(btrim(p.forename))) AS name, false AS alias
        FROM jdl_restricted.person p WHERE p.person_id IN (SELECT sent.person_id FROM sent WHERE sent.linked)
        UNION
        SELECT a.date_of_birth, concat_ws('/', a.date_of_birth, upper(btrim(a.surname)), upper(btrim(a.forename))), true
        FROM jdl_restricted.alias a WHERE a.person_id IN (SELECT sent.person_id FROM sent WHERE sent.linked)
    ), namesake AS MATERIALIZED (
        -- A person who goes by a name and date of birth of a linked one, where either of the two is an alias, may be the same. (Two
        -- people of the same name, neither an alias, are just that.) Names are looked at only where a linked person has that date of birth.
        SELECT a.person_id FROM jdl_restricted.alias a
        WHERE a.surname IS NOT NULL AND a.forename IS NOT NULL AND (a.date_of_birth IN (SELECT k.date_of_birth FROM known_as k)) IS TRUE
          AND (concat_ws('/', a.date_of_birth, upper(btrim(a.surname)), upper(btrim(a.forename))) IN (SELECT k.name FROM known_as k)) IS TRUE
        UNION
        SELECT p.person_id FROM jdl_restricted.person p
        WHERE p.surname IS NOT NULL AND p.forename IS NOT NULL AND (p.date_of_birth IN (SELECT k.date_of_birth FROM known_as k WHERE k.alias)) IS TRUE
          AND (concat_ws('/', p.date_of_birth, upper(btrim(p.surname)), upper(btrim(p.forename))) IN (SELECT k.name FROM known_as k WHERE k.alias)) IS TRUE
    )
    SELECT e.sentence_id, e.sentence_id IN (SELECT chosen.sentence_id FROM chosen),
           CASE
               WHEN e.sentence_id IN (SELECT chosen.sentence_id FROM chosen) THEN NULL
               WHEN e.person_id IN (SELECT sent.person_id FROM sent) THEN 'sent in by the provider'
               WHEN e.person_id IN (SELECT namesake.person_id FROM namesake) THEN 'goes by a name of somebody sent in'
               WHEN years.only_region IS NOT NULL AND e.region <> years.only_region THEN 'of another region'
               WHEN e.age IS NULL OR e.age < 10 THEN 'date of birth contradicts the index event'
               WHEN e.index_date > years.last_index THEN 'follow-up not complete'
           END,
           e.age, e.gender, e.ethnicity, e.nationality, e.region, e.disposal, e.offence_group, e.index_year::text,
           e.previous_sanctions, e.previous_custody, e.previous_cautions, e.previous_community, e.recent_sanctions, e.months_since_last, e.months_since_custody, e.age_at_first, e.copas_rate,
           e.previous_offences, e.recent_offences, e.previous_violence, e.previous_acquisitive, e.previous_drugs, e.previous_same_group,
           e.employment, e.employed_months, e.benefits, e.benefit_months, e.accommodation_need, e.employment_need, e.drugs_need, e.alcohol_need, e.thinking_need
    -- The treated events are of these years and disposals by themselves.
    FROM years JOIN jdl_restricted.index_event e ON e.index_year BETWEEN years.first_year AND years.last_year AND e.disposal = ANY (years.disposals)
$$;
COMMENT ON FUNCTION _jdl_candidates(bigint) IS 'The treated at their index events and the pool with covariates as of the index date; loss says why an event of the pool may not serve.';

CREATE FUNCTION jdl_match(request_id bigint, options jsonb DEFAULT '{}') RETURNS TABLE (treatment_n integer, comparison_n integer, effective_n double precision, worst_smd double precision, balance text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    design jsonb;
    summary jsonb;
    found jsonb;
    next_design integer;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst');
    PERFORM @extschema@._jdl_notice_crash(request_id);
    summary := @extschema@._jdl_standing_step(request_id, 'match', options);
    IF summary IS NOT NULL AND (summary ->> 'register_version')::bigint <> (SELECT max(v.register_version) FROM jdl.register_version v)
       AND @extschema@._jdl_standing_step(request_id, 'analyse', '{}') IS NULL THEN
        -- People matched from another version of the register may not be there any more: the same design is made anew.
        RAISE NOTICE 'matching: the register was refreshed since, so the design is made again';
        SELECT s.options INTO options FROM jdl.request_step s WHERE s.request_id = jdl_match.request_id AND s.step = 'match';
        summary := NULL;
    END IF;
    IF summary IS NULL THEN
        IF jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
            RAISE EXCEPTION 'options: must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF @extschema@._jdl_standing_step(request_id, 'link', '{}') IS NULL THEN
            PERFORM @extschema@.jdl_link(request_id);
        END IF;
        -- A design may be tried again until outcomes are read, not after.
        PERFORM @extschema@._jdl_require_status(request_id, 'matched', 'linked', 'matched');
        found := @extschema@._jdl_find_index_events(request_id);
        IF (found ->> 'index_events')::integer < @extschema@._jdl_setting_int('minimum_treatment') THEN
            RAISE EXCEPTION 'too few people with an index event: %, at least % needed', found ->> 'index_events', @extschema@._jdl_setting_int('minimum_treatment')
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'jdl_reject or jdl_withdraw ends the request.';
        END IF;
        design := CASE options WHEN '{}' THEN @extschema@._jdl_setting('default_design') ELSE options END;
        RAISE NOTICE 'matching: % treated people', found ->> 'index_events';
        summary := @extschema@._jdl_match(request_id, design) || found || jsonb_build_object('register_version', (SELECT max(v.register_version) FROM jdl.register_version v));
        SELECT coalesce(max(d.design_no), 0) + 1 INTO next_design FROM jdl.match_design d WHERE d.request_id = jdl_match.request_id;
        INSERT INTO jdl.match_design (request_id, design_no, options, pool_size, summary, balance, tried_by)
        VALUES (jdl_match.request_id, next_design, design, (summary ->> 'pool_size')::integer, summary - 'balance_table', summary -> 'balance_table', @extschema@._jdl_actor());
        -- The step and the trail need what it came to; the design's own record keeps the rest.
        summary := summary - ARRAY['balance_table', 'model', 'overlap', 'caliper_grid'];
        PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.index_event', (summary ->> 'pool_size')::bigint);
        PERFORM @extschema@._jdl_take_step(request_id, 'match', 'matched', options, summary);
    END IF;
    RETURN QUERY SELECT r.treatment_n, r.comparison_n, r.effective_n, r.worst_smd, r.balance
    FROM jsonb_to_record(summary) AS r (treatment_n integer, comparison_n integer, effective_n double precision, worst_smd double precision, balance text);
END
$$;
COMMENT ON FUNCTION jdl_match(bigint, jsonb) IS 'Finds index events and builds the comparison group. Options are MatchIt''s arguments; {} takes the design of jdl.setting. Each design tried before outcomes are read is kept.';
