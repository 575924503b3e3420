//! Clients that failed together try again until each is served, in simulated time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use resilience::Backoff;
use serde::Serialize;

use super::Options;

/// The time over which the server's limit holds, in ms.
pub const TICK_MS: u64 = 10;

/// How clients wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// Exponential backoff as it is: all of them equally long.
    NoJitter,
    /// A random time up to that.
    FullJitter,
}

/// What came in, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Course {
    /// How clients waited.
    pub waiting: Waiting,
    /// Requests in all: those that failed at once are the first.
    pub calls: u64,
    /// Most requests in one tick, after the first.
    pub requests_max: u32,
    /// When half of the clients were served, in ms since they failed.
    pub half_ms: u64,
    /// When the last one was, in ms since they failed.
    pub done_ms: u64,
    /// The ticks in which there were requests.
    pub ticks: Vec<Tick>,
}

/// What came in within [`TICK_MS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tick {
    /// When it began, in ms since the clients failed.
    pub at_ms: u64,
    /// Requests.
    pub requests: u32,
    /// Those of them that were served.
    pub served: u32,
}

impl Waiting {
    fn wait(self, backoff: &Backoff, failures: u32, rng: &mut StdRng) -> Duration {
        match self {
            Self::NoJitter => backoff.delay_max(failures),
            Self::FullJitter => backoff.delay(failures, rng),
        }
    }
}

impl Course {
    /// All clients call in the first tick, in which the server serves nobody; from then on it
    /// serves the first of each tick, up to its limit. Whoever is refused knows it at once.
    pub(super) fn simulate(options: &Options, waiting: Waiting) -> Self {
        let (backoff, rng) = (options.backoff(), &mut StdRng::seed_from_u64(options.seed));
        let mut failures = vec![0_u32; options.clients as usize];
        let mut due: BinaryHeap<Reverse<(u64, usize)>> =
            (0..failures.len()).map(|client| Reverse((0, client))).collect();
        let (mut ticks, mut served_at_ms) = (BTreeMap::<u64, Tick>::new(), Vec::new());
        while let Some(Reverse((now_ms, client))) = due.pop() {
            let at_ms = now_ms - now_ms % TICK_MS;
            let tick = ticks.entry(at_ms).or_insert(Tick { at_ms, requests: 0, served: 0 });
            tick.requests += 1;
            if at_ms > 0 && tick.served < options.capacity {
                tick.served += 1;
                served_at_ms.push(now_ms);
                continue;
            }
            failures[client] += 1;
            let wait = waiting.wait(&backoff, failures[client], rng);
            due.push(Reverse((now_ms + wait.as_millis() as u64, client)));
        }
        Self::new(waiting, ticks.into_values().collect(), &served_at_ms)
    }

    fn new(waiting: Waiting, ticks: Vec<Tick>, served_at_ms: &[u64]) -> Self {
        let half = served_at_ms.len().div_ceil(2).saturating_sub(1);
        Self {
            waiting,
            calls: ticks.iter().map(|tick| u64::from(tick.requests)).sum(),
            requests_max: ticks.iter().skip(1).map(|tick| tick.requests).max().unwrap_or_default(),
            half_ms: served_at_ms.get(half).copied().unwrap_or_default(),
            done_ms: served_at_ms.last().copied().unwrap_or_default(),
            ticks,
        }
    }

    /// Requests of each tick before `end_ms`, with those that had none.
    pub(super) fn requests_until(&self, end_ms: u64) -> Vec<u32> {
        let mut requests = vec![0; end_ms.div_ceil(TICK_MS) as usize];
        for tick in &self.ticks {
            if let Some(of_tick) = requests.get_mut((tick.at_ms / TICK_MS) as usize) {
                *of_tick = tick.requests;
            }
        }
        requests
    }
}
