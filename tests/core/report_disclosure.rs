//! The whole report against an intruder: people are drawn, their report is composed, and linear programming over every way
//! in which the groups could be made up asks what all printed numbers together say of the few.

use std::collections::{BTreeMap, BTreeSet};

use jdl_core::inference::{
    Alternatives, AnalysisPlan, Design, DesignRun, DoublyRobust, DoublyRobustRun, Interval, Levels, Measure,
    SubGroupBy, analyse, compare_measure,
};
use jdl_core::matching;
use jdl_core::outcomes::{CourtCategory, FirstReoffence, PersonOutcome};
use jdl_core::report::compose::{CountedProfile, CountedStep, Findings, OutcomeCounts, compose, measure_key};
use jdl_core::report::result::{MeasureKey, StoredResult};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::report_compose::request;
use crate::report_intruder::{Intruder, questions, reoffences};

pub const SEXES: [&str; 3] = ["female", "male", "unknown"];
pub const ETHNICITIES: [&str; 4] = ["asian", "black", "mixed", "white"];
pub const CATEGORIES: [(CourtCategory, &str); 3] = [
    (CourtCategory::Summary, "summary"),
    (CourtCategory::EitherWay, "either way"),
    (CourtCategory::Indictable, "indictable"),
];
/// Counts below it are small.
const SMALL: i64 = 10;
/// A table is of as many people at least.
const TABLE: i64 = 30;
const ROUNDS: usize = 180;

/// The cell of the full table that a person is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub sex: usize,
    pub ethnicity: usize,
    pub employed: bool,
    /// Of a re-offender the court category (3: unknown) and whether it brought custody.
    pub first: Option<(usize, bool)>,
    pub left_early: bool,
}

impl Cell {
    pub fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for sex in 0..SEXES.len() {
            for ethnicity in 0..ETHNICITIES.len() {
                for employed in [false, true] {
                    for kind in 0..10 {
                        let first = (kind < 8).then_some((kind / 2, kind % 2 == 1));
                        cells.push(Self { sex, ethnicity, employed, first, left_early: kind == 9 });
                    }
                }
            }
        }
        cells
    }
}

/// A person who is analysed.
pub struct Person {
    pub cell: Cell,
    pub weight: f64,
    set: Option<u64>,
    outcome: PersonOutcome,
}

/// Everybody whom a report is about: the two groups, and the rest of the comparison group's pool.
pub struct World {
    pub groups: [Vec<Person>; 2],
    others: Vec<Cell>,
}

impl World {
    pub fn count(&self, group: usize, holds: impl Fn(&Cell) -> bool) -> i64 {
        self.groups[group].iter().filter(|person| holds(&person.cell)).count() as i64
    }

    pub fn weight(&self, group: usize, holds: impl Fn(&Cell) -> bool) -> f64 {
        self.groups[group].iter().filter(|person| holds(&person.cell)).map(|person| person.weight).sum()
    }

    pub fn pool(&self) -> impl Iterator<Item = &Cell> {
        self.groups[1].iter().map(|person| &person.cell).chain(&self.others)
    }

    fn share(&self, group: usize, holds: impl Fn(&Cell) -> bool) -> f64 {
        self.weight(group, holds) / self.weight(group, |_| true)
    }
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

/// How the comparison group was matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matching {
    /// One to one, everybody once, pairs forgotten.
    Plain,
    /// With replacement: one person stands for up to three.
    Reused,
    /// Sets of one treated person and one or two others, who share a weight of one.
    Sets,
}

fn draw_world(rng: &mut ChaCha8Rng, chances: &Chances, kind: Matching) -> World {
    let [treated, compared, others] = [0, 1, 2].map(|_| rng.random_range(35..160));
    let compared = if kind == Matching::Sets { compared.clamp(treated, 2 * treated) } else { compared };
    let pairs = compared - treated.min(compared);
    let groups = [treated, compared].map(|n| {
        let person = |at: usize, rng: &mut ChaCha8Rng| {
            let cell = draw_cell(rng, chances);
            let outcome = outcome(&cell, chances, rng);
            // The first sets have two people of the comparison group.
            let (weight, set) = match kind {
                Matching::Plain => (1.0, None),
                Matching::Reused if n == compared => (f64::from(rng.random_range(1..4)), None),
                Matching::Reused => (1.0, None),
                Matching::Sets => (1.0, Some((at % treated) as u64)),
            };
            Person { cell, weight, set, outcome }
        };
        (0..n).map(|at| person(at, rng)).collect::<Vec<_>>()
    });
    let mut world = World { groups, others: (0..others).map(|_| draw_cell(rng, chances)).collect() };
    if kind == Matching::Sets {
        for person in &mut world.groups[1] {
            person.weight = if person.set.is_some_and(|set| (set as usize) < pairs) { 0.5 } else { 1.0 };
        }
    }
    world
}

