//! `gatelog offsets accept-loss`: goes on behind what Kafka no longer has.

use std::collections::BTreeMap;

use seal::Seal;
use serde::Serialize;
use serde_json::json;
use tokio_postgres::Transaction;

use super::position::{Columns, Position, positions, put, split_gap};
use super::stands::{Limits, Target, limits, open_at, totals_before};
use super::watermarks;
use crate::operator::{self, Run};
use crate::output::{self, Table};
use crate::pinned::Pinned;
use crate::settings::Settings;
use crate::{Error, Verdict};

/// What is lost, and whether that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The log's topic.
    pub topic: String,
    /// The partitions that go on elsewhere, in order.
    pub partitions: Vec<Loss>,
    /// Offsets lost in all of them.
    pub lost: i64,
}

/// What one partition loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Its number.
    pub partition: i32,
    /// Offset that it would have read next.
    pub next_offset: i64,
    /// First offset that Kafka still has: it goes on there.
    pub low_watermark: i64,
    /// Offsets between them that it was to read again, and that keep their outcome without it.
    pub not_read_again: i64,
    /// Offsets between them that have no outcome, and never will.
    pub lost: i64,
    /// Buckets of 10,000 offsets that are complete by that, and sealed.
    pub sealed: i64,
}

/// Who stands in a row that was moved.
const BY: &str = "gatelog offsets accept-loss";

/// Runs the command.
///
/// # Errors
/// See [`accept_loss`].
pub async fn run(settings: &Settings, run: &Run, json: bool) -> Result<Verdict, Error> {
    let report = accept_loss(settings, run).await?;
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(Verdict::Fine)
}

/// Moves every partition whose next offset Kafka no longer has to the first that it has, and
/// records what lies between as lost.
///
/// # Errors
/// [`Error::Usage`] where the log ends before what was read of it: that is another log.
pub async fn accept_loss(settings: &Settings, run: &Run) -> Result<Report, Error> {
    let mut client = operator::session(&settings.postgres).await?;
    if let Some(pinned) = Pinned::read(&client).await? {
        pinned.must_be_ours(settings).await?;
    }
    if !run.is_dry() {
        operator::be_alone(&client).await?;
    }
    let topic = settings.topic.swipes.clone();
    let transaction = client.transaction().await?;
    let positions = positions(&transaction, None, run).await?;
    // Asked after the rows were read: the log's end is never behind a batch that came between.
    let watermarks = watermarks(&settings.kafka, &topic).await?;
    let limits = limits(&transaction).await?;
    let mut partitions = Vec::new();
    for position in &positions {
        let Some(found) = loss(position, &watermarks)? else { continue };
        let limits = limits.get(&found.partition).copied().unwrap_or_default();
        partitions.push(accept(&transaction, position, found, limits, run).await?);
    }
    let lost = partitions.iter().map(|loss| loss.lost).sum();
    let report = Report { dry_run: run.is_dry(), topic, partitions, lost };
    if let (Run::Apply { reason }, false) = (run, report.partitions.is_empty()) {
        let detail = json!({ "topic": report.topic, "partitions": report.partitions });
        operator::record(&transaction, "accept_loss", reason, &detail).await?;
        transaction.commit().await?;
    }
    Ok(report)
}

/// What a partition has lost, if anything.
fn loss(
    position: &Position,
    watermarks: &BTreeMap<i32, (i64, i64)>,
) -> Result<Option<Loss>, Error> {
    let (partition, next_offset) = (position.partition, position.next_offset());
    let Some(&(low, high)) = watermarks.get(&partition) else {
        return Err(Error::Usage(format!(
            "partition {partition} was read up to offset {next_offset}, and the topic has no such \
             partition: this is another log, and nothing of it can be accepted. Is topic.swipes the \
             topic that this database was filled from?"
        )));
    };
    if next_offset > high {
        return Err(Error::Usage(format!(
            "partition {partition}: offset {next_offset} would come next, and the log ends at {high}: \
             it was cut off or made again, so its offsets are no longer those that stand in the \
             tables. That is another log, and no loss that can be accepted: bring the topic back, \
             or begin a new database with `gatelog setup`"
        )));
    }
    if next_offset >= low {
        return Ok(None);
    }
    // What was applied before and is only being read again has its outcome: that is not lost.
    let stands_to = position.applied_to.clamp(next_offset, low);
    let (not_read_again, lost) = (stands_to - next_offset, low - stands_to);
    let loss = Loss { partition, next_offset, low_watermark: low, not_read_again, lost, sealed: 0 };
    Ok(Some(loss))
}

