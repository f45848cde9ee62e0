-- What providers send: text as it came, one UNLOGGED partition a request, so that it is in no WAL, archive or base backup
-- and is destroyed by dropping a file. _jdl_make_partitions makes them, with their own policies, triggers and statistics settings.
CREATE TABLE IF NOT EXISTS jdl_restricted.submission (
    request_id bigint NOT NULL,
    record_no integer NOT NULL,
    forename text,
    surname text,
    date_of_birth text,
    gender text,
    postcode text,
    pnc_id text,
    prison_number text,
    sentence_start text,
    sentence_end text,
    intervention_start text,
    intervention_end text,
    PRIMARY KEY (request_id, record_no)
) PARTITION BY LIST (request_id);
COMMENT ON TABLE jdl_restricted.submission IS 'Submitted records, as they came. record_no counts the request''s rows in the order of arrival.';

-- Which person of the register a submission is, or why none. For a suspect the best candidate, until destruction.
CREATE TABLE IF NOT EXISTS jdl_restricted.link (
    request_id bigint NOT NULL,
    record_no integer NOT NULL,
    person_id bigint,
    status text NOT NULL CHECK (status IN ('linked', 'suspect', 'unlinked')),
    reason text,
    match_weight double precision,
    match_probability double precision,
    PRIMARY KEY (request_id, record_no)
) PARTITION BY LIST (request_id);
COMMENT ON TABLE jdl_restricted.link IS 'The link of each submission to a person of the register, its match weight (log2) and posterior probability.';

-- What an approver has decided over the evidence. It names a person, so it is destroyed with the link.
CREATE TABLE IF NOT EXISTS jdl_restricted.link_override (
    request_id bigint NOT NULL,
    record_no integer NOT NULL,
    person_id bigint NOT NULL,
    force text NOT NULL CHECK (force IN ('link', 'non_link')),
    reason text NOT NULL,
    decided_by name NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (request_id, record_no, person_id)
) PARTITION BY LIST (request_id);
COMMENT ON TABLE jdl_restricted.link_override IS 'Links and non-links that an approver forced, by whom and why.';
CREATE UNIQUE INDEX IF NOT EXISTS link_override_one_person ON jdl_restricted.link_override (request_id, record_no) WHERE force = 'link';
CREATE UNIQUE INDEX IF NOT EXISTS link_override_one_record ON jdl_restricted.link_override (request_id, person_id) WHERE force = 'link';

-- The bridge between people and the analysis rows; dropped at destruction, so that nothing left joins a row to a person.
CREATE TABLE IF NOT EXISTS jdl_restricted.pseudonym (
    request_id bigint NOT NULL,
    pseudonym bigint NOT NULL,
    person_id bigint NOT NULL,
    sentence_id bigint NOT NULL,
    PRIMARY KEY (request_id, pseudonym)
) PARTITION BY LIST (request_id);
COMMENT ON TABLE jdl_restricted.pseudonym IS 'Which person and index event stands behind a pseudonym of a request, until destruction.';

-- The door through which intake officers bring records in: it takes text, never fails on a bad cell, and gives nothing back.
CREATE OR REPLACE VIEW jdl.submission WITH (security_barrier) AS
    SELECT forename, surname, date_of_birth, gender, postcode, pnc_id, prison_number, sentence_start, sentence_end, intervention_start, intervention_end
    FROM jdl_restricted.submission WHERE false;
COMMENT ON VIEW jdl.submission IS 'Write-only: SET jdl.request_id = ''42''; COPY jdl.submission (surname, forename, ...) FROM STDIN CSV HEADER';
CREATE OR REPLACE TRIGGER submission_begin BEFORE INSERT ON jdl.submission FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_submission_statement();
CREATE OR REPLACE TRIGGER submission_row INSTEAD OF INSERT ON jdl.submission FOR EACH ROW EXECUTE FUNCTION @extschema@._jdl_submission_row();
CREATE OR REPLACE TRIGGER submission_end AFTER INSERT ON jdl.submission FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_submission_statement();
GRANT INSERT ON jdl.submission TO jdl_intake;
