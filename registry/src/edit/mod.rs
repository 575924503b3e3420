//! Edits of single rows: each type knows its table and its version, and a write that comes too late
//! is a conflict, never an overwrite. Updates are [`Versioned`]'s; here is what stands around them:
//! reading, the first version, the end, and trying again.

mod card;
mod schedule;
mod terminal;
mod transact;
mod user_access;
mod word;
mod zone;

use std::borrow::Cow;

use thiserror::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};
use versioned::{Conflict, Outcome, Versioned};

pub use card::Card;
pub use schedule::Schedule;
pub use terminal::{Passage, Terminal};
pub use transact::{Retry, Tally, transact};
pub use user_access::UserAccess;
pub use word::{Word, Words};
pub use zone::Zone;

/// A row of the registry that is edited by its key.
pub trait Entry: Versioned + Sized {
    /// Reads the row with the key `$1`.
    #[doc(hidden)]
    const FIND: &'static str;
    /// Writes the first version and returns its number; no row where the key is taken.
    #[doc(hidden)]
    const INSERT: &'static str;

    /// What [`Self::INSERT`] takes, in its order.
    #[doc(hidden)]
    fn columns(&self) -> Vec<&(dyn ToSql + Sync)>;

    /// The id.
    fn id(&self) -> &str;

    /// Reads a row that has all columns of the table.
    ///
    /// # Errors
    /// A column is missing or holds what this program does not know.
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error>;

    /// Takes the row for one of this version: the next update is made only if that is what stands.
    fn expect_version(&mut self, version: i64);
}

/// An entry that may end. What it was stays in the history.
pub trait Ending: Entry {
    /// Deletes the row with the key `$1` and the version `$2`.
    #[doc(hidden)]
    const DELETE: &'static str;
}

/// An edit was not made, and nothing of its transaction was.
#[derive(Debug, Error)]
pub enum Error {
    /// The row has another version than the edit was made for, or is gone, or there by now.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The edit makes no sense for what is there. The text says what to do instead.
    #[error("{0}")]
    Refused(Cow<'static, str>),
    /// Other rows still name it.
    #[error("{0} is still in use")]
    InUse(&'static str),
    /// The type names the wrong columns.
    #[error(transparent)]
    NotOneRow(versioned::Error),
    /// Postgres' own. The source may quote the row: mind it in logs.
    #[error("editing the registry")]
    Postgres(#[from] tokio_postgres::Error),
}

impl From<versioned::Error> for Error {
    fn from(error: versioned::Error) -> Self {
        match error {
            versioned::Error::Conflict(conflict) => Self::Conflict(conflict),
            versioned::Error::Postgres { source, .. } => Self::Postgres(source),
            versioned::Error::NotOneRow { .. } => Self::NotOneRow(error),
        }
    }
}

/// Reads the entry of that id.
///
/// # Errors
/// Postgres' own, or a row that this program does not understand.
pub async fn find<E: Entry>(
    client: &impl GenericClient,
    id: &str,
) -> Result<Option<E>, tokio_postgres::Error> {
    let row = client.query_opt(E::FIND, &[&id]).await?;
    row.as_ref().map(E::read).transpose()
}

/// Writes the first version.
///
/// # Errors
/// [`Error::Conflict`] with the expected version 0 if the key is taken by now.
pub async fn insert<E: Entry>(
    client: &(impl GenericClient + Sync),
    entry: &mut E,
) -> Result<Outcome, Error> {
    match client.query_opt(E::INSERT, &entry.columns()).await? {
        Some(row) => {
            entry.expect_version(row.try_get(0)?);
            Ok(Outcome::Changed(entry.version()))
        }
        None => Err(conflict::<E>(client, entry.id(), 0).await?.into()),
    }
}

/// Writes the next version; where the row is so already, nothing.
///
/// # Errors
/// [`Error::Conflict`] if the row has another version than `entry` by now, or is gone.
pub async fn update<E: Entry>(
    client: &(impl GenericClient + Sync),
    entry: &mut E,
) -> Result<Outcome, Error> {
    // None of these tables keeps a time beside its version: the history does.
    Ok(entry.update(client, 0).await?)
}

/// Deletes the row, if it still has this version.
///
/// # Errors
/// [`Error::Conflict`] if it has another, or is gone; [`Error::InUse`] where others name it.
pub async fn delete<E: Ending>(
    client: &(impl GenericClient + Sync),
    entry: &E,
) -> Result<(), Error> {
    match client.execute(E::DELETE, &[&entry.id(), &entry.version()]).await {
        Ok(1..) => Ok(()),
        Ok(0) => Err(conflict::<E>(client, entry.id(), entry.version()).await?.into()),
        Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
            Err(Error::InUse(E::TABLE))
        }
        Err(error) => Err(error.into()),
    }
}

async fn conflict<E: Entry>(
    client: &impl GenericClient,
    id: &str,
    expected: i64,
) -> Result<Conflict, Error> {
    let current = client.query_one(E::CURRENT, &[&id]).await?.try_get(0)?;
    Ok(Conflict { table: E::TABLE, expected, current })
}
