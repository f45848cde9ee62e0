//! The made-up register and cohorts have the shape they promise.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use jdl_core::calendar::{Day, FollowUp};
use jdl_core::identity::{cro, date, gender, name, pnc, postcode, prison_number};
use jdl_core::synthetic::{
    COURT_CATEGORIES, CohortParams, CohortPicker, CohortRow, Index, OFFENCE_GROUPS, OUTCOMES, Register, RegisterBlock,
    RegisterParams, SENTENCE_KINDS, Sentence, Submission, Tag, cohort, reoffending_probability,
};

const PERSONS: u32 = 50_000;

fn register(persons: u32, seed: u64) -> Register {
    RegisterParams::new(persons, seed).check().unwrap()
}

fn all(register: &Register) -> RegisterBlock {
    let mut whole = RegisterBlock::default();
    register
        .stream(&|| {}, |block| {
            whole.persons.extend(block.persons);
            whole.aliases.extend(block.aliases);
            whole.sentences.extend(block.sentences);
            whole.offences.extend(block.offences);
            whole.circumstances.extend(block.circumstances);
            Ok(())
        })
        .unwrap();
    whole
}

static WHOLE: LazyLock<RegisterBlock> = LazyLock::new(|| all(&register(PERSONS, 1)));

fn share(n: usize, of: usize) -> f64 {
    n as f64 / of as f64
}

fn start_of_follow_up(sentence: &Sentence) -> Day {
    if sentence.kind == "custody" { sentence.end_date.unwrap() } else { sentence.start_date }
}

#[test]
fn keys_are_unique_and_rows_belong_to_persons() {
    let whole = &*WHOLE;
    assert_eq!(whole.persons.len(), PERSONS as usize);
    assert!(whole.persons.iter().zip(1..).all(|(person, id)| person.person_id == id));
    let known = 1..=i64::from(PERSONS);
    assert!(whole.aliases.iter().all(|row| known.contains(&row.person_id)));
    assert!(whole.circumstances.iter().all(|row| known.contains(&row.person_id)));
    assert!(whole.sentences.windows(2).all(|pair| pair[0].sentence_id < pair[1].sentence_id));
    assert!(whole.offences.windows(2).all(|pair| pair[0].offence_id < pair[1].offence_id));
    assert!(whole.sentences.iter().all(|row| row.sentence_id / 100 == row.person_id));
    assert!(whole.offences.iter().all(|row| row.offence_id / 1_000 == row.person_id));
    let sentenced: HashSet<i64> = whole.sentences.iter().map(|row| row.person_id).collect();
    assert_eq!(sentenced.len(), whole.persons.len(), "nobody is on the register for nothing");
}

#[test]
fn identifiers_are_unique_and_have_the_right_check_letters() {
    let whole = &*WHOLE;
    let distinct = |texts: Vec<&String>| texts.iter().collect::<HashSet<_>>().len() == texts.len();
    let pnc_ids: Vec<&String> = whole.persons.iter().filter_map(|person| person.pnc_id.as_ref()).collect();
    let cros: Vec<&String> = whole.persons.iter().filter_map(|person| person.cro.as_ref()).collect();
    let numbers: Vec<&String> = whole.persons.iter().filter_map(|person| person.prison_number.as_ref()).collect();
    assert!((0.965..0.975).contains(&share(pnc_ids.len(), whole.persons.len())));
    assert!((0.5..0.65).contains(&share(cros.len(), whole.persons.len())));
    assert!(pnc_ids.iter().all(|text| pnc::parse(text, 39).valid().unwrap().to_string() == **text));
    assert!(cros.iter().all(|text| cro::parse(text).valid().unwrap().to_string() == **text));
    assert!(numbers.iter().all(|text| prison_number::parse(text).valid().unwrap().as_str() == *text));
    assert!(distinct(pnc_ids) && distinct(cros) && distinct(numbers));

    let jailed: HashSet<i64> =
        whole.sentences.iter().filter(|row| row.kind == "custody").map(|row| row.person_id).collect();
    assert!(whole.persons.iter().all(|person| person.prison_number.is_some() == jailed.contains(&person.person_id)));
}

