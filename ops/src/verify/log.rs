//! The log's side: every event between two offsets, read straight from Kafka, in no group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use schemas::digest_of_record;

use super::buckets::{Buckets, Entry};
use super::{Span, Spans};
use crate::Error;
use crate::connect::KAFKA_TIMEOUT;

/// Reads the log.
pub(super) struct Reader {
    consumer: Arc<BaseConsumer>,
    topic: String,
}

/// The log, summed up.
pub(super) struct Log {
    pub(super) buckets: Buckets,
    /// Offsets that hold no event, as runs: partition, first, end.
    pub(super) missing: Vec<(i32, i64, i64)>,
}

/// How long Kafka may be silent before we give up.
const SILENCE: Duration = Duration::from_secs(60);

impl Reader {
    pub(super) fn new(kafka: &settings::Kafka, topic: &str) -> Result<Self, Error> {
        let mut config = kafka.client_config("gatelog");
        config
            // Never joined; librdkafka wants a name all the same.
            .set("group.id", "gatelog-verify")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("fetch.queue.backoff.ms", "10");
        Ok(Self { consumer: Arc::new(config.create()?), topic: topic.to_owned() })
    }

    /// What of `spans` Kafka still has, and how much of it, by partition, it has no longer.
    pub(super) async fn still_there(
        &self,
        spans: &Spans,
    ) -> Result<(Spans, BTreeMap<i32, i64>), Error> {
        let (consumer, topic, spans) = (self.consumer.clone(), self.topic.clone(), spans.clone());
        tokio::task::spawn_blocking(move || {
            let (mut there, mut lost) = (Spans::new(), BTreeMap::new());
            for (partition, span) in spans {
                let (low, _) = consumer.fetch_watermarks(&topic, partition, KAFKA_TIMEOUT)?;
                let first = span.first.max(low.min(span.next));
                if first > span.first {
                    lost.insert(partition, first - span.first);
                }
                there.insert(partition, Span { first, next: span.next });
            }
            Ok((there, lost))
        })
        .await?
    }

    /// Sums up all events of `spans`.
    pub(super) async fn read(&self, spans: &Spans, progress: &ProgressBar) -> Result<Log, Error> {
        let mut log = Log { buckets: Buckets::new(spans), missing: Vec::new() };
        let progress = progress.clone();
        self.stream(spans.clone(), move |event| match event {
            Seen::Event(message) => {
                progress.inc(1);
                log.buckets.add(&entry(message));
                None
            }
            Seen::Missing(partition, first, end) => {
                log.missing.push((partition, first, end));
                None
            }
            Seen::End => Some(std::mem::replace(
                &mut log,
                Log { buckets: Buckets::default(), missing: Vec::new() },
            )),
        })
        .await
    }

    /// The events of one bucket, one by one.
    pub(super) async fn open(&self, partition: i32, span: Span) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        self.stream(Spans::from([(partition, span)]), move |event| match event {
            Seen::Event(message) => {
                entries.push(entry(message));
                None
            }
            Seen::Missing(..) => None,
            Seen::End => Some(std::mem::take(&mut entries)),
        })
        .await
    }

    async fn stream<T: Send + 'static>(
        &self,
        spans: Spans,
        mut take: impl FnMut(Seen<'_>) -> Option<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (consumer, topic) = (self.consumer.clone(), self.topic.clone());
        tokio::task::spawn_blocking(move || {
            follow(&consumer, &topic, &spans, &mut |seen| drop(take(seen)))?;
            take(Seen::End).ok_or_else(|| Error::Other("reading the log gave nothing".to_owned()))
        })
        .await?
    }
}

/// What comes by while the log is read.
enum Seen<'m> {
    Event(&'m BorrowedMessage<'m>),
    /// Partition, first offset and end of a run without events.
    Missing(i32, i64, i64),
    End,
}

fn follow(
    consumer: &BaseConsumer,
    topic: &str,
    spans: &Spans,
    take: &mut impl FnMut(Seen<'_>),
) -> Result<(), Error> {
    let mut open: BTreeMap<i32, Span> =
        spans.iter().filter(|(_, s)| s.first < s.next).map(|(p, s)| (*p, *s)).collect();
    let mut list = TopicPartitionList::new();
    for (partition, span) in &open {
        list.add_partition_offset(topic, *partition, Offset::Offset(span.first))?;
    }
    consumer.assign(&list)?;
    // What was paused at the end of an earlier run comes back paused.
    consumer.resume(&list)?;
    let mut heard = Instant::now();
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let partition = message.partition();
                let Some(span) = open.get_mut(&partition) else { continue };
                let found = message.offset().min(span.next);
                if found > span.first {
                    take(Seen::Missing(partition, span.first, found));
                }
                if message.offset() < span.next {
                    take(Seen::Event(&message));
                    span.first = message.offset() + 1;
                }
                if message.offset() + 1 >= span.next {
                    close(consumer, topic, &mut open, partition)?;
                }
            }
            // The log ends before the position: what follows holds no events.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                heard = Instant::now();
                if let Some(span) = open.get(&partition) {
                    take(Seen::Missing(partition, span.first, span.next));
                    close(consumer, topic, &mut open, partition)?;
                }
            }
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(is_loss) => {
                return Err(error.into());
            }
            // Brokers that come and go are librdkafka's business, until they stay away.
            Some(Err(error)) if heard.elapsed() > SILENCE => return Err(error.into()),
            None if heard.elapsed() > SILENCE => {
                return Err(Error::Kafka(format!("silent for {} s", SILENCE.as_secs())));
            }
            Some(Err(_)) | None => {}
        }
    }
    consumer.unassign()?;
    Ok(())
}

fn close(
    consumer: &BaseConsumer,
    topic: &str,
    open: &mut BTreeMap<i32, Span>,
    partition: i32,
) -> Result<(), Error> {
    open.remove(&partition);
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    // Not unassigned: that would throw away what was fetched for the others.
    consumer.pause(&list)?;
    Ok(())
}

const fn is_loss(code: rdkafka::types::RDKafkaErrorCode) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange)
}

fn entry(message: &BorrowedMessage<'_>) -> Entry {
    Entry {
        partition: message.partition(),
        offset: message.offset(),
        digest: digest_of_record(message.offset(), message.key(), message.payload()).0,
        table: "log",
    }
}
