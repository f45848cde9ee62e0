//! Which further cells to hide at the lowest cost, proven: Benders decomposition.
//!
//! A master program chooses the cells. For each sensitive cell that the choice leaves unprotected, the dual of the
//! intruder's program gives an inequality that every protecting choice obeys and this one does not; it joins the master,
//! which chooses again (Fischetti and Salazar 2001, section 4: the capacity constraints 4.6 with coefficients cut off at
//! the need). First the master is relaxed, then it chooses whole cells. Every choice is completed and cleaned up by the
//! heuristic, so the best pattern so far is always at hand when time runs out. It works on unrounded tables.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOptions, SolveOutcome, Variable};

use crate::disclosure::moves::{Aim, Frame};
use crate::disclosure::secondary::{Pattern, complete};
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// How many rounds of the relaxed master, at most.
const RELAXED_ROUNDS: usize = 40;

/// How many inequalities join the master in one relaxed round, at most.
const CUTS_IN_A_ROUND: usize = 40;

/// How many branch-and-bound nodes the master takes between two looks at the clock.
const NODES: u64 = 200;

/// The weight of a cell that the present choice does not use, so that among equally violated inequalities the solver
/// prefers one with few such cells.
const SLIGHT: f64 = 1e-4;

/// An inequality: the sum of weights of the hidden cells must reach the need.
#[derive(Debug, Clone)]
struct Cut {
    terms: Vec<(usize, f64)>,
    need: f64,
}

impl Cut {
    fn lacks(&self, choice: &[f64]) -> f64 {
        self.need - self.terms.iter().map(|(cell, weight)| weight * choice[*cell]).sum::<f64>()
    }
}

/// The cheapest pattern that was found from `start` on, and whether it is proven that there is none cheaper.
///
/// # Errors
/// [`Error::Bug`] if the solver fails.
pub(super) fn improve(
    frame: &Frame,
    aims: &[Aim],
    start: Pattern,
    heartbeat: Heartbeat,
    out_of_time: &dyn Fn() -> bool,
) -> Result<(Pattern, bool)> {
    let mut fixed = frame.withheld.clone();
    for aim in aims {
        fixed[aim.cell] = true;
    }
    let mut search = Search { frame, aims, fixed, cuts: Vec::new(), best: start, heartbeat, out_of_time };
    search.line_cuts();
    let proven = search.relaxed_rounds()? || search.whole_rounds()?;
    Ok((search.best, proven))
}

struct Search<'a> {
    frame: &'a Frame,
    aims: &'a [Aim],
    /// Cells that are hidden in any case.
    fixed: Vec<bool>,
    cuts: Vec<Cut>,
    best: Pattern,
    heartbeat: Heartbeat<'a>,
    out_of_time: &'a dyn Fn() -> bool,
}

/// What the master answers.
enum Master {
    /// A choice that costs at least this much in every case; 1 is hidden.
    Choice(Vec<f64>, f64),
    OutOfTime,
}

