//! Criminal careers: sanctions, offences and circumstances of one person.
//!
//! A career is a chain of sanctions. After each one the clock starts (release from custody, else the day of the
//! sanction); [`reoffending_probability`] says how likely a proven re-offence within a year is. If it comes, offence
//! and outcome fall inside 12 and 18 months; if not, the career ends or goes on more than a year later. So the
//! re-offending of any group cut from the register is known beforehand.

use super::random::{Random, running_totals};
use super::register::{Circumstance, Offence, RegisterBlock, RegisterParams, Sentence};
use crate::calendar::{Day, FollowUp};
use std::sync::LazyLock;

/// The words of `sentence.kind`.
pub const SENTENCE_KINDS: [&str; 6] =
    ["custody", "suspended sentence", "community order", "fine", "conditional discharge", "caution"];
/// The words of `offence.outcome`; null stands for an offence that is still pending.
pub const OUTCOMES: [&str; 4] = ["conviction", "caution", "penalty notice", "acquittal"];
/// The words of `offence.court_category`.
pub const COURT_CATEGORIES: [&str; 3] = ["indictable", "either way", "summary"];
/// The words of `offence_group`.
pub const OFFENCE_GROUPS: [&str; 12] = [
    "violence",
    "sexual",
    "robbery",
    "burglary",
    "theft",
    "fraud",
    "criminal damage",
    "drugs",
    "public order",
    "weapons",
    "motoring",
    "other",
];

/// How an offence group behaves, in the order of [`OFFENCE_GROUPS`].
struct Group {
    /// Share of first offences.
    share: f64,
    /// Term of the re-offending rule.
    log_odds: f64,
    /// Factor on the probability of custody.
    custody: f64,
    /// Mean days in custody.
    custody_days: f64,
    /// Shares of indictable and either-way offences; the rest is summary.
    categories: (f64, f64),
}

const fn group(share: f64, log_odds: f64, custody: f64, custody_days: f64, categories: (f64, f64)) -> Group {
    Group { share, log_odds, custody, custody_days, categories }
}

const GROUPS: [Group; 12] = [
    group(0.19, 0.0, 1.2, 170.0, (0.05, 0.35)),
    group(0.02, -0.9, 5.0, 800.0, (0.5, 0.45)),
    group(0.015, 0.1, 6.0, 650.0, (1.0, 0.0)),
    group(0.06, 0.35, 2.0, 240.0, (0.1, 0.9)),
    group(0.25, 0.4, 0.8, 60.0, (0.0, 1.0)),
    group(0.05, -0.4, 0.9, 140.0, (0.05, 0.95)),
    group(0.06, 0.1, 0.4, 60.0, (0.03, 0.27)),
    group(0.12, -0.1, 0.9, 260.0, (0.05, 0.9)),
    group(0.09, 0.15, 0.4, 50.0, (0.02, 0.18)),
    group(0.03, 0.0, 1.5, 150.0, (0.1, 0.9)),
    group(0.09, -0.3, 0.3, 60.0, (0.01, 0.09)),
    group(0.025, 0.1, 0.7, 60.0, (0.05, 0.3)),
];

static GROUP_TOTALS: LazyLock<Vec<f64>> = LazyLock::new(|| running_totals(GROUPS.iter().map(|group| group.share)));

/// Most sanctions in a career, so that keys stay unique (`person_id` * 100 + number).
const MOST_SANCTIONS: i64 = 60;
/// Most offences of one sanction.
const MOST_OFFENCES: i32 = 12;

/// What the re-offending rule knows of a person at an index event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Completed years of age at the start of the follow-up.
    pub age: i32,
    /// Sanctions (sentences and cautions) on the register before this one.
    pub previous_sanctions: u32,
    /// Is the person male?
    pub is_male: bool,
    /// Of the index offence: a position in [`OFFENCE_GROUPS`].
    pub offence_group: usize,
    /// In employment? Does not change over a career.
    pub is_employed: bool,
    /// Does the person need help with drugs? Does not change over a career.
    pub has_drugs_need: bool,
}

