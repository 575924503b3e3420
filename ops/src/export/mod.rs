//! `gatelog export`: days of a view, as files that other engines read as they are.
//!
//! ```text
//! days of the span that are over ─▶ each: is its file there? ─▶ SELECT, row by row ─▶ draft ─▶ renamed
//! ```
//!
//! A file that has its name is whole, so the same command goes on where it was cut off.

mod column;
mod csv;
mod day;
mod parquet;
mod value;
mod view;

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::Client;

use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};

use day::Place;
use view::View;

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache Parquet: typed, compressed (zstd), by columns
    Parquet,
    /// CSV with a header
    Csv,
}

/// What is exported, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// View of schema analyst.
    pub view: String,
    /// First day.
    pub from: Date,
    /// Last day; yesterday where there is none.
    pub to: Option<Date>,
    /// The folder, in which the view has one of its own.
    pub out: PathBuf,
    /// Format of the files.
    pub format: Format,
    /// Whether days are written once more whose files are there.
    pub again: bool,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// View of schema analyst.
    pub view: String,
    /// Format of the files.
    pub format: Format,
    /// Where the days are.
    pub folder: PathBuf,
    /// Each day that has a table.
    pub days: Vec<Day>,
    /// Days that were written now.
    pub written: usize,
    /// Rows that were written now.
    pub rows: u64,
    /// Bytes of the files that were written now.
    pub bytes: u64,
}

/// A day of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The day, in UTC.
    pub day: Date,
    /// Its file.
    pub file: PathBuf,
    /// Rows; none where the file was there before.
    pub rows: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// See [`export`].
pub async fn run(settings: &Settings, options: &Options, json: bool) -> Result<Verdict, Error> {
    let report = export(settings, options).await?;
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(Verdict::Fine)
}

/// Exports the days of a span whose files are not there yet.
///
/// # Errors
/// [`Error::Usage`] for a view or a day that cannot be exported; [`Error::Busy`] where another export
/// writes there; a file that cannot be written; Postgres' own.
pub async fn export(settings: &Settings, options: &Options) -> Result<Report, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    client.batch_execute("SET timezone = 'UTC'").await?;
    let view = View::read(&client, &options.view).await?;
    let days = days(&client, &view.name, options).await?;
    let folder = options.out.join(&view.name);
    let _turn = take_turn(&folder)?;
    let statement = client.prepare(&view.statement()).await?;
    let mut report = Report {
        view: view.name.clone(),
        format: options.format,
        folder: folder.clone(),
        days: Vec::new(),
        written: 0,
        rows: 0,
        bytes: 0,
    };
    let bar = output::bar(days.len() as u64);
    for day in days {
        bar.set_message(format!("{day}, {} rows", report.rows));
        let place = Place::new(&folder, day, &view.name, options.format);
        let mut rows = None;
        if options.again || !place.is_there() {
            let written = place.write(&client, &statement, &view, day, options.format).await?;
            rows = Some(written.rows);
            report.written += 1;
            report.rows += written.rows;
            report.bytes += written.bytes;
        }
        report.days.push(Day { day, file: place.file, rows });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(report)
}

/// Views whose days need the day after: a stay that begins in one ends in the other.
const READING_ON: [&str; 1] = ["dwell"];

/// The days of the span that there are, and that are over.
async fn days(client: &Client, view: &str, options: &Options) -> Result<Vec<Date>, Error> {
    let today = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')";
    let today = parse(client.query_one(today, &[]).await?.get(0))?;
    let yesterday =
        today.yesterday().map_err(|error| Error::Other(format!("the day before: {error}")))?;
    let last = match READING_ON.contains(&view) {
        true => yesterday.yesterday().map_err(|error| Error::Other(format!("a day: {error}")))?,
        false => yesterday,
    };
    let (from, to) = (options.from, options.to.unwrap_or(last));
    if to > last {
        return Err(Error::Usage(format!(
            "--to {to}: a day is exported when it is over, by UTC, with all that {view} reads for it; \
             the last that can be is {last}"
        )));
    }
    if from > to {
        return Err(Error::Usage(format!("--from {from} is after --to {to}")));
    }
    let span = [from.to_string(), to.to_string()];
    let rows = client.query(include_str!("sql/days.sql"), &[&span[0], &span[1]]).await?;
    rows.iter().map(|row| parse(row.get(0))).collect()
}

fn parse(day: &str) -> Result<Date, Error> {
    day.parse().map_err(|_| Error::Other(format!("the database names a day {day:?}")))
}

/// One export of a view into a folder at a time: two would write the same draft.
fn take_turn(folder: &Path) -> Result<File, Error> {
    std::fs::create_dir_all(folder).map_err(day::at(folder))?;
    let path = folder.join(".lock");
    let file = File::create(&path).map_err(day::at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::Busy("another `gatelog export` writes this view there"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(day::at(&path)(error)),
    }
}

impl Report {
    fn render(&self) -> String {
        if self.days.is_empty() {
            return "no day of that span has a table: nothing to export\n".to_owned();
        }
        let mut text = format!(
            "{} rows of {} days written to {} ({} bytes)\n",
            self.rows,
            self.written,
            self.folder.display(),
            self.bytes
        );
        let there = self.days.len() - self.written;
        if there > 0 {
            text += &format!("{there} days were there already; --again writes them once more\n");
        }
        text
    }
}

impl Format {
    /// The word in arguments and file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}
