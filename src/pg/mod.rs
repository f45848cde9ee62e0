//! The thin layer between Postgres and the core: rows in, rows out. The same stage names as in the core; the modules never call one another.

#![allow(
    clippy::result_large_err,
    reason = "pgrx keeps SQLSTATE, detail and hint only of an ErrorReport as it is, unboxed"
)]

mod error;
mod frame;
mod key;
mod read;
mod rows;

mod calendar;
mod disclosure;
mod governance;
mod identity;
mod index_event;
mod inference;
mod install;
mod intake;
mod linkage;
mod matching;
mod report;
mod synthetic;
mod threads;
