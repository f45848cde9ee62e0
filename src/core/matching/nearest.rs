//! Greedy nearest-neighbour matching by MatchIt's rules, on a score (a line) or on several columns (a cloud).
//!
//! MatchIt walks outwards from a treated unit over all units in the order of the score, one step left, one step right, and takes the
//! nearest eligible control; among equally distant ones the first it meets. Walking over what is no longer eligible makes that
//! quadratic when controls are scarce. Here the controls still to be had are kept in a list with path-compressed skips
//! (Tarjan 1975), and the number of steps is worked out from the positions, so that the same control is found at once.

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
    fn stratum(&self, unit: usize) -> usize {
        self.strata.map_or(0, |strata| strata[unit] as usize)
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

/// Controls in order, with skips over those used up.
#[derive(Debug, Default)]
struct Supply {
    /// Positions on the line, ascending.
    positions: Vec<u32>,
    /// `left[i + 1]` leads to i + 1 if i is free, else towards the next free slot to the left, 0 at the end.
    left: Vec<u32>,
    /// `right[i]` leads to i if i is free, else towards the next free slot to the right.
    right: Vec<u32>,
}

impl Supply {
    fn close(&mut self) {
        self.left = (0..=self.positions.len() as u32).collect();
        self.right = (0..=self.positions.len() as u32).collect();
    }

    fn follow(links: &mut [u32], mut at: u32) -> u32 {
        while links[at as usize] != at {
            let next = links[at as usize];
            links[at as usize] = links[next as usize];
            at = links[at as usize];
        }
        at
    }

    /// The free slot nearest to the left of `slot`, itself excluded.
    fn before(&mut self, slot: usize) -> Option<usize> {
        (Self::follow(&mut self.left, slot as u32) as usize).checked_sub(1)
    }

    /// The free slot nearest to the right of `slot`, itself included.
    fn from(&mut self, slot: usize) -> Option<usize> {
        let found = Self::follow(&mut self.right, slot as u32) as usize;
        (found < self.positions.len()).then_some(found)
    }

    fn remove(&mut self, slot: usize) {
        self.left[slot + 1] = slot as u32;
        self.right[slot] = slot as u32 + 1;
    }
}

/// All units sorted on one number, and the free controls of every stratum.
#[derive(Debug)]
struct Shelf<'a> {
    market: Market<'a>,
    /// Units by position.
    order: Vec<u32>,
    /// Position of each unit.
    position: Vec<u32>,
    supplies: Vec<Supply>,
    /// Slot of each control in the supply of its stratum.
    slot: Vec<u32>,
}

impl<'a> Shelf<'a> {
    fn new(market: Market<'a>, values: &[f64]) -> Self {
        let order = sorted_rows(values);
        let mut position = vec![0; values.len()];
        let count = market.strata.map_or(1, |s| s.iter().max().map_or(0, |&m| m as usize + 1));
        let mut supplies: Vec<Supply> = (0..count).map(|_| Supply::default()).collect();
        let mut slot = vec![0; values.len()];
        for (at, &unit) in order.iter().enumerate() {
            position[unit as usize] = at as u32;
            let u = unit as usize;
            if !market.focal[u] && market.eligible[u] {
                let supply = &mut supplies[market.stratum(u)];
                slot[u] = supply.positions.len() as u32;
                supply.positions.push(at as u32);
            }
        }
        supplies.iter_mut().for_each(Supply::close);
        Self { market, order, position, supplies, slot }
    }

    fn remove(&mut self, unit: u32) {
        let slot = self.slot[unit as usize] as usize;
        self.supplies[self.market.stratum(unit as usize)].remove(slot);
    }

