//! Which further cells to hide at the lowest cost, proven: branch and cut.
//!
//! A master program chooses the cells. For each sensitive cell that the choice leaves unprotected, the multipliers of the
//! intruder's program give an inequality that every protecting choice obeys and this one does not; it joins the master,
//! which chooses again (Fischetti and Salazar 2001, section 4: the capacity constraints 4.6 with coefficients cut off at
//! the need, here at what the cells that are hidden anyway leave of it). Where no inequality is left to join and the choice is
//! still of parts of cells, it is split in two by one cell that is hidden in one half and published in the other. The best
//! pattern so far, completed and cleaned up by the heuristic, is always at hand when time runs out. It works on unrounded tables.

use crate::disclosure::halves::{Whole, halves};
use crate::disclosure::lp::{Outcome, Program};
use crate::disclosure::moves::{Aim, Frame};
use crate::disclosure::secondary::{Heuristic, Pattern};
use crate::number::Heartbeat;

/// How many inequalities join the master in one round, at most.
const CUTS_IN_A_ROUND: usize = 60;
/// How many rounds in a row may raise the bound by less than [`PROGRESS`] before the choice is split: at first, and later.
const IDLE_ROUNDS: [usize; 2] = [40, 2];
/// By how much a round has to raise the bound.
const PROGRESS: f64 = 1e-3;
/// How many cells are tried out before the choice is split by one, and how far.
const TRIED: usize = 8;
const TRIAL_STEPS: usize = 40;
/// Every so many splits the choice is rounded to a pattern.
const ROUND_EVERY: usize = 16;
/// The room that a cell has where the present choice does not use it, so that among equally violated inequalities one with
/// few such cells is found.
const SLIGHT: f64 = 1e-4;

/// The cheapest pattern that was found from the heuristic's on, and how much cheaper, at most, another could be.
pub(super) fn improve(heuristic: Heuristic, heartbeat: Heartbeat, out_of_time: &dyn Fn() -> bool) -> (Pattern, u64) {
    let mut search = Search::new(heuristic, heartbeat, out_of_time);
    search.line_cuts();
    let least = search.run().min(search.unsure);
    let possible = (search.best_cost() as f64 - (least - 1e-6).ceil()).max(0.0) as u64;
    (search.heuristic.best, possible)
}

/// An inequality over the cells there is a choice of: the sum of weights of the hidden ones is at least 1.
struct Cut(Vec<(usize, f64)>);

impl Cut {
    fn lacks(&self, choice: &[f64]) -> f64 {
        1.0 - self.0.iter().map(|(cell, weight)| weight * choice[*cell]).sum::<f64>()
    }
}

/// A part of all choices: some cells are hidden or published for good.
struct Part {
    decided: Vec<(usize, bool)>,
    /// No choice of it costs less.
    bound: f64,
    /// How much of the cell that was decided last was hidden before that.
    share: f64,
}

/// What becomes of a part.
enum Fate {
    /// Nothing in it is cheaper than the best pattern.
    Closed,
    /// Split it by this cell, hidden first or published first.
    Split { cell: usize, hidden_first: bool, share: f64, bound: f64 },
    /// Time ran out, or the numbers did not allow an answer: nothing in it costs less than this.
    Open(f64),
}

/// What deciding a cell has added to the bound so far, for each share of it that was decided away, and how often.
#[derive(Debug, Clone, Copy, Default)]
struct Gain {
    sum: f64,
    times: f64,
}

impl Gain {
    fn add(&mut self, gain: f64, share: f64) {
        self.sum += gain / share.max(1e-6);
        self.times += 1.0;
    }
}