#[test]
fn identifiers_stay_unique_in_a_register_of_millions() {
    let large = register(3_600_000, 3);
    let (mut pnc_ids, mut cros, mut numbers, mut persons) = (HashSet::new(), HashSet::new(), HashSet::new(), 0);
    // Every 60th block: far apart and neighbouring numbers alike.
    for number in (0..large.blocks()).step_by(60).chain(1..20) {
        for person in large.block(number).persons {
            persons += 1;
            assert!(person.pnc_id.is_none_or(|id| pnc_ids.insert(id)));
            assert!(person.cro.is_none_or(|id| cros.insert(id)));
            assert!(person.prison_number.is_none_or(|id| numbers.insert(id)));
        }
    }
    assert!(persons > 70_000, "{persons}");
    assert_eq!(large.block(large.blocks()).persons.len(), 0);
    assert_eq!(large.block(u32::MAX).persons.len(), 0);
}

#[test]
fn names_are_skewed_with_a_long_tail() {
    let whole = &*WHOLE;
    let mut surnames: HashMap<&str, usize> = HashMap::new();
    for person in &whole.persons {
        *surnames.entry(&person.surname).or_default() += 1;
    }
    let smith = share(surnames["SMITH"], whole.persons.len());
    assert!((0.006..0.016).contains(&smith), "{smith}");
    let once = surnames.values().filter(|n| **n == 1).count();
    assert!(surnames.len() > 8_000 && once > 3_000, "{} surnames, {once} of them once", surnames.len());
    let khans = whole
        .persons
        .iter()
        .filter(|person| person.surname == "KHAN" && name::key(&person.forename) == name::key("MOHAMMED"));
    let khans = share(khans.count(), whole.persons.len());
    assert!((0.000_1..0.002).contains(&khans), "{khans}");
    assert!(whole.persons.iter().all(|person| name::standardise(&person.surname).is_usable()));
    let forenames: HashSet<&str> = whole.persons.iter().map(|person| person.forename.as_str()).collect();
    assert!(forenames.len() > 700, "{}", forenames.len());
    let male = whole.persons.iter().filter(|person| person.gender == "M").count();
    assert!((0.76..0.84).contains(&share(male, whole.persons.len())));
}

#[test]
fn aliases_belong_to_a_tenth_of_the_persons_and_differ_from_the_name() {
    let whole = &*WHOLE;
    let with_alias: BTreeSet<i64> = whole.aliases.iter().map(|alias| alias.person_id).collect();
    assert!((0.095..0.105).contains(&share(with_alias.len(), whole.persons.len())));
    let different = whole.aliases.iter().filter(|alias| {
        let person = &whole.persons[alias.person_id as usize - 1];
        (&alias.forename, &alias.surname, alias.date_of_birth)
            != (&person.forename, &person.surname, person.date_of_birth)
    });
    assert!(share(different.count(), whole.aliases.len()) > 0.95);
}

#[test]
fn families_twins_and_doubles_are_there() {
    let whole = &*WHOLE;
    let (mut twins, mut namesake_families, mut doubles) = (0, 0, 0);
    for pair in whole.persons.windows(2) {
        let [a, b] = pair else { unreachable!() };
        if a.surname != b.surname {
            continue;
        }
        match (a.date_of_birth == b.date_of_birth, a.forename == b.forename) {
            (true, false) => twins += 1,
            (true, true) => doubles += 1,
            (false, true) if a.date_of_birth.days_since(b.date_of_birth).abs() > 17 * 365 => namesake_families += 1,
            _ => {}
        }
    }
    assert!((250..520).contains(&twins), "{twins} pairs of twins");
    assert!((100..240).contains(&doubles), "{doubles} pairs of doubles");
    assert!((200..480).contains(&namesake_families), "{namesake_families} fathers and sons of one name");
}

#[test]
fn addresses_are_valid_or_pseudo_and_institutions_are_shared_by_hundreds() {
    let whole = &*WHOLE;
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for text in whole.persons.iter().filter_map(|person| person.postcode.as_deref()) {
        assert_ne!(postcode::parse(text), postcode::PostcodeStatus::Malformed, "{text}");
        *counts.entry(text).or_default() += 1;
    }
    let missing = whole.persons.iter().filter(|person| person.postcode.is_none()).count();
    assert!((0.01..0.02).contains(&share(missing, whole.persons.len())));
    assert!(counts.contains_key("ZZ99 3VZ"));
    let shared_by_hundreds = counts.values().filter(|n| **n >= 200).count();
    assert!((5..60).contains(&shared_by_hundreds), "{shared_by_hundreds}");
    let homes = counts.values().filter(|n| **n < 20).count();
    assert!(share(homes, counts.len()) > 0.95);
}

