use std::collections::HashMap;
use std::num::NonZeroUsize;

use access::{CardState, Credential, ZoneNumber};
use foldhash::fast::RandomState;
use schemas::Millis;
use smallvec::SmallVec;
use tokio_postgres::GenericClient;

use crate::{Error, Timestamptz};

/// What a writer knows of cards and terminals, as of one permission clock.
///
/// Names are numbered once an event; everything after that is an index. The clock is read first and
/// the rows second: rows may be newer than the clock that the cache claims, never older, and then
/// the seal of the batch finds that the clock has moved.
#[derive(Debug)]
pub struct Cache {
    clock: Option<i64>,
    /// Mostly one version a card: it lies beside the name.
    cards: Numbered<SmallVec<[CardVersion; 1]>>,
    terminals: Numbered<Option<ZoneNumber>>,
    /// Whatever zones cards and terminals name.
    zones: Numbered<()>,
    cards_max: usize,
}

/// Number of a card or terminal, until the next [`Cache::begin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(u32);

/// How well a cache must know the clock before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As it was at the last load: the seal will tell whether that still holds.
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

#[derive(Debug)]
struct CardVersion {
    since: Millis,
    until: Millis,
    credential: Credential,
}

/// Terminals are few (thousands); beyond this many names, most of them unknown, start over.
const TERMINALS_MAX: usize = 100_000;

impl Cache {
    /// An empty cache that remembers at most `cards_max` cards, and their history, from one batch
    /// to the next.
    pub fn new(cards_max: NonZeroUsize) -> Self {
        Self {
            clock: None,
            cards: Numbered::default(),
            terminals: Numbered::default(),
            zones: Numbered::default(),
            cards_max: cards_max.get(),
        }
    }

    /// Makes room for a batch of `events`; numbers given before are void.
    pub fn begin(&mut self, events: usize) {
        if self.cards.len() + events > self.cards_max || self.terminals.len() > TERMINALS_MAX {
            self.cards = Numbered::default();
            self.terminals = Numbered::default();
            self.zones = Numbered::default();
        }
    }

    /// The permission clock that the contents stand for. Before the first load there is none.
    pub fn clock(&self) -> Option<i64> {
        self.clock
    }

    /// The number of a card, known or not.
    pub fn card(&mut self, card_id: &str) -> Slot {
        self.cards.number(card_id)
    }

    /// The number of a terminal, known or not.
    pub fn terminal(&mut self, terminal_id: &str) -> Slot {
        self.terminals.number(terminal_id)
    }

    /// The number of a terminal, if it has one.
    pub fn known_terminal(&self, terminal_id: &str) -> Option<Slot> {
        self.terminals.numbers.get(terminal_id).copied().map(Slot)
    }

    /// How many cards have a number: all [`Slot::index`] are below it.
    pub fn cards_numbered(&self) -> usize {
        self.cards.len()
    }

