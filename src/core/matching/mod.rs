//! The comparison group: from a pool of possible controls the people most like the treated, and how alike they are.
//!
//! In: a [`Frame`] (ids, treatment, covariates) and [`MatchOptions`] in MatchIt's words. Out: a [`Matching`] (pairs, weights, counts, balance).
//! Nothing here has seen an outcome. Results depend on the rows and the options only, not on the order of the rows or the number of threads.
//!
//! | module | does |
//! | --- | --- |
//! | `index_event` | covariates as of each index event of a person |
//! | `options`, `plan` | what may be asked for; the same, checked |
//! | `frame`, `packed`, `design` | rows as compact columns; columns of a formula |
//! | `kernel`, `linear`, `model`, `propensity`, `regression` | the logistic regression, of treatment and of any event |
//! | `ground` | score, common support, strata, calipers |
//! | `distance`, `order`, `nearest`, `search`, `optimal`, `radius` | who serves whom |
//! | `weights`, `entropy` | what units weigh |
//! | `balance` | how alike the groups are |
//! | `engine`, `result` | all of it in order, and what comes out |

mod balance;
mod design;
mod distance;
mod engine;
mod entropy;
mod frame;
mod ground;
mod index_event;
mod kernel;
mod linear;
mod model;
mod nearest;
mod optimal;
mod options;
mod order;
mod packed;
mod plan;
mod propensity;
mod radius;
mod regression;
mod result;
mod search;
mod weights;

pub use balance::{BalanceRow, Comparison, Light};
pub use design::MAX_TERMS;
pub use engine::{match_controls, propensity};
pub use frame::{Cell, Column, Frame, FrameBuilder, Kind, MAX_LEVELS};
pub use index_event::{
    Disposal, IndexEvent, NEVER, OffenceKind, PersonRecord, ProvenOffence, QUESTIONS, Sentence, Statement, index_events,
};
pub(crate) use linear::Cholesky;
pub use options::{
    CaliperWidths, Discard, Estimand, Kernel, Link, MatchOptions, MatchOrder, Method, OnSeparation, OneOrEach, Smallest,
};
pub use plan::Plan;
pub use propensity::{Coefficient, Fit, FitOptions, Penalty, Separation};
pub use regression::event_probabilities;
pub use result::{CaliperWidth, GridPoint, GroupCounts, Matching, Overlap, Pair, Unmatched};
pub use weights::effective_sample_size;
