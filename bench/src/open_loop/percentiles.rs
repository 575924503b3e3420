//! Times, summed up.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What a time was in the middle, at the edge and at worst, in ms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Percentiles {
    /// Times.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// One in a hundred is longer.
    pub p99_ms: f64,
    /// One in a thousand is longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The longest time that is told apart from longer ones, in µs: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Times in µs, to three digits (hdrhistogram).
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        // Bounds and digits are constants, within what the crate takes.
        #[allow(clippy::expect_used)]
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are allowed"))
    }
}

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.saturating_record(time.as_micros().try_into().unwrap_or(u64::MAX));
    }

    /// Times so far.
    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile: f64| ms(self.0.value_at_quantile(quantile));
        Percentiles {
            count: self.0.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(self.0.max()),
        }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p99_ms, p999_ms, max_ms, .. } = self;
        write!(f, "p50 {p50_ms:.2}, p99 {p99_ms:.2}, p99.9 {p999_ms:.2}, max {max_ms:.2} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_times() {
        let mut times = Times::default();
        (1..=1_000).for_each(|us| times.add(Duration::from_micros(us)));
        let found = times.percentiles();
        assert_eq!((found.count, found.p50_ms, found.p99_ms), (1_000, 0.5, 0.99));
        assert_eq!((found.p999_ms, found.max_ms), (0.999, 1.0));
        times.add(Duration::from_secs(60));
        let max_ms = times.percentiles().max_ms;
        assert!((60_000.0..60_060.0).contains(&max_ms), "three digits: {max_ms}");
    }
}
