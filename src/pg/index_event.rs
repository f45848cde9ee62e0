//! The index events of the register with their covariates: persons are read, derived and written portion by portion.

use std::collections::HashMap;
use std::ops::Range;

use jdl_core::calendar::Day;
use jdl_core::matching::{
    Disposal, IndexEvent, OffenceKind, PersonRecord, ProvenOffence, QUESTIONS, Sentence, Statement, index_events,
};
use pgrx::datum::FromDatum;
use pgrx::pg_sys::Datum;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{missing, spi};
use super::read::{day, extension_schema, heartbeat, scratch};
use super::rows::{self, NamedValue, Row};

/// Persons that are read at a time.
const BATCH: i64 = 20_000;
/// Rows that are written at a time.
const ROWS: usize = 5_000;

/// Derives the index events of the given persons (null: of everybody), as of each index date, from what stands in the register before it.
/// Returns how many.
///
/// What other departments state of a person (circumstance) holds until they state something else, at most 12 months; what is not known is
/// a value of its own ('not known', no months), so that nobody is dropped for it and the model can tell it from no.
#[pg_extern(name = "_jdl_build_index_events")]
fn build_index_events(persons: Option<Vec<i64>>) -> Result<i64, ErrorReport> {
    let mut words = Words::new()?;
    let Some(persons) = persons else {
        Spi::run("TRUNCATE jdl_restricted.index_event").map_err(spi)?;
        return build(&mut words, None);
    };
    Spi::run_with_args("DELETE FROM jdl_restricted.index_event WHERE person_id = ANY ($1)", &[persons.clone().into()])
        .map_err(spi)?;
    persons.chunks(BATCH as usize).try_fold(0, |built, some| Ok(built + build(&mut words, Some(some))?))
}

fn build(words: &mut Words, only: Option<&[i64]>) -> Result<i64, ErrorReport> {
    let (mut after, mut built) = (None, 0);
    loop {
        heartbeat();
        let portion = scratch(|| Portion::read(words, after, only))?;
        let Some(last) = portion.persons.last() else { return Ok(built) };
        after = Some(last.person_id);
        let rows = portion.derive();
        write(words, &rows)?;
        built += rows.len() as i64;
    }
}

/// What stands for a text of the register: equal texts, equal numbers.
type Word = u32;

/// The texts of the register, each kept once, and what `sql/extension/300_register.sql` reads out of the spelling of each, asked once.
struct Words {
    schema: String,
    numbers: HashMap<String, Word>,
    texts: Vec<String>,
    spelled: HashMap<(&'static str, Word), Word>,
}

impl Words {
    fn new() -> Result<Self, ErrorReport> {
        let schema = extension_schema()?;
        Ok(Self { schema, numbers: HashMap::new(), texts: Vec::new(), spelled: HashMap::new() })
    }

