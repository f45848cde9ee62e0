//! Inference: rates compared, and the whole test set of a request.

use std::collections::{HashMap, HashSet};

use jdl_core::calendar::Day;
use jdl_core::inference::{self, Alternatives, AnalysisPlan, Design, DesignRun, Levels, SubGroupBy};
use jdl_core::matching::MatchOptions;
use jdl_core::outcomes::{
    CourtCategory, Definition, IndexEvent, Offence, OffenceFilter, OffenceOutcome, PersonOutcome, measure_outcomes,
};
use jdl_core::report::compose::OutcomeCounts;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{invalid, missing, report, spi};
use super::frame;
use super::matching::{ASSESSMENT, CANDIDATE};
use super::read::{extension_schema, heartbeat};

/// Somebody of whom at least one need was assessed in the 12 months up to the index date.
const ASSESSED: &str =
    "'{need,no need}' && ARRAY[accommodation_need, employment_need, drugs_need, alcohol_need, thinking_need]";

/// Two counts compared in every usual way, in one row. Rates 0 to 1; differences are treatment minus comparison; `absent` says why a field is null.
#[pg_extern(immutable, parallel_safe, strict)]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn jdl_compare_rates(
    treatment_events: i64,
    treatment_n: i64,
    comparison_events: i64,
    comparison_n: i64,
    confidence: default!(f64, 0.95),
) -> Result<
    TableIterator<
        'static,
        (
            name!(treatment_rate, f64),
            name!(treatment_rate_low, f64),
            name!(treatment_rate_high, f64),
            name!(comparison_rate, f64),
            name!(comparison_rate_low, f64),
            name!(comparison_rate_high, f64),
            name!(difference, f64),
            name!(difference_low, f64),
            name!(difference_high, f64),
            name!(difference_wald_low, f64),
            name!(difference_wald_high, f64),
            name!(p_value, Option<f64>),
            name!(chi_square_p_value, Option<f64>),
            name!(chi_square_yates_p_value, Option<f64>),
            name!(fisher_p_value, f64),
            name!(risk_ratio, Option<f64>),
            name!(risk_ratio_low, Option<f64>),
            name!(risk_ratio_high, Option<f64>),
            name!(odds_ratio, Option<f64>),
            name!(odds_ratio_low, Option<f64>),
            name!(odds_ratio_high, Option<f64>),
            name!(number_needed_to_treat, Option<f64>),
            name!(number_needed_to_treat_low, Option<f64>),
            name!(number_needed_to_treat_high, Option<f64>),
            name!(power, f64),
            name!(minimum_detectable_increase, Option<f64>),
            name!(minimum_detectable_reduction, Option<f64>),
            name!(treatment_n_needed, Option<f64>),
            name!(absent, Option<JsonB>),
        ),
    >,
    ErrorReport,
> {
    let r = inference::compare_rates(treatment_events, treatment_n, comparison_events, comparison_n, confidence)
        .map_err(report)?;
    let absent = (!r.absent.is_empty())
        .then(|| r.absent.iter().map(|a| (a.field.clone(), a.reason.to_string().into())).collect())
        .map(|absent| JsonB(serde_json::Value::Object(absent)));
    Ok(TableIterator::once((
        r.treatment_rate,
        r.treatment_rate_low,
        r.treatment_rate_high,
        r.comparison_rate,
        r.comparison_rate_low,
        r.comparison_rate_high,
        r.difference,
        r.difference_newcombe_low,
        r.difference_newcombe_high,
        r.difference_wald_low,
        r.difference_wald_high,
        r.p_value,
        r.chi_square_p_value,
        r.chi_square_yates_p_value,
        r.fisher_p_value,
        r.risk_ratio,
        r.risk_ratio_low,
        r.risk_ratio_high,
        r.odds_ratio,
        r.odds_ratio_low,
        r.odds_ratio_high,
        r.number_needed_to_treat,
        r.number_needed_to_treat_low,
        r.number_needed_to_treat_high,
        r.power,
        r.minimum_detectable_increase,
        r.minimum_detectable_reduction,
        r.treatment_n_needed,
        absent,
    )))
}

