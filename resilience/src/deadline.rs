//! Until when something is worth trying, and how much of that time a try gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The least that a try gets, and the least that must be left for one to start: less than that is
/// over before a server has answered.
pub const SHARE_MIN: Duration = Duration::from_millis(100);

/// A point in time after which nobody wants the outcome any more.
///
/// Tries get shrinking shares of what is left: the first a half, the second a quarter of what is
/// left then, and so on, so that one that hangs leaves time for others.
#[derive(Debug, Clone)]
pub struct Deadline {
    at: Instant,
    cancel: Cancel,
}

impl Deadline {
    /// A deadline that ends early when `cancel` says so.
    pub fn new(at: Instant, cancel: Cancel) -> Self {
        Self { at, cancel }
    }

    /// What is left; nothing after the deadline, and nothing once it was cancelled.
    pub fn remaining(&self, now: Instant) -> Duration {
        if self.cancel.is_cancelled() {
            return Duration::ZERO;
        }
        self.at.saturating_duration_since(now)
    }

    /// How long try number `attempt` (1 or more) may take if it starts at `now`: what is left then,
    /// divided by `2^attempt`, but [`SHARE_MIN`] at least. None if less than that is left, or the
    /// deadline was cancelled: no try may start.
    ///
    /// With `now` in the future it tells beforehand whether a wait is worth it.
    pub fn share(&self, now: Instant, attempt: u32) -> Option<Duration> {
        share(self.remaining(now), attempt)
    }
}

/// How long try number `attempt` (1 or more) may take of what remains: that divided by `2^attempt`,
/// but [`SHARE_MIN`] at least. None if less than that remains: no try may start.
pub fn share(remaining: Duration, attempt: u32) -> Option<Duration> {
    let divisor = 1_u32 << attempt.clamp(1, 31);
    (remaining >= SHARE_MIN).then(|| (remaining / divisor).max(SHARE_MIN))
}

/// A flag that whoever holds a clone of it may set, once and for all: nobody wants the outcome any
/// more.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Sets the flag, for all clones.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether any clone was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    proptest! {
        #[test]
        fn a_share_is_never_over_the_rest_nor_under_the_least(
            left_ms in 0_u64..1_000_000, attempt: u32
        ) {
            let now = Instant::now();
            let deadline = Deadline::new(now + ms(left_ms), Cancel::default());
            match deadline.share(now, attempt) {
                Some(share) => {
                    prop_assert!((SHARE_MIN..=ms(left_ms)).contains(&share));
                    prop_assert!(share == SHARE_MIN || share <= ms(left_ms) / 2);
                    let next = deadline.share(now, attempt.saturating_add(1)).unwrap();
                    prop_assert!(next <= share, "shares shrink");
                }
                None => prop_assert!(ms(left_ms) < SHARE_MIN),
            }
        }

        /// However long tries take of their shares, and whatever is waited in between: together
        /// they are over by the deadline.
        #[test]
        fn all_shares_together_are_within_the_deadline(
            left_ms in 0_u64..100_000,
            tries in prop::collection::vec((0.0_f64..=1.0, 0_u64..500), 1..60)
        ) {
            let start = Instant::now();
            let deadline = Deadline::new(start + ms(left_ms), Cancel::default());
            let (mut now, mut taken) = (start, Duration::ZERO);
            for (attempt, (part, wait_ms)) in (1..).zip(tries) {
                let Some(share) = deadline.share(now, attempt) else { break };
                prop_assert!(now + share <= start + ms(left_ms));
                let took = share.mul_f64(part).min(share);
                taken += took;
                now += took + ms(wait_ms);
            }
            prop_assert!(taken <= ms(left_ms));
        }

        /// Tries that use up their shares still come to an end.
        #[test]
        fn tries_that_hang_end(left_ms in 0_u64..100_000) {
            let mut now = Instant::now();
            let deadline = Deadline::new(now + ms(left_ms), Cancel::default());
            let mut attempt = 0;
            while let Some(share) = deadline.share(now, attempt + 1) {
                attempt += 1;
                now += share;
            }
            prop_assert!(u64::from(attempt) <= left_ms / 100);
            prop_assert!(deadline.remaining(now) < SHARE_MIN);
        }
    }

    #[test]
    fn halves_quarters_eighths_until_the_least() {
        let now = Instant::now();
        let deadline = Deadline::new(now + ms(1_600), Cancel::default());
        let shares: Vec<_> = (1..=6).map(|n| deadline.share(now, n).unwrap().as_millis()).collect();
        assert_eq!(shares, [800, 400, 200, 100, 100, 100]);
        assert_eq!(deadline.share(now + ms(1_500), 1), Some(SHARE_MIN), "just enough is left");
        assert_eq!(deadline.share(now + ms(1_501), 1), None);
        assert_eq!(deadline.share(now + ms(2_000), 1), None);
    }

    #[test]
    fn cancelled_is_stopped() {
        let (now, cancel) = (Instant::now(), Cancel::default());
        let deadline = Deadline::new(now + ms(1_600), cancel.clone());
        let copy = deadline.clone();
        assert!(copy.share(now, 1).is_some());
        cancel.cancel();
        assert_eq!((copy.share(now, 1), copy.remaining(now)), (None, Duration::ZERO));
        assert!(deadline.share(now, 1).is_none());
    }
}
