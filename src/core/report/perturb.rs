//! A report whose every count is rounded by keys of its groups: the defence where no sketches of the people may be kept.
//!
//! A count goes to a neighbouring multiple of 5, up or down by a key of the whole cohort ([`CohortKey`]): asked again the same people
//! get the same numbers, one person more or less draws all of them anew. What follows from a count (rates, intervals, tests) is
//! computed again from the rounded counts, as if both groups were simple samples, so that it tells nothing that they
//! do not. What cannot be is withheld.

use crate::disclosure::{CohortKey, round_by_key};
use crate::error::Result;
use crate::inference::compare_rates;

use super::check::check;
use super::compose::WITHHELD;
use super::precision::at_printed_precision;
use super::result::{
    Curves, Estimate, GroupFigure, Groups, Linkage, Measure, MeasureKey, Population, Rules, Sensitivity, StoredResult,
    Unit,
};

/// The cell of all people of a group.
const PEOPLE: &str = "people";

/// The report with every count rounded by the keys of its groups, treatment group first.
///
/// # Errors
/// [`crate::Error::Bug`] if the rounded report contradicts itself.
pub fn perturb(result: &StoredResult, keys: &[CohortKey; 2]) -> Result<StoredResult> {
    let mut out = result.clone();
    out.rules.rate_decimals = 0;
    let people = |n: Option<u64>, group: usize| n.map(|n| rounded(n, keys[group].cell(PEOPLE)));
    out.groups = Groups {
        treatment_n: people(result.groups.treatment_n, 0),
        comparison_n: people(result.groups.comparison_n, 1),
        national_or_region: result.groups.national_or_region.clone(),
        withheld: result.groups.withheld.clone(),
        ..Groups::default()
    };
    for measure in &mut out.measures {
        *measure = rounded_measure(measure, keys, &out.rules);
    }
    round_funnel(&mut out, &keys[0]);
    for row in &mut out.balance.rows {
        row.treatment_mean = None;
        row.comparison_mean_before = None;
        row.comparison_mean_after = None;
        row.smd_before = None;
        row.smd_after = None;
        row.variance_ratio = None;
        row.light = None;
        row.withheld = Some(WITHHELD.to_owned());
    }
    for block in &mut out.profile {
        for row in &mut block.rows {
            row.share = match (row.share, result.groups.treatment_n, out.groups.treatment_n) {
                (Some(share), Some(people), Some(shown)) if shown > 0 => {
                    let count = (share * people as f64).round() as u64;
                    let key = keys[0].cell(&format!("{}: {}", block.key, row.label));
                    Some((rounded(count, key) as f64 / shown as f64).min(1.0))
                }
                _ => None,
            };
        }
    }
    let withheld = || Some(WITHHELD.to_owned());
    for group in &mut out.sub_groups {
        group.measure = Measure::new(group.measure.key, group.measure.category.as_deref());
        group.measure.withheld = withheld();
    }
    for test in &mut out.interactions {
        (test.p_value, test.p_holm, test.p_bh, test.conclusive) = (None, None, None, None);
        test.withheld = withheld();
    }
    out.curves = Curves { points: Vec::new(), withheld: withheld() };
    out.sensitivity = Sensitivity { withheld: withheld(), ..Sensitivity::default() };
    for test in &mut out.tests_made {
        let whole = test.family != "sensitivity" && test.subgroup.is_none();
        let made = out.measures.iter().find(|measure| whole && measure.label == test.measure);
        test.p_value = made.and_then(|measure| measure.p_value);
        (test.p_holm, test.p_bh) = (None, None);
        match test.p_value {
            Some(_) => "two proportions, of the rounded numbers".clone_into(&mut test.method),
            None => test.withheld = withheld(),
        }
    }
    out.disclosure.policy += " Every number of people is rounded to a multiple of 5, up or down by a key of \
                              the group; rates, intervals and tests are of the rounded numbers, as if both groups were simple samples.";
    let out = at_printed_precision(&out);
    check(&out)?;
    Ok(out)
}

