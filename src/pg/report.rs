//! The report: gathers what the stages stored, has it composed and protected, and renders the one stored result.

use jdl_core::calendar::Day;
use jdl_core::disclosure::{CohortKey, hex};
use jdl_core::inference::{Alternatives, Analysis, Confidence};
use jdl_core::matching;
use jdl_core::report::claim::check_claim;
use jdl_core::report::compose::{CountedProfile, CountedStep, Findings, OutcomeCounts, compose, measure_key};
use jdl_core::report::perturb::perturb;
use jdl_core::report::result::{Measure, Plan, Request, Rules, Status};
use jdl_core::report::{
    PlanChange, PublishedResult, StoredResult, plan_change, published_result, random_effects, to_forest_html, to_html,
    to_json, to_text,
};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde::Deserialize;

use super::error::{missing, report, spi};
use super::key;
use super::read::{day, extension_schema, heartbeat};

/// Covariates of the design as people read them; a longer name stands before one that it begins with.
const COVARIATES: [(&str, &str); 32] = [
    ("age_at_first", "Age at first sanction"),
    ("age", "Age at index date"),
    ("gender", "Gender"),
    ("ethnicity", "Ethnicity"),
    ("nationality", "Nationality"),
    ("region", "Region"),
    ("disposal", "Disposal"),
    ("offence_group", "Offence group"),
    ("index_year", "Year of index event"),
    ("previous_sanctions", "Previous sanctions"),
    ("previous_custody", "Previous custodial sentences"),
    ("previous_cautions", "Previous cautions"),
    ("previous_community", "Previous community sentences"),
    ("recent_sanctions", "Sanctions in the last 24 months"),
    ("months_since_last", "Months since last sanction"),
    ("months_since_custody", "Months since last release"),
    ("copas_rate", "Copas rate"),
    ("previous_offences", "Previous proven offences"),
    ("recent_offences", "Proven offences in the last 24 months"),
    ("previous_violence", "Previous violent offences"),
    ("previous_acquisitive", "Previous acquisitive offences"),
    ("previous_drugs", "Previous drugs offences"),
    ("previous_same_group", "Previous offences of the same group"),
    ("employment_need", "Employment need"),
    ("employment", "Employment"),
    ("employed_months", "Months employed in the last 12"),
    ("benefits", "Benefits"),
    ("benefit_months", "Months on benefits in the last 12"),
    ("accommodation_need", "Accommodation need"),
    ("drugs_need", "Drugs need"),
    ("alcohol_need", "Alcohol need"),
    ("thinking_need", "Thinking and behaviour need"),
];

/// What `_jdl_analyse` stored.
#[derive(Deserialize)]
struct StoredAnalysis {
    analysis: Analysis,
    counts: OutcomeCounts,
    alternatives: Alternatives,
}

/// What the database knows of a request, in one row of JSON.
#[derive(Deserialize)]
struct Gathered {
    provider: String,
    intervention: String,
    register_version: i64,
    plan_version: u32,
    plan_digest: String,
    plan_changes: Vec<PlanChange>,
    long_custody_days: u32,
    first_year: i16,
    last_year: i16,
    region: Option<String>,
    smallest_cell: i64,
    significance_level: f64,
    rate_decimals: u8,
    differencing: String,
    link: LinkCounts,
    with_sentence: i64,
    index_events: i64,
    in_model: i64,
    matched: i64,
    pool_size: i64,
    balance: Vec<StoredBalance>,
    result: StoredAnalysis,
    profile: Vec<ProfileBlock>,
}

/// Key, label, and the categories with their counts.
type ProfileBlock = (String, String, Vec<(String, i64)>);

#[derive(Deserialize)]
struct LinkCounts {
    submitted: i64,
    valid: i64,
    linked: i64,
    suspect: i64,
    unlinked: i64,
}

/// A row of the balance table as `_jdl_match` stored it.
#[derive(Deserialize)]
struct StoredBalance {
    name: String,
    all: StoredComparison,
    matched: Option<StoredComparison>,
    pair_distance: Option<f64>,
}

#[derive(Deserialize)]
struct StoredComparison {
    mean_treated: f64,
    mean_control: f64,
    smd: f64,
    variance_ratio: Option<f64>,
    ecdf_mean: f64,
    ecdf_max: f64,
}

