//! The date of birth.
//!
//! Default m: exact 0.93 and the kinds of slips from keying studies in general: day and month exchanged one or two
//! in a hundred, one digit two or three. Default u of the inexact levels: shares among random pairs of adults born over 50 years.

use super::prepared::{PreparedDob, digits};
use super::slip::one_slip;
use super::{Comparison, Finding, LevelSpec, MISSING, Prepared, level};
use crate::calendar::Day;
use crate::linkage::model::Weights;
use crate::linkage::record::RegisterPerson;

pub(super) const DOB: [LevelSpec; 8] = [
    level("exact", 0.9290, 0.00006),
    level("alias", 0.0100, 0.00006),
    level("day_month_swapped", 0.0130, 0.00004),
    level("one_slip", 0.0300, 0.00134),
    level("two_parts", 0.0080, 0.00450),
    level("within_two_years", 0.0030, 0.09400),
    level("generation_apart", 0.0015, 0.35000),
    level("different", 0.0055, 0.55000),
];

const EXACT: u8 = 1;
const ALIAS: u8 = 2;
const DAY_MONTH_SWAPPED: u8 = 3;
const ONE_SLIP: u8 = 4;
const TWO_PARTS: u8 = 5;
pub(crate) const WITHIN_TWO_YEARS: u8 = 6;
const GENERATION: u8 = 7;
const DIFFERENT: u8 = 8;

pub(super) fn compare(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Finding {
    let Some(sent) = &submitted.dob else { return Finding { level: MISSING, log2_u: 0.0 } };
    // Of several dates the best agreement counts; a tie goes to the recorded one, which comes first.
    let mut best: Option<(u8, f64)> = None;
    for (at, held) in person.dobs().enumerate() {
        let (level, u) = match (level_of(sent, held), at) {
            ((EXACT, u), 1..) => (ALIAS, u * person.aliases.len() as f64),
            (found, _) => found,
        };
        if best.is_none_or(|(least, _)| level < least) {
            best =
                Some((level, if level <= DAY_MONTH_SWAPPED { u } else { weights.u(Comparison::DateOfBirth, level) }));
        }
    }
    match best {
        None => Finding { level: MISSING, log2_u: 0.0 },
        Some((level, _)) if submitted.person.dob_placeholder && level > ALIAS => {
            Finding { level: MISSING, log2_u: 0.0 }
        }
        Some((level, u)) => Finding { level, log2_u: u.log2() as f32 },
    }
}

/// The level of one register date and, down to exchanged day and month, the share of that very date.
fn level_of(sent: &PreparedDob, held: Day) -> (u8, f64) {
    if sent.day == held {
        return (EXACT, sent.share);
    }
    if let Some((_, share)) = sent.other_reading.filter(|(day, _)| *day == held) {
        // Two readings are two chances.
        return (EXACT, share + sent.share);
    }
    if let Some((_, share)) = sent.swapped.filter(|(day, _)| *day == held) {
        return (DAY_MONTH_SWAPPED, share);
    }
    let apart = held.days_since(sent.day).abs();
    let (a, b) = (sent.digits, digits(held));
    let level = if one_slip_of_date(&a, &b) {
        ONE_SLIP
    } else if usize::from(a[..4] == b[..4]) + usize::from(a[4..6] == b[4..6]) + usize::from(a[6..] == b[6..]) == 2 {
        TWO_PARTS
    } else if apart <= 731 {
        WITHIN_TWO_YEARS
    } else if (14 * 365..=50 * 366).contains(&apart) {
        GENERATION
    } else {
        DIFFERENT
    };
    (level, 1.0)
}

/// One digit differs, or two neighbours are exchanged, or the year is one off with day and month equal (1999 and 2000).
fn one_slip_of_date(a: &[u8; 8], b: &[u8; 8]) -> bool {
    one_slip(a, b) || a[4..] == b[4..] && year(a).abs_diff(year(b)) == 1
}

fn year(digits: &[u8; 8]) -> u32 {
    digits[..4].iter().fold(0, |year, &digit| year * 10 + u32::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_fall_on_the_level_a_clerk_would_choose() {
        let day = |y, m, d| Day::from_ymd(y, m, d).unwrap();
        let sent = day(1979, 4, 12);
        let prepared = PreparedDob {
            day: sent,
            digits: digits(sent),
            share: 0.1,
            other_reading: Some((day(2012, 4, 19), 0.3)),
            swapped: Some((day(1979, 12, 4), 0.2)),
        };
        for (held, level) in [
            (day(1979, 4, 12), EXACT),
            (day(2012, 4, 19), EXACT),
            (day(1979, 12, 4), DAY_MONTH_SWAPPED),
            (day(1979, 4, 13), ONE_SLIP),
            (day(1989, 4, 12), ONE_SLIP),
            (day(1980, 4, 12), ONE_SLIP),
            (day(1979, 4, 21), ONE_SLIP),
            (day(1997, 4, 12), ONE_SLIP),
            (day(1979, 4, 30), TWO_PARTS),
            (day(1991, 4, 12), TWO_PARTS),
            (day(1980, 11, 2), WITHIN_TWO_YEARS),
            (day(2003, 9, 30), GENERATION),
            (day(1985, 9, 30), DIFFERENT),
        ] {
            assert_eq!(level_of(&prepared, held).0, level, "{held}");
        }
        assert_eq!(level_of(&prepared, day(2012, 4, 19)).1, 0.4, "two readings are two chances");
    }
}
