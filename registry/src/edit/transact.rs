use std::num::NonZeroU32;

use resilience::Backoff;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};
use versioned::Tries;

use super::Error;

/// How often an edit that met a conflict is made again, from reading on.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Tries in all, the first included.
    pub tries_max: NonZeroU32,
    /// What to wait between two.
    pub backoff: Backoff,
}

impl Default for Retry {
    /// Edits are rare and short: whoever meets five conflicts in a row fights with a program.
    fn default() -> Self {
        let tries_max = NonZeroU32::MIN.saturating_add(4);
        Self { tries_max, backoff: Backoff { base_ms: 20, cap_ms: 500 } }
    }
}

impl Retry {
    /// The first conflict is the end of it: for edits of a version that the caller has seen.
    pub fn never() -> Self {
        Self { tries_max: NonZeroU32::MIN, ..Self::default() }
    }
}

/// What the optimistic updates of a command came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Conflicts that were met.
    pub failures: u32,
    /// How often it was tried again: after conflicts, and after deadlocks.
    pub retries: u32,
}

/// Runs `step` in a transaction and commits it; after a conflict the whole again, from its first
/// read on, with growing random pauses. `tally` counts, whatever comes of it.
///
/// # Errors
/// What `step` returned last, or Postgres' own; nothing was written then, unless the connection broke
/// in the commit itself.
pub async fn transact<R>(
    client: &mut Client,
    retry: Retry,
    tally: &mut Tally,
    step: impl AsyncFn(&Transaction<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let mut tries = Tries::at_most(retry.tries_max);
    loop {
        let transaction = client.transaction().await?;
        let end = match step(&transaction).await {
            // The stamp of the permission clock is made here, and may meet others.
            Ok(value) => transaction.commit().await.map(|()| value).map_err(Error::from),
            // Taken back when the transaction is dropped.
            Err(error) => Err(error),
        };
        let error = match end {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let is_conflict = matches!(error, Error::Conflict(_));
        tally.failures += u32::from(is_conflict);
        if !(is_conflict || is_contention(&error)) || !tries.again() {
            return Err(error);
        }
        tally.retries += 1;
        let pause = retry.backoff.delay(tries.conflicts(), &mut rand::rng());
        tokio::time::sleep(pause).await;
    }
}

/// Whether Postgres has chosen this transaction to give way to another.
fn is_contention(error: &Error) -> bool {
    let Error::Postgres(source) = error else { return false };
    let code = source.code();
    code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
        || code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
}
