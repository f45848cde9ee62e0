//! The events that outcomes are made from, and the window in which they count.

use crate::calendar::Day;
use crate::error::{Error, Result};

/// How an offence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffenceOutcome {
    /// Found guilty by a court.
    Conviction,
    /// Caution, or a reprimand or warning of the older youth scheme.
    Caution,
    /// Penalty notice for disorder: never a proven re-offence.
    PenaltyNotice,
    /// Acquitted, dropped, pending, or anything else that proves nothing.
    NotProven,
}

impl OffenceOutcome {
    /// Whether this outcome proves the offence.
    pub fn proves(self) -> bool {
        matches!(self, Self::Conviction | Self::Caution)
    }
}

/// The court in which an offence can be tried; the order is that of seriousness, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CourtCategory {
    /// In a magistrates' court only.
    Summary,
    /// In either court.
    EitherWay,
    /// In the Crown Court only.
    Indictable,
}

impl CourtCategory {
    /// All categories, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Summary, Self::EitherWay, Self::Indictable];
}

/// One offence of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    /// The day it was committed.
    pub offence_date: Day,
    /// The day of the conviction or caution; `None` while there is none.
    pub outcome_date: Option<Day>,
    /// How it ended.
    pub outcome: OffenceOutcome,
    /// The offence group, as a small code: the caller keeps the names.
    pub offence_group: u16,
    /// Where it can be tried, if known.
    pub court_category: Option<CourtCategory>,
    /// Whether it was sentenced to immediate custody.
    pub custodial: bool,
}

/// Which offence groups count as re-offences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OffenceFilter {
    /// Every group.
    #[default]
    All,
    /// The listed groups only, for example the violent ones.
    Only(std::collections::BTreeSet<u16>),
}

impl OffenceFilter {
    /// Whether offences of `group` count.
    pub fn includes(&self, group: u16) -> bool {
        match self {
            Self::All => true,
            Self::Only(groups) => groups.contains(&group),
        }
    }
}

/// How long people are followed and what counts; the same for every person of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    months: u16,
    waiting_months: u16,
    offence_filter: OffenceFilter,
}

impl FollowUp {
    /// `months` in which an offence must be committed (12 for the one-year measure) and `waiting_months` more in which
    /// it may still be proven (6).
    ///
    /// # Errors
    /// `InvalidInput` on `months` (1 to 120) or `waiting_months` (at most 120).
    pub fn new(months: u16, waiting_months: u16, offence_filter: OffenceFilter) -> Result<Self> {
        if !(1..=120).contains(&months) {
            return Err(Error::invalid("months", "must lie between 1 and 120"));
        }
        if waiting_months > 120 {
            return Err(Error::invalid("waiting_months", "must be at most 120"));
        }
        Ok(Self { months, waiting_months, offence_filter })
    }

    /// The days that count for a follow-up from `start`.
    pub fn window(&self, start: Day) -> Window {
        Window {
            start,
            end: start.plus_months(i32::from(self.months)),
            proven_by: start.plus_months(i32::from(self.months) + i32::from(self.waiting_months)),
        }
    }

    /// Which offences count.
    pub fn offence_filter(&self) -> &OffenceFilter {
        &self.offence_filter
    }
}

/// The days of one person's follow-up. A start on the 29th to 31st that the last month lacks ends on that month's last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First day of the follow-up: release, start of a court sentence, or caution. Offences on it count.
    pub start: Day,
    /// First day after the follow-up. Offences on it do not count.
    pub end: Day,
    /// First day on which proof comes too late.
    pub proven_by: Day,
}

impl Window {
    /// Whether `offence` is a proven re-offence: committed on `start` or later and before `end`, and convicted or
    /// cautioned not before it was committed and before `proven_by`.
    pub fn proves(&self, offence: &Offence) -> bool {
        self.start <= offence.offence_date
            && offence.offence_date < self.end
            && offence.outcome.proves()
            && offence.outcome_date.is_some_and(|day| offence.offence_date <= day && day < self.proven_by)
    }
}

/// The event from which one person is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEvent {
    /// First day of the follow-up.
    pub start: Day,
    /// First day on which the person could no longer re-offend in the community (death, long custody for something
    /// else), where that is known. The definition of the rate ignores it; days at risk end there.
    pub at_risk_until: Option<Day>,
}
