//! The log's side: the events of some runs of offsets, read straight from Kafka, in no group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use schemas::digest_of_record;

use super::gaps::Run;
use super::sums::{Entry, Found};
use super::{STEP, Span};
use crate::Error;
use crate::connect::KAFKA_TIMEOUT;

/// Reads the log.
pub(super) struct Reader {
    consumer: Arc<BaseConsumer>,
    topic: String,
}

/// Runs of offsets, by partition, in order.
pub(super) type Runs = BTreeMap<i32, Vec<Span>>;

/// How long Kafka may be silent before we give up.
const SILENCE: Duration = Duration::from_secs(60);

impl Reader {
    pub(super) fn new(kafka: &settings::Kafka, topic: &str) -> Result<Self, Error> {
        let mut config = kafka.client_config("gatelog");
        config
            // Never joined; librdkafka wants a name all the same.
            .set("group.id", "gatelog-verify")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("fetch.queue.backoff.ms", "10")
            // What lies ready, and all that may: memory does not grow with the log.
            .set("queued.min.messages", "100000")
            .set("queued.max.messages.kbytes", "65536");
        Ok(Self { consumer: Arc::new(config.create()?), topic: topic.to_owned() })
    }

    /// From the first offset that Kafka still has of each partition to the next that it will give.
    pub(super) async fn spans(&self, partitions: Vec<i32>) -> Result<BTreeMap<i32, Span>, Error> {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        tokio::task::spawn_blocking(move || {
            let span = |partition| {
                let (first, next) = consumer.fetch_watermarks(&topic, partition, KAFKA_TIMEOUT)?;
                Ok((partition, Span { first, next }))
            };
            partitions.into_iter().map(span).collect()
        })
        .await?
    }

    /// Hands every event of `runs` to `take`, with `state`; that, and the offsets without one.
    pub(super) async fn read<S: Send + 'static>(
        &self,
        runs: Runs,
        state: S,
        take: fn(&mut S, Entry),
        progress: &ProgressBar,
    ) -> Result<(S, Vec<Run>), Error> {
        let (consumer, topic, progress) =
            (Arc::clone(&self.consumer), self.topic.clone(), progress.clone());
        // Whoever waits for this may give up: then nobody reads on.
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop.0);
        tokio::task::spawn_blocking(move || {
            let (mut state, mut empty, mut count) = (state, Vec::new(), 0_u64);
            for round in rounds(runs) {
                let following = Following { consumer: &consumer, topic: &topic, open: round };
                following.run(&stopped, &mut |seen| match seen {
                    Seen::Event(message) => {
                        take(&mut state, entry(message));
                        count += 1;
                        if count % STEP == 0 {
                            progress.inc(STEP);
                        }
                    }
                    Seen::Empty(run) => empty.push(run),
                })?;
            }
            progress.inc(count % STEP);
            empty.sort_unstable();
            Ok((state, empty))
        })
        .await?
    }
}

struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One run a partition at a time: the first of each, then the second, and so on.
fn rounds(runs: Runs) -> Vec<BTreeMap<i32, Span>> {
    let mut rounds: Vec<BTreeMap<i32, Span>> = Vec::new();
    for (partition, runs) in runs {
        let runs = runs.into_iter().filter(|run| run.first < run.next);
        for (at, run) in runs.enumerate() {
            rounds.resize_with(rounds.len().max(at + 1), BTreeMap::new);
            rounds[at].insert(partition, run);
        }
    }
    rounds
}

/// What comes by while the log is read.
enum Seen<'m> {
    Event(&'m BorrowedMessage<'m>),
    /// A run without events.
    Empty(Run),
}

/// One round.
struct Following<'c> {
    consumer: &'c BaseConsumer,
    topic: &'c str,
    /// What is left of each partition.
    open: BTreeMap<i32, Span>,
}

impl Following<'_> {
    fn run(mut self, stopped: &AtomicBool, take: &mut impl FnMut(Seen<'_>)) -> Result<(), Error> {
        self.assign()?;
        // Looking at the clock for each event would cost as much as some of the reading.
        let mut silent_since: Option<Instant> = None;
        while !self.open.is_empty() {
            if stopped.load(Ordering::Relaxed) {
                return Err(Error::Other("reading the log was given up".to_owned()));
            }
            let (consumer, heard) = (self.consumer, silent_since.is_some());
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    if heard {
                        silent_since = None;
                    }
                    self.event(&message, take)?;
                }
                // The log ends before the position: what follows holds no events.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    silent_since = None;
                    if let Some(span) = self.open.get(&partition).copied() {
                        take(Seen::Empty(Run { partition, span }));
                        self.close(partition)?;
                    }
                }
                Some(Err(error)) if error.rdkafka_error_code().is_some_and(is_loss) => {
                    return Err(error.into());
                }
                // Brokers that come and go are librdkafka's business, until they stay away.
                silence => {
                    if silent_since.get_or_insert_with(Instant::now).elapsed() > SILENCE {
                        let silent = || Error::Kafka(format!("silent for {} s", SILENCE.as_secs()));
                        return Err(match silence {
                            Some(Err(error)) => error.into(),
                            _ => silent(),
                        });
                    }
                }
            }
        }
        self.consumer.unassign()?;
        Ok(())
    }

    fn assign(&self) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        for (partition, span) in &self.open {
            list.add_partition_offset(self.topic, *partition, Offset::Offset(span.first))?;
        }
        self.consumer.assign(&list)?;
        // What was paused at the end of an earlier run comes back paused.
        self.consumer.resume(&list)?;
        Ok(())
    }

    fn event(
        &mut self,
        message: &BorrowedMessage<'_>,
        take: &mut impl FnMut(Seen<'_>),
    ) -> Result<(), Error> {
        let (partition, offset) = (message.partition(), message.offset());
        // What was on its way when an earlier round ended.
        let Some(span) = self.open.get_mut(&partition).filter(|span| offset >= span.first) else {
            return Ok(());
        };
        let found = offset.min(span.next);
        if found > span.first {
            take(Seen::Empty(Run { partition, span: Span { first: span.first, next: found } }));
        }
        if offset < span.next {
            take(Seen::Event(message));
            span.first = offset + 1;
        }
        if offset + 1 >= span.next {
            self.close(partition)?;
        }
        Ok(())
    }

    fn close(&mut self, partition: i32) -> Result<(), Error> {
        self.open.remove(&partition);
        let mut list = TopicPartitionList::new();
        list.add_partition(self.topic, partition);
        // Not unassigned: that would throw away what was fetched for the others.
        self.consumer.pause(&list)?;
        Ok(())
    }
}

const fn is_loss(code: rdkafka::types::RDKafkaErrorCode) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange)
}

fn entry(message: &BorrowedMessage<'_>) -> Entry {
    let offset = message.offset();
    let (digest, occurred_at) = digest_of_record(offset, message.key(), message.payload());
    Entry { partition: message.partition(), offset, digest, occurred_at, found: Found::Log }
}
