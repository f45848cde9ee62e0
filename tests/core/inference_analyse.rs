//! The whole test set of a matched design: exactness where it must be exact, reasons where nothing exists, and the
//! same digits whatever the number of threads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::float_cmp, reason = "tests may fail loudly")]

use std::collections::BTreeSet;

use jdl_core::inference::*;
use jdl_core::matching::{Column, Frame, MatchOptions, match_controls};
use jdl_core::outcomes::{CourtCategory, FirstReoffence, PersonOutcome};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

/// A made-up cohort.
#[derive(Clone, Default)]
struct Cohort {
    treated: Vec<bool>,
    weight: Vec<f64>,
    set: Vec<Option<u32>>,
    outcome: Vec<PersonOutcome>,
}

impl Cohort {
    fn add(&mut self, treated: bool, weight: f64, set: Option<u32>, outcome: PersonOutcome) {
        self.treated.push(treated);
        self.weight.push(weight);
        self.set.push(set);
        self.outcome.push(outcome);
    }

    fn analyse(&self, plan: &AnalysisPlan) -> jdl_core::Result<Analysis> {
        let design = Design { treated: &self.treated, weight: &self.weight, set: &self.set, outcome: &self.outcome };
        analyse(design, &[], plan, &|| {})
    }

    /// Re-offenders and people of a group.
    fn counts(&self, treated: bool) -> (f64, f64) {
        let of = |yes: &dyn Fn(usize) -> bool| {
            (0..self.treated.len()).filter(|&i| self.treated[i] == treated && yes(i)).count() as f64
        };
        (of(&|i| self.outcome[i].reoffended()), of(&|_| true))
    }
}

fn never() -> PersonOutcome {
    PersonOutcome {
        first: None,
        reoffences: 0,
        reoffences_by_category: [0; 3],
        custodial_count: 0,
        days_at_risk: 365,
        followed_throughout: true,
    }
}

fn reoffender(days: u32, reoffences: u32, category: CourtCategory, custodial: bool) -> PersonOutcome {
    let mut by_category = [0; 3];
    by_category[category as usize] = reoffences;
    PersonOutcome {
        first: Some(FirstReoffence { days, court_category: Some(category), custodial }),
        reoffences,
        reoffences_by_category: by_category,
        custodial_count: u32::from(custodial),
        days_at_risk: days,
        followed_throughout: true,
    }
}

fn random_outcome(rng: &mut ChaCha8Rng, rate: f64) -> PersonOutcome {
    if rng.random_bool(rate) {
        let category = CourtCategory::ALL[rng.random_range(0..3)];
        reoffender(rng.random_range(0..365), rng.random_range(1..6), category, rng.random_bool(0.3))
    } else {
        never()
    }
}

/// `pairs` matched pairs with the given rates.
fn pairs(seed: u64, pairs: u32, rates: [f64; 2]) -> Cohort {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cohort = Cohort::default();
    for set in 0..pairs {
        cohort.add(true, 1.0, Some(set), random_outcome(&mut rng, rates[0]));
        cohort.add(false, 1.0, Some(set), random_outcome(&mut rng, rates[1]));
    }
    cohort
}

/// `treated` people against a weighted pool without sets.
fn weighted(seed: u64, treated: u32, pool: u32, rates: [f64; 2]) -> Cohort {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cohort = Cohort::default();
    for _ in 0..treated {
        cohort.add(true, 1.0, None, random_outcome(&mut rng, rates[0]));
    }
    for _ in 0..pool {
        let weight = if rng.random_bool(0.1) { 0.0 } else { rng.random_range(0.01..2.0) };
        cohort.add(false, weight, None, random_outcome(&mut rng, rates[1]));
    }
    cohort
}

fn quick() -> AnalysisPlan {
    AnalysisPlan { permutation_draws: 500, ..AnalysisPlan::default() }
}

fn rate(analysis: &Analysis) -> &MeasureResult {
    analysis.measures.iter().find(|m| m.measure == Measure::ReoffendingRate).unwrap()
}

