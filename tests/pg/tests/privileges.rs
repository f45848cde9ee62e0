//! Who sees what, tried as every role over a connection of its own, and the self-check that says so.

use jdl_surface::{Lab, PEOPLE, one, refusal};
use postgres::Client;

/// Every table and view of jdl with partitions, as `schema.name`.
fn relations(lab: &Lab, condition: &str) -> Vec<String> {
    let sql = format!(
        "SELECT coalesce(array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname), '{{}}')::text[]
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname LIKE 'jdl%' AND c.relkind IN ('r', 'p', 'v', 'm') AND {condition}"
    );
    one(&mut lab.admin(), &sql)
}

/// Whether the person may read the relation: how many rows they see, or none if they are refused.
fn seen(client: &mut Client, relation: &str) -> Option<i64> {
    match client.query_one(&format!("SELECT count(*) FROM {relation}"), &[]) {
        Ok(row) => Some(row.get(0)),
        Err(error) => {
            assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{relation}: {error}");
            None
        }
    }
}

#[test]
fn nobody_reads_an_identity() {
    let lab = Lab::new("identities");
    let request = lab.made_up(3_000, 120);
    lab.connect("ann").batch_execute(&format!("SELECT jdl_match({request})")).unwrap();
    let restricted = relations(&lab, "n.nspname = 'jdl_restricted'");
    assert!(restricted.len() >= 16, "{restricted:?}");
    assert!(restricted.contains(&format!("jdl_restricted.submission_{request}")), "partitions too: {restricted:?}");
    let mut admin = lab.admin();
    let filled = restricted.iter().filter(|relation| seen(&mut admin, relation).unwrap() > 0).count();
    assert!(filled >= 12, "there is something to steal");
    for (person, _) in PEOPLE {
        let mut client = lab.connect(person);
        for relation in &restricted {
            assert_eq!(seen(&mut client, relation), None, "{person} reads {relation}");
        }
        // Nor by other doors: statistics, the engine's role, the owner's role, the methods on any query.
        let statistics: i64 = one(&mut client, "SELECT count(*) FROM pg_stats WHERE schemaname = 'jdl_restricted'");
        assert_eq!(statistics, 0, "{person}");
        for role in ["jdl_engine", "jdl_owner", "postgres"] {
            assert_eq!(refusal(&mut client, &format!("SET ROLE {role}")).0, "42501", "{person} becomes {role}");
        }
        let theft = "SELECT person_id AS id, gender = ''M'' AS treated, surname FROM jdl_restricted.person";
        for tool in [
            format!("jdl_match_controls('{theft}', '{{}}')"),
            format!("jdl_propensity('{theft}', '{{}}')"),
            format!("jdl_balance('{theft}', '{{}}')"),
            "jdl_suppress('SELECT surname, count(*) FROM jdl_restricted.person GROUP BY 1', '{}')".to_owned(),
        ] {
            let (state, text) = refusal(&mut client, &format!("SELECT * FROM {tool}"));
            assert_eq!(state, "42501", "{person}, {tool}: {text}");
        }
    }
}

#[test]
fn the_door_for_records_gives_nothing_back() {
    let lab = Lab::new("door");
    let request = lab.open("{}");
    lab.load(request, "forename,surname\nZebedee,Quixwell\n").unwrap();
    let mut ida = lab.connect("ida");
    ida.batch_execute(&format!("SET jdl.request_id = '{request}'")).unwrap();
    for sql in [
        "SELECT * FROM jdl.submission",
        "SELECT count(*) FROM jdl.submission",
        "COPY (SELECT * FROM jdl.submission) TO STDOUT",
        "INSERT INTO jdl.submission (surname) VALUES ('Quixwell') RETURNING surname",
        "UPDATE jdl.submission SET surname = 'Smith'",
        "DELETE FROM jdl.submission",
        "INSERT INTO jdl_restricted.submission (request_id, record_no) VALUES (1, 99)",
        "TRUNCATE jdl_restricted.submission",
    ] {
        let (state, text) = refusal(&mut ida, sql);
        assert_eq!(state, "42501", "{sql}: {text}");
        assert!(!text.contains("Zebedee"), "{text}");
    }
    // Not even a superuser reads through it, while the record is there.
    let mut admin = lab.admin();
    assert_eq!(seen(&mut admin, "jdl.submission"), Some(0));
    assert_eq!(seen(&mut admin, "jdl_restricted.submission"), Some(1));
}

