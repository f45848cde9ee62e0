//! The reference data sets and MatchIt's results on them, as the tests need them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    missing_docs,
    dead_code,
    reason = "tests may fail loudly, and each uses its part"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jdl_core::matching::{Cell, Comparison, Frame, FrameBuilder, Kind, MatchOptions, Matching, match_controls};

/// Data set, treatment column, covariates of the formula.
pub const SETS: [(&str, &str, &str); 4] = [
    ("lalonde", "treat", "age educ race married nodegree re74 re75"),
    ("nsw_cps", "treat", "age educ black hisp marr nodegree re74 re75"),
    ("recid", "workprg", "black alcohol drugs super married felon property person priors educ rules age tserved"),
    ("rossi", "fin", "age race wexp mar paro prio educ"),
];

fn file(name: &str) -> Option<String> {
    fs::read_to_string(format!("{}/../../tests/data/matching/{name}", env!("CARGO_MANIFEST_DIR"))).ok()
}

pub fn table(name: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let text = file(name).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(|c| c.trim().to_owned()).collect::<Vec<String>>());
    (lines.next().unwrap(), lines.collect())
}

/// The frame of a data set, with MatchIt's own score as a further column `score` if asked for.
pub fn frame(set: &str, score: Option<&str>) -> Frame {
    let (_, treatment, covariates) = SETS.iter().find(|s| s.0 == set).unwrap();
    let (head, rows) = table(&format!("data/{set}.csv"));
    let at = |name: &str| head.iter().position(|h| h == name).unwrap();
    let mut kinds: Vec<(&str, Kind)> = covariates
        .split(' ')
        .map(|c| (c, if rows[0][at(c)].parse::<f64>().is_ok() { Kind::Numeric } else { Kind::Text }))
        .collect();
    let columns: Vec<usize> = kinds.iter().map(|(name, _)| at(name)).collect();
    let scores = score.map(|score| {
        let (head, rows) = table(&format!("propensity/{set}.csv"));
        let at = head.iter().position(|h| h == score).unwrap();
        rows.iter().map(|r| r[at].parse().unwrap()).collect::<Vec<f64>>()
    });
    if score.is_some() {
        kinds.push(("score", Kind::Numeric));
    }
    let mut builder = FrameBuilder::new(&kinds).unwrap();
    for (number, row) in rows.iter().enumerate() {
        let mut cells: Vec<Cell<'_>> = columns
            .iter()
            .zip(&kinds)
            .map(|(&at, (_, kind))| match kind {
                Kind::Numeric => Cell::Number(row[at].parse().unwrap()),
                Kind::Text => Cell::Text(&row[at]),
            })
            .collect();
        cells.extend(scores.as_ref().map(|s| Cell::Number(s[number])));
        builder.push_row(row[at("id")].parse().unwrap(), row[at(treatment)] == "1", &cells).unwrap();
    }
    builder.finish().unwrap()
}

/// Expected values by configuration, quantity and key.
pub fn expected(set: &str) -> BTreeMap<(String, String, String), f64> {
    let (_, rows) = table("expected.csv");
    let rows = rows.into_iter().filter(|row| row[0] == set);
    rows.map(|row| ((row[1].clone(), row[2].clone(), row[3].clone()), row[4].parse().unwrap_or(f64::NAN))).collect()
}

pub fn configs() -> Vec<(String, String, serde_json::Value)> {
    let all: Vec<serde_json::Value> = serde_json::from_str(&file("configs.json").unwrap()).unwrap();
    all.iter()
        .map(|c| (c["dataset"].as_str().unwrap().into(), c["config"].as_str().unwrap().into(), c["options"].clone()))
        .collect()
}

pub type Pairs = BTreeSet<(i64, i64)>;