struct Search<'a> {
    frame: &'a Frame,
    aims: &'a [Aim],
    /// Cells that are hidden in any case.
    fixed: Vec<bool>,
    cost_of_fixed: u64,
    /// The cells there is a choice of: the variables of the master.
    cells: Vec<usize>,
    /// The master's variable of each cell.
    number: Vec<Option<usize>>,
    /// Bounds that hold in every part.
    decided: Vec<(f64, f64)>,
    master: Program,
    /// The intruder's program: by how much each cell differs from the truth.
    intruder: Program,
    heuristic: Heuristic<'a>,
    /// What publishing and what hiding each cell has brought.
    gains: Vec<[Gain; 2]>,
    /// The sensitive cell that is looked at next, so that every one has its turn.
    turn: usize,
    /// The least that a choice costs that was left out without proof.
    unsure: f64,
    /// How many rows the master may have before those are forgotten that do not bind.
    most_rows: usize,
    heartbeat: Heartbeat<'a>,
    out_of_time: &'a dyn Fn() -> bool,
}

impl<'a> Search<'a> {
    fn new(heuristic: Heuristic<'a>, heartbeat: Heartbeat<'a>, out_of_time: &'a dyn Fn() -> bool) -> Self {
        let (frame, aims) = (heuristic.mover.frame, heuristic.mover.aims);
        let fixed = frame.hidden_anyway(aims);
        let cells: Vec<usize> = (0..fixed.len()).filter(|cell| frame.may_hide[*cell] && !fixed[*cell]).collect();
        let mut number = vec![None; fixed.len()];
        let mut master = Program::new(cells.len());
        for (variable, cell) in cells.iter().enumerate() {
            number[*cell] = Some(variable);
            master.bound(variable, 0.0, 1.0);
            master.price(variable, frame.cost[*cell] as f64);
        }
        let mut intruder = Program::new(fixed.len());
        for row in &frame.rows {
            let terms: Vec<(usize, f64)> = row.iter().map(|(cell, sign)| (*cell, *sign as f64)).collect();
            intruder.add_row(&terms, 0.0, 0.0);
        }
        Self {
            frame,
            aims,
            cost_of_fixed: frame.cost_of(&fixed),
            decided: vec![(0.0, 1.0); cells.len()],
            fixed,
            cells,
            master,
            intruder,
            heuristic,
            gains: vec![[Gain::default(); 2]; number.iter().flatten().count()],
            number,
            turn: 0,
            most_rows: 200,
            unsure: f64::INFINITY,
            heartbeat,
            out_of_time,
        }
    }

    /// What the further cells of the best pattern cost.
    fn best_cost(&self) -> u64 {
        self.frame.cost_of(&self.heuristic.best.hidden) - self.cost_of_fixed
    }

    /// Whether nothing cheaper than the best pattern is possible where every pattern costs at least `bound`.
    fn closes(&self, bound: f64) -> bool {
        // Costs are whole numbers.
        (bound - 1e-6 * (1.0 + bound.abs())).ceil() >= self.best_cost() as f64
    }

    /// The sum of weight times choice is at least `need`.
    fn join(&mut self, terms: &[(usize, f64)], need: f64) {
        let most = terms.iter().map(|(_, weight)| weight).sum();
        self.master.add_row(terms, need, most);
    }

    /// How much of each cell the master has chosen.
    fn choice(&self) -> Vec<f64> {
        (0..self.cells.len()).map(|variable| self.master.value(variable).clamp(0.0, 1.0)).collect()
    }

    /// The cells that are hidden anyway and those of which more than a share is chosen.
    fn hidden(&self, values: &[f64], share: f64) -> Vec<bool> {
        let mut hidden = self.fixed.clone();
        for (value, cell) in values.iter().zip(&self.cells) {
            hidden[*cell] |= *value > share;
        }
        hidden
    }

    /// A sensitive cell alone in an equation would be known: another cell must be hidden there.
    fn line_cuts(&mut self) {
        for row in &self.frame.rows {
            let mut hidden = row.iter().filter(|(cell, _)| self.fixed[*cell]);
            let (Some((first, _)), None) = (hidden.next(), hidden.next()) else { continue };
            if self.aims.iter().any(|aim| aim.cell == *first) {
                let terms = row.iter().filter_map(|(cell, _)| self.number[*cell]).map(|variable| (variable, 1.0));
                self.join(&terms.collect::<Vec<_>>(), 1.0);
            }
        }
    }

