//! Clocks, holds, extensions, destruction down to the bytes, and the record that is kept of it.

use std::process::Command;
use std::time::{Duration, Instant};

use jdl_surface::{Lab, connect, has_cron, one, refusal};
use serde_json::Value;

fn due(lab: &Lab, request: i64) -> Option<String> {
    one(&mut lab.admin(), &format!("SELECT destroy_on::text FROM jdl.request WHERE request_id = {request}"))
}

/// So many working days after a day, both as ISO dates.
fn after(lab: &Lab, day: &str, days: i32) -> Option<String> {
    one(&mut lab.admin(), &format!("SELECT jdl_add_working_days('{day}', {days})::text"))
}

fn status(lab: &Lab, request: i64) -> String {
    one(&mut lab.admin(), &format!("SELECT status FROM jdl.request WHERE request_id = {request}"))
}

/// An open request with one record, opened on the first of October 2026.
fn opened(lab: &Lab) -> i64 {
    let request = lab.open("{}");
    lab.load(request, "forename,surname\nZebedee,Quixwell\n").unwrap();
    lab.admin()
        .batch_execute(&format!("UPDATE jdl.request SET opened_at = '2026-10-01' WHERE request_id = {request}"))
        .unwrap();
    request
}

#[test]
fn of_the_clocks_that_run_the_earlier_destroys() {
    let lab = Lab::new("clocks");
    let mut admin = lab.admin();
    // Decision on the 12th of October; talks before it and after it. 5 working days from the decision: the 19th.
    for (talk, expected) in [
        ("2026-10-01", "2026-10-15"),
        ("2026-10-05", "2026-10-19"),
        ("2026-10-06", "2026-10-19"),
        ("2026-11-02", "2026-10-19"),
    ] {
        let request = opened(&lab);
        let mut ida = lab.connect("ida");
        let noted: String = one(&mut ida, &format!("SELECT jdl_note_discussion({request}, '{talk}')"));
        assert_eq!((noted.as_str(), due(&lab, request)), ("noted", None), "a talk alone starts no clock");
        lab.connect("bob").batch_execute(&format!("SELECT jdl_reject({request}, 'too few')")).unwrap();
        admin
            .batch_execute(&format!("UPDATE jdl.request SET decided_on = '2026-10-12' WHERE request_id = {request}; SELECT _jdl_reclock({request})"))
            .unwrap();
        assert_eq!(due(&lab, request).as_deref(), Some(expected), "talk on {talk}");
        let (rule, overdue): (String, bool) = {
            let row = lab
                .connect("dan")
                .query_one("SELECT rule, overdue FROM jdl_retention_due() WHERE request_id = $1", &[&request])
                .unwrap();
            (row.get(0), row.get(1))
        };
        let since = if expected == "2026-10-15" {
            "10 working days from the talk with the provider"
        } else {
            "working days from the"
        };
        assert!(rule.contains(since) && overdue, "{rule}");
        // A second talk, later, buys no time.
        ida.batch_execute(&format!("SELECT jdl_note_discussion({request}, '2026-11-03')")).unwrap();
        assert_eq!(due(&lab, request).as_deref(), Some(expected));
        assert_eq!(refusal(&mut ida, &format!("SELECT jdl_note_discussion({request}, '2026-09-30')")).0, "22023");
    }
}

#[test]
fn a_holiday_proclaimed_late_moves_open_clocks_on_and_never_back() {
    let lab = Lab::new("proclaimed");
    let request = opened(&lab);
    lab.connect("bob").batch_execute(&format!("SELECT jdl_withdraw({request}, 'a test')")).unwrap();
    let before = due(&lab, request);
    let mut dan = lab.connect("dan");
    dan.batch_execute(
        "INSERT INTO jdl.bank_holiday SELECT d::date, 'proclaimed' FROM generate_series(current_date + 1, current_date + 2, interval '1 day') d
         ON CONFLICT DO NOTHING",
    )
    .unwrap();
    let today: String = one(&mut dan, "SELECT (now() AT TIME ZONE 'Europe/London')::date::text");
    let later = due(&lab, request);
    assert_eq!(later, after(&lab, &today, 5));
    assert!(later >= before);
    dan.batch_execute("DELETE FROM jdl.bank_holiday WHERE title = 'proclaimed'").unwrap();
    assert_eq!(due(&lab, request), later, "never back");
}

