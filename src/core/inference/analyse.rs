//! The whole test set of one matched design: what the report is made from.

use crate::error::{Error, Result};
use crate::number::Heartbeat;
use crate::outcomes::PersonOutcome;

use super::absent::{Absent, Confidence, Defined, Interval, finite};
use super::adjust::{benjamini_hochberg, holm};
use super::compare::{AbsentField, TARGET_POWER};
use super::cox::HazardRatio;
use super::curves::{Curve, Curves, curves};
use super::distributions::{normal_quantile, student_quantile};
use super::explain::{Sensitivity, sensitivity};
use super::matched::{MatchedSample, MeanRatio, Robust, matched_difference};
use super::means::{Sample, TTest, effective_n, weighted_welch};
use super::measure::{Measure, Unit};
use super::plan::AnalysisPlan;
use super::rates::wilson_limits;
use super::sub_groups::{InteractionTest, Levels, SubGroupResult, interaction_test, sub_group};

/// Treatment re-offenders needed before a significant result may be called one (and days may be printed).
pub const REOFFENDERS_NEEDED: f64 = 30.0;
/// Effective number of people of each group needed behind a measure.
pub const EFFECTIVE_N_NEEDED: f64 = 10.0;

/// The people of a matched design, one entry each in four slices of the same length.
#[derive(Debug, Clone, Copy)]
pub struct Design<'a> {
    /// Whether the person is in the treatment group.
    pub treated: &'a [bool],
    /// Matching weight; 0 leaves the person out.
    pub weight: &'a [f64],
    /// Matched set; `None` for everybody in a design without sets (radius, weighting, matching with replacement).
    pub set: &'a [Option<u32>],
    /// Outcome of the follow-up.
    pub outcome: &'a [PersonOutcome],
}

/// Everything that is known about one comparison.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Analysis {
    /// The plan that was followed.
    pub plan: AnalysisPlan,
    /// How standard errors were made.
    pub standard_errors: StandardErrors,
    /// The treatment group.
    pub treatment: GroupSizes,
    /// The comparison group.
    pub comparison: GroupSizes,
    /// One result for every measure, in the order of [`Measure::ALL`].
    pub measures: Vec<MeasureResult>,
    /// The primary measure in each sub-group of the plan, in the plan's order.
    #[serde(default)]
    pub sub_groups: Vec<SubGroupResult>,
    /// Whether the sub-groups of a covariate differ, for each that the plan asks this of.
    #[serde(default)]
    pub interactions: Vec<InteractionTest>,
    /// How strong a hidden factor would have to be, for the primary measure.
    pub sensitivity: Sensitivity,
    /// Cumulative re-offending of the treatment group.
    pub treatment_curve: Curve,
    /// Cumulative re-offending of the comparison group.
    pub comparison_curve: Curve,
    /// P-value of the log-rank test of the two curves, a description outside the family of tests; it ignores pairing.
    pub log_rank_p_value: Option<f64>,
    /// Hazard of a first re-offence, treatment over comparison: weighted, clustered on matched sets; outside the family too.
    #[serde(default)]
    pub hazard_ratio: Option<HazardRatio>,
    /// Why fields are empty.
    pub absent: Vec<AbsentField>,
}

/// How the standard errors of the differences honour the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandardErrors {
    /// Robust, clustered on matched sets; t with one degree of freedom less than sets.
    MatchedSets,
    /// Welch's test with weighted means over effective numbers of people.
    EffectiveNumbers,
}

/// How many people stand behind a group.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GroupSizes {
    /// People with a weight above 0.
    pub people: u64,
    /// Kish's effective number of them.
    pub effective_n: f64,
    /// Those who re-offended (people, not weighted).
    pub reoffenders: u64,
    /// Their proven re-offences (not weighted).
    pub reoffences: u64,
    /// People who died, or were locked away for long, before any re-offence; they stay in every denominator.
    pub left_early: u64,
}

/// One group's side of one measure.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GroupEstimate {
    /// People whom the measure is about.
    pub people: u64,
    /// Kish's effective number of them.
    pub effective_n: f64,
    /// What was counted, not weighted: people for shares, re-offences for frequencies, re-offenders for days.
    pub events: u64,
    /// Weighted mean in the measure's unit.
    pub value: Option<f64>,
    /// Lower limit: Wilson's over the effective number for shares, Student's for means, never below 0.
    pub low: Option<f64>,
    /// Upper limit.
    pub high: Option<f64>,
}

