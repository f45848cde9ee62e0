//! The index events of the register: covariates as of the index date, against a statement of each rule on its own, and that what changed
//! comes out as a rebuild would.

use jdl_surface::{Lab, one};
use postgres::Client;

/// A register of one person with a long record, and what other departments said of them.
const LIFE: &str = "
    INSERT INTO jdl_restricted.person (person_id, forename, surname, date_of_birth, gender, postcode) VALUES (1, 'Anna', 'Test', '1980-06-15', 'F', 'LS1 1AA'), (2, 'Ben', 'Test', '1985-01-01', 'M', 'M1 1AA');
    INSERT INTO jdl_restricted.sentence VALUES
        (10, 1, 'Caution', '2000-03-01', NULL, 'Theft'),
        (11, 1, 'Community Order', '2004-05-10', '2005-05-10', 'Violence against the person'),
        (12, 1, 'Custody', '2005-01-10', '2005-07-10', 'Theft'),
        (13, 1, 'Custody', '2007-02-01', '2008-01-31', 'Theft'),
        (20, 2, 'Fine', '2007-06-01', NULL, NULL);
    INSERT INTO jdl_restricted.offence VALUES
        (100, 1, '2000-02-20', '2000-03-01', 'Caution', 'Theft', 'summary', false),
        (101, 1, '2004-04-01', '2004-05-10', 'Convicted', 'Violence against the person', 'either way', false),
        (102, 1, '2004-04-02', '2004-05-10', 'Convicted', 'Drug offences', 'either way', false),
        (103, 1, '2004-12-01', '2005-01-10', 'Convicted', 'Theft', 'either way', true),
        (104, 1, '2005-12-01', '2006-01-10', 'Not guilty', 'Robbery', 'indictable', false),
        (105, 1, '2007-01-01', '2007-02-01', 'Convicted', 'Theft', 'either way', true);
    INSERT INTO jdl_restricted.circumstance (person_id, as_of_date, employed, on_benefits, drugs_need, alcohol_need) VALUES
        (1, '2004-02-10', true, NULL, true, NULL),
        (1, '2004-05-10', NULL, true, NULL, false),
        (1, '2004-11-10', false, true, NULL, NULL),
        (1, '2006-10-01', true, false, NULL, NULL),
        (1, '2009-01-01', true, true, true, true);
    SELECT jdl_register_refresh('2012-12-31')";

fn event(client: &mut Client, sentence: i64, columns: &str) -> String {
    one(
        client,
        &format!("SELECT concat_ws('|', {columns}) FROM jdl_restricted.index_event WHERE sentence_id = {sentence}"),
    )
}

#[test]
fn covariates_are_those_of_the_index_date_and_nobody_is_dropped_for_what_is_not_known() {
    let lab = Lab::new("covariates");
    let mut admin = lab.admin();
    admin.batch_execute(LIFE).unwrap();
    let record = "previous_sanctions, previous_cautions, previous_community, previous_custody, recent_sanctions, months_since_custody";
    let offences = "previous_offences, recent_offences, previous_violence, previous_acquisitive, previous_drugs, previous_same_group";
    let circumstances =
        "employment, employed_months, benefits, benefit_months, drugs_need, alcohol_need, thinking_need";
    for (sentence, wanted) in [
        (10, ["0|0|0|0|0|240", "0|0|0|0|0|0", "not known|0|not known|0|not known|not known|not known"]),
        // Employed from 2004-02-10, three months; on benefits from the very day.
        (11, ["1|1|0|0|0|240", "1|0|0|1|0|0", "employed|3|on benefits|0|need|no need|not known"]),
        // Index date 2005-07-10: employed until 2004-11-10 (four months of the year); benefits all year; the drugs assessment is too old.
        (12, ["2|1|1|0|1|240", "3|2|1|1|1|1", "not employed|4|on benefits|12|not known|not known|not known"]),
        // Index date 2008-01-31: the statement of 2006-10-01 held for a year, eight months of them in the last one. Acquitted is not proven.
        (13, ["3|1|1|1|0|30", "4|0|1|2|1|2", "not known|8|not known|0|not known|not known|not known"]),
        (20, ["0|0|0|0|0|240", "0|0|0|0|0|0", "not known|0|not known|0|not known|not known|not known"]),
    ] {
        for (columns, wanted) in [record, offences, circumstances].iter().zip(wanted) {
            assert_eq!(event(&mut admin, sentence, columns), wanted, "sentence {sentence}: {columns}");
        }
    }
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM jdl_restricted.index_event"), 5);
}

