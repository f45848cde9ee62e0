//! Persons and their families, before anything happens to them.

use super::names::{NAMES, NameSource};
use super::places::{Institutions, postcode};
use super::random::Random;
use super::register::RegisterParams;
use crate::calendar::Day;

/// Share of persons whose postcode is a prison's, a hostel's, a code for no fixed abode, or missing.
pub(super) const PRISON_SHARE: f64 = 0.04;
pub(super) const HOSTEL_SHARE: f64 = 0.015;
const NO_ABODE_SHARE: f64 = 0.015;
const MISSING_POSTCODE_SHARE: f64 = 0.015;
/// Share of persons who are male.
const MALE_SHARE: f64 = 0.8;

/// Who somebody is.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) names: &'static NameSource,
    pub(super) is_male: bool,
    pub(super) born: Day,
    pub(super) forename: &'static str,
    pub(super) middle_name: Option<&'static str>,
    pub(super) surname: String,
    pub(super) postcode: Option<String>,
    /// Day of the first sanction on record.
    pub(super) onset: Day,
}

/// Fills a block: single persons, and families whose members all stand in this block.
pub(super) fn drafts(
    params: &RegisterParams,
    institutions: &Institutions,
    count: usize,
    random: &mut Random,
) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::with_capacity(count + 2);
    while drafts.len() < count {
        // Every kind but the last adds two persons: half its share of persons is its share of draws, near enough.
        let mut chance = random.unit();
        let mut is_drawn = |share: f64| {
            chance -= share;
            chance < 0.0
        };
        let first = stranger(params, random);
        if is_drawn(params.twin_share / 2.0) {
            let second = twin(params, &first, random);
            drafts.extend([first, second]);
        } else if is_drawn(params.sibling_share / 2.0) {
            let second = sibling(params, &first, random);
            drafts.extend([first, second]);
        } else if is_drawn(params.parent_share / 2.0) {
            let second = child(params, &first, random);
            drafts.extend([first, second]);
        } else if is_drawn(params.double_share / 2.0) {
            let second = double(params, &first, random);
            drafts.extend([first, second]);
        } else {
            drafts.push(first);
        }
    }
    drafts.truncate(count);
    for draft in &mut drafts {
        settle(draft, institutions, random);
    }
    drafts
}

/// Somebody with no relation to anybody.
pub(super) fn stranger(params: &RegisterParams, random: &mut Random) -> Draft {
    let names = NAMES.community(random);
    let onset = first_sanction(params, random);
    // Gaps in years come in days, so that birthdays are spread evenly.
    let born = first_of_january(names, onset.plus_days(-(onset_age(random) * 365.25) as i32), random);
    let is_male = random.chance(MALE_SHARE);
    let surname = names.surname(random);
    let postcode = Some(postcode(names.community.is_urban, random));
    named(Draft { names, is_male, born, forename: "", middle_name: None, surname, postcode, onset }, random)
}

/// A twin: same surname, birthday and address.
fn twin(params: &RegisterParams, of: &Draft, random: &mut Random) -> Draft {
    let is_male = if random.chance(0.7) { of.is_male } else { !of.is_male };
    let onset = of.onset.plus_days(random.between(0, 1_000)).min(params.end().plus_days(-1));
    let mut other = named(Draft { is_male, onset, ..of.clone() }, random);
    while other.forename == of.forename {
        other = named(other, random);
    }
    other
}

/// A brother or sister up to eight years younger or older.
fn sibling(params: &RegisterParams, of: &Draft, random: &mut Random) -> Draft {
    let days = 365 * random.between(1, 8) + random.between(0, 364);
    let is_younger = random.chance(0.5) && of.born.plus_days(days).plus_months(12 * 12) < params.end();
    let born = of.born.plus_days(if is_younger { days } else { -days });
    let is_male = random.chance(MALE_SHARE);
    let mut other = relative(params, of, born, is_male, 0.6, random);
    while other.forename == of.forename {
        other = named(other, random);
    }
    other
}

