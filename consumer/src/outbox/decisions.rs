//! What a batch has to say to the doors. Pure.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use schemas::{Decision, DoorCommand, Millis, Outcome, command_id, decision_id, headers};
use uuid::Uuid;

use super::entry::Header;
use super::{Entry, Kind, Place};
use crate::chunk::last;
use crate::decide::Judged;
use crate::decode::Event;
use crate::error::Error;
use crate::store::Sorted;

/// The decisions on the live swipes of a batch, in the order of the log. Only a new row that is
/// granted has a door command: not a collision, and nothing that was there before.
pub(crate) fn decisions(
    sorted: &Sorted<'_, '_>,
    clock: i64,
    command_ttl_ms: u64,
) -> Result<Vec<Entry>, Error> {
    let rows = sorted.rows.iter().map(|judged| (judged, true));
    let collisions = sorted.collisions.iter().map(|collision| (&collision.judged, false));
    let live = rows.chain(collisions).filter_map(|(judged, is_row)| {
        judged.live_at.map(|at_the_door| (judged, is_row, at_the_door))
    });
    let count = live.clone().count();
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut write = Write::new(count, clock, Millis::now());
    let ttl_ms = i64::try_from(command_ttl_ms).unwrap_or(i64::MAX);
    let entries = live.map(|(judged, is_row, since)| {
        let opens = is_row && judged.reasons.is_empty();
        let expires_at = Millis::from_unix_ms(since.unix_ms().saturating_add(ttl_ms));
        write.entry(judged, since, opens.then_some(expires_at))
    });
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_unstable_by_key(|entry| entry.place);
    Ok(entries)
}

/// Writes the messages of one batch. Each needs a handful of small pieces of text: they lie behind
/// one another in blocks, and the value is filled in anew for each.
struct Write {
    block: BytesMut,
    /// Messages that are still to come.
    left: usize,
    decision: Decision,
    decided_at: Bytes,
}

/// Room for the text of any message: its ids are short. One that takes more makes the block grow.
const ENTRY_BYTES: usize = 1_024;
/// Messages that a block has room for at most: one that waits long keeps no more than that alive.
const ENTRIES_MAX: usize = 64;

impl Write {
    fn new(count: usize, clock: i64, decided_at: Millis) -> Self {
        let decision = Decision {
            event_id: Uuid::nil(),
            terminal_id: String::new(),
            decision: Outcome::Denied,
            reasons: Vec::new(),
            permission_clock: clock,
            decided_at,
            command: None,
        };
        let decided_at = decided_at.to_string().into();
        Self { block: BytesMut::new(), left: count, decision, decided_at }
    }

    fn entry(
        &mut self,
        judged: &Judged<'_, '_>,
        since: Millis,
        expires_at: Option<Millis>,
    ) -> Result<Entry, Error> {
        if self.block.capacity() < ENTRY_BYTES {
            self.block = BytesMut::with_capacity(self.left.min(ENTRIES_MAX) * ENTRY_BYTES);
        }
        self.left = self.left.saturating_sub(1);
        let event = judged.event;
        let event_id = event.swipe.event_id;
        let terminal = self.piece(event.swipe.terminal_id.as_bytes());
        let value = self.value(judged, expires_at)?;
        let (partition, offset) = event.place();
        Ok(Entry {
            place: Place { partition, offset, kind: Kind::Decision },
            key: Some(terminal.clone()),
            value: Some(value),
            headers: self.headers(event_id, terminal, event),
            since,
            expires_at,
            waited: event.record.is_kept(),
        })
    }

    fn value(
        &mut self,
        judged: &Judged<'_, '_>,
        expires_at: Option<Millis>,
    ) -> Result<Bytes, Error> {
        let swipe = &judged.event.swipe;
        let decision = &mut self.decision;
        decision.event_id = swipe.event_id;
        decision.terminal_id.clear();
        decision.terminal_id.push_str(&swipe.terminal_id);
        decision.decision =
            if judged.reasons.is_empty() { Outcome::Granted } else { Outcome::Denied };
        decision.reasons.clear();
        decision.reasons.extend(judged.reasons.iter());
        decision.command = expires_at
            .map(|expires_at| DoorCommand { command_id: command_id(swipe.event_id), expires_at });
        serde_json::to_writer((&mut self.block).writer(), decision)
            .map_err(|error| Error::Bug(format!("writing a decision: {error}")))?;
        Ok(self.block.split().freeze())
    }

    /// CloudEvents' binary mode, as a swipe has it, and the swipe's trace.
    fn headers(&mut self, event_id: Uuid, terminal: Bytes, event: &Event<'_>) -> Vec<Header> {
        let mut id = Uuid::encode_buffer();
        let id = decision_id(event_id).hyphenated().encode_lower(&mut id);
        let id = self.piece(id.as_bytes());
        let header = |name, value| (Cow::Borrowed(name), Some(value));
        let fixed = |name, value: &'static str| header(name, Bytes::from_static(value.as_bytes()));
        let mut headers = Vec::with_capacity(7);
        headers.extend([
            fixed(headers::SPEC_VERSION, headers::SPEC_VERSION_1_0),
            header(headers::ID, id),
            header(headers::SOURCE, terminal),
            fixed(headers::TYPE, headers::TYPE_DECISION_V1),
            header(headers::TIME, self.decided_at.clone()),
            fixed(headers::CONTENT_TYPE, headers::CONTENT_TYPE_JSON),
        ]);
        let of_swipe = event.record.headers().unwrap_or_default();
        let trace = last(&of_swipe, headers::TRACEPARENT).and_then(|v| std::str::from_utf8(v).ok());
        if let Some(trace) = trace.filter(|trace| telemetry::trace::is_valid(trace)) {
            headers.push(header(headers::TRACEPARENT, self.piece(trace.as_bytes())));
        }
        headers
    }

    fn piece(&mut self, text: &[u8]) -> Bytes {
        self.block.put_slice(text);
        self.block.split().freeze()
    }
}
