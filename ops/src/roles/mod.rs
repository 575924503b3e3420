//! `gatelog roles`: who may do what in the database.
//!
//! Three group roles that nobody logs in as: readers see the views, the writer is what consumers
//! are, operators act on dead letters. `login` makes roles that log in, and puts them into these.

pub mod login;

use serde::Serialize;
use tokio_postgres::Client;

use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};

/// One of the group roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Reads the views of schema analyst, and nothing else
    Reader,
    /// What gatelog-consumer logs in as: adds rows, and never changes one
    Writer,
    /// Looks at dead letters, replays, edits and discards them; reads the views
    Operator,
}

/// What stands after `--apply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The database that the grants are in.
    pub database: String,
    /// The group roles.
    pub roles: Vec<Members>,
}

/// A group role and who is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Members {
    /// Its name.
    pub role: String,
    /// Roles that log in, or further groups.
    pub members: Vec<String>,
}

#[derive(Serialize)]
struct Script {
    sql: String,
}

const GRANTS: &str = include_str!("sql/roles.sql");

/// Prints the grants, or makes them.
///
/// # Errors
/// Postgres' own.
pub async fn run(settings: &Settings, apply: bool, json: bool) -> Result<Verdict, Error> {
    if apply {
        let report = self::apply(settings).await?;
        if json {
            output::print_json(&report)?;
        } else {
            output::print(&report.render())?;
        }
    } else {
        let sql = format!("BEGIN;\n{GRANTS}COMMIT;\n");
        if json {
            output::print_json(&Script { sql })?;
        } else {
            output::print(&sql)?;
        }
    }
    Ok(Verdict::Fine)
}

/// Makes roles and grants what they need, in one transaction.
///
/// # Errors
/// Postgres' own, where we are not the owner or may make no roles.
pub async fn apply(settings: &Settings) -> Result<Report, Error> {
    let mut client = connect::postgres(&settings.postgres).await?;
    let transaction = client.transaction().await?;
    transaction.batch_execute(GRANTS).await?;
    transaction.commit().await?;
    Report::read(&client).await
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Operator];

    /// Its name in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "gatelog_reader",
            Self::Writer => "gatelog_writer",
            Self::Operator => "gatelog_operator",
        }
    }
}

impl Report {
    async fn read(client: &Client) -> Result<Self, Error> {
        let database = client.query_one("SELECT current_database()::text", &[]).await?.get(0);
        let rows = client.query(include_str!("sql/members.sql"), &[]).await?;
        let members = |row: &tokio_postgres::Row| Members {
            role: row.get("role"),
            members: row.get("members"),
        };
        Ok(Self { database, roles: rows.iter().map(members).collect() })
    }

    fn render(&self) -> String {
        let mut text = format!("granted in database {}\n", self.database);
        for Members { role, members } in &self.roles {
            let members = match members.as_slice() {
                [] => "nobody logs in as it yet (gatelog roles login)".to_owned(),
                members => members.join(", "),
            };
            text += &format!("{role:<17} {members}\n");
        }
        text
    }
}
