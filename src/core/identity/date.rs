//! Dates as providers write them.
//!
//! British order is the rule: 04/05/1980 is 4 May. The date with day and month exchanged is kept beside it as evidence,
//! since software and people exchange them silently in every format. Nothing is guessed: text that is no date of the
//! calendar is malformed.

use crate::calendar::Day;

/// Two-digit years from this on belong to the 1900s, the others to the 2000s. A fixed pivot, because the meaning of a
/// stored text must not change with the calendar; births of the 1930s and sentences of the 2020s are both read right.
pub const TWO_DIGIT_YEAR_PIVOT: i16 = 30;

/// Years before and after these are typing errors.
const YEARS: std::ops::RangeInclusive<i16> = 1850..=2150;

/// What stands for a date that nobody knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// 1 January: often only the year was known. Weak evidence of the day and month.
    FirstOfJanuary,
    /// 1900-01-01, 1901-01-01 or 1970-01-01: the first day of some computer's calendar. No evidence at all.
    Default,
}

/// A date and what can be said about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParsedDate {
    /// The date in British order; `None` where the text is malformed.
    pub day: Option<Day>,
    /// The other date that results when day and month are exchanged; may exist where `day` does not, as for 05/25/1980.
    pub swapped: Option<Day>,
    /// Does the date look like a stand-in?
    pub placeholder: Option<Placeholder>,
}

impl ParsedDate {
    /// `valid`, `placeholder` (a [`Placeholder::Default`]) or `malformed`.
    pub fn status(&self) -> &'static str {
        match (self.day, self.placeholder) {
            (None, _) => "malformed",
            (_, Some(Placeholder::Default)) => "placeholder",
            _ => "valid",
        }
    }
}

/// Reads a date.
///
/// Formats: `yyyy-mm-dd`, `dd/mm/yyyy`, `d/m/yy`, `dd-Mon-yyyy`, `dd Month yyyy`, `Month dd, yyyy`, `yyyymmdd`, `ddmmyyyy`; the separator
/// may be any of `/ - . ,` or a space, a month may be named by its first three letters or more, a day may be an
/// ordinal (4th), and a time of day behind the date is ignored. Two-digit years follow [`TWO_DIGIT_YEAR_PIVOT`].
///
/// ```
/// use jdl_core::calendar::Day;
/// use jdl_core::identity::date::parse;
/// let read = parse("4/5/80");
/// assert_eq!(read.day, Day::from_ymd(1980, 5, 4));
/// assert_eq!(read.swapped, Day::from_ymd(1980, 4, 5));
/// assert_eq!(parse("29 February 1981").day, None);
/// ```
pub fn parse(text: &str) -> ParsedDate {
    match fields(text) {
        Some((year, month, day)) if YEARS.contains(&year) => {
            let read = Day::from_ymd(year, month, day);
            let swapped = Day::from_ymd(year, day, month).filter(|swapped| Some(*swapped) != read);
            ParsedDate { day: read, swapped, placeholder: read.and_then(placeholder) }
        }
        _ => ParsedDate::default(),
    }
}

fn placeholder(day: Day) -> Option<Placeholder> {
    match day.ymd() {
        (1900 | 1901 | 1970, 1, 1) => Some(Placeholder::Default),
        (_, 1, 1) => Some(Placeholder::FirstOfJanuary),
        _ => None,
    }
}

/// Year, month and day as written; the calendar has not been asked.
fn fields(text: &str) -> Option<(i16, i8, i8)> {
    let text = text.trim();
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let tokens = tokens(text)?;
    match tokens.as_slice() {
        [Token::Number(8, digits)] => eight_digits(*digits),
        // yyyy-mm-dd
        [Token::Number(4, y), Token::Number(1..=2, m), Token::Number(1..=2, d)] => {
            Some((year(4, *y)?, small(*m)?, small(*d)?))
        }
        [Token::Number(1..=2, d), Token::Number(1..=2, m), Token::Number(w @ (2 | 4), y)]
        | [Token::Number(1..=2, d), Token::Month(m), Token::Number(w @ (2 | 4), y)]
        | [Token::Month(m), Token::Number(1..=2, d), Token::Number(w @ (2 | 4), y)]
        | [Token::Number(w @ 4, y), Token::Month(m), Token::Number(1..=2, d)] => {
            Some((year(*w, *y)?, small(*m)?, small(*d)?))
        }
        _ => None,
    }
}

/// `yyyymmdd` where that is a date of a plausible year, else `ddmmyyyy`. No text is both: the second would need the month 18 to 21.
fn eight_digits(digits: u32) -> Option<(i16, i8, i8)> {
    let (y, m, d) = (year(4, digits / 10_000)?, small(digits / 100 % 100)?, small(digits % 100)?);
    if YEARS.contains(&y) && Day::from_ymd(y, m, d).is_some() {
        return Some((y, m, d));
    }
    Some((year(4, digits % 10_000)?, small(digits / 10_000 % 100)?, small(digits / 1_000_000)?))
}

fn year(width: usize, value: u32) -> Option<i16> {
    let value = i16::try_from(value).ok()?;
    Some(match width {
        2 if value >= TWO_DIGIT_YEAR_PIVOT => 1900 + value,
        2 => 2000 + value,
        _ => value,
    })
}

fn small(value: u32) -> Option<i8> {
    i8::try_from(value).ok()
}

