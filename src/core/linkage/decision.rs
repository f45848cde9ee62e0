//! Linked, suspect or unlinked, and why.

use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, Evidence, levels};
use super::model::PairWeight;
use super::record::RegisterPerson;
use super::relative::Relative;
use crate::error::{Error, Result};

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// One register person, surely.
    Linked,
    /// Perhaps a register person: discarded and counted.
    Suspect,
    /// Nobody in the register.
    Unlinked,
}

impl Status {
    /// `linked`, `suspect` or `unlinked`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Suspect => "suspect",
            Self::Unlinked => "unlinked",
        }
    }
}

/// Why a submission is not (or by force is) linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An approver forced the link.
    ForcedLink,
    /// An approver excluded the only person it could have been.
    ForcedNonLink,
    /// An approver gave the only person it could have been to another submission.
    ForcedElsewhere,
    /// The PNC id or CRO number is one person's, name and date of birth point elsewhere or away from that person.
    IdentifierConflict,
    /// Another submission carries the same PNC id or prison number and has the better claim, or an equal one.
    SharedIdentifier,
    /// Another submission has a claim on the same register person.
    ClaimedTwice,
    /// The same name and date of birth were submitted twice; the row with more evidence stands for both.
    DuplicateSubmission,
    /// Two register records of what looks like one person.
    OnePersonTwoRecords,
    /// It may be the person's twin.
    PossibleTwin,
    /// It may be a sibling or another member of the household.
    PossibleSibling,
    /// It may be a parent or child of the same name.
    PossibleParentChild,
    /// It may be somebody else of the same name and date of birth.
    PossibleDouble,
    /// Two or more register persons fit about as well.
    AmbiguousCandidates,
    /// The name agrees but is too common for what else agrees.
    CommonName,
    /// The date of birth is a stand-in such as 1 January, and too little else agrees.
    PlaceholderDateOfBirth,
    /// What agrees is too little to be sure.
    WeakEvidence,
    /// Nobody in the register comes near.
    NoCandidate,
}

impl Reason {
    /// Stable name, snake case, as stored in `link.reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForcedLink => "forced_link",
            Self::ForcedNonLink => "forced_non_link",
            Self::ForcedElsewhere => "forced_elsewhere",
            Self::IdentifierConflict => "identifier_conflict",
            Self::SharedIdentifier => "shared_identifier",
            Self::ClaimedTwice => "claimed_twice",
            Self::DuplicateSubmission => "duplicate_submission",
            Self::OnePersonTwoRecords => "one_person_two_records",
            Self::PossibleTwin => "possible_twin",
            Self::PossibleSibling => "possible_sibling",
            Self::PossibleParentChild => "possible_parent_child",
            Self::PossibleDouble => "possible_double",
            Self::AmbiguousCandidates => "ambiguous_candidates",
            Self::CommonName => "common_name",
            Self::PlaceholderDateOfBirth => "placeholder_date_of_birth",
            Self::WeakEvidence => "weak_evidence",
            Self::NoCandidate => "no_candidate",
        }
    }
}

/// When a link is sure enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Least probability of a link; at least one half, so that no person is linked twice.
    pub link: f64,
    /// Least probability of a suspect: below it the submission counts as not found.
    pub suspect: f64,
    /// Does a PNC id or CRO number of one person on a row that fits another better make the row a suspect?
    pub conflict_is_suspect: bool,
}

impl Default for Thresholds {
    /// 0.99: at most one wrong link in a hundred even among the least sure; in all far fewer (the expected number is reported).
    /// 0.05: below, calling it a suspect would be noise.
    fn default() -> Self {
        Self { link: 0.99, suspect: 0.05, conflict_is_suspect: true }
    }
}

impl Thresholds {
    /// # Errors
    /// [`Error::InvalidInput`] unless 0 < suspect <= link, 0.5 <= link < 1.
    pub fn check(&self) -> Result<()> {
        if !(0.5..1.0).contains(&self.link) {
            return Err(Error::invalid("link threshold", "must be at least 0.5 and below 1"));
        }
        if !(self.suspect > 0.0 && self.suspect <= self.link) {
            return Err(Error::invalid("suspect threshold", "must be above 0 and at most the link threshold"));
        }
        Ok(())
    }
}

/// One candidate after the competition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) person: &'a RegisterPerson<'a>,
    pub(crate) evidence: &'a Evidence,
    pub(crate) weight: PairWeight,
    /// Probability that it is this person.
    pub(crate) probability: f64,
    /// The same if no other submission claimed the person.
    pub(crate) uncontested: f64,
    /// The same if there were neither other claims nor relatives in the world.
    pub(crate) without_relatives: f64,
}

/// What is known of a submission besides its candidates.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Circumstances {
    pub(crate) dob_placeholder: bool,
    pub(crate) shares_identifier: bool,
    /// Why its candidates were taken away, if any were.
    pub(crate) forced_away: Option<Reason>,
}

