//! What the analyst and the approver are told of a protected report: which cells are hidden and why, what a coarser table
//! would save, and the numbers that were published. Not for readers: it tells sensitive cells from those that protect them.

use serde::{Deserialize, Serialize};

use crate::disclosure::gates::{Gates, SafeCounts, protect_groups};
use crate::disclosure::groups::{Group, Whole};
use crate::disclosure::layout::Labels;
use crate::disclosure::policy::{Method, Policy};
use crate::disclosure::primary::Reason;
use crate::error::Result;
use crate::number::Heartbeat;

/// The most hidden cells that are named.
const NAMED: usize = 50;

/// A cell as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedCell {
    /// Its labels by dimension; `None` is the total.
    pub cell: Labels,
    /// Its number; `None` if hidden.
    pub value: Option<i64>,
}

/// A cell that is not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenCell {
    /// Its labels in words.
    pub cell: String,
    /// Why, in words.
    pub why: String,
}

/// What is said of a protected report inside the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// "3 cells hidden, 4 more to protect them".
    pub what_happened: String,
    /// The hidden cells, at most 50 of them.
    pub hidden: Vec<HiddenCell>,
    /// What coarser tables would save, in words; empty where nothing is hidden or nothing would help.
    pub coarser: Vec<String>,
    /// Every cell of the linked model.
    pub cells: Vec<PublishedCell>,
}

impl Evidence {
    /// What there is to say of `safe`, which [`protect_groups`] made of the other arguments.
    ///
    /// # Errors
    /// As [`protect_groups`].
    pub fn new(
        safe: &SafeCounts,
        groups: &[Group],
        wholes: &[Whole],
        gates: &Gates,
        policy: &Policy,
        heartbeat: Heartbeat,
    ) -> Result<Self> {
        let layout = safe.table.layout();
        let values = &safe.protected.values;
        let why = |cell: usize| {
            let need = safe.protected.needs.iter().find(|need| need.cell == cell);
            match need.map(|need| need.reason) {
                Some(Reason::SmallCount) => "fewer people than the threshold",
                Some(Reason::ZeroOutcome) => "nobody, so that everybody else is known to differ",
                Some(Reason::Withheld) => "belongs to a group too small for a table",
                Some(Reason::FewPeople) => "fewer people than the threshold behind the sum",
                Some(Reason::Dominance) => "few people make up most of the sum",
                Some(Reason::PPercent) => "the largest share could be estimated too well",
                None => "could be used to work out another, or belongs to a group too small to publish",
            }
        };
        let hidden: Vec<HiddenCell> = (0..layout.len())
            .filter(|cell| values[*cell].is_none())
            .take(NAMED)
            .map(|cell| HiddenCell { cell: in_words(&layout.labels(cell)), why: why(cell).to_owned() })
            .collect();
        let cells = (0..layout.len()).map(|cell| PublishedCell { cell: layout.labels(cell), value: values[cell] });
        Ok(Self {
            what_happened: safe.protected.words(),
            coarser: if hidden.is_empty() {
                Vec::new()
            } else {
                coarser(safe, groups, wholes, gates, policy, heartbeat)?
            },
            cells: cells.collect(),
            hidden,
        })
    }
}

/// "group treatment, court category indictable"; a dimension at its total is left out.
fn in_words(labels: &Labels) -> String {
    let parts: Vec<String> =
        labels.iter().filter_map(|(name, label)| label.as_ref().map(|label| format!("{name} {label}"))).collect();
    if parts.is_empty() { "everybody".to_owned() } else { parts.join(", ") }
}

