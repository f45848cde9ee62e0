//! What a comparison of two rates can detect: power, detectable rates, people needed.
//!
//! Rates lie in 0 to 1, numbers are at least 1, `alpha` is the two-sided error probability.

use crate::error::{Error, Result};

use super::absent::{Absent, Defined};
use super::distributions::{bisect, normal_cdf, normal_quantile, normal_upper_tail};

/// Standard errors of a difference of rates when both are the pooled rate and when they are what they are.
fn standard_errors(p: [f64; 2], n: [f64; 2]) -> (f64, f64) {
    let pooled = (n[0] * p[0] + n[1] * p[1]) / (n[0] + n[1]);
    let null = (pooled * (1.0 - pooled) * (1.0 / n[0] + 1.0 / n[1])).sqrt();
    (null, (p[0] * (1.0 - p[0]) / n[0] + p[1] * (1.0 - p[1]) / n[1]).sqrt())
}

fn critical(alpha: f64) -> f64 {
    -normal_quantile(alpha / 2.0)
}

/// The chance that a two-sided z-test with pooled standard error finds the difference between rates `p` of groups of
/// size `n`, in the direction in which it lies (Fleiss, Levin and Paik 2003, chapter 4; R's `power.prop.test`).
///
/// # Errors
/// `InvalidInput` on `rate`, `people` or `alpha`.
pub fn power_two_rates(p: [f64; 2], n: [f64; 2], alpha: f64) -> Result<f64> {
    check(&p, &n, alpha)?;
    Ok(power(p, n, critical(alpha)))
}

fn power(p: [f64; 2], n: [f64; 2], z: f64) -> f64 {
    let (null, actual) = standard_errors(p, n);
    let margin = (p[0] - p[1]).abs() - z * null;
    // Both rates at 0 or 1: the outcome is certain.
    if actual <= 0.0 { if margin > 0.0 { 1.0 } else { 0.0 } } else { normal_cdf(margin / actual) }
}

/// [`power_two_rates`] plus the chance of a significant finding in the wrong direction (`strict` in R's `power.prop.test`).
///
/// # Errors
/// As [`power_two_rates`].
pub fn power_two_rates_strict(p: [f64; 2], n: [f64; 2], alpha: f64) -> Result<f64> {
    let right = power_two_rates(p, n, alpha)?;
    let (null, actual) = standard_errors(p, n);
    let wrong =
        if actual <= 0.0 { 0.0 } else { normal_upper_tail(((p[0] - p[1]).abs() + critical(alpha) * null) / actual) };
    Ok(right + wrong)
}

/// The rates of one group that can be told from a given rate of the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectableRate {
    /// The smallest detectable rate above.
    pub above: Defined<f64>,
    /// The largest detectable rate below.
    pub below: Defined<f64>,
}

/// The rates of a group of `n[1]` that a z-test tells from `rate` in a group of `n[0]` with probability `power`:
/// the inverse of [`power_two_rates`] (Fleiss, Levin and Paik 2003, chapter 4).
///
/// # Errors
/// `InvalidInput` on `rate`, `people`, `power` or `alpha`.
pub fn detectable_rate(rate: f64, n: [f64; 2], target: f64, alpha: f64) -> Result<DetectableRate> {
    check(&[rate], &n, alpha)?;
    check_power(target)?;
    let z = critical(alpha);
    let short = |other: f64| power([rate, other], n, z) - target;
    let find = |end: f64| {
        if (end - rate).abs() > 0.0 && short(end) > 0.0 {
            let root = bisect(rate.min(end), rate.max(end), short);
            // A rate of exactly 0 or 1 is certainty, not a rate that a sample can have.
            if root > 0.0 && root < 1.0 { Ok(root) } else { Err(Absent::NotDetectable) }
        } else {
            Err(Absent::NotDetectable)
        }
    };
    Ok(DetectableRate { above: find(1.0), below: find(0.0) })
}

