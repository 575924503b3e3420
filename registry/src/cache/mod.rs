//! What a writer knows of who may go where, as of one permission clock.

mod load;
mod numbered;
mod spans;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use access::{Credential, Schedule, ScheduleNumber, ZoneNumber, ZoneRules};
use schemas::{Direction, Millis};
use tokio_postgres::GenericClient;

use crate::Error;
use numbered::Numbered;
use spans::Spans;

/// What a writer knows of cards and of what they share, as of one permission clock.
///
/// Names are numbered once an event; everything after that is an index. The clock is read first and
/// the rows second: rows may be newer than the clock that the cache claims, never older, and then
/// the seal of the batch finds that the clock has moved. A clock that has moved makes it forget just
/// what the changes name. Zones, terminals and schedules are shared: one change of one is one load,
/// however many cards use it.
#[derive(Debug)]
pub struct Cache {
    clock: Option<Clock>,
    cards: Numbered<Spans<Credential>>,
    terminals: Numbered<Spans<Terminal>>,
    zones: Numbered<Spans<ZoneRules>>,
    /// A state that cannot be read is `None`: it allows nothing.
    schedules: Numbered<Spans<Option<Box<Schedule>>>>,
    /// Whether a zone or a schedule has a number and is not loaded.
    shared_missing: bool,
    /// Whether any zone, at any time, looks at what cards did before.
    tracking: bool,
    cards_max: usize,
    loads: Loads,
    /// When the clock was read last.
    read_at: Option<Instant>,
}

/// How much was loaded so far: names that were asked for, known to the database or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loads {
    /// Cards with their history.
    pub cards: u64,
    /// Terminals.
    pub terminals: u64,
    /// Zones.
    pub zones: u64,
    /// Schedules.
    pub schedules: u64,
}

/// The permission clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Plus 1 at each change.
    pub version: i64,
    /// When the last change was stamped: what comes is in force from a later moment on.
    pub changed_at: Millis,
}

/// Number of a card or terminal, until the next [`Cache::begin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

/// How well a cache must know the clock before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As it was at a look a moment ago: the seal will tell whether that still holds.
    Optimistic,
    /// As it is now: the caller holds the permission lock.
    Current,
}

/// The moment that a decision asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// What is in force now.
    Now,
    /// What was in force then.
    Moment(Millis),
}

/// What counts for a card at a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Resolved<'c> {
    /// The zone that the terminal guards.
    pub zone: ZoneNumber,
    /// Its name.
    pub zone_id: &'c str,
    /// What holds in it for every card.
    pub rules: &'c ZoneRules,
    /// The terminal's direction; none is one for both, where the event must say which.
    pub direction: Option<Direction>,
    /// What the card is allowed; none if nobody has registered it.
    pub credential: Option<&'c Credential>,
    /// The schedule that the credential names, if it does and if that is there and can be read.
    pub schedule: Option<&'c Schedule>,
}

#[derive(Debug, Clone, Copy)]
struct Terminal {
    zone: ZoneNumber,
    direction: Option<Direction>,
    version: i64,
}

/// Terminals are few (thousands), and so are zones and schedules; beyond this many names, most of
/// them unknown, room is made.
const SHARED_MAX: usize = 100_000;
/// A clock that was looked at so long ago is looked at again, which costs less than to decide with
/// one that has moved meanwhile.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Where a zone is not registered (any more), or was not then.
static NO_RULES: ZoneRules = ZoneRules {
    mode: access::ZoneMode::Normal,
    antipassback: access::Antipassback {
        enforcement: access::Enforcement::Off,
        two_way: false,
        timed_ms: None,
    },
    lockout: None,
};

impl Cache {
    /// An empty cache that remembers at most `cards_max` cards, and their history, from one batch
    /// to the next.
    pub fn new(cards_max: NonZeroUsize) -> Self {
        Self {
            clock: None,
            cards: Numbered::default(),
            terminals: Numbered::default(),
            zones: Numbered::default(),
            schedules: Numbered::default(),
            shared_missing: false,
            tracking: false,
            cards_max: cards_max.get(),
            loads: Loads::default(),
            read_at: None,
        }
    }

    /// How much was loaded since the last call.
    pub fn take_loads(&mut self) -> Loads {
        std::mem::take(&mut self.loads)
    }

    /// Makes room for a batch of `events`: what was asked for longest ago goes. Numbers given before
    /// are void.
    pub fn begin(&mut self, events: usize) {
        if self.zones.len() > SHARED_MAX || self.schedules.len() > SHARED_MAX {
            // Whatever names them by number goes with them.
            *self = Self::new(NonZeroUsize::new(self.cards_max).unwrap_or(NonZeroUsize::MIN));
        }
        self.cards.begin(events, self.cards_max);
        self.terminals.begin(events, SHARED_MAX);
    }

    /// The permission clock that the contents stand for. Before the first load there is none.
    pub fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// The number of a card, known or not.
    pub fn card(&mut self, card_id: &str) -> Slot {
        self.cards.number(card_id)
    }