/// Decides on one submission. `candidates` are sorted, the most probable first.
pub(crate) fn decide(
    candidates: &[Candidate<'_>],
    circumstances: Circumstances,
    thresholds: &Thresholds,
) -> (Status, Option<Reason>) {
    let Some(best) = candidates.first() else {
        return (Status::Unlinked, circumstances.forced_away.or(Some(Reason::NoCandidate)));
    };
    let second = candidates.get(1);
    let conflict = identifier_conflict(candidates);
    if best.probability >= thresholds.link && !(conflict && thresholds.conflict_is_suspect) {
        return (Status::Linked, None);
    }
    let reason = if conflict {
        Reason::IdentifierConflict
    } else if best.uncontested >= thresholds.link {
        if circumstances.shares_identifier { Reason::SharedIdentifier } else { Reason::ClaimedTwice }
    } else if let Some(rival) = second.filter(|rival| rival.uncontested > (1.0 - best.uncontested) / 2.0) {
        rivalry(best, rival)
    } else if best.without_relatives >= thresholds.link || best.weight.relatives < -1.0 {
        match best.weight.likeliest_relative {
            Some(Relative::Twin) => Reason::PossibleTwin,
            Some(Relative::Namesake) => Reason::PossibleParentChild,
            Some(Relative::Double) => Reason::PossibleDouble,
            Some(Relative::Sibling) | None => Reason::PossibleSibling,
        }
    } else if circumstances.dob_placeholder {
        Reason::PlaceholderDateOfBirth
    } else if best.evidence.level(Comparison::Forename) == levels::NAME_EXACT
        && best.evidence.level(Comparison::Surname) == levels::NAME_EXACT
        && best.probability >= thresholds.suspect
    {
        Reason::CommonName
    } else {
        Reason::WeakEvidence
    };
    let believable = best.uncontested.max(best.without_relatives) >= thresholds.suspect;
    if conflict || believable { (Status::Suspect, Some(reason)) } else { (Status::Unlinked, Some(reason)) }
}

/// Does a PNC id or CRO number point to one person, name and date of birth elsewhere?
fn identifier_conflict(candidates: &[Candidate<'_>]) -> bool {
    let holds = |c: &&Candidate<'_>| {
        c.evidence.level(Comparison::PncId) == levels::ID_EXACT || c.evidence.level(Comparison::Cro) == levels::ID_EXACT
    };
    let Some(best) = candidates.first() else { return false };
    match candidates.iter().find(holds) {
        None => false,
        Some(holder) if holder.person.person_id != best.person.person_id => !same_person(best.person, holder.person),
        Some(holder) => {
            let evidence = holder.evidence;
            let name_agrees = evidence.level(Comparison::Forename) < levels::DIFFERENT_FORENAME
                || evidence.level(Comparison::Surname) < levels::DIFFERENT_SURNAME;
            let dob_agrees = evidence.level(Comparison::DateOfBirth) < levels::DOB_WITHIN_TWO_YEARS;
            !name_agrees && !dob_agrees
        }
    }
}

/// Why two candidates cannot be told apart.
fn rivalry(best: &Candidate<'_>, rival: &Candidate<'_>) -> Reason {
    let (a, b) = (best.person, rival.person);
    let same_surname = a.name.surname.text == b.name.surname.text && !a.name.surname.text.is_empty();
    let same_forename = a.name.forename.text == b.name.forename.text;
    let years_apart = match (a.dob, b.dob) {
        (Some(x), Some(y)) => x.days_since(y).abs() / 365,
        _ => 0,
    };
    if same_person(a, b) {
        Reason::OnePersonTwoRecords
    } else if same_surname && !same_forename && a.dob.is_some() && a.dob == b.dob {
        Reason::PossibleTwin
    } else if same_surname && same_forename && years_apart >= 14 {
        Reason::PossibleParentChild
    } else {
        Reason::AmbiguousCandidates
    }
}

/// Do two register records look like one person: a PNC id in common, or name and date of birth?
fn same_person(a: &RegisterPerson<'_>, b: &RegisterPerson<'_>) -> bool {
    let shared_id = a.pnc_ids.iter().any(|id| id.is_letter_right() && b.pnc_ids.contains(id));
    let names = |p: &RegisterPerson<'_>| (p.name.forename.text.to_owned(), p.name.surname.text.to_owned());
    shared_id || (a.dob.is_some() && a.dob == b.dob && names(a) == names(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_that_could_link_a_person_twice_are_refused() {
        assert!(Thresholds::default().check().is_ok());
        for (link, suspect) in [(0.4, 0.1), (1.0, 0.1), (0.9, 0.0), (0.9, 0.95), (f64::NAN, 0.1)] {
            assert!(Thresholds { link, suspect, ..Thresholds::default() }.check().is_err(), "{link} {suspect}");
        }
    }
}