    /// Looks through all parts, as long as there is time, and says what every choice costs at least.
    fn run(&mut self) -> f64 {
        let mut parts = vec![Part { decided: Vec::new(), bound: 0.0, share: 0.0 }];
        let mut splits = 0;
        while let Some(part) = parts.pop() {
            if self.closes(part.bound) {
                continue;
            }
            match self.look_at(&part) {
                Fate::Closed => {
                    // The next is the one that promises most.
                    let promising = (0..parts.len()).min_by(|a, b| parts[*a].bound.total_cmp(&parts[*b].bound));
                    if let Some(promising) = promising {
                        let last = parts.len() - 1;
                        parts.swap(promising, last);
                    }
                }
                Fate::Open(bound) => return parts.iter().map(|part| part.bound).fold(bound, f64::min),
                Fate::Split { cell, hidden_first, share, bound } => {
                    if splits % ROUND_EVERY == 0 {
                        self.round();
                    }
                    splits += 1;
                    for hidden in [!hidden_first, hidden_first] {
                        let mut decided = part.decided.clone();
                        decided.push((cell, hidden));
                        parts.push(Part { decided, bound, share });
                    }
                }
            }
        }
        f64::INFINITY
    }

    fn look_at(&mut self, part: &Part) -> Fate {
        for (variable, (least, most)) in self.decided.iter().enumerate() {
            self.master.bound(variable, *least, *most);
        }
        for (variable, hidden) in &part.decided {
            let value = f64::from(u8::from(*hidden));
            self.master.bound(*variable, value, value);
        }
        let is_first = part.decided.is_empty();
        let (mut rounds, mut idle, mut last) = (0, 0, part.bound);
        loop {
            if (self.out_of_time)() {
                return Fate::Open(last);
            }
            let mut outcome = self.master.solve(self.heartbeat);
            if outcome == Outcome::GaveUp {
                self.master.reset();
                outcome = self.master.solve(self.heartbeat);
            }
            match outcome {
                Outcome::Infeasible => return Fate::Closed,
                Outcome::GaveUp => return Fate::Open(last),
                Outcome::Optimal => {}
            }
            let bound = self.master.proven_cost();
            if let (0, Some((variable, hidden))) = (rounds, part.decided.last()) {
                let away = if *hidden { 1.0 - part.share } else { part.share };
                self.gains[*variable][usize::from(*hidden)].add((bound - part.bound).max(0.0), away);
            }
            rounds += 1;
            // The heuristic goes on beside the proof: it may find what the proof then closes with.
            self.heuristic.refine_once(self.heartbeat);
            if self.closes(bound) {
                return Fate::Closed;
            }
            self.decide(bound, is_first);
            let values = self.choice();
            let is_whole = values.iter().all(|value| value.min(1.0 - value) < 1e-6);
            idle = if bound - last < PROGRESS { idle + 1 } else { 0 };
            last = bound;
            if !is_whole && idle >= IDLE_ROUNDS[usize::from(!is_first)] {
                return self.split(&values, bound);
            }
            let cuts = self.cuts(&values, is_whole);
            if (self.out_of_time)() {
                return Fate::Open(last);
            }
            if is_whole {
                self.complete(self.hidden(&values, 0.5), &|_| 0.0);
                if self.closes(bound) {
                    return Fate::Closed;
                }
            }
            if cuts.is_empty() && is_whole {
                // Real numbers would protect it but whole numbers were not found to: something more must be hidden. That
                // there are none is not proven.
                self.unsure = self.unsure.min(bound);
                let more = (0..values.len()).filter(|variable| values[*variable] < 0.5);
                self.join(&more.map(|variable| (variable, 1.0)).collect::<Vec<_>>(), 1.0);
            }
            if self.master.rows() > self.most_rows {
                let slack: Vec<bool> = (0..self.master.rows()).map(|row| self.master.is_slack(row)).collect();
                self.master.keep_rows(|row| !slack[row]);
                self.most_rows = (2 * self.master.rows()).max(200);
            }
            let halves = if cuts.len() < CUTS_IN_A_ROUND / 2 && !is_whole { self.halves(&values) } else { Vec::new() };
            if cuts.is_empty() && halves.is_empty() && !is_whole {
                return self.split(&values, bound);
            }
            for cut in &cuts {
                self.join(&cut.0, 1.0);
            }
            for cut in halves {
                let terms: Vec<(usize, f64)> = cut.terms.iter().map(|(v, weight)| (*v, *weight as f64)).collect();
                self.join(&terms, cut.need as f64);
            }
        }
    }

