//! Replays: dead letters that were published once more, and what the transaction that applies one
//! says of its letter. Pure.

use std::collections::{HashMap, HashSet};

use schemas::headers;
use uuid::Uuid;

use crate::chunk::{Header, Record, last};
use crate::decode::Refusal;
use crate::store::Sorted;

/// What became of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was applied.
    Resolved,
    /// Its identity had become a row meanwhile.
    Superseded,
    /// It is a dead letter itself.
    FailedAgain,
}

/// What a record says of the letter whose replay it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Replay {
    pub(crate) letter: Uuid,
    /// That the letter got with it.
    pub(crate) version: i64,
}

/// What became of one letter's replay, and where that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) replay: Replay,
    pub(crate) outcome: Outcome,
    /// Partition and offset of the replay.
    pub(crate) place: (i32, i64),
}

/// The replays of a batch, by their places; those that fail again are not looked for here.
#[derive(Debug, Default)]
pub(crate) struct Replays(HashMap<(i32, i64), Replay>);

impl Outcome {
    /// The state that the letter has then.
    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Superseded => "superseded",
            Self::FailedAgain => "open",
        }
    }
}

impl Replays {
    /// Finds them among some records. To be asked only while some letter is being replayed: to look
    /// at the headers of every record costs as much as everything else that is done with it.
    pub(crate) fn find<'r>(records: impl Iterator<Item = &'r Record>) -> Self {
        Self(records.filter_map(|record| Some((place(record), Replay::of(record)?))).collect())
    }

    /// What became of them; whatever is parked is not settled yet, and what had its outcome before,
    /// its offset being in `settled`, is not news.
    pub(crate) fn settle(
        &self,
        sorted: &Sorted<'_, '_>,
        refused: &[Refusal<'_>],
        settled: &HashSet<(i32, i64)>,
    ) -> Vec<Settlement> {
        let collided = sorted.collisions.iter().map(|collision| collision.judged.event.record);
        // Mostly there is none, and there may be 50,000 rows.
        let is_any = !self.0.is_empty();
        let rows = sorted.rows.iter().filter(|_| is_any);
        let applied = rows.map(|judged| judged.event.record).chain(collided);
        let repeated = sorted.duplicates.iter().map(|duplicate| duplicate.event.record);
        let dead = refused.iter().chain(&sorted.dead).map(|refusal| refusal.record);
        let applied = applied.map(|record| (place(record), Outcome::Resolved));
        let repeated = repeated.map(|record| (place(record), Outcome::Superseded));
        let known = applied.chain(repeated).filter_map(|(place, outcome)| {
            Some(Settlement { replay: *self.0.get(&place)?, outcome, place })
        });
        // They are few: each says itself what it is, also when no letter waits for it any more, as
        // where the database was put back.
        let dead = dead.filter(|record| !settled.contains(&place(record))).filter_map(|record| {
            let (replay, place) = (Replay::of(record)?, place(record));
            Some(Settlement { replay, outcome: Outcome::FailedAgain, place })
        });
        let mut settlements: Vec<Settlement> = known.chain(dead).collect();
        settlements.sort_unstable_by_key(|one| one.place);
        settlements
    }
}

impl Replay {
    fn of(record: &Record) -> Option<Self> {
        let headers = record.headers()?;
        number(&headers)?;
        let letter = Uuid::try_parse_ascii(last(&headers, headers::dlq::ID)?).ok()?;
        let version = std::str::from_utf8(last(&headers, headers::dlq::VERSION)?).ok()?;
        Some(Self { letter, version: version.parse().ok()? })
    }
}

fn place(record: &Record) -> (i32, i64) {
    (record.claim().partition, record.offset())
}

/// The number of a replay; none for what is none.
pub(crate) fn number(headers: &[Header<'_>]) -> Option<u32> {
    let value = last(headers, headers::REPLAY)?;
    Some(std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default())
}
