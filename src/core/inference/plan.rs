//! The frozen analysis plan: what will be tested, fixed and hashed before outcomes are read.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::calendar::FollowUpLength;
use crate::error::{Error, Result};

use super::absent::Confidence;
use super::measure::Measure;
use super::sub_groups::SubGroupBy;

/// More sub-groups than this are a search, not a plan; each makes every adjusted p-value larger.
pub const MOST_SUB_GROUPS: usize = 20;

/// What will be analysed and how. Two plans are the same plan exactly if their canonical bytes are the same.
///
/// The fields stand in alphabetical order, which is the order of the canonical bytes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnalysisPlan {
    /// Level of every interval; a p-value of at most 1 - level is called significant.
    pub confidence: Confidence,
    /// The measures whose p-values are adjusted together.
    pub family: BTreeSet<Measure>,
    /// Months in which an offence must be committed.
    pub follow_up_months: u16,
    /// Covariates whose sub-groups are tested for having different effects. Without it no difference between them is claimed.
    pub interaction_tests: BTreeSet<SubGroupBy>,
    /// Names of the offence groups that count; none means all.
    pub offence_groups: BTreeSet<String>,
    /// Draws of the permutation test.
    pub permutation_draws: u32,
    /// The measure on which the conclusion rests.
    pub primary_measure: Measure,
    /// Seed of everything random.
    pub seed: u64,
    /// The sub-groups for which the primary measure is analysed as well, as levels of covariates; their tests belong to the
    /// family. Nothing is said about any other.
    #[serde(deserialize_with = "levels")]
    pub sub_groups: BTreeMap<SubGroupBy, BTreeSet<String>>,
    /// Months after the follow-up in which it may still be proven.
    pub waiting_months: u16,
}

impl Default for AnalysisPlan {
    /// The lab's one-year analysis: the rate is primary, all measures are one family, 95%, 12 and 6 months.
    fn default() -> Self {
        Self {
            primary_measure: Measure::ReoffendingRate,
            family: Measure::ALL.into_iter().collect(),
            confidence: Confidence::P95,
            follow_up_months: 12,
            waiting_months: 6,
            offence_groups: BTreeSet::new(),
            sub_groups: BTreeMap::new(),
            interaction_tests: BTreeSet::new(),
            permutation_draws: 10_000,
            seed: 1,
        }
    }
}

impl AnalysisPlan {
    /// The largest p-value that counts as significant: 1 - confidence, without the rounding error of the subtraction,
    /// so that p = 0.05 is significant at 95%.
    pub fn significance_level(&self) -> f64 {
        (self.confidence.alpha() * 1e12).round() / 1e12
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// `InvalidInput` on `family` (it must hold the primary measure), `follow_up_months`, `waiting_months`,
    /// `permutation_draws`, `offence_groups` or `sub_groups` (names must not be blank, and at most [`MOST_SUB_GROUPS`] are
    /// named), `interaction_tests` (of covariates with two sub-groups or more).
    pub fn check(&self) -> Result<()> {
        if !self.family.contains(&self.primary_measure) {
            return Err(Error::invalid("family", "must hold the primary measure"));
        }
        if !(1..=10_000_000).contains(&self.permutation_draws) {
            return Err(Error::invalid("permutation_draws", "must lie between 1 and 10000000"));
        }
        let blank = |names: &BTreeSet<String>| names.iter().any(|name| name.trim().is_empty());
        if blank(&self.offence_groups) {
            return Err(Error::invalid("offence_groups", "must not hold a blank name"));
        }
        if self.sub_groups.values().any(|levels| levels.is_empty() || blank(levels)) {
            return Err(Error::invalid(
                "sub_groups",
                "must name a level or more of each covariate, none of them blank",
            ));
        }
        if self.sub_groups.values().map(BTreeSet::len).sum::<usize>() > MOST_SUB_GROUPS {
            return Err(Error::invalid("sub_groups", format!("must name at most {MOST_SUB_GROUPS}")));
        }
        if self.interaction_tests.iter().any(|by| self.sub_groups.get(by).is_none_or(|levels| levels.len() < 2)) {
            return Err(Error::invalid("interaction_tests", "must name covariates with two sub-groups or more"));
        }
        self.length().map(|_| ())
    }

    /// How long people are followed.
    ///
    /// # Errors
    /// `InvalidInput` on `follow_up_months` or `waiting_months`.
    pub fn length(&self) -> Result<FollowUpLength> {
        FollowUpLength::new(self.follow_up_months, self.waiting_months)
    }

    /// The bytes that are hashed: JSON without white space, keys and sets in order, numbers in their shortest form.
    ///
    /// # Errors
    /// As [`AnalysisPlan::check`].
    pub fn canonical_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        serde_json::to_vec(self).map_err(|e| Error::Bug(e.to_string()))
    }
}

