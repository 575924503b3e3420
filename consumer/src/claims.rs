//! The claims that this process holds, as reader and writers know them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::chunk::Claim;
use crate::progress::Progress;

/// The claims this process holds, shared by reader, writers and outbox.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: Mutex<HashMap<i32, Held>>,
    more: Notify,
    /// Whether there may be lanes anywhere: what is asked all the time.
    any_lanes: AtomicBool,
}

#[derive(Debug)]
struct Held {
    owner: Uuid,
    /// As of our last commit.
    progress: Progress,
    lost: Option<(Loss, Instant)>,
    /// When its lanes are to be looked after, if there are any.
    lanes_at: Option<Instant>,
}

/// A writer that is asked to look after lanes has so long to do it before it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How a claim was found to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Another owner stands in the row.
    Taken,
    /// The row is behind what we committed, or gone: the database was put back to an earlier copy.
    PutBack,
}

impl Claims {
    /// Takes in a claim that was granted; `has_lanes`: somebody left events waiting there.
    pub(crate) fn hold(&self, claim: Claim, progress: Progress, has_lanes: bool) {
        let lanes_at = has_lanes.then(Instant::now);
        let held = Held { owner: claim.owner, progress, lost: None, lanes_at };
        self.lock().insert(claim.partition, held);
        self.any_lanes.fetch_or(has_lanes, Ordering::Relaxed);
        self.more.notify_one();
    }

    /// Waits until there are claims that were not there at the last call; for one that waits.
    pub(crate) async fn more(&self) {
        self.more.notified().await;
    }

    pub(crate) fn release(&self, partition: i32) {
        self.lock().remove(&partition);
    }

    /// Every claim that is still good, and how far it is.
    pub(crate) fn held(&self) -> HashMap<Claim, Progress> {
        let held = self.lock();
        let good = held.iter().filter(|(_, held)| held.lost.is_none());
        good.map(|(partition, held)| {
            (Claim { partition: *partition, owner: held.owner }, held.progress)
        })
        .collect()
    }

    /// Marks a claim as lost; one that was replaced meanwhile is left alone.
    pub(crate) fn lose(&self, claim: Claim, loss: Loss) {
        if let Some(held) = self.lock().get_mut(&claim.partition)
            && held.owner == claim.owner
        {
            held.lost = Some((loss, Instant::now()));
        }
    }

    pub(crate) fn committed(&self, claim: Claim, progress: Progress) {
        if let Some(held) = self.lock().get_mut(&claim.partition)
            && held.owner == claim.owner
        {
            held.progress = progress;
        }
    }

    /// In what time the lanes of a partition are to be looked after next, if it has any.
    pub(crate) fn lanes_due_in(&self, claim: Claim, wait: Option<Duration>) {
        let at = wait.map(|wait| Instant::now() + wait);
        if let Some(held) = self.lock().get_mut(&claim.partition)
            && held.owner == claim.owner
        {
            held.lanes_at = at;
            self.any_lanes.fetch_or(at.is_some(), Ordering::Relaxed);
        }
    }

    /// Whether any partition may have lanes.
    pub(crate) fn may_have_lanes(&self) -> bool {
        self.any_lanes.load(Ordering::Relaxed)
    }

    /// The claims whose lanes are to be looked after now. Each is returned once in a while.
    pub(crate) fn due_lanes(&self) -> Vec<Claim> {
        if !self.may_have_lanes() {
            return Vec::new();
        }
        let now = Instant::now();
        let mut held = self.lock();
        let mut due = Vec::new();
        for (partition, held) in held.iter_mut().filter(|(_, held)| held.lost.is_none()) {
            if held.lanes_at.is_some_and(|at| at <= now) {
                held.lanes_at = Some(now + ASK_AGAIN_AFTER);
                due.push(Claim { partition: *partition, owner: held.owner });
            }
        }
        // Set again by whoever sets a time, under the same lock.
        let any = held.values().any(|held| held.lanes_at.is_some());
        self.any_lanes.store(any, Ordering::Relaxed);
        due
    }

    /// Lost partitions that it is time to claim again. Each is returned once.
    pub(crate) fn due(&self, taken_for: Duration) -> Vec<i32> {
        let mut held = self.lock();
        let due: Vec<i32> = held
            .iter()
            .filter(|(_, held)| match held.lost {
                None => false,
                Some((Loss::PutBack, _)) => true,
                Some((Loss::Taken, since)) => since.elapsed() >= taken_for,
            })
            .map(|(partition, _)| *partition)
            .collect();
        for partition in &due {
            held.remove(partition);
        }
        due
    }

    /// Where each partition's next transaction starts.
    pub(crate) fn next_offsets(&self) -> HashMap<i32, i64> {
        let next = |(partition, held): (&i32, &Held)| (*partition, held.progress.open.next_offset);
        self.lock().iter().map(next).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Held>> {
        // Every change is one assignment: a panic elsewhere leaves nothing half done.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
