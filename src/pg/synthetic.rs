//! The made-up register and cohorts: written to the register's own tables, refused on an instance marked live.

use jdl_core::calendar::Day;
use jdl_core::synthetic::{CohortParams, RegisterBlock, RegisterParams, Submission, cohort};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{invalid, report, spi};
use super::read::{heartbeat, scratch};

/// Appends the made-up persons to the register's empty tables; returns the last day that they know of as days since 2000-01-01. Without
/// `offences` what linkage does not look at (offences and circumstances) is left out.
#[pg_extern(name = "_jdl_write_synthetic_register")]
fn write_register(persons: i32, seed: i64, offences: default!(bool, true)) -> Result<i32, ErrorReport> {
    let register = params(persons, seed)?.check().map_err(report)?;
    let mut written = 0;
    for number in 0..register.blocks() {
        let block = register.block(number);
        written += block.persons.len();
        scratch(|| {
            write_people(&block)?;
            if offences { write_offences(&block) } else { Ok(()) }
        })?;
        heartbeat();
        if written % 100_000 == 0 {
            notice!("register: {written} of {persons} persons made");
        }
    }
    let last = Day::from_ymd(register.params().last_year, 12, 31).unwrap_or(Day(0));
    Ok(last.0)
}

fn params(persons: i32, seed: i64) -> Result<RegisterParams, ErrorReport> {
    let persons = u32::try_from(persons).map_err(|_| invalid("persons", "must be positive"))?;
    Ok(RegisterParams::new(persons, seed as u64))
}

/// One value of every row, as an array.
macro_rules! column {
    ($rows:expr, $row:ident => $value:expr) => {
        $rows.iter().map(|$row| $value).collect::<Vec<_>>().into()
    };
}

fn write_people(block: &RegisterBlock) -> Result<(), ErrorReport> {
    let p = &block.persons;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.person (person_id, pnc_id, cro, prison_number, forename, middle_name, surname, date_of_birth, gender, ethnicity, nationality, postcode, date_of_death)
         SELECT i, n, c, j, f, m, s, date '2000-01-01' + b, g, e, a, z, date '2000-01-01' + x
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::text[], $10::text[], $11::text[], $12::text[], $13::integer[]) AS d (i, n, c, j, f, m, s, b, g, e, a, z, x)",
        &[
            column!(p, r => r.person_id),
            column!(p, r => r.pnc_id.clone()),
            column!(p, r => r.cro.clone()),
            column!(p, r => r.prison_number.clone()),
            column!(p, r => r.forename.clone()),
            column!(p, r => r.middle_name.clone()),
            column!(p, r => r.surname.clone()),
            column!(p, r => r.date_of_birth.0),
            column!(p, r => r.gender.clone()),
            column!(p, r => r.ethnicity.clone()),
            column!(p, r => r.nationality.clone()),
            column!(p, r => r.postcode.clone()),
            column!(p, r => r.date_of_death.map(|d| d.0)),
        ],
    )
    .map_err(spi)?;
    let a = &block.aliases;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.alias (person_id, forename, surname, date_of_birth)
         SELECT i, f, s, date '2000-01-01' + b FROM unnest($1::bigint[], $2::text[], $3::text[], $4::integer[]) AS d (i, f, s, b)",
        &[
            column!(a, r => r.person_id),
            column!(a, r => r.forename.clone()),
            column!(a, r => r.surname.clone()),
            column!(a, r => r.date_of_birth.0),
        ],
    )
    .map_err(spi)?;
    let s = &block.sentences;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.sentence (sentence_id, person_id, kind, start_date, end_date, offence_group)
         SELECT i, p, k, date '2000-01-01' + a, date '2000-01-01' + z, g
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[], $5::integer[], $6::text[]) AS d (i, p, k, a, z, g)",
        &[
            column!(s, r => r.sentence_id),
            column!(s, r => r.person_id),
            column!(s, r => r.kind.clone()),
            column!(s, r => r.start_date.0),
            column!(s, r => r.end_date.map(|d| d.0)),
            column!(s, r => r.offence_group.clone()),
        ],
    )
    .map_err(spi)
}

