//! The probe: what stands already at the keys of a batch?

use std::collections::BTreeMap;

use registry::{Cache, Timestamptz};
use schemas::{Direction, LocalDecision, Mode};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};
use tracing::info;
use uuid::Uuid;

use super::Transaction;
use super::days::leaf;
use super::transaction::Statements;
use crate::batch::Batch;
use crate::decode::Event;
use crate::error::{Error, PROBING};
use crate::fold::{Payload, Standing, Stood};

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
            let part = batch.part(event.claim().partition);
            everything || part.is_none_or(|p| event.swipe.occurred_at <= p.before.occurred_at_max)
        };
        let probe = if everything { Probe::Keys } else { Probe::Moments };
        self.standing(events.iter().filter(seen), cache, probe).await
    }

    /// What stands at the keys of these events.
    pub(super) async fn standing<'e, 'a: 'e>(
        &mut self,
        events: impl Iterator<Item = &'e Event<'a>>,
        cache: &Cache,
        probe: Probe,
    ) -> Result<Standing, Error> {
        let mut by_day: BTreeMap<i32, Vec<&Event<'_>>> = BTreeMap::new();
        for event in events {
            by_day.entry(event.swipe.occurred_at.unix_day()).or_default().push(event);
        }
        let mut standing = Standing::default();
        let mut taken = Vec::new();
        for (day, events) in by_day {
            let rows = self.rows_of_a_day(day, &events, probe).await?;
            standing.rows.reserve(rows.len());
            for row in &rows {
                // A card that has no number here is not asked about.
                if let Some(card) = cache.known_card(row.get(1)) {
                    let Timestamptz(at) = row.get(0);
                    standing.rows.insert((at, card), (row.get(2), stood(row, 3, cache)));
                }
            }
            // Whoever has the row has no collision.
            let other = |event: &&Event<'_>| {
                standing.rows.get(&event.key()).is_some_and(|(id, _)| *id != event.swipe.event_id)
            };
            taken.extend(events.into_iter().filter(other));
        }
        if !taken.is_empty() {
            self.probe_collisions(&taken, cache, &mut standing).await?;
        }
        Ok(standing)
    }

    /// The rows of a day at the keys of these events, and few others.
    async fn rows_of_a_day(
        &mut self,
        day: i32,
        events: &[&Event<'_>],
        probe: Probe,
    ) -> Result<Vec<Row>, Error> {
        let by_moments = probe == Probe::Moments && events.len() >= MOMENTS_MIN;
        if by_moments && !self.was_crowded(day) {
            let mut at: Vec<_> = events.iter().map(|event| event.swipe.occurred_at).collect();
            at.sort_unstable();
            at.dedup();
            let at: Vec<_> = at.into_iter().map(Timestamptz).collect();
            let most = (events.len() * CROWD) as i64;
            let statement = self.probe_of(day, Probe::Moments).await?;
            let rows = self.inner.query(&statement, &[&at, &most]).await;
            let rows = rows.map_err(Error::postgres(PROBING))?;
            if (rows.len() as i64) < most {
                return Ok(rows);
            }
            info!(day = leaf(day)?, "many rows in few moments: looking for them by their keys");
            let crowded = &mut self.statements.crowded;
            if crowded.len() >= CROWDED_DAYS_MAX {
                crowded.clear();
            }
            crowded.insert(day, CROWDED_FOR);
        }
        // In the order of the index: neighbours lie on one page of it, and it stays at hand.
        let mut events: Vec<_> = events.to_vec();
        events.sort_unstable_by_key(|event| event.swipe.occurred_at);
        let statement = self.probe_of(day, Probe::Keys).await?;
        let at: Vec<_> = events.iter().map(|e| Timestamptz(e.swipe.occurred_at)).collect();
        let cards: Vec<&str> = events.iter().map(|e| &*e.swipe.card_id).collect();
        let rows = self.inner.query(&statement, &[&at, &cards]).await;
        rows.map_err(Error::postgres(PROBING))
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
        taken: &[&Event<'_>],
        cache: &Cache,
        standing: &mut Standing,
    ) -> Result<(), Error> {
        let doing = "probing collision";
        let sql = include_str!("../sql/probe_collisions.sql");
        let at: Vec<_> = taken.iter().map(|event| Timestamptz(event.swipe.occurred_at)).collect();
        let cards: Vec<&str> = taken.iter().map(|event| &*event.swipe.card_id).collect();
        let ids: Vec<Uuid> = taken.iter().map(|event| event.swipe.event_id).collect();
        let rows =
            self.inner.query(sql, &[&at, &cards, &ids]).await.map_err(Error::postgres(doing))?;
        for row in &rows {
            if let Some(event) = asked(taken, row.get(0)) {
                let stood = stood(row, 1, cache);
                standing.collisions.insert((event.key(), event.swipe.event_id), stood);
            }
        }
        Ok(())
    }
}

/// What a probe found at a key: from column `at` on, its offset and [`PAYLOAD`]. By number: names
/// would be looked up for each of a million rows.
fn stood(row: &Row, at: usize, cache: &Cache) -> Stood {
    let counter = (row.get::<_, Option<i32>>(at + 2))
        .zip(row.get::<_, Option<i64>>(at + 3))
        .map(|(epoch, seq)| (epoch.unsigned_abs(), seq.unsigned_abs()));
    let payload = Payload {
        terminal: cache.known_terminal(row.get(at + 1)),
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

/// The event that a probe's row is about, by its number from 1.
fn asked<'e, 'a>(events: &[&'e Event<'a>], number: i64) -> Option<&'e Event<'a>> {
    events.get(usize::try_from(number - 1).ok()?).copied()
}
