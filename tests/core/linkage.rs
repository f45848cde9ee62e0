//! What linkage promises whatever the data: hand-worked cases, invariance, overrides, edges, and parameters recovered by EM.

#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests may fail loudly")]

use jdl_core::calendar::Day;
use jdl_core::identity::pnc;
use jdl_core::linkage::{
    Alias, BlockIndex, BlockPolicy, COMPARISONS, Comparison, Evidence, Force, Gender, LinkInput, LinkOptions,
    LinkOutcome, LinkRecord, MISSING, Model, Name, Override, PersonName, PncId, Postcode, Reason, RegisterPerson,
    Relative, Sentence, Status, SubmittedPerson, TermFrequencies, Thresholds, TrainingOptions, compare_pair, estimate,
    link, train, waterfall,
};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

#[path = "linkage_population.rs"]
mod population;
use population::World;

fn link_all(
    submissions: &[SubmittedPerson<'_>],
    register: &[RegisterPerson<'_>],
    candidates: &[Vec<u32>],
    model: &Model,
    frequencies: &TermFrequencies,
    options: &LinkOptions,
) -> jdl_core::Result<LinkOutcome> {
    link(&LinkInput { submissions, register, candidates, evidence: None, frequencies }, model, options, &|| {})
}

fn name<'a>(forename: &'a str, surname: &'a str) -> PersonName<'a> {
    let plain = |text| Name { text, ..Name::default() };
    PersonName { forename: plain(forename), middle: "", surname: plain(surname) }
}

fn day(y: i16, m: i8, d: i8) -> Option<Day> {
    Day::from_ymd(y, m, d)
}

fn postcode(text: &str) -> Option<Postcode<'_>> {
    Some(Postcode { text, pseudo: false, institution: false })
}

/// Ten thousand strangers, each with a name and a date of birth of their own, to stand around the people of a test.
fn crowd(texts: &[(String, String)]) -> Vec<RegisterPerson<'_>> {
    texts
        .iter()
        .enumerate()
        .map(|(n, (forename, surname))| RegisterPerson {
            person_id: 1_000 + n as i64,
            name: name(forename, surname),
            dob: Some(Day(-15_000 + n as i32)),
            gender: Some(if n % 5 == 0 { Gender::Female } else { Gender::Male }),
            ..RegisterPerson::default()
        })
        .collect()
}

fn crowd_texts() -> Vec<(String, String)> {
    let letters = |mut n: usize| {
        let mut text = String::new();
        for _ in 0..4 {
            text.push(char::from(b'A' + (n % 26) as u8));
            n /= 26;
        }
        text
    };
    (0..10_000_usize).map(|n| (letters(n % 100 * 7_919), letters(n * 104_729))).collect()
}

/// Links a few submissions to a few people in the crowd, all of the register being candidates.
fn link_in_crowd(people: Vec<RegisterPerson<'_>>, submissions: &[SubmittedPerson<'_>]) -> LinkOutcome {
    let texts = crowd_texts();
    let chosen: Vec<Vec<u32>> = submissions.iter().map(|_| (0..people.len() as u32).collect()).collect();
    let mut register = people;
    register.extend(crowd(&texts));
    let frequencies = TermFrequencies::from_register(&register);
    link_all(submissions, &register, &chosen, &Model::default(), &frequencies, &LinkOptions::default()).unwrap()
}

fn ann() -> RegisterPerson<'static> {
    RegisterPerson {
        person_id: 1,
        name: name("ANN", "LEE"),
        dob: day(1980, 3, 7),
        gender: Some(Gender::Female),
        postcode: postcode("M1 1AA"),
        pnc_ids: vec![PncId { year: 2002, serial: 73_319, letter: 'Z' }],
        sentences: vec![Sentence { start: Day(4_000), end: Some(Day(4_100)) }],
        ..RegisterPerson::default()
    }
}

fn ann_submitted() -> SubmittedPerson<'static> {
    SubmittedPerson {
        name: name("ANN", "LEE"),
        dob: day(1980, 3, 7),
        gender: Some(Gender::Female),
        postcode: postcode("M1 1AA"),
        ..SubmittedPerson::default()
    }
}