/// A child, or where that child would be too young for the register a parent; mostly father and son, a quarter of them of one name.
fn child(params: &RegisterParams, of: &Draft, random: &mut Random) -> Draft {
    let years = random.between(18, 38);
    let younger = of.born.plus_days(365 * years + random.between(0, 364));
    let is_too_young = younger.plus_months(12 * 14) > params.end();
    let born = if is_too_young { of.born.plus_days(-365 * years - random.between(0, 364)) } else { younger };
    let is_male = if random.chance(0.8) { of.is_male } else { !of.is_male };
    let mut other = relative(params, of, born, is_male, 0.5, random);
    if other.is_male == of.is_male && random.chance(0.25) {
        other.forename = of.forename;
    }
    other
}

/// A stranger with the same name and date of birth.
fn double(params: &RegisterParams, of: &Draft, random: &mut Random) -> Draft {
    let mut other = relative(params, of, of.born, of.is_male, 0.0, random);
    other.forename = of.forename;
    other
}

/// Somebody of the same surname, at the same address with a given probability.
fn relative(
    params: &RegisterParams,
    of: &Draft,
    born: Day,
    is_male: bool,
    same_address: f64,
    random: &mut Random,
) -> Draft {
    let postcode = if random.chance(same_address) {
        of.postcode.clone()
    } else {
        Some(postcode(of.names.community.is_urban, random))
    };
    let onset = onset_of(params, born, random);
    named(Draft { is_male, born, postcode, onset, ..of.clone() }, random)
}

fn named(draft: Draft, random: &mut Random) -> Draft {
    let year = draft.born.year();
    let forename = draft.names.forename(draft.is_male, year, random);
    let middle_name = draft.names.middle_name(forename, draft.is_male, year, random);
    Draft { forename, middle_name, ..draft }
}

fn first_of_january(names: &NameSource, born: Day, random: &mut Random) -> Day {
    if random.chance(names.community.first_of_january_share) {
        Day::from_ymd(born.year(), 1, 1).unwrap_or(born)
    } else {
        born
    }
}

/// Some live where hundreds do, or nowhere.
fn settle(draft: &mut Draft, institutions: &Institutions, random: &mut Random) {
    let mut chance = random.unit();
    let mut is_drawn = |share: f64| {
        chance -= share;
        chance < 0.0
    };
    if is_drawn(PRISON_SHARE) {
        draft.postcode = random.pick(&institutions.prisons).cloned();
    } else if is_drawn(HOSTEL_SHARE) {
        draft.postcode = random.pick(&institutions.hostels).cloned();
    } else if is_drawn(NO_ABODE_SHARE) {
        draft.postcode = Some("ZZ99 3VZ".to_owned());
    } else if is_drawn(MISSING_POSTCODE_SHARE) {
        draft.postcode = None;
    }
}

/// Years of age at the first sanction: most between 13 and 20 with the peak at 16, three in ten later in life.
fn onset_age(random: &mut Random) -> f64 {
    if random.chance(0.7) {
        (12.0 + random.exponential(2.8) + random.exponential(2.8)).min(40.0)
    } else {
        (20.0 + random.exponential(13.0)).min(75.0)
    }
}

/// A day of the register's years; a third of the persons were known already and appear within its first three years.
fn first_sanction(params: &RegisterParams, random: &mut Random) -> Day {
    let (start, days) = (params.start(), params.end().days_since(params.start()));
    let days = if random.chance(0.33) { days.min(3 * 365) } else { days };
    start.plus_days(random.below(days.max(1) as usize) as i32)
}

/// First sanction of somebody whose birthday is given: at a likely age where the register's years allow it.
fn onset_of(params: &RegisterParams, born: Day, random: &mut Random) -> Day {
    for _ in 0..6 {
        let day = born.plus_days((onset_age(random) * 365.25) as i32);
        if params.start() <= day && day < params.end() {
            return day;
        }
    }
    let earliest = params.start().max(born.plus_months(12 * 12)).min(params.end().plus_days(-1));
    earliest.plus_days(random.below(params.end().days_since(earliest).max(1) as usize) as i32)
}