/// Tries the report without each breakdown, and with the small categories of each put together.
fn coarser(
    safe: &SafeCounts,
    groups: &[Group],
    wholes: &[Whole],
    gates: &Gates,
    policy: &Policy,
    heartbeat: Heartbeat,
) -> Result<Vec<String>> {
    let policy = Policy { method: Method::Heuristic, ..policy.clone() };
    let hidden_now = hidden_outside(safe, None);
    let mut names: Vec<&str> = Vec::new();
    for breakdown in groups.iter().flat_map(|group| group.breakdowns.iter().skip(1)) {
        if !names.contains(&breakdown.name.as_str()) {
            names.push(&breakdown.name);
        }
    }
    let mut found = Vec::new();
    for name in names {
        let mut merged = groups.to_vec();
        for breakdown in merged.iter_mut().flat_map(|group| &mut group.breakdowns) {
            breakdown.merge_small |= breakdown.name == name;
        }
        let mut without = groups.to_vec();
        for group in &mut without {
            group.breakdowns.retain(|breakdown| breakdown.name != name);
            group.parts.iter_mut().for_each(|part| part.breakdowns.retain(|breakdown| breakdown.name != name));
        }
        for (design, words) in [
            (merged, format!("with the small categories of {name} put together")),
            (without, format!("without {name}")),
        ] {
            if design == *groups {
                continue;
            }
            // A design that cannot be made saves nothing.
            let Ok(tried) = protect_groups(&design, wholes, gates, &policy, &[], heartbeat, &|| false) else {
                continue;
            };
            // What goes with the breakdown itself is not saved.
            let (before, after) = match words.starts_with("without") {
                true => (hidden_outside(safe, Some(name)), hidden_outside(&tried, None)),
                false => (hidden_now, hidden_outside(&tried, None)),
            };
            if after < before {
                found.push(format!("{words}: {} hidden instead of {before}", cells(after)));
            }
        }
    }
    Ok(found)
}

/// How many cells are hidden, those divided by `except` not counted.
fn hidden_outside(safe: &SafeCounts, except: Option<&str>) -> usize {
    let layout = safe.table.layout();
    let divided = |cell: usize| except.is_some_and(|name| layout.labels(cell).get(name).is_some_and(Option::is_some));
    (0..layout.len()).filter(|cell| safe.protected.values[*cell].is_none() && !divided(*cell)).count()
}

fn cells(n: usize) -> String {
    if n == 1 { "1 cell".to_owned() } else { format!("{n} cells") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::groups::Breakdown;

    fn breakdown(name: &str, of: Option<(&str, &str)>, categories: &[(&str, i64)]) -> Breakdown {
        Breakdown {
            name: name.to_owned(),
            of: of.map(|(a, b)| (a.to_owned(), b.to_owned())),
            categories: categories.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect(),
            merge_small: false,
        }
    }

    fn evidence(categories: &[(&str, i64)]) -> Evidence {
        let groups = [Group {
            name: "treatment".to_owned(),
            breakdowns: vec![
                breakdown("reoffended", None, &[("yes", 48), ("no", 168)]),
                breakdown("court", Some(("reoffended", "yes")), categories),
            ],
            parts: Vec::new(),
            dimension: None,
        }];
        let (gates, policy) = (Gates::default(), Policy::default());
        let safe = protect_groups(&groups, &[], &gates, &policy, &[], &|| {}, &|| false).unwrap();
        Evidence::new(&safe, &groups, &[], &gates, &policy, &|| {}).unwrap()
    }

    #[test]
    fn hidden_cells_are_named_with_their_reasons_and_a_coarser_table_is_offered() {
        let found = evidence(&[("summary", 25), ("either way", 19), ("indictable", 4)]);
        assert_eq!(found.what_happened, "1 cell hidden, 1 more to protect it");
        let named: Vec<&str> = found.hidden.iter().map(|cell| cell.cell.as_str()).collect();
        assert!(named.iter().any(|cell| cell.contains("court indictable")), "{named:?}");
        assert!(found.hidden.iter().any(|cell| cell.why == "fewer people than the threshold"));
        assert_eq!(found.coarser[0], "with the small categories of court put together: 0 cells hidden instead of 2");
        let numbers = serde_json::to_string(&found).unwrap();
        assert!(!numbers.contains("\"value\":4,"), "a hidden count is nowhere in it");
    }

    #[test]
    fn where_nothing_is_hidden_nothing_is_offered() {
        let found = evidence(&[("summary", 25), ("either way", 23)]);
        assert_eq!(found.what_happened, "no cell hidden");
        assert!(found.hidden.is_empty() && found.coarser.is_empty());
        assert!(found.cells.iter().all(|cell| cell.value.is_some()));
    }
}
