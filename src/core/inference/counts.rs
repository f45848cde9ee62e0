//! Counts of events: rate ratios, Poisson and negative binomial.

use crate::error::{Error, Result};
use crate::number::pairwise_sum;

use super::absent::{Absent, Confidence, Defined, Interval};
use super::distributions::{beta_odds_quantile, binomial_two_sided, bisect, normal_two_sided};
use super::ratios::{Ratio, log_interval};

/// Events over a time at risk; checked: the time is above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    events: u64,
    time: f64,
}

impl Exposure {
    /// `events` in `time` (person-days, or people where everybody is followed for the same time).
    ///
    /// # Errors
    /// `InvalidInput` on `time` where it is not above 0.
    pub fn new(events: u64, time: f64) -> Result<Self> {
        if time > 0.0 && time.is_finite() {
            Ok(Self { events, time })
        } else {
            Err(Error::invalid("time", "must be above 0"))
        }
    }

    fn rate(self) -> f64 {
        self.events as f64 / self.time
    }
}

/// The ratio of two Poisson rates with its log-Wald interval, exp(ln rr -+ z sqrt(1/x1 + 1/x2)), and the two-sided
/// p-value of ln rr = 0 (Rothman, Greenland and Lash 2008, chapter 14).
pub fn poisson_rate_ratio(first: Exposure, second: Exposure, confidence: Confidence) -> (Ratio, Defined<f64>) {
    let (x1, x2) = (first.events as f64, second.events as f64);
    let variance = if x1 + x2 <= 0.0 {
        Err(Absent::NoEvents)
    } else if x1 * x2 <= 0.0 {
        Err(Absent::NoEventsInOneGroup)
    } else {
        Ok(1.0 / x1 + 1.0 / x2)
    };
    let ratio = first.rate() / second.rate();
    let p_value = variance.map(|v| normal_two_sided(ratio.ln() / v.sqrt()));
    (log_interval(ratio, variance, confidence), p_value)
}

/// The exact comparison of two Poisson rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactRateRatio {
    /// Two-sided p-value by the minimum-likelihood rule.
    pub p_value: f64,
    /// Lower limit of the rate ratio; 0 where the first group has no event.
    pub low: f64,
    /// Upper limit of the rate ratio; absent where the second group has no event.
    pub high: Defined<f64>,
}

/// The exact test that two Poisson rates are equal, conditional on the total (Przyborowski and Wilenski 1940), with
/// the interval that Clopper and Pearson's gives for the first group's share. The interval is not the inverse of the p-value.
///
/// # Errors
/// [`Absent::NoEvents`].
pub fn poisson_rate_ratio_exact(first: Exposure, second: Exposure, confidence: Confidence) -> Defined<ExactRateRatio> {
    let total = first.events + second.events;
    if total == 0 {
        return Err(Absent::NoEvents);
    }
    let (x1, x2) = (first.events as f64, second.events as f64);
    let half_alpha = confidence.alpha() / 2.0;
    let scale = second.time / first.time;
    Ok(ExactRateRatio {
        p_value: binomial_two_sided(first.events, total, first.time / (first.time + second.time)),
        low: if first.events == 0 { 0.0 } else { scale * beta_odds_quantile(half_alpha, x1, x2 + 1.0) },
        high: if second.events == 0 {
            Err(Absent::Unbounded)
        } else {
            Ok(scale / beta_odds_quantile(half_alpha, x2, x1 + 1.0))
        },
    })
}

/// One person's count of events over a time at risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountObservation {
    /// Number of events.
    pub events: u32,
    /// Time at risk, above 0.
    pub time: f64,
}

/// A rate ratio from negative binomial regression (NB2, log link), where people differ in their rate.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct NegativeBinomial {
    /// ln of the rate ratio, first over second.
    pub log_rate_ratio: f64,
    /// The rate ratio.
    pub rate_ratio: f64,
    /// Standard error of ln rate ratio, from the expected information with the dispersion taken as known.
    pub standard_error_log: f64,
    /// Dispersion: the variance of a count with mean mu is mu + mu^2 / theta.
    pub theta: f64,
    /// Two-sided normal p-value of ln rate ratio = 0.
    pub p_value: f64,
    /// Interval of the rate ratio.
    pub interval: Interval,
    /// Maximised log likelihood.
    pub log_likelihood: f64,
}

