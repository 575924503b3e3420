//! The compensator: now and then replays the dead letters whose cause has healed. Every consumer has
//! one; no two of them ever take the same letter.

use std::sync::Arc;
use std::time::Duration;

use dead_letters::{Compensated, Round, compensate};
use rand::RngExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::settings::{Compensation, Settings};
use crate::store::Connector;

/// Replays what has healed.
pub(crate) struct Compensator {
    pub(crate) settings: Arc<Settings>,
    pub(crate) connector: Arc<Connector>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Compensator {
    /// Makes a round every so often, until the process is to stop. A round that fails is made again
    /// with the next: no event is at risk meanwhile.
    pub(crate) async fn run(mut self) {
        let interval_ms = self.settings.compensation.interval_ms;
        let mut failures: u32 = 0;
        loop {
            // Not all consumers at the same moment.
            let wait_ms = rand::rng().random_range(interval_ms / 2..=interval_ms * 3 / 2);
            tokio::select! {
                () = sleep(Duration::from_millis(wait_ms)) => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
            let limit = self.settings.batch.timeout();
            let mut stop = self.stop.clone();
            let made = tokio::select! {
                made = timeout(limit, self.round()) => made,
                // Whole or not at all.
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match made.unwrap_or(Err(Error::BatchTimeout(self.settings.batch.timeout_ms))) {
                Ok(Compensated { replayed, given_up_total, waiting_total }) => {
                    failures = 0;
                    self.metrics.compensated.inc_by(replayed.len() as u64);
                    self.metrics.letters_given_up.set(given_up_total);
                    self.metrics.letters_waiting.set(waiting_total);
                    if !replayed.is_empty() {
                        info!(
                            letters = replayed.len(),
                            "what was wrong has healed; replaying them"
                        );
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        warn!(
                            error = crate::chain(&error),
                            failures, "no dead letters compensated"
                        );
                    }
                }
            }
        }
    }

    async fn round(&self) -> Result<Compensated, Error> {
        let Compensation { limit, lease_ms, tries_max, backoff, .. } = self.settings.compensation;
        let actor = format!("compensator {}", self.connector.member());
        let lease = Duration::from_millis(lease_ms);
        let round = Round { actor: &actor, limit, lease, tries_max, backoff };
        let mut client = self.connector.connect().await?;
        Ok(compensate(&mut client, &round).await?)
    }
}
