//! The inner loops of the regression: a logarithm and an exponential that give the same digits on every machine,
//! and the crossproduct of a block of rows.
//!
//! The platform's `exp` may differ in its last bit between machines (it chooses its code by processor); these are
//! plain IEEE additions and multiplications, which no compiler may reorder, and they vectorise. Each loop is compiled twice, for every
//! x86-64 and for those with AVX2, and the processor is asked at run time; the digits are the same.

use multiversion::multiversion;

/// Rows handled at a time: a strip of four columns of this length stays in the first-level cache.
pub(crate) const BLOCK: usize = 256;

/// Columns side by side in a strip.
pub(crate) const LANES: usize = 4;

const LN_2_HIGH: f64 = 0.693_147_180_369_123_8; // 33 bits of ln 2, so that k * LN_2_HIGH is exact
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// e to the power of `x`, for `x` in [-708, 708] (values outside are taken as the nearest end); relative error below 3e-16.
///
/// Cody and Waite's (1980) reduction `x = k ln 2 + r` and the Taylor series to degree 13, whose remainder on |r| <= ln 2 / 2 is 4e-18.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    /// Adding it leaves the nearest whole number in the low bits of the mantissa.
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
    const C: [f64; 14] = [
        1.0,
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
        1.0 / 6_227_020_800.0,
    ];
    let x = x.clamp(-708.0, 708.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = x - k * LN_2_HIGH - k * LN_2_LOW;
    let mut series = C[13];
    for &coefficient in C[..13].iter().rev() {
        series = series * r + coefficient;
    }
    f64::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// The natural logarithm of a positive normal number; relative error below 4e-16.
///
/// `x = m 2^k` with m between sqrt(1/2) and sqrt(2), then ln m = 2 artanh((m-1)/(m+1)) by its series.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut k = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        k += 1;
    }
    let f = (m - 1.0) / (m + 1.0);
    let square = f * f;
    let mut series = 0.0;
    for odd in (1..=23).rev().step_by(2) {
        series = series * square + 1.0 / f64::from(odd);
    }
    k as f64 * LN_2_HIGH + (2.0 * f * series + k as f64 * LN_2_LOW)
}

/// The logistic function: the probability whose logit is `eta`.
#[inline(always)]
pub(crate) fn logistic(eta: f64) -> f64 {
    let e = exp(-eta.abs());
    if eta >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// `to + a * b`, number by number.
#[inline(always)]
fn add_scaled(to: [f64; LANES], a: f64, b: &[f64; LANES]) -> [f64; LANES] {
    [to[0] + a * b[0], to[1] + a * b[1], to[2] + a * b[2], to[3] + a * b[3]]
}

/// A 4 x 4 part of a crossproduct.
pub(crate) type Tile = [[f64; LANES]; LANES];

/// Adds the crossproduct of `strips` to `upper`.
///
/// `strips` holds `count` strips of `rows` rows each, a row being [`LANES`] columns; `upper` holds one tile for every pair of strips
/// (i, j) with i <= j, in row order. Each entry is summed row by row, so its digits do not depend on the width of the
/// machine's vectors. (The version for AVX2 has no fused operations: those round differently.)
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn add_crossproduct(strips: &[[f64; LANES]], rows: usize, count: usize, upper: &mut [Tile]) {
    let mut tiles = upper.iter_mut();
    for i in 0..count {
        let left = &strips[i * rows..][..rows];
        for (right, tile) in strips[i * rows..].chunks_exact(rows).zip(&mut tiles) {
            // Four separate rows: the compiler keeps them in registers.
            let (mut s0, mut s1, mut s2, mut s3) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
            for (a, b) in left.iter().zip(right) {
                s0 = add_scaled(s0, a[0], b);
                s1 = add_scaled(s1, a[1], b);
                s2 = add_scaled(s2, a[2], b);
                s3 = add_scaled(s3, a[3], b);
            }
            for (total, sum) in tile.iter_mut().zip([s0, s1, s2, s3]) {
                *total = add_scaled(*total, 1.0, &sum);
            }
        }
    }
}

/// Centres and scales a column, and adds it times `coefficient` to `eta`.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn standardise(column: &mut [f64], centre: f64, scale: f64, coefficient: f64, eta: &mut [f64]) {
    for (value, eta) in column.iter_mut().zip(eta) {
        *value = (*value - centre) * scale;
        *eta += coefficient * *value;
    }
}

