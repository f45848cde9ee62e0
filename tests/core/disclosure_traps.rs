//! The traps into which other tools and rules of thumb fall, each by name; and the exact search against trying every pattern.

use std::collections::BTreeMap;

use jdl_core::disclosure::{
    Costs, Hierarchies, Interval, Known, Labels, Policy, Protected, Record, Rounding, Table, Target, View, Zeros,
    intervals, sensitive_cells,
};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{assert_safe, audit, random_table, safe};

fn table(dimensions: &[&str], rows: &[(&[&str], i64)]) -> Table {
    Table::from_records(dimensions, &Hierarchies::new(), &records(rows)).unwrap()
}

fn records(rows: &[(&[&str], i64)]) -> Vec<Record> {
    rows.iter()
        .map(|(labels, count)| Record { labels: labels.iter().map(|l| Some((*l).to_owned())).collect(), count: *count })
        .collect()
}

fn find(table: &Table, labels: &[(&str, &str)]) -> usize {
    let labels: Labels = labels.iter().map(|(name, label)| ((*name).to_owned(), Some((*label).to_owned()))).collect();
    table.layout().find(&labels).unwrap()
}

/// What the intruder makes of a pattern that somebody else chose: hidden cells are at least 1.
fn seen(table: &Table, hidden: &[usize]) -> Vec<Interval> {
    let known: Vec<Known> = table
        .counts()
        .iter()
        .enumerate()
        .map(|(cell, count)| match hidden.contains(&cell) {
            true => Known::Hidden { at_least: 1, at_most: None },
            false => Known::Exactly(*count),
        })
        .collect();
    intervals(&View { layout: table.layout(), known: &known }, &|| {}).unwrap()
}

fn checked(table: &Table, policy: &Policy) -> Protected {
    let safe = safe(table, policy);
    assert_safe(table, policy, &safe);
    safe
}

fn exact(threshold: i64) -> Policy {
    Policy { threshold, target: Target::Exact, ..Policy::default() }
}

#[test]
fn trap_bridge() {
    // Two rectangles of hidden cells joined by one more: every line has two or three hidden cells, and the bridge is known.
    let mut rows = Vec::new();
    let names = ["a", "b", "c", "d"];
    let small = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3), (3, 2), (3, 3), (1, 2)];
    for a in 0..4 {
        for b in 0..4 {
            rows.push((vec![names[a], names[b]], if small.contains(&(a, b)) { 2 } else { 40 + (a * 4 + b) as i64 }));
        }
    }
    let rows: Vec<(&[&str], i64)> = rows.iter().map(|(labels, count)| (labels.as_slice(), *count)).collect();
    let table = table(&["one", "two"], &rows);
    let at = |a: usize, b: usize| find(&table, &[("one", names[a]), ("two", names[b])]);
    let hidden: Vec<usize> = small.iter().map(|(a, b)| at(*a, *b)).collect();
    for row in table.layout().rows() {
        let in_line = row.parts.iter().filter(|part| hidden.contains(part)).count();
        assert!(in_line != 1, "the rule of thumb is content");
    }
    let found = seen(&table, &hidden);
    let bridge = found.iter().find(|interval| interval.cell == at(1, 2)).unwrap();
    assert!(bridge.is_disclosed() && bridge.lower == 2, "{bridge:?}");
    checked(&table, &exact(5));
    checked(&table, &Policy::default());
}

#[test]
fn trap_small_margin() {
    // 2 + 3 = 5: hiding both and printing their total proves that both are small.
    let table = table(
        &["one", "two"],
        &[
            (&["a", "x"], 2),
            (&["a", "y"], 3),
            (&["b", "x"], 30),
            (&["b", "y"], 40),
            (&["c", "x"], 25),
            (&["c", "y"], 35),
        ],
    );
    let total = find(&table, &[("one", "a")]);
    let hidden = [find(&table, &[("one", "a"), ("two", "x")]), find(&table, &[("one", "a"), ("two", "y")])];
    let found = seen(
        &table,
        &[
            hidden[0],
            hidden[1],
            find(&table, &[("one", "b"), ("two", "x")]),
            find(&table, &[("one", "b"), ("two", "y")]),
        ],
    );
    assert!(
        found.iter().filter(|interval| hidden.contains(&interval.cell)).all(|interval| interval.is_provably_below(10))
    );
    let safe = checked(&table, &Policy::default());
    assert_eq!(safe.values[total], None, "the small margin is hidden itself");
}

