//! Every row of `tests/data/identity/identifiers.csv`, and properties of the parsers on text nobody planned.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use jdl_core::identity::{cro, date, gender, name, pnc, postcode, prison_number};
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

const VECTORS: &str = include_str!("../data/identity/identifiers.csv");

/// Kind, input, verdict, canonical form: the first four cells hold no quotes.
fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    VECTORS.lines().skip(1).map(|line| {
        let mut cells = line.split(',');
        std::array::from_fn(|_| cells.next().unwrap())
    })
}

#[test]
fn every_vector_gets_its_verdict_and_canonical_form() {
    let mut seen = std::collections::BTreeMap::new();
    for [kind, input, verdict, canonical] in rows() {
        let (status, text) = match kind {
            "PNC" => {
                let read = pnc::parse(input, pnc::DEFAULT_PIVOT);
                (read.as_str(), read.valid().map(|id| id.to_string()))
            }
            "CRO" => {
                let read = cro::parse(input);
                (read.as_str(), read.valid().map(|number| number.to_string()))
            }
            "PRISON_NO" => {
                let read = prison_number::parse(input);
                (read.as_str(), read.valid().map(|number| number.to_string()))
            }
            "POSTCODE" => match postcode::parse(input) {
                read @ (postcode::PostcodeStatus::Valid(code) | postcode::PostcodeStatus::Pseudo(code)) => {
                    (read.as_str(), Some(code.to_string()))
                }
                read @ postcode::PostcodeStatus::Malformed => (read.as_str(), None),
            },
            _ => unreachable!("kind {kind}"),
        };
        let expected: &[&str] = match verdict {
            "valid" => &["valid"],
            "pseudo" => &["pseudo"],
            "invalid as NOMIS" => &["pre_nomis"],
            _ => &["check_letter_wrong", "malformed"],
        };
        assert!(expected.contains(&status), "{kind} {input:?}: {status}, not {verdict}");
        assert_eq!(text.unwrap_or_default(), canonical, "{kind} {input:?}");
        *seen.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(seen.values().sum::<i32>(), 119);
    assert_eq!(seen.len(), 4);
}

#[test]
fn reasons_in_the_vectors_tell_a_wrong_letter_from_a_wrong_shape() {
    let mut seen = 0;
    for line in VECTORS.lines().skip(1) {
        let [kind, input] = std::array::from_fn(|n| line.split(',').nth(n).unwrap());
        let status = match kind {
            "PNC" => pnc::parse(input, pnc::DEFAULT_PIVOT).as_str(),
            "CRO" => cro::parse(input).as_str(),
            _ => continue,
        };
        if line.contains("bad_check") || line.contains("never check letters") {
            assert_eq!(status, "check_letter_wrong", "{line}");
            seen += 1;
        } else if line.contains("bad_format") {
            assert_eq!(status, "malformed", "{line}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

/// A likely text with up to four characters put in or put over.
fn noise(rng: &mut ChaCha8Rng) -> String {
    const CHARACTERS: [char; 32] = [
        '0', '1', '2', '3', '4', '9', '8', '7', '/', '-', '.', ' ', 'A', 'S', 'F', 'Z', 'e', 'm', 'a', 'y', ',', ':',
        '\'', '’', 'é', 'ß', '李', '\u{0}', '\t', '"', '𝒳', '\u{301}',
    ];
    const SEEDS: [&str; 7] = ["", "02/73319Z", "65656/91H", "SW1A 1AA", "24/05/1980", "1980-05-24", "Mr O’Brien-Smith"];
    let below = |rng: &mut ChaCha8Rng, n: usize| rng.next_u32() as usize % n;
    let mut text: Vec<char> = SEEDS[below(rng, SEEDS.len())].chars().collect();
    for _ in 0..below(rng, 5) {
        let at = below(rng, text.len() + 1);
        let character = CHARACTERS[below(rng, CHARACTERS.len())];
        if below(rng, 2) == 0 || at == text.len() { text.insert(at, character) } else { text[at] = character }
    }
    text.into_iter().collect()
}

#[test]
fn any_text_is_read_without_panic_and_what_is_valid_stays_valid() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut valid = 0;
    for _ in 0..200_000 {
        let text = noise(&mut rng);
        if let Some(id) = pnc::parse(&text, pnc::DEFAULT_PIVOT).valid() {
            assert_eq!(pnc::parse(&id.to_string(), pnc::DEFAULT_PIVOT).valid(), Some(id));
            valid += 1;
        }
        if let Some(number) = cro::parse(&text).valid() {
            assert_eq!(cro::parse(&number.to_string()).valid(), Some(number));
        }
        if let Some(code) = postcode::parse(&text).valid() {
            assert_eq!(postcode::parse(code.full()).valid(), Some(code));
            assert!(code.full().starts_with(code.sector()) && code.sector().starts_with(code.district()));
            assert!(code.district().starts_with(code.area()) && !code.area().is_empty());
        }
        if let Some(day) = date::parse(&text).day {
            assert_eq!(date::parse(&day.to_string()).day, Some(day), "{text:?}");
            valid += 1;
        }
        let standard = name::standardise(&text);
        assert!(standard.text.bytes().all(|c| c.is_ascii_uppercase() || c == b' '), "{text:?}");
        assert!(!standard.text.starts_with(' ') && !standard.text.ends_with(' ') && !standard.text.contains("  "));
        assert!(name::key(&text).bytes().all(|c| c.is_ascii_uppercase() || c == b' '));
        let similarity = name::jaro_winkler(&text, &standard.text);
        assert!((0.0..=1.0).contains(&similarity));
        prison_number::parse(&text);
        gender::parse(&text);
    }
    assert!(valid > 10_000, "{valid}");
}
