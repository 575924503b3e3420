//! What operators change: only with a reason, one of them at a time, and written down in the
//! transaction that does it.

use std::os::unix::fs::MetadataExt;

use serde_json::Value;
use settings::Postgres;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use crate::{Error, connect};

/// Whether a command only says what it would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// It changes nothing.
    Dry,
    /// It does it, and writes down why.
    Apply {
        /// Why, in the operator's words.
        reason: String,
    },
}

impl Run {
    /// Whether nothing is to be changed.
    pub fn is_dry(&self) -> bool {
        *self == Self::Dry
    }
}

/// The lock of whoever changes progress or days: what one has looked at, no other changes.
const LOCK: i64 = 7_310_306_030;

/// A session for changes. It waits for nobody for long, and ends when this program does, even in the
/// middle of a wait.
pub(crate) async fn session(settings: &Postgres) -> Result<Client, Error> {
    let client = connect::postgres(settings).await?;
    // Stopped in mid-transaction, it must not hold up the consumers for ever.
    let limits = "SET lock_timeout = '15s'; SET statement_timeout = '15min'; \
                  SET idle_in_transaction_session_timeout = '30s'";
    client.batch_execute(limits).await?;
    // Where the server's system cannot do this, it notices later.
    drop(client.batch_execute("SET client_connection_check_interval = '500ms'").await);
    introduce(&client).await?;
    Ok(client)
}

/// Says who is at work: the history of permissions has it from the session (migration 13).
pub(crate) async fn introduce(client: &Client) -> Result<(), Error> {
    client.execute("SELECT set_config('gatelog.actor', $1, false)", &[&os_user()]).await?;
    Ok(())
}

/// Waits until no other operator's command is at work, and keeps others out while the session lives.
pub(crate) async fn be_alone(client: &Client) -> Result<(), Error> {
    let what = "another `gatelog offsets` or `gatelog partitions` is changing something: try again \
                when it is through";
    let locked = client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await;
    locked.map(drop).map_err(busy(what))
}

/// Writes down what is done, by whom and why.
pub(crate) async fn record(
    transaction: &Transaction<'_>,
    action: &str,
    reason: &str,
    detail: &Value,
) -> Result<(), Error> {
    let sql = "INSERT INTO operator_action (actor, action, reason, detail) \
               VALUES ($1::text || ' as ' || session_user, $2, $3, $4)";
    transaction.execute(sql, &[&os_user(), &action, &reason, detail]).await?;
    Ok(())
}

/// Who is at work: user of the system, and role of the database.
pub(crate) async fn actor(client: &Client) -> Result<String, Error> {
    let row = client.query_one("SELECT $1::text || ' as ' || session_user", &[&os_user()]).await?;
    Ok(row.get(0))
}

/// Says what to do where somebody else was in the way for too long.
pub(crate) fn busy(what: &'static str) -> impl Fn(tokio_postgres::Error) -> Error {
    move |error| match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => Error::Busy(what),
        _ => Error::Postgres(error),
    }
}

/// Name of the system's user that runs this; its number where it has no name.
fn os_user() -> String {
    let Ok(this) = std::fs::metadata("/proc/self") else {
        return "unknown".to_owned();
    };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(this.uid(), &users).unwrap_or_else(|| format!("uid {}", this.uid()))
}

/// Name of a user in the form of `/etc/passwd`.
fn name_of(uid: u32, users: &str) -> Option<String> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, found) = (fields.next()?, fields.next()?, fields.next()?);
        (found == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named() {
        let users = "root:x:0:0:root:/root:/bin/sh\nkim:x:1000:1000::/home/kim:/bin/sh\nodd\n";
        assert_eq!(name_of(1000, users).as_deref(), Some("kim"));
        assert_eq!(name_of(1, users), None);
    }
}