#[test]
fn an_analyst_sees_the_requests_that_are_theirs_and_a_reader_sees_released_results_only() {
    let lab = Lab::new("analysts");
    let request = lab.made_up(20_000, 600);
    let mut ann = lab.connect("ann");
    ann.batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    let theirs =
        ["jdl.request", "jdl.request_step", "jdl.match_design", "jdl.analysis_plan", "jdl_pseudonymised.member"];
    let mut amy = lab.connect("amy");
    for relation in theirs {
        assert!(seen(&mut ann, relation) > Some(0), "ann sees her rows of {relation}");
        assert_eq!(seen(&mut amy, relation), Some(0), "amy sees a row of {relation}");
    }
    // The analysis rows say nothing but pseudonyms and covariates.
    let names = one::<Option<Vec<String>>>(
        &mut lab.admin(),
        "SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = 'jdl_pseudonymised.member'::regclass AND attnum > 0
         AND attname ~ 'name|birth|pnc|prison_number|postcode|person|sentence_id|date'",
    )
    .unwrap_or_default();
    assert!(names.is_empty(), "{names:?}");
    // A second request, of amy's, is not ann's.
    let other = lab.open("{}");
    lab.assign("amy", other);
    assert_eq!((seen(&mut ann, "jdl.request"), seen(&mut amy, "jdl.request")), (Some(1), Some(1)));
    let amys: i64 = one(&mut amy, "SELECT request_id FROM jdl.request");
    assert_eq!(amys, other);
    // Access that was revoked is over at once: the session ends, and a new one sees nothing.
    lab.connect("bob")
        .batch_execute(&format!(
            "SELECT jdl_revoke_access(access_id, 'left') FROM jdl.access WHERE request_id = {other}"
        ))
        .unwrap();
    assert!(amy.query("SELECT 1", &[]).is_err(), "her session has ended");
    assert_eq!(seen(&mut lab.connect("amy"), "jdl.request"), Some(0));
    // Ann writes nothing, her own requests' rows neither.
    for sql in [
        "UPDATE jdl.request SET status = 'released'",
        "DELETE FROM jdl_pseudonymised.member",
        "INSERT INTO jdl.access (person, role, request_id, reason, trained_on, ends_on, granted_by) VALUES ('ann', 'jdl_analyst', 1, 'x', current_date, current_date, 'bob')",
        "UPDATE jdl.report SET report = '{}'",
        "UPDATE jdl_pseudonymised.outcome SET reoffended = false",
        "DELETE FROM jdl_audit.event",
    ] {
        assert_eq!(refusal(&mut ann, sql).0, "42501", "{sql}");
    }

    let published = ["jdl.published_results"];
    // Each sees the grants of access that are their own; a reader has none here.
    let own = ["jdl.access"];
    let everything = relations(&lab, "true");
    assert!(everything.len() > 30);
    for (person, may) in [("bea", [published, own].concat()), ("eve", vec![])] {
        let mut client = lab.connect(person);
        for relation in &everything {
            let expected = may.contains(&relation.as_str()).then_some(0);
            assert_eq!(seen(&mut client, relation), expected, "{person}, {relation}");
        }
    }
    let mut eve = lab.connect("eve");
    for call in [format!("jdl_report({request})"), "jdl_assurance()".to_owned(), "jdl_pnc_id('95/1Z')".to_owned()] {
        assert_eq!(refusal(&mut eve, &format!("SELECT {call}")).0, "42501", "{call}");
    }
    let mut bob = lab.connect("bob");
    bob.batch_execute(&format!("SELECT jdl_approve({request}), jdl_release({request})")).unwrap();
    assert!(seen(&mut lab.connect("bea"), "jdl.published_results") > Some(0));
}

