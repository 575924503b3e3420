//! The ceiling: the duplicates of a drain, in its order, by raw binary COPY.

use std::collections::HashMap;
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
        let place = |index: u32| {
            let placed = workload.placed(index as usize);
            (placed.partition, placed.offset)
        };
        let encode = |swipes: &Vec<u32>| {
            let is_next = |one: &u32, other: &u32| {
                let (partition, offset) = place(*one);
                place(*other) == (partition, offset + 1)
            };
            let runs: HashMap<usize, i32> =
                swipes.chunk_by(is_next).map(|run| (run[0] as usize, run.len() as i32)).collect();
            copies(swipes, |out, index| {
                let placed = workload.placed(index);
                // Each partition has all its swipes once, then all of them again.
                let once = workload.partitions()[workload.partition(index)].len() as i64;
                duplicates::row(out, &placed, once + placed.offset, runs.get(&index).copied());
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
