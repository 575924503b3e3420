//! What a proof costs.

use std::fmt;

use serde::Serialize;

use super::Options;
use crate::stats::{extremes, median, rate, ratio};

/// Rates of the proofs, beside those of merely reading.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Swipes in the log.
    pub rows: u32,
    /// Pairs that count.
    pub runs: u16,
    /// Median rate of the proofs.
    pub events_per_s: f64,
    /// Median rate of reading log and table, at the same time.
    pub ceiling_events_per_s: f64,
    /// Median of each pair's proof rate / reading rate.
    pub ratio: f64,
    /// The lowest of them.
    pub ratio_min: f64,
    /// The highest.
    pub ratio_max: f64,
    /// Every proof found every event in order: without that there is no report.
    pub ok: bool,
    /// The seed.
    pub seed: u64,
    /// Partitions of the log.
    pub partitions: u16,
    /// Each pair.
    pub each: Vec<Run>,
}

/// One pair.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// From the start of `gatelog verify` to its end.
    pub seconds: f64,
    /// Rate of the proof.
    pub events_per_s: f64,
    /// Rate of reading.
    pub ceiling_events_per_s: f64,
    /// Proof / reading.
    pub ratio: f64,
    /// What reading took.
    pub ceiling: Ceiling,
}

/// Reading log and table at the same time, in seconds.
#[derive(Debug, Clone, Serialize)]
pub struct Ceiling {
    /// Until both were read.
    pub seconds: f64,
    /// Until the log was.
    pub log_s: f64,
    /// Until the table was.
    pub table_s: f64,
}

impl Run {
    pub(super) fn new(events: usize, seconds: f64, ceiling: Ceiling) -> Self {
        let (events_per_s, most) = (rate(events, seconds), rate(events, ceiling.seconds));
        Self {
            seconds,
            events_per_s,
            ceiling_events_per_s: most,
            ratio: ratio(events_per_s, most),
            ceiling,
        }
    }
}

impl Report {
    pub(super) fn new(options: &Options, each: Vec<Run>) -> Self {
        let middle = |pick: fn(&Run) -> f64| median(each.iter().map(pick));
        let ratios: Vec<f64> = each.iter().map(|run| run.ratio).collect();
        let (ratio_min, ratio_max) = extremes(&ratios);
        Self {
            rows: options.rows,
            runs: options.runs,
            events_per_s: middle(|run| run.events_per_s),
            ceiling_events_per_s: middle(|run| run.ceiling_events_per_s),
            ratio: middle(|run| run.ratio),
            ratio_min,
            ratio_max,
            ok: true,
            seed: options.seed,
            partitions: options.partitions,
            each,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, runs, partitions, ratio, ratio_min, ratio_max, .. } = self;
        writeln!(f, "{rows} swipes, {partitions} partitions, {runs} pairs; all proved; medians")?;
        writeln!(f, "verify   {:>10.0} events/s", self.events_per_s)?;
        writeln!(f, "ceiling  {:>10.0} events/s", self.ceiling_events_per_s)?;
        writeln!(f, "ratio    {ratio:>10.3} ({ratio_min:.3} to {ratio_max:.3})")?;
        let middle = |pick: fn(&Ceiling) -> f64| median(self.each.iter().map(|r| pick(&r.ceiling)));
        let (log, table) = (middle(|ceiling| ceiling.log_s), middle(|ceiling| ceiling.table_s));
        writeln!(
            f,
            "         reading the log alone took {log:.2} s of that, the table {table:.2} s"
        )
    }
}
