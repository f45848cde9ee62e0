//! What a request asks for and what its report says: definitions, plan, people who leave early, sensitivity, the ledger.

use jdl_surface::{Lab, Life, one, refusal};
use serde_json::Value;

/// 2005-01-03.
const RELEASE: i32 = 1_829;

/// 200 treated and 200 others, all released in one year; `days` says when person n (from 0) offended first, if at all.
fn people(days: impl Fn(usize) -> Option<i32>) -> Vec<Life> {
    (0..400)
        .map(|n| Life {
            treated: n < 200,
            release: RELEASE + (n as i32 * 7) % 300,
            age_days: 8_000 + (n as i32 % 50) * 180,
            served_days: 200,
            ethnicity: if n % 3 == 0 { "Black" } else { "White" },
            offence_group: "Theft",
            priors: (n % 4) as u32,
            reoffended_after: days(n),
        })
        .collect()
}

/// Loads the list of the treated into a request with these options, everybody matched, and has it reported.
fn reported(lab: &Lab, list: &str, options: &str) -> (i64, Value) {
    let request = lab.open(options);
    lab.load(request, list).unwrap();
    lab.assign("ann", request);
    let mut ann = lab.connect("ann");
    ann.batch_execute(&format!(r#"SELECT jdl_match({request}, '{{"method": "nearest", "ratio": 1}}')"#)).unwrap();
    (request, one(&mut ann, &format!("SELECT jdl_report({request})")))
}

/// People of treatment and comparison group with the first measure's event, and those analysed.
fn rate(report: &Value) -> [(u64, u64); 2] {
    let rate = &report["measures"][0];
    assert_eq!(rate["key"], "reoffending_rate");
    ["treatment", "comparison"]
        .map(|group| (rate[group]["events"].as_u64().unwrap_or(0), rate[group]["n"].as_u64().unwrap_or(0)))
}

#[test]
fn length_of_follow_up_waiting_period_and_offences_are_settings_of_the_request() {
    let lab = Lab::new("definition");
    // A quarter each: on the last day of the first year, on the anniversary, late in the second year, never.
    // Years from the release days here have 365 days.
    let days = |n: usize| match n % 4 {
        0 => Some(364),
        1 => Some(365),
        2 => Some(700),
        _ => None,
    };
    let list = lab.dress(&people(days));
    // Of those on the last day every second is violent; of those in the second year every second is proven 250 days later.
    lab.admin()
        .batch_execute(
            "UPDATE jdl_restricted.offence o SET offence_group = 'Violence against the person' WHERE o.person_id % 8 = 1 AND o.outcome_date - o.offence_date = 60;
             UPDATE jdl_restricted.offence o SET outcome_date = o.offence_date + 250 WHERE o.person_id % 8 = 7 AND o.outcome_date - o.offence_date = 60;
             SELECT jdl_register_refresh('2015-12-31')",
        )
        .unwrap();
    // Person n of the register is number n - 1 here: n % 4 = 1 offended on day 364, 2 on day 365, 3 on day 700.
    for (options, events) in [
        ("{}", 50),
        (r#"{"follow_up_months": 24}"#, 125),
        (r#"{"follow_up_months": 24, "waiting_months": 12}"#, 150),
        (r#"{"follow_up_months": 11}"#, 0),
        (r#"{"offence_groups": ["Violence against the person"]}"#, 25),
        (r#"{"offence_groups": ["Violence against the person"], "follow_up_months": 24}"#, 25),
    ] {
        let (request, report) = reported(&lab, &list, options);
        let text: String = one(&mut lab.connect("ann"), &format!("SELECT jdl_report_text({request})"));
        if events == 0 {
            assert!(text.contains("withheld"), "{options}: nobody re-offended, which is not said of people");
            continue;
        }
        assert_eq!(rate(&report), [(events, 200), (events, 200)], "{options}");
        let asked: Value = serde_json::from_str(options).unwrap();
        let months = asked["follow_up_months"].as_u64().unwrap_or(12);
        assert_eq!(report["request"]["follow_up_months"], months, "{options}");
        let within = if months == 24 { "within two years" } else { "within one year" };
        assert!(text.contains(within), "{options}: {text}");
        assert_eq!(text.contains("Violence against the person"), asked.get("offence_groups").is_some(), "{text}");
    }
    // What is too recent for two years is not for one.
    lab.connect("dan").batch_execute("SELECT jdl_register_refresh('2007-06-01')").unwrap();
    let (_, one_year) = reported(&lab, &list, "{}");
    assert_eq!(rate(&one_year)[0].1, 200);
    let two = lab.open(r#"{"follow_up_months": 24}"#);
    lab.load(two, &list).unwrap();
    lab.assign("ann", two);
    assert_eq!(refusal(&mut lab.connect("ann"), &format!("SELECT jdl_match({two})")).0, "55000");
}

#[test]
fn the_seven_measures_count_what_happened() {
    let lab = Lab::new("seven");
    let list = lab.dress(&people(|n| (n % 2 == 0).then_some(100 + (n as i32 % 40))));
    // Every fourth re-offender offends twice more; a penalty notice counts for nobody.
    lab.admin()
        .batch_execute(
            "INSERT INTO jdl_restricted.offence SELECT 1000000 + o.offence_id * 10 + k, o.person_id, o.offence_date + k, o.outcome_date + k, 'Conviction', 'Theft', 'Summary only', false
             FROM jdl_restricted.offence o, generate_series(1, 2) k WHERE o.person_id % 8 = 1 AND o.outcome_date - o.offence_date = 60;
             INSERT INTO jdl_restricted.offence SELECT 2000000 + o.offence_id, o.person_id + 1, o.offence_date, o.outcome_date, 'Penalty notice for disorder', 'Theft', 'Summary only', false
             FROM jdl_restricted.offence o WHERE o.person_id % 4 = 1 AND o.outcome_date - o.offence_date = 60;
             -- Where it is not known in which court it can be tried, it counts all the same.
             UPDATE jdl_restricted.offence SET court_category = NULL WHERE person_id % 20 = 1 AND offence_id < 1000000;
             SELECT jdl_register_refresh('2015-12-31')",
        )
        .unwrap();
    let (_, report) = reported(&lab, &list, "{}");
    let measure = |key: &str, category: Option<&str>| {
        let found = report["measures"].as_array().unwrap().iter();
        let mut found = found.filter(|m| m["key"] == key && m["category"].as_str() == category);
        let m = found.next().unwrap_or_else(|| panic!("{key}")).clone();
        assert!(m["withheld"].is_null(), "{key}: {m}");
        m["treatment"]["value"].as_f64().unwrap()
    };
    // 100 of 200 re-offended, 25 of them three times: 150 re-offences.
    assert_eq!(measure("reoffending_rate", None), 0.5);
    assert_eq!(measure("reoffences_per_person", None), 0.75);
    assert_eq!(measure("reoffences_per_reoffender", None), 1.5);
    // Days 100 to 138 by twos, five of each.
    assert_eq!(measure("days_to_first", None), 119.0);
    let keys: std::collections::BTreeSet<&str> =
        report["measures"].as_array().unwrap().iter().map(|m| m["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 8, "seven measures, frequency with both of its denominators");
    let tests = report["tests_made"].as_array().unwrap();
    assert_eq!(tests.iter().filter(|t| t["family"] == "declared family").count(), 12);
    for test in tests.iter().filter(|t| t["family"] == "declared family" && t["withheld"].is_null()) {
        let p = |key: &str| test[key].as_f64().unwrap();
        assert!(p("p_value") <= p("p_holm") && p("p_value") <= p("p_bh"), "{test}");
    }
    // A JSON number has the digits that are printed, not those of binary arithmetic.
    let digits: i64 = one(
        &mut lab.admin(),
        "SELECT count(*) FROM jdl.report, regexp_matches(report::text, '[0-9]\\.[0-9]{13,}', 'g')",
    );
    assert_eq!(digits, 0);
}

#[test]
fn death_and_long_custody_are_handled_and_said() {
    let lab = Lab::new("early");
    let people = people(|n| (n % 2 == 1).then_some(100));
    let list = lab.dress(&people);
    // Of those who never re-offended: 20 of each group die on day 50, 15 are locked away for 90 days from day 200, 10 for 89.
    // Ten treated are dead before their release: they have no index event.
    lab.admin()
        .batch_execute(
            "UPDATE jdl_restricted.person p SET date_of_death = s.end_date + 50 FROM jdl_restricted.sentence s
             WHERE s.person_id = p.person_id AND s.kind = 'Custody' AND p.person_id % 2 = 1 AND (p.person_id - 1) % 200 < 40;
             INSERT INTO jdl_restricted.sentence SELECT 900000 + p.person_id, p.person_id, 'Custody', s.end_date + 200, s.end_date + 200 + CASE WHEN (p.person_id - 1) % 200 < 70 THEN 90 ELSE 89 END, 'Other'
             FROM jdl_restricted.person p JOIN jdl_restricted.sentence s USING (person_id)
             WHERE s.kind = 'Custody' AND p.person_id % 2 = 1 AND (p.person_id - 1) % 200 BETWEEN 40 AND 89;
             UPDATE jdl_restricted.person p SET date_of_death = s.end_date - 1 FROM jdl_restricted.sentence s
             WHERE s.person_id = p.person_id AND s.kind = 'Custody' AND p.person_id BETWEEN 101 AND 120 AND p.person_id % 2 = 1;
             SELECT jdl_register_refresh('2015-12-31')",
        )
        .unwrap();
    let (request, report) = reported(&lab, &list, "{}");
    // Treated people 101, 103, ... 119 were dead at release.
    let steps = report["funnel"].as_array().unwrap();
    let index = steps.iter().find(|s| s["key"] == "index_event").unwrap();
    assert_eq!((&index["remaining"], &index["lost"]), (&190.into(), &10.into()));
    assert!(index["reason"].as_str().unwrap().contains("died before"), "{index}");
    assert_eq!(rate(&report)[0], (100, 190), "those who leave stay in the denominator");
    let groups = &report["groups"];
    assert_eq!(groups["treatment_left_early"], 35, "{groups}");
    let comparison_n = rate(&report)[1].1;
    let early = groups["comparison_left_early"].as_u64().unwrap();
    assert!((20..=35).contains(&early) && comparison_n == 190, "{groups}");
    let text: String = one(&mut lab.connect("ann"), &format!("SELECT jdl_report_text({request})"));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("Of those analysed, 35 in the treatment group and {early} in the comparison group died or were in custody for 90 days or more")), "{text}");
    assert!(text.contains("the curves of re-offending leave them on that day"));
    // The curve ends above the rate: those who left are not counted as having stayed out of trouble.
    let last = report["curves"]["points"].as_array().unwrap().last().unwrap();
    assert!(last["treatment"].as_f64() > report["measures"][0]["treatment"]["value"].as_f64(), "{last}");
}

#[test]
fn custody_that_runs_already_ends_the_time_at_risk_on_the_first_day() {
    let lab = Lab::new("inside");
    let list = lab.dress(&people(|n| (n % 2 == 1).then_some(100)));
    // Of those who never re-offended, in each group: 30 are inside for something else with 90 days to go, 15 with 89, and 15 for
    // a sentence whose end is not known, which began long before.
    lab.admin()
        .batch_execute(
            "INSERT INTO jdl_restricted.sentence SELECT 900000 + p.person_id, p.person_id, 'Custody', s.end_date - 150,
                 CASE WHEN (p.person_id - 1) % 200 < 60 THEN s.end_date + 90 WHEN (p.person_id - 1) % 200 < 90 THEN s.end_date + 89 END, 'Other'
             FROM jdl_restricted.person p JOIN jdl_restricted.sentence s USING (person_id)
             WHERE s.kind = 'Custody' AND p.person_id % 2 = 1 AND (p.person_id - 1) % 200 < 120;
             SELECT jdl_register_refresh('2015-12-31')",
        )
        .unwrap();
    let (_, report) = reported(&lab, &list, "{}");
    let early = report["groups"]["treatment_left_early"].as_u64();
    println!("left early: {}", report["groups"]);
    assert!(early.is_none_or(|n| n == 30), "{}", report["groups"]);
    let stored: i64 = one(
        &mut lab.admin(),
        "SELECT (result -> 'analysis' -> 'treatment' ->> 'left_early')::bigint FROM jdl_pseudonymised.analysis",
    );
    assert_eq!(stored, 30);
    let at_risk: f64 = one(
        &mut lab.admin(),
        "SELECT (result -> 'analysis' -> 'treatment_curve' -> 'points' -> 1 ->> 'at_risk')::float8 FROM jdl_pseudonymised.analysis",
    );
    assert!((at_risk - 170.0).abs() < 1e-6, "thirty of two hundred leave on the first day: {at_risk}");
}

#[test]
fn sub_groups_are_frozen_with_the_plan_and_every_test_of_them_is_printed() {
    let lab = Lab::new("parts");
    // Among the white every second re-offends in both groups; among the black a third of the treated and most of the others.
    let list = lab.dress(&people(|n| {
        let black = n % 3 == 0;
        let yes = if black { if n < 200 { n % 9 == 0 } else { n % 9 != 0 } } else { n % 2 == 0 };
        yes.then_some(100)
    }));
    lab.connect("dan").batch_execute("SELECT jdl_register_refresh('2015-12-31')").unwrap();
    let request = lab.open("{}");
    lab.load(request, &list).unwrap();
    lab.assign("ann", request);
    let mut ann = lab.connect("ann");
    ann.batch_execute(&format!(
        r#"SELECT jdl_match({request}, '{{"method": "nearest", "ratio": 1, "exact": ["ethnicity"]}}')"#
    ))
    .unwrap();
    for (changes, state) in [
        (r#"{"sub_groups": {"shoe_size": ["9"]}}"#, "22023"),
        (r#"{"sub_groups": {"ethnicity": []}}"#, "22023"),
        (r#"{"sub_groups": {"ethnicity": ["Blue"]}}"#, "22023"),
        (r#"{"sub_groups": {"ethnicity": ["Black"]}, "interaction_tests": ["ethnicity"]}"#, "22023"),
        (r#"{"interaction_tests": ["gender"]}"#, "22023"),
    ] {
        assert_eq!(refusal(&mut ann, &format!("SELECT jdl_plan({request}, '{changes}')")).0, state, "{changes}");
    }
    let plans: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl.analysis_plan");
    assert_eq!(plans, 0, "what was refused is not frozen");
    ann.batch_execute(&format!(
        r#"SELECT jdl_plan({request}, '{{"sub_groups": {{"ethnicity": ["Black", "White"], "offence_group": ["Theft"]}}, "interaction_tests": ["ethnicity"]}}')"#
    ))
    .unwrap();
    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    let groups = report["sub_groups"].as_array().unwrap();
    let labels: Vec<&str> = groups.iter().map(|g| g["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Ethnicity: Black", "Ethnicity: White", "Offence group: Theft"]);
    // Everybody of that offence group is everybody.
    assert_eq!(groups[2]["measure"]["difference"], report["measures"][0]["difference"]);
    let events = |group: usize, side: &str| groups[group]["measure"][side]["events"].as_u64();
    let counted: i64 = one(
        &mut lab.admin(),
        &format!(
            "SELECT count(*) FROM jdl_pseudonymised.member m JOIN jdl_pseudonymised.outcome o USING (request_id, pseudonym)
             WHERE m.request_id = {request} AND m.treated AND m.ethnicity = 'Black' AND o.reoffended"
        ),
    );
    assert_eq!(events(0, "treatment"), Some(counted as u64));
    assert!(groups[0]["measure"]["difference"]["high"].as_f64() < Some(0.0), "{}", groups[0]);
    assert!(groups[1]["measure"]["difference"]["value"].as_f64().unwrap().abs() < 0.1, "{}", groups[1]);
    let interaction = &report["interactions"][0];
    assert!(interaction["p_value"].as_f64().unwrap() < 0.01, "{interaction}");
    let tests = report["tests_made"].as_array().unwrap();
    let named: Vec<&str> = tests.iter().filter_map(|t| t["subgroup"].as_str()).collect();
    assert_eq!(named.len(), 4, "{named:?}");
    assert_eq!(tests.iter().filter(|t| t["family"] == "declared family").count(), 16);
    let text: String = one(&mut ann, &format!("SELECT jdl_report_text({request})"));
    assert!(text.contains("Sub-groups\n----------"), "{text}");
    let html: String = one(&mut ann, &format!("SELECT jdl_report_html({request})"));
    assert!(html.contains("chart-sub-groups") && html.contains("table-sub-groups"));
    let why: Vec<String> = ann
        .query(&format!("SELECT problem FROM jdl_check_claim({request}, 'Women re-offended less.')"), &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(why.iter().any(|w| w.contains("part of the treatment group")), "{why:?}");
}

#[test]
fn a_plan_is_frozen_before_outcomes_and_every_change_of_it_is_said() {
    let lab = Lab::new("plan");
    let request = lab.made_up(5_000, 300);
    let mut ann = lab.connect("ann");
    let plan = |ann: &mut postgres::Client, changes: &str, reason: &str| {
        let reason = if reason.is_empty() { "NULL".to_owned() } else { format!("'{reason}'") };
        ann.query_one(&format!("SELECT * FROM jdl_plan({request}, '{changes}', {reason})"), &[])
            .map(|row| (row.get::<_, i32>(0), row.get::<_, String>(1), row.get::<_, bool>(2)))
    };
    let first = plan(&mut ann, r#"{"permutation_draws": 500}"#, "").unwrap();
    assert_eq!((first.0, first.2), (1, false));
    assert_eq!(plan(&mut ann, "{}", "").unwrap(), first, "asked again it says what stands");
    assert_eq!(plan(&mut ann, r#"{"permutation_draws": 500}"#, "").unwrap(), first);
    let outcomes: i64 = one(&mut lab.admin(), "SELECT count(*) FROM jdl_pseudonymised.outcome");
    assert_eq!(outcomes, 0, "no outcome has been read");

    for (call, state) in [
        (format!(r#"SELECT jdl_plan({request}, '{{"seed": 8}}')"#), "22023"),
        (format!(r#"SELECT jdl_plan({request}, '{{"follow_up_months": 8}}', 'why')"#), "22023"),
        (format!(r#"SELECT jdl_plan({request}, '{{"family": ["reoffence_frequency"]}}', 'why')"#), "22023"),
        (format!(r#"SELECT jdl_plan({request}, '{{"primary_measure": "happiness"}}', 'why')"#), "22023"),
        (format!(r#"SELECT jdl_plan({request}, '[]')"#), "22023"),
    ] {
        assert_eq!(refusal(&mut ann, &call).0, state, "{call}");
    }
    assert_eq!(refusal(&mut lab.connect("amy"), &format!("SELECT jdl_plan({request})")).0, "42501");

    let second =
        plan(&mut ann, r#"{"family": ["reoffending_rate", "reoffence_frequency"]}"#, "two measures are enough")
            .unwrap();
    assert_eq!((second.0, second.2), (2, false));
    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    let stored = &report["request"]["plan"];
    assert_eq!((&stored["version"], &stored["changed_after_outcomes"]), (&2.into(), &false.into()));
    assert_eq!(stored["hash"], second.1);
    assert_eq!(
        stored["changes"][0],
        "version 2, frozen before outcomes were read, changed family. Reason given: two measures are enough."
    );
    // The hash is that of the stored plan, and the plan was stored before the outcomes.
    let sealed: bool = one(
        &mut lab.admin(),
        &format!(
            "SELECT bool_and(p.digest = encode(sha256(convert_to(p.plan::text, 'UTF8')), 'hex') AND p.frozen_at < a.analysed_at)
             FROM jdl.analysis_plan p JOIN jdl_pseudonymised.analysis a USING (request_id) WHERE request_id = {request}"
        ),
    );
    assert!(sealed);
    let tests = report["tests_made"].as_array().unwrap().clone();
    let of = |family: &str| tests.iter().filter(|t| t["family"] == family).count();
    assert_eq!((of("declared family"), of("outside it")), (2, 10), "every test that was made is printed");
    assert!(tests.iter().all(|t| t["family"] == "declared family" || t["p_holm"].is_null()));
    let draws = report["sensitivity"]["permutation_draws"].as_u64();
    assert!(draws.is_none_or(|n| n == 500), "{draws:?}");

    // Another measure first, now that outcomes are known.
    let third =
        plan(&mut ann, r#"{"primary_measure": "reoffence_frequency"}"#, "the rate was not what we hoped").unwrap();
    assert_eq!((third.0, third.2), (3, true));
    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    assert_eq!(report["request"]["plan"]["changed_after_outcomes"], true);
    assert_eq!(report["request"]["plan"]["primary"], "reoffences_per_person");
    let text: String = one(&mut ann, &format!("SELECT jdl_report_text({request})"));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("The analysis plan was changed after outcomes had been read: this is version 3, and its tests are exploratory."), "{text}");
    assert!(text.contains("Reason given: the rate was not what we hoped."), "{text}");
    // Once it is approved it stands.
    lab.connect("bob").batch_execute(&format!("SELECT jdl_approve({request})")).unwrap();
    let late = refusal(&mut ann, &format!(r#"SELECT jdl_plan({request}, '{{"seed": 9}}', 'why')"#));
    assert_eq!(late.0, "55000", "{}", late.1);
}

#[test]
fn the_second_opinion_and_the_assessment_runs_stand_beside_the_main_result() {
    let lab = Lab::new("opinion");
    let request = lab.made_up(20_000, 1_500);
    let mut ann = lab.connect("ann");
    let report: Value = one(&mut ann, &format!("SELECT jdl_report({request})"));
    let sensitivity = &report["sensitivity"];
    println!("main {} and {sensitivity}", report["measures"][0]["difference"]);
    let main = report["measures"][0]["difference"]["value"].as_f64().unwrap();
    let robust = &sensitivity["aipw"];
    let (low, high) = (robust["low"].as_f64().unwrap(), robust["high"].as_f64().unwrap());
    assert!(low < high && robust["value"].as_f64().unwrap() > low);
    // Both look at the same treated people: they lie within the main interval's reach of each other.
    let reach = main - report["measures"][0]["difference"]["low"].as_f64().unwrap();
    assert!((robust["value"].as_f64().unwrap() - main).abs() < 2.0 * reach, "{robust} against {main}");
    let pool: i64 = one(
        &mut lab.admin(),
        &format!("SELECT (summary ->> 'pool_size')::bigint FROM jdl.match_design WHERE request_id = {request}"),
    );
    assert_eq!(sensitivity["aipw_pool_n"], pool);
    let runs = sensitivity["runs"].as_array().unwrap();
    let keys: Vec<&str> = runs.iter().map(|run| run["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["with_assessments", "without_assessments"]);
    for run in runs {
        assert!(
            run["withheld"].is_null() && run["p_value"].is_number() && run["difference"]["value"].is_number(),
            "{run}"
        );
    }
    let assessed: i64 = one(
        &mut lab.admin(),
        &format!(
            "SELECT count(*) FROM _jdl_candidates({request}) WHERE treated AND '{{need,no need}}' && ARRAY[accommodation_need, employment_need, drugs_need, alcohol_need, thinking_need]"
        ),
    );
    let first = runs[0]["treatment_n"].as_i64().unwrap();
    assert!(first <= assessed && assessed < report["groups"]["treatment_n"].as_i64().unwrap(), "{first} of {assessed}");
    let tests = report["tests_made"].as_array().unwrap();
    assert!(tests.iter().filter(|t| t["family"] == "sensitivity").count() >= 3, "{tests:?}");
    let html: String = one(&mut ann, &format!("SELECT jdl_report_html({request})"));
    assert!(html.contains("assessment variables in the model") && html.contains("chart-sensitivity"));
    assert_eq!(refusal(&mut ann, &format!("SELECT _jdl_candidates({request})")).0, "42501");
}

#[test]
fn the_forest_plot_shows_what_stands_as_published() {
    let lab = Lab::new("forest");
    let list = lab.dress(&people(|n| (n % 3 == 0 || (n >= 200 && n % 3 == 1)).then_some(100)));
    lab.connect("dan").batch_execute("SELECT jdl_register_refresh('2015-12-31')").unwrap();
    let empty: String = one(&mut lab.connect("bea"), "SELECT jdl_forest_html()");
    assert!(empty.contains("Nothing has been published"));
    // Half of the list each: the same people would not be released twice.
    let half = |part: usize| -> String {
        list.lines()
            .enumerate()
            .filter(|(at, _)| *at == 0 || at % 2 == part)
            .map(|(_, line)| format!("{line}\n"))
            .collect()
    };
    let requests: Vec<i64> = [0, 1].iter().map(|part| reported(&lab, &half(*part), "{}").0).collect();
    let mut bob = lab.connect("bob");
    for request in &requests {
        bob.batch_execute(&format!("SELECT jdl_approve({request}), jdl_release({request})")).unwrap();
    }
    let page: String = one(&mut lab.connect("bea"), "SELECT jdl_forest_html()");
    assert!(page.contains("2 results published") && page.contains("Heterogeneity") && page.contains("chart-forest"));
    assert!(requests.iter().all(|request| page.contains(&format!("request {request})"))));
    bob.batch_execute(&format!("SELECT jdl_withdraw({}, 'wrong list')", requests[0])).unwrap();
    let page: String = one(&mut lab.connect("bea"), "SELECT jdl_forest_html()");
    assert!(page.contains("1 result published") && !page.contains(&format!("request {})", requests[0])));
    assert_eq!(refusal(&mut lab.connect("eve"), "SELECT jdl_forest_html()").0, "42501");
}
