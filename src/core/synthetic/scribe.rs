//! Writes records as providers do: what is known of somebody, then the errors of the plan, then a format.

use super::cohort::{Candidate, CohortParams};
use super::corruption::{
    swapped_birthday, title_case, typo, written_date, written_pnc_id, wrong_birthday, wrong_digit,
};
use super::names::{NAMES, NameSource};
use super::people::stranger;
use super::places::postcode;
use super::random::Random;
use super::register::RegisterParams;
use super::submission::{CohortRow, Submission, Tag};
use crate::calendar::Day;
use crate::identity::nickname;
use crate::identity::pnc::PncId;

/// What the provider knows of somebody, before errors.
struct Known {
    forename: String,
    middle_name: Option<String>,
    surname: String,
    born: Day,
    is_male: bool,
    postcode: Option<String>,
    pnc_id: Option<String>,
    prison_number: Option<String>,
    sentence_start: Day,
    sentence_end: Option<Day>,
}

/// Writes one record.
pub(super) struct Scribe<'a> {
    params: &'a CohortParams,
    random: Random,
    tags: Vec<Tag>,
}

impl<'a> Scribe<'a> {
    /// A scribe for one record, with a stream of its own.
    pub(super) fn new(params: &'a CohortParams, random: Random) -> Self {
        Self { params, random, tags: Vec::new() }
    }

    /// Somebody of the register; `others` are also submitted, and their numbers may be confused.
    pub(super) fn present(mut self, candidate: &Candidate, others: &[Candidate]) -> CohortRow {
        let Candidate { person, aliases, sentence: index, next_pnc_id } = candidate;
        let names = NAMES.of(&person.forename, &person.surname);
        let mut known = Known {
            forename: person.forename.clone(),
            middle_name: person.middle_name.clone(),
            surname: person.surname.clone(),
            born: person.date_of_birth,
            is_male: person.gender == "M",
            postcode: person.postcode.clone(),
            pnc_id: person.pnc_id.clone(),
            prison_number: person.prison_number.clone(),
            sentence_start: index.start_date,
            sentence_end: index.end_date,
        };
        if !aliases.is_empty()
            && self.befalls(self.params.alias_used, Tag::AliasUsed)
            && let Some(alias) = self.random.pick(aliases)
        {
            known.forename.clone_from(&alias.forename);
            known.surname.clone_from(&alias.surname);
            known.born = alias.date_of_birth;
        }
        if known.pnc_id.is_some() {
            if next_pnc_id.is_some() && self.befalls(self.params.pnc_next_row, Tag::PncNextRow) {
                known.pnc_id.clone_from(next_pnc_id);
            } else if let Some(number) = others.iter().rev().find_map(|other| other.person.pnc_id.as_ref())
                && self.befalls(self.params.pnc_stranger, Tag::PncStranger)
            {
                known.pnc_id = Some(number.clone());
            }
        }
        if known.prison_number.is_some()
            && let Some(number) = others.iter().rev().find_map(|other| other.person.prison_number.as_ref())
            && self.befalls(self.params.prison_number_shared, Tag::PrisonNumberShared)
        {
            known.prison_number = Some(number.clone());
        }
        self.row(known, names, Some(person.person_id), None)
    }

    /// Somebody who is not on the register but whose twin, sibling, parent, child or namesake is.
    pub(super) fn trap(mut self, decoy: &Candidate) -> CohortRow {
        let person = &decoy.person;
        let names = NAMES.of(&person.forename, &person.surname);
        let mut known = self.unknown_person(names);
        known.surname.clone_from(&person.surname);
        known.is_male = person.gender == "M";
        match self.random.below(100) {
            0..20 => {
                self.tags.push(Tag::AbsentTwin);
                known.born = person.date_of_birth;
                known.postcode.clone_from(&person.postcode);
                // Another forename of the same sex: the harder twin. Rare names make sure that one is found.
                while known.forename == person.forename {
                    known.forename = names.forename(known.is_male, known.born.year(), &mut self.random).to_owned();
                }
            }
            20..44 => {
                self.tags.push(Tag::AbsentChild);
                known.forename.clone_from(&person.forename);
                let days = self.random.between(18 * 365, 35 * 365);
                let child = person.date_of_birth.plus_days(days);
                let is_too_young = known.sentence_start.age_of(child) < 14;
                known.born = if is_too_young { person.date_of_birth.plus_days(-days) } else { child };
                if self.random.chance(0.6) {
                    known.postcode.clone_from(&person.postcode);
                }
            }
            44..50 => {
                self.tags.push(Tag::AbsentNamesake);
                known.forename.clone_from(&person.forename);
                known.born = person.date_of_birth;
            }
            _ => {
                self.tags.push(Tag::AbsentSibling);
                let days = self.random.between(1, 8) * 365 + self.random.between(0, 364);
                let younger = person.date_of_birth.plus_days(days);
                let is_too_young = known.sentence_start.age_of(younger) < 14;
                known.born = if is_too_young { person.date_of_birth.plus_days(-days) } else { younger };
                if self.random.chance(0.6) {
                    known.postcode.clone_from(&person.postcode);
                }
                while known.forename == person.forename {
                    known.forename = names.forename(known.is_male, known.born.year(), &mut self.random).to_owned();
                }
            }
        }
        self.row(known, names, None, Some(person.person_id))
    }

