use std::fmt;

/// What has become of a letter so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Nothing is under way.
    Open,
    /// It was published once more, and the outcome is not known yet.
    Replaying,
    /// A replay of it was applied.
    Resolved,
    /// A replay of it found that its identity was a row already.
    Superseded,
    /// An operator gave it up.
    Discarded,
    /// It was itself a replay that failed, and counts for the first letter.
    Merged,
}

/// What was done to a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operator had it published once more.
    Replay,
    /// The compensator did.
    Compensate,
    /// An operator made another event of it.
    Edit,
    /// An operator gave it up.
    Discard,
    /// An operator put it back from a file.
    Import,
    /// An operator put it back from the dead letters' topic.
    Rebuild,
    /// A consumer applied a replay of it.
    Resolved,
    /// A consumer found its identity applied already.
    Superseded,
    /// A consumer could not apply a replay of it.
    FailedAgain,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::Replaying,
        Self::Resolved,
        Self::Superseded,
        Self::Discarded,
        Self::Merged,
    ];

    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replaying => "replaying",
            Self::Resolved => "resolved",
            Self::Superseded => "superseded",
            Self::Discarded => "discarded",
            Self::Merged => "merged",
        }
    }

    /// From the word in the table.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing will happen to it any more.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Open | Self::Replaying)
    }
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Replay,
        Self::Compensate,
        Self::Edit,
        Self::Discard,
        Self::Import,
        Self::Rebuild,
        Self::Resolved,
        Self::Superseded,
        Self::FailedAgain,
    ];

    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Compensate => "compensate",
            Self::Edit => "edit",
            Self::Discard => "discard",
            Self::Import => "import",
            Self::Rebuild => "rebuild",
            Self::Resolved => "resolved",
            Self::Superseded => "superseded",
            Self::FailedAgain => "failed_again",
        }
    }

    /// From the word in the table.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(action));
        }
        assert_eq!((State::parse("Open"), Action::parse("")), (None, None));
    }
}