#[test]
fn birthdays_make_sense_and_heap_on_the_first_of_january() {
    let whole = &*WHOLE;
    let january =
        whole.persons.iter().filter(|person| (person.date_of_birth.ymd().1, person.date_of_birth.ymd().2) == (1, 1));
    let january = share(january.count(), whole.persons.len());
    assert!((0.006..0.03).contains(&january), "{january}");
    let births: Vec<Day> = whole.persons.iter().map(|person| person.date_of_birth).collect();
    for sentence in &whole.sentences {
        let age = sentence.start_date.age_of(births[sentence.person_id as usize - 1]);
        assert!((10..=105).contains(&age), "sentenced at {age}");
    }
}

#[test]
fn sentences_and_offences_are_consistent() {
    let whole = &*WHOLE;
    let years: BTreeSet<i16> = whole.sentences.iter().map(|sentence| sentence.start_date.year()).collect();
    assert_eq!(years, (2000..=2024).collect());
    let words = |words: &[&str], used: BTreeSet<&str>| assert_eq!(used, words.iter().copied().collect());
    words(&SENTENCE_KINDS, whole.sentences.iter().map(|row| row.kind.as_str()).collect());
    words(&OFFENCE_GROUPS, whole.sentences.iter().map(|row| row.offence_group.as_str()).collect());
    words(&OFFENCE_GROUPS, whole.offences.iter().map(|row| row.offence_group.as_str()).collect());
    words(&OUTCOMES, whole.offences.iter().filter_map(|row| row.outcome.as_deref()).collect());
    words(&COURT_CATEGORIES, whole.offences.iter().map(|row| row.court_category.as_str()).collect());

    let mut sentence_days: HashSet<(i64, Day)> = HashSet::new();
    for sentence in &whole.sentences {
        sentence_days.insert((sentence.person_id, sentence.start_date));
        let has_end = !matches!(sentence.kind.as_str(), "fine" | "caution");
        assert_eq!(sentence.end_date.is_some(), has_end);
        assert!(sentence.end_date.is_none_or(|end| end > sentence.start_date));
    }
    let mut proven_days = HashSet::new();
    for offence in &whole.offences {
        assert_eq!(offence.outcome.is_some(), offence.outcome_date.is_some());
        assert!(offence.outcome_date.is_none_or(|decided| decided > offence.offence_date));
        assert!(!offence.custodial || offence.outcome.as_deref() == Some("conviction"));
        if matches!(offence.outcome.as_deref(), Some("conviction" | "caution")) {
            proven_days.insert((offence.person_id, offence.outcome_date.unwrap()));
        }
    }
    assert_eq!(sentence_days, proven_days, "a sentence for every proven day, and only for those");
    let pending = whole.offences.iter().filter(|offence| offence.outcome.is_none());
    assert!(pending.clone().count() > 100);
    assert!(pending.clone().all(|offence| offence.offence_date.year() >= 2024));
}

#[test]
fn circumstances_are_known_for_most_and_needs_for_some() {
    let whole = &*WHOLE;
    let known = share(whole.circumstances.len(), whole.sentences.len());
    assert!((0.83..0.87).contains(&known), "{known}");
    let assessed = whole.circumstances.iter().filter(|row| row.drugs_need.is_some()).count();
    assert!((0.58..0.66).contains(&share(assessed, whole.circumstances.len())));
    let sentence_days: HashSet<(i64, Day)> =
        whole.sentences.iter().map(|row| (row.person_id, row.start_date)).collect();
    assert!(whole.circumstances.iter().all(|row| sentence_days.contains(&(row.person_id, row.as_of_date))));
}

/// What the register says of one index event with a complete follow-up: does it fit [`reoffending_probability`]?
struct Event {
    index: Index,
    /// Are employment and drugs need on record?
    is_assessed: bool,
    reoffended: bool,
}

