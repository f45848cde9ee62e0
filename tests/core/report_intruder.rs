//! What an intruder makes of a report: every printed number as a linear fact about the people who could be in its groups, and
//! linear programming for what all facts together leave possible.

use jdl_core::report::result::{Measure, MeasureKey, StoredResult};
use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOutcome};

use crate::report_disclosure::{CATEGORIES, Cell, ETHNICITIES, SEXES, World};

/// Half a unit of the last printed digit of a rate, and of an effective size.
const RATE: f64 = 0.000_5;
const SIZE: f64 = 0.5;

/// Sums of unknown numbers that are not negative, each between two ends.
#[derive(Clone)]
pub struct Facts {
    unknown: usize,
    sums: Vec<(Vec<f64>, f64, f64)>,
}

impl Facts {
    pub fn new(unknown: usize) -> Self {
        Self { unknown, sums: Vec::new() }
    }

    pub fn add(&mut self, weights: Vec<f64>, low: f64, high: f64) {
        self.sums.push((weights, low, high));
    }

    /// The most that a sum can be; its least with negative weights.
    pub fn most(&self, weights: &[f64]) -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let variables: Vec<_> =
            (0..self.unknown).map(|at| problem.add_var(weights[at], (0.0, f64::INFINITY))).collect();
        for (weights, low, high) in &self.sums {
            let sum = || -> LinearExpr {
                variables.iter().zip(weights).filter(|(_, w)| **w != 0.0).map(|(v, w)| (*v, *w)).collect()
            };
            if low.is_finite() {
                problem.add_constraint(sum(), ComparisonOp::Ge, low - 1e-7);
            }
            if high.is_finite() {
                problem.add_constraint(sum(), ComparisonOp::Le, high + 1e-7);
            }
        }
        match problem.solve() {
            Ok(SolveOutcome::Solution(solution)) => solution.objective(),
            Err(microlp::Error::Unbounded) => f64::INFINITY,
            other => panic!("{other:?}"),
        }
    }
}

/// Everything that a printed number counts: people of a cell and weight, in the group or (of the comparison group) in the rest of its pool.
#[derive(Clone, Copy)]
pub struct Kind {
    pub cell: Cell,
    pub weight: f64,
    pub in_group: bool,
}

/// All that is printed of one group. The intruder is given more than that: what weights there are and their sum, and of a
/// printed mean the exact one, because standardised differences and variance ratios give digits that the mean does not.
pub struct Intruder {
    pub kinds: Vec<Kind>,
    pub facts: Facts,
}

impl Intruder {
    pub fn of(result: &StoredResult, group: usize, world: &World) -> Option<Self> {
        let n = [result.groups.treatment_n, result.groups.comparison_n][group]? as f64;
        let mut weights: Vec<f64> = world.groups[group].iter().map(|person| person.weight).collect();
        let total: f64 = weights.iter().sum();
        weights.sort_by(f64::total_cmp);
        weights.dedup();
        let mut kinds: Vec<Kind> = Vec::new();
        for cell in Cell::all() {
            kinds.extend(weights.iter().map(|weight| Kind { cell, weight: *weight, in_group: true }));
            if group == 1 && cell.first.is_none() && !cell.left_early {
                kinds.push(Kind { cell, weight: 0.0, in_group: false });
            }
        }
        let mut intruder = Self { facts: Facts::new(kinds.len()), kinds };
        intruder.count(n, |_| true);
        intruder.sum(total, total, |k| k.weight);
        let effective = [result.groups.treatment_effective_n, result.groups.comparison_effective_n][group];
        intruder.spread(effective, [total, total], |_| true);
        intruder.outcomes(result, group, total);
        intruder.sub_groups(result, group, world);
        intruder.balance(result, group, world);
        Some(intruder)
    }

    /// `low` to `high` is the sum of `of` over everybody in the group.
    fn sum(&mut self, low: f64, high: f64, of: impl Fn(&Kind) -> f64) {
        let weights = self.kinds.iter().map(|k| if k.in_group { of(k) } else { 0.0 }).collect();
        self.facts.add(weights, low, high);
    }

    pub fn count(&mut self, people: f64, holds: impl Fn(&Cell) -> bool) {
        self.sum(people, people, |k| f64::from(u8::from(holds(&k.cell))));
    }

