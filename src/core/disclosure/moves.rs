//! Moves: changes of the true table that the intruder cannot tell from it.
//!
//! A move adds a whole number to some hidden cells so that every sum still holds, no published number changes by more
//! than its rounding hides, and no hidden cell falls below its floor. A sensitive cell is protected if a move takes
//! it far enough (Fischetti and Salazar 2001, "Solving the Cell Suppression Problem on Tabular Data with Linear
//! Constraints", Management Science 47(7), the attacker problems 3.1 to 3.4). Linear programming finds moves; that
//! they are whole and that they hold is checked here in whole numbers, and once more by `certificate`.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOptions, SolveOutcome, Variable};

use crate::disclosure::lp::{Outcome, Program};
use crate::disclosure::policy::Policy;
use crate::disclosure::primary::Need;
use crate::disclosure::table::Table;
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// No move has to change a cell by more than this; it fits an `i32`, which bounds the solver's whole numbers.
const FAR: i64 = 1_000_000_000;

/// How many branch-and-bound nodes a whole-number search may take.
const NODES: u64 = 500;

/// The table as the searches see it: what may move, how far, and what hiding costs.
#[derive(Debug)]
pub(super) struct Frame {
    /// The equations over the cells that can move at all, each term a cell and its sign.
    pub rows: Vec<Vec<(usize, i64)>>,
    /// The numbers of the equations that each cell is in.
    pub rows_of: Vec<Vec<usize>>,
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
        Ok(Self { rows, rows_of, low, slack, cost, may_hide, withheld })
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
pub(super) struct Mover<'a> {
    pub frame: &'a Frame,
    price: Vec<Option<f64>>,
    program: Program,
    /// The variables of each cell: what it moves up and down, and what it does so within its rounding.
    parts: Vec<Vec<(usize, f64)>>,
}

impl<'a> Mover<'a> {
    pub fn new(frame: &'a Frame) -> Self {
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
        for (cell, parts) in parts.iter().enumerate().filter(|(_, parts)| parts.len() == 4) {
            let (down, up) = frame.slack[cell];
            program.bound(parts[2].0, 0.0, up as f64);
            program.bound(parts[3].0, 0.0, -down as f64);
        }
        for row in &frame.rows {
            let terms: Vec<(usize, f64)> = row
                .iter()
                .flat_map(|(cell, sign)| parts[*cell].iter().map(|(variable, way)| (*variable, *sign as f64 * way)))
                .collect();
            program.add_row(&terms, 0.0, 0.0);
        }
        Self { frame, price: vec![None; frame.low.len()], program, parts }
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
        let (Some(low), [(up, _), (down, _), ..]) = (self.frame.low[cell], self.parts[cell].as_slice()) else { return };
        match self.price[cell] {
            None => {
                self.program.bound(*up, 0.0, 0.0);
                self.program.bound(*down, 0.0, 0.0);
            }
            Some(price) => {
                self.program.bound(*up, 0.0, FAR as f64);
                self.program.bound(*down, 0.0, -low as f64);
                self.program.price(*up, price);
                self.program.price(*down, price);
            }
        }
    }

    /// The cheapest move that meets the aim, if there is one that is whole and found in time.
    ///
    /// # Errors
    /// [`Error::Bug`] if the solver fails.
    pub fn find(&mut self, aim: Aim, heartbeat: Heartbeat) -> Result<Option<Move>> {
        let up = self.find_one_way(aim.cell, aim.room, heartbeat)?;
        if aim.up_only || up.as_ref().is_some_and(|(_, cost)| *cost <= 0.0) {
            return Ok(up.map(|(change, _)| change));
        }
        let down = self.find_one_way(aim.cell, -aim.room, heartbeat)?;
        Ok(match (up, down) {
            (Some(up), Some(down)) if down.1 < up.1 => Some(down.0),
            (Some(up), _) => Some(up.0),
            (None, down) => down.map(|(change, _)| change),
        })
    }

    fn find_one_way(&mut self, cell: usize, room: i64, heartbeat: Heartbeat) -> Result<Option<(Move, f64)>> {
        let Some(low) = self.frame.low[cell].filter(|low| *low <= room) else { return Ok(None) };
        let [(up, _), (down, _), ..] = self.parts[cell][..] else { return Ok(None) };
        if room > 0 {
            self.program.bound(up, room as f64, FAR as f64);
            self.program.bound(down, 0.0, 0.0);
        } else {
            self.program.bound(up, 0.0, 0.0);
            self.program.bound(down, -room as f64, -low as f64);
        }
        let outcome = self.program.solve(heartbeat);
        self.release(cell);
        if outcome != Outcome::Optimal {
            return Ok(None);
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
                return Ok(Some((change, self.cost_of(&values))));
            }
        }
        let Some(values) = self.find_whole(cell, room)? else { return Ok(None) };
        Ok(self.frame.whole(&values, 1.0, &self.price).map(|change| (change, self.cost_of(&values))))
    }

    fn cost_of(&self, values: &[(usize, f64)]) -> f64 {
        values.iter().map(|(cell, by)| by.abs() * self.price[*cell].unwrap_or(0.0)).sum()
    }

    /// The same by branch and bound over whole numbers; `None` if there is nothing, or not in time.
    fn find_whole(&self, aim: usize, room: i64) -> Result<Option<Vec<(usize, f64)>>> {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        // All bounds are within FAR of zero.
        let mut add = |price: f64, least: i64, most: i64| problem.add_integer_var(price, (least as i32, most as i32));
        let mut variables: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); self.price.len()];
        for (cell, variables) in variables.iter_mut().enumerate() {
            let Some(low) = self.frame.low[cell] else { continue };
            if cell == aim {
                let (least, most) = if room > 0 { (room, FAR) } else { (low, room) };
                variables.push((add(0.0, least, most), 1.0));
                continue;
            }
            let (down, up) = self.frame.slack[cell];
            if (down, up) != (0, 0) {
                variables.push((add(0.0, down, up), 1.0));
            }
            if let Some(price) = self.price[cell] {
                variables.push((add(price, 0, FAR), 1.0));
                variables.push((add(price, 0, -low), -1.0));
            }
        }
        for row in &self.frame.rows {
            let sum: LinearExpr = row
                .iter()
                .flat_map(|(cell, sign)| variables[*cell].iter().map(|(v, way)| (*v, *sign as f64 * way)))
                .collect();
            problem.add_constraint(sum, ComparisonOp::Eq, 0.0);
        }
        let mut options = SolveOptions::default();
        options.node_limit = Some(NODES);
        let solution = match problem.solve_with(options) {
            Ok(SolveOutcome::Solution(solution)) => solution,
            Ok(SolveOutcome::Interrupted(_)) | Err(microlp::Error::Infeasible) => return Ok(None),
            Err(error) => return Err(Error::Bug(format!("the whole-number program of a move failed: {error}"))),
        };
        let values = variables
            .iter()
            .enumerate()
            .filter(|(_, variables)| !variables.is_empty())
            .map(|(cell, variables)| (cell, variables.iter().map(|(v, way)| way * solution.var_value(*v)).sum()));
        Ok(Some(values.collect()))
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
