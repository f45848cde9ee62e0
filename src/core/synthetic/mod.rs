//! A made-up register and made-up cohorts for training, demonstration and tests; every value from a seed.
//!
//! The register has what makes real linkage and evaluation hard: skewed names of several communities, aliases,
//! twins, siblings, fathers and sons of one name, people who share name and date of birth, postcodes shared by
//! hundreds, and criminal careers whose re-offending follows a stated rule ([`reoffending_probability`]). Cohorts take
//! people from it and spoil their records as providers do, with the truth kept beside.
//!
//! It does not imitate any real person, list or extract: names are composed from general knowledge, and the figures
//! that steer the generator are stated where they are used.

mod career;
mod cohort;
mod corruption;
mod names;
mod people;
mod places;
mod random;
mod register;
mod scribe;
mod submission;

pub use career::{COURT_CATEGORIES, Index, OFFENCE_GROUPS, OUTCOMES, SENTENCE_KINDS, reoffending_probability};
pub use cohort::{CohortParams, CohortPicker, CohortPlan, cohort};
pub use register::{
    Alias, BLOCK_PERSONS, Circumstance, MOST_PERSONS, Offence, Person, Register, RegisterBlock, RegisterParams,
    Sentence,
};
pub use submission::{CohortRow, Submission, Tag};
