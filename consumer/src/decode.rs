//! Bytes to event, or to the reason why not. Pure.

use registry::{Cache, Slot};
use schemas::{DeadLetterReason, Digest, EVENT_BYTES_MAX, Millis, Swipe, digest_of_swipe, headers};
use uuid::Uuid;

use crate::chunk::{Record, last};
use crate::fold::{Candidate, Key, Payload, Standing, Stood};

/// A swipe with its place in the log.
#[derive(Debug, Clone)]
pub(crate) struct Event<'a> {
    pub(crate) record: &'a Record,
    partition: i32,
    offset: i64,
    /// Its number among the events that its batch is to decide: given once those are known.
    pub(crate) nth: u32,
    pub(crate) swipe: Swipe<'a>,
    /// The card, as the writer's cache numbers it.
    pub(crate) card: Slot,
    /// The terminal, likewise.
    pub(crate) terminal: Slot,
    /// Of offset and swipe.
    pub(crate) digest: Digest,
}

/// A record that was read: all of an event but the numbers of its names.
#[derive(Debug)]
pub(crate) struct Read<'a> {
    pub(crate) record: &'a Record,
    pub(crate) swipe: Swipe<'a>,
    /// Of offset and swipe.
    pub(crate) digest: Digest,
}

/// Why a record cannot be applied.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) reason: DeadLetterReason,
    /// In words; never quotes the card.
    pub(crate) message: String,
    /// What Postgres said, where it was Postgres.
    pub(crate) sqlstate: Option<String>,
    /// How often it was tried.
    pub(crate) tries: u32,
}

/// A record that cannot be applied.
#[derive(Debug, Clone)]
pub(crate) struct Refusal<'a> {
    pub(crate) record: &'a Record,
    pub(crate) cause: Cause,
}

impl<'a> Read<'a> {
    /// With the numbers that `cache` gives its names.
    pub(crate) fn numbered(self, cache: &mut Cache) -> Event<'a> {
        let Self { record, swipe, digest } = self;
        let (partition, offset) = (record.claim().partition, record.offset());
        let (card, terminal) = (cache.card(&swipe.card_id), cache.terminal(&swipe.terminal_id));
        Event { record, partition, offset, nth: 0, swipe, card, terminal, digest }
    }
}

impl Event<'_> {
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// Partition and offset.
    pub(crate) fn place(&self) -> (i32, i64) {
        (self.partition, self.offset)
    }

    /// The key at which it has, or would have, its row.
    pub(crate) fn key(&self) -> Key {
        (self.swipe.occurred_at, self.card)
    }

    /// What it is to [`Fold`](crate::fold::Fold).
    pub(crate) fn candidate(&self) -> Candidate {
        let stands =
            Stood { offset: self.offset, payload: Payload::of(&self.swipe, self.terminal) };
        Candidate { nth: self.nth, key: self.key(), event_id: self.swipe.event_id, stands }
    }

    /// Whether it stands in the tables already.
    pub(crate) fn stands(&self, standing: &Standing) -> bool {
        standing.holds(self.nth, self.key(), self.swipe.event_id)
    }

    /// Whether it carries a replay header, or headers that nobody can read: it corrects history and
    /// never opens a door.
    pub(crate) fn is_replay(&self) -> bool {
        let headers = self.record.headers();
        headers.is_none_or(|all| all.iter().any(|(name, _)| *name == headers::REPLAY.as_bytes()))
    }
}

impl Cause {
    pub(crate) fn new(reason: DeadLetterReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), sqlstate: None, tries: 1 }
    }

    /// The days that are kept hold no place for it.
    pub(crate) fn outside() -> Self {
        let message = "occurred_at: must lie between the oldest day kept and a day from now; \
                       `gatelog setup --keep-from` moves the oldest day, but not to one that was \
                       given up";
        Self::new(DeadLetterReason::OccurredAtOutOfRange, message)
    }

    /// Nobody has registered the terminal.
    pub(crate) fn unknown_terminal() -> Self {
        let message = "terminal_id: no such terminal is registered";
        Self::new(DeadLetterReason::UnknownTerminal, message)
    }

    /// Postgres refuses its row.
    pub(crate) fn bad_row(sqlstate: &str, said: &str) -> Self {
        let message = format!("Postgres refuses the row: {said} (SQLSTATE {sqlstate})");
        let sqlstate = Some(sqlstate.to_owned());
        Self { sqlstate, ..Self::new(DeadLetterReason::BadRow, message) }
    }

    /// Postgres has refused the rows of its terminal, one after the other.
    pub(crate) fn quarantined(sqlstate: &str) -> Self {
        let message = "Postgres has refused three rows of this terminal in a row: its events are \
                       not tried until its registration changes";
        let sqlstate = Some(sqlstate.to_owned());
        Self { sqlstate, ..Self::new(DeadLetterReason::BadRow, message) }
    }

    /// Its dead letter stands, and says why.
    pub(crate) fn settled() -> Self {
        Self::undecodable("this offset has its dead letter")
    }

    fn undecodable(message: impl Into<String>) -> Self {
        Self::new(DeadLetterReason::Undecodable, message)
    }
}

/// The days whose events are taken: from the oldest day kept to a day from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) oldest: Millis,
    pub(crate) newest: Millis,
}

impl Window {
    /// How far ahead of our clock an event may lie, in ms.
    const AHEAD_MS: i64 = 86_400_000;

