//! What is settled before units look for matches: score, common support, strata, calipers.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::matching::design::Design;
use crate::matching::frame::Frame;
use crate::matching::nearest::Market;
use crate::matching::optimal;
use crate::matching::options::{Discard, Estimand, Link, Method};
use crate::matching::plan::{ABSOLUTE_RADIUS, Distance, Plan, Width};
use crate::matching::propensity::{self, Fit};
use crate::matching::result::{CaliperWidth, Overlap};
use crate::number::{Heartbeat, pairwise_sum};

/// Positions of the covariates of the model: those named, or all but a supplied score.
pub(crate) fn model_covariates(frame: &Frame, plan: &Plan) -> Result<Vec<usize>> {
    match (&plan.covariates, &plan.distance) {
        (Some(names), _) => names.iter().map(|name| frame.position("covariates", name)).collect(),
        (None, _) => all_covariates(frame, plan),
    }
}

/// Positions of all columns but a supplied score.
pub(crate) fn all_covariates(frame: &Frame, plan: &Plan) -> Result<Vec<usize>> {
    let score = match &plan.distance {
        Distance::Supplied(name) => Some(frame.position("distance", name)?),
        _ => None,
    };
    Ok((0..frame.covariates.len()).filter(|&at| Some(at) != score).collect())
}

/// Everything that is settled before units look for matches.
pub(crate) struct Ground<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) plan: &'a Plan,
    pub(crate) covariates: Vec<usize>,
    pub(crate) fit: Option<Fit>,
    pub(crate) score: Option<Vec<f64>>,
    pub(crate) overlap: Option<Overlap>,
    /// Units that look for matches: the treated for the ATT.
    pub(crate) focal: Vec<bool>,
    pub(crate) discarded: Vec<bool>,
    /// Neither discarded nor without a partner of the same stratum.
    pub(crate) eligible: Vec<bool>,
    pub(crate) strata: Option<Vec<u32>>,
    pub(crate) calipers: Vec<CaliperWidth>,
    pub(crate) column_calipers: Vec<(Vec<f64>, f64)>,
    pub(crate) caliper: Option<f64>,
}

impl<'a> Ground<'a> {
    pub(crate) fn prepare(frame: &'a Frame, plan: &'a Plan, heartbeat: Heartbeat<'_>) -> Result<Self> {
        let covariates = model_covariates(frame, plan)?;
        let design = Design::contrasts(frame, &covariates)?;
        let mut fit = None;
        let mut score = match &plan.distance {
            Distance::Supplied(name) => {
                let column = &frame.covariates[frame.position("distance", name)?];
                if column.levels.is_some() {
                    return Err(Error::invalid("distance", "names a text column; a score is a number"));
                }
                Some((0..frame.len()).map(|row| column.values.get(row)).collect())
            }
            Distance::Propensity(link) if plan.needs_fit() => {
                let model = propensity::fit(&design, None, &plan.fit, heartbeat)?;
                let score = on_scale(&model, *link);
                fit = Some(model);
                Some(score)
            }
            _ => None,
        };
        let overlap = score.as_deref().map(|score| overlap(score, frame.treated()));
        let discarded = discard(plan.discard, score.as_deref(), frame.treated());
        let kept: Vec<bool> = discarded.iter().map(|d| !d).collect();
        if let (true, Some(score), Distance::Propensity(link)) = (plan.reestimate, &mut score, &plan.distance)
            && discarded.contains(&true)
        {
            let model = propensity::fit(&design, Some(&kept), &plan.fit, heartbeat)?;
            let again = on_scale(&model, *link);
            for row in (0..frame.len()).filter(|&row| kept[row]) {
                score[row] = again[row];
            }
            fit = Some(model);
        }
        let focal: Vec<bool> = frame.treated().iter().map(|&t| t == (plan.estimand != Estimand::Atc)).collect();
        let strata = match plan.method {
            Method::Exact => strata(frame, &covariates),
            _ => {
                let exact: Result<Vec<usize>> = plan.exact.iter().map(|name| frame.position("exact", name)).collect();
                strata(frame, &exact?)
            }
        };
        let mut eligible = kept.clone();
        if let Some(strata) = &strata {
            leave_lonely_strata(strata, frame.treated(), &mut eligible);
        }
        let mut ground = Self {
            frame,
            plan,
            covariates,
            fit,
            score,
            overlap,
            focal,
            discarded,
            eligible,
            strata,
            calipers: Vec::new(),
            column_calipers: Vec::new(),
            caliper: None,
        };
        ground.set_calipers(&kept)?;
        Ok(ground)
    }

