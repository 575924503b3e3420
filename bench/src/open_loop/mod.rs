//! Live swipes at a fixed rate, each at its moment on a schedule whatever became of those before it,
//! and one consumer that applies them.
//!
//! ```text
//! schedule → sender (a thread) → Kafka → consumer → Postgres
//!    │          └ how late          └ acknowledged      └ next_offset, seen by a watcher (a thread)
//!    └────────── all times are counted from here
//! ```

mod at_rate;
mod feed;
mod percentiles;
mod send;
mod watch;

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use schemas::Millis;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::consumer::Consumer;
use crate::course;
use crate::database::Database;
use crate::ground::Ground;
use crate::log::Log;
use crate::outcome::{self, Tally};

pub use at_rate::AtRate;
pub(crate) use at_rate::{committed_at, row};
pub(crate) use feed::Feed;
pub use percentiles::Percentiles;
pub(crate) use percentiles::Times;
pub(crate) use send::Plan;
pub(crate) use watch::runtime;

use send::{Sender, Sent};
use watch::{Watch, Watched};

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A consumer that has claimed its partitions, and whoever makes its swipes.
pub(crate) struct OpenLoop<'b> {
    database: &'b Database,
    consumer: Consumer,
    sender: Sender,
}

/// One rate that was kept up.
pub(crate) struct Kept {
    pub(crate) sent: Sent,
    pub(crate) watched: Watched,
}

/// The days of swipes that are made now: a run may begin before midnight and end after it.
pub(crate) fn days() -> Range<i32> {
    let today = Millis::now().unix_day();
    today - 1..today + 2
}

impl<'b> OpenLoop<'b> {
    /// Starts a consumer, with some settings, and waits until it has claimed every partition.
    ///
    /// # Errors
    /// A server's own, or the consumer's.
    pub(crate) async fn start(
        ground: &Ground,
        database: &'b Database,
        log: &Log,
        feed: Feed,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let (servers, topic) = (&ground.servers, &log.topic);
        let mut consumer =
            Consumer::start_with(servers, &database.url, topic, &ground.name, settings)?;
        course::claimed(&mut consumer, &database.client, log.partitions).await?;
        let sender = Sender::new(servers, topic, feed)?;
        Ok(Self { database, consumer, sender })
    }

    /// Events that were sent so far.
    pub(crate) fn events(&self) -> usize {
        self.sender.events()
    }

    /// Those among them that must be denied.
    pub(crate) fn denied(&self) -> i64 {
        self.sender.denied()
    }

    /// Keeps up one rate and waits until all of its events are committed.
    ///
    /// # Errors
    /// A server's own; or the consumer ends or stands still.
    pub(crate) async fn keep_up(self, plan: Plan) -> Result<(Self, Kept)> {
        let Self { database, mut consumer, mut sender } = self;
        let watch = Watch::start(&database.url).await?;
        let (sender, sent) = on_own_thread("sender", move || {
            let sent = sender.keep_up(plan)?;
            Ok((sender, sent))
        })
        .await?;
        let watched = all_committed(&mut consumer, watch, &sender).await?;
        Ok((Self { database, consumer, sender }, Kept { sent, watched }))
    }

    /// Stops the consumer. Every swipe must be a row with the decision that it must have; how many
    /// were not live.
    ///
    /// # Errors
    /// A server's own, or says what is otherwise.
    pub(crate) async fn finish(self) -> Result<i64> {
        self.consumer.stop().await?;
        let (database, sender) = (self.database, self.sender);
        let (events, client) = (sender.events() as i64, &database.client);
        let tally = outcome::tally(client).await?;
        let all = Tally { rows: events, ..Tally::default() };
        ensure!(tally == all, "of {events} swipes the consumer has counted {tally:?}");
        let (denied, contents) = (sender.denied(), database.contents().await?);
        ensure!(contents.rows == events, "access_log holds {} of {events} rows", contents.rows);
        ensure!(contents.denied == denied, "{} of {denied} swipes are denied", contents.denied);
        let live = client.query_one(include_str!("../sql/live.sql"), &[]).await;
        Ok(events - live.context("counting live swipes")?.get::<_, i64>(0))
    }
}

async fn all_committed(consumer: &mut Consumer, watch: Watch, sender: &Sender) -> Result<Watched> {
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

/// Runs what must not wait for others on a thread of its own.
///
/// # Errors
/// What it comes to; or it has panicked.
pub(crate) async fn on_own_thread<T: Send + 'static>(
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
