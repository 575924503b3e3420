//! Arguments of `gatelog query`.

use clap::{Args, Subcommand, ValueEnum};
use jiff::ToSpan;
use jiff::civil::Date;
use schemas::Millis;

use super::access::duration_ms;
use crate::query::{self, By, Format, Question, Span};
use crate::settings::Settings;
use crate::{Error, Verdict, verify};

const HELP: &str = "\
Times are UTC: a day (2016-06-01) or a time (2016-06-01T08:00:00Z, or with another offset). A day
for --from is its first moment, for --to its end: --from 2016-06-01 --to 2016-06-01 is that day.
Without --to it is now, without --from a day before the end. Only the days asked for are read.

The answer is a table, with --json an object, with --csv a file for a spreadsheet. All of it is read
from the views of the schema `analyst`, which docs/analysts.md explains: what this command does not
ask, SQL does. It prints cards, which are personal data.

Examples:
  gatelog query who-is-in f3-zserver-room
  gatelog query who-is-in f1-z1 --at 2016-06-01T12:00:00Z --look-back 12h
  gatelog query card vawelon001 --from 2016-06-01 --to 2016-06-01
  gatelog query terminal vast-f1-z1 --from 2016-06-01T08:00:00Z --to 2016-06-01T09:00:00Z --csv
  gatelog query denials --from 2016-05-31 --to 2016-06-13 --by reason
  gatelog query slowest";

const WHO_IS_IN: &str = "\
A card is in a zone from a pass on the way in until it passes on the way out of it, or of a zone
that it had entered before; a zone without a reader on the way out it leaves by any pass elsewhere.
Zones may lie in one another: innermost_zone is where a card was seen last. Denied swipes move
nobody. Passes before the look-back are not known: it should be as long as people stay, and shorter
than the time in which those who left unseen should be forgotten.

Terminals that are offline tell late: ask again when they are back.

Examples:
  gatelog query who-is-in f3-zserver-room
  gatelog query who-is-in lab --at 2016-06-01T12:00:00Z --look-back 4h --json";

const SLOWEST: &str = "\
to_row_ms is from the swipe to the commit of its row: for a connected terminal with what it counted
until it sent, for one that was offline from when the gateway received it. received_at and
committed_at tell before and after the log apart. trace_id is read back from the log: look it up
where the traces are kept. It is empty where Kafka has the event no longer.

Needs track_commit_timestamp, as the stack of this repository has it.

Examples:
  gatelog query slowest
  gatelog query slowest --from 2016-06-01 --to 2016-06-01 --limit 20 --json";

/// What people ask who don't know SQL.
#[derive(Debug, Args)]
#[command(after_help = "`gatelog query --help` has examples.", after_long_help = HELP)]
pub struct Query {
    /// What is asked
    #[command(subcommand)]
    pub question: Asked,
    /// Print rows separated by commas, with a header line
    #[arg(long, global = true, conflicts_with = "json")]
    pub csv: bool,
}

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Asked {
    /// Who is in a zone, now or at any moment
    #[command(after_help = WHO_IS_IN, after_long_help = WHO_IS_IN)]
    WhoIsIn(WhoIsIn),
    /// What a card did: each swipe, with its decision and all reasons
    Card(Card),
    /// What happened at a terminal
    Terminal(Terminal),
    /// What was denied, one by one or counted
    Denials(Denials),
    /// The events that took longest from swipe to row, with their traces
    #[command(after_help = SLOWEST, after_long_help = SLOWEST)]
    Slowest(Slowest),
}

/// Arguments of `query who-is-in`.
#[derive(Debug, Args)]
pub struct WhoIsIn {
    /// The zone's id
    #[arg(value_name = "ZONE")]
    pub zone_id: String,
    /// The moment [default: now]; a day is its first moment
    #[arg(long, value_name = "DAY|TIME", value_parser = verify::since)]
    pub at: Option<Millis>,
    /// How far before it passes count, as 90m, 12h or 2d
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = look_back_ms)]
    pub look_back: i64,
    /// How many
    #[command(flatten)]
    pub limit: Limit,
}

/// Arguments of `query card`.
#[derive(Debug, Args)]
pub struct Card {
    /// The card
    #[arg(value_name = "CARD")]
    pub card_id: String,
    /// When
    #[command(flatten)]
    pub when: When,
    /// How many
    #[command(flatten)]
    pub limit: Limit,
}