#[test]
fn each_comparison_falls_on_the_level_that_its_values_say() {
    let register = [ann()];
    let frequencies = TermFrequencies::from_register(&register);
    let level = |comparison: Comparison,
                 change: &dyn Fn(&mut SubmittedPerson<'static>, &mut RegisterPerson<'static>)| {
        let (mut submitted, mut person) = (ann_submitted(), ann());
        change(&mut submitted, &mut person);
        let evidence = compare_pair(&submitted, &person, &Model::default(), &frequencies).unwrap();
        comparison.level_name(evidence.level(comparison))
    };
    use Comparison as C;
    assert_eq!(level(C::NameOrder, &|_, _| {}), "as_recorded");
    assert_eq!(level(C::NameOrder, &|s, _| s.name = name("LEE", "ANN")), "swapped");
    assert_eq!(level(C::Forename, &|s, _| s.name = name("LEE", "ANN")), "exact");
    assert_eq!(level(C::Alias, &|_, _| {}), "missing");
    let alias = || vec![Alias { name: name("SUE", "KAY"), dob: day(1981, 1, 2) }];
    assert_eq!(level(C::Alias, &|_, p| p.aliases = alias()), "recorded_name");
    assert_eq!(level(C::Alias, &|s, p| (s.name, p.aliases) = (name("SUE", "KAY"), alias())), "alias");
    assert_eq!(level(C::DateOfBirth, &|s, p| (s.dob, p.aliases) = (day(1981, 1, 2), alias())), "alias");
    assert_eq!(level(C::DateOfBirth, &|s, _| s.dob = day(1980, 7, 3)), "day_month_swapped");
    assert_eq!(level(C::DateOfBirth, &|s, _| s.dob = day(1990, 3, 7)), "one_slip");
    assert_eq!(level(C::DateOfBirth, &|s, _| s.dob = None), "missing");
    let placeholder = |s: &mut SubmittedPerson<'static>, _: &mut RegisterPerson<'static>| {
        (s.dob, s.dob_placeholder) = (day(1980, 1, 1), true);
    };
    assert_eq!(level(C::DateOfBirth, &placeholder), "missing", "a stand-in that differs says nothing");
    assert_eq!(level(C::MiddleName, &|s, p| (s.name.middle, p.name.middle) = ("JANE", "JANE MARY")), "exact");
    assert_eq!(level(C::MiddleName, &|s, p| (s.name.middle, p.name.middle) = ("J", "JANE")), "initial");
    assert_eq!(level(C::Gender, &|s, _| s.gender = Some(Gender::Male)), "different");
    assert_eq!(level(C::Postcode, &|_, _| {}), "full");
    assert_eq!(level(C::Postcode, &|s, _| s.postcode = postcode("M1 1ZZ")), "sector");
    assert_eq!(level(C::Postcode, &|s, _| s.postcode = postcode("M1")), "district");
    assert_eq!(level(C::Postcode, &|s, _| s.postcode = postcode("M20 1AA")), "area");
    assert_eq!(level(C::Postcode, &|s, _| s.postcode = postcode("LS1 1AA")), "different");
    let pseudo = |s: &mut SubmittedPerson<'static>, _: &mut RegisterPerson<'static>| {
        s.postcode = Some(Postcode { text: "ZZ99 3VZ", pseudo: true, institution: false });
    };
    assert_eq!(level(C::Postcode, &pseudo), "missing");
    let id = |text: &str| pnc::parse(text, pnc::DEFAULT_PIVOT).id();
    assert_eq!(level(C::PncId, &|s, _| s.pnc_id = id("2002/0073319Z")), "exact");
    assert_eq!(level(C::PncId, &|s, _| s.pnc_id = id("2002/0073319A")), "letter_wrong");
    assert_eq!(level(C::PncId, &|s, _| s.pnc_id = id("1979/0163001B")), "different");
    assert_eq!(level(C::PncId, &|s, _| s.pnc_id = id("1979/0163001C")), "missing", "known to be mistyped");
    assert_eq!(level(C::Cro, &|s, p| (s.cro, p.cros) = (Some("1/02A"), vec!["9/99Z", "1/02A"])), "exact");
    assert_eq!(
        level(C::PrisonNumber, &|s, p| (s.prison_number, p.prison_numbers) = (Some("A1234BC"), vec!["A1243BC"])),
        "one_slip"
    );
    let sent = |start, end| {
        move |s: &mut SubmittedPerson<'static>, _: &mut RegisterPerson<'static>| {
            (s.sentence_start, s.sentence_end) = (Some(Day(start)), Some(Day(end)));
        }
    };
    assert_eq!(level(C::SentenceDates, &sent(4_000, 4_100)), "start_and_end");
    assert_eq!(level(C::SentenceDates, &sent(4_000, 4_101)), "start");
    assert_eq!(level(C::SentenceDates, &sent(4_001, 4_100)), "end");
    assert_eq!(level(C::SentenceDates, &sent(4_020, 4_130)), "within_a_month");
    assert_eq!(level(C::SentenceDates, &sent(5_000, 5_100)), "none");
    assert_eq!(level(C::InterventionDate, &|s, _| s.intervention_start = Some(Day(4_050))), "inside");
    assert_eq!(level(C::InterventionDate, &|s, _| s.intervention_start = Some(Day(4_300))), "near");
    assert_eq!(level(C::InterventionDate, &|s, _| s.intervention_start = Some(Day(6_000))), "outside");
    let both = |s: &mut SubmittedPerson<'static>, p: &mut RegisterPerson<'static>| {
        sent(4_000, 4_100)(s, p);
        s.intervention_start = Some(Day(4_050));
    };
    assert_eq!(level(C::InterventionDate, &both), "missing", "sentence dates say it already");
}

