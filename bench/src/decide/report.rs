//! What a bench of decisions found.

use std::fmt;

use serde::Serialize;

use super::{ChangesMade, DecidedAtRate, Options, Way};
use crate::cpu::Cpu;
use crate::open_loop::AtRate;
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
        Self {
            way,
            events_per_s: median(runs.iter().map(|run| run.events_per_s)),
            ratio: Ratio { median: median(ratios.into_iter()), min, max },
            decided_twice: median(runs.iter().map(|run| run.decided_twice)),
            block_max_ms: blocks.reduce(f64::max),
            runs,
        }
    }

    /// Of all its drains, in the middle.
    fn median_of(&self, of: impl Fn(&DrainRun) -> Option<f64>) -> f64 {
        median(self.runs.iter().filter_map(of))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.drains.is_empty() {
            self.write_drains(f)?;
        }
        if self.rates.is_empty() {
            return Ok(());
        }
        let Self { seconds, warm_up_s, partitions, .. } = self;
        let head = "swipe to decision";
        writeln!(
            f,
            "{head}: {seconds} s a rate after {warm_up_s} s of warm-up, {partitions} partitions; ms"
        )?;
        AtRate::head(f)?;
        self.rates.iter().try_for_each(|at| at.rows(f))?;
        self.rates.iter().try_for_each(|at| at.committed.warning(f))?;
        for DecidedAtRate { committed, ratio_p50, ratio_p99, .. } in &self.rates {
            let rate = committed.rate;
            writeln!(f, "{rate}/s: decided by committed: p50 {ratio_p50:.2}, p99 {ratio_p99:.2}")?;
        }
        if self.not_live > 0 {
            writeln!(f, "! {} swipes came too late to be live", self.not_live)?;
        }
        Ok(())
    }
}

impl Report {
    fn write_drains(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { swipes, runs, partitions, .. } = self;
        writeln!(f, "{swipes} swipes, {partitions} partitions, {runs} rounds; medians")?;
        writeln!(
            f,
            "                events/s  ratio to live (of rounds)  published/s  batches  conflicts  retries  decided twice"
        )?;
        for at in &self.drains {
            let AtWay { way, events_per_s, ratio, decided_twice, .. } = at;
            let Ratio { median, min, max } = ratio;
            let count = |of: fn(&DrainRun) -> u64| at.median_of(|run| Some(of(run) as f64));
            let (batches, conflicts) = (count(|run| run.batches), count(|run| run.conflicts));
            let (retries, published) =
                (count(|run| run.retries), at.median_of(|run| run.published_per_s));
            let span = format!("({min:.3} to {max:.3})");
            let twice = decided_twice * 100.0;
            writeln!(
                f,
                "{way:<14} {events_per_s:>9.0}  {median:>7.3} {span:<18} {published:>12.0} \
                 {batches:>8.0} {conflicts:>10.0} {retries:>8.0} {twice:>12.0} %"
            )?;
        }
        for at in &self.drains {
            at.write_changes(f)?;
        }
        Ok(())
    }
}

impl AtWay {
    fn write_changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(block_max_ms) = self.block_max_ms else { return Ok(()) };
        let changes = || self.runs.iter().filter_map(|run| run.changes.as_ref());
        let middle = |of: fn(&ChangesMade) -> f64| median(changes().map(of));
        let (made, way) = (middle(|c| c.made_per_s), self.way);
        writeln!(
            f,
            "{way}: {made:.1}/s made; a change's commit p50 {:.1}, p99 {:.1}, max {:.1} ms; \
             a block's, from when it was due, p50 {:.1}, p99 {:.1}, max {block_max_ms:.1} ms",
            middle(|c| c.zones.from_start.p50_ms),
            middle(|c| c.zones.from_start.p99_ms),
            changes().map(|c| c.zones.from_start.max_ms).fold(0.0, f64::max),
            middle(|c| c.blocks.from_due.p50_ms),
            middle(|c| c.blocks.from_due.p99_ms),
        )
    }
}

impl fmt::Display for DrainRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, events_per_s, batches, conflicts, .. } = self;
        write!(f, "{events_per_s:.0}/s, {seconds:.2} s; {batches} batches, {conflicts} conflicts")?;
        if let Some(published_s) = self.published_s {
            write!(f, "; published after {published_s:.2} s")?;
        }
        if let Some(changes) = &self.changes {
            write!(f, "; {:.1} changes/s", changes.made_per_s)?;
        }
        Ok(())
    }
}
