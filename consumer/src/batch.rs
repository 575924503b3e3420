//! What one transaction applies: the chunks that waited, and how far they carry each partition.

use std::collections::BTreeMap;

use crate::chunk::{Chunk, Claim, Gap, Record};
use crate::claims::Claims;

/// The records of one transaction.
#[derive(Debug)]
pub(crate) struct Batch {
    chunks: Vec<Chunk>,
    /// By partition: the order in which their rows are locked.
    parts: BTreeMap<i32, Part>,
}

/// One partition's share of a batch: every offset from `first` to before `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) claim: Claim,
    pub(crate) first: i64,
    pub(crate) next: i64,
    pub(crate) gaps: Vec<Gap>,
}

impl Batch {
    /// Merges chunks in the order they came, leaving out what belongs to a claim that is no longer
    /// held.
    pub(crate) fn merge(chunks: Vec<Chunk>, claims: &Claims) -> Self {
        let mut parts: BTreeMap<i32, Part> = BTreeMap::new();
        let mut extend = |claim: Claim, first: i64, next: i64, gap: Option<Gap>| {
            let part = parts.entry(claim.partition).or_insert_with(|| Part {
                claim,
                first,
                next,
                gaps: Vec::new(),
            });
            part.first = part.first.min(first);
            part.next = part.next.max(next);
            part.gaps.extend(gap);
        };
        let held = claims.held();
        for chunk in &chunks {
            for (claim, gap) in chunk.gaps().iter().filter(|(claim, _)| held.contains(claim)) {
                extend(*claim, gap.first, gap.end, Some(*gap));
            }
            for record in chunk.records().filter(|record| held.contains(&record.claim())) {
                extend(record.claim(), record.offset(), record.offset() + 1, None);
            }
        }
        Self { chunks, parts }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.values()
    }

    /// Whether the record at `offset` of `claim` is still to be applied.
    pub(crate) fn holds(&self, claim: Claim, offset: i64) -> bool {
        self.parts
            .get(&claim.partition)
            .is_some_and(|part| part.claim == claim && (part.first..part.next).contains(&offset))
    }

    /// The records, each partition's in the order of the log.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.chunks
            .iter()
            .flat_map(Chunk::records)
            .filter(|record| self.holds(record.claim(), record.offset()))
    }

    /// The chunks, for their memory to be used again.
    pub(crate) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }

    /// Leaves out the partitions whose claims were lost meanwhile.
    pub(crate) fn keep_held(&mut self, claims: &Claims) {
        let held = claims.held();
        self.parts.retain(|_, part| held.contains(&part.claim));
    }

    /// Leaves a partition out: its claim was lost, or all of it has been applied before.
    pub(crate) fn drop_part(&mut self, partition: i32) {
        self.parts.remove(&partition);
    }

    /// Leaves out what lies before `first`: it has been applied before.
    pub(crate) fn skip_to(&mut self, partition: i32, first: i64) {
        if let Some(part) = self.parts.get_mut(&partition) {
            part.first = first;
            part.gaps.retain(|gap| gap.first >= first);
            if part.first >= part.next {
                self.parts.remove(&partition);
            }
        }
    }
}
