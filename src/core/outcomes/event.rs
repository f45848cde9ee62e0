//! The events that outcomes are made from, and what counts as a re-offence.

use crate::calendar::{Day, FollowUp, FollowUpLength};

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

/// What counts as a proven re-offence; the same for every person of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// How long people are followed.
    pub length: FollowUpLength,
    /// Which offences count.
    pub filter: OffenceFilter,
}

impl Definition {
    /// Whether `offence` is a proven re-offence in `follow_up`: of a group that counts, committed in the follow-up, and
    /// convicted or cautioned not before it was committed and before the waiting period ended (Ministry of Justice,
    /// "Proven reoffending statistics: definitions and measurement").
    pub fn counts(&self, follow_up: &FollowUp, offence: &Offence) -> bool {
        offence.outcome.proves()
            && self.filter.includes(offence.offence_group)
            && offence.outcome_date.is_some_and(|day| follow_up.proves(offence.offence_date, day))
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
