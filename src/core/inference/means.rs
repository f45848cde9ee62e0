//! Means of two groups: Welch's test, its weighted form with effective numbers, robust differences, Hedges' g.

use crate::error::{Error, Result};
use crate::number::pairwise_sum;

use super::absent::{Absent, Confidence, Defined, Interval};
use super::distributions::{normal_two_sided, stirling_error, student_quantile, student_two_sided};

/// Values of one group with their weights; checked: as many weights as values, all finite, none negative, not all zero.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    values: &'a [f64],
    weights: &'a [f64],
}

impl<'a> Sample<'a> {
    /// `values` and a weight for each.
    ///
    /// # Errors
    /// `InvalidInput` on `values` or `weights`.
    pub fn new(values: &'a [f64], weights: &'a [f64]) -> Result<Self> {
        if values.len() != weights.len() {
            return Err(Error::invalid("weights", "must be as many as values"));
        }
        if !values.iter().all(|v| v.is_finite()) {
            return Err(Error::invalid("values", "must be finite numbers"));
        }
        if !weights.iter().all(|w| w.is_finite() && *w >= 0.0) || !weights.iter().any(|w| *w > 0.0) {
            return Err(Error::invalid("weights", "must be finite, not negative and not all zero"));
        }
        Ok(Self { values, weights })
    }

    fn sum(&self, term: impl Fn(f64, f64) -> f64) -> f64 {
        let terms: Vec<f64> = self.values.iter().zip(self.weights).map(|(&x, &w)| term(x, w)).collect();
        pairwise_sum(&terms)
    }

    /// Weighted mean, effective number and weighted variance.
    pub(super) fn moments(&self) -> Moments {
        let total = pairwise_sum(self.weights);
        let squares = self.sum(|_, w| w * w);
        let mean = self.sum(|x, w| w * x) / total;
        let effective_n = total * total / squares;
        let variance = if effective_n > 1.0 + 1e-12 {
            Ok(self.sum(|x, w| w * (x - mean) * (x - mean)) / (total - squares / total))
        } else {
            Err(Absent::OnePerson)
        };
        Moments { mean, effective_n, variance }
    }
}

/// What Welch's test needs of one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub mean: f64,
    pub effective_n: f64,
    pub variance: Defined<f64>,
}

/// Kish's effective number of people, (sum w)^2 / sum w^2 (Kish 1965); 0 where all weights are zero.
///
/// ```
/// assert_eq!(jdl_core::inference::effective_n(&[2.0, 2.0, 2.0]), 3.0);
/// ```
pub fn effective_n(weights: &[f64]) -> f64 {
    let squares: Vec<f64> = weights.iter().map(|w| w * w).collect();
    let (total, squares) = (pairwise_sum(weights), pairwise_sum(&squares));
    if squares > 0.0 { total * total / squares } else { 0.0 }
}

/// Mean, standard deviation (n - 1) and number of one group; checked to be finite, the deviation not negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleSummary {
    mean: f64,
    standard_deviation: f64,
    n: u64,
}

impl SampleSummary {
    /// The summary of `n` values.
    ///
    /// # Errors
    /// `InvalidInput` on `mean` or `standard_deviation`.
    pub fn new(mean: f64, standard_deviation: f64, n: u64) -> Result<Self> {
        if !mean.is_finite() {
            return Err(Error::invalid("mean", "must be a finite number"));
        }
        if !(standard_deviation >= 0.0 && standard_deviation.is_finite()) {
            return Err(Error::invalid("standard_deviation", "must be at least 0"));
        }
        Ok(Self { mean, standard_deviation, n })
    }
}

/// A t-test of a difference.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TTest {
    /// First mean less second.
    pub difference: f64,
    /// Standard error of the difference.
    pub standard_error: f64,
    /// Difference over standard error.
    pub t: f64,
    /// Degrees of freedom (real).
    pub degrees_of_freedom: f64,
    /// Two-sided p-value.
    pub p_value: f64,
    /// Interval of the difference.
    pub interval: Interval,
}

