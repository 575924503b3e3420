//! What each event is to the table: a row, a collision, or a duplicate. Pure.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use registry::Slot;
use schemas::Millis;
use uuid::Uuid;

/// The key of a row: a card has one at each millisecond.
pub(crate) type Key = (Millis, Slot);

/// What stands at keys.
pub(crate) type Standings = HashMap<Key, Standing, RandomState>;

/// What already stands at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The event that has the row.
    pub(crate) event_id: Uuid,
    /// Its offset.
    pub(crate) offset: i64,
    /// The events that collided with it, and their offsets.
    pub(crate) collisions: Vec<(Uuid, i64)>,
}

/// What an event becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The first at its key.
    Row,
    /// Another event at the key of the row at `row_offset`.
    Collision {
        /// Offset of that row.
        row_offset: i64,
    },
    /// The event at `first_offset` once more.
    Duplicate {
        /// Where it stood first.
        first_offset: i64,
    },
}

/// Sorts out events one after the other, in the order of the log.
///
/// Nearly every event is later than all before it of its card, in the tables or in the batch, and
/// then it is a row: one comparison. What has stood is only put into a map when the first event
/// comes that is not.
#[derive(Debug)]
pub(crate) struct Fold {
    standing: Standings,
    /// By card: the latest moment that anything may stand at.
    latest: Vec<Millis>,
    /// Rows that are not in `standing` yet.
    rows: Vec<(Key, Uuid, i64)>,
}

impl Fold {
    /// Starts with what the tables hold at the keys that are to come; there are so many cards.
    pub(crate) fn new(standing: Standings, cards: usize) -> Self {
        let mut latest = vec![Millis::from_unix_ms(i64::MIN); cards];
        for (at, card) in standing.keys() {
            latest[card.index()] = latest[card.index()].max(*at);
        }
        Self { standing, latest, rows: Vec::new() }
    }

    /// What the next event in log order becomes.
    pub(crate) fn next(&mut self, key: Key, event_id: Uuid, offset: i64) -> Outcome {
        use std::collections::hash_map::Entry;
        let latest = &mut self.latest[key.1.index()];
        if key.0 > *latest {
            *latest = key.0;
            self.rows.push((key, event_id, offset));
            return Outcome::Row;
        }
        for (key, event_id, offset) in self.rows.drain(..) {
            self.standing.insert(key, Standing { event_id, offset, collisions: Vec::new() });
        }
        let standing = match self.standing.entry(key) {
            Entry::Vacant(free) => {
                free.insert(Standing { event_id, offset, collisions: Vec::new() });
                return Outcome::Row;
            }
            Entry::Occupied(taken) => taken.into_mut(),
        };
        if standing.event_id == event_id {
            return Outcome::Duplicate { first_offset: standing.offset };
        }
        match standing.collisions.iter().find(|(id, _)| *id == event_id) {
            Some((_, first_offset)) => Outcome::Duplicate { first_offset: *first_offset },
            None => {
                standing.collisions.push((event_id, offset));
                Outcome::Collision { row_offset: standing.offset }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use registry::Cache;

    use super::*;

    fn fold(events: &[(i64, usize, u128)], fold: &mut Fold, from: usize) -> Vec<Outcome> {
        let slots = slots();
        let outcome = |(i, (ms, card, id)): (usize, &(i64, usize, u128))| {
            let key = (Millis::from_unix_ms(*ms), slots[*card]);
            fold.next(key, Uuid::from_u128(*id), (from + i) as i64)
        };
        events.iter().enumerate().map(outcome).collect()
    }

    fn slots() -> [Slot; 3] {
        let mut cache = Cache::new(NonZeroUsize::MIN);
        ["a", "b", "c"].map(|card| cache.card(card))
    }

    /// All that stands after a batch, as a probe would find it before the next.
    fn probed(fold: Fold) -> Standings {
        let mut standing = fold.standing;
        for (key, event_id, offset) in fold.rows {
            standing.insert(key, Standing { event_id, offset, collisions: Vec::new() });
        }
        standing
    }

    proptest! {
        /// Every key has exactly one row, each event identity exactly one row or collision, and
        /// what is a duplicate names where it stood first; cutting the log into batches anywhere
        /// changes nothing.
        #[test]
        fn one_row_a_key_and_one_standing_an_identity(
            events in prop::collection::vec((0_i64..4, 0_usize..3, 0_u128..5), 0..60),
            cut in 0_usize..60
        ) {
            let new = |standing| Fold::new(standing, 3);
            let whole = fold(&events, &mut new(Standings::default()), 0);
            let cut = cut.min(events.len());
            let mut first = new(Standings::default());
            let mut parts = fold(&events[..cut], &mut first, 0);
            parts.extend(fold(&events[cut..], &mut new(probed(first)), cut));
            prop_assert_eq!(&whole, &parts);

            for (i, (ms, card, id)) in events.iter().enumerate() {
                let same_key = |j: usize| events[j].0 == *ms && events[j].1 == *card;
                let first_at_key = (0..=i).find(|j| same_key(*j)).unwrap();
                let first_of_id = (0..=i).find(|j| same_key(*j) && events[*j].2 == *id).unwrap();
                let expected = if first_of_id < i {
                    Outcome::Duplicate { first_offset: first_of_id as i64 }
                } else if first_at_key < i {
                    Outcome::Collision { row_offset: first_at_key as i64 }
                } else {
                    Outcome::Row
                };
                prop_assert_eq!(whole[i], expected, "event {}", i);
            }
        }
    }
}
