-- What linkage looks up, derived from the register by _jdl_build_linkage_keys: never edited by hand, rebuilt at will. Unlogged,
-- because it is rebuilt sooner than restored, and because a second copy of names belongs in no WAL, archive or base backup.
CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.linkage_key (
    key bigint NOT NULL,
    person_id bigint NOT NULL
);
COMMENT ON TABLE jdl_restricted.linkage_key IS 'Blocking keys: under which 64-bit keys a person of the register is found.';
CREATE INDEX IF NOT EXISTS linkage_key_key ON jdl_restricted.linkage_key (key) INCLUDE (person_id);

CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.linkage_record (
    person_id bigint PRIMARY KEY,
    record bytea NOT NULL
);
COMMENT ON TABLE jdl_restricted.linkage_record IS 'Each person''s standardised record as linkage compares it; its keys and terms follow from it.';
ALTER TABLE jdl_restricted.linkage_record ALTER COLUMN record SET STORAGE EXTERNAL;

CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.term_frequency (
    term bigint PRIMARY KEY,
    persons integer NOT NULL
);
COMMENT ON TABLE jdl_restricted.term_frequency IS 'How many persons of the register hold each value (hashed): exact u probabilities without sampling.';

CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.institution_postcode (
    postcode text PRIMARY KEY
);
COMMENT ON TABLE jdl_restricted.institution_postcode IS 'Postcodes that so many people share that they are prisons or hostels.';
ALTER TABLE jdl_restricted.linkage_key ALTER COLUMN person_id SET STATISTICS 0;
