//! The whole of linkage for one request: compare, weigh, let candidates and submissions compete, decide.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, Evidence, Prepared, compare, levels};
use super::decision::{Candidate, Circumstances, Reason, Status, Thresholds, decide};
use super::em::{TrainingOptions, TrainingRecord, estimate};
use super::frequency::TermFrequencies;
use super::model::{Model, PairWeight, Weights};
use super::posterior::{Edge, marginals};
use super::record::{RegisterPerson, SubmittedPerson};
use crate::error::{Error, Result};
use crate::number::{Heartbeat, pairwise_sum};

/// Settings of a linkage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkOptions {
    /// When a link is sure enough.
    pub thresholds: Thresholds,
    /// An approver's decisions, which stand above the evidence.
    pub overrides: Vec<Override>,
}

/// An approver's decision on one submission and one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The submission, by position.
    pub submission: usize,
    /// The register person.
    pub person_id: i64,
    /// Link or not.
    pub force: Force,
}

/// What is forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// They are the same person.
    Link,
    /// They are not.
    NonLink,
}

/// The outcome for one submission.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkRecord {
    /// What became of it.
    pub status: Status,
    /// Why it is not linked, or `forced_link`.
    pub reason: Option<Reason>,
    /// The person linked; for a suspect or unlinked submission the best candidate, if any.
    pub person_id: Option<i64>,
    /// log2 of the odds of that person against *not in the register*, before any competition: starting weight, comparisons, relatives.
    pub match_weight: Option<f64>,
    /// Probability of that person after all competition.
    pub match_probability: Option<f64>,
    /// Probability that the submission is in the register at all.
    pub in_register: f64,
    /// The evidence for [`super::waterfall`].
    pub evidence: Option<Evidence>,
}

/// Counts over all submissions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkSummary {
    /// Submissions.
    pub submitted: usize,
    /// Linked.
    pub linked: usize,
    /// Suspect.
    pub suspect: usize,
    /// Unlinked.
    pub unlinked: usize,
    /// Linked by submitted; 0 without submissions.
    pub match_rate: f64,
    /// Sum over links of the probability that they are wrong.
    pub expected_false_links: f64,
    /// Sum over submissions not linked of the probability that they are in the register.
    pub expected_missed_links: f64,
    /// How many submissions carry each reason.
    pub reasons: BTreeMap<Reason, usize>,
}

/// The outcome of a linkage.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkOutcome {
    /// One record a submission, in the order of the submissions.
    pub records: Vec<LinkRecord>,
    /// The counts.
    pub summary: LinkSummary,
}

/// Candidates whose odds are so much smaller than one that they cannot matter are dropped before the competition.
const NEGLIGIBLE_LOG2_ODDS: f64 = -17.0;
/// Submissions between two heartbeats.
const BLOCK: usize = 512;

/// One pair as kept between comparison and decision.
struct Scored {
    person: u32,
    evidence: Evidence,
    weight: PairWeight,
    odds: f64,
}

