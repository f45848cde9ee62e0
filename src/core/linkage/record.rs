//! The two kinds of record that linkage compares: what was submitted and what the register holds.
//!
//! Every text is already standardised (ASCII capitals, single spaces; `crate::identity` does it) and borrowed: a register person is
//! read from one stored byte string ([`RegisterPerson::from_bytes`]) without copying a name. An empty text means *missing*.

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::identity::nickname;
pub use crate::identity::pnc::PncId;

/// A name with what the comparison needs to know of it, worked out once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name<'a> {
    /// Standardised text; parts of a double-barrelled or compound name are separated by a space or a hyphen.
    pub text: &'a str,
    /// Phonetic key; empty where there is none.
    pub phonetic: &'a str,
    /// The group of forenames that stand for one another (ROBERT, BOB, ROB ...) in which it is most at home, if it belongs to one.
    pub nickname_group: Option<u16>,
}

impl<'a> Name<'a> {
    /// The parts of the name: `SMITH-JONES` has two.
    pub fn parts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        parts(self.text)
    }

    /// Every group that a forename belongs to (BERT: ALBERT, ROBERT, HERBERT), its home first; none for a surname.
    pub(crate) fn nickname_groups(&self) -> impl Iterator<Item = u16> + use<'a> {
        let home = self.nickname_group;
        let listed = if home.is_some() { nickname::groups(self.text) } else { &[] };
        home.into_iter().chain(listed.iter().copied().filter(move |group| Some(*group) != home))
    }

    /// May two forenames stand for one another?
    pub(crate) fn shares_nickname_group(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (self.nickname_group, other.nickname_group) else { return false };
        own == others || {
            // Looking a name up is the dear part: once each.
            let (listed, others_listed) = (nickname::groups(self.text), nickname::groups(other.text));
            listed.contains(&others) || others_listed.iter().any(|group| *group == own || listed.contains(group))
        }
    }
}

/// The parts of a text, split at spaces and hyphens.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '-']).filter(|part| !part.is_empty())
}

/// The name a person goes by in one record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PersonName<'a> {
    /// First name.
    #[serde(borrow)]
    pub forename: Name<'a>,
    /// Further forenames, separated by spaces.
    pub middle: &'a str,
    /// Family name.
    #[serde(borrow)]
    pub surname: Name<'a>,
}

/// Gender as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Gender {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Any other recorded value.
    Other,
}

/// A standardised postcode, `OUTWARD INWARD` (or the outward half alone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Postcode<'a> {
    /// `SW1A 1AA`, or `SW1A` where only the district is known.
    pub text: &'a str,
    /// A code that is no address (`ZZ99 ...`, no fixed abode): says nothing and is never compared.
    pub pseudo: bool,
    /// An address that many unrelated people share (prison, approved premises, hostel): never a blocking key.
    pub institution: bool,
}

impl<'a> Postcode<'a> {
    /// The whole code, if both halves are there.
    pub fn full(&self) -> Option<&'a str> {
        self.text.contains(' ').then_some(self.text)
    }

    /// `SW1A 1` of `SW1A 1AA`.
    pub fn sector(&self) -> Option<&'a str> {
        let space = self.text.find(' ')?;
        self.text.get(..space + 2)
    }

    /// `SW1A` of `SW1A 1AA`.
    pub fn district(&self) -> &'a str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// `SW` of `SW1A 1AA`.
    pub fn area(&self) -> &'a str {
        let letters = self.text.bytes().take_while(u8::is_ascii_alphabetic).count();
        self.text.get(..letters).unwrap_or_default()
    }
}

/// One row of a cohort. Field order is the order in which rows are put for a result that does not depend on their order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubmittedPerson<'a> {
    /// The name as submitted.
    pub name: PersonName<'a>,
    /// Date of birth.
    pub dob: Option<Day>,
    /// The other reading, where the text could be read day first or month first.
    pub dob_other_reading: Option<Day>,
    /// A stand-in for an unknown date (1 January, 1900 ...): agreement counts as always, disagreement says nothing.
    pub dob_placeholder: bool,
    /// Gender.
    pub gender: Option<Gender>,
    /// Postcode.
    pub postcode: Option<Postcode<'a>>,
    /// PNC id of the right shape; its check letter may be wrong.
    pub pnc_id: Option<PncId>,
    /// Criminal Records Office number, canonical.
    pub cro: Option<&'a str>,
    /// Prison number, canonical.
    pub prison_number: Option<&'a str>,
    /// Start of the sentence that the intervention belongs to.
    pub sentence_start: Option<Day>,
    /// Its end.
    pub sentence_end: Option<Day>,
    /// Start of the intervention.
    pub intervention_start: Option<Day>,
}

