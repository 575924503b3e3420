//! What each event is to the table: a row, a collision, or a duplicate. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use foldhash::fast::RandomState;
use registry::Slot;
use schemas::{Direction, LocalDecision, Millis, Mode, Swipe};
use uuid::Uuid;

/// The key of a row: a card has one at each millisecond.
pub(crate) type Key = (Millis, Slot);

/// What stands in the tables at the keys of a batch, or comes to stand there by it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// The event that has the row.
    pub(crate) rows: HashMap<Key, (Uuid, Stood), RandomState>,
    /// The events that collided with it.
    pub(crate) collisions: HashMap<(Key, Uuid), Stood, RandomState>,
}

/// An event that stands somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stood {
    pub(crate) offset: i64,
    pub(crate) payload: Payload,
}

/// What a swipe says besides its identity and what each sending of it adds: the same identity must
/// say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Payload {
    /// None is one that no event of the batch names.
    pub(crate) terminal: Option<Slot>,
    pub(crate) counter: Option<(u32, u64)>,
    pub(crate) direction: Option<Direction>,
    pub(crate) mode: Mode,
    pub(crate) local_decision: Option<LocalDecision>,
}

impl Payload {
    pub(crate) fn of(swipe: &Swipe<'_>, terminal: Slot) -> Self {
        Self {
            terminal: Some(terminal),
            counter: swipe.terminal_epoch.zip(swipe.terminal_seq),
            direction: swipe.direction,
            mode: swipe.mode,
            local_decision: swipe.local_decision,
        }
    }
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
        /// Whether it says something else than it did there.
        altered: bool,
    },
    /// This very offset has its row: the log is being read again.
    RowStands,
    /// This very offset has its collision.
    CollisionStands,
}

/// Sorts out events one after the other, in the order of the log.
///
/// Nearly every event is later than all before it of its card, in the tables or in the batch, and
/// then it is a row: one comparison. What has stood is only put into a map when the first event
/// comes that is not.
#[derive(Debug)]
pub(crate) struct Fold<'s> {
    /// What the tables hold. Left as it is: whoever has to fold once more starts from it again.
    standing: &'s Standing,
    /// What has come to stand since.
    added: Standing,
    /// By card: the latest moment that anything may stand at.
    latest: Vec<Millis>,
    /// Rows that are not in `added` yet.
    rows: Vec<(Key, Uuid, Stood)>,
}

impl<'s> Fold<'s> {
    /// Starts with what the tables hold at the keys that are to come; there are so many cards.
    pub(crate) fn new(standing: &'s Standing, cards: usize) -> Self {
        let mut latest = vec![Millis::from_unix_ms(i64::MIN); cards];
        for (at, card) in standing.rows.keys() {
            latest[card.index()] = latest[card.index()].max(*at);
        }
        Self { standing, added: Standing::default(), latest, rows: Vec::new() }
    }

    /// What the next event in log order becomes.
    pub(crate) fn next(&mut self, key: Key, event_id: Uuid, stands: Stood) -> Outcome {
        let latest = &mut self.latest[key.1.index()];
        if key.0 > *latest {
            *latest = key.0;
            self.rows.push((key, event_id, stands));
            return Outcome::Row;
        }
        let Standing { rows, collisions } = &mut self.added;
        rows.extend(self.rows.drain(..).map(|(key, event_id, stood)| (key, (event_id, stood))));
        let Some((row_id, row)) = first(&self.standing.rows, rows, key, (event_id, stands)) else {
            return Outcome::Row;
        };
        if row_id == event_id {
            return stands.after(row, Outcome::RowStands);
        }
        match first(&self.standing.collisions, collisions, (key, event_id), stands) {
            Some(collision) => stands.after(collision, Outcome::CollisionStands),
            None => Outcome::Collision { row_offset: row.offset },
        }
    }
}

