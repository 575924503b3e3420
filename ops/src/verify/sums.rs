//! Sums over buckets of offsets: what lets two large sets be compared in little memory.

use std::sync::Arc;

use schemas::{Digest, Millis};
use seal::{Sum, bucket_of};

use super::scope::{Place, Scope};

/// Something at an offset: an event of the log, or an outcome in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// What it says about the event, as one number.
    pub(super) digest: Digest,
    /// When it occurred; none where it could not be read.
    pub(super) occurred_at: Option<Millis>,
    pub(super) found: Found,
}

/// Where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Row = 0,
    Collision = 1,
    Duplicate = 2,
    DeadLetter = 3,
    /// It waits in its card's lane: an outcome for the time being.
    Parked = 4,
    Log,
}

impl Found {
    /// The tables.
    pub(super) const TABLES: [Self; 5] =
        [Self::Row, Self::Collision, Self::Duplicate, Self::DeadLetter, Self::Parked];

    /// The table's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Row => "access_log",
            Self::Collision => "collision",
            Self::Duplicate => "duplicate_event",
            Self::DeadLetter => "dead_letter",
            Self::Parked => "parked_event",
            Self::Log => "log",
        }
    }
}

/// Count, digest and time range of each bucket of each partition.
#[derive(Debug)]
pub(super) struct Sums {
    scope: Arc<Scope>,
    partitions: Vec<Buckets>,
    /// Outcomes of no offset that was ever applied; the first are kept.
    pub(super) nowhere: Vec<Entry>,
    pub(super) nowhere_count: u64,
}

/// The sums of one partition.
#[derive(Debug, Clone, Default)]
struct Buckets {
    first: i64,
    /// Before it, Kafka has nothing.
    low: i64,
    sums: Vec<Sum>,
    /// What of the bucket that `low` lies in comes before it.
    below: Sum,
    /// How often each table has an outcome of an offset that was applied.
    found: [i64; 6],
}

/// Entries that are kept one by one where they belong nowhere.
const NOWHERE_KEPT: usize = 100;

impl Sums {
    pub(super) fn new(scope: &Arc<Scope>) -> Self {
        let mut partitions = Vec::new();
        for (partition, part) in scope.parts() {
            let first = bucket_of(part.span.first);
            let buckets = bucket_of(part.span.next) - first + 1;
            let at = usize::try_from(partition).unwrap_or_default();
            partitions.resize_with(at + 1, Buckets::default);
            partitions[at] = Buckets {
                first,
                low: part.low,
                sums: vec![Sum::default(); usize::try_from(buckets).unwrap_or_default()],
                ..Buckets::default()
            };
        }
        Self { scope: Arc::clone(scope), partitions, nowhere: Vec::new(), nowhere_count: 0 }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        let place = self.scope.place(entry.partition, entry.offset);
        if place == Place::Nowhere {
            self.nowhere_count += 1;
            if self.nowhere.len() < NOWHERE_KEPT {
                self.nowhere.push(*entry);
            }
        }
        let Some(buckets) = usize::try_from(entry.partition)
            .ok()
            .and_then(|partition| self.partitions.get_mut(partition))
        else {
            return;
        };
        if matches!(place, Place::Verified | Place::LeftOut) {
            buckets.found[entry.found as usize] += 1;
        }
        if place == Place::Verified {
            let bucket = bucket_of(entry.offset);
            if let Some(sum) = buckets.at(bucket) {
                sum.add(entry.digest, entry.occurred_at);
            }
            if entry.offset < buckets.low && bucket == bucket_of(buckets.low) {
                buckets.below.add(entry.digest, entry.occurred_at);
            }
        }
    }

    /// The sum of a bucket.
    pub(super) fn of(&self, partition: i32, bucket: i64) -> Sum {
        let buckets = self.buckets(partition);
        let at = buckets.and_then(|b| Some((b, usize::try_from(bucket - b.first).ok()?)));
        at.and_then(|(buckets, at)| buckets.sums.get(at).copied()).unwrap_or_default()
    }

    /// Count and digest of what stands in a bucket for offsets that Kafka still has.
    pub(super) fn in_kafka(&self, partition: i32, bucket: i64) -> Sum {
        let sum = self.of(partition, bucket);
        let Some(buckets) = self.buckets(partition) else { return sum };
        if bucket > bucket_of(buckets.low) {
            return sum;
        }
        if bucket < bucket_of(buckets.low) {
            return Sum::default();
        }
        Sum {
            events: sum.events - buckets.below.events,
            digest: Digest(sum.digest.0.wrapping_sub(buckets.below.digest.0)),
            occurred: None,
        }
    }

    /// Everything that was added to a bucket that is verified.
    pub(super) fn count(&self) -> u64 {
        self.partitions.iter().flat_map(|buckets| &buckets.sums).map(|sum| sum.events).sum()
    }

    /// How often a table has an outcome of an offset of the partition that was applied.
    pub(super) fn found(&self, partition: i32, found: Found) -> i64 {
        self.buckets(partition).map_or(0, |buckets| buckets.found[found as usize])
    }

    fn buckets(&self, partition: i32) -> Option<&Buckets> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }
}

impl Buckets {
    fn at(&mut self, bucket: i64) -> Option<&mut Sum> {
        self.sums.get_mut(usize::try_from(bucket - self.first).ok()?)
    }
}
