//! What each event is to the table: a row, a collision, or a duplicate. Pure.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use registry::Slot;
use schemas::{Direction, LocalDecision, Millis, Mode, Swipe};
use uuid::Uuid;

/// The key of a row: a card has one at each millisecond.
pub(crate) type Key = (Millis, Slot);

/// What stands in the tables at the keys of events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// The rows, in no order.
    rows: Vec<Row>,
    /// By the number of an event: which of them has its key, plus 1; 0 is none. By number and not in a
    /// map of keys, as where everything was sent twice each event has one.
    row_of: Vec<u32>,
    /// Events of theirs that collided with such a row.
    pub(crate) collisions: Collisions,
}

/// A row: the id of the event that has it, and what it says.
type Row = (Uuid, Stood);

/// The events that collided with a row, by its key and their own ids.
type Collisions = HashMap<(Key, Uuid), Stood, RandomState>;

/// An event, to be sorted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its number among those that [`Standing`] was made for.
    pub(crate) nth: u32,
    pub(crate) key: Key,
    pub(crate) event_id: Uuid,
    /// What would stand there.
    pub(crate) stands: Stood,
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
    /// Nothing, as yet, for events whose numbers are less than `events`.
    pub(crate) fn of(events: usize) -> Self {
        Self { row_of: vec![0; events], ..Self::default() }
    }

    /// Takes in the row at the key of the events with these numbers.
    pub(crate) fn insert(&mut self, numbers: impl Iterator<Item = u32>, row: Row) {
        self.rows.push(row);
        let place = self.rows.len() as u32;
        numbers.for_each(|nth| self.row_of[nth as usize] = place);
    }

    /// The row at the key of an event.
    pub(crate) fn row(&self, nth: u32) -> Option<&Row> {
        let place = self.row_of.get(nth as usize)?.checked_sub(1)?;
        self.rows.get(place as usize)
    }

    /// Whether an event stands in the tables.
    pub(crate) fn holds(&self, nth: u32, key: Key, event_id: Uuid) -> bool {
        self.row(nth).is_some_and(|(row_id, _)| {
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
    /// The batch's own rows.
    rows: HashMap<Key, Row, RandomState>,
    /// How many of them are in there.
    rows_known: usize,
    /// Those that collided with any row.
    collisions: Collisions,
    /// By card: the latest moment at which the batch has a row.
    latest: Vec<Millis>,
}

impl<'s> Fold<'s> {
    /// Starts with what the tables hold at the keys that are to come; there are so many cards.
    pub(crate) fn new(standing: &'s Standing, cards: usize) -> Self {
        Self {
            standing,
            rows: HashMap::default(),
            rows_known: 0,
            collisions: HashMap::default(),
            latest: vec![Millis::from_unix_ms(i64::MIN); cards],
        }
    }

    /// What the next event in log order is, if it stands already: it needs no decision then. `rows`
    /// are those that [`add`](Self::add) has let through, in that order.
    pub(crate) fn again<R>(
        &mut self,
        event: Candidate,
        rows: &[R],
        of_row: impl Fn(&R) -> Candidate,
    ) -> Option<Again> {
        let Candidate { key, event_id, stands, .. } = event;
        let in_table = self.standing.row(event.nth);
        if in_table.is_none() {
            if key.0 > self.latest[key.1.index()] {
                return None;
            }
            self.rows.extend(rows[self.rows_known..].iter().map(|row| {
                let Candidate { key, event_id, stands, .. } = of_row(row);
                (key, (event_id, stands))
            }));
            self.rows_known = rows.len();
        }
        let (row_id, row) = in_table.or_else(|| self.rows.get(&key))?;
        if *row_id == event_id {
            return Some(stands.after(row, Again::Row));
        }
        let identity = (key, event_id);
        let collision = self.standing.collisions.get(&identity);
        let collision = collision.or_else(|| self.collisions.get(&identity))?;
        Some(stands.after(collision, Again::Collision))
    }

    /// Takes in the next event in log order, of which [`again`](Self::again) has said that it does
    /// not stand: it has the row of its key from now on, or it collides with the one whose offset is
    /// returned.
    pub(crate) fn add(&mut self, event: Candidate) -> Option<i64> {
        let Candidate { key, event_id, stands, .. } = event;
        let in_table = self.standing.row(event.nth);
        let latest = &mut self.latest[key.1.index()];
        if in_table.is_none() && key.0 > *latest {
            *latest = key.0;
            return None;
        }
        let (_, row) = in_table.or_else(|| self.rows.get(&key))?;
        self.collisions.insert((key, event_id), stands);
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

    /// Moment, card and id.
    type Event = (i64, usize, u128);

    fn fold(
        events: &[Event],
        (fold, rows): &mut (Fold<'_>, Vec<Candidate>),
        from: usize,
    ) -> Vec<Outcome> {
        let slots = slots();
        let outcome = |(i, event): (usize, &Event)| {
            let key = key(event);
            let (terminal, mode) = (Some(slots[0]), schemas::Mode::Online);
            let (counter, direction, local_decision) = (None, None, None);
            let payload = Payload { terminal, counter, direction, mode, local_decision };
            let stands = Stood { offset: (from + i) as i64, payload };
            let (nth, event_id) = (i as u32, Uuid::from_u128(event.2));
            let stood = fold.standing.holds(nth, key, event_id);
            let event = Candidate { nth, key, event_id, stands };
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

    fn over(standing: &Standing) -> (Fold<'_>, Vec<Candidate>) {
        (Fold::new(standing, 3), Vec::new())
    }

    fn slots() -> [Slot; 3] {
        let mut cache = Cache::new(NonZeroUsize::MIN);
        ["a", "b", "c"].map(|card| cache.card(card))
    }

    fn key((ms, card, _): &Event) -> Key {
        (Millis::from_unix_ms(*ms), slots()[*card])
    }

    /// What stands after a first batch, as a probe would find it before the next.
    fn probed((fold, rows): (Fold<'_>, Vec<Candidate>), next: &[Event]) -> Standing {
        let mut standing = Standing::of(next.len());
        for row in rows {
            let has_it = |(_, event): &(u32, &Event)| key(event) == row.key;
            let numbers = (0..).zip(next).filter(has_it).map(|(nth, _)| nth);
            standing.insert(numbers, (row.event_id, row.stands));
        }
        standing.collisions.extend(fold.collisions);
        standing
    }

    #[test]
    fn reading_again_finds_everything_standing() {
        let events = [(1, 0, 1), (1, 0, 2), (1, 0, 1), (2, 1, 3), (1, 0, 2)];
        let nothing = Standing::default();
        let mut first = over(&nothing);
        let before = fold(&events, &mut first, 0);
        let again = fold(&events, &mut over(&probed(first, &events)), 0);
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
            let probed = probed(first, &events[cut..]);
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
