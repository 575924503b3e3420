//! What is known of each terminal's counter: which numbers have come, and which came for two swipes.
//!
//! ```text
//! batch ─▶ ledger_delta ┐             ┌─▶ terminal_ledger      what has come, by terminal, epoch and day
//! batch ─▶ ledger_delta ┼──▶ fold ────┤
//! batch ─▶ ledger_delta ┘   (one at   └─▶ identity_conflict    what came for another swipe before
//!                            a time)
//! ```
//!
//! A batch only adds a [`Delta`], in the transaction of its rows: a terminal's swipes go through all
//! partitions, so a row of its own would be one that all writers wait for. [`fold`] gathers deltas
//! later. Where a number stands in the ledger already, its events are looked up among the rows, which
//! alone make it a conflict: what is in the ledger is where to look.

mod conflict;
mod day;
mod delta;
mod error;
mod fold;
mod numbers;
mod seen;
mod taken;

pub use delta::{Columns, Delta, INSERT};
pub use error::Error;
pub use fold::{Folded, Reused, Round, fold, waiting};
