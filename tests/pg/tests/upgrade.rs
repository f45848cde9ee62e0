//! The functions go and come back: the data, the roles and the trail stay, and what went with the functions is mended.

use jdl_surface::{Lab, one, refusal};
use serde_json::Value;

/// What must be the same afterwards, as text.
fn facts(lab: &Lab) -> Vec<String> {
    one(
        &mut lab.admin(),
        "SELECT array_agg(line ORDER BY line) FROM (
             SELECT p::text AS line FROM pg_policies p WHERE schemaname LIKE 'jdl%'
             UNION ALL SELECT format('%s %s %s', t.tgrelid::regclass, t.tgenabled, pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                 WHERE c.relnamespace::regnamespace::text LIKE 'jdl%' AND NOT t.tgisinternal
             UNION ALL SELECT format('%s %s %s', c.oid::regclass, c.relowner::regrole, c.relacl) FROM pg_class c WHERE c.relnamespace::regnamespace::text LIKE 'jdl%'
             UNION ALL SELECT format('%s %s %s %s', p.oid::regprocedure, p.proowner::regrole, p.proacl, p.proconfig) FROM pg_proc p WHERE p.proname ~ '^_?jdl_'
             UNION ALL SELECT r::text FROM jdl.request r UNION ALL SELECT r::text FROM jdl.report r UNION ALL SELECT a::text FROM jdl.access a UNION ALL SELECT s::text FROM jdl.setting s
             UNION ALL SELECT m::text FROM jdl_pseudonymised.member m UNION ALL SELECT s::text FROM jdl_restricted.submission s UNION ALL SELECT c::text FROM jdl.channel c) lines",
    )
}

#[test]
fn dropping_the_extension_takes_no_row_and_installing_it_again_mends_the_rest() {
    let lab = Lab::new("dropped");
    let request = lab.made_up(5_000, 200);
    let report: Value = one(&mut lab.connect("ann"), &format!("SELECT jdl_report({request})"));
    // What the site has changed must stay changed.
    lab.connect("dan")
        .batch_execute("UPDATE jdl.setting SET value = '12' WHERE setting = 'smallest_cell'; DELETE FROM jdl.channel WHERE channel = 'cjsm'")
        .unwrap();
    let before = facts(&lab);
    let sealed: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl_audit.chain");
    let anchor: String = one(&mut lab.connect("aud"), "SELECT jdl_audit_anchor()");
    let mut admin = lab.admin();
    let (state, text) = refusal(&mut admin, "DROP EXTENSION jdl");
    assert_eq!(state, "2BP01", "{text}");
    admin.batch_execute("SET client_min_messages = error; DROP EXTENSION jdl CASCADE").unwrap();
    assert!(one::<i64>(&mut admin, "SELECT count(*) FROM jdl_restricted.submission") == 200);
    // Without policies there is nothing to see.
    for relation in ["jdl.request", "jdl_pseudonymised.member"] {
        assert_eq!(one::<i64>(&mut lab.connect("ann"), &format!("SELECT count(*) FROM {relation}")), 0);
    }
    admin
        .batch_execute("CREATE EXTENSION jdl; SELECT jdl_install(); SELECT jdl_install(); SELECT jdl_migrate()")
        .unwrap();
    let after = facts(&lab);
    for line in before.iter().filter(|line| !after.contains(line)) {
        println!("lost: {line}");
    }
    for line in after.iter().filter(|line| !before.contains(line)) {
        println!("new: {line}");
    }
    assert!(before == after);
    let mut aud = lab.connect("aud");
    assert!(one::<bool>(&mut aud, &format!("SELECT intact AND entries >= {sealed} FROM jdl_audit_verify('{anchor}')")));
    let failing: Option<String> =
        one(&mut aud, "SELECT string_agg(check_id || ': ' || evidence, '; ') FROM jdl_assurance() WHERE NOT passed");
    assert_eq!(failing, None);
    assert_eq!(one::<Value>(&mut lab.connect("ann"), &format!("SELECT jdl_report({request})")), report);
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({request}), jdl_release({request})")).unwrap();
}

#[test]
fn an_anchor_kept_outside_shows_a_trail_that_was_cut_off_and_mended() {
    let lab = Lab::new("anchor");
    lab.open("{}");
    let anchor: String = one(&mut lab.connect("aud"), "SELECT jdl_audit_anchor()");
    let kept: i64 = anchor.split_once(':').unwrap().0.parse().unwrap();
    lab.open("{}");
    let verdict = |lab: &Lab| -> (bool, Option<i64>) {
        let row =
            lab.connect("aud").query_one("SELECT intact, first_bad FROM jdl_audit_verify($1)", &[&anchor]).unwrap();
        (row.get(0), row.get(1))
    };
    assert_eq!(verdict(&lab), (true, None), "what came after the anchor does not matter");
    // Somebody who may do everything tears off the end, events and seals, and mends the head.
    lab.admin()
        .batch_execute(&format!(
            "ALTER TABLE jdl_audit.event DISABLE TRIGGER event_frozen; ALTER TABLE jdl_audit.chain DISABLE TRIGGER chain_frozen;
             WITH gone AS (DELETE FROM jdl_audit.chain WHERE position >= {kept} RETURNING event_id) DELETE FROM jdl_audit.event e USING gone WHERE e.event_id = gone.event_id;
             UPDATE jdl_audit.head SET (position, digest) = (SELECT position, digest FROM jdl_audit.chain ORDER BY position DESC LIMIT 1)"
        ))
        .unwrap();
    let alone: bool = one(&mut lab.connect("aud"), "SELECT intact FROM jdl_audit_verify()");
    assert!(alone, "from inside it looks whole");
    assert_eq!(verdict(&lab), (false, Some(kept)));
}
