//! A BI reader who wants the numbers that a release hides: every case of `tests/data/attacks/bi_cases.txt` over a connection of its own.

use jdl_surface::{Lab, one, run_cases};

/// Request 1 is released and hides numbers; request 2 is reported and not released; CANARY stands in every raw row.
fn released(name: &str) -> Lab {
    let lab = Lab::new(name);
    let request = lab.made_up(6_000, 300);
    lab.connect("ann").batch_execute(&format!("SELECT jdl_report({request})")).unwrap();
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({request}), jdl_release({request})")).unwrap();
    let second: i64 = one(
        &mut lab.connect("ida"),
        &format!(
            "SELECT jdl_open_request('Another Trust', 'the CANARY programme', 'cjsm', '{}')",
            jdl_surface::ASSURED
        ),
    );
    lab.load(second, &lab.made_up_list(300, 9)).unwrap();
    lab.assign("amy", second);
    lab.connect("amy").batch_execute(&format!("SELECT jdl_report({second})")).unwrap();
    lab.admin()
        .batch_execute(
            "UPDATE jdl_pseudonymised.member SET region = 'CANARY', disposal = 'CANARY';
             UPDATE jdl_pseudonymised.outcome SET first_court_category = 'CANARY';
             ANALYZE; CREATE SCHEMA bea AUTHORIZATION bea; GRANT USAGE ON SCHEMA public TO bea",
        )
        .unwrap();
    lab
}

#[test]
fn nothing_that_a_release_hides_can_be_read() {
    let lab = released("bi");
    lab.harden(include_str!("../../../docs/security.md"), 2);
    let (tried, fallen) = run_cases(&lab, include_str!("../../data/attacks/bi_cases.txt"));
    println!("BI attacks: {tried} cases, {} got through", fallen.len());
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
    let cases = include_str!("../../data/attacks/bi_cases.txt");
    for number in 1..=51 {
        assert!(cases.contains(&format!("\n## A{number:02} | bea | ")), "A{number:02} is not tried");
    }
}

#[test]
fn no_true_value_of_a_hidden_number_stands_in_what_readers_reach() {
    let lab = released("stands");
    let mut admin = lab.admin();
    // Whatever the view shows is stored in the release and nowhere else, and a hidden measure has no number in any column.
    let numbers: i64 = one(
        &mut admin,
        "SELECT count(*) FROM jdl.released_measure WHERE withheld IS NOT NULL AND num_nonnulls(treatment_n, comparison_n, treatment_value,
            comparison_value, difference, difference_low, difference_high, p_value, conclusive) > 0",
    );
    let hidden: i64 = one(&mut admin, "SELECT count(*) FROM jdl.released_measure WHERE withheld IS NOT NULL");
    assert!(hidden > 0 && numbers == 0, "{hidden} {numbers}");
    // Nor has the stored report, nor what is said of it inside; the certificate is elsewhere, and goes with the identities.
    let leaks: i64 = one(
        &mut admin,
        "SELECT count(*) FROM jdl.report p, jsonb_array_elements(p.report -> 'measures') m
         WHERE m -> 'withheld' <> 'null' AND (m #> '{treatment,value}' <> 'null' OR m #> '{treatment,n}' <> 'null' OR m -> 'p_value' <> 'null')",
    );
    assert_eq!(leaks, 0);
    let tells: i64 = one(
        &mut admin,
        "SELECT count(*) FROM jdl.report p WHERE p.disclosure ?| '{certificate,proof}' OR p.disclosure::text ~ 'base|others|claims'",
    );
    assert_eq!(tells, 0, "no true table in jdl.report");
    // No cell of the linked model is published below the threshold, none beside a number that it could be subtracted from.
    let small: i64 = one(
        &mut admin,
        "SELECT count(*) FROM jdl.report p, jsonb_array_elements(p.disclosure #> '{evidence,cells}') c WHERE (c ->> 'value')::bigint BETWEEN 1 AND 9",
    );
    assert_eq!(small, 0);
    let indexes: i64 = one(
        &mut admin,
        "SELECT count(*) FROM pg_index i WHERE i.indrelid = 'jdl.released_measure'::regclass AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)",
    );
    assert_eq!(indexes, 0);
}
