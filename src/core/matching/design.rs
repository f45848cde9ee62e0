//! The columns that a formula makes of the covariates: numbers as they are, factors as 0/1 columns.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::matching::frame::Frame;
use crate::matching::kernel::BLOCK;

/// Most columns a regression may have; its crossproduct is the square of this.
pub const MAX_TERMS: usize = 1_000;

/// Rows summed as one: the unit of work of a thread, fixed so that sums do not depend on their number.
pub(crate) const CHUNK: usize = 32 * BLOCK;

/// One column of the design.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    /// R's name: the covariate's, followed for a factor by the level.
    pub(crate) name: String,
    /// Position of the covariate in the frame.
    pub(crate) covariate: usize,
    /// For a factor the level that the column indicates.
    pub(crate) level: Option<u32>,
}

/// Columns over the rows of a frame, made when asked for; the intercept is not among them.
#[derive(Debug, Clone)]
pub(crate) struct Design<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) terms: Vec<Term>,
}

impl<'a> Design<'a> {
    /// Treatment contrasts: of each factor every level but the first in the order of bytes (R's `contr.treatment` in the C locale).
    ///
    /// # Errors
    /// More than [`MAX_TERMS`] columns: names the covariate with the most levels.
    pub(crate) fn contrasts(frame: &'a Frame, covariates: &[usize]) -> Result<Self> {
        let design = Self::columns(frame, covariates, 1);
        if design.terms.len() > MAX_TERMS {
            let levels = |&c: &usize| frame.covariates[c].levels.as_ref().map_or(1, Vec::len);
            let widest = covariates.iter().copied().max_by_key(levels).unwrap_or(0);
            let rule = format!(
                "has {} levels and the model {} columns; at most {MAX_TERMS} are fitted: group the levels or match on them with \"exact\"",
                levels(&widest),
                design.terms.len()
            );
            return Err(Error::invalid(&frame.covariates[widest].name, rule));
        }
        Ok(design)
    }

    /// Every level of each factor, as balance and Mahalanobis distance look at them.
    pub(crate) fn indicators(frame: &'a Frame, covariates: &[usize]) -> Self {
        Self::columns(frame, covariates, 0)
    }

    fn columns(frame: &'a Frame, covariates: &[usize], first_level: usize) -> Self {
        let mut terms = Vec::new();
        for &at in covariates {
            let covariate = &frame.covariates[at];
            match &covariate.levels {
                None => terms.push(Term { name: covariate.name.clone(), covariate: at, level: None }),
                Some(levels) => {
                    terms.extend(levels.iter().enumerate().skip(first_level).map(|(code, level)| Term {
                        name: format!("{}{level}", covariate.name),
                        covariate: at,
                        level: Some(code as u32),
                    }));
                }
            }
        }
        Self { frame, terms }
    }

    /// Writes the values of one column in `rows` to `out`.
    pub(crate) fn copy_to(&self, term: usize, rows: Range<usize>, out: &mut [f64]) {
        let Term { covariate, level, .. } = self.terms[term];
        let values = &self.frame.covariates[covariate].values;
        match level {
            None => values.copy_to(rows, out),
            Some(code) => values.indicate(code, rows, out),
        }
    }

    /// One whole column.
    pub(crate) fn column(&self, term: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.frame.len()];
        self.copy_to(term, 0..self.frame.len(), &mut out);
        out
    }

    /// `intercept + sum over terms of coefficient * column`, row by row in the order of the terms, so that identical rows get identical bits.
    /// Terms whose coefficient is `None` are left out.
    pub(crate) fn linear_predictor(&self, intercept: f64, coefficients: &[Option<f64>]) -> Vec<f64> {
        let mut eta = vec![intercept; self.frame.len()];
        eta.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, eta)| {
            let mut values = vec![0.0; eta.len()];
            let start = chunk * CHUNK;
            for (term, coefficient) in coefficients.iter().enumerate() {
                if let &Some(coefficient) = coefficient {
                    self.copy_to(term, start..start + eta.len(), &mut values);
                    for (eta, value) in eta.iter_mut().zip(&values) {
                        *eta += coefficient * value;
                    }
                }
            }
        });
        eta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::frame::Column;

    fn frame() -> Frame {
        let race =
            Column::Factor { levels: vec!["white".into(), "black".into(), "Asian".into()], codes: vec![0, 1, 2, 1] };
        let columns = [("age", Column::Numeric(vec![30.0, 31.0, 32.0, 33.0])), ("race", race)];
        Frame::new(&[1, 2, 3, 4], &[true, false, true, false], &columns).unwrap()
    }

    #[test]
    fn the_first_level_in_the_order_of_bytes_is_the_reference() {
        let frame = frame();
        let names = |design: &Design<'_>| design.terms.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        let design = Design::contrasts(&frame, &[0, 1]).unwrap();
        assert_eq!(names(&design), ["age", "raceblack", "racewhite"]);
        assert_eq!(design.column(1), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(names(&Design::indicators(&frame, &[1])), ["raceAsian", "raceblack", "racewhite"]);
    }

    #[test]
    fn a_linear_predictor_leaves_out_terms_without_a_coefficient() {
        let frame = frame();
        let design = Design::contrasts(&frame, &[0, 1]).unwrap();
        assert_eq!(design.linear_predictor(1.0, &[Some(2.0), None, Some(-1.0)]), [60.0, 63.0, 65.0, 67.0]);
    }

    #[test]
    fn ten_thousand_levels_are_refused_by_the_name_of_the_factor() {
        let levels: Vec<String> = (0..10_000).map(|i| format!("l{i}")).collect();
        let ids: Vec<i64> = (0..10_000).collect();
        let treated: Vec<bool> = ids.iter().map(|i| i % 2 == 0).collect();
        let column = Column::Factor { levels, codes: (0..10_000).collect() };
        let frame = Frame::new(&ids, &treated, &[("street", column)]).unwrap();
        let error = Design::contrasts(&frame, &[0]).unwrap_err().to_string();
        assert!(error.starts_with("street: has 10000 levels"), "{error}");
    }
}
