//! Cox regression of the time to an event, with case weights and a variance that honours clusters.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::matching::Cholesky;
use crate::number::pairwise_sum;

use super::absent::{Absent, Confidence, Defined, Interval};
use super::distributions::normal_two_sided;

/// A coefficient times the range of its covariate beyond this (a hazard ratio of 10^13) has no maximum to go to.
const LARGEST_EFFECT: f64 = 30.0;
const MOST_ITERATIONS: usize = 50;
/// Newton's decrement, per weight of an event, at which one further step reaches the last digits.
const CONVERGED: f64 = 1e-20;

/// How events at the same time share the risk set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// Efron 1977: those who have the event leave the risk set bit by bit.
    Efron,
    /// Breslow 1974: each has the event with everybody still at risk.
    Breslow,
}

/// People under observation, one entry each in every slice.
#[derive(Debug, Clone, Copy)]
pub struct CoxSample<'a> {
    time: &'a [f64],
    event: &'a [bool],
    weight: &'a [f64],
    cluster: &'a [Option<u32>],
    covariates: &'a [&'a [f64]],
}

impl<'a> CoxSample<'a> {
    /// Time, whether it ended in the event (else it is censored there), weight (0 leaves a person out), cluster (`None`: of
    /// their own) and the values of each covariate.
    ///
    /// # Errors
    /// `InvalidInput` on `people` (slices of unequal length), `covariates` (none, or not finite), `time` (not finite),
    /// `weight` (negative or not finite).
    pub fn new(
        time: &'a [f64],
        event: &'a [bool],
        weight: &'a [f64],
        cluster: &'a [Option<u32>],
        covariates: &'a [&'a [f64]],
    ) -> Result<Self> {
        let lengths = [event.len(), weight.len(), cluster.len()];
        if lengths.into_iter().chain(covariates.iter().map(|c| c.len())).any(|n| n != time.len()) {
            return Err(Error::invalid(
                "people",
                "must have a time, an event, a weight, a cluster and every covariate",
            ));
        }
        if covariates.is_empty() || !covariates.iter().all(|c| c.iter().all(|x| x.is_finite())) {
            return Err(Error::invalid("covariates", "must be one or more, of finite numbers"));
        }
        if !time.iter().all(|t| t.is_finite()) {
            return Err(Error::invalid("time", "must be finite numbers"));
        }
        if !weight.iter().all(|w| w.is_finite() && *w >= 0.0) {
            return Err(Error::invalid("weight", "must be finite and not negative"));
        }
        Ok(Self { time, event, weight, cluster, covariates })
    }
}

/// A fitted Cox regression.
#[derive(Debug, Clone, PartialEq)]
pub struct CoxFit {
    /// One for each covariate.
    pub coefficients: Vec<CoxCoefficient>,
    /// Logarithm of the partial likelihood with all coefficients zero.
    pub log_likelihood_null: f64,
    /// Its largest value.
    pub log_likelihood: f64,
    /// Score statistic of all coefficients being zero, chi-square with as many degrees of freedom as covariates. It and the
    /// likelihood ratio take weights for numbers of people and know nothing of clusters.
    pub score_test: f64,
    /// Likelihood ratio statistic of the same, 2 (`log_likelihood` - `log_likelihood_null`).
    pub likelihood_ratio: f64,
}

/// One coefficient of a Cox regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoxCoefficient {
    /// Change of the logarithm of the hazard for one unit of the covariate.
    pub coefficient: f64,
    /// From the inverse of the information: right where weights are numbers of people and people are independent.
    pub standard_error: f64,
    /// From the sum over clusters of squared score residuals (Lin and Wei 1989): right for sampling weights and clusters.
    pub robust_standard_error: Defined<f64>,
}

/// A hazard ratio with Wald's test and interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HazardRatio {
    /// Hazard with one unit more of the covariate over that without; treatment over comparison.
    pub ratio: f64,
    /// Standard error of its logarithm.
    pub standard_error_log: f64,
    /// Logarithm of the ratio over its standard error.
    pub z: f64,
    /// Two-sided normal p-value.
    pub p_value: f64,
    /// Normal interval, symmetric in the logarithm.
    pub interval: Interval,
}

