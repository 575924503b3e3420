//! `gatelog dlq`: events that could not be applied, and what is to become of them.
//!
//! Each letter is changed for the version that was read, in one statement with its row in
//! `dead_letter_action`. Replays are published by the consumer that owns the letter's partition,
//! which settles the letter when it applies them: nothing here talks to the log.

mod amendment;
mod blob;
mod conflict;
pub mod discard;
pub mod edit;
mod editor;
pub mod export;
mod filter;
mod id;
pub mod import;
mod letter;
pub mod list;
mod prospect;
mod put_back;
pub mod rebuild;
pub mod replay;
mod send;
pub mod show;
pub mod summary;

pub use filter::{Filter, Which};
pub use id::Prefix;

/// What a person reads where a value is null.
const NOTHING: &str = "-";
/// Letters that a report names one by one to people; the rest is counted.
const NAMED_MAX: usize = 40;

fn or_nothing<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), T::to_string)
}

/// `1 letter`, `2 letters`.
fn letters(count: usize) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}