/// A condition for saying something, as data.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Gate {
    /// What is counted: `treatment_reoffenders`, `treatment_effective_n` or `comparison_effective_n`.
    pub name: String,
    /// How many there must be.
    pub need: f64,
    /// How many there are.
    pub have: f64,
    /// Whether that is enough.
    pub passed: bool,
}

impl Gate {
    fn new(name: &str, need: f64, have: f64) -> Self {
        // An effective number of ten equal weights may round to just below ten.
        Self { name: name.to_owned(), need, have, passed: have >= need - 1e-9 }
    }
}

/// One measure compared. Differences are treatment minus comparison, in the measure's unit.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MeasureResult {
    /// The measure.
    pub measure: Measure,
    /// The table of the report that it stands in.
    pub table: u8,
    /// What it counts.
    pub unit: Unit,
    /// Whether it is about re-offenders only.
    pub reoffenders_only: bool,
    /// The treatment group's side.
    pub treatment: GroupEstimate,
    /// The comparison group's side.
    pub comparison: GroupEstimate,
    /// Treatment minus comparison.
    pub difference: Option<f64>,
    /// Standard error of the difference.
    pub standard_error: Option<f64>,
    /// Degrees of freedom of the t-test.
    pub degrees_of_freedom: Option<f64>,
    /// Lower limit of the difference.
    pub difference_low: Option<f64>,
    /// Upper limit of the difference.
    pub difference_high: Option<f64>,
    /// Two-sided p-value as it is.
    pub p_value: Option<f64>,
    /// Holm's adjusted p-value over the plan's family; empty for a measure outside it.
    pub p_value_holm: Option<f64>,
    /// Benjamini and Hochberg's adjusted p-value over the plan's family; empty for a measure outside it.
    pub p_value_benjamini_hochberg: Option<f64>,
    /// Difference over the pooled (weighted) standard deviation of a person's value.
    pub standardised_difference: Option<f64>,
    /// Treatment over comparison: the risk ratio for shares, the rate ratio for frequencies.
    pub ratio: Option<f64>,
    /// Lower limit of the ratio.
    pub ratio_low: Option<f64>,
    /// Upper limit of the ratio.
    pub ratio_high: Option<f64>,
    /// Whether the unadjusted p-value is at most 1 - confidence.
    pub significant: bool,
    /// What must hold before a significant result is called one.
    pub gates: Vec<Gate>,
    /// Significant, and every gate passed.
    pub conclusive: bool,
    /// Where not significant: people in the treatment group needed, all else (weights, pairing, spread) staying as it is,
    /// to find a difference of this size with power 0.8.
    pub number_needed: Option<f64>,
    /// Why fields are empty.
    pub absent: Vec<AbsentField>,
}

