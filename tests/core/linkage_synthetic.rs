//! Linkage of a made-up cohort to a made-up register (`jdl_core::synthetic`), from raw text to links, as the database does it.
//!
//! The generator is another than that of `linkage_quality`. `LINKAGE_PERSONS`, `LINKAGE_SUBMITTED` and `LINKAGE_SEED` change its size and seed
//! (run with `--nocapture` for the tables).

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::collections::{BTreeMap, HashMap};

use jdl_core::identity::record::{FIELDS, SubmittedRecord, SubmittedText};
use jdl_core::linkage::{
    BlockIndex, BlockPolicy, Institutions, LinkInput, LinkOptions, LinkOutcome, Model, RawPerson, RegisterPerson,
    StandardPerson, StandardSubmission, Status, SubmittedPerson, TermFrequencies, TrainingOptions, link,
    submission_terms,
};
use jdl_core::synthetic::{CohortParams, CohortPicker, CohortRow, RegisterBlock, RegisterParams, Submission, Tag};

#[path = "linkage_judge.rs"]
mod judge;
use judge::{Quality, print_calibration};

const PIVOT: u8 = 39;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The persons of a block as linkage stores them.
fn records(block: &RegisterBlock, institutions: &Institutions) -> Vec<Vec<u8>> {
    let mut raw: Vec<RawPerson> = block
        .persons
        .iter()
        .map(|p| RawPerson {
            person_id: p.person_id,
            pnc_id: p.pnc_id.clone(),
            cro: p.cro.clone(),
            prison_number: p.prison_number.clone(),
            forename: Some(p.forename.clone()),
            middle_name: p.middle_name.clone(),
            surname: Some(p.surname.clone()),
            date_of_birth: Some(p.date_of_birth),
            gender: Some(p.gender.clone()),
            postcode: p.postcode.clone(),
            ..RawPerson::default()
        })
        .collect();
    let first = raw[0].person_id;
    for alias in &block.aliases {
        let alias_of = &mut raw[(alias.person_id - first) as usize].aliases;
        alias_of.push((Some(alias.forename.clone()), Some(alias.surname.clone()), Some(alias.date_of_birth)));
    }
    for sentence in &block.sentences {
        raw[(sentence.person_id - first) as usize].sentences.push((sentence.start_date, sentence.end_date));
    }
    raw.iter().map(|raw| StandardPerson::new(raw, institutions, PIVOT).record().to_bytes().unwrap()).collect()
}

fn text(submission: &Submission) -> SubmittedText {
    let cells: HashMap<&str, Option<&str>> = Submission::COLUMNS.into_iter().zip(submission.cells()).collect();
    FIELDS.map(|field| cells[field].map(str::to_owned))
}

fn print_by_tag(rows: &[CohortRow], outcome: &LinkOutcome) {
    let mut table: BTreeMap<Option<Tag>, [usize; 5]> = BTreeMap::new();
    for (row, record) in rows.iter().zip(&outcome.records) {
        let column = match (record.status, record.person_id == row.person_id) {
            (Status::Linked, true) => 0,
            (Status::Linked, false) => 1,
            (Status::Suspect, true) => 2,
            (Status::Suspect, false) => 3,
            (Status::Unlinked, _) => 4,
        };
        // Rows that are not in the register count under their trap alone.
        let tags = row.tags.iter().take(if row.person_id.is_none() { 1 } else { usize::MAX });
        tags.map(|&tag| Some(tag)).chain([None]).for_each(|tag| table.entry(tag).or_default()[column] += 1);
    }
    println!("{:24} {:>7} {:>7} {:>7} {:>7} {:>8}", "", "right", "wrong", "suspect", "(wrong)", "unlinked");
    for (tag, [right, wrong, suspect, suspect_wrong, unlinked]) in table {
        let tag = tag.map_or("all", Tag::as_str);
        println!("{tag:24} {right:7} {wrong:7} {suspect:7} {suspect_wrong:7} {unlinked:8}");
    }
    println!("{:?}", outcome.summary.reasons);
}

