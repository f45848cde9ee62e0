//! Linkage: the derived tables that candidates are looked up in, and the link of a request.

use std::collections::HashMap;

use jdl_core::identity::record::SubmittedRecord;
use jdl_core::linkage::{
    BlockPolicy, Institutions, LinkInput, LinkOptions, LinkOutcome, Model, RawPerson, RegisterPerson, StandardPerson,
    StandardSubmission, SubmittedPerson, TermFrequencies, link, register_keys, register_terms,
    submission_keys, submission_terms,
};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use rayon::prelude::*;

use super::error::{invalid, missing, report, spi};
use super::read::{day, heartbeat, pnc_pivot, submissions};

/// Persons that are read, standardised and written at a time.
const BATCH: i64 = 20_000;
/// A postcode shared by more people than this is a prison or hostel.
const INSTITUTION: i64 = 60;

/// Derives blocking keys, standard records and value counts of the given persons (null: of everybody). Returns how many persons.
#[pg_extern(name = "_jdl_build_linkage_keys")]
fn build_linkage_keys(persons: Option<Vec<i64>>) -> Result<i64, ErrorReport> {
    let run = |query: &str, persons: &[i64]| Spi::run_with_args(query, &[persons.to_vec().into()]).map_err(spi);
    match &persons {
        None => {
            Spi::run("TRUNCATE jdl_restricted.linkage_key, jdl_restricted.linkage_record, jdl_restricted.term_frequency, jdl_restricted.institution_postcode").map_err(spi)?;
            Spi::run_with_args(
                "INSERT INTO jdl_restricted.institution_postcode
                 SELECT upper(btrim(postcode)) FROM jdl_restricted.person WHERE btrim(postcode) <> '' GROUP BY 1 HAVING count(*) > $1",
                &[INSTITUTION.into()],
            )
            .map_err(spi)?;
        }
        Some(persons) => {
            run(
                "UPDATE jdl_restricted.term_frequency f SET persons = f.persons - gone.n
                 FROM (SELECT term, count(*)::integer AS n FROM jdl_restricted.linkage_record, unnest(terms) term WHERE person_id = ANY ($1) GROUP BY 1) gone
                 WHERE f.term = gone.term",
                persons,
            )?;
            run("DELETE FROM jdl_restricted.linkage_key WHERE person_id = ANY ($1)", persons)?;
            run("DELETE FROM jdl_restricted.linkage_record WHERE person_id = ANY ($1)", persons)?;
        }
    }
    let (institutions, pivot) = (institutions()?, pnc_pivot()?);
    let mut counts: HashMap<u64, i32> = HashMap::new();
    let mut built = 0;
    let mut after = i64::MIN;
    loop {
        let batch = read_persons(after, persons.as_deref())?;
        let Some(last) = batch.last() else { break };
        after = last.person_id;
        built += batch.len() as i64;
        let derived: Vec<(i64, Vec<u8>, Vec<i64>, Vec<u64>)> = batch
            .par_iter()
            .map(|raw| {
                let standard = StandardPerson::new(raw, &institutions, pivot);
                let record = standard.record();
                let keys = register_keys(&record).iter().map(|k| k.key as i64).collect();
                Ok((raw.person_id, record.to_bytes()?, keys, register_terms(&record)))
            })
            .collect::<jdl_core::Result<_>>()
            .map_err(report)?;
        write_derived(derived, &mut counts)?;
        heartbeat();
        if built % (BATCH * 10) == 0 {
            notice!("register: linkage keys of {built} persons");
        }
    }
    let (terms, persons_with): (Vec<i64>, Vec<i32>) = counts.into_iter().map(|(term, n)| (term as i64, n)).unzip();
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.term_frequency SELECT * FROM unnest($1::bigint[], $2::integer[])
         ON CONFLICT (term) DO UPDATE SET persons = term_frequency.persons + excluded.persons",
        &[terms.into(), persons_with.into()],
    )
    .map_err(spi)?;
    Ok(built)
}

