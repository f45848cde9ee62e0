//! Matching: the tools on any query, and the comparison group of a request.

use jdl_core::matching::{
    BalanceRow, Cell, Comparison, Fit, Frame, FrameBuilder, Kind, Light, MatchOptions, Matching, match_controls,
    propensity,
};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{SpiHeapTupleData, SpiTupleTable};

use super::error::{invalid, report, spi};
use super::read::{extension_schema, heartbeat};

/// Rows fetched at a time.
pub(super) const BATCH: std::ffi::c_long = 10_000;

/// The columns of `_jdl_candidates` that matching looks at.
pub(super) const CANDIDATE: &str = "sentence_id AS id, treated, age, gender, ethnicity, nationality, region, disposal, offence_group, index_year::text AS index_year,
    previous_sanctions, previous_custody, previous_offences, months_since_last, age_at_first, copas_rate";

/// How a column of a query is read.
#[derive(Clone, Copy)]
enum Reader {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
}

impl Reader {
    fn of(oid: pg_sys::Oid) -> Option<Self> {
        Some(match oid {
            pg_sys::BOOLOID => Self::Bool,
            pg_sys::INT2OID => Self::Int2,
            pg_sys::INT4OID => Self::Int4,
            pg_sys::INT8OID => Self::Int8,
            pg_sys::FLOAT4OID => Self::Float4,
            pg_sys::FLOAT8OID => Self::Float8,
            pg_sys::NUMERICOID => Self::Numeric,
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID | pg_sys::NAMEOID => Self::Text,
            _ => return None,
        })
    }

    fn kind(self) -> Kind {
        if matches!(self, Self::Text) { Kind::Text } else { Kind::Numeric }
    }

    fn number(self, row: &SpiHeapTupleData<'_>, at: usize) -> Result<Option<f64>, spi::Error> {
        Ok(match self {
            Self::Bool => row.get::<bool>(at)?.map(|v| f64::from(u8::from(v))),
            Self::Int2 => row.get::<i16>(at)?.map(f64::from),
            Self::Int4 => row.get::<i32>(at)?.map(f64::from),
            Self::Int8 => row.get::<i64>(at)?.map(|v| v as f64),
            Self::Float4 => row.get::<f32>(at)?.map(f64::from),
            Self::Float8 => row.get::<f64>(at)?,
            Self::Numeric => row.get::<AnyNumeric>(at)?.and_then(|v| v.try_into().ok()),
            Self::Text => None,
        })
    }
}

/// The columns of a query by their place: id, treated, and the covariates with their names.
struct Shape {
    id: usize,
    treated: usize,
    covariates: Vec<(String, usize, Reader)>,
}

impl Shape {
    fn of(table: &SpiTupleTable<'_>, skip: &[&str]) -> Result<Self, ErrorReport> {
        let (mut id, mut treated, mut covariates) = (None, None, Vec::new());
        for at in 1..=table.columns().unwrap_or(0) {
            let name = table.column_name(at).map_err(spi)?;
            let oid = table.column_type_oid(at).map_err(spi)?.value();
            match name.as_str() {
                "id" if oid == pg_sys::INT8OID => id = Some(at),
                "id" => return Err(invalid("query", "column \"id\" must be of type bigint")),
                "treated" if oid == pg_sys::BOOLOID => treated = Some(at),
                "treated" => return Err(invalid("query", "column \"treated\" must be of type boolean")),
                _ if skip.contains(&name.as_str()) => {}
                _ => {
                    let reader = Reader::of(oid).ok_or_else(|| {
                        invalid("query", &format!("column \"{name}\" must be numeric, boolean or text"))
                    })?;
                    covariates.push((name, at, reader));
                }
            }
        }
        let (Some(id), Some(treated)) = (id, treated) else {
            return Err(invalid("query", "must return the columns id bigint and treated boolean, and covariates"));
        };
        if covariates.is_empty() {
            return Err(invalid("query", "returns no covariate beside id and treated"));
        }
        Ok(Self { id, treated, covariates })
    }
}

