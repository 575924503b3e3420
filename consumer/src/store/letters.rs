//! Dead letters: written with the batch that gives an event up, and what becomes of them when a
//! replay comes by.

use std::collections::HashSet;

use futures::future::try_join_all;
use registry::Timestamptz;
use schemas::{DeadLetterHeaders, Millis, Swipe, dead_letter_id, headers};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Transaction;
use crate::chunk::Record;
use crate::decode::Refusal;
use crate::error::Error;
use crate::replays::{self, Outcome, Settlement};

/// What every dead letter of a log has in common.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Namespace of their ids.
    pub(crate) log_id: Uuid,
    pub(crate) topic: String,
    pub(crate) group: String,
}

/// Dead letters under way at once.
const AT_ONCE: usize = 256;
/// Kafka timestamps that Postgres can hold: 1970 to 9999.
const SANE: std::ops::Range<Millis> =
    Millis::from_unix_ms(0)..Millis::from_unix_ms(253_402_300_800_000);
/// Bytes of original headers that the topic of the dead letters gets; the table keeps them all.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an original value, and of its key, that the topic of the dead letters gets: a record takes
/// 8 MiB with everything. The table keeps them whole. No card has a key that long.
const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;
const KEY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a message in words.
const MESSAGE_BYTES_MAX: usize = 1_024;

