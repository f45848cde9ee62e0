//! Adjusted p-values beside tests that are withheld.

use crate::inference::Analysis;
use crate::report::result::{Interaction, Measure, SubGroup};

/// The adjusted p of one test is often the p of another times a small number (Holm 1979; Benjamini and Hochberg 1995). Where
/// that other is withheld its p could be read off, so such an adjusted p is not shown.
pub(super) fn withhold_adjusted(
    analysis: &Analysis,
    measures: &mut [Measure],
    sub_groups: &mut [SubGroup],
    interactions: &mut [Interaction],
) {
    let family = (analysis.measures.iter().map(|m| m.p_value_holm))
        .chain(analysis.sub_groups.iter().map(|group| group.result.as_ref().and_then(|m| m.p_value_holm)))
        .chain(analysis.interactions.iter().map(|test| test.p_value_holm));
    let tests = family.flatten().count();
    let mut shown: Vec<[&mut Option<f64>; 3]> = measures
        .iter_mut()
        .chain(sub_groups.iter_mut().map(|group| &mut group.measure))
        .map(|m| [&mut m.p_value, &mut m.p_holm, &mut m.p_bh])
        .chain(interactions.iter_mut().map(|test| [&mut test.p_value, &mut test.p_holm, &mut test.p_bh]))
        .collect();
    let known: Vec<f64> = shown.iter().filter(|test| test[1].is_some()).filter_map(|test| *test[0]).collect();
    let follows = |adjusted: f64, factor: fn(f64, f64) -> f64| {
        let is_of = |p: &f64| (1..=tests).any(|k| (p * factor(k as f64, tests as f64) - adjusted).abs() < 1e-12);
        adjusted >= 1.0 || known.iter().any(is_of)
    };
    for [_, holm, bh] in &mut shown {
        **holm = holm.filter(|p| follows(*p, |k, _| k));
        **bh = bh.filter(|p| follows(*p, |k, tests| tests / k));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::{AnalysisPlan, Design, analyse, benjamini_hochberg, holm};
    use crate::outcomes::PersonOutcome;
    use crate::report::result::MeasureKey;

    #[test]
    fn no_p_of_a_withheld_test_is_left_in_an_adjusted_one() {
        let nobody = PersonOutcome {
            first: None,
            reoffences: 0,
            reoffences_by_category: [0; 3],
            custodial_count: 0,
            days_at_risk: 365,
            followed_throughout: true,
        };
        let (treated, weight, set, outcome) = ([true, false], [1.0; 2], [None; 2], [nobody, nobody]);
        let design = Design { treated: &treated, weight: &weight, set: &set, outcome: &outcome };
        let mut analysis = analyse(design, &[], &AnalysisPlan::default(), &|| {}).unwrap();
        // The third is withheld: times one it is what the second is adjusted to.
        let raw = [Some(0.01), Some(0.30), Some(0.31)];
        analysis.measures.truncate(3);
        let mut measures = Vec::new();
        for (at, (holm, bh)) in holm(&raw).into_iter().zip(benjamini_hochberg(&raw)).enumerate() {
            analysis.measures[at].p_value_holm = holm;
            let m = Measure::new(MeasureKey::ReoffendingRate, None);
            measures.push(Measure { p_value: raw[at], p_holm: holm, p_bh: bh, ..m });
        }
        assert_eq!(measures[1].p_bh, Some(0.31));
        measures[2] = Measure::new(MeasureKey::ReoffendingRate, None);
        let whole = measures.clone();
        withhold_adjusted(&analysis, &mut measures, &mut [], &mut []);
        assert_eq!((measures[0].p_holm, measures[0].p_bh), (whole[0].p_holm, whole[0].p_bh));
        assert_eq!((measures[1].p_holm, measures[1].p_bh), (Some(0.6), None));
    }
}