#[test]
fn what_changed_is_derived_anew_and_comes_out_as_a_rebuild_would() {
    let lab = Lab::new("increment");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(2000, 3)").unwrap();
    let mut admin = lab.admin();
    let digest = "SELECT md5(string_agg(e::text, ';' ORDER BY e.sentence_id)) FROM jdl_restricted.index_event e";
    let before: String = one(&mut admin, digest);
    admin
        .batch_execute(
            "UPDATE jdl_restricted.circumstance SET employed = NOT employed, drugs_need = NOT coalesce(drugs_need, false) WHERE person_id % 50 = 1;
             INSERT INTO jdl_restricted.circumstance (person_id, as_of_date, on_benefits) SELECT DISTINCT person_id, start_date - 40, true FROM jdl_restricted.sentence WHERE person_id % 50 = 2 ON CONFLICT DO NOTHING;
             DELETE FROM jdl_restricted.circumstance WHERE person_id % 50 = 3;
             DELETE FROM jdl_restricted.offence WHERE person_id % 50 = 4",
        )
        .unwrap();
    let refresh = "SELECT rebuilt FROM jdl_register_refresh((SELECT max(extracted_on) FROM jdl.register_version))";
    assert!(!one::<bool>(&mut admin, refresh), "only those who changed");
    let increment: String = one(&mut admin, digest);
    assert_ne!(before, increment);
    admin.batch_execute("INSERT INTO jdl_restricted.register_change VALUES (0)").unwrap();
    assert!(one::<bool>(&mut admin, refresh));
    assert_eq!(increment, one::<String>(&mut admin, digest));
    let versions: i64 = one(&mut admin, "SELECT count(DISTINCT digest) FROM jdl.register_version");
    assert!(versions >= 2, "a statement of another department is part of the extract");
}

/// Rows of every odd kind beside a made-up register: days shared, shorter months, nothing known, nobody there.
const ODD: &str = "
    INSERT INTO jdl_restricted.person (person_id, date_of_birth, date_of_death, gender, ethnicity, nationality, postcode) VALUES
        (-9223372036854775808, '1970-02-28', NULL, 'f', NULL, ' ', ' ls1 1aa'), (900001, NULL, NULL, NULL, ' A ', 'x', NULL), (900002, '1960-02-29', '2006-02-01', '1', 'A', 'x', '1AA'),
        (900003, '1990-12-31', NULL, '2', 'A', '', 'ZZ9'), (900005, '1950-01-01', NULL, 'M', 'A', 'x', 'B1 1AA');
    INSERT INTO jdl_restricted.sentence VALUES
        (-1, -9223372036854775808, 'Caution', '2003-02-28', NULL, ' '), (-2, -9223372036854775808, 'Prison', '2004-02-29', '2004-02-29', 'Theft'),
        (-3, -9223372036854775808, 'Prison', '2004-02-29', NULL, 'Theft'), (-4, -9223372036854775808, 'Suspended sentence', '2006-02-28', '2007-01-01', 'Drugs'),
        (-5, -9223372036854775808, 'Community order', '2006-03-01', NULL, NULL), (-6, -9223372036854775808, '?', '2006-03-01', NULL, 'theft'),
        (-7, 900001, 'Custody', '2002-01-01', '2008-01-01', 'Robbery'), (-8, 900001, 'Custody', '2005-01-01', '2005-06-01', ' Robbery'), (-9, 900001, 'Fine', '2006-01-01', NULL, 'Robbery'),
        (-10, 900002, 'Fine', '2006-01-31', NULL, 'Arson'), (-11, 900002, 'Fine', '2006-02-01', NULL, 'Arson'), (-12, 900004, 'Fine', '2006-02-01', NULL, 'Arson'),
        (-13, 900005, 'Fine', '2010-06-30', NULL, 'Theft'), (-14, 900005, 'Detention', '2010-06-30', '2012-06-29', 'Theft');
    INSERT INTO jdl_restricted.offence VALUES
        (-1, -9223372036854775808, '2002-02-27', '2004-02-28', 'Convicted', 'Theft'), (-2, -9223372036854775808, '2002-02-28', '2004-02-28', 'Convicted', 'Theft'),
        (-3, -9223372036854775808, '2002-03-01', '2004-02-29', 'Guilty plea', 'theft'), (-4, -9223372036854775808, '2006-01-01', '2005-01-01', 'Caution', NULL),
        (-5, -9223372036854775808, '1990-01-01', '2006-02-27', 'Convicted', 'Drugs'), (-6, -9223372036854775808, 'infinity', '2001-01-01', 'Convicted', 'Rape'),
        (-7, -9223372036854775808, '-infinity', '-infinity', 'Convicted', 'Murder'), (-8, -9223372036854775808, '2000-01-01', 'infinity', 'Convicted', 'Murder'),
        (-9, 900001, '2001-01-01', NULL, 'Convicted', 'Robbery'), (-10, 900001, '2001-01-01', '2001-01-02', NULL, 'Robbery'), (-11, 900001, '2001-01-01', '2001-01-02', 'Penalty notice', 'Robbery'),
        (-12, 900001, '2001-01-01', '2001-01-02', 'Warning', 'Robbery'), (-13, 900004, '2001-01-01', '2001-01-02', 'Warning', 'Robbery');
    INSERT INTO jdl_restricted.circumstance (person_id, as_of_date, employed, on_benefits, drugs_need) VALUES
        (-9223372036854775808, '-infinity', true, true, true), (-9223372036854775808, '2002-03-01', true, true, NULL), (-9223372036854775808, '2003-02-28', NULL, false, true),
        (-9223372036854775808, '2004-02-29', false, NULL, NULL), (-9223372036854775808, 'infinity', true, true, true),
        (900005, '2008-06-30', true, NULL, true), (900005, '2008-07-01', NULL, true, NULL), (900005, '2009-06-30', NULL, NULL, true), (900005, '2009-07-01', NULL, NULL, false),
        (900005, '2010-06-29', true, NULL, NULL), (900005, '2011-06-30', true, NULL, true), (900004, '2005-06-30', true, true, true)";

