//! The columns of a regression, standardised, and the sums of one pass over the rows.
//!
//! Rows are handled in fixed blocks whose crossproducts are added in a fixed order, so that the digits do not depend on the
//! number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::matching::design::{CHUNK, Design};
use crate::matching::kernel::{self, BLOCK, LANES, Tile};
use crate::matching::linear::Cholesky;
use crate::number::Heartbeat;

/// Where a pass evaluates which model. Coefficients are those of the standardised columns, intercept first.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    /// The logistic regression at R's start: fitted values (y + 1/2) / 2.
    Start,
    /// The logistic regression at these coefficients.
    Logistic(&'a [f64]),
    /// The logistic regression with Firth's penalty at these coefficients, given the factor of the information there: weights w (1 + h) and a
    /// working residual whose sums are the penalised score, h the leverages. Its deviance is not taken.
    Penalised(&'a [f64], &'a Cholesky),
    /// Weights that are the exponential of the linear predictor.
    Exponential(&'a [f64]),
}

/// The sums of one pass over the rows.
pub(crate) struct Pass {
    tiles: Vec<Tile>,
    strips: usize,
    /// Intercept and terms.
    pub(crate) size: usize,
    pub(crate) deviance: f64,
}

impl Pass {
    /// X'WX.
    pub(crate) fn information(&self) -> Vec<f64> {
        let at = |i, j| kernel::entry(&self.tiles, self.strips, i, j);
        (0..self.size).flat_map(|i| (0..self.size).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
    }

    /// X'W times the working response (at the start) or the working residual: the score, X'(y - mu).
    pub(crate) fn score(&self) -> Vec<f64> {
        (0..self.size).map(|i| kernel::entry(&self.tiles, self.strips, i, self.size)).collect()
    }
}

/// The regression over standardised columns.
#[derive(Clone)]
pub(crate) struct Model<'a> {
    pub(crate) design: &'a Design<'a>,
    pub(crate) keep: Option<&'a [bool]>,
    /// Terms in the model; the others are aliased.
    pub(crate) terms: Vec<usize>,
    /// Of each term of the model.
    pub(crate) centre: Vec<f64>,
    /// Reciprocal of the standard deviation of each term of the model.
    pub(crate) scale: Vec<f64>,
}

impl<'a> Model<'a> {
    pub(crate) fn standardise(design: &'a Design<'a>, keep: Option<&'a [bool]>) -> Self {
        let n = design.frame.len();
        let moments: Vec<(f64, f64)> = (0..design.terms.len())
            .into_par_iter()
            .map(|term| {
                let mut buffer = vec![0.0; CHUNK.min(n)];
                design.copy_to(term, 0..1, &mut buffer[..1]);
                // Deviations from a value of the column, so that a large common part costs no digits.
                let (origin, mut sum, mut squares) = (buffer[0], 0.0, 0.0);
                for start in (0..n).step_by(CHUNK) {
                    let values = &mut buffer[..CHUNK.min(n - start)];
                    design.copy_to(term, start..start + values.len(), values);
                    let (mut chunk_sum, mut chunk_squares) = (0.0, 0.0);
                    for &value in values.iter() {
                        chunk_sum += value - origin;
                        chunk_squares += (value - origin) * (value - origin);
                    }
                    sum += chunk_sum;
                    squares += chunk_squares;
                }
                let mean = sum / n as f64;
                (origin + mean, (squares / n as f64 - mean * mean).max(0.0).sqrt())
            })
            .collect();
        // A constant column is left as zeros: it is aliased with the intercept.
        let scale = moments.iter().map(|&(_, sd)| if sd > 0.0 { 1.0 / sd } else { 0.0 }).collect();
        Self { design, keep, terms: (0..moments.len()).collect(), centre: moments.iter().map(|m| m.0).collect(), scale }
    }

    pub(crate) fn drop_aliased(&mut self, independent: &[bool]) {
        let keep = |position: usize| independent[position + 1];
        let kept: Vec<usize> = (0..self.terms.len()).filter(|&i| keep(i)).collect();
        self.terms = kept.iter().map(|&i| self.terms[i]).collect();
        self.centre = kept.iter().map(|&i| self.centre[i]).collect();
        self.scale = kept.iter().map(|&i| self.scale[i]).collect();
    }

    /// Writes the standardised columns of `rows` behind one another into `columns`, the intercept first, and the logits into `eta`.
    pub(crate) fn fill(&self, rows: Range<usize>, coefficients: Option<&[f64]>, columns: &mut [f64], eta: &mut [f64]) {
        let len = rows.len();
        columns[..len].fill(1.0);
        eta.fill(coefficients.map_or(0.0, |c| c[0]));
        for (position, &term) in self.terms.iter().enumerate() {
            let column = &mut columns[(position + 1) * len..][..len];
            self.design.copy_to(term, rows.clone(), column);
            let (centre, scale) = (self.centre[position], self.scale[position]);
            let coefficient = coefficients.map_or(0.0, |c| c[position + 1]);
            kernel::standardise(column, centre, scale, coefficient, eta);
        }
    }

    /// Runs `work` over the chunks of rows, in parallel, and folds the results in the order of the rows.
    pub(crate) fn over_chunks<T: Send>(
        &self,
        heartbeat: Heartbeat<'_>,
        work: impl Fn(Range<usize>) -> T + Sync,
        mut fold: impl FnMut(T),
    ) {
        const BATCH: usize = 64;
        let n = self.design.frame.len();
        let starts: Vec<usize> = (0..n).step_by(CHUNK).collect();
        for batch in starts.chunks(BATCH) {
            let results: Vec<T> = batch.par_iter().map(|&start| work(start..n.min(start + CHUNK))).collect();
            results.into_iter().for_each(&mut fold);
            heartbeat();
        }
    }

    /// Weights, working residuals, crossproducts and deviance over all rows.
    pub(crate) fn pass(&self, at: At<'_>, heartbeat: Heartbeat<'_>) -> Pass {
        let size = self.terms.len() + 1;
        let strips = (size + 1).div_ceil(LANES);
        let empty = || vec![[[0.0; LANES]; LANES]; kernel::tiles(strips)];
        let coefficients = match at {
            At::Start => None,
            At::Logistic(coefficients) | At::Penalised(coefficients, _) | At::Exponential(coefficients) => {
                Some(coefficients)
            }
        };
        let chunk = |rows: Range<usize>| {
            let (mut tiles, mut deviance) = (empty(), 0.0);
            let mut columns = vec![0.0; strips * LANES * BLOCK];
            let mut packed = vec![[0.0; LANES]; strips * BLOCK];
            let (mut eta, mut root) = ([0.0; BLOCK], [0.0; BLOCK]);
            let mut solved = if let At::Penalised(..) = at { vec![0.0; size * BLOCK] } else { Vec::new() };
            for start in rows.clone().step_by(BLOCK) {
                let block = start..rows.end.min(start + BLOCK);
                let len = block.len();
                let (eta, root) = (&mut eta[..len], &mut root[..len]);
                self.fill(block.clone(), coefficients, &mut columns, eta);
                let mut squares = [0.0; BLOCK];
                if let At::Penalised(_, factor) = at {
                    kernel::solved_squares(factor.lower(), size, &columns, &mut solved, &mut squares[..len]);
                }
                // The column behind the terms is the working response or residual; those behind it stay empty.
                columns[size * len..strips * LANES * len].fill(0.0);
                let response = &mut columns[size * len..][..len];
                let treated = &self.design.frame.treated()[block.clone()];
                let keep = self.keep.map(|keep| &keep[block]);
                match (at, keep) {
                    (At::Start, _) => start_weights(treated, keep, root, response),
                    (At::Logistic(_), _) => {
                        deviance += 2.0 * kernel::working_weights(eta, treated, keep, root, response);
                    }
                    (At::Penalised(..), _) => {
                        kernel::working_weights(eta, treated, keep, root, response);
                        kernel::penalise(eta, &squares[..len], root, response);
                    }
                    (At::Exponential(_), Some(keep)) => kernel::exponential_weights(eta, keep, root),
                    (At::Exponential(_), None) => kernel::exponential_weights(eta, &[true; BLOCK], root),
                }
                for (strip, out) in packed[..strips * len].chunks_exact_mut(len).enumerate() {
                    kernel::pack(&columns[strip * LANES * len..][..LANES * len], root, out);
                }
                kernel::add_crossproduct(&packed[..strips * len], len, strips, &mut tiles);
            }
            (tiles, deviance)
        };
        let (mut total, mut deviance) = (empty(), 0.0);
        self.over_chunks(heartbeat, chunk, |(tiles, part)| {
            for (total, part) in total.iter_mut().flatten().flatten().zip(tiles.iter().flatten().flatten()) {
                *total += part;
            }
            deviance += part;
        });
        Pass { tiles: total, strips, size, deviance }
    }

    pub(crate) fn rows(&self) -> f64 {
        self.keep.map_or(self.design.frame.len(), |keep| keep.iter().filter(|&&k| k).count()) as f64
    }

    /// The largest change of a logit that `step` makes.
    pub(crate) fn largest_move(&self, step: &[f64]) -> f64 {
        let (intercept, slopes) = self.raw(step);
        self.design
            .linear_predictor(intercept, &slopes)
            .par_iter()
            .enumerate()
            .filter(|(row, _)| self.keep.is_none_or(|keep| keep[*row]))
            .map(|(_, eta)| eta.abs())
            .reduce(|| 0.0, f64::max)
    }

    /// From coefficients of standardised columns to intercept and coefficients of the design's terms (`None` for aliased ones).
    pub(crate) fn raw(&self, standardised: &[f64]) -> (f64, Vec<Option<f64>>) {
        let mut slopes = vec![None; self.design.terms.len()];
        let mut intercept = standardised[0];
        for (position, &term) in self.terms.iter().enumerate() {
            let slope = standardised[position + 1] * self.scale[position];
            intercept -= slope * self.centre[position];
            slopes[term] = Some(slope);
        }
        (intercept, slopes)
    }

    /// The way back: coefficients of the terms, intercept first, to those of standardised columns.
    pub(crate) fn standardised(&self, raw: &[Option<f64>]) -> Vec<f64> {
        let mut out = vec![raw[0].unwrap_or(0.0)];
        for (position, &term) in self.terms.iter().enumerate() {
            let slope = raw[term + 1].unwrap_or(0.0);
            out[0] += slope * self.centre[position];
            out.push(slope / self.scale[position]);
        }
        out
    }
}

/// R's start: fitted probability 3/4 of what happened; writes root weights and the working response.
fn start_weights(treated: &[bool], keep: Option<&[bool]>, root: &mut [f64], response: &mut [f64]) {
    const LN_3: f64 = 1.098_612_288_668_109_8;
    const WEIGHT: f64 = 3.0 / 16.0;
    for (at, ((root, response), &treated)) in root.iter_mut().zip(response).zip(treated).enumerate() {
        *root = if keep.is_none_or(|keep| keep[at]) { WEIGHT.sqrt() } else { 0.0 };
        let working = LN_3 + 0.25 / WEIGHT;
        *response = if treated { working } else { -working };
    }
}
