//! The methods of a data lab, free of Postgres.
//!
//! Data runs one way, and so do the modules: a stage uses only the stages above it in this list
//! (`tests/core/one_way.rs` keeps it so). Slices and structs come in, structs go out; there is no SQL,
//! no clock and no global state, and randomness comes only from a seed that is passed in.
//!
//! What does this crate not do? It reads no table, knows no role and keeps no secret: `src/pg` brings rows
//! in and carries rows out, `sql/` says who may see them.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_cmp,
        reason = "tests may fail loudly"
    )
)]

pub mod error;
pub mod number;

pub mod calendar;
pub mod identity;
pub mod synthetic;

pub mod linkage;
pub mod matching;
pub mod outcomes;

pub mod inference;

pub mod disclosure;

pub mod report;

pub use error::{Error, Result};
