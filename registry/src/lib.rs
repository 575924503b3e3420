//! Who may go where: cards, zones, terminals and permissions in Postgres, and what the writers
//! remember of them.

mod cache;
pub mod edit;
pub mod import;

mod timestamptz;

use thiserror::Error;

pub use cache::{AsOf, Cache, Clock, Freshness, Loads, Resolved, Slot};
pub use timestamptz::Timestamptz;

/// The registry cannot be read.
#[derive(Debug, Error)]
pub enum Error {
    /// Postgres' own.
    #[error("reading the registry: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// A column holds a word that this program does not know: it is older than the schema.
    #[error("{0} holds a value that this program does not know")]
    Unreadable(&'static str),
}
