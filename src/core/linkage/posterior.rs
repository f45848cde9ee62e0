//! Who is it, of all candidates, or nobody? And no register person twice.
//!
//! A submission s is at most one of its candidates j, and j at most one submission. If x(s,j) are the odds that s is j against s not being
//! in the register, the probability of a whole assignment is proportional to the product of the x of its links. What is wanted are the
//! marginals: the probability of each single link over all assignments.
//!
//! Submissions that share no candidate do not touch each other, so the work falls into small groups. A group is summed exactly, by
//! forward and backward sums over the sets of persons already taken (as for a permanent: Ryser 1963; Fortini et al. 2001 and Sadinle
//! 2017 for one-to-one linkage). A group too large for that gets the marginals of belief propagation, which are exact where the group
//! has no cycle (Bayati and Nair 2006; Vontobel 2013):
//! claim(s,j) = x(s,j) / (1 + sum over k other than j of x(s,k) free(s,k)), free(s,j) = 1 / (1 + sum over t other than s of claim(t,j)).
//!
//! A link asks for a probability of more than one half. Probabilities of one submission sum to less than one, and so do those of one
//! register person; therefore no submission gets two persons and no person two submissions, in whatever order they are looked at.

use rayon::prelude::*;

/// One candidate of one submission.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The candidate, by position.
    pub person: u32,
    /// Odds that the submission is this candidate against its not being in the register.
    pub odds: f64,
}

/// What is known of one edge after the competition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marginal {
    /// Probability that the submission is this candidate.
    pub probability: f64,
    /// The same if no other submission claimed the candidate.
    pub uncontested: f64,
}

/// Contested persons up to which a group is summed exactly.
const EXACT_PERSONS: usize = 12;
/// Submissions times sets of persons up to which it is.
const EXACT_CELLS: usize = 1 << 20;
/// Belief propagation stops after so many sweeps, or when no probability moves by more than the tolerance.
const SWEEPS: usize = 200;
const TOLERANCE: f64 = 1e-10;

/// The marginals of every edge, in the shape of `edges` (one list a submission, each candidate once). `persons` bounds the positions.
///
/// Sums run in the order given: put submissions and candidates into an order of their own to get the same last digit.
pub fn marginals(edges: &[Vec<Edge>], persons: usize) -> Vec<Vec<Marginal>> {
    let mut posteriors: Vec<Vec<Marginal>> = edges
        .par_iter()
        .map(|list| {
            let total = 1.0 + list.iter().map(|edge| edge.odds).sum::<f64>();
            list.iter().map(|edge| edge.odds / total).map(|p| Marginal { probability: p, uncontested: p }).collect()
        })
        .collect();
    let groups = groups(edges, persons);
    let solved: Vec<Vec<Vec<f64>>> = groups.par_iter().map(|group| Group::new(edges, group).solve()).collect();
    for (group, solved) in groups.iter().zip(solved) {
        for (&s, probabilities) in group.iter().zip(solved) {
            for (marginal, probability) in posteriors[s].iter_mut().zip(probabilities) {
                marginal.probability = probability;
            }
        }
    }
    posteriors
}