fn events(whole: &RegisterBlock) -> Vec<Event> {
    let mut offences: HashMap<i64, Vec<(Day, Day)>> = HashMap::new();
    for offence in &whole.offences {
        if let (Some("conviction" | "caution"), Some(decided)) = (offence.outcome.as_deref(), offence.outcome_date) {
            offences.entry(offence.person_id).or_default().push((offence.offence_date, decided));
        }
    }
    let circumstances: HashMap<(i64, Day), (bool, Option<bool>)> = whole
        .circumstances
        .iter()
        .map(|row| ((row.person_id, row.as_of_date), (row.employed, row.drugs_need)))
        .collect();
    let known_until = Day::from_ymd(2024, 12, 31).unwrap();
    let mut events = Vec::new();
    for sentence in &whole.sentences {
        let person = &whole.persons[sentence.person_id as usize - 1];
        let follow_up = FollowUp::one_year(start_of_follow_up(sentence));
        if !follow_up.is_complete(known_until) {
            continue;
        }
        let known = circumstances.get(&(sentence.person_id, sentence.start_date));
        let index = Index {
            age: follow_up.start().age_of(person.date_of_birth),
            previous_sanctions: (sentence.sentence_id % 100) as u32,
            is_male: person.gender == "M",
            offence_group: OFFENCE_GROUPS.iter().position(|group| *group == sentence.offence_group).unwrap(),
            is_employed: known.is_some_and(|(employed, _)| *employed),
            has_drugs_need: known.is_some_and(|(_, need)| *need == Some(true)),
        };
        events.push(Event {
            index,
            is_assessed: known.is_some_and(|(_, need)| need.is_some()),
            reoffended: offences[&sentence.person_id].iter().any(|(day, decided)| follow_up.proves(*day, *decided)),
        });
    }
    events
}

fn rate<'a>(events: impl Iterator<Item = &'a Event>) -> f64 {
    let (reoffended, all) = events.fold((0, 0), |(yes, all), event| (yes + usize::from(event.reoffended), all + 1));
    assert!(all > 300, "only {all} events");
    share(reoffended, all)
}

#[test]
fn a_quarter_to_two_fifths_reoffend_more_with_history_and_less_with_age() {
    let events = events(&WHOLE);
    let overall = rate(events.iter());
    assert!((0.25..0.40).contains(&overall), "{overall}");

    let by_history = [0..1, 1..2, 2..4, 4..8, 8..60]
        .map(|range| rate(events.iter().filter(|event| range.contains(&event.index.previous_sanctions))));
    assert!(by_history.windows(2).all(|pair| pair[0] < pair[1]), "{by_history:?}");
    let by_age = [10..18, 18..25, 25..35, 35..50, 50..100].map(|range| {
        rate(events.iter().filter(|event| range.contains(&event.index.age) && event.index.previous_sanctions == 0))
    });
    assert!(by_age.windows(2).all(|pair| pair[0] > pair[1]), "{by_age:?}");

    println!("all events {overall:.3}, by history {by_history:.3?}, by age of first-timers {by_age:.3?}");
}

#[test]
fn the_register_follows_the_stated_rule() {
    let mut events: Vec<Event> = events(&WHOLE).into_iter().filter(|event| event.is_assessed).collect();
    events.sort_by(|a, b| reoffending_probability(&a.index).total_cmp(&reoffending_probability(&b.index)));
    for tenth in events.chunks(events.len() / 10) {
        let n = tenth.len() as f64;
        let expected = tenth.iter().map(|event| reoffending_probability(&event.index)).sum::<f64>();
        let variance =
            tenth.iter().map(|event| reoffending_probability(&event.index)).map(|p| p * (1.0 - p)).sum::<f64>();
        let observed = tenth.iter().filter(|event| event.reoffended).count() as f64;
        assert!((observed - expected).abs() < 4.0 * variance.sqrt(), "{:.4} for {:.4}", observed / n, expected / n);
    }
}

