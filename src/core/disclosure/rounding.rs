//! Rounding to base 5: to the nearest, at random by a sticky key, or controlled so that published sums add up; and rates
//! of rounded counts.
//!
//! Random rounding goes up with probability remainder / 5, so it is unbiased (Hundepool et al. 2012, section 5.4.2). The
//! draw comes from a key that belongs to the cell, never from fresh randomness: asking again gives the same answer, so
//! there is nothing to average. Controlled rounding takes one of the two neighbouring multiples so that every sum holds
//! (Cox 1987, "A constructive procedure for unbiased controlled rounding", JASA 82).

use std::collections::BTreeSet;

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOptions, SolveOutcome, Variable};

use crate::disclosure::keyed::Key;
use crate::disclosure::policy::Rounding;
use crate::disclosure::table::Table;
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// The base.
pub const BASE: i64 = 5;

/// How many branch-and-bound nodes a controlled rounding may take.
const NODES: u64 = 2_000;

/// The nearest multiple of 5.
///
/// ```
/// use jdl_core::disclosure::round_to_base;
/// assert_eq!([12, 13, 10, 0].map(round_to_base), [10, 15, 10, 0]);
/// ```
pub fn round_to_base(count: i64) -> i64 {
    (count + BASE / 2).div_euclid(BASE) * BASE
}

/// A neighbouring multiple of 5, up with probability remainder / 5 over all `key`s, always the same for one.
pub fn round_by_key(count: i64, key: u64) -> i64 {
    let up = (key % BASE.unsigned_abs()) < count.rem_euclid(BASE).unsigned_abs();
    (count.div_euclid(BASE) + i64::from(up)) * BASE
}

/// The key of a set of people: the sum (wrapping) of their record keys. The keys of its cells follow from the whole set, not from the
/// people of the cell: a cell whose people stay the same while the set loses one is drawn anew all the same. Were it not, a
/// number that has not changed would say that whoever is missing was not in it.
/// (Thompson, Broadfoot and Elazar 2013, "Methodology for the automatic confidentialisation of statistical outputs".)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortKey {
    key: Key,
    sum: u64,
}

impl CohortKey {
    /// The key of the people, each counted once.
    pub fn new(key: &Key, people: impl IntoIterator<Item = i64>) -> Self {
        let people: BTreeSet<i64> = people.into_iter().collect();
        let sum = people.iter().map(|person| key.number("jdl person 1", &person.to_le_bytes()));
        Self { key: key.clone(), sum: sum.fold(0, u64::wrapping_add) }
    }

    /// The key of a cell.
    pub fn cell(&self, name: &str) -> u64 {
        self.key.number("jdl cohort cell 1", &[&self.sum.to_le_bytes(), name.as_bytes()].concat())
    }
}