#[test]
fn the_rate_difference_of_matched_pairs_is_that_of_the_plain_counts_to_the_last_digit() {
    for seed in 0..40 {
        let cohort = pairs(seed, 50 + 37 * seed as u32, [0.2, 0.3]);
        let ((x1, n1), (x2, n2)) = (cohort.counts(true), cohort.counts(false));
        let analysis = cohort.analyse(&quick()).unwrap();
        let rate = rate(&analysis);
        assert_eq!(rate.difference, Some(x1 / n1 - x2 / n2));
        assert_eq!((rate.treatment.value, rate.comparison.value), (Some(x1 / n1), Some(x2 / n2)));
        assert_eq!((rate.treatment.effective_n, rate.treatment.events), (n1, x1 as u64));
        assert_eq!(analysis.standard_errors, StandardErrors::MatchedSets);
        assert_eq!(rate.degrees_of_freedom, Some(n1 - 1.0));
    }
}

#[test]
fn the_standard_error_of_matched_pairs_is_that_of_the_paired_t_test() {
    let cohort = pairs(5, 400, [0.25, 0.4]);
    let analysis = cohort.analyse(&quick()).unwrap();
    let frequency = &analysis.measures[1];
    assert_eq!(frequency.measure, Measure::ReoffenceFrequency);
    let differences: Vec<f64> = (0..400)
        .map(|i| f64::from(cohort.outcome[2 * i].reoffences) - f64::from(cohort.outcome[2 * i + 1].reoffences))
        .collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // Stata's correction leaves sqrt((2n - 1) / (2n - 2)) on top of the paired test.
    let expected = (variance / n * (2.0 * n - 1.0) / (2.0 * n - 2.0)).sqrt();
    assert!((frequency.standard_error.unwrap() / expected - 1.0).abs() < 1e-12);
}

#[test]
fn without_sets_and_weights_the_tests_are_the_plain_ones() {
    let mut cohort = pairs(11, 300, [0.3, 0.45]);
    cohort.set.fill(None);
    let analysis = cohort.analyse(&quick()).unwrap();
    assert_eq!(analysis.standard_errors, StandardErrors::EffectiveNumbers);
    let ((x1, n1), (x2, n2)) = (cohort.counts(true), cohort.counts(false));
    let plain = compare_rates(x1 as i64, n1 as i64, x2 as i64, n2 as i64, 0.95).unwrap();
    let rate = rate(&analysis);
    let close = |ours: Option<f64>, theirs: f64| assert!((ours.unwrap() / theirs - 1.0).abs() < 1e-12);
    close(rate.treatment.low, plain.treatment_rate_low);
    close(rate.treatment.high, plain.treatment_rate_high);
    close(rate.ratio, plain.risk_ratio.unwrap());
    close(rate.ratio_low, plain.risk_ratio_low.unwrap());
    close(rate.ratio_high, plain.risk_ratio_high.unwrap());
    let summary = |x: f64, n: f64| SampleSummary::new(x / n, (x * (n - x) / n / (n - 1.0)).sqrt(), n as u64).unwrap();
    let welch = welch(summary(x1, n1), summary(x2, n2), Confidence::P95).unwrap();
    close(rate.p_value, welch.p_value);
    close(rate.difference_low, welch.interval.low);
    close(rate.degrees_of_freedom, welch.degrees_of_freedom);
    let (e, gap) = (analysis.sensitivity.e_value, rate.ratio.unwrap());
    let r = 1.0 / gap;
    close(e, r + (r * (r - 1.0)).sqrt());
    assert_eq!(analysis.sensitivity.rosenbaum_gamma, None);
}

/// Every empty field must have a reason, every number must be one.
fn assert_complete(analysis: &Analysis) {
    let value = serde_json::to_value(analysis).unwrap();
    assert_eq!(serde_json::from_value::<Analysis>(value.clone()).unwrap(), *analysis, "JSON keeps every digit");
    let objects = value["measures"].as_array().unwrap().iter().chain([&value["sensitivity"]]);
    for object in objects {
        let reasons: Vec<&str> =
            object["absent"].as_array().unwrap().iter().map(|a| a["field"].as_str().unwrap()).collect();
        for (name, field) in object.as_object().unwrap() {
            let adjusted = name == "p_value_holm" || name == "p_value_benjamini_hochberg";
            let reason = if adjusted { "p_value" } else { name };
            if *field == Value::Null {
                assert!(reasons.contains(&reason), "{name} is empty without a reason in {object}");
            } else {
                assert!(!reasons.contains(&name.as_str()), "{name} has both a value and a reason for having none");
            }
        }
    }
    let missing = [analysis.log_rank_p_value.is_none(), analysis.hazard_ratio.is_none()];
    assert_eq!(analysis.absent.len(), missing.iter().filter(|missing| **missing).count());
    // JSON has no NaN: serde_json writes null, which the reading back above would have refused for a plain number.
    for curve in [&analysis.treatment_curve, &analysis.comparison_curve] {
        assert!(curve.points.windows(2).all(|p| p[0].day < p[1].day && p[0].reoffended <= p[1].reoffended));
        assert!(curve.points.iter().all(|p| (0.0..=1.0).contains(&p.reoffended)));
    }
}

