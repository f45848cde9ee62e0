//! How strong would a hidden factor have to be to explain a finding away? Rosenbaum's bounds and the E-value.
//!
//! Gamma >= 1 is the odds by which two people who look alike may differ in their chance of treatment.

use crate::error::{Error, Result};

use super::absent::{Absent, Defined, Interval};
use super::distributions::{binomial_upper_tail, bisect, normal_upper_tail};

/// The range of a one-sided p-value under hidden bias of strength Gamma.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SensitivityBound {
    /// The test statistic.
    pub statistic: f64,
    /// The largest one-sided p-value that a hidden factor of this strength can produce.
    pub p_upper: f64,
    /// The smallest.
    pub p_lower: f64,
}

/// Every upper bound has reached any alpha below a Gamma of e^40.
const LARGEST_LOG_GAMMA: f64 = 40.0;

fn check_alpha(alpha: f64) -> Result<()> {
    if alpha > 0.0 && alpha < 0.5 { Ok(()) } else { Err(Error::invalid("alpha", "must lie between 0 and 0.5")) }
}

fn check_gamma(gamma: f64) -> Result<()> {
    if gamma >= 1.0 && gamma.is_finite() { Ok(()) } else { Err(Error::invalid("gamma", "must be at least 1")) }
}

/// Bounds on the exact one-sided McNemar p-value for matched pairs: `b` and `c` pairs in which only the one or only
/// the other had the event; P(Bin(b + c, Gamma / (1 + Gamma)) >= max(b, c)) (Rosenbaum 2002, chapter 4).
///
/// # Errors
/// `InvalidInput` on `gamma`; absent where no pair is discordant.
pub fn rosenbaum_binary(b: u64, c: u64, gamma: f64) -> Result<Defined<SensitivityBound>> {
    check_gamma(gamma)?;
    if b + c == 0 {
        return Ok(Err(Absent::NoDiscordantPair));
    }
    let larger = b.max(c);
    let tail = |p: f64| binomial_upper_tail(larger, b + c, p);
    Ok(Ok(SensitivityBound {
        statistic: larger as f64,
        p_upper: tail(gamma / (1.0 + gamma)),
        p_lower: tail(1.0 / (1.0 + gamma)),
    }))
}

/// The Gamma at which the upper bound of [`rosenbaum_binary`] reaches `alpha` (one-sided): weaker hidden factors
/// cannot explain the finding away (Rosenbaum 2002, chapter 4).
///
/// # Errors
/// `InvalidInput` on `alpha`; absent where no pair is discordant or the finding is not significant even at Gamma = 1.
pub fn rosenbaum_binary_gamma(b: u64, c: u64, alpha: f64) -> Result<Defined<f64>> {
    check_alpha(alpha)?;
    if b + c == 0 {
        return Ok(Err(Absent::NoDiscordantPair));
    }
    let excess = |log_gamma: f64| {
        let p = 1.0 / (1.0 + (-log_gamma).exp());
        binomial_upper_tail(b.max(c), b + c, p) - alpha
    };
    Ok(if excess(0.0) > 0.0 { Err(Absent::NotSignificant) } else { Ok(bisect(0.0, LARGEST_LOG_GAMMA, excess).exp()) })
}

/// One matched set with one treated person and a yes/no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetEvents {
    /// People in the set, the treated one included.
    pub people: u32,
    /// How many of them had the event.
    pub events: u32,
    /// Whether the treated one had it.
    pub treated_event: bool,
}

/// Bounds on the one-sided p-value for sets of one treated person and one or more controls with a yes/no outcome
/// (Rosenbaum 2002, chapter 4, normal approximation): in a set of n with m events the treated person's chance of
/// an event lies between m / (m + Gamma (n - m)) and Gamma m / (Gamma m + n - m). The side tested is the one on which
/// the treated events lie from their expectation.
///
/// # Errors
/// `InvalidInput` on `gamma`; absent where no set holds both a person with and a person without the event.
pub fn rosenbaum_sets(sets: &[SetEvents], gamma: f64) -> Result<Defined<SensitivityBound>> {
    check_gamma(gamma)?;
    Ok(sets_bound(sets, gamma))
}

