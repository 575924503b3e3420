//! The probe: what stands already at the keys of a batch?

use std::collections::BTreeMap;

use registry::{Cache, Timestamptz};
use schemas::{Direction, LocalDecision, Mode};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::Transaction;
use super::days::leaf;
use super::rows::key;
use crate::batch::Batch;
use crate::decode::Event;
use crate::error::{Error, PROBING};
use crate::fold::{Payload, Standing, Stood};

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
        self.standing(events.iter().filter(seen), cache).await
    }

    /// What stands at the keys of these events.
    pub(super) async fn standing<'e, 'a: 'e>(
        &mut self,
        events: impl Iterator<Item = &'e Event<'a>>,
        cache: &Cache,
    ) -> Result<Standing, Error> {
        let mut by_day: BTreeMap<i32, Vec<&Event<'_>>> = BTreeMap::new();
        for event in events {
            by_day.entry(event.swipe.occurred_at.unix_day()).or_default().push(event);
        }
        let mut standing = Standing::default();
        let mut taken = Vec::new();
        for (day, mut events) in by_day {
            // In the order of the index: neighbours lie on one page of it, and it stays at hand.
            events.sort_unstable_by_key(|event| event.swipe.occurred_at);
            let statement = self.probe_of(day).await?;
            let at: Vec<_> = events.iter().map(|e| Timestamptz(e.swipe.occurred_at)).collect();
            let cards: Vec<&str> = events.iter().map(|e| &*e.swipe.card_id).collect();
            let rows = self.inner.query(&statement, &[&at, &cards]).await;
            let rows = rows.map_err(Error::postgres(PROBING))?;
            standing.rows.reserve(rows.len());
            for row in rows {
                if let Some(event) = asked(&events, row.get(0)) {
                    let event_id: Uuid = row.get(1);
                    standing.rows.insert(key(event), (event_id, stood(&row, 2, cache)));
                    // Whoever has the row has no collision.
                    if event_id != event.swipe.event_id {
                        taken.push(event);
                    }
                }
            }
        }
        if !taken.is_empty() {
            self.probe_collisions(&taken, cache, &mut standing).await?;
        }
        Ok(standing)
    }

    async fn probe_of(&mut self, day: i32) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.probes.known(day) {
            return Ok(statement);
        }
        let leaf = leaf(day)?;
        let sql = format!(
            "SELECT k.number, a.event_id, a.log_offset, {PAYLOAD} \
             FROM unnest($1::timestamptz[], $2::text[]) WITH ORDINALITY \
             AS k (occurred_at, card_id, number) CROSS JOIN LATERAL (\
                 SELECT * FROM {leaf} WHERE occurred_at = k.occurred_at AND card_id = k.card_id \
                 OFFSET 0\
             ) AS a"
        );
        let types = [Type::TIMESTAMPTZ_ARRAY, Type::TEXT_ARRAY];
        self.statements.probes.prepare(&self.inner, day, &sql, &types, PROBING).await
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
                standing.collisions.insert((key(event), event.swipe.event_id), stood);
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
