//! What is said of one measure, and the small phrases that all sentences share.

use serde::Serialize;

use crate::calendar::Day;
use crate::report::figure::{Rounded, Style, count, finite, p_text};
use crate::report::reading::{Direction, Reading, Verdict, read};
use crate::report::result::{BalanceRow, Estimate, Measure, MeasureKey, StoredResult, Unit};

/// What is said of one measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeasureWords {
    /// The measure's label.
    pub label: String,
    /// Direction, from the interval.
    pub direction: String,
    /// Whether it is conclusive, and why not.
    pub significance: String,
    /// How many people it would take, where inconclusive.
    pub number_needed: Option<String>,
}

/// "10 March 2016".
pub(crate) fn date(day: Day) -> String {
    const MONTHS: &str = "January February March April May June July August September October November December";
    let (year, month, day) = day.ymd();
    let month = usize::try_from(month - 1).ok().and_then(|m| MONTHS.split(' ').nth(m)).unwrap_or_default();
    format!("{day} {month} {year}")
}

/// "one year", "two years", "18 months".
pub(crate) fn period(months: u32) -> String {
    match months {
        12 => "one year".to_owned(),
        24 => "two years".to_owned(),
        1 => "one month".to_owned(),
        n => format!("{n} months"),
    }
}

/// What a measure measures, as a noun phrase in the middle of a sentence.
pub(crate) fn noun(measure: &Measure, result: &StoredResult) -> String {
    let category = measure.category.as_deref().unwrap_or("of one court category");
    match measure.key {
        MeasureKey::ReoffendingRate => {
            format!("the re-offending rate within {}", period(result.request.follow_up_months))
        }
        MeasureKey::ReoffencesPerPerson => "the number of re-offences per person".to_owned(),
        MeasureKey::ReoffencesPerReoffender => "the number of re-offences per re-offender".to_owned(),
        MeasureKey::DaysToFirst => "the average time to the first re-offence".to_owned(),
        MeasureKey::CourtCategoryRate => {
            format!("the share of re-offenders whose first re-offence was {category}")
        }
        MeasureKey::CourtCategoryFrequency => format!("the number of {category} re-offences per re-offender"),
        MeasureKey::CustodyRate => {
            "the share of re-offenders sentenced to custody for their first re-offence".to_owned()
        }
        MeasureKey::CustodyFrequency => "the number of custodial sentences per re-offender".to_owned(),
    }
}

/// "lower" and "higher", or for days "shorter" and "longer".
pub(crate) const fn comparative(measure: &Measure, lower: bool) -> &'static str {
    match (measure.unit, lower) {
        (Unit::Days, true) => "shorter",
        (Unit::Days, false) => "longer",
        (_, true) => "lower",
        (_, false) => "higher",
    }
}

/// "between 2 and 15 percentage points", nearer end first; "about 3 percentage points" where both print alike.
pub(crate) fn between(style: Style, low: Rounded, high: Rounded) -> String {
    let (near, far) = if high.sign() < 0 { (high.abs(), low.abs()) } else { (low, high) };
    let (near_text, far_text) = (near.to_string(), style.difference_with_unit(far));
    if near == far { format!("about {far_text}") } else { format!("between {near_text} and {far_text}") }
}

/// The printed ends of a difference's interval.
pub(crate) fn ends(style: Style, difference: &Estimate) -> Option<(Rounded, Rounded)> {
    let printed = style.estimate(difference);
    printed.low.zip(printed.high)
}

/// The interval in words, as the lab words it.
pub(crate) fn direction_sentence(result: &StoredResult, measure: &Measure, reading: &Reading) -> String {
    let style = Style::of(measure, &result.rules);
    let noun = noun(measure, result);
    let (Some(side), Some((low, high))) = (reading.direction, ends(style, &measure.difference)) else {
        return match &measure.withheld {
            Some(reason) => format!("The result for {noun} is withheld: {reason}."),
            None => format!("No difference in {noun} could be estimated."),
        };
    };
    let (less, more) = (comparative(measure, true), comparative(measure, false));
    match side {
        Direction::Lower | Direction::Higher => {
            let word = if side == Direction::Lower { less } else { more };
            let range = between(style, low, high);
            let verb = if reading.verdict.is_conclusive() { "was" } else { "may be" };
            format!("{} {verb} {word} in the treatment group than in the comparison group, by {range}.", capital(&noun))
        }
        Direction::Unclear => {
            let as_much = |end: Rounded| format!("by as much as {}", style.difference_with_unit(end.abs()));
            let range = match (low.sign(), high.sign()) {
                (0, 0) => "the same as".to_owned(),
                (0, _) => format!("the same as, or {more} {} than,", as_much(high)),
                (_, 0) => format!("the same as, or {less} {} than,", as_much(low)),
                _ => format!("{less} {}, or {more} {}, than", as_much(low), as_much(high)),
            };
            format!("In the treatment group {noun} may be {range} in the comparison group.")
        }
    }
}

