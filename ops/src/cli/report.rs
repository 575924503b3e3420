//! Arguments of `gatelog report`.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;

use crate::report::{self, Length};
use crate::settings::Settings;
use crate::{Error, Verdict};

pub(super) const HELP: &str = "\
One HTML file with its plots in it: traffic by hour, how many were inside, zones by hour, denials by
reason, and the terminals whose swipes came late. It needs no network and runs no script, prints on
A4, and names no card. Days are UTC's; a week is Monday to Sunday.

Examples:
  gatelog report day --out yesterday.html
  gatelog report week --of 2016-06-06 --out week.html";

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// How long a time
    pub length: Length,
    /// The day, or a day of the week [default: the last that is over]
    #[arg(long, value_name = "DAY")]
    pub of: Option<Date>,
    /// The file
    #[arg(long, value_name = "FILE.html")]
    pub out: PathBuf,
}

/// Does what `args` say.
pub(super) async fn run(args: Report, settings: &Settings, json: bool) -> Result<Verdict, Error> {
    report::run(settings, args.length, args.of, &args.out, json).await
}
