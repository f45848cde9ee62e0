//! One model of a frequency table, of linked tables and of tables that differ by a few people.
//!
//! A cell is a place: one label (or the total) of every dimension. A [`Row`] says that one cell is the sum of others.
//! Hierarchies, linked tables and cohort differences are only more rows, so everything that reads a [`Layout`]
//! solves them together. The order of cells depends on the labels alone, never on the order of the records.
//!
//! What does it not do? It knows nothing of what may be published: that is `primary` and what follows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The most cells a table may have, margins included.
pub const MAX_CELLS: usize = 200_000;

/// The largest count of a cell: sums of such counts are exact in an `f64`.
pub const MAX_COUNT: i64 = 1 << 40;

/// How many of the largest contributions to a sum are kept for the dominance rules.
pub const KEPT_CONTRIBUTIONS: usize = 5;

/// The total of a dimension, as a label number.
const ALL: u32 = u32::MAX;

/// For each dimension, the parent of each label that has one. A label without a parent is a part of the total.
pub type Hierarchies = BTreeMap<String, BTreeMap<String, String>>;

/// The labels of a cell by dimension; `None` is the total.
pub type Labels = BTreeMap<String, Option<String>>;

/// A count and where it belongs: one label per dimension, `None` for the total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// One label per dimension, in the order of the dimensions; `None` is the total.
    pub labels: Vec<Option<String>>,
    /// How many people (or events).
    pub count: i64,
}

/// What one person adds to a sum, such as the number of re-offences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// One label per dimension, in the order of the dimensions.
    pub labels: Vec<String>,
    /// The person, so that several contributions of one person count as one.
    pub person: u64,
    /// How much.
    pub amount: i64,
}

/// Who stands behind a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// How many people.
    pub people: i64,
    /// The largest contributions, largest first, at most [`KEPT_CONTRIBUTIONS`].
    pub largest: Vec<i64>,
}

/// One equation of the table: `total` is the sum of `parts` (numbers of cells).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// The cell that is the sum.
    pub total: usize,
    /// The cells that add up to it.
    pub parts: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Dimension {
    name: String,
    /// Sorted.
    labels: Vec<String>,
}

impl Dimension {
    fn number(&self, label: &str) -> Option<u32> {
        self.labels.binary_search_by(|known| known.as_str().cmp(label)).ok().map(|at| at as u32)
    }
}

/// The cells of one or several tables and the sums between them, without their counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    dimensions: Vec<Dimension>,
    places: Vec<Vec<u32>>,
    index: BTreeMap<Vec<u32>, usize>,
    rows: Vec<Row>,
    margin: Vec<bool>,
}

/// A layout with its counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    layout: Layout,
    counts: Vec<i64>,
    shares: Vec<Option<Shares>>,
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
    fn link(layouts: &[&Self]) -> (Self, Vec<Vec<usize>>) {
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
}

impl Table {
    /// A table of the product of all labels that occur. Records of the same labels are added up, cells without a record
    /// are zero, and margins are computed; where they are given, they must agree.
    ///
    /// ```
    /// use jdl_core::disclosure::{Hierarchies, Record, Table};
    /// let record = |sex: &str, count| Record { labels: vec![Some(sex.to_owned())], count };
    /// let table = Table::from_records(&["sex"], &Hierarchies::new(), &[record("F", 3), record("M", 40)])?;
    /// assert_eq!(table.counts(), [3, 40, 43]);
    /// # Ok::<(), jdl_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a negative or too large count, a given margin that is not the sum of its parts, and
    /// what [`Layout::product`] refuses.
    pub fn from_records(dimensions: &[&str], hierarchies: &Hierarchies, records: &[Record]) -> Result<Self> {
        let layout = Layout::product(dimensions, hierarchies, records.iter().map(|record| record.labels.as_slice()))?;
        let mut given: Vec<Option<i64>> = vec![None; layout.len()];
        for record in records {
            if record.count < 0 {
                return Err(Error::invalid("count", "must not be negative"));
            }
            let cell = layout.at(&record.labels).ok_or_else(|| Error::Bug("a record has no cell".to_owned()))?;
            given[cell] = Some(given[cell].unwrap_or(0).saturating_add(record.count));
        }
        let counts = layout.sum_up(&given)?;
        let shares = vec![None; counts.len()];
        Ok(Self { layout, counts, shares })
    }

