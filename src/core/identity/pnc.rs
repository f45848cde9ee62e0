//! The PNC id: `YYYY/NNNNNNNL`, year of the first record, serial of the year, check letter.
//!
//! The letter checks the two-digit year followed by the serial padded to seven digits, modulo 23; the century is not
//! checked (criminaljusticehub.org.uk; the rule of ministryofjustice/hmpps-person-record, whose test values are ours too).

use serde::{Deserialize, Serialize};

use super::check_letter::{check_letter, compact, digits};

/// Two-digit years from this on belong to the 1900s, the others to the 2000s. A fixed pivot, because the meaning of a
/// stored id must not change with the calendar.
pub const DEFAULT_PIVOT: u8 = 39;

/// A PNC id in its canonical parts; displays as `YYYY/NNNNNNNL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PncId {
    /// 1900 to 2099.
    pub year: u16,
    /// 1 to 9,999,999.
    pub serial: u32,
    /// An ASCII capital, right or wrong.
    pub letter: char,
}

impl PncId {
    /// The id with the check letter that belongs to a year (1900 to 2099) and serial (1 to 9,999,999); `None` out of range.
    pub fn new(year: u16, serial: u32) -> Option<Self> {
        let in_range = (1900..=2099).contains(&year) && (1..=9_999_999).contains(&serial);
        in_range.then(|| Self { year, serial, letter: expected_letter(year, serial) })
    }

    /// Does the letter belong to year and serial?
    pub fn is_letter_right(self) -> bool {
        self.letter == expected_letter(self.year, self.serial)
    }

    /// Year and serial as one eleven-digit number: the id without its letter.
    pub fn body(self) -> u64 {
        u64::from(self.year) * 10_000_000 + u64::from(self.serial)
    }

    /// The form people write: two-digit year, no leading zeros, as in `02/73319Z`.
    pub fn short(self) -> String {
        format!("{:02}/{}{}", self.year % 100, self.serial, self.letter)
    }
}

/// The canonical form, `YYYY/NNNNNNNL`.
impl std::fmt::Display for PncId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}/{:07}{}", self.year, self.serial, self.letter)
    }
}

/// What a text is as a PNC id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PncStatus {
    /// Shape and check letter are right.
    Valid(PncId),
    /// The shape is right and the letter is not: a typing error somewhere. Evidence at most, never a key.
    CheckLetterWrong(PncId),
    /// Not a PNC id.
    Malformed,
}

impl PncStatus {
    /// The id, be its letter right or wrong.
    pub fn id(self) -> Option<PncId> {
        match self {
            Self::Valid(id) | Self::CheckLetterWrong(id) => Some(id),
            Self::Malformed => None,
        }
    }

    /// The id if it is valid.
    pub fn valid(self) -> Option<PncId> {
        match self {
            Self::Valid(id) => Some(id),
            _ => None,
        }
    }

    /// `valid`, `check_letter_wrong` or `malformed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid(_) => "valid",
            Self::CheckLetterWrong(_) => "check_letter_wrong",
            Self::Malformed => "malformed",
        }
    }
}

/// Reads a PNC id, long or short, with or without slash, in any case, with white space anywhere.
///
/// Two-digit years from `pivot` on are 19xx, the others 20xx ([`DEFAULT_PIVOT`]). Without a slash, eleven digits are
/// a four-digit year and seven digits of serial, three to nine are a two-digit year and a serial without leading
/// zeros. Serial 0 and years outside 1900 to 2099 are malformed: they are dummies.
///
/// ```
/// use jdl_core::identity::pnc;
/// let id = pnc::parse(" 02/73319z", pnc::DEFAULT_PIVOT).valid().unwrap();
/// assert_eq!(id.to_string(), "2002/0073319Z");
/// assert_eq!(pnc::parse("12/394773W", 39).as_str(), "check_letter_wrong"); // the letter should be H
/// assert_eq!(pnc::parse("065656/91H", 39).as_str(), "malformed"); // a CRO number
/// ```
pub fn parse(text: &str, pivot: u8) -> PncStatus {
    match read(text, pivot) {
        Some(id) if id.is_letter_right() => PncStatus::Valid(id),
        Some(id) => PncStatus::CheckLetterWrong(id),
        None => PncStatus::Malformed,
    }
}

