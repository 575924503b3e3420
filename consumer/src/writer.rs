//! A writer: takes the chunks that wait, makes them one batch, and applies it until it holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use resilience::{Admission, Breaker, Pass, State};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use crate::batch::Batch;
use crate::chunk::Chunk;
use crate::claims::Claims;
use crate::error::{Class, Error};
use crate::outbox::{Entry, Outbox};
use crate::pipeline::Pipeline;
use crate::settings::Settings;
use crate::store::{Connector, Store};

/// One of the writers: a task with a connection of its own.
pub(crate) struct Writer {
    pub(crate) settings: Arc<Settings>,
    pub(crate) connector: Arc<Connector>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) pipeline: Pipeline,
    pub(crate) chunks: mpsc::Receiver<Chunk>,
    pub(crate) outbox: Outbox,
    /// Whether Postgres answered last time; for `/readyz`.
    pub(crate) postgres_answers: Arc<AtomicBool>,
    /// Whether to try at all.
    pub(crate) breaker: Breaker,
    /// Whether the breaker is shown as open.
    pub(crate) breaker_shown: bool,
    /// Our last session, which may live on in the server when we have given it up.
    pub(crate) session: Option<i32>,
    /// Turns true when the process is to end.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Failures in a row after which a row that is refused, but not alone, is ours to mend.
