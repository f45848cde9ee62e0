//! The primary measure by other methods and designs, and the tests outside the family of measures.

use crate::inference::{self, detectable_rate};
use crate::report::result::{Estimate, Measure, MeasureKey, Sensitivity, SensitivityRun, TestMade, Unit};

use super::{Findings, WITHHELD};

/// `pool` is the size of the pool where it may be shown.
pub(super) fn sensitivity(findings: &Findings<'_>, primary: Option<&Measure>, pool: Option<i64>) -> Sensitivity {
    let Some(primary) = primary.filter(|m| m.withheld.is_none()) else {
        return Sensitivity { withheld: Some(WITHHELD.to_owned()), ..Sensitivity::default() };
    };
    let found = &findings.analysis.sensitivity;
    let robust = findings.alternatives.doubly_robust.as_ref();
    let detectable = primary.comparison.value.filter(|_| primary.key == MeasureKey::ReoffendingRate).and_then(|rate| {
        let n = [findings.analysis.comparison.effective_n, findings.analysis.treatment.effective_n];
        let found = detectable_rate(rate, n, 0.8, findings.significance_level).ok()?;
        found.below.ok().map(|below| rate - below)
    });
    Sensitivity {
        rosenbaum_gamma: found.rosenbaum_gamma,
        e_value: found.e_value,
        aipw: robust.map(|r| Estimate {
            value: Some(r.estimate.effect),
            low: Some(r.estimate.interval.low),
            high: Some(r.estimate.interval.high),
        }),
        aipw_p: robust.map(|r| r.estimate.p_value),
        // Where the two were counted apart, the model knows nothing of this one.
        aipw_pool_n: robust.map(|r| r.comparison_people).filter(|n| pool == i64::try_from(*n).ok()),
        hazard_ratio: findings.analysis.hazard_ratio.map(|h| Estimate {
            value: Some(h.ratio),
            low: Some(h.interval.low),
            high: Some(h.interval.high),
        }),
        hazard_ratio_p: findings.analysis.hazard_ratio.map(|h| h.p_value),
        permutation_p: found.permutation.as_ref().map(|p| p.p_value),
        permutation_draws: found.permutation.as_ref().map(|p| u64::from(p.draws)),
        minimum_detectable_effect: detectable,
        number_needed: primary.number_needed,
        runs: runs(findings, primary),
        withheld: None,
    }
}

/// The other designs. A design of nearly the same treated people is withheld: the difference of a rate with its interval gives the
/// number of them who re-offended, and the few who are in one design only could be subtracted. (The comparison groups are not parts
/// of one another.) So is one of which a side of the rate could not be published.
fn runs(findings: &Findings<'_>, primary: &Measure) -> Vec<SensitivityRun> {
    let threshold = findings.smallest_cell.unsigned_abs();
    let counts = |n: u64, events: u64, is_rate: bool| {
        if is_rate { vec![n, events, n.saturating_sub(events)] } else { vec![n, events] }
    };
    let is_rate = primary.unit == Unit::Share;
    let main = &primary.treatment;
    let mut shown = vec![counts(main.n.unwrap_or(0), main.events.unwrap_or(0), is_rate)];
    findings
        .alternatives
        .runs
        .iter()
        .map(|run| {
            let label = match run.key.as_str() {
                "with_assessments" => "People with an assessment, assessment variables in the model",
                "without_assessments" => "The same people, assessment variables left out",
                key => key,
            };
            let mut reported = SensitivityRun {
                key: run.key.clone(),
                label: label.to_owned(),
                treatment_n: None,
                comparison_n: None,
                difference: Estimate::default(),
                p_value: None,
                withheld: None,
            };
            let Some(m) = &run.result else {
                reported.withheld =
                    Some(run.absent.clone().unwrap_or_else(|| "the design could not be made".to_owned()));
                return reported;
            };
            let sides = [&m.treatment, &m.comparison];
            let own = counts(m.treatment.people, m.treatment.events, is_rate);
            let apart = |other: &Vec<u64>| own.iter().zip(other).all(|(a, b)| a == b || a.abs_diff(*b) >= threshold);
            let publishable = sides.iter().all(|side| {
                side.people >= threshold
                    && (!is_rate || (side.events >= threshold && side.people - side.events >= threshold))
            });
            if !publishable || !shown.iter().all(apart) {
                reported.withheld = Some(WITHHELD.to_owned());
                return reported;
            }
            shown.push(own);
            (reported.treatment_n, reported.comparison_n) = (Some(m.treatment.people), Some(m.comparison.people));
            reported.difference = Estimate { value: m.difference, low: m.difference_low, high: m.difference_high };
            reported.p_value = m.p_value;
            reported
        })
        .collect()
}

/// The tests outside the family of measures: chance, time, and the other designs. Each that was made stands here.
pub(super) fn further_tests(
    findings: &Findings<'_>,
    primary: Option<&Measure>,
    sensitivity: &Sensitivity,
) -> Vec<TestMade> {
    let Some(primary) = primary else { return Vec::new() };
    let test = |measure: &str, method: &str, p_value: Option<f64>, withheld: Option<String>| TestMade {
        family: "sensitivity".to_owned(),
        measure: measure.to_owned(),
        subgroup: None,
        method: method.to_owned(),
        p_value,
        p_holm: None,
        p_bh: None,
        withheld,
    };
    let hidden = primary.withheld.clone();
    let mut tests = Vec::new();
    if let Some(permutation) = &findings.analysis.sensitivity.permutation {
        let p = hidden.is_none().then_some(permutation.p_value);
        tests.push(test(&primary.label, "permutation of the groups", p, hidden.clone()));
    }
    if let Some(p) = findings.analysis.log_rank_p_value {
        let p = hidden.is_none().then_some(p);
        tests.push(test("Re-offending over time", "log-rank, ignoring weights and pairing", p, hidden.clone()));
    }
    if let Some(hazard) = findings.analysis.hazard_ratio {
        let method = match findings.analysis.standard_errors {
            inference::StandardErrors::MatchedSets => "Cox regression, weighted, cluster-robust on matched sets",
            inference::StandardErrors::EffectiveNumbers => "Cox regression, weighted, robust",
        };
        let p = hidden.is_none().then_some(hazard.p_value);
        tests.push(test("Re-offending over time", method, p, hidden.clone()));
    }
    if let Some(robust) = &findings.alternatives.doubly_robust {
        let p = hidden.is_none().then_some(robust.estimate.p_value);
        tests.push(test(&primary.label, "doubly robust, normal", p, hidden));
    }
    tests.extend(sensitivity.runs.iter().filter(|run| run.p_value.is_some() || run.withheld.is_some()).map(|run| {
        test(&format!("{} ({})", primary.label, run.label), "as the main analysis", run.p_value, run.withheld.clone())
    }));
    tests
}
