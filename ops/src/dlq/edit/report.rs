//! What an edit came to.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::NOTHING;
use super::super::amendment::{Amendment, Change};
use super::super::letter::Letter;
use super::super::send::Outcome;
use crate::{Error, output};

#[derive(Serialize)]
pub(super) struct Report {
    dry_run: bool,
    dead_letter_id: Uuid,
    /// Before; after it in a run that is not dry.
    pub(super) version: i64,
    /// The new event's.
    event_id: Uuid,
    amends: Uuid,
    /// Whether the original cannot be read, so that the fields are guesses.
    guessed: bool,
    /// Whether the event that the letter was made of is a row, or a collision, by now.
    pub(super) original_is_applied: bool,
    changes: Vec<Change>,
    /// Null where it was not replayed.
    pub(super) outcome: Option<Outcome>,
    /// Where the text is that was written, if it was not stored.
    pub(super) kept: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(letter: &Letter, amendment: &Amendment, dry_run: bool) -> Self {
        Self {
            dry_run,
            dead_letter_id: letter.dead_letter_id,
            version: letter.version,
            event_id: amendment.event_id,
            amends: amendment.amends,
            guessed: amendment.guessed,
            original_is_applied: false,
            changes: amendment.changes.clone(),
            outcome: None,
            kept: None,
        }
    }

    pub(super) fn print(&self, json: bool) -> Result<(), Error> {
        if json { output::print_json(self) } else { output::print(&self.render()) }
    }

    fn render(&self) -> String {
        let mut text = format!(
            "dead letter {}, version {}\n  event_id: new, {}\n  amends: {}\n",
            self.dead_letter_id, self.version, self.event_id, self.amends
        );
        if self.guessed {
            text += "  the original cannot be read; these fields are guesses\n";
        }
        if self.original_is_applied {
            text += "  what the original said is a row already: this makes a second event of it\n";
        }
        for change in &self.changes {
            let show = |value: &Option<Value>| match value {
                None => NOTHING.to_owned(),
                Some(Value::String(text)) => output::harmless_line(text),
                Some(other) => output::harmless_line(&other.to_string()),
            };
            text += &if change.withheld {
                format!("  {}: changed (`gatelog dlq show` prints it)\n", change.field)
            } else {
                format!("  {}: {} -> {}\n", change.field, show(&change.before), show(&change.after))
            };
        }
        if self.changes.is_empty() {
            text += "  the value is the same but for these; key and headers are made for it\n";
        }
        if self.dry_run {
            text += "dry run: nothing was changed; --apply --reason \"…\" does it\n";
            if let Some(kept) = &self.kept {
                text += &format!("what you wrote is in {0}: --file {0}\n", kept.display());
            }
        } else {
            text += &match self.outcome {
                None => format!("stored; gatelog dlq replay {} sends it\n", self.dead_letter_id),
                Some(outcome) => format!("stored and replayed: {}\n", outcome.as_str()),
            };
        }
        text
    }
}
