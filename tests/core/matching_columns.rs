//! Distances between several covariates: MatchIt's pairs and ours obey the same rule.
//!
//! Where controls are equally distant from a treated unit, the last bits of a transformed coordinate decide between them. So all pairs are
//! put to a plain check: with distances worked out here, every unit in turn must have got a control none nearer than which was free. The pairs
//! themselves are identical except in the configurations named in `TIES`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, missing_docs, reason = "tests may fail loudly")]

#[path = "matching_data.rs"]
mod data;

use std::collections::BTreeMap;

use data::*;
use jdl_core::matching::{MatchOptions, propensity};

/// Rows of numbers: factors as all their levels over the square root of two.
struct Rows {
    ids: Vec<i64>,
    treated: Vec<bool>,
    columns: Vec<Vec<f64>>,
    exact: Vec<String>,
}

fn rows(set: &str, only: Option<&[&str]>, exact: &str) -> Rows {
    let (_, treatment, covariates) = SETS.iter().find(|s| s.0 == set).unwrap();
    let (head, table) = table(&format!("data/{set}.csv"));
    let at = |name: &str| head.iter().position(|h| h == name).unwrap();
    let mut columns = Vec::new();
    for name in covariates.split(' ').filter(|name| only.is_none_or(|only| only.contains(name))) {
        let texts: Vec<&String> = table.iter().map(|row| &row[at(name)]).collect();
        if texts[0].parse::<f64>().is_ok() {
            columns.push(texts.iter().map(|t| t.parse().unwrap()).collect());
        } else {
            let mut levels = texts.clone();
            levels.sort();
            levels.dedup();
            for level in levels {
                columns.push(texts.iter().map(|t| if *t == level { 0.5_f64.sqrt() } else { 0.0 }).collect());
            }
        }
    }
    Rows {
        ids: table.iter().map(|row| row[at("id")].parse().unwrap()).collect(),
        treated: table.iter().map(|row| row[at(treatment)] == "1").collect(),
        columns,
        exact: table.iter().map(|row| if exact.is_empty() { String::new() } else { row[at(exact)].clone() }).collect(),
    }
}

fn covariance(columns: &[Vec<f64>], groups: &[bool], within: bool) -> Vec<Vec<f64>> {
    let mean = |column: &[f64], keep: &dyn Fn(usize) -> bool| {
        let members: Vec<f64> = (0..column.len()).filter(|&i| keep(i)).map(|i| column[i]).collect();
        members.iter().sum::<f64>() / members.len() as f64
    };
    let centred: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| {
            let (all, t, c) = (mean(column, &|_| true), mean(column, &|i| groups[i]), mean(column, &|i| !groups[i]));
            let centre = |i: usize| {
                if !within {
                    all
                } else if groups[i] {
                    t
                } else {
                    c
                }
            };
            (0..column.len()).map(|i| column[i] - centre(i)).collect()
        })
        .collect();
    let divisor = groups.len() as f64 - if within { 2.0 } else { 1.0 };
    let cell = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>() / divisor;
    centred.iter().map(|a| centred.iter().map(|b| cell(a, b)).collect()).collect()
}

/// Moore-Penrose inverse by Greville's (1960) recursion over columns.
fn pseudo_inverse(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = a.len();
    let scale: Vec<f64> = (0..n).map(|i| 1.0 / a[i][i].sqrt()).collect();
    let s = |i: usize, j: usize| a[i][j] * scale[i] * scale[j];
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f64>();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for k in 0..n {
        let column: Vec<f64> = (0..n).map(|i| s(i, k)).collect();
        let d: Vec<f64> = rows.iter().map(|row| dot(row, &column)).collect();
        let c: Vec<f64> = (0..n).map(|i| column[i] - (0..k).map(|j| s(i, j) * d[j]).sum::<f64>()).collect();
        let b: Vec<f64> = if dot(&c, &c).sqrt() > 1e-9 {
            c.iter().map(|x| x / dot(&c, &c)).collect()
        } else {
            (0..n).map(|i| (0..k).map(|j| d[j] * rows[j][i]).sum::<f64>() / (1.0 + dot(&d, &d))).collect()
        };
        for (row, d) in rows.iter_mut().zip(&d) {
            row.iter_mut().zip(&b).for_each(|(x, b)| *x -= d * b);
        }
        rows.push(b);
    }
    (0..n).map(|i| (0..n).map(|j| rows[i][j] * scale[i] * scale[j]).collect()).collect()
}

fn ranks(column: &[f64]) -> Vec<f64> {
    let below = |x: f64| column.iter().filter(|&&y| y < x).count() as f64;
    let equal = |x: f64| column.iter().filter(|&&y| y == x).count() as f64;
    let distinct: BTreeMap<u64, f64> =
        column.iter().map(|&x| (x.to_bits(), below(x) + (equal(x) + 1.0) / 2.0)).collect();
    column.iter().map(|x| distinct[&x.to_bits()]).collect()
}

