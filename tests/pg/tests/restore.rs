//! Dump and restore lose nothing: requests, results, identities, policies, grants and the trail.

use std::process::Command;

use jdl_surface::{Lab, connect, one};
use serde_json::Value;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("on the path of scripts/with-cluster");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// The schema as pg_dump prints it. Its `\restrict` lines carry a word made up anew each time.
fn schema_of(database: &str) -> String {
    let dump = run("pg_dump", &["-U", "postgres", "--schema-only", database]);
    dump.lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Of each table of jdl: its name, how many rows, and a digest of them in no particular order.
fn contents(database: &str) -> Vec<(String, i64, String)> {
    let mut admin = connect(database, "postgres");
    let tables: Vec<String> = one(
        &mut admin,
        "SELECT array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname LIKE 'jdl%' AND c.relkind IN ('r', 'p')",
    );
    tables
        .into_iter()
        .map(|table| {
            let row = admin
                .query_one(
                    &format!(
                        "SELECT count(*), md5(coalesce(sum(hashtextextended(t::text, 0)), 0)::text) FROM {table} t"
                    ),
                    &[],
                )
                .unwrap();
            (table, row.get(0), row.get(1))
        })
        .collect()
}

/// Policies, privileges, owners and triggers of everything that is jdl's, as text.
fn rules(database: &str) -> Vec<String> {
    one(
        &mut connect(database, "postgres"),
        "SELECT array_agg(line ORDER BY line) FROM (
             SELECT p::text AS line FROM pg_policies p WHERE schemaname LIKE 'jdl%'
             UNION ALL
             SELECT format('%s.%s %s %s %s', n.nspname, c.relname, c.relowner::regrole, c.relpersistence,
                           (SELECT string_agg(format('%s=%s/%s', a.grantee::regrole, a.privilege_type, a.grantor::regrole), ',' ORDER BY a.grantee::regrole::text, a.privilege_type)
                            FROM aclexplode(c.relacl) a))
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'jdl%'
             UNION ALL
             SELECT format('%s %s %s %s', t.tgrelid::regclass, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid))
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'jdl%' AND NOT t.tgisinternal
             UNION ALL
             SELECT format('%s %s %s %s %s', p.oid::regprocedure, p.proowner::regrole, p.prosecdef, p.proconfig,
                           (SELECT string_agg(format('%s=%s', a.grantee::regrole, a.privilege_type), ',' ORDER BY a.grantee::regrole::text, a.privilege_type) FROM aclexplode(p.proacl) a))
             FROM pg_proc p WHERE p.proname ~ '^_?jdl_'
         ) lines",
    )
}

