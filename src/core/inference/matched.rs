//! Differences between matched or weighted groups, with standard errors that honour weights and pairing.
//!
//! The estimate is that of a weighted regression of the outcome on treatment: the difference of weighted means. With
//! all weights 1 and a yes/no outcome it is x1/n1 - x2/n2 to the last digit.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::number::pairwise_sum;

use super::absent::{Absent, Confidence, Defined, Interval};
use super::distributions::normal_two_sided;
use super::means::{TTest, effective_n};

/// People of a matched or weighted design, one entry each in four slices of the same length.
#[derive(Debug, Clone, Copy)]
pub struct MatchedSample<'a> {
    pub(super) treated: &'a [bool],
    pub(super) outcome: &'a [f64],
    pub(super) weight: &'a [f64],
    pub(super) set: &'a [Option<u32>],
}

impl<'a> MatchedSample<'a> {
    /// Group, outcome, weight (0 leaves a person out) and matched set (`None` where the design has none).
    ///
    /// # Errors
    /// `InvalidInput` on `people` of unequal lengths, `outcome` not finite, `weight` negative or not finite.
    pub fn new(treated: &'a [bool], outcome: &'a [f64], weight: &'a [f64], set: &'a [Option<u32>]) -> Result<Self> {
        if [outcome.len(), weight.len(), set.len()].iter().any(|n| *n != treated.len()) {
            return Err(Error::invalid("people", "must have a group, an outcome, a weight and a set each"));
        }
        if !outcome.iter().all(|y| y.is_finite()) {
            return Err(Error::invalid("outcome", "must be finite numbers"));
        }
        if !weight.iter().all(|w| w.is_finite() && *w >= 0.0) {
            return Err(Error::invalid("weight", "must be finite and not negative"));
        }
        Ok(Self { treated, outcome, weight, set })
    }
}

/// How the standard error of a difference is made robust. `Sets` treats matched sets as clusters, the others people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Robust {
    /// Ordinary weighted least squares: one variance for all.
    Classical,
    /// White 1980.
    Hc0,
    /// HC0 times n / (n - 2) (Hinkley 1977).
    Hc1,
    /// Residuals over the root of one less leverage (MacKinnon and White 1985).
    Hc2,
    /// Residuals over one less leverage (MacKinnon and White 1985, after the jackknife).
    Hc3,
    /// Clustered on matched sets without correction (Liang and Zeger 1986).
    Sets0,
    /// Clustered on matched sets times G/(G-1) (n-1)/(n-2), G sets (Stata's correction).
    Sets1,
}

/// A difference of weighted means of two matched groups, treatment minus comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchedDifference {
    /// Weighted means of treatment and comparison.
    pub means: [f64; 2],
    /// Kish's effective number of each group.
    pub effective_n: [f64; 2],
    /// People with a weight above 0 in each group.
    pub people: [usize; 2],
    /// Matched sets; a person in none counts as one.
    pub sets: usize,
    /// Treatment mean minus comparison mean.
    pub difference: f64,
    /// The t-test: n - 2 degrees of freedom, sets - 1 where clustered (Cameron and Miller 2015).
    pub test: Defined<TTest>,
    /// The p-value of the same statistic under the normal distribution.
    pub p_normal: Defined<f64>,
    /// The ratio of the means with its interval from the same robust variance; absent unless both means are above 0.
    pub ratio: Defined<MeanRatio>,
}

/// A ratio of two means: the risk ratio where the outcome is yes/no.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanRatio {
    /// Treatment mean over comparison mean.
    pub ratio: f64,
    /// Standard error of its logarithm (delta method).
    pub standard_error_log: f64,
    /// Normal interval, symmetric in the logarithm.
    pub interval: Interval,
}

/// One person with a weight above 0: group (0 treatment, 1 comparison), centred outcome, share of the group's weight, set.
struct Row {
    group: usize,
    residual: f64,
    share: f64,
    weight: f64,
    set: Option<u32>,
}

