//! Trying again without making things worse. Pure: clock and randomness are handed in, and nothing
//! here sleeps; the caller waits.
//!
//! [`Retries`] says whether to try once more and after what wait ([`Backoff`]), [`Deadline`] how
//! long a try may take, [`Breaker`] whether to ask a server at all. docs/retry.md shows what they
//! are good for.

mod backoff;
mod breaker;
mod deadline;

pub use backoff::{Backoff, Retries};
pub use breaker::{Admission, Breaker, BreakerSettings, Pass, State};
pub use deadline::{Cancel, Deadline, SHARE_MIN, share};
