//! Bad input: each gets a clear error with its SQLSTATE, or findings; nothing half-done stays, and no value is echoed.

use jdl_surface::{ASSURED, Lab, copy_in, one, refusal, rows};
use postgres::Client;

const HEADER: &str = "forename,surname,date_of_birth,gender,postcode,pnc_id,prison_number,sentence_start,sentence_end,intervention_start,intervention_end";

/// Values that no message may repeat.
const SECRETS: [&str; 5] = ["Zebedee", "Quixwell", "30/02/1985", "31/13/1979", "ZZ99"];

/// A list of so many made-up people, all of them good records.
fn good(records: usize) -> String {
    let mut list = format!("{HEADER}\n");
    for n in 0..records {
        let (day, month) = (1 + n % 28, 1 + n / 28 % 12);
        list += &format!(
            "Zebedee,Quixwell,1985-{month:02}-{day:02},M,ZZ99 9ZZ,,,2010-{month:02}-{day:02},2010-{month:02}-{day:02},,\n"
        );
    }
    list
}

fn assert_silent(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "\"{secret}\" is echoed: {text}");
    }
}

/// A refusal with this SQLSTATE whose text holds no value and begins in lower case without a full stop.
fn assert_refused(client: &mut Client, sql: &str, state: &str) -> String {
    let (found, text) = refusal(client, sql);
    assert_eq!(found, state, "{sql}: {text}");
    assert_silent(&text);
    let message = text.lines().next().unwrap();
    assert!(!message.ends_with('.') && !message.starts_with(char::is_uppercase), "{message}");
    text
}

fn submissions(lab: &Lab) -> i64 {
    one(&mut lab.admin(), "SELECT count(*) FROM jdl_restricted.submission")
}