#[derive(Clone, Copy)]
enum Token {
    /// Width in digits, value.
    Number(usize, u32),
    /// 1 to 12.
    Month(u32),
}

/// Splits a date into its one to three tokens; `None` where something else stands in it.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(3);
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ' ' || (!tokens.is_empty() && "/-.,".contains(c)));
        if rest.is_empty() || is_done(&tokens) {
            break;
        }
        let is_digit = rest.starts_with(|c: char| c.is_ascii_digit());
        let end =
            rest.find(|c: char| c.is_ascii_digit() != is_digit || !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        if is_digit {
            tokens.push(Token::Number(word.len(), word.parse().ok()?));
            if word.len() <= 2
                && let Some(letters) = rest.get(..2)
                && ["st", "nd", "rd", "th"].iter().any(|suffix| letters.eq_ignore_ascii_case(suffix))
            {
                rest = &rest[2..];
            }
        } else {
            tokens.push(Token::Month(month(word)?));
        }
    }
    (rest.is_empty() || is_time(rest)).then_some(tokens)
}

/// Has the date been read to its end, so that only a time of day may follow?
fn is_done(tokens: &[Token]) -> bool {
    tokens.len() == 3 || matches!(tokens, [Token::Number(8, _)])
}

/// `T00:00:00`, `00:00`, `12:30:00.000Z`, `12:00 AM`, `00:00:00+01`: digits, colons, and the letters of times; at least one colon.
fn is_time(text: &str) -> bool {
    text.contains(':') && text.bytes().all(|c| c.is_ascii_digit() || b":.+- TZAMPtzamp".contains(&c))
}

fn month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.to_ascii_lowercase();
    (1..).zip(MONTHS).find(|(_, name)| word.len() >= 3 && name.starts_with(&word)).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i16, month: i8, day: i8) -> Option<Day> {
        let day = Day::from_ymd(year, month, day);
        assert!(day.is_some());
        day
    }

    #[test]
    fn every_format_reads_the_same_day() {
        for text in [
            "1980-05-24",
            "24/05/1980",
            "24/5/80",
            "24-05-1980",
            "24/05/1980/",
            "24.05.1980",
            "24 05 1980",
            "24-May-1980",
            "24-MAY-80",
            "24 May 1980",
            "24th May, 1980",
            "May 24, 1980",
            "May 24th 1980",
            "19800524",
            "24051980",
            " 24/05/1980 ",
            "24/05/1980 00:00",
            "1980-05-24T00:00:00Z",
            "1980-05-24 00:00:00+01",
            "1980/05/24",
            "24May1980",
            "1980-May-24",
        ] {
            assert_eq!(parse(text).day, day(1980, 5, 24), "{text}");
            assert_eq!(parse(text).swapped, None, "{text}");
        }
    }

    #[test]
    fn british_order_is_the_rule_and_the_other_order_is_evidence() {
        for text in ["04/05/1980", "4.5.80", "1980-05-04", "4 May 1980", "04051980"] {
            let read = parse(text);
            assert_eq!((read.day, read.swapped), (day(1980, 5, 4), day(1980, 4, 5)), "{text}");
        }
        assert_eq!(parse("05/05/1980").swapped, None);
        assert_eq!(parse("05/25/1980"), ParsedDate { swapped: day(1980, 5, 25), ..ParsedDate::default() });
        assert_eq!(parse("05/25/1980").status(), "malformed");
    }

    #[test]
    fn two_digit_years_follow_the_pivot() {
        assert_eq!(parse("1/2/30").day, day(1930, 2, 1));
        assert_eq!(parse("1/2/29").day, day(2029, 2, 1));
        assert_eq!(parse("1/2/99").day, day(1999, 2, 1));
        assert_eq!(parse("1/2/00").day, day(2000, 2, 1));
    }

    #[test]
    fn placeholders_are_flagged() {
        for text in ["01/01/1900", "1901-01-01", "1 Jan 1970"] {
            assert_eq!(parse(text).placeholder, Some(Placeholder::Default), "{text}");
            assert_eq!(parse(text).status(), "placeholder");
        }
        assert_eq!(parse("01/01/1985").placeholder, Some(Placeholder::FirstOfJanuary));
        assert_eq!(parse("01/01/1985").status(), "valid");
        assert_eq!(parse("02/01/1985").placeholder, None);
    }

    #[test]
    fn leap_days_exist_in_leap_years_only() {
        assert_eq!(parse("29/02/1980").day, day(1980, 2, 29));
        assert_eq!(parse("29/02/1900").day, None);
        assert_eq!(parse("29/02/2000").day, day(2000, 2, 29));
        assert_eq!(parse("29/02/1981").day, None);
    }

    #[test]
    fn what_is_no_date_is_malformed() {
        for text in [
            "",
            "unknown",
            "1980",
            "05/1980",
            "31/04/1980",
            "00/05/1980",
            "12/13/14/15",
            "24/05/980",
            "24/05/19800",
            "24//",
            "-24/05/1980",
            "24 Ma 1980",
            "24 Mayor 1980",
            "1/1/1",
            "24/05/1849",
            "24/05/2151",
            "29345",
            "24/05/1980 x",
            "99999999",
            "4294967296",
            "２４/05/1980",
            "10:30",
        ] {
            assert_eq!(parse(text).day, None, "{text}");
        }
    }
}