    /// A table of sums, which remembers for each cell how many people stand behind it and the largest contributions.
    ///
    /// # Errors
    /// As [`Table::from_records`].
    pub fn from_contributions(
        dimensions: &[&str],
        hierarchies: &Hierarchies,
        contributions: &[Contribution],
    ) -> Result<Self> {
        let records: Vec<Record> = contributions
            .iter()
            .map(|c| Record { labels: c.labels.iter().cloned().map(Some).collect(), count: c.amount })
            .collect();
        let mut table = Self::from_records(dimensions, hierarchies, &records)?;
        let layout = &table.layout;
        let mut parents: Vec<Vec<usize>> = vec![Vec::new(); layout.len()];
        for row in &layout.rows {
            for part in &row.parts {
                parents[*part].push(row.total);
            }
        }
        let mut amounts: Vec<BTreeMap<u64, i64>> = vec![BTreeMap::new(); layout.len()];
        for (record, contribution) in records.iter().zip(contributions) {
            let cell = layout.at(&record.labels).ok_or_else(|| Error::Bug("a record has no cell".to_owned()))?;
            let mut reached = BTreeSet::from([cell]);
            let mut open = vec![cell];
            while let Some(cell) = open.pop() {
                open.extend(parents[cell].iter().copied().filter(|parent| reached.insert(*parent)));
            }
            for cell in reached {
                *amounts[cell].entry(contribution.person).or_insert(0) += contribution.amount;
            }
        }
        table.shares = amounts
            .into_iter()
            .map(|amounts| {
                let mut largest: Vec<i64> = amounts.into_values().collect();
                let people = largest.len() as i64;
                largest.sort_unstable_by(|a, b| b.cmp(a));
                largest.truncate(KEPT_CONTRIBUTIONS);
                Some(Shares { people, largest })
            })
            .collect();
        Ok(table)
    }

    /// Puts the whole table under one label of one more dimension: the people of the table are that part of a larger
    /// whole (or a population of their own).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the table has the dimension already.
    pub fn within(mut self, dimension: &str, label: &str) -> Result<Self> {
        let layout = &mut self.layout;
        if dimension.is_empty() || layout.dimensions().any(|known| known == dimension) {
            return Err(Error::invalid("dimensions", "need at least one, each with a name of its own"));
        }
        layout.dimensions.push(Dimension { name: dimension.to_owned(), labels: vec![label.to_owned()] });
        for place in &mut layout.places {
            place.push(0);
        }
        layout.index = layout.places.iter().cloned().zip(0..).collect();
        Ok(self)
    }

    /// Several tables as one model. Cells with the same labels are one cell; a dimension that a table does not have is at
    /// its total there.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if two tables give different counts for the same cell, or no table is given.
    pub fn link(tables: &[Self]) -> Result<Self> {
        if tables.is_empty() {
            return Err(Error::invalid("tables", "need at least one"));
        }
        let (layout, numbers) = Layout::link(&tables.iter().map(|table| &table.layout).collect::<Vec<_>>());
        let mut counts: Vec<Option<i64>> = vec![None; layout.len()];
        let mut shares: Vec<Option<Shares>> = vec![None; layout.len()];
        for (table, numbers) in tables.iter().zip(&numbers) {
            for ((cell, count), share) in numbers.iter().zip(&table.counts).zip(&table.shares) {
                if counts[*cell].replace(*count).is_some_and(|other| other != *count) {
                    return Err(Error::invalid("tables", "give different counts for the same cell"));
                }
                if share.is_some() {
                    shares[*cell].clone_from(share);
                }
            }
        }
        let counts = counts.into_iter().map(|count| count.unwrap_or(0)).collect();
        Ok(Self { layout, counts, shares })
    }

    /// The cells and the sums between them.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The true count of every cell.
    pub fn counts(&self) -> &[i64] {
        &self.counts
    }

    /// Who stands behind a cell of a table of sums.
    pub fn shares(&self, cell: usize) -> Option<&Shares> {
        self.shares[cell].as_ref()
    }
}

