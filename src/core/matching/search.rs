//! Finding the nearest control still to be had, on a score (a line) or among several columns (a cloud).
//!
//! MatchIt walks outwards from a treated unit over all units in the order of the score, one step left, one step right, and takes the
//! nearest eligible control; among equally distant ones the first it meets. Walking over what is no longer eligible makes that
//! quadratic when controls are scarce. Here the controls still to be had are kept in a list with path-compressed skips
//! (Tarjan 1975), and the number of steps is worked out from the positions, so that the same control is found at once.

use crate::matching::nearest::{Candidate, Finder, Market, within};
use crate::matching::order::sorted_rows;

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
        let mut supplies: Vec<Supply> = (0..market.strata_count()).map(|_| Supply::default()).collect();
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

/// Nearest by Euclidean distance between rows of transformed columns.
#[derive(Debug)]
pub(crate) struct Cloud<'a> {
    shelf: Shelf<'a>,
    /// What the shelf is sorted by: a score with its caliper, or the points' first number.
    along: Vec<f64>,
    caliper: Option<f64>,
    /// `width` numbers a unit.
    points: &'a [f64],
    width: usize,
    /// The place of each unit in its stratum by the first number: it decides between equal distances.
    rank: Vec<u32>,
}

impl<'a> Cloud<'a> {
    /// The market among `points`, each of `width` numbers; within a caliper of a score if one is given.
    pub(crate) fn new(market: Market<'a>, points: &'a [f64], width: usize, score: Option<(&[f64], f64)>) -> Self {
        let first: Vec<f64> = points.chunks_exact(width).map(|p| p[0]).collect();
        let mut rank = vec![0; first.len()];
        let mut seen = vec![0; market.strata_count()];
        for unit in sorted_rows(&first) {
            let place = &mut seen[market.stratum(unit as usize)];
            rank[unit as usize] = *place;
            *place += 1;
        }
        let along = score.map_or(first, |(score, _)| score.to_vec());
        let shelf = Shelf::new(market, &along);
        Self { shelf, along, caliper: score.map(|(_, width)| width), points, width, rank }
    }
}

impl Finder for Cloud<'_> {
    fn nearest(&mut self, unit: u32, taken: &[Candidate], _last: Option<u32>, want: usize) -> Vec<Candidate> {
        let Self { shelf, along, caliper, points, width, rank } = self;
        let (market, width) = (shelf.market, *width);
        let point = |unit: u32| &points[unit as usize * width..][..width];
        let own = point(unit);
        let at = shelf.position[unit as usize];
        // MatchIt walks along the first number, left before right, and keeps the last of equally distant ones.
        let time = |other: u32| {
            let (here, there) = (i64::from(rank[unit as usize]), i64::from(rank[other as usize]));
            if there < here { 2 * (here - there) - 1 } else { 2 * (there - here) }
        };
        // Squared distances, nearest first; of equal ones the latest stands first.
        let mut best: Vec<(f64, i64, u32)> = Vec::with_capacity(want + 1);
        shelf.walk(unit, at, at, |other, _| {
            let apart = (along[unit as usize] - along[other as usize]).abs();
            let full = best.len() == want;
            let beyond = match *caliper {
                Some(caliper) => apart > caliper,
                None => full && apart * apart > best[want - 1].0,
            };
            if beyond {
                return false;
            }
            if taken.iter().any(|c| c.unit == other) || !market.within_columns(unit as usize, other as usize) {
                return true;
            }
            let distance: f64 = own.iter().zip(point(other)).map(|(a, b)| (a - b) * (a - b)).sum();
            if !full || distance <= best[want - 1].0 {
                let time = time(other);
                let place = best.partition_point(|b| b.0.total_cmp(&distance).then(time.cmp(&b.1)).is_lt());
                best.insert(place, (distance, time, other));
                best.truncate(want);
            }
            true
        });
        best.into_iter().map(|(squared, _, unit)| Candidate { unit, distance: squared.sqrt() }).collect()
    }

    fn remove(&mut self, unit: u32) {
        self.shelf.remove(unit);
    }
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
}