    /// A card's name.
    pub fn card_id(&self, card: Slot) -> &str {
        self.cards.name(card)
    }

    /// The number of a card, if it has one.
    pub fn known_card(&self, card_id: &str) -> Option<Slot> {
        self.cards.known_number(card_id)
    }

    /// The number of a terminal, known or not.
    pub fn terminal(&mut self, terminal_id: &str) -> Slot {
        self.terminals.number(terminal_id)
    }

    /// A terminal's name.
    pub fn terminal_id(&self, terminal: Slot) -> &str {
        self.terminals.name(terminal)
    }

    /// The number of a terminal, if it has one.
    pub fn known_terminal(&self, terminal_id: &str) -> Option<Slot> {
        self.terminals.known_number(terminal_id)
    }

    /// The version of a terminal's registration, as it is now; none if it has none.
    pub fn terminal_version(&self, terminal: Slot) -> Option<i64> {
        Some(self.terminals.get(terminal)?.at(AsOf::Now)?.version)
    }

    /// The number of a zone, known or not. It stays, whatever batch comes.
    pub fn zone(&mut self, zone_id: &str) -> ZoneNumber {
        let slot = self.zones.number(zone_id);
        self.shared_missing |= self.zones.get(slot).is_none();
        ZoneNumber(slot.0)
    }

    /// A zone's name.
    pub fn zone_id(&self, zone: ZoneNumber) -> &str {
        self.zones.name(Slot(zone.0))
    }

    /// How many cards have a number: all [`Slot::index`] are below it.
    pub fn cards_numbered(&self) -> usize {
        self.cards.len()
    }

    /// Whether any zone has, or had, rules that look at what a card did before.
    pub fn tracks_cards(&self) -> bool {
        self.tracking
    }

    /// Loads what the cache lacks of `cards` and `terminals`, and what they name. Asks Postgres
    /// nothing if it has all, has looked at the clock a moment ago, and `freshness` allows it.
    ///
    /// # Errors
    /// Postgres' own, and [`Error::Unreadable`] for a row this program does not understand.
    pub async fn prepare(
        &mut self,
        client: &impl GenericClient,
        cards: impl Iterator<Item = Slot> + Clone,
        terminals: impl Iterator<Item = Slot> + Clone,
        freshness: Freshness,
    ) -> Result<(), Error> {
        let complete = self.clock.is_some()
            && !self.shared_missing
            && cards.clone().all(|slot| self.cards.get(slot).is_some())
            && terminals.clone().all(|slot| self.terminals.get(slot).is_some());
        let looked = self.read_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN_AFTER);
        if complete && looked && freshness == Freshness::Optimistic {
            return Ok(());
        }
        self.read_clock(client).await?;
        self.load_cards(client, cards).await?;
        self.load_terminals(client, terminals).await?;
        // What the two have named last.
        self.load_zones(client).await?;
        self.load_schedules(client).await?;
        self.shared_missing = false;
        Ok(())
    }

    /// What counts for a card at a terminal; `None` if the terminal is not registered, or was not
    /// then.
    pub fn resolve(&self, card: Slot, terminal: Slot, as_of: AsOf) -> Option<Resolved<'_>> {
        let terminal = self.terminals.get(terminal)?.at(as_of)?;
        let zone = Slot(terminal.zone.0);
        let credential = self.cards.get(card).and_then(|spans| spans.at(as_of));
        let named = credential.and_then(|credential| credential.schedule);
        let schedule = named.and_then(|schedule| self.schedule(schedule, as_of));
        Some(Resolved {
            zone: terminal.zone,
            zone_id: self.zones.name(zone),
            rules: self.zones.get(zone).and_then(|spans| spans.at(as_of)).unwrap_or(&NO_RULES),
            direction: terminal.direction,
            credential,
            schedule,
        })
    }

    /// Looks where a card's name would be, so that it is at hand a moment later; what it returns says
    /// nothing.
    pub fn look_at_card_id(&self, card_id: &str) -> usize {
        self.cards.look_at(card_id)
    }

    /// Looks at what is known of a card, so that it is at hand a moment later; what it returns says
    /// nothing.
    pub fn look_at_card(&self, card: Slot) -> usize {
        let Some(Credential { state, zones, .. }) =
            self.cards.get(card).and_then(|spans| spans.at(AsOf::Now))
        else {
            return 0;
        };
        *state as usize ^ usize::from(zones.contains(ZoneNumber(0)))
    }

    /// Forgets what was loaded: after an error nobody knows how much of it was. Numbers stay.
    pub fn forget(&mut self) {
        self.clock = None;
        self.cards.forget(None);
        self.terminals.forget(None);
        self.zones.forget(None);
        self.schedules.forget(None);
        self.shared_missing = true;
    }

    fn schedule(&self, schedule: ScheduleNumber, as_of: AsOf) -> Option<&Schedule> {
        self.schedules.get(Slot(schedule.0))?.at(as_of)?.as_deref()
    }
}

impl Slot {
    /// The number, for arrays that run beside the cache.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
