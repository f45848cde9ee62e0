//! What people do with linkage besides linking: explain a link, force one, train the model, keep the index up to date.

use jdl_surface::{Lab, one, refusal};
use postgres::Client;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn link(ann: &mut Client, request: i64) -> (i32, i32, i32, i32) {
    let row = ann.query_one("SELECT * FROM jdl_link($1)", &[&request]).unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

/// Record number, person, status and reason of the first record of which `condition` holds.
fn record(lab: &Lab, request: i64, condition: &str) -> (i32, Option<i64>, String, Option<String>) {
    let sql = format!(
        "SELECT record_no, person_id, status, reason FROM jdl_restricted.link WHERE request_id = {request} AND {condition} ORDER BY record_no LIMIT 1"
    );
    let row = lab.admin().query_one(&sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error}"));
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

#[test]
fn the_bars_of_an_explained_link_sum_to_its_match_weight_and_show_no_value() {
    let lab = Lab::new("explain");
    let request = lab.made_up(3_000, 200);
    let mut ann = lab.connect("ann");
    link(&mut ann, request);
    let links = lab
        .admin()
        .query(
            "SELECT record_no, match_weight FROM jdl_restricted.link WHERE request_id = $1 AND match_weight IS NOT NULL ORDER BY record_no",
            &[&request],
        )
        .unwrap();
    assert!(links.len() > 150);
    for row in links.iter().step_by(20) {
        let (record_no, weight): (i32, f64) = (row.get(0), row.get(1));
        let bars = ann.query("SELECT * FROM jdl_explain_link($1, $2)", &[&request, &record_no]).unwrap();
        let sum: f64 = bars.iter().map(|bar| bar.get::<_, f64>("match_weight")).sum();
        assert!((sum - weight).abs() < 1e-9, "record {record_no}: {sum} {weight}");
        let comparisons: Vec<String> = bars.iter().map(|bar| bar.get("comparison")).collect();
        assert_eq!((comparisons[0].as_str(), comparisons.last().unwrap().as_str()), ("starting_weight", "relatives"));
        for bar in &bars {
            let level: String = bar.get("level");
            assert!(level.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{level}");
        }
    }
    let histogram: i64 =
        one(&mut ann, &format!("SELECT sum(linked + suspect + unlinked)::bigint FROM jdl_link_weights({request})"));
    assert_eq!(histogram, links.len() as i64);
    let reasons: i64 = one(&mut ann, &format!("SELECT sum(records)::bigint FROM jdl_link_reasons({request})"));
    assert_eq!(reasons, 200);

    let (nobody, ..) = record(&lab, request, "person_id IS NULL");
    assert!(ann.query("SELECT * FROM jdl_explain_link($1, $2)", &[&request, &nobody]).unwrap().is_empty());
    assert_eq!(refusal(&mut ann, &format!("SELECT * FROM jdl_explain_link({request}, 100000)")).0, "P0002");
    for (person, state) in [("amy", "42501"), ("bea", "42501"), ("dan", "42501")] {
        assert_eq!(
            refusal(&mut lab.connect(person), &format!("SELECT * FROM jdl_explain_link({request}, 1)")).0,
            state
        );
    }
}

fn all_links(lab: &Lab, request: i64) -> String {
    let sql = format!(
        "SELECT md5(string_agg(l::text, ',' ORDER BY record_no)) FROM jdl_restricted.link l WHERE request_id = {request}"
    );
    one(&mut lab.admin(), &sql)
}

#[test]
fn what_the_register_no_longer_holds_is_not_explained_by_a_neighbour_and_not_decided_anew() {
    let lab = Lab::new("gone");
    let request = lab.made_up(3_000, 200);
    link(&mut lab.connect("ann"), request);
    let (record_no, person, ..) = record(&lab, request, "status = 'linked' AND person_id % 16 BETWEEN 3 AND 12");
    let explain = format!("SELECT * FROM jdl_explain_link({request}, {record_no})");
    let force = format!("SELECT * FROM jdl_override_link({request}, {record_no}, 'non_link', 'a reason')");
    lab.admin()
        .batch_execute(&format!("DELETE FROM jdl_restricted.person WHERE person_id = {}", person.unwrap()))
        .unwrap();
    assert_eq!(refusal(&mut lab.connect("bob"), &force).0, "55000", "not refreshed yet");
    lab.connect("dan").batch_execute("SELECT jdl_register_refresh()").unwrap();
    let (state, text) = refusal(&mut lab.connect("ann"), &explain);
    assert_eq!(state, "P0002");
    assert!(text.contains("no longer in the register"), "{text}");
    let (state, text) = refusal(&mut lab.connect("bob"), &force);
    assert_eq!(state, "55000");
    assert!(text.contains("another version of the register"), "{text}");
    // A day that is none is named by field and row, and stops nothing but this refresh.
    lab.admin()
        .batch_execute("UPDATE jdl_restricted.person SET date_of_birth = 'infinity' WHERE person_id = 7")
        .unwrap();
    let (state, text) = refusal(&mut lab.connect("dan"), "SELECT jdl_register_refresh()");
    assert_eq!(state, "22007", "{text}");
    assert!(text.starts_with("person.date_of_birth:") && text.contains("person_id 7"), "{text}");
    lab.admin().batch_execute("UPDATE jdl_restricted.person SET date_of_birth = NULL WHERE person_id = 7").unwrap();
    lab.connect("dan").batch_execute("SELECT jdl_register_refresh()").unwrap();
}

#[test]
fn an_approver_forces_links_and_non_links_with_a_reason_on_the_trail() {
    let lab = Lab::new("override");
    let request = lab.made_up(3_000, 200);
    let (mut ann, mut bob) = (lab.connect("ann"), lab.connect("bob"));
    let before = link(&mut ann, request);
    let untouched = all_links(&lab, request);
    let (record_no, person, ..) = record(&lab, request, "status = 'linked'");
    let force = |force: &str, record_no: i32, rest: &str| {
        format!("SELECT * FROM jdl_override_link({request}, {record_no}, '{force}'{rest})")
    };

    bob.batch_execute(&force("non_link", record_no, ", 'the provider says it is another person'")).unwrap();
    let (_, _, status, reason) = record(&lab, request, &format!("record_no = {record_no}"));
    assert_eq!((status.as_str(), reason.as_deref()), ("unlinked", Some("forced_non_link")));
    let after = link(&mut ann, request);
    assert_eq!((after.0, after.1), (before.0, before.1 - 1), "the step that stands gives the new counts");

    // The person is free now: another record may be forced to them, but only one.
    let (other, ..) = record(&lab, request, "status = 'unlinked' AND person_id IS NULL");
    let name_it = format!(", 'seen on paper', {}", person.unwrap());
    bob.batch_execute(&force("link", other, &name_it)).unwrap();
    let forced = record(&lab, request, &format!("record_no = {other}"));
    assert_eq!((forced.1, forced.2.as_str(), forced.3.as_deref()), (person, "linked", Some("forced_link")));
    let (third, ..) =
        record(&lab, request, &format!("status = 'unlinked' AND record_no NOT IN ({record_no}, {other})"));
    assert_eq!(refusal(&mut bob, &force("link", third, &name_it)).0, "55000");

    // What was taken back is as it was, even if another model is in use by now: only what is decided changes.
    lab.connect("dan").batch_execute("SELECT * FROM jdl_train_linkage()").unwrap();
    bob.batch_execute(&force("none", other, ", 'a mistake'")).unwrap();
    bob.batch_execute(&force("none", record_no, ", 'a mistake'")).unwrap();
    assert_eq!(link(&mut ann, request), before);
    assert_eq!(all_links(&lab, request), untouched);
    let again = record(&lab, request, &format!("record_no = {record_no}"));
    assert_eq!((again.1, again.2.as_str()), (person, "linked"));

    for (sql, state) in [
        (force("link", record_no, ", ''"), "22023"),
        (force("marry", record_no, ", 'a reason'"), "22023"),
        (force("link", 100_000, ", 'a reason'"), "22023"),
        (force("link", third, ", 'a reason', -5"), "22023"),
    ] {
        assert_eq!(refusal(&mut bob, &sql).0, state, "{sql}");
    }
    for person in ["ann", "ida", "dan"] {
        assert_eq!(refusal(&mut lab.connect(person), &force("none", record_no, ", 'a reason'")).0, "42501", "{person}");
    }
    let on_the_trail: i64 = one(
        &mut lab.connect("aud"),
        &format!(
            "SELECT count(*) FROM jdl_audit.event WHERE request_id = {request} AND action = 'override_link' AND actor = 'bob'"
        ),
    );
    assert_eq!(on_the_trail, 4);

    // A match is made again; once outcomes are read it is too late.
    ann.batch_execute(&format!("SELECT * FROM jdl_match({request})")).unwrap();
    bob.batch_execute(&force("non_link", record_no, ", 'the provider says so'")).unwrap();
    let status: String = one(&mut lab.admin(), &format!("SELECT status FROM jdl.request WHERE request_id = {request}"));
    assert_eq!(status, "linked");
    ann.batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    let treated: i64 = one(
        &mut lab.admin(),
        &format!(
            "SELECT count(*) FROM jdl_restricted.pseudonym p JOIN jdl_pseudonymised.member m USING (request_id, pseudonym)
             WHERE request_id = {request} AND p.person_id = {} AND m.treated",
            person.unwrap()
        ),
    );
    assert_eq!(treated, 0, "the person of the forced non-link is not among the treated");
    assert_eq!(refusal(&mut bob, &force("none", record_no, ", 'a mistake'")).0, "55000");
}

#[test]
fn a_trained_model_is_a_new_version_that_the_next_request_uses() {
    let lab = Lab::new("train");
    let request = lab.made_up(5_000, 400);
    let mut dan = lab.connect("dan");
    let row = dan.query_one("SELECT * FROM jdl_train_linkage()", &[]).unwrap();
    let (version, submissions, labelled, in_use): (i32, i32, i64, bool) =
        (row.get("model_version"), row.get("submissions"), row.get("labelled_pairs"), row.get("in_use"));
    assert_eq!((version, submissions, in_use), (2, 400, true));
    assert!((100..400).contains(&labelled), "{labelled}");
    link(&mut lab.connect("ann"), request);
    let step = |key: &str| {
        format!("SELECT summary ->> '{key}' FROM jdl.request_step WHERE request_id = {request} AND step = 'link'")
    };
    assert_eq!(one::<String>(&mut lab.admin(), &step("model_version")), "2");
    let record: i64 = one(
        &mut dan,
        "SELECT (training ->> 'submissions')::bigint FROM jdl.linkage_model WHERE model_version = 2 AND register_version = 1 AND trained_by = 'dan'",
    );
    assert_eq!(record, 400);
    let sums_to_one: bool = one(
        &mut dan,
        "SELECT bool_and(abs(total - 1) < 1e-6) FROM (SELECT sum((l ->> 'm')::float8) AS total FROM jdl.linkage_model m,
             jsonb_array_elements(m.model -> 'comparisons') WITH ORDINALITY c, jsonb_array_elements(c.value -> 'levels') l
         GROUP BY m.model_version, c.ordinality) s",
    );
    assert!(sums_to_one);

    // Kept for later, not used; and refused where there is nothing to train on or nobody may.
    let row =
        dan.query_one(r#"SELECT * FROM jdl_train_linkage(NULL, '{"use": false, "prior_pairs": 500}')"#, &[]).unwrap();
    assert_eq!((row.get::<_, i32>("model_version"), row.get::<_, bool>("in_use")), (3, false));
    assert_eq!(one::<String>(&mut dan, "SELECT value::text FROM jdl.setting WHERE setting = 'linkage_model'"), "2");
    for (person, call, state) in [
        ("ann", "jdl_train_linkage()", "42501"),
        ("dan", "jdl_train_linkage(ARRAY[12345]::bigint[])", "22023"),
        ("dan", r#"jdl_train_linkage(NULL, '{"prior_pairs": -1}')"#, "22023"),
        ("dan", r#"jdl_train_linkage(NULL, '{"prior_pairs": "many"}')"#, "22023"),
        ("dan", r#"jdl_train_linkage(NULL, '{"speed": 1}')"#, "22023"),
    ] {
        assert_eq!(refusal(&mut lab.connect(person), &format!("SELECT * FROM {call}")).0, state, "{person} {call}");
    }
    let next = lab.open("{}");
    lab.assign("ann", next);
    let early = format!(r#"SELECT * FROM jdl_link({next}, '{{"link_probability": 0.4}}')"#);
    assert_eq!(refusal(&mut lab.connect("ann"), &early).0, "22023", "options are looked at before the records");
    lab.load(next, &lab.made_up_list(120, 9)).unwrap();
    for (options, state) in [
        (r#"{"model_version": 77}"#, "22023"),
        (r#"{"model_version": "best"}"#, "22023"),
        (r#"{"train": 1}"#, "22023"),
        (r#"{"model": {}}"#, "22023"),
    ] {
        let call = format!("SELECT * FROM jdl_link({next}, '{options}')");
        assert_eq!(refusal(&mut lab.connect("ann"), &call).0, state, "{options}");
    }
    // A model that was damaged by hand is named as such.
    lab.admin()
        .batch_execute("UPDATE jdl.linkage_model SET model = model - 'version' WHERE model_version = 3")
        .unwrap();
    let (state, text) =
        refusal(&mut lab.connect("ann"), &format!(r#"SELECT * FROM jdl_link({next}, '{{"model_version": 3}}')"#));
    assert_eq!(state, "22023");
    assert!(text.starts_with("model: "), "{text}");
    // Trained on the very cohort before it decides.
    lab.connect("ann")
        .batch_execute(&format!(r#"SELECT * FROM jdl_link({next}, '{{"train": true, "model_version": 1}}')"#))
        .unwrap();
    let trained: bool = one(
        &mut lab.admin(),
        &format!("SELECT summary ? 'training' FROM jdl.request_step WHERE request_id = {next} AND step = 'link'"),
    );
    assert!(trained);
    lab.connect("ann").batch_execute(&format!("SELECT * FROM jdl_explain_link({next}, 1)")).unwrap();
}

#[test]
fn identifiers_that_do_not_go_one_to_one_are_reported_without_showing_them() {
    let lab = Lab::new("identifiers");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(3000, 1)").unwrap();
    let request = lab.open("{}");
    let list = lab.made_up_list(150, 7);
    // A row of the list with its identifiers, sent a second time under another name.
    let told = list.lines().skip(1).find(|line| line.split(',').nth(5).is_some_and(|id| id.len() > 8)).unwrap();
    let mut cells: Vec<&str> = told.split(',').collect();
    (cells[0], cells[1]) = ("Zebedee", "Quixwell");
    lab.load(request, &format!("{list}{}\n", cells.join(","))).unwrap();
    lab.assign("ann", request);
    let mut ann = lab.connect("ann");
    link(&mut ann, request);
    let rows = ann.query("SELECT * FROM jdl_link_identifiers($1)", &[&request]).unwrap();
    let told = rows.iter().any(|row| {
        row.get::<_, String>("finding") == "one identifier, several records"
            && row.get::<_, Vec<i32>>("record_nos").contains(&151)
    });
    assert!(told);

    let mut dan = lab.connect("dan");
    let cases = "SELECT coalesce(sum(cases), 0)::bigint FROM jdl_register_identifiers() WHERE identifier = 'pnc_id' AND finding LIKE ";
    let (shared, split): (i64, i64) =
        (one(&mut dan, &format!("{cases} 'one%'")), one(&mut dan, &format!("{cases} 'same name%'")));
    lab.admin()
        .batch_execute(
            "INSERT INTO jdl_restricted.person (person_id, pnc_id, forename, surname, date_of_birth)
                 SELECT 1000000 + person_id, CASE WHEN person_id = 5 THEN pnc_id ELSE '1999/0000001G' END, forename, surname, date_of_birth
                 FROM jdl_restricted.person WHERE person_id IN (5, 6)",
        )
        .unwrap();
    assert_eq!(one::<i64>(&mut dan, &format!("{cases} 'one%'")), shared + 1);
    assert_eq!(one::<i64>(&mut dan, &format!("{cases} 'same name%'")), split + 1);
}

/// A digest of everything that linkage looks up.
fn index_digest(lab: &Lab) -> (String, i64) {
    let row = lab
        .admin()
        .query_one(
            "SELECT md5(concat_ws('/', (SELECT string_agg(bucket || ':' || md5(entries), ',' ORDER BY bucket) FROM jdl_restricted.linkage_key),
                 (SELECT string_agg(bucket || ':' || md5(entries), ',' ORDER BY bucket) FROM jdl_restricted.term_frequency),
                 (SELECT string_agg(bundle || ':' || md5(records), ',' ORDER BY bundle) FROM jdl_restricted.linkage_record),
                 (SELECT key_bits || ' ' || term_bits FROM jdl_restricted.linkage_index))),
                 (SELECT count(*) FROM jdl_restricted.linkage_record)",
            &[],
        )
        .unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn an_index_kept_up_to_date_is_the_index_built_anew() {
    let lab = Lab::new("increment");
    let mut dan = lab.connect("dan");
    dan.batch_execute("SELECT jdl_synthesise_register(4000, 3)").unwrap();
    let mut admin = lab.admin();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..5 {
        for _ in 0..20 {
            let person: i64 = rng.random_range(1..4_000);
            let other: i64 = rng.random_range(1..4_000);
            let change = match rng.random_range(0..7) {
                0 => format!("UPDATE jdl_restricted.person SET forename = 'Zebedee' WHERE person_id = {person}"),
                1 => format!("UPDATE jdl_restricted.person SET postcode = NULL, pnc_id = NULL WHERE person_id = {person}"),
                2 => format!("INSERT INTO jdl_restricted.alias VALUES ({person}, 'Zeb', 'Quixwell', '1980-02-03')"),
                3 => format!(
                    "DELETE FROM jdl_restricted.offence WHERE person_id = {person}; DELETE FROM jdl_restricted.sentence WHERE person_id = {person};
                     DELETE FROM jdl_restricted.alias WHERE person_id = {person}; DELETE FROM jdl_restricted.circumstance WHERE person_id = {person};
                     DELETE FROM jdl_restricted.person WHERE person_id = {person}"
                ),
                4 => format!("DELETE FROM jdl_restricted.sentence WHERE person_id = {person}"),
                5 => format!("UPDATE jdl_restricted.sentence SET start_date = start_date - 1 WHERE person_id = {person}"),
                _ => format!(
                    "INSERT INTO jdl_restricted.person SELECT {round} * 100000 + 90000 + {person}, pnc_id, cro, prison_number, forename, middle_name, surname,
                         date_of_birth, gender, ethnicity, nationality, postcode FROM jdl_restricted.person WHERE person_id = {other} ON CONFLICT DO NOTHING"
                ),
            };
            admin.batch_execute(&change).unwrap();
        }
        // A postcode becomes an institution, for those too who have held it long, and is one no longer; a person has the smallest of ids.
        for change in match round {
            1 => vec!["UPDATE jdl_restricted.person SET postcode = 'LS1 4DY' WHERE person_id BETWEEN 100 AND 150"],
            2 => vec![
                "UPDATE jdl_restricted.person SET postcode = 'LS1 4DY' WHERE person_id BETWEEN 200 AND 300",
                "INSERT INTO jdl_restricted.person (person_id, forename, surname) VALUES (-9223372036854775808, 'Ann', 'Lee')",
            ],
            4 => vec!["UPDATE jdl_restricted.person SET postcode = 'LS2 7EW' WHERE person_id BETWEEN 110 AND 310"],
            _ => vec![],
        } {
            admin.batch_execute(change).unwrap();
        }
        let row = dan.query_one("SELECT * FROM jdl_register_refresh()", &[]).unwrap();
        assert!(!row.get::<_, bool>("rebuilt"));
        let hostels: Vec<String> = one(
            &mut admin,
            "SELECT coalesce(array_agg(postcode::text), '{}') FROM jdl_restricted.institution_postcode WHERE postcode IN ('LS1 4DY', 'LS2 7EW')",
        );
        assert_eq!(hostels.len(), usize::from(round >= 2), "{hostels:?}");
        let counted: (i64, i64, i64) = (row.get("persons"), row.get("sentences"), row.get("offences"));
        let kept = index_digest(&lab);
        let there = admin
            .query_one("SELECT (SELECT count(*) FROM jdl_restricted.person), (SELECT count(*) FROM jdl_restricted.sentence), (SELECT count(*) FROM jdl_restricted.offence)", &[])
            .unwrap();
        assert_eq!(counted, (there.get(0), there.get(1), there.get(2)), "counted without counting");
        admin.batch_execute("SELECT _jdl_build_linkage_index(NULL)").unwrap();
        assert_eq!(kept, index_digest(&lab), "round {round}");
    }
    // One that another version of the extension built is not edited but built anew.
    admin.batch_execute("UPDATE jdl_restricted.linkage_index SET key_version = 0").unwrap();
    assert!(dan.query_one("SELECT * FROM jdl_register_refresh()", &[]).unwrap().get::<_, bool>("rebuilt"));
    // However little memory there is, and however many passes that takes.
    let whole = index_digest(&lab);
    admin.batch_execute("SET maintenance_work_mem = '1MB'; SELECT _jdl_build_linkage_index(NULL)").unwrap();
    assert_eq!(index_digest(&lab), whole);
}

#[test]
fn an_empty_register_a_register_of_one_and_a_record_of_nothing_are_said_or_unlinked() {
    let lab = Lab::new("little");
    let request = lab.open("{}");
    let nothing =
        "forename,surname,date_of_birth\n".to_owned() + &",,\n".repeat(3) + &"Ann,Lee,1980-05-06\n".repeat(80);
    lab.load(request, &nothing).unwrap();
    lab.assign("ann", request);
    let mut ann = lab.connect("ann");
    let call = format!("SELECT * FROM jdl_link({request})");
    let (state, text) = refusal(&mut ann, &call);
    assert_eq!(state, "55000");
    assert!(text.starts_with("the register is empty"), "{text}");
    lab.admin()
        .batch_execute(
            "UPDATE jdl.setting SET value = '0' WHERE setting IN ('minimum_treatment', 'minimum_records');
             UPDATE jdl.setting SET value = '1' WHERE setting = 'largest_error_share';
             INSERT INTO jdl_restricted.person (person_id, forename, surname, date_of_birth, pnc_id) VALUES (7, 'Ann', 'Lee', '1980-05-06', '2002/0073319Z')",
        )
        .unwrap();
    lab.connect("dan").batch_execute("SELECT jdl_register_refresh(current_date)").unwrap();
    let (submitted, linked, suspect, unlinked) = link(&mut ann, request);
    assert_eq!((submitted, linked + suspect + unlinked), (83, 83));
    assert!(linked <= 1, "one person is linked once: {linked}");
    for record_no in 1..=3 {
        assert_eq!(record(&lab, request, &format!("record_no = {record_no}")).2, "unlinked");
    }
}

#[test]
fn a_cancelled_link_leaves_nothing_and_the_next_one_gives_the_same() {
    let lab = Lab::new("cancel_link");
    let request = lab.made_up(20_000, 3_000);
    let mut ann = lab.connect("ann");
    let expected: String = {
        let mut transaction = ann.transaction().unwrap();
        transaction.batch_execute(&format!("SELECT * FROM jdl_link({request})")).unwrap();
        transaction.rollback().unwrap();
        traces(&lab, request)
    };
    let token = ann.cancel_token();
    let call = format!("SELECT * FROM jdl_link({request})");
    let mut stopped = 0;
    // At several moments of it; which ones depends on the machine, what is left does not.
    for after in [5, 20, 60, 120, 200] {
        let stopper = std::thread::spawn({
            let token = token.clone();
            move || {
                std::thread::sleep(std::time::Duration::from_millis(after));
                token.cancel_query(postgres::NoTls).unwrap();
            }
        });
        let mut transaction = ann.transaction().unwrap();
        let asked = std::time::Instant::now();
        if let Err(error) = transaction.batch_execute(&call) {
            assert_eq!(error.code().unwrap().code(), "57014", "{error}");
            println!("a link cancelled after {after} ms ended after {:?}", asked.elapsed());
            stopped += 1;
        }
        stopper.join().unwrap();
        // A cancel that comes late must not meet the next statement.
        let _ = transaction.batch_execute("SELECT pg_sleep(0.01)");
        transaction.rollback().unwrap();
        assert_eq!(traces(&lab, request), expected);
    }
    assert!(stopped > 0);
    assert_eq!(link(&mut ann, request).0, 3_000);
}

fn traces(lab: &Lab, request: i64) -> String {
    let sql = format!(
        "SELECT concat_ws(' ', (SELECT status FROM jdl.request WHERE request_id = {request}), (SELECT count(*) FROM jdl.request_step), (SELECT count(*) FROM jdl_restricted.link))"
    );
    one(&mut lab.admin(), &sql)
}