fn read(text: &str, pivot: u8) -> Option<PncId> {
    let (buffer, length) = compact::<13>(text)?;
    let (letter, number) = buffer[..length].split_last()?;
    let (year, serial) = match number.iter().position(|c| *c == b'/') {
        Some(slash) => (&number[..slash], &number[slash + 1..]),
        None if number.len() == 11 => number.split_at(4),
        None if (3..=9).contains(&number.len()) => number.split_at(2),
        None => return None,
    };
    let year = match (year.len(), digits(year)?) {
        (4, year) => year,
        (2, year) if year >= u32::from(pivot) => 1900 + year,
        (2, year) => 2000 + year,
        _ => return None,
    };
    let plausible = letter.is_ascii_uppercase() && (1..=7).contains(&serial.len());
    let id = PncId::new(u16::try_from(year).ok()?, digits(serial)?).filter(|_| plausible)?;
    Some(PncId { letter: char::from(*letter), ..id })
}

fn expected_letter(year: u16, serial: u32) -> char {
    char::from(check_letter(u64::from(year % 100) * 10_000_000 + u64::from(serial)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pivot_divides_the_centuries() {
        let year = |text: &str, pivot| match parse(text, pivot) {
            PncStatus::Valid(id) | PncStatus::CheckLetterWrong(id) => Some(id.year),
            PncStatus::Malformed => None,
        };
        assert_eq!(year("39/1A", 39), Some(1939));
        assert_eq!(year("38/1A", 39), Some(2038));
        assert_eq!(year("38/1A", 30), Some(1938));
        assert_eq!(year("1938/1A", 39), Some(1938));
    }

    #[test]
    fn the_letter_does_not_check_the_century() {
        assert_eq!(PncId::new(1904, 22).unwrap().letter, PncId::new(2004, 22).unwrap().letter);
    }

    #[test]
    fn dummies_are_malformed() {
        for dummy in ["00/0Z", "2000/0000000Z", "0000/0000001A", "1850/0000001A", "", "/", "Z", "00/1", "é2/1Z"] {
            assert_eq!(parse(dummy, DEFAULT_PIVOT), PncStatus::Malformed, "{dummy}");
        }
    }

    #[test]
    fn every_way_of_writing_an_id_is_the_same_id() {
        for (year, serial) in [(1979, 163_001), (2002, 73_319), (2003, 3), (1995, 1_234_567)] {
            let id = PncId::new(year, serial).unwrap();
            let (long, short) = (id.to_string(), id.short());
            for text in [&long, &short, &long.replace('/', ""), &short.replace('/', ""), &long.to_lowercase()] {
                assert_eq!(parse(&format!(" {text} "), DEFAULT_PIVOT), PncStatus::Valid(id), "{text}");
            }
            let spaced: String = short.chars().flat_map(|c| [c, ' ']).collect();
            assert_eq!(parse(&spaced, DEFAULT_PIVOT), PncStatus::Valid(id));
        }
    }

    #[test]
    fn one_wrong_digit_never_passes_the_letter() {
        let id = PncId::new(2004, 1_234_567).unwrap();
        let text = id.to_string();
        for at in [2, 3, 5, 6, 7, 8, 9, 10, 11] {
            for digit in '0'..='9' {
                let mut typo: Vec<char> = text.chars().collect();
                if typo[at] != digit {
                    typo[at] = digit;
                    let typo: String = typo.into_iter().collect();
                    assert_eq!(parse(&typo, DEFAULT_PIVOT).as_str(), "check_letter_wrong", "{typo}");
                }
            }
        }
    }
}
