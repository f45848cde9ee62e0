//! The CRO number: `NNNNNN/YYL`, or `SFYY/N…L` for a small file.
//!
//! The letter checks the year followed by the serial, modulo 23 as for a PNC id: padded to six digits in the standard
//! form, unpadded in a small file (ministryofjustice/hmpps-person-record; SF83/50058Z tells the two rules apart).

use super::check_letter::{check_letter, compact, digits};

/// A CRO number in its parts; displays in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CroNumber {
    /// Two-digit year.
    pub year: u8,
    /// 1 to 999,999.
    pub serial: u32,
    /// A small file (`SF`)?
    pub is_small_file: bool,
    /// An ASCII capital, right or wrong.
    pub letter: char,
}

impl CroNumber {
    /// The number with the check letter that belongs to a two-digit year and serial; `None` out of range.
    pub fn new(year: u8, serial: u32, is_small_file: bool) -> Option<Self> {
        let in_range = year <= 99 && (1..=999_999).contains(&serial);
        in_range.then(|| Self { year, serial, is_small_file, letter: expected_letter(year, serial, is_small_file) })
    }

    /// Does the letter belong to year and serial?
    pub fn is_letter_right(self) -> bool {
        self.letter == expected_letter(self.year, self.serial, self.is_small_file)
    }
}

/// The canonical form: `065656/91H`, `SF83/50058Z`.
impl std::fmt::Display for CroNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, serial, is_small_file, letter } = self;
        if *is_small_file {
            write!(f, "SF{year:02}/{serial}{letter}")
        } else {
            write!(f, "{serial:06}/{year:02}{letter}")
        }
    }
}

/// What a text is as a CRO number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CroStatus {
    /// Shape and check letter are right.
    Valid(CroNumber),
    /// The shape is right and the letter is not: evidence at most, never a key.
    CheckLetterWrong(CroNumber),
    /// Not a CRO number.
    Malformed,
}

impl CroStatus {
    /// The number if it is valid.
    pub fn valid(self) -> Option<CroNumber> {
        match self {
            Self::Valid(number) => Some(number),
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

/// Reads a CRO number in any case, with white space anywhere and with or without leading zeros. Serial 0 is a dummy: malformed.
///
/// ```
/// use jdl_core::identity::cro;
/// assert_eq!(cro::parse("65656/91h").valid().unwrap().to_string(), "065656/91H");
/// assert_eq!(cro::parse("SF83/50058Z").as_str(), "valid");
/// assert_eq!(cro::parse("85227/65G").as_str(), "check_letter_wrong"); // the letter should be L
/// ```
pub fn parse(text: &str) -> CroStatus {
    match read(text) {
        Some(number) if number.is_letter_right() => CroStatus::Valid(number),
        Some(number) => CroStatus::CheckLetterWrong(number),
        None => CroStatus::Malformed,
    }
}

fn read(text: &str) -> Option<CroNumber> {
    let (buffer, length) = compact::<12>(text)?;
    let (letter, number) = buffer[..length].split_last()?;
    let slash = number.iter().position(|c| *c == b'/')?;
    let (before, after) = (&number[..slash], &number[slash + 1..]);
    let (year, serial, is_small_file) = match before.strip_prefix(b"SF") {
        Some(year) => (year, after, true),
        None => (after, before, false),
    };
    let plausible = year.len() == 2 && serial.len() <= 6 && letter.is_ascii_uppercase();
    let year = u8::try_from(digits(year)?).ok()?;
    let number = CroNumber::new(year, digits(serial)?, is_small_file).filter(|_| plausible)?;
    Some(CroNumber { letter: char::from(*letter), ..number })
}

fn expected_letter(year: u8, serial: u32, is_small_file: bool) -> char {
    let shift = if is_small_file { 10_u64.pow(serial.checked_ilog10().unwrap_or(0) + 1) } else { 1_000_000 };
    char::from(check_letter(u64::from(year) * shift + u64::from(serial)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dummies_and_other_numbers_are_malformed() {
        for text in ["000000/00Z", "SF00/0Z", "2002/0073319Z", "0656561/91H", "SF83/1234567Z", "65656/91", "", "SF/1Z"]
        {
            assert_eq!(parse(text), CroStatus::Malformed, "{text}");
        }
    }

    #[test]
    fn a_small_file_is_another_number_than_the_standard_one() {
        let (small, standard) = (CroNumber::new(83, 50_058, true).unwrap(), CroNumber::new(83, 50_058, false).unwrap());
        assert_ne!(small, standard);
        assert_eq!((small.letter, standard.letter), ('Z', 'B'));
        assert_eq!(parse(&small.to_string()), CroStatus::Valid(small));
        assert_eq!(parse(&standard.to_string()), CroStatus::Valid(standard));
    }
}
