//! What is published: written in the transaction of the outcome that it tells of, handed over right
//! after the commit, deleted when Kafka has acknowledged it, swept from the table when whoever wrote
//! it is gone.
//!
//! ```text
//! writer ── commit ── hand over ─▶ ┌ worker ─────────────────────┐ ─▶ Kafka
//!                                  │ waiting → sent → acknowledged │ ◀─ acknowledgement
//! claimed anew, every second ────▶ └─ delete ────────────────────┘
//!                    sweep            table
//! ```
//!
//! A message may be published twice: when its row could not be deleted in time, or by a process that
//! does not know yet that its partition is another's. The ids are derived, so that this is harmless.

mod decisions;
mod entry;
mod errand;
mod pending;
mod publisher;
mod worker;

use tokio::sync::{mpsc, watch};

pub(crate) use decisions::decisions;
pub(crate) use entry::{Entry, Kind, Place};
pub(crate) use pending::Letters;
pub(crate) use publisher::{Publisher, Report};
pub(crate) use worker::Worker;

/// Where writers leave what they have committed.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(mpsc::Sender<Handed>);

/// What a writer leaves.
#[derive(Debug)]
pub(crate) enum Handed {
    /// What it has committed.
    Entries(Vec<Entry>),
    /// It may have committed what it does not know of, anywhere: a reply was lost.
    LookAgain,
}

impl Outbox {
    /// The place for so many batches, and what the worker takes them from.
    pub(crate) fn new(batches: usize) -> (Self, mpsc::Receiver<Handed>) {
        let (sender, receiver) = mpsc::channel(batches);
        (Self(sender), receiver)
    }

    /// Hands committed messages over and waits for room, unless the process is to stop: what does not
    /// get through stays in the table, for whoever claims next.
    pub(crate) async fn hand_over(&self, entries: Vec<Entry>, stop: &mut watch::Receiver<bool>) {
        if !entries.is_empty() {
            self.leave(Handed::Entries(entries), stop).await;
        }
    }

    /// Has the whole table looked through once more.
    pub(crate) async fn look_again(&self, stop: &mut watch::Receiver<bool>) {
        self.leave(Handed::LookAgain, stop).await;
    }

    async fn leave(&self, handed: Handed, stop: &mut watch::Receiver<bool>) {
        tokio::select! {
            biased;
            // A worker that has ended takes the process with it.
            _ = self.0.send(handed) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}