    /// Widths in the scale of what they limit; standard deviations are those of all units that were not discarded.
    fn set_calipers(&mut self, kept: &[bool]) -> Result<()> {
        for caliper in &self.plan.calipers {
            let Some(name) = &caliper.name else {
                let score = self.score.as_deref().ok_or_else(|| Error::Bug("a caliper on no score".to_owned()))?;
                let looks_like_a_probability = score.iter().all(|s| (0.0..=1.0).contains(s));
                let width = match caliper.width {
                    Width::Raw(_) if self.plan.method == Method::Radius && looks_like_a_probability => {
                        return Err(Error::invalid("caliper", ABSOLUTE_RADIUS));
                    }
                    Width::Raw(width) => width,
                    Width::Deviations(deviations) => deviations * deviation(score, kept),
                    Width::Smallest => optimal::smallest_caliper(&self.market(), score),
                };
                self.caliper = Some(width);
                self.calipers.push(CaliperWidth { name: "distance".to_owned(), width });
                continue;
            };
            let covariate = &self.frame.covariates[self.frame.position("caliper", name)?];
            if covariate.levels.is_some() {
                return Err(Error::invalid(
                    "caliper",
                    format!("is given for \"{name}\", which is text: use \"exact\""),
                ));
            }
            let values: Vec<f64> = (0..self.frame.len()).map(|row| covariate.values.get(row)).collect();
            let width = match caliper.width {
                Width::Raw(width) => width,
                Width::Deviations(deviations) => deviations * deviation(&values, kept),
                Width::Smallest => return Err(Error::Bug("a smallest caliper on a covariate".to_owned())),
            };
            self.calipers.push(CaliperWidth { name: name.clone(), width });
            self.column_calipers.push((values, width));
        }
        Ok(())
    }

    pub(crate) fn market(&self) -> Market<'_> {
        Market {
            focal: &self.focal,
            eligible: &self.eligible,
            strata: self.strata.as_deref(),
            caliper: self.caliper,
            column_calipers: &self.column_calipers,
        }
    }
}

fn on_scale(fit: &Fit, link: Link) -> Vec<f64> {
    match link {
        Link::Probability => fit.scores(),
        Link::LinearLogit => fit.logits.clone(),
    }
}

/// Standard deviation (n - 1) of the kept.
pub(crate) fn deviation(values: &[f64], kept: &[bool]) -> f64 {
    let members: Vec<f64> = values.iter().zip(kept).filter(|(_, k)| **k).map(|(&v, _)| v).collect();
    let n = members.len() as f64;
    let mean = pairwise_sum(&members) / n;
    let squares: Vec<f64> = members.iter().map(|x| (x - mean) * (x - mean)).collect();
    if members.len() > 1 { (pairwise_sum(&squares) / (n - 1.0)).sqrt() } else { 0.0 }
}

/// Smallest and largest score of a group.
fn range(score: &[f64], treated: &[bool], group: bool) -> (f64, f64) {
    let members = score.iter().zip(treated).filter(|(_, t)| **t == group).map(|(&s, _)| s);
    members.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)))
}

/// Who is outside of the common support (MatchIt's `discard`).
fn discard(discard: Discard, score: Option<&[f64]>, treated: &[bool]) -> Vec<bool> {
    let Some(score) = score else { return vec![false; treated.len()] };
    let (of_treated, of_control) = (range(score, treated, true), range(score, treated, false));
    let (low, high) = match discard {
        Discard::Neither => return vec![false; treated.len()],
        Discard::Treated => of_control,
        Discard::Control => of_treated,
        Discard::Both => (of_treated.0.max(of_control.0), of_treated.1.min(of_control.1)),
    };
    let concerned = |t: bool| match discard {
        Discard::Treated => t,
        Discard::Control => !t,
        _ => true,
    };
    score.iter().zip(treated).map(|(&s, &t)| concerned(t) && (s < low || s > high)).collect()
}

fn overlap(score: &[f64], treated: &[bool]) -> Overlap {
    const CELLS: usize = 20;
    let ((t_low, t_high), (c_low, c_high)) = (range(score, treated, true), range(score, treated, false));
    let (low, high) = (t_low.min(c_low), t_high.max(c_high));
    let width = (high - low) / CELLS as f64;
    let mut counts = [[0; CELLS]; 2];
    let mut outside = [0; 2];
    for (&s, &t) in score.iter().zip(treated) {
        let cell = if width > 0.0 { (((s - low) / width) as usize).min(CELLS - 1) } else { 0 };
        counts[usize::from(t)][cell] += 1;
        let (other_low, other_high) = if t { (c_low, c_high) } else { (t_low, t_high) };
        outside[usize::from(t)] += usize::from(s < other_low || s > other_high);
    }
    Overlap {
        from: (0..CELLS).map(|cell| low + width * cell as f64).collect(),
        treated: counts[1].to_vec(),
        control: counts[0].to_vec(),
        treated_outside: outside[1],
        control_outside: outside[0],
    }
}

/// Numbers the combinations of values of the covariates; `None` without covariates.
fn strata(frame: &Frame, covariates: &[usize]) -> Option<Vec<u32>> {
    let mut strata: Option<Vec<u32>> = None;
    for &covariate in covariates {
        let values = &frame.covariates[covariate].values;
        let mut numbers: HashMap<(u32, u64), u32> = HashMap::new();
        let refined = (0..frame.len())
            .map(|row| {
                let key = (strata.as_ref().map_or(0, |s| s[row]), values.get(row).to_bits());
                let next = numbers.len() as u32;
                *numbers.entry(key).or_insert(next)
            })
            .collect();
        strata = Some(refined);
    }
    strata
}

/// Strata with only one group take no part.
fn leave_lonely_strata(strata: &[u32], treated: &[bool], eligible: &mut [bool]) {
    let count = strata.iter().max().map_or(0, |&m| m as usize + 1);
    let mut present = vec![[false; 2]; count];
    for row in (0..strata.len()).filter(|&row| eligible[row]) {
        present[strata[row] as usize][usize::from(treated[row])] = true;
    }
    for row in 0..strata.len() {
        eligible[row] &= present[strata[row] as usize] == [true, true];
    }
}
