//! How common is a value in the register? Exact counts, so that u probabilities need no sampling and no seed.
//!
//! A *term* is a value in a role: a surname, a full name, a date of birth. Each register person counts once for each of its terms
//! ([`register_terms`], all aliases included); the database keeps `(term, count)` and hands over the counts of the terms that a cohort
//! ([`submission_terms`]) asks for. A submitted value that is not among them is one that nobody holds.

use std::collections::HashMap;

use crate::calendar::Day;
use crate::linkage::key::KeyBuilder;
use crate::linkage::record::{Gender, PersonName, RegisterPerson, SubmittedPerson};

/// A value in a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term<'a> {
    /// A forename.
    Forename(&'a str),
    /// A surname.
    Surname(&'a str),
    /// Forename and surname of one name.
    FullName(&'a str, &'a str),
    /// Forenames of one nickname group.
    NicknameGroup(u16),
    /// Forenames that begin with a letter.
    Initial(u8),
    /// A date of birth.
    Dob(Day),
    /// A full postcode.
    Postcode(&'a str),
    /// A postcode district.
    District(&'a str),
    /// A gender.
    Gender(Gender),
    /// The start of a sentence.
    SentenceStart(Day),
}

impl Term<'_> {
    /// The stable 64-bit key under which the term is counted. Domains lie above those of the blocking rules.
    pub fn key(self) -> u64 {
        let domain = |n: u8| KeyBuilder::new(64 + n);
        match self {
            Self::Forename(text) => domain(1).text(text),
            Self::Surname(text) => domain(2).text(text),
            Self::FullName(forename, surname) => domain(3).text(forename).text(surname),
            Self::NicknameGroup(group) => domain(4).number(group.into()),
            Self::Initial(letter) => domain(5).number(letter.into()),
            Self::Dob(day) => domain(6).number(day.0.into()),
            Self::Postcode(text) => domain(7).text(text),
            Self::District(text) => domain(8).text(text),
            Self::Gender(gender) => domain(9).number(gender as i64),
            Self::SentenceStart(day) => domain(10).number(day.0.into()),
        }
        .finish()
    }
}

/// Counts of the register's values.
#[derive(Debug, Clone, Default)]
pub struct TermFrequencies {
    /// Persons in the register.
    pub persons: u64,
    /// Sentences in the register.
    pub sentences: u64,
    counts: HashMap<u64, u32>,
}

impl TermFrequencies {
    /// From counts by term key, as the database keeps them.
    pub fn new(persons: u64, sentences: u64, counts: impl IntoIterator<Item = (u64, u32)>) -> Self {
        Self { persons, sentences, counts: counts.into_iter().collect() }
    }

    /// Counts a register held in memory.
    pub fn from_register(register: &[RegisterPerson<'_>]) -> Self {
        let mut counts = HashMap::new();
        for term in register.iter().flat_map(register_terms) {
            *counts.entry(term).or_insert(0) += 1;
        }
        let sentences = register.iter().map(|person| person.sentences.len() as u64).sum();
        Self { persons: register.len() as u64, sentences, counts }
    }

    /// The counts of some terms only, as a database hands them over.
    pub fn only(&self, terms: impl IntoIterator<Item = u64>) -> Self {
        let counts = terms.into_iter().filter_map(|term| Some((term, *self.counts.get(&term)?))).collect();
        Self { counts, ..*self }
    }

    /// Persons that hold the term.
    pub fn count(&self, term: Term<'_>) -> u32 {
        self.counts.get(&term.key()).copied().unwrap_or(0)
    }

    /// Share of persons that hold a term that somebody holds; `None` if its count was not handed over.
    pub(crate) fn known_share(&self, term: Term<'_>) -> Option<f64> {
        let count = self.count(term);
        (count > 0).then(|| f64::from(count) / (self.persons.max(1) as f64))
    }

    /// Share of persons that hold the term; one that nobody holds counts as half a person's.
    pub(crate) fn share(&self, term: Term<'_>) -> f64 {
        let count = f64::from(self.count(term)).max(0.5);
        count / (self.persons.max(1) as f64)
    }
}

/// The terms of a register person, sorted, each once.
pub fn register_terms(person: &RegisterPerson<'_>) -> Vec<u64> {
    let mut terms = Vec::with_capacity(16);
    for name in person.names() {
        name_terms(&mut terms, name);
    }
    terms.extend(person.dobs().map(|dob| Term::Dob(dob).key()));
    terms.extend(person.gender.map(|gender| Term::Gender(gender).key()));
    if let Some(postcode) = person.postcode.filter(|p| !p.pseudo) {
        terms.push(Term::District(postcode.district()).key());
        terms.extend(postcode.full().map(|full| Term::Postcode(full).key()));
    }
    terms.extend(person.sentences.iter().map(|sentence| Term::SentenceStart(sentence.start).key()));
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The terms whose counts the comparison of a submission may ask for, sorted, each once.
pub fn submission_terms(person: &SubmittedPerson<'_>) -> Vec<u64> {
    let mut terms = Vec::with_capacity(16);
    name_terms(&mut terms, &person.name);
    let PersonName { forename, surname, .. } = person.name;
    terms.extend(forename.nickname_groups().map(|group| Term::NicknameGroup(group).key()));
    name_terms(&mut terms, &PersonName { forename: surname, middle: "", surname: forename });
    let swapped = person.dob.and_then(crate::linkage::blocking::day_month_swapped);
    terms.extend([person.dob, person.dob_other_reading, swapped].into_iter().flatten().map(|d| Term::Dob(d).key()));
    terms.extend([Gender::Female, Gender::Male, Gender::Other].map(|gender| Term::Gender(gender).key()));
    if let Some(postcode) = person.postcode.filter(|p| !p.pseudo) {
        terms.push(Term::District(postcode.district()).key());
        terms.extend(postcode.full().map(|full| Term::Postcode(full).key()));
    }
    terms.extend(person.sentence_start.map(|start| Term::SentenceStart(start).key()));
    terms.sort_unstable();
    terms.dedup();
    terms
}

fn name_terms(terms: &mut Vec<u64>, name: &PersonName<'_>) {
    let (forename, surname) = (name.forename, name.surname);
    if let Some(&initial) = forename.text.as_bytes().first() {
        terms.push(Term::Forename(forename.text).key());
        terms.push(Term::Initial(initial).key());
    }
    terms.extend(forename.nickname_group.map(|group| Term::NicknameGroup(group).key()));
    if !surname.text.is_empty() {
        terms.push(Term::Surname(surname.text).key());
        if !forename.text.is_empty() {
            terms.push(Term::FullName(forename.text, surname.text).key());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::record::{Alias, Name};

    #[test]
    fn a_person_counts_once_for_a_value_however_often_it_is_held() {
        let name = |forename, surname| PersonName {
            forename: Name { text: forename, ..Name::default() },
            middle: "",
            surname: Name { text: surname, ..Name::default() },
        };
        let person = |aliases| RegisterPerson { name: name("ANN", "LEE"), aliases, ..RegisterPerson::default() };
        let alias = Alias { name: name("ANN", "KAY"), dob: None };
        let counts = TermFrequencies::from_register(&[person(vec![alias]), person(vec![])]);
        assert_eq!(counts.count(Term::Forename("ANN")), 2);
        assert_eq!(counts.count(Term::FullName("ANN", "KAY")), 1);
        assert_eq!(counts.count(Term::Surname("NOONE")), 0);
        assert_eq!(counts.share(Term::Surname("NOONE")), 0.25);
        assert_eq!(counts.persons, 2);
    }
}
