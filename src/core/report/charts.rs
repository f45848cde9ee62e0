//! The charts, as accessible inline SVG.
//!
//! Written through maud and not through a plotting crate: plotters 0.3 snaps every mark to whole pixels, sets text by
//! guessed font widths, and has no way to give a drawing its role, title, description or classes. What a report needs
//! is a few lines, dots and bars on one linear axis.
//!
//! Charts show the *printed* digits, never the stored ones: a mark placed to a hundredth of a pixel would give away
//! what rounding has hidden. Each has a title, a description that says what it shows, and its table beside it.

use maud::{Markup, html};

use crate::report::figure::{Rounded, Style, WITHHELD, count, finite, smd_rounded};
use crate::report::phrases::row_name;
use crate::report::reading::primary;
use crate::report::result::{Estimate, GroupFigure, StoredResult, Unit};
use crate::report::sub_groups::sub_group_chart;
use crate::report::tables::{designs, shown_points, shown_rates};
use crate::report::text::wrap;

/// Width of every drawing, in its own units.
const WIDTH: f64 = 760.0;
/// Where the axis begins, right of the labels.
const LEFT: f64 = 270.0;
/// Where it ends.
const RIGHT: f64 = WIDTH - 24.0;
/// Characters of a label that fit left of the axis.
const LABEL: usize = 29;
/// Height of a line of text.
const LINE: f64 = 18.0;
/// At most this many characteristics are drawn, those that differ most; the table has all.
const MOST_ROWS: usize = 40;

/// A drawing with its names.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Short name, unique in a page.
    pub key: &'static str,
    /// What it shows, in a few words.
    pub title: String,
    /// What a reader sees in it; the text alternative.
    pub description: String,
    /// Key of the table that holds its numbers.
    pub table: &'static str,
    /// The SVG element.
    pub svg: Markup,
}

/// How a mark is drawn. Shape and filling differ as well as colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Filled circle: treatment group, or after matching.
    Filled,
    /// Hollow square: comparison group, or before matching.
    Hollow,
    /// Diamond: a summary.
    Diamond,
}

/// A value with its interval, as printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub mark: Mark,
    pub value: f64,
    pub ends: Option<(f64, f64)>,
}

/// A label with its points.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub label: String,
    pub points: Vec<Point>,
}

/// A linear axis from left to right.
#[derive(Debug, Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// An axis with about six round steps that holds every value, and zero.
    fn holding(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
        let span = if high > low { high - low } else { 1.0 };
        let magnitude = 10_f64.powf((span / 6.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * magnitude).into_iter().find(|s| span / s <= 6.0);
        let step = step.unwrap_or(span);
        let high = if high > low { (high / step).ceil() * step } else { 1.0 };
        Self { low: (low / step).floor() * step, high, step }
    }

    fn x(self, value: f64) -> f64 {
        LEFT + (value - self.low) / (self.high - self.low) * (RIGHT - LEFT)
    }

    /// The ticks, as printed numbers.
    fn ticks(self) -> impl Iterator<Item = Rounded> {
        let decimals = (0..6).find(|d| (self.step * 10_f64.powi(*d)).fract().abs() < 1e-6).unwrap_or(6);
        let decimals = u8::try_from(decimals).unwrap_or(6);
        let steps = ((self.high - self.low) / self.step).round();
        std::iter::successors(Some(0.0), |n| Some(n + 1.0))
            .take_while(move |n| *n <= steps)
            .map(move |n| Rounded::nearest(self.low + n * self.step, decimals))
    }
}

/// Two decimals of a coordinate.
pub(crate) fn at(value: f64) -> String {
    format!("{value:.2}")
}

/// Every chart for which there are numbers, in reading order.
pub fn charts(result: &StoredResult) -> Vec<Chart> {
    let all = [
        headline(result),
        rates(result),
        sub_group_chart(result),
        funnel(result),
        love(result),
        curves(result),
        sensitivity(result),
    ];
    all.into_iter().flatten().collect()
}

/// The SVG element with its role, title and description.
pub(crate) fn svg(key: &str, title: &str, description: &str, height: f64, inside: &Markup) -> Markup {
    let (title_id, description_id) = (format!("{key}-title"), format!("{key}-description"));
    html! {
        svg.chart xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (at(height)) } role="img"
            aria-labelledby={ (title_id) " " (description_id) } {
            title id=(title_id) { (title) }
            desc id=(description_id) { (description) }
            (inside)
        }
    }
}

