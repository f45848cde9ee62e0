//! The comparison group: from a pool of possible controls the people most like the treated, and how alike they are.
//!
//! In: a [`Frame`] (ids, treatment, covariates) and [`MatchOptions`] in MatchIt's words. Out: a [`Matching`] (pairs, weights, counts, balance).
//! Nothing here has seen an outcome. Results depend on the rows and the options only, not on the order of the rows or the number of threads.
//!
//! | module | does |
//! | --- | --- |
//! | `options` | what may be asked for, checked |
//! | `frame`, `design` | rows as compact columns; columns of a formula |
//! | `kernel`, `linear`, `propensity` | the logistic regression |
//! | `distance`, `nearest`, `radius` | who serves whom |
//! | `weights`, `balance` | what units weigh; how alike the groups are |
//! | `engine` | all of it in order |

mod balance;
mod design;
mod distance;
mod engine;
mod frame;
mod kernel;
mod linear;
mod nearest;
mod options;
mod propensity;
mod radius;
mod weights;

pub use balance::{BalanceRow, Comparison, Light};
pub use design::MAX_TERMS;
pub use engine::{
    CaliperWidth, GridPoint, GroupCounts, Matching, Overlap, Pair, Unmatched, match_controls, propensity,
};
pub use frame::{Cell, Column, Frame, FrameBuilder, Kind, MAX_LEVELS};
pub use options::{Discard, Estimand, Kernel, Link, MatchOptions, MatchOrder, Method, OnSeparation, OneOrEach, Plan};
pub use propensity::{Coefficient, Fit, FitOptions, Penalty, Separation};
pub use weights::effective_sample_size;
