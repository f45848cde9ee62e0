//! The rows of a query as the frame that matching works on.
//!
//! SPI hands each row to a receiver of ours while the query runs: nothing is copied or kept on the way, cells are read from the
//! executor's own slot by their type, and the plan may be a parallel one.

use std::ffi::{CString, c_int};
use std::ptr;

use jdl_core::matching::{Cell, Frame, FrameBuilder, Kind};
use pgrx::datum::FromDatum;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::varlena::varlena_to_byte_slice;

use super::error::{invalid, report, spi};

/// How a column of a query is read.
#[derive(Clone, Copy)]
enum Reader {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Name,
}

impl Reader {
    fn of(oid: pg_sys::Oid) -> Option<Self> {
        Some(match oid {
            pg_sys::BOOLOID => Self::Bool,
            pg_sys::INT2OID => Self::Int2,
            pg_sys::INT4OID => Self::Int4,
            pg_sys::INT8OID => Self::Int8,
            pg_sys::FLOAT4OID => Self::Float4,
            pg_sys::FLOAT8OID => Self::Float8,
            pg_sys::NUMERICOID => Self::Numeric,
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID => Self::Text,
            pg_sys::NAMEOID => Self::Name,
            _ => return None,
        })
    }

    fn kind(self) -> Kind {
        if matches!(self, Self::Text | Self::Name) { Kind::Text } else { Kind::Numeric }
    }

    /// The cell of a datum that is not null.
    ///
    /// # Safety
    /// `datum` is of the type that the reader was made for, and lives as long as the cell is used.
    unsafe fn cell<'a>(self, datum: pg_sys::Datum) -> Cell<'a> {
        let bits = datum.value();
        match self {
            Self::Bool => Cell::Number(f64::from(u8::from(bits as u8 != 0))),
            Self::Int2 => Cell::Number(f64::from(bits as i16)),
            Self::Int4 => Cell::Number(f64::from(bits as i32)),
            Self::Int8 => Cell::Number(bits as i64 as f64),
            Self::Float4 => Cell::Number(f64::from(f32::from_bits(bits as u32))),
            Self::Float8 => Cell::Number(f64::from_bits(bits as u64)),
            // SAFETY: the caller's promise; as for the two below.
            Self::Numeric => Cell::Number(unsafe { numeric(datum) }),
            Self::Text => unsafe { <&str>::from_polymorphic_datum(datum, false, pg_sys::TEXTOID) }
                .map_or(Cell::Missing, Cell::Text),
            Self::Name => {
                // SAFETY: a name is a string of C in a place of fixed length.
                let name = unsafe { std::ffi::CStr::from_ptr(datum.cast_mut_ptr()) };
                name.to_str().map_or(Cell::Missing, Cell::Text)
            }
        }
    }
}

/// A numeric as the nearest double.
///
/// # Safety
/// `datum` is a numeric that is not null.
unsafe fn numeric(datum: pg_sys::Datum) -> f64 {
    // SAFETY: the caller's promise.
    let digits = unsafe { varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr())) };
    short_numeric(digits).unwrap_or_else(|| {
        // SAFETY: numeric_float8 takes one numeric. What a double cannot hold is its error to raise.
        unsafe { pgrx::fcinfo::direct_function_call::<f64>(pg_sys::numeric_float8, &[Some(datum)]) }.unwrap_or(f64::NAN)
    })
}

/// The value of a numeric's bytes where its digits and its power of ten are doubles without rounding, so that one division
/// or multiplication gives the nearest double; `None` for the others. (The server itself goes through text, ten times slower.)
///
/// The format is that of numeric data on disk, which `pg_upgrade` keeps: a header with sign and weight, then digits to the base 10,000.
fn short_numeric(bytes: &[u8]) -> Option<f64> {
    const TENS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    let (parts, _) = bytes.as_chunks::<2>();
    let (header, rest) = parts.split_first()?;
    let header = u16::from_ne_bytes(*header);
    let (negative, weight, digits) = match header & 0xc000 {
        // NaN and the infinities.
        0xc000 => return None,
        // Seven bits of weight in two's complement.
        0x8000 => (header & 0x2000 != 0, i32::from((header << 9) as i16 >> 9), rest),
        sign => {
            let (weight, digits) = rest.split_first()?;
            (sign == 0x4000, i32::from(i16::from_ne_bytes(*weight)), digits)
        }
    };
    if digits.len() > 4 {
        return None;
    }
    let whole = digits.iter().fold(0_u64, |sum, digit| sum * 10_000 + u64::from(u16::from_ne_bytes(*digit)));
    if whole > 1 << 53 {
        return None;
    }
    let power = 4 * (weight + 1 - digits.len() as i32);
    let ten = TENS.get(power.unsigned_abs() as usize)?;
    let value = if power < 0 { whole as f64 / ten } else { whole as f64 * ten };
    Some(if negative { -value } else { value })
}

/// The columns of a query by their place: id, treated, and the covariates.
struct Shape {
    id: usize,
    treated: usize,
    covariates: Vec<(usize, Reader)>,
}

