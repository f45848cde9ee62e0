//! The lab's secret keys, which live in a file outside the database, and what is hashed with them.
//!
//! Every use hashes a text that begins with its own name, so that nothing learnt from one use serves another.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A secret of 256 bits with the number that tells it from the keys before and after it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its number: sketches made with keys of different numbers cannot be compared.
    pub id: i64,
    secret: [u8; 32],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key {}", self.id)
    }
}

impl Key {
    /// A key of a number and its 32 bytes.
    pub fn new(id: i64, secret: [u8; 32]) -> Self {
        Self { id, secret }
    }

    /// The keys of a key file, in its order; the last one is the present key.
    ///
    /// A line holds the number of a key, blanks, and its 64 hexadecimal digits. Empty lines and lines that begin with `#` are
    /// skipped. Numbers rise from line to line.
    ///
    /// ```
    /// use jdl_core::disclosure::Key;
    /// let file = format!("# made in 2026\n1 {}\n", "0f".repeat(32));
    /// assert_eq!(Key::read_file(&file)?[0].id, 1);
    /// # Ok::<(), jdl_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the number of the line that is no key, never with what stands in it.
    pub fn read_file(text: &str) -> Result<Vec<Self>> {
        let mut keys: Vec<Self> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |rule: &str| Error::invalid("key file", format!("line {} {rule}", number + 1));
            let (id, digits) =
                line.split_once(char::is_whitespace).ok_or_else(|| bad("needs the number of a key and its digits"))?;
            let id: i64 = id.parse().map_err(|_| bad("begins with no number"))?;
            let secret = from_hex(digits.trim()).ok_or_else(|| bad("needs 64 hexadecimal digits"))?;
            if id < 1 || keys.last().is_some_and(|last| last.id >= id) {
                return Err(bad("needs a number above 0 and above that of the line before"));
            }
            if secret.iter().all(|byte| *byte == 0) {
                return Err(bad("holds no secret"));
            }
            keys.push(Self { id, secret });
        }
        if keys.is_empty() {
            return Err(Error::invalid("key file", "holds no key"));
        }
        Ok(keys)
    }

    /// By which the same key is known again, and nothing else.
    pub fn fingerprint(&self) -> String {
        hex(&self.hash("jdl key 1", &[])[..8])
    }

    /// HMAC-SHA256 of `text` for the use that `purpose` names.
    pub fn hash(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        digest(&self.secret, &[purpose.as_bytes(), &[0], text].concat())
    }

    /// The first 64 bits of [`Key::hash`].
    pub(super) fn number(&self, purpose: &str, text: &[u8]) -> u64 {
        self.hash(purpose, text).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// HMAC-SHA256 (RFC 2104): a key shorter than a block is filled up with zeros, a longer one is hashed first.
fn digest(secret: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if let Some(start) = block.get_mut(..secret.len()) {
        start.copy_from_slice(secret);
    } else {
        block[..32].copy_from_slice(&Sha256::digest(secret));
    }
    Hmac::<Sha256>::new(&block.into()).chain_update(text).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyed_hash_is_hmac_sha256() {
        // RFC 4231, test case 2.
        assert_eq!(hex(&digest(b"Jefe", b"what do ya want for nothing?")[..8]), "5bdcc146bf60754e");
        // Test case 6: a key longer than a block.
        let long = digest(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(&long[..8]), "60e431591ee0b67f");
    }

    #[test]
    fn a_key_file_is_read_and_its_faults_are_named_without_its_text() {
        let good = format!("# keys of the lab\n\n1 {}\n7\t{}\n", "a1".repeat(32), "B2".repeat(32));
        let keys = Key::read_file(&good).unwrap();
        assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [1, 7]);
        assert_ne!(keys[0].fingerprint(), keys[1].fingerprint());
        assert_eq!(format!("{:?}", keys[0]), "Key 1");
        let digits = "c3".repeat(32);
        for bad in [
            String::new(),
            "# nothing".to_owned(),
            digits.clone(),
            format!("one {digits}"),
            format!("0 {digits}"),
            format!("2 {digits}\n2 {digits}"),
            format!("1 {}", &digits[2..]),
            format!("1 {}zz", &digits[2..]),
            format!("1 {}", "é".repeat(32)),
        ] {
            let error = Key::read_file(&bad).unwrap_err().to_string();
            assert!(error.contains("key file") && !error.contains("c3c3"), "{error}");
        }
    }

    #[test]
    fn uses_do_not_share_hashes() {
        let key = Key::new(1, [5; 32]);
        assert_ne!(key.hash("a", b"bc"), key.hash("ab", b"c"));
        assert_ne!(key.number("jdl person 1", b"x"), key.number("jdl cell 1", b"x"));
    }
}