#[test]
fn the_waterfall_is_the_match_weight_worked_out_by_hand() {
    // Two persons: ANN LEE and BOB LEE. Shares: ANN 1/2, LEE 1, ANN LEE held by one: (0 + 1) / (2 + 1 / (1/2 * 1)) = 1/4.
    let register = [
        RegisterPerson { gender: None, pnc_ids: vec![], postcode: None, sentences: vec![], ..ann() },
        RegisterPerson { person_id: 2, name: name("BOB", "LEE"), dob: day(1990, 9, 9), ..RegisterPerson::default() },
    ];
    let submitted = [SubmittedPerson { name: name("ANN", "LEE"), dob: day(1980, 3, 7), ..SubmittedPerson::default() }];
    let frequencies = TermFrequencies::from_register(&register);
    let mut model = Model::default();
    model.relatives.iter_mut().for_each(|(_, number)| *number = f64::MIN_POSITIVE);
    let m = |comparison: Comparison, at: usize| model.m(comparison)[at];
    let expected = [
        ("starting_weight", (9.0_f64 / 2.0).log2()),
        ("name_order", m(Comparison::NameOrder, 0).log2()),
        ("forename", (m(Comparison::Forename, 0) / 0.5).log2()),
        ("surname", (m(Comparison::Surname, 0) / (0.25 / 0.5)).log2()),
        ("date_of_birth", (m(Comparison::DateOfBirth, 0) / 0.5).log2()),
    ];
    let evidence = compare_pair(&submitted[0], &register[0], &model, &frequencies).unwrap();
    let bars = waterfall(&model.check().unwrap(), &evidence, frequencies.persons);
    for (comparison, weight) in expected {
        let bar = bars.iter().find(|bar| bar.comparison == comparison).unwrap();
        assert!((bar.match_weight - weight).abs() < 1e-5, "{comparison}: {} {weight}", bar.match_weight);
    }
    let sum: f64 = bars.iter().map(|bar| bar.match_weight).sum();
    let as_it_is = LinkOptions { training: None, ..LinkOptions::default() };
    let outcome = link_all(&submitted, &register, &[vec![0]], &model, &frequencies, &as_it_is).unwrap();
    let record = &outcome.records[0];
    assert!((record.match_weight.unwrap() - sum).abs() < 1e-9);
    // One candidate, no relatives: Bayes.
    let odds = sum.exp2();
    assert!((record.match_probability.unwrap() - odds / (1.0 + odds)).abs() < 1e-12);
}