impl Layout {
    /// The counts of all cells from those that are given: inner cells without one are zero, totals are the sums.
    fn sum_up(&self, given: &[Option<i64>]) -> Result<Vec<i64>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(labels: &[&str], count: i64) -> Record {
        let labels = labels.iter().map(|label| (*label != "*").then(|| (*label).to_owned())).collect();
        Record { labels, count }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, label)| ((*name).to_owned(), Some((*label).to_owned()))).collect()
    }

    #[test]
    fn margins_are_computed_and_duplicates_added_up() {
        let records = [record(&["b", "y"], 1), record(&["a", "x"], 2), record(&["b", "y"], 3)];
        let table = Table::from_records(&["one", "two"], &Hierarchies::new(), &records).unwrap();
        // Order: (a x) (a y) (a *) (b x) (b y) (b *) (* x) (* y) (* *).
        assert_eq!(table.counts(), [2, 0, 2, 0, 4, 4, 2, 4, 6]);
        for row in table.layout().rows() {
            assert_eq!(table.counts()[row.total], row.parts.iter().map(|p| table.counts()[*p]).sum::<i64>());
        }
        let mut shuffled = records.clone();
        shuffled.reverse();
        assert_eq!(table, Table::from_records(&["one", "two"], &Hierarchies::new(), &shuffled).unwrap());
        assert_eq!(table.layout().find(&labels(&[("two", "y")])), Some(7));
        assert_eq!(table.layout().find(&labels(&[("two", "z")])), None);
        assert_eq!(table.layout().find(&labels(&[("three", "z")])), None);
        assert!(table.layout().is_margin(8) && !table.layout().is_margin(4));
        assert_eq!(table.layout().total_over(4, "two"), Some(5));
        assert_eq!(table.layout().total_over(5, "two"), None);
    }

    #[test]
    fn given_margins_must_agree() {
        let good = [record(&["a"], 2), record(&["b"], 3), record(&["*"], 5)];
        assert!(Table::from_records(&["one"], &Hierarchies::new(), &good).is_ok());
        let bad = [record(&["a"], 2), record(&["b"], 3), record(&["*"], 6)];
        assert!(Table::from_records(&["one"], &Hierarchies::new(), &bad).is_err());
    }

    #[test]
    fn bad_input_is_refused_without_its_values() {
        let cases: [(&[&str], Vec<Record>); 5] = [
            (&["one"], vec![record(&["a"], -1)]),
            (&["one"], vec![record(&["a", "b"], 1)]),
            (&["one", "one"], vec![record(&["a", "b"], 1)]),
            (&[], vec![]),
            (&["one"], vec![record(&["a"], i64::MAX), record(&["a"], i64::MAX)]),
        ];
        for (dimensions, records) in cases {
            let error = Table::from_records(dimensions, &Hierarchies::new(), &records).unwrap_err().to_string();
            assert!(!error.contains("-1") && !error.contains('a') || error.contains("need") || error.contains("must"));
        }
        let many: Vec<Record> = (0..600).map(|i| record(&[&i.to_string(), &i.to_string()], 1)).collect();
        assert!(Table::from_records(&["one", "two"], &Hierarchies::new(), &many).is_err());
    }

    #[test]
    fn a_hierarchy_adds_sub_totals() {
        let parents = [("Leeds", "North"), ("Durham", "North"), ("North", "England"), ("Kent", "England")];
        let hierarchies = Hierarchies::from([(
            "prison".to_owned(),
            parents.iter().map(|(c, p)| ((*c).to_owned(), (*p).to_owned())).collect(),
        )]);
        let records = [record(&["Leeds"], 4), record(&["Durham"], 6), record(&["Kent"], 5), record(&["North"], 10)];
        let table = Table::from_records(&["prison"], &hierarchies, &records).unwrap();
        let count = |label| table.counts()[table.layout().find(&labels(&[("prison", label)])).unwrap()];
        assert_eq!((count("North"), count("England"), count("Kent")), (10, 15, 5));
        assert_eq!(table.layout().rows().len(), 3);
        let circle = Hierarchies::from([(
            "prison".to_owned(),
            BTreeMap::from([("a".to_owned(), "b".to_owned()), ("b".to_owned(), "a".to_owned())]),
        )]);
        assert!(Table::from_records(&["prison"], &circle, &[record(&["a"], 1)]).is_err());
        assert!(Table::from_records(&["gaol"], &hierarchies, &[record(&["a"], 1)]).is_err());
    }

    #[test]
    fn linked_tables_share_their_margins() {
        let one = [record(&["F", "yes"], 3), record(&["F", "no"], 22), record(&["M", "yes"], 30)];
        let two = [record(&["North", "yes"], 33), record(&["South", "no"], 22)];
        let one = Table::from_records(&["sex", "outcome"], &Hierarchies::new(), &one).unwrap();
        let two = Table::from_records(&["region", "outcome"], &Hierarchies::new(), &two).unwrap();
        let linked = Table::link(&[one.clone(), two.clone()]).unwrap();
        // 9 + 9 cells, of which the outcome margins (yes, no, total) are shared.
        assert_eq!(linked.layout().len(), 15);
        assert_eq!(linked.counts()[linked.layout().find(&labels(&[("outcome", "yes")])).unwrap()], 33);
        let other = Table::from_records(&["outcome"], &Hierarchies::new(), &[record(&["yes"], 1)]).unwrap();
        assert!(Table::link(&[one, other.clone()]).is_err());
        let apart = Table::link(&[two, other.within("cohort", "B").unwrap()]).unwrap();
        assert_eq!(apart.layout().len(), 11);
    }

    #[test]
    fn shares_count_a_person_once() {
        let c = |label: &str, person, amount| Contribution { labels: vec![label.to_owned()], person, amount };
        let contributions = [c("a", 1, 2), c("a", 1, 3), c("a", 2, 1), c("b", 1, 7)];
        let table = Table::from_contributions(&["one"], &Hierarchies::new(), &contributions).unwrap();
        assert_eq!(table.shares(0), Some(&Shares { people: 2, largest: vec![5, 1] }));
        assert_eq!(table.shares(2), Some(&Shares { people: 2, largest: vec![12, 1] }));
        assert_eq!(table.counts(), [6, 7, 13]);
    }
}
