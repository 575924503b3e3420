//! Whether it is the events that are bad, or the table: rows that Postgres refuses for one reason,
//! from everywhere. Then nothing is given up. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

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
    batches: VecDeque<Past>,
    events: usize,
}

/// A batch that was committed.
#[derive(Debug)]
struct Past {
    at: Instant,
    events: usize,
    bad: Vec<BadRow>,
}

/// Events that are looked back at, about.
const LOOK_BACK: usize = 10_000;
/// What was bad longer ago says nothing of the table as it is now: otherwise a few bad rows from
/// before it was mended would keep a bad row from being given up, and its batch from ever ending.
const EVIDENCE_MAX: Duration = Duration::from_secs(600);
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
    pub(crate) fn committed(&mut self, events: usize, bad: Vec<BadRow>, at: Instant) {
        self.batches.push_back(Past { at, events, bad });
        self.events += events;
        while let Some(oldest) = self.batches.front().map(|past| past.events)
            && self.events - oldest >= LOOK_BACK
        {
            self.events -= oldest;
            self.batches.pop_front();
        }
    }

    /// What was bad until now was the table's fault, which was mended.
    pub(crate) fn acquit(&mut self) {
        self.batches.iter_mut().for_each(|past| past.bad.clear());
    }

    /// The SQLSTATE that says that the table is at fault, if with `bad` of a batch of `events` one
    /// does.
    pub(crate) fn systemic(&self, events: usize, bad: &[BadRow], now: Instant) -> Option<String> {
        let samples = self.events + events;
        if bad.is_empty() || samples < SAMPLES_MIN {
            return None;
        }
        let mut by_state: HashMap<&str, (usize, HashSet<&str>, HashSet<&str>)> = HashMap::new();
        let is_recent = |past: &&Past| now.saturating_duration_since(past.at) < EVIDENCE_MAX;
        let past = self.batches.iter().filter(is_recent).flat_map(|past| &past.bad);
        for row in past.chain(bad) {
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
        let (recent, now) = (Recent::default(), Instant::now());
        assert_eq!(recent.systemic(1_000, &bad(3, 50, 50), now), Some("23514".to_owned()));
        assert_eq!(recent.systemic(1_000, &bad(2, 50, 500), now), None, "two terminals");
        assert_eq!(recent.systemic(1_000, &bad(3, 49, 500), now), None, "few cards");
        assert_eq!(recent.systemic(199, &bad(3, 50, 150), now), None, "few samples");
        assert_eq!(recent.systemic(5_000, &bad(3, 50, 50), now), None, "one in a hundred");
    }

    #[test]
    fn what_came_before_counts_and_is_forgotten() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        recent.committed(1_000, bad(3, 30, 30), now);
        let other = |i: usize| BadRow { card_id: format!("x{i}"), ..bad(3, 1, 1)[0].clone() };
        let more: Vec<BadRow> = (0..25).map(other).collect();
        assert_eq!(recent.systemic(1_000, &more, now), Some("23514".to_owned()));
        (0..20).for_each(|_| recent.committed(1_000, Vec::new(), now));
        assert_eq!(recent.systemic(1_000, &more, now), None);
        assert!(recent.batches.len() <= 11);
    }

    #[test]
    fn a_table_that_was_mended_is_not_held_to_its_past() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        recent.committed(500, bad(3, 49, 49), now);
        let last = [BadRow { card_id: "x".to_owned(), ..bad(3, 1, 1)[0].clone() }];
        assert_eq!(recent.systemic(1, &last, now), Some("23514".to_owned()));
        assert_eq!(recent.systemic(1, &last, now + EVIDENCE_MAX), None, "long ago");
        recent.acquit();
        assert_eq!(recent.systemic(1, &last, now), None);
    }
}
