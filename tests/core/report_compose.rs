//! From findings to what may be published: the corners in which counts are nobody, everybody or few.

use std::collections::{BTreeMap, BTreeSet};

use jdl_core::calendar::Day;
use jdl_core::disclosure::{CohortKey, Key, Policy, View, Zeros, intervals};
use jdl_core::inference::{
    Alternatives, Analysis, AnalysisPlan, Design, DesignRun, Levels, SubGroupBy, analyse, compare_measure,
    compare_rates,
};
use jdl_core::matching::{BalanceRow, Comparison, Light};
use jdl_core::outcomes::{CourtCategory, FirstReoffence, PersonOutcome};
use jdl_core::report::compose::{Composed, CountedProfile, CountedStep, Findings, OutcomeCounts, compose};
use jdl_core::report::perturb::perturb;
use jdl_core::report::result::{MeasureKey, Plan, Request, Status, StoredResult, Unit};
use jdl_core::report::{to_html, to_json, to_text};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

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
    // Runs on the same people less the first treated, one or twelve of them: what one did would be the difference.
    let runs = [("with_assessments", 1), ("without_assessments", 12)].map(|(key, without)| {
        let fewer: Vec<f64> = (0..weight.len()).map(|i| if i < without { 0.0 } else { 1.0 }).collect();
        let run = compare_measure(Design { weight: &fewer, ..design }, plan.primary_measure, &plan).unwrap();
        DesignRun { key: key.to_owned(), result: Some(run), absent: None }
    });
    let runs = runs.to_vec();
    let counts = OutcomeCounts::of(&design);
    findings(&analysis, counts, &Alternatives { doubly_robust: None, runs }, sexes.into_iter().collect(), None, &[])
}

fn step(key: &'static str, remaining: i64) -> CountedStep {
    CountedStep { key, label: key, reason: "a reason".to_owned(), remaining }
}

