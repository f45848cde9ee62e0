//! Which measures may be shown, and what of them.

use crate::disclosure::{Gates, SafeGroup};
use crate::inference::{self, GroupEstimate, GroupSizes, MeasureResult};
use crate::report::result::{Estimate, Gate, GroupFigure, Measure, MeasureKey};

use super::{OutcomeCounts, WITHHELD};

/// A person who makes up more than this share of a group's re-offences would be read off their number.
const DOMINANCE: f64 = 0.5;

/// Whether one person makes up too much of the events.
pub(super) fn is_dominated(largest: u64, events: u64) -> bool {
    largest as f64 > DOMINANCE * events as f64
}

/// Court categories in the order of their counts.
const CATEGORIES: [&str; 3] = ["summary", "either way", "indictable"];

/// The protected groups, or the parts of them that are a sub-group, asked by measure.
pub(super) struct Shown<'a> {
    pub groups: [&'a SafeGroup; 2],
    pub sizes: [&'a GroupSizes; 2],
    pub counts: OutcomeCounts,
    /// Counts below this are not published.
    pub threshold: i64,
    pub gates: Gates,
}

impl Shown<'_> {
    /// Whether a count of the model is shown for both groups.
    fn both(&self, breakdown: &str, category: &str) -> bool {
        self.groups.iter().all(|g| g.breakdown(breakdown).is_some_and(|b| b.count(category).is_some()))
    }

    fn allows(&self, m: &MeasureResult) -> bool {
        let (sizes, threshold) = (self.sizes, self.threshold);
        let reoffenders = sizes.map(|s| s.reoffenders as i64);
        let rate = self.both("reoffended", "yes")
            && self.both("reoffended", "no")
            && sizes.iter().zip(reoffenders).all(|(s, r)| self.gates.allow_rate(r, s.people as i64, threshold));
        let dominated = |largest: [u64; 2]| {
            let events = [m.treatment.events, m.comparison.events];
            events.iter().zip(largest).any(|(all, largest)| is_dominated(largest, *all))
        };
        let enough = reoffenders.iter().all(|r| self.gates.allow_court_category(*r));
        let part = |breakdown: &str, category: &str, count: [i64; 2]| {
            enough
                && self.both(breakdown, category)
                && (0..2).all(|i| count[i] >= threshold && reoffenders[i] - count[i] >= threshold)
        };
        let category = |at: usize| {
            let counts = [self.counts.first_by_category[0][at], self.counts.first_by_category[1][at]];
            part("court category", CATEGORIES[at], counts)
        };
        let custody = || part("custody", "yes", self.counts.first_custodial);
        // A total of events and the number of people who had one tell how many had more; few of them would stand out.
        let beyond_first = |firsts: [i64; 2]| {
            [m.treatment.events, m.comparison.events]
                .iter()
                .zip(firsts)
                .all(|(all, first)| *all as i64 - first >= threshold)
        };
        let frequency = |at: usize| {
            category(at)
                && !dominated([0, 1].map(|group| self.counts.largest_by_category[group][at]))
                && beyond_first([0, 1].map(|group| self.counts.first_by_category[group][at]))
        };
        rate && match m.measure {
            inference::Measure::ReoffendingRate => true,
            inference::Measure::ReoffenceFrequency | inference::Measure::ReoffencesPerReoffender => {
                !dominated(self.counts.largest_reoffences) && beyond_first(reoffenders)
            }
            inference::Measure::DaysToFirstReoffence => self.gates.allow_days(&reoffenders),
            inference::Measure::FirstReoffenceSummaryRate => category(0),
            inference::Measure::FirstReoffenceEitherWayRate => category(1),
            inference::Measure::FirstReoffenceIndictableRate => category(2),
            inference::Measure::SummaryFrequency => frequency(0),
            inference::Measure::EitherWayFrequency => frequency(1),
            inference::Measure::IndictableFrequency => frequency(2),
            inference::Measure::FirstReoffenceCustodyRate => custody(),
            inference::Measure::CustodyFrequency => {
                custody() && !dominated(self.counts.largest_custodial) && beyond_first(self.counts.first_custodial)
            }
        }
    }
}