    /// What follows from the inequalities in whole numbers and the choice does not obey.
    fn halves(&self, values: &[f64]) -> Vec<Whole> {
        let whole = |row: usize| {
            let (terms, need) = self.master.row(row);
            // More than is needed of a part of a cell is at most the whole cell.
            Whole {
                terms: terms.iter().map(|(v, weight)| (*v, weight.ceil() as i64)).collect(),
                need: need.ceil() as i64,
            }
        };
        let known: Vec<Whole> = (0..self.master.rows()).map(whole).collect();
        halves(&known, values)
    }

    /// Decides cells that cost too much either way: by their reduced costs nothing cheaper than the best pattern is left there.
    fn decide(&mut self, bound: f64, everywhere: bool) {
        for variable in 0..self.cells.len() {
            let reduced = self.master.reduced_cost(variable);
            let (least, most) = self.master.bounds(variable);
            if least >= most || !self.closes(bound + reduced.abs()) {
                continue;
            }
            let value = if reduced > 0.0 { least } else { most };
            self.master.bound(variable, value, value);
            if everywhere {
                self.decided[variable] = (value, value);
            }
        }
    }

    /// The cell to split by: the one whose two halves are expected to raise the bound most, by what deciding it has brought before;
    /// a few of those that were never decided are tried out (Achterberg, Koch and Martin 2005, "Branching rules revisited").
    fn split(&mut self, values: &[f64], bound: f64) -> Fate {
        // Large costs leave the bound above the best by what the numbers err.
        let distance = (self.best_cost() as f64 - bound).max(0.0);
        let mut between: Vec<usize> = (0..values.len()).filter(|v| values[*v].min(1.0 - values[*v]) >= 1e-6).collect();
        between.sort_by(|a, b| {
            let off = |v: usize| (values[v] - 0.5).abs();
            off(*a).total_cmp(&off(*b)).then(a.cmp(b))
        });
        let mut tried = 0;
        let mut best = (f64::NEG_INFINITY, between[0], true);
        for variable in between {
            let share = values[variable];
            for hidden in [false, true] {
                if self.gains[variable][usize::from(hidden)].times > 0.0 || tried >= 2 * TRIED {
                    continue;
                }
                tried += 1;
                let mut trial = self.master.clone();
                let value = f64::from(u8::from(hidden));
                trial.bound(variable, value, value);
                let gain = match trial.solve_within(TRIAL_STEPS, self.heartbeat) {
                    Outcome::Infeasible => distance,
                    _ => (trial.proven_cost() - bound).clamp(0.0, distance),
                };
                self.gains[variable][usize::from(hidden)].add(gain, if hidden { 1.0 - share } else { share });
            }
            let expected = |hidden: bool| {
                let gain = self.gains[variable][usize::from(hidden)];
                let away = if hidden { 1.0 - share } else { share };
                if gain.times > 0.0 { gain.sum / gain.times * away } else { 0.0 }
            };
            let (published, hidden) = (expected(false), expected(true));
            let score = published.max(1e-3) * hidden.max(1e-3);
            if score > best.0 {
                best = (score, variable, hidden <= published);
            }
        }
        Fate::Split { cell: best.1, hidden_first: best.2, share: values[best.1], bound }
    }

    /// Makes a pattern of what the master has chosen: what is nearly hidden costs nearly nothing.
    fn round(&mut self) {
        let values = self.choice();
        self.complete(self.hidden(&values, 0.999), &|variable| values[variable]);
    }

    /// Completes a pattern; `share` says how much of a cell's cost is not counted while doing so.
    fn complete(&mut self, hidden: Vec<bool>, share: &dyn Fn(usize) -> f64) {
        let (frame, number) = (self.frame, &self.number);
        let price = |cell: usize| number[cell].map(|v| frame.cost[cell] as f64 * (1.0 - share(v)).max(1e-3));
        self.heuristic.complete(hidden, &price, self.heartbeat);
    }