/// What was asked, with this primary measure.
pub fn request(primary: MeasureKey) -> Request {
    Request {
        request_id: 1,
        provider: "P".to_owned(),
        intervention: "a service".to_owned(),
        register_version: "1".to_owned(),
        plan: Plan {
            version: 1,
            hash: "abc".to_owned(),
            primary,
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
    }
}

/// `list` is the funnel, and how many records were submitted, linked, suspect and unlinked.
fn findings(
    analysis: &Analysis,
    counts: OutcomeCounts,
    alternatives: &Alternatives,
    sexes: Vec<(String, i64)>,
    list: Option<(Vec<CountedStep>, [i64; 4])>,
    balance: &[BalanceRow],
) -> Composed {
    let people = analysis.treatment.people as i64;
    let list = list.unwrap_or_else(|| {
        (vec![step("submitted", 1000), step("on_register", 900), step("matched", people)], [1000, 900, 40, 60])
    });
    let findings = Findings {
        request: request(MeasureKey::ReoffendingRate),
        analysis,
        alternatives,
        counts,
        funnel: list.0,
        linkage: list.1,
        national_or_region: "national".to_owned(),
        balance,
        covariates: &[("gender".to_owned(), "Gender".to_owned())],
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
        let gates = result.measures.iter().filter(|m| m.withheld.is_some()).filter_map(|m| m.gate.as_ref());
        assert_eq!(gates.count(), 0, "{events:?}: that too few re-offended says how many");
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
fn another_run_is_not_shown_where_it_gives_somebody_away() {
    let result = composed([200, 300], [80, 120], [0, 0]).result;
    let [near, apart] = result.sensitivity.runs.as_slice() else { panic!("{:?}", result.sensitivity.runs) };
    // Its difference and interval would tell how many of 199 re-offended, and so what one person did.
    assert!(near.withheld.is_some() && near.p_value.is_none() && near.difference.value.is_none(), "{near:?}");
    assert_eq!((near.treatment_n, near.comparison_n), (None, None));
    assert!(apart.withheld.is_none() && apart.p_value.is_some() && apart.difference.value.is_some(), "{apart:?}");
    assert_eq!((apart.treatment_n, apart.comparison_n), (Some(188), Some(300)));
    let tests: Vec<&str> = result.tests_made.iter().map(|t| t.family.as_str()).collect();
    assert_eq!(tests.iter().filter(|family| **family == "declared family").count(), 12);
    assert_eq!(
        tests.iter().filter(|family| **family == "sensitivity").count(),
        5,
        "permutation, log-rank, hazard, the runs"
    );
}

/// The keys of two groups, the first without so many of its people.
fn cohort_keys(n: [usize; 2], without: usize) -> [CohortKey; 2] {
    let key = Key::new(1, [3; 32]);
    [CohortKey::new(&key, without as i64..n[0] as i64), CohortKey::new(&key, 1_000_000..1_000_000 + n[1] as i64)]
}

#[test]
fn a_perturbed_report_holds_rounded_counts_and_what_follows_from_them_and_nothing_else() {
    let exact = composed([203, 201], [83, 102], [0, 0]).result;
    assert_eq!(exact.measures[0].treatment.events, Some(83));
    let shown = perturb(&exact, &cohort_keys([203, 201], 0)).unwrap();
    assert_eq!(perturb(&exact, &cohort_keys([203, 201], 0)).unwrap(), shown, "sticky");
    let rate = &shown.measures[0];
    for (figure, n, events) in [(&rate.treatment, 203, 83), (&rate.comparison, 201, 102)] {
        let (shown_n, shown_events) = (figure.n.unwrap(), figure.events.unwrap());
        assert!(
            shown_n % 5 == 0 && shown_n.abs_diff(n) < 5 && shown_events % 5 == 0 && shown_events.abs_diff(events) < 5
        );
        let value = figure.value.unwrap();
        assert!((value - shown_events as f64 / shown_n as f64).abs() <= 0.005 && (value * 100.0).fract().abs() < 1e-9);
    }
    let found = compare_rates(
        rate.treatment.events.unwrap() as i64,
        rate.treatment.n.unwrap() as i64,
        rate.comparison.events.unwrap() as i64,
        rate.comparison.n.unwrap() as i64,
        0.95,
    )
    .unwrap();
    assert!((rate.p_value.unwrap() - found.p_value.unwrap()).abs() < 0.005);
    assert_eq!(shown.groups.treatment_n, rate.treatment.n);
    assert!(shown.groups.treatment_effective_n.is_none() && shown.curves.points.is_empty());
    assert!(
        shown.measures.iter().filter(|m| m.unit != Unit::Share).all(|m| m.withheld.is_some() && m.p_value.is_none())
    );
    assert!(shown.sensitivity.withheld.is_some() && shown.sensitivity.runs.is_empty());
    for step in &shown.funnel {
        assert_eq!((step.remaining.unwrap() % 5, step.lost.unwrap() % 5), (0, 0), "{step:?}");
    }
    // No exact count is left anywhere in what is printed.
    let printed = to_json(&shown).to_string();
    for count in [203, 201, 83, 102, 183] {
        assert!(
            !printed.contains(&format!(":{count},")) && !printed.contains(&format!(":{count}}}")),
            "{count}: {printed}"
        );
    }
    assert!(
        to_text(&shown).contains("rounded to a multiple of 5")
            && to_html(&shown).contains("rounded to a multiple of 5")
    );
    // One person less draws anew: over many people both answers come.
    let one_less = composed([202, 201], [82, 102], [0, 0]).result;
    let less = perturb(&one_less, &cohort_keys([203, 201], 1)).unwrap();
    assert!(less.measures[0].treatment.n.unwrap().abs_diff(202) < 5);
    // So do the profile and the way to the group: the nearest multiple would be the same for everybody's key.
    let draws = |number: &dyn Fn(&StoredResult) -> u64| -> BTreeSet<u64> {
        (0..40).map(|first| number(&perturb(&exact, &cohort_keys([203, 201], first)).unwrap())).collect()
    };
    let people = |result: &StoredResult, share: f64| (share * result.groups.treatment_n.unwrap() as f64).round() as u64;
    for (block, row) in exact.profile.iter().enumerate().flat_map(|(at, b)| (0..b.rows.len()).map(move |row| (at, row)))
    {
        let Some(share) = exact.profile[block].rows[row].share else { continue };
        let truth = people(&exact, share);
        let seen = draws(&|result| people(result, result.profile[block].rows[row].share.unwrap()) / 5 * 5);
        assert!(truth.is_multiple_of(5) || seen.len() > 1, "{block} {row}: {seen:?}");
    }
    let valid = exact.funnel[1].remaining.unwrap();
    assert!(valid.is_multiple_of(5) || draws(&|result| result.funnel[1].remaining.unwrap()).len() > 1);
}

#[test]
fn nobody_lost_on_the_way_can_be_worked_out_from_all_numbers_of_the_list_together() {
    let outcomes: Vec<PersonOutcome> = (0..400).map(|i| outcome(i % 200 < 80, false)).collect();
    let treated: Vec<bool> = (0..400).map(|i| i < 200).collect();
    let (weight, set) = (vec![1.0; 400], vec![None; 400]);
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let plan = AnalysisPlan { permutation_draws: 50, ..AnalysisPlan::default() };
    let analysis = analyse(design, &[], &plan, &|| {}).unwrap();
    let counts = OutcomeCounts::of(&design);
    // Submitted = unusable + valid, valid = no match + suspect + found, found = lost + with an index event, and so on to the matched.
    let nodes = ["valid", "on_register", "index_event", "old_enough", "in_model", "matched"];
    let mut parents: BTreeMap<String, String> = BTreeMap::new();
    for pair in nodes.windows(2) {
        parents.insert(pair[1].to_owned(), pair[0].to_owned());
        parents.insert(format!("lost before {}", pair[1]), pair[0].to_owned());
    }
    parents.remove("lost before on_register");
    for leaf in ["no match", "suspect"] {
        parents.insert(leaf.to_owned(), "valid".to_owned());
    }
    let policy =
        Policy { hierarchies: [("fate".to_owned(), parents)].into(), zeros: Zeros::MayHide, ..Policy::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let mut draw =
        || [0, 0, rng.random_range(1..10), rng.random_range(1..25), rng.random_range(10..60)][rng.random_range(0..5)];
    let (mut small, mut shown) = (0, 0);
    for _ in 0..300 {
        let (unusable, no_match, suspect) = (draw(), draw(), draw());
        let mut left = 200;
        let mut truth: Vec<(String, i64)> = vec![
            ("unusable".to_owned(), unusable),
            ("no match".to_owned(), no_match),
            ("suspect".to_owned(), suspect),
            ("matched".to_owned(), left),
        ];
        let mut funnel = vec![step("matched", left)];
        for pair in nodes[1..].windows(2).rev() {
            let lost = draw();
            truth.push((format!("lost before {}", pair[1]), lost));
            left += lost;
            funnel.push(step(pair[0], left));
        }
        let valid = left + no_match + suspect;
        let submitted = valid + unusable;
        funnel.extend([step("valid", valid), step("submitted", submitted)]);
        funnel.reverse();
        let linkage = [submitted, left, suspect, unusable + no_match];
        let alternatives = Alternatives { doubly_robust: None, runs: Vec::new() };
        let sexes = vec![("female".to_owned(), 100), ("male".to_owned(), 100)];
        let result = findings(&analysis, counts, &alternatives, sexes, Some((funnel, linkage)), &[]).result;
        let printed =
            |key: &str| result.funnel.iter().find(|s| s.key == key).and_then(|s| s.remaining).map(|n| n as i64);
        let link = |n: Option<u64>| n.map(|n| n as i64);
        let mut seen: Vec<(Vec<Option<String>>, Option<i64>)> =
            vec![(vec![None], printed("submitted").or(link(result.linkage.submitted)))];
        for node in nodes {
            seen.push((
                vec![Some(node.to_owned())],
                printed(node).or(if node == "on_register" { link(result.linkage.linked) } else { None }),
            ));
        }
        // What is printed as unlinked are the unusable and those without a match: who knows one and the sum knows the other.
        let known_unusable = printed("submitted").zip(printed("valid")).map(|(all, valid)| all - valid);
        let known_no_match = link(result.linkage.unlinked).zip(known_unusable).map(|(sum, part)| sum - part);
        for (leaf, _) in &truth {
            let value = match leaf.as_str() {
                "suspect" => link(result.linkage.suspect),
                "no match" => known_no_match,
                "unusable" => known_unusable,
                _ => None,
            };
            if leaf != "matched" {
                seen.push((vec![Some(leaf.clone())], value));
            }
        }
        for (leaf, count) in &truth {
            let published =
                seen.iter().find(|(labels, _)| labels[0].as_ref() == Some(leaf)).and_then(|(_, value)| *value);
            assert!(published.is_none_or(|n| !(1..10).contains(&n)), "{leaf}: {linkage:?} {:?}", result.funnel);
            shown += usize::from(published.is_some());
            small += usize::from((1..10).contains(count));
        }
        let (layout, known) = policy.read_published(&["fate"], &seen).unwrap();
        for interval in intervals(&View { layout: &layout, known: &known }, &|| {}).unwrap() {
            let label = layout.labels(interval.cell)["fate"].clone().unwrap_or_default();
            let count = truth.iter().find(|(leaf, _)| *leaf == label).map_or(0, |(_, count)| *count);
            if (1..10).contains(&count) {
                assert!(
                    !interval.is_disclosed() && !interval.is_provably_below(10),
                    "{label}: {interval:?} {linkage:?} {:?}",
                    result.funnel
                );
            }
        }
    }
    assert!(small > 300 && shown > 300, "{small} {shown}");
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
    // 29 women: nothing of them. So nothing of the men either: the whole less the men would be the women's table.
    let result = composed_of(&cohort([29, 12], 0), &["female", "male"]).result;
    let [women, men] = result.sub_groups.as_slice() else { panic!("{:?}", result.sub_groups) };
    assert!(women.measure.withheld.is_some() && women.measure.treatment.n.is_none() && women.measure.p_value.is_none());
    assert_eq!((men.measure.treatment.n, result.interactions[0].p_value), (None, None));
    assert!(result.measures[0].withheld.is_none(), "the whole stands");
    // With 16 of unknown sex they are enough to be a rest that tells nothing of either.
    let result = composed_of(&cohort([29, 12], 16), &["female", "male"]).result;
    assert!(result.sub_groups[0].measure.withheld.is_some() && result.sub_groups[1].measure.withheld.is_none());
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

#[test]
fn the_funnel_does_not_say_which_of_two_losses_is_the_small_one() {
    let design: Vec<Person> = [people(true, "male", 200, 80), people(false, "male", 300, 120)].concat();
    let treated: Vec<bool> = design.iter().map(|p| p.0).collect();
    let outcomes: Vec<PersonOutcome> = design.iter().map(|p| outcome(p.1, p.2)).collect();
    let (weight, set) = (vec![1.0; treated.len()], vec![None; treated.len()]);
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let analysis =
        analyse(design, &[], &AnalysisPlan { permutation_draws: 50, ..AnalysisPlan::default() }, &|| {}).unwrap();
    let funnel = |in_between| {
        let steps = vec![step("submitted", 234), step("index_event", in_between), step("matched", 200)];
        let none = Alternatives { doubly_robust: None, runs: Vec::new() };
        findings(
            &analysis,
            OutcomeCounts::of(&design),
            &none,
            vec![("male".to_owned(), 200)],
            Some((steps, [234, 200, 30, 4])),
            &[],
        )
        .result
        .funnel
    };
    assert_eq!(funnel(230), funnel(204));
    assert_eq!(funnel(230).iter().map(|step| step.remaining).collect::<Vec<_>>(), [Some(234), Some(200)]);
    assert_eq!(funnel(215)[1].remaining, Some(215));
}

#[test]
fn the_balance_table_hides_what_the_profile_hides() {
    let cohort = [
        people(true, "a", 3, 1),
        people(true, "b", 40, 15),
        people(true, "c", 57, 24),
        people(true, "d", 100, 30),
        people(false, "d", 300, 120),
    ]
    .concat();
    let treated: Vec<bool> = cohort.iter().map(|p| p.0).collect();
    let outcomes: Vec<PersonOutcome> = cohort.iter().map(|p| outcome(p.1, p.2)).collect();
    let (weight, set) = (vec![1.0; treated.len()], vec![None; treated.len()]);
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let plan = AnalysisPlan { permutation_draws: 200, ..AnalysisPlan::default() };
    let analysis = analyse(design, &[], &plan, &|| {}).unwrap();
    let sizes = [("a", 3), ("b", 40), ("c", 57), ("d", 100)];
    let row = |level: &str, n: i64| {
        let share = n as f64 / 200.0;
        let same = Comparison {
            mean_treated: share,
            mean_control: share,
            smd: 0.0,
            variance_ratio: None,
            ecdf_mean: 0.0,
            ecdf_max: 0.0,
        };
        let name = format!("gender{level}");
        BalanceRow { name, all: same, matched: Some(same), pair_distance: None, light: Light::Green }
    };
    let balance: Vec<BalanceRow> = sizes.iter().map(|(level, n)| row(level, *n)).collect();
    let profile = sizes.iter().map(|(level, n)| ((*level).to_owned(), *n)).collect();
    let alternatives = Alternatives { doubly_robust: None, runs: Vec::new() };
    let result = findings(&analysis, OutcomeCounts::of(&design), &alternatives, profile, None, &balance).result;
    let profile: BTreeSet<&str> =
        result.profile[0].rows.iter().filter(|r| r.withheld.is_none()).map(|r| r.label.as_str()).collect();
    assert!(profile.contains("d") && !profile.contains("a"), "{profile:?}");
    let mut hidden = 0;
    for row in &result.balance.rows {
        let level = row.level.as_deref().unwrap();
        assert!(row.withheld.is_some() || profile.contains(level), "{level} is in the balance table alone");
        hidden += usize::from(row.withheld.is_some());
    }
    assert!((2..4).contains(&hidden), "{hidden}");
}
