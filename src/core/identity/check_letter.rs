//! The check letter that PNC ids and CRO numbers share.

/// The alphabet without I, O and S; remainder 0 is Z.
const LETTERS: &[u8; 23] = b"ZABCDEFGHJKLMNPQRTUVWXY";

/// The letter that a number must carry: the number modulo 23 in an alphabet without I, O and S.
pub(super) fn check_letter(number: u64) -> u8 {
    LETTERS[(number % 23) as usize]
}

/// The value of 1 to 9 digits; `None` for anything else.
pub(super) fn digits(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| 10 * value + u32::from(digit - b'0')))
}

/// The text in upper case without white space, if what is left is ASCII of at most `N` characters.
pub(super) fn compact<const N: usize>(text: &str) -> Option<([u8; N], usize)> {
    let (mut bytes, mut length) = ([0; N], 0);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        *bytes.get_mut(length).filter(|_| c.is_ascii())? = c.to_ascii_uppercase() as u8;
        length += 1;
    }
    Some((bytes, length))
}
