//! `gatelog dlq show`: all there is about one letter, the card included.

use std::fmt::Write as _;

use registry::Timestamptz;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

use super::letter::{Header, Letter, Record};
use super::{Prefix, or_nothing};
use crate::output::{self, Table, harmless, harmless_line};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

#[derive(Serialize)]
struct Answer {
    letter: Letter,
    /// Replays of it that failed, each with a place in the log of its own: the newest.
    merged: Vec<Merged>,
    /// Whether there are more of them.
    more_merged: bool,
    /// What was done: the newest.
    actions: Vec<Act>,
    /// Whether there are more of them.
    more_actions: bool,
}

#[derive(Serialize)]
struct Merged {
    dead_letter_id: Uuid,
    log_partition: i32,
    log_offset: i64,
    created_at: Timestamptz,
    cause: String,
    message: String,
}

#[derive(Serialize)]
struct Act {
    at: Timestamptz,
    actor: String,
    action: String,
    reason: Option<String>,
    version: i64,
    detail: Option<Value>,
}

/// Bytes of a value that people are shown; an event has 16 KiB at most, what is oversize any number.
const SHOWN_MAX: usize = 4_096;
/// Bytes of a key, of a header's name and of its value that people are shown.
const INLINE_MAX: usize = 256;
/// Headers that people are shown.
const HEADERS_MAX: usize = 100;
/// Replays that failed, and things that were done, that are shown; the newest.
const NEWEST: usize = 1_000;

/// Prints the letter.
///
/// # Errors
/// A letter that is not there, or Postgres' own.
pub async fn run(settings: &Settings, id: &Prefix, json: bool) -> Result<Verdict, Error> {
    let mut client = connect::postgres(&settings.postgres).await?;
    let moment = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
    let moment = moment.read_only(true).start().await?;
    let id = id.find(&moment).await?;
    let letter = Letter::load(&moment, id).await?;
    let merged = moment.query(include_str!("sql/merged.sql"), &[&id]).await?;
    let actions = moment.query(include_str!("sql/actions.sql"), &[&id]).await?;
    // The newest come first, and one more than is shown.
    let answer = Answer {
        letter,
        merged: merged.iter().take(NEWEST).rev().map(Merged::of).collect(),
        more_merged: merged.len() > NEWEST,
        actions: actions.iter().take(NEWEST).rev().map(Act::of).collect(),
        more_actions: actions.len() > NEWEST,
    };
    if json {
        output::print_json(&answer)?;
    } else {
        output::print(&answer.render())?;
    }
    Ok(Verdict::Fine)
}

impl Merged {
    fn of(row: &Row) -> Self {
        Self {
            dead_letter_id: row.get("dead_letter_id"),
            log_partition: row.get("log_partition"),
            log_offset: row.get("log_offset"),
            created_at: row.get("created_at"),
            cause: row.get("reason"),
            message: row.get("message"),
        }
    }
}

impl Act {
    fn of(row: &Row) -> Self {
        Self {
            at: row.get("at"),
            actor: row.get("actor"),
            action: row.get("action"),
            reason: row.get("reason"),
            version: row.get("version"),
            detail: row.get("detail"),
        }
    }
}

impl Answer {
    fn render(&self) -> String {
        let letter = &self.letter;
        let mut text = facts(letter);
        text += &format!("\noriginal record\n{}", record(&letter.original));
        if let Some(amended) = &letter.amended {
            text += &format!("\nedited: replays send this instead\n{}", record(amended));
        }
        if !self.merged.is_empty() {
            text += &format!("\nreplays that failed{}\n", newest(self.more_merged));
            let mut table = Table::headless(&[0, 1, 2, 3]);
            for merged in &self.merged {
                table.row([
                    merged.created_at.to_string(),
                    format!("{}/{}", merged.log_partition, merged.log_offset),
                    merged.cause.clone(),
                    merged.message.clone(),
                ]);
            }
            text += &table.render();
        }
        text += &format!("\nwhat was done{}\n", newest(self.more_actions));
        if self.actions.is_empty() {
            text += "nothing yet\n";
        }
        let mut table = Table::headless(&[0, 1, 2, 3, 4, 5]);
        for act in &self.actions {
            table.row([
                act.at.to_string(),
                act.action.clone(),
                format!("version {}", act.version),
                act.actor.clone(),
                act.reason.clone().unwrap_or_default(),
                act.detail.as_ref().map(detail).unwrap_or_default(),
            ]);
        }
        text + &table.render()
    }
}

fn facts(letter: &Letter) -> String {
    let mut table = Table::headless(&[0, 1]);
    let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
    fact("id", letter.dead_letter_id.to_string());
    fact("state", format!("{}, version {}", letter.state, letter.version));
    fact("cause", format!("{} (found by {})", letter.reason, letter.stage));
    fact("error", letter.message.clone());
    if let Some(sqlstate) = &letter.sqlstate {
        fact("sqlstate", sqlstate.clone());
    }
    fact("place", format!("partition {}, offset {}", letter.log_partition, letter.log_offset));
    fact("published", or_nothing(letter.published_at.as_ref()));
    fact("dead since", letter.created_at.to_string());
    fact("tries", letter.tries.to_string());
    fact("failed again", format!("{} replays", letter.replay_count));
    fact("by itself", format!("{} replays, next {}", letter.compensations, next_turn(letter)));
    if let Some(until) = letter.lease_until {
        fact("outcome due", until.to_string());
    }
    if let Some(at) = letter.settled_at {
        fact("settled", at.to_string());
    }
    if let Some(first) = letter.merged_into {
        fact("is a replay of", first.to_string());
    }
    match &letter.says {
        None => fact("says", "cannot be read".to_owned()),
        Some(says) => {
            fact("event", says.event_id.to_string());
            fact("card", says.card_id.clone());
            fact("terminal", says.terminal_id.clone());
            fact("occurred at", says.occurred_at.to_string());
        }
    }
    table.render()
}

