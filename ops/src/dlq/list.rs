//! `gatelog dlq list`: letters, the newest first.

use registry::Timestamptz;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Filter, NOTHING, letters, or_nothing};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

#[derive(Serialize)]
struct Answer {
    letters: Vec<Line>,
    /// Whether there are more than were asked for.
    more: bool,
}

/// A letter, without the card and its bytes.
#[derive(Serialize)]
struct Line {
    dead_letter_id: Uuid,
    state: String,
    version: i64,
    stage: String,
    cause: String,
    sqlstate: Option<String>,
    message: String,
    terminal_id: Option<String>,
    occurred_at: Option<Timestamptz>,
    log_partition: i32,
    log_offset: i64,
    created_at: Timestamptz,
    tries: i32,
    failed_again: i32,
    lease_until: Option<Timestamptz>,
    settled_at: Option<Timestamptz>,
    compensations: i32,
    compensate_at: Option<Timestamptz>,
    amended: bool,
}

const LIST: &str = concat!(
    include_str!("sql/list.sql"),
    include_str!("sql/which.sql"),
    "ORDER BY d.created_at DESC, d.log_partition, d.log_offset DESC LIMIT $9"
);

/// Prints the letters that `filter` lets through, `limit` at most.
///
/// # Errors
/// Postgres' own.
pub async fn run(
    settings: &Settings,
    filter: &Filter,
    limit: u32,
    json: bool,
) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let chosen = filter.parameters();
    let one_more = i64::from(limit) + 1;
    let mut parameters = chosen.list();
    parameters.push(&one_more);
    let rows = client.query(LIST, &parameters).await?;
    let more = rows.len() > limit as usize;
    let letters = rows.iter().take(limit as usize).map(Line::of).collect();
    let answer = Answer { letters, more };
    if json {
        output::print_json(&answer)?;
    } else {
        output::print(&answer.render())?;
    }
    Ok(Verdict::Fine)
}

impl Line {
    fn of(row: &Row) -> Self {
        Self {
            dead_letter_id: row.get("dead_letter_id"),
            state: row.get("state"),
            version: row.get("version"),
            stage: row.get("stage"),
            cause: row.get("reason"),
            sqlstate: row.get("sqlstate"),
            message: row.get("message"),
            terminal_id: row.get("terminal_id"),
            occurred_at: row.get("occurred_at"),
            log_partition: row.get("log_partition"),
            log_offset: row.get("log_offset"),
            created_at: row.get("created_at"),
            tries: row.get("tries"),
            failed_again: row.get("replay_count"),
            lease_until: row.get("lease_until"),
            settled_at: row.get("settled_at"),
            compensations: row.get("compensations"),
            compensate_at: row.get("compensate_at"),
            amended: row.get("amended"),
        }
    }
}

impl Answer {
    fn render(&self) -> String {
        if self.letters.is_empty() {
            return super::NONE.to_owned();
        }
        let header = ["id", "since", "state", "cause", "terminal", "place", "failed again", ""];
        let mut table = Table::new(header, &[0, 1, 2, 3, 4, 5, 7]);
        for line in &self.letters {
            let cause = match &line.sqlstate {
                Some(sqlstate) => format!("{} ({sqlstate})", line.cause),
                None => line.cause.clone(),
            };
            table.row([
                line.dead_letter_id.to_string(),
                line.created_at.to_string(),
                line.state.clone(),
                cause,
                or_nothing(line.terminal_id.as_ref()),
                format!("{}/{}", line.log_partition, line.log_offset),
                if line.failed_again > 0 {
                    format!("{}x", line.failed_again)
                } else {
                    NOTHING.to_owned()
                },
                if line.amended { "edited".to_owned() } else { String::new() },
            ]);
        }
        let end = if self.more {
            format!(
                "the newest {}; there are more: --limit, or gatelog dlq summary",
                letters(self.letters.len())
            )
        } else {
            letters(self.letters.len())
        };
        format!("{}{end}\n", table.render())
    }
}
