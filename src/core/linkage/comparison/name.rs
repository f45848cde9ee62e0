//! Forename, middle name, surname, their order, and aliases.
//!
//! Default m: exact names from the public weights of the ministry's own person-match model (full name exact 17 bits on average); the
//! shares of nicknames, initials, second names used as first, exchanged and changed names are judgements: one to three in a hundred
//! each. Default u of inexact levels: typical shares among random pairs of a British register; the agreeing value's own where counted.

use rapidfuzz::distance::jaro_winkler;

use super::slip::one_slip;
use super::{Comparison, Evidence, Finding, LevelSpec, MISSING, Prepared, level};
use crate::linkage::frequency::Term;
use crate::linkage::model::Weights;
use crate::linkage::record::{Name, PersonName, RegisterPerson, parts};

/// u is 1 for both: among strangers the order is ours to choose.
pub(super) const ORDER: [LevelSpec; 2] = [level("as_recorded", 0.985, 1.0), level("swapped", 0.015, 1.0)];

/// Given that the person has aliases. u counts the names there are to choose from: the chance of a stranger's agreement grows with them.
pub(super) const ALIAS: [LevelSpec; 2] = [level("recorded_name", 0.65, 1.0), level("alias", 0.35, 1.0)];

pub(super) const FORENAME: [LevelSpec; 8] = [
    level("exact", 0.875, 0.010),
    level("nickname", 0.030, 0.010),
    level("initial", 0.012, 0.060),
    level("other_given_name", 0.015, 0.012),
    level("similar", 0.035, 0.010),
    level("close", 0.013, 0.030),
    level("first_letter", 0.005, 0.058),
    level("different", 0.015, 0.810),
];

pub(super) const MIDDLE: [LevelSpec; 3] =
    [level("exact", 0.78, 0.04), level("initial", 0.10, 0.06), level("different", 0.12, 0.90)];

pub(super) const SURNAME: [LevelSpec; 5] = [
    level("exact", 0.920, 0.0015),
    level("part", 0.012, 0.0010),
    level("similar", 0.032, 0.0025),
    level("close", 0.010, 0.0080),
    level("different", 0.026, 0.9870),
];

const AS_RECORDED: u8 = 1;
const SWAPPED: u8 = 2;
const RECORDED_NAME: u8 = 1;
const ALIAS_NAME: u8 = 2;
pub(crate) const EXACT: u8 = 1;
const NICKNAME: u8 = 2;
const INITIAL: u8 = 3;
const OTHER_GIVEN_NAME: u8 = 4;
const SIMILAR_FORENAME: u8 = 5;
const CLOSE_FORENAME: u8 = 6;
const FIRST_LETTER: u8 = 7;
pub(crate) const DIFFERENT_FORENAME: u8 = 8;
const PART: u8 = 2;
const SIMILAR_SURNAME: u8 = 3;
const CLOSE_SURNAME: u8 = 4;
pub(crate) const DIFFERENT_SURNAME: u8 = 5;

/// The comparisons that a reading of the names decides.
const COMPARED: [Comparison; 5] =
    [Comparison::NameOrder, Comparison::Alias, Comparison::Forename, Comparison::MiddleName, Comparison::Surname];

/// Finds the reading (name or alias, either order) under which the pair agrees best, and writes its five comparisons.
pub(super) fn compare(
    submitted: &Prepared<'_>,
    person: &RegisterPerson<'_>,
    weights: &Weights,
    evidence: &mut Evidence,
) {
    let sent = &submitted.person.name;
    let mut best: Option<(f64, Evidence)> = None;
    for (at, held) in person.names().enumerate() {
        if held.forename.text.is_empty() && held.surname.text.is_empty() {
            continue;
        }
        for swapped in [false, true] {
            if swapped && !could_be_swapped(sent, held) {
                continue;
            }
            let reading = read(submitted, held, swapped, at, person.aliases.len(), weights);
            let weight = weights.subtotal(&reading, &COMPARED);
            if best.as_ref().is_none_or(|(top, _)| weight > *top) {
                best = Some((weight, reading));
            }
        }
    }
    if let Some((_, reading)) = best {
        *evidence = reading;
    }
}

/// Exchanged names are worth a look only where the initials fit crosswise.
fn could_be_swapped(sent: &PersonName<'_>, held: &PersonName<'_>) -> bool {
    let initial = |name: &Name<'_>| name.text.bytes().next();
    let pair = |a: &Name<'_>, b: &Name<'_>| initial(a).is_some() && initial(a) == initial(b);
    pair(&sent.forename, &held.surname) && pair(&sent.surname, &held.forename)
}

