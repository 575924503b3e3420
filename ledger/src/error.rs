use thiserror::Error;

/// A round was not made.
#[derive(Debug, Error)]
pub enum Error {
    /// Postgres' own. The source may quote a row: mind it in logs.
    #[error("terminal_ledger{}", State(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// Not as a consumer writes them: somebody else has.
    #[error(
        "row {0} of ledger_delta is not what a consumer writes; nothing is folded while it is there"
    )]
    Unreadable(i64),
    /// Somebody has taken it away.
    #[error("the row of ledger_fold is gone; INSERT INTO ledger_fold DEFAULT VALUES puts it back")]
    NoTurn,
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
