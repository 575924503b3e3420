//! What an export costs.

use std::fmt;

use serde::Serialize;

use super::Options;
use crate::stats::{extremes, median, rate, ratio};

/// Rates of the exports, beside those of merely reading.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Rows of the view.
    pub rows: u32,
    /// Pairs that count.
    pub runs: u16,
    /// Median rate of the exports.
    pub rows_per_s: f64,
    /// Median rate of reading.
    pub ceiling_rows_per_s: f64,
    /// Median of each pair's export rate / reading rate.
    pub ratio: f64,
    /// The lowest of them.
    pub ratio_min: f64,
    /// The highest.
    pub ratio_max: f64,
    /// Bytes of the files.
    pub bytes: u64,
    /// The most memory that an export had, in KiB.
    pub peak_kib: Option<u64>,
    /// Version of DuckDB that read the files and found what Postgres has; none where it was not asked.
    pub duckdb: Option<String>,
    /// Each pair.
    pub each: Vec<Run>,
}

/// One pair.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// From the start of `gatelog export` to its end.
    pub export_s: f64,
    /// Reading the view by COPY.
    pub copy_s: f64,
    /// Rate of the export.
    pub rows_per_s: f64,
    /// Rate of reading.
    pub ceiling_rows_per_s: f64,
    /// Export / reading.
    pub ratio: f64,
    /// The most memory that the export had, in KiB.
    pub peak_kib: Option<u64>,
}

impl Run {
    pub(super) fn new(rows: u32, export_s: f64, copy_s: f64, peak_kib: Option<u64>) -> Self {
        let (rows_per_s, most) = (rate(rows as usize, export_s), rate(rows as usize, copy_s));
        let ratio = ratio(rows_per_s, most);
        Self { export_s, copy_s, rows_per_s, ceiling_rows_per_s: most, ratio, peak_kib }
    }
}

impl Report {
    pub(super) fn new(
        options: &Options,
        each: Vec<Run>,
        bytes: u64,
        duckdb: Option<String>,
    ) -> Self {
        let middle = |pick: fn(&Run) -> f64| median(each.iter().map(pick));
        let ratios: Vec<f64> = each.iter().map(|run| run.ratio).collect();
        let (ratio_min, ratio_max) = extremes(&ratios);
        Self {
            rows: options.rows,
            runs: options.runs,
            rows_per_s: middle(|run| run.rows_per_s),
            ceiling_rows_per_s: middle(|run| run.ceiling_rows_per_s),
            ratio: middle(|run| run.ratio),
            ratio_min,
            ratio_max,
            bytes,
            peak_kib: each.iter().filter_map(|run| run.peak_kib).max(),
            duckdb,
            each,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, runs, ratio, ratio_min, ratio_max, bytes, .. } = self;
        writeln!(f, "{rows} rows of access_event, {runs} pairs; medians")?;
        writeln!(f, "export   {:>10.0} rows/s", self.rows_per_s)?;
        writeln!(f, "ceiling  {:>10.0} rows/s", self.ceiling_rows_per_s)?;
        writeln!(f, "ratio    {ratio:>10.3} ({ratio_min:.3} to {ratio_max:.3})")?;
        let each = *bytes as f64 / f64::from(*rows);
        writeln!(f, "         {bytes} bytes of Parquet, {each:.1} a row")?;
        if let Some(peak) = self.peak_kib {
            writeln!(f, "         {:.1} MiB of memory at most", peak as f64 / 1_024.0)?;
        }
        match &self.duckdb {
            Some(version) => {
                writeln!(f, "         DuckDB {version} reads in them what Postgres has")
            }
            None => writeln!(f, "         not read with DuckDB"),
        }
    }
}
