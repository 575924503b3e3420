//! The Kafka side. An event is queued, sent with others, and acknowledged by all in-sync replicas;
//! whoever queued it waits for that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use librdkafka::Lifeline;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::statistics::Statistics;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{debug, warn};

use crate::{Error, Event, Metrics, Settings};

/// Publishes events into the log.
pub struct Publisher {
    producer: ThreadedProducer<Context>,
    topic: String,
}

/// Where an event stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

impl Publisher {
    /// Makes the producer; Kafka need not be there yet.
    ///
    /// # Errors
    /// [`Error::Producer`]: librdkafka refuses the configuration.
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let lifeline = Lifeline::new(&settings.kafka.brokers);
        let context = Context { metrics, complaint: Mutex::default(), lifeline };
        let config = client_config(settings);
        let producer = ThreadedProducer::from_config_and_context(&config, context);
        Ok(Self {
            producer: producer.map_err(Error::Producer)?,
            topic: settings.topic.swipes.clone(),
        })
    }

    /// Queues one event and waits until it stands in the log.
    ///
    /// # Errors
    /// [`Error::QueueFull`] and [`Error::NotSent`]: it is not in the log.
    /// [`Error::NotAcknowledged`]: it may be; publishing it again is harmless.
    pub async fn publish(&self, event: &Event<'_>) -> Result<Position, Error> {
        let mut flight = self.flight();
        flight.queue(0, event)?;
        match flight.next().await {
            Some((_, outcome)) => outcome,
            None => Err(Error::NotAcknowledged(RDKafkaErrorCode::Fail)),
        }
    }

    /// Begins to publish several events, whose acknowledgements are awaited together.
    pub fn flight(&self) -> Flight<'_> {
        let (sender, receiver) = unbounded_channel();
        Flight { publisher: self, sender, receiver, waiting: 0 }
    }

    /// Waits until everything queued is acknowledged or given up; blocks the thread.
    ///
    /// # Errors
    /// [`Error::NotAcknowledged`]: the time was too short.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        let flushed = self.producer.flush(timeout);
        flushed.map_err(|error| Error::NotAcknowledged(code(&error)))
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What librdkafka complained about last, since [`Self::forget_complaint`].
    pub(crate) fn complaint(&self) -> Option<String> {
        self.context().complaint().clone()
    }

    pub(crate) fn forget_complaint(&self) {
        *self.context().complaint() = None;
    }

    /// Tries the bootstrap servers again where that is due; to be called now and then.
    pub(crate) fn reconnect(&self) {
        if self.context().lifeline.pull(self.client()) {
            warn!("no broker is known, or none is reached; trying the bootstrap servers again");
        }
    }

    pub(crate) fn client(&self) -> &Client<Context> {
        self.producer.client()
    }

    fn context(&self) -> &Context {
        self.producer.client().context()
    }
}

/// Events on their way to Kafka, in the order in which they were queued.
pub struct Flight<'p> {
    publisher: &'p Publisher,
    // Unbounded in kind only: it never holds more than was queued.
    sender: UnboundedSender<Acknowledgement>,
    receiver: UnboundedReceiver<Acknowledgement>,
    waiting: usize,
}

type Acknowledgement = (usize, Result<Position, Error>);

impl Flight<'_> {
    /// Queues one event; `tag` comes back with its acknowledgement. Does not wait.
    ///
    /// # Errors
    /// [`Error::QueueFull`] and [`Error::NotSent`]: nothing of it was sent.
    pub fn queue(&mut self, tag: usize, event: &Event<'_>) -> Result<(), Error> {
        let ticket = Ticket { tag, queued_at: Instant::now(), sender: self.sender.clone() };
        let record = BaseRecord::with_opaque_to(&self.publisher.topic, Box::new(ticket))
            .key(event.key())
            .payload(event.value())
            .headers(event.headers());
        match self.publisher.producer.send(record) {
            Ok(()) => {
                self.waiting += 1;
                Ok(())
            }
            Err((error, _)) => Err(match code(&error) {
                RDKafkaErrorCode::QueueFull => Error::QueueFull,
                code => Error::NotSent(code),
            }),
        }
    }

    /// The next acknowledgement, in the order in which Kafka answers; `None` after the last.
    pub async fn next(&mut self) -> Option<(usize, Result<Position, Error>)> {
        if self.waiting == 0 {
            return None;
        }
        let acknowledgement = self.receiver.recv().await;
        self.waiting -= 1;
        acknowledgement
    }
}

fn client_config(settings: &Settings) -> ClientConfig {
    let publish = &settings.publish;
    let mut config = settings.kafka.client_config("gatelog-gateway");
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("compression.codec", "lz4")
        .set("linger.ms", publish.linger_ms.to_string())
        .set("message.timeout.ms", publish.message_timeout_ms.to_string())
        .set("queue.buffering.max.messages", publish.queue_events_max.to_string())
        .set("queue.buffering.max.kbytes", publish.queue_kib_max.to_string())
        // A broker that makes topics by itself would choose the partition count, for ever.
        .set("allow.auto.create.topics", "false");
    Lifeline::attach(&mut config);
    config
}

/// librdkafka's code of an error, which every error of a producer has.
fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}

/// What comes back from librdkafka with each delivery report.
pub(crate) struct Ticket {
    tag: usize,
    queued_at: Instant,
    sender: UnboundedSender<Acknowledgement>,
}

pub(crate) struct Context {
    metrics: Arc<Metrics>,
    complaint: Mutex<Option<String>>,
    lifeline: Lifeline,
}

impl Context {
    fn complaint(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        self.lifeline.seen(&statistics);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters of it is said by readiness and by the requests that fail, once.
        debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "librdkafka");
        // That all brokers are down says less than the reason before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.complaint() = Some(reason.to_owned());
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let outcome = match result {
            Ok(message) => {
                self.metrics.logged(ticket.queued_at.elapsed());
                Ok(Position { partition: message.partition(), offset: message.offset() })
            }
            Err((error, _)) => Err(Error::NotAcknowledged(code(error))),
        };
        // Whoever waited may have gone; the event stands in the log all the same.
        let _ = ticket.sender.send((ticket.tag, outcome));
    }
}
