//! Small helpers to read rows through SPI and to stay cancellable.

use jdl_core::calendar::Day;
use jdl_core::identity::record::{FIELDS, SubmittedText};
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{invalid, missing, spi};

/// For `number::Heartbeat`: lets a cancel request end the statement.
pub fn heartbeat() {
    pgrx::check_for_interrupts!();
}

/// Runs one portion of long work in a memory context of its own, freed with it: what rows and arguments are made of in Postgres'
/// memory would otherwise stay until the statement ends.
pub fn scratch<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: nothing that work returns lies in Postgres' memory; rows are read into Rust's own.
    unsafe { PgMemoryContexts::new("jdl portion").switch_to(|_| work()) }
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

/// A day of the core as a Postgres date.
pub fn date(day: Day) -> Result<Date, ErrorReport> {
    let (year, month, day_of_month) = day.ymd();
    Date::new(i32::from(year), month.unsigned_abs(), day_of_month.unsigned_abs())
        .map_err(|_| invalid("date", "is outside the calendar"))
}

/// The submitted records of a request, in order: record numbers beside texts.
pub fn submissions(request_id: i64) -> Result<(Vec<i32>, Vec<SubmittedText>), ErrorReport> {
    let query = format!(
        "SELECT record_no, {} FROM jdl_restricted.submission WHERE request_id = $1 ORDER BY record_no",
        FIELDS.join(", ")
    );
    Spi::connect(|client| {
        let rows = client.select(&query, None, &[request_id.into()])?;
        let mut record_numbers = Vec::with_capacity(rows.len());
        let mut texts = Vec::with_capacity(rows.len());
        for row in rows {
            let mut text = SubmittedText::default();
            for (position, field) in text.iter_mut().enumerate() {
                *field = row.get::<String>(position + 2)?;
            }
            record_numbers.push(row.get::<i32>(1)?.unwrap_or_default());
            texts.push(text);
        }
        Ok((record_numbers, texts))
    })
    .map_err(spi)
}

/// The setting that says in which century a two-digit year of a PNC id lies.
pub fn pnc_pivot() -> Result<u8, ErrorReport> {
    let pivot =
        Spi::get_one::<i32>("SELECT value::integer FROM jdl.setting WHERE setting = 'pnc_pivot'").map_err(spi)?;
    pivot
        .and_then(|p| u8::try_from(p).ok())
        .filter(|p| *p < 100)
        .ok_or_else(|| invalid("setting pnc_pivot", "must be a two-digit year, 0 to 99"))
}