/// Observations of one group: distinct (events, time) with how many people have them.
type Grouped = Vec<(f64, f64, f64)>;

fn grouped(observations: &[CountObservation]) -> Grouped {
    let mut sorted = observations.to_vec();
    sorted.sort_by(|a, b| a.events.cmp(&b.events).then(a.time.total_cmp(&b.time)));
    sorted
        .chunk_by(|a, b| a.events == b.events && a.time.total_cmp(&b.time).is_eq())
        .map(|same| (f64::from(same[0].events), same[0].time, same.len() as f64))
        .collect()
}

fn sum(group: &Grouped, term: impl Fn(f64, f64) -> f64) -> f64 {
    let terms: Vec<f64> = group.iter().map(|&(y, t, n)| n * term(y, t)).collect();
    pairwise_sum(&terms)
}

/// The maximum likelihood rate of one group at dispersion theta: the root of sum (y - mu) / (1 + mu / theta).
fn rate(group: &Grouped, theta: f64) -> f64 {
    let (times, events) = (sum(group, |_, t| t), sum(group, |y, _| y));
    let (shortest, longest) =
        group.iter().fold((f64::INFINITY, 0.0_f64), |range, &(_, t, _)| (range.0.min(t), range.1.max(t)));
    let average = events / times;
    if longest <= shortest {
        return average;
    }
    // At the root every person's weight lies between those of the shortest and the longest time, which bounds the rate.
    let score = |log_rate: f64| -> f64 {
        let rate = log_rate.exp();
        sum(group, |y, t| (y - rate * t) / (1.0 + rate * t / theta))
    };
    let spread = (longest / shortest).ln() + 1.0;
    bisect(average.ln() - spread, average.ln() + spread, score).exp()
}

/// How many people of a group had more than j events, for j = 0, 1, ...
fn exceeding(groups: [&Grouped; 2]) -> Vec<f64> {
    let most = groups.iter().flat_map(|g| g.iter()).map(|o| o.0 as usize).max().unwrap_or(0);
    let mut exceeding = vec![0.0; most + 1];
    for &(y, _, n) in groups.iter().flat_map(|g| g.iter()) {
        if y >= 1.0 {
            exceeding[y as usize - 1] += n;
        }
    }
    for j in (0..most).rev() {
        exceeding[j] += exceeding[j + 1];
    }
    exceeding
}

/// The profile likelihood of theta.
struct Profile<'a> {
    groups: [&'a Grouped; 2],
    exceeding: Vec<f64>,
}

impl Profile<'_> {
    fn rates(&self, theta: f64) -> [f64; 2] {
        self.groups.map(|g| rate(g, theta))
    }

    /// d log likelihood / d theta, with digamma(y + theta) - digamma(theta) as the sum it is.
    fn score(&self, theta: f64) -> f64 {
        let digammas: Vec<f64> = self.exceeding.iter().enumerate().map(|(j, n)| n / (theta + j as f64)).collect();
        let rates = self.rates(theta);
        let rest: f64 = (0..2)
            .map(|g| {
                sum(self.groups[g], |y, t| {
                    let mu = rates[g] * t;
                    (mu - y) / (mu + theta) - (mu / theta).ln_1p()
                })
            })
            .sum();
        pairwise_sum(&digammas) + rest
    }

    fn log_likelihood(&self, theta: f64) -> f64 {
        let rates = self.rates(theta);
        // ln Gamma(y + theta) - ln Gamma(theta) - y ln theta = sum over j < y of ln(1 + j / theta)
        let rising: Vec<f64> = self.exceeding.iter().enumerate().map(|(j, n)| n * (j as f64 / theta).ln_1p()).collect();
        let factorials: Vec<f64> = self.exceeding.iter().enumerate().map(|(j, n)| n * ((j + 1) as f64).ln()).collect();
        let rest: f64 = (0..2)
            .map(|g| {
                sum(self.groups[g], |y, t| {
                    let mu = rates[g] * t;
                    let log_mu = if y > 0.0 { y * mu.ln() } else { 0.0 };
                    log_mu - (y + theta) * (mu / theta).ln_1p()
                })
            })
            .sum();
        pairwise_sum(&rising) - pairwise_sum(&factorials) + rest
    }
}

