//! A thousand random results: every sentence and table value is derived again from the stored numbers, by arithmetic
//! that shares nothing with the report's own. No two disagree, none overclaims.

use jdl_core::report::precision::at_printed_precision;
use jdl_core::report::result::{Estimate, Light, Measure, MeasureKey, Population, StoredResult, Unit};
use jdl_core::report::tables::{Table, tables};
use jdl_core::report::{to_json, to_text, words};

use crate::report_cases::random_results;

const SEED: u64 = 20_130_402;

pub fn results() -> Vec<StoredResult> {
    random_results(1000, SEED)
}

/// A printed number: its value and decimals. Only `-`, digits, commas and a point.
pub fn number(text: &str) -> (f64, i32) {
    let plain = text.replace(',', "");
    assert!(plain.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-'), "not a number: {text}");
    let decimals = plain.split_once('.').map_or(0, |(_, part)| i32::try_from(part.len()).unwrap());
    (plain.parse().unwrap(), decimals)
}

/// Whether `printed` is `stored` rounded: within half of its last digit, with `base` decimals, and with more only where
/// `base` decimals would move the number onto or across one of `limits`.
pub fn is_rounded(printed: &str, stored: f64, base: i32, limits: &[f64]) {
    is_near(printed, stored, base, limits);
    let value = number(printed).0;
    for limit in limits {
        let tiny = (stored - limit).abs() < 1e-11;
        assert!(tiny || (stored > *limit) == (value > *limit), "{printed} crosses {limit}, {stored} does not");
        assert!(tiny || (stored < *limit) == (value < *limit), "{printed} crosses {limit}, {stored} does not");
    }
}

/// [`is_rounded`], but the number may come to lie on a limit.
fn is_near(printed: &str, stored: f64, base: i32, limits: &[f64]) {
    let (value, decimals) = number(printed);
    let half = 0.5 * 10_f64.powi(-decimals);
    assert!((value - stored).abs() <= half * (1.0 + 1e-6), "{printed} is not {stored}");
    assert!(decimals >= base, "{printed} has too few decimals");
    if decimals > base {
        let unit = 10_f64.powi(-base);
        assert!(limits.iter().any(|l| (stored - l).abs() < unit), "{printed} has too many decimals for {stored}");
    }
    assert!(!printed.starts_with('-') || value != 0.0, "minus zero");
}

pub fn unit_scale(unit: Unit) -> f64 {
    if unit == Unit::Share { 100.0 } else { 1.0 }
}

/// Decimals of the lab's tables: rates whole (or as the rules say), frequencies two (one for small groups), days whole.
pub fn base_decimals(result: &StoredResult, measure: &Measure) -> i32 {
    match measure.unit {
        Unit::Share => i32::from(result.rules.rate_decimals),
        Unit::PerPerson if measure.treatment.n.unwrap_or(0) < 200 => 1,
        Unit::PerPerson => 2,
        Unit::Days => 0,
    }
}

fn level_limits(unit: Unit) -> &'static [f64] {
    if unit == Unit::Share { &[0.0, 100.0] } else { &[0.0] }
}

/// The same verdict by its definition: p at most alpha, both ends on one side, sizes sufficient.
pub fn is_conclusive(result: &StoredResult, m: &Measure) -> bool {
    let (Some(low), Some(high), Some(p)) = (m.difference.low, m.difference.high, m.p_value) else { return false };
    let one_side = (low > 1e-13 && high > 1e-13) || (low < -1e-13 && high < -1e-13);
    let reoffenders = result.measures.iter().find(|m| m.key == MeasureKey::ReoffendingRate).unwrap();
    let enough = || {
        let everyone = m.population == Population::All;
        let size = |n: Option<u64>| n.map_or(0.0, |n| f64::from(u32::try_from(n).unwrap()));
        let comparison = match result.groups.comparison_effective_n {
            Some(n) if everyone => n,
            _ => size(m.comparison.n),
        };
        let in_category = everyone || m.unit != Unit::Share || m.treatment.events.unwrap_or(0) >= 10;
        reoffenders.treatment.events.unwrap_or(0) >= 30
            && size(m.treatment.n) >= 10.0
            && comparison >= 10.0
            && in_category
    };
    p <= 0.05 && one_side && m.gate.as_ref().map_or_else(enough, |gate| gate.met)
}