/// The smallest fall below `rate` that groups of these sizes detect with power 0.8, as a positive share; null where there is none.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_minimum_detectable_effect")]
fn minimum_detectable_effect(
    rate: f64,
    treatment_n: i32,
    comparison_n: i32,
    significance_level: f64,
) -> Result<Option<f64>, ErrorReport> {
    let detectable =
        inference::detectable_rate(rate, [f64::from(comparison_n), f64::from(treatment_n)], 0.8, significance_level)
            .map_err(report)?;
    Ok(detectable.below.ok().map(|lower| rate - lower))
}

/// A member of a request at its index event.
struct Member {
    pseudonym: i64,
    sentence_id: i64,
    treated: bool,
    weight: f64,
    set: Option<u32>,
    /// By the covariates of the plan's sub-groups, in their order.
    levels: Vec<String>,
}

/// A plan as JSON, its omissions filled in, or why it cannot be followed.
#[pg_extern(immutable, parallel_safe, strict, name = "_jdl_whole_plan")]
fn whole_plan(plan: JsonB) -> Result<JsonB, ErrorReport> {
    Ok(JsonB(serde_json::json!(read_plan(plan)?)))
}

fn read_plan(plan: JsonB) -> Result<AnalysisPlan, ErrorReport> {
    let plan: AnalysisPlan = serde_json::from_value(plan.0)
        .map_err(|error| invalid("plan", error.to_string().split(" at line ").next().unwrap_or_default()))?;
    plan.check().map_err(report)?;
    Ok(plan)
}

/// Derives the outcomes of the matched members of a request, writes them, and returns the analysis with the counts behind
/// it; `design` is the matching design that stands, made again for the sensitivity set.
#[pg_extern(name = "_jdl_analyse")]
fn analyse_request(request_id: i64, plan: JsonB, design: JsonB) -> Result<JsonB, ErrorReport> {
    let plan = read_plan(plan)?;
    let options = MatchOptions::from_value(design.0).map_err(report)?;
    let members = read_members(request_id, &plan)?;
    let sentences: Vec<i64> = members.iter().map(|m| m.sentence_id).collect();
    let (outcomes, offences_read) = read_outcomes(&sentences, &plan, AtRisk::Read)?;
    write_outcomes(request_id, &members, &outcomes)?;

    let treated: Vec<bool> = members.iter().map(|m| m.treated).collect();
    let weight: Vec<f64> = members.iter().map(|m| m.weight).collect();
    let set: Vec<Option<u32>> = members.iter().map(|m| m.set).collect();
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let by_covariate: Vec<(SubGroupBy, Vec<String>)> = (0..)
        .zip(plan.sub_groups.keys())
        .map(|(at, by)| (*by, members.iter().filter_map(|m: &Member| m.levels.get::<usize>(at).cloned()).collect()))
        .collect();
    let levels: Vec<Levels<'_>> = by_covariate.iter().map(|(by, level)| Levels { by: *by, level }).collect();
    let analysis = inference::analyse(design, &levels, &plan, &heartbeat).map_err(report)?;
    let counts = OutcomeCounts::of(&design);
    let matched: HashSet<i64> = members.iter().filter(|m| m.treated).map(|m| m.sentence_id).collect();
    let (alternatives, pool_offences) = alternatives(request_id, &matched, &options, &plan)?;
    Ok(JsonB(serde_json::json!({
        "treatment_n": analysis.treatment.people,
        "comparison_n": analysis.comparison.people,
        "measures": analysis.measures.len(),
        "offences_read": offences_read + pool_offences,
        "result": { "analysis": analysis, "counts": counts, "alternatives": alternatives },
    })))
}

