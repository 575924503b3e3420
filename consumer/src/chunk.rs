//! Records on their way from the reader to a writer, still in librdkafka's memory: a record is
//! looked at once, by the writer, and only where it has to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use librdkafka::Header;
use librdkafka::Message;
use schemas::Millis;
use uuid::Uuid;

use crate::turns::BEHIND;

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
#[derive(Debug)]
pub(crate) struct Record {
    claim: Claim,
    offset: i64,
    source: Source,
}

/// A record that was kept, and is read back.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) published_at: Option<Millis>,
}

#[derive(Debug)]
enum Source {
    Kafka(Message),
    /// It waited in its lane.
    Kept(Box<Kept>),
}

/// A few thousand records of any partitions of one writer, in the order they came in.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    records: Vec<Record>,
    bytes: usize,
    gaps: Vec<(Claim, Gap)>,
    wakes: Vec<Claim>,
    lasts: Vec<LastOf>,
    in_hand: Option<InHand>,
}

/// Goes with the last that a writer gets of a partition, and says whether that is done: committed, and
/// its decisions handed over. What is dropped undone never is.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastOf(Arc<AtomicBool>);

impl LastOf {
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Goes with each chunk that a writer gets, for as long as there is anything of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct InHand(Arc<()>);

impl InHand {
    /// Whether there is no other that goes with a chunk.
    pub(crate) fn is_nothing(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Records from which on a chunk takes no more: what the last partition brings, which is
/// [`BEHIND`] at most, may go beyond.
pub(crate) const RECORDS_MAX: usize = 2_048;
/// Headers that are looked at and kept: a few of ours, a few of others'. A broker takes 100,000.
const HEADERS_MAX: usize = 64;
/// Headers that a replay has besides: those that say so, and those that an operator's event gained.
const REPLAY_HEADERS_MAX: usize = 16;
/// Bytes of keys and values from which on a chunk takes no more.
const BYTES_MAX: usize = 2 * 1024 * 1024;

impl Chunk {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.gaps.is_empty()
            && self.wakes.is_empty()
            && self.lasts.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX || self.bytes >= BYTES_MAX
    }

    /// Whether its last record, if it has any, was published less than so many ms ago.
    pub(crate) fn is_younger_than(&self, ms: u64) -> bool {
        let Some(last) = self.records.last() else { return true };
        let published_at = last.published_at();
        published_at.is_some_and(|at| {
            let age_ms = Millis::now().unix_ms().saturating_sub(at.unix_ms());
            u64::try_from(age_ms).unwrap_or_default() < ms
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn gaps(&self) -> &[(Claim, Gap)] {
        &self.gaps
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn push_gap(&mut self, claim: Claim, gap: Gap) {
        self.gaps.push((claim, gap));
    }

    /// Partitions whose lanes are to be looked after, whether or not anything new comes.
    pub(crate) fn wakes(&self) -> &[Claim] {
        &self.wakes
    }

    pub(crate) fn push_wake(&mut self, claim: Claim) {
        if !self.wakes.contains(&claim) {
            self.wakes.push(claim);
        }
    }

    /// No more comes of a partition after what has.
    pub(crate) fn push_last(&mut self, last: LastOf) {
        self.lasts.push(last);
    }

    /// Whether it has the last of a partition that another writer waits for.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.lasts.is_empty()
    }

    /// Is now a writer's.
    pub(crate) fn handed_over(&mut self, in_hand: InHand) {
        self.in_hand = Some(in_hand);
    }

    /// All of it is committed, and handed over.
    pub(crate) fn done(&self) {
        self.lasts.iter().for_each(|last| last.0.store(true, Ordering::Release));
    }

    pub(crate) fn push(&mut self, claim: Claim, message: Message) {
        if self.records.capacity() == 0 {
            self.records.reserve_exact(RECORDS_MAX + BEHIND);
        }
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        self.bytes += length(message.key()) + length(message.payload());
        let offset = message.offset();
        self.records.push(Record { claim, offset, source: Source::Kafka(message) });
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
        let headers =
            headers.iter().map(|(name, v)| (name.as_bytes().to_vec(), Some(v.to_vec()))).collect();
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        let kept = Kept { key, value, headers, published_at: None };
        self.records.push(Record::kept(claim, offset, kept));
    }
}

impl Record {
    pub(crate) fn kept(claim: Claim, offset: i64, kept: Kept) -> Self {
        Self { claim, offset, source: Source::Kept(Box::new(kept)) }
    }

    /// Whether it comes from a lane, and not from the log.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.source, Source::Kept(_))
    }

    pub(crate) fn claim(&self) -> Claim {
        self.claim
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// Kafka's timestamp: when it was published. Never decides whether a swipe is live.
    pub(crate) fn published_at(&self) -> Option<Millis> {
        match &self.source {
            Source::Kafka(message) => message.timestamp_ms().map(Millis::from_unix_ms),
            Source::Kept(kept) => kept.published_at,
        }
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Kafka(message) => message.key(),
            Source::Kept(kept) => kept.key.as_deref(),
        }
    }

    pub(crate) fn value(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Kafka(message) => message.payload(),
            Source::Kept(kept) => kept.value.as_deref(),
        }
    }

    /// All headers, in order; none where there are more than 64, or where one's name is not UTF-8.
    ///
    /// librdkafka takes them apart at the first call, which costs as much as all else that is done
    /// with a record here: only for records whose value does not say everything, and for swipes
    /// that might open a door.
    pub(crate) fn headers(&self) -> Option<Vec<Header<'_>>> {
        match &self.source {
            Source::Kafka(message) => headers_of(message),
            Source::Kept(kept) => {
                Some(kept.headers.iter().map(|(n, v)| (&n[..], v.as_deref())).collect())
            }
        }
    }
}

fn headers_of(message: &Message) -> Option<Vec<Header<'_>>> {
    let all = message.headers(HEADERS_MAX + REPLAY_HEADERS_MAX)?;
    let may_be_more = || last(&all, schemas::headers::REPLAY).is_some();
    let are_names = all.iter().all(|(name, _)| std::str::from_utf8(name).is_ok());
    (are_names && (all.len() <= HEADERS_MAX || may_be_more())).then_some(all)
}

/// The last header of that name: what Kafka's own clients take where there are several.
pub(crate) fn last<'r>(headers: &[Header<'r>], name: &str) -> Option<&'r [u8]> {
    headers.iter().rev().find(|(found, _)| *found == name.as_bytes())?.1
}
