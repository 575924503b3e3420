//! librdkafka's callbacks: each becomes an entry in a list that the reader works off.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use librdkafka::Lifeline;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::types::RDKafkaRespErr;
use tracing::{debug, warn};

/// What the group asks of us, in the order in which it came.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
}

/// What librdkafka knows of each partition: where it ends, and how much of it was fetched.
pub(crate) type Ends = HashMap<i32, Partition>;

/// Callbacks of librdkafka: each becomes an entry in a list that the reader works off.
#[derive(Debug)]
pub(crate) struct Follow {
    rebalances: Mutex<VecDeque<Rebalance>>,
    ends: Mutex<Option<Ends>>,
    topic: String,
    pub(crate) lifeline: Lifeline,
}

impl Follow {
    pub(crate) fn new(topic: String, lifeline: Lifeline) -> Self {
        Self { rebalances: Mutex::default(), ends: Mutex::default(), topic, lifeline }
    }

    fn push(&self, rebalance: Rebalance) {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }

    pub(crate) fn pop(&self) -> Option<Rebalance> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The latest statistics, if they were not taken before.
    pub(crate) fn take_ends(&self) -> Option<Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Follow {
    fn stats(&self, mut statistics: Statistics) {
        self.lifeline.seen(&statistics);
        let ends = statistics.topics.remove(&self.topic).map(|topic| topic.partitions);
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "librdkafka");
    }
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
