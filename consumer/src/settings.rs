//! Everything that can be set, with its default, its unit and its limits.
//!
//! Environment: `GATELOG_CONSUMER_<SECTION>__<KEY>`, and `GATELOG_KAFKA`, `GATELOG_POSTGRES`.

use std::net::SocketAddr;
use std::time::Duration;

use resilience::Backoff;
use serde::{Deserialize, Serialize};
use settings::{Error, Kafka, Postgres};

use crate::lanes::Limits;

/// The consumer's settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: Kafka,
    /// How to reach Postgres.
    pub postgres: Postgres,
    /// The log, and what is published.
    pub topic: Topic,
    /// Membership in the consumer group.
    pub group: Group,
    /// How events are gathered and written.
    pub batch: Batch,
    /// How swipes are decided.
    pub decision: Decision,
    /// How cards wait for what may pass.
    pub lanes: Limits,
    /// How dead letters heal by themselves.
    pub compensation: Compensation,
    /// How what terminals' counters gave is kept.
    pub ledger: Ledger,
    /// How decisions are published.
    pub outbox: Outbox,
    /// How to wait when a server is away.
    pub retry: Backoff,
    /// `/healthz`, `/readyz` and `/metrics`.
    pub status: Status,
}

/// The log, and what is published.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topic {
    /// Topic of the swipes.
    pub swipes: String,
    /// Topic of the live decisions and their door commands.
    pub decisions: String,
    /// Topic of the dead letters.
    pub dlq: String,
}

/// Membership in the consumer group.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// The group; a database serves one, for ever.
    pub id: String,
    /// This member's name in tables, logs and `pg_stat_activity`; host and process where it is
    /// empty.
    pub member: String,
    /// `classic`, or `consumer` for KIP-848's protocol, whose timeouts are the broker's.
    pub protocol: Protocol,
    /// How long the broker waits for a silent member, in ms; only with `classic`. Where the broker's
    /// `group.min.session.timeout.ms` (6,000 by default) is longer, that is taken.
    pub session_timeout_ms: u32,
    /// How often a member shows that it lives, in ms; also paces a cooperative join.
    pub heartbeat_interval_ms: u32,
    /// How long a partition whose claim was taken by another stays alone before this member, if
    /// the group still assigns it here, claims it again; in ms.
    pub reclaim_after_ms: u64,
}

/// The group protocol, by Kafka's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Clients agree among themselves (cooperative-sticky).
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
}

/// How events are gathered and written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Events one transaction may hold.
    pub rows_max: usize,
    /// Events one transaction may hold while they come in as they happen: decided again, it holds up
    /// whoever changes permissions for as long as it takes.
    pub live_rows_max: usize,
    /// Bytes of records one transaction may hold.
    pub bytes_max: usize,
    /// Writers, each with a connection of its own.
    pub writers: usize,
    /// Chunks (of up to 2,048 events) that may wait for one writer before no more is read for it: a
    /// little more than make a batch.
    pub queue_chunks_max: usize,
    /// How long one transaction may take before its connection counts as lost, in ms.
    pub timeout_ms: u64,
    /// How long a predecessor may hold a claimed partition's row before its session is ended, in ms.
    pub claim_wait_ms: u64,
    /// How long the batch at hand may take at shutdown, in ms.
    pub shutdown_timeout_ms: u64,
}

/// How swipes are decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Decision {
    /// A swipe is live up to this age, in ms.
    pub live_window_ms: u64,
    /// How far the gateway's clock may be ahead of ours, in ms.
    pub clock_skew_ms: u64,
    /// Cards, with their history, that each writer remembers; at least twice `batch.rows_max`.
    pub cached_cards_max: usize,
    /// How long after the card was at the door a door may still open for it, in ms.
    pub command_ttl_ms: u64,
}

/// How dead letters heal by themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compensation {
    /// How often what has healed is looked for, in ms.
    pub interval_ms: u64,
    /// Letters that are replayed at once, at most.
    pub limit: u32,
    /// How long the outcome of a replay is waited for, in ms.
    pub lease_ms: u64,
    /// Replays that a letter gets without being asked for.
    pub tries_max: u32,
    /// Between two of them.
    pub backoff: Backoff,
}

/// How what terminals' counters gave is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ledger {
    /// How often what batches have left for it is taken in, in ms; rounds of all consumers together
    /// fill a fifth of the time at most.
    pub interval_ms: u64,
    /// Events whose counters one round takes in.
    pub events_max: u32,
    /// How long one statement of a round may take, in ms: where counters were used again, days are
    /// looked through.
    pub timeout_ms: u64,
}

