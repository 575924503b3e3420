//! What was found, in the words of the promise.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Spans;
use super::buckets::Entry;
use super::tables::{Snapshot, TABLES, Totals};
use crate::output::Table;

/// The proof, or what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every event that was applied has exactly one outcome, and the right one.
    pub ok: bool,
    /// The log's topic.
    pub topic: String,
    /// Events of the log that were held against the tables.
    pub events: u64,
    /// Outcomes that were found for them.
    pub outcomes: u64,
    /// Events without an outcome.
    pub missing: u64,
    /// Events with more than one.
    pub doubled: u64,
    /// Events whose outcome says something else than the log.
    pub altered: u64,
    /// Outcomes of offsets that hold no event, and offsets without event or recorded gap.
    pub invented: u64,
    /// Duplicates and collisions that name an event which is not where they say.
    pub unresolved: u64,
    /// Totals of `consumer_offset` that are not what the tables hold.
    pub totals_wrong: u64,
    /// The first of these, one by one.
    pub findings: Vec<Finding>,
    /// What was verified, by partition.
    pub partitions: Vec<Partition>,
    /// What this run says nothing about.
    pub not_checked: Vec<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// `missing`, `doubled`, `altered`, `invented`, `unresolved` or `totals`.
    pub kind: &'static str,
    /// Where in the log.
    pub partition: i32,
    /// Where in the partition; none where it is about a partition as a whole.
    pub offset: Option<i64>,
    /// The tables concerned.
    pub tables: Vec<&'static str>,
}

/// Offsets of one partition that were verified: from `first_offset` to before `next_offset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The words of the table `consumer_offset`.
pub struct Partition {
    pub partition: i32,
    pub first_offset: i64,
    pub next_offset: i64,
}

/// Findings that are named one by one; all are counted.
const NAMED_MAX: usize = 100;

/// Findings as they come in.
#[derive(Debug, Default)]
pub(super) struct Findings {
    counts: BTreeMap<&'static str, u64>,
    named: BTreeSet<Finding>,
}

impl Findings {
    /// Holds the events of one bucket against its outcomes.
    pub(super) fn compare(&mut self, partition: i32, events: &[Entry], outcomes: &[Entry]) {
        let mut by_offset: BTreeMap<i64, Vec<&Entry>> = BTreeMap::new();
        outcomes
            .iter()
            .for_each(|outcome| by_offset.entry(outcome.offset).or_default().push(outcome));
        for event in events {
            let found = by_offset.remove(&event.offset).unwrap_or_default();
            let kind = match found[..] {
                [] => "missing",
                [one] if one.digest == event.digest => continue,
                [_] => "altered",
                _ => "doubled",
            };
            let tables = found.iter().map(|outcome| outcome.table).collect();
            self.add(kind, partition, Some(event.offset), tables);
        }
        for (offset, found) in by_offset {
            let tables = found.iter().map(|outcome| outcome.table).collect();
            self.add("invented", partition, Some(offset), tables);
        }
    }

    /// Offsets without events must be the gaps that were recorded, and the other way round.
    pub(super) fn gaps(
        &mut self,
        spans: &Spans,
        missing: &[(i32, i64, i64)],
        recorded: &[(i32, i64, i64)],
    ) {
        for (partition, first, end) in uncovered(missing, recorded) {
            self.run("invented", partition, first, end, "consumer_offset");
        }
        for (partition, first, end) in uncovered(recorded, missing) {
            // What Kafka no longer has says nothing, nor what is not applied yet.
            let Some(span) = spans.get(&partition) else { continue };
            self.run(
                "invented",
                partition,
                first.max(span.first),
                end.min(span.next),
                "offset_gap",
            );
        }
    }

