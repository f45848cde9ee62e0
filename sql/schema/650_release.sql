-- What a release is checked by, and what is kept of the check.

-- The certificate holds the true table: as secret as the analysis, and destroyed with the identities. Its keyed hash outlives it.
CREATE TABLE IF NOT EXISTS jdl_pseudonymised.certificate (
    request_id bigint PRIMARY KEY REFERENCES jdl.report ON DELETE CASCADE,
    proof bytea NOT NULL,
    report_digest text NOT NULL
);
COMMENT ON TABLE jdl_pseudonymised.certificate IS 'The proof that a report gives nobody away, until destruction: the engine''s, nobody reads it.';
ALTER TABLE jdl_pseudonymised.certificate ALTER COLUMN proof SET STATISTICS 0;

-- Which keys there were. The keys themselves are outside the database (jdl.key_file).
CREATE TABLE IF NOT EXISTS jdl.disclosure_key (
    key_id bigint PRIMARY KEY,
    fingerprint text NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expired_by name,
    expired_at timestamptz,
    reason text
);
COMMENT ON TABLE jdl.disclosure_key IS 'The keys of disclosure control by number: fingerprint, first use, and when the sketches made with them were deleted.';

-- 64 sums of signs for each analysed set and key: with the key a pseudonymous fingerprint of the set, without it noise. Outlives the
-- individual rows, so that a later cohort can be compared; goes with its key. Nobody has a grant on it but the engine.
CREATE TABLE IF NOT EXISTS jdl_restricted.sketch (
    request_id bigint NOT NULL REFERENCES jdl.request,
    analysed_set text NOT NULL CHECK (btrim(analysed_set) <> ''),
    key_id bigint NOT NULL REFERENCES jdl.disclosure_key,
    people_to_ten integer NOT NULL,
    sums integer[] NOT NULL CHECK (cardinality(sums) = 64),
    made_on date NOT NULL DEFAULT current_date,
    PRIMARY KEY (request_id, analysed_set, key_id)
);
COMMENT ON COLUMN jdl_restricted.sketch.analysed_set IS 'linked, analysed, or the sub-group of the analysed that is reported (gender: female).';
COMMENT ON TABLE jdl_restricted.sketch IS 'Keyed sketches of the sets of people that were analysed, by which a later release about the same people but for a few is found.';
ALTER TABLE jdl_restricted.sketch ALTER COLUMN sums SET STATISTICS 0;

CREATE TABLE IF NOT EXISTS jdl.release_decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id bigint NOT NULL REFERENCES jdl.request,
    decision text NOT NULL CHECK (decision IN ('refuse', 'merge', 'replace')),
    earlier bigint[] NOT NULL,
    findings jsonb NOT NULL,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    decided_by name NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE jdl.release_decision IS 'What approvers decided of releases that are about nearly the same people as earlier ones.';
CREATE INDEX IF NOT EXISTS release_decision_request ON jdl.release_decision (request_id);

CREATE TABLE IF NOT EXISTS jdl.release_record (
    request_id bigint PRIMARY KEY REFERENCES jdl.request,
    engine text NOT NULL,
    rules jsonb NOT NULL,
    differencing text NOT NULL,
    plan_version integer NOT NULL,
    seed bigint NOT NULL,
    certificate_hash text,
    key_id bigint,
    certificate_tables bigint NOT NULL,
    protected_cells bigint NOT NULL,
    report_digest text NOT NULL,
    compared jsonb NOT NULL,
    decision_id bigint REFERENCES jdl.release_decision,
    approved_by name NOT NULL,
    released_by name NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((certificate_hash IS NULL) = (key_id IS NULL))
);
COMMENT ON TABLE jdl.release_record IS 'How each release was protected: rules, version, seed, hash of the certificate, earlier releases compared, who approved.';

DO $release$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['release_decision', 'release_record'] LOOP
        EXECUTE format('DROP POLICY IF EXISTS %I ON jdl.%I', relation || '_analyst_select', relation);
        EXECUTE format('CREATE POLICY %I ON jdl.%I FOR SELECT TO jdl_analyst USING (request_id = ANY ((SELECT @extschema@.jdl_my_requests())::bigint[]))', relation || '_analyst_select', relation);
        EXECUTE format('DROP POLICY IF EXISTS %I ON jdl.%I', relation || '_overseer_select', relation);
        EXECUTE format('CREATE POLICY %I ON jdl.%I FOR SELECT TO jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds(''jdl_approver'', ''jdl_dba'', ''jdl_auditor'')))', relation || '_overseer_select', relation);
        EXECUTE format('GRANT SELECT ON jdl.%I TO jdl_analyst, jdl_approver, jdl_dba, jdl_auditor', relation);
    END LOOP;
END
$release$;
DROP POLICY IF EXISTS disclosure_key_select ON jdl.disclosure_key;
CREATE POLICY disclosure_key_select ON jdl.disclosure_key FOR SELECT TO jdl_approver, jdl_dba, jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_approver', 'jdl_dba', 'jdl_auditor')));
GRANT SELECT ON jdl.disclosure_key TO jdl_approver, jdl_dba, jdl_auditor;
