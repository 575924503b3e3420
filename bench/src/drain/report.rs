//! What a bench of drains found.

use std::fmt;

use serde::Serialize;

use super::{CeilingOrder, Options};
use crate::cpu::Cpu;
use crate::outcome::Tally;
use crate::stats::{extremes, median, ratio};

/// Rates, ratios and what lies behind them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Swipes in the log.
    pub rows: u32,
    /// Pairs that count.
    pub runs: u16,
    /// Median rate of the drains.
    pub rows_per_s: f64,
    /// Median rate of the COPYs.
    pub ceiling_rows_per_s: f64,
    /// Median of each pair's drain rate / COPY rate.
    pub ratio: f64,
    /// The lowest of them.
    pub ratio_min: f64,
    /// The highest.
    pub ratio_max: f64,
    /// The seed.
    pub seed: u64,
    /// Partitions of the log.
    pub partitions: u16,
    /// How late a swipe could arrive.
    pub jitter_ms: u32,
    /// Days of `access_log` that existed.
    pub days: u16,
    /// In which order the COPYs wrote.
    pub ceiling: CeilingOrder,
    /// Each pair's ratio.
    pub ratios: Vec<f64>,
    /// Each drain.
    pub drains: Vec<DrainRun>,
    /// Each COPY.
    pub copies: Vec<CopyRun>,
}

/// One drain.
#[derive(Debug, Clone, Serialize)]
pub struct DrainRun {
    /// From the claim to the end of the log.
    pub seconds: f64,
    /// Rate of the rows.
    pub rows_per_s: f64,
    /// From the claim to the first batch that was seen committed.
    pub first_commit_s: f64,
    /// Transactions that wrote rows.
    pub transactions: u64,
    /// How many events of one partition a writer met in a row, on average.
    pub stretch_rows_mean: f64,
    /// What the consumer has counted.
    #[serde(flatten)]
    pub tally: Tally,
    /// From the consumer's start to the end of the log.
    pub cpu: Cpu,
}

/// One COPY.
#[derive(Debug, Clone, Serialize)]
pub struct CopyRun {
    /// From the first COPY to the last commit.
    pub seconds: f64,
    /// Rate of the rows.
    pub rows_per_s: f64,
    /// In that time.
    pub cpu: Cpu,
}

impl Report {
    /// From the runs that count, in pairs.
    pub(super) fn new(options: &Options, drains: Vec<DrainRun>, copies: Vec<CopyRun>) -> Self {
        let ratios: Vec<f64> = drains
            .iter()
            .zip(&copies)
            .map(|(drain, copy)| ratio(drain.rows_per_s, copy.rows_per_s))
            .collect();
        let (ratio_min, ratio_max) = extremes(&ratios);
        Self {
            rows: options.rows,
            runs: options.runs,
            rows_per_s: median(drains.iter().map(|drain| drain.rows_per_s)),
            ceiling_rows_per_s: median(copies.iter().map(|copy| copy.rows_per_s)),
            ratio: median(ratios.iter().copied()),
            ratio_min,
            ratio_max,
            seed: options.seed,
            partitions: options.partitions,
            jitter_ms: options.jitter_ms,
            days: options.days,
            ceiling: options.ceiling,
            ratios,
            drains,
            copies,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, runs, ratio, ratio_min, ratio_max, .. } = self;
        let (drain, ceiling) = (self.rows_per_s, self.ceiling_rows_per_s);
        let Self { partitions, days, .. } = self;
        writeln!(f, "{rows} swipes, {partitions} partitions, {days} days, {runs} pairs")?;
        writeln!(f, "drain    {drain:>10.0} rows/s (median)")?;
        let order = match self.ceiling {
            CeilingOrder::Log => "in the order of the log",
            CeilingOrder::Drain => "in the order of the drain",
        };
        writeln!(f, "ceiling  {ceiling:>10.0} rows/s (median), {order}")?;
        writeln!(f, "ratio    {ratio:>10.3} (median; {ratio_min:.3} to {ratio_max:.3})")?;
        let copies = self.copies.iter().map(|copy| copy.cpu);
        writeln!(
            f,
            "CPU      {}",
            Mean("drain: consumer", self.drains.iter().map(|d| d.cpu).collect(), *rows)
        )?;
        writeln!(f, "         {}", Mean("ceiling: client", copies.collect(), *rows))
    }
}

impl fmt::Display for DrainRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, rows_per_s, transactions, stretch_rows_mean, first_commit_s, .. } =
            self;
        write!(
            f,
            "{rows_per_s:.0} rows/s, {seconds:.2} s; {transactions} transactions, the first after \
             {first_commit_s:.2} s; {stretch_rows_mean:.0} rows of one partition in a row"
        )
    }
}

impl fmt::Display for CopyRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} rows/s, {:.2} s", self.rows_per_s, self.seconds)
    }
}

/// CPU of several runs: what the client is called, the runs, and the rows of each.
struct Mean(&'static str, Vec<Cpu>, u32);

impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(client, runs, rows) = self;
        let mean = |pick: fn(&Cpu) -> Option<f64>| {
            let total: Option<f64> = runs.iter().map(pick).sum();
            Some(total? / runs.len() as f64 / f64::from(*rows) * 1e6)
        };
        let parts = [
            (*client, mean(|cpu| cpu.client_s)),
            ("Postgres", mean(|cpu| cpu.postgres_s)),
            ("Kafka", mean(|cpu| cpu.kafka_s)),
        ];
        let known: Vec<String> = parts
            .into_iter()
            .filter_map(|(who, seconds)| Some(format!("{who} {:.2}", seconds?)))
            .collect();
        write!(f, "{}; in s a million rows", known.join(", "))
    }
}