    /// Duplicates and collisions whose other event is not where they say.
    pub(super) fn unresolved(&mut self, unresolved: &[(i32, i64, &'static str)]) {
        for (partition, offset, table) in unresolved {
            self.add("unresolved", *partition, Some(*offset), vec![table]);
        }
    }

    fn run(
        &mut self,
        kind: &'static str,
        partition: i32,
        first: i64,
        end: i64,
        table: &'static str,
    ) {
        for offset in first..end {
            self.add(kind, partition, Some(offset), vec![table]);
        }
    }

    /// The running totals must be what the tables hold.
    pub(super) fn totals(
        &mut self,
        counted: &BTreeMap<i32, Totals>,
        running: &BTreeMap<i32, Totals>,
    ) {
        for (partition, counted) in counted {
            let running = running.get(partition).copied().unwrap_or_default();
            let wrong = (0..TABLES.len()).filter(|at| counted[*at] != running[*at]);
            let tables: Vec<&'static str> = wrong.map(|at| TABLES[at]).collect();
            if !tables.is_empty() {
                self.add("totals", *partition, None, tables);
            }
        }
    }

    fn add(
        &mut self,
        kind: &'static str,
        partition: i32,
        offset: Option<i64>,
        tables: Vec<&'static str>,
    ) {
        *self.counts.entry(kind).or_default() += 1;
        if self.named.len() < NAMED_MAX {
            self.named.insert(Finding { kind, partition, offset, tables });
        }
    }

    fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or_default()
    }
}

/// What of `runs` no run of `by` covers; both ordered by partition and offset.
fn uncovered(runs: &[(i32, i64, i64)], by: &[(i32, i64, i64)]) -> Vec<(i32, i64, i64)> {
    let mut rest = Vec::new();
    for (partition, first, end) in runs {
        let mut from = *first;
        for (_, by_first, by_end) in by.iter().filter(|run| run.0 == *partition) {
            if *by_end <= from || *by_first >= *end {
                continue;
            }
            if *by_first > from {
                rest.push((*partition, from, *by_first));
            }
            from = from.max(*by_end);
        }
        if from < *end {
            rest.push((*partition, from, *end));
        }
    }
    rest
}

impl Report {
    pub(super) fn new(
        snapshot: &Snapshot<'_>,
        spans: &Spans,
        lost: &BTreeMap<i32, i64>,
        events: u64,
        outcomes: u64,
        findings: Findings,
    ) -> Self {
        let mut not_checked = vec![
            "decisions: zone, reasons, live or late, permission clock".to_owned(),
            "headers, reasons and messages of dead letters".to_owned(),
            "events that no consumer has applied yet".to_owned(),
        ];
        let gone: i64 = lost.values().sum();
        if gone > 0 {
            not_checked.push(format!("{gone} offsets that Kafka no longer has"));
        }
        let partition = |(partition, span): (&i32, &super::Span)| Partition {
            partition: *partition,
            first_offset: span.first,
            next_offset: span.next,
        };
        Self {
            ok: findings.counts.is_empty(),
            topic: snapshot.topic.clone(),
            events,
            outcomes,
            missing: findings.count("missing"),
            doubled: findings.count("doubled"),
            altered: findings.count("altered"),
            invented: findings.count("invented"),
            unresolved: findings.count("unresolved"),
            totals_wrong: findings.count("totals"),
            findings: findings.named.into_iter().collect(),
            partitions: spans.iter().map(partition).collect(),
            not_checked,
        }
    }

    /// The one line that matters.
    pub fn line(&self) -> String {
        let verdict = if self.ok { "ok" } else { "NOT ok" };
        format!(
            "{verdict}: {} events, {} outcomes: {} missing, {} doubled, {} altered, {} invented",
            self.events, self.outcomes, self.missing, self.doubled, self.altered, self.invented
        )
    }

    pub(super) fn render(&self) -> String {
        let mut text = format!("{}\n", self.line());
        if !self.findings.is_empty() {
            let mut table = Table::new(["what", "partition", "offset", "tables"], &[0, 3]);
            for finding in &self.findings {
                let offset = finding.offset.map_or_else(|| "-".to_owned(), |o| o.to_string());
                let tables = finding.tables.join(", ");
                table.row([finding.kind.to_owned(), finding.partition.to_string(), offset, tables]);
            }
            text += &table.render();
        }
        for what in &self.not_checked {
            text += &format!("not checked: {what}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use schemas::Digest;

    use super::*;

    fn entry(offset: i64, digest: u128, table: &'static str) -> Entry {
        Entry { partition: 0, offset, digest: Digest(digest), table }
    }

    #[test]
    fn each_kind_of_difference_is_named() {
        let log: Vec<_> = (0..4).map(|offset| entry(offset, 7, "log")).collect();
        let tables = [
            entry(0, 7, "access_log"),
            entry(1, 8, "access_log"),
            entry(2, 7, "access_log"),
            entry(2, 7, "dead_letter"),
            entry(9, 7, "collision"),
        ];
        let mut findings = Findings::default();
        findings.compare(0, &log, &tables);
        let spans = Spans::from([(0, super::super::Span { first: 0, next: 40 })]);
        findings.gaps(&spans, &[(0, 20, 24)], &[(0, 20, 23), (0, 30, 31)]);
        let found: Vec<_> = findings.named.iter().map(|f| (f.kind, f.offset)).collect();
        let expected = [
            ("altered", Some(1)),
            ("doubled", Some(2)),
            ("invented", Some(9)),
            ("invented", Some(23)),
            ("invented", Some(30)),
            ("missing", Some(3)),
        ];
        assert_eq!(found, expected);
    }
}
