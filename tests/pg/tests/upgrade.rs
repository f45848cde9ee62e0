//! The functions change, or go and come back: the data, the roles and the trail stay, and what went with the functions is mended.

use std::io::Write;
use std::process::{Command, Stdio};

use jdl_surface::{ASSURED, Lab, connect, one, refusal};
use serde_json::Value;

/// A database beside the template, as a superuser makes it.
fn empty_database(name: &str) -> Lab {
    let lab = Lab { database: format!("t_{name}_{}", std::process::id()) };
    let mut admin = connect("postgres", "postgres");
    admin.batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0", lab.database)).unwrap();
    admin.batch_execute(&format!("REVOKE CREATE, TEMPORARY ON DATABASE {} FROM PUBLIC", lab.database)).unwrap();
    lab
}

/// Everything that the catalogs hold of jdl, a thing a line, whatever the order of columns. Of the partitions those of request 3.
fn catalog(lab: &Lab) -> Vec<String> {
    one(
        &mut lab.admin(),
        r#"WITH relation AS (
               SELECT c.*, c.oid::regclass::text AS name FROM pg_class c
               WHERE c.relnamespace::regnamespace::text LIKE 'jdl%' AND c.relkind IN ('r', 'p', 'v', 'S')
                 AND (c.relname ~ '_3$' OR NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid))
           ), rights AS (
               SELECT r.name || '.' || a.attname AS name, a.attacl AS acl FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attacl IS NOT NULL
               UNION ALL SELECT name, relacl FROM relation
               UNION ALL SELECT p.oid::regprocedure::text, p.proacl FROM pg_proc p WHERE p.proname ~ '^_?jdl_'
               UNION ALL SELECT nspname::text, nspacl FROM pg_namespace WHERE nspname ~ '^jdl'
           )
           SELECT array_agg(line ORDER BY line) FROM (
               SELECT format('right %s %s=%s', r.name, a.grantee::regrole, a.privilege_type) AS line FROM rights r, aclexplode(r.acl) a
               UNION ALL SELECT format('relation %s %s %s %s %s %s %s %s', name, relkind, relowner::regrole, relpersistence, relrowsecurity, relforcerowsecurity, reloptions, obj_description(oid)) FROM relation
               UNION ALL SELECT format('column %s.%s %s %s %s %s %s %s', r.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attstattarget, a.attidentity, col_description(r.oid, a.attnum))
                   FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
               UNION ALL SELECT format('constraint %s %s %s', r.name, k.conname, pg_get_constraintdef(k.oid)) FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype <> 'n'
               UNION ALL SELECT format('index %s', pg_get_indexdef(i.indexrelid)) FROM relation r JOIN pg_index i ON i.indrelid = r.oid
               UNION ALL SELECT format('trigger %s %s', t.tgenabled, pg_get_triggerdef(t.oid)) FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
               UNION ALL SELECT format('policy %s', p::text) FROM pg_policies p JOIN relation r ON r.relname = p.tablename AND r.relnamespace = p.schemaname::regnamespace WHERE p.policyname <> 'site_rule'
               UNION ALL SELECT format('view %s %s', name, pg_get_viewdef(oid)) FROM relation WHERE relkind = 'v'
               UNION ALL SELECT format('setting %s: %s', s.setting, s.meaning) FROM jdl.setting s
               UNION ALL SELECT format('function %s %s %s member %s: %s', p.oid::regprocedure, p.proowner::regrole, obj_description(p.oid),
                                       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'), pg_get_functiondef(p.oid))
                   FROM pg_proc p WHERE p.proname ~ '^_?jdl_'
           ) lines"#,
    )
}

/// Writes the rows of every table of jdl that is not derived into `public.before`, or says which of those are not there any more. The
/// certificates of 0.1.0 are to go.
const KEEP_ROWS: &str = r"CREATE TABLE public.before (relation text, columns text[], content jsonb);
    DO $$ DECLARE relation text; BEGIN
        FOR relation IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace::regnamespace::text LIKE 'jdl%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname NOT IN ('head', 'pending', 'index_event', 'linkage_key', 'linkage_record', 'linkage_index', 'term_frequency', 'institution_postcode', 'register_change') LOOP
            EXECUTE format('INSERT INTO public.before SELECT %L, ARRAY(SELECT jsonb_object_keys(to_jsonb(t))), to_jsonb(t) #- ''{disclosure,certificate}'' #- ''{disclosure,certificate_bytes}'' FROM %s t', relation, relation);
        END LOOP;
    END $$";
const LOST_ROWS: &str = r"CREATE FUNCTION public.lost() RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE relation text; BEGIN
        FOR relation IN SELECT DISTINCT b.relation FROM public.before b LOOP
            RETURN QUERY EXECUTE format('WITH old AS (SELECT content, columns FROM public.before WHERE relation = %L)
                SELECT %L || '': '' || e.content FROM (SELECT content FROM old EXCEPT
                    SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(t)) WHERE key = ANY ((SELECT columns FROM old LIMIT 1)::text[])) FROM %s t) e', relation, relation, relation);
        END LOOP;
    END $$";

