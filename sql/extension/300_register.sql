-- The register: what changed, and what is derived from it.

-- Extracts spell the same thing in several ways; these functions are the only place that reads the spelling. Their bodies
-- are parsed here and now (RETURN), so they need no search path of their own, and without one the planner inlines them.
CREATE FUNCTION _jdl_disposal(kind text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN kind ~* 'suspend|\msso\M' THEN 'suspended sentence'
        WHEN kind ~* 'non.?custod' THEN 'community'
        WHEN kind ~* 'custod|prison|detention|detain|\mjail|\mlife\M|\m(yoi|dto)\M' THEN 'custody'
        WHEN kind ~* 'communit|order|probation' THEN 'community'
        WHEN kind ~* 'caution|reprimand|warning' THEN 'caution'
        WHEN kind ~* 'discharge' THEN 'discharge'
        WHEN kind ~* 'fine' THEN 'fine'
        ELSE 'other'
    END;
COMMENT ON FUNCTION _jdl_disposal(text) IS 'The disposal that a sentence''s kind spells.';

CREATE FUNCTION _jdl_gender(gender text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE upper(left(btrim(gender), 1)) WHEN 'M' THEN 'male' WHEN '1' THEN 'male' WHEN 'F' THEN 'female' WHEN '2' THEN 'female' ELSE 'unknown' END;
COMMENT ON FUNCTION _jdl_gender(text) IS 'The gender that a code spells: male, female, unknown.';

CREATE FUNCTION _jdl_note_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO jdl_restricted.register_change VALUES (0);
        RETURN NULL;
    END IF;
    -- A bulk load is followed by a rebuild, for which a list of everybody is of no use.
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        IF (SELECT count(*) FROM (SELECT FROM new_rows LIMIT 10001) AS first_rows) > 10000 THEN
            INSERT INTO jdl_restricted.register_change VALUES (0);
            RETURN NULL;
        END IF;
        INSERT INTO jdl_restricted.register_change (person_id, relation, row_change) SELECT person_id, TG_TABLE_NAME, count(*) FROM new_rows GROUP BY person_id;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        IF (SELECT count(*) FROM (SELECT FROM old_rows LIMIT 10001) AS first_rows) > 10000 THEN
            INSERT INTO jdl_restricted.register_change VALUES (0);
            RETURN NULL;
        END IF;
        INSERT INTO jdl_restricted.register_change (person_id, relation, row_change) SELECT person_id, TG_TABLE_NAME, -count(*) FROM old_rows GROUP BY person_id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _jdl_note_change() IS 'Statement trigger of the register: notes the persons whose rows changed.';

CREATE FUNCTION _jdl_offence_kind(offence_group text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN offence_group ~* 'violen|assault|wound|harm|homicid|murder|manslaughter|sexual|\mrape|robber|weapon|firearm' THEN 'violence'
        WHEN offence_group ~* 'theft|burglar|fraud|forger|handling|stolen|shoplift' THEN 'acquisitive'
        WHEN offence_group ~* 'drug' THEN 'drugs'
        ELSE 'other'
    END;
COMMENT ON FUNCTION _jdl_offence_kind(text) IS 'The kind of offence that an offence group spells: violence (with sexual offences, robbery and weapons), acquisitive, drugs, other.';

-- Derives the index events of the given persons (null: of everybody). As of each index date, from what stands in the register before it.
-- What other departments state of a person (circumstance) holds until they state something else, at most 12 months; what is not known is
-- a value of its own ('not known', no months), so that nobody is dropped for it and the model can tell it from no.
CREATE FUNCTION _jdl_build_index_events(persons bigint[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    built bigint;
BEGIN
    IF persons IS NULL THEN
        TRUNCATE jdl_restricted.index_event;
    ELSE
        DELETE FROM jdl_restricted.index_event WHERE person_id = ANY (persons);
    END IF;
    INSERT INTO jdl_restricted.index_event (
        sentence_id, person_id, sentence_start, sentence_end, index_date, index_year, disposal, offence_group, gender, ethnicity, nationality, region, age,
        previous_sanctions, previous_custody, previous_offences, months_since_last, age_at_first, copas_rate,
        previous_cautions, previous_community, recent_sanctions, recent_offences, previous_violence, previous_acquisitive, previous_drugs, previous_same_group, months_since_custody,
        employment, employed_months, benefits, benefit_months, accommodation_need, employment_need, drugs_need, alcohol_need, thinking_need)
    WITH kind AS MATERIALIZED (
        -- Read the spelling of each kind, outcome, group and gender once, not once a row.
        SELECT k.kind, @extschema@._jdl_disposal(k.kind) AS disposal FROM (SELECT DISTINCT s.kind FROM jdl_restricted.sentence s WHERE persons IS NULL OR s.person_id = ANY (persons)) k
    ), proof AS MATERIALIZED (
        SELECT array_agg(o.outcome) AS outcomes FROM (SELECT DISTINCT o.outcome FROM jdl_restricted.offence o WHERE persons IS NULL OR o.person_id = ANY (persons)) o
        WHERE @extschema@._jdl_is_proven(o.outcome)
    ), spelled AS MATERIALIZED (
        SELECT o.offence_group, @extschema@._jdl_offence_kind(o.offence_group) AS kind
        FROM (SELECT DISTINCT o.offence_group FROM jdl_restricted.offence o WHERE persons IS NULL OR o.person_id = ANY (persons)) o
    ), groups AS MATERIALIZED (
        SELECT array_agg(g.offence_group) FILTER (WHERE g.kind = 'violence') AS violence, array_agg(g.offence_group) FILTER (WHERE g.kind = 'acquisitive') AS acquisitive,
               array_agg(g.offence_group) FILTER (WHERE g.kind = 'drugs') AS drugs
        FROM spelled g
    ), gender AS MATERIALIZED (
        SELECT g.gender AS spelled, @extschema@._jdl_gender(g.gender) AS gender FROM (SELECT DISTINCT p.gender FROM jdl_restricted.person p WHERE persons IS NULL OR p.person_id = ANY (persons)) g
    )
    SELECT s.sentence_id, s.person_id, s.start_date, s.end_date, s.index_date, extract(year FROM s.index_date)::integer, s.disposal,
           coalesce(nullif(btrim(s.offence_group), ''), 'unknown'), g.gender,
           coalesce(nullif(btrim(p.ethnicity), ''), 'unknown'), coalesce(nullif(btrim(p.nationality), ''), 'unknown'), coalesce(a.region, 'unknown'),
           extract(year FROM age(s.index_date, p.date_of_birth))::integer,
           s.previous_sanctions, s.previous_custody, o.previous_offences,
           CASE WHEN s.previous_start IS NULL THEN 240 ELSE least(240, (s.start_date - s.previous_start) * 12 / 365) END,
           coalesce(extract(year FROM age(s.first_start, p.date_of_birth))::integer, 0),
           ln((1.0 + s.previous_sanctions) / (10.0 + greatest(0, extract(year FROM age(s.index_date, s.first_start))))),
           s.previous_cautions, s.previous_community, s.recent_sanctions, o.recent_offences, o.previous_violence, o.previous_acquisitive, o.previous_drugs, o.previous_same_group,
           -- Somebody who is still inside for an earlier sentence counts as just released.
           CASE WHEN s.previous_release IS NULL THEN 240 ELSE greatest(0, least(240, (s.index_date - s.previous_release) * 12 / 365)) END,
           CASE c.employed WHEN 1 THEN 'employed' WHEN 0 THEN 'not employed' ELSE 'not known' END, coalesce(round(c.employed_days * 12 / 365.0), 0),
           CASE c.on_benefits WHEN 1 THEN 'on benefits' WHEN 0 THEN 'no benefits' ELSE 'not known' END, coalesce(round(c.benefit_days * 12 / 365.0), 0),
           CASE c.accommodation_need WHEN 1 THEN 'need' WHEN 0 THEN 'no need' ELSE 'not known' END,
           CASE c.employment_need WHEN 1 THEN 'need' WHEN 0 THEN 'no need' ELSE 'not known' END,
           CASE c.drugs_need WHEN 1 THEN 'need' WHEN 0 THEN 'no need' ELSE 'not known' END,
           CASE c.alcohol_need WHEN 1 THEN 'need' WHEN 0 THEN 'no need' ELSE 'not known' END,
           CASE c.thinking_need WHEN 1 THEN 'need' WHEN 0 THEN 'no need' ELSE 'not known' END
    FROM (
        SELECT sentence.sentence_id, sentence.person_id, sentence.start_date, sentence.end_date, sentence.offence_group, kind.disposal,
               CASE kind.disposal WHEN 'custody' THEN sentence.end_date ELSE sentence.start_date END AS index_date,
               (count(*) OVER earlier)::integer AS previous_sanctions,
               (count(*) FILTER (WHERE kind.disposal = 'custody') OVER earlier)::integer AS previous_custody,
               (count(*) FILTER (WHERE kind.disposal = 'caution') OVER earlier)::integer AS previous_cautions,
               (count(*) FILTER (WHERE kind.disposal IN ('community', 'suspended sentence')) OVER earlier)::integer AS previous_community,
               (count(*) OVER recent)::integer AS recent_sanctions,
               max(sentence.start_date) OVER earlier AS previous_start,
               max(sentence.end_date) FILTER (WHERE kind.disposal = 'custody') OVER earlier AS previous_release,
               min(sentence.start_date) OVER (PARTITION BY sentence.person_id) AS first_start
        FROM jdl_restricted.sentence JOIN kind USING (kind)
        WHERE persons IS NULL OR sentence.person_id = ANY (persons)
        WINDOW earlier AS (PARTITION BY sentence.person_id ORDER BY sentence.start_date RANGE BETWEEN UNBOUNDED PRECEDING AND '1 day' PRECEDING),
               recent AS (PARTITION BY sentence.person_id ORDER BY sentence.start_date RANGE BETWEEN '24 months' PRECEDING AND '1 day' PRECEDING)
    ) s
    JOIN jdl_restricted.person p USING (person_id)
    JOIN gender g ON g.spelled IS NOT DISTINCT FROM p.gender
    LEFT JOIN jdl.postcode_area a ON a.area = substring(upper(btrim(p.postcode)) FROM '^[A-Z]{1,2}')
    CROSS JOIN groups
    CROSS JOIN LATERAL (
        -- Offences proven before the sentence.
        SELECT count(*)::integer AS previous_offences,
               (count(*) FILTER (WHERE o.offence_date >= s.start_date - interval '24 months'))::integer AS recent_offences,
               (count(*) FILTER (WHERE o.offence_group = ANY (groups.violence)))::integer AS previous_violence,
               (count(*) FILTER (WHERE o.offence_group = ANY (groups.acquisitive)))::integer AS previous_acquisitive,
               (count(*) FILTER (WHERE o.offence_group = ANY (groups.drugs)))::integer AS previous_drugs,
               (count(*) FILTER (WHERE o.offence_group = s.offence_group))::integer AS previous_same_group
        FROM jdl_restricted.offence o
        WHERE o.person_id = s.person_id AND o.outcome_date < s.start_date AND o.outcome = ANY ((SELECT outcomes FROM proof)::text[])
    ) o
    CROSS JOIN LATERAL (
        -- Of the statements not older than 12 months the last one: the day and, in the lowest bit, the answer.
        SELECT (max(c.day * 2 + c.employed::integer) FILTER (WHERE c.fresh)) % 2 AS employed, (max(c.day * 2 + c.on_benefits::integer) FILTER (WHERE c.fresh)) % 2 AS on_benefits,
               (max(c.day * 2 + c.accommodation_need::integer) FILTER (WHERE c.fresh)) % 2 AS accommodation_need, (max(c.day * 2 + c.employment_need::integer) FILTER (WHERE c.fresh)) % 2 AS employment_need,
               (max(c.day * 2 + c.drugs_need::integer) FILTER (WHERE c.fresh)) % 2 AS drugs_need, (max(c.day * 2 + c.alcohol_need::integer) FILTER (WHERE c.fresh)) % 2 AS alcohol_need,
               (max(c.day * 2 + c.thinking_need::integer) FILTER (WHERE c.fresh)) % 2 AS thinking_need,
               -- Days of the 365 before the index date on which a yes held.
               sum(greatest(0, least(c.employed_until, c.as_of_date + 365, s.index_date) - greatest(c.as_of_date, s.index_date - 365))) FILTER (WHERE c.employed) AS employed_days,
               sum(greatest(0, least(c.benefits_until, c.as_of_date + 365, s.index_date) - greatest(c.as_of_date, s.index_date - 365))) FILTER (WHERE c.on_benefits) AS benefit_days
        FROM (
            SELECT c.*, c.as_of_date - date '1900-01-01' AS day, c.as_of_date > s.index_date - 365 AS fresh,
                   min(c.as_of_date) FILTER (WHERE c.employed IS NOT NULL) OVER later AS employed_until,
                   min(c.as_of_date) FILTER (WHERE c.on_benefits IS NOT NULL) OVER later AS benefits_until
            FROM jdl_restricted.circumstance c
            WHERE c.person_id = s.person_id AND c.as_of_date <= s.index_date AND c.as_of_date > s.index_date - 730
            WINDOW later AS (ORDER BY c.as_of_date DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) c
    ) c
    -- Nobody is released before the end of custody is known, and nobody can re-offend after their death.
    WHERE s.index_date IS NOT NULL AND (p.date_of_death > s.index_date) IS NOT FALSE;
    GET DIAGNOSTICS built = ROW_COUNT;
    RETURN built;
END
$$;
COMMENT ON FUNCTION _jdl_build_index_events(bigint[]) IS 'Derives the index events of the given persons, or of all.';

-- Statistics for the planner; jdl_owner's, because only the owner of a table may analyse it.
CREATE FUNCTION _jdl_analyse_derived() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    ANALYZE jdl_restricted.index_event (person_id, index_year, disposal);
    ANALYZE jdl_restricted.linkage_key (bucket);
    ANALYZE jdl_restricted.linkage_record (bundle);
    ANALYZE jdl_restricted.term_frequency (bucket);
    ANALYZE jdl_restricted.sentence (person_id, start_date);
    ANALYZE jdl_restricted.offence (person_id, offence_date);
    ANALYZE jdl_restricted.alias (person_id);
    ANALYZE jdl_restricted.person (person_id);
END
$$;
COMMENT ON FUNCTION _jdl_analyse_derived() IS 'Analyses the register and what is derived from it, identifiers left out.';

CREATE FUNCTION _jdl_is_proven(outcome text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    -- Penalty notices are not proof, and what was refused, quashed or not found is none either.
    RETURN coalesce(outcome ~* '\m(convict|caution|reprimand|warning|guilty|prove[dn])' AND outcome !~* '\m(not|non|no|un)\M|unproven|acquit|quash|refus|withdr|dismiss|discontinu|penalty|\mpnd', false);
COMMENT ON FUNCTION _jdl_is_proven(text) IS 'Whether an outcome proves an offence: conviction or caution, never a penalty notice.';

-- What is derived is unlogged: after a crash, or a restore without unlogged data, nobody would be found and nothing would say why.
CREATE FUNCTION _jdl_require_fresh_register() RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    persons bigint := (SELECT v.persons FROM jdl.register_version v ORDER BY v.register_version DESC LIMIT 1);
BEGIN
    IF coalesce(persons, 0) = 0 AND NOT EXISTS (SELECT FROM jdl_restricted.register_change) THEN
        RAISE EXCEPTION 'the register is empty' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A member of jdl_dba loads it and runs jdl_register_refresh().';
    ELSIF NOT EXISTS (SELECT FROM jdl_restricted.linkage_record) OR EXISTS (SELECT FROM jdl_restricted.register_change) THEN
        RAISE EXCEPTION 'the register has to be refreshed' USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'It has changed since it was refreshed, or a crash or restore has emptied what is derived from it.', HINT = 'A member of jdl_dba runs jdl_register_refresh().';
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_require_fresh_register() IS 'Refuses unless what is derived from the register is there and of the register as it stands.';

-- One day that is none (infinity, or a slip of a digit in the year) would break the arithmetic of every refresh: it is named, and not who holds it.
CREATE FUNCTION _jdl_require_days(persons bigint[]) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad record;
BEGIN
    FOR bad IN
        SELECT 'person.date_of_birth' AS field, count(*) AS rows, min(p.person_id) AS first FROM jdl_restricted.person p
        WHERE NOT p.date_of_birth BETWEEN '1800-01-01' AND '2199-12-31' AND (persons IS NULL OR p.person_id = ANY (persons))
        UNION ALL SELECT 'alias.date_of_birth', count(*), min(a.person_id) FROM jdl_restricted.alias a
        WHERE NOT a.date_of_birth BETWEEN '1800-01-01' AND '2199-12-31' AND (persons IS NULL OR a.person_id = ANY (persons))
        UNION ALL SELECT 'sentence.start_date or end_date', count(*), min(s.person_id) FROM jdl_restricted.sentence s
        WHERE NOT (s.start_date BETWEEN '1800-01-01' AND '2199-12-31' AND coalesce(s.end_date, s.start_date) BETWEEN '1800-01-01' AND '2199-12-31') AND (persons IS NULL OR s.person_id = ANY (persons))
    LOOP
        IF bad.rows > 0 THEN
            RAISE EXCEPTION '%: is no day between 1800 and 2199 in % rows', bad.field, bad.rows USING ERRCODE = 'invalid_datetime_format',
                HINT = format('The first is that of person_id %s. Correct it, or leave it empty where that is allowed.', bad.first);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION _jdl_require_days(bigint[]) IS 'Refuses days of the given persons (null: of everybody) outside 1800 to 2199, naming the field and the first person.';

CREATE FUNCTION jdl_register_refresh(extracted_on date DEFAULT NULL) RETURNS TABLE (register_version bigint, persons bigint, sentences bigint, offences bigint, index_events bigint, rebuilt boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed bigint[];
    everything boolean;
    previous record;
    fingerprint text;
    version bigint;
    n_persons bigint;
    n_sentences bigint;
    n_offences bigint;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_require_role('refresh the register', 'jdl_dba');
    -- Two refreshes at once would derive the same rows twice.
    LOCK TABLE jdl_restricted.register_change IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO previous FROM jdl.register_version v ORDER BY v.register_version DESC LIMIT 1;
    everything := previous IS NULL OR EXISTS (SELECT FROM jdl_restricted.register_change WHERE person_id = 0)
        -- What is derived stands in unlogged tables: a crash empties them, and a dump may leave them out.
        OR (NOT EXISTS (SELECT FROM jdl_restricted.index_event) AND EXISTS (SELECT FROM jdl_restricted.sentence))
        OR (NOT EXISTS (SELECT FROM jdl_restricted.linkage_record) AND EXISTS (SELECT FROM jdl_restricted.person));
    IF NOT everything THEN
        changed := ARRAY(SELECT DISTINCT c.person_id FROM jdl_restricted.register_change c ORDER BY 1);
        -- Buckets are made for a number of entries: a register that grows much is indexed anew.
        IF cardinality(changed) > 100 + previous.persons / 5 THEN
            everything := true;
            changed := NULL;
        END IF;
    END IF;
    PERFORM @extschema@._jdl_require_days(changed);
    IF extracted_on IS NULL THEN
        -- A refresh alone does not make the extract newer; today is taken only where nobody has ever said.
        extracted_on := coalesce(previous.extracted_on, @extschema@._jdl_today());
        RAISE NOTICE 'the day of the extract was not given: % is taken', extracted_on USING HINT = 'SELECT jdl_register_refresh(''YYYY-MM-DD'') names the last day that the extract knows of.';
    ELSIF extracted_on > @extschema@._jdl_today() THEN
        RAISE EXCEPTION 'extracted_on: is in the future' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF everything THEN
        RAISE NOTICE 'register: deriving linkage keys and index events of everybody';
    ELSE
        RAISE NOTICE 'register: deriving linkage keys and index events of % changed persons', cardinality(changed);
    END IF;
    IF everything THEN
        PERFORM @extschema@._jdl_analyse_derived();
    END IF;
    PERFORM @extschema@._jdl_build_linkage_index(changed);
    index_events := @extschema@._jdl_build_index_events(changed);
    IF everything THEN
        PERFORM @extschema@._jdl_analyse_derived();
        SELECT count(*) INTO n_persons FROM jdl_restricted.person;
        SELECT count(*) INTO n_sentences FROM jdl_restricted.sentence;
        SELECT count(*) INTO n_offences FROM jdl_restricted.offence;
    ELSE
        SELECT previous.persons + coalesce(sum(c.row_change) FILTER (WHERE c.relation = 'person'), 0),
               previous.sentences + coalesce(sum(c.row_change) FILTER (WHERE c.relation = 'sentence'), 0),
               previous.offences + coalesce(sum(c.row_change) FILTER (WHERE c.relation = 'offence'), 0)
        INTO n_persons, n_sentences, n_offences FROM jdl_restricted.register_change c;
    END IF;
    DELETE FROM jdl_restricted.register_change WHERE true;
    -- An increment is digested on top of the version before, so that one changed person does not mean reading everybody.
    fingerprint := CASE
        WHEN everything THEN @extschema@._jdl_register_digest(NULL)
        WHEN cardinality(changed) = 0 THEN previous.digest
        ELSE encode(sha256(convert_to(previous.digest || @extschema@._jdl_register_digest(changed), 'UTF8')), 'hex')
    END;
    IF previous IS NOT NULL AND previous.digest = fingerprint AND previous.extracted_on = jdl_register_refresh.extracted_on THEN
        version := previous.register_version;
    ELSE
        INSERT INTO jdl.register_version (extracted_on, persons, sentences, offences, digest)
        VALUES (jdl_register_refresh.extracted_on, n_persons, n_sentences, n_offences, fingerprint) RETURNING register_version.register_version INTO version;
    END IF;
    -- Where what is derived was emptied, so were the identities of requests.
    IF everything THEN
        PERFORM @extschema@._jdl_notice_crash(r.request_id) FROM jdl.request r WHERE r.destroyed_at IS NULL;
    END IF;
    PERFORM @extschema@._jdl_audit('register_refresh', NULL, 'jdl.register_version', n_persons, jsonb_build_object('register_version', version, 'rebuilt', everything));
    RETURN QUERY SELECT version, n_persons, n_sentences, n_offences, index_events, everything;
END
$$;
COMMENT ON FUNCTION jdl_register_refresh(date) IS 'Derives linkage keys and index events from what changed in the register, and records the version of the extract. extracted_on is the last day it knows of.';

-- The rows of the given persons (null: of everybody), in no particular order: a sum of row hashes does not depend on it.
CREATE FUNCTION _jdl_register_digest(persons bigint[]) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $$
BEGIN
    RETURN concat_ws('-',
        (SELECT sum(hashtextextended(p::text, 1)) FROM jdl_restricted.person p WHERE persons IS NULL OR p.person_id = ANY (persons)),
        (SELECT sum(hashtextextended(a::text, 2)) FROM jdl_restricted.alias a WHERE persons IS NULL OR a.person_id = ANY (persons)),
        (SELECT sum(hashtextextended(s::text, 3)) FROM jdl_restricted.sentence s WHERE persons IS NULL OR s.person_id = ANY (persons)),
        (SELECT sum(hashtextextended(o::text, 4)) FROM jdl_restricted.offence o WHERE persons IS NULL OR o.person_id = ANY (persons)),
        (SELECT sum(hashtextextended(c::text, 5)) FROM jdl_restricted.circumstance c WHERE persons IS NULL OR c.person_id = ANY (persons)));
END
$$;
COMMENT ON FUNCTION _jdl_register_digest(bigint[]) IS 'Order-free digest of the rows of the given persons, or of all.';
