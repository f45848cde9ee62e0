//! Days, follow-up arithmetic and working days of England and Wales.

mod day;
mod follow_up;
mod working_days;

pub use day::Day;
pub use follow_up::{FollowUp, FollowUpLength};
pub use working_days::{Holidays, add_working_days, working_days_between};
