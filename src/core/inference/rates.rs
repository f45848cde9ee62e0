//! One and two proportions: intervals, tests, number needed to treat, and the paired table.

use crate::error::{Error, Result};

use super::absent::{Absent, Confidence, Defined, Interval};
use super::distributions::{beta_quantile, binomial_two_sided, chi_square_upper_tail, normal_two_sided};

/// Some of a number of people had an event; checked: at least one person, no more events than people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Proportion {
    events: u64,
    people: u64,
}

impl Proportion {
    /// `events` among `people`.
    ///
    /// # Errors
    /// `InvalidInput` on `people` where there is nobody, on `events` where there are more events than people.
    pub fn new(events: u64, people: u64) -> Result<Self> {
        if people == 0 {
            return Err(Error::invalid("people", "must be at least 1"));
        }
        if events > people {
            return Err(Error::invalid("events", "must not be more than the number of people"));
        }
        Ok(Self { events, people })
    }

    /// How many had the event.
    pub fn events(self) -> u64 {
        self.events
    }

    /// How many there are.
    pub fn people(self) -> u64 {
        self.people
    }

    /// events / people.
    pub fn rate(self) -> f64 {
        self.events as f64 / self.people as f64
    }

    pub(super) fn x(self) -> f64 {
        self.events as f64
    }

    pub(super) fn n(self) -> f64 {
        self.people as f64
    }

    pub(super) fn non_events(self) -> f64 {
        (self.people - self.events) as f64
    }

    /// p (1 - p) / n, the squared standard error of the rate.
    fn variance(self) -> f64 {
        self.rate() * (self.non_events() / self.n()) / self.n()
    }
}

/// Wilson's score interval of a proportion (Wilson 1927; Newcombe 1998a, method 3), without continuity correction.
///
/// ```
/// # use jdl_core::inference::{wilson, Confidence, Proportion};
/// let interval = wilson(Proportion::new(0, 10).unwrap(), Confidence::P95);
/// assert_eq!(interval.low, 0.0);
/// assert!((interval.high - 0.2775).abs() < 1e-4);
/// ```
pub fn wilson(p: Proportion, confidence: Confidence) -> Interval {
    wilson_limits(p.x(), p.n(), confidence)
}

/// [`wilson`] for a real number of events among a real number of people: for weighted rates, with the effective n.
pub(super) fn wilson_limits(x: f64, n: f64, confidence: Confidence) -> Interval {
    let z = confidence.z();
    let rest = (n - x).max(0.0);
    let root = z * (z * z + 4.0 * x * (rest / n)).sqrt();
    let denominator = 2.0 * (n + z * z);
    // The limits at no event and at nothing but events are exactly 0 and 1; subtraction would leave a rounding error.
    let low = if x <= 0.0 { 0.0 } else { (2.0 * x + z * z - root) / denominator };
    let high = if rest <= 0.0 { 1.0 } else { (2.0 * x + z * z + root) / denominator };
    Interval { low, high }
}

/// The exact interval of a proportion (Clopper and Pearson 1934), from beta quantiles.
pub fn clopper_pearson(p: Proportion, confidence: Confidence) -> Interval {
    let half_alpha = confidence.alpha() / 2.0;
    let low = if p.events == 0 { 0.0 } else { beta_quantile(half_alpha, p.x(), p.non_events() + 1.0) };
    let high = if p.events == p.people { 1.0 } else { beta_quantile(1.0 - half_alpha, p.x() + 1.0, p.non_events()) };
    Interval { low, high }
}

/// A difference of two rates, first less second, with its interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Rate of the first group less that of the second, -1 to 1.
    pub difference: f64,
    /// Standard error of the difference; zero where both rates are 0 or 1.
    pub standard_error: f64,
    /// Interval of the difference; not clipped to -1 to 1.
    pub interval: Interval,
}

/// The simple (Wald) interval of a difference of independent rates: d -+ z sqrt(p1 q1/n1 + p2 q2/n2)
/// (Wald 1943; Newcombe 1998, method 1).
pub fn diff_wald(first: Proportion, second: Proportion, confidence: Confidence) -> Difference {
    let difference = first.rate() - second.rate();
    let standard_error = (first.variance() + second.variance()).sqrt();
    Difference { difference, standard_error, interval: Interval::around(difference, confidence.z() * standard_error) }
}

/// The interval of a difference of independent rates from the two Wilson intervals (Newcombe 1998b, method 10,
/// without continuity correction). Defined for every table, zero events included.
pub fn diff_newcombe(first: Proportion, second: Proportion, confidence: Confidence) -> Interval {
    let (p1, p2) = (first.rate(), second.rate());
    let (w1, w2) = (wilson(first, confidence), wilson(second, confidence));
    let difference = p1 - p2;
    Interval {
        low: difference - (p1 - w1.low).hypot(w2.high - p2),
        high: difference + (w1.high - p1).hypot(p2 - w2.low),
    }
}

/// A z-test of two rates.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ZTest {
    /// Standard error of the difference.
    pub standard_error: f64,
    /// Difference over standard error.
    pub z: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

