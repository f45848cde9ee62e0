//! Optimal pair matching on a score: the smallest total distance, as many pairs as a caliper allows, the smallest caliper that loses nobody.
//!
//! On a line two pairs never need to cross: whichever units are matched, pairing both sides in ascending order has the smallest total distance (and the
//! smallest largest distance). So only the choice of units is a problem, and no matrix of distances is needed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::{Error, Result};
use crate::matching::nearest::{Candidate, Market};
use crate::matching::radius::by_stratum;
use crate::number::Heartbeat;

/// The matches of every unit of [`Market::focal_units`], `ratio` each (at most one within a caliper).
///
/// Without a caliper: as many links as there can be, and of those sets the one with the smallest total distance.
/// With one: as many pairs as there can be within the caliper, and for the units so matched the smallest total distance.
///
/// # Errors
/// [`Error::TooFew`] if `ratio` is above 1 and a stratum has fewer than `ratio` controls for each focal unit.
pub(crate) fn optimal(
    market: &Market<'_>,
    score: &[f64],
    ratio: u32,
    heartbeat: Heartbeat<'_>,
) -> Result<Vec<Vec<Candidate>>> {
    let units = market.focal_units();
    let mut place = vec![0_u32; score.len()];
    for (at, &unit) in units.iter().enumerate() {
        place[unit as usize] = at as u32;
    }
    let mut matches = vec![Vec::new(); units.len()];
    for (focal, others) in sides(market, score) {
        if ratio > 1 && others.len() < focal.len() * ratio as usize {
            return Err(Error::too_few("controls for the ratio", others.len(), focal.len() * ratio as usize));
        }
        let copies: Vec<u32> = focal.iter().flat_map(|&unit| (0..ratio).map(move |_| unit)).collect();
        let (from, to) = (at(&copies, score), at(&others, score));
        let pairs = match market.caliper {
            None => cheapest(&from, &to, heartbeat),
            Some(width) => cheapest_within(&from, &to, width, heartbeat)?,
        };
        for (i, j) in pairs {
            let candidate = Candidate { unit: others[j], distance: (from[i] - to[j]).abs() };
            matches[place[copies[i] as usize] as usize].push(candidate);
        }
    }
    matches.iter_mut().for_each(|set| set.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.unit.cmp(&b.unit))));
    Ok(matches)
}

/// The smallest width within which as many pairs can be made as without a caliper (Glover 1967; Yu, Silber and Rosenbaum 2020): every focal unit
/// is matched if its stratum has controls enough. Exact to the last bit.
pub(crate) fn smallest_caliper(market: &Market<'_>, score: &[f64]) -> f64 {
    let strata: Vec<(Vec<f64>, Vec<f64>)> =
        sides(market, score).into_iter().map(|(focal, others)| (at(&focal, score), at(&others, score))).collect();
    let wanted: usize = strata.iter().map(|(from, to)| from.len().min(to.len())).sum();
    let enough =
        |width: f64| strata.iter().map(|(from, to)| most_within(from, to, width).len()).sum::<usize>() >= wanted;
    // Numbers that are not negative order as their bits do: bisection over the bits ends at the width itself.
    let (mut low, mut high) = (0_u64, f64::MAX.to_bits());
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(f64::from_bits(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    f64::from_bits(high)
}

/// Focal units and others of each stratum in ascending order of the score.
fn sides(market: &Market<'_>, score: &[f64]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let split = |units: Vec<u32>| units.into_iter().partition(|&u| market.focal[u as usize]);
    by_stratum(market, score).into_iter().map(split).collect()
}

fn at(units: &[u32], score: &[f64]) -> Vec<f64> {
    units.iter().map(|&u| score[u as usize]).collect()
}

/// A largest set of pairs within `width`: the lowest unit takes the lowest control that will do (Glover 1967). `from` and `to` ascend.
fn most_within(from: &[f64], to: &[f64], width: f64) -> Vec<(usize, usize)> {
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < from.len() && j < to.len() {
        if (from[i] - to[j]).abs() <= width {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if to[j] < from[i] {
            j += 1;
        } else {
            i += 1;
        }
    }
    pairs
}

/// A cost: pairs that could not be made, then distance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost(i64, f64);

impl Eq for Cost {}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cost {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0).then(self.1.total_cmp(&other.1))
    }
}

/// What taking an offer changes in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// This control is used.
    Use(usize),
    /// This unit stays without a match.
    Drop(usize),
}

