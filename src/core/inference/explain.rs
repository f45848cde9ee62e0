//! What could explain the primary result away: chance (permutation) or a hidden factor (Rosenbaum, E-value).

use crate::error::Result;
use crate::number::Heartbeat;

use super::absent::{Absent, Defined, Interval, finite};
use super::analyse::{Design, MeasureResult, Subjects};
use super::compare::AbsentField;
use super::measure::{Measure, Unit};
use super::permutation::{PermutationTest, permutation_test};
use super::plan::AnalysisPlan;
use super::sensitivity::{
    SetEvents, e_value, rosenbaum_binary, rosenbaum_binary_gamma, rosenbaum_sets, rosenbaum_sets_gamma,
    rosenbaum_wilcoxon, rosenbaum_wilcoxon_gamma,
};

/// Strengths of hidden bias for which the p-value is given.
const GAMMAS: [f64; 5] = [1.0, 1.25, 1.5, 2.0, 3.0];

/// How robust the primary result is.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sensitivity {
    /// The primary measure.
    pub measure: Measure,
    /// Permutation test of its difference.
    pub permutation: Option<PermutationTest>,
    /// The hidden bias (odds of treatment between two people who look alike) at which the result stops being significant.
    pub rosenbaum_gamma: Option<f64>,
    /// The largest one-sided p-value for some strengths of hidden bias.
    pub rosenbaum_bounds: Vec<RosenbaumBound>,
    /// The risk ratio a hidden factor would need with both treatment and outcome to explain the estimate away.
    pub e_value: Option<f64>,
    /// The same for the limit of the interval nearer to no effect; 1 where the interval includes no effect.
    pub e_value_interval: Option<f64>,
    /// Why fields are empty.
    pub absent: Vec<AbsentField>,
}

/// The largest one-sided p-value under a hidden bias.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RosenbaumBound {
    /// Odds of treatment between two people who look alike.
    pub gamma: f64,
    /// The largest one-sided p-value.
    pub p_value: f64,
}

/// The sensitivity of the plan's primary measure.
pub(super) fn sensitivity(
    design: &Design<'_>,
    measures: &[MeasureResult],
    plan: &AnalysisPlan,
    heartbeat: Heartbeat<'_>,
) -> Result<Sensitivity> {
    let measure = plan.primary_measure;
    let subjects = Subjects::new(design, measure);
    let permutation = permutation_test(subjects.sample()?, plan.permutation_draws, plan.seed, heartbeat)?;
    let (gamma, bounds) = rosenbaum(&subjects, measure.unit() == Unit::Share, plan.significance_level() / 2.0)?;
    let (estimate, at_limit) = match measures.iter().find(|m| m.measure == measure) {
        Some(MeasureResult { ratio: Some(ratio), ratio_low, ratio_high, .. }) => {
            let interval =
                ratio_low.zip(*ratio_high).map(|(low, high)| Interval { low, high }).ok_or(Absent::LimitNotGiven);
            let e = e_value(*ratio, interval)?;
            (e.estimate, e.interval)
        }
        _ => (Err(Absent::NotApplicable), Err(Absent::NotApplicable)),
    };
    let mut absent = Vec::new();
    let mut note = |name: &str, reason: Absent| absent.push(AbsentField { field: name.to_owned(), reason });
    let permutation = permutation.map_err(|reason| note("permutation", reason)).ok();
    let mut field = |name: &str, value: Defined<f64>| value.and_then(finite).map_err(|reason| note(name, reason)).ok();
    Ok(Sensitivity {
        measure,
        permutation,
        rosenbaum_gamma: field("rosenbaum_gamma", gamma),
        rosenbaum_bounds: bounds,
        e_value: field("e_value", estimate),
        e_value_interval: field("e_value_interval", at_limit),
        absent,
    })
}

/// The sets of a matched design: outcomes of the treated person and of the others.
struct MatchedSets(Vec<(f64, Vec<f64>)>);

