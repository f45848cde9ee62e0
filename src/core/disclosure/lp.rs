//! Linear programs that are asked again and again with other bounds and costs: the dual simplex method.
//!
//! The searches solve thousands of programs over the same equations, each a little different from the last. A basis that was
//! optimal stays dual feasible when bounds change, and, because every variable has two finite bounds, it is made dual feasible
//! by moving variables to their other bound when costs change; so each program starts where the last one ended. (Dual steepest
//! edge: Forrest and Goldfarb 1992, Mathematical Programming 57, algorithm I; ratio test with bound flips: Koberstein 2005,
//! "The dual simplex method, techniques for a fast and stable implementation", section 6.2; the inverse is kept in product
//! form.)
//!
//! What does it not do? It proves nothing by itself: whoever reads values checks them in whole numbers, whoever reads
//! multipliers computes what follows from them anew.

/// How far a value may be outside its bounds.
const FEASIBLE: f64 = 1e-7;
/// How small an element of the pivot row counts as zero.
const PIVOT: f64 = 1e-7;
/// How far a reduced cost may have the wrong sign.
const SLOPE: f64 = 1e-9;
/// How far that of a variable may whose other bound is too far away to start at.
const FAINT: f64 = 1e-5;
/// No variable starts at a bound as far from zero as this.
const FAR: f64 = 1e8;
/// Product-form terms since the last factorisation after which the basis is factorised anew.
const UPDATES: usize = 60;
/// Factorisations of one program, at most, before it is given up.
const GIVE_UP: usize = 2_000;
/// As how many of them one counts that numbers which did not fit made necessary.
const MISFIT: usize = 50;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The values are optimal.
    Optimal,
    /// No values are within all bounds.
    Infeasible,
    /// The numbers did not let it end.
    GaveUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Basic(usize),
    Lower,
    Upper,
}

/// One factor of the inverse: the column `terms` and `pivot` in row `row`.
#[derive(Debug, Clone)]
struct Factor {
    row: usize,
    pivot: f64,
    terms: Vec<(usize, f64)>,
}

/// The least cost of variables within bounds, where sums of them are within bounds too.
///
/// Variables come first; each row has one more, minus its sum, so that all equations are `A x + s = 0`.
#[derive(Debug, Clone)]
pub(super) struct Program {
    columns: Vec<Vec<(usize, f64)>>,
    rows: Vec<Vec<(usize, f64)>>,
    cost: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    place: Vec<Place>,
    value: Vec<f64>,
    reduced: Vec<f64>,
    /// The variable that is basic in each row.
    basis: Vec<usize>,
    /// Squared lengths of the rows of the inverse.
    edge: Vec<f64>,
    factors: Vec<Factor>,
    /// Factors that came with the last factorisation.
    factored: usize,
    /// Whether rows came that the factors do not know.
    stale: bool,
    /// The pivot row, all zero but while a step uses it.
    pivot_row: Vec<f64>,
}

impl Program {
    /// A program of `variables` that are all zero, without rows.
    pub fn new(variables: usize) -> Self {
        Self {
            columns: vec![Vec::new(); variables],
            rows: Vec::new(),
            cost: vec![0.0; variables],
            lower: vec![0.0; variables],
            upper: vec![0.0; variables],
            place: vec![Place::Lower; variables],
            value: vec![0.0; variables],
            reduced: vec![0.0; variables],
            basis: Vec::new(),
            edge: Vec::new(),
            factors: Vec::new(),
            factored: 0,
            stale: false,
            pivot_row: vec![0.0; variables],
        }
    }

