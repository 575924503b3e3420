use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use tokio_postgres::{Client, GenericClient, Transaction};

use crate::Error;
use crate::day::Day;
use crate::taken::Taken;

/// How a round of folding goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Events whose deltas one round takes, but for those of the last one.
    pub events_max: u32,
    /// Times that a round looks through a day for numbers that came before; what is left then, is left
    /// to the next one. At least one.
    pub lookups_max: u32,
    /// How many times as long as a round took none is made, by nobody; but no more than an hour.
    pub rest: u32,
    /// How long each of its statements may take; after that time it looks through no more days.
    pub timeout: Duration,
}

impl Default for Round {
    fn default() -> Self {
        let timeout = Duration::from_secs(120);
        Self { events_max: 500_000, lookups_max: 8, rest: 4, timeout }
    }
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// Events whose counters were taken into the ledger.
    pub events: usize,
    /// Terminals of which a number was found to be two swipes', in order.
    pub reused: Vec<Reused>,
    /// Whether it took as much as it may, so that there may be more.
    pub is_full: bool,
    /// Whether a day could not be looked through within the round's timeout; it will be tried again.
    pub is_slow: bool,
    /// Events whose deltas wait still.
    pub waiting: i64,
}

/// A terminal that has given numbers twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reused {
    /// The terminal.
    pub terminal_id: String,
    /// How many conflicts were written.
    pub conflicts: usize,
}

/// Deltas of one round, at most.
const DELTAS_MAX: i64 = 10_000;

/// One round: takes deltas into the ledger, and writes a conflict for each event of theirs whose number
/// another event has. In one transaction; nothing is done while another round is under way or rests.
///
/// # Errors
/// Postgres' own; then nothing was done, and the next one rests, too.
pub async fn fold(client: &mut Client, round: &Round) -> Result<Folded, Error> {
    let (began, mut is_ours) = (Instant::now(), false);
    let made = transact(client, round, &mut is_ours).await;
    if made.is_err() && is_ours {
        // What has failed after a long time would fail again. Where the session is gone, this does, too.
        let seconds = began.elapsed().as_secs_f64() * f64::from(round.rest);
        drop(client.execute(REST, &[&seconds]).await);
    }
    made
}

/// Events whose deltas wait.
///
/// # Errors
/// Postgres' own.
pub async fn waiting(client: &impl GenericClient) -> Result<i64, Error> {
    let sql = "SELECT coalesce(sum(events), 0)::bigint FROM ledger_delta";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Lets nobody make a round for so many seconds.
const REST: &str = "UPDATE ledger_fold SET next_at = clock_timestamp() + \
                    least($1 * interval '1 second', interval '1 hour')";

/// `is_ours` says whether a round was begun.
async fn transact(client: &mut Client, round: &Round, is_ours: &mut bool) -> Result<Folded, Error> {
    let began = Instant::now();
    let mut transaction = client.transaction().await?;
    // Whatever suits a session's other work: days are looked through here, for long arrays.
    let settings = format!(
        "SET LOCAL statement_timeout = {}; SET LOCAL work_mem = '64MB'; \
         SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; \
         SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; \
         SET LOCAL plan_cache_mode = force_custom_plan",
        round.timeout.as_millis()
    );
    transaction.batch_execute(&settings).await?;
    let mut folded = Folded::default();
    // Whoever compares a delta with the ledger must have those before it in there. (A clock that was far
    // ahead says nothing.)
    let turn = "SELECT next_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '2 h' \
                FROM ledger_fold FOR UPDATE SKIP LOCKED";
    let turn = transaction.query_opt(turn, &[]).await?;
    if turn.is_none() {
        // Another has it, unless nobody can.
        let turns = transaction.query_one("SELECT count(*) FROM ledger_fold", &[]).await?;
        if turns.get::<_, i64>(0) == 0 {
            return Err(Error::NoTurn);
        }
    }
    *is_ours = turn.is_some_and(|row| row.get(0));
    if *is_ours {
        folded = fold_all(&mut transaction, round, began).await?;
        let rest = began.elapsed().as_secs_f64() * f64::from(round.rest);
        transaction.execute(REST, &[&rest]).await?;
    }
    folded.waiting = waiting(&transaction).await?;
    transaction.commit().await?;
    Ok(folded)
}

async fn fold_all(
    transaction: &mut Transaction<'_>,
    round: &Round,
    began: Instant,
) -> Result<Folded, Error> {
    let oldest_day = "SELECT oldest_day - date 'epoch' FROM retention";
    let oldest_day: i32 = transaction.query_one(oldest_day, &[]).await?.get(0);
    let take = include_str!("sql/take_deltas.sql");
    let deltas = transaction.query(take, &[&i64::from(round.events_max), &DELTAS_MAX]).await?;
    let taken = Taken::read(&deltas)?;
    // What days that are gone gave, nobody asks for. The others' order is another one each time, so that
    // looks come to all of them.
    let mut days: Vec<_> = taken.days.range(oldest_day..).collect();
    days.shuffle(&mut rand::rng());
    let mut lookups = (round.lookups_max as usize).max(1);
    let mut folded = Folded {
        is_full: deltas.len() as i64 == DELTAS_MAX || taken.events >= round.events_max as usize,
        ..Folded::default()
    };
    let mut reused = BTreeMap::new();
    for (day, groups) in days {
        if folded.is_slow || began.elapsed() > round.timeout {
            lookups = 0;
        }
        let mut day = Day::new(*day, oldest_day, groups);
        day.search(transaction, lookups).await?;
        let may_look = || match lookups.checked_sub(1) {
            Some(left) if began.elapsed() <= round.timeout => {
                lookups = left;
                true
            }
            _ => false,
        };
        folded.is_slow |= !day.name(transaction, may_look, &mut reused).await?;
        folded.events += day.write(transaction).await?;
    }
    let reused = reused.into_iter();
    folded.reused =
        reused.map(|(terminal_id, conflicts)| Reused { terminal_id, conflicts }).collect();
    Ok(folded)
}
