//! The cells of one or several tables and the sums between them, without their counts.
//!
//! A cell is a place: one label (or the total) of every dimension. A [`Row`] says that one cell is the sum of others. The order
//! of cells depends on the labels alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::disclosure::table::MAX_COUNT;
use crate::error::{Error, Result};

/// The most cells a table may have, margins included.
pub const MAX_CELLS: usize = 200_000;

/// The total of a dimension, as a label number.
const ALL: u32 = u32::MAX;

/// For each dimension, the parent of each label that has one. A label without a parent is a part of the total.
pub type Hierarchies = BTreeMap<String, BTreeMap<String, String>>;

/// The labels of a cell by dimension; `None` is the total.
pub type Labels = BTreeMap<String, Option<String>>;

/// One equation of the table: `total` is the sum of `parts` (numbers of cells).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// The cell that is the sum.
    pub total: usize,
    /// The cells that add up to it.
    pub parts: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dimension {
    pub name: String,
    /// Sorted.
    pub labels: Vec<String>,
}

impl Dimension {
    fn number(&self, label: &str) -> Option<u32> {
        self.labels.binary_search_by(|known| known.as_str().cmp(label)).ok().map(|at| at as u32)
    }
}

/// The cells of one or several tables and the sums between them, without their counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(super) dimensions: Vec<Dimension>,
    pub(super) places: Vec<Vec<u32>>,
    pub(super) index: BTreeMap<Vec<u32>, usize>,
    pub(super) rows: Vec<Row>,
    pub(super) margin: Vec<bool>,
}

