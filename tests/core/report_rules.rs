//! The rules behind the wording: gates, what is withheld for quality, and whether a result agrees with itself.

use jdl_core::Error;
use jdl_core::report::check::check;
use jdl_core::report::reading::{Verdict, apply_gates, primary, read};
use jdl_core::report::result::{GroupFigure, Light, MeasureKey, Population, StoredResult, Unit};
use jdl_core::report::{to_json, words};

use crate::report_cases::case;

fn verdict(result: &StoredResult) -> Verdict {
    read(result, primary(result).unwrap()).verdict
}

#[test]
fn thirty_treatment_reoffenders_are_enough_and_twenty_nine_are_not() {
    let mut result = case("clear_reduction");
    assert_eq!(verdict(&result), Verdict::Lower);
    result.measures[0].treatment.events = Some(30);
    assert_eq!(verdict(&result), Verdict::Lower);
    result.measures[0].treatment.events = Some(29);
    assert_eq!(verdict(&result), Verdict::Inconclusive);
    assert!(
        words(&result).measures[0].significance.contains("fewer than 30 people in the treatment group re-offended")
    );
    result.measures[0].treatment.events = None;
    assert_eq!(verdict(&result), Verdict::Inconclusive, "a missing count decides against");
}

#[test]
fn an_effective_size_of_ten_is_enough() {
    let mut result = case("clear_increase");
    for (size, expected) in [(10.0, Verdict::Higher), (9.99, Verdict::Inconclusive)] {
        result.measures[0].comparison.effective_n = Some(size);
        assert_eq!(verdict(&result), expected);
    }
    result.measures[0].comparison.effective_n = None;
    result.groups.comparison_effective_n = Some(3.0);
    assert_eq!(verdict(&result), Verdict::Inconclusive);
}

#[test]
fn p_of_exactly_alpha_is_significant_and_the_interval_must_agree() {
    let mut result = case("clear_reduction");
    result.measures[0].p_value = Some(0.05);
    assert_eq!(verdict(&result), Verdict::Lower);
    result.measures[0].difference.high = Some(0.0);
    assert_eq!(verdict(&result), Verdict::Inconclusive, "an end on zero gives no direction");
    assert!(words(&result).measures[0].significance.contains("whatever the test says"));
    let mut result = case("clear_reduction");
    (result.measures[0].p_value, result.measures[0].significant) = (Some(0.0501), Some(false));
    assert_eq!(verdict(&result), Verdict::Inconclusive);
    assert!(words(&result).measures[0].significance.contains("whatever the interval says"));
    assert!(words(&result).measures[0].significance.contains("p = 0.0501"));
}

#[test]
fn gates_judged_on_true_counts_outlive_their_rounding() {
    let mut result = case("clear_reduction");
    result.measures[0].treatment.events = Some(29);
    let mut judged = apply_gates(result);
    // Disclosure control rounds 29 to 30: still not enough.
    judged.measures[0].treatment.events = Some(30);
    assert_eq!(verdict(&judged), Verdict::Inconclusive);
    let mut judged = apply_gates(case("clear_reduction"));
    // And hides a sufficient count: still enough.
    judged.measures[0].treatment.events = None;
    assert_eq!(verdict(&judged), Verdict::Lower);
    assert_eq!(to_json(&judged)["measures"][0]["gate"]["met"], true);
}

#[test]
fn the_lab_withholds_days_below_thirty_reoffenders_and_categories_below_ten() {
    let mut result = case("clear_reduction");
    result.measures[0].treatment.events = Some(29);
    let category = result.measures.iter().position(|m| m.key == MeasureKey::CourtCategoryRate).unwrap();
    result.measures[category].treatment.events = Some(9);
    result.measures[category + 1].treatment.events = Some(10);
    let judged = apply_gates(result);
    let days = judged.measures.iter().find(|m| m.key == MeasureKey::DaysToFirst).unwrap();
    assert!(days.withheld.is_some() && days.treatment.value.is_none() && days.p_value.is_none());
    let reason = judged.measures[category].withheld.as_deref().unwrap();
    assert_eq!(reason, "fewer than 10 re-offenders in the treatment group are in this category");
    assert_eq!(judged.measures[category].comparison.n, None, "the whole row goes");
    assert_eq!(judged.measures[category + 1].withheld, None);
    check(&judged).unwrap();
    let twice = apply_gates(judged.clone());
    assert_eq!(twice.measures[category].label, judged.measures[category].label);
}