fn sets_bound(sets: &[SetEvents], gamma: f64) -> Defined<SensitivityBound> {
    let statistic = sets.iter().filter(|s| s.treated_event).count() as f64;
    let moments = |odds: f64| {
        sets.iter().filter(|s| s.events > 0).fold((0.0, 0.0), |(mean, variance), s| {
            let m = f64::from(s.events);
            let p = odds * m / (odds * m + f64::from(s.people) - m);
            (mean + p, variance + p * (1.0 - p))
        })
    };
    let (centre, spread) = moments(1.0);
    if spread <= 0.0 {
        return Err(Absent::NoDiscordantPair);
    }
    let direction = if statistic >= centre { 1.0 } else { -1.0 };
    let tail = |odds: f64| {
        let (mean, variance) = moments(odds);
        normal_upper_tail(direction * (statistic - mean) / variance.sqrt())
    };
    let (toward, away) = if direction > 0.0 { (gamma, 1.0 / gamma) } else { (1.0 / gamma, gamma) };
    Ok(SensitivityBound { statistic, p_upper: tail(toward), p_lower: tail(away) })
}

/// The Gamma at which the upper bound of [`rosenbaum_sets`] reaches `alpha` (one-sided).
///
/// # Errors
/// `InvalidInput` on `alpha`; absent as in [`rosenbaum_binary_gamma`].
pub fn rosenbaum_sets_gamma(sets: &[SetEvents], alpha: f64) -> Result<Defined<f64>> {
    check_alpha(alpha)?;
    let at_one = match sets_bound(sets, 1.0) {
        Ok(bound) => bound.p_upper,
        Err(absent) => return Ok(Err(absent)),
    };
    if at_one > alpha {
        return Ok(Err(Absent::NotSignificant));
    }
    let excess = |log_gamma: f64| sets_bound(sets, log_gamma.exp()).map_or(1.0, |b| b.p_upper - alpha);
    Ok(Ok(bisect(0.0, LARGEST_LOG_GAMMA, excess).exp()))
}

/// Bounds on the one-sided p-value of Wilcoxon's signed rank test for matched pairs (Rosenbaum 2002, chapter 4):
/// zero differences are dropped, ties get mean ranks, upper tail, normal approximation without continuity correction.
///
/// # Errors
/// `InvalidInput` on `gamma` or `differences` (finite); absent where every difference is zero.
pub fn rosenbaum_wilcoxon(differences: &[f64], gamma: f64) -> Result<Defined<SensitivityBound>> {
    check_gamma(gamma)?;
    if !differences.iter().all(|d| d.is_finite()) {
        return Err(Error::invalid("differences", "must be finite numbers"));
    }
    let mut nonzero: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > 0.0).collect();
    if nonzero.is_empty() {
        return Ok(Err(Absent::NoDiscordantPair));
    }
    nonzero.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (mut statistic, mut ranks, mut squares, mut below) = (0.0, 0.0, 0.0, 0.0);
    for level in nonzero.chunk_by(|a, b| a.abs() >= b.abs()) {
        let n = level.len() as f64;
        let rank = below + (n + 1.0) / 2.0;
        below += n;
        statistic += rank * level.iter().filter(|d| **d > 0.0).count() as f64;
        ranks += n * rank;
        squares += n * rank * rank;
    }
    let tail = |p: f64| normal_upper_tail((statistic - p * ranks) / (p * (1.0 - p) * squares).sqrt());
    Ok(Ok(SensitivityBound { statistic, p_upper: tail(gamma / (1.0 + gamma)), p_lower: tail(1.0 / (1.0 + gamma)) }))
}

/// The Gamma at which the upper bound of [`rosenbaum_wilcoxon`] reaches `alpha` (one-sided).
///
/// # Errors
/// `InvalidInput` on `alpha` or `differences`; absent where every difference is zero or the finding is not significant
/// even at Gamma = 1.
pub fn rosenbaum_wilcoxon_gamma(differences: &[f64], alpha: f64) -> Result<Defined<f64>> {
    check_alpha(alpha)?;
    match rosenbaum_wilcoxon(differences, 1.0)? {
        Err(absent) => return Ok(Err(absent)),
        Ok(bound) if bound.p_upper > alpha => return Ok(Err(Absent::NotSignificant)),
        Ok(_) => {}
    }
    let excess = |log_gamma: f64| {
        rosenbaum_wilcoxon(differences, log_gamma.exp()).map_or(1.0, |b| b.map_or(1.0, |b| b.p_upper) - alpha)
    };
    Ok(Ok(bisect(0.0, LARGEST_LOG_GAMMA, excess).exp()))
}

