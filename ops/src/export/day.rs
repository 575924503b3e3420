//! One day's file: written beside its place, and moved there when it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;

use futures::TryStreamExt;
use jiff::civil::Date;
use tokio_postgres::{Client, Statement};

use super::Format;
use super::csv::Csv;
use super::parquet::Parquet;
use super::view::View;
use crate::Error;

/// Where a day's file is, or will be.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    pub(super) file: PathBuf,
    draft: PathBuf,
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

enum Sink {
    Parquet(Box<Parquet>),
    Csv(Csv),
}

impl Place {
    /// `FOLDER/day=2016-06-01/VIEW.parquet`: the form that Hive has made common.
    pub(super) fn new(folder: &Path, day: Date, view: &str, format: Format) -> Self {
        let folder = folder.join(format!("day={day}"));
        let file = folder.join(format!("{view}.{}", format.as_str()));
        // Readers of such folders leave out what begins with a dot.
        let draft = folder.join(format!(".{view}.{}.draft", format.as_str()));
        Self { folder, file, draft }
    }

    /// Whether the day is there, whole.
    pub(super) fn is_there(&self) -> bool {
        self.file.exists()
    }

    /// Writes the day. Killed at any moment, it leaves a draft or a whole file.
    pub(super) async fn write(
        &self,
        client: &Client,
        statement: &Statement,
        view: &View,
        day: Date,
        format: Format,
    ) -> Result<Written, Error> {
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        let draft = File::create(&self.draft).map_err(at(&self.draft))?;
        let mut sink = match format {
            Format::Parquet => Sink::Parquet(Box::new(Parquet::new(draft, &view.columns)?)),
            Format::Csv => Sink::Csv(Csv::new(draft, &view.columns)?),
        };
        // Row by row: Postgres is held up by the socket, and we hold one batch.
        let mut rows = pin!(client.query_raw(statement, [day.to_string()]).await?);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            match &mut sink {
                Sink::Parquet(sink) => sink.row(&row)?,
                Sink::Csv(sink) => sink.row(&row)?,
            }
            count += 1;
        }
        let file = match sink {
            Sink::Parquet(sink) => sink.finish()?,
            Sink::Csv(sink) => sink.finish()?,
        };
        file.sync_all().map_err(at(&self.draft))?;
        let bytes = file.metadata().map_err(at(&self.draft))?.len();
        fs::rename(&self.draft, &self.file).map_err(at(&self.file))?;
        sync(&self.folder)?;
        // The folder of the day is new, perhaps, and stands in its own.
        self.folder.parent().map_or(Ok(()), sync)?;
        Ok(Written { rows: count, bytes })
    }
}

fn sync(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::File { path: path.to_owned(), source }
}
