//! The report as one self-contained HTML page: no scripts, no outside links, nothing to load.
//!
//! Made for WCAG 2.2 AA: one language, one `h1`, headings in order, tables with captions and scopes, a text alternative
//! and a table for each chart, colours never alone, reading order as in the source, print on A4.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::charts::{Chart, charts};
use crate::report::reading::{Verdict, primary, read};
use crate::report::result::{Light, StoredResult};
use crate::report::tables::{Table, tables};
use crate::report::wording::words;

/// The style of every page, in the page.
const STYLE: &str = include_str!("page.css");

/// The report as HTML.
pub fn to_html(result: &StoredResult) -> String {
    let words = words(result);
    let (tables, charts) = (tables(result), charts(result));
    let table = |key: &str| html! { @for t in tables.iter().filter(|t| t.key == key) { (show_table(t)) } };
    let chart = |key: &str| html! { @for c in charts.iter().filter(|c| c.key == key) { (show_chart(c, &tables)) } };
    let verdict = primary(result).map_or(Verdict::NotEstimated, |measure| read(result, measure).verdict);
    let sections: Vec<(&str, &str, Markup)> = vec![
        (
            "summary",
            "Summary",
            html! {
                div.headline {
                    strong.verdict {
                        (verdict_words(verdict))
                        @if verdict.is_conclusive() && result.balance.summary.light == Some(Light::Red) {
                            "; groups not well matched"
                        }
                    }
                    p { (words.headline) }
                }
                @for caution in &words.cautions { p.caution { "Caution: " (caution) } }
                p { (words.groups) }
                (chart("chart-headline"))
                (table("headline"))
                (items(&words.per_hundred))
            },
        ),
        (
            "say",
            "What can and cannot be said",
            html! {
                div.columns {
                    div { h3 { "What you can say" } (items(&words.can_say)) }
                    div { h3 { "What you cannot say" } (items(&words.cannot_say)) }
                }
            },
        ),
        (
            "measures",
            "The seven measures",
            html! {
                (table("measures"))
                (chart("chart-rates"))
                (table("rates"))
                h3 { "Each measure in words" }
                dl {
                    @for measure in &words.measures {
                        div {
                            dt { (measure.label) }
                            dd {
                                (measure.direction) " " (measure.significance)
                                @if let Some(n) = &measure.number_needed { " " (n) }
                            }
                        }
                    }
                }
            },
        ),
        (
            "sub-groups",
            "Sub-groups",
            html! { (items(&words.sub_groups)) (chart("chart-sub-groups")) (table("sub-groups")) },
        ),
        (
            "funnel",
            "From submitted to matched",
            html! { p { (words.linkage) } (chart("chart-funnel")) (table("funnel")) },
        ),
        (
            "balance",
            "How alike the groups are",
            html! { p { (words.balance) } (chart("chart-balance")) (table("balance")) },
        ),
        ("profile", "Who the treatment group is", table("profile")),
        (
            "curves",
            "Re-offending over time",
            html! {
                (chart("chart-curves"))
                (table("curves"))
                @if let Some(reason) = &result.curves.withheld { p { "The curves are withheld: " (reason) "." } }
            },
        ),
        (
            "sensitivity",
            "How far this can be trusted",
            html! { (items(&words.sensitivity)) (chart("chart-sensitivity")) (table("sensitivity")) },
        ),
        ("tests", "Tests", html! { p { (words.tests) } (table("tests")) }),
        ("rounding", "Rounding", items(&words.rounding)),
        ("disclosure", "Disclosure control", items(&words.disclosure)),
        ("method", "Method", items(&words.method)),
    ];
    let sections: Vec<_> = sections.into_iter().filter(|(_, _, inside)| !inside.0.is_empty()).collect();
    let body = html! {
        @if let Some(status) = &words.status { p.banner { (status) } }
        h1 { (words.title) }
        p.subtitle { (words.subtitle) }
        nav aria-label="Contents" {
            ul { @for (key, heading, _) in &sections { li { a href={ "#" (key) } { (heading) } } } }
        }
        @for (key, heading, inside) in &sections {
            section { h2 id=(key) { (heading) } (inside) }
        }
    };
    page(&format!("{}: {}", words.title, result.request.provider), &body)
}

/// The verdict of the headline as a tag.
const fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Lower => "Conclusive: lower in the treatment group",
        Verdict::Higher => "Conclusive: higher in the treatment group",
        Verdict::Inconclusive => "Inconclusive",
        Verdict::Withheld => "Withheld",
        Verdict::NotEstimated => "No result",
    }
}

/// A whole page around `body`; nothing in it can be loaded from anywhere.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to main content" }
                header { p.service { "Justice data lab" } }
                main id="main" { (body) }
                footer { p { "Made by jdl." } }
            }
        }
    }
    .into_string()
}

fn items(items: &[String]) -> Markup {
    html! { @if !items.is_empty() { ul { @for item in items { li { (item) } } } } }
}

pub(crate) fn show_table(table: &Table) -> Markup {
    let class = |column: usize| (!table.words.contains(&column)).then_some("number");
    // A traffic light has its word and a mark beside it.
    let light = |cell: &str| {
        let named = ["light green", "light amber", "light red"];
        named.into_iter().find(|name| name.strip_prefix("light ") == Some(cell))
    };
    html! {
        section.scroll aria-label={ "Table: " (table.caption) } tabindex="0" {
            table.wide[table.columns.len() > 7] id={ "table-" (table.key) } {
                caption { (table.caption) }
                thead {
                    tr { @for (n, column) in table.columns.iter().enumerate() { th scope="col" class=[class(n)] { (column) } } }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (n, cell) in row.iter().enumerate() {
                                @if n == 0 { th scope="row" { (cell) } } @else { td class=[class(n).or(light(cell))] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
        @for note in &table.notes { p.note { (note) } }
    }
}

/// A chart with its caption, which names the table that holds its numbers.
pub(crate) fn show_chart(chart: &Chart, tables: &[Table]) -> Markup {
    let caption = tables.iter().find(|t| t.key == chart.table).map(|t| t.caption.as_str());
    html! {
        figure id=(chart.key) {
            section.scroll aria-label={ "Chart: " (chart.title) } tabindex="0" { (chart.svg) }
            figcaption {
                (chart.title) "."
                @if let Some(caption) = caption { " Its numbers are in the table \"" (caption) "\"." }
            }
        }
    }
}
