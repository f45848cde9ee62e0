//! What the intruder can find out: for every hidden cell the smallest and the largest count that agree with everything
//! published, with the sums, and with what the rules say about hidden cells.
//!
//! It reads only what is published, so it audits tables of any origin, and it shares no code with the search for a
//! pattern. Bounds come from linear programs (Fischetti and Salazar 2001, problems 3.1 to 3.4), tightened to whole numbers.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOptions, SolveOutcome, Variable};
use serde::{Deserialize, Serialize};

use crate::disclosure::layout::Layout;
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// How many branch-and-bound nodes one bound may take.
const NODES: u64 = 2_000;

/// What the intruder knows of one cell before he adds up anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// The count is published.
    Exactly(i64),
    /// A rounded count is published: the true one is in this range, ends included.
    Between(i64, i64),
    /// The count is hidden.
    Hidden {
        /// The smallest count that would be hidden: 1 where zeros are always published, else 0.
        at_least: i64,
        /// The largest, where something says so, such as a marker of its own for small counts.
        at_most: Option<i64>,
    },
}

impl Known {
    fn range(self) -> (i64, Option<i64>) {
        match self {
            Self::Exactly(count) => (count, Some(count)),
            Self::Between(low, high) => (low, Some(high)),
            Self::Hidden { at_least, at_most } => (at_least, at_most),
        }
    }

    /// The count, if it needs no adding up.
    fn count(self) -> Option<i64> {
        let (low, high) = self.range();
        (high == Some(low)).then_some(low)
    }

    /// Whether the count can be this as far as the cell itself tells.
    pub(super) fn allows(self, count: i64) -> bool {
        let (low, high) = self.range();
        low <= count && high.is_none_or(|high| count <= high)
    }
}

/// What the intruder sees of a table.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The cells and the sums between them.
    pub layout: &'a Layout,
    /// What is known of each cell.
    pub known: &'a [Known],
}

/// The counts of one hidden cell that the intruder cannot exclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The number of the cell.
    pub cell: usize,
    /// The smallest.
    pub lower: i64,
    /// The largest; `None` if there is none.
    pub upper: Option<i64>,
    /// Whether both ends are proven to be reached by whole-number tables. If not, the true interval is no wider.
    pub tight: bool,
}

impl Interval {
    /// Whether the count is known.
    pub fn is_disclosed(&self) -> bool {
        self.upper == Some(self.lower)
    }

    /// Whether the count is known to be below `threshold`.
    pub fn is_provably_below(&self, threshold: i64) -> bool {
        self.upper.is_some_and(|upper| upper < threshold)
    }
}

/// The interval of each hidden cell, in the order of their numbers.
///
/// # Errors
/// [`Error::InvalidInput`] if the published numbers contradict each other, or the slices do not fit the layout;
/// [`Error::Bug`] if the solver fails.
pub fn intervals(view: &View, heartbeat: Heartbeat) -> Result<Vec<Interval>> {
    if view.known.len() != view.layout.len() {
        return Err(Error::invalid("published", "needs one number or gap for each cell of the layout"));
    }
    let mut found = Vec::new();
    for part in parts(view) {
        let mut points: Vec<Vec<i64>> = Vec::new();
        for (at, cell) in part.cells.iter().enumerate() {
            if !matches!(view.known[*cell], Known::Hidden { .. }) {
                continue;
            }
            heartbeat();
            let (least, _) = view.known[*cell].range();
            let (lower, lower_tight) = if points.iter().any(|point| point[at] == least) {
                (Some(least), true)
            } else {
                extreme(view, &part, at, OptimizationDirection::Minimize, &mut points)?
            };
            let (upper, upper_tight) = extreme(view, &part, at, OptimizationDirection::Maximize, &mut points)?;
            let lower = lower.ok_or_else(|| Error::Bug("a count has no lower bound".to_owned()))?;
            found.push(Interval { cell: *cell, lower, upper, tight: lower_tight && upper_tight });
        }
    }
    found.sort_by_key(|interval| interval.cell);
    Ok(found)
}

/// Unknown cells that depend on each other, and the equations between them.
struct Part {
    cells: Vec<usize>,
    /// Each equation: the sum of sign times unknown is the number.
    rows: Vec<(Vec<(usize, f64)>, i64)>,
}

