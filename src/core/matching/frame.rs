//! The analysis rows as columns: ids, treatment and covariates, stored as small as they are exact.
//!
//! Rows may come in any order; [`FrameBuilder::finish`] puts them in the order of their ids, so that nothing
//! downstream (sums, ties, `m_order = "data"`) depends on the order in which a database happened to read them.
//! Missing and infinite values are refused with the column and the record's number, never with the value.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::matching::packed::Packed;

/// A text column with more distinct values than this is not a covariate but a name; it is refused.
pub const MAX_LEVELS: usize = 65_536;

/// A covariate as a whole column, as a caller has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Finite numbers, one a row.
    Numeric(Vec<f64>),
    /// A factor: `codes[row]` is the position of the row's value in `levels`.
    Factor {
        /// The distinct values, in any order.
        levels: Vec<String>,
        /// One code a row, each smaller than the number of levels.
        codes: Vec<u32>,
    },
}

/// One value of a row on its way into a [`FrameBuilder`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A value of a numeric column.
    Number(f64),
    /// A value of a text column.
    Text(&'a str),
    /// No value: always refused, with the column and the record's number.
    Missing,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers (booleans are the numbers 0 and 1).
    Numeric,
    /// Text, which becomes a factor.
    Text,
}

/// A stored covariate: its numbers, or the codes of its levels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Covariate {
    pub(crate) name: String,
    /// `None` for a number; else the levels in the order of their bytes (C locale).
    pub(crate) levels: Option<Vec<String>>,
    pub(crate) values: Packed,
}

/// The rows of an analysis in the order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    ids: Vec<i64>,
    treated: Vec<bool>,
    pub(crate) covariates: Vec<Covariate>,
}

impl Frame {
    /// Makes a frame from whole columns; `ids`, `treated` and every column have one entry a row.
    ///
    /// # Errors
    /// As [`FrameBuilder`]; also when the lengths differ or a code has no level.
    pub fn new(ids: &[i64], treated: &[bool], columns: &[(&str, Column)]) -> Result<Self> {
        let kinds: Vec<(&str, Kind)> = columns
            .iter()
            .map(|(name, column)| {
                (*name, if matches!(column, Column::Numeric(_)) { Kind::Numeric } else { Kind::Text })
            })
            .collect();
        let mut builder = FrameBuilder::new(&kinds)?;
        if ids.len() != treated.len() {
            return Err(Error::invalid("treated", "must have as many entries as there are ids"));
        }
        for ((name, column), building) in columns.iter().zip(&mut builder.columns) {
            let (len, codes_fit) = match column {
                Column::Numeric(values) => (values.len(), true),
                Column::Factor { levels, codes } => (codes.len(), codes.iter().all(|&c| (c as usize) < levels.len())),
            };
            if len != ids.len() || !codes_fit {
                return Err(Error::invalid(*name, "must have one entry a row, and a level for every code"));
            }
            for row in 0..len {
                building.push(
                    row,
                    match column {
                        Column::Numeric(values) => Cell::Number(values[row]),
                        Column::Factor { levels, codes } => Cell::Text(&levels[codes[row] as usize]),
                    },
                )?;
            }
        }
        builder.ids = ids.to_vec();
        builder.treated = treated.to_vec();
        builder.finish()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids, ascending.
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// Which rows are treated.
    pub fn treated(&self) -> &[bool] {
        &self.treated
    }

    /// Number of treated rows.
    pub fn treated_count(&self) -> usize {
        self.treated.iter().filter(|&&t| t).count()
    }

    /// The covariates' names, in the order given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.covariates.iter().map(|c| c.name.as_str())
    }

    /// Memory held by the columns, in bytes.
    pub fn bytes(&self) -> usize {
        9 * self.len() + self.covariates.iter().map(|c| c.values.bytes()).sum::<usize>()
    }

    /// The position of the covariate `name`; `field` is the option that named it, for the error.
    pub(crate) fn position(&self, field: &str, name: &str) -> Result<usize> {
        self.covariates.iter().position(|c| c.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.names().collect();
            Error::invalid(field, format!("names \"{name}\", which is not among the columns: {}", known.join(", ")))
        })
    }

    /// The same covariates under other labels, one a row.
    pub(crate) fn labelled(&self, labels: &[bool]) -> Self {
        Self { treated: labels.to_vec(), ..self.clone() }
    }

    /// The rows where `keep` holds.
    pub(crate) fn subset(&self, keep: impl Fn(usize) -> bool) -> Self {
        let rows: Vec<u32> = (0..self.len()).filter(|&row| keep(row)).map(|row| row as u32).collect();
        self.permuted(&rows)
    }

    fn permuted(&self, order: &[u32]) -> Self {
        Self {
            ids: order.iter().map(|&row| self.ids[row as usize]).collect(),
            treated: order.iter().map(|&row| self.treated[row as usize]).collect(),
            covariates: self
                .covariates
                .iter()
                .map(|c| Covariate { name: c.name.clone(), levels: c.levels.clone(), values: c.values.permuted(order) })
                .collect(),
        }
    }
}

