//! `bench latency`: how long after its publishing a swipe is committed, at fixed rates.
//!
//! ```text
//! schedule → sender (a thread) → Kafka → consumer → Postgres
//!    │          └ how late          └ acknowledged      └ next_offset, seen by a watcher (a thread)
//!    └────────── all times are counted from here
//! ```

mod bare_commit;
mod feed;
mod percentiles;
mod report;
mod send;
mod watch;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use schemas::Millis;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::consumer::Consumer;
use crate::database::Database;
use crate::ground::Ground;
use crate::log::Log;
use crate::outcome::{self, Tally};
use crate::progress::Progress;
use crate::site::Site;

use feed::Feed;
use send::{Plan, Sender, Sent};
use watch::{Watch, Watched};

pub use percentiles::Percentiles;
pub use report::{AtRate, Report};

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Which rates, for how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Events a second, one rate after another
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', default_value = "500,2000,10000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rates: Vec<u32>,
    /// How long each rate is kept up, after its warm-up
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub seconds: u16,
    /// How long a rate is kept up before it counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=600))]
    pub warm_up_s: u16,
    /// Bare commits that are timed before, one after another
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub commits: u32,
    /// Which cards at which terminals
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Partitions of the log
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
}

impl Options {
    fn events(&self, rate: u32) -> usize {
        rate as usize * usize::from(self.warm_up_s + self.seconds)
    }
}

struct Bench {
    ground: Ground,
    log: Log,
    database: Database,
}

/// Times bare commits, then each rate.
///
/// # Errors
/// A server's own; or what was measured is not what should have happened.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let site = Site::new(options.rates.iter().map(|rate| options.events(*rate)).sum());
    let log = Log::create(&ground.servers, &ground.name, options.partitions).await?;
    let today = Millis::now().unix_day();
    // A run may begin before midnight and end after it.
    let days = today - 1..today + 2;
    let database = match Database::create(&ground.servers, &ground.name, &site, days).await {
        Ok(database) => database,
        Err(error) => {
            log.delete().await;
            return Err(error);
        }
    };
    let bench = Bench { ground, log, database };
    let measured = bench.measure(options, site).await;
    bench.log.delete().await;
    bench.database.delete().await?;
    measured
}

impl Bench {
    async fn measure(&self, options: &Options, site: Site) -> Result<Report> {
        let progress = Progress::start("bare commits", u64::from(options.commits));
        let (url, commits) = (self.database.url.clone(), options.commits);
        let bare_commit =
            on_own_thread("bare commits", move || bare_commit::measure(&url, commits)).await?;
        progress.done(&bare_commit);

        let (topic, group) = (&self.log.topic, &self.ground.name);
        let mut consumer = Consumer::start(&self.ground.servers, &self.database.url, topic, group)?;
        self.claimed(&mut consumer, options.partitions).await?;
        let feed = Feed::new(site, options.seed);
        let mut sender = Sender::new(&self.ground.servers, topic, feed)?;
        let mut rates = Vec::new();
        for rate in &options.rates {
            let progress = Progress::start(format_args!("{rate}/s"), options.events(*rate) as u64);
            let at_rate;
            (sender, at_rate) = self.at_rate(&mut consumer, sender, options, *rate).await?;
            progress.done(&at_rate);
            rates.push(at_rate);
        }
        consumer.stop().await?;
        let not_live = self.check(&sender).await?;
        Ok(Report::new(options, bare_commit, rates, not_live))
    }

    /// Waits until the consumer has claimed every partition.
    async fn claimed(&self, consumer: &mut Consumer, partitions: u16) -> Result<()> {
        let (doing, started) = ("looking at consumer_offset", Instant::now());
        let sql = include_str!("../sql/claimed.sql");
        loop {
            let row = self.database.client.query_one(sql, &[]).await.context(doing)?;
            if row.get::<_, i64>(0) == i64::from(partitions) {
                return Ok(());
            }
            consumer.check()?;
            ensure!(
                started.elapsed() < PATIENCE,
                "the consumer has not claimed its partitions for {PATIENCE:?}:\n{}",
                consumer.log()
            );
            sleep(LOOK_EVERY).await;
        }
    }

    /// Keeps up one rate and waits until all of its events are committed.
    async fn at_rate(
        &self,
        consumer: &mut Consumer,
        mut sender: Sender,
        options: &Options,
        rate: u32,
    ) -> Result<(Sender, AtRate)> {
        let counted_from = rate as usize * usize::from(options.warm_up_s);
        let plan = Plan { rate, events: options.events(rate), counted_from };
        let watch = Watch::start(&self.database.url).await?;
        let (sender, sent) = on_own_thread("sender", move || {
            let sent = sender.keep_up(plan)?;
            Ok((sender, sent))
        })
        .await?;
        let watched = self.all_committed(consumer, watch, &sender).await?;
        let at_rate = join(plan, &sent, &watched)?;
        Ok((sender, at_rate))
    }

    async fn all_committed(
        &self,
        consumer: &mut Consumer,
        watch: Watch,
        sender: &Sender,
    ) -> Result<Watched> {
        let sent = sender.events() as i64;
        let (mut committed, mut moved_at) = (0, Instant::now());
        while committed < sent {
            consumer.check()?;
            if watch.has_ended() {
                break;
            }
            if watch.committed() > committed {
                (committed, moved_at) = (watch.committed(), Instant::now());
            }
            ensure!(
                moved_at.elapsed() < PATIENCE,
                "the consumer stands at {committed} of {sent} for {PATIENCE:?}:\n{}",
                consumer.log()
            );
            sleep(LOOK_EVERY).await;
        }
        watch.stop().await
    }

    /// Every swipe must be a row with the decision that it must have; how many were not live.
    async fn check(&self, sender: &Sender) -> Result<i64> {
        let (events, client) = (sender.events() as i64, &self.database.client);
        let tally = outcome::tally(client).await?;
        let all = Tally { rows: events, ..Tally::default() };
        ensure!(tally == all, "of {events} swipes the consumer has counted {tally:?}");
        let (denied, contents) = (sender.denied(), self.database.contents().await?);
        ensure!(contents.rows == events, "access_log holds {} of {events} rows", contents.rows);
        ensure!(contents.denied == denied, "{} of {denied} swipes are denied", contents.denied);
        let live = client.query_one(include_str!("../sql/live.sql"), &[]).await;
        Ok(events - live.context("counting live swipes")?.get::<_, i64>(0))
    }
}

/// Brings together, event by event, when it was due, sent, acknowledged and committed.
fn join(plan: Plan, sent: &Sent, watched: &Watched) -> Result<AtRate> {
    let mut at_rate = report::Recorder::default();
    for event in sent.events.iter().skip(plan.counted_from) {
        let (partition, offset) = (event.partition, event.offset);
        let committed_at = watched.committed_at(partition, offset).with_context(|| {
            format!("offset {offset} of partition {partition} was never seen committed")
        })?;
        at_rate.add(event, committed_at);
    }
    at_rate.look_gaps(&watched.gaps);
    Ok(at_rate.finish(plan, sent.took()))
}

/// Runs what must not wait for others on a thread of its own.
async fn on_own_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (done, result) = oneshot::channel();
    let run = move || {
        // Whoever waited may have gone.
        let _ = done.send(work());
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).context("starting a thread")?;
    result.await.with_context(|| format!("the thread of {name} has panicked"))?
}
