//! What linkage looks up, derived from the register: standard records in bundles, blocking keys and value counts in buckets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jdl_core::linkage::{
    Bucket, Buckets, Institutions, KEY_VERSION, RawPerson, RegisterPerson, StandardPerson, Term, bundle_of,
    read_bundle, register_keys, register_terms, write_bundle,
};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{Result as SpiResult, SpiClient, SpiTupleTable};
use rayon::prelude::*;

use super::shelf::{Index, KEYS, RECORDS, ROWS, Shelf, TERMS, probe};
use crate::pg::error::{report, spi};
use crate::pg::read::{day, extension_schema, heartbeat, pnc_pivot, scratch};

/// Persons that are read, standardised and written at a time.
const BATCH: i64 = 20_000;
/// A postcode shared by more people than this is a prison or hostel.
const INSTITUTION: i64 = 60;

/// Derives blocking keys, standard records and value counts of the given persons (null: of everybody). Returns how many persons.
#[pg_extern(name = "_jdl_build_linkage_index")]
fn build_linkage_index(persons: Option<Vec<i64>>) -> Result<i64, ErrorReport> {
    match persons {
        None => rebuild(),
        Some(mut persons) => {
            persons.sort_unstable();
            persons.dedup();
            let mut postcodes = BTreeSet::new();
            let replaced =
                persons.chunks(BATCH as usize).try_fold(0, |done, some| Ok(done + replace(some, &mut postcodes)?))?;
            follow_institutions(&postcodes)?;
            Ok(replaced)
        }
    }
}

/// The version of the linkage index that this version of the extension builds and reads.
#[pg_extern(immutable, parallel_safe, name = "_jdl_linkage_key_version")]
fn key_version() -> i32 {
    i32::from(KEY_VERSION)
}

fn rebuild() -> Result<i64, ErrorReport> {
    Spi::run("TRUNCATE jdl_restricted.linkage_key, jdl_restricted.linkage_record, jdl_restricted.term_frequency, jdl_restricted.institution_postcode, jdl_restricted.linkage_index").map_err(spi)?;
    let count = format!(
        "INSERT INTO jdl_restricted.institution_postcode
         SELECT c.postcode FROM (SELECT {}.jdl_postcode(postcode) AS postcode FROM jdl_restricted.person) c WHERE c.postcode IS NOT NULL GROUP BY 1 HAVING count(*) > $1",
        extension_schema()?
    );
    Spi::run_with_args(&count, &[INSTITUTION.into()]).map_err(spi)?;
    let (institutions, pivot) = (institutions()?, pnc_pivot()?);
    let (mut built, mut keys, mut terms) = (0, 0, 0);
    // The last bundle of a batch may go on in the next.
    let mut open: Vec<(i64, Vec<u8>)> = Vec::new();
    let mut from = i64::MIN;
    loop {
        let batch = scratch(|| read_persons(from, None))?;
        let Some(last) = batch.last() else { break };
        let last = last.person_id;
        built += batch.len() as i64;
        let derived: Vec<(i64, Vec<u8>, usize, usize)> = batch
            .par_iter()
            .map(|raw| {
                let standard = StandardPerson::new(raw, &institutions, pivot);
                let record = standard.record();
                Ok((raw.person_id, record.to_bytes()?, register_keys(&record).len(), register_terms(&record).len()))
            })
            .collect::<jdl_core::Result<_>>()
            .map_err(report)?;
        for (person_id, record, own_keys, own_terms) in derived {
            keys += own_keys as u64;
            terms += own_terms as u64;
            open.push((person_id, record));
        }
        let closed = open.partition_point(|(id, _)| bundle_of(*id) < bundle_of(last));
        RECORDS.put(bundles(&open[..closed]))?;
        open.drain(..closed);
        if built % (BATCH * 10) == 0 {
            notice!("register: standard records of {built} persons");
        }
        let Some(next) = last.checked_add(1) else { break };
        from = next;
    }
    RECORDS.put(bundles(&open))?;
    // A value is held by three persons on the average.
    let index = Index { keys: Buckets::for_entries(keys), terms: Buckets::for_entries(terms / 3) };
    fill_buckets(index, keys + terms)?;
    index.write()?;
    Ok(built)
}

