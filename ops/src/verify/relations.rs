//! What outcomes say of each other: duplicates and collisions name an event, and one identity is one
//! event. Only Postgres sees them all together; what does not fit into its memory it sorts on disk.

use std::pin::pin;

use futures::TryStreamExt;
use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::types::ToSql;

use super::findings::{Finding, Findings, Place};
use super::leaves::{self, Leaf};
use super::scope::{self, Scope};
use super::snapshot::Snapshot;
use super::sums::Found;
use super::{Options, partitions_only};
use crate::Error;

impl Snapshot {
    /// Duplicates and collisions that name an event which is not where they say.
    pub(super) async fn unresolved(
        &self,
        scope: &Scope,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let mut only = partitions_only("d", &options.partitions);
        if let Some(floor) = scope.floor {
            only += &format!(" AND d.occurred_at >= '{floor}'");
        }
        let leaves = self.leaves.iter().filter(|leaf| leaf.reaches(scope.floor));
        let columns = "occurred_at, card_id, event_id, log_partition, log_offset";
        let rows = leaves::together(leaves, columns);
        for (sql, found) in [
            (include_str!("sql/unresolved_duplicates.sql"), Found::Duplicate),
            (include_str!("sql/unresolved_collisions.sql"), Found::Collision),
        ] {
            let sql = sql.replace("{rows}", &rows).replace("{only}", &only);
            let nothing: [&(dyn ToSql + Sync); 0] = [];
            let mut stream = pin!(self.client.query_raw(sql.as_str(), nothing).await?);
            while let Some(row) = stream.try_next().await? {
                let (partition, offset) = (row.get(0), row.get(1));
                let verified = scope.place(partition, offset) == scope::Place::Verified;
                if verified && !self.is_gone(row.get::<_, Timestamptz>(2).0) {
                    findings.add("unresolved", partition, Some(offset), vec![found.name()]);
                }
            }
        }
        Ok(())
    }

    /// Partitions whose runs of duplicates are not as long as there are duplicates: those that stand
    /// would not all be found, were the log read again.
    pub(super) async fn runs(
        &self,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let only = partitions_only("d", &options.partitions);
        let sql = include_str!("sql/runs_of_duplicates.sql").replace("{only}", &only);
        for row in self.client.query(&sql, &[]).await? {
            findings.add("runs", row.get(0), None, vec![Found::Duplicate.name()]);
        }
        Ok(())
    }

    /// Events anywhere in the tables that claim to be one: an event_id with another card or time, and
    /// a terminal's counter with another event_id. They are named by their places, never by card.
    pub(super) async fn identities(
        &self,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let columns = "event_id, occurred_at, card_id, terminal_id, terminal_epoch, terminal_seq, \
                       received_at, log_partition, log_offset";
        let collisions = Leaf { name: Found::Collision.name().to_owned(), day: None };
        let leaves = self.leaves.iter().filter(|leaf| leaf.reaches(options.since));
        let all = leaves::together(leaves.chain([&collisions]), columns);
        let mut only = partitions_only("a", &options.partitions);
        if let Some(since) = options.since {
            only += &format!(" AND a.occurred_at >= '{since}'");
        }
        let rows = format!("(SELECT * FROM {all} a WHERE {only})");
        for (sql, kind) in [
            (include_str!("sql/event_ids.sql"), "event_id_reused"),
            (include_str!("sql/counters.sql"), "counter_reused"),
        ] {
            let sql = sql.replace("{rows}", &rows);
            let nothing: [&(dyn ToSql + Sync); 0] = [];
            let mut stream = pin!(self.client.query_raw(sql.as_str(), nothing).await?);
            while let Some(row) = stream.try_next().await? {
                findings.push(Finding {
                    kind,
                    partition: row.get(0),
                    offset: Some(row.get(1)),
                    tables: Vec::new(),
                    other: Some(Place { partition: row.get(2), offset: row.get(3) }),
                });
            }
        }
        Ok(())
    }

    /// Whether the day of a moment was dropped: what it held cannot be looked up.
    fn is_gone(&self, at: Millis) -> bool {
        self.gone_before.is_some_and(|before| at < before)
            && !self.leaves.iter().any(|leaf| leaf.day == Some(at.unix_day()))
    }
}
