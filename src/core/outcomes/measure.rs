//! The lab's measures of one person, and of everybody.

use rayon::prelude::*;

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::number::Heartbeat;

use super::event::{CourtCategory, Definition, IndexEvent, Offence};

/// People in one batch of work: between batches the heartbeat is called.
const BATCH: usize = 1 << 16;
/// People that one thread takes at a time.
const CHUNK: usize = 1 << 10;

/// The first proven re-offence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FirstReoffence {
    /// Days from the start of the follow-up to the first re-offence; 0 on the day itself.
    pub days: u32,
    /// The most serious court category among the re-offences of that day, where one is known.
    pub court_category: Option<CourtCategory>,
    /// Whether any re-offence of that day was sentenced to immediate custody.
    pub custodial: bool,
}

/// One person's follow-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PersonOutcome {
    /// The first proven re-offence; `None` where there was none.
    pub first: Option<FirstReoffence>,
    /// Number of proven re-offences.
    pub reoffences: u32,
    /// Number of proven re-offences by court category, in the order of [`CourtCategory::ALL`]; those without a known
    /// category are in none.
    pub reoffences_by_category: [u32; 3],
    /// Number of proven re-offences sentenced to immediate custody.
    pub custodial_count: u32,
    /// Days of follow-up until the first re-offence or, without one, until the person left or the follow-up ended.
    pub days_at_risk: u32,
    /// Whether the person could re-offend until the end of the follow-up.
    pub followed_throughout: bool,
}

impl PersonOutcome {
    /// Whether there was a proven re-offence.
    pub fn reoffended(&self) -> bool {
        self.first.is_some()
    }

    /// Days to the first re-offence; `None` without one.
    pub fn days_to_first(&self) -> Option<u32> {
        self.first.map(|f| f.days)
    }
}

/// The follow-up of one person from all their offences, in any order.
///
/// Proven re-offending as the ministry defines it: an offence committed in the follow-up that leads to a court
/// conviction or caution in it or in the waiting period (Ministry of Justice, "Guide to proven reoffending statistics").
/// Someone who dies or is locked away stays in the denominator, as in the published measure;
/// [`PersonOutcome::followed_throughout`] says that it happened and survival curves leave them out from that day.
pub fn measure_person(index: &IndexEvent, offences: &[Offence], definition: &Definition) -> PersonOutcome {
    let follow_up = definition.length.from(index.start);
    let (start, end) = (follow_up.start(), follow_up.offence_end());
    let mut outcome = PersonOutcome {
        first: None,
        reoffences: 0,
        reoffences_by_category: [0; 3],
        custodial_count: 0,
        days_at_risk: 0,
        followed_throughout: index.at_risk_until.is_none_or(|day| day >= end),
    };
    for offence in offences {
        if !definition.counts(&follow_up, offence) {
            continue;
        }
        outcome.reoffences += 1;
        outcome.custodial_count += u32::from(offence.custodial);
        if let Some(category) = offence.court_category {
            outcome.reoffences_by_category[category as usize] += 1;
        }
        let this = FirstReoffence {
            days: days_between(start, offence.offence_date),
            court_category: offence.court_category,
            custodial: offence.custodial,
        };
        outcome.first = Some(match outcome.first {
            Some(first) if first.days < this.days => first,
            Some(first) if first.days == this.days => FirstReoffence {
                days: first.days,
                court_category: first.court_category.max(this.court_category),
                custodial: first.custodial || this.custodial,
            },
            _ => this,
        });
    }
    let left = index.at_risk_until.map_or(end, |day| day.clamp(start, end));
    outcome.days_at_risk = outcome.first.map_or_else(|| days_between(start, left), |f| f.days);
    outcome
}

/// Days from `start` to `day`, which is not before it.
fn days_between(start: Day, day: Day) -> u32 {
    day.days_since(start).unsigned_abs()
}

