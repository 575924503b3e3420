//! What the tables say of the offsets before a point: what they became, and what the open bucket
//! would be there; and how far back that is known.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::TryStreamExt;
use registry::Timestamptz;
use schemas::digest_of_record;
use seal::{BUCKET_OFFSETS, Chain, Open, Sum, bucket_of, bucket_start};
use tokio_postgres::{GenericClient, Row};

use super::Outcomes;
use super::position::{Position, chain};
use crate::partitions::days::{State, days};
use crate::{Error, stored};

/// What was dropped of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// First bucket that anything is known of, and the chain up to it.
    pub(super) base: Option<(i64, Chain)>,
    /// Last bucket that holds events of days that are gone.
    pub(super) dropped_bucket_max: Option<i64>,
    /// What is summed up of the offsets before.
    pub(super) summed: Outcomes,
}

/// A point of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) limits: Limits,
}

impl Limits {
    /// The lowest offset that a partition can go back to, with Kafka's log beginning at `low`:
    /// where it began, or the start of a bucket.
    pub(super) fn lowest(&self, first_offset: i64, low: i64) -> i64 {
        let behind_dropped = self.dropped_bucket_max.map_or(0, |bucket| bucket_start(bucket + 1));
        let known = low.max(self.base_offset()).max(behind_dropped);
        if known <= first_offset {
            return first_offset;
        }
        // Saturates where Kafka has no such partition.
        bucket_start(bucket_of(known.saturating_add(BUCKET_OFFSETS - 1)))
    }

    fn base_offset(&self) -> i64 {
        self.base.map_or(0, |(bucket, _)| bucket_start(bucket))
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let base = match row.get::<_, Option<i64>>("first_bucket") {
            Some(bucket) => Some((bucket, chain(row.get("chain"))?)),
            None => None,
        };
        let summed = Outcomes {
            rows: row.get("rows"),
            collisions: row.get("collisions"),
            duplicates: row.get("duplicates"),
            dead: row.get("dead"),
            parked: 0,
            gaps: row.get("gaps"),
            lost: row.get("lost"),
        };
        Ok(Self { base, dropped_bucket_max: row.get("bucket_max"), summed })
    }
}

/// Every table of outcomes. The rows of a day that was detached stand in a table of its own.
async fn tables(client: &impl GenericClient) -> Result<Vec<(String, Kind)>, Error> {
    let apart = days(client).await?.into_iter().filter(|day| day.state != State::Attached);
    let rows = apart.map(|day| (day.table, Kind::Row));
    let others = [
        ("access_log", Kind::Row),
        ("collision", Kind::Collision),
        ("duplicate_event", Kind::Duplicate),
        ("dead_letter", Kind::Dead),
    ];
    Ok(rows.chain(others.map(|(table, kind)| (table.to_owned(), kind))).collect())
}

/// What a table holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Row,
    Collision,
    Duplicate,
    Dead,
}

impl Kind {
    fn of(self, outcomes: &mut Outcomes) -> &mut i64 {
        match self {
            Self::Row => &mut outcomes.rows,
            Self::Collision => &mut outcomes.collisions,
            Self::Duplicate => &mut outcomes.duplicates,
            Self::Dead => &mut outcomes.dead,
        }
    }

    /// The columns that tell what an outcome's event said.
    fn columns(self) -> &'static str {
        match self {
            Self::Row | Self::Collision => stored::COLUMNS,
            Self::Duplicate => "log_offset, occurred_at, digest",
            Self::Dead => "log_offset, key, value",
        }
    }

    fn add(self, row: &Row, sum: &mut Sum) -> Result<(), Error> {
        let occurred_at = || Some(row.get::<_, Timestamptz>("occurred_at").0);
        let (digest, occurred_at) = match self {
            Self::Row | Self::Collision => (stored::digest_of_row(row), occurred_at()),
            Self::Duplicate => (stored::digest(row.get("digest"))?, occurred_at()),
            Self::Dead => digest_of_record(row.get("log_offset"), row.get("key"), row.get("value")),
        };
        sum.add(digest, occurred_at);
        Ok(())
    }
}