impl TTest {
    /// The two-sided test of `difference` = 0 with its t interval.
    pub(super) fn new(difference: f64, standard_error: f64, df: f64, confidence: Confidence) -> Self {
        let t = difference / standard_error;
        Self {
            difference,
            standard_error,
            t,
            degrees_of_freedom: df,
            p_value: student_two_sided(t, df),
            interval: Interval::around(difference, student_quantile(confidence.alpha() / 2.0, df) * standard_error),
        }
    }
}

/// Welch's test from mean, variance and (effective) number of each group; Satterthwaite's degrees of freedom.
pub(super) fn welch_from_moments(means: [f64; 2], variances: [f64; 2], n: [f64; 2], c: Confidence) -> Defined<TTest> {
    let [a, b] = [variances[0] / n[0], variances[1] / n[1]];
    if a + b <= 0.0 {
        return Err(Absent::NoVariance);
    }
    // Shares of the variance rather than variances: their squares cannot underflow.
    let share = a / (a + b);
    let df = 1.0 / (share * share / (n[0] - 1.0) + (1.0 - share) * (1.0 - share) / (n[1] - 1.0));
    Ok(TTest::new(means[0] - means[1], (a + b).sqrt(), df, c))
}

/// Welch's two-sample t-test (Welch 1947; Satterthwaite 1946) from summaries.
///
/// # Errors
/// [`Absent::OnePerson`] where a group has fewer than two, [`Absent::NoVariance`] where neither varies.
pub fn welch(first: SampleSummary, second: SampleSummary, confidence: Confidence) -> Defined<TTest> {
    if first.n < 2 || second.n < 2 {
        return Err(Absent::OnePerson);
    }
    let groups = [first, second];
    welch_from_moments(
        groups.map(|g| g.mean),
        groups.map(|g| g.standard_deviation * g.standard_deviation),
        groups.map(|g| g.n as f64),
        confidence,
    )
}

/// Welch's test of two weighted groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedWelch {
    /// Weighted mean of each group.
    pub means: [f64; 2],
    /// Kish's effective number of each group.
    pub effective_n: [f64; 2],
    /// Weighted variance of each group, sum w (x - m)^2 / (W - sum w^2 / W).
    pub variances: [Defined<f64>; 2],
    /// First mean less second.
    pub difference: f64,
    /// The test; with all weights equal it is [`welch`].
    pub test: Defined<TTest>,
}

/// Welch's test (Welch 1947) with weighted means and reliability-weight variances over Kish's effective numbers (Kish 1965).
///
/// ```
/// # use jdl_core::inference::{weighted_welch, Confidence, Sample};
/// let first = Sample::new(&[1.0, 2.0, 3.0], &[1.0; 3]).unwrap();
/// let second = Sample::new(&[2.0, 4.0], &[5.0; 2]).unwrap();
/// assert_eq!(weighted_welch(first, second, Confidence::P95).difference, -1.0);
/// ```
pub fn weighted_welch(first: Sample<'_>, second: Sample<'_>, confidence: Confidence) -> WeightedWelch {
    let groups = [first.moments(), second.moments()];
    let means = groups.map(|g| g.mean);
    let effective_n = groups.map(|g| g.effective_n);
    let variances = groups.map(|g| g.variance);
    let test = variances[0]
        .and_then(|v1| variances[1].and_then(|v2| welch_from_moments(means, [v1, v2], effective_n, confidence)));
    WeightedWelch { means, effective_n, variances, difference: means[0] - means[1], test }
}

