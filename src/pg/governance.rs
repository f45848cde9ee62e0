//! The bytes that the trail's digests cover.

use pgrx::prelude::*;

/// The canonical bytes of an event: each field with its length before it, so that no two events share their bytes
/// (`ab`,`c` against `a`,`bc`; null against empty). Text in, so that time zone and date style of a session change nothing.
#[pg_extern(immutable, parallel_safe, name = "_jdl_audit_bytes")]
fn audit_bytes(fields: Vec<Option<String>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        match field {
            None => bytes.extend_from_slice(&u32::MAX.to_be_bytes()),
            Some(text) => {
                // A field is at most 1 GB in Postgres, so its length fits.
                bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX - 1).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    bytes
}
