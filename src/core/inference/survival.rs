//! Time to the first event: Kaplan-Meier curves and the log-rank test.

use crate::error::{Error, Result};

use super::absent::{Absent, Confidence, Defined, Interval};
use super::distributions::chi_square_upper_tail;

/// Who had the event and who left without it at each distinct time, in rising order.
///
/// Counts may be real: weights that add up to the effective number of people give weighted curves with honest widths.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskTable {
    /// time, people at risk just before it, events at it.
    rows: Vec<RiskRow>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct RiskRow {
    time: f64,
    at_risk: f64,
    events: f64,
}

impl RiskTable {
    /// From each person's time, whether it ended in the event (else it is censored there) and the person's weight.
    ///
    /// # Errors
    /// `InvalidInput` on `events` or `weights` (as many as times; weights finite, not negative), `times` (finite).
    pub fn new(times: &[f64], events: &[bool], weights: &[f64]) -> Result<Self> {
        if events.len() != times.len() || weights.len() != times.len() {
            return Err(Error::invalid("times", "must be as many as events and weights"));
        }
        let people: Vec<(f64, f64, f64)> = times
            .iter()
            .zip(events)
            .zip(weights)
            .map(|((&t, &e), &w)| if e { (t, w, 0.0) } else { (t, 0.0, w) })
            .collect();
        Self::from_counts(people)
    }

    /// From (time, events, censored) counts in any order.
    ///
    /// # Errors
    /// `InvalidInput` on `times` or `counts` that are not finite, or counts below 0.
    pub fn from_counts(mut counts: Vec<(f64, f64, f64)>) -> Result<Self> {
        if !counts.iter().all(|c| c.0.is_finite()) {
            return Err(Error::invalid("times", "must be finite numbers"));
        }
        if !counts.iter().all(|c| c.1.is_finite() && c.2.is_finite() && c.1 >= 0.0 && c.2 >= 0.0) {
            return Err(Error::invalid("counts", "must be finite and not negative"));
        }
        counts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut rows: Vec<RiskRow> = counts
            .chunk_by(|a, b| a.0 >= b.0)
            .map(|same| {
                let events: f64 = same.iter().map(|c| c.1).sum();
                let censored: f64 = same.iter().map(|c| c.2).sum();
                RiskRow { time: same[0].0, at_risk: events + censored, events }
            })
            .collect();
        let mut later = 0.0;
        for row in rows.iter_mut().rev() {
            later += row.at_risk;
            row.at_risk = later;
        }
        Ok(Self { rows })
    }

    /// People still at risk just before `time`.
    pub fn at_risk(&self, time: f64) -> f64 {
        self.rows.iter().find(|r| r.time >= time).map_or(0.0, |r| r.at_risk)
    }

    /// The curve at each of `times`, which must rise; beyond the last observed time it stays where it was.
    ///
    /// Kaplan and Meier 1958; standard error Greenwood 1926. Events at a time come before censoring at it.
    pub fn curve(&self, times: &[f64], kind: SurvivalInterval, confidence: Confidence) -> Vec<SurvivalAt> {
        // Before anybody's time the curve is one by definition, on every scale.
        let before_first = |time: f64| self.rows.first().is_none_or(|r| time < r.time);
        let mut rows = self.rows.iter().peekable();
        let (mut survival, mut greenwood) = (1.0_f64, 0.0_f64);
        times
            .iter()
            .map(|&time| {
                while let Some(row) = rows.next_if(|r| r.time <= time) {
                    if row.events > 0.0 {
                        let staying = row.at_risk - row.events;
                        // Rounding of weighted counts must not leave a sliver of survivors.
                        let staying = if staying < 1e-9 * row.at_risk { 0.0 } else { staying };
                        survival *= staying / row.at_risk;
                        greenwood += row.events / row.at_risk / staying;
                    }
                }
                let standard_error =
                    if survival > 0.0 { Ok(survival * greenwood.sqrt()) } else { Err(Absent::CurveAtEdge) };
                SurvivalAt {
                    time,
                    at_risk: self.at_risk(time),
                    survival,
                    standard_error,
                    interval: if before_first(time) {
                        Ok(Interval { low: 1.0, high: 1.0 })
                    } else {
                        standard_error.and_then(|se| kind.interval(survival, se, confidence))
                    },
                }
            })
            .collect()
    }
}

