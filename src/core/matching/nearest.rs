//! Greedy nearest-neighbour matching by MatchIt's rules: who chooses when, and how often a control may serve.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use crate::number::Heartbeat;

/// In which order the focal units (the treated, for the ATT) choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Largest,
    Smallest,
    Data,
    Random { seed: u64 },
    Closest,
    Farthest,
}

/// Who may be matched with whom. All slices have one entry a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Market<'a> {
    /// Units that look for matches.
    pub(crate) focal: &'a [bool],
    /// Units that take part: not discarded.
    pub(crate) eligible: &'a [bool],
    /// Partners must be of the same stratum.
    pub(crate) strata: Option<&'a [u32]>,
    /// Largest difference on the line; if negative, its size is the smallest difference.
    pub(crate) caliper: Option<f64>,
    /// The same for other columns.
    pub(crate) column_calipers: &'a [(Vec<f64>, f64)],
}

impl Market<'_> {
    /// The number of a unit's stratum.
    pub(crate) fn stratum(&self, unit: usize) -> usize {
        self.strata.map_or(0, |strata| strata[unit] as usize)
    }

    /// How many strata there are.
    pub(crate) fn strata_count(&self) -> usize {
        self.strata.map_or(1, |strata| strata.iter().max().map_or(0, |&last| last as usize + 1))
    }

    /// Whether two units agree on every covariate that has a caliper.
    pub(crate) fn within_columns(&self, a: usize, b: usize) -> bool {
        self.column_calipers.iter().all(|(values, width)| within((values[a] - values[b]).abs(), *width))
    }

    /// The units that look for matches, in the order of the rows.
    pub(crate) fn focal_units(&self) -> Vec<u32> {
        (0..self.focal.len()).filter(|&u| self.focal[u] && self.eligible[u]).map(|u| u as u32).collect()
    }
}

/// MatchIt's caliper rule: a negative width forbids what a positive one allows.
pub(crate) fn within(difference: f64, width: f64) -> bool {
    if width >= 0.0 { difference <= width } else { difference > -width }
}

/// How many matches, and how often one unit may serve.
#[derive(Debug, Clone)]
pub(crate) struct Rule<'a> {
    pub(crate) order: Order,
    /// The score that `largest` and `smallest` go by, one a unit.
    pub(crate) score: Option<&'a [f64]>,
    /// Matches wanted by each unit of [`Market::focal_units`].
    pub(crate) quota: Vec<u32>,
    /// How often a control may be used; `None` without limit.
    pub(crate) reuse_max: Option<u32>,
}

/// A candidate: a unit and its distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) unit: u32,
    pub(crate) distance: f64,
}

/// Finds the nearest units still to be had.
pub(crate) trait Finder {
    /// The nearest `want` controls of `unit`, nearest first. `taken` are the controls it has; `last` is one it was offered before and lost.
    fn nearest(&mut self, unit: u32, taken: &[Candidate], last: Option<u32>, want: usize) -> Vec<Candidate>;
    /// Takes a control off the market.
    fn remove(&mut self, unit: u32);
}

/// The matches of every unit of [`Market::focal_units`], in the order in which they were found.
///
/// Without replacement (or with a limit on reuse) the units choose in rounds: nobody gets a second control before everybody had a first try.
pub(crate) fn greedy(
    finder: &mut impl Finder,
    market: &Market<'_>,
    rule: &Rule<'_>,
    heartbeat: Heartbeat<'_>,
) -> Vec<Vec<Candidate>> {
    const BEAT: usize = 1024;
    let units = market.focal_units();
    let mut matches: Vec<Vec<Candidate>> = vec![Vec::new(); units.len()];
    let Some(limit) = rule.reuse_max.filter(|&limit| (limit as usize) < units.len()) else {
        for (at, &unit) in units.iter().enumerate() {
            if at.is_multiple_of(BEAT) {
                heartbeat();
            }
            matches[at] = finder.nearest(unit, &[], None, rule.quota[at] as usize);
        }
        return matches;
    };
    let order = choosing_order(&units, rule);
    let mut used = vec![0_u32; market.focal.len()];
    let mut out = vec![false; units.len()];
    let rounds = rule.quota.iter().copied().max().unwrap_or(0);
    for round in 0..rounds {
        let mut give = |finder: &mut dyn FnMut(u32), matches: &mut Vec<Candidate>, control: Candidate| {
            matches.push(control);
            used[control.unit as usize] += 1;
            if used[control.unit as usize] == limit {
                finder(control.unit);
            }
            used[control.unit as usize] == limit
        };
        let wants = |at: usize, out: &[bool]| rule.quota[at] > round && !out[at];
        if !matches!(rule.order, Order::Closest | Order::Farthest) {
            for (done, &at) in order.iter().enumerate() {
                if done.is_multiple_of(BEAT) {
                    heartbeat();
                }
                if wants(at, &out) {
                    match finder.nearest(units[at], &matches[at], None, 1).first() {
                        Some(&control) => {
                            give(&mut |unit| finder.remove(unit), &mut matches[at], control);
                        }
                        None => out[at] = true,
                    }
                }
            }
            continue;
        }
        // Everybody's nearest control in a queue by distance. Whose control is gone looks for the next one and queues again:
        // before those equally distant if the closest come first, behind them otherwise.
        let closest = rule.order == Order::Closest;
        let key = |distance: f64| if closest { distance.to_bits() } else { !distance.to_bits() };
        let mut queue = BTreeSet::new();
        let mut ticket = 0_i64;
        for at in (0..units.len()).filter(|&at| wants(at, &out)).collect::<Vec<_>>() {
            if at.is_multiple_of(BEAT) {
                heartbeat();
            }
            match finder.nearest(units[at], &matches[at], None, 1).first() {
                Some(control) => {
                    ticket += 1;
                    queue.insert((key(control.distance), ticket, at, control.unit, control.distance.to_bits()));
                }
                None => out[at] = true,
            }
        }
        let mut gone = vec![false; market.focal.len()];
        let (mut front, mut back) = (0_i64, ticket);
        let mut done = 0_usize;
        while let Some((_, _, at, unit, bits)) = queue.pop_first() {
            done += 1;
            if done.is_multiple_of(BEAT) {
                heartbeat();
            }
            if !gone[unit as usize] {
                let control = Candidate { unit, distance: f64::from_bits(bits) };
                gone[unit as usize] = give(&mut |unit| finder.remove(unit), &mut matches[at], control);
                continue;
            }
            match finder.nearest(units[at], &matches[at], Some(unit), 1).first() {
                Some(control) => {
                    let place = if closest {
                        front -= 1;
                        front
                    } else {
                        back += 1;
                        back
                    };
                    queue.insert((key(control.distance), place, at, control.unit, control.distance.to_bits()));
                }
                None => out[at] = true,
            }
        }
    }
    matches
}

