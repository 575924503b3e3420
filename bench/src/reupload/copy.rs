//! The ceiling: the duplicates of a drain, in its order, by raw binary COPY.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::Bench;
use crate::ceiling::order::Order;
use crate::ceiling::{Copier, copies, duplicates};
use crate::database::{Contents, Database};
use crate::stats::rate;

impl Bench {
    /// Copies the duplicates, in `order`, into a database of that name; their rate.
    pub(super) async fn copy(&self, name: &str, order: &Order) -> Result<(f64, Contents)> {
        let database = self.database(name).await?;
        let copied = self.copy_into(&database, order).await;
        database.delete().await?;
        copied
    }

    async fn copy_into(&self, database: &Database, order: &Order) -> Result<(f64, Contents)> {
        let workload = &self.workload;
        let copier = Copier::connect(&database.url, duplicates::COPY).await?;
        let encode = |swipes: &Vec<u32>| {
            copies(swipes, |out, index| {
                let placed = workload.placed(index);
                // Each partition has all its swipes once, then all of them again.
                let once = workload.partitions()[workload.partition(index)].len() as i64;
                duplicates::row(out, &placed, once + placed.offset);
            })
        };
        let encoded = order.connections.iter().map(encode).collect();
        database.checkpoint().await?;

        let started = Instant::now();
        let written = copier.write(encoded).await?;
        let seconds = started.elapsed().as_secs_f64();
        let events = workload.len();
        ensure!(written == events as u64, "COPY wrote {written} of {events} duplicates");
        Ok((rate(events, seconds), database.duplicates().await?))
    }
}
