//! How alike the groups are, before and after matching, in MatchIt's terms (`summary.matchit`).

use rayon::prelude::*;
use serde::Serialize;

use crate::matching::design::{CHUNK, Design};
use crate::matching::options::Estimand;
use crate::matching::order::ordered;
use crate::number::{Heartbeat, pairwise_sum};

/// Differences smaller than this (the square root of the machine's precision, as in R) are not divided.
const TINY: f64 = 1.490_116_119_384_765_6e-8;

/// The traffic light on a standardised mean difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// At most the first limit, 5 % unless set otherwise.
    Green,
    /// At most the second, 10 %.
    Amber,
    /// More.
    Red,
}

impl Light {
    /// The light of a standardised mean difference, by two limits.
    pub fn of(smd: f64, [green, amber]: [f64; 2]) -> Self {
        match smd.abs() {
            d if d <= green => Self::Green,
            d if d <= amber => Self::Amber,
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
    /// Of the lights.
    pub(crate) limits: [f64; 2],
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
            let binary = is_binary(&values);
            let [raw, matched] = compared.moments(&values, binary);
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
        let [raw, matched] = self.moments(values, binary);
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
        let light = Light::of(matched.map_or(all.smd, |m| m.smd), self.limits);
        BalanceRow { name, all, matched, pair_distance, light }
    }

    /// Sums of controls and treated, unweighted and weighted; squares about the means, which 0/1 columns do not need.
    fn moments(&self, values: &[f64], binary: bool) -> [[Sums; 2]; 2] {
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
        if binary {
            return first;
        }
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

    /// Mean and largest distance of the cumulative distributions over all distinct values, unweighted and weighted; `None` for a side where a
    /// group has no weight.
    fn ecdf(&self, values: &[f64]) -> [Option<(f64, f64)>; 2] {
        let mut totals = [[0.0; 2]; 2];
        for (&treated, &weight) in self.treated.iter().zip(self.weights) {
            totals[0][usize::from(treated)] += 1.0;
            totals[1][usize::from(treated)] += weight;
        }
        // Below each value: controls and treated, unweighted and weighted.
        let mut below = [[0.0; 2]; 2];
        let (mut sum, mut largest, mut points) = ([0.0; 2], [0.0_f64; 2], 0_u32);
        in_order(values, self, |here: [[f64; 2]; 2]| {
            points += 1;
            for side in 0..2 {
                below[side][0] += here[side][0];
                below[side][1] += here[side][1];
                let height = (below[side][1] / totals[side][1] - below[side][0] / totals[side][0]).abs();
                sum[side] += height;
                largest[side] = largest[side].max(height);
            }
        });
        [0, 1].map(|side| totals[side].iter().all(|&w| w > 0.0).then(|| (sum[side] / f64::from(points), largest[side])))
    }
}

/// Calls `at_value` for each distinct value in ascending order with the rows that have it: controls and treated, unweighted and weighted.
///
/// Small whole numbers are counted into cells. Of others the rows without a weight are sorted as bare numbers, group by group, those with
/// a weight together with it, and the three are merged, so that memory is read in its order.
fn in_order(values: &[f64], compared: &Compared<'_>, mut at_value: impl FnMut([[f64; 2]; 2])) {
    const CELLS: f64 = 65_536.0;
    let rows = || values.iter().zip(compared.treated.iter().map(|&t| usize::from(t)).zip(compared.weights));
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
    if high - low < CELLS && values.iter().all(|x| x.fract() == 0.0) {
        let mut cells = vec![[[0.0; 2]; 2]; (high - low) as usize + 1];
        for (value, (group, weight)) in rows() {
            let cell = &mut cells[(value - low) as usize];
            cell[0][group] += 1.0;
            cell[1][group] += weight;
        }
        cells.into_iter().filter(|cell| cell[0][0] + cell[0][1] > 0.0).for_each(at_value);
        return;
    }
    let (mut unused, mut used) = ([Vec::new(), Vec::new()], Vec::new());
    for (&value, (group, &weight)) in rows() {
        if weight > 0.0 {
            // The sign of the weight tells the group.
            used.push((ordered(value), if group == 1 { weight } else { -weight }));
        } else {
            unused[group].push(ordered(value));
        }
    }
    unused.par_iter_mut().for_each(|keys| keys.sort_unstable());
    used.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut heads = [0; 2];
    let mut used = used.into_iter().peekable();
    loop {
        let next = |group: usize| unused[group].get(heads[group]).copied();
        let candidates = [next(0), next(1), used.peek().map(|u| u.0)];
        let Some(value) = candidates.into_iter().flatten().min() else { return };
        let mut here = [[0.0; 2]; 2];
        for group in 0..2 {
            while unused[group].get(heads[group]) == Some(&value) {
                heads[group] += 1;
                here[0][group] += 1.0;
            }
        }
        while let Some((_, weight)) = used.next_if(|u| u.0 == value) {
            here[0][usize::from(weight > 0.0)] += 1.0;
            here[1][usize::from(weight > 0.0)] += weight.abs();
        }
        at_value(here);
    }
}

/// Whether every value is 0 or 1.
fn is_binary(values: &[f64]) -> bool {
    values.iter().all(|x| matches!(x, 0.0 | 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared<'a>(treated: &'a [bool], weights: &'a [f64]) -> Compared<'a> {
        Compared { treated, weights, pairs: &[], estimand: Estimand::Att, limits: [0.05, 0.1] }
    }

    #[test]
    fn the_lights_change_at_five_and_ten_percent() {
        let lights = [0.05, -0.0501, 0.1, -0.1001].map(|smd| Light::of(smd, [0.05, 0.1]));
        assert_eq!(lights, [Light::Green, Light::Amber, Light::Amber, Light::Red]);
    }

    #[test]
    fn a_row_by_hand() {
        // Treated 1, 3; controls 1, 2, 6 of which the first weighs 2 and the last nothing.
        let treated = [true, true, false, false, false];
        let weights = [1.0, 1.0, 2.0, 1.0, 0.0];
        let row = compared(&treated, &weights).row("x".into(), &[1.0, 3.0, 1.0, 2.0, 6.0]);
        assert_eq!((row.all.mean_treated, row.all.mean_control), (2.0, 3.0));
        assert_eq!(row.all.smd, -1.0 / 2.0_f64.sqrt());
        assert_eq!(row.all.variance_ratio, Some(2.0 / 7.0));
        // After the values 1, 2, 3, 6: 1/2 - 1/3, 1/2 - 2/3, 1 - 2/3, 0.
        assert!((row.all.ecdf_mean - (4.0 / 6.0) / 4.0).abs() < 1e-15);
        assert!((row.all.ecdf_max - 1.0 / 3.0).abs() < 1e-15);
        let matched = row.matched.unwrap();
        assert!((matched.mean_control - 4.0 / 3.0).abs() < 1e-15);
        assert_eq!(row.light, Light::Red);
    }

    #[test]
    fn counting_whole_numbers_and_sorting_fractions_give_the_same_distributions() {
        let treated: Vec<bool> = (0..500).map(|i| i % 3 == 0).collect();
        let weights: Vec<f64> = (0..500).map(|i| f64::from(i % 5)).collect();
        let whole: Vec<f64> = (0..500).map(|i| f64::from((i * i) % 37) - 9.0).collect();
        let fine: Vec<f64> = whole.iter().map(|x| 1.0 + x * f64::EPSILON).collect();
        let compared = compared(&treated, &weights);
        assert_eq!(compared.ecdf(&whole), compared.ecdf(&fine));
    }
}