fn bundles(records: &[(i64, Vec<u8>)]) -> Vec<(i64, Vec<u8>)> {
    let same_bundle = |a: &(i64, Vec<u8>), b: &(i64, Vec<u8>)| bundle_of(a.0) == bundle_of(b.0);
    let write = |some: &[(i64, Vec<u8>)]| {
        (bundle_of(some[0].0), write_bundle(some.iter().map(|(id, record)| (*id, record.as_slice()))))
    };
    records.chunk_by(same_bundle).map(write).collect()
}

/// Fills the buckets out of the stored records: as many buckets at a time as `maintenance_work_mem` has room for.
fn fill_buckets(index: Index, entries: u64) -> Result<(), ErrorReport> {
    // SAFETY: a setting of this session, read on its own thread.
    let room = u64::from(unsafe { pg_sys::maintenance_work_mem }.unsigned_abs()) * 1024;
    let passes = (entries * size_of::<(u64, i64)>() as u64).div_ceil(room.max(1)).max(1);
    for pass in 0..passes {
        if passes > 1 {
            notice!("register: linkage index, part {} of {passes} (maintenance_work_mem decides)", pass + 1);
        }
        let share = |buckets: Buckets| {
            let at = |pass: u64| (u64::from(buckets.len()) * pass / passes) as i32;
            let range = at(pass)..at(pass + 1);
            move |&hash: &u64| range.contains(&buckets.bucket(hash))
        };
        let (own_key, own_term) = (share(index.keys), share(index.terms));
        let (mut keys, mut terms): (Vec<(u64, i64)>, Vec<u64>) =
            (Vec::with_capacity((entries / passes) as usize), Vec::new());
        RECORDS.scan(|rows| {
            let parts = rows
                .par_iter()
                .map(|&(bundle, bytes)| {
                    let (mut keys, mut terms) = (Vec::new(), Vec::new());
                    for (person_id, record) in read_bundle(bundle, bytes)? {
                        let record = RegisterPerson::from_bytes(record)?;
                        keys.extend(
                            register_keys(&record).iter().map(|k| k.key).filter(&own_key).map(|key| (key, person_id)),
                        );
                        terms.extend(register_terms(&record).into_iter().filter(&own_term));
                    }
                    Ok((keys, terms))
                })
                .collect::<jdl_core::Result<Vec<_>>>()
                .map_err(report)?;
            for (own_keys, own_terms) in parts {
                keys.extend(own_keys);
                terms.extend(own_terms);
            }
            Ok(())
        })?;
        keys.par_sort_unstable();
        heartbeat();
        write_buckets(&KEYS, index.keys, &keys)?;
        drop(keys);
        terms.par_sort_unstable();
        heartbeat();
        let counts: Vec<(u64, i64)> = terms.chunk_by(u64::eq).map(|same| (same[0], same.len() as i64)).collect();
        write_buckets(&TERMS, index.terms, &counts)?;
    }
    Ok(())
}

/// Writes sorted entries into their buckets, which are empty so far.
fn write_buckets(shelf: &Shelf, buckets: Buckets, entries: &[(u64, i64)]) -> Result<(), ErrorReport> {
    let of_bucket: Vec<&[(u64, i64)]> = entries.chunk_by(|a, b| buckets.bucket(a.0) == buckets.bucket(b.0)).collect();
    for some in of_bucket.chunks(ROWS) {
        let rows = some
            .par_iter()
            .map(|entries| {
                let fragments = entries.iter().map(|&(key, value)| (buckets.fragment(key), value)).collect();
                (i64::from(buckets.bucket(entries[0].0)), Bucket::write(fragments))
            })
            .collect();
        shelf.put(rows)?;
    }
    Ok(())
}

