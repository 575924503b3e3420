//! Optimistic updates, declared on the type instead of written by hand in each statement.
//!
//! ```
//! use versioned::Versioned;
//!
//! #[derive(Versioned)]
//! #[versioned(table = "user_access")]
//! struct UserAccess {
//!     #[version(key)]
//!     card_id: String,
//!     zones: Vec<String>,
//!     #[version(auto)]
//!     version: i64,
//!     #[version(time)]
//!     changed_at: i64,
//!     #[version(ignore)]
//!     in_force_from: Option<std::time::SystemTime>,
//! }
//! ```
//!
//! | field | in the statement |
//! |---|---|
//! | plain, at least one | `SET zones = $`, and compared: only a change is written |
//! | `#[version(key)]`, one or several | `WHERE card_id = $` |
//! | `#[version(auto)]`, exactly one, `i64` | `SET version = version + 1`, `WHERE version = $expected` |
//! | `#[version(time)]`, at most one, a [`Moment`] | `SET changed_at = $now`, in ms |
//! | `#[version(ignore)]` | not mentioned |
//!
//! A column is named like its field unless `#[version(column = "…")]` says otherwise; names are
//! quoted as they stand. The table is looked up in the session's `search_path`.

mod error;
mod moment;
#[doc(hidden)]
pub mod private;
mod tries;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

pub use error::{Conflict, Error};
pub use moment::Moment;
pub use tries::Tries;
pub use versioned_derive::Versioned;

/// A row that is written only while it still has the version that was read. Derived, never written
/// by hand; the crate's page says how.
pub trait Versioned: Send + Sync {
    /// The table's name, unquoted.
    const TABLE: &'static str;

    /// Writes the row if it has the expected version and differs, and says which version it has
    /// then: the old one, the next one, or null where there is no such version.
    ///
    /// It is one statement, and an update that changes nothing writes nothing: no dead row, no row
    /// trigger, no lock. Both halves see the same snapshot, so a version that is replaced while
    /// this waits for its row counts for neither: null. More than one row is a sub-select with
    /// more than one row, SQLSTATE 21000, at which Postgres takes the whole statement back.
    const UPDATE: &'static str;

    /// Reads the version that stands under the key; null where the row is gone.
    const CURRENT: &'static str;

    /// The version that was read, or that the last update led to.
    fn version(&self) -> i64;

    /// The plain fields: `$1` and on in [`Self::UPDATE`].
    #[doc(hidden)]
    fn values(&self) -> Vec<&(dyn ToSql + Sync)>;

    /// The key fields: after the values in [`Self::UPDATE`], `$1` and on in [`Self::CURRENT`].
    #[doc(hidden)]
    fn key(&self) -> Vec<&(dyn ToSql + Sync)>;

    /// What to write into the time field, where there is one: the last parameter.
    #[doc(hidden)]
    fn time(now_unix_ms: i64) -> Option<Box<dyn ToSql + Send + Sync>>;

    /// Takes over what was written besides the values.
    #[doc(hidden)]
    fn moved_on(&mut self, version: i64, now_unix_ms: i64);

    /// Writes the plain fields to the row with this key, if it still has this version. `now_unix_ms`
    /// goes into the time field, where there is one.
    ///
    /// On [`Outcome::Changed`] this value's version and time are the row's. If the caller's
    /// transaction is rolled back afterwards they are not: read again. A changed row stays locked
    /// until that transaction ends; one that was left unchanged is not locked.
    ///
    /// Values are equal if their column's `=` says so: a `citext` that changes its case only is
    /// unchanged. Types without `=` cannot be plain fields (`json`; `jsonb` can).
    ///
    /// # Errors
    /// [`Error::Conflict`] if the row has another version by now, or is gone: nothing was written,
    /// and a surrounding transaction can go on. After every other error it can only be rolled back,
    /// so that more rows than one ([`Error::NotOneRow`]) are never committed, with or without a
    /// transaction.
    fn update<C: GenericClient + Sync>(
        &mut self,
        client: &C,
        now_unix_ms: i64,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send {
        async move {
            let expected = self.version();
            match write(self, client, expected, now_unix_ms).await? {
                Some(version) if version == expected => Ok(Outcome::Unchanged(version)),
                Some(version) => {
                    self.moved_on(version, now_unix_ms);
                    Ok(Outcome::Changed(version))
                }
                None => {
                    // A statement of its own: the first one's snapshot may be too old to know.
                    let row = client.query_one(Self::CURRENT, &self.key()).await;
                    let current = one_version(Self::TABLE, row)?;
                    Err(Conflict { table: Self::TABLE, expected, current }.into())
                }
            }
        }
    }
}

/// What an update did, with the version that the row has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The row differed and was written: its version is one higher.
    Changed(i64),
    /// The row had these values already: nothing was written.
    Unchanged(i64),
}

impl Outcome {
    /// The row's version after the update.
    pub fn version(self) -> i64 {
        match self {
            Self::Changed(version) | Self::Unchanged(version) => version,
        }
    }
}

async fn write<T: Versioned + ?Sized, C: GenericClient + Sync>(
    row: &T,
    client: &C,
    expected: i64,
    now_unix_ms: i64,
) -> Result<Option<i64>, Error> {
    let time = T::time(now_unix_ms);
    let mut parameters = row.values();
    parameters.extend(row.key());
    parameters.push(&expected);
    if let Some(time) = &time {
        parameters.push(&**time);
    }
    one_version(T::TABLE, client.query_one(T::UPDATE, &parameters).await)
}

/// The one value of the one row that both statements return.
fn one_version(
    table: &'static str,
    row: Result<Row, tokio_postgres::Error>,
) -> Result<Option<i64>, Error> {
    row.and_then(|row| row.try_get(0)).map_err(|source| match source.code() {
        Some(&SqlState::CARDINALITY_VIOLATION) => Error::NotOneRow { table, source },
        _ => Error::Postgres { table, source },
    })
}
