use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;

use access::{CardState, Credential};
use lru::LruCache;
use schemas::Millis;
use tokio_postgres::GenericClient;

use crate::{Error, Timestamptz};

/// What the writers know of cards and terminals, as of one permission clock.
///
/// The clock is read first and the rows second: rows may be newer than the clock that the cache
/// claims, never older, and then the seal of the batch finds that the clock has moved.
#[derive(Debug)]
pub struct Cache {
    clock: Option<i64>,
    cards: LruCache<Box<str>, Vec<CardVersion>>,
    terminals: HashMap<Box<str>, Option<Terminal>>,
}

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

/// A terminal, as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The zone it guards.
    pub zone_id: Box<str>,
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
    /// An empty cache that remembers at most `cards_max` cards, and their history.
    pub fn new(cards_max: NonZeroUsize) -> Self {
        Self { clock: None, cards: LruCache::new(cards_max), terminals: HashMap::new() }
    }

    /// The permission clock that the contents stand for. Before the first load there is none.
    pub fn clock(&self) -> Option<i64> {
        self.clock
    }

    /// Loads what the cache lacks of `cards` and `terminals`. Asks Postgres nothing if it has all
    /// and `freshness` allows it.
    ///
    /// # Errors
    /// Postgres' own, and [`Error::Unreadable`] for a row this program does not understand.
    pub async fn prepare(
        &mut self,
        client: &impl GenericClient,
        cards: &HashSet<&str>,
        terminals: &HashSet<&str>,
        freshness: Freshness,
    ) -> Result<(), Error> {
        let complete = self.clock.is_some()
            && cards.iter().all(|id| self.cards.contains(*id))
            && terminals.iter().all(|id| self.terminals.contains_key(*id));
        if complete && freshness == Freshness::Optimistic {
            self.promote(cards);
            return Ok(());
        }
        let clock: i64 =
            client.query_one("SELECT version FROM permission_clock", &[]).await?.get(0);
        if self.clock != Some(clock) || self.terminals.len() > TERMINALS_MAX {
            self.forget();
            self.clock = Some(clock);
        }
        self.load_cards(client, cards).await?;
        self.load_terminals(client, terminals).await
    }

    /// What `card_id` was allowed then; `None` if nobody had registered it.
    pub fn credential(&self, card_id: &str, as_of: AsOf) -> Option<&Credential> {
        let versions = self.cards.peek(card_id)?;
        let found = match as_of {
            AsOf::Now => versions.last().filter(|version| version.until.unix_ms() == i64::MAX),
            AsOf::Moment(at) => {
                versions.iter().rev().find(|version| version.since <= at && at < version.until)
            }
        };
        found.map(|version| &version.credential)
    }

    /// The terminal, if it is registered.
    pub fn terminal(&self, terminal_id: &str) -> Option<&Terminal> {
        self.terminals.get(terminal_id)?.as_ref()
    }

    /// Forgets everything: after an error nobody knows what was loaded.
    pub fn forget(&mut self) {
        self.clock = None;
        self.cards.clear();
        self.terminals.clear();
    }

    /// Keeps what the batch at hand needs from being pushed out by what it loads.
    fn promote(&mut self, cards: &HashSet<&str>) {
        for id in cards {
            self.cards.promote(*id);
        }
    }

    async fn load_cards(
        &mut self,
        client: &impl GenericClient,
        cards: &HashSet<&str>,
    ) -> Result<(), Error> {
        let missing: Vec<&str> =
            cards.iter().copied().filter(|id| !self.cards.contains(*id)).collect();
        self.promote(cards);
        if missing.is_empty() {
            return Ok(());
        }
        let rows = client.query(include_str!("sql/load_cards.sql"), &[&missing]).await?;
        // That a card is unknown is knowledge too.
        for id in missing {
            self.cards.put(id.into(), Vec::new());
        }
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
                    zones: zones.into_iter().map(Into::into).collect(),
                },
            };
            if let Some(versions) = self.cards.peek_mut(row.get::<_, &str>("card_id")) {
                versions.push(version);
            }
        }
        Ok(())
    }

    async fn load_terminals(
        &mut self,
        client: &impl GenericClient,
        terminals: &HashSet<&str>,
    ) -> Result<(), Error> {
        let missing: Vec<&str> =
            terminals.iter().copied().filter(|id| !self.terminals.contains_key(*id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let rows = client.query(include_str!("sql/load_terminals.sql"), &[&missing]).await?;
        for id in missing {
            self.terminals.insert(id.into(), None);
        }
        for row in rows {
            let terminal = Terminal { zone_id: row.get::<_, &str>("zone_id").into() };
            self.terminals.insert(row.get::<_, &str>("terminal_id").into(), Some(terminal));
        }
        Ok(())
    }
}
