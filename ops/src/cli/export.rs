//! Arguments of `gatelog export`.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;

use crate::export::{self, Format, Options};
use crate::settings::Settings;
use crate::{Error, Verdict};

pub(super) const HELP: &str = "\
Writes each day (UTC) of a view of schema analyst to a file of its own, as DuckDB, Spark and others
read them:

  DIR/access_event/day=2016-06-01/access_event.parquet

A file that has its name is whole. The same command again goes on where it was cut off, and leaves
out what is there; --again writes it once more, as for days that late swipes have come to since.
Only days that are over are written. Memory stays the same, however many rows there are. The files
hold cards.

  timestamptz         timestamp in µs, UTC             CSV: RFC 3339
  uuid                UUID
  text[]              list of text                     CSV: JSON
  interval            whole µs, in a column that ends in _us; a day is 24 hours
  numeric(p,s)        DECIMAL(p,s); a numeric without them is text, with all its digits
  json, jsonb         text
  null                null                             CSV: nothing; a text without letters is \"\"
  a column day        not in the file: the folder says it

Examples:
  gatelog export access_event --from 2016-06-01 --to 2016-06-30 --out lake
  gatelog export denial --from 2016-06-01 --out lake --format csv
  duckdb -c \"SELECT day, count(*) FROM read_parquet('lake/access_event/*/*.parquet',
             hive_partitioning = true) GROUP BY day ORDER BY day\"";

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// A view of schema analyst: access_event, denial, dwell, traffic, ...
    pub view: String,
    /// First day (UTC)
    #[arg(long, value_name = "DAY")]
    pub from: Date,
    /// Last day (UTC) [default: yesterday]
    #[arg(long, value_name = "DAY")]
    pub to: Option<Date>,
    /// The folder; the view has one of its own in it
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What the files are
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    pub format: Format,
    /// Write days once more whose files are there
    #[arg(long)]
    pub again: bool,
}

/// Does what `args` say.
pub(super) async fn run(args: Export, settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let Export { view, from, to, out, format, again } = args;
    export::run(settings, &Options { view, from, to, out, format, again }, json).await
}
