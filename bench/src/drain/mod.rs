//! `bench drain`: how fast one consumer empties a full log, beside raw COPY of the same rows in the
//! order of the log, or in the drain's own.
//!
//! ```text
//! workload → log ┬→ consumer → database: rate, order ┐
//!                │                          ↓        ├→ one pair → ratio
//!                └→ encoded, in one of them → COPY → database: rate
//! ```

mod copy;
mod report;

use anyhow::{Result, ensure};

use crate::ceiling::order::{self, Order, Table};
use crate::course;
use crate::database::{Contents, Database};
use crate::ground::Ground;
use crate::log::Log;
use crate::outcome;
use crate::progress::Progress;
use crate::stats::rate;
use crate::workload::{self, Shape, Workload};

pub use crate::cpu::Cpu;
pub use crate::outcome::Tally;
pub use report::{CopyRun, DrainRun, Report};

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
    /// Days of access_log that exist, in both databases; the last is yesterday. The swipes lie in
    /// the last five of them; 400 is what a database keeps by default
    #[arg(long, default_value_t = workload::DAYS)]
    #[arg(value_parser = clap::value_parser!(u16).range(i64::from(workload::DAYS)..=400))]
    pub days: u16,
    /// In which order the ceiling's COPY writes its rows
    #[arg(long, value_enum, default_value_t = CeilingOrder::Log)]
    pub ceiling: CeilingOrder,
    /// Without the pair that comes first and is not counted: to try the bench, not for figures
    #[arg(long)]
    pub cold: bool,
}

/// In which order the ceiling's COPY writes its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum CeilingOrder {
    /// Of the log: 3,800 swipes of each partition in turn, as fetches of 1 MiB bring them
    Log,
    /// Of the drain just before it, which puts rows closer to the order of time
    Drain,
}

/// What every run needs.
struct Bench {
    ground: Ground,
    workload: Workload,
    log: Log,
    days: u16,
    ceiling: CeilingOrder,
}

/// A drain that is over.
struct Drained {
    run: DrainRun,
    /// In which order its rows were written.
    order: Order,
    contents: Contents,
    /// The permission clock that its decisions name.
    clock: i64,
}

/// Publishes the swipes, then measures in turn.
///
/// # Errors
/// A server's own; or what was measured is not what should have happened.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let workload = Workload::generate(Shape {
        rows: options.rows,
        partitions: options.partitions,
        seed: options.seed,
        jitter_ms: options.jitter_ms,
        days: workload::DAYS,
    })?;
    let log = Log::create(&ground.servers, &ground.name, options.partitions).await?;
    let Options { days, ceiling, .. } = *options;
    let bench = Bench { ground, workload, log, days, ceiling };
    let measured = bench.measure(options).await;
    bench.log.delete().await;
    measured
}

impl Bench {
    async fn measure(&self, options: &Options) -> Result<Report> {
        self.log.publish(&self.ground.servers, &self.workload, 0)?;
        let (mut drains, mut copies) = (Vec::new(), Vec::new());
        // The first drain and COPY of a cluster make its files and fill its caches.
        if !options.cold {
            self.pair("warm-up", 0).await?;
        }
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
        let drained = self.drain(&format!("{}_drain_{run}", self.ground.name), &progress).await?;
        progress.done(&drained.run);

        let progress = Progress::start(format_args!("copy {label}"), rows);
        let name = format!("{}_copy_{run}", self.ground.name);
        let order = match self.ceiling {
            CeilingOrder::Log => order::of_log(&self.workload),
            CeilingOrder::Drain => drained.order.connections,
        };
        let (copied, contents) = self.copy(&name, &order, drained.clock).await?;
        ensure!(
            contents == drained.contents,
            "the drain and the COPY wrote different rows: {:?} and {contents:?}",
            drained.contents
        );
        progress.done(&copied);
        Ok((drained.run, copied))
    }

    async fn database(&self, name: &str) -> Result<Database> {
        let days = self.workload.days_up_to_its_last(self.days);
        Database::create(&self.ground.servers, name, &self.workload.site, days).await
    }

    /// Drains the log into a database of that name.
    async fn drain(&self, name: &str, progress: &Progress) -> Result<Drained> {
        let database = self.database(name).await?;
        let drained = self.drain_into(&database, name, progress).await;
        database.delete().await?;
        drained
    }

    async fn drain_into(
        &self,
        database: &Database,
        group: &str,
        progress: &Progress,
    ) -> Result<Drained> {
        let (workload, topic) = (&self.workload, &self.log.topic);
        let span = 0..workload.len() as i64;
        let (course, cpu) =
            course::run(&self.ground, database, topic, group, span, progress).await?;
        let (tally, contents) = outcome::all_rows(workload, database).await?;
        let order = order::observe(&database.client, Table::AccessLog, workload).await?;
        let clock = outcome::permission_clock(&database.client).await?;
        let run = DrainRun {
            seconds: course.seconds(),
            rows_per_s: rate(workload.len(), course.seconds()),
            first_commit_s: course.first_commit().seconds,
            transactions: order.transactions,
            stretch_rows_mean: order.stretch_rows_mean,
            tally,
            cpu,
        };
        Ok(Drained { run, order, contents, clock })
    }
}
