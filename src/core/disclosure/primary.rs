//! Which cells are sensitive in themselves, and what must stay possible about each.
//!
//! Counts below the threshold, margins included; over a declared outcome dimension also the numerators of zero, which
//! covers 0 % and 100 % groups and complements, and what is withheld there; for sums few people, dominance and the p % rule.
//! (Hundepool et al. 2012, "Statistical Disclosure Control", sections 4.2 and 5.2.)

use serde::{Deserialize, Serialize};

use crate::disclosure::policy::{Policy, Target, Zeros};
use crate::disclosure::table::{Shares, Table};
use crate::error::Result;

/// Why a cell is sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A count below the threshold.
    SmallCount,
    /// A rate of 0 % in a group, which is a rate of 100 % for the rest of the outcome.
    ZeroOutcome,
    /// An outcome of people of whom no table is published.
    Withheld,
    /// A sum to which fewer people contribute than the threshold.
    FewPeople,
    /// A sum of which a few people make up too much.
    Dominance,
    /// A sum from which the second largest contributor can estimate the largest too well.
    PPercent,
}

/// A cell that must be hidden, and what the intruder must think possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The number of the cell.
    pub cell: usize,
    /// Why it is hidden.
    pub reason: Reason,
    /// A value at least this large must stay possible; `None`: any second value.
    pub at_least: Option<i64>,
}

/// The sensitive cells, in the order of their numbers.
///
/// # Errors
/// [`crate::Error::InvalidInput`] for a policy that does not fit the table.
pub fn sensitive_cells(table: &Table, policy: &Policy) -> Result<Vec<Need>> {
    policy.check()?;
    let floors = policy.floors(table)?;
    let withheld = policy.withheld(table.layout())?;
    let needs = (0..table.layout().len()).filter(|cell| floors[*cell].is_some()).filter_map(|cell| {
        let count = table.counts()[cell];
        if let Some(shares) = table.shares(cell) {
            return sum_need(cell, count, shares, policy);
        }
        let reason = if count >= policy.threshold {
            // What is withheld though it is not small: nobody may compute the table from others.
            let is_secret = withheld[cell] && policy.is_outcome_of_people(table, cell);
            return is_secret.then_some(Need { cell, reason: Reason::Withheld, at_least: None });
        } else if count > 0 || policy.zeros == Zeros::Hidden {
            Reason::SmallCount
        } else if policy.is_outcome_of_people(table, cell) {
            Reason::ZeroOutcome
        } else {
            return None;
        };
        Some(Need { cell, reason, at_least: (policy.target == Target::Reach).then_some(policy.threshold) })
    });
    Ok(needs.collect())
}

