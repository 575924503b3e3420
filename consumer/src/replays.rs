//! Replays: dead letters that were published once more, and what the transaction that applies one
//! says of its letter. Pure.

use std::collections::HashMap;

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

/// What became of one letter's replay, and where that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) letter: Uuid,
    pub(crate) outcome: Outcome,
    /// Partition and offset of the replay.
    pub(crate) place: (i32, i64),
}

/// The replays of a batch: the letter behind each place.
#[derive(Debug, Default)]
pub(crate) struct Replays(HashMap<(i32, i64), Uuid>);

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
        let letter = |record: &Record| {
            let headers = record.headers()?;
            number(&headers)?;
            let id = Uuid::try_parse_ascii(last(&headers, headers::dlq::ID)?).ok()?;
            Some(((record.claim().partition, record.offset()), id))
        };
        Self(records.filter_map(letter).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What became of them; whatever is parked is not settled yet.
    pub(crate) fn settle(
        &self,
        sorted: &Sorted<'_, '_>,
        refused: &[Refusal<'_>],
    ) -> Vec<Settlement> {
        if self.is_empty() {
            return Vec::new();
        }
        let place = |record: &Record| (record.claim().partition, record.offset());
        let collided = sorted.collisions.iter().map(|collision| collision.judged.event.record);
        let applied = sorted.rows.iter().map(|judged| judged.event.record).chain(collided);
        let repeated = sorted.duplicates.iter().map(|duplicate| duplicate.event.record);
        let dead = refused.iter().chain(&sorted.dead).map(|refusal| refusal.record);
        let applied = applied.map(|record| (place(record), Outcome::Resolved));
        let repeated = repeated.map(|record| (place(record), Outcome::Superseded));
        let dead = dead.map(|record| (place(record), Outcome::FailedAgain));
        let mut settled: Vec<Settlement> = applied
            .chain(repeated)
            .chain(dead)
            .filter_map(|(place, outcome)| {
                Some(Settlement { letter: *self.0.get(&place)?, outcome, place })
            })
            .collect();
        settled.sort_unstable_by_key(|one| one.place);
        settled
    }
}

/// The number of a replay; none for what is none.
pub(crate) fn number(headers: &[Header<'_>]) -> Option<u32> {
    let value = last(headers, headers::REPLAY)?;
    Some(std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default())
}
