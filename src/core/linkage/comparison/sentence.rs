//! Sentence dates and the intervention's place in a sentence.
//!
//! Sentences start on few days of the week and people have several: u is the share of sentences that start on the very day, times the
//! candidate's number of sentences.

use super::{Comparison, Finding, LevelSpec, MISSING, Prepared, level};
use crate::linkage::model::Weights;
use crate::linkage::record::{RegisterPerson, Sentence};

pub(super) const DATES: [LevelSpec; 5] = [
    level("start_and_end", 0.600, 0.00001),
    level("start", 0.130, 0.00050),
    level("end", 0.050, 0.00080),
    level("within_a_month", 0.080, 0.04000),
    level("none", 0.140, 0.95869),
];

pub(super) const INTERVENTION: [LevelSpec; 3] =
    [level("inside", 0.72, 0.10), level("near", 0.16, 0.18), level("outside", 0.12, 0.72)];

const START_AND_END: u8 = 1;
const START: u8 = 2;
const END: u8 = 3;
const WITHIN_A_MONTH: u8 = 4;
const NO_SENTENCE: u8 = 5;

/// Of sentences that start on one day, the share that also ends on a given day: sentences come in round lengths.
const SAME_END_GIVEN_START: f64 = 0.03;
/// Share of sentences that end on a given day, over some ten years of working days.
const ENDS_ON_A_DAY: f64 = 1.0 / 2_500.0;
/// Share of sentences that start within a month of a given day, over some ten years.
const STARTS_WITHIN_A_MONTH: f64 = 1.0 / 60.0;

pub(super) fn dates(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Finding {
    let (start, end) = (submitted.person.sentence_start, submitted.person.sentence_end);
    if start.is_none() && end.is_none() {
        return Finding { level: MISSING, log2_u: 0.0 };
    }
    let level_of = |held: &Sentence| {
        let same_start = start == Some(held.start);
        let same_end = end.is_some() && end == held.end;
        let near = start.is_some_and(|day| day.days_since(held.start).abs() <= 31);
        match (same_start, same_end, near) {
            (true, true, _) => START_AND_END,
            (true, false, _) => START,
            (false, true, _) => END,
            (false, false, true) => WITHIN_A_MONTH,
            _ => NO_SENTENCE,
        }
    };
    let level = person.sentences.iter().map(level_of).min().unwrap_or(NO_SENTENCE);
    let one_sentence = match level {
        START_AND_END => submitted.sentence_start_share * SAME_END_GIVEN_START,
        START => submitted.sentence_start_share,
        END => ENDS_ON_A_DAY,
        WITHIN_A_MONTH => STARTS_WITHIN_A_MONTH,
        _ => return Finding { level, log2_u: weights.u(Comparison::SentenceDates, level).log2() as f32 },
    };
    let u = (one_sentence * person.sentences.len() as f64).min(0.5);
    Finding { level, log2_u: u.log2() as f32 }
}

/// An intervention that began so long before a sentence, or after it, is near it.
const BEFORE_DAYS: i32 = 90;
const AFTER_DAYS: i32 = 365;

pub(super) fn intervention(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Finding {
    let Some(day) = submitted.person.intervention_start else { return Finding { level: MISSING, log2_u: 0.0 } };
    let level_of = |held: &Sentence| {
        let end = held.end.unwrap_or(held.start.plus_days(AFTER_DAYS));
        if (held.start..=end).contains(&day) {
            1
        } else if (held.start.plus_days(-BEFORE_DAYS)..=end.plus_days(AFTER_DAYS)).contains(&day) {
            2
        } else {
            3
        }
    };
    let level = person.sentences.iter().map(level_of).min().unwrap_or(3);
    Finding { level, log2_u: weights.u(Comparison::InterventionDate, level).log2() as f32 }
}
