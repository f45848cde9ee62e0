-- Whether a report may be released: its certificate, and how its people relate to those of earlier releases of the provider.

-- Keeps the sketches of the sets that a request is about, one under each key of the file, so that old and new releases stay
-- comparable while keys change. Where there is no key, it says so and keeps none; the release asks again.
CREATE FUNCTION _jdl_keep_sketches(request_id bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text := @extschema@._jdl_key_problem();
    kept integer := 0;
    made record;
BEGIN
    DELETE FROM jdl_restricted.sketch s WHERE s.request_id = _jdl_keep_sketches.request_id;
    IF @extschema@._jdl_setting('differencing') <> '"sketch"' THEN
        RETURN 0;
    ELSIF problem IS NOT NULL THEN
        RAISE NOTICE 'no sketch of the people is kept: %', problem USING HINT = 'A release on a live instance needs a key: docs/disclosure.md.';
        RETURN 0;
    END IF;
    FOR made IN
        SELECT sets.analysed_set, cardinality(sets.people) AS people, s.key_id, s.fingerprint, s.sums
        FROM (SELECT 'linked' AS analysed_set, array_agg(DISTINCT l.person_id) AS people
              FROM jdl_restricted.link l WHERE l.request_id = _jdl_keep_sketches.request_id AND l.status = 'linked'
              UNION ALL
              SELECT 'analysed', array_agg(DISTINCT e.person_id)
              FROM jdl_pseudonymised.member m
              JOIN jdl_restricted.pseudonym p ON p.request_id = m.request_id AND p.pseudonym = m.pseudonym
              JOIN jdl_restricted.sentence e ON e.sentence_id = p.sentence_id
              WHERE m.request_id = _jdl_keep_sketches.request_id AND m.treated AND m.matched
              UNION ALL
              SELECT format('%s: %s', g.key, l.value), array_agg(DISTINCT e.person_id)
              FROM (SELECT p.plan FROM jdl.analysis_plan p WHERE p.request_id = _jdl_keep_sketches.request_id ORDER BY p.plan_version DESC LIMIT 1) standing,
                   jsonb_each(coalesce(standing.plan #> '{analysis,sub_groups}', '{}')) g, jsonb_array_elements_text(g.value) l,
                   jdl_pseudonymised.member m
              JOIN jdl_restricted.pseudonym p ON p.request_id = m.request_id AND p.pseudonym = m.pseudonym
              JOIN jdl_restricted.sentence e ON e.sentence_id = p.sentence_id
              WHERE m.request_id = _jdl_keep_sketches.request_id AND m.treated AND m.matched
                AND CASE g.key WHEN 'age_band' THEN @extschema@._jdl_age_band(m.age) ELSE to_jsonb(m) ->> g.key END = l.value
              GROUP BY 1) sets,
             LATERAL @extschema@._jdl_sketch(sets.people) s
    LOOP
        INSERT INTO jdl.disclosure_key (key_id, fingerprint) VALUES (made.key_id, made.fingerprint) ON CONFLICT ON CONSTRAINT disclosure_key_pkey DO NOTHING;
        IF NOT EXISTS (SELECT FROM jdl.disclosure_key k WHERE k.key_id = made.key_id AND k.fingerprint = made.fingerprint) THEN
            RAISE EXCEPTION 'key % of the file is not the key that earlier sketches were made with', made.key_id USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Bring the old key back, or give the new one a number of its own.';
        END IF;
        INSERT INTO jdl_restricted.sketch (request_id, analysed_set, key_id, people_to_ten, sums)
        VALUES (_jdl_keep_sketches.request_id, made.analysed_set, made.key_id, round(made.people, -1), made.sums);
        kept := kept + 1;
    END LOOP;
    PERFORM @extschema@._jdl_audit('keep_sketches', request_id, 'jdl_restricted.sketch', kept);
    RETURN kept;
END
$$;
COMMENT ON FUNCTION _jdl_keep_sketches(bigint) IS 'Keeps keyed sketches of the people of a request; returns how many.';

-- Compares with everything that the provider was ever given, also what was withdrawn since and whatever the programme was called: the
-- provider is the intruder, and has kept it. Those analysed and each sub-group are compared with
-- those analysed and each sub-group of earlier releases: a sub-group may come again as a list of its own. Coarse answers only, and each
-- comparison is on the trail.
CREATE FUNCTION _jdl_compare_releases(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    earlier bigint[];
    comparable bigint[] := '{}'::bigint[];
    ids bigint[];
    sets text[];
    present record;
    answer jsonb;
    findings jsonb := '[]'::jsonb;
    compared jsonb;
BEGIN
    earlier := ARRAY(
        SELECT o.request_id FROM jdl.request r JOIN jdl.request o ON lower(regexp_replace(btrim(o.provider), '\s+', ' ', 'g')) = lower(regexp_replace(btrim(r.provider), '\s+', ' ', 'g'))
        WHERE r.request_id = _jdl_compare_releases.request_id AND o.request_id <> r.request_id AND o.released_at < coalesce(r.released_at, 'infinity') ORDER BY 1);
    FOR present IN SELECT s.analysed_set, s.key_id, s.sums FROM jdl_restricted.sketch s WHERE s.request_id = _jdl_compare_releases.request_id ORDER BY 1, 2 LOOP
        SELECT coalesce(array_agg(s.request_id ORDER BY s.request_id, s.analysed_set), '{}'), coalesce(array_agg(s.analysed_set ORDER BY s.request_id, s.analysed_set), '{}'),
               @extschema@._jdl_compare_sketches(jsonb_build_object('key_id', present.key_id, 'sums', present.sums),
                   coalesce(jsonb_agg(jsonb_build_object('key_id', s.key_id, 'sums', s.sums) ORDER BY s.request_id, s.analysed_set), '[]'))
        INTO ids, sets, answer
        FROM jdl_restricted.sketch s WHERE s.request_id = ANY (earlier) AND (s.analysed_set = 'linked') = (present.analysed_set = 'linked') AND s.key_id = present.key_id;
        comparable := comparable || ids;
        -- The places in the array become numbers of requests again.
        findings := findings || coalesce((
            SELECT jsonb_agg(jsonb_build_object('analysed_set', present.analysed_set, 'bucket', f.value -> 'bucket', 'relation', rel.key,
                'requests', places.requests, 'sets', places.sets))
            FROM jsonb_array_elements(answer -> 'findings') f, jsonb_each(f.value -> 'relation') rel,
                 LATERAL (SELECT jsonb_agg(ids[place.value::integer + 1] ORDER BY place.ordinality) AS requests, jsonb_agg(sets[place.value::integer + 1] ORDER BY place.ordinality) AS sets
                          FROM jsonb_array_elements_text(CASE jsonb_typeof(rel.value) WHEN 'array' THEN rel.value ELSE jsonb_build_array(rel.value) END) WITH ORDINALITY place) places), '[]');
    END LOOP;
    compared := jsonb_build_object(
        'earlier', to_jsonb(earlier),
        'not_comparable', to_jsonb(ARRAY(SELECT unnest(earlier) EXCEPT SELECT unnest(comparable) ORDER BY 1)),
        -- Two keys say the same twice.
        'findings', (SELECT coalesce(jsonb_agg(DISTINCT f.value), '[]') FROM jsonb_array_elements(findings) f));
    PERFORM @extschema@._jdl_audit('compare_releases', request_id, 'jdl_restricted.sketch', cardinality(earlier),
        jsonb_build_object('flags', jsonb_array_length(compared -> 'findings'), 'not_comparable', jsonb_array_length(compared -> 'not_comparable')));
    RAISE LOG 'jdl: compare_releases, request %, by %', request_id, @extschema@._jdl_actor();
    RETURN compared;
END
$$;
COMMENT ON FUNCTION _jdl_compare_releases(bigint) IS 'How the people of a request relate to those of all earlier releases, in coarse words.';

-- One finding in words.
CREATE FUNCTION _jdl_finding_words(finding jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- A request by its number, and by its sub-group where it is one.
    named text[] := ARRAY(
        SELECT (finding -> 'requests' ->> z.place::integer) || CASE WHEN t.value IN ('linked', 'analysed') THEN '' ELSE format(' (%s)', t.value) END
        FROM jsonb_array_elements_text(finding -> 'sets') WITH ORDINALITY t (value, place), LATERAL (SELECT t.place - 1) z (place) ORDER BY t.place);
BEGIN
    RETURN format('the people %s are %s, but for %s people', CASE finding ->> 'analysed_set' WHEN 'linked' THEN 'found on the register' WHEN 'analysed' THEN 'analysed' ELSE format('analysed as %s', finding ->> 'analysed_set') END,
        CASE finding ->> 'relation'
            WHEN 'same' THEN format('those of request %s', named[1])
            WHEN 'union_of' THEN format('those of requests %s and %s together', named[1], named[2])
            ELSE format('those of request %s less those of request %s', named[1], named[2]) END,
        CASE finding ->> 'bucket' WHEN 'up_to5' THEN 'about 5 or fewer' ELSE 'about 15 or fewer' END);
END
$$;
COMMENT ON FUNCTION _jdl_finding_words(jsonb) IS 'A finding of _jdl_compare_releases in words.';

-- A lab that is being tried out with made-up people needs no key yet; a file that is named and cannot be used is never excused.
CREATE FUNCTION _jdl_key_excused() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN NOT @extschema@._jdl_key_named() AND @extschema@._jdl_setting('instance') <> '"live"';
END
$$;
COMMENT ON FUNCTION _jdl_key_excused() IS 'Whether a release may do without a key: none is named, and the instance is not marked live.';

-- What is to be said before a release; a row that stops it says how it goes on.
CREATE FUNCTION _jdl_release_check(request_id bigint, compared jsonb) RETURNS TABLE (topic text, finding text, stops boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
    proven record;
    kept record;
    decided bigint[];
    unsettled boolean;
    problem text := @extschema@._jdl_key_problem();
    excused boolean := @extschema@._jdl_key_excused();
    setting text := @extschema@._jdl_setting('differencing') #>> '{}';
BEGIN
    SELECT p.report, p.disclosure, c.proof, c.report_digest INTO made FROM jdl.report p LEFT JOIN jdl_pseudonymised.certificate c ON c.request_id = p.request_id
    WHERE p.request_id = _jdl_release_check.request_id;
    SELECT * INTO kept FROM jdl.release_record k WHERE k.request_id = _jdl_release_check.request_id;
    stops := false;
    -- What is hidden and why.
    topic := 'hidden';
    finding := made.disclosure #>> '{evidence,what_happened}';
    RETURN NEXT;
    FOR finding IN SELECT format('%s: %s', h.value ->> 'cell', h.value ->> 'why') FROM jsonb_array_elements(made.disclosure #> '{evidence,hidden}') h LOOP
        RETURN NEXT;
    END LOOP;
    topic := 'coarser table';
    FOR finding IN SELECT c.value FROM jsonb_array_elements_text(made.disclosure #> '{evidence,coarser}') c LOOP
        RETURN NEXT;
    END LOOP;
    topic := 'footnote';
    FOR finding IN SELECT f.value FROM jsonb_array_elements_text(made.report #> '{disclosure,footnotes}') f LOOP
        RETURN NEXT;
    END LOOP;
    -- The certificate.
    topic := 'certificate';
    IF made.proof IS NULL THEN
        stops := kept.request_id IS NULL;
        finding := CASE WHEN stops THEN 'there is none: the report was not made by jdl_report' ELSE format('it held when the report was released; it is destroyed, its keyed hash is %s', kept.certificate_hash) END;
    ELSIF made.report_digest <> encode(sha256(convert_to(made.report::text, 'UTF8')), 'hex') THEN
        stops := true;
        finding := 'the report was changed after its certificate was made';
    ELSE
        BEGIN
            SELECT * INTO proven FROM @extschema@._jdl_check_proof(made.proof, made.disclosure #> '{evidence,cells}');
            finding := format('checked by integer addition: %s %s with all that is published, and no sensitive cell (there %s %s) is the same in all of them', proven.tables,
                CASE proven.tables WHEN 1 THEN 'table agrees' ELSE 'tables agree' END, CASE proven.cells WHEN 1 THEN 'is' ELSE 'are' END, proven.cells);
        EXCEPTION WHEN internal_error THEN
            stops := true;
            finding := SQLERRM;
        END;
    END IF;
    RETURN NEXT;
    -- The key: sketches and the hash of the certificate need one.
    IF kept.request_id IS NULL AND problem IS NOT NULL THEN
        topic := 'key';
        finding := problem || CASE WHEN excused THEN '; on an instance marked live this stops a release' ELSE '' END || ' (docs/disclosure.md says how one is made)';
        stops := NOT excused;
        RETURN NEXT;
    END IF;
    -- Earlier releases.
    topic := 'earlier releases';
    stops := false;
    IF setting = 'perturb' THEN
        stops := kept.request_id IS NULL AND made.disclosure ->> 'differencing' IS DISTINCT FROM 'perturb';
        finding := CASE WHEN stops THEN 'not compared, and the report was made before numbers were to be perturbed: the analyst runs jdl_report again'
                        ELSE 'not compared: every number is rounded by keys of the cohort instead (setting differencing)' END;
        RETURN NEXT;
    ELSIF problem IS NULL AND NOT EXISTS (SELECT FROM jdl_restricted.sketch s WHERE s.request_id = _jdl_release_check.request_id AND s.analysed_set = 'linked') AND kept.request_id IS NULL THEN
        finding := 'there is no sketch of the people, so they cannot be compared';
        stops := true;
        RETURN NEXT;
    ELSIF kept.key_id IS NULL AND (kept.request_id IS NOT NULL OR excused) THEN
        finding := 'not compared: there was no key';
        RETURN NEXT;
    ELSIF problem IS NULL OR kept.request_id IS NOT NULL THEN
        compared := coalesce(kept.compared, compared);
        decided := coalesce((SELECT d.earlier FROM jdl.release_decision d WHERE d.request_id = _jdl_release_check.request_id AND d.decision = 'replace' ORDER BY d.decision_id DESC LIMIT 1), '{}');
        finding := format('compared with %s', CASE jsonb_array_length(compared -> 'earlier') WHEN 1 THEN '1 earlier release' ELSE jsonb_array_length(compared -> 'earlier') || ' earlier releases' END)
                || CASE jsonb_array_length(compared -> 'findings') WHEN 0 THEN ': none is about the same people but for a few' ELSE '' END;
        RETURN NEXT;
        IF compared -> 'not_comparable' <> '[]' THEN
            finding := format('not comparable, because their sketches are gone with their key or were never made: request %s', (SELECT string_agg(n.value, ', ') FROM jsonb_array_elements_text(compared -> 'not_comparable') n));
            RETURN NEXT;
        END IF;
        FOR finding, unsettled IN
            SELECT @extschema@._jdl_finding_words(f.value), EXISTS (SELECT FROM jsonb_array_elements_text(f.value -> 'requests') q WHERE q.value::bigint <> ALL (decided))
            FROM jsonb_array_elements(compared -> 'findings') f
        LOOP
            stops := unsettled;
            IF unsettled THEN
                finding := finding || ': subtracting the reports would tell of them; an approver decides (jdl_decide_release: refuse, merge or replace)';
            END IF;
            RETURN NEXT;
        END LOOP;
    END IF;
    stops := false;
    topic := 'decision';
    FOR finding IN SELECT format('%s, by %s: %s', d.decision, d.decided_by, d.reason) FROM jdl.release_decision d WHERE d.request_id = _jdl_release_check.request_id ORDER BY d.decision_id LOOP
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION _jdl_release_check(bigint, jsonb) IS 'What jdl_release_check says, given how the people relate to earlier releases.';

-- Compares, after making the sketches where they are missing and the people are still known.
CREATE FUNCTION _jdl_relate(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM jdl.report p WHERE p.request_id = _jdl_relate.request_id) THEN
        RAISE EXCEPTION 'request % has no report yet', request_id USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Its analyst runs jdl_report.';
    ELSIF @extschema@._jdl_setting('differencing') <> '"sketch"' THEN
        RETURN '{"earlier": [], "not_comparable": [], "findings": []}'::jsonb;
    ELSIF NOT EXISTS (SELECT FROM jdl_restricted.sketch s WHERE s.request_id = _jdl_relate.request_id)
          AND EXISTS (SELECT FROM jdl_restricted.link l WHERE l.request_id = _jdl_relate.request_id) THEN
        PERFORM @extschema@._jdl_keep_sketches(request_id);
    END IF;
    RETURN @extschema@._jdl_compare_releases(request_id);
END
$$;
COMMENT ON FUNCTION _jdl_relate(bigint) IS 'How the people of a reported request relate to those of earlier releases.';

CREATE FUNCTION jdl_release_check(request_id bigint) RETURNS TABLE (topic text, finding text, stops boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    RETURN QUERY SELECT c.topic, c.finding, c.stops FROM @extschema@._jdl_release_check(request_id, @extschema@._jdl_relate(request_id)) c;
END
$$;
COMMENT ON FUNCTION jdl_release_check(bigint) IS 'Whether a report may be released, in words: what is hidden and why, what a coarser table would save, footnotes, certificate, relation to earlier releases.';

-- One release at a time, or two of the same people could pass each other. The lock of a table that people may only read: an advisory
-- lock could be held by anybody.
CREATE FUNCTION _jdl_one_release() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE jdl.release_record IN SHARE ROW EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION _jdl_one_release() IS 'Keeps other releases waiting until this transaction is over.';

-- Runs the check for a release and writes what is kept of it. What a decision replaces is superseded in the same breath.
CREATE FUNCTION _jdl_record_release(request_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    compared jsonb;
    stopped text;
    decided record;
    replaced bigint;
BEGIN
    PERFORM @extschema@._jdl_one_release();
    compared := @extschema@._jdl_relate(request_id);
    SELECT string_agg(format('%s: %s.', c.topic, c.finding), ' ') INTO stopped FROM @extschema@._jdl_release_check(request_id, compared) c WHERE c.stops;
    IF stopped IS NOT NULL THEN
        -- The comparison stays on the trail though the release is undone.
        PERFORM @extschema@._jdl_note_refusal(l.oid, a.oid, request_id, 'release stopped by the check of disclosure')
        FROM pg_roles l, pg_roles a WHERE l.rolname = session_user AND a.rolname = @extschema@._jdl_actor();
        RAISE EXCEPTION 'request % cannot be released', request_id USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = stopped, HINT = 'jdl_release_check says everything.';
    END IF;
    IF @extschema@._jdl_key_excused() THEN
        RAISE WARNING 'request % is released without a comparison with earlier releases: there is no key', request_id USING HINT = 'docs/disclosure.md says how one is made; on an instance marked live a release needs it.';
    END IF;
    SELECT d.* INTO decided FROM jdl.release_decision d WHERE d.request_id = _jdl_record_release.request_id AND d.decision = 'replace' ORDER BY d.decision_id DESC LIMIT 1;
    INSERT INTO jdl.release_record (request_id, engine, rules, differencing, plan_version, seed, certificate_hash, key_id, certificate_tables, protected_cells, report_digest, compared, decision_id, approved_by, released_by)
    SELECT r.request_id, p.disclosure ->> 'engine', p.disclosure -> 'rules', p.disclosure ->> 'differencing', (p.report #>> '{request,plan,version}')::integer, (p.report #>> '{request,plan,seed}')::bigint,
           h.digest, h.key_id, s.tables, s.cells, c.report_digest, compared, decided.decision_id, r.approved_by, @extschema@._jdl_actor()
    FROM jdl.request r JOIN jdl.report p ON p.request_id = r.request_id JOIN jdl_pseudonymised.certificate c ON c.request_id = r.request_id,
         LATERAL (SELECT) one LEFT JOIN LATERAL @extschema@._jdl_keyed_hash(c.proof || convert_to(c.report_digest, 'UTF8')) h ON true,
         LATERAL @extschema@._jdl_check_proof(c.proof, p.disclosure #> '{evidence,cells}') s
    WHERE r.request_id = _jdl_record_release.request_id;
    FOREACH replaced IN ARRAY coalesce(decided.earlier, '{}') LOOP
        PERFORM @extschema@._jdl_replace(replaced, request_id, decided.reason);
    END LOOP;
END
$$;
COMMENT ON FUNCTION _jdl_record_release(bigint) IS 'Refuses a release that the check stops; writes the record of one that it lets through.';

-- An earlier release makes room for a new one, also when its individual rows are destroyed already.
CREATE FUNCTION _jdl_replace(request_id bigint, new_request_id bigint, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE jdl.request r SET superseded_by = coalesce(r.superseded_by, new_request_id) WHERE r.request_id = _jdl_replace.request_id;
    IF (SELECT r.status FROM jdl.request r WHERE r.request_id = _jdl_replace.request_id) = 'released' THEN
        PERFORM @extschema@._jdl_end(request_id, 'supersede', 'superseded', reason);
    ELSE
        UPDATE jdl.released_measure m SET state = 'superseded' WHERE m.request_id = _jdl_replace.request_id AND m.state = 'current';
        PERFORM @extschema@._jdl_audit('supersede', request_id, 'jdl.request', 1, jsonb_build_object('by', new_request_id));
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_replace(bigint, bigint, text) IS 'Marks an earlier release as replaced.';

CREATE FUNCTION jdl_decide_release(request_id bigint, decision text, reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    compared jsonb;
    nearly bigint[];
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_approver');
    PERFORM @extschema@._jdl_require_status(request_id, 'decided on', 'analysed', 'approved');
    PERFORM @extschema@._jdl_require_other_eyes(request_id);
    PERFORM @extschema@._jdl_require_reason(reason);
    IF decision IS NULL OR decision NOT IN ('refuse', 'merge', 'replace') THEN
        RAISE EXCEPTION 'decision: must be refuse, merge or replace' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'refuse: no release; merge: this list is analysed together with the earlier one in a new request; replace: the earlier releases are superseded by this one.';
    END IF;
    PERFORM @extschema@._jdl_one_release();
    compared := @extschema@._jdl_relate(request_id);
    nearly := ARRAY(SELECT DISTINCT q.value::bigint FROM jsonb_array_elements(compared -> 'findings') f, jsonb_array_elements_text(f.value -> 'requests') q ORDER BY 1);
    IF nearly = '{}' THEN
        RAISE EXCEPTION 'request % is not about nearly the same people as an earlier release', request_id USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'There is nothing to decide.';
    END IF;
    INSERT INTO jdl.release_decision (request_id, decision, earlier, findings, reason, decided_by)
    VALUES (jdl_decide_release.request_id, jdl_decide_release.decision, nearly, compared -> 'findings', btrim(jdl_decide_release.reason), @extschema@._jdl_actor());
    PERFORM @extschema@._jdl_audit('decide_release', request_id, 'jdl.release_decision', 1, jsonb_build_object('decision', decision, 'earlier', to_jsonb(nearly)));
    IF decision = 'refuse' THEN
        UPDATE jdl.request r SET rejected_by = @extschema@._jdl_actor() WHERE r.request_id = jdl_decide_release.request_id;
        RETURN @extschema@._jdl_end(request_id, 'reject', 'rejected', reason);
    ELSIF decision = 'merge' THEN
        RETURN @extschema@._jdl_end(request_id, 'halt', 'halted', format('%s (to be analysed together with the people of request %s, in a new request)', btrim(reason), array_to_string(nearly, ', ')));
    END IF;
    RETURN format('request %s may be released; it will supersede request %s', request_id, array_to_string(nearly, ', '));
END
$$;
COMMENT ON FUNCTION jdl_decide_release(bigint, text, text) IS 'An approver decides of a release that is about nearly the same people as earlier ones: refuse, merge or replace, with a reason.';

-- After a key is taken out of the file for good: what was made with it says nothing any more, and goes.
CREATE FUNCTION jdl_expire_sketches(key_id bigint, reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    expired bigint;
BEGIN
    PERFORM @extschema@._jdl_require_role('expire sketches', 'jdl_dba');
    PERFORM @extschema@._jdl_require_reason(reason);
    IF key_id = ANY (@extschema@._jdl_key_ids()) THEN
        RAISE EXCEPTION 'key % is still in the file of jdl.key_file', key_id USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Take it out first: then nobody can use it while its sketches go.';
    END IF;
    UPDATE jdl.disclosure_key k SET expired_by = @extschema@._jdl_actor(), expired_at = clock_timestamp(), reason = btrim(jdl_expire_sketches.reason)
    WHERE k.key_id = jdl_expire_sketches.key_id AND k.expired_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such key' USING ERRCODE = 'no_data_found', HINT = 'jdl.disclosure_key lists them.';
    END IF;
    DELETE FROM jdl_restricted.sketch s WHERE s.key_id = jdl_expire_sketches.key_id;
    GET DIAGNOSTICS expired = ROW_COUNT;
    PERFORM @extschema@._jdl_audit('expire_sketches', NULL, 'jdl_restricted.sketch', expired, jsonb_build_object('key_id', key_id));
    RETURN expired;
END
$$;
COMMENT ON FUNCTION jdl_expire_sketches(bigint, text) IS 'Deletes the sketches made with a key that is no longer in the key file; returns how many.';
