//! Both ways to wait beside each other, and beside a server that is never idle.

use std::fmt;

use serde::Serialize;

use super::course::{Course, TICK_MS};
use super::{Options, plot};
use crate::stats::ratio;

/// What came of waiting without and with jitter.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Clients that failed at once.
    pub clients: u32,
    /// Requests that the server takes in 10 ms.
    pub capacity: u32,
    /// Longest wait before the second try, in ms.
    pub base_ms: u64,
    /// Longest wait before any try, in ms.
    pub cap_ms: u64,
    /// The seed.
    pub seed: u64,
    /// The floor: when a server that is never idle serves the last one, in ms since they failed.
    pub floor_ms: u64,
    /// The floor: one call that fails and one that is served, by each client.
    pub floor_calls: u64,
    /// Waiting without jitter.
    pub no_jitter: Course,
    /// Waiting with full jitter.
    pub full_jitter: Course,
}

/// Ticks in a line of the table.
const IN_LINE: usize = 10;

impl Report {
    pub(super) fn new(options: &Options, no_jitter: Course, full_jitter: Course) -> Self {
        let Options { clients, capacity, base_ms, cap_ms, seed } = *options;
        Self {
            clients,
            capacity,
            base_ms,
            cap_ms,
            seed,
            floor_ms: soonest_ms(clients, capacity),
            floor_calls: 2 * u64::from(clients),
            no_jitter,
            full_jitter,
        }
    }

    /// The same as a picture: an SVG document.
    pub fn plot(&self) -> String {
        plot::draw(self)
    }

    /// What is shown tick by tick, in ms: a bit more than the sooner of the two takes.
    pub(super) fn window_ms(&self) -> u64 {
        let sooner = self.no_jitter.done_ms.min(self.full_jitter.done_ms);
        (sooner + 1).next_multiple_of(200)
    }

    /// Most requests in one tick, the first included.
    pub(super) fn requests_max(&self) -> f64 {
        let ticks = self.no_jitter.ticks.iter().chain(&self.full_jitter.ticks);
        f64::from(ticks.map(|tick| tick.requests).max().unwrap_or_default())
    }

    fn lines(&self, f: &mut fmt::Formatter<'_>, course: &Course) -> fmt::Result {
        let requests = course.requests_until(self.window_ms());
        for (line, ticks) in requests.chunks(IN_LINE).enumerate() {
            if ticks.iter().any(|requests| *requests > 0) {
                write!(f, "{:>8}", line as u64 * IN_LINE as u64 * TICK_MS)?;
                ticks.iter().try_for_each(|requests| write!(f, " {requests:>6}"))?;
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// When a server that is never idle after the first tick comes to the last of so many clients.
fn soonest_ms(clients: u32, capacity: u32) -> u64 {
    u64::from(clients.div_ceil(capacity)) * TICK_MS
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, capacity, base_ms, cap_ms, seed, floor_ms, floor_calls, .. } = self;
        writeln!(
            f,
            "{clients} clients fail at once; the server takes {capacity} requests in {TICK_MS} ms; \
             first wait {base_ms} ms, doubled up to {cap_ms} ms; seed {seed}, simulated"
        )?;
        let courses = [("no jitter", &self.no_jitter), ("full jitter", &self.full_jitter)];
        for (name, course) in courses {
            writeln!(f, "requests in each {TICK_MS} ms, {name}; by the ms at which a line starts")?;
            self.lines(f, course)?;
        }
        writeln!(
            f,
            "                 calls  most in 10 ms  half done ms  last done ms  of the floor"
        )?;
        let floor_half_ms = soonest_ms(clients.div_ceil(2), *capacity);
        writeln!(
            f,
            "{:<12} {floor_calls:>9} {capacity:>14} {floor_half_ms:>13} {floor_ms:>13} {:>13.2}",
            "floor", 1.0
        )?;
        for (name, course) in courses {
            let Course { calls, requests_max, half_ms, done_ms, .. } = course;
            let of_floor = ratio(*done_ms as f64, *floor_ms as f64);
            writeln!(
                f,
                "{name:<12} {calls:>9} {requests_max:>14} {half_ms:>13} {done_ms:>13} {of_floor:>13.2}"
            )?;
        }
        Ok(())
    }
}