#[test]
fn a_full_match_is_linked_and_an_empty_row_or_register_is_not() {
    let outcome = link_in_crowd(vec![ann()], &[ann_submitted(), SubmittedPerson::default()]);
    assert_eq!((outcome.records[0].status, outcome.records[0].person_id), (Status::Linked, Some(1)));
    assert_eq!(outcome.records[1].status, Status::Unlinked);
    assert_eq!(outcome.summary.linked + outcome.summary.suspect + outcome.summary.unlinked, 2);

    let nothing = TermFrequencies::from_register(&[]);
    let (model, options) = (Model::default(), LinkOptions::default());
    let outcome = link_all(&[ann_submitted()], &[], &[vec![]], &model, &nothing, &options).unwrap();
    assert_eq!((outcome.records[0].status, outcome.records[0].reason), (Status::Unlinked, Some(Reason::NoCandidate)));
    let outcome = link_all(&[], &[], &[], &model, &nothing, &options).unwrap();
    assert_eq!(outcome.summary.match_rate, 0.0);

    let one = [ann()];
    let frequencies = TermFrequencies::from_register(&one);
    let outcome = link_all(&[ann_submitted()], &one, &[vec![0]], &model, &frequencies, &options).unwrap();
    assert_eq!(outcome.records.len(), 1, "a register of one row is a register");
    assert!(link_all(&[ann_submitted()], &one, &[vec![1]], &model, &frequencies, &options).is_err());
    assert!(link_all(&[ann_submitted()], &one, &[], &model, &frequencies, &options).is_err());
}

#[test]
fn each_trap_is_a_suspect_with_its_own_reason() {
    let suspect = |people: Vec<RegisterPerson<'_>>, submitted: SubmittedPerson<'_>| {
        let outcome = link_in_crowd(people, &[submitted]);
        let record = &outcome.records[0];
        assert_eq!(record.status, Status::Suspect, "{record:?}");
        record.reason.unwrap()
    };
    // The twin is on the register, the person submitted is not.
    let twin = RegisterPerson { name: name("ZOE", "LEE"), ..ann() };
    assert_eq!(suspect(vec![twin.clone()], ann_submitted()), Reason::PossibleTwin);
    // Both twins are, and the row does not say which.
    let other = RegisterPerson { person_id: 2, name: name("EVE", "LEE"), pnc_ids: vec![], ..ann() };
    let surname_only = SubmittedPerson { name: name("", "LEE"), ..ann_submitted() };
    assert_eq!(suspect(vec![twin, other], surname_only), Reason::PossibleTwin);
    let mother = RegisterPerson { dob: day(1955, 11, 21), ..ann() };
    assert_eq!(suspect(vec![mother], ann_submitted()), Reason::PossibleParentChild);
    let again = RegisterPerson { person_id: 2, ..ann() };
    assert_eq!(suspect(vec![ann(), again], ann_submitted()), Reason::OnePersonTwoRecords);
    // The PNC id is Ann's, everything else is another's.
    let other =
        RegisterPerson { person_id: 2, name: name("BOB", "KHAN"), dob: day(1971, 12, 30), pnc_ids: vec![], ..ann() };
    let row =
        SubmittedPerson { pnc_id: ann().pnc_ids.first().copied(), name: other.name, dob: other.dob, ..ann_submitted() };
    assert_eq!(suspect(vec![ann(), other], row), Reason::IdentifierConflict);
}

#[test]
fn a_register_person_is_linked_once_and_the_better_claim_wins() {
    let weaker = SubmittedPerson { dob: day(1980, 3, 8), postcode: None, ..ann_submitted() };
    let outcome = link_in_crowd(vec![ann()], &[weaker.clone(), ann_submitted()]);
    assert_eq!(outcome.records[1].status, Status::Linked);
    assert_ne!(outcome.records[0].status, Status::Linked);
    // Two equal claims of two different people are nobody's.
    let (a, b) = (weaker.clone(), SubmittedPerson { dob: day(1980, 3, 9), ..weaker });
    let outcome = link_in_crowd(vec![ann()], &[a, b]);
    assert!(outcome.records.iter().all(|record| record.status != Status::Linked));
    // The same row twice is one person.
    let outcome = link_in_crowd(vec![ann()], &[ann_submitted(), ann_submitted()]);
    assert_eq!(outcome.summary.linked, 1);
    assert_eq!(outcome.summary.reasons.get(&Reason::DuplicateSubmission), Some(&1));
}

