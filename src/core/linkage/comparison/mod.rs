//! Comparisons and comparison levels (Splink's words): what agrees, and how well, between a submission and a register person.
//!
//! A comparison puts a pair on one level of a ladder; each level has a probability among true pairs (m) and among strangers (u). Where
//! the register's counts say how common the agreeing value is, u is that value's own (`log2_u` of [`Evidence`]); elsewhere it is the
//! model's. Level 0 is always *missing*: one side has no value, which says nothing.
//!
//! Dependence, and what is done about it:
//! - A person has several names. Every name of the register is tried in both orders, the best is kept, and the price of the choice is
//!   its own comparison ([`Comparison::Alias`], [`Comparison::NameOrder`]).
//! - Forename and surname are not independent among strangers (MOHAMMED KHAN). Where both agree, u is the full name's own count, and the
//!   surname carries what is left of it.
//! - A date of birth held by an alias is its own level, not a second comparison.
//! - An intervention inside a sentence adds nothing to an agreement of sentence dates: it is only compared where these are missing.
//! - Members of one family share surname, address and dates: `relative.rs` makes them hypotheses of their own.

mod date;
mod identifier;
mod name;
mod place;
mod prepared;
mod sentence;
mod slip;

use serde::{Deserialize, Serialize};

pub(crate) use prepared::Prepared;

use crate::linkage::model::Weights;
use crate::linkage::record::RegisterPerson;

/// A level of a comparison with its default parameters.
#[derive(Debug, Clone, Copy)]
pub struct LevelSpec {
    /// Stable name, snake case.
    pub name: &'static str,
    /// Default probability among true pairs that have a value on both sides.
    pub m: f64,
    /// Default probability among strangers that have a value on both sides; replaced by the value's own where counts allow.
    pub u: f64,
}

const fn level(name: &'static str, m: f64, u: f64) -> LevelSpec {
    LevelSpec { name, m, u }
}

/// The level of every comparison on which one side has no value.
pub const MISSING: u8 = 0;
/// How many comparisons there are.
pub const COMPARISONS: usize = 13;
/// The most levels a comparison has, *missing* included.
pub const MAX_LEVELS: usize = 9;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Comparison {
    /// Do the names agree as they stand or exchanged?
    NameOrder,
    /// Is the agreeing name the recorded one or an alias? (Missing where there is no alias.)
    Alias,
    /// The forename.
    Forename,
    /// Further forenames.
    MiddleName,
    /// The surname, given the forename.
    Surname,
    /// The date of birth.
    DateOfBirth,
    /// Gender.
    Gender,
    /// The postcode.
    Postcode,
    /// The PNC id.
    PncId,
    /// The CRO number.
    Cro,
    /// The prison number.
    PrisonNumber,
    /// Start and end of a sentence.
    SentenceDates,
    /// The intervention within a sentence.
    InterventionDate,
}

impl Comparison {
    /// Every comparison, in order.
    pub const ALL: [Self; COMPARISONS] = [
        Self::NameOrder,
        Self::Alias,
        Self::Forename,
        Self::MiddleName,
        Self::Surname,
        Self::DateOfBirth,
        Self::Gender,
        Self::Postcode,
        Self::PncId,
        Self::Cro,
        Self::PrisonNumber,
        Self::SentenceDates,
        Self::InterventionDate,
    ];

