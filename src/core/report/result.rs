//! The one stored result: plain data, no computation.
//!
//! Inside, shares and rates run from 0 to 1 and a difference is always *treatment minus comparison*. Every number that
//! may be published is an `Option`: `None` beside a `withheld` reason is printed as "withheld"; `None` without one
//! means that the number does not exist or was not computed, and is printed as "n/a". The disclosure stage hands on the
//! same struct with values set to `None` and reasons filled in.

mod measure;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;

pub use self::measure::{Estimate, Gate, GroupFigure, Measure, MeasureKey, Population, Unit};

/// The version of this layout, printed in every report and named by `docs/report-schema.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that a report says, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredResult {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// What was asked, of which data, under which plan.
    pub request: Request,
    /// The limits that decide what counts as conclusive and what as balanced.
    pub rules: Rules,
    /// From submitted to matched, in flow order; the first step has lost nobody.
    pub funnel: Vec<FunnelStep>,
    /// How many records found their person.
    pub linkage: Linkage,
    /// The two groups.
    pub groups: Groups,
    /// The lab's seven measures in order, one entry each (one for each court category in the two that have categories).
    pub measures: Vec<Measure>,
    /// The primary measure in the sub-groups that the plan names; empty where it names none.
    #[serde(default)]
    pub sub_groups: Vec<SubGroup>,
    /// Whether sub-groups differ, where the plan asks for a test of it.
    #[serde(default)]
    pub interactions: Vec<Interaction>,
    /// How alike the groups are in what is recorded.
    pub balance: Balance,
    /// Who the treatment group is, in whole per cent.
    pub profile: Vec<ProfileBlock>,
    /// Share who had re-offended by each day of the follow-up.
    pub curves: Curves,
    /// How far the answer leans on its assumptions.
    pub sensitivity: Sensitivity,
    /// Every test that was made, whether or not it is quoted.
    pub tests_made: Vec<TestMade>,
    /// What was hidden and by which policy.
    pub disclosure: Disclosure,
    /// Whatever else a reader must know, as sentences.
    pub notices: Vec<String>,
}

/// What was asked, of which data, under which plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The request's number.
    pub request_id: i64,
    /// The organisation that worked with the people.
    pub provider: String,
    /// What it did for them, as a noun phrase ("the Way Out mentoring programme").
    pub intervention: String,
    /// The version of the register extract that was read.
    pub register_version: String,
    /// The analysis plan, frozen before outcomes were read.
    pub plan: Plan,
    /// First calendar year of the index events.
    pub cohort_first_year: i16,
    /// Last calendar year of the index events.
    pub cohort_last_year: i16,
    /// Length of follow-up, in months.
    pub follow_up_months: u32,
    /// Further months for an offence to be proven.
    pub waiting_months: u32,
    /// Which offences count, if not all ("violent offences only").
    pub offence_filter: Option<String>,
    /// Custody of so many days or more, begun in the follow-up or running at its start, ends the time at risk, as death does.
    pub long_custody_days: u32,
    /// The day of the analysis; ISO 8601 in JSON.
    #[serde(with = "iso_day")]
    pub analysis_date: Day,
    /// Where the report stands in its life.
    pub status: Status,
    /// Why it was superseded or withdrawn.
    pub status_reason: Option<String>,
}

/// Where a report stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not approved: not for anyone outside the lab.
    Draft,
    /// Approved and released.
    Released,
    /// A later report takes its place.
    Superseded,
    /// Taken back.
    Withdrawn,
}

/// The frozen analysis plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Counts up from 1; more than 1 means that the plan was changed.
    pub version: u32,
    /// Hash of the frozen plan, as stored before outcomes were read.
    pub hash: String,
    /// The measure the plan names as primary; the headline is about it.
    pub primary: MeasureKey,
    /// Seed of everything random.
    pub seed: u64,
    /// One sentence for each change since version 1.
    pub changes: Vec<String>,
    /// Whether it was changed after outcomes had been read: its tests are then exploratory.
    pub changed_after_outcomes: bool,
}

/// The limits that decide what counts as conclusive and what as balanced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// A test is significant if p is at most this (the lab uses 0.05, "at most" included).
    pub alpha: f64,
    /// Confidence level of every interval, 0 to 1.
    pub confidence: f64,
    /// Fewer treatment re-offenders than this: nothing is conclusive.
    pub min_reoffenders: u64,
    /// A smaller effective sample in either group than this: nothing is conclusive.
    pub min_effective_n: f64,
    /// |SMD| up to this is green.
    pub smd_green: f64,
    /// |SMD| up to this is amber; above it red.
    pub smd_amber: f64,
    /// Decimals of a printed percentage (the lab prints whole per cent).
    pub rate_decimals: u8,
}

