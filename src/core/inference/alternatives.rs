//! The primary measure asked again in other ways: a doubly robust estimate, and other matched designs.
//!
//! A frame of candidates with everybody's outcome comes in, in the order of the frame. What this does not do: it decides
//! neither which designs are worth trying nor what may be published of them.

use crate::error::{Error, Result};
use crate::matching::{Frame, MatchOptions, event_probabilities, match_controls};
use crate::number::Heartbeat;
use crate::outcomes::PersonOutcome;

use super::absent::{Absent, Defined};
use super::analyse::{Design, MeasureResult, compare_measure};
use super::matched::{DoublyRobust, aipw_att};
use super::measure::Unit;
use super::plan::AnalysisPlan;

/// The primary measure by other methods and designs, beside the main analysis.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Alternatives {
    /// The doubly robust estimate on the matched treated and the whole pool.
    pub doubly_robust: Option<DoublyRobustRun>,
    /// Other matched designs, in the order in which they were made.
    pub runs: Vec<DesignRun>,
}

/// A doubly robust estimate and the people behind it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DoublyRobustRun {
    /// Treated people.
    pub treatment_people: u64,
    /// People of the pool.
    pub comparison_people: u64,
    /// The estimate.
    pub estimate: DoublyRobust,
}

/// The primary measure under another matched design.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DesignRun {
    /// Short name (`with_assessments`).
    pub key: String,
    /// The measure; none where the design could not be made.
    pub result: Option<MeasureResult>,
    /// Why there is none.
    pub absent: Option<String>,
}

/// The doubly robust estimate of the effect on the treated people who were `matched`, against every control of `frame`.
///
/// Augmented inverse probability weighting ([`aipw_att`]): the propensity score and the probability of re-offending
/// without treatment are logistic regressions on all covariates, the second fitted to the controls alone. It exists for
/// measures that are shares of everybody. Several index events of one person count as several people.
///
/// # Errors
/// `InvalidInput` on lengths; those of the regressions.
pub fn doubly_robust(
    frame: &Frame,
    matched: &[bool],
    outcome: &[PersonOutcome],
    plan: &AnalysisPlan,
    heartbeat: Heartbeat<'_>,
) -> Result<Defined<DoublyRobustRun>> {
    let n = frame.len();
    if matched.len() != n || outcome.len() != n {
        return Err(Error::invalid("people", "must have a match and an outcome each"));
    }
    let measure = plan.primary_measure;
    if measure.unit() != Unit::Share || measure.reoffenders_only() {
        return Ok(Err(Absent::NotApplicable));
    }
    let treated = frame.treated();
    let kept: Vec<bool> = (0..n).map(|i| matched[i] || !treated[i]).collect();
    let controls: Vec<bool> = treated.iter().map(|treated| !treated).collect();
    let reoffended: Vec<bool> = outcome.iter().map(PersonOutcome::reoffended).collect();
    let event_among = |rows: &[bool]| (0..n).any(|i| rows[i] && reoffended[i]);
    let none_among = |rows: &[bool]| (0..n).any(|i| rows[i] && !reoffended[i]);
    if !event_among(&controls) || !none_among(&controls) {
        return Ok(Err(Absent::NoVariance));
    }
    let score = event_probabilities(frame, treated, &kept, heartbeat)?;
    let expected = event_probabilities(frame, &reoffended, &controls, heartbeat)?;
    let rows: Vec<usize> = (0..n).filter(|&i| kept[i]).collect();
    let of = |values: &[f64]| rows.iter().map(|&i| values[i]).collect::<Vec<f64>>();
    let labels: Vec<bool> = rows.iter().map(|&i| treated[i]).collect();
    let events: Vec<f64> = rows.iter().map(|&i| if reoffended[i] { 1.0 } else { 0.0 }).collect();
    let estimate = aipw_att(&labels, &events, &of(&score), &of(&expected), plan.confidence)?;
    let people = |wanted: bool| labels.iter().filter(|treated| **treated == wanted).count() as u64;
    Ok(estimate.map(|estimate| DoublyRobustRun {
        treatment_people: people(true),
        comparison_people: people(false),
        estimate,
    }))
}

/// The primary measure under the design that `options` make of `frame`.
///
/// # Errors
/// Those of matching, and `InvalidInput` on lengths.
pub fn matched_run(
    frame: &Frame,
    options: &MatchOptions,
    outcome: &[PersonOutcome],
    plan: &AnalysisPlan,
    heartbeat: Heartbeat<'_>,
) -> Result<MeasureResult> {
    let matching = match_controls(frame, options, heartbeat)?;
    let set: Vec<Option<u32>> = match &matching.sets {
        Some(sets) => sets.iter().map(|&set| (set > 0).then_some(set)).collect(),
        None => vec![None; frame.len()],
    };
    compare_measure(
        Design { treated: frame.treated(), weight: &matching.weights, set: &set, outcome },
        plan.primary_measure,
        plan,
    )
}
