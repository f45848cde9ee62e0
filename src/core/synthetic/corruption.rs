//! How people and software spoil a value.

use super::random::Random;
use crate::calendar::Day;

/// One typing error in a name of capitals: a letter left out, doubled, exchanged with its neighbour, hit beside the
/// key, or one sound written for another. A name of one letter stays as it is.
pub(super) fn typo(name: &str, random: &mut Random) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() < 2 {
        return name.to_owned();
    }
    loop {
        let mut spoilt = letters.clone();
        let at = random.below(letters.len());
        match random.below(10) {
            0..2 => {
                spoilt.remove(at);
            }
            2..4 => spoilt.insert(at, letters[at]),
            4..6 if at > 0 => spoilt.swap(at - 1, at),
            6..8 => spoilt[at] = beside(letters[at], random),
            _ => {
                let text = same_sound(name, random);
                if text != name {
                    return text;
                }
            }
        }
        if spoilt != letters {
            return spoilt.into_iter().collect();
        }
    }
}

/// A key next to the right one on a British keyboard.
fn beside(letter: char, random: &mut Random) -> char {
    const ROWS: [&[u8]; 3] = [b"QWERTYUIOP", b"ASDFGHJKL", b"ZXCVBNM"];
    for row in ROWS {
        if let Some(at) = row.iter().position(|key| char::from(*key) == letter) {
            let neighbour = if at == 0 || (random.chance(0.5) && at + 1 < row.len()) { at + 1 } else { at - 1 };
            return char::from(row[neighbour]);
        }
    }
    letter
}

/// The first place where one of some spellings can stand for another, starting the search anywhere among them.
fn same_sound(name: &str, random: &mut Random) -> String {
    const SPELLINGS: [(&str, &str); 16] = [
        ("PH", "F"),
        ("CK", "K"),
        ("IE", "EI"),
        ("EI", "IE"),
        ("Y", "IE"),
        ("EE", "EA"),
        ("C", "K"),
        ("K", "C"),
        ("S", "Z"),
        ("Z", "S"),
        ("OU", "U"),
        ("AI", "AY"),
        ("V", "W"),
        ("E", "A"),
        ("A", "E"),
        ("O", "U"),
    ];
    let first = random.below(SPELLINGS.len());
    for (spelling, other) in SPELLINGS.iter().cycle().skip(first).take(SPELLINGS.len()) {
        if name.contains(spelling) {
            return name.replacen(spelling, other, 1);
        }
    }
    name.to_owned()
}

/// Another date of birth, as typing errors and bad memory make it: a digit of the day or year wrong, the month beside, a year or ten off.
pub(super) fn wrong_birthday(day: Day, random: &mut Random) -> Day {
    let (year, month, date) = day.ymd();
    let sign = if random.chance(0.5) { 1 } else { -1 };
    let other = match random.below(10) {
        0..3 => Day::from_ymd(year, month, date + sign),
        3..5 => Day::from_ymd(year, month, date + 10 * sign),
        5..7 => Day::from_ymd(year, month + sign, date),
        7..9 => Day::from_ymd(year + i16::from(sign), month, date),
        _ => Day::from_ymd(year - 10, month, date),
    };
    other.unwrap_or(day.plus_days(1))
}

/// Day and month exchanged, where that gives another date.
pub(super) fn swapped_birthday(day: Day) -> Option<Day> {
    let (year, month, date) = day.ymd();
    Day::from_ymd(year, date, month).filter(|swapped| *swapped != day)
}

/// A date as one of the formats that providers use; two of three are dd/mm/yyyy.
pub(super) fn written_date(day: Day, random: &mut Random) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (year, month, date) = day.ymd();
    let name = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or_default();
    match random.below(24) {
        0..3 => day.to_string(),
        3 => format!("{date}/{month}/{:02}", year % 100),
        4 => format!("{date:02}-{}-{year}", name.get(..3).unwrap_or(name)),
        5 => format!("{date} {name} {year}"),
        6 => format!("{date:02}.{month:02}.{year}"),
        7 => format!("{year}{month:02}{date:02}"),
        _ => format!("{date:02}/{month:02}/{year}"),
    }
}

/// A canonical PNC id as people write it: long, short, without slash, in lower case, with spaces.
pub(super) fn written_pnc_id(canonical: &str, random: &mut Random) -> String {
    let short = || -> String {
        let (year, rest) = canonical.split_at_checked(4).unwrap_or((canonical, ""));
        format!("{}/{}", year.get(2..).unwrap_or(year), rest.trim_start_matches('/').trim_start_matches('0'))
    };
    match random.below(10) {
        0..4 => canonical.to_owned(),
        4..7 => short(),
        7 => canonical.replace('/', ""),
        8 => short().to_lowercase(),
        _ => format!(" {} ", canonical.replace('/', " / ")),
    }
}

/// One digit of an identifier wrong.
pub(super) fn wrong_digit(identifier: &str, random: &mut Random) -> String {
    let digits: Vec<usize> = identifier.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    let wrong = random.pick(&digits).copied();
    let shift = 1 + random.below(9) as u8;
    let spoilt = identifier.char_indices().map(|(at, c)| match c {
        '0'..='9' if Some(at) == wrong => char::from(b'0' + (c as u8 - b'0' + shift) % 10),
        c => c,
    });
    spoilt.collect()
}

/// `O'BRIEN-SMITH` as `O'Brien-Smith`.
pub(super) fn title_case(name: &str) -> String {
    let mut is_inside = false;
    let cased = name.chars().map(|c| {
        let cased = if is_inside { c.to_ascii_lowercase() } else { c };
        is_inside = c.is_ascii_alphabetic();
        cased
    });
    cased.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{date, pnc};

    #[test]
    fn a_typo_changes_a_name_a_little() {
        let mut random = Random::new(1, 0);
        for _ in 0..2_000 {
            for name in ["SMITH", "AL", "MOHAMMED", "O'BRIEN", "AAAA"] {
                let spoilt = typo(name, &mut random);
                assert_ne!(spoilt, name);
                assert!(spoilt.len().abs_diff(name.len()) <= 1, "{spoilt}");
            }
        }
        assert_eq!(typo("A", &mut random), "A");
    }

    #[test]
    fn a_wrong_birthday_is_another_day() {
        let mut random = Random::new(2, 0);
        for n in -20_000..5_000 {
            assert_ne!(wrong_birthday(Day(n), &mut random), Day(n));
        }
    }

    #[test]
    fn written_values_are_read_back() {
        let mut random = Random::new(3, 0);
        for n in -20_000..9_000 {
            assert_eq!(date::parse(&written_date(Day(n), &mut random)).day, Some(Day(n)));
        }
        for id in ["2002/0073319Z", "1979/0163001B", "2003/0000003Y"] {
            for _ in 0..100 {
                let written = written_pnc_id(id, &mut random);
                assert_eq!(pnc::parse(&written, 39).valid().unwrap().to_string(), id, "{written}");
                assert_ne!(wrong_digit(id, &mut random), id);
            }
        }
        assert_eq!(title_case("O'BRIEN-SMITH"), "O'Brien-Smith");
    }
}
