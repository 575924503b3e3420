//! What reading again costs.

use std::fmt;

use serde::Serialize;

use super::Options;
use crate::stats::{extremes, median, ratio};

/// Rates of the second drain, beside the first and the ceiling.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Swipes that were published twice.
    pub rows: u32,
    /// Runs that count.
    pub runs: u16,
    /// Median rate of the second drains, all of duplicates.
    pub events_per_s: f64,
    /// Median rate of the first drains, all of new rows.
    pub first_events_per_s: f64,
    /// Median rate of the COPYs of the duplicates.
    pub ceiling_events_per_s: f64,
    /// Median of each run's second drain / COPY.
    pub ratio: f64,
    /// The lowest of them.
    pub ratio_min: f64,
    /// The highest.
    pub ratio_max: f64,
    /// Median of each run's second drain / first drain.
    pub ratio_to_first: f64,
    /// The seed.
    pub seed: u64,
    /// Partitions of the log.
    pub partitions: u16,
    /// Each run.
    pub each: Vec<Run>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Rate of the first drain.
    pub first_events_per_s: f64,
    /// Rate of the second drain.
    pub events_per_s: f64,
    /// Rate of the COPY.
    pub ceiling_events_per_s: f64,
    /// Second drain / COPY.
    pub ratio: f64,
    /// Second drain / first drain.
    pub ratio_to_first: f64,
}

impl Run {
    pub(super) fn new(
        first_events_per_s: f64,
        events_per_s: f64,
        ceiling_events_per_s: f64,
    ) -> Self {
        Self {
            first_events_per_s,
            events_per_s,
            ceiling_events_per_s,
            ratio: ratio(events_per_s, ceiling_events_per_s),
            ratio_to_first: ratio(events_per_s, first_events_per_s),
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
            first_events_per_s: middle(|run| run.first_events_per_s),
            ceiling_events_per_s: middle(|run| run.ceiling_events_per_s),
            ratio: middle(|run| run.ratio),
            ratio_min,
            ratio_max,
            ratio_to_first: middle(|run| run.ratio_to_first),
            seed: options.seed,
            partitions: options.partitions,
            each,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, runs, partitions, ratio, ratio_min, ratio_max, .. } = self;
        writeln!(f, "{rows} swipes, twice, {partitions} partitions, {runs} runs; medians")?;
        let (first, second) = (self.first_events_per_s, self.events_per_s);
        writeln!(f, "first drain   {first:>10.0} events/s, all rows")?;
        writeln!(f, "second drain  {second:>10.0} events/s, all duplicates")?;
        writeln!(f, "ceiling       {:>10.0} events/s", self.ceiling_events_per_s)?;
        let to_first = self.ratio_to_first;
        writeln!(
            f,
            "ratio         {ratio:>10.3} of the ceiling ({ratio_min:.3} to {ratio_max:.3})"
        )?;
        writeln!(f, "              {to_first:>10.3} of the first drain")
    }
}
