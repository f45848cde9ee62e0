//! Entropy balancing: weights for one group that give every covariate exactly the mean it has in the other, and are otherwise as even
//! as can be (Hainmueller 2012).
//!
//! The weights are exp(lambda'x); lambda minimises log(sum of exp(lambda'x)) - lambda'm, m being the means wanted, a convex problem in as many
//! unknowns as there are columns (Zhao and Percival 2017, section 2), solved by Newton's method with halved steps.

use crate::error::{Error, Result};
use crate::matching::design::Design;
use crate::matching::kernel;
use crate::matching::linear::{Cholesky, independent_columns};
use crate::matching::model::{At, Model, Pass};
use crate::number::Heartbeat;

/// Weights of the rows where `weighted` holds, adding up to 1, under which every column of `design` has the mean of the rows where `target` holds.
///
/// # Errors
/// [`Error::InvalidInput`] naming a column whose mean cannot be reached, [`Error::NotConverged`] if the means together cannot.
pub(crate) fn entropy_weights(
    design: &Design<'_>,
    weighted: &[bool],
    target: &[bool],
    heartbeat: Heartbeat<'_>,
) -> Result<Vec<f64>> {
    const MAXIT: u32 = 200;
    /// Differences of means in standard deviations.
    const TOLERANCE: f64 = 1e-11;
    let mut model = Model::standardise(design, Some(weighted));
    let all_terms = vec![0.0; design.terms.len() + 1];
    let even = model.pass(At::Exponential(&all_terms), heartbeat);
    let wanted = Model::standardise(design, Some(target)).pass(At::Exponential(&all_terms), heartbeat);
    let independent = independent_columns(&even.information(), even.size, 1e-12);
    let every = model.clone();
    model.drop_aliased(&independent);
    let means: Vec<f64> = (1..independent.len()).filter(|&i| independent[i]).map(|i| mean(&wanted, i)).collect();

    // The first coefficient only scales the weights, to keep their sum near 1.
    let mut coefficients = vec![0.0; means.len() + 1];
    coefficients[0] = -kernel::ln(even.information()[0]);
    let evaluate = |coefficients: &[f64]| {
        let pass = model.pass(At::Exponential(coefficients), heartbeat);
        let log_sum = kernel::ln(pass.information()[0]) - coefficients[0];
        let dot: f64 = coefficients[1..].iter().zip(&means).map(|(c, m)| c * m).sum();
        (pass, log_sum, log_sum - dot)
    };
    let (mut pass, mut log_sum, mut objective) = evaluate(&coefficients);
    for _ in 0..MAXIT {
        let size = means.len();
        let information = pass.information();
        let at = |i: usize, j: usize| information[i * (size + 1) + j] / information[0];
        let gradient: Vec<f64> = (0..size).map(|i| at(0, i + 1) - means[i]).collect();
        if gradient.iter().all(|g| g.abs() < TOLERANCE) {
            // Columns that depend on the others among those weighted need not do so among the others.
            let mut reached = coefficients.iter();
            let all: Vec<f64> = independent
                .iter()
                .map(|&kept| if kept { reached.next().copied().unwrap_or(0.0) } else { 0.0 })
                .collect();
            let reached = every.pass(At::Exponential(&all), heartbeat);
            if let Some(term) =
                (0..design.terms.len()).find(|t| (mean(&reached, t + 1) - mean(&wanted, t + 1)).abs() > 1e-6)
            {
                let rule = "cannot be balanced: among those to be weighted it does not vary by itself";
                return Err(Error::invalid(&design.terms[term].name, rule));
            }
            let (intercept, slopes) = model.raw(&coefficients);
            let eta = design.linear_predictor(intercept, &slopes);
            let raw: Vec<f64> = eta.iter().zip(weighted).map(|(&e, &w)| if w { kernel::exp(e) } else { 0.0 }).collect();
            let sum = crate::number::pairwise_sum(&raw);
            return Ok(raw.into_iter().map(|w| w / sum).collect());
        }
        let covariance: Vec<f64> = (0..size * size)
            .map(|k| at(k / size + 1, k % size + 1) - at(0, k / size + 1) * at(0, k % size + 1))
            .collect();
        let mut step = Cholesky::new(&covariance, size, "the covariance of the covariates under the weights")
            .map_err(|_| unreachable_means())?
            .solve(&gradient);
        let slope: f64 = step.iter().zip(&gradient).map(|(s, g)| s * g).sum();
        let mut length = 1.0;
        loop {
            let mut moved = coefficients.clone();
            moved[0] = -log_sum;
            moved[1..].iter_mut().zip(&step).for_each(|(c, s)| *c -= s);
            let next = evaluate(&moved);
            // Armijo's rule; at the very end rounding may hide the gain.
            if next.2 <= objective - 1e-4 * length * slope + 1e-13 * objective.abs().max(1.0) {
                coefficients = moved;
                (pass, log_sum, objective) = next;
                break;
            }
            length *= 0.5;
            step.iter_mut().for_each(|s| *s *= 0.5);
            if length < 1e-10 {
                return Err(unreachable_means());
            }
        }
    }
    Err(Error::NotConverged { what: "entropy balancing".to_owned(), iterations: MAXIT })
}

/// The mean of a standardised column under the weights of a pass.
fn mean(pass: &Pass, column: usize) -> f64 {
    let information = pass.information();
    information[column] / information[0]
}

fn unreachable_means() -> Error {
    Error::invalid(
        "method",
        "\"entropy\" cannot balance these covariates: no weights give those to be weighted the means wanted",
    )
}
