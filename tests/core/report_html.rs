//! The pages: well formed, self-contained, accessible, and drawn from the printed numbers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jdl_core::calendar::Day;
use jdl_core::inference::Confidence;
use jdl_core::report::result::{Estimate, Measure, StoredResult, Unit};
use jdl_core::report::tables::tables;
use jdl_core::report::{
    PublishedResult, RandomEffects, published_result, random_effects, to_forest_html, to_html, words,
};

use crate::report_cases::{NAMES, case, random_results};
use crate::report_markup::{Element, parse};
use crate::report_property::{is_conclusive, number};

fn pages() -> Vec<(StoredResult, String)> {
    let reviewed = NAMES.map(case);
    reviewed.into_iter().chain(random_results(60, 20_240_401)).map(|r| (r.clone(), to_html(&r))).collect()
}

fn ledger() -> (Vec<PublishedResult>, RandomEffects) {
    let results: Vec<_> = NAMES.iter().filter_map(|name| published_result(&case(name))).collect();
    let mean = Estimate { value: Some(-0.031), low: Some(-0.102), high: Some(0.04) };
    let summary = RandomEffects {
        results: 5,
        mean,
        prediction: Some((-0.24, 0.18)),
        i_squared: Some(0.91),
        tau: Some(0.081),
        q_p_value: Some(0.000_01),
        method: "restricted maximum likelihood".to_owned(),
    };
    (results, summary)
}

/// Every rule that a page must keep, whatever it shows.
fn is_a_good_page(page: &str) -> Element {
    let html = parse(page);
    assert_eq!((html.name.as_str(), html.attribute("lang")), ("html", "en-GB"));
    // Nothing to run, nothing to load, nowhere to go.
    for element in html.all() {
        assert!(
            !["script", "link", "img", "iframe", "object", "embed", "form", "base"].contains(&element.name.as_str())
        );
        for (key, value) in &element.attributes {
            assert!(!key.starts_with("on") && key != "src" && key != "style", "{key}");
            assert!(key != "href" || value.starts_with('#'), "{value}");
            assert!(!value.contains("//") || value == "http://www.w3.org/2000/svg", "{value}");
        }
    }
    let style = &html.named("style").next().unwrap().text;
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("//"));
    assert!(html.named("meta").any(|m| m.attribute("content").starts_with("default-src 'none'")));
    assert!(!html.named("title").next().unwrap().text.is_empty());

    // One h1, no level skipped, no empty heading.
    let headings: Vec<(u32, &str)> = html
        .all()
        .into_iter()
        .filter(|e| e.name.len() == 2 && e.name.starts_with('h') && e.name != "hr")
        .map(|e| (e.name[1..].parse().unwrap(), e.text.as_str()))
        .collect();
    assert_eq!(headings.iter().filter(|(level, _)| *level == 1).count(), 1);
    assert_eq!(headings[0].0, 1);
    assert!(headings.windows(2).all(|pair| pair[1].0 <= pair[0].0 + 1), "{headings:?}");
    assert!(headings.iter().all(|(_, text)| !text.trim().is_empty()));

    // Identifiers are unique and every reference has its target.
    let ids: Vec<&str> = html.all().into_iter().map(|e| e.attribute("id")).filter(|id| !id.is_empty()).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len());
    for element in html.all() {
        for id in element.attribute("aria-labelledby").split(' ').filter(|id| !id.is_empty()) {
            assert!(unique.contains(id), "{id}");
        }
        if let Some(id) = element.attribute("href").strip_prefix('#') {
            assert!(unique.contains(id), "{id}");
        }
    }
    // Landmarks have names of their own, and no heading's name.
    let regions: Vec<&str> = html
        .all()
        .into_iter()
        .filter(|e| e.name == "section" && !e.attribute("aria-label").is_empty())
        .map(|e| e.attribute("aria-label"))
        .collect();
    assert!(headings.iter().all(|(_, heading)| !regions.contains(heading)));
    assert_eq!(regions.iter().collect::<BTreeSet<_>>().len(), regions.len());

    for table in html.named("table") {
        assert_eq!(table.children[0].name, "caption");
        assert!(!table.children[0].text.is_empty());
        let head: Vec<&Element> = table.named("thead").next().unwrap().named("th").collect();
        assert!(head.iter().all(|th| th.attribute("scope") == "col" && !th.text.is_empty()));
        for row in table.named("tbody").next().unwrap().named("tr") {
            assert_eq!(row.children.len(), head.len());
            assert_eq!((row.children[0].name.as_str(), row.children[0].attribute("scope")), ("th", "row"));
        }
    }
    let captions: Vec<&str> = html.named("caption").map(|c| c.text.as_str()).collect();
    for figure in html.named("figure") {
        let svg = figure.named("svg").next().unwrap();
        assert_eq!(svg.attribute("role"), "img");
        let names: Vec<&str> = svg.attribute("aria-labelledby").split(' ').collect();
        assert_eq!(svg.with_id(names[0]).unwrap().name, "title");
        let description = svg.with_id(names[1]).unwrap();
        assert!(description.name == "desc" && description.text.len() > 40, "{}", description.text);
        let caption = &figure.named("figcaption").next().unwrap().text;
        assert!(captions.iter().any(|c| caption.contains(*c)), "{caption}");
    }
    html
}