#[test]
fn analysis_rows_do_not_stand_in_the_order_of_the_people() {
    let lab = Lab::new("order");
    let request = lab.made_up(5_000, 200);
    lab.connect("ann").batch_execute(&format!("SELECT jdl_analyse({request})")).unwrap();
    // The order in which rows were written, and the numbers of the matched sets, against the people behind the pseudonyms.
    for (relation, order) in [("member", "m.ctid"), ("outcome", "m.ctid"), ("member", "m.matched_set")] {
        let row = lab
            .admin()
            .query_one(
                &format!(
                    "SELECT corr(place, person_id), count(*) FROM (
                         SELECT dense_rank() OVER (ORDER BY {order}) AS place, p.person_id FROM jdl_pseudonymised.{relation} m JOIN jdl_restricted.pseudonym p USING (request_id, pseudonym)
                         WHERE {order} IS NOT NULL) placed"
                ),
                &[],
            )
            .unwrap();
        let (correlation, rows): (f64, i64) = (row.get(0), row.get(1));
        assert!(rows > 500 && correlation.abs() < 0.25, "{relation} by {order}: {correlation}");
    }
}

#[test]
fn the_inner_functions_are_closed_to_people() {
    let lab = Lab::new("inner");
    // What people may call of the functions whose names begin with an underscore: who they are and what they may.
    let open: Vec<String> = one(
        &mut lab.admin(),
        "SELECT array_agg(DISTINCT p.proname::text ORDER BY p.proname::text) FROM pg_proc p, pg_roles r
         WHERE p.proname LIKE '\\_jdl\\_%' AND r.rolname IN ('jdl_intake', 'jdl_analyst', 'jdl_approver', 'jdl_auditor', 'jdl_reader', 'jdl_job')
           AND has_function_privilege(r.oid, p.oid, 'EXECUTE')",
    );
    assert_eq!(open, ["_jdl_actor", "_jdl_holds", "_jdl_is_superuser", "_jdl_may"]);
    let everything = one::<Option<Vec<String>>>(
        &mut lab.admin(),
        "SELECT array_agg(p.oid::regprocedure::text) FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
         JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'jdl' WHERE has_function_privilege('eve', p.oid, 'EXECUTE')",
    )
    .unwrap_or_default();
    assert!(everything.is_empty(), "PUBLIC may call {everything:?}");
}

#[test]
fn every_table_has_row_security_enabled_and_forced() {
    let lab = Lab::new("rls");
    lab.open("{}");
    let tables = relations(&lab, "c.relkind IN ('r', 'p')");
    let open = relations(&lab, "c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)");
    assert!(tables.len() > 30 && open.is_empty(), "{open:?}");
}