fn write_offences(block: &RegisterBlock) -> Result<(), ErrorReport> {
    let o = &block.offences;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.offence (offence_id, person_id, offence_date, outcome_date, outcome, offence_group, court_category, custodial)
         SELECT i, p, date '2000-01-01' + a, date '2000-01-01' + z, r, g, c, j
         FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::boolean[]) AS d (i, p, a, z, r, g, c, j)",
        &[
            column!(o, r => r.offence_id),
            column!(o, r => r.person_id),
            column!(o, r => r.offence_date.0),
            column!(o, r => r.outcome_date.map(|d| d.0)),
            column!(o, r => r.outcome.clone()),
            column!(o, r => r.offence_group.clone()),
            column!(o, r => r.court_category.clone()),
            column!(o, r => r.custodial),
        ],
    )
    .map_err(spi)?;
    let c = &block.circumstances;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.circumstance (person_id, as_of_date, employed, on_benefits, accommodation_need, employment_need, drugs_need, alcohol_need, thinking_need)
         SELECT p, date '2000-01-01' + d, e, b, n1, n2, n3, n4, n5
         FROM unnest($1::bigint[], $2::integer[], $3::boolean[], $4::boolean[], $5::boolean[], $6::boolean[], $7::boolean[], $8::boolean[], $9::boolean[]) AS x (p, d, e, b, n1, n2, n3, n4, n5)
         ON CONFLICT DO NOTHING",
        &[
            column!(c, r => r.person_id),
            column!(c, r => r.as_of_date.0),
            column!(c, r => r.employed),
            column!(c, r => r.on_benefits),
            column!(c, r => r.accommodation_need),
            column!(c, r => r.employment_need),
            column!(c, r => r.drugs_need),
            column!(c, r => r.alcohol_need),
            column!(c, r => r.thinking_need),
        ],
    )
    .map_err(spi)
}

type Text = Option<String>;

/// A made-up provider's list from the made-up register, with the truth beside it: person_id (null: not on the register),
/// decoy_id (whom an absent person resembles) and what was done to the record.
#[pg_extern(stable, name = "_jdl_synthetic_cohort")]
#[expect(clippy::type_complexity, reason = "pgrx reads the row type from the signature")]
fn synthetic_cohort(
    persons: i32,
    seed: i64,
    register_persons: i32,
    register_seed: i64,
) -> Result<
    TableIterator<
        'static,
        (
            name!(forename, Text),
            name!(surname, Text),
            name!(date_of_birth, Text),
            name!(gender, Text),
            name!(postcode, Text),
            name!(pnc_id, Text),
            name!(prison_number, Text),
            name!(sentence_start, Text),
            name!(sentence_end, Text),
            name!(intervention_start, Text),
            name!(intervention_end, Text),
            name!(person_id, Option<i64>),
            name!(decoy_id, Option<i64>),
            name!(tags, Vec<String>),
        ),
    >,
    ErrorReport,
> {
    let people = usize::try_from(persons).map_err(|_| invalid("persons", "must be positive"))?;
    let plan = CohortParams::new(people, seed as u64).check().map_err(report)?;
    let register = params(register_persons, register_seed)?.check().map_err(report)?;
    let rows: Vec<_> = cohort(&plan, &register, &heartbeat)
        .map_err(report)?
        .into_iter()
        .map(|row| {
            let s: Submission = row.submission;
            let tags = row.tags.iter().map(|tag| tag.as_str().to_owned()).collect();
            (
                s.forename,
                s.surname,
                s.date_of_birth,
                s.gender,
                s.postcode,
                s.pnc_id,
                s.prison_number,
                s.sentence_start,
                s.sentence_end,
                s.intervention_start,
                s.intervention_end,
                row.person_id,
                row.decoy_id,
                tags,
            )
        })
        .collect();
    Ok(TableIterator::new(rows))
}
