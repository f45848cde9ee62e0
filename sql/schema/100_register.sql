-- The register: the Police National Computer extract. Loaded by COPY; jdl_register_refresh() derives from it what the steps look up.
-- The spelling of kinds, outcomes and categories is the extract's own: jdl_restricted.index_event and the outcome step read
-- them through _jdl_disposal and _jdl_is_proven, so that a new extract needs no rewriting.
CREATE TABLE IF NOT EXISTS jdl_restricted.person (
    person_id bigint PRIMARY KEY,
    pnc_id text,
    cro text,
    prison_number text,
    forename text,
    middle_name text,
    surname text,
    date_of_birth date,
    gender text,
    ethnicity text,
    nationality text,
    postcode text,
    date_of_death date
);
COMMENT ON TABLE jdl_restricted.person IS 'A person of the register.';
COMMENT ON COLUMN jdl_restricted.person.date_of_death IS 'Where known: nothing on or after it is an index event, and a follow-up that it cuts short is said in the report.';
ALTER TABLE jdl_restricted.person ALTER COLUMN date_of_death SET STATISTICS 0;

CREATE TABLE IF NOT EXISTS jdl_restricted.alias (
    person_id bigint NOT NULL,
    forename text,
    surname text,
    date_of_birth date
);
COMMENT ON TABLE jdl_restricted.alias IS 'Other names and dates of birth that a person of the register has given.';
CREATE INDEX IF NOT EXISTS alias_person ON jdl_restricted.alias (person_id);

CREATE TABLE IF NOT EXISTS jdl_restricted.sentence (
    sentence_id bigint PRIMARY KEY,
    person_id bigint NOT NULL,
    kind text NOT NULL,
    start_date date NOT NULL,
    end_date date CONSTRAINT sentence_ends_after_it_starts CHECK (end_date >= start_date),
    offence_group text
);
COMMENT ON TABLE jdl_restricted.sentence IS 'A sentence or caution: a possible index event. For custody end_date is the release.';
CREATE INDEX IF NOT EXISTS sentence_person ON jdl_restricted.sentence (person_id, start_date);

CREATE TABLE IF NOT EXISTS jdl_restricted.offence (
    offence_id bigint PRIMARY KEY,
    person_id bigint NOT NULL,
    offence_date date NOT NULL,
    outcome_date date,
    outcome text,
    offence_group text,
    court_category text,
    custodial boolean
);
COMMENT ON TABLE jdl_restricted.offence IS 'An offence with its outcome (null while it is pending) and whether it led to custody.';
CREATE INDEX IF NOT EXISTS offence_person ON jdl_restricted.offence (person_id, offence_date);

CREATE TABLE IF NOT EXISTS jdl_restricted.circumstance (
    person_id bigint NOT NULL,
    as_of_date date NOT NULL,
    employed boolean,
    on_benefits boolean,
    accommodation_need boolean,
    employment_need boolean,
    drugs_need boolean,
    alcohol_need boolean,
    thinking_need boolean,
    PRIMARY KEY (person_id, as_of_date)
);
COMMENT ON TABLE jdl_restricted.circumstance IS 'Employment, benefits and assessed needs of a person on a date, where another department has supplied them.';

CREATE TABLE IF NOT EXISTS jdl.register_version (
    register_version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    extracted_on date NOT NULL,
    refreshed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    persons bigint NOT NULL,
    sentences bigint NOT NULL,
    offences bigint NOT NULL,
    digest text NOT NULL,
    is_synthetic boolean NOT NULL DEFAULT false,
    seed bigint
);
COMMENT ON TABLE jdl.register_version IS 'The versions of the extract: every result names the one that it was made from.';
COMMENT ON COLUMN jdl.register_version.digest IS 'Order-free digest of the rows, to tell whether two versions hold the same.';