    fn number(&mut self, text: &str) -> Word {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len() as Word;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn text(&self, word: Word) -> &str {
        &self.texts[word as usize]
    }

    /// What a function that reads spelling says of a text.
    fn spelled(&mut self, function: &'static str, word: Word) -> Result<Word, ErrorReport> {
        if let Some(&known) = self.spelled.get(&(function, word)) {
            return Ok(known);
        }
        let sql = format!("SELECT {}.{function}($1)::text", self.schema);
        let said: Option<String> = Spi::get_one_with_args(&sql, &[self.text(word).into()]).map_err(spi)?;
        let said = self.number(&said.ok_or_else(|| missing(function))?);
        self.spelled.insert((function, word), said);
        Ok(said)
    }

    /// The disposal that a sentence's kind spells.
    fn disposal(&mut self, kind: Word) -> Result<(Word, Disposal), ErrorReport> {
        let name = self.spelled("_jdl_disposal", kind)?;
        let disposal = match self.text(name) {
            "custody" => Disposal::Custody,
            "community" | "suspended sentence" => Disposal::Supervised,
            "caution" => Disposal::Caution,
            _ => Disposal::Other,
        };
        Ok((name, disposal))
    }

    fn is_proof(&mut self, outcome: Word) -> Result<bool, ErrorReport> {
        let said = self.spelled("_jdl_is_proven", outcome)?;
        Ok(self.text(said) == "true")
    }

    fn offence_kind(&mut self, offence_group: Option<Word>) -> Result<OffenceKind, ErrorReport> {
        let Some(group) = offence_group else { return Ok(OffenceKind::Other) };
        let name = self.spelled("_jdl_offence_kind", group)?;
        Ok(match self.text(name) {
            "violence" => OffenceKind::Violence,
            "acquisitive" => OffenceKind::Acquisitive,
            "drugs" => OffenceKind::Drugs,
            _ => OffenceKind::Other,
        })
    }
}

struct Person {
    person_id: i64,
    born: Option<Day>,
    died: Option<Day>,
    gender: Word,
    ethnicity: Word,
    nationality: Word,
    region: Word,
}

/// What an index event keeps of its sentence beside the covariates.
struct Label {
    sentence_id: i64,
    disposal: Word,
}

/// Records of several persons, ascending by person.
struct Records<T> {
    persons: Vec<i64>,
    records: Vec<T>,
}

impl<T> Records<T> {
    fn new() -> Self {
        Self { persons: Vec::new(), records: Vec::new() }
    }

    fn push(&mut self, person_id: i64, record: T) {
        self.persons.push(person_id);
        self.records.push(record);
    }

    fn range(&self, person_id: i64) -> Range<usize> {
        self.persons.partition_point(|&id| id < person_id)..self.persons.partition_point(|&id| id <= person_id)
    }

    fn of(&self, person_id: i64) -> &[T] {
        &self.records[self.range(person_id)]
    }
}

/// Some persons, ascending, and their records.
struct Portion {
    persons: Vec<Person>,
    sentences: Records<Sentence>,
    labels: Vec<Label>,
    offences: Records<ProvenOffence>,
    statements: Records<Statement>,
}

impl Portion {
    /// The next persons after one, or the given ones.
    fn read(words: &mut Words, after: Option<i64>, only: Option<&[i64]>) -> Result<Self, ErrorReport> {
        let mut portion = Self {
            persons: Vec::new(),
            sentences: Records::new(),
            labels: Vec::new(),
            offences: Records::new(),
            statements: Records::new(),
        };
        let schema = words.schema.clone();
        let of_these = only.map_or_else(String::new, |only| {
            let ids: Vec<String> = only.iter().map(i64::to_string).collect();
            format!("AND person_id = ANY ('{{{}}}'::bigint[])", ids.join(","))
        });
        let after = after.map_or_else(String::new, |after| format!("AND person_id > '{after}'::bigint"));
        for_each(
            &format!(
                "SELECT p.person_id, p.date_of_birth, p.date_of_death, {schema}._jdl_gender(p.gender),
                        coalesce(nullif(btrim(p.ethnicity), ''), 'unknown'), coalesce(nullif(btrim(p.nationality), ''), 'unknown'), coalesce(a.region, 'unknown')
                 FROM jdl_restricted.person p LEFT JOIN jdl.postcode_area a ON a.area = substring(upper(btrim(p.postcode)) FROM '^[A-Z]{{1,2}}')
                 WHERE true {after} {of_these} ORDER BY p.person_id LIMIT {BATCH}"
            ),
            |row| {
                let (gender, ethnicity) = (row.word(3, words)?, row.word(4, words)?);
                let (nationality, region) = (row.word(5, words)?, row.word(6, words)?);
                portion.persons.push(Person {
                    person_id: row.id(0)?,
                    born: row.optional_day(1),
                    died: row.optional_day(2),
                    gender,
                    ethnicity,
                    nationality,
                    region,
                });
                Ok(())
            },
        )?;
        let (Some(first), Some(last)) = (portion.persons.first(), portion.persons.last()) else { return Ok(portion) };
        let (first, last) = (first.person_id, last.person_id);
        let of = |table: &str| {
            format!(
                "FROM jdl_restricted.{table} WHERE person_id BETWEEN '{first}'::bigint AND '{last}'::bigint {of_these}"
            )
        };
        for_each(
            &format!(
                "SELECT person_id, sentence_id, start_date, end_date, kind, offence_group {} ORDER BY person_id, start_date",
                of("sentence")
            ),
            |row| {
                let kind = row.word(4, words)?;
                let (name, disposal) = words.disposal(kind)?;
                let sentence = Sentence {
                    start: row.day(2)?,
                    end: row.optional_day(3),
                    disposal,
                    offence_group: row.optional_word(5, words),
                };
                portion.sentences.push(row.id(0)?, sentence);
                portion.labels.push(Label { sentence_id: row.id(1)?, disposal: name });
                Ok(())
            },
        )?;
        for_each(
            &format!(
                "SELECT person_id, offence_date, outcome_date, outcome, offence_group {} AND outcome_date IS NOT NULL AND outcome IS NOT NULL ORDER BY person_id, outcome_date",
                of("offence")
            ),
            |row| {
                let outcome = row.word(3, words)?;
                if words.is_proof(outcome)? {
                    let offence_group = row.optional_word(4, words);
                    let offence = ProvenOffence {
                        committed: row.day(1)?,
                        proven: row.day(2)?,
                        offence_group,
                        kind: words.offence_kind(offence_group)?,
                    };
                    portion.offences.push(row.id(0)?, offence);
                }
                Ok(())
            },
        )?;
        for_each(
            &format!(
                "SELECT person_id, as_of_date, employed, on_benefits, accommodation_need, employment_need, drugs_need, alcohol_need, thinking_need {} ORDER BY person_id, as_of_date",
                of("circumstance")
            ),
            |row| {
                let mut answers = [None; QUESTIONS];
                for (answer, at) in answers.iter_mut().zip(2..) {
                    *answer = row.get(at);
                }
                let statement = Statement { as_of: row.day(1)?, answers };
                portion.statements.push(row.id(0)?, statement);
                Ok(())
            },
        )?;
        Ok(portion)
    }