/// How decisions are published.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    /// Messages that may wait for Kafka before the writers wait for them.
    pub waiting_max: usize,
    /// How long librdkafka may gather messages before it sends them, in ms.
    pub linger_ms: u64,
    /// How often what failed is tried again, and what a process left behind is looked for; in ms.
    pub sweep_interval_ms: u64,
}

/// `/healthz`, `/readyz` and `/metrics`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Status {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Events behind the end of the log from which on `/readyz` says no.
    pub ready_lag_max: u64,
}

impl Default for Topic {
    fn default() -> Self {
        Self {
            swipes: "gatelog.swipes.v1".to_owned(),
            decisions: "gatelog.decisions.v1".to_owned(),
            dlq: "gatelog.swipes.dlq.v1".to_owned(),
        }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            id: "gatelog".to_owned(),
            member: String::new(),
            protocol: Protocol::Classic,
            session_timeout_ms: 4_000,
            heartbeat_interval_ms: 500,
            reclaim_after_ms: 3_000,
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            rows_max: 50_000,
            live_rows_max: 5_000,
            bytes_max: 64 * 1024 * 1024,
            writers: 2,
            queue_chunks_max: 28,
            timeout_ms: 60_000,
            claim_wait_ms: 2_000,
            shutdown_timeout_ms: 10_000,
        }
    }
}

impl Default for Decision {
    fn default() -> Self {
        Self {
            live_window_ms: 5_000,
            clock_skew_ms: 1_000,
            cached_cards_max: 200_000,
            command_ttl_ms: 5_000,
        }
    }
}

impl Default for Compensation {
    fn default() -> Self {
        let round = dead_letters::Round::default();
        Self {
            interval_ms: 10_000,
            limit: round.limit,
            lease_ms: u64::try_from(round.lease.as_millis()).unwrap_or(u64::MAX),
            tries_max: round.tries_max,
            backoff: round.backoff,
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        let round = ledger::Round::default();
        Self {
            interval_ms: 10_000,
            events_max: round.events_max,
            timeout_ms: u64::try_from(round.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self { waiting_max: 10_000, linger_ms: 1, sweep_interval_ms: 1_000 }
    }
}

impl Default for Status {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8081)), ready_lag_max: 100_000 }
    }
}

impl Batch {
    /// [`Self::timeout_ms`] as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl settings::Settings for Settings {
    const ENV_PREFIX: &'static str = "GATELOG_CONSUMER_";

