//! Seals go in with the rows that they stand for.

use std::collections::HashSet;

use registry::Timestamptz;
use seal::{Seal, Sum};
use tokio_postgres::types::ToSql;

use super::{Share, Transaction};
use crate::error::Error;

/// Sums, column by column.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) events: Vec<i64>,
    pub(super) digests: Vec<Vec<u8>>,
    pub(super) occurred_min: Vec<Option<Timestamptz>>,
    pub(super) occurred_max: Vec<Option<Timestamptz>>,
}

impl Sums {
    pub(super) fn of<'s>(sums: impl Iterator<Item = &'s Sum>) -> Self {
        let mut columns = Self::default();
        for sum in sums {
            // At most a bucket's.
            columns.events.push(sum.events as i64);
            columns.digests.push(sum.digest.0.to_be_bytes().to_vec());
            columns.occurred_min.push(sum.occurred.map(|(min, _)| Timestamptz(min)));
            columns.occurred_max.push(sum.occurred.map(|(_, max)| Timestamptz(max)));
        }
        columns
    }
}

impl Transaction<'_> {
    /// Writes the seals of the buckets that a batch completes. One that stands already must say the
    /// same: the log is being read again, or it is another log.
    pub(crate) async fn insert_seals(&self, shares: &[Share<'_>]) -> Result<(), Error> {
        let seals: Vec<(i32, &Seal)> = shares
            .iter()
            .flat_map(|share| share.seals.iter().map(|seal| (share.part.claim.partition, seal)))
            .collect();
        if seals.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = seals.iter().map(|(partition, _)| *partition).collect();
        let buckets: Vec<i64> = seals.iter().map(|(_, seal)| seal.bucket).collect();
        let sums = Sums::of(seals.iter().map(|(_, seal)| &seal.sum));
        let chains: Vec<&[u8]> = seals.iter().map(|(_, seal)| &seal.chain.0[..]).collect();
        let parameters: [&(dyn ToSql + Sync); 7] = [
            &partitions,
            &buckets,
            &sums.events,
            &sums.digests,
            &sums.occurred_min,
            &sums.occurred_max,
            &chains,
        ];
        let rows = self.inner.query(include_str!("../sql/insert_seals.sql"), &parameters).await;
        let rows = rows.map_err(Error::postgres("writing log_seal"))?;
        let written: HashSet<(i32, i64)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut changed: Vec<i32> = seals
            .iter()
            .filter(|(partition, seal)| !written.contains(&(*partition, seal.bucket)))
            .map(|(partition, _)| *partition)
            .collect();
        changed.dedup();
        if changed.is_empty() { Ok(()) } else { Err(Error::LogChanged { partitions: changed }) }
    }
}
