//! Weights of units from pairs, and what they are worth.

use crate::matching::nearest::Candidate;
use crate::number::pairwise_sum;

/// Weights of all rows from the matches of `focal` units (Ho, Imai, King and Stuart 2007): 1 for a matched focal unit, for the others
/// the sum over their sets of one over the number of others in the set.
pub(crate) fn from_matches(rows: usize, focal: &[u32], matches: &[Vec<Candidate>]) -> Vec<f64> {
    let mut weights = vec![0.0; rows];
    for (&unit, set) in focal.iter().zip(matches) {
        if !set.is_empty() {
            weights[unit as usize] = 1.0;
        }
        for other in set {
            weights[other.unit as usize] += 1.0 / set.len() as f64;
        }
    }
    weights
}

/// Scales the weights of each group so that they add up to the number of its rows with a weight.
pub(crate) fn normalise(weights: &mut [f64], treated: &[bool]) {
    for group in [true, false] {
        let members = |weights: &[f64]| -> Vec<f64> {
            weights.iter().zip(treated).filter(|&(&w, &t)| t == group && w > 0.0).map(|(&w, _)| w).collect()
        };
        let matched = members(weights);
        let sum = pairwise_sum(&matched);
        if sum > 0.0 {
            let factor = matched.len() as f64 / sum;
            weights.iter_mut().zip(treated).filter(|(_, t)| **t == group).for_each(|(w, _)| *w *= factor);
        }
    }
}

/// Kish's effective sample size, (sum w)^2 / sum w^2, of the rows where `group` holds.
pub fn effective_sample_size(weights: &[f64], group: impl Fn(usize) -> bool) -> f64 {
    let members: Vec<f64> = (0..weights.len()).filter(|&row| group(row)).map(|row| weights[row]).collect();
    let squares: Vec<f64> = members.iter().map(|w| w * w).collect();
    let sum = pairwise_sum(&members);
    if sum > 0.0 { sum * sum / pairwise_sum(&squares) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_used_twice_weighs_as_much_as_its_shares() {
        let c = |unit| Candidate { unit, distance: 0.0 };
        let mut weights = from_matches(5, &[0, 1], &[vec![c(2)], vec![c(2), c(3)]]);
        assert_eq!(weights, [1.0, 1.0, 1.5, 0.5, 0.0]);
        assert_eq!(effective_sample_size(&weights, |row| row >= 2), 4.0 / 2.5);
        normalise(&mut weights, &[true, true, false, false, false]);
        assert_eq!(weights, [1.0, 1.0, 1.5, 0.5, 0.0]);
    }
}
