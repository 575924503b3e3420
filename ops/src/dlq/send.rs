//! Putting letters under way, at a pace, and waiting for what becomes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use dead_letters::{Action, By, LEASE};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{Error, output};

/// What became of a letter that was to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is a row now, or a collision.
    Resolved,
    /// Its identity was a row already.
    Superseded,
    /// It could not be applied, once more.
    FailedAgain,
    /// Nobody has applied it yet.
    UnderWay,
    /// Somebody else changed it before, or has settled it otherwise meanwhile.
    Overtaken,
    /// An error came between: it may be under way.
    Unknown,
}

/// How fast, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Letters a second at most.
    pub rate_per_s: u32,
    /// How long to wait for outcomes after the last one; zero is not at all.
    pub wait: Duration,
}

/// A letter to be replayed, as it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) id: Uuid,
    pub(super) version: i64,
    /// Replays that had failed.
    pub(super) failed_again: i32,
}

/// Letters of one statement at most: its locks are held for some milliseconds.
const AT_ONCE_MAX: u32 = 500;
/// Between two looks at what became of them.
const LOOK: Duration = Duration::from_millis(200);

/// Puts `letters` under way in their order and waits for what becomes of each. Whatever goes wrong, what
/// is known by then of those that were tried is returned with it: what is under way goes its way.
pub(super) async fn send(
    client: &Client,
    letters: &[Seen],
    by: (&str, &str),
    pace: Pace,
) -> (BTreeMap<Uuid, Outcome>, Result<(), Error>) {
    let mut outcomes = BTreeMap::new();
    let ended = send_all(client, letters, by, pace, &mut outcomes).await;
    (outcomes, ended)
}

async fn send_all(
    client: &Client,
    letters: &[Seen],
    (actor, reason): (&str, &str),
    pace: Pace,
    outcomes: &mut BTreeMap<Uuid, Outcome>,
) -> Result<(), Error> {
    let by = By { actor, action: Action::Replay, reason: Some(reason) };
    let at_once = (pace.rate_per_s / 10).clamp(1, AT_ONCE_MAX);
    let mut ticks = interval(Duration::from_secs(1) * at_once / pace.rate_per_s.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let bar = output::bar(letters.len() as u64);
    let mut open: BTreeMap<Uuid, i32> = BTreeMap::new();
    for chunk in letters.chunks(at_once as usize) {
        ticks.tick().await;
        let wanted: Vec<(Uuid, i64)> = chunk.iter().map(|seen| (seen.id, seen.version)).collect();
        outcomes.extend(chunk.iter().map(|seen| (seen.id, Outcome::Unknown)));
        let begun = dead_letters::replay(client, &wanted, &by, LEASE).await?;
        outcomes.extend(chunk.iter().map(|seen| (seen.id, Outcome::Overtaken)));
        outcomes.extend(begun.iter().map(|id| (*id, Outcome::UnderWay)));
        let begun = chunk.iter().filter(|seen| begun.contains(&seen.id));
        open.extend(begun.map(|seen| (seen.id, seen.failed_again)));
        look(client, &mut open, outcomes).await?;
        bar.set_position((outcomes.len() - open.len()) as u64);
        bar.set_message(format!("{} under way", open.len()));
    }
    let until = Instant::now() + pace.wait;
    while !open.is_empty() && Instant::now() < until {
        sleep(LOOK.min(until - Instant::now())).await;
        look(client, &mut open, outcomes).await?;
        bar.set_position((outcomes.len() - open.len()) as u64);
        bar.set_message(format!("{} under way", open.len()));
    }
    bar.finish_and_clear();
    Ok(())
}

/// Moves what has come to an outcome from `open` to `outcomes`.
async fn look(
    client: &Client,
    open: &mut BTreeMap<Uuid, i32>,
    outcomes: &mut BTreeMap<Uuid, Outcome>,
) -> Result<(), Error> {
    let ids: Vec<Uuid> = open.keys().copied().collect();
    for row in client.query(include_str!("sql/outcomes.sql"), &[&ids]).await? {
        let (id, state, failed_again): (Uuid, &str, i32) = (row.get(0), row.get(1), row.get(2));
        let outcome = match state {
            "resolved" => Outcome::Resolved,
            "superseded" => Outcome::Superseded,
            "open" if open.get(&id).is_some_and(|before| failed_again > *before) => {
                Outcome::FailedAgain
            }
            // Edited or given up when its lease had run out.
            _ => Outcome::Overtaken,
        };
        open.remove(&id);
        outcomes.insert(id, outcome);
    }
    Ok(())
}

impl Outcome {
    pub(super) const ALL: [Self; 6] = [
        Self::Resolved,
        Self::Superseded,
        Self::FailedAgain,
        Self::UnderWay,
        Self::Overtaken,
        Self::Unknown,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Superseded => "superseded",
            Self::FailedAgain => "failed again",
            Self::UnderWay => "still under way",
            Self::Overtaken => "changed by somebody else",
            Self::Unknown => "not known: it may be under way",
        }
    }
}
