//! Cohorts whose confounding and effect are known: does the matched estimate tell the truth? And the Rossi experiment, whose
//! randomised answer is known: does matching leave it where it was?

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests may fail loudly")]

mod matching_data;

use jdl_core::inference::{Confidence, MatchedSample, Robust, TTest, matched_difference};
use jdl_core::matching::{Cell, Frame, FrameBuilder, Kind, MatchOptions, Matching, match_controls};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const SEEDS: u64 = 200;
const TREATED: usize = 300;
const CONTROLS: usize = 2_700;

/// The lab's way, and pairs.
const RADIUS: &str = r#"{"method": "radius", "link": "linear.logit", "caliper": 0.2}"#;
const PAIRS: &str = r#"{"link": "linear.logit", "caliper": 0.2}"#;

/// People of whom we know how likely each is to re-offend without the service: age, record and need push both that and taking part.
struct Cohort {
    frame: Frame,
    risk: Vec<f64>,
    /// One uniform number a person: the outcome under every effect.
    fate: Vec<f64>,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn cohort(seed: u64) -> Cohort {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let columns = [("age", Kind::Numeric), ("record", Kind::Numeric), ("need", Kind::Numeric), ("region", Kind::Text)];
    let mut rows = FrameBuilder::new(&columns).unwrap();
    let (mut risk, mut fate) = (Vec::new(), Vec::new());
    let mut places = [CONTROLS, TREATED];
    while places != [0, 0] {
        let age = 18.0 + 40.0 * random.random::<f64>() * random.random::<f64>();
        let record = (-3.0 * random.random::<f64>().max(1e-9).ln()).floor();
        let need = random.random::<f64>() < 0.4;
        let region = ["north", "south", "wales"][random.random_range(0..3_usize)];
        let push = 0.05 * (age - 28.0) - 0.25 * (record - 3.0).min(6.0) - if need { 0.8 } else { 0.0 };
        let logit = 0.9 * push + if region == "wales" { 0.6 } else { 0.0 } - 2.0;
        let treated = random.random::<f64>() < logistic(logit);
        if places[usize::from(treated)] == 0 {
            continue;
        }
        places[usize::from(treated)] -= 1;
        let cells = [Cell::Number(age), Cell::Number(record), Cell::Number(f64::from(u8::from(need)))];
        rows.push_row(risk.len() as i64, treated, &[&cells[..], &[Cell::Text(region)]].concat()).unwrap();
        // Between 0.06 and 0.94, so that five points more or less are still a probability.
        risk.push(0.06 + 0.88 * logistic(-0.9 * push - 0.4));
        fate.push(random.random());
    }
    Cohort { frame: rows.finish().unwrap(), risk, fate }
}

impl Cohort {
    fn outcomes(&self, effect: f64) -> Vec<f64> {
        let people = self.risk.iter().zip(&self.fate).zip(self.frame.treated());
        people
            .map(|((risk, fate), treated)| f64::from(u8::from(*fate < risk + if *treated { effect } else { 0.0 })))
            .collect()
    }

    fn estimate(&self, effect: f64, weights: &[f64], sets: Option<&[u32]>) -> TTest {
        let sets: Vec<Option<u32>> =
            (0..self.frame.len()).map(|row| sets.map(|sets| sets[row]).filter(|&set| set > 0)).collect();
        let robust = if sets.iter().any(Option::is_some) { Robust::Sets1 } else { Robust::Hc0 };
        let outcomes = self.outcomes(effect);
        let sample = MatchedSample::new(self.frame.treated(), &outcomes, weights, &sets).unwrap();
        matched_difference(sample, robust, Confidence::P95).unwrap().test.unwrap()
    }
}

fn matched(frame: &Frame, options: &str) -> Matching {
    match_controls(frame, &MatchOptions::from_json(options).unwrap(), &|| {}).unwrap()
}

#[test]
fn intervals_of_matched_designs_cover_the_truth_and_those_of_unmatched_groups_do_not() {
    let effects = [0.0, -0.05, 0.05];
    // For each effect: covered, and the sum of the errors, of pairs, radius and nothing.
    let mut covered = [[0_u32; 3]; 3];
    let mut error = [[0.0; 3]; 3];
    for seed in 0..SEEDS {
        let cohort = cohort(seed);
        let (pairs, radius) = (matched(&cohort.frame, PAIRS), matched(&cohort.frame, RADIUS));
        assert!(pairs.treated.matched > TREATED * 8 / 10 && radius.treated.matched > TREATED * 9 / 10);
        let nothing = vec![1.0; cohort.frame.len()];
        for (at, &effect) in effects.iter().enumerate() {
            let designs = [
                cohort.estimate(effect, &pairs.weights, pairs.sets.as_deref()),
                cohort.estimate(effect, &radius.weights, None),
                cohort.estimate(effect, &nothing, None),
            ];
            for (design, test) in designs.iter().enumerate() {
                covered[at][design] += u32::from(test.interval.low <= effect && effect <= test.interval.high);
                error[at][design] += test.difference - effect;
            }
        }
    }
    for (at, effect) in effects.iter().enumerate() {
        let share = |design: usize| f64::from(covered[at][design]) / SEEDS as f64;
        let bias = |design: usize| error[at][design] / SEEDS as f64;
        for (design, name) in ["pairs", "radius", "unmatched"].iter().enumerate() {
            println!("effect {effect:+.2}, {name}: {:.1}% covered, bias {:+.4}", 100.0 * share(design), bias(design));
        }
        for design in [0, 1] {
            // 95 % give or take two and a half standard errors of 200 draws.
            assert!((0.91..=0.99).contains(&share(design)), "effect {effect}, design {design}: {}", share(design));
            assert!(bias(design).abs() < 0.01, "effect {effect}, design {design}: {}", bias(design));
        }
        assert!(share(2) < 0.2 && bias(2) < -0.08, "effect {effect}: {} {}", share(2), bias(2));
    }
}

#[test]
fn matching_leaves_the_randomised_answer_of_the_rossi_experiment_where_it_was() {
    let (names, rows) = matching_data::table("data/rossi.csv");
    let at = names.iter().position(|name| name == "arrest").unwrap();
    let outcomes: Vec<f64> = rows.iter().map(|row| row[at].parse().unwrap()).collect();
    let frame = matching_data::frame("rossi", None);
    assert_eq!(frame.len(), outcomes.len());
    let estimate = |weights: &[f64], sets: Option<&[u32]>| {
        let sets: Vec<Option<u32>> =
            (0..frame.len()).map(|row| sets.map(|sets| sets[row]).filter(|&set| set > 0)).collect();
        let robust = if sets.iter().any(Option::is_some) { Robust::Sets1 } else { Robust::Hc0 };
        let sample = MatchedSample::new(frame.treated(), &outcomes, weights, &sets).unwrap();
        matched_difference(sample, robust, Confidence::P95).unwrap().test.unwrap()
    };
    let randomised = estimate(&vec![1.0; frame.len()], None);
    assert!((randomised.difference - (48.0 - 66.0) / 216.0).abs() < 1e-12);
    for options in [PAIRS, RADIUS, r#"{"method": "overlap"}"#, r#"{"method": "entropy"}"#] {
        let matching = matched(&frame, options);
        let found = estimate(&matching.weights, matching.sets.as_deref());
        println!("rossi {options}: {:+.4}, randomised {:+.4}", found.difference, randomised.difference);
        for (value, interval) in [(randomised.difference, found.interval), (found.difference, randomised.interval)] {
            assert!(interval.low <= value && value <= interval.high, "{options}: {value} outside of {interval:?}");
        }
    }
}
