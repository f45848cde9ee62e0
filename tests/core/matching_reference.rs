//! MatchIt 4.7.2's answers on four public data sets: coefficients, scores, pairs, weights, balance (tests/data/matching/README.md).

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, missing_docs, reason = "tests may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jdl_core::matching::{
    Cell, Comparison, Frame, FrameBuilder, Kind, MatchOptions, Matching, match_controls, propensity,
};

/// Data set, treatment column, covariates of the formula.
const SETS: [(&str, &str, &str); 4] = [
    ("lalonde", "treat", "age educ race married nodegree re74 re75"),
    ("nsw_cps", "treat", "age educ black hisp marr nodegree re74 re75"),
    ("recid", "workprg", "black alcohol drugs super married felon property person priors educ rules age tserved"),
    ("rossi", "fin", "age race wexp mar paro prio educ"),
];

fn file(name: &str) -> Option<String> {
    fs::read_to_string(format!("{}/../../tests/data/matching/{name}", env!("CARGO_MANIFEST_DIR"))).ok()
}

fn table(name: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let text = file(name).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(|c| c.trim().to_owned()).collect::<Vec<String>>());
    (lines.next().unwrap(), lines.collect())
}

/// The frame of a data set, with MatchIt's own score as a further column `score` if asked for.
fn frame(set: &str, score: Option<&str>) -> Frame {
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
fn expected(set: &str) -> BTreeMap<(String, String, String), f64> {
    let (_, rows) = table("expected.csv");
    let rows = rows.into_iter().filter(|row| row[0] == set);
    rows.map(|row| ((row[1].clone(), row[2].clone(), row[3].clone()), row[4].parse().unwrap_or(f64::NAN))).collect()
}

fn configs() -> Vec<(String, String, serde_json::Value)> {
    let all: Vec<serde_json::Value> = serde_json::from_str(&file("configs.json").unwrap()).unwrap();
    all.iter()
        .map(|c| (c["dataset"].as_str().unwrap().into(), c["config"].as_str().unwrap().into(), c["options"].clone()))
        .collect()
}

type Pairs = BTreeSet<(i64, i64)>;

/// (treated, control) of a configuration.
fn reference_pairs(set: &str, config: &str, atc: bool) -> Option<(Pairs, Vec<f64>)> {
    file(&format!("matches/{set}.{config}.pairs.csv"))?;
    let (head, rows) = table(&format!("matches/{set}.{config}.pairs.csv"));
    let number = |text: &String| text.parse::<i64>().unwrap();
    let pairs = rows.iter().map(|r| (number(&r[0]), number(&r[2]))).map(|(f, o)| if atc { (o, f) } else { (f, o) });
    let distances = if head.len() > 3 { rows.iter().map(|r| r[3].parse().unwrap()).collect() } else { Vec::new() };
    Some((pairs.collect(), distances))
}

fn pairs(matching: &Matching) -> Pairs {
    matching.pairs.iter().map(|p| (p.treated_id, p.control_id)).collect()
}

/// Distances are MatchIt's up to the last bits of a coordinate, and several controls are often equally distant: the pairs themselves are
/// not compared, but the rule behind them is, in `matching_columns.rs`.
const BY_COLUMNS: [&str; 7] = [
    "nn_mahal",
    "nn_mahal_replace",
    "nn_mahal_exact",
    "nn_mahvars_cal02",
    "nn_mahvars_cal02_replace",
    "nn_scaled_euclid",
    "nn_robust_mahal",
];

fn run(set: &str, score: Option<&str>, options: &serde_json::Value) -> (Frame, Matching) {
    let frame = frame(set, score);
    let options = MatchOptions::from_json(&options.to_string()).unwrap();
    let matching = match_controls(&frame, &options, &|| {}).unwrap();
    (frame, matching)
}

fn close(found: f64, wanted: f64, tolerance: f64) -> bool {
    (found - wanted).abs() <= tolerance * wanted.abs().max(1.0)
}

#[test]
fn coefficients_errors_deviance_iterations_and_scores_are_those_of_glm() {
    for (set, _, _) in SETS {
        let frame = frame(set, None);
        let fit = propensity(&frame, &MatchOptions::default(), &|| {}).unwrap();
        let expected = expected(set);
        let value = |quantity: &str, key: &str| expected[&("ps".into(), quantity.into(), key.into())];
        for c in &fit.coefficients {
            let estimate = value("coef_eps1e-8", &c.name);
            assert!((c.estimate.unwrap() / estimate - 1.0).abs() < 1e-10, "{set} {}", c.name);
            // R takes the errors from the weights before its last step, here those after it: equal up to the square of that step.
            let error = value("se_converged", &c.name);
            assert!((c.standard_error.unwrap() / error - 1.0).abs() < 1e-7, "{set} {}", c.name);
        }
        assert!(close(fit.deviance, value("model", "deviance"), 1e-12), "{set}");
        assert!(close(fit.null_deviance, value("model", "null_deviance"), 1e-12), "{set}");
        assert_eq!(f64::from(fit.iterations), value("model", "iter_eps1e-8"), "{set}");
        assert_eq!((fit.rows as f64, fit.treated as f64), (value("model", "n"), value("model", "n_treated")));
        let (head, rows) = table(&format!("propensity/{set}.csv"));
        assert_eq!(head[2..4], ["ps", "logit"]);
        for ((row, score), logit) in rows.iter().zip(fit.scores()).zip(&fit.logits) {
            assert!(close(score, row[2].parse().unwrap(), 1e-12), "{set}");
            assert!(close(*logit, row[3].parse().unwrap(), 1e-11), "{set}");
        }
        let tight = MatchOptions::from_json(r#"{"epsilon": 1e-14, "maxit": 50}"#).unwrap();
        for c in &propensity(&frame, &tight, &|| {}).unwrap().coefficients {
            let (estimate, error) = (value("coef_converged", &c.name), value("se_converged", &c.name));
            assert!((c.estimate.unwrap() / estimate - 1.0).abs() < 1e-9, "{set} {}", c.name);
            assert!((c.standard_error.unwrap() / error - 1.0).abs() < 1e-7, "{set} {}", c.name);
        }
    }
}

#[test]
fn nearest_neighbours_on_a_score_are_matchits_pair_for_pair() {
    let mut compared = 0;
    for (set, config, options) in configs() {
        if options["method"] != "nearest" || BY_COLUMNS.contains(&config.as_str()) {
            continue;
        }
        let (wanted, distances) = reference_pairs(&set, &config, options["estimand"] == "ATC").unwrap();
        // Once with our own score, once with MatchIt's; a supplied score cannot be estimated again.
        let supplied = if options["link"] == "linear.logit" { "logit" } else { "ps" };
        for score in [None, Some(supplied)] {
            let mut options = options.clone();
            if score.is_some() {
                if options["reestimate"] == true {
                    continue;
                }
                options["distance"] = "score".into();
            }
            let (_, matching) = run(&set, score, &options);
            assert_eq!(pairs(&matching), wanted, "{set} {config} {score:?}");
            let sum: f64 = matching.pairs.iter().map(|p| p.distance).sum();
            assert!(close(sum, distances.iter().sum(), 1e-9), "{set} {config} {score:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 204);
}

#[test]
fn weights_balance_counts_and_calipers_are_matchits() {
    let mut values = 0;
    for (set, config, options) in configs() {
        if options["method"] != "nearest" || BY_COLUMNS.contains(&config.as_str()) {
            continue;
        }
        let (frame, matching) = run(&set, None, &options);
        let (_, rows) = table(&format!("matches/{set}.{config}.weights.csv"));
        let weights: BTreeMap<i64, f64> = rows.iter().map(|r| (r[0].parse().unwrap(), r[1].parse().unwrap())).collect();
        for (id, &weight) in frame.ids().iter().zip(&matching.weights) {
            assert!(close(weight, weights.get(id).copied().unwrap_or(0.0), 1e-12), "{set} {config}");
        }
        for ((of, quantity, key), &wanted) in expected(&set).iter().filter(|((of, _, _), _)| *of == config) {
            let what = format!("{of} {quantity} {key} of {set}");
            let found = if let Some((table, statistic)) = quantity.split_once(':') {
                let row = matching.balance.iter().find(|row| row.name == *key).unwrap();
                let side = if table == "balance_all" { row.all } else { row.matched.unwrap() };
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
            assert!(close(found, wanted, 1e-9), "{what}: {found}, not {wanted}");
            values += 1;
        }
    }
    assert!(values > 5_000, "{values} values compared");
}

fn statistic_of(side: &Comparison, pair_distance: Option<f64>, statistic: &str) -> f64 {
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