    /// Adds a row: the sum of weight times variable is between `least` and `most`.
    pub fn add_row(&mut self, terms: &[(usize, f64)], least: f64, most: f64) {
        let row = self.rows.len();
        for (variable, weight) in terms {
            self.columns[*variable].push((row, *weight));
        }
        self.rows.push(terms.to_vec());
        self.cost.push(0.0);
        self.lower.push(-most);
        self.upper.push(-least);
        self.place.push(Place::Basic(row));
        self.value.push(0.0);
        self.reduced.push(0.0);
        self.basis.push(self.columns.len() + row);
        self.edge.push(1.0);
        self.stale = true;
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A row's terms and the least that their sum may be.
    pub fn row(&self, row: usize) -> (&[(usize, f64)], f64) {
        (&self.rows[row], -self.upper[self.columns.len() + row])
    }

    /// Forgets the rows that are not to be kept; whatever is basic there becomes its row's own variable.
    pub fn keep_rows(&mut self, keep: impl Fn(usize) -> bool) {
        let n = self.columns.len();
        let kept: Vec<usize> = (0..self.rows.len()).filter(|row| keep(*row)).collect();
        let mut old = std::mem::replace(self, Self::new(n));
        self.cost[..n].copy_from_slice(&old.cost[..n]);
        self.lower[..n].copy_from_slice(&old.lower[..n]);
        self.upper[..n].copy_from_slice(&old.upper[..n]);
        for row in &kept {
            let terms = std::mem::take(&mut old.rows[*row]);
            self.add_row(&terms, -old.upper[n + row], -old.lower[n + row]);
        }
        // Which variables are basic: factorising finds out where. Too many are put out there, missing ones put in.
        let mut basic: Vec<usize> = (0..n).filter(|v| matches!(old.place[*v], Place::Basic(_))).collect();
        for (now, before) in kept.iter().enumerate() {
            if matches!(old.place[n + before], Place::Basic(_)) {
                basic.push(n + now);
            } else {
                self.place[n + now] = old.place[n + before];
            }
        }
        self.place[..n].copy_from_slice(&old.place[..n]);
        self.factorise(&basic, &|_| 1.0);
    }

    /// Sets the bounds of a variable.
    pub fn bound(&mut self, variable: usize, least: f64, most: f64) {
        self.lower[variable] = least;
        self.upper[variable] = most;
    }

    /// The bounds of a variable.
    pub fn bounds(&self, variable: usize) -> (f64, f64) {
        (self.lower[variable], self.upper[variable])
    }

    /// Sets what a unit of a variable costs.
    pub fn price(&mut self, variable: usize, cost: f64) {
        self.cost[variable] = cost;
    }

    /// The value of a variable.
    pub fn value(&self, variable: usize) -> f64 {
        self.value[variable]
    }

    /// What one more unit of a variable would add to the cost, by the multipliers of the rows.
    pub fn reduced_cost(&self, variable: usize) -> f64 {
        self.reduced[variable]
    }

    /// Whether the row's sum is away from its bounds.
    pub fn is_slack(&self, row: usize) -> bool {
        matches!(self.place[self.columns.len() + row], Place::Basic(_))
    }

    /// The least cost that the multipliers of the rows prove, whatever the values are.
    pub fn proven_cost(&self) -> f64 {
        let least = |v: usize| match self.reduced[v] {
            reduced if reduced > 0.0 => reduced * self.lower[v],
            reduced => reduced * self.upper[v],
        };
        (0..self.cost.len()).map(least).sum()
    }

    /// Starts from the rows' own variables, every other one at its lower bound.
    pub fn reset(&mut self) {
        let n = self.columns.len();
        for variable in 0..n {
            self.place[variable] = Place::Lower;
        }
        for row in 0..self.rows.len() {
            self.place[n + row] = Place::Basic(row);
            self.basis[row] = n + row;
            self.edge[row] = 1.0;
        }
        self.factors.clear();
        self.factored = 0;
        self.stale = false;
    }

    /// Solves the program from where the last one ended. `heartbeat` is called now and then.
    pub fn solve(&mut self, heartbeat: &dyn Fn()) -> Outcome {
        self.solve_within(usize::MAX, heartbeat)
    }

    /// The same in no more than so many `steps`; whatever is reached, [`Program::proven_cost`] holds.
    pub fn solve_within(&mut self, mut steps: usize, heartbeat: &dyn Fn()) -> Outcome {
        if self.stale {
            self.factorise_basis();
        }
        self.refresh();
        let mut given_up = 0;
        loop {
            // What was added up since the last factorisation has grown too long, or no longer fits.
            let tries = if self.factors.len() > self.factored + UPDATES {
                heartbeat();
                1
            } else if let Some(row) = self.leaving() {
                if steps == 0 {
                    self.reduced = self.reduce(&|variable| self.cost[variable]);
                    return Outcome::GaveUp;
                }
                steps -= 1;
                match self.pivot(row) {
                    Step::Done => continue,
                    Step::NoEntering => return Outcome::Infeasible,
                    Step::Unstable => MISFIT,
                }
            } else if self.is_exact() {
                self.reduced = self.reduce(&|variable| self.cost[variable]);
                return Outcome::Optimal;
            } else {
                MISFIT
            };
            given_up += tries;
            if given_up > GIVE_UP {
                return Outcome::GaveUp;
            }
            self.factorise_basis();
            self.refresh();
        }
    }

    /// Whether the basic values still fit the equations.
    fn is_exact(&self) -> bool {
        self.rows.iter().enumerate().all(|(row, terms)| {
            let sum: f64 = terms.iter().map(|(v, weight)| weight * self.value[*v]).sum();
            let size: f64 = terms.iter().map(|(v, weight)| (weight * self.value[*v]).abs()).sum();
            (sum + self.value[self.columns.len() + row]).abs() <= 1e-7 * (1.0 + size)
        })
    }

    /// The row whose basic value is furthest outside its bounds for the length of its edge.
    fn leaving(&self) -> Option<usize> {
        let mut worst = 0.0;
        let mut found = None;
        for (row, variable) in self.basis.iter().enumerate() {
            let value = self.value[*variable];
            let outside = (self.lower[*variable] - value).max(value - self.upper[*variable]);
            if outside > FEASIBLE {
                let score = outside * outside / self.edge[row];
                if score > worst {
                    worst = score;
                    found = Some(row);
                }
            }
        }
        found
    }

    fn pivot(&mut self, row: usize) -> Step {
        let mut across = vec![0.0; self.rows.len()];
        across[row] = 1.0;
        self.solve_left(&mut across);
        // The pivot row, and which variables are in it.
        let mut within: Vec<usize> = Vec::new();
        for (at, weight) in across.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            within.push(self.columns.len() + at);
            for (variable, coefficient) in &self.rows[at] {
                if self.pivot_row[*variable] == 0.0 {
                    within.push(*variable);
                }
                self.pivot_row[*variable] += weight * coefficient;
            }
        }
        let step = self.step(row, across, &within);
        for variable in within {
            if let Some(element) = self.pivot_row.get_mut(variable) {
                *element = 0.0;
            }
        }
        step
    }