fn primary(result: &StoredResult) -> &Measure {
    result.measures.iter().find(|m| m.key == result.request.plan.primary).unwrap()
}

fn table<'a>(tables: &'a [Table], key: &str) -> Option<&'a Table> {
    tables.iter().find(|t| t.key == key)
}

/// The cell of one number: hidden, absent, or printed.
fn cell(text: &str, stored: Option<f64>, withheld: bool, check: impl FnOnce(&str, f64)) {
    match stored {
        Some(value) => check(text, value),
        None => assert_eq!(text, if withheld { "withheld" } else { "n/a" }),
    }
}

fn count_cell(text: &str, stored: Option<u64>, withheld: bool) {
    cell(text, stored.map(|n| f64::from(u32::try_from(n).unwrap())), withheld, |text, n| is_rounded(text, n, 0, &[]));
}

pub fn p_cell(text: &str, stored: Option<f64>, withheld: bool) {
    cell(text, stored, withheld, |text, p| match text.strip_prefix('<') {
        Some(bound) => assert!(bound == "0.01" && p < 0.01, "{text} for {p}"),
        None => {
            is_near(text, p, 2, &[0.0, 0.05]);
            assert_eq!(number(text).0 <= 0.05, p <= 0.05, "{text} stands on the wrong side of alpha");
        }
    });
}

/// "-9 points (-13 to -5)" against the stored difference.
pub fn difference_cell(text: &str, stored: &Estimate, unit: Unit, base: i32, withheld: bool) {
    let Some(value) = stored.value else {
        assert_eq!(text, if withheld { "withheld" } else { "n/a" });
        return;
    };
    let scale = unit_scale(unit);
    let text = text.replace('\u{a0}', " ");
    let (head, interval) = text.split_once(" (").unwrap();
    let (low, high) = interval.strip_suffix(')').unwrap().split_once(" to ").unwrap();
    let estimate = head.split(' ').next().unwrap();
    let noun = head.strip_prefix(estimate).unwrap();
    assert_eq!(noun.is_empty(), unit != Unit::Share);
    if unit == Unit::Share {
        assert_eq!(noun == " point", ["1", "-1"].contains(&estimate), "{text}");
    }
    is_rounded(low, stored.low.unwrap() * scale, base, &[0.0]);
    is_rounded(high, stored.high.unwrap() * scale, base, &[0.0]);
    let printed = number(estimate).0;
    assert!(number(low).0 <= printed && printed <= number(high).0, "{text}");
    // An estimate in an interval around zero may print as zero; elsewhere it has its sign.
    if number(low).0 * number(high).0 > 0.0 {
        is_rounded(estimate, value * scale, base, &[0.0]);
    } else {
        is_rounded(estimate, value * scale, base, &[]);
    }
}