fn z_test(difference: f64, standard_error: f64) -> Defined<ZTest> {
    if standard_error <= 0.0 {
        return Err(Absent::NoVariance);
    }
    let z = difference / standard_error;
    Ok(ZTest { standard_error, z, p_value: normal_two_sided(z) })
}

/// The two-sided z-test with the standard error of [`diff_wald`] (Wald 1943). Absent where that is zero.
///
/// # Errors
/// [`Absent::NoVariance`].
pub fn z_test_unpooled(first: Proportion, second: Proportion) -> Defined<ZTest> {
    z_test(first.rate() - second.rate(), (first.variance() + second.variance()).sqrt())
}

/// The two-sided z-test with the pooled rate in the standard error; z squared is [`chi_square`] without correction
/// (Pearson 1900).
///
/// # Errors
/// [`Absent::NoVariance`] where nobody or everybody had the event.
pub fn z_test_pooled(first: Proportion, second: Proportion) -> Defined<ZTest> {
    let n = first.n() + second.n();
    let pooled = (first.x() + second.x()) / n;
    let rest = (first.non_events() + second.non_events()) / n;
    z_test(first.rate() - second.rate(), (pooled * rest * (1.0 / first.n() + 1.0 / second.n())).sqrt())
}

/// Number needed to treat: 1 / difference, signed, so that a negative number is people per re-offender *fewer*.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberNeededToTreat {
    /// 1 / difference; absent where the rates are equal.
    pub number: Defined<f64>,
    /// Reciprocals of the limits of the difference; absent where its interval includes zero
    /// (the values are then two open intervals that meet at infinity: Altman 1998).
    pub interval: Defined<Interval>,
}

/// The number needed to treat of a difference of rates and its interval (Laupacis, Sackett and Roberts 1988).
pub fn number_needed_to_treat(difference: f64, interval: Interval) -> NumberNeededToTreat {
    if difference.abs() <= 0.0 {
        return NumberNeededToTreat { number: Err(Absent::NoDifference), interval: Err(Absent::NoDifference) };
    }
    let limits = if interval.contains(0.0) {
        Err(Absent::IncludesZero)
    } else {
        Ok(Interval { low: 1.0 / interval.high, high: 1.0 / interval.low })
    };
    NumberNeededToTreat { number: Ok(1.0 / difference), interval: limits }
}

/// Whether a chi-square statistic is corrected for continuity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Pearson's statistic as it is.
    Uncorrected,
    /// Yates' correction, never more than the smallest |observed - expected|, as in R's `chisq.test`.
    Yates,
}

/// Pearson's chi-square test of a two-by-two table, one degree of freedom.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ChiSquare {
    /// The statistic.
    pub statistic: f64,
    /// P-value.
    pub p_value: f64,
}

/// Pearson's chi-square test that two rates are equal (Pearson 1900; Yates 1934).
///
/// # Errors
/// [`Absent::EmptyCell`] where nobody or everybody had the event (a margin is zero).
pub fn chi_square(first: Proportion, second: Proportion, continuity: Continuity) -> Defined<ChiSquare> {
    let n = first.n() + second.n();
    let events = first.x() + second.x();
    let non_events = first.non_events() + second.non_events();
    if events <= 0.0 || non_events <= 0.0 {
        return Err(Absent::EmptyCell);
    }
    // |observed - expected| is the same in all four cells; this form of it does not cancel twice.
    let departure = ((first.x() * second.non_events() - second.x() * first.non_events()) / n).abs();
    let corrected = match continuity {
        Continuity::Uncorrected => departure,
        Continuity::Yates => departure - departure.min(0.5),
    };
    let inverse_expected =
        n / first.n() / events + n / second.n() / events + n / first.n() / non_events + n / second.n() / non_events;
    let statistic = corrected * corrected * inverse_expected;
    Ok(ChiSquare { statistic, p_value: chi_square_upper_tail(statistic, 1.0) })
}

/// McNemar's tests of a paired two-by-two table.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct McNemar {
    /// (|b - c| - 1)^2 / (b + c); 0 where b = c.
    pub statistic_corrected: f64,
    /// Its p-value, chi-square with one degree of freedom.
    pub p_corrected: f64,
    /// (b - c)^2 / (b + c).
    pub statistic: f64,
    /// Its p-value.
    pub p_value: f64,
    /// Exact two-sided binomial p-value of b among b + c.
    pub p_exact: f64,
}

/// McNemar's test (1947) from the pairs in which only the first (`b`) or only the second (`c`) had the event.
///
/// # Errors
/// [`Absent::NoDiscordantPair`].
pub fn mcnemar(b: u64, c: u64) -> Defined<McNemar> {
    if b == 0 && c == 0 {
        return Err(Absent::NoDiscordantPair);
    }
    let total = b as f64 + c as f64;
    let gap = b.abs_diff(c) as f64;
    let statistic = gap * gap / total;
    let less = (gap - 1.0).max(0.0);
    let statistic_corrected = less * less / total;
    Ok(McNemar {
        statistic_corrected,
        p_corrected: chi_square_upper_tail(statistic_corrected, 1.0),
        statistic,
        p_value: chi_square_upper_tail(statistic, 1.0),
        p_exact: binomial_two_sided(b, b + c, 0.5),
    })
}
