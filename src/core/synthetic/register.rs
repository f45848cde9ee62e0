//! The register: rows of DESIGN's tables, block by block.

use rayon::prelude::*;

use super::career;
use super::people::{Draft, drafts};
use super::places::Institutions;
use super::random::Random;
use crate::Error;
use crate::Result;
use crate::calendar::Day;
use crate::identity::cro::CroNumber;
use crate::identity::nickname;
use crate::identity::pnc::PncId;
use crate::number::Heartbeat;

/// Persons of a full block.
pub const BLOCK_PERSONS: u32 = 1_000;

/// The largest register: serials of PNC ids have seven digits.
pub const MOST_PERSONS: u32 = PERMUTED as u32;

/// Numbers are dealt out by stepping through 0 to this, less one, with a step prime to it.
const PERMUTED: u64 = 9_999_999;

/// Stream of the draws that belong to no block.
const COMMON_STREAM: u64 = u64::MAX;
/// Stream of a block's deaths: of their own, so that they move nothing else.
const DEATH_STREAM: u64 = 1 << 40;

/// One person of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// 1 to the number of persons.
    pub person_id: i64,
    /// Canonical, `YYYY/NNNNNNNL`.
    pub pnc_id: Option<String>,
    /// Canonical.
    pub cro: Option<String>,
    /// NOMIS number, of those who were in custody.
    pub prison_number: Option<String>,
    /// In capitals.
    pub forename: String,
    /// In capitals.
    pub middle_name: Option<String>,
    /// In capitals, with apostrophe or hyphen where it has one.
    pub surname: String,
    /// Born on.
    pub date_of_birth: Day,
    /// `M` or `F`.
    pub gender: String,
    /// White, Black, Asian, Other; not always recorded.
    pub ethnicity: Option<String>,
    /// UK, Irish, Polish ...
    pub nationality: Option<String>,
    /// Home, prison, hostel or pseudo-postcode.
    pub postcode: Option<String>,
    /// Died on: after everything else that the register knows of the person.
    pub date_of_death: Option<Day>,
}

/// Another name or birthday that somebody gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Whose.
    pub person_id: i64,
    /// In capitals.
    pub forename: String,
    /// In capitals.
    pub surname: String,
    /// As given under this name.
    pub date_of_birth: Day,
}

/// A sentence or caution: an index event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// `person_id` * 100 + number of the sanction.
    pub sentence_id: i64,
    /// Whose.
    pub person_id: i64,
    /// One of [`super::SENTENCE_KINDS`].
    pub kind: String,
    /// Day of the sentence or caution.
    pub start_date: Day,
    /// Release from custody or end of the order; none for a fine or caution.
    pub end_date: Option<Day>,
    /// Of the principal offence, one of [`super::OFFENCE_GROUPS`].
    pub offence_group: String,
}

/// An offence and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// `person_id` * 1000 + number of the offence.
    pub offence_id: i64,
    /// Whose.
    pub person_id: i64,
    /// Day of the offence.
    pub offence_date: Day,
    /// Day of the decision; none while pending.
    pub outcome_date: Option<Day>,
    /// One of [`super::OUTCOMES`]; none while pending.
    pub outcome: Option<String>,
    /// One of [`super::OFFENCE_GROUPS`].
    pub offence_group: String,
    /// One of [`super::COURT_CATEGORIES`].
    pub court_category: String,
    /// Did it bring custody?
    pub custodial: bool,
}

/// What was known about somebody's life on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstance {
    /// Whose.
    pub person_id: i64,
    /// When.
    pub as_of_date: Day,
    /// In employment?
    pub employed: bool,
    /// On out-of-work benefits?
    pub on_benefits: bool,
    /// Assessed need; none where not assessed. So for the four below.
    pub accommodation_need: Option<bool>,
    /// Employment or training.
    pub employment_need: Option<bool>,
    /// Drugs.
    pub drugs_need: Option<bool>,
    /// Alcohol.
    pub alcohol_need: Option<bool>,
    /// Thinking and behaviour.
    pub thinking_need: Option<bool>,
}

/// The rows of a run of persons; each list is in the order of `person_id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisterBlock {
    /// One row a person.
    pub persons: Vec<Person>,
    /// None to three rows a person.
    pub aliases: Vec<Alias>,
    /// One row or more a person, by start date.
    pub sentences: Vec<Sentence>,
    /// One row or more a person.
    pub offences: Vec<Offence>,
    /// None to one row a sentence.
    pub circumstances: Vec<Circumstance>,
}

