//! Chung, Schmidt and Witte (1991): 1,445 men released from North Carolina prisons, some of whom had taken part in a prison
//! work programme. Real outcomes and covariates in made-up identities, with matching switched on.

use std::collections::HashMap;

use jdl_surface::{Lab, Life, one, rows};
use serde_json::Value;

const RECID: &str = include_str!("../../data/matching/data/recid.csv");

/// 2005-01-03.
const FIRST_RELEASE: i32 = 1_829;

fn men() -> Vec<Life> {
    rows(RECID)
        .into_iter()
        .map(|row| {
            let number = |at: usize| row[at].parse::<i32>().unwrap();
            // Months become days of which twelve still lie inside a year of follow-up and thirteen do not.
            let months = |at: usize| number(at) * 30 + number(at) / 3;
            Life {
                treated: row[7] == "1",
                release: FIRST_RELEASE + number(0) % 300,
                age_days: number(13) * 487 / 16 + 2,
                served_days: months(14),
                ethnicity: if row[1] == "1" { "Black" } else { "White" },
                offence_group: match (row[8], row[9]) {
                    ("1", _) => "Property",
                    (_, "1") => "Violence",
                    _ => "Other",
                },
                priors: row[10].parse().unwrap(),
                reoffended_after: (row[17] == "0").then(|| number(16) * 30),
            }
        })
        .collect()
}

#[test]
fn the_prison_work_programme_goes_through_the_line_with_matching() {
    let lab = Lab::new("recid");
    let men = men();
    // Did he re-offend within a year, by the file's own column? Person n of the register is row n.
    let within_a_year: Vec<bool> = rows(RECID).iter().map(|row| row[18] == "1").collect();
    assert_eq!((men.len(), men.iter().filter(|man| man.treated).count()), (1_445, 672));

    let list = lab.dress(&men);
    let request = lab.open("{}");
    assert_eq!(lab.load(request, &list).unwrap(), 672);
    lab.assign("ann", request);
    let mut ann = lab.connect("ann");
    let linked = ann.query_one("SELECT * FROM jdl_link($1)", &[&request]).unwrap();
    assert_eq!((linked.get::<_, i32>("submitted"), linked.get::<_, i32>("linked")), (672, 672));

    let design = r#"{"method": "nearest", "distance": "glm", "link": "linear.logit", "caliper": 0.2, "ratio": 1}"#;
    let matched = ann.query_one(&format!("SELECT * FROM jdl_match({request}, '{design}')"), &[]).unwrap();
    let (treated, comparison) = (matched.get::<_, i32>("treatment_n"), matched.get::<_, i32>("comparison_n"));
    println!("recid: {treated} treated against {comparison}, worst SMD {:.3}", matched.get::<_, f64>("worst_smd"));
    assert!((400..=672).contains(&treated) && comparison == treated, "{treated} against {comparison}");

    let balance: Value =
        one(&mut ann, &format!("SELECT balance FROM jdl.match_design WHERE request_id = {request} AND design_no = 1"));
    let smd = |row: &Value, when: &str| row[when]["smd"].as_f64().unwrap().abs();
    let rows = balance.as_array().unwrap();
    let mean = |when: &str| rows.iter().map(|row| smd(row, when)).sum::<f64>() / rows.len() as f64;
    let worst = |when: &str| rows.iter().map(|row| smd(row, when)).fold(0.0, f64::max);
    println!(
        "recid: mean |SMD| {:.3} before, {:.3} after; worst {:.3} before, {:.3} after",
        mean("all"),
        mean("matched"),
        worst("all"),
        worst("matched")
    );
    assert!(mean("matched") < mean("all") && worst("matched") < worst("all"));
    assert!(worst("all") > 0.1, "there was an imbalance to remove");
    assert!((worst("matched") - matched.get::<_, f64>("worst_smd")).abs() < 1e-12);

    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    let rate = report["measures"].as_array().unwrap().iter().find(|m| m["key"] == "reoffending_rate").unwrap();
    // Who was matched, asked of the tables that nobody but the engine sees; what became of them, asked of the file.
    let members = lab
        .admin()
        .query(
            "SELECT p.person_id, m.treated FROM jdl_pseudonymised.member m JOIN jdl_restricted.pseudonym p USING (request_id, pseudonym)
             WHERE m.request_id = $1 AND m.matched",
            &[&request],
        )
        .unwrap();
    let mut expected: HashMap<bool, (u64, u64)> = HashMap::new();
    for member in &members {
        let person = member.get::<_, i64>(0) as usize - 1;
        let treated: bool = member.get(1);
        assert_eq!(men[person].treated, treated);
        let (events, n) = expected.entry(treated).or_default();
        *events += u64::from(within_a_year[person]);
        *n += 1;
    }
    for (group, treated) in [("treatment", true), ("comparison", false)] {
        let (events, n) = expected[&treated];
        println!("recid: {group} {events} of {n}");
        assert_eq!((&rate[group]["events"], &rate[group]["n"]), (&events.into(), &n.into()), "{group}");
        assert!((rate[group]["value"].as_f64().unwrap() - events as f64 / n as f64).abs() <= 0.005, "{group}");
    }
    let text: String = one(&mut ann, &format!("SELECT jdl_report_text({request})"));
    assert!(text.contains("Proven re-offending after the Fresh Start programme"), "{text}");
}
