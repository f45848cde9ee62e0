//! What the rows of one cohort have to do with each other: their order, rows sent twice, identifiers used twice.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::record::SubmittedPerson;

/// Submissions in the order of their content, so that sums run in an order that is theirs and not the caller's.
pub(super) fn content_order(submissions: &[SubmittedPerson<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..submissions.len()).collect();
    order.par_sort_by(|&a, &b| submissions[a].cmp(&submissions[b]).then(a.cmp(&b)));
    order
}

/// Rows that repeat one another: same name, same date of birth, and no two PNC ids or prison numbers that differ. Ranges of two or more
/// places in `order`.
pub(super) fn repeated_submissions(submissions: &[SubmittedPerson<'_>], order: &[usize]) -> Vec<Range<usize>> {
    let row = |at: usize| &submissions[order[at]];
    let mut groups = Vec::new();
    let mut start = 0;
    while start < order.len() {
        // Equal names and dates stand next to each other in the order of content.
        let first = row(start);
        let (mut pnc_id, mut prison_number) = (first.pnc_id, first.prison_number);
        let repeats = |&at: &usize| {
            let next = row(at);
            let agrees = (pnc_id.is_none() || next.pnc_id.is_none() || pnc_id == next.pnc_id)
                && (prison_number.is_none() || next.prison_number.is_none() || prison_number == next.prison_number);
            pnc_id = pnc_id.or(next.pnc_id);
            prison_number = prison_number.or(next.prison_number);
            agrees && next.name == first.name && next.dob == first.dob && first.dob.is_some() && !first.dob_placeholder
        };
        let end = start + 1 + (start + 1..order.len()).take_while(repeats).count();
        if end - start > 1 {
            groups.push(start..end);
        }
        start = end;
    }
    groups
}

/// Of each group of repeated rows all but the one with the best evidence (in doubt, the first in the order of content) are duplicates.
/// `best_odds` are those of each row's best candidate, in the same order.
pub(super) fn duplicate_submissions(groups: &[Range<usize>], best_odds: &[f64]) -> Vec<bool> {
    let mut duplicate = vec![false; best_odds.len()];
    for group in groups {
        let best = group.clone().fold(group.start, |best, at| if best_odds[at] > best_odds[best] { at } else { best });
        group.clone().filter(|&at| at != best).for_each(|at| duplicate[at] = true);
    }
    duplicate
}

/// PNC ids and prison numbers that more than one submission carries.
pub(super) struct SharedIdentifiers<'a> {
    pnc_ids: BTreeMap<u64, usize>,
    prison_numbers: BTreeMap<&'a str, usize>,
}

impl<'a> SharedIdentifiers<'a> {
    pub(super) fn new(submissions: &[SubmittedPerson<'a>]) -> Self {
        let mut shared = Self { pnc_ids: BTreeMap::new(), prison_numbers: BTreeMap::new() };
        for submission in submissions {
            if let Some(id) = submission.pnc_id {
                *shared.pnc_ids.entry(id.body()).or_default() += 1;
            }
            if let Some(number) = submission.prison_number {
                *shared.prison_numbers.entry(number).or_default() += 1;
            }
        }
        shared
    }

    pub(super) fn contains(&self, submission: &SubmittedPerson<'_>) -> bool {
        let many = |count: Option<&usize>| count.is_some_and(|&n| n > 1);
        submission.pnc_id.is_some_and(|id| many(self.pnc_ids.get(&id.body())))
            || submission.prison_number.is_some_and(|number| many(self.prison_numbers.get(number)))
    }
}
