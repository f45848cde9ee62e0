//! What the engine does with bad input, and that nothing but rows and options decides its results.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, missing_docs, reason = "tests may fail loudly")]

use jdl_core::matching::{
    Cell, Column, Frame, FrameBuilder, Kind, Light, MatchOptions, Matching, Penalty, match_controls, propensity,
};
use jdl_core::{Error, Result};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Rows as they might come: id, treated, a score-like number, a count, a group.
type Row = (i64, bool, f64, f64, &'static str);

fn sample(rows: usize, seed: u64) -> Vec<Row> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..rows as i64)
        .map(|id| {
            let x = random.random::<f64>() * 4.0 - 2.0;
            let count = f64::from(random.random_range(0..6_u32));
            let group = ["a", "b", "c"][random.random_range(0..3_usize)];
            let logit = -1.5 + 0.8 * x - 0.2 * count + if group == "c" { 0.7 } else { 0.0 };
            (id * 7 - 100, random.random::<f64>() < 1.0 / (1.0 + (-logit).exp()), x, count, group)
        })
        .collect()
}

fn frame(rows: &[Row]) -> Frame {
    let mut builder =
        FrameBuilder::new(&[("x", Kind::Numeric), ("count", Kind::Numeric), ("group", Kind::Text)]).unwrap();
    for &(id, treated, x, count, group) in rows {
        builder.push_row(id, treated, &[Cell::Number(x), Cell::Number(count), Cell::Text(group)]).unwrap();
    }
    builder.finish().unwrap()
}

fn matched(frame: &Frame, options: &str) -> Result<Matching> {
    match_controls(frame, &MatchOptions::from_json(options)?, &|| {})
}

fn refusal(frame: &Frame, options: &str) -> String {
    matched(frame, options).map(|m| m.pairs.len()).unwrap_err().to_string()
}

const DESIGNS: [&str; 14] = [
    "{}",
    r#"{"link": "linear.logit", "caliper": 0.2}"#,
    r#"{"ratio": 3, "replace": true}"#,
    r#"{"ratio": 2, "m_order": "closest"}"#,
    r#"{"m_order": "random", "seed": 7}"#,
    r#"{"m_order": "data", "exact": ["group"]}"#,
    r#"{"distance": "mahalanobis"}"#,
    r#"{"mahvars": ["x", "count"], "caliper": 0.3}"#,
    r#"{"method": "radius", "caliper": 0.2, "link": "linear.logit"}"#,
    r#"{"method": "radius", "caliper": 0.4, "kernel": "epanechnikov"}"#,
    r#"{"method": "optimal"}"#,
    r#"{"method": "optimal", "caliper": 0.05}"#,
    r#"{"method": "overlap"}"#,
    r#"{"method": "entropy", "squares": true, "interactions": true}"#,
];

#[test]
fn the_order_of_the_rows_changes_no_digit() {
    let rows = sample(3_000, 1);
    let straight = frame(&rows);
    let mut shuffled = rows;
    shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(2));
    let shuffled = frame(&shuffled);
    for design in DESIGNS {
        assert_eq!(matched(&straight, design).unwrap(), matched(&shuffled, design).unwrap(), "{design}");
    }
}

#[test]
fn the_number_of_threads_changes_no_digit() {
    let frame = frame(&sample(40_000, 3));
    let with = |threads: usize, design: &str| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // The heartbeat stays on the calling thread, so the pool is entered as a whole.
        pool.install(|| matched(&frame, design).unwrap())
    };
    for design in [DESIGNS[0], DESIGNS[8], DESIGNS[13], r#"{"warm_start": 2000}"#] {
        let one = with(1, design);
        for threads in [2, 3, 7] {
            assert_eq!(one, with(threads, design), "{design} with {threads} threads");
        }
    }
}

