use thiserror::Error;

/// A step was not made.
#[derive(Debug, Error)]
pub enum Error {
    /// Postgres' own. The source may quote a row, and with it a card: mind it in logs.
    #[error("terminal_ledger{}", State(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

/// Says the SQLSTATE, or else what went wrong on the way.
struct State<'a>(&'a tokio_postgres::Error);

impl std::fmt::Display for State<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.code() {
            Some(state) => write!(f, ": SQLSTATE {}", state.code()),
            None => write!(f, ": {}", self.0),
        }
    }
}