#[test]
fn trap_all_ones() {
    // Zeros are published, so a hidden cell is at least 1: three of them that sum to 3 are known.
    let table = table(
        &["one", "two"],
        &[
            (&["a", "x"], 1),
            (&["a", "y"], 1),
            (&["a", "z"], 1),
            (&["b", "x"], 30),
            (&["b", "y"], 40),
            (&["b", "z"], 50),
        ],
    );
    let hidden: Vec<usize> =
        ["x", "y", "z"].iter().flat_map(|l| ["a", "b"].map(|one| find(&table, &[("one", one), ("two", l)]))).collect();
    assert!(
        seen(&table, &hidden).iter().filter(|interval| table.counts()[interval.cell] == 1).all(Interval::is_disclosed)
    );
    checked(&table, &exact(3));
    checked(&table, &Policy::default());
}

#[test]
fn trap_two_markers() {
    // A marker of its own for small cells says of them that they are below the threshold, and of the others that they are not.
    let table = table(&["one"], &[(&["a"], 1), (&["b"], 10), (&["c"], 30)]);
    let view = |small: Option<i64>, large: i64| {
        let known = [
            Known::Hidden { at_least: 1, at_most: small },
            Known::Hidden { at_least: large, at_most: None },
            Known::Exactly(30),
            Known::Exactly(41),
        ];
        intervals(&View { layout: table.layout(), known: &known }, &|| {}).unwrap()
    };
    assert!(view(None, 1).iter().all(|interval| !interval.is_disclosed()), "one marker for both");
    assert!(view(Some(9), 10).iter().all(Interval::is_disclosed), "two markers");
}

#[test]
fn trap_zero_complement() {
    // 14 of 14 did not re-offend: the zero is everybody's answer, and a published complement gives it back.
    let table = table(
        &["outcome", "sex"],
        &[
            (&["yes", "F"], 0),
            (&["no", "F"], 14),
            (&["yes", "M"], 40),
            (&["no", "M"], 60),
            (&["yes", "X"], 25),
            (&["no", "X"], 30),
        ],
    );
    let policy = Policy { outcome_dimension: Some("outcome".to_owned()), ..Policy::default() };
    let zero = find(&table, &[("outcome", "yes"), ("sex", "F")]);
    assert_eq!(safe(&table, &Policy::default()).values[zero], Some(0), "without an outcome dimension a zero is a zero");
    let safe = checked(&table, &policy);
    assert_eq!(safe.values[zero], None);
    let (all, rest) = (find(&table, &[("sex", "F")]), find(&table, &[("outcome", "no"), ("sex", "F")]));
    assert!(safe.values[all].is_none() || safe.values[rest].is_none());
}

#[test]
fn trap_everybody() {
    // All 11 women re-offended.
    let table = table(
        &["outcome", "sex"],
        &[
            (&["yes", "F"], 11),
            (&["no", "F"], 0),
            (&["yes", "M"], 40),
            (&["no", "M"], 60),
            (&["yes", "X"], 25),
            (&["no", "X"], 30),
        ],
    );
    let policy = Policy { outcome_dimension: Some("outcome".to_owned()), ..Policy::default() };
    let safe = checked(&table, &policy);
    assert_eq!(safe.values[find(&table, &[("outcome", "no"), ("sex", "F")])], None);
    let (all, yes) = (find(&table, &[("sex", "F")]), find(&table, &[("outcome", "yes"), ("sex", "F")]));
    assert!(safe.values[all].is_none() || safe.values[yes].is_none());
}