#[test]
fn an_approvers_decision_stands_above_the_evidence() {
    let register = [ann(), RegisterPerson { person_id: 2, name: name("BOB", "KHAN"), ..RegisterPerson::default() }];
    let submissions = [ann_submitted(), SubmittedPerson { name: name("ANN", "LEE"), ..SubmittedPerson::default() }];
    let candidates = vec![vec![0, 1], vec![0, 1]];
    let frequencies = TermFrequencies::new(10_000, 10_000, []);
    let run = |overrides: Vec<Override>| {
        let options = LinkOptions { overrides, ..LinkOptions::default() };
        link_all(&submissions, &register, &candidates, &Model::default(), &frequencies, &options)
    };
    let decision = |submission, person_id, force| Override { submission, person_id, force };
    assert_eq!(run(vec![]).unwrap().records[0].person_id, Some(1));

    let outcome = run(vec![decision(0, 2, Force::Link)]).unwrap();
    assert_eq!((outcome.records[0].status, outcome.records[0].person_id), (Status::Linked, Some(2)));
    assert_eq!(outcome.records[0].reason, Some(Reason::ForcedLink));

    let outcome = run(vec![decision(1, 1, Force::Link)]).unwrap();
    assert_ne!(outcome.records[0].person_id, Some(1), "a forced person is no longer free");
    let only_ann = [vec![0], vec![0]];
    let options = LinkOptions { overrides: vec![decision(1, 1, Force::Link)], ..LinkOptions::default() };
    let outcome = link_all(&submissions, &register, &only_ann, &Model::default(), &frequencies, &options).unwrap();
    assert_eq!(outcome.records[0].reason, Some(Reason::ForcedElsewhere));

    let outcome = run(vec![decision(0, 1, Force::NonLink)]).unwrap();
    assert_ne!(outcome.records[0].status, Status::Linked);
    assert_ne!(outcome.records[0].person_id, Some(1));

    // Sent twice, the one decision holds for both rows, whichever it names.
    let twice = [ann_submitted(), ann_submitted()];
    for named in [0, 1] {
        for force in [Force::NonLink, Force::Link] {
            let options = LinkOptions { overrides: vec![decision(named, 1, force)], ..LinkOptions::default() };
            let records =
                link_all(&twice, &register, &candidates, &Model::default(), &frequencies, &options).unwrap().records;
            let linked = records.iter().filter(|record| record.status == Status::Linked).count();
            assert_eq!(linked, usize::from(force == Force::Link), "{records:?}");
            if force == Force::Link {
                assert_eq!(records[1 - named].reason, Some(Reason::DuplicateSubmission));
            } else {
                assert!(records.iter().any(|record| record.reason == Some(Reason::ForcedNonLink)), "{records:?}");
            }
        }
    }

    for bad in [
        vec![decision(0, 1, Force::Link), decision(0, 2, Force::Link)],
        vec![decision(0, 1, Force::Link), decision(1, 1, Force::Link)],
        vec![decision(0, 1, Force::Link), decision(0, 1, Force::NonLink)],
        vec![decision(9, 1, Force::Link)],
    ] {
        assert!(run(bad).unwrap_err().to_string().contains("override"));
    }
    let options =
        LinkOptions { thresholds: Thresholds { link: 0.3, ..Thresholds::default() }, ..LinkOptions::default() };
    let refused = link_all(&submissions, &register, &candidates, &Model::default(), &frequencies, &options);
    assert!(refused.unwrap_err().to_string().contains("link threshold"));
}

