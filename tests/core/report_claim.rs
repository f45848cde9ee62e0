//! Drafts of a press release against the report: what is said in the report passes, what overclaims is flagged.

use jdl_core::report::{StoredResult, check_claim, words};

use crate::report_cases::{NAMES, case, random_results};
use crate::report_property::is_conclusive;

fn problems(result: &StoredResult, claim: &str) -> Vec<String> {
    let found = check_claim(result, claim);
    assert!(found.iter().all(|p| !p.problem.is_empty() && !p.why.is_empty()));
    found.into_iter().map(|p| format!("{} | {}", p.problem, p.why)).collect()
}

fn flags(name: &str, claim: &str, expected: &[&str]) {
    let found = problems(&case(name), claim);
    for wanted in expected {
        assert!(found.iter().any(|p| p.contains(wanted)), "{name}: {claim}\nwanted: {wanted}\nfound: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{name}: {claim}\n{found:#?}");
}

#[test]
fn the_reports_own_sentences_pass() {
    let reviewed = NAMES.map(case);
    for result in reviewed.into_iter().chain(random_results(60, 20_170_701)) {
        let words = words(&result);
        let spoken = [&words.headline, &words.groups, &words.linkage, &words.balance];
        // What must be said about a poor balance is said with the sentence.
        let beside = words.can_say.iter().find(|s| s.contains("not well matched")).cloned().unwrap_or_default();
        for sentence in spoken.into_iter().chain(&words.can_say).chain(&words.per_hundred) {
            let claim = format!("{sentence} {beside}");
            let found = problems(&result, &claim);
            assert!(found.is_empty(), "{claim}\n{found:#?}");
        }
        for measure in &words.measures {
            let claim = format!("{} {} {beside}", measure.direction, measure.significance);
            // A conclusive sentence on another measure may be read as one on the primary measure; only own numbers count.
            let found = problems(&result, &claim);
            assert!(!found.iter().any(|p| p.contains("is not in the report")), "{claim}\n{found:#?}");
        }
    }
}

#[test]
fn fair_sentences_of_a_provider_pass() {
    for (name, claim) in [
        (
            "clear_reduction",
            "26% of the people we worked with re-offended within a year, compared with 35% of similar people.",
        ),
        (
            "clear_reduction",
            "Re-offending was between 5 and 13 percentage points lower among our 412 participants. This is statistically significant.",
        ),
        (
            "clear_reduction",
            "Northgate Trust welcomes the report on the Fresh Start employment programme, which covers 412 people from 2011 to 2013.",
        ),
        ("clear_reduction", "About one in four of our participants re-offended, fewer than in the comparison group."),
        ("clear_increase", "Our participants were more likely to re-offend: 43% against 34%."),
        (
            "inconclusive",
            "The result is inconclusive: 25% of our participants re-offended, 28% of the comparison group.",
        ),
        (
            "inconclusive",
            "The women we worked with may have re-offended less, or more; more people would be needed to know.",
        ),
        ("inconclusive", "It is not possible to say whether the service reduced re-offending."),
        ("poor_balance", "Re-offending was 11 percentage points lower, but the two groups were not well matched."),
    ] {
        flags(name, claim, &[]);
    }
}

#[test]
fn numbers_that_are_not_in_the_report_are_flagged() {
    flags("clear_reduction", "Only 12 of 500 people re-offended.", &["\"500\" is not in the report"]);
    flags("clear_reduction", "The re-offending rate was 27% against 35%.", &["\"27%\" is not in the report"]);
    flags("clear_reduction", "The rate was 14 percentage points lower.", &["\"14 points\" is not in the report"]);
    flags("clear_reduction", "The programme saved £2.5 million.", &["\"2.5\" is not in the report"]);
    flags("clear_reduction", "One in ten of our participants re-offended.", &["\"1 in 10\" is not in the report"]);
    flags("clear_reduction", "A third of our participants re-offended.", &["\"third\" is not in the report"]);
    // The report says 26% and 35%, not 74% and 65%.
    flags("clear_reduction", "74 per cent did not re-offend.", &["\"74 per cent\" is not in the report"]);
}

#[test]
fn a_direction_or_cause_on_an_inconclusive_result_is_flagged() {
    let direction = "states a direction, but the result is inconclusive";
    flags("inconclusive", "Our course reduced re-offending.", &[direction]);
    flags("inconclusive", "Our participants were less likely to re-offend.", &[direction]);
    flags("inconclusive", "Our participants were more likely to re-offend.", &[direction]);
    flags(
        "inconclusive",
        "Second Chance Women is proven to reduce re-offending.",
        &["calls the result significant", "is the cause", direction],
    );
    flags("inconclusive", "Thanks to our course, women re-offended less.", &[direction, "is the cause"]);
    flags("inconclusive", "The course works.", &["is the cause"]);
    flags("inconclusive", "The course had no effect on re-offending.", &["says that there is no effect"]);
    flags("inconclusive", "The course failed.", &["says that there is no effect"]);
    flags("inconclusive", "There was a significant difference.", &["calls the result significant"]);
    flags("too_small", "The number of re-offences fell.", &[direction]);
    // A hedge covers its own clause only.
    flags("inconclusive", "More data could help, but our course cut re-offending.", &[direction]);
}

#[test]
fn a_conclusive_result_bears_its_direction_and_no_cause() {
    flags("clear_reduction", "Re-offending was lower among participants.", &[]);
    flags("clear_reduction", "Re-offending was higher among participants.", &["states the opposite"]);
    flags("clear_increase", "Re-offending was lower among participants.", &["states the opposite"]);
    flags("clear_increase", "Re-offending was higher among participants.", &[]);
    flags(
        "clear_reduction",
        "The lower re-offending rate was caused by our programme.",
        &["not that the service alone made it"],
    );
    flags(
        "clear_increase",
        "The higher re-offending rate is due to the scheme.",
        &["not that the service alone made it"],
    );
    flags("clear_reduction", "The programme made no difference.", &["says that there is no effect"]);
    flags("clear_increase", "It took longer until people re-offended, on average in days.", &["states the opposite"]);
    flags("poor_balance", "Re-offending was lower among participants.", &["not well matched"]);
}

#[test]
fn per_cent_is_not_percentage_points() {
    // 26% against 35%: 9 points, and 26 % of 35 %.
    flags(
        "clear_reduction",
        "Re-offending was reduced by 9%.",
        &["\"9%\" is said as a percentage of change, but it is a number of percentage points"],
    );
    flags("clear_reduction", "A 26% reduction in re-offending.", &["\"26%\" is a relative change"]);
    flags("clear_reduction", "Participants were 26 per cent less likely to re-offend.", &["is a relative change"]);
    flags("clear_reduction", "Re-offending fell by 40%.", &["The change of \"40%\" is not in the report"]);
    flags("clear_reduction", "The programme halved the re-offending rate.", &["\"halved\" is a relative change"]);
    flags("clear_increase", "A 26% increase in re-offending.", &["\"26%\" is a relative change"]);
    flags("clear_reduction", "Re-offending dropped from 35% to 26%.", &["reads as a change over time"]);
}

#[test]
fn what_was_said_of_a_real_release_is_flagged() {
    // 10.7 against 20.9, advertised as "49.6% improvement".
    let mut result = case("clear_reduction");
    let rate = &mut result.measures[0];
    (rate.treatment.value, rate.comparison.value) = (Some(0.107), Some(0.209));
    rate.difference.value = Some(0.107 - 0.209);
    (rate.difference.low, rate.difference.high) = (Some(-0.17), Some(-0.03));
    result.rules.rate_decimals = 1;
    let found = problems(&result, "Our graduates show a 49.6% improvement in re-offending.");
    assert!(found.iter().any(|p| p.contains("\"49.6%\" is a relative change")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains("graduates")), "{found:#?}");
    // The same from printed digits: (10.7 - 20.9) / 20.9 = 48.8 %.
    let found = problems(&result, "A 48.8% reduction in the re-offending rate.");
    assert!(found.iter().any(|p| p.contains("is a relative change")), "{found:#?}");
}

#[test]
fn sub_groups_that_were_not_tested_are_flagged() {
    let subgroup = "speaks of a part of the treatment group";
    flags("clear_reduction", "Women re-offended less.", &[subgroup]);
    flags("clear_reduction", "Re-offending was lower among young men.", &["\"men\" speaks", "\"young\" speaks"]);
    flags("clear_reduction", "Those who completed the programme re-offended less.", &[subgroup]);
    // Everyone was a woman: no sub-group.
    flags("inconclusive", "Women in the treatment group may have re-offended less.", &[]);
    // A description of the group is not a statement about its re-offending.
    flags("clear_reduction", "92% of the people were men and 9% were women.", &[]);
    let mut tested = case("clear_reduction");
    let mut test = tested.tests_made[0].clone();
    test.subgroup = Some("women".to_owned());
    tested.tests_made.push(test);
    assert_eq!(problems(&tested, "Women re-offended less."), Vec::<String>::new());
    assert!(!problems(&tested, "Young people re-offended less.").is_empty());
}

#[test]
fn claims_beyond_the_people_analysed_are_flagged() {
    flags("clear_reduction", "Everyone who takes part will be less likely to re-offend.", &["goes beyond the people"]);
    flags("clear_reduction", "Our programme will reduce re-offending nationwide.", &["goes beyond the people"]);
    flags("inconclusive", "Only 25% re-offended.", &["lets the rate of one group stand for the result"]);
}

#[test]
fn a_random_result_bears_no_claim_that_it_is_not_conclusive_for() {
    let mut both = [0; 2];
    for result in random_results(200, 20_250_211) {
        let primary = result.measures.iter().find(|m| m.key == result.request.plan.primary).unwrap();
        let conclusive = is_conclusive(&result, primary);
        both[usize::from(conclusive)] += 1;
        let claims = [
            "The service significantly reduced re-offending, and groups were matched.",
            "The service significantly increased re-offending, and groups were matched.",
        ];
        let found = claims.map(|claim| problems(&result, claim).len());
        if conclusive && primary.unit == jdl_core::report::result::Unit::Share {
            assert_eq!(found.iter().filter(|n| **n == 0).count(), 1, "{found:?}");
        } else if !conclusive {
            assert!(found.iter().all(|n| *n >= 1));
        }
    }
    assert!(both.iter().all(|n| *n > 5), "{both:?}");
}

#[test]
fn an_empty_or_strange_claim_is_no_trouble() {
    let result = case("clear_reduction");
    for claim in
        ["", "   ", "...", "%", "£$%^&*()", "1,2,3.4.5", "-", "½", "9".repeat(400).as_str(), "\u{0}\u{1}", "日本語"]
    {
        problems(&result, claim);
    }
    assert_eq!(problems(&result, ""), Vec::<String>::new());
}

/// Drafts as press offices write them, each with what must be noticed in it; none: it is fair.
#[test]
fn twenty_drafts_of_a_press_office() {
    for (name, claim, expected) in [
        (
            "clear_reduction",
            "An independent analysis by the Ministry of Justice shows that fewer of our clients re-offended: 26 per cent, against 35 per cent of a matched group.",
            &[][..],
        ),
        (
            "clear_reduction",
            "Twenty-six per cent of our clients re-offended within a year, compared with thirty-five per cent of similar people.",
            &[],
        ),
        (
            "clear_reduction",
            "Forty per cent of our clients re-offended, compared with thirty-five per cent of similar people.",
            &["\"forty per cent\" is not in the report"],
        ),
        (
            "clear_reduction",
            "Re-offending was nine percentage points lower among our clients than in the comparison group.",
            &[],
        ),
        (
            "clear_reduction",
            "Re-offending was nine per cent lower among our clients.",
            &["is said as a percentage of change"],
        ),
        ("clear_reduction", "Our programme slashes re-offending by a quarter.", &["is a relative change"]),
        ("clear_reduction", "Our clients are 26% less likely to go back to crime.", &["is a relative change"]),
        (
            "clear_reduction",
            "Prison works, and so does Fresh Start: re-offending is down by more than a third.",
            &["is the cause", "relative change"],
        ),
        (
            "clear_reduction",
            "Research proves that the programme turns lives around and keeps people out of prison.",
            &["is the cause"],
        ),
        (
            "clear_reduction",
            "Three quarters of our participants stayed out of trouble.",
            &["\"three quarters\" is not in the report"],
        ),
        (
            "clear_reduction",
            "Re-offending among our clients was between 5 and 13 percentage points lower; the difference is statistically significant, though the groups may differ in what is not recorded.",
            &[],
        ),
        (
            "clear_reduction",
            "The result covers 412 people and holds for every prisoner in England.",
            &["goes beyond the people"],
        ),
        (
            "inconclusive",
            "The trend is in the right direction: 25% of our women re-offended against 28%.",
            &["states a direction, but the result is inconclusive"],
        ),
        (
            "inconclusive",
            "Early signs are promising, with re-offending down 3 percentage points.",
            &["states a direction, but the result is inconclusive"],
        ),
        (
            "inconclusive",
            "The evaluation found no evidence that our course reduces re-offending.",
            &["says that there is no effect"],
        ),
        ("inconclusive", "The evaluation could not tell whether our course reduces re-offending.", &[]),
        ("inconclusive", "Our course helps women to stop offending.", &["is the cause"]),
        (
            "clear_increase",
            "Although 43% of our participants re-offended, the programme was a success.",
            &["is the cause"],
        ),
        (
            "clear_increase",
            "Participants were more likely to re-offend than similar people, by between 5 and 13 percentage points.",
            &[],
        ),
        ("too_small", "None of our participants has re-offended.", &["\"none\" is not in the report"]),
    ] {
        flags(name, claim, expected);
    }
}
