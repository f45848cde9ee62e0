//! The server is killed in the middle of the work. `make crash` does it fifty times.

use std::process::Command;

use jdl_surface::{Lab, one, refusal};

#[test]
fn nothing_is_lost_or_back_after_the_server_was_killed() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/crash");
    let rounds = std::env::var("ROUNDS").unwrap_or_else(|_| "3".to_owned());
    let output = Command::new(script).env("ROUNDS", rounds).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success() && said.contains("nothing lost and nothing back"), "{said}");
}

#[test]
fn a_request_whose_identities_a_crash_has_emptied_waits_for_its_list_and_goes_on_with_it() {
    let lab = Lab::new("emptied");
    let request = lab.made_up(5_000, 200);
    let status = |lab: &Lab| -> String {
        one(&mut lab.admin(), &format!("SELECT status FROM jdl.request WHERE request_id = {request}"))
    };
    let list = lab.made_up_list(200, 7);
    // What a crash does to unlogged tables, at each state in which identities are still needed.
    for step in ["", "SELECT * FROM jdl_link", "SELECT * FROM jdl_match"] {
        let mut ann = lab.connect("ann");
        if !step.is_empty() {
            ann.batch_execute(&format!("{step}({request})")).unwrap();
        }
        lab.admin()
            .batch_execute(&format!("TRUNCATE jdl_restricted.submission_{request}, jdl_restricted.link_{request}, jdl_restricted.index_choice_{request}, jdl_restricted.pseudonym_{request}"))
            .unwrap();
        let (state, text) = refusal(&mut ann, &format!("SELECT jdl_report({request})"));
        assert!(state == "55000" && text.contains("lost in a crash"), "{text}");
        lab.connect("ida").batch_execute(&format!("SELECT jdl_preflight({request})")).unwrap();
        assert_eq!(status(&lab), "awaiting resubmission", "after {step}");
        assert_eq!(lab.load(request, &list).unwrap(), 200);
        lab.connect("ida").batch_execute(&format!("SELECT jdl_preflight({request})")).unwrap();
        assert_eq!(status(&lab), "open");
    }
    lab.connect("ann").batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    // From then on nothing depends on them.
    lab.admin()
        .batch_execute(&format!("TRUNCATE jdl_restricted.submission_{request}, jdl_restricted.link_{request}, jdl_restricted.pseudonym_{request}"))
        .unwrap();
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({request}), jdl_release({request})")).unwrap();
    assert_eq!(status(&lab), "released");
    assert!(one::<bool>(&mut lab.connect("aud"), "SELECT intact FROM jdl_audit_verify()"));
}
