//! Disclosure control against an intruder: properties of random tables, and the audit against counting every table.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::collections::BTreeMap;

use jdl_core::disclosure::{
    Hierarchies, Interval, Key, Known, Policy, Protected, Record, Rounding, Status, Table, Target, View, Zeros,
    cell_keys, intervals, protect,
};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};

#[path = "disclosure_traps.rs"]
mod disclosure_traps;

fn text(label: &str) -> Option<String> {
    Some(label.to_owned())
}

/// A table of every combination of labels with random counts: `small` in ten are 1 to 9, `zero` in ten are 0.
fn random_table(rng: &mut ChaCha8Rng, sizes: &[usize], small: u32, zero: u32) -> Table {
    let names: Vec<String> = (0..sizes.len()).map(|d| format!("d{d}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut records = Vec::new();
    for number in 0..sizes.iter().product::<usize>() {
        let mut rest = number;
        let labels = sizes
            .iter()
            .map(|size| {
                let label = text(&format!("{:02}", rest % size));
                rest /= size;
                label
            })
            .collect();
        records.push(Record { labels, count: random_count(rng, small, zero) });
    }
    Table::from_records(&names, &Hierarchies::new(), &records).unwrap()
}

fn random_count(rng: &mut ChaCha8Rng, small: u32, zero: u32) -> i64 {
    match rng.random_range(0..10_u32) {
        draw if draw < small => rng.random_range(1..10),
        draw if draw < small + zero => 0,
        _ => rng.random_range(10..60),
    }
}

/// A table with two levels below the total in its first dimension.
fn random_hierarchy(rng: &mut ChaCha8Rng) -> Table {
    let mut parents = BTreeMap::new();
    let mut records = Vec::new();
    for region in 0..rng.random_range(2..4) {
        for prison in 0..rng.random_range(1..4) {
            let prison = format!("prison {region}{prison}");
            parents.insert(prison.clone(), format!("region {region}"));
            for outcome in ["no", "yes"] {
                records.push(Record { labels: vec![text(&prison), text(outcome)], count: random_count(rng, 4, 2) });
            }
        }
    }
    let hierarchies = Hierarchies::from([("place".to_owned(), parents)]);
    Table::from_records(&["place", "outcome"], &hierarchies, &records).unwrap()
}

/// Three two-way tables of the same people, linked.
fn random_links(rng: &mut ChaCha8Rng) -> Table {
    let people: Vec<[String; 3]> = (0..rng.random_range(30..200))
        .map(|_| {
            [3, 4, 2].map(|labels: u32| {
                let (a, b) = (rng.random_range(0..labels), rng.random_range(0..labels));
                a.min(b).to_string()
            })
        })
        .collect();
    let tables: Vec<Table> = [(0, 1), (1, 2), (0, 2)]
        .map(|(a, b)| {
            let records: Vec<Record> = people
                .iter()
                .map(|person| Record { labels: vec![text(&person[a]), text(&person[b])], count: 1 })
                .collect();
            Table::from_records(&[&format!("d{a}"), &format!("d{b}")], &Hierarchies::new(), &records).unwrap()
        })
        .to_vec();
    Table::link(&tables).unwrap()
}

fn safe(table: &Table, policy: &Policy) -> Protected {
    protect(table, policy, &cell_keys(&Key::new(1, [1; 32]), table), &|| {}, &|| false).unwrap()
}

fn audit(table: &Table, policy: &Policy, values: &[Option<i64>]) -> Vec<Interval> {
    let known = policy.known(table, values).unwrap();
    let view = View { layout: table.layout(), known: &known };
    intervals(&view, &|| {}).unwrap()
}

/// The audit finds nothing, and no cell is hidden that is known anyway.
fn assert_safe(table: &Table, policy: &Policy, safe: &Protected) {
    let found = audit(table, policy, &safe.values);
    for interval in &found {
        assert!(interval.lower <= table.counts()[interval.cell], "the truth is in the interval");
        assert!(interval.upper.is_none_or(|upper| upper >= table.counts()[interval.cell]));
        assert!(!interval.is_disclosed(), "{interval:?} is disclosed: {:?}", safe.values);
    }
    for need in &safe.needs {
        let interval = found.iter().find(|interval| interval.cell == need.cell).unwrap();
        if let Some(at_least) = need.at_least {
            assert!(!interval.is_provably_below(at_least), "{interval:?} is provably small: {:?}", safe.values);
        }
    }
    for (value, status) in safe.values.iter().zip(&safe.status) {
        assert_eq!(value.is_none(), matches!(status, Status::Primary | Status::Secondary));
    }
}

fn policies(rng: &mut ChaCha8Rng) -> Policy {
    let threshold = [3, 5, 10][rng.random_range(0..3)];
    let roundings = [Rounding::None, Rounding::None, Rounding::Base5, Rounding::Random5];
    Policy {
        threshold,
        target: [Target::Exact, Target::Reach][rng.random_range(0..2)],
        rounding: if threshold < 5 { Rounding::None } else { roundings[rng.random_range(0..4)] },
        zeros: [Zeros::Published, Zeros::Published, Zeros::MayHide, Zeros::Hidden][rng.random_range(0..4)],
        ..Policy::default()
    }
}

#[test]
fn nothing_is_found_in_thousands_of_random_tables() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for round in 0..1200 {
        let mut policy = policies(&mut rng);
        let table = match round % 4 {
            0 => {
                let sizes = [rng.random_range(2..6), rng.random_range(2..6)];
                random_table(&mut rng, &sizes, 3, 2)
            }
            1 => {
                let sizes = [rng.random_range(2..4), rng.random_range(2..4), rng.random_range(2..4)];
                random_table(&mut rng, &sizes, 3, 2)
            }
            2 => {
                if rng.random_range(0..2) == 0 {
                    policy.outcome_dimension = text("outcome");
                }
                random_hierarchy(&mut rng)
            }
            _ => random_links(&mut rng),
        };
        let safe = safe(&table, &policy);
        assert_safe(&table, &policy, &safe);
    }
}

/// Every table with counts up to `most` that agrees with what is published, counted out: inner cells take every value,
/// totals follow.
fn count_out(table: &Table, published: &[Option<i64>], floors: &[i64], most: i64) -> Vec<Option<(i64, i64)>> {
    let layout = table.layout();
    // In a product table the total comes after its parts, so that it is known when its turn comes.
    let parts: Vec<Option<&[usize]>> = (0..layout.len())
        .map(|cell| layout.rows().iter().find(|row| row.total == cell).map(|row| row.parts.as_slice()))
        .collect();
    let mut ranges = vec![None; layout.len()];
    let mut counts = vec![0; layout.len()];
    let mut next = vec![0; layout.len() + 1];
    let mut cell = 0;
    let range = |cell: usize, counts: &[i64]| -> std::ops::Range<i64> {
        let (low, high) = published[cell].map_or((floors[cell], most + 1), |count| (count, count + 1));
        match parts[cell] {
            Some(parts) => {
                let sum: i64 = parts.iter().map(|part| counts[*part]).sum();
                if (low..high).contains(&sum) { sum..sum + 1 } else { 0..0 }
            }
            None => low..high,
        }
    };
    next[0] = range(0, &counts).start;
    loop {
        if cell == layout.len() {
            for (range, count) in ranges.iter_mut().zip(&counts) {
                let (low, high) = range.unwrap_or((*count, *count));
                *range = Some((low.min(*count), high.max(*count)));
            }
        } else if range(cell, &counts).contains(&next[cell]) {
            counts[cell] = next[cell];
            next[cell] += 1;
            cell += 1;
            if cell < layout.len() {
                next[cell] = range(cell, &counts).start;
            }
            continue;
        }
        if cell == 0 {
            return ranges;
        }
        cell -= 1;
    }
}

#[test]
fn the_audit_agrees_with_counting_every_table() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut compared = 0;
    let mut disclosed = 0;
    for round in 0..1500 {
        let sizes: &[usize] = if round % 3 == 0 { &[2, 2, 2] } else { &[2 + round % 2, 3] };
        let mut table = random_table(&mut rng, sizes, 10, 0);
        while table.counts()[table.layout().len() - 1] > 24 {
            table = random_table(&mut rng, sizes, 10, 0);
        }
        let hide = rng.random_range(2..7);
        let published: Vec<Option<i64>> =
            table.counts().iter().map(|count| (rng.random_range(0..10) >= hide).then_some(*count)).collect();
        if published.iter().filter(|value| value.is_none()).count() > 9 {
            continue;
        }
        let floors = vec![i64::from(rng.next_u32() % 2 == 0); published.len()];
        let most = 14;
        let known: Vec<Known> = published
            .iter()
            .zip(&floors)
            .map(|(value, floor)| value.map_or(Known::Hidden { at_least: *floor, at_most: Some(most) }, Known::Exactly))
            .collect();
        let view = View { layout: table.layout(), known: &known };
        let fits = |(count, value): (&i64, &Option<i64>)| value.is_some() || *count <= most;
        if !table.counts().iter().zip(&published).all(fits) {
            continue;
        }
        let truth = count_out(&table, &published, &floors, most);
        for interval in intervals(&view, &|| {}).unwrap() {
            let (low, high) = truth[interval.cell].unwrap();
            assert!(interval.tight);
            assert_eq!((interval.lower, interval.upper), (low, Some(high)), "{published:?}");
            compared += 1;
            disclosed += usize::from(interval.is_disclosed());
        }
    }
    assert!(compared > 500 && disclosed > 100 && compared - disclosed > 100, "{compared} {disclosed}");
}
