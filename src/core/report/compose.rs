//! From what the earlier stages found to the one stored result, and in it only what may be published.
//!
//! All counts of the report (the two groups by outcome, by court category, by custody, by sex, ethnicity and age) go through
//! one linked disclosure model; a measure is shown only where all of its counts are. The attrition funnel, the balance
//! table and the curves give numbers of people too, so they are merged or thinned until none is small.

use serde::{Deserialize, Serialize};

use crate::disclosure::{Breakdown, Evidence, Gates, Group, Policy, Proof, SafeGroup, protect_funnel, protect_groups};
use crate::error::{Error, Result};
use crate::inference::{self, Alternatives, Analysis, GroupEstimate, MeasureResult, detectable_rate};
use crate::matching;
use crate::number::Heartbeat;

use super::check::check;
use super::precision::at_printed_precision;
use super::result::{
    Balance, BalanceRow, BalanceSummary, CurvePoint, Curves, Disclosure, Estimate, FunnelStep, Gate, GroupFigure,
    Groups, Light, Linkage, Measure, MeasureKey, ProfileBlock, ProfileRow, Request, Rules, SCHEMA_VERSION, Sensitivity,
    SensitivityRun, StoredResult, TestMade,
};

/// Printed wherever a number is not shown.
pub(super) const WITHHELD: &str = "withheld to protect individuals";
/// A person who makes up more than this share of a group's re-offences would be read off their number (DISCLOSURE.md section 5).
const DOMINANCE: f64 = 0.5;

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
            counts.largest_reoffences[group] = counts.largest_reoffences[group].max(u64::from(outcome.reoffences));
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
    let groups = [group(0, "treatment")?, group(1, "comparison")?];
    let policy = Policy {
        threshold: findings.smallest_cell,
        outcome_dimension: with_outcomes.then(|| "reoffended".to_owned()),
        ..Policy::default()
    };
    let gates = Gates::default();
    let safe = protect_groups(&groups, &gates, &policy, &[], heartbeat, &|| false)?;
    let [treatment, comparison] = safe.groups.as_slice() else {
        return Err(Error::Bug("the disclosure model lost a group".into()));
    };
    let shown = Shown { groups: [treatment, comparison], findings, gates };
    let rules = Rules { alpha: findings.significance_level, rate_decimals: findings.rate_decimals, ..Rules::default() };

    let measures: Vec<Measure> = analysis.measures.iter().map(|m| measure(m, &shown)).collect();
    let people_hidden = shown.groups.iter().any(|g| g.people.is_none());
    let hidden = |shown: bool| if shown { None } else { Some(WITHHELD.to_owned()) };
    let balance = balance(findings, &rules, people_hidden);
    let primary = measures.iter().find(|m| m.key == findings.request.plan.primary);
    let sensitivity = sensitivity(findings, primary);
    let profile = profile(findings, treatment);
    let curves = curves(findings, primary.is_some_and(|m| m.withheld.is_none()));
    let mut tests_made: Vec<TestMade> = measures
        .iter()
        .zip(&analysis.measures)
        .map(|(m, made)| TestMade {
            family: if analysis.plan.family.contains(&made.measure) { "declared family" } else { "outside it" }
                .to_owned(),
            measure: m.label.clone(),
            subgroup: None,
            method: match analysis.standard_errors {
                inference::StandardErrors::MatchedSets => "difference of means, cluster-robust on matched sets",
                inference::StandardErrors::EffectiveNumbers => "Welch t test on effective numbers",
            }
            .to_owned(),
            p_value: m.p_value,
            p_holm: m.p_holm,
            p_bh: m.p_bh,
            withheld: m
                .withheld
                .clone()
                .or_else(|| made.p_value.is_none().then(|| "the test cannot be made".to_owned())),
        })
        .collect();
    tests_made.extend(further_tests(findings, primary, &sensitivity));
    // That nobody left, or nearly everybody, is a statement about each of them: not said, though no count hides it.
    let left_early = |which: usize| {
        let enough = |group: &SafeGroup, category: &str| {
            group.breakdown("left early").and_then(|b| b.count(category)).filter(|n| *n >= findings.smallest_cell)
        };
        let both = |category: &str| [treatment, comparison].iter().all(|g| enough(g, category).is_some());
        enough([treatment, comparison][which], "yes").filter(|_| both("yes") && both("no")).map(unsigned)
    };
    let funnel = funnel(findings, people_hidden)?;
    let hidden_cells = measures.iter().filter(|m| m.withheld.is_some()).count()
        + balance.rows.iter().filter(|row| row.withheld.is_some()).count()
        + profile.iter().flat_map(|block| &block.rows).filter(|row| row.withheld.is_some()).count();
    let result = StoredResult {
        schema_version: SCHEMA_VERSION,
        request: findings.request.clone(),
        rules,
        linkage: linkage(findings, &funnel),
        funnel,
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
    let evidence = Evidence::new(&safe, &groups, &gates, &policy, heartbeat)?;
    let proof = Proof::new(&safe.table, &safe.policy, &safe.protected)?.to_bytes()?;
    Ok(Composed { result, policy: safe.policy, evidence, proof })
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
    let mut breakdowns = vec![
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
        breakdowns = vec![breakdown("people", None, &[("all", people)])];
    }
    if which == 0 {
        breakdowns.extend(findings.profile.iter().map(|block| Breakdown {
            name: block.key.clone(),
            of: None,
            categories: block.categories.clone(),
            merge_small: true,
        }));
    }
    Ok(Group { name: name.to_owned(), breakdowns, parts: Vec::new() })
}

