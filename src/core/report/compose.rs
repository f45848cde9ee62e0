//! From what the earlier stages found to the one stored result, and in it only what may be published.
//!
//! All counts of the report (the two groups by outcome, by court category, by custody, by sex, ethnicity and age, and by the
//! levels of the balance table, by the days of the curves, and the steps of the funnel that lead to them) go through one linked
//! disclosure model; a measure or mean is shown only where all of its counts are.

mod adjusted;
mod balance;
mod curves;
mod funnel;
mod measures;
mod sensitivity;
mod sub_groups;

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use crate::disclosure::{Breakdown, Evidence, Gates, Group, Policy, Proof, SafeGroup, protect_groups};
use crate::error::{Error, Result};
use crate::inference::{self, Alternatives, Analysis};
use crate::matching;
use crate::number::Heartbeat;

use self::adjusted::withhold_adjusted;
use self::balance::{balance, breakdowns};
use self::curves::{by_day, curves};
use self::funnel::{POOL, funnel, linkage, wholes};
use self::measures::{Shown, measure, withhold_small_rests};
use self::sensitivity::{further_tests, sensitivity};
use self::sub_groups::{interactions, parts, sub_groups};
use super::check::check;
use super::precision::at_printed_precision;
use super::result::{
    Disclosure, Groups, Measure, ProfileBlock, ProfileRow, Request, Rules, SCHEMA_VERSION, StoredResult, TestMade,
};

pub use self::measures::measure_key;

/// Printed wherever a number is not shown.
pub(super) const WITHHELD: &str = "withheld to protect individuals";
/// The two groups in the linked model.
const TREATMENT: &str = "treatment";
const COMPARISON: &str = "comparison";
/// Printed where a test has no p.
const NO_TEST: &str = "the test cannot be made";
/// The family over which p-values are adjusted.
const DECLARED: &str = "declared family";

/// A step of the attrition funnel as it was counted.
#[derive(Debug, Clone)]
pub struct CountedStep {
    /// Key of [`FunnelStep`].
    pub key: &'static str,
    /// The step in words.
    pub label: &'static str,
    /// Why people were lost at it.
    pub reason: String,
    /// People left after it.
    pub remaining: i64,
}

/// A characteristic of the treatment group as it was counted.
#[derive(Debug, Clone)]
pub struct CountedProfile {
    /// `sex`, `ethnicity`, `age_band`.
    pub key: String,
    /// In words.
    pub label: String,
    /// Categories with the number of people.
    pub categories: Vec<(String, i64)>,
}

/// Counts of outcomes that disclosure control asks for beside the analysis; treatment group first, comparison group second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// The most re-offences of one person.
    pub largest_reoffences: [u64; 2],
    /// The most re-offences of one person by court category: summary, either way, indictable.
    #[serde(default)]
    pub largest_by_category: [[u64; 3]; 2],
    /// The most custodial sentences of one person.
    #[serde(default)]
    pub largest_custodial: [u64; 2],
    /// First re-offences by court category: summary, either way, indictable, unknown.
    pub first_by_category: [[i64; 4]; 2],
    /// People whose first re-offence brought custody.
    pub first_custodial: [i64; 2],
}

impl OutcomeCounts {
    /// Counts the people of a design who have a weight.
    pub fn of(design: &inference::Design<'_>) -> Self {
        let mut counts = Self::default();
        for (i, outcome) in design.outcome.iter().enumerate().filter(|(i, _)| design.weight[*i] > 0.0) {
            let group = usize::from(!design.treated[i]);
            let raise = |largest: &mut u64, own: u32| *largest = (*largest).max(u64::from(own));
            raise(&mut counts.largest_reoffences[group], outcome.reoffences);
            raise(&mut counts.largest_custodial[group], outcome.custodial_count);
            for (largest, own) in counts.largest_by_category[group].iter_mut().zip(outcome.reoffences_by_category) {
                raise(largest, own);
            }
            if let Some(first) = outcome.first {
                counts.first_by_category[group][first.court_category.map_or(3, |category| category as usize)] += 1;
                counts.first_custodial[group] += i64::from(first.custodial);
            }
        }
        counts
    }
}

