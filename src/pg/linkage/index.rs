//! What linkage looks up, derived from the register: standard records in bundles, blocking keys and value counts in buckets.

use std::collections::{BTreeMap, HashMap};

use jdl_core::linkage::{
    BlockPolicy, Bucket, Buckets, Institutions, KEY_VERSION, RawPerson, RegisterPerson, StandardPerson,
    SubmittedPerson, TermFrequencies, bundle_of, read_bundle, register_keys, register_terms, submission_keys,
    submission_terms, write_bundle,
};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{Result as SpiResult, SpiClient, SpiTupleTable};
use rayon::prelude::*;

use crate::pg::error::{missing, report, spi};
use crate::pg::read::{day, extension_schema, heartbeat, pnc_pivot, scratch};

/// Persons that are read, standardised and written at a time.
const BATCH: i64 = 20_000;
/// Table rows (a few kilobytes each) that are read or written at a time.
const ROWS: usize = 2_000;
/// A postcode shared by more people than this is a prison or hostel.
const INSTITUTION: i64 = 60;

/// A derived table: a number and a byte string a row.
struct Shelf {
    table: &'static str,
    number: &'static str,
    bytes: &'static str,
}

const RECORDS: Shelf = Shelf { table: "linkage_record", number: "bundle", bytes: "records" };
const KEYS: Shelf = Shelf { table: "linkage_key", number: "bucket", bytes: "entries" };
const TERMS: Shelf = Shelf { table: "term_frequency", number: "bucket", bytes: "entries" };

impl Shelf {
    /// Hands over the rows of these numbers (each once) in portions, in no order; a number without a row is left out.
    fn fetch(
        &self,
        numbers: Vec<i64>,
        visit: impl FnMut(&[(i64, &[u8])]) -> Result<(), ErrorReport>,
    ) -> Result<(), ErrorReport> {
        let Self { table, number, bytes } = self;
        // One query for all: the planner reads the whole table where most of it is asked for.
        let sql = format!("SELECT {number}, {bytes} FROM jdl_restricted.{table} WHERE {number} = ANY ($1)");
        in_portions(&sql, &[numbers.into()], visit)
    }

    /// Hands over every row, in portions.
    fn scan(&self, visit: impl FnMut(&[(i64, &[u8])]) -> Result<(), ErrorReport>) -> Result<(), ErrorReport> {
        let Self { table, number, bytes } = self;
        in_portions(&format!("SELECT {number}, {bytes} FROM jdl_restricted.{table}"), &[], visit)
    }

    /// Writes rows, in place of those of the same number; a row without bytes is deleted.
    fn put(&self, rows: Vec<(i64, Vec<u8>)>) -> Result<(), ErrorReport> {
        let Self { table, number, bytes } = self;
        let (full, empty): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, bytes)| !bytes.is_empty());
        if !empty.is_empty() {
            let numbers: Vec<i64> = empty.into_iter().map(|(number, _)| number).collect();
            let sql = format!("DELETE FROM jdl_restricted.{table} WHERE {number} = ANY ($1)");
            Spi::run_with_args(&sql, &[numbers.into()]).map_err(spi)?;
        }
        let sql = format!(
            "INSERT INTO jdl_restricted.{table} SELECT * FROM unnest($1::bigint[], $2::bytea[]) ON CONFLICT ({number}) DO UPDATE SET {bytes} = excluded.{bytes}"
        );
        let mut full = full.into_iter();
        loop {
            let (numbers, contents): (Vec<i64>, Vec<Vec<u8>>) = full.by_ref().take(ROWS).unzip();
            if numbers.is_empty() {
                return Ok(());
            }
            heartbeat();
            scratch(|| Spi::run_with_args(&sql, &[numbers.into(), contents.into()])).map_err(spi)?;
        }
    }
}

/// Hands over the rows of a query (a number and bytes each) in portions.
fn in_portions(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut visit: impl FnMut(&[(i64, &[u8])]) -> Result<(), ErrorReport>,
) -> Result<(), ErrorReport> {
    let mut name = Spi::connect(|client| client.open_cursor(sql, args).detach_into_name());
    loop {
        heartbeat();
        // A connection for each portion: what it has read is freed when it ends.
        let next = Spi::connect(|client| {
            let mut cursor = client.find_cursor(&name).map_err(spi)?;
            let portion = cursor.fetch(ROWS as i64).map_err(spi)?;
            if portion.is_empty() {
                return Ok::<_, ErrorReport>(None);
            }
            visit(&rows(portion)?)?;
            Ok(Some(cursor.detach_into_name()))
        })?;
        match next {
            Some(next) => name = next,
            None => return Ok(()),
        }
    }
}

