//! Somebody who tries: every case of `tests/data/attacks/cases.txt` as the person it names, over a connection of its own.

use std::io::Write;
use std::process::{Command, Stdio};

use jdl_surface::{Lab, PEOPLE, connect, one, refusal};

/// What psql says to a script: standard output, and everything together.
fn psql(lab: &Lab, person: &str, script: &str) -> (String, String) {
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-At", "-U", person, "-d", &lab.database, "-v", "VERBOSITY=verbose", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is on the path of scripts/with-cluster");
    psql.stdin.take().expect("its input").write_all(script.as_bytes()).unwrap();
    let said = psql.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    let all = format!("{out}{}", String::from_utf8_lossy(&said.stderr));
    (out, all)
}

/// The statements that docs/security.md asks for, on this database.
fn harden(lab: &Lab) {
    let page = include_str!("../../../docs/security.md");
    let block = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of SQL");
    lab.admin().batch_execute(&block.replace("DATABASE lab ", &format!("DATABASE {} ", lab.database))).unwrap();
}

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

/// What is wrong with the outcome of a case, if anything is.
fn complaint(must: &str, what: &str, out: &str, all: &str) -> Option<String> {
    if all.contains("CANARY") && !what.starts_with("control") && !what.starts_with("residual") {
        return Some("the canary sings".to_owned());
    }
    let (kind, argument) = must.split_once(':').unwrap_or((must, ""));
    let error = all.contains("ERROR: ") || all.contains("FATAL: ");
    let held = match kind {
        "error" => argument
            .split(',')
            .any(|s| all.contains(&format!("ERROR:  {s}:")) || all.contains(&format!("WARNING:  {s}:"))),
        "zero" => !error && out.lines().all(|line| ["", "0", "f"].contains(&line)),
        "out" => !error && out.contains(argument),
        "only" => !error && !out.is_empty() && out.lines().all(|line| line.starts_with(argument)),
        _ => return Some(format!("unknown demand {must}")),
    };
    (!held).then(|| "must not be".to_owned())
}

#[test]
fn every_attack_is_refused_or_sees_nothing() {
    let lab = two_requests("attacks");
    harden(&lab);
    let cases = include_str!("../../data/attacks/cases.txt");
    let (mut tried, mut fallen) = (0, Vec::new());
    for case in cases.split("\n## ").skip(1) {
        let (head, body) = case.split_once('\n').unwrap();
        let parts: Vec<&str> = head.split(" | ").collect();
        // A demand may itself hold a bar: `out:t|0`.
        let (id, person, must, what) =
            (parts[0], parts[1], parts[2..parts.len() - 1].join(" | "), parts[parts.len() - 1]);
        let must = must.trim_end();
        let lines = |mark: &str| -> String {
            body.lines().filter_map(|line| line.strip_prefix(mark)).collect::<Vec<_>>().join("\n")
        };
        let script: String = body
            .lines()
            .filter(|line| !line.starts_with("setup:") && !line.starts_with("undo:") && !line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        let arranged = psql(&lab, "postgres", &lines("setup: ")).1;
        assert!(!arranged.contains("ERROR"), "{id}: {arranged}");
        let (out, all) = psql(&lab, person, &script);
        let tidied = psql(&lab, "postgres", &lines("undo: ")).1;
        assert!(!tidied.contains("ERROR"), "{id}: {tidied}");
        if let Some(why) = complaint(must, what, &out, &all) {
            fallen.push(format!("{id} as {person} ({what}) {why}: wanted {must}, got: {all}"));
        }
        tried += 1;
    }
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
