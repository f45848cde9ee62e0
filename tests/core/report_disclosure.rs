//! The whole report against an intruder: people are drawn, their report is composed, and linear programming over every way
//! in which the groups could be made up asks what all printed numbers together say of the few.

use std::collections::{BTreeMap, BTreeSet};

use jdl_core::calendar::Day;
use jdl_core::inference::{Alternatives, AnalysisPlan, Design, Levels, SubGroupBy, analyse};
use jdl_core::matching;
use jdl_core::outcomes::{CourtCategory, FirstReoffence, PersonOutcome};
use jdl_core::report::compose::{CountedProfile, CountedStep, Findings, OutcomeCounts, compose};
use jdl_core::report::result::{Measure, MeasureKey, Plan, Request, Status, StoredResult};
use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOutcome};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const SEXES: [&str; 3] = ["female", "male", "unknown"];
const ETHNICITIES: [&str; 4] = ["asian", "black", "mixed", "white"];
const CATEGORIES: [(CourtCategory, &str); 3] = [
    (CourtCategory::Summary, "summary"),
    (CourtCategory::EitherWay, "either way"),
    (CourtCategory::Indictable, "indictable"),
];
/// Counts below it are small.
const SMALL: i64 = 10;

/// Everything that a printed number counts: the cell of the full table that a person is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    sex: usize,
    ethnicity: usize,
    employed: bool,
    /// Of a re-offender the court category (3: unknown) and whether it brought custody.
    first: Option<(usize, bool)>,
    left_early: bool,
}

fn every_cell() -> Vec<Cell> {
    let mut cells = Vec::new();
    for sex in 0..SEXES.len() {
        for ethnicity in 0..ETHNICITIES.len() {
            for employed in [false, true] {
                for kind in 0..10 {
                    let first = (kind < 8).then_some((kind / 2, kind % 2 == 1));
                    cells.push(Cell { sex, ethnicity, employed, first, left_early: kind == 9 });
                }
            }
        }
    }
    cells
}

/// A question: how many people of a group are in the cells that it names.
type Question = (String, Box<dyn Fn(&Cell) -> bool>);

fn questions() -> Vec<Question> {
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

/// People as likely as the chances say; a rare level is there or not.
fn draw_people(rng: &mut ChaCha8Rng, n: usize, chances: &Chances) -> Vec<Cell> {
    (0..n)
        .map(|_| {
            let pick = |rng: &mut ChaCha8Rng, weights: &[f64]| {
                let mut left = rng.random_range(0.0..weights.iter().sum());
                let is_here = |weight: &f64| {
                    left -= weight;
                    left < 0.0
                };
                weights.iter().position(is_here).unwrap_or(0)
            };
            let first = rng
                .random_bool(chances.reoffend)
                .then(|| (pick(rng, &chances.category), rng.random_bool(chances.custody)));
            Cell {
                sex: pick(rng, &chances.sex),
                ethnicity: pick(rng, &chances.ethnicity),
                employed: rng.random_bool(chances.employed),
                first,
                left_early: first.is_none() && rng.random_bool(chances.left),
            }
        })
        .collect()
}

struct Chances {
    sex: [f64; 3],
    ethnicity: [f64; 4],
    category: [f64; 4],
    reoffend: f64,
    custody: f64,
    employed: f64,
    left: f64,
}

impl Chances {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut rare = || [0.0, 0.02, 0.06, 0.12, 0.25, 0.4][rng.random_range(0..6)];
        Self {
            sex: [0.1 + rare(), 0.5, rare() / 2.0],
            ethnicity: [rare(), rare(), rare(), 0.4],
            category: [0.4, rare(), rare(), rare() / 2.0],
            reoffend: 0.25 + rare(),
            custody: rare(),
            employed: rare(),
            left: rare() / 2.0,
        }
    }
}

