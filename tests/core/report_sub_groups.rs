//! Sub-groups: what is printed and said of them is what is stored, and they are never set against each other without a test.

use jdl_core::report::result::{Interaction, StoredResult, SubGroup};
use jdl_core::report::tables::tables;
use jdl_core::report::{check_claim, to_text, words};

use crate::report_cases::case;
use crate::report_property::{base_decimals, difference_cell, is_conclusive, is_rounded, p_cell, results, unit_scale};

#[test]
fn every_sub_group_is_printed_as_stored_or_withheld() {
    let mut shown = 0;
    for result in results() {
        let all = tables(&result);
        let rows = all.iter().find(|t| t.key == "sub-groups").map_or(&[][..], |t| &t.rows);
        let visible: Vec<&SubGroup> = result.sub_groups.iter().filter(|g| g.measure.withheld.is_none()).collect();
        assert_eq!(rows.len(), visible.len());
        for (row, group) in rows.iter().zip(&visible) {
            let m = &group.measure;
            let base = base_decimals(&result, m);
            assert_eq!(row[0], group.label);
            is_rounded(&row[1], m.treatment.n.unwrap() as f64, 0, &[]);
            is_rounded(&row[2], m.comparison.n.unwrap() as f64, 0, &[]);
            for (text, value) in [(&row[3], m.treatment.value), (&row[4], m.comparison.value)] {
                let limits: &[f64] = if text.ends_with('%') { &[0.0, 100.0] } else { &[0.0] };
                is_rounded(text.trim_end_matches('%'), value.unwrap() * unit_scale(m.unit), base, limits);
            }
            difference_cell(&row[5], &m.difference, m.unit, base, false);
            assert_eq!(row[6] == "Yes", is_conclusive(&result, m), "{row:?}");
            p_cell(&row[7], m.p_value, false);
            shown += 1;
        }
        let words = words(&result);
        for group in &result.sub_groups {
            let said = words.sub_groups.iter().find(|s| s.starts_with(&format!("{} \u{2013} ", group.label))).unwrap();
            let conclusive = is_conclusive(&result, &group.measure);
            assert_eq!(said.contains("is statistically significant"), conclusive, "{said}");
            assert_eq!(said.contains("withheld"), group.measure.withheld.is_some(), "{said}");
            assert_eq!(words.can_say.iter().any(|s| s.starts_with(&group.label)), conclusive);
            let lost = conclusive && group.measure.p_holm.is_some_and(|p| p > 0.05);
            assert_eq!(said.contains("Adjusted for the number of tests made"), lost, "{said}");
        }
        // Two sub-groups side by side are a temptation: the test of it, or that there is none, stands with them.
        let of_gender = visible.iter().filter(|g| g.by == "gender").count();
        let conclusive = result.interactions.iter().any(|test| test.conclusive == Some(true));
        assert_eq!(words.sub_groups.iter().any(|s| s.contains("are not the same")), conclusive);
        let warned = words.sub_groups.iter().any(|s| s.contains("was not tested"));
        assert_eq!(warned, of_gender > 1 && result.interactions.is_empty());
        let cannot = words.cannot_say.iter().any(|s| s.contains("did better or worse than another"));
        assert_eq!(cannot, !conclusive, "{:?}", words.cannot_say);
    }
    assert!(shown > 500, "{shown}");
}

/// The clear reduction with women and men beside it; `p` of whether they differ, where it was tested.
pub fn with_sub_groups(p: Option<f64>) -> StoredResult {
    let mut result = case("clear_reduction");
    let rate = result.measures[0].clone();
    let mut women = rate.clone();
    (women.treatment.n, women.treatment.events, women.treatment.value) = (Some(120), Some(38), Some(0.32));
    (women.comparison.value, women.difference.value) = (Some(0.33), Some(-0.01));
    (women.difference.low, women.difference.high) = (Some(-0.09), Some(0.07));
    (women.p_value, women.p_holm, women.p_bh, women.significant) = (Some(0.81), Some(1.0), Some(0.9), Some(false));
    let group = |label: &str, measure| SubGroup { by: "gender".to_owned(), label: label.to_owned(), measure };
    result.sub_groups = vec![group("Gender: female", women), group("Gender: male", rate)];
    result.interactions = p
        .map(|p| Interaction {
            by: "gender".to_owned(),
            label: "gender: female, male".to_owned(),
            p_value: Some(p),
            p_holm: Some(p),
            p_bh: Some(p),
            conclusive: Some(p <= 0.05),
            withheld: None,
        })
        .into_iter()
        .collect();
    result
}

#[test]
fn a_claim_about_a_tested_sub_group_is_read_against_that_sub_group() {
    let found = |p: Option<f64>, claim: &str| -> Vec<String> {
        check_claim(&with_sub_groups(p), claim).into_iter().map(|c| format!("{} | {}", c.problem, c.why)).collect()
    };
    let passes = |p, claim| assert_eq!(found(p, claim), Vec::<String>::new(), "{claim}");
    let flagged = |p, claim, what: &str| {
        let found = found(p, claim);
        assert!(found.iter().any(|f| f.contains(what)), "{claim}: {found:#?}");
    };
    passes(None, "Re-offending was lower among the men we worked with.");
    passes(None, "32% of the women we worked with re-offended, and 33% of similar women.");
    passes(None, "The women we worked with may have re-offended less, or more.");
    flagged(None, "Women re-offended less.", "states a direction, but the result is inconclusive");
    flagged(None, "26% of the women we worked with re-offended.", "\"26%\" is not in the report");
    flagged(None, "Young people re-offended less.", "speaks of a part of the treatment group");
    flagged(
        None,
        "Men re-offended less than similar people, unlike women.",
        "Whether sub-groups differ was not tested",
    );
    flagged(Some(0.4), "The course cut re-offending especially among men.", "is not conclusive");
    flagged(Some(0.4), "Men gained more than women in re-offending.", "is not conclusive");
    let compared = found(Some(0.01), "Re-offending was lower, especially among men.");
    assert!(!compared.iter().any(|f| f.contains("sets one part")), "{compared:#?}");
}

#[test]
fn the_text_fits_and_names_what_may_not_be_compared() {
    for p in [None, Some(0.4), Some(0.01)] {
        let text = to_text(&with_sub_groups(p));
        assert!(text.lines().all(|line| line.chars().count() <= 78), "{text}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = match p {
            None => "was not tested, and cannot be read off their numbers",
            Some(0.4) => "are the same cannot be told from chance (p = 0.40)",
            _ => "are not the same (p = 0.01)",
        };
        assert!(flat.contains(said), "{flat}");
    }
}
