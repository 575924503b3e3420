//! The ceiling: the rows of a drain, in an order, by raw binary COPY.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::Bench;
use super::report::CopyRun;
use crate::ceiling::{Copier, copies, rows};
use crate::database::{Contents, Database};
use crate::stats::rate;

impl Bench {
    /// Copies the rows, in `order`, into a database of that name.
    pub(super) async fn copy(
        &self,
        name: &str,
        order: &[Vec<u32>],
        clock: i64,
    ) -> Result<(CopyRun, Contents)> {
        let database = self.database(name).await?;
        let copied = self.copy_into(&database, order, clock).await;
        database.delete().await?;
        copied
    }

    async fn copy_into(
        &self,
        database: &Database,
        order: &[Vec<u32>],
        clock: i64,
    ) -> Result<(CopyRun, Contents)> {
        let workload = &self.workload;
        let copier = Copier::connect(&database.url, rows::COPY).await?;
        let encode = |swipes: &Vec<u32>| {
            copies(swipes, |out, index| rows::row(out, &workload.placed(index), clock))
        };
        let encoded = order.iter().map(encode).collect();
        database.checkpoint().await?;

        let processes = &self.ground.processes;
        let before = processes.used(std::process::id());
        let started = Instant::now();
        let written = copier.write(encoded).await?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = processes.used(std::process::id()).since(before);

        let rows = workload.len();
        ensure!(written == rows as u64, "COPY wrote {written} of {rows} rows");
        let run = CopyRun { seconds, rows_per_s: rate(rows, seconds), cpu };
        Ok((run, database.contents().await?))
    }
}
