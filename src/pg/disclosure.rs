//! Disclosure control on any query: protect a table, and audit one that somebody published.

use std::time::{Duration, Instant};

use jdl_core::disclosure::{Labels, Policy, Record, Rounding, Table, View, intervals, protect};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{invalid, report, spi};
use super::read::heartbeat;

/// A query's rows: the names of the dimensions, and labels (null: the margin) with the count (null: hidden).
type Rows = (Vec<String>, Vec<(Vec<Option<String>>, Option<i64>)>);

/// Reads a query of dimension columns and a last column that is a whole number.
fn read_table(query: &str) -> Result<Rows, ErrorReport> {
    Spi::connect(|client| {
        // The query's own errors are raised as they are; what comes back is that it was none (COMMIT, COPY, ...).
        let table =
            client.select(query, None, &[]).map_err(|_| invalid("query", "must be one query that returns rows"))?;
        let columns = table.columns().unwrap_or(0);
        if columns < 2 {
            return Err(invalid("query", "must return dimension columns and then a count"));
        }
        let dimensions: Vec<String> =
            (1..columns).map(|at| table.column_name(at)).collect::<Result<_, _>>().map_err(spi)?;
        let kind = table.column_type_oid(columns).map_err(spi)?.value();
        let mut rows = Vec::with_capacity(table.len());
        for at in 1..columns {
            if !matches!(
                table.column_type_oid(at).map_err(spi)?.value(),
                pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::NAMEOID | pg_sys::BPCHAROID
            ) {
                return Err(invalid("query", &format!("dimension \"{}\" must be text: cast it", dimensions[at - 1])));
            }
        }
        for row in table {
            let mut labels = Vec::with_capacity(columns - 1);
            for at in 1..columns {
                labels.push(row.get::<String>(at).map_err(spi)?);
            }
            let count = match kind {
                pg_sys::INT8OID => row.get::<i64>(columns),
                pg_sys::INT4OID => row.get::<i32>(columns).map(|n| n.map(i64::from)),
                pg_sys::INT2OID => row.get::<i16>(columns).map(|n| n.map(i64::from)),
                pg_sys::NUMERICOID => row.get::<AnyNumeric>(columns).map(|n| n.and_then(|n| i64::try_from(n).ok())),
                _ => return Err(invalid("query", "the last column must be a whole number")),
            };
            rows.push((labels, count.map_err(spi)?));
        }
        Ok((dimensions, rows))
    })
}

fn cell(labels: &Labels) -> JsonB {
    JsonB(serde_json::json!(labels))
}

/// Protects a frequency table: a query of text dimensions and a last column with the count. One row a cell, margins (null in a
/// dimension) included; value is null where hidden; status is published, primary, secondary or rounded. Options: see jdl_core's Policy.
#[pg_extern(stable, strict)]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn jdl_suppress(
    query: &str,
    options: default!(JsonB, "'{}'"),
) -> Result<
    TableIterator<'static, (name!(cell, JsonB), name!(value, Option<i64>), name!(status, &'static str))>,
    ErrorReport,
> {
    let policy = Policy::from_json(&options.0).map_err(report)?;
    if policy.rounding == Rounding::Random5 {
        return Err(invalid(
            "rounding",
            "at random takes the lab's secret key, which this function does not see; take another kind",
        ));
    }
    let (dimensions, rows) = read_table(query)?;
    let records: Vec<Record> = rows
        .into_iter()
        .enumerate()
        .map(|(row, (labels, count))| {
            let count = count.ok_or_else(|| invalid("count", &format!("is null in record {}", row + 1)))?;
            Ok(Record { labels, count })
        })
        .collect::<Result<_, ErrorReport>>()?;
    let names: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    let table = Table::from_records(&names, &policy.hierarchies, &records).map_err(report)?;
    let end = Instant::now() + Duration::from_secs(u64::from(policy.time_limit));
    let safe = protect(&table, &policy, &[], &heartbeat, &|| Instant::now() >= end).map_err(report)?;
    notice!("{}", safe.words());
    let rows: Vec<_> = (0..table.layout().len())
        .map(|at| (cell(&table.layout().labels(at)), safe.values[at], safe.status[at].as_str()))
        .collect();
    Ok(TableIterator::new(rows))
}

/// What an intruder can work out of a published table, of this tool or another: a query of text dimensions and a last column with
/// the count, null where hidden. One row a hidden cell: the counts that cannot be excluded, and whether the count is known.
#[pg_extern(stable, strict)]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn jdl_disclosure_audit(
    query: &str,
    options: default!(JsonB, "'{}'"),
) -> Result<
    TableIterator<'static, (name!(cell, JsonB), name!(lower, i64), name!(upper, Option<i64>), name!(disclosed, bool))>,
    ErrorReport,
> {
    let policy = Policy::from_json(&options.0).map_err(report)?;
    let (dimensions, rows) = read_table(query)?;
    let names: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    let (layout, known) = policy.read_published(&names, &rows).map_err(report)?;
    let found = intervals(&View { layout: &layout, known: &known }, &heartbeat).map_err(report)?;
    let rows: Vec<_> = found
        .into_iter()
        .map(|interval| (cell(&layout.labels(interval.cell)), interval.lower, interval.upper, interval.is_disclosed()))
        .collect();
    Ok(TableIterator::new(rows))
}