#[test]
fn a_restored_database_holds_what_was_dumped_and_works_on() {
    let lab = Lab::new("dump");
    let request = lab.made_up(20_000, 600);
    let report: Value = one(&mut lab.connect("ann"), &format!("SELECT jdl_report({request})"));
    // A second one in the middle of its life, and a setting that was changed: a dump must keep it.
    let open = lab.open(r#"{"region": "Wales"}"#);
    lab.load(open, &lab.made_up_list(100, 8)).unwrap();
    lab.connect("dan").batch_execute("UPDATE jdl.setting SET value = '12' WHERE setting = 'smallest_cell'").unwrap();
    let trail = |database: &str| -> (bool, i64) {
        let row = connect(database, "aud").query_one("SELECT intact, entries FROM jdl_audit_verify()", &[]).unwrap();
        (row.get(0), row.get(1))
    };
    let trail_before = trail(&lab.database);
    assert!(trail_before.0);
    let before = contents(&lab.database);

    let file = std::env::temp_dir().join(format!("{}.dump", lab.database));
    let file = file.to_str().unwrap();
    let restored = Lab { database: format!("{}_restored", lab.database) };
    run("pg_dump", &["-U", "postgres", "-Fc", "-f", file, &lab.database]);
    connect("postgres", "postgres")
        .batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0", restored.database))
        .unwrap();
    connect("postgres", "postgres")
        .batch_execute(&format!("REVOKE CREATE, TEMPORARY ON DATABASE {} FROM PUBLIC", restored.database))
        .unwrap();
    run("pg_restore", &["-U", "postgres", "--exit-on-error", "-d", &restored.database, file]);
    std::fs::remove_file(file).unwrap();

    let after = contents(&restored.database);
    for (was, is) in before.iter().zip(&after) {
        assert_eq!(was, is, "the rows of a table differ");
    }
    assert_eq!(before.len(), after.len());
    let filled = before.iter().filter(|table| table.1 > 0).count();
    println!("restore: {} tables, {filled} of them with rows, {} entries of the trail", before.len(), trail_before.1);
    assert!(filled > 25);
    assert_eq!(trail(&restored.database), trail_before);
    let (was, is) = (rules(&lab.database), rules(&restored.database));
    assert!(was.len() > 300);
    for line in &was {
        assert!(is.contains(line), "lost: {line}");
    }
    assert_eq!(was, is);
    for (was, is) in schema_of(&lab.database).lines().zip(schema_of(&restored.database).lines()) {
        assert_eq!(was, is, "the second dump differs from the first");
    }
    let failing = connect(&restored.database, "aud")
        .query("SELECT check_id, evidence FROM jdl_assurance() WHERE NOT passed", &[])
        .unwrap();
    let failing: Vec<(String, String)> = failing.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(failing.is_empty(), "{failing:?}");

    // And the work goes on: the same report, release, the second request linked, a third opened.
    let again: Value = one(&mut restored.connect("ann"), &format!("SELECT jdl_report({request})"));
    assert_eq!(again, report);
    restored.connect("bob").batch_execute(&format!("SELECT jdl_approve({request}), jdl_release({request})")).unwrap();
    restored.assign("amy", open);
    let linked: i32 = one(&mut restored.connect("amy"), &format!("SELECT linked FROM jdl_link({open})"));
    assert!(linked > 50);
    assert_eq!(restored.open("{}"), open + 1, "the numbers go on where they stopped");
    let certificate: Value =
        one(&mut restored.connect("bob"), &format!("SELECT jdl_destroy({open}) FROM jdl_withdraw({open}, 'a test')"));
    assert_eq!(certificate["rows"]["submissions"], 100);
    assert!(trail(&restored.database).0);
}

#[test]
fn a_dump_is_restored_into_a_new_cluster() {
    let lab = Lab::new("new_cluster");
    let request = lab.made_up(5_000, 200);
    let _: Value = one(&mut lab.connect("ann"), &format!("SELECT jdl_report({request})"));
    // What must be the same there: requests, results, policies, triggers, the trail and its seal; and no check may fail.
    let facts = "SELECT (SELECT string_agg(format('%s %s', request_id, status), ',') FROM jdl.request),
                        (SELECT md5(string_agg(report::text, ',')) FROM jdl.report),
                        (SELECT md5(string_agg(p::text, ',' ORDER BY p::text)) FROM pg_policies p WHERE schemaname LIKE 'jdl%'),
                        (SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace::regnamespace::text LIKE 'jdl%' AND NOT tgisinternal),
                        (SELECT count(*) FROM jdl_audit.event), (SELECT intact FROM jdl_audit_verify()),
                        (SELECT count(*) FROM jdl_assurance() WHERE NOT passed)";
    let here = run("psql", &["-X", "-At", "-U", "postgres", "-d", &lab.database, "-c", facts]);
    let file = std::env::temp_dir().join(format!("{}.dump", lab.database));
    let file = file.to_str().unwrap();
    run("pg_dump", &["-U", "postgres", "-Fc", "-f", file, &lab.database]);
    // The globals first: roles belong to the cluster. The groups are there already, which psql says and goes on.
    let roles = std::env::temp_dir().join(format!("{}.roles", lab.database));
    let roles = roles.to_str().unwrap();
    run("pg_dumpall", &["-U", "postgres", "--roles-only", "-f", roles]);
    let restore = format!(
        "psql -X -q -f {roles} 2>/dev/null; createdb -T template0 restored && psql -X -q -c 'REVOKE CREATE, TEMPORARY ON DATABASE restored FROM PUBLIC' && pg_restore --exit-on-error -d restored {file} && psql -X -At -d restored -c \"{facts}\""
    );
    let with_cluster = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/with-cluster");
    let there = run(with_cluster, &["bash", "-c", &restore]);
    std::fs::remove_file(file).unwrap();
    std::fs::remove_file(roles).unwrap();
    assert_eq!(here, there);
    assert!(here.trim_end().ends_with("|t|0"), "{here}");
}