/// Rows of points with intervals over one axis: rates, love plot, sensitivity, forest.
pub(crate) struct Rows<'a> {
    pub rows: &'a [Row],
    /// Filled and hollow marks in words; nothing where there is one kind.
    pub legend: Option<(&'a str, &'a str)>,
    pub axis_label: &'a str,
    /// Dotted lines besides the one at zero.
    pub guides: &'a [f64],
}

impl Rows<'_> {
    /// The drawing and its height.
    pub(crate) fn draw(&self) -> (Markup, f64) {
        let values = self.rows.iter().flat_map(|row| &row.points).flat_map(|p| {
            let (low, high) = p.ends.unwrap_or((p.value, p.value));
            [p.value, low, high]
        });
        let axis = Axis::holding(values.chain(self.guides.iter().copied()));
        let top = if self.legend.is_some() { 40.0 } else { 12.0 };
        let lines: Vec<Vec<String>> = self.rows.iter().map(|row| wrap(&row.label, LABEL)).collect();
        let height_of =
            |n: usize| (lines[n].len() as f64 * LINE + 8.0).max(self.rows[n].points.len() as f64 * 14.0 + 6.0);
        let tops: Vec<f64> = (0..self.rows.len())
            .scan(top, |y, n| {
                let own = *y;
                *y += height_of(n);
                Some(own)
            })
            .collect();
        let bottom = top + (0..self.rows.len()).map(height_of).sum::<f64>() + 6.0;
        let inside = html! {
            @if let Some((filled, hollow)) = self.legend {
                (mark(Mark::Filled, LEFT, 16.0))
                text x=(at(LEFT + 14.0)) y="21" { (filled) }
                (mark(Mark::Hollow, LEFT + 220.0, 16.0))
                text x=(at(LEFT + 234.0)) y="21" { (hollow) }
            }
            (axis_below(axis, top, bottom, self.axis_label))
            @for guide in self.guides {
                line.guide x1=(at(axis.x(*guide))) x2=(at(axis.x(*guide))) y1=(at(top)) y2=(at(bottom)) {}
            }
            @if axis.low < 0.0 {
                line.zero x1=(at(axis.x(0.0))) x2=(at(axis.x(0.0))) y1=(at(top)) y2=(at(bottom)) {}
            }
            @for (n, row) in self.rows.iter().enumerate() {
                (label(&lines[n], tops[n] + height_of(n) / 2.0))
                @for (m, point) in row.points.iter().enumerate() {
                    // Intervals would hide one another on one line; bare marks are compared on one.
                    @let lanes = if point.ends.is_some() { row.points.len() } else { 1 };
                    @let share = ((m % lanes) as f64 + 0.5) / lanes as f64;
                    @let y = tops[n] + 3.0 + (height_of(n) - 6.0) * share;
                    (draw_point(axis, point, y))
                }
            }
        };
        (inside, bottom + 48.0)
    }
}

fn label(lines: &[String], middle: f64) -> Markup {
    let first = middle - (lines.len() as f64 - 1.0) * LINE / 2.0 + 5.0;
    html! {
        @for (n, line) in lines.iter().enumerate() {
            text x=(at(LEFT - 12.0)) y=(at(first + n as f64 * LINE)) text-anchor="end" { (line) }
        }
    }
}

fn axis_below(axis: Axis, top: f64, bottom: f64, label: &str) -> Markup {
    html! {
        line.axis x1=(at(LEFT)) x2=(at(RIGHT)) y1=(at(bottom)) y2=(at(bottom)) {}
        @for tick in axis.ticks() {
            @let x = at(axis.x(tick.value()));
            line.grid x1=(x) x2=(x) y1=(at(top)) y2=(at(bottom)) {}
            text.tick x=(x) y=(at(bottom + 18.0)) text-anchor="middle" { (tick) }
        }
        text x=(at((LEFT + RIGHT) / 2.0)) y=(at(bottom + 40.0)) text-anchor="middle" { (label) }
    }
}

