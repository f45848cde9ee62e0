//! What must hold before a report is released: its certificate, and that no earlier release is about the same people but for a few, also when
//! nothing individual is left of those.

use std::os::unix::fs::PermissionsExt;

use jdl_surface::{Lab, one, refusal};
use postgres::Client;
use serde_json::Value;

/// A request with this list, reported by ann; `provider` may be spelt in any way.
fn reported(lab: &Lab, provider: &str, list: &str) -> i64 {
    reported_by_plan(lab, provider, list, "")
}

/// The same after a statement of hers, in which `$1` is the request.
fn reported_by_plan(lab: &Lab, provider: &str, list: &str, plan: &str) -> i64 {
    let sql = format!("SELECT jdl_open_request('{provider}', 'a service', 'cjsm', '{}')", jdl_surface::ASSURED);
    let request = one(&mut lab.connect("ida"), &sql);
    lab.load(request, list).unwrap();
    lab.assign("ann", request);
    lab.connect("ann")
        .batch_execute(&format!("{plan}; SELECT jdl_report({request})").replace("$1", &request.to_string()))
        .unwrap();
    request
}

/// Topic, finding and whether it stops, in order.
fn check(client: &mut Client, request: i64) -> Vec<(String, String, bool)> {
    let rows = client.query(&format!("SELECT * FROM jdl_release_check({request})"), &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// The findings that stop, together.
fn stopped(client: &mut Client, request: i64) -> String {
    let stops = check(client, request).into_iter().filter(|row| row.2);
    stops.map(|row| format!("{}: {}", row.0, row.1)).collect::<Vec<_>>().join("; ")
}

fn release(lab: &Lab, request: i64) -> Result<(), (String, String)> {
    let sql = format!("SELECT jdl_approve({request}), jdl_release({request})");
    match lab.connect("bob").batch_execute(&sql) {
        Ok(()) => Ok(()),
        Err(error) => {
            let error = error.as_db_error().unwrap();
            Err((error.code().code().to_owned(), error.detail().unwrap_or_default().to_owned()))
        }
    }
}

/// A list without some of its records, counted from 1.
fn without(list: &str, records: &[usize]) -> String {
    list.lines().enumerate().filter(|(at, _)| !records.contains(at)).map(|(_, line)| format!("{line}\n")).collect()
}

fn linked_records(lab: &Lab, request: i64) -> Vec<usize> {
    let sql = format!(
        "SELECT array_agg(record_no ORDER BY record_no) FROM jdl_restricted.link WHERE request_id = {request} AND status = 'linked'"
    );
    one::<Vec<i32>>(&mut lab.admin(), &sql).into_iter().map(|n| n as usize).collect()
}

fn destroy(lab: &Lab, request: i64) -> Value {
    lab.admin()
        .batch_execute(&format!("UPDATE jdl.request SET destroy_on = current_date - 1 WHERE request_id = {request}"))
        .unwrap();
    one(&mut lab.connect("bob"), &format!("SELECT jdl_destroy({request})"))
}

#[test]
fn the_same_people_but_for_one_are_found_when_nothing_individual_is_left() {
    let lab = Lab::new("differencing");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(8000, 1)").unwrap();
    let (list, other) = (lab.made_up_list(300, 7), lab.made_up_list(320, 8));
    let (mut ann, mut bob) = (lab.connect("ann"), lab.connect("bob"));

    // The first release of the provider has nothing to be compared with.
    let first = reported(&lab, "Example Trust", &list);
    let linked = linked_records(&lab, first);
    let said = check(&mut ann, first);
    println!("{said:#?}");
    assert!(said.iter().all(|row| !row.2), "{said:?}");
    let topics: Vec<&str> = said.iter().map(|row| row.0.as_str()).collect();
    for topic in ["hidden", "footnote", "certificate", "earlier releases"] {
        assert!(topics.contains(&topic), "{topics:?}");
    }
    assert!(said.iter().any(|row| row.1.contains("checked by integer addition")));
    assert!(
        said.iter().any(|row| row.1 == "compared with 0 earlier releases: none is about the same people but for a few")
    );
    let secret: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl_pseudonymised.certificate");
    assert_eq!(secret, 1);
    let nothing_to_decide = format!("SELECT jdl_decide_release({first}, 'replace', 'why')");
    assert_eq!(refusal(&mut bob, &nothing_to_decide).0, "55000");
    release(&lab, first).unwrap();
    let record = bob
        .query_one(&format!("SELECT to_jsonb(r) FROM jdl.release_record r WHERE request_id = {first}"), &[])
        .unwrap();
    let record: Value = record.get(0);
    assert_eq!(
        (&record["approved_by"], &record["released_by"], &record["differencing"]),
        (&"bob".into(), &"bob".into(), &"sketch".into())
    );
    assert_eq!(
        (record["rules"]["threshold"].as_i64(), record["certificate_hash"].as_str().map(str::len)),
        (Some(10), Some(64))
    );
    assert!(record["seed"].as_i64() > Some(0) && record["engine"].is_string() && record["report_digest"].is_string());

    // Everything individual goes, and the certificate with it; the sketches stay, and are said.
    let certificate = destroy(&lab, first);
    assert_eq!(certificate["kept_rows"]["sketches"], 2);
    assert!(certificate["kept"].as_str().unwrap().contains("Keyed sketches"));
    let gone: bool = one(
        &mut lab.admin(),
        &format!(
            "SELECT NOT EXISTS (SELECT FROM jdl_restricted.link WHERE request_id = {first}) AND NOT EXISTS (SELECT FROM jdl_pseudonymised.certificate)"
        ),
    );
    assert!(gone);
    let dpia: Value = one(&mut bob, &format!("SELECT jdl_dpia({first})"));
    assert_eq!(dpia["fingerprints"]["kept"].as_array().unwrap().len(), 2, "{}", dpia["fingerprints"]);
    assert!(check(&mut ann, first).iter().any(|row| row.1.contains("it is destroyed, its keyed hash is")));

    // The same list without one person, under another spelling of the name.
    let second = reported(&lab, " example  TRUST ", &without(&list, &linked[..1]));
    let why = stopped(&mut ann, second);
    assert!(why.contains(&format!("those of request {first}, but for about 5 or fewer people")), "{why}");
    let (state, detail) = release(&lab, second).unwrap_err();
    assert_eq!(state, "55000");
    assert!(detail.contains("about 5 or fewer"), "{detail}");
    // The comparison is on the trail, and so is the attempt, which was undone.
    let trail: (i64, i64) = {
        let row = lab.connect("aud").query_one(
            &format!("SELECT count(*) FILTER (WHERE action = 'compare_releases' AND detail ->> 'flags' >= '1'), count(*) FILTER (WHERE action = 'refused') FROM jdl_audit.event WHERE request_id = {second}"), &[]).unwrap();
        (row.get(0), row.get(1))
    };
    assert!(trail.0 >= 1 && trail.1 == 1, "{trail:?}");
    // Nobody gets at the numbers behind it, and who analysed or opened it does not decide.
    for person in ["ida", "ann", "dan", "aud", "bea"] {
        let mut client = lab.connect(person);
        assert_eq!(
            refusal(&mut client, &format!("SELECT jdl_decide_release({second}, 'replace', 'why')")).0,
            "42501",
            "{person}"
        );
        for sql in [
            "SELECT * FROM jdl_restricted.sketch",
            "SELECT * FROM _jdl_sketch(ARRAY[1, 2])",
            "SELECT _jdl_compare_sketches('{}', '[]')",
            "SELECT _jdl_keyed_hash('x')",
            "SELECT _jdl_key_ids()",
        ] {
            assert_eq!(refusal(&mut client, sql).0, "42501", "{person}: {sql}");
        }
    }
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({second})")).unwrap();
    for (decision, reason) in [("release it", "why"), ("replace", " ")] {
        assert_eq!(
            refusal(&mut bob, &format!("SELECT jdl_decide_release({second}, '{decision}', '{reason}')")).0,
            "22023"
        );
    }
    let told: String =
        one(&mut bob, &format!("SELECT jdl_decide_release({second}, 'replace', 'one record was entered twice')"));
    assert_eq!(told, format!("request {second} may be released; it will supersede request {first}"));
    release(&lab, second).unwrap();
    let states: Vec<(i64, String)> = lab
        .connect("bea")
        .query("SELECT DISTINCT request_id, state FROM jdl.published_results ORDER BY 1", &[])
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    assert_eq!(states, [(first, "superseded".to_owned()), (second, "current".to_owned())]);
    let decided: bool =
        one(&mut bob, &format!("SELECT decision_id IS NOT NULL FROM jdl.release_record WHERE request_id = {second}"));
    assert!(decided);

    // Other people pass; two lists in one are two releases put together, and are refused.
    let part = |records: std::ops::Range<usize>| -> String {
        let header = other.lines().take(1);
        header
            .chain(other.lines().skip(1 + records.start).take(records.len()))
            .map(|line| format!("{line}\n"))
            .collect()
    };
    let halves: Vec<i64> = [0..160, 160..320]
        .into_iter()
        .map(|records| {
            let request = reported(&lab, "Example Trust", &part(records));
            assert_eq!(stopped(&mut ann, request), "");
            release(&lab, request).unwrap();
            request
        })
        .collect();
    let both = reported(&lab, "Example Trust", &part(1..320));
    let why = stopped(&mut ann, both);
    let together =
        format!("those of requests {} and {} together, but for about 5 or fewer people", halves[0], halves[1]);
    assert!(why.contains(&together), "{why}");
    let ended: String = one(&mut bob, &format!("SELECT jdl_decide_release({both}, 'refuse', 'nothing new')"));
    assert!(ended.starts_with("rejected"), "{ended}");

    // A list with three new people: all are to be analysed together.
    let more = reported(&lab, "Example Trust", &format!("{list}{}", without(&part(0..3), &[0])));
    assert_ne!(stopped(&mut ann, more), "");
    let ended: String = one(&mut bob, &format!("SELECT jdl_decide_release({more}, 'merge', 'three came later')"));
    assert!(ended.starts_with("halted"), "{ended}");
    // Another provider is another intruder. A withdrawn report is still in the hands of whoever received it, however it spells its name.
    let elsewhere = reported(&lab, "Another Trust", &without(&part(0..160), &[1, 2]));
    assert_eq!(stopped(&mut ann, elsewhere), "");
    bob.batch_execute(&format!("SELECT jdl_withdraw({}, 'an error')", halves[0])).unwrap();
    let respelt = reported(&lab, " example  TRUST", &without(&part(0..160), &[1, 2]));
    assert!(stopped(&mut ann, respelt).contains(&format!("those of request {}, but for", halves[0])));

    // A sub-group of a released report comes again as a list of its own, without one of its people.
    let plan = r#"SELECT jdl_plan($1, '{"sub_groups": {"gender": ["male"]}}')"#;
    let third = lab.made_up_list(300, 9);
    let whole = reported_by_plan(&lab, "Third Trust", &third, plan);
    let women_and_one = format!(
        "SELECT array_agg(l.record_no) FROM (SELECT record_no, p.gender, row_number() OVER (PARTITION BY p.gender ORDER BY record_no) AS place
             FROM jdl_restricted.link l JOIN jdl_restricted.person p USING (person_id) WHERE l.request_id = {whole} AND l.status = 'linked') l
         WHERE _jdl_gender(l.gender) <> 'male' OR l.place = 1"
    );
    let women_and_one: Vec<i32> = one(&mut lab.admin(), &women_and_one);
    let women_and_one: Vec<usize> = women_and_one.into_iter().map(|n| n as usize).collect();
    release(&lab, whole).unwrap();
    let men = reported(&lab, "Third Trust", &without(&third, &women_and_one));
    let why = stopped(&mut ann, men);
    assert!(why.contains(&format!("analysed are those of request {whole} (gender: male), but for")), "{why}");
    assert!(one::<bool>(&mut lab.connect("aud"), "SELECT intact FROM jdl_audit_verify()"));
}

/// Writes a key file beside the cluster's, readable by its owner only.
fn key_file(name: &str, text: &str) -> String {
    let path = format!("{}/{name}-{}.key", std::env::var("PGHOST").unwrap(), std::process::id());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn use_key_file(lab: &Lab, path: &str) {
    lab.admin().batch_execute(&format!("ALTER DATABASE {} SET jdl.key_file = '{path}'", lab.database)).unwrap();
}

#[test]
fn without_a_key_a_live_instance_releases_nothing_and_keys_can_be_changed() {
    let lab = Lab::new("keys");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(6000, 1)").unwrap();
    let (list, other) = (lab.made_up_list(250, 7), lab.made_up_list(250, 8));
    use_key_file(&lab, "");
    let first = reported(&lab, "Example Trust", &list);
    // A training instance without a key is excused, and says so; one whose file is of no use is not.
    let said = check(&mut lab.connect("ann"), first);
    for words in ["no key: jdl.key_file is not set", "not compared: there was no key"] {
        assert!(said.iter().any(|row| row.1.contains(words) && !row.2), "{said:?}");
    }
    let tried = reported(&lab, "Another Trust", &list);
    release(&lab, tried).unwrap();
    let unkeyed: bool = one(
        &mut lab.admin(),
        &format!(
            "SELECT certificate_hash IS NULL AND key_id IS NULL FROM jdl.release_record WHERE request_id = {tried}"
        ),
    );
    assert!(unkeyed);
    use_key_file(&lab, "/nowhere");
    let (state, detail) = release(&lab, first).unwrap_err();
    assert!(state == "55000" && detail.contains("cannot be read"), "{detail}");
    use_key_file(&lab, "");
    assert_eq!(
        refusal(
            &mut lab.connect("ann"),
            r#"SELECT * FROM jdl_suppress('SELECT ''a'', 30', '{"rounding": "random5"}')"#
        )
        .0,
        "55000"
    );

    // Files that are no key are refused, and neither their name nor their text is told.
    let (one_key, other_key) = (format!("1 {}\n", "4d".repeat(32)), format!("2 {}\n", "7e".repeat(32)));
    let good = key_file("good", &one_key);
    let open = key_file("open", &one_key);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let inside = format!("{}/data/jdl.key", std::env::var("PGHOST").unwrap());
    std::fs::write(&inside, &one_key).unwrap();
    std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o600)).unwrap();
    let nonsense = key_file("nonsense", "SECRET words");
    let mut admin = lab.admin();
    for (path, problem) in [
        (open.as_str(), "read by everybody"),
        (&inside, "data directory"),
        (&nonsense, "line 1"),
        ("/nowhere", "cannot be read"),
        ("beside.key", "absolute path"),
        ("/dev/zero", "no file"),
    ] {
        admin.batch_execute(&format!("SET jdl.key_file = '{path}'")).unwrap();
        let said: String = one(&mut admin, "SELECT _jdl_key_problem()");
        assert!(said.contains(problem) && !said.contains("SECRET") && !said.contains(path), "{path}: {said}");
    }
    std::fs::remove_file(&inside).unwrap();

    // The key comes late: the people are still known, so the release makes its sketches.
    use_key_file(&lab, &good);
    assert_eq!(stopped(&mut lab.connect("ann"), first), "");
    release(&lab, first).unwrap();
    // Nobody but a superuser chooses another key, loaded library or not.
    let mut ann = lab.connect("ann");
    let _ = ann.batch_execute("SET jdl.key_file = '/nowhere'");
    let rounded = r#"SELECT value FROM jdl_suppress('SELECT ''a'', 33', '{"rounding": "random5"}') WHERE cell ->> '?column?' = 'a'"#;
    let value: i64 = one(&mut ann, rounded);
    assert!(value == 30 || value == 35, "{value}");
    assert_eq!(refusal(&mut ann, "SET jdl.key_file = '/nowhere'").0, "42501");
    assert_eq!(refusal(&mut ann, "SHOW jdl.key_file").0, "42501");
    for _ in 0..20 {
        assert_eq!(one::<i64>(&mut ann, rounded), value, "sticky");
    }

    // The same number for another secret is noticed.
    let forged = key_file("forged", &format!("1 {}\n", "5b".repeat(32)));
    use_key_file(&lab, &forged);
    let sql = format!("SELECT jdl_open_request('Example Trust', 'a service', 'cjsm', '{}')", jdl_surface::ASSURED);
    let late: i64 = one(&mut lab.connect("ida"), &sql);
    lab.load(late, &other).unwrap();
    lab.assign("ann", late);
    let (state, text) = refusal(&mut lab.connect("ann"), &format!("SELECT jdl_analyse({late})"));
    assert!(state == "55000" && text.contains("is not the key that earlier sketches were made with"), "{text}");

    // Both keys in the file: old and new releases stay comparable. Then the old one goes, and its sketches with it.
    let both = key_file("both", &format!("{one_key}{other_key}"));
    use_key_file(&lab, &both);
    let again = reported(&lab, "Example Trust", &without(&list, &linked_records(&lab, first)[..1]));
    assert!(stopped(&mut lab.connect("ann"), again).contains("about 5 or fewer"));
    let keys: i64 = one(
        &mut lab.admin(),
        &format!("SELECT count(DISTINCT key_id) FROM jdl_restricted.sketch WHERE request_id = {again}"),
    );
    assert_eq!(keys, 2);
    let (state, _) = refusal(&mut lab.connect("dan"), "SELECT jdl_expire_sketches(1, 'old')");
    assert_eq!(state, "55000", "still in the file");
    use_key_file(&lab, &key_file("new", &other_key));
    assert_eq!(refusal(&mut lab.connect("ann"), "SELECT jdl_expire_sketches(1, 'old')").0, "42501");
    let expired: i64 = one(&mut lab.connect("dan"), "SELECT jdl_expire_sketches(1, 'five years are over')");
    assert_eq!(expired, 4, "two sets of two requests");
    let said = check(&mut lab.connect("ann"), again);
    assert!(
        said.iter().any(|row| row.1.contains(&format!(
            "not comparable, because their sketches are gone with their key or were never made: request {first}"
        ))),
        "{said:?}"
    );
}

