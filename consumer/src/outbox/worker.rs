//! The worker: publishes what it is handed at once, and everything else in its own time. It never
//! waits for one thing while another could be done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse, FusedFuture};
use rdkafka::error::RDKafkaErrorCode;
use schemas::Millis;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_postgres::Client;
use tracing::{info, warn};

use super::errand::{Done, Errand, Found};
use super::pending::Pending;
use super::{Entry, Handed, Kind, Place, Publisher, Report};
use crate::claims::Claims;
use crate::error::Error;
use crate::fault;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::store::Connector;

/// Publishes the outbox; one a process.
pub(crate) struct Worker {
    settings: Arc<Settings>,
    connector: Arc<Connector>,
    claims: Arc<Claims>,
    metrics: Metrics,
    handed: mpsc::Receiver<Handed>,
    stop: watch::Receiver<bool>,
    publisher: Publisher,
    reports: mpsc::UnboundedReceiver<Report>,
    pending: Pending,
    /// None while an errand has it.
    session: Option<Client>,
    errand: Fuse<BoxFuture<'static, Done>>,
    /// When rows are to be deleted: with those that are acknowledged until then.
    delete_at: Option<Instant>,
    sweep_due: bool,
    /// Whether everything is to be looked through once more, from the next errand on: one that is
    /// under way has looked before.
    looks_again: bool,
    /// When Kafka last refused a message, and when that was last said.
    refused_at: Option<Instant>,
    complained_at: Option<Instant>,
    /// Errands that failed in a row.
    failed: u32,
}

/// How long a row waits to be deleted with others.
const DELETE_AFTER: Duration = Duration::from_millis(50);
/// Rows that are deleted without waiting for others.
const DELETE_AT_ONCE: usize = 500;
/// Rows that are deleted at once, at most: so many go through in the time that an errand has.
const DELETE_MAX: usize = 5_000;
/// Between two complaints about Kafka, and until it counts as mended.
const COMPLAIN_EVERY: Duration = Duration::from_secs(20);
/// How often is looked whether the producer has lost its brokers.
const RECONNECT_EVERY: Duration = Duration::from_secs(1);
/// Dead letters, and replays, that are under way at most: so many more wait in the table.
const LETTERS_MAX: usize = 500;
/// The part of all room that each of them may take: decisions are to find some always.
const LETTERS_ROOM: usize = 4;
/// Rows of one partition that one look brings at most.
const EACH_MAX: usize = 1_000;

impl Worker {
    pub(crate) fn new(
        settings: Arc<Settings>,
        connector: Arc<Connector>,
        claims: Arc<Claims>,
        metrics: Metrics,
        handed: mpsc::Receiver<Handed>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let (publisher, reports) = Publisher::new(&settings, connector.member())?;
        Ok(Self {
            settings,
            connector,
            claims,
            metrics,
            handed,
            stop,
            publisher,
            reports,
            pending: Pending::default(),
            session: None,
            errand: Fuse::terminated(),
            delete_at: None,
            sweep_due: false,
            looks_again: false,
            refused_at: None,
            complained_at: None,
            failed: 0,
        })
    }