/// Variances of squares and products of numbers up to here are finite sums.
const LARGEST: f64 = 1e70;

/// A column in the making: levels in order of appearance.
#[derive(Debug)]
struct Building {
    name: String,
    levels: Option<HashMap<String, u32>>,
    values: Packed,
}

impl Building {
    fn push(&mut self, row: usize, cell: Cell<'_>) -> Result<()> {
        let value = match (cell, &mut self.levels) {
            // Adding zero makes a negative zero an ordinary one, so that equal numbers have equal bits.
            (Cell::Number(value), None) if value.abs() <= LARGEST => value + 0.0,
            (Cell::Number(value), None) if value.is_finite() => return Err(self.refuse(row, "is beyond 1e70")),
            (Cell::Number(_), None) => return Err(self.refuse(row, "is not a finite number")),
            (Cell::Text(text), Some(levels)) => match levels.get(text) {
                Some(&code) => f64::from(code),
                None if levels.len() == MAX_LEVELS => {
                    return Err(Error::invalid(&self.name, format!("has more than {MAX_LEVELS} different values")));
                }
                None => {
                    let code = levels.len() as u32;
                    levels.insert(text.to_owned(), code);
                    f64::from(code)
                }
            },
            (Cell::Missing, _) => return Err(self.refuse(row, "is missing")),
            (Cell::Number(_), Some(_)) => return Err(self.refuse(row, "is a number in a text column")),
            (Cell::Text(_), None) => return Err(self.refuse(row, "is text in a numeric column")),
        };
        self.values.push(value);
        Ok(())
    }

    fn refuse(&self, row: usize, why: &str) -> Error {
        Error::invalid(&self.name, format!("{why} in record {}", row + 1))
    }

    /// Orders the levels by their bytes and renumbers the codes; a level that only a refused row had is forgotten.
    fn finish(self) -> Covariate {
        let Some(levels) = self.levels else {
            return Covariate { name: self.name, levels: None, values: self.values };
        };
        let mut used = vec![false; levels.len()];
        (0..self.values.len()).for_each(|row| used[self.values.get(row) as usize] = true);
        let mut sorted: Vec<(String, u32)> = levels.into_iter().filter(|(_, code)| used[*code as usize]).collect();
        sorted.sort_unstable();
        let mut renumbered = vec![0_u32; used.len()];
        for (new, (_, old)) in sorted.iter().enumerate() {
            renumbered[*old as usize] = new as u32;
        }
        let mut values = self.values;
        match &mut values {
            Packed::U8(v) => v.iter_mut().for_each(|code| *code = renumbered[usize::from(*code)] as u8),
            Packed::I32(v) => v.iter_mut().for_each(|code| *code = renumbered[*code as usize] as i32),
            // Codes are whole and below 65,536: they never leave the two integer types.
            Packed::F32(_) | Packed::F64(_) => {}
        }
        Covariate { name: self.name, levels: Some(sorted.into_iter().map(|(level, _)| level).collect()), values }
    }
}

/// Takes rows one by one, as a cursor delivers them.
///
/// ```
/// use jdl_core::matching::{Cell, FrameBuilder, Kind};
/// let mut rows = FrameBuilder::new(&[("age", Kind::Numeric), ("region", Kind::Text)]).unwrap();
/// rows.push_row(2, true, &[Cell::Number(31.0), Cell::Text("north")]).unwrap();
/// rows.push_row(1, false, &[Cell::Number(28.0), Cell::Text("south")]).unwrap();
/// assert_eq!(rows.finish().unwrap().ids(), [1, 2]);
/// ```
#[derive(Debug)]
pub struct FrameBuilder {
    ids: Vec<i64>,
    treated: Vec<bool>,
    columns: Vec<Building>,
}

impl FrameBuilder {
    /// An empty frame with the columns named.
    ///
    /// # Errors
    /// When two columns have the same name, or one has none.
    pub fn new(columns: &[(&str, Kind)]) -> Result<Self> {
        for (position, (name, _)) in columns.iter().enumerate() {
            if name.is_empty() || columns[..position].iter().any(|(earlier, _)| earlier == name) {
                return Err(Error::invalid(*name, "column names must be different and not empty"));
            }
        }
        Ok(Self {
            ids: Vec::new(),
            treated: Vec::new(),
            columns: columns
                .iter()
                .map(|(name, kind)| Building {
                    name: (*name).to_owned(),
                    levels: (*kind == Kind::Text).then(HashMap::new),
                    values: Packed::U8(Vec::new()),
                })
                .collect(),
        })
    }

