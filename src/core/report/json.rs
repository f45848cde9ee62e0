//! The report as JSON: the stored result at printed precision, with the sentences derived from it.

use serde_json::{Value, json};

use crate::report::precision::at_printed_precision;
use crate::report::result::StoredResult;
use crate::report::wording::words;

/// The report as `docs/report-schema.json` describes it: the fields of [`StoredResult`] and `sentences`
/// ([`crate::report::Words`]). Numbers have the digits that are printed and no more.
pub fn to_json(result: &StoredResult) -> Value {
    let published = at_printed_precision(result);
    let mut value = json!(published);
    value["sentences"] = json!(words(&published));
    value
}
