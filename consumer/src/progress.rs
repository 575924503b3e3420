//! How far a partition is, as its row says it.

use registry::Timestamptz;
use schemas::{Digest, Millis, digest_of_record};
use seal::{Chain, Open, Sum, bucket_of};
use tokio_postgres::Row;

use crate::batch::Part;
use crate::by_partition::ByPartition;
use crate::chunk::Record;
use crate::decode::{Event, Read};
use crate::error::Error;
use crate::store::Share;

/// How far a partition is: what `consumer_offset` holds of it besides its owner and its totals.
///
/// Only the owner writes that row, so what was read with the claim and carried on by our commits is
/// what stands there, as long as owner and next offset are what we think: the fence checks both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) open: Open,
    /// Latest `occurred_at` of the events that went through: a later one cannot have a row yet.
    pub(crate) occurred_at_max: Millis,
    /// Offsets before this one may have their outcome already.
    pub(crate) applied_to: i64,
}

impl Progress {
    /// Reads the columns that claim.sql and read_offsets.sql return.
    pub(crate) fn read(row: &Row) -> Result<Self, Error> {
        let bytes = |column: &str| row.get::<_, &[u8]>(column);
        let damaged = |_| Error::Bug("consumer_offset holds a digest of another length".to_owned());
        let end = |column: &str| row.get::<_, Option<Timestamptz>>(column).map(|at| at.0);
        let digest = bytes("open_digest").try_into().map_err(damaged)?;
        Ok(Self {
            open: Open {
                next_offset: row.get("next_offset"),
                sum: Sum {
                    events: row.get::<_, i64>("open_events").unsigned_abs(),
                    digest: Digest(u128::from_be_bytes(digest)),
                    occurred: end("open_occurred_min").zip(end("open_occurred_max")),
                },
                chain: Chain(bytes("chain").try_into().map_err(damaged)?),
            },
            occurred_at_max: row.get::<_, Timestamptz>("occurred_at_max").0,
            applied_to: row.get("applied_to"),
        })
    }
}

/// What the log said in one batch: a sum for each bucket of each partition, whatever becomes of the
/// events.
#[derive(Debug, Default)]
pub(crate) struct Told {
    partitions: ByPartition<ToldOne>,
}

/// What one partition said.
#[derive(Debug)]
struct ToldOne {
    sums: Vec<(i64, Sum)>,
    dead: i64,
    occurred_at_max: Millis,
}

impl Told {
    /// Adds an event; a partition's come in the order of the log.
    pub(crate) fn event(&mut self, event: &Read<'_>) {
        self.add(event.record, event.digest, Some(event.swipe.occurred_at));
    }

    /// Adds a record that is no event.
    pub(crate) fn record(&mut self, record: &Record) {
        let (digest, occurred_at) = digest_of_record(record.offset(), record.key(), record.value());
        self.add(record, digest, occurred_at);
    }

    /// One of them may go through, to a row or beside one.
    pub(crate) fn goes_through(&mut self, event: &Event<'_>) {
        let told = self.of(event.partition());
        told.occurred_at_max = told.occurred_at_max.max(event.swipe.occurred_at);
    }

    /// One of them does not.
    pub(crate) fn refused(&mut self, record: &Record) {
        self.of(record.claim().partition).dead += 1;
    }

    /// What a batch makes of one of its partitions.
    pub(crate) fn share<'b>(&self, part: &'b Part) -> Share<'b> {
        let mut after = part.before;
        let told = self.partitions.get(part.claim.partition);
        let sums = told.map_or(&[][..], |told| &told.sums);
        let seals = after.open.advance(part.claim.partition, part.next, sums);
        after.applied_to = after.applied_to.max(part.next);
        if let Some(told) = told {
            after.occurred_at_max = after.occurred_at_max.max(told.occurred_at_max);
        }
        Share { part, dead: told.map_or(0, |told| told.dead), after, seals }
    }

    fn add(&mut self, record: &Record, digest: Digest, occurred_at: Option<Millis>) {
        let sums = &mut self.of(record.claim().partition).sums;
        let bucket = bucket_of(record.offset());
        if sums.last().is_none_or(|(last, _)| *last != bucket) {
            sums.push((bucket, Sum::default()));
        }
        if let Some((_, sum)) = sums.last_mut() {
            sum.add(digest, occurred_at);
        }
    }

    fn of(&mut self, partition: i32) -> &mut ToldOne {
        self.partitions.slot(partition).get_or_insert_with(|| ToldOne {
            sums: Vec::new(),
            dead: 0,
            occurred_at_max: Millis::from_unix_ms(i64::MIN),
        })
    }
}