/// The difference of weighted means with the standard error asked for; sources stand at each [`Robust`].
///
/// # Errors
/// [`Absent::NobodyToMeasure`] where a group has nobody with a weight above 0.
pub fn matched_difference(
    sample: MatchedSample<'_>,
    robust: Robust,
    confidence: Confidence,
) -> Defined<MatchedDifference> {
    let Centred { rows, means, totals, weights } = centred(sample)?;
    let people = [weights[0].len(), weights[1].len()];
    let clusters = Clusters::new(&rows);
    let spread = Spread { rows: &rows, totals, people, clusters: &clusters, robust };
    let difference = means[0] - means[1];
    let clustered = matches!(robust, Robust::Sets0 | Robust::Sets1);
    let df = if clustered { clusters.count as f64 - 1.0 } else { rows.len() as f64 - 2.0 };
    let standard_error = spread.standard_error([1.0, -1.0]);
    let ratio = if means.iter().all(|m| *m > 0.0) {
        spread.standard_error([1.0 / means[0], -1.0 / means[1]]).map(|se| {
            let (log, half) = ((means[0] / means[1]).ln(), confidence.z() * se);
            MeanRatio {
                ratio: means[0] / means[1],
                standard_error_log: se,
                interval: Interval { low: (log - half).exp(), high: (log + half).exp() },
            }
        })
    } else {
        Err(Absent::NoEventsInOneGroup)
    };
    Ok(MatchedDifference {
        means,
        effective_n: [effective_n(&weights[0]), effective_n(&weights[1])],
        people,
        sets: clusters.count,
        difference,
        test: standard_error.map(|se| TTest::new(difference, se, df, confidence)),
        p_normal: standard_error.map(|se| normal_two_sided(difference / se)),
        ratio,
    })
}

/// Everybody with a weight above 0, with the weighted means of treatment and comparison.
struct Centred {
    rows: Vec<Row>,
    means: [f64; 2],
    totals: [f64; 2],
    weights: [Vec<f64>; 2],
}

fn centred(sample: MatchedSample<'_>) -> Defined<Centred> {
    let mut values: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    let mut weights: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for i in (0..sample.treated.len()).filter(|&i| sample.weight[i] > 0.0) {
        let group = usize::from(!sample.treated[i]);
        values[group].push(sample.weight[i] * sample.outcome[i]);
        weights[group].push(sample.weight[i]);
    }
    if weights.iter().any(Vec::is_empty) {
        return Err(Absent::NobodyToMeasure);
    }
    let totals = [pairwise_sum(&weights[0]), pairwise_sum(&weights[1])];
    let means = [pairwise_sum(&values[0]) / totals[0], pairwise_sum(&values[1]) / totals[1]];
    let rows = (0..sample.treated.len())
        .filter(|&i| sample.weight[i] > 0.0)
        .map(|i| {
            let group = usize::from(!sample.treated[i]);
            Row {
                group,
                residual: sample.outcome[i] - means[group],
                share: sample.weight[i] / totals[group],
                weight: sample.weight[i],
                set: sample.set[i],
            }
        })
        .collect();
    Ok(Centred { rows, means, totals, weights })
}

/// What each matched set adds to the error of the difference of weighted means: the sum of the squares is the variance
/// of [`Robust::Sets0`] where everybody is in a set, and products with the scores of other people of the same sets give
/// the covariance of two differences.
pub(super) fn set_scores(sample: MatchedSample<'_>) -> Defined<BTreeMap<u32, f64>> {
    let mut scores = BTreeMap::new();
    for row in centred(sample)?.rows {
        if let Some(set) = row.set {
            let sign = if row.group == 0 { 1.0 } else { -1.0 };
            *scores.entry(set).or_insert(0.0) += sign * row.share * row.residual;
        }
    }
    Ok(scores)
}

/// Rows in the order of their sets, and where each set begins.
struct Clusters {
    order: Vec<usize>,
    count: usize,
}

impl Clusters {
    fn new(rows: &[Row]) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&i| (rows[i].set, i));
        let mut clusters = Self { order, count: 0 };
        clusters.count = clusters.chunks(rows).count();
        clusters
    }

    fn chunks<'a>(&'a self, rows: &'a [Row]) -> impl Iterator<Item = &'a [usize]> {
        self.order.chunk_by(|&a, &b| rows[a].set.is_some() && rows[a].set == rows[b].set)
    }
}

struct Spread<'a> {
    rows: &'a [Row],
    totals: [f64; 2],
    people: [usize; 2],
    clusters: &'a Clusters,
    robust: Robust,
}

