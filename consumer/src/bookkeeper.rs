//! The bookkeeper: takes what batches have left of terminals' counters into their ledger. Every
//! consumer has one; no two of them ever work at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Folded, Reused, fold};
use tracing::warn;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::rounds::Recurring;
use crate::settings::{Ledger, Settings};
use crate::store::Connector;

/// Keeps the terminals' ledger.
pub(crate) struct Bookkeeper {
    pub(crate) settings: Arc<Settings>,
    pub(crate) connector: Arc<Connector>,
    pub(crate) metrics: Metrics,
}

/// How long the ledger may rest after a round before that is said.
const RESTS_LONG: Duration = Duration::from_secs(20);
/// Terminals that a warning names.
const NAMED_MAX: usize = 5;

impl Recurring for Bookkeeper {
    async fn round(&mut self) -> Result<Option<Duration>, Error> {
        let Ledger { events_max, timeout_ms, .. } = self.settings.ledger;
        let timeout = Duration::from_millis(timeout_ms);
        let round = ledger::Round { events_max, timeout, ..ledger::Round::default() };
        let began = Instant::now();
        let mut client = self.connector.connect().await?;
        self.metrics.ledger_waiting.set(ledger::waiting(&client).await?);
        let Folded { reused, is_full, is_slow, waiting, .. } = fold(&mut client, &round).await?;
        self.metrics.ledger_waiting.set(waiting);
        let rest = began.elapsed() * round.rest;
        if rest > RESTS_LONG {
            let (took_ms, rest_ms) = (began.elapsed().as_millis(), rest.as_millis());
            warn!(took_ms, rest_ms, "a round of the terminals' ledger took long; there is a rest");
        }
        if is_slow {
            warn!(
                timeout_ms,
                "a day cannot be looked through for counters that came twice; \
                 ledger.timeout_ms is too short for it"
            );
        }
        let found: usize = reused.iter().map(|Reused { conflicts, .. }| conflicts).sum();
        self.metrics.conflicts("counter_reused", found as u64);
        if found > 0 {
            let first: Vec<_> =
                reused.iter().map(|one| &one.terminal_id[..]).take(NAMED_MAX).collect();
            let first = first.join(", ");
            warn!(
                conflicts = found,
                terminals = reused.len(),
                first,
                "terminals gave numbers of their counters twice; see identity_conflict"
            );
        }
        // As long as nobody folds now.
        Ok(is_full.then_some(rest))
    }
}
