//! The permutation test: how often does chance alone part the groups as far as they are apart?

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::number::{Heartbeat, pairwise_sum};

use super::absent::{Absent, Defined};
use super::matched::MatchedSample;

/// Draws that share one stream of random numbers. The stream depends on the seed and the block's number alone, so the
/// answer does not depend on how blocks are spread over threads.
const BLOCK: u32 = 250;
/// Blocks between two calls of the heartbeat.
const BLOCKS_PER_BEAT: u32 = 16;

/// The outcome of a permutation test.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PermutationTest {
    /// (1 + draws at least as extreme) / (1 + draws), two-sided.
    pub p_value: f64,
    /// How many draws were made.
    pub draws: u32,
    /// How many of them were at least as extreme as what was seen.
    pub as_extreme: u32,
    /// The seed.
    pub seed: u64,
}

/// People among whom labels are exchanged: `size` values from `from`, the `picked` ones of the smaller group first.
struct Stratum {
    from: usize,
    size: usize,
    picked: usize,
    /// What one unit of the sum of the picked adds to the statistic.
    slope: f64,
}

/// The two-sided permutation test of a difference of means (Fisher 1935; p-value as Phipson and Smyth 2010).
///
/// In a matched design labels are exchanged within each set and the statistic is the mean over the treated of (treated
/// mean less comparison mean of their set); sets with one group only, and people in no set, say nothing and are left
/// out. Without sets labels are exchanged among all, which needs equal weights within each group.
///
/// # Errors
/// `InvalidInput` on `draws` of 0. Absent where a group is empty ([`Absent::NobodyToMeasure`]), weights differ without
/// sets to explain them ([`Absent::WeightsDiffer`]), or nothing varies ([`Absent::NoVariance`]).
pub fn permutation_test(
    sample: MatchedSample<'_>,
    draws: u32,
    seed: u64,
    heartbeat: Heartbeat<'_>,
) -> Result<Defined<PermutationTest>> {
    if draws == 0 {
        return Err(Error::invalid("draws", "must be at least 1"));
    }
    let (values, strata) = match strata(sample) {
        Ok(design) => design,
        Err(absent) => return Ok(Err(absent)),
    };
    let sums = |term: &dyn Fn(&Stratum) -> f64| pairwise_sum(&strata.iter().map(term).collect::<Vec<f64>>());
    let seen = sums(&|s| s.slope * pairwise_sum(&values[s.from..s.from + s.picked]));
    let centre = sums(&|s| s.slope * pairwise_sum(&values[s.from..s.from + s.size]) * s.picked as f64 / s.size as f64);
    // Rounding must not make a draw that equals what was seen look less extreme.
    let limit = (seen - centre).abs() - 1e-9 * seen.abs().max(centre.abs());
    let blocks = draws.div_ceil(BLOCK);
    let mut as_extreme = 0;
    for first in (0..blocks).step_by(BLOCKS_PER_BEAT as usize) {
        let last = blocks.min(first + BLOCKS_PER_BEAT);
        as_extreme += (first..last)
            .into_par_iter()
            .map(|block| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(u64::from(block));
                let mut values = values.clone();
                let size = BLOCK.min(draws - block * BLOCK);
                (0..size).filter(|_| (draw(&mut values, &strata, &mut rng) - centre).abs() >= limit).count() as u32
            })
            .sum::<u32>();
        heartbeat();
    }
    let p_value = (1.0 + f64::from(as_extreme)) / (1.0 + f64::from(draws));
    Ok(Ok(PermutationTest { p_value, draws, as_extreme, seed }))
}

/// The statistic after one exchange of labels in every stratum. `values` is left shuffled, which the next draw may use.
fn draw(values: &mut [f64], strata: &[Stratum], rng: &mut ChaCha8Rng) -> f64 {
    let mut sum = 0.0;
    let (mut bits, mut left) = (0_u64, 0_u32);
    for stratum in strata {
        let here = &mut values[stratum.from..stratum.from + stratum.size];
        if let [one, other] = here {
            if left == 0 {
                (bits, left) = (rng.next_u64(), 64);
            }
            sum += stratum.slope * if bits & 1 == 0 { *one } else { *other };
            bits >>= 1;
            left -= 1;
            continue;
        }
        // The first steps of a Fisher-Yates shuffle pick without replacement.
        let size = here.len() as u32;
        let mut picked = 0.0;
        for k in 0..stratum.picked {
            here.swap(k, rng.random_range(k as u32..size) as usize);
            picked += here[k];
        }
        sum += stratum.slope * picked;
    }
    sum
}

/// The outcomes in the order of their strata, and the strata in which an exchange can change anything.
fn strata(sample: MatchedSample<'_>) -> Defined<(Vec<f64>, Vec<Stratum>)> {
    let MatchedSample { treated, outcome, weight, set } = sample;
    let mut people: Vec<usize> = (0..treated.len()).filter(|&i| weight[i] > 0.0).collect();
    for group in [true, false] {
        if !people.iter().any(|&i| treated[i] == group) {
            return Err(Absent::NobodyToMeasure);
        }
    }
    let in_sets = people.iter().any(|&i| set[i].is_some());
    if in_sets {
        people.retain(|&i| set[i].is_some());
    } else {
        for group in [true, false] {
            let mut weights = people.iter().filter(|&&i| treated[i] == group).map(|&i| weight[i]);
            let first = weights.next().unwrap_or(1.0);
            if weights.any(|w| (w / first - 1.0).abs() > 1e-9) {
                return Err(Absent::WeightsDiffer);
            }
        }
    }
    people.sort_by_key(|&i| (set[i], !treated[i], i));
    let (mut values, mut strata) = (Vec::with_capacity(people.len()), Vec::new());
    for members in people.chunk_by_mut(|&a, &b| set[a] == set[b]) {
        let (size, ones) = (members.len(), members.iter().filter(|&&i| treated[i]).count());
        let others = size - ones;
        let varies = members.iter().any(|&i| (outcome[i] - outcome[members[0]]).abs() > 0.0);
        if ones == 0 || others == 0 || !varies {
            continue;
        }
        // With T the sum of the treated and A that of all, ones (T / ones - (A - T) / others) is T size / others and a
        // constant, or, in terms of the others' sum, the negative of theirs and another constant.
        let (picked, slope) = if ones <= others { (ones, 1.0) } else { (others, -1.0) };
        if slope < 0.0 {
            members.rotate_left(ones);
        }
        let from = values.len();
        values.extend(members.iter().map(|&i| outcome[i]));
        strata.push(Stratum { from, size, picked, slope: slope * size as f64 / others as f64 });
    }
    if strata.is_empty() { Err(Absent::NoVariance) } else { Ok((values, strata)) }
}
