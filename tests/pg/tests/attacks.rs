//! Somebody who tries: every case of `tests/data/attacks/cases.txt` as the person it names, over a connection of its own.

use jdl_surface::{Lab, PEOPLE, connect, one, refusal, run_cases};

/// Two requests with analysis rows: 1 is ann's, 2 is amy's and full of the word CANARY.
fn two_requests(name: &str) -> Lab {
    let lab = Lab::new(name);
    assert_eq!(lab.made_up(5_000, 200), 1);
    let second = lab.open("{}");
    assert_eq!(second, 2);
    lab.load(second, &lab.made_up_list(200, 9)).unwrap();
    lab.admin()
        .batch_execute("UPDATE jdl_restricted.submission SET forename = 'CANARY' || forename WHERE request_id = 2")
        .unwrap();
    lab.assign("amy", second);
    for (person, request) in [("ann", 1), ("amy", 2)] {
        lab.connect(person).batch_execute(&format!("SELECT jdl_match({request})")).unwrap();
    }
    lab
}

#[test]
fn every_attack_is_refused_or_sees_nothing() {
    let lab = two_requests("attacks");
    lab.harden(include_str!("../../../docs/security.md"), 1);
    // Each of them can do what they may.
    for (person, theirs) in [
        ("ann", "SELECT count(*) FROM jdl_pseudonymised.member WHERE request_id = 1"),
        ("amy", "SELECT count(*) FROM jdl_pseudonymised.member WHERE request_id = 2"),
        ("ida", "SELECT count(*) FROM jdl.request"),
        ("ida", "SELECT count(*) FROM jdl_validate(2)"),
        ("bob", "SELECT count(*) FROM jdl.access"),
        ("dan", "SELECT count(*) FROM jdl.setting"),
        ("aud", "SELECT count(*) FROM jdl_audit.event"),
        ("bea", "SELECT count(*) + 1 FROM jdl.published_results"),
        ("jdl_job", "SELECT count(*) + 1 FROM jdl_retention_due()"),
        ("postgres", "SELECT count(*) FROM jdl_restricted.submission WHERE forename LIKE 'CANARY%'"),
    ] {
        assert!(one::<i64>(&mut lab.connect(person), theirs) > 0, "{person}: {theirs}");
    }
    let (tried, fallen) = run_cases(&lab, include_str!("../../data/attacks/cases.txt"));
    println!("attacks: {tried} cases, {} got through", fallen.len());
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
    assert!(tried >= 380, "{tried}");
    // After all of it the self-check still holds, and the trail.
    let failing: Option<String> = one(
        &mut lab.connect("aud"),
        "SELECT string_agg(check_id || ': ' || evidence, '; ') FROM jdl_assurance() WHERE NOT passed",
    );
    assert_eq!(failing, None);
}

/// Every function that people call, and whose it is.
const CALLS: [(&str, &str); 48] = [
    ("jdl_open_request('P', 'I', 'cjsm', '{}')", "ida"),
    ("jdl_validate(1)", "ida ann bob"),
    ("jdl_preflight(1)", "ida ann bob"),
    ("jdl_link(1)", "ann"),
    ("jdl_explain_link(1, 1)", "ann bob"),
    ("jdl_link_weights(1)", "ann bob"),
    ("jdl_link_reasons(1)", "ann bob"),
    ("jdl_link_identifiers(1)", "ann bob"),
    ("jdl_override_link(1, 1, 'link', 'x')", "bob"),
    ("jdl_register_identifiers()", "dan"),
    ("jdl_train_linkage()", "dan"),
    ("jdl_match(1)", "ann"),
    ("jdl_plan(1)", "ann"),
    ("jdl_analyse(1)", "ann"),
    ("jdl_report(1)", "ann bob"),
    ("jdl_report_text(1)", "ann bob"),
    ("jdl_report_html(1)", "ann bob"),
    ("jdl_check_claim(1, 'it worked')", "ann bob"),
    ("jdl_forest_html()", "ann amy bob aud bea"),
    ("jdl_approve(1)", "bob"),
    ("jdl_release_check(1)", "ann bob"),
    ("jdl_decide_release(1, 'refuse', 'x')", "bob"),
    ("jdl_expire_sketches(1, 'x')", "dan"),
    ("jdl_release(1)", "bob"),
    ("jdl_reject(1, 'x')", "bob"),
    ("jdl_halt(1, 'x')", "ann bob"),
    ("jdl_withdraw(1, 'x')", "bob"),
    ("jdl_supersede(1, 2, 'x')", "bob"),
    ("jdl_hold(1, current_date + 9, 'x')", "bob"),
    ("jdl_lift_hold(1, 'x')", "bob"),
    ("jdl_extend_retention(1, current_date + 99, 'x')", "bob"),
    ("jdl_note_discussion(1, current_date)", "ida bob"),
    ("jdl_destroy(1)", "bob dan jdl_job"),
    ("jdl_retention_due()", "bob dan aud jdl_job"),
    ("jdl_retention_run()", "dan jdl_job"),
    ("jdl_schedule_retention()", "dan"),
    ("jdl_grant_access('ann', 'jdl_analyst', 2, 'x', current_date)", "bob"),
    ("jdl_revoke_access(999, 'x')", "bob dan"),
    ("jdl_dpia(1)", "bob dan aud"),
    ("jdl_assurance()", "bob dan aud"),
    ("jdl_audit_verify()", "bob dan aud"),
    ("jdl_audit_anchor()", "bob aud"),
    ("jdl_register_refresh()", "dan"),
    ("jdl_synthesise_register(10, 1)", "dan"),
    ("jdl_synthesise_cohort(10, 1)", "dan"),
    ("jdl_install()", ""),
    ("jdl_migrate()", ""),
    ("jdl_propensity('SELECT 1::bigint AS id, true AS treated, 1 AS x')", "ann amy bob"),
];

