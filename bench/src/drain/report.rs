//! What a bench of drains found.

use std::fmt;

use serde::Serialize;

use super::Options;
use crate::cpu::Cpu;

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

/// What `consumer_offset` says became of the events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Rows of `access_log`.
    pub rows: i64,
    /// Events that were in the log before.
    pub duplicates: i64,
    /// Second swipes of a card in a millisecond.
    pub collisions: i64,
    /// Dead letters.
    pub dead: i64,
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
            .map(|(drain, copy)| (drain.rows_per_s / copy.rows_per_s * 1_000.0).round() / 1_000.0)
            .collect();
        Self {
            rows: options.rows,
            runs: options.runs,
            rows_per_s: median(drains.iter().map(|drain| drain.rows_per_s)),
            ceiling_rows_per_s: median(copies.iter().map(|copy| copy.rows_per_s)),
            ratio: median(ratios.iter().copied()),
            ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratio_max: ratios.iter().copied().fold(0.0, f64::max),
            seed: options.seed,
            partitions: options.partitions,
            jitter_ms: options.jitter_ms,
            ratios,
            drains,
            copies,
        }
    }
}

/// Rows a second, in whole rows.
pub(super) fn rate(rows: usize, seconds: f64) -> f64 {
    (rows as f64 / seconds).round()
}

/// The middle; of an even number, the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = values.get((values.len() / 2).saturating_sub(1)).copied().unwrap_or_default();
    (lower + upper) / 2.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, runs, ratio, ratio_min, ratio_max, .. } = self;
        let (drain, ceiling) = (self.rows_per_s, self.ceiling_rows_per_s);
        writeln!(f, "{rows} swipes, {} partitions, {runs} pairs", self.partitions)?;
        writeln!(f, "drain    {drain:>10.0} rows/s (median)")?;
        writeln!(f, "ceiling  {ceiling:>10.0} rows/s (median)")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median(std::iter::empty()), 0.0);
    }
}