fn outcome(cell: &Cell, rng: &mut ChaCha8Rng) -> PersonOutcome {
    let days = rng.random_range(1..365_u32);
    let mut by_category = [0; 3];
    let mut reoffences = 0;
    if let Some((category, _)) = cell.first {
        reoffences = 1;
        if category < 3 {
            by_category[category] += 1;
        }
        while rng.random_bool(0.4) {
            reoffences += 1;
            by_category[[0, 0, 0, 1, 1, 2][rng.random_range(0..6)]] += 1;
        }
    }
    PersonOutcome {
        first: cell.first.map(|(category, custodial)| FirstReoffence {
            days: days as _,
            court_category: CATEGORIES.get(category).map(|c| c.0),
            custodial,
        }),
        reoffences,
        reoffences_by_category: by_category,
        custodial_count: u32::from(cell.first.is_some_and(|f| f.1)),
        days_at_risk: if cell.first.is_some() || cell.left_early { days as _ } else { 365 },
        followed_throughout: !cell.left_early,
    }
}

fn share(people: &[Cell], holds: impl Fn(&Cell) -> bool) -> f64 {
    people.iter().filter(|cell| holds(cell)).count() as f64 / people.len() as f64
}

/// One 0/1 column of the balance table, everybody with weight 1.
fn balance_row(
    name: String,
    groups: [&[Cell]; 2],
    pool: &[Cell],
    holds: impl Fn(&Cell) -> bool + Copy,
) -> matching::BalanceRow {
    let treated = share(groups[0], holds);
    let spread = (treated * (1.0 - treated)).sqrt().max(1e-9);
    let against = |control: f64| matching::Comparison {
        mean_treated: treated,
        mean_control: control,
        smd: (treated - control) / spread,
        variance_ratio: None,
        ecdf_mean: (treated - control).abs(),
        ecdf_max: (treated - control).abs(),
    };
    let (all, matched) = (against(share(pool, holds)), against(share(groups[1], holds)));
    matching::BalanceRow {
        name,
        all,
        matched: Some(matched),
        pair_distance: None,
        light: matching::Light::of(matched.smd, [0.05, 0.1]),
    }
}

fn report(groups: [&[Cell]; 2], pool: &[Cell], sub_groups: &[&str], rng: &mut ChaCha8Rng) -> StoredResult {
    let people: Vec<Cell> = groups.concat();
    let treated: Vec<bool> = (0..people.len()).map(|at| at < groups[0].len()).collect();
    let outcomes: Vec<PersonOutcome> = people.iter().map(|cell| outcome(cell, rng)).collect();
    let (weight, set) = (vec![1.0; people.len()], vec![None; people.len()]);
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let level: Vec<String> = people.iter().map(|cell| SEXES[cell.sex].to_owned()).collect();
    let named: BTreeSet<String> = sub_groups.iter().map(|level| (*level).to_owned()).collect();
    let plan = AnalysisPlan {
        permutation_draws: 20,
        sub_groups: if named.is_empty() { BTreeMap::new() } else { BTreeMap::from([(SubGroupBy::Gender, named)]) },
        ..AnalysisPlan::default()
    };
    let analysis = analyse(design, &[Levels { by: SubGroupBy::Gender, level: &level }], &plan, &|| {}).unwrap();
    let profile = |key: &str, labels: &[&str], of: fn(&Cell) -> usize| CountedProfile {
        key: key.to_owned(),
        label: key.to_owned(),
        categories: labels
            .iter()
            .enumerate()
            .map(|(at, label)| ((*label).to_owned(), groups[0].iter().filter(|c| of(c) == at).count() as i64))
            .filter(|(_, count)| *count > 0)
            .collect(),
    };
    let mut balance = Vec::new();
    for (at, sex) in SEXES.iter().enumerate() {
        balance.push(balance_row(format!("gender{sex}"), groups, pool, move |c| c.sex == at));
    }
    for (at, ethnicity) in ETHNICITIES.iter().enumerate() {
        balance.push(balance_row(format!("ethnicity{ethnicity}"), groups, pool, move |c| c.ethnicity == at));
    }
    balance.push(balance_row("employment".to_owned(), groups, pool, |c| c.employed));
    let names = ["gender", "ethnicity", "employment"].map(|name| (name.to_owned(), name.to_owned()));
    let n = groups[0].len() as i64;
    let step = |key: &'static str, remaining| CountedStep { key, label: key, reason: "a reason".to_owned(), remaining };
    let findings = Findings {
        request: Request {
            request_id: 1,
            provider: "P".to_owned(),
            intervention: "a service".to_owned(),
            register_version: "1".to_owned(),
            plan: Plan {
                version: 1,
                hash: "abc".to_owned(),
                primary: MeasureKey::ReoffendingRate,
                seed: 1,
                changes: Vec::new(),
                changed_after_outcomes: false,
            },
            cohort_first_year: 2010,
            cohort_last_year: 2010,
            follow_up_months: 12,
            waiting_months: 6,
            offence_filter: None,
            long_custody_days: 90,
            analysis_date: Day(5000),
            status: Status::Draft,
            status_reason: None,
        },
        analysis: &analysis,
        alternatives: &Alternatives { doubly_robust: None, runs: Vec::new() },
        counts: OutcomeCounts::of(&design),
        funnel: vec![step("submitted", n + 40), step("on_register", n), step("matched", n)],
        linkage: [n + 40, n, 20, 20],
        national_or_region: "national".to_owned(),
        balance: &balance,
        covariates: &names,
        pool_size: pool.len() as i64,
        profile: vec![profile("sex", &SEXES, |c| c.sex), profile("ethnicity", &ETHNICITIES, |c| c.ethnicity)],
        smallest_cell: SMALL,
        significance_level: 0.05,
        rate_decimals: 1,
    };
    compose(&findings, &|| {}).unwrap().result
}

