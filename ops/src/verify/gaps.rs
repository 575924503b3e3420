//! Offsets without events: what the log has, against what the consumers recorded.

use std::collections::BTreeMap;

use seal::bucket_of;

use super::findings::Findings;
use super::log::Runs;
use super::snapshot::{Position, TOTALS, Totals};
use super::sums::{Found, Sums};
use super::{Scope, Span, overlap};

/// A run of offsets of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) partition: i32,
    pub(super) span: Span,
}

/// In what was `read` of the log, the offsets that turned out `empty` must be the gaps that were
/// recorded, and the other way round: an offset that was recorded as lost, but whose event is there,
/// is as wrong as a gap that is none.
pub(super) fn check(
    positions: &BTreeMap<i32, Position>,
    read: &Runs,
    empty: &[Run],
    findings: &mut Findings,
) {
    for (partition, runs) in read {
        let Some(position) = positions.get(partition) else { continue };
        let of = empty.partition_point(|run| run.partition < *partition);
        let empty: Vec<Span> = empty[of..]
            .iter()
            .take_while(|run| run.partition == *partition)
            .map(|run| run.span)
            .collect();
        let recorded: Vec<Span> = position.gaps.iter().map(|gap| gap.span).collect();
        for span in without(&empty, &recorded) {
            findings.run("invented", Run { partition: *partition, span }, "consumer_offset");
        }
        // What Kafka no longer has says nothing, nor what was not asked for.
        for span in without(&within(&recorded, runs), &empty) {
            findings.run("invented", Run { partition: *partition, span }, "offset_gap");
        }
    }
}

/// The running totals must be what the tables hold, with what is kept of days that are gone.
pub(super) fn totals(
    positions: &BTreeMap<i32, Position>,
    scope: &Scope,
    stands: &Sums,
    findings: &mut Findings,
) {
    for (partition, part) in scope.parts() {
        let Some(position) = positions.get(&partition) else { continue };
        if position.next < position.first {
            continue;
        }
        let mut counted: Totals = [0; 7];
        for found in Found::TABLES {
            counted[found as usize] = stands.found(partition, found);
        }
        let buckets = bucket_of(position.first)..=bucket_of(position.next);
        for dropped in position.dropped.range(buckets).map(|(_, dropped)| dropped) {
            for (counted, dropped) in counted.iter_mut().zip(dropped.counts) {
                *counted += dropped;
            }
        }
        for gap in &position.gaps {
            counted[if gap.lost { 6 } else { 5 }] += overlap(gap.span, part.span);
        }
        let wrong = (0..TOTALS.len()).filter(|at| counted[*at] != position.running[*at]);
        let mut tables: Vec<&'static str> = wrong
            .map(|at| Found::TABLES.get(at).map_or("offset_gap", |found| found.name()))
            .collect();
        tables.dedup();
        if !tables.is_empty() {
            findings.add("totals", partition, None, tables);
        }
    }
}

/// What of `spans` no span of `by` covers; both in order.
fn without(spans: &[Span], by: &[Span]) -> Vec<Span> {
    let (mut rest, mut at) = (Vec::new(), 0);
    for span in spans {
        let mut from = span.first;
        while by.get(at).is_some_and(|by| by.next <= from) {
            at += 1;
        }
        for by in by[at..].iter().take_while(|by| by.first < span.next) {
            if by.first > from {
                rest.push(Span { first: from, next: by.first });
            }
            from = from.max(by.next);
        }
        if from < span.next {
            rest.push(Span { first: from, next: span.next });
        }
    }
    rest
}

/// What of `spans` lies in one of `runs`; both in order.
fn within(spans: &[Span], runs: &[Span]) -> Vec<Span> {
    let mut inside = Vec::new();
    for run in runs {
        let of = spans.partition_point(|span| span.next <= run.first);
        for span in spans[of..].iter().take_while(|span| span.first < run.next) {
            inside.push(Span { first: span.first.max(run.first), next: span.next.min(run.next) });
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0_i64..5, 1_i64..5), 0..8).prop_map(|steps| {
            let mut from = 0;
            let span = |(gap, length)| {
                let first = from + gap;
                from = first + length;
                Span { first, next: from }
            };
            steps.into_iter().map(span).collect()
        })
    }

    fn offsets(spans: &[Span]) -> Vec<i64> {
        spans.iter().flat_map(|span| span.first..span.next).collect()
    }

    proptest! {
        #[test]
        fn spans_are_sets_of_offsets(one in spans(), other in spans()) {
            let (ours, theirs) = (offsets(&one), offsets(&other));
            let (inside, outside): (Vec<i64>, Vec<i64>) =
                ours.into_iter().partition(|offset| theirs.contains(offset));
            prop_assert_eq!(offsets(&within(&one, &other)), inside);
            prop_assert_eq!(offsets(&without(&one, &other)), outside);
        }
    }
}