    /// A weighted share of `whole` that are `part`.
    fn share(&mut self, value: f64, whole: impl Fn(&Cell) -> bool, part: impl Fn(&Cell) -> bool) {
        let less = |k: &Kind, share: f64| {
            let [whole, part] = [whole(&k.cell), part(&k.cell)].map(|holds| f64::from(u8::from(holds)));
            k.weight * (part - share * whole)
        };
        self.sum(0.0, f64::INFINITY, |k| less(k, value - RATE));
        self.sum(f64::NEG_INFINITY, 0.0, |k| less(k, value + RATE));
    }

    /// Kish's effective size of people whose weights add up to `low` to `high`.
    fn spread(&mut self, effective: Option<f64>, [low, high]: [f64; 2], holds: impl Fn(&Cell) -> bool) {
        let Some(effective) = effective.filter(|n| *n > 1.0) else { return };
        let squares = |k: &Kind| if holds(&k.cell) { k.weight * k.weight } else { 0.0 };
        self.sum(low * low / (effective + SIZE), high * high / (effective - SIZE), squares);
    }

    fn outcomes(&mut self, result: &StoredResult, group: usize, total: f64) {
        let left = [result.groups.treatment_left_early, result.groups.comparison_left_early][group];
        if let Some(left) = left {
            self.count(left as f64, |c| c.left_early);
        }
        let mut rate = None;
        for m in &result.measures {
            let figure = side(m, group);
            let Some((events, value)) = figure.events.zip(figure.value) else { continue };
            let category = CATEGORIES.iter().position(|(_, name)| Some(*name) == m.category.as_deref());
            let part: Box<dyn Fn(&Cell) -> bool> = match m.key {
                MeasureKey::ReoffendingRate => {
                    rate = Some(value);
                    self.share(value, |_| true, |c| c.first.is_some());
                    self.count(events as f64, |c| c.first.is_some());
                    continue;
                }
                MeasureKey::CourtCategoryRate => Box::new(move |c| c.first.is_some_and(|f| Some(f.0) == category)),
                MeasureKey::CustodyRate => Box::new(|c| c.first.is_some_and(|f| f.1)),
                _ => continue,
            };
            self.count(events as f64, &part);
            self.share(value, |c| c.first.is_some(), &part);
            if let Some(rate) = rate {
                let weights = [rate - RATE, rate + RATE].map(|rate| rate * total);
                self.spread(figure.effective_n, weights, |c| c.first.is_some());
            }
        }
    }

    fn sub_groups(&mut self, result: &StoredResult, group: usize, world: &World) {
        for sub in &result.sub_groups {
            let holds = of_level(sub.label.split(": ").nth(1));
            let reoffended = |c: &Cell| holds(c) && c.first.is_some();
            let figure = side(&sub.measure, group);
            let Some(n) = figure.n else { continue };
            match sub.measure.key {
                MeasureKey::DaysToFirst => self.count(n as f64, reoffended),
                _ => self.count(n as f64, holds),
            }
            if sub.measure.key == MeasureKey::ReoffendingRate {
                self.count(figure.events.unwrap() as f64, reoffended);
                self.share(figure.value.unwrap(), holds, reoffended);
                let weights = world.weight(group, holds);
                self.spread(figure.effective_n, [weights, weights], holds);
            }
        }
    }

    fn balance(&mut self, result: &StoredResult, group: usize, world: &World) {
        for row in &result.balance.rows {
            let holds = of_level(row.level.as_deref());
            if [row.treatment_mean, row.comparison_mean_after][group].is_some() {
                let sum = world.weight(group, holds);
                self.sum(sum, sum, |k| if holds(&k.cell) { k.weight } else { 0.0 });
            }
            if group == 1 && row.comparison_mean_before.is_some() {
                let weights = self.kinds.iter().map(|k| f64::from(u8::from(holds(&k.cell)))).collect();
                let people = world.pool().filter(|c| holds(c)).count() as f64;
                self.facts.add(weights, people, people);
            }
        }
        if group == 1
            && let Some(pool) = result.sensitivity.aipw_pool_n
        {
            self.facts.add(vec![1.0; self.kinds.len()], pool as f64, pool as f64);
        }
        for row in result.profile.iter().flat_map(|block| &block.rows) {
            if group == 0 && row.share.is_some() && row.label != "other" {
                let holds = of_level(Some(&row.label));
                self.count(world.count(0, holds) as f64, holds);
            }
        }
    }

    /// The most people that `question` can be about; what it asks of people in neither group is asked of the pool's.
    pub fn most(&self, in_group: bool, holds: &dyn Fn(&Cell) -> bool) -> f64 {
        self.facts.most(&self.weights(in_group, holds, 1.0))
    }

