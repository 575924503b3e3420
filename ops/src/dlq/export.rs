//! `gatelog dlq export`: letters as a file, one a line, the cards included.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::filter::{Filter, Parameters};
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

const PAGE: &str = concat!(
    include_str!("sql/export.sql"),
    include_str!("sql/which.sql"),
    "AND d.created_at <= $9::text::timestamptz
     AND ($10::bool IS NULL
          OR (d.merged_into IS NOT NULL, d.created_at, d.log_partition, d.log_offset)
             > ($10, $11::text::timestamptz, $12::int, $13::bigint))
     ORDER BY d.merged_into IS NOT NULL, d.created_at, d.log_partition, d.log_offset
     LIMIT $14"
);
/// Letters that are looked up at once.
const PAGE_LETTERS: i64 = 10_000;
/// Letters that are read at once.
const AT_ONCE: usize = 500;
/// Bytes of the letters that are read at once, but for the last of them.
const AT_ONCE_BYTES: i64 = 16 * 1024 * 1024;

/// Where a page ended: the order's columns. Moments as text, since theirs are microseconds.
struct Place {
    merged: bool,
    created_at: String,
    log_partition: i32,
    log_offset: i64,
}

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
    let count = to_file(&client, filter, file).await?;
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

/// Half a file would be taken for a whole one: it has another name until it is whole.
async fn to_file(client: &Client, filter: &Filter, file: &Path) -> Result<usize, Error> {
    if file.symlink_metadata().is_ok() {
        return Err(is_there(file));
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = |source| Error::File { path: part.clone(), source };
    let mut out = BufWriter::new(make(&part)?);
    let written = match write(client, filter, &mut out).await {
        Ok(Ok(count)) => out.get_ref().sync_all().map(|()| count).map_err(failed),
        Ok(Err(source)) => Err(failed(source)),
        Err(error) => Err(error),
    };
    drop(out);
    let named = written.and_then(|count| rename(&part, file).map(|()| count));
    named.inspect_err(|_| {
        let _ = std::fs::remove_file(&part);
    })
}

/// Gives the file its name, unless that is taken: a rename would write over it.
fn rename(part: &Path, file: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { path: file.to_owned(), source };
    match std::fs::hard_link(part, file) {
        Ok(()) => std::fs::remove_file(part).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(file)),
        // A file system that knows no links.
        Err(_) if file.symlink_metadata().is_err() => std::fs::rename(part, file).map_err(failed),
        Err(_) => Err(is_there(file)),
    }
}

/// Some letters in memory at a time, and no query open while whoever reads takes their time. The
/// inner error is the file's.
async fn write(
    client: &Client,
    filter: &Filter,
    out: &mut impl Write,
) -> Result<io::Result<usize>, Error> {
    let chosen = filter.parameters();
    let now: String = client.query_one("SELECT now()::text", &[]).await?.get(0);
    let (mut count, mut after) = (0, None);
    loop {
        let page = page(client, &chosen, &now, after.as_ref()).await?;
        let Some(last) = page.last() else {
            return Ok(out.flush().map(|()| count));
        };
        after = Some(Place::of(last));
        let all: Vec<(Uuid, i64)> = page.iter().map(|row| (row.get(0), row.get(1))).collect();
        for ids in by_bytes(&all) {
            let sql = "SELECT d.* FROM dead_letter d JOIN unnest($1::uuid[]) WITH ORDINALITY \
                       AS w (dead_letter_id, nth) USING (dead_letter_id) ORDER BY w.nth";
            for row in client.query(sql, &[&ids]).await? {
                let line = serde_json::to_string(&Letter::of(&row));
                let line = line.map_err(|error| Error::Other(error.to_string()))?;
                if let Err(error) = writeln!(out, "{}", output::harmless_json(&line)) {
                    return Ok(Err(error));
                }
                count += 1;
            }
        }
    }
}

async fn page(
    client: &Client,
    chosen: &Parameters,
    until: &String,
    after: Option<&Place>,
) -> Result<Vec<Row>, Error> {
    let merged = after.map(|place| place.merged);
    let created_at = after.map(|place| place.created_at.as_str());
    let log_partition = after.map(|place| place.log_partition);
    let log_offset = after.map(|place| place.log_offset);
    let mut parameters = chosen.list();
    parameters.push(until);
    parameters.push(&merged);
    parameters.push(&created_at);
    parameters.push(&log_partition);
    parameters.push(&log_offset);
    parameters.push(&PAGE_LETTERS);
    Ok(client.query(PAGE, &parameters).await?)
}

/// Ids of letters, as many as may be read at once.
fn by_bytes(all: &[(Uuid, i64)]) -> Vec<Vec<Uuid>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Uuid>>::new(), i64::MAX);
    for (id, size) in all {
        match parts.last_mut().filter(|part| bytes < AT_ONCE_BYTES && part.len() < AT_ONCE) {
            Some(part) => part.push(*id),
            None => {
                parts.push(vec![*id]);
                bytes = 0;
            }
        }
        bytes = bytes.saturating_add(*size);
    }
    parts
}

/// A new file that nobody else may read.
fn make(file: &Path) -> Result<File, Error> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Usage(format!(
            "{} is there already: another export is writing it, or was ended; delete it then",
            file.display()
        )),
        _ => Error::File { path: file.to_owned(), source },
    })
}

fn is_there(file: &Path) -> Error {
    Error::Usage(format!(
        "{} is there already, and is not written over: name another file",
        file.display()
    ))
}

impl Place {
    fn of(row: &Row) -> Self {
        Self {
            merged: row.get("merged"),
            created_at: row.get("created_at"),
            log_partition: row.get("log_partition"),
            log_offset: row.get("log_offset"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_at_once_is_bounded() {
        let sizes = |sizes: &[i64]| {
            let all: Vec<_> = sizes.iter().map(|size| (Uuid::nil(), *size)).collect();
            by_bytes(&all).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[1; 1_001]), [500, 500, 1]);
        let half = AT_ONCE_BYTES / 2;
        assert_eq!(sizes(&[half, half, half, 1, AT_ONCE_BYTES, 1, 1]), [2, 3, 2]);
    }
}
