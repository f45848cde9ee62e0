//! One slip of the hand: the commonest kind of difference between two writings of one thing.

/// Are two texts one substitution, insertion, deletion or swap of neighbours apart? (Equal texts are not.)
pub(super) fn one_slip(a: &[u8], b: &[u8]) -> bool {
    let ahead = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[ahead..], &b[ahead..]);
    let behind = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    match (&a[..a.len() - behind], &b[..b.len() - behind]) {
        ([_], [_]) | ([_], []) | ([], [_]) => true,
        ([x, y], [u, v]) => x == v && y == u,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::one_slip;

    #[test]
    fn a_slip_is_what_optimal_string_alignment_counts_as_one() {
        // Against rapidfuzz on every pair of words of up to four letters out of two.
        let words: Vec<Vec<u8>> = (0..5_u32)
            .flat_map(|len| {
                (0..1_u32 << len).map(move |bits| (0..len).map(|at| b'A' + (bits >> at & 1) as u8).collect())
            })
            .collect();
        for a in &words {
            for b in &words {
                let distance = rapidfuzz::distance::osa::distance(a.iter().copied(), b.iter().copied());
                assert_eq!(one_slip(a, b), distance == 1, "{a:?} {b:?}");
            }
        }
    }
}
