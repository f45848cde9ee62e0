//! The sub-groups that the plan names: their part in the linked disclosure model, and what may be shown of them.

use crate::disclosure::{Breakdown, Gates, Group, SafeGroup};
use crate::inference::{GroupSizes, SubGroupBy};
use crate::report::result::{Interaction, Measure, MeasureKey, SubGroup, TestMade};

use super::measures::{Shown, is_dominated, measure, measure_key, withheld};
use super::{DECLARED, Findings, NO_TEST, OutcomeCounts, WITHHELD};

/// The covariate's key and its name in words.
fn names(by: SubGroupBy) -> (&'static str, &'static str) {
    match by {
        SubGroupBy::AgeBand => ("age_band", "Age"),
        SubGroupBy::Disposal => ("disposal", "Disposal"),
        SubGroupBy::Ethnicity => ("ethnicity", "Ethnicity"),
        SubGroupBy::Gender => ("gender", "Gender"),
        SubGroupBy::Nationality => ("nationality", "Nationality"),
        SubGroupBy::OffenceGroup => ("offence_group", "Offence group"),
        SubGroupBy::Region => ("region", "Region"),
    }
}

/// The covariate's name in the design.
pub(super) fn covariate(by: SubGroupBy) -> &'static str {
    names(by).0
}

/// The dimension that a covariate is in the disclosure model: that of the profile, where the profile has it, so that both
/// speak of the same counts.
pub(super) fn dimension(covariate: &str) -> &str {
    if covariate == "gender" { "sex" } else { covariate }
}

/// The sub-groups of one group, as its parts.
pub(super) fn parts(findings: &Findings<'_>, which: usize) -> Vec<Group> {
    let part = |group: &crate::inference::SubGroupResult| {
        let sizes = [&group.treatment, &group.comparison][which];
        let (people, reoffenders) = (sizes.people as i64, sizes.reoffenders as i64);
        Group {
            name: group.level.clone(),
            breakdowns: vec![Breakdown {
                name: "reoffended".to_owned(),
                of: None,
                categories: vec![("yes".to_owned(), reoffenders), ("no".to_owned(), people - reoffenders)],
                merge_small: false,
            }],
            parts: Vec::new(),
            dimension: Some(dimension(covariate(group.by)).to_owned()),
        }
    };
    findings.analysis.sub_groups.iter().map(part).collect()
}

/// What may be shown of each sub-group, in the plan's order; `groups` are the protected treatment and comparison group.
pub(super) fn sub_groups(findings: &Findings<'_>, groups: [&SafeGroup; 2], gates: Gates) -> Vec<SubGroup> {
    let found = findings.analysis.sub_groups.iter().enumerate();
    let mut reported: Vec<SubGroup> = found
        .map(|(at, found)| {
            let (by, label) = names(found.by);
            let safe = groups.map(|group| group.parts.get(at));
            let shown = match (&found.result, safe) {
                (Some(result), [Some(treatment), Some(comparison)]) => {
                    let counts =
                        OutcomeCounts { largest_reoffences: found.largest_reoffences, ..OutcomeCounts::default() };
                    let shown = Shown {
                        groups: [treatment, comparison],
                        sizes: [&found.treatment, &found.comparison],
                        counts,
                        threshold: findings.smallest_cell,
                        gates,
                    };
                    measure(result, &shown)
                }
                _ => {
                    let (key, category) = measure_key(findings.analysis.plan.primary_measure);
                    withheld(key, category)
                }
            };
            SubGroup { by: by.to_owned(), label: format!("{label}: {}", found.level), measure: shown }
        })
        .collect();
    while let Some(at) = leaves_few(findings, &reported, gates) {
        let m = &mut reported[at].measure;
        *m = withheld(m.key, m.category.as_deref());
    }
    reported
}

/// The smallest sub-group of a covariate whose sub-groups cannot all be shown, because the whole less them would be the re-offences
/// or days of people too few for a measure of their own. (Of numbers of people the linked model sees to this.)
fn leaves_few(findings: &Findings<'_>, reported: &[SubGroup], gates: Gates) -> Option<usize> {
    let analysis = findings.analysis;
    let wholes = [&analysis.treatment, &analysis.comparison];
    for of in reported {
        let shown =
            || (0..reported.len()).filter(|&at| reported[at].by == of.by && reported[at].measure.withheld.is_none());
        let parts = |at: usize| [&analysis.sub_groups[at].treatment, &analysis.sub_groups[at].comparison];
        let may_show = |which: usize| {
            let rest = |count: fn(&GroupSizes) -> u64| {
                count(wholes[which]) as i64 - shown().map(|at| count(parts(at)[which]) as i64).sum::<i64>()
            };
            let [people, reoffenders, events] = [rest(|g| g.people), rest(|g| g.reoffenders), rest(|g| g.reoffences)];
            let further = events - reoffenders;
            people == 0
                || match of.measure.key {
                    MeasureKey::DaysToFirst => reoffenders == 0 || gates.allow_days(&[reoffenders]),
                    MeasureKey::ReoffencesPerPerson | MeasureKey::ReoffencesPerReoffender => {
                        further >= findings.smallest_cell
                            && !is_dominated(findings.counts.largest_reoffences[which], events.unsigned_abs())
                    }
                    _ => true,
                }
        };
        if !(may_show(0) && may_show(1)) {
            let size = |at: &usize| parts(*at).map(|group| group.people).into_iter().min();
            if let Some(smallest) = shown().min_by_key(size) {
                return Some(smallest);
            }
        }
    }
    None
}

/// The tests of whether sub-groups differ: shown where every sub-group that they compare is.
pub(super) fn interactions(findings: &Findings<'_>, sub_groups: &[SubGroup]) -> Vec<Interaction> {
    let found = findings.analysis.interactions.iter();
    found
        .map(|test| {
            let (by, label) = names(test.by);
            let hidden = sub_groups.iter().any(|group| group.by == by && group.measure.withheld.is_some());
            let shown = |p: Option<f64>| p.filter(|_| !hidden);
            Interaction {
                by: by.to_owned(),
                label: format!("{}: {}", label.to_lowercase(), test.levels.join(", ")),
                p_value: shown(test.p_value),
                p_holm: shown(test.p_value_holm),
                p_bh: shown(test.p_value_benjamini_hochberg),
                conclusive: shown(test.p_value).map(|_| test.conclusive),
                withheld: hidden.then(|| WITHHELD.to_owned()),
            }
        })
        .collect()
}

/// The tests of whether sub-groups differ, for the list of all tests.
pub(super) fn tests(interactions: &[Interaction], primary: Option<&Measure>) -> Vec<TestMade> {
    let measure = primary.map(|m| m.label.clone()).unwrap_or_default();
    let test = |found: &Interaction| TestMade {
        family: DECLARED.to_owned(),
        measure: measure.clone(),
        subgroup: Some(format!("differences by {}", found.label)),
        method: "Wald test of equal differences".to_owned(),
        p_value: found.p_value,
        p_holm: found.p_holm,
        p_bh: found.p_bh,
        withheld: found.withheld.clone().or_else(|| found.p_value.is_none().then(|| NO_TEST.to_owned())),
    };
    interactions.iter().map(test).collect()
}
