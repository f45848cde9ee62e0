//! Reads a draft sentence about a report against the report.
//!
//! A press release says more than its report in a few well-known ways: a number that is nowhere in it, a direction where
//! the result is inconclusive, a cause where there is a comparison, per cent for percentage points ("49.6 % improvement"
//! for 10.7 against 20.9), a sub-group that was never tested. The reader here is a reader of words, not of meaning: it
//! is made to catch these, and what it does not flag is not thereby right.

use crate::report::claim_clause::{Clause, clauses};
use crate::report::claim_sub_groups::{named_sub_groups, sub_group_problems};
use crate::report::claim_words::{Kind, Token, tokens};
use crate::report::figure::{Rounded, Style, finite};
use crate::report::phrases::{capital, measure_words};
use crate::report::reading::{Verdict, primary, read};
use crate::report::result::{Light, Measure, MeasureKey, StoredResult, Unit};
use crate::report::tables::tables;
use crate::report::wording::words;

/// Something in a claim that the report does not bear out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimProblem {
    /// What the claim says.
    pub problem: String,
    /// What the report says to that.
    pub why: String,
}

impl ClaimProblem {
    pub(crate) fn new(problem: impl Into<String>, why: impl Into<String>) -> Self {
        Self { problem: problem.into(), why: why.into() }
    }
}

/// Everything in `text` that `result` does not bear out; empty where nothing was found.
pub fn check_claim(result: &StoredResult, text: &str) -> Vec<ClaimProblem> {
    let names = [result.request.provider.as_str(), result.request.intervention.as_str()];
    let printed = Printed::of(result);
    let mut out: Vec<ClaimProblem> = Vec::new();
    let clauses = clauses(text, &names);
    for clause in &clauses {
        out.extend(numbers(result, &printed, clause));
        out.extend(findings(result, clause));
        out.extend(sub_group_problems(result, clause));
        out.extend(reach(clause));
    }
    out.extend(silences(result, &clauses));
    let mut seen = Vec::new();
    out.retain(|problem| {
        !seen.contains(problem) && {
            seen.push(problem.clone());
            true
        }
    });
    out
}

/// The numbers that the report prints.
struct Printed {
    percents: Vec<f64>,
    /// Of the curves: only for a clause that speaks of days or months.
    by_day: Vec<f64>,
    all: Vec<f64>,
}

impl Printed {
    fn of(result: &StoredResult) -> Self {
        let words = words(result);
        let tables = tables(result);
        let cells = |curves: bool| {
            let chosen = tables.iter().filter(move |t| (t.key == "curves") == curves);
            chosen.flat_map(|t| t.rows.iter().flatten().chain(&t.notes)).map(String::as_str).collect::<Vec<_>>()
        };
        let percents_of = |texts: &[&str]| -> Vec<f64> {
            let percent = |token| match token {
                Token::Number { value, kind: Kind::Percent, .. } => Some(value.abs()),
                _ => None,
            };
            texts.iter().flat_map(|text| tokens(text)).filter_map(percent).collect()
        };
        let mut texts = cells(false);
        texts.extend(words.sentences());
        let number = |token| match token {
            Token::Number { value, .. } => Some(value.abs()),
            Token::Word(_) => None,
        };
        let percents = percents_of(&texts);
        let by_day = percents_of(&cells(true));
        let mut all: Vec<f64> = texts.iter().flat_map(|text| tokens(text)).filter_map(number).collect();
        all.push(100.0);
        let (first, last) = (result.request.cohort_first_year, result.request.cohort_last_year);
        all.extend((first..=last).map(f64::from));
        Self { percents, by_day, all }
    }

    /// Whether a number of the report, rounded to the claim's decimals, is the claim's.
    fn holds(numbers: &[f64], value: f64, decimals: u8) -> bool {
        let claimed = Rounded::nearest(value.abs(), decimals);
        numbers.iter().any(|n| Rounded::nearest(*n, decimals) == claimed)
    }
}

