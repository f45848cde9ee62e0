//! Disclosure control on any query: protect a table, and audit one that somebody published; and what a release is checked by:
//! its certificate, and the keyed sketches of its people.

use std::time::{Duration, Instant};

use jdl_core::disclosure::{
    Contribution, Key, Labels, Policy, Proof, PublishedCell, Record, Rounding, Sketch, Table, View, cell_keys, compare,
    hex, intervals, protect,
};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{invalid, missing, report, spi};
use super::key;
use super::read::heartbeat;

/// A row of a query: labels (null: the margin), the person whose share it is, and the count (null: hidden).
struct TableRow {
    labels: Vec<Option<String>>,
    person: Option<i64>,
    count: Option<i64>,
}

/// Reads a query of dimension columns and a last column that is a whole number. The column named `person` is no dimension:
/// it says whose share of a sum the row is.
fn read_table(query: &str, person: Option<&str>) -> Result<(Vec<String>, Vec<TableRow>), ErrorReport> {
    Spi::connect(|client| {
        // The query's own errors are raised as they are; what comes back is that it was none (COMMIT, COPY, ...).
        let table =
            client.select(query, None, &[]).map_err(|_| invalid("query", "must be one query that returns rows"))?;
        let columns = table.columns().unwrap_or(0);
        if columns < 2 {
            return Err(invalid("query", "must return dimension columns and then a count"));
        }
        let names: Vec<String> = (1..columns).map(|at| table.column_name(at)).collect::<Result<_, _>>().map_err(spi)?;
        let kinds: Vec<pg_sys::Oid> = (1..=columns)
            .map(|at| table.column_type_oid(at).map(|oid| oid.value()))
            .collect::<Result<_, _>>()
            .map_err(spi)?;
        let is_text = |kind| matches!(kind, pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::NAMEOID | pg_sys::BPCHAROID);
        for (name, kind) in names.iter().zip(&kinds) {
            if Some(name.as_str()) != person && !is_text(*kind) {
                return Err(invalid("query", &format!("dimension \"{name}\" must be text: cast it")));
            }
        }
        if person.is_some_and(|person| names.iter().all(|name| name != person)) {
            return Err(invalid("person", "must name a column of the query before the last"));
        }
        let mut rows = Vec::with_capacity(table.len());
        for row in table {
            let whole = |at: usize| match kinds[at - 1] {
                pg_sys::INT8OID => row.get::<i64>(at).map_err(spi),
                pg_sys::INT4OID => row.get::<i32>(at).map(|n| n.map(i64::from)).map_err(spi),
                pg_sys::INT2OID => row.get::<i16>(at).map(|n| n.map(i64::from)).map_err(spi),
                pg_sys::NUMERICOID => {
                    let number = row.get::<AnyNumeric>(at).map_err(spi)?;
                    let exactly = |number: AnyNumeric| {
                        let whole = i64::try_from(number.clone()).ok().filter(|n| AnyNumeric::from(*n) == number);
                        whole.ok_or_else(|| invalid("query", "must return whole numbers as counts"))
                    };
                    number.map(exactly).transpose()
                }
                _ => Err(invalid("query", "the last column, and that of persons, must be a whole number")),
            };
            let mut found = TableRow { labels: Vec::with_capacity(names.len()), person: None, count: whole(columns)? };
            for (name, at) in names.iter().zip(1..) {
                if Some(name.as_str()) == person {
                    found.person = whole(at)?;
                } else {
                    found.labels.push(row.get::<String>(at).map_err(spi)?);
                }
            }
            rows.push(found);
        }
        let dimensions = names.into_iter().filter(|name| Some(name.as_str()) != person).collect();
        Ok((dimensions, rows))
    })
}

fn cell(labels: &Labels) -> JsonB {
    JsonB(serde_json::json!(labels))
}

/// The policy that the options of `jdl_suppress` and `jdl_disclosure_audit` name, and the column of persons.
fn read_options(options: JsonB) -> Result<(Policy, Option<String>), ErrorReport> {
    let mut options = options.0;
    let person = options.as_object_mut().and_then(|options| options.remove("person"));
    let person = person
        .map(|name| name.as_str().map(str::to_owned).ok_or_else(|| invalid("person", "must be the name of a column")));
    Ok((Policy::from_json(&options).map_err(report)?, person.transpose()?))
}

/// Protects a frequency table: a query of text dimensions and a last column with the count. One row a cell, margins (null in a
/// dimension) included; value is null where hidden; status is published, primary, secondary or rounded. Options: docs/disclosure.md.
#[pg_extern(stable, strict)]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn jdl_suppress(
    query: &str,
    options: default!(JsonB, "'{}'"),
) -> Result<
    TableIterator<'static, (name!(cell, JsonB), name!(value, Option<i64>), name!(status, &'static str))>,
    ErrorReport,
