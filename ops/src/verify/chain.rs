//! Seals against each other: each must follow from the one before.

use seal::{bucket_of, bucket_start};

use super::findings::Findings;
use super::snapshot::Position;

/// Follows a partition's seals from its start to `consumer_offset`; how many follow as they must.
pub(super) fn check(partition: i32, position: &Position, findings: &mut Findings) -> u64 {
    if position.next < position.first {
        // It is being read again from before the point where seals begin.
        return 0;
    }
    let (first, open) = (bucket_of(position.first), bucket_of(position.next));
    let (mut before, mut good) = (Some(position.chain_before), 0);
    for bucket in first..open {
        let Some((sum, chain)) = position.seals.get(&bucket) else {
            findings.add("chain", partition, Some(bucket_start(bucket)), vec!["log_seal"]);
            // What follows a seal that is missing cannot be told.
            before = None;
            continue;
        };
        if before.is_some_and(|before| before.next(partition, bucket, sum) != *chain) {
            findings.add("chain", partition, Some(bucket_start(bucket)), vec!["log_seal"]);
        } else {
            good += 1;
        }
        before = Some(*chain);
    }
    if before.is_some_and(|before| before != position.chain) {
        findings.add("chain", partition, Some(bucket_start(open)), vec!["consumer_offset"]);
    }
    // Ahead of the position there are seals only while the log is being read again.
    let end = bucket_of(position.next.max(position.applied_to));
    let strange = position
        .seals
        .keys()
        .filter(|bucket| **bucket >= end || (**bucket < first && position.before_base == 0));
    for bucket in strange {
        findings.add("seal", partition, Some(bucket_start(*bucket)), vec!["log_seal"]);
    }
    good
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemas::Digest;
    use seal::{Chain, Sum};

    use super::*;

    /// A partition that began at 15,000 and was read to 55,000.
    fn position() -> Position {
        let mut open = seal::Open::start(15_000);
        let sum = |bucket: i64| Sum { events: 1, digest: Digest(bucket as u128), occurred: None };
        let events: Vec<(i64, Sum)> = (1..=5).map(|bucket| (bucket, sum(bucket))).collect();
        let seals = open.advance(3, 55_000, &events);
        Position {
            first: 15_000,
            next: 55_000,
            applied_to: 55_000,
            before_base: 0,
            chain_before: Chain::START,
            chain: open.chain,
            open: open.sum,
            seals: seals.iter().map(|seal| (seal.bucket, (seal.sum, seal.chain))).collect(),
            dropped: BTreeMap::new(),
            gaps: Vec::new(),
            running: [0; 7],
        }
    }

    fn found(position: &Position) -> (u64, Vec<(&'static str, Option<i64>)>) {
        let mut findings = Findings::default();
        let good = check(3, position, &mut findings);
        (good, findings.named().iter().map(|found| (found.kind, found.offset)).collect())
    }

    #[test]
    fn an_altered_or_removed_seal_breaks_the_chain_where_it_stood() {
        assert_eq!(found(&position()), (4, vec![]));
        let mut altered = position();
        altered.seals.entry(2).and_modify(|(sum, _)| sum.events += 1);
        assert_eq!(found(&altered), (3, vec![("chain", Some(20_000))]));
        let mut removed = position();
        removed.seals.remove(&4);
        assert_eq!(found(&removed), (3, vec![("chain", Some(40_000))]));
        let mut end = position();
        end.chain = Chain::START;
        assert_eq!(found(&end), (4, vec![("chain", Some(50_000))]));
        let mut start = position();
        start.chain_before = end.seals[&4].1;
        assert_eq!(found(&start), (3, vec![("chain", Some(10_000))]));
    }

    #[test]
    fn a_seal_where_none_can_be_is_found_but_not_while_the_log_is_read_again() {
        let mut ahead = position();
        ahead.seals.insert(5, ahead.seals[&4]);
        assert_eq!(found(&ahead), (4, vec![("seal", Some(50_000))]));
        ahead.applied_to = 60_000;
        assert_eq!(found(&ahead), (4, vec![]));
        let mut behind = position();
        behind.seals.insert(0, behind.seals[&4]);
        assert_eq!(found(&behind), (4, vec![("seal", Some(0))]));
        behind.before_base = 1;
        assert_eq!(found(&behind), (4, vec![]));
    }
}
