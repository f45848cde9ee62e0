//! Why a pair got its weight: Splink's waterfall, in levels, never in values.

use serde::Serialize;

use super::comparison::{Comparison, Evidence};
use super::model::Weights;

/// One bar of the waterfall.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// `starting_weight`, a comparison's name, or `relatives`.
    pub comparison: &'static str,
    /// The level it is on.
    pub level: &'static str,
    /// log2; the bars sum to the pair's match weight.
    pub match_weight: f64,
}

/// The bars of a pair's match weight in a register of `persons`: starting weight, every comparison, what the relatives take off.
pub fn waterfall(weights: &Weights, evidence: &Evidence, persons: u64) -> Vec<Bar> {
    let mut bars = vec![Bar { comparison: "starting_weight", level: "prior", match_weight: weights.prior(persons) }];
    bars.extend(Comparison::ALL.into_iter().map(|comparison| {
        let level = evidence.level(comparison);
        let match_weight = weights.comparison(evidence, comparison);
        Bar { comparison: comparison.name(), level: comparison.level_name(level), match_weight }
    }));
    let pair = weights.weigh(evidence, persons);
    let kind = pair.likeliest_relative.map_or("none", |relative| relative.name());
    bars.push(Bar { comparison: "relatives", level: kind, match_weight: pair.relatives });
    bars
}
