//! From rows and options to a comparison group: score, common support, calipers, matches, weights, balance.

use std::collections::HashMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::matching::balance::{self, BalanceRow, Compared, Light};
use crate::matching::design::Design;
use crate::matching::distance::{self, Points};
use crate::matching::frame::Frame;
use crate::matching::nearest::{self, Candidate, Cloud, Line, Market, Order, Rule};
use crate::matching::options::{
    Discard, Distance, Estimand, Link, MatchOptions, MatchOrder, Method, Metric, Plan, Ratio,
};
use crate::matching::propensity::{self, Fit};
use crate::matching::radius;
use crate::matching::weights;
use crate::number::{Heartbeat, pairwise_sum};

/// A treated unit and a control that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair {
    /// The treated unit.
    pub treated_id: i64,
    /// The control.
    pub control_id: i64,
    /// Difference of the scores, or distance between the covariates.
    pub distance: f64,
    /// The control's share in its set: one over the number of controls (for the ATC: treated) in it.
    pub weight: f64,
}

/// How many of a group are where.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GroupCounts {
    /// In the frame.
    pub all: usize,
    /// With a weight.
    pub matched: usize,
    /// Without a weight, though not discarded.
    pub unmatched: usize,
    /// Outside of the common support.
    pub discarded: usize,
    /// Kish's effective sample size of the matched.
    pub effective: f64,
}

/// Why units of the group that looked for matches (the treated, for the ATT) have none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// Left out by `discard`.
    pub outside_common_support: usize,
    /// Nobody of the other group has the same values of the `exact` covariates.
    pub without_exact_partner: usize,
    /// Nobody of the other group is within the calipers.
    pub outside_caliper: usize,
    /// All who would do serve others.
    pub partners_taken: usize,
}

/// A caliper as used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaliperWidth {
    /// `distance` or a covariate.
    pub name: String,
    /// The width in the scale of the score or covariate.
    pub width: f64,
}

/// Balance at one width of a radius.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GridPoint {
    /// In standard deviations of the score.
    pub caliper: f64,
    /// In the scale of the score.
    pub width: f64,
    /// Treated with at least one control.
    pub treated_matched: usize,
    /// Effective number of controls.
    pub control_effective: f64,
    /// The largest absolute standardised mean difference; `None` if nobody was matched.
    pub worst_smd: Option<f64>,
    /// The covariate that has it.
    pub worst_name: Option<String>,
}

/// How the scores of the two groups overlap, before matching.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overlap {
    /// Lower ends of cells of equal width over the range of the scores.
    pub from: Vec<f64>,
    /// Treated in each cell.
    pub treated: Vec<usize>,
    /// Controls in each cell.
    pub control: Vec<usize>,
    /// Treated outside of the controls' range.
    pub treated_outside: usize,
    /// Controls outside of the treated's range.
    pub control_outside: usize,
}

/// A comparison group and how good it is. Vectors over units are in the order of [`Frame::ids`].
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// Pairs in the order of the units that looked for matches; empty for methods that make none.
    pub pairs: Vec<Pair>,
    /// The weight of every unit, 0 if it is not used.
    pub weights: Vec<f64>,
    /// The matched set (from 1) of every unit, 0 for none; `None` if units may be in several sets, or there are no sets.
    pub sets: Option<Vec<u32>>,
    /// Counts of the treated.
    pub treated: GroupCounts,
    /// Counts of the controls.
    pub control: GroupCounts,
    /// Reasons, for the group that looked for matches.
    pub reasons: Unmatched,
    /// Widths used.
    pub calipers: Vec<CaliperWidth>,
    /// Balance before and after: the score, then every column.
    pub balance: Vec<BalanceRow>,
    /// Balance at other widths, if asked for.
    pub grid: Vec<GridPoint>,
    /// The overlap of the scores; `None` without a score.
    pub overlap: Option<Overlap>,
    /// The propensity model; `None` if none was fitted.
    pub fit: Option<Fit>,
    /// The score used as distance, in the scale of `link`; `None` without one.
    pub score: Option<Vec<f64>>,
}

