//! What is said of sub-groups: a table, a chart, a sentence each, and whether they differ.

use crate::report::charts::{Chart, Row, Rows, chart, difference_axis, interval_point};
use crate::report::figure::{Style, count, finite, or_withheld};
use crate::report::phrases::{direction_sentence, measure_words, p_phrase};
use crate::report::reading::{primary, read};
use crate::report::result::{Interaction, StoredResult, SubGroup};
use crate::report::tables::{Table, conclusive, difference, level, p};

fn shown(result: &StoredResult) -> impl Iterator<Item = &SubGroup> {
    result.sub_groups.iter().filter(|group| group.measure.withheld.is_none())
}

/// The primary measure in each sub-group that may be shown; a sentence names the others.
pub fn table(result: &StoredResult) -> Table {
    let columns = [
        "Sub-group",
        "n treatment",
        "n comparison",
        "Treatment",
        "Comparison",
        "Difference (interval)",
        "Conclusive",
        "p",
    ];
    let mut table = Table::new("sub-groups", "The primary measure in the sub-groups of the plan", &columns);
    table.short = vec!["Sub-group", "n (T)", "n (C)", "T", "C", "Difference", "Concl.", "p"];
    table.words.push(6);
    for group in shown(result) {
        let m = &group.measure;
        table.rows.push(vec![
            group.label.clone(),
            or_withheld(m.treatment.n, None, count),
            or_withheld(m.comparison.n, None, count),
            level(result, m, m.treatment.value),
            level(result, m, m.comparison.value),
            difference(result, m),
            conclusive(read(result, m).verdict).to_owned(),
            p(result, m.p_value, None),
        ]);
    }
    table
}

/// The difference in everybody and in each sub-group.
pub(crate) fn sub_group_chart(result: &StoredResult) -> Option<Chart> {
    let measure = primary(result)?;
    let everybody = std::iter::once(("Everybody".to_owned(), measure));
    let parts = shown(result).map(|group| (group.label.clone(), &group.measure));
    let rows: Vec<Row> = everybody
        .chain(parts)
        .filter_map(|(label, m)| {
            Some(Row { label, points: vec![interval_point(Style::of(m, &result.rules), &m.difference)?] })
        })
        .collect();
    if shown(result).next().is_none() || rows.len() < 2 {
        return None;
    }
    let said: Vec<String> = rows.iter().map(|row| format!("{}: {}", row.label, row.points[0].value)).collect();
    let axis_label = difference_axis(measure.unit);
    let title = format!("{} in each sub-group: treatment less comparison", measure.label);
    let description = format!("Estimated differences, in {axis_label}. {}.", said.join("; "));
    chart(
        "chart-sub-groups",
        title,
        description,
        "sub-groups",
        Rows { rows: &rows, legend: None, axis_label, guides: &[] },
    )
}

/// The sentence with its sub-group in it, so that it says of whom it is wherever it is quoted.
fn of(group: &SubGroup, sentence: &str) -> String {
    let mut rest = sentence.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_lowercase).collect();
    format!("{} \u{2013} {first}{}", group.label, rest.as_str())
}

/// What adjustment leaves of a conclusive sub-group, where it leaves nothing.
fn adjusted(result: &StoredResult, group: &SubGroup) -> String {
    let alpha = result.rules.alpha;
    let lost =
        finite(group.measure.p_holm).filter(|p| *p > alpha && read(result, &group.measure).verdict.is_conclusive());
    lost.map_or_else(String::new, |p| {
        format!(" Adjusted for the number of tests made (Holm), {}, which is not significant.", p_phrase(p, alpha))
    })
}

/// A sentence for each sub-group, then whether they differ.
pub(crate) fn sentences(result: &StoredResult) -> Vec<String> {
    let mut out: Vec<String> = result
        .sub_groups
        .iter()
        .map(|group| {
            if let Some(reason) = &group.measure.withheld {
                return format!("{} \u{2013} the result is withheld: {reason}.", group.label);
            }
            let said = measure_words(result, &group.measure);
            format!("{} {}{}", of(group, &said.direction), said.significance, adjusted(result, group))
        })
        .collect();
    out.extend(result.interactions.iter().map(|test| interaction(result, test)));
    let untested = |by: &str| {
        shown(result).filter(|group| group.by == by).count() > 1 && result.interactions.iter().all(|test| test.by != by)
    };
    if result.sub_groups.iter().any(|group| untested(&group.by)) {
        out.push(
            "Whether the difference is larger in one sub-group than in another was not tested, and cannot be read off \
             their numbers."
                .to_owned(),
        );
    }
    out
}

fn interaction(result: &StoredResult, test: &Interaction) -> String {
    let what = format!("the differences in the sub-groups by {}", test.label);
    match (finite(test.p_value), test.conclusive, &test.withheld) {
        (_, _, Some(reason)) => format!("Whether {what}, are the same is not said: {reason}."),
        (Some(p), Some(true), _) => {
            format!("The test says that {what}, are not the same ({}).", p_phrase(p, result.rules.alpha))
        }
        (Some(p), ..) => {
            format!("Whether {what}, are the same cannot be told from chance ({}).", p_phrase(p, result.rules.alpha))
        }
        _ => format!("Whether {what}, are the same could not be tested."),
    }
}

/// What cannot be said of sub-groups.
pub(crate) fn cannot_say(result: &StoredResult) -> Vec<String> {
    let tested: Vec<&str> = result.sub_groups.iter().map(|group| group.label.as_str()).collect();
    if tested.is_empty() {
        return vec![
            "That one part of the treatment group did better or worse than another: no sub-group was tested."
                .to_owned(),
        ];
    }
    let mut out =
        vec![format!("Anything about parts of the treatment group other than those tested ({}).", tested.join("; "))];
    if !result.interactions.iter().any(|test| test.conclusive == Some(true)) {
        out.push(if result.interactions.is_empty() {
            "That one sub-group did better or worse than another: whether they differ was not tested.".to_owned()
        } else {
            "That one sub-group did better or worse than another: the test of it is not conclusive.".to_owned()
        });
    }
    out
}

/// What may be said of sub-groups: the conclusive ones.
pub(crate) fn can_say(result: &StoredResult) -> Vec<String> {
    let sentence = |group: &SubGroup| {
        let reading = read(result, &group.measure);
        let said = direction_sentence(result, &group.measure, &reading);
        reading.verdict.is_conclusive().then(|| of(group, &said) + &adjusted(result, group))
    };
    result.sub_groups.iter().filter_map(sentence).collect()
}
