//! The propensity score: a logistic regression of treatment on the covariates, by iteratively reweighted least squares.
//!
//! Columns are centred and scaled inside, which the coefficients do not show; iterations, start and stopping rule are
//! those of R's `glm` (McCullagh and Nelder 1989, section 2.5), taken as Newton steps (for the logit they are the same).

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::matching::design::{CHUNK, Design};
use crate::matching::frame::Frame;
use crate::matching::kernel;
use crate::matching::linear::{Cholesky, independent_columns};
use crate::matching::model::{At, Model, Pass};
use crate::number::Heartbeat;

/// How the regression is iterated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// Stop when the deviance changes by less than this, relative to itself plus 0.1 (R: 1e-8).
    pub epsilon: f64,
    /// Most iterations (R: 25).
    pub maxit: u32,
    /// Start from a fit of all treated and this many controls instead of R's start; fewer passes over large pools, the same optimum.
    pub warm_start_controls: Option<usize>,
    /// What to do when treatment is separated by the covariates.
    pub separation: Separation,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { epsilon: 1e-8, maxit: 25, warm_start_controls: None, separation: Separation::Firth }
    }
}

/// What to do when the covariates separate treated from controls, so that the likelihood has no maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separation {
    /// Fit again with Firth's penalty, and say so.
    Firth,
    /// Refuse.
    Refuse,
}

/// Why the fit carries a penalty, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Penalty {
    /// The covariates separate some treated or controls: Jeffreys' prior (Firth 1993; Heinze and Schemper 2002).
    FirthForSeparation,
    /// The likelihood was not maximised within the iterations allowed: Jeffreys' prior.
    FirthForNonConvergence,
}

/// One coefficient, in the scale of the covariate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coefficient {
    /// R's name of the term, `(Intercept)` first.
    pub name: String,
    /// The estimate, in logits; `None` if the column is aliased (a linear combination of earlier ones) and was dropped.
    pub estimate: Option<f64>,
    /// Its standard error from the information at the estimate.
    pub standard_error: Option<f64>,
}

/// A fitted propensity model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Intercept and terms in the order of the design.
    pub coefficients: Vec<Coefficient>,
    /// Minus twice the log likelihood.
    pub deviance: f64,
    /// The deviance of the intercept alone.
    pub null_deviance: f64,
    /// Iterations, each one solution of the weighted least squares (and so one pass over the rows).
    pub iterations: u32,
    /// Rows that the model was fitted to.
    pub rows: usize,
    /// Treated among them.
    pub treated: usize,
    /// The penalty, if one was needed.
    pub penalty: Option<Penalty>,
    /// The linear predictor (logit of the score) of every row of the frame, also of rows left out of the fit.
    pub logits: Vec<f64>,
}

impl Fit {
    /// The scores: probabilities of treatment, one a row.
    pub fn scores(&self) -> Vec<f64> {
        self.logits.par_iter().map(|&eta| kernel::logistic(eta)).collect()
    }

    /// Names of the aliased columns.
    pub fn aliased(&self) -> impl Iterator<Item = &str> {
        self.coefficients.iter().filter(|c| c.estimate.is_none()).map(|c| c.name.as_str())
    }
}

