//! `bench backoff`: what jitter is good for, simulated.
//!
//! ```text
//! clients that fail at once → wait without jitter ┐
//!                         └→ wait with full jitter ┘→ requests in each 10 ms, calls, last one done
//! ```

mod course;
mod plot;
mod report;

use resilience::Backoff;

pub use course::{Course, TICK_MS, Tick, Waiting};
pub use report::Report;

/// Who fails, and what the server takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Clients that fail at the same moment
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: u32,
    /// Requests that the server takes in 10 ms; it refuses the others at once
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub capacity: u32,
    /// Longest wait before the second try, in ms
    #[arg(long, default_value_t = Backoff::default().base_ms)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub base_ms: u64,
    /// Longest wait before any try, in ms
    #[arg(long, default_value_t = Backoff::default().cap_ms)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub cap_ms: u64,
    /// Of the waits with jitter: the same seed gives the same ones
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Options {
    fn backoff(&self) -> Backoff {
        Backoff { base_ms: self.base_ms, cap_ms: self.cap_ms }
    }
}

/// Lets the same clients fail twice: once they wait without jitter, once with full jitter.
pub fn run(options: &Options) -> Report {
    let course = |waiting| Course::simulate(options, waiting);
    Report::new(options, course(Waiting::NoJitter), course(Waiting::FullJitter))
}
