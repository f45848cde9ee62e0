//! Intake: the write-only view `jdl.submission` and what is wrong with a record.
//!
//! A COPY into the view brings one row at a time. The rows are gathered and written in one statement, so that a load
//! leaves one event in the trail and not one a row.

use std::cell::RefCell;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{missing, spi};

/// The columns of the view, in the order of `jdl_restricted.submission`.
const COLUMNS: [&str; 11] = [
    "forename",
    "surname",
    "date_of_birth",
    "gender",
    "postcode",
    "pnc_id",
    "prison_number",
    "sentence_start",
    "sentence_end",
    "intervention_start",
    "intervention_end",
];

/// Rows are written in batches of so many, which bounds the memory of a load.
const BATCH: usize = 20_000;

type Columns = [Vec<Option<String>>; COLUMNS.len()];

thread_local! {
    /// The rows of the statement under way, column by column.
    static GATHERED: RefCell<Columns> = const { RefCell::new([const { Vec::new() }; COLUMNS.len()]) };
}

/// Before the statement: forgets what a failed load may have left, and refuses a load that has nowhere to go.
/// After the statement: writes what was gathered.
#[pg_trigger]
fn _jdl_submission_statement<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    if trigger.event().fired_before() {
        GATHERED.take();
        receiving_request()?;
    } else {
        write_gathered()?;
    }
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

/// A row of the load is gathered.
#[pg_trigger]
fn _jdl_submission_row<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    let row = trigger.new().ok_or_else(|| missing("the row to insert"))?;
    let full = GATHERED.with_borrow_mut(|gathered| {
        for (name, column) in COLUMNS.iter().zip(gathered.iter_mut()) {
            column.push(row.get_by_name::<String>(name).map_err(|_| missing("a column of jdl.submission"))?);
        }
        Ok::<bool, ErrorReport>(gathered[0].len() >= BATCH)
    })?;
    if full {
        write_gathered()?;
    }
    Ok(Some(row))
}

fn receiving_request() -> Result<i64, ErrorReport> {
    let schema = super::read::extension_schema()?;
    Spi::get_one::<i64>(&format!("SELECT {schema}._jdl_receiving_request()"))
        .map_err(spi)?
        .ok_or_else(|| missing("the receiving request"))
}

fn write_gathered() -> Result<(), ErrorReport> {
    let columns = GATHERED.take();
    if columns[0].is_empty() {
        return Ok(());
    }
    let request_id = receiving_request()?;
    let selected: Vec<String> = (0..COLUMNS.len()).map(|i| format!("${}::text[]", i + 2)).collect();
    let query = format!(
        "INSERT INTO jdl_restricted.submission (request_id, record_no, {names})
         SELECT $1, before.last + load.n, {names}
         FROM (SELECT coalesce(max(record_no), 0) AS last FROM jdl_restricted.submission WHERE request_id = $1) before,
              unnest({arrays}) WITH ORDINALITY AS load ({names}, n)",
        names = COLUMNS.join(", "),
        arrays = selected.join(", "),
    );
    let mut arguments = vec![request_id.into()];
    arguments.extend(columns.map(Into::into));
    Spi::run_with_args(&query, &arguments).map_err(spi)
}
