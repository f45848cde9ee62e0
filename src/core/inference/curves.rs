//! Cumulative re-offending over the follow-up, one curve a group.

use crate::error::Result;
use crate::number::pairwise_sum;

use super::absent::Confidence;
use super::analyse::Design;
use super::means::effective_n;
use super::survival::{RiskTable, SurvivalInterval};

/// Days between two points of a curve.
const STEP_DAYS: u32 = 7;

/// A group's cumulative re-offending: one less the (weighted) Kaplan-Meier curve.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Curve {
    /// Every seventh day from day 0, and the last day anybody was followed.
    pub points: Vec<CurvePoint>,
}

/// A curve on one day.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CurvePoint {
    /// Days since the start of the follow-up.
    pub day: u32,
    /// Share who re-offended by the end of that day, 0 to 1.
    pub reoffended: f64,
    /// Lower limit (log-log); empty where the curve is still at 0 or has reached 1.
    pub low: Option<f64>,
    /// Upper limit.
    pub high: Option<f64>,
    /// Effective number of people still followed and not yet re-offending at the start of the day.
    pub at_risk: f64,
}

/// The curve of one group. Weights are scaled to add up to the effective number, so that Greenwood's standard error
/// knows how much information there is; the curve itself does not depend on the scale.
pub(super) fn curve(design: &Design<'_>, treated: bool, confidence: Confidence) -> Result<Curve> {
    let kept: Vec<usize> =
        (0..design.treated.len()).filter(|&i| design.treated[i] == treated && design.weight[i] > 0.0).collect();
    let weights: Vec<f64> = kept.iter().map(|&i| design.weight[i]).collect();
    let scale = effective_n(&weights) / pairwise_sum(&weights);
    let weights: Vec<f64> = weights.iter().map(|w| w * scale).collect();
    let days: Vec<u32> = kept.iter().map(|&i| design.outcome[i].days_at_risk).collect();
    let times: Vec<f64> = days.iter().map(|&d| f64::from(d)).collect();
    let events: Vec<bool> = kept.iter().map(|&i| design.outcome[i].reoffended()).collect();
    let table = RiskTable::new(&times, &events, &weights)?;
    let last = days.iter().copied().max().unwrap_or(0);
    let mut grid: Vec<f64> = (0..last).step_by(STEP_DAYS as usize).map(f64::from).collect();
    grid.push(f64::from(last));
    let points = table
        .curve(&grid, SurvivalInterval::LogLog, confidence)
        .into_iter()
        .map(|at| CurvePoint {
            day: at.time as u32,
            reoffended: 1.0 - at.survival,
            low: at.interval.ok().map(|i| 1.0 - i.high),
            high: at.interval.ok().map(|i| 1.0 - i.low),
            at_risk: at.at_risk,
        })
        .collect();
    Ok(Curve { points })
}
