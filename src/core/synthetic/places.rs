//! Postcodes across England and Wales, and the institutions that hundreds share.

use std::sync::LazyLock;

use super::random::{Random, running_totals};

/// Postcode area, weight (roughly its people in thousands), number of its districts, and `u` for a large city.
const AREAS: &str = "AL 250 10, B 1900 60 u, BA 430 16, BB 490 12, BD 580 22 u, BH 550 25, BL 390 9, BN 800 45, BR 300 8, BS 950 40 u, CA 310 28, \
    CB 430 25, CF 1000 64 u, CH 650 49, CM 650 25, CO 410 16, CR 400 9 u, CT 480 21, CV 820 40 u, CW 310 12, DA 430 18, DE 740 75, \
    DH 300 9, DL 370 17, DN 750 41, DT 220 11, DY 410 14, E 980 20 u, EC 35 4 u, EN 340 11 u, EX 560 39, FY 280 8, GL 620 56, GU 730 52, \
    HA 480 9 u, HD 260 9, HG 140 5, HP 490 27, HR 180 9, HU 430 20 u, HX 160 7, IG 340 11 u, IP 600 33, KT 520 24, L 850 40 u, LA 330 23, \
    LD 50 8, LE 980 19 u, LL 520 78, LN 290 13, LS 780 29 u, LU 340 7 u, M 1200 46 u, ME 610 20, MK 510 46, N 860 22 u, NE 1150 71 u, NG 1140 34 u, \
    NN 680 29, NP 500 44, NR 730 35, NW 560 11 u, OL 470 16, OX 620 49, PE 900 38, PL 540 35, PO 840 41, PR 530 26, RG 800 45, RH 540 20, \
    RM 540 20 u, S 1360 81 u, SA 700 73, SE 1020 28 u, SG 420 19, SK 600 23, SL 380 9 u, SM 220 7, SN 490 26, SO 650 53, SP 230 11, SR 260 8, \
    SS 520 17, ST 650 21, SW 900 20 u, SY 350 25, TA 340 24, TF 220 13, TN 690 40, TQ 300 14, TR 310 27, TS 600 29 u, TW 480 20 u, UB 390 11 u, \
    W 540 14 u, WA 630 16, WC 30 2 u, WD 260 25, WF 520 17, WN 310 8, WR 310 15, WS 460 15 u, WV 400 16 u, YO 550 62";

struct Area {
    name: &'static str,
    districts: usize,
}

struct Areas {
    areas: Vec<Area>,
    /// Running totals of the weights for everybody, and for communities of the large cities.
    totals: [Vec<f64>; 2],
}

static PLACES: LazyLock<Areas> = LazyLock::new(|| {
    let cells: Vec<Vec<&str>> = AREAS.split(", ").map(|area| area.split_ascii_whitespace().collect()).collect();
    let number = |row: &[&str], cell: usize| row.get(cell).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    let weight = |row: &[&str]| f64::from(number(row, 1));
    let urban_weight = |row: &[&str]| if row.len() > 3 { weight(row) } else { 0.15 * weight(row) };
    Areas {
        areas: cells
            .iter()
            .map(|row| Area { name: row.first().copied().unwrap_or("B"), districts: number(row, 2) as usize })
            .collect(),
        totals: [
            running_totals(cells.iter().map(|row| weight(row))),
            running_totals(cells.iter().map(|row| urban_weight(row))),
        ],
    }
});

/// A postcode of a home, one of about a million, the inner districts of an area likelier than the outer.
pub(super) fn postcode(is_urban: bool, random: &mut Random) -> String {
    const LETTERS: &[u8; 20] = b"ABDEFGHJLNPQRSTUWXYZ";
    let area = &PLACES.areas[random.weighted(&PLACES.totals[usize::from(is_urban)])];
    let inner = random.unit();
    let district = 1 + (area.districts as f64 * inner * inner.sqrt()) as usize;
    let sector = random.between(1, 9);
    // Some fifty postcodes in each sector are in use.
    let unit = random.below(50);
    let (first, second) = (LETTERS[unit % 20], LETTERS[(7 * unit + unit / 20 + district) % 20]);
    // Central London's districts end in a letter.
    let suffix = if matches!(area.name, "EC" | "WC") { "A" } else { "" };
    format!("{}{district}{suffix} {sector}{}{}", area.name, char::from(first), char::from(second))
}

/// Postcodes that many persons share.
pub(super) struct Institutions {
    pub(super) prisons: Vec<String>,
    pub(super) hostels: Vec<String>,
}

impl Institutions {
    /// As many as make each one shared by about 300 (prisons, at most 120) and 100 (hostels, at most 1,000) of the
    /// register's persons.
    pub(super) fn new(persons: u32, random: &mut Random) -> Self {
        let count = |share: f64, each: f64, most: usize| ((f64::from(persons) * share / each) as usize).clamp(1, most);
        let prisons = count(super::people::PRISON_SHARE, 300.0, 120);
        let hostels = count(super::people::HOSTEL_SHARE, 100.0, 1_000);
        Self {
            prisons: (0..prisons).map(|_| postcode(false, random)).collect(),
            hostels: (0..hostels).map(|_| postcode(true, random)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::postcode::parse;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_postcode_has_a_valid_shape() {
        let mut random = Random::new(1, 0);
        let mut areas: BTreeMap<String, u32> = BTreeMap::new();
        for n in 0..50_000 {
            let text = postcode(n % 5 == 0, &mut random);
            let code = parse(&text).valid().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(code.full(), text);
            *areas.entry(code.area().to_owned()).or_default() += 1;
        }
        assert_eq!(areas.len(), PLACES.areas.len());
        assert!(areas["B"] > 20 * areas["LD"], "cities have more people than mid Wales");
    }

    #[test]
    fn areas_are_distinct_and_rows_complete() {
        let names: BTreeSet<&str> = PLACES.areas.iter().map(|area| area.name).collect();
        assert_eq!(names.len(), PLACES.areas.len());
        assert!(names.len() > 95);
        assert!(PLACES.areas.iter().all(|area| area.districts >= 2));
    }
}
