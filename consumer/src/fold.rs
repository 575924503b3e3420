//! What each event is to the table: a row, a collision, or a duplicate. Pure.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use registry::Slot;
use schemas::{Direction, LocalDecision, Millis, Mode, Swipe};
use uuid::Uuid;

/// The key of a row: a card has one at each millisecond.
pub(crate) type Key = (Millis, Slot);

/// What stands in the tables at the keys of a batch, and may be at others, or comes to stand there
/// by it.
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

/// What an event is that stands already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// The event at `first_offset` once more.
    Duplicate {
        /// Where it stood first.
        first_offset: i64,
        /// Whether it says something else than it did there.
        altered: bool,
    },
    /// This very offset has its row: the log is being read again.
    Row,
    /// This very offset has its collision.
    Collision,
}

impl Standing {
    /// Whether this event stands in the tables.
    pub(crate) fn holds(&self, key: Key, event_id: Uuid) -> bool {
        self.rows.get(&key).is_some_and(|(row_id, _)| {
            *row_id == event_id || self.collisions.contains_key(&(key, event_id))
        })
    }
}

/// Sorts out events one after the other, in the order of the log.
///
/// Nearly every event is later than all before it of its card, in the tables or in the batch, and
/// then it is a row: one comparison. The batch's own rows are only put into a map when the first
/// event comes that is not.
#[derive(Debug)]
pub(crate) struct Fold<'s> {
    /// What the tables hold. Left as it is: whoever has to fold once more starts from it again.
    standing: &'s Standing,
    /// What has come to stand since.
    added: Standing,
    /// How many of the batch's rows are in `added`.
    added_rows: usize,
    /// By card: the latest moment that anything may stand at.
    latest: Vec<Millis>,
}

impl<'s> Fold<'s> {
    /// Starts with what the tables hold at the keys that are to come; there are so many cards.
    pub(crate) fn new(standing: &'s Standing, cards: usize) -> Self {
        let mut latest = vec![Millis::from_unix_ms(i64::MIN); cards];
        for (at, card) in standing.rows.keys() {
            latest[card.index()] = latest[card.index()].max(*at);
        }
        Self { standing, added: Standing::default(), added_rows: 0, latest }
    }

    /// What the next event in log order is, if it stands already: it needs no decision then. `rows`
    /// are those that [`add`](Self::add) has let through, in that order.
    pub(crate) fn again<R>(
        &mut self,
        (key, event_id, stands): (Key, Uuid, Stood),
        rows: &[R],
        of_row: impl Fn(&R) -> (Key, Uuid, Stood),
    ) -> Option<Again> {
        if key.0 > self.latest[key.1.index()] {
            return None;
        }
        let Self { standing, added, .. } = self;
        added.rows.extend(rows[self.added_rows..].iter().map(|row| {
            let (key, event_id, stood) = of_row(row);
            (key, (event_id, stood))
        }));
        self.added_rows = rows.len();
        let (row_id, row) = standing.rows.get(&key).or_else(|| added.rows.get(&key))?;
        if *row_id == event_id {
            return Some(stands.after(row, Again::Row));
        }
        let identity = (key, event_id);
        let collision = standing.collisions.get(&identity);
        let collision = collision.or_else(|| added.collisions.get(&identity))?;
        Some(stands.after(collision, Again::Collision))
    }

    /// Takes in the next event in log order, of which [`again`](Self::again) has said that it does
    /// not stand: it has the row of its key from now on, or it collides with the one whose offset is
    /// returned.
    pub(crate) fn add(&mut self, (key, event_id, stands): (Key, Uuid, Stood)) -> Option<i64> {
        let latest = &mut self.latest[key.1.index()];
        if key.0 > *latest {
            *latest = key.0;
            return None;
        }
        let Self { standing, added, .. } = self;
        let (_, row) = standing.rows.get(&key).or_else(|| added.rows.get(&key))?;
        added.collisions.insert((key, event_id), stands);
        Some(row.offset)
    }
}

