//! The follow-up of an index event: which offence and outcome dates count.

use super::Day;
use crate::Error;
use crate::Result;

/// How long people are followed, and how much longer their offences may take to be proven.
///
/// ```
/// use jdl_core::calendar::{Day, FollowUpLength};
/// let two_years = FollowUpLength::new(24, 6).unwrap();
/// let release = Day::from_ymd(2005, 3, 31).unwrap();
/// assert_eq!(two_years.from(release).offence_end(), Day::from_ymd(2007, 3, 31).unwrap());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowUpLength {
    months: u16,
    waiting_months: u16,
}

impl FollowUpLength {
    /// Follow-up of 12 months and waiting period of 6: the national measure (MoJ, "Proven reoffending statistics:
    /// definitions and measurement").
    pub const ONE_YEAR: Self = Self { months: 12, waiting_months: 6 };

    /// A follow-up of `months` (1 to 120) with a waiting period of `waiting_months` (0 to 120).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] on `follow_up_months` or `waiting_months` out of range.
    pub fn new(months: u16, waiting_months: u16) -> Result<Self> {
        if !(1..=120).contains(&months) {
            return Err(Error::invalid("follow_up_months", "must lie between 1 and 120"));
        }
        if waiting_months > 120 {
            return Err(Error::invalid("waiting_months", "must be at most 120"));
        }
        Ok(Self { months, waiting_months })
    }

    /// The follow-up of this length from `start`.
    pub fn from(self, start: Day) -> FollowUp {
        let (months, waiting) = (i32::from(self.months), i32::from(self.waiting_months));
        FollowUp { start, offence_end: start.plus_months(months), outcome_end: start.plus_months(months + waiting) }
    }
}

/// The days of one person's follow-up and waiting period, which start with the index event.
///
/// Both ends are half-open and counted from the start by calendar months, never from each other: an offence counts on
/// `start` and up to the day before `start` + 12 months, an outcome up to the day before `start` + 18 months. Where
/// the month is too short, its last day ends the window: a follow-up from 29 February ends before 28 February.
///
/// ```
/// use jdl_core::calendar::{Day, FollowUp};
/// let release = Day::from_ymd(2005, 3, 31).unwrap();
/// let follow_up = FollowUp::one_year(release);
/// assert!(follow_up.contains_offence(release));
/// assert!(!follow_up.contains_offence(Day::from_ymd(2006, 3, 31).unwrap()));
/// assert_eq!(follow_up.outcome_end(), Day::from_ymd(2006, 9, 30).unwrap());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowUp {
    start: Day,
    offence_end: Day,
    outcome_end: Day,
}

impl FollowUp {
    /// [`FollowUpLength::ONE_YEAR`] from `start`.
    pub fn one_year(start: Day) -> Self {
        FollowUpLength::ONE_YEAR.from(start)
    }

    /// The day the clock starts: release from custody, start of a court sentence, or caution.
    pub fn start(&self) -> Day {
        self.start
    }

    /// The first day on which an offence no longer counts.
    pub fn offence_end(&self) -> Day {
        self.offence_end
    }

    /// The first day on which an outcome comes too late.
    pub fn outcome_end(&self) -> Day {
        self.outcome_end
    }

    /// Is an offence of this day inside the follow-up?
    pub fn contains_offence(&self, day: Day) -> bool {
        self.start <= day && day < self.offence_end
    }

    /// Does an offence of `offence_date` that was decided on `outcome_date` count as proven in time? A decision before
    /// the offence is a mistake in the record and proves nothing.
    pub fn proves(&self, offence_date: Day, outcome_date: Day) -> bool {
        self.contains_offence(offence_date) && offence_date <= outcome_date && outcome_date < self.outcome_end
    }

    /// Can the question be answered from records that are complete up to and including `known_until`?
    pub fn is_complete(&self, known_until: Day) -> bool {
        known_until.plus_days(1) >= self.outcome_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i16, month: i8, day: i8) -> Day {
        Day::from_ymd(year, month, day).unwrap()
    }

    #[test]
    fn the_first_day_is_inside_and_the_anniversary_is_not() {
        let follow_up = FollowUp::one_year(day(2006, 7, 15));
        assert!(!follow_up.contains_offence(day(2006, 7, 14)));
        assert!(follow_up.contains_offence(day(2006, 7, 15)));
        assert!(follow_up.contains_offence(day(2007, 7, 14)));
        assert!(!follow_up.contains_offence(day(2007, 7, 15)));
    }

    #[test]
    fn an_outcome_counts_until_the_day_before_eighteen_months() {
        let follow_up = FollowUp::one_year(day(2006, 7, 15));
        let offence = day(2007, 7, 14);
        assert!(follow_up.proves(offence, day(2008, 1, 14)));
        assert!(!follow_up.proves(offence, day(2008, 1, 15)));
        assert!(!follow_up.proves(day(2007, 7, 15), day(2007, 8, 1)));
        assert!(!follow_up.proves(offence, day(2007, 7, 13)));
    }

    #[test]
    fn leap_years_and_short_months_end_on_the_last_day_there_is() {
        let from_leap_day = FollowUp::one_year(day(2004, 2, 29));
        assert!(from_leap_day.contains_offence(day(2005, 2, 27)));
        assert!(!from_leap_day.contains_offence(day(2005, 2, 28)));
        assert_eq!(from_leap_day.outcome_end(), day(2005, 8, 29));

        let over_a_leap_day = FollowUp::one_year(day(2003, 3, 1));
        assert!(over_a_leap_day.contains_offence(day(2004, 2, 29)));
        assert!(!over_a_leap_day.contains_offence(day(2004, 3, 1)));

        // Eighteen months run from the start: 31 August + 18 months is 28 February, not 31 August + 12 + 6 by way of another month's end.
        assert_eq!(FollowUp::one_year(day(2005, 8, 31)).outcome_end(), day(2007, 2, 28));
        assert_eq!(FollowUp::one_year(day(2006, 8, 31)).outcome_end(), day(2008, 2, 29));
        let four_years = FollowUpLength::new(48, 6).unwrap();
        assert_eq!(four_years.from(day(2004, 2, 29)).offence_end(), day(2008, 2, 29));
    }

    #[test]
    fn a_follow_up_is_complete_once_the_last_possible_outcome_is_known() {
        let follow_up = FollowUp::one_year(day(2006, 7, 15));
        assert!(!follow_up.is_complete(day(2008, 1, 13)));
        assert!(follow_up.is_complete(day(2008, 1, 14)));
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        for (months, waiting, allowed) in
            [(0, 6, false), (1, 0, true), (120, 120, true), (121, 6, false), (12, 121, false)]
        {
            assert_eq!(FollowUpLength::new(months, waiting).is_ok(), allowed, "{months}, {waiting}");
        }
        assert_eq!(FollowUpLength::new(12, 6), Ok(FollowUpLength::ONE_YEAR));
    }
}