/// A period under sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sentence {
    /// First day.
    pub start: Day,
    /// Last day, where it is known.
    pub end: Option<Day>,
}

/// An alias: another name, another date of birth, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias<'a> {
    /// The other name.
    #[serde(borrow)]
    pub name: PersonName<'a>,
    /// The date of birth given with it.
    pub dob: Option<Day>,
}

/// A person of the register with all that is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterPerson<'a> {
    /// The register's key.
    pub person_id: i64,
    /// The recorded name.
    #[serde(borrow)]
    pub name: PersonName<'a>,
    /// Other names.
    #[serde(borrow)]
    pub aliases: Vec<Alias<'a>>,
    /// Date of birth.
    pub dob: Option<Day>,
    /// Gender.
    pub gender: Option<Gender>,
    /// Postcode.
    #[serde(borrow)]
    pub postcode: Option<Postcode<'a>>,
    /// All PNC ids held.
    pub pnc_ids: Vec<PncId>,
    /// All CRO numbers held.
    #[serde(borrow)]
    pub cros: Vec<&'a str>,
    /// All prison numbers held.
    #[serde(borrow)]
    pub prison_numbers: Vec<&'a str>,
    /// Sentences, by start.
    pub sentences: Vec<Sentence>,
}

/// First byte of a stored record; changes with the layout.
const RECORD_VERSION: u8 = 2;

impl<'a> RegisterPerson<'a> {
    /// The record as one byte string, so that a candidate costs one column to fetch. Personal data: store it where the person is stored.
    ///
    /// # Errors
    /// [`Error::Bug`] if the record cannot be written, which no record should cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, vec![RECORD_VERSION])
            .map_err(|_| Error::Bug("a register record cannot be written".into()))
    }

    /// Reads a stored record; names stay in `bytes`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the bytes are of another version or damaged: the register must be refreshed.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&RECORD_VERSION, rest)) => postcard::from_bytes(rest).ok(),
            _ => None,
        }
        .ok_or_else(|| Error::invalid("linkage record", "not of this version; refresh the register"))
    }

    /// The recorded name, then every alias.
    pub fn names(&self) -> impl Iterator<Item = &PersonName<'a>> {
        std::iter::once(&self.name).chain(self.aliases.iter().map(|alias| &alias.name))
    }

    /// The recorded date of birth, then every alias's.
    pub fn dobs(&self) -> impl Iterator<Item = Day> {
        self.dob.into_iter().chain(self.aliases.iter().filter_map(|alias| alias.dob))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_person_survives_storage() {
        let name = |text| Name { text, phonetic: "X", nickname_group: Some(3) };
        let person = RegisterPerson {
            person_id: -7,
            name: PersonName { forename: name("ANN"), middle: "MARY", surname: name("O BRIEN") },
            aliases: vec![Alias { dob: Some(Day(-9000)), ..Alias::default() }],
            dob: Some(Day(-9001)),
            gender: Some(Gender::Female),
            postcode: Some(Postcode { text: "SW1A 1AA", pseudo: false, institution: true }),
            pnc_ids: vec![PncId { year: 2002, serial: 73319, letter: 'Z' }],
            cros: vec!["1/02A"],
            prison_numbers: vec!["A1234BC"],
            sentences: vec![Sentence { start: Day(1), end: None }],
        };
        let bytes = person.to_bytes().unwrap();
        assert_eq!(RegisterPerson::from_bytes(&bytes).unwrap(), person);
        assert!(RegisterPerson::from_bytes(&bytes[1..]).is_err());
        assert!(RegisterPerson::from_bytes(&[]).is_err());
    }

    #[test]
    fn postcodes_fall_into_sector_district_and_area() {
        let code = Postcode { text: "SW1A 1AA", pseudo: false, institution: false };
        assert_eq!((code.full(), code.sector()), (Some("SW1A 1AA"), Some("SW1A 1")));
        assert_eq!((code.district(), code.area()), ("SW1A", "SW"));
        let half = Postcode { text: "M1", ..code };
        assert_eq!((half.full(), half.sector(), half.district(), half.area()), (None, None, "M1", "M"));
    }
}