    /// Works until the writers have ended; then what librdkafka has is finished.
    ///
    /// # Errors
    /// What is not an outage.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let mut ticks = interval(Duration::from_millis(self.settings.outbox.sweep_interval_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reconnects = interval(RECONNECT_EVERY);
        loop {
            let stopping = *self.stop.borrow();
            let has_room = self.pending.len() < self.settings.outbox.waiting_max;
            tokio::select! {
                Some(report) = self.reports.recv() => self.reported(report)?,
                // Writers that stop wait for nothing, and need no room.
                handed = self.handed.recv(), if has_room || stopping => match handed {
                    Some(Handed::Entries(entries)) => self.take(entries)?,
                    Some(Handed::LookAgain) => {
                        (self.looks_again, self.sweep_due) = (true, true);
                    }
                    None => break,
                },
                done = &mut self.errand, if !self.errand.is_terminated() => self.done(done)?,
                () = self.claims.more() => self.sweep_due = true,
                _ = ticks.tick() => {
                    self.sweep_due = true;
                    self.send_waiting()?;
                    self.mended();
                }
                _ = reconnects.tick() => self.publisher.reconnect(),
                () = at(self.delete_at), if self.errand.is_terminated() => self.run_errand(),
                _ = self.stop.changed(), if !stopping => {}
            }
            let deletable = self.pending.deletable() >= DELETE_AT_ONCE;
            if self.errand.is_terminated() && (self.sweep_due || deletable) && self.failed == 0 {
                self.run_errand();
            }
            self.metrics.outbox_waiting.set(self.pending.len() as i64);
        }
        self.finish().await
    }

    /// What is under way is finished, as far as the time allows; the rest is whoever's is next.
    async fn finish(mut self) -> Result<(), Error> {
        let patience = Duration::from_millis(self.settings.batch.shutdown_timeout_ms);
        let deadline = Instant::now() + patience;
        loop {
            if self.errand.is_terminated() && self.pending.deletable() > 0 && self.failed == 0 {
                self.run_errand();
            }
            if self.pending.sent_count() == 0 && self.errand.is_terminated() {
                break;
            }
            tokio::select! {
                Some(report) = self.reports.recv() => self.reported(report)?,
                done = &mut self.errand, if !self.errand.is_terminated() => self.done(done)?,
                () = sleep_until(deadline) => break,
            }
        }
        if self.pending.len() > 0 {
            info!(messages = self.pending.len(), "left in the outbox for whoever claims next");
        }
        Ok(())
    }

    fn take(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        entries.into_iter().try_for_each(|entry| {
            let place = entry.place;
            self.pending.hand_over(entry);
            self.send(place)
        })
    }

    fn send_waiting(&mut self) -> Result<(), Error> {
        self.pending.waiting().into_iter().try_for_each(|place| self.send(place))
    }

    /// Queues a message that waits, without its door command if that has expired.
    fn send(&mut self, place: Place) -> Result<(), Error> {
        let Some(entry) = self.pending.waiting_at(place) else { return Ok(()) };
        if entry.expire(Millis::now()) {
            self.metrics.commands_expired.inc();
        }
        match self.publisher.queue(entry) {
            Ok(()) => {
                self.pending.sent(place);
                Ok(())
            }
            Err(code) => self.refused(place, code),
        }
    }

    /// Takes in what became of messages.
    fn reported(&mut self, first: Report) -> Result<(), Error> {
        let mut next = Some(first);
        while let Some(Report { place, outcome }) = next {
            match outcome {
                Ok(()) => self.acknowledged(place),
                Err(code) => {
                    self.pending.failed(place);
                    self.refused(place, code)?;
                }
            }
            next = self.reports.try_recv().ok();
        }
        Ok(())
    }

    fn acknowledged(&mut self, place: Place) {
        fault::after("published");
        let Some(since) = self.pending.acknowledged(place) else { return };
        self.metrics.published.with_label_values(&[place.kind.as_str()]).inc();
        if place.kind == Kind::Decision {
            let took_ms = Millis::now().unix_ms().saturating_sub(since.unix_ms());
            self.metrics.door_to_decision_seconds.observe(took_ms.max(0) as f64 / 1_000.0);
        }
        self.delete_at.get_or_insert_with(|| Instant::now() + DELETE_AFTER);
    }

    /// Kafka did not take a message: it waits for the next tick. Some errors end a producer for good.
    fn refused(&mut self, place: Place, code: RDKafkaErrorCode) -> Result<(), Error> {
        self.metrics.publish_failures.inc();
        let now = Instant::now();
        self.refused_at = Some(now);
        if self.complained_at.is_none_or(|at| now - at >= COMPLAIN_EVERY) {
            self.complained_at = Some(now);
            let (topic, messages) = (self.publisher.topic(place.kind), self.pending.len());
            match code {
                RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => {
                    warn!(topic, messages, "Kafka has no such topic; run `gatelog setup`");
                }
                code => warn!(topic, messages, %code, "a message was not published; trying again"),
            }
        }
        if code == RDKafkaErrorCode::MessageSizeTooLarge {
            self.pending.omit_value(place);
        }
        if code == RDKafkaErrorCode::Fatal {
            let (publisher, reports) = Publisher::new(&self.settings, self.connector.member())?;
            let before = std::mem::replace(&mut self.publisher, publisher);
            self.reports = reports;
            self.pending.all_failed();
            // It waits for its threads.
            tokio::task::spawn_blocking(move || drop(before));
        }
        Ok(())
    }

    /// Says that Kafka takes messages again, when it has for a while.
    fn mended(&mut self) {
        if self.refused_at.is_some_and(|at| at.elapsed() >= COMPLAIN_EVERY) {
            (self.refused_at, self.complained_at) = (None, None);
            info!("Kafka takes the outbox's messages again");
        }
    }

    /// Deletes what is acknowledged and, where that is due, looks for what nobody handed over.
    fn run_errand(&mut self) {
        self.delete_at = None;
        let room = self.settings.outbox.waiting_max.saturating_sub(self.pending.len());
        let (mut looks, mut letters, mut partitions) = (Vec::new(), Vec::new(), Vec::new());
        if std::mem::take(&mut self.sweep_due) {
            if std::mem::take(&mut self.looks_again) {
                self.pending.look_again();
            }
            let held = self.claims.held().into_iter();
            let held: HashMap<_, _> = held.map(|(c, p)| (c, p.open.next_offset)).collect();
            looks = self.pending.looks(&held);
            partitions = held.keys().map(|claim| claim.partition).collect();
            if room == 0 {
                looks.clear();
            }
            let letters_max = self.settings.outbox.waiting_max / LETTERS_ROOM;
            if !partitions.is_empty() {
                letters = self.pending.look_for_letters(letters_max.clamp(1, LETTERS_MAX));
            }
        }
        let delete = self.pending.take_deletable(DELETE_MAX);
        if delete.is_empty() && looks.is_empty() && letters.is_empty() {
            // Nothing to try again: the next one is due when it is due.
            self.failed = 0;
            return;
        }
        let each_max = (room / looks.len().max(1)).clamp(1, EACH_MAX);
        let session = self.session.take();
        let errand =
            Errand { session, delete, is_deleted: false, looks, each_max, partitions, letters };
        let limit_ms = self.settings.postgres.connect_timeout_ms;
        self.errand = errand.run(self.connector.clone(), limit_ms).boxed().fuse();
    }

    fn done(&mut self, done: Done) -> Result<(), Error> {
        let Done { errand, outcome } = done;
        let Errand { session, delete, is_deleted, looks, each_max, .. } = errand;
        let looks_for_letters = errand.letters;
        self.session = session;
        self.pending.deleted(delete, is_deleted);
        match outcome {
            Ok(Found { decisions, letters }) => {
                self.failed = 0;
                let is_any = !decisions.is_empty() || letters.iter().any(|some| !some.is_empty());
                self.sweep_due |= self.pending.found(&looks, each_max, decisions);
                for (look, found) in looks_for_letters.iter().zip(letters) {
                    self.sweep_due |= self.pending.letters(look, found);
                }
                if is_any { self.send_waiting() } else { Ok(()) }
            }
            Err(error) if !error.passes() => Err(error),
            Err(error) => {
                self.failed += 1;
                let delay = self.settings.retry.delay(self.failed, &mut rand::rng());
                self.delete_at = Some(Instant::now() + delay);
                self.sweep_due = true;
                if self.failed.is_power_of_two() {
                    let error = crate::chain(&error);
                    warn!(error, failures = self.failed, "the outbox's table cannot be reached");
                }
                Ok(())
            }
        }
    }
}

/// Waits until then; for ever where there is no such moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
