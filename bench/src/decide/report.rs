//! What a bench of decisions found.

use serde::Serialize;

use super::{ChangesMade, DecidedAtRate, Options, Way};
use crate::cpu::Cpu;
use crate::stats::{extremes, median, ratio};

/// Rates, ratios and what lies behind them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Swipes in the log that was drained.
    pub swipes: u32,
    /// Rounds that count.
    pub runs: u16,
    /// The seed.
    pub seed: u64,
    /// Partitions of the log.
    pub partitions: u16,
    /// Each way to drain; empty if only rates were kept up.
    pub drains: Vec<AtWay>,
    /// How long each rate was kept up and counted.
    pub seconds: u16,
    /// How long before that it was kept up.
    pub warm_up_s: u16,
    /// Each rate; empty if the log was only drained.
    pub rates: Vec<DecidedAtRate>,
    /// Swipes of all rates that came too late to be live.
    pub not_live: i64,
}

/// One way to drain.
#[derive(Debug, Clone, Serialize)]
pub struct AtWay {
    /// Which.
    pub way: Way,
    /// Median rate of the commits.
    pub events_per_s: f64,
    /// Of each round: that rate by the one of the live drain without changes.
    pub ratio: Ratio,
    /// Median share of batches that were decided twice.
    pub decided_twice: f64,
    /// Median of changes made a second beside the drain by those that are made alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_ratio: Option<f64>,
    /// The longest that the block of a stolen card took in any round, from when it was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_max_ms: Option<f64>,
    /// Each drain.
    pub runs: Vec<DrainRun>,
}

/// Several rounds' ratios.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The middle.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

/// One drain.
#[derive(Debug, Clone, Serialize)]
pub struct DrainRun {
    /// From the claim to the commit of the last swipe.
    pub seconds: f64,
    /// Rate of the commits.
    pub events_per_s: f64,
    /// From the claim until Kafka had acknowledged every decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_s: Option<f64>,
    /// Rate of the decisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_per_s: Option<f64>,
    /// Transactions that were committed.
    pub batches: u64,
    /// Batches whose permissions were replaced before they were through
    /// (`optimistic_lock_failure_total`).
    pub conflicts: u64,
    /// Second decisions because of that (`optimistic_lock_retry_count`).
    pub retries: u64,
    /// Retries by batches.
    pub decided_twice: f64,
    /// Transactions that were begun again for other reasons.
    pub begun_again: u64,
    /// Door commands that were too old when their decision was published.
    pub commands_expired: u64,
    /// What was changed meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesMade>,
    /// The same changes, on the same database, with nothing beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_alone: Option<ChangesMade>,
    /// From the consumer's start until every decision was published.
    pub cpu: Cpu,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        drains: Vec<(Way, Vec<DrainRun>)>,
        rates: Vec<DecidedAtRate>,
        not_live: i64,
    ) -> Self {
        let Options { swipes, runs, seed, partitions, seconds, warm_up_s, .. } = *options;
        let peer = drains.iter().find(|(way, _)| *way == Way::Live);
        let peer: Vec<f64> =
            peer.into_iter().flat_map(|(_, runs)| runs).map(|run| run.events_per_s).collect();
        let drains = drains.into_iter().map(|(way, runs)| AtWay::new(way, runs, &peer)).collect();
        Self { swipes, runs, seed, partitions, drains, seconds, warm_up_s, rates, not_live }
    }
}

impl AtWay {
    fn new(way: Way, runs: Vec<DrainRun>, peer: &[f64]) -> Self {
        let ratios: Vec<f64> =
            runs.iter().zip(peer).map(|(run, peer)| ratio(run.events_per_s, *peer)).collect();
        let (min, max) = extremes(&ratios);
        let blocks =
            runs.iter().filter_map(|run| Some(run.changes.as_ref()?.blocks.from_due.max_ms));
        let made = runs.iter().filter_map(|run| {
            let (beside, alone) = (run.changes.as_ref()?, run.changes_alone.as_ref()?);
            Some(ratio(beside.made_per_s, alone.made_per_s))
        });
        Self {
            way,
            changes_ratio: way.changes().map(|_| median(made)),
            events_per_s: median(runs.iter().map(|run| run.events_per_s)),
            ratio: Ratio { median: median(ratios.into_iter()), min, max },
            decided_twice: median(runs.iter().map(|run| run.decided_twice)),
            block_max_ms: blocks.reduce(f64::max),
            runs,
        }
    }
}