impl From<StoredComparison> for matching::Comparison {
    fn from(c: StoredComparison) -> Self {
        Self {
            mean_treated: c.mean_treated,
            mean_control: c.mean_control,
            smd: c.smd,
            variance_ratio: c.variance_ratio,
            ecdf_mean: c.ecdf_mean,
            ecdf_max: c.ecdf_max,
        }
    }
}

impl From<StoredBalance> for matching::BalanceRow {
    fn from(row: StoredBalance) -> Self {
        let (all, matched) = (matching::Comparison::from(row.all), row.matched.map(matching::Comparison::from));
        let rules = Rules::default();
        let smd = matched.unwrap_or(all).smd;
        Self {
            name: row.name,
            all,
            matched,
            pair_distance: row.pair_distance,
            light: matching::Light::of(smd, [rules.smd_green, rules.smd_amber]),
        }
    }
}

const GATHER: &str = "
SELECT jsonb_build_object(
    'provider', r.provider, 'intervention', r.intervention, 'region', r.options -> 'region',
    'register_version', a.register_version, 'plan_version', a.plan_version, 'plan_digest', p.digest,
    'plan_changes', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('version', v.plan_version, 'reason', v.reason, 'outcomes_read', v.outcomes_read, 'changed', (
            SELECT coalesce(jsonb_agg(k.key ORDER BY k.key), '[]') FROM (
                SELECT key FROM jsonb_each(v.plan -> 'analysis') WHERE nullif(nullif(value, '[]'), '{}') IS DISTINCT FROM nullif(nullif(v.before -> 'analysis' -> key, '[]'), '{}')
                UNION ALL SELECT 'matching_design' WHERE v.plan -> 'design' IS DISTINCT FROM v.before -> 'design') k (key))) ORDER BY v.plan_version), '[]')
        FROM (SELECT *, lag(c.plan) OVER (ORDER BY c.plan_version) AS before FROM jdl.analysis_plan c WHERE c.request_id = r.request_id AND c.plan_version <= a.plan_version) v
        WHERE v.plan_version > 1),
    'long_custody_days', (SELECT value FROM jdl.setting WHERE setting = 'long_custody_days'),
    'first_year', (SELECT min(e.index_year) FROM jdl_restricted.index_choice c JOIN jdl_restricted.index_event e USING (sentence_id) WHERE c.request_id = r.request_id AND c.loss IS NULL),
    'last_year', (SELECT max(e.index_year) FROM jdl_restricted.index_choice c JOIN jdl_restricted.index_event e USING (sentence_id) WHERE c.request_id = r.request_id AND c.loss IS NULL),
    'smallest_cell', greatest((r.options ->> 'threshold')::integer, (SELECT value::integer FROM jdl.setting WHERE setting = 'smallest_cell')),
    'significance_level', (SELECT value FROM jdl.setting WHERE setting = 'significance_level'),
    'rate_decimals', (SELECT value FROM jdl.setting WHERE setting = 'rate_decimals'),
    'differencing', (SELECT value FROM jdl.setting WHERE setting = 'differencing'),
    'link', l.summary,
    'with_sentence', (SELECT count(*) FROM jdl_restricted.index_choice c WHERE c.request_id = r.request_id AND c.sentence_id IS NOT NULL),
    'index_events', (SELECT count(*) FROM jdl_restricted.index_choice c WHERE c.request_id = r.request_id AND c.loss IS NULL),
    'in_model', d.summary -> 'treated_in_model', 'matched', d.summary -> 'treatment_n', 'pool_size', d.summary -> 'pool_size', 'balance', d.balance,
    'result', a.result,
    'profile', (
        SELECT jsonb_agg(jsonb_build_array(block.key, block.label, block.categories) ORDER BY block.place)
        FROM (
            SELECT c.place, c.key, c.label, jsonb_agg(jsonb_build_array(c.category, c.people) ORDER BY c.category) AS categories
            FROM (
                SELECT v.place, v.key, v.label, v.category, count(*) AS people
                FROM jdl_pseudonymised.member m,
                LATERAL (VALUES (1, 'sex', 'Sex', m.gender), (2, 'ethnicity', 'Ethnicity', m.ethnicity),
                    (3, 'age_band', 'Age at index date', _jdl_age_band(m.age))) v (place, key, label, category)
                WHERE m.request_id = r.request_id AND m.treated AND m.matched
                GROUP BY 1, 2, 3, 4
            ) c GROUP BY 1, 2, 3
        ) block))