#[test]
fn order_of_rows_and_number_of_threads_change_nothing() {
    let world = World::new(8_000, 1_500, 5);
    let register = world.register_records();
    let submissions = world.submissions();
    let outcomes_of = |threads: usize, seed: u64, training: Option<TrainingOptions>| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut rows: Vec<usize> = (0..submissions.len()).collect();
        let mut people: Vec<usize> = (0..register.len()).collect();
        if seed > 0 {
            rows.shuffle(&mut rng);
            people.shuffle(&mut rng);
        }
        let register: Vec<RegisterPerson<'_>> = people.iter().map(|&at| register[at].clone()).collect();
        let shuffled: Vec<SubmittedPerson<'_>> = rows.iter().map(|&at| submissions[at].clone()).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let beats = std::cell::Cell::new(0);
        let index = BlockIndex::new(&register);
        let mut candidates: Vec<Vec<u32>> =
            shuffled.iter().map(|submission| index.candidates(submission, &BlockPolicy::default())).collect();
        candidates.iter_mut().for_each(|list| list.shuffle(&mut rng));
        let frequencies = TermFrequencies::from_register(&register);
        let model = Model::default();
        let options = LinkOptions { training, ..LinkOptions::default() };
        let outcome = std::thread::scope(|scope| {
            let work = || {
                pool.install(|| link_all(&shuffled, &register, &candidates, &model, &frequencies, &options).unwrap())
            };
            scope.spawn(work).join().unwrap()
        });
        let input = LinkInput {
            submissions: &shuffled,
            register: &register,
            candidates: &candidates,
            evidence: None,
            frequencies: &frequencies,
        };
        link(&input, &model, &options, &|| beats.set(beats.get() + 1)).unwrap();
        assert!(beats.get() >= 3, "the heartbeat beats");
        let mut records = vec![None; rows.len()];
        for (record, at) in outcome.records.into_iter().zip(rows) {
            records[at] = Some(record);
        }
        (records, outcome.summary)
    };
    for training in [None, Some(TrainingOptions::default())] {
        let (records, summary) = outcomes_of(1, 0, training);
        assert!(summary.linked > 1_000 && summary.suspect > 20);
        for (threads, seed) in [(4, 0), (2, 1), (3, 2)] {
            let (shuffled, shuffled_summary) = outcomes_of(threads, seed, training);
            assert_eq!(shuffled_summary, summary);
            assert!(shuffled == records, "threads {threads} seed {seed}");
        }
    }
}

#[test]
fn training_within_a_linkage_is_training_and_then_linking() {
    let world = World::new(3_000, 500, 6);
    let (register, submissions) = (world.register_records(), world.submissions());
    let index = BlockIndex::new(&register);
    let candidates: Vec<Vec<u32>> =
        submissions.iter().map(|submission| index.candidates(submission, &BlockPolicy::default())).collect();
    let frequencies = TermFrequencies::from_register(&register);
    let input = LinkInput {
        submissions: &submissions,
        register: &register,
        candidates: &candidates,
        evidence: None,
        frequencies: &frequencies,
    };
    let training = Some(TrainingOptions::default());
    let options = LinkOptions { training, ..LinkOptions::default() };
    let at_once = link(&input, &Model::default(), &options, &|| {}).unwrap();
    let (trained, record) = train(&input, &Model::default(), &TrainingOptions::default(), &|| {}).unwrap();
    assert_eq!((&at_once.model, at_once.training.as_ref()), (&trained, Some(&record)));
    let as_it_is = LinkOptions { training: None, ..LinkOptions::default() };
    let then = link(&input, &trained, &as_it_is, &|| {}).unwrap();
    let agree = at_once.records.iter().zip(&then.records).filter(|(a, b)| a.status == b.status).count();
    // A candidate on the edge of being negligible may be kept by one model and not by the other.
    assert!(agree >= 499, "{agree}");
}