/// Moves a partition behind its loss, unless it is a dry run; with the buckets that are complete by
/// that.
async fn accept(
    transaction: &Transaction<'_>,
    position: &Position,
    loss: Loss,
    limits: Limits,
    run: &Run,
) -> Result<Loss, Error> {
    let Loss { partition, next_offset, low_watermark, not_read_again, lost, .. } = loss;
    let (mut open, mut outcomes) = (position.open, position.outcomes);
    let stands_to = next_offset + not_read_again;
    if not_read_again > 0 {
        let target = Target { partition, offset: stands_to, limits };
        let totals = totals_before(transaction, &[target]).await?;
        outcomes = totals.first().copied().unwrap_or_default();
        outcomes.must_sum_up(position, &target)?;
        open = open_at(transaction, position, &target).await?;
    }
    let seals = open.advance(partition, low_watermark, &[]);
    outcomes.lost += lost;
    if !run.is_dry() {
        for seal in &seals {
            insert_seal(transaction, partition, seal).await?;
        }
        split_gap(transaction, partition, stands_to).await?;
        put(transaction, partition, BY, &open, &outcomes).await?;
        if lost > 0 {
            let sql = include_str!("sql/insert_loss.sql");
            transaction.execute(sql, &[&partition, &stands_to, &low_watermark]).await?;
        }
    }
    Ok(Loss { sealed: seals.len() as i64, ..loss })
}

async fn insert_seal(
    transaction: &Transaction<'_>,
    partition: i32,
    seal: &Seal,
) -> Result<(), Error> {
    let Columns { events, digest, min, max } = Columns::of(&seal.sum);
    let chain = &seal.chain.0[..];
    let sql = include_str!("sql/insert_seal.sql");
    transaction
        .execute(sql, &[&partition, &seal.bucket, &events, &digest, &min, &max, &chain])
        .await?;
    Ok(())
}

impl Report {
    fn render(&self) -> String {
        if self.partitions.is_empty() {
            return format!(
                "topic {}: nothing is lost, Kafka has every offset that is to be read\n",
                self.topic
            );
        }
        let header = ["partition", "next", "goes on at", "not read again", "lost", "sealed"];
        let mut table = Table::new(header, &[]);
        for loss in &self.partitions {
            let Loss { partition, next_offset, low_watermark, not_read_again, lost, sealed } =
                *loss;
            let partition = i64::from(partition);
            let cells = [partition, next_offset, low_watermark, not_read_again, lost, sealed];
            table.row(cells.map(|n| n.to_string()));
        }
        let end = if self.dry_run {
            "dry run: nothing was changed; --apply --reason \"…\" accepts the loss, for good"
        } else {
            "accepted; consumers go on there when they are started, or claim again"
        };
        let (topic, lost) = (&self.topic, self.lost);
        format!("topic {topic}: {lost} offsets lost\n{}{end}\n", table.render())
    }
}

#[cfg(test)]
mod tests {
    use seal::Open;

    use super::*;
    use crate::offsets::Outcomes;

    #[test]
    fn only_what_lies_before_the_log_and_has_no_outcome_is_lost() {
        let position = |next, applied_to| Position {
            partition: 1,
            first_offset: 0,
            open: Open::start(next),
            applied_to,
            outcomes: Outcomes::default(),
        };
        let at = |low, high| BTreeMap::from([(1, (low, high))]);
        assert_eq!(loss(&position(5, 5), &at(5, 9)).unwrap(), None);
        assert_eq!(loss(&position(9, 9), &at(0, 9)).unwrap(), None);
        for (applied_to, wanted) in [(5, (0, 2)), (6, (1, 1)), (7, (2, 0)), (9, (2, 0))] {
            let found = loss(&position(5, applied_to), &at(7, 9)).unwrap().unwrap();
            assert_eq!((found.not_read_again, found.lost), wanted, "applied to {applied_to}");
            assert_eq!(found.low_watermark, 7);
        }
        for (position, watermarks, wanted) in [
            (position(10, 10), at(0, 9), "another log"),
            (position(5, 5), BTreeMap::new(), "no such partition"),
        ] {
            let error = loss(&position, &watermarks).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