/// The primary measure by other methods and designs: doubly robust on the matched treated and the pool; and, where people
/// have an assessment, the design made of those people with the assessment in the model and without.
fn alternatives(
    request_id: i64,
    matched: &HashSet<i64>,
    options: &MatchOptions,
    plan: &AnalysisPlan,
) -> Result<(Alternatives, usize), ErrorReport> {
    let candidates = format!("{}._jdl_candidates({request_id})", extension_schema()?);
    let mut alternatives = Alternatives::default();
    let everybody = frame::read(&format!("SELECT {CANDIDATE}, {ASSESSMENT} FROM {candidates} WHERE loss IS NULL"))?;
    // When people of the pool died or were locked away matters to the curves of the matched alone.
    let (outcomes, offences_read) = read_outcomes(everybody.ids(), plan, AtRisk::Ignored)?;
    let kept: Vec<bool> = everybody.ids().iter().map(|id| matched.contains(id)).collect();
    alternatives.doubly_robust = match inference::doubly_robust(&everybody, &kept, &outcomes, plan, &heartbeat) {
        Ok(found) => found.ok(),
        Err(jdl_core::Error::Bug(bug)) => return Err(report(jdl_core::Error::Bug(bug))),
        // A model that cannot be fitted leaves no second opinion; the report then gives none.
        Err(_) => None,
    };
    let enough = Spi::get_one::<bool>(&format!(
        "SELECT count(*) FILTER (WHERE treated) >= (SELECT value::integer FROM jdl.setting WHERE setting = 'minimum_treatment') AND count(*) FILTER (WHERE NOT treated) > 0
         FROM {candidates} WHERE loss IS NULL AND {ASSESSED}"
    ))
    .map_err(spi)?;
    // Where few were assessed there is nothing to compare.
    if enough != Some(true) {
        return Ok((alternatives, offences_read));
    }
    let assessed =
        frame::read(&format!("SELECT {CANDIDATE}, {ASSESSMENT} FROM {candidates} WHERE loss IS NULL AND {ASSESSED}"))?;
    let own: Vec<PersonOutcome> = assessed
        .ids()
        .iter()
        .map(|id| everybody.ids().binary_search(id).map(|at| outcomes[at]))
        .collect::<Result<_, _>>()
        .map_err(|_| missing("an assessed candidate among the candidates"))?;
    let assessment: Vec<&str> = ASSESSMENT.split(", ").collect();
    let base: Vec<String> = match &options.covariates {
        Some(named) => named.clone(),
        None => assessed.names().filter(|name| !assessment.contains(name)).map(str::to_owned).collect(),
    };
    let with = base.iter().cloned().chain(assessment.iter().map(|name| (*name).to_owned())).collect();
    for (key, covariates) in [("with_assessments", with), ("without_assessments", base.clone())] {
        let options = MatchOptions { covariates: Some(covariates), ..options.clone() };
        let run = inference::matched_run(&assessed, &options, &own, plan, &heartbeat);
        alternatives.runs.push(match run {
            Ok(result) => DesignRun { key: key.to_owned(), result: Some(result), absent: None },
            Err(jdl_core::Error::Bug(bug)) => return Err(report(jdl_core::Error::Bug(bug))),
            Err(_) => {
                let why = "too few people with an assessment to make the design".to_owned();
                DesignRun { key: key.to_owned(), result: None, absent: Some(why) }
            }
        });
    }
    Ok((alternatives, offences_read))
}

/// The column of a member that a sub-group is made of.
fn column(by: SubGroupBy, schema: &str) -> String {
    match by {
        SubGroupBy::AgeBand => format!("{schema}._jdl_age_band(m.age)"),
        SubGroupBy::Disposal => "m.disposal".to_owned(),
        SubGroupBy::Ethnicity => "m.ethnicity".to_owned(),
        SubGroupBy::Gender => "m.gender".to_owned(),
        SubGroupBy::Nationality => "m.nationality".to_owned(),
        SubGroupBy::OffenceGroup => "m.offence_group".to_owned(),
        SubGroupBy::Region => "m.region".to_owned(),
    }
}

