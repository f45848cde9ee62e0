//! The people whom a report counts, as tables of the linked model.
//!
//! A group and its breakdowns, its parts with the rest that anybody can subtract, and the larger sets that it was drawn from. Before
//! that, small profile categories go into "other", which tells readers more than gaps would.

use std::collections::BTreeMap;

use crate::disclosure::layout::Hierarchies;
use crate::disclosure::table::{Record, Table};
use crate::error::{Error, Result};

/// The label that small categories go into.
pub const OTHER: &str = "other";
/// The label of everybody who is in none of the parts of a dimension.
const REST: &str = "all others";

/// The dimension that keeps the groups of a report apart.
pub(super) const GROUP: &str = "group";

/// How the people of a group, or of one category of another breakdown, divide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakdown {
    /// What divides them, such as `reoffended` or `ethnicity`.
    pub name: String,
    /// The breakdown and category whose people are divided; `None`: all of the group.
    pub of: Option<(String, String)>,
    /// Each category and how many.
    pub categories: Vec<(String, i64)>,
    /// Whether small categories go into [`OTHER`] rather than be hidden.
    pub merge_small: bool,
}

impl Breakdown {
    /// Puts the people of these categories into [`OTHER`].
    pub fn merge(&mut self, labels: &[String]) {
        self.categories = into_other(&self.categories, labels);
    }
}

/// People who are analysed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Such as `treatment`, or for a part such as `completers`.
    pub name: String,
    /// At least one, the first of all people of the group. Those of a part divide it as breakdowns of the same name divide
    /// the group.
    pub breakdowns: Vec<Breakdown>,
    /// Sub-analyses. Parts have no parts.
    pub parts: Vec<Self>,
    /// For a part: the dimension of which its name is a label (`sex`, say). Parts of one dimension have nobody in common, and
    /// a breakdown of the group by it has a category of the same name for each, which is not merged. `None`: the part and the rest.
    pub dimension: Option<String>,
}

/// A set of people that is made up of groups, of other sets, or of people who are in neither: a step on the way to a group, or
/// the pool that one was drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its name, which is no group's.
    pub name: String,
    /// The groups and sets in it and how many people each. People of several sets are counted in one of them.
    pub parts: Vec<(String, i64)>,
    /// What hiding it costs.
    pub cost: u32,
}

impl Whole {
    pub(super) fn table(&self) -> Result<Table> {
        Table::sum(GROUP, &self.name, &self.parts)
    }
}

/// The dimension that divides a group into a part and the rest, or into several parts and the rest.
pub(super) fn part_dimension(part: &Group) -> String {
    part.dimension.clone().unwrap_or_else(|| format!("part {}", part.name))
}

/// How many people a group has, by its first breakdown.
pub(super) fn people_of(group: &Group) -> Result<i64> {
    match group.breakdowns.first() {
        Some(Breakdown { of: None, categories, .. }) => {
            Ok(categories.iter().map(|(_, count)| *count).fold(0, i64::saturating_add))
        }
        _ => Err(Error::invalid("group", "needs a breakdown of all its people first")),
    }
}

fn record(labels: &[&str], count: i64) -> Record {
    Record { labels: labels.iter().map(|label| Some((*label).to_owned())).collect(), count }
}

/// One breakdown of a group as a table.
pub(super) fn table_of(group: &Group, breakdown: &Breakdown) -> Result<Table> {
    let records: Vec<Record> = breakdown.categories.iter().map(|(label, count)| record(&[label], *count)).collect();
    placed(Table::from_records(&[&breakdown.name], &Hierarchies::new(), &records)?, breakdown, group)
}

/// The label of those who are in none of these parts of one dimension.
pub(super) fn rest_of(parts: &[&Group]) -> String {
    match parts {
        [part] if part.dimension.is_none() => format!("not {}", part.name),
        _ => REST.to_owned(),
    }
}