/// The follow-up of everybody. Offences lie flat, person after person: those of person i are
/// `offences[bounds[i]..bounds[i + 1]]`, so `bounds` is one longer than `people`.
///
/// # Errors
/// `InvalidInput` on `bounds` that do not rise from 0 to the number of offences.
pub fn measure_outcomes(
    people: &[IndexEvent],
    offences: &[Offence],
    bounds: &[usize],
    definition: &Definition,
    heartbeat: Heartbeat<'_>,
) -> Result<Vec<PersonOutcome>> {
    let sound = bounds.len() == people.len() + 1
        && bounds.first() == Some(&0)
        && bounds.last() == Some(&offences.len())
        && bounds.windows(2).all(|pair| pair[0] <= pair[1]);
    if !sound {
        return Err(Error::invalid(
            "bounds",
            "must rise from 0 to the number of offences, one for each person and one more",
        ));
    }
    let mut outcomes = Vec::with_capacity(people.len());
    for first in (0..people.len()).step_by(BATCH) {
        let end = people.len().min(first + BATCH);
        outcomes.par_extend(
            (first..end)
                .into_par_iter()
                .with_min_len(CHUNK)
                .map(|i| measure_person(&people[i], &offences[bounds[i]..bounds[i + 1]], definition)),
        );
        heartbeat();
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::event::{OffenceFilter, OffenceOutcome};
    use super::*;
    use crate::calendar::FollowUpLength;

    fn day(y: i16, m: i8, d: i8) -> Day {
        Day::from_ymd(y, m, d).unwrap()
    }

    fn one_year() -> Definition {
        Definition { length: FollowUpLength::ONE_YEAR, filter: OffenceFilter::All }
    }

    fn offence(committed: Day, proven: Day) -> Offence {
        Offence {
            offence_date: committed,
            outcome_date: Some(proven),
            outcome: OffenceOutcome::Conviction,
            offence_group: 1,
            court_category: Some(CourtCategory::Summary),
            custodial: false,
        }
    }

    fn measure(start: Day, offences: &[Offence]) -> PersonOutcome {
        measure_person(&IndexEvent { start, at_risk_until: None }, offences, &one_year())
    }

    #[test]
    fn an_offence_counts_from_the_first_day_to_the_eve_of_the_anniversary() {
        let start = day(2010, 3, 15);
        let proven = day(2011, 6, 1);
        let count = |committed| measure(start, &[offence(committed, proven)]).reoffences;
        assert_eq!(count(day(2010, 3, 14)), 0);
        assert_eq!(count(day(2010, 3, 15)), 1);
        assert_eq!(count(day(2011, 3, 14)), 1);
        assert_eq!(count(day(2011, 3, 15)), 0);
        assert_eq!(measure(start, &[offence(day(2011, 3, 14), proven)]).days_to_first(), Some(364));
        assert_eq!(measure(start, &[offence(start, proven)]).days_to_first(), Some(0));
    }

    #[test]
    fn proof_counts_until_the_eve_of_the_end_of_the_waiting_period() {
        let start = day(2010, 3, 15);
        let count = |proven| measure(start, &[offence(day(2011, 1, 1), proven)]).reoffences;
        assert_eq!(count(day(2011, 9, 14)), 1);
        assert_eq!(count(day(2011, 9, 15)), 0);
        // Proof before the offence is a mistake in the record, not a proof.
        assert_eq!(count(day(2010, 12, 31)), 0);
        let pending = Offence { outcome_date: None, ..offence(day(2011, 1, 1), start) };
        assert_eq!(measure(start, &[pending]).reoffences, 0);
    }

    #[test]
    fn leap_days_shorten_or_lengthen_nothing_but_the_calendar_year() {
        let last_day = offence(day(2012, 2, 29), day(2012, 5, 1));
        assert_eq!(measure(day(2011, 3, 1), &[last_day]).days_to_first(), Some(365));
        assert_eq!(measure(day(2011, 2, 28), &[last_day]).reoffences, 0);
    }

    #[test]
    fn cautions_count_and_penalty_notices_never_do() {
        let start = day(2010, 1, 1);
        let with = |outcome| Offence { outcome, ..offence(day(2010, 5, 1), day(2010, 6, 1)) };
        assert!(measure(start, &[with(OffenceOutcome::Caution)]).reoffended());
        assert!(!measure(start, &[with(OffenceOutcome::PenaltyNotice)]).reoffended());
        assert!(!measure(start, &[with(OffenceOutcome::NotProven)]).reoffended());
    }

    #[test]
    fn the_first_reoffence_takes_the_most_serious_of_its_day() {
        let start = day(2010, 1, 1);
        let at = |d, category, custodial| Offence {
            court_category: category,
            custodial,
            ..offence(day(2010, 5, d), day(2010, 9, 1))
        };
        let offences = [
            at(9, Some(CourtCategory::Indictable), true),
            at(2, None, true),
            at(2, Some(CourtCategory::EitherWay), false),
            at(2, Some(CourtCategory::Summary), false),
        ];
        let outcome = measure(start, &offences);
        let first = outcome.first.unwrap();
        assert_eq!(
            first,
            FirstReoffence { days: 121, court_category: Some(CourtCategory::EitherWay), custodial: true }
        );
        assert_eq!((outcome.reoffences, outcome.custodial_count), (4, 2));
        assert_eq!(outcome.reoffences_by_category, [1, 1, 1]);
        assert_eq!(outcome.days_at_risk, 121);
    }

    #[test]
    fn months_and_offence_groups_are_settings() {
        let start = day(2010, 1, 1);
        let late = Offence { offence_group: 7, ..offence(day(2011, 11, 30), day(2012, 1, 5)) };
        let two_years = |filter| Definition { length: FollowUpLength::new(24, 6).unwrap(), filter };
        let index = IndexEvent { start, at_risk_until: None };
        assert_eq!(measure_person(&index, &[late], &two_years(OffenceFilter::All)).reoffences, 1);
        let violent = OffenceFilter::Only(BTreeSet::from([7]));
        assert_eq!(measure_person(&index, &[late], &two_years(violent)).reoffences, 1);
        let other = OffenceFilter::Only(BTreeSet::from([1, 2]));
        assert_eq!(measure_person(&index, &[late], &two_years(other)).reoffences, 0);
    }

    #[test]
    fn death_ends_the_days_at_risk_but_not_the_membership() {
        let start = day(2010, 1, 1);
        let died = IndexEvent { start, at_risk_until: Some(day(2010, 2, 1)) };
        let outcome = measure_person(&died, &[], &one_year());
        assert_eq!((outcome.days_at_risk, outcome.followed_throughout, outcome.reoffended()), (31, false, false));
        let well = measure(start, &[]);
        assert_eq!((well.days_at_risk, well.followed_throughout), (365, true));
        let before = IndexEvent { start, at_risk_until: Some(day(2009, 2, 1)) };
        assert_eq!(measure_person(&before, &[], &one_year()).days_at_risk, 0);
    }

    #[test]
    fn everybody_at_once_is_each_person_alone() {
        let people: Vec<IndexEvent> =
            (0..5000).map(|i| IndexEvent { start: Day(3000 + i % 400), at_risk_until: None }).collect();
        let mut offences = Vec::new();
        let mut bounds = vec![0];
        for i in 0..5000 {
            for k in 0..i % 4 {
                let committed = Day(3000 + (i * 37 + k * 113) % 900);
                offences.push(offence(committed, committed.plus_days((i * 11 + k) % 300)));
            }
            bounds.push(offences.len());
        }
        let beats = std::cell::Cell::new(0);
        let all = measure_outcomes(&people, &offences, &bounds, &one_year(), &|| beats.set(beats.get() + 1)).unwrap();
        assert!(beats.get() > 0);
        assert!(all.iter().filter(|o| o.reoffended()).count() > 500);
        for i in 0..people.len() {
            assert_eq!(all[i], measure_person(&people[i], &offences[bounds[i]..bounds[i + 1]], &one_year()));
        }
        assert!(measure_outcomes(&people, &offences, &bounds[1..], &one_year(), &|| ()).is_err());
    }
}