/// Fits treatment on `design` over the rows where `keep` holds (all, if `None`).
///
/// # Errors
/// [`Error::TooFew`] without a treated or a control, [`Error::NotConverged`] if the penalised fit does not converge, or if
/// treatment is separated and [`Separation::Refuse`] was asked for.
pub(crate) fn fit(
    design: &Design<'_>,
    keep: Option<&[bool]>,
    options: &FitOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<Fit> {
    let frame = design.frame;
    let kept = |row: usize| keep.is_none_or(|keep| keep[row]);
    let rows = (0..frame.len()).filter(|&row| kept(row)).count();
    let treated = (0..frame.len()).filter(|&row| kept(row) && frame.treated()[row]).count();
    for (what, have) in [("treated", treated), ("controls", rows - treated)] {
        if have == 0 {
            return Err(Error::too_few(what, have, 1));
        }
    }
    let start = match options.warm_start_controls {
        Some(controls) if 2 * controls < rows - treated => {
            Some(warm_start(design, keep, controls, options, heartbeat)?)
        }
        _ => None,
    };
    let mut model = Model::standardise(design, keep);
    let first = model.pass(At::Start, heartbeat);
    let independent = independent_columns(&first.information(), first.size, ALIASED);
    model.drop_aliased(&independent);
    let first = if independent.iter().all(|&x| x) { first } else { model.pass(At::Start, heartbeat) };

    let solution = if model.a_column_separates() {
        Err(Penalty::FirthForSeparation)
    } else {
        model.maximise(first, start.clone(), options, heartbeat)?
    };
    let (solution, penalty) = match solution {
        Ok(solution) => (solution, None),
        Err(penalty) if options.separation == Separation::Firth => {
            let start = match start {
                None if 2 * PENALISED_CONTROLS < rows - treated => {
                    warm_start(design, keep, PENALISED_CONTROLS, options, heartbeat).ok()
                }
                start => start,
            };
            (model.maximise_penalised(start, heartbeat)?, Some(penalty))
        }
        Err(_) => {
            return Err(Error::NotConverged {
                what: "the propensity model (treatment is separated by the covariates)".to_owned(),
                iterations: options.maxit,
            });
        }
    };
    let (shares, n) = ((treated as f64, (rows - treated) as f64), rows as f64);
    let null_deviance = -2.0 * (shares.0 * kernel::ln(shares.0 / n) + shares.1 * kernel::ln(shares.1 / n));
    let coefficients = model.coefficients(&solution)?;
    let estimates: Vec<Option<f64>> = coefficients[1..].iter().map(|c| c.estimate).collect();
    let logits = design.linear_predictor(coefficients[0].estimate.unwrap_or(0.0), &estimates);
    Ok(Fit {
        coefficients,
        deviance: solution.deviance,
        null_deviance,
        iterations: solution.iterations,
        rows,
        treated,
        penalty,
        logits,
    })
}

/// A column is aliased when less than this share of its sum of squares is left after the columns before it.
const ALIASED: f64 = 1e-12;

/// At the maximum a Newton step no longer moves anybody's logit; along a separating direction every step moves it by about 1.
const SEPARATED: f64 = 0.5;

/// A penalised fit of more than twice as many controls begins where that of a sample of so many ends.
const PENALISED_CONTROLS: usize = 50_000;

/// A start near the optimum: the coefficients of all treated and about `controls` controls, the intercept moved by the logarithm
/// of the sampling fraction (Prentice and Pyke 1979). The controls are drawn by a hash of their ids, so that the order of rows does not matter.
fn warm_start(
    design: &Design<'_>,
    keep: Option<&[bool]>,
    controls: usize,
    options: &FitOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<Vec<Option<f64>>> {
    let frame = design.frame;
    let pool = frame.len() - frame.treated_count();
    let bound = (u64::MAX as f64 * (controls as f64 / pool as f64)) as u64;
    let drawn = |row: usize| {
        keep.is_none_or(|keep| keep[row]) && (frame.treated()[row] || scramble(frame.ids()[row] as u64) < bound)
    };
    let sample: Frame = frame.subset(drawn);
    let small = Design { frame: &sample, terms: design.terms.clone() };
    let options = FitOptions { warm_start_controls: None, separation: Separation::Firth, ..*options };
    let fit = fit(&small, None, &options, heartbeat)?;
    let mut start: Vec<Option<f64>> = fit.coefficients.iter().map(|c| c.estimate).collect();
    if let Some(Some(intercept)) = start.first_mut() {
        let kept = (0..frame.len()).filter(|&row| keep.is_none_or(|keep| keep[row])).count();
        *intercept += kernel::ln((sample.len() - fit.treated) as f64 / (kept - fit.treated) as f64);
    }
    Ok(start)
}

/// Whether of two ranges of values each begins below the other's end.
fn overlap([a, b]: [(f64, f64); 2]) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// A fixed bijective hash of 64 bits (Steele, Lea and Flood 2014: the finaliser of SplitMix64).
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// An optimum, in standardised columns.
struct Solution {
    coefficients: Vec<f64>,
    information: Vec<f64>,
    deviance: f64,
    iterations: u32,
}

impl Model<'_> {
    /// Newton's iterations from R's start, or from `start`, to R's stopping rule; `Err` inside `Ok` says which penalty is needed.
    fn maximise(
        &self,
        first: Pass,
        start: Option<Vec<Option<f64>>>,
        options: &FitOptions,
        heartbeat: Heartbeat<'_>,
    ) -> Result<std::result::Result<Solution, Penalty>> {
        let what = "the information of the propensity model";
        let warm = start.is_some();
        let mut step = match start {
            // The solution at R's start is the first step from zero.
            None => Cholesky::new(&first.information(), first.size, what)?.solve(&first.score()),
            Some(start) => self.standardised(&start),
        };
        let mut coefficients = vec![0.0; first.size];
        // R compares the first deviance with that of its start, where every fitted probability is 3/4 right.
        let mut before = -2.0 * self.rows() * kernel::ln(0.75);
        let mut closing = false;
        for iterations in 1..=options.maxit {
            for (coefficient, step) in coefficients.iter_mut().zip(&step) {
                *coefficient += step;
            }
            let pass = self.pass(At::Logistic(&coefficients), heartbeat);
            let information = pass.information();
            if (pass.deviance - before).abs() / (pass.deviance.abs() + 0.1) < options.epsilon {
                // A warm start may stop with a larger last step than R's start would: it takes one more.
                if closing || !warm {
                    if self.largest_move(&step) > SEPARATED {
                        return Ok(Err(Penalty::FirthForSeparation));
                    }
                    return Ok(Ok(Solution { coefficients, information, deviance: pass.deviance, iterations }));
                }
                closing = true;
            }
            before = pass.deviance;
            let Ok(factor) = Cholesky::new(&information, pass.size, what) else {
                return Ok(Err(Penalty::FirthForSeparation));
            };
            step = factor.solve(&pass.score());
        }
        let separated = self.largest_move(&step) > SEPARATED && before < -2.0 * self.rows() * kernel::ln(0.75);
        Ok(Err(if separated { Penalty::FirthForSeparation } else { Penalty::FirthForNonConvergence }))
    }

    /// Whether one column alone separates treated from controls: none of the ones has a larger value than any of the others
    /// (a level that only controls have, say). Then the likelihood has no maximum, and its iterations can be spared.
    fn a_column_separates(&self) -> bool {
        let n = self.design.frame.len();
        let treated = self.design.frame.treated();
        self.terms.par_iter().any(|&term| {
            // Least and greatest value of controls and treated.
            let mut range = [(f64::INFINITY, f64::NEG_INFINITY); 2];
            let mut buffer = vec![0.0; CHUNK.min(n)];
            for start in (0..n).step_by(CHUNK) {
                let values = &mut buffer[..CHUNK.min(n - start)];
                self.design.copy_to(term, start..start + values.len(), values);
                for (row, &value) in (start..).zip(values.iter()) {
                    if self.keep.is_none_or(|keep| keep[row]) {
                        let (low, high) = &mut range[usize::from(treated[row])];
                        (*low, *high) = (low.min(value), high.max(value));
                    }
                }
                if overlap(range) {
                    return false;
                }
            }
            range[0] != range[1]
        })
    }

    /// The maximum of the likelihood times Jeffreys' prior: the score X'(y - mu + h (1/2 - mu)), h the leverages
    /// (Firth 1993; Heinze and Schemper 2002, equation 3), with steps halved until the penalised likelihood grows.
    ///
    /// The step is Newton's with the leverages held, that is, of a regression with weights w (1 + h) (Heinze and Schemper's augmented data):
    /// where few rows carry a coefficient that is far quicker than the information alone, whose steps are too long there.
    fn maximise_penalised(&self, start: Option<Vec<Option<f64>>>, heartbeat: Heartbeat<'_>) -> Result<Solution> {
        const MAXIT: u32 = 200;
        const LONGEST: f64 = 5.0;
        let what = "the information of the penalised propensity model";
        let evaluate = |coefficients: &[f64]| -> Result<(Pass, Vec<f64>, Cholesky, f64)> {
            let pass = self.pass(At::Logistic(coefficients), heartbeat);
            let information = pass.information();
            let factor = Cholesky::new(&information, pass.size, what)?;
            let objective = pass.deviance - factor.ln_determinant(kernel::ln);
            Ok((pass, information, factor, objective))
        };
        let nothing = vec![0.0; self.terms.len() + 1];
        let start = start.map(|start| self.standardised(&start));
        let begun = start.and_then(|start| Some((evaluate(&start).ok()?, start)));
        let ((mut pass, mut information, mut factor, mut objective), mut coefficients) = match begun {
            Some(begun) => begun,
            None => (evaluate(&nothing)?, nothing),
        };
        for iterations in 1..=MAXIT {
            let penalised = self.pass(At::Penalised(&coefficients, &factor), heartbeat);
            let mut step = Cholesky::new(&penalised.information(), penalised.size, what)?.solve(&penalised.score());
            let longest = step.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            if longest < 1e-9 {
                return Ok(Solution { coefficients, information, deviance: pass.deviance, iterations });
            }
            step.iter_mut().for_each(|s| *s *= (LONGEST / longest).min(1.0));
            for halving in 0..=30 {
                let moved: Vec<f64> = coefficients.iter().zip(&step).map(|(c, s)| c + s).collect();
                let next = evaluate(&moved);
                if let Ok(next) = next
                    && (next.3 <= objective + 1e-12 * objective.abs() || halving == 30)
                {
                    coefficients = moved;
                    (pass, information, factor, objective) = next;
                    break;
                }
                step.iter_mut().for_each(|s| *s *= 0.5);
            }
        }
        Err(Error::NotConverged { what: "the penalised propensity model".to_owned(), iterations: MAXIT })
    }

    fn coefficients(&self, solution: &Solution) -> Result<Vec<Coefficient>> {
        let size = self.terms.len() + 1;
        let variance = Cholesky::new(&solution.information, size, "the information of the propensity model")?.inverse();
        let (intercept, slopes) = self.raw(&solution.coefficients);
        // The intercept is that of the standardised columns minus the centres times the slopes.
        let mut to_intercept = vec![1.0];
        to_intercept.extend(self.centre.iter().zip(&self.scale).map(|(c, s)| -c * s));
        let intercept_variance: f64 = (0..size)
            .flat_map(|i| (0..size).map(move |j| (i, j)))
            .map(|(i, j)| to_intercept[i] * variance[i * size + j] * to_intercept[j])
            .sum();
        let mut errors = vec![None; slopes.len()];
        for (position, &term) in self.terms.iter().enumerate() {
            errors[term] = Some(variance[(position + 1) * (size + 1)].sqrt() * self.scale[position]);
        }
        let mut coefficients = vec![Coefficient {
            name: "(Intercept)".to_owned(),
            estimate: Some(intercept),
            standard_error: Some(intercept_variance.sqrt()),
        }];
        coefficients.extend(self.design.terms.iter().zip(slopes).zip(errors).map(
            |((term, estimate), standard_error)| Coefficient { name: term.name.clone(), estimate, standard_error },
        ));
        Ok(coefficients)
    }
}