fn next_turn(letter: &Letter) -> String {
    letter.compensate_at.map_or_else(|| "never".to_owned(), |at| format!("{at} if its cause heals"))
}

fn newest(more: bool) -> String {
    if more { format!(" (the newest {NEWEST}; there are more)") } else { String::new() }
}

/// What goes with an action, as `fields mode, terminal_id; guessed false`.
fn detail(detail: &Value) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let all =
                all.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned));
            all.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    match detail {
        Value::Object(all) => {
            let all = all.iter().map(|(name, value)| format!("{name} {}", plain(value)));
            all.collect::<Vec<_>>().join("; ")
        }
        other => plain(other),
    }
}

fn record(record: &Record) -> String {
    let mut table = Table::headless(&[0, 1, 2]);
    let mut line = |name: &str, what: String, bytes: Option<&[u8]>| {
        table.row([name.to_owned(), what, bytes.map_or_else(|| "none".to_owned(), inline)]);
    };
    line("key", String::new(), record.key());
    for Header { name, value } in record.headers.iter().take(HEADERS_MAX) {
        line("header", inline(&name.0), value.as_ref().map(|value| value.0.as_slice()));
    }
    let mut text = table.render();
    if record.headers.len() > HEADERS_MAX {
        let (first, all) = (HEADERS_MAX, record.headers.len());
        text += &format!("… the first {first} of {all} headers; `gatelog dlq export` has all\n");
    }
    match record.value() {
        None => text += "value  none\n",
        Some(value) => {
            text += &format!("value  {} bytes\n", value.len());
            let shown = &value[..value.len().min(SHOWN_MAX)];
            if let Some(beginning) = text_of(shown, shown.len() < value.len()) {
                text += &format!("{}\n", harmless(beginning.trim_end()));
            }
            text += &dump(shown);
            if shown.len() < value.len() {
                text += &format!(
                    "… text and bytes are the first {SHOWN_MAX}; `gatelog dlq export` has all\n"
                );
            }
        }
    }
    text
}

/// Bytes as text, where they are text and not blank; of what is cut off, the last character may be
/// missing.
fn text_of(bytes: &[u8], is_cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Bytes on one line.
fn inline(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(INLINE_MAX)];
    let mut text = match text_of(shown, shown.len() < bytes.len()) {
        Some(text) => harmless_line(text),
        None if shown.is_empty() => String::new(),
        None => shown.iter().fold("0x".to_owned(), |mut all, byte| {
            // A string takes all that is written to it.
            let _ = write!(all, "{byte:02x}");
            all
        }),
    };
    if shown.len() < bytes.len() {
        let _ = write!(text, "… ({} bytes)", bytes.len());
    }
    text
}

/// Sixteen bytes a line: where they are, as numbers, as characters.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, bytes) in bytes.chunks(16).enumerate() {
        let mut numbers = String::new();
        for (nth, byte) in bytes.iter().enumerate() {
            let _ = write!(numbers, "{}{byte:02x} ", if nth == 8 { " " } else { "" });
        }
        let visible =
            |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
        let characters: String = bytes.iter().map(visible).collect();
        let _ = writeln!(text, "{:08x}  {numbers:<50}|{characters}|", line * 16);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_lines_up() {
        assert_eq!(
            dump(b"{\"event_id\":\x00\xff}~~"),
            "00000000  7b 22 65 76 65 6e 74 5f  69 64 22 3a 00 ff 7d 7e  |{\"event_id\":..}~|\n\
             00000010  7e                                                |~|\n"
        );
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(inline(b"a\n\x1b[2J"), "a\\n\\u{1b}[2J");
        assert_eq!(inline(&[0xff, 1]), "0xff01");
        assert_eq!(inline("a\u{202e}b".as_bytes()), "a\\u{202e}b");
    }

    #[test]
    fn text_is_shown_whatever_its_end() {
        let shown = |value: &[u8]| {
            let value = Some(super::super::blob::Blob(value.to_vec()));
            record(&Record { key: None, value, headers: Vec::new() })
        };
        assert!(shown(b"{}\n\n").contains("value  4 bytes\n{}\n00000000  7b"));
        assert!(shown(b"\xff{}").contains("value  3 bytes\n00000000  ff"));
        // The beginning of what is long, even where a character is cut in two.
        let long = format!("x{}", "é".repeat(3_000));
        let long = shown(long.as_bytes());
        assert!(long.contains("value  6001 bytes\nxéé") && long.contains("are the first 4096"));
        let header = inline(&[b'h'; 1_000]);
        assert!(header.ends_with("h… (1000 bytes)") && header.len() < 300, "{header}");
        // Spaces alone are no text to look at.
        assert_eq!(inline(b"  "), "0x2020");
    }
}
