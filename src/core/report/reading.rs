//! What a measure allows to be said: its direction from the interval, and whether the difference is conclusive.
//!
//! The lab's rule: a result is significant if p is at most alpha; it is called so only if enough people re-offended and
//! the effective samples are large enough. Harm and benefit are read in the same way.

use crate::report::figure::{Style, finite};
use crate::report::result::{Gate, Measure, MeasureKey, Population, StoredResult, Unit};

/// On which side of no difference an interval lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ends below zero.
    Lower,
    /// Both ends above zero.
    Higher,
    /// Zero is inside or is an end.
    Unclear,
}

/// What a measure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Conclusive: lower in the treatment group.
    Lower,
    /// Conclusive: higher in the treatment group.
    Higher,
    /// Not conclusive.
    Inconclusive,
    /// Hidden.
    Withheld,
    /// There is no difference with an interval to read.
    NotEstimated,
}

impl Verdict {
    /// Lower or higher.
    pub const fn is_conclusive(self) -> bool {
        matches!(self, Self::Lower | Self::Higher)
    }
}

/// A measure as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// From the interval; none where there is no interval.
    pub direction: Option<Direction>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is inconclusive.
    pub reasons: Vec<Reason>,
}

/// Why a measure is inconclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// p is above alpha, or there is no test.
    NotSignificant,
    /// Zero is inside the interval.
    NoDirection,
    /// The gate is not met, for this reason (the middle of a sentence).
    Gate(String),
}

impl Reading {
    /// What a printed p and interval do not already show: that they point different ways, and gates that are not met.
    pub fn beyond_chance(&self) -> Vec<&str> {
        let (p, interval) =
            (self.reasons.contains(&Reason::NotSignificant), self.reasons.contains(&Reason::NoDirection));
        self.reasons
            .iter()
            .filter_map(|reason| match reason {
                Reason::NotSignificant => {
                    (!interval).then_some("the test is not significant, whatever the interval says")
                }
                Reason::NoDirection => (!p).then_some("the interval includes no difference, whatever the test says"),
                Reason::Gate(why) => Some(why.as_str()),
            })
            .collect()
    }
}

/// The measure that the plan names as primary.
pub fn primary(result: &StoredResult) -> Option<&Measure> {
    result.measures.iter().find(|m| m.key == result.request.plan.primary)
}

/// Direction of the difference, from the printed ends of its interval.
pub fn direction(result: &StoredResult, measure: &Measure) -> Option<Direction> {
    let printed = Style::of(measure, &result.rules).estimate(&measure.difference);
    Some(match (printed.low?.sign(), printed.high?.sign()) {
        (-1, -1) => Direction::Lower,
        (1, 1) => Direction::Higher,
        _ => Direction::Unclear,
    })
}

/// Reads one measure.
pub fn read(result: &StoredResult, measure: &Measure) -> Reading {
    let direction = direction(result, measure);
    let Some(side) = direction else {
        let verdict = if measure.withheld.is_some() { Verdict::Withheld } else { Verdict::NotEstimated };
        return Reading { direction, verdict, reasons: Vec::new() };
    };
    let mut reasons = Vec::new();
    if measure.significant != Some(true) || finite(measure.p_value).is_none_or(|p| p > result.rules.alpha) {
        reasons.push(Reason::NotSignificant);
    }
    if side == Direction::Unclear {
        reasons.push(Reason::NoDirection);
    }
    let gate = measure.gate.clone().unwrap_or_else(|| gate(result, measure));
    if !gate.met {
        reasons.push(Reason::Gate(gate.reason.unwrap_or_else(|| "too few people were analysed".to_owned())));
    }
    let verdict = match side {
        Direction::Lower if reasons.is_empty() => Verdict::Lower,
        Direction::Higher if reasons.is_empty() => Verdict::Higher,
        _ => Verdict::Inconclusive,
    };
    Reading { direction, verdict, reasons }
}

/// Judges from the counts in `result` whether they suffice for a conclusion about `measure`; a missing count does not.
pub fn gate(result: &StoredResult, measure: &Measure) -> Gate {
    let rules = &result.rules;
    let not_met = |reason: String| Gate { met: false, reason: Some(reason) };
    if treatment_reoffenders(result).is_none_or(|n| n < rules.min_reoffenders) {
        return not_met(format!("fewer than {} people in the treatment group re-offended", rules.min_reoffenders));
    }
    let (treatment, comparison) = effective_sizes(result, measure);
    for (size, group) in [(treatment, "treatment"), (comparison, "comparison")] {
        if size.is_none_or(|n| n < rules.min_effective_n) {
            return not_met(format!("the effective size of the {group} group is below {}", rules.min_effective_n));
        }
    }
    if too_few_with_event(result, measure) {
        return not_met(format!(
            "fewer than {} re-offenders in the treatment group are in this category",
            rules.min_effective_n
        ));
    }
    Gate { met: true, reason: None }
}

/// Records the gates of every measure on the true counts, and withholds what the lab withholds for quality: days to the
/// first re-offence under `min_reoffenders` treatment re-offenders, and a rate among re-offenders with fewer than
/// `min_effective_n` treatment re-offenders in its category. To be called once, before disclosure control.
pub fn apply_gates(mut result: StoredResult) -> StoredResult {
    let judged: Vec<(Gate, Option<String>)> =
        result.measures.iter().map(|m| (gate(&result, m), quality_reason(&result, m))).collect();
    for (measure, (gate, reason)) in result.measures.iter_mut().zip(judged) {
        measure.gate = Some(gate);
        if let Some(reason) = reason {
            let blank = Measure::new(measure.key, measure.category.as_deref());
            *measure = Measure { gate: measure.gate.take(), withheld: Some(reason), ..blank };
        }
    }
    result
}

fn quality_reason(result: &StoredResult, measure: &Measure) -> Option<String> {
    let rules = &result.rules;
    let few_reoffenders = treatment_reoffenders(result).is_none_or(|n| n < rules.min_reoffenders);
    if measure.key == MeasureKey::DaysToFirst && few_reoffenders {
        Some(format!("fewer than {} people in the treatment group re-offended", rules.min_reoffenders))
    } else if too_few_with_event(result, measure) {
        Some(format!("fewer than {} re-offenders in the treatment group are in this category", rules.min_effective_n))
    } else {
        None
    }
}

fn treatment_reoffenders(result: &StoredResult) -> Option<u64> {
    result.measures.iter().find(|m| m.key == MeasureKey::ReoffendingRate)?.treatment.events
}

fn too_few_with_event(result: &StoredResult, measure: &Measure) -> bool {
    measure.population == Population::Reoffenders
        && measure.unit == Unit::Share
        && measure.treatment.events.is_none_or(|n| (n as f64) < result.rules.min_effective_n)
}

/// Effective sizes behind a measure: its own where recorded, then (for everyone) the groups', then plain counts.
fn effective_sizes(result: &StoredResult, measure: &Measure) -> (Option<f64>, Option<f64>) {
    let everyone = measure.population == Population::All;
    let size = |own: Option<f64>, group: Option<f64>, n: Option<u64>, group_n: Option<u64>| {
        own.or(group.filter(|_| everyone)).or(n.map(|n| n as f64)).or(group_n.filter(|_| everyone).map(|n| n as f64))
    };
    let (t, c, g) = (&measure.treatment, &measure.comparison, &result.groups);
    (
        size(t.effective_n, g.treatment_effective_n, t.n, g.treatment_n),
        size(c.effective_n, g.comparison_effective_n, c.n, g.comparison_n),
    )
}