    pub fn least(&self, holds: &dyn Fn(&Cell) -> bool) -> f64 {
        -self.facts.most(&self.weights(true, holds, -1.0))
    }

    fn weights(&self, in_group: bool, holds: &dyn Fn(&Cell) -> bool, weight: f64) -> Vec<f64> {
        let asked = |k: &Kind| k.in_group == in_group && holds(&k.cell);
        self.kinds.iter().map(|k| if asked(k) { weight } else { 0.0 }).collect()
    }
}

/// A question: how many people of a group are in the cells that it names.
pub type Question = (String, Box<dyn Fn(&Cell) -> bool>);

pub fn questions() -> Vec<Question> {
    let mut all: Vec<Question> = Vec::new();
    for (at, sex) in SEXES.iter().enumerate() {
        all.push((format!("sex {sex}"), Box::new(move |c| c.sex == at)));
        all.push((format!("re-offended, {sex}"), Box::new(move |c| c.sex == at && c.first.is_some())));
        all.push((format!("did not, {sex}"), Box::new(move |c| c.sex == at && c.first.is_none())));
    }
    for (at, ethnicity) in ETHNICITIES.iter().enumerate() {
        all.push((format!("ethnicity {ethnicity}"), Box::new(move |c| c.ethnicity == at)));
    }
    for employed in [false, true] {
        all.push((format!("employed {employed}"), Box::new(move |c| c.employed == employed)));
    }
    for reoffended in [false, true] {
        all.push((format!("re-offended {reoffended}"), Box::new(move |c| c.first.is_some() == reoffended)));
    }
    for category in 0..4 {
        all.push((format!("category {category}"), Box::new(move |c| c.first.is_some_and(|f| f.0 == category))));
    }
    for custody in [false, true] {
        all.push((format!("custody {custody}"), Box::new(move |c| c.first.is_some_and(|f| f.1 == custody))));
    }
    for left in [false, true] {
        all.push((format!("left early {left}"), Box::new(move |c| c.first.is_none() && c.left_early == left)));
    }
    all
}

pub fn side(m: &Measure, group: usize) -> jdl_core::report::result::GroupFigure {
    [&m.treatment, &m.comparison][group].clone()
}

/// Who is of a level of a covariate; without one, of those employed.
fn of_level(level: Option<&str>) -> impl Fn(&Cell) -> bool + Copy + use<> {
    let sex = SEXES.iter().position(|known| Some(*known) == level);
    let ethnicity = ETHNICITIES.iter().position(|known| Some(*known) == level);
    move |c| match (sex, ethnicity) {
        (Some(sex), _) => c.sex == sex,
        (_, Some(ethnicity)) => c.ethnicity == ethnicity,
        _ => c.employed,
    }
}

/// Re-offences: first ones and further ones by court category (with unknown), and both again by custody.
pub fn reoffences(result: &StoredResult, group: usize) -> Facts {
    let mut facts = Facts::new(12);
    let of = |numbers: &[usize]| -> Vec<f64> { (0..12).map(|at| f64::from(u8::from(numbers.contains(&at)))).collect() };
    // Both ways to divide the first ones, and the further ones, come to the same.
    for (by_category, by_custody) in [([0, 1, 2, 3], [8, 9]), ([4, 5, 6, 7], [10, 11])] {
        let mut weights = of(&by_category);
        by_custody.iter().for_each(|at| weights[*at] = -1.0);
        facts.add(weights, 0.0, 0.0);
    }
    for m in &result.measures {
        let Some(events) = side(m, group).events.map(|events| events as f64) else { continue };
        let category = CATEGORIES.iter().position(|(_, name)| Some(*name) == m.category.as_deref());
        let numbers: Vec<usize> = match (m.key, category) {
            (MeasureKey::ReoffendingRate, _) => vec![0, 1, 2, 3],
            (MeasureKey::CourtCategoryRate, Some(at)) => vec![at],
            (MeasureKey::CourtCategoryFrequency, Some(at)) => vec![at, at + 4],
            (MeasureKey::CustodyRate, _) => vec![8],
            (MeasureKey::CustodyFrequency, _) => vec![8, 10],
            (MeasureKey::ReoffencesPerPerson | MeasureKey::ReoffencesPerReoffender, _) => (0..8).collect(),
            _ => continue,
        };
        facts.add(of(&numbers), events, events);
    }
    facts
}
