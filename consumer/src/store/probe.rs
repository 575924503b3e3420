//! The probe: what stands already at the keys of a batch?

use std::collections::BTreeMap;
use std::pin::pin;

use futures::TryStreamExt;
use registry::{Cache, Slot, Timestamptz};
use schemas::{Direction, LocalDecision, Millis, Mode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};
use tracing::info;
use uuid::Uuid;

use super::Transaction;
use super::days::leaf;
use super::transaction::Statements;
use crate::batch::Batch;
use crate::decode::Event;
use crate::error::{Error, PROBING};
use crate::fold::{Key, Payload, Standing, Stood};

/// Events of a day from which on their rows are looked for by moments: of fewer each is found as
/// fast by its key.
const MOMENTS_MIN: usize = 64;
/// Rows an event, at its moment, from which on too many are of no use.
const CROWD: usize = 4;
/// So many looks at a day go by keys after one that has met a crowd: others will follow.
const CROWDED_FOR: u32 = 100;
/// Of so many days that is remembered; then it starts over.
const CROWDED_DAYS_MAX: usize = 512;

/// How rows are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// All of the events' moments: Postgres walks along the index then, from page to page, where each
    /// key costs a walk from its root (0.9 µs an event, 2.4 by its key; 50,000 of 1 M rows, Postgres
    /// 18). Where clocks know only seconds, or somebody has published a crowd in one moment, there are
    /// any number of others: after a few of them it is by the keys.
    Moments,
    /// Those of the events' own keys.
    Keys,
}

/// What is to be known of an event whose row is asked for: the event itself lies where its record
/// does, and they are gone through in another order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    key: Key,
    /// Its number, by which [`Standing`] names it.
    nth: u32,
    terminal: Slot,
    event_id: Uuid,
}

/// The events of a day whose rows are asked for, in the order of their keys. Rows come in the order of
/// time, if the index is walked along; then the event of each is the one behind the last.
struct InTime<'v> {
    asked: &'v [Asked],
    /// The one that was found last, or where it would be.
    next: usize,
}

/// What must be the same where the identity is.
const PAYLOAD: &str =
    "a.terminal_id, a.terminal_epoch, a.terminal_seq, a.direction, a.online, a.locally_granted";

