//! The balance table, with the rows hidden that would give small numbers of people away.

use std::collections::BTreeSet;

use crate::disclosure::{Breakdown, OTHER, SafeGroup};
use crate::inference::{GroupSizes, SubGroupResult};
use crate::matching;
use crate::report::result::{Balance, BalanceRow, BalanceSummary, Light, Rules};

use super::sub_groups::{covariate, dimension};
use super::{Findings, WITHHELD};

/// One row of the balance table, and what is known of it before the disclosure model.
struct Row<'a> {
    row: &'a matching::BalanceRow,
    /// The covariate's name in the design.
    name: &'a str,
    /// The covariate in words.
    label: &'a str,
    /// Of a factor.
    level: Option<&'a str>,
    /// Whether one of the groups has few people of the level, or could be subtracted from others that have.
    few: bool,
}

impl Row<'_> {
    fn is_of(&self, group: &SubGroupResult) -> bool {
        self.name == covariate(group.by) && self.level == Some(&group.level)
    }
}

/// The rows but for the score's. The mean of a level is a number of people: small ones are marked, and with them so many
/// others of the covariate that they cannot be subtracted in any group.
fn rows<'a>(findings: &'a Findings<'_>) -> Vec<Row<'a>> {
    let read = |row: &'a matching::BalanceRow| {
        let known = findings.covariates.iter().find(|(name, _)| row.name.starts_with(name.as_str()));
        let (name, label) = known.map_or((&row.name, &row.name), |(name, label)| (name, label));
        let level = row.name.get(name.len()..).filter(|level| !level.is_empty());
        Row { row, name, label, level, few: false }
    };
    let mut rows: Vec<Row<'_>> = findings.balance.iter().filter(|row| row.name != "distance").map(read).collect();
    let people = [findings.analysis.treatment.people as f64, findings.analysis.comparison.people as f64];
    // Sums over people and how many they are: of the groups, of the pool, and of the pool less the comparison group. A sub-group's
    // people are printed, whatever weights the means have.
    let sums = |row: &Row<'_>| {
        let sub_group = findings.analysis.sub_groups.iter().find(|group| row.is_of(group));
        let row = row.row;
        let after = row.matched.unwrap_or(row.all);
        let sum = |mean: f64, people: f64| (mean * people, people);
        let (pool, comparison) =
            (sum(row.all.mean_control, findings.pool_size as f64), sum(after.mean_control, people[1]));
        [
            sum(row.all.mean_treated, people[0]),
            sum(after.mean_treated, people[0]),
            comparison,
            pool,
            (pool.0 - sub_group.map_or(comparison.0, |group| group.comparison.people as f64), pool.1 - comparison.1),
        ]
    };
    let fewest = |row: &Row<'_>| {
        sums(row).into_iter().map(|(count, _)| count).filter(|count| *count > 0.5).fold(f64::INFINITY, f64::min)
    };
    let threshold = findings.smallest_cell as f64;
    let is_small = |count: f64| count > 0.5 && count < threshold - 1e-6;
    // A number such as previous offences: a small sum belongs to few people, and a column of 0 and 1 (which has no
    // variance ratio) is a level whose complement has no row.
    for row in rows.iter_mut().filter(|row| row.level.is_none()) {
        let is_binary = row.row.all.variance_ratio.is_none();
        row.few =
            sums(row).into_iter().any(|(sum, people)| is_small(sum.abs()) || (is_binary && is_small(people - sum)));
    }
    let covariates: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    for covariate in covariates {
        let mut levels: Vec<usize> =
            (0..rows.len()).filter(|&i| rows[i].name == covariate && rows[i].level.is_some()).collect();
        levels.sort_by(|&a, &b| fewest(&rows[a]).total_cmp(&fewest(&rows[b])).then(a.cmp(&b)));
        let mut few = levels.iter().filter(|&&i| is_small(fewest(&rows[i]))).count();
        // What all hidden levels come to can be subtracted too, of each kind of people.
        let sum_is_small =
            |few: usize| (0..5).any(|kind| is_small(levels[..few].iter().map(|&i| sums(&rows[i])[kind].0).sum()));
        while few > 0 && few < levels.len() && (few < 2 || sum_is_small(few)) {
            few += 1;
        }
        levels[..few].iter().for_each(|&i| rows[i].few = true);
    }
    rows
}

/// Whether its people stand for different numbers of others: Kish's number is theirs only where all weights are the same.
fn is_weighted(group: &GroupSizes) -> bool {
    group.effective_n < group.people as f64 * (1.0 - 1e-9)
}

