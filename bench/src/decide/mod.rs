//! `bench decide`: live decisions while permissions change, and how soon each is on its topic.
//!
//! ```text
//! live swipes → log ┬→ taken for late ones                  ┐
//!                   ├→ live                                 │ one round → ratios
//!                   ├→ live, with N changes a second        │
//!                   └→ live, with state of every card       ┘
//! schedule → log → consumer → commit → outbox → topic of the decisions
//! ```

mod changes;
mod decided;
mod drain;
mod rates;
mod report;
mod table;
mod way;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::ground::Ground;
use crate::log::Log;
use crate::open_loop::{Feed, Plan};
use crate::site::Site;

pub use crate::cpu::Cpu;
pub use crate::open_loop::{AtRate, Percentiles};
pub use changes::{ChangesMade, Pace};
pub use rates::DecidedAtRate;
pub use report::{AtWay, DrainRun, Ratio, Report};
pub use way::Way;

use drain::Drains;

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to decide, beside how many changes, and at which rates.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Swipes in the log that is drained
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    pub swipes: u32,
    /// Rounds of drains that count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Permission changes a second, one drain after another; one without any is always there
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', default_value = "10,1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub changes: Vec<u32>,
    /// Sessions that make them, beside the one that blocks stolen cards
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub sessions: u16,
    /// How long the same changes are made once more after a drain, with nothing beside them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub alone_s: u16,
    /// Swipes a second, one rate after another, from swipe to decision
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', default_value = "500,2000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rates: Vec<u32>,
    /// How long each rate is kept up, after its warm-up
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub seconds: u16,
    /// How long a rate is kept up before it counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=600))]
    pub warm_up_s: u16,
    /// Which cards at which terminals, and which of them change
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Partitions of the log
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub partitions: u16,
    /// Only one of the two parts
    #[arg(long, value_enum)]
    pub only: Option<Part>,
    /// Without the drain that comes first and is not counted: to try the bench, not for figures
    #[arg(long)]
    pub cold: bool,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// How many decisions a second
    Drains,
    /// How soon each
    Rates,
}

impl Options {
    fn plan(&self, rate: u32) -> Plan {
        Plan::new(rate, self.warm_up_s, self.seconds)
    }

    fn has(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

/// Drains in rounds, then keeps up each rate.
///
/// # Errors
/// A server's own; or what was measured is not what should have happened.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let mut ways = Vec::new();
    if options.has(Part::Drains) {
        ways = drains(options, &ground).await?;
    }
    let (mut rates, mut not_live) = (Vec::new(), 0);
    if options.has(Part::Rates) {
        (rates, not_live) = rates::measure(options, &ground).await?;
    }
    Ok(Report::new(options, ways, rates, not_live))
}

/// Publishes the swipes once, then drains them in every way, in turn.
async fn drains(options: &Options, ground: &Ground) -> Result<Vec<(Way, Vec<DrainRun>)>> {
    let swipes = options.swipes as usize;
    let mut feed = Feed::new(Site::new(swipes), options.seed);
    let name = format!("{}_drains", ground.name);
    let log = Log::create(&ground.servers, &name, options.partitions).await?;
    let published = log.publish_feed(&ground.servers, &mut feed, swipes);
    let measured = async {
        published?;
        Drains { ground, log: &log, feed: &feed, options }.measure().await
    };
    let measured = measured.await;
    log.delete().await;
    measured
}
