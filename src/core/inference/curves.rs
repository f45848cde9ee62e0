//! Cumulative re-offending over the follow-up, one curve a group, and what compares the two.

use crate::error::Result;
use crate::number::pairwise_sum;
use crate::outcomes::PersonOutcome;

use super::absent::{Absent, Confidence, Defined};
use super::analyse::Design;
use super::cox::{CoxSample, HazardRatio, Ties, cox_regression};
use super::means::effective_n;
use super::survival::{RiskTable, SurvivalInterval, log_rank};

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
    /// People who re-offended by the end of that day (not weighted).
    #[serde(default)]
    pub reoffenders: u64,
    /// Their (weighted) share of everybody: those who left early stay in the denominator, as they do in the rates.
    #[serde(default)]
    pub share: f64,
    /// Lower limit (log-log); empty where the curve is still at 0 or has reached 1.
    pub low: Option<f64>,
    /// Upper limit.
    pub high: Option<f64>,
    /// Effective number of people still followed and not yet re-offending at the start of the day.
    pub at_risk: f64,
}

/// The curves of treatment and comparison, the p-value of the log-rank test between them, and their hazard ratio.
pub(super) struct Curves {
    pub groups: [Curve; 2],
    pub log_rank_p_value: Defined<f64>,
    pub hazard_ratio: Defined<HazardRatio>,
}

/// Weights are scaled to add up to the effective number of each group, so that Greenwood's standard error knows how much
/// information there is; the curve itself does not depend on the scale. The log-rank test is made only where all
/// weights of a group are equal: it knows nothing of others, nor of pairs, which makes it cautious in matched sets.
pub(super) fn curves(design: &Design<'_>, confidence: Confidence) -> Result<Curves> {
    let [treatment, comparison] = [Followed::new(design, true)?, Followed::new(design, false)?];
    let log_rank_p_value = if treatment.equal_weights && comparison.equal_weights {
        log_rank(&treatment.table, &comparison.table).p_value
    } else {
        Err(Absent::WeightsDiffer)
    };
    Ok(Curves {
        groups: [treatment, comparison].map(|group| group.curve(confidence)),
        log_rank_p_value,
        hazard_ratio: hazard_ratio(design, confidence)?,
    })
}

/// The hazard of a first re-offence in the treatment group over that in the comparison group: Cox regression on treatment
/// alone with the design's weights, Efron's ties, variance robust and clustered on matched sets (Lin and Wei 1989; for
/// matched samples Austin 2014).
fn hazard_ratio(design: &Design<'_>, confidence: Confidence) -> Result<Defined<HazardRatio>> {
    let reoffended: Vec<bool> = design.outcome.iter().map(PersonOutcome::reoffended).collect();
    let event_in = |treated: bool| {
        (0..reoffended.len()).any(|i| design.treated[i] == treated && design.weight[i] > 0.0 && reoffended[i])
    };
    match [event_in(true), event_in(false)] {
        [true, true] => {}
        [false, false] => return Ok(Err(Absent::NoEvents)),
        _ => return Ok(Err(Absent::NoEventsInOneGroup)),
    }
    let time: Vec<f64> = design.outcome.iter().map(|outcome| f64::from(outcome.days_at_risk)).collect();
    let treated: Vec<f64> = design.treated.iter().map(|&t| f64::from(u8::from(t))).collect();
    let covariates = [treated.as_slice()];
    let sample = CoxSample::new(&time, &reoffended, design.weight, design.set, &covariates)?;
    Ok(cox_regression(sample, Ties::Efron).and_then(|fit| {
        let treatment = fit.coefficients.first().ok_or(Absent::NoVariance)?;
        Ok(treatment.hazard_ratio(treatment.robust_standard_error?, confidence))
    }))
}

/// One group under observation.
struct Followed {
    table: RiskTable,
    /// Day of each first re-offence and the person's share of the group, in order of the days.
    reoffended_on: Vec<(u32, f64)>,
    last_day: u32,
    equal_weights: bool,
}

impl Followed {
    fn new(design: &Design<'_>, treated: bool) -> Result<Self> {
        let kept: Vec<usize> =
            (0..design.treated.len()).filter(|&i| design.treated[i] == treated && design.weight[i] > 0.0).collect();
        let weights: Vec<f64> = kept.iter().map(|&i| design.weight[i]).collect();
        let effective = effective_n(&weights);
        let scale = effective / pairwise_sum(&weights);
        let weights: Vec<f64> = weights.iter().map(|w| w * scale).collect();
        let days: Vec<u32> = kept.iter().map(|&i| design.outcome[i].days_at_risk).collect();
        let times: Vec<f64> = days.iter().map(|&d| f64::from(d)).collect();
        let events: Vec<bool> = kept.iter().map(|&i| design.outcome[i].reoffended()).collect();
        let mut reoffended_on: Vec<(u32, f64)> =
            (0..kept.len()).filter(|&i| events[i]).map(|i| (days[i], weights[i] / effective)).collect();
        reoffended_on.sort_unstable_by_key(|(day, _)| *day);
        Ok(Self {
            table: RiskTable::new(&times, &events, &weights)?,
            reoffended_on,
            last_day: days.iter().copied().max().unwrap_or(0),
            // Kish's number is the number of people only where all weights are the same.
            equal_weights: effective >= kept.len() as f64 * (1.0 - 1e-12),
        })
    }

    fn curve(&self, confidence: Confidence) -> Curve {
        let mut grid: Vec<f64> = (0..self.last_day).step_by(STEP_DAYS as usize).map(f64::from).collect();
        grid.push(f64::from(self.last_day));
        let points = self
            .table
            .curve(&grid, SurvivalInterval::LogLog, confidence)
            .into_iter()
            .map(|at| {
                let by_then = self.reoffended_on.partition_point(|(day, _)| f64::from(*day) <= at.time);
                let shares: Vec<f64> = self.reoffended_on[..by_then].iter().map(|(_, share)| *share).collect();
                CurvePoint {
                    day: at.time as u32,
                    reoffended: 1.0 - at.survival,
                    reoffenders: by_then as u64,
                    share: pairwise_sum(&shares),
                    low: at.interval.ok().map(|i| 1.0 - i.high),
                    high: at.interval.ok().map(|i| 1.0 - i.low),
                    at_risk: at.at_risk,
                }
            })
            .collect();
        Curve { points }
    }
}
