//! The report as plain text that reads well in psql: 78 columns and psql's own two make 80.

use crate::report::figure::WITHHELD;
use crate::report::reading::read;
use crate::report::result::{MeasureKey, StoredResult};
use crate::report::tables::{self, Table};
use crate::report::wording::words;

/// Width of a line. psql puts a space before a line of an aligned field and a `+` behind it.
const WIDTH: usize = 78;
/// Blanks between the columns of a table, where there is room for them; one where there is not.
const GAP: usize = 2;
/// Stands for [`WITHHELD`] in a table that is too wide with it.
const SHORT_WITHHELD: &str = "(w)";
/// A blank that does not break a line.
const UNBROKEN: char = '\u{a0}';

/// The report as text, without a trailing newline; no line is longer than 78 characters unless a single word is.
pub fn to_text(result: &StoredResult) -> String {
    let words = words(result);
    let headline = [MeasureKey::ReoffendingRate, MeasureKey::ReoffencesPerPerson, MeasureKey::DaysToFirst];
    let mut out = Page::default();
    out.rule('=');
    out.paragraph(&words.title);
    out.paragraph(&words.subtitle);
    out.rule('=');
    if let Some(status) = &words.status {
        out.blank();
        out.paragraph(&status.to_uppercase());
    }

    out.heading("Summary");
    out.paragraph(&words.headline);
    for caution in &words.cautions {
        out.paragraph(&format!("Caution: {caution}"));
    }
    out.blank();
    out.paragraph(&words.groups);
    out.table(&tables::headline(result));
    out.items(&words.per_hundred);

    out.heading("What you can say");
    out.items(&words.can_say);
    out.heading("What you cannot say");
    out.items(&words.cannot_say);

    out.heading("The seven measures");
    out.table(&tables::measures(result));
    out.paragraph("T: treatment group; C: comparison group; Sig.: significant. Differences are T less C.");
    out.blank();
    let mut silent = 0;
    for (measure, said) in result.measures.iter().zip(&words.measures) {
        if headline.contains(&measure.key) || read(result, measure).verdict.is_conclusive() {
            let needed = said.number_needed.as_deref().unwrap_or_default();
            let sentences = format!("{} {} {needed}", said.direction, said.significance);
            out.items(&[sentences.trim_end().to_owned()]);
        } else {
            silent += 1;
        }
    }
    if silent > 0 {
        out.items(&["Nothing conclusive can be said about the other measures.".to_owned()]);
    }

    out.table(&tables::rates(result));
    out.section("Sub-groups", &words.sub_groups, &crate::report::sub_groups::table(result));
    out.heading("From submitted to matched");
    out.paragraph(&words.linkage);
    out.table(&tables::funnel(result));
    out.heading("How alike the groups are");
    out.paragraph(&words.balance);
    out.table(&tables::balance(result));
    out.section("Who the treatment group is", &[], &tables::profile(result));
    out.section("Re-offending over time", &[], &tables::curves(result));
    out.section("How far this can be trusted", &words.sensitivity, &tables::sensitivity(result));
    out.heading("Tests");
    out.paragraph(&words.tests);
    out.table(&tables::tests(result));
    out.section_of_items("Rounding", &words.rounding);
    out.section_of_items("Disclosure control", &words.disclosure);
    out.section_of_items("Method", &words.method);
    out.text.trim_end().to_owned()
}

