//! What the offsets before a point became, counted in the tables; and how far back that is known.

use std::collections::BTreeMap;

use seal::{BUCKET_OFFSETS, Chain, bucket_of, bucket_start};
use tokio_postgres::{GenericClient, Row};

use super::Outcomes;
use super::position::chain;
use crate::Error;
use crate::partitions::days::{State, days};

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
    /// The lowest offset that a partition can go back to, with Kafka's log beginning at `low`: where
    /// it began, or the start of a bucket.
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

    // The rows of a day that was detached stand in its own table.
    let apart = days(client).await?.into_iter().filter(|day| day.state != State::Attached);
    let rows_of = apart.map(|day| day.table).chain(["access_log".to_owned()]);
    let mut tables: Vec<(String, Kind)> = rows_of.map(|table| (table, Kind::Row)).collect();
    tables.push(("collision".to_owned(), Kind::Collision));
    tables.push(("duplicate_event".to_owned(), Kind::Duplicate));
    tables.push(("dead_letter".to_owned(), Kind::Dead));
    for (table, kind) in tables {
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
