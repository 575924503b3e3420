//! Arguments of `gatelog dlq`.

mod choose;
mod help;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::operate::Change;
use crate::dlq::replay::Pace;
use crate::dlq::{
    Filter, Prefix, Which, discard, edit, export, import, list, rebuild, replay, show, summary,
};
use crate::settings::Settings;
use crate::{Error, Verdict};

use choose::{Filters, Letters, States};

/// Events that could not be applied.
#[derive(Debug, Subcommand)]
#[command(after_help = help::DLQ, after_long_help = help::DLQ)]
pub enum Dlq {
    /// What went wrong how often: letters by cause, step and terminal
    #[command(after_help = help::SUMMARY, after_long_help = help::SUMMARY)]
    Summary(Summary),
    /// Letters one by one, the newest first; those that are not settled, unless --state says more
    #[command(after_help = help::LIST, after_long_help = help::LIST)]
    List(List),
    /// All there is about a letter: its bytes, headers, error, replays and what was done. It prints
    /// the card
    #[command(after_help = help::SHOW, after_long_help = help::SHOW)]
    Show(Show),
    /// Publish letters once more, and wait for what becomes of them
    #[command(after_help = help::REPLAY, after_long_help = help::REPLAY)]
    Replay(Replay),
    /// Make a new event of a letter, which its replays send instead
    #[command(after_help = help::EDIT, after_long_help = help::EDIT)]
    Edit(Edit),
    /// Give letters up for good; they stay, with who did it and why
    #[command(after_help = help::DISCARD, after_long_help = help::DISCARD)]
    Discard(Discard),
    /// Write letters to a file, one a line as JSON. It holds cards
    #[command(after_help = help::EXPORT, after_long_help = help::EXPORT)]
    Export(Export),
    /// Put letters back that are missing here, from a file of `export`
    #[command(after_help = help::IMPORT, after_long_help = help::IMPORT)]
    Import(Import),
    /// Put letters back that are missing here, from the dead letters' topic
    #[command(after_help = help::REBUILD, after_long_help = help::REBUILD)]
    Rebuild(Change),
}

/// Arguments of `dlq summary`.
#[derive(Debug, Args)]
pub struct Summary {
    /// In which states
    #[command(flatten)]
    pub states: States,
    /// Which letters
    #[command(flatten)]
    pub filters: Filters,
}

/// Arguments of `dlq list`.
#[derive(Debug, Args)]
pub struct List {
    /// In which states
    #[command(flatten)]
    pub states: States,
    /// Which letters
    #[command(flatten)]
    pub filters: Filters,
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

/// Arguments of `dlq show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The letter's id, or its first 8 characters or more
    #[arg(value_parser = Prefix::parse)]
    pub id: Prefix,
}

/// Arguments of `dlq replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Which letters
    #[command(flatten)]
    pub letters: Letters,
    /// Those too whose cause stands, or whose bytes would fail again: after an update of the
    /// consumer, say
    #[arg(long)]
    pub force: bool,
    /// How fast
    #[command(flatten)]
    pub pace: Paced,
    /// Whether to do it
    #[command(flatten)]
    pub change: Change,
}

/// How fast, and how long to wait.
#[derive(Debug, Clone, Copy, Args)]
pub struct Paced {
    /// Letters a second at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// How long to wait for what becomes of them, after the last; 0 is not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub wait: u64,
}

/// Arguments of `dlq edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// The letter's id, or its first 8 characters or more
    #[arg(value_parser = Prefix::parse)]
    pub id: Prefix,
    /// Set a field of the event; may be given several times. VALUE is JSON, or else text; null takes
    /// the field away. Without this, --file and --as-is, EDITOR opens the event
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    #[arg(conflicts_with_all = ["file", "as_is"])]
    pub set: Vec<(String, Value)>,
    /// Take the event's JSON from a file
    #[arg(long, value_name = "FILE.json", conflicts_with = "as_is")]
    pub file: Option<PathBuf>,
    /// Leave the value, and make key and headers such as belong to it
    #[arg(long)]
    pub as_is: bool,
    /// Only if the letter still has this version, else a conflict (exit code 4) that shows both
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub if_version: Option<i64>,
    /// Replay it at once
    #[arg(long, requires = "apply")]
    pub replay: bool,
    /// How long to wait for what becomes of it, with --replay; 0 is not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub wait: u64,
    /// Whether to do it
    #[command(flatten)]
    pub change: Change,
}