impl Layout {
    /// The product of the labels that occur, their ancestors and the totals.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for dimensions without or with the same name, a label tuple of the wrong length, a hierarchy
    /// of an unknown dimension or with a loop, and more than [`MAX_CELLS`] cells.
    pub fn product<'a>(
        dimensions: &[&str],
        hierarchies: &Hierarchies,
        labels: impl IntoIterator<Item = &'a [Option<String>]>,
    ) -> Result<Self> {
        let distinct: BTreeSet<&str> = dimensions.iter().copied().collect();
        if dimensions.is_empty() || distinct.contains("") || distinct.len() < dimensions.len() {
            return Err(Error::invalid("dimensions", "need at least one, each with a name of its own"));
        }
        if let Some(unknown) = hierarchies.keys().find(|name| !distinct.contains(name.as_str())) {
            return Err(Error::invalid(
                "hierarchies",
                format!("{unknown:?} is not a dimension; the dimensions are {}", dimensions.join(", ")),
            ));
        }
        let no_parents = BTreeMap::new();
        let parents: Vec<&BTreeMap<String, String>> =
            dimensions.iter().map(|name| hierarchies.get(*name).unwrap_or(&no_parents)).collect();
        let mut seen: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); dimensions.len()];
        for tuple in labels {
            if tuple.len() != dimensions.len() {
                return Err(Error::invalid("labels", "need one per dimension"));
            }
            for (d, label) in tuple.iter().enumerate() {
                let mut next = label.as_deref();
                let mut depth = 0;
                while let Some(name) = next {
                    if !seen[d].insert(name) && depth == 0 {
                        break;
                    }
                    next = parents[d].get(name).map(String::as_str);
                    depth += 1;
                    if depth > parents[d].len() + 1 {
                        return Err(Error::invalid("hierarchies", format!("of {} run in a circle", dimensions[d])));
                    }
                }
            }
        }
        let dimensions: Vec<Dimension> = dimensions
            .iter()
            .zip(&seen)
            .map(|(name, labels)| Dimension {
                name: (*name).to_owned(),
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            })
            .collect();
        let size = dimensions.iter().try_fold(1_usize, |product, d| product.checked_mul(d.labels.len() + 1));
        if size.is_none_or(|size| size > MAX_CELLS) {
            return Err(Error::invalid(
                "dimensions",
                format!("make a table of more than {MAX_CELLS} cells; publish fewer or coarser dimensions"),
            ));
        }
        // Children of every label and of the total, by dimension.
        let children: Vec<BTreeMap<u32, Vec<u32>>> = dimensions
            .iter()
            .zip(&parents)
            .map(|(dimension, parents)| {
                let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
                for (number, label) in dimension.labels.iter().enumerate() {
                    let parent = parents.get(label).and_then(|parent| dimension.number(parent)).unwrap_or(ALL);
                    children.entry(parent).or_default().push(number as u32);
                }
                children
            })
            .collect();
        let mut places: Vec<Vec<u32>> = vec![Vec::new()];
        for dimension in &dimensions {
            let numbers: Vec<u32> = (0..dimension.labels.len() as u32).chain([ALL]).collect();
            places = places
                .iter()
                .flat_map(|place| numbers.iter().map(move |number| [place.as_slice(), &[*number]].concat()))
                .collect();
        }
        let index: BTreeMap<Vec<u32>, usize> = places.iter().cloned().zip(0..).collect();
        let mut rows = Vec::new();
        for (total, place) in places.iter().enumerate() {
            for (d, children) in children.iter().enumerate() {
                if let Some(children) = children.get(&place[d]) {
                    let parts = children
                        .iter()
                        .map(|child| {
                            let mut part = place.clone();
                            part[d] = *child;
                            index[&part]
                        })
                        .collect();
                    rows.push(Row { total, parts });
                }
            }
        }
        Ok(Self::assemble(dimensions, places, index, rows))
    }

    fn assemble(
        dimensions: Vec<Dimension>,
        places: Vec<Vec<u32>>,
        index: BTreeMap<Vec<u32>, usize>,
        rows: Vec<Row>,
    ) -> Self {
        let mut margin = vec![false; places.len()];
        for row in &rows {
            margin[row.total] = true;
        }
        Self { dimensions, places, index, rows, margin }
    }

    /// Several layouts as one: cells with the same labels are the same cell.
    ///
    /// A dimension that a layout does not have is at its total there, so the layouts must be about the same people;
    /// give other people a dimension of their own with [`Table::within`]. Returns the number that each cell of each
    /// layout has in the whole.
    pub(super) fn link(layouts: &[&Self]) -> (Self, Vec<Vec<usize>>) {
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for dimension in layouts.iter().flat_map(|layout| &layout.dimensions) {
            labels.entry(&dimension.name).or_default().extend(dimension.labels.iter().map(String::as_str));
        }
        let dimensions: Vec<Dimension> = labels
            .iter()
            .map(|(name, labels)| Dimension {
                name: (*name).to_owned(),
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            })
            .collect();
        let moved: Vec<Vec<Vec<u32>>> = layouts
            .iter()
            .map(|layout| {
                // Both lists of labels are sorted and the one holds the other, so every look-up finds its label.
                let to: Vec<(usize, Vec<u32>)> = layout
                    .dimensions
                    .iter()
                    .map(|dimension| {
                        let at = dimensions.partition_point(|known| known.name < dimension.name);
                        let numbers = dimension.labels.iter().filter_map(|label| dimensions[at].number(label));
                        (at, numbers.collect())
                    })
                    .collect();
                layout
                    .places
                    .iter()
                    .map(|place| {
                        let mut whole = vec![ALL; dimensions.len()];
                        for (number, (at, numbers)) in place.iter().zip(&to) {
                            whole[*at] = if *number == ALL { ALL } else { numbers[*number as usize] };
                        }
                        whole
                    })
                    .collect()
            })
            .collect();
        let places: Vec<Vec<u32>> =
            moved.iter().flatten().cloned().collect::<BTreeSet<Vec<u32>>>().into_iter().collect();
        let index: BTreeMap<Vec<u32>, usize> = places.iter().cloned().zip(0..).collect();
        let numbers: Vec<Vec<usize>> =
            moved.iter().map(|places| places.iter().map(|place| index[place]).collect()).collect();
        let rows: BTreeSet<Row> = layouts
            .iter()
            .zip(&numbers)
            .flat_map(|(layout, numbers)| {
                layout.rows.iter().map(|row| {
                    let mut parts: Vec<usize> = row.parts.iter().map(|part| numbers[*part]).collect();
                    parts.sort_unstable();
                    Row { total: numbers[row.total], parts }
                })
            })
            .collect();
        (Self::assemble(dimensions, places, index, rows.into_iter().collect()), numbers)
    }

    /// Gives the total of the first dimension a label of its own.
    pub(super) fn name_total(&mut self, label: &str) {
        let labels = &mut self.dimensions[0].labels;
        let at = labels.partition_point(|known| known.as_str() < label);
        labels.insert(at, label.to_owned());
        let at = at as u32;
        for place in &mut self.places {
            place[0] = match place[0] {
                ALL => at,
                number if number >= at => number + 1,
                number => number,
            };
        }
        self.index = self.places.iter().cloned().zip(0..).collect();
    }

    /// How many cells, margins included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The equations.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The names of the dimensions.
    pub fn dimensions(&self) -> impl Iterator<Item = &str> {
        self.dimensions.iter().map(|dimension| dimension.name.as_str())
    }

    /// Whether `cell` is a total or a sub-total of other cells.
    pub fn is_margin(&self, cell: usize) -> bool {
        self.margin[cell]
    }

    /// The labels of `cell`; `None` is the total.
    pub fn labels(&self, cell: usize) -> Labels {
        self.dimensions
            .iter()
            .zip(&self.places[cell])
            .map(|(dimension, number)| (dimension.name.clone(), dimension.labels.get(*number as usize).cloned()))
            .collect()
    }

    /// The cell with these labels. A dimension that is not named is at its total.
    pub fn find(&self, labels: &Labels) -> Option<usize> {
        if labels.keys().any(|name| self.dimensions().all(|known| known != name)) {
            return None;
        }
        let place: Option<Vec<u32>> = self
            .dimensions
            .iter()
            .map(|dimension| match labels.get(&dimension.name) {
                Some(Some(label)) => dimension.number(label),
                _ => Some(ALL),
            })
            .collect();
        self.index.get(&place?).copied()
    }

    /// The cell at a tuple of labels in the order of the dimensions.
    pub(super) fn at(&self, labels: &[Option<String>]) -> Option<usize> {
        let place: Option<Vec<u32>> = self
            .dimensions
            .iter()
            .zip(labels)
            .map(|(dimension, label)| label.as_ref().map_or(Some(ALL), |label| dimension.number(label)))
            .collect();
        self.index.get(&place?).copied()
    }

    /// The total of `cell` over `dimension`; `None` if the cell is that total, or there is no such cell or dimension.
    pub fn total_over(&self, cell: usize, dimension: &str) -> Option<usize> {
        let at = self.dimensions.iter().position(|known| known.name == dimension)?;
        let mut place = self.places[cell].clone();
        (place[at] != ALL).then(|| place[at] = ALL)?;
        self.index.get(&place).copied()
    }

    /// The counts of all cells from those that are given: inner cells without one are zero, totals are the sums.
    pub(super) fn sum_up(&self, given: &[Option<i64>]) -> Result<Vec<i64>> {
        let mut equations: Vec<Vec<usize>> = vec![Vec::new(); self.len()];
        for (number, row) in self.rows.iter().enumerate() {
            equations[row.total].push(number);
        }
        let mut counts: Vec<Option<i64>> = given.to_vec();
        for (cell, count) in counts.iter_mut().enumerate() {
            *count = if self.margin[cell] { None } else { Some(count.unwrap_or(0)) };
        }
        // A total can wait for a sub-total, never in a circle: depth first, without recursion.
        for start in 0..self.len() {
            let mut open = vec![start];
            while let Some(&cell) = open.last() {
                if counts[cell].is_some() {
                    open.pop();
                    continue;
                }
                let parts = &self.rows[equations[cell][0]].parts;
                let waiting: Vec<usize> = parts.iter().copied().filter(|part| counts[*part].is_none()).collect();
                if waiting.is_empty() {
                    counts[cell] = Some(parts.iter().filter_map(|part| counts[*part]).fold(0, i64::saturating_add));
                    open.pop();
                } else {
                    open.extend(waiting);
                }
            }
        }
        let counts: Vec<i64> = counts.into_iter().flatten().collect();
        if counts.iter().any(|count| *count > MAX_COUNT) {
            return Err(Error::invalid("count", format!("must not be more than {MAX_COUNT}, in sums neither")));
        }
        if given.iter().zip(&counts).any(|(given, count)| given.is_some_and(|given| given != *count)) {
            return Err(Error::invalid(
                "count",
                "of a total is not the sum of its parts; leave totals out, and give missing labels a name of their own",
            ));
        }
        Ok(counts)
    }
}
