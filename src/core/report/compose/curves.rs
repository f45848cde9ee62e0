//! The curves of re-offending, at days so far apart that no few people re-offended between two of them.

use crate::disclosure::{Breakdown, SafeGroup};
use crate::inference;
use crate::report::result::{CurvePoint, Curves};

use super::{Findings, WITHHELD};

/// The breakdown of the re-offenders by the printed days between which they re-offended.
const DAYS: &str = "day of first re-offence";

/// The days between nobody's and everybody's first re-offence at which both curves are printed, with the people of each group who had
/// re-offended by then: from one to the next at least the smallest publishable number of each, and so after the last.
///
/// A weighted share is no number of people, so the people themselves are counted.
fn days(findings: &Findings<'_>) -> Vec<(u32, [i64; 2])> {
    let analysis = findings.analysis;
    let end = [analysis.treatment.reoffenders, analysis.comparison.reoffenders].map(|n| n as i64);
    let mut last = [0, 0];
    let mut days = Vec::new();
    for at in &analysis.treatment_curve.points {
        let Some(other) = analysis.comparison_curve.points.iter().rev().find(|p| p.day <= at.day) else { continue };
        let now = [at.reoffenders, other.reoffenders].map(|n| n as i64);
        let enough = |n: i64| n >= findings.smallest_cell;
        if at.day > 0 && (0..2).all(|i| enough(now[i] - last[i]) && (enough(end[i] - now[i]) || end[i] == now[i])) {
            days.push((at.day, now));
            last = now;
        }
    }
    days
}

/// The re-offenders of a group by the printed days, for the linked model; none where there is nothing to divide.
pub(super) fn by_day(findings: &Findings<'_>, which: usize) -> Option<Breakdown> {
    let end = [findings.analysis.treatment, findings.analysis.comparison][which].reoffenders as i64;
    let mut before = 0;
    let mut categories = Vec::new();
    for (day, now) in days(findings) {
        categories.push((format!("by day {day}"), now[which] - before));
        before = now[which];
    }
    if end > before {
        categories.push(("later".to_owned(), end - before));
    }
    let of = Some(("reoffended".to_owned(), "yes".to_owned()));
    (categories.len() > 1).then(|| Breakdown { name: DAYS.to_owned(), of, categories, merge_small: false })
}

/// The curves at the days of the model; `shown` says whether the primary measure is, `left_early` whether it is said how many left early.
///
/// Those who did leave the curves on that day (Kaplan and Meier). Such a curve ends above the rate, and so tells how few of those who
/// did not re-offend can have stayed: where that is not said, the curves are plain shares that end at the rates.
pub(super) fn curves(findings: &Findings<'_>, groups: [&SafeGroup; 2], shown: bool, left_early: bool) -> Curves {
    let (a, b) = (&findings.analysis.treatment_curve.points, &findings.analysis.comparison_curve.points);
    // An analysis of a version that did not count the people by day.
    let ends = [a, b].map(|points| points.last().map(|p| p.reoffenders));
    if ends != [&findings.analysis.treatment, &findings.analysis.comparison].map(|group| Some(group.reoffenders)) {
        return Curves::default();
    }
    let counted = groups.iter().filter_map(|group| group.breakdown(DAYS)).flat_map(|days| &days.categories);
    if !shown || counted.into_iter().any(|(_, count)| count.is_none()) {
        return Curves { points: Vec::new(), withheld: Some(WITHHELD.to_owned()) };
    }
    let Some((a_end, b_end)) = a.last().zip(b.last()) else { return Curves::default() };
    let share = |p: &inference::CurvePoint| if left_early { p.reoffended } else { p.share };
    let point =
        |day, treatment, comparison| CurvePoint { day, treatment: Some(treatment), comparison: Some(comparison) };
    let mut points = vec![point(0, 0.0, 0.0)];
    for (day, _) in days(findings) {
        let at = |points: &[inference::CurvePoint]| points.iter().rev().find(|p| p.day <= day).map(share);
        if let Some((treatment, comparison)) = at(a).zip(at(b)) {
            points.push(point(day, treatment, comparison));
        }
    }
    let end = point(a_end.day.max(b_end.day), share(a_end), share(b_end));
    if points.last().is_some_and(|p| (p.treatment, p.comparison) != (end.treatment, end.comparison)) {
        points.push(end);
    }
    Curves { points, withheld: None }
}
