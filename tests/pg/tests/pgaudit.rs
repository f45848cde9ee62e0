//! Reads by other means, with Debian's pgaudit set as docs/security.md says. Skipped, aloud, where the server has no pgaudit.

use jdl_surface::{Lab, one};

#[test]
fn pgaudit_sees_reads_that_the_trail_cannot() {
    let lab = Lab::new("pgaudit");
    let mut admin = lab.admin();
    if !one::<bool>(&mut admin, "SELECT current_setting('shared_preload_libraries') ~ 'pgaudit'") {
        println!("pgaudit: this server has none");
        return;
    }
    let request = lab.made_up(3_000, 120);
    let page = include_str!("../../../docs/security.md");
    let section = page.split("### Reads by other means").nth(1).expect("the section");
    let settings = section.split("```\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the settings");
    let grants = section.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the grants");
    for line in settings.lines().filter(|line| line.starts_with("pgaudit.")) {
        admin.batch_execute(&format!("ALTER DATABASE {} SET {line}", lab.database)).unwrap();
    }
    // Roles and their settings are the cluster's: they are put back below.
    let grants = grants
        .replace("CREATE ROLE jdl_audit_probe NOLOGIN;", "")
        .replace("ALTER ROLE jdl_analyst", &format!("ALTER ROLE ann IN DATABASE {}", lab.database));
    admin.batch_execute(&format!("CREATE ROLE jdl_audit_probe NOLOGIN; {grants}")).unwrap();
    let (mut reader, mut ann) = (lab.admin(), lab.connect("ann"));
    let pids: Vec<i32> =
        [&mut reader, &mut ann].into_iter().map(|client| one(client, "SELECT pg_backend_pid()")).collect();
    reader
        .batch_execute("BEGIN; SELECT count(*) FROM jdl_restricted.person WHERE surname = 'Quixwell'; ROLLBACK; COPY (SELECT * FROM jdl_restricted.person LIMIT 0) TO STDOUT")
        .unwrap_or_default();
    ann.batch_execute(&format!(
        "SELECT count(*) FROM jdl_validate({request}); SELECT count(*) FROM jdl_pseudonymised.member"
    ))
    .unwrap_or_default();
    let log = std::fs::read_to_string(format!("{}/server.log", std::env::var("PGHOST").unwrap())).unwrap();
    let said = |pid: i32, what: &str| {
        log.lines().any(|line| line.contains(&format!("[{pid}]")) && line.contains("AUDIT: ") && line.contains(what))
    };
    let outcome = [
        said(pids[0], "OBJECT,1,1,READ,SELECT,TABLE,jdl_restricted.person"),
        said(pids[1], "jdl_validate"),
        said(pids[1], "jdl_pseudonymised.member"),
        !log.lines().any(|line| line.contains(&format!("[{}]", pids[0])) && line.contains("Quixwell")),
    ];
    drop((reader, ann, admin));
    drop(lab);
    jdl_surface::connect("postgres", "postgres").batch_execute("DROP ROLE jdl_audit_probe").unwrap();
    assert_eq!(outcome, [true; 4], "object read, function, object of an analyst, no literal");
}