/// Links `submissions` to `register`, the persons that came up as candidates. `candidates[i]` are positions in `register` for submission
/// `i`; the order of any of these, and the number of threads, change nothing in the outcome.
///
/// # Errors
/// [`Error::InvalidInput`] for a bad model, threshold, position or override (one submission forced to two persons, or two to one).
///
/// `heartbeat` is called between blocks of submissions.
pub fn link(
    submissions: &[SubmittedPerson<'_>],
    register: &[RegisterPerson<'_>],
    candidates: &[Vec<u32>],
    model: &Model,
    frequencies: &TermFrequencies,
    options: &LinkOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<LinkOutcome> {
    let weights = model.check()?;
    options.thresholds.check()?;
    check_shape(submissions, register, candidates)?;
    let forced = Forced::new(&options.overrides, submissions, register)?;

    // Submissions in the order of their content, candidates by person: sums then run in an order that is theirs, not the caller's.
    let mut order: Vec<usize> = (0..submissions.len()).collect();
    order.par_sort_by(|&a, &b| submissions[a].cmp(&submissions[b]).then(a.cmp(&b)));
    let prior = weights.prior(frequencies.persons);
    let mut scored: Vec<Vec<Scored>> = Vec::with_capacity(order.len());
    for block in order.chunks(BLOCK) {
        heartbeat();
        let of_one = |&s: &usize| -> Vec<Scored> {
            if forced.links.contains_key(&s) {
                return Vec::new();
            }
            let prepared = Prepared::new(&submissions[s], frequencies);
            let mut list: Vec<Scored> = candidates[s]
                .iter()
                .filter(|&&person| !forced.excludes(s, &register[person as usize]))
                .filter_map(|&person| score(&prepared, person, register, &weights, prior))
                .collect();
            list.sort_by_key(|pair| register[pair.person as usize].person_id);
            list.dedup_by_key(|pair| pair.person);
            list
        };
        scored.par_extend(block.par_iter().map(of_one));
    }
    heartbeat();

    let duplicates = duplicate_submissions(submissions, &order, &scored);
    let shared = SharedIdentifiers::new(submissions);
    let edges: Vec<Vec<Edge>> = scored
        .iter()
        .zip(&duplicates)
        .map(|(list, duplicate)| {
            let competes = |_: &&Scored| duplicate.is_none();
            list.iter().filter(competes).map(|pair| Edge { person: pair.person, odds: pair.odds }).collect()
        })
        .collect();
    let posteriors = marginals(&edges, register.len());
    heartbeat();

    let mut records: Vec<Option<LinkRecord>> = vec![None; submissions.len()];
    for (at, &s) in order.iter().enumerate() {
        let record = if let Some(&person_id) = forced.links.get(&s) {
            forced_record(person_id)
        } else if duplicates[at].is_some() {
            duplicate_record(&scored[at], register)
        } else {
            let circumstances = Circumstances {
                dob_placeholder: submissions[s].dob_placeholder,
                shares_identifier: shared.contains(&submissions[s]),
                candidate_excluded: forced.any_exclusion(s),
            };
            decided_record(&scored[at], &posteriors[at], register, circumstances, &options.thresholds, prior)
        };
        records[s] = Some(record);
    }
    let records: Vec<LinkRecord> = records.into_iter().flatten().collect();
    let summary = summarise(&records, &order);
    Ok(LinkOutcome { records, summary })
}

/// Compares one pair, for an explanation or a test.
///
/// # Errors
/// [`Error::InvalidInput`] for a bad model.
pub fn compare_pair(
    submission: &SubmittedPerson<'_>,
    person: &RegisterPerson<'_>,
    model: &Model,
    frequencies: &TermFrequencies,
) -> Result<Evidence> {
    Ok(compare(&Prepared::new(submission, frequencies), person, &model.check()?))
}

/// Re-estimates `model` from a cohort and its candidates (see [`estimate`]).
///
/// # Errors
/// As [`estimate`], and [`Error::InvalidInput`] for a position outside the register.
pub fn train(
    submissions: &[SubmittedPerson<'_>],
    register: &[RegisterPerson<'_>],
    candidates: &[Vec<u32>],
    model: &Model,
    frequencies: &TermFrequencies,
    options: &TrainingOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<(Model, TrainingRecord)> {
    let weights = model.check()?;
    check_shape(submissions, register, candidates)?;
    let prior = weights.prior(frequencies.persons);
    let mut order: Vec<usize> = (0..submissions.len()).collect();
    order.par_sort_by(|&a, &b| submissions[a].cmp(&submissions[b]).then(a.cmp(&b)));
    let mut evidence: Vec<Vec<Evidence>> = Vec::with_capacity(order.len());
    for block in order.chunks(BLOCK) {
        heartbeat();
        let of_one = |&s: &usize| -> Vec<Evidence> {
            let prepared = Prepared::new(&submissions[s], frequencies);
            let mut list: Vec<Scored> =
                candidates[s].iter().filter_map(|&p| score(&prepared, p, register, &weights, prior)).collect();
            list.sort_by_key(|pair| register[pair.person as usize].person_id);
            list.dedup_by_key(|pair| pair.person);
            list.into_iter().map(|pair| pair.evidence).collect()
        };
        evidence.par_extend(block.par_iter().map(of_one));
    }
    estimate(&evidence, frequencies.persons, model, options, heartbeat)
}

fn check_shape(
    submissions: &[SubmittedPerson<'_>],
    register: &[RegisterPerson<'_>],
    candidates: &[Vec<u32>],
) -> Result<()> {
    if candidates.len() != submissions.len() {
        return Err(Error::invalid("candidates", "must have one list a submission"));
    }
    if candidates.iter().flatten().any(|&person| person as usize >= register.len()) {
        return Err(Error::invalid("candidates", "must be positions in the register"));
    }
    Ok(())
}

/// A pair, unless it is negligible or keeps an identifier for the conflict check.
fn score(
    prepared: &Prepared<'_>,
    person: u32,
    register: &[RegisterPerson<'_>],
    weights: &Weights,
    prior: f64,
) -> Option<Scored> {
    let evidence = compare(prepared, &register[person as usize], weights);
    let holds_identifier =
        evidence.level(Comparison::PncId) == levels::ID_EXACT || evidence.level(Comparison::Cro) == levels::ID_EXACT;
    // Relatives only take weight off, so most strangers end here.
    if prior + weights.total(&evidence) <= NEGLIGIBLE_LOG2_ODDS && !holds_identifier {
        return None;
    }
    let weight = weights.weigh(&evidence, prepared.frequencies.persons);
    // Beyond 2^60 nothing changes but the rounding of sums.
    let odds = (prior + weight.total()).min(60.0).exp2();
    Some(Scored { person, evidence, weight, odds })
}

fn decided_record(
    scored: &[Scored],
    posteriors: &[super::posterior::Marginal],
    register: &[RegisterPerson<'_>],
    circumstances: Circumstances,
    thresholds: &Thresholds,
    prior: f64,
) -> LinkRecord {
    let blind: Vec<f64> = scored.iter().map(|pair| (prior + pair.weight.against_strangers).min(60.0).exp2()).collect();
    let blind_total = 1.0 + blind.iter().sum::<f64>();
    let mut ranked: Vec<Candidate<'_>> = scored
        .iter()
        .zip(posteriors)
        .zip(&blind)
        .map(|((pair, posterior), blind)| Candidate {
            person: &register[pair.person as usize],
            evidence: &pair.evidence,
            weight: pair.weight,
            probability: posterior.probability,
            uncontested: posterior.uncontested,
            without_relatives: blind / blind_total,
        })
        .collect();
    // The most probable first; the better weight, then the smaller id, where that is a tie.
    ranked.sort_by(|a, b| {
        b.probability
            .total_cmp(&a.probability)
            .then(b.weight.total().total_cmp(&a.weight.total()))
            .then(a.person.person_id.cmp(&b.person.person_id))
    });
    let (status, reason) = decide(&ranked, circumstances, thresholds);
    let best = ranked.first();
    LinkRecord {
        status,
        reason,
        person_id: best.map(|c| c.person.person_id),
        match_weight: best.map(|c| prior + c.weight.total()),
        match_probability: best.map(|c| c.probability),
        in_register: posteriors.iter().map(|p| p.probability).sum::<f64>().min(1.0),
        evidence: best.map(|c| *c.evidence),
    }
}

fn forced_record(person_id: i64) -> LinkRecord {
    LinkRecord {
        status: Status::Linked,
        reason: Some(Reason::ForcedLink),
        person_id: Some(person_id),
        match_weight: None,
        match_probability: Some(1.0),
        in_register: 1.0,
        evidence: None,
    }
}

/// The second row of one submitted person: found or not, it counts through the first.
fn duplicate_record(scored: &[Scored], register: &[RegisterPerson<'_>]) -> LinkRecord {
    let best = scored.iter().max_by(|a, b| a.odds.total_cmp(&b.odds).then(b.person.cmp(&a.person)));
    LinkRecord {
        status: Status::Unlinked,
        reason: Some(Reason::DuplicateSubmission),
        person_id: best.map(|pair| register[pair.person as usize].person_id),
        match_weight: None,
        match_probability: None,
        in_register: 0.0,
        evidence: best.map(|pair| pair.evidence),
    }
}

/// An approver's decisions, checked.
struct Forced {
    links: BTreeMap<usize, i64>,
    non_links: std::collections::HashSet<(usize, i64)>,
    taken: std::collections::HashSet<i64>,
}

impl Forced {
    fn new(
        overrides: &[Override],
        submissions: &[SubmittedPerson<'_>],
        _register: &[RegisterPerson<'_>],
    ) -> Result<Self> {
        let mut forced = Self { links: BTreeMap::new(), non_links: Default::default(), taken: Default::default() };
        for decision in overrides {
            if decision.submission >= submissions.len() {
                return Err(Error::invalid("override", "must name a submission of the request"));
            }
            match decision.force {
                Force::NonLink => {
                    forced.non_links.insert((decision.submission, decision.person_id));
                }
                Force::Link => {
                    let before = forced.links.insert(decision.submission, decision.person_id);
                    if before.is_some() || !forced.taken.insert(decision.person_id) {
                        return Err(Error::invalid("override", "must not force two links of one submission or person"));
                    }
                }
            }
        }
        let contradiction = |(&s, &person): (&usize, &i64)| forced.non_links.contains(&(s, person));
        if forced.links.iter().any(contradiction) {
            return Err(Error::invalid("override", "must not force a link and its opposite"));
        }
        Ok(forced)
    }

    fn excludes(&self, submission: usize, person: &RegisterPerson<'_>) -> bool {
        !self.taken.is_empty() && self.taken.contains(&person.person_id)
            || !self.non_links.is_empty() && self.non_links.contains(&(submission, person.person_id))
    }

    fn any_exclusion(&self, submission: usize) -> bool {
        self.non_links.iter().any(|&(s, _)| s == submission)
    }
}

/// PNC ids and prison numbers that more than one submission carries.
struct SharedIdentifiers<'a> {
    pnc_ids: BTreeMap<u64, usize>,
    prison_numbers: BTreeMap<&'a str, usize>,
}

impl<'a> SharedIdentifiers<'a> {
    fn new(submissions: &[SubmittedPerson<'a>]) -> Self {
        let mut shared = Self { pnc_ids: BTreeMap::new(), prison_numbers: BTreeMap::new() };
        for submission in submissions {
            if let Some(id) = submission.pnc_id {
                *shared.pnc_ids.entry(id.body()).or_default() += 1;
            }
            if let Some(number) = submission.prison_number {
                *shared.prison_numbers.entry(number).or_default() += 1;
            }
        }
        shared
    }

    fn contains(&self, submission: &SubmittedPerson<'_>) -> bool {
        let many = |count: Option<&usize>| count.is_some_and(|&n| n > 1);
        submission.pnc_id.is_some_and(|id| many(self.pnc_ids.get(&id.body())))
            || submission.prison_number.is_some_and(|number| many(self.prison_numbers.get(number)))
    }
}

/// Rows with the name and date of birth of another row and no PNC id of their own that differs: all but the one with the best
/// evidence (in doubt, the first in the order of content) are duplicates. In the order of `order`; the entry is the row that stands for it.
fn duplicate_submissions(
    submissions: &[SubmittedPerson<'_>],
    order: &[usize],
    scored: &[Vec<Scored>],
) -> Vec<Option<usize>> {
    let mut duplicate = vec![None; order.len()];
    let same = |a: usize, b: usize| {
        let (x, y) = (&submissions[order[a]], &submissions[order[b]]);
        let ids_agree = x.pnc_id.is_none() || y.pnc_id.is_none() || x.pnc_id == y.pnc_id;
        x.name == y.name && x.dob == y.dob && x.dob.is_some() && !x.dob_placeholder && ids_agree
    };
    let best_odds = |at: usize| scored[at].iter().map(|pair| pair.odds).fold(0.0, f64::max);
    // Equal names and dates stand next to each other in the order of content.
    let mut start = 0;
    while start < order.len() {
        let end = (start + 1..order.len()).find(|&at| !same(start, at)).unwrap_or(order.len());
        let best = (start..end).reduce(|best, at| if best_odds(at) > best_odds(best) { at } else { best });
        if let Some(best) = best {
            (start..end).filter(|&at| at != best).for_each(|at| duplicate[at] = Some(best));
        }
        start = end;
    }
    duplicate
}

fn summarise(records: &[LinkRecord], order: &[usize]) -> LinkSummary {
    let count = |status| records.iter().filter(|record| record.status == status).count();
    let sum_over = |value: &dyn Fn(&LinkRecord) -> f64| {
        pairwise_sum(&order.iter().map(|&s| value(&records[s])).collect::<Vec<_>>())
    };
    let mut reasons = BTreeMap::new();
    for reason in records.iter().filter_map(|record| record.reason) {
        *reasons.entry(reason).or_insert(0) += 1;
    }
    let linked = count(Status::Linked);
    LinkSummary {
        submitted: records.len(),
        linked,
        suspect: count(Status::Suspect),
        unlinked: count(Status::Unlinked),
        match_rate: if records.is_empty() { 0.0 } else { linked as f64 / records.len() as f64 },
        expected_false_links: sum_over(&|record| match (record.status, record.match_probability) {
            (Status::Linked, Some(probability)) => 1.0 - probability,
            _ => 0.0,
        }),
        expected_missed_links: sum_over(&|record| match record.status {
            Status::Linked => 0.0,
            _ => record.in_register,
        }),
        reasons,
    }
}
