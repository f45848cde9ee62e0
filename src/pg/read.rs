//! Small helpers to read rows through SPI and to stay cancellable.

use jdl_core::calendar::Day;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{missing, spi};

/// For `number::Heartbeat`: lets a cancel request end the statement.
pub fn heartbeat() {
    pgrx::check_for_interrupts!();
}

/// A Postgres date as a day of the core. Both count from 2000-01-01.
pub fn day(date: Date) -> Day {
    Day(date.to_pg_epoch_days())
}

/// The quoted name of the schema that the extension lives in.
pub fn extension_schema() -> Result<String, ErrorReport> {
    Spi::get_one::<String>(
        "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace WHERE x.extname = 'jdl'",
    )
    .map_err(spi)?
    .ok_or_else(|| missing("the extension"))
}
