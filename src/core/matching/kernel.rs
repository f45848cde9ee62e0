//! The inner loops of the regression: a logarithm and an exponential that give the same digits on every machine,
//! and the crossproduct of a block of rows.
//!
//! The platform's `exp` may differ in its last bit between machines (it chooses its code by processor); these are
//! plain IEEE additions and multiplications, which no compiler may reorder, and they vectorise.

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
    let mut term = 13;
    while term > 0 {
        term -= 1;
        series = series * r + C[term];
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

/// Adds the crossproduct of `strips` to `upper`.
///
/// `strips` holds `count` strips of `rows` rows each, a row being [`LANES`] columns; `upper` holds one 4 x 4 tile for every pair of strips
/// (i, j) with i <= j, in row order. Each entry is summed row by row, so its digits do not depend on the width of the
/// machine's vectors.
pub(crate) fn add_crossproduct(
    strips: &[[f64; LANES]],
    rows: usize,
    count: usize,
    upper: &mut [[[f64; LANES]; LANES]],
) {
    let mut tile = 0;
    for i in 0..count {
        let left = &strips[i * rows..][..rows];
        for j in i..count {
            let right = &strips[j * rows..][..rows];
            let mut sum = [[0.0; LANES]; LANES];
            for (a, b) in left.iter().zip(right) {
                for (sum, &a) in sum.iter_mut().zip(a) {
                    for (sum, &b) in sum.iter_mut().zip(b) {
                        *sum += a * b;
                    }
                }
            }
            for (total, sum) in upper[tile].iter_mut().flatten().zip(sum.iter().flatten()) {
                *total += sum;
            }
            tile += 1;
        }
    }
}

/// Number of tiles of `count` strips.
pub(crate) fn tiles(count: usize) -> usize {
    count * (count + 1) / 2
}

/// The entry (row, column) of a crossproduct of `count` strips kept as the tiles of [`add_crossproduct`].
pub(crate) fn entry(upper: &[[[f64; LANES]; LANES]], count: usize, row: usize, column: usize) -> f64 {
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