/// What stands at a key, in the tables or since; if nothing does, this does from now on.
fn first<K: Eq + Hash, V: Copy>(
    standing: &HashMap<K, V, RandomState>,
    added: &mut HashMap<K, V, RandomState>,
    key: K,
    new: V,
) -> Option<V> {
    if let Some(stood) = standing.get(&key) {
        return Some(*stood);
    }
    match added.entry(key) {
        Entry::Vacant(free) => {
            free.insert(new);
            None
        }
        Entry::Occupied(taken) => Some(*taken.get()),
    }
}

impl Stood {
    /// What this event is if `first` has the same identity: `again` at its own offset.
    fn after(self, first: Self, again: Outcome) -> Outcome {
        if self.offset == first.offset {
            return again;
        }
        let altered = self.payload != first.payload;
        Outcome::Duplicate { first_offset: first.offset, altered }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use registry::Cache;

    use super::*;

    fn fold(events: &[(i64, usize, u128)], fold: &mut Fold<'_>, from: usize) -> Vec<Outcome> {
        let slots = slots();
        let outcome = |(i, (ms, card, id)): (usize, &(i64, usize, u128))| {
            let key = (Millis::from_unix_ms(*ms), slots[*card]);
            let (terminal, mode) = (Some(slots[0]), schemas::Mode::Online);
            let (counter, direction, local_decision) = (None, None, None);
            let payload = Payload { terminal, counter, direction, mode, local_decision };
            let stands = Stood { offset: (from + i) as i64, payload };
            fold.next(key, Uuid::from_u128(*id), stands)
        };
        events.iter().enumerate().map(outcome).collect()
    }

    fn slots() -> [Slot; 3] {
        let mut cache = Cache::new(NonZeroUsize::MIN);
        ["a", "b", "c"].map(|card| cache.card(card))
    }

    /// All that stands after a batch, as a probe would find it before the next.
    fn probed(fold: Fold<'_>) -> Standing {
        let mut standing = fold.standing.clone();
        standing.rows.extend(fold.added.rows);
        standing.collisions.extend(fold.added.collisions);
        standing.rows.extend(fold.rows.into_iter().map(|(key, id, stood)| (key, (id, stood))));
        standing
    }

    #[test]
    fn reading_again_finds_everything_standing() {
        let events = [(1, 0, 1), (1, 0, 2), (1, 0, 1), (2, 1, 3), (1, 0, 2)];
        let nothing = Standing::default();
        let mut first = Fold::new(&nothing, 3);
        let before = fold(&events, &mut first, 0);
        let again = fold(&events, &mut Fold::new(&probed(first), 3), 0);
        let stands = |outcome: &Outcome| match outcome {
            Outcome::Row => Outcome::RowStands,
            Outcome::Collision { .. } => Outcome::CollisionStands,
            other => *other,
        };
        assert_eq!(again, before.iter().map(stands).collect::<Vec<_>>());
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
            let nothing = Standing::default();
            let whole = fold(&events, &mut Fold::new(&nothing, 3), 0);
            let cut = cut.min(events.len());
            let mut first = Fold::new(&nothing, 3);
            let mut parts = fold(&events[..cut], &mut first, 0);
            let probed = probed(first);
            parts.extend(fold(&events[cut..], &mut Fold::new(&probed, 3), cut));
            // Decided once more, it is the same again.
            let again = fold(&events[cut..], &mut Fold::new(&probed, 3), cut);
            prop_assert_eq!(&parts[cut..], again);
            prop_assert_eq!(&whole, &parts);

            for (i, (ms, card, id)) in events.iter().enumerate() {
                let same_key = |j: usize| events[j].0 == *ms && events[j].1 == *card;
                let first_at_key = (0..=i).find(|j| same_key(*j)).unwrap();
                let first_of_id = (0..=i).find(|j| same_key(*j) && events[*j].2 == *id).unwrap();
                let expected = if first_of_id < i {
                    Outcome::Duplicate { first_offset: first_of_id as i64, altered: false }
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