    /// One step of the method; `across` is the row of the inverse, `within` are the variables in the pivot row, in which one that
    /// cancelled out on the way may stand twice.
    fn step(&mut self, row: usize, across: Vec<f64>, within: &[usize]) -> Step {
        let n = self.columns.len();
        let leaving = self.basis[row];
        let above = self.value[leaving] > self.upper[leaving];
        let sign = if above { 1.0 } else { -1.0 };
        let element = |program: &Self, variable: usize| {
            if variable < n { program.pivot_row[variable] } else { across[variable - n] }
        };

        // Where reduced costs change their sign, nearest first.
        let mut breaks: Vec<(f64, f64, usize)> = Vec::new();
        for variable in within.iter().copied() {
            let moved = sign * element(self, variable);
            let counts = match self.place[variable] {
                Place::Basic(_) => false,
                _ if self.lower[variable] >= self.upper[variable] => false,
                Place::Lower => moved > PIVOT,
                Place::Upper => moved < -PIVOT,
            };
            if counts {
                breaks.push(((self.reduced[variable] / moved).max(0.0), moved.abs(), variable));
            }
        }
        breaks.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
        breaks.dedup_by_key(|(_, _, variable)| *variable);
        let mut outside =
            if above { self.value[leaving] - self.upper[leaving] } else { self.lower[leaving] - self.value[leaving] };
        let mut entering = None;
        for (at, (_, size, variable)) in breaks.iter().enumerate() {
            outside -= size * (self.upper[*variable] - self.lower[*variable]);
            if outside < 0.0 {
                entering = Some(at);
                break;
            }
        }
        let mut at = match (entering, breaks.len()) {
            (Some(at), _) => at,
            (None, many) if many > 0 && outside <= FEASIBLE => many - 1,
            // Not even with all of them at their other bound is it inside.
            (None, _) => return Step::NoEntering,
        };
        // Of those that come as early, the one with the largest element is the safest.
        let limit = breaks[at].0 + 1e-9;
        let first = at;
        for (other, (ratio, size, _)) in breaks.iter().enumerate().skip(first) {
            if *ratio > limit {
                break;
            }
            if *size > breaks[at].1 * 2.0 {
                at = other;
            }
        }
        let flips: Vec<usize> = breaks[..first].iter().map(|(_, _, variable)| *variable).collect();
        let entering = breaks[at].2;

        let mut column = vec![0.0; self.rows.len()];
        self.scatter(entering, 1.0, &mut column);
        self.solve_right(&mut column);
        let expected = element(self, entering);
        if (column[row] - expected).abs() > 1e-6 * (1.0 + expected.abs()) || column[row].abs() < PIVOT {
            return Step::Unstable;
        }
        let theta = self.reduced[entering] / column[row];

        if !flips.is_empty() {
            let mut moved = vec![0.0; self.rows.len()];
            for variable in flips {
                let (place, to) = match self.place[variable] {
                    Place::Lower => (Place::Upper, self.upper[variable]),
                    _ => (Place::Lower, self.lower[variable]),
                };
                self.scatter(variable, to - self.value[variable], &mut moved);
                self.place[variable] = place;
                self.value[variable] = to;
            }
            self.solve_right(&mut moved);
            for (at, change) in moved.iter().enumerate().filter(|(_, change)| **change != 0.0) {
                self.value[self.basis[at]] -= change;
            }
        }
        let bound = if above { self.upper[leaving] } else { self.lower[leaving] };
        let step = (self.value[leaving] - bound) / column[row];
        for (at, weight) in column.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            self.value[self.basis[at]] -= step * weight;
        }
        self.value[entering] += step;
        self.value[leaving] = bound;