impl CoxCoefficient {
    /// The hazard ratio under one of the two standard errors (Wald 1943).
    pub fn hazard_ratio(&self, standard_error: f64, confidence: Confidence) -> HazardRatio {
        let (b, half) = (self.coefficient, confidence.z() * standard_error);
        HazardRatio {
            ratio: b.exp(),
            standard_error_log: standard_error,
            z: b / standard_error,
            p_value: normal_two_sided(b / standard_error),
            interval: Interval { low: (b - half).exp(), high: (b + half).exp() },
        }
    }
}

/// Fits the proportional hazards model (Cox 1972) by Newton and Raphson's method on the weighted partial likelihood
/// (Cox 1975; weights after Binder 1992).
///
/// # Errors
/// Absent where nobody has the event ([`Absent::NoEvents`]), where a covariate does not vary or repeats others among those
/// at risk ([`Absent::NoVariance`]), where the likelihood rises without end ([`Absent::MonotoneLikelihood`]: everybody who had
/// the event is on one side of everybody else at risk; Bryson and Johnson 1981) and where the iteration does not settle
/// ([`Absent::NotConverged`]).
pub fn cox_regression(sample: CoxSample<'_>, ties: Ties) -> Defined<CoxFit> {
    let model = Model::new(sample, ties)?;
    let p = model.size;
    let start = model.at(&vec![0.0; p]);
    let (log_likelihood_null, mut score_test) = (start.log_likelihood, None);
    let mut beta = vec![0.0; p];
    let mut here = start;
    for _ in 0..MOST_ITERATIONS {
        let factor =
            here.factor(p).map_err(|why| if score_test.is_none() { why } else { Absent::MonotoneLikelihood })?;
        let step = factor.solve(&here.score);
        let decrement: f64 = step.iter().zip(&here.score).map(|(a, b)| a * b).sum();
        score_test.get_or_insert(decrement);
        let close = decrement <= CONVERGED * model.event_weight;
        let moved = |part: f64| -> Vec<f64> { beta.iter().zip(&step).map(|(b, s)| b + part * s).collect() };
        let mut part = 1.0;
        // Halved until the likelihood does not fall, but for rounding.
        let (next, there) = loop {
            let next = moved(part);
            if next.iter().all(|b| b.abs() <= LARGEST_EFFECT) {
                let there = model.at(&next);
                let rounding = 1e-12 * here.log_likelihood.abs().max(model.event_weight);
                if there.log_likelihood >= here.log_likelihood - rounding {
                    break (next, there);
                }
            } else if part < 1e-3 {
                return Err(Absent::MonotoneLikelihood);
            }
            part /= 2.0;
            if part < 1e-9 {
                return Err(Absent::NotConverged);
            }
        };
        (beta, here) = (next, there);
        if close {
            let information = here.factor(p)?;
            return Ok(CoxFit {
                coefficients: model.coefficients(&beta, &information.inverse(), &here.times),
                log_likelihood_null,
                log_likelihood: here.log_likelihood,
                score_test: score_test.unwrap_or(decrement),
                likelihood_ratio: 2.0 * (here.log_likelihood - log_likelihood_null),
            });
        }
    }
    let far = beta.iter().any(|b| b.abs() > LARGEST_EFFECT / 2.0);
    Err(if far { Absent::MonotoneLikelihood } else { Absent::NotConverged })
}

/// Everybody with a weight above 0, latest time first; covariates centred and brought to a range of one, row by row.
struct Model {
    size: usize,
    ties: Ties,
    time: Vec<f64>,
    event: Vec<bool>,
    weight: Vec<f64>,
    cluster: Vec<Option<u32>>,
    x: Vec<f64>,
    range: Vec<f64>,
    event_weight: f64,
}

/// The partial likelihood at one set of coefficients, with its slope, curvature and what happens at each time of an event.
struct Likelihood {
    log_likelihood: f64,
    score: Vec<f64>,
    information: Vec<f64>,
    /// Latest first.
    times: Vec<EventTime>,
}

/// Increments of the baseline hazard at one time, for those who stay and (Efron) for those who have the event then.
struct EventTime {
    time: f64,
    hazard: [f64; 2],
    /// The same, times the mean of each covariate among those at risk.
    hazard_mean: [Vec<f64>; 2],
    mean: Vec<f64>,
}

