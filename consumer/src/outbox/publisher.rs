//! The Kafka side of the outbox: messages are queued in librdkafka, and what became of each comes
//! back as a [`Report`].

use librdkafka::Lifeline;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::statistics::Statistics;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{debug, warn};

use super::{Entry, Kind, Place};
use crate::error::Error;
use crate::settings::{Settings, Topic};

/// A message, at most: what `gatelog setup` allows the dead letters' topic.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Publishes messages, each kind on its topic.
pub(crate) struct Publisher {
    producer: ThreadedProducer<Reports>,
    decisions: String,
    dead_letters: String,
    log: String,
}

/// What became of one message.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) place: Place,
    pub(crate) outcome: Result<(), RDKafkaErrorCode>,
}

impl Publisher {
    /// Makes the producer; Kafka need not be there, nor the topics.
    pub(crate) fn new(
        settings: &Settings,
        member: &str,
    ) -> Result<(Self, UnboundedReceiver<Report>), Error> {
        // Unbounded in kind only: it never holds more than was queued.
        let (reports, seen) = unbounded_channel();
        let (outbox, ttl_ms) = (&settings.outbox, settings.decision.command_ttl_ms);
        let mut config = settings.kafka.client_config(&format!("gatelog-consumer {member}"));
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", outbox.linger_ms.to_string())
            // What has waited so long has no command that opens a door any more: it comes back, and
            // is sent again without it.
            .set("message.timeout.ms", ttl_ms.max(outbox.linger_ms + 1).to_string())
            // An event that was given up for its size goes out with a few headers more; a topic says
            // for itself what is too large for it.
            .set("message.max.bytes", MESSAGE_BYTES_MAX.to_string())
            // The worker holds every message that is queued here, and it is bounded.
            .set("queue.buffering.max.messages", "0")
            // A broker that makes topics by itself would choose the partition count.
            .set("allow.auto.create.topics", "false")
            // A topic that is not there is said to be so at once, and found soon after it is made.
            .set("topic.metadata.propagation.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "2000");
        Lifeline::attach(&mut config);
        let reports = Reports { sender: reports, lifeline: Lifeline::new(&settings.kafka.brokers) };
        let producer = ThreadedProducer::from_config_and_context(&config, reports)
            .map_err(Error::kafka("starting the outbox's producer"))?;
        let Topic { swipes, decisions, dlq } = settings.topic.clone();
        Ok((Self { producer, decisions, dead_letters: dlq, log: swipes }, seen))
    }

    /// Queues one message and does not wait: a report will come, unless this is an error.
    pub(crate) fn queue(&self, entry: &Entry) -> Result<(), RDKafkaErrorCode> {
        let mut headers = OwnedHeaders::new_with_capacity(entry.headers.len());
        for (key, value) in &entry.headers {
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        let topic = self.topic(entry.place.kind);
        let mut record: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(topic, Box::new(entry.place)).headers(headers);
        // A key or a value that is missing is another than an empty one.
        (record.key, record.payload) = (entry.key.as_deref(), entry.value.as_deref());
        self.producer.send(record).map_err(|(error, _)| code(&error))
    }

    /// Tries the bootstrap servers again where that is due; to be called now and then.
    pub(crate) fn reconnect(&self) {
        let client = self.producer.client();
        if client.context().lifeline.pull(client) {
            warn!(
                "no broker is known, or none is reached; the outbox tries the bootstrap servers again"
            );
        }
    }

    /// The topic of a kind.
    pub(crate) fn topic(&self, kind: Kind) -> &str {
        match kind {
            Kind::Decision => &self.decisions,
            Kind::DeadLetter => &self.dead_letters,
            Kind::Replay => &self.log,
        }
    }
}

/// librdkafka's code of an error, which every error of a producer has.
fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}

struct Reports {
    sender: UnboundedSender<Report>,
    lifeline: Lifeline,
}

impl ClientContext for Reports {
    fn stats(&self, statistics: Statistics) {
        self.lifeline.seen(&statistics);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters of it is said once, by whoever gets the report.
        debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "librdkafka");
    }
}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = Box<Place>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<Place>) {
        let outcome = result.as_ref().map(drop).map_err(|(error, _)| code(error));
        // Whoever waited may have gone: then the next sweep publishes it again.
        drop(self.sender.send(Report { place: *place, outcome }));
    }
}