/// The pairs with the smallest total distance when as many as possible are made. `from` and `to` ascend.
///
/// One sweep from left to right. A unit takes the cheapest offer to its left; a control further right may take it away, which puts the
/// difference back on offer: every decision can be regretted once, and so the last state is optimal (successive shortest paths on a line;
/// two heaps keep the offers, so the cost is that of sorting).
fn cheapest(from: &[f64], to: &[f64], heartbeat: Heartbeat<'_>) -> Vec<(usize, usize)> {
    const BEAT: usize = 65_536;
    // Offers of controls to units further right, and of units to controls further right: the cost is that of the offer plus the taker's position.
    let mut controls: BinaryHeap<Reverse<(Cost, usize, Effect)>> = BinaryHeap::new();
    let mut units: BinaryHeap<Reverse<(Cost, usize, Effect)>> = BinaryHeap::new();
    let (mut used, mut dropped) = (vec![false; to.len()], vec![false; from.len()]);
    let mut set = |effect: Effect, value: bool| match effect {
        Effect::Use(control) => used[control] = value,
        Effect::Drop(unit) => dropped[unit] = value,
    };
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < to.len() {
        let number = i + j;
        if number.is_multiple_of(BEAT) {
            heartbeat();
        }
        if i < from.len() && (j == to.len() || from[i] <= to[j]) {
            let x = from[i];
            let none = (Cost(1, -x), number, Effect::Drop(i));
            let (Cost(lost, price), _, effect) = match controls.peek() {
                Some(Reverse(offer)) if offer.0 < none.0 => {
                    let offer = *offer;
                    controls.pop();
                    offer
                }
                _ => none,
            };
            set(effect, true);
            units.push(Reverse((Cost(-lost, -(price + x) - x), number, effect)));
            i += 1;
        } else {
            let y = to[j];
            match units.peek() {
                Some(&Reverse((Cost(lost, price), _, effect))) if Cost(lost, price + y) < Cost(0, 0.0) => {
                    units.pop();
                    set(effect, false);
                    set(Effect::Use(j), true);
                    controls.push(Reverse((Cost(-lost, -(price + y) - y), number, effect)));
                }
                _ => controls.push(Reverse((Cost(0, -y), number, Effect::Use(j)))),
            }
            j += 1;
        }
    }
    let matched = (0..from.len()).filter(|&i| !dropped[i]);
    matched.zip((0..to.len()).filter(|&j| used[j])).collect()
}

