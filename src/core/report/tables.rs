//! The tables of the report as cells of text, made once and arranged alike by text and HTML.

use crate::report::figure::{
    NOT_AVAILABLE, Rounded, Style, WITHHELD, count, finite, or_withheld, p_text, part_of, smd_rounded,
};
use crate::report::phrases::row_name;
use crate::report::reading::{Verdict, read};
use crate::report::result::{BalanceRow, Estimate, GroupFigure, Measure, MeasureKey, Population, StoredResult, Unit};
use crate::report::sub_groups;

/// A table with row headers in its first column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Short name, unique in a report.
    pub key: &'static str,
    /// What it shows.
    pub caption: String,
    /// Column headings.
    pub columns: Vec<&'static str>,
    /// Shorter headings for a narrow page; the notes of the text report explain T and C.
    pub short: Vec<&'static str>,
    /// Indices of columns that hold words; the others hold numbers.
    pub words: Vec<usize>,
    /// Cells, as many to a row as there are columns.
    pub rows: Vec<Vec<String>>,
    /// Notes under the table.
    pub notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(key: &'static str, caption: impl Into<String>, columns: &[&'static str]) -> Self {
        let (caption, columns) = (caption.into(), columns.to_vec());
        Self { key, caption, short: columns.clone(), columns, words: vec![0], rows: Vec::new(), notes: Vec::new() }
    }
}

/// Every table of the report that has rows, in reading order.
pub fn tables(result: &StoredResult) -> Vec<Table> {
    let all = [
        headline(result),
        measures(result),
        rates(result),
        sub_groups::table(result),
        funnel(result),
        balance(result),
        profile(result),
        curves(result),
        sensitivity(result),
        tests(result),
    ];
    all.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

/// A level of one group, with its unit.
pub(crate) fn level(result: &StoredResult, measure: &Measure, value: Option<f64>) -> String {
    let style = Style::of(measure, &result.rules);
    or_withheld(finite(value), measure.withheld.as_ref(), |v| style.in_cell(style.level(v)))
}

pub(crate) fn difference(result: &StoredResult, measure: &Measure) -> String {
    let style = Style::of(measure, &result.rules);
    let printed = style.estimate(&measure.difference);
    or_withheld(printed.value, measure.withheld.as_ref(), |value| {
        let noun = style.noun(value).rsplit(' ').next().filter(|_| measure.unit == Unit::Share);
        let noun = noun.map(|n| format!(" {n}")).unwrap_or_default();
        let ends = printed.low.zip(printed.high);
        // Blanks that do not break: an interval is read in one piece.
        let interval = ends.map(|(low, high)| format!(" ({low}\u{a0}to\u{a0}{high})")).unwrap_or_default();
        format!("{value}{noun}{interval}")
    })
}

pub(crate) fn p(result: &StoredResult, value: Option<f64>, withheld: Option<&String>) -> String {
    or_withheld(finite(value), withheld, |p| p_text(p, result.rules.alpha))
}

/// What is withheld in a table: one note for each reason, naming its rows.
#[derive(Default)]
struct Withheld {
    reasons: Vec<(String, Vec<String>)>,
}

impl Withheld {
    fn add(&mut self, row: impl Into<String>, reason: Option<&String>) {
        let Some(reason) = reason else { return };
        match self.reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, rows)) => rows.push(row.into()),
            None => self.reasons.push((reason.clone(), vec![row.into()])),
        }
    }

    fn notes(self) -> impl Iterator<Item = String> {
        let sentence = |(reason, rows): (String, Vec<String>)| format!("Withheld ({reason}): {}.", rows.join("; "));
        self.reasons.into_iter().map(sentence)
    }
}

/// Rate, frequency and days.
pub fn headline(result: &StoredResult) -> Table {
    let mut table = Table::new(
        "headline",
        "Headline measures",
        &["Measure", "Treatment group", "Comparison group", "Difference (interval)", "Conclusive"],
    );
    table.short = vec!["Measure", "Treatment", "Comparison", "Difference", "Conclusive"];
    table.words.push(4);
    let keys = [MeasureKey::ReoffendingRate, MeasureKey::ReoffencesPerPerson, MeasureKey::DaysToFirst];
    for measure in result.measures.iter().filter(|m| keys.contains(&m.key)) {
        table.rows.push(vec![
            measure.label.clone(),
            level(result, measure, measure.treatment.value),
            level(result, measure, measure.comparison.value),
            difference(result, measure),
            conclusive(read(result, measure).verdict).to_owned(),
        ]);
    }
    table
}