fn institutions() -> Result<Institutions, ErrorReport> {
    let codes = Spi::get_one::<Vec<String>>(
        "SELECT coalesce(array_agg(postcode), '{}') FROM jdl_restricted.institution_postcode",
    )
    .map_err(spi)?;
    Ok(codes.unwrap_or_default().into_iter().collect())
}

/// The next batch of persons after a person id, in the order of their ids, with aliases and sentences.
fn read_persons(after: i64, only: Option<&[i64]>) -> Result<Vec<RawPerson>, ErrorReport> {
    Spi::connect(|client| {
        let only = only.map(<[i64]>::to_vec);
        let rows = client.select(
            "SELECT p.person_id, p.pnc_id, p.cro, p.prison_number, p.forename, p.middle_name, p.surname, p.date_of_birth, p.gender, p.postcode
             FROM jdl_restricted.person p WHERE p.person_id > $1 AND ($2::bigint[] IS NULL OR p.person_id = ANY ($2)) ORDER BY p.person_id LIMIT $3",
            None,
            &[after.into(), only.clone().into(), BATCH.into()],
        )?;
        let mut batch = Vec::with_capacity(rows.len());
        for row in rows {
            batch.push(RawPerson {
                person_id: row.get(1)?.unwrap_or_default(),
                pnc_id: row.get(2)?,
                cro: row.get(3)?,
                prison_number: row.get(4)?,
                forename: row.get(5)?,
                middle_name: row.get(6)?,
                surname: row.get(7)?,
                date_of_birth: row.get::<Date>(8)?.map(day),
                gender: row.get(9)?,
                postcode: row.get(10)?,
                ..RawPerson::default()
            });
        }
        let Some(last) = batch.last().map(|p| p.person_id) else { return Ok(batch) };
        let bounds = [after.into(), last.into(), only.into()];
        let place = |person_id: Option<i64>, batch: &[RawPerson]| {
            person_id.and_then(|id| batch.binary_search_by_key(&id, |p| p.person_id).ok())
        };
        for row in client.select(
            "SELECT person_id, forename, surname, date_of_birth FROM jdl_restricted.alias
             WHERE person_id > $1 AND person_id <= $2 AND ($3::bigint[] IS NULL OR person_id = ANY ($3)) ORDER BY person_id, surname, forename, date_of_birth",
            None,
            &bounds,
        )? {
            if let Some(at) = place(row.get(1)?, &batch) {
                batch[at].aliases.push((row.get(2)?, row.get(3)?, row.get::<Date>(4)?.map(day)));
            }
        }
        for row in client.select(
            "SELECT person_id, start_date, end_date FROM jdl_restricted.sentence
             WHERE person_id > $1 AND person_id <= $2 AND ($3::bigint[] IS NULL OR person_id = ANY ($3)) ORDER BY person_id, start_date, end_date",
            None,
            &bounds,
        )? {
            if let (Some(at), Some(start)) = (place(row.get(1)?, &batch), row.get::<Date>(2)?) {
                batch[at].sentences.push((day(start), row.get::<Date>(3)?.map(day)));
            }
        }
        Ok(batch)
    })
    .map_err(spi)
}

fn write_derived(
    derived: Vec<(i64, Vec<u8>, Vec<i64>, Vec<u64>)>,
    counts: &mut HashMap<u64, i32>,
) -> Result<(), ErrorReport> {
    let (mut keys, mut holders) = (Vec::new(), Vec::new());
    let (mut persons, mut records, mut terms) = (Vec::new(), Vec::new(), Vec::new());
    for (person_id, record, own_keys, own_terms) in derived {
        for term in &own_terms {
            *counts.entry(*term).or_insert(0) += 1;
        }
        holders.extend(std::iter::repeat_n(person_id, own_keys.len()));
        keys.extend(own_keys);
        persons.push(person_id);
        records.push(record);
        // An array of arrays must be rectangular, so the terms travel as text.
        terms.push(format!("{{{}}}", own_terms.iter().map(|t| (*t as i64).to_string()).collect::<Vec<_>>().join(",")));
    }
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.linkage_key SELECT * FROM unnest($1::bigint[], $2::bigint[])",
        &[keys.into(), holders.into()],
    )
    .map_err(spi)?;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.linkage_record SELECT p, r, t::bigint[] FROM unnest($1::bigint[], $2::bytea[], $3::text[]) AS d (p, r, t)",
        &[persons.into(), records.into(), terms.into()],
    )
    .map_err(spi)
}

