//! From rows and options to a comparison group: score, common support, calipers, matches, weights, balance.

use crate::error::{Error, Result};
use crate::matching::balance::{self, Compared};
use crate::matching::design::Design;
use crate::matching::distance::{self, Points};
use crate::matching::entropy;
use crate::matching::frame::Frame;
use crate::matching::ground::{Ground, all_covariates, deviation, model_covariates};
use crate::matching::nearest::{self, Candidate, Finder, Market, Order, Rule};
use crate::matching::optimal;
use crate::matching::options::{Estimand, MatchOptions, MatchOrder, Method};
use crate::matching::plan::{Distance, Metric, Ratio};
use crate::matching::propensity::{self, Fit};
use crate::matching::radius;
use crate::matching::result::{GridPoint, GroupCounts, Matching, Pair, Unmatched};
use crate::matching::search::{Cloud, Line};
use crate::matching::weights;
use crate::number::{Heartbeat, pairwise_sum};

/// Makes a comparison group for the treated of `frame`.
///
/// The defaults are MatchIt's: nearest neighbour on the propensity score, one control each, without replacement or caliper, largest score first.
///
/// # Errors
/// [`Error::InvalidInput`] for options that do not fit together or name no column, [`Error::TooFew`] without treated, controls or anybody in the common support,
/// and the errors of the regression.
///
/// ```
/// use jdl_core::matching::{Column, Frame, MatchOptions, match_controls};
/// let age = Column::Numeric(vec![20.0, 30.0, 41.0, 22.0, 29.0, 60.0]);
/// let frame = Frame::new(&[1, 2, 3, 4, 5, 6], &[true, true, false, false, false, false], &[("age", age)]).unwrap();
/// let options = MatchOptions::from_json(r#"{"distance": "mahalanobis"}"#).unwrap();
/// let matching = match_controls(&frame, &options, &|| {}).unwrap();
/// let pairs: Vec<(i64, i64)> = matching.pairs.iter().map(|p| (p.treated_id, p.control_id)).collect();
/// assert_eq!(pairs, [(1, 4), (2, 5)]);
/// ```
pub fn match_controls(frame: &Frame, options: &MatchOptions, heartbeat: Heartbeat<'_>) -> Result<Matching> {
    let plan = options.check()?;
    for (what, have) in [("treated", frame.treated_count()), ("controls", frame.len() - frame.treated_count())] {
        if have == 0 {
            return Err(Error::too_few(what, have, 1));
        }
    }
    let ground = Ground::prepare(frame, &plan, heartbeat)?;
    let matched = ground.matches(heartbeat)?;
    ground.report(matched, heartbeat)
}

/// Fits the propensity model that `options` ask for.
///
/// # Errors
/// As [`match_controls`].
pub fn propensity(frame: &Frame, options: &MatchOptions, heartbeat: Heartbeat<'_>) -> Result<Fit> {
    let plan = options.check()?;
    let covariates = model_covariates(frame, &plan)?;
    propensity::fit(&Design::contrasts(frame, &covariates)?, None, &plan.fit, heartbeat)
}

/// What a method made.
struct Matched {
    weights: Vec<f64>,
    /// Matches of each unit that looked for them; empty for weights without pairs.
    matches: Vec<Vec<Candidate>>,
    sets: Option<Vec<u32>>,
}

