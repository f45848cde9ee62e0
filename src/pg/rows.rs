//! Rows in and out of the executor as they are: no copies, no arrays, no cursors. What reads or writes millions of rows goes this way.

use std::ffi::{CStr, CString, c_int};
use std::ptr;

use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgRelation, PgTupleDesc};

use super::error::{invalid, missing, spi};

/// A row that stands in the executor, until the next one comes.
pub struct Row<'a> {
    pub values: &'a [pg_sys::Datum],
    pub nulls: &'a [bool],
}

impl Row<'_> {
    /// A cell, by its place from 0.
    ///
    /// # Safety
    /// The column is of the type that `T` reads.
    pub unsafe fn get<T: FromDatum>(&self, at: usize) -> Option<T> {
        // SAFETY: the caller's promise.
        unsafe { T::from_datum(self.values[at], self.nulls[at]) }
    }
}

/// Takes in the rows of a query.
pub trait Visitor {
    /// The shape of the rows, before the first.
    fn begin(&mut self, _descriptor: &PgTupleDesc<'_>) -> Result<(), ErrorReport> {
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), ErrorReport>;
}

impl<F: FnMut(&Row<'_>) -> Result<(), ErrorReport>> Visitor for F {
    fn row(&mut self, row: &Row<'_>) -> Result<(), ErrorReport> {
        self(row)
    }
}

/// What SPI hands the rows to. It starts as Postgres' own struct does.
#[repr(C)]
struct Receiver<'v> {
    base: pg_sys::DestReceiver,
    visitor: &'v mut dyn Visitor,
    columns: usize,
    /// Whether a query that returns rows has started, and what went wrong since.
    started: Option<Result<(), ErrorReport>>,
    /// For what reading a row leaves behind, such as text that was stored compressed.
    scratch: PgMemoryContexts,
    rows_in_scratch: u32,
}

impl<'v> Receiver<'v> {
    /// # Safety
    /// `receiver` is the first field of a `Receiver`.
    unsafe fn of<'a>(receiver: *mut pg_sys::DestReceiver) -> &'a mut Self {
        // SAFETY: the caller's promise.
        unsafe { &mut *receiver.cast::<Self>() }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn start(
    receiver: *mut pg_sys::DestReceiver,
    _operation: c_int,
    descriptor: pg_sys::TupleDesc,
) {
    // SAFETY: Postgres calls this with the receiver that it was given and the shape of the rows. The copy is freed with the value.
    let (receiver, descriptor) = unsafe { (Receiver::of(receiver), PgTupleDesc::from_pg_copy(descriptor)) };
    receiver.columns = descriptor.len();
    receiver.started = Some(receiver.visitor.begin(&descriptor));
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, receiver: *mut pg_sys::DestReceiver) -> bool {
    const ROWS: u32 = 1_000;
    // SAFETY: Postgres calls this with the receiver that it was given and a row.
    let Receiver { visitor, columns, started, scratch, rows_in_scratch, .. } = unsafe { Receiver::of(receiver) };
    let Some(Ok(())) = started else { return false };
    *rows_in_scratch += 1;
    if *rows_in_scratch == ROWS {
        *rows_in_scratch = 0;
        // SAFETY: a visitor has taken over what the cells of earlier rows held.
        unsafe { scratch.reset() };
    }
    // SAFETY: the slot holds a row of as many columns as the query has; slot_getsomeattrs_int fills the two arrays up to the last.
    let row = unsafe {
        if usize::try_from((*slot).tts_nvalid).is_ok_and(|valid| valid < *columns) {
            pg_sys::slot_getsomeattrs_int(slot, *columns as c_int);
        }
        Row {
            values: std::slice::from_raw_parts((*slot).tts_values, *columns),
            nulls: std::slice::from_raw_parts((*slot).tts_isnull, *columns),
        }
    };
    // SAFETY: nothing that reading a row allocates is used after it.
    let taken = unsafe { scratch.switch_to(|_| visitor.row(&row)) };
    // The answer is whether to go on; what went wrong is raised when the executor has closed.
    taken.map_err(|error| *started = Some(Err(error))).is_ok()
}

#[pg_guard]
unsafe extern "C-unwind" fn nothing(_receiver: *mut pg_sys::DestReceiver) {}

/// Runs a query, whose plan may be a parallel one, and hands each row to `visitor` as the executor makes it.
///
/// # Errors
/// The query's own, the visitor's, and a text that is not one query that returns rows.
pub fn visit(query: &str, visitor: &mut dyn Visitor) -> Result<(), ErrorReport> {
    let text = CString::new(query).map_err(|_| invalid("query", "must not hold a zero byte"))?;
    let mut receiver = Receiver {
        base: pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start),
            rShutdown: Some(nothing),
            rDestroy: Some(nothing),
            mydest: pg_sys::CommandDest::DestTuplestore,
        },
        visitor,
        columns: 0,
        started: None,
        scratch: PgMemoryContexts::new("jdl rows"),
        rows_in_scratch: 0,
    };
    Spi::connect(|_| {
        // SAFETY: SPI is connected; the plan is used and freed here, and the receiver outlives its execution.
        unsafe {
            let plan =
                pg_sys::SPI_prepare_cursor(text.as_ptr(), 0, ptr::null_mut(), pg_sys::CURSOR_OPT_PARALLEL_OK as c_int);
            if plan.is_null() || !pg_sys::SPI_is_cursor_plan(plan) {
                return Err(invalid("query", "must be one query that returns rows"));
            }
            let options = pg_sys::SPIExecuteOptions {
                read_only: true,
                must_return_tuples: true,
                dest: (&raw mut receiver).cast(),
                ..Default::default()
            };
            let done = pg_sys::SPI_execute_plan_extended(plan, &raw const options);
            pg_sys::SPI_freeplan(plan);
            Spi::check_status(done).map_err(spi)?;
            Ok(())
        }
    })?;
    receiver.started.unwrap_or_else(|| Err(invalid("query", "returns nothing")))
}

