//! What stands beside the days and is as old: in transactions of a bounded size.

use jiff::civil::Date;
use tokio_postgres::{Client, GenericClient, Row, Transaction};

use super::report::Side;
use super::sums::{Kind, Sums};
use crate::operator::busy;
use crate::{Error, stored};

/// Rows of one transaction.
const ROWS_MAX: i64 = 10_000;
/// Pages of one transaction: a page of 8 KiB has room for some 80 duplicates.
const PAGES: usize = 32;

const LOOKED_UP: &str = "a consumer is still looking for counters that came twice; nothing more than \
    detaching is done; the same command again goes on where this one stopped";
const WRITTEN: &str = "the days are dropped, but a consumer is still writing what terminals' counters \
    gave on them; the same command again takes that away, too";

/// How much there is of each.
pub(super) async fn count(client: &impl GenericClient, before: Date) -> Result<Vec<Side>, Error> {
    let row = client.query_one(include_str!("sql/count_sides.sql"), &[&before.to_string()]).await?;
    let tables = [
        "duplicate_event",
        "collision",
        "user_access_history",
        "shared_history",
        "permission_change",
        "card_state",
        "terminal_ledger",
    ];
    Ok(tables
        .into_iter()
        .enumerate()
        .map(|(at, table)| Side { table, rows: row.get(at) })
        .collect())
}

/// Sums duplicates up and deletes them, some pages of the table at a time: it has no order to go by. The
/// first of a run goes last: by it the others are found, should this be killed half-way.
pub(super) async fn duplicates(client: &mut Client, before: Date) -> Result<(), Error> {
    let before = before.to_string();
    let page = |number: i64| format!("({number},0)");
    for is_first in [false, true] {
        let sql = include_str!("sql/pages_of_duplicates.sql");
        let pages: i64 = client.query_one(sql, &[]).await?.get(0);
        for from in (0..pages).step_by(PAGES) {
            let (from, to) = (page(from), page(from + PAGES as i64));
            let transaction = client.transaction().await?;
            let sql = include_str!("sql/take_duplicates.sql");
            let taken = transaction.query(sql, &[&before, &from, &to, &is_first]).await?;
            if !taken.is_empty() {
                sum_up(transaction, &taken, Kind::Duplicate).await?;
            }
        }
    }
    Ok(())
}

/// Sums collisions up and deletes them.
pub(super) async fn collisions(client: &mut Client, before: Date) -> Result<(), Error> {
    let before = before.to_string();
    loop {
        let transaction = client.transaction().await?;
        let sql = include_str!("sql/take_collisions.sql");
        let taken = transaction.query(sql, &[&before, &ROWS_MAX]).await?;
        if taken.is_empty() {
            return Ok(());
        }
        sum_up(transaction, &taken, Kind::Collision).await?;
    }
}

/// Deletes what nobody can ask of the permissions any more.
pub(super) async fn permissions(client: &Client, before: Date) -> Result<(), Error> {
    let before = before.to_string();
    for sql in [
        include_str!("sql/delete_spans.sql"),
        include_str!("sql/delete_shared_spans.sql"),
        include_str!("sql/delete_changes.sql"),
        include_str!("sql/delete_card_states.sql"),
    ] {
        while client.execute(sql, &[&before, &ROWS_MAX]).await? > 0 {}
    }
    Ok(())
}

/// Waits until no consumer takes in counters with the days of before: it might name an event that goes.
pub(super) async fn end_of_round(client: &Client) -> Result<(), Error> {
    let sql = "SELECT FROM ledger_fold FOR UPDATE";
    client.execute(sql, &[]).await.map(drop).map_err(busy(LOOKED_UP))
}

/// Deletes what terminals' counters gave on those days. What a consumer takes in at this moment is
/// deleted with the next days.
pub(super) async fn ledger(client: &Client, before: Date) -> Result<(), Error> {
    let sql = include_str!("sql/delete_ledger.sql");
    let delete = async || client.execute(sql, &[&before.to_string(), &ROWS_MAX]).await;
    while delete().await.map_err(busy(WRITTEN))? > 0 {}
    Ok(())
}

async fn sum_up(transaction: Transaction<'_>, taken: &[Row], kind: Kind) -> Result<(), Error> {
    let mut sums = Sums::default();
    for row in taken {
        sums.add(row, kind)?;
    }
    let (partitions, offsets): (Vec<i32>, Vec<i64>) = taken.iter().map(stored::place).unzip();
    let sql = include_str!("sql/delete_conflicts.sql");
    transaction.execute(sql, &[&partitions, &offsets]).await?;
    sums.write(&transaction).await?;
    Ok(transaction.commit().await?)
}