impl Ground<'_> {
    fn matches(&self, heartbeat: Heartbeat<'_>) -> Result<Matched> {
        let plan = self.plan;
        let only_weights = |weights| Ok(Matched { weights, matches: Vec::new(), sets: None });
        match plan.method {
            Method::Nearest => self.nearest(heartbeat),
            Method::Optimal => {
                let ratio = if let Ratio::Fixed(ratio) = plan.ratio { ratio } else { 1 };
                let matches = optimal::optimal(&self.market(), self.score()?, ratio, heartbeat)?;
                Ok(self.paired(matches, true))
            }
            Method::Radius => {
                let width = self.caliper.unwrap_or(0.0);
                if width.is_nan() || width <= 0.0 {
                    return Err(Error::invalid(
                        "caliper",
                        "must be wider than nothing: the width is 0, or the scores do not vary",
                    ));
                }
                only_weights(radius::radius(&self.market(), self.score()?, width, plan.kernel))
            }
            Method::Exact => {
                let strata =
                    self.strata.as_ref().ok_or_else(|| Error::Bug("exact matching without strata".to_owned()))?;
                let (weights, sets) = weights::from_strata(strata, &self.focal, &self.eligible);
                Ok(Matched { weights, matches: Vec::new(), sets: Some(sets) })
            }
            Method::Overlap => only_weights(self.of_probabilities(|p, treated| if treated { 1.0 - p } else { p })?),
            Method::Ipw => only_weights(self.of_probabilities(|p, treated| match (plan.estimand, treated) {
                (Estimand::Att, true) | (Estimand::Atc, false) => 1.0,
                (Estimand::Att, false) => p / (1.0 - p),
                (Estimand::Atc, true) => (1.0 - p) / p,
                (Estimand::Ate, true) => 1.0 / p,
                (Estimand::Ate, false) => 1.0 / (1.0 - p),
            })?),
            Method::Entropy => {
                let others: Vec<bool> = self.focal.iter().map(|f| !f).collect();
                let design = Design::contrasts(self.frame, &self.covariates)?;
                let mut weights = entropy::entropy_weights(&design, &others, &self.focal, heartbeat)?;
                let members = self.focal.iter().filter(|&&f| f).count() as f64;
                for (weight, &focal) in weights.iter_mut().zip(&self.focal) {
                    *weight = if focal { 1.0 } else { *weight * members };
                }
                only_weights(weights)
            }
        }
    }

    fn score(&self) -> Result<&[f64]> {
        self.score.as_deref().ok_or_else(|| Error::Bug("a method on a score without one".to_owned()))
    }

    /// Weights of the units that were not discarded, from their probabilities of treatment.
    fn of_probabilities(&self, weight: impl Fn(f64, bool) -> f64) -> Result<Vec<f64>> {
        let score = self.score()?;
        if score.iter().any(|&p| p <= 0.0 || p >= 1.0) {
            return Err(Error::invalid("distance", "must hold probabilities between 0 and 1 for this method"));
        }
        let units = score.iter().zip(self.frame.treated()).zip(&self.discarded);
        Ok(units.map(|((&p, &t), &discarded)| if discarded { 0.0 } else { weight(p, t) }).collect())
    }

    /// Weights and sets of pairs.
    fn paired(&self, matches: Vec<Vec<Candidate>>, once: bool) -> Matched {
        let units = self.market().focal_units();
        let weights = weights::from_matches(self.frame.len(), &units, &matches);
        let sets = once.then(|| sets(self.frame.len(), &units, &matches));
        Matched { weights, matches, sets }
    }

    fn nearest(&self, heartbeat: Heartbeat<'_>) -> Result<Matched> {
        let plan = self.plan;
        let units = self.market().focal_units();
        let quota = match (plan.ratio, self.score.as_deref()) {
            (Ratio::Variable { mean, min, max }, Some(score)) => {
                let mean_of = |group: bool| {
                    let members: Vec<f64> =
                        (0..score.len()).filter(|&row| self.focal[row] == group).map(|row| score[row]).collect();
                    pairwise_sum(&members) / members.len() as f64
                };
                nearest::variable_quota(&units, score, mean, (min, max), mean_of(true) > mean_of(false))
            }
            (Ratio::Fixed(ratio), _) => vec![ratio; units.len()],
            (Ratio::Variable { .. }, None) => return Err(Error::Bug("a variable ratio without a score".to_owned())),
        };
        let order = match plan.order {
            MatchOrder::Largest => Order::Largest,
            MatchOrder::Smallest => Order::Smallest,
            MatchOrder::Data => Order::Data,
            MatchOrder::Random => Order::Random { seed: plan.seed },
            MatchOrder::Closest => Order::Closest,
            MatchOrder::Farthest => Order::Farthest,
        };
        let rule = Rule { order, score: self.score.as_deref(), quota, reuse_max: plan.reuse_max };
        let mut market = self.market();
        let points = match (&plan.distance, plan.mahvars.is_empty()) {
            (Distance::Columns(metric), _) => Some(self.points(&self.covariates, *metric)?),
            (_, false) => {
                let columns: Result<Vec<usize>> =
                    plan.mahvars.iter().map(|name| self.frame.position("mahvars", name)).collect();
                Some(self.points(&columns?, Metric::Mahalanobis)?)
            }
            (_, true) => None,
        };
        let matches = match (&points, self.score.as_deref()) {
            (Some(points), score) => {
                // Within the score's caliper; a negative one is one more column to differ on.
                let mut columns = self.column_calipers.clone();
                let mut caliper = self.caliper.zip(score);
                if let Some((width, score)) = caliper.take_if(|(width, _)| *width < 0.0) {
                    columns.push((score.to_vec(), width));
                }
                market = Market { caliper: None, column_calipers: &columns, ..market };
                let caliper = caliper.map(|(width, score)| (score, width));
                let mut cloud = Cloud::new(market, &points.coordinates, points.width, caliper);
                nearest::greedy(&mut cloud, &market, &rule, heartbeat)
            }
            (None, Some(score)) => nearest::greedy(&mut Line::new(market, score), &market, &rule, heartbeat),
            (None, None) => return Err(Error::Bug("nearest neighbours without a distance".to_owned())),
        };
        Ok(self.paired(matches, plan.reuse_max == Some(1)))
    }

    fn points(&self, covariates: &[usize], metric: Metric) -> Result<Points> {
        let kept: Vec<bool> = self.discarded.iter().map(|d| !d).collect();
        distance::coordinates(&Design::indicators(self.frame, covariates), metric, &kept)
    }

    fn report(self, matched: Matched, heartbeat: Heartbeat<'_>) -> Result<Matching> {
        let Matched { mut weights, matches, sets } = matched;
        let (frame, plan) = (self.frame, self.plan);
        let reasons = self.reasons(&weights);
        // Radius weights stay sums of shares: that of a control says how many treated it stands for.
        if plan.normalize && plan.method != Method::Radius {
            weights::normalise(&mut weights, frame.treated());
        }
        let units = self.market().focal_units();
        let rows: Vec<(u32, u32)> = units
            .iter()
            .zip(&matches)
            .flat_map(|(&unit, set)| set.iter().map(move |other| (unit, other.unit)))
            .collect();
        let compared = Compared {
            treated: frame.treated(),
            weights: &weights,
            pairs: &rows,
            estimand: plan.estimand,
            limits: plan.smd_limits,
        };
        let design = Design::indicators(frame, &all_covariates(frame, plan)?);
        let extra = (plan.squares, plan.interactions);
        let balance = balance::table(&compared, self.score.as_deref(), &design, extra, heartbeat);
        let grid = self.grid(&design, heartbeat);
        let pairs = units
            .iter()
            .zip(&matches)
            .flat_map(|(&unit, set)| {
                set.iter().map(move |other| {
                    let (focal, partner) = (frame.ids()[unit as usize], frame.ids()[other.unit as usize]);
                    let treated_first = frame.treated()[unit as usize];
                    Pair {
                        treated_id: if treated_first { focal } else { partner },
                        control_id: if treated_first { partner } else { focal },
                        distance: other.distance,
                        weight: 1.0 / set.len() as f64,
                    }
                })
            })
            .collect();
        let counts = |group: bool| {
            let members = || (0..frame.len()).filter(|&row| frame.treated()[row] == group);
            let matched = members().filter(|&row| weights[row] > 0.0).count();
            let discarded = members().filter(|&row| self.discarded[row]).count();
            GroupCounts {
                all: members().count(),
                matched,
                unmatched: members().filter(|&row| weights[row] <= 0.0 && !self.discarded[row]).count(),
                discarded,
                effective: weights::effective_sample_size(&weights, |row| frame.treated()[row] == group),
            }
        };
        let (treated, control) = (counts(true), counts(false));
        Ok(Matching {
            pairs,
            treated,
            control,
            weights,
            sets,
            reasons,
            calipers: self.calipers,
            balance,
            grid,
            overlap: self.overlap,
            fit: self.fit,
            score: self.score,
        })
    }

    /// Why focal units are without a weight.
    fn reasons(&self, weights: &[f64]) -> Unmatched {
        let mut reasons = Unmatched::default();
        let mut searching = Vec::new();
        for unit in (0..weights.len()).filter(|&u| self.focal[u] && weights[u] <= 0.0) {
            if self.discarded[unit] {
                reasons.outside_common_support += 1;
            } else if !self.eligible[unit] {
                reasons.without_exact_partner += 1;
            } else {
                searching.push(unit as u32);
            }
        }
        // With everybody back on the market, who would have found a partner? One caliper makes a line to search, the others are conditions.
        let along = match (self.caliper, self.score.as_deref(), self.column_calipers.first()) {
            (Some(width), Some(score), _) => Some((score, width)),
            (_, _, Some((column, width))) => Some((column.as_slice(), *width)),
            _ => None,
        };
        let Some((values, width)) = along else {
            reasons.partners_taken += searching.len();
            return reasons;
        };
        let market = Market { caliper: Some(width), ..self.market() };
        let mut line = Line::new(market, values);
        for unit in searching {
            if line.nearest(unit, &[], None, 1).is_empty() {
                reasons.outside_caliper += 1;
            } else {
                reasons.partners_taken += 1;
            }
        }
        reasons
    }

    /// Radius matching at the widths of `caliper_grid`.
    fn grid(&self, design: &Design<'_>, heartbeat: Heartbeat<'_>) -> Vec<GridPoint> {
        let Some(score) = self.score.as_deref() else { return Vec::new() };
        let kept: Vec<bool> = self.discarded.iter().map(|d| !d).collect();
        let sd = deviation(score, &kept);
        let treated = self.frame.treated();
        self.plan
            .caliper_grid
            .iter()
            .map(|&caliper| {
                let width = caliper * sd;
                let made = radius::radius(&self.market(), score, width, self.plan.kernel);
                let compared = Compared {
                    treated,
                    weights: &made,
                    pairs: &[],
                    estimand: self.plan.estimand,
                    limits: self.plan.smd_limits,
                };
                let worst = balance::worst(&compared, design);
                heartbeat();
                GridPoint {
                    caliper,
                    width,
                    treated_matched: (0..treated.len()).filter(|&u| treated[u] && made[u] > 0.0).count(),
                    control_effective: weights::effective_sample_size(&made, |u| !treated[u]),
                    worst_smd: worst.as_ref().map(|w| w.1),
                    worst_name: worst.map(|w| w.0),
                }
            })
            .collect()
    }
}

/// Numbers the matched sets in the order of the units that looked for matches.
fn sets(rows: usize, units: &[u32], matches: &[Vec<Candidate>]) -> Vec<u32> {
    let mut sets = vec![0; rows];
    let matched = units.iter().zip(matches).filter(|(_, set)| !set.is_empty());
    for (number, (&unit, set)) in matched.enumerate() {
        sets[unit as usize] = number as u32 + 1;
        set.iter().for_each(|other| sets[other.unit as usize] = number as u32 + 1);
    }
    sets
}
