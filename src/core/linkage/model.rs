//! The linkage model: m and u of every level, the prior, the relatives; and the match weights they make.

use serde::{Deserialize, Serialize};

use super::comparison::{COMPARISONS, Comparison, Evidence, MAX_LEVELS};
use super::relative::{RELATIVES, Relative, RelativeWeights};
use crate::error::{Error, Result};

/// The version of the model's form: comparisons, levels and their order.
pub const MODEL_VERSION: u16 = 1;

/// m and u of one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelParameters {
    /// The level's name.
    pub level: String,
    /// Probability among true pairs.
    pub m: f64,
    /// Probability among strangers, used where the register's counts do not say.
    pub u: f64,
}

/// One comparison's parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonParameters {
    /// What is compared.
    pub comparison: Comparison,
    /// Its levels, in order, without *missing*.
    pub levels: Vec<LevelParameters>,
}

/// A model as it is stored (JSON through serde). [`Model::check`] makes it usable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// [`MODEL_VERSION`] at the time of writing.
    pub version: u16,
    /// Probability that a submitted person is in the register at all.
    pub probability_in_register: f64,
    /// Expected number of each kind of relatives in the register of a submitted person who is not in it.
    pub relatives: Vec<(Relative, f64)>,
    /// Every comparison, in order.
    pub comparisons: Vec<ComparisonParameters>,
}

impl Default for Model {
    /// The shipped defaults. Nine in ten submitted people are in the register: real requests lost 4 to 11 in a hundred here (the pilot reports of the Justice Data Lab, 2013 and 2014).
    /// The reasons for m and u stand beside each comparison's levels.
    fn default() -> Self {
        let comparisons = Comparison::ALL.map(|comparison| ComparisonParameters {
            comparison,
            levels: comparison
                .levels()
                .iter()
                .map(|spec| LevelParameters { level: spec.name.to_owned(), m: spec.m, u: spec.u })
                .collect(),
        });
        Self {
            version: MODEL_VERSION,
            probability_in_register: 0.9,
            relatives: Relative::ALL.map(|relative| (relative, relative.default_number())).to_vec(),
            comparisons: comparisons.to_vec(),
        }
    }
}

impl Model {
    /// The m probabilities of one comparison.
    pub fn m(&self, comparison: Comparison) -> Vec<f64> {
        self.comparisons[comparison as usize].levels.iter().map(|level| level.m).collect()
    }

    /// Checks the form and range of every parameter and works out the weights.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the parameter that is missing, out of order or out of range.
    pub fn check(&self) -> Result<Weights> {
        if self.version != MODEL_VERSION {
            return Err(Error::invalid("model", "is of another version; train it again"));
        }
        if !(self.probability_in_register > 0.0 && self.probability_in_register < 1.0) {
            return Err(Error::invalid("probability_in_register", "must lie between 0 and 1"));
        }
        if self.comparisons.iter().map(|c| c.comparison).ne(Comparison::ALL) {
            return Err(Error::invalid("comparisons", "must be all comparisons in their order"));
        }
        let mut weights = Weights {
            log2_m: [[0.0; MAX_LEVELS]; COMPARISONS],
            u: [[1.0; MAX_LEVELS]; COMPARISONS],
            log2_odds_in_register: (self.probability_in_register / (1.0 - self.probability_in_register)).log2(),
            relatives: Vec::new(),
        };
        for parameters in &self.comparisons {
            let comparison = parameters.comparison;
            if parameters.levels.iter().map(|level| level.level.as_str()).ne(comparison.levels().iter().map(|s| s.name))
            {
                return Err(Error::invalid(comparison.name(), "must have its own levels in their order"));
            }
            for (at, level) in parameters.levels.iter().enumerate() {
                let probability = |p: f64| p > 0.0 && p <= 1.0;
                if !probability(level.m) || !probability(level.u) {
                    return Err(Error::invalid(comparison.name(), "m and u must be above 0 and at most 1"));
                }
                weights.log2_m[comparison as usize][at + 1] = level.m.log2();
                weights.u[comparison as usize][at + 1] = level.u;
            }
            let sum: f64 = parameters.levels.iter().map(|level| level.m).sum();
            if (sum - 1.0).abs() > 1e-6 {
                return Err(Error::invalid(comparison.name(), "m must sum to 1 over the levels"));
            }
        }
        if self.relatives.iter().map(|(relative, _)| *relative).ne(Relative::ALL) {
            return Err(Error::invalid("relatives", "must be all kinds in their order"));
        }
        for &(relative, number) in &self.relatives {
            if !(number > 0.0 && number < 100.0) {
                return Err(Error::invalid(relative.name(), "the expected number must be above 0 and below 100"));
            }
            weights.relatives.push(RelativeWeights::new(relative, number, &|comparison| self.m(comparison))?);
        }
        Ok(weights)
    }
}

