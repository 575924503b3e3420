//! The reader's side of the writers' queues: chunks that fill up, and writers that fall behind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::debug;

use crate::chunk::{Chunk, InHand};
use crate::metrics::Metrics;
use crate::turns::Turn;

/// All writers' queues.
pub(crate) struct Outlets {
    outlets: Vec<Outlet>,
}

struct Outlet {
    sender: Option<mpsc::Sender<Chunk>>,
    pending: Chunk,
    round: VecDeque<Turn>,
    /// Whether it was found full, and has not been handed anything since.
    paused: bool,
    in_hand: InHand,
    /// Since when it has had nothing to do, as far as anybody looked.
    idle_since: Option<Instant>,
}

/// A writer that has had nothing to do for so long takes over from one that has too much.
const IDLE_FOR: Duration = Duration::from_millis(100);

impl Outlets {
    pub(crate) fn new(senders: Vec<mpsc::Sender<Chunk>>) -> Self {
        let outlet = |sender| Outlet {
            sender: Some(sender),
            pending: Chunk::default(),
            round: VecDeque::new(),
            paused: false,
            in_hand: InHand::default(),
            idle_since: None,
        };
        Self { outlets: senders.into_iter().map(outlet).collect() }
    }

    /// How many writers there are.
    pub(crate) fn len(&self) -> usize {
        self.outlets.len()
    }

    pub(crate) fn pending(&mut self, writer: usize) -> &mut Chunk {
        &mut self.outlets[writer].pending
    }

    /// Its partitions' turns that are left of a round.
    pub(crate) fn round(&mut self, writer: usize) -> &mut VecDeque<Turn> {
        &mut self.outlets[writer].round
    }

    /// The next turn among a writer's partitions, if there is one and it can be given more. A chunk
    /// that is full is handed over first; if its queue is full, too, nothing is read for it.
    pub(crate) fn next(&mut self, writer: usize, metrics: &Metrics) -> Option<Turn> {
        let outlet = &mut self.outlets[writer];
        let turn = outlet.round.front().copied()?;
        if outlet.pending.is_full() && !outlet.try_hand_over() {
            if !std::mem::replace(&mut outlet.paused, true) {
                debug!(writer, "its queue is full; reading nothing for it");
                metrics.pauses.inc();
            }
            return None;
        }
        outlet.round.pop_front();
        Some(turn)
    }

    /// A writer that has had nothing to do for a while: not even a batch that hangs.
    pub(crate) fn idle(&mut self) -> Option<usize> {
        for outlet in &mut self.outlets {
            outlet.idle_since = match outlet.has_nothing() {
                true => outlet.idle_since.or_else(|| Some(Instant::now())),
                false => None,
            };
        }
        let is_idle = |outlet: &Outlet| outlet.idle_since.is_some_and(|at| at.elapsed() > IDLE_FOR);
        self.outlets.iter().position(is_idle)
    }

    /// A partition has come to a writer: there will be something for it.
    pub(crate) fn is_given(&mut self, writer: usize) {
        self.outlets[writer].idle_since = None;
    }

    /// The writers that take nothing now.
    pub(crate) fn blocked(&self) -> impl Iterator<Item = usize> {
        let blocked = self.outlets.iter().enumerate().filter(|(_, outlet)| outlet.paused);
        blocked.map(|(writer, _)| writer)
    }

    /// Whether any writer takes nothing now.
    pub(crate) fn is_blocked(&self) -> bool {
        self.outlets.iter().any(|outlet| outlet.pending.is_full())
    }

    /// Hands over whatever is pending and finds room.
    pub(crate) fn hand_over_all(&mut self) {
        for outlet in &mut self.outlets {
            outlet.try_hand_over();
        }
    }

    /// Hands over what is pending to a writer that waits for something.
    pub(crate) fn hand_over_if_idle(&mut self, writer: usize) {
        let outlet = &mut self.outlets[writer];
        let waits = |sender: &mpsc::Sender<Chunk>| sender.capacity() == sender.max_capacity();
        if outlet.sender.as_ref().is_some_and(waits) {
            outlet.try_hand_over();
        }
    }

    /// No more will come: the writers finish.
    pub(crate) fn close(&mut self) {
        self.outlets.iter_mut().for_each(|outlet| outlet.sender = None);
    }
}

impl Outlet {
    fn has_nothing(&self) -> bool {
        self.in_hand.is_nothing() && self.pending.is_empty() && self.round.is_empty()
    }

    fn try_hand_over(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        let Some(sender) = &self.sender else { return true };
        match sender.try_reserve() {
            Ok(place) => {
                self.pending.handed_over(self.in_hand.clone());
                place.send(std::mem::take(&mut self.pending));
                self.paused = false;
                self.idle_since = None;
                true
            }
            Err(TrySendError::Full(())) => false,
            // The writer has ended, and with it soon the process.
            Err(TrySendError::Closed(())) => true,
        }
    }
}
