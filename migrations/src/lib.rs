//! The database's schema, as numbered SQL under `sql/`, and the one function that applies it.

use thiserror::Error;
use tokio_postgres::Client;

mod embedded {
    // The macro's own code has neither docs nor our visibility.
    #![allow(missing_docs, unreachable_pub)]
    refinery::embed_migrations!("sql");
}

/// Key of the advisory lock under which migrations run: refinery takes none of its own, and
/// several starters may come at once.
const LOCK: i64 = 7_310_306_016;

/// The schema could not be brought up to date.
#[derive(Debug, Error)]
pub enum Error {
    /// Postgres refused something around the migrations.
    #[error("migrating: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// A migration failed, or the database has one that this program does not know.
    #[error("migrating: {0}")]
    Migration(#[from] Box<refinery::Error>),
}

/// Applies what is missing and returns how many migrations that were. Safe to run from several
/// places at once: one works, the others wait and then find nothing to do.
///
/// # Errors
/// See [`Error`]. A migration that fails leaves the database at the one before it.
pub async fn run(client: &mut Client) -> Result<usize, Error> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let outcome = embedded::migrations::runner().run_async(client).await;
    // The session may live on; the lock must not.
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await?;
    Ok(outcome.map_err(Box::new)?.applied_migrations().len())
}

/// The schema's version that this program is built for.
pub fn latest() -> u32 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(|m| m.version() as u32).max().unwrap_or_default()
}
