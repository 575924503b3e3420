//! When a decision could be read from its topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::TopicPartitionList;
use schemas::Decision;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;

use super::PATIENCE;
use crate::log::{Log, decisions_of};
use crate::open_loop::on_own_thread;
use crate::servers::Servers;

/// Between two looks at whether to stop.
const POLL: Duration = Duration::from_millis(20);

/// A thread that reads the topic of the decisions, as a gateway would.
pub(super) struct Reader {
    shared: StopOnDrop,
    thread: JoinHandle<Result<HashMap<Uuid, Decided>>>,
}

/// The first time that a decision was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decided {
    pub(super) at: Instant,
    pub(super) granted: bool,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    /// Events whose decision was read.
    events: AtomicUsize,
}

impl Reader {
    /// Reads from now on; the topic is empty.
    ///
    /// # Errors
    /// librdkafka's own.
    pub(super) async fn start(servers: &Servers, log: &Log) -> Result<Self> {
        let doing = "reading the topic of the decisions";
        let consumer: BaseConsumer = servers
            .kafka_client()
            // It commits nothing; librdkafka wants a name all the same.
            .set("group.id", format!("{}-reader", log.topic))
            .set("enable.auto.commit", "false")
            .create()
            .context("starting librdkafka")?;
        let (topic, mut partitions) = (decisions_of(&log.topic), TopicPartitionList::new());
        for partition in 0..i32::from(log.partitions) {
            partitions.add_partition_offset(&topic, partition, Offset::Beginning).context(doing)?;
        }
        consumer.assign(&partitions).context(doing)?;
        let shared = Arc::<Shared>::default();
        let seen = Arc::clone(&shared);
        let (ready, is_ready) = oneshot::channel();
        let thread =
            tokio::spawn(on_own_thread("decisions", move || read(&consumer, &seen, ready)));
        // If it has gone, it says why at the end.
        let _ = is_ready.await;
        Ok(Self { shared: StopOnDrop(shared), thread })
    }

    /// Waits until so many events are decided, and stops.
    ///
    /// # Errors
    /// Kafka's own; or decisions stay away.
    pub(super) async fn all(self, events: usize) -> Result<HashMap<Uuid, Decided>> {
        let (mut seen, mut moved_at) = (0, Instant::now());
        while seen < events && !self.thread.is_finished() && moved_at.elapsed() < PATIENCE {
            sleep(POLL).await;
            let now = self.shared.0.events.load(Ordering::Relaxed);
            if now > seen {
                (seen, moved_at) = (now, Instant::now());
            }
        }
        drop(self.shared);
        let decided = self.thread.await.context("the reader of decisions has panicked")??;
        let found = decided.len();
        ensure!(found == events, "{found} decisions are on their topic, and should be {events}");
        Ok(decided)
    }
}

/// Dropped, it stops the reader, which ends within a poll.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

fn read(
    consumer: &BaseConsumer,
    shared: &Shared,
    ready: oneshot::Sender<()>,
) -> Result<HashMap<Uuid, Decided>> {
    let doing = "reading the topic of the decisions";
    let (mut decided, mut ready) = (HashMap::new(), Some(ready));
    while !shared.stopped.load(Ordering::Relaxed) {
        let polled = consumer.poll(POLL);
        if let Some(ready) = ready.take() {
            // Whoever waited may have gone.
            let _ = ready.send(());
        }
        let Some(message) = polled else { continue };
        let at = Instant::now();
        let message = message.context(doing)?;
        let value = message.payload().unwrap_or_default();
        let Decision { event_id, reasons, .. } =
            serde_json::from_slice(value).context("what is on the topic is no decision")?;
        // The same one may come twice: it counts when it came first.
        decided.entry(event_id).or_insert(Decided { at, granted: reasons.is_empty() });
        shared.events.store(decided.len(), Ordering::Relaxed);
    }
    Ok(decided)
}
