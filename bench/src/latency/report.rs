//! Latencies, rate by rate, beside the floor.

use std::fmt;

use serde::Serialize;

use super::Options;
use crate::open_loop::{AtRate, Percentiles, row};

/// From publish to commit, at several rates.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How long each rate was kept up and counted.
    pub seconds: u16,
    /// How long before that it was kept up.
    pub warm_up_s: u16,
    /// The floor: small durable transactions on an idle database.
    pub bare_commit: Percentiles,
    /// Each rate.
    pub rates: Vec<AtRate>,
    /// Swipes that were so late that the consumer did not take them for live; of all rates,
    /// warm-ups included.
    pub not_live: i64,
    /// The seed.
    pub seed: u64,
    /// Partitions of the log.
    pub partitions: u16,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        bare_commit: Percentiles,
        rates: Vec<AtRate>,
        not_live: i64,
    ) -> Self {
        let Options { seconds, warm_up_s, seed, partitions, .. } = *options;
        Self { seconds, warm_up_s, bare_commit, rates, not_live, seed, partitions }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, warm_up_s, partitions, .. } = self;
        writeln!(
            f,
            "{seconds} s a rate after {warm_up_s} s of warm-up, {partitions} partitions; ms"
        )?;
        AtRate::head(f)?;
        row(f, "", "bare commit", &self.bare_commit)?;
        self.rates.iter().try_for_each(|at| at.rows(f, &[]))?;
        self.rates.iter().try_for_each(|at| at.warning(f))?;
        if self.not_live > 0 {
            writeln!(f, "! {} swipes came too late to be live", self.not_live)?;
        }
        Ok(())
    }
}
