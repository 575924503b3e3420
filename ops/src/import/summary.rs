//! What became of an upload's lines.

use std::time::Duration;

use serde::Serialize;

/// Different reasons that are told apart; what comes after is counted as `other`.
const REASONS_MAX: usize = 100;
/// Lines that are named for each reason.
const FIRST_LINES: usize = 5;

/// What became of an upload's lines. Each line that was read is one of `logged`, `refused`,
/// `unreadable` and `unacknowledged`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Lines of the file, without the header and empty ones.
    pub read: u64,
    /// Acknowledged by the gateway: in the log.
    pub logged: u64,
    /// Those of them that the gateway keeps on its disk until Kafka takes them.
    pub spooled: u64,
    /// Refused by the gateway for what they say.
    pub refused: Reasons,
    /// Not sent, because the mapping cannot read them.
    pub unreadable: Reasons,
    /// Lines that were sent again, each time.
    pub retried: u64,
    /// Neither acknowledged nor refused when the upload ended before its time.
    pub unacknowledged: u64,
    /// Bytes of the file that the lines so far have.
    pub bytes: u64,
    /// How long it took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// Lines, by the reason that speaks against them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Reasons(Vec<Reason>);

/// One reason and the lines that it speaks against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What is wrong with them.
    pub reason: String,
    /// How many there are.
    pub lines: u64,
    /// Numbers of the first few, counted from 1 with the header line.
    pub first_lines: Vec<u64>,
}

impl Summary {
    /// Whether every line of the file is in the log.
    pub fn is_complete(&self) -> bool {
        self.logged == self.read
    }

    /// Lines that need no further work.
    pub fn settled(&self) -> u64 {
        self.logged + self.refused.lines() + self.unreadable.lines()
    }

    /// Lines logged in a second.
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.logged as f64 / seconds } else { 0.0 }
    }
}

impl Reasons {
    /// All reasons, in the order in which they came up.
    pub fn iter(&self) -> impl Iterator<Item = &Reason> {
        self.0.iter()
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.0.iter().map(|reason| reason.lines).sum()
    }

    pub(super) fn add(&mut self, reason: String, line: u64) {
        let known = self.0.iter().position(|known| known.reason == reason);
        let index = known.unwrap_or_else(|| {
            let is_last = self.0.len() >= REASONS_MAX;
            if self.0.len() <= REASONS_MAX {
                let reason = if is_last { "other".to_owned() } else { reason };
                self.0.push(Reason { reason, lines: 0, first_lines: Vec::new() });
            }
            self.0.len() - 1
        });
        let reason = &mut self.0[index];
        reason.lines += 1;
        // Lanes answer in any order.
        let place = reason.first_lines.partition_point(|first| *first < line);
        reason.first_lines.insert(place, line);
        reason.first_lines.truncate(FIRST_LINES);
    }
}

fn as_seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_millis() as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_grouped_and_bounded() {
        let mut reasons = Reasons::default();
        for line in (1..=20).rev() {
            reasons.add("bad".to_owned(), line);
        }
        assert_eq!(reasons.0[0].first_lines, [1, 2, 3, 4, 5]);
        for line in 0..300 {
            reasons.add(format!("reason {line}"), line);
        }
        assert_eq!(reasons.0.len(), REASONS_MAX + 1);
        assert_eq!(reasons.lines(), 320);
        assert_eq!(reasons.0[REASONS_MAX].reason, "other");
    }
}
