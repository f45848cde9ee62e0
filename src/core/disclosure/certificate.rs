//! The proof that a release protects what it must, checked by integer addition alone.
//!
//! For each sensitive cell the certificate holds two whole-number tables that agree with all that is published and
//! differ in that cell (for the target `reach`, one of them at or above the threshold). The checks here use no solver
//! and no floating point, and read the sums from the layout, not from the search.
//!
//! The first table is the true one: a certificate is as secret as the table itself, and is destroyed with it. A bare
//! hash of it would confirm a guess, so what outlives it is a keyed hash of [`Proof::to_bytes`].

use serde::{Deserialize, Serialize};

use crate::disclosure::Protected;
use crate::disclosure::audit::Known;
use crate::disclosure::layout::Row;
use crate::disclosure::policy::Policy;
use crate::disclosure::primary::Need;
use crate::disclosure::table::Table;
use crate::error::{Error, Result};

/// Tables that nobody outside can tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The first table: a count for each cell.
    base: Vec<i64>,
    /// The other tables, each as the cells in which it differs from the first, in the order of their numbers.
    others: Vec<Vec<(usize, i64)>>,
    /// For each sensitive cell the number of the other table that differs in it.
    claims: Vec<Claim>,
}

/// One sensitive cell and the table that stands against the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Checks everything against the sums and what is known of each cell: each table agrees with what is published and with every sum, no hidden cell is below its
    /// floor, and each need is met by a pair of tables.
    ///
    /// # Errors
    /// [`Error::Bug`] with the first rule that does not hold. Nothing may be released then.
    pub fn verify(&self, rows: &[Row], known: &[Known], needs: &[Need]) -> Result<()> {
        let broken = |rule: &str| Err(Error::Bug(format!("the certificate does not hold: {rule}")));
        let cells = known.len();
        if self.base.len() != cells
            || needs.iter().any(|need| need.cell >= cells)
            || rows.iter().any(|row| row.total >= cells || row.parts.iter().any(|part| *part >= cells))
        {
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
            if table.iter().zip(known).any(|(count, known)| !known.allows(*count)) {
                return broken("a table contradicts what is published");
            }
            for row in rows {
                if row.parts.iter().map(|part| table[*part]).sum::<i64>() != table[row.total] {
                    return broken("a sum is not the sum of its parts");
                }
            }
        }
        for need in needs {
            if !matches!(known[need.cell], Known::Hidden { .. }) {
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
}

/// A release that can be checked without the search that found it: the sums, what is known of each cell, what must stay
/// unknown, and the certificate. As secret as the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    rows: Vec<Row>,
    known: Vec<Known>,
    needs: Vec<Need>,
    certificate: Certificate,
}

/// The first bytes of a stored proof: what it is and of which layout.
const MARK: &[u8] = b"jdl proof 1\n";

impl Proof {
    /// The proof of a protected table.
    ///
    /// # Errors
    /// As [`Policy::known`].
    pub fn new(table: &Table, policy: &Policy, protected: &Protected) -> Result<Self> {
        Ok(Self {
            rows: table.layout().rows().to_vec(),
            known: policy.known(table, &protected.values)?,
            needs: protected.needs.clone(),
            certificate: protected.certificate.clone(),
        })
    }

    /// Checks the certificate, and that it is about `published`: the number of each cell, `None` where it is hidden.
    ///
    /// # Errors
    /// [`Error::Bug`] with the first rule that does not hold. Nothing may be released then.
    pub fn check(&self, published: &[Option<i64>]) -> Result<()> {
        let seen = |known: &Known| match known {
            Known::Exactly(count) => Some(*count),
            Known::Between(..) | Known::Hidden { .. } => None,
        };
        let same = self.known.len() == published.len()
            && self.known.iter().zip(published).all(|(known, published)| match known {
                Known::Between(low, high) => published.is_some_and(|number| (*low..=*high).contains(&number)),
                known => seen(known) == *published,
            });
        if !same {
            return Err(Error::Bug(
                "the certificate does not hold: it is about other numbers than are published".into(),
            ));
        }
        self.certificate.verify(&self.rows, &self.known, &self.needs)
    }

    /// How many tables it holds, and for how many cells they stand.
    pub fn size(&self) -> (usize, usize) {
        (self.certificate.others.len() + 1, self.needs.len())
    }

    /// The same bytes for the same proof on every machine (postcard).
    ///
    /// # Errors
    /// [`Error::Bug`] if it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let body =
            postcard::to_allocvec(self).map_err(|error| Error::Bug(format!("a proof cannot be stored: {error}")))?;
        Ok([MARK, &body].concat())
    }

    /// The proof that was stored.
    ///
    /// # Errors
    /// [`Error::Bug`] if the bytes are not those of a proof.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let read = bytes.strip_prefix(MARK).and_then(|body| postcard::from_bytes(body).ok());
        read.ok_or_else(|| Error::Bug("the stored certificate cannot be read".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::layout::Hierarchies;
    use crate::disclosure::primary::Reason;
    use crate::disclosure::table::{Record, Table};

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
        certificate.verify(
            table.layout().rows(),
            &known,
            &[Need { cell: 0, reason: Reason::SmallCount, at_least: Some(10) }],
        )
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
    fn a_stored_proof_is_checked_against_what_is_published() {
        let table = table();
        let policy = Policy::default();
        let safe = crate::disclosure::protect(&table, &policy, &[], &|| {}, &|| false).unwrap();
        let proof = Proof::new(&table, &policy, &safe).unwrap();
        let bytes = proof.to_bytes().unwrap();
        let stored = Proof::from_bytes(&bytes).unwrap();
        assert_eq!(stored, proof);
        stored.check(&safe.values).unwrap();
        assert_eq!(stored.size().1, 1);
        let mut other = safe.values.clone();
        for cell in 0..other.len() {
            other[cell] = match safe.values[cell] {
                Some(count) => Some(count + 1),
                None => Some(3),
            };
            assert!(stored.check(&other).unwrap_err().to_string().contains("other numbers"));
            other[cell] = safe.values[cell];
        }
        assert!(stored.check(&[]).is_err());
        assert!(Proof::from_bytes(&bytes[1..]).is_err() && Proof::from_bytes(b"").is_err());
        let mut broken = bytes;
        let last = broken.len() - 1;
        broken.truncate(last);
        assert!(Proof::from_bytes(&broken).is_err());
    }
}