/// The protected groups, asked by measure.
struct Shown<'a> {
    groups: [&'a SafeGroup; 2],
    findings: &'a Findings<'a>,
    gates: Gates,
}

impl Shown<'_> {
    /// Whether a count of the model is shown for both groups.
    fn both(&self, breakdown: &str, category: &str) -> bool {
        self.groups.iter().all(|g| g.breakdown(breakdown).is_some_and(|b| b.count(category).is_some()))
    }

    fn allows(&self, m: &MeasureResult) -> bool {
        let analysis = self.findings.analysis;
        let sizes = [&analysis.treatment, &analysis.comparison];
        let reoffenders = sizes.map(|s| s.reoffenders as i64);
        let threshold = self.findings.smallest_cell;
        let rate = self.both("reoffended", "yes")
            && self.both("reoffended", "no")
            && sizes.iter().zip(reoffenders).all(|(s, r)| self.gates.allow_rate(r, s.people as i64, threshold));
        let dominated = sizes
            .iter()
            .zip(self.findings.counts.largest_reoffences)
            .any(|(s, largest)| largest as f64 > DOMINANCE * s.reoffences as f64);
        let enough = reoffenders.iter().all(|r| self.gates.allow_court_category(*r));
        let part = |breakdown: &str, category: &str, count: [i64; 2]| {
            enough
                && self.both(breakdown, category)
                && (0..2).all(|i| count[i] >= threshold && reoffenders[i] - count[i] >= threshold)
        };
        let category = |at: usize| {
            let counts = [self.findings.counts.first_by_category[0][at], self.findings.counts.first_by_category[1][at]];
            part("court category", ["summary", "either way", "indictable"][at], counts)
        };
        let custody = || part("custody", "yes", self.findings.counts.first_custodial);
        // A total of events and the number of people who had one tell how many had more; few of them would stand out.
        let beyond_first = |firsts: [i64; 2]| {
            [m.treatment.events, m.comparison.events]
                .iter()
                .zip(firsts)
                .all(|(all, first)| *all as i64 - first >= threshold)
        };
        let firsts = |at: usize| [0, 1].map(|group| self.findings.counts.first_by_category[group][at]);
        rate && match m.measure {
            inference::Measure::ReoffendingRate => true,
            inference::Measure::ReoffenceFrequency | inference::Measure::ReoffencesPerReoffender => {
                !dominated && beyond_first(reoffenders)
            }
            inference::Measure::DaysToFirstReoffence => self.gates.allow_days(&reoffenders),
            inference::Measure::FirstReoffenceSummaryRate => category(0),
            inference::Measure::FirstReoffenceEitherWayRate => category(1),
            inference::Measure::FirstReoffenceIndictableRate => category(2),
            inference::Measure::SummaryFrequency => category(0) && !dominated && beyond_first(firsts(0)),
            inference::Measure::EitherWayFrequency => category(1) && !dominated && beyond_first(firsts(1)),
            inference::Measure::IndictableFrequency => category(2) && !dominated && beyond_first(firsts(2)),
            inference::Measure::FirstReoffenceCustodyRate => custody(),
            inference::Measure::CustodyFrequency => {
                custody() && !dominated && beyond_first(self.findings.counts.first_custodial)
            }
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

fn measure(m: &MeasureResult, shown: &Shown<'_>) -> Measure {
    let (key, category) = measure_key(m.measure);
    let mut reported = Measure::new(key, category);
    let failed = m.gates.iter().find(|gate| !gate.passed);
    reported.gate = Some(Gate {
        met: failed.is_none(),
        reason: failed.map(|gate| match gate.name.as_str() {
            "treatment_reoffenders" => format!("fewer than {} people in the treatment group re-offended", gate.need),
            _ => format!("the effective sample is smaller than {}", gate.need),
        }),
    });
    if !shown.allows(m) {
        reported.withheld = Some(WITHHELD.to_owned());
        return reported;
    }
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

fn funnel(findings: &Findings<'_>, people_hidden: bool) -> Result<Vec<FunnelStep>> {
    let counted: Vec<(String, i64)> = findings.funnel.iter().map(|s| (s.key.to_owned(), s.remaining)).collect();
    let mut before = None;
    let mut steps = Vec::new();
    for safe in protect_funnel(&counted, findings.smallest_cell, false, people_hidden)? {
        let merged: Vec<&CountedStep> =
            findings.funnel.iter().filter(|step| safe.steps.iter().any(|key| key == step.key)).collect();
        let Some(last) = merged.last() else { continue };
        let reasons: Vec<&str> = merged.iter().map(|s| s.reason.as_str()).filter(|r| !r.is_empty()).collect();
        let remaining = safe.remaining.map(unsigned);
        steps.push(FunnelStep {
            key: last.key.to_owned(),
            label: last.label.to_owned(),
            remaining,
            lost: match (before, remaining) {
                (None, Some(_)) if steps.is_empty() => Some(0),
                (Some(before), Some(now)) => Some(u64::saturating_sub(before, now)),
                _ => None,
            },
            reason: reasons.join("; "),
            withheld: remaining.is_none().then(|| WITHHELD.to_owned()),
        });
        before = remaining;
    }
    Ok(steps)
}

/// Numbers of linkage stand beside the funnel, so a number that the funnel merges away is not printed here either; suspect and
/// unlinked people are published only together where either is few.
fn linkage(findings: &Findings<'_>, funnel: &[FunnelStep]) -> Linkage {
    let [submitted, linked, suspect, unlinked] = findings.linkage;
    let in_funnel = |key: &str| funnel.iter().any(|step| step.key == key && step.remaining.is_some());
    let small = |n: i64| (1..findings.smallest_cell).contains(&n);
    let linked_shown = in_funnel("submitted") && in_funnel("on_register") && !small(submitted - linked);
    // Where the funnel tells how many records were unusable, the rest of the unlinked can be worked out.
    let left_after = |key: &str| findings.funnel.iter().find(|step| step.key == key).map(|step| step.remaining);
    let unusable = left_after("valid").filter(|_| in_funnel("valid")).map_or(0, |valid| submitted - valid);
    let parts_shown = linked_shown && !small(suspect) && !small(unlinked) && !small(unlinked - unusable);
    let count = |n: i64, shown: bool| shown.then_some(unsigned(n));
    Linkage {
        submitted: count(submitted, in_funnel("submitted")),
        linked: count(linked, linked_shown),
        suspect: count(suspect, parts_shown),
        unlinked: count(unlinked, parts_shown),
        match_rate: (linked_shown && submitted > 0).then(|| linked as f64 / submitted as f64),
        withheld: (!parts_shown).then(|| WITHHELD.to_owned()),
    }
}

fn balance(findings: &Findings<'_>, rules: &Rules, people_hidden: bool) -> Balance {
    let people = [findings.analysis.treatment.people as f64, findings.analysis.comparison.people as f64];
    let named: Vec<(&matching::BalanceRow, String, Option<String>)> = findings
        .balance
        .iter()
        .filter(|row| row.name != "distance")
        .map(|row| {
            let known = findings.covariates.iter().find(|(name, _)| row.name.starts_with(name.as_str()));
            match known {
                Some((name, label)) => {
                    let level = &row.name[name.len()..];
                    (row, label.clone(), (!level.is_empty()).then(|| level.to_owned()))
                }
                None => (row, row.name.clone(), None),
            }
        })
        .collect();
    // The mean of a level is a number of people: hide small ones, and with them so many that they cannot be subtracted.
    let mut hidden = vec![people_hidden; named.len()];
    let fewest = |row: &matching::BalanceRow| {
        let after = row.matched.unwrap_or(row.all);
        [
            row.all.mean_treated * people[0],
            after.mean_treated * people[0],
            after.mean_control * people[1],
            row.all.mean_control * findings.pool_size as f64,
        ]
        .into_iter()
        .filter(|count| *count > 0.5)
        .fold(f64::INFINITY, f64::min)
    };
    let threshold = findings.smallest_cell as f64;
    let covariates: std::collections::BTreeSet<&String> = named.iter().map(|(_, c, _)| c).collect();
    for covariate in covariates {
        let mut levels: Vec<usize> =
            (0..named.len()).filter(|&i| &named[i].1 == covariate && named[i].2.is_some()).collect();
        levels.sort_by(|&a, &b| fewest(named[a].0).total_cmp(&fewest(named[b].0)).then(a.cmp(&b)));
        let small = levels.iter().filter(|&&i| fewest(named[i].0) < threshold - 0.5).count();
        if small > 0 {
            let mut sum = 0.0;
            for (position, &i) in levels.iter().enumerate() {
                if position < small || position < 2 || sum < threshold {
                    hidden[i] = true;
                    sum += fewest(named[i].0);
                }
            }
        }
    }
    let light = |light: matching::Light| match light {
        matching::Light::Green => Light::Green,
        matching::Light::Amber => Light::Amber,
        matching::Light::Red => Light::Red,
    };
    let smd = |row: &matching::BalanceRow| row.matched.map_or(row.all.smd, |m| m.smd);
    let worst = named.iter().map(|(row, ..)| smd(row).abs()).max_by(f64::total_cmp);
    let rows = named
        .iter()
        .zip(&hidden)
        .map(|((row, covariate, level), hidden)| {
            let visible = |value: f64| (!hidden).then_some(value);
            BalanceRow {
                covariate: covariate.clone(),
                level: level.clone(),
                treatment_mean: visible(row.matched.unwrap_or(row.all).mean_treated),
                comparison_mean_before: visible(row.all.mean_control),
                comparison_mean_after: row.matched.and_then(|m| visible(m.mean_control)),
                smd_before: visible(row.all.smd),
                smd_after: row.matched.and_then(|m| visible(m.smd)),
                variance_ratio: row.matched.and_then(|m| m.variance_ratio).and_then(visible),
                light: (!hidden && row.matched.is_some()).then(|| light(row.light)),
                withheld: hidden.then(|| WITHHELD.to_owned()),
            }
        })
        .collect();
    Balance { rows, summary: BalanceSummary { worst_smd: worst, light: worst.map(|smd| Light::of(smd, rules)) } }
}

fn sensitivity(findings: &Findings<'_>, primary: Option<&Measure>) -> Sensitivity {
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
        aipw_pool_n: robust.map(|r| r.comparison_people),
        permutation_p: found.permutation.as_ref().map(|p| p.p_value),
        permutation_draws: found.permutation.as_ref().map(|p| u64::from(p.draws)),
        minimum_detectable_effect: detectable,
        number_needed: primary.number_needed,
        runs: runs(findings, primary),
        withheld: None,
    }
}

/// The other designs. The size of a group is shown only where it differs from every size already shown by nobody or by a
/// publishable number of people, and a difference only where both sides of the rate behind it could be.
fn runs(findings: &Findings<'_>, primary: &Measure) -> Vec<SensitivityRun> {
    let threshold = findings.smallest_cell.unsigned_abs();
    let mut shown = [vec![primary.treatment.n.unwrap_or(0)], vec![primary.comparison.n.unwrap_or(0)]];
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
            let is_rate = m.unit == inference::Unit::Share;
            let publishable = sides.iter().all(|side| {
                side.people >= threshold
                    && (!is_rate || (side.events >= threshold && side.people - side.events >= threshold))
            });
            if !publishable {
                reported.withheld = Some(WITHHELD.to_owned());
                return reported;
            }
            let mut size = |which: usize| {
                let n = sides[which].people;
                let apart = |other: &u64| n == *other || n.abs_diff(*other) >= threshold;
                shown[which].iter().all(apart).then(|| {
                    shown[which].push(n);
                    n
                })
            };
            (reported.treatment_n, reported.comparison_n) = (size(0), size(1));
            reported.difference = Estimate { value: m.difference, low: m.difference_low, high: m.difference_high };
            reported.p_value = m.p_value;
            reported
        })
        .collect()
}

