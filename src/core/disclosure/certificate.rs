//! The proof that a release protects what it must, checked by integer addition alone.
//!
//! For each sensitive cell the certificate holds two whole-number tables that agree with all that is published and
//! differ in that cell (for the target `reach`, one of them at or above the threshold). The checks here use no solver
//! and no floating point, and read the sums from the layout, not from the search.
//!
//! The first table is the true one: a certificate is as secret as the table itself, and is destroyed with it. A bare
//! hash of it would confirm a guess, so what is kept is a keyed hash of [`Certificate::canonical_bytes`].

use crate::disclosure::audit::{Known, View};
use crate::disclosure::primary::Need;
use crate::error::{Error, Result};

/// Tables that nobody outside can tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The first table: a count for each cell.
    base: Vec<i64>,
    /// The other tables, each as the cells in which it differs from the first, in the order of their numbers.
    others: Vec<Vec<(usize, i64)>>,
    /// For each sensitive cell the number of the other table that differs in it.
    claims: Vec<Claim>,
}

/// One sensitive cell and the table that stands against the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The number of the cell.
    pub cell: usize,
    /// The number of the other table.
    pub other: usize,
}

impl Certificate {
    /// Puts a certificate together; [`Certificate::verify`] says whether it proves anything.
    pub fn new(base: Vec<i64>, others: Vec<Vec<(usize, i64)>>, claims: Vec<Claim>) -> Self {
        Self { base, others, claims }
    }

    /// Checks everything: each table agrees with what is published and with every sum, no hidden cell is below its
    /// floor, and each need is met by a pair of tables.
    ///
    /// # Errors
    /// [`Error::Bug`] with the first rule that does not hold. Nothing may be released then.
    pub fn verify(&self, view: &View, needs: &[Need]) -> Result<()> {
        let broken = |rule: &str| Err(Error::Bug(format!("the certificate does not hold: {rule}")));
        let cells = view.layout.len();
        if self.base.len() != cells || view.known.len() != cells {
            return broken("it is about another table");
        }
        let mut tables = Vec::with_capacity(self.others.len() + 1);
        tables.push(self.base.clone());
        for other in &self.others {
            let mut table = self.base.clone();
            for (cell, count) in other {
                match table.get_mut(*cell) {
                    Some(place) => *place = *count,
                    None => return broken("a table has a cell that does not exist"),
                }
            }
            tables.push(table);
        }
        for table in &tables {
            if table.iter().zip(view.known).any(|(count, known)| !known.allows(*count)) {
                return broken("a table contradicts what is published");
            }
            for row in view.layout.rows() {
                if row.parts.iter().map(|part| table[*part]).sum::<i64>() != table[row.total] {
                    return broken("a sum is not the sum of its parts");
                }
            }
        }
        for need in needs {
            if !matches!(view.known[need.cell], Known::Hidden { .. }) {
                return broken("a sensitive cell is published");
            }
            let met = self.claims.iter().filter(|claim| claim.cell == need.cell).any(|claim| {
                let pair = (self.base[need.cell], tables.get(claim.other + 1).map(|table| table[need.cell]));
                match (pair, need.at_least) {
                    ((one, Some(other)), None) => one != other,
                    ((one, Some(other)), Some(at_least)) => one != other && one.max(other) >= at_least,
                    _ => false,
                }
            });
            if !met {
                return broken("a sensitive cell has no pair of tables");
            }
        }
        Ok(())
    }

    /// How many tables it holds, and how many cells they stand for.
    pub fn size(&self) -> (usize, usize) {
        (self.others.len() + 1, self.claims.len())
    }

    /// The same bytes for the same certificate on every machine, for hashing with a key.
    ///
    /// `jdl certificate 1`, a line feed, then 64-bit little-endian numbers: how many counts, the counts; how many other
    /// tables, for each how many cells differ, then number and count of each; how many claims, then cell and table of each.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = b"jdl certificate 1\n".to_vec();
        let mut put = |number: i64| bytes.extend_from_slice(&number.to_le_bytes());
        put(self.base.len() as i64);
        self.base.iter().for_each(|count| put(*count));
        put(self.others.len() as i64);
        for other in &self.others {
            put(other.len() as i64);
            for (cell, count) in other {
                put(*cell as i64);
                put(*count);
            }
        }
        put(self.claims.len() as i64);
        for claim in &self.claims {
            put(claim.cell as i64);
            put(claim.other as i64);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::primary::Reason;
    use crate::disclosure::table::{Hierarchies, Record, Table};

    /// 3 and 40 with total 43: hiding 3 and the total leaves 3 open upwards.
    fn table() -> Table {
        let record = |label: &str, count| Record { labels: vec![Some(label.to_owned())], count };
        Table::from_records(&["one"], &Hierarchies::new(), &[record("a", 3), record("b", 40)]).unwrap()
    }

    fn check(certificate: &Certificate, published: &[Option<i64>]) -> Result<()> {
        let table = table();
        let known: Vec<Known> = published
            .iter()
            .map(|value| value.map_or(Known::Hidden { at_least: 1, at_most: None }, Known::Exactly))
            .collect();
        let view = View { layout: table.layout(), known: &known };
        certificate.verify(&view, &[Need { cell: 0, reason: Reason::SmallCount, at_least: Some(10) }])
    }

    #[test]
    fn a_true_certificate_holds_and_each_lie_is_found() {
        let claim = vec![Claim { cell: 0, other: 0 }];
        let hidden = [None, Some(40), None];
        let good = Certificate::new(vec![3, 40, 43], vec![vec![(0, 10), (2, 50)]], claim.clone());
        check(&good, &hidden).unwrap();
        let says = |certificate: &Certificate, published: &[Option<i64>]| {
            check(certificate, published).unwrap_err().to_string()
        };
        assert!(says(&good, &[None, Some(40), Some(43)]).contains("contradicts"));
        assert!(says(&good, &[Some(3), Some(40), None]).contains("contradicts"));
        let low = Certificate::new(vec![3, 40, 43], vec![vec![(0, 9), (2, 49)]], claim.clone());
        assert!(says(&low, &hidden).contains("no pair"));
        let sum = Certificate::new(vec![3, 40, 43], vec![vec![(0, 10), (2, 51)]], claim.clone());
        assert!(says(&sum, &hidden).contains("sum"));
        let floor = Certificate::new(vec![3, 40, 43], vec![vec![(0, 0), (2, 40)]], claim.clone());
        assert!(says(&floor, &hidden).contains("contradicts"));
        let none = Certificate::new(vec![3, 40, 43], vec![], claim);
        assert!(says(&none, &hidden).contains("no pair"));
        let stray = Certificate::new(vec![3, 40, 43], vec![vec![(7, 1)]], vec![]);
        assert!(says(&stray, &hidden).contains("does not exist"));
        assert!(says(&Certificate::new(vec![], vec![], vec![]), &hidden).contains("another table"));
    }

    #[test]
    fn the_bytes_are_the_same_everywhere() {
        let certificate = Certificate::new(vec![3], vec![vec![(0, 10)]], vec![Claim { cell: 0, other: 0 }]);
        let bytes = certificate.canonical_bytes();
        assert_eq!(bytes.len(), 18 + 8 * 9);
        assert_eq!(&bytes[..26], b"jdl certificate 1\n\x01\0\0\0\0\0\0\0");
        assert_eq!(bytes[26], 3);
    }
}