/// On which scale the interval of a survival curve is symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurvivalInterval {
    /// ln S (R's default), cut at 1.
    Log,
    /// ln(-ln S) (Kalbfleisch and Prentice 1980): stays inside 0 to 1.
    LogLog,
    /// S itself, cut at 0 and 1.
    Plain,
}

impl SurvivalInterval {
    fn interval(self, s: f64, se: f64, confidence: Confidence) -> Defined<Interval> {
        let z = confidence.z();
        match self {
            Self::Log => Ok(Interval { low: s * (-z * se / s).exp(), high: (s * (z * se / s).exp()).min(1.0) }),
            Self::Plain => Ok(Interval { low: (s - z * se).max(0.0), high: (s + z * se).min(1.0) }),
            Self::LogLog if s < 1.0 => {
                let factor = z * se / (s * s.ln());
                Ok(Interval { low: s.powf((-factor).exp()), high: s.powf(factor.exp()) })
            }
            Self::LogLog => Err(Absent::CurveAtEdge),
        }
    }
}

/// A survival curve at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurvivalAt {
    /// The time.
    pub time: f64,
    /// People still at risk just before it.
    pub at_risk: f64,
    /// Probability of no event up to and including the time, 0 to 1.
    pub survival: f64,
    /// Greenwood's standard error; absent where nobody is left.
    pub standard_error: Defined<f64>,
    /// Interval; absent where the method has none.
    pub interval: Defined<Interval>,
}

/// The log-rank test of two groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogRank {
    /// Events seen in each group.
    pub observed: [f64; 2],
    /// Events expected in each group if both had the same curve.
    pub expected: [f64; 2],
    /// Hypergeometric variance of observed minus expected.
    pub variance: f64,
    /// (observed - expected)^2 / variance.
    pub statistic: Defined<f64>,
    /// Its p-value, chi-square with one degree of freedom.
    pub p_value: Defined<f64>,
}

/// The log-rank test (Mantel 1966; Peto and Peto 1972), unweighted over time.
pub fn log_rank(first: &RiskTable, second: &RiskTable) -> LogRank {
    let mut expected_first = 0.0;
    let mut variance = 0.0;
    let (mut i, mut j) = (0, 0);
    let (a, b) = (&first.rows, &second.rows);
    while i < a.len() || j < b.len() {
        let time = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.time.min(y.time),
            (Some(x), None) => x.time,
            (None, Some(y)) => y.time,
            (None, None) => break,
        };
        let at = |rows: &[RiskRow], k: usize| {
            rows.get(k).map_or((0.0, 0.0, 0), |r| {
                let here = r.time <= time;
                (r.at_risk, if here { r.events } else { 0.0 }, usize::from(here))
            })
        };
        let ((n1, d1, step1), (n2, d2, step2)) = (at(a, i), at(b, j));
        let (n, d) = (n1 + n2, d1 + d2);
        if d > 0.0 {
            expected_first += d * (n1 / n);
            if n > 1.0 {
                variance += d * (n1 / n) * (n2 / n) * ((n - d) / (n - 1.0));
            }
        }
        i += step1;
        j += step2;
    }
    let observed = [a, b].map(|rows| rows.iter().map(|r| r.events).sum::<f64>());
    let all = observed[0] + observed[1];
    let statistic = if all <= 0.0 {
        Err(Absent::NoEvents)
    } else if variance <= 0.0 {
        Err(Absent::NoVariance)
    } else {
        Ok((observed[0] - expected_first).powi(2) / variance)
    };
    LogRank {
        observed,
        expected: [expected_first, all - expected_first],
        variance,
        statistic,
        p_value: statistic.map(|s| chi_square_upper_tail(s, 1.0)),
    }
}
