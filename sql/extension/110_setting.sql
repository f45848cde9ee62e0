-- Settings: every figure that policy decides, in one table (sql/schema/030_setting.sql holds the defaults and their reasons).

CREATE FUNCTION _jdl_setting(setting text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_value jsonb;
BEGIN
    SELECT value INTO found_value FROM jdl.setting WHERE setting.setting = _jdl_setting.setting;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such setting: %', setting USING ERRCODE = 'undefined_object', HINT = 'jdl.setting lists them all.';
    END IF;
    RETURN found_value;
END
$$;
COMMENT ON FUNCTION _jdl_setting(text) IS 'The value of a setting of jdl.setting.';

CREATE FUNCTION _jdl_setting_int(setting text) RETURNS integer
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN @extschema@._jdl_setting(setting)::integer;
COMMENT ON FUNCTION _jdl_setting_int(text) IS 'The value of a whole-number setting.';

-- Options of a step: unknown names are refused with the known ones listed.
CREATE FUNCTION _jdl_check_options(options jsonb, VARIADIC known text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown text;
BEGIN
    IF jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'options: must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT name INTO unknown FROM jsonb_object_keys(options) name WHERE name <> ALL (known) ORDER BY name LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'options: unknown option "%"', unknown USING ERRCODE = 'invalid_parameter_value', HINT = 'Known options: ' || array_to_string(known, ', ') || '.';
    END IF;
END
$$;
COMMENT ON FUNCTION _jdl_check_options(jsonb, text[]) IS 'Refuses options whose names are not known, and lists those that are.';

-- What policy decides is on the trail with its value before and after: the statement's own event says only how many rows it touched.
CREATE FUNCTION _jdl_setting_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_RELID <> 'jdl.setting'::regclass THEN
        RAISE EXCEPTION 'this trigger belongs to jdl.setting' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM @extschema@._jdl_audit('change_setting', NULL, 'jdl.setting', 1, jsonb_build_object('setting', n.setting, 'was', o.value, 'is', n.value))
    FROM old_rows o JOIN new_rows n USING (setting) WHERE o.value <> n.value;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION _jdl_setting_changed() IS 'Statement trigger of jdl.setting: writes which setting was changed from what to what.';