> {
    let (policy, person) = read_options(options)?;
    let (dimensions, rows) = read_table(query, person.as_deref())?;
    let names: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    let nowhere = |what: &str, row: usize| invalid(what, &format!("is null in record {}", row + 1));
    let table = if person.is_some() {
        let shares: Vec<Contribution> = rows
            .into_iter()
            .enumerate()
            .map(|(row, found)| {
                let labels: Option<Vec<String>> = found.labels.into_iter().collect();
                Ok(Contribution {
                    labels: labels.ok_or_else(|| nowhere("dimension", row))?,
                    person: found.person.ok_or_else(|| nowhere("person", row))?.cast_unsigned(),
                    amount: found.count.ok_or_else(|| nowhere("count", row))?,
                })
            })
            .collect::<Result<_, ErrorReport>>()?;
        Table::from_contributions(&names, &policy.hierarchies, &shares)
    } else {
        let records: Vec<Record> = rows
            .into_iter()
            .enumerate()
            .map(|(row, found)| {
                Ok(Record { labels: found.labels, count: found.count.ok_or_else(|| nowhere("count", row))? })
            })
            .collect::<Result<_, ErrorReport>>()?;
        Table::from_records(&names, &policy.hierarchies, &records)
    }
    .map_err(report)?;
    let keys = match policy.rounding {
        Rounding::Random5 => cell_keys(&key::present()?, &table),
        _ => Vec::new(),
    };
    let end = Instant::now() + Duration::from_secs(u64::from(policy.time_limit));
    let safe = protect(&table, &policy, &keys, &heartbeat, &|| Instant::now() >= end).map_err(report)?;
    // How many cells, never what stands in one.
    let fewest = match safe.loss.could_save {
        Some(0) => "no pattern costs less".to_owned(),
        Some(less) => format!("another pattern could cost at most {less} less of {}", safe.loss.cost),
        None => "not proven to be the fewest".to_owned(),
    };
    notice!("{}; {fewest}", safe.words());
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
    let (policy, person) = read_options(options)?;
    if person.is_some() {
        return Err(invalid("person", "is not published, so an audit has none"));
    }
    let (dimensions, rows) = read_table(query, None)?;
    let rows: Vec<_> = rows.into_iter().map(|row| (row.labels, row.count)).collect();
    let names: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    let (layout, known) = policy.read_published(&names, &rows).map_err(report)?;
    let found = intervals(&View { layout: &layout, known: &known }, &heartbeat).map_err(report)?;
    let rows: Vec<_> = found
        .into_iter()
        .map(|interval| (cell(&layout.labels(interval.cell)), interval.lower, interval.upper, interval.is_disclosed()))
        .collect();
    Ok(TableIterator::new(rows))
}

/// Why there is no usable key; null where there is one.
#[pg_extern(volatile, name = "_jdl_key_problem")]
fn key_problem() -> Option<String> {
    key::problem()
}

/// Whether `jdl.key_file` names a file, in whatever state it is.
#[pg_extern(volatile, name = "_jdl_key_named")]
fn key_named() -> bool {
    key::is_named()
}

/// The numbers of the keys in the file.
#[pg_extern(volatile, name = "_jdl_key_ids")]
fn key_ids() -> Result<Vec<i64>, ErrorReport> {
    Ok(key::keys()?.into_iter().map(|key| key.id).collect())
}

/// The sketches of a set of people, one under each key of the file; fewer than 30 people have none.
#[pg_extern(volatile, strict, name = "_jdl_sketch")]
fn sketch(
    people: Vec<i64>,
) -> Result<TableIterator<'static, (name!(key_id, i64), name!(fingerprint, String), name!(sums, Vec<i32>))>, ErrorReport>
{
    let sketch = |key: Key| match Sketch::new(&key, people.iter().copied()) {
        Ok(sketch) => Ok(Some((key.id, key.fingerprint(), sketch.sums))),
        Err(jdl_core::Error::TooFew { .. }) => Ok(None),
        Err(error) => Err(report(error)),
    };
    let rows: Vec<_> = key::keys()?.into_iter().filter_map(|key| sketch(key).transpose()).collect::<Result<_, _>>()?;
    Ok(TableIterator::new(rows))
}

/// How a sketch relates to earlier ones (a JSON array): coarse answers only, the earlier ones by their place in the array.
#[pg_extern(immutable, strict, name = "_jdl_compare_sketches")]
fn compare_sketches(present: JsonB, earlier: JsonB) -> Result<JsonB, ErrorReport> {
    let unreadable = |_| missing("a part of a sketch");
    let present: Sketch = serde_json::from_value(present.0).map_err(unreadable)?;
    let earlier: Vec<Sketch> = serde_json::from_value(earlier.0).map_err(unreadable)?;
    Ok(JsonB(serde_json::json!(compare(&present, &earlier).map_err(report)?)))
}

/// Checks the stored certificate of a release, by integer addition, against the numbers that are published; says how much it proves.
#[pg_extern(immutable, strict, name = "_jdl_check_proof")]
fn check_proof(
    proof: &[u8],
    published: JsonB,
) -> Result<TableIterator<'static, (name!(tables, i64), name!(cells, i64))>, ErrorReport> {
    let cells: Vec<PublishedCell> =
        serde_json::from_value(published.0).map_err(|_| missing("a part of the published cells"))?;
    let values: Vec<Option<i64>> = cells.into_iter().map(|cell| cell.value).collect();
    let proof = Proof::from_bytes(proof).map_err(report)?;
    proof.check(&values).map_err(report)?;
    let (tables, cells) = proof.size();
    Ok(TableIterator::once((tables as i64, cells as i64)))
}

/// The keyed hash under the present key by which a certificate is known again after it is destroyed; no row where no key is named.
#[pg_extern(volatile, strict, name = "_jdl_keyed_hash")]
fn keyed_hash(
    bytes: &[u8],
) -> Result<TableIterator<'static, (name!(key_id, i64), name!(digest, String))>, ErrorReport> {
    if !key::is_named() {
        return Ok(TableIterator::empty());
    }
    let key = key::present()?;
    Ok(TableIterator::once((key.id, hex(&key.hash("jdl certificate 1", bytes)))))
}