fn rounded(count: u64, key: u64) -> u64 {
    round_by_key(count.cast_signed(), key).unsigned_abs()
}

/// A rate of rounded counts; any other measure is withheld.
fn rounded_measure(measure: &Measure, keys: &[CohortKey; 2], rules: &Rules) -> Measure {
    let mut out = Measure::new(measure.key, measure.category.as_deref());
    out.withheld = Some(WITHHELD.to_owned());
    if measure.unit != Unit::Share || measure.withheld.is_some() {
        return out;
    }
    let counts = |figure: &GroupFigure, group: usize| -> Option<(i64, i64)> {
        let n = figure.n?;
        // Where people have weights the numerator is the one that the rate means.
        let events = (figure.value? * n as f64).round() as u64;
        let population = match measure.population {
            Population::All => PEOPLE.to_owned(),
            Population::Reoffenders => MeasureKey::ReoffendingRate.label(None),
        };
        let shown = rounded(n, keys[group].cell(&population));
        Some((rounded(events, keys[group].cell(&measure.label)).min(shown).cast_signed(), shown.cast_signed()))
    };
    let (Some(one), Some(two)) = (counts(&measure.treatment, 0), counts(&measure.comparison, 1)) else { return out };
    let Ok(found) = compare_rates(one.0, one.1, two.0, two.1, rules.confidence) else { return out };
    let figure = |(events, n): (i64, i64), value, low, high| GroupFigure {
        n: Some(n.unsigned_abs()),
        events: Some(events.unsigned_abs()),
        effective_n: None,
        value: Some(value),
        low: Some(low),
        high: Some(high),
    };
    out.treatment = figure(one, found.treatment_rate, found.treatment_rate_low, found.treatment_rate_high);
    out.comparison = figure(two, found.comparison_rate, found.comparison_rate_low, found.comparison_rate_high);
    out.difference = Estimate {
        value: Some(found.difference),
        low: Some(found.difference_newcombe_low),
        high: Some(found.difference_newcombe_high),
    };
    out.p_value = found.p_value;
    out.significant = found.p_value.map(|p| p <= rules.alpha);
    out.withheld = None;
    out
}

/// Numbers on the way to the group; the last is the group's own. Nobody is gained on the way.
///
/// Somebody who was sent in may not be in the group, whose key then stays as it is without them: so the number of those sent in, which
/// changes, is part of the draw.
fn round_funnel(out: &mut StoredResult, key: &CohortKey) {
    let submitted = out.linkage.submitted;
    let draw = |name: &str, n: u64| rounded(n, key.cell(&format!("{name} of {submitted:?}")));
    let mut least = 0;
    for step in out.funnel.iter_mut().rev() {
        step.remaining = step.remaining.map(|n| match step.key == "matched" {
            true => rounded(n, key.cell(PEOPLE)),
            false => draw(&step.key, n).max(least),
        });
        least = step.remaining.unwrap_or(least);
    }
    let mut before = None;
    for step in &mut out.funnel {
        step.lost = match (before, step.remaining) {
            (Some(before), Some(now)) => Some(u64::saturating_sub(before, now)),
            (None, Some(_)) => step.lost.filter(|lost| *lost == 0),
            _ => None,
        };
        before = step.remaining;
    }
    let link = &out.linkage;
    let shown = link.submitted.map(|n| draw("submitted", n));
    let linked = link.linked.map(|n| draw("on_register", n)).map(|n| shown.map_or(n, |all| n.min(all)));
    out.linkage = Linkage {
        submitted: shown,
        linked,
        suspect: link.suspect.map(|n| draw("suspect", n)),
        unlinked: link.unlinked.map(|n| draw("unlinked", n)),
        match_rate: linked.zip(shown).filter(|(_, all)| *all > 0).map(|(linked, all)| linked as f64 / all as f64),
        withheld: link.withheld.clone(),
    };
}