/// What is printed of one group: how many of its people, at least and at most, are in the cells that a question names.
struct Printed {
    n: f64,
    facts: Vec<(Vec<bool>, f64, f64)>,
    cells: Vec<Cell>,
}

impl Printed {
    fn of(result: &StoredResult, group: usize) -> Option<Self> {
        let cells = every_cell();
        let n = [result.groups.treatment_n, result.groups.comparison_n][group]? as f64;
        let mut printed = Self { n, facts: Vec::new(), cells };
        printed.add(n, 0.0, |_| true);
        let side = |m: &Measure| if group == 0 { m.treatment.clone() } else { m.comparison.clone() };
        let left = [result.groups.treatment_left_early, result.groups.comparison_left_early][group];
        if let Some(left) = left {
            printed.add(left as f64, 0.0, |c| c.left_early);
        }
        for m in &result.measures {
            let Some(events) = side(m).events.map(|events| events as f64) else { continue };
            let category = CATEGORIES.iter().position(|(_, name)| Some(*name) == m.category.as_deref());
            match m.key {
                MeasureKey::ReoffendingRate => printed.add(events, 0.0, |c| c.first.is_some()),
                MeasureKey::CourtCategoryRate => {
                    printed.add(events, 0.0, |c| c.first.is_some_and(|f| Some(f.0) == category))
                }
                MeasureKey::CustodyRate => printed.add(events, 0.0, |c| c.first.is_some_and(|f| f.1)),
                _ => {}
            }
        }
        for sub in &result.sub_groups {
            let sex = SEXES.iter().position(|sex| sub.label.ends_with(&format!(": {sex}"))).unwrap();
            let m = side(&sub.measure);
            if let Some((n, events)) = m.n.zip(m.events) {
                printed.add(n as f64, 0.0, |c| c.sex == sex);
                printed.add(events as f64, 0.0, |c| c.sex == sex && c.first.is_some());
            }
        }
        for row in &result.balance.rows {
            let Some(mean) = (if group == 0 { row.treatment_mean } else { row.comparison_mean_after }) else {
                continue;
            };
            let level = row.level.as_deref();
            let (sex, ethnicity) =
                (SEXES.iter().position(|l| Some(*l) == level), ETHNICITIES.iter().position(|l| Some(*l) == level));
            printed.add(mean * n, 0.005 * n, |c| match (sex, ethnicity) {
                (Some(sex), _) => c.sex == sex,
                (_, Some(ethnicity)) => c.ethnicity == ethnicity,
                _ => c.employed,
            });
        }
        if group == 0 {
            for row in result.profile.iter().flat_map(|block| &block.rows) {
                let Some(share) = row.share else { continue };
                if let Some(sex) = SEXES.iter().position(|sex| *sex == row.label) {
                    printed.add(share * n, 0.0005 * n, |c| c.sex == sex);
                } else if let Some(ethnicity) = ETHNICITIES.iter().position(|e| *e == row.label) {
                    printed.add(share * n, 0.0005 * n, |c| c.ethnicity == ethnicity);
                }
            }
        }
        Some(printed)
    }