#[test]
fn every_table_value_is_the_stored_one_rounded() {
    let mut conclusive = 0;
    for result in results() {
        let all = tables(&result);
        for t in &all {
            assert!(t.rows.iter().all(|row| row.len() == t.columns.len()) && t.short.len() == t.columns.len());
        }
        let t = table(&all, "measures").unwrap();
        assert_eq!(t.rows.len(), result.measures.len());
        for (row, m) in t.rows.iter().zip(&result.measures) {
            let (base, hidden) = (base_decimals(&result, m), m.withheld.is_some());
            assert_eq!(row[0].trim_end_matches(" *"), m.label);
            assert_eq!(row[0].ends_with(" *"), m.population == Population::Reoffenders);
            count_cell(&row[1], m.treatment.n, hidden);
            count_cell(&row[2], m.comparison.n, hidden);
            for (text, value) in [(&row[3], m.treatment.value), (&row[4], m.comparison.value)] {
                cell(text, value, hidden, |text, v| {
                    assert_eq!(text.ends_with('%'), m.unit == Unit::Share);
                    let scaled = v * unit_scale(m.unit);
                    is_rounded(text.trim_end_matches('%'), scaled, base, level_limits(m.unit));
                });
            }
            difference_cell(&row[5], &m.difference, m.unit, base, hidden);
            match m.significant {
                Some(yes) => assert_eq!(row[6], if yes { "Yes" } else { "No" }),
                None => assert_eq!(row[6], if hidden { "withheld" } else { "n/a" }),
            }
            p_cell(&row[7], m.p_value, hidden);
        }
        // The headline table repeats the same cells, and its verdict follows the definition.
        let headline = table(&all, "headline").unwrap();
        for row in &headline.rows {
            let place = result.measures.iter().position(|m| m.label == row[0]).unwrap();
            assert_eq!(row[1..4], [&t.rows[place][3], &t.rows[place][4], &t.rows[place][5]].map(Clone::clone));
            assert_eq!(row[4] == "Yes", is_conclusive(&result, &result.measures[place]), "{row:?}");
            conclusive += usize::from(row[4] == "Yes");
        }
        let funnel = table(&all, "funnel").unwrap();
        let total = result.funnel[0].remaining.unwrap();
        for (row, step) in funnel.rows.iter().zip(&result.funnel) {
            let hidden = step.withheld.is_some();
            for (n, at) in [(step.remaining, 1), (step.lost, 3)] {
                count_cell(&row[at], n, hidden);
                if let Some(n) = n {
                    let part = 100.0 * n as f64 / total as f64;
                    match row[at + 1].as_str() {
                        "<1%" => assert!(part > 0.0 && part < 0.5),
                        ">99%" => assert!((99.5..100.0).contains(&part)),
                        text => is_rounded(text.trim_end_matches('%'), part, 0, &[]),
                    }
                }
            }
        }
        let balance = table(&all, "balance").unwrap();
        for (row, b) in balance.rows.iter().zip(&result.balance.rows) {
            let hidden = b.withheld.is_some();
            let means = [b.treatment_mean, b.comparison_mean_before, b.comparison_mean_after];
            for (text, mean) in row[1..4].iter().zip(means) {
                cell(text, mean, hidden, |text, v| is_rounded(text, v, 2, &[]));
            }
            for (text, smd) in row[4..6].iter().zip([b.smd_before, b.smd_after]) {
                cell(text, smd, hidden, |text, v| {
                    is_near(text, v, 2, &[-0.1, -0.05, 0.05, 0.1]);
                });
            }
            if let Some(light) = b.light {
                let limit = number(&row[5]).0.abs();
                let by_digits = if limit <= 0.05 {
                    "green"
                } else if limit <= 0.1 {
                    "amber"
                } else {
                    "red"
                };
                assert_eq!(row[7], by_digits);
                assert_eq!(light == Light::Green, row[7] == "green");
            }
        }
        let profile = table(&all, "profile").unwrap();
        for (row, p) in profile.rows.iter().zip(&result.profile[0].rows) {
            let base = i32::from(result.rules.rate_decimals);
            is_rounded(row[2].trim_end_matches('%'), p.share.unwrap() * 100.0, base, &[0.0, 100.0]);
        }
        if let Some(curves) = table(&all, "curves") {
            for row in &curves.rows {
                let point = result.curves.points.iter().find(|p| p.day.to_string() == row[0]).unwrap();
                for (text, share) in row[1..].iter().zip([point.treatment, point.comparison]) {
                    let base = i32::from(result.rules.rate_decimals);
                    is_rounded(text.trim_end_matches('%'), share.unwrap() * 100.0, base, &[0.0, 100.0]);
                }
            }
            assert_eq!(curves.rows.last().unwrap()[0], result.curves.points.last().unwrap().day.to_string());
        } else {
            assert!(result.curves.points.is_empty());
        }
        let tests = table(&all, "tests").unwrap();
        assert_eq!(tests.rows.len(), result.tests_made.len());
        for (row, test) in tests.rows.iter().zip(&result.tests_made) {
            for (text, p) in row[3..].iter().zip([test.p_value, test.p_holm, test.p_bh]) {
                p_cell(text, p, test.withheld.is_some());
            }
        }
        if let Some(designs) = table(&all, "sensitivity") {
            let s = &result.sensitivity;
            let m = primary(&result);
            let estimates = std::iter::once(&m.difference).chain(&s.aipw).chain(s.runs.iter().map(|r| &r.difference));
            for (n, (row, estimate)) in designs.rows.iter().zip(estimates).enumerate() {
                let hidden = n == 0 && m.withheld.is_some();
                difference_cell(&row[3], estimate, m.unit, base_decimals(&result, m), hidden);
            }
        }
    }
    assert!(conclusive > 100, "the random results are too tame: {conclusive}");
}

