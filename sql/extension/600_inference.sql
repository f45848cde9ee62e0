-- Outcomes and tests, stored once, by a plan that was frozen before.

CREATE FUNCTION _jdl_age_band(age integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN age < 18 THEN '10 to 17' WHEN age < 21 THEN '18 to 20' WHEN age < 25 THEN '21 to 24' WHEN age < 30 THEN '25 to 29'
        WHEN age < 40 THEN '30 to 39' WHEN age < 50 THEN '40 to 49' ELSE '50 and over' END;
COMMENT ON FUNCTION _jdl_age_band(integer) IS 'The band of an age at the index date, as the report''s profile and sub-groups name it.';

-- The plan as it would be frozen now: the request's options, the lab's settings, what the analyst asks for, and the design that stands.
CREATE FUNCTION _jdl_present_plan(request_id bigint, changes jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'analysis', @extschema@._jdl_whole_plan(jsonb_strip_nulls(jsonb_build_object(
                'follow_up_months', coalesce(r.options -> 'follow_up_months', @extschema@._jdl_setting('follow_up_months')),
                'waiting_months', coalesce(r.options -> 'waiting_months', @extschema@._jdl_setting('waiting_months')),
                'offence_groups', r.options -> 'offence_groups',
                'primary_measure', r.options -> 'primary_measure',
                'confidence', 1 - @extschema@._jdl_setting('significance_level')::numeric,
                'seed', coalesce(r.options -> 'seed', @extschema@._jdl_setting('plan_seed')))) || changes),
            'design', (SELECT d.options FROM jdl.match_design d WHERE d.request_id = r.request_id ORDER BY d.design_no DESC LIMIT 1))
        FROM jdl.request r WHERE r.request_id = _jdl_present_plan.request_id);
END
$$;
COMMENT ON FUNCTION _jdl_present_plan(bigint, jsonb) IS 'The analysis plan of a request as it would be frozen now.';