impl Transaction<'_> {
    /// What stands at the keys of those events that may have come before. One that is later than
    /// all its partition has seen cannot: a key belongs to one partition for ever.
    pub(crate) async fn probe(
        &mut self,
        events: &[Event<'_>],
        batch: &Batch,
        cache: &Cache,
        everything: bool,
    ) -> Result<Standing, Error> {
        let seen = |event: &&Event<'_>| {
            let part = batch.part(event.partition());
            everything || part.is_none_or(|p| event.swipe.occurred_at <= p.before.occurred_at_max)
        };
        let probe = if everything { Probe::Keys } else { Probe::Moments };
        let asked = events.iter().filter(seen).map(|event| Asked::of(event.nth, event));
        self.standing(asked, events.len(), cache, probe).await
    }

    /// What stands at the keys of these events, whose numbers are less than `numbers`.
    pub(super) async fn standing(
        &mut self,
        events: impl Iterator<Item = Asked>,
        numbers: usize,
        cache: &Cache,
        probe: Probe,
    ) -> Result<Standing, Error> {
        let mut by_day: BTreeMap<i32, Vec<Asked>> = BTreeMap::new();
        for asked in events {
            by_day.entry(asked.key.0.unix_day()).or_default().push(asked);
        }
        if by_day.is_empty() {
            return Ok(Standing::default());
        }
        let mut standing = Standing::of(numbers);
        let mut taken = Vec::new();
        for (day, mut asked) in by_day {
            // In the order of the index: neighbours lie on one page of it, and it stays at hand.
            asked.sort_unstable_by_key(|asked| asked.key);
            let mut rows_in_time = InTime { asked: &asked, next: 0 };
            let found = |row: &Row| {
                let Timestamptz(at) = row.get(0);
                let of_key = rows_in_time.of_key(at, row.get(1), cache);
                // A row of another card, at the same moment; or one that was told before.
                let Some(first) = of_key.first().filter(|one| standing.row(one.nth).is_none())
                else {
                    return;
                };
                let id = row.get(2);
                let numbers = of_key.iter().map(|asked| asked.nth);
                standing.insert(numbers, (id, stood(row, 3, first.terminal, cache)));
                // Whoever has the row has no collision.
                taken.extend(of_key.iter().filter(|asked| asked.event_id != id));
            };
            self.rows_of_a_day(day, &asked, cache, probe, found).await?;
        }
        if !taken.is_empty() {
            self.probe_collisions(&taken, cache, &mut standing).await?;
        }
        Ok(standing)
    }

    /// Tells the rows of a day at these keys, and few others; perhaps twice.
    async fn rows_of_a_day(
        &mut self,
        day: i32,
        asked: &[Asked],
        cache: &Cache,
        probe: Probe,
        mut found: impl FnMut(&Row),
    ) -> Result<(), Error> {
        let moments = || asked.iter().map(|asked| Timestamptz(asked.key.0));
        let mut at: Vec<_> = moments().collect();
        let by_moments = probe == Probe::Moments && asked.len() >= MOMENTS_MIN;
        if by_moments && !self.was_crowded(day) {
            at.dedup();
            let most = (asked.len() * CROWD) as i64;
            let statement = self.probe_of(day, Probe::Moments).await?;
            if self.each_row(&statement, [&at, &most], &mut found).await? < most {
                return Ok(());
            }
            at = moments().collect();
            info!(day = leaf(day)?, "many rows in few moments: looking for them by their keys");
            let crowded = &mut self.statements.crowded;
            if crowded.len() >= CROWDED_DAYS_MAX {
                crowded.clear();
            }
            crowded.insert(day, CROWDED_FOR);
        }
        let statement = self.probe_of(day, Probe::Keys).await?;
        let cards: Vec<&str> = asked.iter().map(|asked| cache.card_id(asked.key.1)).collect();
        self.each_row(&statement, [&at, &cards], &mut found).await?;
        Ok(())
    }

    /// Runs a probe, and tells each row as it comes; how many there were.
    async fn each_row(
        &self,
        statement: &Statement,
        parameters: [&(dyn ToSql + Sync); 2],
        found: &mut impl FnMut(&Row),
    ) -> Result<i64, Error> {
        let rows = self.inner.query_raw(statement, parameters).await;
        let (mut rows, mut count) = (pin!(rows.map_err(Error::postgres(PROBING))?), 0);
        while let Some(row) = rows.try_next().await.map_err(Error::postgres(PROBING))? {
            found(&row);
            count += 1;
        }
        Ok(count)
    }

    /// Whether a look at this day has met a crowd lately; this one counts.
    fn was_crowded(&mut self, day: i32) -> bool {
        let Some(left) = self.statements.crowded.get_mut(&day) else { return false };
        *left -= 1;
        if *left == 0 {
            self.statements.crowded.remove(&day);
        }
        true
    }

    async fn probe_of(&mut self, day: i32, probe: Probe) -> Result<Statement, Error> {
        let Statements { probes, probes_by_key, .. } = &mut *self.statements;
        let by_day = match probe {
            Probe::Moments => probes,
            Probe::Keys => probes_by_key,
        };
        if let Some(statement) = by_day.known(day) {
            return Ok(statement);
        }
        let leaf = leaf(day)?;
        let columns = format!("a.occurred_at, a.card_id, a.event_id, a.log_offset, {PAYLOAD}");
        let (sql, types) = match probe {
            Probe::Moments => (
                format!(
                    "SELECT {columns} FROM {leaf} AS a WHERE a.occurred_at = ANY ($1) LIMIT $2"
                ),
                &[Type::TIMESTAMPTZ_ARRAY, Type::INT8][..],
            ),
            Probe::Keys => (
                format!(
                    "SELECT {columns} \
                     FROM unnest($1::timestamptz[], $2::text[]) AS k (occurred_at, card_id) \
                     CROSS JOIN LATERAL (\
                         SELECT * FROM {leaf} \
                         WHERE occurred_at = k.occurred_at AND card_id = k.card_id OFFSET 0\
                     ) AS a"
                ),
                &[Type::TIMESTAMPTZ_ARRAY, Type::TEXT_ARRAY][..],
            ),
        };
        by_day.prepare(&self.inner, day, &sql, types, PROBING).await
    }

    /// Looks for the batch's own events among the collisions, by identity: one key may have any
    /// number of them.
    async fn probe_collisions(
        &self,
        taken: &[Asked],
        cache: &Cache,
        standing: &mut Standing,
    ) -> Result<(), Error> {
        let doing = "probing collision";
        let sql = include_str!("../sql/probe_collisions.sql");
        let at: Vec<_> = taken.iter().map(|asked| Timestamptz(asked.key.0)).collect();
        let cards: Vec<&str> = taken.iter().map(|asked| cache.card_id(asked.key.1)).collect();
        let ids: Vec<Uuid> = taken.iter().map(|asked| asked.event_id).collect();
        let rows =
            self.inner.query(sql, &[&at, &cards, &ids]).await.map_err(Error::postgres(doing))?;
        for row in &rows {
            // By its number from 1.
            let number: i64 = row.get(0);
            let asked = usize::try_from(number - 1).ok().and_then(|nth| taken.get(nth));
            if let Some(Asked { key, event_id, terminal, .. }) = asked {
                let stood = stood(row, 1, *terminal, cache);
                standing.collisions.insert((*key, *event_id), stood);
            }
        }
        Ok(())
    }
}

