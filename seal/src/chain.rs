use sha2::{Digest as _, Sha256};

use crate::Sum;

/// What ties a seal to the ones before it: SHA-256 (FIPS 180-4) over the chain so far and this
/// seal's own contents.
///
/// It has no secret: it shows that a seal was altered or left out, not by whom, and whoever writes
/// the whole chain anew is found by the log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// Before the first seal of a partition.
    pub const START: Self = Self([0; 32]);

    /// The chain after a bucket of a partition was sealed with `sum`.
    pub fn next(self, partition: i32, bucket: i64, sum: &Sum) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(partition.to_be_bytes());
        hash.update(bucket.to_be_bytes());
        hash.update(sum.events.to_be_bytes());
        hash.update(sum.digest.0.to_be_bytes());
        // Both ends are there, or none.
        for end in sum.occurred.into_iter().flat_map(|(min, max)| [min, max]) {
            hash.update(end.unix_ms().to_be_bytes());
        }
        Self(hash.finalize().into())
    }
}
