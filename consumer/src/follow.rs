//! librdkafka's callbacks: each becomes an entry in a list that the reader works off.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use librdkafka::Lifeline;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::types::RDKafkaRespErr;
use tracing::{debug, warn};

use crate::claims::Claims;
use crate::metrics::Metrics;

/// What the group asks of us, in the order in which it came.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
}

/// Callbacks of librdkafka: each becomes an entry in a list that the reader works off.
#[derive(Debug)]
pub(crate) struct Follow {
    rebalances: Mutex<VecDeque<Rebalance>>,
    claims: Arc<Claims>,
    metrics: Metrics,
    lag: Arc<AtomicI64>,
    topic: String,
    pub(crate) lifeline: Lifeline,
}

impl Follow {
    pub(crate) fn new(
        topic: String,
        lifeline: Lifeline,
        claims: Arc<Claims>,
        metrics: Metrics,
        lag: Arc<AtomicI64>,
    ) -> Self {
        Self { rebalances: Mutex::default(), claims, metrics, lag, topic, lifeline }
    }

    fn push(&self, rebalance: Rebalance) {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }

    pub(crate) fn pop(&self) -> Option<Rebalance> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl ClientContext for Follow {
    fn stats(&self, statistics: Statistics) {
        self.lifeline.seen(&statistics);
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        let mut total = 0;
        for (partition, next) in self.claims.next_offsets() {
            let Some(ends) = topic.partitions.get(&partition) else {
                continue;
            };
            let lag = behind(ends, next);
            self.metrics.lag.with_label_values(&[&partition.to_string()]).set(lag);
            total += lag;
        }
        self.lag.store(total, Ordering::Relaxed);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "librdkafka");
    }
}

/// Events that a partition is behind with. An offset at the end that holds none, such as the marker
/// of a transaction, is nothing to be behind with: then all that could be fetched has been.
fn behind(ends: &Partition, next: i64) -> i64 {
    let fetched_all = ends.fetchq_cnt == 0 && ends.next_offset >= ends.ls_offset;
    if fetched_all && next >= ends.app_offset { 0 } else { (ends.hi_offset - next).max(0) }
}

impl ConsumerContext for Follow {
    /// Assignments wait until they are claimed in Postgres: `incremental_assign` is called by the
    /// reader, with the offsets that the claims gave. Revocations are obeyed at once; whatever of
    /// them is under way is stopped by the fence.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        tpl: &mut TopicPartitionList,
    ) {
        let partitions: Vec<i32> = tpl.elements().iter().map(|e| e.partition()).collect();
        if err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            return self.push(Rebalance::Assign(partitions));
        }
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let obeyed =
            if cooperative { consumer.incremental_unassign(tpl) } else { consumer.unassign() };
        if let Err(error) = obeyed {
            warn!(%error, "giving partitions back");
        }
        self.push(Rebalance::Revoke(partitions));
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            debug!(%error, "the hint for lag tools was not taken");
        }
    }
}
