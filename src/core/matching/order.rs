//! Sorting numbers by their bits, which is faster than by comparison and as exact.

/// Bits that order as the numbers do (finite ones, with one zero).
pub(crate) fn ordered(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The rows in ascending order of `values`, ties in the order of the rows.
pub(crate) fn sorted_rows(values: &[f64]) -> Vec<u32> {
    // The leading 32 bits with the row behind them; where those are equal the rest decides.
    let mut keys: Vec<u64> = values.iter().enumerate().map(|(row, &x)| ordered(x) >> 32 << 32 | row as u64).collect();
    keys.sort_unstable();
    let row_of = |key: u64| key as u32;
    for alike in keys.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|alike| alike.len() > 1) {
        alike.sort_by_key(|&key| ordered(values[row_of(key) as usize]));
    }
    keys.into_iter().map(row_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_to_the_last_bit_and_ties_keep_their_order() {
        let one = 1.0 + f64::EPSILON;
        let values = [3.0, -1.0, one, 1.0, -0.0, 0.0, one, -1.0, f64::MIN, 1e300, -one];
        assert_eq!(sorted_rows(&values), [8, 10, 1, 7, 4, 5, 3, 2, 6, 0, 9]);
    }
}
