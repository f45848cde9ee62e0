//! How alike the groups are, before and after matching, in MatchIt's terms (`summary.matchit`).

use rayon::prelude::*;
use serde::Serialize;

use crate::matching::design::{CHUNK, Design};
use crate::matching::options::Estimand;
use crate::number::{Heartbeat, pairwise_sum};

/// Differences smaller than this (the square root of the machine's precision, as in R) are not divided.
const TINY: f64 = 1.490_116_119_384_765_6e-8;

/// The traffic light on a standardised mean difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// At most 5 %.
    Green,
    /// At most 10 %.
    Amber,
    /// More.
    Red,
}

impl Light {
    /// The light of a standardised mean difference (limits as in the lab's reports: DOMAIN.md section 1, item 9).
    pub fn of(smd: f64) -> Self {
        match smd.abs() {
            d if d <= 0.05 => Self::Green,
            d if d <= 0.10 => Self::Amber,
            _ => Self::Red,
        }
    }
}

/// One covariate compared between the groups, under one set of weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Weighted mean of the treated.
    pub mean_treated: f64,
    /// Weighted mean of the controls.
    pub mean_control: f64,
    /// Mean difference over the unmatched standard deviation of the group that the estimand is about.
    pub smd: f64,
    /// Variance of the treated over that of the controls; `None` for 0/1 columns or if it cannot be had.
    pub variance_ratio: Option<f64>,
    /// Mean over the distinct values of the distance between the cumulative distributions.
    pub ecdf_mean: f64,
    /// The largest such distance (Kolmogorov and Smirnov).
    pub ecdf_max: f64,
}

/// One row of a balance table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BalanceRow {
    /// `distance`, or R's name of the column.
    pub name: String,
    /// Everybody, unweighted.
    pub all: Comparison,
    /// The matched, weighted; `None` if nobody was matched.
    pub matched: Option<Comparison>,
    /// Mean absolute difference within pairs, over the same standard deviation; `None` without pairs.
    pub pair_distance: Option<f64>,
    /// The light on the matched difference (on the raw one if nobody was matched).
    pub light: Light,
}

/// What balance is taken of.
pub(crate) struct Compared<'a> {
    pub(crate) treated: &'a [bool],
    /// Weights of all rows.
    pub(crate) weights: &'a [f64],
    /// Pairs of rows.
    pub(crate) pairs: &'a [(u32, u32)],
    pub(crate) estimand: Estimand,
}

/// The balance table: the score if there is one, then every column of `design`, then squares and products if asked for.
pub(crate) fn table(
    compared: &Compared<'_>,
    score: Option<&[f64]>,
    design: &Design<'_>,
    (squares, interactions): (bool, bool),
    heartbeat: Heartbeat<'_>,
) -> Vec<BalanceRow> {
    let mut rows: Vec<BalanceRow> = score.map(|score| compared.row("distance".to_owned(), score)).into_iter().collect();
    let mut jobs: Vec<(usize, Option<usize>)> = (0..design.terms.len()).map(|term| (term, None)).collect();
    for a in 0..design.terms.len() {
        let number = design.terms[a].level.is_none();
        if squares && number {
            jobs.push((a, Some(a)));
        }
        if interactions {
            let other = |b: &usize| design.terms[*b].covariate != design.terms[a].covariate;
            jobs.extend((a + 1..design.terms.len()).filter(other).map(|b| (a, Some(b))));
        }
    }
    for batch in jobs.chunks(8) {
        rows.par_extend(batch.par_iter().map(|&(a, b)| {
            let mut values = design.column(a);
            let mut name = design.terms[a].name.clone();
            if let Some(b) = b {
                values.iter_mut().zip(design.column(b)).for_each(|(a, b)| *a *= b);
                name = if a == b { format!("{name}²") } else { format!("{name} * {}", design.terms[b].name) };
            }
            compared.row(name, &values)
        }));
        heartbeat();
    }
    rows
}

/// The column with the largest absolute standardised mean difference under the weights, and that difference; `None` if nobody is matched.
pub(crate) fn worst(compared: &Compared<'_>, design: &Design<'_>) -> Option<(String, f64)> {
    let smds: Vec<Option<f64>> = (0..design.terms.len())
        .into_par_iter()
        .map(|term| {
            let values = design.column(term);
            let [raw, matched] = compared.moments(&values);
            let binary = is_binary(&values);
            matched.iter().all(|sums| sums.weight > 0.0).then(|| {
                let difference = matched[1].mean() - matched[0].mean();
                if difference.abs() <= TINY {
                    difference.abs()
                } else {
                    (difference / compared.spread(&raw, binary)).abs()
                }
            })
        })
        .collect();
    let worst = smds.into_iter().enumerate().filter_map(|(term, smd)| smd.map(|smd| (term, smd)));
    worst.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(term, smd)| (design.terms[term].name.clone(), smd))
}

