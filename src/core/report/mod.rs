//! The last room: one stored result and everything that is said from it.
//!
//! [`result`] holds plain data and computes nothing. [`figure`] turns a number into the digits that are printed,
//! [`reading`] decides what a measure allows to be said, [`wording`] says it, [`tables`] sets it out, and [`text`],
//! [`json`] and [`html`] (with [`charts`]) only arrange what those made. So no two numbers of a report can disagree.
//! [`forest`] draws many released results together, [`claim`] reads a draft sentence against one.
//!
//! What does this stage not do? It estimates nothing, tests nothing and hides nothing: inference fills the numbers,
//! disclosure takes away what may not be published, and both come here as a [`result::StoredResult`].

pub mod charts;
pub mod check;
pub mod claim;
mod claim_clause;
mod claim_sub_groups;
mod claim_words;
pub mod compose;
pub mod figure;
pub mod forest;
pub mod html;
pub mod json;
pub mod perturb;
mod phrases;
pub mod precision;
pub mod reading;
pub mod result;
mod rounding;
mod sub_groups;
pub mod tables;
pub mod text;
pub mod wording;

pub use claim::{ClaimProblem, check_claim};
pub use forest::{PublishedResult, RandomEffects, published_result, random_effects, to_forest_html};
pub use html::to_html;
pub use json::to_json;
pub use result::StoredResult;
pub use text::to_text;
pub use wording::{MeasureWords, PlanChange, Words, plan_change, words};
