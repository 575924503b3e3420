//! `gatelog dlq show`: all there is about one letter, the card included.

use std::fmt::Write as _;

use registry::Timestamptz;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

use super::letter::{Header, Letter, Record};
use super::{Prefix, or_nothing};
use crate::output::{self, Table, harmless};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

#[derive(Serialize)]
struct Answer {
    letter: Letter,
    /// Replays of it that failed, each with a place in the log of its own.
    merged: Vec<Merged>,
    actions: Vec<Act>,
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
    let answer = Answer {
        letter,
        merged: merged.iter().map(Merged::of).collect(),
        actions: actions.iter().map(Act::of).collect(),
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
            text += "\nreplays that failed\n";
            let mut table = Table::headless(&[0, 1, 2, 3]);
            for merged in &self.merged {
                table.row([
                    merged.created_at.to_string(),
                    format!("{}/{}", merged.log_partition, merged.log_offset),
                    merged.cause.clone(),
                    harmless(&merged.message),
                ]);
            }
            text += &table.render();
        }
        text += "\nwhat was done\n";
        if self.actions.is_empty() {
            text += "nothing yet\n";
        }
        let mut table = Table::headless(&[0, 1, 2, 3, 4]);
        for act in &self.actions {
            table.row([
                act.at.to_string(),
                act.action.clone(),
                format!("version {}", act.version),
                harmless(&act.actor),
                harmless(act.reason.as_deref().unwrap_or_default()),
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
    fact("error", harmless(&letter.message));
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

fn record(record: &Record) -> String {
    let mut table = Table::headless(&[0, 1, 2]);
    let mut line = |name: &str, what: String, bytes: Option<&[u8]>| {
        table.row([name.to_owned(), what, bytes.map_or_else(|| "none".to_owned(), inline)]);
    };
    line("key", String::new(), record.key());
    for Header { name, value } in &record.headers {
        line("header", inline(&name.0), value.as_ref().map(|value| value.0.as_slice()));
    }
    let mut text = table.render();
    match record.value() {
        None => text += "value  none\n",
        Some(value) => {
            text += &format!("value  {} bytes\n", value.len());
            let shown = &value[..value.len().min(SHOWN_MAX)];
            if let Ok(value) = std::str::from_utf8(value).map(str::trim_end)
                && shown.len() == value.len()
                && !value.is_empty()
            {
                text += &format!("{}\n", harmless(value));
            }
            text += &dump(shown);
            if shown.len() < value.len() {
                text += &format!("… the first {SHOWN_MAX}; `gatelog dlq export` has all\n");
            }
        }
    }
    text
}

/// Bytes on one line.
fn inline(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => harmless(text).replace('\n', "\\n"),
        Err(_) => bytes.iter().fold("0x".to_owned(), |mut all, byte| {
            // A string takes all that is written to it.
            let _ = write!(all, "{byte:02x}");
            all
        }),
    }
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
    }
}
