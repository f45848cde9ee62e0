-- Linkage: which person of the register is each submission?

-- The options that a linkage decides with: settings fill in what is not given. Refuses what is not right before anything is done.
CREATE FUNCTION _jdl_link_options(options jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    decided jsonb;
BEGIN
    IF options ? 'model_version' AND coalesce(options ->> 'model_version', '') !~ '^[0-9]{1,9}$' THEN
        RAISE EXCEPTION 'model_version: must be a whole number' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    decided := jsonb_build_object('link_probability', @extschema@._jdl_setting('link_probability'), 'suspect_probability', @extschema@._jdl_setting('suspect_probability'),
        'model_version', @extschema@._jdl_setting('linkage_model')) || options;
    IF NOT EXISTS (SELECT FROM jdl.linkage_model m WHERE m.model_version = (decided ->> 'model_version')::integer) THEN
        RAISE EXCEPTION 'model_version: there is no such linkage model' USING ERRCODE = 'invalid_parameter_value', HINT = 'jdl.linkage_model lists them.';
    END IF;
    PERFORM @extschema@._jdl_check_link_options(decided - 'model_version');
    RETURN decided;
END
$$;
COMMENT ON FUNCTION _jdl_link_options(jsonb) IS 'The options that a linkage decides with, checked; settings fill in what is not given.';

-- Links the records of a request with these options and what approvers have forced, and returns the counts.
CREATE FUNCTION _jdl_link_records(request_id bigint, decided jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    summary jsonb;
BEGIN
    PERFORM @extschema@._jdl_require_fresh_register();
    summary := @extschema@._jdl_link(request_id, (decided - 'model_version') || jsonb_build_object(
        'model', (SELECT m.model FROM jdl.linkage_model m WHERE m.model_version = (decided ->> 'model_version')::integer),
        'overrides', (SELECT coalesce(jsonb_agg(jsonb_build_object('record_no', o.record_no, 'person_id', o.person_id, 'force', o.force)), '[]')
                      FROM jdl_restricted.link_override o WHERE o.request_id = _jdl_link_records.request_id)), @extschema@._jdl_today());
    summary := summary || jsonb_build_object('options', decided, 'model_version', decided -> 'model_version', 'register_version', (SELECT max(v.register_version) FROM jdl.register_version v));
    PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.person', (summary ->> 'candidates')::bigint);
    RETURN summary;
END
$$;
COMMENT ON FUNCTION _jdl_link_records(bigint, jsonb) IS 'Links the records of a request with these options and what approvers have forced, and returns the counts.';

CREATE FUNCTION jdl_link(request_id bigint, options jsonb DEFAULT '{}') RETURNS TABLE (submitted integer, linked integer, suspect integer, unlinked integer, match_rate double precision, expected_false_links double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    decided jsonb;
    summary jsonb;
    appraisal jsonb;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst');
    PERFORM @extschema@._jdl_notice_crash(request_id);
    PERFORM @extschema@._jdl_check_options(options, 'link_probability', 'suspect_probability', 'max_block_size', 'model_version', 'train');
    summary := @extschema@._jdl_standing_step(request_id, 'link', options);
    IF summary IS NULL THEN
        IF EXISTS (SELECT FROM jdl.request_step s WHERE s.request_id = jdl_link.request_id AND s.step = 'link') THEN
            RAISE EXCEPTION 'request % is already linked', request_id USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = 'It was linked with other options, and a second link would change who is in the analysis.',
                HINT = 'Ask without options for the link that stands, or supersede the request.';
        END IF;
        PERFORM @extschema@._jdl_require_status(request_id, 'linked', 'open', 'rejected', 'awaiting resubmission');
        decided := @extschema@._jdl_link_options(options);
        IF EXISTS (SELECT FROM jdl.request r WHERE r.request_id = jdl_link.request_id AND r.rejected_by IS NOT NULL) THEN
            PERFORM @extschema@._jdl_require_status(request_id, 'linked', 'open');
        END IF;
        appraisal := @extschema@._jdl_appraise(request_id);
        IF appraisal ->> 'decision' = 'reject' THEN
            RAISE EXCEPTION 'request % cannot be processed: %', request_id, array_to_string(ARRAY(SELECT jsonb_array_elements_text(appraisal -> 'reasons')), '; ')
                USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = format('Unless it is mended, its data is destroyed by %s.', coalesce((SELECT r.destroy_on FROM jdl.request r WHERE r.request_id = jdl_link.request_id),
                    @extschema@.jdl_add_working_days(@extschema@._jdl_today(), @extschema@._jdl_setting_int('decision_working_days')))),
                HINT = 'jdl_preflight records the decision; more records may be added until then.';
        END IF;
        RAISE NOTICE 'linkage: % submissions', appraisal ->> 'submitted';
        summary := @extschema@._jdl_link_records(request_id, decided);
        PERFORM @extschema@._jdl_take_step(request_id, 'link', 'linked', options, summary);
    END IF;
    RETURN QUERY SELECT r.submitted, r.linked, r.suspect, r.unlinked, r.match_rate, r.expected_false_links
    FROM jsonb_to_record(summary) AS r (submitted integer, linked integer, suspect integer, unlinked integer, match_rate double precision, expected_false_links double precision);
END
$$;
COMMENT ON FUNCTION jdl_link(bigint, jsonb) IS 'Links the submissions of a request to persons of the register; suspects are discarded and counted. Idempotent.';

-- What an approver forces stands above the evidence: the request is linked again with it, and a match that was made has to be made again.
CREATE FUNCTION jdl_override_link(request_id bigint, record_no integer, force text, reason text, person_id bigint DEFAULT NULL) RETURNS TABLE (submitted integer, linked integer, suspect integer, unlinked integer, match_rate double precision, expected_false_links double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counts jsonb;
    linked_with jsonb;
    forced_person bigint := person_id;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    PERFORM @extschema@._jdl_require_other_eyes(request_id, true);
    PERFORM @extschema@._jdl_require_reason(reason);
    IF force IS NULL OR force NOT IN ('link', 'non_link', 'none') THEN
        RAISE EXCEPTION 'force: must be link, non_link or none' USING ERRCODE = 'invalid_parameter_value', HINT = 'none takes an earlier decision back.';
    END IF;
    PERFORM @extschema@._jdl_require_status(request_id, 'linked', 'linked', 'matched');
    RAISE NOTICE 'linkage: request % has to be approved by somebody else than %', request_id, @extschema@._jdl_actor();
    SELECT s.summary INTO linked_with FROM jdl.request_step s WHERE s.request_id = jdl_override_link.request_id AND s.step = 'link';
    -- Only what the decision touches may change: the options and the register are those that the request was linked with.
    IF (linked_with ->> 'register_version')::bigint IS DISTINCT FROM (SELECT max(v.register_version) FROM jdl.register_version v) THEN
        RAISE EXCEPTION 'request % was linked with another version of the register', request_id USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'To link it again would decide anew on every record.', HINT = 'Open a request with the same list; jdl_supersede replaces this one by it.';
    END IF;
    IF forced_person IS NULL THEN
        SELECT l.person_id INTO forced_person FROM jdl_restricted.link l WHERE l.request_id = jdl_override_link.request_id AND l.record_no = jdl_override_link.record_no;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'record_no: is not a record of request %', request_id USING ERRCODE = 'invalid_parameter_value';
        ELSIF forced_person IS NULL AND force <> 'none' THEN
            RAISE EXCEPTION 'person_id: record % has no candidate: name the person', record_no USING ERRCODE = 'invalid_parameter_value';
        END IF;
    ELSIF force <> 'none' AND NOT EXISTS (SELECT FROM jdl_restricted.person p WHERE p.person_id = forced_person) THEN
        RAISE EXCEPTION 'person_id: is not a person of the register' USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT EXISTS (SELECT FROM jdl_restricted.submission s WHERE s.request_id = jdl_override_link.request_id AND s.record_no = jdl_override_link.record_no) THEN
        RAISE EXCEPTION 'record_no: is not a record of request %', request_id USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF force = 'link' AND EXISTS (SELECT FROM jdl_restricted.link_override o WHERE o.request_id = jdl_override_link.request_id AND o.record_no <> jdl_override_link.record_no
                                  AND o.person_id = forced_person AND o.force = 'link') THEN
        RAISE EXCEPTION 'person_id: another record is forced to this person' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Take that decision back first: force => ''none''.';
    END IF;
    -- One decision a record and person, and one person a record.
    DELETE FROM jdl_restricted.link_override o WHERE o.request_id = jdl_override_link.request_id AND o.record_no = jdl_override_link.record_no
        AND (o.person_id = forced_person OR jdl_override_link.force = 'none' OR (jdl_override_link.force = 'link' AND o.force = 'link'));
    IF force <> 'none' THEN
        INSERT INTO jdl_restricted.link_override (request_id, record_no, person_id, force, reason, decided_by)
        VALUES (jdl_override_link.request_id, jdl_override_link.record_no, forced_person, jdl_override_link.force, btrim(jdl_override_link.reason), @extschema@._jdl_actor());
    END IF;
    DELETE FROM jdl_restricted.link l WHERE l.request_id = jdl_override_link.request_id;
    -- The model is fitted to the cohort before anything forced is looked at, so it comes out as it did.
    counts := @extschema@._jdl_link_records(request_id, linked_with -> 'options');
    UPDATE jdl.request_step s SET summary = counts WHERE s.request_id = jdl_override_link.request_id AND s.step = 'link';
    IF EXISTS (SELECT FROM jdl.request_step s WHERE s.request_id = jdl_override_link.request_id AND s.step = 'match') THEN
        RAISE NOTICE 'linkage: request % has to be matched again', request_id;
        DELETE FROM jdl.request_step s WHERE s.request_id = jdl_override_link.request_id AND s.step = 'match';
        UPDATE jdl.request r SET status = 'linked' WHERE r.request_id = jdl_override_link.request_id;
    END IF;
    PERFORM @extschema@._jdl_audit('override_link', request_id, 'jdl_restricted.link', 1, jsonb_build_object('record_no', record_no, 'force', force));
    RETURN QUERY SELECT r.submitted, r.linked, r.suspect, r.unlinked, r.match_rate, r.expected_false_links
    FROM jsonb_to_record(counts) AS r (submitted integer, linked integer, suspect integer, unlinked integer, match_rate double precision, expected_false_links double precision);
END
$$;
COMMENT ON FUNCTION jdl_override_link(bigint, integer, text, text, bigint) IS 'Forces a link or non_link of a record (to its best candidate, or the person named), or takes that back (none), with a reason; links the request again.';

CREATE FUNCTION jdl_explain_link(request_id bigint, record_no integer) RETURNS TABLE (comparison text, level text, match_weight double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_link record;
    summary jsonb;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    SELECT l.person_id, l.reason INTO found_link FROM jdl_restricted.link l WHERE l.request_id = jdl_explain_link.request_id AND l.record_no = jdl_explain_link.record_no;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'record % of request % is not linked yet, or no longer there', record_no, request_id USING ERRCODE = 'no_data_found';
    ELSIF found_link.person_id IS NULL THEN
        RAISE NOTICE 'record % has no candidate (%)', record_no, found_link.reason;
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM jdl_restricted.person p WHERE p.person_id = found_link.person_id) THEN
        RAISE EXCEPTION 'the person of record % is no longer in the register', record_no USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM @extschema@._jdl_require_fresh_register();
    SELECT s.summary INTO summary FROM jdl.request_step s WHERE s.request_id = jdl_explain_link.request_id AND s.step = 'link';
    PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.link', 1);
    RETURN QUERY SELECT e.comparison, e.level, e.match_weight
    FROM @extschema@._jdl_explain_link(request_id, record_no, found_link.person_id,
        coalesce(summary -> 'model', (SELECT m.model FROM jdl.linkage_model m WHERE m.model_version = (summary ->> 'model_version')::integer))) e;
END
$$;
COMMENT ON FUNCTION jdl_explain_link(bigint, integer) IS 'Why a record got its match weight (log2): starting weight, level of each comparison, what relatives take off. Levels, never values.';

CREATE FUNCTION jdl_link_weights(request_id bigint, bin_width double precision DEFAULT 2) RETURNS TABLE (weight_from double precision, weight_to double precision, linked bigint, suspect bigint, unlinked bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    IF bin_width IS NULL OR NOT bin_width BETWEEN 0.1 AND 100 THEN
        RAISE EXCEPTION 'bin_width: must lie between 0.1 and 100' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.link', NULL);
    RETURN QUERY SELECT bin.low, bin.low + bin_width, count(*) FILTER (WHERE bin.status = 'linked'), count(*) FILTER (WHERE bin.status = 'suspect'), count(*) FILTER (WHERE bin.status = 'unlinked')
    FROM (SELECT floor(l.match_weight / bin_width) * bin_width AS low, l.status FROM jdl_restricted.link l WHERE l.request_id = jdl_link_weights.request_id AND l.match_weight IS NOT NULL) bin
    GROUP BY bin.low ORDER BY bin.low;
END
$$;
COMMENT ON FUNCTION jdl_link_weights(bigint, double precision) IS 'The distribution of the match weights (log2) of a request''s records: a histogram by status.';

CREATE FUNCTION jdl_link_reasons(request_id bigint) RETURNS TABLE (status text, reason text, records bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.link', NULL);
    RETURN QUERY SELECT l.status, l.reason, count(*) FROM jdl_restricted.link l WHERE l.request_id = jdl_link_reasons.request_id GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2;
END
$$;
COMMENT ON FUNCTION jdl_link_reasons(bigint) IS 'How many records were linked, suspect or unlinked, by reason.';

CREATE FUNCTION jdl_link_identifiers(request_id bigint) RETURNS TABLE (finding text, identifier text, record_nos integer[])
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.link', NULL);
    RETURN QUERY
    WITH submitted AS MATERIALIZED (
        SELECT s.record_no, id.identifier, id.value, l.status, l.person_id
        FROM jdl_restricted.submission s
        CROSS JOIN LATERAL (VALUES ('pnc_id', @extschema@.jdl_pnc_id(s.pnc_id)), ('prison_number', @extschema@.jdl_prison_number(s.prison_number))) AS id (identifier, value)
        LEFT JOIN jdl_restricted.link l ON l.request_id = s.request_id AND l.record_no = s.record_no
        WHERE s.request_id = jdl_link_identifiers.request_id AND id.value IS NOT NULL
    )
    SELECT 'one identifier, several records', r.identifier, array_agg(r.record_no ORDER BY r.record_no) FROM submitted r GROUP BY r.identifier, r.value HAVING count(*) > 1
    UNION ALL
    SELECT 'the linked person holds another identifier', r.identifier, array_agg(r.record_no ORDER BY r.record_no)
    FROM submitted r JOIN jdl_restricted.person p ON p.person_id = r.person_id
    WHERE r.status = 'linked' AND r.value <> CASE r.identifier WHEN 'pnc_id' THEN @extschema@.jdl_pnc_id(p.pnc_id) ELSE @extschema@.jdl_prison_number(p.prison_number) END
    GROUP BY r.identifier
    ORDER BY 1, 2, 3;
END
$$;
COMMENT ON FUNCTION jdl_link_identifiers(bigint) IS 'Where identifiers and people of a request do not go one to one: record numbers, never the identifiers.';

CREATE FUNCTION jdl_register_identifiers() RETURNS TABLE (finding text, identifier text, cases bigint, persons bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_require_role('read the register', 'jdl_dba');
    PERFORM @extschema@._jdl_audit('read_restricted', NULL, 'jdl_restricted.person', (SELECT v.persons FROM jdl.register_version v ORDER BY v.register_version DESC LIMIT 1));
    RETURN QUERY
    WITH held AS MATERIALIZED (
        SELECT id.identifier, id.value, p.person_id, p.forename, p.surname, p.date_of_birth
        FROM jdl_restricted.person p
        CROSS JOIN LATERAL (VALUES ('pnc_id', @extschema@.jdl_pnc_id(p.pnc_id)), ('cro', @extschema@.jdl_cro(p.cro)), ('prison_number', @extschema@.jdl_prison_number(p.prison_number))) AS id (identifier, value)
        WHERE id.value IS NOT NULL
    )
    SELECT 'one identifier, many people', c.identifier, count(*), sum(c.people)::bigint
    FROM (SELECT h.identifier, count(*) AS people FROM held h GROUP BY h.identifier, h.value HAVING count(*) > 1) c GROUP BY c.identifier
    UNION ALL
    SELECT 'same name and date of birth, many identifiers', c.identifier, count(*), sum(c.people)::bigint
    FROM (SELECT h.identifier, count(*) AS people FROM held h WHERE h.forename IS NOT NULL AND h.surname IS NOT NULL AND h.date_of_birth IS NOT NULL
          GROUP BY h.identifier, h.forename, h.surname, h.date_of_birth HAVING count(DISTINCT h.value) > 1) c GROUP BY c.identifier
    ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION jdl_register_identifiers() IS 'How often the register holds one identifier for many people, or many for what looks like one person: counts only.';

CREATE FUNCTION jdl_train_linkage(request_ids bigint[] DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS TABLE (model_version integer, submissions integer, pairs bigint, labelled_pairs bigint, expected_true_pairs double precision, iterations integer, in_use boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cohorts bigint[];
    trained jsonb;
    stored integer;
    put_to_use boolean;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_require_role('train the linkage model', 'jdl_dba');
    PERFORM @extschema@._jdl_check_options(options, 'prior_pairs', 'tolerance', 'max_iterations', 'use');
    IF jsonb_typeof(coalesce(options -> 'use', 'true')) <> 'boolean' THEN
        RAISE EXCEPTION 'use: must be true or false' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    put_to_use := coalesce((options ->> 'use')::boolean, true);
    cohorts := ARRAY(SELECT r.request_id FROM jdl.request r WHERE r.destroyed_at IS NULL AND (request_ids IS NULL OR r.request_id = ANY (request_ids))
                     AND EXISTS (SELECT FROM jdl_restricted.submission s WHERE s.request_id = r.request_id) ORDER BY 1);
    IF EXISTS (SELECT FROM unnest(request_ids) asked WHERE asked IS NULL OR asked <> ALL (cohorts)) THEN
        RAISE EXCEPTION 'request_ids: names a request without records' USING ERRCODE = 'invalid_parameter_value';
    ELSIF cardinality(cohorts) = 0 THEN
        RAISE EXCEPTION 'there are no records to train on' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The shipped model links without training.';
    ELSIF (SELECT count(*) FROM jdl_restricted.submission s WHERE s.request_id = ANY (cohorts)) < @extschema@._jdl_setting_int('minimum_records') THEN
        -- What training answers about one record would say whether that person is in the register.
        RAISE EXCEPTION 'there are too few records to train on: at least % are needed', @extschema@._jdl_setting('minimum_records') USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'The shipped model links without training.';
    END IF;
    RAISE NOTICE 'linkage: training on the records of % requests', cardinality(cohorts);
    trained := @extschema@._jdl_train_linkage(cohorts, (SELECT m.model FROM jdl.linkage_model m WHERE m.model_version = 1), options - 'use');
    INSERT INTO jdl.linkage_model (model, training, register_version, trained_by)
    VALUES (trained -> 'model', (trained -> 'training') || jsonb_build_object('requests', cohorts, 'options', options), (SELECT max(v.register_version) FROM jdl.register_version v), @extschema@._jdl_actor())
    RETURNING linkage_model.model_version INTO stored;
    IF put_to_use THEN
        UPDATE jdl.setting s SET value = to_jsonb(stored) WHERE s.setting = 'linkage_model';
    END IF;
    PERFORM @extschema@._jdl_audit('train_linkage', NULL, 'jdl.linkage_model', (trained #>> '{training,submissions}')::bigint, jsonb_build_object('model_version', stored, 'in_use', put_to_use));
    RETURN QUERY SELECT stored, t.submissions, t.pairs, t.labelled_pairs, t.expected_true_pairs, t.iterations, put_to_use
    FROM jsonb_to_record(trained -> 'training') AS t (submissions integer, pairs bigint, labelled_pairs bigint, expected_true_pairs double precision, iterations integer);
END
$$;
COMMENT ON FUNCTION jdl_train_linkage(bigint[], jsonb) IS 'Re-estimates the linkage model from the records of these requests (null: of all that are held), stores it as a new version and (use: true) puts it to use.';