#[test]
fn every_page_is_well_formed_self_contained_and_labelled() {
    for (_, page) in pages() {
        let html = is_a_good_page(&page);
        assert!(html.named("figure").count() >= 2);
    }
}

#[test]
fn a_page_shows_every_sentence_and_cell() {
    for (result, page) in pages() {
        let html = parse(&page);
        let spoken: BTreeSet<&str> = html
            .all()
            .into_iter()
            .filter(|e| ["p", "li", "h1"].contains(&e.name.as_str()))
            .map(|e| e.text.as_str())
            .collect();
        let words = words(&result);
        let items = [
            &words.per_hundred,
            &words.can_say,
            &words.cannot_say,
            &words.rounding,
            &words.sensitivity,
            &words.disclosure,
            &words.method,
        ];
        let single = [
            &words.title,
            &words.subtitle,
            &words.headline,
            &words.groups,
            &words.balance,
            &words.linkage,
            &words.tests,
        ];
        for sentence in items.into_iter().flatten().chain(single).chain(&words.status) {
            assert!(spoken.contains(sentence.as_str()), "{sentence}");
        }
        let explained: Vec<String> = html.named("dd").map(|dd| dd.text.clone()).collect();
        assert_eq!(explained.len(), result.measures.len());
        for (said, shown) in words.measures.iter().zip(&explained) {
            let needed = said.number_needed.as_ref().map(|n| format!(" {n}")).unwrap_or_default();
            assert_eq!(shown, &format!("{} {}{needed}", said.direction, said.significance));
        }
        for caution in &words.cautions {
            assert!(spoken.contains(format!("Caution: {caution}").as_str()));
        }
        for table in tables(&result) {
            let shown = html.with_id(&format!("table-{}", table.key)).unwrap();
            let rows: Vec<Vec<String>> = shown
                .named("tbody")
                .next()
                .unwrap()
                .named("tr")
                .map(|row| row.children.iter().map(|cell| cell.text.clone()).collect())
                .collect();
            assert_eq!(rows, table.rows);
            for note in &table.notes {
                assert!(spoken.contains(note.as_str()), "{note}");
            }
        }
        let verdict = html.all().into_iter().find(|e| e.has_class("verdict")).unwrap();
        let primary = result.measures.iter().find(|m| m.key == result.request.plan.primary).unwrap();
        assert_eq!(verdict.text.starts_with("Conclusive"), is_conclusive(&result, primary));
    }
}

/// Where a chart's ticks stand gives back the value of any place on its axis.
fn scale(svg: &Element) -> impl Fn(f64) -> f64 + use<> {
    let ticks: Vec<(f64, f64)> =
        svg.all().into_iter().filter(|e| e.has_class("tick")).map(|e| (e.number("x"), number(&e.text).0)).collect();
    let (first, last) = (ticks[0], *ticks.last().unwrap());
    for (x, value) in &ticks {
        let expected = first.1 + (x - first.0) / (last.0 - first.0) * (last.1 - first.1);
        assert!((value - expected).abs() < 1e-3 * (last.1 - first.1), "ticks are evenly spaced");
    }
    move |x| first.1 + (x - first.0) / (last.0 - first.0) * (last.1 - first.1)
}

/// The middle of a mark.
fn middle(mark: &Element) -> f64 {
    match mark.name.as_str() {
        "circle" => mark.number("cx"),
        _ => mark.number("x") + mark.number("width") / 2.0,
    }
}

