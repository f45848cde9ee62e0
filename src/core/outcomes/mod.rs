//! Proven re-offending measures from dated events.