#[test]
fn extreme_groups_have_reasons_instead_of_numbers() {
    let all = || reoffender(10, 2, CourtCategory::Summary, true);
    let groups: [[Vec<PersonOutcome>; 2]; 7] = [
        [vec![never()], vec![never()]],
        [vec![all()], vec![never()]],
        [vec![never(); 50], vec![never(); 70]],
        [vec![all(); 50], vec![all(); 70]],
        [vec![all(); 50], vec![never(); 70]],
        [vec![all(), never()], vec![never(), all()]],
        [vec![PersonOutcome { days_at_risk: 0, followed_throughout: false, ..never() }; 3], vec![all(); 3]],
    ];
    for [treated, comparison] in groups {
        for in_sets in [true, false] {
            let mut cohort = Cohort::default();
            for (i, o) in treated.iter().enumerate() {
                cohort.add(true, 1.0, in_sets.then_some(i as u32), *o);
            }
            for (i, o) in comparison.iter().enumerate() {
                cohort.add(false, 0.7, in_sets.then_some((i % treated.len()) as u32), *o);
            }
            let analysis = cohort.analyse(&quick()).unwrap();
            assert_complete(&analysis);
            assert!(analysis.measures.iter().all(|m| !m.conclusive || m.treatment.people >= 50));
        }
    }
    let mut one_group = Cohort::default();
    one_group.add(true, 1.0, None, never());
    assert!(one_group.analyse(&quick()).is_err());
    one_group.add(false, 0.0, None, never());
    assert!(one_group.analyse(&quick()).is_err());
}

#[test]
fn ordinary_groups_are_complete() {
    assert_complete(&pairs(1, 300, [0.2, 0.4]).analyse(&quick()).unwrap());
    assert!(pairs(1, 300, [0.2, 0.4]).analyse(&quick()).unwrap().log_rank_p_value.unwrap() < 1e-4);
    let weighted = weighted(2, 200, 3000, [0.3, 0.35]).analyse(&quick()).unwrap();
    assert_complete(&weighted);
    assert!(weighted.comparison.effective_n < weighted.comparison.people as f64);
    assert_eq!(weighted.absent[0].reason, Absent::WeightsDiffer);
    let reasons: Vec<(&str, Absent)> =
        weighted.sensitivity.absent.iter().map(|a| (a.field.as_str(), a.reason)).collect();
    assert_eq!(reasons, [("permutation", Absent::WeightsDiffer), ("rosenbaum_gamma", Absent::NotInSets)]);
}

#[test]
fn the_answer_does_not_depend_on_the_number_of_threads() {
    let plan = AnalysisPlan { permutation_draws: 3000, seed: 9, ..AnalysisPlan::default() };
    let unpaired = {
        let mut cohort = pairs(5, 150, [0.3, 0.35]);
        cohort.set.fill(None);
        cohort
    };
    for cohort in [pairs(6, 200, [0.3, 0.35]), unpaired, weighted(4, 90, 2000, [0.3, 0.4])] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            serde_json::to_string(&pool.install(|| cohort.analyse(&plan)).unwrap()).unwrap()
        };
        let one = with(1);
        assert_eq!(one, with(2));
        assert_eq!(one, with(7));
        let extreme: BTreeSet<Option<u32>> = (0..8)
            .map(|seed| cohort.analyse(&AnalysisPlan { seed, ..plan.clone() }).unwrap().sensitivity.permutation)
            .map(|p| p.map(|p| p.as_extreme))
            .collect();
        assert!(extreme.contains(&None) || extreme.len() > 1, "another seed makes other draws: {extreme:?}");
    }
}

