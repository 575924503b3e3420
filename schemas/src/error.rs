use thiserror::Error;

/// A value that is no event: which field is wrong, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// Path of the field, `$` for the value as a whole.
    pub field: String,
    /// What is wrong with it, with the limit it broke. Never quotes the value: it may be a card.
    pub problem: String,
}

impl Invalid {
    /// An error about `field`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}
