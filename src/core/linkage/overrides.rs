//! An approver's decisions: links and non-links that stand above the evidence.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::decision::Reason;
use crate::error::{Error, Result};

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

/// An approver's decisions, checked.
#[derive(Default)]
pub(super) struct Forced {
    pub(super) links: BTreeMap<usize, i64>,
    non_links: HashSet<(usize, i64)>,
    taken: HashSet<i64>,
}

impl Forced {
    pub(super) fn new(overrides: &[Override], submissions: usize) -> Result<Self> {
        let mut forced = Self::default();
        for decision in overrides {
            if decision.submission >= submissions {
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

    /// What is decided of a row holds for the rows that repeat it (each group is the submissions of one person).
    pub(super) fn spread<'a>(mut self, groups: impl Iterator<Item = &'a [usize]>) -> Self {
        for group in groups {
            let excluded: Vec<i64> =
                self.non_links.iter().filter(|(s, _)| group.contains(s)).map(|&(_, person)| person).collect();
            self.non_links.extend(group.iter().flat_map(|&s| excluded.iter().map(move |&person| (s, person))));
        }
        self
    }

    /// Takes away the candidates of a submission about which an approver has decided (`person` says who each is); says why, if any went.
    pub(super) fn settle<T>(
        &self,
        submission: usize,
        candidates: &mut Vec<T>,
        person: impl Fn(&T) -> i64,
    ) -> Option<Reason> {
        if self.links.contains_key(&submission) {
            candidates.clear();
            return None;
        }
        let mut reason = None;
        candidates.retain(|candidate| {
            let person_id = person(candidate);
            let why = if self.non_links.contains(&(submission, person_id)) {
                Some(Reason::ForcedNonLink)
            } else {
                self.taken.contains(&person_id).then_some(Reason::ForcedElsewhere)
            };
            reason = reason.or(why);
            why.is_none()
        });
        reason
    }
}
