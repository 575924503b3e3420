//! Rows as CSV (RFC 4180), with a header: nothing between two commas is null, `""` is a text without
//! letters, lists are JSON, times are RFC 3339.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use jiff::Timestamp;
use jiff::civil::date;
use tokio_postgres::Row;
use uuid::Uuid;

use super::column::{Column, Kind};
use super::value::{Days, Length, Micros};
use crate::Error;

/// Writes rows to a file.
pub(super) struct Csv {
    file: BufWriter<File>,
    kinds: Vec<Kind>,
    line: String,
}

impl Csv {
    pub(super) fn new(file: File, columns: &[Column]) -> Result<Self, Error> {
        let kinds = columns.iter().map(|column| column.kind).collect();
        let mut csv = Self { file: BufWriter::new(file), kinds, line: String::new() };
        for (at, column) in columns.iter().enumerate() {
            csv.field(at, Some(&column.name_in_file()));
        }
        csv.end_line()?;
        Ok(csv)
    }

    pub(super) fn row(&mut self, row: &Row) -> Result<(), Error> {
        for at in 0..self.kinds.len() {
            let text = text(row, at, self.kinds[at])?;
            self.field(at, text.as_deref());
        }
        self.end_line()
    }

    /// The file, whole.
    pub(super) fn finish(self) -> Result<File, Error> {
        self.file.into_inner().map_err(|error| failed(error.error()))
    }

    fn field(&mut self, at: usize, text: Option<&str>) {
        if at > 0 {
            self.line.push(',');
        }
        let Some(text) = text else { return };
        if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
            self.line.push('"');
            self.line.push_str(&text.replace('"', "\"\""));
            self.line.push('"');
        } else {
            self.line.push_str(text);
        }
    }

    fn end_line(&mut self) -> Result<(), Error> {
        self.line.push('\n');
        self.file.write_all(self.line.as_bytes()).map_err(|error| failed(&error))?;
        self.line.clear();
        Ok(())
    }
}

fn text(row: &Row, at: usize, kind: Kind) -> Result<Option<String>, Error> {
    fn words<'r, T>(row: &'r Row, at: usize) -> Result<Option<String>, Error>
    where
        T: ToString + tokio_postgres::types::FromSql<'r>,
    {
        Ok(row.try_get::<_, Option<T>>(at)?.map(|value| value.to_string()))
    }
    match kind {
        Kind::Bool => words::<bool>(row, at),
        Kind::Int16 => words::<i16>(row, at),
        Kind::Int32 => words::<i32>(row, at),
        Kind::Int64 => words::<i64>(row, at),
        Kind::Float32 => words::<f32>(row, at),
        Kind::Float64 => words::<f64>(row, at),
        Kind::Text | Kind::Json | Kind::Numeric | Kind::Decimal(..) => words::<&str>(row, at),
        Kind::Uuid => words::<Uuid>(row, at),
        Kind::Timestamptz => {
            row.try_get::<_, Option<Micros>>(at)?.map(|at| Ok(moment(&at)?.to_string())).transpose()
        }
        Kind::Timestamp => {
            let local = |at: Micros| {
                Ok(moment(&at)?.to_zoned(jiff::tz::TimeZone::UTC).datetime().to_string())
            };
            row.try_get::<_, Option<Micros>>(at)?.map(local).transpose()
        }
        Kind::Date => row.try_get::<_, Option<Days>>(at)?.map(|day| civil(&day)).transpose(),
        Kind::Interval => {
            Ok(row.try_get::<_, Option<Length>>(at)?.map(|length| length.0.to_string()))
        }
        Kind::TextList => {
            let list = row.try_get::<_, Option<Vec<Option<&str>>>>(at)?;
            let json = list.map(|words| serde_json::to_string(&words));
            json.transpose().map_err(|error| Error::Other(error.to_string()))
        }
    }
}

fn moment(at: &Micros) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(at.0).map_err(|error| Error::Other(error.to_string()))
}

fn civil(day: &Days) -> Result<String, Error> {
    let day = date(1970, 1, 1).checked_add(jiff::Span::new().days(day.0));
    Ok(day.map_err(|error| Error::Other(error.to_string()))?.to_string())
}

fn failed(error: &io::Error) -> Error {
    Error::Other(format!("writing CSV: {error}"))
}
