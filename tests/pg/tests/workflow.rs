//! The life of a request with the people who lead it: opened, loaded, reported, approved, released, withdrawn, destroyed.

use jdl_surface::{Lab, connect, has_cron, one, refusal};
use serde_json::Value;

/// A person who holds two roles; logins are the cluster's, so another test may have made them.
fn person_of_two_roles(lab: &Lab, person: &str, roles: &str) {
    let sql = format!(
        "SELECT pg_advisory_lock(43);
         DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{person}') THEN CREATE ROLE {person} LOGIN IN ROLE {roles}; END IF; END $$;
         SELECT pg_advisory_unlock(43);"
    );
    lab.admin().batch_execute(&sql).unwrap();
}

fn status(lab: &Lab, request: i64) -> String {
    one(&mut lab.admin(), &format!("SELECT status FROM jdl.request WHERE request_id = {request}"))
}

/// Rows of identities of a request, and the tables that hold them.
fn identities(lab: &Lab, request: i64) -> (i64, i64) {
    let mut admin = lab.admin();
    let rows = ["submission", "link", "link_override", "index_choice", "pseudonym"]
        .iter()
        .map(|table| {
            let sql = format!("SELECT count(*) FROM jdl_restricted.{table} WHERE request_id = {request}");
            one::<i64>(&mut admin, &sql)
        })
        .sum();
    let partitions = format!(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(submission|link|link_override|index_choice|pseudonym)_{request}$'"
    );
    (rows, one(&mut admin, &partitions))
}

/// Whether the trail is intact, how many entries it has, and its first bad position, as the auditor sees them.
fn trail(lab: &Lab) -> (bool, i64, Option<i64>) {
    let row = lab.connect("aud").query_one("SELECT intact, entries, first_bad FROM jdl_audit_verify()", &[]).unwrap();
    (row.get(0), row.get(1), row.get(2))
}