/// The rate ratio of two groups of counts by negative binomial maximum likelihood (Lawless 1987, NB2; the standard
/// error is that of `MASS::glm.nb`, theta taken as known).
///
/// # Errors
/// `InvalidInput` on `time` or where a group is empty. The answer is absent where a group has no event or where the
/// counts vary no more than Poisson counts ([`Absent::NoOverdispersion`]: use [`poisson_rate_ratio`]).
pub fn negative_binomial_rate_ratio(
    first: &[CountObservation],
    second: &[CountObservation],
    confidence: Confidence,
) -> Result<Defined<NegativeBinomial>> {
    if first.is_empty() || second.is_empty() {
        return Err(Error::invalid("observations", "must be there for both groups"));
    }
    if !first.iter().chain(second).all(|o| o.time > 0.0 && o.time.is_finite()) {
        return Err(Error::invalid("time", "must be above 0"));
    }
    let (first, second) = (grouped(first), grouped(second));
    Ok(fit(&first, &second, confidence))
}

fn fit(first: &Grouped, second: &Grouped, confidence: Confidence) -> Defined<NegativeBinomial> {
    let groups = [first, second];
    let totals = groups.map(|g| sum(g, |y, _| y));
    if totals.iter().all(|t| *t <= 0.0) {
        return Err(Absent::NoEvents);
    }
    if totals.iter().any(|t| *t <= 0.0) {
        return Err(Absent::NoEventsInOneGroup);
    }
    let profile = Profile { groups, exceeding: exceeding(groups) };
    // The profile likelihood may have more than one maximum: every fall of the score through zero on a grid of
    // theta = e^-14 to e^20 is one; the highest is taken. A score that ends above zero means theta is infinite.
    let grid: Vec<f64> = (-56..=80).map(|i| f64::from(i) / 4.0).collect();
    let scores: Vec<f64> = grid.iter().map(|log_theta| profile.score(log_theta.exp())).collect();
    let mut best: Option<(f64, f64)> = None;
    for i in 1..grid.len() {
        if scores[i - 1] > 0.0 && scores[i] <= 0.0 {
            let theta = bisect(grid[i - 1], grid[i], |l| profile.score(l.exp())).exp();
            let height = profile.log_likelihood(theta);
            if best.is_none_or(|b| height > b.1) {
                best = Some((theta, height));
            }
        }
    }
    let limit = profile.log_likelihood(grid[grid.len() - 1].exp());
    let (theta, log_likelihood) = best.filter(|b| b.1 >= limit).ok_or(Absent::NoOverdispersion)?;
    let rates = profile.rates(theta);
    let log_rate_ratio = (rates[0] / rates[1]).ln();
    // Expected information of a group's log rate: sum mu / (1 + mu / theta).
    let information = [0, 1].map(|g| sum(groups[g], |_, t| rates[g] * t / (1.0 + rates[g] * t / theta)));
    let standard_error_log = (1.0 / information[0] + 1.0 / information[1]).sqrt();
    let half = confidence.z() * standard_error_log;
    Ok(NegativeBinomial {
        log_rate_ratio,
        rate_ratio: log_rate_ratio.exp(),
        standard_error_log,
        theta,
        p_value: normal_two_sided(log_rate_ratio / standard_error_log),
        interval: Interval { low: (log_rate_ratio - half).exp(), high: (log_rate_ratio + half).exp() },
        log_likelihood,
    })
}