#[test]
fn a_warm_start_ends_where_the_usual_start_does() {
    let frame = frame(&sample(40_000, 4));
    let fit = |options: &str| propensity(&frame, &MatchOptions::from_json(options).unwrap(), &|| {}).unwrap();
    let (cold, warm) = (fit(r#"{"epsilon": 1e-14}"#), fit(r#"{"warm_start": 3000}"#));
    assert!(warm.iterations < cold.iterations);
    for (cold, warm) in cold.coefficients.iter().zip(&warm.coefficients) {
        assert!((cold.estimate.unwrap() - warm.estimate.unwrap()).abs() < 1e-11);
    }
}

#[test]
fn identical_rows_get_identical_scores() {
    let mut rows = sample(500, 5);
    let copies: Vec<Row> = rows.iter().map(|&(id, t, x, count, group)| (id + 100_000, !t, x, count, group)).collect();
    rows.extend(copies);
    let frame = frame(&rows);
    let fit = propensity(&frame, &MatchOptions::default(), &|| {}).unwrap();
    assert_eq!(fit.logits[..500], fit.logits[500..]);
}

#[test]
fn bad_options_are_refused_with_the_words_known() {
    let frame = frame(&sample(200, 6));
    let unknown = refusal(&frame, r#"{"metod": "nearest"}"#);
    assert!(unknown.contains("`metod`") && unknown.contains("`method`") && unknown.contains("`m_order`"), "{unknown}");
    let word = refusal(&frame, r#"{"method": "genetic"}"#);
    assert!(word.contains("`nearest`") && word.contains("`radius`") && word.contains("`entropy`"), "{word}");
    for (options, field) in [
        (r#"{"exact": ["nothing"]}"#, "exact: names \"nothing\", which is not among the columns: x, count, group"),
        (r#"{"distance": "nothing"}"#, "distance: names \"nothing\""),
        (r#"{"distance": "group"}"#, "distance: names a text column"),
        (r#"{"caliper": {"group": 1}}"#, "caliper: is given for \"group\", which is text"),
        (r#"{"caliper": "wide"}"#, "options: \"caliper\" must be a number"),
        (r#"{"std_caliper": 3}"#, "options: \"std_caliper\" must be true"),
        (r#"{"caliper": 1e999}"#, "options: number out of range"),
        (r#"{"ratio": 0}"#, "ratio: must be at least 1 and at most 1,000,000"),
        (r#"{"ratio": 1.5}"#, "ratio: must be whole"),
        (r#"{"ratio": 2, "max_controls": 2}"#, "max_controls: and \"min_controls\""),
        (r#"{"reuse_max": 0}"#, "reuse_max: must be at least 1"),
        (r#"{"reuse_max": 2, "replace": true}"#, "reuse_max: cannot be given together"),
        (r#"{"m_order": "random"}"#, "seed: must be given"),
        (r#"{"estimand": "ATE"}"#, "estimand: is \"ATE\" only for"),
        (r#"{"method": "radius"}"#, "caliper: must be given"),
        (r#"{"method": "optimal", "replace": true}"#, "replace: goes with the method \"nearest\" only"),
        (r#"{"method": "overlap", "caliper": 0.2}"#, "caliper: does not go with a method that makes no pairs"),
        (r#"{"distance": "mahalanobis", "caliper": 0.2}"#, "caliper: on the distance needs a score"),
        (r#"{"distance": "mahalanobis", "discard": "both"}"#, "discard: needs a score"),
        (r#"{"caliper": "smallest"}"#, "caliper: may be \"smallest\""),
        (r#"{"caliper_grid": [0.1]}"#, "caliper_grid: goes with the method \"radius\" only"),
        ("[]", "options: must be a JSON object"),
    ] {
        let message = refusal(&frame, options);
        assert!(message.starts_with(field), "{options}: {message}");
    }
}

#[test]
fn an_absolute_radius_on_the_probability_is_refused_with_the_reason() {
    let rows = sample(300, 7);
    let fitted = refusal(&frame(&rows), r#"{"method": "radius", "caliper": 0.05, "std_caliper": false}"#);
    assert!(fitted.contains("where treatment is rare all scores are small"), "{fitted}");
    // The same for a score that is supplied and looks like one; on the logit it is allowed.
    let ids: Vec<i64> = rows.iter().map(|r| r.0).collect();
    let treated: Vec<bool> = rows.iter().map(|r| r.1).collect();
    let score: Vec<f64> = rows.iter().map(|r| 1.0 / (1.0 + (-r.2).exp())).collect();
    let frame = Frame::new(&ids, &treated, &[("score", Column::Numeric(score))]).unwrap();
    let options = r#"{"method": "radius", "distance": "score", "caliper": 0.05, "std_caliper": false}"#;
    assert!(refusal(&frame, options).contains("where treatment is rare"));
    let logit = r#"{"method": "radius", "link": "linear.logit", "caliper": 0.3, "std_caliper": false}"#;
    assert!(matched(&self::frame(&rows), logit).unwrap().treated.matched > 0);
}

#[test]
fn a_constant_covariate_is_dropped_by_name_and_changes_nothing() {
    let rows = sample(400, 8);
    let plain = frame(&rows);
    let mut builder = FrameBuilder::new(&[
        ("x", Kind::Numeric),
        ("count", Kind::Numeric),
        ("group", Kind::Text),
        ("same", Kind::Numeric),
        ("twice", Kind::Numeric),
        ("word", Kind::Text),
    ])
    .unwrap();
    for &(id, treated, x, count, group) in &rows {
        let cells = [x, count].map(Cell::Number);
        let rest = [Cell::Text(group), Cell::Number(3.0), Cell::Number(2.0 * count + 1.0), Cell::Text("only")];
        builder.push_row(id, treated, &[&cells[..], &rest[..]].concat()).unwrap();
    }
    let wide = builder.finish().unwrap();
    let fit = propensity(&wide, &MatchOptions::default(), &|| {}).unwrap();
    assert_eq!(fit.aliased().collect::<Vec<_>>(), ["same", "twice"]);
    let (plain, wide) = (matched(&plain, "{}").unwrap(), matched(&wide, "{}").unwrap());
    assert_eq!(plain.weights, wide.weights);
    // Balance still shows it: nothing to divide by, no difference.
    let row = wide.balance.iter().find(|row| row.name == "same").unwrap();
    assert_eq!((row.all.smd, row.light), (0.0, Light::Green));
}

#[test]
fn separation_is_answered_with_a_named_penalty_or_refused() {
    let ids: Vec<i64> = (0..40).collect();
    let treated: Vec<bool> = ids.iter().map(|&i| i >= 30).collect();
    let perfect = Column::Numeric(ids.iter().map(|&i| i as f64).collect());
    let frame = Frame::new(&ids, &treated, &[("x", perfect)]).unwrap();
    let fit = propensity(&frame, &MatchOptions::default(), &|| {}).unwrap();
    assert_eq!(fit.penalty, Some(Penalty::FirthForSeparation));
    assert!(fit.coefficients[1].estimate.unwrap().is_finite() && fit.scores().iter().all(|p| *p > 0.0 && *p < 1.0));
    let refused = MatchOptions::from_json(r#"{"separation": "refuse"}"#).unwrap();
    assert!(matches!(propensity(&frame, &refused, &|| {}), Err(Error::NotConverged { .. })));
    // One level has no treated: only that coefficient runs away, and R would stop at some large number.
    let rows: Vec<Row> = sample(600, 9).into_iter().filter(|r| !(r.4 == "b" && r.1)).collect();
    let fit = propensity(&self::frame(&rows), &MatchOptions::default(), &|| {}).unwrap();
    assert_eq!(fit.penalty, Some(Penalty::FirthForSeparation));
}

#[test]
fn firths_penalty_adds_a_half_to_each_cell_of_a_two_by_two_table() {
    // With one 0/1 covariate the model is saturated, and Jeffreys' prior is half a case more in each cell (Firth 1993, section 4).
    let cells = [(0.0, true, 3), (0.0, false, 9), (1.0, true, 7), (1.0, false, 0)];
    let rows: Vec<(f64, bool)> = cells.iter().flat_map(|&(x, t, n)| std::iter::repeat_n((x, t), n)).collect();
    let ids: Vec<i64> = (0..rows.len() as i64).collect();
    let treated: Vec<bool> = rows.iter().map(|r| r.1).collect();
    let x = Column::Numeric(rows.iter().map(|r| r.0).collect());
    let frame = Frame::new(&ids, &treated, &[("x", x)]).unwrap();
    let fit = propensity(&frame, &MatchOptions::default(), &|| {}).unwrap();
    assert_eq!(fit.penalty, Some(Penalty::FirthForSeparation));
    let (low, high) = ((3.5_f64 / 9.5).ln(), (7.5_f64 / 0.5).ln());
    assert!((fit.coefficients[0].estimate.unwrap() - low).abs() < 1e-7);
    assert!((fit.coefficients[1].estimate.unwrap() - (high - low)).abs() < 1e-7);
}

#[test]
fn firths_penalty_is_the_same_closed_form_for_a_pool_of_any_size() {
    // A factor alone is saturated too. Levels without treated and without controls, of one row and of thousands; then the first level, which no
    // column of the design stands for. The large pool begins from a sample of its controls.
    for cells in [
        vec![("a", 200, 120_000), ("b", 0, 5_000), ("c", 5, 0), ("d", 0, 1), ("e", 1, 900)],
        vec![("a", 0, 90), ("b", 4, 70), ("c", 3, 8)],
    ] {
        let rows: Vec<(&str, bool)> = cells
            .iter()
            .flat_map(|&(level, t, c)| {
                std::iter::repeat_n((level, true), t).chain(std::iter::repeat_n((level, false), c))
            })
            .collect();
        let ids: Vec<i64> = (0..rows.len() as i64).collect();
        let treated: Vec<bool> = rows.iter().map(|r| r.1).collect();
        let levels: Vec<String> = cells.iter().map(|cell| cell.0.to_owned()).collect();
        let codes = rows.iter().map(|r| cells.iter().position(|cell| cell.0 == r.0).unwrap() as u32).collect();
        let level = Column::Factor { levels, codes };
        let frame = Frame::new(&ids, &treated, &[("x", level)]).unwrap();
        let fit = propensity(&frame, &MatchOptions::default(), &|| {}).unwrap();
        assert!(fit.penalty.is_some());
        let logit = |&(_, t, c): &(&str, usize, usize)| ((t as f64 + 0.5) / (c as f64 + 0.5)).ln();
        for (at, (cell, found)) in cells.iter().zip(&fit.coefficients).enumerate() {
            let wanted = if at == 0 { logit(cell) } else { logit(cell) - logit(&cells[0]) };
            let found = found.estimate.unwrap();
            assert!((found - wanted).abs() < 1e-6, "{}: {found} and not {wanted}", cell.0);
        }
    }
}

#[test]
fn firths_estimate_solves_the_penalised_score_equations() {
    // Heinze and Schemper 2002, equation 3, in plain dense arithmetic: sum of x (y - p + h (1/2 - p)) = 0.
    let mut state = 7_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let rows: Vec<([f64; 4], bool)> = (0..300)
        .map(|_| {
            let (x, z, flag) = (uniform() * 8.0, uniform() - 0.5, f64::from(uniform() < 0.1));
            ([1.0, x, z, flag], flag == 0.0 && uniform() < 1.0 / (1.0 + (4.0 - x - z).exp()))
        })
        .collect();
    let ids: Vec<i64> = (0..300).collect();
    let treated: Vec<bool> = rows.iter().map(|r| r.1).collect();
    let column = |at: usize| Column::Numeric(rows.iter().map(|r| r.0[at]).collect());
    let columns = [("x", column(1)), ("z", column(2)), ("flag", column(3))];
    let fit = propensity(&Frame::new(&ids, &treated, &columns).unwrap(), &MatchOptions::default(), &|| {}).unwrap();
    assert_eq!(fit.penalty, Some(Penalty::FirthForSeparation));
    let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate.unwrap()).collect();
    let p = |x: &[f64; 4]| 1.0 / (1.0 + (-x.iter().zip(&beta).map(|(x, b)| x * b).sum::<f64>()).exp());
    // The information beside the identity, reduced by Gauss and Jordan to the identity beside its inverse.
    let mut both = [[0.0; 8]; 4];
    for (i, line) in both.iter_mut().enumerate() {
        line[4 + i] = 1.0;
        for (j, entry) in line[..4].iter_mut().enumerate() {
            *entry = rows.iter().map(|(x, _)| x[i] * x[j] * p(x) * (1.0 - p(x))).sum();
        }
    }
    for pivot in 0..4 {
        let line = both[pivot].map(|entry| entry / both[pivot][pivot]);
        for (at, other) in both.iter_mut().enumerate() {
            let times = if at == pivot { 0.0 } else { other[pivot] };
            *other = std::array::from_fn(|k| if at == pivot { line[k] } else { other[k] - times * line[k] });
        }
    }
    for at in 0..4 {
        let score: f64 = rows
            .iter()
            .map(|(x, treated)| {
                let form: f64 =
                    (0..4).flat_map(|i| (0..4).map(move |j| (i, j))).map(|(i, j)| x[i] * both[i][4 + j] * x[j]).sum();
                let h = p(x) * (1.0 - p(x)) * form;
                x[at] * (f64::from(*treated) - p(x) + h * (0.5 - p(x)))
            })
            .sum();
        assert!(score.abs() < 1e-7, "score {at}: {score}");
    }
    for (at, coefficient) in fit.coefficients.iter().enumerate() {
        assert!((coefficient.standard_error.unwrap() / both[at][4 + at].sqrt() - 1.0).abs() < 1e-7);
    }
}

#[test]
fn a_covariate_too_small_for_a_variance_gives_no_mahalanobis_distance() {
    let ids: Vec<i64> = (0..20).collect();
    let treated: Vec<bool> = ids.iter().map(|i| i % 3 == 0).collect();
    let x = Column::Numeric(ids.iter().map(|&i| i as f64 * 1e-320).collect());
    let frame = Frame::new(&ids, &treated, &[("x", x)]).unwrap();
    let refused = matched(&frame, r#"{"distance": "mahalanobis"}"#).unwrap_err();
    assert_eq!(refused, Error::TooFew { what: "covariates that vary".into(), have: 0, need: 1 });
}

#[test]
fn one_treated_is_matched_and_none_is_too_few() {
    let mut rows = sample(50, 10);
    rows.iter_mut().for_each(|row| row.1 = false);
    let too_few = matched(&frame(&rows), "{}").unwrap_err();
    assert_eq!(too_few, Error::TooFew { what: "treated".into(), have: 0, need: 1 });
    rows[20].1 = true;
    let one = matched(&frame(&rows), r#"{"distance": "mahalanobis"}"#).unwrap();
    assert_eq!((one.pairs.len(), one.treated.matched, one.control.matched), (1, 1, 1));
    rows.iter_mut().for_each(|row| row.1 = true);
    assert_eq!(matched(&frame(&rows), "{}").unwrap_err(), Error::TooFew { what: "controls".into(), have: 0, need: 1 });
}

#[test]
fn nobody_inside_the_caliper_is_a_result_with_its_reason() {
    let rows: Vec<Row> =
        sample(100, 11).into_iter().map(|(id, t, x, c, g)| (id, t, x + f64::from(t) * 9.0, c, g)).collect();
    let frame = frame(&rows);
    let options = r#"{"distance": "x", "caliper": 0.01, "std_caliper": false}"#;
    let matching = matched(&frame, options).unwrap();
    assert_eq!((matching.pairs.len(), matching.treated.matched), (0, 0));
    assert_eq!(matching.reasons.outside_caliper, matching.treated.all);
    assert!(matching.balance.iter().all(|row| row.matched.is_none()));
}

#[test]
fn reasons_add_up_to_the_unmatched() {
    let frame = frame(&sample(600, 12));
    let options = r#"{"exact": ["group", "count"], "caliper": 0.05, "discard": "both", "ratio": 1}"#;
    let matching = matched(&frame, options).unwrap();
    let r = matching.reasons;
    assert!(r.outside_caliper > 0 && r.partners_taken > 0);
    assert_eq!(r.outside_common_support, matching.treated.discarded);
    assert_eq!(r.without_exact_partner + r.outside_caliper + r.partners_taken, matching.treated.unmatched);
}

#[test]
fn missing_and_infinite_values_are_refused_by_column_and_record() {
    let mut builder = FrameBuilder::new(&[("x", Kind::Numeric), ("group", Kind::Text)]).unwrap();
    builder.push_row(1, true, &[Cell::Number(1.0), Cell::Text("a")]).unwrap();
    for (cells, message) in [
        ([Cell::Missing, Cell::Text("a")], "x: is missing in record 2"),
        ([Cell::Number(f64::INFINITY), Cell::Text("a")], "x: is not a finite number in record 2"),
        ([Cell::Number(-1e300), Cell::Text("a")], "x: is beyond 1e70 in record 2"),
        ([Cell::Number(1.0), Cell::Missing], "group: is missing in record 2"),
        ([Cell::Text("1"), Cell::Text("a")], "x: is text in a numeric column in record 2"),
    ] {
        assert_eq!(builder.push_row(2, false, &cells).unwrap_err().to_string(), message);
    }
}

#[test]
fn entropy_balancing_of_what_cannot_be_balanced_is_refused() {
    let rows: Vec<Row> =
        sample(100, 13).into_iter().map(|(id, t, x, c, g)| (id, t, x + f64::from(t) * 9.0, c, g)).collect();
    let message = refusal(&frame(&rows), r#"{"method": "entropy"}"#);
    assert!(message.starts_with("method: \"entropy\" cannot balance"), "{message}");
    let alone: Vec<Row> = sample(400, 14).into_iter().filter(|r| r.1 || r.4 != "c").collect();
    let message = refusal(&frame(&alone), r#"{"method": "entropy"}"#);
    assert!(message.starts_with("groupc: cannot be balanced"), "{message}");
}

#[test]
fn a_refused_row_leaves_the_builder_as_it_was() {
    let mut builder = FrameBuilder::new(&[("g", Kind::Text), ("y", Kind::Numeric)]).unwrap();
    builder.push_row(1, true, &[Cell::Text("b"), Cell::Number(2.0)]).unwrap();
    assert!(builder.push_row(2, true, &[Cell::Text("a"), Cell::Missing]).is_err());
    builder.push_row(2, false, &[Cell::Text("c"), Cell::Number(4.0)]).unwrap();
    let groups = Column::Factor { levels: vec!["b".into(), "c".into()], codes: vec![0, 1] };
    let whole = [("g", groups), ("y", Column::Numeric(vec![2.0, 4.0]))];
    assert_eq!(builder.finish().unwrap(), Frame::new(&[1, 2], &[true, false], &whole).unwrap());
}

#[test]
fn the_heartbeat_beats_on_the_calling_thread() {
    let frame = frame(&sample(20_000, 15));
    let here = std::thread::current().id();
    let beats = std::cell::Cell::new(0);
    let options = MatchOptions::default();
    match_controls(&frame, &options, &|| {
        assert_eq!(std::thread::current().id(), here);
        beats.set(beats.get() + 1);
    })
    .unwrap();
    assert!(beats.get() > 5);
}