#[test]
fn a_permutation_p_value_is_near_the_exact_one() {
    // Pairs: the number of the b + c discordant pairs in which the treated one re-offends is a fair coin's.
    let mut cohort = Cohort::default();
    let yes = || reoffender(5, 1, CourtCategory::Summary, false);
    for set in 0..40 {
        let (treated, other) = if set < 20 {
            (never(), yes())
        } else if set < 28 {
            (yes(), never())
        } else {
            (yes(), yes())
        };
        cohort.add(true, 1.0, Some(set), treated);
        cohort.add(false, 1.0, Some(set), other);
    }
    let draws = 200_000;
    let plan = AnalysisPlan { permutation_draws: draws, ..AnalysisPlan::default() };
    let found = cohort.analyse(&plan).unwrap().sensitivity;
    let exact = mcnemar(8, 20).unwrap().p_exact;
    let error = |p: f64| 4.0 * (p * (1.0 - p) / f64::from(draws)).sqrt();
    assert!((found.permutation.unwrap().p_value - exact).abs() < error(exact), "{found:?}, exact {exact}");
    let gamma = found.rosenbaum_gamma.unwrap();
    let bound = rosenbaum_binary(8, 20, gamma).unwrap().unwrap();
    assert!(gamma > 1.0 && (bound.p_upper - 0.025).abs() < 1e-9);
    // Unpaired: the treated re-offenders are hypergeometric; both tails at least as far from the mean count.
    cohort.set.fill(None);
    let found = cohort.analyse(&plan).unwrap().sensitivity.permutation.unwrap();
    let p = |x, n| Proportion::new(x, n).unwrap();
    // Equal groups: the distribution is symmetric, so Fisher's rule and distance from the mean agree.
    let exact = fisher_exact(p(20, 40), p(32, 40), Confidence::P95).p_value;
    assert!((found.p_value - exact).abs() < error(exact), "{found:?}, exact {exact}");
}

#[test]
fn a_gate_opens_at_thirty_reoffenders_and_a_significant_result_behind_a_shut_gate_is_not_conclusive() {
    let mut cohort = Cohort::default();
    for i in 0..200 {
        let reoffends = i < 29;
        cohort.add(true, 1.0, None, if reoffends { reoffender(i, 1, CourtCategory::Summary, false) } else { never() });
        let other = if i < 120 { reoffender(i, 1, CourtCategory::Summary, false) } else { never() };
        cohort.add(false, 1.0, None, other);
    }
    let shut = cohort.analyse(&quick()).unwrap();
    assert!(rate(&shut).significant && !rate(&shut).conclusive);
    assert!(!rate(&shut).gates[0].passed && rate(&shut).gates[1].passed);
    let next = cohort.outcome.iter().enumerate().position(|(i, o)| cohort.treated[i] && !o.reoffended()).unwrap();
    cohort.outcome[next] = reoffender(3, 1, CourtCategory::Summary, false);
    let open = cohort.analyse(&quick()).unwrap();
    assert!(rate(&open).conclusive && rate(&open).gates.iter().all(|g| g.passed));
    assert_eq!(rate(&open).number_needed, None);
}

#[test]
fn adjusted_p_values_are_those_of_the_family_and_of_nothing_else() {
    let family = [Measure::ReoffendingRate, Measure::ReoffenceFrequency, Measure::DaysToFirstReoffence];
    let plan = AnalysisPlan { family: family.into_iter().collect(), ..quick() };
    let analysis = pairs(8, 500, [0.3, 0.36]).analyse(&plan).unwrap();
    let raw: Vec<Option<f64>> =
        analysis.measures.iter().filter(|m| family.contains(&m.measure)).map(|m| m.p_value).collect();
    let (expected_holm, expected_bh) = (holm(&raw), benjamini_hochberg(&raw));
    let mut at = 0;
    for m in &analysis.measures {
        if family.contains(&m.measure) {
            assert_eq!((m.p_value_holm, m.p_value_benjamini_hochberg), (expected_holm[at], expected_bh[at]));
            at += 1;
        } else {
            assert!(m.p_value.is_some() && m.p_value_holm.is_none() && m.p_value_benjamini_hochberg.is_none());
        }
    }
    assert_eq!(at, 3);
}

#[test]
fn the_people_needed_make_the_same_difference_significant_with_the_power_promised() {
    let cohort = {
        let mut cohort = pairs(21, 400, [0.3, 0.33]);
        cohort.set.fill(None);
        cohort
    };
    let analysis = cohort.analyse(&quick()).unwrap();
    let rate = rate(&analysis);
    assert!(!rate.significant);
    let needed = rate.number_needed.unwrap();
    let p = [rate.treatment.value.unwrap(), rate.comparison.value.unwrap()];
    let power = power_two_rates(p, [needed, needed], 0.05).unwrap();
    assert!((power - 0.8).abs() < 0.005, "power {power} with {needed}");
}