#[test]
fn a_block_depends_on_its_number_and_the_parameters_alone() {
    let first = register(5_500, 9);
    assert_eq!(first.blocks(), 6);
    let forwards: Vec<RegisterBlock> = (0..6).map(|number| first.block(number)).collect();
    let backwards: Vec<RegisterBlock> = (0..6).rev().map(|number| register(5_500, 9).block(number)).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    assert_eq!(forwards[5].persons.len(), 500);
    assert_ne!(forwards[0], register(5_500, 10).block(0));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut streamed = Vec::new();
        pool.install(|| {
            first.stream(&|| {}, |block| {
                streamed.push(block);
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(streamed, forwards, "{threads} threads");
    }
}

#[test]
fn parameters_out_of_range_are_refused() {
    let refused = |change: fn(&mut RegisterParams), field: &str| {
        let mut params = RegisterParams::new(100, 1);
        change(&mut params);
        let error = params.check().err().unwrap();
        assert!(error.to_string().starts_with(field), "{error}");
    };
    refused(|params| params.persons = 0, "persons");
    refused(|params| params.persons = 10_000_000, "persons");
    refused(|params| params.first_year = 2030, "first_year");
    refused(|params| params.alias_share = -0.1, "alias_share");
    refused(|params| params.twin_share = f64::NAN, "twin_share");

    let refused = |change: fn(&mut CohortParams), field: &str| {
        let mut params = CohortParams::new(100, 1);
        change(&mut params);
        let error = params.check().err().unwrap();
        assert!(error.to_string().starts_with(field), "{error}");
    };
    refused(|params| params.people = 0, "people");
    refused(|params| params.last_year = 1999, "first_year");
    refused(|params| params.pnc_missing = 1.1, "pnc_missing");
    refused(|params| params.nickname = f64::NAN, "nickname");

    let too_many = cohort(&CohortParams::new(5_000, 1).check().unwrap(), &register(1_000, 1), &|| {});
    assert!(too_many.unwrap_err().to_string().starts_with("too few persons"));
}

static COHORT: LazyLock<Vec<CohortRow>> =
    LazyLock::new(|| cohort(&CohortParams::new(6_000, 5).check().unwrap(), &register(PERSONS, 1), &|| {}).unwrap());

#[test]
fn a_tenth_of_the_cohort_is_absent_and_half_of_those_resemble_somebody() {
    let absent = |tags: &[Tag]| COHORT.iter().filter(|row| row.tags.iter().any(|tag| tags.contains(tag))).count();
    let traps = [Tag::AbsentTwin, Tag::AbsentSibling, Tag::AbsentChild, Tag::AbsentNamesake];
    assert_eq!(COHORT.len(), 6_000);
    assert_eq!(COHORT.iter().filter(|row| row.person_id.is_none()).count(), 600);
    assert_eq!((absent(&[Tag::AbsentStranger]), absent(&traps)), (300, 300));
    assert!(traps.iter().all(|tag| absent(&[*tag]) >= 20));
    assert!(COHORT.iter().all(|row| row.decoy_id.is_some() == row.tags.iter().any(|tag| traps.contains(tag))));
    let present: BTreeSet<i64> = COHORT.iter().filter_map(|row| row.person_id).collect();
    assert_eq!(present.len(), 5_400, "nobody is submitted twice");
    assert!(COHORT.iter().filter_map(|row| row.decoy_id).all(|decoy| !present.contains(&decoy)));
}

#[test]
fn everybody_present_has_an_index_event_in_the_years_asked_for() {
    let mut years: HashMap<i64, Vec<i16>> = HashMap::new();
    for sentence in &WHOLE.sentences {
        years.entry(sentence.person_id).or_default().push(start_of_follow_up(sentence).year());
    }
    for row in COHORT.iter() {
        for id in row.person_id.iter().chain(&row.decoy_id) {
            assert!(years[id].iter().any(|year| (2005..=2010).contains(year)));
        }
    }
}

#[test]
fn errors_come_as_often_as_the_plan_says() {
    let present: Vec<&CohortRow> = COHORT.iter().filter(|row| row.person_id.is_some()).collect();
    let tagged: BTreeMap<Tag, usize> =
        Tag::ALL.iter().map(|tag| (*tag, present.iter().filter(|row| row.tags.contains(tag)).count())).collect();
    for (tag, low, high) in [
        (Tag::AliasUsed, 0.025, 0.055),
        (Tag::Nickname, 0.02, 0.045),
        (Tag::Initial, 0.006, 0.02),
        (Tag::MiddleAsForename, 0.005, 0.02),
        (Tag::ForenameTypo, 0.03, 0.05),
        (Tag::SurnameTypo, 0.04, 0.06),
        (Tag::SurnameChanged, 0.008, 0.022),
        (Tag::NamesSwapped, 0.008, 0.022),
        (Tag::BirthTypo, 0.018, 0.036),
        (Tag::BirthSwapped, 0.003, 0.013),
        (Tag::PostcodeMoved, 0.22, 0.32),
        (Tag::PncMissing, 0.37, 0.41),
        (Tag::PncNextRow, 0.001, 0.006),
        (Tag::PncStranger, 0.000_5, 0.005),
        (Tag::SentenceMissing, 0.27, 0.33),
        (Tag::SentenceSlipped, 0.05, 0.09),
    ] {
        let rate = share(tagged[&tag], present.len());
        assert!((low..high).contains(&rate), "{}: {rate}", tag.as_str());
    }
    assert!(tagged.iter().all(|(tag, n)| tag.as_str().starts_with("absent") || *n > 0), "{tagged:?}");
    let names: BTreeSet<&str> = Tag::ALL.iter().map(|tag| tag.as_str()).collect();
    assert_eq!(names.len(), Tag::ALL.len());
}

#[test]
fn a_clean_cohort_reads_back_as_the_register_has_it() {
    let rows = cohort(&CohortParams::clean(3_000, 8).check().unwrap(), &register(PERSONS, 1), &|| {}).unwrap();
    assert_eq!(rows.len(), 3_000);
    for row in &rows {
        let person = &WHOLE.persons[row.person_id.unwrap() as usize - 1];
        let sent = &row.submission;
        assert!(row.tags.is_empty());
        let standard = |text: &str| name::standardise(text);
        assert_eq!(standard(sent.forename.as_ref().unwrap()), standard(&person.forename));
        assert_eq!(standard(sent.surname.as_ref().unwrap()), standard(&person.surname));
        let day = |cell: &Option<String>| cell.as_ref().and_then(|text| date::parse(text).day);
        assert_eq!(day(&sent.date_of_birth), Some(person.date_of_birth));
        assert_eq!(gender::parse(sent.gender.as_ref().unwrap()).unwrap().as_str(), person.gender);
        let pnc_id = sent.pnc_id.as_ref().map(|text| pnc::parse(text, 39).valid().unwrap().to_string());
        assert_eq!(pnc_id, person.pnc_id);
        let number = sent.prison_number.as_ref().map(|text| prison_number::parse(text).valid().unwrap().to_string());
        assert_eq!(number, person.prison_number);
        let code = sent.postcode.as_ref().map(|text| match postcode::parse(text) {
            postcode::PostcodeStatus::Valid(code) | postcode::PostcodeStatus::Pseudo(code) => code.to_string(),
            postcode::PostcodeStatus::Malformed => unreachable!(),
        });
        assert_eq!(code, person.postcode);
        let (start, end) = (day(&sent.sentence_start).unwrap(), day(&sent.sentence_end));
        let sentences = WHOLE.sentences.iter().skip_while(|sentence| sentence.person_id < person.person_id);
        assert!(sentences.take_while(|sentence| sentence.person_id == person.person_id).any(|sentence| (
            sentence.start_date,
            sentence.end_date
        ) == (
            start, end
        )));
        let intervention = day(&sent.intervention_start).unwrap();
        assert!(intervention >= start && intervention <= end.unwrap_or(start).plus_days(90));
        assert!(day(&sent.intervention_end).is_none_or(|end| end > intervention));
        assert_eq!(sent.cells().len(), Submission::COLUMNS.len());
    }
}

#[test]
fn the_order_of_the_blocks_changes_nothing() {
    let register = register(8_000, 4);
    let plan = CohortParams::new(400, 6).check().unwrap();
    let mut picker = CohortPicker::new(plan.clone());
    for number in (0..register.blocks()).rev() {
        picker.offer(&register.block(number));
    }
    let backwards = picker.finish().unwrap();
    assert_eq!(backwards, cohort(&plan, &register, &|| {}).unwrap());
    let other = CohortParams::new(400, 7).check().unwrap();
    assert_ne!(backwards, cohort(&other, &register, &|| {}).unwrap());
}