    fn check(&self) -> Result<(), Error> {
        self.kafka.check()?;
        self.postgres.check()?;
        let (group, batch) = (&self.group, &self.batch);
        let Topic { swipes, decisions, dlq } = &self.topic;
        for (key, text) in [
            ("topic.swipes", swipes),
            ("topic.decisions", decisions),
            ("topic.dlq", dlq),
            ("group.id", &group.id),
        ] {
            if text.is_empty() || text.len() > 249 {
                return Err(Error::value(key, "must have 1 to 249 characters"));
            }
        }
        if swipes == decisions {
            return Err(Error::value("topic.decisions", "must be another than topic.swipes"));
        }
        if dlq == swipes || dlq == decisions {
            return Err(Error::value("topic.dlq", "must be another than the other topics"));
        }
        if group.member.len() > 40 {
            return Err(Error::value("group.member", "may have 40 characters"));
        }
        within("group.session_timeout_ms", group.session_timeout_ms, 1_000, 300_000)?;
        within("group.heartbeat_interval_ms", group.heartbeat_interval_ms, 50, 60_000)?;
        if group.heartbeat_interval_ms * 3 > group.session_timeout_ms {
            let problem = "must be a third of group.session_timeout_ms at most";
            return Err(Error::value("group.heartbeat_interval_ms", problem));
        }
        within("group.reclaim_after_ms", group.reclaim_after_ms, 1_000, 600_000)?;
        within("batch.rows_max", batch.rows_max, 1, 1_000_000)?;
        within("batch.live_rows_max", batch.live_rows_max, 1, 1_000_000)?;
        within("batch.bytes_max", batch.bytes_max, 1024 * 1024, 1024 * 1024 * 1024)?;
        within("batch.writers", batch.writers, 1, 64)?;
        within("batch.queue_chunks_max", batch.queue_chunks_max, 1, 1_024)?;
        within("batch.timeout_ms", batch.timeout_ms, 1_000, 600_000)?;
        within("batch.claim_wait_ms", batch.claim_wait_ms, 100, 60_000)?;
        within("batch.shutdown_timeout_ms", batch.shutdown_timeout_ms, 100, 600_000)?;
        within("decision.live_window_ms", self.decision.live_window_ms, 100, 3_600_000)?;
        within("decision.clock_skew_ms", self.decision.clock_skew_ms, 0, 60_000)?;
        within("decision.cached_cards_max", self.decision.cached_cards_max, 1, 100_000_000)?;
        // Shorter ones would run out in librdkafka's own queue, where nobody takes them out.
        within("decision.command_ttl_ms", self.decision.command_ttl_ms, 500, 60_000)?;
        within("outbox.waiting_max", self.outbox.waiting_max, 1, 1_000_000)?;
        within("outbox.linger_ms", self.outbox.linger_ms, 0, 100)?;
        within("outbox.sweep_interval_ms", self.outbox.sweep_interval_ms, 100, 60_000)?;
        within("lanes.open_ms_max", self.lanes.open_ms_max, 100, 2_000)?;
        within("lanes.lanes_max", self.lanes.lanes_max, 0, 10_000)?;
        within("lanes.events_max", self.lanes.events_max, 1, 10_000)?;
        within("lanes.retry.base_ms", self.lanes.retry.base_ms, 10, 2_000)?;
        within("lanes.retry.cap_ms", self.lanes.retry.cap_ms, self.lanes.retry.base_ms, 2_000)?;
        let Compensation { interval_ms, limit, lease_ms, tries_max, backoff } = &self.compensation;
        within("compensation.interval_ms", *interval_ms, 100, 3_600_000)?;
        within("compensation.limit", *limit, 1, 10_000)?;
        within("compensation.lease_ms", *lease_ms, 1_000, 3_600_000)?;
        within("compensation.tries_max", *tries_max, 0, 1_000)?;
        within("compensation.backoff.base_ms", backoff.base_ms, 1, 3_600_000)?;
        within("compensation.backoff.cap_ms", backoff.cap_ms, backoff.base_ms, 86_400_000)?;
        let Ledger { interval_ms, events_max, timeout_ms } = &self.ledger;
        within("ledger.interval_ms", *interval_ms, 100, 3_600_000)?;
        within("ledger.events_max", *events_max, 1, 10_000_000)?;
        within("ledger.timeout_ms", *timeout_ms, 1_000, 3_600_000)?;
        if self.decision.cached_cards_max < 2 * batch.rows_max {
            let problem = "must be twice batch.rows_max at least: a batch must fit";
            return Err(Error::value("decision.cached_cards_max", problem));
        }
        within("retry.base_ms", self.retry.base_ms, 1, 60_000)?;
        within("retry.cap_ms", self.retry.cap_ms, self.retry.base_ms, 600_000)?;
        Ok(())
    }
}

fn within<T: Copy + PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), Error> {
    if value < least || value > most {
        return Err(Error::value(key, format!("is {value}, must lie between {least} and {most}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Settings, Error> {
        settings::load_from(None, [(format!("GATELOG_CONSUMER_{name}"), value.to_owned())])
    }

    #[test]
    fn defaults_hold() {
        settings::load_from::<Settings>(None, []).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, key) in [
            ("BATCH__ROWS_MAX", "0", "batch.rows_max"),
            ("BATCH__ROW_MAX", "5", "batch.row_max"),
            ("BATCH__ROWS_MAX", "900000", "decision.cached_cards_max"),
            ("GROUP__HEARTBEAT_INTERVAL_MS", "5000", "group.heartbeat_interval_ms"),
            ("GROUP__PROTOCOL", "paxos", "group.protocol"),
            ("STATUS__LISTEN", "here", "status.listen"),
            ("TOPIC__DECISIONS", "gatelog.swipes.v1", "topic.decisions"),
            ("TOPIC__DLQ", "gatelog.decisions.v1", "topic.dlq"),
            ("LANES__OPEN_MS_MAX", "5000", "lanes.open_ms_max"),
            ("DECISION__COMMAND_TTL_MS", "0", "decision.command_ttl_ms"),
            ("LEDGER__EVENTS_MAX", "0", "ledger.events_max"),
            ("OUTBOX__WAITING_MAX", "0", "outbox.waiting_max"),
            ("RETRY__CAP_MS", "1", "retry.cap_ms"),
        ] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(error.contains(key), "{name}={value}: {error}");
        }
    }
}
