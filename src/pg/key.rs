//! The lab's keys: a file of the server outside its data directory, which the setting `jdl.key_file` names. Whoever holds a
//! dump or a base backup holds sketches without a key.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jdl_core::disclosure::Key;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

static KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// A file of keys is a few lines.
const LONGEST_FILE: u64 = 65_536;

/// Makes the setting known to the server. Only superusers set it or see it, for the server, a database or a session.
pub fn register() {
    GucRegistry::define_string_guc(
        c"jdl.key_file",
        c"File with the keys of disclosure control, outside the data directory.",
        c"A line holds the number of a key and its 64 hexadecimal digits; the last line is the present key.",
        &KEY_FILE,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
}

/// The keys of the file, the present one last.
///
/// # Errors
/// 55000 with what is wrong with the file; neither its name nor anything in it is told.
pub fn keys() -> Result<Vec<Key>, ErrorReport> {
    read().map_err(|problem| {
        ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, problem, "jdl").set_hint(
            "docs/disclosure.md says how a key is made; the setting jdl.key_file names its file, and needs a superuser.",
        )
    })
}

/// The present key.
///
/// # Errors
/// As [`keys`].
pub fn present() -> Result<Key, ErrorReport> {
    keys()?.pop().ok_or_else(|| super::error::missing("the present key"))
}

/// Whether a file of keys is named at all, in whatever state it is.
pub fn is_named() -> bool {
    KEY_FILE.get().is_some_and(|name| !name.is_empty())
}

/// Why there is no usable key; none where there is one.
pub fn problem() -> Option<String> {
    read().err()
}

fn read() -> Result<Vec<Key>, String> {
    let name = KEY_FILE.get().filter(|name| !name.is_empty()).ok_or("no key: jdl.key_file is not set")?;
    let path = Path::new(OsStr::from_bytes(name.as_bytes()));
    if !path.is_absolute() {
        return Err("no key: jdl.key_file is not an absolute path".to_owned());
    }
    let unreadable =
        |error: std::io::Error| format!("no key: the file of jdl.key_file cannot be read ({})", error.kind());
    let path = path.canonicalize().map_err(unreadable)?;
    // SAFETY: a plain global that every server process has set, a string that ends with zero.
    let data = unsafe { CStr::from_ptr(pg_sys::DataDir) };
    let data = Path::new(OsStr::from_bytes(data.to_bytes())).canonicalize().map_err(unreadable)?;
    if path.starts_with(data) {
        return Err("no key: the file of jdl.key_file lies in the data directory, so every base backup would hold it"
            .to_owned());
    }
    let about = std::fs::metadata(&path).map_err(unreadable)?;
    if !about.is_file() || about.len() > LONGEST_FILE {
        return Err("no key: jdl.key_file names no file of keys".to_owned());
    }
    // As the server asks of its TLS key: nobody but the owner, and a group that may read.
    if about.mode() & 0o037 != 0 {
        return Err(
            "no key: the file of jdl.key_file may be read by everybody or written by its group (chmod 600)".to_owned()
        );
    }
    let text = std::fs::read_to_string(&path).map_err(unreadable)?;
    Key::read_file(&text).map_err(|error| error.to_string())
}