/// (treated, control) of a configuration.
pub fn reference_pairs(set: &str, config: &str, atc: bool) -> Option<(Pairs, Vec<f64>)> {
    file(&format!("matches/{set}.{config}.pairs.csv"))?;
    let (head, rows) = table(&format!("matches/{set}.{config}.pairs.csv"));
    let number = |text: &String| text.parse::<i64>().unwrap();
    let pairs = rows.iter().map(|r| (number(&r[0]), number(&r[2]))).map(|(f, o)| if atc { (o, f) } else { (f, o) });
    let distances = if head.len() > 3 { rows.iter().map(|r| r[3].parse().unwrap()).collect() } else { Vec::new() };
    Some((pairs.collect(), distances))
}

pub fn pairs(matching: &Matching) -> Pairs {
    matching.pairs.iter().map(|p| (p.treated_id, p.control_id)).collect()
}

pub fn run(set: &str, score: Option<&str>, options: &serde_json::Value) -> (Frame, Matching) {
    let frame = frame(set, score);
    let options = MatchOptions::from_json(&options.to_string()).unwrap();
    let matching = match_controls(&frame, &options, &|| {}).unwrap();
    (frame, matching)
}

pub fn close(found: f64, wanted: f64, tolerance: f64) -> bool {
    (found - wanted).abs() <= tolerance * wanted.abs().max(1.0)
}

pub fn statistic_of(side: &Comparison, pair_distance: Option<f64>, statistic: &str) -> f64 {
    match statistic {
        "Means Treated" => side.mean_treated,
        "Means Control" => side.mean_control,
        "Std. Mean Diff." => side.smd,
        "Var. Ratio" => side.variance_ratio.unwrap(),
        "eCDF Mean" => side.ecdf_mean,
        "eCDF Max" => side.ecdf_max,
        "Std. Pair Dist." => pair_distance.unwrap(),
        other => panic!("unknown statistic {other}"),
    }
}

/// Weights by id; units that are not listed have none.
pub fn reference_weights(set: &str, config: &str) -> BTreeMap<i64, f64> {
    let (_, rows) = table(&format!("matches/{set}.{config}.weights.csv"));
    rows.iter().map(|r| (r[0].parse().unwrap(), r[1].parse().unwrap())).collect()
}

/// Asserts that weights are those of the reference.
pub fn same_weights(set: &str, config: &str, frame: &Frame, weights: &[f64], tolerance: f64) {
    let wanted = reference_weights(set, config);
    for (id, &weight) in frame.ids().iter().zip(weights) {
        let wanted = wanted.get(id).copied().unwrap_or(0.0);
        assert!(close(weight, wanted, tolerance), "{set} {config} id {id}: {weight}, not {wanted}");
    }
}

/// Asserts that balance, counts and caliper widths are those of the reference; returns how many values were compared.
pub fn same_summary(set: &str, config: &str, matching: &Matching, tolerance: f64) -> usize {
    let mut values = 0;
    for ((of, quantity, key), &wanted) in expected(set).iter().filter(|((of, _, _), _)| *of == config) {
        let found = if let Some((table, statistic)) = quantity.split_once(':') {
            let row = matching.balance.iter().find(|row| row.name == *key).unwrap();
            let side = if table == "balance_all" { row.all } else { row.matched.unwrap() };
            if statistic == "Std. Pair Dist." && row.pair_distance.is_none() {
                continue;
            }
            statistic_of(&side, row.pair_distance, statistic)
        } else if quantity == "caliper_abs" {
            matching.calipers.iter().find(|c| c.name == *key).unwrap().width
        } else if let ("n", Some((count, group))) = (quantity.as_str(), key.split_once('|')) {
            let group = if group == "Treated" { matching.treated } else { matching.control };
            match count {
                "Matched (ESS)" => group.effective,
                "Matched" => group.matched as f64,
                "Unmatched" => group.unmatched as f64,
                "Discarded" => group.discarded as f64,
                _ => group.all as f64,
            }
        } else {
            continue;
        };
        assert!(close(found, wanted, tolerance), "{of} {quantity} {key} of {set}: {found}, not {wanted}");
        values += 1;
    }
    values
}
