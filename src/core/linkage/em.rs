//! Estimating m, the prior and the number of relatives from a cohort: expectation maximisation over candidate pairs.
//!
//! The latent variable is not "is this pair true" but "which of its candidates is the submission, if any" (the posterior of one
//! submission over its candidates), so that a common name with fifty namesakes counts as one true pair at most. u is not estimated: it comes from
//! the register's counts. Each comparison's m has a Dirichlet prior about the given model worth `prior_pairs` pairs, the share in the
//! register a Beta prior of the same strength; so 60 people move the model little and 20,000 move it to where they are (maximum a
//! posteriori EM: Dempster, Laird and Rubin 1977, section 3; Winkler 1988 for linkage).
//!
//! Relatives are the alternative to *same person* for somebody who is not in the register, so they are counted among the absent alone:
//! a candidate counts as a relative with P(absent) times the share of that kind among its alternatives, and the sum is divided by the
//! expected number of absent people (a Gamma prior updated by a Poisson count). Counted over all submissions, they would come out as
//! rare as the absent are, and every posterior near the threshold too sure.
//!
//! Pairs that agree on a valid PNC id and are not contradicted by both name and date of birth are natural labels: they start the first round as certain.

use serde::{Deserialize, Serialize};

use super::comparison::{COMPARISONS, Comparison, Evidence, MISSING, levels};
use super::model::{Model, Weights};
use super::relative::{RELATIVES, Relative};
use crate::error::{Error, Result};
use crate::number::{Heartbeat, pairwise_sum};

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingOptions {
    /// Strength of the prior, in pairs.
    pub prior_pairs: f64,
    /// Stop when no m moves by more.
    pub tolerance: f64,
    /// Fail after so many rounds.
    pub max_iterations: u32,
}

impl Default for TrainingOptions {
    /// A prior worth 50 pairs: a cohort of 60 and the shipped model then weigh about the same.
    fn default() -> Self {
        Self { prior_pairs: 50.0, tolerance: 1e-4, max_iterations: 100 }
    }
}

impl TrainingOptions {
    /// For a cohort that is about to be linked: a prior worth 200 pairs, so that sixty people move the model little and ten thousand
    /// decide. A change of a thousandth in an m moves no weight by more than the rounding of a level's share.
    pub fn one_cohort() -> Self {
        Self { prior_pairs: 200.0, tolerance: 1e-3, ..Self::default() }
    }
}

/// What the training saw and did; kept with the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Submissions trained on.
    pub submissions: usize,
    /// Candidate pairs compared.
    pub pairs: usize,
    /// Pairs labelled by an agreeing PNC id.
    pub labelled_pairs: usize,
    /// Expected number of true pairs.
    pub expected_true_pairs: f64,
    /// Rounds made.
    pub iterations: u32,
    /// Largest change of an m in the last round.
    pub last_change: f64,
    /// Logarithm (base 2) of the evidence's likelihood against everyone being a stranger, after the last round.
    pub log2_likelihood: f64,
}

/// How many absent people the prior of a number of relatives is worth; `None` where it is not estimated. Fifty are those of a cohort of
/// five hundred. A double looks like a true pair whose other fields went wrong, so it takes ten times as many to be believed. Of
/// siblings most are so unlike that no candidate search brings them up: those that it does bring up do not show how many there are.
fn prior_absent(relative: Relative) -> Option<f64> {
    match relative {
        Relative::Twin | Relative::Namesake => Some(50.0),
        Relative::Double => Some(500.0),
        Relative::Sibling => None,
    }
}

