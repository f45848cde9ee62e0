//! The sentences of the report, derived from the stored result and from nothing else.
//!
//! Wording follows the lab's practice (DOMAIN.md, section 2): direction from the interval, conclusive only behind the
//! gates of [`crate::report::reading`], what can and cannot be said, a notice where printed digits do not add up. A
//! sentence about harm is the mirror image of the sentence about benefit.

use serde::Serialize;

use crate::calendar::Day;
use crate::report::figure::{
    NOT_AVAILABLE, Rounded, Style, WITHHELD, count, effective_n_rounded, finite, or_withheld, p_text, smd_rounded,
};
use crate::report::reading::{Direction, Reading, Verdict, primary, read};
use crate::report::result::{BalanceRow, Estimate, Light, Measure, MeasureKey, Population, Status, StoredResult, Unit};

/// Every sentence of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Words {
    /// Heading of the report.
    pub title: String,
    /// Provider, request and day.
    pub subtitle: String,
    /// A banner for a draft, superseded or withdrawn report.
    pub status: Option<String>,
    /// The result of the primary measure in one sentence.
    pub headline: String,
    /// What must be read together with the headline.
    pub cautions: Vec<String>,
    /// Who is in the two groups.
    pub groups: String,
    /// The three headline measures for 100 typical people.
    pub per_hundred: Vec<String>,
    /// Direction and significance of each measure, in the order of `measures`.
    pub measures: Vec<MeasureWords>,
    /// What can be said.
    pub can_say: Vec<String>,
    /// What cannot be said.
    pub cannot_say: Vec<String>,
    /// Where printed digits do not add up, and why.
    pub rounding: Vec<String>,
    /// How well the groups are balanced.
    pub balance: String,
    /// How many records found their person.
    pub linkage: String,
    /// How many tests were made.
    pub tests: String,
    /// How far the answer leans on its assumptions.
    pub sensitivity: Vec<String>,
    /// What was hidden.
    pub disclosure: Vec<String>,
    /// Definitions, versions, plan.
    pub method: Vec<String>,
}

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

/// Derives every sentence.
pub fn words(result: &StoredResult) -> Words {
    let request = &result.request;
    Words {
        title: format!("Proven re-offending after {}", request.intervention),
        subtitle: format!(
            "{}, request {}, analysed on {}",
            request.provider,
            request.request_id,
            date(request.analysis_date)
        ),
        status: status(result),
        headline: headline(result),
        cautions: cautions(result),
        groups: groups(result),
        per_hundred: per_hundred(result),
        measures: result.measures.iter().map(|m| measure_words(result, m)).collect(),
        can_say: can_say(result),
        cannot_say: cannot_say(result),
        rounding: crate::report::rounding::notices(result),
        balance: balance(result),
        linkage: linkage(result),
        tests: tests(result),
        sensitivity: sensitivity(result),
        disclosure: disclosure(result),
        method: method(result),
    }
}

fn status(result: &StoredResult) -> Option<String> {
    let reason = result.request.status_reason.as_ref().map(|r| format!(" Reason: {r}.")).unwrap_or_default();
    match result.request.status {
        Status::Draft => Some("Draft: not approved, not for release.".to_owned()),
        Status::Released => None,
        Status::Superseded => Some(format!("Superseded: a later report takes the place of this one.{reason}")),
        Status::Withdrawn => Some(format!("Withdrawn: this report must not be relied on.{reason}")),
    }
}

/// "10 March 2016".
pub(crate) fn date(day: Day) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (year, month, day) = day.ymd();
    let month = usize::try_from(month - 1).ok().and_then(|m| MONTHS.get(m)).unwrap_or(&"");
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
fn noun(measure: &Measure, result: &StoredResult) -> String {
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
const fn comparative(measure: &Measure, lower: bool) -> &'static str {
    match (measure.unit, lower) {
        (Unit::Days, true) => "shorter",
        (Unit::Days, false) => "longer",
        (_, true) => "lower",
        (_, false) => "higher",
    }
}

