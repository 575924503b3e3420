//! The compensator: now and then replays the dead letters whose cause has healed. Every consumer has
//! one; no two of them ever take the same letter.

use std::sync::Arc;
use std::time::Duration;

use dead_letters::{Compensated, compensate};
use tracing::info;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::rounds::Recurring;
use crate::settings::{Compensation, Settings};
use crate::store::Connector;

/// Replays what has healed.
pub(crate) struct Compensator {
    pub(crate) settings: Arc<Settings>,
    pub(crate) connector: Arc<Connector>,
    pub(crate) metrics: Metrics,
}

impl Recurring for Compensator {
    async fn round(&mut self) -> Result<Option<Duration>, Error> {
        let Compensation { limit, lease_ms, tries_max, backoff, .. } = self.settings.compensation;
        let actor = format!("compensator {}", self.connector.member());
        let lease = Duration::from_millis(lease_ms);
        let round = dead_letters::Round { actor: &actor, limit, lease, tries_max, backoff };
        let mut client = self.connector.connect().await?;
        let Compensated { replayed, given_up_total, waiting_total } =
            compensate(&mut client, &round).await?;
        self.metrics.compensated.inc_by(replayed.len() as u64);
        self.metrics.letters_given_up.set(given_up_total);
        self.metrics.letters_waiting.set(waiting_total);
        if !replayed.is_empty() {
            info!(letters = replayed.len(), "what was wrong has healed; replaying them");
        }
        Ok(None)
    }
}
