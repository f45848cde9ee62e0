//! Cohorts: people of the register as a provider would send them, with the truth beside.

use std::collections::BTreeMap;

use super::career::follow_up;
use super::random::{Random, mix};
use super::register::{Alias, Person, Register, RegisterBlock, Sentence};
use super::scribe::Scribe;
use super::submission::CohortRow;
use crate::Error;
use crate::Result;
use crate::calendar::Day;
use crate::number::Heartbeat;

/// What a cohort should be like. Shares and probabilities are 0 to 1; each probability is that of its error befalling a record that can
/// suffer it, independently of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortParams {
    /// Submissions, at least 1.
    pub people: usize,
    /// Seed of everything.
    pub seed: u64,
    /// First year of index events (release from custody, sentence or caution).
    pub first_year: i16,
    /// Last year of index events.
    pub last_year: i16,
    /// Share of submissions whose person is not on the register.
    pub absent_share: f64,
    /// Share of those who have a twin, sibling, parent, child or namesake there.
    pub trap_share: f64,
    /// An alias is used, of those who have one.
    pub alias_used: f64,
    /// The surname is new; for women twice as often.
    pub surname_changed: f64,
    /// A nickname stands for the forename.
    pub nickname: f64,
    /// An initial stands for the forename.
    pub initial: f64,
    /// The middle name stands for the forename.
    pub middle_as_forename: f64,
    /// Typing error in the forename.
    pub forename_typo: f64,
    /// Typing error in the surname.
    pub surname_typo: f64,
    /// Names exchanged.
    pub names_swapped: f64,
    /// Wrong date of birth.
    pub birth_typo: f64,
    /// Day and month exchanged.
    pub birth_swapped: f64,
    /// 1 January stands for the date of birth.
    pub birth_first_of_january: f64,
    /// No date of birth.
    pub birth_missing: f64,
    /// Wrong gender.
    pub gender_wrong: f64,
    /// No gender.
    pub gender_missing: f64,
    /// Another address than the register's.
    pub postcode_moved: f64,
    /// Wrong digit in the postcode.
    pub postcode_typo: f64,
    /// No postcode.
    pub postcode_missing: f64,
    /// No PNC id although the person has one.
    pub pnc_missing: f64,
    /// Wrong digit in the PNC id.
    pub pnc_typo: f64,
    /// The next person's PNC id.
    pub pnc_next_row: f64,
    /// Another submission's PNC id.
    pub pnc_stranger: f64,
    /// No prison number although the person has one.
    pub prison_number_missing: f64,
    /// Another submission's prison number.
    pub prison_number_shared: f64,
    /// No sentence dates.
    pub sentence_missing: f64,
    /// Sentence dates up to two weeks off.
    pub sentence_slipped: f64,
}

impl CohortParams {
    /// A cohort of the usual kind: 40 % without PNC id, 10 % not on the register, half of those resembling somebody who is.
    pub fn new(people: usize, seed: u64) -> Self {
        Self {
            people,
            seed,
            first_year: 2005,
            last_year: 2010,
            absent_share: 0.1,
            trap_share: 0.5,
            alias_used: 0.4,
            surname_changed: 0.012,
            nickname: 0.04,
            initial: 0.013,
            middle_as_forename: 0.018,
            forename_typo: 0.04,
            surname_typo: 0.05,
            names_swapped: 0.015,
            birth_typo: 0.027,
            birth_swapped: 0.02,
            birth_first_of_january: 0.005,
            birth_missing: 0.005,
            gender_wrong: 0.005,
            gender_missing: 0.02,
            postcode_moved: 0.3,
            postcode_typo: 0.02,
            postcode_missing: 0.1,
            pnc_missing: 0.4,
            pnc_typo: 0.015,
            pnc_next_row: 0.005,
            pnc_stranger: 0.004,
            prison_number_missing: 0.5,
            prison_number_shared: 0.02,
            sentence_missing: 0.3,
            sentence_slipped: 0.1,
        }
    }

