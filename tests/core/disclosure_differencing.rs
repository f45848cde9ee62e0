//! Sketches against the sizes of difference they must and must not find, with everything individual gone; and what the
//! other defence, rounding by sticky keys, leaves to somebody who subtracts two releases.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use jdl_core::disclosure::{CohortKey, Key, Relation, Sketch, compare, round_by_key};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn key(byte: u8) -> Key {
    Key::new(1, [byte; 32])
}

/// Of `rounds` pairs of cohorts of `size` people of which `apart` are only in one, the share that is flagged. Only the
/// stored sketch of the earlier cohort is compared: of its people nothing is left.
fn flagged(rounds: i64, size: i64, apart: i64, byte: u8) -> f64 {
    let key = key(byte);
    let hits = (0..rounds)
        .filter(|round| {
            let first = round * 1_000_000;
            // Half of the difference left, half of it came.
            let (left, came) = (apart - apart / 2, apart / 2);
            let earlier = serde_json::to_string(&Sketch::new(&key, first..first + size).unwrap()).unwrap();
            let new = Sketch::new(&key, first + left..first + size + came).unwrap();
            let stored: Sketch = serde_json::from_str(&earlier).unwrap();
            compare(&new, &[stored]).unwrap().findings.iter().any(|f| f.relation == Relation::Same(0))
        })
        .count();
    hits as f64 / rounds as f64
}

#[test]
fn up_to_ten_people_are_flagged_and_thirty_are_not() {
    for (size, rounds) in [(40, 1000), (200, 1000), (1000, 300), (5000, 100)] {
        for apart in [1, 2, 5, 10] {
            let share = flagged(rounds, size, apart, 3);
            println!("flagged: {size} people, {apart} apart: {share:.3}");
            assert!(share >= 0.99, "{size} {apart} {share}");
        }
        for apart in [30, 38] {
            let share = flagged(rounds, size, apart, 4);
            println!("flagged: {size} people, {apart} apart: {share:.3}");
            assert!(share < 0.01, "{size} {apart} {share}");
        }
    }
}

#[test]
fn a_union_but_for_a_few_is_flagged_and_but_for_thirty_is_not() {
    let key = key(6);
    let share = |apart: i64, part: bool| {
        let hits = (0..500).filter(|round| {
            let first = round * 1_000_000;
            let b = Sketch::new(&key, first..first + 60).unwrap();
            let c = Sketch::new(&key, first + 60..first + 150).unwrap();
            let a = Sketch::new(&key, first + apart..first + 150).unwrap();
            let (new, earlier, sought) = match part {
                // The new one is two earlier ones put together, or what is left of an earlier one without another.
                false => (a, [b, c], Relation::UnionOf(0, 1)),
                true => (c, [a, b], Relation::PartOf(0, 1)),
            };
            compare(&new, &earlier).unwrap().findings.iter().any(|f| f.relation == sought)
        });
        hits.count() as f64 / 500.0
    };
    for part in [false, true] {
        for apart in [0, 1, 5, 10] {
            assert!(share(apart, part) >= 0.99, "{apart} {part}");
        }
        assert!(share(30, part) < 0.01, "{part}");
    }
}

#[test]
fn unrelated_cohorts_of_one_provider_are_let_through() {
    let key = key(8);
    let sketch = |n: i64| Sketch::new(&key, n * 1_000..n * 1_000 + 60 + 7 * n).unwrap();
    let earlier: Vec<Sketch> = (0..20).map(sketch).collect();
    // 20 single comparisons and 570 with pairs.
    for n in 20..60 {
        assert!(compare(&sketch(n), &earlier).unwrap().findings.is_empty(), "{n}");
    }
}

/// A person's number and whether they re-offended.
type Person = (i64, bool);

/// How often somebody who holds the numbers of a cohort and of the same without one person tells what that person did, who
/// re-offended with probability 0.4. `publish` makes the published numbers of people and of re-offenders.
fn guessed(size: i64, publish: &dyn Fn(&[Person]) -> (f64, f64)) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(size as u64);
    let rounds = 4000;
    // What was seen, and how often the person had re-offended then: the best guess is the more frequent.
    let mut seen: std::collections::BTreeMap<(i64, i64), [u32; 2]> = std::collections::BTreeMap::new();
    for round in 0..rounds {
        let people: Vec<Person> = (0..size).map(|n| (round * 10_000 + n, rng.random_range(0.0..1.0) < 0.4)).collect();
        let (all, without) = (publish(&people), publish(&people[1..]));
        let difference = (((all.0 - without.0) * 100.0) as i64, ((all.1 - without.1) * 100.0) as i64);
        seen.entry(difference).or_default()[usize::from(people[0].1)] += 1;
    }
    f64::from(seen.values().map(|outcomes| outcomes[0].max(outcomes[1])).sum::<u32>()) / f64::from(rounds as u32)
}

#[test]
fn rounding_by_the_key_of_the_cohort_tells_hardly_more_than_a_blind_guess() {
    let key = key(9);
    let exact = |people: &[(i64, bool)]| {
        (people.len() as f64, people.iter().filter(|(_, reoffended)| *reoffended).count() as f64)
    };
    let rounded = |people: &[(i64, bool)]| {
        let cohort = CohortKey::new(&key, people.iter().map(|(person, _)| *person));
        let (all, again) = exact(people);
        let cell = |count: f64, name: &str| round_by_key(count as i64, cohort.cell(name)) as f64;
        (cell(all, "people"), cell(again, "Re-offending rate"))
    };
    for size in [40, 100, 300] {
        let (exact, rounded) = (guessed(size, &exact), guessed(size, &rounded));
        println!("A minus one, {size} people: exact numbers {exact:.3}, rounded by the key {rounded:.3}");
        assert!(exact > 0.999);
        assert!(rounded < 0.68, "{size}: {rounded}");
    }
}