impl Shape {
    /// Reads the columns, and begins a frame for them.
    ///
    /// # Safety
    /// `descriptor` describes the rows of a query that runs.
    unsafe fn begin(descriptor: pg_sys::TupleDesc) -> Result<(Self, FrameBuilder), ErrorReport> {
        // SAFETY: the caller's promise. The copy is freed with the value.
        let descriptor = unsafe { pgrx::PgTupleDesc::from_pg_copy(descriptor) };
        let (mut id, mut treated, mut covariates, mut columns) = (None, None, Vec::new(), Vec::new());
        for (at, attribute) in descriptor.iter().enumerate() {
            // SAFETY: a look into the catalogue; a domain is read as what it is made of.
            let oid = unsafe { pg_sys::getBaseType(attribute.atttypid) };
            let name = attribute.name();
            if (name == "id" && id.is_some()) || (name == "treated" && treated.is_some()) {
                return Err(invalid("query", &format!("returns column \"{name}\" twice")));
            }
            match name {
                "id" if oid == pg_sys::INT8OID => id = Some(at),
                "id" => return Err(invalid("query", "column \"id\" must be of type bigint")),
                "treated" if oid == pg_sys::BOOLOID => treated = Some(at),
                "treated" => return Err(invalid("query", "column \"treated\" must be of type boolean")),
                name => {
                    let reader = Reader::of(oid).ok_or_else(|| {
                        invalid("query", &format!("column \"{name}\" must be numeric, boolean or text"))
                    })?;
                    covariates.push((at, reader));
                    columns.push((name, reader.kind()));
                }
            }
        }
        let (Some(id), Some(treated)) = (id, treated) else {
            return Err(invalid("query", "must return the columns id bigint and treated boolean, and covariates"));
        };
        if covariates.is_empty() {
            return Err(invalid("query", "returns no covariate beside id and treated"));
        }
        let builder = FrameBuilder::new(&columns).map_err(report)?;
        Ok((Self { id, treated, covariates }, builder))
    }

    /// Adds the row that stands in `slot`.
    ///
    /// # Safety
    /// `slot` holds a row of the query that the shape was made for.
    unsafe fn push(&self, builder: &mut FrameBuilder, slot: *mut pg_sys::TupleTableSlot) -> Result<(), ErrorReport> {
        // SAFETY: the caller's promise; slot_getsomeattrs_int fills the two arrays up to the last column.
        let (values, nulls) = unsafe {
            let columns = self.covariates.len() + 2;
            if usize::try_from((*slot).tts_nvalid).is_ok_and(|valid| valid < columns) {
                pg_sys::slot_getsomeattrs_int(slot, columns as c_int);
            }
            (
                std::slice::from_raw_parts((*slot).tts_values, columns),
                std::slice::from_raw_parts((*slot).tts_isnull, columns),
            )
        };
        let absent = |column: &str| invalid(column, &format!("is null in record {}", builder.len() + 1));
        if nulls[self.id] {
            return Err(absent("id"));
        }
        if nulls[self.treated] {
            return Err(absent("treated"));
        }
        let (id, treated) = (values[self.id].value() as i64, values[self.treated].value() as u8 != 0);
        builder
            .push_row_with(id, treated, |column| {
                let (at, reader) = self.covariates[column];
                // SAFETY: the reader is that of the column, and the slot keeps the row until the next one comes.
                if nulls[at] { Cell::Missing } else { unsafe { reader.cell(values[at]) } }
            })
            .map_err(report)
    }
}

/// What SPI hands the rows to. It starts as Postgres' own struct does.
#[repr(C)]
struct Receiver {
    base: pg_sys::DestReceiver,
    reading: Option<Result<(Shape, FrameBuilder), ErrorReport>>,
    /// For what reading a row leaves behind, such as text that was stored compressed.
    scratch: PgMemoryContexts,
    rows_in_scratch: u32,
}

impl Receiver {
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
    // SAFETY: Postgres calls this with the receiver that it was given and the shape of the rows.
    unsafe { Receiver::of(receiver).reading = Some(Shape::begin(descriptor)) };
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, receiver: *mut pg_sys::DestReceiver) -> bool {
    const ROWS: u32 = 1_000;
    // SAFETY: Postgres calls this with the receiver that it was given and a row.
    let Receiver { reading, scratch, rows_in_scratch, .. } = unsafe { Receiver::of(receiver) };
    let Some(Ok((shape, builder))) = reading else { return false };
    *rows_in_scratch += 1;
    if *rows_in_scratch == ROWS {
        *rows_in_scratch = 0;
        // SAFETY: the builder has taken over what the cells of earlier rows held.
        unsafe { scratch.reset() };
    }
    // SAFETY: nothing that reading a row allocates is used after it.
    let pushed = unsafe { scratch.switch_to(|_| shape.push(builder, slot)) };
    // The answer is whether to go on; what went wrong is raised when the executor has closed.
    pushed.map_err(|error| *reading = Some(Err(error))).is_ok()
}

#[pg_guard]
unsafe extern "C-unwind" fn nothing(_receiver: *mut pg_sys::DestReceiver) {}

/// Runs a query that returns `id bigint, treated boolean` and covariates (numeric, boolean or text) into a frame.
///
/// # Errors
/// The query's own, other columns than these, and what [`FrameBuilder`] refuses.
pub fn read(query: &str) -> Result<Frame, ErrorReport> {
    let text = CString::new(query).map_err(|_| invalid("query", "must not hold a zero byte"))?;
    let mut receiver = Receiver {
        base: pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start),
            rShutdown: Some(nothing),
            rDestroy: Some(nothing),
            mydest: pg_sys::CommandDest::DestTuplestore,
        },
        reading: None,
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
    match receiver.reading {
        Some(read) => read?.1.finish().map_err(report),
        None => Err(invalid("query", "returns nothing")),
    }
}
