//! Distances between rows of several covariates, as coordinates in which they are Euclidean.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::matching::design::Design;
use crate::matching::linear::{Cholesky, generalised_inverse, independent_columns, pivoted_cholesky_rows};
use crate::matching::order::sorted_rows;
use crate::matching::plan::Metric;
use crate::number::pairwise_sum;

/// Rows as points, `width` numbers each.
#[derive(Debug)]
pub(crate) struct Points {
    pub(crate) coordinates: Vec<f64>,
    pub(crate) width: usize,
}

/// Coordinates of all rows of `design` (all levels of factors) by MatchIt's rules.
///
/// The Mahalanobis distance uses the covariance within groups (Rubin 1980), the robust one that of ranks, rescaled to the variance of untied ranks
/// (Rosenbaum 2010, section 8.3). Rows where `keep` does not hold count for no covariance.
///
/// # Errors
/// [`Error::TooFew`] if no column varies.
pub(crate) fn coordinates(design: &Design<'_>, metric: Metric, keep: &[bool]) -> Result<Points> {
    let rows: Vec<usize> = (0..keep.len()).filter(|&row| keep[row]).collect();
    let mut columns: Vec<Vec<f64>> = (0..design.terms.len())
        .into_par_iter()
        .map(|term| {
            let mut column = design.column(term);
            if design.terms[term].level.is_some() {
                // A change of level moves two indicators.
                column.iter_mut().for_each(|x| *x /= std::f64::consts::SQRT_2);
            }
            column
        })
        .filter(|column| rows.iter().any(|&row| column[row].total_cmp(&column[rows[0]]).is_ne()))
        .collect();
    let width = columns.len();
    if width == 0 {
        return Err(Error::too_few("covariates that vary", 0, 1));
    }
    let groups: Vec<u8> = design.frame.treated().iter().map(|&t| u8::from(t)).collect();
    let together = vec![0; groups.len()];
    let axes: Vec<Vec<f64>> = match metric {
        Metric::Euclidean => (0..width).map(|i| unit(width, i)).collect(),
        Metric::ScaledEuclidean => {
            columns.par_iter_mut().for_each(|column| {
                let sd = pooled_deviation(column, &rows, &groups);
                column.iter_mut().for_each(|x| *x /= sd);
            });
            (0..width).map(|i| unit(width, i)).collect()
        }
        Metric::Mahalanobis => {
            columns.par_iter_mut().for_each(|column| standardise(column));
            pivoted_cholesky_rows(&inverse(&covariance(&columns, &rows, &groups), width), width)
        }
        Metric::RobustMahalanobis => {
            columns.par_iter_mut().for_each(|column| *column = ranks(column));
            let mut covariance = covariance(&columns, &rows, &together);
            let n = rows.len() as f64;
            let untied = (n * (n + 1.0) / 12.0).sqrt();
            let factors: Vec<f64> = (0..width).map(|i| untied / covariance[i * width + i].sqrt()).collect();
            for (at, value) in covariance.iter_mut().enumerate() {
                *value *= factors[at / width] * factors[at % width];
            }
            pivoted_cholesky_rows(&inverse(&covariance, width), width)
        }
    };
    let width = axes.len();
    if width == 0 {
        // They vary, but by less than a variance can hold.
        return Err(Error::too_few("covariates that vary", 0, 1));
    }
    let mut coordinates = vec![0.0; groups.len() * width];
    coordinates.par_chunks_mut(width).enumerate().for_each(|(row, point)| {
        for (coordinate, axis) in point.iter_mut().zip(&axes) {
            *coordinate = axis.iter().zip(&columns).map(|(a, column)| a * column[row]).sum();
        }
    });
    Ok(Points { coordinates, width })
}

/// Neumaier's (1974) compensated sum: the last bits of a coordinate decide between controls that are equally distant, so they had better be right.
fn compensated_sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for &value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

fn unit(width: usize, at: usize) -> Vec<f64> {
    let mut axis = vec![0.0; width];
    axis[at] = 1.0;
    axis
}

/// The root of the mean of the groups' variances, each counted by its size (MatchIt's pooled standard deviation).
fn pooled_deviation(column: &[f64], rows: &[usize], groups: &[u8]) -> f64 {
    let parts = [0, 1].map(|group| {
        let members: Vec<f64> = rows.iter().filter(|&&row| groups[row] == group).map(|&row| column[row]).collect();
        let n = members.len() as f64;
        let mean = pairwise_sum(&members) / n;
        let squares: Vec<f64> = members.iter().map(|x| (x - mean) * (x - mean)).collect();
        if members.len() > 1 { n * pairwise_sum(&squares) / (n - 1.0) } else { 0.0 }
    });
    ((parts[0] + parts[1]) / rows.len() as f64).sqrt()
}