/// Interleaves four columns, which stand behind one another, into a strip, each row times its root weight.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn pack(columns: &[f64], root: &[f64], out: &mut [[f64; LANES]]) {
    let (first, last) = columns.split_at(2 * out.len());
    let ((a, b), (c, d)) = (first.split_at(out.len()), last.split_at(out.len()));
    for (((((out, a), b), c), d), root) in out.iter_mut().zip(a).zip(b).zip(c).zip(d).zip(root) {
        *out = [a * root, b * root, c * root, d * root];
    }
}

/// Root weights sqrt(mu (1 - mu)) and working residuals (y - mu) / (mu (1 - mu)) of at most [`BLOCK`] rows at the logits `eta`; returns
/// minus the log likelihood. Rows not kept get weight zero.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn working_weights(
    eta: &[f64],
    treated: &[bool],
    keep: Option<&[bool]>,
    root: &mut [f64],
    residual: &mut [f64],
) -> f64 {
    let (mut factor, mut wrong) = ([1.0; BLOCK], [0.0; BLOCK]);
    let sides = root.iter_mut().zip(residual).zip(factor.iter_mut().zip(&mut wrong));
    for ((&eta, &treated), ((root, residual), (factor, wrong))) in eta.iter().zip(treated).zip(sides) {
        // With e = exp(-|eta|) the likelier outcome has probability 1 / (1 + e): nothing cancels for extreme logits.
        let sign = if treated { 1.0 } else { -1.0 };
        let e = exp(-eta.abs());
        let d = 1.0 + e;
        let surprised = sign * eta < 0.0;
        // (y - mu) / (mu (1 - mu)) is one over the probability of what happened, with the sign of what happened.
        *residual = sign * if surprised { d / e } else { d };
        *root = e.sqrt() / d;
        *factor = d;
        *wrong = if surprised { eta.abs() } else { 0.0 };
    }
    if let Some(keep) = keep {
        for (((root, factor), wrong), &keep) in root.iter_mut().zip(&mut factor).zip(&mut wrong).zip(keep) {
            if !keep {
                (*root, *factor, *wrong) = (0.0, 1.0, 0.0);
            }
        }
    }
    // One logarithm for the product of a lane: up to 64 numbers between 1 and 2.
    let (mut products, mut sums) = ([1.0; LANES], [0.0; LANES]);
    for (factors, wrongs) in factor.as_chunks::<LANES>().0.iter().zip(wrong.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            products[lane] *= factors[lane];
            sums[lane] += wrongs[lane];
        }
    }
    products.iter().map(|&p| ln(p)).sum::<f64>() + sums.iter().sum::<f64>()
}

/// Root weights exp(eta / 2) of the rows kept.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn exponential_weights(eta: &[f64], keep: &[bool], root: &mut [f64]) {
    for ((root, &eta), &keep) in root.iter_mut().zip(eta).zip(keep) {
        *root = if keep { exp(0.5 * eta) } else { 0.0 };
    }
}

/// Solves `lower * z = x` for every row of a block and writes the squared length of each z.
///
/// `lower` is a lower triangle, `size` by `size` and row-major; `columns` holds the `size` columns of x behind one another, each as long as
/// `squares`; `solved` has room for as many.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn solved_squares(lower: &[f64], size: usize, columns: &[f64], solved: &mut [f64], squares: &mut [f64]) {
    let len = squares.len();
    squares.fill(0.0);
    for i in 0..size {
        let (done, open) = solved.split_at_mut(i * len);
        let out = &mut open[..len];
        out.copy_from_slice(&columns[i * len..][..len]);
        let (fours, rest) = lower[i * size..][..i].as_chunks::<LANES>();
        for (l, done) in fours.iter().zip(done.chunks_exact(LANES * len)) {
            let (first, last) = done.split_at(2 * len);
            let ((a, b), (c, d)) = (first.split_at(len), last.split_at(len));
            for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *out -= (l[0] * a + l[1] * b) + (l[2] * c + l[3] * d);
            }
        }
        for (l, done) in rest.iter().zip(done[fours.len() * LANES * len..].chunks_exact(len)) {
            for (out, done) in out.iter_mut().zip(done) {
                *out -= l * done;
            }
        }
        let diagonal = lower[i * size + i];
        for (out, square) in out.iter_mut().zip(squares.iter_mut()) {
            *out /= diagonal;
            *square += *out * *out;
        }
    }
}

