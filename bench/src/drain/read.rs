//! One drain: a consumer process from its claim to the end of the log.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;
use tokio_postgres::Client;

use super::Bench;
use super::order::{self, Order};
use super::report::{DrainRun, Tally, rate};
use crate::consumer::Consumer;
use crate::database::{Contents, Database};
use crate::progress::Progress;

/// Between two looks at how far the consumer is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A drain that is over.
pub(super) struct Drained {
    pub(super) run: DrainRun,
    /// In which order its rows were written.
    pub(super) order: Order,
    pub(super) contents: Contents,
    /// The permission clock that its decisions name.
    pub(super) clock: i64,
}

/// When what happened, in seconds since the claim.
struct Times {
    first_commit_s: f64,
    end_s: f64,
}

impl Bench {
    /// Drains the log into a database of that name.
    pub(super) async fn drain(&self, name: &str, progress: &Progress) -> Result<Drained> {
        let database = Database::create(&self.servers, name, &self.workload).await?;
        let drained = self.drain_into(&database, name, progress).await;
        database.delete().await?;
        drained
    }

    async fn drain_into(
        &self,
        database: &Database,
        group: &str,
        progress: &Progress,
    ) -> Result<Drained> {
        database.checkpoint().await?;
        let mut consumer = Consumer::start(&self.servers, &database.url, &self.log.topic, group)?;
        let before = self.processes.used(consumer.pid());
        let times = self.follow(&mut consumer, &database.client, progress).await?;
        let cpu = self.processes.used(consumer.pid()).since(before);
        consumer.stop().await?;

        let tally = self.tally(&database.client).await?;
        let contents = database.contents().await?;
        self.check(&tally, &contents)?;
        let order = order::observe(&database.client, &self.workload).await?;
        let clock = "SELECT version FROM permission_clock";
        let clock =
            database.client.query_one(clock, &[]).await.context("reading the permission clock")?;
        let run = DrainRun {
            seconds: times.end_s,
            rows_per_s: rate(self.workload.len(), times.end_s),
            first_commit_s: times.first_commit_s,
            transactions: order.transactions,
            stretch_rows_mean: order.stretch_rows_mean,
            tally,
            cpu,
        };
        Ok(Drained { run, order, contents, clock: clock.get(0) })
    }

    /// Looks at the consumer's progress until it has reached the end.
    async fn follow(
        &self,
        consumer: &mut Consumer,
        client: &Client,
        progress: &Progress,
    ) -> Result<Times> {
        let doing = "looking at consumer_offset";
        let statement = client.prepare(include_str!("../sql/progress.sql")).await.context(doing)?;
        let end = self.workload.len() as i64;
        let (mut seen, mut moved_at, mut first_commit_s) = (0, Instant::now(), None);
        loop {
            let row = client.query_one(&statement, &[]).await.context(doing)?;
            let (next, since_claim_s): (i64, f64) = (row.get(0), row.get(1));
            if next > seen {
                (seen, moved_at) = (next, Instant::now());
                first_commit_s.get_or_insert(since_claim_s);
                progress.at(next.unsigned_abs());
            }
            if next >= end {
                let first_commit_s = first_commit_s.unwrap_or(since_claim_s);
                return Ok(Times { first_commit_s, end_s: since_claim_s });
            }
            consumer.check()?;
            if moved_at.elapsed() > PATIENCE {
                bail!(
                    "the consumer stands at {next} of {end} for {PATIENCE:?}:\n{}",
                    consumer.log()
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn tally(&self, client: &Client) -> Result<Tally> {
        let row = client.query_one(include_str!("../sql/tally.sql"), &[]).await;
        let row = row.context("reading consumer_offset")?;
        let claims: i64 = row.get(4);
        ensure!(
            claims == 1,
            "the partitions were claimed {claims} times: the time is not one drain's"
        );
        Ok(Tally {
            rows: row.get(0),
            duplicates: row.get(1),
            collisions: row.get(2),
            dead: row.get(3),
        })
    }

    /// A rate counts only if every swipe became a row with the decision that it must have.
    fn check(&self, tally: &Tally, contents: &Contents) -> Result<()> {
        let (rows, denied) = (self.workload.len() as i64, self.workload.denied());
        let all = Tally { rows, ..Tally::default() };
        ensure!(*tally == all, "of {rows} swipes the consumer has counted {tally:?}");
        ensure!(contents.rows == rows, "access_log holds {} of {rows} rows", contents.rows);
        ensure!(contents.denied == denied, "{} of {denied} swipes are denied", contents.denied);
        Ok(())
    }
}