/// The pairs of [`most_within`]'s units with the smallest total distance within `width`. `from` and `to` ascend.
///
/// Units come in from left to right. The pairs so far being optimal, a new unit either takes the nearest control beyond the last one used, or
/// the pairs move one control to the left, as far as the first free one.
fn cheapest_within(from: &[f64], to: &[f64], width: f64, heartbeat: Heartbeat<'_>) -> Result<Vec<(usize, usize)>> {
    const BEAT: usize = 1_024;
    let cost = |i: usize, j: usize| Some((from[i] - to[j]).abs()).filter(|&d| d <= width);
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (number, (i, _)) in most_within(from, to, width).into_iter().enumerate() {
        if number.is_multiple_of(BEAT) {
            heartbeat();
        }
        let next = pairs.last().map_or(0, |&(_, j)| j + 1);
        let above = to.partition_point(|&y| y < from[i]);
        // The nearest control not yet passed: the first at or above the unit, or the one below it.
        let beyond = [above.max(next), above.wrapping_sub(1)]
            .into_iter()
            .filter(|&j| (next..to.len()).contains(&j))
            .filter_map(|j| cost(i, j).map(|d| (d, j)))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        // The run of used controls without a gap that ends with the last one, and what moving it costs.
        let run = pairs.iter().rev().zip(pairs.iter().rev().skip(1)).take_while(|(a, b)| b.1 + 1 == a.1).count() + 1;
        let start = pairs.len().wrapping_sub(run);
        let moved = pairs.get(start).filter(|first| first.1 > 0).and_then(|_| {
            let shifted = pairs[start..]
                .iter()
                .try_fold(0.0, |sum, &(unit, j)| Some(sum + cost(unit, j - 1)? - (from[unit] - to[j]).abs()))?;
            Some(shifted + cost(i, next - 1)?)
        });
        match (beyond, moved) {
            (Some((direct, j)), moved) if moved.is_none_or(|moved| direct <= moved) => pairs.push((i, j)),
            (_, Some(_)) => {
                pairs[start..].iter_mut().for_each(|pair| pair.1 -= 1);
                pairs.push((i, next - 1));
            }
            (_, None) => return Err(Error::Bug("a unit that can be matched within the caliper was not".to_owned())),
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lcg(u64);

    impl Lcg {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }

        fn sorted(&mut self, n: usize) -> Vec<f64> {
            let mut values: Vec<f64> = (0..n).map(|_| self.below(60) as f64 / 4.0).collect();
            values.sort_by(f64::total_cmp);
            values
        }
    }

    /// The best (most pairs, smallest total) over all ways, by trying them.
    fn brute(from: &[f64], to: &[f64], width: f64, taken: &mut Vec<bool>) -> (usize, f64) {
        let Some((&first, rest)) = from.split_first() else { return (0, 0.0) };
        let mut best = brute(rest, to, width, taken);
        for j in 0..to.len() {
            let d = (first - to[j]).abs();
            if !taken[j] && d <= width {
                taken[j] = true;
                let (pairs, total) = brute(rest, to, width, taken);
                taken[j] = false;
                if pairs + 1 > best.0 || (pairs + 1 == best.0 && total + d < best.1) {
                    best = (pairs + 1, total + d);
                }
            }
        }
        best
    }

    fn total(pairs: &[(usize, usize)], from: &[f64], to: &[f64]) -> f64 {
        pairs.iter().map(|&(i, j)| (from[i] - to[j]).abs()).sum()
    }

    fn is_a_matching(pairs: &[(usize, usize)]) -> bool {
        pairs.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1)
    }

    #[test]
    fn the_sweep_finds_what_trying_everything_finds() {
        let mut random = Lcg(1);
        for _ in 0..1_500 {
            let (n, m) = (random.below(6) as usize, random.below(7) as usize);
            let (from, to) = (random.sorted(n), random.sorted(m));
            let pairs = cheapest(&from, &to, &|| {});
            let best = brute(&from, &to, f64::INFINITY, &mut vec![false; to.len()]);
            assert!(is_a_matching(&pairs));
            assert_eq!(pairs.len(), best.0);
            assert!((total(&pairs, &from, &to) - best.1).abs() < 1e-9, "{from:?} {to:?}");
        }
    }

    #[test]
    fn within_a_caliper_the_most_pairs_are_made_and_none_could_be_closer_for_the_same_units() {
        let mut random = Lcg(2);
        for _ in 0..1_500 {
            let (n, m) = (random.below(7) as usize, random.below(7) as usize);
            let (from, to) = (random.sorted(n), random.sorted(m));
            let width = random.below(24) as f64 / 4.0;
            let pairs = cheapest_within(&from, &to, width, &|| {}).unwrap();
            assert!(is_a_matching(&pairs) && pairs.iter().all(|&(i, j)| (from[i] - to[j]).abs() <= width));
            let mut taken = vec![false; to.len()];
            assert_eq!(pairs.len(), brute(&from, &to, width, &mut taken).0);
            let kept: Vec<f64> = pairs.iter().map(|&(i, _)| from[i]).collect();
            let best = brute(&kept, &to, width, &mut taken);
            assert_eq!(pairs.len(), best.0);
            assert!((total(&pairs, &from, &to) - best.1).abs() < 1e-9, "{from:?} {to:?} {width}");
        }
    }

    #[test]
    fn the_smallest_caliper_keeps_everybody_and_nothing_smaller_does() {
        let mut random = Lcg(3);
        for _ in 0..300 {
            let n = 2 + random.below(12) as usize;
            let score: Vec<f64> = (0..n).map(|_| random.below(1000) as f64 / 7.0).collect();
            let focal: Vec<bool> = (0..n).map(|_| random.below(3) == 0).collect();
            let eligible = vec![true; n];
            let market =
                Market { focal: &focal, eligible: &eligible, strata: None, caliper: None, column_calipers: &[] };
            let width = smallest_caliper(&market, &score);
            let pairs = |width: f64| -> usize {
                let market = Market { caliper: Some(width), ..market };
                optimal(&market, &score, 1, &|| {}).unwrap().iter().map(Vec::len).sum()
            };
            let treated = focal.iter().filter(|&&f| f).count();
            let most = treated.min(n - treated);
            assert_eq!(pairs(width), most);
            if width > 0.0 {
                assert!(pairs(f64::from_bits(width.to_bits() - 1)) < most);
            }
        }
    }
}