/// Arguments of `dlq discard`.
#[derive(Debug, Args)]
pub struct Discard {
    /// Which letters
    #[command(flatten)]
    pub letters: Letters,
    /// Only if the letter still has this version, else a conflict (exit code 4) that shows both; for
    /// one letter
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub if_version: Option<i64>,
    /// Whether to do it
    #[command(flatten)]
    pub change: Change,
}

/// Arguments of `dlq export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The file, which must not be there yet; `-` is standard output
    #[arg(value_name = "FILE.ndjson")]
    pub file: PathBuf,
    /// In which states
    #[command(flatten)]
    pub states: States,
    /// Which letters
    #[command(flatten)]
    pub filters: Filters,
}

/// Arguments of `dlq import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The file
    #[arg(value_name = "FILE.ndjson")]
    pub file: PathBuf,
    /// Whether to do it
    #[command(flatten)]
    pub change: Change,
}

/// Does what `command` says.
pub(super) async fn run(command: Dlq, settings: &Settings, json: bool) -> Result<Verdict, Error> {
    match command {
        Dlq::Summary(args) => {
            summary::run(settings, &args.filters.filter(args.states.or_unsettled()), json).await
        }
        Dlq::List(args) => {
            let filter = args.filters.filter(args.states.or_unsettled());
            list::run(settings, &filter, args.limit, json).await
        }
        Dlq::Show(args) => show::run(settings, &args.id, json).await,
        Dlq::Replay(args) => {
            let options = replay::Options {
                limit: args.letters.limit,
                pace: args.pace.pace(),
                force: args.force,
            };
            let which = args.letters.which()?;
            replay::run(settings, &which, &options, &args.change.run(), json).await
        }
        Dlq::Edit(args) => {
            let run = args.change.run();
            edit::run(settings, &args.edit(), &run, json).await
        }
        Dlq::Discard(args) => {
            let limit = args.letters.limit;
            let which = args.letters.which()?;
            let is_one = matches!(&which, Which::Ids(ids) if ids.len() == 1);
            if args.if_version.is_some() && !is_one {
                let text = "--if-version is for one letter: name it by its id";
                return Err(Error::Usage(text.to_owned()));
            }
            discard::run(settings, &which, limit, args.if_version, &args.change.run(), json).await
        }
        Dlq::Export(args) => {
            let filter: Filter = args.filters.filter(args.states.or_all());
            export::run(settings, &args.file, &filter, json).await
        }
        Dlq::Import(args) => import::run(settings, &args.file, &args.change.run(), json).await,
        Dlq::Rebuild(change) => rebuild::run(settings, &change.run(), json).await,
    }
}

impl Paced {
    fn pace(self) -> Pace {
        Pace { rate_per_s: self.rate, wait: Duration::from_secs(self.wait) }
    }
}

impl Edit {
    fn edit(self) -> edit::Edit {
        let source = match (self.file, self.as_is, self.set.is_empty()) {
            (Some(file), ..) => edit::Source::File(file),
            (None, true, _) => edit::Source::AsIs,
            (None, false, false) => edit::Source::Set(self.set),
            (None, false, true) => edit::Source::Editor,
        };
        let pace = Pace { rate_per_s: 1, wait: Duration::from_secs(self.wait) };
        edit::Edit {
            id: self.id,
            source,
            if_version: self.if_version,
            replay: self.replay.then_some(pace),
        }
    }
}

/// Fields that are text whatever it looks like.
const NAMES: [&str; 2] = ["card_id", "terminal_id"];

/// `terminal_id=door-7`, `terminal_seq=18`, `age_ms=null`.
fn field(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() && path.split('.').all(|step| !step.is_empty()) => {
            let as_text = || Value::String(value.to_owned());
            let read = serde_json::from_str(value).unwrap_or_else(|_| as_text());
            // Many cards are called by numbers.
            let is_name = NAMES.contains(&path) && !read.is_null() && !read.is_string();
            Ok((path.to_owned(), if is_name { as_text() } else { read }))
        }
        _ => Err("must be FIELD=VALUE, as terminal_id=door-7".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_json_or_text() {
        for (text, path, value) in [
            ("terminal_id=door-7", "terminal_id", json!("door-7")),
            ("terminal_seq=18", "terminal_seq", json!(18)),
            ("card_id=\"4711\"", "card_id", json!("4711")),
            ("age_ms=null", "age_ms", Value::Null),
            ("a.b=x=y", "a.b", json!("x=y")),
            ("note=", "note", json!("")),
        ] {
            assert_eq!(field(text), Ok((path.to_owned(), value)), "{text}");
        }
        for bad in ["", "x", "=1", "a..b=1", ".=1"] {
            assert!(field(bad).is_err(), "{bad}");
        }
    }
}