/// One group by each factor of the balance table, and the treatment group by its profile, for the linked model: profile,
/// sub-groups and balance table speak of the same people, so they must show and hide the same levels. Levels that are few in
/// any group are merged in both.
pub(super) fn breakdowns(findings: &Findings<'_>, which: usize) -> Vec<Breakdown> {
    let group = &[findings.analysis.treatment, findings.analysis.comparison][which];
    let people = group.people as f64;
    let breakdown =
        |name: &str, categories| Breakdown { name: name.to_owned(), of: None, categories, merge_small: true };
    let mut found: Vec<Breakdown> = Vec::new();
    if which == 0 {
        found.extend(findings.profile.iter().map(|block| breakdown(&block.key, block.categories.clone())));
    }
    let rows = rows(findings);
    let factors: BTreeSet<&str> = rows.iter().filter(|row| row.level.is_some()).map(|row| row.name).collect();
    for factor in factors {
        let levels: Vec<(&Row<'_>, &str, f64)> = rows
            .iter()
            .filter(|row| row.name == factor)
            .filter_map(|row| {
                let after = row.row.matched.unwrap_or(row.row.all);
                row.level.map(|level| (row, level, [after.mean_treated, after.mean_control][which] * people))
            })
            .collect();
        let name = dimension(factor);
        let at = match found.iter().position(|known| known.name == name) {
            Some(at) => at,
            // Weighted means are no numbers of people, and then there is nothing to subtract.
            None if is_weighted(group)
                || (levels.iter().map(|(.., count)| count).sum::<f64>() - people).abs() > 1e-3 =>
            {
                continue;
            }
            None => {
                let counts = levels.iter().map(|(_, level, count)| ((*level).to_owned(), count.round() as i64));
                found.push(breakdown(name, counts.collect()));
                found.len() - 1
            }
        };
        let is_part = |row: &Row<'_>| findings.analysis.sub_groups.iter().any(|group| row.is_of(group));
        let few = levels.iter().filter(|(row, ..)| row.few && !is_part(row));
        found[at].merge(&few.map(|(_, level, _)| (*level).to_owned()).collect::<Vec<_>>());
    }
    found
}

/// The balance table with the rows hidden that would give small numbers of people away: those that are few, and those of levels
/// that the linked model hides or has merged in either group.
pub(super) fn balance(findings: &Findings<'_>, rules: &Rules, groups: [&SafeGroup; 2]) -> Balance {
    let people_hidden = groups.iter().any(|group| group.people.is_none());
    let rows = rows(findings);
    let analysis = findings.analysis;
    let weighted = is_weighted(&analysis.treatment) || is_weighted(&analysis.comparison);
    let by_sub_group: BTreeSet<&str> = analysis.sub_groups.iter().map(|group| covariate(group.by)).collect();
    let few: BTreeSet<&str> = rows.iter().filter(|row| row.few).map(|row| row.name).collect();
    let is_hidden = |row: &Row<'_>| {
        let in_group = |group: &SafeGroup| {
            let (Some(level), Some(safe)) = (row.level, group.breakdown(dimension(row.name))) else { return false };
            let merged = safe.categories.iter().any(|(label, _)| label == OTHER);
            // A level that is itself called so may have others in it; one that is not there and not merged has nobody.
            if merged { level == OTHER || safe.count(level).is_none() } else { safe.is_hidden(level) }
        };
        // Beside the number of people of a sub-group, a weighted mean of another level tells of the rest.
        let of_sub_groups = weighted && by_sub_group.contains(row.name) && few.contains(row.name);
        row.few || people_hidden || of_sub_groups || groups.iter().any(|group| in_group(group))
    };
    let hidden: Vec<bool> = rows.iter().map(is_hidden).collect();
    let smd = |row: &matching::BalanceRow| row.matched.map_or(row.all.smd, |m| m.smd);
    let worst_of = |of_hidden: bool| {
        let of = rows.iter().zip(&hidden).filter(|(_, hidden)| **hidden == of_hidden);
        of.map(|(row, _)| smd(row.row).abs()).max_by(f64::total_cmp)
    };
    let (worst_shown, worst_hidden) = (worst_of(false), worst_of(true));
    let worst = [worst_shown, worst_hidden].into_iter().flatten().max_by(f64::total_cmp);
    // With the people in neither group being few, what the pool was like says what they are like.
    let others = findings.pool_size - findings.analysis.comparison.people as i64;
    let pool_shown = !(1..findings.smallest_cell).contains(&others);
    let rows = rows
        .iter()
        .zip(&hidden)
        .map(|(Row { row, label, level, .. }, hidden)| {
            let visible = |value: f64| (!hidden).then_some(value);
            BalanceRow {
                covariate: (*label).to_owned(),
                level: level.map(str::to_owned),
                treatment_mean: visible(row.matched.unwrap_or(row.all).mean_treated),
                comparison_mean_before: visible(row.all.mean_control).filter(|_| pool_shown),
                comparison_mean_after: row.matched.and_then(|m| visible(m.mean_control)),
                smd_before: visible(before(row)).filter(|_| pool_shown),
                smd_after: row.matched.and_then(|m| visible(m.smd)),
                variance_ratio: row.matched.and_then(|m| m.variance_ratio).and_then(visible),
                light: row.matched.and_then(|m| visible(m.smd)).map(|smd| Light::of(smd, rules)),
                withheld: hidden.then(|| WITHHELD.to_owned()),
            }
        })
        .collect();
    // The number of a hidden row would tell how many people are in it; its light has to be said.
    let worst_smd = worst_shown.filter(|shown| worst_hidden.is_none_or(|hidden| hidden <= *shown));
    Balance { rows, summary: BalanceSummary { worst_smd, light: worst.map(|smd| Light::of(smd, rules)) } }
}

/// The standardised difference of the analysed treatment group, whose mean stands beside it, from the pool. The treated who found
/// nobody similar are in no printed mean, or the few of them could be subtracted.
fn before(row: &matching::BalanceRow) -> f64 {
    let Some(matched) = row.matched else { return row.all.smd };
    let spread = |c: &matching::Comparison| (c.mean_treated - c.mean_control) / c.smd;
    let spread = [spread(&row.all), spread(&matched)].into_iter().find(|spread| spread.is_finite() && *spread > 0.0);
    spread.map_or(row.all.smd, |spread| (matched.mean_treated - row.all.mean_control) / spread)
}
