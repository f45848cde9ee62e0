//! One measure of a stored result: both groups, the difference, its test.

use serde::{Deserialize, Serialize};

/// The lab's seven measures (frequency has a second denominator, which is never mixed with the first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKey {
    /// 1: share of the group that re-offended.
    ReoffendingRate,
    /// 2: re-offences per person in the group.
    ReoffencesPerPerson,
    /// 2 again: re-offences per re-offender.
    ReoffencesPerReoffender,
    /// 3: days to the first re-offence, re-offenders only.
    DaysToFirst,
    /// 4: share of re-offenders whose first re-offence was of one court category.
    CourtCategoryRate,
    /// 5: re-offences of one court category per re-offender.
    CourtCategoryFrequency,
    /// 6: share of re-offenders sentenced to custody for their first re-offence.
    CustodyRate,
    /// 7: custodial sentences per re-offender.
    CustodyFrequency,
}

impl MeasureKey {
    /// Every key, in the order of the lab's tables.
    pub const ALL: [Self; 8] = [
        Self::ReoffendingRate,
        Self::ReoffencesPerPerson,
        Self::ReoffencesPerReoffender,
        Self::DaysToFirst,
        Self::CourtCategoryRate,
        Self::CourtCategoryFrequency,
        Self::CustodyRate,
        Self::CustodyFrequency,
    ];

    /// What its numbers are.
    pub const fn unit(self) -> Unit {
        match self {
            Self::ReoffendingRate | Self::CourtCategoryRate | Self::CustodyRate => Unit::Share,
            Self::DaysToFirst => Unit::Days,
            _ => Unit::PerPerson,
        }
    }

    /// Whom it is about.
    pub const fn population(self) -> Population {
        match self {
            Self::ReoffendingRate | Self::ReoffencesPerPerson => Population::All,
            _ => Population::Reoffenders,
        }
    }

    /// Its name in tables; `category` is the court category of the two measures that have one.
    pub fn label(self, category: Option<&str>) -> String {
        let category = category.unwrap_or("one court category");
        match self {
            Self::ReoffendingRate => "Re-offending rate".to_owned(),
            Self::ReoffencesPerPerson => "Re-offences per person".to_owned(),
            Self::ReoffencesPerReoffender => "Re-offences per re-offender".to_owned(),
            Self::DaysToFirst => "Days to first re-offence".to_owned(),
            Self::CourtCategoryRate => format!("First re-offence {category}"),
            Self::CourtCategoryFrequency => format!("Re-offences {category}, per re-offender"),
            Self::CustodyRate => "Custody for first re-offence".to_owned(),
            Self::CustodyFrequency => "Custodial sentences per re-offender".to_owned(),
        }
    }
}

/// What the numbers of a measure are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 0 to 1, printed in per cent; differences in percentage points.
    Share,
    /// Events for each person of the population.
    PerPerson,
    /// Days.
    Days,
}

/// Whom a measure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// Everyone in the group.
    All,
    /// Re-offenders only: a comparison of people selected by what happened to them, not an effect.
    Reoffenders,
}

/// One measure for both groups, with its difference and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Which of the measures.
    pub key: MeasureKey,
    /// Court category ("indictable", "either way", "summary") where the measure has them.
    pub category: Option<String>,
    /// [`MeasureKey::label`].
    pub label: String,
    /// [`MeasureKey::unit`].
    pub unit: Unit,
    /// [`MeasureKey::population`].
    pub population: Population,
    /// The treatment group.
    pub treatment: GroupFigure,
    /// The comparison group.
    pub comparison: GroupFigure,
    /// Treatment minus comparison.
    pub difference: Estimate,
    /// p of the difference, two-sided, unadjusted.
    pub p_value: Option<f64>,
    /// Adjusted over the measure's family (Holm 1979).
    pub p_holm: Option<f64>,
    /// Adjusted over the measure's family (Benjamini and Hochberg 1995).
    pub p_bh: Option<f64>,
    /// `p_value <= rules.alpha`.
    pub significant: Option<bool>,
    /// People in the treatment group it would take to settle a difference of the size seen.
    pub number_needed: Option<u64>,
    /// Whether the sizes suffice for a conclusion, judged on the true counts before any was rounded or hidden
    /// ([`crate::report::reading::gate`]); without it the visible counts decide, and a missing count decides against.
    pub gate: Option<Gate>,
    /// Why the measure, or some of its numbers, is hidden.
    pub withheld: Option<String>,
}

impl Measure {
    /// A measure with its key's label, unit and population, and no numbers yet.
    ///
    /// ```
    /// use jdl_core::report::result::{Measure, MeasureKey, Unit};
    /// let rate = Measure::new(MeasureKey::ReoffendingRate, None);
    /// assert_eq!((rate.unit, rate.label.as_str()), (Unit::Share, "Re-offending rate"));
    /// ```
    pub fn new(key: MeasureKey, category: Option<&str>) -> Self {
        Self {
            key,
            category: category.map(str::to_owned),
            label: key.label(category),
            unit: key.unit(),
            population: key.population(),
            treatment: GroupFigure::default(),
            comparison: GroupFigure::default(),
            difference: Estimate::default(),
            p_value: None,
            p_holm: None,
            p_bh: None,
            significant: None,
            number_needed: None,
            gate: None,
            withheld: None,
        }
    }
}

/// Whether the sizes behind a measure suffice for a conclusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// They do.
    pub met: bool,
    /// Why they do not, as the middle of a sentence ("fewer than 30 people in the treatment group re-offended").
    pub reason: Option<String>,
}

/// One group's side of a measure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GroupFigure {
    /// People in the measure's population.
    pub n: Option<u64>,
    /// People with the event (rates) or events (frequencies), unweighted; none for days.
    pub events: Option<u64>,
    /// Effective sample size of the population, where weighted.
    pub effective_n: Option<f64>,
    /// Rate (0 to 1), events per person, or days; weighted where the group is.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
}

/// A value with its interval at the level of [`super::Rules::confidence`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub value: Option<f64>,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}
