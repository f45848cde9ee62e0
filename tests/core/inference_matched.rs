//! Differences in matched and weighted designs against R's `lm` and `sandwich` on MatchIt's matches.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::float_cmp, reason = "tests may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jdl_core::inference::*;

fn rows(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/inference").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[derive(Default)]
struct People {
    treated: Vec<bool>,
    outcomes: [Vec<f64>; 2],
    weight: Vec<f64>,
    set: Vec<Option<u32>>,
}

fn designs() -> BTreeMap<String, People> {
    let mut designs: BTreeMap<String, People> = BTreeMap::new();
    for row in rows("matched_people.csv") {
        let people = designs.entry(format!("{} {}", row[0], row[1])).or_default();
        people.treated.push(row[2] == "1");
        people.outcomes[0].push(row[3].parse().unwrap());
        people.outcomes[1].push(row[4].parse().unwrap());
        people.weight.push(row[5].parse().unwrap());
        people.set.push(row[6].parse().ok());
    }
    designs
}

#[test]
fn matched_differences_agree_with_sandwich_on_every_design() {
    let designs = designs();
    let mut checked: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows("matched_expected.csv") {
        let people = &designs[&format!("{} {}", row[0], row[1])];
        let outcome = &people.outcomes[usize::from(row[2] == "outcome2")];
        let sample = MatchedSample::new(&people.treated, outcome, &people.weight, &people.set).unwrap();
        let quantity = row[3].as_str();
        let name = quantity.trim_start_matches("se_").trim_start_matches("p_z_").trim_start_matches("log_rr_");
        let robust = match name {
            "ols" => Robust::Classical,
            "HC0" => Robust::Hc0,
            "HC1" => Robust::Hc1,
            "HC2" => Robust::Hc2,
            "HC3" => Robust::Hc3,
            "CL_HC0" => Robust::Sets0,
            "CL_HC1" => Robust::Sets1,
            _ => Robust::Hc0,
        };
        let found = matched_difference(sample, robust, Confidence::P95).unwrap();
        let ours = match quantity {
            "mean_treated" => found.means[0],
            "mean_control" => found.means[1],
            "att" => found.difference,
            "log_rr" => found.ratio.unwrap().ratio.ln(),
            _ if quantity.starts_with("se_log_rr") => found.ratio.unwrap().standard_error_log,
            _ if quantity.starts_with("se_") => found.test.unwrap().standard_error,
            _ if quantity.starts_with("p_z_") => found.p_normal.unwrap(),
            other => panic!("{other}"),
        };
        let theirs: f64 = row[4].parse().unwrap();
        let relative = (ours - theirs).abs() / theirs.abs();
        let entry = checked.entry(quantity.to_owned()).or_default();
        entry.0 += 1;
        entry.1 = entry.1.max(if theirs.abs() < 1e-12 { 0.0 } else { relative });
        // One effect is zero but for rounding.
        if relative.is_nan() || (relative > 1e-9 && (ours - theirs).abs() > 1e-15) {
            wrong.push(format!("{row:?}: {ours:e}, off by {relative:e}"));
        }
    }
    for (quantity, (count, worst)) in &checked {
        println!("{quantity:20} {count:4} values, largest relative difference {worst:.1e}");
    }
    assert!(checked.len() >= 18 && checked.values().all(|c| c.0 >= 2), "{checked:?}");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
