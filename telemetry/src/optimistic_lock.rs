//! How optimistic locking fares: how often what a decision or an edit stood on had changed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// The three metrics of optimistic locking; cheap to clone.
#[derive(Debug, Clone)]
pub struct OptimisticLock {
    failures: IntCounterVec,
    retries: HistogramVec,
    lately: Lately,
}

/// Why it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// The row has another version than the one that was edited.
    VersionMismatch,
    /// What a decision stood on has changed since it was read.
    StaleData,
}

impl FailureReason {
    /// As the label says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VersionMismatch => "version_mismatch",
            Self::StaleData => "stale_data",
        }
    }
}

/// The time that the rate looks back.
const WINDOW: Duration = Duration::from_secs(60);

impl OptimisticLock {
    /// Registers `optimistic_lock_failure_total{operation,reason}`,
    /// `optimistic_lock_failure_rate{operation}` (failures of the last minute by updates of the last
    /// minute, as of the moment that it is read) and `optimistic_lock_retry_count{operation}`.
    ///
    /// # Errors
    /// They are there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let failures = Opts::new(
            "optimistic_lock_failure_total",
            "Updates and decisions that met a newer version than they stood on.",
        );
        let retries = HistogramOpts::new(
            "optimistic_lock_retry_count",
            "Tries after the first that an update or a decision took.",
        );
        let lock = Self {
            failures: IntCounterVec::new(failures, &["operation", "reason"])?,
            retries: HistogramVec::new(
                retries.buckets(vec![0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0]),
                &["operation"],
            )?,
            lately: Lately::new()?,
        };
        registry.register(Box::new(lock.failures.clone()))?;
        registry.register(Box::new(lock.retries.clone()))?;
        registry.register(Box::new(lock.lately.clone()))?;
        Ok(lock)
    }

    /// Says 0 until this fails: what grows from nothing has not grown, to who computes rates of it.
    pub fn expect(&self, operation: &'static str, reason: FailureReason) {
        self.failures.with_label_values(&[operation, reason.as_str()]);
    }

    /// One try found a newer version.
    pub fn failed(&self, operation: &'static str, reason: FailureReason) {
        self.failures.with_label_values(&[operation, reason.as_str()]).inc();
        self.lately.add(operation, Counts { failures: 1, updates: 0 });
    }

    /// An update, or a batch of decisions, is at its end after so many retries: through, or given up.
    pub fn done(&self, operation: &'static str, retries: u32) {
        self.retries.with_label_values(&[operation]).observe(f64::from(retries));
        self.lately.add(operation, Counts { failures: 0, updates: 1 });
    }
}

/// What happened in the last minute, by operation and second.
#[derive(Debug, Clone)]
struct Lately {
    seconds: Arc<Mutex<VecDeque<Second>>>,
    rate: GaugeVec,
}

#[derive(Debug)]
struct Second {
    began: Instant,
    /// Operations are a handful.
    counts: Vec<(&'static str, Counts)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    failures: u64,
    updates: u64,
}

impl Lately {
    fn new() -> prometheus::Result<Self> {
        let rate = Opts::new(
            "optimistic_lock_failure_rate",
            "Failures in the last minute by updates in the last minute.",
        );
        Ok(Self { seconds: Arc::default(), rate: GaugeVec::new(rate, &["operation"])? })
    }

    fn add(&self, operation: &'static str, more: Counts) {
        let now = Instant::now();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut seconds, now);
        if seconds.back().is_none_or(|last| now - last.began >= Duration::from_secs(1)) {
            seconds.push_back(Second { began: now, counts: Vec::new() });
        }
        let Some(second) = seconds.back_mut() else { return };
        match second.counts.iter_mut().find(|(name, _)| *name == operation) {
            Some((_, counts)) => counts.add(more),
            None => second.counts.push((operation, more)),
        }
    }
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.failures += more.failures;
        self.updates += more.updates;
    }
}

fn forget(seconds: &mut VecDeque<Second>, now: Instant) {
    while seconds.front().is_some_and(|oldest| now - oldest.began >= WINDOW) {
        seconds.pop_front();
    }
}

impl Collector for Lately {
    fn desc(&self) -> Vec<&Desc> {
        self.rate.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut sums: Vec<(&'static str, Counts)> = Vec::new();
        {
            let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
            forget(&mut seconds, Instant::now());
            for (operation, counts) in seconds.iter().flat_map(|second| &second.counts) {
                match sums.iter_mut().find(|(name, _)| name == operation) {
                    Some((_, sum)) => sum.add(*counts),
                    None => sums.push((operation, *counts)),
                }
            }
        }
        self.rate.reset();
        for (operation, sum) in sums {
            let rate = sum.failures as f64 / sum.updates.max(1) as f64;
            self.rate.with_label_values(&[operation]).set(rate);
        }
        self.rate.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_say_what_happened() {
        let registry = Registry::new();
        let lock = OptimisticLock::register(&registry).unwrap();
        lock.failed("decide", FailureReason::StaleData);
        lock.done("decide", 1);
        (0..3).for_each(|_| lock.done("decide", 0));
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "optimistic_lock_failure_total{operation=\"decide\",reason=\"stale_data\"} 1",
            "optimistic_lock_failure_rate{operation=\"decide\"} 0.25",
            "optimistic_lock_retry_count_count{operation=\"decide\"} 4",
            "optimistic_lock_retry_count_bucket{operation=\"decide\",le=\"0\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_minute_is_forgotten() {
        let start = Instant::now();
        let second = |s| Second { began: start + Duration::from_secs(s), counts: Vec::new() };
        let mut seconds: VecDeque<Second> = [0, 30, 59].map(second).into();
        forget(&mut seconds, start + Duration::from_secs(60));
        assert_eq!(seconds.len(), 2);
        forget(&mut seconds, start + Duration::from_secs(200));
        assert!(seconds.is_empty());
    }
}
