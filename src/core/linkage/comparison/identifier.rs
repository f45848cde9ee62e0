//! PNC id, CRO number, prison number.
//!
//! A number is one person's, so its u is one person's share of the register. Default m: among true pairs with a number on both sides
//! some two in a hundred differ (another row's, a stranger's, a typing error).

use super::slip::one_slip;
use super::{Comparison, Finding, LevelSpec, MISSING, Prepared, level};
use crate::linkage::model::Weights;
use crate::linkage::record::{PncId, RegisterPerson};

pub(super) const PNC_ID: [LevelSpec; 4] = [
    level("exact", 0.970, 0.000001),
    level("letter_wrong", 0.006, 0.000001),
    level("one_slip", 0.009, 0.000060),
    level("different", 0.015, 0.999938),
];

pub(super) const CRO: [LevelSpec; 2] = [level("exact", 0.970, 0.000001), level("different", 0.030, 0.999999)];

pub(super) const PRISON_NUMBER: [LevelSpec; 3] =
    [level("exact", 0.940, 0.000001), level("one_slip", 0.015, 0.000040), level("different", 0.045, 0.999959)];

pub(crate) const EXACT: u8 = 1;
const LETTER_ONLY: u8 = 2;
const PNC_ONE_SLIP: u8 = 3;
const PNC_DIFFERENT: u8 = 4;
const CRO_DIFFERENT: u8 = 2;
const PRISON_ONE_SLIP: u8 = 2;
const PRISON_DIFFERENT: u8 = 3;

/// How many register numbers stand one slip away from a given one: eleven places with nine other digits and ten swaps, most of them
/// not given out.
const NEIGHBOURS: f64 = 50.0;

const NOTHING: Finding = Finding { level: MISSING, log2_u: 0.0 };

pub(super) fn pnc_id(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Finding {
    let Some(sent) = submitted.person.pnc_id else { return NOTHING };
    let Some(level) = person.pnc_ids.iter().map(|held| pnc_level(sent, *held)).min() else { return NOTHING };
    let u = match level {
        EXACT | LETTER_ONLY => submitted.one_person,
        PNC_ONE_SLIP => (submitted.one_person * NEIGHBOURS).min(1.0),
        // An id with a wrong letter is known to be mistyped: that it differs says nothing.
        _ if !sent.is_letter_right() => return NOTHING,
        _ => weights.u(Comparison::PncId, level),
    };
    Finding { level, log2_u: u.log2() as f32 }
}

fn pnc_level(sent: PncId, held: PncId) -> u8 {
    if sent.body() == held.body() {
        if sent.letter == held.letter && sent.is_letter_right() { EXACT } else { LETTER_ONLY }
    } else if one_slip(&digits(sent), &digits(held)) {
        PNC_ONE_SLIP
    } else {
        PNC_DIFFERENT
    }
}

fn digits(id: PncId) -> [u8; 11] {
    let mut rest = id.body();
    let mut digits = [0; 11];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

pub(super) fn cro(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Finding {
    let Some(sent) = submitted.person.cro.filter(|_| !person.cros.is_empty()) else { return NOTHING };
    let (level, u) = if person.cros.contains(&sent) {
        (EXACT, submitted.one_person)
    } else {
        (CRO_DIFFERENT, weights.u(Comparison::Cro, CRO_DIFFERENT))
    };
    Finding { level, log2_u: u.log2() as f32 }
}

pub(super) fn prison_number(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Finding {
    let Some(sent) = submitted.person.prison_number else { return NOTHING };
    let level_of = |held: &&str| {
        if *held == sent {
            EXACT
        } else if one_slip(held.as_bytes(), sent.as_bytes()) {
            PRISON_ONE_SLIP
        } else {
            PRISON_DIFFERENT
        }
    };
    let Some(level) = person.prison_numbers.iter().map(level_of).min() else { return NOTHING };
    let u = match level {
        EXACT => submitted.one_person,
        PRISON_ONE_SLIP => (submitted.one_person * NEIGHBOURS).min(1.0),
        _ => weights.u(Comparison::PrisonNumber, level),
    };
    Finding { level, log2_u: u.log2() as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::pnc;

    #[test]
    fn an_id_is_exact_only_with_its_own_letter() {
        let id = |text| pnc::parse(text, 39).id().unwrap();
        let held = id("2002/0073319Z");
        assert_eq!(pnc_level(held, held), EXACT);
        assert_eq!(pnc_level(id("2002/0073319A"), held), LETTER_ONLY);
        assert_eq!(pnc_level(id("2002/0073391Z"), held), PNC_ONE_SLIP);
        assert_eq!(pnc_level(id("2002/0073318Z"), held), PNC_ONE_SLIP);
        assert_eq!(pnc_level(id("1979/0163001B"), held), PNC_DIFFERENT);
        let wrong = id("2002/0073319A");
        assert_eq!(pnc_level(wrong, wrong), LETTER_ONLY, "two equal wrong letters are no valid id");
    }
}
