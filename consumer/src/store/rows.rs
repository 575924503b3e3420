//! The judged events of a batch, sorted by what they become.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use registry::{Cache, Clock};

use super::standing::Declined;
use crate::chunk::Claim;
use crate::decide::{Judged, Liveness, resolve};
use crate::decode::{Event, Refusal};
use crate::fold::{Fold, Key, Outcome, Payload, Standing, Stood};
use crate::tracks::Tracks;

/// What a batch writes, by table.
#[derive(Debug, Default)]
pub(crate) struct Sorted<'e, 'a> {
    pub(crate) rows: Vec<Judged<'e, 'a>>,
    pub(crate) collisions: Vec<Collision<'e, 'a>>,
    pub(crate) duplicates: Vec<Duplicate<'e, 'a>>,
    pub(crate) conflicts: Vec<Conflict>,
    /// Events that cannot be decided.
    pub(crate) dead: Vec<Refusal<'a>>,
    /// Whether permissions that change before the commit could make any of it something else.
    pub(crate) open: bool,
    /// Offsets that have their collision already; each by its claim.
    pub(crate) collisions_standing: Vec<Claim>,
    /// Offsets that have their duplicate already, though they would be refused now.
    pub(crate) duplicates_standing: Vec<Claim>,
}

/// A second swipe of one card in one millisecond.
#[derive(Debug)]
pub(crate) struct Collision<'e, 'a> {
    pub(crate) judged: Judged<'e, 'a>,
    pub(crate) row_offset: i64,
}

/// An event that was in the log before.
#[derive(Debug)]
pub(crate) struct Duplicate<'e, 'a> {
    pub(crate) event: &'e Event<'a>,
    pub(crate) first_offset: i64,
}

/// Two events that claim to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) kind: &'static str,
    /// Partition and offset of the later one.
    pub(crate) at: (i32, i64),
    /// Partition and offset of the other.
    pub(crate) other: (i32, i64),
}

/// What a decision looks at, besides the event.
pub(crate) struct Known<'c> {
    pub(crate) cache: &'c Cache,
    pub(crate) liveness: Liveness,
    /// The permission clock that `cache` stands for.
    pub(crate) clock: Clock,
}

impl<'e, 'a> Sorted<'e, 'a> {
    /// Decides the events, in log order, and folds them over what stands in the tables; and those
    /// that cannot be decided, which fold into nothing.
    ///
    /// In one go, because each needs the other: what an event becomes says whether it counts for
    /// its card, as one that was sent twice must not.
    pub(crate) fn sort(
        events: &'e [Event<'a>],
        standing: Standing,
        known: &Known<'_>,
        tracks: &mut Tracks,
    ) -> (Self, Vec<Declined<'e, 'a>>) {
        let mut fold = Fold::new(standing, known.cache.cards_numbered());
        let mut ids = Ids::with_capacity(events.len());
        let mut sorted = Self { rows: Vec::with_capacity(events.len()), ..Self::default() };
        let mut declined = Vec::new();
        for event in events {
            let case = match resolve(event, known.cache, &known.liveness) {
                Ok(case) => case,
                Err(cause) => {
                    sorted.open = true;
                    declined.push(Declined { event, cause });
                    continue;
                }
            };
            let payload = Payload::of(&event.swipe, event.terminal);
            let stands = Stood { offset: event.offset(), payload };
            let outcome = fold.next(key(event), event.swipe.event_id, stands);
            sorted.conflicts.extend(conflict(event, outcome, &mut ids));
            match outcome {
                Outcome::Row => {
                    sorted.open |= case.is_open(known.clock.changed_at);
                    sorted.rows.push(case.judge(event, tracks));
                }
                Outcome::Collision { row_offset } => {
                    sorted.open |= case.is_open(known.clock.changed_at);
                    let judged = case.judge(event, tracks);
                    sorted.collisions.push(Collision { judged, row_offset });
                }
                Outcome::RowStands => {}
                Outcome::CollisionStands => sorted.collisions_standing.push(event.claim()),
                Outcome::Duplicate { first_offset, .. } => {
                    sorted.duplicates.push(Duplicate { event, first_offset });
                }
            }
        }
        (sorted, declined)
    }
}

/// The first event of a batch with each id. Of most ids there is one: a table of references is small
/// enough to stay at hand, and the event behind one is only looked at where the hashes agree.
#[derive(Debug)]
struct Ids<'e, 'a> {
    hasher: RandomState,
    events: HashTable<&'e Event<'a>>,
}

impl<'e, 'a> Ids<'e, 'a> {
    fn with_capacity(events: usize) -> Self {
        Self { hasher: RandomState::default(), events: HashTable::with_capacity(events) }
    }

    /// The first event with the id of this one: it itself, mostly.
    fn first(&mut self, event: &'e Event<'a>) -> &'e Event<'a> {
        let Self { hasher, events } = self;
        let hash = |event: &&Event<'_>| hasher.hash_one(event.swipe.event_id);
        let same = |other: &&Event<'_>| other.swipe.event_id == event.swipe.event_id;
        events.entry(hash(&event), same, hash).or_insert(event).get()
    }
}

/// Whether an event claims to be one that it is not.
fn conflict<'e, 'a>(
    event: &'e Event<'a>,
    outcome: Outcome,
    ids: &mut Ids<'e, 'a>,
) -> Option<Conflict> {
    let at = event.place();
    if let Outcome::Duplicate { first_offset, altered } = outcome {
        let other = (at.0, first_offset);
        return altered.then_some(Conflict { kind: "payload_differs", at, other });
    }
    let first = ids.first(event);
    let kind = "event_id_reused";
    (key(first) != key(event)).then(|| Conflict { kind, at, other: first.place() })
}

/// The key at which an event has, or would have, its row.
pub(super) fn key(event: &Event<'_>) -> Key {
    (event.swipe.occurred_at, event.card)
}