impl MatchedSets {
    /// Sets of one treated person and one or more others. Sets that lost a side (a measure about re-offenders only)
    /// say nothing; more than one treated person in a set is beyond these bounds.
    fn new(subjects: &Subjects) -> Defined<Self> {
        let mut order: Vec<usize> = (0..subjects.value.len()).filter(|&i| subjects.set[i].is_some()).collect();
        if order.is_empty() {
            return Err(Absent::NotInSets);
        }
        order.sort_by_key(|&i| (subjects.set[i], !subjects.treated[i], i));
        let mut sets = Vec::new();
        for members in order.chunk_by(|&a, &b| subjects.set[a] == subjects.set[b]) {
            let treated = members.iter().filter(|&&i| subjects.treated[i]).count();
            if treated > 1 {
                return Err(Absent::NotApplicable);
            }
            if treated == 1 && members.len() > 1 {
                let values = members[1..].iter().map(|&i| subjects.value[i]).collect();
                sets.push((subjects.value[members[0]], values));
            }
        }
        if sets.is_empty() { Err(Absent::NobodyToMeasure) } else { Ok(Self(sets)) }
    }

    fn are_pairs(&self) -> bool {
        self.0.iter().all(|(_, others)| others.len() == 1)
    }
}

/// Gamma at which significance ends, and the p-values on the way there: exact for pairs with a yes/no outcome, normal
/// for larger sets, signed ranks for pairs with counts or days.
fn rosenbaum(subjects: &Subjects, yes_no: bool, alpha: f64) -> Result<(Defined<f64>, Vec<RosenbaumBound>)> {
    let sets = match MatchedSets::new(subjects) {
        Ok(sets) => sets,
        Err(absent) => return Ok((Err(absent), Vec::new())),
    };
    let mut bounds = Vec::new();
    let mut keep =
        |gamma: f64, p_value: Defined<f64>| bounds.extend(p_value.map(|p_value| RosenbaumBound { gamma, p_value }));
    let gamma = if sets.are_pairs() && yes_no {
        let count = |sign: f64| sets.0.iter().filter(|(t, others)| (t - others[0]) * sign > 0.5).count() as u64;
        let (b, c) = (count(1.0), count(-1.0));
        for gamma in GAMMAS {
            keep(gamma, rosenbaum_binary(b, c, gamma)?.map(|bound| bound.p_upper));
        }
        rosenbaum_binary_gamma(b, c, alpha)?
    } else if yes_no {
        let sets: Vec<SetEvents> = sets
            .0
            .iter()
            .map(|(t, others)| {
                let treated_event = *t > 0.5;
                let events = others.iter().filter(|v| **v > 0.5).count() as u32 + u32::from(treated_event);
                SetEvents { people: others.len() as u32 + 1, events, treated_event }
            })
            .collect();
        for gamma in GAMMAS {
            keep(gamma, rosenbaum_sets(&sets, gamma)?.map(|bound| bound.p_upper));
        }
        rosenbaum_sets_gamma(&sets, alpha)?
    } else if sets.are_pairs() {
        let differences: Vec<f64> = sets.0.iter().map(|(t, others)| t - others[0]).collect();
        // The bound is on the upper tail: turn the differences so that it is the side the result lies on.
        let turned: Vec<f64> = differences.iter().map(|d| -d).collect();
        let lower_first = rosenbaum_wilcoxon(&differences, 1.0)?.is_ok_and(|bound| bound.p_upper > 0.5);
        let differences = if lower_first { turned } else { differences };
        for gamma in GAMMAS {
            keep(gamma, rosenbaum_wilcoxon(&differences, gamma)?.map(|bound| bound.p_upper));
        }
        rosenbaum_wilcoxon_gamma(&differences, alpha)?
    } else {
        Err(Absent::NotApplicable)
    };
    Ok((gamma, bounds))
}
