//! The balance table, with the rows hidden that would give small numbers of people away.

use crate::matching;
use crate::report::result::{Balance, BalanceRow, BalanceSummary, Light, Rules};

use super::{Findings, WITHHELD};

pub(super) fn balance(findings: &Findings<'_>, rules: &Rules, people_hidden: bool) -> Balance {
    let people = [findings.analysis.treatment.people as f64, findings.analysis.comparison.people as f64];
    let named: Vec<(&matching::BalanceRow, String, Option<String>)> = findings
        .balance
        .iter()
        .filter(|row| row.name != "distance")
        .map(|row| {
            let known = findings.covariates.iter().find(|(name, _)| row.name.starts_with(name.as_str()));
            match known {
                Some((name, label)) => {
                    let level = &row.name[name.len()..];
                    (row, label.clone(), (!level.is_empty()).then(|| level.to_owned()))
                }
                None => (row, row.name.clone(), None),
            }
        })
        .collect();
    // The mean of a level is a number of people: hide small ones, and with them so many that they cannot be subtracted.
    let mut hidden = vec![people_hidden; named.len()];
    let fewest = |row: &matching::BalanceRow| {
        let after = row.matched.unwrap_or(row.all);
        [
            row.all.mean_treated * people[0],
            after.mean_treated * people[0],
            after.mean_control * people[1],
            row.all.mean_control * findings.pool_size as f64,
        ]
        .into_iter()
        .filter(|count| *count > 0.5)
        .fold(f64::INFINITY, f64::min)
    };
    let threshold = findings.smallest_cell as f64;
    let covariates: std::collections::BTreeSet<&String> = named.iter().map(|(_, c, _)| c).collect();
    for covariate in covariates {
        let mut levels: Vec<usize> =
            (0..named.len()).filter(|&i| &named[i].1 == covariate && named[i].2.is_some()).collect();
        levels.sort_by(|&a, &b| fewest(named[a].0).total_cmp(&fewest(named[b].0)).then(a.cmp(&b)));
        let small = levels.iter().filter(|&&i| fewest(named[i].0) < threshold - 0.5).count();
        if small > 0 {
            let mut sum = 0.0;
            for (position, &i) in levels.iter().enumerate() {
                if position < small || position < 2 || sum < threshold {
                    hidden[i] = true;
                    sum += fewest(named[i].0);
                }
            }
        }
    }
    let light = |light: matching::Light| match light {
        matching::Light::Green => Light::Green,
        matching::Light::Amber => Light::Amber,
        matching::Light::Red => Light::Red,
    };
    let smd = |row: &matching::BalanceRow| row.matched.map_or(row.all.smd, |m| m.smd);
    let worst = named.iter().map(|(row, ..)| smd(row).abs()).max_by(f64::total_cmp);
    let rows = named
        .iter()
        .zip(&hidden)
        .map(|((row, covariate, level), hidden)| {
            let visible = |value: f64| (!hidden).then_some(value);
            BalanceRow {
                covariate: covariate.clone(),
                level: level.clone(),
                treatment_mean: visible(row.matched.unwrap_or(row.all).mean_treated),
                comparison_mean_before: visible(row.all.mean_control),
                comparison_mean_after: row.matched.and_then(|m| visible(m.mean_control)),
                smd_before: visible(row.all.smd),
                smd_after: row.matched.and_then(|m| visible(m.smd)),
                variance_ratio: row.matched.and_then(|m| m.variance_ratio).and_then(visible),
                light: (!hidden && row.matched.is_some()).then(|| light(row.light)),
                withheld: hidden.then(|| WITHHELD.to_owned()),
            }
        })
        .collect();
    Balance { rows, summary: BalanceSummary { worst_smd: worst, light: worst.map(|smd| Light::of(smd, rules)) } }
}
