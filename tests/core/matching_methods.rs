//! Radius, exact, optimal and weighting methods against psmatch2's, MatchIt's and ebal's results (tests/data/matching/README.md).

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, missing_docs, reason = "tests may fail loudly")]

#[path = "matching_data.rs"]
mod data;

use data::*;
use jdl_core::Error;
use jdl_core::matching::{MatchOptions, match_controls};

/// The configurations of some methods, with their options; a radius that the reference gives in the scale of the probability
/// is given in standard deviations, because an absolute one is refused.
fn configs_of(methods: &[&str]) -> Vec<(String, String, serde_json::Value)> {
    let mut chosen: Vec<_> =
        configs().into_iter().filter(|(_, _, options)| methods.iter().any(|m| options["method"] == *m)).collect();
    for (set, config, options) in &mut chosen {
        if config.starts_with("radius_ps") {
            let deviation = expected(set)[&("ps".to_owned(), "model".to_owned(), "sd_ps_all".to_owned())];
            let width = options["caliper"].as_f64().unwrap() / deviation;
            *options = serde_json::json!({"method": "radius", "caliper": width});
        }
    }
    chosen
}

#[test]
fn radius_matching_weighs_controls_as_psmatch2() {
    let configs = configs_of(&["radius"]);
    assert_eq!(configs.len(), 16);
    for (set, config, options) in configs {
        let (frame, matching) = run(&set, None, &options);
        same_weights(&set, &config, &frame, &matching.weights, 1e-11);
        assert!(same_summary(&set, &config, &matching, 1e-9) > 30);
        let value = |key: &str| expected(&set)[&(config.clone(), "radius".to_owned(), key.to_owned())];
        assert!(close(matching.calipers[0].width, value("r_abs"), 1e-11));
        assert_eq!(matching.treated.matched as f64, value("n_treated_matched"));
        assert_eq!(matching.control.matched as f64, value("n_controls_used"));
        assert!(close(matching.control.effective, value("ess_control"), 1e-9));
    }
}

#[test]
fn weighting_methods_give_the_reference_weights_and_balance() {
    let configs = configs_of(&["ipw", "overlap", "entropy"]);
    assert_eq!(configs.len(), 12);
    for (set, config, options) in configs {
        let (frame, matching) = run(&set, None, &options);
        same_weights(&set, &config, &frame, &matching.weights, 1e-9);
        assert!(same_summary(&set, &config, &matching, 1e-9) > 40);
    }
}

#[test]
fn entropy_balancing_leaves_no_difference_of_means() {
    for (set, _, _) in SETS {
        let (_, matching) = run(set, None, &serde_json::json!({"method": "entropy"}));
        for row in &matching.balance {
            assert!(row.matched.unwrap().smd.abs() < 1e-9, "{set} {}", row.name);
        }
    }
}

#[test]
fn exact_matching_is_matchits() {
    for (set, config, options) in configs_of(&["exact"]) {
        let (frame, matching) = run(&set, None, &options);
        same_weights(&set, &config, &frame, &matching.weights, 1e-12);
        assert!(same_summary(&set, &config, &matching, 1e-9) > 40);
    }
}

#[test]
fn optimal_matching_is_nowhere_worse_than_matchits() {
    let configs = configs_of(&["optimal"]);
    assert_eq!(configs.len(), 4);
    for (set, config, options) in configs {
        let (_, matching) = run(&set, None, &options);
        let (wanted, distances) = reference_pairs(&set, &config, false).unwrap();
        let total: f64 = matching.pairs.iter().map(|p| p.distance).sum();
        let theirs: f64 = distances.iter().sum();
        assert_eq!(matching.pairs.len(), wanted.len(), "{set} {config}");
        // optmatch rounds distances to whole numbers before it solves, so its total may be a little larger.
        assert!(total <= theirs + 1e-9 && total > theirs - 1e-3, "{set} {config}: {total}, not {theirs}");
    }
}

#[test]
fn optimal_matching_with_too_few_controls_for_the_ratio_says_how_many_are_needed() {
    // 672 in work programmes and 773 not; 216 with aid and 216 without.
    for (set, have, need) in [("recid", 773, 1_344), ("rossi", 216, 432)] {
        let options = MatchOptions::from_json(r#"{"method": "optimal", "ratio": 2}"#).unwrap();
        let refused = match_controls(&frame(set, None), &options, &|| {}).unwrap_err();
        assert_eq!(refused, Error::TooFew { what: "controls for the ratio".into(), have, need }, "{set}");
    }
}

#[test]
fn within_a_caliper_optimal_matching_keeps_at_least_as_many_as_nearest_neighbours() {
    for (set, _, _) in SETS {
        for link in ["logit", "linear.logit"] {
            let greedy = run(set, None, &serde_json::json!({"caliper": 0.1, "link": link})).1;
            let optimal = run(set, None, &serde_json::json!({"caliper": 0.1, "link": link, "method": "optimal"})).1;
            assert!(optimal.pairs.len() >= greedy.pairs.len(), "{set} {link}");
            assert!(optimal.pairs.iter().all(|p| p.distance <= optimal.calipers[0].width));
        }
    }
}

#[test]
fn the_smallest_caliper_keeps_all_treated() {
    for (set, _, _) in SETS {
        let (_, matching) = run(set, None, &serde_json::json!({"method": "optimal", "caliper": "smallest"}));
        assert_eq!(matching.treated.matched, matching.treated.all);
        let longest = matching.pairs.iter().map(|p| p.distance).fold(0.0, f64::max);
        assert_eq!(longest, matching.calipers[0].width, "{set}");
    }
}

#[test]
fn a_grid_of_widths_shows_what_an_absolute_radius_costs() {
    let options = serde_json::json!({
        "method": "radius", "link": "linear.logit", "caliper": 0.2, "caliper_grid": [0.05, 0.1, 0.2, 0.5, 1.0]
    });
    let (_, matching) = run("nsw_cps", None, &options);
    assert_eq!(matching.grid.len(), 5);
    assert!(matching.grid.windows(2).all(|w| w[0].treated_matched <= w[1].treated_matched));
    let chosen = &matching.grid[2];
    assert_eq!(chosen.width, matching.calipers[0].width);
    assert_eq!(chosen.treated_matched, matching.treated.matched);
    let worst = matching.worst().unwrap();
    assert_eq!(chosen.worst_name.as_deref(), Some(worst.name.as_str()));
    assert_eq!(chosen.worst_smd.unwrap(), worst.matched.unwrap().smd.abs());
    assert!(matching.grid[4].worst_smd > chosen.worst_smd);
}
