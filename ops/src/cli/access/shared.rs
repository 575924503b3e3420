//! Arguments about what cards share: schedules, zones, terminals.

use std::path::PathBuf;

use ::access::{Enforcement, Lockout, ZoneMode};
use clap::{Args, Subcommand};
use registry::edit::Passage;

use super::parse::Rule;
use super::{IfVersion, help, parse};
use crate::access::{schedule, terminal, zone};
use crate::settings::Settings;
use crate::{Error, Verdict};

/// When cards may pass.
#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// Make a schedule, or give it another definition
    #[command(after_help = help::SCHEDULE, after_long_help = help::SCHEDULE)]
    Set(SetSchedule),
    /// One schedule
    Show(Id),
    /// All schedules, and how many cards each binds
    List,
    /// Delete a schedule that no card has
    Delete(Ending),
}

/// Modes, anti-passback and lockout of zones.
#[derive(Debug, Subcommand)]
pub enum Zone {
    /// Change a zone, or all of them at once; what is not said stays
    #[command(after_help = help::ZONE, after_long_help = help::ZONE)]
    Set(SetZone),
    /// One zone
    Show(Id),
    /// All zones
    List,
}

/// The readers.
#[derive(Debug, Subcommand)]
pub enum Terminal {
    /// Change a terminal, or register one; what is not said stays
    #[command(after_help = help::TERMINAL, after_long_help = help::TERMINAL)]
    Set(SetTerminal),
    /// One terminal
    Show(Id),
    /// All terminals, by zone
    List,
    /// Delete a terminal: what it sends from then on is dead-lettered
    Delete(Ending),
}

/// What to show.
#[derive(Debug, Args)]
pub struct Id {
    /// Its id
    #[arg(value_parser = parse::id)]
    pub id: String,
}

/// What to delete.
#[derive(Debug, Args)]
pub struct Ending {
    /// Its id
    #[arg(value_parser = parse::id)]
    pub id: String,
    /// Its version
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Arguments of `access schedule set`.
#[derive(Debug, Args)]
pub struct SetSchedule {
    /// Its id
    #[arg(value_parser = parse::id)]
    pub id: String,
    /// Its definition
    #[arg(value_name = "FILE.json")]
    pub file: PathBuf,
    /// Its version
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Arguments of `access zone set`.
#[derive(Debug, Args)]
#[group(id = "rule", required = true, multiple = true)]
#[group(args = ["name", "mode", "antipassback", "antipassback_two_way", "antipassback_timed",
                "lockout", "new"])]
pub struct SetZone {
    /// The zone
    #[arg(value_parser = parse::id, required_unless_present = "all", conflicts_with = "all")]
    pub zone: Option<String>,
    /// Every zone that is registered, in one transaction
    #[arg(long, conflicts_with_all = ["new", "name", "if_version"])]
    pub all: bool,
    /// Its name, for people
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
    /// deny_all is a lockdown, released lets every read pass (fire)
    #[arg(long, value_name = "normal|deny_all|released", value_parser = parse::mode)]
    pub mode: Option<ZoneMode>,
    /// What becomes of a card that is where it cannot be: soft records it, hard denies it
    #[arg(long, value_name = "off|soft|hard", value_parser = parse::enforcement)]
    pub antipassback: Option<Enforcement>,
    /// Whether a card that is inside may not enter, nor one that is outside leave
    #[arg(long, value_name = "true|false")]
    pub antipassback_two_way: Option<bool>,
    /// Within which time a card may not enter twice
    #[arg(long, value_name = "TIME|off", value_parser = parse::timed)]
    pub antipassback_timed: Option<Rule<i32>>,
    /// So many denials within a time lock a card out for a time
    #[arg(long, value_name = "DENIALS/WITHIN/FOR|off", value_parser = parse::lockout)]
    pub lockout: Option<Rule<Lockout>>,
    /// Register the zone if nobody knows it
    #[arg(long)]
    pub new: bool,
    /// Its version
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Arguments of `access terminal set`.
#[derive(Debug, Args)]
pub struct SetTerminal {
    /// The terminal
    #[arg(value_parser = parse::id)]
    pub terminal: String,
    /// The zone that it guards
    #[arg(long, value_name = "ZONE", value_parser = parse::id)]
    #[arg(required_unless_present = "direction")]
    pub zone: Option<String>,
    /// Which way its door leads; with both, each swipe says which
    #[arg(long, value_name = "in|out|both", value_parser = parse::passage)]
    pub direction: Option<Passage>,
    /// Register the terminal if nobody knows it
    #[arg(long, requires = "zone", requires = "direction")]
    pub new: bool,
    /// Its version
    #[command(flatten)]
    pub if_version: IfVersion,
}

/// Does what `command` says.
pub(super) async fn schedule(
    command: Schedule,
    settings: &Settings,
    json: bool,
) -> Result<Verdict, Error> {
    match command {
        Schedule::Set(args) => {
            schedule::set(settings, &args.id, &args.file, args.if_version.asked(json)).await
        }
        Schedule::Show(args) => schedule::show(settings, &args.id, json).await,
        Schedule::List => schedule::list(settings, json).await,
        Schedule::Delete(args) => {
            schedule::delete(settings, &args.id, args.if_version.asked(json)).await
        }
    }
}

/// Does what `command` says.
pub(super) async fn zone(command: Zone, settings: &Settings, json: bool) -> Result<Verdict, Error> {
    match command {
        Zone::Set(args) => {
            let asked = args.if_version.asked(json);
            let rules = zone::Rules {
                name: args.name,
                mode: args.mode,
                antipassback: args.antipassback,
                two_way: args.antipassback_two_way,
                timed_ms: args.antipassback_timed.map(|rule| rule.0),
                lockout: args.lockout.map(|rule| rule.0),
            };
            let which = match args.zone {
                Some(zone_id) => zone::Which::One { zone_id, new: args.new },
                None => zone::Which::All,
            };
            zone::set(settings, &which, &rules, asked).await
        }
        Zone::Show(args) => zone::show(settings, &args.id, json).await,
        Zone::List => zone::list(settings, json).await,
    }
}

/// Does what `command` says.
pub(super) async fn terminal(
    command: Terminal,
    settings: &Settings,
    json: bool,
) -> Result<Verdict, Error> {
    match command {
        Terminal::Set(args) => {
            let asked = args.if_version.asked(json);
            let SetTerminal { terminal, zone: zone_id, direction, new, .. } = args;
            let place = terminal::Place { zone_id, direction, new };
            terminal::set(settings, &terminal, &place, asked).await
        }
        Terminal::Show(args) => terminal::show(settings, &args.id, json).await,
        Terminal::List => terminal::list(settings, json).await,
        Terminal::Delete(args) => {
            terminal::delete(settings, &args.id, args.if_version.asked(json)).await
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    registry::import::check_name(text).map(|()| text.to_owned())
}