#[test]
fn a_made_up_cohort_finds_its_people_in_a_made_up_register() {
    let seed = setting("LINKAGE_SEED", 1);
    let persons = setting("LINKAGE_PERSONS", 30_000) as u32;
    let register = RegisterParams::new(persons, seed).check().unwrap();
    let mut picker =
        CohortPicker::new(CohortParams::new(setting("LINKAGE_SUBMITTED", 3_000) as usize, seed).check().unwrap());
    let mut postcodes: HashMap<String, u32> = HashMap::new();
    register
        .stream(&|| {}, |block| {
            for postcode in block.persons.iter().filter_map(|p| p.postcode.as_ref()) {
                *postcodes.entry(postcode.clone()).or_default() += 1;
            }
            picker.offer(&block);
            Ok(())
        })
        .unwrap();
    let rows = picker.finish().unwrap();
    let institutions: Institutions = postcodes.into_iter().filter(|(_, n)| *n > 60).map(|(code, _)| code).collect();
    println!("{} institutions", institutions.len());

    let mut stored: Vec<Vec<u8>> = Vec::with_capacity(persons as usize);
    register
        .stream(&|| {}, |block| {
            stored.extend(records(&block, &institutions));
            Ok(())
        })
        .unwrap();
    let register: Vec<RegisterPerson<'_>> =
        stored.iter().map(|bytes| RegisterPerson::from_bytes(bytes).unwrap()).collect();
    let standard: Vec<StandardSubmission> = rows
        .iter()
        .map(|row| StandardSubmission::new(&SubmittedRecord::read(&text(&row.submission), PIVOT), &institutions))
        .collect();
    let submissions: Vec<SubmittedPerson<'_>> = standard.iter().map(StandardSubmission::record).collect();
    let truth: Vec<Option<i64>> = rows.iter().map(|row| row.person_id).collect();

    let index = BlockIndex::new(&register);
    let counted = TermFrequencies::from_register(&register);
    let frequencies = counted.only(submissions.iter().flat_map(submission_terms));
    let candidates: Vec<Vec<u32>> =
        submissions.iter().map(|submission| index.candidates(submission, &BlockPolicy::default())).collect();
    let pairs: usize = candidates.iter().map(Vec::len).sum();
    println!(
        "{:.1} keys a person, {:.1} candidates a submission",
        index.len() as f64 / register.len() as f64,
        pairs as f64 / rows.len() as f64
    );
    let lost: Vec<&Vec<Tag>> = rows
        .iter()
        .zip(&candidates)
        .filter(|(row, found)| {
            row.person_id.is_some_and(|id| !found.iter().any(|&at| register[at as usize].person_id == id))
        })
        .map(|(row, _)| &row.tags)
        .collect();
    let present = truth.iter().flatten().count();
    println!("lost by blocking: {} of {present}: {lost:?}", lost.len());
    assert!(lost.len() as f64 <= 0.003 * present as f64);

    let input = LinkInput {
        submissions: &submissions,
        register: &register,
        candidates: &candidates,
        evidence: None,
        frequencies: &frequencies,
    };
    for (name, training) in [("as shipped", None), ("fitted to the cohort", Some(TrainingOptions::one_cohort()))] {
        let options = LinkOptions { training, ..LinkOptions::default() };
        let outcome = link(&input, &Model::default(), &options, &|| {}).unwrap();
        print_by_tag(&rows, &outcome);
        if setting("LINKAGE_WRONG", 0) > 0 {
            for (row, r) in rows.iter().zip(&outcome.records) {
                if r.match_probability.is_some_and(|p| (0.9..2.0).contains(&p)) && r.person_id != row.person_id {
                    println!("{:.5} {:?} {:?}", r.match_probability.unwrap(), row.tags, r.reason);
                }
            }
        }
        print_calibration(&truth, &outcome);
        println!("{:?} {:?}", outcome.training, outcome.model.relatives);
        let quality = Quality::new(&truth, &outcome);
        quality.print(name, &outcome);
        assert!(quality.precision() >= 0.995, "precision {}", quality.precision());
        assert!(quality.recall() >= 0.97, "recall {}", quality.recall());
        assert!(quality.best_f1 >= 0.99, "F1 {}", quality.best_f1);
    }
}