    pub(super) fn stranger(mut self) -> CohortRow {
        self.tags.push(Tag::AbsentStranger);
        let names = NAMES.community(&mut self.random);
        let known = self.unknown_person(names);
        self.row(known, names, None, None)
    }

    /// Somebody made up, whose identifiers no register of this generator holds: PNC ids of the years before it, and
    /// prison numbers of later series.
    fn unknown_person(&mut self, names: &'static NameSource) -> Known {
        let random = &mut self.random;
        let years = RegisterParams {
            first_year: self.params.first_year,
            last_year: self.params.last_year,
            ..RegisterParams::new(1, 0)
        };
        let made_up = stranger(&years, random);
        let pnc_id = PncId::new(random.between(1975, 1979) as u16, random.between(1, 999_999) as u32);
        let letter = |random: &mut Random| char::from(b'A' + random.below(26) as u8);
        let prison_number = format!("{}{:04}E{}", letter(random), random.between(1, 9_999), letter(random));
        let is_custody = random.chance(0.4);
        let year = made_up.born.year();
        let forename = names.forename(made_up.is_male, year, random);
        Known {
            forename: forename.to_owned(),
            middle_name: names.middle_name(forename, made_up.is_male, year, random).map(str::to_owned),
            surname: names.surname(random),
            born: made_up.born,
            is_male: made_up.is_male,
            postcode: made_up.postcode,
            pnc_id: pnc_id.map(|id| id.to_string()),
            prison_number: is_custody.then_some(prison_number),
            sentence_start: made_up.onset,
            sentence_end: random.chance(0.6).then(|| made_up.onset.plus_days(random.between(30, 700))),
        }
    }

    /// Does an error befall the record? If so, notes it.
    fn befalls(&mut self, probability: f64, tag: Tag) -> bool {
        let is_so = self.random.chance(probability);
        if is_so {
            self.tags.push(tag);
        }
        is_so
    }

    /// Errors and formats.
    fn row(mut self, mut known: Known, names: &NameSource, person_id: Option<i64>, decoy_id: Option<i64>) -> CohortRow {
        self.spoil_names(&mut known, names);
        let mut submission = Submission {
            date_of_birth: self.birthday(&known),
            gender: self.gender(&known),
            postcode: self.postcode(&known, names),
            pnc_id: self.pnc_id(&known),
            prison_number: self.prison_number(&known),
            ..Submission::default()
        };
        self.write_dates(&known, &mut submission);
        let case = self.random.below(10);
        let cased = |name: String| match case {
            0..6 => title_case(&name),
            6..9 => name,
            _ => name.to_lowercase(),
        };
        submission.forename = Some(cased(known.forename));
        submission.surname = Some(cased(known.surname));
        self.tags.sort_unstable();
        CohortRow { submission, person_id, decoy_id, tags: self.tags }
    }

    fn spoil_names(&mut self, known: &mut Known, names: &NameSource) {
        let p = self.params;
        let surname_changed = if known.is_male { p.surname_changed } else { (2.0 * p.surname_changed).min(1.0) };
        if self.befalls(surname_changed, Tag::SurnameChanged) {
            known.surname = names.surname(&mut self.random);
        }
        let nicknames = nickname::variants(&known.forename);
        if let Some(nickname) = self.random.pick(&nicknames)
            && self.befalls(p.nickname, Tag::Nickname)
        {
            known.forename = (*nickname).to_owned();
        } else if self.befalls(p.initial, Tag::Initial) {
            known.forename.truncate(1);
        } else if let Some(middle_name) = &known.middle_name
            && self.random.chance(p.middle_as_forename)
        {
            self.tags.push(Tag::MiddleAsForename);
            known.forename.clone_from(middle_name);
        }
        if known.forename.len() > 1 && self.befalls(p.forename_typo, Tag::ForenameTypo) {
            known.forename = typo(&known.forename, &mut self.random);
        }
        if self.befalls(p.surname_typo, Tag::SurnameTypo) {
            known.surname = typo(&known.surname, &mut self.random);
        }
        if self.befalls(p.names_swapped, Tag::NamesSwapped) {
            std::mem::swap(&mut known.forename, &mut known.surname);
        }
    }

