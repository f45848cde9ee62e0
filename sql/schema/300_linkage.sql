-- What linkage looks up, derived from the register by _jdl_build_linkage_keys: never edited by hand, rebuilt at will.
CREATE TABLE jdl_restricted.linkage_key (
    key bigint NOT NULL,
    person_id bigint NOT NULL
);
COMMENT ON TABLE jdl_restricted.linkage_key IS 'Blocking keys: under which 64-bit keys a person of the register is found.';
CREATE INDEX linkage_key_key ON jdl_restricted.linkage_key (key) INCLUDE (person_id);
CREATE INDEX linkage_key_person ON jdl_restricted.linkage_key (person_id);

CREATE TABLE jdl_restricted.linkage_record (
    person_id bigint PRIMARY KEY,
    record bytea NOT NULL,
    terms bigint[] NOT NULL
);
COMMENT ON TABLE jdl_restricted.linkage_record IS 'Each person''s standardised record as linkage compares it, and the keys of its values.';
ALTER TABLE jdl_restricted.linkage_record ALTER COLUMN record SET STORAGE EXTERNAL;

CREATE TABLE jdl_restricted.term_frequency (
    term bigint PRIMARY KEY,
    persons integer NOT NULL
);
COMMENT ON TABLE jdl_restricted.term_frequency IS 'How many persons of the register hold each value (hashed): exact u probabilities without sampling.';

CREATE TABLE jdl_restricted.institution_postcode (
    postcode text PRIMARY KEY
);
COMMENT ON TABLE jdl_restricted.institution_postcode IS 'Postcodes that so many people share that they are prisons or hostels.';
ALTER TABLE jdl_restricted.linkage_key ALTER COLUMN person_id SET STATISTICS 0;
