//! The reader's side of the writers' queues: chunks that fill up, and writers that fall behind.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{debug, warn};

use crate::chunk::Chunk;
use crate::follow::Follow;

/// All writers' queues.
pub(crate) struct Outlets {
    outlets: Vec<Outlet>,
    consumer: &'static BaseConsumer<Follow>,
    topic: String,
}

struct Outlet {
    sender: Option<mpsc::Sender<Chunk>>,
    pending: Chunk,
    /// Partitions dealt to this writer.
    partitions: BTreeSet<i32>,
    blocked: bool,
}

/// How long to wait for a full queue before its partitions pause: pausing throws away what
/// librdkafka has fetched ahead, so a writer that is merely busy is worth a moment.
const PATIENCE: Duration = Duration::from_millis(500);

impl Outlets {
    pub(crate) fn new(
        senders: Vec<mpsc::Sender<Chunk>>,
        consumer: &'static BaseConsumer<Follow>,
        topic: String,
    ) -> Self {
        let outlet = |sender| Outlet {
            sender: Some(sender),
            pending: Chunk::default(),
            partitions: BTreeSet::new(),
            blocked: false,
        };
        Self { outlets: senders.into_iter().map(outlet).collect(), consumer, topic }
    }

    /// Gives a partition to the writer that has the fewest.
    pub(crate) fn deal(&mut self, partition: i32) -> usize {
        self.take_back(partition);
        let fewest = (0..self.outlets.len()).min_by_key(|i| self.outlets[*i].partitions.len());
        let writer = fewest.unwrap_or_default();
        self.outlets[writer].partitions.insert(partition);
        writer
    }

    pub(crate) fn take_back(&mut self, partition: i32) {
        for outlet in &mut self.outlets {
            outlet.partitions.remove(&partition);
        }
    }

    pub(crate) fn pending(&mut self, writer: usize) -> &mut Chunk {
        &mut self.outlets[writer].pending
    }

    pub(crate) fn has_pending(&self) -> bool {
        self.outlets.iter().any(|outlet| !outlet.pending.is_empty())
    }

    /// Whether this writer takes nothing now: what comes for it is fetched again later.
    pub(crate) fn is_full(&self, writer: usize) -> bool {
        self.outlets[writer].blocked
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.outlets.iter().any(|outlet| outlet.blocked)
    }

    /// Hands over whatever is pending and finds room.
    pub(crate) fn hand_over_all(&mut self) {
        for outlet in &mut self.outlets {
            outlet.try_hand_over();
        }
    }

    /// Hands over one writer's chunk, waiting a little for room; false if there was none.
    pub(crate) fn hand_over(&mut self, writer: usize) -> bool {
        let outlet = &mut self.outlets[writer];
        let deadline = Instant::now() + PATIENCE;
        while !outlet.try_hand_over() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Pauses a writer's partitions: it has more than it can take.
    pub(crate) fn block(&mut self, writer: usize) {
        let outlet = &mut self.outlets[writer];
        outlet.blocked = true;
        debug!(writer, "its queue is full; pausing its partitions");
        if let Err(error) = self.consumer.pause(&list(&self.topic, &outlet.partitions)) {
            warn!(%error, "pausing partitions");
        }
    }

    /// Resumes the writers that have room again; the partitions that go on.
    pub(crate) fn unblock(&mut self) -> Vec<i32> {
        let mut resumed = Vec::new();
        for outlet in self.outlets.iter_mut().filter(|outlet| outlet.blocked) {
            if outlet.try_hand_over() {
                outlet.blocked = false;
                if let Err(error) = self.consumer.resume(&list(&self.topic, &outlet.partitions)) {
                    warn!(%error, "resuming partitions");
                }
                resumed.extend(outlet.partitions.iter().copied());
            }
        }
        resumed
    }

    /// No more will come: the writers finish.
    pub(crate) fn close(&mut self) {
        self.outlets.iter_mut().for_each(|outlet| outlet.sender = None);
    }
}

impl Outlet {
    fn try_hand_over(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        let Some(sender) = &self.sender else { return true };
        match sender.try_reserve() {
            Ok(place) => {
                place.send(std::mem::take(&mut self.pending));
                true
            }
            Err(TrySendError::Full(())) => false,
            // The writer has ended, and with it soon the process.
            Err(TrySendError::Closed(())) => true,
        }
    }
}

fn list(topic: &str, partitions: &BTreeSet<i32>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    list
}