/// Probability of a proven re-offence: an offence within 12 months of the start of the follow-up, proven within 18.
///
/// Logistic rule of this generator, with p = 1 / (1 + exp(-z)) and
/// z = -1.20 + 0.62 ln(1 + previous sanctions) - 0.032 (age - 18) + 0.15 male - 0.35 employed + 0.40 drugs need + offence group,
/// where the group's term runs from -0.9 (sexual) to 0.4 (theft). An unknown group has none.
///
/// ```
/// use jdl_core::synthetic::{Index, reoffending_probability};
/// let first = Index { age: 18, previous_sanctions: 0, is_male: false, offence_group: 0, is_employed: false, has_drugs_need: false };
/// assert!((reoffending_probability(&first) - 0.231_475).abs() < 1e-6);
/// ```
pub fn reoffending_probability(index: &Index) -> f64 {
    let term = |is_so: bool, log_odds: f64| if is_so { log_odds } else { 0.0 };
    let z = -1.2 + 0.62 * f64::from(index.previous_sanctions).ln_1p() - 0.032 * f64::from(index.age - 18)
        + term(index.is_male, 0.15)
        + term(index.is_employed, -0.35)
        + term(index.has_drugs_need, 0.4)
        + GROUPS.get(index.offence_group).map_or(0.0, |group| group.log_odds);
    1.0 / (1.0 + (-z).exp())
}

/// What stays the same over a career.
struct Traits {
    is_employed: bool,
    has_drugs_need: bool,
    needs: [bool; 4],
    /// The group that somebody comes back to.
    favourite: usize,
}

/// Writes the career of one person into the block: sentences, offences, circumstances. Was there custody?
pub(super) fn write(
    params: &RegisterParams,
    person_id: i64,
    born: Day,
    is_male: bool,
    onset: Day,
    block: &mut RegisterBlock,
    random: &mut Random,
) -> bool {
    let has_drugs_need = random.chance(0.3);
    let traits = Traits {
        is_employed: random.chance(if has_drugs_need { 0.2 } else { 0.45 }),
        has_drugs_need,
        needs: [0.3, 0.5, 0.35, 0.4].map(|share| random.chance(share)),
        favourite: random.weighted(&GROUP_TOTALS),
    };
    let mut writer = Writer { params, person_id, block, random, offences: 0, has_custody: false };
    let mut outcome_date = onset;
    let mut first_offence = onset.plus_days(-writer.lag());
    for sanction in 0..MOST_SANCTIONS {
        let group = if writer.random.chance(0.45) { traits.favourite } else { writer.random.weighted(&GROUP_TOTALS) };
        let age = outcome_date.age_of(born);
        let clock = writer.sanction(sanction, group, age, first_offence, outcome_date);
        writer.circumstance(&traits, outcome_date);
        writer.unproven(clock);
        let index = Index {
            age: clock.age_of(born),
            previous_sanctions: sanction as u32,
            is_male,
            offence_group: group,
            is_employed: traits.is_employed,
            has_drugs_need: traits.has_drugs_need,
        };
        if writer.random.chance(reoffending_probability(&index)) {
            first_offence = clock.plus_days(writer.days_to_reoffence());
        } else if writer.random.chance(0.4) {
            first_offence = clock.plus_months(12).plus_days(writer.random.exponential(700.0) as i32);
        } else {
            break;
        }
        outcome_date = first_offence.plus_days(writer.lag());
        if outcome_date >= params.end() {
            writer.pending(group, first_offence);
            break;
        }
    }
    writer.has_custody
}

struct Writer<'a> {
    params: &'a RegisterParams,
    person_id: i64,
    block: &'a mut RegisterBlock,
    random: &'a mut Random,
    offences: i64,
    has_custody: bool,
}

