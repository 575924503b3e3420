//! What stood when.

use schemas::Millis;
use smallvec::SmallVec;

use super::AsOf;

/// The states of one thing, in the order of time. Mostly there is one, which lies in place.
#[derive(Debug)]
pub(super) struct Spans<T>(SmallVec<[Span<T>; 1]>);

#[derive(Debug)]
struct Span<T> {
    since: Millis,
    until: Millis,
    state: T,
}

impl<T> Default for Spans<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T> Spans<T> {
    /// Adds the next one.
    pub(super) fn push(&mut self, since: Millis, until: Millis, state: T) {
        self.0.push(Span { since, until, state });
    }

    /// What stands, or stood; `None` where nothing did.
    pub(super) fn at(&self, as_of: AsOf) -> Option<&T> {
        let found = match as_of {
            AsOf::Now => self.0.last().filter(|span| span.until.unix_ms() == i64::MAX),
            AsOf::Moment(at) => {
                self.0.iter().rev().find(|span| span.since <= at && at < span.until)
            }
        };
        found.map(|span| &span.state)
    }

    /// All that ever stood.
    pub(super) fn states(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|span| &span.state)
    }
}