-- Everything that can serve as an index event, with what was known of the person on that day.
CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.index_event (
    sentence_id bigint PRIMARY KEY,
    person_id bigint NOT NULL,
    sentence_start date NOT NULL,
    sentence_end date,
    index_date date NOT NULL,
    index_year integer NOT NULL,
    disposal text NOT NULL,
    offence_group text NOT NULL,
    gender text NOT NULL,
    ethnicity text NOT NULL,
    nationality text NOT NULL,
    region text NOT NULL,
    age integer,
    previous_sanctions integer NOT NULL,
    previous_custody integer NOT NULL,
    previous_offences integer NOT NULL,
    months_since_last integer NOT NULL,
    age_at_first integer,
    copas_rate double precision,
    previous_cautions integer NOT NULL,
    previous_community integer NOT NULL,
    recent_sanctions integer NOT NULL,
    recent_offences integer NOT NULL,
    previous_violence integer NOT NULL,
    previous_acquisitive integer NOT NULL,
    previous_drugs integer NOT NULL,
    previous_same_group integer NOT NULL,
    months_since_custody integer NOT NULL,
    employment text NOT NULL,
    employed_months integer NOT NULL,
    benefits text NOT NULL,
    benefit_months integer NOT NULL,
    accommodation_need text NOT NULL,
    employment_need text NOT NULL,
    drugs_need text NOT NULL,
    alcohol_need text NOT NULL,
    thinking_need text NOT NULL
);
COMMENT ON TABLE jdl_restricted.index_event IS 'Every possible index event (release from custody; start of another sentence; caution) and the covariates as of that day.';
COMMENT ON COLUMN jdl_restricted.index_event.months_since_last IS 'Whole months since the sanction before; 240 where there was none.';
COMMENT ON COLUMN jdl_restricted.index_event.copas_rate IS 'ln((1 + previous sanctions) / (10 + age at index - age at first sanction)) (Copas and Marshall 1998, as in OGRS).';
COMMENT ON COLUMN jdl_restricted.index_event.recent_sanctions IS 'Sanctions in the 24 months before the sentence; likewise recent_offences.';
COMMENT ON COLUMN jdl_restricted.index_event.previous_violence IS 'Offences of violence, sexual offences, robbery and weapons proven before the sentence; likewise acquisitive ones, drugs, and those of the sentence''s own group.';
COMMENT ON COLUMN jdl_restricted.index_event.months_since_custody IS 'Whole months from the last release from an earlier custodial sentence to the index date; 240 where there was none.';
COMMENT ON COLUMN jdl_restricted.index_event.employment IS 'employed, not employed, or not known: the last statement of the 12 months up to the index date; likewise benefits and needs. Where nothing is known nobody is dropped: that is a level of its own.';
COMMENT ON COLUMN jdl_restricted.index_event.employed_months IS 'Months of employment in the 12 before the index date; a statement holds until the next, at most 12 months, and a month about which nothing is known counts as none. Likewise benefit_months.';
CREATE INDEX IF NOT EXISTS index_event_person ON jdl_restricted.index_event (person_id, index_date);
CREATE INDEX IF NOT EXISTS index_event_year ON jdl_restricted.index_event (index_year, disposal);

-- Persons whose rows changed since the last refresh.
CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.register_change (
    person_id bigint NOT NULL,
    relation name,
    row_change bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE jdl_restricted.register_change IS 'Persons whose rows changed since the last jdl_register_refresh(); person 0 stands for "too many to list: rebuild".';
COMMENT ON COLUMN jdl_restricted.register_change.row_change IS 'Rows of the relation that the person gained or (negative) lost, so that a refresh need not count the whole register.';

CREATE OR REPLACE TRIGGER person_change_insert AFTER INSERT ON jdl_restricted.person REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER person_change_update AFTER UPDATE ON jdl_restricted.person REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER person_change_delete AFTER DELETE ON jdl_restricted.person REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER person_change_truncate AFTER TRUNCATE ON jdl_restricted.person FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER alias_change_insert AFTER INSERT ON jdl_restricted.alias REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER alias_change_update AFTER UPDATE ON jdl_restricted.alias REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER alias_change_delete AFTER DELETE ON jdl_restricted.alias REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER alias_change_truncate AFTER TRUNCATE ON jdl_restricted.alias FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER sentence_change_insert AFTER INSERT ON jdl_restricted.sentence REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER sentence_change_update AFTER UPDATE ON jdl_restricted.sentence REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER sentence_change_delete AFTER DELETE ON jdl_restricted.sentence REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER sentence_change_truncate AFTER TRUNCATE ON jdl_restricted.sentence FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER offence_change_insert AFTER INSERT ON jdl_restricted.offence REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER offence_change_update AFTER UPDATE ON jdl_restricted.offence REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER offence_change_delete AFTER DELETE ON jdl_restricted.offence REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER offence_change_truncate AFTER TRUNCATE ON jdl_restricted.offence FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER circumstance_change_insert AFTER INSERT ON jdl_restricted.circumstance REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER circumstance_change_update AFTER UPDATE ON jdl_restricted.circumstance REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER circumstance_change_delete AFTER DELETE ON jdl_restricted.circumstance REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
CREATE OR REPLACE TRIGGER circumstance_change_truncate AFTER TRUNCATE ON jdl_restricted.circumstance FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_note_change();