/// The unknowns in groups that have no equation in common. A rounded count is an unknown too.
fn parts(view: &View) -> Vec<Part> {
    let known = |cell: usize| view.known[cell].count();
    let mut group: Vec<usize> = (0..view.layout.len()).collect();
    fn root(group: &mut [usize], mut cell: usize) -> usize {
        while group[cell] != cell {
            group[cell] = group[group[cell]];
            cell = group[cell];
        }
        cell
    }
    for row in view.layout.rows() {
        let mut unknown = row.parts.iter().chain([&row.total]).copied().filter(|cell| known(*cell).is_none());
        if let Some(first) = unknown.next() {
            for other in unknown {
                let (a, b) = (root(&mut group, first), root(&mut group, other));
                group[a.max(b)] = a.min(b);
            }
        }
    }
    let mut part_of: Vec<Option<usize>> = vec![None; group.len()];
    let mut place: Vec<usize> = vec![0; group.len()];
    let mut parts: Vec<Part> = Vec::new();
    for cell in (0..group.len()).filter(|cell| known(*cell).is_none()) {
        let root = root(&mut group, cell);
        let part = *part_of[root].get_or_insert_with(|| {
            parts.push(Part { cells: Vec::new(), rows: Vec::new() });
            parts.len() - 1
        });
        place[cell] = parts[part].cells.len();
        parts[part].cells.push(cell);
    }
    for row in view.layout.rows() {
        let mut terms = Vec::new();
        let mut number = 0;
        let mut part = None;
        for (cell, sign) in row.parts.iter().map(|cell| (*cell, 1)).chain([(row.total, -1)]) {
            match known(cell) {
                Some(count) => number -= sign * count,
                None => {
                    part = part_of[root(&mut group, cell)];
                    terms.push((place[cell], sign as f64));
                }
            }
        }
        if let Some(part) = part {
            parts[part].rows.push((terms, number));
        }
    }
    parts
}

/// The smallest or largest count of one unknown, and whether it is proven to be reached. Whole points that turn up are kept.
fn extreme(
    view: &View,
    part: &Part,
    at: usize,
    direction: OptimizationDirection,
    points: &mut Vec<Vec<i64>>,
) -> Result<(Option<i64>, bool)> {
    let Some(values) = solve(view, part, at, direction, false)? else { return Ok((None, true)) };
    let Some(values) = values else {
        return Err(Error::invalid("published", "numbers contradict each other: no table agrees with all of them"));
    };
    if let Some(point) = whole(part, &values) {
        let found = point[at];
        points.push(point);
        return Ok((Some(found), true));
    }
    // The end of the relaxed interval, moved inwards to the next whole number.
    let relaxed = match direction {
        OptimizationDirection::Minimize => (values[at] - 1e-6).ceil(),
        OptimizationDirection::Maximize => (values[at] + 1e-6).floor(),
    } as i64;
    match solve(view, part, at, direction, true)? {
        Some(Some(values)) => match whole(part, &values) {
            Some(point) => {
                let found = point[at];
                points.push(point);
                Ok((Some(found), true))
            }
            None => Ok((Some(relaxed), false)),
        },
        _ => Ok((Some(relaxed), false)),
    }
}

/// The point as whole numbers, if it is one.
fn whole(part: &Part, values: &[f64]) -> Option<Vec<i64>> {
    let point: Vec<i64> = values.iter().map(|value| value.round() as i64).collect();
    let near = values.iter().all(|value| (value - value.round()).abs() <= 1e-6);
    let sums = |(terms, number): &(Vec<(usize, f64)>, i64)| {
        terms.iter().map(|(at, sign)| *sign as i64 * point[*at]).sum::<i64>() == *number
    };
    (near && part.rows.iter().all(sums)).then_some(point)
}

/// `None` if unbounded, `Some(None)` if no table agrees (or, for whole numbers, none was proven best in time).
#[expect(clippy::option_option, reason = "two ways of having no values, named above")]
fn solve(
    view: &View,
    part: &Part,
    at: usize,
    direction: OptimizationDirection,
    whole: bool,
) -> Result<Option<Option<Vec<f64>>>> {
    let mut problem = Problem::new(direction);
    let variables: Vec<Variable> = part
        .cells
        .iter()
        .enumerate()
        .map(|(number, cell)| {
            let (low, high) = view.known[*cell].range();
            let weight = if number == at { 1.0 } else { 0.0 };
            if whole {
                let end = |bound: i64| i32::try_from(bound).unwrap_or(i32::MAX);
                problem.add_integer_var(weight, (end(low), high.map_or(i32::MAX, end)))
            } else {
                problem.add_var(weight, (low as f64, high.map_or(f64::INFINITY, |high| high as f64)))
            }
        })
        .collect();
    for (terms, number) in &part.rows {
        let sum: LinearExpr = terms.iter().map(|(at, sign)| (variables[*at], *sign)).collect();
        problem.add_constraint(sum, ComparisonOp::Eq, *number as f64);
    }
    let mut options = SolveOptions::default();
    options.node_limit = whole.then_some(NODES);
    match problem.solve_with(options) {
        Ok(SolveOutcome::Solution(solution)) if !whole || solution.status() == microlp::SolutionStatus::Optimal => {
            Ok(Some(Some(variables.iter().map(|variable| solution.var_value(*variable)).collect())))
        }
        Ok(_) | Err(microlp::Error::Infeasible) => Ok(Some(None)),
        Err(microlp::Error::Unbounded) => Ok(None),
        Err(error) => Err(Error::Bug(format!("the linear program of an audit failed: {error}"))),
    }
}