/// Squared distances by the rule of a configuration.
fn metric(rows: &Rows, config: &str) -> impl Fn(usize, usize) -> f64 {
    let mut columns = rows.columns.clone();
    let weight = if config == "nn_scaled_euclid" {
        let c = covariance(&columns, &rows.treated, true);
        (0..c.len()).map(|i| (0..c.len()).map(|j| if i == j { 1.0 / c[i][i] } else { 0.0 }).collect()).collect()
    } else if config == "nn_robust_mahal" {
        columns = columns.iter().map(|c| ranks(c)).collect();
        let n = rows.ids.len() as f64;
        let mut c = covariance(&columns, &rows.treated, false);
        let f: Vec<f64> = (0..c.len()).map(|i| (n * (n + 1.0) / 12.0 / c[i][i]).sqrt()).collect();
        c.iter_mut().enumerate().for_each(|(i, row)| row.iter_mut().zip(&f).for_each(|(x, fj)| *x *= f[i] * fj));
        pseudo_inverse(&c)
    } else {
        pseudo_inverse(&covariance(&columns, &rows.treated, true))
    };
    move |a, b| {
        let d: Vec<f64> = columns.iter().map(|c| c[a] - c[b]).collect();
        (0..d.len()).map(|i| (0..d.len()).map(|j| d[i] * weight[i][j] * d[j]).sum::<f64>()).sum::<f64>().max(0.0).sqrt()
    }
}

/// How many units, choosing in `order`, did not get a nearest one of those free (to a relative 1e-7).
fn breaches(
    rows: &Rows,
    order: &[usize],
    pairs: &Pairs,
    replace: bool,
    distance: &dyn Fn(usize, usize) -> f64,
    allowed: &dyn Fn(usize, usize) -> bool,
) -> usize {
    let at: BTreeMap<i64, usize> = rows.ids.iter().enumerate().map(|(row, &id)| (id, row)).collect();
    let partner: BTreeMap<usize, usize> = pairs.iter().map(|(t, c)| (at[t], at[c])).collect();
    let controls: Vec<usize> = (0..rows.ids.len()).filter(|&row| !rows.treated[row]).collect();
    let mut used = vec![false; rows.ids.len()];
    let mut breaches = 0;
    for &unit in order {
        let free = controls.iter().filter(|&&c| !used[c] && allowed(unit, c));
        let nearest = free.map(|&c| distance(unit, c)).fold(f64::INFINITY, f64::min);
        match partner.get(&unit) {
            None => breaches += usize::from(nearest.is_finite()),
            Some(&c) => {
                assert!(!used[c] && allowed(unit, c));
                breaches += usize::from(distance(unit, c) > nearest * (1.0 + 1e-7) + 1e-9);
                used[c] = !replace;
            }
        }
    }
    breaches
}

/// Configurations with equally distant controls between which other last bits decide here; in the three of rossi that use all columns
/// MatchIt's own coordinates are off besides.
const TIES: [(&str, &str); 7] = [
    ("nsw_cps", "nn_mahal_replace"),
    ("nsw_cps", "nn_mahvars_cal02_replace"),
    ("nsw_cps", "nn_scaled_euclid"),
    ("rossi", "nn_mahal"),
    ("rossi", "nn_mahal_replace"),
    ("rossi", "nn_mahal_exact"),
    ("rossi", "nn_mahvars_cal02_replace"),
];

#[test]
fn every_unit_gets_a_nearest_free_control_here_and_in_matchit() {
    let mut checked = 0;
    for (set, config, options) in configs() {
        let by_columns = options.get("distance").is_some() || options.get("mahvars").is_some();
        if options["method"] != "nearest" || !by_columns {
            continue;
        }
        let mahvars: Option<Vec<String>> =
            options.get("mahvars").map(|names| serde_json::from_value(names.clone()).unwrap());
        let only: Option<Vec<&str>> = mahvars.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let exact = options.get("exact").map_or("", |names| names[0].as_str().unwrap());
        let rows = rows(&set, only.as_deref(), exact);
        let distance = metric(&rows, &config);
        let (frame, matching) = run(&set, None, &options);
        let mut order: Vec<usize> = (0..rows.ids.len()).filter(|&row| rows.treated[row]).collect();
        let score = propensity(&frame, &MatchOptions::default(), &|| {}).unwrap().scores();
        let width = matching.calipers.first().map(|c| c.width);
        if width.is_some() {
            order.sort_by(|&a, &b| score[b].total_cmp(&score[a]));
        }
        let allowed = |a: usize, b: usize| {
            rows.exact[a] == rows.exact[b] && width.is_none_or(|width| (score[a] - score[b]).abs() <= width)
        };
        let replace = options["replace"] == true;
        let ours = breaches(&rows, &order, &pairs(&matching), replace, &distance, &allowed);
        assert_eq!(ours, 0, "{set} {config}: ours");
        let (wanted, _) = reference_pairs(&set, &config, false).unwrap();
        let theirs = breaches(&rows, &order, &wanted, replace, &distance, &allowed);
        // All columns of rossi: four factors make the covariance singular four times over, and MatchIt's coordinates (a Cholesky factor that keeps
        // a part that should be zero) send a few units to a control up to 2 % farther than the nearest.
        let singular = set == "rossi" && ["nn_mahal", "nn_mahal_replace", "nn_mahal_exact"].contains(&config.as_str());
        assert!(if singular { (1..=3).contains(&theirs) } else { theirs == 0 }, "{set} {config}: MatchIt's {theirs}");
        assert_eq!(matching.pairs.len(), wanted.len());
        if !TIES.contains(&(set.as_str(), config.as_str())) {
            assert_eq!(pairs(&matching), wanted, "{set} {config}");
            same_weights(&set, &config, &frame, &matching.weights, 1e-12);
            assert!(same_summary(&set, &config, &matching, 1e-9) > 20, "{set} {config}");
        }
        checked += 1;
    }
    assert_eq!(checked, 28);
}
