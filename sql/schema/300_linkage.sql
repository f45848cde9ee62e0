-- What linkage looks up, derived from the register by _jdl_build_linkage_index: never edited by hand, rebuilt at will. Unlogged,
-- because it is rebuilt sooner than restored, and because a second copy of names belongs in no WAL, archive or base backup.
-- A row holds hundreds of entries or several records (src/core/linkage/bucket.rs, bundle.rs): a row for each of a person's
-- twenty keys would be more row header than key.
CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.linkage_key (
    bucket bigint PRIMARY KEY,
    entries bytea NOT NULL
);
COMMENT ON TABLE jdl_restricted.linkage_key IS 'Blocking keys in buckets: under which 64-bit keys a person of the register is found.';

CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.linkage_record (
    bundle bigint PRIMARY KEY,
    records bytea NOT NULL
);
COMMENT ON TABLE jdl_restricted.linkage_record IS 'The standardised records that linkage compares, sixteen persons to a bundle; keys and terms follow from them.';

CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.term_frequency (
    bucket bigint PRIMARY KEY,
    entries bytea NOT NULL
);
COMMENT ON TABLE jdl_restricted.term_frequency IS 'How many persons of the register hold each value (hashed, in buckets): exact u probabilities without sampling.';

-- Uncompressed, and in the row itself while it fits a page: a bucket or bundle is one fetch.
ALTER TABLE jdl_restricted.linkage_key ALTER COLUMN entries SET STORAGE EXTERNAL, ALTER COLUMN entries SET STATISTICS 0, SET (toast_tuple_target = 8160);
ALTER TABLE jdl_restricted.linkage_record ALTER COLUMN records SET STORAGE EXTERNAL, ALTER COLUMN records SET STATISTICS 0, SET (toast_tuple_target = 8160);
ALTER TABLE jdl_restricted.term_frequency ALTER COLUMN entries SET STORAGE EXTERNAL, ALTER COLUMN entries SET STATISTICS 0, SET (toast_tuple_target = 8160);

CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.linkage_index (
    key_bits integer NOT NULL,
    term_bits integer NOT NULL,
    key_version integer NOT NULL
);
COMMENT ON TABLE jdl_restricted.linkage_index IS 'How blocking keys and terms are spread over buckets; one row.';

CREATE UNLOGGED TABLE IF NOT EXISTS jdl_restricted.institution_postcode (
    postcode text PRIMARY KEY
);
COMMENT ON TABLE jdl_restricted.institution_postcode IS 'Postcodes that so many people share that they are prisons or hostels.';

-- Parameters are shares of levels over whole cohorts: nothing of a person is in a model, so it outlives the data it was trained on.
CREATE TABLE IF NOT EXISTS jdl.linkage_model (
    model_version integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model jsonb NOT NULL,
    training jsonb,
    register_version bigint REFERENCES jdl.register_version,
    trained_by name NOT NULL DEFAULT current_user,
    trained_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE jdl.linkage_model IS 'The versions of the linkage model (m, u, prior) with the record of their training. The first is the shipped one; the setting linkage_model names the one in use.';
INSERT INTO jdl.linkage_model (model)
SELECT @extschema@._jdl_default_linkage_model() WHERE NOT EXISTS (SELECT FROM jdl.linkage_model);
