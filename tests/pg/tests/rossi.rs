//! Rossi, Berk and Lenihan (1980): 432 men released from Maryland prisons, half of them given financial aid, re-arrest
//! within 52 weeks. Their real outcomes and covariates, in made-up identities, go through the whole line.

use jdl_surface::{Lab, Life, one, rows};
use serde_json::Value;

const ROSSI: &str = include_str!("../../data/matching/data/rossi.csv");
const REFERENCE: &str = include_str!("../../data/inference/stats_reference.csv");

/// 2005-01-03.
const FIRST_RELEASE: i32 = 1_829;

fn men() -> Vec<Life> {
    rows(ROSSI)
        .into_iter()
        .map(|row| {
            let number = |at: usize| row[at].parse::<i32>().unwrap();
            Life {
                treated: row[3] == "1",
                release: FIRST_RELEASE + number(0) % 300,
                // Well inside the year, so that age in whole years is the study's.
                age_days: number(4) * 365 + number(4) / 4 + 100,
                served_days: 300 + number(0) % 60,
                ethnicity: if row[5] == "black" { "Black" } else { "Other" },
                offence_group: if row[6] == "yes" { "Theft" } else { "Burglary" },
                priors: row[9].parse().unwrap(),
                reoffended_after: (row[2] == "1").then(|| number(1) * 7),
            }
        })
        .collect()
}

