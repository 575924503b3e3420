//! The floor: what a commit takes that does next to nothing.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::open_loop::{Percentiles, Times, runtime};
use crate::servers::connect;

/// Commits that are not counted.
const WARM_UP: i64 = 200;

/// Times small INSERTs of one row, each its own durable transaction, one after another, into a table
/// that nothing else touches. Blocks.
pub(super) fn measure(url: &str, commits: u32) -> Result<Percentiles> {
    let doing = "timing bare commits";
    runtime()?.block_on(async {
        let client = connect(url).await?;
        let table = "SET synchronous_commit = on; \
                     CREATE TABLE bare_commit (number bigint NOT NULL, at timestamptz NOT NULL)";
        client.batch_execute(table).await.context(doing)?;
        let insert = client.prepare(include_str!("../sql/bare_commit.sql")).await.context(doing)?;
        let mut times = Times::default();
        for number in -WARM_UP..i64::from(commits) {
            let started = Instant::now();
            client.execute(&insert, &[&number]).await.context(doing)?;
            if number >= 0 {
                times.add(started.elapsed());
            }
        }
        client.batch_execute("DROP TABLE bare_commit").await.context(doing)?;
        Ok(times.percentiles())
    })
}