/// Number and bytes of each row. The bytes lie in the result itself, which lives as long as the connection that it came from:
/// the typed getters of a row would copy them to where they stay until the statement ends.
fn rows(mut result: SpiTupleTable<'_>) -> Result<Vec<(i64, &[u8])>, ErrorReport> {
    let mut rows = Vec::with_capacity(result.len());
    while result.next().is_some() {
        let number = result.get_datum_by_ordinal(1).map_err(spi)?;
        let bytes = result.get_datum_by_ordinal(2).map_err(spi)?;
        if let (Some(number), Some(bytes)) = (number, bytes) {
            // SAFETY: the queries of a shelf give a bigint and a bytea.
            let row = unsafe { i64::from_datum(number, false).zip(<&[u8]>::from_datum(bytes, false)) };
            rows.extend(row);
        }
    }
    Ok(rows)
}

/// How the keys and the terms are spread over buckets.
#[derive(Clone, Copy)]
struct Index {
    keys: Buckets,
    terms: Buckets,
}

impl Index {
    fn read() -> Result<Self, ErrorReport> {
        let (keys, terms, version) = Spi::get_three::<i32, i32, i32>(
            "SELECT key_bits, term_bits, key_version FROM jdl_restricted.linkage_index",
        )
        .unwrap_or_default();
        match (keys, terms, version) {
            (Some(keys), Some(terms), Some(version)) if version == i32::from(KEY_VERSION) => Ok(Self {
                keys: Buckets::from_bits(keys.unsigned_abs()).map_err(report)?,
                terms: Buckets::from_bits(terms.unsigned_abs()).map_err(report)?,
            }),
            _ => Err(missing("a linkage index of this version: run jdl_register_refresh()")),
        }
    }

    fn write(self) -> Result<(), ErrorReport> {
        Spi::run_with_args(
            "INSERT INTO jdl_restricted.linkage_index (key_bits, term_bits, key_version) VALUES ($1, $2, $3)",
            &[(self.keys.bits() as i32).into(), (self.terms.bits() as i32).into(), i32::from(KEY_VERSION).into()],
        )
        .map_err(spi)
    }
}

