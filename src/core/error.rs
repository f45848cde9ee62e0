//! The one error of the core. It never carries a value of a record: fields, rules and counts only.

/// Result of every fallible function of the core.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the core could not answer. `src/pg/error.rs` gives each kind its SQLSTATE.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument, option, column or field breaks a rule. (SQLSTATE 22023)
    #[error("{field}: {rule}")]
    InvalidInput {
        /// The argument, option or column.
        field: String,
        /// The rule that it breaks, in words that fit behind the field's name.
        rule: String,
    },
    /// There are not enough of something to go on. (SQLSTATE 55000)
    #[error("too few {what}: {have}, at least {need} needed")]
    TooFew {
        /// What is counted, in the plural.
        what: String,
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// An iteration did not reach its tolerance. (SQLSTATE 22000)
    #[error("{what} did not converge in {iterations} iterations")]
    NotConverged {
        /// The procedure.
        what: String,
        /// How many iterations it made.
        iterations: u32,
    },
    /// A matrix that must be inverted is singular. (SQLSTATE 22000)
    #[error("{what} is singular")]
    Singular {
        /// The matrix, named by what it holds.
        what: String,
    },
    /// Our own mistake: an invariant of the core does not hold. (SQLSTATE XX000)
    #[error("broken invariant: {0}")]
    Bug(String),
}

impl Error {
    /// An [`Error::InvalidInput`] about `field`.
    pub fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::InvalidInput { field: field.into(), rule: rule.into() }
    }

    /// An [`Error::TooFew`] of `what` (a plural).
    pub fn too_few(what: impl Into<String>, have: usize, need: usize) -> Self {
        Self::TooFew { what: what.into(), have, need }
    }
}
