//! Two plain counts compared in every usual way, in one flat row: what the SQL function `jdl_compare_rates` returns.

use crate::error::{Error, Result};

use super::absent::{Absent, Confidence, Defined, finite};
use super::fisher::fisher_p_value;
use super::power::{detectable_rate, number_needed, power_two_rates};
use super::rates::{
    Continuity, Proportion, chi_square, diff_newcombe, diff_wald, number_needed_to_treat, wilson, z_test_pooled,
};
use super::ratios::{odds_ratio, risk_ratio};

/// The power for which detectable differences and numbers of people are worked out.
pub(super) const TARGET_POWER: f64 = 0.8;

/// Why a field of a result is empty.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AbsentField {
    /// The field's name.
    pub field: String,
    /// Why it is empty.
    pub reason: Absent,
}

/// Two rates compared. Rates are 0 to 1; differences are treatment minus comparison, ratios treatment over comparison;
/// every limit belongs to `confidence`. An empty field stands in `absent` with its reason.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RateComparison {
    /// Treatment group: events over people.
    pub treatment_rate: f64,
    /// Wilson limits of the treatment rate.
    pub treatment_rate_low: f64,
    /// Wilson limits of the treatment rate.
    pub treatment_rate_high: f64,
    /// Comparison group: events over people.
    pub comparison_rate: f64,
    /// Wilson limits of the comparison rate.
    pub comparison_rate_low: f64,
    /// Wilson limits of the comparison rate.
    pub comparison_rate_high: f64,
    /// Treatment rate minus comparison rate.
    pub difference: f64,
    /// Wald limits of the difference (not clipped to -1 to 1).
    pub difference_wald_low: f64,
    /// Wald limits of the difference.
    pub difference_wald_high: f64,
    /// Newcombe limits of the difference (method 10): the ones to print.
    pub difference_newcombe_low: f64,
    /// Newcombe limits of the difference.
    pub difference_newcombe_high: f64,
    /// Two-sided p-value of the z-test with pooled variance.
    pub p_value: Option<f64>,
    /// P-value of Pearson's chi-square test without continuity correction (equals `p_value` up to rounding).
    pub chi_square_p_value: Option<f64>,
    /// P-value of the chi-square test with Yates' correction.
    pub chi_square_yates_p_value: Option<f64>,
    /// Two-sided p-value of Fisher's exact test.
    pub fisher_p_value: f64,
    /// Treatment rate over comparison rate.
    pub risk_ratio: Option<f64>,
    /// Katz limits of the risk ratio.
    pub risk_ratio_low: Option<f64>,
    /// Katz limits of the risk ratio.
    pub risk_ratio_high: Option<f64>,
    /// Treatment odds over comparison odds.
    pub odds_ratio: Option<f64>,
    /// Woolf limits of the odds ratio.
    pub odds_ratio_low: Option<f64>,
    /// Woolf limits of the odds ratio.
    pub odds_ratio_high: Option<f64>,
    /// 1 / difference, signed: below zero it is people treated for one event *fewer*.
    pub number_needed_to_treat: Option<f64>,
    /// Reciprocals of the Newcombe limits, absent where they include zero.
    pub number_needed_to_treat_low: Option<f64>,
    /// Reciprocals of the Newcombe limits.
    pub number_needed_to_treat_high: Option<f64>,
    /// Chance that groups of this size and with these true rates give a significant difference.
    pub power: f64,
    /// The smallest rise over the comparison rate that these groups detect with power 0.8.
    pub minimum_detectable_increase: Option<f64>,
    /// The smallest fall below the comparison rate that these groups detect with power 0.8, as a positive number.
    pub minimum_detectable_reduction: Option<f64>,
    /// People needed in the treatment group, the ratio of the groups staying as it is, to detect a difference of this
    /// size with power 0.8.
    pub treatment_n_needed: Option<f64>,
    /// The level of every interval.
    pub confidence: f64,
    /// Why fields are empty.
    pub absent: Vec<AbsentField>,
}

