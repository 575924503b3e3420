//! In which ways the same swipes are drained.

use std::fmt;

use serde::Serialize;

use super::Options;

/// One way to drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// All swipes are too old to be live: no decision is published. What deciding live costs is
    /// seen beside it.
    Late,
    /// All swipes are live, and nothing changes: the peer of all others.
    Live,
    /// So many permission changes a second.
    Changes(u32),
    /// Every zone has anti-passback and a lockout.
    CardState,
}

/// Longest and shortest live window that the consumer takes, in ms: the same log is live for all of
/// a bench, or not at all.
const ALL_LIVE_MS: &str = "3600000";
const NONE_LIVE_MS: &str = "100";

impl Way {
    /// All ways of a round, in turn.
    pub(super) fn all(options: &Options) -> Vec<Self> {
        let changes = options.changes.iter().map(|rate| Self::Changes(*rate));
        [Self::Late, Self::Live].into_iter().chain(changes).chain([Self::CardState]).collect()
    }

    /// Whether its swipes are live.
    pub(super) fn is_live(self) -> bool {
        self != Self::Late
    }

    /// Changes a second.
    pub(super) fn changes(self) -> Option<u32> {
        match self {
            Self::Changes(rate) => Some(rate),
            _ => None,
        }
    }

    /// What the consumer is told.
    pub(super) fn settings(self) -> [(&'static str, &'static str); 1] {
        let window_ms = if self.is_live() { ALL_LIVE_MS } else { NONE_LIVE_MS };
        [("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", window_ms)]
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.pad("late"),
            Self::Live => f.pad("live"),
            Self::Changes(rate) => f.pad(&format!("{rate} changes/s")),
            Self::CardState => f.pad("card state"),
        }
    }
}
