//! `bench card-month`: one card's month by the index of finished days, and what making it costs
//! those who write.
//!
//! ```text
//! 30 days filled → some months without the index
//!   rounds: COPY into the live day ─ alone ─ beside the index worker ─ with such an index itself
//!   → the months of random cards, through the view and from the bare table → report
//! ```

mod live;
mod months;
mod report;
mod worker;

use anyhow::{Context, Result};
use tokio_postgres::Client;

use crate::database::Database;
use crate::ground::Ground;
use crate::progress::Progress;
use crate::site::Site;
use crate::workload::{Shape, Workload};

pub use report::{Months, Report, Round};

/// Days that are over: the month.
const DAYS: i32 = 30;

/// How much there is, and how often it is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Rows of the month
    #[arg(long, default_value_t = 50_000_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(10_000..=2_000_000_000))]
    pub rows: u32,
    /// Cards whose month is asked for
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub cards: u16,
    /// Rows that are copied into the live day, each time
    #[arg(long, default_value_t = 3_000_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(10_000..=20_000_000))]
    pub live_rows: u32,
    /// Rounds of COPY: alone, beside the worker, and with the index on the live day
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub runs: u16,
    /// Which swipes and cards
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

struct Bench {
    ground: Ground,
    /// Of the live day, and the site of all.
    live: Workload,
    database: Database,
    /// The month's first day, since 1970; the live day comes after its last.
    first_day: i32,
}

/// Measures, in a database of its own.
///
/// # Errors
/// A server or a program does not do what it should; a month that is not found whole.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let mut live = Workload::generate(Shape {
        rows: options.live_rows,
        partitions: 48,
        seed: options.seed,
        jitter_ms: 0,
        days: 1,
    })?;
    // As many cards as the month would have of its own.
    if options.rows > options.live_rows {
        live.site = Site::new(options.rows as usize);
    }
    let live_day = live.days().start;
    let first_day = live_day - DAYS;
    let days = first_day..live.days().end;
    let database = Database::create(&ground.servers, &ground.name, &live.site, days).await?;
    let bench = Bench { ground, live, database, first_day };
    let measured = bench.measure(options).await;
    bench.database.delete().await?;
    measured
}

impl Bench {
    async fn measure(&self, options: &Options) -> Result<Report> {
        self.fill(options).await?;
        let cards = self.some_cards(options).await?;
        let without = self.months_without_index(&cards).await?;
        let encoded = tokio::task::block_in_place(|| self.encode());
        let mut rounds = Vec::new();
        // One more comes first and is not counted: the first COPYs make WAL files that later ones use.
        self.round("warm-up", &encoded).await?;
        for nth in 1..=options.runs {
            rounds.push(self.round(&format!("{nth} of {}", options.runs), &encoded).await?);
        }
        let (through_view, bare) = self.months(&cards).await?;
        Ok(Report::new(options, self.live.site.cards.len(), without, through_view, bare, rounds))
    }

    /// The rows of the month, day by day, in the order of time.
    async fn fill(&self, options: &Options) -> Result<()> {
        let client = &self.database.client;
        let progress = Progress::start("fill", u64::from(options.rows));
        client.batch_execute(include_str!("../sql/fill_tables.sql")).await?;
        let fill = client.prepare(include_str!("../sql/fill_day.sql")).await?;
        let mut written = 0;
        for nth in 0..DAYS {
            let share = |nth: i32| i64::from(options.rows) * i64::from(nth) / i64::from(DAYS);
            let (day, rows) = (i64::from(self.first_day + nth), share(nth + 1) - share(nth));
            let seed = options.seed.cast_signed();
            written +=
                client.execute(&fill, &[&day, &rows, &seed]).await.context("filling a day")?;
            progress.at(written);
        }
        anyhow::ensure!(written == u64::from(options.rows), "{written} rows of {}", options.rows);
        // As autovacuum would have by the time that a day is over.
        self.database.vacuum().await?;
        self.database.checkpoint().await?;
        progress.done(format_args!("{written} rows"));
        Ok(())
    }

    fn client(&self) -> &Client {
        &self.database.client
    }
}
