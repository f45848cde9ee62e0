//! Which register person is a submission, if any?
//!
//! Comes in: submitted persons, the register persons that share a blocking key with them, the register's counts, a model. Goes out: for
//! every submission *linked*, *suspect* or *unlinked* with a reason, a match weight and a probability.
//!
//! ```text
//! record -> blocking -> comparison -> model (weights, relatives) -> posterior -> decision
//!               frequency ^   em ^ (training)                        explain ^
//! ```
//!
//! The method is Fellegi and Sunter's (1969) in the words of Splink, with four departures, each for a kind of wrong link:
//! u comes from exact counts of the register's own values; *not the same person* may be a relative (`relative`); candidates of one
//! submission compete with each other and with *not in the register*, and submissions compete for a person (`posterior`); a link is
//! made only where the outcome of all that is nearly certain (`decision`).
//!
//! What does this room not do? It standardises no value (that is `crate::identity`) and reads no table.

mod blocking;
mod bucket;
mod bundle;
mod cohort;
mod comparison;
mod decision;
mod em;
mod explain;
mod frequency;
mod key;
mod link;
mod model;
mod outcome;
mod overrides;
mod posterior;
mod record;
mod relative;
mod standard;

pub use blocking::{BlockIndex, BlockPolicy, BlockingKey, BlockingRule, register_keys, submission_keys};
pub use bucket::{Bucket, Buckets};
pub use bundle::{bundle_of, read_bundle, write_bundle};
pub use comparison::{COMPARISONS, Comparison, Evidence, LevelSpec, MAX_LEVELS, MISSING};
pub use decision::{Reason, Status, Thresholds};
pub use em::{TrainingOptions, TrainingRecord, estimate};
pub use explain::{Bar, waterfall};
pub use frequency::{Term, TermFrequencies, register_terms, submission_terms};
pub use key::KEY_VERSION;
pub use link::{LinkInput, LinkOptions, Screen, compare_pair, link, train};
pub use model::{ComparisonParameters, LevelParameters, MODEL_VERSION, Model, PairWeight, Weights};
pub use outcome::{LinkOutcome, LinkRecord, LinkSummary};
pub use overrides::{Force, Override};
pub use posterior::{Edge, Marginal, marginals};
pub use record::{Alias, Gender, Name, PersonName, PncId, Postcode, RegisterPerson, Sentence, SubmittedPerson};
pub use relative::{RELATIVES, Relative};
pub use standard::{Institutions, RawPerson, StandardPerson, StandardSubmission};
