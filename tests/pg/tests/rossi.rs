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
        &format!("SELECT array_agg(person_id ORDER BY record_no) FROM jdl_restricted.link WHERE request_id = {request}"),
    );
    assert_eq!(found, truth);

    let matched =
        ann.query_one(r#"SELECT * FROM jdl_match($1, '{"method": "nearest", "ratio": 1}')"#, &[&request]).unwrap();
    assert_eq!((matched.get::<_, i32>("treatment_n"), matched.get::<_, i32>("comparison_n")), (216, 216));

    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    println!("{report:#}");
    let text: String = one(&mut ann, &format!("SELECT jdl_report_text({request})"));
    println!("{text}");
}
