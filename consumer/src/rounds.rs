//! What every consumer does now and then beside its batches. No event is at risk while a round fails.

use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::error::Error;

/// One round of something; it is whole or not at all.
pub(crate) trait Round {
    /// Makes one; whether there is more to do at once.
    fn round(&mut self) -> impl Future<Output = Result<bool, Error>> + Send;
}

/// When rounds are made.
pub(crate) struct Rounds {
    pub(crate) interval_ms: u64,
    /// How long one may take, in ms.
    pub(crate) timeout_ms: u64,
    /// What it means that they fail.
    pub(crate) failing: &'static str,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Rounds fill one part of so many of the time, at most.
const TIME_SHARE: u32 = 5;

impl Rounds {
    /// Makes rounds until the process is to stop. One that fails is made again with the next.
    pub(crate) async fn run(mut self, mut work: impl Round) {
        let (mut failures, mut took, mut more): (u32, Duration, bool) = (0, Duration::ZERO, false);
        loop {
            // Not all consumers at the same moment.
            let interval_ms = self.interval_ms / 2..=self.interval_ms * 3 / 2;
            let interval_ms = if more { 0 } else { rand::rng().random_range(interval_ms) };
            let wait = Duration::from_millis(interval_ms).max(took * (TIME_SHARE - 1));
            tokio::select! {
                () = sleep(wait) => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
            let began = Instant::now();
            let limit = Duration::from_millis(self.timeout_ms);
            let made = tokio::select! {
                made = timeout(limit, work.round()) => made,
                _ = self.stop.wait_for(|stop| *stop) => return,
            };
            took = began.elapsed();
            let made = made.unwrap_or(Err(Error::RoundTimeout(self.timeout_ms)));
            more = matches!(made, Ok(true));
            match made {
                Ok(_) => failures = 0,
                Err(error) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        let error = crate::chain(&error);
                        warn!(error, failures, "{}", self.failing);
                    }
                }
            }
        }
    }
}
