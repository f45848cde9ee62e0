//! The stored result at the precision that is printed: what leaves the lab.
//!
//! A rate with seventeen digits gives away its numerator whatever was done to the counts beside it
//! (docs/disclosure.md), so nothing is published with more digits than the report prints. Rounding keeps the side of every
//! limit (zero, alpha, the lights), so a report made from the rounded numbers says the same words.

use crate::report::figure::{Rounded, Style, effective_n_rounded, finite, p_rounded, ratio_rounded, smd_rounded};
use crate::report::reading::primary;
use crate::report::result::{Estimate, GroupFigure, Rules, StoredResult};

/// Every number of `result` rounded to its printed digits; counts, words and limits stay as they are.
///
/// Idempotent, and `words(&at_printed_precision(r)) == words(r)`.
pub fn at_printed_precision(result: &StoredResult) -> StoredResult {
    let mut out = result.clone();
    let rules = &result.rules;
    let share = Style::share(rules);
    let level = |value: Option<f64>| finite(value).map(|v| share.stored(share.level(v)));
    let two = |value: Option<f64>| finite(value).map(|v| Rounded::nearest(v, 2).value());
    let p = |value: Option<f64>| round_p(value, rules);
    let smd = |value: Option<f64>| finite(value).map(|v| smd_rounded(v, rules).value());
    let size = |value: Option<f64>| finite(value).map(|v| effective_n_rounded(v, rules).value());

    out.linkage.match_rate = level(out.linkage.match_rate);
    out.groups.treatment_effective_n = size(out.groups.treatment_effective_n);
    out.groups.comparison_effective_n = size(out.groups.comparison_effective_n);
    for measure in out.measures.iter_mut().chain(out.sub_groups.iter_mut().map(|group| &mut group.measure)) {
        let style = Style::of(measure, rules);
        for group in [&mut measure.treatment, &mut measure.comparison] {
            round_group(group, style, rules);
        }
        round_estimate(&mut measure.difference, style);
        measure.p_value = p(measure.p_value);
        measure.p_holm = p(measure.p_holm);
        measure.p_bh = p(measure.p_bh);
    }
    for test in &mut out.interactions {
        for value in [&mut test.p_value, &mut test.p_holm, &mut test.p_bh] {
            *value = p(*value);
        }
    }
    for row in &mut out.balance.rows {
        row.treatment_mean = two(row.treatment_mean);
        row.comparison_mean_before = two(row.comparison_mean_before);
        row.comparison_mean_after = two(row.comparison_mean_after);
        row.smd_before = smd(row.smd_before);
        row.smd_after = smd(row.smd_after);
        row.variance_ratio = two(row.variance_ratio);
    }
    out.balance.summary.worst_smd = smd(out.balance.summary.worst_smd);
    for row in out.profile.iter_mut().flat_map(|block| &mut block.rows) {
        row.share = level(row.share);
    }
    for point in &mut out.curves.points {
        point.treatment = level(point.treatment);
        point.comparison = level(point.comparison);
    }
    let style = primary(result).map_or(share, |m| Style::of(m, rules));
    let s = &mut out.sensitivity;
    s.rosenbaum_gamma = two(s.rosenbaum_gamma);
    s.e_value = two(s.e_value);
    s.permutation_p = p(s.permutation_p);
    s.hazard_ratio_p = p(s.hazard_ratio_p);
    if let Some(estimate) = &mut s.hazard_ratio {
        for value in [&mut estimate.value, &mut estimate.low, &mut estimate.high] {
            *value = finite(*value).map(|v| ratio_rounded(v).value());
        }
    }
    s.aipw_p = p(s.aipw_p);
    s.minimum_detectable_effect = finite(s.minimum_detectable_effect).map(|v| style.stored(style.size(v)));
    if let Some(estimate) = &mut s.aipw {
        round_estimate(estimate, style);
    }
    for run in &mut s.runs {
        round_estimate(&mut run.difference, style);
        run.p_value = p(run.p_value);
    }
    for test in &mut out.tests_made {
        test.p_value = p(test.p_value);
        test.p_holm = p(test.p_holm);
        test.p_bh = p(test.p_bh);
    }
    out
}

fn round_p(value: Option<f64>, rules: &Rules) -> Option<f64> {
    finite(value).map(|v| p_rounded(v, rules.alpha).value())
}

fn round_group(group: &mut GroupFigure, style: Style, rules: &Rules) {
    for value in [&mut group.value, &mut group.low, &mut group.high] {
        *value = finite(*value).map(|v| style.stored(style.level(v)));
    }
    group.effective_n = finite(group.effective_n).map(|n| effective_n_rounded(n, rules).value());
}

fn round_estimate(estimate: &mut Estimate, style: Style) {
    let printed = style.estimate(estimate);
    let stored = |rounded: Option<Rounded>| rounded.map(|r| style.stored(r));
    *estimate = Estimate { value: stored(printed.value), low: stored(printed.low), high: stored(printed.high) };
}
