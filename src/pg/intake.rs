//! Intake: the write-only view `jdl.submission` and what is wrong with a record.
//!
//! A COPY into the view brings one row at a time. The rows are gathered and written in one statement, so that a load
//! leaves one event in the trail and not one a row.

use std::cell::RefCell;
use std::collections::HashSet;

use jdl_core::calendar::Day;
use jdl_core::identity::record::{self, FIELDS, Severity, SubmittedRecord};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{missing, spi};
use super::read::{date, day, pnc_pivot, submissions};

/// Rows are written in batches of so many, which bounds the memory of a load.
const BATCH: usize = 20_000;

type Columns = [Vec<Option<String>>; FIELDS.len()];

thread_local! {
    /// The rows of the statement under way, column by column.
    static GATHERED: RefCell<Columns> = const { RefCell::new([const { Vec::new() }; FIELDS.len()]) };
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
        for (name, column) in FIELDS.iter().zip(gathered.iter_mut()) {
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
    let selected: Vec<String> = (0..FIELDS.len()).map(|i| format!("${}::text[]", i + 2)).collect();
    let query = format!(
        "INSERT INTO jdl_restricted.submission (request_id, record_no, {names})
         SELECT $1, before.last + load.n, {names}
         FROM (SELECT coalesce(max(record_no), 0) AS last FROM jdl_restricted.submission WHERE request_id = $1) before,
              unnest({arrays}) WITH ORDINALITY AS load ({names}, n)",
        names = FIELDS.join(", "),
        arrays = selected.join(", "),
    );
    let mut arguments = vec![request_id.into()];
    arguments.extend(columns.map(Into::into));
    Spi::run_with_args(&query, &arguments).map_err(spi)
}

/// What is wrong with the records of a request; `today` decides what lies in the future.
#[pg_extern(stable, name = "_jdl_validate")]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn validate(
    request_id: i64,
    today: Date,
) -> Result<
    TableIterator<
        'static,
        (
            name!(record_no, Option<i32>),
            name!(field, &'static str),
            name!(severity, &'static str),
            name!(finding, String),
        ),
    >,
    ErrorReport,
> {
    let (record_numbers, texts) = submissions(request_id)?;
    let findings = record::validate(&record_numbers, &texts, pnc_pivot()?, day(today));
    Ok(TableIterator::new(findings.into_iter().map(|f| (f.record_no, f.field, f.severity.as_str(), f.finding))))
}

/// How many records of a request are usable, and how many of them are of years that can be answered.
#[pg_extern(stable, name = "_jdl_intake_summary")]
fn summary(request_id: i64, today: Date, first_year: i32, last_index: Date) -> Result<JsonB, ErrorReport> {
    let (record_numbers, texts) = submissions(request_id)?;
    let pivot = pnc_pivot()?;
    let records: Vec<SubmittedRecord> = texts.iter().map(|text| SubmittedRecord::read(text, pivot)).collect();
    let unusable: HashSet<i32> = record::validate_read(&record_numbers, &texts, &records, day(today))
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .filter_map(|f| f.record_no)
        .collect();
    let starts: Vec<Day> = record_numbers
        .iter()
        .zip(&records)
        .filter(|(record_no, _)| !unusable.contains(record_no))
        .filter_map(|(_, record)| record.expected_index_date())
        .collect();
    let too_early = starts.iter().filter(|start| i32::from(start.year()) < first_year).count();
    let too_recent = starts.iter().filter(|start| **start > day(last_index)).count();
    Ok(JsonB(serde_json::json!({
        "submitted": texts.len(),
        "usable": starts.len(),
        "too_early": too_early,
        "too_recent": too_recent,
        "answerable": starts.len() - too_early - too_recent,
        "latest_start": starts.iter().max().map(ToString::to_string),
    })))
}

/// The dates of each submission that say which sentence the service belongs to.
#[pg_extern(stable, name = "_jdl_submitted_dates")]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn submitted_dates(
    request_id: i64,
) -> Result<
    TableIterator<
        'static,
        (
            name!(record_no, i32),
            name!(sentence_start, Option<Date>),
            name!(sentence_end, Option<Date>),
            name!(intervention_start, Option<Date>),
        ),
    >,
    ErrorReport,
> {
    let (record_numbers, texts) = submissions(request_id)?;
    let pivot = pnc_pivot()?;
    let rows: Vec<_> = record_numbers
        .into_iter()
        .zip(&texts)
        .map(|(record_no, text)| {
            let read = SubmittedRecord::read(text, pivot);
            let known = |parsed: jdl_core::identity::date::ParsedDate| parsed.day.map(date).transpose();
            Ok((record_no, known(read.sentence_start)?, known(read.sentence_end)?, known(read.intervention_start)?))
        })
        .collect::<Result<_, ErrorReport>>()?;
    Ok(TableIterator::new(rows))
}