/// What a register should be like. Shares are of persons, 0 to 1, and hold approximately.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterParams {
    /// Number of persons, 1 to [`MOST_PERSONS`].
    pub persons: u32,
    /// Seed of everything.
    pub seed: u64,
    /// First year with sentences.
    pub first_year: i16,
    /// Last year with sentences.
    pub last_year: i16,
    /// With at least one alias.
    pub alias_share: f64,
    /// With a PNC id.
    pub pnc_share: f64,
    /// One of twins that are both on the register.
    pub twin_share: f64,
    /// One of two siblings on the register.
    pub sibling_share: f64,
    /// Parent or child of somebody on the register (a quarter of those of one sex share their forename).
    pub parent_share: f64,
    /// Sharing forename, surname and date of birth with a stranger, beyond what chance brings.
    pub double_share: f64,
}

impl RegisterParams {
    /// A register of the usual kind.
    pub fn new(persons: u32, seed: u64) -> Self {
        Self {
            persons,
            seed,
            first_year: 2000,
            last_year: 2024,
            alias_share: 0.1,
            pnc_share: 0.97,
            twin_share: 0.015,
            sibling_share: 0.08,
            parent_share: 0.06,
            double_share: 0.006,
        }
    }

    /// Checks the parameters and makes ready.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a parameter is out of range.
    pub fn check(self) -> Result<Register> {
        if !(1..=MOST_PERSONS).contains(&self.persons) {
            return Err(Error::invalid("persons", format!("must be between 1 and {MOST_PERSONS}")));
        }
        if self.first_year < 1980 || self.last_year > 2100 || self.first_year > self.last_year {
            return Err(Error::invalid(
                "first_year",
                "must not lie behind last_year, and both must be between 1980 and 2100",
            ));
        }
        for (field, share, most) in [
            ("alias_share", self.alias_share, 1.0),
            ("pnc_share", self.pnc_share, 1.0),
            ("twin_share", self.twin_share, 0.4),
            ("sibling_share", self.sibling_share, 0.4),
            ("parent_share", self.parent_share, 0.4),
            ("double_share", self.double_share, 0.4),
        ] {
            if !(0.0..=most).contains(&share) {
                return Err(Error::invalid(field, format!("must be between 0 and {most}")));
            }
        }
        let mut random = Random::new(self.seed, COMMON_STREAM);
        let institutions = Institutions::new(self.persons, &mut random);
        let offset = random.below(PERMUTED as usize) as u64;
        Ok(Register { params: self, institutions, offset })
    }

    /// The first day with sentences.
    pub(super) fn start(&self) -> Day {
        Day::from_ymd(self.first_year, 1, 1).unwrap_or(Day(0))
    }

    /// The day behind the last with sentences.
    pub(super) fn end(&self) -> Day {
        Day::from_ymd(self.last_year + 1, 1, 1).unwrap_or(Day(0))
    }
}

/// A register that can be written down block by block.
pub struct Register {
    params: RegisterParams,
    institutions: Institutions,
    /// Where the numbering of identifiers begins.
    offset: u64,
}

impl Register {
    /// What it was made from.
    pub fn params(&self) -> &RegisterParams {
        &self.params
    }

    /// Number of blocks.
    pub fn blocks(&self) -> u32 {
        self.params.persons.div_ceil(BLOCK_PERSONS)
    }

    /// Block `number` (from 0): persons `number` * 1000 + 1 and the next 999, with all that belongs to them; empty behind the last.
    ///
    /// A block depends on the parameters and its number alone: families stand in one block, identifiers are dealt out
    /// by `person_id`, and prisons and hostels are fixed for the register. Blocks can be made in any order.
    pub fn block(&self, number: u32) -> RegisterBlock {
        let before = number.saturating_mul(BLOCK_PERSONS).min(self.params.persons);
        let count = (self.params.persons - before).min(BLOCK_PERSONS) as usize;
        let random = &mut Random::new(self.params.seed, u64::from(number));
        let mut block = RegisterBlock {
            persons: Vec::with_capacity(count),
            aliases: Vec::with_capacity(count / 8),
            sentences: Vec::with_capacity(4 * count),
            offences: Vec::with_capacity(8 * count),
            circumstances: Vec::with_capacity(4 * count),
        };
        let drafts = drafts(&self.params, &self.institutions, count, random);
        let deaths = &mut Random::new(self.params.seed, DEATH_STREAM + u64::from(number));
        for (person_id, draft) in (i64::from(before) + 1..).zip(drafts) {
            let (sentences, offences) = (block.sentences.len(), block.offences.len());
            let has_custody =
                career::write(&self.params, person_id, draft.born, draft.is_male, draft.onset, &mut block, random);
            self.write_aliases(person_id, &draft, &mut block.aliases, random);
            let starts = block.sentences[sentences..].iter().map(|sentence| career::follow_up(sentence).start());
            let decided = block.offences[offences..].iter().map(|o| o.outcome_date.unwrap_or(o.offence_date));
            let last = starts.chain(decided).max().unwrap_or(draft.onset);
            let date_of_death = career::death(draft.born, last, deaths).filter(|day| *day < self.params.end());
            block.persons.push(Person { date_of_death, ..self.person(person_id, draft, has_custody, random) });
        }
        block
    }

