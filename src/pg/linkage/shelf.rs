//! The derived tables that linkage looks up: rows of a number and a byte string, read and written in portions.

use jdl_core::linkage::{Bucket, Buckets, KEY_VERSION};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiTupleTable;

use crate::pg::error::{missing, report, spi};
use crate::pg::read::{heartbeat, scratch};

/// Table rows (a few kilobytes each) that are read or written at a time.
pub const ROWS: usize = 2_000;

/// A derived table: a number and a byte string a row.
pub struct Shelf {
    table: &'static str,
    number: &'static str,
    bytes: &'static str,
}

pub const RECORDS: Shelf = Shelf { table: "linkage_record", number: "bundle", bytes: "records" };
pub const KEYS: Shelf = Shelf { table: "linkage_key", number: "bucket", bytes: "entries" };
pub const TERMS: Shelf = Shelf { table: "term_frequency", number: "bucket", bytes: "entries" };

impl Shelf {
    /// Hands over the rows of these numbers (each once) in portions, in no order; a number without a row is left out.
    pub fn fetch(
        &self,
        numbers: Vec<i64>,
        visit: impl FnMut(&[(i64, &[u8])]) -> Result<(), ErrorReport>,
    ) -> Result<(), ErrorReport> {
        let Self { table, number, bytes } = self;
        // One query for all: the planner reads the whole table where most of it is asked for.
        let sql = format!("SELECT {number}, {bytes} FROM jdl_restricted.{table} WHERE {number} = ANY ($1)");
        in_portions(&sql, &[numbers.into()], visit)
    }

    /// Hands over every row, in portions.
    pub fn scan(&self, visit: impl FnMut(&[(i64, &[u8])]) -> Result<(), ErrorReport>) -> Result<(), ErrorReport> {
        let Self { table, number, bytes } = self;
        in_portions(&format!("SELECT {number}, {bytes} FROM jdl_restricted.{table}"), &[], visit)
    }

    /// Writes rows, in place of those of the same number; a row without bytes is deleted.
    pub fn put(&self, rows: Vec<(i64, Vec<u8>)>) -> Result<(), ErrorReport> {
        let Self { table, number, bytes } = self;
        let (full, empty): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, bytes)| !bytes.is_empty());
        if !empty.is_empty() {
            let numbers: Vec<i64> = empty.into_iter().map(|(number, _)| number).collect();
            let sql = format!("DELETE FROM jdl_restricted.{table} WHERE {number} = ANY ($1)");
            Spi::run_with_args(&sql, &[numbers.into()]).map_err(spi)?;
        }
        let sql = format!(
            "INSERT INTO jdl_restricted.{table} SELECT * FROM unnest($1::bigint[], $2::bytea[]) ON CONFLICT ({number}) DO UPDATE SET {bytes} = excluded.{bytes}"
        );
        let mut full = full.into_iter();
        loop {
            let (numbers, contents): (Vec<i64>, Vec<Vec<u8>>) = full.by_ref().take(ROWS).unzip();
            if numbers.is_empty() {
                return Ok(());
            }
            heartbeat();
            scratch(|| Spi::run_with_args(&sql, &[numbers.into(), contents.into()])).map_err(spi)?;
        }
    }
}

/// Hands over the rows of a query (a number and bytes each) in portions.
fn in_portions(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut visit: impl FnMut(&[(i64, &[u8])]) -> Result<(), ErrorReport>,
) -> Result<(), ErrorReport> {
    let mut name = Spi::connect(|client| client.open_cursor(sql, args).detach_into_name());
    loop {
        heartbeat();
        // A connection for each portion: what it has read is freed when it ends.
        let next = Spi::connect(|client| {
            let mut cursor = client.find_cursor(&name).map_err(spi)?;
            let portion = cursor.fetch(ROWS as i64).map_err(spi)?;
            if portion.is_empty() {
                return Ok::<_, ErrorReport>(None);
            }
            visit(&rows(portion)?)?;
            Ok(Some(cursor.detach_into_name()))
        })?;
        match next {
            Some(next) => name = next,
            None => return Ok(()),
        }
    }
}

/// Number and bytes of each row. The bytes lie in the result itself, which lives as long as the connection that it came from:
/// the typed getters of a row would copy them to where they stay until the statement ends.
fn rows(mut result: SpiTupleTable<'_>) -> Result<Vec<(i64, &[u8])>, ErrorReport> {
    let mut rows = Vec::with_capacity(result.len());
    while result.next().is_some() {
        let number = result.get_datum_by_ordinal(1).map_err(spi)?;
        let bytes = result.get_datum_by_ordinal(2).map_err(spi)?;
        if let (Some(number), Some(bytes)) = (number, bytes) {
            // SAFETY: the queries of a shelf give a bigint and a bytea.
            let row = unsafe { i64::from_datum(number, false).zip(<&[u8]>::from_datum(bytes, false)) };
            rows.extend(row);
        }
    }
    Ok(rows)
}

/// How the keys and the terms are spread over buckets.
#[derive(Clone, Copy)]
pub struct Index {
    pub keys: Buckets,
    pub terms: Buckets,
}

impl Index {
    pub fn read() -> Result<Self, ErrorReport> {
        let (keys, terms, version) = Spi::get_three::<i32, i32, i32>(
            "SELECT key_bits, term_bits, key_version FROM jdl_restricted.linkage_index",
        )
        .unwrap_or_default();
        match (keys, terms, version) {
            (Some(keys), Some(terms), Some(version)) if version == i32::from(KEY_VERSION) => Ok(Self {
                keys: Buckets::from_bits(keys.unsigned_abs()).map_err(report)?,
                terms: Buckets::from_bits(terms.unsigned_abs()).map_err(report)?,
            }),
            _ => Err(missing("a linkage index of this version: run jdl_register_refresh()")),
        }
    }

    pub fn write(self) -> Result<(), ErrorReport> {
        Spi::run_with_args(
            "INSERT INTO jdl_restricted.linkage_index (key_bits, term_bits, key_version) VALUES ($1, $2, $3)",
            &[(self.keys.bits() as i32).into(), (self.terms.bits() as i32).into(), i32::from(KEY_VERSION).into()],
        )
        .map_err(spi)
    }
}

/// Looks these keys (ascending) up: the position of each that is held, and its values.
pub fn probe(
    shelf: &Shelf,
    buckets: Buckets,
    keys: &[u64],
    mut found: impl FnMut(usize, &mut dyn ExactSizeIterator<Item = i64>),
) -> Result<(), ErrorReport> {
    let bucket = |key: &u64| i64::from(buckets.bucket(*key));
    let mut numbers: Vec<i64> = keys.iter().map(bucket).collect();
    numbers.dedup();
    shelf.fetch(numbers, |rows| {
        for &(number, bytes) in rows {
            let entries = Bucket::read(bytes).map_err(report)?;
            let from = keys.partition_point(|key| bucket(key) < number);
            for (at, key) in (from..).zip(keys[from..].iter().take_while(|key| bucket(key) == number)) {
                found(at, &mut entries.values(buckets.fragment(*key)));
            }
        }
        Ok(())
    })
}
