//! Trying again without making things worse. Pure: no clock, no sleep; the caller waits.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Exponential backoff with full jitter: before try *n* + 1 wait a random time between nothing and
/// `base · 2^n`, at most `cap`.
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
        let ceiling = self.ceiling_ms(failures);
        Duration::from_millis(rng.random_range(0..=ceiling))
    }

    fn ceiling_ms(&self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(63);
        self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms)
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
            base_ms in 1_u64..10_000, cap_ms in 1_u64..100_000, failures in 1_u32..200, seed: u64
        ) {
            let backoff = Backoff { base_ms, cap_ms };
            let delay = backoff.delay(failures, &mut StdRng::seed_from_u64(seed));
            prop_assert!(delay <= Duration::from_millis(cap_ms));
            prop_assert!(backoff.ceiling_ms(failures) <= backoff.ceiling_ms(failures + 1));
        }
    }

    #[test]
    fn doubles_until_the_cap() {
        let backoff = Backoff { base_ms: 50, cap_ms: 300 };
        let ceilings: Vec<_> = (1..=5).map(|n| backoff.ceiling_ms(n)).collect();
        assert_eq!(ceilings, [50, 100, 200, 300, 300]);
    }
}
