//! A submitted record: eleven texts as they came, what they mean, and what is wrong with them.

use std::collections::HashMap;

use crate::calendar::Day;

use super::date::{self, ParsedDate, Placeholder};
use super::gender::{self, Gender};
use super::name::{self, StandardName};
use super::pnc::{self, PncStatus};
use super::postcode::{self, PostcodeStatus};
use super::prison_number::{self, PrisonNumberStatus};

/// Youngest age at which anybody can be an offender (the age of criminal responsibility in England and Wales).
const YOUNGEST: i32 = 10;
/// An older age is a typing error.
const OLDEST: i32 = 105;

/// The fields of a record, in the order of `jdl_restricted.submission`.
pub const FIELDS: [&str; 11] = [
    "forename",
    "surname",
    "date_of_birth",
    "gender",
    "postcode",
    "pnc_id",
    "prison_number",
    "sentence_start",
    "sentence_end",
    "intervention_start",
    "intervention_end",
];

/// A submitted record as it came: one text a field of [`FIELDS`].
pub type SubmittedText = [Option<String>; FIELDS.len()];

/// A submitted record as it is understood. What could not be read is absent, never guessed.
#[derive(Debug, Clone)]
pub struct SubmittedRecord {
    /// First name or names.
    pub forename: StandardName,
    /// Family name.
    pub surname: StandardName,
    /// Date of birth with its evidence.
    pub date_of_birth: ParsedDate,
    /// Gender; `None` where the text is no gender.
    pub gender: Option<Gender>,
    /// Residential postcode.
    pub postcode: Option<PostcodeStatus>,
    /// Police National Computer id.
    pub pnc_id: Option<PncStatus>,
    /// Prison number.
    pub prison_number: Option<PrisonNumberStatus>,
    /// Start of the sentence that the intervention belongs to.
    pub sentence_start: ParsedDate,
    /// End of that sentence (release from custody).
    pub sentence_end: ParsedDate,
    /// Start of the intervention.
    pub intervention_start: ParsedDate,
    /// End of the intervention.
    pub intervention_end: ParsedDate,
}

impl SubmittedRecord {
    /// Reads the eleven texts; `pnc_pivot` is the first two-digit year of the 20th century in a PNC id.
    pub fn read(text: &SubmittedText, pnc_pivot: u8) -> Self {
        let filled = |i: usize| text[i].as_deref().map(str::trim).filter(|t| !t.is_empty());
        let day = |i: usize| filled(i).map(date::parse).unwrap_or_default();
        let named = |i: usize| filled(i).map(name::standardise).unwrap_or_default();
        Self {
            forename: named(0),
            surname: named(1),
            date_of_birth: day(2),
            gender: filled(3).and_then(gender::parse),
            postcode: filled(4).map(postcode::parse),
            pnc_id: filled(5).map(|t| pnc::parse(t, pnc_pivot)),
            prison_number: filled(6).map(prison_number::parse),
            sentence_start: day(7),
            sentence_end: day(8),
            intervention_start: day(9),
            intervention_end: day(10),
        }
    }

