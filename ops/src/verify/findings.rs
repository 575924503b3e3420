//! What is wrong, as it is found: all of it is counted, the first of it named.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::gaps::Run;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// `missing`, `doubled`, `altered`, `invented`, `unread`, `unresolved`, `runs`, `totals`, `seal`,
    /// `chain`, `dropped`, `bucket`, `event_id_reused` or `counter_reused`; `gatelog verify --help`
    /// explains them.
    pub kind: &'static str,
    /// Where in the log.
    pub partition: i32,
    /// Where in the partition, or the first offset of the bucket that it is about; none where it is
    /// about a partition as a whole.
    pub offset: Option<i64>,
    /// The tables concerned.
    pub tables: Vec<&'static str>,
    /// The other event, where it takes two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Place>,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // Kafka's words.
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// Findings of one kind that are named one by one.
const NAMED_MAX: usize = 100;

/// Findings as they come in.
#[derive(Debug, Default)]
pub(super) struct Findings {
    counts: BTreeMap<&'static str, u64>,
    named: BTreeMap<&'static str, BTreeSet<Finding>>,
}

impl Findings {
    pub(super) fn add(
        &mut self,
        kind: &'static str,
        partition: i32,
        offset: Option<i64>,
        tables: Vec<&'static str>,
    ) {
        self.push(Finding { kind, partition, offset, tables, other: None });
    }

    pub(super) fn push(&mut self, finding: Finding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        let named = self.named.entry(finding.kind).or_default();
        if named.len() < NAMED_MAX {
            named.insert(finding);
        }
    }

    /// Each offset of a run, which may be very long.
    pub(super) fn run(&mut self, kind: &'static str, run: Run, table: &'static str) {
        let span = run.span;
        let named = span.next.min(span.first.saturating_add(NAMED_MAX as i64));
        for offset in span.first..named {
            self.add(kind, run.partition, Some(offset), vec![table]);
        }
        self.more(kind, (span.next - named).unsigned_abs());
    }

    /// More of a kind, of which the first were named.
    pub(super) fn more(&mut self, kind: &'static str, count: u64) {
        if count > 0 {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    pub(super) fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many are counted and not named.
    pub(super) fn not_named(&self) -> u64 {
        let named: usize = self.named.values().map(BTreeSet::len).sum();
        self.counts.values().sum::<u64>().saturating_sub(named as u64)
    }

    /// Those that are named, by kind and place.
    pub(super) fn named(self) -> Vec<Finding> {
        self.named.into_values().flatten().collect()
    }
}
