//! Stored results to report on: five reviewed ones, and random ones that lie on the edges where wording goes wrong.

use std::fs;
use std::path::PathBuf;

use jdl_core::calendar::Day;
use jdl_core::report::StoredResult;
use jdl_core::report::check::check;
use jdl_core::report::result::{
    Balance, BalanceRow, BalanceSummary, CurvePoint, Curves, Disclosure, Estimate, FunnelStep, Gate, GroupFigure,
    Groups, Interaction, Light, Linkage, Measure, MeasureKey, Plan, ProfileBlock, ProfileRow, Request, Rules,
    SCHEMA_VERSION, Sensitivity, SensitivityRun, Status, SubGroup, TestMade, Unit,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

/// The reviewed cases, each a stored result and its text report in `tests/data/report`.
pub const NAMES: [&str; 5] = ["clear_reduction", "clear_increase", "inconclusive", "too_small", "poor_balance"];

/// A file of `tests/data/report`.
pub fn data(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/report").join(file)
}

/// One of [`NAMES`].
pub fn case(name: &str) -> StoredResult {
    let text = fs::read_to_string(data(&format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Random results, each in agreement with itself.
pub fn random_results(count: usize, seed: u64) -> Vec<StoredResult> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| {
            let result = random_result(&mut rng);
            check(&result).unwrap();
            result
        })
        .collect()
}

type Random<'a> = &'a mut ChaCha8Rng;

fn sometimes<T>(rng: Random, chance: f64, make: impl FnOnce(Random) -> T) -> Option<T> {
    rng.random_bool(chance).then(|| make(rng))
}

/// A number near one of the places where printing or wording changes: zero, whole units, alpha, the lights.
fn edge(rng: Random, edges: &[f64]) -> f64 {
    let at = edges[rng.random_range(0..edges.len())];
    let size = [0.0, 1e-17, 1e-5, 1e-3, 1e-2][rng.random_range(0..5)];
    at + size * rng.random_range(-1.0..1.0)
}

fn probability(rng: Random) -> f64 {
    let p = if rng.random_bool(0.5) {
        edge(rng, &[0.0, 0.05, 0.01, 0.005, 0.055, 0.5, 1.0])
    } else {
        rng.random_range(0.0..1.0)
    };
    if (p - 0.05).abs() < 1e-12 { 0.05 } else { p.clamp(0.0, 1.0) }
}

fn random_result(rng: Random) -> StoredResult {
    let rules = Rules { rate_decimals: u8::from(rng.random_bool(0.2)), ..Rules::default() };
    let treatment_n = [12, 30, 31, 45, 199, 200, 412, 20_293][rng.random_range(0..8)];
    let comparison_n = [40, 900, 113_554][rng.random_range(0..3)];
    let mut measures = Vec::new();
    for key in MeasureKey::ALL {
        let categories: &[Option<&str>] = match key {
            MeasureKey::CourtCategoryRate | MeasureKey::CourtCategoryFrequency => {
                &[Some("indictable"), Some("either way"), Some("summary")]
            }
            _ => &[None],
        };
        for category in categories {
            measures.push(random_measure(rng, &rules, key, *category, treatment_n, comparison_n));
        }
    }
    let primary =
        [MeasureKey::ReoffendingRate, MeasureKey::ReoffendingRate, MeasureKey::DaysToFirst][rng.random_range(0..3)];
    let primary_measure = |rng: Random, n: u64| {
        let mut measure = random_measure(rng, &rules, primary, None, n, comparison_n);
        let met = rng.random_bool(0.7);
        let reason = (!met).then(|| "fewer than 30 people in the treatment group re-offended".to_owned());
        measure.gate = Some(Gate { met, reason });
        match measure.withheld {
            // A sub-group is shown whole or not at all.
            Some(_) => Measure { withheld: measure.withheld, gate: measure.gate, ..Measure::new(primary, None) },
            None => measure,
        }
    };
    let levels = ["Gender: female", "Gender: male", "Disposal: custody"];
    let sub_groups: Vec<SubGroup> = levels[..rng.random_range(0..4)]
        .iter()
        .map(|label| SubGroup {
            by: if label.starts_with("Gender") { "gender" } else { "disposal" }.to_owned(),
            label: (*label).to_owned(),
            measure: primary_measure(rng, treatment_n),
        })
        .collect();
    let interactions: Vec<Interaction> = sometimes(rng, 0.6, |rng| {
        let p = probability(rng);
        let hidden = sub_groups.iter().any(|group| group.by == "gender" && group.measure.withheld.is_some());
        Interaction {
            by: "gender".to_owned(),
            label: "gender: female, male".to_owned(),
            p_value: Some(p).filter(|_| !hidden),
            p_holm: Some((p * 4.0).min(1.0)).filter(|_| !hidden),
            p_bh: Some((p * 2.0).min(1.0)).filter(|_| !hidden),
            conclusive: (!hidden).then_some(p <= rules.alpha && rng.random_bool(0.8)),
            withheld: hidden.then(|| "fewer than 10 people".to_owned()),
        }
    })
    .into_iter()
    .filter(|_| sub_groups.len() > 1)
    .collect();
    let tests_made = measures
        .iter()
        .map(|m| (m, None))
        .chain(sub_groups.iter().map(|group| (&group.measure, Some(group.label.clone()))))
        .map(|(m, subgroup)| TestMade {
            family: if m.key == primary { "headline" } else { "further" }.to_owned(),
            measure: m.label.clone(),
            subgroup,
            method: "z test".to_owned(),
            p_value: m.p_value,
            p_holm: m.p_holm,
            p_bh: m.p_bh,
            withheld: m.withheld.clone(),
        })
        .collect();
    let rate = &measures[0];
    let curves = if rng.random_bool(0.8) {
        let end = (rate.treatment.value.unwrap_or(0.3), rate.comparison.value.unwrap_or(0.4));
        let step = [1, 7, 30, 91][rng.random_range(0..4)];
        let points = (0..=364 / step)
            .map(|n| {
                let part = f64::from(n) / f64::from(364 / step);
                CurvePoint { day: n * step, treatment: Some(end.0 * part), comparison: Some(end.1 * part) }
            })
            .collect();
        Curves { points, withheld: None }
    } else {
        Curves { points: Vec::new(), withheld: Some("too few people".to_owned()) }
    };
    let submitted = treatment_n * 3;
    StoredResult {
        schema_version: SCHEMA_VERSION,
        request: Request {
            request_id: rng.random_range(1..1000),
            provider: "North & South <Trust>".to_owned(),
            intervention: "the \"Way Out\" mentoring programme".to_owned(),
            register_version: "synthetic 7".to_owned(),
            plan: Plan {
                version: rng.random_range(1..3),
                hash: "c0ffee".to_owned(),
                primary,
                seed: rng.random_range(0..u64::from(u32::MAX)),
                changes: Vec::new(),
                changed_after_outcomes: rng.random_bool(0.2),
            },
            cohort_first_year: 2008,
            cohort_last_year: [2008, 2010][rng.random_range(0..2)],
            follow_up_months: [12, 24, 18][rng.random_range(0..3)],
            waiting_months: 6,
            offence_filter: sometimes(rng, 0.2, |_| "violent offences only".to_owned()),
            long_custody_days: 90,
            analysis_date: Day(rng.random_range(4000..9000)),
            status: [Status::Draft, Status::Released, Status::Superseded, Status::Withdrawn][rng.random_range(0..4)],
            status_reason: None,
        },
        funnel: random_funnel(rng, submitted, treatment_n),
        linkage: random_linkage(rng, submitted),
        groups: Groups {
            treatment_n: Some(treatment_n),
            comparison_n: Some(comparison_n),
            treatment_effective_n: None,
            comparison_effective_n: sometimes(rng, 0.8, |rng| edge(rng, &[9.0, 9.6, 10.0, 55.0, 7_431.0])),
            treatment_left_early: sometimes(rng, 0.5, |rng| rng.random_range(0..treatment_n)),
            comparison_left_early: sometimes(rng, 0.5, |rng| rng.random_range(0..comparison_n)),
            national_or_region: ["national", "Wales"][rng.random_range(0..2)].to_owned(),
            withheld: None,
        },
        balance: random_balance(rng, &rules),
        profile: vec![random_profile(rng)],
        curves,
        sensitivity: random_sensitivity(rng, primary.unit()),
        tests_made,
        disclosure: Disclosure {
            policy: "counts under 10 are hidden".to_owned(),
            footnotes: vec!["One live release for each cohort.".to_owned()],
            hidden_cells: sometimes(rng, 0.5, |rng| rng.random_range(0..40)),
        },
        notices: Vec::new(),
        measures,
        sub_groups,
        interactions,
        rules,
    }
}

fn random_measure(
    rng: Random,
    rules: &Rules,
    key: MeasureKey,
    category: Option<&str>,
    treatment_n: u64,
    comparison_n: u64,
) -> Measure {
    let mut measure = Measure::new(key, category);
    if rng.random_bool(0.12) {
        measure.withheld = Some("fewer than 10 people".to_owned());
        return measure;
    }
    let scale = match measure.unit {
        Unit::Share => 1.0,
        Unit::PerPerson => 3.0,
        Unit::Days => 365.0,
    };
    let comparison = scale * rng.random_range(0.02..0.98);
    let unit = scale / 100.0;
    let difference = if rng.random_bool(0.4) {
        edge(rng, &[0.0, 0.0, 0.004, 0.005, -0.005, -0.0046, 0.01, -0.01]) * scale
    } else {
        rng.random_range(-20.0..20.0) * unit
    };
    let top = if measure.unit == Unit::Share { 1.0 } else { f64::INFINITY };
    let treatment = (comparison + difference).clamp(0.0, top);
    let value = treatment - comparison;
    // Ends on any side of zero, on it, or a hair from it.
    let reach = |rng: Random| match rng.random_range(0..4) {
        0 => value.abs() + edge(rng, &[0.0, 0.0, 1e-4]).abs() * scale,
        1 => value.abs(),
        _ => rng.random_range(0.0..15.0) * unit,
    };
    let (low, high) = (value - reach(rng), value + reach(rng));
    let significant_side = rng.random_bool(0.8);
    let zero_inside = low <= 0.0 && high >= 0.0;
    let p = match (zero_inside, significant_side) {
        (true, true) => rng.random_range(0.050_000_01..1.0),
        (false, true) => rng.random_range(0.0..=0.05),
        _ => probability(rng),
    };
    let figure = |rng: Random, n: u64, value: f64| {
        let reach = rng.random_range(0.0..5.0) * unit;
        GroupFigure {
            n: Some(n),
            events: (measure.unit != Unit::Days).then(|| events(n, value)),
            effective_n: None,
            value: Some(value),
            low: Some((value - reach).max(0.0)),
            high: Some((value + reach).min(top)),
        }
    };
    measure.treatment = figure(rng, treatment_n, treatment);
    measure.comparison = figure(rng, comparison_n, comparison);
    measure.difference = Estimate { value: Some(value), low: Some(low), high: Some(high) };
    measure.p_value = Some(p);
    measure.p_holm = Some((p * 3.0).min(1.0));
    measure.p_bh = Some((p * 1.5).min(1.0));
    measure.significant = Some(p <= rules.alpha);
    measure.number_needed = sometimes(rng, 0.7, |rng| rng.random_range(1..100_000));
    measure.gate = sometimes(rng, 0.2, |rng| {
        let met = rng.random_bool(0.5);
        Gate { met, reason: (!met).then(|| "the effective size of the comparison group is below 10".to_owned()) }
    });
    if rng.random_bool(0.1) {
        // Counts hidden, rates shown.
        measure.treatment.events = None;
        measure.comparison.events = None;
        measure.withheld = Some("fewer than 10 people".to_owned());
    }
    if rng.random_bool(0.05) {
        measure.difference = Estimate::default();
        (measure.p_value, measure.p_holm, measure.p_bh, measure.significant) = (None, None, None, None);
    }
    measure
}

fn events(n: u64, value: f64) -> u64 {
    (n as f64 * value).round() as u64
}

fn random_funnel(rng: Random, submitted: u64, matched: u64) -> Vec<FunnelStep> {
    let keys = ["submitted", "valid", "on_register", "index_event", "old_enough", "in_model", "matched"];
    let mut remaining = submitted;
    keys.iter()
        .enumerate()
        .map(|(n, key)| {
            let after = match n {
                0 => submitted,
                6 => matched,
                _ => rng.random_range(matched..=remaining),
            };
            let lost = remaining - after;
            remaining = after;
            let hidden = n > 0 && n < 6 && rng.random_bool(0.2);
            FunnelStep {
                key: (*key).to_owned(),
                label: format!("Step {key}"),
                remaining: (!hidden).then_some(after),
                lost: (!hidden).then_some(lost),
                reason: "a reason".to_owned(),
                withheld: hidden.then(|| "fewer than 10 people".to_owned()),
            }
        })
        .collect()
}

fn random_linkage(rng: Random, submitted: u64) -> Linkage {
    let linked = rng.random_range(0..=submitted);
    let suspect = rng.random_range(0..=submitted - linked);
    if rng.random_bool(0.2) {
        let withheld = Some("fewer than 10 records".to_owned());
        return Linkage { submitted: Some(submitted), withheld, ..Linkage::default() };
    }
    Linkage {
        submitted: Some(submitted),
        linked: Some(linked),
        suspect: Some(suspect),
        unlinked: Some(submitted - linked - suspect + u64::from(rng.random_bool(0.2))),
        match_rate: Some(linked as f64 / submitted as f64),
        withheld: None,
    }
}

fn random_balance(rng: Random, rules: &Rules) -> Balance {
    let rows: Vec<BalanceRow> = (0..rng.random_range(1..8))
        .map(|n| {
            let after = edge(rng, &[0.0, 0.05, -0.05, 0.1, -0.1, 0.2, 0.02]);
            let hidden = rng.random_bool(0.1);
            BalanceRow {
                covariate: format!("covariate {n}"),
                level: sometimes(rng, 0.5, |_| "a level".to_owned()),
                treatment_mean: Some(rng.random_range(-2.0..40.0)).filter(|_| !hidden),
                comparison_mean_before: Some(rng.random_range(-2.0..40.0)).filter(|_| !hidden),
                comparison_mean_after: Some(rng.random_range(-2.0..40.0)).filter(|_| !hidden),
                smd_before: Some(edge(rng, &[0.4, -0.3, 0.05])).filter(|_| !hidden),
                smd_after: Some(after).filter(|_| !hidden),
                variance_ratio: sometimes(rng, 0.5, |rng| rng.random_range(0.5..2.0)).filter(|_| !hidden),
                light: Some(Light::of(after, rules)).filter(|_| !hidden),
                withheld: hidden.then(|| "fewer than 10 people".to_owned()),
            }
        })
        .collect();
    let worst = rows.iter().filter_map(|row| row.smd_after).map(f64::abs).reduce(f64::max);
    Balance { rows, summary: BalanceSummary { worst_smd: worst, light: worst.map(|w| Light::of(w, rules)) } }
}

fn random_profile(rng: Random) -> ProfileBlock {
    let parts: Vec<f64> = (0..rng.random_range(2..6)).map(|_| rng.random_range(0.01..1.0)).collect();
    let whole: f64 = parts.iter().sum();
    let rows = parts
        .iter()
        .enumerate()
        .map(|(n, part)| ProfileRow { label: format!("category {n}"), share: Some(part / whole), withheld: None })
        .collect();
    ProfileBlock { key: "sex".to_owned(), label: "Sex".to_owned(), rows }
}

fn random_sensitivity(rng: Random, unit: Unit) -> Sensitivity {
    let scale = if unit == Unit::Days { 365.0 } else { 1.0 };
    let estimate = |rng: Random| {
        let value = scale * edge(rng, &[0.0, -0.1, 0.1]);
        let reach = scale * rng.random_range(0.0..0.1);
        Estimate { value: Some(value), low: Some(value - reach), high: Some(value + reach) }
    };
    Sensitivity {
        rosenbaum_gamma: sometimes(rng, 0.7, |rng| rng.random_range(1.0..3.0)),
        e_value: sometimes(rng, 0.7, |rng| rng.random_range(1.0..3.0)),
        aipw: sometimes(rng, 0.7, estimate),
        aipw_p: sometimes(rng, 0.7, probability),
        aipw_pool_n: sometimes(rng, 0.7, |rng| rng.random_range(10_000..1_000_000)),
        hazard_ratio: sometimes(rng, 0.7, |rng| {
            let (log, reach) = (edge(rng, &[0.0, -0.1, 0.1]), rng.random_range(0.0..0.5));
            Estimate { value: Some(log.exp()), low: Some((log - reach).exp()), high: Some((log + reach).exp()) }
        }),
        hazard_ratio_p: sometimes(rng, 0.7, probability),
        permutation_p: sometimes(rng, 0.7, probability),
        permutation_draws: Some(10_000),
        minimum_detectable_effect: sometimes(rng, 0.7, |rng| scale * rng.random_range(0.0..0.2)),
        number_needed: None,
        runs: (0..rng.random_range(0..4))
            .map(|n| SensitivityRun {
                key: format!("run{n}"),
                label: format!("Run {n}"),
                treatment_n: Some(rng.random_range(10..1000)),
                comparison_n: Some(rng.random_range(10..100_000)),
                difference: estimate(rng),
                p_value: Some(probability(rng)),
                withheld: None,
            })
            .collect(),
        withheld: None,
    }
}