#[test]
fn what_is_forced_moves_no_other_record() {
    let world = World::new(3_000, 500, 8);
    let (register, submissions) = (world.register_records(), world.submissions());
    let index = BlockIndex::new(&register);
    let candidates: Vec<Vec<u32>> =
        submissions.iter().map(|submission| index.candidates(submission, &BlockPolicy::default())).collect();
    let frequencies = TermFrequencies::from_register(&register);
    let run = |overrides: Vec<Override>| {
        let options = LinkOptions { overrides, ..LinkOptions::default() };
        link_all(&submissions, &register, &candidates, &Model::default(), &frequencies, &options).unwrap()
    };
    let before = run(vec![]);
    let linked = |record: &&LinkRecord| record.status == Status::Linked;
    let nobody = before.records.iter().position(|r| r.reason == Some(Reason::NoCandidate)).unwrap();
    for submission in (0..submissions.len()).filter(|&s| linked(&&before.records[s])).step_by(50) {
        let person_id = before.records[submission].person_id.unwrap();
        let decide = |submission, force| Override { submission, person_id, force };
        // Nobody else has a claim on the person.
        let at = register.iter().position(|person| person.person_id == person_id).unwrap() as u32;
        let rivals = (0..submissions.len()).filter(|&s| candidates[s].contains(&at)).count();
        for overrides in [vec![decide(submission, Force::NonLink)], vec![decide(nobody, Force::Link)]] {
            let after = run(overrides);
            assert_eq!(after.model, before.model);
            for s in (0..submissions.len()).filter(|&s| rivals == 1 && s != submission && s != nobody) {
                assert_eq!(after.records[s], before.records[s]);
            }
        }
    }
}

#[test]
fn no_register_person_is_ever_linked_twice() {
    let world = World::new(3_000, 1_000, 9);
    let register = world.register_records();
    // Every row twice, once without what would tell it from the other.
    let mut submissions = world.submissions();
    let blurred: Vec<SubmittedPerson<'_>> = submissions
        .iter()
        .map(|row| SubmittedPerson { dob: row.dob.map(|day| day.plus_days(1)), pnc_id: None, ..row.clone() })
        .collect();
    submissions.extend(blurred);
    let index = BlockIndex::new(&register);
    let candidates: Vec<Vec<u32>> =
        submissions.iter().map(|submission| index.candidates(submission, &BlockPolicy::default())).collect();
    let frequencies = TermFrequencies::from_register(&register);
    for threshold in [0.5, 0.9, 0.99] {
        let options = LinkOptions {
            thresholds: Thresholds { link: threshold, ..Thresholds::default() },
            ..LinkOptions::default()
        };
        let outcome =
            link_all(&submissions, &register, &candidates, &Model::default(), &frequencies, &options).unwrap();
        let mut linked: Vec<i64> = outcome
            .records
            .iter()
            .filter(|record| record.status == Status::Linked)
            .filter_map(|record| record.person_id)
            .collect();
        let links = linked.len();
        linked.sort_unstable();
        linked.dedup();
        assert_eq!(links, linked.len());
        assert!(links > 400, "{links}");
    }
}

/// Draws a level (from 1) with the given probabilities.
fn draw(rng: &mut ChaCha8Rng, probabilities: &[f64]) -> u8 {
    let mut left = rng.random::<f64>() * probabilities.iter().sum::<f64>();
    for (at, p) in probabilities.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return at as u8 + 1;
        }
    }
    probabilities.len() as u8
}

/// Evidence drawn from known m (true pairs) and the shipped u (strangers), each value missing with a fixed chance.
fn simulate(rng: &mut ChaCha8Rng, truth: &Model, submissions: usize, candidates: usize) -> Vec<Vec<Evidence>> {
    let pair = |rng: &mut ChaCha8Rng, same: bool| {
        let mut evidence = Evidence::NONE;
        // Name order and alias have no distribution among strangers; they stay missing.
        for comparison in Comparison::ALL.into_iter().skip(2) {
            if rng.random_bool(0.2) {
                continue;
            }
            let u: Vec<f64> = comparison.levels().iter().map(|spec| spec.u).collect();
            let level = draw(rng, &if same { truth.m(comparison) } else { u.clone() });
            evidence.levels[comparison as usize] = level;
            evidence.log2_u[comparison as usize] = u[usize::from(level) - 1].log2() as f32;
        }
        evidence
    };
    (0..submissions)
        .map(|_| {
            let present = rng.random_bool(truth.probability_in_register);
            let at = rng.random_range(0..candidates);
            (0..candidates).map(|candidate| pair(rng, present && candidate == at)).collect()
        })
        .collect()
}

