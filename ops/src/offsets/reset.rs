//! `gatelog offsets reset`: reads a part of the log again, which changes no row.

use std::collections::BTreeMap;
use std::time::Duration;

use seal::{bucket_of, bucket_start};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::position::{Position, positions, put, split_gap};
use super::stands::{Limits, Target, limits, open_at, totals_before};
use super::{Outcomes, watermarks};
use crate::operator::{self, Run};
use crate::output::{self, Table};
use crate::pinned::Pinned;
use crate::settings::Settings;
use crate::{Error, Verdict};

/// Where to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Where the partition began.
    Start,
    /// The bucket of this offset.
    Offset(i64),
}

/// Which partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every one that was ever read.
    All,
    /// These.
    These(Vec<i32>),
}

/// What is read again, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The log's topic.
    pub topic: String,
    /// The partitions, in order.
    pub partitions: Vec<Back>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Back {
    /// Its number.
    pub partition: i32,
    /// Offset that it would have read next.
    pub next_offset: i64,
    /// Offset that it reads next now.
    pub goes_back_to: i64,
    /// Offsets that are read again.
    pub read_again: i64,
    /// What the offsets before became.
    pub outcomes_before: Outcomes,
}

/// How long to wait for lanes: a card is held up for 2 s at most, while a consumer runs.
const LANES_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at them.
const LANES_PAUSE: Duration = Duration::from_millis(250);
/// What is in the way.
const LANES: &str = "events before that offset wait in lanes (parked_event): they leave them within \
    seconds while a consumer runs, so start one, or try again";

/// Who stands in a row that was set back.
const BY: &str = "gatelog offsets reset";
/// What happened while was counted.
const CHANGED: &str = "a partition was put back while what stands before was counted: try again";

/// Runs the command.
///
/// # Errors
/// See [`reset`].
pub async fn run(
    settings: &Settings,
    to: To,
    which: &Which,
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let report = reset(settings, to, which, run).await?;
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(Verdict::Fine)
}

/// Sets partitions back to the start of the bucket of an offset: there the open bucket is empty,
/// and the chain is the one of the seal before. The outcomes stay where they are, and so does what
/// says how far they go.
///
/// # Errors
/// [`Error::Usage`] for an offset that is yet to come, or that can no longer be gone back to:
/// Kafka has lost it, or days of its events were dropped.
pub async fn reset(settings: &Settings, to: To, which: &Which, run: &Run) -> Result<Report, Error> {
    let mut client = operator::session(&settings.postgres).await?;
    if let Some(pinned) = Pinned::read(&client).await? {
        pinned.must_be_ours(settings).await?;
    }
    if !run.is_dry() {
        operator::be_alone(&client).await?;
    }
    let topic = settings.topic.swipes.clone();
    let watermarks = watermarks(&settings.kafka, &topic).await?;
    let counted = count_when_lanes_allow(&mut client, to, which, &watermarks).await?;
    let transaction = client.transaction().await?;
    let positions = chosen(&transaction, which, run).await?;
    let mut partitions = Vec::new();
    for (target, outcomes_before) in counted {
        let position = positions.iter().find(|position| position.partition == target.partition);
        let still = position.filter(|position| position.next_offset() >= target.offset);
        let position = still.ok_or(Error::Busy(CHANGED))?;
        outcomes_before.must_sum_up(position, &target)?;
        let open = open_at(&transaction, position, &target).await?;
        if !run.is_dry() {
            split_gap(&transaction, target.partition, target.offset).await?;
            // What waits behind the target is read again with the rest.
            let sql = "DELETE FROM parked_event WHERE log_partition = $1 AND log_offset >= $2";
            transaction.execute(sql, &[&target.partition, &target.offset]).await?;
            put(&transaction, target.partition, BY, &open, &outcomes_before).await?;
        }
        partitions.push(Back {
            partition: position.partition,
            next_offset: position.next_offset(),
            goes_back_to: target.offset,
            read_again: position.next_offset() - target.offset,
            outcomes_before,
        });
    }
    let report = Report { dry_run: run.is_dry(), topic, partitions };
    if let (Run::Apply { reason }, false) = (run, report.partitions.is_empty()) {
        let detail = json!({ "topic": report.topic, "partitions": report.partitions });
        operator::record(&transaction, "reset", reason, &detail).await?;
        transaction.commit().await?;
    }
    Ok(report)
}

/// Counts, after a moment where an event before the target waits in a lane: no lane is open for long.
async fn count_when_lanes_allow(
    client: &mut Client,
    to: To,
    which: &Which,
    watermarks: &BTreeMap<i32, (i64, i64)>,
) -> Result<Vec<(Target, Outcomes)>, Error> {
    let until = Instant::now() + LANES_WAIT;
    loop {
        match count(client, to, which, watermarks).await {
            Err(Error::Busy(LANES)) if Instant::now() < until => sleep(LANES_PAUSE).await,
            counted => return counted,
        }
    }
}