    /// Hands over every block in order, made by all threads in batches; calls the heartbeat between batches.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn stream(&self, heartbeat: Heartbeat<'_>, mut take: impl FnMut(RegisterBlock) -> Result<()>) -> Result<()> {
        const BATCH: u32 = 16;
        let blocks = self.blocks();
        for first in (0..blocks).step_by(BATCH as usize) {
            heartbeat();
            let batch: Vec<RegisterBlock> =
                (first..blocks.min(first + BATCH)).into_par_iter().map(|number| self.block(number)).collect();
            batch.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    fn person(&self, person_id: i64, draft: Draft, has_custody: bool, random: &mut Random) -> Person {
        let community = draft.names.community;
        let pnc_id = if random.chance(self.params.pnc_share) { self.pnc_id(person_id, draft.onset) } else { None };
        let cro = if pnc_id.is_some() && random.chance(0.6) { self.cro(person_id, draft.onset, random) } else { None };
        let nationality = if random.chance(community.foreign_share) { community.nationality } else { "UK" };
        Person {
            person_id,
            pnc_id: pnc_id.map(|id| id.to_string()),
            cro: cro.map(|number| number.to_string()),
            prison_number: has_custody.then(|| self.prison_number(person_id)),
            forename: draft.forename.to_owned(),
            middle_name: draft.middle_name.map(str::to_owned),
            surname: draft.surname,
            date_of_birth: draft.born,
            gender: if draft.is_male { "M" } else { "F" }.to_owned(),
            ethnicity: random.chance(0.97).then(|| community.ethnicity.to_owned()),
            nationality: random.chance(0.95).then(|| nationality.to_owned()),
            postcode: draft.postcode,
            date_of_death: None,
        }
    }

    /// The place of a person in a numbering that looks shuffled: `step` is prime to [`PERMUTED`] = 3² · 239 · 4649, so no two persons share it.
    fn shuffled(&self, person_id: i64, step: u64) -> u64 {
        (self.offset + person_id as u64 % PERMUTED * step) % PERMUTED
    }

    fn pnc_id(&self, person_id: i64, onset: Day) -> Option<PncId> {
        PncId::new(onset.year() as u16, self.shuffled(person_id, 6_700_417) as u32 + 1)
    }

    /// Serials have six digits: persons who share one are told apart by years that belong to different spans of six.
    fn cro(&self, person_id: i64, onset: Day, random: &mut Random) -> Option<CroNumber> {
        const SERIALS: u64 = 999_999;
        let place = self.shuffled(person_id, 1_299_709);
        let year = 60 + 6 * (place / SERIALS) + onset.year() as u64 % 6;
        CroNumber::new((year % 100) as u8, (place % SERIALS) as u32 + 1, random.chance(0.05))
    }

    fn prison_number(&self, person_id: i64) -> String {
        const SERIALS: u64 = 9_999;
        let place = self.shuffled(person_id, 7_368_787);
        let letter = |n: u64| char::from(b'A' + (n % 26) as u8);
        let series = place / SERIALS;
        format!("{}{:04}{}{}", letter(series), place % SERIALS + 1, letter(series / 676), letter(series / 26))
    }

    /// A married or former surname, a nickname, the middle name, another spelling, or a false name; sometimes another birthday.
    fn write_aliases(&self, person_id: i64, draft: &Draft, aliases: &mut Vec<Alias>, random: &mut Random) {
        if !random.chance(self.params.alias_share) {
            return;
        }
        let count = 1 + usize::from(random.chance(0.25)) + usize::from(random.chance(0.1));
        for _ in 0..count {
            let mut alias = Alias {
                person_id,
                forename: draft.forename.to_owned(),
                surname: draft.surname.clone(),
                date_of_birth: draft.born,
            };
            match random.below(10) {
                0..3 => alias.surname = draft.names.surname(random),
                3..6 => match random.pick(&nickname::variants(draft.forename)) {
                    Some(nickname) => alias.forename = (*nickname).to_owned(),
                    None => alias.surname = super::corruption::typo(&alias.surname, random),
                },
                6..8 if draft.middle_name.is_some() => {
                    alias.forename = draft.middle_name.unwrap_or_default().to_owned()
                }
                6..9 => alias.surname = super::corruption::typo(&alias.surname, random),
                _ => {
                    alias.forename = draft.names.forename(draft.is_male, draft.born.year(), random).to_owned();
                    alias.surname = draft.names.surname(random);
                }
            }
            if random.chance(0.15) {
                alias.date_of_birth = super::corruption::wrong_birthday(draft.born, random);
            }
            aliases.push(alias);
        }
    }
}
