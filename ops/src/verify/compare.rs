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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use schemas::{Digest, Millis};
    use seal::{Chain, Open, bucket_of};

    use super::*;
    use crate::verify::Options;
    use crate::verify::snapshot::Dropped;
    use crate::verify::sums::{Entry, Found};

    /// One event: its offset, and whether its outcome was dropped with its day.
    type Event = (i64, bool);

    /// A partition that was read from 7,000 to 33,000, and what the tables hold of it.
    struct Told {
        position: Position,
        stands: Vec<Entry>,
        log: Vec<Entry>,
    }

    impl Told {
        fn new(events: &[Event]) -> Self {
            let entry = |offset: i64, found| Entry {
                partition: 0,
                offset,
                digest: Digest(offset as u128 * 7_919 + 1),
                occurred_at: Some(Millis::from_unix_ms(offset)),
                found,
            };
            let mut sums: BTreeMap<i64, Sum> = BTreeMap::new();
            let mut dropped: BTreeMap<i64, Dropped> = BTreeMap::new();
            let (mut stands, mut log) = (Vec::new(), Vec::new());
            for (offset, was_dropped) in events {
                let event = entry(*offset, Found::Log);
                let bucket = bucket_of(*offset);
                sums.entry(bucket).or_default().add(event.digest, event.occurred_at);
                log.push(event);
                if *was_dropped {
                    let sum = dropped.entry(bucket).or_default();
                    sum.counts[0] += 1;
                    sum.digest += event.digest;
                } else {
                    stands.push(entry(*offset, Found::Row));
                }
            }
            let mut open = Open::start(7_000);
            let seals = open.advance(0, 33_000, &sums.into_iter().collect::<Vec<_>>());
            let position = Position {
                first: 7_000,
                next: 33_000,
                applied_to: 33_000,
                before_base: 0,
                chain_before: Chain::START,
                chain: open.chain,
                open: open.sum,
                seals: seals.iter().map(|seal| (seal.bucket, (seal.sum, seal.chain))).collect(),
                dropped,
                gaps: Vec::new(),
                running: [0; 7],
            };
            Self { position, stands, log }
        }

        /// Compares, where Kafka begins at `low`: the buckets whose seal is wrong, those that differ,
        /// and the rest.
        fn compare(&self, low: i64) -> (Vec<i64>, Vec<i64>, Compared) {
            let positions = BTreeMap::from([(0, self.position.clone())]);
            let lows = BTreeMap::from([(0, low)]);
            let scope = Arc::new(Scope::new(&positions, &lows, &Options::default()));
            let (mut log, mut stands) = (Sums::new(&scope), Sums::new(&scope));
            self.log.iter().filter(|event| event.offset >= low).for_each(|event| log.add(event));
            self.stands.iter().rev().for_each(|outcome| stands.add(outcome));
            let mut findings = Findings::default();
            let compared = buckets(&positions, &scope, &log, &stands, &mut findings);
            let seals = findings.named();
            let seals = seals.iter().map(|found| bucket_of(found.offset.unwrap())).collect();
            (seals, compared.differ.iter().map(|(_, bucket)| *bucket).collect(), compared)
        }
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        prop::collection::btree_map(7_000_i64..33_000, any::<bool>(), 1..60)
            .prop_map(|events| events.into_iter().collect())
    }

    proptest! {
        /// Three tellings of the same agree, wherever Kafka begins and whatever was dropped.
        #[test]
        fn what_is_right_is_right(events in events(), low in 0_i64..40_000) {
            let (seals, differ, compared) = Told::new(&events).compare(low);
            prop_assert!(seals.is_empty() && differ.is_empty(), "{seals:?} {differ:?}");
            let gone = (low.clamp(7_000, 33_000)) - 7_000;
            prop_assert_eq!((compared.by_seals, compared.unproved), (gone, 0));
        }

        /// An outcome that is altered or gone is found in its bucket, and in no other: by the log
        /// where Kafka has it, else by the seal.
        #[test]
        fn just_the_bucket_that_is_wrong_is_found(
            events in events(),
            low in 0_i64..40_000,
            at in any::<prop::sample::Index>(),
            is_gone in any::<bool>()
        ) {
            let mut told = Told::new(&events);
            prop_assume!(!told.stands.is_empty());
            let at = at.index(told.stands.len());
            let offset = told.stands[at].offset;
            if is_gone {
                told.stands.remove(at);
            } else {
                told.stands[at].digest += Digest(1);
            }
            let (seals, differ, _) = told.compare(low);
            let bucket = bucket_of(offset);
            let is_cut = bucket == bucket_of(low.max(7_000)) && low > 7_000 && low % 10_000 != 0;
            let was_dropped = told.position.dropped.contains_key(&bucket);
            if offset >= low {
                prop_assert_eq!(differ, vec![bucket]);
            } else {
                // Opened only where a part of it cannot be compared as a sum.
                let opened = is_cut && was_dropped && low < 33_000;
                prop_assert_eq!(differ, if opened { vec![bucket] } else { vec![] });
            }
            let by_seal = offset < low || is_cut;
            prop_assert_eq!(seals, if by_seal { vec![bucket] } else { vec![] });
        }

        /// A seal that says something else is found, by log or tables.
        #[test]
        fn a_forged_seal_is_found(events in events(), low in 0_i64..40_000, bucket in 0_i64..3) {
            let mut told = Told::new(&events);
            if let Some((sum, _)) = told.position.seals.get_mut(&bucket) {
                sum.digest += Digest(1);
            }
            let (seals, _, _) = told.compare(low);
            prop_assert_eq!(seals, vec![bucket]);
        }
    }
}