/// Each covariate by a sub-query of its own, months of employment by looking at each day of the year: slow, and plainly what the page says.
const ORACLE: &str = "
    WITH s AS (SELECT s.*, d.disposal, CASE d.disposal WHEN 'custody' THEN s.end_date ELSE s.start_date END AS index_date FROM jdl_restricted.sentence s, LATERAL (SELECT _jdl_disposal(s.kind) AS disposal) d),
    o AS (SELECT o.*, _jdl_offence_kind(o.offence_group) AS kind FROM jdl_restricted.offence o WHERE _jdl_is_proven(o.outcome)),
    e AS (SELECT s.*, p.date_of_birth, p.date_of_death, p.gender, p.ethnicity, p.nationality, p.postcode, (SELECT min(f.start_date) FROM s f WHERE f.person_id = s.person_id) AS first_start
          FROM s JOIN jdl_restricted.person p USING (person_id) WHERE s.index_date IS NOT NULL AND (p.date_of_death IS NULL OR s.index_date < p.date_of_death))
    SELECT e.sentence_id, e.person_id, e.start_date, e.end_date, e.index_date, extract(year FROM e.index_date)::integer, e.disposal, coalesce(nullif(btrim(e.offence_group), ''), 'unknown'),
        _jdl_gender(e.gender), coalesce(nullif(btrim(e.ethnicity), ''), 'unknown'), coalesce(nullif(btrim(e.nationality), ''), 'unknown'),
        coalesce((SELECT a.region FROM jdl.postcode_area a WHERE a.area = substring(upper(btrim(e.postcode)) FROM '^[A-Z]{1,2}')), 'unknown'),
        extract(year FROM age(e.index_date, e.date_of_birth))::integer, coalesce(extract(year FROM age(e.first_start, e.date_of_birth))::integer, 0),
        (SELECT count(*) FROM s b WHERE b.person_id = e.person_id AND b.start_date < e.start_date),
        (SELECT count(*) FROM s b WHERE b.person_id = e.person_id AND b.start_date < e.start_date AND b.disposal = 'custody'),
        (SELECT count(*) FROM s b WHERE b.person_id = e.person_id AND b.start_date < e.start_date AND b.disposal IN ('community', 'suspended sentence')),
        (SELECT count(*) FROM s b WHERE b.person_id = e.person_id AND b.start_date < e.start_date AND b.disposal = 'caution'),
        (SELECT count(*) FROM s b WHERE b.person_id = e.person_id AND b.start_date < e.start_date AND b.start_date >= e.start_date - interval '24 months'),
        coalesce((SELECT min(least(240, (e.start_date - b.start_date) * 12 / 365)) FROM s b WHERE b.person_id = e.person_id AND b.start_date < e.start_date), 240),
        coalesce((SELECT min(greatest(0, least(240, (e.index_date - b.end_date) * 12 / 365))) FROM s b WHERE b.person_id = e.person_id AND b.start_date < e.start_date AND b.disposal = 'custody'), 240),
        (SELECT count(*) FROM o WHERE o.person_id = e.person_id AND o.outcome_date < e.start_date),
        (SELECT count(*) FROM o WHERE o.person_id = e.person_id AND o.outcome_date < e.start_date AND o.offence_date >= e.start_date - interval '24 months'),
        (SELECT count(*) FROM o WHERE o.person_id = e.person_id AND o.outcome_date < e.start_date AND o.kind = 'violence'),
        (SELECT count(*) FROM o WHERE o.person_id = e.person_id AND o.outcome_date < e.start_date AND o.kind = 'acquisitive'),
        (SELECT count(*) FROM o WHERE o.person_id = e.person_id AND o.outcome_date < e.start_date AND o.kind = 'drugs'),
        (SELECT count(*) FROM o WHERE o.person_id = e.person_id AND o.outcome_date < e.start_date AND o.offence_group = e.offence_group),
        {answers}
    FROM e";

