//! The judged events of a batch, sorted by what they become.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use registry::{Cache, Clock};

use super::standing::Declined;
use crate::batch::Batch;
use crate::chunk::Claim;
use crate::decide::{Judged, Liveness, resolve};
use crate::decode::{Cause, Event, Refusal};
use crate::fold::{Fold, Key, Outcome, Payload, Standing, Stood};
use crate::lanes::{Lanes, Limits, NotYet, Wait};
use crate::quarantine::{End, Failed, Quarantine};
use crate::systemic::BadRow;
use crate::tracks::Tracks;

/// What a batch writes, by table.
#[derive(Debug, Default)]
pub(crate) struct Sorted<'e, 'a> {
    pub(crate) rows: Vec<Judged<'e, 'a>>,
    pub(crate) collisions: Vec<Collision<'e, 'a>>,
    pub(crate) duplicates: Vec<Duplicate<'e, 'a>>,
    pub(crate) conflicts: Vec<Conflict>,
    /// Events that are given up.
    pub(crate) dead: Vec<Refusal<'a>>,
    /// Events that come to wait in their card's lane.
    pub(crate) parked: Vec<(&'e Event<'a>, Wait)>,
    /// Events of lanes that were tried and wait on; each by its place.
    pub(crate) tried: Vec<((i32, i64), Wait)>,
    /// Events of lanes that wait no longer; each by its place.
    pub(crate) left: Vec<(i32, i64)>,
    /// How events ended, as far as that says something of their terminals.
    pub(crate) ends: Vec<End>,
    /// Events that are given up for their rows.
    pub(crate) bad: Vec<BadRow>,
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
    pub(crate) batch: &'c Batch,
    /// How long those have waited that come from lanes; by their places.
    pub(crate) waited: &'c HashMap<(i32, i64), Wait>,
    /// Events whose rows Postgres refuses; by their places.
    pub(crate) bad: &'c HashMap<(i32, i64), Cause>,
    pub(crate) quarantine: &'c Quarantine,
    pub(crate) limits: &'c Limits,
}

impl<'e, 'a> Sorted<'e, 'a> {
    /// Decides the events, in log order, and folds them over what stands in the tables; and those
    /// that cannot be decided, which fold into nothing. What fails for now opens its card's lane,
    /// and what comes of that card after it waits there, too.
    ///
    /// In one go, because each needs the other: what an event becomes says whether it counts for
    /// its card, as one that was sent twice must not.
    pub(crate) fn sort(
        events: &'e [Event<'a>],
        standing: &Standing,
        known: &Known<'_>,
        tracks: &mut Tracks,
        lanes: &mut Lanes,
    ) -> (Self, Vec<Declined<'e, 'a>>) {
        let mut fold = Fold::new(standing, known.cache.cards_numbered());
        let mut ids = Ids::with_capacity(events.len());
        let mut sorted = Self { rows: Vec::with_capacity(events.len()), ..Self::default() };
        let mut declined = Vec::new();
        for event in events {
            if lanes.holds(event.card) && sorted.stays(event, known, lanes) {
                continue;
            }
            if let Some(cause) = known.refuses(event) {
                sorted.give_up(event, cause, known);
                continue;
            }
            let case = match resolve(event, known.cache, &known.liveness) {
                Ok(case) => case,
                Err(cause) => {
                    sorted.open = true;
                    declined.extend(sorted.not_yet(event, cause, known, lanes));
                    continue;
                }
            };
            sorted.ended(event, known, Ok(()));
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

    /// An event whose card's lane holds waits there; unless it has its outcome already.
    fn stays(&mut self, event: &'e Event<'a>, known: &Known<'_>, lanes: &mut Lanes) -> bool {
        if known.waited.contains_key(&event.place()) {
            return true;
        }
        if known.batch.stands(event.place()) {
            return false;
        }
        self.parked.extend(lanes.behind(event.card).map(|wait| (event, wait)));
        true
    }

    /// What fails for now waits, if it may: given back is what may not, and may have its outcome
    /// already.
    fn not_yet(
        &mut self,
        event: &'e Event<'a>,
        mut cause: Cause,
        known: &Known<'_>,
        lanes: &mut Lanes,
    ) -> Option<Declined<'e, 'a>> {
        let waited = known.waited.get(&event.place()).copied();
        let (now, limits) = (known.liveness.now, known.limits);
        let may_open = || {
            let registered = known.cache.terminal_version(event.terminal);
            !known.batch.stands(event.place())
                && !known.quarantine.holds(&event.swipe.terminal_id, registered)
                && !event.is_replay()
        };
        let fate = lanes.not_yet(event.card, event.record, waited, may_open, now, limits);
        match (fate, waited) {
            (NotYet::Wait(wait), Some(_)) => self.tried.push((event.place(), wait)),
            (NotYet::Wait(wait), None) => self.parked.push((event, wait)),
            (NotYet::GiveUp { tries }, Some(_)) => {
                cause.tries = tries;
                self.give_up(event, cause, known);
            }
            (NotYet::GiveUp { .. }, None) => {
                self.ended(event, known, Err(Failed { sqlstate: None }));
                return Some(Declined { event, cause });
            }
        }
        None
    }

    fn give_up(&mut self, event: &'e Event<'a>, cause: Cause, known: &Known<'_>) {
        let sqlstate = cause.sqlstate.clone();
        self.bad.extend(sqlstate.as_ref().map(|sqlstate| BadRow::new(sqlstate, event)));
        self.ended(event, known, Err(Failed { sqlstate }));
        self.dead.push(Refusal { record: event.record, cause });
    }

    /// Notes how an event ended: what came from a lane has left it.
    fn ended(&mut self, event: &Event<'_>, known: &Known<'_>, outcome: Result<(), Failed>) {
        if !known.waited.is_empty() && known.waited.contains_key(&event.place()) {
            self.left.push(event.place());
        }
        // Once one has failed in this batch, those that go through count as well: only failures in a
        // row make a terminal faulty.
        let counts = outcome.is_err() || !self.ends.is_empty() || known.quarantine.is_watching();
        if counts {
            self.ends.push(End {
                terminal_id: event.swipe.terminal_id.to_string(),
                registered: known.cache.terminal_version(event.terminal),
                outcome,
            });
        }
    }
}

impl Known<'_> {
    /// Why an event is given up without being tried: Postgres has refused its row, or would those of
    /// its terminal.
    fn refuses(&self, event: &Event<'_>) -> Option<Cause> {
        if !self.bad.is_empty()
            && let Some(cause) = self.bad.get(&event.place())
        {
            return Some(cause.clone());
        }
        if !self.quarantine.is_watching() {
            return None;
        }
        // An unregistered one may be registered by now: whoever resolves it finds out.
        let registered = Some(self.cache.terminal_version(event.terminal)?);
        let sqlstate = self.quarantine.refused(&event.swipe.terminal_id, registered)?;
        (!self.batch.stands(event.place())).then(|| Cause::quarantined(sqlstate))
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
