//! MatchIt 4.7.2's answers on four public data sets: coefficients, scores, pairs, weights, balance (tests/data/matching/README.md).

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, missing_docs, reason = "tests may fail loudly")]

#[path = "matching_data.rs"]
mod data;

use data::*;
use jdl_core::matching::{MatchOptions, propensity};

/// Configurations on several columns, which `matching_columns.rs` compares.
const BY_COLUMNS: [&str; 7] = [
    "nn_mahal",
    "nn_mahal_replace",
    "nn_mahal_exact",
    "nn_mahvars_cal02",
    "nn_mahvars_cal02_replace",
    "nn_scaled_euclid",
    "nn_robust_mahal",
];

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
        same_weights(&set, &config, &frame, &matching.weights, 1e-12);
        values += same_summary(&set, &config, &matching, 1e-9);
    }
    assert!(values > 5_000, "{values} values compared");
}
