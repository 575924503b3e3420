//! The ceiling: the rows of a drain, in its order, by raw binary COPY.

use std::pin::pin;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::SinkExt;
use futures::future::try_join_all;
use tokio_postgres::Client;

use super::Bench;
use super::encode::{self, Copy};
use super::order::Order;
use super::report::{CopyRun, rate};
use crate::database::{Contents, Database};
use crate::servers::connect;

/// What a writer of the consumer sets, too.
const SESSION: &str = "SET statement_timeout = 60000; SET idle_in_transaction_session_timeout = 60000; \
     SET lock_timeout = 30000; SET synchronous_commit = on; SET timezone = 'UTC'";

impl Bench {
    /// Copies the rows, in `order`, into a database of that name.
    pub(super) async fn copy(
        &self,
        name: &str,
        order: &Order,
        clock: i64,
    ) -> Result<(CopyRun, Contents)> {
        let database = Database::create(&self.servers, name, &self.workload).await?;
        let copied = self.copy_into(&database, order, clock).await;
        database.delete().await?;
        copied
    }

    async fn copy_into(
        &self,
        database: &Database,
        order: &Order,
        clock: i64,
    ) -> Result<(CopyRun, Contents)> {
        let mut connections = Vec::new();
        for swipes in &order.connections {
            let client = connect(&database.url).await?;
            client.batch_execute(SESSION).await.context("setting up a session")?;
            connections.push((client, encode::copies(&self.workload, swipes, clock)));
        }
        database.checkpoint().await?;

        let before = self.processes.used(std::process::id());
        let started = Instant::now();
        let tasks =
            connections.into_iter().map(|(client, copies)| tokio::spawn(write(client, copies)));
        let written = try_join_all(tasks).await.context("copying")?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = self.processes.used(std::process::id()).since(before);

        let written = written.into_iter().collect::<Result<Vec<u64>>>()?;
        let (written, rows): (u64, usize) = (written.iter().sum(), self.workload.len());
        ensure!(written == rows as u64, "COPY wrote {written} of {rows} rows");
        let run = CopyRun { seconds, rows_per_s: rate(rows, seconds), cpu };
        Ok((run, database.contents().await?))
    }
}

/// One connection's COPYs; each is a transaction.
async fn write(client: Client, copies: Vec<Copy>) -> Result<u64> {
    let doing = "copying";
    let statement = client.prepare(encode::COPY).await.context(doing)?;
    let mut rows = 0;
    for copy in &copies {
        let sink = client.copy_in::<_, Bytes>(&statement).await.context(doing)?;
        let mut sink = pin!(sink);
        for piece in copy {
            sink.feed(piece.clone()).await.context(doing)?;
        }
        rows += sink.finish().await.context(doing)?;
    }
    Ok(rows)
}
