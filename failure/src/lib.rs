//! What kind of failure it was that a server reported: the one place that knows SQLSTATEs and
//! librdkafka's codes. By code, never by text.

mod kafka;
mod sqlstate;

pub use kafka::of_kafka;
pub use sqlstate::{of_postgres, of_sqlstate};

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The server is away, overloaded or not as it will be again: wait, reconnect, do the same
    /// again. It is no event's fault, so no event spends a try. Whether the transaction was
    /// committed may be unknown: look before doing it again.
    Outage,
    /// Somebody was in the way: do the same again soon.
    Contention,
    /// What was sent is wrong, and will be: find out which of it, and do the rest.
    BadRow,
    /// A plan that a change of the schema made stale: prepare anew, do the same again.
    StalePlan,
    /// Ours, or not known: stop and say so, never skip an event.
    Bug,
}
