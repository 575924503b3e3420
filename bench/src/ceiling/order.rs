//! In which order a drain has written its rows, as the table still shows it.
//!
//! How a consumer meets the events of many partitions is up to Kafka's fetches, and the order in
//! which rows come decides how fast an index takes them. So the ceiling does not guess: it repeats
//! the order of the drain before it.

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::CONNECTIONS;
use crate::workload::Workload;

/// Swipes that one fetch of a partition brings, by librdkafka's default of 1 MiB: 3,800 on average,
/// as `stretch_rows_mean` was before the consumer asked for less.
const STRETCH: usize = 3_800;

/// An order of the workload's swipes, dealt to the connections.
#[derive(Debug, PartialEq)]
pub(crate) struct Order {
    /// By connection: indices of swipes.
    pub(crate) connections: Vec<Vec<u32>>,
    /// Transactions that wrote rows.
    pub(crate) transactions: u64,
    /// Rows in a row, on one connection, that are of one partition.
    pub(crate) stretch_rows_mean: f64,
}

/// One row, as far as it matters here.
#[derive(Debug, Clone, Copy)]
struct Written {
    transaction: i64,
    partition: usize,
}

/// Where an order can be read off: transaction and partition of each row, as they lie there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    AccessLog,
    DuplicateEvent,
}

impl Table {
    fn sql(self) -> &'static str {
        match self {
            Self::AccessLog => include_str!("../sql/order_of_rows.sql"),
            Self::DuplicateEvent => include_str!("../sql/order_of_duplicates.sql"),
        }
    }
}

/// The order in which swipes arrive, where nobody has drained them yet.
pub(crate) fn of_arrival(workload: &Workload) -> Vec<Vec<u32>> {
    let mut connections = vec![Vec::new(); CONNECTIONS];
    for index in 0..workload.len() {
        connections[workload.partition(index) % CONNECTIONS].push(index as u32);
    }
    connections
}

/// The order of the log, as a consumer meets it who takes partitions as Kafka's fetches bring them:
/// a stretch of each of a connection's partitions in turn.
pub(crate) fn of_log(workload: &Workload) -> Vec<Vec<u32>> {
    let mut connections = vec![Vec::new(); CONNECTIONS];
    let longest = workload.partitions().iter().map(Vec::len).max().unwrap_or_default();
    for from in (0..longest).step_by(STRETCH) {
        for (partition, swipes) in workload.partitions().iter().enumerate() {
            let stretch = from.min(swipes.len())..(from + STRETCH).min(swipes.len());
            connections[partition % CONNECTIONS].extend_from_slice(&swipes[stretch]);
        }
    }
    connections
}

/// Reads the order off the table.
///
/// # Errors
/// Postgres' own, or rows that are not the workload's.
pub(crate) async fn observe(client: &Client, table: Table, workload: &Workload) -> Result<Order> {
    let doing = "reading in which order rows were written";
    // One process reads each leaf from its start: the physical order.
    let settings = "SET max_parallel_workers_per_gather = 0; SET synchronize_seqscans = off";
    client.batch_execute(settings).await.context(doing)?;
    let none: [&(dyn ToSql + Sync); 0] = [];
    let rows = client.query_raw(table.sql(), none).await.context(doing)?;
    let mut rows = pin!(rows);
    let mut written = Vec::with_capacity(workload.len());
    while let Some(row) = rows.try_next().await.context(doing)? {
        let partition = usize::try_from(row.get::<_, i32>(1)).context(doing)?;
        written.push(Written { transaction: row.get(0), partition });
    }
    arrange(&written, workload.partitions())
}

/// Rows that come leaf by leaf, in physical order, become each connection's own order: transaction
/// after transaction, in each the partitions interleaved as they were written. A partition's events
/// come in the order of the log, whatever page their row found room in.
fn arrange(written: &[Written], log: &[Vec<u32>]) -> Result<Order> {
    let connection_of = connections(written, log.len());
    let mut by_connection = vec![Vec::new(); CONNECTIONS];
    for row in written {
        by_connection[connection_of[row.partition]].push(*row);
    }
    let mut next = vec![0; log.len()];
    let mut stretches: u64 = 0;
    let mut order = Vec::new();
    for rows in &mut by_connection {
        rows.sort_by_key(|row| row.transaction);
        stretches += rows.chunk_by(|a, b| a.partition == b.partition).count() as u64;
        let swipes = rows.iter().map(|row| {
            let offset = &mut next[row.partition];
            *offset += 1;
            log[row.partition].get(*offset - 1).copied()
        });
        order.push(
            swipes
                .collect::<Option<Vec<u32>>>()
                .context("the table holds more rows than the log has events")?,
        );
    }
    let transactions: BTreeSet<i64> = written.iter().map(|row| row.transaction).collect();
    Ok(Order {
        connections: order,
        transactions: transactions.len() as u64,
        stretch_rows_mean: (written.len() as f64 / stretches.max(1) as f64).round(),
    })
}

/// By partition: its connection. Partitions that share a transaction had one writer, and the writers
/// are dealt to the connections; if there was only one, the partitions are.
fn connections(written: &[Written], partitions: usize) -> Vec<usize> {
    let mut writer: Vec<usize> = (0..partitions).collect();
    let mut first: HashMap<i64, usize> = HashMap::new();
    for row in written {
        let first = *first.entry(row.transaction).or_insert(row.partition);
        let (one, other) = (writer[first], writer[row.partition]);
        if one != other {
            writer.iter_mut().filter(|w| **w == other).for_each(|w| *w = one);
        }
    }
    let seen: BTreeSet<usize> = written.iter().map(|row| writer[row.partition]).collect();
    if seen.len() < CONNECTIONS {
        return (0..partitions).map(|partition| partition % CONNECTIONS).collect();
    }
    let dealt: HashMap<usize, usize> =
        seen.into_iter().enumerate().map(|(i, w)| (w, i % CONNECTIONS)).collect();
    writer.iter().map(|writer| dealt.get(writer).copied().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rows: &[(i64, usize)]) -> Vec<Written> {
        rows.iter()
            .map(|(transaction, partition)| Written {
                transaction: *transaction,
                partition: *partition,
            })
            .collect()
    }

    #[test]
    fn transactions_follow_one_another_and_writers_keep_their_partitions() {
        let log = [vec![0, 3, 6], vec![1, 4], vec![2, 5]];
        // Partitions 0 and 2 share transaction 7; the second leaf starts at the sixth row.
        let rows = written(&[(9, 0), (8, 1), (7, 0), (7, 2), (7, 2), (8, 1), (7, 0)]);
        let order = arrange(&rows, &log).unwrap();
        assert_eq!(order.connections, [vec![0, 2, 5, 3, 6], vec![1, 4]]);
        assert_eq!((order.transactions, order.stretch_rows_mean), (3, 2.0));
    }

    #[test]
    fn a_single_writers_partitions_are_dealt() {
        let log = [vec![0, 2], vec![1]];
        let order = arrange(&written(&[(1, 0), (1, 1), (1, 0)]), &log).unwrap();
        assert_eq!(order.connections, [vec![0, 2], vec![1]]);
        assert!(arrange(&written(&[(1, 1), (1, 1)]), &log).is_err());
    }
}