/// A truth some way off the shipped model.
fn other_model() -> Model {
    let mut truth = Model { probability_in_register: 0.75, ..Model::default() };
    for parameters in truth.comparisons.iter_mut().skip(2) {
        // Half as many agree on the first level; the rest is spread evenly.
        let moved = parameters.levels[0].m * 0.4;
        parameters.levels[0].m -= moved;
        let rest = parameters.levels.len() as f64 - 1.0;
        parameters.levels.iter_mut().skip(1).for_each(|level| level.m += moved / rest);
    }
    truth.check().unwrap();
    truth
}

#[test]
fn em_recovers_known_parameters() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let truth = other_model();
    let evidence = simulate(&mut rng, &truth, 8_000, 15);
    let (trained, record) = estimate(&evidence, 15, &Model::default(), &TrainingOptions::default(), &|| {}).unwrap();
    assert!((trained.probability_in_register - 0.75).abs() < 0.02, "{}", trained.probability_in_register);
    assert!((record.expected_true_pairs / 8_000.0 - 0.75).abs() < 0.02);
    for comparison in Comparison::ALL.into_iter().skip(2) {
        for (found, known) in trained.m(comparison).iter().zip(truth.m(comparison)) {
            // Some 4,800 true pairs with a value: three standard errors are 0.022, the prior takes another 0.004.
            assert!((found - known).abs() < 0.03, "{}: {found} {known}", comparison.name());
        }
    }
    // Nobody here has relatives, and training says so; the number of siblings it leaves as it is.
    let number = |kind| trained.relatives.iter().find(|(relative, _)| *relative == kind).unwrap().1;
    assert!(
        [Relative::Twin, Relative::Namesake, Relative::Double].map(number).iter().all(|n| *n < 0.01),
        "{:?}",
        trained.relatives
    );
    assert_eq!(number(Relative::Sibling), Relative::Sibling.default_number());
    assert_eq!(record.submissions, 8_000);
    assert!(record.labelled_pairs > 1_000);
}

#[test]
fn sixty_people_move_the_shipped_model_a_little_and_never_break_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let shipped = Model::default();
    let evidence = simulate(&mut rng, &shipped, 60, 15);
    let (trained, _) = estimate(&evidence, 15, &shipped, &TrainingOptions::default(), &|| {}).unwrap();
    trained.check().unwrap();
    for comparison in Comparison::ALL {
        for (found, known) in trained.m(comparison).iter().zip(shipped.m(comparison)) {
            assert!((found - known).abs() < 0.12, "{}: {found} {known}", comparison.name());
            assert!(*found > 0.0);
        }
    }
    assert!(estimate(&[], 15, &shipped, &TrainingOptions::default(), &|| {}).is_err());
    let impatient = TrainingOptions { max_iterations: 1, ..TrainingOptions::default() };
    assert!(estimate(&evidence, 15, &other_model(), &impatient, &|| {}).is_err());
}

#[test]
fn a_model_without_relatives_links_the_absent_twin_and_one_with_them_does_not() {
    let texts = crowd_texts();
    let mut register = vec![RegisterPerson { name: name("ZOE", "LEE"), ..ann() }];
    register.extend(crowd(&texts));
    let frequencies = TermFrequencies::from_register(&register);
    let run = |model: &Model| {
        let options = LinkOptions::default();
        link_all(&[ann_submitted()], &register, &[vec![0]], model, &frequencies, &options).unwrap().records[0].status
    };
    let mut blind = Model::default();
    blind.relatives.iter_mut().for_each(|(_, number)| *number = f64::MIN_POSITIVE);
    assert_eq!(run(&blind), Status::Linked);
    assert_eq!(run(&Model::default()), Status::Suspect);
    assert!(Model::default().relatives.iter().any(|(relative, _)| *relative == Relative::Twin));
}

#[test]
fn evidence_of_nothing_weighs_nothing() {
    let none = Evidence::NONE;
    assert_eq!(none.levels, [MISSING; COMPARISONS]);
    let weights = Model::default().check().unwrap();
    assert_eq!(weights.weigh(&none, 1_000_000).against_strangers, 0.0);
}