/// Re-estimates `model` from the evidence of each submission's candidates, in a register of `persons`.
///
/// # Errors
/// [`Error::InvalidInput`] for a bad model or option, [`Error::TooFew`] without any pair, [`Error::NotConverged`].
///
/// `heartbeat` is called once a round.
pub fn estimate(
    candidates: &[Vec<Evidence>],
    persons: u64,
    model: &Model,
    options: &TrainingOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<(Model, TrainingRecord)> {
    let (model, record) = fit(candidates, persons, model, options, heartbeat)?;
    if record.last_change > options.tolerance {
        let what = format!("linkage training (last change {:.1e})", record.last_change);
        return Err(Error::NotConverged { what, iterations: options.max_iterations });
    }
    Ok((model, record))
}

/// As [`estimate`], but where the rounds run out the model is taken as it is then: every round makes the cohort likelier.
pub(super) fn fit(
    candidates: &[Vec<Evidence>],
    persons: u64,
    model: &Model,
    options: &TrainingOptions,
    heartbeat: Heartbeat<'_>,
) -> Result<(Model, TrainingRecord)> {
    use rayon::prelude::*;
    let prior_pairs = options.prior_pairs;
    let positive = |x: f64| x.is_finite() && x > 0.0;
    if !positive(prior_pairs) || !positive(options.tolerance) {
        return Err(Error::invalid("training options", "prior_pairs and tolerance must be above 0"));
    }
    let pairs: usize = candidates.iter().map(Vec::len).sum();
    if pairs == 0 {
        return Err(Error::too_few("candidate pairs to train on", 0, 1));
    }
    let labelled_pairs = candidates.iter().flatten().filter(|evidence| is_label(evidence)).count();

    let mut current = model.clone();
    let mut record = TrainingRecord {
        submissions: candidates.len(),
        pairs,
        labelled_pairs,
        expected_true_pairs: 0.0,
        iterations: 0,
        last_change: f64::INFINITY,
        log2_likelihood: 0.0,
    };
    while record.last_change > options.tolerance && record.iterations < options.max_iterations {
        heartbeat();
        record.iterations += 1;
        let weights = current.check()?;
        let use_labels = record.iterations == 1;
        // Fixed blocks, added up in order: the same sums with any number of threads.
        let blocks: Vec<Expected> = candidates
            .par_chunks(256)
            .map(|block| {
                let mut sum = Expected::default();
                block.iter().for_each(|list| sum.add(list, &weights, persons, use_labels));
                sum
            })
            .collect();
        let expected = Expected::total(&blocks);

        let mut next = current.clone();
        let mut last_change = 0.0_f64;
        for (at, (parameters, shipped)) in next.comparisons.iter_mut().zip(&model.comparisons).enumerate() {
            let seen: f64 = expected.levels[at].iter().sum();
            for (level, (new, old)) in parameters.levels.iter_mut().zip(&shipped.levels).enumerate() {
                let m = (expected.levels[at][level + 1] + prior_pairs * old.m) / (seen + prior_pairs);
                last_change = last_change.max((m - new.m).abs());
                new.m = m;
            }
        }
        for (at, (new, old)) in next.relatives.iter_mut().zip(&model.relatives).enumerate() {
            if let Some(strength) = prior_absent(new.0) {
                let number = (expected.relatives[at] + strength * old.1) / (expected.absent + strength);
                last_change = last_change.max((number - new.1).abs());
                new.1 = number;
            }
        }
        let in_register = (expected.true_pairs + prior_pairs * model.probability_in_register)
            / (candidates.len() as f64 + prior_pairs);
        last_change = last_change.max((in_register - next.probability_in_register).abs());
        next.probability_in_register = in_register;
        current = next;
        record.last_change = last_change;
        record.expected_true_pairs = expected.true_pairs;
        record.log2_likelihood = expected.log2_likelihood;
    }
    Ok((current, record))
}

/// A pair that an agreeing valid PNC id labels as true.
fn is_label(evidence: &Evidence) -> bool {
    let name_differs = evidence.level(Comparison::Forename) == levels::DIFFERENT_FORENAME
        && evidence.level(Comparison::Surname) == levels::DIFFERENT_SURNAME;
    let dob_differs = evidence.level(Comparison::DateOfBirth) > levels::DOB_WITHIN_TWO_YEARS;
    evidence.level(Comparison::PncId) == levels::ID_EXACT && !name_differs && !dob_differs
}

/// Expected counts of one round.
#[derive(Default)]
struct Expected {
    levels: [[f64; super::comparison::MAX_LEVELS]; COMPARISONS],
    true_pairs: f64,
    absent: f64,
    relatives: [f64; RELATIVES],
    log2_likelihood: f64,
}

impl Expected {
    fn add(&mut self, candidates: &[Evidence], weights: &Weights, persons: u64, use_labels: bool) {
        let prior = weights.prior(persons);
        // Of each pair its odds, and of each kind of relative the probability that it is one if it is not the same person.
        let pairs: Vec<(f64, [f64; RELATIVES])> = candidates
            .iter()
            .map(|evidence| {
                let alternatives = weights.alternatives(evidence, persons);
                let all = 1.0 + alternatives.iter().sum::<f64>();
                ((prior + weights.total(evidence)).exp2() / all, alternatives.map(|one| one / all))
            })
            .collect();
        let total = 1.0 + pairs.iter().map(|pair| pair.0).sum::<f64>();
        self.log2_likelihood += total.log2() - (1.0 + weights.log2_odds_in_register.exp2()).log2();
        let labels = candidates.iter().filter(|e| is_label(e)).count();
        let absent = if use_labels && labels == 1 { 0.0 } else { 1.0 / total };
        self.absent += absent;
        for (evidence, (odds, relatives)) in candidates.iter().zip(pairs) {
            let probability = match (use_labels && labels == 1, is_label(evidence)) {
                (true, true) => 1.0,
                (true, false) => 0.0,
                (false, _) => odds / total,
            };
            self.true_pairs += probability;
            for (count, share) in self.relatives.iter_mut().zip(relatives) {
                *count += absent * share;
            }
            for (counts, &level) in self.levels.iter_mut().zip(&evidence.levels) {
                if level != MISSING {
                    counts[usize::from(level)] += probability;
                }
            }
        }
    }

    fn total(blocks: &[Self]) -> Self {
        let sum = |value: &dyn Fn(&Self) -> f64| pairwise_sum(&blocks.iter().map(value).collect::<Vec<_>>());
        let mut total = Self {
            true_pairs: sum(&|b| b.true_pairs),
            absent: sum(&|b| b.absent),
            log2_likelihood: sum(&|b| b.log2_likelihood),
            ..Self::default()
        };
        for (at, count) in total.relatives.iter_mut().enumerate() {
            *count = sum(&|b| b.relatives[at]);
        }
        for (at, row) in total.levels.iter_mut().enumerate() {
            for (level, count) in row.iter_mut().enumerate() {
                *count = sum(&|b| b.levels[at][level]);
            }
        }
        total
    }
}