/// The sub-groups that a plan names and no treated person of the request belongs to, as "covariate: level".
#[pg_extern(name = "_jdl_empty_sub_groups")]
fn empty_sub_groups(request_id: i64, plan: JsonB) -> Result<Vec<String>, ErrorReport> {
    let plan = read_plan(plan)?;
    let schema = extension_schema()?;
    let mut empty = Vec::new();
    for (by, levels) in &plan.sub_groups {
        let there = Spi::get_one_with_args::<Vec<String>>(
            &format!(
                "SELECT array_agg(DISTINCT {}) FROM jdl_pseudonymised.member m WHERE m.request_id = $1 AND m.treated",
                column(*by, &schema)
            ),
            &[request_id.into()],
        )
        .map_err(spi)?
        .unwrap_or_default();
        let name = serde_json::json!(by);
        let missing = levels.iter().filter(|level| !there.contains(level));
        empty.extend(missing.map(|level| format!("{}: {level}", name.as_str().unwrap_or_default())));
    }
    Ok(empty)
}

/// The matched members in the order of their sentences, which is not that of their random pseudonyms: sums must come out the same every time.
fn read_members(request_id: i64, plan: &AnalysisPlan) -> Result<Vec<Member>, ErrorReport> {
    let schema = extension_schema()?;
    let columns: Vec<String> = plan.sub_groups.keys().map(|by| column(*by, &schema)).collect();
    let query = format!(
        "SELECT m.pseudonym, m.treated, m.weight, m.matched_set, p.sentence_id, ARRAY[{}]::text[]
         FROM jdl_pseudonymised.member m
         JOIN jdl_restricted.pseudonym p ON p.request_id = m.request_id AND p.pseudonym = m.pseudonym
         WHERE m.request_id = $1 AND m.matched ORDER BY p.sentence_id",
        columns.join(", ")
    );
    Spi::connect(|client| {
        let mut members = Vec::new();
        // Sets are named by a pseudonym; numbered here in the order of their first members.
        let mut sets: HashMap<i64, u32> = HashMap::new();
        for row in client.select(&query, None, &[request_id.into()])? {
            let next = u32::try_from(sets.len() + 1).unwrap_or(u32::MAX);
            members.push(Member {
                pseudonym: row.get(1)?.unwrap_or_default(),
                treated: row.get(2)?.unwrap_or_default(),
                weight: row.get(3)?.unwrap_or_default(),
                set: row.get::<i64>(4)?.map(|set| *sets.entry(set).or_insert(next)),
                sentence_id: row.get(5)?.unwrap_or_default(),
                levels: row.get(6)?.unwrap_or_default(),
            });
        }
        Ok(members)
    })
    .map_err(spi)
}

/// Whether to look for deaths and long custody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtRisk {
    Read,
    Ignored,
}

/// The outcomes of the index events that the sentences are, in their order, and how many offences were read for them.
///
/// Columns come as arrays, one value of SPI each: a pool of half a million people costs what its joins cost.
fn read_outcomes(
    sentences: &[i64],
    plan: &AnalysisPlan,
    at_risk: AtRisk,
) -> Result<(Vec<PersonOutcome>, usize), ErrorReport> {
    let people = read_index_events(sentences, plan, at_risk)?;
    heartbeat();
    let (offences, bounds) = read_offences(sentences, plan)?;
    let filter = if plan.offence_groups.is_empty() {
        OffenceFilter::All
    } else {
        OffenceFilter::Only((1..).take(plan.offence_groups.len()).collect())
    };
    let definition = Definition { length: plan.length().map_err(report)?, filter };
    let outcomes = measure_outcomes(&people, &offences, &bounds, &definition, &heartbeat).map_err(report)?;
    Ok((outcomes, offences.len()))
}