/// Two counts compared: `treatment_events` of `treatment_n` people against `comparison_events` of `comparison_n`.
///
/// # Errors
/// `InvalidInput` naming the argument: counts must not be negative, each group must have somebody and no more events
/// than people, `confidence` must lie strictly between 0 and 1.
///
/// ```
/// # use jdl_core::inference::compare_rates;
/// let rossi = compare_rates(48, 216, 66, 216, 0.95).unwrap();
/// assert!((rossi.difference + 18.0 / 216.0).abs() < 1e-15);
/// assert!((rossi.p_value.unwrap() - 0.0494).abs() < 1e-4);
/// ```
pub fn compare_rates(
    treatment_events: i64,
    treatment_n: i64,
    comparison_events: i64,
    comparison_n: i64,
    confidence: f64,
) -> Result<RateComparison> {
    let treatment = proportion(treatment_events, treatment_n, ["treatment_events", "treatment_n"])?;
    let comparison = proportion(comparison_events, comparison_n, ["comparison_events", "comparison_n"])?;
    let confidence = Confidence::new(confidence)?;
    compare(treatment, comparison, confidence)
}

fn proportion(events: i64, people: i64, names: [&str; 2]) -> Result<Proportion> {
    let events = u64::try_from(events).map_err(|_| Error::invalid(names[0], "must not be negative"))?;
    let people = u64::try_from(people).map_err(|_| Error::invalid(names[1], "must not be negative"))?;
    if people == 0 {
        return Err(Error::invalid(names[1], "must be at least 1"));
    }
    Proportion::new(events, people).map_err(|_| Error::invalid(names[0], format!("must not be more than {}", names[1])))
}

fn compare(treatment: Proportion, comparison: Proportion, confidence: Confidence) -> Result<RateComparison> {
    let rates = [treatment.rate(), comparison.rate()];
    let people = [treatment.n(), comparison.n()];
    let alpha = confidence.alpha();
    let (treatment_limits, comparison_limits) = (wilson(treatment, confidence), wilson(comparison, confidence));
    let wald = diff_wald(treatment, comparison, confidence);
    let newcombe = diff_newcombe(treatment, comparison, confidence);
    let risk = risk_ratio(treatment, comparison, confidence);
    let odds = odds_ratio(treatment, comparison, confidence);
    let nnt = number_needed_to_treat(wald.difference, newcombe);
    let detectable = detectable_rate(rates[1], [people[1], people[0]], TARGET_POWER, alpha)?;
    let needed = number_needed(rates, people[1] / people[0], TARGET_POWER, alpha)?;

    let mut absent = Vec::new();
    let mut field = |name: &str, value: Defined<f64>| match value.and_then(finite) {
        Ok(value) => Some(value),
        Err(reason) => {
            absent.push(AbsentField { field: name.to_owned(), reason });
            None
        }
    };
    Ok(RateComparison {
        treatment_rate: rates[0],
        treatment_rate_low: treatment_limits.low,
        treatment_rate_high: treatment_limits.high,
        comparison_rate: rates[1],
        comparison_rate_low: comparison_limits.low,
        comparison_rate_high: comparison_limits.high,
        difference: wald.difference,
        difference_wald_low: wald.interval.low,
        difference_wald_high: wald.interval.high,
        difference_newcombe_low: newcombe.low,
        difference_newcombe_high: newcombe.high,
        p_value: field("p_value", z_test_pooled(treatment, comparison).map(|t| t.p_value)),
        chi_square_p_value: field(
            "chi_square_p_value",
            chi_square(treatment, comparison, Continuity::Uncorrected).map(|t| t.p_value),
        ),
        chi_square_yates_p_value: field(
            "chi_square_yates_p_value",
            chi_square(treatment, comparison, Continuity::Yates).map(|t| t.p_value),
        ),
        fisher_p_value: fisher_p_value(treatment, comparison),
        risk_ratio: field("risk_ratio", risk.ratio),
        risk_ratio_low: field("risk_ratio_low", risk.interval.map(|i| i.low)),
        risk_ratio_high: field("risk_ratio_high", risk.interval.map(|i| i.high)),
        odds_ratio: field("odds_ratio", odds.ratio),
        odds_ratio_low: field("odds_ratio_low", odds.interval.map(|i| i.low)),
        odds_ratio_high: field("odds_ratio_high", odds.interval.map(|i| i.high)),
        number_needed_to_treat: field("number_needed_to_treat", nnt.number),
        number_needed_to_treat_low: field("number_needed_to_treat_low", nnt.interval.map(|i| i.low)),
        number_needed_to_treat_high: field("number_needed_to_treat_high", nnt.interval.map(|i| i.high)),
        power: power_two_rates(rates, people, alpha)?,
        minimum_detectable_increase: field("minimum_detectable_increase", detectable.above.map(|r| r - rates[1])),
        minimum_detectable_reduction: field("minimum_detectable_reduction", detectable.below.map(|r| rates[1] - r)),
        treatment_n_needed: field("treatment_n_needed", needed),
        confidence: confidence.level(),
        absent,
    })
}
