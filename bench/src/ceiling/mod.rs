//! The ceiling: what a consumer has written, in its order, by raw binary COPY over as many
//! connections as it has writers.

mod binary;
pub(crate) mod duplicates;
pub(crate) mod order;
pub(crate) mod rows;

use std::pin::pin;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::SinkExt;
use futures::future::try_join_all;
use tokio_postgres::{Client, Statement};

pub(crate) use binary::{Copy, copies};

use crate::servers::connect;

/// Connections of the ceiling: as many as a consumer has writers by default.
pub(crate) const CONNECTIONS: usize = 2;
/// What a writer of the consumer sets, too.
const SESSION: &str = "SET statement_timeout = 60000; SET idle_in_transaction_session_timeout = 60000; \
     SET lock_timeout = 30000; SET synchronous_commit = on; SET timezone = 'UTC'";

/// Connections that are ready to COPY.
pub(crate) struct Copier {
    connections: Vec<(Arc<Client>, Statement)>,
}

impl Copier {
    /// Connects and prepares the COPY.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn connect(url: &str, copy: &str) -> Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = connect(url).await?;
            client.batch_execute(SESSION).await.context("setting up a session")?;
            let statement = client.prepare(copy).await.context("preparing a COPY")?;
            connections.push((Arc::new(client), statement));
        }
        Ok(Self { connections })
    }

    /// Writes each connection's COPYs, all connections at once; each COPY is a transaction. How
    /// many rows that were.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn write(&self, by_connection: Vec<Vec<Copy>>) -> Result<u64> {
        let tasks = self.connections.iter().zip(by_connection).map(|(connection, copies)| {
            let (client, statement) = (Arc::clone(&connection.0), connection.1.clone());
            tokio::spawn(async move { write(&client, &statement, &copies).await })
        });
        let written = try_join_all(tasks).await.context("copying")?;
        Ok(written.into_iter().collect::<Result<Vec<u64>>>()?.iter().sum())
    }
}

async fn write(client: &Client, statement: &Statement, copies: &[Copy]) -> Result<u64> {
    let doing = "copying";
    let mut rows = 0;
    for copy in copies {
        let sink = client.copy_in::<_, Bytes>(statement).await.context(doing)?;
        let mut sink = pin!(sink);
        for piece in copy {
            sink.feed(piece.clone()).await.context(doing)?;
        }
        rows += sink.finish().await.context(doing)?;
    }
    Ok(rows)
}
