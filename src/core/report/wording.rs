//! The sentences of the report, derived from the stored result and from nothing else.
//!
//! Wording follows the practice of the Justice Data Lab's published reports: direction from the interval, conclusive only behind the
//! gates of [`crate::report::reading`], what can and cannot be said, a notice where printed digits do not add up. A
//! sentence about harm is the mirror image of the sentence about benefit.

use serde::Serialize;

use crate::report::figure::{
    NOT_AVAILABLE, Rounded, Style, WITHHELD, count, effective_n_rounded, finite, or_withheld, ratio_rounded,
    smd_rounded,
};
pub use crate::report::phrases::MeasureWords;
use crate::report::phrases::{
    between, capital, comparative, date, direction_sentence, ends, estimate_text, measure_words, noun, p_phrase,
    per_hundred_of, row_name,
};
use crate::report::reading::{Verdict, primary, read};
use crate::report::result::{Light, Population, Status, StoredResult, Unit};
use crate::report::sub_groups;
use crate::report::tables::{USUAL_METHOD, usual_method};

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
    /// What was found in the sub-groups of the plan, and whether they differ.
    pub sub_groups: Vec<String>,
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

impl Words {
    /// All of them.
    pub fn sentences(&self) -> Vec<&str> {
        let mut out: Vec<&str> = vec![&self.title, &self.subtitle];
        out.extend(self.status.as_deref());
        out.push(&self.headline);
        out.extend(self.cautions.iter().map(String::as_str));
        out.push(&self.groups);
        for measure in &self.measures {
            out.extend([measure.label.as_str(), &measure.direction, &measure.significance]);
            out.extend(measure.number_needed.as_deref());
        }
        out.extend([self.balance.as_str(), &self.linkage, &self.tests]);
        let lists = [
            &self.per_hundred,
            &self.sub_groups,
            &self.can_say,
            &self.cannot_say,
            &self.rounding,
            &self.sensitivity,
            &self.disclosure,
            &self.method,
        ];
        out.extend(lists.into_iter().flatten().map(String::as_str));
        out
    }
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
        sub_groups: sub_groups::sentences(result),
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
    let plan = &result.request.plan;
    if plan.changed_after_outcomes {
        out.push(format!(
            "The analysis plan was changed after outcomes had been read: this is version {}, and its tests are \
             exploratory.",
            plan.version
        ));
    } else if plan.version > 1 {
        out.push(format!("The analysis plan was changed before outcomes were read: this is version {}.", plan.version));
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
    out.extend(sub_groups::can_say(result));
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
    out.extend(sub_groups::cannot_say(result));
    out.push(
        "That the result holds for people who were not analysed, or for other services, places or years.".to_owned(),
    );
    out
}

/// A later version of the analysis plan: what was changed in it, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct PlanChange {
    /// The version.
    pub version: u32,
    /// The settings that differ from the version before, by name.
    pub changed: Vec<String>,
    /// Why, in the analyst's words.
    pub reason: String,
    /// Whether outcomes had been read when it was frozen.
    pub outcomes_read: bool,
}

/// A change of plan as a sentence.
pub fn plan_change(change: &PlanChange) -> String {
    let changed: Vec<String> = change.changed.iter().map(|name| name.replace('_', " ")).collect();
    format!(
        "version {}, frozen {} outcomes were read, changed {}. Reason given: {}.",
        change.version,
        if change.outcomes_read { "after" } else { "before" },
        if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") },
        change.reason.trim_end_matches('.')
    )
}

/// How well the groups are balanced, in one sentence or two; also for `jdl_match`.
pub fn balance(result: &StoredResult) -> String {
    let rules = &result.rules;
    let Some(light) = result.balance.summary.light else {
        return "How well the groups are balanced is not known.".to_owned();
    };
    let largest = finite(result.balance.summary.worst_smd).map(|worst| {
        let printed = smd_rounded(worst.abs(), rules);
        let is_worst = |smd: f64| smd_rounded(smd.abs(), rules) == printed;
        let named = result.balance.rows.iter().find(|row| finite(row.smd_after).is_some_and(is_worst));
        let named = named.map(|row| format!(", for {}", row_name(row))).unwrap_or_default();
        format!("{printed}{named}")
    });
    let largest = largest.unwrap_or_else(|| "that of a withheld row".to_owned());
    let largest = format!("the largest standardised mean difference after matching is {largest}");
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
    let method = usual_method(result)
        .map(|method| format!(" Where the table says \"{USUAL_METHOD}\", the method is: {method}."))
        .unwrap_or_default();
    format!(
        "Tests made: {made}, all of them listed. With p of {alpha} or less: {raw} unadjusted, {holm} adjusted by Holm, \
         {bh} adjusted by Benjamini and Hochberg.{method}"
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
        out.push(format!(
            "A doubly robust estimate of the difference (from models of treatment and of re-offending, not from matches) is {estimate}."
        ));
    }
    if let Some(ratio) = &s.hazard_ratio
        && let Some(value) = finite(ratio.value)
    {
        let interval = finite(ratio.low)
            .zip(finite(ratio.high))
            .map(|(low, high)| format!(" ({} to {})", ratio_rounded(low), ratio_rounded(high)))
            .unwrap_or_default();
        let p = finite(s.hazard_ratio_p).map(|p| format!(", {}", p_phrase(p, result.rules.alpha))).unwrap_or_default();
        out.push(format!(
            "By the time to the first re-offence, the hazard ratio of the treatment group to the comparison group is \
             {}{interval}{p} (Cox regression with the weights and pairing of the main analysis; below 1 stands for fewer \
             or later first re-offences, above 1 for more or earlier ones, alike on every day of the follow-up).",
            ratio_rounded(value)
        ));
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
    out.push(format!(
        "People who die in the follow-up, or are taken into custody for {n} days or more, stay in every rate and number; \
         the curves of re-offending leave them on that day if it is said how many left. Those who are in custody for \
         something else when the follow-up starts, with {n} days or more to go, leave on the first day.",
        n = r.long_custody_days
    ));
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
        if r.plan.changed_after_outcomes { "" } else { ", frozen before outcomes were read" },
        r.plan.primary.label(None).to_lowercase()
    ));
    out.extend(r.plan.changes.iter().map(|change| format!("Change of plan: {change}")));
    out.push(format!("\"{WITHHELD}\" stands for a hidden number, \"{NOT_AVAILABLE}\" for one that does not exist."));
    out.extend(result.notices.iter().cloned());
    out
}
