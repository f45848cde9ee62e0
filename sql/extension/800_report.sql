-- The report: made once from the stored, disclosure-checked result.

-- The stored report with where it stands in its life today: everything else in it is as it was made.
CREATE FUNCTION _jdl_stored_report(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT jsonb_set(jsonb_set(p.report, '{request,status}', to_jsonb(life.status)), '{request,status_reason}', coalesce(to_jsonb(CASE WHEN life.status IN ('withdrawn', 'superseded') THEN r.status_reason END), 'null'))
        FROM jdl.report p JOIN jdl.request r ON r.request_id = p.request_id,
        LATERAL (SELECT CASE
            WHEN r.superseded_by IS NOT NULL THEN 'superseded'
            WHEN r.status = 'withdrawn' OR EXISTS (SELECT FROM jdl.released_measure m WHERE m.request_id = r.request_id AND m.state = 'withdrawn') THEN 'withdrawn'
            WHEN r.released_at IS NOT NULL THEN 'released'
            ELSE 'draft' END AS status) life
        WHERE p.request_id = _jdl_stored_report.request_id);
END
$$;
COMMENT ON FUNCTION _jdl_stored_report(bigint) IS 'The stored report of a request with its present status; null where there is none.';

CREATE FUNCTION jdl_report(request_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stored jsonb;
    made jsonb;
BEGIN
    PERFORM @extschema@._jdl_share_identities();
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    -- A report with exact numbers gives way to one with perturbed numbers, and one of a version that kept no certificate to one that has it,
    -- as long as nobody has approved it.
    DELETE FROM jdl.report p USING jdl.request r
    WHERE p.request_id = jdl_report.request_id AND r.request_id = p.request_id AND r.status = 'analysed' AND @extschema@._jdl_may(r.request_id, 'jdl_analyst')
      AND (p.disclosure ->> 'differencing' IS DISTINCT FROM @extschema@._jdl_setting('differencing') #>> '{}'
           OR NOT EXISTS (SELECT FROM jdl_pseudonymised.certificate c WHERE c.request_id = p.request_id))
      -- Only while what it is made from is there.
      AND EXISTS (SELECT FROM jdl_restricted.index_choice i JOIN jdl_restricted.index_event e ON e.sentence_id = i.sentence_id WHERE i.request_id = p.request_id);
    stored := @extschema@._jdl_stored_report(request_id);
    IF stored IS NULL THEN
        -- An approver reads; making the report is the analyst's.
        PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst');
        PERFORM @extschema@.jdl_analyse(request_id);
        PERFORM @extschema@._jdl_require_status(request_id, 'reported', 'analysed');
        made := @extschema@._jdl_report(request_id, @extschema@._jdl_today());
        stored := made -> 'report';
        INSERT INTO jdl.report (request_id, report, disclosure, made_by) VALUES (jdl_report.request_id, stored, made -> 'disclosure', @extschema@._jdl_actor());
        INSERT INTO jdl_pseudonymised.certificate (request_id, proof, report_digest)
        VALUES (jdl_report.request_id, decode(made ->> 'proof', 'hex'), encode(sha256(convert_to(stored::text, 'UTF8')), 'hex'));
        PERFORM @extschema@._jdl_take_step(request_id, 'report', 'analysed', '{}', '{}');
    END IF;
    PERFORM @extschema@._jdl_audit('read_report', request_id, 'jdl.report', 1);
    RETURN @extschema@._jdl_report_json(stored);
END
$$;
COMMENT ON FUNCTION jdl_report(bigint) IS 'The disclosure-checked report of a request as JSON; takes the steps that have not been taken.';

CREATE FUNCTION jdl_report_text(request_id bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@.jdl_report(request_id);
    RETURN @extschema@._jdl_report_text(@extschema@._jdl_stored_report(request_id));
END
$$;
COMMENT ON FUNCTION jdl_report_text(bigint) IS 'The report as plain text, 80 columns wide.';

CREATE FUNCTION jdl_report_html(request_id bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@.jdl_report(request_id);
    RETURN @extschema@._jdl_report_html(@extschema@._jdl_stored_report(request_id));
END
$$;
COMMENT ON FUNCTION jdl_report_html(bigint) IS 'The report as one self-contained HTML page.';

CREATE FUNCTION jdl_check_claim(request_id bigint, claim text) RETURNS TABLE (problem text, why text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst', 'jdl_approver');
    IF NOT EXISTS (SELECT FROM jdl.report p WHERE p.request_id = jdl_check_claim.request_id) THEN
        RAISE EXCEPTION 'request % has no report yet', request_id USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Its analyst runs jdl_report.';
    END IF;
    RETURN QUERY SELECT c.problem, c.why FROM jdl.report p, @extschema@._jdl_check_claim(p.report, claim) c WHERE p.request_id = jdl_check_claim.request_id;
END
$$;
COMMENT ON FUNCTION jdl_check_claim(bigint, text) IS 'Reads a draft sentence about a report and says what the report does not bear out: numbers, causes, directions, sub-groups.';

-- Over everything that stands as published: what was withdrawn or superseded is not in it.
CREATE FUNCTION jdl_forest_html() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_require_role('read published results', 'jdl_reader', 'jdl_analyst', 'jdl_approver', 'jdl_auditor');
    RETURN @extschema@._jdl_forest_html((
        SELECT coalesce(jsonb_agg(p.report ORDER BY r.released_at, r.request_id), '[]')
        FROM jdl.report p JOIN jdl.request r ON r.request_id = p.request_id
        WHERE EXISTS (SELECT FROM jdl.released_measure m WHERE m.request_id = p.request_id AND m.state = 'current')));
END
$$;
COMMENT ON FUNCTION jdl_forest_html() IS 'One self-contained HTML page: the forest plot of the published results with their random-effects summary and its heterogeneity.';