-- The plan is frozen, with its hash, before an outcome is read. The same plan again is the same version; another one is the next
-- version, needs a reason, and carries whether outcomes had been read.
CREATE FUNCTION _jdl_freeze_plan(request_id bigint, changes jsonb, reason text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    standing record;
    canonical jsonb := @extschema@._jdl_present_plan(request_id, changes);
    frozen integer;
BEGIN
    SELECT * INTO standing FROM jdl.analysis_plan p WHERE p.request_id = _jdl_freeze_plan.request_id ORDER BY p.plan_version DESC LIMIT 1;
    IF NOT FOUND THEN
        reason := NULL;
    ELSIF jsonb_set(standing.plan, '{analysis}', @extschema@._jdl_whole_plan(standing.plan -> 'analysis')) = canonical THEN
        RETURN standing.plan_version;
    ELSIF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'reason: is required to change a frozen plan' USING ERRCODE = 'invalid_parameter_value',
            DETAIL = format('Version %s stands; the report will say what was changed, when and why.', standing.plan_version);
    END IF;
    frozen := coalesce(standing.plan_version, 0) + 1;
    INSERT INTO jdl.analysis_plan (request_id, plan_version, plan, digest, reason, outcomes_read, frozen_by)
    VALUES (_jdl_freeze_plan.request_id, frozen, canonical, encode(sha256(convert_to(canonical::text, 'UTF8')), 'hex'), btrim(_jdl_freeze_plan.reason),
            EXISTS (SELECT FROM jdl_audit.event e WHERE e.request_id = _jdl_freeze_plan.request_id AND e.action = 'analyse'), @extschema@._jdl_actor());
    PERFORM @extschema@._jdl_audit('freeze_plan', request_id, 'jdl.analysis_plan', 1, jsonb_build_object('plan_version', frozen));
    RETURN frozen;
END
$$;
COMMENT ON FUNCTION _jdl_freeze_plan(bigint, jsonb, text) IS 'Stores the analysis plan of a request with its hash, before outcomes are read; a changed plan is a new version with its reason.';

CREATE FUNCTION jdl_plan(request_id bigint, changes jsonb DEFAULT '{}', reason text DEFAULT NULL) RETURNS TABLE (plan_version integer, digest text, outcomes_read boolean, plan jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown text;
    standing record;
    frozen integer;
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst');
    IF jsonb_typeof(changes) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'changes: must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(key, ', ' ORDER BY key) INTO unknown FROM jsonb_object_keys(changes) key
    WHERE key NOT IN ('primary_measure', 'family', 'permutation_draws', 'seed', 'offence_groups', 'sub_groups', 'interaction_tests');
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'changes: not a setting of the plan that can be changed: %', unknown USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Known: family, interaction_tests, offence_groups, permutation_draws, primary_measure, seed, sub_groups. Follow-up and waiting period decide who can be analysed: they are options of the request.';
    END IF;
    SELECT p.plan_version, p.plan INTO standing FROM jdl.analysis_plan p WHERE p.request_id = jdl_plan.request_id ORDER BY p.plan_version DESC LIMIT 1;
    IF NOT FOUND OR changes <> '{}' THEN
        PERFORM @extschema@.jdl_match(request_id);
        PERFORM @extschema@._jdl_require_status(request_id, 'planned', 'matched', 'analysed');
        unknown := (SELECT string_agg(e.level, '; ') FROM unnest(@extschema@._jdl_empty_sub_groups(request_id, @extschema@._jdl_present_plan(request_id, coalesce(standing.plan -> 'analysis', '{}') || changes) -> 'analysis')) e (level));
        IF unknown IS NOT NULL THEN
            RAISE EXCEPTION 'sub_groups: nobody in the treatment group is of %', unknown USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Levels are spelled as in jdl_pseudonymised.member, age_band as in the report (''18 to 20'').';
        END IF;
        frozen := @extschema@._jdl_freeze_plan(request_id, coalesce(standing.plan -> 'analysis', '{}') || changes, reason);
        IF frozen IS DISTINCT FROM standing.plan_version AND EXISTS (SELECT FROM jdl_pseudonymised.analysis a WHERE a.request_id = jdl_plan.request_id) THEN
            -- What was made by the version before does not stand any more; the plan keeps that it was read.
            DELETE FROM jdl.report p WHERE p.request_id = jdl_plan.request_id;
            DELETE FROM jdl_pseudonymised.analysis a WHERE a.request_id = jdl_plan.request_id;
            DELETE FROM jdl_pseudonymised.outcome o WHERE o.request_id = jdl_plan.request_id;
            DELETE FROM jdl.request_step s WHERE s.request_id = jdl_plan.request_id AND s.step IN ('analyse', 'report');
            UPDATE jdl.request r SET status = 'matched' WHERE r.request_id = jdl_plan.request_id;
            RAISE NOTICE 'plan version %: outcomes and report of version % are dropped', frozen, standing.plan_version;
        END IF;
    END IF;
    RETURN QUERY SELECT p.plan_version, p.digest, p.outcomes_read, p.plan FROM jdl.analysis_plan p WHERE p.request_id = jdl_plan.request_id ORDER BY p.plan_version DESC LIMIT 1;
END
$$;
COMMENT ON FUNCTION jdl_plan(bigint, jsonb, text) IS 'The analysis plan that stands; freezes it, with its hash, where there is none, or as a new version where changes ask for another one (the reason is printed in the report).';

CREATE FUNCTION jdl_analyse(request_id bigint) RETURNS TABLE (treatment_n integer, comparison_n integer, measures integer, plan_version integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    summary jsonb;
    standing record;
    frozen integer;
    computed jsonb;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst');
    PERFORM @extschema@._jdl_notice_crash(request_id);
    summary := @extschema@._jdl_standing_step(request_id, 'analyse', '{}');
    IF summary IS NULL THEN
        PERFORM @extschema@.jdl_match(request_id);
        PERFORM @extschema@._jdl_require_status(request_id, 'analysed', 'matched');
        SELECT p.plan_version, p.plan INTO standing FROM jdl.analysis_plan p WHERE p.request_id = jdl_analyse.request_id ORDER BY p.plan_version DESC LIMIT 1;
        -- A plan frozen before is kept; a design tried since is a change of it.
        frozen := @extschema@._jdl_freeze_plan(request_id, coalesce(standing.plan -> 'analysis', '{}'), 'another matching design was chosen');
        RAISE NOTICE 'outcomes and tests: plan version %', frozen;
        computed := (SELECT @extschema@._jdl_analyse(p.request_id, p.plan -> 'analysis', p.plan -> 'design') FROM jdl.analysis_plan p WHERE p.request_id = jdl_analyse.request_id AND p.plan_version = frozen);
        INSERT INTO jdl_pseudonymised.analysis (request_id, plan_version, register_version, result)
        VALUES (jdl_analyse.request_id, frozen, (SELECT max(v.register_version) FROM jdl.register_version v), computed -> 'result');
        summary := (computed - 'result') || jsonb_build_object('plan_version', frozen);
        PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.offence', (summary ->> 'offences_read')::bigint);
        PERFORM @extschema@._jdl_keep_sketches(request_id);
        PERFORM @extschema@._jdl_take_step(request_id, 'analyse', 'analysed', '{}', summary);
    END IF;
    RETURN QUERY SELECT r.treatment_n, r.comparison_n, r.measures, r.plan_version
    FROM jsonb_to_record(summary) AS r (treatment_n integer, comparison_n integer, measures integer, plan_version integer);
END
$$;
COMMENT ON FUNCTION jdl_analyse(bigint) IS 'Freezes the plan, derives proven re-offending of both groups and tests it; stored once.';
