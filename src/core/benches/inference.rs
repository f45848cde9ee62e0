//! How long outcomes and inference take at the sizes of a real register: `cargo bench -p jdl-core --bench inference`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark has no readers of its items and may fail loudly")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jdl_core::calendar::{Day, FollowUpLength};
use jdl_core::inference::*;
use jdl_core::outcomes::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

/// `people` index events in 2010 with `offences` offences between 2005 and 2014, person after person.
fn register(people: usize, offences: usize) -> (Vec<IndexEvent>, Vec<Offence>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let index =
        (0..people).map(|_| IndexEvent { start: Day(3653 + rng.random_range(0..365)), at_risk_until: None }).collect();
    let flat = (0..offences)
        .map(|_| {
            let offence_date = Day(1827 + rng.random_range(0..3287));
            Offence {
                offence_date,
                outcome_date: Some(offence_date.plus_days(rng.random_range(0..400))),
                outcome: if rng.random_bool(0.8) { OffenceOutcome::Conviction } else { OffenceOutcome::PenaltyNotice },
                offence_group: rng.random_range(0..20),
                court_category: Some(CourtCategory::ALL[rng.random_range(0..3)]),
                custodial: rng.random_bool(0.1),
            }
        })
        .collect();
    let bounds = (0..=people).map(|i| i * offences / people).collect();
    (index, flat, bounds)
}

fn outcomes(c: &mut Criterion) {
    let (people, offences, bounds) = register(500_000, 3_000_000);
    let definition = Definition { length: FollowUpLength::ONE_YEAR, filter: OffenceFilter::All };
    c.bench_function("outcomes of 500,000 people with 3 million offences", |b| {
        b.iter(|| measure_outcomes(black_box(&people), &offences, &bounds, &definition, &|| {}).unwrap());
    });
}

fn permutation(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let treated: Vec<bool> = (0..101_000).map(|i| i < 1000).collect();
    let outcome: Vec<f64> = (0..101_000).map(|_| f64::from(u8::from(rng.random_bool(0.3)))).collect();
    let weight = vec![1.0; treated.len()];
    let none = vec![None; treated.len()];
    let sample = MatchedSample::new(&treated, &outcome, &weight, &none).unwrap();
    c.bench_function("permutation test, 100,000 draws, 1,000 v 100,000", |b| {
        b.iter(|| permutation_test(black_box(sample), 100_000, 3, &|| {}).unwrap());
    });
}

fn analyses(c: &mut Criterion) {
    let (people, offences, bounds) = register(505_000, 3_000_000);
    let definition = Definition { length: FollowUpLength::ONE_YEAR, filter: OffenceFilter::All };
    let outcome = measure_outcomes(&people, &offences, &bounds, &definition, &|| {}).unwrap();
    let n = outcome.len();
    let plan = AnalysisPlan::default();
    let treated: Vec<bool> = (0..n).map(|i| i < 5000).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let weight: Vec<f64> = (0..n).map(|i| if i < 5000 { 1.0 } else { rng.random_range(0.0..1.0) }).collect();
    let none = vec![None; n];
    c.bench_function("analysis, 5,000 v 500,000 weighted", |b| {
        b.iter(|| {
            let design = Design { treated: &treated, weight: &weight, set: &none, outcome: &outcome };
            analyse(black_box(design), &[], &plan, &|| {}).unwrap()
        });
    });
    let pairs = 10_000;
    let treated: Vec<bool> = (0..pairs).map(|i| i % 2 == 0).collect();
    let set: Vec<Option<u32>> = (0..pairs as u32).map(|i| Some(i / 2)).collect();
    let weight = vec![1.0; pairs];
    c.bench_function("analysis, 5,000 pairs, 10,000 permutations", |b| {
        b.iter(|| {
            let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcome[..pairs] };
            analyse(black_box(design), &[], &plan, &|| {}).unwrap()
        });
    });
}

fn counts(c: &mut Criterion) {
    c.bench_function("compare_rates, 48 of 216 v 66 of 216", |b| {
        b.iter(|| compare_rates(black_box(48), 216, 66, 216, 0.95).unwrap());
    });
    c.bench_function("compare_rates, 10 million each", |b| {
        b.iter(|| compare_rates(black_box(500_000), 10_000_000, 498_000, 10_000_000, 0.95).unwrap());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = outcomes, permutation, analyses, counts
}
criterion_main!(benches);
