//! Moves: changes of the true table that the intruder cannot tell from it.
//!
//! A move adds a whole number to some hidden cells so that every sum still holds, no published number changes by more
//! than its rounding hides, and no hidden cell falls below its floor. A sensitive cell is protected if a move takes
//! it far enough (Fischetti and Salazar 2001, "Solving the Cell Suppression Problem on Tabular Data with Linear
//! Constraints", Management Science 47(7), the attacker problems 3.1 to 3.4). Linear programming finds moves; that
//! they are whole and that they hold is checked here in whole numbers, and once more by `certificate`.

use std::rc::Rc;

use crate::disclosure::lp::{Outcome, Program};
use crate::disclosure::policy::{Policy, Rounding};
use crate::disclosure::primary::Need;
use crate::disclosure::rounding::BASE;
use crate::disclosure::table::Table;
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// No move has to change a cell by more than this.
const FAR: i64 = 1_000_000_000;

/// How many moves are remembered for each aim.
const REMEMBERED: usize = 64;

/// How many linear programs the search for a whole-number move may take.
const PROGRAMS: usize = 300;

/// The table as the searches see it: what may move, how far, and what hiding costs.
#[derive(Debug)]
pub(super) struct Frame {
    /// The equations over the cells that can move at all, each term a cell and its sign.
    pub rows: Vec<Vec<(usize, i64)>>,
    /// The numbers of the equations that each cell is in.
    pub rows_of: Vec<Vec<usize>>,
    /// What all changes are multiples of. Where published multiples of 5 add up, those of the hidden cells follow like counts
    /// that are not rounded, so the intruder must think other multiples possible: counts change by 5, published ones not at all.
    /// All changes here are in these units.
    pub unit: i64,
    /// How far down a cell can go if it is hidden (at most 0), `None` for zeros that are always published.
    pub low: Vec<Option<i64>>,
    /// How far a published cell can be from its true value, both ways, because it is rounded.
    pub slack: Vec<(i64, i64)>,
    /// What hiding costs.
    pub cost: Vec<u64>,
    /// Whether the cell may be hidden.
    pub may_hide: Vec<bool>,
    /// Whether the cell is hidden whatever is sensitive.
    pub withheld: Vec<bool>,
}

/// Changed cells in the order of their numbers, and by how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move(pub Vec<(usize, i64)>);

impl Move {
    /// By how much `cell` changes.
    pub fn of(&self, cell: usize) -> i64 {
        self.0.binary_search_by_key(&cell, |(cell, _)| *cell).map_or(0, |at| self.0[at].1)
    }
}

/// How far a cell must move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aim {
    pub cell: usize,
    /// At least this far up, or, without `up_only`, at least 1 either way.
    pub room: i64,
    pub up_only: bool,
}

impl Aim {
    pub fn new(need: &Need, table: &Table, unit: i64) -> Self {
        let count = table.counts()[need.cell];
        match need.at_least {
            Some(at_least) => {
                Self { cell: need.cell, room: ((at_least - count).max(1) + unit - 1).div_euclid(unit), up_only: true }
            }
            None => Self { cell: need.cell, room: 1, up_only: false },
        }
    }

    pub fn is_met(self, by: i64) -> bool {
        by >= self.room || (!self.up_only && by <= -self.room)
    }
}