    /// The day from which follow-up would run as far as the provider's own dates tell: release, else the start of the
    /// intervention, else the start of the sentence.
    pub fn expected_index_date(&self) -> Option<Day> {
        self.sentence_end.day.or(self.intervention_start.day).or(self.sentence_start.day)
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The record cannot be used.
    Error,
    /// The field cannot be used, or is doubtful.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something wrong with a field of a record, or with the whole list. Never carries a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The record, counting from the list's first; `None` for the whole list.
    pub record_no: Option<i32>,
    /// The field, one of [`FIELDS`].
    pub field: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in words that fit behind the field's name.
    pub finding: String,
}

/// What is wrong with a list of records. `record_numbers` run beside `texts`; `today` decides what lies in the future.
pub fn validate(record_numbers: &[i32], texts: &[SubmittedText], pnc_pivot: u8, today: Day) -> Vec<Finding> {
    let records: Vec<SubmittedRecord> = texts.iter().map(|text| SubmittedRecord::read(text, pnc_pivot)).collect();
    validate_read(record_numbers, texts, &records, today)
}

/// As [`validate`], for texts that have been read already.
pub fn validate_read(
    record_numbers: &[i32],
    texts: &[SubmittedText],
    records: &[SubmittedRecord],
    today: Day,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen_people: HashMap<(String, String, Day), i32> = HashMap::new();
    let mut seen_ids: HashMap<String, i32> = HashMap::new();
    for ((&record_no, text), record) in record_numbers.iter().zip(texts).zip(records) {
        let mut add = |field: &'static str, severity, finding: &str| {
            findings.push(Finding { record_no: Some(record_no), field, severity, finding: finding.to_owned() });
        };
        check_fields(text, record, today, &mut add);
        if let (true, true, Some(birth)) =
            (record.forename.is_usable(), record.surname.is_usable(), record.date_of_birth.day)
        {
            let person = (record.forename.text.clone(), record.surname.text.clone(), birth);
            if let Some(first) = seen_people.get(&person) {
                add("surname", Severity::Warning, &format!("names the same person as record {first}"));
            } else {
                seen_people.insert(person, record_no);
            }
        }
        if let Some(PncStatus::Valid(id)) = record.pnc_id {
            if let Some(first) = seen_ids.get(&id.to_string()) {
                add("pnc_id", Severity::Warning, &format!("is also that of record {first}"));
            } else {
                seen_ids.insert(id.to_string(), record_no);
            }
        }
    }
    for (position, field) in FIELDS.iter().enumerate() {
        if !texts.is_empty() && texts.iter().all(|text| is_blank(text[position].as_deref())) {
            let severity = if position < 3 { Severity::Error } else { Severity::Note };
            findings.push(Finding {
                record_no: None,
                field,
                severity,
                finding: "is missing in every record: is the column there?".to_owned(),
            });
        }
    }
    findings
}

fn is_blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