/// Links the submissions of a request and returns the counts. Options: the thresholds and the bound on block sizes.
#[pg_extern(name = "_jdl_link")]
fn link_request(request_id: i64, options: JsonB) -> Result<JsonB, ErrorReport> {
    let (record_numbers, texts) = submissions(request_id)?;
    let (institutions, pivot) = (institutions()?, pnc_pivot()?);
    let standard: Vec<StandardSubmission> = texts
        .par_iter()
        .map(|text| StandardSubmission::new(&SubmittedRecord::read(text, pivot), &institutions))
        .collect();
    let submitted: Vec<SubmittedPerson<'_>> = standard.iter().map(StandardSubmission::record).collect();

    let number = |name: &str| options.0.get(name).and_then(serde_json::Value::as_f64);
    let mut policy = BlockPolicy::default();
    if let Some(bound) = number("max_block_size") {
        if !(1.0..=100_000.0).contains(&bound) {
            return Err(invalid("max_block_size", "must lie between 1 and 100000"));
        }
        policy.max_block = bound as usize;
        policy.max_last_resort = policy.max_last_resort.max(policy.max_block);
    }
    let mut link_options = LinkOptions::default();
    link_options.thresholds.link = number("link_probability").unwrap_or(link_options.thresholds.link);
    link_options.thresholds.suspect = number("suspect_probability").unwrap_or(link_options.thresholds.suspect);

    let blocks = read_candidates(&submitted, policy)?;
    let (records, candidates) = read_records(&blocks)?;
    let register: Vec<RegisterPerson<'_>> = records
        .iter()
        .map(|bytes| RegisterPerson::from_bytes(bytes))
        .collect::<jdl_core::Result<_>>()
        .map_err(report)?;
    let frequencies = read_frequencies(&submitted)?;
    let input = LinkInput {
        submissions: &submitted,
        register: &register,
        candidates: &candidates,
        frequencies: &frequencies,
    };
    let outcome = link(&input, &Model::default(), &link_options, &heartbeat).map_err(report)?;
    write_links(request_id, &record_numbers, &outcome)?;
    let mut summary = serde_json::to_value(&outcome.summary).map_err(|_| missing("the summary of the link"))?;
    summary["candidates"] = register.len().into();
    Ok(JsonB(summary))
}

