//! Index events of a person, and what the register knew of the person on the day of each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::kernel::ln;
use crate::calendar::Day;

/// Months that stand for "never before" where months since something are counted.
pub const NEVER: i32 = 240;

/// Days for which a statement of another department holds, unless a later one takes its place; months are counted in the days of this year.
const YEAR: i32 = 365;

/// What is "recent" is so many months old at most.
const RECENT_MONTHS: i32 = 24;

/// How a sentence was served, as far as the covariates tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// In custody: follow-up runs from the release.
    Custody,
    /// In the community, or suspended.
    Supervised,
    /// A caution, reprimand or warning.
    Caution,
    /// Anything else.
    Other,
}

/// A sentence or caution.
#[derive(Debug, Clone, Copy)]
pub struct Sentence {
    /// First day.
    pub start: Day,
    /// Last day, where known; the release from custody.
    pub end: Option<Day>,
    /// How it was served.
    pub disposal: Disposal,
    /// A number that stands for the offence group, if there is one.
    pub offence_group: Option<u32>,
}

impl Sentence {
    /// The day on which follow-up starts: the release from custody (none while it is not known), else the first day.
    fn index_date(&self) -> Option<Day> {
        if self.disposal == Disposal::Custody { self.end } else { Some(self.start) }
    }
}

/// The kinds of offences that are counted for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffenceKind {
    /// Violence, sexual offences, robbery, weapons.
    Violence,
    /// Theft, burglary, fraud.
    Acquisitive,
    /// Drugs.
    Drugs,
    /// Anything else.
    Other,
}

/// An offence that was proven.
#[derive(Debug, Clone, Copy)]
pub struct ProvenOffence {
    /// The day of the offence.
    pub committed: Day,
    /// The day of the outcome that proves it.
    pub proven: Day,
    /// A number that stands for the offence group, as in [`Sentence`].
    pub offence_group: Option<u32>,
    /// Its kind.
    pub kind: OffenceKind,
}

/// How many questions a [`Statement`] answers.
pub const QUESTIONS: usize = 7;

/// What another department stated of a person.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// The day of which it is true.
    pub as_of: Day,
    /// Employed; on benefits; then needs of accommodation, employment, drugs, alcohol, thinking. `None`: not stated.
    pub answers: [Option<bool>; QUESTIONS],
}

/// All that the register holds of a person.
#[derive(Debug, Clone, Copy)]
pub struct PersonRecord<'a> {
    /// Date of birth, if known.
    pub born: Option<Day>,
    /// Date of death, if known: nothing on or after it is an index event.
    pub died: Option<Day>,
    /// Ascending by start.
    pub sentences: &'a [Sentence],
    /// Ascending by the day of proof.
    pub offences: &'a [ProvenOffence],
    /// Ascending by day, one a day.
    pub statements: &'a [Statement],
}

/// An index event with its covariates: counts and months, ages in completed years.
///
/// "Previous" and "recent" (within 24 months) are counted up to the day before the sentence's start; what other departments state is
/// read as of the index date.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "a column of jdl_restricted.index_event each, which describes them")]
pub struct IndexEvent {
    /// The place of its sentence among [`PersonRecord::sentences`].
    pub sentence: usize,
    pub index_date: Day,
    pub age: Option<i32>,
    pub age_at_first: i32,
    pub copas_rate: f64,
    pub previous_sanctions: i32,
    pub previous_custody: i32,
    pub previous_community: i32,
    pub previous_cautions: i32,
    pub recent_sanctions: i32,
    pub months_since_last: i32,
    pub months_since_custody: i32,
    pub previous_offences: i32,
    pub recent_offences: i32,
    pub previous_violence: i32,
    pub previous_acquisitive: i32,
    pub previous_drugs: i32,
    pub previous_same_group: i32,
    pub employed_months: i32,
    pub benefit_months: i32,
    /// The last answer of the 12 months up to the index date, in the order of [`Statement::answers`].
    pub answers: [Option<bool>; QUESTIONS],
}

