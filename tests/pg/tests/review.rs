//! What a second pair of eyes found, kept found: each test was a way to break a promise.

use jdl_surface::{Lab, connect, one, refusal};

#[test]
fn setting_the_role_of_a_group_does_not_make_two_people_of_one() {
    let lab = Lab::new("two_in_one");
    let request = lab.made_up(3_000, 120);
    let mut admin = lab.admin();
    // Logins belong to the cluster, and another run may have made this one.
    admin
        .batch_execute(
            "DO $$ BEGIN IF to_regrole('duo') IS NULL THEN CREATE ROLE duo LOGIN IN ROLE jdl_analyst, jdl_approver; END IF; END $$",
        )
        .unwrap();
    lab.assign("duo", request);
    let mut duo = lab.connect("duo");
    duo.batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    for call in [
        format!("jdl_approve({request})"),
        format!("jdl_grant_access('duo', 'jdl_analyst', {request}, 'me', current_date)"),
    ] {
        for role in ["duo", "jdl_approver"] {
            let refused = refusal(&mut duo, &format!("SET ROLE {role}; SELECT {call}"));
            assert_eq!(refused.0, "42501", "{role}: {call}: {}", refused.1);
            duo.batch_execute("RESET ROLE").unwrap();
        }
    }
}

#[test]
fn whoever_had_a_hand_in_the_figures_does_not_approve_them_though_others_came_after() {
    let lab = Lab::new("hands");
    let first = lab.made_up(5_000, 200);
    let second = lab.open("{}");
    lab.load(second, &lab.made_up_list(200, 9)).unwrap();
    let mut admin = lab.admin();
    admin
        .batch_execute(
            "DO $$ BEGIN IF to_regrole('duo') IS NULL THEN CREATE ROLE duo LOGIN IN ROLE jdl_analyst, jdl_approver; END IF; END $$",
        )
        .unwrap();
    lab.assign("duo", first);
    lab.assign("ann", second);
    let (mut ann, mut bob, mut duo) = (lab.connect("ann"), lab.connect("bob"), lab.connect("duo"));
    // Duo tries a design, ann another after it: the step is ann's now, the choice was made with duo's eyes on the balance.
    ann.batch_execute(&format!("SELECT jdl_link({first})")).unwrap();
    duo.batch_execute(&format!("SELECT jdl_match({first}, '{{\"ratio\": 2}}')")).unwrap();
    ann.batch_execute(&format!("SELECT jdl_match({first}, '{{\"ratio\": 3}}'); SELECT jdl_report({first})")).unwrap();
    let (state, text) = refusal(&mut duo, &format!("SELECT jdl_approve({first})"));
    assert!(state == "42501" && text.contains("other eyes"), "{text}");
    bob.batch_execute(&format!("SELECT jdl_approve({first})")).unwrap();
    // Bob forces two links: he may go on doing that, and does not approve what came of it.
    ann.batch_execute(&format!("SELECT jdl_link({second})")).unwrap();
    for nth in [0, 1] {
        let record: i32 = one(
            &mut admin,
            &format!(
                "SELECT record_no FROM jdl_restricted.link WHERE request_id = {second} AND status = 'linked' ORDER BY 1 OFFSET {nth} LIMIT 1"
            ),
        );
        bob.batch_execute(&format!("SELECT jdl_override_link({second}, {record}, 'non_link', 'a twin')")).unwrap();
    }
    ann.batch_execute(&format!("SELECT jdl_report({second})")).unwrap();
    assert_eq!(refusal(&mut bob, &format!("SELECT jdl_approve({second})")).0, "42501");
    duo.batch_execute(&format!("SELECT jdl_approve({second})")).unwrap();
}

#[test]
fn what_an_approver_rejected_stays_rejected() {
    let lab = Lab::new("rejected");
    let request = lab.made_up(3_000, 120);
    lab.connect("bob").batch_execute(&format!("SELECT jdl_reject({request}, 'consent was withdrawn')")).unwrap();
    let due = format!("SELECT destroy_on::text FROM jdl.request WHERE request_id = {request} AND status = 'rejected'");
    let before: String = one(&mut lab.admin(), &due);
    lab.connect("ida").batch_execute(&format!("SELECT jdl_preflight({request})")).unwrap();
    assert_eq!(one::<String>(&mut lab.admin(), &due), before, "asking does not stop the clock");
    assert_eq!(refusal(&mut lab.connect("ann"), &format!("SELECT * FROM jdl_link({request})")).0, "55000");
}

