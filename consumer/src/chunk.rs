//! Records on their way from the reader to a writer, copied out of librdkafka's memory once.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers as _};
use schemas::{Millis, headers};
use uuid::Uuid;

/// The right to advance one partition, until somebody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) partition: i32,
    pub(crate) owner: Uuid,
}

/// Offsets from `first` to before `end` that hold no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) first: i64,
    pub(crate) end: i64,
}

/// One record as it lies in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    chunk: &'a Chunk,
    slot: &'a Slot,
}

/// A few thousand records of any partitions of one writer, in the order they came in.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    headers: Vec<HeaderSlot>,
    gaps: Vec<(Claim, Gap)>,
}

/// Records a chunk holds at most.
const RECORDS_MAX: usize = 2_048;
/// Headers one record may have: a few of ours, a few of others'. A broker would take 100,000, which
/// cost nothing there and a lot here.
const HEADERS_MAX: usize = 64;
/// Bytes from which on a chunk takes no more.
const BYTES_MAX: usize = 2 * 1024 * 1024;

type Span = Range<u32>;

#[derive(Debug)]
struct Slot {
    claim: Claim,
    offset: i64,
    published_at: Option<Millis>,
    key: Option<Span>,
    value: Option<Span>,
    headers: Span,
    headers_readable: bool,
}

#[derive(Debug)]
struct HeaderSlot {
    name: Name,
    value: Option<Span>,
}

/// A header's name. Nearly all are of our own, and need no copy.
#[derive(Debug)]
enum Name {
    Known(&'static str),
    Other(Span),
}

impl Chunk {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.gaps.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.slots.len() >= RECORDS_MAX || self.bytes_len() >= BYTES_MAX
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes.len() + self.headers.len() * size_of::<HeaderSlot>()
    }

    pub(crate) fn gaps(&self) -> &[(Claim, Gap)] {
        &self.gaps
    }

    pub(crate) fn push_gap(&mut self, claim: Claim, gap: Gap) {
        self.gaps.push((claim, gap));
    }

    /// Copies a message.
    pub(crate) fn push(&mut self, claim: Claim, message: &BorrowedMessage<'_>) {
        let first_header = self.headers.len();
        let kept = self.bytes.len();
        // rdkafka panics on a header name that is not UTF-8, which anyone can publish: such a
        // record is to become a dead letter, not the end of this process.
        let copied = catch_unwind(AssertUnwindSafe(|| {
            let headers = message.headers();
            if headers.is_some_and(|headers| headers.count() > HEADERS_MAX) {
                return false;
            }
            for header in headers.into_iter().flat_map(|headers| headers.iter()) {
                self.push_header(header.key, header.value);
            }
            true
        }));
        let readable = copied.unwrap_or_default();
        if !readable {
            self.headers.truncate(first_header);
            self.bytes.truncate(kept);
        }
        let published_at = message.timestamp().to_millis().map(Millis::from_unix_ms);
        let (key, value) = (message.key(), message.payload());
        self.finish(claim, message.offset(), published_at, key, value, first_header, readable);
    }

    /// Puts a record together from its parts.
    #[cfg(test)]
    pub(crate) fn push_parts(
        &mut self,
        claim: Claim,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) {
        let first_header = self.headers.len();
        headers.iter().for_each(|(name, value)| self.push_header(name, Some(value)));
        self.finish(claim, offset, None, key, value, first_header, true);
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.slots.iter().map(|slot| Record { chunk: self, slot })
    }

    /// Empties it, and keeps its memory for the next records, unless it has grown out of bounds.
    pub(crate) fn clear(&mut self) {
        if self.bytes.capacity() > 2 * BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.slots.clear();
        self.headers.clear();
        self.gaps.clear();
    }

    fn push_header(&mut self, name: &str, value: Option<&[u8]>) {
        let known = headers::OF_A_SWIPE.into_iter().find(|known| *known == name);
        let name = known.map_or_else(|| Name::Other(self.keep(name.as_bytes())), Name::Known);
        let value = value.map(|value| self.keep(value));
        self.headers.push(HeaderSlot { name, value });
    }

    #[allow(clippy::too_many_arguments)] // the parts of a record, once
    fn finish(
        &mut self,
        claim: Claim,
        offset: i64,
        published_at: Option<Millis>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        first_header: usize,
        headers_readable: bool,
    ) {
        let key = key.map(|key| self.keep(key));
        let value = value.map(|value| self.keep(value));
        let headers = first_header as u32..self.headers.len() as u32;
        self.slots.push(Slot {
            claim,
            offset,
            published_at,
            key,
            value,
            headers,
            headers_readable,
        });
    }

    fn keep(&mut self, part: &[u8]) -> Span {
        // A chunk has a few MiB and one record more, which a broker bounds: far below 4 GiB.
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        start..self.bytes.len() as u32
    }

    fn slice(&self, span: &Span) -> &[u8] {
        &self.bytes[span.start as usize..span.end as usize]
    }
}

impl<'a> Record<'a> {
    pub(crate) fn claim(&self) -> Claim {
        self.slot.claim
    }

    pub(crate) fn offset(&self) -> i64 {
        self.slot.offset
    }

    /// Kafka's timestamp: when it was published. Never decides whether a swipe is live.
    pub(crate) fn published_at(&self) -> Option<Millis> {
        self.slot.published_at
    }

    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        self.slot.key.as_ref().map(|span| self.chunk.slice(span))
    }

    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        self.slot.value.as_ref().map(|span| self.chunk.slice(span))
    }

    /// False where there are more than 64 headers, or one's name is not UTF-8: none is kept.
    pub(crate) fn headers_readable(&self) -> bool {
        self.slot.headers_readable
    }

    /// The last header of that name: what Kafka's own clients take where there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().rev().find(|(found, _)| *found == name.as_bytes())?.1
    }

    /// All headers, in order.
    pub(crate) fn headers(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let chunk = self.chunk;
        let range = self.slot.headers.start as usize..self.slot.headers.end as usize;
        chunk.headers[range].iter().map(move |header| {
            let name = match &header.name {
                Name::Known(name) => name.as_bytes(),
                Name::Other(span) => chunk.slice(span),
            };
            (name, header.value.as_ref().map(|span| chunk.slice(span)))
        })
    }
}
