//! What became of the pace.

use std::fmt;

use serde::Serialize;

use super::Options;
use crate::stats::{rate, ratio};

/// A drain must keep this much of its first rate, or as much as raw COPY does.
const QUOTIENT_MIN: f64 = 0.8;

/// The pace of a drain and of a COPY while their tables grow.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Swipes in the log.
    pub rows: u64,
    /// Swipes that count as a million.
    pub million: u32,
    /// The drain.
    pub drain: Side,
    /// The COPY.
    pub copy: Side,
    /// What the drain's quotient must be at least: 0.8, or the COPY's own if that is lower.
    pub quotient_min: f64,
    /// Whether it is.
    pub holds: bool,
    /// The seed.
    pub seed: u64,
    /// Partitions of the log.
    pub partitions: u16,
    /// Days over which the swipes are spread.
    pub days: u16,
}

/// One side's pace.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// Rate of the first million.
    pub first_rows_per_s: f64,
    /// Rate of the last million.
    pub last_rows_per_s: f64,
    /// Last / first.
    pub quotient: f64,
    /// Rate of each million.
    pub rows_per_s: Vec<f64>,
    /// What all of them took together.
    pub seconds: f64,
}

impl Report {
    pub(super) fn new(options: &Options, drain: Side, copy: Side) -> Self {
        let quotient_min = copy.quotient.min(QUOTIENT_MIN);
        Self {
            rows: u64::from(options.millions) * u64::from(options.million),
            million: options.million,
            quotient_min,
            holds: drain.quotient >= quotient_min,
            drain,
            copy,
            seed: options.seed,
            partitions: options.partitions,
            days: options.days,
        }
    }
}

impl Side {
    /// From what each million took.
    pub(super) fn new(million: i64, seconds: &[f64]) -> Self {
        let rows_per_s: Vec<f64> =
            seconds.iter().map(|seconds| rate(million as usize, *seconds)).collect();
        let first = rows_per_s.first().copied().unwrap_or_default();
        let last = rows_per_s.last().copied().unwrap_or_default();
        Self {
            first_rows_per_s: first,
            last_rows_per_s: last,
            quotient: ratio(last, first),
            rows_per_s,
            seconds: seconds.iter().sum(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, million, partitions, days, drain, copy, .. } = self;
        writeln!(f, "{rows} swipes over {days} days, {partitions} partitions; rows/s")?;
        if *million != 1_000_000 {
            writeln!(f, "a million is {million} here: a trial, no figure")?;
        }
        writeln!(f, "million       drain        COPY   drain/COPY")?;
        for (nth, (drain, copy)) in drain.rows_per_s.iter().zip(&copy.rows_per_s).enumerate() {
            let part = ratio(*drain, *copy);
            writeln!(f, "{:>7}  {drain:>10.0}  {copy:>10.0}   {part:>10.3}", nth + 1)?;
        }
        writeln!(f, "last/first {:>8.3}  {:>10.3}", drain.quotient, copy.quotient)?;
        let (min, verdict) = (self.quotient_min, if self.holds { "it is" } else { "it is NOT" });
        writeln!(f, "the drain's must be {min:.3} at least: {verdict}")
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first_rows_per_s, last_rows_per_s, quotient, seconds, .. } = self;
        write!(
            f,
            "{first_rows_per_s:.0} rows/s the first million, {last_rows_per_s:.0} the last: \
             {quotient:.3}; {seconds:.1} s"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_what_raw_copy_keeps() {
        let options =
            Options { millions: 2, million: 1_000, seed: 1, partitions: 1, days: 1, cold: false };
        let side = |last_s| Side::new(1_000, &[1.0, last_s]);
        let report = |drain, copy| Report::new(&options, side(drain), side(copy));
        assert_eq!((report(1.25, 1.0).quotient_min, report(1.25, 1.0).holds), (0.8, true));
        assert!(!report(1.3, 1.0).holds);
        assert_eq!(report(1.3, 1.6).quotient_min, 0.625);
        assert!(report(1.3, 1.6).holds);
    }
}