/// Functions that look at nothing but what they are given, with the caller's own rights.
const TOOLS: [&str; 17] = [
    "jdl_pnc_id",
    "jdl_pnc_id_status",
    "jdl_prison_number",
    "jdl_cro",
    "jdl_postcode",
    "jdl_name_key",
    "jdl_jaro_winkler",
    "jdl_add_working_days",
    "jdl_working_days_between",
    "jdl_my_requests",
    "jdl_match_controls",
    "jdl_propensity",
    "jdl_balance",
    "jdl_match_summary",
    "jdl_compare_rates",
    "jdl_suppress",
    "jdl_disclosure_audit",
];

#[test]
fn each_function_refuses_everybody_whose_it_is_not() {
    let lab = two_requests("functions");
    // What is theirs they may call: if it fails, then for another reason. (An approver reads a report and makes none.)
    lab.connect("ann").batch_execute("SELECT jdl_report(1)").unwrap();
    for (call, theirs) in CALLS {
        for person in theirs.split_whitespace() {
            let mut client = lab.connect(person);
            let mut transaction = client.transaction().unwrap();
            if let Err(error) = transaction.batch_execute(&format!("SELECT {call}")) {
                let error = error.as_db_error().expect("an error of the database");
                assert_ne!(error.code().code(), "42501", "{person}, {call}: {error}");
            }
        }
    }
    let mut refused = 0;
    for (person, _) in PEOPLE.into_iter().chain([("jdl_job", "")]) {
        for (call, theirs) in CALLS {
            if !theirs.split(' ').any(|name| name == person) {
                let (state, text) = refusal(&mut lab.connect(person), &format!("SELECT {call}"));
                assert_eq!(state, "42501", "{person}, {call}: {text}");
                refused += 1;
            }
        }
    }
    println!("attacks: {refused} calls by people whose they are not");
    assert!(refused > 250);
    // And none is forgotten here.
    let functions: Vec<String> = one(
        &mut lab.admin(),
        "SELECT array_agg(DISTINCT p.proname::text) FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
         JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'jdl' WHERE p.proname LIKE 'jdl%'",
    );
    let known: Vec<&str> = CALLS.iter().map(|(call, _)| call.split('(').next().unwrap()).chain(TOOLS).collect();
    let forgotten: Vec<&String> = functions.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(forgotten.is_empty(), "say in CALLS or TOOLS whose these are: {forgotten:?}");
}

#[test]
fn access_that_has_ended_is_refused_by_every_function() {
    let lab = two_requests("ended");
    lab.admin()
        .batch_execute(
            "UPDATE jdl.access SET starts_on = current_date - 9, ends_on = current_date - 2;
             INSERT INTO jdl.access (person, role, reason, trained_on, starts_on, ends_on, granted_by)
             SELECT person, role, 'a test', current_date - 99, current_date - 9, current_date - 2, 'somebody'
             FROM (VALUES ('ida', 'jdl_intake'), ('bob', 'jdl_approver'), ('dan', 'jdl_dba'), ('aud', 'jdl_auditor'), ('bea', 'jdl_reader')) ended (person, role)",
        )
        .unwrap();
    let mut refused = 0;
    for (call, theirs) in CALLS.iter().filter(|(call, _)| !TOOLS.iter().any(|tool| call.starts_with(tool))) {
        for person in theirs.split_whitespace().filter(|person| *person != "jdl_job") {
            let (state, text) = refusal(&mut lab.connect(person), &format!("SELECT {call}"));
            assert_eq!(state, "42501", "{person}, {call}: {text}");
            assert!(text.contains("not signed off") || text.contains("not assigned"), "{person}, {call}: {text}");
            refused += 1;
        }
    }
    println!("attacks: {refused} calls by people whose access has ended");
    assert!(refused > 60);
}

