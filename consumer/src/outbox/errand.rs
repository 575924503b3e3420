//! What the worker has done in Postgres, one errand at a time, while it goes on publishing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use super::Entry;
use super::pending::{Letters, Look, Row};
use crate::error::Error;
use crate::store::{Connector, delete_outbox, sweep_letters, sweep_outbox};

/// Rows to delete, and partitions to look through.
pub(super) struct Errand {
    pub(super) session: Option<Client>,
    pub(super) delete: Vec<Row>,
    /// Whether they are deleted, whatever came of the rest.
    pub(super) is_deleted: bool,
    pub(super) looks: Vec<Look>,
    /// Rows of each partition to bring at most.
    pub(super) each_max: usize,
    /// Partitions whose dead letters and replays are to be brought, and which of them.
    pub(super) partitions: Vec<i32>,
    pub(super) letters: Vec<Letters>,
}

/// An errand and what came of it: all of it, or nothing that can be relied on.
pub(super) struct Done {
    pub(super) errand: Errand,
    pub(super) outcome: Result<Found, Error>,
}

/// Messages that nobody has handed over.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Where the errand's looks looked.
    pub(super) decisions: Vec<Entry>,
    /// Dead letters and replays, for each look at them.
    pub(super) letters: Vec<Vec<Entry>>,
}

impl Errand {
    pub(super) async fn run(mut self, connector: Arc<Connector>, limit_ms: u64) -> Done {
        let work = timeout(Duration::from_millis(limit_ms), self.work(&connector));
        let outcome = work.await.unwrap_or(Err(Error::Unreachable(limit_ms)));
        if outcome.is_err() {
            self.session = None;
        }
        Done { errand: self, outcome }
    }

    async fn work(&mut self, connector: &Connector) -> Result<Found, Error> {
        let client = match self.session.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => connect(connector).await?,
        };
        if !self.delete.is_empty() {
            delete_outbox(&client, &self.delete).await?;
            self.is_deleted = true;
        }
        let mut found = Vec::new();
        if !self.looks.is_empty() {
            let from: Vec<_> =
                self.looks.iter().map(|look| (look.partition(), look.from)).collect();
            let each_max = i64::try_from(self.each_max).unwrap_or(i64::MAX);
            found = sweep_outbox(&client, &from, each_max).await?;
        }
        let mut letters = Vec::new();
        for look in &mut self.letters {
            let mut found = sweep_letters(&client, &self.partitions, look).await?;
            if found.is_empty() && look.behind.take().is_some() {
                // That was the end: from the start again.
                found = sweep_letters(&client, &self.partitions, look).await?;
            }
            letters.push(found);
        }
        self.session = Some(client);
        Ok(Found { decisions: found, letters })
    }
}

async fn connect(connector: &Connector) -> Result<Client, Error> {
    let client = connector.connect().await?;
    // A deletion that is lost with the server is a message that is published twice.
    client
        .batch_execute("SET synchronous_commit = off")
        .await
        .map_err(Error::postgres("setting a session's limits"))?;
    Ok(client)
}
