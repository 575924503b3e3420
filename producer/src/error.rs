use std::path::PathBuf;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as KafkaCode};
use thiserror::Error;

/// What can go wrong: first what ends the gateway, then what became of one event.
#[derive(Debug, Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("http.listen: {address}: {source}; GATELOG_GATEWAY_HTTP__LISTEN sets another address")]
    Listen {
        /// The setting.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The actual address cannot be written where `--port-file` says.
    #[error("--port-file {path}: {source}")]
    PortFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The process gets no threads, or no signals.
    #[error("cannot start: {0}")]
    Start(#[source] std::io::Error),
    /// librdkafka refuses its configuration, as where a certificate cannot be read.
    #[error("configuration: kafka: {0}")]
    Producer(#[source] KafkaError),
    /// The metrics contradict one another.
    #[error("the metrics cannot be registered: {0}")]
    Metrics(#[source] prometheus::Error),
    /// The idempotent producer can no longer promise order; only a new process can.
    #[error("the Kafka producer cannot go on: {reason} ({code:?})")]
    Fatal {
        /// librdkafka's code.
        code: KafkaCode,
        /// librdkafka's words.
        reason: String,
    },
    /// The queue of records that wait for Kafka is full: nothing of the event was sent.
    #[error("the queue of events that wait for Kafka is full")]
    QueueFull,
    /// The record was not taken for another reason: nothing of the event was sent.
    #[error("not sent to Kafka: {0}")]
    NotSent(KafkaCode),
    /// The event was sent, or waited to be, and no acknowledgement came: it may be in the log.
    #[error("not acknowledged by Kafka: {0}")]
    NotAcknowledged(KafkaCode),
}