impl Frame {
    /// # Errors
    /// [`Error::InvalidInput`] if the policy names cells that the table does not have.
    pub fn new(table: &Table, policy: &Policy, rounded: &[i64]) -> Result<Self> {
        let layout = table.layout();
        let find = |labels, option: &str| {
            layout.find(labels).ok_or_else(|| Error::invalid(option, "names a cell that the table does not have"))
        };
        let is_controlled = policy.rounding == Rounding::Controlled5;
        let unit = if is_controlled { BASE } else { 1 };
        let low: Vec<Option<i64>> = policy
            .floors(table)?
            .into_iter()
            .zip(table.counts())
            .map(|(floor, count)| floor.map(|floor| ((floor - count) / unit).clamp(-FAR, 0)))
            .collect();
        let mut cost: Vec<u64> = (0..layout.len())
            .map(|cell| {
                let base = if layout.is_margin(cell) { policy.costs.margin } else { policy.costs.inner };
                let times = if policy.costs.by_count { table.counts()[cell].max(1) } else { 1 };
                u64::from(base) * times.unsigned_abs()
            })
            .collect();
        for own in &policy.costs.cells {
            cost[find(&own.cell, "costs")?] = u64::from(own.cost);
        }
        let mut may_hide: Vec<bool> = low.iter().map(Option::is_some).collect();
        for kept in &policy.keep {
            may_hide[find(kept, "keep")?] = false;
        }
        let withheld = policy.withheld(layout)?;
        let slack = (0..layout.len())
            .map(|cell| {
                if is_controlled {
                    return (0, 0);
                }
                let count = table.counts()[cell];
                let (least, most) = policy.range(rounded[cell], table.shares(cell).is_some());
                // Of a cell that is hidden in any case the range may not hold the true count.
                ((least - count).min(0), (most - count).max(0))
            })
            .collect();
        let rows: Vec<Vec<(usize, i64)>> = layout
            .rows()
            .iter()
            .map(|row| {
                std::iter::once((row.total, -1))
                    .chain(row.parts.iter().map(|part| (*part, 1)))
                    .filter(|(cell, _)| low[*cell].is_some())
                    .collect::<Vec<_>>()
            })
            .filter(|row| !row.is_empty())
            .collect();
        let mut rows_of = vec![Vec::new(); layout.len()];
        for (number, row) in rows.iter().enumerate() {
            for (cell, _) in row {
                rows_of[*cell].push(number);
            }
        }
        Ok(Self { rows, rows_of, unit, low, slack, cost, may_hide, withheld })
    }

    /// The cells that are hidden in any case: sensitive or withheld.
    pub fn hidden_anyway(&self, aims: &[Aim]) -> Vec<bool> {
        let mut hidden = self.withheld.clone();
        for aim in aims {
            hidden[aim.cell] = true;
        }
        hidden
    }

    /// What the hidden cells cost together.
    pub fn cost_of(&self, hidden: &[bool]) -> u64 {
        hidden.iter().zip(&self.cost).filter(|(hidden, _)| **hidden).map(|(_, cost)| cost).sum()
    }

    /// Whether publishing `cell` leaves a cell that `must_hide` alone in an equation, at once or after other cells that are
    /// then known. This is quick to see, and most cells that are needed are needed for this.
    pub fn gives_away(&self, cell: usize, hidden: &[bool], must_hide: &[bool]) -> bool {
        if self.slack.iter().any(|slack| *slack != (0, 0)) {
            return false;
        }
        let mut unknown = hidden.to_vec();
        unknown[cell] = false;
        let mut open = vec![cell];
        while let Some(known) = open.pop() {
            for row in &self.rows_of[known] {
                let mut left = self.rows[*row].iter().map(|(cell, _)| *cell).filter(|cell| unknown[*cell]);
                if let (Some(alone), None) = (left.next(), left.next()) {
                    if must_hide[alone] {
                        return true;
                    }
                    unknown[alone] = false;
                    open.push(alone);
                }
            }
        }
        false
    }

    /// Whether the change of `cell` needs it to be hidden.
    pub fn shows(&self, cell: usize, by: i64) -> bool {
        by < self.slack[cell].0 || by > self.slack[cell].1
    }

    /// Whether the move leaves everything that is published as it is.
    pub fn is_unseen(&self, change: &Move, hidden: &[bool]) -> bool {
        change.0.iter().all(|(cell, by)| hidden[*cell] || !self.shows(*cell, *by))
    }
}

