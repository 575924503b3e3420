//! The sender: each event at its moment, whatever became of those before it.

use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer,
};
use uuid::Uuid;

use super::feed::Feed;
use crate::log::record_headers;
use crate::servers::Servers;

/// How long the last acknowledgements may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(90);
/// How long librdkafka's queue may be full.
const FULL_TIMEOUT: Duration = Duration::from_secs(30);
/// Between the start of the schedule and now: the thread is up by then.
const LEAD: Duration = Duration::from_millis(20);

/// So many events a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rate: u32,
    pub(crate) events: usize,
    /// Those before it are the warm-up.
    pub(crate) counted_from: usize,
}

impl Plan {
    /// A rate that is kept up for so long, of which the warm-up comes first.
    pub(crate) fn new(rate: u32, warm_up_s: u16, seconds: u16) -> Self {
        let events = |s: usize| rate as usize * s;
        let counted_from = events(usize::from(warm_up_s));
        Self { rate, events: counted_from + events(usize::from(seconds)), counted_from }
    }

    /// When an event is due, after the start.
    fn due(self, index: usize) -> Duration {
        Duration::from_nanos((index as u64).saturating_mul(1_000_000_000) / u64::from(self.rate))
    }
}

/// Publishes as the gateway does, but on a schedule.
pub(crate) struct Sender {
    producer: ThreadedProducer<Acknowledge>,
    topic: String,
    feed: Feed,
    acknowledged: Receiver<Acknowledgement>,
}

/// What was sent on one schedule.
pub(crate) struct Sent {
    pub(crate) events: Vec<Event>,
    started: Instant,
}

/// One event: when it was due, when librdkafka had it, when Kafka had it, and where.
pub(crate) struct Event {
    pub(crate) event_id: Uuid,
    pub(crate) due_at: Instant,
    pub(crate) sent_at: Instant,
    pub(crate) acknowledged_at: Instant,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

struct Acknowledgement {
    index: usize,
    at: Instant,
    outcome: Result<(i32, i64), KafkaError>,
}

impl Sent {
    /// From the start of the schedule until the last event was sent.
    pub(crate) fn took(&self) -> Duration {
        self.events.last().map_or(Duration::ZERO, |last| last.sent_at - self.started)
    }
}

impl Sender {
    /// Makes a producer with the gateway's settings.
    ///
    /// # Errors
    /// librdkafka's own.
    pub(crate) fn new(servers: &Servers, topic: &str, feed: Feed) -> Result<Self> {
        let gateway = producer::Settings::default().publish;
        let (sender, acknowledged) = mpsc::channel();
        let producer = servers
            .kafka_client()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("compression.codec", "lz4")
            .set("linger.ms", gateway.linger_ms.to_string())
            // Longer than the gateway's: a machine that stalls makes bad figures, and no error.
            .set("message.timeout.ms", "60000")
            .set("queue.buffering.max.messages", gateway.queue_events_max.to_string())
            .set("queue.buffering.max.kbytes", gateway.queue_kib_max.to_string())
            .create_with_context(Acknowledge { sender })
            .context("starting librdkafka")?;
        Ok(Self { producer, topic: topic.to_owned(), feed, acknowledged })
    }

    /// Events that were sent so far, on all schedules.
    pub(crate) fn events(&self) -> usize {
        self.feed.made()
    }

    /// Those among them that must be denied.
    pub(crate) fn denied(&self) -> i64 {
        self.feed.denied()
    }

    /// Sends every event of a plan when it is due, and waits for the acknowledgements. Blocks.
    ///
    /// # Errors
    /// Kafka's own.
    pub(crate) fn keep_up(&mut self, plan: Plan) -> Result<Sent> {
        let started = Instant::now() + LEAD;
        let mut sent = Vec::with_capacity(plan.events);
        for index in 0..plan.events {
            sleep_until(started + plan.due(index));
            let event_id = self.send(index)?;
            sent.push((event_id, Instant::now()));
        }
        self.producer.flush(FLUSH_TIMEOUT).context("publishing the last events")?;
        let mut acknowledged: Vec<Acknowledgement> = self.acknowledged.try_iter().collect();
        acknowledged.sort_by_key(|acknowledgement| acknowledgement.index);
        ensure!(
            acknowledged.len() == plan.events,
            "Kafka has answered for {} of {} events",
            acknowledged.len(),
            plan.events
        );
        let event = |(acknowledgement, (event_id, sent_at)): (Acknowledgement, _)| {
            let (partition, offset) = acknowledgement.outcome.context("publishing")?;
            Ok(Event {
                event_id,
                due_at: started + plan.due(acknowledgement.index),
                sent_at,
                acknowledged_at: acknowledgement.at,
                partition,
                offset,
            })
        };
        let events = acknowledged.into_iter().zip(sent).map(event).collect::<Result<_>>()?;
        Ok(Sent { events, started })
    }

    fn send(&mut self, index: usize) -> Result<Uuid> {
        let swipe = self.feed.next();
        let event_id = swipe.event_id;
        let value = serde_json::to_vec(&swipe).context("encoding a swipe")?;
        let mut record = BaseRecord::with_opaque_to(&self.topic, Box::new(index))
            .key(swipe.card_id.as_bytes())
            .payload(&value)
            .headers(record_headers(&swipe));
        let deadline = Instant::now() + FULL_TIMEOUT;
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(event_id),
                // Kafka does not keep up: waiting makes the sender late, and the report says so.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    back
                }
                Err((error, _)) => return Err(error).context("publishing"),
            };
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Notes when Kafka has acknowledged.
struct Acknowledge {
    sender: mpsc::Sender<Acknowledgement>,
}

impl ClientContext for Acknowledge {}

impl ProducerContext<NoCustomPartitioner> for Acknowledge {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<usize>) {
        let at = Instant::now();
        let outcome = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // The sender waits for it as long as it lives.
        let _ = self.sender.send(Acknowledgement { index: *index, at, outcome });
    }
}

fn sleep_until(moment: Instant) {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_does_not_drift() {
        let plan = Plan { rate: 3, events: 10, counted_from: 0 };
        assert_eq!(plan.due(0), Duration::ZERO);
        assert_eq!(plan.due(3), Duration::from_secs(1));
        assert_eq!(plan.due(3_000_000), Duration::from_secs(1_000_000));
    }
}
