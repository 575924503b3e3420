//! The tables' side: every outcome, read in one snapshot.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt;
use indicatif::ProgressBar;

use super::copy::{Columns, Rows};
use super::scope::Scope;
use super::snapshot::Snapshot;
use super::sums::{Entry, Found, Sums};
use super::{Options, STEP, partitions_only};
use crate::Error;

impl Snapshot {
    /// Sums up all outcomes of `scope`.
    pub(super) async fn sum_up(
        &self,
        scope: &Arc<Scope>,
        options: &Options,
        progress: &ProgressBar,
    ) -> Result<Sums, Error> {
        let mut sums = Sums::new(scope);
        let only = partitions_only("t", &options.partitions);
        let mut timed = only.clone();
        if let Some(floor) = scope.floor {
            timed += &format!(" AND t.occurred_at >= '{floor}'");
        }
        let mut take = |entry: Entry| sums.add(&entry);
        for leaf in self.leaves.iter().filter(|leaf| leaf.reaches(scope.floor)) {
            self.copy(Found::Row, &leaf.name, &only, &mut take, progress).await?;
        }
        for (found, only) in [
            (Found::Collision, &timed),
            (Found::Duplicate, &timed),
            (Found::DeadLetter, &only),
            (Found::Parked, &only),
        ] {
            self.copy(found, found.name(), only, &mut take, progress).await?;
        }
        Ok(sums)
    }

    /// Hands on the outcomes of some buckets, whatever day they stand in: in one reading, however
    /// many they are.
    pub(super) async fn open(
        &self,
        buckets: &BTreeSet<(i32, i64)>,
        take: &mut impl FnMut(Entry),
    ) -> Result<(), Error> {
        let wanted: Vec<String> =
            buckets.iter().map(|(partition, bucket)| format!("({partition}, {bucket})")).collect();
        // Hashed, where a condition for each would be tried on every row.
        let only = format!(
            "(t.log_partition, t.log_offset / {}) IN (VALUES {})",
            seal::BUCKET_OFFSETS,
            wanted.join(", ")
        );
        let hidden = ProgressBar::hidden();
        for leaf in &self.leaves {
            self.copy(Found::Row, &leaf.name, &only, take, &hidden).await?;
        }
        for found in [Found::Collision, Found::Duplicate, Found::DeadLetter, Found::Parked] {
            self.copy(found, found.name(), &only, take, &hidden).await?;
        }
        Ok(())
    }

    async fn copy(
        &self,
        found: Found,
        table: &str,
        only: &str,
        take: &mut impl FnMut(Entry),
        progress: &ProgressBar,
    ) -> Result<(), Error> {
        let sql = match found {
            Found::Duplicate => include_str!("sql/copy_duplicates.sql"),
            Found::DeadLetter | Found::Parked => include_str!("sql/copy_records.sql"),
            Found::Row | Found::Collision | Found::Log => include_str!("sql/copy_swipes.sql"),
        };
        let sql = sql.replace("{table}", table).replace("{only}", only);
        let read = |columns: Columns<'_>| match found {
            Found::Duplicate => columns.duplicate(),
            Found::DeadLetter | Found::Parked => columns.record(found),
            Found::Row | Found::Collision | Found::Log => columns.swipe(found),
        };
        let mut stream = pin!(self.client.copy_out(sql.as_str()).await?);
        let (mut rows, mut count) = (Rows::default(), 0_u64);
        while let Some(message) = stream.try_next().await? {
            if let Some(columns) = rows.row(&message)? {
                take(read(columns)?);
                count += 1;
                if count % STEP == 0 {
                    progress.inc(STEP);
                }
            }
        }
        progress.inc(count % STEP);
        Ok(())
    }
}