    /// People sent as the register has them: nobody absent, no error, nothing missing.
    pub fn clean(people: usize, seed: u64) -> Self {
        let mut params = Self::new(people, seed);
        for (_, share) in params.shares() {
            *share = 0.0;
        }
        params
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a parameter is out of range.
    pub fn check(mut self) -> Result<CohortPlan> {
        if self.people == 0 {
            return Err(Error::invalid("people", "must be at least 1"));
        }
        if self.first_year > self.last_year {
            return Err(Error::invalid("first_year", "must not lie behind last_year"));
        }
        for (field, share) in self.shares() {
            if !(0.0..=1.0).contains(share) {
                return Err(Error::invalid(field, "must be between 0 and 1"));
            }
        }
        Ok(CohortPlan(self))
    }

    fn shares(&mut self) -> [(&'static str, &mut f64); 27] {
        [
            ("absent_share", &mut self.absent_share),
            ("trap_share", &mut self.trap_share),
            ("alias_used", &mut self.alias_used),
            ("surname_changed", &mut self.surname_changed),
            ("nickname", &mut self.nickname),
            ("initial", &mut self.initial),
            ("middle_as_forename", &mut self.middle_as_forename),
            ("forename_typo", &mut self.forename_typo),
            ("surname_typo", &mut self.surname_typo),
            ("names_swapped", &mut self.names_swapped),
            ("birth_typo", &mut self.birth_typo),
            ("birth_swapped", &mut self.birth_swapped),
            ("birth_first_of_january", &mut self.birth_first_of_january),
            ("birth_missing", &mut self.birth_missing),
            ("gender_wrong", &mut self.gender_wrong),
            ("gender_missing", &mut self.gender_missing),
            ("postcode_moved", &mut self.postcode_moved),
            ("postcode_typo", &mut self.postcode_typo),
            ("postcode_missing", &mut self.postcode_missing),
            ("pnc_missing", &mut self.pnc_missing),
            ("pnc_typo", &mut self.pnc_typo),
            ("pnc_next_row", &mut self.pnc_next_row),
            ("pnc_stranger", &mut self.pnc_stranger),
            ("prison_number_missing", &mut self.prison_number_missing),
            ("prison_number_shared", &mut self.prison_number_shared),
            ("sentence_missing", &mut self.sentence_missing),
            ("sentence_slipped", &mut self.sentence_slipped),
        ]
    }
}

/// Checked [`CohortParams`].
#[derive(Debug, Clone, PartialEq)]
pub struct CohortPlan(CohortParams);

impl CohortPlan {
    /// What it was made from.
    pub fn params(&self) -> &CohortParams {
        &self.0
    }

    /// Submissions of people who are not on the register, and how many of them resemble somebody.
    fn absent(&self) -> (usize, usize) {
        let share_of = |n: usize, share: f64| ((n as f64) * share).round() as usize;
        let absent = share_of(self.0.people, self.0.absent_share);
        (absent, share_of(absent, self.0.trap_share))
    }
}

/// A cohort from a register that is made on the way.
///
/// # Errors
/// [`Error::TooFew`] where the register has too few persons with an index event in the plan's years.
pub fn cohort(plan: &CohortPlan, register: &Register, heartbeat: Heartbeat<'_>) -> Result<Vec<CohortRow>> {
    let mut picker = CohortPicker::new(plan.clone());
    register.stream(heartbeat, |block| {
        picker.offer(&block);
        Ok(())
    })?;
    picker.finish()
}

/// Picks people from a register that passes by in blocks, holding no more of it than the cohort needs.
///
/// Who is picked, and what happens to the record, depends on the plan and the person alone and not on the order of the
/// blocks (the next row's PNC id is that of the next person in the block).
pub struct CohortPicker {
    plan: CohortPlan,
    /// How many to keep: those present and those whom traps resemble.
    need: usize,
    eligible: usize,
    /// The persons with the smallest hashes so far.
    kept: BTreeMap<(u64, i64), Candidate>,
}

/// A person who may be sent, with what a record is written from.
pub(super) struct Candidate {
    pub(super) person: Person,
    pub(super) aliases: Vec<Alias>,
    /// The index event.
    pub(super) sentence: Sentence,
    /// PNC id of the next person in the block.
    pub(super) next_pnc_id: Option<String>,
}

impl CohortPicker {
    /// An empty picker.
    pub fn new(plan: CohortPlan) -> Self {
        let (absent, traps) = plan.absent();
        Self { need: plan.0.people - absent + traps, plan, eligible: 0, kept: BTreeMap::new() }
    }

    /// Considers the persons of a block, whose lists must be in the order of `person_id`.
    pub fn offer(&mut self, block: &RegisterBlock) {
        let years = self.plan.0.first_year..=self.plan.0.last_year;
        let first_day = Day::from_ymd(self.plan.0.first_year, 1, 1).unwrap_or(Day(0));
        let behind = Day::from_ymd(self.plan.0.last_year.saturating_add(1), 1, 1).unwrap_or(first_day);
        let days = u64::from(behind.days_since(first_day).max(1).unsigned_abs());
        let (mut aliases, mut sentences) = (block.aliases.as_slice(), block.sentences.as_slice());
        for (position, person) in block.persons.iter().enumerate() {
            let own_aliases = split_own(&mut aliases, person.person_id, |alias| alias.person_id);
            let own_sentences = split_own(&mut sentences, person.person_id, |sentence| sentence.person_id);
            // The provider takes in whoever has the next index event after a day that was fixed before. To pick among a
            // person's events would favour those that no other event followed, and make any service look good.
            let recruited =
                first_day.plus_days((mix(self.plan.0.seed ^ 0x00D4_7E01, person.person_id as u64) % days) as i32);
            let index_day = |sentence: &Sentence| follow_up(sentence).start();
            let next = own_sentences
                .iter()
                .filter(|s| index_day(s) >= recruited)
                .min_by_key(|s| (index_day(s), s.sentence_id));
            let Some(sentence) = next.filter(|sentence| years.contains(&index_day(sentence).year())) else { continue };
            self.eligible += 1;
            let key = (mix(self.plan.0.seed, person.person_id as u64), person.person_id);
            let is_full = self.kept.len() >= self.need;
            if is_full && self.kept.last_key_value().is_none_or(|(last, _)| key >= *last) {
                continue;
            }
            let candidate = Candidate {
                person: person.clone(),
                aliases: own_aliases.to_vec(),
                sentence: sentence.clone(),
                next_pnc_id: block.persons.get(position + 1).and_then(|next| next.pnc_id.clone()),
            };
            self.kept.insert(key, candidate);
            if is_full {
                self.kept.pop_last();
            }
        }
    }

    /// The cohort, in an order that says nothing about the register.
    ///
    /// # Errors
    /// [`Error::TooFew`] where too few persons with an index event in the plan's years were offered.
    pub fn finish(self) -> Result<Vec<CohortRow>> {
        let params = &self.plan.0;
        if self.kept.len() < self.need {
            return Err(Error::too_few("persons with an index event in these years", self.kept.len(), self.need));
        }
        let (absent, traps) = self.plan.absent();
        let candidates: Vec<Candidate> = self.kept.into_values().collect();
        let (present, decoys) = candidates.split_at(params.people - absent);
        let mut rows = Vec::with_capacity(params.people);
        for (position, candidate) in present.iter().enumerate() {
            let random = Random::new(params.seed ^ 0x00C0_4027, candidate.person.person_id as u64);
            rows.push(Scribe::new(params, random).present(candidate, &present[..position]));
        }
        for decoy in decoys {
            let random = Random::new(params.seed ^ 0x00AB_5E27, decoy.person.person_id as u64);
            rows.push(Scribe::new(params, random).trap(decoy));
        }
        for number in 0..absent - traps {
            let random = Random::new(params.seed ^ 0x0057_4A49, number as u64);
            rows.push(Scribe::new(params, random).stranger());
        }
        let mut order: Vec<(u64, usize)> =
            (0..rows.len()).map(|n| (mix(params.seed ^ 0x0A0D_E400, n as u64), n)).collect();
        order.sort_unstable();
        let mut rows: Vec<Option<CohortRow>> = rows.into_iter().map(Some).collect();
        Ok(order.into_iter().filter_map(|(_, n)| rows[n].take()).collect())
    }
}

/// Takes the rows of one person off the front of a list that is in the order of `person_id`.
fn split_own<'a, T>(rows: &mut &'a [T], person_id: i64, owner: impl Fn(&T) -> i64) -> &'a [T] {
    let from = rows.partition_point(|row| owner(row) < person_id);
    let to = rows.partition_point(|row| owner(row) <= person_id);
    let own = &rows[from..to];
    *rows = &rows[to..];
    own
}
