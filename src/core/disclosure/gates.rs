//! The counts of one report, protected together.
//!
//! The tables of a report are about the same people: the outcome, its court categories and the profile of a group add up
//! to the same number, and a sub-analysis is a part of its group, whose rest anybody can subtract. So they become one linked
//! table, and every count of the report comes out of one call. Before that, small profile categories go into "other" and small
//! losses of the attrition funnel into the next, which tells readers more than gaps would.
//!
//! Whether a count or rate is withheld because it is small or because it is large would itself be an answer, so the
//! gates only say yes or no.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::disclosure::layout::{Hierarchies, Labels};
use crate::disclosure::policy::Policy;
use crate::disclosure::table::{Record, Table};
use crate::disclosure::{Protected, protect};
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// The label that small categories go into.
pub const OTHER: &str = "other";
/// The label of everybody who is in none of the parts of a dimension.
const REST: &str = "all others";

/// The dimension that keeps the groups of a report apart.
const GROUP: &str = "group";

/// The smallest numbers that a report may rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// People in a group. Default 30: below, nothing of the group is published.
    pub group: i64,
    /// Re-offenders in each group for days to the first re-offence. Default 30.
    pub days: i64,
    /// People in a court category. Default 10.
    pub court_category: i64,
}

impl Default for Gates {
    fn default() -> Self {
        Self { group: 30, days: 30, court_category: 10 }
    }
}

impl Gates {
    /// Whether a rate may be published: the group is large enough, and so are the numerator and its complement.
    pub fn allow_rate(&self, numerator: i64, people: i64, threshold: i64) -> bool {
        people >= self.group && numerator >= threshold && people - numerator >= threshold
    }

    /// Whether the mean days to the first re-offence may be published for two groups with so many re-offenders.
    pub fn allow_days(&self, reoffenders: &[i64]) -> bool {
        reoffenders.iter().all(|people| *people >= self.days)
    }

    /// Whether the row of a court category may be published.
    pub fn allow_court_category(&self, people: i64) -> bool {
        people >= self.court_category
    }
}

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

/// A breakdown fit to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SafeBreakdown {
    /// What divides the people.
    pub name: String,
    /// Each category and how many, `None` where hidden.
    pub categories: Vec<(String, Option<i64>)>,
}

impl SafeBreakdown {
    /// The number of a category; `None` if hidden or not there.
    pub fn count(&self, category: &str) -> Option<i64> {
        self.categories.iter().find(|(name, _)| name == category).and_then(|(_, count)| *count)
    }

    /// Whether a category is there and hidden.
    pub fn is_hidden(&self, category: &str) -> bool {
        self.categories.iter().any(|(name, count)| name == category && count.is_none())
    }
}

/// A group fit to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SafeGroup {
    /// Its name.
    pub name: String,
    /// How many people, `None` where hidden.
    pub people: Option<i64>,
    /// How they divide.
    pub breakdowns: Vec<SafeBreakdown>,
    /// Sub-analyses.
    pub parts: Vec<Self>,
}

impl SafeGroup {
    /// A breakdown by its name.
    pub fn breakdown(&self, name: &str) -> Option<&SafeBreakdown> {
        self.breakdowns.iter().find(|breakdown| breakdown.name == name)
    }
}

/// The counts of a report fit to be published, and the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeCounts {
    /// The groups, in the order given.
    pub groups: Vec<SafeGroup>,
    /// The linked table they come from, for the record.
    pub table: Table,
    /// The same with certificate and information loss. As secret as the counts.
    pub protected: Protected,
    /// The policy with the cells that were withheld because their group is small.
    pub policy: Policy,
}

