CREATE TABLE jdl.destruction (
    request_id bigint PRIMARY KEY REFERENCES jdl.request,
    destroyed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_by name NOT NULL,
    rule text NOT NULL,
    certificate jsonb NOT NULL
);
COMMENT ON TABLE jdl.destruction IS 'Certificates of destruction: what was destroyed, how many rows, by which rule, and what may remain elsewhere until when.';

CREATE TABLE jdl.job_run (
    job_run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed integer NOT NULL,
    failed integer NOT NULL
);
COMMENT ON TABLE jdl.job_run IS 'Runs of jdl_retention_run().';
