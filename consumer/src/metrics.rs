//! What the consumer shows on `/metrics`. The doc comments are the help texts.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use registry::Loads;
use resilience::{Breaker, State};
use schemas::{DenialReason, Millis};
use telemetry::optimistic_lock::{FailureReason, OptimisticLock};

use crate::decode::Refusal;
use crate::error::Error;
use crate::store::Sorted;

/// What decisions on permissions count as in the metrics of optimistic locking.
pub(crate) const DECIDE: &str = "decide";

/// The kinds of `identity_conflict`.
const CONFLICTS: [&str; 3] = ["event_id_reused", "payload_differs", "counter_reused"];

/// The consumer's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    /// Events that got their outcome, by outcome.
    pub(crate) events: IntCounterVec,
    /// Decisions on new rows and collisions, by decision and primary reason.
    pub(crate) decisions: IntCounterVec,
    /// Events of each assigned partition that are not applied yet.
    pub(crate) lag: IntGaugeVec,
    /// Events a transaction applied.
    pub(crate) batch_events: Histogram,
    /// Time a batch took from its first step to its commit, retries included, in seconds.
    pub(crate) batch_seconds: Histogram,
    /// Time from an event's Kafka timestamp to the commit of its outcome, in seconds.
    pub(crate) publish_to_row_seconds: Histogram,
    /// Transactions that were tried again because Postgres was away or in the way.
    pub(crate) batch_retries: IntCounter,
    /// Batches that were decided again because the permission clock had moved.
    pub(crate) optimistic_lock: OptimisticLock,
    /// What was loaded into the writers' caches of permissions, by kind.
    pub(crate) permission_loads: IntCounterVec,
    /// Events that were given up, by reason.
    dead_letters: IntCounterVec,
    /// Events that came to wait in lanes.
    parked: IntCounter,
    /// Terminals whose events are given up at once; each writer finds out for itself.
    pub(crate) quarantined: IntGauge,
    /// Dead letters that were replayed because what was wrong had healed.
    pub(crate) compensated: IntCounter,
    /// Dead letters that were replayed as often as may be, and are open still.
    pub(crate) letters_given_up: IntGauge,
    /// Dead letters that will be replayed when what is wrong has healed.
    pub(crate) letters_waiting: IntGauge,
    /// Events that claim what another has claimed, by kind.
    identity_conflicts: IntCounterVec,
    /// Events whose counters are not in the terminals' ledger yet.
    pub(crate) ledger_waiting: IntGauge,
    /// Writers that have stopped trying for a while: a server is away.
    pub(crate) breakers_open: IntGauge,
    /// Claims that were found to be lost.
    pub(crate) claims_lost: IntCounter,
    /// Partitions this member has claimed.
    pub(crate) partitions: IntGauge,
    /// Times that a writer's queue was full and its partitions were paused.
    pub(crate) pauses: IntCounter,
    /// Partitions that were given to another writer, by why.
    pub(crate) partitions_moved: IntCounterVec,
    /// Messages of the outbox that Kafka acknowledged, by kind.
    pub(crate) published: IntCounterVec,
    /// Messages of the outbox that Kafka did not take; each try counts.
    pub(crate) publish_failures: IntCounter,
    /// Door commands that had expired before their decision was published.
    pub(crate) commands_expired: IntCounter,
    /// Messages in this process's outbox that are not acknowledged and deleted yet.
    pub(crate) outbox_waiting: IntGauge,
    /// Time from the card at the door to Kafka's acknowledgement of the decision, in seconds.
    pub(crate) door_to_decision_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, Error> {
        Self::build().map_err(|error| Error::Bug(format!("registering metrics: {error}")))
    }

    fn build() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Maker { registry: &registry };
        Ok(Self {
            events: make.counters(
                "events_total",
                "Events that got their outcome, by outcome.",
                &["outcome"],
            )?,
            decisions: make.counters(
                "decisions_total",
                "Decisions on new rows and collisions, by decision and primary reason.",
                &["decision", "reason"],
            )?,
            lag: {
                let opts = make.opts("lag_events", "Events of a partition not applied yet.");
                make.register(IntGaugeVec::new(opts, &["partition"])?)?
            },
            batch_events: make.histogram(
                "batch_events",
                "Events a transaction applied.",
                prometheus::exponential_buckets(1.0, 4.0, 10)?,
            )?,
            batch_seconds: make.histogram(
                "batch_seconds",
                "Time from a batch's first step to its commit, in seconds.",
                prometheus::exponential_buckets(0.000_5, 2.0, 16)?,
            )?,
            publish_to_row_seconds: make.histogram(
                "publish_to_row_seconds",
                "Time from an event's Kafka timestamp to the commit of its outcome, in seconds.",
                prometheus::exponential_buckets(0.001, 2.0, 18)?,
            )?,
            batch_retries: make.counter("batch_retries_total", "Transactions tried again.")?,
            optimistic_lock: {
                let lock = OptimisticLock::register(&registry)?;
                lock.expect(DECIDE, FailureReason::StaleData);
                lock
            },
            permission_loads: make.counters(
                "permission_loads_total",
                "Cards, terminals, zones and schedules loaded into the writers' caches.",
                &["kind"],
            )?,
            dead_letters: make.counters(
                "dead_letters_total",
                "Events that were given up, by reason.",
                &["reason"],
            )?,
            parked: make.counter("parked_total", "Events that came to wait in lanes.")?,
            quarantined: make.gauge(
                "quarantined_terminals",
                "Terminals whose events are given up at once; each writer finds out for itself.",
            )?,
            compensated: make.counter(
                "compensated_total",
                "Dead letters replayed because what was wrong had healed.",
            )?,
            letters_given_up: make.gauge(
                "dead_letters_given_up",
                "Dead letters that were replayed as often as may be and are open still: somebody \
                 has to look at them.",
            )?,
            letters_waiting: make.gauge(
                "dead_letters_waiting",
                "Dead letters that will be replayed when what is wrong has healed.",
            )?,
            identity_conflicts: {
                let conflicts = make.counters(
                    "identity_conflicts_total",
                    "Events that claim what another has claimed, by kind: a sender is at fault.",
                    &["kind"],
                )?;
                // A rise from nothing is seen where there was a nought.
                CONFLICTS.iter().for_each(|kind| drop(conflicts.with_label_values(&[kind])));
                conflicts
            },
            ledger_waiting: make.gauge(
                "ledger_waiting_events",
                "Events of all consumers whose counters are not in the terminals' ledger yet.",
            )?,
            breakers_open: make.gauge(
                "breakers_open",
                "Writers that have stopped trying for a while: a server is away.",
            )?,
            claims_lost: make.counter("claims_lost_total", "Claims found to be lost.")?,
            partitions: make.gauge("claimed_partitions", "Partitions this member has claimed.")?,
            pauses: make.counter(
                "pauses_total",
                "Times reading for a writer paused because its queue was full.",
            )?,
            partitions_moved: make.counters(
                "partitions_moved_total",
                "Partitions that a writer with too much gave to one that is idle, or ahead.",
                &["to"],
            )?,
            published: make.counters(
                "outbox_published_total",
                "Messages of the outbox that Kafka acknowledged, by kind.",
                &["kind"],
            )?,
            publish_failures: make.counter(
                "outbox_failures_total",
                "Messages of the outbox that Kafka did not take; each try counts.",
            )?,
            commands_expired: make.counter(
                "commands_expired_total",
                "Door commands that had expired before their decision was published.",
            )?,
            outbox_waiting: make.gauge(
                "outbox_waiting",
                "Messages in the outbox not acknowledged and deleted yet.",
            )?,
            door_to_decision_seconds: make.histogram(
                "door_to_decision_seconds",
                "Time from the card at the door to Kafka's acknowledgement of the decision, in \
                 seconds.",
                prometheus::exponential_buckets(0.001, 2.0, 18)?,
            )?,
            registry,
        })
    }

    /// Shows whether a writer's breaker is open; `shown` is what was shown of it before.
    pub(crate) fn breaker(&self, breaker: &Breaker, shown: &mut bool) {
        let is_open = breaker.state() != State::Closed;
        self.breakers_open.add(i64::from(is_open) - i64::from(*shown));
        *shown = is_open;
    }

    /// Counts what a cache has loaded.
    pub(crate) fn loaded(&self, loads: Loads) {
        let Loads { cards, terminals, zones, schedules } = loads;
        for (kind, count) in
            [("card", cards), ("terminal", terminals), ("zone", zones), ("schedule", schedules)]
        {
            if count > 0 {
                self.permission_loads.with_label_values(&[kind]).inc_by(count);
            }
        }
    }

    /// Counts events that claim what another has claimed.
    pub(crate) fn conflicts(&self, kind: &str, count: u64) {
        if count > 0 {
            self.identity_conflicts.with_label_values(&[kind]).inc_by(count);
        }
    }

    /// Counts a committed transaction: what was sorted, and what was refused before.
    pub(crate) fn applied(&self, sorted: &Sorted<'_, '_>, refused: &[Refusal<'_>]) {
        for refusal in sorted.dead.iter().chain(refused) {
            self.dead_letters.with_label_values(&[refusal.cause.reason.as_str()]).inc();
        }
        self.parked.inc_by(sorted.parked.len() as u64);
        for (outcome, count) in [
            ("row", sorted.rows.len()),
            ("collision", sorted.collisions.len()),
            ("duplicate", sorted.duplicates.len()),
            ("dead_letter", sorted.dead.len() + refused.len()),
        ] {
            if count > 0 {
                self.events.with_label_values(&[outcome]).inc_by(count as u64);
            }
        }
        sorted.conflicts.iter().for_each(|conflict| self.conflicts(conflict.kind, 1));
        let collided = sorted.collisions.iter().map(|collision| &collision.judged);
        let mut primary = [0_u64; DenialReason::ALL.len() + 1];
        let seconds = self.publish_to_row_seconds.local();
        let now = Millis::now().unix_ms();
        for judged in sorted.rows.iter().chain(collided) {
            primary[judged.reasons.primary().map_or(DenialReason::ALL.len(), |r| r as usize)] += 1;
        }
        for published_at in &sorted.published {
            seconds.observe(now.saturating_sub(published_at.unix_ms()).max(0) as f64 / 1_000.0);
        }
        seconds.flush();
        for (reason, count) in DenialReason::ALL.into_iter().zip(primary) {
            if count > 0 {
                self.decisions.with_label_values(&["denied", reason.as_str()]).inc_by(count);
            }
        }
        let granted = primary[DenialReason::ALL.len()];
        self.decisions.with_label_values(&["granted", ""]).inc_by(granted);
    }
}

/// Registers metrics under our prefix.
struct Maker<'r> {
    registry: &'r Registry,
}

impl Maker<'_> {
    fn opts(&self, name: &str, help: &str) -> Opts {
        Opts::new(format!("gatelog_consumer_{name}"), help)
    }

    fn register<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: M,
    ) -> prometheus::Result<M> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::with_opts(self.opts(name, help))?)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::with_opts(self.opts(name, help))?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(self.opts(name, help), labels)?)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: Vec<f64>,
    ) -> prometheus::Result<Histogram> {
        let name = format!("gatelog_consumer_{name}");
        self.register(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }
}
