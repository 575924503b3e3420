//! `bench latency`: how long after its publishing a swipe is committed, at fixed rates.

mod bare_commit;
mod report;

use anyhow::Result;

use crate::database::Database;
use crate::ground::Ground;
use crate::log::Log;
use crate::open_loop::{self, Feed, OpenLoop, Plan, on_own_thread};
use crate::progress::Progress;
use crate::site::Site;

pub use crate::open_loop::{AtRate, Percentiles};
pub use report::Report;

/// Which rates, for how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Events a second, one rate after another
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', default_value = "500,2000,10000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rates: Vec<u32>,
    /// How long each rate is kept up, after its warm-up
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub seconds: u16,
    /// How long a rate is kept up before it counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=600))]
    pub warm_up_s: u16,
    /// Bare commits that are timed before, one after another
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub commits: u32,
    /// Which cards at which terminals
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Partitions of the log
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
}

impl Options {
    fn plan(&self, rate: u32) -> Plan {
        Plan::new(rate, self.warm_up_s, self.seconds)
    }
}

struct Bench {
    ground: Ground,
    log: Log,
    database: Database,
}

/// Times bare commits, then each rate.
///
/// # Errors
/// A server's own; or what was measured is not what should have happened.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let site = Site::new(options.rates.iter().map(|rate| options.plan(*rate).events).sum());
    let log = Log::create(&ground.servers, &ground.name, options.partitions).await?;
    let days = open_loop::days();
    let database = match Database::create(&ground.servers, &ground.name, &site, days).await {
        Ok(database) => database,
        Err(error) => {
            log.delete().await;
            return Err(error);
        }
    };
    let bench = Bench { ground, log, database };
    let measured = bench.measure(options, site).await;
    bench.log.delete().await;
    bench.database.delete().await?;
    measured
}

impl Bench {
    async fn measure(&self, options: &Options, site: Site) -> Result<Report> {
        let progress = Progress::start("bare commits", u64::from(options.commits));
        let (url, commits) = (self.database.url.clone(), options.commits);
        let bare_commit =
            on_own_thread("bare commits", move || bare_commit::measure(&url, commits)).await?;
        progress.done(&bare_commit);

        let feed = Feed::new(site, options.seed);
        let Self { ground, log, database } = self;
        let mut running = OpenLoop::start(ground, database, log, feed, &[]).await?;
        let mut rates = Vec::new();
        for rate in &options.rates {
            let plan = options.plan(*rate);
            let progress = Progress::start(format_args!("{rate}/s"), plan.events as u64);
            let kept;
            (running, kept) = running.keep_up(plan).await?;
            let at_rate = AtRate::join(plan, &kept.sent, &kept.watched)?;
            progress.done(&at_rate);
            rates.push(at_rate);
        }
        Ok(Report::new(options, bare_commit, rates, running.finish().await?))
    }
}