/// A difference of weighted means with a standard error that is right whatever the variances and weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedDifference {
    /// First mean less second.
    pub difference: f64,
    /// HC0: sum over both groups of sum w^2 (x - m)^2 / W^2.
    pub standard_error: Defined<f64>,
    /// HC0 times sqrt(n / (n - 1)), n people with a weight above 0: the linearised standard error of survey software.
    pub standard_error_survey: Defined<f64>,
    /// Difference over HC0 standard error.
    pub z: Defined<f64>,
    /// Its two-sided normal p-value.
    pub p_value: Defined<f64>,
}

/// A difference of weighted means, robust (White 1980; Binder 1983 for the survey form).
pub fn weighted_mean_difference(first: Sample<'_>, second: Sample<'_>) -> WeightedDifference {
    let groups = [first, second];
    let means = groups.map(|g| g.moments().mean);
    let difference = means[0] - means[1];
    let rows = groups.map(|g| g.weights.iter().filter(|w| **w > 0.0).count());
    let variance: f64 = (0..2)
        .map(|i| {
            let total = pairwise_sum(groups[i].weights);
            groups[i].sum(|x, w| (w / total * (x - means[i])).powi(2))
        })
        .sum();
    let standard_error = if rows[0] < 2 || rows[1] < 2 {
        Err(Absent::OnePerson)
    } else if variance <= 0.0 {
        Err(Absent::NoVariance)
    } else {
        Ok(variance.sqrt())
    };
    let n = (rows[0] + rows[1]) as f64;
    WeightedDifference {
        difference,
        standard_error,
        standard_error_survey: standard_error.map(|se| se * (n / (n - 1.0)).sqrt()),
        z: standard_error.map(|se| difference / se),
        p_value: standard_error.map(|se| normal_two_sided(difference / se)),
    }
}

/// A standardised mean difference.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct HedgesG {
    /// Cohen's d: difference over pooled standard deviation.
    pub d: f64,
    /// Pooled standard deviation.
    pub pooled_standard_deviation: f64,
    /// Hedges' exact small-sample correction J(m), m = n1 + n2 - 2.
    pub correction: f64,
    /// Hedges' g = J d.
    pub g: f64,
    /// Hedges' approximation 1 - 3 / (4m - 1) of the correction.
    pub correction_approximate: f64,
    /// 1/n1 + 1/n2 + g^2 / (2 (n1 + n2)).
    pub variance: f64,
    /// Normal interval of g.
    pub interval: Interval,
}

/// Hedges' g (Hedges 1981) with its large-sample interval (Hedges and Olkin 1985, chapter 5).
///
/// # Errors
/// [`Absent::OnePerson`], [`Absent::NoVariance`].
pub fn hedges_g(first: SampleSummary, second: SampleSummary, confidence: Confidence) -> Defined<HedgesG> {
    if first.n < 2 || second.n < 2 {
        return Err(Absent::OnePerson);
    }
    let (n1, n2) = (first.n as f64, second.n as f64);
    let m = n1 + n2 - 2.0;
    let squares = (n1 - 1.0) * first.standard_deviation.powi(2) + (n2 - 1.0) * second.standard_deviation.powi(2);
    let pooled_standard_deviation = (squares / m).sqrt();
    if pooled_standard_deviation <= 0.0 {
        return Err(Absent::NoVariance);
    }
    let d = (first.mean - second.mean) / pooled_standard_deviation;
    let correction = hedges_correction(m);
    let g = correction * d;
    let variance = 1.0 / n1 + 1.0 / n2 + g * g / (2.0 * (n1 + n2));
    Ok(HedgesG {
        d,
        pooled_standard_deviation,
        correction,
        g,
        correction_approximate: 1.0 - 3.0 / (4.0 * m - 1.0),
        variance,
        interval: Interval::around(g, confidence.z() * variance.sqrt()),
    })
}

/// Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)), with Stirling's parts cancelled by hand so that large m keeps its digits.
fn hedges_correction(m: f64) -> f64 {
    let z = m / 2.0;
    (stirling_error(z) - stirling_error(z - 0.5) - (z - 1.0) * (-0.5 / z).ln_1p() - 0.5).exp()
}