#[test]
fn trap_hierarchy() {
    // North less its other prisons is the small one; England less South is North.
    let parents: BTreeMap<String, String> =
        [("Leeds", "North"), ("Durham", "North"), ("Kent", "South"), ("Dover", "South")]
            .map(|(child, parent)| (child.to_owned(), parent.to_owned()))
            .into();
    let hierarchies = Hierarchies::from([("prison".to_owned(), parents)]);
    let rows: [(&[&str], i64); 4] = [(&["Leeds"], 4), (&["Durham"], 50), (&["Kent"], 60), (&["Dover"], 70)];
    let table = Table::from_records(&["prison"], &hierarchies, &records(&rows)).unwrap();
    let safe = checked(&table, &Policy::default());
    let value = |label| safe.values[find(&table, &[("prison", label)])];
    assert_eq!(value("Leeds"), None);
    assert!(value("North").is_none() || value("Durham").is_none());
    assert!(value("North").is_some() || value("South").is_none() || safe.values[table.layout().len() - 1].is_none());
}

#[test]
fn trap_linked_tables() {
    // Two tables of the same people, each safe alone: 25 women less 22 is 3 in one, and the other prints the 25.
    let one =
        table(&["outcome", "sex"], &[(&["no", "F"], 22), (&["yes", "F"], 3), (&["no", "M"], 60), (&["yes", "M"], 40)]);
    let two =
        table(&["place", "sex"], &[(&["P1", "F"], 12), (&["P2", "F"], 13), (&["P1", "M"], 45), (&["P2", "M"], 55)]);
    let alone = checked(&two, &Policy::default());
    assert!(alone.values.iter().all(Option::is_some), "nothing is small in the second table");
    let linked = Table::link(&[one, two]).unwrap();
    let safe = checked(&linked, &Policy::default());
    let value = |labels: &[(&str, &str)]| safe.values[find(&linked, labels)];
    assert_eq!(value(&[("outcome", "yes"), ("sex", "F")]), None);
    let women = value(&[("sex", "F")]);
    let through =
        value(&[("place", "P1"), ("sex", "F")]).is_some() && value(&[("place", "P2"), ("sex", "F")]).is_some();
    assert!(value(&[("outcome", "no"), ("sex", "F")]).is_none() || (women.is_none() && !through));
}

#[test]
fn trap_a_minus_one() {
    // The cohort, and the cohort without one person: the difference of the two reports is what that person did.
    let table = table(
        &["cohort", "outcome"],
        &[
            (&["A minus one", "yes"], 30),
            (&["A minus one", "no"], 41),
            (&["the one", "yes"], 1),
            (&["the one", "no"], 0),
        ],
    );
    let policy = Policy { outcome_dimension: Some("outcome".to_owned()), ..Policy::default() };
    let safe = checked(&table, &policy);
    let found = audit(&table, &policy, &safe.values);
    for outcome in ["yes", "no"] {
        let cell = find(&table, &[("cohort", "the one"), ("outcome", outcome)]);
        let interval = found.iter().find(|interval| interval.cell == cell).unwrap();
        assert!(!interval.is_disclosed() && !interval.is_provably_below(10), "{outcome}: {interval:?}");
        let both = [("cohort", "A minus one"), ("outcome", outcome)];
        assert!(
            safe.values[find(&table, &both)].is_none() || safe.values[find(&table, &[("outcome", outcome)])].is_none()
        );
    }
}

#[test]
fn trap_controlled_rounding() {
    // Published multiples of 5 add up, so where one cell of a line is hidden its multiple follows, and the count within 4 of it:
    // of 7 beside 15, together 20, that it is below 10. So the multiples are suppressed as if they were the counts.
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let mut sensitive = 0;
    for round in 0..60 {
        let table = random_table(&mut rng, &[2 + round % 2, 3], 3, 1);
        let policy = Policy { rounding: Rounding::Controlled5, ..Policy::default() };
        let safe = checked(&table, &policy);
        let multiples: Vec<Known> = safe
            .values
            .iter()
            .map(|value| value.map_or(Known::Hidden { at_least: 0, at_most: None }, |value| Known::Exactly(value / 5)))
            .collect();
        let found = intervals(&View { layout: table.layout(), known: &multiples }, &|| {}).unwrap();
        for need in sensitive_cells(&table, &policy).unwrap() {
            let interval = found.iter().find(|interval| interval.cell == need.cell).unwrap();
            let most = interval.upper.map(|most| 5 * most + 4);
            assert!(most.is_none_or(|most| most >= policy.threshold), "{:?} {:?}", table.counts(), safe.values);
            sensitive += 1;
        }
    }
    assert!(sensitive > 100, "{sensitive}");
}

