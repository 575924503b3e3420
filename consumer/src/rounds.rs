//! What every consumer does now and then beside its batches. No event is at risk while a round fails.

use std::time::Duration;

use rand::RngExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::error::Error;

/// What is done in rounds, each of them whole or not at all.
pub(crate) trait Recurring {
    /// Makes one; when to make the next, if that is to be soon.
    fn round(&mut self) -> impl Future<Output = Result<Option<Duration>, Error>> + Send;
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

impl Rounds {
    /// Makes rounds until the process is to stop. One that fails is made again with the next.
    pub(crate) async fn run(mut self, mut work: impl Recurring) {
        let mut failures: u32 = 0;
        let mut soon = None;
        loop {
            // Not all consumers at the same moment.
            let wait_ms = self.interval_ms / 2..=self.interval_ms * 3 / 2;
            let wait = Duration::from_millis(rand::rng().random_range(wait_ms));
            tokio::select! {
                () = sleep(soon.take().unwrap_or(wait).min(wait)) => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
            let limit = Duration::from_millis(self.timeout_ms);
            let made = tokio::select! {
                made = timeout(limit, work.round()) => made,
                _ = self.stop.wait_for(|stop| *stop) => return,
            };
            match made.unwrap_or(Err(Error::RoundTimeout(self.timeout_ms))) {
                Ok(next) => (failures, soon) = (0, next),
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