impl Matching {
    /// The covariate farthest from balance after matching (before, if nobody was matched), the score aside.
    pub fn worst(&self) -> Option<&BalanceRow> {
        let smd = |row: &BalanceRow| row.matched.map_or(row.all.smd, |m| m.smd).abs();
        self.balance.iter().filter(|row| row.name != "distance").max_by(|a, b| smd(a).total_cmp(&smd(b)))
    }

    /// The traffic light of the whole design: that of its worst covariate.
    pub fn light(&self) -> Option<Light> {
        self.worst().map(|row| row.light)
    }
}

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

/// Positions of the covariates of the model: those named, or all but a supplied score.
fn model_covariates(frame: &Frame, plan: &Plan) -> Result<Vec<usize>> {
    match (&plan.covariates, &plan.distance) {
        (Some(names), _) => names.iter().map(|name| frame.position("covariates", name)).collect(),
        (None, _) => all_covariates(frame, plan),
    }
}

/// Positions of all columns but a supplied score.
fn all_covariates(frame: &Frame, plan: &Plan) -> Result<Vec<usize>> {
    let score = match &plan.distance {
        Distance::Supplied(name) => Some(frame.position("distance", name)?),
        _ => None,
    };
    Ok((0..frame.covariates.len()).filter(|&at| Some(at) != score).collect())
}

/// Everything that is settled before units look for matches.
struct Ground<'a> {
    frame: &'a Frame,
    plan: &'a Plan,
    covariates: Vec<usize>,
    fit: Option<Fit>,
    score: Option<Vec<f64>>,
    overlap: Option<Overlap>,
    /// Units that look for matches: the treated for the ATT.
    focal: Vec<bool>,
    discarded: Vec<bool>,
    /// Neither discarded nor without a partner of the same stratum.
    eligible: Vec<bool>,
    strata: Option<Vec<u32>>,
    calipers: Vec<CaliperWidth>,
    column_calipers: Vec<(Vec<f64>, f64)>,
    caliper: Option<f64>,
}

/// What a method made.
struct Matched {
    weights: Vec<f64>,
    /// Matches of each unit that looked for them; empty for weights without pairs.
    matches: Vec<Vec<Candidate>>,
    sets: Option<Vec<u32>>,
}

