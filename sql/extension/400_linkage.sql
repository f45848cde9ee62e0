-- Linkage: which person of the register is each submission?

CREATE FUNCTION jdl_link(request_id bigint, options jsonb DEFAULT '{}') RETURNS TABLE (submitted integer, linked integer, suspect integer, unlinked integer, match_rate double precision, expected_false_links double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    summary jsonb;
    appraisal jsonb;
BEGIN
    PERFORM @extschema@._jdl_enter(request_id, 'jdl_analyst');
    PERFORM @extschema@._jdl_check_options(options, 'link_probability', 'suspect_probability', 'max_block_size');
    summary := @extschema@._jdl_standing_step(request_id, 'link', options);
    IF summary IS NULL THEN
        IF EXISTS (SELECT FROM jdl.request_step s WHERE s.request_id = jdl_link.request_id AND s.step = 'link') THEN
            RAISE EXCEPTION 'request % is already linked', request_id USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = 'It was linked with other options, and a second link would change who is in the analysis.',
                HINT = 'Ask without options for the link that stands, or supersede the request.';
        END IF;
        PERFORM @extschema@._jdl_require_status(request_id, 'linked', 'open', 'rejected', 'awaiting resubmission');
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
        summary := @extschema@._jdl_link(request_id,
            jsonb_build_object('link_probability', @extschema@._jdl_setting('link_probability'), 'suspect_probability', @extschema@._jdl_setting('suspect_probability'), 'pnc_pivot', @extschema@._jdl_setting('pnc_pivot')) || options);
        -- A record with an error may still have found its person; those that did not are the invalid ones.
        summary := summary || jsonb_build_object('valid', (summary ->> 'submitted')::integer - (
            SELECT count(DISTINCT v.record_no) FROM @extschema@._jdl_validate(request_id, current_date) v
            JOIN jdl_restricted.link l ON l.request_id = jdl_link.request_id AND l.record_no = v.record_no
            WHERE v.severity = 'error' AND l.status = 'unlinked'));
        PERFORM @extschema@._jdl_audit('read_restricted', request_id, 'jdl_restricted.person', (summary ->> 'candidates')::bigint);
        PERFORM @extschema@._jdl_take_step(request_id, 'link', 'linked', options, summary);
    END IF;
    RETURN QUERY SELECT r.submitted, r.linked, r.suspect, r.unlinked, r.match_rate, r.expected_false_links
    FROM jsonb_to_record(summary) AS r (submitted integer, linked integer, suspect integer, unlinked integer, match_rate double precision, expected_false_links double precision);
END
$$;
COMMENT ON FUNCTION jdl_link(bigint, jsonb) IS 'Links the submissions of a request to persons of the register; suspects are discarded and counted. Idempotent.';
