//! The peer: the same rows in the same order by raw binary COPY, a million at a time.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::Bench;
use super::report::Side;
use crate::ceiling::{Copier, copies, rows};
use crate::database::{Contents, Database};
use crate::progress::Progress;

impl Bench {
    /// Copies the rows, in `order` by connection, into a database of its own.
    pub(super) async fn copy(
        &self,
        step: &str,
        order: &[Vec<u32>],
        clock: i64,
    ) -> Result<(Side, Contents)> {
        let name = format!("{}_{}", self.ground.name, step.replace('-', "_"));
        let database = self.database(&name).await?;
        let copied = self.copy_into(&database, step, order, clock).await;
        database.delete().await?;
        copied
    }

    async fn copy_into(
        &self,
        database: &Database,
        step: &str,
        order: &[Vec<u32>],
        clock: i64,
    ) -> Result<(Side, Contents)> {
        let workload = &self.workload;
        let progress = Progress::start(step, workload.len() as u64);
        let copier = Copier::connect(&database.url, rows::COPY).await?;
        database.checkpoint().await?;
        let (mut seconds, mut written) = (Vec::new(), 0);
        for nth in 0..self.millions {
            // A million encoded is some 190 MB; twenty of them would be the machine's memory.
            let encode = |swipes: &Vec<u32>| {
                let share = &swipes[part(swipes.len(), nth, self.millions)];
                copies(share, |out, index| rows::row(out, &workload.placed(index), clock))
            };
            let encoded = tokio::task::block_in_place(|| order.iter().map(encode).collect());
            let started = Instant::now();
            written += copier.write(encoded).await?;
            seconds.push(started.elapsed().as_secs_f64());
            progress.at(written);
        }
        let rows = workload.len();
        ensure!(written == rows as u64, "COPY wrote {written} of {rows} rows");
        let side = Side::new(self.million, &seconds);
        progress.done(&side);
        Ok((side, database.contents().await?))
    }
}

/// The `nth` of `parts` of so many.
fn part(all: usize, nth: usize, parts: usize) -> std::ops::Range<usize> {
    all * nth / parts..all * (nth + 1) / parts
}