/// Arguments of `query terminal`.
#[derive(Debug, Args)]
pub struct Terminal {
    /// The terminal's id
    #[arg(value_name = "TERMINAL")]
    pub terminal_id: String,
    /// When
    #[command(flatten)]
    pub when: When,
    /// How many
    #[command(flatten)]
    pub limit: Limit,
}

/// Arguments of `query denials`.
#[derive(Debug, Args)]
pub struct Denials {
    /// Count them: each swipe once, reasons by the first of each
    #[arg(long, value_name = "WHAT")]
    pub by: Option<ByArgument>,
    /// When
    #[command(flatten)]
    pub when: When,
    /// How many
    #[command(flatten)]
    pub limit: Limit,
}

/// Arguments of `query slowest`.
#[derive(Debug, Args)]
pub struct Slowest {
    /// When they occurred
    #[command(flatten)]
    pub when: When,
    /// Print so many
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
}

/// What denials are counted by.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ByArgument {
    /// The first reason of each
    Reason,
    /// Zone
    Zone,
    /// Terminal
    Terminal,
    /// Card
    Card,
}

/// A span of time.
#[derive(Debug, Clone, Copy, Args)]
pub struct When {
    /// From this day (UTC) or time on [default: a day before the end]
    #[arg(long, value_name = "DAY|TIME", value_parser = verify::since)]
    pub from: Option<Millis>,
    /// To the end of this day (UTC), or before this time [default: now]
    #[arg(long, value_name = "DAY|TIME", value_parser = to)]
    pub to: Option<Millis>,
}

/// How many rows are printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Limit {
    /// Print so many rows at most
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
}

/// Asks.
pub(super) async fn run(query: Query, settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let format = match (json, query.csv) {
        (true, _) => Format::Json,
        (false, true) => Format::Csv,
        (false, false) => Format::Table,
    };
    let (question, limit) = match query.question {
        Asked::WhoIsIn(WhoIsIn { zone_id, at, look_back, limit }) => {
            (Question::WhoIsIn { zone_id, at, look_back_ms: look_back }, limit.limit)
        }
        Asked::Card(Card { card_id, when, limit }) => {
            (Question::Card { card_id, span: when.span() }, limit.limit)
        }
        Asked::Terminal(Terminal { terminal_id, when, limit }) => {
            (Question::Terminal { terminal_id, span: when.span() }, limit.limit)
        }
        Asked::Denials(Denials { by, when, limit }) => {
            let by = by.map(ByArgument::by);
            (Question::Denials { span: when.span(), by }, limit.limit)
        }
        Asked::Slowest(Slowest { when, limit }) => (Question::Slowest { span: when.span() }, limit),
    };
    query::run(settings, &question, limit, format).await
}

impl When {
    fn span(self) -> Span {
        Span { from: self.from, to: self.to }
    }
}

impl ByArgument {
    fn by(self) -> By {
        match self {
            Self::Reason => By::Reason,
            Self::Zone => By::Zone,
            Self::Terminal => By::Terminal,
            Self::Card => By::Card,
        }
    }
}

/// A time, or the end of a day.
fn to(text: &str) -> Result<Millis, String> {
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2016-06-01".len());
    match day.and_then(|day| day.checked_add(1.day()).ok()) {
        Some(next) => verify::since(&next.to_string()),
        None => verify::since(text),
    }
}

fn look_back_ms(text: &str) -> Result<i64, String> {
    let ms = duration_ms(text).map(i64::from);
    ms.ok_or_else(|| "must be a time up to a week, as 90m, 12h or 2d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_with_the_next() {
        assert_eq!(to("2016-06-30"), verify::since("2016-07-01"));
        assert_eq!(to("2016-06-30T12:00:00Z"), verify::since("2016-06-30T12:00:00Z"));
        for wrong in ["today", "2016-06-31", "2016-06-30T12:00:00"] {
            assert!(to(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_look_back_is_a_time() {
        assert_eq!((look_back_ms("12h"), look_back_ms("7d")), (Ok(43_200_000), Ok(604_800_000)));
        for wrong in ["", "12", "h", "-1h", "8d", "12 h"] {
            assert!(look_back_ms(wrong).is_err(), "{wrong}");
        }
    }
}
