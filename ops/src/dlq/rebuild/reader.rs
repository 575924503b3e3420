//! The dead letters' topic, from its start to where it ends now, in no group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc::Sender;

use super::record::Record;
use crate::Error;
use crate::connect::KAFKA_TIMEOUT;

/// A record of the topic, or why it is none of ours.
pub(super) struct Sent {
    /// Where it stands in the topic.
    pub(super) place: String,
    pub(super) record: Result<Record, String>,
}

/// How long Kafka may be silent before we give up.
const SILENCE: Duration = Duration::from_secs(60);

/// Hands over every record that the topic has now. Ends early where nobody takes them.
///
/// # Errors
/// Kafka's own; a topic that is not there.
pub(super) fn read(
    kafka: &settings::Kafka,
    topic: &str,
    sender: &Sender<Sent>,
    bar: &ProgressBar,
) -> Result<(), Error> {
    let consumer = consumer(kafka)?;
    let mut open = ends(&consumer, topic)?;
    bar.set_length(open.values().map(|(first, next)| (next - first).cast_unsigned()).sum());
    let mut list = TopicPartitionList::new();
    open.retain(|_, (first, next)| first < next);
    for (partition, (first, _)) in &open {
        list.add_partition_offset(topic, *partition, Offset::Offset(*first))?;
    }
    consumer.assign(&list)?;
    let mut silent_since = Instant::now();
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                silent_since = Instant::now();
                let (partition, offset) = (message.partition(), message.offset());
                let Some((_, next)) = open.get(&partition).copied() else { continue };
                if offset < next {
                    let place = format!("{partition}/{offset}");
                    let sent = Sent { place, record: Record::of(&message) };
                    if sender.blocking_send(sent).is_err() {
                        return Ok(());
                    }
                    bar.inc(1);
                }
                if offset + 1 >= next {
                    open.remove(&partition);
                }
            }
            // Its last offsets hold no records.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                silent_since = Instant::now();
                open.remove(&partition);
            }
            // Brokers that come and go are librdkafka's business, until they stay away.
            silence if silent_since.elapsed() > SILENCE => {
                return Err(match silence {
                    Some(Err(error)) => error.into(),
                    _ => Error::Kafka(format!("silent for {} s", SILENCE.as_secs())),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn consumer(kafka: &settings::Kafka) -> Result<BaseConsumer, Error> {
    let mut config = kafka.client_config("gatelog");
    config
        // Never joined; librdkafka wants a name all the same.
        .set("group.id", "gatelog-dlq-rebuild")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", "16384");
    Ok(config.create()?)
}

/// First and next offset of each partition.
fn ends(consumer: &BaseConsumer, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>, Error> {
    let metadata = consumer.fetch_metadata(Some(topic), KAFKA_TIMEOUT)?;
    let found = metadata.topics().first().filter(|found| !found.partitions().is_empty());
    let found = found
        .ok_or_else(|| Error::Kafka(format!("there is no topic {topic}; topic.dlq names it")))?;
    let partitions = found.partitions().iter().map(|partition| partition.id());
    let span =
        |partition| Ok((partition, consumer.fetch_watermarks(topic, partition, KAFKA_TIMEOUT)?));
    partitions.map(span).collect()
}