fn read(
    submitted: &Prepared<'_>,
    held: &PersonName<'_>,
    swapped: bool,
    at: usize,
    aliases: usize,
    weights: &Weights,
) -> Evidence {
    let sent = &submitted.person.name;
    let (sent, shares) = if swapped {
        (PersonName { forename: sent.surname, middle: sent.middle, surname: sent.forename }, &submitted.swapped)
    } else {
        (*sent, &submitted.as_recorded)
    };
    let mut evidence = Evidence::NONE;
    let forename_level = forename_level(&sent, held);
    let surname_level = surname_level(&sent.surname, &held.surname);

    let forename_u = match forename_level {
        MISSING => 1.0,
        EXACT | OTHER_GIVEN_NAME => shares.forename,
        NICKNAME => submitted.nickname_group_share,
        INITIAL if sent.forename.text.len() == 1 => submitted.initial_share,
        SIMILAR_FORENAME => {
            let held_share = submitted.frequencies.known_share(Term::Forename(held.forename.text));
            scaled(weights, Comparison::Forename, forename_level, shares.forename, held_share)
        }
        _ => weights.u(Comparison::Forename, forename_level),
    };
    let surname_u = match surname_level {
        MISSING => 1.0,
        EXACT if forename_level == EXACT => (shares.full / shares.forename).min(1.0),
        EXACT => shares.surname,
        SIMILAR_SURNAME | PART => {
            let held_share = submitted.frequencies.known_share(Term::Surname(held.surname.text));
            scaled(weights, Comparison::Surname, surname_level, shares.surname, held_share)
        }
        _ => weights.u(Comparison::Surname, surname_level),
    };
    let put = |evidence: &mut Evidence, comparison, level, u: f64| {
        evidence.set(comparison, Finding { level, log2_u: u.log2() as f32 });
    };
    put(&mut evidence, Comparison::Forename, forename_level, forename_u);
    put(&mut evidence, Comparison::Surname, surname_level, surname_u);
    put(&mut evidence, Comparison::NameOrder, if swapped { SWAPPED } else { AS_RECORDED }, 1.0);
    if aliases > 0 {
        let (level, choices) = if at == 0 { (RECORDED_NAME, 1.0) } else { (ALIAS_NAME, aliases as f64) };
        put(&mut evidence, Comparison::Alias, level, choices);
    }
    if forename_level != OTHER_GIVEN_NAME {
        let middle = middle_level(sent.middle, held.middle);
        put(&mut evidence, Comparison::MiddleName, middle, weights.u(Comparison::MiddleName, middle));
    }
    evidence
}

/// The u of an inexact level, raised for a common name and lowered for a rare one: by the square root of how much commoner the commoner
/// of the two names is than the average agreeing name, at most eightfold. The square root, because neighbours of a common name are
/// common, but less so. A held name whose count was not handed over counts as an average one.
fn scaled(weights: &Weights, comparison: Comparison, level: u8, sent_share: f64, held_share: Option<f64>) -> f64 {
    let average = weights.u(comparison, EXACT);
    let share = sent_share.max(held_share.unwrap_or(average));
    weights.u(comparison, level) * (share / average).sqrt().clamp(0.125, 8.0)
}

fn forename_level(sent: &PersonName<'_>, held: &PersonName<'_>) -> u8 {
    let (a, b) = (&sent.forename, &held.forename);
    if a.text.is_empty() || b.text.is_empty() {
        return MISSING;
    }
    if a.text == b.text {
        return EXACT;
    }
    let same_initial = a.text.as_bytes().first() == b.text.as_bytes().first();
    if a.text.len() == 1 || b.text.len() == 1 {
        return if same_initial { INITIAL } else { DIFFERENT_FORENAME };
    }
    if a.shares_nickname_group(b) {
        return NICKNAME;
    }
    let given = |name: &PersonName<'_>, other: &str| {
        name.middle.len() >= other.len() && parts(name.middle).any(|part| part == other)
    };
    if given(held, a.text) || given(sent, b.text) || share_a_part(a, b) {
        return OTHER_GIVEN_NAME;
    }
    match likeness(a, b) {
        Likeness::Similar => SIMILAR_FORENAME,
        Likeness::Close => CLOSE_FORENAME,
        Likeness::Unlike if same_initial => FIRST_LETTER,
        Likeness::Unlike => DIFFERENT_FORENAME,
    }
}

fn surname_level(a: &Name<'_>, b: &Name<'_>) -> u8 {
    if a.text.is_empty() || b.text.is_empty() {
        return MISSING;
    }
    if a.text == b.text {
        return EXACT;
    }
    if share_a_part(a, b) {
        return PART;
    }
    match likeness(a, b) {
        Likeness::Similar => SIMILAR_SURNAME,
        Likeness::Close => CLOSE_SURNAME,
        Likeness::Unlike => DIFFERENT_SURNAME,
    }
}