/// The verdict as a cell.
pub(crate) const fn conclusive(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Lower | Verdict::Higher => "Yes",
        Verdict::Inconclusive => "No",
        Verdict::Withheld => WITHHELD,
        Verdict::NotEstimated => NOT_AVAILABLE,
    }
}

/// All seven measures with sizes and tests.
pub fn measures(result: &StoredResult) -> Table {
    let columns = [
        "Measure",
        "n treatment",
        "n comparison",
        "Treatment",
        "Comparison",
        "Difference (interval)",
        "Significant",
        "p",
    ];
    let mut withheld = Withheld::default();
    let mut table = Table::new("measures", "Every measure: values, differences and tests", &columns);
    table.short = vec!["Measure", "n (T)", "n (C)", "T", "C", "Difference", "Sig.", "p"];
    table.words.push(6);
    for measure in &result.measures {
        let hidden = measure.withheld.as_ref();
        let n = |n: Option<u64>| or_withheld(n, hidden, count);
        let star = if measure.population == Population::Reoffenders { " *" } else { "" };
        let yes_no = |yes: bool| if yes { "Yes" } else { "No" }.to_owned();
        table.rows.push(vec![
            format!("{}{star}", measure.label),
            n(measure.treatment.n),
            n(measure.comparison.n),
            level(result, measure, measure.treatment.value),
            level(result, measure, measure.comparison.value),
            difference(result, measure),
            or_withheld(measure.significant, hidden, yes_no),
            p(result, measure.p_value, hidden),
        ]);
        withheld.add(&measure.label, hidden);
    }
    table.notes.extend(withheld.notes());
    if result.measures.iter().any(|m| m.population == Population::Reoffenders) {
        table.notes.push("* Re-offenders only.".to_owned());
    }
    table
}

/// The rates of both groups with their intervals.
pub fn rates(result: &StoredResult) -> Table {
    let columns = ["Rate", "Treatment group (interval)", "Comparison group (interval)"];
    let mut table = Table::new("rates", "Rates of the two groups and their intervals", &columns);
    table.short = vec!["Rate", "Treatment", "Comparison"];
    for measure in shown_rates(result) {
        let cell = |group: &GroupFigure| {
            let printed = |v| level(result, measure, v);
            let interval = group
                .low
                .zip(group.high)
                .map(|(low, high)| format!(" ({}\u{a0}to\u{a0}{})", printed(Some(low)), printed(Some(high))));
            format!("{}{}", printed(group.value), interval.unwrap_or_default())
        };
        table.rows.push(vec![measure.label.clone(), cell(&measure.treatment), cell(&measure.comparison)]);
    }
    table
}

/// The measures of the table and chart of rates: shares that are not wholly hidden.
pub(crate) fn shown_rates(result: &StoredResult) -> impl Iterator<Item = &Measure> {
    let shown = |group: &GroupFigure| finite(group.value).is_some();
    result.measures.iter().filter(move |m| m.unit == Unit::Share && (shown(&m.treatment) || shown(&m.comparison)))
}

/// From submitted to matched.
pub fn funnel(result: &StoredResult) -> Table {
    let mut withheld = Withheld::default();
    let mut table = Table::new(
        "funnel",
        "People remaining and lost at each step",
        &["Step", "Remaining", "Of submitted", "Lost", "Lost, of submitted", "Why lost"],
    );
    table.short = vec!["Step", "Remain", "of all", "Lost", "of all", "Why lost"];
    table.words.push(5);
    let submitted = result.funnel.first().and_then(|step| step.remaining);
    for step in &result.funnel {
        let hidden = step.withheld.as_ref();
        let part = |n: Option<u64>| or_withheld(n.zip(submitted), hidden, |(n, total)| part_of(n, total));
        table.rows.push(vec![
            step.label.clone(),
            or_withheld(step.remaining, hidden, count),
            part(step.remaining),
            or_withheld(step.lost, hidden, count),
            part(step.lost),
            step.reason.clone(),
        ]);
        withheld.add(&step.label, hidden);
    }
    table.notes.extend(withheld.notes());
    if let Some(n) = result.groups.comparison_n.filter(|_| !result.funnel.is_empty()) {
        table.notes.push(format!("Comparison group: {} people.", count(n)));
    }
    if let (Some(treatment), Some(comparison)) =
        (result.groups.treatment_left_early, result.groups.comparison_left_early)
    {
        table.notes.push(format!(
            "Of those analysed, {} in the treatment group and {} in the comparison group died or were in custody for {} \
             days or more before any re-offence; they stay in every rate.",
            count(treatment),
            count(comparison),
            result.request.long_custody_days
        ));
    }
    table
}

