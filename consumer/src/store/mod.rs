//! Everything that is written, in one transaction a batch.
//!
//! A writer has one [`Store`]: a connection with its prepared statements. [`Transaction`] has a
//! method a step; the order of the steps is the pipeline's.

mod connect;
mod copy;
mod days;
mod encode;
mod fence;
mod letters;
mod outbox;
mod parked;
mod probe;
mod rows;
mod runs;
mod seals;
mod standing;
mod tracks;
mod transaction;

use std::collections::{BTreeSet, HashSet};

use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::Client;

pub(crate) use connect::{APPLICATION, Connector};
pub(crate) use fence::{Fence, Fenced, Share};
pub(crate) use letters::Origin;
pub(crate) use outbox::{delete_outbox, sweep_letters, sweep_outbox};
pub(crate) use rows::{Known, Sorted};
pub(crate) use standing::Declined;
pub(crate) use transaction::Transaction;

use crate::decode::Window;
use crate::error::Error;

/// One writer's connection.
pub(crate) struct Store {
    client: Client,
    session: i32,
    statements: transaction::Statements,
    oldest_day: Millis,
    known_days: HashSet<i32>,
}

/// Days made in one transaction: each one locks the parent a little longer.
const DAYS_AT_ONCE: usize = 16;

impl Store {
    /// Connects and prepares. A session that was given up before is ended first: cut off from us,
    /// it may hold the rows that we need for as long as the server's own timeouts last.
    pub(crate) async fn open(connector: &Connector, before: Option<i32>) -> Result<Self, Error> {
        let client = connector.connect().await?;
        let doing = "ending the session before";
        if let Some(before) = before {
            let sql = include_str!("../sql/end_session.sql");
            let name = connector.application_name();
            client.execute(sql, &[&before, &name]).await.map_err(Error::postgres(doing))?;
        }
        let session = client.query_one("SELECT pg_backend_pid()", &[]).await;
        let session = session.map_err(Error::postgres(doing))?.get(0);
        let statements = transaction::Statements::prepare(&client).await?;
        let oldest_day = read_oldest_day(&client).await?;
        Ok(Self { client, session, statements, oldest_day, known_days: HashSet::new() })
    }

    /// The server's number of this session.
    pub(crate) fn session(&self) -> i32 {
        self.session
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The days that are taken, as of the last look at the row that says so.
    pub(crate) fn window(&self, now: Millis) -> Window {
        Window::new(self.oldest_day, now)
    }

    /// Looks at that row again.
    pub(crate) async fn refresh_window(&mut self) -> Result<(), Error> {
        self.oldest_day = read_oldest_day(&self.client).await?;
        Ok(())
    }

    /// Makes the partitions of `access_log` that these days need, in transactions of their own.
    pub(crate) async fn ensure_days(
        &mut self,
        days: impl Iterator<Item = i32>,
    ) -> Result<(), Error> {
        let (mut missing, mut last) = (BTreeSet::new(), None);
        for day in days {
            // Neighbours are mostly of one day.
            if last != Some(day) && !self.known_days.contains(&day) {
                missing.insert(day);
            }
            last = Some(day);
        }
        let missing: Vec<i32> = missing.into_iter().collect();
        for days in missing.chunks(DAYS_AT_ONCE) {
            self.client
                .execute(include_str!("../sql/ensure_days.sql"), &[&days])
                .await
                .map_err(Error::postgres("making days of access_log"))?;
            self.known_days.extend(days);
        }
        Ok(())
    }

    /// Starts the transaction of a batch; dropped before its commit, it is rolled back.
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        let inner =
            self.client.transaction().await.map_err(Error::postgres("beginning a batch"))?;
        Ok(Transaction::new(inner, &mut self.statements))
    }
}

async fn read_oldest_day(client: &Client) -> Result<Millis, Error> {
    let row = client
        .query_one("SELECT oldest_day::timestamp AT TIME ZONE 'UTC' FROM retention", &[])
        .await
        .map_err(Error::postgres("reading the oldest day kept"))?;
    Ok(row.get::<_, Timestamptz>(0).0)
}