/// Analyses a matched design by `plan`. `levels` are the covariates by which the plan names sub-groups. The heartbeat is
/// called between measures and within the permutation test.
///
/// # Errors
/// `InvalidInput` on the plan, on `people` (slices of unequal length), on `weight` (negative or not finite), on
/// `sub_groups` (a covariate that the plan names is not among `levels`, or has not a level for everybody); `TooFew` where a
/// group has nobody with a weight above 0.
pub fn analyse(
    design: Design<'_>,
    levels: &[Levels<'_>],
    plan: &AnalysisPlan,
    heartbeat: Heartbeat<'_>,
) -> Result<Analysis> {
    plan.check()?;
    let groups = checked_sizes(&design)?;
    let standard_errors = design.standard_errors();
    let mut measures = Vec::with_capacity(Measure::ALL.len());
    for measure in Measure::ALL {
        measures.push(Compared::new(&design, measure, standard_errors, plan.confidence)?.result(&groups[0], plan));
        heartbeat();
    }
    let mut sub_groups = Vec::new();
    let mut interactions = Vec::new();
    for (by, named) in &plan.sub_groups {
        let of = levels.iter().find(|of| of.by == *by && of.level.len() == design.treated.len());
        let of = of.ok_or_else(|| Error::invalid("sub_groups", "need a level of the covariate for everybody"))?;
        let first = sub_groups.len();
        for level in named {
            sub_groups.push(sub_group(design, of, level, plan)?);
            heartbeat();
        }
        if plan.interaction_tests.contains(by) {
            interactions.push(interaction_test(design, of, &sub_groups[first..], plan)?);
        }
    }
    adjust(&mut measures, &mut sub_groups, &mut interactions, plan);
    let Curves { groups: [treatment_curve, comparison_curve], log_rank_p_value, hazard_ratio } =
        curves(&design, plan.confidence)?;
    let absent = [("log_rank_p_value", log_rank_p_value.err()), ("hazard_ratio", hazard_ratio.err())];
    let absent = absent
        .into_iter()
        .filter_map(|(field, reason)| reason.map(|reason| AbsentField { field: field.to_owned(), reason }));
    Ok(Analysis {
        plan: plan.clone(),
        standard_errors,
        treatment: groups[0],
        comparison: groups[1],
        sensitivity: sensitivity(&design, &measures, plan, heartbeat)?,
        treatment_curve,
        comparison_curve,
        log_rank_p_value: log_rank_p_value.ok(),
        hazard_ratio: hazard_ratio.ok(),
        measures,
        sub_groups,
        interactions,
        absent: absent.collect(),
    })
}

/// One measure of a matched design, not adjusted for any other test.
///
/// # Errors
/// As [`analyse`].
pub fn compare_measure(design: Design<'_>, measure: Measure, plan: &AnalysisPlan) -> Result<MeasureResult> {
    let groups = checked_sizes(&design)?;
    Ok(Compared::new(&design, measure, design.standard_errors(), plan.confidence)?.result(&groups[0], plan))
}

impl Design<'_> {
    pub(super) fn standard_errors(&self) -> StandardErrors {
        let in_sets = (0..self.set.len()).any(|i| self.weight[i] > 0.0 && self.set[i].is_some());
        if in_sets { StandardErrors::MatchedSets } else { StandardErrors::EffectiveNumbers }
    }
}

/// The sizes of treatment and comparison group of a design that can be compared.
fn checked_sizes(design: &Design<'_>) -> Result<[GroupSizes; 2]> {
    let n = design.treated.len();
    if [design.weight.len(), design.set.len(), design.outcome.len()].iter().any(|len| *len != n) {
        return Err(Error::invalid("people", "must have a group, a weight, a set and an outcome each"));
    }
    if !design.weight.iter().all(|w| w.is_finite() && *w >= 0.0) {
        return Err(Error::invalid("weight", "must be finite and not negative"));
    }
    let groups = [sizes(design, true), sizes(design, false)];
    for (group, what) in groups.iter().zip(["people in the treatment group", "people in the comparison group"]) {
        if group.people == 0 {
            return Err(Error::too_few(what, 0, 1));
        }
    }
    Ok(groups)
}

pub(super) fn sizes(design: &Design<'_>, treated: bool) -> GroupSizes {
    let kept = || (0..design.treated.len()).filter(|&i| design.treated[i] == treated && design.weight[i] > 0.0);
    let weights: Vec<f64> = kept().map(|i| design.weight[i]).collect();
    let count = |yes: &dyn Fn(&PersonOutcome) -> bool| kept().filter(|&i| yes(&design.outcome[i])).count() as u64;
    GroupSizes {
        people: weights.len() as u64,
        effective_n: if weights.is_empty() { 0.0 } else { effective_n(&weights) },
        reoffenders: count(&PersonOutcome::reoffended),
        reoffences: kept().map(|i| u64::from(design.outcome[i].reoffences)).sum(),
        left_early: count(&|o| !o.followed_throughout && !o.reoffended()),
    }
}

