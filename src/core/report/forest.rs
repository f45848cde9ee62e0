//! Many released results together: the ledger's row and the forest plot over it.

use maud::html;
use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::error::Result;
use crate::inference::{Confidence, dersimonian_laird, student_quantile};
use crate::report::charts::{Chart, Mark, Point, Row, Rows, interval_point, svg};
use crate::report::figure::{Rounded, Style, count, finite, or_withheld, p_text};
use crate::report::html::{page, show_chart, show_table};
use crate::report::phrases::{date, p_phrase, period};
use crate::report::precision::at_printed_precision;
use crate::report::reading::{Verdict, read};
use crate::report::result::{Estimate, MeasureKey, Rules, StoredResult, iso_day};
use crate::report::tables::Table;

/// One released result: a row of `jdl.published_results`. About the re-offending rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedResult {
    /// The request.
    pub request_id: i64,
    /// The organisation.
    pub provider: String,
    /// What it did, as a noun phrase.
    pub intervention: String,
    /// The day of the analysis; ISO 8601 in JSON.
    #[serde(with = "iso_day")]
    pub analysis_date: Day,
    /// Length of follow-up, in months.
    pub follow_up_months: u32,
    /// Which offences count, if not all.
    pub offence_filter: Option<String>,
    /// People in the treatment group.
    pub treatment_n: Option<u64>,
    /// People in the comparison group.
    pub comparison_n: Option<u64>,
    /// Difference of the re-offending rates, treatment minus comparison, at printed precision.
    pub difference: Estimate,
    /// p, unadjusted, at printed precision.
    pub p_value: Option<f64>,
    /// Whether the report calls the difference conclusive.
    pub conclusive: bool,
}

/// Random-effects summary of the results in a forest plot, as inference computed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RandomEffects {
    /// How many results went in.
    pub results: u64,
    /// Mean difference and its interval.
    pub mean: Estimate,
    /// Where the difference of a new, similar service would be expected (prediction interval).
    pub prediction: Option<(f64, f64)>,
    /// Share of the variation that is not chance, 0 to 1 (I squared, Higgins and Thompson 2002).
    pub i_squared: Option<f64>,
    /// Standard deviation of the true differences (tau).
    pub tau: Option<f64>,
    /// p of Cochran's Q.
    pub q_p_value: Option<f64>,
    /// The estimator in words ("restricted maximum likelihood, Hartung-Knapp interval").
    pub method: String,
}

/// The ledger's row of a report; nothing where its re-offending rate has no difference to publish.
pub fn published_result(result: &StoredResult) -> Option<PublishedResult> {
    let published = at_printed_precision(result);
    let measure = published.measures.iter().find(|m| m.key == MeasureKey::ReoffendingRate)?;
    measure.difference.value?;
    let request = &published.request;
    Some(PublishedResult {
        request_id: request.request_id,
        provider: request.provider.clone(),
        intervention: request.intervention.clone(),
        analysis_date: request.analysis_date,
        follow_up_months: request.follow_up_months,
        offence_filter: request.offence_filter.clone(),
        treatment_n: measure.treatment.n,
        comparison_n: measure.comparison.n,
        difference: measure.difference,
        p_value: measure.p_value,
        conclusive: matches!(read(&published, measure).verdict, Verdict::Lower | Verdict::Higher),
    })
}