#[test]
fn curves_end_at_the_rate_and_people_who_leave_are_no_longer_at_risk() {
    let cohort = weighted(17, 300, 2000, [0.3, 0.4]);
    let analysis = cohort.analyse(&quick()).unwrap();
    let last = |curve: &Curve| *curve.points.last().unwrap();
    let rate = rate(&analysis);
    assert_eq!(last(&analysis.treatment_curve).day, 365);
    assert!((last(&analysis.treatment_curve).reoffended - rate.treatment.value.unwrap()).abs() < 1e-12);
    assert!((last(&analysis.comparison_curve).reoffended - rate.comparison.value.unwrap()).abs() < 1e-12);
    assert!((analysis.comparison_curve.points[0].at_risk - analysis.comparison.effective_n).abs() < 1e-9);
    let mut dying = cohort.clone();
    for outcome in dying.outcome.iter_mut().filter(|o| !o.reoffended()).take(100) {
        outcome.days_at_risk = 30;
        outcome.followed_throughout = false;
    }
    let dying = dying.analyse(&quick()).unwrap();
    assert_eq!(dying.treatment.left_early, 100);
    assert_eq!(dying.measures, analysis.measures, "the published measures keep them in the denominator");
    assert!(last(&dying.treatment_curve).reoffended > last(&analysis.treatment_curve).reoffended);
}

#[test]
fn the_frequency_has_two_denominators_that_are_never_mixed() {
    let mut cohort = Cohort::default();
    for i in 0..10 {
        cohort.add(true, 1.0, None, if i < 4 { reoffender(i, 3, CourtCategory::Summary, false) } else { never() });
        cohort.add(false, 1.0, None, if i < 5 { reoffender(i, 2, CourtCategory::EitherWay, true) } else { never() });
    }
    let analysis = cohort.analyse(&quick()).unwrap();
    let value = |measure| {
        let m = analysis.measures.iter().find(|m| m.measure == measure).unwrap();
        (m.treatment.value.unwrap(), m.comparison.value.unwrap(), m.treatment.people)
    };
    assert_eq!(value(Measure::ReoffenceFrequency), (1.2, 1.0, 10));
    assert_eq!(value(Measure::ReoffencesPerReoffender), (3.0, 2.0, 4));
    assert_eq!(value(Measure::EitherWayFrequency), (0.0, 2.0, 4));
    assert_eq!(value(Measure::FirstReoffenceCustodyRate), (0.0, 1.0, 4));
    assert_eq!(value(Measure::CustodyFrequency), (0.0, 1.0, 4));
    assert_eq!(value(Measure::DaysToFirstReoffence), (1.5, 2.0, 4));
}

#[test]
fn the_doubly_robust_estimate_needs_only_one_of_its_two_models() {
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let (mut treated, mut outcome, mut score, mut expected) = (vec![], vec![], vec![], vec![]);
    for _ in 0..60_000 {
        let x: f64 = rng.random_range(-1.0..1.0);
        let e = 1.0 / (1.0 + (-(x - 0.5)).exp());
        let t = rng.random_bool(e);
        treated.push(t);
        score.push(e);
        expected.push(2.0 + 3.0 * x);
        outcome.push(2.0 + 3.0 * x + if t { -0.5 } else { 0.0 } + rng.random_range(-1.0..1.0));
    }
    let effect = |score: &[f64], expected: &[f64]| {
        let found = aipw_att(&treated, &outcome, score, expected, Confidence::P95).unwrap().unwrap();
        (found.effect, found.standard_error)
    };
    let (zero, half) = (vec![0.0; treated.len()], vec![0.5; treated.len()]);
    let (both, se) = effect(&score, &expected);
    assert!((both + 0.5).abs() < 4.0 * se && se < 0.01);
    let (score_only, se) = effect(&score, &zero);
    assert!((score_only + 0.5).abs() < 4.0 * se);
    let (model_only, se) = effect(&half, &expected);
    assert!((model_only + 0.5).abs() < 4.0 * se);
    let (neither, _) = effect(&half, &zero);
    assert!(neither > 0.2, "confounding must show where nothing removes it");
    // With a constant score and no model it is the plain difference with its HC0 standard error.
    let set = vec![None; treated.len()];
    let ones = vec![1.0; treated.len()];
    let plain =
        matched_difference(MatchedSample::new(&treated, &outcome, &ones, &set).unwrap(), Robust::Hc0, Confidence::P95)
            .unwrap();
    let (effect, se) = effect(&half, &zero);
    assert!((effect - plain.difference).abs() < 1e-12 && (se / plain.test.unwrap().standard_error - 1.0).abs() < 1e-12);
}

