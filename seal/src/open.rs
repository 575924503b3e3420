use crate::{Chain, Sum, bucket_of};

/// Where a partition is: the next offset, what was read of the bucket that it lies in, and the
/// chain of the buckets before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The next offset to be read.
    pub next_offset: i64,
    /// What was read of the bucket that `next_offset` lies in.
    pub sum: Sum,
    /// The chain up to the last bucket that was sealed.
    pub chain: Chain,
}

/// A bucket that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Its number.
    pub bucket: i64,
    /// Its events.
    pub sum: Sum,
    /// The chain up to and with it.
    pub chain: Chain,
}

impl Open {
    /// A partition of which nothing was read, and which begins at `first_offset`.
    pub const fn start(first_offset: i64) -> Self {
        Self {
            next_offset: first_offset,
            sum: Sum { events: 0, digest: schemas::Digest(0), occurred: None },
            chain: Chain::START,
        }
    }

    /// Goes on to `next_offset`, past events that were summed up by bucket, in order; buckets that
    /// are complete by then are returned. Offsets without events need no sum.
    pub fn advance(
        &mut self,
        partition: i32,
        next_offset: i64,
        events: &[(i64, Sum)],
    ) -> Vec<Seal> {
        let mut seals = Vec::new();
        let mut events = events.iter().peekable();
        for bucket in bucket_of(self.next_offset)..=bucket_of(next_offset) {
            while let Some((_, sum)) = events.next_if(|(of, _)| *of <= bucket) {
                self.sum += *sum;
            }
            if bucket < bucket_of(next_offset) {
                self.chain = self.chain.next(partition, bucket, &self.sum);
                seals.push(Seal { bucket, sum: std::mem::take(&mut self.sum), chain: self.chain });
            }
        }
        self.next_offset = next_offset;
        seals
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::{Digest, Millis};

    use super::*;
    use crate::BUCKET_OFFSETS;

    fn sums(events: &[(i64, u128)]) -> Vec<(i64, Sum)> {
        let mut sums: Vec<(i64, Sum)> = Vec::new();
        for (offset, digest) in events {
            let bucket = bucket_of(*offset);
            if sums.last().is_none_or(|(last, _)| *last != bucket) {
                sums.push((bucket, Sum::default()));
            }
            if let Some((_, sum)) = sums.last_mut() {
                sum.add(Digest(*digest), Some(Millis::from_unix_ms(*offset)));
            }
        }
        sums
    }

    proptest! {
        /// Wherever the log is cut into batches, the same buckets are sealed with the same sums, and
        /// the chain can be followed from its start.
        #[test]
        fn cutting_the_log_changes_no_seal(
            first in 0_i64..30_000,
            steps in prop::collection::vec((0_i64..9_000, any::<u128>()), 0..20),
            cut in any::<prop::sample::Index>()
        ) {
            let mut next = first;
            let mut events = Vec::new();
            for (gap, digest) in steps {
                next += gap;
                events.push((next, digest));
                next += 1;
            }
            let mut whole = Open::start(first);
            let seals = whole.advance(3, next, &sums(&events));

            let cut = cut.index(events.len() + 1);
            let middle = events.get(cut).map_or(next, |(offset, _)| *offset);
            let mut parts = Open::start(first);
            let mut sealed = parts.advance(3, middle, &sums(&events[..cut]));
            sealed.extend(parts.advance(3, next, &sums(&events[cut..])));
            prop_assert_eq!(&sealed, &seals);
            prop_assert_eq!(parts, whole);

            let mut chain = Chain::START;
            for (at, seal) in seals.iter().enumerate() {
                prop_assert_eq!(seal.bucket, bucket_of(first) + at as i64);
                let of = |offset: &i64| bucket_of(*offset) == seal.bucket;
                let inside: Vec<_> = events.iter().copied().filter(|(o, _)| of(o)).collect();
                let expected = sums(&inside).first().map_or(Sum::default(), |(_, sum)| *sum);
                prop_assert_eq!(seal.sum, expected);
                chain = chain.next(3, seal.bucket, &seal.sum);
                prop_assert_eq!(seal.chain, chain);
            }
            prop_assert_eq!(whole.chain, chain);
            prop_assert_eq!(seals.len() as i64, next / BUCKET_OFFSETS - first / BUCKET_OFFSETS);
        }
    }

    #[test]
    fn every_field_of_a_seal_is_in_its_chain() {
        let sum = Sum { events: 2, digest: Digest(7), occurred: None };
        let at = Millis::from_unix_ms;
        let chain = Chain::START.next(1, 5, &sum);
        for (partition, bucket, sum) in [
            (2, 5, sum),
            (1, 6, sum),
            (1, 5, Sum { events: 3, ..sum }),
            (1, 5, Sum { digest: Digest(8), ..sum }),
            (1, 5, Sum { occurred: Some((at(0), at(1))), ..sum }),
        ] {
            assert_ne!(Chain::START.next(partition, bucket, &sum), chain);
        }
        assert_ne!(chain.next(1, 5, &sum), chain);
    }
}
