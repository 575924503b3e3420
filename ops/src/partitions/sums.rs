//! What dropped days held, summed up by bucket of the log.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::TryStreamExt;
use schemas::Digest;
use seal::bucket_of;
use serde_json::json;
use tokio_postgres::{Client, Row, Transaction};

use super::days::Day;
use crate::operator::{self, busy};
use crate::{Error, stored};

/// Outcomes that go, by partition and bucket.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<(i32, i64), Sum>);

/// Those of one bucket.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    rows: i64,
    collisions: i64,
    duplicates: i64,
    digest: Digest,
}

/// What an outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Row,
    Collision,
    Duplicate,
}

const HELD: &str = "a day's table is in use (a backup, `gatelog verify`, a report): try again when that \
    is through; the same command goes on where this one stopped";

/// Sums a detached day up and drops it, in one transaction; how many rows it held.
pub(super) async fn drop_day(client: &mut Client, day: &Day, reason: &str) -> Result<i64, Error> {
    let table = &day.table;
    let transaction = client.transaction().await?;
    // First of all: from here on this waits for nobody whom it could keep waiting.
    let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    transaction.batch_execute(&lock).await.map_err(busy(HELD))?;
    let (mut sums, mut rows) = (Sums::default(), 0);
    {
        let sql = format!("SELECT {} FROM {table}", stored::COLUMNS);
        let none: [&str; 0] = [];
        let mut stream = pin!(transaction.query_raw(&sql, none).await?);
        while let Some(row) = stream.try_next().await? {
            sums.add(&row, Kind::Row)?;
            rows += 1;
        }
    }
    let sql = include_str!("sql/delete_conflicts_of_day.sql").replace("access_log", table);
    transaction.batch_execute(&sql).await?;
    sums.write(&transaction).await?;
    transaction.batch_execute(&format!("DROP TABLE {table}")).await?;
    let detail = json!({ "day": day.day.to_string(), "rows": rows });
    operator::record(&transaction, "drop_days", reason, &detail).await?;
    transaction.commit().await?;
    Ok(rows)
}

impl Sums {
    /// Adds an outcome, read with [`stored::COLUMNS`] or with its digest.
    pub(super) fn add(&mut self, row: &Row, kind: Kind) -> Result<(), Error> {
        let digest = match kind {
            Kind::Row | Kind::Collision => stored::digest_of_row(row),
            Kind::Duplicate => stored::digest(row.get("digest"))?,
        };
        self.count(stored::place(row), kind, digest);
        Ok(())
    }

    fn count(&mut self, (partition, offset): (i32, i64), kind: Kind, digest: Digest) {
        let sum = self.0.entry((partition, bucket_of(offset))).or_default();
        match kind {
            Kind::Row => sum.rows += 1,
            Kind::Collision => sum.collisions += 1,
            Kind::Duplicate => sum.duplicates += 1,
        }
        sum.digest += digest;
    }

    /// Adds them to what stands. Postgres has no number of 128 bits: the sums are made here, and only
    /// whoever has the operators' lock makes any.
    pub(super) async fn write(mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let (partitions, buckets): (Vec<i32>, Vec<i64>) = self.0.keys().copied().unzip();
        let sql = include_str!("sql/standing_sums.sql");
        for row in transaction.query(sql, &[&partitions, &buckets]).await? {
            let sum = self.0.entry((row.get("log_partition"), row.get("bucket"))).or_default();
            sum.rows += row.get::<_, i64>("rows");
            sum.collisions += row.get::<_, i64>("collisions");
            sum.duplicates += row.get::<_, i64>("duplicates");
            sum.digest += stored::digest(row.get("digest"))?;
        }
        let column = |pick: fn(&Sum) -> i64| self.0.values().map(pick).collect::<Vec<i64>>();
        let (rows, collisions) = (column(|sum| sum.rows), column(|sum| sum.collisions));
        let duplicates = column(|sum| sum.duplicates);
        let digests: Vec<Vec<u8>> =
            self.0.values().map(|sum| sum.digest.0.to_be_bytes().to_vec()).collect();
        let sql = include_str!("sql/write_sums.sql");
        transaction
            .execute(sql, &[&partitions, &buckets, &rows, &collisions, &duplicates, &digests])
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_bucket_and_wrap() {
        let mut sums = Sums::default();
        sums.count((1, 9_999), Kind::Row, Digest(u128::MAX));
        sums.count((1, 0), Kind::Duplicate, Digest(3));
        sums.count((1, 10_000), Kind::Collision, Digest(5));
        let bucket = |rows, collisions, duplicates, digest| Sum {
            rows,
            collisions,
            duplicates,
            digest: Digest(digest),
        };
        let wanted = [((1, 0), bucket(1, 0, 1, 2)), ((1, 1), bucket(0, 1, 0, 5))];
        assert_eq!(sums, Sums(wanted.into()));
    }
}
