//! Into the cache: the clock first, the rows second.

use std::time::Instant;

use access::{
    Antipassback, CardState, Credential, Enforcement, Lockout, Schedule, ScheduleDefinition,
    ScheduleNumber, ZoneMode, ZoneRules,
};
use schemas::{Direction, Millis};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_postgres::{GenericClient, Row};

use super::spans::Spans;
use super::{Cache, Clock, Slot, Terminal};
use crate::{Error, Timestamptz};

/// Changes that are looked at one by one; beyond them it is cheaper to load all anew.
const CHANGES_MAX: i64 = 10_000;

/// A zone's row, as its history keeps it.
#[derive(Debug, Deserialize)]
struct ZoneRow {
    mode: String,
    antipassback: String,
    antipassback_two_way: bool,
    antipassback_timed_ms: Option<u32>,
    lockout_denials: Option<u32>,
    lockout_within_ms: Option<u32>,
    lockout_for_ms: Option<u32>,
}

/// A terminal's.
#[derive(Debug, Deserialize)]
struct TerminalRow {
    zone_id: String,
    direction: String,
    /// Absent in what was written before there were versions.
    #[serde(default)]
    version: i64,
}

/// A schedule's.
#[derive(Debug, Deserialize)]
struct ScheduleRow {
    definition: serde_json::Value,
}

impl Cache {
    /// Reads the clock, and forgets what has changed since the one that the contents stand for.
    pub(super) async fn read_clock(&mut self, client: &impl GenericClient) -> Result<(), Error> {
        self.read_at = Some(Instant::now());
        let sql = "SELECT version, changed_at FROM permission_clock";
        let row = client.query_one(sql, &[]).await?;
        let clock = Clock { version: row.get(0), changed_at: row.get::<_, Timestamptz>(1).0 };
        match self.clock.map(|before| before.version) {
            Some(before) if before == clock.version => {}
            Some(before) if before < clock.version => {
                self.forget_changes(client, before, clock.version).await?;
            }
            // Never read, or a clock that went back: another database.
            _ => self.forget(),
        }
        self.clock = Some(clock);
        Ok(())
    }

    async fn forget_changes(
        &mut self,
        client: &impl GenericClient,
        after: i64,
        to: i64,
    ) -> Result<(), Error> {
        let sql = include_str!("../sql/changes.sql");
        let rows = client.query(sql, &[&after, &to, &(CHANGES_MAX + 1)]).await?;
        // Each tick has its changes, unless they were given up with the days they were of.
        let mut ticks: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        ticks.dedup();
        if rows.len() as i64 > CHANGES_MAX || ticks.len() as i64 != to - after {
            self.forget();
            return Ok(());
        }
        for row in &rows {
            let keys: Option<Vec<&str>> = row.get(2);
            let keys = keys.as_deref();
            match row.get(1) {
                "card" | "user_access" => self.cards.forget(keys),
                "terminal" => self.terminals.forget(keys),
                "zone" => self.zones.forget(keys),
                "schedule" => self.schedules.forget(keys),
                _ => self.forget(),
            }
        }
        self.shared_missing = true;
        Ok(())
    }

    pub(super) async fn load_cards(
        &mut self,
        client: &impl GenericClient,
        cards: impl Iterator<Item = Slot>,
    ) -> Result<(), Error> {
        let missing = self.cards.missing(cards);
        if missing.is_empty() {
            return Ok(());
        }
        self.loads.cards += missing.len() as u64;
        let names: Vec<&str> = missing.iter().map(|slot| self.cards.name(*slot)).collect();
        let rows = client.query(include_str!("../sql/load_cards.sql"), &[&names]).await?;
        // That a card is unknown is knowledge too.
        missing.iter().for_each(|slot| self.cards.put(*slot, Spans::default()));
        for row in rows {
            let state: &str = row.get("state");
            let zones: Vec<&str> = row.get("zones");
            let schedule: Option<&str> = row.get("schedule_id");
            let moment = |column| row.get::<_, Option<Timestamptz>>(column).map(|t| t.0);
            let credential = Credential {
                state: CardState::parse(state).ok_or(Error::Unreadable("card.state"))?,
                valid_from: moment("valid_from"),
                valid_until: moment("valid_until"),
                zones: zones.into_iter().map(|zone_id| self.zone(zone_id)).collect(),
                schedule: schedule.map(|id| ScheduleNumber(self.schedules.number(id).0)),
            };
            let (since, until) = span(&row);
            let slot = self.cards.number(row.get("card_id"));
            if let Some(spans) = self.cards.get_mut(slot) {
                spans.push(since, until, credential);
            }
        }
        Ok(())
    }

