//! The whole of linkage for one request: compare, weigh, let candidates and submissions compete, decide.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cohort::{SharedIdentifiers, content_order, duplicate_submissions, repeated_submissions};
use super::comparison::{Comparison, Evidence, Prepared, compare, levels};
use super::decision::{Circumstances, Reason, Thresholds};
use super::em::{TrainingOptions, TrainingRecord, estimate, fit};
use super::frequency::TermFrequencies;
use super::model::{Model, PairWeight, Weights};
use super::outcome::{LinkOutcome, LinkRecord, summarise};
use super::overrides::{Forced, Override};
use super::posterior::{Edge, marginals};
use super::record::{RegisterPerson, SubmittedPerson};
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// What linkage works on.
#[derive(Debug, Clone, Copy)]
pub struct LinkInput<'a> {
    /// The cohort.
    pub submissions: &'a [SubmittedPerson<'a>],
    /// The register persons that came up as candidates, each once.
    pub register: &'a [RegisterPerson<'a>],
    /// For each submission its candidates, by position in `register`.
    pub candidates: &'a [Vec<u32>],
    /// What [`Screen::evidence`] found of each candidate, in the same shape, so that no pair is compared twice; `None`: compare them.
    pub evidence: Option<&'a [Vec<Evidence>]>,
    /// Counts of the whole register's values.
    pub frequencies: &'a TermFrequencies,
}

impl LinkInput<'_> {
    fn check(&self) -> Result<()> {
        if self.candidates.len() != self.submissions.len() {
            return Err(Error::invalid("candidates", "must have one list a submission"));
        }
        let shape = |evidence: &[Vec<Evidence>]| {
            evidence.len() == self.candidates.len()
                && evidence.iter().zip(self.candidates).all(|(found, list)| found.len() == list.len())
        };
        if !self.evidence.is_none_or(shape) {
            return Err(Error::invalid("evidence", "must be in the shape of the candidates"));
        }
        if self.candidates.iter().flatten().any(|&person| person as usize >= self.register.len()) {
            return Err(Error::invalid("candidates", "must be positions in the register"));
        }
        Ok(())
    }
}

/// Settings of a linkage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkOptions {
    /// When a link is sure enough.
    pub thresholds: Thresholds,
    /// An approver's decisions, which stand above the evidence.
    pub overrides: Vec<Override>,
    /// Re-estimate the model from this very cohort before deciding, the given model being the prior; `None`: decide with the model as it is.
    pub training: Option<TrainingOptions>,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { thresholds: Thresholds::default(), overrides: Vec::new(), training: Some(TrainingOptions::one_cohort()) }
    }
}

/// Candidates whose odds are so much smaller than one that they cannot matter are dropped before the competition.
const NEGLIGIBLE_LOG2_ODDS: f64 = -17.0;
/// Submissions between two heartbeats.
const BLOCK: usize = 512;

/// One pair as kept between comparison and decision.
pub(super) struct Scored {
    pub(super) person: u32,
    pub(super) evidence: Evidence,
    pub(super) weight: PairWeight,
    pub(super) odds: f64,
}

/// Links a cohort to the register. The order of submissions, persons and candidates and the number of threads change nothing in the outcome.
///
/// # Errors
/// [`Error::InvalidInput`] for a bad model, threshold, position or override (one submission forced to two persons, or two to one);
/// what [`estimate`] returns where training is asked for.
///
/// `heartbeat` is called between blocks of submissions.
pub fn link(
    input: &LinkInput<'_>,
    model: &Model,
    options: &LinkOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<LinkOutcome> {
    let mut weights = model.check()?;
    options.thresholds.check()?;
    input.check()?;
    let LinkInput { submissions, register, frequencies, .. } = *input;
    let order = content_order(submissions);
    let repeated = repeated_submissions(submissions, &order);
    let forced =
        Forced::new(&options.overrides, submissions.len())?.spread(repeated.iter().map(|group| &order[group.clone()]));
    let mut scored = compare_all(input, &order, &weights, heartbeat);
    heartbeat();

    // What is learned from the cohort is learned before anything forced is looked at: a forced link or non-link decides on its own
    // records and moves no other.
    let (mut model, mut training) = (model.clone(), None);
    if let Some(options) = options.training.as_ref().filter(|_| scored.iter().any(|list| !list.is_empty())) {
        let (trained, record) = fit(&evidence(&scored), frequencies.persons, &model, options, heartbeat)?;
        weights = trained.check()?;
        (model, training) = (trained, Some(record));
    }
    let forced_away: Vec<Option<Reason>> = scored
        .par_iter_mut()
        .zip(&order)
        .map(|(list, &s)| {
            let why = forced.settle(s, list, |pair| register[pair.person as usize].person_id);
            list.iter_mut().for_each(|pair| pair.weigh(&weights, frequencies.persons));
            why
        })
        .collect();

    let best_odds: Vec<f64> = scored
        .iter()
        .zip(&order)
        .map(|(list, s)| match forced.links.contains_key(s) {
            true => f64::INFINITY,
            false => list.iter().map(|pair| pair.odds).fold(0.0, f64::max),
        })
        .collect();
    let duplicate = duplicate_submissions(&repeated, &best_odds);
    let competing = |(list, &duplicate): (&Vec<Scored>, &bool)| {
        let edge = |pair: &Scored| Edge { person: pair.person, odds: pair.odds };
        if duplicate { Vec::new() } else { list.iter().map(edge).collect() }
    };
    let edges: Vec<Vec<Edge>> = scored.iter().zip(&duplicate).map(competing).collect();
    let posteriors = marginals(&edges, register.len());
    heartbeat();

    let shared = SharedIdentifiers::new(submissions);
    let prior = weights.prior(frequencies.persons);
    let mut records: Vec<(usize, LinkRecord)> = Vec::with_capacity(order.len());
    for (at, &s) in order.iter().enumerate() {
        let record = if let Some(&person_id) = forced.links.get(&s) {
            LinkRecord::forced(person_id)
        } else if duplicate[at] {
            LinkRecord::duplicate(&scored[at], register)
        } else {
            let circumstances = Circumstances {
                dob_placeholder: submissions[s].dob_placeholder,
                shares_identifier: shared.contains(&submissions[s]),
                forced_away: forced_away[at],
            };
            LinkRecord::decide(&scored[at], &posteriors[at], register, circumstances, &options.thresholds, prior)
        };
        records.push((s, record));
    }
    records.sort_by_key(|(s, _)| *s);
    let records: Vec<LinkRecord> = records.into_iter().map(|(_, record)| record).collect();
    let summary = summarise(&records, &order);
    Ok(LinkOutcome { records, summary, model, training })
}

/// Tells candidates that can matter from the many that only share a blocking key, so that a caller who reads records in portions keeps
/// but few of them: [`link`] gives the same outcome for the candidates kept as for all.
pub struct Screen<'a> {
    prepared: Vec<Prepared<'a>>,
    weights: Weights,
}

