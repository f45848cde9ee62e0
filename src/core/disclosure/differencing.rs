//! Whether a new release is about the same people as earlier ones but for a few, told from sketches that outlive the
//! people's rows.
//!
//! Every person has 64 signs, drawn from HMAC-SHA256 under a key that only the lab has. The sketch of a cohort is the sum of its
//! people's signs, 64 small numbers. The difference of two sketches is the sum over the people in one cohort but not in
//! both, so its mean square estimates how many they are, with a relative standard error of sqrt(2 / 64), whatever the
//! size of the cohorts (the sketch of Alon, Matias and Szegedy 1999, "The space complexity of approximating the
//! frequency moments", section 2.2). A - B - C finds a cohort that is two others put together.
//!
//! A sketch is personal data as long as its key lives: keep both where nobody reads them, and tell nobody more than the
//! coarse answer of [`compare`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::disclosure::keyed::Key;
use crate::error::{Error, Result};

/// How many numbers a sketch has.
const WIDTH: usize = 64;

/// The smallest cohort that gets a sketch: that of a smaller one would say too much about each of its people.
pub const SMALLEST: usize = 30;

/// 64 numbers that stand for a cohort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// Which key it was made with. Sketches of different keys cannot be compared.
    pub key_id: i64,
    /// The sums of signs.
    pub sums: Vec<i32>,
}

/// About how many people make the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// At most about 5.
    UpTo5,
    /// At most about 15.
    UpTo15,
    /// At most about 30. Not a reason to stop.
    UpTo30,
    /// More.
    More,
}

/// How the new cohort relates to earlier ones, given by their place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It is nearly this one.
    Same(usize),
    /// It is nearly these two put together.
    UnionOf(usize, usize),
    /// The first is nearly the new one and the second put together.
    PartOf(usize, usize),
}

/// A relation to earlier releases by which a few people could be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// About how many people.
    pub bucket: Bucket,
    /// To which releases.
    pub relation: Relation,
}

/// What comparing a new cohort with earlier ones gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The relations that stop the release until somebody decides, the closest first.
    pub findings: Vec<Finding>,
    /// How many earlier sketches were made with another key and could not be compared.
    pub not_comparable: usize,
}

impl Sketch {
    /// The sketch of a cohort. A person given twice counts once.
    ///
    /// # Errors
    /// [`Error::TooFew`] below 30 people.
    pub fn new(key: &Key, people: impl IntoIterator<Item = i64>) -> Result<Self> {
        let people: BTreeSet<i64> = people.into_iter().collect();
        if people.len() < SMALLEST || i32::try_from(people.len()).is_err() {
            return Err(Error::too_few("people for a sketch", people.len(), SMALLEST));
        }
        let mut sums = vec![0; WIDTH];
        for person in people {
            let signs = key.hash("jdl sketch 1", &person.to_le_bytes());
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum += if signs[j / 8] >> (j % 8) & 1 == 1 { 1 } else { -1 };
            }
        }
        Ok(Self { key_id: key.id, sums })
    }
}

impl Bucket {
    /// Whether a release must wait for a decision.
    pub fn is_flag(self) -> bool {
        self <= Self::UpTo15
    }

    /// The bucket of the people in which `one` differs from the sum of `others`.
    fn of(one: &Sketch, others: &[&Sketch]) -> Self {
        let square = |j: usize| {
            let difference = i64::from(one.sums[j]) - others.iter().map(|other| i64::from(other.sums[j])).sum::<i64>();
            difference * difference
        };
        let squares: i64 = (0..WIDTH).map(square).sum();
        // The estimate is squares / WIDTH.
        match squares {
            s if s <= 5 * WIDTH as i64 => Self::UpTo5,
            s if s <= 15 * WIDTH as i64 => Self::UpTo15,
            s if s <= 30 * WIDTH as i64 => Self::UpTo30,
            _ => Self::More,
        }
    }
}

/// Compares a new cohort with every earlier one, alone and in pairs.
///
/// # Errors
/// [`Error::InvalidInput`] if a sketch does not have 64 numbers.
pub fn compare(new: &Sketch, earlier: &[Sketch]) -> Result<Comparison> {
    if earlier.iter().chain([new]).any(|sketch| sketch.sums.len() != WIDTH) {
        return Err(Error::invalid("sketch", format!("must have {WIDTH} numbers")));
    }
    let known: Vec<usize> = (0..earlier.len()).filter(|e| earlier[*e].key_id == new.key_id).collect();
    let mut findings = Vec::new();
    for (at, &a) in known.iter().enumerate() {
        findings.push(Finding { bucket: Bucket::of(new, &[&earlier[a]]), relation: Relation::Same(a) });
        for &b in &known[at + 1..] {
            let union = Bucket::of(new, &[&earlier[a], &earlier[b]]);
            findings.push(Finding { bucket: union, relation: Relation::UnionOf(a, b) });
            for (whole, part) in [(a, b), (b, a)] {
                let bucket = Bucket::of(&earlier[whole], &[new, &earlier[part]]);
                findings.push(Finding { bucket, relation: Relation::PartOf(whole, part) });
            }
        }
    }
    findings.retain(|finding| finding.bucket.is_flag());
    findings.sort();
    Ok(Comparison { findings, not_comparable: earlier.len() - known.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: i64) -> Key {
        Key::new(id, [id as u8; 32])
    }

    fn sketch(people: impl IntoIterator<Item = i64>) -> Sketch {
        Sketch::new(&key(1), people).unwrap()
    }

    #[test]
    fn one_person_less_is_found_exactly() {
        let comparison = compare(&sketch(1..72), &[sketch(1..73), sketch(1000..1072)]).unwrap();
        assert_eq!(comparison.findings, [Finding { bucket: Bucket::UpTo5, relation: Relation::Same(0) }]);
    }

    #[test]
    fn a_union_and_a_part_are_found() {
        let comparison = compare(&sketch(0..100), &[sketch(0..40), sketch(41..100)]).unwrap();
        assert_eq!(comparison.findings, [Finding { bucket: Bucket::UpTo5, relation: Relation::UnionOf(0, 1) }]);
        let comparison = compare(&sketch(41..100), &[sketch(0..40), sketch(0..100)]).unwrap();
        assert_eq!(comparison.findings, [Finding { bucket: Bucket::UpTo5, relation: Relation::PartOf(1, 0) }]);
    }

    #[test]
    fn order_and_repetition_do_not_matter_but_the_key_does() {
        assert_eq!(sketch((0..50).rev().chain(0..50)), sketch(0..50));
        let other = Sketch::new(&key(2), 0..50).unwrap();
        assert_ne!(other.sums, sketch(0..50).sums);
        let comparison = compare(&sketch(0..50), &[other]).unwrap();
        assert_eq!(comparison, Comparison { findings: vec![], not_comparable: 1 });
    }

    #[test]
    fn small_cohorts_are_refused() {
        assert!(matches!(Sketch::new(&key(1), 0..29), Err(Error::TooFew { have: 29, need: 30, .. })));
        let bad = Sketch { key_id: 1, sums: vec![0; 3] };
        assert!(compare(&sketch(0..50), &[bad]).is_err());
    }
}
