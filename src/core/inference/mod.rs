//! Rates, means, counts, survival; intervals, tests, adjustment, power, sensitivity.
//!
//! Counts, values and weights come in; estimates with their intervals and p-values go out. [`analyse`] makes the whole
//! test set of one matched design, [`compare_rates`] that of two plain counts; the other files hold one family of
//! methods each, every formula with its source. Group 1 is the treatment group throughout: a difference is treatment
//! minus comparison, a ratio treatment over comparison.
//!
//! A quantity that does not exist (a ratio over no events, a test without variance) is an [`Absent`], which says why;
//! it is never NaN or infinite. Bad input is a [`crate::Error`]. Nothing here decides what may be published.

mod absent;
mod adjust;
mod alternatives;
mod analyse;
mod compare;
mod counts;
mod cox;
mod curves;
mod distributions;
mod explain;
mod fisher;
mod matched;
mod means;
mod measure;
mod meta;
mod permutation;
mod plan;
mod power;
mod ranks;
mod rates;
mod ratios;
mod sensitivity;
mod sub_groups;
mod survival;

pub use absent::{Absent, Confidence, Defined, Interval};
pub use adjust::{benjamini_hochberg, holm};
pub use alternatives::{Alternatives, DesignRun, DoublyRobustRun, doubly_robust, matched_run};
pub use analyse::{
    Analysis, Design, EFFECTIVE_N_NEEDED, Gate, GroupEstimate, GroupSizes, MeasureResult, REOFFENDERS_NEEDED,
    StandardErrors, analyse, compare_measure,
};
pub use compare::{AbsentField, RateComparison, compare_rates};
pub use counts::{
    CountObservation, ExactRateRatio, Exposure, NegativeBinomial, negative_binomial_rate_ratio, poisson_rate_ratio,
    poisson_rate_ratio_exact,
};
pub use cox::{CoxCoefficient, CoxFit, CoxSample, HazardRatio, Ties, cox_regression};
pub use curves::{Curve, CurvePoint};
pub use distributions::{
    beta_quantile, binomial_lower_tail, binomial_upper_tail, chi_square_upper_tail, normal_cdf, normal_quantile,
    normal_two_sided, normal_upper_tail, student_quantile, student_two_sided,
};
pub use explain::{RosenbaumBound, Sensitivity};
pub use fisher::{FisherExact, fisher_exact, fisher_p_value};
pub use matched::{DoublyRobust, MatchedDifference, MatchedSample, MeanRatio, Robust, aipw_att, matched_difference};
pub use means::{
    HedgesG, Sample, SampleSummary, TTest, WeightedDifference, WeightedWelch, effective_n, hedges_g,
    weighted_mean_difference, weighted_welch, welch,
};
pub use measure::{Measure, Unit};
pub use meta::{MetaAnalysis, dersimonian_laird};
pub use permutation::{PermutationTest, permutation_test};
pub use plan::{AnalysisPlan, MOST_SUB_GROUPS};
pub use power::{
    DetectableRate, arcsine_effect, detectable_rate, detectable_rate_arcsine, number_needed, power_two_rates,
    power_two_rates_arcsine, power_two_rates_strict,
};
pub use ranks::{MannWhitney, mann_whitney, mann_whitney_counts};
pub use rates::{
    ChiSquare, Continuity, Difference, McNemar, NumberNeededToTreat, Proportion, ZTest, chi_square, clopper_pearson,
    diff_newcombe, diff_wald, mcnemar, number_needed_to_treat, wilson, z_test_pooled, z_test_unpooled,
};
pub use ratios::{Ratio, odds_ratio, odds_ratio_add_half, risk_ratio, risk_ratio_add_half};
pub use sensitivity::{
    EValue, SensitivityBound, SetEvents, e_value, rosenbaum_binary, rosenbaum_binary_gamma, rosenbaum_sets,
    rosenbaum_sets_gamma, rosenbaum_wilcoxon, rosenbaum_wilcoxon_gamma,
};
pub use sub_groups::{InteractionTest, Levels, SubGroupBy, SubGroupResult};
pub use survival::{LogRank, RiskTable, SurvivalAt, SurvivalInterval, log_rank};
