-- Who keeps a request's data longer than its clock says, why, until when. Rows are ended, not removed.
CREATE TABLE IF NOT EXISTS jdl.retention_decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id bigint NOT NULL REFERENCES jdl.request,
    kind text NOT NULL CHECK (kind IN ('hold', 'extension')),
    until date NOT NULL,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    signed_by name NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_by name,
    ended_at timestamptz,
    end_reason text
);
COMMENT ON TABLE jdl.retention_decision IS 'Holds and extensions of retention, each with a reason and a signer.';

-- A holiday proclaimed late moves the clocks that run.
CREATE OR REPLACE TRIGGER holidays_changed AFTER INSERT OR UPDATE OR DELETE ON jdl.bank_holiday FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_holidays_changed();

CREATE TABLE IF NOT EXISTS jdl.destruction (
    request_id bigint PRIMARY KEY REFERENCES jdl.request,
    destroyed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_by name NOT NULL,
    rule text NOT NULL,
    certificate jsonb NOT NULL
);
COMMENT ON TABLE jdl.destruction IS 'Certificates of destruction: what was destroyed, how many rows, by which rule, and what may remain elsewhere until when.';

CREATE TABLE IF NOT EXISTS jdl.job_run (
    job_run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed integer NOT NULL,
    failed integer NOT NULL
);
COMMENT ON TABLE jdl.job_run IS 'Runs of jdl_retention_run().';
