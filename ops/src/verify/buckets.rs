//! Sums over buckets of offsets: what lets two large sets be compared in little memory.

use std::collections::BTreeMap;

use schemas::Digest;

use super::Spans;

/// Offsets of one bucket.
pub(super) const BUCKET_OFFSETS: i64 = 10_000;

/// Something at an offset: an event of the log, or an outcome in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// What it says about the event, as one number.
    pub(super) digest: Digest,
    /// Where it was found.
    pub(super) table: &'static str,
}

/// A bucket that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) partition: i32,
    pub(super) first: i64,
}

/// Count and digest of each bucket of each partition.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    partitions: BTreeMap<i32, Vec<(u64, Digest)>>,
}

impl Buckets {
    pub(super) fn new(spans: &Spans) -> Self {
        let empty = |span: &super::Span| {
            let last = span.next.div_euclid(BUCKET_OFFSETS) + 1;
            vec![(0, Digest::default()); usize::try_from(last).unwrap_or_default()]
        };
        let partitions = spans.iter().map(|(partition, span)| (*partition, empty(span)));
        Self { partitions: partitions.collect() }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        let buckets = self.partitions.entry(entry.partition).or_default();
        let at = usize::try_from(entry.offset.div_euclid(BUCKET_OFFSETS)).unwrap_or_default();
        if at >= buckets.len() {
            buckets.resize(at + 1, (0, Digest::default()));
        }
        buckets[at].0 += 1;
        buckets[at].1 += entry.digest;
    }

    /// Everything that was added.
    pub(super) fn count(&self) -> u64 {
        self.partitions.values().flatten().map(|(count, _)| count).sum()
    }

    /// The buckets whose count or digest is another in `other`.
    pub(super) fn differing(&self, other: &Self) -> Vec<Bucket> {
        let mut differing = Vec::new();
        let none = (0, Digest::default());
        let partitions: std::collections::BTreeSet<_> =
            self.partitions.keys().chain(other.partitions.keys()).collect();
        for partition in partitions {
            let (ours, theirs) = (self.partitions.get(partition), other.partitions.get(partition));
            let length = ours.map_or(0, Vec::len).max(theirs.map_or(0, Vec::len));
            let at = |side: Option<&Vec<(u64, Digest)>>, i| side.and_then(|s| s.get(i).copied());
            differing.extend(
                (0..length)
                    .filter(|i| at(ours, *i).unwrap_or(none) != at(theirs, *i).unwrap_or(none))
                    .map(|i| Bucket { partition: *partition, first: i as i64 * BUCKET_OFFSETS }),
            );
        }
        differing
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(partition: i32, offset: i64, digest: u128) -> Entry {
        Entry { partition, offset, digest: Digest(digest), table: "t" }
    }

    proptest! {
        /// In whatever order things are added, just the buckets that hold a difference differ.
        #[test]
        fn only_what_differs_differs(
            entries in prop::collection::vec((0..3, 0_i64..40_000, any::<u128>()), 1..50),
            at in any::<prop::sample::Index>()
        ) {
            let changed = at.index(entries.len());
            let (mut one, mut other) = (Buckets::default(), Buckets::default());
            for (partition, offset, digest) in &entries {
                one.add(&entry(*partition, *offset, *digest));
            }
            for (i, (partition, offset, digest)) in entries.iter().enumerate().rev() {
                let digest = digest.wrapping_add(u128::from(i == changed));
                other.add(&entry(*partition, *offset, digest));
            }
            let (partition, offset, _) = entries[changed];
            let first = offset / BUCKET_OFFSETS * BUCKET_OFFSETS;
            prop_assert_eq!(one.differing(&other), vec![Bucket { partition, first }]);
            prop_assert_eq!(one.differing(&one), vec![]);
        }
    }
}
