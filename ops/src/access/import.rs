//! `gatelog access import`: who may go where, from a file, JSON or CSV.

use std::path::Path;

use registry::edit::Tally;
use registry::import::{self, AccessFile, Report, Run};
use serde::Serialize;
use serde_json::Value;

use crate::metrics::Metrics;
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict, connect, operator};

/// Bytes that an access file may have; a million cards have about 200 MB.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Schedules, zones, terminals and cards
    Json,
    /// Cards
    Csv,
}

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    #[serde(flatten)]
    report: Report,
    metrics: Value,
}

/// Imports `file`, by default in the format that its name says, and prints what changed.
///
/// # Errors
/// A file that cannot be read or makes no sense, with the paths in it; or Postgres' own.
pub async fn run(
    settings: &Settings,
    file: &Path,
    format: Option<Format>,
    run: Run,
    json: bool,
) -> Result<Verdict, Error> {
    let access = read(file, format)?;
    let mut client = connect::postgres(&settings.postgres).await?;
    operator::introduce(&client).await?;
    let (metrics, mut tally) = (Metrics::new()?, Tally::default());
    let end = import::apply_counted(&mut client, &access, run, &mut tally).await;
    if run == Run::Apply {
        metrics.edited("import", tally);
        metrics.leave(settings.metrics.file.as_deref());
    }
    let report = end?;
    if json {
        let dry_run = run == Run::Dry;
        output::print_json(&Answer { dry_run, report, metrics: metrics.values() })?;
    } else {
        output::print(&render(&report, run))?;
    }
    Ok(Verdict::Fine)
}

fn read(path: &Path, format: Option<Format>) -> Result<AccessFile, Error> {
    let unreadable = |source| Error::File { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let problem = format!("{}: has {bytes} bytes, may have {FILE_BYTES_MAX}", path.display());
        return Err(Error::Usage(problem));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let is_csv = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    Ok(match format {
        Some(Format::Csv) => AccessFile::parse_csv(&text)?,
        None if is_csv => AccessFile::parse_csv(&text)?,
        Some(Format::Json) | None => AccessFile::parse(&text)?,
    })
}

fn render(report: &Report, run: Run) -> String {
    let mut table = Table::new(["", "added", "changed", "unchanged"], &[0]);
    for (what, counts) in [
        ("schedules", report.schedules),
        ("zones", report.zones),
        ("terminals", report.terminals),
        ("cards", report.cards),
    ] {
        let numbers = [counts.added, counts.changed, counts.unchanged].map(|n| n.to_string());
        let [added, changed, unchanged] = numbers;
        table.row([what.to_owned(), added, changed, unchanged]);
    }
    let mut text = table.render();
    if report.in_force_from_kept > 0 {
        text += &format!(
            "{} cards keep the in_force_from that they were registered with: it is history\n",
            report.in_force_from_kept
        );
    }
    if run == Run::Dry {
        text += "dry run: nothing was written\n";
    }
    text
}
