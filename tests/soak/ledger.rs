//! What terminals were told: their own record, against which the tables are held.

use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// A swipe that a gateway has answered with 200.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    /// Its id.
    pub(crate) event_id: Uuid,
    /// Its place among the card's swipes: it was first sent after all of a lower place were
    /// acknowledged. Those of one place were under way together. None where it was only promised
    /// (202), which says nothing of when it reaches the log.
    pub(crate) place: Option<u64>,
}

/// A record of poison, and where Kafka says that it stands, if it says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poison {
    pub(crate) mark: u64,
    /// What is wrong with it.
    pub(crate) kind: &'static str,
    /// Of the swipe that it pretends to be.
    pub(crate) event_id: Uuid,
    pub(crate) place: Option<(i32, i64)>,
}

/// All terminals' records.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    acknowledged: Vec<Acknowledged>,
    /// Answers that no swipe of ours should get.
    refused: Vec<String>,
    poison: Vec<Poison>,
    sent_again: u64,
    failed_attempts: u64,
}

impl Ledger {
    /// A swipe was acknowledged for the first time.
    pub(crate) fn acknowledge(&self, entry: Acknowledged) {
        self.lock().acknowledged.push(entry);
    }

    /// A swipe was refused for good, which none of ours deserves.
    pub(crate) fn refuse(&self, answer: String) {
        self.lock().refused.push(answer);
    }

    /// A record was published that can be no row.
    pub(crate) fn poison(&self, poison: Poison) {
        self.lock().poison.push(poison);
    }

    /// A swipe was sent again although it was acknowledged.
    pub(crate) fn send_again(&self) {
        self.lock().sent_again += 1;
    }

    /// An attempt got no acknowledgement; the swipe is tried again.
    pub(crate) fn fail(&self) {
        self.lock().failed_attempts += 1;
    }

    /// How many were acknowledged so far.
    pub(crate) fn len(&self) -> usize {
        self.lock().acknowledged.len()
    }

    /// How many were sent again on purpose, and how many attempts got no acknowledgement.
    pub(crate) fn troubles(&self) -> (u64, u64) {
        let entries = self.lock();
        (entries.sent_again, entries.failed_attempts)
    }

    /// Everything that was acknowledged.
    pub(crate) fn acknowledged(&self) -> Vec<Acknowledged> {
        self.lock().acknowledged.clone()
    }

    /// All the poison.
    pub(crate) fn poisons(&self) -> Vec<Poison> {
        self.lock().poison.clone()
    }

    /// The refusals.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.lock().refused.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Every change is one push or one addition.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
