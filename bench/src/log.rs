//! A topic with the swipes of a workload, published as the gateway publishes them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use schemas::{Swipe, headers};

use crate::progress::Progress;
use crate::servers::Servers;
use crate::workload::Workload;

const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last events may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

/// A topic of this bench's own, and one beside it for the decisions.
pub(crate) struct Log {
    pub(crate) topic: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Log {
    /// Makes the topics, with so many partitions.
    ///
    /// # Errors
    /// Kafka's own.
    pub(crate) async fn create(servers: &Servers, name: &str, partitions: u16) -> Result<Self> {
        let admin: AdminClient<_> =
            servers.kafka_client().create().context("starting librdkafka")?;
        let topic = format!("gatelog.{name}");
        let new = |name| {
            let copies = TopicReplication::Fixed(-1);
            NewTopic::new(name, i32::from(partitions), copies).set("retention.ms", "-1")
        };
        let decisions = decisions_of(&topic);
        let made = admin.create_topics([&new(&topic), &new(&decisions)], &options()).await;
        for outcome in made.context("making the topics")? {
            outcome.map_err(|(topic, code)| KafkaError::AdminOp(code).context_of(&topic))?;
        }
        Ok(Self { topic, admin })
    }

    /// Publishes every swipe, after the log has had all of them `rounds_before` times, and checks
    /// that each stands where the workload says. Blocks its thread, no other.
    ///
    /// # Errors
    /// Kafka's own, or the log is not what it should be.
    pub(crate) fn publish(
        &self,
        servers: &Servers,
        workload: &Workload,
        rounds_before: i64,
    ) -> Result<()> {
        tokio::task::block_in_place(|| self.publish_now(servers, workload, rounds_before))
    }

    fn publish_now(
        &self,
        servers: &Servers,
        workload: &Workload,
        rounds_before: i64,
    ) -> Result<()> {
        let progress = Progress::start("publish", workload.len() as u64);
        let started = Instant::now();
        let producer: ThreadedProducer<DefaultProducerContext> = servers
            .kafka_client()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("compression.codec", "lz4")
            .set("linger.ms", "50")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "500000")
            .set("queue.buffering.max.kbytes", "524288")
            .create()
            .context("starting librdkafka")?;
        for index in 0..workload.len() {
            self.send(&producer, &workload.placed(index).swipe)?;
            if index % 8_192 == 0 {
                progress.at(index as u64);
            }
        }
        producer.flush(FLUSH_TIMEOUT).context("publishing the last events")?;
        self.check(&producer, workload, rounds_before + 1)?;
        let seconds = started.elapsed().as_secs_f64();
        progress.done(format_args!("{} swipes in {seconds:.1} s", workload.len()));
        Ok(())
    }

    /// Deletes the topics; if one stays, says so.
    pub(crate) async fn delete(self) {
        if let Err(error) = self.try_delete().await {
            eprintln!("topic {} stays: {error:#}", self.topic);
        }
    }

    async fn try_delete(&self) -> Result<()> {
        let deleted =
            self.admin.delete_topics(&[&self.topic, &decisions_of(&self.topic)], &options()).await;
        for outcome in deleted.context("deleting the topic")? {
            outcome.map_err(|(topic, code)| KafkaError::AdminOp(code).context_of(&topic))?;
        }
        Ok(())
    }

    fn send(
        &self,
        producer: &ThreadedProducer<DefaultProducerContext>,
        swipe: &Swipe<'_>,
    ) -> Result<()> {
        let value = serde_json::to_vec(swipe).context("encoding a swipe")?;
        let mut record = BaseRecord::to(&self.topic)
            .key(swipe.card_id.as_bytes())
            .payload(&value)
            .headers(record_headers(swipe));
        let deadline = Instant::now() + TIMEOUT;
        loop {
            record = match producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    back
                }
                Err((error, _)) => return Err(error).context("publishing"),
            };
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A delivery that failed, or went elsewhere, shows as a partition with too few or too many.
    fn check(
        &self,
        producer: &ThreadedProducer<DefaultProducerContext>,
        workload: &Workload,
        rounds: i64,
    ) -> Result<()> {
        for (partition, offsets) in workload.partitions().iter().enumerate() {
            let ends = producer.client().fetch_watermarks(&self.topic, partition as i32, TIMEOUT);
            let ends = ends.context("asking for the end of the log")?;
            let events = offsets.len() as i64 * rounds;
            ensure!(
                ends == (0, events),
                "partition {partition} holds offsets {} to {}, and should hold {events} events",
                ends.0,
                ends.1,
            );
        }
        Ok(())
    }
}

/// What the gateway writes: CloudEvents 1.0 in binary mode, and the trace.
pub(crate) fn record_headers(swipe: &Swipe<'_>) -> OwnedHeaders {
    let event_id = swipe.event_id.to_string();
    let occurred_at = swipe.occurred_at.to_string();
    let (trace, span) = (swipe.event_id.as_u128(), swipe.event_id.as_u64_pair().1);
    let traceparent = format!("00-{trace:032x}-{span:016x}-01");
    let headers = [
        (headers::SPEC_VERSION, headers::SPEC_VERSION_1_0),
        (headers::ID, &event_id),
        (headers::SOURCE, &swipe.terminal_id),
        (headers::TYPE, headers::TYPE_SWIPE_V1),
        (headers::TIME, &occurred_at),
        (headers::CONTENT_TYPE, headers::CONTENT_TYPE_JSON),
        (headers::TRACEPARENT, &traceparent),
    ];
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    headers
        .into_iter()
        .fold(empty, |all, (key, value)| all.insert(Header { key, value: Some(value) }))
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT))
}

/// The topic of the decisions on the swipes of a topic.
pub(crate) fn decisions_of(topic: &str) -> String {
    format!("{topic}.decisions")
}

/// An error of Kafka's with the topic it is about.
trait ContextOf {
    fn context_of(self, topic: &str) -> anyhow::Error;
}

impl ContextOf for KafkaError {
    fn context_of(self, topic: &str) -> anyhow::Error {
        anyhow::Error::new(self).context(format!("topic {topic}"))
    }
}
