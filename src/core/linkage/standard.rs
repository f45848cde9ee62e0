//! From raw rows to the records that are compared: every value standardised once, by `crate::identity`.
//!
//! The standardised texts are owned here; [`StandardPerson::record`] and [`StandardSubmission::record`] lend them out.

use std::collections::HashSet;

use super::record::{Alias, Gender, Name, PersonName, PncId, Postcode, RegisterPerson, Sentence, SubmittedPerson};
use crate::calendar::Day;
use crate::identity::date::Placeholder;
use crate::identity::name::{self, StandardName};
use crate::identity::nickname::nickname_group;
use crate::identity::pnc::{self, PncStatus};
use crate::identity::postcode::{self, PostcodeStatus};
use crate::identity::record::SubmittedRecord;
use crate::identity::{cro, gender, prison_number};

/// Postcodes (canonical) that so many people share that they are prisons, hostels or courts, not homes.
pub type Institutions = HashSet<String>;

/// A row of the register as it was loaded; absent and blank mean the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawPerson {
    /// The register's key.
    pub person_id: i64,
    /// Police National Computer id.
    pub pnc_id: Option<String>,
    /// Criminal Records Office number.
    pub cro: Option<String>,
    /// Prison number.
    pub prison_number: Option<String>,
    /// First name.
    pub forename: Option<String>,
    /// Further forenames.
    pub middle_name: Option<String>,
    /// Family name.
    pub surname: Option<String>,
    /// Date of birth.
    pub date_of_birth: Option<Day>,
    /// Gender, in any spelling.
    pub gender: Option<String>,
    /// Postcode.
    pub postcode: Option<String>,
    /// Other names and dates of birth: forename, surname, date of birth.
    pub aliases: Vec<(Option<String>, Option<String>, Option<Day>)>,
    /// Start and end of each sentence.
    pub sentences: Vec<(Day, Option<Day>)>,
}

#[derive(Debug, Clone, Default)]
struct OwnedName {
    text: String,
    phonetic: String,
    nickname_group: Option<u16>,
}

impl OwnedName {
    fn forename(text: Option<&str>) -> Self {
        let standard = standard(text);
        Self { phonetic: name::key(&standard), nickname_group: nickname_group(&standard), text: standard }
    }

    fn surname(text: Option<&str>) -> Self {
        let standard = standard(text);
        Self { phonetic: name::key(&standard), nickname_group: None, text: standard }
    }

    fn lend(&self) -> Name<'_> {
        Name { text: &self.text, phonetic: &self.phonetic, nickname_group: self.nickname_group }
    }
}

/// A name as it is compared; a stand-in for a name is missing.
fn standard(text: Option<&str>) -> String {
    usable(name::standardise(text.unwrap_or_default()))
}

fn usable(name: StandardName) -> String {
    if name.is_usable() { name.text } else { String::new() }
}

#[derive(Debug, Clone, Default)]
struct OwnedPersonName {
    forename: OwnedName,
    middle: String,
    surname: OwnedName,
}

impl OwnedPersonName {
    fn new(forename: Option<&str>, middle: Option<&str>, surname: Option<&str>) -> Self {
        let middle_text = standard(middle);
        let mut forename = OwnedName::forename(forename);
        // MARY ANN in one field is MARY with the middle name ANN.
        let (first, rest) = match forename.text.split_once(' ') {
            Some((first, rest)) => (first.to_owned(), rest.to_owned()),
            None => (String::new(), String::new()),
        };
        let mut middle = middle_text;
        if !rest.is_empty() {
            middle = if middle.is_empty() { rest } else { format!("{rest} {middle}") };
            forename = OwnedName::forename(Some(&first));
        }
        Self { forename, middle, surname: OwnedName::surname(surname) }
    }

    fn lend(&self) -> PersonName<'_> {
        PersonName { forename: self.forename.lend(), middle: &self.middle, surname: self.surname.lend() }
    }
}

#[derive(Debug, Clone)]
struct OwnedPostcode {
    text: String,
    pseudo: bool,
    institution: bool,
}

impl OwnedPostcode {
    fn new(status: PostcodeStatus, institutions: &Institutions) -> Option<Self> {
        let (code, pseudo) = match status {
            PostcodeStatus::Valid(code) => (code, false),
            PostcodeStatus::Pseudo(code) => (code, true),
            PostcodeStatus::Malformed => return None,
        };
        let text = code.to_string();
        // Only a whole code of a real place can be a home, or not.
        let institution = !pseudo && text.contains(' ') && institutions.contains(&text);
        Some(Self { text, pseudo, institution })
    }

    fn lend(&self) -> Postcode<'_> {
        Postcode { text: &self.text, pseudo: self.pseudo, institution: self.institution }
    }
}

fn compared_gender(gender: gender::Gender) -> Option<Gender> {
    match gender {
        gender::Gender::Male => Some(Gender::Male),
        gender::Gender::Female => Some(Gender::Female),
        gender::Gender::Unknown => None,
    }
}

/// A register person, standardised.
#[derive(Debug, Clone)]
pub struct StandardPerson {
    person_id: i64,
    name: OwnedPersonName,
    aliases: Vec<(OwnedPersonName, Option<Day>)>,
    dob: Option<Day>,
    gender: Option<Gender>,
    postcode: Option<OwnedPostcode>,
    pnc_ids: Vec<PncId>,
    cros: Vec<String>,
    prison_numbers: Vec<String>,
    sentences: Vec<Sentence>,
}