/// Balance of every covariate.
pub fn balance(result: &StoredResult) -> Table {
    let columns =
        ["Characteristic", "Treatment", "Before", "After", "SMD before", "SMD after", "Variance ratio", "Light"];
    let mut withheld = Withheld::default();
    let mut table = Table::new("balance", "Balance of the two groups before and after matching", &columns);
    table.words.push(7);
    for row in &result.balance.rows {
        let hidden = row.withheld.as_ref();
        let two = |v: Option<f64>| or_withheld(finite(v), hidden, |v| Rounded::nearest(v, 2).to_string());
        table.rows.push(vec![
            row_name(row),
            two(row.treatment_mean),
            two(row.comparison_mean_before),
            two(row.comparison_mean_after),
            smd(result, row, row.smd_before),
            smd(result, row, row.smd_after),
            two(row.variance_ratio),
            or_withheld(row.light, hidden, |light| light.word().to_owned()),
        ]);
        withheld.add(row_name(row), hidden);
    }
    table.notes.extend(withheld.notes());
    if !table.rows.is_empty() {
        table.notes.push(
            "Treatment, before and after are means (shares for a category) of the treatment group, the pool and the \
             comparison group; SMD is the standardised mean difference."
                .to_owned(),
        );
    }
    table
}

fn smd(result: &StoredResult, row: &BalanceRow, value: Option<f64>) -> String {
    or_withheld(finite(value), row.withheld.as_ref(), |v| smd_rounded(v, &result.rules).to_string())
}

/// Who the treatment group is.
pub fn profile(result: &StoredResult) -> Table {
    let mut withheld = Withheld::default();
    let mut table = Table::new(
        "profile",
        "Characteristics of the treatment group",
        &["Characteristic", "Category", "Share of the treatment group"],
    );
    table.words.push(1);
    let style = Style::share(&result.rules);
    for block in &result.profile {
        for row in &block.rows {
            table.rows.push(vec![
                block.label.clone(),
                row.label.clone(),
                or_withheld(finite(row.share), row.withheld.as_ref(), |v| style.with_unit(style.level(v))),
            ]);
            withheld.add(format!("{}, {}", block.label, row.label), row.withheld.as_ref());
        }
    }
    table.notes.extend(withheld.notes());
    table
}

/// At most this many points of the curves are shown, in the chart as in the table.
const MOST_POINTS: usize = 25;

/// Indices of the points of the curves that are shown: all, or every so many and the last.
pub(crate) fn shown_points(points: usize) -> Vec<usize> {
    let step = points.div_ceil(MOST_POINTS).max(1);
    let mut shown: Vec<usize> = (0..points).step_by(step).collect();
    if let Some(last) = points.checked_sub(1).filter(|last| shown.last() != Some(last)) {
        shown.push(last);
    }
    shown
}

/// Cumulative re-offending.
pub fn curves(result: &StoredResult) -> Table {
    let mut withheld = Withheld::default();
    let mut table = Table::new(
        "curves",
        "Share of each group that had re-offended, by day of follow-up",
        &["Day", "Treatment group", "Comparison group"],
    );
    let style = Style::share(&result.rules);
    let hidden = result.curves.withheld.as_ref();
    let share = |v: Option<f64>| or_withheld(finite(v), hidden, |v| style.with_unit(style.level(v)));
    for index in shown_points(result.curves.points.len()) {
        let point = &result.curves.points[index];
        table.rows.push(vec![point.day.to_string(), share(point.treatment), share(point.comparison)]);
    }
    withheld.add("both curves", hidden);
    table.notes.extend(withheld.notes());
    table
}