/// Reads a query into a frame, batch by batch; `each` sees every row (for columns that are no covariates).
pub(super) fn read_frame(
    query: &str,
    arguments: &[pgrx::datum::DatumWithOid<'_>],
    skip: &[&str],
    each: &mut dyn FnMut(&SpiHeapTupleData<'_>) -> Result<(), spi::Error>,
) -> Result<Frame, ErrorReport> {
    Spi::connect(|client| {
        let mut cursor = client.open_cursor(query, arguments);
        let mut building: Option<(Shape, FrameBuilder)> = None;
        let mut texts: Vec<String> = Vec::new();
        loop {
            let table = cursor.fetch(BATCH).map_err(spi)?;
            if building.is_none() {
                let shape = Shape::of(&table, skip)?;
                let columns: Vec<(&str, Kind)> =
                    shape.covariates.iter().map(|(name, _, reader)| (name.as_str(), reader.kind())).collect();
                let builder = FrameBuilder::new(&columns).map_err(report)?;
                building = Some((shape, builder));
            }
            let Some((shape, builder)) = building.as_mut() else { break };
            if table.is_empty() {
                break;
            }
            texts.resize(shape.covariates.len(), String::new());
            for row in table {
                let record = builder.len() + 1;
                let absent = |column: &str| invalid(column, &format!("is null in record {record}"));
                let id = row.get::<i64>(shape.id).map_err(spi)?.ok_or_else(|| absent("id"))?;
                let treated = row.get::<bool>(shape.treated).map_err(spi)?.ok_or_else(|| absent("treated"))?;
                let mut present = Vec::with_capacity(shape.covariates.len());
                for (position, (_, at, reader)) in shape.covariates.iter().enumerate() {
                    present.push(if let Reader::Text = reader {
                        match row.get::<String>(*at).map_err(spi)? {
                            Some(text) => {
                                texts[position] = text;
                                None
                            }
                            None => Some(Cell::Missing),
                        }
                    } else {
                        Some(reader.number(&row, *at).map_err(spi)?.map_or(Cell::Missing, Cell::Number))
                    });
                }
                let cells: Vec<Cell<'_>> =
                    present.into_iter().zip(&texts).map(|(cell, text)| cell.unwrap_or(Cell::Text(text))).collect();
                builder.push_row(id, treated, &cells).map_err(report)?;
                each(&row).map_err(spi)?;
            }
            heartbeat();
        }
        match building {
            Some((_, builder)) => builder.finish().map_err(report),
            None => Err(invalid("query", "returns nothing")),
        }
    })
}

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
    let frame = read_frame(query, &[], &[], &mut |_| Ok(()))?;
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
    let frame = read_frame(query, &[], &[], &mut |_| Ok(()))?;
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
    let frame = read_frame(query, &[], &[], &mut |_| Ok(()))?;
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

/// Matches the candidates of a request, writes its members under pseudonyms, and returns the counts and the balance table.
#[pg_extern(name = "_jdl_match")]
fn match_request(request_id: i64, options: JsonB) -> Result<JsonB, ErrorReport> {
    let options = read_options(&options)?;
    let query = format!("SELECT {CANDIDATE} FROM {}._jdl_candidates($1)", extension_schema()?);
    let frame = read_frame(&query, &[request_id.into()], &[], &mut |_| Ok(()))?;
    let matching = match_controls(&frame, &options, &heartbeat).map_err(report)?;
    if let Some(fit) = &matching.fit {
        warn_of(fit);
    }
    write_members(request_id, &frame, &matching)?;
    Ok(JsonB(summary(&frame, &matching)))
}

/// Treated people and the controls that serve them, under fresh random pseudonyms.
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
         SELECT $1, p.pseudonym, m.treated, m.weight > 0, nullif(m.matched_set, 0), m.weight, m.score, e.disposal, e.offence_group, e.gender, e.ethnicity, e.nationality, e.region,
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
        "not_matched": {
            "outside_common_support": matching.reasons.outside_common_support,
            "without_exact_partner": matching.reasons.without_exact_partner,
            "outside_caliper": matching.reasons.outside_caliper,
            "partners_taken": matching.reasons.partners_taken,
        },
        "calipers": matching.calipers.iter().map(|c| (c.name.clone(), c.width.into())).collect::<serde_json::Map<_, _>>(),
        "aliased": matching.fit.iter().flat_map(|fit| fit.aliased().map(str::to_owned)).collect::<Vec<_>>(),
        "penalty": matching.fit.as_ref().and_then(|fit| fit.penalty),
        "balance_table": matching.balance,
    })
}