fn marks<'a>(svg: &'a Element, class: &str) -> Vec<&'a Element> {
    let legend = usize::from(svg.all().into_iter().any(|e| e.has_class("mark") && e.number_or("cy") == Some(16.0)));
    svg.all().into_iter().filter(|e| e.has_class("mark") && e.has_class(class)).skip(legend).collect()
}

impl Element {
    fn number_or(&self, name: &str) -> Option<f64> {
        self.attributes.get(name)?.parse().ok()
    }
}

/// The estimate and ends of a cell "26% (22% to 31%)" or "-9 points (-13 to -5)".
fn cell(text: &str) -> Vec<f64> {
    text.replace('\u{a0}', " ")
        .split([' ', '(', ')', '%'])
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
        .map(|word| number(word).0)
        .collect()
}

fn close(a: f64, b: f64, svg: &Element) {
    let ticks: Vec<f64> = svg.all().into_iter().filter(|e| e.has_class("tick")).map(|e| number(&e.text).0).collect();
    let span = ticks.last().unwrap() - ticks[0];
    assert!((a - b).abs() <= span * 1e-4, "drawn at {a}, printed {b}");
}

/// Every mark and whisker of a chart of rows against the cells of its table.
fn drawn_as_printed(svg: &Element, filled: &[Vec<f64>], hollow: &[Vec<f64>]) {
    let value_at = scale(svg);
    for (class, cells) in [("filled", filled), ("hollow", hollow)] {
        let marks = marks(svg, class);
        assert_eq!(marks.len(), cells.len(), "{class}");
        for (mark, cell) in marks.iter().zip(cells) {
            close(value_at(middle(mark)), cell[0], svg);
        }
        let whiskers: Vec<&Element> = svg
            .all()
            .into_iter()
            .filter(|e| e.has_class("whisker") && e.has_class("hollow") == (class == "hollow"))
            .collect();
        let with_ends: Vec<&Vec<f64>> = cells.iter().filter(|cell| cell.len() == 3).collect();
        assert_eq!(whiskers.len(), with_ends.len());
        for (whisker, cell) in whiskers.iter().zip(with_ends) {
            close(value_at(whisker.number("x1")), cell[1], svg);
            close(value_at(whisker.number("x2")), cell[2], svg);
        }
    }
}