#[test]
fn a_request_goes_from_opening_to_destruction() {
    let lab = Lab::new("life");
    let (mut ida, mut ann, mut bob) = (lab.connect("ida"), lab.connect("ann"), lab.connect("bob"));
    let mut bea = lab.connect("bea");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(20000, 1)").unwrap();
    let list = lab.made_up_list(600, 7);

    let request = lab.open("{}");
    assert_eq!(status(&lab, request), "open");
    assert_eq!(lab.load(request, &list).unwrap(), 600);
    let findings: i64 = one(&mut ida, &format!("SELECT count(*) FROM jdl_validate({request})"));
    assert!(findings > 0, "a real list has something wrong with it");
    let answer: Value = one(&mut ida, &format!("SELECT jdl_preflight({request})"));
    assert_eq!((&answer["decision"], &answer["submitted"]), (&"accept".into(), &600.into()), "{answer}");

    // Nobody works on it before bob has signed off who does, and bob does not sign off himself.
    assert_eq!(refusal(&mut ann, &format!("SELECT jdl_report({request})")).0, "42501");
    let own = format!("SELECT jdl_grant_access('bob', 'jdl_approver', {request}, 'me', current_date)");
    assert_eq!(refusal(&mut bob, &own).0, "42501");
    lab.assign("ann", request);

    // The approver reads a report and does not make it, and approves none that is not there.
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_report({request})")).0, "42501");
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_approve({request})")).0, "55000");
    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    assert_eq!(status(&lab, request), "analysed");
    let steps: Vec<String> = one(
        &mut ann,
        &format!("SELECT array_agg(step ORDER BY taken_at) FROM jdl.request_step WHERE request_id = {request}"),
    );
    assert_eq!(steps, ["link", "match", "analyse", "report"]);
    assert_eq!(one::<Value>(&mut ann, &format!("SELECT jdl_report({request})")), report, "made once");
    assert_eq!(one::<Value>(&mut bob, &format!("SELECT jdl_report({request})")), report, "and read by the approver");
    // After outcomes are read the design stands.
    assert_eq!(refusal(&mut ann, &format!(r#"SELECT jdl_match({request}, '{{"ratio": 2}}')"#)).0, "55000");

    // Neither who opened nor who analysed approves.
    for (person, sql) in
        [("ida", "jdl_approve"), ("ann", "jdl_approve"), ("ida", "jdl_release"), ("ann", "jdl_release")]
    {
        assert_eq!(refusal(&mut lab.connect(person), &format!("SELECT {sql}({request})")).0, "42501", "{person} {sql}");
    }
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_release({request})")).0, "55000", "not approved yet");
    assert_eq!(one::<String>(&mut bob, &format!("SELECT jdl_approve({request})")), "approved");
    assert_eq!(one::<String>(&mut bob, &format!("SELECT jdl_approve({request})")), "approved", "idempotent");
    assert_eq!(one::<i64>(&mut bea, "SELECT count(*) FROM jdl.published_results"), 0, "approved is not released");
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_destroy({request})")).0, "55000", "no clock runs");
    bob.batch_execute(&format!("SELECT jdl_release({request}), jdl_release({request})")).unwrap();
    assert_eq!(status(&lab, request), "released");

    // What BI reads is what the report says.
    let published = bea
        .query_one(
            "SELECT treatment_n, treatment_value, state FROM jdl.published_results WHERE measure = 'Re-offending rate'",
            &[],
        )
        .unwrap();
    let rate = report["measures"].as_array().unwrap().iter().find(|m| m["key"] == "reoffending_rate").unwrap();
    assert_eq!(Some(i64::from(published.get::<_, i32>(0))), rate["treatment"]["n"].as_i64());
    assert_eq!(Some(published.get::<_, f64>(1)), rate["treatment"]["value"].as_f64());
    assert_eq!(published.get::<_, &str>(2), "current");

    // Twenty working days for questions; a withdrawal ends them.
    let due: bool = one(
        &mut bob,
        &format!(
            "SELECT destroy_on = jdl_add_working_days(current_date, 20) FROM jdl.request WHERE request_id = {request}"
        ),
    );
    assert!(due);
    let (state, text) = refusal(&mut bob, &format!("SELECT jdl_destroy({request})"));
    assert_eq!(state, "55000", "{text}");
    assert!(identities(&lab, request).0 > 1_200);
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_withdraw({request}, ' ')")).0, "22023", "a reason is required");
    bob.batch_execute(&format!("SELECT jdl_withdraw({request}, 'the provider sent the wrong list')")).unwrap();
    let states: Vec<String> = one(&mut bea, "SELECT array_agg(DISTINCT state) FROM jdl.published_results");
    assert_eq!(states, ["withdrawn"], "what was published is marked, not hidden");

    let files: Vec<String> = one(
        &mut lab.admin(),
        "SELECT array_agg(pg_relation_filepath(c.oid)) FROM pg_class c WHERE relname ~ '^(submission|link|link_override|index_choice|pseudonym)_[0-9]+$'",
    );
    let (rows, partitions) = identities(&lab, request);
    assert_eq!((partitions, files.len()), (5, 5));
    let certificate: Value = one(&mut bob, &format!("SELECT jdl_destroy({request})"));
    println!("certificate: {certificate:#}");
    let destroyed: i64 = certificate["rows"].as_object().unwrap().values().map(|n| n.as_i64().unwrap()).sum();
    assert_eq!((destroyed, certificate["rows"]["submissions"].as_i64()), (rows, Some(600)));
    assert_eq!((&certificate["destroyed_by"], &certificate["rule"]), (&"bob".into(), &"withdrawn".into()));
    assert_eq!(certificate["digest"].as_str().unwrap().len(), 64);
    assert_eq!(identities(&lab, request), (0, 0), "rows and partitions are gone");
    for file in files {
        let left: i64 = one(&mut lab.admin(), &format!("SELECT coalesce((pg_stat_file('{file}', true)).size, 0)"));
        assert_eq!(left, 0, "{file} is still on the disk");
    }
    assert_eq!(status(&lab, request), "destroyed");
    assert_eq!(one::<Value>(&mut bob, &format!("SELECT jdl_destroy({request})")), certificate, "idempotent");
    // What remains joins to nobody, the report is still there, and no step can be taken any more.
    let mut now: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    assert_eq!((&report["request"]["status"], &now["request"]["status"]), (&"draft".into(), &"withdrawn".into()));
    assert_ne!(now["sentences"]["status"], report["sentences"]["status"]);
    for said in ["status", "status_reason"] {
        now["request"][said] = report["request"][said].clone();
    }
    now["sentences"] = report["sentences"].clone();
    assert!(now == report, "nothing else in it has changed");
    for step in [format!("jdl_withdraw({request}, 'again')"), format!("jdl_approve({request})")] {
        assert_eq!(refusal(&mut bob, &format!("SELECT {step}")).0, "55000", "{step}");
    }
    assert_eq!(lab.load(request, &list).unwrap_err().0, "55000");
    let actions: Vec<String> = one(
        &mut lab.connect("aud"),
        &format!("SELECT array_agg(DISTINCT action) FROM jdl_audit.event WHERE request_id = {request}"),
    );
    for action in [
        "open_request",
        "validate",
        "preflight",
        "link",
        "match",
        "analyse",
        "report",
        "read_restricted",
        "read_report",
        "approve",
        "release",
        "withdraw",
        "destroy",
        "grant_access",
        "insert",
    ] {
        assert!(actions.iter().any(|a| a == action), "{action} is not on the trail: {actions:?}");
    }
    assert!(trail(&lab).0);
}

#[test]
fn whoever_opened_or_analysed_a_request_neither_approves_nor_releases_it() {
    let lab = Lab::new("eyes");
    person_of_two_roles(&lab, "opener_and_approver", "jdl_intake, jdl_approver");
    person_of_two_roles(&lab, "analyst_and_approver", "jdl_analyst, jdl_approver");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(20000, 1)").unwrap();
    let list = lab.made_up_list(600, 7);
    let mut opener = lab.connect("opener_and_approver");
    let request: i64 = one(
        &mut opener,
        &format!("SELECT jdl_open_request('Example Trust', 'a service', 'cjsm', '{}')", jdl_surface::ASSURED),
    );
    lab.psql_load("opener_and_approver", &format!("SET jdl.request_id = '{request}'"), &list).unwrap();
    lab.assign("analyst_and_approver", request);
    let mut analyst = lab.connect("analyst_and_approver");
    analyst.batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    for client in [&mut opener, &mut analyst] {
        let (state, text) = refusal(client, &format!("SELECT jdl_approve({request})"));
        assert_eq!(state, "42501");
        assert!(text.contains("needs other eyes"), "{text}");
    }
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({request})")).unwrap();
    for client in [&mut opener, &mut analyst] {
        assert_eq!(refusal(client, &format!("SELECT jdl_release({request})")).0, "42501");
    }
    assert_eq!(status(&lab, request), "approved");
}

#[test]
fn retention_destroys_what_is_due_once_and_nothing_else() {
    let lab = Lab::new("retention");
    let (kept, due) = (lab.open("{}"), lab.open("{}"));
    for request in [kept, due] {
        lab.load(request, "forename,surname\nZebedee,Quixwell\n").unwrap();
        lab.connect("bob").batch_execute(&format!("SELECT jdl_reject({request}, 'no legal basis after all')")).unwrap();
    }
    let run = |person: &str| -> (i32, i32) {
        let row = lab.connect(person).query_one("SELECT * FROM jdl_retention_run()", &[]).unwrap();
        (row.get(0), row.get(1))
    };
    assert_eq!(run("dan"), (0, 0), "five working days are left");
    lab.admin()
        .batch_execute(&format!("UPDATE jdl.request SET destroy_on = current_date - 1 WHERE request_id = {due}"))
        .unwrap();
    let overdue: bool =
        one(&mut lab.connect("dan"), &format!("SELECT overdue FROM jdl_retention_due() WHERE request_id = {due}"));
    assert!(overdue);
    // pg_cron's own account runs it.
    assert_eq!(run("jdl_job"), (1, 0));
    assert_eq!(run("jdl_job"), (0, 0), "idempotent");
    assert_eq!(run("dan"), (0, 0), "idempotent");
    assert_eq!((identities(&lab, due), identities(&lab, kept)), ((0, 0), (1, 5)));
    assert_eq!((status(&lab, due), status(&lab, kept)), ("destroyed".to_owned(), "rejected".to_owned()));
    let certificates: i64 = one(&mut lab.connect("aud"), "SELECT count(*) FROM jdl.destruction");
    assert_eq!(certificates, 1);
    for person in ["ida", "ann", "bea", "aud"] {
        assert_eq!(refusal(&mut lab.connect(person), "SELECT * FROM jdl_retention_run()").0, "42501", "{person}");
    }
}

/// What somebody does first who may do everything.
const THAW: &str = "ALTER TABLE jdl_audit.event DISABLE TRIGGER event_frozen; ALTER TABLE jdl_audit.chain DISABLE TRIGGER chain_frozen";

#[test]
fn the_trail_shows_each_way_of_tampering() {
    let lab = Lab::new("trail");
    let request = lab.open("{}");
    lab.load(request, "forename,surname\nZebedee,Quixwell\n").unwrap();
    lab.connect("bob").batch_execute(&format!("SELECT jdl_reject({request}, 'a test')")).unwrap();
    let (intact, entries, first_bad) = trail(&lab);
    assert!(intact && entries > 5 && first_bad.is_none());
    let text: String = one(&mut lab.admin(), "SELECT string_agg(e::text, ' ') FROM jdl_audit.event e");
    assert!(!text.contains("Zebedee") && !text.contains("Quixwell"), "no personal value on the trail");
    let mut admin = lab.admin();
    for (tampering, position) in [
        (
            "UPDATE jdl_audit.event SET actor = 'eve' WHERE event_id = (SELECT event_id FROM jdl_audit.chain WHERE position = 3)",
            3,
        ),
        (
            "UPDATE jdl_audit.event SET occurred_at = occurred_at - interval '1 microsecond' WHERE event_id = (SELECT event_id FROM jdl_audit.chain WHERE position = 3)",
            3,
        ),
        (
            "UPDATE jdl_audit.event SET detail = '{\"x\": 1}' WHERE event_id = (SELECT event_id FROM jdl_audit.chain WHERE position = 1)",
            1,
        ),
        (
            "UPDATE jdl_audit.event SET row_count = 0 WHERE event_id = (SELECT event_id FROM jdl_audit.chain WHERE position = 2)",
            2,
        ),
        ("DELETE FROM jdl_audit.event WHERE event_id = (SELECT event_id FROM jdl_audit.chain WHERE position = 2)", 2),
        (
            "WITH gone AS (DELETE FROM jdl_audit.chain WHERE position = 4 RETURNING event_id) DELETE FROM jdl_audit.event USING gone WHERE event.event_id = gone.event_id",
            5,
        ),
        ("UPDATE jdl_audit.chain SET digest = sha256(digest) WHERE position = 2", 2),
        ("DELETE FROM jdl_audit.chain WHERE position = 1", 2),
    ] {
        let mut transaction = admin.transaction().unwrap();
        transaction.batch_execute(THAW).unwrap();
        assert_eq!(transaction.execute(tampering, &[]).unwrap(), 1, "{tampering}");
        let row = transaction.query_one("SELECT intact, first_bad FROM jdl_audit_verify()", &[]).unwrap();
        assert_eq!((row.get::<_, bool>(0), row.get::<_, Option<i64>>(1)), (false, Some(position)), "{tampering}");
        transaction.rollback().unwrap();
    }
    // The last seal torn off: its event is there and unsealed.
    let mut transaction = admin.transaction().unwrap();
    transaction.batch_execute(THAW).unwrap();
    transaction.batch_execute(&format!("DELETE FROM jdl_audit.chain WHERE position = {entries}")).unwrap();
    let row = transaction.query_one("SELECT intact, first_bad FROM jdl_audit_verify()", &[]).unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, Option<i64>>(1)), (false, Some(entries)));
    transaction.rollback().unwrap();
    assert!(trail(&lab).0);
    for person in ["dan", "bob", "aud", "ida", "ann"] {
        let mut client = lab.connect(person);
        for sql in
            ["UPDATE jdl_audit.event SET actor = 'eve'", "DELETE FROM jdl_audit.chain", "TRUNCATE jdl_audit.event"]
        {
            assert_eq!(refusal(&mut client, sql).0, "42501", "{person}: {sql}");
        }
    }
}

#[test]
fn retention_is_scheduled_where_pg_cron_is_and_refused_clearly_where_it_is_not() {
    let lab = Lab::new("cron");
    let (state, text) = refusal(&mut lab.connect("dan"), "SELECT jdl_schedule_retention()");
    assert_eq!(state, "55000", "{text}");
    assert!(
        text.contains("pg_cron is not installed in this database") && text.contains("jdl_retention_run()"),
        "{text}"
    );
    assert_eq!(refusal(&mut lab.connect("bob"), "SELECT jdl_schedule_retention()").0, "42501");

    if !has_cron() {
        return;
    }
    // The database of with-cluster in which pg_cron runs; it has one job at most, under this name.
    let mut admin = connect("jdl", "postgres");
    // pg_cron lets nobody in by itself.
    admin.batch_execute("GRANT USAGE ON SCHEMA cron TO jdl_dba").unwrap();
    let jobs = "SELECT count(*) FROM cron.job WHERE jobname = 'jdl retention' AND username = 'dan' AND database = 'jdl' AND active
                AND schedule = '5 3 * * *' AND command LIKE '%jdl_retention_run()'";
    let mut dan = connect("jdl", "dan");
    let said: String = one(&mut dan, "SELECT jdl_schedule_retention('5 3 * * *')");
    assert!(said.contains("jdl_retention_run()") && said.contains("5 3 * * *"), "{said}");
    let scheduled: i64 = one(&mut admin, jobs);
    dan.batch_execute("SELECT jdl_schedule_retention('5 3 * * *')").unwrap();
    let again: i64 = one(&mut admin, jobs);
    let nonsense = refusal(&mut dan, "SELECT jdl_schedule_retention('every now and then')");
    admin.batch_execute("SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = 'jdl retention'").unwrap();
    assert_eq!((scheduled, again), (1, 1));
    println!("cron: {nonsense:?}");
    assert!(nonsense.1.contains("invalid schedule"), "{nonsense:?}");
}