/// Fills in the adjusted p-values of the family: the measures that the plan counts to it, and every test of sub-groups.
fn adjust(
    measures: &mut [MeasureResult],
    sub_groups: &mut [SubGroupResult],
    interactions: &mut [InteractionTest],
    plan: &AnalysisPlan,
) {
    let of_everybody = measures.iter_mut().filter(|m| plan.family.contains(&m.measure));
    let of_sub_groups = sub_groups.iter_mut().filter_map(|group| group.result.as_mut());
    let mut family: Vec<(Option<f64>, [&mut Option<f64>; 2])> = of_everybody
        .chain(of_sub_groups)
        .map(|m| (m.p_value, [&mut m.p_value_holm, &mut m.p_value_benjamini_hochberg]))
        .chain(interactions.iter_mut().map(|i| (i.p_value, [&mut i.p_value_holm, &mut i.p_value_benjamini_hochberg])))
        .collect();
    let raw: Vec<Option<f64>> = family.iter().map(|(p, _)| *p).collect();
    for (((_, adjusted), holm), bh) in family.iter_mut().zip(holm(&raw)).zip(benjamini_hochberg(&raw)) {
        *adjusted[0] = holm;
        *adjusted[1] = bh;
    }
}

/// The people whom a measure is about.
pub(super) struct Subjects {
    pub treated: Vec<bool>,
    pub value: Vec<f64>,
    pub weight: Vec<f64>,
    pub set: Vec<Option<u32>>,
}

impl Subjects {
    pub fn new(design: &Design<'_>, measure: Measure) -> Self {
        let mut subjects = Self { treated: Vec::new(), value: Vec::new(), weight: Vec::new(), set: Vec::new() };
        for i in (0..design.treated.len()).filter(|&i| design.weight[i] > 0.0) {
            if let Some(value) = measure.value(&design.outcome[i]) {
                subjects.treated.push(design.treated[i]);
                subjects.value.push(value);
                subjects.weight.push(design.weight[i]);
                subjects.set.push(design.set[i]);
            }
        }
        subjects
    }

    pub fn sample(&self) -> Result<MatchedSample<'_>> {
        MatchedSample::new(&self.treated, &self.value, &self.weight, &self.set)
    }

    /// Values and weights of one group.
    fn group(&self, treated: bool) -> (Vec<f64>, Vec<f64>) {
        (0..self.value.len()).filter(|&i| self.treated[i] == treated).map(|i| (self.value[i], self.weight[i])).unzip()
    }
}

/// One measure's estimates before they are laid out.
struct Compared {
    measure: Measure,
    groups: [GroupEstimate; 2],
    difference: Defined<f64>,
    test: Defined<TTest>,
    ratio: Defined<MeanRatio>,
    deviation: Defined<f64>,
}

impl Compared {
    fn new(design: &Design<'_>, measure: Measure, errors: StandardErrors, confidence: Confidence) -> Result<Self> {
        let subjects = Subjects::new(design, measure);
        let sides = [subjects.group(true), subjects.group(false)];
        let mut estimates = Vec::with_capacity(2);
        for (values, weights) in &sides {
            estimates.push(estimate(measure, values, weights, confidence)?);
        }
        let groups = [estimates[0], estimates[1]];
        if groups.iter().any(|g| g.people == 0) {
            let nobody = Absent::NobodyToMeasure;
            return Ok(Self {
                measure,
                groups,
                difference: Err(nobody),
                test: Err(nobody),
                ratio: Err(nobody),
                deviation: Err(nobody),
            });
        }
        let [first, second] = [Sample::new(&sides[0].0, &sides[0].1)?, Sample::new(&sides[1].0, &sides[1].1)?];
        let welch = weighted_welch(first, second, confidence);
        let robust = match errors {
            StandardErrors::MatchedSets => Robust::Sets1,
            // Without sets HC0 of the log ratio is Katz' variance where all weights are equal.
            StandardErrors::EffectiveNumbers => Robust::Hc0,
        };
        let matched = matched_difference(subjects.sample()?, robust, confidence);
        let test = match errors {
            StandardErrors::MatchedSets => matched.and_then(|m| m.test),
            StandardErrors::EffectiveNumbers => welch.test,
        };
        let ratio =
            if measure.unit() == Unit::Days { Err(Absent::NotApplicable) } else { matched.and_then(|m| m.ratio) };
        let deviation = welch.variances[0].and_then(|v1| {
            welch.variances[1].and_then(|v2| {
                let [n1, n2] = welch.effective_n.map(|n| n - 1.0);
                let pooled = ((n1 * v1 + n2 * v2) / (n1 + n2)).sqrt();
                if pooled > 0.0 { Ok(pooled) } else { Err(Absent::NoVariance) }
            })
        });
        Ok(Self { measure, groups, difference: Ok(welch.difference), test, ratio, deviation })
    }