/// Derives blocking keys, standard records and value counts of the given persons (null: of everybody). Returns how many persons.
#[pg_extern(name = "_jdl_build_linkage_index")]
fn build_linkage_index(persons: Option<Vec<i64>>) -> Result<i64, ErrorReport> {
    match persons {
        None => rebuild(),
        Some(mut persons) => {
            persons.sort_unstable();
            persons.dedup();
            persons.chunks(BATCH as usize).try_fold(0, |done, some| Ok(done + replace(some)?))
        }
    }
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
    let mut after = i64::MIN;
    loop {
        let batch = scratch(|| read_persons(after, None))?;
        let Some(last) = batch.last() else { break };
        after = last.person_id;
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
        let last = bundle_of(after);
        let closed = open.partition_point(|(id, _)| bundle_of(*id) < last);
        RECORDS.put(bundles(&open[..closed]))?;
        open.drain(..closed);
        if built % (BATCH * 10) == 0 {
            notice!("register: standard records of {built} persons");
        }
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

/// Replaces what is derived of these persons (ascending); one that is no longer in the register is taken away.
fn replace(persons: &[i64]) -> Result<i64, ErrorReport> {
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
            note(&mut keys, &mut terms, &old, -1)?;
        }
    }
    let rebuilt = now.len() as i64;
    for (person_id, record) in now {
        note(&mut keys, &mut terms, &record, 1)?;
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

fn note(keys: &mut Changes, terms: &mut Changes, record: &[u8], change: i64) -> Result<(), ErrorReport> {
    let record = RegisterPerson::from_bytes(record).map_err(report)?;
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

/// The next persons after a person id, in the order of their ids, with aliases and sentences: a batch, or of those given, all.
fn read_persons(after: i64, only: Option<&[i64]>) -> Result<Vec<RawPerson>, ErrorReport> {
    heartbeat();
    Spi::connect(|client| {
        let mut batch = Vec::with_capacity(BATCH as usize);
        let bounds = [after.into(), only.map(<[i64]>::to_vec).into(), BATCH.into()];
        for row in select(
            client,
            "SELECT person_id, pnc_id, cro, prison_number, forename, middle_name, surname, date_of_birth, gender, postcode
             FROM jdl_restricted.person WHERE person_id > $1 {only} ORDER BY person_id LIMIT $3",
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
        let bounds = [after.into(), only.map(<[i64]>::to_vec).into(), last.into()];
        let place = |person_id: Option<i64>, batch: &[RawPerson]| {
            person_id.and_then(|id| batch.binary_search_by_key(&id, |p| p.person_id).ok())
        };
        for row in select(
            client,
            "SELECT person_id, forename, surname, date_of_birth FROM jdl_restricted.alias
             WHERE person_id > $1 AND person_id <= $3 {only} ORDER BY person_id, surname, forename, date_of_birth",
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
             WHERE person_id > $1 AND person_id <= $3 {only} ORDER BY person_id, start_date, end_date",
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

/// The pairs worth comparing, as (person id, position of the submission), ascending: who stands in the blocks that the policy reads.
pub fn candidates(submitted: &[SubmittedPerson<'_>], policy: BlockPolicy) -> Result<Vec<(i64, u32)>, ErrorReport> {
    let index = Index::read()?;
    let own_keys: Vec<Vec<u64>> =
        submitted.par_iter().map(|person| submission_keys(person).iter().map(|k| k.key).collect()).collect();
    let mut probes: Vec<u64> = own_keys.iter().flatten().copied().collect();
    probes.par_sort_unstable();
    probes.dedup();
    let blocks = read_blocks(index.keys, &probes, policy.max_block)?;
    let position = |key: &u64| probes.binary_search(key).unwrap_or_default();
    let chosen: Vec<Vec<usize>> = own_keys
        .par_iter()
        .map(|keys| {
            let own: Vec<usize> = keys.iter().map(position).collect();
            let sizes: Vec<usize> = own.iter().map(|&at| blocks.sizes[at]).collect();
            policy.select(&sizes).into_iter().map(|at| own[at]).collect()
        })
        .collect();
    // Large blocks are only read where they are the last resort.
    let mut large: Vec<u64> =
        chosen.iter().flatten().filter(|&&at| blocks.sizes[at] > policy.max_block).map(|&at| probes[at]).collect();
    large.sort_unstable();
    large.dedup();
    let last_resort = read_blocks(index.keys, &large, policy.max_last_resort)?;
    let persons = |at: usize| match large.binary_search(&probes[at]) {
        Ok(at) => last_resort.persons(at),
        Err(_) => blocks.persons(at),
    };
    let mut pairs: Vec<(i64, u32)> = chosen
        .par_iter()
        .enumerate()
        .flat_map_iter(|(s, own)| own.iter().flat_map(|&at| persons(at)).map(move |&person_id| (person_id, s as u32)))
        .collect();
    pairs.par_sort_unstable();
    pairs.dedup();
    Ok(pairs)
}

/// The blocks of some keys, by the position of the key.
struct Blocks {
    sizes: Vec<usize>,
    from: Vec<usize>,
    persons: Vec<i64>,
}

impl Blocks {
    fn persons(&self, at: usize) -> &[i64] {
        &self.persons[self.from[at]..self.from[at] + self.sizes[at]]
    }
}

/// Reads the blocks of these keys (ascending); of one with more than `bound` persons the size only.
fn read_blocks(buckets: Buckets, keys: &[u64], bound: usize) -> Result<Blocks, ErrorReport> {
    let mut blocks = Blocks { sizes: vec![0; keys.len()], from: vec![0; keys.len()], persons: Vec::new() };
    probe(&KEYS, buckets, keys, |at, values| {
        blocks.sizes[at] = values.len();
        if values.len() <= bound {
            blocks.from[at] = blocks.persons.len();
            blocks.persons.extend(values);
        }
    })?;
    Ok(blocks)
}

/// Looks these keys (ascending) up: the position of each that is held, and its values.
fn probe(
    shelf: &Shelf,
    buckets: Buckets,
    keys: &[u64],
    mut found: impl FnMut(usize, &mut dyn ExactSizeIterator<Item = i64>),
) -> Result<(), ErrorReport> {
    let bucket = |key: &u64| i64::from(buckets.bucket(*key));
    let mut numbers: Vec<i64> = keys.iter().map(bucket).collect();
    numbers.dedup();
    shelf.fetch(numbers, |rows| {
        for &(number, bytes) in rows {
            let entries = Bucket::read(bytes).map_err(report)?;
            let from = keys.partition_point(|key| bucket(key) < number);
            for (at, key) in (from..).zip(keys[from..].iter().take_while(|key| bucket(key) == number)) {
                found(at, &mut entries.values(buckets.fragment(*key)));
            }
        }
        Ok(())
    })
}

/// The stored records of the persons of these pairs (ascending) that `keep` says can matter, by person id, ascending, and
/// how many persons were looked at. Records are read in portions: what is kept at a time is bounded by the cohort, not by the register.
pub fn screened_records(
    pairs: &[(i64, u32)],
    keep: impl Fn(usize, &RegisterPerson<'_>) -> bool + Sync,
) -> Result<Screened, ErrorReport> {
    let mut numbers: Vec<i64> = pairs.iter().map(|pair| bundle_of(pair.0)).collect();
    numbers.dedup();
    let mut screened = Screened::default();
    RECORDS.fetch(numbers, |rows| {
        let kept: Vec<(usize, Vec<Kept>)> = rows
            .par_iter()
            .map(|&(bundle, bytes)| {
                let mut here = Vec::new();
                let mut read = 0;
                let from = pairs.partition_point(|pair| bundle_of(pair.0) < bundle);
                let mut pairs = pairs[from..].iter().take_while(|pair| bundle_of(pair.0) == bundle).peekable();
                for (person_id, bytes) in read_bundle(bundle, bytes)? {
                    let mut person = None;
                    let mut submissions = Vec::new();
                    // Who is no longer there leaves no place to a neighbour.
                    while pairs.next_if(|pair| pair.0 < person_id).is_some() {}
                    while let Some(&(_, s)) = pairs.next_if(|pair| pair.0 == person_id) {
                        if person.is_none() {
                            person = Some(RegisterPerson::from_bytes(bytes)?);
                            read += 1;
                        }
                        if person.as_ref().is_some_and(|person| keep(s as usize, person)) {
                            submissions.push(s);
                        }
                    }
                    if !submissions.is_empty() {
                        here.push(Kept { person_id, record: bytes.to_vec(), submissions });
                    }
                }
                Ok((read, here))
            })
            .collect::<jdl_core::Result<_>>()
            .map_err(report)?;
        for (read, kept) in kept {
            screened.read += read;
            screened.records.extend(kept);
        }
        Ok(())
    })?;
    screened.records.sort_unstable_by_key(|kept| kept.person_id);
    Ok(screened)
}

/// What is left of the candidates.
#[derive(Default)]
pub struct Screened {
    /// Persons whose record was read.
    pub read: usize,
    /// Those that can matter, by person id, ascending.
    pub records: Vec<Kept>,
}

/// A candidate that can matter.
pub struct Kept {
    person_id: i64,
    /// The stored record.
    pub record: Vec<u8>,
    /// The submissions that it can matter to, ascending.
    pub submissions: Vec<u32>,
}

/// The register's counts of the values that these submissions hold.
pub fn term_frequencies(submitted: &[SubmittedPerson<'_>]) -> Result<TermFrequencies, ErrorReport> {
    let index = Index::read()?;
    let mut terms: Vec<u64> = submitted.par_iter().flat_map_iter(submission_terms).collect();
    terms.par_sort_unstable();
    terms.dedup();
    let (persons, sentences) = Spi::get_two::<i64, i64>(
        "SELECT persons, sentences FROM jdl.register_version ORDER BY register_version DESC LIMIT 1",
    )
    .map_err(spi)?;
    let (persons, sentences) = persons.zip(sentences).ok_or_else(|| missing("the version of the register"))?;
    let mut counts = Vec::with_capacity(terms.len());
    probe(&TERMS, index.terms, &terms, |at, values| {
        counts.extend(values.map(|count| (terms[at], u32::try_from(count).unwrap_or(u32::MAX))));
    })?;
    Ok(TermFrequencies::new(persons.unsigned_abs(), sentences.unsigned_abs(), counts))
}