/// The levels of each covariate; a plan of 0.1.0 has an empty list there.
fn levels<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<BTreeMap<SubGroupBy, BTreeSet<String>>, D::Error> {
    struct Levels;
    impl<'de> Visitor<'de> for Levels {
        type Value = BTreeMap<SubGroupBy, BTreeSet<String>>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("sub_groups as lists of levels by covariate")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Self::Value, A::Error> {
            Deserialize::deserialize(MapAccessDeserializer::new(map))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Self::Value, A::Error> {
            match list.next_element::<IgnoredAny>()? {
                None => Ok(BTreeMap::new()),
                Some(_) => Err(serde::de::Error::invalid_type(Unexpected::Seq, &self)),
            }
        }
    }
    from.deserialize_any(Levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn genders() -> BTreeMap<SubGroupBy, BTreeSet<String>> {
        BTreeMap::from([(SubGroupBy::Gender, BTreeSet::from(["female".to_owned(), "male".to_owned()]))])
    }

    #[test]
    fn canonical_bytes_do_not_depend_on_how_a_plan_was_written() {
        let short: AnalysisPlan = serde_json::from_str(r#"{"seed": 7, "offence_groups": ["b", "a", "b"]}"#).unwrap();
        let long: AnalysisPlan = serde_json::from_str(
            r#"{"offence_groups":["a","b"],"waiting_months":6,"confidence":0.950,"seed":7,"follow_up_months":12}"#,
        )
        .unwrap();
        assert_eq!(short.canonical_bytes().unwrap(), long.canonical_bytes().unwrap());
        let text = String::from_utf8(short.canonical_bytes().unwrap()).unwrap();
        assert!(text.starts_with(r#"{"confidence":0.95,"family":["reoffending_rate","#), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert!(keys.is_sorted() && keys.len() == 10, "{keys:?}");
        let back: AnalysisPlan = serde_json::from_str(&text).unwrap();
        assert_eq!(back, short);
    }

    #[test]
    fn every_setting_changes_the_bytes() {
        let plain = AnalysisPlan::default();
        let changed = [
            AnalysisPlan { primary_measure: Measure::ReoffenceFrequency, ..plain.clone() },
            AnalysisPlan { family: BTreeSet::from([Measure::ReoffendingRate]), ..plain.clone() },
            AnalysisPlan { confidence: Confidence::new(0.9).unwrap(), ..plain.clone() },
            AnalysisPlan { follow_up_months: 24, ..plain.clone() },
            AnalysisPlan { waiting_months: 7, ..plain.clone() },
            AnalysisPlan { offence_groups: BTreeSet::from(["violence".to_owned()]), ..plain.clone() },
            AnalysisPlan { sub_groups: genders(), ..plain.clone() },
            AnalysisPlan {
                sub_groups: genders(),
                interaction_tests: BTreeSet::from([SubGroupBy::Gender]),
                ..plain.clone()
            },
            AnalysisPlan { permutation_draws: 9, ..plain.clone() },
            AnalysisPlan { seed: u64::MAX, ..plain.clone() },
        ];
        let mut all: Vec<Vec<u8>> = changed.iter().map(|p| p.canonical_bytes().unwrap()).collect();
        all.push(plain.canonical_bytes().unwrap());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), changed.len() + 1);
    }

    #[test]
    fn a_plan_that_cannot_be_followed_is_refused() {
        let plain = AnalysisPlan::default();
        let field = |plan: AnalysisPlan| match plan.canonical_bytes() {
            Err(Error::InvalidInput { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(AnalysisPlan { follow_up_months: 0, ..plain.clone() }), "follow_up_months");
        assert_eq!(field(AnalysisPlan { waiting_months: 999, ..plain.clone() }), "waiting_months");
        assert_eq!(field(AnalysisPlan { permutation_draws: 0, ..plain.clone() }), "permutation_draws");
        assert_eq!(field(AnalysisPlan { family: BTreeSet::new(), ..plain.clone() }), "family");
        let named = |levels: &[&str]| {
            BTreeMap::from([(SubGroupBy::Region, levels.iter().map(|level| (*level).to_owned()).collect())])
        };
        assert_eq!(field(AnalysisPlan { sub_groups: named(&[" "]), ..plain.clone() }), "sub_groups");
        assert_eq!(field(AnalysisPlan { sub_groups: named(&[]), ..plain.clone() }), "sub_groups");
        let tested = BTreeSet::from([SubGroupBy::Region]);
        assert_eq!(
            field(AnalysisPlan { sub_groups: named(&["Wales"]), interaction_tests: tested.clone(), ..plain.clone() }),
            "interaction_tests"
        );
        assert_eq!(field(AnalysisPlan { interaction_tests: tested, ..plain }), "interaction_tests");
        assert!(serde_json::from_str::<AnalysisPlan>(r#"{"sub_groups": {"shoe_size": ["9"]}}"#).is_err());
        assert!(serde_json::from_str::<AnalysisPlan>(r#"{"confidence": 1.0}"#).is_err());
        assert!(serde_json::from_str::<AnalysisPlan>(r#"{"confidense": 0.9}"#).is_err());
    }

    #[test]
    fn a_plan_of_the_version_before_is_read() {
        let old: AnalysisPlan = serde_json::from_str(r#"{"seed": 7, "sub_groups": []}"#).unwrap();
        assert_eq!(old, AnalysisPlan { seed: 7, ..AnalysisPlan::default() });
        assert!(serde_json::from_str::<AnalysisPlan>(r#"{"sub_groups": ["women"]}"#).is_err());
        let new: AnalysisPlan = serde_json::from_str(r#"{"sub_groups": {"gender": ["male", "female"]}}"#).unwrap();
        assert_eq!(new.sub_groups, genders());
    }

    #[test]
    fn a_p_value_of_five_percent_is_significant_at_95_percent() {
        assert_eq!(AnalysisPlan::default().significance_level(), 0.05);
    }
}
