//! The counts of one report, protected together.
//!
//! The tables of a report are about the same people: the outcome, its court categories and the profile of a group add up
//! to the same number, a sub-analysis is a part of its group, whose rest anybody can subtract, and the group is what is left of
//! those who were sent in. So they become one linked table, and every count of the report comes out of one call.
//!
//! Whether a count or rate is withheld because it is small or because it is large would itself be an answer, so the
//! gates only say yes or no.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::disclosure::groups::{
    GROUP, Group, Whole, merge_categories, part_dimension, people_of, rest_of, table_of, tables_of_parts,
};
use crate::disclosure::layout::Labels;
use crate::disclosure::policy::{CellCost, Policy};
use crate::disclosure::table::Table;
use crate::disclosure::{Protected, protect};
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// What hiding the size of a group costs, where a cell costs 1 or 2: without it next to nothing of a report is left.
const SIZE_COST: u32 = 100;

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

impl SafeCounts {
    /// How many people a group or a [`Whole`] has, or a part of one that is neither; `None` where hidden or not there.
    pub fn people(&self, name: &str) -> Option<i64> {
        let cell = self.table.layout().find(&BTreeMap::from([(GROUP.to_owned(), Some(name.to_owned()))]))?;
        self.protected.values[cell]
    }
}

/// Protects all counts of a report in one linked model.
///
/// `policy.outcome_dimension` names the breakdown that holds the outcome (`reoffended`, say). A part with fewer people than
/// [`Gates::group`] has no table: it counts as rest, and of a rest so small no outcome can be computed.
///
/// # Errors
/// [`Error::InvalidInput`] if a group has no breakdown, breakdowns of the same people do not add up to the same number, a
/// part is larger than its group, a whole says another number of people than its group, or a name is used twice; and what
/// [`protect`] refuses.
pub fn protect_groups(
    groups: &[Group],
    wholes: &[Whole],
    gates: &Gates,
    policy: &Policy,
    keys: &[u64],
    heartbeat: Heartbeat,
    out_of_time: &dyn Fn() -> bool,
) -> Result<SafeCounts> {
    let groups: Vec<Group> =
        groups.iter().map(|group| merge_categories(group, policy.threshold)).collect::<Result<_>>()?;
    let mut tables: Vec<Table> = wholes.iter().map(Whole::table).collect::<Result<_>>()?;
    let mut policy = policy.clone();
    let people_of_set = |name: &str| BTreeMap::from([(GROUP.to_owned(), Some(name.to_owned()))]);
    policy
        .costs
        .cells
        .extend(wholes.iter().map(|whole| CellCost { cell: people_of_set(&whole.name), cost: whole.cost }));
    let mut withheld: Vec<Labels> = policy.withhold.clone();
    for (number, group) in groups.iter().enumerate() {
        if groups[..number].iter().any(|other| other.name == group.name) {
            return Err(Error::invalid("group", "needs a name of its own"));
        }
        let people = people_of(group)?;
        for breakdown in &group.breakdowns {
            tables.push(table_of(group, breakdown)?);
        }
        let own = people_of_set(&group.name);
        policy.costs.cells.push(CellCost { cell: own.clone(), cost: SIZE_COST });
        if people < gates.group {
            withheld.push(own.clone());
        }
        let mut parts: BTreeMap<String, Vec<&Group>> = BTreeMap::new();
        for part in &group.parts {
            if people_of(part)? >= gates.group {
                parts.entry(part_dimension(part)).or_default().push(part);
            }
        }
        for (dimension, parts) in parts {
            tables.extend(tables_of_parts(group, &dimension, &parts)?);
            let in_parts: i64 = parts.iter().map(|part| people_of(part)).sum::<Result<_>>()?;
            if (1..gates.group).contains(&(people - in_parts)) {
                let rest = [own.clone(), BTreeMap::from([(dimension, Some(rest_of(&parts)))])];
                withheld.push(rest.into_iter().flatten().collect());
            }
        }
    }
    let table = Table::link(&tables)?;
    let layout = table.layout();
    // What is withheld is withheld with all its breakdowns.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::groups::{Breakdown, OTHER};

    fn breakdown(name: &str, categories: &[(&str, i64)]) -> Breakdown {
        let categories = categories.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect();
        Breakdown { name: name.to_owned(), of: None, categories, merge_small: false }
    }

    fn policy() -> Policy {
        Policy { outcome_dimension: Some("reoffended".to_owned()), ..Policy::default() }
    }

    fn protect_all(groups: &[Group]) -> SafeCounts {
        protect_groups(groups, &[], &Gates::default(), &policy(), &[], &|| {}, &|| false).unwrap()
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
        assert!(protect_groups(&[overlap], &[], &Gates::default(), &policy(), &[], &|| {}, &|| false).is_err());
    }

    #[test]
    fn no_outcome_of_a_small_part_or_rest_can_be_computed() {
        let shown = |female: [i64; 2], male: [i64; 2], rest: [i64; 2]| {
            let (yes, no) = (female[0] + male[0] + rest[0], female[1] + male[1] + rest[1]);
            let mut treatment = group("treatment", vec![breakdown("reoffended", &[("yes", yes), ("no", no)])]);
            for (name, part) in [("female", female), ("male", male)] {
                let mut part = group(name, vec![breakdown("reoffended", &[("yes", part[0]), ("no", part[1])])]);
                part.dimension = Some("sex".to_owned());
                treatment.parts.push(part);
            }
            let safe = protect_all(&[treatment]).groups.remove(0);
            let shown = |group: &SafeGroup| group.breakdown("reoffended").unwrap().count("yes").is_some();
            [shown(&safe.parts[0]), shown(&safe.parts[1]), shown(&safe)]
        };
        // No count is small, but 29 women are too few for a table, and the men's would be theirs by subtraction.
        assert_eq!(shown([14, 15], [30, 108], [0, 0]), [false, false, true]);
        assert_eq!(shown([14, 16], [30, 108], [0, 0]), [true; 3]);
        // So are 29 of neither sex, and 15 women with 14 of neither; with 15 of neither the two are enough.
        assert!(shown([40, 60], [30, 108], [14, 15])[..2].contains(&false));
        assert_eq!(shown([7, 8], [30, 108], [7, 7]), [false, false, true]);
        assert_eq!(shown([7, 8], [30, 108], [7, 8]), [false, true, true]);
    }

    #[test]
    fn what_a_group_was_drawn_from_is_protected_with_it() {
        let treatment = || group("treatment", vec![breakdown("reoffended", &[("yes", 48), ("no", 168)])]);
        let whole = |name: &str, parts: &[(&str, i64)]| Whole {
            name: name.to_owned(),
            parts: parts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            cost: 2,
        };
        let wholes = [
            whole("found", &[("treatment", 216), ("not matched", 20)]),
            whole("sent", &[("found", 236), ("suspect", 4), ("nobody", 30)]),
        ];
        let safe =
            protect_groups(&[treatment()], &wholes, &Gates::default(), &policy(), &[], &|| {}, &|| false).unwrap();
        assert_eq!((safe.people("treatment"), safe.people("found")), (Some(216), Some(236)));
        assert_eq!((safe.people("suspect"), safe.people("nobody"), safe.people("sent")), (None, None, Some(270)));
        assert_eq!(safe.people("anybody"), None);
        let other = [whole("found", &[("treatment", 215)])];
        assert!(protect_groups(&[treatment()], &other, &Gates::default(), &policy(), &[], &|| {}, &|| false).is_err());
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
            assert!(protect_groups(&[bad], &[], &Gates::default(), &policy(), &[], &|| {}, &|| false).is_err());
        }
    }
}