/// Candidates whose chance of treatment and of re-offending both rise with `x`, and whom treatment changes by `effect`.
fn candidates(n: usize, effect: f64) -> (Frame, Vec<PersonOutcome>) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let logistic = |z: f64| 1.0 / (1.0 + (-z).exp());
    let (mut ids, mut treated, mut x, mut outcome) = (vec![], vec![], vec![], vec![]);
    for id in 0..n as i64 {
        let value: f64 = rng.random_range(-1.5..1.5);
        let t = rng.random_bool(logistic(1.2 * value - 1.5));
        let risk = logistic(value - 0.5) + if t { effect } else { 0.0 };
        ids.push(id);
        treated.push(t);
        x.push(value);
        outcome.push(if rng.random_bool(risk.clamp(0.0, 1.0)) {
            reoffender(40, 1, CourtCategory::Summary, false)
        } else {
            never()
        });
    }
    (Frame::new(&ids, &treated, &[("x", Column::Numeric(x))]).unwrap(), outcome)
}

#[test]
fn the_doubly_robust_run_finds_an_effect_that_confounding_hides() {
    let (frame, outcome) = candidates(40_000, -0.08);
    let plan = quick();
    let run = doubly_robust(&frame, frame.treated(), &outcome, &plan, &|| {}).unwrap().unwrap();
    let weight = vec![1.0; frame.len()];
    let none = vec![None; frame.len()];
    let design = Design { treated: frame.treated(), weight: &weight, set: &none, outcome: &outcome };
    let naive = compare_measure(design, Measure::ReoffendingRate, &plan).unwrap().difference.unwrap();
    assert!(naive > 0.02, "without adjustment the service looks harmful: {naive}");
    assert!((run.estimate.effect + 0.08).abs() < 4.0 * run.estimate.standard_error, "{:?}", run.estimate);
    assert_eq!(run.treatment_people as usize, frame.treated_count());
    assert_eq!(run.comparison_people as usize, frame.len() - frame.treated_count());
    // Treated people who were not matched are in neither model nor mean.
    let some: Vec<bool> = frame.treated().iter().enumerate().map(|(i, t)| *t && i % 2 == 0).collect();
    let fewer = doubly_robust(&frame, &some, &outcome, &plan, &|| {}).unwrap().unwrap();
    assert_eq!(fewer.treatment_people as usize, some.iter().filter(|kept| **kept).count());
    // What is not a share of everybody has no such estimate, and neither has a pool in which nobody re-offended.
    let days = AnalysisPlan { primary_measure: Measure::DaysToFirstReoffence, ..quick() };
    assert_eq!(doubly_robust(&frame, frame.treated(), &outcome, &days, &|| {}).unwrap(), Err(Absent::NotApplicable));
    let quiet = vec![never(); frame.len()];
    assert_eq!(doubly_robust(&frame, frame.treated(), &quiet, &plan, &|| {}).unwrap(), Err(Absent::NoVariance));
}

#[test]
fn a_matched_run_is_the_primary_measure_of_that_match() {
    let (frame, outcome) = candidates(3_000, -0.05);
    let plan = quick();
    let options = MatchOptions::from_json(r#"{"ratio": 1, "caliper": 0.2}"#).unwrap();
    let run = matched_run(&frame, &options, &outcome, &plan, &|| {}).unwrap();
    let matching = match_controls(&frame, &options, &|| {}).unwrap();
    let set: Vec<Option<u32>> = matching.sets.unwrap().iter().map(|s| (*s > 0).then_some(*s)).collect();
    let design = Design { treated: frame.treated(), weight: &matching.weights, set: &set, outcome: &outcome };
    let whole = analyse(design, &[], &plan, &|| {}).unwrap();
    let main = &whole.measures[0];
    assert_eq!((run.difference, run.difference_low, run.p_value), (main.difference, main.difference_low, main.p_value));
    assert_eq!(run.treatment.people, main.treatment.people);
    assert!(matched_run(&frame, &options, &outcome[1..], &plan, &|| {}).is_err());
}