fn middle_level(a: &str, b: &str) -> u8 {
    let (Some(first_a), Some(first_b)) = (parts(a).next(), parts(b).next()) else { return MISSING };
    if first_a == first_b {
        1
    } else if first_a.as_bytes().first() == first_b.as_bytes().first() {
        2
    } else {
        3
    }
}

/// Do two names, at least one of them compound, have a part of more than two letters in common, or the same parts run together?
fn share_a_part(a: &Name<'_>, b: &Name<'_>) -> bool {
    let compound = |name: &Name<'_>| name.text.bytes().any(|byte| byte == b' ' || byte == b'-');
    if !compound(a) && !compound(b) {
        return false;
    }
    let joined = |name: &'_ Name<'_>| name.parts().flat_map(str::bytes).collect::<Vec<u8>>();
    a.parts().any(|part| part.len() > 2 && b.parts().any(|other| other == part)) || joined(a) == joined(b)
}

enum Likeness {
    Similar,
    Close,
    Unlike,
}

/// One slip in a name of four letters or more, or Jaro-Winkler 0.93 (Winkler 1990), is similar; 0.85 or an equal phonetic key is close.
fn likeness(a: &Name<'_>, b: &Name<'_>) -> Likeness {
    let (x, y) = (a.text.as_bytes(), b.text.as_bytes());
    if x.len().min(y.len()) >= 4 && one_slip(x, y) {
        return Likeness::Similar;
    }
    let sounds_alike = !a.phonetic.is_empty() && a.phonetic == b.phonetic;
    let similarity = jaro_winkler::similarity_with_args(
        x.iter().copied(),
        y.iter().copied(),
        &jaro_winkler::Args::default().score_cutoff(0.85),
    );
    match similarity {
        Some(0.93..) => Likeness::Similar,
        Some(_) => Likeness::Close,
        None if sounds_alike => Likeness::Close,
        None => Likeness::Unlike,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name<'_> {
        Name { text, ..Name::default() }
    }

    fn person<'a>(forename: &'a str, middle: &'a str) -> PersonName<'a> {
        PersonName { forename: name(forename), middle, surname: name("X") }
    }

    #[test]
    fn forenames_fall_on_the_level_a_clerk_would_choose() {
        let level = |a, am, b, bm| FORENAME[usize::from(forename_level(&person(a, am), &person(b, bm))) - 1].name;
        for (a, am, b, bm, expected) in [
            ("JOHN", "", "JOHN", "", "exact"),
            ("J", "", "JOHN", "", "initial"),
            ("K", "", "JOHN", "", "different"),
            ("PAUL", "", "JOHN", "PAUL GEORGE", "other_given_name"),
            ("JOHN", "PAUL", "PAUL", "", "other_given_name"),
            ("JOHN PAUL", "", "JOHN", "", "other_given_name"),
            ("ANNMARIE", "", "ANN-MARIE", "", "other_given_name"),
            ("JOHN", "", "JOHM", "", "similar"),
            ("STEPHEN", "", "STEVEN", "", "close"),
            ("MICHAEL", "", "MICHEAL", "", "similar"),
            ("DANIEL", "", "DEAN", "", "first_letter"),
            ("JOHN", "", "PETER", "", "different"),
        ] {
            assert_eq!(level(a, am, b, bm), expected, "{a} {b}");
        }
        assert_eq!(forename_level(&person("", ""), &person("JOHN", "")), MISSING);
        let group = |text| PersonName { forename: Name { nickname_group: Some(1), ..name(text) }, ..person("", "") };
        assert_eq!(forename_level(&group("BOB"), &group("ROBERT")), NICKNAME);
    }

    #[test]
    fn surnames_fall_on_the_level_a_clerk_would_choose() {
        let level = |a, b| SURNAME[usize::from(surname_level(&name(a), &name(b))) - 1].name;
        for (a, b, expected) in [
            ("SMITH", "SMITH", "exact"),
            ("SMITH-JONES", "JONES", "part"),
            ("O BRIEN", "OBRIEN", "part"),
            ("SMITH", "SMTIH", "similar"),
            ("WILSON", "BILSON", "similar"),
            ("SMITH", "SMYTHE", "close"),
            ("SMITH", "KHAN", "different"),
        ] {
            assert_eq!(level(a, b), expected, "{a} {b}");
        }
        let phonetic = |text| Name { phonetic: "KLR", ..name(text) };
        assert_eq!(surname_level(&phonetic("CLARE"), &phonetic("KLER")), CLOSE_SURNAME);
    }
}
