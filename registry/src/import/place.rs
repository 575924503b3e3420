use std::fmt;

/// What is wrong with a file, and where. Never quotes a card id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path in the file, as `cards[17].zones[2]` or `line 18, column zones`; `$` is the file itself.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// How a file names the places of its cards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Places {
    /// JSON: by path.
    #[default]
    Paths,
    /// CSV: by line, each card's here, and column.
    Lines(Vec<u64>),
}

impl Places {
    /// A field of a card.
    pub(super) fn card(&self, index: usize, field: &str) -> String {
        match self {
            Self::Paths => format!("cards[{index}].{field}"),
            Self::Lines(lines) => line(lines.get(index).copied(), field),
        }
    }

    /// One of the zones of a card.
    pub(super) fn card_zone(&self, index: usize, place: usize) -> String {
        match self {
            Self::Paths => format!("cards[{index}].zones[{place}]"),
            Self::Lines(_) => format!("{}, zone {}", self.card(index, "zones"), place + 1),
        }
    }
}

/// A column of a line; the end of the file where there is no such line.
pub(super) fn line(line: Option<u64>, column: &str) -> String {
    match line {
        Some(line) => format!("line {line}, column {column}"),
        None => format!("column {column}"),
    }
}