FROM jdl.request r
JOIN jdl_pseudonymised.analysis a ON a.request_id = r.request_id
JOIN jdl.analysis_plan p ON p.request_id = r.request_id AND p.plan_version = a.plan_version
JOIN jdl.request_step l ON l.request_id = r.request_id AND l.step = 'link'
JOIN LATERAL (SELECT * FROM jdl.match_design d WHERE d.request_id = r.request_id ORDER BY d.design_no DESC LIMIT 1) d ON true
WHERE r.request_id = $1";

/// Composes the protected report of an analysed request: the stored result, how it was protected, and the proof.
#[pg_extern(name = "_jdl_report")]
fn make_report(request_id: i64, today: Date) -> Result<JsonB, ErrorReport> {
    let query = GATHER.replace("_jdl_age_band", &format!("{}._jdl_age_band", extension_schema()?));
    let gathered = Spi::get_one_with_args::<JsonB>(&query, &[request_id.into()]).map_err(spi)?;
    let gathered = gathered.ok_or_else(|| missing("the analysis of the request"))?;
    let gathered: Gathered =
        serde_json::from_value(gathered.0).map_err(|e| missing(&format!("a part of the stored analysis ({e})")))?;
    let findings = Findings {
        request: request(request_id, &gathered, day(today)),
        analysis: &gathered.result.analysis,
        alternatives: &gathered.result.alternatives,
        counts: gathered.result.counts,
        funnel: funnel(&gathered),
        linkage: [gathered.link.submitted, gathered.link.linked, gathered.link.suspect, gathered.link.unlinked],
        national_or_region: gathered.region.clone().unwrap_or_else(|| "national".to_owned()),
        balance: &gathered.balance.into_iter().map(matching::BalanceRow::from).collect::<Vec<_>>(),
        covariates: &COVARIATES.map(|(name, label)| (name.to_owned(), label.to_owned())),
        pool_size: gathered.pool_size,
        profile: gathered
            .profile
            .into_iter()
            .map(|(key, label, categories)| CountedProfile { key, label, categories })
            .collect(),
        smallest_cell: gathered.smallest_cell,
        significance_level: gathered.significance_level,
        rate_decimals: gathered.rate_decimals,
    };
    let mut composed = compose(&findings, &heartbeat).map_err(report)?;
    if gathered.differencing == "perturb" {
        composed.result = perturb(&composed.result, &cohort_keys(request_id)?).map_err(report)?;
    }
    Ok(JsonB(serde_json::json!({
        "report": composed.result,
        "disclosure": {
            "differencing": gathered.differencing,
            "engine": env!("CARGO_PKG_VERSION"),
            "rules": composed.policy,
            "evidence": composed.evidence,
        },
        "proof": hex(&composed.proof),
    })))
}

/// The keys of both groups, treatment group first.
fn cohort_keys(request_id: i64) -> Result<[CohortKey; 2], ErrorReport> {
    let key = key::present()?;
    let people = |treated: bool| {
        Spi::get_one_with_args::<Vec<i64>>(
            "SELECT array_agg(s.person_id)
             FROM jdl_pseudonymised.member m
             JOIN jdl_restricted.pseudonym p ON p.request_id = m.request_id AND p.pseudonym = m.pseudonym
             JOIN jdl_restricted.sentence s ON s.sentence_id = p.sentence_id
             WHERE m.request_id = $1 AND m.matched AND m.treated = $2",
            &[request_id.into(), treated.into()],
        )
        .map_err(spi)?
        .ok_or_else(|| missing("the people of the request"))
    };
    Ok([CohortKey::new(&key, people(true)?), CohortKey::new(&key, people(false)?)])
}

fn request(request_id: i64, gathered: &Gathered, today: Day) -> Request {
    let plan = &gathered.result.analysis.plan;
    Request {
        request_id,
        provider: gathered.provider.clone(),
        intervention: gathered.intervention.clone(),
        register_version: gathered.register_version.to_string(),
        plan: Plan {
            version: gathered.plan_version,
            hash: gathered.plan_digest.clone(),
            primary: measure_key(plan.primary_measure).0,
            seed: plan.seed,
            changes: gathered.plan_changes.iter().map(plan_change).collect(),
            changed_after_outcomes: gathered.plan_changes.iter().any(|change| change.outcomes_read),
        },
        cohort_first_year: gathered.first_year,
        cohort_last_year: gathered.last_year,
        follow_up_months: u32::from(plan.follow_up_months),
        waiting_months: u32::from(plan.waiting_months),
        offence_filter: (!plan.offence_groups.is_empty())
            .then(|| plan.offence_groups.iter().cloned().collect::<Vec<_>>().join(", ")),
        long_custody_days: gathered.long_custody_days,
        analysis_date: today,
        status: Status::Draft,
        status_reason: None,
    }
}