/// The breakdowns of `parts`, which divide the group by one dimension, each as a table with the rest of the group beside them.
pub(super) fn tables_of_parts(group: &Group, dimension: &str, parts: &[&Group]) -> Result<Vec<Table>> {
    let of = |part: &Group, whole: &Breakdown| {
        part.breakdowns.iter().position(|own| own.name == whole.name && own.of == whole.of)
    };
    let rest = rest_of(parts);
    let wholes: Vec<&Breakdown> =
        group.breakdowns.iter().filter(|whole| parts.iter().any(|part| of(part, whole).is_some())).collect();
    for part in parts {
        if part.breakdowns.len() > wholes.iter().filter(|whole| of(part, whole).is_some()).count() {
            return Err(Error::invalid("part", "needs breakdowns that its group has"));
        }
    }
    let mut tables = Vec::new();
    for whole in wholes {
        let mut left: BTreeMap<&str, i64> =
            whole.categories.iter().map(|(label, count)| (label.as_str(), *count)).collect();
        let mut records = Vec::new();
        for part in parts {
            let own = of(part, whole).ok_or_else(|| Error::invalid("part", "needs the breakdowns of its siblings"))?;
            for (label, count) in &part.breakdowns[own].categories {
                let left = left
                    .get_mut(label.as_str())
                    .ok_or_else(|| Error::invalid("part", "needs the categories that its group has"))?;
                *left -= count;
                records.push(record(&[&part.name, label], *count));
            }
        }
        if left.values().any(|count| *count < 0) {
            return Err(Error::invalid("part", "must not be larger than its group"));
        }
        // Nobody in the rest is no category, unless the part has no sibling to be told from.
        if parts[0].dimension.is_none() || left.values().any(|count| *count > 0) {
            records.extend(left.iter().map(|(label, count)| record(&[&rest, label], *count)));
        }
        let table = Table::from_records(&[dimension, &whole.name], &Hierarchies::new(), &records)?;
        tables.push(placed(table, whole, group)?);
    }
    Ok(tables)
}

/// The table where the breakdown stands: within the category that it divides, within its group.
fn placed(mut table: Table, breakdown: &Breakdown, group: &Group) -> Result<Table> {
    if let Some((name, label)) = &breakdown.of {
        table = table.within(name, label)?;
    }
    table.within(GROUP, &group.name)
}

/// The group with small categories merged, in its parts as in itself.
pub(super) fn merge_categories(group: &Group, threshold: i64) -> Result<Group> {
    let mut merged = group.clone();
    for breakdown in &mut merged.breakdowns {
        if !breakdown.merge_small {
            continue;
        }
        let is_part = |label: &String| {
            group.parts.iter().any(|part| part.name == *label && part.dimension.as_ref() == Some(&breakdown.name))
        };
        let mergeable: Vec<(String, i64)> =
            breakdown.categories.iter().filter(|(label, _)| !is_part(label)).cloned().collect();
        let small = small_categories(&mergeable, threshold);
        let key = (breakdown.name.clone(), breakdown.of.clone());
        let parts = merged.parts.iter_mut().flat_map(|part| &mut part.breakdowns);
        for same in parts.filter(|same| (same.name.clone(), same.of.clone()) == key) {
            same.categories = into_other(&same.categories, &small);
        }
        breakdown.merge(&small);
    }
    Ok(merged)
}

/// Which categories to merge: those below the threshold, and then the next smallest until the merged one reaches it.
/// Empty ones go too, without need of company.
fn small_categories(categories: &[(String, i64)], threshold: i64) -> Vec<String> {
    let mut order: Vec<&(String, i64)> = categories.iter().collect();
    order.sort_by(|(a, few), (b, many)| (few, a).cmp(&(many, b)));
    let mut small = Vec::new();
    let mut sum = 0;
    for (label, count) in order {
        if *count < threshold || (1..threshold).contains(&sum) {
            sum += count;
            small.push(label.clone());
        }
    }
    small
}

fn into_other(categories: &[(String, i64)], small: &[String]) -> Vec<(String, i64)> {
    let is_small = |label: &String| small.contains(label);
    let sum: i64 = categories.iter().filter(|(label, _)| is_small(label)).map(|(_, count)| *count).sum();
    let mut kept: Vec<(String, i64)> = categories.iter().filter(|(label, _)| !is_small(label)).cloned().collect();
    if sum > 0 {
        match kept.iter_mut().find(|(label, _)| label == OTHER) {
            Some((_, count)) => *count += sum,
            None => kept.push((OTHER.to_owned(), sum)),
        }
    }
    kept
}
