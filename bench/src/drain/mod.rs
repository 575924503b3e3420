//! `bench drain`: how fast one consumer empties a full log, beside raw COPY of the same rows in the
//! same order.
//!
//! ```text
//! workload → log ┬→ consumer → database: rate, order ┐
//!                │                          ↓        ├→ one pair → ratio
//!                └→ encoded, in that order → COPY → database: rate
//! ```

mod copy;
mod encode;
mod order;
mod read;
mod report;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use crate::cpu::Processes;
use crate::log::Log;
use crate::progress::Progress;
use crate::servers::Servers;
use crate::workload::{Shape, Workload};

pub use crate::cpu::Cpu;
pub use report::{CopyRun, DrainRun, Report, Tally};

/// What to drain, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Swipes in the log
    #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Pairs of drain and COPY that count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Which swipes: the same seed gives the same ones, on the same day
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Partitions of the log
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
    /// How late a swipe may arrive, at random, in ms; 0 keeps the log in the order of time
    #[arg(long, default_value_t = 0)]
    pub jitter_ms: u32,
}

/// What every run needs.
struct Bench {
    servers: Servers,
    workload: Arc<Workload>,
    log: Log,
    processes: Processes,
    /// Part of every name that this bench gives.
    name: String,
}

/// Publishes the swipes, then measures in turn.
///
/// # Errors
/// A server's own; or what was measured is not what should have happened.
pub async fn run(options: &Options) -> Result<Report> {
    let servers = Servers::from_env()?;
    let name = format!("bench_{:012x}", Uuid::new_v4().as_u128() >> 80);
    let processes = Processes::find(&servers.connect().await?, servers.brokers()).await;
    let shape = Shape {
        rows: options.rows,
        partitions: options.partitions,
        seed: options.seed,
        jitter_ms: options.jitter_ms,
    };
    let workload = Arc::new(Workload::generate(shape)?);
    let log = Log::create(&servers, &name, options.partitions).await?;
    let bench = Arc::new(Bench { servers, workload, log, processes, name });
    let measured = bench.measure(options).await;
    if let Err(error) = bench.log.delete().await {
        eprintln!("topic {} stays: {error:#}", bench.log.topic);
    }
    measured
}

impl Bench {
    async fn measure(self: &Arc<Self>, options: &Options) -> Result<Report> {
        let publisher = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            publisher.log.publish(&publisher.servers, &publisher.workload)
        })
        .await
        .context("publishing")??;
        let (mut drains, mut copies) = (Vec::new(), Vec::new());
        // The first drain and COPY of a cluster make its files and fill its caches.
        self.pair("warm-up", 0).await?;
        for run in 1..=options.runs {
            let (drain, copy) = self.pair(&format!("{run} of {}", options.runs), run).await?;
            drains.push(drain);
            copies.push(copy);
        }
        Ok(Report::new(options, drains, copies))
    }

    /// One drain and one COPY; both tables must hold the same rows.
    async fn pair(&self, label: &str, run: u16) -> Result<(DrainRun, CopyRun)> {
        let rows = self.workload.len() as u64;
        let progress = Progress::start(format_args!("drain {label}"), rows);
        let drained = self.drain(&format!("{}_drain_{run}", self.name), &progress).await?;
        progress.done(&drained.run);

        let progress = Progress::start(format_args!("copy {label}"), rows);
        let name = format!("{}_copy_{run}", self.name);
        let (copied, contents) = self.copy(&name, &drained.order, drained.clock).await?;
        ensure!(
            contents == drained.contents,
            "the drain and the COPY wrote different rows: {:?} and {contents:?}",
            drained.contents
        );
        progress.done(&copied);
        Ok((drained.run, copied))
    }
}