    fn derive(&self) -> Vec<Found<'_>> {
        self.persons.iter().flat_map(|person| self.rows_of(person)).collect()
    }

    fn rows_of<'a>(&'a self, person: &'a Person) -> impl Iterator<Item = Found<'a>> {
        let Person { person_id, born, died, .. } = *person;
        let range = self.sentences.range(person_id);
        let (sentences, labels) = (&self.sentences.records[range.clone()], &self.labels[range]);
        let (offences, statements) = (self.offences.of(person_id), self.statements.of(person_id));
        let events = index_events(&PersonRecord { born, died, sentences, offences, statements });
        events.into_iter().map(move |event| {
            let at = event.sentence;
            Found { person, label: &labels[at], sentence: sentences[at], event }
        })
    }
}

/// An index event with the person and the sentence that it belongs to.
struct Found<'a> {
    person: &'a Person,
    label: &'a Label,
    sentence: Sentence,
    event: IndexEvent,
}

/// A row of a query of ours.
struct Cells<'a>(&'a Row<'a>);

impl Cells<'_> {
    fn get<T: FromDatum>(&self, at: usize) -> Option<T> {
        // SAFETY: the queries above give the types that are asked for here.
        unsafe { self.0.get(at) }
    }

    fn id(&self, at: usize) -> Result<i64, ErrorReport> {
        self.get(at).ok_or_else(|| missing("an id"))
    }

    fn optional_day(&self, at: usize) -> Option<Day> {
        self.get(at).map(day)
    }

    fn day(&self, at: usize) -> Result<Day, ErrorReport> {
        self.optional_day(at).ok_or_else(|| missing("a date"))
    }

    fn optional_word(&self, at: usize, words: &mut Words) -> Option<Word> {
        self.get::<&str>(at).map(|text| words.number(text))
    }

    fn word(&self, at: usize, words: &mut Words) -> Result<Word, ErrorReport> {
        self.optional_word(at, words).ok_or_else(|| missing("a text"))
    }
}

