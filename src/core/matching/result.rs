//! What matching gives back.

use serde::Serialize;

use crate::matching::balance::{BalanceRow, Light};
use crate::matching::propensity::Fit;

/// A treated unit and a control that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair {
    /// The treated unit.
    pub treated_id: i64,
    /// The control.
    pub control_id: i64,
    /// Difference of the scores, or distance between the covariates.
    pub distance: f64,
    /// The control's share in its set: one over the number of controls (for the ATC: treated) in it.
    pub weight: f64,
}

/// How many of a group are where.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GroupCounts {
    /// In the frame.
    pub all: usize,
    /// With a weight.
    pub matched: usize,
    /// Without a weight, though not discarded.
    pub unmatched: usize,
    /// Outside of the common support.
    pub discarded: usize,
    /// Kish's effective sample size of the matched.
    pub effective: f64,
}

/// Why units of the group that looked for matches (the treated, for the ATT) have none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// Left out by `discard`.
    pub outside_common_support: usize,
    /// Nobody of the other group has the same values of the `exact` covariates.
    pub without_exact_partner: usize,
    /// Nobody of the other group is within the calipers.
    pub outside_caliper: usize,
    /// All who would do serve others.
    pub partners_taken: usize,
}

/// A caliper as used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaliperWidth {
    /// `distance` or a covariate.
    pub name: String,
    /// The width in the scale of the score or covariate.
    pub width: f64,
}

/// Balance at one width of a radius.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GridPoint {
    /// In standard deviations of the score.
    pub caliper: f64,
    /// In the scale of the score.
    pub width: f64,
    /// Treated with at least one control.
    pub treated_matched: usize,
    /// Effective number of controls.
    pub control_effective: f64,
    /// The largest absolute standardised mean difference; `None` if nobody was matched.
    pub worst_smd: Option<f64>,
    /// The covariate that has it.
    pub worst_name: Option<String>,
}

/// How the scores of the two groups overlap, before matching.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overlap {
    /// Lower ends of cells of equal width over the range of the scores.
    pub from: Vec<f64>,
    /// Treated in each cell.
    pub treated: Vec<usize>,
    /// Controls in each cell.
    pub control: Vec<usize>,
    /// Treated outside of the controls' range.
    pub treated_outside: usize,
    /// Controls outside of the treated's range.
    pub control_outside: usize,
}

/// A comparison group and how good it is. Vectors over units are in the order of [`Frame::ids`].
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// Pairs in the order of the units that looked for matches; empty for methods that make none.
    pub pairs: Vec<Pair>,
    /// The weight of every unit, 0 if it is not used. Of the focal group 1 each (estimands ATT and ATC); those of the others add up to the number of
    /// matched others (`normalize`), or, in radius matching, to the number of matched focal units.
    pub weights: Vec<f64>,
    /// The matched set (from 1) of every unit, 0 for none; `None` if units may be in several sets, or there are no sets.
    pub sets: Option<Vec<u32>>,
    /// Counts of the treated.
    pub treated: GroupCounts,
    /// Counts of the controls.
    pub control: GroupCounts,
    /// Reasons, for the group that looked for matches.
    pub reasons: Unmatched,
    /// Widths used.
    pub calipers: Vec<CaliperWidth>,
    /// Balance before and after: the score, then every column.
    pub balance: Vec<BalanceRow>,
    /// Balance at other widths, if asked for.
    pub grid: Vec<GridPoint>,
    /// The overlap of the scores; `None` without a score.
    pub overlap: Option<Overlap>,
    /// The propensity model; `None` if none was fitted.
    pub fit: Option<Fit>,
    /// The score used as distance, in the scale of `link`; `None` without one.
    pub score: Option<Vec<f64>>,
}

impl Matching {
    /// The covariate farthest from balance after matching (before, if nobody was matched), the score aside.
    pub fn worst(&self) -> Option<&BalanceRow> {
        let smd = |row: &BalanceRow| row.matched.map_or(row.all.smd, |m| m.smd).abs();
        self.balance.iter().filter(|row| row.name != "distance").max_by(|a, b| smd(a).total_cmp(&smd(b)))
    }

    /// The traffic light of the whole design: that of its worst covariate.
    pub fn light(&self) -> Option<Light> {
        self.worst().map(|row| row.light)
    }
}
