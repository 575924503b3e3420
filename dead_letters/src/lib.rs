//! What can be done to a dead letter: send it once more, put it right first, or give it up.
//!
//! ```text
//!               replay, compensate            applied
//!        ┌─────┐ ─────────────────▶ ┌───────────┐ ──▶ resolved
//!  ──▶   │open │                    │ replaying │ ──▶ superseded (its identity was a row already)
//!        └─────┘ ◀───────────────── └───────────┘
//!           │       failed again         │ the lease ran out
//!           ▼                            ▼
//!       discarded                     replaying once more
//! ```
//!
//! Every step is an `UPDATE … WHERE version = $v` in one statement with its row in
//! `dead_letter_action`, so that of two who are at one letter at once, one wins and the other is
//! told. A replay publishes nothing by itself: it leaves the event in `outbox`, from where the
//! consumer that owns the letter's partition publishes it; the transaction that applies the event
//! settles the letter. A letter that is itself the replay of another, and failed, is `merged`.

mod act;
mod compensate;
mod error;
mod word;

pub use act::{Amended, By, REPLAY_BYTES_MAX, amend, discard, replay};
pub use compensate::{Compensated, Round, compensate};
pub use error::Error;
pub use word::{Action, State};

/// How long a replay is waited for before it may be started over, unless somebody says otherwise:
/// 60 s. A replay is applied within a second; what takes longer is a consumer that is away.
pub const LEASE: std::time::Duration = std::time::Duration::from_secs(60);
