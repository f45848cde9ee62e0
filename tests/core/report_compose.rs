//! From findings to what may be published: the corners in which counts are nobody, everybody or few.

use jdl_core::calendar::Day;
use jdl_core::inference::{Alternatives, Analysis, AnalysisPlan, Design, DesignRun, analyse, compare_measure};
use jdl_core::outcomes::{CourtCategory, FirstReoffence, PersonOutcome};
use jdl_core::report::compose::{Composed, CountedProfile, CountedStep, Findings, OutcomeCounts, compose};
use jdl_core::report::result::{MeasureKey, Plan, Request, Status};
use jdl_core::report::{to_html, to_json, to_text};

fn outcome(reoffended: bool, left: bool) -> PersonOutcome {
    PersonOutcome {
        first: reoffended.then_some(FirstReoffence {
            days: 100,
            court_category: Some(CourtCategory::Summary),
            custodial: false,
        }),
        reoffences: u32::from(reoffended),
        reoffences_by_category: [u32::from(reoffended), 0, 0],
        custodial_count: 0,
        days_at_risk: if reoffended { 100 } else { 365 },
        followed_throughout: !left,
    }
}

/// Two groups of `n` people of whom so many re-offend and so many of the others leave early.
fn composed(n: [usize; 2], events: [usize; 2], left: [usize; 2]) -> Composed {
    let (mut treated, mut outcomes) = (Vec::new(), Vec::new());
    for group in 0..2 {
        for i in 0..n[group] {
            treated.push(group == 0);
            outcomes.push(outcome(i < events[group], (events[group]..events[group] + left[group]).contains(&i)));
        }
    }
    let weight = vec![1.0; treated.len()];
    let set = vec![None; treated.len()];
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let plan = AnalysisPlan { permutation_draws: 200, ..AnalysisPlan::default() };
    let analysis = analyse(design, &plan, &|| {}).unwrap();
    // A run on the same people less one treated: its size would give that one away.
    let mut fewer = weight.clone();
    fewer[0] = 0.0;
    let run = Design { weight: &fewer, ..design };
    let run = compare_measure(run, plan.primary_measure, &plan).unwrap();
    let runs = vec![DesignRun { key: "with_assessments".to_owned(), result: Some(run), absent: None }];
    let counts = OutcomeCounts::of(&design);
    findings(&analysis, counts, &Alternatives { doubly_robust: None, runs }, n)
}

fn findings(analysis: &Analysis, counts: OutcomeCounts, alternatives: &Alternatives, n: [usize; 2]) -> Composed {
    let step = |key, remaining| CountedStep { key, label: key, reason: "a reason".to_owned(), remaining };
    let findings = Findings {
        request: Request {
            request_id: 1,
            provider: "P".to_owned(),
            intervention: "a service".to_owned(),
            register_version: "1".to_owned(),
            plan: Plan {
                version: 1,
                hash: "abc".to_owned(),
                primary: MeasureKey::ReoffendingRate,
                seed: 1,
                changes: Vec::new(),
                changed_after_outcomes: false,
            },
            cohort_first_year: 2010,
            cohort_last_year: 2010,
            follow_up_months: 12,
            waiting_months: 6,
            offence_filter: None,
            long_custody_days: 90,
            analysis_date: Day(5000),
            status: Status::Draft,
            status_reason: None,
        },
        analysis,
        alternatives,
        counts,
        funnel: vec![step("submitted", 1000), step("on_register", 900), step("matched", n[0] as i64)],
        linkage: [1000, 900, 40, 60],
        national_or_region: "national".to_owned(),
        balance: &[],
        covariates: &[],
        pool_size: 10_000,
        profile: vec![CountedProfile {
            key: "sex".to_owned(),
            label: "Sex".to_owned(),
            categories: vec![("male".to_owned(), n[0] as i64 - 20), ("female".to_owned(), 20)],
        }],
        smallest_cell: 10,
        significance_level: 0.05,
        rate_decimals: 1,
    };
    compose(&findings, &|| {}).unwrap()
}

#[test]
fn nobody_and_everybody_are_reported_without_saying_so_of_people() {
    for (events, left) in [([0, 0], [0, 0]), ([200, 200], [0, 0]), ([0, 100], [5, 0]), ([3, 100], [0, 20])] {
        let result = composed([200, 200], events, left).result;
        let rate = &result.measures[0];
        assert!(rate.withheld.is_some() && rate.treatment.value.is_none() && rate.p_value.is_none(), "{events:?}");
        assert_eq!(result.sensitivity.runs.len(), 0);
        for said in [to_text(&result), to_html(&result), to_json(&result).to_string()] {
            assert!(said.contains("withheld"), "{events:?}");
        }
    }
}

#[test]
fn those_who_left_early_are_counted_where_they_and_the_others_are_enough() {
    let early = |left| {
        let result = composed([200, 300], [80, 120], left).result;
        assert!(result.measures[0].withheld.is_none(), "{left:?}: the rate stands whoever left");
        (result.groups.treatment_left_early, result.groups.comparison_left_early)
    };
    assert_eq!(early([20, 30]), (Some(20), Some(30)));
    assert_eq!(early([20, 3]), (None, None), "one group alone is not said");
    assert_eq!(early([0, 30]), (None, None), "nobody is a statement about everybody");
    assert_eq!(early([115, 30]), (None, None), "the few who stayed would be known");
}

#[test]
fn the_size_of_another_run_is_not_shown_where_it_gives_somebody_away() {
    let result = composed([200, 300], [80, 120], [0, 0]).result;
    let run = &result.sensitivity.runs[0];
    assert!(run.withheld.is_none() && run.p_value.is_some() && run.difference.value.is_some(), "{run:?}");
    assert_eq!((run.treatment_n, run.comparison_n), (None, Some(300)), "199 beside 200 is one person");
    let tests: Vec<&str> = result.tests_made.iter().map(|t| t.family.as_str()).collect();
    assert_eq!(tests.iter().filter(|family| **family == "declared family").count(), 12);
    assert_eq!(tests.iter().filter(|family| **family == "sensitivity").count(), 3, "permutation, log-rank, the run");
}
