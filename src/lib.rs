//! `jdl`: a justice data lab inside Postgres.
//!
//! The map, in the order in which data flows:
//!
//! ```text
//! CSV -> intake -> linkage -> index event -> matching -> outcomes -> inference -> disclosure -> report -> release -> destruction
//!         identities live only up to here ^
//! ```
//!
//! * `src/core` (the crate `jdl-core`) holds the methods and knows nothing of Postgres.
//! * `src/pg` is the thin layer below: rows in, a call into the core, rows out. The functions that people call
//!   (`jdl_link`, `jdl_report`, ...) are SQL: `sql/extension` says who may take a step and in which state, and hands the
//!   work to the functions of this crate whose names begin with an underscore.
//! * `sql/schema` holds the tables, made by `jdl_install()`. They are not extension members, so a dump carries them and
//!   `DROP EXTENSION` cannot drop them.
//!
//! `docs/architecture.md` says where to put what.

pgrx::pg_module_magic!(name, version);

mod pg;
