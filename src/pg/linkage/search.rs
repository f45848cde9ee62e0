//! Candidate search: from submissions by way of blocks to the register's records, and the counts of their values.

use jdl_core::linkage::{
    BlockPolicy, Buckets, Evidence, RegisterPerson, SubmittedPerson, TermFrequencies, bundle_of, read_bundle,
    submission_keys, submission_terms,
};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use rayon::prelude::*;

use super::shelf::{Index, KEYS, RECORDS, TERMS, probe};
use crate::pg::error::{missing, report, spi};

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

/// The stored records of the persons of these pairs (ascending) for which there is `evidence` that can matter, by person id, ascending, and
/// how many persons were looked at. Records are read in portions: what is kept at a time is bounded by the cohort, not by the register.
pub fn screened_records(
    pairs: &[(i64, u32)],
    evidence: impl Fn(usize, &RegisterPerson<'_>) -> Option<Evidence> + Sync,
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
                        let found = person.as_ref().and_then(|person| evidence(s as usize, person));
                        submissions.extend(found.map(|evidence| (s, evidence)));
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
    /// The submissions that it can matter to, ascending, and the evidence.
    pub submissions: Vec<(u32, Evidence)>,
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