impl Search<'_> {
    /// Whether nothing cheaper than the best pattern is possible if every pattern costs at least `bound`.
    fn closes(&self, bound: f64) -> bool {
        // Costs are whole numbers.
        (bound - 1e-6).ceil() as u64 >= self.frame.cost_of(&self.best.hidden) - self.cost_of_fixed()
    }

    fn cost_of_fixed(&self) -> u64 {
        self.frame.cost_of(&self.fixed)
    }

    /// A sensitive cell alone in an equation would be known: another cell must be hidden there.
    fn line_cuts(&mut self) {
        for row in &self.frame.rows {
            let mut hidden = row.iter().filter(|(cell, _)| self.fixed[*cell]);
            let (Some((first, _)), None) = (hidden.next(), hidden.next()) else { continue };
            if self.aims.iter().any(|aim| aim.cell == *first) {
                let terms = row.iter().filter(|(cell, _)| self.is_choice(*cell)).map(|(cell, _)| (*cell, 1.0));
                self.cuts.push(Cut { terms: terms.collect(), need: 1.0 });
            }
        }
    }

    fn is_choice(&self, cell: usize) -> bool {
        self.frame.may_hide[cell] && !self.fixed[cell]
    }

    /// Adds inequalities as long as the relaxed choice breaks some. Says whether the bound proves the best pattern.
    fn relaxed_rounds(&mut self) -> Result<bool> {
        let mut next = 0;
        for _ in 0..RELAXED_ROUNDS {
            if (self.out_of_time)() {
                return Ok(false);
            }
            let Master::Choice(choice, bound) = self.master(false)? else { return Ok(false) };
            if self.closes(bound) {
                return Ok(true);
            }
            let before = self.cuts.len();
            for _ in 0..self.aims.len() {
                if (self.out_of_time)() || self.cuts.len() >= before + CUTS_IN_A_ROUND {
                    break;
                }
                // Start where the last round stopped, so that every sensitive cell has its turn.
                let cut = self.cut(self.aims[next % self.aims.len()], &choice)?;
                next += 1;
                if cut.lacks(&choice) > 1e-3 * cut.need {
                    self.cuts.push(cut);
                }
            }
            if self.cuts.len() == before {
                break;
            }
        }
        Ok(false)
    }

    /// Chooses whole cells until a choice protects everything, or nothing cheaper than the best pattern is left.
    fn whole_rounds(&mut self) -> Result<bool> {
        loop {
            if (self.out_of_time)() {
                return Ok(false);
            }
            let Master::Choice(choice, bound) = self.master(true)? else { return Ok(false) };
            if self.closes(bound) {
                return Ok(true);
            }
            let hidden: Vec<bool> = choice.iter().map(|share| *share > 0.5).collect();
            let mut broken = 0;
            for aim in self.aims {
                if (self.out_of_time)() {
                    return Ok(false);
                }
                let known =
                    self.best.moves.iter().any(|m| aim.is_met(m.of(aim.cell)) && self.frame.is_unseen(m, &hidden));
                if known {
                    continue;
                }
                let cut = self.cut(*aim, &choice)?;
                if cut.lacks(&choice) > 1e-6 * cut.need {
                    self.cuts.push(cut);
                    broken += 1;
                }
            }
            if let Some(found) = complete(self.frame, self.aims, hidden.clone(), self.heartbeat)?
                && self.frame.cost_of(&found.hidden) < self.frame.cost_of(&self.best.hidden)
            {
                self.best = found;
            }
            if broken == 0 && !self.closes(bound) {
                // Real numbers would protect it but whole numbers were not found to: something more must be hidden.
                let terms = (0..hidden.len()).filter(|cell| self.is_choice(*cell) && !hidden[*cell]);
                self.cuts.push(Cut { terms: terms.map(|cell| (cell, 1.0)).collect(), need: 1.0 });
            }
        }
    }

    /// The cheapest choice under the inequalities so far.
    fn master(&self, whole: bool) -> Result<Master> {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let variables: Vec<Option<Variable>> = (0..self.fixed.len())
            .map(|cell| {
                let cost = self.frame.cost[cell] as f64;
                self.is_choice(cell)
                    .then(|| if whole { problem.add_binary_var(cost) } else { problem.add_var(cost, (0.0, 1.0)) })
            })
            .collect();
        for cut in &self.cuts {
            let mut sum = LinearExpr::empty();
            let mut need = cut.need;
            for (cell, weight) in &cut.terms {
                match variables[*cell] {
                    Some(variable) => sum.add(variable, weight / cut.need),
                    None => need -= weight,
                }
            }
            if need > 0.0 {
                problem.add_constraint(sum, ComparisonOp::Ge, need / cut.need);
            }
        }
        let mut options = SolveOptions::default();
        if whole {
            options.node_limit = Some(NODES);
            let start = variables.iter().enumerate().filter_map(|(cell, variable)| {
                variable.map(|variable| (variable, if self.best.hidden[cell] { 1.0 } else { 0.0 }))
            });
            options.warm_start = Some(start.collect());
        }
        let failed = |error| Error::Bug(format!("the master program of the exact search failed: {error}"));
        let mut outcome = problem.solve_with(options).map_err(failed)?;
        while !outcome.is_optimal() {
            if (self.out_of_time)() {
                return Ok(Master::OutOfTime);
            }
            (self.heartbeat)();
            outcome = outcome.resume().map_err(failed)?;
        }
        let SolveOutcome::Solution(solution) = outcome else { return Ok(Master::OutOfTime) };
        let choice = variables
            .iter()
            .zip(&self.fixed)
            .map(|(variable, fixed)| match variable {
                Some(variable) => solution.var_value(*variable).clamp(0.0, 1.0),
                None => f64::from(u8::from(*fixed)),
            })
            .collect();
        Ok(Master::Choice(choice, solution.objective()))
    }

    /// The inequality for one sensitive cell that the choice obeys least.
    fn cut(&self, aim: Aim, choice: &[f64]) -> Result<Cut> {
        (self.heartbeat)();
        let need = aim.room as f64;
        let mut weights = self.weights(aim, 1.0, choice)?;
        if !aim.up_only {
            // The width of the interval counts, so both ways add up.
            for (sum, down) in weights.iter_mut().zip(self.weights(aim, -1.0, choice)?) {
                *sum += down;
            }
        }
        let terms = weights.into_iter().enumerate().filter(|(_, weight)| *weight > 0.0);
        Ok(Cut { terms: terms.map(|(cell, weight)| (cell, weight.min(need))).collect(), need })
    }

    /// By how much each cell, if hidden, lets the sensitive one move up (`way` 1) or down (-1): the dual solution of the
    /// intruder's program. Its unknowns are the multipliers of the equations and the two parts of each cell's reduced cost.
    fn weights(&self, aim: Aim, way: f64, choice: &[f64]) -> Result<Vec<f64>> {
        let need = aim.room as f64;
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let multipliers: Vec<Variable> =
            self.frame.rows.iter().map(|_| problem.add_var(0.0, (f64::NEG_INFINITY, f64::INFINITY))).collect();
        let mut sums: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); choice.len()];
        for (row, multiplier) in self.frame.rows.iter().zip(&multipliers) {
            for (cell, sign) in row {
                sums[*cell].push((*multiplier, *sign as f64));
            }
        }
        let parts: Vec<Option<(Variable, Variable)>> = sums
            .into_iter()
            .enumerate()
            .map(|(cell, mut sum)| {
                let low = self.frame.low[cell].filter(|_| self.fixed[cell] || self.frame.may_hide[cell])?;
                // Upwards nothing limits a hidden cell; more than the need never counts.
                let up = problem.add_var(need * choice[cell] + SLIGHT, (0.0, f64::INFINITY));
                let down = problem.add_var((-low as f64).min(need) * choice[cell] + SLIGHT, (0.0, f64::INFINITY));
                sum.push((up, 1.0));
                sum.push((down, -1.0));
                let own = if cell == aim.cell { way } else { 0.0 };
                problem.add_constraint(sum.into_iter().collect::<LinearExpr>(), ComparisonOp::Eq, own);
                Some((up, down))
            })
            .collect();
        let solution = match problem.solve() {
            Ok(SolveOutcome::Solution(solution)) => solution,
            Ok(SolveOutcome::Interrupted(_)) => return Err(Error::Bug("a linear program was interrupted".to_owned())),
            Err(error) => return Err(Error::Bug(format!("the dual program of the exact search failed: {error}"))),
        };
        Ok(parts
            .iter()
            .enumerate()
            .map(|(cell, parts)| match (parts, self.frame.low[cell]) {
                (Some((up, down)), Some(low)) => {
                    let up = if solution.var_value(*up) > 1e-9 { need } else { 0.0 };
                    let down = solution.var_value(*down);
                    up + if down > 1e-9 { down * -low as f64 } else { 0.0 }
                }
                _ => 0.0,
            })
            .collect())
    }
}
