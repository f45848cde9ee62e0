//! Days, follow-up arithmetic and working days of England and Wales.

mod day;

pub use day::Day;