#[test]
fn a_register_refreshed_after_matching_is_matched_again_before_outcomes_are_read() {
    let lab = Lab::new("refreshed");
    let request = lab.made_up(5_000, 200);
    let mut ann = lab.connect("ann");
    let matched: i32 = one(&mut ann, &format!("SELECT treatment_n FROM jdl_match({request})"));
    lab.admin()
        .batch_execute(&format!(
            "DELETE FROM jdl_restricted.sentence WHERE sentence_id IN (
                 SELECT sentence_id FROM jdl_restricted.pseudonym p JOIN jdl_pseudonymised.member m USING (request_id, pseudonym)
                 WHERE p.request_id = {request} AND m.treated ORDER BY sentence_id LIMIT 20);
             SELECT jdl_register_refresh()"
        ))
        .unwrap();
    let analysed: i32 = one(&mut ann, &format!("SELECT treatment_n FROM jdl_analyse({request})"));
    let stands: i32 = one(&mut ann, &format!("SELECT treatment_n FROM jdl_match({request})"));
    assert!(analysed < matched, "{analysed} of {matched}");
    assert_eq!(analysed, stands, "the design that stands is the one that was analysed");
    let designs: i64 = one(&mut ann, &format!("SELECT count(*) FROM jdl.match_design WHERE request_id = {request}"));
    assert_eq!(designs, 2);
}

#[test]
fn a_request_cannot_lower_the_disclosure_threshold_and_a_setting_not_below_five() {
    let lab = Lab::new("threshold");
    let floor = refusal(&mut lab.connect("dan"), "UPDATE jdl.setting SET value = '1' WHERE setting = 'smallest_cell'");
    assert_eq!(floor.0, "23514");
    let _ = lab.made_up(3_000, 120);
    let low = lab.open(r#"{"threshold": 1}"#);
    lab.load(low, &lab.made_up_list(100, 5)).unwrap();
    lab.assign("ann", low);
    let policy: String = one(&mut lab.connect("ann"), &format!("SELECT jdl_report({low}) #>> '{{disclosure,policy}}'"));
    assert!(policy.contains("under 10"), "{policy}");
}

#[test]
fn an_event_of_a_stricter_transaction_is_sealed_by_the_next_one() {
    let lab = Lab::new("strict");
    lab.connect("ida")
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT jdl_open_request('P', 'I', 'cjsm', '{\"legal_basis_confirmed\": true, \"sharing_gateway_confirmed\": true}'); COMMIT")
        .unwrap();
    lab.open("{}");
    let unsealed: i64 = one(
        &mut lab.admin(),
        "SELECT count(*) FROM jdl_audit.event e WHERE NOT EXISTS (SELECT FROM jdl_audit.chain c WHERE c.event_id = e.event_id)",
    );
    assert_eq!(unsealed, 0);
    lab.admin()
        .batch_execute(
            "ALTER TABLE jdl_audit.event DISABLE TRIGGER event_frozen; DELETE FROM jdl_audit.event WHERE isolation = 'repeatable read'",
        )
        .unwrap();
    assert!(!one::<bool>(&mut lab.connect("aud"), "SELECT intact FROM jdl_audit_verify()"));
}

#[test]
fn destroying_many_at_once_does_not_deadlock() {
    let lab = Lab::new("at_once");
    let requests: Vec<i64> = (0..6).map(|_| lab.open("{}")).collect();
    for request in &requests {
        lab.connect("bob").batch_execute(&format!("SELECT jdl_withdraw({request}, 'a test')")).unwrap();
    }
    let workers: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let database = lab.database.clone();
            std::thread::spawn(move || {
                connect(&database, "dan").batch_execute(&format!("SELECT jdl_destroy({request})"))
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap().unwrap();
    }
    assert!(one::<bool>(&mut lab.connect("aud"), "SELECT intact FROM jdl_audit_verify()"));
}

#[test]
fn a_session_that_wants_names_quoted_writes_the_same_names_into_the_trail() {
    let lab = Lab::new("quoted");
    let request = lab.open("{}");
    let before = format!("SET quote_all_identifiers = on; SET jdl.request_id = '{request}'");
    assert_eq!(lab.psql_load("ida", &before, "forename,surname\nZebedee,Quixwell\n"), Ok(1));
    let sql = format!(
        "SELECT count(*) FROM jdl_audit.event WHERE request_id = {request} AND relation = 'jdl_restricted.submission' AND action = 'insert'"
    );
    assert_eq!(one::<i64>(&mut lab.connect("aud"), &sql), 1);
    let mut aud = lab.connect("aud");
    aud.batch_execute("SET quote_all_identifiers = on").unwrap();
    let failing: Option<String> =
        one(&mut aud, "SELECT string_agg(check_id || ': ' || evidence, '; ') FROM jdl_assurance() WHERE NOT passed");
    assert_eq!(failing, None);
}
