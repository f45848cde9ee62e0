//! What may be published: the options of one release, and what the intruder knows because of them.
//!
//! The rules are public. So the intruder knows the threshold, whether zeros are published, and that counts are whole.

use serde::{Deserialize, Serialize};

use crate::disclosure::audit::Known;
use crate::disclosure::layout::{Hierarchies, Labels, Layout};
use crate::disclosure::table::{KEPT_CONTRIBUTIONS, MAX_COUNT, Table};
use crate::error::{Error, Result};

/// What the intruder must not find out about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Its value.
    Exact,
    /// Nor that it is below the threshold: a value at or above it must stay possible.
    #[default]
    Reach,
}

/// What happens to zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zeros {
    /// Always published, except in a group that is not empty, over the outcome dimension. So a hidden cell is at least 1.
    #[default]
    Published,
    /// Not sensitive, but may be hidden to protect others. So a hidden cell may be zero.
    MayHide,
    /// Small counts like others: hidden.
    Hidden,
}

/// How published counts are rounded. Hidden cells stay hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Not at all.
    #[default]
    None,
    /// To the nearest multiple of 5.
    Base5,
    /// Up or down to a multiple of 5 by a sticky key, unbiased.
    Random5,
    /// To a neighbouring multiple of 5 so that published totals are the sums of their published parts.
    Controlled5,
}

impl Rounding {
    /// How far below and above a published number the true count can be.
    pub(super) fn slack(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Base5 => 2,
            Self::Random5 | Self::Controlled5 => 4,
        }
    }
}

/// What a cell without a record is when a table that somebody published is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// It is hidden, and may be zero.
    #[default]
    Hidden,
    /// An inner cell is zero.
    Zero,
}

/// How long to look for the fewest hidden cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The heuristic only.
    Heuristic,
    /// The heuristic, then the proven optimum if the time suffices.
    #[default]
    Exact,
}

/// What hiding a cell to protect others costs. Sensitive cells are hidden whatever they cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// Of an inner cell. Default 1.
    pub inner: u32,
    /// Of a total or sub-total. Default 2: readers miss it more.
    pub margin: u32,
    /// Whether the cost is multiplied by the count. Default false.
    pub by_count: bool,
    /// Cells with a cost of their own, which replaces the others.
    pub cells: Vec<CellCost>,
}

impl Default for Costs {
    fn default() -> Self {
        Self { inner: 1, margin: 2, by_count: false, cells: Vec::new() }
    }
}

/// The cost of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellCost {
    /// Its labels by dimension; a dimension that is not named is at its total.
    pub cell: Labels,
    /// What hiding it costs, at least 1.
    pub cost: u32,
}

/// The dominance rule: the `n` largest contributors may not make up more than `percent` of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dominance {
    /// How many contributors, 1 to 5.
    pub n: usize,
    /// The most they may make up, 1 to 99.
    pub percent: u32,
}

/// The options of one release.
///
/// ```
/// use jdl_core::disclosure::Policy;
/// let policy = Policy::from_json(&serde_json::json!({"threshold": 5}))?;
/// assert_eq!(policy.threshold, 5);
/// assert!(Policy::from_json(&serde_json::json!({"treshold": 5})).unwrap_err().to_string().contains("`threshold`"));
/// # Ok::<(), jdl_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Counts below it are hidden. Default 10.
    pub threshold: i64,
    /// What must stay unknown about them. Default `reach`.
    pub target: Target,
    /// What happens to zeros. Default `published`.
    pub zeros: Zeros,
    /// The dimension that holds the outcome: every group's numerators and complements over it are checked, zeros and
    /// 100 % included. Default none.
    pub outcome_dimension: Option<String>,
    /// Parent of each label that has one, by dimension. Default none.
    pub hierarchies: Hierarchies,
    /// What hiding costs.
    pub costs: Costs,
    /// Cells that an earlier release published, which must stay published or the release is refused. Default none.
    pub keep: Vec<Labels>,
    /// Cells that are not published for reasons of their own: hidden, at no cost, and not protected. Default none.
    pub withhold: Vec<Labels>,
    /// Rounding of what is published. Default none.
    pub rounding: Rounding,
    /// Dominance rule for sums. Default the largest one, 50 %.
    pub dominance: Option<Dominance>,
    /// p % rule for sums: nobody may be estimated to within `p` %. Default 10.
    pub p_percent: Option<u32>,
    /// For audits, what a cell without a record is. Default `hidden`.
    pub absent: Absent,
    /// Default `exact`.
    pub method: Method,
    /// Seconds for finding the fewest hidden cells; the clock is the caller's. Default 10.
    pub time_limit: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            threshold: 10,
            target: Target::Reach,
            zeros: Zeros::Published,
            outcome_dimension: None,
            hierarchies: Hierarchies::new(),
            costs: Costs::default(),
            keep: Vec::new(),
            withhold: Vec::new(),
            rounding: Rounding::None,
            absent: Absent::Hidden,
            dominance: Some(Dominance { n: 1, percent: 50 }),
            p_percent: Some(10),
            method: Method::Exact,
            time_limit: 10,
        }
    }
}