fn check_fields(
    text: &SubmittedText,
    record: &SubmittedRecord,
    today: Day,
    add: &mut impl FnMut(&'static str, Severity, &str),
) {
    use Severity::{Error, Note, Warning};
    for (position, field) in FIELDS.iter().enumerate() {
        // UTF-8 read as Latin-1 and back leaves these pairs; U+FFFD stands for bytes that were lost before.
        if text[position].as_deref().is_some_and(|t| t.contains('\u{FFFD}') || t.contains("Ã") || t.contains("â€"))
        {
            add(field, Warning, "looks like text in another encoding");
        }
    }
    for (field, position, standard) in [("forename", 0, &record.forename), ("surname", 1, &record.surname)] {
        if is_blank(text[position].as_deref()) {
            add(field, Error, "is missing");
        } else if standard.text.is_empty() {
            add(field, Error, "holds no letters");
        } else if standard.is_placeholder {
            add(field, Error, "stands for no name");
        } else if standard.is_initial() {
            add(field, Warning, "is an initial only");
        }
    }
    let birth = &record.date_of_birth;
    if is_blank(text[2].as_deref()) {
        add("date_of_birth", Error, "is missing");
    } else if birth.placeholder == Some(Placeholder::Default) {
        add("date_of_birth", Error, "stands for no date");
    } else if birth.day.is_none() && birth.swapped.is_some() {
        add("date_of_birth", Warning, "is a date only with day and month exchanged");
    } else if let Some(day) = birth.day {
        if day > today {
            add("date_of_birth", Error, "is in the future");
        } else if birth.placeholder == Some(Placeholder::FirstOfJanuary) {
            add("date_of_birth", Note, "is a 1 January: perhaps only the year was known");
        }
    } else {
        add("date_of_birth", Error, "is not a date of the calendar");
    }
    if is_blank(text[3].as_deref()) {
        add("gender", Warning, "is missing");
    } else if record.gender.is_none() {
        add("gender", Warning, "is not a gender that can be read");
    }
    match record.postcode {
        Some(PostcodeStatus::Malformed) => add("postcode", Warning, "is not a postcode"),
        Some(PostcodeStatus::Pseudo(_)) => add("postcode", Note, "stands for no address"),
        _ => {}
    }
    match record.pnc_id {
        Some(PncStatus::Malformed) => add("pnc_id", Warning, "is not a PNC id"),
        Some(PncStatus::CheckLetterWrong(_)) => add("pnc_id", Warning, "has a wrong check letter"),
        _ => {}
    }
    match record.prison_number {
        Some(PrisonNumberStatus::Valid(_)) | None => {}
        Some(PrisonNumberStatus::Malformed) => add("prison_number", Warning, "is not a prison number"),
        Some(_) => add("prison_number", Note, "is of the old kind, which names a stay and not a person"),
    }
    let dates = [
        ("sentence_start", 7, &record.sentence_start),
        ("sentence_end", 8, &record.sentence_end),
        ("intervention_start", 9, &record.intervention_start),
        ("intervention_end", 10, &record.intervention_end),
    ];
    for (field, position, date) in dates {
        if !is_blank(text[position].as_deref()) && date.day.is_none() {
            add(field, Warning, "is not a date of the calendar");
        }
        // A sentence or course may well end after today.
        if matches!(position, 7 | 9) && date.day.is_some_and(|day| day > today) {
            add(field, Error, "is in the future");
        }
        if let (Some(day), Some(born)) = (date.day, birth.day)
            && born <= today
            && birth.placeholder != Some(Placeholder::Default)
        {
            let age = day.age_of(born);
            if !(YOUNGEST..=OLDEST).contains(&age) {
                add(field, Error, "contradicts the date of birth");
            }
        }
    }
    if record.expected_index_date().is_none() {
        add("intervention_start", Error, "is missing, and so are the sentence dates: one of them is needed");
    }
    for (field, start, end) in [
        ("sentence_end", &record.sentence_start, &record.sentence_end),
        ("intervention_end", &record.intervention_start, &record.intervention_end),
    ] {
        if let (Some(start), Some(end)) = (start.day, end.day)
            && end < start
        {
            add(field, Warning, "is before the start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: [&str; 11]) -> SubmittedText {
        fields.map(|t| (!t.is_empty()).then(|| t.to_owned()))
    }

    fn today() -> Day {
        Day::from_ymd(2012, 6, 1).unwrap()
    }

    const GOOD: [&str; 11] = [
        "Ann",
        "Example",
        "02/03/1980",
        "F",
        "LS1 4DY",
        "79/163001B",
        "A1234BC",
        "01/02/2008",
        "01/08/2008",
        "2008-03-01",
        "",
    ];

    #[test]
    fn a_good_record_has_no_finding() {
        assert_eq!(validate(&[1], &[record(GOOD)], 39, today()).len(), 1, "only the empty column is noted");
        assert_eq!(validate(&[1], &[record(GOOD)], 39, today())[0].field, "intervention_end");
    }

    #[test]
    fn each_fault_is_found_once_and_no_value_is_repeated() {
        let cases: [(usize, &str, &str, Severity); 12] = [
            (0, "", "forename", Severity::Error),
            (0, "A", "forename", Severity::Warning),
            (1, "UNKNOWN", "surname", Severity::Error),
            (2, "31/02/1980", "date_of_birth", Severity::Error),
            (2, "01/01/1900", "date_of_birth", Severity::Error),
            (2, "12/25/1980", "date_of_birth", Severity::Warning),
            (3, "banana", "gender", Severity::Warning),
            (4, "NFA", "postcode", Severity::Warning),
            (5, "79/163001C", "pnc_id", Severity::Warning),
            (6, "??", "prison_number", Severity::Warning),
            (8, "01/08/2007", "sentence_end", Severity::Warning),
            (9, "2030-01-01", "intervention_start", Severity::Error),
        ];
        for (position, value, field, severity) in cases {
            let mut fields = GOOD;
            fields[position] = value;
            let findings: Vec<Finding> =
                validate(&[7], &[record(fields)], 39, today()).into_iter().filter(|f| f.record_no.is_some()).collect();
            assert_eq!(findings.len(), 1, "{field} {value}: {findings:?}");
            assert_eq!((findings[0].field, findings[0].severity, findings[0].record_no), (field, severity, Some(7)));
            assert!(value.len() < 3 || !findings[0].finding.contains(value));
        }
    }

    #[test]
    fn a_record_without_any_date_of_the_service_cannot_be_used() {
        let mut fields = GOOD;
        fields[7..].fill("");
        assert!(validate(&[1], &[record(fields)], 39, today()).iter().any(|f| f.severity == Severity::Error));
    }

    #[test]
    fn repeated_people_and_missing_columns_are_found() {
        let mut nameless = GOOD;
        nameless[1] = "";
        let findings = validate(&[1, 2], &[record(GOOD), record(GOOD)], 39, today());
        assert_eq!(findings.iter().filter(|f| f.record_no == Some(2)).count(), 2);
        let findings = validate(&[1, 2], &[record(nameless), record(nameless)], 39, today());
        assert!(
            findings.iter().any(|f| f.record_no.is_none() && f.field == "surname" && f.severity == Severity::Error)
        );
    }
}