impl<'a> Screen<'a> {
    /// A screen for these submissions.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a bad model.
    pub fn new(
        submissions: &'a [SubmittedPerson<'a>],
        frequencies: &'a TermFrequencies,
        model: &Model,
    ) -> Result<Self> {
        let prepared = submissions.par_iter().map(|person| Prepared::new(person, frequencies)).collect();
        Ok(Self { prepared, weights: model.check()? })
    }

    /// The evidence of the submission at this position and a person, if the person can matter to it.
    pub fn evidence(&self, submission: usize, person: &RegisterPerson<'_>) -> Option<Evidence> {
        Scored::evidence(&self.prepared[submission], person, &self.weights)
    }
}

/// Compares one pair, for an explanation ([`super::waterfall`]) or a test.
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
    input: &LinkInput<'_>,
    model: &Model,
    options: &TrainingOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<(Model, TrainingRecord)> {
    let weights = model.check()?;
    input.check()?;
    let order = content_order(input.submissions);
    let scored = compare_all(input, &order, &weights, heartbeat);
    estimate(&evidence(&scored), input.frequencies.persons, model, options, heartbeat)
}

fn evidence(scored: &[Vec<Scored>]) -> Vec<Vec<Evidence>> {
    scored.iter().map(|list| list.iter().map(|pair| pair.evidence).collect()).collect()
}

/// Every pair worth keeping, not weighed yet, by submission in `order`, within a submission by person.
fn compare_all(
    input: &LinkInput<'_>,
    order: &[usize],
    weights: &Weights,
    heartbeat: Heartbeat<'_>,
) -> Vec<Vec<Scored>> {
    let LinkInput { submissions, register, candidates, evidence, frequencies } = *input;
    let of_one = |&s: &usize| -> Vec<Scored> {
        let scored = |(person, evidence)| Scored { person, evidence, weight: PairWeight::NONE, odds: 0.0 };
        let mut list: Vec<Scored> = match evidence {
            Some(found) => candidates[s].iter().copied().zip(found[s].iter().copied()).map(scored).collect(),
            None => {
                let prepared = Prepared::new(&submissions[s], frequencies);
                let found =
                    |&person: &u32| Some((person, Scored::evidence(&prepared, &register[person as usize], weights)?));
                candidates[s].iter().filter_map(found).map(scored).collect()
            }
        };
        list.sort_by_key(|pair| register[pair.person as usize].person_id);
        list.dedup_by_key(|pair| pair.person);
        list
    };
    let mut scored = Vec::with_capacity(order.len());
    for block in order.chunks(BLOCK) {
        heartbeat();
        scored.par_extend(block.par_iter().map(of_one));
    }
    scored
}

impl Scored {
    /// The evidence of a pair, unless it is negligible; one that agrees on an identifier is kept for the conflict check.
    fn evidence(prepared: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Option<Evidence> {
        let evidence = compare(prepared, person, weights);
        let holds_identifier = evidence.level(Comparison::PncId) == levels::ID_EXACT
            || evidence.level(Comparison::Cro) == levels::ID_EXACT;
        // Relatives only take weight off, so most strangers end here.
        let weight = weights.prior(prepared.frequencies.persons) + weights.total(&evidence);
        (weight > NEGLIGIBLE_LOG2_ODDS || holds_identifier).then_some(evidence)
    }

    fn weigh(&mut self, weights: &Weights, persons: u64) {
        self.weight = weights.weigh(&self.evidence, persons);
        // Beyond 2^60 nothing changes but the rounding of sums.
        self.odds = (weights.prior(persons) + self.weight.total()).min(60.0).exp2();
    }
}
