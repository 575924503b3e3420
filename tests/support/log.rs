use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use librdkafka::Lifeline;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::future_producer::{DeliveryFuture, OwnedDeliveryResult};
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Offset, Statistics, TopicPartitionList};
use schemas::{Millis, Mode, Nonce, Swipe, derive_event_id, headers};
use tokio::time::timeout;

/// A record to publish, with whatever bytes a test wants.
#[derive(Debug, Clone)]
pub struct Event {
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Partition; by the key where it is not given.
    pub partition: Option<i32>,
    /// Kafka's timestamp, in ms since 1970; now where it is not given.
    pub timestamp_ms: Option<i64>,
}

impl Event {
    /// Text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        std::str::from_utf8(value).ok()
    }
}

impl From<&Swipe<'_>> for Event {
    /// The record that the gateway would publish.
    fn from(swipe: &Swipe<'_>) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        Self {
            key: Some(swipe.card_id.as_bytes().to_vec()),
            value: serde_json::to_vec(swipe).ok(),
            headers: vec![
                header(headers::SPEC_VERSION, headers::SPEC_VERSION_1_0),
                header(headers::ID, &swipe.event_id.to_string()),
                header(headers::SOURCE, &swipe.terminal_id),
                header(headers::TYPE, headers::TYPE_SWIPE_V1),
                header(headers::TIME, &swipe.occurred_at.to_string()),
                header(headers::CONTENT_TYPE, headers::CONTENT_TYPE_JSON),
            ],
            partition: None,
            timestamp_ms: None,
        }
    }
}

/// An offline swipe without a counter, `ms` after 2016-06-01T00:00:00Z; its id is derived, as the
/// gateway would.
pub fn swipe(card_id: &str, terminal_id: &str, ms: i64) -> Swipe<'static> {
    let occurred_at = Millis::from_unix_ms(1_464_739_200_000 + ms);
    let nonce = Nonce::Read { card_id, direction: None, mode: Mode::Offline };
    Swipe {
        event_id: derive_event_id(terminal_id, occurred_at, &nonce),
        card_id: card_id.to_owned().into(),
        terminal_id: terminal_id.to_owned().into(),
        terminal_epoch: None,
        terminal_seq: None,
        occurred_at,
        age_ms: None,
        received_at: Millis::now(),
        direction: None,
        mode: Mode::Offline,
        local_decision: None,
    }
}

/// The same at a terminal that is connected, right now.
pub fn live(card_id: &str, terminal_id: &str, ms: i64) -> Swipe<'static> {
    let mut swipe = swipe(card_id, terminal_id, ms);
    swipe.mode = Mode::Online;
    swipe.age_ms = Some(0);
    let nonce = Nonce::Read { card_id, direction: None, mode: Mode::Online };
    swipe.event_id = derive_event_id(terminal_id, swipe.occurred_at, &nonce);
    swipe
}

/// Keeps a producer connected while a broker comes and goes.
struct Afloat(Arc<Lifeline>);

impl ClientContext for Afloat {
    fn stats(&self, statistics: Statistics) {
        self.0.seen(&statistics);
    }
}

/// A topic of one test.
#[derive(Clone)]
pub struct Log {
    brokers: String,
    topic: String,
    producer: FutureProducer<Afloat>,
    lifeline: Arc<Lifeline>,
}

impl Log {
    pub(crate) fn new(brokers: &str, topic: &str) -> Result<Self> {
        let lifeline = Arc::new(Lifeline::new(brokers));
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            // What shrinks when it is compressed may be larger than a broker would take.
            .set("compression.type", "lz4")
            .set("message.max.bytes", "67108864")
            .set("message.timeout.ms", "60000")
            .set("statistics.interval.ms", "5000")
            .create_with_context(Afloat(lifeline.clone()))?;
        Ok(Self { brokers: brokers.to_owned(), topic: topic.to_owned(), producer, lifeline })
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The brokers that it is on.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Publishes in order and waits until every record is in the log; partition and offset of
    /// each.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn publish(
        &self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Vec<(i32, i64)>> {
        let mut under_way = Vec::new();
        for event in events {
            let mut headers = OwnedHeaders::new_with_capacity(event.headers.len());
            for (name, value) in &event.headers {
                headers = headers.insert(Header { key: name, value: Some(value) });
            }
            let mut record: FutureRecord<'_, [u8], [u8]> =
                FutureRecord::to(&self.topic).headers(headers);
            record.key = event.key.as_deref();
            record.payload = event.value.as_deref();
            record.partition = event.partition;
            record.timestamp = event.timestamp_ms;
            let sent = self.producer.send_result(record).map_err(|(error, _)| error);
            under_way.push(sent.context("queueing a record")?);
        }
        let mut places = Vec::with_capacity(under_way.len());
        for sent in under_way {
            let delivered = self.outcome(sent).await?.map_err(|(error, _)| anyhow!(error))?;
            places.push((delivered.partition, delivered.offset));
        }
        Ok(places)
    }

    /// Waits for what became of a record, whatever is done to the broker meanwhile.
    async fn outcome(&self, mut sent: DeliveryFuture) -> Result<OwnedDeliveryResult> {
        loop {
            match timeout(Duration::from_secs(1), &mut sent).await {
                Ok(outcome) => return Ok(outcome?),
                Err(_) => drop(self.lifeline.pull(self.producer.client())),
            }
        }
    }

    /// Publishes swipes as the gateway would.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn publish_swipes(&self, swipes: &[Swipe<'_>]) -> Result<Vec<(i32, i64)>> {
        self.publish(swipes.iter().map(Event::from)).await
    }

