//! Surface tests.
