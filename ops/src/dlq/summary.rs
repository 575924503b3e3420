//! `gatelog dlq summary`: letters that have the same cause, as one line.

use registry::Timestamptz;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Filter, NOTHING, quoted};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

#[derive(Serialize)]
struct Answer {
    groups: Vec<Group>,
    /// Whether there are more than [`GROUPS_MAX`].
    more: bool,
}

#[derive(Serialize)]
struct Group {
    /// What `--group` takes.
    group: String,
    cause: String,
    stage: String,
    /// Null where the value could not be read.
    terminal_id: Option<String>,
    letters: i64,
    open: i64,
    replaying: i64,
    /// Those that the compensator will try.
    by_themselves: i64,
    failed_again: i64,
    first_at: Timestamptz,
    last_at: Timestamptz,
    /// The newest of them.
    example: Uuid,
}

/// Groups that are shown; those with the most open letters first.
const GROUPS_MAX: usize = 1_000;

const SUMMARY: &str = concat!(
    include_str!("sql/summary.sql"),
    include_str!("sql/which.sql"),
    "GROUP BY d.reason, d.stage, d.terminal_id
     ORDER BY open DESC, letters DESC, d.reason, d.stage, d.terminal_id
     LIMIT $9"
);

/// Prints the groups of the letters that `filter` lets through.
///
/// # Errors
/// Postgres' own.
pub async fn run(settings: &Settings, filter: &Filter, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let chosen = filter.parameters();
    let one_more = GROUPS_MAX as i64 + 1;
    let mut parameters = chosen.list();
    parameters.push(&one_more);
    let rows = client.query(SUMMARY, &parameters).await?;
    let groups: Vec<Group> = rows.iter().take(GROUPS_MAX).map(Group::of).collect();
    let answer = Answer { groups, more: rows.len() > GROUPS_MAX };
    if json {
        output::print_json(&answer)?;
    } else {
        output::print(&answer.render())?;
    }
    Ok(Verdict::Fine)
}

impl Group {
    fn of(row: &Row) -> Self {
        let (cause, stage): (String, String) = (row.get("reason"), row.get("stage"));
        let terminal_id: Option<String> = row.get("terminal_id");
        Self {
            group: format!("{cause}/{stage}/{}", terminal_id.as_deref().unwrap_or(NOTHING)),
            cause,
            stage,
            terminal_id,
            letters: row.get("letters"),
            open: row.get("open"),
            replaying: row.get("replaying"),
            by_themselves: row.get("by_themselves"),
            failed_again: row.get("failed_again"),
            first_at: row.get("first_at"),
            last_at: row.get("last_at"),
            example: row.get("example"),
        }
    }
}

impl Answer {
    fn render(&self) -> String {
        if self.groups.is_empty() {
            return super::NONE.to_owned();
        }
        let header = ["group", "letters", "open", "failed again", "first", "last", "example"];
        let mut table = Table::new(header, &[0, 4, 5, 6]);
        for group in &self.groups {
            table.row([
                quoted(&group.group),
                group.letters.to_string(),
                group.open.to_string(),
                group.failed_again.to_string(),
                group.first_at.to_string(),
                group.last_at.to_string(),
                group.example.to_string(),
            ]);
        }
        let waiting: i64 = self.groups.iter().map(|group| group.by_themselves).sum();
        let mut text = table.render();
        if self.more {
            text += &format!("the first {GROUPS_MAX} groups; there are more: filters choose\n");
        }
        if waiting > 0 {
            text += &format!(
                "{waiting} of them will be tried by themselves when their cause has healed\n"
            );
        }
        text
    }
}
