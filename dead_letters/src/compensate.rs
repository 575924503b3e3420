use std::time::Duration;

use resilience::Backoff;
use schemas::DeadLetterReason;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::act::{By, REPLAY_BYTES_MAX, replay};
use crate::{Action, Error, LEASE};

/// How the compensator goes about a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round<'a> {
    /// Who does it, for the record.
    pub actor: &'a str,
    /// Letters that one round takes at most.
    pub limit: u32,
    /// How long the outcome of each is waited for.
    pub lease: Duration,
    /// Replays that a letter gets without being asked for.
    pub tries_max: u32,
    /// How long to wait from one to the next: full jitter.
    pub backoff: Backoff,
}

impl Default for Round<'_> {
    /// 8 tries, from 10 s apart on: once its cause has healed, all of them within half an hour.
    fn default() -> Self {
        Self {
            actor: "compensator",
            limit: 200,
            lease: LEASE,
            tries_max: 8,
            backoff: Backoff { base_ms: 10_000, cap_ms: 3_600_000 },
        }
    }
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compensated {
    /// Letters that were put under way.
    pub replayed: Vec<Uuid>,
    /// Letters, of any round, that were given all their tries and are open still: somebody has to
    /// look at them.
    pub given_up_total: i64,
    /// Letters that will be tried when what was wrong has healed, or when their time has come.
    pub waiting_total: i64,
}

/// One round: replays letters whose turn it is and whose cause has healed, and sets the time of
/// their next turn, in one transaction. What another round holds is passed over, so any number may
/// run at once.
///
/// Causes that heal are those of [`DeadLetterReason::heals`]: an unknown terminal, when it is
/// registered; a time out of range, when it lies between the oldest day kept and a day from now.
///
/// # Errors
/// Postgres' own; then nothing was done.
pub async fn compensate(client: &mut Client, round: &Round<'_>) -> Result<Compensated, Error> {
    let (limit, tries_max) = (i64::from(round.limit), number(round.tries_max));
    let terminal = DeadLetterReason::UnknownTerminal.as_str();
    let range = DeadLetterReason::OccurredAtOutOfRange.as_str();
    let transaction = client.transaction().await?;
    let healed = include_str!("sql/healed.sql");
    let rows = transaction
        .query(healed, &[&terminal, &range, &tries_max, &limit, &REPLAY_BYTES_MAX])
        .await?;
    let healed: Vec<(Uuid, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let by = By { actor: round.actor, action: Action::Compensate, reason: None };
    let replayed = replay(&transaction, &healed, &by, round.lease).await?;
    if !replayed.is_empty() {
        let (base_ms, cap_ms) = (ms(round.backoff.base_ms), ms(round.backoff.cap_ms));
        let next_turn = include_str!("sql/next_turn.sql");
        transaction.execute(next_turn, &[&replayed, &tries_max, &base_ms, &cap_ms]).await?;
    }
    let row = transaction.query_one(include_str!("sql/left.sql"), &[&tries_max]).await?;
    transaction.commit().await?;
    Ok(Compensated { replayed, given_up_total: row.get(0), waiting_total: row.get(1) })
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn ms(ms: u64) -> f64 {
    ms as f64
}
