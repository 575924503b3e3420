//! `bench reupload`: what it costs to read events that were in the log before.
//!
//! ```text
//! swipes → log → consumer → rows            first
//! the same → log → consumer → duplicates    second, order ┐
//!                      the same, in that order → COPY     ┘→ ratio
//! ```

mod copy;
mod report;

use anyhow::{Result, ensure};

use crate::ceiling::order::{self, Order, Table};
use crate::course;
use crate::database::{Contents, Database};
use crate::ground::Ground;
use crate::log::Log;
use crate::outcome::{self, Tally};
use crate::progress::Progress;
use crate::stats::rate;
use crate::workload::{self, Shape, Workload};

pub use report::{Report, Run};

/// What to upload again, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Swipes that are published twice
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Runs that count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Which swipes: the same seed gives the same ones, on the same day
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Partitions of the log
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
    /// Without the run that comes first and is not counted: to try the bench, not for figures
    #[arg(long)]
    pub cold: bool,
}

struct Bench {
    ground: Ground,
    workload: Workload,
    partitions: u16,
}

/// Two drains that are over.
struct Twice {
    first_events_per_s: f64,
    events_per_s: f64,
    /// In which order the duplicates were written.
    order: Order,
    duplicates: Contents,
}

/// Uploads, and uploads again, in turn with the COPY.
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
    let bench = Bench { ground, workload, partitions: options.partitions };
    // The first of a cluster make its files and fill its caches.
    if !options.cold {
        bench.run_once("warm-up", 0).await?;
    }
    let mut runs = Vec::new();
    for nth in 1..=options.runs {
        runs.push(bench.run_once(&format!("{nth} of {}", options.runs), nth).await?);
    }
    Ok(Report::new(options, runs))
}

impl Bench {
    /// A log and two databases of this run's own.
    async fn run_once(&self, label: &str, nth: u16) -> Result<Run> {
        let name = format!("{}_{nth}", self.ground.name);
        let log = Log::create(&self.ground.servers, &name, self.partitions).await?;
        let twice = self.twice(&log, &name, label).await;
        log.delete().await;
        let twice = twice?;

        let progress = Progress::start(format_args!("copy {label}"), self.workload.len() as u64);
        let (ceiling, contents) = self.copy(&format!("{name}_copy"), &twice.order).await?;
        progress.done(format_args!("{ceiling:.0} events/s"));
        ensure!(
            contents == twice.duplicates,
            "the drain and the COPY wrote different duplicates: {:?} and {contents:?}",
            twice.duplicates
        );
        Ok(Run::new(twice.first_events_per_s, twice.events_per_s, ceiling))
    }

    async fn database(&self, name: &str) -> Result<Database> {
        let workload = &self.workload;
        Database::create(&self.ground.servers, name, &workload.site, workload.days()).await
    }

    async fn twice(&self, log: &Log, name: &str, label: &str) -> Result<Twice> {
        let database = self.database(name).await?;
        let drained = self.twice_into(&database, log, name, label).await;
        database.delete().await?;
        drained
    }

    async fn twice_into(
        &self,
        database: &Database,
        log: &Log,
        group: &str,
        label: &str,
    ) -> Result<Twice> {
        let step = format!("first {label}");
        let first_events_per_s = self.drain(database, log, group, 0, &step).await?;
        let (_, rows) = outcome::all_rows(&self.workload, database).await?;

        let step = format!("second {label}");
        let events_per_s = self.drain(database, log, group, 1, &step).await?;
        let tally = outcome::tally(&database.client).await?;
        let events = self.workload.len() as i64;
        let all = Tally { rows: events, duplicates: events, ..Tally::default() };
        ensure!(tally == all, "of {events} swipes, twice, the consumer has counted {tally:?}");
        ensure!(database.contents().await? == rows, "reading the swipes again has changed rows");
        let duplicates = database.duplicates().await?;
        let order = order::observe(&database.client, Table::DuplicateEvent, &self.workload).await?;
        Ok(Twice { first_events_per_s, events_per_s, order, duplicates })
    }

    /// Publishes all swipes, after the log has had them `rounds_before` times, and drains them.
    async fn drain(
        &self,
        database: &Database,
        log: &Log,
        group: &str,
        rounds_before: i64,
        step: &str,
    ) -> Result<f64> {
        let events = self.workload.len();
        log.publish(&self.ground.servers, &self.workload, rounds_before)?;
        let progress = Progress::start(step, events as u64);
        let start = rounds_before * events as i64;
        let span = start..start + events as i64;
        let (course, _) =
            course::run(&self.ground, database, &log.topic, group, span, &progress).await?;
        let events_per_s = rate(events, course.seconds());
        progress.done(format_args!("{events_per_s:.0} events/s, {:.2} s", course.seconds()));
        Ok(events_per_s)
    }
}
