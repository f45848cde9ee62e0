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
    let (tried, fallen) = run_cases(&lab, include_str!("../../data/attacks/cases.txt"));
    println!("attacks: {tried} cases, {} got through", fallen.len());
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
    assert!(tried >= 264, "{tried}");
    // After all of it the self-check still holds, and the trail.
    let failing: Option<String> = one(
        &mut lab.connect("aud"),
        "SELECT string_agg(check_id || ': ' || evidence, '; ') FROM jdl_assurance() WHERE NOT passed",
    );
    assert_eq!(failing, None);
}

#[test]
fn each_function_refuses_everybody_whose_it_is_not() {
    let lab = two_requests("functions");
    let calls = [
        ("jdl_open_request('P', 'I', 'cjsm', '{}')", "ida"),
        ("jdl_validate(1)", "ida ann bob"),
        ("jdl_preflight(1)", "ida ann bob"),
        ("jdl_link(1)", "ann"),
        ("jdl_match(1)", "ann"),
        ("jdl_analyse(1)", "ann"),
        ("jdl_report(1)", "ann bob"),
        ("jdl_report_text(1)", "ann bob"),
        ("jdl_report_html(1)", "ann bob"),
        ("jdl_check_claim(1, 'it worked')", "ann bob"),
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
    ];
    let mut refused = 0;
    for (person, _) in PEOPLE.into_iter().chain([("jdl_job", "")]) {
        for (call, theirs) in calls {
            if !theirs.split(' ').any(|name| name == person) {
                let (state, text) = refusal(&mut lab.connect(person), &format!("SELECT {call}"));
                assert_eq!(state, "42501", "{person}, {call}: {text}");
                refused += 1;
            }
        }
    }
    println!("attacks: {refused} calls by people whose they are not");
    assert!(refused > 200);
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
    ] {
        let _ = ann.batch_execute(attempt);
        let _ = ann.batch_execute("ROLLBACK");
    }
    let ours = ("ann".to_owned(), Some(2), "permission denied for request 2".to_owned());
    assert_eq!(refusals(&lab), [ours.clone(), ours.clone(), ours.clone(), ours.clone()]);
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
