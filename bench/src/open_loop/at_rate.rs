//! What one rate took, and what of it is not the consumer's.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::percentiles::{Percentiles, Times};
use super::send::{Event, Plan, Sent};
use super::watch::Watched;
use crate::stats::rate;

/// The sender is behind where its own delay is more than this part of the latency that is measured.
const LATE_PART_MAX: f64 = 0.1;
/// ... or where it sends less than this part of the rate.
const RATE_PART_MIN: f64 = 0.99;

/// One rate. Times count from the moment at which an event was due, if nothing else is said.
#[derive(Debug, Clone, Serialize)]
pub struct AtRate {
    /// Events a second that were due.
    pub rate: u32,
    /// Events a second that were sent.
    pub sent_per_s: f64,
    /// Until librdkafka had the event.
    pub sender_late: Percentiles,
    /// Whether the sender did not keep the schedule: then the figures are about it, too.
    pub sender_behind: bool,
    /// Until Kafka's acknowledgement was there.
    pub acknowledged: Percentiles,
    /// Until the commit was seen.
    pub committed: Percentiles,
    /// From the acknowledgement until the commit was seen; 0 where that came first.
    pub acknowledged_to_committed: Percentiles,
    /// Between two looks of the watcher: a commit may have been seen that much late.
    pub look_gap: Percentiles,
}

/// Sums up one rate.
#[derive(Default)]
struct Recorder {
    late: Times,
    acknowledged: Times,
    committed: Times,
    between: Times,
    look_gap: Times,
}

impl Recorder {
    fn add(&mut self, event: &Event, committed_at: Instant) {
        let since_due = |at: Instant| at.saturating_duration_since(event.due_at);
        self.late.add(since_due(event.sent_at));
        self.acknowledged.add(since_due(event.acknowledged_at));
        self.committed.add(since_due(committed_at));
        self.between.add(committed_at.saturating_duration_since(event.acknowledged_at));
    }

    fn look_gaps(&mut self, gaps: &[Duration]) {
        gaps.iter().for_each(|gap| self.look_gap.add(*gap));
    }

    /// `took`: from the schedule's start until the last event was sent.
    fn finish(self, plan: Plan, took: Duration) -> AtRate {
        let (sender_late, committed) = (self.late.percentiles(), self.committed.percentiles());
        // The last event is due one interval before the schedule's end.
        let interval_s = 1.0 / f64::from(plan.rate);
        let sent_per_s = rate(plan.events, took.as_secs_f64() + interval_s);
        let sender_behind = sender_late.p99_ms > committed.p99_ms * LATE_PART_MAX
            || sent_per_s < f64::from(plan.rate) * RATE_PART_MIN;
        AtRate {
            rate: plan.rate,
            sent_per_s,
            sender_late,
            sender_behind,
            acknowledged: self.acknowledged.percentiles(),
            committed,
            acknowledged_to_committed: self.between.percentiles(),
            look_gap: self.look_gap.percentiles(),
        }
    }
}

impl AtRate {
    /// Brings together, event by event, when it was due, sent, acknowledged and committed.
    ///
    /// # Errors
    /// An event was never seen committed.
    pub(crate) fn join(plan: Plan, sent: &Sent, watched: &Watched) -> Result<Self> {
        let mut recorder = Recorder::default();
        for event in sent.events.iter().skip(plan.counted_from) {
            recorder.add(event, committed_at(event, watched)?);
        }
        recorder.look_gaps(&watched.gaps);
        Ok(recorder.finish(plan, sent.took()))
    }

    /// The head of the table that [`Self::rows`] goes on with.
    pub(crate) fn head(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "                                    p50       p99     p99.9       max")
    }

    /// Its rows of a table; `more` come after the time to the commit.
    pub(crate) fn rows(
        &self,
        f: &mut fmt::Formatter<'_>,
        more: &[(&str, &Percentiles)],
    ) -> fmt::Result {
        let mark = if self.sender_behind { "!" } else { "" };
        let rate = format!("{}/s{mark}", self.rate);
        row(f, &rate, "committed", &self.committed)?;
        more.iter().try_for_each(|(what, found)| row(f, "", what, found))?;
        row(f, "", "acknowledged by Kafka", &self.acknowledged)?;
        row(f, "", "from there to commit", &self.acknowledged_to_committed)?;
        row(f, "", "sender late", &self.sender_late)?;
        row(f, "", "between two looks", &self.look_gap)
    }

    /// Says so where the sender was behind.
    pub(crate) fn warning(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.sender_behind {
            return Ok(());
        }
        let Self { rate, sent_per_s, sender_late, .. } = self;
        writeln!(
            f,
            "! THE SENDER DID NOT KEEP {rate}/s: it sent {sent_per_s:.0}/s and was {:.2} ms late \
             at its p99. The figures of this rate are about it, too",
            sender_late.p99_ms
        )
    }
}

/// When an event's commit was first seen.
///
/// # Errors
/// It never was.
pub(crate) fn committed_at(event: &Event, watched: &Watched) -> Result<Instant> {
    let Event { partition, offset, .. } = *event;
    watched.committed_at(partition, offset).with_context(|| {
        format!("offset {offset} of partition {partition} was never seen committed")
    })
}

/// One row of a table.
pub(crate) fn row(
    f: &mut fmt::Formatter<'_>,
    rate: &str,
    what: &str,
    found: &Percentiles,
) -> fmt::Result {
    let Percentiles { p50_ms, p99_ms, p999_ms, max_ms, .. } = found;
    writeln!(f, "{rate:<9} {what:<21} {p50_ms:>9.2} {p99_ms:>9.2} {p999_ms:>9.2} {max_ms:>9.2}")
}

impl fmt::Display for AtRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = if self.sender_behind { "; THE SENDER WAS BEHIND" } else { "" };
        write!(f, "committed: {}{behind}", self.committed)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// What is found of a thousand events that are sent `late_us` late and committed after 2 ms.
    fn found(late_us: u64, took: Duration) -> AtRate {
        let (mut recorder, due_at) = (Recorder::default(), Instant::now());
        let event = Event {
            event_id: Uuid::nil(),
            due_at,
            sent_at: due_at + Duration::from_micros(late_us),
            acknowledged_at: due_at + Duration::from_millis(1),
            partition: 0,
            offset: 0,
        };
        (0..1_000).for_each(|_| recorder.add(&event, due_at + Duration::from_millis(2)));
        recorder.finish(Plan { rate: 1_000, events: 1_000, counted_from: 0 }, took)
    }

    #[test]
    fn a_sender_that_does_not_keep_up_is_marked() {
        let in_time = Duration::from_micros(999_050);
        let at = found(50, in_time);
        assert_eq!((at.sender_behind, at.sent_per_s), (false, 1_000.0));
        assert_eq!((at.acknowledged.p50_ms, at.acknowledged_to_committed.p50_ms), (1.0, 1.0));
        assert!(found(250, in_time).sender_behind, "late by an eighth of what is measured");
        assert!(found(50, Duration::from_millis(1_050)).sender_behind, "950 events a second");
    }
}