#[test]
fn the_report_gives_the_published_rates_of_the_rossi_experiment() {
    let lab = Lab::new("rossi");
    let men = men();
    assert_eq!(men.len(), 432);
    let list = lab.dress(&men);
    let request = lab.open("{}");
    assert_eq!(lab.load(request, &list).unwrap(), 216);
    lab.assign("ann", request);
    let mut ann = lab.connect("ann");

    let linked = ann.query_one("SELECT * FROM jdl_link($1)", &[&request]).unwrap();
    let count = |name: &str| linked.get::<_, i32>(name);
    assert_eq!((count("submitted"), count("linked"), count("suspect"), count("unlinked")), (216, 216, 0, 0));
    // Linked to themselves: record n is the n-th treated man.
    let truth: Vec<i64> = men.iter().zip(1..).filter(|(man, _)| man.treated).map(|(_, id)| id).collect();
    let found: Vec<i64> = one(
        &mut lab.admin(),
        &format!(
            "SELECT array_agg(person_id ORDER BY record_no) FROM jdl_restricted.link WHERE request_id = {request}"
        ),
    );
    assert_eq!(found, truth);

    let matched =
        ann.query_one(r#"SELECT * FROM jdl_match($1, '{"method": "nearest", "ratio": 1}')"#, &[&request]).unwrap();
    assert_eq!((matched.get::<_, i32>("treatment_n"), matched.get::<_, i32>("comparison_n")), (216, 216));

    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    let rate = report["measures"].as_array().unwrap().iter().find(|m| m["key"] == "reoffending_rate").unwrap();
    for (group, events) in [("treatment", 48), ("comparison", 66)] {
        assert_eq!((&rate[group]["events"], &rate[group]["n"]), (&events.into(), &216.into()), "{group}");
        assert!((rate[group]["value"].as_f64().unwrap() - f64::from(events) / 216.0).abs() < 0.005, "{group}");
    }
    let withheld = report["measures"].as_array().unwrap().iter().filter(|m| !m["withheld"].is_null()).count();
    println!("rossi: 48 of 216 against 66 of 216; {withheld} of the measures withheld");

    // The stored analysis, which nobody reads directly, holds the rates unrounded.
    let stored: Value = one(
        &mut lab.admin(),
        &format!("SELECT result -> 'analysis' FROM jdl_pseudonymised.analysis WHERE request_id = {request}"),
    );
    let measures = stored["measures"].as_array().unwrap();
    let rate = measures.iter().find(|m| m["measure"] == "reoffending_rate").unwrap();
    for (group, events) in [("treatment", 48.0), ("comparison", 66.0)] {
        assert!((rate[group]["value"].as_f64().unwrap() - events / 216.0).abs() < 1e-12, "{group}");
    }
    // And the mean days to the first re-offence are the study's weeks.
    let days = measures.iter().find(|m| m["measure"] == "days_to_first_reoffence").expect("days to first re-offence");
    for (group, treated) in [("treatment", true), ("comparison", false)] {
        let known: Vec<i32> = men.iter().filter(|m| m.treated == treated).filter_map(|m| m.reoffended_after).collect();
        let mean = f64::from(known.iter().sum::<i32>()) / known.len() as f64;
        assert!((days[group]["value"].as_f64().unwrap() - mean).abs() < 1e-9, "{group}: {days:#}");
    }

    let text: String = one(&mut ann, &format!("SELECT jdl_report_text({request})"));
    assert!(text.contains("22.2% against 30.6%"), "{text}");
    let html: String = one(&mut ann, &format!("SELECT jdl_report_html({request})"));
    assert!(html.contains("22.2%") && html.contains("30.6%"));
}

#[test]
fn the_rates_of_the_rossi_experiment_compare_as_r_says() {
    let lab = Lab::new("rossi_r");
    let row = lab.connect("ann").query_one("SELECT * FROM jdl_compare_rates(48, 216, 66, 216)", &[]).unwrap();
    // `function` is the table's function and case.
    let reference = |function: &str, quantity: &str| -> f64 {
        let line = REFERENCE
            .lines()
            .find(|line| line.starts_with(&format!("{function},")) && line.contains(&format!("}}\",{quantity},")))
            .unwrap_or_else(|| panic!("no reference for {function} {quantity}"));
        line.split("}\",").nth(1).unwrap().split(',').nth(1).unwrap().parse().unwrap()
    };
    let fields = [
        ("treatment_rate", "wilson,rossi_fin", "estimate"),
        ("treatment_rate_low", "wilson,rossi_fin", "conf_low"),
        ("treatment_rate_high", "wilson,rossi_fin", "conf_high"),
        ("comparison_rate", "wilson,rossi_ctl", "estimate"),
        ("comparison_rate_low", "wilson,rossi_ctl", "conf_low"),
        ("comparison_rate_high", "wilson,rossi_ctl", "conf_high"),
        ("difference", "diff_wald,rossi", "diff"),
        ("difference_wald_low", "diff_wald,rossi", "conf_low"),
        ("difference_wald_high", "diff_wald,rossi", "conf_high"),
        ("difference_low", "diff_newcombe10,rossi", "conf_low"),
        ("difference_high", "diff_newcombe10,rossi", "conf_high"),
        ("p_value", "z_test_pooled,rossi", "p_value"),
        ("chi_square_p_value", "chisq_no_yates,rossi", "p_value"),
        ("chi_square_yates_p_value", "chisq_yates,rossi", "p_value"),
        ("fisher_p_value", "fisher,rossi", "p_value"),
        ("risk_ratio", "risk_ratio_katz,rossi", "rr"),
        ("risk_ratio_low", "risk_ratio_katz,rossi", "conf_low"),
        ("risk_ratio_high", "risk_ratio_katz,rossi", "conf_high"),
        ("odds_ratio", "odds_ratio_woolf,rossi", "or"),
        ("odds_ratio_low", "odds_ratio_woolf,rossi", "conf_low"),
        ("odds_ratio_high", "odds_ratio_woolf,rossi", "conf_high"),
        ("number_needed_to_treat", "nnt,rossi", "nnt"),
        ("number_needed_to_treat_low", "nnt,rossi", "newcombe_conf_low"),
        ("number_needed_to_treat_high", "nnt,rossi", "newcombe_conf_high"),
    ];
    for (field, function, quantity) in fields {
        let (ours, theirs) = (row.get::<_, f64>(field), reference(function, quantity));
        assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0), "{field}: {ours}, R has {theirs}");
    }
}