/// The candidates of each submission by person id, sorted: what stands in the blocks that the policy reads.
fn read_candidates(submitted: &[SubmittedPerson<'_>], policy: BlockPolicy) -> Result<Vec<Vec<i64>>, ErrorReport> {
    let own_keys: Vec<Vec<i64>> =
        submitted.par_iter().map(|person| submission_keys(person).iter().map(|k| k.key as i64).collect()).collect();
    let mut probes: Vec<i64> = own_keys.iter().flatten().copied().collect();
    probes.sort_unstable();
    probes.dedup();
    let mut blocks: HashMap<i64, Vec<i64>> = HashMap::with_capacity(probes.len());
    let bound = policy.max_last_resort as i64 + 1;
    for some in probes.chunks(20_000) {
        Spi::connect(|client| {
            for row in client.select(
                "SELECT probe.key, block.person_id FROM unnest($1::bigint[]) AS probe (key),
                 LATERAL (SELECT k.person_id FROM jdl_restricted.linkage_key k WHERE k.key = probe.key LIMIT $2) block",
                None,
                &[some.to_vec().into(), bound.into()],
            )? {
                if let (Some(key), Some(person_id)) = (row.get::<i64>(1)?, row.get::<i64>(2)?) {
                    blocks.entry(key).or_default().push(person_id);
                }
            }
            Ok(())
        })
        .map_err(spi)?;
        heartbeat();
    }
    let empty = Vec::new();
    Ok(own_keys
        .iter()
        .map(|keys| {
            let own: Vec<&Vec<i64>> = keys.iter().map(|key| blocks.get(key).unwrap_or(&empty)).collect();
            let sizes: Vec<usize> = own.iter().map(|block| block.len()).collect();
            let mut persons: Vec<i64> =
                policy.select(&sizes).into_iter().flat_map(|at| own[at].iter().copied()).collect();
            persons.sort_unstable();
            persons.dedup();
            persons
        })
        .collect())
}

/// The stored records of all candidates, and the candidates as positions in them.
fn read_records(blocks: &[Vec<i64>]) -> Result<(Vec<Vec<u8>>, Vec<Vec<u32>>), ErrorReport> {
    let mut persons: Vec<i64> = blocks.iter().flatten().copied().collect();
    persons.sort_unstable();
    persons.dedup();
    let mut position: HashMap<i64, u32> = HashMap::with_capacity(persons.len());
    let mut records = Vec::with_capacity(persons.len());
    for some in persons.chunks(50_000) {
        Spi::connect(|client| {
            for row in client.select(
                "SELECT person_id, record FROM jdl_restricted.linkage_record WHERE person_id = ANY ($1)",
                None,
                &[some.to_vec().into()],
            )? {
                if let (Some(person_id), Some(record)) = (row.get::<i64>(1)?, row.get::<Vec<u8>>(2)?) {
                    position.insert(person_id, records.len() as u32);
                    records.push(record);
                }
            }
            Ok(())
        })
        .map_err(spi)?;
        heartbeat();
    }
    let candidates =
        blocks.iter().map(|persons| persons.iter().filter_map(|id| position.get(id).copied()).collect()).collect();
    Ok((records, candidates))
}

fn read_frequencies(submitted: &[SubmittedPerson<'_>]) -> Result<TermFrequencies, ErrorReport> {
    let mut terms: Vec<i64> =
        submitted.par_iter().flat_map_iter(|person| submission_terms(person).into_iter().map(|t| t as i64)).collect();
    terms.sort_unstable();
    terms.dedup();
    let (persons, sentences) = Spi::get_two::<i64, i64>(
        "SELECT persons, sentences FROM jdl.register_version ORDER BY register_version DESC LIMIT 1",
    )
    .map_err(spi)?;
    let (persons, sentences) = persons.zip(sentences).ok_or_else(|| missing("the version of the register"))?;
    let counts = Spi::connect(|client| {
        let mut counts = Vec::new();
        for row in client.select(
            "SELECT term, persons FROM jdl_restricted.term_frequency WHERE term = ANY ($1)",
            None,
            &[terms.into()],
        )? {
            if let (Some(term), Some(persons)) = (row.get::<i64>(1)?, row.get::<i32>(2)?) {
                counts.push((term as u64, persons.unsigned_abs()));
            }
        }
        Ok(counts)
    })
    .map_err(spi)?;
    Ok(TermFrequencies::new(persons.unsigned_abs(), sentences.unsigned_abs(), counts))
}

fn write_links(request_id: i64, record_numbers: &[i32], outcome: &LinkOutcome) -> Result<(), ErrorReport> {
    let records = &outcome.records;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.link (request_id, record_no, person_id, status, reason, match_weight, match_probability)
         SELECT $1, l.* FROM unnest($2::integer[], $3::bigint[], $4::text[], $5::text[], $6::float8[], $7::float8[]) AS l",
        &[
            request_id.into(),
            record_numbers.to_vec().into(),
            records.iter().map(|r| r.person_id).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.status.name().to_owned()).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.reason.map(|reason| reason.name().to_owned())).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.match_weight).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.match_probability).collect::<Vec<_>>().into(),
        ],
    )
    .map_err(spi)
}