#[test]
fn the_largest_costs_are_borne() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for round in 0..600 {
        let sizes: &[usize] = [&[3, 3][..], &[2, 2, 2], &[3, 2]][round % 3];
        let table = random_table(&mut rng, sizes, 4, 2);
        let costs = Costs { inner: u32::MAX, margin: u32::MAX - 1, by_count: round / 3 % 2 == 0, ..Costs::default() };
        let zeros = [Zeros::Published, Zeros::MayHide, Zeros::Hidden][round / 6 % 3];
        let target = [Target::Exact, Target::Reach][round / 18 % 2];
        checked(&table, &Policy { costs, zeros, target, threshold: 3 + (round / 36 % 8) as i64, ..Policy::default() });
    }
}

/// The cheapest pattern of all that the audit finds nothing in.
fn cheapest(table: &Table, policy: &Policy, costs: &[u64]) -> Option<u64> {
    let needs = sensitive_cells(table, policy).unwrap();
    let free: Vec<usize> = (0..costs.len())
        .filter(|cell| table.counts()[*cell] > 0 && needs.iter().all(|need| need.cell != *cell))
        .collect();
    let cost = |pattern: u32| -> u64 {
        free.iter().enumerate().filter(|(at, _)| pattern >> at & 1 == 1).map(|(_, cell)| costs[*cell]).sum()
    };
    let mut patterns: Vec<u32> = (0..1 << free.len()).collect();
    patterns.sort_by_key(|pattern| cost(*pattern));
    patterns.into_iter().find_map(|pattern| {
        let values: Vec<Option<i64>> = (0..costs.len())
            .map(|cell| {
                let further = free.iter().position(|free| *free == cell).is_some_and(|at| pattern >> at & 1 == 1);
                let hidden = further || needs.iter().any(|need| need.cell == cell);
                (!hidden).then_some(table.counts()[cell])
            })
            .collect();
        let found = audit(table, policy, &values);
        let safe = needs.iter().all(|need| {
            let interval = found.iter().find(|interval| interval.cell == need.cell).unwrap();
            match need.at_least {
                Some(at_least) => !interval.is_provably_below(at_least),
                None => !interval.is_disclosed(),
            }
        });
        safe.then(|| cost(pattern))
    })
}

#[test]
fn a_proven_optimum_is_the_cheapest_of_all_patterns() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut compared, mut proven) = (0, 0);
    for round in 0..40 {
        let table = random_table(&mut rng, &[2 + round % 2, 3], 3, 1);
        let target = [Target::Exact, Target::Reach][round / 2 % 2];
        let policy = Policy { target, threshold: [5, 10][round / 4 % 2], ..Policy::default() };
        let Costs { inner, margin, .. } = policy.costs;
        let costs: Vec<u64> = (0..table.layout().len())
            .map(|cell| u64::from(if table.layout().is_margin(cell) { margin } else { inner }))
            .collect();
        let safe = safe(&table, &policy);
        let Some(best) = cheapest(&table, &policy, &costs) else { panic!("some pattern protects: all hidden") };
        assert!(safe.loss.cost >= best, "the audit is as strict as the search");
        if safe.loss.could_save == Some(0) {
            assert_eq!(safe.loss.cost, best, "{:?} {policy:?}", table.counts());
            proven += 1;
        }
        compared += 1;
    }
    println!("{proven} of {compared} proven optimal, each the cheapest of all patterns");
    assert!(proven * 10 >= compared * 9, "{proven} of {compared}");
}
