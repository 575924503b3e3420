//! `gatelog dlq export`: letters as a file, one a line, the cards included.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use futures::TryStreamExt;
use serde::Serialize;

use super::filter::Filter;
use super::letter::Letter;
use super::letters;
use crate::output;
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    letters: usize,
}

const EXPORT: &str = concat!(
    "SELECT d.* FROM dead_letter d\n",
    include_str!("sql/which.sql"),
    // A letter after the one that it is merged into, so that a file can be imported from its start.
    "ORDER BY d.merged_into IS NOT NULL, d.created_at, d.log_partition, d.log_offset"
);

/// Writes the letters that `filter` lets through to `file`, or to standard output where that is `-`.
///
/// # Errors
/// A file that is there already or cannot be written, or Postgres' own.
pub async fn run(
    settings: &Settings,
    file: &Path,
    filter: &Filter,
    json: bool,
) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    if file == Path::new("-") {
        let mut out = BufWriter::new(io::stdout());
        return match write(&client, filter, &mut out).await? {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::Other(format!("standard output: {error}")))
            }
            _ => Ok(Verdict::Fine),
        };
    }
    let failed = |source| Error::File { path: file.to_owned(), source };
    let mut out = BufWriter::new(make(file)?);
    let letters_written = match write(&client, filter, &mut out).await {
        Ok(Ok(count)) => out.get_ref().sync_all().map(|()| count).map_err(failed),
        Ok(Err(source)) => Err(failed(source)),
        Err(error) => Err(error),
    };
    let count = letters_written.inspect_err(|_| {
        // Half a file would be taken for a whole one.
        let _ = std::fs::remove_file(file);
    })?;
    if json {
        output::print_json(&Report { file, letters: count })?;
    } else {
        output::print(&format!(
            "{} written to {}; it holds cards: keep it where nobody else reads it\n",
            letters(count),
            file.display()
        ))?;
    }
    Ok(Verdict::Fine)
}

/// One letter in memory at a time. The inner error is the file's.
async fn write(
    client: &tokio_postgres::Client,
    filter: &Filter,
    out: &mut impl Write,
) -> Result<io::Result<usize>, Error> {
    let chosen = filter.parameters();
    let rows = client.query_raw(EXPORT, chosen.list()).await?;
    let mut rows = std::pin::pin!(rows);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        let line = serde_json::to_string(&Letter::of(&row));
        let line = line.map_err(|error| Error::Other(error.to_string()))?;
        if let Err(error) = writeln!(out, "{line}") {
            return Ok(Err(error));
        }
        count += 1;
    }
    Ok(out.flush().map(|()| count))
}

/// A new file that nobody else may read.
fn make(file: &Path) -> Result<File, Error> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Usage(format!(
            "{} is there already, and is not written over: name another file",
            file.display()
        )),
        _ => Error::File { path: file.to_owned(), source },
    })
}