/// Keys of the cells of a table whose people are not known: from the labels and the count. The same cell of the same
/// table always gets the same rounding; a cell under another name does not, so where the people are known
/// take [`CohortKey`].
pub fn cell_keys(key: &Key, table: &Table) -> Vec<u64> {
    table
        .counts()
        .iter()
        .enumerate()
        .map(|(cell, count)| {
            let mut text = count.to_le_bytes().to_vec();
            for (name, label) in table.layout().labels(cell) {
                for part in [Some(name), label] {
                    let part = part.as_deref();
                    text.extend_from_slice(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
                    text.extend_from_slice(part.unwrap_or("").as_bytes());
                }
            }
            key.number("jdl cell 1", &text)
        })
        .collect()
}

/// The rounded count of every cell. `heartbeat` is called between the nodes of a controlled rounding.
///
/// # Errors
/// [`Error::InvalidInput`] if random rounding has no key for each cell; [`Error::NotConverged`] if no controlled rounding
/// was found.
pub fn round_table(table: &Table, rounding: Rounding, keys: &[u64], heartbeat: Heartbeat) -> Result<Vec<i64>> {
    let counts = table.counts();
    match rounding {
        Rounding::None => Ok(counts.to_vec()),
        Rounding::Base5 => Ok(counts.iter().map(|count| round_to_base(*count)).collect()),
        Rounding::Random5 if keys.len() != counts.len() => {
            Err(Error::invalid("rounding", "at random needs a secret key, so that it is the same every time"))
        }
        Rounding::Random5 => Ok(counts.iter().zip(keys).map(|(count, key)| round_by_key(*count, *key)).collect()),
        Rounding::Controlled5 => controlled(table, heartbeat),
    }
}

/// The additive table of neighbouring multiples that is closest in sum to the true one.
fn controlled(table: &Table, heartbeat: Heartbeat) -> Result<Vec<i64>> {
    let counts = table.counts();
    let solve = |whole: bool| -> Result<Option<Vec<i64>>> {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        // One unknown for each count between two multiples: whether it goes up. Going up costs 5 - 2 remainder more.
        let unknown: Vec<Option<Variable>> = counts
            .iter()
            .map(|count| {
                let rest = count.rem_euclid(BASE);
                let cost = (BASE - 2 * rest) as f64;
                (rest != 0)
                    .then(|| if whole { problem.add_binary_var(cost) } else { problem.add_var(cost, (0.0, 1.0)) })
            })
            .collect();
        for row in table.layout().rows() {
            let mut sum = LinearExpr::empty();
            let mut floor = 0;
            for (cell, sign) in row.parts.iter().map(|part| (*part, 1)).chain([(row.total, -1)]) {
                floor += sign * counts[cell].div_euclid(BASE);
                if let Some(up) = unknown[cell] {
                    sum.add(up, sign as f64);
                }
            }
            problem.add_constraint(sum, ComparisonOp::Eq, -floor as f64);
        }
        let mut options = SolveOptions::default();
        options.node_limit = whole.then_some(1);
        let mut outcome = problem.solve_with(options);
        for _ in 1..NODES {
            heartbeat();
            outcome = match outcome {
                Ok(unfinished) if !unfinished.is_optimal() => unfinished.resume(),
                finished => {
                    outcome = finished;
                    break;
                }
            };
        }
        let solution = match outcome {
            Ok(SolveOutcome::Solution(solution)) => solution,
            Ok(SolveOutcome::Interrupted(_)) | Err(microlp::Error::Infeasible) => return Ok(None),
            Err(error) => return Err(Error::Bug(format!("the program of a controlled rounding failed: {error}"))),
        };
        let rounded: Vec<i64> = counts
            .iter()
            .zip(&unknown)
            .map(|(count, up)| {
                let up = up.map_or(0, |up| solution.var_value(up).round() as i64);
                (count.div_euclid(BASE) + up) * BASE
            })
            .collect();
        let adds_up = table
            .layout()
            .rows()
            .iter()
            .all(|row| row.parts.iter().map(|p| rounded[*p]).sum::<i64>() == rounded[row.total]);
        Ok(adds_up.then_some(rounded))
    };
    match solve(false)? {
        Some(rounded) => Ok(rounded),
        None => solve(true)?
            .ok_or_else(|| Error::NotConverged { what: "controlled rounding".to_owned(), iterations: NODES as u32 }),
    }
}

/// The rate of two rounded counts as a whole percentage, to be printed with the rounded number of people; `None` for an
/// empty group. A whole percentage of an exact number of 100 people or fewer would be the exact count.
///
/// ```
/// use jdl_core::disclosure::rate_of_rounded;
/// assert_eq!(rate_of_rounded(22, 72), Some((29, 70)));
/// ```
pub fn rate_of_rounded(numerator: i64, people: i64) -> Option<(i64, i64)> {
    let (numerator, people) = (round_to_base(numerator), round_to_base(people));
    (people > 0).then(|| ((200 * numerator + people).div_euclid(2 * people).min(100), people))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::layout::Hierarchies;
    use crate::disclosure::table::Record;

    fn table(size: usize, count: impl Fn(usize, usize) -> i64) -> Table {
        let mut records = Vec::new();
        for a in 0..size {
            for b in 0..size {
                records.push(Record { labels: vec![Some(a.to_string()), Some(b.to_string())], count: count(a, b) });
            }
        }
        Table::from_records(&["a", "b"], &Hierarchies::new(), &records).unwrap()
    }

    #[test]
    fn random_rounding_is_unbiased_sticky_and_to_a_neighbour() {
        for count in 0..30 {
            let rounded: Vec<i64> = (0..5000).map(|key| round_by_key(count, key)).collect();
            assert_eq!(rounded.iter().sum::<i64>(), count * 5000);
            assert!(rounded.iter().all(|r| (r - count).abs() < BASE && r % BASE == 0));
        }
        let table = table(4, |a, b| (7 * a + 3 * b) as i64);
        let key = Key::new(1, [1; 32]);
        assert_eq!(cell_keys(&key, &table), cell_keys(&key, &table));
        assert_ne!(cell_keys(&key, &table), cell_keys(&Key::new(1, [2; 32]), &table));
        let keys = cell_keys(&key, &table);
        let distinct: BTreeSet<&u64> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(round_table(&table, Rounding::Random5, &[], &|| {}).is_err());
    }

    #[test]
    fn controlled_rounding_adds_up_and_stays_near() {
        for seed in 0..20 {
            let table = table(5, |a, b| ((a * 31 + b * 17 + seed * 7) % 23) as i64);
            let rounded = round_table(&table, Rounding::Controlled5, &[], &|| {}).unwrap();
            for (rounded, count) in rounded.iter().zip(table.counts()) {
                assert!(rounded % BASE == 0 && (rounded - count).abs() < BASE);
            }
            for row in table.layout().rows() {
                assert_eq!(rounded[row.total], row.parts.iter().map(|p| rounded[*p]).sum::<i64>());
            }
        }
    }

    #[test]
    fn a_rate_is_of_rounded_numbers() {
        // 31 % of 72 is 22 and nothing else; 30 % of 71 is 21: the missing person re-offended.
        assert_eq!(rate_of_rounded(22, 72), Some((29, 70)));
        assert_eq!(rate_of_rounded(21, 71), Some((29, 70)));
        assert_eq!(rate_of_rounded(1, 2), None);
        assert_eq!(rate_of_rounded(5, 5), Some((100, 5)));
    }
}