/// Sums over one group in the order of the rows, in chunks.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    weight_squares: f64,
    values: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.weight += other.weight;
        self.weight_squares += other.weight_squares;
        self.values += other.values;
        self.squares += other.squares;
    }

    fn mean(&self) -> f64 {
        self.values / self.weight
    }

    /// `squares` being about the mean: m (1 - m) for 0/1, else the variance with the weights' n - 1 (MatchIt's `wvar`).
    fn variance(&self, binary: bool) -> f64 {
        if binary {
            self.mean() * (1.0 - self.mean())
        } else {
            self.squares / self.weight / (1.0 - self.weight_squares / (self.weight * self.weight))
        }
    }
}

impl Compared<'_> {
    fn row(&self, name: String, values: &[f64]) -> BalanceRow {
        let binary = is_binary(values);
        let [raw, matched] = self.moments(values);
        let [ecdf_raw, ecdf_matched] = if binary { [None, None] } else { self.ecdf(values) };
        let spread = self.spread(&raw, binary);
        let compare = |sums: &[Sums; 2], ecdf: Option<(f64, f64)>| {
            let (mean_treated, mean_control) = (sums[1].mean(), sums[0].mean());
            let difference = mean_treated - mean_control;
            let ratio = sums[1].variance(false) / sums[0].variance(false);
            let (ecdf_mean, ecdf_max) = ecdf.unwrap_or((difference.abs(), difference.abs()));
            Comparison {
                mean_treated,
                mean_control,
                smd: if difference.abs() <= TINY { difference } else { difference / spread },
                variance_ratio: (!binary && ratio.is_finite()).then_some(ratio),
                ecdf_mean,
                ecdf_max,
            }
        };
        let all = compare(&raw, ecdf_raw);
        let someone = matched.iter().all(|sums| sums.weight > 0.0);
        let matched = someone.then(|| compare(&matched, ecdf_matched));
        let pair_distance = matched.filter(|_| !self.pairs.is_empty()).map(|matched| {
            let differences: Vec<f64> =
                self.pairs.iter().map(|&(t, c)| (values[t as usize] - values[c as usize]).abs()).collect();
            let mean = pairwise_sum(&differences) / differences.len() as f64;
            // MatchIt divides by the standard deviation only where it divides the mean difference too.
            if (matched.mean_treated - matched.mean_control).abs() <= TINY { mean } else { mean / spread }
        });
        let light = Light::of(matched.map_or(all.smd, |m| m.smd));
        BalanceRow { name, all, matched, pair_distance, light }
    }

    /// Sums of controls and treated, unweighted and weighted, squares about the means.
    fn moments(&self, values: &[f64]) -> [[Sums; 2]; 2] {
        let pass = |about: Option<[[f64; 2]; 2]>| {
            let mut total = [[Sums::default(); 2]; 2];
            for start in (0..values.len()).step_by(CHUNK) {
                let mut part = [[Sums::default(); 2]; 2];
                for (row, &value) in values.iter().enumerate().skip(start).take(CHUNK) {
                    let group = usize::from(self.treated[row]);
                    for (side, weight) in [1.0, self.weights[row]].into_iter().enumerate() {
                        let deviation = about.map_or(0.0, |about| value - about[side][group]);
                        part[side][group].add(Sums {
                            weight,
                            weight_squares: weight * weight,
                            values: weight * value,
                            squares: weight * deviation * deviation,
                        });
                    }
                }
                for (total, part) in total.iter_mut().flatten().zip(part.into_iter().flatten()) {
                    total.add(part);
                }
            }
            total
        };
        let first = pass(None);
        pass(Some(first.map(|side| side.map(|sums| if sums.weight > 0.0 { sums.mean() } else { 0.0 }))))
    }

    /// The standard deviation that differences are divided by.
    fn spread(&self, raw: &[Sums; 2], binary: bool) -> f64 {
        let [control, treated] = raw.map(|sums| sums.variance(binary));
        let spread = match self.estimand {
            Estimand::Att => treated.sqrt(),
            Estimand::Atc => control.sqrt(),
            Estimand::Ate => ((treated + control) / 2.0).sqrt(),
        };
        if spread >= TINY {
            return spread;
        }
        let n = raw[0].weight + raw[1].weight;
        ((raw[0].weight * control + raw[1].weight * treated) / n).sqrt()
    }

    /// Mean and largest distance of the cumulative distributions over all distinct values, unweighted and weighted; `None` for a side without weights.
    fn ecdf(&self, values: &[f64]) -> [Option<(f64, f64)>; 2] {
        let totals = self.group_weights();
        // What each row adds to F_treated - F_control, unweighted and weighted.
        let share = |row: usize| {
            let group = usize::from(self.treated[row]);
            let sign = if self.treated[row] { 1.0 } else { -1.0 };
            let part = |side: usize, weight: f64| {
                if totals[side][group] > 0.0 { sign * weight / totals[side][group] } else { 0.0 }
            };
            [part(0, 1.0), part(1, self.weights[row])]
        };
        let mut curve = Curve::default();
        in_order(values, share, |step| curve.add(step));
        let side = |at: usize| {
            let someone = totals[at].iter().all(|&w| w > 0.0);
            someone.then(|| (curve.sum[at] / curve.points as f64, curve.largest[at]))
        };
        [side(0), side(1)]
    }

    fn group_weights(&self) -> [[f64; 2]; 2] {
        let mut totals = [[0.0; 2]; 2];
        for (&treated, &weight) in self.treated.iter().zip(self.weights) {
            totals[0][usize::from(treated)] += 1.0;
            totals[1][usize::from(treated)] += weight;
        }
        totals
    }
}

