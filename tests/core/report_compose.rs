//! From findings to what may be published: the corners in which counts are nobody, everybody or few.

use std::collections::{BTreeMap, BTreeSet};

use jdl_core::calendar::Day;
use jdl_core::inference::{
    Alternatives, Analysis, AnalysisPlan, Design, DesignRun, Levels, SubGroupBy, analyse, compare_measure,
};
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

/// One person: treated, re-offended, left early, level of the covariate by which sub-groups are made.
type Person = (bool, bool, bool, &'static str);

/// Two groups of `n` people of whom so many re-offend and so many of the others leave early.
fn composed(n: [usize; 2], events: [usize; 2], left: [usize; 2]) -> Composed {
    let mut people: Vec<Person> = Vec::new();
    for group in 0..2 {
        for i in 0..n[group] {
            let early = (events[group]..events[group] + left[group]).contains(&i);
            people.push((group == 0, i < events[group], early, if i < 20 { "female" } else { "male" }));
        }
    }
    composed_of(&people, &[])
}

/// The report on these people, with the sub-groups that are named, tested for whether they differ where they are two.
fn composed_of(people: &[Person], sub_groups: &[&str]) -> Composed {
    let treated: Vec<bool> = people.iter().map(|p| p.0).collect();
    let outcomes: Vec<PersonOutcome> = people.iter().map(|p| outcome(p.1, p.2)).collect();
    let level: Vec<String> = people.iter().map(|p| p.3.to_owned()).collect();
    let weight = vec![1.0; treated.len()];
    let set = vec![None; treated.len()];
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let named: BTreeSet<String> = sub_groups.iter().map(|level| (*level).to_owned()).collect();
    let plan = AnalysisPlan {
        permutation_draws: 200,
        interaction_tests: (named.len() > 1).then_some(SubGroupBy::Gender).into_iter().collect(),
        sub_groups: if named.is_empty() { BTreeMap::new() } else { BTreeMap::from([(SubGroupBy::Gender, named)]) },
        ..AnalysisPlan::default()
    };
    let analysis = analyse(design, &[Levels { by: SubGroupBy::Gender, level: &level }], &plan, &|| {}).unwrap();
    let mut sexes: BTreeMap<String, i64> = BTreeMap::new();
    for person in people.iter().filter(|p| p.0) {
        *sexes.entry(person.3.to_owned()).or_default() += 1;
    }
    // A run on the same people less one treated: its size would give that one away.
    let mut fewer = weight.clone();
    fewer[0] = 0.0;
    let run = Design { weight: &fewer, ..design };
    let run = compare_measure(run, plan.primary_measure, &plan).unwrap();
    let runs = vec![DesignRun { key: "with_assessments".to_owned(), result: Some(run), absent: None }];
    let counts = OutcomeCounts::of(&design);
    findings(&analysis, counts, &Alternatives { doubly_robust: None, runs }, sexes.into_iter().collect())
}

fn findings(
    analysis: &Analysis,
    counts: OutcomeCounts,
    alternatives: &Alternatives,
    sexes: Vec<(String, i64)>,
) -> Composed {
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
        funnel: vec![
            step("submitted", 1000),
            step("on_register", 900),
            step("matched", analysis.treatment.people as i64),
        ],
        linkage: [1000, 900, 40, 60],
        national_or_region: "national".to_owned(),
        balance: &[],
        covariates: &[],
        pool_size: 10_000,
        profile: vec![CountedProfile { key: "sex".to_owned(), label: "Sex".to_owned(), categories: sexes }],
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

/// So many people of one group and sex, of whom so many re-offend.
fn people(treated: bool, sex: &'static str, n: usize, events: usize) -> Vec<Person> {
    (0..n).map(|i| (treated, i < events, false, sex)).collect()
}

#[test]
fn sub_groups_are_analysed_tested_and_listed() {
    let cohort = [
        people(true, "female", 100, 20),
        people(true, "male", 300, 120),
        people(false, "female", 200, 80),
        people(false, "male", 600, 240),
    ]
    .concat();
    let result = composed_of(&cohort, &["female", "male"]).result;
    let [women, men] = result.sub_groups.as_slice() else { panic!("{:?}", result.sub_groups) };
    assert_eq!((women.label.as_str(), women.by.as_str()), ("Gender: female", "gender"));
    assert_eq!((women.measure.treatment.n, women.measure.treatment.events), (Some(100), Some(20)));
    assert_eq!((women.measure.treatment.value, women.measure.comparison.value), (Some(0.2), Some(0.4)));
    assert_eq!((men.measure.comparison.n, men.measure.difference.value), (Some(600), Some(0.0)));
    assert!(women.measure.p_holm > women.measure.p_value && women.measure.significant == Some(true));
    // Twenty re-offenders are too few to conclude from, whatever p says.
    assert_eq!(women.measure.gate.as_ref().map(|gate| gate.met), Some(false));
    let test = &result.interactions[0];
    assert!(test.p_value.is_some_and(|p| p < 0.05) && test.conclusive == Some(false), "{test:?}");
    let family: Vec<_> = result.tests_made.iter().filter(|t| t.family == "declared family").collect();
    let named: Vec<&str> = family.iter().filter_map(|t| t.subgroup.as_deref()).collect();
    assert_eq!(named, ["Gender: female", "Gender: male", "differences by gender: female, male"]);
    assert_eq!(family.len(), 15);
    let profile: Vec<(&str, Option<f64>)> =
        result.profile[0].rows.iter().map(|row| (row.label.as_str(), row.share)).collect();
    assert_eq!(profile, [("female", Some(0.25)), ("male", Some(0.75))]);
    for said in [to_text(&result), to_html(&result), to_json(&result).to_string()] {
        assert!(said.contains("Gender: female") && said.contains("cannot be told from chance"), "{said}");
    }
    // Only one of them in the plan: the other is not spoken of.
    let one = composed_of(&cohort, &["female"]).result;
    assert!(one.interactions.is_empty() && !to_text(&one).contains("Gender: male"));
}

#[test]
fn a_small_sub_group_gets_no_table_and_cannot_be_subtracted() {
    let cohort = |women: [usize; 2], unknown: usize| {
        [
            people(true, "female", women[0], women[1]),
            people(true, "male", 300, 120),
            people(true, "unknown", unknown, unknown / 2),
            people(false, "female", 200, 80),
            people(false, "male", 600, 240),
        ]
        .concat()
    };
    // 29 women: nothing of them. What the whole less the men leaves is not small, so the men stand.
    let result = composed_of(&cohort([29, 12], 0), &["female", "male"]).result;
    let [women, men] = result.sub_groups.as_slice() else { panic!("{:?}", result.sub_groups) };
    assert!(women.measure.withheld.is_some() && women.measure.treatment.n.is_none() && women.measure.p_value.is_none());
    assert_eq!((men.measure.treatment.n, result.interactions[0].p_value), (Some(300), None));
    // Few of them re-offended, or few did not: the men, or the whole, would give that away.
    for (women, unknown) in [([40, 3], 0), ([40, 38], 0)] {
        let result = composed_of(&cohort(women, unknown), &["female", "male"]).result;
        assert!(result.sub_groups.iter().all(|group| group.measure.withheld.is_some()), "{women:?}");
        assert!(result.sub_groups.iter().all(|group| group.measure.treatment.n.is_none()), "{women:?}");
        assert!(result.interactions[0].p_value.is_none() && result.interactions[0].conclusive.is_none());
        assert!(result.measures[0].withheld.is_none(), "{women:?}: the whole stands");
        assert!(result.tests_made.iter().filter(|t| t.subgroup.is_some()).all(|t| t.withheld.is_some()));
        for said in [to_text(&result), to_html(&result)] {
            assert!(said.contains("Gender: female \u{2013} the result is withheld"), "{said}");
            assert!(!said.contains("chart-sub-groups"));
        }
    }
    // Two people of unknown sex are what the three numbers would leave.
    let result = composed_of(&cohort([80, 30], 2), &["female", "male"]).result;
    let shown = result.sub_groups.iter().filter(|group| group.measure.withheld.is_none()).count();
    assert!(shown < 2 || result.measures[0].withheld.is_some(), "{:?}", result.sub_groups);
}