#[test]
fn the_hazard_ratio_is_said_as_it_is_stored() {
    let mut said = 0;
    for result in results() {
        let sentences = words(&result).sensitivity;
        let found = sentences.iter().find(|s| s.contains("hazard ratio"));
        let Some(ratio) = &result.sensitivity.hazard_ratio else {
            assert_eq!(found, None);
            continue;
        };
        let printed = numbers(found.unwrap().split_once(" is ").unwrap().1);
        for (text, stored) in printed.iter().zip([ratio.value, ratio.low, ratio.high]) {
            is_rounded(text, stored.unwrap(), 2, &[0.0, 1.0]);
        }
        if let Some(p) = result.sensitivity.hazard_ratio_p {
            p_cell(printed[3].as_str(), Some(p.max(0.01)), false);
        }
        assert!(found.unwrap().contains("below 1 stands for fewer") && found.unwrap().contains("above 1 for more"));
        said += 1;
    }
    assert!(said > 500, "{said}");
}

/// The numbers in a sentence, as printed.
fn numbers(sentence: &str) -> Vec<String> {
    sentence
        .split(|c: char| !(c.is_ascii_digit() || ".,-".contains(c)))
        .map(|word| word.trim_matches(['.', ',']).trim_end_matches('-').to_owned())
        .filter(|word| word.chars().any(|c| c.is_ascii_digit()))
        .collect()
}

#[test]
fn direction_and_significance_follow_from_the_interval_and_the_gates() {
    let mut seen = [0; 4];
    for result in results() {
        let words = words(&result);
        for (m, said) in result.measures.iter().zip(&words.measures) {
            let conclusive = is_conclusive(&result, m);
            assert_eq!(said.significance.contains("is statistically significant"), conclusive, "{said:?}");
            let (Some(low), Some(high)) = (m.difference.low, m.difference.high) else {
                assert_eq!(said.direction.contains("withheld"), m.withheld.is_some());
                assert!(!["lower", "higher", "shorter", "longer"].iter().any(|w| said.direction.contains(w)));
                seen[3] += 1;
                continue;
            };
            let (less, more) = if m.unit == Unit::Days { ("shorter", "longer") } else { ("lower", "higher") };
            // Ends in the order of the sentence, without sign; an end of zero is not named.
            let ends: Vec<f64> = if high < -1e-13 { vec![-high, -low] } else { vec![low.abs(), high.abs()] };
            let sides = (low < -1e-13, high > 1e-13);
            let lower = format!(" {less} ");
            let higher = format!(" {more} ");
            assert_eq!(said.direction.contains(&lower), sides.0, "{said:?} {low} {high}");
            assert_eq!(said.direction.contains(&higher), sides.1, "{said:?} {low} {high}");
            let straddles = low <= 1e-13 && high >= -1e-13;
            assert_eq!(said.direction.contains("may be"), !conclusive, "{said:?}");
            if straddles {
                assert!(!conclusive);
            }
            seen[usize::from(straddles) + usize::from(sides == (false, false))] += 1;
            let base = base_decimals(&result, m);
            let after = said.direction.rsplit_once("within").map_or(said.direction.as_str(), |(_, rest)| rest);
            let after = after.strip_prefix(" 18 months").unwrap_or(after);
            let printed = numbers(after);
            let expected: Vec<f64> = ends.into_iter().filter(|end| *end > 1e-13).collect();
            if printed.len() == 1 && expected.len() == 2 {
                assert!(said.direction.contains("by about"));
                for end in &expected {
                    is_rounded(&printed[0], end * unit_scale(m.unit), base, &[0.0]);
                }
            } else {
                assert_eq!(printed.len(), expected.len(), "{said:?}");
                for (text, end) in printed.iter().zip(&expected) {
                    is_rounded(text, end * unit_scale(m.unit), base, &[0.0]);
                }
            }
            if let Some(sentence) = &said.number_needed {
                assert!(!conclusive);
                is_rounded(&numbers(sentence)[0], m.number_needed.unwrap() as f64, 0, &[]);
            }
        }
    }
    assert!(seen[0] > 500 && seen[1] > 500 && seen[3] > 100, "{seen:?}");
}