fn draw_point(axis: Axis, point: &Point, y: f64) -> Markup {
    html! {
        @if let Some((low, high)) = point.ends {
            line class=(if point.mark == Mark::Hollow { "whisker hollow" } else { "whisker" })
                x1=(at(axis.x(low))) x2=(at(axis.x(high))) y1=(at(y)) y2=(at(y)) {}
        }
        (mark(point.mark, axis.x(point.value), y))
    }
}

fn mark(mark: Mark, x: f64, y: f64) -> Markup {
    match mark {
        Mark::Filled => html! { circle.mark.filled cx=(at(x)) cy=(at(y)) r="5" {} },
        Mark::Hollow => html! { rect.mark.hollow x=(at(x - 4.5)) y=(at(y - 4.5)) width="9" height="9" {} },
        Mark::Diamond => html! {
            path.mark.filled d={ "M" (at(x - 8.0)) " " (at(y)) "L" (at(x)) " " (at(y - 6.0)) "L" (at(x + 8.0)) " " (at(y)) "L" (at(x)) " " (at(y + 6.0)) "Z" } {}
        },
    }
}

const GROUPS: (&str, &str) = ("treatment group", "comparison group");

/// The primary measure in both groups, where it is a share: the first thing that a reader looks at.
fn headline(result: &StoredResult) -> Option<Chart> {
    let measure = primary(result).filter(|m| m.unit == Unit::Share)?;
    let style = Style::of(measure, &result.rules);
    let level = |value| finite(value).map(|v| style.level(v));
    let mut said = Vec::new();
    let mut row = |label: &str, mark: Mark, group: &GroupFigure| {
        let value = level(group.value)?;
        let ends = level(group.low).zip(level(group.high));
        let interval = ends.map(|(low, high)| format!(" (interval {low} to {high})")).unwrap_or_default();
        said.push(format!("{label}: {}{interval}", style.with_unit(value)));
        let ends = ends.map(|(low, high)| (low.value(), high.value()));
        Some(Row { label: label.to_owned(), points: vec![Point { mark, value: value.value(), ends }] })
    };
    let rows = [
        row("Treatment group", Mark::Filled, &measure.treatment)?,
        row("Comparison group", Mark::Hollow, &measure.comparison)?,
    ];
    let title = format!("{} of the two groups, with intervals", measure.label);
    let description = format!("{}, in per cent. {}.", measure.label, said.join("; "));
    chart(
        "chart-headline",
        title,
        description,
        "rates",
        Rows { rows: &rows, legend: None, axis_label: "per cent", guides: &[] },
    )
}

/// Rates of both groups with their intervals.
fn rates(result: &StoredResult) -> Option<Chart> {
    let mut said = Vec::new();
    let rows: Vec<Row> = shown_rates(result)
        .map(|measure| {
            let style = Style::of(measure, &result.rules);
            let point = |mark: Mark, group: &GroupFigure| {
                let level = |value| finite(value).map(|v| style.level(v).value());
                Some(Point { mark, value: level(group.value)?, ends: level(group.low).zip(level(group.high)) })
            };
            let words = |group: &GroupFigure| {
                finite(group.value).map_or(WITHHELD.to_owned(), |v| style.with_unit(style.level(v)))
            };
            said.push(format!(
                "{}: treatment group {}, comparison group {}",
                measure.label,
                words(&measure.treatment),
                words(&measure.comparison)
            ));
            let points = [point(Mark::Filled, &measure.treatment), point(Mark::Hollow, &measure.comparison)];
            Row { label: measure.label.clone(), points: points.into_iter().flatten().collect() }
        })
        .collect();
    let title = "Rates of the two groups, with intervals".to_owned();
    let description = format!("{}.", said.join("; "));
    let axis_label = "per cent";
    let drawing = Rows { rows: &rows, legend: Some(GROUPS), axis_label, guides: &[] };
    chart("chart-rates", title, description, "rates", drawing)
}

pub(crate) fn chart(
    key: &'static str,
    title: String,
    description: String,
    table: &'static str,
    drawing: Rows<'_>,
) -> Option<Chart> {
    if drawing.rows.is_empty() {
        return None;
    }
    let (inside, height) = drawing.draw();
    let svg = svg(key, &title, &description, height, &inside);
    Some(Chart { key, title, description, table, svg })
}