fn findings(lab: &Lab, request: i64) -> Vec<(Option<i32>, String, String, String)> {
    let mut ida = lab.connect("ida");
    let rows = ida.query("SELECT * FROM jdl_validate($1)", &[&request]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

#[test]
fn a_file_in_the_wrong_encoding_is_refused_whole() {
    let lab = Lab::new("encoding");
    let request = lab.open("{}");
    let mut ida = lab.connect("ida");
    ida.batch_execute(&format!("SET jdl.request_id = '{request}'")).unwrap();
    // Forty thousand good records, of which the first batches are already written, then a name in Windows-1252.
    let mut file = good(40_000).into_bytes();
    file.extend_from_slice(b"Zo\xeb,Quixwell,1985-01-01,M,,,,,,,\n");
    let copy = format!("COPY jdl.submission ({HEADER}) FROM STDIN (FORMAT csv, HEADER)");
    let error = copy_in(&mut ida, &copy, &file).unwrap_err();
    let error = error.as_db_error().expect("an error of the database");
    assert_eq!(error.code().code(), "22021");
    // The context, COPY's own, goes to the sender of the line alone; message, detail and hint are everybody's.
    assert_silent(&format!("{} {:?} {:?}", error.message(), error.detail(), error.hint()));
    assert_eq!(submissions(&lab), 0);
    // The connection is as good as new, and nothing of the failed load is left in it.
    assert_eq!(copy_in(&mut ida, &copy, good(3).as_bytes()).unwrap(), 3);
    assert_eq!(submissions(&lab), 3);
    // The same bytes with their encoding named are welcome.
    let copy = format!("COPY jdl.submission ({HEADER}) FROM STDIN (FORMAT csv, ENCODING 'WIN1252')");
    assert_eq!(copy_in(&mut ida, &copy, b"Zo\xeb,Quixwell,1985-01-01,M,,,,,,,\n").unwrap(), 1);
    let last: String = one(&mut lab.admin(), "SELECT forename FROM jdl_restricted.submission WHERE record_no = 4");
    assert_eq!(last, "Zoë");
}

#[test]
fn a_line_with_too_few_or_too_many_cells_is_refused_and_not_written_to_the_log() {
    let lab = Lab::new("cells");
    let request = lab.open("{}");
    for line in ["Zebedee,Quixwell,1985-01-01\n", "Zebedee,Quixwell,1985-01-01,M,ZZ99 9ZZ,,,,,,,,,\n"] {
        let (state, text) = lab.load(request, &(good(2) + line)).unwrap_err();
        assert_eq!(state, "22P04", "{text}");
        assert!(text.contains("line 4"), "the line is named: {text}");
    }
    let missing = "nickname,surname\nZebedee,Quixwell\n";
    let (state, text) = lab.load(request, missing).unwrap_err();
    assert_eq!(state, "42703", "an unknown column: {text}");
    assert_eq!(submissions(&lab), 0);
    let log = std::fs::read_to_string(format!("{}/server.log", std::env::var("PGHOST").unwrap())).unwrap();
    assert!(log.contains("missing data for column"), "the refusal itself is in the server's log");
    assert_silent(&log);
}

#[test]
fn an_absent_essential_column_is_a_finding_about_the_whole_list() {
    let lab = Lab::new("column");
    let request = lab.open("{}");
    let list: String =
        "forename,date_of_birth,gender,sentence_start\n".to_owned() + &"Zebedee,1985-01-01,M,2010-01-01\n".repeat(70);
    assert_eq!(lab.load(request, &list).unwrap(), 70);
    let found = findings(&lab, request);
    assert!(
        found.iter().any(|(record, field, severity, _)| record.is_none() && field == "surname" && severity == "error"),
        "{:?}",
        &found[..3.min(found.len())]
    );
    assert_silent(&format!("{found:?}"));
}

#[test]
fn impossible_dates_are_findings_that_name_record_and_field_and_not_the_value() {
    let lab = Lab::new("dates");
    let request = lab.open("{}");
    let list = format!(
        "{HEADER}
Zebedee,Quixwell,30/02/1985,M,ZZ99 9ZZ,,,2010-01-01,2010-06-01,2010-02-01,2010-03-01
Zebedee,Quixwell,1985-05-05,M,ZZ99 9ZZ,,,31/13/1979,31/13/1979,31/13/1979,31/13/1979
Zebedee,Quixwell,2999-01-01,M,ZZ99 9ZZ,,,2010-01-01,2010-06-01,2010-02-01,2010-03-01
Zebedee,Quixwell,1985-05-05,M,ZZ99 9ZZ,,,2010-06-01,2010-01-01,2010-02-01,2010-03-01
Zebedee,Quixwell,Quixwell,Zebedee,Zebedee,Zebedee,Zebedee,Zebedee,Zebedee,Zebedee,Zebedee
"
    );
    assert_eq!(lab.load(request, &list).unwrap(), 5, "loading never fails on a bad cell");
    let found = findings(&lab, request);
    for finding in &found {
        println!("bad dates: {finding:?}");
    }
    assert_silent(&format!("{found:?}"));
    let has = |record: i32, field: &str| found.iter().any(|f| f.0 == Some(record) && f.1 == field);
    for (record, field) in [
        (1, "date_of_birth"),
        (2, "sentence_start"),
        (2, "sentence_end"),
        (2, "intervention_start"),
        (3, "date_of_birth"),
        (5, "date_of_birth"),
        (5, "gender"),
        (5, "pnc_id"),
        (5, "postcode"),
        (5, "intervention_end"),
    ] {
        assert!(has(record, field), "no finding on {field} of record {record}");
    }
    assert!(found.iter().any(|f| f.0 == Some(4) && f.1.starts_with("sentence_")), "the sentence ends before it starts");
    assert!(!has(1, "sentence_start") && !has(1, "forename") && !has(2, "date_of_birth"), "good cells are not blamed");
}

#[test]
fn fifty_nine_records_are_rejected_with_a_date_of_destruction() {
    let lab = Lab::new("fifty_nine");
    let request = lab.open("{}");
    lab.assign("ann", request);
    let mut ida = lab.connect("ida");
    // Before there is a register nothing can be promised.
    assert_refused(&mut ida, &format!("SELECT jdl_preflight({request})"), "55000");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(3000, 1)").unwrap();
    let list = lab.made_up_list(60, 7);
    let mut lines: Vec<&str> = list.lines().collect();
    let last = lines.pop().unwrap();
    lab.load(request, &(lines.join("\n") + "\n")).unwrap();

    let mut ann = lab.connect("ann");
    let text = assert_refused(&mut ann, &format!("SELECT * FROM jdl_link({request})"), "55000");
    assert!(text.contains("too few records: 59, at least 60 needed"), "{text}");
    let answer: serde_json::Value = one(&mut ida, &format!("SELECT jdl_preflight({request})"));
    assert_eq!(answer["decision"], "reject");
    assert_eq!(answer["submitted"], 59);
    let due: String = one(&mut ida, "SELECT jdl_add_working_days(current_date, 5)::text");
    assert_eq!(answer["destroy_on"], due.as_str());
    let stored: String =
        one(&mut ida, &format!("SELECT status || ' ' || destroy_on FROM jdl.request WHERE request_id = {request}"));
    assert_eq!(stored, format!("rejected {due}"));
    let text = assert_refused(&mut ann, &format!("SELECT * FROM jdl_link({request})"), "55000");
    assert!(text.contains(&due), "the refusal says when the data is destroyed: {text}");
    let links: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl_restricted.link");
    assert_eq!(links, 0);

    // One more record mends it.
    lab.load(request, &format!("{}\n{last}\n", lines[0])).unwrap();
    let answer: serde_json::Value = one(&mut ida, &format!("SELECT jdl_preflight({request})"));
    assert_eq!((&answer["decision"], answer.get("destroy_on")), (&"accept".into(), None), "{answer}");
}

#[test]
fn an_unknown_request_is_no_data_found_for_every_step() {
    let lab = Lab::new("unknown");
    let request = lab.open("{}");
    let steps: [(&str, &[&str]); 3] = [
        ("ida", &["jdl_validate(999)", "jdl_preflight(999)"]),
        (
            "ann",
            &[
                "jdl_validate(999)",
                "jdl_preflight(999)",
                "jdl_link(999)",
                "jdl_match(999)",
                "jdl_analyse(999)",
                "jdl_report(999)",
                "jdl_report_text(999)",
                "jdl_report_html(999)",
                "jdl_halt(999, 'why')",
                "jdl_link(-1)",
            ],
        ),
        (
            "bob",
            &[
                "jdl_report(999)",
                "jdl_approve(999)",
                "jdl_release_check(999)",
                "jdl_decide_release(999, 'refuse', 'x')",
                "jdl_release(999)",
                "jdl_reject(999, 'why')",
                "jdl_halt(999, 'why')",
                "jdl_withdraw(999, 'why')",
                "jdl_supersede(999, 1, 'why')",
                "jdl_destroy(999)",
                "jdl_grant_access('ann', 'jdl_analyst', 999, 'why', current_date)",
                "jdl_revoke_access(999, 'why')",
            ],
        ),
    ];
    for (person, calls) in steps {
        let mut client = lab.connect(person);
        for call in calls {
            assert_refused(&mut client, &format!("SELECT * FROM {call}"), "P0002");
        }
    }
    let call = format!("SELECT jdl_supersede({request}, 999, 'why')");
    assert_refused(&mut lab.connect("bob"), &call, "P0002");
    assert_eq!(lab.load(999, &good(1)).unwrap_err().0, "P0002");
}

#[test]
fn a_request_without_assurances_or_by_another_channel_or_with_unknown_options_is_not_opened() {
    let lab = Lab::new("unassured");
    let mut ida = lab.connect("ida");
    let open = |provider: &str, channel: &str, assurances: &str, options: &str| {
        format!("SELECT jdl_open_request({provider}, 'a service', {channel}, {assurances}, {options})")
    };
    let assured = format!("'{ASSURED}'");
    for assurances in [
        "'{}'",
        "NULL",
        "'[]'",
        r#"'{"legal_basis_confirmed": true}'"#,
        r#"'{"legal_basis_confirmed": true, "sharing_gateway_confirmed": false}'"#,
        r#"'{"legal_basis_confirmed": "true", "sharing_gateway_confirmed": "true"}'"#,
    ] {
        let text = assert_refused(&mut ida, &open("'P'", "'cjsm'", assurances, "'{}'"), "22023");
        assert!(text.contains("sharing_gateway_confirmed"), "{text}");
    }
    for channel in ["'post'", "'CJSM '", "''", "NULL"] {
        let text = assert_refused(&mut ida, &open("'P'", channel, &assured, "'{}'"), "22023");
        assert!(text.contains("cjsm, government_secure_email"), "the permitted ones are named: {text}");
    }
    for options in [r#"'{"follow_up": 12}'"#, "'[]'", "NULL"] {
        assert_refused(&mut ida, &open("'P'", "'cjsm'", &assured, options), "22023");
    }
    for provider in ["''", "'  '", "NULL"] {
        assert_refused(&mut ida, &open(provider, "'cjsm'", &assured, "'{}'"), "22023");
    }
    let opened: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl.request");
    let partitions: i64 = one(&mut lab.admin(), "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'");
    assert_eq!((opened, partitions), (0, 0), "nothing half-done stays");
}

#[test]
fn unknown_options_and_people_who_are_not_assigned_are_refused_and_leave_nothing() {
    let lab = Lab::new("options");
    let request = lab.made_up(3_000, 120);
    let mut ann = lab.connect("ann");
    for call in [
        r#"jdl_link($, '{"threshold": 0.9}')"#,
        "jdl_link($, '[]')",
        r#"jdl_link($, '{"max_block_size": 0}')"#,
        r#"jdl_link($, '{"link_probability": 2}')"#,
        r#"jdl_match($, '{"methode": "nearest"}')"#,
        r#"jdl_match($, '{"method": "astrology"}')"#,
        r#"jdl_match($, '{"ratio": 0}')"#,
        "jdl_match($, '[]')",
    ] {
        let call = call.replace('$', &request.to_string());
        assert_refused(&mut ann, &format!("SELECT * FROM {call}"), "22023");
    }
    let mut amy = lab.connect("amy");
    for step in ["validate", "preflight", "link", "match", "analyse", "report", "report_text", "report_html"] {
        let text = assert_refused(&mut amy, &format!("SELECT * FROM jdl_{step}({request})"), "42501");
        assert!(text.contains("permission denied for request"), "{text}");
    }
    assert_refused(&mut amy, &format!("SELECT jdl_halt({request}, 'why')"), "42501");
    assert_eq!(traces(&lab, request), "open 0 0 0 0 0");
}

#[test]
fn an_option_of_the_wrong_type_is_refused() {
    let lab = Lab::new("option_type");
    let request = lab.made_up(3_000, 120);
    let mut ann = lab.connect("ann");
    for call in [
        r#"jdl_link($, '{"link_probability": "high"}')"#,
        r#"jdl_link($, '{"suspect_probability": null}')"#,
        r#"jdl_link($, '{"max_block_size": true}')"#,
        r#"jdl_match($, '{"caliper": "wide"}')"#,
        r#"jdl_match($, '{"ratio": 1.5}')"#,
    ] {
        let call = call.replace('$', &request.to_string());
        assert_refused(&mut ann, &format!("SELECT * FROM {call}"), "22023");
    }
    let mut ida = lab.connect("ida");
    for option in [
        r#"{"follow_up_months": "twelve"}"#,
        r#"{"follow_up_months": 0}"#,
        r#"{"waiting_months": -6}"#,
        r#"{"threshold": "none"}"#,
        r#"{"seed": "dice"}"#,
        r#"{"primary_measure": "happiness"}"#,
        r#"{"offence_groups": 7}"#,
    ] {
        let call = format!("SELECT jdl_open_request('P', 'a service', 'cjsm', '{ASSURED}', '{option}')");
        assert_refused(&mut ida, &call, "22023");
    }
}

/// Status of a request and how many rows of steps, links, members, outcomes and reports stand.
fn traces(lab: &Lab, request: i64) -> String {
    let sql = format!(
        "SELECT concat_ws(' ', (SELECT status FROM jdl.request WHERE request_id = {request}), (SELECT count(*) FROM jdl.request_step),
                (SELECT count(*) FROM jdl_restricted.link), (SELECT count(*) FROM jdl_pseudonymised.member),
                (SELECT count(*) FROM jdl_pseudonymised.outcome), (SELECT count(*) FROM jdl.report))"
    );
    one(&mut lab.admin(), &sql)
}

#[test]
fn records_have_to_be_loaded_into_a_named_request_that_takes_records() {
    let lab = Lab::new("loading");
    let request = lab.made_up(3_000, 120);
    for (setting, state) in [
        ("RESET jdl.request_id", "55000"),
        ("SET jdl.request_id = ''", "55000"),
        ("SET jdl.request_id = 'Quixwell'", "22023"),
        ("SET jdl.request_id = '-1'", "22023"),
        ("SET jdl.request_id = '1; DROP TABLE jdl.request'", "22023"),
        ("SET jdl.request_id = '99999999999999999999'", "22023"),
        ("SET jdl.request_id = '999'", "P0002"),
    ] {
        let (found, text) = lab.psql_load("ida", setting, &good(1)).unwrap_err();
        assert_eq!(found, state, "{setting}: {text}");
        assert_silent(&text);
    }
    assert_eq!(submissions(&lab), 120);
    // A plain INSERT is as good as a COPY.
    let mut ida = lab.connect("ida");
    ida.batch_execute(&format!(
        "SET jdl.request_id = '{request}'; INSERT INTO jdl.submission (surname) VALUES ('Quixwell'), (NULL)"
    ))
    .unwrap();
    assert_eq!(submissions(&lab), 122);

    lab.connect("ann").batch_execute(&format!("SELECT jdl_link({request})")).unwrap();
    let (state, text) = lab.load(request, &good(1)).unwrap_err();
    assert_eq!(state, "55000", "{text}");
    assert_silent(&text);
    assert_eq!(submissions(&lab), 122);
    // Ann, who analyses, does not load.
    let (state, text) = lab.psql_load("ann", &format!("SET jdl.request_id = '{request}'"), &good(1)).unwrap_err();
    assert_eq!(state, "42501", "{text}");
}

/// Runs a statement in a thread, cancels it as soon as `ready` (a query of the superuser's) is true, and returns its refusal.
fn cancelled(lab: &Lab, person: &str, statement: String, ready: &str) -> (String, String) {
    let mut client = lab.connect(person);
    let token = client.cancel_token();
    let running = std::thread::spawn(move || refusal(&mut client, &statement));
    let mut admin = lab.admin();
    while !one::<bool>(&mut admin, ready) {
        assert!(!running.is_finished(), "ended by itself: {:?}", running.join());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    token.cancel_query(postgres::NoTls).unwrap();
    running.join().expect("a refusal")
}

#[test]
fn cancelling_a_large_register_leaves_no_person_and_no_version() {
    let lab = Lab::new("cancel_register");
    // It holds the lock from the moment it starts to write.
    let ready = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'jdl_restricted.circumstance'::regclass
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode = 'AccessExclusiveLock' AND granted)";
    let (state, text) = cancelled(&lab, "dan", "SELECT jdl_synthesise_register(500000, 1)".to_owned(), ready);
    assert_eq!(state, "57014", "{text}");
    let left: i64 = one(
        &mut lab.admin(),
        "SELECT (SELECT count(*) FROM jdl_restricted.person) + (SELECT count(*) FROM jdl_restricted.sentence) + (SELECT count(*) FROM jdl_restricted.offence)
              + (SELECT count(*) FROM jdl_restricted.index_event) + (SELECT count(*) FROM jdl_restricted.linkage_record) + (SELECT count(*) FROM jdl.register_version)",
    );
    assert_eq!(left, 0);
    // And nothing stands in the way of the next one.
    let made: i64 = one(&mut lab.connect("dan"), "SELECT persons_made FROM jdl_synthesise_register(1000, 1)");
    assert_eq!(made, 1_000);
}

#[test]
fn cancelling_a_report_in_its_last_step_leaves_none_of_its_steps() {
    let lab = Lab::new("cancel_report");
    let request = lab.made_up(6_000, 300);
    // Readers pass this lock and writers do not: the report is stopped when all that is left is to store it.
    let mut holder = lab.admin();
    let mut transaction = holder.transaction().unwrap();
    transaction.batch_execute("LOCK TABLE jdl.report IN SHARE MODE").unwrap();
    let ready = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'jdl.report'::regclass
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND NOT granted)";
    let (state, text) = cancelled(&lab, "ann", format!("SELECT jdl_report({request})"), ready);
    assert_eq!(state, "57014", "{text}");
    assert_eq!(traces(&lab, request), "open 0 0 0 0 0");
    transaction.rollback().unwrap();
    lab.connect("ann").batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    assert!(traces(&lab, request).starts_with("analysed 4 300 "), "{}", traces(&lab, request));
    let trail: (bool, i64) = {
        let row = lab.connect("aud").query_one("SELECT intact, entries FROM jdl_audit_verify()", &[]).unwrap();
        (row.get(0), row.get(1))
    };
    assert!(trail.0 && trail.1 > 0);
}

#[test]
fn a_list_with_too_many_unusable_records_is_rejected_whole() {
    let lab = Lab::new("unusable");
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(3000, 1)").unwrap();
    let request = lab.open("{}");
    let list = lab.made_up_list(100, 7) + &"Zebedee,Quixwell,30/02/1985,M,,,,31/13/1979,,,\n".repeat(60);
    lab.load(request, &list).unwrap();
    let answer: serde_json::Value = one(&mut lab.connect("ida"), &format!("SELECT jdl_preflight({request})"));
    assert_eq!((&answer["decision"], &answer["submitted"]), (&"reject".into(), &160.into()));
    assert!(answer["reasons"][0].as_str().unwrap().starts_with("too many unusable records"), "{answer}");
    assert_silent(&answer.to_string());
    assert_eq!(rows(&list).len(), 160);
}
