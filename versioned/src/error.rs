use std::fmt;

use thiserror::Error;

/// An update was not made. No text here holds a value of the row: keys may be personal data.
#[derive(Debug, Error)]
pub enum Error {
    /// The row has changed since it was read, or is gone: read it again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The key fits more than one row: the type names the wrong columns. The statement was taken
    /// back, and a transaction around it can only be rolled back.
    #[error("{table}: the key fits more than one row; nothing was written")]
    NotOneRow {
        /// The table.
        table: &'static str,
        /// SQLSTATE 21000.
        source: tokio_postgres::Error,
    },
    /// Postgres' own. The source may quote the row (a CHECK that fails does): mind it in logs.
    #[error("{table}: the update failed{}", State(source))]
    Postgres {
        /// The table.
        table: &'static str,
        /// Postgres' own.
        source: tokio_postgres::Error,
    },
}

/// The row has another version than the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub struct Conflict {
    /// The table.
    pub table: &'static str,
    /// The version that the update was made for.
    pub expected: i64,
    /// The version that stands; `None` if the row is gone. The expected one if somebody wrote the
    /// row meanwhile without moving its version, or a trigger held the update back.
    pub current: Option<i64>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, expected, current } = self;
        match current {
            Some(current) => write!(f, "{table}: version {expected} expected, {current} found"),
            None => write!(f, "{table}: version {expected} expected, but the row is gone"),
        }
    }
}

/// Says the SQLSTATE, or else what went wrong on the way.
struct State<'a>(&'a tokio_postgres::Error);

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code() {
            Some(state) => write!(f, " (SQLSTATE {})", state.code()),
            None => write!(f, ": {}", self.0),
        }
    }
}