/// The oracle's months and answers: name of the column, its words for no and yes, the column of months.
const ANSWERS: [(&str, &str, &str, &str); 7] = [
    ("employed", "not employed", "employed", "months"),
    ("on_benefits", "no benefits", "on benefits", "months"),
    ("accommodation_need", "no need", "need", ""),
    ("employment_need", "no need", "need", ""),
    ("drugs_need", "no need", "need", ""),
    ("alcohol_need", "no need", "need", ""),
    ("thinking_need", "no need", "need", ""),
];

#[test]
fn every_covariate_is_what_its_own_rule_says() {
    let lab = Lab::new("oracle");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(200, 7)").unwrap();
    let mut admin = lab.admin();
    admin.batch_execute(ODD).unwrap();
    admin.batch_execute("SELECT jdl_register_refresh((SELECT max(extracted_on) FROM jdl.register_version))").unwrap();
    let mut answers = Vec::new();
    for (column, no, yes, months) in ANSWERS {
        answers.push(format!(
            "coalesce((SELECT CASE WHEN c.{column} THEN '{yes}' ELSE '{no}' END FROM jdl_restricted.circumstance c
              WHERE c.person_id = e.person_id AND c.{column} IS NOT NULL AND c.as_of_date <= e.index_date AND c.as_of_date > e.index_date - 365 ORDER BY c.as_of_date DESC LIMIT 1), 'not known')"
        ));
        if !months.is_empty() {
            answers.push(format!(
                "round(12 / 365.0 * (SELECT count(*) FROM generate_series(1, 365) AS d (days)
                  WHERE (SELECT c.{column} AND c.as_of_date > e.index_date - d.days - 365 FROM jdl_restricted.circumstance c
                         WHERE c.person_id = e.person_id AND c.{column} IS NOT NULL AND c.as_of_date <= e.index_date - d.days ORDER BY c.as_of_date DESC LIMIT 1)))"
            ));
        }
    }
    let oracle = ORACLE.replace("{answers}", &answers.join(", "));
    let derived = "SELECT sentence_id, person_id, sentence_start, sentence_end, index_date, index_year, disposal, offence_group, gender, ethnicity, nationality, region, age, age_at_first,
        previous_sanctions, previous_custody, previous_community, previous_cautions, recent_sanctions, months_since_last, months_since_custody, previous_offences, recent_offences,
        previous_violence, previous_acquisitive, previous_drugs, previous_same_group, employment, employed_months, benefits, benefit_months, accommodation_need, employment_need, drugs_need, alcohol_need, thinking_need
        FROM jdl_restricted.index_event";
    for (these, those) in [(oracle.as_str(), derived), (derived, oracle.as_str())] {
        let only = admin.query(&format!("SELECT x::text FROM (({these}) EXCEPT ALL ({those})) x"), &[]).unwrap();
        let only: Vec<String> = only.iter().map(|row| row.get(0)).collect();
        assert!(only.is_empty(), "{only:#?}");
    }
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM jdl_restricted.index_event WHERE sentence_id < 0"), 11);
    // Copas and Marshall's rate to the last digits of its logarithm.
    let worst: f64 = one(
        &mut admin,
        "SELECT max(abs(e.copas_rate - ln((1.0 + e.previous_sanctions) / (10.0 + extract(year FROM age(e.index_date, f.first_start))))))
         FROM jdl_restricted.index_event e JOIN (SELECT person_id, min(start_date) AS first_start FROM jdl_restricted.sentence GROUP BY 1) f USING (person_id)",
    );
    assert!(worst < 1e-14, "{worst}");
}
