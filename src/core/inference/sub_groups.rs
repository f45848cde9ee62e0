//! Sub-groups of a matched design: the primary measure among the people of one level of a covariate, and whether the
//! effects of several levels differ.
//!
//! A sub-group is everybody of the level in both groups, with the weights and sets of the whole design. A propensity
//! score that holds the covariate balances the others within its levels too, but only on average: a design that matches
//! exactly on the covariate does so set by set.

use crate::error::{Error, Result};
use crate::matching::Cholesky;

use super::absent::{Absent, Defined};
use super::analyse::{Design, GroupSizes, MeasureResult, StandardErrors, Subjects, compare_measure, sizes};
use super::distributions::chi_square_upper_tail;
use super::matched::{Robust, matched_difference, set_scores};
use super::plan::AnalysisPlan;

/// A covariate by whose levels a plan may name sub-groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubGroupBy {
    /// Age at the index date, in bands.
    AgeBand,
    /// Disposal of the index event.
    Disposal,
    /// Ethnicity.
    Ethnicity,
    /// Gender.
    Gender,
    /// Nationality.
    Nationality,
    /// Offence group of the index event.
    OffenceGroup,
    /// Region.
    Region,
}

/// The level of one covariate of everybody in a design.
#[derive(Debug, Clone, Copy)]
pub struct Levels<'a> {
    /// The covariate.
    pub by: SubGroupBy,
    /// Its level, one entry a person.
    pub level: &'a [String],
}

/// The primary measure in one sub-group.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SubGroupResult {
    /// The covariate.
    pub by: SubGroupBy,
    /// Its level.
    pub level: String,
    /// The sub-group's part of the treatment group.
    pub treatment: GroupSizes,
    /// The sub-group's part of the comparison group.
    pub comparison: GroupSizes,
    /// The most re-offences of one person: treatment, comparison.
    pub largest_reoffences: [u64; 2],
    /// The primary measure, with p-values adjusted over the family; none where a group has nobody of the level.
    pub result: Option<MeasureResult>,
}

/// Whether the effects in the sub-groups of one covariate differ.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InteractionTest {
    /// The covariate.
    pub by: SubGroupBy,
    /// The levels that are compared.
    pub levels: Vec<String>,
    /// Wald's statistic.
    pub statistic: Option<f64>,
    /// Levels less one.
    pub degrees_of_freedom: u32,
    /// P-value of the hypothesis that all effects are the same.
    pub p_value: Option<f64>,
    /// Holm's adjusted p-value over the family.
    pub p_value_holm: Option<f64>,
    /// Benjamini and Hochberg's adjusted p-value over the family.
    pub p_value_benjamini_hochberg: Option<f64>,
    /// Whether the unadjusted p-value is at most 1 - confidence and the gates of every sub-group are passed.
    pub conclusive: bool,
    /// Why there is no p-value.
    pub absent: Option<Absent>,
}

impl Levels<'_> {
    /// The design's weights, 0 for people of other levels.
    fn weights_within(&self, design: &Design<'_>, level: &str) -> Vec<f64> {
        design.weight.iter().zip(self.level).map(|(w, own)| if own == level { *w } else { 0.0 }).collect()
    }
}

/// The primary measure of the plan among the people of one level.
pub(super) fn sub_group(
    design: Design<'_>,
    levels: &Levels<'_>,
    level: &str,
    plan: &AnalysisPlan,
) -> Result<SubGroupResult> {
    let weight = levels.weights_within(&design, level);
    let within = Design { weight: &weight, ..design };
    let largest = |treated: bool| {
        let own = (0..weight.len()).filter(|&i| weight[i] > 0.0 && design.treated[i] == treated);
        own.map(|i| u64::from(design.outcome[i].reoffences)).max().unwrap_or(0)
    };
    Ok(SubGroupResult {
        by: levels.by,
        level: level.to_owned(),
        treatment: sizes(&within, true),
        comparison: sizes(&within, false),
        largest_reoffences: [largest(true), largest(false)],
        result: match compare_measure(within, plan.primary_measure, plan) {
            Ok(result) => Some(result),
            Err(Error::TooFew { .. }) => None,
            Err(other) => return Err(other),
        },
    })
}

