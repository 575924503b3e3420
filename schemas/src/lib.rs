//! The events of gatelog: what a terminal submits, what stands in the log, what a decision and a
//! dead letter look like.
//!
//! Everything here is pure: types, limits, names and the checks that make a sequence of bytes an
//! event. Whoever publishes, reads or verifies the log uses these definitions and no others; the
//! JSON Schemas beside this crate (`schemas/*.schema.json`) are generated from them.

mod canonical_form;
mod dead_letter;
mod decision;
mod digest;
mod error;
pub mod headers;
mod id;
mod key;
mod partition;
mod swipe;
mod time;

pub use dead_letter::{DeadLetterHeaders, Reason as DeadLetterReason, Stage};
pub use decision::{Decision, DenialReason, DoorCommand, Outcome, Reasons};
pub use digest::{Digest, canonical as digest_of_swipe, record as digest_of_record};
pub use error::Invalid;
pub use id::{ID_LENGTH_MAX, check_id};
pub use key::{Nonce, command_id, dead_letter_id, decision_id, derive_event_id, parse_key};
pub use partition::partition_of;
pub use swipe::{Direction, LocalDecision, Mode, Submission, Swipe, TerminalCounter};
pub use time::Millis;

/// Bytes that one event's value may have, in the log and over HTTP. A swipe has about 300.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;