/// Where a postcode has become an institution, or is one no longer, the records and keys of all who hold it change.
fn follow_institutions(changed: &BTreeSet<String>) -> Result<(), ErrorReport> {
    let known = institutions()?;
    let mut terms: Vec<(u64, &str)> = changed.iter().map(|code| (Term::Postcode(code).key(), code.as_str())).collect();
    terms.sort_unstable();
    terms.dedup_by_key(|term| term.0);
    let keys: Vec<u64> = terms.iter().map(|term| term.0).collect();
    let mut held = vec![0; keys.len()];
    probe(&TERMS, Index::read()?.terms, &keys, |at, values| held[at] = values.sum())?;
    let moved: Vec<String> = terms
        .iter()
        .zip(held)
        .filter(|((_, code), held)| (*held > INSTITUTION) != known.contains(*code))
        .map(|((_, code), _)| (*code).to_owned())
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    notice!("register: {} postcodes have become institutions or are none any longer", moved.len());
    let exchange = "WITH gone AS (DELETE FROM jdl_restricted.institution_postcode i WHERE i.postcode = ANY ($1) RETURNING i.postcode)
         INSERT INTO jdl_restricted.institution_postcode SELECT code FROM unnest($1) AS code WHERE code NOT IN (SELECT postcode FROM gone)";
    Spi::run_with_args(exchange, &[moved.clone().into()]).map_err(spi)?;
    let holders = format!(
        "SELECT coalesce(array_agg(person_id ORDER BY person_id), '{{}}') FROM jdl_restricted.person WHERE {}.jdl_postcode(postcode) = ANY ($1)",
        extension_schema()?
    );
    let persons = Spi::get_one_with_args::<Vec<i64>>(&holders, &[moved.into()]).map_err(spi)?.unwrap_or_default();
    persons.chunks(BATCH as usize).try_for_each(|some| replace(some, &mut BTreeSet::new()).map(|_| ()))
}

/// Replaces what is derived of these persons (ascending); one that is no longer in the register is taken away. Postcodes that somebody has
/// come to or left are added to `postcodes`.
fn replace(persons: &[i64], postcodes: &mut BTreeSet<String>) -> Result<i64, ErrorReport> {
    let index = Index::read()?;
    let (institutions, pivot) = (institutions()?, pnc_pivot()?);
    let now: Vec<(i64, Vec<u8>)> = read_persons(i64::MIN, Some(persons))?
        .par_iter()
        .map(|raw| Ok((raw.person_id, StandardPerson::new(raw, &institutions, pivot).record().to_bytes()?)))
        .collect::<jdl_core::Result<_>>()
        .map_err(report)?;

    let mut numbers: Vec<i64> = persons.iter().map(|id| bundle_of(*id)).collect();
    numbers.dedup();
    let mut stored: BTreeMap<i64, BTreeMap<i64, Vec<u8>>> = BTreeMap::new();
    RECORDS.fetch(numbers, |rows| {
        for &(bundle, bytes) in rows {
            let records = read_bundle(bundle, bytes).map_err(report)?;
            stored.insert(bundle, records.into_iter().map(|(id, record)| (id, record.to_vec())).collect());
        }
        Ok(())
    })?;
    let mut keys = Changes::default();
    let mut terms = Changes::default();
    for &person_id in persons {
        if let Some(old) = stored.entry(bundle_of(person_id)).or_default().remove(&person_id) {
            note(&mut keys, &mut terms, postcodes, &old, -1)?;
        }
    }
    let rebuilt = now.len() as i64;
    for (person_id, record) in now {
        note(&mut keys, &mut terms, postcodes, &record, 1)?;
        stored.entry(bundle_of(person_id)).or_default().insert(person_id, record);
    }
    let written = |(bundle, records): (i64, BTreeMap<i64, Vec<u8>>)| {
        (bundle, write_bundle(records.iter().map(|(id, record)| (*id, record.as_slice()))))
    };
    RECORDS.put(stored.into_iter().map(written).collect())?;
    // An entry that came and went is none; of a key there is one entry a person, of a term one in all, its count.
    keys.apply(&KEYS, index.keys, |entries, (fragment, person_id), change| {
        let at = entries.binary_search(&(fragment, person_id));
        match (at, change > 0) {
            (Err(at), true) => entries.insert(at, (fragment, person_id)),
            (Ok(at), false) => drop(entries.remove(at)),
            _ => {}
        }
    })?;
    terms.apply(&TERMS, index.terms, |entries, (fragment, _), change| {
        let at = entries.partition_point(|entry| entry.0 < fragment);
        match entries.get_mut(at).filter(|entry| entry.0 == fragment) {
            Some(entry) => entry.1 += change,
            None => entries.insert(at, (fragment, change)),
        }
        if entries[at].1 <= 0 {
            entries.remove(at);
        }
    })?;
    Ok(rebuilt)
}

/// How often each entry is added (less taken away).
#[derive(Default)]
struct Changes(BTreeMap<(u64, i64), i64>);

