//! Moves: changes of the true table that the intruder cannot tell from it.
//!
//! A move adds a whole number to some hidden cells so that every sum still holds, no published number changes by more
//! than its rounding hides, and no hidden cell falls below its floor. A sensitive cell is protected if a move takes
//! it far enough (Fischetti and Salazar 2001, "Solving the Cell Suppression Problem on Tabular Data with Linear
//! Constraints", Management Science 47(7), the attacker problems 3.1 to 3.4). Linear programming finds moves; that
//! they are whole and that they hold is checked here in whole numbers, and once more by `certificate`.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOptions, SolveOutcome, Variable};

use crate::disclosure::policy::Policy;
use crate::disclosure::primary::Need;
use crate::disclosure::table::Table;
use crate::error::{Error, Result};

/// No move has to change a cell by more than this; it fits an `i32`, which bounds the solver's whole numbers.
const FAR: i64 = 1_000_000_000;

/// How many branch-and-bound nodes a whole-number search may take.
const NODES: u64 = 500;

/// The table as the searches see it: what may move, how far, and what hiding costs.
#[derive(Debug)]
pub(super) struct Frame {
    /// The equations over the cells that can move at all, each term a cell and its sign.
    pub rows: Vec<Vec<(usize, i64)>>,
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
    pub fn new(need: &Need, table: &Table) -> Self {
        let count = table.counts()[need.cell];
        match need.at_least {
            Some(at_least) => Self { cell: need.cell, room: (at_least - count).max(1), up_only: true },
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
        let low: Vec<Option<i64>> = policy
            .floors(table)?
            .into_iter()
            .zip(table.counts())
            .map(|(floor, count)| floor.map(|floor| (floor - count).clamp(-FAR, 0)))
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
                let count = table.counts()[cell];
                let (least, most) = policy.range(rounded[cell], table.shares(cell).is_some());
                // Of a cell that is hidden in any case the range may not hold the true count.
                ((least - count).min(0), (most - count).max(0))
            })
            .collect();
        let rows = layout
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
        Ok(Self { rows, low, slack, cost, may_hide, withheld })
    }

    /// What the hidden cells cost together.
    pub fn cost_of(&self, hidden: &[bool]) -> u64 {
        hidden.iter().zip(&self.cost).filter(|(hidden, _)| **hidden).map(|(_, cost)| cost).sum()
    }

    /// Whether the change of `cell` needs it to be hidden.
    pub fn shows(&self, cell: usize, by: i64) -> bool {
        by < self.slack[cell].0 || by > self.slack[cell].1
    }

    /// Whether the move leaves everything that is published as it is.
    pub fn is_unseen(&self, change: &Move, hidden: &[bool]) -> bool {
        change.0.iter().all(|(cell, by)| hidden[*cell] || !self.shows(*cell, *by))
    }

    /// A move among the hidden cells that meets the aim, if there is one that is whole and found in time.
    ///
    /// # Errors
    /// [`Error::Bug`] if the solver fails.
    pub fn find(&self, hidden: &[bool], aim: Aim) -> Result<Option<Move>> {
        self.search(hidden, aim, None)
    }

    /// The cheapest move that meets the aim: hidden cells move for nothing, every other cell at `weight` for each
    /// unit that it changes. The cells it needs hidden are a cycle through the aim (Kelly, Golden and Assad 1992,
    /// "Cell suppression: disclosure protection for sensitive tabular data", Networks 22).
    ///
    /// # Errors
    /// [`Error::Bug`] if the solver fails.
    pub fn find_cheapest(&self, hidden: &[bool], aim: Aim, weight: &[f64]) -> Result<Option<Move>> {
        self.search(hidden, aim, Some(weight))
    }

    fn search(&self, hidden: &[bool], aim: Aim, weight: Option<&[f64]>) -> Result<Option<Move>> {
        let up = self.search_one_way(hidden, aim.cell, aim.room, weight)?;
        if aim.up_only || (up.is_some() && weight.is_none()) {
            return Ok(up.map(|(change, _)| change));
        }
        let down = self.search_one_way(hidden, aim.cell, -aim.room, weight)?;
        Ok(match (up, down) {
            (Some(up), Some(down)) if down.1 < up.1 => Some(down.0),
            (Some(up), _) => Some(up.0),
            (None, down) => down.map(|(change, _)| change),
        })
    }

    fn search_one_way(
        &self,
        hidden: &[bool],
        cell: usize,
        room: i64,
        weight: Option<&[f64]>,
    ) -> Result<Option<(Move, f64)>> {
        if self.low[cell].is_none_or(|low| room < low) {
            return Ok(None);
        }
        let relaxed = Search { frame: self, hidden, cell, room, weight, whole: false }.solve()?;
        let Some(Found { values, cost }) = relaxed else { return Ok(None) };
        // A vertex with halves or thirds is whole when it is taken two or three times over.
        for times in [1, 2, 3, 4, 6] {
            if let Some(change) = self.whole(&values, f64::from(times), hidden, weight.is_some()) {
                return Ok(Some((change, cost)));
            }
        }
        let whole = Search { frame: self, hidden, cell, room, weight, whole: true }.solve()?;
        Ok(whole.and_then(|found| Some((self.whole(&found.values, 1.0, hidden, weight.is_some())?, found.cost))))
    }

    /// The values times `times` as a move, if they are whole and keep every rule.
    fn whole(&self, values: &[(usize, f64)], times: f64, hidden: &[bool], may_hide_more: bool) -> Option<Move> {
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
            let hideable = hidden[*cell] || (may_hide_more && self.may_hide[*cell]);
            if self.low[*cell].is_none_or(|low| by < low) || (!hideable && self.shows(*cell, by)) {
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

/// The cells that move and by how much, in the order of their numbers, and what that costs.
struct Found {
    values: Vec<(usize, f64)>,
    cost: f64,
}

/// One linear (or whole-number) program for a move.
struct Search<'a> {
    frame: &'a Frame,
    hidden: &'a [bool],
    cell: usize,
    room: i64,
    weight: Option<&'a [f64]>,
    whole: bool,
}

impl Search<'_> {
    /// `None` if there is no move.
    fn solve(&self) -> Result<Option<Found>> {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let mut variables: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); self.hidden.len()];
        for (cell, variables) in variables.iter_mut().enumerate() {
            let Some(low) = self.frame.low[cell] else { continue };
            let (least, most) = if cell == self.cell {
                if self.room > 0 { (self.room, FAR) } else { (low, self.room) }
            } else {
                (low, FAR)
            };
            if self.hidden[cell] {
                variables.push((self.variable(&mut problem, 0.0, least, most), 1.0));
                continue;
            }
            let (down, up) = self.frame.slack[cell];
            if (down, up) != (0, 0) {
                variables.push((self.variable(&mut problem, 0.0, down, up), 1.0));
            }
            if let Some(weight) = self.weight
                && self.frame.may_hide[cell]
            {
                variables.push((self.variable(&mut problem, weight[cell], 0, FAR), 1.0));
                if low < 0 {
                    variables.push((self.variable(&mut problem, weight[cell], 0, -low), -1.0));
                }
            }
        }
        for row in &self.frame.rows {
            let mut sum = LinearExpr::empty();
            let mut terms = 0;
            for (cell, sign) in row {
                for (variable, direction) in &variables[*cell] {
                    sum.add(*variable, *sign as f64 * direction);
                    terms += 1;
                }
            }
            if terms > 0 {
                problem.add_constraint(sum, ComparisonOp::Eq, 0.0);
            }
        }
        let mut options = SolveOptions::default();
        options.node_limit = self.whole.then_some(NODES);
        let solution = match problem.solve_with(options) {
            Ok(SolveOutcome::Solution(solution)) => solution,
            Ok(SolveOutcome::Interrupted(_)) | Err(microlp::Error::Infeasible) => return Ok(None),
            Err(error) => return Err(Error::Bug(format!("the linear program of a move failed: {error}"))),
        };
        let values = variables
            .iter()
            .enumerate()
            .filter(|(_, variables)| !variables.is_empty())
            .map(|(cell, variables)| {
                (cell, variables.iter().map(|(variable, sign)| sign * solution.var_value(*variable)).sum())
            })
            .collect();
        Ok(Some(Found { values, cost: solution.objective() }))
    }

    fn variable(&self, problem: &mut Problem, weight: f64, least: i64, most: i64) -> Variable {
        if self.whole {
            // Both bounds are within FAR of zero.
            problem.add_integer_var(weight, (least as i32, most as i32))
        } else {
            problem.add_var(weight, (least as f64, most as f64))
        }
    }
}
