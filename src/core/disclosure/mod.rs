//! Frequency tables that give nobody away: primary, secondary, rounding, attacker's audit, differencing.
//!
//! A [`Table`] and a [`Policy`] go in; [`protect`] gives back for every cell whether it is published, and a
//! [`Certificate`] that the intruder, who knows every published number, the rules and that counts are whole and not
//! negative, can work out no sensitive cell. Without a certificate that holds there is no result.
//!
//! What does it not do? It does not defend against an intruder who runs the search for every table that he thinks
//! possible and compares the patterns; nor does it know of other releases, except through `keep` and [`differencing`].

mod audit;
mod certificate;
mod differencing;
mod evidence;
mod exact;
mod gates;
mod groups;
mod halves;
mod keyed;
mod layout;
mod lp;
mod moves;
mod policy;
mod primary;
mod rounding;
mod secondary;
mod table;

use serde::Serialize;

pub use audit::{Interval, Known, View, intervals};
pub use certificate::{Certificate, Claim, Proof};
pub use differencing::{Bucket, Comparison, Finding, Relation, Sketch, compare};
pub use evidence::{Evidence, HiddenCell, PublishedCell};
pub use gates::{Gates, SafeBreakdown, SafeCounts, SafeGroup, protect_groups};
pub use groups::{Breakdown, Group, OTHER, Whole};
pub use keyed::{Key, hex};
pub use layout::{Hierarchies, Labels, Layout, MAX_CELLS, Row};
pub use policy::{Absent, CellCost, Costs, Dominance, Method, Policy, Rounding, Target, Zeros};
pub use primary::{Need, Reason, sensitive_cells};
pub use rounding::{BASE, CohortKey, cell_keys, rate_of_rounded, round_by_key, round_table, round_to_base};
pub use table::{Contribution, KEPT_CONTRIBUTIONS, MAX_COUNT, Record, Shares, Table};

use crate::error::Result;
use crate::number::Heartbeat;

/// What happened to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The true count is published.
    Published,
    /// Hidden because it is sensitive.
    Primary,
    /// Hidden to protect others.
    Secondary,
    /// A rounded count is published.
    Rounded,
}

impl Status {
    /// The word used in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Rounded => "rounded",
        }
    }
}

/// How much a release tells and hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Cells that are not zeros published whatever happens.
    pub cells: usize,
    /// Cells hidden because they are sensitive.
    pub primary: usize,
    /// Cells hidden to protect them.
    pub secondary: usize,
    /// What hiding the secondary cells costs by the policy.
    pub cost: u64,
    /// By how much less, at most, another pattern could cost; 0: none costs less. `None` if it was not looked for.
    pub could_save: Option<u64>,
}

/// A table fit to be published, and the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// The number to publish for each cell; `None` where it is hidden.
    pub values: Vec<Option<i64>>,
    /// What happened to each cell. Primary and secondary must not be told apart where readers see it.
    pub status: Vec<Status>,
    /// The sensitive cells and why.
    pub needs: Vec<Need>,
    /// The proof, as secret as the table.
    pub certificate: Certificate,
    /// How much is hidden.
    pub loss: Loss,
}

