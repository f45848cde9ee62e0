//! Gender and postcode.
//!
//! Default m of the postcode: people under sentence move often; six in ten still live where the register says (a setting that training
//! replaces). Default u: the register's own counts decide for full codes and districts.

use super::{Comparison, Finding, LevelSpec, MISSING, Prepared, level};
use crate::linkage::model::Weights;
use crate::linkage::record::RegisterPerson;

pub(super) const GENDER: [LevelSpec; 2] = [level("same", 0.985, 0.70), level("different", 0.015, 0.30)];

pub(super) const POSTCODE: [LevelSpec; 5] = [
    level("full", 0.600, 0.00001),
    level("sector", 0.040, 0.00020),
    level("district", 0.060, 0.00080),
    level("area", 0.120, 0.01500),
    level("different", 0.180, 0.98399),
];

const FULL: u8 = 1;
const SECTOR: u8 = 2;
const DISTRICT: u8 = 3;
const AREA: u8 = 4;
const DIFFERENT: u8 = 5;

pub(super) fn gender(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, _: &Weights) -> Finding {
    let (Some(a), Some(b)) = (submitted.person.gender, person.gender) else {
        return Finding { level: MISSING, log2_u: 0.0 };
    };
    let share = submitted.gender_shares[a as usize].min(0.999);
    let (level, u) = if a == b { (1, share) } else { (2, 1.0 - share) };
    Finding { level, log2_u: u.log2() as f32 }
}

pub(super) fn postcode(submitted: &Prepared<'_>, person: &RegisterPerson<'_>, weights: &Weights) -> Finding {
    let (Some(a), Some(b)) = (submitted.person.postcode, person.postcode) else {
        return Finding { level: MISSING, log2_u: 0.0 };
    };
    if a.pseudo || b.pseudo || a.text.is_empty() || b.text.is_empty() {
        return Finding { level: MISSING, log2_u: 0.0 };
    }
    let both_equal = |x: Option<&str>, y: Option<&str>| x.is_some() && x == y;
    let (level, u) = if both_equal(a.full(), b.full()) {
        (FULL, submitted.postcode_share)
    } else if both_equal(a.sector(), b.sector()) {
        // A district has about five sectors.
        (SECTOR, submitted.district_share / 5.0)
    } else if a.district() == b.district() {
        (DISTRICT, submitted.district_share)
    } else {
        let level = if a.area() == b.area() { AREA } else { DIFFERENT };
        (level, weights.u(Comparison::Postcode, level))
    };
    Finding { level, log2_u: u.log2() as f32 }
}