impl Policy {
    /// The options of a JSON object; what is not named has its default.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an unknown option (naming the known ones) and values out of range.
    pub fn from_json(options: &serde_json::Value) -> Result<Self> {
        if !options.is_object() {
            return Err(Error::invalid("options", "must be a JSON object"));
        }
        let policy = Self::deserialize(options).map_err(|error| Error::invalid("options", error.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the option.
    pub fn check(&self) -> Result<()> {
        if !(1..=1000).contains(&self.threshold) {
            return Err(Error::invalid("threshold", "must be 1 to 1000"));
        }
        if self.costs.inner == 0 || self.costs.margin == 0 || self.costs.cells.iter().any(|cell| cell.cost == 0) {
            return Err(Error::invalid("costs", "must be at least 1"));
        }
        if self.dominance.is_some_and(|d| !(1..=99).contains(&d.percent) || !(1..=KEPT_CONTRIBUTIONS).contains(&d.n)) {
            return Err(Error::invalid("dominance", "needs n of 1 to 5 and percent of 1 to 99"));
        }
        if self.p_percent.is_some_and(|p| !(1..=100).contains(&p)) {
            return Err(Error::invalid("p_percent", "must be 1 to 100"));
        }
        if self.rounding != Rounding::None && self.threshold < 5 {
            return Err(Error::invalid("rounding", "to base 5 needs a threshold of at least 5"));
        }
        Ok(())
    }

    /// The smallest count that the intruder must think possible in each cell if it is hidden, or `None` where a zero is
    /// published whatever happens.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the outcome dimension is not one of the table's.
    pub(super) fn floors(&self, table: &Table) -> Result<Vec<Option<i64>>> {
        let layout = table.layout();
        self.check_outcome(layout)?;
        let withheld = self.withheld(layout)?;
        Ok((0..layout.len())
            .map(|cell| {
                if withheld[cell] || self.zeros != Zeros::Published || self.is_outcome_of_people(table, cell) {
                    Some(0)
                } else if table.counts()[cell] == 0 {
                    None
                } else {
                    Some(1)
                }
            })
            .collect())
    }

    /// Which cells the policy withholds. What an earlier release published is not withheld.
    pub(super) fn withheld(&self, layout: &Layout) -> Result<Vec<bool>> {
        let mut withheld = vec![false; layout.len()];
        for (list, value, option) in [(&self.withhold, true, "withhold"), (&self.keep, false, "keep")] {
            for labels in list {
                let cell = layout.find(labels);
                withheld[cell.ok_or_else(|| Error::invalid(option, "names a cell that the table does not have"))?] =
                    value;
            }
        }
        Ok(withheld)
    }

    /// The true counts that a published number leaves possible, ends included.
    ///
    /// Smaller counts than the threshold would be hidden, so a rounded number other than zero stands for no smaller one.
    /// A rounded sum is not subject to the threshold.
    pub(super) fn range(&self, number: i64, is_sum: bool) -> (i64, i64) {
        let width = self.rounding.slack();
        match (width, is_sum, number) {
            (0, _, _) | (_, false, 0) => (number, number),
            (_, false, _) => ((number - width).max(self.threshold), number + width),
            (_, true, _) => ((number - width).max(0), number + width),
        }
    }

    /// What the intruder knows of each cell of a table that was protected by this policy.
    ///
    /// # Errors
    /// As [`Policy::floors`], and if `values` does not fit the table.
    pub fn known(&self, table: &Table, values: &[Option<i64>]) -> Result<Vec<Known>> {
        if values.len() != table.layout().len() {
            return Err(Error::invalid("published", "needs one number or gap for each cell of the layout"));
        }
        let floors = self.floors(table)?;
        Ok(values
            .iter()
            .zip(floors)
            .enumerate()
            .map(|(cell, (value, floor))| match (value, floor) {
                (Some(number), _) => self.known_number(*number, table.shares(cell).is_some()),
                (None, floor) => Known::Hidden { at_least: floor.unwrap_or(0), at_most: None },
            })
            .collect())
    }

    /// What a published number tells.
    fn known_number(&self, number: i64, is_sum: bool) -> Known {
        match self.range(number, is_sum) {
            (low, high) if low == high => Known::Exactly(low),
            (low, high) => Known::Between(low, high),
        }
    }

    /// What the intruder knows of each cell of a table that somebody published, by this tool or another. `None` is a
    /// hidden count; a cell without a record counts as hidden, or as zero if the policy says so.
    ///
    /// Of the policy `hierarchies`, `zeros`, `outcome_dimension`, `rounding` (with `threshold`) and `absent` matter.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a negative or too large number, two different numbers for the same cell, and what
    /// [`Layout::product`] refuses.
    pub fn read_published(
        &self,
        dimensions: &[&str],
        records: &[(Vec<Option<String>>, Option<i64>)],
    ) -> Result<(Layout, Vec<Known>)> {
        let layout =
            Layout::product(dimensions, &self.hierarchies, records.iter().map(|(labels, _)| labels.as_slice()))?;
        self.check_outcome(&layout)?;
        let mut seen: Vec<Option<Option<i64>>> = vec![None; layout.len()];
        for (labels, number) in records {
            if number.is_some_and(|number| !(0..=MAX_COUNT).contains(&number)) {
                return Err(Error::invalid("count", format!("must be 0 to {MAX_COUNT}")));
            }
            let cell = layout.at(labels).ok_or_else(|| Error::Bug("a record has no cell".to_owned()))?;
            if seen[cell].replace(*number).is_some_and(|other| other != *number) {
                return Err(Error::invalid("count", "of a cell is given twice"));
            }
        }
        let known = (0..layout.len())
            .map(|cell| {
                let is_outcome =
                    self.outcome_dimension.as_deref().is_some_and(|name| layout.total_over(cell, name).is_some());
                let at_least = i64::from(self.zeros == Zeros::Published && !is_outcome);
                match seen[cell] {
                    Some(Some(number)) => self.known_number(number, false),
                    Some(None) => Known::Hidden { at_least, at_most: None },
                    None if self.absent == Absent::Zero && !layout.is_margin(cell) => Known::Exactly(0),
                    None => Known::Hidden { at_least: 0, at_most: None },
                }
            })
            .collect();
        Ok((layout, known))
    }

    fn check_outcome(&self, layout: &Layout) -> Result<()> {
        match &self.outcome_dimension {
            Some(outcome) if layout.dimensions().all(|name| name != outcome) => {
                let known = layout.dimensions().collect::<Vec<_>>().join(", ");
                Err(Error::invalid("outcome_dimension", format!("must be one of the dimensions {known}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether `cell` is an outcome of a group that is not empty.
    pub(super) fn is_outcome_of_people(&self, table: &Table, cell: usize) -> bool {
        self.outcome_dimension
            .as_deref()
            .and_then(|outcome| table.layout().total_over(cell, outcome))
            .is_some_and(|group| table.counts()[group] > 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_as_stated() {
        let policy = Policy::from_json(&json!({})).unwrap();
        assert_eq!(policy, Policy::default());
        assert_eq!((policy.threshold, policy.target, policy.zeros), (10, Target::Reach, Zeros::Published));
        assert!(policy.check().is_ok());
    }

    #[test]
    fn an_unknown_option_is_answered_with_the_known() {
        let error = Policy::from_json(&json!({"thresold": 5})).unwrap_err().to_string();
        for name in ["thresold", "threshold", "target", "zeros", "outcome_dimension", "hierarchies", "time_limit"] {
            assert!(error.contains(name), "{error}");
        }
        assert!(Policy::from_json(&json!({"target": "reich"})).unwrap_err().to_string().contains("reach"));
        assert!(Policy::from_json(&json!({"costs": {"outer": 5}})).unwrap_err().to_string().contains("margin"));
        assert!(Policy::from_json(&json!([1])).is_err());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for bad in [
            json!({"threshold": 0}),
            json!({"costs": {"inner": 0}}),
            json!({"dominance": {"n": 6, "percent": 50}}),
            json!({"dominance": {"n": 1, "percent": 0}}),
            json!({"p_percent": 0}),
            json!({"threshold": 3, "rounding": "base5"}),
        ] {
            assert!(Policy::from_json(&bad).is_err(), "{bad}");
        }
    }
}