#[test]
fn every_mark_stands_where_its_printed_number_says() {
    let mut drawn = [0; 6];
    for (result, page) in pages() {
        let html = parse(&page);
        let all = tables(&result);
        let rows = |key: &str| all.iter().find(|t| t.key == key).map(|t| t.rows.clone()).unwrap_or_default();
        let column = |rows: &[Vec<String>], n: usize| -> Vec<Vec<f64>> {
            rows.iter().map(|row| cell(&row[n])).filter(|cell| !cell.is_empty()).collect()
        };
        if let Some(svg) = html.with_id("chart-rates") {
            let rows = rows("rates");
            drawn_as_printed(svg, &column(&rows, 1), &column(&rows, 2));
            drawn[0] += 1;
        }
        let primary = result.measures.iter().find(|m| m.key == result.request.plan.primary).unwrap();
        let both = primary.treatment.value.is_some() && primary.comparison.value.is_some();
        let headline = html.with_id("chart-headline");
        assert_eq!(headline.is_some(), both && primary.unit == Unit::Share);
        if let Some(svg) = headline {
            let row = rows("rates").into_iter().find(|row| row[0] == primary.label).unwrap();
            let value_at = scale(svg);
            for (class, at) in [("filled", 1), ("hollow", 2)] {
                let printed = cell(&row[at]);
                let mark = svg.all().into_iter().find(|e| e.has_class("mark") && e.has_class(class)).unwrap();
                close(value_at(middle(mark)), printed[0], svg);
                let whisker = svg
                    .all()
                    .into_iter()
                    .find(|e| e.has_class("whisker") && e.has_class("hollow") == (class == "hollow"))
                    .unwrap();
                close(value_at(whisker.number("x1")), printed[1], svg);
                close(value_at(whisker.number("x2")), printed[2], svg);
            }
            drawn[5] += 1;
        }
        if let Some(svg) = html.with_id("chart-sensitivity") {
            drawn_as_printed(svg, &column(&rows("sensitivity"), 3), &[]);
            drawn[1] += 1;
        }
        if let Some(svg) = html.with_id("chart-balance") {
            // Rows are sorted; compare as sorted lists.
            let value_at = scale(svg);
            let rows = rows("balance");
            for (class, at) in [("hollow", 4), ("filled", 5)] {
                let mut expected: Vec<f64> = column(&rows, at).into_iter().map(|cell| cell[0]).collect();
                let mut shown: Vec<f64> = marks(svg, class).into_iter().map(|m| value_at(middle(m))).collect();
                expected.sort_by(f64::total_cmp);
                shown.sort_by(f64::total_cmp);
                assert_eq!(expected.len(), shown.len());
                expected.iter().zip(&shown).for_each(|(a, b)| close(*b, *a, svg));
            }
            drawn[2] += 1;
        }
        if let Some(svg) = html.with_id("chart-funnel") {
            let bars: Vec<f64> =
                svg.all().into_iter().filter(|e| e.has_class("bar")).map(|e| e.number("width")).collect();
            let counts: Vec<f64> = column(&rows("funnel"), 1).into_iter().map(|cell| cell[0]).collect();
            let values: Vec<String> =
                svg.all().into_iter().filter(|e| e.has_class("value")).map(|e| e.text.clone()).collect();
            assert_eq!(values, rows("funnel").iter().map(|row| row[1].clone()).collect::<Vec<_>>());
            assert_eq!(bars.len(), counts.len());
            for (bar, count) in bars.iter().zip(&counts) {
                assert!((bar / bars[0] - count / counts[0]).abs() < 1e-3);
            }
            drawn[3] += 1;
        }
        if let Some(svg) = html.with_id("chart-curves") {
            let ticks: Vec<(f64, f64)> = svg
                .all()
                .into_iter()
                .filter(|e| e.has_class("tick"))
                .map(|e| (e.number("y") - 5.0, number(e.text.trim_end_matches('%')).0))
                .collect();
            let (first, last) = (ticks[0], *ticks.last().unwrap());
            let days: Vec<(f64, f64)> = svg
                .all()
                .into_iter()
                .filter(|e| e.has_class("day"))
                .map(|e| (e.number("x"), number(&e.text).0))
                .collect();
            let (day0, day4) = (days[0], *days.last().unwrap());
            for (class, at) in [("filled", 1), ("hollow", 2)] {
                let line = svg.named("polyline").find(|e| e.has_class(class)).unwrap();
                let spots: Vec<(f64, f64)> = line
                    .attribute("points")
                    .split(' ')
                    .map(|spot| spot.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap())
                    .collect();
                let rows = rows("curves");
                assert_eq!(spots.len(), rows.len());
                for ((x, y), row) in spots.iter().zip(&rows) {
                    let share = first.1 + (y - first.0) / (last.0 - first.0) * (last.1 - first.1);
                    assert!((share - cell(&row[at])[0]).abs() < (last.1 - first.1) * 1e-3);
                    let day = day0.1 + (x - day0.0) / (day4.0 - day0.0) * (day4.1 - day0.1);
                    assert!((day - number(&row[0]).0).abs() < 0.1);
                }
            }
            drawn[4] += 1;
        }
    }
    assert!(drawn.iter().all(|n| *n > 20), "{drawn:?}");
}

#[test]
fn the_forest_plot_shows_every_result_and_its_heterogeneity() {
    let (results, summary) = ledger();
    let page = to_forest_html(&results, Some(&summary));
    let html = is_a_good_page(&page);
    let svg = html.with_id("chart-forest").unwrap();
    let stored = |conclusive: bool| -> Vec<Vec<f64>> {
        let of = |e: &Estimate| [e.value, e.low, e.high].map(|v| (v.unwrap() * 100.0).round()).to_vec();
        results.iter().filter(|r| r.conclusive == conclusive).map(|r| of(&r.difference)).collect()
    };
    assert_eq!((stored(true).len(), stored(false).len()), (3, 2));
    let value_at = scale(svg);
    for (class, expected) in [("filled", stored(true)), ("hollow", stored(false))] {
        let shown: Vec<f64> =
            marks(svg, class).into_iter().filter(|m| m.name != "path").map(|m| value_at(middle(m))).collect();
        assert_eq!(shown.len(), expected.len());
        shown.iter().zip(&expected).for_each(|(a, b)| close(*a, b[0], svg));
    }
    assert!(svg.all().into_iter().any(|e| e.name == "path" && e.has_class("mark")), "the summary is a diamond");
    let text = &html.text;
    for expected in [
        "5 results published: the re-offending rate was lower in the treatment group in 2, higher in 1, and 2 are inconclusive.",
        "not shown to be lower or higher",
        "-3 percentage points (-10 to 4; random effects, restricted maximum likelihood)",
        "91% of the variation",
        "standard deviation of 8 percentage points",
        "expected between -24 and 18 percentage points",
    ] {
        assert!(text.contains(expected), "{expected}");
    }
    is_a_good_page(&to_forest_html(&[], None));
    is_a_good_page(&to_forest_html(&results, None));
}

