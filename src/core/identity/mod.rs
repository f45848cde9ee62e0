//! PNC id, prison number, CRO, postcode, names, dates: parse, normalise, check.
//!
//! Text as people type it comes in; a canonical value with a status goes out, and nothing fails: what cannot be read
//! is `Malformed`, what is readable but suspicious says so. Every function depends on its arguments alone, so that the
//! database can index its results.

mod check_letter;

pub mod cro;
pub mod date;
pub mod gender;
pub mod name;
mod name_key;
pub mod nickname;
pub mod pnc;
pub mod postcode;
pub mod prison_number;
pub mod record;
