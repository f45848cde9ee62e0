-- Made-up people for training and demonstration. Refused where the instance is marked live.

CREATE FUNCTION _jdl_refuse_live() RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_require_role('make synthetic data', 'jdl_dba');
    IF @extschema@._jdl_setting('instance') = '"live"' THEN
        RAISE EXCEPTION 'this instance is live: it takes no synthetic data' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_refuse_live() IS 'Refuses synthetic data on an instance marked live.';

CREATE FUNCTION jdl_synthesise_register(persons integer, seed bigint) RETURNS TABLE (persons_made bigint, sentences bigint, offences bigint, register_version bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_day integer;
    refreshed record;
BEGIN
    PERFORM @extschema@._jdl_refuse_live();
    IF EXISTS (SELECT FROM jdl_restricted.person) AND NOT EXISTS (SELECT FROM jdl.register_version v WHERE v.is_synthetic) THEN
        RAISE EXCEPTION 'the register holds an extract: it is not overwritten by made-up people' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    TRUNCATE jdl_restricted.person, jdl_restricted.alias, jdl_restricted.sentence, jdl_restricted.offence, jdl_restricted.circumstance;
    last_day := @extschema@._jdl_write_synthetic_register(persons, seed);
    SELECT * INTO refreshed FROM @extschema@.jdl_register_refresh(date '2000-01-01' + last_day);
    UPDATE jdl.register_version v SET is_synthetic = true, seed = jdl_synthesise_register.seed WHERE v.register_version = refreshed.register_version;
    RETURN QUERY SELECT refreshed.persons, refreshed.sentences, refreshed.offences, refreshed.register_version;
END
$$;
COMMENT ON FUNCTION jdl_synthesise_register(integer, bigint) IS 'Fills the register with so many made-up people and refreshes it; the same seed gives the same people.';

CREATE FUNCTION _jdl_synthetic_truth(persons integer, seed bigint) RETURNS TABLE (forename text, surname text, date_of_birth text, gender text, postcode text, pnc_id text, prison_number text, sentence_start text, sentence_end text, intervention_start text, intervention_end text, person_id bigint, decoy_id bigint, tags text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
BEGIN
    PERFORM @extschema@._jdl_refuse_live();
    SELECT v.persons, v.seed INTO made FROM jdl.register_version v WHERE v.is_synthetic ORDER BY v.register_version DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the register holds no made-up people' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT jdl_synthesise_register(50000, 1);';
    END IF;
    RETURN QUERY SELECT * FROM @extschema@._jdl_synthetic_cohort(persons, seed, made.persons::integer, made.seed);
END
$$;
COMMENT ON FUNCTION _jdl_synthetic_truth(integer, bigint) IS 'A made-up provider''s list with the truth beside it, for tests of linkage.';

CREATE FUNCTION jdl_synthesise_cohort(persons integer, seed bigint) RETURNS TABLE (forename text, surname text, date_of_birth text, gender text, postcode text, pnc_id text, prison_number text, sentence_start text, sentence_end text, intervention_start text, intervention_end text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT c.forename, c.surname, c.date_of_birth, c.gender, c.postcode, c.pnc_id, c.prison_number, c.sentence_start, c.sentence_end, c.intervention_start, c.intervention_end
    FROM @extschema@._jdl_synthetic_truth(persons, seed) c;
END
$$;
COMMENT ON FUNCTION jdl_synthesise_cohort(integer, bigint) IS 'A made-up provider''s list of so many people, with the errors of real lists; 10 % are not on the register.';
