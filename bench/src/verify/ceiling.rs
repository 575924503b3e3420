//! The ceiling: the log and the tables, read and thrown away, both at the same time.

use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::try_join;

use super::Bench;
use super::report::Ceiling;
use crate::servers::connect;

/// How long Kafka may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);
/// Bytes of COPY's header and end marker: what an empty table gives.
const EMPTY_BYTES: u64 = 21;

impl Bench {
    /// Reads both to the end; what each side took, and both together.
    pub(super) async fn ceiling(&self) -> Result<Ceiling> {
        let client = connect(&self.database.url).await?;
        let consumer = self.consumer()?;
        let (topic, events) = (self.log.topic.clone(), self.workload.len());
        let partitions = self.workload.partitions().len() as i32;

        let started = Instant::now();
        let log = tokio::task::spawn_blocking(move || {
            read_log(&consumer, &topic, partitions, events)?;
            anyhow::Ok(started.elapsed().as_secs_f64())
        });
        let table = tokio::spawn(async move {
            let bytes = read_table(&client).await?;
            anyhow::Ok((started.elapsed().as_secs_f64(), bytes))
        });
        let (log, table) = try_join!(log, table).context("reading")?;
        let (log_s, (table_s, bytes)) = (log?, table?);
        ensure!(bytes > EMPTY_BYTES, "COPY has read no rows");
        Ok(Ceiling { seconds: log_s.max(table_s), log_s, table_s })
    }

    /// A plain consumer, in no group; it asks for nothing before the clock starts.
    fn consumer(&self) -> Result<BaseConsumer> {
        self.ground
            .servers
            .kafka_client()
            // Never joined; librdkafka wants a name all the same.
            .set("group.id", "gatelog-bench")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            // A second by default: a stall that is no verifier's fate.
            .set("fetch.queue.backoff.ms", "10")
            .create()
            .context("starting librdkafka")
    }
}

fn read_log(consumer: &BaseConsumer, topic: &str, partitions: i32, events: usize) -> Result<()> {
    let doing = "reading the log";
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).context(doing)?;
    }
    consumer.assign(&list).context(doing)?;
    let (mut read, mut heard_at) = (0, Instant::now());
    while read < events {
        match consumer.poll(POLL) {
            Some(message) => {
                message.context(doing)?;
                read += 1;
                // Looking at the clock for each event would be a part of what is measured.
                if read % 1_024 == 0 {
                    heard_at = Instant::now();
                }
            }
            None => {
                let silent = heard_at.elapsed();
                ensure!(silent < SILENCE, "Kafka has given {read} of {events} events");
            }
        }
    }
    Ok(())
}

/// Bytes that were read.
async fn read_table(client: &tokio_postgres::Client) -> Result<u64> {
    let doing = "reading access_log";
    let stream = client.copy_out(include_str!("../sql/read_rows.sql")).await.context(doing)?;
    let mut stream = pin!(stream);
    let mut bytes = 0;
    while let Some(piece) = stream.try_next().await.context(doing)? {
        bytes += piece.len() as u64;
    }
    Ok(bytes)
}
