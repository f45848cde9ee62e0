//! The alternative to *the same person* is not only *a stranger*: it may be a relative.
//!
//! A twin shares surname, date of birth and often the address; a father shares the surname, the address and sometimes the forename. Under
//! the hypothesis of strangers such a pair collects thirty bits and is linked. So the probability of the evidence under *not the same
//! person* is a mixture: strangers, and for each kind of relative the expected number of them in the register per submission, times the
//! probability of the evidence among such relatives. The match weight falls by log2(1 + sum over kinds of n/N * P(evidence | kind) /
//! P(evidence | strangers)), where N is the number of register persons.

use serde::{Deserialize, Serialize};

use super::comparison::{COMPARISONS, Comparison, MAX_LEVELS};
use crate::error::{Error, Result};

/// How a register person may be related to the person submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relative {
    /// A twin: same date of birth, other forename.
    Twin,
    /// A sibling or another member of the household: same surname or address, other forename and date of birth.
    Sibling,
    /// A parent or child of the same forename and surname.
    Namesake,
    /// Anybody with the same name and date of birth beyond chance: people give the police the name and date of birth of someone they know.
    Double,
}

/// How many kinds of relatives there are.
pub const RELATIVES: usize = 4;

impl Relative {
    /// Every kind, in order.
    pub const ALL: [Self; RELATIVES] = [Self::Twin, Self::Sibling, Self::Namesake, Self::Double];

    /// Stable name, snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Twin => "twin",
            Self::Sibling => "sibling",
            Self::Namesake => "namesake",
            Self::Double => "double",
        }
    }

    /// Default expected number of such relatives in the register of a person who is not in it.
    ///
    /// Three people in a hundred are twins, and an offender's twin mostly has a record too; about one in five has a sibling
    /// in the register; one or two in a hundred a parent or child of the same name there; three in a thousand a double. Training
    /// replaces them by what the cohort shows.
    pub fn default_number(self) -> f64 {
        match self {
            Self::Twin => 0.03,
            Self::Sibling => 0.20,
            Self::Namesake => 0.015,
            Self::Double => 0.003,
        }
    }
}

/// How one comparison is distributed among relatives.
enum Among {
    /// As among true pairs: what the two have in common is one fact written twice.
    TruePairs,
    /// In its own way; levels in order.
    Levels(&'static [f64]),
}

/// Comparisons not named are as among strangers. Every probability is a rounded judgement; they matter by orders of magnitude only, and
/// the tests on planted twins and namesakes say whether they are good enough.
fn profile(relative: Relative, comparison: Comparison) -> Option<Among> {
    use Among::{Levels, TruePairs};
    use Comparison::{DateOfBirth, Forename, Gender, MiddleName, PncId, Postcode, Surname};
    // exact, nickname, initial, other given name, similar, close, first letter, different
    const OTHER_FORENAME: Among = Levels(&[0.0005, 0.001, 0.002, 0.006, 0.02, 0.04, 0.11, 0.8205]);
    const SAME_FORENAME: Among = Levels(&[0.93, 0.03, 0.012, 0.01, 0.01, 0.003, 0.002, 0.003]);
    Some(match (relative, comparison) {
        (Relative::Namesake | Relative::Double, Forename) => SAME_FORENAME,
        (_, Forename) => OTHER_FORENAME,
        (Relative::Twin | Relative::Namesake | Relative::Double, Surname) => TruePairs,
        (Relative::Sibling, Surname) => Levels(&[0.75, 0.03, 0.02, 0.01, 0.19]),
        (Relative::Twin | Relative::Double, DateOfBirth) => TruePairs,
        // exact, alias, swapped, one slip, two parts, within two years, generation, different
        (Relative::Sibling, DateOfBirth) => Levels(&[0.0002, 0.0001, 0.0001, 0.012, 0.02, 0.30, 0.08, 0.5876]),
        (Relative::Namesake, DateOfBirth) => Levels(&[0.0001, 0.0001, 0.0001, 0.0015, 0.006, 0.0005, 0.94, 0.0517]),
        // full, sector, district, area, different
        (Relative::Twin | Relative::Sibling, Postcode) => Levels(&[0.40, 0.05, 0.08, 0.22, 0.25]),
        (Relative::Namesake, Postcode) => Levels(&[0.45, 0.05, 0.08, 0.20, 0.22]),
        (Relative::Twin, Gender) => Levels(&[0.80, 0.20]),
        (Relative::Namesake | Relative::Double, Gender) => TruePairs,
        (Relative::Namesake, MiddleName) => Levels(&[0.30, 0.10, 0.60]),
        // A provider, or the register, may have taken one relative's id for the other's.
        (Relative::Twin | Relative::Sibling | Relative::Namesake, PncId) => {
            Levels(&[0.004, 0.000_01, 0.000_1, 0.995_89])
        }
        _ => return None,
    })
}

/// log2 of the probabilities of every level among relatives of one kind; `None` where they are as among strangers.
#[derive(Debug, Clone)]
pub(crate) struct RelativeWeights {
    pub(crate) relative: Relative,
    pub(crate) log2_number: f32,
    levels: [Option<[f32; MAX_LEVELS]>; COMPARISONS],
}

impl RelativeWeights {
    /// `number` expected relatives per submission; `m` the model's probabilities among true pairs.
    pub(crate) fn new(relative: Relative, number: f64, m: &dyn Fn(Comparison) -> Vec<f64>) -> Result<Self> {
        let mut levels = [None; COMPARISONS];
        for comparison in Comparison::ALL {
            let probabilities = match profile(relative, comparison) {
                None => continue,
                Some(Among::TruePairs) => m(comparison),
                Some(Among::Levels(levels)) => levels.to_vec(),
            };
            if probabilities.len() != comparison.levels().len() {
                return Err(Error::Bug(format!("{} of a {} has the wrong levels", comparison.name(), relative.name())));
            }
            let mut row = [0.0; MAX_LEVELS];
            for (slot, p) in row[1..].iter_mut().zip(probabilities) {
                *slot = p.log2() as f32;
            }
            levels[comparison as usize] = Some(row);
        }
        Ok(Self { relative, log2_number: number.log2() as f32, levels })
    }

    /// log2 of P(evidence | relatives of this kind) / P(evidence | strangers).
    pub(crate) fn log2_ratio(&self, evidence: &super::comparison::Evidence) -> f32 {
        let mut ratio = 0.0;
        for at in 0..COMPARISONS {
            if let (Some(row), level @ 1..) = (&self.levels[at], evidence.levels[at]) {
                ratio += row[usize::from(level)] - evidence.log2_u[at];
            }
        }
        ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_among_relatives_sum_to_one() {
        for relative in Relative::ALL {
            for comparison in Comparison::ALL {
                if let Some(Among::Levels(levels)) = profile(relative, comparison) {
                    assert_eq!(levels.len(), comparison.levels().len());
                    let sum: f64 = levels.iter().sum();
                    assert!((sum - 1.0).abs() < 1e-9, "{} {}: {sum}", relative.name(), comparison.name());
                }
            }
        }
    }
}