    pub(super) async fn load_terminals(
        &mut self,
        client: &impl GenericClient,
        terminals: impl Iterator<Item = Slot>,
    ) -> Result<(), Error> {
        let missing = self.terminals.missing(terminals);
        self.loads.terminals += missing.len() as u64;
        let names: Vec<&str> = missing.iter().map(|slot| self.terminals.name(*slot)).collect();
        let rows = shared(client, "terminal", &names).await?;
        missing.iter().for_each(|slot| self.terminals.put(*slot, Spans::default()));
        for row in rows {
            let TerminalRow { zone_id, direction, version } = state(&row, "terminal")?;
            let direction = match direction.as_str() {
                "in" => Some(Direction::In),
                "out" => Some(Direction::Out),
                "both" => None,
                _ => return Err(Error::Unreadable("terminal.direction")),
            };
            let terminal = Terminal { zone: self.zone(&zone_id), direction, version };
            let (since, until) = span(&row);
            let slot = self.terminals.number(row.get("key"));
            if let Some(spans) = self.terminals.get_mut(slot) {
                spans.push(since, until, terminal);
            }
        }
        Ok(())
    }

    pub(super) async fn load_zones(&mut self, client: &impl GenericClient) -> Result<(), Error> {
        let missing = self.zones.all_missing();
        self.loads.zones += missing.len() as u64;
        let names: Vec<&str> = missing.iter().map(|slot| self.zones.name(*slot)).collect();
        let rows = shared(client, "zone", &names).await?;
        missing.iter().for_each(|slot| self.zones.put(*slot, Spans::default()));
        for row in rows {
            let rules = state::<ZoneRow>(&row, "zone")?.rules()?;
            let (since, until) = span(&row);
            let slot = self.zones.number(row.get("key"));
            if let Some(spans) = self.zones.get_mut(slot) {
                spans.push(since, until, rules);
            }
        }
        let mut states = self.zones.values().flat_map(Spans::states);
        self.tracking = states.any(ZoneRules::need_track);
        Ok(())
    }

    pub(super) async fn load_schedules(
        &mut self,
        client: &impl GenericClient,
    ) -> Result<(), Error> {
        let missing = self.schedules.all_missing();
        self.loads.schedules += missing.len() as u64;
        let names: Vec<&str> = missing.iter().map(|slot| self.schedules.name(*slot)).collect();
        let rows = shared(client, "schedule", &names).await?;
        missing.iter().for_each(|slot| self.schedules.put(*slot, Spans::default()));
        for row in rows {
            let ScheduleRow { definition } = state(&row, "schedule")?;
            let (key, (since, until)) = (row.get("key"), span(&row));
            let schedule = read_schedule(key, definition);
            let slot = self.schedules.number(key);
            if let Some(spans) = self.schedules.get_mut(slot) {
                spans.push(since, until, schedule);
            }
        }
        Ok(())
    }
}

impl ZoneRow {
    fn rules(&self) -> Result<ZoneRules, Error> {
        let lockout = self.lockout_denials.zip(self.lockout_within_ms).zip(self.lockout_for_ms);
        let lockout = lockout.map(|((denials, within_ms), for_ms)| {
            Lockout::new(denials, within_ms, for_ms).map_err(|_| Error::Unreadable("zone.lockout"))
        });
        Ok(ZoneRules {
            mode: ZoneMode::parse(&self.mode).ok_or(Error::Unreadable("zone.mode"))?,
            antipassback: Antipassback {
                enforcement: Enforcement::parse(&self.antipassback)
                    .ok_or(Error::Unreadable("zone.antipassback"))?,
                two_way: self.antipassback_two_way,
                timed_ms: self.antipassback_timed_ms,
            },
            lockout: lockout.transpose()?,
        })
    }
}

/// A definition that somebody has typed by hand and that makes no schedule stops no door but those
/// that it was meant for.
fn read_schedule(schedule_id: &str, definition: serde_json::Value) -> Option<Box<Schedule>> {
    let schedule = serde_json::from_value::<ScheduleDefinition>(definition)
        .map_err(|error| error.to_string())
        .and_then(|definition| Schedule::new(&definition).map_err(|error| error.to_string()));
    match schedule {
        Ok(schedule) => Some(Box::new(schedule)),
        Err(error) => {
            tracing::warn!(schedule_id, error, "the schedule cannot be read: it allows nothing");
            None
        }
    }
}

async fn shared(
    client: &impl GenericClient,
    kind: &str,
    names: &[&str],
) -> Result<Vec<Row>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    Ok(client.query(include_str!("../sql/load_shared.sql"), &[&kind, &names]).await?)
}

fn state<T: DeserializeOwned>(row: &Row, kind: &'static str) -> Result<T, Error> {
    serde_json::from_value(row.get("state")).map_err(|_| Error::Unreadable(kind))
}

fn span(row: &Row) -> (Millis, Millis) {
    (row.get::<_, Timestamptz>("since").0, row.get::<_, Timestamptz>("until").0)
}
