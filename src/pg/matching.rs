//! Matching: the tools on any query, and the comparison group of a request.

use jdl_core::matching::{
    BalanceRow, Comparison, Fit, Frame, Light, MatchOptions, Matching, match_controls, propensity,
};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{report, spi};
use super::frame;
use super::read::{extension_schema, heartbeat};

/// The covariates of `_jdl_candidates` that the register itself gives.
pub(super) const CANDIDATE: &str = "sentence_id AS id, treated, age, gender, ethnicity, nationality, region, disposal, offence_group, index_year,
    previous_sanctions, previous_custody, previous_cautions, previous_community, recent_sanctions, months_since_last, months_since_custody, age_at_first, copas_rate,
    previous_offences, recent_offences, previous_violence, previous_acquisitive, previous_drugs, previous_same_group";

/// Those that other departments and assessments give, of people of whom they know something.
pub(super) const ASSESSMENT: &str = "employment, employed_months, benefits, benefit_months, accommodation_need, employment_need, drugs_need, alcohol_need, thinking_need";

fn read_options(options: &JsonB) -> Result<MatchOptions, ErrorReport> {
    MatchOptions::from_json(&options.0.to_string()).map_err(report)
}

/// Matches controls to treated on any query that returns `id bigint, treated boolean` and covariates (numeric, boolean or text).
/// Options are MatchIt's arguments, dots as underscores. One row a pair; methods that make weights and no pairs return one row a control with a null treated_id.
#[pg_extern(stable, strict)]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn jdl_match_controls(
    query: &str,
    options: default!(JsonB, "'{}'"),
) -> Result<
    TableIterator<
        'static,
        (name!(treated_id, Option<i64>), name!(control_id, i64), name!(distance, Option<f64>), name!(weight, f64)),
    >,
    ErrorReport,
> {
    let options = read_options(&options)?;
    let frame = frame::read(query)?;
    let matching = match_controls(&frame, &options, &heartbeat).map_err(report)?;
    let rows: Vec<_> = if matching.pairs.is_empty() {
        (0..frame.len())
            .filter(|&row| !frame.treated()[row] && matching.weights[row] > 0.0)
            .map(|row| (None, frame.ids()[row], None, matching.weights[row]))
            .collect()
    } else {
        matching
            .pairs
            .iter()
            .map(|p| (Some(p.treated_id), p.control_id, p.distance.is_finite().then_some(p.distance), p.weight))
            .collect()
    };
    Ok(TableIterator::new(rows))
}

/// The propensity score of every row of a query (see jdl_match_controls): logistic regression of treated on the covariates.
#[pg_extern(stable, strict)]
fn jdl_propensity(
    query: &str,
    options: default!(JsonB, "'{}'"),
) -> Result<TableIterator<'static, (name!(id, i64), name!(treated, bool), name!(score, f64))>, ErrorReport> {
    let options = read_options(&options)?;
    let frame = frame::read(query)?;
    let fit = propensity(&frame, &options, &heartbeat).map_err(report)?;
    warn_of(&fit);
    let rows: Vec<_> = frame
        .ids()
        .iter()
        .zip(frame.treated())
        .zip(fit.scores())
        .map(|((id, treated), score)| (*id, *treated, score))
        .collect();
    Ok(TableIterator::new(rows))
}

/// Balance of the covariates of a query before and after the matching that the options ask for (see jdl_match_controls).
#[pg_extern(stable, strict)]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn jdl_balance(
    query: &str,
    options: default!(JsonB, "'{}'"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(covariate, String),
            name!(mean_treated, f64),
            name!(mean_control, f64),
            name!(smd, f64),
            name!(variance_ratio, Option<f64>),
            name!(ecdf_mean, f64),
            name!(ecdf_max, f64),
            name!(matched_mean_treated, Option<f64>),
            name!(matched_mean_control, Option<f64>),
            name!(matched_smd, Option<f64>),
            name!(matched_variance_ratio, Option<f64>),
            name!(matched_ecdf_mean, Option<f64>),
            name!(matched_ecdf_max, Option<f64>),
            name!(pair_distance, Option<f64>),
            name!(light, &'static str),
        ),
    >,
    ErrorReport,
> {
    let options = read_options(&options)?;
    let frame = frame::read(query)?;
    let matching = match_controls(&frame, &options, &heartbeat).map_err(report)?;
    let rows: Vec<_> = matching
        .balance
        .into_iter()
        .map(|row| {
            let BalanceRow { name, all, matched, pair_distance, light } = row;
            let after = |value: fn(&Comparison) -> f64| matched.as_ref().map(value);
            (
                name,
                all.mean_treated,
                all.mean_control,
                all.smd,
                all.variance_ratio,
                all.ecdf_mean,
                all.ecdf_max,
                after(|m| m.mean_treated),
                after(|m| m.mean_control),
                after(|m| m.smd),
                matched.and_then(|m| m.variance_ratio),
                after(|m| m.ecdf_mean),
                after(|m| m.ecdf_max),
                pair_distance,
                light_name(light),
            )
        })
        .collect();
    Ok(TableIterator::new(rows))
}

fn light_name(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Amber => "amber",
        Light::Red => "red",
    }
}

fn warn_of(fit: &Fit) {
    let aliased: Vec<&str> = fit.aliased().collect();
    if !aliased.is_empty() {
        notice!("covariates that say nothing new were left out: {}", aliased.join(", "));
    }
    if fit.penalty.is_some() {
        warning!("the covariates separate treated from controls: the score is fitted with Firth's penalty");
    }
}