fn funnel(gathered: &Gathered) -> Vec<CountedStep> {
    let link = &gathered.link;
    let step = |key, label, reason: &str, remaining| CountedStep { key, label, reason: reason.to_owned(), remaining };
    vec![
        step("submitted", "submitted by the provider", "", link.submitted),
        step("valid", "with usable details", "details missing or impossible", link.valid),
        step("on_register", "found on the register", "no match, or a match that could not be trusted", link.linked),
        step(
            "index_event",
            "with an index event",
            "no sentence that the service belongs to, or died before it ended",
            gathered.with_sentence,
        ),
        step("old_enough", "old enough to answer", "follow-up not complete, or too early", gathered.index_events),
        step("in_model", "in the matching model", "details needed by the model missing", gathered.in_model),
        step("matched", "matched and analysed", "nobody similar enough", gathered.matched),
    ]
}

fn stored(report_json: JsonB) -> Result<StoredResult, ErrorReport> {
    serde_json::from_value(report_json.0).map_err(|e| missing(&format!("a part of the stored report ({e})")))
}

/// The stored report with the sentences that follow from it.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_report_json")]
fn report_json(report: JsonB) -> Result<JsonB, ErrorReport> {
    Ok(JsonB(to_json(&stored(report)?)))
}

/// The stored report as text.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_report_text")]
fn report_text(report: JsonB) -> Result<String, ErrorReport> {
    Ok(to_text(&stored(report)?))
}

/// The stored report as one HTML page.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_report_html")]
fn report_html(report: JsonB) -> Result<String, ErrorReport> {
    Ok(to_html(&stored(report)?))
}

/// The measures of a stored report, then its sub-groups, as rows for the ledger of released results.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_report_measures")]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn report_measures(
    report: JsonB,
) -> Result<
    TableIterator<
        'static,
        (
            name!(measure, String),
            name!(treatment_n, Option<i32>),
            name!(comparison_n, Option<i32>),
            name!(treatment_value, Option<f64>),
            name!(comparison_value, Option<f64>),
            name!(difference, Option<f64>),
            name!(difference_low, Option<f64>),
            name!(difference_high, Option<f64>),
            name!(p_value, Option<f64>),
            name!(conclusive, Option<bool>),
            name!(withheld, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let count = |n: Option<u64>| n.and_then(|n| i32::try_from(n).ok());
    let stored = stored(report)?;
    let sub_groups = stored.sub_groups.into_iter().map(|group| {
        let label = format!("{} ({})", group.measure.label, group.label);
        Measure { label, ..group.measure }
    });
    let rows: Vec<_> = stored
        .measures
        .into_iter()
        .chain(sub_groups)
        .map(|m| {
            let conclusive = m.significant.zip(m.gate.as_ref()).map(|(significant, gate)| significant && gate.met);
            (
                m.label,
                count(m.treatment.n),
                count(m.comparison.n),
                m.treatment.value,
                m.comparison.value,
                m.difference.value,
                m.difference.low,
                m.difference.high,
                m.p_value,
                conclusive,
                m.withheld,
            )
        })
        .collect();
    Ok(TableIterator::new(rows))
}

/// The forest plot over stored reports (a JSON array, in the order of the plot), with their random-effects summary.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_forest_html")]
fn forest_html(reports: JsonB) -> Result<String, ErrorReport> {
    let reports: Vec<StoredResult> =
        serde_json::from_value(reports.0).map_err(|e| missing(&format!("a part of a stored report ({e})")))?;
    let results: Vec<PublishedResult> = reports.iter().filter_map(published_result).collect();
    let summary = random_effects(&results, Confidence::P95).map_err(report)?;
    Ok(to_forest_html(&results, summary.as_ref()))
}

/// What a draft sentence says that the stored report does not bear out.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_check_claim")]
fn claim_problems(
    report: JsonB,
    claim: &str,
) -> Result<TableIterator<'static, (name!(problem, String), name!(why, String))>, ErrorReport> {
    let problems = check_claim(&stored(report)?, claim);
    Ok(TableIterator::new(problems.into_iter().map(|p| (p.problem, p.why))))
}
