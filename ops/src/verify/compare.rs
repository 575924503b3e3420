//! Three tellings of one thing, bucket by bucket: what the log says, what was sealed of it, and what
//! the tables hold.

use std::collections::{BTreeMap, BTreeSet};

use seal::{Sum, bucket_start};

use super::findings::Findings;
use super::scope::{Part, Scope};
use super::snapshot::Position;
use super::sums::Sums;
use super::{Span, overlap};

/// What the comparison leaves to do and to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Buckets whose events differ, to be looked at one by one.
    pub(super) differ: BTreeSet<(i32, i64)>,
    /// Offsets that Kafka no longer has, but seals and tables say the same.
    pub(super) by_seals: i64,
    /// Offsets that Kafka no longer has, and that no seal speaks of either.
    pub(super) unproved: i64,
    /// Offsets whose loss an operator accepted.
    pub(super) lost: i64,
}

/// Compares every bucket that is verified.
pub(super) fn buckets(
    positions: &BTreeMap<i32, Position>,
    scope: &Scope,
    log: &Sums,
    stands: &Sums,
    findings: &mut Findings,
) -> Compared {
    let mut compared = Compared::default();
    for (partition, part) in scope.parts() {
        let Some(position) = positions.get(&partition) else { continue };
        for bucket in part.buckets() {
            let dropped = position.dropped.get(&bucket).map(|dropped| dropped.sum());
            let one = Bucket {
                position,
                part,
                told: position.told(bucket),
                log: log.of(partition, bucket),
                stands: stands.of(partition, bucket),
                stands_in_kafka: stands.in_kafka(partition, bucket),
                dropped,
                span: part.of_bucket(bucket),
            };
            if one.seal_is_wrong() {
                let table = if bucket_start(bucket + 1) > position.next {
                    "consumer_offset"
                } else {
                    "log_seal"
                };
                findings.add("seal", partition, Some(bucket_start(bucket)), vec![table]);
            }
            if one.events_differ() {
                compared.differ.insert((partition, bucket));
            }
            let gone = one.gone();
            match one.told {
                Some(_) => compared.by_seals += gone,
                None => compared.unproved += gone,
            }
            compared.lost += position.lost(one.span);
        }
    }
    compared
}

/// One bucket.
struct Bucket<'p> {
    position: &'p Position,
    part: &'p Part,
    /// What was sealed; none where the seal is missing, which the chain tells.
    told: Option<Sum>,
    /// What Kafka still has.
    log: Sum,
    stands: Sum,
    /// Of that, what belongs to offsets that Kafka still has.
    stands_in_kafka: Sum,
    /// What is kept of outcomes that were dropped with their days.
    dropped: Option<Sum>,
    span: Span,
}

impl Bucket<'_> {
    /// Offsets that Kafka no longer has, without those whose loss is known.
    fn gone(&self) -> i64 {
        let gone = Span { first: self.span.first, next: self.part.low };
        overlap(gone, self.span)
            - self.position.lost(Span { next: gone.next.min(self.span.next), ..gone })
    }

    /// Whether the seal says something else than the log or, where Kafka lacks some of it, than the
    /// tables.
    fn seal_is_wrong(&self) -> bool {
        let Some(told) = self.told else { return false };
        if self.gone() == 0 {
            return told != self.log;
        }
        let mut outcomes = self.stands;
        outcomes += self.dropped.unwrap_or_default();
        // Of what was dropped no times are kept.
        let same_times = self.dropped.is_some() || told.occurred == outcomes.occurred;
        !(told.agrees(&outcomes) && same_times)
    }

    /// Whether the tables hold other events than the log, as far as Kafka has it.
    fn events_differ(&self) -> bool {
        let mut outcomes = self.stands_in_kafka;
        match self.dropped {
            None => !outcomes.agrees(&self.log),
            Some(dropped) if self.gone() == 0 => {
                outcomes += dropped;
                !outcomes.agrees(&self.log)
            }
            // What was dropped belongs to offsets that Kafka has and to such that it has not: only
            // the whole can be compared, and what of it can be named.
            Some(_) => self.seal_is_wrong() && self.part.low < self.span.next,
        }
    }
}