impl Default for Rules {
    /// The lab's own limits as far as they could be read in its published code and reports.
    fn default() -> Self {
        Self {
            alpha: 0.05,
            confidence: 0.95,
            min_reoffenders: 30,
            min_effective_n: 10.0,
            smd_green: 0.05,
            smd_amber: 0.10,
            rate_decimals: 0,
        }
    }
}

/// One step of the attrition funnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunnelStep {
    /// `submitted`, `valid`, `on_register`, `index_event`, `old_enough`, `in_model`, `matched`.
    pub key: String,
    /// The step in words ("found on the register").
    pub label: String,
    /// People still in after the step.
    pub remaining: Option<u64>,
    /// People lost at the step.
    pub lost: Option<u64>,
    /// Why they were lost, in words.
    pub reason: String,
    /// Why the numbers of this step are hidden.
    pub withheld: Option<String>,
}

/// How many records found their person.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Linkage {
    /// Records submitted.
    pub submitted: Option<u64>,
    /// Records linked to one person.
    pub linked: Option<u64>,
    /// Records whose match could not be trusted: discarded.
    pub suspect: Option<u64>,
    /// Records for which nobody was found.
    pub unlinked: Option<u64>,
    /// Linked over submitted, 0 to 1.
    pub match_rate: Option<f64>,
    /// Why some of these are hidden.
    pub withheld: Option<String>,
}

/// The two groups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Groups {
    /// People in the treatment group that were analysed.
    pub treatment_n: Option<u64>,
    /// People in the comparison group.
    pub comparison_n: Option<u64>,
    /// Effective sample size of the treatment group, (sum w)^2 / sum w^2 (Kish 1965), where it is weighted.
    pub treatment_effective_n: Option<f64>,
    /// Effective sample size of the comparison group.
    pub comparison_effective_n: Option<f64>,
    /// People of the treatment group who died, or were in long custody, before any re-offence.
    pub treatment_left_early: Option<u64>,
    /// The same in the comparison group.
    pub comparison_left_early: Option<u64>,
    /// Where the comparison group was drawn from: "national", or the region's name.
    pub national_or_region: String,
    /// Why some of these are hidden.
    pub withheld: Option<String>,
}

/// The primary measure in one sub-group that the plan names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubGroup {
    /// The covariate that divides the groups (`gender`).
    pub by: String,
    /// The sub-group in words ("Gender: female").
    pub label: String,
    /// The measure among the people of the sub-group.
    pub measure: Measure,
}

/// Whether the differences between treatment and comparison group are the same in all sub-groups of one covariate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// The covariate (`gender`).
    pub by: String,
    /// What is compared, in words ("gender: female, male").
    pub label: String,
    /// p of their being the same, unadjusted.
    pub p_value: Option<f64>,
    /// Adjusted over the family (Holm 1979).
    pub p_holm: Option<f64>,
    /// Adjusted over the family (Benjamini and Hochberg 1995).
    pub p_bh: Option<f64>,
    /// p is at most [`Rules::alpha`], and every sub-group is large enough.
    pub conclusive: Option<bool>,
    /// Why it is hidden.
    pub withheld: Option<String>,
}

/// How alike the groups are in what is recorded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// One for each covariate and level.
    pub rows: Vec<BalanceRow>,
    /// The worst of them.
    pub summary: BalanceSummary,
}

/// One covariate, or one level of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BalanceRow {
    /// The covariate in words.
    pub covariate: String,
    /// Its level, where it has levels.
    pub level: Option<String>,
    /// Mean (share of a level) in the treatment group.
    pub treatment_mean: Option<f64>,
    /// Mean in the pool.
    pub comparison_mean_before: Option<f64>,
    /// Weighted mean in the comparison group.
    pub comparison_mean_after: Option<f64>,
    /// Standardised mean difference before matching (signed).
    pub smd_before: Option<f64>,
    /// Standardised mean difference after matching (signed).
    pub smd_after: Option<f64>,
    /// Variance of the treatment group over that of the comparison group, after matching; none for a level.
    pub variance_ratio: Option<f64>,
    /// Traffic light of |`smd_after`|.
    pub light: Option<Light>,
    /// Why the row is hidden.
    pub withheld: Option<String>,
}

/// The balance in one line.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BalanceSummary {
    /// Largest |`smd_after`| over all rows; hidden where it is that of a hidden row.
    pub worst_smd: Option<f64>,
    /// Traffic light of the largest |`smd_after`| over all rows, hidden ones included.
    pub light: Option<Light>,
}

/// Traffic light of a standardised mean difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Balanced.
    Green,
    /// Slightly unbalanced.
    Amber,
    /// Not balanced.
    Red,
}