    fn birthday(&mut self, known: &Known) -> Option<String> {
        let p = self.params;
        if self.befalls(p.birth_missing, Tag::BirthMissing) {
            return None;
        }
        let first_of_january = Day::from_ymd(known.born.year(), 1, 1).filter(|day| *day != known.born);
        let day = if self.befalls(p.birth_typo, Tag::BirthTypo) {
            wrong_birthday(known.born, &mut self.random)
        } else if let Some(swapped) = swapped_birthday(known.born)
            && self.befalls(p.birth_swapped, Tag::BirthSwapped)
        {
            swapped
        } else if let Some(day) = first_of_january
            && self.befalls(p.birth_first_of_january, Tag::BirthFirstOfJanuary)
        {
            day
        } else {
            known.born
        };
        Some(written_date(day, &mut self.random))
    }

    fn gender(&mut self, known: &Known) -> Option<String> {
        if self.befalls(self.params.gender_missing, Tag::GenderMissing) {
            return None;
        }
        let is_male = known.is_male != self.befalls(self.params.gender_wrong, Tag::GenderWrong);
        let words = if is_male { ["M", "Male", "male", "1"] } else { ["F", "Female", "female", "2"] };
        self.random.pick(&words).map(|word| (*word).to_owned())
    }

    fn postcode(&mut self, known: &Known, names: &NameSource) -> Option<String> {
        let p = self.params;
        let mut code = known.postcode.clone()?;
        if self.befalls(p.postcode_missing, Tag::PostcodeMissing) {
            return None;
        }
        if self.befalls(p.postcode_moved, Tag::PostcodeMoved) {
            code = postcode(names.community.is_urban, &mut self.random);
        }
        if self.befalls(p.postcode_typo, Tag::PostcodeTypo) {
            code = wrong_digit(&code, &mut self.random);
        }
        Some(match self.random.below(10) {
            0 => code.replace(' ', ""),
            1 => code.to_lowercase(),
            _ => code,
        })
    }

    fn pnc_id(&mut self, known: &Known) -> Option<String> {
        let id = known.pnc_id.as_deref()?;
        if self.befalls(self.params.pnc_missing, Tag::PncMissing) {
            self.tags.retain(|tag| !matches!(tag, Tag::PncNextRow | Tag::PncStranger));
            return None;
        }
        let written = written_pnc_id(id, &mut self.random);
        let is_spoilt = self.befalls(self.params.pnc_typo, Tag::PncTypo);
        Some(if is_spoilt { wrong_digit(&written, &mut self.random) } else { written })
    }

    fn prison_number(&mut self, known: &Known) -> Option<String> {
        let number = known.prison_number.clone()?;
        if self.befalls(self.params.prison_number_missing, Tag::PrisonNumberMissing) {
            self.tags.retain(|tag| *tag != Tag::PrisonNumberShared);
            return None;
        }
        Some(if self.random.chance(0.1) { number.to_lowercase() } else { number })
    }

    /// Sentence dates as the provider has them, and the intervention: inside the sentence, or begun up to two months behind it.
    fn write_dates(&mut self, known: &Known, submission: &mut Submission) {
        let p = self.params;
        let (start, end) = (known.sentence_start, known.sentence_end);
        let random = &mut self.random;
        let intervention = match end {
            Some(end) if random.chance(0.8) => start.plus_days(random.between(0, end.days_since(start))),
            Some(end) => end.plus_days(random.between(0, 60)),
            None => start.plus_days(random.between(0, 90)),
        };
        submission.intervention_start = Some(written_date(intervention, random));
        let days = random.between(14, 180);
        submission.intervention_end = random.chance(0.7).then(|| written_date(intervention.plus_days(days), random));
        if self.befalls(p.sentence_missing, Tag::SentenceMissing) {
            return;
        }
        let slip = if self.befalls(p.sentence_slipped, Tag::SentenceSlipped) { self.random.between(1, 14) } else { 0 };
        let slip = if self.random.chance(0.5) { slip } else { -slip };
        submission.sentence_start = Some(written_date(start.plus_days(slip), &mut self.random));
        submission.sentence_end = end.map(|end| written_date(end.plus_days(slip), &mut self.random));
    }
}