/// When each follow-up starts and when the person left early: by death, or by custody of `long_custody_days` or more (counted
/// from the index date) that begins in the follow-up or runs already at its start. Custody whose end is not known counts if
/// it begins in the follow-up; of one that began before, the register would know by then.
fn read_index_events(sentences: &[i64], plan: &AnalysisPlan, at_risk: AtRisk) -> Result<Vec<IndexEvent>, ErrorReport> {
    let left = match at_risk {
        AtRisk::Ignored => "NULL::date".to_owned(),
        AtRisk::Read => format!(
            "least(p.date_of_death, (
                 SELECT min(greatest(s.start_date, e.index_date)) FROM jdl_restricted.sentence s
                 WHERE s.person_id = e.person_id AND s.sentence_id <> e.sentence_id
                   AND s.start_date < e.index_date + make_interval(months => {months})
                   AND s.kind = ANY ((SELECT kinds FROM custody)::text[])
                   AND (CASE WHEN s.end_date IS NULL THEN s.start_date > e.index_date
                             ELSE s.end_date - greatest(s.start_date, e.index_date) >= (SELECT value::integer FROM jdl.setting WHERE setting = 'long_custody_days') END)))",
            months = plan.follow_up_months
        ),
    };
    let query = format!(
        "WITH custody AS MATERIALIZED (
             SELECT array_agg(k.kind) AS kinds FROM (SELECT DISTINCT s.kind FROM jdl_restricted.sentence s) k WHERE {schema}._jdl_disposal(k.kind) = 'custody'
         ), found AS (
             SELECT asked.n, e.index_date - date '2000-01-01' AS start, {left} - date '2000-01-01' AS until
             FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (sentence_id, n)
             JOIN jdl_restricted.index_event e USING (sentence_id) JOIN jdl_restricted.person p USING (person_id)
             ORDER BY asked.n
         )
         SELECT array_agg(f.start), array_agg(f.until) FROM found f",
        schema = extension_schema()?
    );
    let (start, until) =
        Spi::get_two_with_args::<Vec<i32>, Vec<Option<i32>>>(&query, &[sentences.to_vec().into()]).map_err(spi)?;
    let (start, until) = (start.unwrap_or_default(), until.unwrap_or_default());
    if start.len() != sentences.len() {
        return Err(missing("an index event of the request"));
    }
    let event = |(start, until): (i32, Option<i32>)| IndexEvent { start: Day(start), at_risk_until: until.map(Day) };
    Ok(start.into_iter().zip(until).map(event).collect())
}

