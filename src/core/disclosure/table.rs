//! One model of a frequency table, of linked tables and of tables that differ by a few people.
//!
//! Hierarchies, linked tables and cohort differences are only more rows of the [`Layout`], so everything that reads it
//! solves them together. Nothing depends on the order of the records.
//!
//! What does it not do? It knows nothing of what may be published: that is `primary` and what follows.

use std::collections::{BTreeMap, BTreeSet};

use crate::disclosure::layout::{Dimension, Hierarchies, Layout};
use crate::error::{Error, Result};

/// The largest count of a cell: sums of such counts are exact in an `f64`.
pub const MAX_COUNT: i64 = 1 << 40;

/// How many of the largest contributions to a sum are kept for the dominance rules.
pub const KEPT_CONTRIBUTIONS: usize = 5;

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

/// A layout with its counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    layout: Layout,
    counts: Vec<i64>,
    shares: Vec<Option<Shares>>,
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

    /// One sum: the people of the label `whole` are those of the labels `parts` of the same dimension. Sums may overlap and
    /// build on one another, which a hierarchy may not.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if a part has the name of the whole or of another, and as [`Table::from_records`].
    pub fn sum(dimension: &str, whole: &str, parts: &[(String, i64)]) -> Result<Self> {
        let names: BTreeSet<&str> = parts.iter().map(|(name, _)| name.as_str()).chain([whole]).collect();
        if names.len() <= parts.len() {
            return Err(Error::invalid("labels", "of a sum need a name of their own each"));
        }
        let records: Vec<Record> =
            parts.iter().map(|(name, count)| Record { labels: vec![Some(name.clone())], count: *count }).collect();
        let mut table = Self::from_records(&[dimension], &Hierarchies::new(), &records)?;
        table.layout.name_total(whole);
        Ok(table)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::layout::Labels;

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
    fn sums_of_one_dimension_overlap() {
        let part = |name: &str, count| (name.to_owned(), count);
        let linked = Table::link(&[
            Table::sum("who", "sent", &[part("found", 30), part("suspect", 4), part("lost", 6)]).unwrap(),
            Table::sum("who", "not found", &[part("suspect", 4), part("lost", 6)]).unwrap(),
        ])
        .unwrap();
        let count = |label| linked.counts()[linked.layout().find(&labels(&[("who", label)])).unwrap()];
        assert_eq!((count("sent"), count("not found"), linked.layout().len()), (40, 10, 5));
        assert!(Table::sum("who", "sent", &[part("sent", 1)]).is_err());
        assert!(Table::sum("who", "sent", &[part("a", 1), part("a", 1)]).is_err());
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