fn note(
    keys: &mut Changes,
    terms: &mut Changes,
    postcodes: &mut BTreeSet<String>,
    record: &[u8],
    change: i64,
) -> Result<(), ErrorReport> {
    let record = RegisterPerson::from_bytes(record).map_err(report)?;
    postcodes.extend(record.postcode.filter(|p| !p.pseudo).and_then(|p| p.full()).map(str::to_owned));
    for key in register_keys(&record) {
        *keys.0.entry((key.key, record.person_id)).or_insert(0) += change;
    }
    for term in register_terms(&record) {
        *terms.0.entry((term, 0)).or_insert(0) += change;
    }
    Ok(())
}

impl Changes {
    /// Edits the entries of each bucket that changes, which are sorted and stay so.
    fn apply(
        self,
        shelf: &Shelf,
        buckets: Buckets,
        edit: impl Fn(&mut Vec<(u32, i64)>, (u32, i64), i64),
    ) -> Result<(), ErrorReport> {
        let changes: Vec<((u64, i64), i64)> = self.0.into_iter().filter(|(_, change)| *change != 0).collect();
        let bucket = |change: &((u64, i64), i64)| i64::from(buckets.bucket(change.0.0));
        let mut numbers: Vec<i64> = changes.iter().map(bucket).collect();
        numbers.dedup();
        let mut contents: HashMap<i64, Vec<(u32, i64)>> = HashMap::with_capacity(numbers.len());
        shelf.fetch(numbers, |rows| {
            for &(number, bytes) in rows {
                contents.insert(number, Bucket::read(bytes).map_err(report)?.entries().collect());
            }
            Ok(())
        })?;
        let edited = changes
            .chunk_by(|a, b| bucket(a) == bucket(b))
            .map(|some| {
                let number = bucket(&some[0]);
                let mut entries = contents.remove(&number).unwrap_or_default();
                for &((key, value), change) in some {
                    edit(&mut entries, (buckets.fragment(key), value), change);
                }
                (number, Bucket::write(entries))
            })
            .collect();
        shelf.put(edited)
    }
}

/// The postcodes that are no homes.
pub fn institutions() -> Result<Institutions, ErrorReport> {
    let codes = Spi::get_one::<Vec<String>>(
        "SELECT coalesce(array_agg(postcode), '{}') FROM jdl_restricted.institution_postcode",
    )
    .map_err(spi)?;
    Ok(codes.unwrap_or_default().into_iter().collect())
}

/// The persons from an id on, in the order of their ids, with aliases and sentences: a batch, or of those given, all.
fn read_persons(from: i64, only: Option<&[i64]>) -> Result<Vec<RawPerson>, ErrorReport> {
    heartbeat();
    Spi::connect(|client| {
        let mut batch = Vec::with_capacity(BATCH as usize);
        let bounds = [from.into(), only.map(<[i64]>::to_vec).into(), BATCH.into()];
        for row in select(
            client,
            "SELECT person_id, pnc_id, cro, prison_number, forename, middle_name, surname, date_of_birth, gender, postcode
             FROM jdl_restricted.person WHERE person_id >= $1 {only} ORDER BY person_id LIMIT $3",
            only,
            &bounds,
        )? {
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
        let bounds = [from.into(), only.map(<[i64]>::to_vec).into(), last.into()];
        let place = |person_id: Option<i64>, batch: &[RawPerson]| {
            person_id.and_then(|id| batch.binary_search_by_key(&id, |p| p.person_id).ok())
        };
        for row in select(
            client,
            "SELECT person_id, forename, surname, date_of_birth FROM jdl_restricted.alias
             WHERE person_id >= $1 AND person_id <= $3 {only} ORDER BY person_id, surname, forename, date_of_birth",
            only,
            &bounds,
        )? {
            if let Some(at) = place(row.get(1)?, &batch) {
                batch[at].aliases.push((row.get(2)?, row.get(3)?, row.get::<Date>(4)?.map(day)));
            }
        }
        for row in select(
            client,
            "SELECT person_id, start_date, end_date FROM jdl_restricted.sentence
             WHERE person_id >= $1 AND person_id <= $3 {only} ORDER BY person_id, start_date, end_date",
            only,
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

/// A query whose `{only}` restricts it to some persons, where some are asked for.
fn select<'conn>(
    client: &SpiClient<'conn>,
    query: &str,
    only: Option<&[i64]>,
    bounds: &[DatumWithOid<'conn>],
) -> SpiResult<SpiTupleTable<'conn>> {
    let restriction = if only.is_some() { "AND person_id = ANY ($2)" } else { "AND $2 IS NULL" };
    client.select(&query.replace("{only}", restriction), None, bounds)
}
