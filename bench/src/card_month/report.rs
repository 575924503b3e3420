//! What a card's month takes, and what its index costs.

use std::fmt;

use serde::Serialize;

use super::Options;
use crate::stats::{extremes, median, ratio};

/// A month is to be found within this time.
const TARGET_MS: f64 = 50.0;

/// One card's month, and the rate of writing beside the worker that makes its index.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Rows of the month.
    pub rows: u32,
    /// Cards that they are of.
    pub cards: usize,
    /// The months of random cards, through `analyst.access_event`.
    pub through_view: Months,
    /// The same from `access_log`.
    pub bare: Months,
    /// p50 through the view / p50 from the table.
    pub view_to_bare: f64,
    /// Whether the p99 through the view is below 50 ms.
    pub holds: bool,
    /// A month without the index, p50 of three cards.
    pub without_index_ms: f64,
    /// Rows a second into the live day alone, median.
    pub alone_rows_per_s: f64,
    /// Median of each round's rate beside the worker / alone.
    pub beside_to_alone: f64,
    /// The lowest and the highest.
    pub beside_to_alone_extremes: (f64, f64),
    /// Median of each round's rate with the index on the live day itself / alone.
    pub indexed_to_alone: f64,
    /// What indexing all days took, beside writing, median.
    pub index_s: f64,
    /// The seed.
    pub seed: u64,
    /// Each round.
    pub rounds: Vec<Round>,
}

/// How long the months of some cards took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Months {
    /// Cards.
    pub cards: usize,
    /// Rows of all of them.
    pub rows: usize,
    /// Half took no longer.
    pub p50_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// One round of COPY.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// Rows a second into the live day, and nothing beside it.
    pub alone_rows_per_s: f64,
    /// The same while the worker was at it.
    pub beside_rows_per_s: f64,
    /// Rows that were written meanwhile.
    pub beside_rows: u64,
    /// The same, alone, with such an index on the live day.
    pub indexed_rows_per_s: f64,
    /// From the worker's start to its end.
    pub index_s: f64,
}

impl Months {
    pub(super) fn new(times_ms: &[f64], rows: usize) -> Self {
        let mut times = times_ms.to_vec();
        times.sort_by(f64::total_cmp);
        // Nearest rank.
        let at = |part: f64| {
            let rank = (part * times.len() as f64).ceil() as usize;
            times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { cards: times.len(), rows, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

impl Round {
    pub(super) fn new(alone: f64, beside: f64, rows: u64, indexed: f64, index_s: f64) -> Self {
        Self {
            alone_rows_per_s: alone,
            beside_rows_per_s: beside,
            beside_rows: rows,
            indexed_rows_per_s: indexed,
            index_s,
        }
    }
}

impl Report {
    pub(super) fn new(
        options: &Options,
        cards: usize,
        without_index_ms: f64,
        through_view: Months,
        bare: Months,
        rounds: Vec<Round>,
    ) -> Self {
        let beside = |round: &Round| ratio(round.beside_rows_per_s, round.alone_rows_per_s);
        let indexed = |round: &Round| ratio(round.indexed_rows_per_s, round.alone_rows_per_s);
        let all: Vec<f64> = rounds.iter().map(beside).collect();
        Self {
            rows: options.rows,
            cards,
            view_to_bare: ratio(through_view.p50_ms, bare.p50_ms),
            holds: through_view.p99_ms < TARGET_MS,
            through_view,
            bare,
            without_index_ms,
            alone_rows_per_s: median(rounds.iter().map(|round| round.alone_rows_per_s)),
            beside_to_alone: median(all.iter().copied()),
            beside_to_alone_extremes: extremes(&all),
            indexed_to_alone: median(rounds.iter().map(indexed)),
            index_s: median(rounds.iter().map(|round| round.index_s)),
            seed: options.seed,
            rounds,
        }
    }
}

impl fmt::Display for Months {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p99_ms, max_ms, .. } = self;
        write!(f, "p50 {p50_ms:.1} ms  p99 {p99_ms:.1} ms  max {max_ms:.1} ms")
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "alone {:.0}, beside the worker {:.0}, with the index {:.0} rows/s; indexed in {:.1} s",
            self.alone_rows_per_s, self.beside_rows_per_s, self.indexed_rows_per_s, self.index_s
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let months = &self.through_view;
        let (low, high) = self.beside_to_alone_extremes;
        writeln!(
            f,
            "{} rows of {} cards in a month; the months of {} cards, {} rows a card",
            self.rows,
            self.cards,
            months.cards,
            months.rows / months.cards.max(1)
        )?;
        writeln!(f, "view     {months}{}", if self.holds { "" } else { "  (not below 50 ms)" })?;
        writeln!(f, "table    {}", self.bare)?;
        writeln!(f, "ratio    {:.3} of the medians", self.view_to_bare)?;
        writeln!(
            f,
            "without  {:.1} ms without the index, the middle one of three",
            self.without_index_ms
        )?;
        writeln!(
            f,
            "live     {:>10.0} rows/s by COPY, alone; medians of {} rounds",
            self.alone_rows_per_s,
            self.rounds.len()
        )?;
        writeln!(
            f,
            "beside   {:>10.3} of that while the worker indexes ({low:.3} to {high:.3})",
            self.beside_to_alone
        )?;
        writeln!(
            f,
            "indexed  {:>10.3} of that with the index on the live day itself",
            self.indexed_to_alone
        )?;
        writeln!(f, "worker   {:>10.1} s for all days", self.index_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_nearest() {
        let times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let months = Months::new(&times, 0);
        assert_eq!((months.p50_ms, months.p99_ms, months.max_ms), (100.0, 198.0, 200.0));
        assert_eq!(Months::new(&[7.0], 0).p99_ms, 7.0);
    }
}
