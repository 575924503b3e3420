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
    batches: VecDeque<(usize, Vec<BadRow>)>,
    events: usize,
    /// Since when the table is taken to be at fault.
    since: Option<Instant>,
}

/// Events that are looked back at, about.
const LOOK_BACK: usize = 10_000;
/// How long what was bad before counts against the table. Otherwise a few bad rows from before it was
/// mended would keep a really bad one from being given up, and its batch from ever ending.
const SUSPECTED_MAX: Duration = Duration::from_secs(600);
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
    ///
    /// If the table was suspected: rows that went through say that it was mended, and what was bad
    /// until then was its fault. Without any, the suspicion begins anew.
    pub(crate) fn committed(&mut self, events: usize, bad: Vec<BadRow>, now: Instant) {
        if self.since.take().is_some() {
            if events > bad.len() {
                self.batches.iter_mut().for_each(|(_, bad)| bad.clear());
            } else {
                self.since = Some(now);
            }
        }
        self.batches.push_back((events, bad));
        self.events += events;
        while let Some((oldest, _)) = self.batches.front()
            && self.events - oldest >= LOOK_BACK
        {
            self.events -= oldest;
            self.batches.pop_front();
        }
    }

    /// Whether the table is taken to be at fault.
    pub(crate) fn suspects_the_table(&self) -> bool {
        self.since.is_some()
    }

    /// The SQLSTATE that says that the table is at fault, if with `bad` of a batch of `events` one
    /// does.
    pub(crate) fn systemic(
        &mut self,
        events: usize,
        bad: &[BadRow],
        now: Instant,
    ) -> Option<String> {
        let samples = self.events + events;
        if bad.is_empty() || samples < SAMPLES_MIN {
            return None;
        }
        let mut by_state: HashMap<&str, (usize, HashSet<&str>, HashSet<&str>)> = HashMap::new();
        let counts =
            self.since.is_none_or(|since| now.saturating_duration_since(since) < SUSPECTED_MAX);
        let past = self.batches.iter().filter(|_| counts).flat_map(|(_, bad)| bad);
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
        let sqlstate = at_fault.map(|(sqlstate, _)| sqlstate.to_owned())?;
        self.since.get_or_insert(now);
        Some(sqlstate)
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
        let (mut recent, now) = (Recent::default(), Instant::now());
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
    fn a_table_that_was_mended_is_not_held_to_its_past_and_one_that_was_not_is() {
        let now = Instant::now();
        let later = now + SUSPECTED_MAX;
        let last = [BadRow { card_id: "x".to_owned(), ..bad(3, 1, 1)[0].clone() }];
        let suspecting = || {
            let mut recent = Recent::default();
            recent.committed(500, bad(3, 49, 49), now);
            assert_eq!(recent.systemic(1, &last, now), Some("23514".to_owned()));
            assert_eq!(recent.systemic(1, &last, later), None, "long ago");
            recent
        };
        let mut mended = suspecting();
        mended.committed(2, last.to_vec(), later);
        assert!(!mended.suspects_the_table(), "a row went through");
        assert_eq!(mended.systemic(1, &last, later), None);
        let mut broken = suspecting();
        broken.committed(1, last.to_vec(), later);
        assert!(broken.suspects_the_table(), "nothing went through");
        assert!(broken.systemic(1, &last, later).is_some());
        // Nothing is forgotten merely because it comes slowly.
        let mut slow = Recent::default();
        slow.committed(500, bad(3, 49, 49), now);
        assert!(slow.systemic(1, &last, later).is_some());
    }
}
