//! How long to wait before another try, and how many there are.

use std::num::NonZeroU32;
use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Exponential backoff with full jitter: before try *n* + 1 wait a random time between nothing and
/// `base · 2^(n − 1)`, at most `cap`.
///
/// Full jitter spreads many clients that failed together best of the variants compared by Marc
/// Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// Longest wait before the second try, in ms.
    pub base_ms: u64,
    /// Longest wait before any try, in ms.
    pub cap_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_ms: 50, cap_ms: 5_000 }
    }
}

impl Backoff {
    /// How long to wait after `failures` failures in a row (1 or more).
    pub fn delay(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        Duration::from_millis(rng.random_range(0..=self.ceiling_ms(failures)))
    }

    /// The longest that [`Self::delay`] may say: exponential backoff without jitter.
    pub fn delay_max(&self, failures: u32) -> Duration {
        Duration::from_millis(self.ceiling_ms(failures))
    }

    fn ceiling_ms(&self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(63);
        self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms)
    }
}

/// How often something is tried, and what is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Tries in all, the first included.
    pub tries_max: NonZeroU32,
    /// What to wait between two.
    pub backoff: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries_max: NonZeroU32::MIN.saturating_add(7), backoff: Backoff::default() }
    }
}

impl Retries {
    /// How long to wait after `failures` failures in a row (1 or more), or that it was the last
    /// try.
    pub fn next(&self, failures: u32, rng: &mut impl Rng) -> Option<Duration> {
        (failures < self.tries_max.get()).then(|| self.backoff.delay(failures, rng))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    proptest! {
        #[test]
        fn never_longer_than_the_cap_and_never_shrinking(
            base_ms: u64, cap_ms: u64, failures: u32, seed: u64
        ) {
            let backoff = Backoff { base_ms, cap_ms };
            let delay = backoff.delay(failures, &mut StdRng::seed_from_u64(seed));
            prop_assert!(delay <= backoff.delay_max(failures));
            prop_assert!(backoff.delay_max(failures) <= Duration::from_millis(cap_ms));
            let later = backoff.delay_max(failures.saturating_add(1));
            prop_assert!(backoff.delay_max(failures) <= later);
        }

        /// Whatever fails is tried `tries_max` times, each time within the bounds, and then no more.
        #[test]
        fn as_many_tries_as_there_may_be(
            tries_max in 1_u32..100, base_ms in 0_u64..1_000, cap_ms in 0_u64..10_000, seed: u64
        ) {
            let backoff = Backoff { base_ms, cap_ms };
            let retries = Retries { tries_max: NonZeroU32::new(tries_max).unwrap(), backoff };
            let rng = &mut StdRng::seed_from_u64(seed);
            let mut tries = 1;
            while let Some(delay) = retries.next(tries, rng) {
                prop_assert!(delay <= backoff.delay_max(tries));
                tries += 1;
            }
            prop_assert_eq!(tries, tries_max);
            prop_assert_eq!(retries.next(u32::MAX, rng), None);
        }
    }

    #[test]
    fn doubles_until_the_cap() {
        let backoff = Backoff { base_ms: 50, cap_ms: 300 };
        let ceilings: Vec<_> = (1..=5).map(|n| backoff.delay_max(n).as_millis()).collect();
        assert_eq!(ceilings, [50, 100, 200, 300, 300]);
    }

    /// Full jitter is the whole range, evenly: a thousand delays lie on both sides of its middle.
    #[test]
    fn delays_fill_their_range() {
        let (backoff, rng) =
            (Backoff { base_ms: 1_000, cap_ms: 1_000 }, &mut StdRng::seed_from_u64(7));
        let delays: Vec<_> = (0..1_000).map(|_| backoff.delay(1, rng).as_millis()).collect();
        let early = delays.iter().filter(|delay| **delay < 500).count();
        assert!((450..=550).contains(&early), "{early} of 1,000 in the first half");
        assert!(delays.iter().any(|delay| *delay < 50) && delays.iter().any(|delay| *delay > 950));
    }
}
