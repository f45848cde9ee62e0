//! How many cells suppression hides and how long it takes: the heuristic, the exact search, and beside them the home-made rule "two hidden
//! cells in every line", which is audited because it promises what it does not keep.
//!
//! `cargo bench -p jdl-core --bench disclosure`; `JDL_BENCH_SECONDS` (default 60) is the CPU time of one exact search, `JDL_BENCH_SEEDS` (1) how
//! many tables of each size there are, `JDL_BENCH_ONLY` names sizes ("5x5 50x50"). Times are CPU seconds.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

use std::collections::BTreeMap;

use jdl_core::disclosure::{
    Costs, Hierarchies, Method, Policy, Record, Table, View, intervals, protect, sensitive_cells,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A table of every combination of labels: `small` of a hundred inner cells are 1 to 9, some are zero where it is sparse.
fn table(sizes: &[usize], small: u32, zero: u32, seed: u64) -> Table {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let names: Vec<String> = (0..sizes.len()).map(|d| format!("d{d}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let records: Vec<Record> = (0..sizes.iter().product::<usize>())
        .map(|number| {
            let mut rest = number;
            let labels = sizes.iter().map(|size| {
                let label = format!("{:02}", rest % size);
                rest /= size;
                Some(label)
            });
            let labels = labels.collect();
            let count = match random.random_range(0..100_u32) {
                draw if draw < small => random.random_range(1..10),
                draw if draw < small + zero => 0,
                _ => random.random_range(10..200),
            };
            Record { labels, count }
        })
        .collect();
    Table::from_records(&names, &Hierarchies::new(), &records).unwrap()
}

/// The rule of thumb: wherever a line has one hidden cell, its smallest other cell that is not zero is hidden too.
fn two_per_line(table: &Table, policy: &Policy) -> Vec<bool> {
    let counts = table.counts();
    let mut hidden = vec![false; counts.len()];
    for need in sensitive_cells(table, policy).unwrap() {
        hidden[need.cell] = true;
    }
    loop {
        let mut changed = false;
        for row in table.layout().rows() {
            let line: Vec<usize> = row.parts.iter().copied().chain([row.total]).collect();
            if line.iter().filter(|cell| hidden[**cell]).count() == 1 {
                let next = line.iter().filter(|cell| !hidden[**cell] && counts[**cell] > 0);
                if let Some(cell) = next.min_by_key(|cell| (counts[**cell], **cell)) {
                    hidden[*cell] = true;
                    changed = true;
                }
            }
        }
        if !changed {
            return hidden;
        }
    }
}

/// CPU seconds of this thread so far.
fn cpu() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    spent.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

struct Run {
    seconds: f64,
    hidden: usize,
    sum: i64,
    cost: u64,
    could_save: Option<u64>,
}

fn run(table: &Table, policy: &Policy, limit: f64) -> Run {
    let started = cpu();
    let safe = protect(table, policy, &[], &|| {}, &|| cpu() - started >= limit).unwrap();
    let seconds = cpu() - started;
    let gone = |cell: &usize| safe.values[*cell].is_none();
    let hidden: Vec<usize> = (0..safe.values.len()).filter(gone).collect();
    Run {
        seconds,
        hidden: hidden.len(),
        sum: hidden.iter().map(|cell| table.counts()[*cell]).sum(),
        cost: safe.loss.cost,
        could_save: safe.loss.could_save,
    }
}

fn main() {
    let setting =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let limit = setting("JDL_BENCH_SECONDS", 60) as f64;
    let sizes = std::env::var("JDL_BENCH_ONLY")
        .unwrap_or_else(|_| "5x5 10x10 15x15 20x20 30x30 50x50 5x5x3 10x2x5 10x10x5".to_owned());
    let sizes: Vec<Vec<usize>> =
        sizes.split(' ').map(|size| size.split('x').map(|labels| labels.parse().unwrap()).collect()).collect();
    println!(
        "{:<10} {:>2} {:<6} {:>5} | two per line: {:>5} {:>7} {:>6} {:>6} | heuristic: {:>7} {:>5} {:>7} | exact: {:>7} {:>5} {:>7} {:>6} {:>7}",
        "table",
        "T",
        "aim",
        "prim.",
        "cells",
        "sum",
        "known",
        "small",
        "s",
        "cells",
        "sum",
        "s",
        "cells",
        "sum",
        "proven",
        "excess"
    );
    // By kind of table: (cells of the heuristic over the fewest that protect, hidden ones all told), where that is proven.
    let mut excess: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (kind, small, zero) in [("dense", 25, 0), ("sparse", 6, 30)] {
        for size in &sizes {
            let name = size.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
            for seed in 1..=setting("JDL_BENCH_SEEDS", 1) {
                let table = table(size, small, zero, seed);
                for threshold in [10, 5] {
                    for (aim, costs) in [
                        ("reach", Costs { margin: 1, ..Costs::default() }),
                        ("sum", Costs { margin: 1, by_count: true, ..Costs::default() }),
                    ] {
                        let policy = Policy { threshold, costs, method: Method::Heuristic, ..Policy::default() };
                        let needs = sensitive_cells(&table, &policy).unwrap();
                        let naive = two_per_line(&table, &policy);
                        let shown: Vec<Option<i64>> = table
                            .counts()
                            .iter()
                            .zip(&naive)
                            .map(|(count, hidden)| (!hidden).then_some(*count))
                            .collect();
                        let known = policy.known(&table, &shown).unwrap();
                        let found = intervals(&View { layout: table.layout(), known: &known }, &|| {}).unwrap();
                        let sensitive = |cell: usize| needs.iter().any(|need| need.cell == cell);
                        let quick = run(&table, &policy, limit);
                        let exact = run(&table, &Policy { method: Method::Exact, ..policy.clone() }, limit);
                        println!(
                            "{:<10} {threshold:>2} {aim:<6} {:>5} |               {:>5} {:>7} {:>6} {:>6} |            {:>7.3} {:>5} {:>7} |        {:>7.3} {:>5} {:>7} {:>6} {:>6.1}%",
                            format!("{} {name}", &kind[..1]),
                            needs.len(),
                            naive.iter().filter(|hidden| **hidden).count(),
                            naive
                                .iter()
                                .zip(table.counts())
                                .filter(|(hidden, _)| **hidden)
                                .map(|(_, count)| count)
                                .sum::<i64>(),
                            found.iter().filter(|interval| sensitive(interval.cell) && interval.is_disclosed()).count(),
                            found
                                .iter()
                                .filter(|interval| sensitive(interval.cell) && interval.is_provably_below(threshold))
                                .count(),
                            quick.seconds,
                            quick.hidden,
                            quick.sum,
                            exact.seconds,
                            exact.hidden,
                            exact.sum,
                            match exact.could_save {
                                Some(0) => "yes".to_owned(),
                                Some(less) => format!("-{less}?"),
                                None => "no".to_owned(),
                            },
                            100.0 * (quick.hidden as f64 / exact.hidden.max(1) as f64 - 1.0),
                        );
                        let proven = exact.could_save == Some(0);
                        assert!(!proven || exact.cost <= quick.cost, "nothing costs less than what is proven");
                        let kind = match (size.len(), kind) {
                            (2, "dense") => "2-D dense",
                            (2, _) => "2-D sparse",
                            (_, "dense") => "3-D dense",
                            _ => "3-D sparse",
                        };
                        let sums = excess.entry(kind).or_default();
                        sums[2] += 1;
                        if proven {
                            sums[3] += 1;
                            if aim == "reach" {
                                sums[0] += quick.hidden;
                                sums[1] += exact.hidden;
                            }
                        }
                    }
                }
            }
        }
    }
    println!(
        "cells: hidden ones; sum: their counts; known, small: sensitive cells that the audit computes, or proves to be below T; \
         proven: that nothing costs less, or how much less, at most, another pattern could cost"
    );
    for (kind, [quick, fewest, runs, proven]) in excess {
        let over = match fewest {
            0 => "compared with none".to_owned(),
            fewest => format!("{:+.1} % over the proven fewest cells", 100.0 * (quick as f64 / fewest as f64 - 1.0)),
        };
        println!("{kind}: heuristic {over}; {proven} of {runs} optima proven");
    }
}