/// Wald's test that the differences in all `sub_groups` (of one covariate) are the same: chi-square with one degree of
/// freedom less than sub-groups (Wald 1943), which is Cochran's Q (1954) where no matched set holds people of two levels.
/// Where one does, the covariance of two differences is the sum over such sets of the products of what they add to each,
/// with the correction of the cluster-robust variances (Liang and Zeger 1986).
pub(super) fn interaction_test(
    design: Design<'_>,
    levels: &Levels<'_>,
    sub_groups: &[SubGroupResult],
    plan: &AnalysisPlan,
) -> Result<InteractionTest> {
    let found = wald(design, levels, sub_groups, plan)?;
    let p_value = found.map(|(_, p)| p);
    let passed = |group: &SubGroupResult| group.result.as_ref().is_some_and(|m| m.gates.iter().all(|gate| gate.passed));
    Ok(InteractionTest {
        by: levels.by,
        levels: sub_groups.iter().map(|group| group.level.clone()).collect(),
        statistic: found.ok().map(|(statistic, _)| statistic),
        degrees_of_freedom: sub_groups.len().saturating_sub(1) as u32,
        p_value: p_value.ok(),
        p_value_holm: None,
        p_value_benjamini_hochberg: None,
        conclusive: p_value.is_ok_and(|p| p <= plan.significance_level()) && sub_groups.iter().all(passed),
        absent: p_value.err(),
    })
}

/// The statistic and its p-value.
fn wald(
    design: Design<'_>,
    levels: &Levels<'_>,
    sub_groups: &[SubGroupResult],
    plan: &AnalysisPlan,
) -> Result<Defined<(f64, f64)>> {
    let clustered = design.standard_errors() == StandardErrors::MatchedSets;
    let mut differences = Vec::new();
    let mut errors = Vec::new();
    let mut scores = Vec::new();
    for group in sub_groups {
        let Some(result) = &group.result else { return Ok(Err(Absent::NobodyToMeasure)) };
        let Some((difference, error)) = result.difference.zip(result.standard_error) else {
            return Ok(Err(Absent::NoVariance));
        };
        differences.push(difference);
        errors.push(error);
        if clustered {
            let weight = levels.weights_within(&design, &group.level);
            let subjects = Subjects::new(&Design { weight: &weight, ..design }, plan.primary_measure);
            let sample = subjects.sample()?;
            // The standard error over that without correction is the root of the correction.
            let plain = matched_difference(sample, Robust::Sets0, plan.confidence).and_then(|m| m.test);
            match (plain, set_scores(sample)) {
                (Ok(plain), Ok(own)) => scores.push((error / plain.standard_error, own)),
                (Err(absent), _) | (_, Err(absent)) => return Ok(Err(absent)),
            }
        }
    }
    let covariance = |i: usize, j: usize| {
        if i == j {
            return errors[i] * errors[i];
        }
        let (Some((a, own)), Some((b, other))) = (scores.get(i), scores.get(j)) else { return 0.0 };
        a * b * own.iter().filter_map(|(set, score)| Some(score * other.get(set)?)).sum::<f64>()
    };
    // Each difference less the last one, and the covariance of these contrasts.
    let last = differences.len() - 1;
    let contrasts: Vec<f64> = differences[..last].iter().map(|d| d - differences[last]).collect();
    let matrix: Vec<f64> = (0..last)
        .flat_map(|i| (0..last).map(move |j| (i, j)))
        .map(|(i, j)| covariance(i, j) - covariance(i, last) - covariance(last, j) + covariance(last, last))
        .collect();
    let Ok(root) = Cholesky::new(&matrix, last, "the covariance of sub-groups") else {
        return Ok(Err(Absent::NoVariance));
    };
    let statistic: f64 = root.solve(&contrasts).iter().zip(&contrasts).map(|(x, d)| x * d).sum();
    Ok(Ok((statistic, chi_square_upper_tail(statistic, last as f64))))
}
