//! Which letters a command is about.

use clap::Args;
use dead_letters::State;
use schemas::{DeadLetterReason, Millis, Stage};

use crate::dlq::{Filter, Prefix, Which};
use crate::{Error, verify};

/// In which states.
#[derive(Debug, Args)]
pub struct States {
    /// open, replaying, resolved, superseded, discarded, merged, or all; several with commas
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub states: Vec<Chosen>,
}

/// A state, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// This one.
    One(State),
    /// Every one.
    All,
}

/// Letters by what they are.
#[derive(Debug, Args)]
pub struct Filters {
    /// Dead-lettered for this cause, as unknown_terminal; several with commas
    #[arg(long, value_name = "CAUSE", value_delimiter = ',', value_parser = cause)]
    pub cause: Vec<String>,
    /// Which failed at this step: decode, decide or store
    #[arg(long, value_name = "STEP", value_delimiter = ',', value_parser = stage)]
    pub stage: Vec<String>,
    /// Of this terminal; several with commas
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub terminal: Vec<String>,
    /// Dead-lettered on or after this day (UTC) or time
    #[arg(long, value_name = "DAY|TIME", value_parser = verify::since)]
    pub since: Option<Millis>,
    /// Dead-lettered before this day (UTC) or time
    #[arg(long, value_name = "DAY|TIME", value_parser = verify::since)]
    pub until: Option<Millis>,
    /// A group as `summary` prints it: CAUSE/STEP/TERMINAL, with - for no terminal
    #[arg(long, value_name = "GROUP", value_parser = group)]
    #[arg(conflicts_with_all = ["cause", "stage", "terminal"])]
    pub group: Option<Group>,
}

/// Letters that have the same cause, step and terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    cause: String,
    stage: String,
    terminal: Option<String>,
}

/// Which letters are to be changed.
#[derive(Debug, Args)]
pub struct Letters {
    /// Letters: their ids, or the first 8 characters or more of each
    #[arg(value_name = "ID", value_parser = Prefix::parse)]
    #[arg(conflicts_with_all = ["cause", "stage", "terminal", "since", "until", "group", "all"])]
    pub ids: Vec<Prefix>,
    /// Which others
    #[command(flatten)]
    pub filters: Filters,
    /// Every letter that is not settled
    #[arg(long)]
    #[arg(conflicts_with_all = ["cause", "stage", "terminal", "since", "until", "group"])]
    pub all: bool,
    /// So many at most, the oldest first
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

impl States {
    /// Without a word, those that may still become something.
    pub(super) fn or_unsettled(&self) -> Vec<State> {
        match self.states.is_empty() {
            true => Filter::UNSETTLED.to_vec(),
            false => chosen(&self.states),
        }
    }

    /// Without a word, all.
    pub(super) fn or_all(&self) -> Vec<State> {
        chosen(&self.states)
    }
}

impl Filters {
    pub(super) fn filter(self, states: Vec<State>) -> Filter {
        let mut filter = Filter {
            states,
            causes: self.cause,
            stages: self.stage,
            terminals: self.terminal,
            no_terminal: false,
            since: self.since,
            until: self.until,
        };
        if let Some(Group { cause, stage, terminal }) = self.group {
            (filter.causes, filter.stages) = (vec![cause], vec![stage]);
            filter.no_terminal = terminal.is_none();
            filter.terminals = terminal.into_iter().collect();
        }
        filter
    }

    fn is_empty(&self) -> bool {
        let Self { cause, stage, terminal, since, until, group } = self;
        (cause.is_empty() && stage.is_empty() && terminal.is_empty())
            && (since.is_none() && until.is_none() && group.is_none())
    }
}

impl Letters {
    pub(super) fn which(self) -> Result<Which, Error> {
        if !self.ids.is_empty() {
            return Ok(Which::Ids(self.ids));
        }
        if self.filters.is_empty() && !self.all {
            let text = "which letters? Name ids, or say --group, --cause, --stage, --terminal, \
                        --since or --until; --all is every one that is not settled";
            return Err(Error::Usage(text.to_owned()));
        }
        Ok(Which::Filter(self.filters.filter(Filter::UNSETTLED.to_vec())))
    }
}

/// An empty list is no condition.
fn chosen(states: &[Chosen]) -> Vec<State> {
    if states.contains(&Chosen::All) {
        return Vec::new();
    }
    let one = |chosen: &Chosen| match chosen {
        Chosen::One(state) => Some(*state),
        Chosen::All => None,
    };
    states.iter().filter_map(one).collect()
}

fn state(text: &str) -> Result<Chosen, String> {
    match (text, State::parse(text)) {
        (_, Some(state)) => Ok(Chosen::One(state)),
        ("all", None) => Ok(Chosen::All),
        _ => Err(format!("must be {} or all", State::ALL.map(State::as_str).join(", "))),
    }
}

fn cause(text: &str) -> Result<String, String> {
    let all = DeadLetterReason::ALL.map(DeadLetterReason::as_str);
    match all.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be one of {}", all.join(", "))),
    }
}

fn stage(text: &str) -> Result<String, String> {
    let all = [Stage::Decode, Stage::Decide, Stage::Store].map(Stage::as_str);
    match all.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("must be one of {}", all.join(", "))),
    }
}

fn group(text: &str) -> Result<Group, String> {
    let mut parts = text.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(cause), Some(stage), Some(terminal)) if !terminal.is_empty() => Ok(Group {
            cause: self::cause(cause)?,
            stage: self::stage(stage)?,
            terminal: (terminal != "-").then(|| terminal.to_owned()),
        }),
        _ => Err("must be CAUSE/STEP/TERMINAL, as unknown_terminal/decide/door-7".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_as_they_are_printed() {
        let named = group("unknown_terminal/decide/a/b").unwrap();
        assert_eq!(named.terminal.as_deref(), Some("a/b"));
        assert_eq!(group("undecodable/decode/-").unwrap().terminal, None);
        for bad in ["", "undecodable", "undecodable/decode", "undecodable/decode/", "x/decode/-"] {
            assert!(group(bad).is_err(), "{bad}");
        }
    }
}
