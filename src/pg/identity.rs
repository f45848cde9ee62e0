//! `jdl_pnc_id` and the other readers of identifiers, as functions of SQL.

use jdl_core::identity::{cro, name, pnc, postcode, prison_number};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::invalid;

fn checked_pivot(pivot: i32) -> Result<u8, ErrorReport> {
    u8::try_from(pivot).ok().filter(|p| *p < 100).ok_or_else(|| invalid("pivot", "must be a two-digit year, 0 to 99"))
}

/// The canonical form `YYYY/NNNNNNNL` of a PNC id with the right check letter; null otherwise. Two-digit years from `pivot` on are 19xx.
#[pg_extern(immutable, parallel_safe, strict)]
fn jdl_pnc_id(pnc_id: &str, pivot: default!(i32, 39)) -> Result<Option<String>, ErrorReport> {
    Ok(pnc::parse(pnc_id, checked_pivot(pivot)?).valid().map(|id| id.to_string()))
}

/// `valid`, `check_letter_wrong` or `malformed`.
#[pg_extern(immutable, parallel_safe, strict)]
fn jdl_pnc_id_status(pnc_id: &str) -> &'static str {
    pnc::parse(pnc_id, pnc::DEFAULT_PIVOT).as_str()
}

/// The canonical form of a prison number that names a person; null otherwise (old numbers name a stay in custody).
#[pg_extern(immutable, parallel_safe, strict)]
fn jdl_prison_number(prison_number: &str) -> Option<String> {
    prison_number::parse(prison_number).valid().map(|number| number.as_str().to_owned())
}

/// The canonical form of a CRO number with the right check letter; null otherwise.
#[pg_extern(immutable, parallel_safe, strict)]
fn jdl_cro(cro: &str) -> Option<String> {
    cro::parse(cro).valid().map(|number| number.to_string())
}

/// The canonical form of a postcode; codes for no address (ZZ99) keep theirs; null where it is none.
#[pg_extern(immutable, parallel_safe, strict)]
fn jdl_postcode(postcode: &str) -> Option<String> {
    match postcode::parse(postcode) {
        postcode::PostcodeStatus::Valid(code) | postcode::PostcodeStatus::Pseudo(code) => Some(code.to_string()),
        postcode::PostcodeStatus::Malformed => None,
    }
}

/// The phonetic key of a name, under which spellings that sound alike meet.
#[pg_extern(immutable, parallel_safe, strict)]
fn jdl_name_key(name: &str) -> String {
    name::key(name)
}

/// Jaro-Winkler similarity of two names as they stand, 0 to 1 (Winkler 1990).
#[pg_extern(immutable, parallel_safe, strict)]
fn jdl_jaro_winkler(a: &str, b: &str) -> f64 {
    name::jaro_winkler(a, b)
}
