//! Random-effects summary of several studies.

use crate::error::{Error, Result};
use crate::number::pairwise_sum;

use super::absent::{Absent, Confidence, Defined, Interval};
use super::distributions::{chi_square_upper_tail, normal_two_sided};

/// A random-effects summary with its heterogeneity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetaAnalysis {
    /// Inverse-variance mean if all studies estimate one effect.
    pub fixed: f64,
    /// Its standard error.
    pub fixed_standard_error: f64,
    /// Cochran's Q.
    pub q: f64,
    /// Studies less one.
    pub q_degrees_of_freedom: u64,
    /// P-value of Q.
    pub q_p_value: Defined<f64>,
    /// Variance of the effects between studies.
    pub tau_squared: f64,
    /// Share of the variation that is between studies, 0 to 100 (Higgins and Thompson 2002).
    pub i_squared_percent: f64,
    /// Random-effects mean.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Estimate over standard error.
    pub z: f64,
    /// Its two-sided normal p-value.
    pub p_value: f64,
    /// Its interval.
    pub interval: Interval,
}

/// The random-effects summary of DerSimonian and Laird (1986) of study `effects` with squared standard errors `variances`.
///
/// # Errors
/// `InvalidInput` on `effects` (at least one, finite) or `variances` (as many, above 0, finite).
pub fn dersimonian_laird(effects: &[f64], variances: &[f64], confidence: Confidence) -> Result<MetaAnalysis> {
    if effects.is_empty() || !effects.iter().all(|e| e.is_finite()) {
        return Err(Error::invalid("effects", "must be finite numbers, at least one"));
    }
    if variances.len() != effects.len() || !variances.iter().all(|v| *v > 0.0 && v.is_finite()) {
        return Err(Error::invalid("variances", "must be above 0, one for each effect"));
    }
    // Weighted mean and sum of weights, for weights 1 / (v + tau2).
    let pooled = |tau_squared: f64| {
        let weights: Vec<f64> = variances.iter().map(|v| 1.0 / (v + tau_squared)).collect();
        let products: Vec<f64> = weights.iter().zip(effects).map(|(w, e)| w * e).collect();
        let total = pairwise_sum(&weights);
        (pairwise_sum(&products) / total, total, weights)
    };
    let (fixed, total, weights) = pooled(0.0);
    let deviations: Vec<f64> = weights.iter().zip(effects).map(|(w, e)| w * (e - fixed) * (e - fixed)).collect();
    let q = pairwise_sum(&deviations);
    let df = (effects.len() - 1) as f64;
    let squares: Vec<f64> = weights.iter().map(|w| w * w).collect();
    let (tau_squared, i_squared_percent, q_p_value) = if effects.len() == 1 {
        (0.0, 0.0, Err(Absent::OneStudy))
    } else {
        (
            ((q - df) / (total - pairwise_sum(&squares) / total)).max(0.0),
            if q > df { 100.0 * (q - df) / q } else { 0.0 },
            Ok(chi_square_upper_tail(q, df)),
        )
    };
    let (estimate, total_random, _) = pooled(tau_squared);
    let standard_error = (1.0 / total_random).sqrt();
    let z = estimate / standard_error;
    Ok(MetaAnalysis {
        fixed,
        fixed_standard_error: (1.0 / total).sqrt(),
        q,
        q_degrees_of_freedom: effects.len() as u64 - 1,
        q_p_value,
        tau_squared,
        i_squared_percent,
        estimate,
        standard_error,
        z,
        p_value: normal_two_sided(z),
        interval: Interval::around(estimate, confidence.z() * standard_error),
    })
}