/// Lines of text as they grow.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end().replace(UNBROKEN, " ").as_str());
        self.text.push('\n');
    }

    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn rule(&mut self, mark: char) {
        self.line(&mark.to_string().repeat(WIDTH));
    }

    fn heading(&mut self, heading: &str) {
        self.blank();
        self.line(heading);
        self.line(&"-".repeat(heading.chars().count()));
    }

    fn paragraph(&mut self, text: &str) {
        for line in wrap(text, WIDTH) {
            self.line(&line);
        }
    }

    fn items(&mut self, items: &[String]) {
        for item in items {
            for (n, line) in wrap(item, WIDTH - 2).into_iter().enumerate() {
                self.line(&format!("{} {line}", if n == 0 { '-' } else { ' ' }));
            }
        }
    }

    fn section(&mut self, heading: &str, items: &[String], table: &Table) {
        if !items.is_empty() || !table.rows.is_empty() || !table.notes.is_empty() {
            self.heading(heading);
            self.items(items);
            self.table(table);
        }
    }

    fn section_of_items(&mut self, heading: &str, items: &[String]) {
        if !items.is_empty() {
            self.heading(heading);
            self.items(items);
        }
    }

    /// The table with its columns wrapped so that it fits; headings under a rule of dashes, notes below.
    fn table(&mut self, table: &Table) {
        if !table.rows.is_empty() {
            if !self.text.ends_with("--\n") {
                self.blank();
            }
            // A page of "withheld" is wider than the page: say it once.
            let narrow = narrowed(table);
            let table = narrow.as_ref().unwrap_or(table);
            let widths = widths(table);
            let total: usize = widths.iter().sum();
            let gap = if total + GAP * (widths.len() - 1) > WIDTH { 1 } else { GAP };
            let head: Vec<String> = table.short.iter().map(|c| (*c).to_owned()).collect();
            self.row(table, &widths, gap, &head);
            let rules: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
            self.line(&rules.join(&" ".repeat(gap)));
            for row in &table.rows {
                self.row(table, &widths, gap, row);
            }
        }
        for note in &table.notes {
            self.paragraph(note);
        }
        if table.rows.iter().flatten().any(|cell| cell == WITHHELD) && narrowed(table).is_some() {
            self.paragraph(&format!("{SHORT_WITHHELD}: {WITHHELD}."));
        }
        if !table.rows.is_empty() {
            self.blank();
        }
    }

    fn row(&mut self, table: &Table, widths: &[usize], gap: usize, cells: &[String]) {
        let wrapped: Vec<Vec<String>> = cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for n in 0..height {
            let mut line = String::new();
            for (column, (lines, width)) in wrapped.iter().zip(widths).enumerate() {
                let part = lines.get(n).map_or("", String::as_str);
                let pad = " ".repeat(width.saturating_sub(part.chars().count()));
                let gap = " ".repeat(if column == 0 { 0 } else { gap });
                if table.words.contains(&column) {
                    line.push_str(&format!("{gap}{part}{pad}"));
                } else {
                    line.push_str(&format!("{gap}{pad}{part}"));
                }
            }
            self.line(&line);
        }
    }
}

/// The table with [`SHORT_WITHHELD`] in the cells that are withheld, if it is too wide otherwise.
fn narrowed(table: &Table) -> Option<Table> {
    let room = WIDTH.saturating_sub(GAP * table.short.len().saturating_sub(1));
    if widths(table).iter().sum::<usize>() <= room {
        return None;
    }
    let mut narrow = table.clone();
    for cell in narrow.rows.iter_mut().flatten().filter(|cell| *cell == WITHHELD) {
        *cell = SHORT_WITHHELD.to_owned();
    }
    Some(narrow)
}

/// Each column as wide as its longest word; what is left goes, a character at a time, to the column whose longest cell
/// takes the most lines.
fn widths(table: &Table) -> Vec<usize> {
    let cells = |column: usize| {
        std::iter::once(table.short[column]).chain(table.rows.iter().map(move |row| row[column].as_str()))
    };
    let length = |text: &str| text.chars().count();
    let columns = 0..table.short.len();
    let wanted: Vec<usize> = columns.clone().map(|c| cells(c).map(length).max().unwrap_or(0)).collect();
    let mut widths: Vec<usize> =
        columns.clone().map(|c| cells(c).flat_map(|cell| cell.split(' ')).map(length).max().unwrap_or(0)).collect();
    let room = WIDTH.saturating_sub(GAP * table.short.len().saturating_sub(1));
    while widths.iter().sum::<usize>() < room {
        let neediest = columns.clone().filter(|&c| widths[c] < wanted[c]);
        match neediest.max_by_key(|&c| (wanted[c] * WIDTH / widths[c].max(1), std::cmp::Reverse(c))) {
            Some(column) => widths[column] += 1,
            None => break,
        }
    }
    widths
}

/// `text` in lines of at most `width` characters, broken at blanks; a longer word has a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split([' ', '\n', '\t']).filter(|word| !word.is_empty()) {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