/// How many people it takes in the first group, the second being `ratio` times as large, for a z-test to find the
/// difference between rates `p` with probability `power`: the inverse of [`power_two_rates`] (Fleiss, Levin and Paik 2003,
/// chapter 4).
///
/// # Errors
/// `InvalidInput` on `rate`, `ratio`, `power` or `alpha`.
pub fn number_needed(p: [f64; 2], ratio: f64, target: f64, alpha: f64) -> Result<Defined<f64>> {
    check(&p, &[1.0], alpha)?;
    check_power(target)?;
    if !(ratio > 0.0 && ratio.is_finite()) {
        return Err(Error::invalid("ratio", "must be above 0"));
    }
    let difference = (p[0] - p[1]).abs();
    if difference <= 0.0 {
        return Ok(Err(Absent::NoDifference));
    }
    let (null, actual) = standard_errors(p, [1.0, ratio]);
    let root = (critical(alpha) * null + normal_quantile(target) * actual) / difference;
    Ok(Ok((root.max(0.0) * root).ceil().max(1.0)))
}

/// Cohen's effect size h of two rates, |2 asin sqrt p1 - 2 asin sqrt p2|, 0 to pi (Cohen 1988, chapter 6).
///
/// # Errors
/// `InvalidInput` on `rate`.
pub fn arcsine_effect(p: [f64; 2]) -> Result<f64> {
    check(&p, &[1.0], 0.5)?;
    Ok((angle(p[0]) - angle(p[1])).abs())
}

fn angle(p: f64) -> f64 {
    2.0 * p.sqrt().asin()
}

/// Power of the two-sided test on the arcsine scale, both directions (Cohen 1988; R's `pwr.2p2n.test`).
///
/// # Errors
/// `InvalidInput` on `rate`, `people` or `alpha`.
pub fn power_two_rates_arcsine(p: [f64; 2], n: [f64; 2], alpha: f64) -> Result<f64> {
    check(&p, &n, alpha)?;
    Ok(arcsine_power(arcsine_effect(p)?, n, critical(alpha)))
}

fn arcsine_power(h: f64, n: [f64; 2], z: f64) -> f64 {
    let shift = h * (n[0] * n[1] / (n[0] + n[1])).sqrt();
    normal_upper_tail(z - shift) + normal_cdf(-z - shift)
}

/// The detectable effect size h and the rates that lie that far from `rate` on the arcsine scale (Cohen 1988, chapter 6).
///
/// # Errors
/// As [`detectable_rate`].
pub fn detectable_rate_arcsine(
    rate: f64,
    n: [f64; 2],
    target: f64,
    alpha: f64,
) -> Result<(Defined<f64>, DetectableRate)> {
    check(&[rate], &n, alpha)?;
    check_power(target)?;
    if target <= alpha {
        let absent = Err(Absent::NotDetectable);
        return Ok((absent, DetectableRate { above: absent, below: absent }));
    }
    let z = critical(alpha);
    // At h = 100 and one person in each group the power is 1 to the last digit.
    let h = bisect(0.0, 100.0, |h| arcsine_power(h, n, z) - target);
    let at = |angle: f64| {
        if (0.0..=std::f64::consts::PI).contains(&angle) {
            Ok((angle / 2.0).sin().powi(2))
        } else {
            Err(Absent::NotDetectable)
        }
    };
    Ok((Ok(h), DetectableRate { above: at(angle(rate) + h), below: at(angle(rate) - h) }))
}

fn check(rates: &[f64], people: &[f64], alpha: f64) -> Result<()> {
    if !rates.iter().all(|p| (0.0..=1.0).contains(p)) {
        return Err(Error::invalid("rate", "must lie between 0 and 1"));
    }
    if !people.iter().all(|n| n.is_finite() && *n >= 1.0) {
        return Err(Error::invalid("people", "must be at least 1"));
    }
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Error::invalid("alpha", "must lie between 0 and 1"));
    }
    Ok(())
}

fn check_power(power: f64) -> Result<()> {
    if power > 0.0 && power < 1.0 { Ok(()) } else { Err(Error::invalid("power", "must lie between 0 and 1")) }
}
