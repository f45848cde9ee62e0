//! An index in buckets: sorted lists of (key, value) in byte strings of a few kilobytes, so that a table row holds hundreds of entries.
//!
//! One table row for each blocking key of each person would cost more in row headers and B-tree than in data, both when the register
//! is loaded and when it is probed. A bucket is all entries whose keys begin with the same bits: one row, one fetch, a binary search.
//! Keys are 64-bit hashes ([`super::key`]), so buckets fill evenly, but for the keys that many persons share.
//!
//! Layout of `n` entries: `n` fragments (`u32`: the 32 bits of the key after the bucket's), ascending, then `n` values (`i64`),
//! ascending within a fragment; little-endian. Bits below the fragment are dropped: two keys that differ only there share a block,
//! which costs a needless candidate once in a few billion.

use crate::error::{Error, Result};

const FRAGMENT: usize = size_of::<u32>();
const VALUE: usize = size_of::<i64>();

/// How keys are spread over buckets: by their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    bits: u32,
}

/// The most bits that number a bucket: the numbers stay positive in a Postgres `integer`.
const MOST_BITS: u32 = 24;
/// Entries of a bucket on the average: about 4 kB, two to a page.
const MEAN_ENTRIES: u64 = 340;

impl Buckets {
    /// Buckets for about so many entries.
    pub fn for_entries(entries: u64) -> Self {
        let buckets = (entries / MEAN_ENTRIES).max(1);
        Self { bits: buckets.next_power_of_two().ilog2().min(MOST_BITS) }
    }

    /// As [`Buckets::bits`] once said.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for more bits than any register has.
    pub fn from_bits(bits: u32) -> Result<Self> {
        if bits > MOST_BITS {
            return Err(Error::invalid("linkage index", "is damaged; refresh the register"));
        }
        Ok(Self { bits })
    }

    /// How many bits of a key number its bucket: stored with the index.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// How many buckets there are.
    pub fn len(self) -> u32 {
        1 << self.bits
    }

    /// Never: there is at least one bucket.
    pub fn is_empty(self) -> bool {
        false
    }

    /// The bucket of a key.
    pub fn bucket(self, key: u64) -> i32 {
        key.checked_shr(64 - self.bits).unwrap_or(0) as i32
    }

    /// What stands for the key within its bucket.
    pub fn fragment(self, key: u64) -> u32 {
        ((key << self.bits) >> 32) as u32
    }
}

/// The entries of one bucket, read from its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    fragments: &'a [[u8; FRAGMENT]],
    values: &'a [[u8; VALUE]],
}

impl<'a> Bucket<'a> {
    /// Reads a stored bucket.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the bytes are no whole number of entries: the register must be refreshed.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let (fragments, values) = bytes.split_at(bytes.len() / (FRAGMENT + VALUE) * FRAGMENT);
        let bucket = Self { fragments: fragments.as_chunks().0, values: values.as_chunks().0 };
        if bucket.fragments.len() * (FRAGMENT + VALUE) != bytes.len() {
            return Err(Error::invalid("linkage index", "is damaged; refresh the register"));
        }
        Ok(bucket)
    }

    /// The values under one fragment, ascending.
    pub fn values(&self, fragment: u32) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        let from = self.fragments.partition_point(|f| u32::from_le_bytes(*f) < fragment);
        let len = self.fragments[from..].partition_point(|f| u32::from_le_bytes(*f) == fragment);
        self.values[from..from + len].iter().map(|v| i64::from_le_bytes(*v))
    }

    /// Every entry, in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u32, i64)> + use<'a> {
        let value = |(f, v): (&[u8; FRAGMENT], &[u8; VALUE])| (u32::from_le_bytes(*f), i64::from_le_bytes(*v));
        self.fragments.iter().zip(self.values).map(value)
    }

    /// The bytes of these entries, which are put in order.
    pub fn write(mut entries: Vec<(u32, i64)>) -> Vec<u8> {
        entries.sort_unstable();
        let mut bytes = Vec::with_capacity(entries.len() * (FRAGMENT + VALUE));
        entries.iter().for_each(|(fragment, _)| bytes.extend_from_slice(&fragment.to_le_bytes()));
        entries.iter().for_each(|(_, value)| bytes.extend_from_slice(&value.to_le_bytes()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_back_what_was_put_under_each_key() {
        let buckets = Buckets::for_entries(10_000);
        let keys: Vec<u64> = (0..64).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let of = |bucket: i32| {
            let here = keys.iter().enumerate().filter(move |(_, key)| buckets.bucket(**key) == bucket);
            here.flat_map(|(n, key)| [(buckets.fragment(*key), n as i64), (buckets.fragment(*key), -7)]).collect()
        };
        for (n, &key) in keys.iter().enumerate() {
            let bytes = Bucket::write(of(buckets.bucket(key)));
            let bucket = Bucket::read(&bytes).unwrap();
            assert_eq!(bucket.values(buckets.fragment(key)).collect::<Vec<_>>(), [-7, n as i64]);
            assert_eq!(bucket.values(buckets.fragment(key).wrapping_add(1)).len(), 0);
            assert_eq!(Bucket::write(bucket.entries().collect()), bytes);
        }
        assert!(Bucket::read(&[1, 2, 3]).is_err());
        assert_eq!(Bucket::read(&[]).unwrap().entries().len(), 0);
    }

    #[test]
    fn every_key_falls_into_one_of_the_buckets() {
        for entries in [0, 1, 1_000_000, u64::MAX] {
            let buckets = Buckets::for_entries(entries);
            assert_eq!(Buckets::from_bits(buckets.bits()).unwrap(), buckets);
            for key in [0, 1, u64::MAX / 2, u64::MAX] {
                assert!((0..buckets.len() as i32).contains(&buckets.bucket(key)));
            }
        }
        assert_eq!(Buckets::for_entries(0).len(), 1);
        assert!(Buckets::from_bits(40).is_err());
    }
}