/// A column's name and a value for it; `None` is null.
pub type NamedValue = (&'static str, Option<pg_sys::Datum>);

/// Inserts rows into a table. Each names the same columns in the same order.
///
/// The rows are handed over as those of a trigger's transition table are, so constraints, policies and indexes hold as ever.
///
/// # Errors
/// A column that the table has not; what the insertion raises.
///
/// # Safety
/// The values are of the columns' types.
pub unsafe fn insert<const N: usize>(
    table: &str,
    rows: impl Iterator<Item = [NamedValue; N]>,
) -> Result<(), ErrorReport> {
    const NAME: &CStr = c"jdl_new_rows";
    let mut rows = rows.peekable();
    let Some(columns) = rows.peek().map(|first| first.map(|(name, _)| name)) else { return Ok(()) };
    let relation = PgRelation::open_with_name_and_share_lock(table).map_err(|_| missing(table))?;
    let descriptor = relation.tuple_desc();
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        let named = |attribute: &pg_sys::FormData_pg_attribute| attribute.name() == column && !attribute.attisdropped;
        *place = descriptor.iter().position(named).ok_or_else(|| missing(column))?;
    }
    let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); descriptor.len()], vec![true; descriptor.len()]);
    Spi::connect(|_| {
        // SAFETY: the store is made, filled with rows of the table's shape, read and ended here, while SPI is connected and knows it by name.
        unsafe {
            let store = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
            let mut count = 0.0;
            for row in rows {
                for (&place, (_, value)) in places.iter().zip(row) {
                    (values[place], nulls[place]) = (value.unwrap_or(pg_sys::Datum::null()), value.is_none());
                }
                pg_sys::tuplestore_putvalues(store, descriptor.as_ptr(), values.as_mut_ptr(), nulls.as_mut_ptr());
                count += 1.0;
            }
            let mut named = pg_sys::EphemeralNamedRelationData {
                md: pg_sys::EphemeralNamedRelationMetadataData {
                    name: NAME.as_ptr().cast_mut(),
                    reliddesc: relation.oid(),
                    tupdesc: ptr::null_mut(),
                    enrtype: pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE,
                    enrtuples: count,
                },
                reldata: store.cast(),
            };
            Spi::check_status(pg_sys::SPI_register_relation(&raw mut named)).map_err(spi)?;
            let columns = columns.join(", ");
            let sql = format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {}", NAME.to_string_lossy());
            let sql = CString::new(sql).map_err(|_| missing("a text without a zero byte"))?;
            Spi::check_status(pg_sys::SPI_execute(sql.as_ptr(), false, 0)).map_err(spi)?;
            Spi::check_status(pg_sys::SPI_unregister_relation(NAME.as_ptr())).map_err(spi)?;
            pg_sys::tuplestore_end(store);
        }
        Ok(())
    })
}