        if theta != 0.0 {
            for (variable, moved) in self.pivot_row.iter().enumerate().filter(|(_, moved)| **moved != 0.0) {
                self.reduced[variable] -= theta * moved;
            }
            for (at, moved) in across.iter().enumerate().filter(|(_, moved)| **moved != 0.0) {
                self.reduced[n + at] -= theta * moved;
            }
        }
        self.reduced[entering] = 0.0;
        self.reduced[leaving] = -theta;

        let mut along = across;
        let length: f64 = along.iter().map(|weight| weight * weight).sum();
        self.solve_right(&mut along);
        for (at, weight) in column.iter().enumerate().filter(|(at, weight)| *at != row && **weight != 0.0) {
            let ratio = weight / column[row];
            self.edge[at] = (self.edge[at] - 2.0 * ratio * along[at] + ratio * ratio * length).max(1e-4);
        }
        self.edge[row] = (length / (column[row] * column[row])).max(1e-4);

        self.place[leaving] = if above { Place::Upper } else { Place::Lower };
        self.place[entering] = Place::Basic(row);
        self.basis[row] = entering;
        self.push_factor(row, &column);
        Step::Done
    }

    /// Adds `times` the column of a variable.
    fn scatter(&self, variable: usize, times: f64, into: &mut [f64]) {
        let n = self.columns.len();
        if variable < n {
            for (row, weight) in &self.columns[variable] {
                into[*row] += times * weight;
            }
        } else {
            into[variable - n] += times;
        }
    }

    fn push_factor(&mut self, row: usize, column: &[f64]) {
        let terms = column.iter().enumerate().filter(|(at, weight)| *at != row && weight.abs() > 1e-12);
        let terms = terms.map(|(at, weight)| (at, *weight)).collect();
        self.factors.push(Factor { row, pivot: column[row], terms });
    }

    /// The inverse times a column.
    fn solve_right(&self, column: &mut [f64]) {
        for factor in &self.factors {
            if column[factor.row] != 0.0 {
                let times = column[factor.row] / factor.pivot;
                column[factor.row] = times;
                for (row, weight) in &factor.terms {
                    column[*row] -= weight * times;
                }
            }
        }
    }

    /// A row times the inverse.
    fn solve_left(&self, row: &mut [f64]) {
        for factor in self.factors.iter().rev() {
            let sum: f64 = factor.terms.iter().map(|(at, weight)| weight * row[*at]).sum();
            let own = row[factor.row] - sum;
            row[factor.row] = if own == 0.0 { 0.0 } else { own / factor.pivot };
        }
    }

    /// Reduced costs, bounds that fit their signs, and basic values anew; from the start if a bound that fits is too far away.
    fn refresh(&mut self) {
        if !self.try_refresh() {
            self.reset();
            self.try_refresh();
        }
    }

    /// Reduced costs by the present basis.
    fn reduce(&self, cost: &dyn Fn(usize) -> f64) -> Vec<f64> {
        let n = self.columns.len();
        let mut multipliers: Vec<f64> = self.basis.iter().map(|variable| cost(*variable)).collect();
        self.solve_left(&mut multipliers);
        (0..self.place.len())
            .map(|variable| {
                if matches!(self.place[variable], Place::Basic(_)) {
                    return 0.0;
                }
                let own = if variable < n {
                    self.columns[variable].iter().map(|(row, weight)| weight * multipliers[*row]).sum()
                } else {
                    multipliers[variable - n]
                };
                let reduced = cost(variable) - own;
                if reduced.abs() < 1e-11 { 0.0 } else { reduced }
            })
            .collect()
    }

    fn try_refresh(&mut self) -> bool {
        let n = self.columns.len();
        self.reduced = self.reduce(&|variable| self.cost[variable] + if variable < n { slight(variable) } else { 0.0 });
        let mut moved = vec![0.0; self.rows.len()];
        for variable in 0..self.place.len() {
            if matches!(self.place[variable], Place::Basic(_)) {
                continue;
            }
            if self.reduced[variable] > SLOPE {
                self.place[variable] = Place::Lower;
            } else if self.reduced[variable] < -SLOPE {
                self.place[variable] = Place::Upper;
            }
            self.value[variable] =
                if self.place[variable] == Place::Lower { self.lower[variable] } else { self.upper[variable] };
            if self.value[variable].abs() >= FAR {
                if self.place[variable] == Place::Lower || self.reduced[variable] < -FAINT {
                    return false;
                }
                // The sign is wrong by no more than what decides between equals.
                (self.place[variable], self.value[variable]) = (Place::Lower, self.lower[variable]);
                self.reduced[variable] = 0.0;
            }
            if self.value[variable] != 0.0 {
                self.scatter(variable, self.value[variable], &mut moved);
            }
        }
        self.solve_right(&mut moved);
        for (variable, sum) in self.basis.iter().zip(moved) {
            self.value[*variable] = -sum;
        }
        true
    }

    fn factorise_basis(&mut self) {
        let mut edge = vec![1.0; self.place.len()];
        for (variable, length) in self.basis.iter().zip(&self.edge) {
            edge[*variable] = *length;
        }
        let basic = self.basis.clone();
        self.factorise(&basic, &|variable| edge[variable]);
    }

    /// Makes a basis of these variables. Those that depend on others leave it, rows' own variables take their places.
    fn factorise(&mut self, basic: &[usize], edge: &dyn Fn(usize) -> f64) {
        let (n, m) = (self.columns.len(), self.rows.len());
        self.factors.clear();
        let mut taken = vec![false; m];
        let place = |program: &mut Self, variable: usize, row: usize| {
            program.basis[row] = variable;
            program.place[variable] = Place::Basic(row);
            program.edge[row] = edge(variable);
        };
        let mut left: Vec<usize> = Vec::new();
        for variable in basic {
            if *variable < n {
                left.push(*variable);
            } else {
                taken[variable - n] = true;
                place(self, *variable, variable - n);
            }
        }
        // Columns that alone reach a row go first: they leave no trace in the others.
        let mut reach = vec![0_usize; m];
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); m];
        for (at, variable) in left.iter().enumerate() {
            for (row, _) in &self.columns[*variable] {
                reach[*row] += 1;
                users[*row].push(at);
            }
        }
        let mut done = vec![false; left.len()];
        let mut open: Vec<usize> = (0..m).filter(|row| !taken[*row] && reach[*row] == 1).collect();
        let mut column = vec![0.0; m];
        while let Some(row) = open.pop() {
            if taken[row] || reach[row] != 1 {
                continue;
            }
            let Some(at) = users[row].iter().copied().find(|at| !done[*at]) else { continue };
            let variable = left[at];
            column.fill(0.0);
            self.scatter(variable, 1.0, &mut column);
            self.solve_right(&mut column);
            if column[row].abs() < 1e-3 {
                continue;
            }
            done[at] = true;
            taken[row] = true;
            self.push_factor(row, &column);
            place(self, variable, row);
            for (other, _) in &self.columns[variable] {
                reach[*other] -= 1;
                if reach[*other] == 1 && !taken[*other] {
                    open.push(*other);
                }
            }
        }
        let mut rest: Vec<usize> = (0..left.len()).filter(|at| !done[*at]).map(|at| left[at]).collect();
        rest.sort_by_key(|variable| (self.columns[*variable].len(), *variable));
        for variable in rest {
            column.fill(0.0);
            self.scatter(variable, 1.0, &mut column);
            self.solve_right(&mut column);
            let largest = column
                .iter()
                .enumerate()
                .filter(|(row, _)| !taken[*row])
                .fold(0.0, |most: f64, (_, weight)| most.max(weight.abs()));
            if largest < 1e-7 {
                self.place[variable] = self.nearer_bound(variable);
                continue;
            }
            let row = (0..m)
                .filter(|row| !taken[*row] && column[*row].abs() >= 0.1 * largest)
                .min_by_key(|row| (reach[*row], *row));
            let Some(row) = row else { continue };
            taken[row] = true;
            self.push_factor(row, &column);
            place(self, variable, row);
            for (other, _) in &self.columns[variable] {
                reach[*other] -= 1;
            }
        }
        for row in (0..m).filter(|row| !taken[*row]) {
            place(self, n + row, row);
        }
        self.factored = self.factors.len();
        self.stale = false;
    }

    fn nearer_bound(&self, variable: usize) -> Place {
        let value = self.value[variable];
        if value - self.lower[variable] <= self.upper[variable] - value { Place::Lower } else { Place::Upper }
    }
}

