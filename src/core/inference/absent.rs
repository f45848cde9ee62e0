//! What every family shares: intervals, confidence levels, and why a quantity does not exist.

use crate::error::{Error, Result};

use super::distributions::normal_quantile;

/// Why a quantity does not exist. It is an answer, not an error: the input was good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Absent {
    /// The group, or the group of re-offenders that the measure is about, is empty.
    #[error("there is nobody to measure")]
    NobodyToMeasure,
    /// One person, or an effective number of at most one, shows no spread.
    #[error("one person alone shows no spread")]
    OnePerson,
    /// Nothing varies, so the standard error is zero.
    #[error("everyone has the same value, so there is no spread to test against")]
    NoVariance,
    /// No event in either group.
    #[error("no event in either group")]
    NoEvents,
    /// No event in one group, so that a logarithm or a division by zero would be needed.
    #[error("no event in one of the groups")]
    NoEventsInOneGroup,
    /// A cell or a margin of the two-by-two table is empty.
    #[error("a cell or margin of the two-by-two table is empty")]
    EmptyCell,
    /// The quantity has no upper limit.
    #[error("there is no finite value")]
    Unbounded,
    /// Both rates are the same.
    #[error("the two rates are equal")]
    NoDifference,
    /// The interval of the difference includes zero, so the reciprocal is not one interval.
    #[error("the interval of the difference includes zero")]
    IncludesZero,
    /// No pair in which only one of the two had the event, or no pair with a difference.
    #[error("no pair differs")]
    NoDiscordantPair,
    /// The exact distribution is defined, or practicable, only without ties and for small groups.
    #[error("the exact test needs small groups without ties")]
    TiesOrTooMany,
    /// No rate on this side reaches the power asked for.
    #[error("no rate on this side can be detected with these numbers")]
    NotDetectable,
    /// Only one study, so nothing says how studies differ.
    #[error("one study alone shows no heterogeneity")]
    OneStudy,
    /// The likelihood rises up to the Poisson limit: counts vary no more than chance makes them.
    #[error("the counts vary no more than Poisson counts do")]
    NoOverdispersion,
    /// An interval limit that the method starts from was not given.
    #[error("a limit was not given")]
    LimitNotGiven,
    /// The survival curve is at zero or one, where the method has no interval.
    #[error("the curve is at zero or one, where this interval does not exist")]
    CurveAtEdge,
    /// The likelihood has no maximum: a coefficient would have to be infinite.
    #[error("the likelihood rises without end, so there is no finite estimate")]
    MonotoneLikelihood,
    /// The iteration found no maximum.
    #[error("the estimate did not settle")]
    NotConverged,
    /// The people are not in matched sets.
    #[error("the people are not in matched sets")]
    NotInSets,
    /// Weights differ between people, so their labels cannot be exchanged.
    #[error("the weights differ, so group labels cannot be exchanged")]
    WeightsDiffer,
    /// The finding is significant, so the question does not arise.
    #[error("the result is already significant")]
    AlreadySignificant,
    /// The finding is not significant, so there is nothing for a hidden factor to explain away.
    #[error("the result is not significant, so there is nothing to explain away")]
    NotSignificant,
    /// The measure is not the one for which this is computed.
    #[error("not computed for this measure")]
    NotApplicable,
}

/// A quantity, or why it does not exist.
pub type Defined<T> = std::result::Result<T, Absent>;

/// An interval with `low <= high`, on the scale of the estimate it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
}

impl Interval {
    /// `centre` less and plus `half_width`.
    pub fn around(centre: f64, half_width: f64) -> Self {
        Self { low: centre - half_width, high: centre + half_width }
    }

    /// Whether `value` lies inside or on a limit.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// A confidence level, checked to lie strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

impl Confidence {
    /// 95%.
    pub const P95: Self = Self(0.95);

    /// The level, for example 0.95.
    ///
    /// # Errors
    /// `InvalidInput` on `confidence` where it is not strictly between 0 and 1.
    pub fn new(level: f64) -> Result<Self> {
        if level > 0.0 && level < 1.0 {
            Ok(Self(level))
        } else {
            Err(Error::invalid("confidence", "must lie between 0 and 1"))
        }
    }

    /// The level as a number.
    pub fn level(self) -> f64 {
        self.0
    }

    /// The two-sided error probability, 1 - level.
    pub fn alpha(self) -> f64 {
        1.0 - self.0
    }

    /// The two-sided normal quantile, 1.96 for 95%.
    pub fn z(self) -> f64 {
        -normal_quantile(self.alpha() / 2.0)
    }
}

impl TryFrom<f64> for Confidence {
    type Error = Error;

    fn try_from(level: f64) -> Result<Self> {
        Self::new(level)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

/// `value` where it is a number, otherwise [`Absent::Unbounded`]: the last guard before a caller.
pub(super) fn finite(value: f64) -> Defined<f64> {
    if value.is_finite() { Ok(value) } else { Err(Absent::Unbounded) }
}
