//! One log, drained in each way, in turn.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::time::{Duration, sleep};

use super::changes::{Changes, ChangesMade};
use super::report::DrainRun;
use super::{Options, PATIENCE, Way};
use crate::consumer::Consumer;
use crate::course;
use crate::database::Database;
use crate::ground::Ground;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::open_loop::{self, Feed};
use crate::outcome::{self, Tally};
use crate::progress::Progress;
use crate::stats::rate;

/// Between two looks at how much is published.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What every drain needs.
pub(super) struct Drains<'b> {
    pub(super) ground: &'b Ground,
    pub(super) log: &'b Log,
    /// Whoever made the swipes of the log.
    pub(super) feed: &'b Feed,
    pub(super) options: &'b Options,
}

/// How far a drain was when.
struct Drained {
    seconds: f64,
    published_s: f64,
    counted: Metrics,
}

impl Drains<'_> {
    /// Round after round; each way with its drains.
    pub(super) async fn measure(&self) -> Result<Vec<(Way, Vec<DrainRun>)>> {
        let runs = self.options.runs;
        let mut ways: Vec<_> =
            Way::all(self.options).into_iter().map(|way| (way, Vec::new())).collect();
        // The first drain of a cluster makes its files and fills its caches.
        if !self.options.cold {
            self.drain(Way::Live, "warm-up", 0).await?;
        }
        for run in 1..=runs {
            for (nth, (way, drains)) in ways.iter_mut().enumerate() {
                let number = usize::from(run) * 100 + nth;
                drains.push(self.drain(*way, &format!("{run} of {runs}"), number).await?);
            }
        }
        Ok(ways)
    }

    async fn drain(&self, way: Way, label: &str, number: usize) -> Result<DrainRun> {
        let progress = Progress::start(format_args!("{way} {label}"), self.feed.made() as u64);
        let name = format!("{}_{number}", self.ground.name);
        let (servers, site) = (&self.ground.servers, self.feed.site());
        let database = Database::create(servers, &name, site, open_loop::days()).await?;
        let run = self.drain_into(&database, &name, way, number as u64, &progress).await;
        database.delete().await?;
        let run = run.with_context(|| format!("draining: {way}"))?;
        progress.done(&run);
        Ok(run)
    }

    async fn drain_into(
        &self,
        database: &Database,
        group: &str,
        way: Way,
        number: u64,
        progress: &Progress,
    ) -> Result<DrainRun> {
        if way == Way::CardState {
            let sql = include_str!("../sql/track_cards.sql");
            database.client.batch_execute(sql).await.context("setting rules of zones")?;
        }
        let changes = match way.changes() {
            Some(rate) => Some(self.changes(database, rate, number).await?),
            None => None,
        };
        database.checkpoint().await?;
        let (servers, topic) = (&self.ground.servers, &self.log.topic);
        let mut consumer =
            Consumer::start_with(servers, &database.url, topic, group, &way.settings())?;
        let before = self.ground.processes.used(consumer.pid());
        let (drained, changes) =
            self.follow(&mut consumer, database, way, changes, progress).await?;
        let cpu = self.ground.processes.used(consumer.pid()).since(before);
        consumer.stop().await?;
        self.check(database, way).await?;
        let changes_alone = match way.changes() {
            Some(rate) => Some(self.changes_alone(database, rate, number).await?),
            None => None,
        };
        let Drained { seconds, published_s, counted } = drained;
        let swipes = self.feed.made();
        let (batches, retries) = (
            counted.count(r#"optimistic_lock_retry_count_count{operation="decide"}"#),
            counted.count(r#"optimistic_lock_retry_count_sum{operation="decide"}"#),
        );
        Ok(DrainRun {
            seconds,
            events_per_s: rate(swipes, seconds),
            published_s: way.is_live().then_some(published_s),
            published_per_s: way.is_live().then(|| rate(swipes, published_s)),
            batches,
            conflicts: counted
                .count(r#"optimistic_lock_failure_total{operation="decide",reason="stale_data"}"#),
            retries,
            decided_twice: retries as f64 / batches.max(1) as f64,
            begun_again: counted.count("gatelog_consumer_batch_retries_total"),
            commands_expired: counted.count("gatelog_consumer_commands_expired_total"),
            changes,
            changes_alone,
            cpu,
        })
    }

    async fn changes(&self, database: &Database, rate: u32, seed: u64) -> Result<Changes> {
        let (site, sessions) = (self.feed.site(), self.options.sessions);
        Changes::prepare(&database.url, site, rate, sessions, self.options.seed ^ seed).await
    }

    /// The peer of the changes that were made beside the drain.
    async fn changes_alone(
        &self,
        database: &Database,
        rate: u32,
        seed: u64,
    ) -> Result<ChangesMade> {
        database.checkpoint().await?;
        // Other cards than before.
        let mut changes = self.changes(database, rate, !seed).await?;
        changes.begin();
        sleep(Duration::from_secs(self.options.alone_s.into())).await;
        changes.end().await
    }

    /// From the claim to the end of the log, and on until every decision is published.
    async fn follow(
        &self,
        consumer: &mut Consumer,
        database: &Database,
        way: Way,
        mut changes: Option<Changes>,
        progress: &Progress,
    ) -> Result<(Drained, Option<ChangesMade>)> {
        let swipes = self.feed.made() as i64;
        let client = &database.client;
        course::claimed(consumer, client, self.log.partitions).await?;
        changes.iter_mut().for_each(Changes::begin);
        let course = course::follow(consumer, client, 0..swipes, progress).await?;
        let at_end = Instant::now();
        let changes = match changes {
            Some(changes) => Some(changes.end().await?),
            None => None,
        };
        let decisions = if way.is_live() { swipes.unsigned_abs() } else { 0 };
        let counted = loop {
            let counted = consumer.metrics().await?;
            let series = r#"gatelog_consumer_outbox_published_total{kind="decision"}"#;
            let published = counted.count(series);
            // The last batch is counted right after its commit.
            let applied = counted.count(r#"gatelog_consumer_events_total{outcome="row"}"#);
            if published >= decisions && applied >= swipes.unsigned_abs() {
                break counted;
            }
            consumer.check()?;
            ensure!(
                at_end.elapsed() < PATIENCE,
                "{published} of {decisions} decisions are published {PATIENCE:?} after the last \
                 commit:\n{}",
                consumer.log()
            );
            sleep(LOOK_EVERY).await;
        };
        let seconds = course.seconds();
        let published_s = seconds + at_end.elapsed().as_secs_f64();
        Ok((Drained { seconds, published_s, counted }, changes))
    }

    /// A rate counts only if every swipe became a row, live or not as it should be, with the
    /// decision that the permissions say whose clock it names.
    async fn check(&self, database: &Database, way: Way) -> Result<()> {
        let (swipes, client) = (self.feed.made() as i64, &database.client);
        let tally = outcome::tally(client).await?;
        let all = Tally { rows: swipes, ..Tally::default() };
        ensure!(tally == all, "of {swipes} swipes the consumer has counted {tally:?}");
        let row = client.query_one(include_str!("../sql/right.sql"), &[]).await;
        let row = row.context("reading access_log")?;
        let [rows, live, denied, wrong] = std::array::from_fn(|column| row.get::<_, i64>(column));
        ensure!(rows == swipes, "access_log holds {rows} of {swipes} rows");
        let live_due = if way.is_live() { swipes } else { 0 };
        ensure!(live == live_due, "{live} rows are live, and {live_due} should be");
        ensure!(wrong == 0, "{wrong} decisions are not what the permissions of their clock say");
        let denied_due = self.feed.denied();
        ensure!(
            denied == denied_due || way.changes().is_some(),
            "{denied} of {denied_due} swipes are denied"
        );
        Ok(())
    }
}