#[test]
fn holds_and_extensions_are_signed_reasoned_and_seen() {
    let lab = Lab::new("holds");
    let request = opened(&lab);
    let mut bob = lab.connect("bob");
    bob.batch_execute(&format!("SELECT jdl_halt({request}, 'wrong list')")).unwrap();
    let was = due(&lab, request).unwrap();
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_extend_retention({request}, '{was}', 'more time')")).0, "22023");
    assert_eq!(
        refusal(&mut bob, &format!("SELECT jdl_extend_retention({request}, current_date + 60, ' ')")).0,
        "22023"
    );
    bob.batch_execute(&format!("SELECT jdl_extend_retention({request}, current_date + 60, 'the provider is abroad')"))
        .unwrap();
    let extended: bool = one(
        &mut bob,
        &format!(
            "SELECT destroy_on = current_date + 60 AND rule LIKE 'extended from %' FROM jdl_retention_due() WHERE request_id = {request}"
        ),
    );
    assert!(extended);
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_destroy({request})")).0, "55000", "extended");
    // A new decision ends the extension; a hold outlasts it.
    bob.batch_execute(&format!("SELECT jdl_hold({request}, current_date + 30, 'litigation')")).unwrap();
    bob.batch_execute(&format!("SELECT jdl_withdraw({request}, 'given up')")).unwrap();
    assert_eq!(due(&lab, request).unwrap(), was);
    lab.admin()
        .batch_execute(&format!("UPDATE jdl.request SET destroy_on = current_date - 1 WHERE request_id = {request}"))
        .unwrap();
    let (state, text) = refusal(&mut bob, &format!("SELECT jdl_destroy({request})"));
    assert!(state == "55000" && text.contains("is held until"), "{text}");
    let ran = lab.connect("jdl_job").query_one("SELECT * FROM jdl_retention_run()", &[]).unwrap();
    assert_eq!((ran.get::<_, i32>(0), ran.get::<_, i32>(1)), (0, 0));
    let failing = "SELECT count(*) FROM jdl_assurance() WHERE NOT passed AND check_id = 'overdue'";
    assert_eq!(one::<i64>(&mut lab.connect("aud"), failing), 0, "a hold is not overdue");
    // A hold that has come to its end holds no more; nor does one that was lifted.
    lab.admin().batch_execute("UPDATE jdl.retention_decision SET until = current_date - 1").unwrap();
    assert_eq!(one::<i64>(&mut lab.connect("aud"), failing), 1);
    bob.batch_execute(&format!("SELECT jdl_hold({request}, current_date + 30, 'litigation, again')")).unwrap();
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_lift_hold({request}, '')")).0, "22023");
    bob.batch_execute(&format!("SELECT jdl_lift_hold({request}, 'settled')")).unwrap();
    let ran = lab.connect("jdl_job").query_one("SELECT * FROM jdl_retention_run()", &[]).unwrap();
    assert_eq!((ran.get::<_, i32>(0), ran.get::<_, i32>(1)), (1, 0));
    assert_eq!(status(&lab, request), "destroyed");
    // Everything of it stands in the record.
    let record: Value = one(&mut lab.connect("aud"), &format!("SELECT jdl_dpia({request})"));
    let kept: Vec<&str> =
        record["retention"]["decisions"].as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert_eq!(kept, ["extension", "hold", "hold"]);
    assert!(record["retention"]["decisions"].as_array().unwrap().iter().all(|d| d["signed_by"] == "bob"));
    assert_eq!(record["destroyed"]["rows"]["submissions"], 1);
}