    fn result(self, treatment: &GroupSizes, plan: &AnalysisPlan) -> MeasureResult {
        let mut absent = Vec::new();
        let mut field = |name: &str, value: Defined<f64>| match value.and_then(finite) {
            Ok(value) => Some(value),
            Err(reason) => {
                absent.push(AbsentField { field: name.to_owned(), reason });
                None
            }
        };
        let p_value = self.test.map(|t| t.p_value);
        let significant = p_value.is_ok_and(|p| p <= plan.significance_level());
        let gates = vec![
            Gate::new("treatment_reoffenders", REOFFENDERS_NEEDED, treatment.reoffenders as f64),
            Gate::new("treatment_effective_n", EFFECTIVE_N_NEEDED, self.groups[0].effective_n),
            Gate::new("comparison_effective_n", EFFECTIVE_N_NEEDED, self.groups[1].effective_n),
        ];
        MeasureResult {
            measure: self.measure,
            table: self.measure.table(),
            unit: self.measure.unit(),
            reoffenders_only: self.measure.reoffenders_only(),
            treatment: self.groups[0],
            comparison: self.groups[1],
            difference: field("difference", self.difference),
            standard_error: field("standard_error", self.test.map(|t| t.standard_error)),
            degrees_of_freedom: field("degrees_of_freedom", self.test.map(|t| t.degrees_of_freedom)),
            difference_low: field("difference_low", self.test.map(|t| t.interval.low)),
            difference_high: field("difference_high", self.test.map(|t| t.interval.high)),
            p_value: field("p_value", p_value),
            p_value_holm: None,
            p_value_benjamini_hochberg: None,
            standardised_difference: field(
                "standardised_difference",
                self.difference.and_then(|d| self.deviation.map(|s| d / s)),
            ),
            ratio: field("ratio", self.ratio.map(|r| r.ratio)),
            ratio_low: field("ratio_low", self.ratio.map(|r| r.interval.low)),
            ratio_high: field("ratio_high", self.ratio.map(|r| r.interval.high)),
            significant,
            conclusive: significant && gates.iter().all(|g| g.passed),
            gates,
            number_needed: field("number_needed", number_needed(self.test, significant, treatment, plan)),
            absent,
        }
    }
}

/// The treatment group times what its standard error must shrink by: n (z_alpha + z_power)^2 (se / d)^2.
fn number_needed(test: Defined<TTest>, significant: bool, treatment: &GroupSizes, plan: &AnalysisPlan) -> Defined<f64> {
    if significant {
        return Err(Absent::AlreadySignificant);
    }
    let test = test?;
    // A difference of nothing but rounding errors would ask for 10^18 people.
    if test.difference.abs() <= 1e-9 * test.standard_error {
        return Err(Absent::NoDifference);
    }
    let shrink = (plan.confidence.z() + normal_quantile(TARGET_POWER)) * test.standard_error / test.difference;
    Ok((treatment.people as f64 * shrink * shrink).ceil())
}

/// One group's estimate of one measure with its interval.
fn estimate(measure: Measure, values: &[f64], weights: &[f64], confidence: Confidence) -> Result<GroupEstimate> {
    let events = match measure.unit() {
        Unit::Days => values.len() as u64,
        Unit::Share | Unit::PerPerson => values.iter().sum::<f64>() as u64,
    };
    let people = values.len() as u64;
    if people == 0 {
        return Ok(GroupEstimate { people, effective_n: 0.0, events, value: None, low: None, high: None });
    }
    let moments = Sample::new(values, weights)?.moments();
    let interval = if measure.unit() == Unit::Share {
        let share = moments.mean.min(1.0);
        Ok(wilson_limits(share * moments.effective_n, moments.effective_n, confidence))
    } else {
        moments.variance.map(|v| {
            let t = student_quantile(confidence.alpha() / 2.0, moments.effective_n - 1.0);
            let around = Interval::around(moments.mean, t * (v / moments.effective_n).sqrt());
            Interval { low: around.low.max(0.0), high: around.high }
        })
    };
    Ok(GroupEstimate {
        people,
        effective_n: moments.effective_n,
        events,
        value: Some(moments.mean),
        low: interval.ok().map(|i| i.low),
        high: interval.ok().map(|i| i.high),
    })
}