/// The rules for a sum. What must stay possible is the upper protection level of the rule that asks for most
/// (Hundepool et al. 2012, table 4.2): the intruder may not come closer to the largest contribution than the rule allows.
fn sum_need(cell: usize, sum: i64, shares: &Shares, policy: &Policy) -> Option<Need> {
    if shares.people == 0 || (sum == 0 && policy.zeros != Zeros::Hidden) {
        return None;
    }
    let largest = shares.largest.first().copied().unwrap_or(0);
    let mut found: Option<(Reason, i64)> = None;
    let mut add = |reason, room: i64| {
        found = Some(found.map_or((reason, room), |(first, most)| (first, most.max(room))));
    };
    let share_of = |amount: i64, percent: u32| (amount * i64::from(percent)).div_euclid(100) + 1;
    if shares.people < policy.threshold {
        add(Reason::FewPeople, share_of(largest, policy.p_percent.unwrap_or(0)));
    }
    if let Some(rule) = policy.dominance {
        let top: i64 = shares.largest.iter().take(rule.n).sum();
        if top * 100 > sum * i64::from(rule.percent) {
            // top / percent as a sum, less the sum itself.
            add(Reason::Dominance, (top * 100).div_euclid(i64::from(rule.percent)) + 1 - sum);
        }
    }
    if let Some(percent) = policy.p_percent {
        let second = shares.largest.get(1).copied().unwrap_or(0);
        let rest = sum - largest - second;
        if rest * 100 < largest * i64::from(percent) {
            add(Reason::PPercent, share_of(largest, percent) - rest);
        }
    }
    found.map(|(reason, room)| Need { cell, reason, at_least: Some(sum + room.max(1)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::layout::Hierarchies;
    use crate::disclosure::table::{Contribution, Record};

    fn table(dimensions: &[&str], rows: &[(&[&str], i64)]) -> Table {
        let records: Vec<Record> = rows
            .iter()
            .map(|(labels, count)| Record {
                labels: labels.iter().map(|label| Some((*label).to_owned())).collect(),
                count: *count,
            })
            .collect();
        Table::from_records(dimensions, &Hierarchies::new(), &records).unwrap()
    }

    fn reasons(table: &Table, policy: &Policy) -> Vec<(usize, Reason)> {
        sensitive_cells(table, policy).unwrap().into_iter().map(|need| (need.cell, need.reason)).collect()
    }

    #[test]
    fn a_count_below_the_threshold_is_sensitive_in_margins_too() {
        let table = table(&["one"], &[(&["a"], 3), (&["b"], 0), (&["c"], 4)]);
        // a, b, c, total 7
        assert_eq!(
            reasons(&table, &Policy::default()),
            [(0, Reason::SmallCount), (2, Reason::SmallCount), (3, Reason::SmallCount)]
        );
        let zeros = Policy { zeros: Zeros::Hidden, ..Policy::default() };
        assert_eq!(reasons(&table, &zeros).len(), 4);
        let low = Policy { threshold: 4, target: Target::Exact, ..Policy::default() };
        assert_eq!(
            sensitive_cells(&table, &low).unwrap(),
            [Need { cell: 0, reason: Reason::SmallCount, at_least: None }]
        );
    }

    #[test]
    fn nobody_and_everybody_in_a_group_is_sensitive() {
        let table = table(
            &["sex", "reoffended"],
            &[(&["F", "yes"], 11), (&["M", "yes"], 40), (&["M", "no"], 50), (&["X", "yes"], 0)],
        );
        let policy = Policy { outcome_dimension: Some("reoffended".to_owned()), ..Policy::default() };
        // Labels sorted: F, M, X; no, yes, total. F no = 0 of 11 is sensitive; the empty group X is not.
        assert_eq!(reasons(&table, &policy), [(0, Reason::ZeroOutcome)]);
        assert_eq!(reasons(&table, &Policy::default()), []);
        let unknown = Policy { outcome_dimension: Some("outcome".to_owned()), ..Policy::default() };
        assert!(sensitive_cells(&table, &unknown).unwrap_err().to_string().contains("sex, reoffended"));
    }

    #[test]
    fn a_withheld_outcome_is_sensitive_however_large() {
        let table = table(
            &["sex", "reoffended"],
            &[(&["F", "yes"], 14), (&["F", "no"], 12), (&["M", "yes"], 40), (&["M", "no"], 50)],
        );
        let women = [("sex".to_owned(), Some("F".to_owned())), ("reoffended".to_owned(), Some("yes".to_owned()))];
        let policy = Policy {
            outcome_dimension: Some("reoffended".to_owned()),
            withhold: vec![women.into()],
            ..Policy::default()
        };
        let needs = sensitive_cells(&table, &policy).unwrap();
        assert_eq!(needs, [Need { cell: 1, reason: Reason::Withheld, at_least: None }]);
    }

    #[test]
    fn sums_follow_dominance_and_p_percent() {
        let mut contributions = Vec::new();
        for person in 0..20 {
            let amount = if person == 0 { 30 } else { 1 };
            contributions.push(Contribution { labels: vec!["a".to_owned()], person, amount });
            contributions.push(Contribution { labels: vec!["b".to_owned()], person: person + 20, amount: 3 });
        }
        let table = Table::from_contributions(&["one"], &Hierarchies::new(), &contributions).unwrap();
        // a: 30 of 49 by one person; at 50 % a sum above 60 would not be dominated.
        let needs = sensitive_cells(&table, &Policy::default()).unwrap();
        assert_eq!(needs, [Need { cell: 0, reason: Reason::Dominance, at_least: Some(61) }]);
        let few = Policy { threshold: 21, dominance: None, ..Policy::default() };
        assert_eq!(reasons(&table, &few), [(0, Reason::FewPeople), (1, Reason::FewPeople)]);
        let p = Policy { dominance: None, p_percent: Some(70), ..Policy::default() };
        // a: 49 - 30 - 1 = 18 < 21.
        assert_eq!(
            sensitive_cells(&table, &p).unwrap(),
            [Need { cell: 0, reason: Reason::PPercent, at_least: Some(49 + 4) }]
        );
    }
}