#[test]
fn results_of_one_question_are_summarised_and_no_others() {
    let row = published_result(&case("clear_reduction")).unwrap();
    let with = |value: f64, half: f64, months: u32| PublishedResult {
        follow_up_months: months,
        difference: Estimate { value: Some(value), low: Some(value - half), high: Some(value + half) },
        ..row.clone()
    };
    let summary = |results: &[PublishedResult]| random_effects(results, Confidence::P95).unwrap();
    assert_eq!(summary(&[]), None);
    assert_eq!(summary(&[with(-0.1, 0.05, 12), with(-0.1, 0.05, 24)]), None, "two questions, one result each");
    // Equal standard errors s, two results d apart: tau squared is d^2 / 2 - s^2, the mean lies half way (by hand).
    let found = summary(&[with(-0.2, 0.05, 12), with(0.0, 0.05, 12), with(0.9, 0.05, 24)]).unwrap();
    let s = 0.05 / 1.959_963_984_540_054;
    assert_eq!((found.results, found.prediction), (2, None));
    assert!((found.mean.value.unwrap() + 0.1).abs() < 1e-12);
    assert!((found.tau.unwrap() - (0.02_f64 - s * s).sqrt()).abs() < 1e-9);
    let q = 0.02 / (s * s);
    assert!((found.i_squared.unwrap() - (q - 1.0) / q).abs() < 1e-9);
    assert!(found.method.contains("follow-up of one year, all offences"), "{}", found.method);
    // With no heterogeneity the prediction interval of k results is the mean and t with k - 2 degrees of freedom.
    let alike = summary(&[with(-0.1, 0.05, 12), with(-0.1, 0.05, 12), with(-0.1, 0.05, 12)]).unwrap();
    let (low, high) = alike.prediction.unwrap();
    assert!((low + high + 0.2).abs() < 1e-12 && (high - low - 2.0 * 12.706_204_736 * s / 3_f64.sqrt()).abs() < 1e-7);
}

#[test]
fn the_ledger_keeps_printed_digits_only() {
    let row = published_result(&case("clear_reduction")).unwrap();
    assert_eq!(row.difference, Estimate { value: Some(-0.09), low: Some(-0.13), high: Some(-0.05) });
    assert_eq!(
        (row.treatment_n, row.conclusive, row.analysis_date),
        (Some(412), true, Day::from_ymd(2016, 3, 10).unwrap())
    );
    let mut hidden = case("clear_reduction");
    hidden.measures[0] = Measure::new(hidden.measures[0].key, None);
    assert_eq!(hidden.measures[0].unit, Unit::Share);
    assert_eq!(published_result(&hidden), None);
}

#[test]
fn what_a_provider_is_called_cannot_become_markup() {
    let mut result = case("clear_reduction");
    result.request.provider = "<script>alert(1)</script>".to_owned();
    result.request.intervention = "\"><img src=x onerror=alert(1)>".to_owned();
    result.balance.rows[0].covariate = "</title></svg><b>".to_owned();
    is_a_good_page(&to_html(&result));
    let rows: Vec<_> = published_result(&result).into_iter().collect();
    is_a_good_page(&to_forest_html(&rows, None));
}

/// The pages as files, for a browser: `scripts` and people look at them there.
#[test]
fn the_pages_can_be_written_for_a_browser() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&folder).unwrap();
    for name in NAMES {
        fs::write(folder.join(format!("{name}.html")), to_html(&case(name))).unwrap();
    }
    let parts = crate::report_sub_groups::with_sub_groups(Some(0.01));
    fs::write(folder.join("sub_groups.html"), to_html(&parts)).unwrap();
    let (results, summary) = ledger();
    fs::write(folder.join("forest.html"), to_forest_html(&results, Some(&summary))).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), NAMES.len() + 2);
}