/// "between 2 and 15 percentage points", nearer end first; "about 3 percentage points" where both print alike.
fn between(style: Style, low: Rounded, high: Rounded) -> String {
    let (near, far) = if high.sign() < 0 { (high.abs(), low.abs()) } else { (low, high) };
    let (near_text, far_text) = (near.to_string(), style.difference_with_unit(far));
    if near == far { format!("about {far_text}") } else { format!("between {near_text} and {far_text}") }
}

/// The printed ends of a difference's interval.
fn ends(style: Style, difference: &Estimate) -> Option<(Rounded, Rounded)> {
    let printed = style.estimate(difference);
    printed.low.zip(printed.high)
}

/// The interval in words, as the lab words it.
fn direction_sentence(result: &StoredResult, measure: &Measure, reading: &Reading) -> String {
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

fn measure_words(result: &StoredResult, measure: &Measure) -> MeasureWords {
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

fn headline(result: &StoredResult) -> String {
    let Some(measure) = primary(result) else {
        return "The primary measure of the plan was not analysed.".to_owned();
    };
    let style = Style::of(measure, &result.rules);
    let noun = noun(measure, result);
    let level = |value| or_withheld(finite(value), measure.withheld.as_ref(), |v| style.with_unit(style.level(v)));
    let (treatment, comparison) = (level(measure.treatment.value), level(measure.comparison.value));
    let reading = read(result, measure);
    match reading.verdict {
        Verdict::Lower | Verdict::Higher => {
            let word = comparative(measure, reading.verdict == Verdict::Lower);
            let range = ends(style, &measure.difference).map(|(low, high)| between(style, low, high));
            format!(
                "{} was {word} in the treatment group than in the comparison group: {treatment} against {comparison}, \
                 a difference of {}.",
                capital(&noun),
                range.unwrap_or_default(),
            )
        }
        Verdict::Inconclusive => format!(
            "The result is inconclusive: {noun} was {treatment} in the treatment group and {comparison} in the \
             comparison group, and the analysis cannot tell a difference from chance."
        ),
        Verdict::Withheld | Verdict::NotEstimated => direction_sentence(result, measure, &reading),
    }
}

fn cautions(result: &StoredResult) -> Vec<String> {
    let mut out = Vec::new();
    let Some(measure) = primary(result) else { return out };
    let verdict = read(result, measure).verdict;
    if result.balance.summary.light == Some(Light::Red) {
        out.push(
            "The two groups are not well matched, so the difference between them may come from who is in them rather \
             than from the service."
                .to_owned(),
        );
    }
    if verdict.is_conclusive()
        && let Some(adjusted) = finite(measure.p_holm).filter(|&p| p > result.rules.alpha)
    {
        out.push(format!(
            "Adjusted for the number of tests made (Holm), {}, which is not significant.",
            p_phrase(adjusted, result.rules.alpha)
        ));
    }
    if measure.population == Population::Reoffenders {
        out.push(REOFFENDERS_ONLY.to_owned());
    }
    if result.request.plan.version > 1 {
        out.push(format!("The analysis plan was changed: this is version {}.", result.request.plan.version));
    }
    out
}

const REOFFENDERS_ONLY: &str = "Measures about re-offenders only compare people selected by what happened to them: \
     they describe the re-offenders and are not an effect of the service.";

fn groups(result: &StoredResult) -> String {
    let groups = &result.groups;
    let people = |n: Option<u64>| match n {
        Some(1) => "1 person".to_owned(),
        n => or_withheld(n, groups.withheld.as_ref(), |n| format!("{} people", count(n))),
    };
    let effective = finite(groups.comparison_effective_n)
        .map(|n| format!(" (effective size {})", effective_n_rounded(n, &result.rules)))
        .unwrap_or_default();
    format!(
        "Treatment group: {}, who received {} from {}. Comparison group: {}{effective} with similar recorded \
         characteristics who did not, drawn {}.",
        people(groups.treatment_n),
        result.request.intervention,
        result.request.provider,
        people(groups.comparison_n),
        match groups.national_or_region.as_str() {
            "national" => "nationally".to_owned(),
            region => format!("from one region ({region})"),
        },
    )
}

fn per_hundred(result: &StoredResult) -> Vec<String> {
    result.measures.iter().filter_map(|m| per_hundred_of(result, m)).collect()
}

/// The measure for 100 typical people: from the printed digits, so that it cannot disagree with the tables.
fn per_hundred_of(result: &StoredResult, measure: &Measure) -> Option<String> {
    let style = Style::of(measure, &result.rules);
    let treatment = style.level(finite(measure.treatment.value)?);
    let comparison = style.level(finite(measure.comparison.value)?);
    let difference = style.estimate(&measure.difference).value?;
    let within = period(result.request.follow_up_months);
    let chance = match read(result, measure).verdict {
        verdict if verdict.is_conclusive() => "",
        _ => " This difference may be due to chance.",
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
             comparison group, {comparison} did: {}.{chance}",
            gap(difference, "fewer", "more"),
        )),
        MeasureKey::ReoffencesPerPerson => Some(format!(
            "For 100 typical people in the treatment group there were {} re-offences ({treatment} per person); for 100 \
             in the comparison group there were {} ({comparison} per person): {}.{chance}",
            hundredfold(treatment),
            hundredfold(comparison),
            gap(hundredfold(difference), "fewer", "more"),
        )),
        MeasureKey::DaysToFirst => Some(format!(
            "Re-offenders in the treatment group first re-offended after {} on average, those in the comparison group \
             after {}: {}.{chance}",
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

fn can_say(result: &StoredResult) -> Vec<String> {
    let Some(measure) = primary(result) else { return Vec::new() };
    let reading = read(result, measure);
    let direction = direction_sentence(result, measure, &reading);
    let mut out = Vec::new();
    match reading.verdict {
        Verdict::Lower | Verdict::Higher => {
            out.push(format!("{direction} The difference is statistically significant."));
        }
        Verdict::Inconclusive => {
            out.push(direction);
            out.push(
                "The result is inconclusive: more people would be needed to determine the direction of any difference."
                    .to_owned(),
            );
        }
        Verdict::Withheld | Verdict::NotEstimated => {
            out.push(format!("An analysis was made, but it gives no result that can be quoted. {direction}"));
        }
    }
    if result.balance.summary.light == Some(Light::Red) {
        out.push("The two groups were not well matched; this must be said whenever the result is quoted.".to_owned());
    }
    out
}

fn cannot_say(result: &StoredResult) -> Vec<String> {
    let Some(measure) = primary(result) else { return Vec::new() };
    let mut out = Vec::new();
    match read(result, measure).verdict {
        Verdict::Lower | Verdict::Higher => out.push(
            "That the service alone made the difference: the groups are alike in what is recorded, and may differ in \
             what is not."
                .to_owned(),
        ),
        _ => {
            out.push("That the service reduced re-offending, or that it increased it.".to_owned());
            out.push("That the service had no effect, or that it failed.".to_owned());
        }
    }
    if finite(measure.treatment.value).is_some() && measure.unit == Unit::Share {
        let style = Style::of(measure, &result.rules);
        let rate = measure.treatment.value.map(|v| style.with_unit(style.level(v))).unwrap_or_default();
        out.push(format!(
            "That the treatment group's {rate} by itself shows success or failure: only the comparison can."
        ));
        out.push(
            "That re-offending rose or fell by so many per cent: the difference is in percentage points.".to_owned(),
        );
    }
    let mut tested: Vec<&str> = result.tests_made.iter().filter_map(|t| t.subgroup.as_deref()).collect();
    tested.dedup();
    out.push(if tested.is_empty() {
        "That one part of the treatment group did better or worse than another: no sub-group was tested.".to_owned()
    } else {
        format!("Anything about parts of the treatment group other than those tested ({}).", tested.join(", "))
    });
    out.push(
        "That the result holds for people who were not analysed, or for other services, places or years.".to_owned(),
    );
    out
}

/// How well the groups are balanced, in one sentence or two; also for `jdl_match`.
pub fn balance(result: &StoredResult) -> String {
    let rules = &result.rules;
    let (Some(worst), Some(light)) = (finite(result.balance.summary.worst_smd), result.balance.summary.light) else {
        return "How well the groups are balanced is not known.".to_owned();
    };
    let printed = smd_rounded(worst.abs(), rules);
    let named = result
        .balance
        .rows
        .iter()
        .find(|row| finite(row.smd_after).is_some_and(|smd| smd_rounded(smd.abs(), rules) == printed))
        .map(|row| format!(", for {}", row_name(row)))
        .unwrap_or_default();
    let largest = format!("the largest standardised mean difference after matching is {printed}{named}");
    match light {
        Light::Green => format!("The groups are well matched: {largest} (green: at most {}).", rules.smd_green),
        Light::Amber => format!(
            "The groups are fairly well matched: {largest} (amber: above {}, at most {}).",
            rules.smd_green, rules.smd_amber
        ),
        Light::Red => format!(
            "The groups are not well matched: {largest} (red: above {}). A difference in re-offending may come from \
             that.",
            rules.smd_amber
        ),
    }
}

/// "age at first sanction", "disposal: custody".
pub(crate) fn row_name(row: &BalanceRow) -> String {
    row.level.as_ref().map_or_else(|| row.covariate.clone(), |level| format!("{}: {level}", row.covariate))
}

/// How many records found their person; also for `jdl_link`.
pub fn linkage(result: &StoredResult) -> String {
    let link = &result.linkage;
    let shown = |n: Option<u64>| or_withheld(n, link.withheld.as_ref(), count);
    let style = Style::share(&result.rules);
    let rate = or_withheld(finite(link.match_rate), link.withheld.as_ref(), |r| style.with_unit(style.level(r)));
    format!(
        "Records submitted: {}. Linked to one person on the register: {} (match rate: {rate}). Discarded because the \
         link could not be trusted: {}. Nobody found: {}.",
        shown(link.submitted),
        shown(link.linked),
        shown(link.suspect),
        shown(link.unlinked),
    )
}

fn tests(result: &StoredResult) -> String {
    let alpha = result.rules.alpha;
    let at_most = |p: Option<f64>| finite(p).is_some_and(|p| p <= alpha);
    let made = result.tests_made.len();
    if made == 0 {
        return "No test was made.".to_owned();
    }
    let raw = result.tests_made.iter().filter(|t| at_most(t.p_value)).count();
    let holm = result.tests_made.iter().filter(|t| at_most(t.p_holm)).count();
    let bh = result.tests_made.iter().filter(|t| at_most(t.p_bh)).count();
    format!(
        "Tests made: {made}, all of them listed. With p of {alpha} or less: {raw} unadjusted, {holm} adjusted by Holm, \
         {bh} adjusted by Benjamini and Hochberg."
    )
}

fn sensitivity(result: &StoredResult) -> Vec<String> {
    let Some(measure) = primary(result) else { return Vec::new() };
    let s = &result.sensitivity;
    let style = Style::of(measure, &result.rules);
    let conclusive = read(result, measure).verdict.is_conclusive();
    let factor = |value: f64| Rounded::nearest(value, 2);
    let at_once = |value: f64| factor(value).value() <= 1.0;
    let mut out = Vec::new();
    if let Some(effect) = finite(s.minimum_detectable_effect) {
        out.push(format!(
            "With groups of this size a true difference of {} would be found in four analyses of five; smaller ones \
             are often missed.",
            style.difference_with_unit(style.size(effect))
        ));
    }
    if let Some(gamma) = finite(s.rosenbaum_gamma).filter(|_| conclusive) {
        out.push(if at_once(gamma) {
            "Any unrecorded difference between the groups could take significance away (Rosenbaum's gamma is 1)."
                .to_owned()
        } else {
            format!(
                "Significance would be lost if something unrecorded changed the odds of being in the treatment group \
                 by a factor of {} (Rosenbaum's gamma).",
                factor(gamma)
            )
        });
    }
    if let Some(e) = finite(s.e_value).filter(|e| conclusive && !at_once(*e)) {
        out.push(format!(
            "To explain the difference away, something unrecorded would have to be tied to both treatment and \
             re-offending by a risk ratio of {} each (E-value).",
            factor(e)
        ));
    }
    if let Some(estimate) = s.aipw.as_ref().and_then(|e| estimate_text(style, e)) {
        out.push(format!("A doubly robust estimate of the difference is {estimate}."));
    }
    if let Some(p) = finite(s.permutation_p) {
        let draws = s.permutation_draws.map(|n| format!(" with {} draws", count(n))).unwrap_or_default();
        out.push(format!("A permutation test{draws} gives {}.", p_phrase(p, result.rules.alpha)));
    }
    if let Some(reason) = &s.withheld {
        out.push(format!("Some of these numbers are withheld: {reason}."));
    }
    out
}

/// "-11 percentage points (-21 to -1)"; nothing without a value.
pub(crate) fn estimate_text(style: Style, estimate: &Estimate) -> Option<String> {
    let value = style.difference_with_unit(style.estimate(estimate).value?);
    let interval = ends(style, estimate).map(|(low, high)| format!(" ({low} to {high})")).unwrap_or_default();
    Some(format!("{value}{interval}"))
}

fn disclosure(result: &StoredResult) -> Vec<String> {
    let d = &result.disclosure;
    let mut out = Vec::new();
    if !d.policy.is_empty() {
        out.push(format!("Policy: {}.", d.policy.trim_end_matches('.')));
    }
    match d.hidden_cells {
        None | Some(0) => {}
        Some(1) => out.push(format!("1 number is hidden and printed as \"{WITHHELD}\".")),
        Some(n) => out.push(format!("{} numbers are hidden and printed as \"{WITHHELD}\".", count(n))),
    }
    out.extend(d.footnotes.iter().cloned());
    out
}

fn method(result: &StoredResult) -> Vec<String> {
    let r = &result.request;
    let years = if r.cohort_first_year == r.cohort_last_year {
        r.cohort_first_year.to_string()
    } else {
        format!("{} to {}", r.cohort_first_year, r.cohort_last_year)
    };
    let mut out = vec![format!(
        "A proven re-offence is an offence committed in the {} months from the start of follow-up and proven by a \
         conviction or caution in those months or the {} after them.",
        r.follow_up_months, r.waiting_months
    )];
    if let Some(filter) = &r.offence_filter {
        out.push(format!("Offences counted: {filter}."));
    }
    out.push(format!("Index events are of {years}; register version {}.", r.register_version));
    out.push(format!(
        "Intervals are at the {} level; a result is called significant if p is at most {}, at least {} people in the \
         treatment group re-offended and effective sizes are at least {}.",
        Style::share(&result.rules).with_unit(Style::share(&result.rules).level(result.rules.confidence)),
        result.rules.alpha,
        result.rules.min_reoffenders,
        result.rules.min_effective_n
    ));
    if result.measures.iter().any(|m| m.population == Population::Reoffenders) {
        out.push(REOFFENDERS_ONLY.to_owned());
    }
    out.push(format!(
        "Analysis plan version {} (hash {}), seed {}{}; primary measure: {}.",
        r.plan.version,
        r.plan.hash,
        r.plan.seed,
        if r.plan.version == 1 { ", frozen before outcomes were read" } else { "" },
        r.plan.primary.label(None).to_lowercase()
    ));
    out.extend(r.plan.changes.iter().map(|change| format!("Change of plan: {change}")));
    out.push(format!("\"{WITHHELD}\" stands for a hidden number, \"{NOT_AVAILABLE}\" for one that does not exist."));
    out.extend(result.notices.iter().cloned());
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