    /// Stable name, snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::NameOrder => "name_order",
            Self::Alias => "alias",
            Self::Forename => "forename",
            Self::MiddleName => "middle_name",
            Self::Surname => "surname",
            Self::DateOfBirth => "date_of_birth",
            Self::Gender => "gender",
            Self::Postcode => "postcode",
            Self::PncId => "pnc_id",
            Self::Cro => "cro",
            Self::PrisonNumber => "prison_number",
            Self::SentenceDates => "sentence_dates",
            Self::InterventionDate => "intervention_date",
        }
    }

    /// Its levels after *missing*: level `i` of [`Evidence`] is entry `i - 1`.
    pub fn levels(self) -> &'static [LevelSpec] {
        match self {
            Self::NameOrder => &name::ORDER,
            Self::Alias => &name::ALIAS,
            Self::Forename => &name::FORENAME,
            Self::MiddleName => &name::MIDDLE,
            Self::Surname => &name::SURNAME,
            Self::DateOfBirth => &date::DOB,
            Self::Gender => &place::GENDER,
            Self::Postcode => &place::POSTCODE,
            Self::PncId => &identifier::PNC_ID,
            Self::Cro => &identifier::CRO,
            Self::PrisonNumber => &identifier::PRISON_NUMBER,
            Self::SentenceDates => &sentence::DATES,
            Self::InterventionDate => &sentence::INTERVENTION,
        }
    }

    /// The name of level `level` (0 is `missing`).
    pub fn level_name(self, level: u8) -> &'static str {
        match level.checked_sub(1) {
            None => "missing",
            Some(at) => self.levels().get(usize::from(at)).map_or("unknown", |spec| spec.name),
        }
    }
}

/// What one comparison found: a level, and log2 of its probability among strangers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Finding {
    level: u8,
    log2_u: f32,
}

/// The comparison vector of one pair (Fellegi and Sunter's gamma) with the u of the values that agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Level of each comparison, in the order of [`Comparison::ALL`].
    pub levels: [u8; COMPARISONS],
    /// log2 of the probability of that level among strangers; 0 where missing.
    pub log2_u: [f32; COMPARISONS],
}

impl Evidence {
    /// Nothing compared.
    pub const NONE: Self = Self { levels: [MISSING; COMPARISONS], log2_u: [0.0; COMPARISONS] };

    /// The level of one comparison.
    pub fn level(&self, comparison: Comparison) -> u8 {
        self.levels[comparison as usize]
    }

    fn set(&mut self, comparison: Comparison, finding: Finding) {
        self.levels[comparison as usize] = finding.level;
        self.log2_u[comparison as usize] = finding.log2_u;
    }
}

/// Compares a submission with a register person.
pub(crate) fn compare(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Evidence {
    let mut evidence = Evidence::NONE;
    name::compare(submitted, person, weights, &mut evidence);
    evidence.set(Comparison::DateOfBirth, date::compare(submitted, person, weights));
    evidence.set(Comparison::Gender, place::gender(submitted, person, weights));
    evidence.set(Comparison::Postcode, place::postcode(submitted, person, weights));
    evidence.set(Comparison::PncId, identifier::pnc_id(submitted, person, weights));
    evidence.set(Comparison::Cro, identifier::cro(submitted, person, weights));
    evidence.set(Comparison::PrisonNumber, identifier::prison_number(submitted, person, weights));
    let dates = sentence::dates(submitted, person, weights);
    evidence.set(Comparison::SentenceDates, dates);
    if dates.level == MISSING {
        evidence.set(Comparison::InterventionDate, sentence::intervention(submitted, person, weights));
    }
    evidence
}

/// The levels that other rooms of linkage ask for by name.
pub(crate) mod levels {
    pub(crate) use super::date::WITHIN_TWO_YEARS as DOB_WITHIN_TWO_YEARS;
    pub(crate) use super::identifier::EXACT as ID_EXACT;
    pub(crate) use super::name::{DIFFERENT_FORENAME, DIFFERENT_SURNAME, EXACT as NAME_EXACT};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_probabilities_of_every_comparison_sum_to_one() {
        for (at, comparison) in Comparison::ALL.into_iter().enumerate() {
            assert_eq!(comparison as usize, at);
            let specs = comparison.levels();
            assert!(specs.len() < MAX_LEVELS, "{}", comparison.name());
            let m: f64 = specs.iter().map(|spec| spec.m).sum();
            assert!((m - 1.0).abs() < 1e-9, "{}: m sums to {m}", comparison.name());
            if !matches!(comparison, Comparison::NameOrder | Comparison::Alias) {
                let u: f64 = specs.iter().map(|spec| spec.u).sum();
                assert!((u - 1.0).abs() < 1e-9, "{}: u sums to {u}", comparison.name());
            }
            let names: std::collections::HashSet<_> = specs.iter().map(|spec| spec.name).collect();
            assert_eq!(names.len(), specs.len());
        }
    }
}