#[test]
fn nobody_holds_up_the_trail_or_destruction_by_a_lock() {
    let lab = two_requests("locks");
    let mut eve = lab.connect("eve");
    eve.batch_execute("SELECT pg_advisory_lock(7364108, n), pg_advisory_lock(n) FROM generate_series(0, 99) n")
        .unwrap();
    let quickly = "SET statement_timeout = '20s'";
    let mut ida = lab.connect("ida");
    ida.batch_execute(quickly).unwrap();
    ida.batch_execute("SELECT jdl_validate(1)").unwrap();
    let mut bob = lab.connect("bob");
    bob.batch_execute(quickly).unwrap();
    bob.batch_execute("SELECT jdl_withdraw(1, 'a test'), jdl_withdraw(2, 'a test'); SELECT jdl_destroy(1)").unwrap();
    lab.admin().batch_execute("UPDATE jdl.request SET destroy_on = current_date - 1 WHERE request_id = 2").unwrap();
    let ran = lab.connect("jdl_job").query_one("SELECT * FROM jdl_retention_run()", &[]).unwrap();
    assert_eq!((ran.get::<_, i32>(0), ran.get::<_, i32>(1)), (1, 0));
}

#[test]
fn whoever_may_not_take_a_step_does_not_learn_that_somebody_is_at_it() {
    let lab = two_requests("at_work");
    let mut amy = lab.connect("amy");
    amy.batch_execute("BEGIN; SELECT jdl_validate(2)").unwrap();
    let (state, text) = refusal(&mut lab.connect("ann"), "SET lock_timeout = '2s'; SELECT jdl_report(2)");
    assert_eq!(state, "42501", "{text}");
    amy.batch_execute("COMMIT").unwrap();
}

