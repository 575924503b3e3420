//! The command line.

mod access;
mod dlq;
mod export;
mod operate;
mod query;
mod report;
mod roles;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;
use schemas::Millis;

use crate::settings::Settings;
use crate::{Error, Verdict, import, output, setup, verify};

pub use access::Access;
pub use dlq::Dlq;
pub use export::Export;
pub use operate::{Change, GiveUp, Index, Offsets, Partitions, Reset};
pub use query::Query;
pub use report::Report;
pub use roles::{Login, Roles};

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  the answer is no: lines were refused or could not be read, or something differs
  2  bad usage: an argument, the configuration or a file makes no sense
  3  a server cannot be reached, or did not do what it was asked
  4  a conflict: what was to be changed has another version by now; nothing was written";

const CONFIGURATION: &str = "\
Configuration:
  Every key of `gatelog --print-config` can stand in a TOML file (--config) or in the environment,
  as GATELOG_OPS_TOPIC__PARTITIONS=12 for topic.partitions. GATELOG_KAFKA and GATELOG_POSTGRES name
  the servers for every program of gatelog. GATELOG_LOG=debug shows the log, on standard error.

Examples:
  gatelog setup --keep-from 2016-01-01
  gatelog access import access.json
  gatelog access why 4711 door-7
  gatelog import swipes.csv --mapping vast
  gatelog dlq summary
  gatelog offsets show
  gatelog partitions drop --older-than 400
  gatelog query who-is-in lab
  gatelog report week --out week.html
  gatelog export access_event --from 2016-06-01 --out lake
  gatelog roles --apply
  gatelog verify";

/// Operates gatelog, the event-sourced access log.
#[derive(Debug, Parser)]
#[command(name = "gatelog", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = EXIT_CODES, after_long_help = format!("{CONFIGURATION}\n\n{EXIT_CODES}"))]
pub struct Cli {
    /// TOML file with the configuration
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration that is in force, without secrets, and stop
    #[arg(long)]
    pub print_config: bool,
    /// Print the result as JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Wait for Postgres and Kafka, bring the schema up to date and make the topics
    #[command(after_help = SETUP, after_long_help = SETUP)]
    Setup(Setup),
    /// Who may go where
    Access(Access),
    /// Upload swipes from a CSV file through the gateway
    #[command(after_help = "`gatelog import --help` shows how to write a mapping.")]
    #[command(after_long_help = import_help())]
    Import(Import),
    /// Events that could not be applied: look at them, send them once more, or give them up
    #[command(subcommand)]
    Dlq(Dlq),
    /// How far the log has been read
    #[command(subcommand)]
    Offsets(Offsets),
    /// The days of access_log
    #[command(subcommand)]
    Partitions(Partitions),
    /// Who is where, what a card did, what was denied, what took longest
    Query(Query),
    /// A day or a week at the doors, as a page to print
    #[command(after_help = report::HELP, after_long_help = report::HELP)]
    Report(Report),
    /// Days of a view as Parquet or CSV, for other engines
    #[command(after_help = export::HELP, after_long_help = export::HELP)]
    Export(Export),
    /// Who may do what in the database: prints the grants, or makes them
    #[command(after_help = roles::HELP, after_long_help = roles::HELP)]
    Roles(Roles),
    /// Hold the log against the tables: has every event exactly one outcome, as it was sent?
    #[command(after_help = VERIFY, after_long_help = VERIFY)]
    Verify(Verify),
}

const VERIFY: &str = "\
Reads every offset that was applied, in Kafka and in Postgres, and compares count, digest and time
range of each 10,000 offsets with each other and with what was sealed when they were applied. What
differs is opened and named:

  missing     an event without an outcome
  doubled     an event with more than one
  altered     an outcome that says something else than the log
  invented    an outcome, gap or accepted loss where the log has none; a gap that was not recorded
  unread      an event that Kafka has deleted before any consumer applied it: lost, until an operator
              accepts that (gatelog offsets accept-loss)
  unresolved  a duplicate or collision that names an event which is not there
  runs        duplicates that would not all be found if the log were read again: before that, give
              each a run of its own (UPDATE duplicate_event SET run = 1 WHERE log_partition = ...)
  totals      running totals of consumer_offset that are not what the tables hold
  seal        a seal that says something else than the log, or than the tables where Kafka has the
              offsets no longer; the offset is the first of its 10,000
  chain       a seal that is missing, or does not follow from the one before
  dropped     what was kept of dropped days is not what is missing in the tables
  bucket      10,000 offsets that differ, beyond those that were opened
  event_id_reused, counter_reused
              with --identities: an event_id with another card or time than the first in the log;
              one terminal, epoch and seq with another event_id than the first that was received

It says what it did not check, and what it could not prove. Consumers may run meanwhile.

Exit code 1 if anything differs.

