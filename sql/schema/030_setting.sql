CREATE TABLE IF NOT EXISTS jdl.setting (
    setting text PRIMARY KEY CHECK (setting ~ '^[a-z][a-z_]*$'),
    value jsonb NOT NULL,
    meaning text NOT NULL,
    CONSTRAINT setting_is_of_its_kind CHECK (jsonb_typeof(value) = CASE setting WHEN 'default_design' THEN 'object' WHEN 'instance' THEN 'string' WHEN 'backup_role' THEN 'string' WHEN 'differencing' THEN 'string' ELSE 'number' END),
    CONSTRAINT setting_differencing_is_known CHECK (setting <> 'differencing' OR value IN ('"sketch"', '"perturb"')),
    -- Below five a threshold protects nobody; text and null are no figures.
    CONSTRAINT setting_smallest_cell_protects CHECK (setting <> 'smallest_cell' OR CASE jsonb_typeof(value) WHEN 'number' THEN value::numeric >= 5 ELSE false END),
    -- A clock that runs backwards would destroy before anybody has looked.
    CONSTRAINT setting_days_run_forward CHECK (setting NOT LIKE '%\_days' OR CASE jsonb_typeof(value) WHEN 'number' THEN value::numeric BETWEEN 1 AND 3660 ELSE false END)
);
COMMENT ON TABLE jdl.setting IS 'What policy decides. Changing a value changes what later steps do, and is on the trail.';
CREATE OR REPLACE TRIGGER setting_changed AFTER UPDATE ON jdl.setting REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_setting_changed();
ALTER TABLE jdl.setting ENABLE ALWAYS TRIGGER setting_changed;

INSERT INTO jdl.setting (setting, value, meaning) VALUES
    ('minimum_records', '60', 'Fewest submitted records of a request (privacy impact assessment, 2013).'),
    ('minimum_treatment', '30', 'Fewest people in an analysed treatment group.'),
    ('first_cohort_year', '2002', 'First calendar year of an index event that the register can answer for.'),
    ('follow_up_months', '12', 'Months after the index event in which an offence counts.'),
    ('long_custody_days', '90', 'Custody of so many days or more that begins in the follow-up ends the time at risk in the curves, as death does.'),
    ('waiting_months', '6', 'Further months in which the offence may be proven.'),
    ('largest_error_share', '0.2', 'A request with a larger share of unusable records is rejected as a whole.'),
    ('expected_match_rate', '0.89', 'Share of usable records that linkage is expected to find (Blue Sky: 287 of 321).'),
    ('expected_index_share', '0.5', 'Share of linked people expected to have an index event that can be analysed (published requests: 0.11 to 0.79).'),
    ('expected_rate', '0.35', 'Re-offending rate assumed before anything is known.'),
    ('index_window_days', '183', 'An intervention that starts up to so many days after release still belongs to that custodial sentence.'),
    ('link_probability', '0.99', 'Posterior probability from which a link is accepted.'),
    ('suspect_probability', '0.5', 'Posterior probability from which a candidate that is not accepted is called suspect.'),
    ('linkage_model', '1', 'The version of jdl.linkage_model that links where a request names none.'),
    ('default_design', '{"method": "nearest", "distance": "glm", "link": "linear.logit", "ratio": 5, "caliper": 0.2}', 'The matching design of a request that names none (MatchIt''s argument names).'),
    ('smallest_cell', '10', 'Counts below this are not published, nor rates whose numerator or complement is below it.'),
    ('differencing', '"sketch"', 'sketch: keyed sketches find releases about the same people but for a few. perturb: none are kept, and every number of a report is rounded by keys of the cohort.'),
    ('rate_decimals', '1', 'Decimals of a printed percentage.'),
    ('significance_level', '0.05', 'A result is conclusive at p up to this, if the gates hold.'),
    ('review_working_days', '20', 'Working days after release until the individual-level data is destroyed.'),
    ('decision_working_days', '5', 'Working days from the decision not to process until destruction.'),
    ('discussion_working_days', '10', 'Working days from the talk with the provider until destruction; the earlier of the two clocks counts.'),
    ('backup_days', '35', 'Days after which every dump and backup has expired.'),
    ('least_server_version', '150020', 'Servers below this (server_version_num) have known holes in row-level security.'),
    ('access_days', '365', 'How long a grant of access lasts where no end is given.'),
    ('plan_seed', '20130402', 'Seed of every random procedure of an analysis plan that names none.'),
    ('backup_role', '""', 'The one role beside superusers that may read everything, to back it up; empty: none.'),
    ('instance', '"training"', 'training or live: a live instance refuses synthetic data, asks for a signature under every membership, and stays live.'),
    ('pnc_pivot', '39', 'Two-digit years of a PNC id from this on belong to the 20th century.')
-- What the site has set stays set.
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS jdl.channel (
    channel text PRIMARY KEY,
    description text NOT NULL
);
COMMENT ON TABLE jdl.channel IS 'The ways in which a provider may send its list. A request by any other way is refused.';
-- What the site has taken away stays away.
INSERT INTO jdl.channel
SELECT seed.* FROM (VALUES
    ('cjsm', 'Criminal Justice Secure eMail; encrypted, password sent separately.'),
    ('government_secure_email', 'Government Secure Email; encrypted, password sent separately.')) seed
WHERE NOT EXISTS (SELECT FROM jdl.channel);

CREATE TABLE IF NOT EXISTS jdl.bank_holiday (
    holiday date PRIMARY KEY,
    title text NOT NULL
);
COMMENT ON TABLE jdl.bank_holiday IS 'Weekday bank holidays of England and Wales. One-off days are proclaimed late: add them here and open clocks follow.';

CREATE TABLE IF NOT EXISTS jdl.postcode_area (
    area text PRIMARY KEY CHECK (area ~ '^[A-Z]{1,2}$'),
    region text NOT NULL
);
COMMENT ON TABLE jdl.postcode_area IS 'Region of England and Wales of each postcode area (by the larger part, where an area crosses a border).';
INSERT INTO jdl.postcode_area (area, region)
SELECT unnest(string_to_array(areas, ' ')), region FROM (VALUES
    ('North East', 'DH DL NE SR TS'),
    ('North West', 'BB BL CA CH CW FY L LA M OL PR SK WA WN'),
    ('Yorkshire and the Humber', 'BD DN HD HG HU HX LS S WF YO'),
    ('East Midlands', 'DE LE LN NG NN'),
    ('West Midlands', 'B CV DY HR ST SY TF WR WS WV'),
    ('East of England', 'AL CB CM CO IP LU NR PE SG SS'),
    ('London', 'BR CR DA E EC EN HA IG KT N NW RM SE SM SW TW UB W WC WD'),
    ('South East', 'BN CT GU HP ME MK OX PO RG RH SL SO TN'),
    ('South West', 'BA BH BS DT EX GL PL SN SP TA TQ TR'),
    ('Wales', 'CF LD LL NP SA')) AS regions (region, areas)
ON CONFLICT DO NOTHING;