/// What the earlier stages found, nothing hidden yet.
#[derive(Debug, Clone)]
pub struct Findings<'a> {
    /// What was asked, of which data, under which plan.
    pub request: Request,
    /// Outcomes and tests.
    pub analysis: &'a Analysis,
    /// The primary measure by other methods and designs.
    pub alternatives: &'a Alternatives,
    /// The counts behind them.
    pub counts: OutcomeCounts,
    /// The attrition funnel, in flow order.
    pub funnel: Vec<CountedStep>,
    /// Submitted, linked, suspect, unlinked.
    pub linkage: [i64; 4],
    /// `national` or the region's name.
    pub national_or_region: String,
    /// The balance table of the design that stands.
    pub balance: &'a [matching::BalanceRow],
    /// Names of the covariates, longest first where one begins with another.
    pub covariates: &'a [(String, String)],
    /// People in the pool.
    pub pool_size: i64,
    /// Who the treatment group is.
    pub profile: Vec<CountedProfile>,
    /// Counts below this are not published.
    pub smallest_cell: i64,
    /// Level at and below which p is significant.
    pub significance_level: f64,
    /// Decimals of a printed percentage.
    pub rate_decimals: u8,
}

/// What may be published, and how it was protected.
#[derive(Debug, Clone)]
pub struct Composed {
    /// The stored result.
    pub result: StoredResult,
    /// The policy by which the counts were protected.
    pub policy: Policy,
    /// What happened, for the analyst and the approver.
    pub evidence: Evidence,
    /// The proof that the protection suffices ([`Proof::to_bytes`]); as secret as the counts.
    pub proof: Vec<u8>,
}

/// How many steps the search for the fewest hidden numbers may take before the best pattern so far stands. Steps and not seconds: the
/// same counts have to give the same report on any machine.
const SEARCH_STEPS: usize = 3_000;