/// Protects all counts of a report in one linked model.
///
/// `policy.outcome_dimension` names the breakdown that holds the outcome (`reoffended`, say).
///
/// # Errors
/// [`Error::InvalidInput`] if a group has no breakdown, breakdowns of the same people do not add up to the same number, a
/// part is larger than its group, or a name is used twice; and what [`protect`] refuses.
pub fn protect_groups(
    groups: &[Group],
    gates: &Gates,
    policy: &Policy,
    keys: &[u64],
    heartbeat: Heartbeat,
    out_of_time: &dyn Fn() -> bool,
) -> Result<SafeCounts> {
    let groups: Vec<Group> =
        groups.iter().map(|group| merge_categories(group, policy.threshold)).collect::<Result<_>>()?;
    let mut tables = Vec::new();
    let mut policy = policy.clone();
    for (number, group) in groups.iter().enumerate() {
        if groups[..number].iter().any(|other| other.name == group.name) {
            return Err(Error::invalid("group", "needs a name of its own"));
        }
        let people = people_of(group)?;
        for breakdown in &group.breakdowns {
            tables.push(table_of(group, breakdown)?);
        }
        for part in &group.parts {
            people_of(part)?;
        }
        let dimensions: BTreeSet<String> = group.parts.iter().map(part_dimension).collect();
        for dimension in dimensions {
            tables.extend(tables_of_parts(group, &dimension)?);
        }
        if people < gates.group {
            policy.withhold.push(BTreeMap::from([(GROUP.to_owned(), Some(group.name.clone()))]));
        }
    }
    let table = Table::link(&tables)?;
    let layout = table.layout();
    // A group that is too small is withheld whole, and so is a part.
    let mut withheld: Vec<Labels> = policy.withhold.clone();
    for group in &groups {
        for part in &group.parts {
            if people_of(part)? < gates.group {
                withheld.push(BTreeMap::from([
                    (GROUP.to_owned(), Some(group.name.clone())),
                    (part_dimension(part), Some(part.name.clone())),
                ]));
            }
        }
    }
    policy.withhold = (0..layout.len())
        .map(|cell| layout.labels(cell))
        .filter(|labels| withheld.iter().any(|some| some.iter().all(|(name, label)| labels.get(name) == Some(label))))
        .collect();
    let protected = protect(&table, &policy, keys, heartbeat, out_of_time)?;
    let read = |labels: &[(&str, &str)]| {
        let labels: Labels =
            labels.iter().map(|(name, label)| ((*name).to_owned(), Some((*label).to_owned()))).collect();
        layout.find(&labels).and_then(|cell| protected.values[cell])
    };
    let safe = |group: &Group, part: Option<&Group>, parts: Vec<SafeGroup>| {
        let dimension = part.map(part_dimension).unwrap_or_default();
        let mut base = vec![(GROUP, group.name.as_str())];
        if let Some(part) = part {
            base.push((&dimension, &part.name));
        }
        let own = part.unwrap_or(group);
        let breakdowns = own.breakdowns.iter().map(|breakdown| {
            let mut base = base.clone();
            if let Some((name, label)) = &breakdown.of {
                base.push((name, label));
            }
            let categories = breakdown.categories.iter().map(|(label, _)| {
                let labels = [base.as_slice(), &[(&breakdown.name, label)]].concat();
                (label.clone(), read(&labels))
            });
            SafeBreakdown { name: breakdown.name.clone(), categories: categories.collect() }
        });
        SafeGroup { name: own.name.clone(), people: read(&base), breakdowns: breakdowns.collect(), parts }
    };
    let groups = groups
        .iter()
        .map(|group| {
            let parts = group.parts.iter().map(|part| safe(group, Some(part), Vec::new())).collect();
            safe(group, None, parts)
        })
        .collect();
    Ok(SafeCounts { groups, table, protected, policy })
}

/// The dimension that divides a group into a part and the rest, or into several parts and the rest.
fn part_dimension(part: &Group) -> String {
    part.dimension.clone().unwrap_or_else(|| format!("part {}", part.name))
}

