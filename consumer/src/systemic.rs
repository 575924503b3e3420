//! Whether it is the events that are bad, or the table: rows that Postgres refuses for one reason,
//! from everywhere. Then nothing is given up. Pure.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::decode::Event;

/// A row that Postgres refused, and would again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) sqlstate: String,
    pub(crate) terminal_id: String,
    pub(crate) card_id: String,
}

impl BadRow {
    pub(crate) fn new(sqlstate: &str, event: &Event<'_>) -> Self {
        Self {
            sqlstate: sqlstate.to_owned(),
            terminal_id: event.swipe.terminal_id.to_string(),
            card_id: event.swipe.card_id.to_string(),
        }
    }
}

/// The last few thousand events of a writer, and which of them were bad rows.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    batches: VecDeque<(usize, Vec<BadRow>)>,
    events: usize,
}

/// Events that are looked back at, about.
const LOOK_BACK: usize = 10_000;
/// Below so many events nobody can tell.
const SAMPLES_MIN: usize = 200;
/// One terminal alone is a faulty terminal.
const TERMINALS_MIN: usize = 3;
/// A few cards alone are faulty cards.
const CARDS_MIN: usize = 50;
/// One in so many events.
const ONE_IN: usize = 100;

impl Recent {
    /// Takes in a batch that was committed.
    pub(crate) fn committed(&mut self, events: usize, bad: Vec<BadRow>) {
        self.batches.push_back((events, bad));
        self.events += events;
        while let Some((oldest, _)) = self.batches.front()
            && self.events - oldest >= LOOK_BACK
        {
            self.events -= oldest;
            self.batches.pop_front();
        }
    }

    /// The SQLSTATE that says that the table is at fault, if with `bad` of a batch of `events` one
    /// does.
    pub(crate) fn systemic(&self, events: usize, bad: &[BadRow]) -> Option<String> {
        let samples = self.events + events;
        if bad.is_empty() || samples < SAMPLES_MIN {
            return None;
        }
        let mut by_state: HashMap<&str, (usize, HashSet<&str>, HashSet<&str>)> = HashMap::new();
        for row in self.batches.iter().flat_map(|(_, bad)| bad).chain(bad) {
            let (count, terminals, cards) = by_state.entry(&row.sqlstate).or_default();
            *count += 1;
            terminals.insert(&row.terminal_id);
            cards.insert(&row.card_id);
        }
        let at_fault = by_state.into_iter().find(|(_, (count, terminals, cards))| {
            terminals.len() >= TERMINALS_MIN
                && cards.len() >= CARDS_MIN
                && count.saturating_mul(ONE_IN) > samples
        });
        at_fault.map(|(sqlstate, _)| sqlstate.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(terminals: usize, cards: usize, count: usize) -> Vec<BadRow> {
        let row = |i: usize| BadRow {
            sqlstate: "23514".to_owned(),
            terminal_id: (i % terminals).to_string(),
            card_id: (i % cards).to_string(),
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn from_everywhere_and_not_before() {
        let recent = Recent::default();
        assert_eq!(recent.systemic(1_000, &bad(3, 50, 50)), Some("23514".to_owned()));
        assert_eq!(recent.systemic(1_000, &bad(2, 50, 500)), None, "two terminals");
        assert_eq!(recent.systemic(1_000, &bad(3, 49, 500)), None, "few cards");
        assert_eq!(recent.systemic(199, &bad(3, 50, 150)), None, "few samples");
        assert_eq!(recent.systemic(5_000, &bad(3, 50, 50)), None, "one in a hundred");
    }

    #[test]
    fn what_came_before_counts_and_is_forgotten() {
        let mut recent = Recent::default();
        recent.committed(1_000, bad(3, 30, 30));
        let other = |i: usize| BadRow { card_id: format!("x{i}"), ..bad(3, 1, 1)[0].clone() };
        let more: Vec<BadRow> = (0..25).map(other).collect();
        assert_eq!(recent.systemic(1_000, &more), Some("23514".to_owned()));
        (0..20).for_each(|_| recent.committed(1_000, Vec::new()));
        assert_eq!(recent.systemic(1_000, &more), None);
        assert!(recent.batches.len() <= 11);
    }
}
