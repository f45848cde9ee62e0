//! Risk ratio and odds ratio of two rates.

use super::absent::{Absent, Confidence, Defined, Interval};
use super::rates::Proportion;

/// A ratio (first group over second) with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The ratio; may be 0. Absent where the second group has no event (infinite or 0/0).
    pub ratio: Defined<f64>,
    /// Standard error of the ratio's logarithm.
    pub standard_error_log: Defined<f64>,
    /// Interval of the ratio, symmetric in its logarithm.
    pub interval: Defined<Interval>,
}

/// A ratio whose logarithm has variance `variance`, where both exist.
pub(super) fn log_interval(ratio: f64, variance: Defined<f64>, confidence: Confidence) -> Ratio {
    let standard_error_log = variance.map(f64::sqrt);
    let interval = standard_error_log.map(|se| {
        let half = confidence.z() * se;
        Interval { low: (ratio.ln() - half).exp(), high: (ratio.ln() + half).exp() }
    });
    let ratio = if ratio.is_finite() { Ok(ratio) } else { Err(Absent::NoEventsInOneGroup) };
    Ratio { ratio, standard_error_log, interval }
}

/// The risk ratio with Katz' interval (Katz, Baptista, Azen and Pike 1978): exp(ln rr -+ z sqrt(1/x1-1/n1+1/x2-1/n2)).
pub fn risk_ratio(first: Proportion, second: Proportion, confidence: Confidence) -> Ratio {
    let variance = if first.events() == 0 && second.events() == 0 {
        Err(Absent::NoEvents)
    } else if first.events() == 0 || second.events() == 0 {
        Err(Absent::NoEventsInOneGroup)
    } else {
        Ok(katz_variance(first.x(), first.n()) + katz_variance(second.x(), second.n()))
    };
    log_interval(first.rate() / second.rate(), variance, confidence)
}

/// 1/x - 1/n = (n - x) / (n x), which does not cancel where x is near n.
fn katz_variance(x: f64, n: f64) -> f64 {
    (n - x) / n / x
}

/// The odds ratio with Woolf's interval (Woolf 1955): exp(ln or -+ z sqrt(1/a+1/b+1/c+1/d)).
pub fn odds_ratio(first: Proportion, second: Proportion, confidence: Confidence) -> Ratio {
    let (a, b, c, d) = (first.x(), first.non_events(), second.x(), second.non_events());
    let variance = if a * b * c * d > 0.0 { Ok(1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d) } else { Err(Absent::EmptyCell) };
    log_interval((a / b) / (c / d), variance, confidence)
}

/// [`risk_ratio`] with 0.5 (Haldane 1955; Anscombe 1956) added to all four cells where one of them is empty, otherwise unchanged.
pub fn risk_ratio_add_half(first: Proportion, second: Proportion, confidence: Confidence) -> Ratio {
    if !has_empty_cell(first, second) {
        return risk_ratio(first, second, confidence);
    }
    let (x1, n1) = (first.x() + 0.5, first.n() + 1.0);
    let (x2, n2) = (second.x() + 0.5, second.n() + 1.0);
    log_interval((x1 / n1) / (x2 / n2), Ok(katz_variance(x1, n1) + katz_variance(x2, n2)), confidence)
}

/// [`odds_ratio`] with 0.5 added to all four cells where one of them is empty (Haldane 1955, Anscombe 1956).
pub fn odds_ratio_add_half(first: Proportion, second: Proportion, confidence: Confidence) -> Ratio {
    if !has_empty_cell(first, second) {
        return odds_ratio(first, second, confidence);
    }
    let [a, b, c, d] = [first.x(), first.non_events(), second.x(), second.non_events()].map(|cell| cell + 0.5);
    log_interval((a / b) / (c / d), Ok(1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d), confidence)
}

fn has_empty_cell(first: Proportion, second: Proportion) -> bool {
    [first, second].iter().any(|p| p.events() == 0 || p.events() == p.people())
}