#[test]
fn a_snapshot_from_before_a_revocation_shows_the_revoked_nothing() {
    // Not hardened: somebody without any role exports what was.
    let lab = two_requests("snapshot");
    let mut eve = lab.connect("eve");
    eve.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").unwrap();
    let exported: String = one(&mut eve, "SELECT pg_export_snapshot()");
    lab.connect("bob")
        .batch_execute("SELECT jdl_revoke_access(access_id, 'left') FROM jdl.access WHERE person = 'amy'")
        .unwrap();
    let mut amy = lab.connect("amy");
    amy.batch_execute(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{exported}'"))
        .unwrap();
    let still: bool = one(&mut amy, "SELECT bool_and(revoked_at IS NULL) FROM jdl.access");
    assert!(still, "the snapshot is the old one");
    for relation in ["jdl_pseudonymised.member", "jdl.request", "jdl.request_step", "jdl.match_design"] {
        assert_eq!(one::<i64>(&mut amy, &format!("SELECT count(*) FROM {relation}")), 0, "{relation}");
    }
    assert_eq!(refusal(&mut amy, "SELECT jdl_validate(2)").0, "42501");
}

#[test]
fn a_signature_for_one_request_that_was_taken_back_opens_nothing() {
    let lab = two_requests("taken_back");
    lab.admin()
        .batch_execute(
            "INSERT INTO jdl.request (request_id, provider, intervention, channel, assurances, opened_by) OVERRIDING SYSTEM VALUE
             SELECT 3, provider, intervention, channel, assurances, 'ivy' FROM jdl.request WHERE request_id = 1; SELECT _jdl_make_partitions(3)",
        )
        .unwrap();
    let mut bob = lab.connect("bob");
    let grant: i64 = one(&mut bob, "SELECT jdl_grant_access('ida', 'jdl_intake', 3, 'a test', current_date)");
    lab.connect("ida").batch_execute("SELECT jdl_validate(3)").unwrap();
    bob.batch_execute(&format!("SELECT jdl_revoke_access({grant}, 'a test')")).unwrap();
    assert_eq!(refusal(&mut lab.connect("ida"), "SELECT jdl_validate(3)").0, "42501");
}

#[test]
fn a_changed_setting_is_on_the_trail_with_what_it_was() {
    let lab = Lab::new("setting");
    lab.connect("dan").batch_execute("UPDATE jdl.setting SET value = '12' WHERE setting = 'smallest_cell'").unwrap();
    let detail: serde_json::Value = one(
        &mut lab.connect("aud"),
        "SELECT detail FROM jdl_audit.event WHERE action = 'change_setting' AND actor = 'dan'",
    );
    assert_eq!(detail, serde_json::json!({"setting": "smallest_cell", "was": 10, "is": 12}));
}

#[test]
fn a_refused_attempt_is_on_the_trail_whatever_is_rolled_back() {
    let lab = two_requests("refused");
    let refusals = |lab: &Lab| -> Vec<(String, Option<i64>, String)> {
        let rows = lab
            .connect("aud")
            .query("SELECT login::text, request_id, detail ->> 'message' FROM jdl_audit.event WHERE action = 'refused' ORDER BY event_id", &[])
            .unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    };
    assert_eq!(refusals(&lab), []);
    let mut ann = lab.connect("ann");
    // In a transaction that is rolled back, in one caught by its own handler, under the strictest isolation, with the chain's lock held.
    for attempt in [
        "BEGIN; SELECT jdl_report(2); ROLLBACK",
        "DO $$ BEGIN PERFORM jdl_link(2); EXCEPTION WHEN insufficient_privilege THEN NULL; END $$",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT jdl_match(2); COMMIT",
        "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; SELECT jdl_validate(1); SELECT jdl_report(2); COMMIT",
        "BEGIN READ ONLY; SELECT jdl_report(2); COMMIT",
    ] {
        let _ = ann.batch_execute(attempt);
        let _ = ann.batch_execute("ROLLBACK");
    }
    let ours = ("ann".to_owned(), Some(2), "permission denied for request 2".to_owned());
    assert_eq!(refusals(&lab), vec![ours.clone(); 5]);
    // Refusals that belong to no request, of a role that was not signed off, and of other eyes.
    assert_eq!(
        refusal(&mut lab.connect("dan"), "SELECT jdl_revoke_access(1, 'x') FROM jdl_hold(1, NULL, '')").0,
        "42501"
    );
    assert_eq!(
        refusal(&mut lab.connect("bob"), "SELECT jdl_grant_access('bob', 'jdl_approver', NULL, 'me', current_date)").0,
        "42501"
    );
    let last = refusals(&lab).pop().unwrap();
    assert_eq!(last, ("bob".to_owned(), None, "nobody signs off their own access".to_owned()));
    // Sealed like everything else.
    lab.connect("ida").batch_execute("SELECT jdl_validate(1)").unwrap();
    let unsealed: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl_audit.pending");
    assert_eq!(unsealed, 0);
    assert!(one::<bool>(&mut lab.connect("aud"), "SELECT intact FROM jdl_audit_verify()"));
}

#[test]
fn every_read_of_restricted_rows_is_on_the_trail() {
    let lab = two_requests("reads");
    for (person, call) in [
        ("ida", "jdl_validate(1)"),
        ("ida", "jdl_preflight(1)"),
        ("ann", "jdl_explain_link(1, 1)"),
        ("ann", "jdl_link_weights(1)"),
        ("ann", "jdl_link_reasons(1)"),
        ("ann", "jdl_link_identifiers(1)"),
        ("ann", "jdl_analyse(1)"),
        ("ann", "jdl_report(1)"),
        ("ann", "jdl_report(1)"),
        ("bob", "jdl_report_text(1)"),
        ("dan", "jdl_register_identifiers()"),
        ("dan", "jdl_train_linkage(ARRAY[1, 2]::bigint[])"),
        ("aud", "jdl_dpia(1)"),
    ] {
        let seen = format!("SELECT count(*) FROM jdl_audit.event WHERE actor = '{person}'");
        let before: i64 = one(&mut lab.connect("aud"), &seen);
        lab.connect(person).batch_execute(&format!("SELECT {call}")).unwrap();
        assert!(one::<i64>(&mut lab.connect("aud"), &seen) > before, "{person}, {call}");
    }
}

#[test]
fn a_read_that_is_rolled_back_leaves_a_line_in_the_log() {
    let lab = two_requests("rolled_back");
    let mut ann = lab.connect("ann");
    let pid: i32 = one(&mut ann, "SELECT pg_backend_pid()");
    ann.batch_execute("BEGIN; SELECT jdl_validate(1); ROLLBACK").unwrap();
    let events: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl_audit.event WHERE action = 'validate'");
    assert_eq!(events, 0, "rolled back");
    let log = std::fs::read_to_string(format!("{}/server.log", std::env::var("PGHOST").unwrap())).unwrap();
    let line = log
        .lines()
        .rfind(|line| line.contains(&format!("[{pid}]")) && line.contains("jdl: validate, request 1, by ann"));
    assert!(line.is_some());
}

#[test]
fn a_revoked_persons_open_transaction_sees_nothing_more() {
    let lab = two_requests("revoked");
    let mut amy = lab.connect("amy");
    amy.batch_execute(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; DECLARE held CURSOR FOR SELECT pseudonym FROM jdl_pseudonymised.member; FETCH 1 FROM held",
    )
    .unwrap();
    lab.connect("bob")
        .batch_execute("SELECT jdl_revoke_access(access_id, 'left') FROM jdl.access WHERE person = 'amy'")
        .unwrap();
    assert!(amy.batch_execute("FETCH ALL FROM held").is_err());
    let mut again = connect(&lab.database, "amy");
    assert_eq!(one::<i64>(&mut again, "SELECT count(*) FROM jdl_pseudonymised.member"), 0);
}
