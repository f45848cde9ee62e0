//! Inference: rates compared, and the whole test set of a request.

use jdl_core::inference;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::report;

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
        .then(|| JsonB(r.absent.iter().map(|a| (a.field.clone(), a.reason.to_string().into())).collect::<serde_json::Map<_, _>>().into()));
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