/// The random-effects summary of the results that ask the same question: those with the most frequent length of
/// follow-up and definition of an offence (the shorter, where two are as frequent).
///
/// Estimates and standard errors come from what was printed, a standard error being the width of the interval over twice
/// its normal quantile; DerSimonian and Laird (1986), heterogeneity as Higgins and Thompson (2002), prediction interval as
/// Higgins, Thompson and Spiegelhalter (2009, eq. 12). Results are taken to be about different people. Nothing under two
/// results.
///
/// # Errors
/// Those of [`dersimonian_laird`].
pub fn random_effects(results: &[PublishedResult], confidence: Confidence) -> Result<Option<RandomEffects>> {
    let question = |r: &PublishedResult| (r.follow_up_months, r.offence_filter.clone());
    let asked = |q: &(u32, Option<String>)| results.iter().filter(|r| question(r) == *q).count();
    let mut questions: Vec<(u32, Option<String>)> = results.iter().map(question).collect();
    questions.sort();
    questions.dedup();
    questions.sort_by_key(|q| std::cmp::Reverse(asked(q)));
    let Some(first) = questions.first() else { return Ok(None) };
    let studies: Vec<(f64, f64)> = results
        .iter()
        .filter(|r| question(r) == *first)
        .filter_map(|r| {
            let Estimate { value: Some(value), low: Some(low), high: Some(high) } = r.difference else { return None };
            let variance = ((high - low) / (2.0 * confidence.z())).powi(2);
            (variance > 0.0).then_some((value, variance))
        })
        .collect();
    if studies.len() < 2 {
        return Ok(None);
    }
    let (effects, variances): (Vec<f64>, Vec<f64>) = studies.into_iter().unzip();
    let found = dersimonian_laird(&effects, &variances, confidence)?;
    let k = effects.len();
    let prediction = (k >= 3).then(|| {
        let spread = (found.tau_squared + found.standard_error * found.standard_error).sqrt();
        let reach = student_quantile(confidence.alpha() / 2.0, k as f64 - 2.0).abs() * spread;
        (found.estimate - reach, found.estimate + reach)
    });
    let offences = first.1.as_deref().unwrap_or("all offences");
    Ok(Some(RandomEffects {
        results: k as u64,
        mean: Estimate { value: Some(found.estimate), low: Some(found.interval.low), high: Some(found.interval.high) },
        prediction,
        i_squared: Some(found.i_squared_percent / 100.0),
        tau: Some(found.tau_squared.sqrt()),
        q_p_value: found.q_p_value.ok(),
        method: format!("DerSimonian and Laird, follow-up of {}, {offences}", period(first.0)),
    }))
}

/// A page with the forest plot of `results`, in the order given, and their random-effects summary.
///
/// Every result is shown, conclusive or not; the summary says how much they differ.
pub fn to_forest_html(results: &[PublishedResult], summary: Option<&RandomEffects>) -> String {
    let table = table(results, summary);
    let body = html! {
        h1 { "Published results" }
        p { (counts(results)) }
        @for sentence in summary.map(summary_words).unwrap_or_default() { p { (sentence) } }
        @if let Some(chart) = chart(results, summary) { (show_chart(&chart, std::slice::from_ref(&table))) }
        @if table.rows.is_empty() { p { "Nothing has been published." } } @else { (show_table(&table)) }
    };
    page("Published results", &body)
}

fn name(result: &PublishedResult) -> String {
    let filter = result.offence_filter.as_ref().map(|filter| format!(", {filter}")).unwrap_or_default();
    format!("{}, {} (request {}{filter})", result.provider, result.intervention, result.request_id)
}

/// Whole percentage points, as in every report by default.
fn style() -> Style {
    Style::share(&Rules::default())
}

/// Below zero: -1, above: 1, of what is conclusive.
fn side(result: &PublishedResult) -> i64 {
    let ends = style().estimate(&result.difference);
    if result.conclusive { ends.high.map_or(0, |high| if high.sign() < 0 { -1 } else { 1 }) } else { 0 }
}

fn counts(results: &[PublishedResult]) -> String {
    let on = |wanted: i64| results.iter().filter(|r| side(r) == wanted).count();
    format!(
        "{} published: the re-offending rate was lower in the treatment group in {}, higher in {}, and {} inconclusive.",
        if results.len() == 1 { "1 result".to_owned() } else { format!("{} results", results.len()) },
        on(-1),
        on(1),
        if on(0) == 1 { "1 is".to_owned() } else { format!("{} are", on(0)) },
    )
}

