-- Who is acting, and what may they do? Every workflow function begins here.

-- The tables come later, with jdl_install(), so bodies are checked by `make test` (plpgsql_check) and not here.
SET LOCAL check_function_bodies = off;

-- The person behind the statement: their login. Only a superuser, who could log in as anybody, acts as the role that they SET;
-- for everybody else SET ROLE to a group would be a way to be two people. Inside a SECURITY DEFINER function current_user is
-- the function's owner, which is why it is not used.
CREATE FUNCTION _jdl_actor() RETURNS name
    LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
    RETURN CASE
        WHEN current_setting('role') = 'none' THEN session_user
        WHEN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user) THEN current_setting('role')::name
        ELSE session_user
    END;
COMMENT ON FUNCTION _jdl_actor() IS 'The person behind the statement: their login; for a superuser the role that they SET.';

CREATE FUNCTION _jdl_is_superuser() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = @extschema@._jdl_actor();
    END;
COMMENT ON FUNCTION _jdl_is_superuser() IS 'Whether the acting person is a superuser (who can do everything anyway).';

-- Whether the acting person holds one of the roles and, for an analyst, is assigned to the request today; an intake officer
-- has to do with the requests that they opened or were given.
CREATE FUNCTION _jdl_may(request_id bigint, VARIADIC roles name[]) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor name := @extschema@._jdl_actor();
    role_name name;
BEGIN
    FOREACH role_name IN ARRAY roles LOOP
        CONTINUE WHEN NOT pg_has_role(actor, role_name, 'MEMBER');
        IF role_name NOT IN ('jdl_analyst', 'jdl_intake') OR @extschema@._jdl_is_superuser() THEN
            RETURN true;
        END IF;
        IF role_name = 'jdl_intake' AND EXISTS (SELECT FROM jdl.request WHERE request.request_id = _jdl_may.request_id AND request.opened_by = actor) THEN
            RETURN true;
        END IF;
        IF EXISTS (
            SELECT FROM jdl.access
            WHERE access.request_id = _jdl_may.request_id AND access.person = actor AND access.role = role_name
              AND access.revoked_at IS NULL AND current_date BETWEEN access.starts_on AND access.ends_on
        ) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
COMMENT ON FUNCTION _jdl_may(bigint, name[]) IS 'Whether the acting person holds one of the roles and, for an analyst, is assigned to the request today.';