impl Spread<'_> {
    /// Standard error of the sum over both groups of `slope` times the group's mean.
    fn standard_error(&self, slope: [f64; 2]) -> Defined<f64> {
        let n = self.rows.len() as f64;
        let clustered = matches!(self.robust, Robust::Sets0 | Robust::Sets1);
        let leverage = matches!(self.robust, Robust::Hc2 | Robust::Hc3);
        if (clustered && self.clusters.count < 2) || n < 3.0 || (leverage && self.people.contains(&1)) {
            return Err(Absent::OnePerson);
        }
        let score = |row: &Row| slope[row.group] * row.share * row.residual;
        let sum = |term: &dyn Fn(&Row) -> f64| pairwise_sum(&self.rows.iter().map(term).collect::<Vec<f64>>());
        let sets = || {
            let squares: Vec<f64> = self
                .clusters
                .chunks(self.rows)
                .map(|set| set.iter().map(|&i| score(&self.rows[i])).sum::<f64>().powi(2))
                .collect();
            pairwise_sum(&squares)
        };
        let variance = match self.robust {
            Robust::Classical => {
                let residual = sum(&|r| r.weight * r.residual * r.residual) / (n - 2.0);
                residual * (slope[0] * slope[0] / self.totals[0] + slope[1] * slope[1] / self.totals[1])
            }
            Robust::Hc0 => sum(&|r| score(r).powi(2)),
            Robust::Hc1 => sum(&|r| score(r).powi(2)) * n / (n - 2.0),
            Robust::Hc2 => sum(&|r| score(r).powi(2) / (1.0 - r.share)),
            Robust::Hc3 => sum(&|r| (score(r) / (1.0 - r.share)).powi(2)),
            Robust::Sets0 => sets(),
            Robust::Sets1 => {
                let g = self.clusters.count as f64;
                sets() * (g / (g - 1.0)) * ((n - 1.0) / (n - 2.0))
            }
        };
        if variance > 0.0 { Ok(variance.sqrt()) } else { Err(Absent::NoVariance) }
    }
}

/// The doubly robust estimate of the effect on the treated: right if either the propensity score or the outcome model is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DoublyRobust {
    /// Mean outcome of the treated less the estimate of what it would have been without treatment.
    pub effect: f64,
    /// Standard error from the influence function.
    pub standard_error: f64,
    /// Two-sided normal p-value.
    pub p_value: f64,
    /// Normal interval.
    pub interval: Interval,
}

/// Augmented inverse probability weighting for the effect on the treated (Robins, Rotnitzky and Zhao 1994; in the form
/// of Mercatanti and Li 2014, with the comparison weights normalised). `score` is the propensity score,
/// strictly below 1 for the untreated; `expected` the outcome expected without treatment by a model fitted to the untreated.
///
/// # Errors
/// `InvalidInput` on unequal lengths, a `score` outside 0 to 1 or at 1 for somebody untreated, values that are not
/// finite. Absent where a group is empty or nothing varies.
pub fn aipw_att(
    treated: &[bool],
    outcome: &[f64],
    score: &[f64],
    expected: &[f64],
    confidence: Confidence,
) -> Result<Defined<DoublyRobust>> {
    if [outcome.len(), score.len(), expected.len()].iter().any(|n| *n != treated.len()) {
        return Err(Error::invalid("people", "must have a group, an outcome, a score and an expectation each"));
    }
    if !outcome.iter().chain(expected).all(|v| v.is_finite()) {
        return Err(Error::invalid("outcome", "must be finite numbers, expected ones too"));
    }
    if !treated.iter().zip(score).all(|(&t, &e)| (0.0..=1.0).contains(&e) && (t || e < 1.0)) {
        return Err(Error::invalid("score", "must lie between 0 and 1, below 1 for the comparison group"));
    }
    // Each person's residual weighted: treated by 1, the others by the odds of treatment.
    let people: Vec<(bool, f64, f64)> = (0..treated.len())
        .map(|i| (treated[i], if treated[i] { 1.0 } else { score[i] / (1.0 - score[i]) }, outcome[i] - expected[i]))
        .collect();
    let group = |t: bool| {
        let weights: Vec<f64> = people.iter().filter(|p| p.0 == t).map(|p| p.1).collect();
        let residuals: Vec<f64> = people.iter().filter(|p| p.0 == t).map(|p| p.1 * p.2).collect();
        (pairwise_sum(&weights), pairwise_sum(&residuals))
    };
    let ((n1, r1), (n0, r0)) = (group(true), group(false));
    if n1 <= 0.0 || n0 <= 0.0 {
        return Ok(Err(Absent::NobodyToMeasure));
    }
    let (m1, m0) = (r1 / n1, r0 / n0);
    let effect = m1 - m0;
    let squares: Vec<f64> =
        people.iter().map(|&(t, w, r)| if t { ((r - m1) / n1).powi(2) } else { (w * (r - m0) / n0).powi(2) }).collect();
    let standard_error = pairwise_sum(&squares).sqrt();
    if standard_error <= 0.0 {
        return Ok(Err(Absent::NoVariance));
    }
    Ok(Ok(DoublyRobust {
        effect,
        standard_error,
        p_value: normal_two_sided(effect / standard_error),
        interval: Interval::around(effect, confidence.z() * standard_error),
    }))
}
