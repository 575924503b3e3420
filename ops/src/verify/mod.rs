//! `gatelog verify`: holds the log against the tables, offset by offset.
//!
//! The tables are read in one snapshot, the log up to where that snapshot says it was applied; both
//! are summed up by buckets of offsets (count and digest), and only buckets that differ are opened
//! and compared event by event. Memory is bounded by the number of buckets.

mod buckets;
mod log;
mod report;
mod tables;

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};

pub use report::{Finding, Partition, Report};

use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};
use buckets::{BUCKET_OFFSETS, Buckets};
use report::Findings;

/// Offsets of one partition that are verified: from `first` to before `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: i64,
    next: i64,
}

type Spans = BTreeMap<i32, Span>;

/// Runs the command.
///
/// # Errors
/// A server that cannot be reached. What differs is no error: the verdict is no.
pub async fn run(settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let report = verify(settings).await?;
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(if report.ok { Verdict::Fine } else { Verdict::No })
}

/// Verifies everything that has been applied so far. Consumers may go on meanwhile.
///
/// # Errors
/// A server that cannot be reached, or a log that this database does not belong to.
pub async fn verify(settings: &Settings) -> Result<Report, Error> {
    let mut client = connect::postgres(&settings.postgres).await?;
    let snapshot = tables::Snapshot::take(&mut client).await?;
    connect::same_topic(Some(&snapshot.topic), settings)?;
    let reader = log::Reader::new(&settings.kafka, &snapshot.topic)?;
    let (spans, lost) = reader.still_there(&snapshot.spans).await?;

    let offsets: i64 = spans.values().map(|span| span.next - span.first).sum();
    let progress = progress(u64::try_from(offsets).unwrap_or_default());
    progress.set_message("tables");
    let mut stands = Buckets::new(&spans);
    snapshot.each_outcome(None, |outcome| stands.add(&outcome), &progress).await?;
    let (outcomes, events_in_tables) = (snapshot.totals(&spans), stands.count());

    progress.set_message("log");
    progress.set_position(0);
    let log = reader.read(&spans, &progress).await?;
    progress.finish_and_clear();

    let mut findings = Findings::default();
    for bucket in log.buckets.differing(&stands) {
        let (from, to) = (bucket.first, bucket.first + BUCKET_OFFSETS);
        let span = spans.get(&bucket.partition).copied().unwrap_or(Span { first: from, next: to });
        let span = Span { first: from.max(span.first), next: to.min(span.next) };
        let events = reader.open(bucket.partition, span).await?;
        let mut outcomes = Vec::new();
        let only = Some((bucket.partition, span));
        snapshot.each_outcome(only, |o| outcomes.push(o), &ProgressBar::hidden()).await?;
        findings.compare(bucket.partition, &events, &outcomes);
    }
    // An offset without an event must be a gap that the consumer recorded.
    findings.gaps(&spans, &log.missing, &snapshot.gaps);
    // What names another event must name one that is there.
    findings.unresolved(&snapshot.unresolved().await?);
    // The running totals must be what the tables hold.
    findings.totals(&snapshot.counted(&spans).await?, &outcomes);
    Ok(Report::new(&snapshot, &spans, &lost, log.buckets.count(), events_in_tables, findings))
}

fn progress(offsets: u64) -> ProgressBar {
    let template = "{msg:>8} [{wide_bar}] {pos}/{len} ({per_sec}, {eta})";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    // Drawn on standard error, and only where that is a terminal.
    ProgressBar::new(offsets).with_style(style)
}