/// So little that it only decides between equals, and not the same for any two variables that meet: without it the search
/// would stand still among them.
fn slight(variable: usize) -> f64 {
    let mixed = (variable as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    2e-7 * (1.0 + mixed as f64 / (1_u64 << 24) as f64)
}

enum Step {
    Done,
    NoEntering,
    Unstable,
}

#[cfg(test)]
mod tests {
    use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome};
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The same program by another solver.
    fn other(program: &Program) -> Option<f64> {
        let n = program.columns.len();
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let variables: Vec<_> =
            (0..n).map(|v| problem.add_var(program.cost[v], (program.lower[v], program.upper[v]))).collect();
        for (row, terms) in program.rows.iter().enumerate() {
            let terms: Vec<_> = terms.iter().map(|(v, weight)| (variables[*v], *weight)).collect();
            problem.add_constraint(terms.clone(), ComparisonOp::Ge, -program.upper[n + row]);
            problem.add_constraint(terms, ComparisonOp::Le, -program.lower[n + row]);
        }
        match problem.solve() {
            Ok(SolveOutcome::Solution(solution)) => Some(solution.objective()),
            _ => None,
        }
    }

    fn agrees(program: &mut Program) -> bool {
        let outcome = program.solve(&|| {});
        match other(program) {
            None => assert_eq!(outcome, Outcome::Infeasible),
            Some(cost) => {
                assert_eq!(outcome, Outcome::Optimal);
                let n = program.columns.len();
                let own: f64 = (0..n).map(|v| program.cost[v] * program.value(v)).sum();
                assert!((own - cost).abs() < 1e-4 * (1.0 + cost.abs()), "{own} {cost}");
                assert!((program.proven_cost() - cost).abs() < 1e-4 * (1.0 + cost.abs()));
                assert!(program.is_exact());
                for v in 0..n {
                    assert!(program.value(v) > program.lower[v] - 1e-6 && program.value(v) < program.upper[v] + 1e-6);
                }
            }
        }
        outcome == Outcome::Optimal
    }

    #[test]
    fn programs_that_change_are_solved_as_another_solver_solves_them() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut solved, mut impossible) = (0, 0);
        for _ in 0..150 {
            let (n, m) = (rng.random_range(2..30), rng.random_range(1..20));
            let mut program = Program::new(n);
            let bound = |program: &mut Program, rng: &mut ChaCha8Rng, variable: usize| {
                let least = f64::from(rng.random_range(-5..1));
                program.bound(variable, least, least + f64::from(rng.random_range(0..9)));
            };
            for variable in 0..n {
                bound(&mut program, &mut rng, variable);
                program.price(variable, f64::from(rng.random_range(-3..6)));
            }
            for row in 0..m {
                let terms: Vec<(usize, f64)> = (0..n)
                    .filter(|_| rng.random_bool(0.3))
                    .map(|v| (v, f64::from([-2, -1, -1, 1, 1, 3][v * row % 6])))
                    .collect();
                let least = f64::from(rng.random_range(-6..2));
                program.add_row(&terms, least, least + f64::from(rng.random_range(0..6)));
            }
            for _ in 0..6 {
                if agrees(&mut program) {
                    solved += 1;
                } else {
                    impossible += 1;
                }
                match rng.random_range(0..4) {
                    0 => program.price(rng.random_range(0..n), f64::from(rng.random_range(-3..6))),
                    1 => {
                        let terms: Vec<(usize, f64)> =
                            (0..n).filter(|_| rng.random_bool(0.3)).map(|v| (v, 1.0)).collect();
                        program.add_row(&terms, -4.0, 6.0);
                    }
                    2 => {
                        let slack: Vec<bool> = (0..program.rows()).map(|row| program.is_slack(row)).collect();
                        program.keep_rows(|row| !slack[row] || row % 3 == 0);
                    }
                    _ => {
                        let variable = rng.random_range(0..n);
                        bound(&mut program, &mut rng, variable);
                    }
                }
            }
        }
        assert!(solved > 200 && impossible > 200, "{solved} {impossible}");
    }
}
