//! The claims that this process holds, as reader and writers know them.

use std::collections::HashMap;
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
}

#[derive(Debug)]
struct Held {
    owner: Uuid,
    /// As of our last commit.
    progress: Progress,
    lost: Option<(Loss, Instant)>,
}

/// How a claim was found to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Another owner stands in the row.
    Taken,
    /// The row is behind what we committed, or gone: the database was put back to an earlier copy.
    PutBack,
}

impl Claims {
    pub(crate) fn hold(&self, claim: Claim, progress: Progress) {
        let held = Held { owner: claim.owner, progress, lost: None };
        self.lock().insert(claim.partition, held);
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
