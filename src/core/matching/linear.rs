//! Small dense symmetric matrices: Cholesky factors with and without pivoting, inverse, eigenvalues.
//!
//! Matrices are row-major slices of `size * size` numbers. Sizes are those of a regression (tens to hundreds), so plain loops do.

use crate::error::{Error, Result};

/// The lower triangular factor of a symmetric positive definite matrix.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky {
    lower: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Factors `matrix`, called `what` in the error.
    pub(crate) fn new(matrix: &[f64], size: usize, what: &str) -> Result<Self> {
        let mut lower = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| lower[i * size + k] * lower[j * size + k]).sum();
                let rest = matrix[i * size + j] - dot;
                if i == j {
                    if rest.is_nan() || rest <= 0.0 || rest.is_infinite() {
                        return Err(Error::Singular { what: what.to_owned() });
                    }
                    lower[i * size + i] = rest.sqrt();
                } else {
                    lower[i * size + j] = rest / lower[j * size + j];
                }
            }
        }
        Ok(Self { lower, size })
    }

    /// The row `row` of the factor, up to its diagonal.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.lower[row * self.size..][..=row]
    }

    /// The factor, row-major.
    pub(crate) fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// The x with `matrix * x = right`.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x = right.to_vec();
        for i in 0..self.size {
            let dot: f64 = (0..i).map(|k| self.lower[i * self.size + k] * x[k]).sum();
            x[i] = (x[i] - dot) / self.lower[i * self.size + i];
        }
        for i in (0..self.size).rev() {
            let dot: f64 = (i + 1..self.size).map(|k| self.lower[k * self.size + i] * x[k]).sum();
            x[i] = (x[i] - dot) / self.lower[i * self.size + i];
        }
        x
    }

    /// The inverse of the matrix.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let mut inverse = vec![0.0; self.size * self.size];
        let mut unit = vec![0.0; self.size];
        for column in 0..self.size {
            unit.fill(0.0);
            unit[column] = 1.0;
            for (row, value) in self.solve(&unit).into_iter().enumerate() {
                inverse[row * self.size + column] = value;
            }
        }
        inverse
    }

    /// The logarithm of the matrix's determinant, by the caller's logarithm.
    pub(crate) fn ln_determinant(&self, ln: impl Fn(f64) -> f64) -> f64 {
        (0..self.size).map(|i| 2.0 * ln(self.lower[i * self.size + i])).sum()
    }
}

/// Which columns of a crossproduct are not (nearly) a linear combination of columns before them.
///
/// A column is dropped when what is left of its sum of squares, after projection on the kept columns before it, is at most `tolerance` of the whole.
/// R's `glm` drops the same columns in the same order (limited pivoting, Dongarra et al. 1979, LINPACK dqrdc) but sees finer differences,
/// because it works on the columns and not on their crossproduct.
pub(crate) fn independent_columns(matrix: &[f64], size: usize, tolerance: f64) -> Vec<bool> {
    let mut lower = vec![0.0; size * size];
    let mut kept = vec![false; size];
    for i in 0..size {
        for j in (0..i).filter(|&j| kept[j]) {
            let dot: f64 = (0..j).filter(|&k| kept[k]).map(|k| lower[i * size + k] * lower[j * size + k]).sum();
            lower[i * size + j] = (matrix[i * size + j] - dot) / lower[j * size + j];
        }
        let squares: f64 = (0..i).filter(|&k| kept[k]).map(|k| lower[i * size + k].powi(2)).sum();
        let rest = matrix[i * size + i] - squares;
        kept[i] = rest > tolerance * matrix[i * size + i];
        if kept[i] {
            lower[i * size + i] = rest.sqrt();
        }
    }
    kept
}

/// The Cholesky factor with complete diagonal pivoting (Higham 2002, section 10.3; LAPACK `dpstrf`), columns put back in their own order:
/// rows r of the result satisfy `matrix = sum over r of r' r`.
pub(crate) fn pivoted_cholesky_rows(matrix: &[f64], size: usize) -> Vec<Vec<f64>> {
    let mut rest = matrix.to_vec();
    let mut free: Vec<usize> = (0..size).collect();
    let largest = (0..size).map(|i| matrix[i * size + i]).fold(0.0, f64::max);
    let stop = size as f64 * f64::EPSILON * largest;
    let mut rows = Vec::new();
    while let Some(at) = (0..free.len()).reduce(|best, i| {
        let diagonal = |i: usize| rest[free[i] * size + free[i]];
        if diagonal(i) > diagonal(best) { i } else { best }
    }) {
        let pivot = free[at];
        let diagonal = rest[pivot * size + pivot];
        if diagonal <= stop {
            break;
        }
        // As LAPACK: the pivot changes places with the first free column.
        free.swap(0, at);
        let root = diagonal.sqrt();
        let mut row = vec![0.0; size];
        for &j in &free {
            row[j] = if j == pivot { root } else { rest[pivot * size + j] / root };
        }
        for &i in &free {
            for &j in &free {
                rest[i * size + j] -= row[i] * row[j];
            }
        }
        free.remove(0);
        rows.push(row);
    }
    rows
}

