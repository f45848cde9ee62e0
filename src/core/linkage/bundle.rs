//! Stored records, sixteen to a table row: neighbours in the order of person ids are fetched together.
//!
//! A register numbers its persons about one after the other, so a cohort's thousands of candidates lie in far fewer bundles than they
//! are themselves, and a row of several kilobytes costs little more to fetch than one of a few hundred bytes. Where ids are far apart
//! a bundle holds one record, and nothing is lost but the gain.
//!
//! Layout: for each record, in the order of the ids, its slot (`u8`), its length (`u32`, little-endian) and its bytes.

use crate::error::{Error, Result};

const SLOTS: i64 = 16;

/// The bundle that a person's record stands in.
pub fn bundle_of(person_id: i64) -> i64 {
    person_id.div_euclid(SLOTS)
}

/// Puts the records of one bundle together; they are given by person id, ascending.
pub fn write_bundle<'a>(records: impl IntoIterator<Item = (i64, &'a [u8])>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (person_id, record) in records {
        bytes.push(person_id.rem_euclid(SLOTS) as u8);
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record);
    }
    bytes
}

/// The records of a bundle by person id, ascending.
///
/// # Errors
/// [`Error::InvalidInput`] if the bytes are damaged: the register must be refreshed.
pub fn read_bundle(bundle: i64, mut bytes: &[u8]) -> Result<Vec<(i64, &[u8])>> {
    let mut records = Vec::with_capacity(SLOTS as usize);
    let damaged = || Error::invalid("linkage record", "is damaged; refresh the register");
    while let Some((&slot, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
        records.push((bundle * SLOTS + i64::from(slot), record));
        bytes = rest;
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_gives_back_its_records_under_their_ids() {
        for ids in [vec![32, 33, 47], vec![-16, -1], vec![i64::MAX], vec![i64::MIN]] {
            let bundle = bundle_of(ids[0]);
            assert!(ids.iter().all(|id| bundle_of(*id) == bundle));
            let texts: Vec<Vec<u8>> = ids.iter().map(|id| id.to_string().into_bytes()).collect();
            let bytes = write_bundle(ids.iter().copied().zip(texts.iter().map(Vec::as_slice)));
            let back = read_bundle(bundle, &bytes).unwrap();
            assert!(
                back.iter()
                    .map(|(id, record)| (*id, *record))
                    .eq(ids.iter().copied().zip(texts.iter().map(Vec::as_slice)))
            );
            assert!(read_bundle(bundle, &bytes[..bytes.len() - 1]).is_err());
        }
        assert!(read_bundle(0, &[]).unwrap().is_empty());
    }
}
