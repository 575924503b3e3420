//! `bench lake`: how fast a view becomes Parquet files, beside merely reading it; and whether DuckDB
//! reads in them what Postgres has.
//!
//! ```text
//! rows of four days → gatelog export: rate             ┐
//!                   → COPY of the same view: ceiling   ┴→ one pair → ratio
//! files → DuckDB: counts and sums a day = Postgres': the files are right, or there is no report
//! ```

mod duckdb;
mod export;
mod report;

use anyhow::{Context, Result};
use futures::TryStreamExt;

use crate::database::Database;
use crate::ground::Ground;
use crate::progress::Progress;
use crate::site::Site;

pub use report::{Report, Run};

/// How much to export, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Rows, spread over four days
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(4..))]
    pub rows: u32,
    /// Pairs of export and ceiling that count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Do not read the files with DuckDB, which pip fetches
    #[arg(long)]
    pub without_duckdb: bool,
}

struct Bench<'o> {
    options: &'o Options,
    ground: Ground,
    database: Database,
    folder: std::path::PathBuf,
}

/// Of 2016-06-01 to 04.
const FIRST_DAY: i32 = 16_953;
const DAYS: i32 = 4;
const VIEW: &str = "access_event";

/// Makes the rows once, then measures in turn.
///
/// # Errors
/// A server's own; or the files do not hold what Postgres does.
pub async fn run(options: &Options) -> Result<Report> {
    let ground = Ground::find().await?;
    let days = FIRST_DAY..FIRST_DAY + DAYS;
    let database =
        Database::create(&ground.servers, &ground.name, &Site::new(options.rows as usize), days)
            .await?;
    let folder = std::env::temp_dir().join(&ground.name);
    let bench = Bench { options, ground, database, folder };
    let measured = bench.measure().await;
    // There is none where nothing was exported.
    drop(std::fs::remove_dir_all(&bench.folder));
    bench.database.delete().await?;
    measured
}

impl Bench<'_> {
    async fn measure(&self) -> Result<Report> {
        self.fill().await?;
        let (mut runs, mut report) = (Vec::new(), None);
        // One pair first that is not counted: hint bits are set, and caches fill.
        for nth in 0..=self.options.runs {
            let label = if nth == 0 { "warm-up".to_owned() } else { format!("{nth}") };
            let progress = Progress::start(format_args!("export {label}"), 0);
            let exported = self.export().await?;
            progress.done(format_args!("{:.2} s", exported.seconds));
            let progress = Progress::start(format_args!("copy {label}"), 0);
            let copy_s = self.copy().await?;
            progress.done(format_args!("{copy_s:.2} s"));
            if nth > 0 {
                runs.push(Run::new(self.options.rows, exported.seconds, copy_s, exported.peak_kib));
            }
            report = Some(exported);
        }
        let exported = report.context("nothing was exported")?;
        let duckdb = if self.options.without_duckdb {
            None
        } else {
            let progress = Progress::start("duckdb", 0);
            let read = self.read_with_duckdb().await?;
            progress.done(format_args!("version {}: the same", read));
            Some(read)
        };
        Ok(Report::new(self.options, runs, exported.bytes, duckdb))
    }

    async fn fill(&self) -> Result<()> {
        let progress = Progress::start("rows", u64::from(self.options.rows));
        let rows = i64::from(self.options.rows);
        let sql = include_str!("../sql/lake_rows.sql");
        let made = self.database.client.execute(sql, &[&rows]).await.context("making rows")?;
        self.database.vacuum().await?;
        self.database.checkpoint().await?;
        progress.done(format_args!("{made} in access_log"));
        Ok(())
    }

    /// Reads what an export reads, and throws it away.
    async fn copy(&self) -> Result<f64> {
        let sql = format!(
            "COPY (SELECT * FROM analyst.{VIEW} ORDER BY occurred_at, card_id) TO STDOUT (FORMAT binary)"
        );
        let started = std::time::Instant::now();
        let bytes = self.database.client.copy_out(&sql).await.context("reading the view")?;
        let mut bytes = std::pin::pin!(bytes);
        while bytes.try_next().await?.is_some() {}
        Ok(started.elapsed().as_secs_f64())
    }
}