impl Transaction<'_> {
    /// Writes the dead letters, with their original bytes, and to the outbox what the topic of the
    /// dead letters is to get. An offset that has its dead letter already keeps it.
    pub(crate) async fn insert_dead(
        &self,
        dead: &[Refusal<'_>],
        origin: &Origin,
    ) -> Result<(), Error> {
        if dead.is_empty() {
            return Ok(());
        }
        let doing = "writing dead_letter";
        let sql = include_str!("../sql/insert_dead_letter.sql");
        let statement = self.inner.prepare(sql).await.map_err(Error::postgres(doing))?;
        for some in dead.chunks(AT_ONCE) {
            // Polled together, the statements are pipelined.
            try_join_all(
                some.iter().map(|refusal| self.insert_one_dead(&statement, refusal, origin)),
            )
            .await
            .map_err(Error::postgres(doing))?;
        }
        Ok(())
    }

    async fn insert_one_dead(
        &self,
        statement: &Statement,
        refusal: &Refusal<'_>,
        origin: &Origin,
    ) -> Result<u64, tokio_postgres::Error> {
        let (record, cause) = (refusal.record, &refusal.cause);
        let partition = record.claim().partition;
        let stage = cause.reason.stage().as_str();
        let id = id(record, refusal, origin);
        let headers = record.headers().unwrap_or_default();
        let replay = replays::number(&headers);
        let message = message(&cause.message);
        let about = DeadLetterHeaders {
            topic: origin.topic.clone(),
            partition,
            offset: record.offset(),
            group: origin.group.clone(),
            delivery_count: cause.tries.max(1),
            message: message.clone(),
            id,
            stage: cause.reason.stage(),
            reason: cause.reason,
            replay_count: replay.unwrap_or_default(),
        };
        let mut about = about.to_headers().to_vec();
        let size =
            |(name, value): &(&[u8], Option<&[u8]>)| name.len() + value.map_or(0, <[u8]>::len);
        let fits = headers.iter().map(size).sum::<usize>() <= HEADER_BYTES_MAX;
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let key_fits = length(record.key()) <= KEY_BYTES_MAX;
        let value_fits = length(record.value()) <= VALUE_BYTES_MAX;
        let omitted = [(!key_fits, "key"), (!value_fits, "value"), (!fits, "headers")];
        let omitted: Vec<&str> = omitted.iter().filter(|(is, _)| *is).map(|(_, n)| *n).collect();
        if !omitted.is_empty() {
            about.push((headers::dlq::OMITTED, omitted.join(", ")));
        }
        let (about_names, about_values): (Vec<&[u8]>, Vec<&[u8]>) =
            about.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).unzip();
        let (names, values): (Vec<&[u8]>, Vec<Option<&[u8]>>) = headers.into_iter().unzip();
        let published_at = sane(record.published_at());
        let swipe = record.value().and_then(readable);
        let event_id = swipe.as_ref().map(|swipe| swipe.event_id);
        let card_id = swipe.as_ref().map(|swipe| &*swipe.card_id);
        let terminal_id = swipe.as_ref().map(|swipe| &*swipe.terminal_id);
        let occurred_at = swipe.as_ref().map(|swipe| Timestamptz(swipe.occurred_at));
        let tries = i32::try_from(cause.tries.max(1)).unwrap_or(i32::MAX);
        let heals = cause.reason.heals() && replay.is_none();
        let parameters: [&(dyn ToSql + Sync); 23] = [
            &id,
            &partition,
            &record.offset(),
            &stage,
            &cause.reason.as_str(),
            &message,
            &record.key(),
            &record.value(),
            &names,
            &values,
            &published_at,
            &cause.sqlstate,
            &tries,
            &event_id,
            &card_id,
            &terminal_id,
            &occurred_at,
            &heals,
            &about_names,
            &about_values,
            &fits,
            &key_fits,
            &value_fits,
        ];
        self.inner.execute(statement, &parameters).await
    }

    /// Settles the letters whose replays these are: resolved, superseded, or open again, where the
    /// replay has become a dead letter itself, which is merged into the first. Letters that do not
    /// wait for this replay are left alone.
    pub(crate) async fn settle(&self, settlements: &[Settlement], by: &str) -> Result<(), Error> {
        if settlements.is_empty() {
            return Ok(());
        }
        // Of one replay that was published twice, the first counts.
        let mut seen = HashSet::new();
        let first: Vec<&Settlement> =
            settlements.iter().filter(|one| seen.insert(one.replay)).collect();
        let letters: Vec<Uuid> = first.iter().map(|one| one.replay.letter).collect();
        let versions: Vec<i64> = first.iter().map(|one| one.replay.version).collect();
        let states: Vec<&str> = first.iter().map(|one| one.outcome.state()).collect();
        let partitions: Vec<i32> = first.iter().map(|one| one.place.0).collect();
        let offsets: Vec<i64> = first.iter().map(|one| one.place.1).collect();
        let sql = include_str!("../sql/settle_letters.sql");
        self.inner
            .execute(sql, &[&letters, &states, &partitions, &offsets, &by, &versions])
            .await
            .map_err(Error::postgres("settling dead_letter"))?;
        self.merge(settlements).await
    }

    async fn merge(&self, settlements: &[Settlement]) -> Result<(), Error> {
        let failed = settlements.iter().filter(|one| one.outcome == Outcome::FailedAgain);
        let (letters, places): (Vec<Uuid>, Vec<(i32, i64)>) =
            failed.map(|one| (one.replay.letter, one.place)).unzip();
        if letters.is_empty() {
            return Ok(());
        }
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = places.into_iter().unzip();
        let sql = include_str!("../sql/merge_letters.sql");
        self.inner
            .execute(sql, &[&letters, &partitions, &offsets])
            .await
            .map_err(Error::postgres("merging dead_letter"))?;
        Ok(())
    }
}

/// A Kafka timestamp: whoever publishes sets it, to anything.
pub(super) fn sane(published_at: Option<Millis>) -> Option<Timestamptz> {
    published_at.filter(|at| SANE.contains(at)).map(Timestamptz)
}

fn id(record: &Record, refusal: &Refusal<'_>, origin: &Origin) -> Uuid {
    let stage = refusal.cause.reason.stage().as_str();
    dead_letter_id(origin.log_id, record.claim().partition, record.offset(), stage)
}

/// What a value says, if it is a swipe at all.
fn readable(value: &[u8]) -> Option<Swipe<'_>> {
    Swipe::decode_canonical(value).or_else(|| Swipe::decode(value).ok())
}

/// In words, as columns and headers take them: text of Postgres holds no NUL.
fn message(text: &str) -> String {
    let mut message: String = text.chars().filter(|c| !c.is_control()).collect();
    let end =
        (0..=MESSAGE_BYTES_MAX.min(message.len())).rev().find(|i| message.is_char_boundary(*i));
    message.truncate(end.unwrap_or_default());
    message
}