impl StandardPerson {
    /// Standardises a row; `pnc_pivot` is the first two-digit year of the 20th century in a PNC id.
    pub fn new(raw: &RawPerson, institutions: &Institutions, pnc_pivot: u8) -> Self {
        Self {
            person_id: raw.person_id,
            name: OwnedPersonName::new(raw.forename.as_deref(), raw.middle_name.as_deref(), raw.surname.as_deref()),
            aliases: raw
                .aliases
                .iter()
                .map(|(forename, surname, dob)| {
                    (OwnedPersonName::new(forename.as_deref(), None, surname.as_deref()), *dob)
                })
                .collect(),
            dob: raw.date_of_birth,
            gender: raw.gender.as_deref().and_then(gender::parse).and_then(compared_gender),
            postcode: raw.postcode.as_deref().and_then(|text| OwnedPostcode::new(postcode::parse(text), institutions)),
            pnc_ids: raw.pnc_id.as_deref().and_then(|text| pnc::parse(text, pnc_pivot).id()).into_iter().collect(),
            cros: raw.cro.as_deref().and_then(|t| cro::parse(t).valid()).map(|id| id.to_string()).into_iter().collect(),
            prison_numbers: raw
                .prison_number
                .as_deref()
                .and_then(|t| prison_number::parse(t).valid())
                .map(|number| number.as_str().to_owned())
                .into_iter()
                .collect(),
            sentences: raw.sentences.iter().map(|&(start, end)| Sentence { start, end }).collect(),
        }
    }

    /// The record that is compared.
    pub fn record(&self) -> RegisterPerson<'_> {
        RegisterPerson {
            person_id: self.person_id,
            name: self.name.lend(),
            aliases: self.aliases.iter().map(|(name, dob)| Alias { name: name.lend(), dob: *dob }).collect(),
            dob: self.dob,
            gender: self.gender,
            postcode: self.postcode.as_ref().map(OwnedPostcode::lend),
            pnc_ids: self.pnc_ids.clone(),
            cros: self.cros.iter().map(String::as_str).collect(),
            prison_numbers: self.prison_numbers.iter().map(String::as_str).collect(),
            sentences: self.sentences.clone(),
        }
    }
}

/// A submission, standardised.
#[derive(Debug, Clone)]
pub struct StandardSubmission {
    name: OwnedPersonName,
    dob: Option<Day>,
    dob_other_reading: Option<Day>,
    dob_placeholder: bool,
    gender: Option<Gender>,
    postcode: Option<OwnedPostcode>,
    pnc_id: Option<PncId>,
    prison_number: Option<String>,
    sentence_start: Option<Day>,
    sentence_end: Option<Day>,
    intervention_start: Option<Day>,
}

impl StandardSubmission {
    /// Standardises a submitted record.
    pub fn new(read: &SubmittedRecord, institutions: &Institutions) -> Self {
        let (forename, surname) = (usable(read.forename.clone()), usable(read.surname.clone()));
        let birth = &read.date_of_birth;
        // The first day of some computer's calendar is no date at all.
        let known_birth = birth.placeholder != Some(Placeholder::Default);
        Self {
            name: OwnedPersonName::new(Some(&forename), None, Some(&surname)),
            dob: birth.day.filter(|_| known_birth),
            dob_other_reading: birth.swapped.filter(|_| known_birth),
            dob_placeholder: birth.placeholder.is_some(),
            gender: read.gender.and_then(compared_gender),
            postcode: read.postcode.and_then(|status| OwnedPostcode::new(status, institutions)),
            pnc_id: read.pnc_id.and_then(PncStatus::id),
            prison_number: read.prison_number.and_then(|s| s.valid()).map(|number| number.as_str().to_owned()),
            sentence_start: read.sentence_start.day,
            sentence_end: read.sentence_end.day,
            intervention_start: read.intervention_start.day,
        }
    }

    /// The record that is compared.
    pub fn record(&self) -> SubmittedPerson<'_> {
        SubmittedPerson {
            name: self.name.lend(),
            dob: self.dob,
            dob_other_reading: self.dob_other_reading,
            dob_placeholder: self.dob_placeholder,
            gender: self.gender,
            postcode: self.postcode.as_ref().map(OwnedPostcode::lend),
            pnc_id: self.pnc_id,
            cro: None,
            prison_number: self.prison_number.as_deref(),
            sentence_start: self.sentence_start,
            sentence_end: self.sentence_end,
            intervention_start: self.intervention_start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_row_becomes_a_comparable_record() {
        let raw = RawPerson {
            person_id: 9,
            pnc_id: Some("79/163001b".into()),
            forename: Some("Mary  Ann".into()),
            middle_name: Some("Rose".into()),
            surname: Some("O'Brien-Smythe".into()),
            date_of_birth: Day::from_ymd(1980, 5, 4),
            gender: Some("Female".into()),
            postcode: Some("ls1 4dy".into()),
            aliases: vec![(Some("Molly".into()), Some("UNKNOWN".into()), None)],
            sentences: vec![(Day(1), None)],
            ..RawPerson::default()
        };
        let institutions = Institutions::from(["LS1 4DY".to_owned()]);
        let standard = StandardPerson::new(&raw, &institutions, 39);
        let record = standard.record();
        assert_eq!(
            (record.name.forename.text, record.name.middle, record.name.surname.text),
            ("MARY", "ANN ROSE", "OBRIEN SMYTHE")
        );
        assert!(record.pnc_ids[0].is_letter_right() && record.postcode.unwrap().institution);
        assert_eq!(record.aliases[0].name.surname.text, "", "a stand-in is no name");
        assert_eq!(record.gender, Some(Gender::Female));
    }
}
