//! `bench age`: does a drain keep its pace while the table grows?
//!
//! ```text
//! workload → log → consumer → database: rate of each million ┐
//!        └→ a million encoded, copied; the next … → database: rate of each million ┘→ quotients
//! ```

mod copy;
mod report;

use anyhow::{Result, ensure};

use crate::ceiling::order::{self, Table};
use crate::course::{self, Course};
use crate::database::{Contents, Database};
use crate::ground::Ground;
use crate::log::Log;
use crate::outcome;
use crate::progress::Progress;
use crate::workload::{self, Shape, Workload};

pub use report::{Report, Side};

/// How much to drain.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Millions of swipes in the log
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=200))]
    pub millions: u16,
    /// Swipes that count as a million, to try the bench with fewer
    #[arg(long, default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    pub million: u32,
    /// Which swipes: the same seed gives the same ones, on the same day
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Partitions of the log
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
    /// Days over which the swipes are spread; the last is yesterday
    #[arg(long, default_value_t = workload::DAYS)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=400))]
    pub days: u16,
    /// Without the COPY that comes first and is not counted: to try the bench, not for figures
    #[arg(long)]
    pub cold: bool,
}

struct Bench {
    ground: Ground,
    workload: Workload,
    log: Log,
    millions: usize,
    million: i64,
}

/// A drain that is over.
struct Drained {
    side: Side,
    /// By connection of the COPY: the swipes in the drain's order.
    order: Vec<Vec<u32>>,
    contents: Contents,
    clock: i64,
}

/// Publishes the swipes, drains them once and copies them once.
///
/// # Errors
/// A server's own; or what was measured is not what should have happened.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let workload = Workload::generate(Shape {
        rows: u32::from(options.millions) * options.million,
        partitions: options.partitions,
        seed: options.seed,
        jitter_ms: 0,
        days: options.days,
    })?;
    let log = Log::create(&ground.servers, &ground.name, options.partitions).await?;
    let (millions, million) = (usize::from(options.millions), i64::from(options.million));
    let bench = Bench { ground, workload, log, millions, million };
    let measured = bench.measure(options).await;
    bench.log.delete().await;
    measured
}

impl Bench {
    async fn measure(&self, options: &Options) -> Result<Report> {
        self.log.publish(&self.ground.servers, &self.workload, 0)?;
        // The first rows of a cluster make its WAL files, and make them until there are as many as
        // all rows need: a warm-up of fewer would slow the later millions alone.
        if !options.cold {
            self.copy("warm-up", &order::of_arrival(&self.workload), 0).await?;
        }
        let drained = self.drain().await?;
        let (copied, contents) = self.copy("copy", &drained.order, drained.clock).await?;
        ensure!(
            contents == drained.contents,
            "the drain and the COPY wrote different rows: {:?} and {contents:?}",
            drained.contents
        );
        Ok(Report::new(options, drained.side, copied))
    }

    async fn database(&self, name: &str) -> Result<Database> {
        let workload = &self.workload;
        Database::create(&self.ground.servers, name, &workload.site, workload.days()).await
    }

    async fn drain(&self) -> Result<Drained> {
        let name = format!("{}_drain", self.ground.name);
        let database = self.database(&name).await?;
        let drained = self.drain_into(&database, &name).await;
        database.delete().await?;
        drained
    }

    async fn drain_into(&self, database: &Database, group: &str) -> Result<Drained> {
        let workload = &self.workload;
        let progress = Progress::start("drain", workload.len() as u64);
        let (span, topic) = (0..workload.len() as i64, &self.log.topic);
        let (course, _) =
            course::run(&self.ground, database, topic, group, span, &progress).await?;
        let side = Side::new(self.million, &self.seconds(&course));
        progress.done(&side);

        let (_, contents) = outcome::all_rows(workload, database).await?;
        let order = order::observe(&database.client, Table::AccessLog, workload).await?;
        let clock = outcome::permission_clock(&database.client).await?;
        Ok(Drained { side, order: order.connections, contents, clock })
    }

    /// What each million took. The first is timed from the first commit on, by what was left of it:
    /// the consumer's start is no matter of the table's age, and would flatter the last.
    fn seconds(&self, course: &Course) -> Vec<f64> {
        let passed = |millions: usize| course.passed_s(millions as i64 * self.million);
        let mut seconds: Vec<f64> = (1..=self.millions)
            .map(|n| passed(n) - if n > 1 { passed(n - 1) } else { 0.0 })
            .collect();
        let first = course.first_commit();
        if first.events * 2 <= self.million {
            let left = (self.million - first.events) as f64 / self.million as f64;
            seconds[0] = (passed(1) - first.seconds) / left;
        }
        seconds
    }
}
