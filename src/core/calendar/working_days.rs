//! Working days: Monday to Friday without bank holidays.
//!
//! Comes in: a day, a count, and the bank holidays of the jurisdiction as a table (one-off holidays are proclaimed
//! days ahead, so they are never computed here). Goes out: a day or a count, in time that grows with the logarithm
//! of the number of holidays and not with the count.

use super::Day;

/// The bank holidays that fall on a weekday, ready for counting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holidays {
    /// Ordinals (see [`weekday_ordinal`]) of the holidays, ascending and distinct.
    ordinals: Vec<i64>,
    last: Option<Day>,
}

impl Holidays {
    /// Takes the days in any order; repeated days count once and days of a weekend do not count.
    pub fn new(days: &[Day]) -> Self {
        let mut ordinals: Vec<i64> =
            days.iter().filter(|day| is_weekday(**day)).map(|day| weekday_ordinal(*day)).collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        Self { ordinals, last: days.iter().copied().max() }
    }

    /// The last day of the table, beyond which no holiday is known; `None` for an empty table.
    pub fn last(&self) -> Option<Day> {
        self.last
    }

    /// Is this a working day?
    pub fn is_working_day(&self, day: Day) -> bool {
        is_weekday(day) && self.ordinals.binary_search(&weekday_ordinal(day)).is_err()
    }

    /// Working days up to and including `day`, counted from an arbitrary origin.
    fn ordinal(&self, day: Day) -> i64 {
        let weekdays = weekday_ordinal(day);
        weekdays - self.ordinals.partition_point(|holiday| *holiday <= weekdays) as i64
    }

    /// The working day with this ordinal: the inverse of [`Holidays::ordinal`] on working days.
    fn working_day(&self, ordinal: i64) -> Day {
        // The i-th holiday stands at weekday `h` and so behind `h - (i + 1)` working days.
        let (mut low, mut high) = (0, self.ordinals.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.ordinals[middle] - (middle as i64 + 1) < ordinal { low = middle + 1 } else { high = middle }
        }
        weekday(ordinal + low as i64)
    }
}

/// The working day `n` working days after `start` (before it where `n` is negative).
///
/// The first working day after `start` is day 1, whether or not `start` is a working day itself; `n = 0` gives
/// `start` back. Saturates at the ends of [`Day`].
///
/// ```
/// use jdl_core::calendar::{Day, Holidays, add_working_days};
/// let friday = Day::from_ymd(2024, 12, 20).unwrap();
/// let holidays = Holidays::new(&[Day::from_ymd(2024, 12, 25).unwrap(), Day::from_ymd(2024, 12, 26).unwrap()]);
/// assert_eq!(add_working_days(friday, 1, &holidays), Day::from_ymd(2024, 12, 23).unwrap());
/// assert_eq!(add_working_days(friday, 3, &holidays), Day::from_ymd(2024, 12, 27).unwrap());
/// assert_eq!(add_working_days(friday, -1, &holidays), Day::from_ymd(2024, 12, 19).unwrap());
/// ```
pub fn add_working_days(start: Day, n: i32, holidays: &Holidays) -> Day {
    match n {
        0 => start,
        1.. => holidays.working_day(holidays.ordinal(start) + i64::from(n)),
        _ => holidays.working_day(holidays.ordinal(start.plus_days(-1)) + 1 + i64::from(n)),
    }
}

/// Working days from `from` to `to`: those after `from` up to and including `to`; where `to` is the earlier one, minus
/// those from `to` up to the day before `from`.
///
/// The inverse of [`add_working_days`]: `add_working_days(from, working_days_between(from, to)) == to` for every working day `to`.
///
/// ```
/// use jdl_core::calendar::{Day, Holidays, working_days_between};
/// let (friday, monday) = (Day::from_ymd(2024, 3, 1).unwrap(), Day::from_ymd(2024, 3, 4).unwrap());
/// assert_eq!(working_days_between(friday, monday, &Holidays::default()), 1);
/// assert_eq!(working_days_between(monday, friday, &Holidays::default()), -1);
/// ```
pub fn working_days_between(from: Day, to: Day, holidays: &Holidays) -> i32 {
    let count = if to >= from {
        holidays.ordinal(to) - holidays.ordinal(from)
    } else {
        holidays.ordinal(to.plus_days(-1)) - holidays.ordinal(from.plus_days(-1))
    };
    // The whole range of `Day` holds more working days than an i32 counts: saturate.
    i32::try_from(count).unwrap_or(if count > 0 { i32::MAX } else { i32::MIN })
}

/// Days since Monday 2000-01-03, split into whole weeks and the day of the week (Monday is 0).
fn weeks_and_weekday(day: Day) -> (i64, i64) {
    let since_monday = i64::from(day.0) - 2;
    (since_monday.div_euclid(7), since_monday.rem_euclid(7))
}

fn is_weekday(day: Day) -> bool {
    weeks_and_weekday(day).1 < 5
}

/// Weekdays up to and including `day`: Monday 2000-01-03 is number 1.
fn weekday_ordinal(day: Day) -> i64 {
    let (weeks, weekday) = weeks_and_weekday(day);
    5 * weeks + (weekday + 1).min(5)
}

/// The weekday with this ordinal.
fn weekday(ordinal: i64) -> Day {
    let (weeks, weekday) = ((ordinal - 1).div_euclid(5), (ordinal - 1).rem_euclid(5));
    let day = 7 * weeks + weekday + 2;
    Day(i32::try_from(day).unwrap_or(if day > 0 { i32::MAX } else { i32::MIN }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holiday_at_a_weekend_or_given_twice_counts_as_nothing_more() {
        let (saturday, monday) = (Day(0), Day(2));
        assert_eq!(Holidays::new(&[saturday]).ordinals.len(), 0);
        assert_eq!(Holidays::new(&[monday, monday]).ordinals.len(), 1);
        assert!(!Holidays::new(&[monday]).is_working_day(monday));
        assert!(Holidays::default().is_working_day(monday));
        assert!(!Holidays::default().is_working_day(saturday));
        assert_eq!(Holidays::new(&[monday, saturday]).last(), Some(monday));
    }

    #[test]
    fn ends_of_the_calendar_saturate() {
        let none = Holidays::default();
        assert_eq!(add_working_days(Day(i32::MAX), i32::MAX, &none), Day(i32::MAX));
        assert_eq!(add_working_days(Day(i32::MIN), i32::MIN, &none), Day(i32::MIN));
        assert!(working_days_between(Day(i32::MIN), Day(i32::MAX), &none) > 0);
    }
}
