-- Every design that was tried, in order: aggregates only. The last one stands.
CREATE TABLE IF NOT EXISTS jdl.match_design (
    request_id bigint NOT NULL REFERENCES jdl.request,
    design_no integer NOT NULL,
    options jsonb NOT NULL,
    pool_size integer NOT NULL,
    summary jsonb NOT NULL,
    balance jsonb NOT NULL,
    tried_by name NOT NULL,
    tried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (request_id, design_no)
);
COMMENT ON TABLE jdl.match_design IS 'The matching designs that were tried for a request, before outcomes were read; the last one stands.';

-- The index event of each linked person, or the reason why there is none.
CREATE TABLE IF NOT EXISTS jdl_pseudonymised.index_loss (
    request_id bigint NOT NULL REFERENCES jdl.request,
    reason text NOT NULL,
    people integer NOT NULL,
    PRIMARY KEY (request_id, reason)
);
COMMENT ON TABLE jdl_pseudonymised.index_loss IS 'How many linked people of a request have no usable index event, by reason.';

-- The people of an analysis, under pseudonyms: treatment group and comparison group.
CREATE TABLE IF NOT EXISTS jdl_pseudonymised.member (
    request_id bigint NOT NULL REFERENCES jdl.request,
    pseudonym bigint NOT NULL,
    treated boolean NOT NULL,
    matched boolean NOT NULL,
    matched_set bigint,
    weight double precision NOT NULL,
    score double precision,
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
    copas_rate double precision,
    PRIMARY KEY (request_id, pseudonym)
);
COMMENT ON TABLE jdl_pseudonymised.member IS 'Treatment and comparison people of a request with their covariates as of the index date, under pseudonyms.';
COMMENT ON COLUMN jdl_pseudonymised.member.matched_set IS 'The least pseudonym of the matched set: a number of no other meaning, since one in the order of the people would tell who is who.';

CREATE TABLE IF NOT EXISTS jdl_pseudonymised.outcome (
    request_id bigint NOT NULL,
    pseudonym bigint NOT NULL,
    reoffended boolean NOT NULL,
    reoffences integer NOT NULL,
    days_to_first integer,
    first_court_category text,
    custodial_first boolean,
    custodial_reoffences integer NOT NULL,
    PRIMARY KEY (request_id, pseudonym),
    FOREIGN KEY (request_id, pseudonym) REFERENCES jdl_pseudonymised.member ON DELETE CASCADE
);
COMMENT ON TABLE jdl_pseudonymised.outcome IS 'Proven re-offending of each member in the follow-up.';

-- The plan, frozen before outcomes are read, and what came out: one stored result a version.
CREATE TABLE IF NOT EXISTS jdl.analysis_plan (
    request_id bigint NOT NULL REFERENCES jdl.request,
    plan_version integer NOT NULL,
    plan jsonb NOT NULL,
    digest text NOT NULL,
    reason text,
    outcomes_read boolean NOT NULL DEFAULT false,
    frozen_by name NOT NULL,
    frozen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (request_id, plan_version)
);
COMMENT ON TABLE jdl.analysis_plan IS 'The analysis plan of a request with its SHA-256, stored before outcomes are read.';
COMMENT ON COLUMN jdl.analysis_plan.reason IS 'Why it differs from the version before; null where it does not.';
COMMENT ON COLUMN jdl.analysis_plan.outcomes_read IS 'Whether outcomes had been read under a version before, which makes its tests exploratory.';

CREATE TABLE IF NOT EXISTS jdl_pseudonymised.analysis (
    request_id bigint PRIMARY KEY REFERENCES jdl.request,
    plan_version integer NOT NULL,
    register_version bigint NOT NULL REFERENCES jdl.register_version,
    result jsonb NOT NULL,
    analysed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE jdl_pseudonymised.analysis IS 'Outcomes and tests of a request before disclosure control: the engine''s, nobody reads it directly.';

-- Which sentence of a linked person the intervention belongs to, or why none. Destroyed with the identities.
CREATE TABLE IF NOT EXISTS jdl_restricted.index_choice (
    request_id bigint NOT NULL,
    person_id bigint NOT NULL,
    sentence_id bigint,
    loss text,
    PRIMARY KEY (request_id, person_id)
) PARTITION BY LIST (request_id);
COMMENT ON TABLE jdl_restricted.index_choice IS 'The index event of each linked person, or the reason why there is none, until destruction.';