/// The checks that do not pass, as the auditor sees them.
fn failing(client: &mut Client) -> Vec<String> {
    let rows = client.query("SELECT check_id, evidence FROM jdl_assurance() WHERE NOT passed ORDER BY 1", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn the_self_check_passes_and_notices_each_thing_that_is_undone() {
    let lab = Lab::new("assurance");
    let request = lab.made_up(3_000, 120);
    lab.connect("ann").batch_execute(&format!("SELECT jdl_match({request})")).unwrap();
    let mut aud = lab.connect("aud");
    let checks = aud.query("SELECT * FROM jdl_assurance()", &[]).unwrap();
    for check in &checks {
        println!(
            "assurance: {:<16} {:<5} {}",
            check.get::<_, &str>(0),
            check.get::<_, bool>(2),
            check.get::<_, &str>(3)
        );
    }
    assert!(checks.len() >= 30, "{}", checks.len());
    assert_eq!(failing(&mut aud), Vec::<String>::new());
    for person in ["ida", "ann", "bea", "eve"] {
        assert_eq!(refusal(&mut lab.connect(person), "SELECT * FROM jdl_assurance()").0, "42501", "{person}");
    }
    let mut admin = lab.admin();
    // A superuser's session that is older than a destruction: see `old-sessions`.
    let superuser = lab.admin();
    let mut broken = std::collections::BTreeSet::new();
    for (undoing, check) in [
        ("ALTER TABLE jdl.request NO FORCE ROW LEVEL SECURITY", "rls-forced"),
        ("ALTER TABLE jdl_restricted.link_1 DISABLE ROW LEVEL SECURITY", "rls-forced"),
        ("CREATE TABLE jdl_restricted.copy AS SELECT 1 AS n", "rls-policy"),
        ("ALTER TABLE jdl.request OWNER TO jdl_dba", "owner"),
        ("GRANT SELECT ON jdl.request TO PUBLIC", "no-public-table"),
        ("GRANT SELECT ON jdl_restricted.person TO jdl_analyst", "identities"),
        ("GRANT SELECT ON jdl.request TO jdl_reader", "reader"),
        ("GRANT jdl_engine TO ann", "owner-members"),
        ("ALTER ROLE jdl_dba BYPASSRLS", "roles"),
        ("ALTER FUNCTION jdl_link(bigint, jsonb) OWNER TO postgres", "definer-owner"),
        ("ALTER FUNCTION jdl_link(bigint, jsonb) SET search_path = public", "search-path"),
        ("GRANT EXECUTE ON FUNCTION jdl_link(bigint, jsonb) TO PUBLIC", "no-public-code"),
        ("ALTER FUNCTION jdl_my_requests() LEAKPROOF", "leakproof"),
        ("ALTER TABLE jdl.access DISABLE TRIGGER audit_delete", "audit-triggers"),
        (
            "ALTER TABLE jdl_audit.event DISABLE TRIGGER event_frozen; UPDATE jdl_audit.event SET actor = 'eve' WHERE event_id = 1; ALTER TABLE jdl_audit.event ENABLE ALWAYS TRIGGER event_frozen",
            "audit-chain",
        ),
        ("GRANT DELETE ON jdl_audit.event TO jdl_dba", "audit-frozen"),
        ("ALTER TABLE jdl_restricted.submission_1 SET LOGGED", "unlogged"),
        ("ALTER TABLE jdl_restricted.person ALTER surname SET STATISTICS 100", "statistics"),
        ("ALTER TABLE jdl_restricted.person ALTER surname SET STATISTICS -1", "statistics"),
        ("ALTER TABLE jdl_restricted.submission ALTER sentence_start SET STATISTICS -1", "statistics"),
        ("ALTER TABLE jdl.setting DISABLE TRIGGER setting_changed", "audit-triggers"),
        ("UPDATE jdl.request SET destroy_on = current_date - 1", "overdue"),
        ("UPDATE jdl.request SET destroyed_at = now()", "leftovers"),
        ("DELETE FROM jdl.bank_holiday WHERE holiday > current_date", "holidays"),
        ("GRANT pg_read_all_data TO bea", "identities"),
        ("ALTER ROLE eve BYPASSRLS", "bypass"),
        ("CREATE VIEW jdl.more AS SELECT * FROM jdl.report; GRANT SELECT ON jdl.more TO jdl_reader", "reader-depends"),
        ("ALTER VIEW jdl.published_results RESET (security_barrier)", "views"),
        ("ALTER TABLE jdl_pseudonymised.member ADD surname text", "pseudonymised"),
        ("GRANT CREATE ON SCHEMA jdl_restricted TO jdl_dba", "schemas"),
        ("UPDATE jdl.setting SET value = '\"live\"' WHERE setting = 'instance'", "signed-off"),
        ("UPDATE jdl.access SET granted_by = 'eve'", "signers"),
        ("UPDATE jdl.access SET trained_on = current_date - 1000", "training"),
        ("UPDATE jdl.request SET approved_by = 'ann', approved_at = now()", "four-eyes"),
        (
            "INSERT INTO jdl.released_measure (request_id, provider, intervention, measure, released_on) VALUES (1, 'P', 'I', 'm', current_date)",
            "released",
        ),
        (
            "INSERT INTO jdl.released_measure (request_id, provider, intervention, measure, released_on) VALUES (1, 'P', 'I', 'm', current_date)",
            "release-record",
        ),
        ("SET LOCAL jdl.key_file = ''", "disclosure-key"),
        ("ALTER EXTENSION jdl ADD TABLE jdl.channel", "members"),
        (
            "CREATE OR REPLACE FUNCTION jdl_my_requests() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT ARRAY[1, 2]::bigint[]'",
            "code",
        ),
        ("UPDATE jdl.setting SET value = '990000' WHERE setting = 'least_server_version'", "server-version"),
        ("SET LOCAL log_min_error_statement = error", "server-log"),
        ("SET LOCAL session_preload_libraries = 'auto_explain'", "literals"),
        ("ALTER ROLE jdl_job SET session_replication_role = 'replica'", "row-security-off"),
        ("CREATE PUBLICATION leak FOR TABLE jdl.request", "publications"),
        ("SELECT lo_create(0)", "large-objects"),
        ("CREATE TABLE public.mine AS SELECT surname FROM jdl_restricted.person", "derived"),
        ("ALTER TABLE jdl_audit.event DISABLE TRIGGER event_seal", "audit-seal"),
        (
            "INSERT INTO jdl_audit.event (occurred_at, login, actor, action, isolation) VALUES (now() - interval '2 days', 'x', 'x', 'x', 'apart'); SET CONSTRAINTS ALL IMMEDIATE",
            "audit-pending",
        ),
        (
            "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$",
            "database",
        ),
        ("REVOKE jdl_analyst FROM ann", "grantees"),
        ("UPDATE jdl.access SET person = 'nobody_here'", "grantees"),
        ("UPDATE jdl.setting SET value = '30' WHERE setting = 'review_working_days'", "clocks-set"),
        (
            "INSERT INTO jdl.bank_holiday SELECT d::date, 'more time' FROM generate_series(current_date, current_date + 40, interval '1 day') d ON CONFLICT DO NOTHING",
            "holidays",
        ),
        ("UPDATE jdl.request SET status = 'rejected'", "clock"),
        ("UPDATE jdl.request SET destroyed_at = now()", "certificates"),
        ("UPDATE jdl.request SET decided_on = current_date - 3, destroy_on = current_date + 2", "retention-ran"),
        ("INSERT INTO jdl.job_run (destroyed, failed) VALUES (0, 1)", "retention-failed"),
        (
            "INSERT INTO jdl.destruction (request_id, destroyed_by, rule, certificate) VALUES (1, 'dan', 'x', '{}')",
            "old-sessions",
        ),
    ] {
        let mut transaction = admin.transaction().unwrap();
        transaction.batch_execute(undoing).unwrap();
        let rows = transaction.query("SELECT check_id FROM jdl_assurance() WHERE NOT passed", &[]).unwrap();
        let noticed: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        assert!(noticed.contains(&check), "{undoing}: {noticed:?}");
        broken.insert(check);
        drop(rows);
        transaction.rollback().unwrap();
    }
    drop(superuser);
    assert_eq!(failing(&mut aud), Vec::<String>::new());
    let all: std::collections::BTreeSet<&str> = checks.iter().map(|check| check.get(0)).collect();
    assert_eq!(all.difference(&broken).collect::<Vec<_>>(), Vec::<&&str>::new(), "each check was seen to fail");
}
