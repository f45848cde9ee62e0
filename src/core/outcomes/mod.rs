//! Proven re-offending measures from dated events.
//!
//! Each person's index event and their offences come in, the ingredients of the lab's seven measures go out, one
//! [`PersonOutcome`] a person. What this stage does not do: it compares no groups and knows no weights.

mod event;
mod measure;

pub use event::{CourtCategory, Definition, IndexEvent, Offence, OffenceFilter, OffenceOutcome};
pub use measure::{FirstReoffence, PersonOutcome, measure_outcomes, measure_person};