    /// Adds a row; `cells` has one value a column.
    ///
    /// # Errors
    /// A missing or infinite value, or one of the wrong kind: names the column and the record's number (1 for the first row pushed).
    pub fn push_row(&mut self, id: i64, treated: bool, cells: &[Cell<'_>]) -> Result<()> {
        if cells.len() != self.columns.len() {
            let rule = format!("record {} must have one value for each column", self.len() + 1);
            return Err(Error::invalid("row", rule));
        }
        self.push_row_with(id, treated, |column| cells[column])
    }

    /// Adds a row whose cells are asked for one by one, each column once from the first to the last.
    ///
    /// # Errors
    /// As [`FrameBuilder::push_row`].
    pub fn push_row_with<'a>(&mut self, id: i64, treated: bool, cell: impl Fn(usize) -> Cell<'a>) -> Result<()> {
        let row = self.ids.len();
        if row == u32::MAX as usize {
            return Err(Error::invalid("row", "there are more rows than 32 bits count"));
        }
        for at in 0..self.columns.len() {
            if let Err(error) = self.columns[at].push(row, cell(at)) {
                // A refused row leaves nothing behind.
                self.columns[..at].iter_mut().for_each(|column| column.values.truncate(row));
                return Err(error);
            }
        }
        self.ids.push(id);
        self.treated.push(treated);
        Ok(())
    }

    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no row has come yet.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Puts the rows in the order of their ids.
    ///
    /// # Errors
    /// When an id stands twice: names the two records' numbers.
    pub fn finish(self) -> Result<Frame> {
        let Self { ids, treated, columns } = self;
        let frame = Frame { ids, treated, covariates: columns.into_iter().map(Building::finish).collect() };
        if frame.ids.is_sorted_by(|a, b| a < b) {
            return Ok(frame);
        }
        let mut order: Vec<u32> = (0..frame.len() as u32).collect();
        order.sort_unstable_by_key(|&row| (frame.ids[row as usize], row));
        for pair in order.windows(2) {
            if frame.ids[pair[0] as usize] == frame.ids[pair[1] as usize] {
                let (first, second) = (pair[0] + 1, pair[1] + 1);
                return Err(Error::invalid("id", format!("is the same in records {first} and {second}")));
            }
        }
        // Column by column, so that only one column exists twice at a time.
        let Frame { ids, treated, mut covariates } = frame;
        for covariate in &mut covariates {
            covariate.values = covariate.values.permuted(&order);
        }
        Ok(Frame {
            ids: order.iter().map(|&row| ids[row as usize]).collect(),
            treated: order.iter().map(|&row| treated[row as usize]).collect(),
            covariates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_in_the_order_of_ids_and_levels_in_the_order_of_bytes() {
        let mut rows = FrameBuilder::new(&[("x", Kind::Numeric), ("g", Kind::Text)]).unwrap();
        for (id, treated, x, g) in [(3, true, 0.25, "b"), (1, false, 7.0, "a"), (2, true, -1.0, "Z")] {
            rows.push_row(id, treated, &[Cell::Number(x), Cell::Text(g)]).unwrap();
        }
        let frame = rows.finish().unwrap();
        assert_eq!(frame.ids(), [1, 2, 3]);
        assert_eq!(frame.treated(), [false, true, true]);
        assert_eq!(frame.covariates[0].values.values(), [7.0, -1.0, 0.25]);
        assert_eq!(frame.covariates[1].levels.as_deref().unwrap(), ["Z", "a", "b"]);
        assert_eq!(frame.covariates[1].values.values(), [1.0, 0.0, 2.0]);
    }

    #[test]
    fn bad_cells_are_refused_by_column_and_record_without_the_value() {
        let mut rows = FrameBuilder::new(&[("x", Kind::Numeric), ("g", Kind::Text)]).unwrap();
        rows.push_row(1, true, &[Cell::Number(1.0), Cell::Text("a")]).unwrap();
        let refused =
            |rows: &mut FrameBuilder, cells: &[Cell<'_>]| rows.push_row(2, true, cells).unwrap_err().to_string();
        assert_eq!(
            refused(&mut rows, &[Cell::Number(f64::NAN), Cell::Text("a")]),
            "x: is not a finite number in record 2"
        );
    }

    #[test]
    fn the_same_id_twice_is_refused_by_record_numbers() {
        let error = Frame::new(&[5, 9, 5], &[true, false, false], &[]).unwrap_err().to_string();
        assert_eq!(error, "id: is the same in records 1 and 3");
    }
}
