//! One moment of the database: how far each partition is, and what its seals say.

use std::collections::BTreeMap;

use registry::Timestamptz;
use schemas::{Digest, Millis};
use seal::{Chain, Sum, bucket_of, bucket_start};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::leaves::{self, Leaf};
use super::{Span, overlap};
use crate::Error;
use crate::pinned::Pinned;

/// One moment of the database; its session reads everything else too.
pub(super) struct Snapshot {
    /// In the transaction that sees this moment, until it is dropped.
    pub(super) client: Client,
    pub(super) log: Pinned,
    pub(super) positions: BTreeMap<i32, Position>,
    pub(super) leaves: Vec<Leaf>,
    /// Days before it were detached or dropped.
    pub(super) gone_before: Option<Millis>,
}

/// What the database says of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// From here on it can be verified: the first offset that was read, or where seals and sums
    /// begin since days were dropped.
    pub(super) first: i64,
    pub(super) next: i64,
    /// Beyond `next`, up to here, outcomes and seals stand already: the log is being read again.
    pub(super) applied_to: i64,
    /// Offsets before `first`, of days that are gone: only their totals are known.
    pub(super) before_base: i64,
    /// The chain before the bucket of `first`.
    pub(super) chain_before: Chain,
    /// The chain of the last bucket that is complete.
    pub(super) chain: Chain,
    /// What was read of the bucket that `next` lies in.
    pub(super) open: Sum,
    pub(super) seals: BTreeMap<i64, (Sum, Chain)>,
    pub(super) dropped: BTreeMap<i64, Dropped>,
    /// Offsets without events, as the consumers recorded them, in order.
    pub(super) gaps: Vec<Gap>,
    /// The running totals of the offsets from `first` on.
    pub(super) running: Totals,
}

/// What the offsets of one partition became, in the order of [`TOTALS`].
pub(super) type Totals = [i64; 7];

/// The columns of `consumer_offset` that hold totals.
pub(super) const TOTALS: [&str; 7] =
    ["rows", "collisions", "duplicates", "dead", "parked", "gaps", "lost"];

/// What is kept of a bucket's outcomes that were dropped with their days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Dropped {
    /// Rows, collisions, duplicates.
    pub(super) counts: [i64; 3],
    pub(super) digest: Digest,
}

impl Dropped {
    /// As a sum; of its time range nothing is kept.
    pub(super) fn sum(&self) -> Sum {
        let events = self.counts.iter().sum::<i64>().unsigned_abs();
        Sum { events, digest: self.digest, occurred: None }
    }
}

/// A run of offsets that hold no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) span: Span,
    /// Events were there, and an operator accepted that they are gone.
    pub(super) lost: bool,
}

impl Position {
    /// What the log said in a bucket; none where the seal is missing.
    pub(super) fn told(&self, bucket: i64) -> Option<Sum> {
        if bucket == bucket_of(self.next) {
            return Some(self.open);
        }
        self.seals.get(&bucket).map(|(sum, _)| *sum)
    }

    /// Offsets of `span` that are known to be lost.
    pub(super) fn lost(&self, span: Span) -> i64 {
        let lost = self.gaps.iter().filter(|gap| gap.lost);
        lost.map(|gap| overlap(gap.span, span)).sum()
    }
}

/// A day may be dropped between our looking and our holding on to it.
const TRIES: usize = 5;

impl Snapshot {
    /// Takes it, and holds on to the days that stand in it: until the end they cannot be dropped.
    pub(super) async fn take(client: Client) -> Result<Self, Error> {
        let mut tried = 0;
        let leaves = loop {
            client.batch_execute(include_str!("sql/begin.sql")).await?;
            let leaves = leaves::standing(&client).await?;
            match leaves::hold(&client, &leaves).await {
                Ok(()) => break leaves,
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) && tried < TRIES => {
                    tried += 1;
                    client.batch_execute("ROLLBACK").await?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let Some(log) = client.query_opt(include_str!("sql/log.sql"), &[]).await? else {
            let problem = "no consumer has run on this database yet: there is nothing to verify";
            return Err(Error::Usage(problem.to_owned()));
        };
        let positions = positions(&client).await?;
        let gone_before = log.get::<_, Option<Timestamptz>>("gone_before").map(|at| at.0);
        Ok(Self { client, log: Pinned::of(&log), positions, leaves, gone_before })
    }
}

async fn positions(client: &Client) -> Result<BTreeMap<i32, Position>, Error> {
    let mut positions = BTreeMap::new();
    for row in client.query(include_str!("sql/positions.sql"), &[]).await? {
        positions.insert(row.get("log_partition"), position(&row)?);
    }
    for row in client.query(include_str!("sql/seals.sql"), &[]).await? {
        let Some(position) = positions.get_mut(&row.get("log_partition")) else { continue };
        let sum = sum(&row, ["events", "digest", "occurred_min", "occurred_max"])?;
        position.seals.insert(row.get("bucket"), (sum, chain(&row, "chain")?));
    }
    for row in client.query(include_str!("sql/dropped.sql"), &[]).await? {
        let Some(position) = positions.get_mut(&row.get("log_partition")) else { continue };
        let counts = [row.get("rows"), row.get("collisions"), row.get("duplicates")];
        let dropped = Dropped { counts, digest: digest(&row, "digest")? };
        position.dropped.insert(row.get("bucket"), dropped);
    }
    for row in client.query(include_str!("sql/gaps.sql"), &[]).await? {
        let Some(position) = positions.get_mut(&row.get("log_partition")) else { continue };
        let span = Span { first: row.get("first_offset"), next: row.get("end_offset") };
        position.gaps.push(Gap { span, lost: row.get("lost") });
    }
    Ok(positions)
}

fn position(row: &Row) -> Result<Position, Error> {
    let first_offset: i64 = row.get("first_offset");
    let mut running: Totals = TOTALS.map(|total| row.get(total));
    let (mut first, mut chain_before) = (first_offset, Chain::START);
    if let Some(bucket) = row.get::<_, Option<i64>>("first_bucket") {
        first = first_offset.max(bucket_start(bucket));
        chain_before = chain(row, "base_chain")?;
        for (running, total) in running.iter_mut().zip(TOTALS) {
            *running -= row.get::<_, i64>(format!("base_{total}").as_str());
        }
    }
    Ok(Position {
        first,
        next: row.get("next_offset"),
        applied_to: row.get("applied_to"),
        before_base: first - first_offset,
        chain_before,
        chain: chain(row, "chain")?,
        open: sum(row, ["open_events", "open_digest", "open_occurred_min", "open_occurred_max"])?,
        seals: BTreeMap::new(),
        dropped: BTreeMap::new(),
        gaps: Vec::new(),
        running,
    })
}

fn sum(row: &Row, [events, digests, min, max]: [&str; 4]) -> Result<Sum, Error> {
    let end = |column: &str| row.get::<_, Option<Timestamptz>>(column).map(|at| at.0);
    Ok(Sum {
        events: row.get::<_, i64>(events).unsigned_abs(),
        digest: digest(row, digests)?,
        occurred: end(min).zip(end(max)),
    })
}

fn digest(row: &Row, column: &str) -> Result<Digest, Error> {
    Ok(Digest(u128::from_be_bytes(bytes(row, column)?)))
}

fn chain(row: &Row, column: &str) -> Result<Chain, Error> {
    Ok(Chain(bytes(row, column)?))
}

fn bytes<const N: usize>(row: &Row, column: &str) -> Result<[u8; N], Error> {
    let bytes: &[u8] = row.get(column);
    bytes.try_into().map_err(|_| Error::Other(format!("{column} has not {N} bytes")))
}