    /// Whole numbers between `value` - `width` and `value` + `width`.
    fn add(&mut self, value: f64, width: f64, holds: impl Fn(&Cell) -> bool) {
        let which = self.cells.iter().map(holds).collect();
        self.facts.push((which, (value - width - 1e-9).ceil().max(0.0), (value + width + 1e-9).floor().min(self.n)));
    }

    /// The most people that the cells of a question can hold.
    fn most(&self, holds: &dyn Fn(&Cell) -> bool) -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let variables: Vec<_> = self
            .cells
            .iter()
            .map(|cell| problem.add_var(f64::from(u8::from(holds(cell))), (0.0, f64::INFINITY)))
            .collect();
        for (which, low, high) in &self.facts {
            let sum = || -> LinearExpr {
                variables.iter().zip(which).filter(|(_, is)| **is).map(|(variable, _)| (*variable, 1.0)).collect()
            };
            problem.add_constraint(sum(), ComparisonOp::Ge, *low);
            problem.add_constraint(sum(), ComparisonOp::Le, *high);
        }
        match problem.solve().unwrap() {
            SolveOutcome::Solution(solution) => solution.objective(),
            SolveOutcome::Interrupted(_) => panic!("interrupted"),
        }
    }
}

/// Frequencies give totals of re-offences: what is left of them for the categories of which none is printed.
fn left_of_the_total(result: &StoredResult, group: usize) -> Option<i64> {
    let events = |m: &Measure| if group == 0 { m.treatment.events } else { m.comparison.events };
    let of = |key: MeasureKey| result.measures.iter().filter(move |m| m.key == key);
    let total = of(MeasureKey::ReoffencesPerPerson).find_map(events)?;
    Some(total as i64 - of(MeasureKey::CourtCategoryFrequency).filter_map(events).sum::<u64>() as i64)
}

#[test]
fn no_few_people_can_be_worked_out_from_all_numbers_of_a_report() {
    let mut rng = ChaCha8Rng::seed_from_u64(31);
    let questions = questions();
    let (mut asked, mut shown, mut unprotected) = (0, 0, 0);
    let mut leaks: Vec<String> = Vec::new();
    for round in 0..150 {
        let chances = Chances::draw(&mut rng);
        let sizes = [0, 1, 2].map(|_| rng.random_range(35..160));
        let groups = [draw_people(&mut rng, sizes[0], &chances), draw_people(&mut rng, sizes[1], &chances)];
        let pool = [groups[1].clone(), draw_people(&mut rng, sizes[2], &chances)].concat();
        let sub_groups: &[&str] = [&[][..], &["female"], &["female", "male"]][round % 3];
        let result = report([&groups[0], &groups[1]], &pool, sub_groups, &mut rng);
        shown += result.balance.rows.iter().filter(|row| row.treatment_mean.is_some()).count();
        for (group, people) in groups.iter().enumerate() {
            let Some(printed) = Printed::of(&result, group) else { continue };
            // With the levels that the balance table withholds the same programme finds people: it can see.
            let mut all = Printed::of(&result, group).unwrap();
            for sex in 0..SEXES.len() {
                all.add((share(people, |c| c.sex == sex) * 100.0).round() / 100.0 * all.n, 0.005 * all.n, |c| {
                    c.sex == sex
                });
            }
            for (name, holds) in &questions {
                let truth = people.iter().filter(|cell| holds(cell)).count() as i64;
                if (1..SMALL).contains(&truth) {
                    asked += 1;
                    unprotected += usize::from(name.starts_with("sex") && all.most(holds) < SMALL as f64 - 1e-6);
                    let most = printed.most(holds);
                    if most < SMALL as f64 - 1e-6 {
                        leaks.push(format!("round {round}, group {group}, {name}: {truth} people, at most {most}"));
                    }
                }
            }
            if let Some(left) = left_of_the_total(&result, group)
                && (1..SMALL).contains(&left)
            {
                leaks.push(format!("round {round}, group {group}: {left} re-offences of the other categories"));
            }
        }
    }
    println!("{asked} small counts asked after, {shown} means shown, {unprotected} found where nothing is withheld");
    assert!(asked > 600 && shown > 150 && unprotected > 50, "{asked} {shown} {unprotected}");
    assert!(leaks.is_empty(), "{} of {asked}:\n{}", leaks.len(), leaks.join("\n"));
}
