//! Whether a stored result agrees with itself, before anything is said from it.

use crate::error::{Error, Result};
use crate::report::result::{Estimate, GroupFigure, Light, Measure, StoredResult, Unit};

/// Checks what the types cannot: numbers are finite and in range, intervals hold their estimate, a measure's unit and
/// population are its key's, `significant` follows from p, funnel and linkage do not gain people, the worst SMD is the worst.
///
/// # Errors
/// [`Error::Bug`] naming the first thing that disagrees (never a value): inference or the Postgres layer put it together
/// wrongly.
pub fn check(result: &StoredResult) -> Result<()> {
    let rules = &result.rules;
    ensure(rules.alpha > 0.0 && rules.alpha < 1.0, "alpha lies between 0 and 1")?;
    ensure(rules.confidence > 0.0 && rules.confidence < 1.0, "the confidence level lies between 0 and 1")?;
    share(result.linkage.match_rate, "match rate")?;
    for measure in &result.measures {
        check_measure(measure, rules.alpha)?;
    }
    for group in &result.sub_groups {
        check_measure(&group.measure, rules.alpha)?;
        ensure(group.measure.key == result.request.plan.primary, "sub-groups are analysed for the primary measure")?;
    }
    for test in &result.interactions {
        for p in [test.p_value, test.p_holm, test.p_bh] {
            share(p, "interaction test")?;
        }
        let significant = test.p_value.is_some_and(|p| p <= rules.alpha);
        ensure(test.conclusive != Some(true) || significant, "a conclusive interaction has p of at most alpha")?;
    }
    ensure(
        result.measures.iter().any(|m| m.key == result.request.plan.primary) || result.measures.is_empty(),
        "the primary measure is among the measures",
    )?;
    let mut visible = 0.0_f64;
    for row in &result.balance.rows {
        for value in [row.treatment_mean, row.comparison_mean_before, row.comparison_mean_after, row.smd_before] {
            number(value, "balance")?;
        }
        number(row.smd_after, "balance")?;
        number(row.variance_ratio, "balance")?;
        visible = visible.max(row.smd_after.unwrap_or(0.0).abs());
        if let (Some(smd), Some(light)) = (row.smd_after, row.light) {
            ensure(light == Light::of(smd, rules), "the light of a balance row is that of its SMD")?;
        }
    }
    if let Some(worst) = result.balance.summary.worst_smd {
        number(Some(worst), "balance summary")?;
        ensure(worst.abs() >= visible, "the worst SMD is at least as large as each row's")?;
        ensure(result.balance.summary.light == Some(Light::of(worst, rules)), "the balance light is the worst SMD's")?;
    }
    for row in result.profile.iter().flat_map(|block| &block.rows) {
        share(row.share, "profile")?;
    }
    for point in &result.curves.points {
        share(point.treatment, "curves")?;
        share(point.comparison, "curves")?;
    }
    ensure(
        result.curves.points.windows(2).all(|pair| pair[0].day < pair[1].day),
        "curve points are in order of the day",
    )?;
    let s = &result.sensitivity;
    for value in [s.rosenbaum_gamma, s.e_value, s.minimum_detectable_effect] {
        number(value, "sensitivity")?;
    }
    for p in [s.permutation_p, s.hazard_ratio_p, s.aipw_p] {
        share(p, "sensitivity p")?;
    }
    if let Some(estimate) = &s.hazard_ratio {
        interval(estimate, "hazard ratio")?;
        ensure(estimate.low.is_none_or(|low| low >= 0.0), "a hazard ratio is not negative")?;
    }
    if let Some(estimate) = &s.aipw {
        interval(estimate, "doubly robust estimate")?;
    }
    for run in &s.runs {
        interval(&run.difference, "sensitivity run")?;
        share(run.p_value, "sensitivity run")?;
    }
    for test in &result.tests_made {
        for p in [test.p_value, test.p_holm, test.p_bh] {
            share(p, "tests made")?;
        }
    }
    funnel(result)
}

fn check_measure(measure: &Measure, alpha: f64) -> Result<()> {
    ensure(measure.unit == measure.key.unit(), "a measure has its key's unit")?;
    ensure(measure.population == measure.key.population(), "a measure has its key's population")?;
    for group in [&measure.treatment, &measure.comparison] {
        check_group(group, measure.unit)?;
    }
    interval(&measure.difference, "difference")?;
    for p in [measure.p_value, measure.p_holm, measure.p_bh] {
        share(p, "p")?;
    }
    match (measure.p_value, measure.significant) {
        (Some(p), Some(significant)) => ensure(significant == (p <= alpha), "significant means p of at most alpha"),
        (None, Some(true)) => ensure(false, "nothing is significant without p"),
        _ => Ok(()),
    }
}

fn check_group(group: &GroupFigure, unit: Unit) -> Result<()> {
    let estimate = Estimate { value: group.value, low: group.low, high: group.high };
    interval(&estimate, "group")?;
    for value in [group.value, group.low, group.high] {
        ensure(value.is_none_or(|v| v >= 0.0), "a rate, frequency or number of days is not negative")?;
        if unit == Unit::Share {
            share(value, "rate")?;
        }
    }
    number(group.effective_n, "effective sample size")
}

fn interval(estimate: &Estimate, what: &str) -> Result<()> {
    for value in [estimate.value, estimate.low, estimate.high] {
        number(value, what)?;
    }
    let ordered = |a: Option<f64>, b: Option<f64>| a.zip(b).is_none_or(|(a, b)| a <= b);
    ensure(
        ordered(estimate.low, estimate.value)
            && ordered(estimate.value, estimate.high)
            && ordered(estimate.low, estimate.high),
        &format!("{what}: the interval holds the estimate"),
    )
}

fn funnel(result: &StoredResult) -> Result<()> {
    let remaining: Vec<u64> = result.funnel.iter().filter_map(|step| step.remaining).collect();
    ensure(remaining.windows(2).all(|pair| pair[1] <= pair[0]), "the funnel gains nobody")?;
    let link = &result.linkage;
    if let (Some(submitted), Some(linked)) = (link.submitted, link.linked) {
        ensure(linked <= submitted, "no more records are linked than were submitted")?;
    }
    Ok(())
}

fn number(value: Option<f64>, what: &str) -> Result<()> {
    ensure(value.is_none_or(f64::is_finite), &format!("{what}: numbers are finite"))
}

fn share(value: Option<f64>, what: &str) -> Result<()> {
    ensure(
        value.is_none_or(|v| (0.0..=1.0).contains(&v)),
        &format!("{what}: a share or probability lies between 0 and 1"),
    )
}

fn ensure(holds: bool, rule: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Bug(rule.to_owned())) }
}