/// The proven offences in the windows of the index events, flat, event after event. Their group is its place (from 1) among
/// those that the plan counts, 0 for another.
fn read_offences(sentences: &[i64], plan: &AnalysisPlan) -> Result<(Vec<Offence>, Vec<usize>), ErrorReport> {
    let query = format!(
        "WITH near AS MATERIALIZED (
             SELECT asked.n, o.offence_id, o.offence_date, o.outcome_date, o.outcome, o.offence_group, o.court_category, o.custodial
             FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (sentence_id, n)
             JOIN jdl_restricted.index_event e USING (sentence_id)
             JOIN jdl_restricted.offence o ON o.person_id = e.person_id AND o.offence_date >= e.index_date AND o.offence_date <= e.index_date + make_interval(months => $2)
                  -- What was proven on the index date is what the index event is about: a caution is often of the day of the offence.
                  AND o.outcome_date > e.index_date AND o.outcome_date <= e.index_date + make_interval(months => $2 + $3)
         ), proof AS MATERIALIZED (
             -- Read each spelling once, not once a row.
             SELECT s.outcome, s.outcome ~* 'caution|reprimand|warning' AS caution FROM (SELECT DISTINCT near.outcome FROM near) s WHERE {schema}._jdl_is_proven(s.outcome)
         ), category AS MATERIALIZED (
             SELECT s.court_category, CASE WHEN s.court_category ~* 'either' THEN 2 WHEN s.court_category ~* 'indict' THEN 3 WHEN s.court_category ~* 'summary' THEN 1 ELSE 0 END AS code
             FROM (SELECT DISTINCT near.court_category FROM near) s
         ), proven AS (
             SELECT near.n, near.offence_date - date '2000-01-01' AS committed, near.outcome_date - date '2000-01-01' AS decided,
                    coalesce(category.code, 0) + CASE WHEN proof.caution THEN 4 ELSE 0 END + CASE WHEN near.custodial THEN 8 ELSE 0 END + 16 * coalesce(array_position($4::text[], near.offence_group), 0) AS flags
             FROM near JOIN proof ON proof.outcome = near.outcome LEFT JOIN category ON category.court_category = near.court_category
             ORDER BY near.n, near.offence_date, near.offence_id
         )
         SELECT array_agg(p.n::integer), array_agg(p.committed), array_agg(p.decided), array_agg(p.flags) FROM proven p",
        schema = extension_schema()?
    );
    let groups: Vec<String> = plan.offence_groups.iter().cloned().collect();
    let arguments = [
        sentences.to_vec().into(),
        i32::from(plan.follow_up_months).into(),
        i32::from(plan.waiting_months).into(),
        groups.into(),
    ];
    let columns = Spi::connect(|client| {
        let row = client.select(&query, None, &arguments)?.first();
        (1..=4).map(|at| row.get::<Vec<i32>>(at).map(Option::unwrap_or_default)).collect::<Result<Vec<_>, _>>()
    })
    .map_err(spi)?;
    let [events, committed, decided, flags] = columns.as_slice() else { return Err(missing("a column of offences")) };
    let offences: Vec<Offence> = committed
        .iter()
        .zip(decided)
        .zip(flags)
        .map(|((committed, decided), flags)| Offence {
            offence_date: Day(*committed),
            outcome_date: Some(Day(*decided)),
            outcome: if flags & 4 > 0 { OffenceOutcome::Caution } else { OffenceOutcome::Conviction },
            offence_group: u16::try_from(flags >> 4).unwrap_or(u16::MAX),
            court_category: usize::try_from((flags & 3) - 1).ok().map(|at| CourtCategory::ALL[at]),
            custodial: flags & 8 > 0,
        })
        .collect();
    // Positions count from 1, so the bound at a position is the end of the event's own offences.
    let bounds = (0..=sentences.len()).map(|n| events.partition_point(|event| *event as usize <= n)).collect();
    Ok((offences, bounds))
}

fn category_name(category: CourtCategory) -> &'static str {
    match category {
        CourtCategory::Summary => "summary",
        CourtCategory::EitherWay => "either way",
        CourtCategory::Indictable => "indictable",
    }
}

fn write_outcomes(request_id: i64, members: &[Member], outcomes: &[PersonOutcome]) -> Result<(), ErrorReport> {
    let number = |value: &dyn Fn(&PersonOutcome) -> Option<u32>| -> Vec<Option<i32>> {
        outcomes.iter().map(|o| value(o).and_then(|v| i32::try_from(v).ok())).collect()
    };
    Spi::run_with_args(
        "INSERT INTO jdl_pseudonymised.outcome (request_id, pseudonym, reoffended, reoffences, days_to_first, first_court_category, custodial_first, custodial_reoffences)
         SELECT $1, o.* FROM unnest($2::bigint[], $3::boolean[], $4::integer[], $5::integer[], $6::text[], $7::boolean[], $8::integer[]) AS o (pseudonym)
         ORDER BY o.pseudonym",
        &[
            request_id.into(),
            members.iter().map(|m| m.pseudonym).collect::<Vec<_>>().into(),
            outcomes.iter().map(PersonOutcome::reoffended).collect::<Vec<_>>().into(),
            number(&|o| Some(o.reoffences)).into(),
            number(&PersonOutcome::days_to_first).into(),
            outcomes
                .iter()
                .map(|o| o.first.and_then(|f| f.court_category).map(|c| category_name(c).to_owned()))
                .collect::<Vec<_>>()
                .into(),
            outcomes.iter().map(|o| o.first.map(|f| f.custodial)).collect::<Vec<_>>().into(),
            number(&|o| Some(o.custodial_count)).into(),
        ],
    )
    .map_err(spi)
}