/// What was dropped of each partition.
pub(super) async fn limits(client: &impl GenericClient) -> Result<BTreeMap<i32, Limits>, Error> {
    let rows = client.query(include_str!("sql/limits.sql"), &[]).await?;
    rows.iter().map(|row| Ok((row.get("log_partition"), Limits::read(row)?))).collect()
}

/// What the offsets before each target became, in the order of the targets. Every table is read
/// once: `access_log` has no index that begins with the offset.
pub(super) async fn totals_before(
    client: &impl GenericClient,
    targets: &[Target],
) -> Result<Vec<Outcomes>, Error> {
    let partitions: Vec<i32> = targets.iter().map(|target| target.partition).collect();
    let bases: Vec<i64> = targets.iter().map(|target| target.limits.base_offset()).collect();
    let offsets: Vec<i64> = targets.iter().map(|target| target.offset).collect();
    let mut totals: BTreeMap<i32, Outcomes> =
        targets.iter().map(|target| (target.partition, target.limits.summed)).collect();

    for (table, kind) in tables(client).await? {
        let sql = include_str!("sql/outcomes_before.sql");
        let sql = sql.replace("FROM access_log", &format!("FROM {table}"));
        for row in client.query(&sql, &[&partitions, &bases, &offsets]).await? {
            if let Some(outcomes) = totals.get_mut(&row.get(0)) {
                *kind.of(outcomes) += row.get::<_, i64>(1);
            }
        }
    }
    let sql = include_str!("sql/gaps_before.sql");
    for row in client.query(sql, &[&partitions, &bases, &offsets]).await? {
        if let Some(outcomes) = totals.get_mut(&row.get(0)) {
            let kind = if row.get(1) { &mut outcomes.lost } else { &mut outcomes.gaps };
            *kind += row.get::<_, i64>(2);
        }
    }
    Ok(partitions.iter().map(|p| totals.get(p).copied().unwrap_or_default()).collect())
}

/// Where a partition would be that had been read up to a target and no further.
pub(super) async fn open_at(
    client: &impl GenericClient,
    position: &Position,
    target: &Target,
) -> Result<Open, Error> {
    let next_offset = target.offset;
    if next_offset == position.next_offset() {
        return Ok(position.open);
    }
    let mut open =
        Open { chain: chain_before(client, position, target).await?, ..Open::start(next_offset) };
    let first = bucket_start(bucket_of(next_offset)).max(position.first_offset);
    if first == next_offset {
        return Ok(open);
    }
    for (table, kind) in tables(client).await? {
        let sql = format!(
            "SELECT {} FROM {table} \
             WHERE log_partition = $1::bigint AND log_offset >= $2 AND log_offset < $3",
            kind.columns()
        );
        let rows =
            client.query_raw(&sql, [i64::from(target.partition), first, next_offset]).await?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await? {
            kind.add(&row, &mut open.sum)?;
        }
    }
    Ok(open)
}

/// The chain of the buckets before the one that a target lies in.
async fn chain_before(
    client: &impl GenericClient,
    position: &Position,
    target: &Target,
) -> Result<Chain, Error> {
    let (partition, bucket) = (target.partition, bucket_of(target.offset));
    if bucket == bucket_of(position.first_offset) {
        return Ok(Chain::START);
    }
    if let Some((_, chain)) = target.limits.base.filter(|(first, _)| *first == bucket) {
        return Ok(chain);
    }
    let before = bucket - 1;
    let sql = "SELECT chain FROM log_seal WHERE log_partition = $1 AND bucket = $2";
    match client.query_opt(sql, &[&partition, &before]).await? {
        Some(row) => chain(row.get(0)),
        None => Err(Error::Usage(format!(
            "partition {partition}: bucket {before} has no seal (log_seal), so nothing can go on behind \
             it; `gatelog verify` says what else is missing"
        ))),
    }
}

impl Outcomes {
    /// What the tables hold before a target must be what was read.
    pub(super) fn must_sum_up(&self, position: &Position, target: &Target) -> Result<(), Error> {
        let (partition, offset) = (target.partition, target.offset);
        let (found, wanted): (i64, i64) =
            (self.cells().iter().sum(), offset - position.first_offset);
        if found == wanted {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "partition {partition}: the tables hold {found} outcomes before offset {offset}, and must \
             hold {wanted}; nothing was changed. `gatelog verify` says what is wrong"
        )))
    }
}