/// What a matching comes to (see jdl_match_controls): counts, effective sample size, who was not matched and why, calipers, the overlap of the
/// scores, balance at other radii (`caliper_grid`), the propensity model, and the balance table.
#[pg_extern(stable, strict)]
fn jdl_match_summary(query: &str, options: default!(JsonB, "'{}'")) -> Result<JsonB, ErrorReport> {
    let options = read_options(&options)?;
    let frame = frame::read(query)?;
    let matching = match_controls(&frame, &options, &heartbeat).map_err(report)?;
    Ok(JsonB(summary(&frame, &matching)))
}

/// Matches the candidates of a request, writes its members under pseudonyms, and returns the counts and the balance table.
#[pg_extern(name = "_jdl_match")]
fn match_request(request_id: i64, options: JsonB) -> Result<JsonB, ErrorReport> {
    let options = read_options(&options)?;
    let candidates = format!("{}._jdl_candidates({request_id})", extension_schema()?);
    let (frame, losses) =
        frame::read_counting_losses(&format!("SELECT {CANDIDATE}, {ASSESSMENT}, loss FROM {candidates}"))?;
    let matching = match_controls(&frame, &options, &heartbeat).map_err(report)?;
    if let Some(fit) = &matching.fit {
        warn_of(fit);
    }
    write_members(request_id, &frame, &matching)?;
    let mut summary = summary(&frame, &matching);
    summary["pool_losses"] = serde_json::json!(losses);
    Ok(JsonB(summary))
}

/// Treated people and the controls that serve them, under fresh random pseudonyms; neither the order of the rows nor the numbers of the
/// matched sets tell the order of the people.
fn write_members(request_id: i64, frame: &Frame, matching: &Matching) -> Result<(), ErrorReport> {
    for table in ["jdl_pseudonymised.member", "jdl_restricted.pseudonym"] {
        Spi::run_with_args(&format!("DELETE FROM {table} WHERE request_id = $1"), &[request_id.into()]).map_err(spi)?;
    }
    let members: Vec<usize> =
        (0..frame.len()).filter(|&row| frame.treated()[row] || matching.weights[row] > 0.0).collect();
    let of = |value: &dyn Fn(usize) -> f64| members.iter().map(|&row| value(row)).collect::<Vec<f64>>();
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.pseudonym (request_id, pseudonym, person_id, sentence_id)
         SELECT $1, ('x' || translate(right(gen_random_uuid()::text, 12) || left(gen_random_uuid()::text, 3), '-', ''))::bit(60)::bigint, e.person_id, e.sentence_id
         FROM unnest($2::bigint[]) AS m (sentence_id) JOIN jdl_restricted.index_event e USING (sentence_id)",
        &[request_id.into(), members.iter().map(|&row| frame.ids()[row]).collect::<Vec<_>>().into()],
    )
    .map_err(spi)?;
    Spi::run_with_args(
        "INSERT INTO jdl_pseudonymised.member
         SELECT $1, p.pseudonym, m.treated, m.weight > 0, CASE WHEN m.matched_set > 0 THEN min(p.pseudonym) OVER (PARTITION BY m.matched_set) END, m.weight, m.score, e.disposal, e.offence_group, e.gender, e.ethnicity, e.nationality, e.region,
                e.age, e.previous_sanctions, e.previous_custody, e.previous_offences, e.months_since_last, e.copas_rate
         FROM unnest($2::bigint[], $3::boolean[], $4::float8[], $5::bigint[], $6::float8[]) AS m (sentence_id, treated, weight, matched_set, score)
         JOIN jdl_restricted.pseudonym p ON p.request_id = $1 AND p.sentence_id = m.sentence_id
         JOIN jdl_restricted.index_event e ON e.sentence_id = m.sentence_id
         ORDER BY p.pseudonym",
        &[
            request_id.into(),
            members.iter().map(|&row| frame.ids()[row]).collect::<Vec<_>>().into(),
            members.iter().map(|&row| frame.treated()[row]).collect::<Vec<_>>().into(),
            of(&|row| matching.weights[row]).into(),
            members.iter().map(|&row| matching.sets.as_ref().map_or(0, |sets| i64::from(sets[row]))).collect::<Vec<_>>().into(),
            members.iter().map(|&row| matching.score.as_ref().map(|score| score[row])).collect::<Vec<_>>().into(),
        ],
    )
    .map_err(spi)
}

fn summary(frame: &Frame, matching: &Matching) -> serde_json::Value {
    let worst = matching.worst();
    let smd = |row: &BalanceRow| row.matched.map_or(row.all.smd, |m| m.smd);
    serde_json::json!({
        "treatment_n": matching.treated.matched,
        "comparison_n": matching.control.matched,
        "effective_n": matching.control.effective,
        "worst_smd": worst.map(smd).map(f64::abs),
        "balance": matching.light().map(light_name),
        "worst_covariate": worst.map(|row| row.name.clone()),
        "pool_size": matching.control.all,
        "treated_in_model": frame.treated_count(),
        "not_matched": matching.reasons,
        "calipers": matching.calipers.iter().map(|c| (c.name.clone(), c.width.into())).collect::<serde_json::Map<_, _>>(),
        "caliper_grid": matching.grid,
        "overlap": matching.overlap,
        "aliased": matching.fit.iter().flat_map(|fit| fit.aliased().map(str::to_owned)).collect::<Vec<_>>(),
        "penalty": matching.fit.as_ref().and_then(|fit| fit.penalty),
        "model": matching.fit.as_ref().map(|fit| serde_json::json!({
            "coefficients": fit.coefficients,
            "deviance": fit.deviance,
            "null_deviance": fit.null_deviance,
            "iterations": fit.iterations,
            "rows": fit.rows,
        })),
        "balance_table": matching.balance,
    })
}
