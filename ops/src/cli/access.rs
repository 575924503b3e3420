//! Arguments of `gatelog access` about cards.

mod help;
mod parse;
mod shared;

use std::path::PathBuf;

use ::access::CardState;
use clap::{Args, Subcommand, ValueEnum};
use registry::import::Run;
use schemas::{Direction, Millis};

use crate::access::{Asked, forgive, grant, history, import, show, state, why};
use crate::settings::Settings;
use crate::{Error, Verdict, verify};

use super::operate::reason;
use shared::{Schedule, Terminal, Zone};

/// Who may go where.
#[derive(Debug, Args)]
#[command(after_help = help::ACCESS, after_long_help = help::ACCESS)]
pub struct Access {
    /// Add what edits meet (optimistic_lock_…) to this file, in Prometheus' text format, for
    /// node_exporter's textfile collector [default: metrics.file of the configuration]
    #[arg(long, global = true, value_name = "FILE.prom")]
    pub metrics: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A card: state, validity, zones, schedule, versions, and where it is
    #[command(after_help = help::SHOW, after_long_help = help::SHOW)]
    Show(Card),
    /// Let a card into zones, beside those that it may enter already
    #[command(after_help = help::GRANT, after_long_help = help::GRANT)]
    Grant(Grant),
    /// Let a card into zones no more
    #[command(after_help = help::REVOKE, after_long_help = help::REVOKE)]
    Revoke(Revoke),
    /// Stop a card everywhere: lost, stolen, blocked or disabled
    #[command(after_help = help::BLOCK, after_long_help = help::BLOCK)]
    Block(Block),
    /// Let a card be used again
    #[command(after_help = help::ENABLE, after_long_help = help::ENABLE)]
    Enable(Enable),
    /// Forget where a card is, its denials and its lockout
    #[command(after_help = help::FORGIVE, after_long_help = help::FORGIVE)]
    Forgive(Forgive),
    /// When cards may pass
    #[command(subcommand)]
    Schedule(Schedule),
    /// Modes, anti-passback and lockout of zones; lockdown
    #[command(subcommand)]
    Zone(Zone),
    /// Which zone a reader guards, and which way its door leads
    #[command(subcommand)]
    Terminal(Terminal),
    /// What a card is told at a terminal, with all reasons, and what that stands on
    #[command(after_help = help::WHY, after_long_help = help::WHY)]
    Why(Why),
    /// What a card might do, and when
    #[command(after_help = help::HISTORY, after_long_help = help::HISTORY)]
    History(Card),
    /// Bring schedules, zones, terminals and cards to what a file says, all of it or nothing
    #[command(after_help = help::IMPORT, after_long_help = help::IMPORT)]
    Import(Import),
}

/// A card.
#[derive(Debug, Args)]
pub struct Card {
    /// The card
    #[arg(value_parser = parse::id)]
    pub card: String,
}

/// The version that an edit is made for.
#[derive(Debug, Args)]
pub struct IfVersion {
    /// Only if it still has this version, else a conflict (exit code 4) that shows both; 0 is a
    /// row that is not there yet. Without it the edit is made for whatever is there, and made again
    /// where somebody else was faster
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub if_version: Option<i64>,
}

