//! Rates and what lies in the middle.

/// Rows a second, in whole rows.
pub(crate) fn rate(rows: usize, seconds: f64) -> f64 {
    (rows as f64 / seconds).round()
}

/// One rate as a part of another, to three decimals.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    (part / whole * 1_000.0).round() / 1_000.0
}

/// The middle; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = values.get((values.len() / 2).saturating_sub(1)).copied().unwrap_or_default();
    (lower + upper) / 2.0
}

/// The lowest and the highest.
pub(crate) fn extremes(values: &[f64]) -> (f64, f64) {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    (lowest, values.iter().copied().fold(0.0, f64::max))
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
