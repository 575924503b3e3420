//! Arguments of the commands that move progress and days.

use clap::{Args, Subcommand};
use jiff::civil::Date;

use crate::offsets::reset::{To, Which};
use crate::offsets::{self, accept_loss, reset};
use crate::operator::Run;
use crate::partitions::{self, Until};
use crate::settings::Settings;
use crate::{Error, Verdict};

/// How far the log has been read.
#[derive(Debug, Subcommand)]
pub enum Offsets {
    /// Each partition: its last owner, what its offsets became, and how much is left to read
    ///
    /// first, next: offsets read so far, `next` being the one to come. They became rows, collisions
    /// (a second swipe of a card in one millisecond), duplicates, dead letters, gaps (offsets without
    /// an event) or lost (see `accept-loss`); parked ones wait in lanes. high: the end of the log.
    /// lag: what is left; worry when it grows while consumers run.
    Show,
    /// Go on behind what Kafka no longer has
    #[command(after_help = ACCEPT_LOSS, after_long_help = ACCEPT_LOSS)]
    AcceptLoss(Change),
    /// Read a part of the log again; no row changes by it
    #[command(after_help = RESET, after_long_help = RESET)]
    Reset(Reset),
}

const ACCEPT_LOSS: &str = "\
A consumer stops where Kafka no longer has the offset that a partition goes on from: retention,
or somebody, has deleted events that were never read. Nothing brings them back. Accepted, the
partition goes on at the first offset that Kafka has; what lies between is counted as lost, in
consumer_offset and offset_gap. Where nothing is lost this says so and changes nothing.

A log that ends before what was read of it is another log, made again under its name: refused.
A consumer that was only waiting for Postgres may still hold what Kafka has deleted since, and write
it when it can: accept a loss where the consumer has stopped for it, not before.

Examples:
  gatelog offsets accept-loss
  gatelog offsets accept-loss --apply --reason \"retention was 7 days during the outage of 3 May\"";

const RESET: &str = "\
Goes back to the start of the bucket of 10,000 offsets that the offset lies in. Consumers read
on from there; each offset keeps the outcome that stands, and no row changes. Use it where tables
were put back or repaired by hand, or to hold the log against its seals again. Running consumers
find that their partition is behind, within seconds, and read on from there.

It never goes forward, nor behind what Kafka has deleted or days that were dropped; it says how
far it can go.

Examples:
  gatelog offsets reset --to start --all
  gatelog offsets reset --to 1230000 --partition 7 --partition 9
  gatelog offsets reset --to start --all --apply --reason \"access_log was restored from Monday\"";

/// Arguments of `offsets reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// An offset, or `start`: where the partition began
    #[arg(long, value_name = "OFFSET|start", value_parser = to)]
    pub to: To,
    /// A partition; may be given several times
    #[arg(long, value_name = "N", required_unless_present = "all", conflicts_with = "all")]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Vec<i32>,
    /// Every partition
    #[arg(long)]
    pub all: bool,
    /// Whether to do it
    #[command(flatten)]
    pub change: Change,
}

/// Whether a change is made, and why.
#[derive(Debug, Args)]
pub struct Change {
    /// Do it; without it this only says what would change
    #[arg(long, requires = "reason")]
    pub apply: bool,
    /// Why, for the record; never name a card
    #[arg(long, value_name = "TEXT", requires = "apply", value_parser = reason)]
    pub reason: Option<String>,
}

/// The days of `access_log`.
#[derive(Debug, Subcommand)]
pub enum Partitions {
    /// Each day: rows, size, whether it is attached, and whether it is kept
    ///
    /// state: attached is a part of access_log; detached is a table of its own; pending is a detach
    /// that was interrupted, which the same `gatelog partitions detach` or `drop` finishes.
    List,
    /// Take the oldest days out of access_log; their tables stay
    #[command(after_help = DETACH, after_long_help = DETACH)]
    Detach(GiveUp),
    /// Drop the oldest days, and what is as old beside them
    #[command(after_help = DROP, after_long_help = DROP)]
    Drop(GiveUp),
}

const DETACH: &str = "\
From then on swipes of those days are dead-lettered, for good: the days cannot be taken again.
Each table stays, under its name (access_log_20260531), to be copied away or dropped later.
Consumers may run meanwhile. If it is interrupted, the same command finishes it.

Examples:
  gatelog partitions detach --older-than 400
  gatelog partitions detach --before 2026-01-01 --apply --reason \"kept for a year, then archived\"";

const DROP: &str = "\
Detaches the days first where they are not. What they held stays as sums by 10,000 offsets of the
log (count and digest), so that `gatelog verify` goes on without them. Collisions, duplicates and
permissions of the same age go with them; dead letters stay. Consumers may run meanwhile, but not
read again (`gatelog offsets reset`). If it is interrupted, the same command finishes it.

Examples:
  gatelog partitions drop --older-than 400
  gatelog partitions drop --before 2026-01-01 --apply --reason \"retention of the works council\"";

/// Arguments of `partitions detach` and `partitions drop`.
#[derive(Debug, Args)]
#[group(id = "until", required = true, multiple = false, args = ["before", "older_than"])]
pub struct GiveUp {
    /// Days before this one
    #[arg(long, value_name = "DAY")]
    pub before: Option<Date>,
    /// Days that lie more than so many days before today (UTC)
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<u32>,
    /// Whether to do it
    #[command(flatten)]
    pub change: Change,
}

/// Does what `command` says.
pub(super) async fn offsets(
    command: Offsets,
    settings: &Settings,
    json: bool,
) -> Result<Verdict, Error> {
    match command {
        Offsets::Show => offsets::show(settings, json).await,
        Offsets::AcceptLoss(change) => accept_loss::run(settings, &change.run(), json).await,
        Offsets::Reset(args) => {
            let which = if args.all { Which::All } else { Which::These(args.partition) };
            reset::run(settings, args.to, &which, &args.change.run(), json).await
        }
    }
}

/// Does what `command` says.
pub(super) async fn partitions(
    command: Partitions,
    settings: &Settings,
    json: bool,
) -> Result<Verdict, Error> {
    match command {
        Partitions::List => partitions::list(settings, json).await,
        Partitions::Detach(args) => {
            partitions::detach(settings, args.until()?, &args.change.run(), json).await
        }
        Partitions::Drop(args) => {
            partitions::drop(settings, args.until()?, &args.change.run(), json).await
        }
    }
}

impl Change {
    pub(super) fn run(&self) -> Run {
        match &self.reason {
            Some(reason) if self.apply => Run::Apply { reason: reason.clone() },
            _ => Run::Dry,
        }
    }
}

impl GiveUp {
    fn until(&self) -> Result<Until, Error> {
        match (self.before, self.older_than) {
            (Some(day), _) => Ok(Until::Before(day)),
            (None, Some(days)) => Ok(Until::OlderThan(days)),
            (None, None) => Err(Error::Usage("--before or --older-than says which".to_owned())),
        }
    }
}

/// An offset, or `start`.
fn to(text: &str) -> Result<To, String> {
    match (text, text.parse()) {
        ("start", _) => Ok(To::Start),
        (_, Ok(offset)) if offset >= 0 => Ok(To::Offset(offset)),
        _ => Err("must be an offset, or start".to_owned()),
    }
}

pub(super) fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        text if (1..=500).contains(&text.chars().count()) => Ok(text.to_owned()),
        _ => Err("must have 1 to 500 characters".to_owned()),
    }
}