impl Asked {
    /// Asks for the row of an event by this number.
    pub(super) fn of(nth: u32, event: &Event<'_>) -> Self {
        let (key, event_id) = (event.key(), event.swipe.event_id);
        Self { key, nth, terminal: event.terminal, event_id }
    }
}

impl<'v> InTime<'v> {
    /// The events of a card at a moment, of which there is a row.
    fn of_key(&mut self, at: Millis, card_id: &str, cache: &Cache) -> &'v [Asked] {
        let asked = self.asked;
        let begins = |from: usize| asked.get(from).is_some_and(|asked| asked.key.0 == at);
        if !begins(self.next) {
            self.next += usize::from(begins(self.next + 1));
        }
        if !begins(self.next) {
            self.next = asked.partition_point(|asked| asked.key.0 < at);
        }
        // Mostly there is one at that moment, whose name is at hand.
        if begins(self.next + 1) {
            let Some(card) = cache.known_card(card_id) else { return &[] };
            let from = asked.partition_point(|asked| asked.key < (at, card));
            let events = &asked[from..];
            return &events[..events.partition_point(|asked| asked.key == (at, card))];
        }
        match asked.get(self.next..=self.next) {
            Some(one) if begins(self.next) && cache.card_id(one[0].key.1) == card_id => one,
            _ => &[],
        }
    }
}

/// What a probe found at the key of an event: from column `at` on, its offset and [`PAYLOAD`]. By
/// number: names would be looked up for each of a million rows.
fn stood(row: &Row, at: usize, terminal: Slot, cache: &Cache) -> Stood {
    let terminal_id: &str = row.get(at + 1);
    let its_own = cache.terminal_id(terminal) == terminal_id;
    let counter = (row.get::<_, Option<i32>>(at + 2))
        .zip(row.get::<_, Option<i64>>(at + 3))
        .map(|(epoch, seq)| (epoch.unsigned_abs(), seq.unsigned_abs()));
    let payload = Payload {
        terminal: if its_own { Some(terminal) } else { cache.known_terminal(terminal_id) },
        counter,
        direction: row
            .get::<_, Option<&str>>(at + 4)
            .map(|w| if w == "in" { Direction::In } else { Direction::Out }),
        mode: if row.get(at + 5) { Mode::Online } else { Mode::Offline },
        local_decision: row.get::<_, Option<bool>>(at + 6).map(|granted| match granted {
            true => LocalDecision::Granted,
            false => LocalDecision::Denied,
        }),
    };
    Stood { offset: row.get(at), payload }
}