impl Writer<'_> {
    /// Days from offence to outcome: 1 to 170, mostly weeks. Together with the 364 days of the follow-up less than 18 months.
    fn lag(&mut self) -> i32 {
        1 + (self.random.exponential(55.0) as i32).min(169)
    }

    /// Days to the first re-offence: 0 to 364, exponential with mean 170 cut off at a year.
    fn days_to_reoffence(&mut self) -> i32 {
        const MEAN: f64 = 170.0;
        let within_year = 1.0 - (-365.0 / MEAN).exp();
        (-MEAN * (1.0 - self.random.unit() * within_year).ln()).min(364.0) as i32
    }

    /// Writes one sanction with its offences; returns the day the clock starts.
    fn sanction(&mut self, number: i64, group: usize, age: i32, first_offence: Day, outcome_date: Day) -> Day {
        let kind = self.kind(number, group, age);
        let end_date = self.end_date(kind, group, outcome_date);
        let is_custody = kind == "custody";
        self.has_custody |= is_custody;
        self.block.sentences.push(Sentence {
            sentence_id: self.person_id * 100 + number,
            person_id: self.person_id,
            kind: kind.to_owned(),
            start_date: outcome_date,
            end_date,
            offence_group: OFFENCE_GROUPS[group].to_owned(),
        });
        let outcome = if kind == "caution" { "caution" } else { "conviction" };
        self.offence(group, first_offence, Some((outcome, outcome_date)), is_custody);
        if kind != "caution" {
            let more = (self.random.exponential(1.5) as i32).min(MOST_OFFENCES - 1);
            for _ in 0..more {
                let group = if self.random.chance(0.6) { group } else { self.random.weighted(&GROUP_TOTALS) };
                let day = first_offence.plus_days(self.random.between(0, outcome_date.days_since(first_offence) - 1));
                let is_custodial = is_custody && self.random.chance(0.6);
                self.offence(group, day, Some((outcome, outcome_date)), is_custodial);
            }
        }
        if is_custody { end_date.unwrap_or(outcome_date) } else { outcome_date }
    }

    /// Cautions come first, custody with a long record or a grave offence.
    fn kind(&mut self, number: i64, group: usize, age: i32) -> &'static str {
        let record = number.min(8) as f64;
        let custody = ((0.04 + 0.06 * record) * GROUPS[group].custody).min(0.85) * if age < 18 { 0.4 } else { 1.0 };
        let grave = GROUPS[group].custody > 2.5;
        let caution = match number {
            _ if grave => 0.03,
            0 => {
                if age < 18 {
                    0.65
                } else {
                    0.42
                }
            }
            1 => 0.2,
            _ => 0.07,
        };
        let mut chance = self.random.unit();
        for (kind, share) in [("custody", custody), ("caution", caution * (1.0 - custody))] {
            chance -= share;
            if chance < 0.0 {
                return kind;
            }
        }
        let rest = self.random.unit();
        match rest {
            ..0.1 if age >= 18 => "suspended sentence",
            ..0.48 => "community order",
            ..0.6 => "conditional discharge",
            _ => "fine",
        }
    }

    /// Release from custody, end of an order; none for a fine or caution.
    fn end_date(&mut self, kind: &str, group: usize, start: Day) -> Option<Day> {
        match kind {
            "custody" => {
                Some(start.plus_days(14 + self.random.exponential(GROUPS[group].custody_days).min(5_500.0) as i32))
            }
            "suspended sentence" => Some(start.plus_months(self.random.between(2, 8) * 3)),
            "community order" => Some(start.plus_months([6, 12, 12, 18, 24][self.random.below(5)])),
            "conditional discharge" => Some(start.plus_months(12)),
            _ => None,
        }
    }

    fn offence(&mut self, group: usize, day: Day, decided: Option<(&'static str, Day)>, custodial: bool) {
        let (indictable, either_way) = GROUPS[group].categories;
        let court_category = match self.random.unit() {
            chance if chance < indictable => "indictable",
            chance if chance < indictable + either_way => "either way",
            _ => "summary",
        };
        self.block.offences.push(Offence {
            offence_id: self.person_id * 1_000 + self.offences,
            person_id: self.person_id,
            offence_date: day,
            outcome_date: decided.map(|(_, day)| day),
            outcome: decided.map(|(outcome, _)| outcome.to_owned()),
            offence_group: OFFENCE_GROUPS[group].to_owned(),
            court_category: court_category.to_owned(),
            custodial,
        });
        self.offences += 1;
    }

    /// Now and then something inside the follow-up that does not count: an acquittal or a penalty notice.
    fn unproven(&mut self, clock: Day) {
        if self.random.chance(0.08) {
            let day = clock.plus_days(self.random.between(0, 700));
            let outcome = if self.random.chance(0.6) { "acquittal" } else { "penalty notice" };
            let decided = day.plus_days(self.lag());
            if decided < self.params.end() {
                let group = self.random.weighted(&GROUP_TOTALS);
                self.offence(group, day, Some((outcome, decided)), false);
            }
        }
    }

    /// An offence that the register knows of and no court has decided.
    fn pending(&mut self, group: usize, day: Day) {
        if day < self.params.end() {
            self.offence(group, day, None, false);
        }
    }

    /// What was known when the sanction began; the assessed needs were asked of two in three.
    fn circumstance(&mut self, traits: &Traits, as_of_date: Day) {
        if !self.random.chance(0.85) {
            return;
        }
        let on_benefits = self.random.chance(if traits.is_employed { 0.15 } else { 0.65 });
        let is_assessed = self.random.chance(0.65);
        let mut need = |is_so: bool| (is_assessed && self.random.chance(0.95)).then_some(is_so);
        let [accommodation, employment, alcohol, thinking] = traits.needs;
        self.block.circumstances.push(Circumstance {
            person_id: self.person_id,
            as_of_date,
            employed: traits.is_employed,
            on_benefits,
            accommodation_need: need(accommodation),
            employment_need: need(employment && !traits.is_employed),
            drugs_need: need(traits.has_drugs_need),
            alcohol_need: need(alcohol),
            thinking_need: need(thinking),
        });
    }
}