    /// The free controls of `unit`'s stratum in the order of MatchIt's walk from the positions `low` and `high` outwards. `visit` says
    /// of each whether the walk goes on on its side.
    fn walk(&mut self, unit: u32, low: u32, high: u32, mut visit: impl FnMut(u32, Side) -> bool) {
        let supply = &mut self.supplies[self.market.stratum(unit as usize)];
        let first_right = supply.positions.partition_point(|&p| p <= high);
        let first_left = supply.positions.partition_point(|&p| p < low);
        let mut left = supply.before(first_left);
        let mut right = supply.from(first_right);
        loop {
            // The walk takes a step left, then a step right: a control k steps to the left comes before one k steps to the right.
            let steps_left = left.map(|slot| low - supply.positions[slot]);
            let steps_right = right.map(|slot| supply.positions[slot] - high);
            let side = match (steps_left, steps_right) {
                (None, None) => return,
                (Some(l), Some(r)) if l > r => Side::Right,
                (None, Some(_)) => Side::Right,
                (Some(_), _) => Side::Left,
            };
            match side {
                Side::Left => {
                    left = left.and_then(|slot| {
                        let goes_on = visit(self.order[supply.positions[slot] as usize], side);
                        if goes_on { supply.before(slot) } else { None }
                    });
                }
                Side::Right => {
                    right = right.and_then(|slot| {
                        let goes_on = visit(self.order[supply.positions[slot] as usize], side);
                        if goes_on { supply.from(slot + 1) } else { None }
                    });
                }
            }
        }
    }
}

/// A side of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// The rows in ascending order of `values`, ties in the order of the rows.
pub(crate) fn sorted_rows(values: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]).then(a.cmp(&b)));
    order
}

/// Nearest on a score.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    shelf: Shelf<'a>,
    score: &'a [f64],
}

impl<'a> Line<'a> {
    /// The market on the line of `score`.
    pub(crate) fn new(market: Market<'a>, score: &'a [f64]) -> Self {
        Self { shelf: Shelf::new(market, score), score }
    }
}

impl Finder for Line<'_> {
    fn nearest(&mut self, unit: u32, taken: &[Candidate], last: Option<u32>, want: usize) -> Vec<Candidate> {
        let (market, score) = (self.shelf.market, self.score);
        let own = self.shelf.position[unit as usize];
        // Whoever has matches already starts outside of them: what lies between was not to be had.
        let (mut low, mut high) = (own, own);
        for other in taken.iter().map(|c| c.unit).chain(last) {
            low = low.min(self.shelf.position[other as usize]);
            high = high.max(self.shelf.position[other as usize]);
        }
        let distance = |other: u32| (score[unit as usize] - score[other as usize]).abs();
        let nearest_allowed = distance(self.shelf.order[low as usize]).max(distance(self.shelf.order[high as usize]));
        let mut found: Vec<Candidate> = Vec::new();
        let mut found_on = [0; 2];
        self.shelf.walk(unit, low, high, |other, side| {
            let candidate = Candidate { unit: other, distance: distance(other) };
            let beyond = market.caliper.is_some_and(|width| width >= 0.0 && candidate.distance > width);
            if beyond || found.iter().filter(|c| c.distance < candidate.distance).count() >= want {
                return false;
            }
            if candidate.distance < nearest_allowed
                || taken.iter().any(|c| c.unit == other)
                || !market.caliper.is_none_or(|width| within(candidate.distance, width))
                || !market.within_columns(unit as usize, other as usize)
            {
                return true;
            }
            found.push(candidate);
            found_on[side as usize] += 1;
            found_on[side as usize] < want
        });
        let keep = want.min(found.len());
        partial_sort(&mut found, keep);
        found.truncate(keep);
        found
    }

    fn remove(&mut self, unit: u32) {
        self.shelf.remove(unit);
    }
}

/// Nearest by squared Euclidean distance between rows of transformed columns.
#[derive(Debug)]
pub(crate) struct Cloud<'a> {
    shelf: Shelf<'a>,
    /// `width` numbers a unit.
    points: &'a [f64],
    width: usize,
}

impl<'a> Cloud<'a> {
    /// The market among `points`, each of `width` numbers; the walk goes along the first.
    pub(crate) fn new(market: Market<'a>, points: &'a [f64], width: usize) -> Self {
        let first: Vec<f64> = points.chunks_exact(width).map(|p| p[0]).collect();
        Self { shelf: Shelf::new(market, &first), points, width }
    }
}

