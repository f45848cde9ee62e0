//! A calendar day as one small integer.

use jiff::ToSpan as _;
use jiff::civil::Date;

/// A day of the Gregorian calendar, counted from 2000-01-01 (day 0), as Postgres' `date` counts.
///
/// ```
/// use jdl_core::calendar::Day;
/// let leap = Day::from_ymd(2004, 2, 29).unwrap();
/// assert_eq!(leap.plus_months(12), Day::from_ymd(2005, 2, 28).unwrap());
/// assert_eq!(Day::from_ymd(2000, 1, 1).unwrap(), Day(0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

/// 2000-01-01, Postgres' epoch.
const EPOCH: Date = jiff::civil::date(2000, 1, 1);

impl Day {
    /// The day of a year (-9999 to 9999), month and day of the month; `None` where the calendar has no such day.
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Self> {
        Date::new(year, month, day).ok().map(Self::from)
    }

    /// Year, month (1 to 12), day of the month (1 to 31).
    pub fn ymd(self) -> (i16, i8, i8) {
        let date = Date::from(self);
        (date.year(), date.month(), date.day())
    }

    /// The calendar year.
    pub fn year(self) -> i16 {
        self.ymd().0
    }

    /// The same day of the month `months` later (earlier where negative); the month's last day where that month is shorter.
    pub fn plus_months(self, months: i32) -> Self {
        Date::from(self).saturating_add(months.months()).into()
    }

    /// `days` later (earlier where negative).
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from `earlier` to this day; negative where `earlier` is the later one.
    pub fn days_since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }

    /// Completed years of age on this day of a person born on `birth`.
    pub fn age_of(self, birth: Self) -> i32 {
        let ((y, m, d), (by, bm, bd)) = (self.ymd(), birth.ymd());
        i32::from(y) - i32::from(by) - i32::from((m, d) < (bm, bd))
    }
}

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        let days = date.since(EPOCH).map_or(0, |span| span.get_days());
        Self(days)
    }
}

impl From<Day> for Date {
    /// Saturates at jiff's range (years -9999 to 9999).
    fn from(day: Day) -> Self {
        EPOCH.saturating_add(i64::from(day.0).days())
    }
}

/// ISO 8601, `YYYY-MM-DD`.
impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Date::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Day;

    #[test]
    fn days_round_trip_through_year_month_day() {
        for n in (-200_000..200_000).step_by(37) {
            let (y, m, d) = Day(n).ymd();
            assert_eq!(Day::from_ymd(y, m, d), Some(Day(n)));
        }
        assert_eq!(Day::from_ymd(2001, 2, 29), None);
        assert_eq!(Day(1).to_string(), "2000-01-02");
    }

    #[test]
    fn age_changes_on_the_birthday() {
        let birth = Day::from_ymd(1980, 6, 15).unwrap();
        assert_eq!(Day::from_ymd(2000, 6, 14).unwrap().age_of(birth), 19);
        assert_eq!(Day::from_ymd(2000, 6, 15).unwrap().age_of(birth), 20);
    }
}