    /// Inequalities that the choice does not obey.
    fn cuts(&mut self, values: &[f64], is_whole: bool) -> Vec<Cut> {
        let mut choice: Vec<f64> = self.fixed.iter().map(|fixed| f64::from(u8::from(*fixed))).collect();
        for (variable, cell) in self.cells.iter().enumerate() {
            choice[*cell] = values[variable];
        }
        let chosen: Vec<bool> = choice.iter().map(|share| *share > 1.0 - 1e-6).collect();
        let mut cuts = Vec::new();
        for _ in 0..self.aims.len() {
            if cuts.len() >= CUTS_IN_A_ROUND || (self.out_of_time)() {
                break;
            }
            let aim = self.turn % self.aims.len();
            self.turn += 1;
            if self.heuristic.mover.recall(aim, &chosen).is_some() {
                continue;
            }
            if let Some(cut) = self.cut(self.aims[aim], &choice, is_whole)
                && cut.lacks(values) > if is_whole { 1e-6 } else { 1e-2 }
            {
                cuts.push(cut);
            }
        }
        cuts
    }

    /// The inequality for one sensitive cell that the choice obeys least; `None` if it is obeyed by every choice.
    fn cut(&mut self, aim: Aim, choice: &[f64], is_whole: bool) -> Option<Cut> {
        let mut weights = self.weights(aim, 1.0, choice, is_whole)?;
        if !aim.up_only {
            // The width of the interval counts, so both ways add up.
            for (sum, down) in weights.iter_mut().zip(self.weights(aim, -1.0, choice, is_whole)?) {
                *sum += down;
            }
        }
        let mut need = aim.room as f64;
        for cell in (0..weights.len()).filter(|cell| self.fixed[*cell]) {
            need -= weights[cell];
        }
        if need <= 1e-6 {
            return None;
        }
        let terms = self.cells.iter().enumerate().filter(|(_, cell)| weights[**cell] > 0.0);
        let terms = terms.map(|(variable, cell)| match weights[*cell] / need {
            weight if weight > 1.0 - 1e-7 => (variable, 1.0),
            weight => (variable, weight),
        });
        Some(Cut(terms.collect()))
    }

    /// By how much each cell, if hidden, lets the sensitive one move up (`way` 1) or down (-1): from the multipliers of the
    /// equations. `None` if the choice lets it move far enough, or the intruder's program found nothing.
    fn weights(&mut self, aim: Aim, way: f64, choice: &[f64], is_whole: bool) -> Option<Vec<f64>> {
        (self.heartbeat)();
        let need = aim.room as f64;
        self.intruder.price(aim.cell, -way);
        // First without the cells that are not chosen at all: that is quick and mostly enough. Where it is not, they get a
        // little room, so that of all inequalities one with few of them is found.
        let mut found = true;
        for slight in [0.0, if is_whole { 1e-7 } else { SLIGHT }] {
            for (cell, share) in choice.iter().enumerate() {
                let Some(low) = self.frame.low[cell].filter(|_| self.fixed[cell] || self.number[cell].is_some()) else {
                    continue;
                };
                // Upwards nothing limits a hidden cell; more than the need never counts.
                let down = (-low as f64).min(need);
                let share = if *share < 1e-6 { 0.0 } else { *share };
                self.intruder.bound(cell, -(down * share + slight), need * share + slight);
            }
            let outcome = self.intruder.solve(self.heartbeat);
            found = outcome == Outcome::Optimal
                && way * self.intruder.value(aim.cell) < need - if is_whole { 1e-6 } else { 1e-2 };
            if !found {
                break;
            }
        }
        self.intruder.price(aim.cell, 0.0);
        if !found {
            return None;
        }
        let weight = |(cell, low): (usize, &Option<i64>)| match (low, self.intruder.reduced_cost(cell)) {
            (Some(_), reduced) if reduced < -1e-9 => need,
            (Some(low), reduced) if reduced > 1e-9 => (reduced * -low as f64).min(need),
            _ => 0.0,
        };
        Some(self.frame.low.iter().enumerate().map(weight).collect())
    }
}