/// As likely as the chances say; a rare level is there or not.
fn draw_cell(rng: &mut ChaCha8Rng, chances: &Chances) -> Cell {
    let pick = |rng: &mut ChaCha8Rng, weights: &[f64]| {
        let mut left = rng.random_range(0.0..weights.iter().sum());
        let is_here = |weight: &f64| {
            left -= weight;
            left < 0.0
        };
        weights.iter().position(is_here).unwrap_or(0)
    };
    let first =
        rng.random_bool(chances.reoffend).then(|| (pick(rng, &chances.category), rng.random_bool(chances.custody)));
    Cell {
        sex: pick(rng, &chances.sex),
        ethnicity: pick(rng, &chances.ethnicity),
        employed: rng.random_bool(chances.employed),
        first,
        left_early: first.is_none() && rng.random_bool(chances.left),
    }
}

fn outcome(cell: &Cell, chances: &Chances, rng: &mut ChaCha8Rng) -> PersonOutcome {
    let days = rng.random_range(1..365_u32);
    let mut by_category = [0; 3];
    let (mut reoffences, mut custodial_count) = (0, 0);
    if let Some((category, custody)) = cell.first {
        (reoffences, custodial_count) = (1, u32::from(custody));
        if category < 3 {
            by_category[category] += 1;
        }
        while rng.random_bool(0.4) {
            reoffences += 1;
            by_category[[0, 0, 0, 1, 1, 2][rng.random_range(0..6)]] += 1;
            custodial_count += u32::from(rng.random_bool(chances.custody * 2.0));
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
        custodial_count,
        days_at_risk: if cell.first.is_some() || cell.left_early { days as _ } else { 365 },
        followed_throughout: !cell.left_early,
    }
}

/// One 0/1 column of the balance table.
fn balance_row(name: String, world: &World, holds: impl Fn(&Cell) -> bool + Copy) -> matching::BalanceRow {
    let treated = world.share(0, holds);
    let spread = (treated * (1.0 - treated)).sqrt().max(1e-9);
    let against = |control: f64| matching::Comparison {
        mean_treated: treated,
        mean_control: control,
        smd: (treated - control) / spread,
        variance_ratio: None,
        ecdf_mean: (treated - control).abs(),
        ecdf_max: (treated - control).abs(),
    };
    let pool = world.pool().filter(|c| holds(c)).count() as f64 / world.pool().count() as f64;
    let (all, matched) = (against(pool), against(world.share(1, holds)));
    matching::BalanceRow {
        name,
        all,
        matched: Some(matched),
        pair_distance: None,
        light: matching::Light::of(matched.smd, [0.05, 0.1]),
    }
}

/// The report with sub-groups by sex and by ethnicity; `without` treated people, the first ones, are not in its other design.
fn report(world: &World, sub_groups: [&[&str]; 2], primary: Measure, without: usize) -> StoredResult {
    let people: Vec<&Person> = world.groups.iter().flatten().collect();
    let treated: Vec<bool> = (0..people.len()).map(|at| at < world.groups[0].len()).collect();
    let outcomes: Vec<PersonOutcome> = people.iter().map(|person| person.outcome).collect();
    let weight: Vec<f64> = people.iter().map(|person| person.weight).collect();
    let set: Vec<_> = people.iter().map(|person| person.set.map(|set| set as _)).collect();
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let by = [SubGroupBy::Gender, SubGroupBy::Ethnicity];
    let sexes: Vec<String> = people.iter().map(|person| SEXES[person.cell.sex].to_owned()).collect();
    let ethnicities: Vec<String> = people.iter().map(|person| ETHNICITIES[person.cell.ethnicity].to_owned()).collect();
    let levels = [Levels { by: by[0], level: &sexes }, Levels { by: by[1], level: &ethnicities }];
    let named = sub_groups.map(|levels| levels.iter().map(|level| (*level).to_owned()).collect::<BTreeSet<_>>());
    let plan = AnalysisPlan {
        permutation_draws: 20,
        primary_measure: primary,
        sub_groups: by.into_iter().zip(named).filter(|(_, named)| !named.is_empty()).collect::<BTreeMap<_, _>>(),
        ..AnalysisPlan::default()
    };
    let analysis = analyse(design, &levels, &plan, &|| {}).unwrap();
    let profile = |key: &str, labels: &[&str], of: fn(&Cell) -> usize| CountedProfile {
        key: key.to_owned(),
        label: key.to_owned(),
        categories: labels
            .iter()
            .enumerate()
            .map(|(at, label)| ((*label).to_owned(), world.count(0, |c| of(c) == at)))
            .filter(|(_, count)| *count > 0)
            .collect(),
    };
    let mut balance = Vec::new();
    for (at, sex) in SEXES.iter().enumerate() {
        balance.push(balance_row(format!("gender{sex}"), world, move |c| c.sex == at));
    }
    for (at, ethnicity) in ETHNICITIES.iter().enumerate() {
        balance.push(balance_row(format!("ethnicity{ethnicity}"), world, move |c| c.ethnicity == at));
    }
    balance.push(balance_row("employment".to_owned(), world, |c| c.employed));
    let names = ["gender", "ethnicity", "employment"].map(|name| (name.to_owned(), name.to_owned()));
    let n = world.groups[0].len() as i64;
    let step = |key: &'static str, remaining| CountedStep { key, label: key, reason: "a reason".to_owned(), remaining };
    let fewer: Vec<f64> = (0..people.len()).map(|at| if at < without { 0.0 } else { weight[at] }).collect();
    let run = compare_measure(Design { weight: &fewer, ..design }, primary, &plan).unwrap();
    let interval = Interval { low: -0.1, high: 0.1 };
    let estimate = DoublyRobust { effect: 0.0, standard_error: 0.05, p_value: 1.0, interval };
    let alternatives = Alternatives {
        doubly_robust: Some(DoublyRobustRun {
            treatment_people: n as u64,
            comparison_people: world.pool().count() as u64,
            estimate,
        }),
        runs: vec![DesignRun { key: "with_assessments".to_owned(), result: Some(run), absent: None }],
    };
    let findings = Findings {
        request: request(measure_key(primary).0),
        analysis: &analysis,
        alternatives: &alternatives,
        counts: OutcomeCounts::of(&design),
        funnel: vec![step("submitted", n + 40), step("on_register", n), step("matched", n)],
        linkage: [n + 40, n, 20, 20],
        national_or_region: "national".to_owned(),
        balance: &balance,
        covariates: &names,
        pool_size: world.pool().count() as i64,
        profile: vec![profile("sex", &SEXES, |c| c.sex), profile("ethnicity", &ETHNICITIES, |c| c.ethnicity)],
        smallest_cell: SMALL,
        significance_level: 0.05,
        rate_decimals: 1,
    };
    compose(&findings, &|| {}).unwrap().result
}

/// How many of a group had re-offended by a day.
fn by_day(world: &World, group: usize, day: u32) -> i64 {
    let by_then = |p: &&Person| p.cell.first.is_some() && p.outcome.days_at_risk <= day;
    world.groups[group].iter().filter(by_then).count() as i64
}

/// What of the report is not safe though no linear programme is needed to see it.
fn plainly_unsafe(result: &StoredResult, world: &World, without: usize) -> Vec<String> {
    let mut found = Vec::new();
    let small = |n: i64| (1..SMALL).contains(&n);
    for group in 0..2 {
        // Between two points of a curve, whatever the weights.
        for pair in result.curves.points.windows(2) {
            let between = by_day(world, group, pair[1].day) - by_day(world, group, pair[0].day);
            if small(between) {
                found.push(format!("group {group}: {between} re-offended by day {}", pair[1].day));
            }
        }
        // Sums over the rest of the sub-groups, of which the model knows nothing.
        let shown: Vec<usize> = (0..SEXES.len())
            .filter(|&sex| {
                let is_of = |label: &str| label.ends_with(&format!(": {}", SEXES[sex]));
                result.sub_groups.iter().any(|sub| is_of(&sub.label) && sub.measure.treatment.n.is_some())
            })
            .collect();
        let rest: Vec<&Person> = world.groups[group].iter().filter(|p| !shown.contains(&p.cell.sex)).collect();
        let first = rest.iter().filter(|p| p.cell.first.is_some()).count() as i64;
        let further = rest.iter().map(|p| i64::from(p.outcome.reoffences)).sum::<i64>() - first;
        let leaks = match result.request.plan.primary {
            MeasureKey::ReoffencesPerPerson => further < SMALL,
            MeasureKey::DaysToFirst => (1..TABLE).contains(&first),
            _ => false,
        };
        if !shown.is_empty() && !rest.is_empty() && leaks {
            found.push(format!("group {group}: {first} first and {further} further re-offences beside the sub-groups"));
        }
    }
    // A difference and its interval give how many of the treated re-offended, if it is of rates; of days, it is of re-offenders only.
    if result.sensitivity.runs.iter().any(|run| run.difference.value.is_some()) {
        let apart = &world.groups[0][..without];
        let reoffended = apart.iter().filter(|p| p.cell.first.is_some()).count();
        let counts = match result.request.plan.primary {
            MeasureKey::ReoffencesPerPerson => vec![without],
            MeasureKey::DaysToFirst => vec![reoffended],
            _ => vec![without, reoffended, without - reoffended],
        };
        if counts.into_iter().any(|n| small(n as i64)) {
            found.push(format!(
                "{without} treated people are not in the other design, {reoffended} of them re-offended"
            ));
        }
    }
    // That a number is too small for something is not said where the number is withheld.
    let subs = result.sub_groups.iter().map(|sub| &sub.measure);
    for m in result.measures.iter().chain(subs).filter(|m| m.withheld.is_some()) {
        if m.gate.is_some() || m.p_value.is_some() || m.difference.value.is_some() {
            found.push(format!("{} is withheld but for a part", m.label));
        }
    }
    let primary = result.measures.iter().find(|m| m.key == result.request.plan.primary).unwrap();
    let s = &result.sensitivity;
    let about = [s.hazard_ratio.and_then(|h| h.value), s.e_value, s.rosenbaum_gamma, s.aipw.and_then(|a| a.value)];
    if primary.withheld.is_some() && (about.iter().any(Option::is_some) || !result.curves.points.is_empty()) {
        found.push("the primary measure is withheld and what follows from it is not".to_owned());
    }
    // The worst difference is that of a row which can be seen.
    let is_seen = |worst: f64| result.balance.rows.iter().filter_map(|row| row.smd_after).any(|smd| smd.abs() >= worst);
    if result.balance.summary.worst_smd.is_some_and(|worst| !is_seen(worst)) {
        found.push("the worst standardised difference is of a hidden row".to_owned());
    }
    found
}

/// Re-offences of one kind of which there are few, and the report says so.
fn few_reoffences(result: &StoredResult, world: &World, group: usize) -> Vec<String> {
    let facts = reoffences(result, group);
    let mut truth = [0_i64; 12];
    for person in &world.groups[group] {
        let Some((category, custody)) = person.cell.first else { continue };
        let all = person.outcome;
        truth[category] += 1;
        truth[8 + usize::from(!custody)] += 1;
        let mut unknown = i64::from(all.reoffences);
        for at in 0..3 {
            truth[4 + at] += i64::from(all.reoffences_by_category[at]) - i64::from(category == at);
            unknown -= i64::from(all.reoffences_by_category[at]);
        }
        truth[7] += unknown - i64::from(category == 3);
        let further_custody = i64::from(all.custodial_count) - i64::from(custody);
        truth[10] += further_custody;
        truth[11] += i64::from(all.reoffences) - 1 - further_custody;
    }
    let small = (0..12).filter(|at| (1..SMALL).contains(&truth[*at]));
    small
        .filter(|at| {
            facts.most(&(0..12).map(|i| f64::from(u8::from(i == *at))).collect::<Vec<_>>()) < SMALL as f64 - 1e-6
        })
        .map(|at| format!("group {group}: {} re-offences of kind {at}", truth[at]))
        .collect()
}

#[test]
fn no_few_people_can_be_worked_out_from_all_numbers_of_a_report() {
    let mut rng = ChaCha8Rng::seed_from_u64(31);
    let questions = questions();
    let (mut asked, mut tables, mut shown, mut unprotected) = (0, 0, 0, 0);
    let mut leaks: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let chances = Chances::draw(&mut rng);
        let kind = [Matching::Plain, Matching::Plain, Matching::Reused, Matching::Sets][round % 4];
        let world = draw_world(&mut rng, &chances, kind);
        let sub_groups: &[&str] = [&[][..], &["female"], &["female", "male"]][round % 3];
        let by_ethnicity: &[&str] = if round % 5 < 2 { &["white", "black"][..1 + round % 5] } else { &[] };
        let primary = match round % 7 {
            5 => Measure::ReoffenceFrequency,
            6 => Measure::DaysToFirstReoffence,
            _ => Measure::ReoffendingRate,
        };
        let without = rng.random_range(0..35);
        let result = report(&world, [sub_groups, by_ethnicity], primary, without);
        shown += result.balance.rows.iter().filter(|row| row.treatment_mean.is_some()).count();
        let say = |leak: &String| format!("round {round} ({kind:?}): {leak}");
        leaks.extend(plainly_unsafe(&result, &world, without).iter().map(say));
        for group in 0..2 {
            leaks.extend(few_reoffences(&result, &world, group).iter().map(say));
            let Some(intruder) = Intruder::of(&result, group, &world) else { continue };
            // With the levels that the balance table withholds the same programme finds people: it can see.
            let mut all = Intruder { kinds: intruder.kinds.clone(), facts: intruder.facts.clone() };
            for sex in 0..SEXES.len() {
                all.count(world.count(group, |c| c.sex == sex) as f64, |c| c.sex == sex);
            }
            for (name, holds) in &questions {
                let truth = world.count(group, holds);
                if (1..SMALL).contains(&truth) {
                    asked += 1;
                    unprotected += usize::from(name.starts_with("sex") && all.most(true, holds) < SMALL as f64 - 1e-6);
                    let most = intruder.most(true, holds);
                    if most < SMALL as f64 - 1e-6 {
                        leaks.push(say(&format!("group {group}, {name}: {truth} people, at most {most}")));
                    }
                }
                // The rest of the pool, whose outcomes are no part of the report.
                let others = world.others.iter().filter(|cell| holds(cell)).count() as i64;
                let of_a_level = ["sex", "ethnicity", "employed"].iter().any(|start| name.starts_with(start));
                if group == 1 && of_a_level && (1..SMALL).contains(&others) {
                    asked += 1;
                    let most = intruder.most(false, holds);
                    if most < SMALL as f64 - 1e-6 {
                        leaks.push(say(&format!("pool, {name}: {others} people, at most {most}")));
                    }
                }
            }
            // Sets of sub-groups that are too small for a table have none, by no subtraction.
            let sets = |levels: usize, of: fn(&Cell) -> usize| (1..1 << levels).map(move |set: usize| (set, of));
            for (set, of) in sets(SEXES.len(), |c| c.sex).chain(sets(ETHNICITIES.len(), |c| c.ethnicity)) {
                let is_in = move |c: &Cell| set >> of(c) & 1 == 1;
                if (1..TABLE).contains(&world.count(group, is_in)) {
                    tables += 1;
                    let holds = move |c: &Cell| is_in(c) && c.first.is_some();
                    let [least, most] = [intruder.least(&holds), intruder.most(true, &holds)];
                    if most - least < 1.0 - 1e-6 {
                        leaks.push(say(&format!("group {group}, set {set:b}: {most} re-offended")));
                    }
                }
            }
        }
    }
    println!(
        "{asked} small counts and {tables} small tables asked after, {shown} means shown, {unprotected} found where nothing is withheld"
    );
    assert!(asked > 600 && tables > 100 && shown > 150 && unprotected > 50, "{asked} {tables} {shown} {unprotected}");
    assert!(leaks.is_empty(), "{} of {asked}:\n{}", leaks.len(), leaks.join("\n"));
}
