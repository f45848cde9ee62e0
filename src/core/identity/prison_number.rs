//! The prison number: a letter, four digits and two letters since NOMIS.
//!
//! The NOMIS number identifies a person and has no check letter. The number before it identified one period of custody
//! (Hansard, 9 May 1994), so it is recognised, and never a key to a person.

use super::check_letter::compact;

/// A NOMIS number; displays as `A1234AA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrisonNumber([u8; 7]);

impl PrisonNumber {
    /// The canonical form, `A1234AA`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for PrisonNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a text is as a prison number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrisonNumberStatus {
    /// A NOMIS number.
    Valid(PrisonNumber),
    /// The shape in use before NOMIS (two letters, four digits): one period of custody, not a person.
    PreNomis,
    /// Not a prison number.
    Malformed,
}

impl PrisonNumberStatus {
    /// The number if it identifies a person.
    pub fn valid(self) -> Option<PrisonNumber> {
        match self {
            Self::Valid(number) => Some(number),
            _ => None,
        }
    }

    /// `valid`, `pre_nomis` or `malformed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid(_) => "valid",
            Self::PreNomis => "pre_nomis",
            Self::Malformed => "malformed",
        }
    }
}

/// Reads a prison number in any case, with white space anywhere. Number 0000 is a dummy (the sequence starts at A0001AA): malformed.
///
/// ```
/// use jdl_core::identity::prison_number::parse;
/// assert_eq!(parse("a1234 aa").valid().unwrap().as_str(), "A1234AA");
/// assert_eq!(parse("TR1234").as_str(), "pre_nomis");
/// ```
pub fn parse(text: &str) -> PrisonNumberStatus {
    let Some((buffer, length)) = compact::<7>(text) else {
        return PrisonNumberStatus::Malformed;
    };
    let has_shape = |shape: &[u8]| {
        length == shape.len()
            && shape.iter().zip(&buffer).all(|(kind, c)| match kind {
                b'A' => c.is_ascii_uppercase(),
                _ => c.is_ascii_digit(),
            })
    };
    if has_shape(b"A9999AA") && &buffer[1..5] != b"0000" {
        PrisonNumberStatus::Valid(PrisonNumber(buffer))
    } else if has_shape(b"AA9999") {
        PrisonNumberStatus::PreNomis
    } else {
        PrisonNumberStatus::Malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nomis_shape_is_a_key() {
        for text in ["A0000AA", "AA1234A", "1234567", "A1234AAA", "", "ß1234AA"] {
            assert_eq!(parse(text), PrisonNumberStatus::Malformed, "{text}");
        }
        assert_eq!(parse("tr1234").valid(), None);
    }
}