#[test]
fn a_live_instance_without_a_key_releases_nothing() {
    let lab = Lab::new("live_key");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(6000, 1)").unwrap();
    use_key_file(&lab, "");
    let request = reported(&lab, "Example Trust", &lab.made_up_list(250, 7));
    lab.admin()
        .batch_execute(
            r#"UPDATE jdl.setting SET value = '"live"' WHERE setting = 'instance';
               SELECT jdl_grant_access('bob', 'jdl_approver', NULL, 'head of unit', current_date - 30)"#,
        )
        .unwrap();
    let (state, detail) = release(&lab, request).unwrap_err();
    assert!(state == "55000" && detail.contains("no key: jdl.key_file is not set"), "{detail}");
}

#[test]
fn a_lab_that_keeps_no_sketches_publishes_numbers_rounded_by_record_keys() {
    let lab = Lab::new("perturb");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(8000, 1)").unwrap();
    let list = lab.made_up_list(400, 7);
    let request = reported(&lab, "Example Trust", &list);
    let exact: Value = one(&mut lab.connect("ann"), &format!("SELECT jdl_report({request})"));
    lab.connect("dan")
        .batch_execute(r#"UPDATE jdl.setting SET value = '"perturb"' WHERE setting = 'differencing'"#)
        .unwrap();
    let wrong =
        refusal(&mut lab.connect("dan"), r#"UPDATE jdl.setting SET value = '"off"' WHERE setting = 'differencing'"#);
    assert_eq!(wrong.0, "23514");
    // The report with exact numbers does not go out any more; the analyst makes it anew.
    let why = stopped(&mut lab.connect("bob"), request);
    assert!(why.contains("the analyst runs jdl_report again"), "{why}");
    let report: Value = one(&mut lab.connect("ann"), &format!("SELECT jdl_report({request})"));
    let figures = |report: &Value, key: &str| -> Vec<u64> {
        let rate = &report["measures"][0];
        ["treatment", "comparison"].iter().map(|group| rate[*group][key].as_u64().unwrap()).collect()
    };
    for key in ["n", "events"] {
        for (shown, was) in figures(&report, key).into_iter().zip(figures(&exact, key)) {
            assert!(shown % 5 == 0, "{key} {shown}");
            // Of the comparison group the weighted events are shown.
            assert!(key == "events" || shown.abs_diff(was) < 5, "{key} {shown} {was}");
        }
    }
    assert_eq!(one::<Value>(&mut lab.connect("ann"), &format!("SELECT jdl_report({request})")), report, "made once");
    let text: String = one(&mut lab.connect("ann"), &format!("SELECT jdl_report_text({request})"));
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains("rounded to a multiple of 5"), "{text}");
    assert_eq!(stopped(&mut lab.connect("bob"), request), "");
    release(&lab, request).unwrap();
    let kept: (String, i64) = {
        let row = lab.admin().query_one("SELECT max(differencing), (SELECT count(*) FROM jdl_restricted.sketch WHERE made_on IS NULL) FROM jdl.release_record", &[]).unwrap();
        (row.get(0), row.get(1))
    };
    assert_eq!(kept, ("perturb".to_owned(), 0));
    // A request that begins under this setting leaves no sketch at all.
    let second = reported(&lab, "Example Trust", &without(&list, &[1]));
    assert_eq!(
        one::<i64>(
            &mut lab.admin(),
            &format!("SELECT count(*) FROM jdl_restricted.sketch WHERE request_id = {second}")
        ),
        0
    );
    release(&lab, second).unwrap();
    let published: i64 = one(
        &mut lab.connect("bea"),
        "SELECT count(*) FROM jdl.published_results WHERE treatment_n % 5 <> 0 OR comparison_n % 5 <> 0",
    );
    assert_eq!(published, 0);
}

#[test]
fn a_certificate_that_does_not_hold_stops_the_release() {
    let lab = Lab::new("certificate");
    let request = lab.made_up(6_000, 250);
    lab.connect("ann").batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({request})")).unwrap();
    let mut admin = lab.admin();
    for (tampering, said) in [
        (
            "UPDATE jdl.report SET report = jsonb_set(report, '{groups,treatment_n}', '77')",
            "the report was changed after its certificate was made",
        ),
        (
            "UPDATE jdl.report SET disclosure = jsonb_set(disclosure, '{evidence,cells,0,value}', '77')",
            "about other numbers than are published",
        ),
        ("UPDATE jdl_pseudonymised.certificate SET proof = substr(proof, 1, 40)", "cannot be read"),
        (
            "UPDATE jdl_pseudonymised.certificate SET proof = set_byte(proof, 12, (get_byte(proof, 12) + 1) % 256)",
            "certificate",
        ),
        ("DELETE FROM jdl_pseudonymised.certificate", "there is none"),
    ] {
        admin.batch_execute(&format!("BEGIN; {tampering}")).unwrap();
        let why: String =
            one(&mut admin, &format!("SELECT string_agg(finding, ';') FROM jdl_release_check({request}) WHERE stops"));
        assert!(why.contains(said), "{tampering}: {why}");
        admin.batch_execute("ROLLBACK").unwrap();
    }
    lab.connect("bob").batch_execute(&format!("SELECT jdl_release({request})")).unwrap();
}

#[test]
fn every_option_of_suppression_does_what_it_says() {
    let lab = Lab::new("suppress");
    let mut admin = lab.admin();
    admin
        .batch_execute(
            "CREATE TABLE counts (prison text, outcome text, n integer);
             INSERT INTO counts VALUES ('Leeds', 'yes', 4), ('Leeds', 'no', 40), ('Durham', 'yes', 26), ('Durham', 'no', 31), ('Kent', 'yes', 33), ('Kent', 'no', 52), ('Dover', 'yes', 0), ('Dover', 'no', 12);
             CREATE TABLE offences (prison text, person bigint, n bigint);
             INSERT INTO offences SELECT 'Leeds', p, CASE p WHEN 1 THEN 90 ELSE 2 END FROM generate_series(1, 20) p; INSERT INTO offences SELECT 'Kent', p + 100, 3 FROM generate_series(1, 40) p;
             INSERT INTO offences SELECT 'Dover', p + 200, 3 FROM generate_series(1, 40) p",
        )
        .unwrap();
    // Each cell as `labels=value/status`, totals as *.
    let mut run = |query: &str, options: &str| -> std::collections::BTreeMap<String, (Option<i64>, String)> {
        let rows = admin
            .query(
                "SELECT (SELECT string_agg(coalesce(v, '*'), ' ' ORDER BY k) FROM jsonb_each_text(cell) e (k, v)), value, status FROM jdl_suppress($1, ($2::text)::jsonb)",
                &[&query, &options],
            )
            .unwrap_or_else(|error| panic!("{options}: {error:?}"));
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get::<_, String>(2)))).collect()
    };
    let counts = "SELECT outcome, prison, n FROM counts";
    let hidden = |cells: &std::collections::BTreeMap<String, (Option<i64>, String)>| {
        cells.values().filter(|c| c.0.is_none()).count()
    };
    let plain = run(counts, "{}");
    assert_eq!(
        (plain["yes Leeds"].clone(), plain["yes Dover"].clone(), plain["* *"].0),
        ((None, "primary".to_owned()), (Some(0), "published".to_owned()), Some(198))
    );
    assert!(hidden(&plain) >= 4);
    assert_eq!(hidden(&run(counts, r#"{"threshold": 4}"#)), 0);
    let exact = run(counts, r#"{"target": "exact"}"#);
    assert!(hidden(&exact) <= hidden(&plain));
    assert_eq!(run(counts, r#"{"zeros": "hidden"}"#)["yes Dover"].0, None);
    assert_eq!(
        run(counts, r#"{"outcome_dimension": "outcome"}"#)["yes Dover"],
        (None, "primary".to_owned()),
        "0 % is 100 % of the others"
    );
    let north = run(
        counts,
        r#"{"hierarchies": {"prison": {"Leeds": "North", "Durham": "North", "Kent": "South", "Dover": "South"}}}"#,
    );
    assert!(north.contains_key("yes North") && north.contains_key("* South"));
    let dear = run(
        counts,
        r#"{"threshold": 5, "target": "exact", "costs": {"cells": [{"cell": {"prison": "Durham", "outcome": "yes"}, "cost": 90}]}}"#,
    );
    assert_eq!(dear["yes Durham"].0, Some(26));
    let kept = run(counts, r#"{"threshold": 5, "target": "exact", "keep": [{"prison": "Kent", "outcome": "yes"}]}"#);
    assert_eq!(kept["yes Kent"].0, Some(33));
    assert_eq!(run(counts, r#"{"withhold": [{"prison": "Kent", "outcome": "no"}]}"#)["no Kent"].0, None);
    for rounding in ["base5", "random5", "controlled5"] {
        let rounded = run(counts, &format!(r#"{{"rounding": "{rounding}"}}"#));
        assert!(rounded.values().all(|c| c.0.is_none_or(|n| n % 5 == 0)), "{rounding}");
        assert!(rounded["yes Leeds"].0.is_none() && rounded.values().any(|c| c.1 == "rounded"), "{rounding}");
        assert_eq!(rounded, run(counts, &format!(r#"{{"rounding": "{rounding}"}}"#)), "the same again");
    }
    assert_eq!(run(counts, r#"{"method": "heuristic", "time_limit": 1}"#)["yes Leeds"].0, None);
    // Sums: one person of twenty commits most offences of a prison.
    let sums = "SELECT prison, person, n FROM offences";
    assert_eq!(run(sums, r#"{"person": "person"}"#)["Leeds"], (None, "primary".to_owned()));
    assert_eq!(run(sums, r#"{"person": "person", "dominance": null, "p_percent": null}"#)["Leeds"].0, Some(128));
    assert_eq!(
        run(sums, r#"{"person": "person", "dominance": {"n": 1, "percent": 80}, "p_percent": null}"#)["Leeds"].0,
        Some(128)
    );
    assert_eq!(run(sums, r#"{"person": "person", "dominance": null, "p_percent": 50}"#)["Leeds"].0, None);
    // What is wrong is named; no value is.
    for (query, options, word) in [
        (counts, r#"{"treshold": 5}"#, "threshold"),
        (counts, r#"{"rounding": "base3"}"#, "base5"),
        (counts, r#"{"person": "who"}"#, "person"),
        (counts, r#"{"person": 3}"#, "person"),
        ("SELECT prison, NULL::bigint FROM counts", "{}", "record 1"),
        ("SELECT prison, -4711 FROM counts", "{}", "negative"),
        ("SELECT prison, 47.11 FROM counts", "{}", "whole numbers"),
        ("SELECT n, n FROM counts", "{}", "cast"),
        ("SELECT outcome, prison, n FROM counts UNION ALL SELECT 'yes', NULL, 4711", "{}", "sum of its parts"),
    ] {
        let text = admin.query("SELECT * FROM jdl_suppress($1, ($2::text)::jsonb)", &[&query, &options]).unwrap_err();
        let error = text.as_db_error().unwrap();
        let said = format!("{} {:?} {:?}", error.message(), error.detail(), error.hint());
        assert!(error.code().code() == "22023" && said.contains(word) && !said.contains("4711"), "{options}: {said}");
    }
    // An audit of what another tool left: two hidden in each line, but a bridge between two rectangles gives one away.
    let mut audit = |query: &str| -> Vec<(i64, Option<i64>, bool)> {
        let rows = admin.query("SELECT lower, upper, disclosed FROM jdl_disclosure_audit($1)", &[&query]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    };
    let found = audit("SELECT * FROM (VALUES ('a', NULL::bigint), ('b', 30), (NULL, 33)) t (d, n)");
    assert_eq!(found, [(3, Some(3), true)]);
    let found = audit("SELECT * FROM (VALUES ('a', NULL::bigint), ('b', NULL), ('c', 30), (NULL, 40)) t (d, n)");
    assert_eq!(found, [(1, Some(9), false), (1, Some(9), false)]);
}
