//! The Mann-Whitney test: which group's values tend to be larger.

use crate::error::{Error, Result};

use super::absent::{Absent, Defined};
use super::distributions::normal_two_sided;

/// Groups at least this large get no exact p-value: the normal one is as good there and the count of arrangements is slow.
const EXACT_BELOW: u64 = 50;

/// The Mann-Whitney (Wilcoxon rank sum) test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the first group's value is larger, ties counted half.
    pub w: f64,
    /// The same as a share of all pairs: the probability that a value of the first group is the larger one.
    pub probability_larger: f64,
    /// Normal statistic with tie correction.
    pub z: Defined<f64>,
    /// Its two-sided p-value.
    pub p_value: Defined<f64>,
    /// With continuity correction (0.5 towards zero).
    pub z_corrected: Defined<f64>,
    /// Its two-sided p-value.
    pub p_corrected: Defined<f64>,
    /// Exact two-sided p-value, without ties and for fewer than 50 in each group.
    pub p_exact: Defined<f64>,
}

/// The Mann-Whitney test of two lists of finite values (Mann and Whitney 1947).
///
/// # Errors
/// `InvalidInput` on `values` where a group is empty or a value is not a number.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Result<MannWhitney> {
    if first.is_empty() || second.is_empty() {
        return Err(Error::invalid("values", "must be there for both groups"));
    }
    if !first.iter().chain(second).all(|v| v.is_finite()) {
        return Err(Error::invalid("values", "must be finite numbers"));
    }
    let mut all: Vec<(f64, bool)> =
        first.iter().map(|&v| (v, true)).chain(second.iter().map(|&v| (v, false))).collect();
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // -0.0 and 0.0 are the same value; total_cmp puts them side by side and `chunk_by` joins them.
    let levels: Vec<(u64, u64)> = all
        .chunk_by(|a, b| a.0 >= b.0)
        .map(|level| {
            let ones = level.iter().filter(|v| v.1).count() as u64;
            (ones, level.len() as u64 - ones)
        })
        .collect();
    mann_whitney_counts(&levels)
}

/// The Mann-Whitney test of counts (first group, second group) at each level, levels in rising order; sources as for [`mann_whitney`].
///
/// # Errors
/// `InvalidInput` on `levels` where a group is empty.
pub fn mann_whitney_counts(levels: &[(u64, u64)]) -> Result<MannWhitney> {
    let (n1, n2) = levels.iter().fold((0, 0), |n, level| (n.0 + level.0, n.1 + level.1));
    if n1 == 0 || n2 == 0 {
        return Err(Error::invalid("levels", "must hold people of both groups"));
    }
    let (mut below, mut w, mut ties, mut tied) = (0.0, 0.0, 0.0, false);
    let pairs = n1 as f64 * n2 as f64;
    let n = n1 as f64 + n2 as f64;
    for &(a, b) in levels {
        w += a as f64 * (below + b as f64 / 2.0);
        below += b as f64;
        let t = a as f64 + b as f64;
        ties += t * ((t * t - 1.0) / (n * (n - 1.0)));
        tied |= a + b > 1;
    }
    let gap = w - pairs / 2.0;
    let variance = pairs / 12.0 * (n + 1.0 - ties);
    let deviation = if variance > 0.0 && levels.iter().filter(|l| l.0 + l.1 > 0).count() > 1 {
        Ok(variance.sqrt())
    } else {
        Err(Absent::NoVariance)
    };
    let z = deviation.map(|s| gap / s);
    // At the mean the correction is 0, as R's sign(0) makes it; elsewhere it may carry past zero, as in R.
    let correction = if gap > 0.0 {
        0.5
    } else if gap < 0.0 {
        -0.5
    } else {
        0.0
    };
    let z_corrected = deviation.map(|s| (gap - correction) / s);
    let p_exact = if tied || n1 >= EXACT_BELOW || n2 >= EXACT_BELOW {
        Err(Absent::TiesOrTooMany)
    } else {
        Ok(exact_two_sided(w as usize, n1 as usize, n2 as usize))
    };
    Ok(MannWhitney {
        w,
        probability_larger: w / pairs,
        z,
        p_value: z.map(normal_two_sided),
        z_corrected,
        p_corrected: z_corrected.map(normal_two_sided),
        p_exact,
    })
}

/// Twice the smaller tail of the number of arrangements with a given W.
fn exact_two_sided(w: usize, n1: usize, n2: usize) -> f64 {
    // Gaussian binomial coefficient: multiply by (1 - q^(n2+i)), divide by (1 - q^i), for i = 1..n1.
    let top = n1 * n2;
    let mut ways = vec![0.0; top + 1];
    ways[0] = 1.0;
    for i in 1..=n1 {
        for at in (n2 + i..=top).rev() {
            ways[at] -= ways[at - n2 - i];
        }
        for at in i..=top {
            ways[at] += ways[at - i];
        }
    }
    let total: f64 = ways.iter().sum();
    let smaller = w.min(top - w);
    let tail: f64 = ways[..=smaller].iter().sum();
    (2.0 * tail / total).min(1.0)
}