/// Makes root weights and working residuals of [`working_weights`] those of Firth's penalty: weights w (1 + h) and residuals
/// (y - mu + h (1/2 - mu)) / (w (1 + h)), where the leverage h is w times `squares`.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn penalise(eta: &[f64], squares: &[f64], root: &mut [f64], residual: &mut [f64]) {
    for ((&eta, &square), (root, residual)) in eta.iter().zip(squares).zip(root.iter_mut().zip(residual)) {
        let more = 1.0 + *root * *root * square;
        *residual = (*residual + square * (0.5 - logistic(eta))) / more;
        *root *= more.sqrt();
    }
}

/// Number of tiles of `count` strips.
pub(crate) fn tiles(count: usize) -> usize {
    count * (count + 1) / 2
}

/// The entry (row, column) of a crossproduct of `count` strips kept as the tiles of [`add_crossproduct`].
pub(crate) fn entry(upper: &[Tile], count: usize, row: usize, column: usize) -> f64 {
    let (row, column) = if row <= column { (row, column) } else { (column, row) };
    let (i, j) = (row / LANES, column / LANES);
    upper[i * count - i * (i + 1) / 2 + j][row % LANES][column % LANES]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_agree_with_the_platform_to_two_units_in_the_last_place() {
        for step in -70_000..=70_000 {
            let x = f64::from(step) * 0.010_1;
            assert!((exp(x) / x.exp() - 1.0).abs() < 4.5e-16, "exp({x})");
        }
        for step in 1..200_000 {
            let x = f64::from(step) * 0.000_37;
            assert!((ln(x) - x.ln()).abs() <= 4.5e-16 * x.ln().abs().max(1e-3), "ln({x})");
        }
        assert!(exp(-1e9) > 0.0 && exp(-1e9) < 1e-300);
        assert_eq!((exp(0.0), ln(1.0)), (1.0, 0.0));
    }

    #[test]
    fn solved_squares_are_those_of_forward_substitution() {
        let (size, rows) = (7, 3);
        let lower: Vec<f64> =
            (0..size * size).map(|at| if at % 8 == 0 { 3.0 } else { (at % 5) as f64 - 2.0 }).collect();
        let columns: Vec<f64> = (0..size * rows).map(|at| ((at * at) % 11) as f64).collect();
        let (mut solved, mut squares) = (vec![0.0; size * rows], vec![0.0; rows]);
        solved_squares(&lower, size, &columns, &mut solved, &mut squares);
        for row in 0..rows {
            let mut z = vec![0.0; size];
            for i in 0..size {
                let dot: f64 = (0..i).map(|k| lower[i * size + k] * z[k]).sum();
                z[i] = (columns[i * rows + row] - dot) / lower[i * size + i];
            }
            let wanted: f64 = z.iter().map(|z| z * z).sum();
            assert!((squares[row] / wanted - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_crossproduct_of_strips_is_the_crossproduct_of_columns() {
        let (rows, count) = (7, 3);
        let value = |row: usize, column: usize| ((row * 13 + column * 7) % 11) as f64 - 4.0;
        let mut strips = vec![[0.0; LANES]; rows * count];
        for column in 0..count * LANES {
            for row in 0..rows {
                strips[column / LANES * rows + row][column % LANES] = value(row, column);
            }
        }
        let mut upper = vec![[[0.0; LANES]; LANES]; tiles(count)];
        add_crossproduct(&strips, rows, count, &mut upper);
        for a in 0..count * LANES {
            for b in 0..count * LANES {
                let sum: f64 = (0..rows).map(|row| value(row, a) * value(row, b)).sum();
                assert_eq!(entry(&upper, count, a, b), sum);
            }
        }
    }
}