/// The E-value of a risk ratio: the risk ratio that a hidden factor would need with both treatment and outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EValue {
    /// For the estimate; absent where the ratio is 0 (no hidden factor is strong enough).
    pub estimate: Defined<f64>,
    /// For the limit of the interval that is nearer to 1; 1 where the interval includes 1.
    pub interval: Defined<f64>,
}

/// The E-value (VanderWeele and Ding 2017): rr + sqrt(rr (rr - 1)), the reciprocal first where rr < 1.
///
/// # Errors
/// `InvalidInput` on `risk_ratio` below 0 or not finite.
pub fn e_value(risk_ratio: f64, interval: Defined<Interval>) -> Result<EValue> {
    if !(risk_ratio >= 0.0 && risk_ratio.is_finite()) {
        return Err(Error::invalid("risk_ratio", "must be at least 0"));
    }
    let at_limit = interval
        .and_then(|i| if i.contains(1.0) { Ok(1.0) } else { strength(if risk_ratio > 1.0 { i.low } else { i.high }) });
    Ok(EValue { estimate: strength(risk_ratio), interval: at_limit })
}

fn strength(ratio: f64) -> Defined<f64> {
    if ratio <= 0.0 {
        return Err(Absent::Unbounded);
    }
    let r = if ratio < 1.0 { 1.0 / ratio } else { ratio };
    Ok(r + (r * (r - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_sets_is_the_textbook_sum_of_bernoulli_chances() {
        // Two sets of three with one event (treated and not), one of three with two events (treated), one pair without.
        let set = |people, events, treated_event| SetEvents { people, events, treated_event };
        let sets = [set(3, 1, true), set(3, 1, false), set(3, 2, true), set(2, 0, false)];
        // Gamma = 2: chances 2/(2 + 2) twice, 4/(4 + 1) once; 1.8 expected, variance 0.25 + 0.25 + 0.16.
        let bound = rosenbaum_sets(&sets, 2.0).unwrap().unwrap();
        assert_eq!(bound.statistic, 2.0);
        assert!((bound.p_upper - normal_upper_tail((2.0 - 1.8) / 0.66_f64.sqrt())).abs() < 1e-15);
        // Gamma = 1/2: chances 0.5/(0.5 + 2) = 0.2 twice, 1/(1 + 1) once.
        assert!((bound.p_lower - normal_upper_tail((2.0 - 0.9) / 0.57_f64.sqrt())).abs() < 1e-15);
    }

    #[test]
    fn a_reduction_is_bounded_on_its_own_side() {
        let pairs = |treated: usize, others: usize| -> Vec<SetEvents> {
            (0..treated + others).map(|i| SetEvents { people: 2, events: 1, treated_event: i < treated }).collect()
        };
        let (fewer, more) = (pairs(10, 30), pairs(30, 10));
        let both = [&fewer, &more].map(|sets| rosenbaum_sets(sets, 1.3).unwrap().unwrap().p_upper);
        assert!((both[0] - both[1]).abs() < 1e-15 && both[0] < 0.05);
        let gamma = rosenbaum_sets_gamma(&fewer, 0.025).unwrap().unwrap();
        assert!((rosenbaum_sets(&fewer, gamma).unwrap().unwrap().p_upper - 0.025).abs() < 1e-12);
        assert_eq!(rosenbaum_sets_gamma(&pairs(20, 20), 0.025).unwrap(), Err(Absent::NotSignificant));
        assert_eq!(rosenbaum_sets(&[], 1.0).unwrap(), Err(Absent::NoDiscordantPair));
        assert!(rosenbaum_sets(&fewer, 0.5).is_err());
    }

    #[test]
    fn signed_ranks_lose_significance_at_the_gamma_found() {
        let differences: Vec<f64> = (1..60).map(|i| if i % 4 == 0 { -f64::from(i) } else { f64::from(i) }).collect();
        let gamma = rosenbaum_wilcoxon_gamma(&differences, 0.025).unwrap().unwrap();
        assert!(gamma > 1.0);
        assert!((rosenbaum_wilcoxon(&differences, gamma).unwrap().unwrap().p_upper - 0.025).abs() < 1e-12);
        assert_eq!(rosenbaum_wilcoxon_gamma(&[1.0, -1.0], 0.025).unwrap(), Err(Absent::NotSignificant));
    }
}