/// People left after each step.
fn funnel(result: &StoredResult) -> Option<Chart> {
    let first = result.funnel.first()?.remaining.filter(|n| *n > 0)?;
    let height_of = 30.0;
    let mut said = Vec::new();
    let inside = html! {
        @for (n, step) in result.funnel.iter().enumerate() {
            @let y = 8.0 + n as f64 * height_of;
            (label(&wrap(&step.label, LABEL), y + 11.0))
            @if let Some(left) = step.remaining {
                @let width = (RIGHT - LEFT - 70.0) * left as f64 / first as f64;
                rect.bar x=(at(LEFT)) y=(at(y)) width=(at(width)) height="22" {}
                text.value x=(at(LEFT + width + 8.0)) y=(at(y + 16.0)) { (count(left)) }
            } @else {
                text.value x=(at(LEFT + 8.0)) y=(at(y + 16.0)) { (WITHHELD) }
            }
        }
    };
    for step in &result.funnel {
        said.push(format!("{}: {}", step.label, step.remaining.map_or(WITHHELD.to_owned(), count)));
    }
    let title = "People left after each step from submitted to matched".to_owned();
    let description = format!("{}.", said.join("; "));
    let svg = svg("chart-funnel", &title, &description, 16.0 + result.funnel.len() as f64 * height_of, &inside);
    Some(Chart { key: "chart-funnel", title, description, table: "funnel", svg })
}