#[test]
fn nothing_is_claimed_that_is_not_conclusive() {
    let claims =
        ["was lower", "was higher", "was shorter", "was longer", "statistically significant", "reduces", "proves"];
    for result in results() {
        let words = words(&result);
        let m = primary(&result);
        let conclusive = is_conclusive(&result, m);
        let spoken = std::iter::once(&words.headline).chain(&words.can_say);
        for sentence in spoken {
            // A sentence about a sub-group rests on that sub-group.
            let of = result.sub_groups.iter().find(|group| sentence.starts_with(&format!("{} \u{2013} ", group.label)));
            let conclusive = of.map_or(conclusive, |group| is_conclusive(&result, &group.measure));
            let claims = claims.iter().any(|claim| sentence.contains(claim));
            assert!(conclusive || !claims, "{sentence}");
        }
        let hidden = m.difference.low.is_none();
        assert_eq!(words.headline.contains("inconclusive"), !conclusive && !hidden, "{}", words.headline);
        let cannot = words.cannot_say.join(" ");
        assert_eq!(cannot.contains("had no effect"), !conclusive);
        assert_eq!(cannot.contains("alone made the difference"), conclusive);
        assert_eq!(cannot.contains("no sub-group was tested"), result.sub_groups.is_empty());
        for (m, sentence) in result.measures.iter().filter_map(|m| {
            let opening = match m.key {
                MeasureKey::ReoffendingRate => "re-offended within",
                MeasureKey::ReoffencesPerPerson => "re-offences (",
                MeasureKey::DaysToFirst => "first re-offended after",
                _ => return None,
            };
            Some((m, words.per_hundred.iter().find(|s| s.contains(opening))?))
        }) {
            assert_eq!(sentence.contains("due to chance"), !is_conclusive(&result, m), "{sentence}");
            let difference = m.difference.value.unwrap();
            let (less, more) = if m.unit == Unit::Days { (" sooner", " later") } else { (" fewer", " more") };
            assert!(!sentence.contains(less) || difference < 0.0, "{sentence} {difference}");
            assert!(!sentence.contains(more) || difference > 0.0, "{sentence} {difference}");
            let straddles = m.difference.low.unwrap() <= 0.0 && m.difference.high.unwrap() >= 0.0;
            assert!(
                sentence.contains(less) || sentence.contains(more) || straddles || difference.abs() < 0.0051 * 365.0
            );
        }
        let red = result.balance.summary.light == Some(Light::Red);
        assert_eq!(words.cautions.iter().any(|c| c.contains("not well matched")), red);
        assert_eq!(words.can_say.iter().any(|c| c.contains("not well matched")), red);
        assert_eq!(words.balance.contains("are not well matched"), red);
        let adjusted = conclusive && m.p_holm.unwrap() > 0.05;
        assert_eq!(words.cautions.iter().any(|c| c.contains("Holm")), adjusted);
    }
}

#[test]
fn harm_is_worded_as_the_mirror_image_of_benefit() {
    let mirrored = |measure: &Measure| {
        let turn = |value: Option<f64>| value.map(|v| -v);
        let d = measure.difference;
        let difference = Estimate { value: turn(d.value), low: turn(d.high), high: turn(d.low) };
        Measure { difference, ..measure.clone() }
    };
    let swap = |text: &str| {
        let mut text = text.to_owned();
        for (a, b) in [("lower", "higher"), ("shorter", "longer")] {
            text = text.replace(a, "\u{1}").replace(b, a).replace('\u{1}', b);
        }
        text
    };
    let mut compared = 0;
    for result in results() {
        let mut other = result.clone();
        other.measures = result.measures.iter().map(mirrored).collect();
        let (ours, theirs) = (words(&result), words(&other));
        for (m, (a, b)) in result.measures.iter().zip(ours.measures.iter().zip(&theirs.measures)) {
            assert_eq!(a.significance, b.significance);
            assert_eq!(a.number_needed, b.number_needed);
            if m.difference.low.is_some_and(|low| low > 1e-13) || m.difference.high.is_some_and(|high| high < -1e-13) {
                assert_eq!(swap(&a.direction), b.direction);
                compared += 1;
            }
        }
        assert_eq!(ours.cannot_say, theirs.cannot_say);
        assert_eq!(ours.cautions, theirs.cautions);
    }
    assert!(compared > 1000);
}