impl Likelihood {
    /// The factor of the information; absent where it says nothing of some coefficient.
    fn factor(&self, size: usize) -> Defined<Cholesky> {
        let factor = Cholesky::new(&self.information, size, "information").map_err(|_| Absent::NoVariance)?;
        let lost = |j: usize| factor.row(j)[j].powi(2) <= 1e-12 * self.information[j * size + j];
        if (0..size).any(lost) { Err(Absent::NoVariance) } else { Ok(factor) }
    }
}

impl Model {
    fn new(sample: CoxSample<'_>, ties: Ties) -> Defined<Self> {
        let mut order: Vec<usize> = (0..sample.time.len()).filter(|&i| sample.weight[i] > 0.0).collect();
        order.sort_by(|&a, &b| sample.time[b].total_cmp(&sample.time[a]).then(a.cmp(&b)));
        let weight: Vec<f64> = order.iter().map(|&i| sample.weight[i]).collect();
        let event: Vec<bool> = order.iter().map(|&i| sample.event[i]).collect();
        let event_weight: f64 = weight.iter().zip(&event).filter(|(_, e)| **e).map(|(w, _)| w).sum();
        if event_weight <= 0.0 {
            return Err(Absent::NoEvents);
        }
        let total = pairwise_sum(&weight);
        let size = sample.covariates.len();
        let (mut x, mut range) = (vec![0.0; order.len() * size], Vec::with_capacity(size));
        for (j, values) in sample.covariates.iter().enumerate() {
            let of = || order.iter().map(|&i| values[i]);
            let spread = of().fold(f64::NEG_INFINITY, f64::max) - of().fold(f64::INFINITY, f64::min);
            if spread <= 0.0 || !spread.is_finite() {
                return Err(Absent::NoVariance);
            }
            let mean = of().zip(&weight).map(|(x, w)| x * (w / total)).sum::<f64>();
            for (row, value) in of().enumerate() {
                x[row * size + j] = (value - mean) / spread;
            }
            range.push(spread);
        }
        Ok(Self {
            size,
            ties,
            time: order.iter().map(|&i| sample.time[i]).collect(),
            event,
            weight,
            cluster: order.iter().map(|&i| sample.cluster[i]).collect(),
            x,
            range,
            event_weight,
        })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.x[i * self.size..(i + 1) * self.size]
    }

    fn risk(&self, i: usize, beta: &[f64]) -> f64 {
        self.row(i).iter().zip(beta).map(|(x, b)| x * b).sum::<f64>().exp()
    }

    fn at(&self, beta: &[f64]) -> Likelihood {
        let p = self.size;
        let (mut at_risk, mut log_likelihood) = (Sums::new(p), 0.0);
        let (mut score, mut information, mut times) = (vec![0.0; p], vec![0.0; p * p], Vec::new());
        let mut first = 0;
        while first < self.time.len() {
            let time = self.time[first];
            let next = first + self.time[first..].iter().take_while(|t| **t >= time).count();
            let (mut having, mut events, mut weight) = (Sums::new(p), 0_u32, 0.0);
            for i in first..next {
                let (w, x) = (self.weight[i], self.row(i));
                let risk = self.risk(i, beta);
                at_risk.add(w * risk, x);
                if self.event[i] {
                    having.add(w * risk, x);
                    events += 1;
                    weight += w;
                    log_likelihood += w * risk.ln();
                    score.iter_mut().zip(x).for_each(|(u, x)| *u += w * x);
                }
            }
            first = next;
            if events == 0 {
                continue;
            }
            let each = 1.0 / f64::from(events);
            let mut here =
                EventTime { time, hazard: [0.0; 2], hazard_mean: [vec![0.0; p], vec![0.0; p]], mean: vec![0.0; p] };
            for k in 0..events {
                let gone = if self.ties == Ties::Efron { f64::from(k) * each } else { 0.0 };
                let left = at_risk.of - gone * having.of;
                let mean: Vec<f64> = (0..p).map(|j| (at_risk.x[j] - gone * having.x[j]) / left).collect();
                log_likelihood -= weight * each * left.ln();
                for j in 0..p {
                    score[j] -= weight * each * mean[j];
                    for l in 0..p {
                        let square = (at_risk.xx[j * p + l] - gone * having.xx[j * p + l]) / left;
                        information[j * p + l] += weight * each * (square - mean[j] * mean[l]);
                    }
                    here.mean[j] += each * mean[j];
                }
                for (which, share) in [1.0, 1.0 - gone].into_iter().enumerate() {
                    let hazard = share * weight * each / left;
                    here.hazard[which] += hazard;
                    here.hazard_mean[which].iter_mut().zip(&mean).for_each(|(sum, m)| *sum += hazard * m);
                }
            }
            times.push(here);
        }
        Likelihood { log_likelihood, score, information, times }
    }

