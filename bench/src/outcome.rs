//! What became of the events, and whether it is what should have.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio_postgres::Client;

use crate::database::{Contents, Database};
use crate::workload::Workload;

/// What `consumer_offset` says became of the events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Rows of `access_log`.
    pub rows: i64,
    /// Events that were in the log before.
    pub duplicates: i64,
    /// Second swipes of a card in a millisecond.
    pub collisions: i64,
    /// Dead letters.
    pub dead: i64,
}

/// Reads the totals.
///
/// # Errors
/// Postgres' own; or the partitions were claimed more than once: the time is not one drain's.
pub(crate) async fn tally(client: &Client) -> Result<Tally> {
    let row = client.query_one(include_str!("sql/tally.sql"), &[]).await;
    let row = row.context("reading consumer_offset")?;
    let claims: i64 = row.get(4);
    ensure!(claims == 1, "the partitions were claimed {claims} times: the time is not one drain's");
    Ok(Tally { rows: row.get(0), duplicates: row.get(1), collisions: row.get(2), dead: row.get(3) })
}

/// A rate counts only if every swipe became a row with the decision that it must have.
///
/// # Errors
/// Postgres' own, or says what is otherwise.
pub(crate) async fn all_rows(
    workload: &Workload,
    database: &Database,
) -> Result<(Tally, Contents)> {
    let tally = tally(&database.client).await?;
    let contents = database.contents().await?;
    let (rows, denied) = (workload.len() as i64, workload.denied());
    let all = Tally { rows, ..Tally::default() };
    ensure!(tally == all, "of {rows} swipes the consumer has counted {tally:?}");
    ensure!(contents.rows == rows, "access_log holds {} of {rows} rows", contents.rows);
    ensure!(contents.denied == denied, "{} of {denied} swipes are denied", contents.denied);
    Ok((tally, contents))
}

/// The permission clock that decisions name now.
///
/// # Errors
/// Postgres' own.
pub(crate) async fn permission_clock(client: &Client) -> Result<i64> {
    let sql = "SELECT version FROM permission_clock";
    Ok(client.query_one(sql, &[]).await.context("reading the permission clock")?.get(0))
}