/// Looks for moves, at prices that change from search to search.
///
/// Each cell may move at its price for each unit; those without a price only as far as their rounding hides. At a price of
/// zero for hidden cells, the others that move are the cheapest cycle through the aim (Kelly, Golden and Assad 1992, "Cell
/// suppression: disclosure protection for sensitive tabular data", Networks 22).
///
/// What it has found it remembers: a move that protects one aim often protects others, and again when little has changed.
pub(super) struct Mover<'a> {
    pub frame: &'a Frame,
    pub aims: &'a [Aim],
    /// How many linear programs were solved.
    pub programs: usize,
    /// The latest moves that meet each aim.
    known: Vec<Vec<Rc<Move>>>,
    price: Vec<Option<f64>>,
    program: Program,
    /// The variables of each cell: what it moves up and down, and what it does so within its rounding.
    parts: Vec<Vec<(usize, f64)>>,
}

impl<'a> Mover<'a> {
    pub fn new(frame: &'a Frame, aims: &'a [Aim]) -> Self {
        let mut variables = 0;
        let mut parts: Vec<Vec<(usize, f64)>> = vec![Vec::new(); frame.low.len()];
        for (cell, parts) in parts.iter_mut().enumerate().filter(|(cell, _)| frame.low[*cell].is_some()) {
            let pairs = if frame.slack[cell] == (0, 0) { 1 } else { 2 };
            for _ in 0..pairs {
                parts.extend([(variables, 1.0), (variables + 1, -1.0)]);
                variables += 2;
            }
        }
        let mut program = Program::new(variables);
        for row in &frame.rows {
            let terms: Vec<(usize, f64)> = row
                .iter()
                .flat_map(|(cell, sign)| parts[*cell].iter().map(|(variable, way)| (*variable, *sign as f64 * way)))
                .collect();
            program.add_row(&terms, 0.0, 0.0);
        }
        let known = vec![Vec::new(); aims.len()];
        let mut mover = Self { frame, aims, programs: 0, known, price: vec![None; frame.low.len()], program, parts };
        for cell in 0..frame.low.len() {
            mover.release(cell);
        }
        mover
    }

    /// A move that meets the aim and that nobody sees who sees all but the `hidden` cells, if one was found before.
    pub fn recall(&self, aim: usize, hidden: &[bool]) -> Option<Rc<Move>> {
        self.known[aim].iter().rev().find(|change| self.frame.is_unseen(change, hidden)).cloned()
    }

    /// Sets what a unit of the cell's change costs; `None`: it does not change.
    pub fn price(&mut self, cell: usize, price: Option<f64>) {
        self.price[cell] = price;
        self.release(cell);
    }

    /// What a unit of the cell's change costs.
    pub fn price_of(&self, cell: usize) -> Option<f64> {
        self.price[cell]
    }

    /// Bounds and costs of a cell that is not aimed at.
    fn release(&mut self, cell: usize) {
        let (Some(low), [(up, _), (down, _), within @ ..]) = (self.frame.low[cell], self.parts[cell].as_slice()) else {
            return;
        };
        // Within its rounding a cell moves for nothing, further at its price; both together not below its floor.
        let (least, most) = self.frame.slack[cell];
        let free = least.max(low);
        for ((variable, _), room) in within.iter().zip([most, -free]) {
            self.program.bound(*variable, 0.0, room as f64);
        }
        match self.price[cell] {
            None => {
                self.program.bound(*up, 0.0, 0.0);
                self.program.bound(*down, 0.0, 0.0);
            }
            Some(price) => {
                self.program.bound(*up, 0.0, FAR as f64);
                self.program.bound(*down, 0.0, (free - low) as f64);
                self.program.price(*up, price);
                self.program.price(*down, price);
            }
        }
    }

    /// The cheapest move that meets the aim of that number, if there is one that is whole and found in time.
    pub fn find(&mut self, aim: usize, heartbeat: Heartbeat) -> Option<Rc<Move>> {
        let Aim { cell, room, up_only } = self.aims[aim];
        let up = self.find_one_way(cell, room, heartbeat);
        let down = match &up {
            _ if up_only => None,
            Some((_, cost)) if *cost <= 0.0 => None,
            _ => self.find_one_way(cell, -room, heartbeat),
        };
        let found = match (up, down) {
            (Some(up), Some(down)) if down.1 < up.1 => down.0,
            (Some((change, _)), _) | (None, Some((change, _))) => change,
            (None, None) => return None,
        };
        let found = Rc::new(found);
        for (aim, known) in self.aims.iter().zip(&mut self.known) {
            if aim.is_met(found.of(aim.cell)) {
                known.push(Rc::clone(&found));
                if known.len() > REMEMBERED {
                    known.remove(0);
                }
            }
        }
        Some(found)
    }