/// Protects the findings and puts them into the one stored result.
///
/// # Errors
/// Those of the disclosure model, and [`Error::Bug`] where the counts contradict the analysis.
pub fn compose(findings: &Findings<'_>, heartbeat: Heartbeat<'_>) -> Result<Composed> {
    let analysis = findings.analysis;
    // What nobody, or everybody, of a group did is known of each of them, and no count beside it can hide it: then no
    // outcome is published at all.
    let with_outcomes =
        [analysis.treatment, analysis.comparison].iter().all(|g| g.reoffenders > 0 && g.reoffenders < g.people);
    let group = |which, name| group(findings, which, name, with_outcomes);
    let groups = [group(0, TREATMENT)?, group(1, COMPARISON)?];
    let wholes = wholes(findings)?;
    let policy = Policy {
        threshold: findings.smallest_cell,
        outcome_dimension: with_outcomes.then(|| "reoffended".to_owned()),
        ..Policy::default()
    };
    let gates = Gates::default();
    let steps = Cell::new(0);
    let out_of_steps = || steps.replace(steps.get() + 1) >= SEARCH_STEPS;
    let safe = protect_groups(&groups, &wholes, &gates, &policy, &[], heartbeat, &out_of_steps)?;
    let [treatment, comparison] = safe.groups.as_slice() else {
        return Err(Error::Bug("the disclosure model lost a group".into()));
    };
    let shown = Shown {
        groups: [treatment, comparison],
        sizes: [&analysis.treatment, &analysis.comparison],
        counts: findings.counts,
        threshold: findings.smallest_cell,
        gates,
    };
    let rules = Rules { alpha: findings.significance_level, rate_decimals: findings.rate_decimals, ..Rules::default() };

    let mut measures: Vec<Measure> = analysis.measures.iter().map(|m| measure(m, &shown)).collect();
    withhold_small_rests(&mut measures, &shown);
    let mut sub_groups = sub_groups(findings, [treatment, comparison], gates);
    let mut interactions = interactions(findings, &sub_groups);
    withhold_adjusted(analysis, &mut measures, &mut sub_groups, &mut interactions);
    let people_hidden = shown.groups.iter().any(|g| g.people.is_none());
    let hidden = |shown: bool| if shown { None } else { Some(WITHHELD.to_owned()) };
    let balance = balance(findings, &rules, shown.groups);
    let primary = measures.iter().find(|m| m.key == findings.request.plan.primary);
    let sensitivity = sensitivity(findings, primary, safe.people(POOL));
    let profile = profile(findings, treatment);
    // That nobody left, or nearly everybody, is a statement about each of them: not said, though no count hides it.
    let left_early = |which: usize| {
        let enough = |group: &SafeGroup, category: &str| {
            group.breakdown("left early").and_then(|b| b.count(category)).filter(|n| *n >= findings.smallest_cell)
        };
        let both = |category: &str| [treatment, comparison].iter().all(|g| enough(g, category).is_some());
        enough([treatment, comparison][which], "yes").filter(|_| both("yes") && both("no")).map(unsigned)
    };
    let primary_shown = primary.is_some_and(|m| m.withheld.is_none());
    let curves = curves(findings, [treatment, comparison], primary_shown, left_early(0).is_some());
    let mut tests_made: Vec<TestMade> = measures
        .iter()
        .zip(&analysis.measures)
        .map(|(m, made)| {
            let declared = analysis.plan.family.contains(&made.measure);
            test_made(analysis, if declared { DECLARED } else { "outside it" }, None, m, Some(made))
        })
        .collect();
    tests_made.extend(sub_groups.iter().zip(&analysis.sub_groups).map(|(group, made)| {
        test_made(analysis, DECLARED, Some(group.label.clone()), &group.measure, made.result.as_ref())
    }));
    tests_made.extend(sub_groups::tests(&interactions, primary));
    tests_made.extend(further_tests(findings, primary, &sensitivity));
    let hidden_cells = measures.iter().filter(|m| m.withheld.is_some()).count()
        + sub_groups.iter().filter(|group| group.measure.withheld.is_some()).count()
        + balance.rows.iter().filter(|row| row.withheld.is_some()).count()
        + profile.iter().flat_map(|block| &block.rows).filter(|row| row.withheld.is_some()).count();
    let result = StoredResult {
        schema_version: SCHEMA_VERSION,
        request: findings.request.clone(),
        rules,
        linkage: linkage(findings, &safe),
        funnel: funnel(findings, &safe),
        groups: Groups {
            treatment_n: treatment.people.map(unsigned),
            comparison_n: comparison.people.map(unsigned),
            treatment_effective_n: treatment.people.map(|_| analysis.treatment.effective_n),
            comparison_effective_n: comparison.people.map(|_| analysis.comparison.effective_n),
            treatment_left_early: left_early(0),
            comparison_left_early: left_early(1),
            national_or_region: findings.national_or_region.clone(),
            withheld: hidden(!people_hidden),
        },
        measures,
        sub_groups,
        interactions,
        balance,
        profile,
        curves,
        sensitivity,
        tests_made,
        disclosure: Disclosure {
            policy: format!(
                "Counts under {t}, and rates whose numerator or complement is under {t}, are withheld, together with \
                 whatever they could be worked out from.",
                t = findings.smallest_cell
            ),
            footnotes: if hidden_cells > 0 {
                vec!["Some numbers are withheld so that nobody can be identified.".to_owned()]
            } else {
                Vec::new()
            },
            hidden_cells: Some(hidden_cells as u64),
        },
        notices: Vec::new(),
    };
    // What is stored is what is printed: digits beyond it would tell more than the report does.
    let result = at_printed_precision(&result);
    check(&result)?;
    let evidence = Evidence::new(&safe, &groups, &wholes, &gates, &policy, heartbeat)?;
    let proof = Proof::new(&safe.table, &safe.policy, &safe.protected)?.to_bytes()?;
    Ok(Composed { result, policy: safe.policy, evidence, proof })
}