/// Standardised mean differences before and after matching (a "love plot").
fn love(result: &StoredResult) -> Option<Chart> {
    let rules = &result.rules;
    let printed = |smd: Option<f64>| finite(smd).map(|v| smd_rounded(v, rules).value());
    let mut rows: Vec<(f64, Row)> = result
        .balance
        .rows
        .iter()
        .filter_map(|row| {
            let (before, after) = (printed(row.smd_before), printed(row.smd_after));
            let point = |mark: Mark, value: Option<f64>| value.map(|value| Point { mark, value, ends: None });
            let points: Vec<Point> =
                [point(Mark::Hollow, before), point(Mark::Filled, after)].into_iter().flatten().collect();
            let size = points.iter().map(|p| p.value.abs()).fold(0.0, f64::max);
            (!points.is_empty()).then(|| (size, Row { label: row_name(row), points }))
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    rows.truncate(MOST_ROWS);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let largest = |mark: Mark| {
        let sizes = rows.iter().flat_map(|row| &row.points).filter(|p| p.mark == mark).map(|p| p.value.abs());
        sizes.reduce(f64::max).map_or("not known".to_owned(), |v| v.to_string())
    };
    let title = "Standardised mean differences before and after matching".to_owned();
    let description = format!(
        "Largest standardised mean difference before matching {}, after matching {}. Lines at {} and {} on both sides \
         of zero are the limits of green and amber.",
        largest(Mark::Hollow),
        largest(Mark::Filled),
        rules.smd_green,
        rules.smd_amber
    );
    let guides = [-rules.smd_amber, -rules.smd_green, rules.smd_green, rules.smd_amber];
    let legend = Some(("after matching", "before matching"));
    let drawing = Rows { rows: &rows, legend, axis_label: "standardised mean difference", guides: &guides };
    chart("chart-balance", title, description, "balance", drawing)
}

/// Share of each group that had re-offended by each day.
fn curves(result: &StoredResult) -> Option<Chart> {
    let style = Style::share(&result.rules);
    let points: Vec<_> =
        shown_points(result.curves.points.len()).into_iter().map(|n| &result.curves.points[n]).collect();
    let last = points.last().filter(|p| points.len() > 1 && p.day > 0)?;
    let (top, bottom) = (16.0, 300.0);
    let (left, right) = (64.0, WIDTH - 190.0);
    let printed = |share: Option<f64>| finite(share).map(|v| style.level(v));
    let all = points.iter().flat_map(|p| [p.treatment, p.comparison]).filter_map(printed).map(Rounded::value);
    let axis = Axis::holding(all);
    let x = |day: u32| left + f64::from(day) / f64::from(last.day) * (right - left);
    let y = |share: f64| bottom - (share - axis.low) / (axis.high - axis.low) * (bottom - top);
    let path = |share: fn(&crate::report::result::CurvePoint) -> Option<f64>| {
        let spots = points.iter().filter_map(|p| Some((x(p.day), y(printed(share(p))?.value()))));
        spots.map(|(x, y)| format!("{},{}", at(x), at(y))).collect::<Vec<_>>().join(" ")
    };
    let ends = (printed(last.treatment), printed(last.comparison));
    // Labels stand beside the ends of the curves, pushed apart where these are close.
    let apart = |own: f64, other: f64| if own >= other { own.max(other + LINE) } else { own };
    let spot = |end: Option<Rounded>| end.map(|e| y(e.value()));
    let (treatment_y, comparison_y) = (spot(ends.0), spot(ends.1));
    let inside = html! {
        @for tick in axis.ticks() {
            @let at_y = at(y(tick.value()));
            line.grid x1=(at(left)) x2=(at(right)) y1=(at_y) y2=(at_y) {}
            text.tick x=(at(left - 8.0)) y=(at(y(tick.value()) + 5.0)) text-anchor="end" { (tick) "%" }
        }
        line.axis x1=(at(left)) x2=(at(right)) y1=(at(bottom)) y2=(at(bottom)) {}
        @for part in 0..=4 {
            @let day = last.day * part / 4;
            text.day x=(at(x(day))) y=(at(bottom + 20.0)) text-anchor="middle" { (day) }
        }
        text x=(at((left + right) / 2.0)) y=(at(bottom + 42.0)) text-anchor="middle" { "days since the start of follow-up" }
        polyline.curve.hollow points=(path(|p| p.comparison)) {}
        polyline.curve.filled points=(path(|p| p.treatment)) {}
        @if let Some(own) = treatment_y {
            @let placed = comparison_y.map_or(own, |other| apart(own, other));
            text.end.filled x=(at(right + 10.0)) y=(at(placed + 5.0)) { "treatment group" }
        }
        @if let Some(own) = comparison_y {
            @let placed = treatment_y.filter(|other| own > *other).map_or(own, |other| apart(own, other));
            text.end.hollow x=(at(right + 10.0)) y=(at(placed + 5.0)) { "comparison group" }
        }
    };
    let words = |end: Option<Rounded>| end.map_or(WITHHELD.to_owned(), |e| style.with_unit(e));
    let title = "Share of each group that had re-offended, by day".to_owned();
    let description = format!(
        "Two rising lines from day {} to day {}, which end at {} for the treatment group (solid) and {} for the \
         comparison group (dashed).",
        points.first().map_or(0, |p| p.day),
        last.day,
        words(ends.0),
        words(ends.1)
    );
    let svg = svg("chart-curves", &title, &description, bottom + 52.0, &inside);
    Some(Chart { key: "chart-curves", title, description, table: "curves", svg })
}

/// The primary measure under each design.
fn sensitivity(result: &StoredResult) -> Option<Chart> {
    let measure = primary(result)?;
    let style = Style::of(measure, &result.rules);
    let designs = designs(result);
    let rows: Vec<Row> = designs
        .iter()
        .filter_map(|design| {
            Some(Row { label: design.label.clone(), points: vec![interval_point(style, &design.difference)?] })
        })
        .collect();
    if designs.len() < 2 || rows.is_empty() {
        return None;
    }
    let said = rows.iter().map(|row| format!("{}: {}", row.label, row.points[0].value));
    let title = format!("{} under each design: treatment less comparison", measure.label);
    let axis_label = difference_axis(measure.unit);
    let description = format!("Estimated differences, in {}. {}.", axis_label, said.collect::<Vec<_>>().join("; "));
    chart(
        "chart-sensitivity",
        title,
        description,
        "sensitivity",
        Rows { rows: &rows, legend: None, axis_label, guides: &[] },
    )
}

/// What the axis of a difference counts.
pub(crate) const fn difference_axis(unit: Unit) -> &'static str {
    match unit {
        Unit::Share => "percentage points (left of zero: lower in the treatment group)",
        Unit::PerPerson => "events per person (left of zero: lower in the treatment group)",
        Unit::Days => "days (left of zero: shorter in the treatment group)",
    }
}

/// A difference with its interval, as printed.
pub(crate) fn interval_point(style: Style, difference: &Estimate) -> Option<Point> {
    let printed = style.estimate(difference);
    let ends = printed.low.zip(printed.high).map(|(low, high)| (low.value(), high.value()));
    Some(Point { mark: Mark::Filled, value: printed.value?.value(), ends })
}