/// The day the clock of a sentence starts: release from custody, else its start (MoJ, proven re-offending statistics).
pub(super) fn follow_up(sentence: &Sentence) -> FollowUp {
    let release = if sentence.kind == "custody" { sentence.end_date } else { None };
    FollowUp::one_year(release.unwrap_or(sentence.start_date))
}

/// A day of death after `last`: 0.3 % a year at 30, and half as much again for each nine years of age (a Gompertz rule of
/// this generator, fixed at `last`; people who are sentenced die younger than others).
pub(super) fn death(born: Day, last: Day, random: &mut Random) -> Option<Day> {
    let yearly = 0.003 * (0.045 * f64::from(last.age_of(born) - 30)).exp();
    let days = random.exponential(365.25 / yearly);
    (days < 40_000.0).then(|| last.plus_days(1 + days as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_rises_with_history_and_falls_with_age() {
        let index = |age, previous_sanctions| {
            reoffending_probability(&Index {
                age,
                previous_sanctions,
                is_male: true,
                offence_group: 4,
                is_employed: false,
                has_drugs_need: false,
            })
        };
        for age in 10..90 {
            assert!(index(age, 0) > index(age + 1, 0));
            for n in 0..40 {
                assert!(index(age, n) < index(age, n + 1));
            }
        }
    }

    #[test]
    fn groups_and_words_belong_together() {
        assert!((GROUPS.iter().map(|group| group.share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(GROUPS.iter().all(|group| group.categories.0 + group.categories.1 <= 1.0));
    }
}
