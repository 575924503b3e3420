//! What each event is to the table: a row, a collision, or a duplicate. Pure.

use std::borrow::Cow;
use std::collections::HashMap;

use schemas::Millis;
use uuid::Uuid;

/// The key of a row: a card has one at each millisecond.
pub(crate) type Key<'a> = (Millis, Cow<'a, str>);

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
#[derive(Debug, Default)]
pub(crate) struct Fold<'a> {
    standing: HashMap<Key<'a>, Standing>,
}

impl<'a> Fold<'a> {
    /// Starts with what the tables hold at the keys that are to come.
    pub(crate) fn new(standing: HashMap<Key<'a>, Standing>) -> Self {
        Self { standing }
    }

    /// Makes room for so many new keys.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.standing.reserve(keys);
    }

    /// What the next event in log order becomes.
    pub(crate) fn next(&mut self, key: Key<'a>, event_id: Uuid, offset: i64) -> Outcome {
        use std::collections::hash_map::Entry;
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
    use proptest::prelude::*;

    use super::*;

    fn fold(events: &[(i64, u8, u128)], fold: &mut Fold<'static>, from: usize) -> Vec<Outcome> {
        let outcome = |(i, (ms, card, id)): (usize, &(i64, u8, u128))| {
            let key = (Millis::from_unix_ms(*ms), Cow::Owned(card.to_string()));
            fold.next(key, Uuid::from_u128(*id), (from + i) as i64)
        };
        events.iter().enumerate().map(outcome).collect()
    }

    proptest! {
        /// Every key has exactly one row, each event identity exactly one row or collision, and
        /// what is a duplicate names where it stood first; cutting the log into batches anywhere
        /// changes nothing.
        #[test]
        fn one_row_a_key_and_one_standing_an_identity(
            events in prop::collection::vec((0_i64..4, 0_u8..3, 0_u128..5), 0..60), cut in 0_usize..60
        ) {
            let whole = fold(&events, &mut Fold::default(), 0);
            let cut = cut.min(events.len());
            let mut in_two = Fold::default();
            let mut parts = fold(&events[..cut], &mut in_two, 0);
            let mut resumed = Fold::new(in_two.standing);
            parts.extend(fold(&events[cut..], &mut resumed, cut));
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
