use std::ops::AddAssign;

use schemas::{Digest, Millis};

/// A set of events, summed up: the order in which they are added does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many.
    pub events: u64,
    /// Sum of their digests.
    pub digest: Digest,
    /// Earliest and latest `occurred_at`; none while no event of the set could be read.
    pub occurred: Option<(Millis, Millis)>,
}

impl Sum {
    /// Adds one event; `occurred_at` of what could be read.
    pub fn add(&mut self, digest: Digest, occurred_at: Option<Millis>) {
        *self += Self { events: 1, digest, occurred: occurred_at.map(|at| (at, at)) };
    }

    /// Whether `other` stands for the same events: count and digest.
    pub fn agrees(&self, other: &Self) -> bool {
        (self.events, self.digest) == (other.events, other.digest)
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.digest += other.digest;
        self.occurred = match (self.occurred, other.occurred) {
            (Some((min, max)), Some((from, to))) => Some((min.min(from), max.max(to))),
            (one, other) => one.or(other),
        };
    }
}