    /// Loads what the cache lacks of `cards` and `terminals`. Asks Postgres nothing if it has all
    /// and `freshness` allows it.
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
            && cards.clone().all(|slot| self.cards.get(slot).is_some())
            && terminals.clone().all(|slot| self.terminals.get(slot).is_some());
        if complete && freshness == Freshness::Optimistic {
            return Ok(());
        }
        let clock: i64 =
            client.query_one("SELECT version FROM permission_clock", &[]).await?.get(0);
        if self.clock != Some(clock) {
            self.forget();
            self.clock = Some(clock);
        }
        self.load_cards(client, cards).await?;
        self.load_terminals(client, terminals).await
    }

    /// What a card was allowed then; `None` if nobody had registered it.
    pub fn credential(&self, card: Slot, as_of: AsOf) -> Option<&Credential> {
        let versions = self.cards.get(card)?;
        let found = match as_of {
            AsOf::Now => versions.last().filter(|version| version.until.unix_ms() == i64::MAX),
            AsOf::Moment(at) => {
                versions.iter().rev().find(|version| version.since <= at && at < version.until)
            }
        };
        found.map(|version| &version.credential)
    }

    /// The zone that a terminal guards, if it is registered, and its name.
    pub fn zone_of(&self, terminal: Slot) -> Option<(ZoneNumber, &str)> {
        let zone = (*self.terminals.get(terminal)?)?;
        Some((zone, self.zones.name(Slot(zone.0))))
    }

    /// Forgets what was loaded: after an error nobody knows how much of it was. Numbers stay.
    pub fn forget(&mut self) {
        self.clock = None;
        self.cards.forget();
        self.terminals.forget();
    }

    async fn load_cards(
        &mut self,
        client: &impl GenericClient,
        cards: impl Iterator<Item = Slot>,
    ) -> Result<(), Error> {
        let missing = self.cards.missing(cards);
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = missing.iter().map(|slot| self.cards.name(*slot)).collect();
        let rows = client.query(include_str!("sql/load_cards.sql"), &[&names]).await?;
        // That a card is unknown is knowledge too.
        missing.iter().for_each(|slot| self.cards.put(*slot, SmallVec::new()));
        for row in rows {
            let state: &str = row.get("state");
            let zones: Vec<&str> = row.get("zones");
            let moment = |column| row.get::<_, Option<Timestamptz>>(column).map(|t| t.0);
            let version = CardVersion {
                since: row.get::<_, Timestamptz>("since").0,
                until: row.get::<_, Timestamptz>("until").0,
                credential: Credential {
                    state: CardState::parse(state).ok_or(Error::Unreadable("card.state"))?,
                    valid_from: moment("valid_from"),
                    valid_until: moment("valid_until"),
                    zones: zones.into_iter().map(|zone| number_of(&mut self.zones, zone)).collect(),
                },
            };
            let slot = self.cards.number(row.get("card_id"));
            if let Some(versions) = self.cards.get_mut(slot) {
                versions.push(version);
            }
        }
        Ok(())
    }

    async fn load_terminals(
        &mut self,
        client: &impl GenericClient,
        terminals: impl Iterator<Item = Slot>,
    ) -> Result<(), Error> {
        let missing = self.terminals.missing(terminals);
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = missing.iter().map(|slot| self.terminals.name(*slot)).collect();
        let rows = client.query(include_str!("sql/load_terminals.sql"), &[&names]).await?;
        missing.iter().for_each(|slot| self.terminals.put(*slot, None));
        for row in rows {
            let slot = self.terminals.number(row.get("terminal_id"));
            let zone = number_of(&mut self.zones, row.get("zone_id"));
            self.terminals.put(slot, Some(zone));
        }
        Ok(())
    }
}

impl Slot {
    /// The number, for arrays that run beside the cache.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

fn number_of(zones: &mut Numbered<()>, zone_id: &str) -> ZoneNumber {
    ZoneNumber(zones.number(zone_id).0)
}

/// Names with a number each, and what is known of them.
#[derive(Debug)]
struct Numbered<T> {
    numbers: HashMap<Box<str>, u32, RandomState>,
    entries: Vec<(Box<str>, Option<T>)>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), entries: Vec::new() }
    }
}

impl<T> Numbered<T> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn number(&mut self, name: &str) -> Slot {
        if let Some(number) = self.numbers.get(name) {
            return Slot(*number);
        }
        // Bounded by `cards_max` and a batch, far below 2^32.
        let number = self.entries.len() as u32;
        self.numbers.insert(name.into(), number);
        self.entries.push((name.into(), None));
        Slot(number)
    }

    fn name(&self, slot: Slot) -> &str {
        &self.entries[slot.index()].0
    }

    fn get(&self, slot: Slot) -> Option<&T> {
        self.entries.get(slot.index())?.1.as_ref()
    }

    fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.entries.get_mut(slot.index())?.1.as_mut()
    }

    fn put(&mut self, slot: Slot, value: T) {
        self.entries[slot.index()].1 = Some(value);
    }

    fn forget(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.1 = None);
    }

    /// Those of `slots` of which nothing is known, each once.
    fn missing(&self, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
        let mut asked = vec![false; self.entries.len()];
        slots
            .filter(|slot| {
                let new = self.get(*slot).is_none() && !asked[slot.index()];
                asked[slot.index()] |= new;
                new
            })
            .collect()
    }
}
