//! The postcode: area, district, sector, full; and the pseudo-postcodes that stand for no address.
//!
//! The grammar is the general one of BS 7666 (six shapes of outward code, letters barred from places); whether a code
//! is in use is not checked.

use super::check_letter::compact;

/// A well-shaped postcode; displays with one space, as `SW1A 1AA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Postcode {
    text: [u8; 8],
    length: u8,
}

impl Postcode {
    fn new(outward: &[u8], inward: &[u8]) -> Self {
        let mut text = [0; 8];
        let length = outward.len() + 1 + inward.len();
        text[..outward.len()].copy_from_slice(outward);
        text[outward.len()] = b' ';
        text[outward.len() + 1..length].copy_from_slice(inward);
        Self { text, length: length as u8 }
    }

    fn prefix(&self, length: usize) -> &str {
        std::str::from_utf8(&self.text[..length]).unwrap_or_default()
    }

    /// All of it, `SW1A 1AA`: some fifteen addresses.
    pub fn full(&self) -> &str {
        self.prefix(usize::from(self.length))
    }

    /// `SW1A 1`.
    pub fn sector(&self) -> &str {
        self.prefix(usize::from(self.length) - 2)
    }

    /// `SW1A`, the outward code.
    pub fn district(&self) -> &str {
        self.prefix(usize::from(self.length) - 4)
    }

    /// `SW`, the letters it begins with.
    pub fn area(&self) -> &str {
        let letters = self.text.iter().take_while(|c| c.is_ascii_alphabetic()).count();
        self.prefix(letters)
    }
}

impl std::fmt::Display for Postcode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.full())
    }
}

/// What a text is as a postcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostcodeStatus {
    /// An address.
    Valid(Postcode),
    /// A code for no address: ZZ99 (no fixed abode, unknown, abroad) and the NF1 of courts. No evidence of a place.
    Pseudo(Postcode),
    /// Not a postcode.
    Malformed,
}

impl PostcodeStatus {
    /// The postcode if it is that of an address.
    pub fn valid(self) -> Option<Postcode> {
        match self {
            Self::Valid(postcode) => Some(postcode),
            _ => None,
        }
    }

    /// `valid`, `pseudo` or `malformed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid(_) => "valid",
            Self::Pseudo(_) => "pseudo",
            Self::Malformed => "malformed",
        }
    }
}

/// Reads a postcode in any case, with white space anywhere or nowhere.
///
/// ```
/// use jdl_core::identity::postcode::parse;
/// let postcode = parse("sw1a1aa").valid().unwrap();
/// assert_eq!((postcode.full(), postcode.sector(), postcode.district(), postcode.area()), ("SW1A 1AA", "SW1A 1", "SW1A", "SW"));
/// assert_eq!(parse("ZZ99 3VZ").as_str(), "pseudo");
/// assert_eq!(parse("NFA").as_str(), "malformed");
/// ```
pub fn parse(text: &str) -> PostcodeStatus {
    let Some((buffer, length)) = compact::<7>(text).filter(|(_, length)| *length >= 5) else {
        return PostcodeStatus::Malformed;
    };
    let (outward, inward) = buffer[..length].split_at(length - 3);
    let inward_shape = inward[0].is_ascii_digit() && inward[1].is_ascii_uppercase() && inward[2].is_ascii_uppercase();
    if !inward_shape {
        PostcodeStatus::Malformed
    } else if outward == b"ZZ99" || outward == b"NF1" {
        PostcodeStatus::Pseudo(Postcode::new(outward, inward))
    } else if is_outward(outward) && !inward[1..].iter().any(|c| b"CIKMOV".contains(c)) {
        PostcodeStatus::Valid(Postcode::new(outward, inward))
    } else {
        PostcodeStatus::Malformed
    }
}

/// One of the shapes A9, A99, AA9, AA99, A9A, AA9A with the letters allowed in each place, or Girobank's GIR.
fn is_outward(code: &[u8]) -> bool {
    let first = |c: u8| c.is_ascii_uppercase() && !b"QVX".contains(&c);
    let second = |c: u8| c.is_ascii_uppercase() && !b"IJZ".contains(&c);
    let digit = |c: u8| c.is_ascii_digit();
    match *code {
        [a, n] => first(a) && digit(n),
        [b'G', b'I', b'R'] => true,
        [a, n, m] if digit(n) => first(a) && (digit(m) || b"ABCDEFGHJKPSTUW".contains(&m)),
        [a, b, n] => first(a) && second(b) && digit(n),
        [a, b, n, m] => first(a) && second(b) && digit(n) && (digit(m) || b"ABEHMNPRVWXY".contains(&m)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_each_shape_are_found() {
        for (text, district, area) in [
            ("M1 1AE", "M1", "M"),
            ("B33 8TH", "B33", "B"),
            ("CR2 6XH", "CR2", "CR"),
            ("DN55 1PT", "DN55", "DN"),
            ("W1A 0AX", "W1A", "W"),
            ("EC1A 1BB", "EC1A", "EC"),
            ("GIR 0AA", "GIR", "GIR"),
        ] {
            let postcode = parse(text).valid().unwrap();
            assert_eq!((postcode.full(), postcode.district(), postcode.area()), (text, district, area));
            assert_eq!(postcode.sector(), &text[..text.len() - 2]);
        }
    }

    #[test]
    fn pseudo_postcodes_are_no_address() {
        for text in ["ZZ99 3VZ", "zz993wz", "NF1 1NF", "NF1 1FA"] {
            assert_eq!(parse(text).as_str(), "pseudo");
            assert_eq!(parse(text).valid(), None);
        }
    }

    #[test]
    fn what_is_no_postcode_is_malformed() {
        for text in ["", "A", "LS1", "LS1 4D", "SW1A 1AA X", "1S1 4DY", "LS1-4DY", "№1 1AA"] {
            assert_eq!(parse(text), PostcodeStatus::Malformed, "{text}");
        }
    }
}