/// Where each partition goes back to, and what became of the offsets before: in one moment, and
/// without a lock, so that no batch waits while whole tables are read. What became of an offset that
/// was read does not change.
async fn count(
    client: &mut Client,
    to: To,
    which: &Which,
    watermarks: &BTreeMap<i32, (i64, i64)>,
) -> Result<Vec<(Target, Outcomes)>, Error> {
    let moment = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
    let moment = moment.read_only(true).start().await?;
    let positions = chosen(&moment, which, &Run::Dry).await?;
    let limits = limits(&moment).await?;
    let sql = "SELECT log_partition, min(log_offset) FROM parked_event GROUP BY log_partition";
    let rows = moment.query(sql, &[]).await?;
    let first_parked: BTreeMap<i32, i64> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
    let mut targets = Vec::new();
    for position in &positions {
        let low = watermarks.get(&position.partition).map_or(i64::MAX, |(low, _)| *low);
        let limits = limits.get(&position.partition).copied().unwrap_or_default();
        let offset = target(position, to, low, &limits)?;
        if first_parked.get(&position.partition).is_some_and(|first| *first < offset) {
            return Err(Error::Busy(LANES));
        }
        targets.push(Target { partition: position.partition, offset, limits });
    }
    let totals = totals_before(&moment, &targets).await?;
    moment.commit().await?;
    Ok(targets.into_iter().zip(totals).collect())
}

/// The partitions that were asked for; each must have been read.
async fn chosen(
    transaction: &Transaction<'_>,
    which: &Which,
    run: &Run,
) -> Result<Vec<Position>, Error> {
    let Which::These(wanted) = which else { return positions(transaction, None, run).await };
    let found = positions(transaction, Some(wanted), run).await?;
    let unread = wanted.iter().find(|w| found.iter().all(|found| found.partition != **w));
    match unread {
        None => Ok(found),
        Some(partition) => Err(Error::Usage(format!(
            "partition {partition} was never read, so there is nothing to go back to"
        ))),
    }
}

/// Where a partition goes back to.
fn target(position: &Position, to: To, low: i64, limits: &Limits) -> Result<i64, Error> {
    let Position { partition, first_offset, .. } = *position;
    let next_offset = position.next_offset();
    let refuse = |why: String| Err(Error::Usage(format!("partition {partition}: {why}")));
    let wanted = match to {
        To::Start => first_offset,
        To::Offset(offset) if offset > next_offset => {
            return refuse(format!(
                "offset {offset} is yet to come (next is {next_offset}); reset only goes back, so \
                 that no event is skipped"
            ));
        }
        To::Offset(offset) if offset < first_offset => {
            return refuse(format!("it begins at offset {first_offset}; say --to start"));
        }
        To::Offset(offset) => bucket_start(bucket_of(offset)).max(first_offset),
    };
    let lowest = limits.lowest(first_offset, low);
    if wanted >= lowest {
        return Ok(wanted);
    }
    let why = if low > wanted {
        "Kafka no longer has all of what lies behind it"
    } else {
        "days were dropped whose events lie behind it, and what became of each is no longer known"
    };
    if lowest > next_offset {
        return refuse(format!("it cannot go back at all: {why}"));
    }
    refuse(format!(
        "it cannot go back to offset {wanted}: {why}. The lowest that it can go back to is {lowest}"
    ))
}

impl Report {
    fn render(&self) -> String {
        if self.partitions.is_empty() {
            return format!(
                "topic {}: nothing was read yet, so nothing is read again\n",
                self.topic
            );
        }
        let header = ["partition", "next", "goes back to", "read again"];
        let mut table = Table::new(header, &[]);
        for back in &self.partitions {
            let partition = i64::from(back.partition);
            let cells = [partition, back.next_offset, back.goes_back_to, back.read_again];
            table.row(cells.map(|n| n.to_string()));
        }
        let end = if self.dry_run {
            "dry run: nothing was changed; --apply --reason \"…\" does it"
        } else {
            "done; consumers that run claim these partitions again by themselves, within seconds"
        };
        let again: i64 = self.partitions.iter().map(|back| back.read_again).sum();
        format!(
            "topic {}: {again} offsets to be read again; their outcomes stay\n{}{end}\n",
            self.topic,
            table.render()
        )
    }
}

#[cfg(test)]
mod tests {
    use seal::{Chain, Open};

    use super::*;

    fn at(to: To, low: i64, limits: &Limits) -> Result<i64, String> {
        let position = Position {
            partition: 1,
            first_offset: 3,
            open: Open::start(35_000),
            applied_to: 35_000,
            outcomes: Outcomes::default(),
        };
        target(&position, to, low, limits).map_err(|error| error.to_string())
    }

    #[test]
    fn back_to_the_start_of_a_bucket_and_no_further_than_is_known() {
        let free = Limits::default();
        assert_eq!(at(To::Start, 0, &free), Ok(3));
        assert_eq!(at(To::Offset(9_999), 0, &free), Ok(3));
        assert_eq!(at(To::Offset(25_000), 0, &free), Ok(20_000));
        assert_eq!(at(To::Offset(35_000), 0, &free), Ok(30_000));
        let dropped = Limits { dropped_bucket_max: Some(1), ..free };
        let based = Limits { base: Some((2, Chain::START)), ..free };
        for (to, low, limits, wanted) in [
            (To::Offset(35_001), 0, free, "yet to come"),
            (To::Offset(1), 0, free, "--to start"),
            (To::Start, 4, free, "lowest that it can go back to is 10000"),
            (To::Offset(19_999), 0, dropped, "lowest that it can go back to is 20000"),
            (To::Offset(19_999), 0, based, "lowest that it can go back to is 20000"),
            (To::Offset(30_000), 30_001, free, "cannot go back at all"),
        ] {
            let error = at(to, low, &limits).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        assert_eq!(at(To::Offset(20_000), 20_000, &dropped), Ok(20_000));
    }
}