/// Withholds frequencies by court category, the one of the fewest re-offences first, until the total less those that are shown is
/// not a few re-offences of the other categories, nor a few beyond the first ones there: of few re-offences few people have one.
/// The same for those without custody.
pub(super) fn withhold_small_rests(measures: &mut [Measure], shown: &Shown<'_>) {
    let is_total = |m: &&Measure| {
        matches!(m.key, MeasureKey::ReoffencesPerPerson | MeasureKey::ReoffencesPerReoffender) && m.withheld.is_none()
    };
    let events = |m: &Measure| Some([m.treatment.events? as i64, m.comparison.events? as i64]);
    let Some(total) = measures.iter().find(is_total).and_then(events) else { return };
    for key in [MeasureKey::CourtCategoryFrequency, MeasureKey::CustodyFrequency] {
        loop {
            let mut rest = total;
            let mut firsts = shown.sizes.map(|sizes| sizes.reoffenders as i64);
            let mut fewest: Option<(i64, usize)> = None;
            for (number, m) in measures.iter().enumerate().filter(|(_, m)| m.key == key) {
                let Some(events) = events(m) else { continue };
                let at = CATEGORIES.iter().position(|name| Some(*name) == m.category.as_deref());
                for group in 0..2 {
                    rest[group] -= events[group];
                    firsts[group] -= match at {
                        Some(at) => shown.counts.first_by_category[group][at],
                        None => shown.counts.first_custodial[group],
                    };
                }
                let few = (events[0].min(events[1]), number);
                fewest = Some(fewest.map_or(few, |other| other.min(few)));
            }
            let small = 1..shown.threshold;
            let is_small = (0..2).any(|g| small.contains(&rest[g]) || small.contains(&(rest[g] - firsts[g])));
            let (true, Some((_, number))) = (is_small, fewest) else { break };
            let m = &mut measures[number];
            *m = withheld(m.key, m.category.as_deref());
        }
    }
}

/// The key and court category under which a measure is reported.
pub fn measure_key(measure: inference::Measure) -> (MeasureKey, Option<&'static str>) {
    match measure {
        inference::Measure::ReoffendingRate => (MeasureKey::ReoffendingRate, None),
        inference::Measure::ReoffenceFrequency => (MeasureKey::ReoffencesPerPerson, None),
        inference::Measure::ReoffencesPerReoffender => (MeasureKey::ReoffencesPerReoffender, None),
        inference::Measure::DaysToFirstReoffence => (MeasureKey::DaysToFirst, None),
        inference::Measure::FirstReoffenceSummaryRate => (MeasureKey::CourtCategoryRate, Some("summary")),
        inference::Measure::FirstReoffenceEitherWayRate => (MeasureKey::CourtCategoryRate, Some("either way")),
        inference::Measure::FirstReoffenceIndictableRate => (MeasureKey::CourtCategoryRate, Some("indictable")),
        inference::Measure::SummaryFrequency => (MeasureKey::CourtCategoryFrequency, Some("summary")),
        inference::Measure::EitherWayFrequency => (MeasureKey::CourtCategoryFrequency, Some("either way")),
        inference::Measure::IndictableFrequency => (MeasureKey::CourtCategoryFrequency, Some("indictable")),
        inference::Measure::FirstReoffenceCustodyRate => (MeasureKey::CustodyRate, None),
        inference::Measure::CustodyFrequency => (MeasureKey::CustodyFrequency, None),
    }
}

/// A measure of which nothing is shown.
pub(super) fn withheld(key: MeasureKey, category: Option<&str>) -> Measure {
    Measure { withheld: Some(WITHHELD.to_owned()), ..Measure::new(key, category) }
}

pub(super) fn measure(m: &MeasureResult, shown: &Shown<'_>) -> Measure {
    let (key, category) = measure_key(m.measure);
    if !shown.allows(m) {
        return withheld(key, category);
    }
    let mut reported = Measure::new(key, category);
    // A gate is about the size of a group: it is said where the size is.
    let failed = m.gates.iter().find(|gate| !gate.passed);
    reported.gate = Some(Gate {
        met: failed.is_none(),
        reason: failed.map(|gate| match gate.name.as_str() {
            "treatment_reoffenders" => format!("fewer than {} people in the treatment group re-offended", gate.need),
            "comparison_effective_n" => format!("the effective size of the comparison group is below {}", gate.need),
            _ => format!("the effective size of the treatment group is below {}", gate.need),
        }),
    });
    let figure = |g: &GroupEstimate| GroupFigure {
        n: Some(g.people),
        events: (m.unit != inference::Unit::Days).then_some(g.events),
        effective_n: Some(g.effective_n),
        value: g.value,
        low: g.low,
        high: g.high,
    };
    reported.treatment = figure(&m.treatment);
    reported.comparison = figure(&m.comparison);
    reported.difference = Estimate { value: m.difference, low: m.difference_low, high: m.difference_high };
    reported.p_value = m.p_value;
    reported.p_holm = m.p_value_holm;
    reported.p_bh = m.p_value_benjamini_hochberg;
    reported.significant = m.p_value.map(|_| m.significant);
    reported.number_needed = m.number_needed.map(|n| n as u64);
    reported
}