#[test]
fn a_result_that_disagrees_with_itself_is_not_reported() {
    type Spoil = fn(&mut StoredResult);
    let spoils: [(&str, Spoil); 16] = [
        ("finite", |r| r.measures[0].difference.value = Some(f64::NAN)),
        ("finite", |r| r.balance.rows[0].smd_before = Some(f64::INFINITY)),
        ("interval holds", |r| r.measures[0].difference.low = Some(0.5)),
        ("interval holds", |r| r.measures[1].treatment.high = Some(0.0)),
        ("between 0 and 1", |r| r.measures[0].p_value = Some(1.5)),
        ("between 0 and 1", |r| r.measures[0].treatment.high = Some(1.01)),
        ("not negative", |r| (r.measures[2].treatment.value, r.measures[2].treatment.low) = (Some(-1.0), Some(-2.0))),
        ("significant means", |r| r.measures[0].significant = Some(false)),
        ("without p", |r| r.measures[0].p_value = None),
        ("key's unit", |r| r.measures[0].unit = Unit::Days),
        ("key's population", |r| r.measures[0].population = Population::Reoffenders),
        ("light of a balance row", |r| r.balance.rows[0].light = Some(Light::Red)),
        ("worst SMD", |r| r.balance.summary.worst_smd = Some(0.001)),
        ("funnel gains nobody", |r| r.funnel[3].remaining = Some(5000)),
        ("order of the day", |r| r.curves.points[2].day = 0),
        ("primary measure", |r| r.request.plan.primary = MeasureKey::ReoffencesPerReoffender),
    ];
    for (rule, spoil) in spoils {
        let mut result = case("clear_reduction");
        spoil(&mut result);
        match check(&result) {
            Err(Error::Bug(said)) => assert!(said.contains(rule), "{rule}: {said}"),
            other => panic!("{rule}: {other:?}"),
        }
    }
}

#[test]
fn numbers_that_are_not_numbers_are_never_printed() {
    let mut result = case("clear_reduction");
    result.measures[0].treatment.value = Some(f64::NAN);
    result.measures[1].difference.low = Some(f64::NEG_INFINITY);
    result.linkage.match_rate = Some(f64::NAN);
    let json = to_json(&result);
    assert!(json["measures"][0]["treatment"]["value"].is_null() && json["linkage"]["match_rate"].is_null());
    let text = jdl_core::report::to_text(&result);
    assert!(!text.contains("NaN") && !text.contains("inf "));
}

#[test]
fn sensitivity_to_hidden_factors_is_said_of_conclusive_results_only() {
    let said = |result: &StoredResult| words(result).sensitivity.join(" ");
    let mut result = case("clear_reduction");
    assert!(said(&result).contains("factor of 1.42") && said(&result).contains("risk ratio of 2.04"));
    result.sensitivity.rosenbaum_gamma = Some(1.0);
    assert!(said(&result).contains("Any unrecorded difference"));
    (result.measures[0].p_value, result.measures[0].significant) = (Some(0.2), Some(false));
    assert!(!said(&result).contains("unrecorded"));
}

#[test]
fn nothing_is_published_with_more_digits_than_are_printed() {
    fn long(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Number(n) if n.is_f64() => {
                let decimals = n.to_string().split_once('.').map_or(0, |(_, part)| part.len());
                // 0.181, not 0.18100000000000002.
                if decimals > 5 {
                    found.push(format!("{at}: {n}"));
                }
            }
            serde_json::Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| long(item, &format!("{at}/{n}"), found));
            }
            serde_json::Value::Object(map) => map.iter().for_each(|(k, part)| long(part, &format!("{at}/{k}"), found)),
            _ => {}
        }
    }
    for name in crate::report_cases::NAMES {
        let (mut stored, mut published) = (Vec::new(), Vec::new());
        long(&serde_json::to_value(case(name)).unwrap(), "", &mut stored);
        long(&to_json(&case(name)), "", &mut published);
        assert!(stored.len() > 20, "{name} has nothing to round");
        assert_eq!(published, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_share_is_stored_as_the_digits_that_were_printed() {
    let mut result = case("clear_reduction");
    result.rules.rate_decimals = 1;
    for units in 1..1000_u32 {
        result.measures[0].treatment =
            GroupFigure { value: Some(f64::from(units) / 1000.0 + 1e-5), ..GroupFigure::default() };
        let json = to_json(&result)["measures"][0]["treatment"]["value"].to_string();
        assert_eq!(json, format!("0.{units:03}").trim_end_matches('0'), "{units}");
    }
}
