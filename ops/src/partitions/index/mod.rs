//! The index of a card's rows, made for each day that is over.
//!
//! While a day is written, a second index would halve the rate. So the day's own key is by time,
//! and this one, on (`card_id`, `occurred_at`), comes when hardly anything is written to it any more:
//! concurrently, so that what is still written waits for nothing, and by one worker at a time.
//! A worker that is killed leaves an index that Postgres does not use: it is dropped and made again.

mod report;
mod watch;

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use jiff::civil::Date;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

use super::days::day_of;
use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};

pub use report::{Made, Round};

/// Lock of the one worker. It is only ever tried for: whoever waits for it holds a snapshot, and
/// an index that is made concurrently waits for those.
const LOCK: i64 = 7_310_306_031;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// What is indexed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long after its end a day counts as over.
    pub settle: Duration,
    /// Only say which days are to be indexed.
    pub dry_run: bool,
    /// Stay, and do it again after the end of each day.
    pub watch: bool,
}

/// Where the index of a day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Indexed,
    Missing,
    /// Left behind by a worker that was killed.
    Broken,
    /// The day is not over.
    Early,
}

/// A day that is part of `access_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Day {
    day: Date,
    table: String,
    standing: Standing,
}

/// Indexes the days that are over, once or from now on.
///
/// # Errors
/// [`Error::Busy`] where another worker is at it; Postgres' own.
pub async fn run(settings: &Settings, options: &Options, json: bool) -> Result<Verdict, Error> {
    if options.watch {
        return watch::watch(settings, options.settle, json).await;
    }
    let round = round(settings, options.settle, options.dry_run).await?;
    round.print(json)?;
    Ok(Verdict::Fine)
}

/// One round: makes the index of each day that is over and has none, the newest day first.
///
/// # Errors
/// As [`run`]. The days that are done stay so.
pub async fn round(settings: &Settings, settle: Duration, dry_run: bool) -> Result<Round, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    // Neither may hurry it; and it is not to take the machine away from those who write.
    let calm = "SET statement_timeout = 0; SET lock_timeout = 0; \
                SET max_parallel_maintenance_workers = 0";
    client.batch_execute(calm).await?;
    // Where the server's system cannot do this, it notices later that nobody waits any more.
    drop(client.batch_execute("SET client_connection_check_interval = '500ms'").await);
    if !dry_run {
        be_the_one(&client).await?;
    }
    let days = days(&client, settle).await?;
    let mut round = Round::new(dry_run, &days);
    let due = days.iter().filter(|day| day.standing.is_due());
    if dry_run {
        round.days.extend(due.map(|day| Made::to_come(day.day, day.standing)));
        return Ok(round);
    }
    let due: Vec<&Day> = due.collect();
    if due.is_empty() {
        return Ok(round);
    }
    let watcher = Watcher::new(settings, &client, due.len()).await?;
    for day in due {
        watcher.bar.set_message(day.day.to_string());
        if let Some(made) = watcher.beside(make(&client, day)).await? {
            round.days.push(made);
        }
        watcher.bar.inc(1);
    }
    watcher.bar.finish_and_clear();
    Ok(round)
}

async fn be_the_one(client: &Client) -> Result<(), Error> {
    let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await?;
    match row.get(0) {
        true => Ok(()),
        false => Err(Error::Busy(
            "another `gatelog partitions index` is at work on this database: there is nothing to do \
             here; try again when it is through",
        )),
    }
}

/// Makes the index of a day, and drops what is left of an earlier try; none where the day is gone
/// by now.
async fn make(client: &Client, day: &Day) -> Result<Option<Made>, Error> {
    let Day { table, standing, .. } = day;
    let begun = Instant::now();
    if *standing == Standing::Broken {
        let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {table}_card");
        client.batch_execute(&sql).await?;
    }
    let sql = format!("CREATE INDEX CONCURRENTLY {table}_card ON {table} (card_id, occurred_at)");
    match client.batch_execute(&sql).await {
        Ok(()) => {}
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let sql = "SELECT pg_relation_size(to_regclass($1))";
    let bytes: Option<i64> = client.query_one(sql, &[&format!("{table}_card")]).await?.get(0);
    Ok(Some(Made::now(day.day, *standing, begun.elapsed(), bytes.unwrap_or_default())))
}

async fn days(client: &impl GenericClient, settle: Duration) -> Result<Vec<Day>, Error> {
    let sql = include_str!("../sql/index_days.sql");
    let rows = client.query(sql, &[&settle.as_secs_f64()]).await?;
    let days = rows.iter().filter_map(|row| {
        let table: String = row.get("name");
        let standing = match (row.get("is_indexed"), row.get("is_over"), row.get("is_broken")) {
            (true, ..) => Standing::Indexed,
            (false, false, _) => Standing::Early,
            (false, true, true) => Standing::Broken,
            (false, true, false) => Standing::Missing,
        };
        Some(Day { day: day_of(&table)?, table, standing })
    });
    Ok(days.collect())
}

impl Standing {
    fn is_due(self) -> bool {
        matches!(self, Self::Missing | Self::Broken)
    }
}

/// Looks, by another session, how far an index is.
struct Watcher {
    session: Client,
    worker_pid: i32,
    bar: ProgressBar,
}

impl Watcher {
    async fn new(settings: &Settings, worker: &Client, days: usize) -> Result<Self, Error> {
        let session = connect::postgres(&settings.postgres).await?;
        let worker_pid = worker.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        Ok(Self { session, worker_pid, bar: output::bar(days as u64) })
    }

    async fn beside(
        &self,
        work: impl Future<Output = Result<Option<Made>, Error>>,
    ) -> Result<Option<Made>, Error> {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(LOOK, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.look().await,
            }
        }
    }

    /// What it finds is a courtesy: where it cannot look, it says nothing.
    async fn look(&self) {
        let sql = include_str!("../sql/index_progress.sql");
        let Ok(Some(row)) = self.session.query_opt(sql, &[&self.worker_pid]).await else { return };
        let (phase, done, total): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        self.bar.set_message(match total {
            0 => phase,
            total => format!("{phase}, {} %", done * 100 / total),
        });
    }
}
