//! Which trace an event belongs to. No row says it: it stands in the event's headers, which are read
//! back from the log at the row's place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use schemas::headers;
use serde_json::Value;
use telemetry::trace;

use super::answer::Answer;
use crate::connect::KAFKA_TIMEOUT;
use crate::settings::Settings;
use crate::{Error, output};

/// Where a row's event stands, and which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    partition: i32,
    offset: i64,
    event_id: String,
}

/// Adds the column `trace_id`, empty where Kafka has the event no longer, or cannot be asked.
pub(super) async fn add(settings: &Settings, answer: &mut Answer) -> Result<(), Error> {
    let number = |value: &Value| value.as_i64().unwrap_or(-1);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let places: Vec<Place> = answer
        .column("log_partition")
        .zip(answer.column("log_offset"))
        .zip(answer.column("event_id"))
        .map(|((partition, offset), event_id)| Place {
            partition: i32::try_from(number(partition)).unwrap_or(-1),
            offset: number(offset),
            event_id: text(event_id),
        })
        .collect();
    let count = places.len();
    let (kafka, topic) = (settings.kafka.clone(), settings.topic.swipes.clone());
    let read = tokio::task::spawn_blocking(move || read(&kafka, &topic, &places)).await?;
    let ids = read.unwrap_or_else(|error| {
        output::note(&format!("no trace ids: {error}"));
        vec![None; count]
    });
    answer.add("trace_id", ids);
    Ok(())
}

fn read(
    kafka: &settings::Kafka,
    topic: &str,
    places: &[Place],
) -> Result<Vec<Option<String>>, Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut config = kafka.client_config("gatelog");
    config
        // Never joined; librdkafka wants a name all the same.
        .set("group.id", "gatelog-query")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "10")
        // One event a time is wanted, not what comes after it.
        .set("queued.min.messages", "1")
        .set("fetch.message.max.bytes", "65536");
    let consumer: BaseConsumer = config.create()?;
    places.iter().map(|place| trace_id(&consumer, topic, place)).collect()
}

fn trace_id(consumer: &BaseConsumer, topic: &str, place: &Place) -> Result<Option<String>, Error> {
    let (first, next) = consumer.fetch_watermarks(topic, place.partition, KAFKA_TIMEOUT)?;
    if !(first..next).contains(&place.offset) {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, place.partition, Offset::Offset(place.offset))?;
    consumer.assign(&list)?;
    let begun = Instant::now();
    while begun.elapsed() < KAFKA_TIMEOUT {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.partition() != place.partition => {}
            Some(Ok(message)) if message.offset() == place.offset => {
                return Ok(trace_of(&message, &place.event_id));
            }
            // It was taken out of the log meanwhile.
            Some(Ok(_)) => return Ok(None),
            Some(Err(KafkaError::PartitionEOF(partition))) if partition == place.partition => {
                return Ok(None);
            }
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Err(Error::Kafka(format!("silent for {} s", KAFKA_TIMEOUT.as_secs())))
}

/// The trace of a record, if it is the event: another log under the same name has others.
fn trace_of(message: &BorrowedMessage<'_>, event_id: &str) -> Option<String> {
    // rdkafka panics at a header whose name is no UTF-8.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let found = message.headers()?;
        let header = |name: &str| {
            let header = found.iter().find(|header| header.key == name)?;
            std::str::from_utf8(header.value?).ok()
        };
        let is_it = header(headers::ID).is_some_and(|id| id.eq_ignore_ascii_case(event_id));
        let trace = header(headers::TRACEPARENT).and_then(trace::trace_id_of);
        trace.filter(|_| is_it).map(|id| id.to_string())
    }));
    read.unwrap_or_default()
}
