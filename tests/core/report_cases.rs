//! Stored results to report on: five reviewed ones.

use std::fs;
use std::path::PathBuf;

use jdl_core::report::StoredResult;

/// The reviewed cases, each a stored result and its text report in `tests/data/report`.
pub const NAMES: [&str; 5] = ["clear_reduction", "clear_increase", "inconclusive", "too_small", "poor_balance"];

/// A file of `tests/data/report`.
pub fn data(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/report").join(file)
}

/// One of [`NAMES`].
pub fn case(name: &str) -> StoredResult {
    let text = fs::read_to_string(data(&format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}