impl Finder for Cloud<'_> {
    fn nearest(&mut self, unit: u32, taken: &[Candidate], _last: Option<u32>, want: usize) -> Vec<Candidate> {
        let (market, points, width) = (self.shelf.market, self.points, self.width);
        let point = |unit: u32| &points[unit as usize * width..][..width];
        let own = point(unit);
        let at = self.shelf.position[unit as usize];
        // Squared distances, nearest first; of equal ones the last found stands first.
        let mut best: Vec<Candidate> = Vec::with_capacity(want + 1);
        self.shelf.walk(unit, at, at, |other, _| {
            let theirs = point(other);
            let along = (own[0] - theirs[0]) * (own[0] - theirs[0]);
            let full = best.len() == want;
            if full && along > best[want - 1].distance {
                return false;
            }
            if taken.iter().any(|c| c.unit == other) || !market.within_columns(unit as usize, other as usize) {
                return true;
            }
            let distance: f64 = own.iter().zip(theirs).map(|(a, b)| (a - b) * (a - b)).sum();
            if !full || distance <= best[want - 1].distance {
                let place = best.partition_point(|c| c.distance < distance);
                best.insert(place, Candidate { unit: other, distance });
                best.truncate(want);
            }
            true
        });
        best.iter_mut().for_each(|c| c.distance = c.distance.sqrt());
        best
    }

    fn remove(&mut self, unit: u32) {
        self.shelf.remove(unit);
    }
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

/// Moves the `keep` nearest candidates to the front in order, equal ones as the C++ library that MatchIt is built with leaves them
/// (heap selection, then heap sort: Williams 1964, Floyd 1964).
fn partial_sort(items: &mut [Candidate], keep: usize) {
    fn less(a: &Candidate, b: &Candidate) -> bool {
        a.distance < b.distance
    }
    /// Lets the hole at `hole` sink to a leaf along the larger children, then lets `value` rise from there.
    fn adjust(heap: &mut [Candidate], mut hole: usize, value: Candidate) {
        let (top, len) = (hole, heap.len());
        let mut child = hole;
        while child < (len.saturating_sub(1)) / 2 {
            child = 2 * (child + 1);
            if less(&heap[child], &heap[child - 1]) {
                child -= 1;
            }
            heap[hole] = heap[child];
            hole = child;
        }
        if len.is_multiple_of(2) && len >= 2 && child == (len - 2) / 2 {
            child = 2 * (child + 1);
            heap[hole] = heap[child - 1];
            hole = child - 1;
        }
        while hole > top && less(&heap[(hole - 1) / 2], &value) {
            heap[hole] = heap[(hole - 1) / 2];
            hole = (hole - 1) / 2;
        }
        heap[hole] = value;
    }
    if keep == 0 {
        return;
    }
    if keep >= 2 {
        for parent in (0..=(keep - 2) / 2).rev() {
            let value = items[parent];
            adjust(&mut items[..keep], parent, value);
        }
    }
    for at in keep..items.len() {
        if less(&items[at], &items[0]) {
            let value = items[at];
            items[at] = items[0];
            adjust(&mut items[..keep], 0, value);
        }
    }
    for last in (1..keep).rev() {
        let value = items[last];
        items[last] = items[0];
        adjust(&mut items[..last], 0, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(distances: &[f64]) -> Vec<Candidate> {
        distances.iter().enumerate().map(|(unit, &distance)| Candidate { unit: unit as u32, distance }).collect()
    }

    #[test]
    fn partial_sort_puts_the_nearest_first() {
        let distances: Vec<f64> = (0..40).map(|i| f64::from((i * 17) % 41)).collect();
        for keep in 1..=40 {
            let mut items = candidates(&distances);
            partial_sort(&mut items, keep);
            let mut sorted = distances.clone();
            sorted.sort_by(f64::total_cmp);
            let front: Vec<f64> = items[..keep].iter().map(|c| c.distance).collect();
            assert_eq!(front, sorted[..keep]);
        }
    }

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