/// A checked model, ready to weigh evidence. All logarithms are to the base 2.
#[derive(Debug, Clone)]
pub struct Weights {
    log2_m: [[f64; MAX_LEVELS]; COMPARISONS],
    u: [[f64; MAX_LEVELS]; COMPARISONS],
    pub(crate) log2_odds_in_register: f64,
    pub(crate) relatives: Vec<RelativeWeights>,
}

/// The weight of a pair's evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairWeight {
    /// log2 of P(evidence | same person) / P(evidence | strangers): the sum of the comparisons' match weights.
    pub against_strangers: f64,
    /// What the relatives take off it; 0 or less.
    pub relatives: f64,
    /// The kind of relative that takes off most.
    pub likeliest_relative: Option<Relative>,
}

impl PairWeight {
    /// No evidence.
    pub const NONE: Self = Self { against_strangers: 0.0, relatives: 0.0, likeliest_relative: None };

    /// log2 of P(evidence | same person) / P(evidence | not the same person).
    pub fn total(&self) -> f64 {
        self.against_strangers + self.relatives
    }
}

impl Weights {
    pub(crate) fn u(&self, comparison: Comparison, level: u8) -> f64 {
        self.u[comparison as usize][usize::from(level)]
    }

    /// The match weight of one comparison.
    pub(crate) fn comparison(&self, evidence: &Evidence, comparison: Comparison) -> f64 {
        let at = comparison as usize;
        self.log2_m[at][usize::from(evidence.levels[at])] - f64::from(evidence.log2_u[at])
    }

    /// The sum of the comparisons' match weights.
    pub(crate) fn total(&self, evidence: &Evidence) -> f64 {
        Comparison::ALL.into_iter().map(|comparison| self.comparison(evidence, comparison)).sum()
    }

    /// The sum of some comparisons' match weights.
    pub(crate) fn subtotal(&self, evidence: &Evidence, comparisons: &[Comparison]) -> f64 {
        comparisons.iter().map(|&comparison| self.comparison(evidence, comparison)).sum()
    }

    /// The weight of a pair in a register of `persons`.
    pub fn weigh(&self, evidence: &Evidence, persons: u64) -> PairWeight {
        let alternatives = self.alternatives(evidence, persons);
        let likeliest = (1..RELATIVES).fold(0, |top, at| if alternatives[at] > alternatives[top] { at } else { top });
        PairWeight {
            against_strangers: self.total(evidence),
            relatives: -(1.0 + alternatives.iter().sum::<f64>()).log2(),
            likeliest_relative: self.relatives.get(likeliest).map(|weights| weights.relative),
        }
    }

    /// For each kind of relative, in the model's order: how much likelier one of them is than a stranger, given the evidence.
    pub(crate) fn alternatives(&self, evidence: &Evidence, persons: u64) -> [f64; RELATIVES] {
        let log2_persons = (persons.max(1) as f64).log2();
        std::array::from_fn(|at| {
            let relative = &self.relatives[at];
            (f64::from(relative.log2_number + relative.log2_ratio(evidence)) - log2_persons).exp2()
        })
    }

    /// The starting weight: log2 of the odds that a given one of `persons` is the person submitted, against their not being in the register.
    pub fn prior(&self, persons: u64) -> f64 {
        self.log2_odds_in_register - (persons.max(1) as f64).log2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_model_survives_storage_and_is_valid() {
        let model = Model::default();
        model.check().unwrap();
        let text = serde_json::to_string(&model).unwrap();
        let back: Model = serde_json::from_str(&text).unwrap();
        assert_eq!(back, model);
    }

    #[test]
    fn a_bad_model_is_refused_by_the_name_of_what_is_wrong() {
        let refuse = |break_it: &dyn Fn(&mut Model)| {
            let mut model = Model::default();
            break_it(&mut model);
            model.check().unwrap_err().to_string()
        };
        assert!(refuse(&|m| m.version = 0).contains("version"));
        assert!(refuse(&|m| m.probability_in_register = 1.0).contains("probability_in_register"));
        assert!(refuse(&|m| m.comparisons.swap(0, 1)).contains("comparisons"));
        assert!(refuse(&|m| m.comparisons[4].levels[0].m = 0.0).contains("surname"));
        assert!(refuse(&|m| m.comparisons[4].levels[0].m = 0.5).contains("sum to 1"));
        assert!(refuse(&|m| m.comparisons[4].levels.truncate(2)).contains("surname"));
        assert!(refuse(&|m| m.relatives[0].1 = f64::NAN).contains("twin"));
        assert!(refuse(&|m| m.relatives.clear()).contains("relatives"));
    }
}
