//! Working days on holidays that are passed in: `sql/extension/200_calendar.sql` reads them from their table.

use jdl_core::calendar::{Holidays, add_working_days, working_days_between};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::invalid;
use super::read::{date, day};

fn holidays(dates: Vec<Date>) -> Holidays {
    Holidays::new(&dates.into_iter().map(day).collect::<Vec<_>>())
}

#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_add_working_days")]
fn add(start_date: Date, working_days: i32, dates: Vec<Date>) -> Result<Date, ErrorReport> {
    // Beyond this no table of holidays reaches, and the sum would leave the calendar.
    if working_days.abs() > 1_000_000 {
        return Err(invalid("working_days", "must lie between -1000000 and 1000000"));
    }
    date(add_working_days(day(start_date), working_days, &holidays(dates)))
}

#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_working_days_between")]
fn between(from_date: Date, to_date: Date, dates: Vec<Date>) -> i32 {
    working_days_between(day(from_date), day(to_date), &holidays(dates))
}