    /// Publishes each of `groups` in a transaction of its own, which is committed or aborted as it
    /// says. Every transaction leaves an offset without an event behind it.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn publish_in_transactions(&self, groups: Vec<(Vec<Event>, bool)>) -> Result<()> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("transactional.id", &self.topic)
            .set("partitioner", "murmur2_random")
            .create()?;
        let topic = self.topic.clone();
        tokio::task::spawn_blocking(move || {
            let limit = crate::PATIENCE;
            producer.init_transactions(limit)?;
            for (events, commit) in &groups {
                producer.begin_transaction()?;
                for event in events {
                    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic);
                    record.key = event.key.as_deref();
                    record.payload = event.value.as_deref();
                    producer.send(record).map_err(|(error, _)| error)?;
                }
                // What is aborted must be in the log too.
                producer.flush(limit)?;
                if *commit {
                    producer.commit_transaction(limit)?;
                } else {
                    producer.abort_transaction(limit)?;
                }
            }
            Ok(())
        })
        .await?
    }

    /// Publishes in a transaction that is left open: whoever gets the producer commits it.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn begin_transaction(&self, events: Vec<Event>) -> Result<BaseProducer> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("transactional.id", format!("{}.open", self.topic))
            .set("partitioner", "murmur2_random")
            .create()?;
        let topic = self.topic.clone();
        tokio::task::spawn_blocking(move || {
            producer.init_transactions(crate::PATIENCE)?;
            producer.begin_transaction()?;
            for event in &events {
                let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic);
                record.key = event.key.as_deref();
                record.payload = event.value.as_deref();
                producer.send(record).map_err(|(error, _)| error)?;
            }
            producer.flush(crate::PATIENCE)?;
            Ok(producer)
        })
        .await?
    }

    /// Every record of the log, by partition and offset.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn read(&self, partitions: u16) -> Result<BTreeMap<(i32, i64), Event>> {
        let length = self.len().await?;
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "gatelog-test-reader")
            .set("enable.auto.commit", "false")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::from(partitions) {
            list.add_partition_offset(&self.topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        tokio::task::spawn_blocking(move || {
            let mut records = BTreeMap::new();
            let deadline = Instant::now() + crate::PATIENCE;
            while (records.len() as i64) < length && Instant::now() < deadline {
                let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                    continue;
                };
                let message = message?;
                let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
                let event = Event {
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers
                        .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
                        .collect(),
                    partition: Some(message.partition()),
                    timestamp_ms: message.timestamp().to_millis(),
                };
                records.insert((message.partition(), message.offset()), event);
            }
            Ok(records)
        })
        .await?
    }

    /// Makes Kafka forget the records of a partition before `offset`, as its retention does.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn forget_before(&self, partition: i32, offset: i64) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        let outcome = admin.delete_records(&list, &AdminOptions::new()).await?;
        for element in outcome.elements() {
            element.error()?;
        }
        Ok(())
    }

    /// Number of records in the log.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn len(&self) -> Result<i64> {
        let (producer, topic) = (self.producer.clone(), self.topic.clone());
        tokio::task::spawn_blocking(move || {
            let timeout = Duration::from_secs(10);
            let metadata = producer.client().fetch_metadata(Some(&topic), timeout)?;
            let partitions = metadata.topics().first().map_or(0, |t| t.partitions().len());
            let mut sum = 0;
            for partition in 0..partitions as i32 {
                let ends = || producer.client().fetch_watermarks(&topic, partition, timeout);
                let (low, high) = once_it_has_a_leader(ends)?;
                sum += high - low;
            }
            Ok(sum)
        })
        .await?
    }

    /// What the group told Kafka of its progress: the sum over the partitions.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn hinted(&self, group: &str, partitions: i32) -> Result<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", group)
            .create()?;
        let topic = self.topic.clone();
        tokio::task::spawn_blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, partitions - 1);
            let committed = consumer.committed_offsets(list, Duration::from_secs(10))?;
            Ok(committed
                .elements()
                .iter()
                .filter_map(|e| e.offset().to_raw())
                .map(|o| o.max(0))
                .sum())
        })
        .await?
    }
}

/// A partition of a topic that has just been made may have a leader that does not know it yet.
fn once_it_has_a_leader<T>(ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    let deadline = Instant::now() + crate::PATIENCE;
    loop {
        match ask() {
            Err(KafkaError::MetadataFetch(NotLeaderForPartition | LeaderNotAvailable))
                if Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            answer => return answer,
        }
    }
}
