//! Which partitions this member reads, from where, and for which claim.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use resilience::Backoff;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::claim::{Claimer, Granted};
use crate::error::Error;
use crate::position::Position;

/// Why partitions are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claiming {
    /// The group has just given them to us, and waits for us to take them.
    Assigned,
    /// The group thinks we have them, but somebody else had claimed them.
    Again,
}

/// A claim under way.
struct Wanted {
    id: u64,
    claiming: Claiming,
    /// Those of its partitions that were not revoked meanwhile.
    partitions: watch::Sender<Vec<i32>>,
}

type Answer = (u64, Result<Vec<Granted>, Error>);

/// The reader's partitions.
pub(crate) struct Assignment {
    /// By partition number; the reader looks here at every message.
    positions: Vec<Option<Position>>,
    claimer: Arc<Claimer>,
    backoff: Backoff,
    /// How long one try may take.
    limit: Duration,
    runtime: Handle,
    under_way: Vec<Wanted>,
    claims_made: u64,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
}

impl Assignment {
    pub(crate) fn new(
        claimer: Claimer,
        backoff: Backoff,
        limit: Duration,
        runtime: Handle,
    ) -> Self {
        Self {
            positions: Vec::new(),
            claimer: Arc::new(claimer),
            backoff,
            limit,
            runtime,
            under_way: Vec::new(),
            claims_made: 0,
            answers: mpsc::channel(),
        }
    }

    /// Partitions that are being read.
    pub(crate) fn len(&self) -> usize {
        self.positions.iter().flatten().count()
    }

    /// Their numbers.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = i32> {
        self.positions().map(|position| position.claim.partition)
    }

    /// How far each is.
    pub(crate) fn positions(&self) -> impl Iterator<Item = &Position> {
        self.positions.iter().flatten()
    }

    pub(crate) fn position(&mut self, partition: i32) -> Option<&mut Position> {
        self.positions.get_mut(usize::try_from(partition).ok()?)?.as_mut()
    }

    /// The partitions that have come to another writer, and which that is.
    pub(crate) fn arrived(&mut self) -> Vec<(i32, usize)> {
        let positions = self.positions.iter_mut().flatten();
        positions.filter_map(|at| Some((at.claim.partition, at.arrive()?))).collect()
    }

    /// Where a partition goes on whose messages went astray.
    pub(crate) fn start_over(&mut self, partition: i32) -> Option<i64> {
        self.position(partition).map(Position::start_over)
    }

    /// Partitions that look ahead and of which no more has come to look at, and where each reads on
    /// from.
    pub(crate) fn go_back(&mut self, is_dry: impl Fn(i32) -> bool) -> Vec<(i32, i64)> {
        let positions = self.positions.iter_mut().flatten();
        let positions = positions.filter(|at| is_dry(at.claim.partition));
        positions.filter_map(|at| Some((at.claim.partition, at.go_back()?))).collect()
    }

    /// Starts to claim, in the background: `poll` must go on meanwhile.
    pub(crate) fn claim(&mut self, partitions: Vec<i32>, claiming: Claiming) {
        self.claims_made += 1;
        let id = self.claims_made;
        let (partitions, wanted) = watch::channel(partitions);
        let (claimer, answer) = (self.claimer.clone(), self.answers.0.clone());
        self.under_way.push(Wanted { id, claiming, partitions });
        let (backoff, limit) = (self.backoff, self.limit);
        self.runtime.spawn(async move {
            let granted = persist(&claimer, backoff, limit, wanted).await;
            // If the reader is gone, so is the process.
            drop(answer.send((id, granted)));
        });
    }

    /// The next claim that has been answered, less what was revoked meanwhile: whoever claims that
    /// next has it, and ours is void.
    pub(crate) fn granted(&mut self) -> Result<Option<(Claiming, Vec<Granted>)>, Error> {
        let Ok((id, granted)) = self.answers.1.try_recv() else {
            return Ok(None);
        };
        let Some(at) = self.under_way.iter().position(|wanted| wanted.id == id) else {
            return Ok(None);
        };
        let wanted = self.under_way.swap_remove(at);
        let mut granted = granted?;
        let wanted_still = wanted.partitions.borrow();
        granted.retain(|granted| wanted_still.contains(&granted.claim.partition));
        Ok(Some((wanted.claiming, granted)))
    }

    /// The writer that has the fewest partitions, but for this one.
    pub(crate) fn deal(&self, partition: i32, writers: usize) -> usize {
        let others = || self.positions().filter(|at| at.claim.partition != partition);
        let dealt = |writer: &usize| others().filter(|at| at.writer == *writer).count();
        (0..writers).min_by_key(dealt).unwrap_or_default()
    }

    /// Begins to read a partition that was claimed.
    pub(crate) fn start(&mut self, granted: Granted, writer: usize) {
        let Ok(at) = usize::try_from(granted.claim.partition) else {
            return;
        };
        if self.positions.len() <= at {
            self.positions.resize_with(at + 1, || None);
        }
        let expected = granted.progress.open.next_offset;
        self.positions[at] = Some(Position::new(granted.claim, writer, expected));
    }

    /// Takes no more messages of a partition.
    pub(crate) fn forget(&mut self, partition: i32) {
        if let Some(position) =
            usize::try_from(partition).ok().and_then(|at| self.positions.get_mut(at))
        {
            *position = None;
        }
    }

    /// A partition was revoked: a claim of it that is under way is of no use.
    pub(crate) fn no_longer_wanted(&mut self, partition: i32) {
        for wanted in &self.under_way {
            wanted.partitions.send_modify(|wanted| wanted.retain(|wanted| *wanted != partition));
        }
    }
}

/// Claims until it succeeds, is no longer wanted, or cannot succeed.
async fn persist(
    claimer: &Claimer,
    backoff: Backoff,
    limit: Duration,
    wanted: watch::Receiver<Vec<i32>>,
) -> Result<Vec<Granted>, Error> {
    let mut failures: u32 = 0;
    loop {
        let partitions = wanted.borrow().clone();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        // A claim that hangs would hold up the whole group's rebalance.
        let claimed = timeout(limit, claimer.claim(&partitions)).await;
        let error = match claimed.unwrap_or(Err(Error::BatchTimeout(limit.as_millis() as u64))) {
            Ok(granted) => {
                if failures > 0 {
                    info!(failures, "claiming succeeded");
                }
                return Ok(granted);
            }
            Err(error) => error,
        };
        if !error.passes() {
            return Err(error);
        }
        failures += 1;
        if failures.is_power_of_two() {
            let error = crate::chain(&error);
            warn!(error, failures, "claiming partitions failed; trying again");
        }
        let delay = backoff.delay(failures, &mut rand::rng());
        tokio::time::sleep(delay).await;
    }
}
