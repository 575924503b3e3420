//! Which faults, in which order, for how long: all from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

/// What is done to the system. A new kind needs a name here, a place in [`Kind::ALL`] and an arm in
/// `faults.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// SIGKILL of a consumer; its partitions go to the others before it comes back.
    ConsumerKill,
    /// A consumer dies at a fail point: behind one of the steps of a claim or a batch.
    FailPoint,
    /// SIGSTOP of a consumer beyond the session timeout, then SIGCONT.
    ConsumerPause,
    /// SIGTERM of the consumers, one after the other, each replaced before the next.
    RollingRestart,
    /// SIGKILL of all consumers at once.
    AllConsumersKill,
    /// A fourth consumer joins, works and leaves.
    Churn,
    /// SIGKILL of a gateway.
    GatewayKill,
    /// `pg_terminate_backend` of the consumers' sessions, in mid-COPY where one is caught there.
    SessionsEnded,
    /// `pg_ctl stop -m immediate`, then recovery.
    PostgresImmediate,
    /// Postgres put back to a cold copy of an earlier moment: once a run.
    PostgresPutBack,
    /// The connection is cut after the server has committed and before the consumer knows.
    CommitReplyLost,
    /// The broker stops in good order and starts again.
    BrokerRestart,
    /// The broker is killed and starts again.
    BrokerKill,
    /// Slow network before Postgres.
    PostgresLatency,
    /// Connections to Postgres are closed, new ones refused for a while.
    PostgresCut,
    /// Connections to Postgres swallow what is sent.
    PostgresHalfOpen,
    /// Connections to Postgres are reset.
    PostgresReset,
    /// Slow network before Kafka.
    KafkaLatency,
    /// Connections to Kafka are closed, new ones refused for a while.
    KafkaCut,
    /// Connections to Kafka swallow what is sent.
    KafkaHalfOpen,
    /// Connections to Kafka are reset.
    KafkaReset,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 21] = [
        Self::ConsumerKill,
        Self::FailPoint,
        Self::ConsumerPause,
        Self::RollingRestart,
        Self::AllConsumersKill,
        Self::Churn,
        Self::GatewayKill,
        Self::SessionsEnded,
        Self::PostgresImmediate,
        Self::PostgresPutBack,
        Self::CommitReplyLost,
        Self::BrokerRestart,
        Self::BrokerKill,
        Self::PostgresLatency,
        Self::PostgresCut,
        Self::PostgresHalfOpen,
        Self::PostgresReset,
        Self::KafkaLatency,
        Self::KafkaCut,
        Self::KafkaHalfOpen,
        Self::KafkaReset,
    ];

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ConsumerKill => "consumer_kill",
            Self::FailPoint => "fail_point",
            Self::ConsumerPause => "consumer_pause",
            Self::RollingRestart => "rolling_restart",
            Self::AllConsumersKill => "all_consumers_kill",
            Self::Churn => "churn",
            Self::GatewayKill => "gateway_kill",
            Self::SessionsEnded => "sessions_ended",
            Self::PostgresImmediate => "postgres_immediate",
            Self::PostgresPutBack => "postgres_put_back",
            Self::CommitReplyLost => "commit_reply_lost",
            Self::BrokerRestart => "broker_restart",
            Self::BrokerKill => "broker_kill",
            Self::PostgresLatency => "postgres_latency",
            Self::PostgresCut => "postgres_cut",
            Self::PostgresHalfOpen => "postgres_half_open",
            Self::PostgresReset => "postgres_reset",
            Self::KafkaLatency => "kafka_latency",
            Self::KafkaCut => "kafka_cut",
            Self::KafkaHalfOpen => "kafka_half_open",
            Self::KafkaReset => "kafka_reset",
        }
    }

    /// How long it lasts, in ms, where it is something that lasts.
    fn duration_ms(self) -> std::ops::RangeInclusive<u64> {
        match self {
            // The session is over after 6 s.
            Self::ConsumerPause => 7_000..=9_000,
            Self::PostgresImmediate | Self::BrokerRestart | Self::BrokerKill => 0..=1_500,
            Self::PostgresPutBack => 0..=500,
            Self::PostgresLatency | Self::KafkaLatency => 1_000..=3_000,
            Self::PostgresCut | Self::KafkaCut => 0..=2_000,
            Self::PostgresHalfOpen | Self::KafkaHalfOpen => 1_000..=8_000,
            _ => 0..=0,
        }
    }
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is done.
    pub(crate) kind: Kind,
    /// To whom, of those of its sort that there are.
    pub(crate) victim: usize,
    /// How long it lasts.
    pub(crate) lasts: Duration,
    /// Events that are applied between the one before and this one.
    pub(crate) after_events: i64,
}

