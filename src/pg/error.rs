//! The one place where an error of the core, of the row layer or of JSON becomes an error of Postgres.

use jdl_core::Error;
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

/// The error report of a core error: the fitting SQLSTATE, a lower-case message, a hint where we know one.
pub fn report(error: Error) -> ErrorReport {
    let code = match &error {
        Error::InvalidInput { .. } => Code::ERRCODE_INVALID_PARAMETER_VALUE,
        Error::TooFew { .. } => Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        Error::NotConverged { .. } | Error::Singular { .. } => Code::ERRCODE_DATA_EXCEPTION,
        _ => Code::ERRCODE_INTERNAL_ERROR,
    };
    let built = ErrorReport::new(code, error.to_string(), "jdl");
    match &error {
        Error::NotConverged { .. } | Error::Singular { .. } => {
            built.set_hint("Drop covariates that say the same thing, or name a simpler design.")
        }
        Error::Bug(_) => built.set_hint("This is a fault of jdl: please report it."),
        _ => built,
    }
}

/// The error report of a failed query of ours. SPI raises the query's own error, so this is about the traffic with it.
pub fn spi(error: pgrx::spi::Error) -> ErrorReport {
    ErrorReport::new(Code::ERRCODE_INTERNAL_ERROR, format!("a query of jdl failed: {error}"), "jdl")
        .set_hint("This is a fault of jdl, or its tables were changed by hand.")
}

/// A null where our own tables or functions promise a value.
pub fn missing(what: &str) -> ErrorReport {
    ErrorReport::new(Code::ERRCODE_INTERNAL_ERROR, format!("{what} is missing"), "jdl")
        .set_hint("This is a fault of jdl, or its tables were changed by hand.")
}

/// An option or argument that cannot be read. `field` names it; the value stays out.
pub fn invalid(field: &str, rule: &str) -> ErrorReport {
    report(Error::invalid(field, rule))
}