/// The index events of a person in the order of their sentences, in time O(n log n) of the record's length and (for statements) O(events x 730).
pub fn index_events(person: &PersonRecord<'_>) -> Vec<IndexEvent> {
    let Some(first) = person.sentences.first() else { return Vec::new() };
    let age_at_first = person.born.map_or(0, |born| first.start.age_of(born));
    let mut events = Vec::new();
    let mut before = Before::default();
    let mut place = 0;
    for same_day in person.sentences.chunk_by(|a, b| a.start == b.start) {
        let start = same_day[0].start;
        before.advance_to(start, person);
        for (sentence, at) in same_day.iter().zip(place..) {
            let alive = |&day: &Day| person.died.is_none_or(|died| died > day);
            let Some(index_date) = sentence.index_date().filter(alive) else { continue };
            let statements = Statements::before(index_date, person.statements);
            let years = index_date.age_of(first.start).max(0);
            events.push(IndexEvent {
                sentence: at,
                index_date,
                age: person.born.map(|born| index_date.age_of(born)),
                age_at_first,
                copas_rate: ln((1.0 + f64::from(before.sanctions)) / (10.0 + f64::from(years))),
                previous_sanctions: before.sanctions,
                previous_custody: before.custody,
                previous_community: before.community,
                previous_cautions: before.cautions,
                recent_sanctions: before.sanctions - before.old_sanctions as i32,
                months_since_last: months_between(before.last_start, start),
                // Somebody who is still inside for an earlier sentence counts as just released.
                months_since_custody: months_between(before.last_release, index_date),
                previous_offences: before.offences as i32,
                recent_offences: before.recent.len() as i32,
                previous_violence: before.violence,
                previous_acquisitive: before.acquisitive,
                previous_drugs: before.drugs,
                previous_same_group: sentence.offence_group.and_then(|g| before.groups.get(&g)).copied().unwrap_or(0),
                employed_months: statements.months(0),
                benefit_months: statements.months(1),
                answers: std::array::from_fn(|question| statements.last(question)),
            });
        }
        place += same_day.len();
        before.pass(same_day);
    }
    events
}

/// Whole months, by days, from an earlier day to a later one; [`NEVER`] at most, and where there was none.
fn months_between(earlier: Option<Day>, later: Day) -> i32 {
    earlier.map_or(NEVER, |earlier| (later.days_since(earlier) * 12 / YEAR).clamp(0, NEVER))
}

/// What stands in the record before a day that only moves forward.
#[derive(Default)]
struct Before {
    sanctions: i32,
    custody: i32,
    community: i32,
    cautions: i32,
    last_start: Option<Day>,
    last_release: Option<Day>,
    /// Sanctions that are not recent.
    old_sanctions: usize,
    offences: usize,
    violence: i32,
    acquisitive: i32,
    drugs: i32,
    groups: HashMap<u32, i32>,
    /// Days of recent offences: proven so far, which need not be in the order in which they were committed.
    recent: BinaryHeap<Reverse<Day>>,
}

impl Before {
    fn advance_to(&mut self, day: Day, person: &PersonRecord<'_>) {
        let recent_from = day.plus_months(-RECENT_MONTHS);
        // Sanctions up to now are the first so many, and those before `recent_from` the first of them.
        let old = |sentence: &&Sentence| sentence.start < recent_from;
        self.old_sanctions += person.sentences[self.old_sanctions..].iter().take_while(old).count();
        for offence in person.offences[self.offences..].iter().take_while(|offence| offence.proven < day) {
            self.offences += 1;
            match offence.kind {
                OffenceKind::Violence => self.violence += 1,
                OffenceKind::Acquisitive => self.acquisitive += 1,
                OffenceKind::Drugs => self.drugs += 1,
                OffenceKind::Other => {}
            }
            if let Some(group) = offence.offence_group {
                *self.groups.entry(group).or_default() += 1;
            }
            self.recent.push(Reverse(offence.committed));
        }
        while self.recent.peek().is_some_and(|&Reverse(committed)| committed < recent_from) {
            self.recent.pop();
        }
    }

    /// Counts the sentences of a day as previous from here on.
    fn pass(&mut self, same_day: &[Sentence]) {
        for sentence in same_day {
            self.sanctions += 1;
            self.last_start = Some(sentence.start);
            match sentence.disposal {
                Disposal::Custody => {
                    self.custody += 1;
                    self.last_release = self.last_release.max(sentence.end);
                }
                Disposal::Supervised => self.community += 1,
                Disposal::Caution => self.cautions += 1,
                Disposal::Other => {}
            }
        }
    }
}

/// The statements that may still hold within the year before a day.
struct Statements<'a> {
    day: Day,
    statements: &'a [Statement],
}

impl<'a> Statements<'a> {
    fn before(day: Day, statements: &'a [Statement]) -> Self {
        let known = &statements[..statements.partition_point(|s| s.as_of <= day)];
        let oldest = day.plus_days(-2 * YEAR);
        Self { day, statements: &known[known.partition_point(|s| s.as_of <= oldest)..] }
    }

    /// The last answer that is not older than a year.
    fn last(&self, question: usize) -> Option<bool> {
        let oldest = self.day.plus_days(-YEAR);
        let fresh = self.statements.iter().rev().take_while(|s| s.as_of > oldest);
        fresh.filter_map(|s| s.answers[question]).next()
    }

    /// Months of the year before on which a yes held: until the next answer, a year at most.
    fn months(&self, question: usize) -> i32 {
        let (mut until, mut days) = (self.day, 0);
        for statement in self.statements.iter().rev() {
            let Some(answer) = statement.answers[question] else { continue };
            if answer {
                let from = statement.as_of.max(self.day.plus_days(-YEAR));
                days += until.min(statement.as_of.plus_days(YEAR)).days_since(from).max(0);
            }
            until = statement.as_of;
        }
        // To the nearest month; a half cannot be, because 24 days are even and a year is odd.
        (24 * days + YEAR) / (2 * YEAR)
    }
}