impl Stood {
    /// What this event is if `first` has the same identity: `again` at its own offset.
    fn after(self, first: &Self, again: Again) -> Again {
        if self.offset == first.offset {
            return again;
        }
        let altered = self.payload != first.payload;
        Again::Duplicate { first_offset: first.offset, altered }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use registry::Cache;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Outcome {
        Row,
        Collision { row_offset: i64 },
        Again(Again),
    }

    /// A row: key, id, and what stands there.
    type Row = (Key, Uuid, Stood);

    fn fold(
        events: &[(i64, usize, u128)],
        (fold, rows): &mut (Fold<'_>, Vec<Row>),
        from: usize,
    ) -> Vec<Outcome> {
        let slots = slots();
        let outcome = |(i, (ms, card, id)): (usize, &(i64, usize, u128))| {
            let key = (Millis::from_unix_ms(*ms), slots[*card]);
            let (terminal, mode) = (Some(slots[0]), schemas::Mode::Online);
            let (counter, direction, local_decision) = (None, None, None);
            let payload = Payload { terminal, counter, direction, mode, local_decision };
            let stands = Stood { offset: (from + i) as i64, payload };
            let event_id = Uuid::from_u128(*id);
            let stood = fold.standing.holds(key, event_id);
            let event = (key, event_id, stands);
            if let Some(again) = fold.again(event, rows, |row| *row) {
                return Outcome::Again(again);
            }
            assert!(!stood, "event {i} stands, and it is said to be new");
            match fold.add(event) {
                Some(row_offset) => Outcome::Collision { row_offset },
                None => {
                    rows.push(event);
                    Outcome::Row
                }
            }
        };
        events.iter().enumerate().map(outcome).collect()
    }

    fn over(standing: &Standing) -> (Fold<'_>, Vec<Row>) {
        (Fold::new(standing, 3), Vec::new())
    }

    fn slots() -> [Slot; 3] {
        let mut cache = Cache::new(NonZeroUsize::MIN);
        ["a", "b", "c"].map(|card| cache.card(card))
    }

    /// All that stands after a batch, as a probe would find it before the next.
    fn probed((fold, rows): (Fold<'_>, Vec<Row>)) -> Standing {
        let mut standing = fold.standing.clone();
        standing.collisions.extend(fold.added.collisions);
        standing.rows.extend(rows.into_iter().map(|(key, id, stood)| (key, (id, stood))));
        standing
    }

    #[test]
    fn reading_again_finds_everything_standing() {
        let events = [(1, 0, 1), (1, 0, 2), (1, 0, 1), (2, 1, 3), (1, 0, 2)];
        let nothing = Standing::default();
        let mut first = over(&nothing);
        let before = fold(&events, &mut first, 0);
        let again = fold(&events, &mut over(&probed(first)), 0);
        let stands = |outcome: &Outcome| match outcome {
            Outcome::Row => Outcome::Again(Again::Row),
            Outcome::Collision { .. } => Outcome::Again(Again::Collision),
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
            let whole = fold(&events, &mut over(&nothing), 0);
            let cut = cut.min(events.len());
            let mut first = over(&nothing);
            let mut parts = fold(&events[..cut], &mut first, 0);
            let probed = probed(first);
            parts.extend(fold(&events[cut..], &mut over(&probed), cut));
            // Decided once more, it is the same again.
            let again = fold(&events[cut..], &mut over(&probed), cut);
            prop_assert_eq!(&parts[cut..], again);
            prop_assert_eq!(&whole, &parts);

            for (i, (ms, card, id)) in events.iter().enumerate() {
                let same_key = |j: usize| events[j].0 == *ms && events[j].1 == *card;
                let first_at_key = (0..=i).find(|j| same_key(*j)).unwrap();
                let first_of_id = (0..=i).find(|j| same_key(*j) && events[*j].2 == *id).unwrap();
                let expected = if first_of_id < i {
                    let first_offset = first_of_id as i64;
                    Outcome::Again(Again::Duplicate { first_offset, altered: false })
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
