//! `gatelog verify`: holds log, seals and tables against each other.
//!
//! The tables are read in one snapshot, the log up to where that snapshot says it was applied, both
//! at the same time; both are summed up by buckets of offsets (count, digest, time range), as the
//! seals are. Only buckets that differ are opened and compared event by event. Memory is bounded by
//! the number of buckets and recorded gaps.
//!
//! ```text
//! snapshot ─▶ scope ─┬▶ log ────▶ sums ┐
//!                    ├▶ tables ─▶ sums ┼▶ compare ─▶ open what differs ─▶ report
//!                    └▶ seals, chained ┘
//! ```

mod chain;
mod compare;
mod copy;
mod findings;
mod gaps;
mod leaves;
mod log;
mod open;
mod options;
mod relations;
mod report;
mod scope;
mod snapshot;
mod sums;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use seal::{bucket_of, bucket_start};

pub use findings::{Finding, Place};
pub use options::{Options, since};
pub use report::{Partition, Report};

use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};
use findings::Findings;
use gaps::Run;
use open::{Gone, Opened};
use scope::Scope;
use snapshot::{Position, Snapshot};
use sums::{Entry, Sums};

/// Offsets of one partition: from `first` to before `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    first: i64,
    next: i64,
}

/// Events between two steps of a progress bar.
const STEP: u64 = 1_024;

/// Buckets that are opened at most: a million events and outcomes are held in memory.
const OPENED_MAX: usize = 50;

/// Runs the command.
///
/// # Errors
/// A server that cannot be reached. What differs is no error: the verdict is no.
pub async fn run(settings: &Settings, options: &Options, json: bool) -> Result<Verdict, Error> {
    let report = verify(settings, options).await?;
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(if report.ok { Verdict::Fine } else { Verdict::No })
}

