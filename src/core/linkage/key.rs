//! Seedless 64-bit keys: the same value gives the same key on every machine and in every version.
//!
//! FNV-1a over the bytes (Fowler, Noll, Vo, 1991) with the finaliser of SplitMix64 (Steele, Lea, Flood, 2014) on top, because FNV
//! alone leaves the high bits of short inputs poorly mixed. Keys are stored in the register's tables: changing this function means
//! rebuilding them, so [`KEY_VERSION`] must change with it. A collision costs one needless candidate, never a wrong link.

/// The version of every stored key, and of which keys a person has; a register whose keys carry another version must be refreshed.
pub const KEY_VERSION: u16 = 2;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Builds one key out of a domain (a blocking rule or a term) and its parts.
#[derive(Clone, Copy)]
pub(crate) struct KeyBuilder(u64);

impl KeyBuilder {
    /// A key of `domain`: equal parts under different domains give different keys.
    pub(crate) fn new(domain: u8) -> Self {
        Self(OFFSET).byte(domain)
    }

    fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(PRIME))
    }

    /// Adds a text and a separator, so that ("AB", "C") and ("A", "BC") differ.
    pub(crate) fn text(self, text: &str) -> Self {
        text.bytes().fold(self, Self::byte).byte(0xff)
    }

    /// Adds a whole number.
    pub(crate) fn number(self, number: i64) -> Self {
        number.to_le_bytes().into_iter().fold(self, Self::byte)
    }

    /// The key.
    pub(crate) fn finish(self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyBuilder;

    #[test]
    fn keys_are_fixed_for_ever_and_tell_parts_and_domains_apart() {
        let key = |domain, parts: &[&str]| {
            parts.iter().fold(KeyBuilder::new(domain), |k, part| k.text(part)).number(7).finish()
        };
        // Pinned: stored keys of existing registers depend on it.
        assert_eq!(key(1, &["SMITH", "JOHN"]), 16_824_565_644_275_677_884);
        assert_ne!(key(1, &["AB", "C"]), key(1, &["A", "BC"]));
        assert_ne!(key(1, &["AB"]), key(2, &["AB"]));
    }
}