/// The measure that a clause speaks of: that of the tested sub-group that it names, else the primary one unless it names
/// another.
fn measure_of<'a>(result: &'a StoredResult, clause: &Clause) -> Option<&'a Measure> {
    if let [group] = named_sub_groups(result, clause).as_slice() {
        return Some(&group.measure);
    }
    let frequency = clause.any_of(&["number of"]).is_some();
    let find = |key: MeasureKey| result.measures.iter().find(|m| m.key == key);
    let by_category = result.measures.iter().find(|m| {
        let wanted = if frequency { MeasureKey::CourtCategoryFrequency } else { MeasureKey::CourtCategoryRate };
        m.key == wanted && m.category.as_deref().is_some_and(|category| clause.has_any(&[category]))
    });
    let named = if clause.has_any(&["custody", "custodial", "jailed", "imprisoned"]) {
        find(if frequency { MeasureKey::CustodyFrequency } else { MeasureKey::CustodyRate })
    } else if by_category.is_some() {
        by_category
    } else if clause.has_any(&["days", "sooner", "later"]) {
        find(MeasureKey::DaysToFirst)
    } else if clause.has_any(&["per reoffender"]) {
        find(MeasureKey::ReoffencesPerReoffender)
    } else if clause.has_any(&["offences", "reoffences", "crimes"]) {
        find(MeasureKey::ReoffencesPerPerson)
    } else if clause.has_any(&["rate", "rates"]) {
        find(MeasureKey::ReoffendingRate)
    } else {
        None
    };
    named.or_else(|| primary(result))
}

fn numbers(result: &StoredResult, printed: &Printed, clause: &Clause) -> Vec<ClaimProblem> {
    let mut out = Vec::new();
    for (at, token) in clause.tokens.iter().enumerate() {
        let Token::Number { text, value, decimals, kind } = token else { continue };
        let known = match kind {
            Kind::Percent if clause.is_change(at) => {
                out.push(relative(result, clause, text, *value, *decimals));
                continue;
            }
            Kind::Percent => {
                let by_day = clause.has_any(&["day", "days", "months"]);
                let rates = rates(result, clause);
                Printed::holds(rates.as_ref().unwrap_or(&printed.percents), *value, *decimals)
                    || by_day && Printed::holds(&printed.by_day, *value, *decimals)
            }
            Kind::Points => Printed::holds(&points(result, clause), *value, *decimals),
            Kind::Fraction => {
                // Nobody calls the end of an interval "a third"; a rate may be.
                let rates = rates(result, clause).map(|r| r.into_iter().take(2).collect::<Vec<_>>());
                rates.as_ref().unwrap_or(&printed.percents).iter().any(|p| (p - value).abs() <= 1.0)
            }
            Kind::Plain => Printed::holds(&printed.all, *value, *decimals),
        };
        if !known {
            let what = match kind {
                Kind::Points => "no difference in the report is that many percentage points",
                Kind::Fraction => "no rate in the report is near it",
                _ => "it is not printed anywhere in the report",
            };
            out.push(ClaimProblem::new(
                format!("The number \"{text}\" is not in the report."),
                format!("{}.", capital(what)),
            ));
        }
    }
    if let Some(word) =
        clause.any_of(&["halved", "halves", "halving", "doubled", "doubles", "tripled", "trebled", "twice"])
    {
        out.push(ClaimProblem::new(
            format!("\"{word}\" is a relative change."),
            "The report gives differences in percentage points, with an interval, and no relative change.",
        ));
    }
    if let Some(share) = clause.share_of_change() {
        out.push(ClaimProblem::new(
            format!("\"by a {share}\" is a relative change."),
            "The report gives differences in percentage points, with an interval, and no relative change.",
        ));
    }
    if let Some((from, to)) = clause.change_over_time() {
        out.push(ClaimProblem::new(
            format!("\"From {from} to {to}\" reads as a change over time."),
            "The report compares two groups over the same time; nobody's re-offending before the service is in it.",
        ));
    }
    out
}