const NOT_ISOLATED_MAX: u32 = 5;
/// How often a writer looks whether Postgres is there, and its claims as it left them.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Writer {
    /// Works until the reader ends or the process is to stop; then the batch at hand is finished,
    /// and what waits behind it is left to whoever claims next.
    ///
    /// # Errors
    /// What is not an outage: it must be looked at, and nothing is skipped meanwhile.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let mut store = None;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*self.stop.borrow() {
            tokio::select! {
                _ = self.stop.changed() => {}
                chunk = self.chunks.recv() => match chunk {
                    Some(chunk) => {
                        let batch = self.gather(chunk);
                        self.step(batch, &mut store).await?;
                    }
                    None => break,
                },
                _ = looks.tick() => self.look(&mut store).await,
            }
        }
        Ok(())
    }

    /// Everything that waits, up to the limits of a batch.
    fn gather(&mut self, first: Chunk) -> Batch {
        let limits = &self.settings.batch;
        // Kafka's timestamp decides nothing but how many go together.
        let live_window_ms = self.settings.decision.live_window_ms;
        let rows_max = match first.is_younger_than(live_window_ms) {
            true => limits.live_rows_max.min(limits.rows_max),
            false => limits.rows_max,
        };
        let (mut rows, mut bytes) = (first.len(), first.bytes_len());
        let mut chunks = vec![first];
        // Another writer waits for what goes with a partition's last.
        let awaited = |chunks: &[Chunk]| chunks.last().is_some_and(Chunk::is_awaited);
        while rows < rows_max && bytes < limits.bytes_max && !awaited(&chunks) {
            let Ok(chunk) = self.chunks.try_recv() else {
                break;
            };
            rows += chunk.len();
            bytes += chunk.bytes_len();
            chunks.push(chunk);
        }
        Batch::merge(chunks, &self.claims)
    }

    /// Applies one batch, however long Postgres is away, and waits until the outbox has room for its
    /// decisions.
    async fn step(&mut self, mut batch: Batch, store: &mut Option<Store>) -> Result<(), Error> {
        if batch.is_empty() {
            batch.done();
            return Ok(());
        }
        let started = Instant::now();
        let events = batch.records().count();
        let mut failures: u32 = 0;
        let mut committed = Vec::new();
        while !batch.is_empty() {
            let Some(pass) = self.may_try().await else { return Ok(()) };
            let error = match self.try_apply(&mut batch, store).await {
                Ok(entries) => {
                    self.breaker.succeeded(pass);
                    committed = entries;
                    break;
                }
                Err(error) => error,
            };
            match error.class() {
                Class::Bug => return Err(error),
                // A bad row that could not be told from its neighbours: what refused it may have
                // been mended while they were tried.
                Class::BadRow if failures >= NOT_ISOLATED_MAX => return Err(error),
                // The second time it was not what we thought.
                Class::KeyTaken if self.pipeline.probe_everything => return Err(error),
                Class::KeyTaken => self.pipeline.probe_everything = true,
                Class::Outage | Class::BadRow | Class::Contention => {}
            }
            match error.class() {
                Class::Outage => self.breaker.failed(pass, Instant::now(), &mut rand::rng()),
                // Postgres is there, and says so.
                _ => self.breaker.succeeded(pass),
            }
            self.pipeline.metrics.breaker(&self.breaker, &mut self.breaker_shown);
            failures += 1;
            self.trouble(&error, failures, store);
            // An open breaker has a wait of its own.
            if self.breaker.state() == State::Closed && self.stopped_while_waiting(failures).await {
                return Ok(());
            }
            batch.keep_held(&self.claims);
        }
        self.pipeline.metrics.breaker(&self.breaker, &mut self.breaker_shown);
        self.pipeline.probe_everything = false;
        if failures > 0 {
            // Of events from lanes, which stand behind everything that was looked through.
            self.outbox.look_again(&mut self.stop).await;
            info!(failures, "writing goes on");
        }
        self.postgres_answers.store(true, Ordering::Relaxed);
        if events > 0 {
            self.pipeline.metrics.batch_events.observe(events as f64);
            self.pipeline.metrics.batch_seconds.observe(started.elapsed().as_secs_f64());
        }
        self.outbox.hand_over(committed, &mut self.stop).await;
        // Only now may another writer go on with a partition of it; told to stop, nobody knows what was
        // handed over.
        if !*self.stop.borrow() {
            batch.done();
        }
        Ok(())
    }

    /// Waits until the breaker lets a try through; none if the process is to stop before.
    async fn may_try(&mut self) -> Option<Pass> {
        loop {
            let wait = match self.breaker.may_try(Instant::now()) {
                Admission::Go(pass) | Admission::Probe(pass) => return Some(pass),
                Admission::Wait(wait) => wait,
            };
            tokio::select! {
                () = sleep(wait) => {}
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    async fn try_apply(
        &mut self,
        batch: &mut Batch,
        store: &mut Option<Store>,
    ) -> Result<Vec<Entry>, Error> {
        // A connection can hang in ways that no timeout of the server's ends
        // (rust-postgres#1109): ours covers everything.
        let limit = self.settings.batch.timeout();
        let applied = timeout(limit, async {
            let store = self.connected(store).await?;
            self.pipeline.apply(batch, store, &self.claims).await
        });
        applied.await.unwrap_or(Err(Error::BatchTimeout(self.settings.batch.timeout_ms)))
    }

    fn trouble(&mut self, error: &Error, failures: u32, store: &mut Option<Store>) {
        self.pipeline.metrics.batch_retries.inc();
        if error.class() == Class::Outage {
            self.postgres_answers.store(false, Ordering::Relaxed);
        }
        // Whatever was remembered may be what was wrong: days that were dropped, the oldest day,
        // plans, permissions half loaded.
        *store = None;
        self.pipeline.cache.forget();
        // Once at first, then at every doubling: a day's outage is no flood.
        if failures.is_power_of_two() {
            let error = crate::chain(error);
            warn!(error, failures, "a batch failed; trying it again");
        }
    }

    async fn stopped_while_waiting(&mut self, failures: u32) -> bool {
        let delay = self.settings.retry.delay(failures, &mut rand::rng());
        tokio::select! {
            () = sleep(delay) => false,
            _ = self.stop.wait_for(|stop| *stop) => true,
        }
    }

    /// Keeps the connection known to be good, so that the first swipe of the morning does not find
    /// out, and the claims known to be ours.
    async fn look(&mut self, store: &mut Option<Store>) {
        let limit = Duration::from_millis(self.settings.postgres.connect_timeout_ms);
        let answered =
            timeout(limit, async { self.connected(store).await?.look_after(&self.claims).await });
        let answers = match answered.await {
            Ok(Ok(lost)) => {
                lost.into_iter()
                    .for_each(|(claim, loss)| self.pipeline.lose(claim, loss, &self.claims));
                true
            }
            failed => {
                *store = None;
                let error = failed.map_or_else(
                    |_| Error::Unreachable(self.settings.postgres.connect_timeout_ms),
                    |failed| failed.err().unwrap_or(Error::Ended("a look at the claims")),
                );
                if self.postgres_answers.load(Ordering::Relaxed) {
                    warn!(error = crate::chain(&error), "looking whether Postgres is there failed");
                }
                false
            }
        };
        if self.postgres_answers.swap(answers, Ordering::Relaxed) != answers {
            if answers {
                info!("Postgres answers");
            } else {
                warn!("Postgres does not answer");
            }
        }
    }

    async fn connected<'s>(
        &mut self,
        store: &'s mut Option<Store>,
    ) -> Result<&'s mut Store, Error> {
        if store.as_ref().is_none_or(|store| store.client().is_closed()) {
            // Another session may be another database: a copy of yesterday, a standby.
            self.pipeline.cache.forget();
            let opened = Store::open(&self.connector, self.session).await?;
            self.session = Some(opened.session());
            *store = Some(opened);
        }
        store.as_mut().ok_or(Error::Ended("a connection"))
    }
}