/// Covariance of the columns over `rows`, about the means of their groups; the divisor is the number of rows less the number of groups.
fn covariance(columns: &[Vec<f64>], rows: &[usize], groups: &[u8]) -> Vec<f64> {
    let present: Vec<u8> = (0..2).filter(|g| rows.iter().any(|&row| groups[row] == *g)).collect();
    let centred: Vec<Vec<f64>> = columns
        .par_iter()
        .map(|column| {
            let means = [0, 1].map(|group| {
                let members: Vec<f64> =
                    rows.iter().filter(|&&row| groups[row] == group).map(|&row| column[row]).collect();
                if members.is_empty() { 0.0 } else { compensated_sum(&members) / members.len() as f64 }
            });
            rows.iter().map(|&row| column[row] - means[usize::from(groups[row])]).collect()
        })
        .collect();
    let width = columns.len();
    let divisor = rows.len() as f64 - present.len() as f64;
    (0..width * width)
        .into_par_iter()
        .map(|at| {
            let (i, j) = (at / width, at % width);
            let products: Vec<f64> = centred[i].iter().zip(&centred[j]).map(|(a, b)| a * b).collect();
            compensated_sum(&products) / divisor
        })
        .collect()
}

/// The inverse, or the generalised inverse if a column depends on the others (all levels of a factor do). (MatchIt decides by the size of the
/// determinant, which depends on the scale of the columns.)
fn inverse(covariance: &[f64], width: usize) -> Vec<f64> {
    let regular = independent_columns(covariance, width, 1e-10).into_iter().all(|independent| independent);
    match Cholesky::new(covariance, width, "the covariance of the covariates") {
        Ok(factor) if regular => factor.inverse(),
        _ => generalised_inverse(covariance, width, 1e-8),
    }
}

/// Mean 0 and standard deviation 1 over all rows.
fn standardise(column: &mut [f64]) {
    let n = column.len() as f64;
    let mean = compensated_sum(column) / n;
    column.iter_mut().for_each(|x| *x -= mean);
    let squares: Vec<f64> = column.iter().map(|x| x * x).collect();
    let sd = (compensated_sum(&squares) / (n - 1.0)).sqrt();
    column.iter_mut().for_each(|x| *x /= sd);
}

/// Ranks from 1, equal values sharing their mean rank.
fn ranks(column: &[f64]) -> Vec<f64> {
    let order = sorted_rows(column);
    let mut ranks = vec![0.0; column.len()];
    let mut below = 0;
    for tied in order.chunk_by(|&a, &b| column[a as usize].total_cmp(&column[b as usize]).is_eq()) {
        let rank = below as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&row| ranks[row as usize] = rank);
        below += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::frame::{Column, Frame};

    #[test]
    fn tied_values_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn squared_lengths_are_mahalanobis_distances() {
        let a = vec![1.0, 2.0, 4.0, 3.0, 7.0, 1.0];
        let b = vec![2.0, 1.0, 3.0, 5.0, 4.0, 0.0];
        let columns = [("a", Column::Numeric(a.clone())), ("b", Column::Numeric(b.clone()))];
        let treated = [true, true, true, false, false, false];
        let frame = Frame::new(&[1, 2, 3, 4, 5, 6], &treated, &columns).unwrap();
        let points = coordinates(&Design::indicators(&frame, &[0, 1]), Metric::Mahalanobis, &[true; 6]).unwrap();
        // Within-group covariance by hand: means (7/3, 2) and (11/3, 3).
        let (mut saa, mut sab, mut sbb) = (0.0, 0.0, 0.0);
        for i in 0..6 {
            let (ma, mb) = if i < 3 { (7.0 / 3.0, 2.0) } else { (11.0 / 3.0, 3.0) };
            let (da, db) = (a[i] - ma, b[i] - mb);
            (saa, sab, sbb) = (saa + da * da / 4.0, sab + da * db / 4.0, sbb + db * db / 4.0);
        }
        let (da, db) = (a[0] - a[4], b[0] - b[4]);
        let expected = (da * da * sbb - 2.0 * da * db * sab + db * db * saa) / (saa * sbb - sab * sab);
        let point = |row: usize| &points.coordinates[row * points.width..][..points.width];
        let found: f64 = point(0).iter().zip(point(4)).map(|(x, y)| (x - y) * (x - y)).sum();
        assert!((found - expected).abs() < 1e-12);
    }
}
