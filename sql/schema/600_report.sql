-- The one stored, disclosure-checked result of a request. Text and HTML are made from it.
CREATE TABLE IF NOT EXISTS jdl.report (
    request_id bigint PRIMARY KEY REFERENCES jdl.request,
    report jsonb NOT NULL,
    disclosure jsonb NOT NULL,
    made_by name NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE jdl.report IS 'The disclosure-checked report of a request.';
ALTER TABLE jdl.report ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS report_engine_all ON jdl.report;
CREATE POLICY report_engine_all ON jdl.report TO jdl_engine USING (true);

-- What BI tools read: stored rows of released reports, in which nothing hidden has ever stood.
CREATE TABLE IF NOT EXISTS jdl.released_measure (
    request_id bigint NOT NULL REFERENCES jdl.request,
    provider text NOT NULL,
    intervention text NOT NULL,
    measure text NOT NULL,
    treatment_n integer,
    comparison_n integer,
    treatment_value double precision,
    comparison_value double precision,
    difference double precision,
    difference_low double precision,
    difference_high double precision,
    p_value double precision,
    conclusive boolean,
    withheld text,
    state text NOT NULL DEFAULT 'current' CHECK (state IN ('current', 'withdrawn', 'superseded')),
    released_on date NOT NULL,
    PRIMARY KEY (request_id, measure)
);
COMMENT ON TABLE jdl.released_measure IS 'The measures of released reports, disclosure-checked.';
ALTER TABLE jdl.released_measure ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS released_measure_engine_all ON jdl.released_measure;
CREATE POLICY released_measure_engine_all ON jdl.released_measure TO jdl_engine USING (true);

CREATE OR REPLACE VIEW jdl.published_results WITH (security_barrier) AS
    SELECT request_id, provider, intervention, measure, treatment_n, comparison_n, treatment_value, comparison_value,
           difference, difference_low, difference_high, p_value, conclusive, withheld, state, released_on
    FROM jdl.released_measure
    WHERE (SELECT @extschema@._jdl_holds('jdl_reader', 'jdl_analyst', 'jdl_approver', 'jdl_auditor'));
COMMENT ON VIEW jdl.published_results IS 'The machine-readable ledger of released results.';
GRANT SELECT ON jdl.published_results TO jdl_reader, jdl_analyst, jdl_approver, jdl_auditor;
