//! The rows of a query as the frame that matching works on.
//!
//! Nothing is copied or kept on the way: cells are read from the executor's own slot by their type.

use std::collections::BTreeMap;

use jdl_core::matching::{Cell, Frame, FrameBuilder, Kind};
use pgrx::PgTupleDesc;
use pgrx::datum::FromDatum;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::varlena::varlena_to_byte_slice;

use super::error::{invalid, report};
use super::rows::{self, Row, Visitor};

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

/// The columns of a query by their place: id, treated, the covariates, and the loss where it is looked for.
struct Shape {
    id: usize,
    treated: usize,
    loss: Option<usize>,
    covariates: Vec<(usize, Reader)>,
}

impl Shape {
    /// Reads the columns, and begins a frame for them.
    fn begin(descriptor: &PgTupleDesc<'_>, with_loss: bool) -> Result<(Self, FrameBuilder), ErrorReport> {
        let (mut id, mut treated, mut loss, mut covariates, mut columns) = (None, None, None, Vec::new(), Vec::new());
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
                "loss" if with_loss => loss = Some(at),
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
        Ok((Self { id, treated, loss, covariates }, builder))
    }
}

/// A frame in the making, once the shape of the rows is known.
struct Reading<'a> {
    begun: Option<(Shape, FrameBuilder)>,
    /// How many rows were lost to what, where that is asked for.
    losses: Option<&'a mut BTreeMap<String, u64>>,
}

impl Visitor for Reading<'_> {
    fn begin(&mut self, descriptor: &PgTupleDesc<'_>) -> Result<(), ErrorReport> {
        self.begun = Some(Shape::begin(descriptor, self.losses.is_some())?);
        Ok(())
    }

    fn row(&mut self, &Row { values, nulls }: &Row<'_>) -> Result<(), ErrorReport> {
        let Some((shape, builder)) = &mut self.begun else { return Ok(()) };
        if let (Some(at), Some(losses)) = (shape.loss.filter(|&at| !nulls[at]), &mut self.losses) {
            // SAFETY: the loss is a text, and the row stands until the next one comes.
            if let Some(loss) = unsafe { <&str>::from_polymorphic_datum(values[at], false, pg_sys::TEXTOID) } {
                match losses.get_mut(loss) {
                    Some(rows) => *rows += 1,
                    None => drop(losses.insert(loss.to_owned(), 1)),
                }
            }
            return Ok(());
        }
        let absent = |column: &str| invalid(column, &format!("is null in record {}", builder.len() + 1));
        if nulls[shape.id] {
            return Err(absent("id"));
        }
        if nulls[shape.treated] {
            return Err(absent("treated"));
        }
        let (id, treated) = (values[shape.id].value() as i64, values[shape.treated].value() as u8 != 0);
        builder
            .push_row_with(id, treated, |column| {
                let (at, reader) = shape.covariates[column];
                // SAFETY: the reader is that of the column, and the row stands until the next one comes.
                if nulls[at] { Cell::Missing } else { unsafe { reader.cell(values[at]) } }
            })
            .map_err(report)
    }
}

/// Runs a query that returns `id bigint, treated boolean` and covariates (numeric, boolean or text) into a frame.
///
/// # Errors
/// The query's own, other columns than these, and what [`FrameBuilder`] refuses.
pub fn read(query: &str) -> Result<Frame, ErrorReport> {
    read_with(query, None)
}

/// The same for a query that also returns `loss text`: rows with a loss are counted by it and left out of the frame.
///
/// # Errors
/// As [`read`].
pub fn read_counting_losses(query: &str) -> Result<(Frame, BTreeMap<String, u64>), ErrorReport> {
    let mut losses = BTreeMap::new();
    let frame = read_with(query, Some(&mut losses))?;
    Ok((frame, losses))
}

fn read_with(query: &str, losses: Option<&mut BTreeMap<String, u64>>) -> Result<Frame, ErrorReport> {
    let mut reading = Reading { begun: None, losses };
    rows::visit(query, &mut reading)?;
    let (_, builder) = reading.begun.ok_or_else(|| invalid("query", "returns nothing"))?;
    builder.finish().map_err(report)
}
