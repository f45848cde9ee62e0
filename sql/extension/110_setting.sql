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
