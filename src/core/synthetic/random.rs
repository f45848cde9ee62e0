//! Draws from one seeded stream. Written out here rather than taken from `rand`'s distributions, so that a new version
//! of that crate cannot change a register.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// A stream of random numbers: the same seed and stream give the same numbers on every machine.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// Streams of one seed are independent of each other.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform on 0 to 1, without 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform on 0 to `n` - 1; 0 where `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// Uniform on `low` to `high`, both included; `low` where `high` is smaller.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1).max(0) as usize) as i32
    }

    /// Exponential with this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// One of the items, all alike; `None` only where there are none.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// The position drawn by weights that are given as running totals.
    pub(super) fn weighted(&mut self, running_totals: &[f64]) -> usize {
        let target = self.unit() * running_totals.last().copied().unwrap_or(0.0);
        running_totals.partition_point(|total| *total <= target).min(running_totals.len().saturating_sub(1))
    }
}

/// Running totals of weights, for [`Random::weighted`].
pub(super) fn running_totals(weights: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut total = 0.0;
    weights
        .into_iter()
        .map(|weight| {
            total += weight;
            total
        })
        .collect()
}

/// A number as good as random that depends on `a` and `b` alone (Steele, Lea and Flood 2014, SplitMix64's finaliser).
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_themselves_and_differ_from_each_other() {
        let numbers = |seed, stream| {
            let mut random = Random::new(seed, stream);
            std::array::from_fn::<usize, 8, _>(|_| random.below(1_000_000))
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn draws_keep_their_ranges_and_weights() {
        let mut random = Random::new(3, 0);
        let totals = running_totals([1.0, 0.0, 3.0]);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            assert!((0.0..1.0).contains(&random.unit()));
            assert!(random.below(7) < 7);
            assert!((-3..=4).contains(&random.between(-3, 4)));
            assert!(random.exponential(5.0) >= 0.0);
            counts[random.weighted(&totals)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
        assert_eq!((random.below(0), random.pick::<u8>(&[]), random.weighted(&[])), (0, None, 0));
    }
}
