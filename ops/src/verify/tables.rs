//! The tables' side: every outcome, read in one snapshot.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::pin::pin;

use futures::TryStreamExt;
use indicatif::ProgressBar;
use registry::Timestamptz;
use schemas::{Digest, Direction, LocalDecision, Mode, Swipe, digest_of_record, digest_of_swipe};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::buckets::Entry;
use super::{Span, Spans};
use crate::Error;

/// One moment of the database.
pub(super) struct Snapshot<'c> {
    transaction: Transaction<'c>,
    pub(super) topic: String,
    /// What was applied, by partition.
    pub(super) spans: Spans,
    /// Offsets without events, as the consumers recorded them: partition, first, end.
    pub(super) gaps: Vec<(i32, i64, i64)>,
    totals: BTreeMap<i32, Totals>,
}

/// What the offsets of one partition became: rows, collisions, duplicates, dead letters, gaps.
pub(super) type Totals = [i64; 5];

/// Where it stands, in the order of [`Totals`].
pub(super) const TABLES: [&str; 5] =
    ["access_log", "collision", "duplicate_event", "dead_letter", "offset_gap"];

impl<'c> Snapshot<'c> {
    pub(super) async fn take(client: &'c mut Client) -> Result<Self, Error> {
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let Some(log) = transaction.query_opt("SELECT topic FROM log_topic", &[]).await? else {
            let problem = "no consumer has run on this database yet: there is nothing to verify";
            return Err(Error::Usage(problem.to_owned()));
        };
        let sql = "SELECT log_partition, first_offset, next_offset, rows, collisions, duplicates, \
                   dead, gaps FROM consumer_offset ORDER BY log_partition";
        let (mut spans, mut totals) = (Spans::new(), BTreeMap::new());
        for row in transaction.query(sql, &[]).await? {
            spans.insert(row.get(0), Span { first: row.get(1), next: row.get(2) });
            totals.insert(row.get(0), [row.get(3), row.get(4), row.get(5), row.get(6), row.get(7)]);
        }
        let sql = "SELECT log_partition, first_offset, end_offset FROM offset_gap ORDER BY 1, 2";
        let gaps = transaction.query(sql, &[]).await?;
        let gaps = gaps.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        Ok(Self { transaction, topic: log.get(0), spans, gaps, totals })
    }

    /// Hands every outcome to `take`, or those of a part of one partition, in no order.
    pub(super) async fn each_outcome(
        &self,
        only: Option<(i32, Span)>,
        mut take: impl FnMut(Entry),
        progress: &ProgressBar,
    ) -> Result<(), Error> {
        for (sql, table, read) in [
            (include_str!("sql/access_log.sql"), TABLES[0], swipe as fn(&Row, _) -> _),
            (include_str!("sql/collision.sql"), TABLES[1], swipe),
            (include_str!("sql/duplicate_event.sql"), TABLES[2], duplicate),
            (include_str!("sql/dead_letter.sql"), TABLES[3], dead_letter),
        ] {
            let partition = only.map(|(partition, _)| partition);
            let first = only.map_or(0, |(_, span)| span.first);
            let next = only.map_or(i64::MAX, |(_, span)| span.next);
            let parameters: [&(dyn ToSql + Sync); 3] = [&partition, &first, &next];
            let mut rows = pin!(self.transaction.query_raw(sql, parameters).await?);
            while let Some(row) = rows.try_next().await? {
                let entry = read(&row, table)?;
                // Kafka no longer has what lies before the span; nothing may lie behind it.
                let span = self.spans.get(&entry.partition);
                progress.inc(u64::from(span.is_some()));
                take(entry);
            }
        }
        Ok(())
    }

    /// Duplicates and collisions that name an event which is not where they say: partition, offset
    /// and table of each.
    pub(super) async fn unresolved(&self) -> Result<Vec<(i32, i64, &'static str)>, Error> {
        let mut unresolved = Vec::new();
        for (sql, table) in [
            (include_str!("sql/unresolved_duplicates.sql"), TABLES[2]),
            (include_str!("sql/unresolved_collisions.sql"), TABLES[1]),
        ] {
            let rows = self.transaction.query(sql, &[]).await?;
            unresolved.extend(rows.iter().map(|row| (row.get(0), row.get(1), table)));
        }
        Ok(unresolved)
    }

    /// The running totals of the verified partitions.
    pub(super) fn totals(&self, spans: &Spans) -> BTreeMap<i32, Totals> {
        let verified = self.totals.iter().filter(|(partition, _)| spans.contains_key(partition));
        verified.map(|(partition, totals)| (*partition, *totals)).collect()
    }

    /// The same, counted in the tables.
    pub(super) async fn counted(&self, spans: &Spans) -> Result<BTreeMap<i32, Totals>, Error> {
        let mut counted: BTreeMap<i32, Totals> =
            spans.keys().map(|p| (*p, Totals::default())).collect();
        for (at, table) in TABLES.into_iter().enumerate() {
            let count = match table {
                "offset_gap" => "sum(end_offset - first_offset)::bigint",
                _ => "count(*)",
            };
            let sql = format!("SELECT log_partition, {count} FROM {table} GROUP BY 1");
            for row in self.transaction.query(&sql, &[]).await? {
                counted.entry(row.get(0)).or_default()[at] = row.get(1);
            }
        }
        Ok(counted)
    }
}

/// A row of `access_log` or `collision`: the digest of the swipe that it holds.
fn swipe(row: &Row, table: &'static str) -> Result<Entry, Error> {
    let offset = row.get("log_offset");
    let unsigned = |value: Option<i64>| value.map(|value| value as u64);
    let swipe = Swipe {
        event_id: row.get("event_id"),
        card_id: Cow::Borrowed(row.get("card_id")),
        terminal_id: Cow::Borrowed(row.get("terminal_id")),
        terminal_epoch: row.get::<_, Option<i32>>("terminal_epoch").map(|epoch| epoch as u32),
        terminal_seq: unsigned(row.get("terminal_seq")),
        occurred_at: row.get::<_, Timestamptz>("occurred_at").0,
        age_ms: unsigned(row.get("age_ms")),
        received_at: row.get::<_, Timestamptz>("received_at").0,
        direction: match row.get("direction") {
            Some("in") => Some(Direction::In),
            Some(_) => Some(Direction::Out),
            None => None,
        },
        mode: if row.get("online") { Mode::Online } else { Mode::Offline },
        local_decision: row
            .get::<_, Option<bool>>("locally_granted")
            .map(|granted| if granted { LocalDecision::Granted } else { LocalDecision::Denied }),
    };
    let digest = digest_of_swipe(offset, &swipe);
    Ok(Entry { partition: row.get("log_partition"), offset, digest, table })
}

/// A duplicate: the digest that was taken of it when it was found.
fn duplicate(row: &Row, table: &'static str) -> Result<Entry, Error> {
    let digest: &[u8] = row.get("digest");
    let digest = digest
        .try_into()
        .map_err(|_| Error::Other("duplicate_event.digest has not 16 bytes".to_owned()))?;
    let digest = Digest(u128::from_be_bytes(digest));
    Ok(Entry { partition: row.get("log_partition"), offset: row.get("log_offset"), digest, table })
}

/// A dead letter: the digest of its original bytes, taken as the log's are.
fn dead_letter(row: &Row, table: &'static str) -> Result<Entry, Error> {
    let offset = row.get("log_offset");
    let (digest, _) = digest_of_record(offset, row.get("key"), row.get("value"));
    Ok(Entry { partition: row.get("log_partition"), offset, digest, table })
}
