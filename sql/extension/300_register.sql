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
        OR (NOT EXISTS (SELECT FROM jdl_restricted.linkage_record) AND EXISTS (SELECT FROM jdl_restricted.person))
        -- An index that another version of the extension built.
        OR NOT EXISTS (SELECT FROM jdl_restricted.linkage_index i WHERE i.key_version = @extschema@._jdl_linkage_key_version());
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
