-- Working days of England and Wales: the holidays are a table, so that a day proclaimed next week moves the open clocks.

CREATE FUNCTION jdl_add_working_days(start_date date, working_days integer) RETURNS date
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN @extschema@._jdl_add_working_days(start_date, working_days, ARRAY(SELECT holiday FROM jdl.bank_holiday));
END
$$;
COMMENT ON FUNCTION jdl_add_working_days(date, integer) IS 'The date so many working days (England and Wales) after start_date; the day after start_date is the first. Negative counts go back.';

CREATE FUNCTION jdl_working_days_between(from_date date, to_date date) RETURNS integer
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN @extschema@._jdl_working_days_between(from_date, to_date, ARRAY(SELECT holiday FROM jdl.bank_holiday));
END
$$;
COMMENT ON FUNCTION jdl_working_days_between(date, date) IS 'How many working days (England and Wales) lie after from_date up to and including to_date.';
