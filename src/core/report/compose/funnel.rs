//! The people on the way to the groups: the attrition funnel, the numbers of linkage, and the pool of the comparison group. All of
//! them are sums over the groups in the linked model; here they are put together and read again.

use crate::disclosure::{SafeCounts, Whole};
use crate::error::{Error, Result};
use crate::report::result::{FunnelStep, Linkage};

use super::{COMPARISON, CountedStep, Findings, TREATMENT, WITHHELD, unsigned};

/// Those who were sent in and not linked.
const SUSPECT: &str = "suspect";
const UNLINKED: &str = "unlinked";
/// Those of the unlinked whose details were usable.
const NOT_FOUND: &str = "not found";
/// Everybody who could serve as a comparison.
pub(super) const POOL: &str = "pool";

/// What hiding a set costs. Hiding how many were submitted helps little against the provider, who knows: only where else the size of a
/// group would have to be hidden.
const COST: u32 = 2;
const SUBMITTED_COST: u32 = 50;

/// The name of the people left after a step: those after the last are the treatment group.
fn name(findings: &Findings<'_>, at: usize) -> String {
    let is_last = at + 1 == findings.funnel.len();
    if is_last { TREATMENT.to_owned() } else { findings.funnel[at].key.to_owned() }
}

/// The sums that lead to the two groups: each step of the funnel is the next and who is lost before it; those not linked are
/// suspect or not found, and the unlinked those of unusable details or not found; the pool is the comparison group and the others.
pub(super) fn wholes(findings: &Findings<'_>) -> Result<Vec<Whole>> {
    let steps = &findings.funnel;
    let [treatment, comparison] =
        [findings.analysis.treatment, findings.analysis.comparison].map(|group| group.people as i64);
    if steps.last().is_some_and(|last| last.remaining != treatment) {
        return Err(Error::Bug("the funnel does not end at the treatment group".into()));
    }
    let lost = |step: &CountedStep| format!("lost before {}", step.key);
    let mut wholes = Vec::new();
    for (at, pair) in steps.windows(2).enumerate() {
        let [before, after] = [pair[0].remaining, pair[1].remaining];
        if after > before {
            return Err(Error::invalid("funnel", "must not gain people"));
        }
        let parts = vec![(name(findings, at + 1), after), (lost(&pair[1]), before - after)];
        let cost = if at == 0 { SUBMITTED_COST } else { COST };
        wholes.push(Whole { name: name(findings, at), parts, cost });
    }
    if let Some((unusable, at, not_found)) = not_linked(findings) {
        let [_, _, suspect, _] = findings.linkage;
        let not_found = (NOT_FOUND.to_owned(), not_found);
        wholes.push(Whole {
            name: lost(&steps[at]),
            parts: vec![(SUSPECT.to_owned(), suspect), not_found.clone()],
            cost: COST,
        });
        let unusable = unusable.map(|(step, people)| (lost(step), people));
        wholes.push(Whole { name: UNLINKED.to_owned(), parts: unusable.chain([not_found]).collect(), cost: COST });
    }
    if let Some(others) = findings.pool_size.checked_sub(comparison).filter(|others| *others >= 0) {
        let parts = vec![(COMPARISON.to_owned(), comparison), ("not in the comparison group".to_owned(), others)];
        wholes.push(Whole { name: POOL.to_owned(), parts, cost: COST });
    }
    Ok(wholes)
}

/// Who is lost at each step before that of linkage, where linkage stands in the funnel, and how many people nobody was found for
/// though their details were usable. `None` where the two lists disagree: then neither suspect nor unlinked people are said.
fn not_linked<'a>(
    findings: &'a Findings<'_>,
) -> Option<(impl Iterator<Item = (&'a CountedStep, i64)> + use<'a>, usize, i64)> {
    let steps = &findings.funnel;
    let [submitted, linked, suspect, unlinked] = findings.linkage;
    let at = steps.iter().position(|step| step.key == "on_register").filter(|at| *at > 0 && at + 1 < steps.len())?;
    let unusable = steps[..at].windows(2).map(|pair| (&pair[1], pair[0].remaining - pair[1].remaining));
    let not_found = unlinked - (steps[0].remaining - steps[at - 1].remaining);
    let agree = [submitted, linked] == [steps[0].remaining, steps[at].remaining]
        && submitted == linked + suspect + unlinked
        && suspect >= 0
        && not_found >= 0;
    agree.then_some((unusable, at, not_found))
}

/// The funnel; a step whose number is hidden goes into the next.
pub(super) fn funnel(findings: &Findings<'_>, safe: &SafeCounts) -> Vec<FunnelStep> {
    let mut steps: Vec<FunnelStep> = Vec::new();
    let mut merged: Vec<&str> = Vec::new();
    for (at, step) in findings.funnel.iter().enumerate() {
        let remaining = safe.people(&name(findings, at)).map(unsigned);
        merged.extend(Some(step.reason.as_str()).filter(|reason| !reason.is_empty()));
        if remaining.is_none() && at > 0 && at + 1 < findings.funnel.len() {
            continue;
        }
        let before = steps.last().map_or(remaining, |step| step.remaining);
        steps.push(FunnelStep {
            key: step.key.to_owned(),
            label: step.label.to_owned(),
            remaining,
            lost: before.zip(remaining).map(|(before, now)| before.saturating_sub(now)),
            reason: std::mem::take(&mut merged).join("; "),
            withheld: remaining.is_none().then(|| WITHHELD.to_owned()),
        });
    }
    steps
}

/// The numbers of linkage, as far as the model shows them.
pub(super) fn linkage(findings: &Findings<'_>, safe: &SafeCounts) -> Linkage {
    let of_step = |key: &str| {
        let at = findings.funnel.iter().position(|step| step.key == key)?;
        safe.people(&name(findings, at)).map(unsigned)
    };
    let [submitted, linked] = ["submitted", "on_register"].map(of_step);
    let [suspect, unlinked] = [SUSPECT, UNLINKED].map(|set| safe.people(set).map(unsigned));
    let rate = submitted.zip(linked).filter(|(submitted, _)| *submitted > 0);
    Linkage {
        submitted,
        linked,
        suspect,
        unlinked,
        match_rate: rate.map(|(submitted, linked)| linked as f64 / submitted as f64),
        withheld: [submitted, linked, suspect, unlinked].contains(&None).then(|| WITHHELD.to_owned()),
    }
}
