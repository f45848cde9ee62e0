//! Arithmetic shared by the stages: sums whose result does not depend on threads.

/// Called by long computations on the calling thread between batches, at least once a second.
///
/// The Postgres layer passes a closure that checks for a cancel request (and unwinds if there is one);
/// tests pass `&|| {}`.
pub type Heartbeat<'a> = &'a dyn Fn();

/// Sums in a fixed tree order (pairwise in blocks of 128), so that the result depends only on the order of the values.
///
/// The rounding error grows with the logarithm of the length (Higham 1993, "The accuracy of floating point summation", eq. 3.6).
///
/// ```
/// assert_eq!(jdl_core::number::pairwise_sum(&[0.5, 0.25, 0.25]), 1.0);
/// ```
pub fn pairwise_sum(values: &[f64]) -> f64 {
    const BLOCK: usize = 128;
    if values.len() <= BLOCK {
        values.iter().sum()
    } else {
        let blocks = values.len().div_ceil(BLOCK);
        let (left, right) = values.split_at(blocks / 2 * BLOCK);
        pairwise_sum(left) + pairwise_sum(right)
    }
}

#[cfg(test)]
mod tests {
    use super::pairwise_sum;

    #[test]
    fn pairwise_sum_is_exact_on_integers_and_close_elsewhere() {
        let ones: Vec<f64> = (0..100_001).map(f64::from).collect();
        assert_eq!(pairwise_sum(&ones), 100_000.0 * 100_001.0 / 2.0);
        let tenths = vec![0.1; 1_000_000];
        assert!((pairwise_sum(&tenths) - 100_000.0).abs() < 1e-9);
        assert_eq!(pairwise_sum(&[]), 0.0);
    }
}