/// Verifies what `options` ask for, as far as it has been applied. Consumers may go on meanwhile.
///
/// # Errors
/// A server that cannot be reached, or a log that this database does not belong to.
pub async fn verify(settings: &Settings, options: &Options) -> Result<Report, Error> {
    let started = Instant::now();
    let snapshot = Snapshot::take(connect::postgres(&settings.postgres).await?).await?;
    snapshot.log.must_be_ours(settings).await?;
    let positions = &snapshot.positions;
    options.check(positions.keys())?;
    let reader = log::Reader::new(&settings.kafka, &snapshot.log.topic)?;
    let wanted = positions.keys().copied().filter(|partition| options.wants(*partition));
    let in_kafka = reader.spans(wanted.collect()).await?;
    let lows = in_kafka.iter().map(|(partition, span)| (*partition, span.first)).collect();
    let scope = Arc::new(Scope::new(positions, &lows, options));

    let runs = scope.runs();
    let bars = Bars::new(scope.offsets());
    let (stands, (log, empty)) = tokio::try_join!(
        snapshot.sum_up(&scope, options, &bars.tables),
        reader.read(runs.clone(), Sums::new(&scope), |log, event| log.add(&event), &bars.log),
    )?;
    bars.clear();

    let mut findings = Findings::default();
    let mut seals = 0;
    for (partition, position) in positions.iter().filter(|(p, _)| options.wants(**p)) {
        seals += chain::check(*partition, position, &mut findings);
    }
    let compared = compare::buckets(positions, &scope, &log, &stands, &mut findings);
    gaps::check(positions, &runs, &empty, &mut findings);
    nowhere(&stands, &mut findings);
    if options.since.is_none() {
        gaps::totals(positions, &scope, &stands, &mut findings);
    }
    open_buckets(&reader, &snapshot, &scope, compared.differ.clone(), &mut findings).await?;
    let unread = unread(settings, positions, &in_kafka, &mut findings).await?;
    snapshot.unresolved(&scope, options, &mut findings).await?;
    if options.since.is_none() {
        snapshot.runs(options, &mut findings).await?;
    }
    if options.identities {
        snapshot.identities(options, &mut findings).await?;
    }
    let counted = report::Counted {
        events: log.count(),
        outcomes: stands.count(),
        seals,
        unread,
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok(Report::new(&snapshot, &scope, options, &compared, &counted, findings))
}

/// Offsets that nobody has applied: how many wait in Kafka; those that it has deleted before anybody
/// did are lost.
async fn unread(
    settings: &Settings,
    positions: &BTreeMap<i32, Position>,
    in_kafka: &BTreeMap<i32, Span>,
    findings: &mut Findings,
) -> Result<i64, Error> {
    let next = |partition: i32| positions.get(&partition).map_or(0, |position| position.next);
    let mut lost: Vec<Run> = in_kafka
        .iter()
        .map(|(partition, span)| Run {
            partition: *partition,
            span: Span { first: next(*partition), next: span.first },
        })
        .filter(|run| run.span.first < run.span.next)
        .collect();
    if !lost.is_empty() {
        // Consumers go on: what was applied since the snapshot may have been deleted since.
        let client = connect::postgres(&settings.postgres).await?;
        let rows = client.query(include_str!("sql/next_offsets.sql"), &[]).await?;
        let now: BTreeMap<i32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        lost.iter_mut().for_each(|run| {
            let now = now.get(&run.partition).copied().unwrap_or_default();
            run.span.first = run.span.first.max(now);
        });
    }
    for run in lost.into_iter().filter(|run| run.span.first < run.span.next) {
        findings.run("unread", run, "consumer_offset");
    }
    let waits = |(partition, span): (&i32, &Span)| span.next - span.first.max(next(*partition));
    Ok(in_kafka.iter().map(waits).map(|waiting| waiting.max(0)).sum())
}

/// Outcomes of offsets that were never applied.
fn nowhere(stands: &Sums, findings: &mut Findings) {
    for entry in &stands.nowhere {
        let tables = vec![entry.found.name()];
        findings.add("invented", entry.partition, Some(entry.offset), tables);
    }
    findings.more("invented", stands.nowhere_count - stands.nowhere.len() as u64);
}

/// Compares the buckets that differ event by event; of very many, the first.
async fn open_buckets(
    reader: &log::Reader,
    snapshot: &Snapshot,
    scope: &Scope,
    mut differ: BTreeSet<(i32, i64)>,
    findings: &mut Findings,
) -> Result<(), Error> {
    if let Some(more) = differ.iter().nth(OPENED_MAX).copied() {
        for (partition, bucket) in differ.split_off(&more) {
            findings.add("bucket", partition, Some(bucket_start(bucket)), Vec::new());
        }
    }
    if differ.is_empty() {
        return Ok(());
    }
    let mut runs = log::Runs::new();
    let mut opened: BTreeMap<(i32, i64), Opened> = BTreeMap::new();
    for (partition, bucket) in &differ {
        let Some(part) = scope.part(*partition) else { continue };
        let span = part.of_bucket(*bucket);
        let in_kafka = Span { first: span.first.max(part.low), ..span };
        runs.entry(*partition).or_default().push(in_kafka);
        opened.insert((*partition, *bucket), Opened::default());
    }
    let bucket = |entry: &Entry| (entry.partition, bucket_of(entry.offset));
    snapshot
        .open(&differ, &mut |outcome| {
            // What Kafka has no longer cannot be told apart.
            let is_there = scope.part(outcome.partition).is_some_and(|part| {
                (part.low.max(part.span.first)..part.span.next).contains(&outcome.offset)
            });
            if let Some(opened) = opened.get_mut(&bucket(&outcome)).filter(|_| is_there) {
                opened.outcomes.push(outcome);
            }
        })
        .await?;
    let hidden = ProgressBar::hidden();
    let take = |opened: &mut BTreeMap<(i32, i64), Opened>, event: Entry| {
        if let Some(opened) = opened.get_mut(&(event.partition, bucket_of(event.offset))) {
            opened.events.push(event);
        }
    };
    let (opened, _) = reader.read(runs, opened, take, &hidden).await?;
    for (at @ (partition, bucket), opened) in opened {
        let dropped = snapshot.positions.get(&partition).and_then(|p| p.dropped.get(&bucket));
        let is_whole =
            scope.part(partition).is_some_and(|part| part.low <= part.of_bucket(bucket).first);
        let kept = dropped.map(|dropped| dropped.sum()).unwrap_or_default();
        // Of a bucket that Kafka has in part, it is not known which part was dropped.
        let sum = (is_whole || dropped.is_none()).then_some(kept);
        opened.compare(at, Gone { before: snapshot.gone_before, sum }, findings);
    }
    Ok(())
}

/// How many offsets of `span` lie in `of`.
fn overlap(span: Span, of: Span) -> i64 {
    (span.next.min(of.next) - span.first.max(of.first)).max(0)
}

/// A condition on rows of `table` that keeps those of some partitions, or all.
fn partitions_only(table: &str, partitions: &[i32]) -> String {
    if partitions.is_empty() {
        return "true".to_owned();
    }
    let listed: Vec<String> = partitions.iter().map(|partition| partition.to_string()).collect();
    format!("{table}.log_partition IN ({})", listed.join(", "))
}

/// How far it is, on standard error, and only where that is a terminal.
struct Bars {
    all: MultiProgress,
    log: ProgressBar,
    tables: ProgressBar,
}

impl Bars {
    fn new(offsets: i64) -> Self {
        let template = "{msg:>8} [{wide_bar}] {pos}/{len} ({per_sec}, {eta})";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let all = MultiProgress::new();
        let bar = |message: &'static str| {
            let bar = ProgressBar::new(offsets.unsigned_abs()).with_style(style.clone());
            let bar = all.add(bar);
            bar.set_message(message);
            bar
        };
        Self { log: bar("log"), tables: bar("tables"), all }
    }

    fn clear(&self) {
        self.log.finish_and_clear();
        self.tables.finish_and_clear();
        // What cannot be drawn is not missed.
        let _ = self.all.clear();
    }
}
