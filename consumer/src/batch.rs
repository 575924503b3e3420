//! What one transaction applies: the chunks that waited, and how far they carry each partition.

use crate::by_partition::ByPartition;
use crate::chunk::{Chunk, Claim, Gap, Record};
use crate::claims::Claims;
use crate::progress::Progress;

/// The records of one transaction.
#[derive(Debug)]
pub(crate) struct Batch {
    chunks: Vec<Chunk>,
    parts: ByPartition<Part>,
}

/// One partition's share of a batch: every offset from `first` to before `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) claim: Claim,
    pub(crate) first: i64,
    pub(crate) next: i64,
    pub(crate) gaps: Vec<Gap>,
    /// How far the partition is before the batch.
    pub(crate) before: Progress,
}

impl Part {
    /// Whether some of its offsets may have their outcome already: the log is being read again.
    pub(crate) fn read_again(&self) -> bool {
        self.first < self.before.applied_to
    }
}

impl Batch {
    /// Merges chunks in the order they came, leaving out what belongs to a claim that is no longer
    /// held.
    pub(crate) fn merge(chunks: Vec<Chunk>, claims: &Claims) -> Self {
        let held = claims.held();
        let mut parts: ByPartition<Part> = ByPartition::default();
        let mut extend = |claim: Claim, first: i64, next: i64, gap: Option<Gap>| {
            let slot = parts.slot(claim.partition);
            if slot.is_none() {
                let new = |before| Part { claim, first, next, gaps: Vec::new(), before };
                *slot = held.get(&claim).copied().map(new);
            }
            if let Some(part) = slot.as_mut().filter(|part| part.claim == claim && next > first) {
                // A wake has no place: a record that follows must stand where the fence asks for, and
                // one that it follows stays where it is.
                part.first = if part.first == part.next { first } else { part.first.min(first) };
                part.next = part.next.max(next);
                part.gaps.extend(gap);
            }
        };
        for chunk in &chunks {
            for claim in chunk.wakes() {
                // Where its next record would stand, if one came.
                if let Some(next) = held.get(claim).map(|before| before.open.next_offset) {
                    extend(*claim, next, next, None);
                }
            }
            for (claim, gap) in chunk.gaps() {
                extend(*claim, gap.first, gap.end, Some(*gap));
            }
            for record in chunk.records() {
                extend(record.claim(), record.offset(), record.offset() + 1, None);
            }
        }
        Self { chunks, parts }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts().next().is_none()
    }

    /// All of it is committed, and handed over.
    pub(crate) fn done(&self) {
        self.chunks.iter().for_each(Chunk::done);
    }

    /// In the order of the partitions, in which their rows are locked.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.values()
    }

    /// One partition's share.
    pub(crate) fn part(&self, partition: i32) -> Option<&Part> {
        self.parts.get(partition)
    }

    /// The records, each partition's in the order of the log.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.chunks
            .iter()
            .flat_map(Chunk::records)
            .filter(|record| self.holds(record.claim(), record.offset()))
    }

    /// Leaves out the partitions whose claims were lost meanwhile.
    pub(crate) fn keep_held(&mut self, claims: &Claims) {
        let held = claims.held();
        self.parts.retain(|part| held.contains_key(&part.claim));
    }

    /// Leaves a partition out: its claim was lost, or all of it has been applied before.
    pub(crate) fn drop_part(&mut self, partition: i32) {
        self.parts.remove(partition);
    }

    /// Leaves out what a partition is past already.
    pub(crate) fn skip_to(&mut self, partition: i32, before: Progress) {
        let Some(part) = self.parts.get_mut(partition) else { return };
        part.before = before;
        part.first = before.open.next_offset;
        part.gaps.retain(|gap| gap.first >= part.first);
        if part.first >= part.next {
            self.parts.remove(partition);
        }
    }

    /// Whether the offset at this place may have its outcome already: it is being read again.
    pub(crate) fn stands(&self, (partition, offset): (i32, i64)) -> bool {
        self.part(partition).is_some_and(|part| offset < part.before.applied_to)
    }

    /// Whether the record at `offset` of `claim` is still to be applied.
    fn holds(&self, claim: Claim, offset: i64) -> bool {
        self.parts
            .get(claim.partition)
            .is_some_and(|part| part.claim == claim && (part.first..part.next).contains(&offset))
    }
}

#[cfg(test)]
mod tests {
    use schemas::Millis;
    use seal::{Chain, Open, Sum};
    use uuid::Uuid;

    use super::*;

    /// A claim that was granted at this offset.
    fn held(next_offset: i64) -> (Claims, Claim) {
        let claim = Claim { partition: 3, owner: Uuid::nil() };
        let open = Open { next_offset, sum: Sum::default(), chain: Chain([0; 32]) };
        let occurred_at_max = Millis::from_unix_ms(0);
        let claims = Claims::default();
        claims.hold(claim, Progress { open, occurred_at_max, applied_to: 0 }, false);
        (claims, claim)
    }

    #[test]
    fn a_wake_says_nothing_of_where_records_are() {
        let (claims, claim) = held(5);
        let wake = || {
            let mut chunk = Chunk::default();
            chunk.push_wake(claim);
            chunk
        };
        let records = || {
            let mut chunk = Chunk::default();
            for offset in [7, 8] {
                chunk.push_parts(claim, offset, None, None, &[]);
            }
            chunk
        };
        let extent = |chunks| {
            let batch = Batch::merge(chunks, &claims);
            batch.part(3).map(|part| (part.first, part.next))
        };
        assert_eq!(extent(vec![wake()]), Some((5, 5)));
        // The fence will refuse it: what lies between was not read.
        assert_eq!(extent(vec![wake(), records()]), Some((7, 9)));
        assert_eq!(extent(vec![records(), wake()]), Some((7, 9)));
    }
}
