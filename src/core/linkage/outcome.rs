//! What comes out of linkage: one record a submission, and the counts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::comparison::Evidence;
use super::decision::{Candidate, Circumstances, Reason, Status, Thresholds, decide};
use super::em::TrainingRecord;
use super::link::Scored;
use super::model::Model;
use super::posterior::Marginal;
use super::record::RegisterPerson;
use crate::number::pairwise_sum;

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
    /// The model that decided: the given one, or the one trained from it.
    pub model: Model,
    /// How it was trained, if it was.
    pub training: Option<TrainingRecord>,
}

impl LinkRecord {
    /// Decides on one submission.
    pub(super) fn decide(
        scored: &[Scored],
        posteriors: &[Marginal],
        register: &[RegisterPerson<'_>],
        circumstances: Circumstances,
        thresholds: &Thresholds,
        prior: f64,
    ) -> Self {
        let blind: Vec<f64> =
            scored.iter().map(|pair| (prior + pair.weight.against_strangers).min(60.0).exp2()).collect();
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
        Self {
            status,
            reason,
            person_id: best.map(|c| c.person.person_id),
            match_weight: best.map(|c| prior + c.weight.total()),
            match_probability: best.map(|c| c.probability),
            in_register: posteriors.iter().map(|p| p.probability).sum::<f64>().min(1.0),
            evidence: best.map(|c| *c.evidence),
        }
    }

    /// A link that an approver forced.
    pub(super) fn forced(person_id: i64) -> Self {
        Self {
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
    pub(super) fn duplicate(scored: &[Scored], register: &[RegisterPerson<'_>]) -> Self {
        let id = |pair: &Scored| register[pair.person as usize].person_id;
        let best = scored.iter().max_by(|a, b| a.odds.total_cmp(&b.odds).then(id(b).cmp(&id(a))));
        Self {
            status: Status::Unlinked,
            reason: Some(Reason::DuplicateSubmission),
            person_id: best.map(id),
            match_weight: None,
            match_probability: None,
            in_register: 0.0,
            evidence: best.map(|pair| pair.evidence),
        }
    }
}

/// Counts the records; sums run in `order`.
pub(super) fn summarise(records: &[LinkRecord], order: &[usize]) -> LinkSummary {
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
