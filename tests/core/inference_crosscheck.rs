//! Random matched and weighted people against what R makes of them: `tests/data/inference/crosscheck.R`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use jdl_core::inference::*;
use jdl_core::matching::{Column, Frame};
use jdl_core::outcomes::{FirstReoffence, PersonOutcome};

fn rows(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/inference").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[derive(Default)]
struct People {
    treated: Vec<bool>,
    weight: Vec<f64>,
    set: Vec<Option<u32>>,
    level: Vec<String>,
    age: Vec<f64>,
    priors: Vec<f64>,
    outcome: Vec<PersonOutcome>,
}

fn cases() -> BTreeMap<String, People> {
    let mut cases: BTreeMap<String, People> = BTreeMap::new();
    for row in rows("crosscheck_people.csv") {
        let people = cases.entry(row[0].clone()).or_default();
        let (day, event): (u32, bool) = (row[7].parse().unwrap(), row[8] == "1");
        people.treated.push(row[1] == "1");
        people.weight.push(row[2].parse().unwrap());
        people.set.push(row[3].parse().ok());
        people.level.push(row[4].clone());
        people.age.push(row[5].parse().unwrap());
        people.priors.push(row[6].parse().unwrap());
        people.outcome.push(PersonOutcome {
            first: event.then_some(FirstReoffence { days: day, court_category: None, custodial: false }),
            reoffences: u32::from(event),
            reoffences_by_category: [0; 3],
            custodial_count: 0,
            days_at_risk: day,
            followed_throughout: day == 365,
        });
    }
    cases
}

fn measure(m: &MeasureResult, quantity: &str) -> f64 {
    match quantity {
        "difference" => m.difference,
        "standard_error" => m.standard_error,
        "low" => m.difference_low,
        "high" => m.difference_high,
        "p_value" => m.p_value,
        other => panic!("{other}"),
    }
    .unwrap()
}

#[test]
fn differences_sub_groups_interactions_curves_and_the_doubly_robust_estimate_agree_with_r() {
    let plan = AnalysisPlan {
        sub_groups: BTreeMap::from([(SubGroupBy::Region, ["a", "b", "c"].map(str::to_owned).into())]),
        interaction_tests: BTreeSet::from([SubGroupBy::Region]),
        permutation_draws: 10,
        ..AnalysisPlan::default()
    };
    let found: BTreeMap<String, (Analysis, DoublyRobustRun)> = cases()
        .iter()
        .map(|(case, people)| {
            let People { treated, weight, set, level, age, priors, outcome } = people;
            let design = Design { treated, weight, set, outcome };
            let analysis = analyse(design, &[Levels { by: SubGroupBy::Region, level }], &plan, &|| {}).unwrap();
            let ids: Vec<i64> = (0..treated.len() as i64).collect();
            let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
            let codes = level.iter().map(|l| names.iter().position(|name| name == l).unwrap() as u32).collect();
            let columns = [
                ("age", Column::Numeric(age.clone())),
                ("priors", Column::Numeric(priors.clone())),
                ("level", Column::Factor { levels: names, codes }),
            ];
            let frame = Frame::new(&ids, treated, &columns).unwrap();
            let robust = doubly_robust(&frame, treated, outcome, &plan, &|| {}).unwrap().unwrap();
            (case.clone(), (analysis, robust))
        })
        .collect();
    let mut worst: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    let expected = rows("crosscheck_expected.csv");
    for row in &expected {
        let (analysis, robust) = &found[&row[0]];
        let (kind, rest) = row[1].split_once('/').unwrap_or(("", &row[1]));
        let ours = match kind {
            "" => measure(&analysis.measures[0], rest),
            "interaction" => {
                let test = &analysis.interactions[0];
                if rest == "statistic" { test.statistic.unwrap() } else { test.p_value.unwrap() }
            }
            "hazard" => {
                let found = analysis.hazard_ratio.unwrap();
                match rest {
                    "ratio" => found.ratio,
                    "standard_error" => found.standard_error_log,
                    "low" => found.interval.low,
                    "high" => found.interval.high,
                    _ => found.p_value,
                }
            }
            "aipw" => match rest {
                "difference" => robust.estimate.effect,
                "standard_error" => robust.estimate.standard_error,
                _ => robust.estimate.p_value,
            },
            "curve1" | "curve0" => {
                let curve = if kind == "curve1" { &analysis.treatment_curve } else { &analysis.comparison_curve };
                let (day, end) = rest.split_once('/').unwrap_or((rest, "value"));
                let point = curve.points.iter().find(|p| p.day.to_string() == day).unwrap();
                match end {
                    "low" => point.low.unwrap(),
                    "high" => point.high.unwrap(),
                    _ => point.reoffended,
                }
            }
            level => {
                let group = analysis.sub_groups.iter().find(|group| group.level == level).unwrap();
                measure(group.result.as_ref().unwrap(), rest)
            }
        };
        let theirs: f64 = row[2].parse().unwrap();
        let relative = (ours - theirs).abs() / theirs.abs();
        // Cox regression, as both models of the doubly robust estimate, is fitted by iteration.
        let limit = if ["aipw", "hazard"].contains(&kind) { 1e-7 } else { 1e-9 };
        assert!(relative <= limit, "{row:?}: {ours:e}, off by {relative:e}");
        let entry = worst.entry(if kind.len() == 1 { "sub-group" } else { kind }).or_default();
        *entry = (entry.0 + 1, entry.1.max(relative));
    }
    println!("{worst:?}");
    assert_eq!((expected.len(), worst.len()), (192, 7));
}

#[test]
fn tests_of_sub_groups_belong_to_the_family() {
    let cases = cases();
    let people = &cases["sets"];
    let design =
        Design { treated: &people.treated, weight: &people.weight, set: &people.set, outcome: &people.outcome };
    let levels = [Levels { by: SubGroupBy::Region, level: &people.level }];
    let plan = |named: &[&str], interaction: bool| AnalysisPlan {
        family: BTreeSet::from([Measure::ReoffendingRate]),
        sub_groups: BTreeMap::from([(SubGroupBy::Region, named.iter().map(|l| (*l).to_owned()).collect())]),
        interaction_tests: interaction.then_some(SubGroupBy::Region).into_iter().collect(),
        permutation_draws: 10,
        ..AnalysisPlan::default()
    };
    let whole = analyse(design, &levels, &plan(&["a", "b"], true), &|| {}).unwrap();
    let mut raw = vec![whole.measures[0].p_value];
    raw.extend(whole.sub_groups.iter().map(|group| group.result.as_ref().unwrap().p_value));
    raw.push(whole.interactions[0].p_value);
    let mut adjusted = vec![whole.measures[0].p_value_holm];
    adjusted.extend(whole.sub_groups.iter().map(|group| group.result.as_ref().unwrap().p_value_holm));
    adjusted.push(whole.interactions[0].p_value_holm);
    assert_eq!((raw.len(), adjusted), (4, holm(&raw)));
    assert!(whole.measures[1].p_value_holm.is_none(), "outside the family nothing is adjusted");
    // People of both groups add up over all levels; nobody of a level that nobody has.
    let all = analyse(design, &levels, &plan(&["a", "b", "c", "nobody"], true), &|| {}).unwrap();
    let sum = |of: fn(&SubGroupResult) -> u64| all.sub_groups.iter().map(of).sum::<u64>();
    assert_eq!(sum(|group| group.treatment.people), all.treatment.people);
    assert_eq!(sum(|group| group.comparison.reoffenders), all.comparison.reoffenders);
    assert!(all.sub_groups[3].result.is_none() && all.interactions[0].p_value.is_none());
    assert_eq!(all.interactions[0].absent, Some(Absent::NobodyToMeasure));
    assert!(analyse(design, &[], &plan(&["a"], false), &|| {}).is_err(), "a covariate that is not given");
    let short = [Levels { by: SubGroupBy::Region, level: &people.level[1..] }];
    assert!(analyse(design, &short, &plan(&["a"], false), &|| {}).is_err());
}
