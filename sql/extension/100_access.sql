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

-- The day on which access and retention are judged: the lab's, whatever time zone a session has set, and the clock's, however long
-- ago its transaction began.
CREATE FUNCTION _jdl_today() RETURNS date
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    RETURN (clock_timestamp() AT TIME ZONE 'Europe/London')::date;
COMMENT ON FUNCTION _jdl_today() IS 'Today in London.';

-- Whether another person has signed off that this one holds the role: everywhere (request_id null) or for the request. Where that
-- has never been asked of the person, on an instance that is not marked live, being a member of the group is enough: a new lab has to
-- begin somewhere. An analyst is always signed off, request by request. Nobody who was signed off once goes on when it ends.
CREATE FUNCTION _jdl_signed_off(person name, role name, request_id bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ever boolean;
    live boolean;
BEGIN
    SELECT count(*) > 0, coalesce(bool_or(a.live AND (a.request_id IS NULL OR a.request_id = _jdl_signed_off.request_id)), false) INTO ever, live
    FROM @extschema@._jdl_grants_now(person, role, @extschema@._jdl_today()) a;
    RETURN live OR (NOT ever AND role <> 'jdl_analyst' AND @extschema@._jdl_setting('instance') <> '"live"');
END
$$;
COMMENT ON FUNCTION _jdl_signed_off(name, name, bigint) IS 'Whether the person is signed off for the role today, everywhere or for the request.';

-- Whether the acting person holds one of the roles today: a member of the group, and signed off. Row policies and functions ask it.
-- jdl_job is a machine's account and needs nobody's signature.
CREATE FUNCTION _jdl_holds(VARIADIC roles name[]) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor name := @extschema@._jdl_actor();
    role_name name;
BEGIN
    FOREACH role_name IN ARRAY roles LOOP
        CONTINUE WHEN NOT pg_has_role(actor, role_name, 'MEMBER');
        IF role_name = 'jdl_job' OR @extschema@._jdl_is_superuser() OR @extschema@._jdl_signed_off(actor, role_name, NULL)
           OR role_name = 'jdl_analyst' AND cardinality(@extschema@.jdl_my_requests()) > 0 THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
COMMENT ON FUNCTION _jdl_holds(name[]) IS 'Whether the acting person is a member of one of the roles and signed off for it today.';

-- Whether the acting person may do to the request what one of the roles may; an intake officer has to do with the requests that
-- they opened or were given.
CREATE FUNCTION _jdl_may(request_id bigint, VARIADIC roles name[]) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor name := @extschema@._jdl_actor();
    role_name name;
BEGIN
    FOREACH role_name IN ARRAY roles LOOP
        CONTINUE WHEN NOT pg_has_role(actor, role_name, 'MEMBER');
        IF role_name = 'jdl_job' OR @extschema@._jdl_is_superuser() THEN
            RETURN true;
        ELSIF role_name = 'jdl_intake' THEN
            IF EXISTS (SELECT FROM jdl.request r WHERE r.request_id = _jdl_may.request_id AND r.opened_by = actor) AND @extschema@._jdl_signed_off(actor, role_name, NULL)
               OR EXISTS (SELECT FROM @extschema@._jdl_grants_now(actor, role_name, @extschema@._jdl_today()) a WHERE a.live AND a.request_id = _jdl_may.request_id) THEN
                RETURN true;
            END IF;
        ELSIF @extschema@._jdl_signed_off(actor, role_name, request_id) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
COMMENT ON FUNCTION _jdl_may(bigint, name[]) IS 'Whether the acting person may do to the request what one of the roles may.';

-- Refuses, and leaves the attempt on the trail: it is written by a process of its own, so that no rollback takes it back.
CREATE FUNCTION _jdl_refuse(message text, detail text, hint text, request_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM @extschema@._jdl_note_refusal(l.oid, a.oid, request_id, message)
    FROM pg_roles l, pg_roles a WHERE l.rolname = session_user AND a.rolname = @extschema@._jdl_actor();
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = message, DETAIL = detail, HINT = hint;
END
$$;
COMMENT ON FUNCTION _jdl_refuse(text, text, text, bigint) IS 'Raises "not allowed" after writing the attempt to the trail, where it stays.';

-- Refuses unless the acting person holds one of the roles. `what` completes "permission denied to ...".
CREATE FUNCTION _jdl_require_role(what text, VARIADIC roles name[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT @extschema@._jdl_holds(VARIADIC roles) THEN
        PERFORM @extschema@._jdl_refuse('permission denied to ' || what,
            format('%I is not a member of %s, or is not signed off for it today.', @extschema@._jdl_actor(), array_to_string(roles, ' or ')),
            'Membership is given with GRANT, and signed off by an approver with jdl_grant_access.');
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_require_role(text, name[]) IS 'Refuses unless the acting person holds one of the roles.';

-- Dropping a request's partitions takes the strongest lock on the tables that every step reads, each in an order of its own. So that
-- nobody waits in a circle, steps share a lock that destruction takes alone: always the first of all locks, before the request's. It is
-- a lock of a table and no advisory one, which anybody could hold. Plain reads do not wait for it: who destroys ends them later.
CREATE FUNCTION _jdl_share_identities() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE ONLY jdl_restricted.submission IN ROW SHARE MODE;
END
$$;
COMMENT ON FUNCTION _jdl_share_identities() IS 'Keeps destruction waiting until this transaction is over; the first thing that a step does which reads identities.';

-- Nobody keeps data, or the trail from being sealed, by a lock that they hold: of identities, of a request's row, of the end of the trail.
-- Whoever idles in a transaction is ended, whoever lets the server wait for the rest of a COPY or for an answer to be taken, and, once
-- something is overdue, whoever works. Superusers' sessions are not ours to end.
CREATE FUNCTION _jdl_end_holders() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    overdue boolean := EXISTS (SELECT FROM jdl.request r WHERE r.destroyed_at IS NULL AND r.destroy_on < @extschema@._jdl_today() AND @extschema@._jdl_held_until(r.request_id) IS NULL);
BEGIN
    PERFORM pg_terminate_backend(holder.pid, 5000)
    FROM (SELECT DISTINCT s.pid
          FROM pg_locks l JOIN pg_stat_activity s ON s.pid = l.pid JOIN pg_roles r ON r.oid = s.usesysid JOIN pg_class c ON c.oid = l.relation
          WHERE l.locktype = 'relation' AND l.granted AND s.datname = current_database() AND s.pid <> pg_backend_pid() AND NOT r.rolsuper
            AND (c.relnamespace = 'jdl_restricted'::regnamespace AND (c.relkind = 'p' OR c.relispartition)
                 OR c.oid IN ('jdl.request'::regclass, 'jdl_audit.head'::regclass) AND l.mode <> 'AccessShareLock')
            AND (s.state IN ('idle in transaction', 'idle in transaction (aborted)') AND s.state_change < clock_timestamp() - interval '30 seconds'
                 OR s.state = 'active' AND s.wait_event_type = 'Client' AND s.query_start < clock_timestamp() - interval '5 minutes'
                 OR overdue)) holder;
END
$$;
COMMENT ON FUNCTION _jdl_end_holders() IS 'Ends the sessions that hold up destruction or the trail and do nothing, and once something is overdue those that do.';

-- Destruction's side of the same lock.
CREATE FUNCTION _jdl_claim_identities() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A snapshot from before would count, for the certificate, other rows than those that are destroyed.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'nothing is destroyed in a transaction that is %', current_setting('transaction_isolation') USING ERRCODE = 'invalid_transaction_state',
            HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
    PERFORM @extschema@._jdl_end_holders();
    LOCK TABLE ONLY jdl_restricted.submission IN EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION _jdl_claim_identities() IS 'Waits until no step that reads identities is under way, and keeps further ones waiting until this transaction is over.';

-- Locks the request for a step, or says why the person may not take it; who may not does not wait for whoever is at work on it.
CREATE FUNCTION _jdl_enter(request_id bigint, VARIADIC roles name[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM jdl.request r WHERE r.request_id = _jdl_enter.request_id) THEN
        RAISE EXCEPTION 'no such request' USING ERRCODE = 'no_data_found', HINT = 'jdl_open_request returns the number of a new request.';
    ELSIF NOT @extschema@._jdl_may(request_id, VARIADIC roles) THEN
        PERFORM @extschema@._jdl_refuse(format('permission denied for request %s', request_id),
            format('%I is not a member of %s, or is not assigned to this request today.', @extschema@._jdl_actor(), array_to_string(roles, ' or ')),
            'An approver assigns an analyst with jdl_grant_access.', request_id);
    END IF;
    PERFORM FROM jdl.request r WHERE r.request_id = _jdl_enter.request_id FOR UPDATE;
END
$$;
COMMENT ON FUNCTION _jdl_enter(bigint, name[]) IS 'Locks the request for a step of the acting person, or raises why they may not take it.';

CREATE FUNCTION jdl_my_requests() RETURNS bigint[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN ARRAY(SELECT a.request_id FROM @extschema@._jdl_grants_now(@extschema@._jdl_actor(), 'jdl_analyst', @extschema@._jdl_today()) a WHERE a.live AND a.request_id IS NOT NULL);
END
$$;
COMMENT ON FUNCTION jdl_my_requests() IS 'The requests to which the acting person is assigned as analyst today. Row policies ask it.';

CREATE FUNCTION jdl_grant_access(person name, role name, request_id bigint DEFAULT NULL, reason text DEFAULT NULL, trained_on date DEFAULT NULL, ends_on date DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor name := @extschema@._jdl_actor();
    granted bigint;
BEGIN
    PERFORM @extschema@._jdl_require_role('grant access', 'jdl_approver');
    IF person = actor THEN
        PERFORM @extschema@._jdl_refuse('nobody signs off their own access', format('%I asked for it.', actor), 'Ask another approver.', request_id);
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
    ELSIF trained_on IS NULL OR trained_on NOT BETWEEN @extschema@._jdl_today() - 731 AND @extschema@._jdl_today() THEN
        RAISE EXCEPTION 'trained_on: the date of the data-protection training is required, at most two years ago and not in the future' USING ERRCODE = 'invalid_parameter_value';
    ELSIF ends_on NOT BETWEEN @extschema@._jdl_today() AND @extschema@._jdl_today() + 731 THEN
        RAISE EXCEPTION 'ends_on: must be a day within two years from now' USING ERRCODE = 'invalid_parameter_value', HINT = 'It can be signed anew.';
    ELSIF request_id IS NOT NULL AND NOT EXISTS (SELECT FROM jdl.request WHERE request.request_id = jdl_grant_access.request_id) THEN
        RAISE EXCEPTION 'no such request' USING ERRCODE = 'no_data_found';
    END IF;
    INSERT INTO jdl.access (person, role, request_id, reason, trained_on, starts_on, ends_on, granted_by)
    VALUES (jdl_grant_access.person, jdl_grant_access.role, jdl_grant_access.request_id, btrim(jdl_grant_access.reason), jdl_grant_access.trained_on,
            @extschema@._jdl_today(), coalesce(jdl_grant_access.ends_on, @extschema@._jdl_today() + least(@extschema@._jdl_setting_int('access_days'), 731)), actor)
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
    PERFORM @extschema@._jdl_require_role('revoke access', 'jdl_approver', 'jdl_dba');
    IF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'reason: is required' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE jdl.access SET revoked_by = actor, revoked_at = clock_timestamp(), revoke_reason = btrim(jdl_revoke_access.reason)
    WHERE access.access_id = jdl_revoke_access.access_id AND revoked_at IS NULL RETURNING * INTO ended;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such live access' USING ERRCODE = 'no_data_found';
    END IF;
    -- A transaction that began before still sees the grant: it ends with its session.
    PERFORM pg_terminate_backend(s.pid) FROM pg_stat_activity s
    WHERE s.datname = current_database() AND s.usename = ended.person AND s.pid <> pg_backend_pid()
      AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = ended.person);
    PERFORM @extschema@._jdl_audit('revoke_access', ended.request_id, 'jdl.access', 1, jsonb_build_object('person', ended.person, 'role', ended.role));
END
$$;
COMMENT ON FUNCTION jdl_revoke_access(bigint, text) IS 'Ends a grant of access at once, with a reason, and the sessions in which the person might still use it.';