/// The printed rates of both groups, then the ends of their intervals, of the measure that a clause on re-offending speaks of, in per cent.
fn rates(result: &StoredResult, clause: &Clause) -> Option<Vec<f64>> {
    let offending = clause.is_about_offending() && !clause.has_any(&["interval"]);
    let measure = measure_of(result, clause).filter(|m| offending && m.unit == Unit::Share)?;
    let style = Style::of(measure, &result.rules);
    let (t, c) = (&measure.treatment, &measure.comparison);
    let levels = [t.value, c.value, t.low, t.high, c.low, c.high];
    Some(levels.into_iter().filter_map(finite).map(|v| style.level(v).value()).collect())
}

/// The printed differences in percentage points that a clause may speak of: its measure's, and where it names another
/// design the other designs' and the smallest detectable one.
fn points(result: &StoredResult, clause: &Clause) -> Vec<f64> {
    let Some(measure) = measure_of(result, clause).filter(|m| m.unit == Unit::Share) else { return Vec::new() };
    let style = Style::of(measure, &result.rules);
    let s = &result.sensitivity;
    let other_designs =
        clause.has_any(&["robust", "design", "designs", "assessment", "region", "regional", "sensitivity"]);
    let others = s.aipw.into_iter().chain(s.runs.iter().map(|run| run.difference)).filter(|_| other_designs);
    let detectable = finite(s.minimum_detectable_effect).filter(|_| clause.has_any(&["found", "detect", "detected"]));
    std::iter::once(measure.difference)
        .chain(others)
        .map(|difference| style.estimate(&difference))
        .flat_map(|printed| [printed.value, printed.low, printed.high])
        .flatten()
        .chain(detectable.map(|effect| style.size(effect)))
        .map(|rounded| rounded.value().abs())
        .collect()
}

/// A percentage of change: never in the report, which gives percentage points.
fn relative(result: &StoredResult, clause: &Clause, text: &str, value: f64, decimals: u8) -> ClaimProblem {
    let Some(measure) = measure_of(result, clause) else {
        return ClaimProblem::new(
            format!("\"{text}\" is not in the report."),
            "The report has no result to compare it with.",
        );
    };
    let style = Style::of(measure, &result.rules);
    let level = |v: Option<f64>| finite(v).map(|v| style.level(v));
    let (treatment, comparison) = (level(measure.treatment.value), level(measure.comparison.value));
    let difference = style.estimate(&measure.difference).value;
    let claimed = Rounded::nearest(value, decimals);
    let is = |number: f64| Rounded::nearest(number.abs(), decimals) == claimed;
    let points = difference.filter(|d| measure.unit == Unit::Share && is(d.value()));
    let stored = measure.treatment.value.zip(measure.comparison.value);
    let printed = treatment.zip(comparison).map(|(t, c)| (t.value(), c.value()));
    let relative = [stored, printed].into_iter().flatten().any(|(t, c)| {
        // Taken from rates that were rounded otherwise it may be a point off.
        c > 0.0 && (((t - c) / c * 100.0).abs() - value).abs() <= 1.0
    });
    let gives = match (treatment, comparison, difference) {
        (Some(t), Some(c), Some(d)) => format!(
            "The report gives {} against {}, a difference of {}.",
            style.with_unit(t),
            style.with_unit(c),
            style.difference_with_unit(d)
        ),
        _ => "The report gives no such number.".to_owned(),
    };
    if points.is_some() {
        ClaimProblem::new(
            format!("\"{text}\" is said as a percentage of change, but it is a number of percentage points."),
            format!("{gives} Say \"percentage points\"."),
        )
    } else if relative {
        ClaimProblem::new(
            format!("\"{text}\" is a relative change: a percentage of the comparison group's number."),
            format!("{gives} Give percentage points."),
        )
    } else {
        ClaimProblem::new(format!("The change of \"{text}\" is not in the report."), gives)
    }
}