/// The Moore-Penrose inverse of a symmetric matrix: eigenvalues at most `tolerance` of the largest count as zero.
pub(crate) fn generalised_inverse(matrix: &[f64], size: usize, tolerance: f64) -> Vec<f64> {
    let (values, vectors) = eigen(matrix, size);
    let largest = values.iter().fold(0.0, |a: f64, &b| a.max(b.abs()));
    let mut inverse = vec![0.0; size * size];
    for (k, &value) in values.iter().enumerate().filter(|(_, value)| value.abs() > tolerance * largest) {
        for i in 0..size {
            for j in 0..size {
                inverse[i * size + j] += vectors[i * size + k] * vectors[j * size + k] / value;
            }
        }
    }
    inverse
}

/// Eigenvalues and eigenvectors (in columns) of a symmetric matrix by Jacobi's rotations (Golub and Van Loan 2013, section 8.5).
pub(crate) fn eigen(matrix: &[f64], size: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut v = vec![0.0; size * size];
    for i in 0..size {
        v[i * size + i] = 1.0;
    }
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _sweep in 0..60 {
        let off: f64 = (0..size).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * size + j].powi(2)).sum();
        if off <= 1e-34 * total {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                let apq = a[p * size + q];
                if apq.abs() < f64::MIN_POSITIVE {
                    continue;
                }
                let theta = (a[q * size + q] - a[p * size + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..size {
                    let (x, y) = (a[k * size + p], a[k * size + q]);
                    a[k * size + p] = c * x - s * y;
                    a[k * size + q] = s * x + c * y;
                }
                for k in 0..size {
                    let (x, y) = (a[p * size + k], a[q * size + k]);
                    a[p * size + k] = c * x - s * y;
                    a[q * size + k] = s * x + c * y;
                    let (x, y) = (v[k * size + p], v[k * size + q]);
                    v[k * size + p] = c * x - s * y;
                    v[k * size + q] = s * x + c * y;
                }
            }
        }
    }
    ((0..size).map(|i| a[i * size + i]).collect(), v)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 9] = [4.0, 2.0, 0.6, 2.0, 5.0, 1.5, 0.6, 1.5, 3.0];

    fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
        (0..9).map(|at| (0..3).map(|k| a[at / 3 * 3 + k] * b[k * 3 + at % 3]).sum()).collect()
    }

    fn is_identity(a: &[f64]) -> bool {
        a.iter().enumerate().all(|(at, &x)| (x - if at % 4 == 0 { 1.0 } else { 0.0 }).abs() < 1e-12)
    }

    #[test]
    fn the_inverse_times_the_matrix_is_the_identity() {
        let cholesky = Cholesky::new(&A, 3, "test matrix").unwrap();
        assert!(is_identity(&product(&A, &cholesky.inverse())));
        assert!(is_identity(&product(&A, &generalised_inverse(&A, 3, 1e-8))));
        assert!((cholesky.ln_determinant(f64::ln) - 40.8_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_singular_matrix_is_an_error() {
        let singular = Cholesky::new(&[1.0, 1.0, 1.0, 1.0], 2, "test matrix").unwrap_err();
        assert_eq!(singular.to_string(), "test matrix is singular");
    }

    #[test]
    fn the_later_of_two_dependent_columns_is_dropped() {
        // Crossproduct of (1,1,1,1), (0,1,0,1), their sum, and (1,0,0,2).
        let columns = [[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0], [1.0, 2.0, 1.0, 2.0], [1.0, 0.0, 0.0, 2.0]];
        let cross: Vec<f64> =
            (0..16).map(|at| (0..4).map(|k| columns[at / 4][k] * columns[at % 4][k]).sum::<f64>()).collect();
        assert_eq!(independent_columns(&cross, 4, 1e-12), [true, true, false, true]);
    }

    #[test]
    fn pivoted_rows_rebuild_the_matrix() {
        let rows = pivoted_cholesky_rows(&A, 3);
        assert!(rows[0][1] > 0.0 && (rows[0][1] - 5.0_f64.sqrt()).abs() < 1e-15);
        for at in 0..9 {
            let rebuilt: f64 = rows.iter().map(|r| r[at / 3] * r[at % 3]).sum();
            assert!((rebuilt - A[at]).abs() < 1e-12);
        }
    }
}