    /// Coefficients on the covariates' own scale. The score residuals are those of Lin and Wei 1989, for Efron's ties as
    /// Therneau and Grambsch 2000, section 7.2, extend them; each cluster's are summed before they are squared.
    fn coefficients(&self, beta: &[f64], inverse: &[f64], times: &[EventTime]) -> Vec<CoxCoefficient> {
        let p = self.size;
        let (mut hazard, mut hazard_mean) = (0.0, vec![0.0; p]);
        let mut clusters: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        let (mut squares, mut count) = (vec![0.0; p], 0_usize);
        let mut add_square = |influence: &[f64]| {
            squares.iter_mut().zip(influence).for_each(|(sum, d)| *sum += d * d);
            count += 1;
        };
        let mut coming = times.iter().rev().peekable();
        for i in (0..self.time.len()).rev() {
            while let Some(earlier) = coming.next_if(|at| at.time < self.time[i]) {
                hazard += earlier.hazard[0];
                hazard_mean.iter_mut().zip(&earlier.hazard_mean[0]).for_each(|(sum, m)| *sum += m);
            }
            let own = coming.peek().filter(|at| at.time <= self.time[i]);
            let which = usize::from(self.event[i]);
            let (w, risk) = (self.weight[i], self.risk(i, beta));
            let residual: Vec<f64> = (0..p)
                .map(|j| {
                    let x = self.row(i)[j];
                    let (now, now_mean) = own.map_or((0.0, 0.0), |at| (at.hazard[which], at.hazard_mean[which][j]));
                    let seen = if self.event[i] { x - own.map_or(0.0, |at| at.mean[j]) } else { 0.0 };
                    w * (seen - risk * (x * (hazard + now) - hazard_mean[j] - now_mean))
                })
                .collect();
            let influence: Vec<f64> = (0..p).map(|j| (0..p).map(|l| inverse[j * p + l] * residual[l]).sum()).collect();
            match self.cluster[i] {
                Some(cluster) => {
                    let sum = clusters.entry(cluster).or_insert_with(|| vec![0.0; p]);
                    sum.iter_mut().zip(&influence).for_each(|(sum, d)| *sum += d);
                }
                None => add_square(&influence),
            }
        }
        clusters.values().for_each(|influence| add_square(influence));
        (0..p)
            .map(|j| CoxCoefficient {
                coefficient: beta[j] / self.range[j],
                standard_error: inverse[j * p + j].sqrt() / self.range[j],
                robust_standard_error: if count < 2 {
                    Err(Absent::OnePerson)
                } else if squares[j] <= 1e-24 * inverse[j * p + j] {
                    // Residuals that cancel but for rounding: every cluster says the same.
                    Err(Absent::NoVariance)
                } else {
                    Ok(squares[j].sqrt() / self.range[j])
                },
            })
            .collect()
    }
}

/// Weighted sums over a set of people: of 1, of the covariates and of their products.
struct Sums {
    of: f64,
    x: Vec<f64>,
    xx: Vec<f64>,
}

impl Sums {
    fn new(size: usize) -> Self {
        Self { of: 0.0, x: vec![0.0; size], xx: vec![0.0; size * size] }
    }

    fn add(&mut self, weight: f64, x: &[f64]) {
        self.of += weight;
        for (j, a) in x.iter().enumerate() {
            self.x[j] += weight * a;
            for (l, b) in x.iter().enumerate() {
                self.xx[j * x.len() + l] += weight * a * b;
            }
        }
    }
}