/// Directions, causes and significance against the verdict.
fn findings(result: &StoredResult, clause: &Clause) -> Vec<ClaimProblem> {
    let Some(measure) = measure_of(result, clause) else { return Vec::new() };
    let verdict = read(result, measure).verdict;
    let said = measure_words(result, measure);
    let finding = format!("{} {}", said.direction, said.significance);
    let mut out = Vec::new();
    if clause.is_hedged() {
        return out;
    }
    if let Some(phrase) = clause.no_effect() {
        out.push(ClaimProblem::new(
            format!("\"{phrase}\" says that there is no effect."),
            format!("{finding} Not finding a difference is not finding that there is none."),
        ));
        return out;
    }
    if let Some(word) = clause.significance().filter(|_| !verdict.is_conclusive()) {
        let problem = format!("\"{word}\" calls the result significant or conclusive.");
        out.push(ClaimProblem::new(problem, finding.clone()));
    }
    if let Some(word) = clause.cause() {
        let why = if verdict.is_conclusive() {
            "The groups are alike in what is recorded and may differ in what is not; the comparison shows a difference, \
             not that the service alone made it."
                .to_owned()
        } else {
            finding.clone()
        };
        out.push(ClaimProblem::new(format!("\"{word}\" says that the service is the cause."), why));
    }
    let Some((word, lower)) = clause.direction(measure.unit == Unit::Days) else { return out };
    let opposite = match verdict {
        Verdict::Lower => !lower,
        Verdict::Higher => lower,
        _ => {
            out.push(ClaimProblem::new(
                format!("\"{word}\" states a direction, but the result is inconclusive."),
                finding,
            ));
            return out;
        }
    };
    if opposite {
        out.push(ClaimProblem::new(format!("\"{word}\" states the opposite of the result."), finding));
    }
    out
}

/// Claims about people, places or times that were not analysed.
fn reach(clause: &Clause) -> Vec<ClaimProblem> {
    let phrases = [
        "all offenders",
        "all prisoners",
        "all participants",
        "every participant",
        "every offender",
        "every prisoner",
        "every person",
        "each participant",
        "all clients",
        "everyone",
        "anyone",
        "anybody",
        "everybody",
        "nationwide",
        "across the country",
        "always",
        "guarantees",
        "guaranteed",
        "will reduce",
        "will cut",
        "will prevent",
        "will lower",
    ];
    let found = clause.any_of(&phrases).filter(|_| !clause.is_hedged());
    let problem = found.map(|phrase| {
        ClaimProblem::new(
            format!("\"{phrase}\" goes beyond the people who were analysed."),
            "The result is about the treatment group of this report, on average; it does not hold for each person, for \
             others or for later years.",
        )
    });
    problem.into_iter().collect()
}

/// What must be said beside a result and is not said anywhere in the claim.
fn silences(result: &StoredResult, clauses: &[Clause]) -> Vec<ClaimProblem> {
    let mut out = Vec::new();
    let claims = clauses.iter().any(|c| !c.is_hedged() && (c.direction(false).is_some() || c.significance().is_some()));
    let matched = |c: &Clause| c.any_of(&["matched", "matching", "balanced", "balance", "alike"]).is_some();
    if claims && result.balance.summary.light == Some(Light::Red) && !clauses.iter().any(matched) {
        out.push(ClaimProblem::new(
            "The claim does not say that the groups were not well matched.",
            crate::report::wording::balance(result),
        ));
    }
    let alone = clauses.iter().find_map(|c| c.any_of(&["only", "just", "success rate"]).filter(|_| c.has_percent()));
    let compares = |c: &Clause| c.has_any(&["comparison", "compared", "similar", "against", "points"]);
    if let Some(word) = alone.filter(|_| !clauses.iter().any(compares)) {
        out.push(ClaimProblem::new(
            format!("\"{word}\" lets the rate of one group stand for the result."),
            "A rate by itself shows neither success nor failure; only the comparison with similar people can.",
        ));
    }
    out
}
