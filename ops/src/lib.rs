//! `gatelog`, the operators' command: each subcommand is a module with a `run` that does the work
//! and prints what it found. What other programs need of it (topics, import) is a function of its
//! own beside that.

pub mod access;
pub mod cli;
pub mod connect;
pub mod dlq;
mod error;
pub mod import;
mod metrics;
pub mod offsets;
pub mod operator;
mod output;
pub mod partitions;
mod pinned;
pub mod settings;
pub mod setup;
mod stored;
pub mod topics;
pub mod verify;

pub use error::{Error, explain};

/// What a command that worked has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it should be.
    Fine,
    /// The answer is no: something differs, was refused or could not be read.
    No,
}
