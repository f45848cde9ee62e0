//! What must hold for any numbers: symmetry, order, containment, and no number that is not one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::float_cmp, reason = "tests may fail loudly")]

use jdl_core::inference::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Events among people, extremes as likely as the middle.
fn counts() -> impl Strategy<Value = (u64, u64)> {
    let people = prop_oneof![1u64..5, 1u64..300, 1u64..100_000, Just(10_000_000u64)];
    (people, 0.0..=1.0f64, 0..6).prop_map(|(n, share, kind)| match kind {
        0 => (0, n),
        1 => (n, n),
        2 => (1.min(n), n),
        _ => (((n as f64 * share).round() as u64).min(n), n),
    })
}

fn p((x, n): (u64, u64)) -> Proportion {
    Proportion::new(x, n).unwrap()
}

fn close(a: f64, b: f64, relative: f64) -> bool {
    a == b || (a - b).abs() <= relative * a.abs().max(b.abs())
}

/// Raise the number with PROPTEST_CASES; the seed is fixed so that a run can be repeated.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(20130403), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn comparing_two_rates_the_other_way_round_turns_the_signs(a in counts(), b in counts()) {
        let one = compare_rates(a.0 as i64, a.1 as i64, b.0 as i64, b.1 as i64, 0.95).unwrap();
        let other = compare_rates(b.0 as i64, b.1 as i64, a.0 as i64, a.1 as i64, 0.95).unwrap();
        prop_assert_eq!(one.difference, -other.difference);
        prop_assert_eq!(one.difference_wald_low, -other.difference_wald_high);
        prop_assert_eq!(one.difference_newcombe_low, -other.difference_newcombe_high);
        prop_assert_eq!(one.p_value.is_some(), other.p_value.is_some());
        if let (Some(x), Some(y)) = (one.p_value, other.p_value) {
            prop_assert!(close(x, y, 1e-12) && (0.0..=1.0).contains(&x));
            // z^2 is chi-square; far out both lose digits to the square.
            prop_assert!(close(x, one.chi_square_p_value.unwrap(), 1e-6) || x < 1e-200);
        }
        prop_assert!(close(one.fisher_p_value, other.fisher_p_value, 1e-7));
        if let (Some(x), Some(y)) = (one.risk_ratio, other.risk_ratio) {
            prop_assert!(close(x, 1.0 / y, 1e-12));
        }
        if let (Some(x), Some(y)) = (one.odds_ratio_low, other.odds_ratio_high) {
            prop_assert!(close(x, 1.0 / y, 1e-9));
        }
        prop_assert!((0.0..=1.0).contains(&one.power));
    }

    #[test]
    fn every_empty_field_has_a_reason_and_every_interval_holds_its_estimate(a in counts(), b in counts()) {
        let c = compare_rates(a.0 as i64, a.1 as i64, b.0 as i64, b.1 as i64, 0.9).unwrap();
        let value = serde_json::to_value(&c).unwrap();
        for (name, field) in value.as_object().unwrap() {
            prop_assert_eq!(field.is_null(), c.absent.iter().any(|f| f.field == *name), "{}", name);
        }
        prop_assert_eq!(serde_json::from_value::<RateComparison>(value).unwrap(), c.clone());
        let tiny = 1e-12;
        prop_assert!(c.treatment_rate_low <= c.treatment_rate + tiny && c.treatment_rate <= c.treatment_rate_high + tiny);
        prop_assert!(c.difference_newcombe_low <= c.difference + tiny && c.difference <= c.difference_newcombe_high + tiny);
        prop_assert!(c.difference_newcombe_low >= -1.0 - tiny && c.difference_newcombe_high <= 1.0 + tiny);
        if let (Some(low), Some(high), Some(ratio)) = (c.risk_ratio_low, c.risk_ratio_high, c.risk_ratio) {
            prop_assert!(low <= ratio * (1.0 + tiny) && ratio <= high * (1.0 + tiny));
        }
        if let Some(needed) = c.treatment_n_needed {
            prop_assert!(needed >= 1.0 && needed.fract() == 0.0);
        }
    }

    #[test]
    fn intervals_of_a_rate_are_ordered_widen_with_confidence_and_mirror(a in counts()) {
        for interval in [wilson, clopper_pearson] {
            let at = |level| interval(p(a), Confidence::new(level).unwrap());
            let (narrow, wide) = (at(0.8), at(0.99));
            prop_assert!(0.0 <= wide.low && wide.low <= narrow.low && narrow.high <= wide.high && wide.high <= 1.0);
            let mirror = interval(p((a.1 - a.0, a.1)), Confidence::new(0.8).unwrap());
            prop_assert!((mirror.low - (1.0 - narrow.high)).abs() < 1e-12);
        }
        if a.0 < a.1 {
            let (this, next) = (wilson(p(a), Confidence::P95), wilson(p((a.0 + 1, a.1)), Confidence::P95));
            prop_assert!(this.low < next.low && this.high < next.high);
            let (this, next) = (clopper_pearson(p(a), Confidence::P95), clopper_pearson(p((a.0 + 1, a.1)), Confidence::P95));
            prop_assert!(this.low < next.low && this.high < next.high);
        }
    }

    #[test]
    fn the_exact_limits_are_where_the_tails_hold_half_of_alpha(a in counts()) {
        let limits = clopper_pearson(p(a), Confidence::P95);
        if a.0 > 0 {
            prop_assert!(close(binomial_upper_tail(a.0, a.1, limits.low), 0.025, 1e-6));
        }
        if a.0 < a.1 {
            prop_assert!(close(binomial_lower_tail(a.0, a.1, limits.high), 0.025, 1e-6));
        }
    }

    #[test]
    fn quantiles_undo_tails(level in 1e-300..0.5f64, exponent in -300.0..-0.31f64, df in 1.0..1e7f64) {
        for p in [level, 10f64.powf(exponent)] {
            prop_assert!(close(normal_cdf(normal_quantile(p)), p, 1e-11));
        }
        let p = 10f64.powf(exponent / 6.0);
        prop_assert!(close(student_two_sided(student_quantile(p / 2.0, df), df), p, 1e-8), "{} {}", p, df);
    }

    #[test]
    fn a_tail_and_its_complement_make_one(n in 1u64..10_000_000, share in 0.0..1.0f64, prob in 0.0..1.0f64) {
        let x = ((n as f64 * share) as u64).clamp(1, n);
        let sum = binomial_upper_tail(x, n, prob) + binomial_lower_tail(x - 1, n, prob);
        prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
    }

    #[test]
    fn holm_is_at_least_benjamini_hochberg_is_at_least_raw(
        raw in prop::collection::vec(prop::option::of(0.0..=1.0f64), 0..20)
    ) {
        let (h, b) = (holm(&raw), benjamini_hochberg(&raw));
        for i in 0..raw.len() {
            match (raw[i], h[i], b[i]) {
                (None, None, None) => {}
                (Some(p), Some(h), Some(b)) => prop_assert!(p <= b && b <= h * (1.0 + 1e-12) && h <= 1.0),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn power_rises_with_people_and_the_detectable_rate_is_detectable(
        rate in 0.01..0.99f64, n in 20.0..1e6f64, ratio in 0.2..5.0f64
    ) {
        let sizes = [n, n * ratio];
        let found = detectable_rate(rate, sizes, 0.8, 0.05).unwrap();
        for other in [found.above, found.below].into_iter().flatten() {
            let power = power_two_rates([rate, other], sizes, 0.05).unwrap();
            prop_assert!((power - 0.8).abs() < 1e-6, "{}", power);
            prop_assert!(power_two_rates([rate, other], sizes.map(|n| 2.0 * n), 0.05).unwrap() > power);
            let needed = number_needed([rate, other], ratio, 0.8, 0.05).unwrap().unwrap();
            // Far from the root the power is flat in the last digits of the rate, hence the slack.
            prop_assert!((needed - n).abs() <= 1.0 + 1e-6 * n, "{} {}", needed, n);
        }
    }

    #[test]
    fn a_rate_ratio_turns_round_with_its_groups(
        first in prop::collection::vec(0u32..12, 2..40), second in prop::collection::vec(0u32..12, 2..40), unequal in any::<bool>()
    ) {
        let people = |counts: &[u32]| -> Vec<CountObservation> {
            counts
                .iter()
                .enumerate()
                .map(|(i, &events)| CountObservation { events, time: if unequal { 1.0 + (i % 3) as f64 } else { 1.0 } })
                .collect()
        };
        let (first, second) = (people(&first), people(&second));
        let one = negative_binomial_rate_ratio(&first, &second, Confidence::P95).unwrap();
        let other = negative_binomial_rate_ratio(&second, &first, Confidence::P95).unwrap();
        match (one, other) {
            (Ok(one), Ok(other)) => {
                prop_assert!((one.log_rate_ratio + other.log_rate_ratio).abs() < 1e-8);
                prop_assert!(close(one.theta, other.theta, 1e-6) && close(one.p_value, other.p_value, 1e-6));
                prop_assert!(one.theta > 0.0 && one.theta.is_finite());
            }
            (Err(one), Err(other)) => prop_assert_eq!(one, other),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn mann_whitney_turns_round_and_its_exact_p_is_near_the_normal_one(
        first in prop::collection::hash_set(0u32..100_000, 10..45), shift in 0u32..30_000, n in 10usize..45
    ) {
        let first: Vec<f64> = first.into_iter().map(f64::from).collect();
        let second: Vec<f64> = (0..n).map(|i| (i as f64 * 2222.2) + f64::from(shift) + 0.5).collect();
        let (one, other) = (mann_whitney(&first, &second).unwrap(), mann_whitney(&second, &first).unwrap());
        prop_assert!((one.probability_larger + other.probability_larger - 1.0).abs() < 1e-12);
        prop_assert!(close(one.p_exact.unwrap(), other.p_exact.unwrap(), 1e-9));
        prop_assert!((one.p_exact.unwrap() - one.p_corrected.unwrap()).abs() < 0.02);
    }

    #[test]
    fn a_stronger_hidden_factor_explains_more(b in 0u64..300, c in 0u64..300, people in 2u32..6) {
        if let Ok(weak) = rosenbaum_binary(b, c, 1.2).unwrap() {
            let strong = rosenbaum_binary(b, c, 2.5).unwrap().unwrap();
            prop_assert!(weak.p_upper <= strong.p_upper && strong.p_lower <= weak.p_lower && weak.p_lower <= weak.p_upper);
            // Beyond the Gamma found the finding is no longer significant.
            if let Ok(gamma) = rosenbaum_binary_gamma(b, c, 0.025).unwrap() {
                prop_assert!(rosenbaum_binary(b, c, gamma * 1.01).unwrap().unwrap().p_upper > 0.025);
                prop_assert!(gamma < 1.0001 || rosenbaum_binary(b, c, (gamma * 0.99).max(1.0)).unwrap().unwrap().p_upper < 0.025);
            }
        }
        let sets: Vec<SetEvents> = (0..b + c)
            .map(|i| SetEvents { people, events: 1 + (i % 2) as u32, treated_event: i < b })
            .collect();
        if let Ok(weak) = rosenbaum_sets(&sets, 1.2).unwrap() {
            let strong = rosenbaum_sets(&sets, 2.5).unwrap().unwrap();
            prop_assert!(weak.p_upper <= strong.p_upper && strong.p_lower <= weak.p_lower);
        }
    }

    #[test]
    fn survival_curves_fall_and_scaling_the_weights_changes_only_their_width(
        people in prop::collection::vec((0u32..60, any::<bool>(), 0.1..3.0f64), 1..80)
    ) {
        let times: Vec<f64> = people.iter().map(|p| f64::from(p.0)).collect();
        let events: Vec<bool> = people.iter().map(|p| p.1).collect();
        let weights: Vec<f64> = people.iter().map(|p| p.2).collect();
        let doubled: Vec<f64> = weights.iter().map(|w| 2.0 * w).collect();
        let grid: Vec<f64> = (0..70).map(f64::from).collect();
        let curve = |w: &[f64]| RiskTable::new(&times, &events, w).unwrap().curve(&grid, SurvivalInterval::LogLog, Confidence::P95);
        let (one, two) = (curve(&weights), curve(&doubled));
        prop_assert!(one.windows(2).all(|p| p[1].survival <= p[0].survival && p[1].at_risk <= p[0].at_risk));
        for (a, b) in one.iter().zip(&two) {
            prop_assert!((a.survival - b.survival).abs() < 1e-12);
            if let (Ok(a), Ok(b)) = (a.interval, b.interval) {
                prop_assert!(a.low <= b.low + 1e-12 && b.high <= a.high + 1e-12);
            }
        }
    }
}

#[test]
fn bad_arguments_are_named() {
    let field = |x1, n1, x2, n2, confidence| match compare_rates(x1, n1, x2, n2, confidence) {
        Err(jdl_core::Error::InvalidInput { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(-1, 10, 1, 10, 0.95), "treatment_events");
    assert_eq!(field(11, 10, 1, 10, 0.95), "treatment_events");
    assert_eq!(field(1, 0, 1, 10, 0.95), "treatment_n");
    assert_eq!(field(1, -5, 1, 10, 0.95), "treatment_n");
    assert_eq!(field(1, 10, -1, 10, 0.95), "comparison_events");
    assert_eq!(field(1, 10, 12, 10, 0.95), "comparison_events");
    assert_eq!(field(0, 10, 0, 0, 0.95), "comparison_n");
    for confidence in [0.0, 1.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
        assert_eq!(field(1, 10, 1, 10, confidence), "confidence");
    }
}

#[test]
fn ten_million_people_and_one_person_are_both_answered() {
    let big = 10_000_000;
    for (a, b) in [
        ((1, big), (0, big)),
        ((big, big), (0, big)),
        ((0, 1), (1, 1)),
        ((1, 1), (1, 1)),
        ((big / 2, big), (big / 2, big)),
    ] {
        let c = compare_rates(a.0, a.1, b.0, b.1, 0.95).unwrap();
        assert!((0.0..=1.0).contains(&c.fisher_p_value));
        assert!(c.difference_newcombe_low <= c.difference && c.difference <= c.difference_newcombe_high);
    }
    let same = compare_rates(big / 2, big, big / 2, big, 0.95).unwrap();
    assert_eq!((same.p_value, same.fisher_p_value), (Some(1.0), 1.0));
    assert!(same.absent.iter().any(|a| a.field == "number_needed_to_treat" && a.reason == Absent::NoDifference));
}

/// A Cox regression of these people; weights and clusters as they are given.
fn cox(time: &[f64], event: &[bool], weight: &[f64], covariates: &[&[f64]], ties: Ties) -> Result<CoxFit, Absent> {
    let alone = vec![None; time.len()];
    cox_regression(CoxSample::new(time, event, weight, &alone, covariates).unwrap(), ties)
}

#[test]
fn cox_regression_has_reasons_where_it_has_no_estimate() {
    let time: Vec<f64> = (1..=20).map(f64::from).collect();
    let (all, none, one) = ([true; 20], [false; 20], [1.0; 20]);
    let mixed: Vec<f64> = (0..20).map(|i| f64::from(u8::from(i % 3 == 0))).collect();
    let early: Vec<f64> = (0..20).map(|i| f64::from(u8::from(i < 10))).collect();
    for ties in [Ties::Efron, Ties::Breslow] {
        let fit = |event: &[bool], covariates: &[&[f64]]| cox(&time, event, &one, covariates, ties).map(|_| ());
        assert_eq!(fit(&all, &[&mixed]), Ok(()));
        assert_eq!(fit(&none, &[&mixed]), Err(Absent::NoEvents));
        assert_eq!(fit(&all, &[&one]), Err(Absent::NoVariance));
        assert_eq!(fit(&all, &[&mixed, &mixed]), Err(Absent::NoVariance));
        // Everybody of one kind has the event before anybody of the other: the hazard ratio has no upper limit.
        assert_eq!(fit(&all, &[&early]), Err(Absent::MonotoneLikelihood));
        assert_eq!(fit(&all, &[&mixed, &early]), Err(Absent::MonotoneLikelihood));
    }
    let alone = [None; 20];
    assert!(CoxSample::new(&time, &all[1..], &one, &alone, &[&mixed]).is_err());
    assert!(CoxSample::new(&time, &all, &one, &alone, &[]).is_err());
    assert!(CoxSample::new(&[f64::NAN; 20], &all, &one, &alone, &[&mixed]).is_err());
    assert!(CoxSample::new(&time, &all, &[-1.0; 20], &alone, &[&mixed]).is_err());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cox_regression_is_finite_and_takes_weights_for_people(
        people in prop::collection::vec((0_u8..6, any::<bool>(), 1_u8..4, -2_i8..3), 2..40),
        scale in prop::sample::select(vec![1e-9, 1.0, 1e9]),
    ) {
        let time: Vec<f64> = people.iter().map(|p| f64::from(p.0)).collect();
        let event: Vec<bool> = people.iter().map(|p| p.1).collect();
        let weight: Vec<f64> = people.iter().map(|p| f64::from(p.2)).collect();
        let x: Vec<f64> = people.iter().map(|p| f64::from(p.3)).collect();
        // So many people of weight one instead of one of that weight: the same with Breslow's ties.
        let again: Vec<usize> = (0..people.len()).flat_map(|i| vec![i; people[i].2.into()]).collect();
        let pick = |values: &[f64]| again.iter().map(|&i| values[i]).collect::<Vec<f64>>();
        let events: Vec<bool> = again.iter().map(|&i| event[i]).collect();
        let one = vec![1.0; again.len()];
        let weighted = cox(&time, &event, &weight, &[&x], Ties::Breslow);
        let repeated = cox(&pick(&time), &events, &one, &[&pick(&x)], Ties::Breslow);
        prop_assert_eq!(weighted.as_ref().err(), repeated.as_ref().err());
        for ties in [Ties::Efron, Ties::Breslow] {
            let scaled: Vec<f64> = weight.iter().map(|w| w * scale).collect();
            let (fit, far) = (cox(&time, &event, &weight, &[&x], ties), cox(&time, &event, &scaled, &[&x], ties));
            prop_assert_eq!(fit.as_ref().err(), far.as_ref().err());
            if let (Ok(fit), Ok(far)) = (fit, far) {
                let (a, b) = (fit.coefficients[0], far.coefficients[0]);
                prop_assert!(a.coefficient.is_finite() && a.standard_error > 0.0 && a.standard_error.is_finite());
                prop_assert!((a.coefficient - b.coefficient).abs() <= 1e-6 * a.standard_error);
                prop_assert!(fit.log_likelihood.is_finite() && fit.log_likelihood >= fit.log_likelihood_null - 1e-9);
                if let (Ok(a), Ok(b)) = (a.robust_standard_error, b.robust_standard_error) {
                    prop_assert!(a.is_finite() && (a - b).abs() <= 1e-6 * a, "weights of any scale: {a} {b}");
                }
            }
        }
        if let (Ok(a), Ok(b)) = (weighted, repeated) {
            let (a, b) = (a.coefficients[0], b.coefficients[0]);
            prop_assert!((a.coefficient - b.coefficient).abs() <= 1e-7 * a.standard_error);
            prop_assert!((a.standard_error - b.standard_error).abs() <= 1e-7 * a.standard_error);
        }
    }
}