-- Locks the request for a step, or says why the person may not take it.
CREATE FUNCTION _jdl_enter(request_id bigint, VARIADIC roles name[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM jdl.request WHERE request.request_id = _jdl_enter.request_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such request' USING ERRCODE = 'no_data_found', HINT = 'jdl_open_request returns the number of a new request.';
    END IF;
    IF NOT @extschema@._jdl_may(request_id, VARIADIC roles) THEN
        RAISE EXCEPTION 'permission denied for request %', request_id USING ERRCODE = 'insufficient_privilege',
            DETAIL = format('%I is not a member of %s, or is not assigned to this request today.', @extschema@._jdl_actor(), array_to_string(roles, ' or ')),
            HINT = 'An approver assigns an analyst with jdl_grant_access.';
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_enter(bigint, name[]) IS 'Locks the request for a step of the acting person, or raises why they may not take it.';

CREATE FUNCTION jdl_my_requests() RETURNS bigint[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN ARRAY(
        SELECT access.request_id FROM jdl.access
        WHERE access.person = @extschema@._jdl_actor() AND access.role = 'jdl_analyst' AND access.request_id IS NOT NULL
          AND access.revoked_at IS NULL AND current_date BETWEEN access.starts_on AND access.ends_on
    );
END
$$;
COMMENT ON FUNCTION jdl_my_requests() IS 'The requests to which the acting person is assigned as analyst today. Row policies ask it.';

CREATE FUNCTION jdl_grant_access(person name, role name, request_id bigint DEFAULT NULL, reason text DEFAULT NULL, trained_on date DEFAULT NULL, ends_on date DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor name := @extschema@._jdl_actor();
    granted bigint;
BEGIN
    IF NOT (pg_has_role(actor, 'jdl_approver', 'MEMBER') OR pg_has_role(actor, 'jdl_dba', 'MEMBER')) THEN
        RAISE EXCEPTION 'permission denied to grant access' USING ERRCODE = 'insufficient_privilege', HINT = 'An approver signs off access.';
    ELSIF person = actor THEN
        RAISE EXCEPTION 'nobody signs off their own access' USING ERRCODE = 'insufficient_privilege', HINT = 'Ask another approver.';
    ELSIF role IS NULL OR role NOT IN ('jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_dba', 'jdl_auditor', 'jdl_reader') THEN
        RAISE EXCEPTION 'role: is not one that people hold' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Known roles: jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor, jdl_reader.';
    ELSIF role = 'jdl_analyst' AND request_id IS NULL THEN
        RAISE EXCEPTION 'request_id: an analyst is assigned to a request' USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = person AND rolcanlogin) THEN
        RAISE EXCEPTION 'person: is not a login role' USING ERRCODE = 'undefined_object', HINT = 'Access is given to a named person: CREATE ROLE ... LOGIN IN ROLE ...';
    ELSIF NOT pg_has_role(person, role, 'MEMBER') THEN
        RAISE EXCEPTION 'person: is not a member of %', role USING ERRCODE = 'invalid_parameter_value', HINT = format('GRANT %I TO %I;', role, person);
    ELSIF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'reason: is required' USING ERRCODE = 'invalid_parameter_value';
    ELSIF trained_on IS NULL OR trained_on > current_date THEN
        RAISE EXCEPTION 'trained_on: the date of the data-protection training is required and not in the future' USING ERRCODE = 'invalid_parameter_value';
    ELSIF ends_on < current_date THEN
        RAISE EXCEPTION 'ends_on: is in the past' USING ERRCODE = 'invalid_parameter_value';
    ELSIF request_id IS NOT NULL AND NOT EXISTS (SELECT FROM jdl.request WHERE request.request_id = jdl_grant_access.request_id) THEN
        RAISE EXCEPTION 'no such request' USING ERRCODE = 'no_data_found';
    END IF;
    INSERT INTO jdl.access (person, role, request_id, reason, trained_on, ends_on, granted_by)
    VALUES (jdl_grant_access.person, jdl_grant_access.role, jdl_grant_access.request_id, btrim(jdl_grant_access.reason), jdl_grant_access.trained_on,
            coalesce(jdl_grant_access.ends_on, current_date + @extschema@._jdl_setting_int('access_days')), actor)
    RETURNING access_id INTO granted;
    PERFORM @extschema@._jdl_audit('grant_access', request_id, 'jdl.access', 1, jsonb_build_object('person', person, 'role', role));
    RETURN granted;
END
$$;
COMMENT ON FUNCTION jdl_grant_access(name, name, bigint, text, date, date) IS 'Signs off the access of a named person (not yourself) to a role and, for an analyst, a request; returns the number of the grant.';

CREATE FUNCTION jdl_revoke_access(access_id bigint, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor name := @extschema@._jdl_actor();
    ended record;
BEGIN
    IF NOT (pg_has_role(actor, 'jdl_approver', 'MEMBER') OR pg_has_role(actor, 'jdl_dba', 'MEMBER')) THEN
        RAISE EXCEPTION 'permission denied to revoke access' USING ERRCODE = 'insufficient_privilege';
    ELSIF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'reason: is required' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE jdl.access SET revoked_by = actor, revoked_at = clock_timestamp(), revoke_reason = btrim(jdl_revoke_access.reason)
    WHERE access.access_id = jdl_revoke_access.access_id AND revoked_at IS NULL RETURNING * INTO ended;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such live access' USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM @extschema@._jdl_audit('revoke_access', ended.request_id, 'jdl.access', 1, jsonb_build_object('person', ended.person, 'role', ended.role));
END
$$;
COMMENT ON FUNCTION jdl_revoke_access(bigint, text) IS 'Ends a grant of access at once, with a reason.';