/// The faults of a run: every kind once where there are as many as kinds, then any of those that
/// may come more than once.
pub(crate) fn schedule(seed: u64, count: usize, kinds: &[Kind]) -> Vec<Fault> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut order = kinds.to_vec();
    order.shuffle(&mut random);
    order.truncate(count);
    let again: Vec<Kind> =
        kinds.iter().copied().filter(|kind| *kind != Kind::PostgresPutBack).collect();
    while order.len() < count
        && let Some(kind) = again.choose(&mut random)
    {
        order.insert(random.random_range(0..=order.len()), *kind);
    }
    put_back_after_a_copy(&mut order);
    order.into_iter().map(|kind| fault(kind, &mut random)).collect()
}

/// The copy is made while Postgres is down for another fault, which must come before.
fn put_back_after_a_copy(order: &mut [Kind]) {
    let place = |wanted| order.iter().position(|kind| *kind == wanted);
    match (place(Kind::PostgresImmediate), place(Kind::PostgresPutBack)) {
        (Some(copy), Some(back)) if back < copy => order.swap(copy, back),
        (None, Some(back)) => order[back] = Kind::PostgresImmediate,
        _ => {}
    }
}

fn fault(kind: Kind, random: &mut StdRng) -> Fault {
    Fault {
        kind,
        victim: random.random_range(0..1_000),
        lasts: Duration::from_millis(random.random_range(kind.duration_ms())),
        after_events: random.random_range(50..=400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(schedule(7, 60, &Kind::ALL), schedule(7, 60, &Kind::ALL));
        assert_ne!(schedule(7, 60, &Kind::ALL), schedule(8, 60, &Kind::ALL));
    }

    #[test]
    fn every_kind_comes_and_one_comes_once_after_its_copy() {
        for seed in 0..200 {
            let faults = schedule(seed, 25, &Kind::ALL);
            assert_eq!(faults.len(), 25);
            let places = |kind| -> Vec<usize> {
                (0..faults.len()).filter(|at| faults[*at].kind == kind).collect()
            };
            assert!(Kind::ALL.iter().all(|kind| !places(*kind).is_empty()), "seed {seed}");
            let back = places(Kind::PostgresPutBack);
            assert_eq!(back.len(), 1, "seed {seed}");
            assert!(places(Kind::PostgresImmediate)[0] < back[0], "seed {seed}");
        }
    }

    #[test]
    fn names_are_all_different() {
        let names: std::collections::BTreeSet<_> =
            Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn few_faults_and_few_kinds_are_a_schedule_too() {
        assert_eq!(schedule(1, 3, &Kind::ALL).len(), 3);
        assert_eq!(schedule(1, 5, &[Kind::Churn]).len(), 5);
        assert!(schedule(1, 5, &[]).is_empty());
        // Where no copy can have been made, nothing is put back.
        for seed in 0..50 {
            let faults = schedule(seed, 4, &Kind::ALL);
            let has = |kind| faults.iter().any(|fault| fault.kind == kind);
            assert!(!has(Kind::PostgresPutBack) || has(Kind::PostgresImmediate), "seed {seed}");
        }
    }
}
