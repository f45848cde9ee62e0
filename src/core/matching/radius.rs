//! Radius and kernel matching on a score: every control within the width serves, with a weight.
//!
//! Each focal unit i gives the controls in its window the weights K(d_ij) / sum over j of K(d_ij) (Heckman, Ichimura and Todd 1997, equation 12; with the uniform
//! kernel Dehejia and Wahba's (2002) radius matching). On sorted scores windows are ranges and both sums are differences of running sums of powers,
//! so the cost is that of the sort whatever the number of links.

use crate::matching::nearest::Market;
use crate::matching::options::Kernel;
use crate::matching::order::sorted_rows;

/// Weights of all units for the width `width > 0` on `score`: 1 for a matched focal unit, the sum of its shares for a control, else 0.
pub(crate) fn radius(market: &Market<'_>, score: &[f64], width: f64, kernel: Kernel) -> Vec<f64> {
    let mut weights = vec![0.0; score.len()];
    for units in by_stratum(market, score) {
        let (focal, others): (Vec<u32>, Vec<u32>) = units.into_iter().partition(|&u| market.focal[u as usize]);
        let at = |units: &[u32]| units.iter().map(|&u| score[u as usize]).collect::<Vec<f64>>();
        let (focal_scores, other_scores) = (at(&focal), at(&others));
        let pool = Moments::new(&other_scores, &vec![1.0; others.len()], width);
        // What each focal unit has to give away: one over the sum of kernels in its window, 0 for those without a partner.
        let shares: Vec<f64> = windows(&focal_scores, &other_scores, width)
            .zip(&focal_scores)
            .map(|(window, &score)| {
                let sum = pool.kernel_sum(window, score, kernel);
                if sum > 0.0 { 1.0 / sum } else { 0.0 }
            })
            .collect();
        for (&unit, &share) in focal.iter().zip(&shares) {
            weights[unit as usize] = if share > 0.0 { 1.0 } else { 0.0 };
        }
        let givers = Moments::new(&focal_scores, &shares, width);
        let ranges = windows(&other_scores, &focal_scores, width);
        for ((&unit, &score), window) in others.iter().zip(&other_scores).zip(ranges) {
            weights[unit as usize] = givers.kernel_sum(window, score, kernel);
        }
    }
    weights
}

/// The eligible units of each stratum in ascending order of the score.
pub(crate) fn by_stratum(market: &Market<'_>, score: &[f64]) -> Vec<Vec<u32>> {
    let mut strata = vec![Vec::new(); market.strata_count()];
    for unit in sorted_rows(score) {
        if market.eligible[unit as usize] {
            strata[market.stratum(unit as usize)].push(unit);
        }
    }
    strata
}

/// For each of `centres` (ascending) the range of `others` (ascending) within `width`.
fn windows(centres: &[f64], others: &[f64], width: f64) -> impl Iterator<Item = std::ops::Range<usize>> {
    let (mut start, mut end) = (0, 0);
    centres.iter().map(move |&centre| {
        while start < others.len() && others[start] < centre && centre - others[start] > width {
            start += 1;
        }
        end = end.max(start);
        while end < others.len() && (others[end] <= centre || others[end] - centre <= width) {
            end += 1;
        }
        start..end
    })
}

/// Running sums of weight, weight * u and weight * u^2 over sorted scores, u being the distance from the centre of a cell one width long.
/// They start anew in every cell, so that a window never is the small difference of large sums.
struct Moments {
    items: Vec<[f64; 3]>,
    /// Sum over the earlier items of the same cell.
    before: Vec<[f64; 3]>,
    cell_end: Vec<usize>,
    centre: Vec<f64>,
    width: f64,
}

impl Moments {
    fn new(scores: &[f64], weights: &[f64], width: f64) -> Self {
        let origin = scores.first().copied().unwrap_or(0.0);
        let cell = |score: f64| ((score - origin) / width).floor();
        let n = scores.len();
        let mut moments = Self {
            items: Vec::with_capacity(n),
            before: Vec::with_capacity(n),
            cell_end: Vec::with_capacity(n),
            centre: Vec::with_capacity(n),
            width,
        };
        for group in scores.chunk_by(|&a, &b| cell(a).total_cmp(&cell(b)).is_eq()) {
            let centre = origin + (cell(group[0]) + 0.5) * width;
            let end = moments.items.len() + group.len();
            let mut sum = [0.0; 3];
            for &score in group {
                let (w, u) = (weights[moments.items.len()], (score - centre) / width);
                let item = [w, w * u, w * u * u];
                moments.before.push(sum);
                moments.items.push(item);
                moments.cell_end.push(end);
                moments.centre.push(centre);
                sum = [sum[0] + item[0], sum[1] + item[1], sum[2] + item[2]];
            }
        }
        moments
    }

    /// Sum over `window` of weight * K(distance from `score`).
    fn kernel_sum(&self, window: std::ops::Range<usize>, score: f64, kernel: Kernel) -> f64 {
        let mut total = 0.0;
        let mut start = window.start;
        while start < window.end {
            let end = self.cell_end[start].min(window.end);
            let part = |m: usize| self.before[end - 1][m] + self.items[end - 1][m] - self.before[start][m];
            total += match kernel {
                Kernel::Uniform => part(0),
                Kernel::Epanechnikov => {
                    let d = (score - self.centre[start]) / self.width;
                    part(0) - (part(2) - 2.0 * d * part(1) + d * d * part(0))
                }
            };
            start = end;
        }
        total.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_sums_give_what_adding_every_link_gives() {
        let mut state = 3_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let score: Vec<f64> = (0..400).map(|_| next() * 4.0 - 2.0).collect();
        let focal: Vec<bool> = (0..400).map(|_| next() < 0.3).collect();
        let strata: Vec<u32> = (0..400).map(|_| u32::from(next() < 0.5)).collect();
        let eligible: Vec<bool> = (0..400).map(|_| next() < 0.9).collect();
        let market =
            Market { focal: &focal, eligible: &eligible, strata: Some(&strata), caliper: None, column_calipers: &[] };
        for kernel in [Kernel::Uniform, Kernel::Epanechnikov] {
            for width in [0.003, 0.05, 0.4, 9.0] {
                let found = radius(&market, &score, width, kernel);
                let k = |i: usize, j: usize| {
                    let d = (score[i] - score[j]).abs() / width;
                    let near = d <= 1.0 && strata[i] == strata[j] && eligible[i] && eligible[j];
                    if !near {
                        0.0
                    } else if kernel == Kernel::Uniform {
                        1.0
                    } else {
                        1.0 - d * d
                    }
                };
                let mut expected = vec![0.0; 400];
                for i in (0..400).filter(|&i| focal[i]) {
                    let sum: f64 = (0..400).filter(|&j| !focal[j]).map(|j| k(i, j)).sum();
                    if sum > 0.0 {
                        expected[i] = 1.0;
                        (0..400).filter(|&j| !focal[j]).for_each(|j| expected[j] += k(i, j) / sum);
                    }
                }
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-11, "{kernel:?} {width}: {found} {expected}");
                }
            }
        }
    }
}
