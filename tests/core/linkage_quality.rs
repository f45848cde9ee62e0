//! Precision and recall of linkage, end to end, on a made-up population with traps.
//!
//! `LINKAGE_PERSONS`, `LINKAGE_SUBMITTED` and `LINKAGE_SEED` make it larger or other (run with `--nocapture` for the tables).

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::collections::BTreeMap;

use jdl_core::linkage::{
    BlockIndex, BlockPolicy, LinkInput, LinkOptions, LinkOutcome, Model, Status, TermFrequencies, TrainingOptions,
    link, train,
};

#[path = "linkage_population.rs"]
mod population;
use population::World;
#[path = "linkage_judge.rs"]
mod judge;
use judge::{Quality, print_calibration};

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn print_by_tag(world: &World, outcome: &LinkOutcome) {
    let mut table: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut reasons: BTreeMap<(&str, &str, bool), usize> = BTreeMap::new();
    for (row, record) in world.cohort.iter().zip(&outcome.records) {
        let column = match (record.status, record.person_id == row.truth) {
            (Status::Linked, true) => 0,
            (Status::Linked, false) => 1,
            (Status::Suspect, _) => 2,
            (Status::Unlinked, _) => 3,
        };
        let plain = ["present, no error"];
        let tags: &[&str] = if row.tags.is_empty() { &plain } else { &row.tags };
        tags.iter().for_each(|&tag| table.entry(tag).or_default()[column] += 1);
        if let Some(reason) = record.reason {
            *reasons.entry((record.status.name(), reason.name(), row.truth.is_some())).or_default() += 1;
        }
    }
    println!("{:28} {:>7} {:>7} {:>7} {:>8}", "", "right", "wrong", "suspect", "unlinked");
    for (tag, [right, wrong, suspect, unlinked]) in table {
        println!("{tag:28} {right:7} {wrong:7} {suspect:7} {unlinked:8}");
    }
    for ((status, reason, present), n) in reasons {
        println!("{status:9} {reason:26} {} {n:6}", if present { "present" } else { "absent " });
    }
}

#[test]
fn a_cohort_full_of_traps_is_linked_precisely_and_nearly_completely() {
    let persons = setting("LINKAGE_PERSONS", 30_000);
    let submitted = setting("LINKAGE_SUBMITTED", 4_000);
    let world = World::new(persons, submitted, setting("LINKAGE_SEED", 1) as u64);
    let register = world.register_records();
    let submissions = world.submissions();
    let clock = std::time::Instant::now();
    let index = BlockIndex::new(&register);
    println!(
        "index: {} persons, {:.1} keys each, {:.1?}",
        register.len(),
        index.len() as f64 / register.len() as f64,
        clock.elapsed()
    );
    let frequencies = TermFrequencies::from_register(&register);

    let clock = std::time::Instant::now();
    let candidates: Vec<Vec<u32>> =
        submissions.iter().map(|submission| index.candidates(submission, &BlockPolicy::default())).collect();
    let pairs: usize = candidates.iter().map(Vec::len).sum();
    println!("candidates: {:.1} a submission, {:.1?}", pairs as f64 / submitted as f64, clock.elapsed());
    let lost: Vec<&Vec<&str>> = world
        .cohort
        .iter()
        .zip(&candidates)
        .filter(|(row, found)| {
            row.truth.is_some_and(|id| !found.iter().any(|&at| register[at as usize].person_id == id))
        })
        .map(|(row, _)| &row.tags)
        .collect();
    let truth: Vec<Option<i64>> = world.cohort.iter().map(|row| row.truth).collect();
    let present = world.cohort.iter().filter(|row| row.truth.is_some()).count();
    println!("lost by blocking: {} of {present}: {lost:?}", lost.len());
    assert!(lost.len() as f64 <= 0.003 * present as f64);

    let input = LinkInput {
        submissions: &submissions,
        register: &register,
        candidates: &candidates,
        evidence: None,
        frequencies: &frequencies,
    };
    let shipped = Model::default();
    let clock = std::time::Instant::now();
    let (trained, record) = train(&input, &shipped, &TrainingOptions::default(), &|| {}).unwrap();
    println!("training: {:.1?} {record:?} {:?}", clock.elapsed(), trained.relatives);

    for (name, model) in [("shipped", &shipped), ("trained", &trained)] {
        let clock = std::time::Instant::now();
        let options = LinkOptions::default();
        let outcome = link(&input, model, &options, &|| {}).unwrap();
        let elapsed = clock.elapsed();
        let quality = Quality::new(&truth, &outcome);
        println!("== {name}: {elapsed:.1?}");
        print_by_tag(&world, &outcome);
        print_calibration(&truth, &outcome);
        if setting("LINKAGE_WRONG", 0) > 0 {
            print_wrong(&world, &outcome, model, &frequencies);
        }
        quality.print(name, &outcome);
        assert!(quality.precision() >= 0.99, "precision {}", quality.precision());
        assert!(quality.recall() >= 0.97, "recall {}", quality.recall());
        assert!(quality.best_f1 >= 0.99, "F1 {}", quality.best_f1);
    }
}

/// The waterfall of every wrong link, for whoever tunes the model (`LINKAGE_WRONG=1`).
fn print_wrong(world: &World, outcome: &LinkOutcome, model: &Model, frequencies: &TermFrequencies) {
    let weights = model.check().unwrap();
    for (row, record) in world.cohort.iter().zip(&outcome.records) {
        let (Status::Linked, false, Some(evidence)) = (record.status, record.person_id == row.truth, &record.evidence)
        else {
            continue;
        };
        println!(
            "{:?} weight {:.1} p {:.5}",
            row.tags,
            record.match_weight.unwrap(),
            record.match_probability.unwrap()
        );
        for bar in jdl_core::linkage::waterfall(&weights, evidence, frequencies.persons) {
            if bar.level != "missing" {
                print!("  {}:{} {:.1}", bar.comparison, bar.level, bar.match_weight);
            }
        }
        println!();
    }
}