fn summary_words(summary: &RandomEffects) -> Vec<String> {
    let style = style();
    let mut out = Vec::new();
    let printed = style.estimate(&summary.mean);
    if let (Some(value), Some((low, high))) = (printed.value, printed.low.zip(printed.high)) {
        let reading = match (low.sign(), high.sign()) {
            (_, -1) => "on average lower in the treatment groups",
            (1, _) => "on average higher in the treatment groups",
            _ => "on average not shown to be lower or higher in the treatment groups",
        };
        out.push(format!(
            "Over {} results re-offending was {reading}: the mean difference is {} ({low} to {high}; random effects, {}).",
            count(summary.results),
            style.difference_with_unit(value),
            summary.method
        ));
    }
    let mut spread = Vec::new();
    if let Some(share) = finite(summary.i_squared) {
        spread.push(format!(
            "{} of the variation between results is more than chance (I squared)",
            style.with_unit(style.level(share))
        ));
    }
    if let Some(tau) = finite(summary.tau) {
        let size = style.size(tau);
        spread.push(format!("true differences vary with a standard deviation of {}", style.difference_with_unit(size)));
    }
    if let Some(p) = finite(summary.q_p_value) {
        spread.push(format!("the test of equal differences gives {}", p_phrase(p, Rules::default().alpha)));
    }
    if !spread.is_empty() {
        out.push(format!("Heterogeneity: {}.", spread.join("; ")));
    }
    if let Some((low, high)) = summary.prediction {
        let end = |value: f64| Rounded::visible(value * 100.0, 0);
        out.push(format!(
            "The difference of a new, similar service would be expected between {} and {} percentage points.",
            end(low),
            end(high)
        ));
    }
    out
}

fn chart(results: &[PublishedResult], summary: Option<&RandomEffects>) -> Option<Chart> {
    let row = |label: String, mark: Mark, difference: &Estimate| {
        let point = interval_point(style(), difference)?;
        Some(Row { label, points: vec![Point { mark, ..point }] })
    };
    let mark = |conclusive: bool| if conclusive { Mark::Filled } else { Mark::Hollow };
    let rows: Vec<Row> = results
        .iter()
        .filter_map(|r| row(name(r), mark(r.conclusive), &r.difference))
        .chain(summary.and_then(|s| row("All results (random effects)".to_owned(), Mark::Diamond, &s.mean)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let title = "Difference of the re-offending rates in every published result".to_owned();
    let description =
        format!("{} Each line is an interval; left of zero is lower in the treatment group.", counts(results));
    let axis_label = "percentage points (left of zero: lower in the treatment group)";
    let legend = Some(("conclusive", "inconclusive"));
    let (inside, height) = Rows { rows: &rows, legend, axis_label, guides: &[] }.draw();
    let svg = svg("chart-forest", &title, &description, height, &inside);
    Some(Chart { key: "chart-forest", title, description, table: "forest", svg })
}

fn table(results: &[PublishedResult], summary: Option<&RandomEffects>) -> Table {
    let columns = [
        "Result",
        "Analysed on",
        "Follow-up, months",
        "n treatment",
        "n comparison",
        "Difference (interval)",
        "p",
        "Conclusive",
    ];
    let difference = |estimate: &Estimate| difference_cell(estimate).unwrap_or_else(|| "n/a".to_owned());
    let mut rows: Vec<Vec<String>> = results
        .iter()
        .map(|r| {
            vec![
                name(r),
                date(r.analysis_date),
                r.follow_up_months.to_string(),
                or_withheld(r.treatment_n, None, count),
                or_withheld(r.comparison_n, None, count),
                difference(&r.difference),
                or_withheld(finite(r.p_value), None, |p| p_text(p, Rules::default().alpha)),
                if r.conclusive { "Yes" } else { "No" }.to_owned(),
            ]
        })
        .collect();
    if let Some(summary) = summary.filter(|_| !results.is_empty()) {
        let mut row = vec!["All results (random effects)".to_owned()];
        row.extend(["", "", "", ""].map(str::to_owned));
        row.extend([difference(&summary.mean), String::new(), String::new()]);
        rows.push(row);
    }
    Table {
        key: "forest",
        caption: "Every published result".to_owned(),
        short: columns.to_vec(),
        columns: columns.to_vec(),
        words: vec![0, 1, 7],
        rows,
        notes: vec!["Differences are percentage points, treatment less comparison.".to_owned()],
    }
}

fn difference_cell(estimate: &Estimate) -> Option<String> {
    let printed = style().estimate(estimate);
    let interval = printed.low.zip(printed.high).map(|(low, high)| format!(" ({low}\u{a0}to\u{a0}{high})"));
    Some(format!("{}{}", printed.value?, interval.unwrap_or_default()))
}