/// Hides and rounds what the policy asks, and proves that it suffices.
///
/// `keys` are the sticky keys of the cells ([`cell_keys`]); only random rounding needs them.
/// `heartbeat` is called between the steps of the search; `out_of_time` ends the search for the fewest hidden cells early,
/// never the protection itself.
///
/// ```
/// use jdl_core::disclosure::{Hierarchies, Policy, Record, Table, protect};
/// let count = |sex: &str, outcome: &str, count| Record {
///     labels: vec![Some(sex.to_owned()), Some(outcome.to_owned())],
///     count,
/// };
/// let records = [count("F", "no", 22), count("F", "yes", 3), count("M", "no", 60), count("M", "yes", 40)];
/// let table = Table::from_records(&["sex", "outcome"], &Hierarchies::new(), &records)?;
/// let safe = protect(&table, &Policy::default(), &[], &|| {}, &|| false)?;
/// assert_eq!(safe.words(), "1 cell hidden, 3 more to protect it");
/// # Ok::<(), jdl_core::Error>(())
/// ```
///
/// # Errors
/// [`crate::Error::InvalidInput`] if the policy does not fit the table or what must stay published leaves no protection.
pub fn protect(
    table: &Table,
    policy: &Policy,
    keys: &[u64],
    heartbeat: Heartbeat,
    out_of_time: &dyn Fn() -> bool,
) -> Result<Protected> {
    let needs = sensitive_cells(table, policy)?;
    let rounded = round_table(table, policy.rounding, keys, heartbeat)?;
    let frame = moves::Frame::new(table, policy, &rounded)?;
    let aims: Vec<moves::Aim> = needs.iter().map(|need| moves::Aim::new(need, table, frame.unit)).collect();
    let is_exact = policy.method == Method::Exact && policy.rounding == Rounding::None;
    let mut heuristic = secondary::Heuristic::new(&frame, &aims, heartbeat)?;
    heuristic.refine(is_exact, heartbeat, out_of_time);
    let is_least = frame.cost_of(&heuristic.best.hidden) == frame.cost_of(&frame.hidden_anyway(&aims));
    let (pattern, could_save) = if is_exact && !is_least {
        let (found, possible) = exact::improve(heuristic, heartbeat, out_of_time);
        (found, Some(possible))
    } else {
        (heuristic.best, is_least.then_some(0))
    };

    let counts = table.counts();
    let values: Vec<Option<i64>> =
        rounded.iter().zip(&pattern.hidden).map(|(number, hidden)| (!hidden).then_some(*number)).collect();
    let mut others: Vec<Vec<(usize, i64)>> = Vec::new();
    let claims = needs
        .iter()
        .zip(&pattern.proof)
        .map(|(need, change)| {
            let other: Vec<(usize, i64)> =
                change.0.iter().map(|(cell, by)| (*cell, counts[*cell] + by * frame.unit)).collect();
            let known = others.iter().position(|known| *known == other);
            let other = known.unwrap_or_else(|| {
                others.push(other);
                others.len() - 1
            });
            Claim { cell: need.cell, other }
        })
        .collect();
    let certificate = Certificate::new(counts.to_vec(), others, claims);
    let known = policy.known(table, &values)?;
    certificate.verify(table.layout().rows(), &known, &needs)?;

    let mut status: Vec<Status> = values
        .iter()
        .zip(&known)
        .map(|(value, known)| match (value, known) {
            (None, _) => Status::Secondary,
            (_, Known::Between(..)) => Status::Rounded,
            _ => Status::Published,
        })
        .collect();
    for need in &needs {
        status[need.cell] = Status::Primary;
    }
    let secondary = status.iter().filter(|status| **status == Status::Secondary).count();
    let needed: Vec<bool> = status.iter().map(|status| *status == Status::Secondary).collect();
    let loss = Loss {
        cells: frame.low.iter().flatten().count(),
        primary: needs.len(),
        secondary,
        cost: frame.cost_of(&needed),
        could_save,
    };
    Ok(Protected { values, status, needs, certificate, loss })
}

impl Protected {
    /// What happened, for the analyst: "3 cells hidden, 4 more to protect them".
    pub fn words(&self) -> String {
        let Loss { primary, secondary, .. } = self.loss;
        let cells = |n: usize| if n == 1 { "1 cell".to_owned() } else { format!("{n} cells") };
        match (primary, secondary) {
            (0, _) => "no cell hidden".to_owned(),
            (_, 0) => format!("{} hidden, no more needed to protect {}", cells(primary), them(primary)),
            _ => format!("{} hidden, {secondary} more to protect {}", cells(primary), them(primary)),
        }
    }
}

fn them(n: usize) -> &'static str {
    if n == 1 { "it" } else { "them" }
}