/// Arguments of `access grant`.
#[derive(Debug, Args)]
pub struct Grant {
    /// The card
    #[arg(value_parser = parse::id)]
    pub card: String,
    /// Zones to let it into
    #[arg(value_name = "ZONE", value_parser = parse::id)]
    #[arg(required_unless_present_any = ["schedule", "no_schedule", "from", "until", "new"])]
    pub zones: Vec<String>,
    /// When it may, in all of its zones: a schedule
    #[arg(long, value_name = "ID", value_parser = parse::id)]
    pub schedule: Option<String>,
    /// At any time
    #[arg(long, conflicts_with = "schedule")]
    pub no_schedule: bool,
    /// From when on the card is valid; `ever` takes the bound away
    #[arg(long, value_name = "DAY|TIME|ever", value_parser = parse::from)]
    pub from: Option<parse::Bound>,
    /// Until when the card is valid (exclusive); `never` takes the bound away
    #[arg(long, value_name = "DAY|TIME|never", value_parser = parse::until)]
    pub until: Option<parse::Bound>,
    /// Register the card if nobody knows it
    #[arg(long)]
    pub new: bool,
    /// The version of its permissions
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Arguments of `access revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The card
    #[arg(value_parser = parse::id)]
    pub card: String,
    /// Zones to let it into no more
    #[arg(value_name = "ZONE", value_parser = parse::id)]
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub zones: Vec<String>,
    /// All that it has
    #[arg(long)]
    pub all: bool,
    /// The version of its permissions
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Arguments of `access block`.
#[derive(Debug, Args)]
pub struct Block {
    /// The card
    #[arg(value_parser = parse::id)]
    pub card: String,
    /// Why it is stopped
    #[arg(long, default_value = "blocked")]
    pub state: Stop,
    /// The version of the card itself
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Arguments of `access enable`.
#[derive(Debug, Args)]
pub struct Enable {
    /// The card
    #[arg(value_parser = parse::id)]
    pub card: String,
    /// The version of the card itself
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Why a card is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stop {
    /// Reported lost
    Lost,
    /// Reported stolen
    Stolen,
    /// Blocked by an administrator
    Blocked,
    /// Switched off for a while
    Disabled,
}

/// Arguments of `access forgive`.
#[derive(Debug, Args)]
pub struct Forgive {
    /// The card
    #[arg(value_parser = parse::id)]
    pub card: String,
    /// Why, for the record; never name a card
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
}

/// Arguments of `access why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The card
    #[arg(value_parser = parse::id)]
    pub card: String,
    /// The terminal that it is held to
    #[arg(value_parser = parse::id)]
    pub terminal: String,
    /// When: of the past by what was in force then, ahead by what is in force now [default: now]
    #[arg(long, value_name = "DAY|TIME", value_parser = verify::since)]
    pub at: Option<Millis>,
    /// Which way, where the terminal's door leads both
    #[arg(long, value_name = "in|out", value_parser = parse::direction)]
    pub direction: Option<Direction>,
    /// Exit with 1 if it is denied
    #[arg(long)]
    pub exit_code: bool,
}

/// Arguments of `access import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The file
    pub file: PathBuf,
    /// How it is written [default: csv if it is named so, else json]
    #[arg(long)]
    pub format: Option<import::Format>,
    /// Check everything and say what would change, but write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Does what `command` says.
pub(super) async fn run(
    command: Command,
    settings: &Settings,
    json: bool,
) -> Result<Verdict, Error> {
    match command {
        Command::Show(args) => show::run(settings, &args.card, json).await,
        Command::Grant(args) => {
            let asked = args.if_version.asked(json);
            grant::grant(settings, &args.grant(), asked).await
        }
        Command::Revoke(args) => {
            let what = if args.all { grant::Revoke::All } else { grant::Revoke::Zones(args.zones) };
            grant::revoke(settings, &args.card, &what, args.if_version.asked(json)).await
        }
        Command::Block(args) => {
            let asked = args.if_version.asked(json);
            state::set(settings, &args.card, args.state.into(), asked).await
        }
        Command::Enable(args) => {
            let asked = args.if_version.asked(json);
            state::set(settings, &args.card, CardState::Enabled, asked).await
        }
        Command::Forgive(args) => forgive::run(settings, &args.card, &args.reason, json).await,
        Command::Schedule(command) => shared::schedule(command, settings, json).await,
        Command::Zone(command) => shared::zone(command, settings, json).await,
        Command::Terminal(command) => shared::terminal(command, settings, json).await,
        Command::Why(args) => {
            let Why { card, terminal, at, direction, exit_code } = args;
            let question =
                why::Question { card_id: card, terminal_id: terminal, at, direction, exit_code };
            why::run(settings, &question, json).await
        }
        Command::History(args) => history::run(settings, &args.card, json).await,
        Command::Import(args) => {
            let run = if args.dry_run { Run::Dry } else { Run::Apply };
            import::run(settings, &args.file, args.format, run, json).await
        }
    }
}

impl IfVersion {
    fn asked(&self, json: bool) -> Asked {
        Asked { if_version: self.if_version, json }
    }
}

impl Grant {
    fn grant(self) -> grant::Grant {
        let schedule = if self.no_schedule { Some(None) } else { self.schedule.map(Some) };
        grant::Grant {
            card_id: self.card,
            zones: self.zones,
            schedule,
            valid_from: self.from.map(|bound| bound.0),
            valid_until: self.until.map(|bound| bound.0),
            new: self.new,
        }
    }
}

impl From<Stop> for CardState {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Lost => Self::Lost,
            Stop::Stolen => Self::Stolen,
            Stop::Blocked => Self::Blocked,
            Stop::Disabled => Self::Disabled,
        }
    }
}
