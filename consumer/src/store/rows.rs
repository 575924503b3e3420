//! The judged events of a batch, sorted by what they become.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ledger::Delta;
use registry::{Cache, Clock};
use schemas::Millis;

use super::standing::Declined;
use crate::batch::Batch;
use crate::decide::{Judged, Liveness, resolve};
use crate::decode::{Cause, Event, Refusal};
use crate::fold::{Again, Fold, Standing};
use crate::lanes::{Lanes, Limits, NotYet, Wait};
use crate::quarantine::{End, Failed, Quarantine};
use crate::systemic::BadRow;
use crate::tracks::Tracks;
use crate::warm::warmed;

/// What a batch writes, by table.
#[derive(Debug, Default)]
pub(crate) struct Sorted<'e, 'a> {
    pub(crate) rows: Vec<Judged<'e, 'a>>,
    pub(crate) collisions: Vec<Collision<'e, 'a>>,
    /// When those were published, of which that is known.
    pub(crate) published: Vec<Millis>,
    pub(crate) duplicates: Vec<Duplicate<'e, 'a>>,
    pub(crate) conflicts: Vec<Conflict>,
    /// The counters of rows and collisions.
    pub(crate) counters: Delta,
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
    /// Offsets that have their collision already; each by its partition.
    pub(crate) collisions_standing: Vec<i32>,
    /// Offsets that have their duplicate already, though they would be refused now.
    pub(crate) duplicates_standing: Vec<i32>,
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
        let (rows, published) =
            (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
        let mut sorted = Self { rows, published, ..Self::default() };
        let mut declined = Vec::new();
        for event in warmed(events, |event| known.cache.look_at_card(event.card)) {
            if lanes.holds(event.card) && sorted.stays(event, known, lanes) {
                continue;
            }
            if let Some(cause) = known.bad(event) {
                sorted.give_up(event, cause, known);
                continue;
            }
            let candidate = event.candidate();
            // Before what is permitted, which nobody has loaded for it: see `Standing::holds`.
            let again = fold.again(candidate, &sorted.rows, |row| row.event.candidate());
            if let Some(again) = again {
                sorted.again(event, again, known, &mut ids);
                continue;
            }
            if let Some(cause) = known.quarantines(event) {
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
            sorted.open |= case.is_open(known.clock.changed_at);
            let collides = fold.add(candidate);
            sorted.conflicts.extend(id_reused(event, &mut ids));
            let judged = case.judge(event, tracks);
            sorted.published.extend(event.record.published_at());
            if let Some(counter) = event.swipe.counter() {
                sorted.counters.add(event.terminal, counter, event.swipe.occurred_at);
            }
            match collides {
                None => sorted.rows.push(judged),
                Some(row_offset) => sorted.collisions.push(Collision { judged, row_offset }),
            }
        }
        (sorted, declined)
    }

    /// An event that stands already.
    fn again(
        &mut self,
        event: &'e Event<'a>,
        again: Again,
        known: &Known<'_>,
        ids: &mut Ids<'e, 'a>,
    ) {
        self.leaves_its_lane(event, known);
        match again {
            Again::Duplicate { first_offset, altered } => {
                let (at, other) = (event.place(), (event.place().0, first_offset));
                let kind = "payload_differs";
                self.conflicts.extend(altered.then_some(Conflict { kind, at, other }));
                self.duplicates.push(Duplicate { event, first_offset });
            }
            Again::Row => self.conflicts.extend(id_reused(event, ids)),
            Again::Collision => {
                self.conflicts.extend(id_reused(event, ids));
                self.collisions_standing.push(event.partition());
            }
        }
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

    /// What came from a lane, and has its outcome, has left it.
    fn leaves_its_lane(&mut self, event: &Event<'_>, known: &Known<'_>) {
        if !known.waited.is_empty() && known.waited.contains_key(&event.place()) {
            self.left.push(event.place());
        }
    }

    /// Notes how an event ended.
    fn ended(&mut self, event: &Event<'_>, known: &Known<'_>, outcome: Result<(), Failed>) {
        self.leaves_its_lane(event, known);
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
    /// Why an event is given up: Postgres has refused its row.
    fn bad(&self, event: &Event<'_>) -> Option<Cause> {
        if self.bad.is_empty() {
            return None;
        }
        self.bad.get(&event.place()).cloned()
    }

    /// Why an event that does not stand yet is given up without being tried: Postgres has refused
    /// the rows of its terminal.
    fn quarantines(&self, event: &Event<'_>) -> Option<Cause> {
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

/// Whether an event has the id of another one of its batch.
fn id_reused<'e, 'a>(event: &'e Event<'a>, ids: &mut Ids<'e, 'a>) -> Option<Conflict> {
    let first = ids.first(event);
    let conflict = || Conflict { kind: "event_id_reused", at: event.place(), other: first.place() };
    (first.key() != event.key()).then(conflict)
}