/// One characteristic of the treatment group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileBlock {
    /// `sex`, `ethnicity`, `age_band`, ...
    pub key: String,
    /// In words.
    pub label: String,
    /// Its categories.
    pub rows: Vec<ProfileRow>,
}

/// One category of a characteristic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileRow {
    /// The category in words.
    pub label: String,
    /// Share of the treatment group, 0 to 1.
    pub share: Option<f64>,
    /// Why it is hidden.
    pub withheld: Option<String>,
}

/// Share who had re-offended by each day of the follow-up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curves {
    /// In order of the day; any grid.
    pub points: Vec<CurvePoint>,
    /// Why the curves are hidden.
    pub withheld: Option<String>,
}

/// Both curves at one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Days since the start of follow-up.
    pub day: u32,
    /// Share of the treatment group, 0 to 1.
    pub treatment: Option<f64>,
    /// Share of the comparison group, 0 to 1.
    pub comparison: Option<f64>,
}

/// How far the answer leans on its assumptions. All about the primary measure; all optional.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Rosenbaum's gamma at which the p bound first exceeds alpha; 1 means that no hidden factor is needed.
    pub rosenbaum_gamma: Option<f64>,
    /// E-value of the risk ratio (VanderWeele and Ding 2017).
    pub e_value: Option<f64>,
    /// Doubly robust estimate of the difference (augmented inverse probability weighting), on the matched treatment
    /// group and the whole pool.
    pub aipw: Option<Estimate>,
    /// Its p.
    pub aipw_p: Option<f64>,
    /// People in the pool that it rests on.
    pub aipw_pool_n: Option<u64>,
    /// Hazard of a first re-offence, treatment over comparison (Cox regression, weighted, robust, clustered on matched sets);
    /// about the time to it whatever the primary measure.
    #[serde(default)]
    pub hazard_ratio: Option<Estimate>,
    /// Its p.
    #[serde(default)]
    pub hazard_ratio_p: Option<f64>,
    /// p of the permutation test.
    pub permutation_p: Option<f64>,
    /// Draws of the permutation test.
    pub permutation_draws: Option<u64>,
    /// Smallest difference that would have been found in four analyses of five.
    pub minimum_detectable_effect: Option<f64>,
    /// People in the treatment group it would take to settle a difference of the size seen.
    pub number_needed: Option<u64>,
    /// The same question put in other ways: the three-run set, national or regional, a grid of calipers.
    pub runs: Vec<SensitivityRun>,
    /// Why some of these are hidden.
    pub withheld: Option<String>,
}

/// The primary measure under another design.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SensitivityRun {
    /// Short name.
    pub key: String,
    /// In words ("with assessment variables in the model").
    pub label: String,
    /// People in its treatment group.
    pub treatment_n: Option<u64>,
    /// People in its comparison group.
    pub comparison_n: Option<u64>,
    /// Treatment minus comparison.
    pub difference: Estimate,
    /// Its p.
    pub p_value: Option<f64>,
    /// Why it is hidden.
    pub withheld: Option<String>,
}

/// One test that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestMade {
    /// Family over which p is adjusted ("headline", "further").
    pub family: String,
    /// What was tested, in words; a measure's label.
    pub measure: String,
    /// The sub-group it was tested in; `None` for everyone.
    pub subgroup: Option<String>,
    /// The test, in words ("Welch t test, weighted").
    pub method: String,
    /// Unadjusted p.
    pub p_value: Option<f64>,
    /// Holm's.
    pub p_holm: Option<f64>,
    /// Benjamini and Hochberg's.
    pub p_bh: Option<f64>,
    /// Why it is hidden.
    pub withheld: Option<String>,
}

/// What was hidden and by which policy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Disclosure {
    /// The policy in words ("counts under 10 are hidden; counts are rounded to the nearest 5").
    pub policy: String,
    /// Footnotes that every copy of the report must carry.
    pub footnotes: Vec<String>,
    /// How many numbers are hidden.
    pub hidden_cells: Option<u64>,
}

/// Days as ISO 8601 in JSON.
pub(crate) mod iso_day {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::calendar::Day;

    pub fn serialize<S: Serializer>(day: &Day, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(day)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Day, D::Error> {
        let text = String::deserialize(from)?;
        let mut parts = text.splitn(3, '-');
        let (year, month, day) = (parts.next(), parts.next(), parts.next());
        let parsed = (|| Day::from_ymd(year?.parse().ok()?, month?.parse().ok()?, day?.parse().ok()?))();
        parsed.ok_or_else(|| D::Error::custom("a date is written YYYY-MM-DD"))
    }
}
