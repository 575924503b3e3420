//! `bench verify`: how fast `gatelog verify` proves a log, beside merely reading what it must read.
//!
//! ```text
//! workload → log → consumer → rows
//!            log + rows → gatelog verify: rate            ┐
//!            log → a consumer ┐                           ├→ one pair → ratio
//!            rows → COPY TO   ┴ at the same time: ceiling ┘
//! ```

mod ceiling;
mod proof;
mod report;

use anyhow::Result;

use crate::course;
use crate::database::Database;
use crate::ground::Ground;
use crate::log::Log;
use crate::outcome;
use crate::progress::Progress;
use crate::workload::{self, Shape, Workload};

pub use report::{Ceiling, Report, Run};

/// How much to prove, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Swipes in the log
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Pairs of proof and ceiling that count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Which swipes: the same seed gives the same ones, on the same day
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Partitions of the log
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
    /// Without the pair that comes first and is not counted: to try the bench, not for figures
    #[arg(long)]
    pub cold: bool,
}

struct Bench {
    ground: Ground,
    workload: Workload,
    log: Log,
    database: Database,
}

/// Drains the swipes once, then measures in turn.
///
/// # Errors
/// A server's own; or what was measured is not what should have happened.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let workload = Workload::generate(Shape {
        rows: options.rows,
        partitions: options.partitions,
        seed: options.seed,
        jitter_ms: 0,
        days: workload::DAYS,
    })?;
    let (servers, name) = (&ground.servers, &ground.name);
    let log = Log::create(servers, name, options.partitions).await?;
    let database = match Database::create(servers, name, &workload.site, workload.days()).await {
        Ok(database) => database,
        Err(error) => {
            log.delete().await;
            return Err(error);
        }
    };
    let bench = Bench { ground, workload, log, database };
    let measured = bench.measure(options).await;
    bench.log.delete().await;
    bench.database.delete().await?;
    measured
}

impl Bench {
    async fn measure(&self, options: &Options) -> Result<Report> {
        self.log.publish(&self.ground.servers, &self.workload, 0)?;
        self.drain().await?;
        if !options.cold {
            // What was just written gets its hint bits and its visibility map, and caches fill.
            self.pair("warm-up").await?;
        }
        let mut runs = Vec::new();
        for nth in 1..=options.runs {
            runs.push(self.pair(&format!("{nth} of {}", options.runs)).await?);
        }
        Ok(Report::new(options, runs))
    }

    async fn drain(&self) -> Result<()> {
        let events = self.workload.len();
        let progress = Progress::start("drain", events as u64);
        let (topic, group, span) = (&self.log.topic, &self.ground.name, 0..events as i64);
        let (course, _) =
            course::run(&self.ground, &self.database, topic, group, span, &progress).await?;
        outcome::all_rows(&self.workload, &self.database).await?;
        progress.done(format_args!("{events} rows in {:.1} s", course.seconds()));
        // As autovacuum would have by the time that somebody verifies.
        self.database.vacuum().await?;
        self.database.checkpoint().await
    }

    async fn pair(&self, label: &str) -> Result<Run> {
        let events = self.workload.len();
        let progress = Progress::start(format_args!("verify {label}"), events as u64);
        let seconds = self.prove().await?;
        progress.done(format_args!("{seconds:.2} s"));

        let progress = Progress::start(format_args!("ceiling {label}"), events as u64);
        let ceiling = self.ceiling().await?;
        progress.done(format_args!("{:.2} s", ceiling.seconds));
        Ok(Run::new(events, seconds, ceiling))
    }
}