/// A test of one measure, in a sub-group or of everybody.
fn test_made(
    analysis: &Analysis,
    family: &str,
    subgroup: Option<String>,
    m: &Measure,
    made: Option<&inference::MeasureResult>,
) -> TestMade {
    let impossible = made.is_none_or(|made| made.p_value.is_none());
    TestMade {
        family: family.to_owned(),
        measure: m.label.clone(),
        subgroup,
        method: match analysis.standard_errors {
            inference::StandardErrors::MatchedSets => "difference of means, cluster-robust on matched sets",
            inference::StandardErrors::EffectiveNumbers => "Welch t test on effective numbers",
        }
        .to_owned(),
        p_value: m.p_value,
        p_holm: m.p_holm,
        p_bh: m.p_bh,
        withheld: m.withheld.clone().or_else(|| impossible.then(|| NO_TEST.to_owned())),
    }
}

fn unsigned(count: i64) -> u64 {
    count.unsigned_abs()
}

/// A group of the linked model: all people by outcome, the re-offenders by court category and custody, everybody by profile.
fn group(findings: &Findings<'_>, which: usize, name: &str, with_outcomes: bool) -> Result<Group> {
    let sizes = [&findings.analysis.treatment, &findings.analysis.comparison][which];
    let (people, reoffenders) = (sizes.people as i64, sizes.reoffenders as i64);
    let category = findings.counts.first_by_category[which];
    if category.iter().sum::<i64>() != reoffenders || findings.counts.first_custodial[which] > reoffenders {
        return Err(Error::Bug("the categories of first re-offences do not add up to the re-offenders".into()));
    }
    let breakdown = |name: &str, of: Option<(&str, &str)>, categories: &[(&str, i64)]| Breakdown {
        name: name.to_owned(),
        of: of.map(|(a, b)| (a.to_owned(), b.to_owned())),
        categories: categories.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect(),
        merge_small: false,
    };
    let of = Some(("reoffended", "yes"));
    let custodial = findings.counts.first_custodial[which];
    let mut divided = vec![
        breakdown("reoffended", None, &[("yes", reoffenders), ("no", people - reoffenders)]),
        breakdown(
            "court category",
            of,
            &[
                ("summary", category[0]),
                ("either way", category[1]),
                ("indictable", category[2]),
                ("unknown", category[3]),
            ],
        ),
        breakdown("custody", of, &[("yes", custodial), ("no", reoffenders - custodial)]),
        breakdown(
            "left early",
            Some(("reoffended", "no")),
            &[("yes", sizes.left_early as i64), ("no", people - reoffenders - sizes.left_early as i64)],
        ),
    ];
    if !with_outcomes {
        divided = vec![breakdown("people", None, &[("all", people)])];
    } else {
        divided.extend(by_day(findings, which));
    }
    divided.extend(breakdowns(findings, which));
    Ok(Group {
        name: name.to_owned(),
        breakdowns: divided,
        parts: if with_outcomes { parts(findings, which) } else { Vec::new() },
        dimension: None,
    })
}

fn profile(findings: &Findings<'_>, treatment: &SafeGroup) -> Vec<ProfileBlock> {
    findings
        .profile
        .iter()
        .map(|block| {
            let rows = treatment.breakdown(&block.key).map_or_else(Vec::new, |safe| {
                safe.categories
                    .iter()
                    .map(|(label, count)| ProfileRow {
                        label: label.clone(),
                        share: count
                            .zip(treatment.people)
                            .filter(|(_, people)| *people > 0)
                            .map(|(count, people)| count as f64 / people as f64),
                        withheld: count.is_none().then(|| WITHHELD.to_owned()),
                    })
                    .collect()
            });
            ProfileBlock { key: block.key.clone(), label: block.label.clone(), rows }
        })
        .collect()
}
