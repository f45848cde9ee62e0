//! Adjusted p-values over a family of tests. A missing p-value stays missing and does not count.

/// Positions of the p-values that exist, smallest first, ties in the order given.
fn ranked(p: &[Option<f64>]) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = p.iter().enumerate().filter_map(|(i, p)| p.map(|p| (i, p))).collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    ranked
}

/// Holm's adjusted p-values (Holm 1979): the chance of any false finding in the family stays below the level.
///
/// ```
/// # use jdl_core::inference::holm;
/// assert_eq!(holm(&[Some(0.01), None, Some(0.04)]), [Some(0.02), None, Some(0.04)]);
/// ```
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let ranked = ranked(p);
    let mut adjusted = vec![None; p.len()];
    let mut highest = 0.0_f64;
    for (rank, &(i, value)) in ranked.iter().enumerate() {
        highest = highest.max(((ranked.len() - rank) as f64 * value).min(1.0));
        adjusted[i] = Some(highest);
    }
    adjusted
}

/// Benjamini and Hochberg's adjusted p-values (1995): the expected share of false findings stays below the level.
///
/// ```
/// # use jdl_core::inference::benjamini_hochberg;
/// assert_eq!(benjamini_hochberg(&[Some(0.02), None, Some(0.04)]), [Some(0.04), None, Some(0.04)]);
/// ```
pub fn benjamini_hochberg(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let ranked = ranked(p);
    let n = ranked.len() as f64;
    let mut adjusted = vec![None; p.len()];
    let mut lowest = 1.0_f64;
    for (rank, &(i, value)) in ranked.iter().enumerate().rev() {
        lowest = lowest.min(n / (rank + 1) as f64 * value);
        adjusted[i] = Some(lowest);
    }
    adjusted
}