fn for_each(sql: &str, mut take: impl FnMut(&Cells<'_>) -> Result<(), ErrorReport>) -> Result<(), ErrorReport> {
    rows::visit(sql, &mut |row: &Row<'_>| take(&Cells(row)))
}

/// The columns of `jdl_restricted.index_event`, with the values of a row.
fn cells(row: &Found<'_>, words: &Words, text: &mut impl FnMut(&str) -> Option<Datum>) -> [NamedValue; 37] {
    let Found { person, label, sentence, event } = row;
    let answer = |at: usize, no: &'static str, yes: &'static str| match event.answers[at] {
        Some(true) => yes,
        Some(false) => no,
        None => "not known",
    };
    let need = |at| answer(at, "no need", "need");
    let offence_group = sentence.offence_group.map_or("", |group| words.text(group).trim_matches(' '));
    [
        ("sentence_id", label.sentence_id.into_datum()),
        ("person_id", person.person_id.into_datum()),
        ("sentence_start", sentence.start.0.into_datum()),
        ("sentence_end", sentence.end.map(|end| end.0).into_datum()),
        ("index_date", event.index_date.0.into_datum()),
        ("index_year", i32::from(event.index_date.year()).into_datum()),
        ("disposal", text(words.text(label.disposal))),
        ("offence_group", text(if offence_group.is_empty() { "unknown" } else { offence_group })),
        ("gender", text(words.text(person.gender))),
        ("ethnicity", text(words.text(person.ethnicity))),
        ("nationality", text(words.text(person.nationality))),
        ("region", text(words.text(person.region))),
        ("age", event.age.into_datum()),
        ("age_at_first", event.age_at_first.into_datum()),
        ("copas_rate", event.copas_rate.into_datum()),
        ("previous_sanctions", event.previous_sanctions.into_datum()),
        ("previous_custody", event.previous_custody.into_datum()),
        ("previous_community", event.previous_community.into_datum()),
        ("previous_cautions", event.previous_cautions.into_datum()),
        ("recent_sanctions", event.recent_sanctions.into_datum()),
        ("months_since_last", event.months_since_last.into_datum()),
        ("months_since_custody", event.months_since_custody.into_datum()),
        ("previous_offences", event.previous_offences.into_datum()),
        ("recent_offences", event.recent_offences.into_datum()),
        ("previous_violence", event.previous_violence.into_datum()),
        ("previous_acquisitive", event.previous_acquisitive.into_datum()),
        ("previous_drugs", event.previous_drugs.into_datum()),
        ("previous_same_group", event.previous_same_group.into_datum()),
        ("employment", text(answer(0, "not employed", "employed"))),
        ("employed_months", event.employed_months.into_datum()),
        ("benefits", text(answer(1, "no benefits", "on benefits"))),
        ("benefit_months", event.benefit_months.into_datum()),
        ("accommodation_need", text(need(2))),
        ("employment_need", text(need(3))),
        ("drugs_need", text(need(4))),
        ("alcohol_need", text(need(5))),
        ("thinking_need", text(need(6))),
    ]
}

fn write(words: &Words, found: &[Found<'_>]) -> Result<(), ErrorReport> {
    for some in found.chunks(ROWS) {
        heartbeat();
        scratch(|| {
            // Each text is made once for all the rows that have it.
            let mut texts: HashMap<String, Datum> = HashMap::new();
            let mut text = |text: &str| {
                if let Some(&made) = texts.get(text) {
                    return Some(made);
                }
                let made = text.into_datum()?;
                texts.insert(text.to_owned(), made);
                Some(made)
            };
            let rows = some.iter().map(|found| cells(found, words, &mut text));
            // SAFETY: a date is a number of days, and the other values are of the types that sql/schema/100_register.sql gives the columns.
            unsafe { rows::insert("jdl_restricted.index_event", rows) }
        })?;
    }
    Ok(())
}