#[test]
fn printed_numbers_that_do_not_add_up_are_explained_and_only_those() {
    let (mut explained, mut silent) = (0, 0);
    for result in results() {
        let notices = words(&result).rounding;
        let all = tables(&result);
        let t = table(&all, "measures").unwrap();
        for (row, m) in t.rows.iter().zip(&result.measures) {
            let said = notices.iter().any(|n| n.starts_with(&format!("{}: each number", m.label)));
            if m.treatment.value.is_none() || m.difference.value.is_none() {
                assert!(!said);
                continue;
            }
            // In units of the ninth decimal, so that subtraction is exact.
            let units = |text: &str| (number(text.trim_end_matches('%')).0 * 1e9).round();
            let difference = units(row[5].split(' ').next().unwrap().split('\u{a0}').next().unwrap());
            let adds_up = units(&row[3]) - units(&row[4]) == difference;
            assert_eq!(said, !adds_up, "{row:?} {notices:?}");
            if said { explained += 1 } else { silent += 1 }
        }
        let sum: f64 = table(&all, "profile").unwrap().rows.iter().map(|r| number(r[2].trim_end_matches('%')).0).sum();
        assert_eq!(notices.iter().any(|n| n.starts_with("Sex:")), (sum - 100.0).abs() > 1e-6);
        let l = &result.linkage;
        let apart = l.linked.is_some_and(|n| n + l.suspect.unwrap() + l.unlinked.unwrap() != l.submitted.unwrap());
        assert_eq!(notices.iter().any(|n| n.starts_with("Linkage:")), apart);
    }
    assert!(explained > 500 && silent > 500, "{explained} {silent}");
}

#[test]
fn the_published_digits_say_the_same_as_the_stored_ones() {
    for result in results() {
        let published = at_printed_precision(&result);
        let again = at_printed_precision(&published);
        for (a, b) in again.measures.iter().zip(&published.measures) {
            assert_eq!(a, b);
        }
        assert_eq!(again.balance, published.balance);
        assert_eq!(again.sensitivity, published.sensitivity);
        assert!(again == published);
        assert!(words(&published) == words(&result));
        for (a, b) in tables(&published).iter().zip(&tables(&result)) {
            for (a, b) in a.rows.iter().zip(&b.rows) {
                assert_eq!(a, b);
            }
            assert!(a == b, "{}", a.key);
        }
        assert!(to_text(&published) == to_text(&result));
        let json = to_json(&result);
        let read: StoredResult = serde_json::from_value(json.clone()).unwrap();
        assert!(read == published);
        assert_eq!(serde_json::to_value(words(&read)).unwrap(), json["sentences"]);
    }
}

#[test]
fn nothing_odd_is_printed() {
    for result in results() {
        let text = to_text(&result);
        for odd in ["NaN", "inf", "-0 ", "-0.0 ", "-0%", "None", "Some(", "null", "  .", "()", "\t", "\u{a0}"] {
            let at = text.find(odd).map(|at| &text[at.saturating_sub(40)..at + odd.len()]);
            assert_eq!(at, None, "{odd:?}");
        }
        for line in text.lines() {
            assert!(line.chars().count() <= 78 && line.trim_end() == line, "{text}\n{line}");
        }
    }
}

#[test]
fn the_text_shows_every_cell_of_every_table() {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for result in results().into_iter().take(300) {
        let text = to_text(&result);
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 0;
        for table in tables(&result) {
            // A table is found by the rule of dashes under its headings; the rule gives the columns.
            let is_rule = |l: &&str| l.contains("- ") && l.chars().all(|c| c == '-' || c == ' ');
            at += lines[at..].iter().position(is_rule).unwrap();
            let mut columns = vec![(0, 0)];
            for (n, c) in lines[at].chars().enumerate() {
                match (c, lines[at].chars().nth(n.wrapping_sub(1))) {
                    ('-', Some(' ')) => columns.push((n, n + 1)),
                    ('-', _) => columns.last_mut().unwrap().1 = n + 1,
                    _ => {}
                }
            }
            assert_eq!(columns.len(), table.columns.len(), "{}", table.key);
            let body: Vec<&str> = lines[at + 1..].iter().take_while(|l| !l.is_empty()).copied().collect();
            for (column, (from, to)) in columns.into_iter().enumerate() {
                let part = |line: &&str| line.chars().skip(from).take(to - from).collect::<String>();
                let shown = squeezed(&body.iter().map(part).collect::<Vec<_>>().join(" "));
                let cells =
                    table.rows.iter().map(|row| row[column].replace('\u{a0}', " ")).collect::<Vec<_>>().join(" ");
                let expected = squeezed(&cells);
                let short = expected.replace("withheld", "(w)");
                assert!(
                    shown.starts_with(&expected) || shown.starts_with(&short),
                    "{}: {shown}\n{expected}",
                    table.key
                );
            }
            at += 1;
        }
    }
}