/// Positions in `units` in the order in which they choose.
fn choosing_order(units: &[u32], rule: &Rule<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..units.len()).collect();
    match (rule.order, rule.score) {
        (Order::Largest, Some(score)) => {
            order.sort_by(|&a, &b| score[units[b] as usize].total_cmp(&score[units[a] as usize]));
        }
        (Order::Smallest, Some(score)) => {
            order.sort_by(|&a, &b| score[units[a] as usize].total_cmp(&score[units[b] as usize]));
        }
        (Order::Random { seed }, _) => order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed)),
        _ => {}
    }
    order
}

/// Matches for each focal unit when `ratio` is the mean, `min` and `max` the ends (Ming and Rosenbaum 2000, as MatchIt lays them out).
///
/// The units stand in descending order of the score if `descending`, else ascending; the first get `min`.
pub(crate) fn variable_quota(
    units: &[u32],
    score: &[f64],
    ratio: f64,
    (min, max): (u32, u32),
    descending: bool,
) -> Vec<u32> {
    let n = units.len() as i64;
    let (min, max) = (i64::from(min), i64::from(max));
    let total = (ratio * n as f64).round_ties_even() as i64;
    let most = ((total - min * (n - 1)).max(0) / (max - min)).min(n);
    let least = (n - most - 1).max(0);
    let between = total - (min * least + max * most);
    let mut quota = vec![min; least as usize];
    if (quota.len() as i64) + most < n {
        quota.push(between);
    }
    quota.resize(units.len(), max);
    for i in 0..quota.len().saturating_sub(1) {
        if quota[i] == 0 {
            quota[i] = 1;
            quota[i + 1] -= 1;
        }
    }
    let mut order: Vec<usize> = (0..units.len()).collect();
    let by_score = |&a: &usize, &b: &usize| score[units[a] as usize].total_cmp(&score[units[b] as usize]);
    if descending {
        order.sort_by(|a, b| by_score(b, a))
    } else {
        order.sort_by(by_score)
    }
    let mut out = vec![0; units.len()];
    for (at, quota) in order.into_iter().zip(quota) {
        out[at] = quota.max(0) as u32;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::order::sorted_rows;
    use crate::matching::search::Line;

    /// MatchIt's rule by a plain scan: nearest, then fewest steps, then left.
    fn plain(score: &[f64], focal: &[bool], order: &[u32]) -> Vec<(u32, u32)> {
        let line = sorted_rows(score);
        let at = |unit: u32| line.iter().position(|&u| u == unit).unwrap() as i64;
        let mut free: Vec<u32> = (0..score.len() as u32).filter(|&u| !focal[u as usize]).collect();
        let mut pairs = Vec::new();
        for &unit in order {
            let key = |other: u32| {
                let d = (score[unit as usize] - score[other as usize]).abs();
                let steps = at(other) - at(unit);
                (d, steps.abs(), steps > 0)
            };
            let best = free.iter().copied().min_by(|&a, &b| key(a).partial_cmp(&key(b)).unwrap());
            if let Some(best) = best {
                free.retain(|&u| u != best);
                pairs.push((unit, best));
            }
        }
        pairs
    }

    #[test]
    fn skipping_over_used_controls_finds_what_a_walk_over_all_finds() {
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..300 {
            let n = 4 + next(40) as usize;
            let score: Vec<f64> = (0..n).map(|_| next(12) as f64).collect();
            let focal: Vec<bool> = (0..n).map(|_| next(3) == 0).collect();
            let eligible = vec![true; n];
            let market =
                Market { focal: &focal, eligible: &eligible, strata: None, caliper: None, column_calipers: &[] };
            let units = market.focal_units();
            let rule = Rule { order: Order::Data, score: None, quota: vec![1; units.len()], reuse_max: Some(1) };
            if units.len() < 2 {
                continue;
            }
            let matches = greedy(&mut Line::new(market, &score), &market, &rule, &|| {});
            let pairs: Vec<(u32, u32)> =
                units.iter().zip(&matches).flat_map(|(&u, m)| m.iter().map(move |c| (u, c.unit))).collect();
            assert_eq!(pairs, plain(&score, &focal, &units));
        }
    }

    #[test]
    fn the_variable_quota_adds_up_to_the_mean_ratio() {
        let units: Vec<u32> = (0..10).collect();
        let score: Vec<f64> = (0..10).map(f64::from).collect();
        let quota = variable_quota(&units, &score, 2.0, (1, 5), false);
        assert_eq!(quota, [1, 1, 1, 1, 1, 1, 1, 3, 5, 5]);
        assert_eq!(variable_quota(&units, &score, 2.0, (1, 5), true)[0], 5);
    }
}
