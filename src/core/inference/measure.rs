//! The lab's measures: what each is called, whom it is about and what one person contributes to it.

use crate::outcomes::{CourtCategory, PersonOutcome};

/// A measure of proven re-offending. The lab publishes seven; the two by court category have a row for each category,
/// and the frequency per re-offender stands beside the frequency per person, never mixed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1. Share of people who re-offended.
    ReoffendingRate,
    /// 2. Re-offences per person in the group.
    ReoffenceFrequency,
    /// 2, the other denominator. Re-offences per re-offender.
    ReoffencesPerReoffender,
    /// 3. Mean days to the first re-offence, re-offenders only.
    DaysToFirstReoffence,
    /// 4. Share of re-offenders whose first re-offence was summary.
    FirstReoffenceSummaryRate,
    /// 4. Share of re-offenders whose first re-offence was triable either way.
    FirstReoffenceEitherWayRate,
    /// 4. Share of re-offenders whose first re-offence was indictable only.
    FirstReoffenceIndictableRate,
    /// 5. Summary re-offences per re-offender.
    SummaryFrequency,
    /// 5. Either-way re-offences per re-offender.
    EitherWayFrequency,
    /// 5. Indictable-only re-offences per re-offender.
    IndictableFrequency,
    /// 6. Share of re-offenders sentenced to custody for the first re-offence.
    FirstReoffenceCustodyRate,
    /// 7. Re-offences sentenced to custody per re-offender.
    CustodyFrequency,
}

/// What a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share of people, 0 to 1.
    Share,
    /// Re-offences per person (or per re-offender).
    PerPerson,
    /// Days.
    Days,
}

impl Measure {
    /// Every measure, in the order of the report.
    pub const ALL: [Self; 12] = [
        Self::ReoffendingRate,
        Self::ReoffenceFrequency,
        Self::ReoffencesPerReoffender,
        Self::DaysToFirstReoffence,
        Self::FirstReoffenceSummaryRate,
        Self::FirstReoffenceEitherWayRate,
        Self::FirstReoffenceIndictableRate,
        Self::SummaryFrequency,
        Self::EitherWayFrequency,
        Self::IndictableFrequency,
        Self::FirstReoffenceCustodyRate,
        Self::CustodyFrequency,
    ];

    /// The table of the lab's report that it stands in, 1 to 7.
    pub fn table(self) -> u8 {
        match self {
            Self::ReoffendingRate => 1,
            Self::ReoffenceFrequency | Self::ReoffencesPerReoffender => 2,
            Self::DaysToFirstReoffence => 3,
            Self::FirstReoffenceSummaryRate
            | Self::FirstReoffenceEitherWayRate
            | Self::FirstReoffenceIndictableRate => 4,
            Self::SummaryFrequency | Self::EitherWayFrequency | Self::IndictableFrequency => 5,
            Self::FirstReoffenceCustodyRate => 6,
            Self::CustodyFrequency => 7,
        }
    }

    /// What it counts.
    pub fn unit(self) -> Unit {
        match self {
            Self::ReoffendingRate
            | Self::FirstReoffenceSummaryRate
            | Self::FirstReoffenceEitherWayRate
            | Self::FirstReoffenceIndictableRate
            | Self::FirstReoffenceCustodyRate => Unit::Share,
            Self::DaysToFirstReoffence => Unit::Days,
            _ => Unit::PerPerson,
        }
    }

    /// Whether it is about re-offenders only.
    pub fn reoffenders_only(self) -> bool {
        !matches!(self, Self::ReoffendingRate | Self::ReoffenceFrequency)
    }

    /// What one person contributes; `None` for somebody it is not about.
    ///
    /// A re-offender whose first re-offence has no known category counts as not of the category.
    pub fn value(self, outcome: &PersonOutcome) -> Option<f64> {
        let first = outcome.first;
        let share = |yes: bool| if yes { 1.0 } else { 0.0 };
        let first_is = |category| first.map(|f| share(f.court_category == Some(category)));
        let frequency = |count: u32| first.map(|_| f64::from(count));
        let by_category = |category: CourtCategory| frequency(outcome.reoffences_by_category[category as usize]);
        match self {
            Self::ReoffendingRate => Some(share(first.is_some())),
            Self::ReoffenceFrequency => Some(f64::from(outcome.reoffences)),
            Self::ReoffencesPerReoffender => frequency(outcome.reoffences),
            Self::DaysToFirstReoffence => first.map(|f| f64::from(f.days)),
            Self::FirstReoffenceSummaryRate => first_is(CourtCategory::Summary),
            Self::FirstReoffenceEitherWayRate => first_is(CourtCategory::EitherWay),
            Self::FirstReoffenceIndictableRate => first_is(CourtCategory::Indictable),
            Self::SummaryFrequency => by_category(CourtCategory::Summary),
            Self::EitherWayFrequency => by_category(CourtCategory::EitherWay),
            Self::IndictableFrequency => by_category(CourtCategory::Indictable),
            Self::FirstReoffenceCustodyRate => first.map(|f| share(f.custodial)),
            Self::CustodyFrequency => frequency(outcome.custodial_count),
        }
    }
}