/// The tests outside the family of measures: chance, time, and the other designs. Each that was made stands here.
fn further_tests(findings: &Findings<'_>, primary: Option<&Measure>, sensitivity: &Sensitivity) -> Vec<TestMade> {
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
        tests.push(test("Re-offending over time", "log-rank, pairing ignored", p, hidden.clone()));
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

/// The curves at days between which at least the smallest publishable number of people re-offended in each group: a
/// finer grid would give away on which day somebody did.
fn curves(findings: &Findings<'_>, shown: bool) -> Curves {
    let analysis = findings.analysis;
    let (a, b) = (&analysis.treatment_curve.points, &analysis.comparison_curve.points);
    if !shown {
        return Curves { points: Vec::new(), withheld: Some(WITHHELD.to_owned()) };
    }
    let people = [analysis.treatment.people as f64, analysis.comparison.effective_n];
    let threshold = findings.smallest_cell as f64;
    let point = |day: u32, treatment: f64, comparison: f64| CurvePoint {
        day,
        treatment: Some(treatment),
        comparison: Some(comparison),
    };
    let mut points = vec![point(0, 0.0, 0.0)];
    let mut last = [0.0, 0.0];
    let Some(end) = a.last().zip(b.last()) else { return Curves::default() };
    let end = [end.0.reoffended, end.1.reoffended];
    for at in a {
        let Some(other) = b.iter().rev().find(|p| p.day <= at.day) else { continue };
        let now = [at.reoffended, other.reoffended];
        let enough = (0..2).all(|i| {
            (now[i] - last[i]) * people[i] >= threshold - 0.5
                && ((end[i] - now[i]) * people[i] >= threshold - 0.5 || end[i] - now[i] < 1e-12)
        });
        if enough && at.day > 0 {
            points.push(point(at.day, now[0], now[1]));
            last = now;
        }
    }
    if points.last().is_some_and(|p| p.treatment != Some(end[0]) || p.comparison != Some(end[1])) {
        points.push(point(a.last().map_or(0, |p| p.day).max(b.last().map_or(0, |p| p.day)), end[0], end[1]));
    }
    Curves { points, withheld: None }
}
