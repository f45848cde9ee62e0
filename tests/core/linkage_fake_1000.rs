//! Linkage on data that nobody here wrote, rougher than any we make up: Splink's fake_1000 as an open world
//! (tests/data/linkage/README.md). Names and date of birth only.
//!
//! The first record of each person is the register; every tenth person is taken out of it. The other records are sent in as nine
//! requests, all second records, all third ones and so on: a request holds a person once, and the engine links nobody twice.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::collections::HashMap;
use std::ops::Range;

use jdl_core::calendar::Day;
use jdl_core::identity::record::{FIELDS, SubmittedRecord};
use jdl_core::linkage::{
    BlockIndex, BlockPolicy, Institutions, LinkInput, LinkOptions, Model, RawPerson, RegisterPerson, StandardPerson,
    StandardSubmission, SubmittedPerson, TermFrequencies, link,
};

#[path = "linkage_judge.rs"]
mod judge;
use judge::{Quality, print_calibration};

const PIVOT: u8 = 39;

/// A record of the file.
struct Row<'a> {
    forename: &'a str,
    surname: &'a str,
    dob: &'a str,
    person: i64,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Self {
        let field: Vec<&str> = line.split(',').collect();
        Self { forename: field[1], surname: field[2], dob: field[3], person: field[6].parse().unwrap() }
    }

    fn truth(&self) -> Option<i64> {
        (self.person % 10 != 7).then_some(self.person)
    }

    fn registered(&self) -> StandardPerson {
        let number = |part: Range<usize>| self.dob[part].parse::<i16>().unwrap();
        let raw = RawPerson {
            person_id: self.person,
            forename: Some(self.forename.to_owned()),
            surname: Some(self.surname.to_owned()),
            date_of_birth: Day::from_ymd(number(0..4), number(5..7) as i8, number(8..10) as i8),
            ..RawPerson::default()
        };
        StandardPerson::new(&raw, &Institutions::new(), PIVOT)
    }

    fn submitted(&self) -> StandardSubmission {
        let text = FIELDS.map(|field| match field {
            "forename" => Some(self.forename.to_owned()),
            "surname" => Some(self.surname.to_owned()),
            "date_of_birth" => Some(self.dob.to_owned()),
            _ => None,
        });
        StandardSubmission::new(&SubmittedRecord::read(&text, PIVOT), &Institutions::new())
    }
}

/// Links each request with the shipped model as it is fitted to that request, judges all together and prints what came out.
fn linked(
    name: &str,
    register: &[RegisterPerson<'_>],
    requests: &[Vec<Row<'_>>],
    candidates: impl Fn(&SubmittedPerson<'_>) -> Vec<u32>,
) -> Quality {
    let frequencies = TermFrequencies::from_register(register);
    let (mut truth, mut records, mut reached) = (Vec::new(), Vec::new(), 0);
    let (mut expected_false, mut expected_missed) = (0.0, 0.0);
    let mut last = None;
    for rows in requests {
        let standard: Vec<StandardSubmission> = rows.iter().map(Row::submitted).collect();
        let submissions: Vec<SubmittedPerson<'_>> = standard.iter().map(StandardSubmission::record).collect();
        let candidates: Vec<Vec<u32>> = submissions.iter().map(&candidates).collect();
        let brings = |found: &[u32], id| found.iter().any(|&at| register[at as usize].person_id == id);
        reached += rows.iter().zip(&candidates).filter(|(row, found)| brings(found, row.person)).count();
        let input = LinkInput {
            submissions: &submissions,
            register,
            candidates: &candidates,
            evidence: None,
            frequencies: &frequencies,
        };
        let outcome = link(&input, &Model::default(), &LinkOptions::default(), &|| {}).unwrap();
        truth.extend(rows.iter().map(Row::truth));
        records.extend(outcome.records.iter().cloned());
        expected_false += outcome.summary.expected_false_links;
        expected_missed += outcome.summary.expected_missed_links;
        last = Some(outcome);
    }
    let mut all = last.unwrap();
    all.records = records;
    all.summary.expected_false_links = expected_false;
    all.summary.expected_missed_links = expected_missed;
    let quality = Quality::new(&truth, &all);
    println!("{} sent, {reached} of {} among the candidates", truth.len(), quality.present);
    quality.print(name, &all);
    print_calibration(&truth, &all);
    quality
}

/// The bounds are Splink's figures (`scripts/peers/splink_fake_1000.py`, the best of three designs for each) on candidates of the same kind:
/// by rules that a register of a million bears, and with everybody compared. Blocks that only a register of some hundreds bears (one name
/// or the date of birth alone) bring it more than our rules bring us: docs/linkage.md says how much.
#[test]
fn fake_1000_as_an_open_world_is_linked_as_well_as_by_splink_on_candidates_of_the_same_kind() {
    let mut seen: HashMap<i64, usize> = HashMap::new();
    let mut people: Vec<StandardPerson> = Vec::new();
    let mut requests: Vec<Vec<Row<'_>>> = Vec::new();
    for row in include_str!("../data/linkage/fake_1000.csv").lines().skip(1).map(Row::read) {
        let earlier = seen.entry(row.person).or_default();
        *earlier += 1;
        if *earlier > 1 {
            requests.resize_with(requests.len().max(*earlier - 1), Vec::new);
            requests[*earlier - 2].push(row);
        } else if row.truth().is_some() {
            people.push(row.registered());
        }
    }
    let register: Vec<RegisterPerson<'_>> = people.iter().map(StandardPerson::record).collect();
    let everybody: Vec<u32> = (0..register.len() as u32).collect();
    let index = BlockIndex::new(&register);
    assert_eq!((register.len(), requests.len()), (163, 9));

    let by_rules = |sent: &SubmittedPerson<'_>| index.candidates(sent, &BlockPolicy::default());
    for (quality, best_f1, recall_at_0) in [
        (linked("by blocking", &register, &requests, by_rules), 0.7448, 0.5934),
        (linked("everybody compared", &register, &requests, |_| everybody.clone()), 0.9256, 0.5879),
    ] {
        assert_eq!((quality.present, quality.absent, quality.absent_linked), (728, 91, 0));
        assert!(quality.precision() >= 0.99);
        assert!(quality.recall() >= 0.18, "recall {}", quality.recall());
        assert!(quality.best_f1 >= best_f1, "F1 {}", quality.best_f1);
        assert!(quality.recall_at_0 >= recall_at_0, "recall at no false link {}", quality.recall_at_0);
    }
}
