//! The report: what is printed against what is stored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::float_cmp, reason = "tests may fail loudly")]

mod report_cases;
mod report_claim;
mod report_compose;
mod report_disclosure;
mod report_html;
mod report_intruder;
mod report_markup;
mod report_property;
mod report_rules;
mod report_schema;
mod report_snapshots;
mod report_sub_groups;
