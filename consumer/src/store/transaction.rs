//! The steps of a batch's transaction.

use std::collections::{BTreeMap, HashMap};

use ledger::Delta;
use registry::Cache;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::days::ByDay;
use super::rows::{Conflict, Sorted};
use super::{encode, outbox};
use crate::batch::Part;
use crate::error::Error;

/// Statements that every batch, or nearly every one, needs.
pub(crate) struct Statements {
    pub(super) fence: Statement,
    pub(super) copy_rows: Statement,
    pub(super) standing_runs: Statement,
    pub(super) copy_duplicates: Statement,
    pub(super) copy_outbox: Statement,
    insert_delta: Statement,
    seal: Statement,
    pub(super) are_days: Statement,
    pub(super) probes: ByDay,
    pub(super) probes_by_key: ByDay,
    /// By day: looks that are to go by keys, after one that has met a crowd.
    pub(super) crowded: HashMap<i32, u32>,
    pub(super) copies: ByDay,
}

impl Statements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let copy = format!("COPY access_log ({}) FROM STDIN (FORMAT binary)", encode::COLUMNS);
        let copy_duplicates = format!(
            "COPY duplicate_event ({}) FROM STDIN (FORMAT binary)",
            encode::DUPLICATE_COLUMNS
        );
        let copy_outbox = format!("COPY outbox ({}) FROM STDIN (FORMAT binary)", outbox::COLUMNS);
        let statements = async {
            Ok(Self {
                fence: client.prepare(include_str!("../sql/fence.sql")).await?,
                copy_rows: client.prepare(&copy).await?,
                standing_runs: client.prepare(include_str!("../sql/standing_runs.sql")).await?,
                copy_duplicates: client.prepare(&copy_duplicates).await?,
                copy_outbox: client.prepare(&copy_outbox).await?,
                insert_delta: client.prepare(ledger::INSERT).await?,
                seal: client.prepare("SELECT seal_batch()").await?,
                are_days: client.prepare(include_str!("../sql/are_days.sql")).await?,
                probes: ByDay::default(),
                probes_by_key: ByDay::default(),
                crowded: HashMap::new(),
                copies: ByDay::default(),
            })
        };
        statements.await.map_err(Error::postgres("preparing statements"))
    }
}

/// One batch's transaction.
pub(crate) struct Transaction<'s> {
    pub(super) inner: tokio_postgres::Transaction<'s>,
    pub(super) statements: &'s mut Statements,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(
        inner: tokio_postgres::Transaction<'s>,
        statements: &'s mut Statements,
    ) -> Self {
        Self { inner, statements }
    }

    /// For reading permissions inside this transaction.
    pub(crate) fn client(&self) -> &tokio_postgres::Transaction<'s> {
        &self.inner
    }

    /// Records the offsets that hold no event.
    pub(crate) async fn insert_gaps(
        &self,
        parts: impl Iterator<Item = &Part>,
    ) -> Result<(), Error> {
        let (mut partitions, mut first, mut end) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            for gap in &part.gaps {
                partitions.push(part.claim.partition);
                first.push(gap.first);
                end.push(gap.end);
            }
        }
        if partitions.is_empty() {
            return Ok(());
        }
        self.inner
            .execute(include_str!("../sql/insert_gaps.sql"), &[&partitions, &first, &end])
            .await
            .map_err(Error::postgres("writing offset_gap"))?;
        Ok(())
    }

    /// Records the events that claim to be one.
    pub(crate) async fn insert_conflicts(&self, conflicts: &[Conflict]) -> Result<(), Error> {
        if conflicts.is_empty() {
            return Ok(());
        }
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = conflicts.iter().map(|c| c.at).unzip();
        let kinds: Vec<&str> = conflicts.iter().map(|conflict| conflict.kind).collect();
        let (others, other_offsets): (Vec<i32>, Vec<i64>) =
            conflicts.iter().map(|c| c.other).unzip();
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&partitions, &offsets, &kinds, &others, &other_offsets];
        self.inner
            .execute(include_str!("../sql/insert_conflicts.sql"), &parameters)
            .await
            .map_err(Error::postgres("writing identity_conflict"))?;
        Ok(())
    }

    /// Leaves what this batch says of the terminals' counters, for the ledger.
    pub(crate) async fn insert_delta(&self, delta: &Delta, cache: &Cache) -> Result<(), Error> {
        if delta.is_empty() {
            return Ok(());
        }
        let columns = delta.columns(|terminal| cache.terminal_id(terminal));
        let written =
            self.inner.execute(&self.statements.insert_delta, &columns.parameters()).await;
        written.map_err(Error::postgres("writing ledger_delta"))?;
        Ok(())
    }

    /// Moves what the fence counted as rows to what it turned out to be.
    pub(crate) async fn correct_totals(&self, sorted: &Sorted<'_, '_>) -> Result<(), Error> {
        let mut counts: BTreeMap<i32, [i64; 4]> = BTreeMap::new();
        let mut count = |partition: i32, what: usize| {
            counts.entry(partition).or_default()[what] += 1;
        };
        let collided = sorted.collisions.iter().map(|collision| collision.judged.event.partition());
        let collided = collided.chain(sorted.collisions_standing.iter().copied());
        collided.for_each(|partition| count(partition, 0));
        let repeated = sorted.duplicates.iter().map(|duplicate| duplicate.event.partition());
        let repeated = repeated.chain(sorted.duplicates_standing.iter().copied());
        repeated.for_each(|partition| count(partition, 1));
        sorted.dead.iter().for_each(|refusal| count(refusal.record.claim().partition, 2));
        sorted.parked.iter().for_each(|(event, _)| count(event.partition(), 3));
        // Each of them is counted as a row from here on, and then as what it is.
        for (partition, _) in &sorted.left {
            counts.entry(*partition).or_default()[3] -= 1;
        }
        if counts.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = counts.keys().copied().collect();
        let [collisions, duplicates, dead, parked] =
            [0, 1, 2, 3].map(|what| counts.values().map(|of| of[what]).collect::<Vec<i64>>());
        self.inner
            .execute(
                include_str!("../sql/correct_totals.sql"),
                &[&partitions, &collisions, &duplicates, &dead, &parked],
            )
            .await
            .map_err(Error::postgres("correcting the totals"))?;
        Ok(())
    }

    /// Marks the place that [`Self::back_to_the_decision`] goes back to.
    pub(crate) async fn before_the_decision(&self) -> Result<(), Error> {
        let marked = self.inner.batch_execute("SAVEPOINT decision").await;
        marked.map_err(Error::postgres("setting a savepoint"))
    }

    /// Takes back all that was written with a decision, and its share of the permission lock with
    /// it; the fence, and what depends on no permission, stays.
    pub(crate) async fn back_to_the_decision(&self) -> Result<(), Error> {
        let back = self.inner.batch_execute("ROLLBACK TO SAVEPOINT decision").await;
        back.map_err(Error::postgres("going back to a savepoint"))
    }

    /// The permission clock, which stands still from here to the end of the transaction.
    pub(crate) async fn seal(&self) -> Result<i64, Error> {
        let doing = "checking the permission clock";
        let row = self.inner.query_one(&self.statements.seal, &[]).await;
        Ok(row.map_err(Error::postgres(doing))?.get(0))
    }

    /// Makes it so. An error here leaves open whether it is: the next fence will tell.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.inner.commit().await.map_err(Error::postgres("committing a batch"))
    }
}
