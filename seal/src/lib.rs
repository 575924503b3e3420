//! What the log said, ten thousand offsets at a time: count, digest and time range of each bucket,
//! chained. Pure.
//!
//! A seal knows nothing of what became of the events: log, seals and tables are three tellings of
//! one thing, and `gatelog verify` holds them against each other. The consumer writes seals with
//! the rows they stand for; whoever alters one afterwards breaks the chain.

mod chain;
mod open;
mod sum;

pub use chain::Chain;
pub use open::{Open, Seal};
pub use sum::Sum;

/// Offsets of one bucket.
pub const BUCKET_OFFSETS: i64 = 10_000;

/// The bucket that an offset lies in: bucket `b` is the offsets from `b · 10,000` to before
/// `(b + 1) · 10,000`.
pub const fn bucket_of(offset: i64) -> i64 {
    offset.div_euclid(BUCKET_OFFSETS)
}

/// First offset of a bucket.
pub const fn bucket_start(bucket: i64) -> i64 {
    bucket * BUCKET_OFFSETS
}