impl<'a> Ground<'a> {
    fn prepare(frame: &'a Frame, plan: &'a Plan, heartbeat: Heartbeat<'_>) -> Result<Self> {
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
        let strata = strata(frame, "exact", &plan.exact)?;
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
            let column: Vec<f64>;
            let values = match &caliper.name {
                None => self.score.as_deref().ok_or_else(|| Error::Bug("a caliper on no score".to_owned()))?,
                Some(name) => {
                    let covariate = &self.frame.covariates[self.frame.position("caliper", name)?];
                    if covariate.levels.is_some() {
                        return Err(Error::invalid(
                            "caliper",
                            format!("is given for \"{name}\", which is text: use \"exact\""),
                        ));
                    }
                    column = (0..self.frame.len()).map(|row| covariate.values.get(row)).collect();
                    &column
                }
            };
            let width = caliper.width * if caliper.standardised { deviation(values, kept) } else { 1.0 };
            match &caliper.name {
                None => self.caliper = Some(width),
                Some(_) => self.column_calipers.push((values.to_vec(), width)),
            }
            self.calipers
                .push(CaliperWidth { name: caliper.name.clone().unwrap_or_else(|| "distance".to_owned()), width });
        }
        Ok(())
    }

    fn market(&self) -> Market<'_> {
        Market {
            focal: &self.focal,
            eligible: &self.eligible,
            strata: self.strata.as_deref(),
            caliper: self.caliper,
            column_calipers: &self.column_calipers,
        }
    }

    fn matches(&self, heartbeat: Heartbeat<'_>) -> Result<Matched> {
        let plan = self.plan;
        let score = || self.score.as_deref().ok_or_else(|| Error::Bug("a method on a score without one".to_owned()));
        match plan.method {
            Method::Nearest => self.nearest(heartbeat),
            Method::Radius => {
                let width = self.caliper.unwrap_or(0.0);
                if width.is_nan() || width <= 0.0 {
                    return Err(Error::invalid(
                        "caliper",
                        "must be wider than nothing: the scores do not vary, or the width is 0",
                    ));
                }
                let made = radius::radius(&self.market(), score()?, width, plan.kernel);
                Ok(Matched { weights: made.weights, matches: Vec::new(), sets: None })
            }
            _ => Err(Error::invalid("method", "is not there yet")),
        }
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
                // Within the score's caliper: there it is one more column to agree on.
                let mut columns = self.column_calipers.clone();
                if let (Some(width), Some(score)) = (self.caliper, score) {
                    columns.push((score.to_vec(), width));
                }
                market = Market { caliper: None, column_calipers: &columns, ..market };
                nearest::greedy(&mut Cloud::new(market, &points.coordinates, points.width), &market, &rule, heartbeat)
            }
            (None, Some(score)) => nearest::greedy(&mut Line::new(market, score), &market, &rule, heartbeat),
            (None, None) => return Err(Error::Bug("nearest neighbours without a distance".to_owned())),
        };
        let weights = weights::from_matches(self.frame.len(), &units, &matches);
        let sets = (plan.reuse_max == Some(1)).then(|| sets(self.frame.len(), &units, &matches));
        Ok(Matched { weights, matches, sets })
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
        let compared = Compared { treated: frame.treated(), weights: &weights, pairs: &rows, estimand: plan.estimand };
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
        let market = self.market();
        let lonely: Vec<usize> = (0..weights.len()).filter(|&u| self.focal[u] && weights[u] <= 0.0).collect();
        let mut searching = Vec::new();
        for unit in lonely {
            if self.discarded[unit] {
                reasons.outside_common_support += 1;
            } else if !self.eligible[unit] {
                reasons.without_exact_partner += 1;
            } else {
                searching.push(unit);
            }
        }
        // With everybody back on the market, who would have found a partner?
        let mut line =
            self.score.as_deref().filter(|_| self.plan.calipers.iter().any(|_| true)).map(|s| Line::new(market, s));
        for unit in searching {
            let partner = match &mut line {
                Some(line) => {
                    use crate::matching::nearest::Finder;
                    !line.nearest(unit as u32, &[], None, 1).is_empty()
                }
                None => {
                    self.column_calipers.is_empty()
                        || (0..weights.len()).any(|other| {
                            !self.focal[other]
                                && self.eligible[other]
                                && self.strata.as_ref().is_none_or(|s| s[unit] == s[other])
                                && market.within_columns(unit, other)
                        })
                }
            };
            if partner {
                reasons.partners_taken += 1;
            } else {
                reasons.outside_caliper += 1;
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
                let compared = Compared { treated, weights: &made.weights, pairs: &[], estimand: self.plan.estimand };
                let worst = balance::worst(&compared, design);
                heartbeat();
                GridPoint {
                    caliper,
                    width,
                    treated_matched: (0..treated.len()).filter(|&u| treated[u] && made.weights[u] > 0.0).count(),
                    control_effective: weights::effective_sample_size(&made.weights, |u| !treated[u]),
                    worst_smd: worst.as_ref().map(|w| w.1),
                    worst_name: worst.map(|w| w.0),
                }
            })
            .collect()
    }
}

fn on_scale(fit: &Fit, link: Link) -> Vec<f64> {
    match link {
        Link::Probability => fit.scores(),
        Link::LinearLogit => fit.logits.clone(),
    }
}

/// Standard deviation (n - 1) of the kept.
fn deviation(values: &[f64], kept: &[bool]) -> f64 {
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

/// Numbers the combinations of values of the covariates named; `None` if none is named.
fn strata(frame: &Frame, field: &str, names: &[String]) -> Result<Option<Vec<u32>>> {
    let mut strata: Option<Vec<u32>> = None;
    for name in names {
        let values = &frame.covariates[frame.position(field, name)?].values;
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
    Ok(strata)
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