    fn find_one_way(&mut self, cell: usize, room: i64, heartbeat: Heartbeat) -> Option<(Move, f64)> {
        let low = self.frame.low[cell].filter(|low| *low <= room)?;
        let [(up, _), (down, _), ref within @ ..] = self.parts[cell][..] else { return None };
        for (variable, _) in within {
            self.program.bound(*variable, 0.0, 0.0);
        }
        if room > 0 {
            self.program.bound(up, room as f64, FAR as f64);
            self.program.bound(down, 0.0, 0.0);
        } else {
            self.program.bound(up, 0.0, 0.0);
            self.program.bound(down, -room as f64, -low as f64);
        }
        let found = self.dive(&mut 0, heartbeat);
        self.release(cell);
        found
    }

    /// The cheapest move within the present bounds. Where its values are neither whole nor halves or the like, one variable is
    /// kept to the whole numbers on one side, then on the other, depth first, for so many programs at most.
    fn dive(&mut self, programs: &mut usize, heartbeat: Heartbeat) -> Option<(Move, f64)> {
        *programs += 1;
        self.programs += 1;
        if *programs > PROGRAMS || self.program.solve(heartbeat) != Outcome::Optimal {
            return None;
        }
        let values: Vec<(usize, f64)> = self
            .parts
            .iter()
            .enumerate()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(cell, parts)| (cell, parts.iter().map(|(variable, way)| way * self.program.value(*variable)).sum()))
            .collect();
        // A vertex with halves or thirds is whole when it is taken two or three times over.
        for times in [1, 2, 3, 4, 6] {
            if let Some(change) = self.frame.whole(&values, f64::from(times), &self.price) {
                let cost = values.iter().map(|(cell, by)| by.abs() * self.price[*cell].unwrap_or(0.0)).sum();
                return Some((change, cost));
            }
        }
        let off = |variable: usize| (self.program.value(variable) - self.program.value(variable).round()).abs();
        let broken = values.iter().filter(|(_, value)| (value - value.round()).abs() > 1e-6);
        let variables = broken.flat_map(|(cell, _)| &self.parts[*cell]).map(|(variable, _)| *variable);
        let variable = variables.max_by(|a, b| off(*a).total_cmp(&off(*b)).then(b.cmp(a)))?;
        let (value, bounds) = (self.program.value(variable), self.program.bounds(variable));
        let mut sides = [(bounds.0, value.floor()), (value.ceil(), bounds.1)];
        if value - value.floor() > 0.5 {
            sides.reverse();
        }
        for (least, most) in sides {
            self.program.bound(variable, least, most);
            let found = self.dive(programs, heartbeat);
            self.program.bound(variable, bounds.0, bounds.1);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl Frame {
    /// The values times `times` as a move, if they are whole and keep every rule.
    fn whole(&self, values: &[(usize, f64)], times: f64, price: &[Option<f64>]) -> Option<Move> {
        let mut change = Vec::new();
        for (cell, value) in values {
            let value = value * times;
            if (value - value.round()).abs() > 1e-6 || value.abs() > FAR as f64 {
                return None;
            }
            let by = value.round() as i64;
            if by == 0 {
                continue;
            }
            if self.low[*cell].is_none_or(|low| by < low) || (price[*cell].is_none() && self.shows(*cell, by)) {
                return None;
            }
            change.push((*cell, by));
        }
        let change = Move(change);
        self.rows
            .iter()
            .all(|row| row.iter().map(|(cell, sign)| sign * change.of(*cell)).sum::<i64>() == 0)
            .then_some(change)
    }
}
