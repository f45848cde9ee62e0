//! Inference: rates compared, and the whole test set of a request.

use std::collections::HashMap;

use jdl_core::calendar::Day;
use jdl_core::inference::{self, AnalysisPlan, Design};
use jdl_core::outcomes::{
    CourtCategory, FollowUp, IndexEvent, Offence, OffenceFilter, OffenceOutcome, PersonOutcome, measure_outcomes,
};
use jdl_core::report::compose::OutcomeCounts;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{invalid, report, spi};
use super::read::{day, extension_schema, heartbeat};

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
    treated: bool,
    weight: f64,
    set: Option<u32>,
    start: Day,
}

/// Derives the outcomes of the matched members of a request, writes them, and returns the analysis with the counts behind it.
#[pg_extern(name = "_jdl_analyse")]
fn analyse_request(request_id: i64, plan: JsonB) -> Result<JsonB, ErrorReport> {
    let plan: AnalysisPlan = serde_json::from_value(plan.0)
        .map_err(|error| invalid("plan", error.to_string().split(" at line ").next().unwrap_or_default()))?;
    let members = read_members(request_id)?;
    let (offences, bounds, filter) = read_offences(request_id, &members, &plan)?;
    let follow_up = FollowUp::new(plan.follow_up_months, plan.waiting_months, filter).map_err(report)?;
    let people: Vec<IndexEvent> = members.iter().map(|m| IndexEvent { start: m.start, at_risk_until: None }).collect();
    let outcomes = measure_outcomes(&people, &offences, &bounds, &follow_up, &heartbeat).map_err(report)?;
    write_outcomes(request_id, &members, &outcomes)?;

    let treated: Vec<bool> = members.iter().map(|m| m.treated).collect();
    let weight: Vec<f64> = members.iter().map(|m| m.weight).collect();
    let set: Vec<Option<u32>> = members.iter().map(|m| m.set).collect();
    let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcomes };
    let analysis = inference::analyse(design, &plan, &heartbeat).map_err(report)?;
    let counts = OutcomeCounts::of(&design);
    Ok(JsonB(serde_json::json!({
        "treatment_n": analysis.treatment.people,
        "comparison_n": analysis.comparison.people,
        "measures": analysis.measures.len(),
        "offences_read": offences.len(),
        "result": { "analysis": analysis, "counts": counts },
    })))
}

/// The matched members in the order of their sentences, which is not that of their random pseudonyms: sums must come out the same every time.
fn read_members(request_id: i64) -> Result<Vec<Member>, ErrorReport> {
    Spi::connect(|client| {
        let mut members = Vec::new();
        for row in client.select(
            "SELECT m.pseudonym, m.treated, m.weight, m.matched_set, e.index_date
             FROM jdl_pseudonymised.member m
             JOIN jdl_restricted.pseudonym p ON p.request_id = m.request_id AND p.pseudonym = m.pseudonym
             JOIN jdl_restricted.index_event e ON e.sentence_id = p.sentence_id
             WHERE m.request_id = $1 AND m.matched ORDER BY e.sentence_id",
            None,
            &[request_id.into()],
        )? {
            members.push(Member {
                pseudonym: row.get(1)?.unwrap_or_default(),
                treated: row.get(2)?.unwrap_or_default(),
                weight: row.get(3)?.unwrap_or_default(),
                set: row.get::<i64>(4)?.and_then(|set| u32::try_from(set).ok()),
                start: row.get::<Date>(5)?.map(day).unwrap_or(Day(0)),
            });
        }
        Ok(members)
    })
    .map_err(spi)
}

/// The offences of the members inside their windows, flat, member after member; and the filter with its groups as codes.
fn read_offences(
    request_id: i64,
    members: &[Member],
    plan: &AnalysisPlan,
) -> Result<(Vec<Offence>, Vec<usize>, OffenceFilter), ErrorReport> {
    let query = format!(
        "SELECT m.n, o.offence_date, o.outcome_date, {schema}._jdl_is_proven(o.outcome), o.outcome ~* 'caution|reprimand|warning', o.offence_group, lower(o.court_category), o.custodial
         FROM unnest($2::bigint[]) WITH ORDINALITY AS m (pseudonym, n)
         JOIN jdl_restricted.pseudonym p ON p.request_id = $1 AND p.pseudonym = m.pseudonym
         JOIN jdl_restricted.index_event e ON e.sentence_id = p.sentence_id
         JOIN jdl_restricted.offence o ON o.person_id = p.person_id AND o.offence_date >= e.index_date AND o.offence_date <= e.index_date + make_interval(months => $3)
              -- What was proven on the index date is what the index event is about: a caution is often of the day of the offence.
              AND (o.outcome_date > e.index_date) IS NOT FALSE
         ORDER BY m.n, o.offence_date, o.offence_id",
        schema = extension_schema()?
    );
    let mut codes: HashMap<String, u16> = HashMap::new();
    let mut code_of = |group: String| {
        let next = u16::try_from(codes.len()).unwrap_or(u16::MAX);
        *codes.entry(group).or_insert(next)
    };
    let filter = if plan.offence_groups.is_empty() {
        OffenceFilter::All
    } else {
        OffenceFilter::Only(plan.offence_groups.iter().map(|group| code_of(group.clone())).collect())
    };
    let mut offences = Vec::new();
    let mut bounds = vec![0; members.len() + 1];
    Spi::connect(|client| {
        let pseudonyms: Vec<i64> = members.iter().map(|m| m.pseudonym).collect();
        for row in client.select(
            &query,
            None,
            &[request_id.into(), pseudonyms.into(), i32::from(plan.follow_up_months).into()],
        )? {
            let (Some(position), Some(offence_date)) = (row.get::<i64>(1)?, row.get::<Date>(2)?) else { continue };
            let outcome = match (row.get::<bool>(4)?, row.get::<bool>(5)?) {
                (Some(true), Some(true)) => OffenceOutcome::Caution,
                (Some(true), _) => OffenceOutcome::Conviction,
                _ => OffenceOutcome::NotProven,
            };
            offences.push(Offence {
                offence_date: day(offence_date),
                outcome_date: row.get::<Date>(3)?.map(day),
                outcome,
                offence_group: code_of(row.get::<String>(6)?.unwrap_or_default()),
                court_category: row.get::<String>(7)?.as_deref().and_then(court_category),
                custodial: row.get::<bool>(8)?.unwrap_or_default(),
            });
            // Positions count from 1, so this is the end of the member's own offences.
            bounds[position as usize] = offences.len();
        }
        Ok(())
    })
    .map_err(spi)?;
    for at in 1..bounds.len() {
        bounds[at] = bounds[at].max(bounds[at - 1]);
    }
    Ok((offences, bounds, filter))
}

fn court_category(text: &str) -> Option<CourtCategory> {
    if text.contains("either") {
        Some(CourtCategory::EitherWay)
    } else if text.contains("indict") {
        Some(CourtCategory::Indictable)
    } else {
        text.contains("summary").then_some(CourtCategory::Summary)
    }
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
         SELECT $1, o.* FROM unnest($2::bigint[], $3::boolean[], $4::integer[], $5::integer[], $6::text[], $7::boolean[], $8::integer[]) AS o",
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
