-- A request: one analysis asked for by a provider, and what has happened to it.
CREATE TABLE IF NOT EXISTS jdl.request (
    request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL CHECK (btrim(provider) <> ''),
    intervention text NOT NULL CHECK (btrim(intervention) <> ''),
    channel text NOT NULL,
    assurances jsonb NOT NULL CONSTRAINT request_assurances_are_confirmed CHECK (
        (assurances -> 'legal_basis_confirmed') = 'true' AND (assurances -> 'sharing_gateway_confirmed') = 'true'),
    options jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'open' CONSTRAINT request_status_is_known CHECK (status IN
        ('open', 'rejected', 'linked', 'matched', 'analysed', 'approved', 'released', 'halted', 'withdrawn', 'superseded', 'destroyed', 'awaiting resubmission')),
    status_reason text,
    rejected_by name,
    opened_by name NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    approved_by name,
    approved_at timestamptz,
    released_by name,
    released_at timestamptz,
    superseded_by bigint REFERENCES jdl.request,
    discussed_on date,
    decided_on date,
    destroy_on date,
    destroyed_at timestamptz,
    CONSTRAINT request_approver_is_not_the_opener CHECK (approved_by <> opened_by),
    CONSTRAINT request_released_needs_approval CHECK (released_at IS NULL OR approved_at IS NOT NULL)
);
COMMENT ON TABLE jdl.request IS 'A request: one analysis asked for by a provider, and where it stands.';
COMMENT ON COLUMN jdl.request.rejected_by IS 'The approver who rejected it; null where jdl_preflight did, whose rejection is mended by a better list.';
COMMENT ON COLUMN jdl.request.discussed_on IS 'The day of the talk with the provider about a request that cannot be processed.';
COMMENT ON COLUMN jdl.request.decided_on IS 'The day of the decision not to process it (any further).';
COMMENT ON COLUMN jdl.request.destroy_on IS 'The date by which the individual-level data is destroyed, once a clock runs.';

CREATE TABLE IF NOT EXISTS jdl.request_step (
    request_id bigint NOT NULL REFERENCES jdl.request,
    step text NOT NULL,
    actor name NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    options jsonb NOT NULL DEFAULT '{}',
    summary jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (request_id, step)
);
COMMENT ON TABLE jdl.request_step IS 'The steps of a request that stand, by whom they were taken, and the row that each answered.';

CREATE TABLE IF NOT EXISTS jdl.access (
    access_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person name NOT NULL,
    role name NOT NULL,
    request_id bigint REFERENCES jdl.request,
    reason text NOT NULL,
    trained_on date NOT NULL,
    starts_on date NOT NULL DEFAULT current_date,
    ends_on date NOT NULL,
    granted_by name NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_by name,
    revoked_at timestamptz,
    revoke_reason text,
    CONSTRAINT access_is_signed_off_by_another CHECK (granted_by <> person),
    CONSTRAINT access_ends_after_it_starts CHECK (ends_on >= starts_on)
);
COMMENT ON TABLE jdl.access IS 'Who may do what to which request, signed off by whom, why and until when.';
CREATE INDEX IF NOT EXISTS access_person ON jdl.access (person, role);

ALTER TABLE jdl.request ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE jdl.request_step ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE jdl.access ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS request_engine_all ON jdl.request;
CREATE POLICY request_engine_all ON jdl.request TO jdl_engine USING (true);
DROP POLICY IF EXISTS request_step_engine_all ON jdl.request_step;
CREATE POLICY request_step_engine_all ON jdl.request_step TO jdl_engine USING (true);
DROP POLICY IF EXISTS access_engine_all ON jdl.access;
CREATE POLICY access_engine_all ON jdl.access TO jdl_engine USING (true);
DROP POLICY IF EXISTS request_analyst_select ON jdl.request;
CREATE POLICY request_analyst_select ON jdl.request FOR SELECT TO jdl_analyst USING (request_id = ANY ((SELECT @extschema@.jdl_my_requests())::bigint[]));
DROP POLICY IF EXISTS request_intake_select ON jdl.request;
CREATE POLICY request_intake_select ON jdl.request FOR SELECT TO jdl_intake USING (opened_by = (SELECT @extschema@._jdl_actor()) AND (SELECT @extschema@._jdl_holds('jdl_intake')));
DROP POLICY IF EXISTS request_overseer_select ON jdl.request;
CREATE POLICY request_overseer_select ON jdl.request FOR SELECT TO jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_dba', 'jdl_auditor')));
DROP POLICY IF EXISTS request_step_analyst_select ON jdl.request_step;
CREATE POLICY request_step_analyst_select ON jdl.request_step FOR SELECT TO jdl_analyst USING (request_id = ANY ((SELECT @extschema@.jdl_my_requests())::bigint[]));
DROP POLICY IF EXISTS request_step_overseer_select ON jdl.request_step;
CREATE POLICY request_step_overseer_select ON jdl.request_step FOR SELECT TO jdl_approver, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_auditor')));
DROP POLICY IF EXISTS access_own_select ON jdl.access;
CREATE POLICY access_own_select ON jdl.access FOR SELECT TO jdl_intake, jdl_analyst, jdl_reader USING (person = (SELECT @extschema@._jdl_actor()));
DROP POLICY IF EXISTS access_overseer_select ON jdl.access;
CREATE POLICY access_overseer_select ON jdl.access FOR SELECT TO jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_dba', 'jdl_auditor')));
GRANT SELECT ON jdl.request TO jdl_analyst, jdl_intake, jdl_approver, jdl_dba, jdl_auditor;
GRANT SELECT ON jdl.request_step TO jdl_analyst, jdl_approver, jdl_auditor;
GRANT SELECT ON jdl.access TO jdl_intake, jdl_analyst, jdl_approver, jdl_dba, jdl_auditor, jdl_reader;