/// "p = 0.23" or "p < 0.01".
pub(crate) fn p_phrase(p: f64, alpha: f64) -> String {
    let text = p_text(p, alpha);
    text.strip_prefix('<').map_or_else(|| format!("p = {text}"), |bound| format!("p < {bound}"))
}

pub(crate) fn measure_words(result: &StoredResult, measure: &Measure) -> MeasureWords {
    let reading = read(result, measure);
    let alpha = result.rules.alpha;
    let p = finite(measure.p_value).map(|p| format!(" ({})", p_phrase(p, alpha))).unwrap_or_default();
    let significance = match reading.verdict {
        Verdict::Lower | Verdict::Higher => format!("This difference is statistically significant{p}."),
        Verdict::Inconclusive => match reading.beyond_chance() {
            reasons if reasons.is_empty() => format!("This result is inconclusive{p}."),
            reasons => format!("This result is inconclusive{p}: {}.", reasons.join("; ")),
        },
        Verdict::Withheld | Verdict::NotEstimated => "Nothing can be concluded.".to_owned(),
    };
    let number_needed = measure.number_needed.filter(|_| reading.verdict == Verdict::Inconclusive).map(|n| {
        format!(
            "About {} people in the treatment group would be needed to tell a difference of this size from chance.",
            count(n)
        )
    });
    MeasureWords {
        label: measure.label.clone(),
        direction: direction_sentence(result, measure, &reading),
        significance,
        number_needed,
    }
}

/// The measure for 100 typical people: from the printed digits, so that it cannot disagree with the tables.
pub(crate) fn per_hundred_of(result: &StoredResult, measure: &Measure) -> Option<String> {
    let style = Style::of(measure, &result.rules);
    let treatment = style.level(finite(measure.treatment.value)?);
    let comparison = style.level(finite(measure.comparison.value)?);
    let difference = style.estimate(&measure.difference).value?;
    let within = period(result.request.follow_up_months);
    let chance = match read(result, measure).verdict {
        verdict if verdict.is_conclusive() => "",
        _ => ", a difference that may be due to chance",
    };
    let gap = |size: Rounded, less: &str, more: &str| match (Rounded::nearest(size.value(), 0).sign(), size.sign()) {
        (0, _) => "about the same".to_owned(),
        (_, -1) => format!("{} {less}", size.abs()),
        _ => format!("{size} {more}"),
    };
    let hundredfold = |printed: Rounded| Rounded::visible(printed.value() * 100.0, 0);
    match measure.key {
        MeasureKey::ReoffendingRate => Some(format!(
            "For 100 typical people in the treatment group, {treatment} re-offended within {within}; for 100 in the \
             comparison group, {comparison} did: {}{chance}.",
            gap(difference, "fewer", "more"),
        )),
        MeasureKey::ReoffencesPerPerson => Some(format!(
            "For 100 typical people in the treatment group there were {} re-offences ({treatment} per person); for 100 \
             in the comparison group there were {} ({comparison} per person): {}{chance}.",
            hundredfold(treatment),
            hundredfold(comparison),
            gap(hundredfold(difference), "fewer", "more"),
        )),
        MeasureKey::DaysToFirst => Some(format!(
            "Re-offenders in the treatment group first re-offended after {} on average, those in the comparison group \
             after {}: {}{chance}.",
            style.with_unit(treatment),
            style.with_unit(comparison),
            gap(
                difference,
                &format!("{} sooner", style.noun(difference)),
                &format!("{} later", style.noun(difference))
            ),
        )),
        _ => None,
    }
}

/// "age at first sanction", "disposal: custody".
pub(crate) fn row_name(row: &BalanceRow) -> String {
    row.level.as_ref().map_or_else(|| row.covariate.clone(), |level| format!("{}: {level}", row.covariate))
}

/// "-11 percentage points (-21 to -1)"; nothing without a value.
pub(crate) fn estimate_text(style: Style, estimate: &Estimate) -> Option<String> {
    let value = style.difference_with_unit(style.estimate(estimate).value?);
    let interval = ends(style, estimate).map(|(low, high)| format!(" ({low} to {high})")).unwrap_or_default();
    Some(format!("{value}{interval}"))
}

pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