#[test]
fn a_database_of_the_version_before_is_brought_up_to_this_one() {
    let fresh = Lab::new("fresh");
    let lab = empty_database("upgraded");
    let mut admin = lab.admin();
    let current: String = one(&mut admin, "SELECT default_version FROM pg_available_extensions WHERE name = 'jdl'");
    // The functions of 0.1.0 are looked up in a library that may not have them any more.
    admin.batch_execute("SET check_function_bodies = off; CREATE EXTENSION jdl VERSION '0.1.0'").unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/upgrade/lab-0.1.0.sql.gz");
    let dump = Command::new("gzip").args(["-dc", file]).output().unwrap().stdout;
    let mut load = Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-o", "/dev/null", "-d", &lab.database])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    load.stdin.take().unwrap().write_all(&dump).unwrap();
    let said = load.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let dump = String::from_utf8(dump).unwrap();
    let anchor = dump.lines().next().and_then(|line| line.strip_prefix("-- anchor ")).expect("the anchor of the trail");
    let version: String = one(&mut admin, "SELECT version FROM jdl.schema_version");
    assert_eq!(version, "0.1.0");
    let report: Value = one(&mut admin, "SELECT report FROM jdl.report WHERE request_id = 5");

    admin.batch_execute(KEEP_ROWS).unwrap();
    admin.batch_execute(LOST_ROWS).unwrap();
    // 0.1.0 kept certificates, which hold the true counts, with the reports.
    let certificates = "SELECT count(*) FROM jdl.report WHERE disclosure::text ~ 'certificate' OR disclosure::text ~ encode('jdl certificate', 'hex')";
    assert_eq!(one::<i64>(&mut admin, certificates), 2);
    let files = "SELECT ARRAY[pg_relation_filenode(oid), pg_relation_filenode(reltoastrelid)]::text FROM pg_class WHERE oid = 'jdl.report'::regclass";
    let files_before: String = one(&mut admin, files);
    let kept: i64 = one(&mut admin, "SELECT count(DISTINCT relation) FROM public.before");
    assert!(kept > 18, "{kept}");
    let (state, _) = refusal(&mut admin, "ALTER EXTENSION jdl UPDATE TO '0.1.0--nowhere'");
    assert_eq!(state, "22023");
    admin.batch_execute("ALTER EXTENSION jdl UPDATE").unwrap();
    let (state, text) = refusal(&mut admin, "SELECT jdl_install()");
    assert!(state == "55000" && text.contains("jdl_migrate"), "{text}");
    let said: String = one(&mut admin, "SELECT jdl_migrate()");
    assert_eq!(said, format!("the tables are those of jdl {current}"));
    let lost: Vec<String> = one(&mut admin, "SELECT ARRAY(SELECT public.lost())");
    assert_eq!(lost, Vec::<String>::new(), "rows that the upgrade lost");
    admin.batch_execute("DROP FUNCTION public.lost(); DROP TABLE public.before").unwrap();
    assert_eq!(one::<i64>(&mut admin, certificates), 0);
    let changed: bool = one(&mut admin, &format!("SELECT f.now <> '{files_before}' FROM ({files}) f (now)"));
    assert!(changed, "the files still hold the rows as they were");

    // The same catalog as a fresh installation with as many requests.
    for _ in 0..3 {
        fresh.open("{}");
    }
    let (want, got) = (catalog(&fresh), catalog(&lab));
    let mut differences: Vec<String> =
        want.iter().filter(|line| !got.contains(line)).map(|line| format!("missing: {line}")).collect();
    differences.extend(got.iter().filter(|line| !want.contains(line)).map(|line| format!("left over: {line}")));
    assert!(
        differences.is_empty(),
        "ALTER EXTENSION jdl UPDATE and jdl_migrate() do not lead where CREATE EXTENSION and jdl_install() do: what CREATE ... IF NOT EXISTS          does not change belongs into sql/migration
{}",
        differences.join("
")
    );
    println!(
        "upgrade: 0.1.0 to {current}: rows of {kept} tables kept, {} lines of the catalogs as in a fresh installation",
        want.len()
    );

    // What the site has set, and the trail.
    let of_the_site: bool = one(
        &mut admin,
        "SELECT (SELECT value = '400' FROM jdl.setting WHERE setting = 'access_days') AND EXISTS (SELECT FROM jdl.channel WHERE channel = 'courier')
            AND EXISTS (SELECT FROM jdl.bank_holiday WHERE title = 'a day of the site') AND EXISTS (SELECT FROM pg_policies WHERE policyname = 'site_rule' AND permissive = 'RESTRICTIVE')",
    );
    assert!(of_the_site);
    let mut aud = lab.connect("aud");
    assert!(one::<bool>(&mut aud, &format!("SELECT intact FROM jdl_audit_verify('{anchor}')")));
    // What fell due since the dump was made is destroyed; then every check holds.
    lab.connect("dan").batch_execute("SELECT jdl_register_refresh()").unwrap();
    lab.connect("jdl_job").batch_execute("SELECT jdl_retention_run()").unwrap();
    let failing: Option<String> =
        one(&mut aud, "SELECT string_agg(check_id || ': ' || evidence, '; ') FROM jdl_assurance() WHERE NOT passed");
    assert_eq!(failing, None);

    // And the work goes on where it stood.
    for request in [2, 3, 5] {
        lab.assign("ann", request);
    }
    let read: Value = one(&mut lab.connect("ann"), "SELECT jdl_report(5)");
    assert_eq!(read["measures"], report["measures"]);
    // 0.1.0 kept no certificate that could be checked, and the dump holds no sentences to make the report again from: it is not released.
    lab.connect("bob").batch_execute("SELECT jdl_approve(5)").unwrap();
    let (state, text) = refusal(&mut lab.connect("bob"), "SELECT jdl_release(5)");
    assert!(state == "55000" && text.contains("certificate: there is none"), "{text}");
    let linked: i32 = one(&mut lab.connect("ann"), "SELECT linked FROM jdl_link(3)");
    assert!(linked > 90, "{linked}");
    assert_eq!(refusal(&mut lab.connect("amy"), "SELECT jdl_report(2)").0, "42501");
    let certificate: Value = one(&mut lab.connect("bob"), "SELECT jdl_destroy(2) FROM jdl_withdraw(2, 'a test')");
    assert_eq!(certificate["rows"]["submissions"], 120);
    assert!(one::<bool>(&mut aud, &format!("SELECT intact FROM jdl_audit_verify('{anchor}')")));
}

#[test]
fn every_released_version_has_a_step_to_this_one() {
    let lab = Lab::new("steps");
    let released = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql/released");
    let mut found = 0;
    for script in std::fs::read_dir(released).unwrap() {
        let name = script.unwrap().file_name().into_string().unwrap();
        let version = name.strip_prefix("jdl--").and_then(|rest| rest.strip_suffix(".sql")).expect("an install script");
        let path: Option<String> = one(
            &mut lab.admin(),
            &format!(
                "SELECT path FROM pg_extension_update_paths('jdl') WHERE source = '{version}' AND target = (SELECT default_version FROM pg_available_extensions WHERE name = 'jdl')"
            ),
        );
        assert!(path.is_some(), "from {version}");
        found += 1;
    }
    assert!(found > 0);
}

#[test]
fn a_second_database_of_the_cluster_holds_a_lab_of_its_own_in_any_schema() {
    let first = Lab::new("first");
    first.open("{}");
    let lab = empty_database("second");
    let mut admin = lab.admin();
    // The roles are there already: they belong to the cluster.
    admin.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC").unwrap();
    let (state, text) = refusal(&mut admin, "CREATE EXTENSION jdl");
    assert!(state == "42501" && text.contains("REVOKE CREATE ON SCHEMA public"), "{text}");
    admin.batch_execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE SCHEMA \"a Lab\"; CREATE EXTENSION jdl SCHEMA \"a Lab\"; SELECT \"a Lab\".jdl_install()").unwrap();
    let opened: i64 =
        one(&mut lab.connect("ida"), &format!("SELECT \"a Lab\".jdl_open_request('P', 'I', 'cjsm', '{ASSURED}')"));
    assert_eq!(opened, 1, "its own numbers");
    assert_eq!(
        lab.load(
            1,
            "forename,surname
Zebedee,Quixwell
"
        )
        .unwrap(),
        1
    );
    let findings: i64 = one(&mut lab.connect("ida"), "SELECT count(*) FROM \"a Lab\".jdl_validate(1)");
    assert!(findings > 0);
    assert_eq!(refusal(&mut lab.connect("ann"), "SELECT \"a Lab\".jdl_report(1)").0, "42501");
    let refused: i64 = one(&mut lab.connect("aud"), "SELECT count(*) FROM jdl_audit.event WHERE action = 'refused'");
    assert_eq!(refused, 1, "in this trail and not in the first");
    let of_the_first: i64 =
        one(&mut first.connect("aud"), "SELECT count(*) FROM jdl_audit.event WHERE action = 'refused'");
    assert_eq!(of_the_first, 0);
    let failing: Option<String> = one(
        &mut lab.connect("aud"),
        "SELECT string_agg(check_id || ': ' || evidence, '; ') FROM \"a Lab\".jdl_assurance() WHERE NOT passed",
    );
    assert_eq!(failing, None);
}

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