Examples:
  gatelog verify
  gatelog verify --since 2016-06-01 --partition 3,4
  gatelog verify --identities --json | jq .ok";

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Only where something occurred on or after this day (UTC) or time
    #[arg(long, value_name = "DAY|TIME", value_parser = verify::since)]
    pub since: Option<Millis>,
    /// Only these partitions
    #[arg(
        long = "partition",
        value_name = "N",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    pub partitions: Vec<i32>,
    /// Also look for events, anywhere in the tables, that claim to be one
    #[arg(long)]
    pub identities: bool,
}

const SETUP: &str = "\
Doing it twice, or in several places at once, is the same as doing it once. A topic that is there
with another partition count is never changed: setup stops and says what is there.

Examples:
  gatelog setup
  gatelog setup --keep-from 2016-01-01 --wait-s 120";

/// Arguments of `setup`.
#[derive(Debug, Args)]
pub struct Setup {
    /// Keep days from this one on; swipes of days before the oldest are dead-lettered. It can be
    /// moved to an earlier day only
    #[arg(long, value_name = "DAY")]
    pub keep_from: Option<Date>,
    /// How long to wait for each server
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait_s: u64,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The CSV file, with a header line
    pub file: PathBuf,
    /// `vast`, or a TOML file that says which column means what
    #[arg(long, value_name = "vast|FILE.toml")]
    pub mapping: String,
    /// Where the gateway listens [default: gateway.url of the configuration]
    #[arg(long, value_name = "URL")]
    pub gateway: Option<String>,
    /// Read this many lines at most
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Send this many lines a second at most
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<u32>,
    /// Lines of one request
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub lines_per_request: u32,
    /// Requests in flight at once; a card's swipes stay in their order all the same
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=256))]
    pub in_flight: u32,
}

fn import_help() -> String {
    format!(
        "\
A mapping, as an example (`vast`):
{}
  terminal     columns in braces; what they hold is lower-cased, and other characters than letters
               and digits become a dash: `Server Room` is `server-room`
  direction    in or out, for every line; leave it out where terminals have one of their own
  mode         offline (where it is absent) or online
  delimiter    `,` where it is absent
  time.format  rfc3339 (where it is absent), or conversions as above, with %z for an offset
  time.zone    where times name no offset; UTC where it is absent
  time.ambiguous  refuse (where it is absent), earlier or later: a time that the zone had twice or
               never, when clocks were changed

Lines that the gateway cannot take now are sent again, with growing pauses; what was acknowledged is
not. Importing a file again is harmless: a swipe is known by what it says.

Examples:
  gatelog import prox-fixed.csv --mapping vast
  gatelog import swipes.csv --mapping doors.toml --gateway http://gate-1:8080 --rate 500/s",
        import::VAST.lines().map(|line| format!("  {line}\n")).collect::<String>()
    )
}

/// `500` or `500/s`.
fn rate(text: &str) -> Result<u32, String> {
    match text.strip_suffix("/s").unwrap_or(text).parse() {
        Ok(rate) if rate > 0 => Ok(rate),
        _ => Err("must be a number of lines a second, as 500/s".to_owned()),
    }
}

/// Prints the configuration that is in force.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_config(settings: &Settings) -> Result<(), Error> {
    output::print(&::settings::print(settings)?)
}

/// Does what `command` says.
///
/// # Errors
/// Whatever kept it from that; [`Error::exit_code`] says whose turn it is.
pub async fn run(command: Command, mut settings: Settings, json: bool) -> Result<Verdict, Error> {
    match command {
        Command::Setup(args) => {
            let patience = Duration::from_secs(args.wait_s);
            setup::run(&settings, patience, args.keep_from, json).await
        }
        Command::Access(args) => {
            let file = args.metrics;
            settings.metrics.file = file.or(settings.metrics.file);
            access::run(args.command, &settings, json).await
        }
        Command::Import(args) => {
            if let Some(url) = args.gateway {
                settings.gateway.url = url;
            }
            let options = import::Options {
                limit: args.limit,
                rate_per_s: args.rate,
                lines_per_request: args.lines_per_request as usize,
                in_flight: args.in_flight as usize,
            };
            import::run(&settings, &args.file, &args.mapping, &options, json).await
        }
        Command::Dlq(command) => dlq::run(command, &settings, json).await,
        Command::Offsets(command) => operate::offsets(command, &settings, json).await,
        Command::Partitions(command) => operate::partitions(command, &settings, json).await,
        Command::Query(args) => query::run(args, &settings, json).await,
        Command::Report(args) => report::run(args, &settings, json).await,
        Command::Export(args) => export::run(args, &settings, json).await,
        Command::Roles(args) => roles::run(args, &settings, json).await,
        Command::Verify(args) => {
            let Verify { since, partitions, identities } = args;
            let options = verify::Options { since, partitions, identities };
            verify::run(&settings, &options, json).await
        }
    }
}