    pub(crate) fn new(oldest: Millis, now: Millis) -> Self {
        Self { oldest, newest: Millis::from_unix_ms(now.unix_ms() + Self::AHEAD_MS) }
    }

    pub(crate) fn holds(&self, at: Millis) -> bool {
        (self.oldest..=self.newest).contains(&at)
    }
}

/// Reads one record of a log with `partitions` partitions.
pub(crate) fn decode(record: &Record, partitions: i32) -> Result<Read<'_>, Cause> {
    let value = record.value().ok_or_else(|| Cause::undecodable("the record has no value"))?;
    if value.len() > EVENT_BYTES_MAX {
        let message = format!("the value has {} bytes, may have {EVENT_BYTES_MAX}", value.len());
        return Err(Cause::new(DeadLetterReason::Oversize, message));
    }
    let swipe = match Swipe::decode_canonical(value) {
        Some(swipe) => swipe,
        None => decode_with_headers(record, value)?,
    };
    if record.key() != Some(swipe.card_id.as_bytes()) {
        let message = "the record's key is not its card_id";
        return Err(Cause::new(DeadLetterReason::WrongKey, message));
    }
    let owed = schemas::partition_of(swipe.card_id.as_bytes(), partitions);
    let (partition, offset) = (record.claim().partition, record.offset());
    if owed != partition {
        let message = format!("the key belongs to partition {owed} (murmur2)");
        return Err(Cause::new(DeadLetterReason::WrongPartition, message));
    }
    let digest = digest_of_swipe(offset, &swipe);
    Ok(Read { record, swipe, digest })
}

/// A value that does not say by itself what it is: the headers must, and must agree with it.
#[cold]
fn decode_with_headers<'a>(record: &Record, value: &'a [u8]) -> Result<Swipe<'a>, Cause> {
    let Some(headers) = record.headers() else {
        return Err(Cause::undecodable("the headers are more than 64, or a name is not UTF-8"));
    };
    if last(&headers, headers::TYPE) != Some(headers::TYPE_SWIPE_V1.as_bytes()) {
        let message = format!("{} is not {}", headers::TYPE, headers::TYPE_SWIPE_V1);
        return Err(Cause::new(DeadLetterReason::UnknownType, message));
    }
    let swipe = Swipe::decode(value).map_err(|invalid| Cause::undecodable(invalid.to_string()))?;
    let id = last(&headers, headers::ID).and_then(|id| Uuid::try_parse_ascii(id).ok());
    if id != Some(swipe.event_id) {
        return Err(Cause::undecodable(format!("{} is not the value's event_id", headers::ID)));
    }
    Ok(swipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Chunk, Claim};

    const VALUE: &str = r#"{"event_id":"0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11","card_id":"21",
        "terminal_id":"t1","occurred_at":"2026-03-01T08:00:00.000Z",
        "received_at":"2026-03-01T08:00:00.020Z","mode":"online","age_ms":12}"#;
    const ID: &str = "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11";

    /// What becomes of a record of a log with four partitions.
    fn outcome(
        key: &[u8],
        value: Option<&[u8]>,
        ce_type: &str,
        id: &str,
    ) -> Option<DeadLetterReason> {
        let partition = schemas::partition_of(b"21", 4);
        let mut chunk = Chunk::default();
        let claim = Claim { partition, owner: Uuid::nil() };
        let headers = [(headers::TYPE, ce_type.as_bytes()), (headers::ID, id.as_bytes())];
        chunk.push_parts(claim, 5, Some(key), value, &headers);
        let record = &chunk.records()[0];
        decode(record, 4).err().map(|cause| cause.reason)
    }

    #[test]
    fn each_fault_has_its_reason() {
        use DeadLetterReason as R;
        let (swipe, v1) = (Some(VALUE.as_bytes()), headers::TYPE_SWIPE_V1);
        assert_eq!(outcome(b"21", swipe, v1, ID), None);
        assert_eq!(outcome(b"21", swipe, v1, &ID.to_uppercase()), None);
        assert_eq!(outcome(b"21", None, v1, ID), Some(R::Undecodable));
        assert_eq!(outcome(b"21", Some(b"\xff\x00{"), v1, ID), Some(R::Undecodable));
        assert_eq!(outcome(b"21", swipe, "gatelog.swipe.v2", ID), Some(R::UnknownType));
        assert_eq!(outcome(b"22", swipe, v1, ID), Some(R::WrongKey));
        assert_eq!(outcome(b"21", swipe, v1, "x"), Some(R::Undecodable));
        let large = vec![b' '; EVENT_BYTES_MAX + 1];
        assert_eq!(outcome(b"21", Some(&large), v1, ID), Some(R::Oversize));
        let (other, n) = (VALUE.replace("\"21\"", "\"foobar\""), 4);
        assert_ne!(schemas::partition_of(b"foobar", n), schemas::partition_of(b"21", n));
        assert_eq!(outcome(b"foobar", Some(other.as_bytes()), v1, ID), Some(R::WrongPartition));
    }

    #[test]
    fn the_window_ends_a_day_from_now() {
        let window = Window::new(Millis::from_unix_ms(0), Millis::from_unix_ms(10));
        assert!(window.holds(Millis::from_unix_ms(0)) && !window.holds(Millis::from_unix_ms(-1)));
        assert!(window.holds(Millis::from_unix_ms(86_400_010)));
        assert!(!window.holds(Millis::from_unix_ms(86_400_011)));
    }
}