/// The difference of two cumulative distributions, walked from left to right.
#[derive(Default)]
struct Curve {
    height: [f64; 2],
    sum: [f64; 2],
    largest: [f64; 2],
    points: usize,
}

impl Curve {
    fn add(&mut self, step: [f64; 2]) {
        self.points += 1;
        for (side, step) in step.into_iter().enumerate() {
            self.height[side] += step;
            self.sum[side] += self.height[side].abs();
            self.largest[side] = self.largest[side].max(self.height[side].abs());
        }
    }
}

/// Calls `at_value` for each distinct value in ascending order with the sum of `share` over the rows that have it.
///
/// Small whole numbers are counted into cells; others are sorted, by 32 bits with the row behind them where that is exact.
fn in_order(values: &[f64], share: impl Fn(usize) -> [f64; 2], mut at_value: impl FnMut([f64; 2])) {
    const CELLS: f64 = 65_536.0;
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
    if high - low < CELLS && values.iter().all(|x| x.fract() == 0.0) {
        let mut cells = vec![([0.0; 2], false); (high - low) as usize + 1];
        for (row, &value) in values.iter().enumerate() {
            let cell = &mut cells[(value - low) as usize];
            let [a, b] = share(row);
            *cell = ([cell.0[0] + a, cell.0[1] + b], true);
        }
        cells.into_iter().filter(|cell| cell.1).for_each(|cell| at_value(cell.0));
        return;
    }
    let mut group: Option<(f64, [f64; 2])> = None;
    let mut visit = |row: usize| {
        let [a, b] = share(row);
        match &mut group {
            Some((value, sum)) if value.total_cmp(&values[row]).is_eq() => *sum = [sum[0] + a, sum[1] + b],
            _ => {
                if let Some((_, sum)) = group.replace((values[row], [a, b])) {
                    at_value(sum);
                }
            }
        }
    };
    if values.iter().all(|&x| f64::from(x as f32).total_cmp(&x).is_eq()) {
        let mut keys: Vec<u64> =
            values.iter().enumerate().map(|(row, &x)| u64::from(ordered(x as f32)) << 32 | row as u64).collect();
        keys.sort_unstable();
        keys.iter().for_each(|key| visit((key & 0xffff_ffff) as usize));
    } else {
        let mut order: Vec<(f64, u32)> = values.iter().enumerate().map(|(row, &x)| (x, row as u32)).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.iter().for_each(|&(_, row)| visit(row as usize));
    }
    if let Some((_, sum)) = group {
        at_value(sum);
    }
}

/// Whether every value is 0 or 1.
fn is_binary(values: &[f64]) -> bool {
    values.iter().all(|x| matches!(x, 0.0 | 1.0))
}

/// Bits that order as the numbers do.
fn ordered(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}