/// One design of the sensitivity table and chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Design {
    pub label: String,
    pub sizes: (Option<u64>, Option<u64>),
    pub difference: Estimate,
    pub p_value: Option<f64>,
    pub withheld: Option<String>,
}

/// The primary measure under the main design and every other one.
pub(crate) fn designs(result: &StoredResult) -> Vec<Design> {
    let Some(measure) = crate::report::reading::primary(result) else { return Vec::new() };
    let s = &result.sensitivity;
    let sizes = (measure.treatment.n, measure.comparison.n);
    let main = Design {
        label: format!("Main analysis: {}", measure.label.to_lowercase()),
        sizes,
        difference: measure.difference,
        p_value: measure.p_value,
        withheld: measure.withheld.clone(),
    };
    let aipw = s.aipw.map(|difference| Design {
        label: "Doubly robust estimate, against the whole pool".to_owned(),
        sizes: (measure.treatment.n, s.aipw_pool_n),
        difference,
        p_value: s.aipw_p,
        withheld: s.withheld.clone(),
    });
    let runs = s.runs.iter().map(|run| Design {
        label: run.label.clone(),
        sizes: (run.treatment_n, run.comparison_n),
        difference: run.difference,
        p_value: run.p_value,
        withheld: run.withheld.clone(),
    });
    std::iter::once(main).chain(aipw).chain(runs).collect()
}

/// The primary measure under other designs; empty if there is only the main one.
pub fn sensitivity(result: &StoredResult) -> Table {
    let mut withheld = Withheld::default();
    let mut table = Table::new(
        "sensitivity",
        "The primary measure under other designs",
        &["Design", "n treatment", "n comparison", "Difference (interval)", "p"],
    );
    table.short = vec!["Design", "n (T)", "n (C)", "Difference", "p"];
    let designs = designs(result);
    let Some(measure) = crate::report::reading::primary(result).filter(|_| designs.len() > 1) else { return table };
    for design in &designs {
        let hidden = design.withheld.as_ref();
        let (treatment_n, comparison_n) = design.sizes;
        let as_measure =
            Measure { difference: design.difference, withheld: design.withheld.clone(), ..measure.clone() };
        table.rows.push(vec![
            design.label.clone(),
            or_withheld(treatment_n, hidden, count),
            or_withheld(comparison_n, hidden, count),
            difference(result, &as_measure),
            p(result, design.p_value, hidden),
        ]);
        withheld.add(&design.label, hidden);
    }
    table.notes.extend(withheld.notes());
    table
}

/// Stands for [`usual_method`] in the table of tests.
pub(crate) const USUAL_METHOD: &str = "usual";

/// The method of at least half of the tests, said once beside the table rather than in a dozen rows.
pub(crate) fn usual_method(result: &StoredResult) -> Option<&str> {
    let made = &result.tests_made;
    let with = |method: &str| made.iter().filter(|test| test.method == method).count();
    made.iter().map(|test| test.method.as_str()).find(|method| with(method) > 1 && 2 * with(method) >= made.len())
}

/// Every test that was made.
pub fn tests(result: &StoredResult) -> Table {
    let mut withheld = Withheld::default();
    let mut table =
        Table::new("tests", "Every test that was made", &["Test", "Family", "Method", "p", "p (Holm)", "p (BH)"]);
    table.words.extend([1, 2]);
    let usual = usual_method(result);
    for test in &result.tests_made {
        let hidden = test.withheld.as_ref();
        let label = match &test.subgroup {
            Some(subgroup) => format!("{} ({subgroup})", test.measure),
            None => test.measure.clone(),
        };
        withheld.add(&label, hidden);
        table.rows.push(vec![
            label,
            test.family.clone(),
            if usual == Some(&test.method) { USUAL_METHOD.to_owned() } else { test.method.clone() },
            p(result, test.p_value, hidden),
            p(result, test.p_holm, hidden),
            p(result, test.p_bh, hidden),
        ]);
    }
    table.notes.extend(withheld.notes());
    table
}