/// How many people a group has, by its first breakdown.
fn people_of(group: &Group) -> Result<i64> {
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
fn table_of(group: &Group, breakdown: &Breakdown) -> Result<Table> {
    let records: Vec<Record> = breakdown.categories.iter().map(|(label, count)| record(&[label], *count)).collect();
    placed(Table::from_records(&[&breakdown.name], &Hierarchies::new(), &records)?, breakdown, group)
}

/// The breakdowns of the parts of one dimension, each as a table with the rest of the group beside the parts.
fn tables_of_parts(group: &Group, dimension: &str) -> Result<Vec<Table>> {
    let parts: Vec<&Group> = group.parts.iter().filter(|part| part_dimension(part) == dimension).collect();
    let of = |part: &Group, whole: &Breakdown| {
        part.breakdowns.iter().position(|own| own.name == whole.name && own.of == whole.of)
    };
    let rest = match parts.as_slice() {
        [part] if part.dimension.is_none() => format!("not {}", part.name),
        _ => REST.to_owned(),
    };
    let wholes: Vec<&Breakdown> =
        group.breakdowns.iter().filter(|whole| parts.iter().any(|part| of(part, whole).is_some())).collect();
    for part in &parts {
        if part.breakdowns.len() > wholes.iter().filter(|whole| of(part, whole).is_some()).count() {
            return Err(Error::invalid("part", "needs breakdowns that its group has"));
        }
    }
    let mut tables = Vec::new();
    for whole in wholes {
        let mut left: BTreeMap<&str, i64> =
            whole.categories.iter().map(|(label, count)| (label.as_str(), *count)).collect();
        let mut records = Vec::new();
        for part in &parts {
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
fn merge_categories(group: &Group, threshold: i64) -> Result<Group> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn breakdown(name: &str, categories: &[(&str, i64)]) -> Breakdown {
        let categories = categories.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect();
        Breakdown { name: name.to_owned(), of: None, categories, merge_small: false }
    }

    fn policy() -> Policy {
        Policy { outcome_dimension: Some("reoffended".to_owned()), ..Policy::default() }
    }

    fn protect_all(groups: &[Group]) -> SafeCounts {
        protect_groups(groups, &Gates::default(), &policy(), &[], &|| {}, &|| false).unwrap()
    }

    fn group(name: &str, breakdowns: Vec<Breakdown>) -> Group {
        Group { name: name.to_owned(), breakdowns, parts: Vec::new(), dimension: None }
    }

    #[test]
    fn gates_look_at_both_sides_of_a_rate() {
        let gates = Gates::default();
        assert!(gates.allow_rate(48, 216, 10));
        assert!(!gates.allow_rate(9, 216, 10) && !gates.allow_rate(207, 216, 10) && !gates.allow_rate(10, 29, 10));
        assert!(gates.allow_days(&[30, 66]) && !gates.allow_days(&[29, 66]));
        assert!(gates.allow_court_category(10) && !gates.allow_court_category(9));
    }

    #[test]
    fn a_report_without_small_counts_is_published_whole() {
        let safe = protect_all(&[
            group("treatment", vec![breakdown("reoffended", &[("yes", 48), ("no", 168)])]),
            group("comparison", vec![breakdown("reoffended", &[("yes", 66), ("no", 150)])]),
        ]);
        assert_eq!(safe.groups[0].people, Some(216));
        assert_eq!(safe.groups[1].breakdown("reoffended").unwrap().count("yes"), Some(66));
        assert!(safe.protected.values.iter().all(Option::is_some));
    }

    #[test]
    fn a_hidden_court_category_hides_another() {
        let mut court = breakdown("court", &[("either way", 25), ("indictable", 4), ("summary", 19)]);
        court.of = Some(("reoffended".to_owned(), "yes".to_owned()));
        let safe =
            protect_all(&[group("treatment", vec![breakdown("reoffended", &[("yes", 48), ("no", 168)]), court])]);
        let group = &safe.groups[0];
        assert_eq!((group.people, group.breakdown("reoffended").unwrap().count("yes")), (Some(216), Some(48)));
        let hidden = group.breakdown("court").unwrap().categories.iter().filter(|(_, count)| count.is_none()).count();
        assert_eq!(hidden, 2);
        assert_eq!(group.breakdown("court").unwrap().count("indictable"), None);
    }

    #[test]
    fn a_part_cannot_be_subtracted_from_its_group() {
        let mut treatment = group("treatment", vec![breakdown("reoffended", &[("yes", 48), ("no", 168)])]);
        // All but 3 of those who re-offended completed: 48 - 45 = 3.
        treatment.parts = vec![group("completers", vec![breakdown("reoffended", &[("yes", 45), ("no", 100)])])];
        let safe = protect_all(&[treatment]);
        let group = &safe.groups[0];
        let yes = group.breakdown("reoffended").unwrap().count("yes");
        let part = group.parts[0].breakdown("reoffended").unwrap().count("yes");
        assert!(yes.is_none() || part.is_none());
    }

    #[test]
    fn parts_of_one_dimension_cannot_be_subtracted_together() {
        let sexes = |female: [i64; 2], male: [i64; 2]| {
            let rest = 216 - female[0] - female[1] - male[0] - male[1];
            let people = |part: [i64; 2]| part[0] + part[1];
            let mut treatment = group(
                "treatment",
                vec![
                    breakdown("reoffended", &[("yes", 48), ("no", 168)]),
                    breakdown("sex", &[("female", people(female)), ("male", people(male)), (OTHER, rest)]),
                ],
            );
            for (name, part) in [("female", female), ("male", male)] {
                let mut part = group(name, vec![breakdown("reoffended", &[("yes", part[0]), ("no", part[1])])]);
                part.dimension = Some("sex".to_owned());
                treatment.parts.push(part);
            }
            let safe = protect_all(&[treatment]).groups.remove(0);
            let shown = |part: &SafeGroup| part.breakdown("reoffended").unwrap().count("yes").is_some();
            [shown(&safe.parts[0]), shown(&safe.parts[1]), safe.breakdown("reoffended").unwrap().count("yes").is_some()]
        };
        // Enough of both and of the others: all is shown.
        assert_eq!(sexes([12, 48], [24, 90]), [true; 3]);
        // Two people of neither sex: what they did would be what is left.
        assert!(sexes([16, 60], [30, 108]).contains(&false));
        // Eleven women of whom one re-offended: withheld, and so is what they could be subtracted from.
        assert!(!sexes([1, 10], [30, 108])[0]);
        let mut overlap = group("treatment", vec![breakdown("reoffended", &[("yes", 48), ("no", 168)])]);
        for name in ["female", "male"] {
            let mut part = group(name, vec![breakdown("reoffended", &[("yes", 30), ("no", 60)])]);
            part.dimension = Some("sex".to_owned());
            overlap.parts.push(part);
        }
        assert!(protect_groups(&[overlap], &Gates::default(), &policy(), &[], &|| {}, &|| false).is_err());
    }

    #[test]
    fn a_small_group_is_withheld_whole() {
        let safe = protect_all(&[
            group("treatment", vec![breakdown("reoffended", &[("yes", 14), ("no", 15)])]),
            group("comparison", vec![breakdown("reoffended", &[("yes", 60), ("no", 150)])]),
        ]);
        assert_eq!(safe.groups[0].people, None);
        assert!(safe.groups[0].breakdowns[0].categories.iter().all(|(_, count)| count.is_none()));
        assert_eq!(safe.groups[1].people, Some(210));
    }

    #[test]
    fn small_categories_go_into_other_with_enough_company() {
        let mut ethnicity = breakdown("ethnicity", &[("white", 100), ("black", 14), ("asian", 3), ("mixed", 2)]);
        ethnicity.merge_small = true;
        let safe =
            protect_all(&[group("treatment", vec![breakdown("reoffended", &[("yes", 40), ("no", 79)]), ethnicity])]);
        let categories = &safe.groups[0].breakdown("ethnicity").unwrap().categories;
        assert_eq!(*categories, [("white".to_owned(), Some(100)), (OTHER.to_owned(), Some(19))]);
    }

    #[test]
    fn numbers_that_do_not_agree_are_refused() {
        let bad = [
            group(
                "treatment",
                vec![breakdown("reoffended", &[("yes", 48), ("no", 168)]), breakdown("sex", &[("F", 5)])],
            ),
            group("treatment", vec![]),
        ];
        for bad in bad {
            assert!(protect_groups(&[bad], &Gates::default(), &policy(), &[], &|| {}, &|| false).is_err());
        }
    }
}
