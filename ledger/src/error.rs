use thiserror::Error;

/// A round was not made.
#[derive(Debug, Error)]
pub enum Error {
    /// Postgres' own. The source may quote a row: mind it in logs.
    #[error("keeping the terminals' ledger")]
    Postgres(#[from] tokio_postgres::Error),
    /// Not as a consumer writes them: somebody else has.
    #[error(
        "row {id} of ledger_delta is not what a consumer writes; nothing is folded while it is there"
    )]
    Unreadable {
        /// The row.
        id: i64,
        /// What cannot be read, if it is that and not what it says.
        source: Option<tokio_postgres::Error>,
    },
    /// Somebody has taken it away.
    #[error("the row of ledger_fold is gone; INSERT INTO ledger_fold DEFAULT VALUES puts it back")]
    NoTurn,
}