/// The files of the cluster's data directory that hold a word.
fn files_with(word: &str) -> Vec<String> {
    let data = format!("{}/data", std::env::var("PGHOST").unwrap());
    let grep = Command::new("grep").args(["-rlaF", word, &data]).output().unwrap();
    String::from_utf8_lossy(&grep.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn after_destruction_no_file_of_the_cluster_holds_a_name() {
    let lab = Lab::new("bytes");
    let request = lab.made_up(5_000, 200);
    // Names of their own, which no other test and no register holds, in every record.
    let word = format!("Zqx{}vw", std::process::id());
    let changed = format!(
        "UPDATE jdl_restricted.submission SET forename = '{word}' || record_no, postcode = '{word}', sentence_start = '{word}', gender = '{word}' WHERE request_id = {request}"
    );
    lab.admin().batch_execute(&changed).unwrap();
    // Used hard: checked, linked, matched, reported, sorted, analysed, and in an error.
    lab.connect("ida").batch_execute(&format!("SELECT jdl_validate({request})")).unwrap();
    lab.connect("ann").batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    let mut admin = lab.admin();
    admin.batch_execute(&format!("SET work_mem = 64; SELECT count(*) FROM (SELECT forename FROM jdl_restricted.submission ORDER BY 1) s; ANALYZE jdl_restricted.submission; ANALYZE jdl_restricted.submission_{request}; CHECKPOINT")).unwrap();
    assert_eq!(
        refusal(
            &mut admin,
            &format!("SELECT forename::integer FROM jdl_restricted.submission WHERE request_id = {request}")
        )
        .0,
        "22P02"
    );
    // Unlogged pages stay in memory until something makes the server write them all, as copying a database does.
    let flushed = format!("flushed_{}", std::process::id());
    admin.batch_execute(&format!("CREATE DATABASE {flushed} TEMPLATE template0 STRATEGY file_copy")).unwrap();
    admin.batch_execute(&format!("DROP DATABASE {flushed}")).unwrap();
    let found = files_with(&word);
    assert!(
        !found.is_empty() && found.iter().all(|file| file.contains("/base/")),
        "before, in the heap alone, not in WAL: {found:?}"
    );

    let mut bob = lab.connect("bob");
    bob.batch_execute(&format!("SELECT jdl_withdraw({request}, 'a test')")).unwrap();
    let certificate: Value = one(&mut bob, &format!("SELECT jdl_destroy({request})"));
    println!("certificate: {certificate:#}");
    admin.batch_execute("CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT").unwrap();
    assert_eq!(files_with(&word), Vec::<String>::new(), "the data directory still holds {word}");
    // The error above put the name of the first record into the server's log: Postgres' own message, which docs/security.md admits.
    let kept = &certificate["kept_rows"];
    let (members, alone): (i64, i64) = {
        let row = admin
            .query_one(
                "SELECT count(*), count(*) FILTER (WHERE n = 1) FROM (
                     SELECT count(*) OVER (PARTITION BY disposal, offence_group, gender, ethnicity, nationality, region, age, previous_sanctions, previous_custody,
                                                        previous_offences, months_since_last) AS n
                     FROM jdl_pseudonymised.member WHERE request_id = $1) m",
                &[&request],
            )
            .unwrap();
        (row.get(0), row.get(1))
    };
    assert_eq!((kept["members"].as_i64(), kept["unlike_any_other"].as_i64()), (Some(members), Some(alone)));
    assert!(certificate["kept"].as_str().unwrap().contains("could be recognised"));
    assert_eq!(certificate["clock"], "5 working days from the decision");
    assert!(certificate["sessions"]["of_superusers_left"].as_i64() >= Some(1), "this test's own");
    let expiry: String = one(&mut admin, "SELECT ((now() AT TIME ZONE 'Europe/London')::date + 35)::text");
    assert_eq!(certificate["dumps_expire_on"].as_str(), Some(expiry.as_str()));
}

#[test]
fn a_session_that_may_hold_identities_is_ended_by_destruction() {
    let lab = Lab::new("sessions");
    let request = opened(&lab);
    let mut admin = lab.admin();
    admin
        .batch_execute(
            "DO $$ BEGIN IF to_regrole('backup_of_sessions') IS NULL THEN CREATE ROLE backup_of_sessions LOGIN BYPASSRLS; END IF; END $$;
             GRANT USAGE ON SCHEMA jdl_restricted TO backup_of_sessions; GRANT SELECT ON jdl_restricted.submission TO backup_of_sessions",
        )
        .unwrap();
    let mut backup = lab.connect("backup_of_sessions");
    backup
        .batch_execute("BEGIN; DECLARE held CURSOR FOR SELECT * FROM jdl_restricted.submission; FETCH 1 FROM held")
        .unwrap();
    lab.connect("bob").batch_execute(&format!("SELECT jdl_withdraw({request}, 'a test')")).unwrap();
    let certificate: Value = one(&mut lab.connect("bob"), &format!("SELECT jdl_destroy({request})"));
    assert_eq!(certificate["sessions"]["ended"], 1);
    assert!(backup.batch_execute("FETCH ALL FROM held").is_err());
    drop(lab);
    admin = connect("postgres", "postgres");
    admin.batch_execute("DROP ROLE backup_of_sessions").unwrap();
}

#[test]
fn nobody_keeps_data_by_leaving_a_transaction_open() {
    let lab = Lab::new("open");
    let request = opened(&lab);
    let second = opened(&lab);
    lab.assign("ann", second);
    let mut bob = lab.connect("bob");
    bob.batch_execute(&format!("SELECT jdl_withdraw({request}, 'a test'), jdl_withdraw({second}, 'a test')")).unwrap();
    // An analyst of another request has taken a step, and waits.
    let mut ann = lab.connect("ann");
    ann.batch_execute(&format!("BEGIN; SELECT jdl_validate({second})")).unwrap();
    // Not at once: people may think between two statements.
    let (state, _) = refusal(&mut bob, &format!("SET lock_timeout = '1s'; SELECT jdl_destroy({request})"));
    assert_eq!(state, "55P03");
    std::thread::sleep(Duration::from_secs(30));
    bob.batch_execute(&format!("SELECT jdl_destroy({request})")).unwrap();
    assert!(ann.batch_execute("COMMIT").is_err(), "her session has ended");
}

#[test]
fn nobody_keeps_what_is_overdue_by_any_lock() {
    let lab = Lab::new("overdue");
    let mut bob = lab.connect("bob");
    let mut admin = lab.admin();
    let mut overdue = || {
        let request = opened(&lab);
        bob.batch_execute(&format!("SELECT jdl_reject({request}, 'a test')")).unwrap();
        admin
            .batch_execute(&format!(
                "UPDATE jdl.request SET destroy_on = current_date - 1 WHERE request_id = {request}"
            ))
            .unwrap();
        request
    };
    let mut idle = Vec::new();
    // The row of the request; the end of the trail, for which every commit waits; and the lock that steps share, by somebody busy.
    for (person, statements, busy) in [
        ("ida", "SELECT jdl_note_discussion($, current_date)", false),
        ("aud", "SET CONSTRAINTS ALL IMMEDIATE; SELECT jdl_dpia($)", false),
        ("ida", "SELECT jdl_validate($); SELECT pg_sleep(120)", true),
    ] {
        let request = overdue();
        let mut holder = lab.connect(person);
        let script = format!("BEGIN; {}", statements.replace('$', &request.to_string()));
        let mut held = None;
        if busy {
            held = Some(std::thread::spawn(move || holder.batch_execute(&script).is_err()));
            std::thread::sleep(Duration::from_secs(1));
        } else {
            holder.batch_execute(&script).unwrap();
            idle.push(holder);
        }
        let mut job = lab.connect("jdl_job");
        job.batch_execute("SET statement_timeout = '30s'").unwrap();
        let ran = job.query_one("SELECT * FROM jdl_retention_run()", &[]).unwrap();
        assert_eq!((ran.get::<_, i32>(0), ran.get::<_, i32>(1)), (1, 0), "{person}: {statements}");
        assert!(held.is_none_or(|held| held.join().unwrap()), "{person}: the session has ended");
    }
    assert!(idle.iter_mut().all(|holder| holder.batch_execute("COMMIT").is_err()), "their sessions have ended");
}

#[test]
fn a_certificate_counts_what_is_destroyed_and_not_what_an_old_snapshot_saw() {
    let lab = Lab::new("snapshot");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(100, 1)").unwrap();
    let request = lab.open("{}");
    lab.connect("bob").batch_execute(&format!("SELECT jdl_preflight({request})")).unwrap();
    assert_eq!(status(&lab, request), "rejected", "nothing was sent, so far");
    let mut dan = lab.connect("dan");
    dan.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").unwrap();
    lab.load(request, "forename,surname\nZebedee,Quixwell\n").unwrap();
    let (state, text) = refusal(&mut dan, &format!("SELECT jdl_destroy({request})"));
    assert!(state == "25000" && text.contains("READ COMMITTED"), "{text}");
    dan.batch_execute("ROLLBACK").unwrap();
    let certificate: Value = one(&mut dan, &format!("SELECT jdl_destroy({request})"));
    assert_eq!(certificate["rows"]["submissions"], 1);
}

#[test]
fn two_runs_at_once_are_harmless_and_a_missed_one_is_made_good_and_seen() {
    let lab = Lab::new("runs");
    let request = opened(&lab);
    lab.connect("bob").batch_execute(&format!("SELECT jdl_withdraw({request}, 'a test')")).unwrap();
    lab.admin()
        .batch_execute("UPDATE jdl.request SET decided_on = current_date - 30, destroy_on = current_date - 20")
        .unwrap();
    let seen = |lab: &Lab| -> Vec<String> {
        one(
            &mut lab.connect("aud"),
            "SELECT array_agg(check_id ORDER BY check_id) FROM jdl_assurance() WHERE NOT passed",
        )
    };
    assert_eq!(seen(&lab), ["overdue", "retention-ran"], "nothing has run for weeks");
    // The first run is under way; the second one says so, waits for nothing and does nothing.
    let (mut first, mut second) = (lab.connect("jdl_job"), lab.connect("jdl_job"));
    let ran = |client: &mut postgres::Client| -> (i32, i32) {
        let row = client.query_one("SELECT * FROM jdl_retention_run()", &[]).unwrap();
        (row.get(0), row.get(1))
    };
    first.batch_execute("BEGIN").unwrap();
    assert_eq!(ran(&mut first), (1, 0));
    assert_eq!(ran(&mut second), (0, 0));
    first.batch_execute("COMMIT").unwrap();
    assert_eq!(ran(&mut second), (0, 0), "nothing is left to do");
    let certificates: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl.destruction");
    assert_eq!((certificates, status(&lab, request).as_str()), (1, "destroyed"));
    let failing = "SELECT count(*) FROM jdl_assurance() WHERE NOT passed";
    assert_eq!(one::<i64>(&mut lab.connect("aud"), failing), 0);
}

#[test]
fn the_record_for_the_data_protection_file_says_who_did_what() {
    let lab = Lab::new("dpia");
    let request = lab.made_up(5_000, 200);
    lab.connect("ann").batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    assert_eq!(refusal(&mut lab.connect("amy"), &format!("SELECT jdl_report({request})")).0, "42501");
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({request}), jdl_release({request})")).unwrap();
    let record: Value = one(&mut lab.connect("bob"), &format!("SELECT jdl_dpia({request})"));
    assert_eq!(record["purpose"]["intervention"], "the Fresh Start programme");
    assert_eq!(record["lawful_basis"]["confirmed_by_the_provider"]["legal_basis_confirmed"], true);
    assert_eq!(record["data"]["submitted_fields"].as_array().unwrap().len(), 11);
    assert_eq!(record["data"]["link"]["submitted"], 200);
    let signed = &record["access"]["signed_off"][0];
    assert_eq!(
        (&signed["person"], &signed["signed_by"], &signed["reason"]),
        (&"ann".into(), &"bob".into(), &"a test".into())
    );
    let used = record["access"]["used"].as_array().unwrap();
    for (person, action) in [("ida", "open_request"), ("ann", "read_restricted"), ("bob", "release")] {
        assert!(used.iter().any(|u| u["person"] == person && u["action"] == action), "{person} {action}: {used:?}");
    }
    assert_eq!(record["access"]["refused"], 1);
    assert_eq!((&record["released"]["approved_by"], &record["destroyed"]), (&"bob".into(), &Value::Null));
    assert!(record["released"]["measures"].as_array().unwrap().len() > 1);
    assert_eq!(refusal(&mut lab.connect("ann"), &format!("SELECT jdl_dpia({request})")).0, "42501");
}

#[test]
fn a_real_job_of_pg_cron_destroys_what_is_due() {
    if !has_cron() {
        return;
    }
    // pg_cron runs in one database of the cluster: the one that with-cluster calls jdl.
    let lab = std::mem::ManuallyDrop::new(Lab { database: "jdl".to_owned() });
    drop(Lab::new("people_of_cron"));
    let request = opened(&lab);
    let mut admin = lab.admin();
    admin
        .batch_execute(&format!(
            "UPDATE jdl.request SET status = 'rejected', decided_on = current_date - 30, destroy_on = current_date - 20 WHERE request_id = {request};
             SELECT jdl_schedule_retention('* * * * *')"
        ))
        .unwrap();
    let users: String =
        one(&mut admin, "SELECT string_agg(username, ',') FROM cron.job WHERE jobname = 'jdl retention'");
    assert_eq!(users, "jdl_job", "a superuser schedules for the job's own account");
    let began = Instant::now();
    while status(&lab, request) != "destroyed" && began.elapsed() < Duration::from_secs(180) {
        std::thread::sleep(Duration::from_secs(1));
    }
    let details: Option<String> = one(
        &mut admin,
        "SELECT string_agg(status || ' ' || coalesce(return_message, ''), '; ') FROM cron.job_run_details",
    );
    admin.batch_execute("SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = 'jdl retention'").unwrap();
    assert_eq!(status(&lab, request), "destroyed", "{details:?}");
    let by: String =
        one(&mut admin, &format!("SELECT destroyed_by::text FROM jdl.destruction WHERE request_id = {request}"));
    assert_eq!(by, "jdl_job");
}