/// Submissions that hang together by shared candidates: groups of two or more, each in ascending order.
fn groups(edges: &[Vec<Edge>], persons: usize) -> Vec<Vec<usize>> {
    fn root(parent: &mut [usize], mut s: usize) -> usize {
        while parent[s] != s {
            parent[s] = parent[parent[s]];
            s = parent[s];
        }
        s
    }
    let mut parent: Vec<usize> = (0..edges.len()).collect();
    let mut first: Vec<Option<usize>> = vec![None; persons];
    for (s, list) in edges.iter().enumerate() {
        for edge in list {
            match first[edge.person as usize] {
                None => first[edge.person as usize] = Some(s),
                Some(t) => {
                    let (a, b) = (root(&mut parent, s), root(&mut parent, t));
                    // The smaller root wins, so that groups come out in the order of their first submission.
                    parent[a.max(b)] = a.min(b);
                }
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for s in 0..edges.len() {
        groups[root(&mut parent, s)].push(s);
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// The edges of one group, with contested persons numbered in the order in which they appear.
struct Group {
    /// For each submission and each of its edges: the number of the contested person, if it is one, and the odds.
    edges: Vec<Vec<(Option<usize>, f64)>>,
    contested: usize,
}

impl Group {
    fn new(edges: &[Vec<Edge>], group: &[usize]) -> Self {
        let mut claimants = std::collections::HashMap::new();
        for edge in group.iter().flat_map(|&s| &edges[s]) {
            *claimants.entry(edge.person).or_insert(0_u32) += 1;
        }
        let mut numbers = std::collections::HashMap::new();
        let mut number = |edge: &Edge| {
            let next = numbers.len();
            let contested = claimants.get(&edge.person).is_some_and(|&n| n > 1);
            (contested.then(|| *numbers.entry(edge.person).or_insert(next)), edge.odds)
        };
        let edges = group.iter().map(|&s| edges[s].iter().map(&mut number).collect()).collect();
        let contested = numbers.len();
        Self { edges, contested }
    }

    fn solve(&self) -> Vec<Vec<f64>> {
        if self.contested <= EXACT_PERSONS && self.edges.len() << self.contested <= EXACT_CELLS {
            self.exact()
        } else {
            self.belief_propagation()
        }
    }

    fn exact(&self) -> Vec<Vec<f64>> {
        let sets = 1_usize << self.contested;
        // A submission that takes nobody contested is somebody uncontested or nobody: that is its unit of weight.
        let unit: Vec<f64> = self
            .edges
            .iter()
            .map(|list| 1.0 + list.iter().filter(|edge| edge.0.is_none()).map(|edge| edge.1).sum::<f64>())
            .collect();
        // Of each submission: every contested person as a bit, with its weight.
        let contested: Vec<Vec<(usize, f64)>> = self
            .edges
            .iter()
            .zip(&unit)
            .map(|(list, unit)| list.iter().filter_map(|&(person, x)| person.map(|bit| (1 << bit, x / unit))).collect())
            .collect();

        // after[s][taken]: weight of all ways for submissions s.. given who is taken.
        let mut after = vec![vec![1.0; sets]];
        for s in (0..self.edges.len()).rev() {
            let next = &after[after.len() - 1];
            let row: Vec<f64> = (0..sets)
                .map(|taken| {
                    let free = contested[s].iter().filter(|(bit, _)| taken & bit == 0);
                    let with = free.map(|(bit, x)| x * next[taken | bit]);
                    next[taken] + with.sum::<f64>()
                })
                .collect();
            after.push(row);
        }
        after.reverse();
        let total = after[0][0];

        let mut before = vec![0.0; sets];
        before[0] = 1.0;
        let mut found = Vec::with_capacity(self.edges.len());
        for (s, list) in self.edges.iter().enumerate() {
            let next = &after[s + 1];
            let none_contested: f64 = before.iter().zip(next).map(|(b, a)| b * a).sum::<f64>() / total;
            let probability = |&(person, odds): &(Option<usize>, f64)| match person {
                None => odds / unit[s] * none_contested,
                Some(bit) => {
                    let free = (0..sets).filter(|taken| taken >> bit & 1 == 0);
                    odds / unit[s] * free.map(|taken| before[taken] * next[taken | 1 << bit]).sum::<f64>() / total
                }
            };
            found.push(list.iter().map(probability).collect());
            let mut moved = before.clone();
            for &(bit, x) in &contested[s] {
                for taken in (0..sets).filter(|taken| taken & bit == 0) {
                    moved[taken | bit] += x * before[taken];
                }
            }
            before = moved;
        }
        found
    }

    fn belief_propagation(&self) -> Vec<Vec<f64>> {
        let mut free: Vec<Vec<f64>> = self.edges.iter().map(|list| vec![1.0; list.len()]).collect();
        let mut by_person: Vec<Vec<f64>> = self.edges.iter().map(|list| vec![-1.0; list.len()]).collect();
        for _ in 0..SWEEPS {
            let claims: Vec<Vec<f64>> = self.edges.iter().zip(&free).map(|(list, free)| claims(list, free)).collect();
            let mut claimed = vec![0.0; self.contested];
            for (edge, claim) in self.edges.iter().flatten().zip(claims.iter().flatten()) {
                edge.0.into_iter().for_each(|person| claimed[person] += claim);
            }
            let mut change = 0.0_f64;
            for (s, list) in self.edges.iter().enumerate() {
                for (at, edge) in list.iter().enumerate() {
                    let claim = claims[s][at];
                    let sum = edge.0.map_or(claim, |person| claimed[person]);
                    let probability = claim / (1.0 + sum);
                    change = change.max((probability - by_person[s][at]).abs());
                    by_person[s][at] = probability;
                    free[s][at] = 1.0 / (1.0 + (sum - claim).max(0.0));
                }
            }
            if change < TOLERANCE {
                break;
            }
        }
        // Both sides of the fixed point; the smaller one keeps both sums below one even where the sweeps ended early.
        for ((list, free), by_person) in self.edges.iter().zip(&free).zip(&mut by_person) {
            let total = 1.0 + list.iter().zip(free).map(|(edge, free)| edge.1 * free).sum::<f64>();
            for ((edge, free), probability) in list.iter().zip(free).zip(by_person) {
                *probability = probability.min(edge.1 * free / total);
            }
        }
        by_person
    }
}

/// Of one submission: the odds of each candidate against all others and nobody, others weighted by how free they are.
fn claims(edges: &[(Option<usize>, f64)], free: &[f64]) -> Vec<f64> {
    // Sums of what stands before and after each edge: subtracting it from a total would cancel.
    let weighted: Vec<f64> = edges.iter().zip(free).map(|(edge, free)| edge.1 * free).collect();
    let mut behind: Vec<f64> =
        weighted.iter().rev().scan(0.0, |sum, w| Some(std::mem::replace(sum, *sum + w))).collect();
    behind.reverse();
    let ahead = weighted.iter().scan(0.0, |sum, w| Some(std::mem::replace(sum, *sum + w)));
    edges.iter().zip(ahead).zip(behind).map(|((edge, ahead), behind)| edge.1 / (1.0 + ahead + behind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt as _, SeedableRng as _};

    /// Sums over every assignment.
    fn brute_force(edges: &[Vec<Edge>], persons: usize) -> Vec<Vec<f64>> {
        fn walk(
            edges: &[Vec<Edge>],
            s: usize,
            taken: &mut Vec<bool>,
            chosen: &mut Vec<Option<usize>>,
            weight: f64,
            into: &mut dyn FnMut(&[Option<usize>], f64),
        ) {
            if s == edges.len() {
                return into(chosen, weight);
            }
            chosen.push(None);
            walk(edges, s + 1, taken, chosen, weight, into);
            for (at, edge) in edges[s].iter().enumerate() {
                if !taken[edge.person as usize] {
                    taken[edge.person as usize] = true;
                    *chosen.last_mut().unwrap() = Some(at);
                    walk(edges, s + 1, taken, chosen, weight * edge.odds, into);
                    taken[edge.person as usize] = false;
                }
            }
            chosen.pop();
        }
        let mut sums: Vec<Vec<f64>> = edges.iter().map(|list| vec![0.0; list.len()]).collect();
        let mut total = 0.0;
        walk(edges, 0, &mut vec![false; persons], &mut Vec::new(), 1.0, &mut |chosen, weight| {
            total += weight;
            for (s, at) in chosen.iter().enumerate() {
                if let Some(at) = at {
                    sums[s][*at] += weight;
                }
            }
        });
        sums.iter().map(|list| list.iter().map(|sum| sum / total).collect()).collect()
    }

    fn random_edges(rng: &mut ChaCha8Rng, tree: bool) -> (Vec<Vec<Edge>>, usize) {
        let submissions = rng.random_range(1..5_usize);
        let persons = 8;
        let mut edges: Vec<Vec<Edge>> = Vec::new();
        for s in 0..submissions {
            let mut list: Vec<Edge> = Vec::new();
            for person in 0..persons as u32 {
                // In a tree neighbouring submissions share exactly one person.
                let wanted = if tree {
                    [2 * s as u32, 2 * s as u32 + 1, 2 * s as u32 + 2].contains(&person)
                } else {
                    rng.random_bool(0.4)
                };
                if wanted {
                    list.push(Edge { person, odds: rng.random_range(-6.0..14.0_f64).exp2() });
                }
            }
            edges.push(list);
        }
        (edges, persons + 2)
    }

    #[test]
    fn the_posterior_is_that_of_brute_force() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..500 {
            let (edges, persons) = random_edges(&mut rng, false);
            let (found, truth) = (marginals(&edges, persons), brute_force(&edges, persons));
            for (found, truth) in found.iter().flatten().zip(truth.iter().flatten()) {
                assert!((found.probability - truth).abs() < 1e-12, "{} {truth}", found.probability);
            }
        }
    }

    #[test]
    fn belief_propagation_is_exact_without_cycles_and_never_gives_a_person_away_twice() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for round in 0..500 {
            let tree = round % 2 == 0;
            let (edges, persons) = random_edges(&mut rng, tree);
            let all: Vec<usize> = (0..edges.len()).collect();
            let found = Group::new(&edges, &all).belief_propagation();
            let truth = brute_force(&edges, persons);
            let mut by_person = vec![0.0; persons];
            for (s, list) in found.iter().enumerate() {
                assert!(list.iter().sum::<f64>() < 1.0);
                for (at, probability) in list.iter().enumerate() {
                    by_person[edges[s][at].person as usize] += probability;
                    assert!(!tree || (probability - truth[s][at]).abs() < 1e-6, "{probability} {}", truth[s][at]);
                }
            }
            assert!(by_person.iter().all(|&sum| sum < 1.0));
        }
    }

    #[test]
    fn a_crowd_with_one_id_is_nobody_in_particular() {
        let crowd: Vec<Vec<Edge>> = (0..5_000).map(|_| vec![Edge { person: 0, odds: 1e6 }]).collect();
        let found = marginals(&crowd, 1);
        assert!(found.iter().flatten().all(|m| (m.probability * 5_000.0 - 1.0).abs() < 1e-6));
        let groups = marginals(&(0..20).map(|s| vec![Edge { person: s / 2, odds: 1.0 }]).collect::<Vec<_>>(), 10);
        assert!(groups.iter().flatten().all(|m| (m.probability - 1.0 / 3.0).abs() < 1e-12));
    }

    #[test]
    fn two_equal_claims_share_the_person_and_one_candidate_alone_is_bayes() {
        let one = |odds| vec![Edge { person: 0, odds }];
        let shared = marginals(&[one(1e9), one(1e9)], 1);
        assert!((shared[0][0].probability - 0.5).abs() < 1e-6);
        assert!(shared[0][0].uncontested > 0.999);
        assert_eq!(marginals(&[one(3.0)], 1)[0][0].probability, 0.75);
        assert!(marginals(&[vec![]], 0)[0].is_empty());
    }
}
