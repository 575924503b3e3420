use access::{Enforcement, ZoneMode};
use serde::Serialize;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};
use versioned::Versioned;

use super::{Entry, Word};

/// An area that terminals guard, and what holds in it for every card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Versioned)]
#[versioned(table = "zone")]
pub struct Zone {
    /// The key.
    #[version(key)]
    pub zone_id: String,
    /// For people.
    pub name: String,
    /// Whether permissions count at all.
    pub mode: Word<ZoneMode>,
    /// What becomes of a card that is where it cannot be.
    pub antipassback: Word<Enforcement>,
    /// Whether a card that is inside may not enter, nor one that is outside leave.
    pub antipassback_two_way: bool,
    /// Whether, and within which time in ms, a card may not enter twice.
    pub antipassback_timed_ms: Option<i32>,
    /// So many denials lock a card out; this and the next two are there together or not at all.
    pub lockout_denials: Option<i32>,
    /// The time in ms that they are counted in.
    pub lockout_within_ms: Option<i32>,
    /// The time in ms that the card is locked out for.
    pub lockout_for_ms: Option<i32>,
    /// Starts at 1, plus 1 at each change.
    #[version(auto)]
    pub version: i64,
}

impl Zone {
    /// A zone without rules of its own; not written yet.
    pub fn new(zone_id: &str, name: &str) -> Self {
        Self {
            zone_id: zone_id.to_owned(),
            name: name.to_owned(),
            mode: Word(ZoneMode::Normal),
            antipassback: Word(Enforcement::Off),
            antipassback_two_way: true,
            antipassback_timed_ms: None,
            lockout_denials: None,
            lockout_within_ms: None,
            lockout_for_ms: None,
            version: 0,
        }
    }

    /// All zones, in the order of their ids.
    ///
    /// # Errors
    /// Postgres' own, or a row that this program does not understand.
    pub async fn all(client: &impl GenericClient) -> Result<Vec<Self>, tokio_postgres::Error> {
        let rows = client.query("SELECT * FROM zone ORDER BY zone_id", &[]).await?;
        rows.iter().map(Self::read).collect()
    }

    /// All zones, held until the transaction ends, so that an edit of them all meets no conflict: a
    /// lockdown must not lose against somebody who renames a room.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub async fn hold_all(client: &impl GenericClient) -> Result<Vec<Self>, tokio_postgres::Error> {
        let rows = client.query(include_str!("sql/hold_zones.sql"), &[]).await?;
        rows.iter().map(Self::read).collect()
    }
}

impl Entry for Zone {
    const FIND: &'static str = "SELECT * FROM zone WHERE zone_id = $1";
    const INSERT: &'static str = include_str!("sql/insert_zone.sql");

    fn columns(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![
            &self.zone_id,
            &self.name,
            &self.mode,
            &self.antipassback,
            &self.antipassback_two_way,
            &self.antipassback_timed_ms,
            &self.lockout_denials,
            &self.lockout_within_ms,
            &self.lockout_for_ms,
        ]
    }

    fn id(&self) -> &str {
        &self.zone_id
    }

    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            zone_id: row.try_get("zone_id")?,
            name: row.try_get("name")?,
            mode: row.try_get("mode")?,
            antipassback: row.try_get("antipassback")?,
            antipassback_two_way: row.try_get("antipassback_two_way")?,
            antipassback_timed_ms: row.try_get("antipassback_timed_ms")?,
            lockout_denials: row.try_get("lockout_denials")?,
            lockout_within_ms: row.try_get("lockout_within_ms")?,
            lockout_for_ms: row.try_get("lockout_for_ms")?,
            version: row.try_get("version")?,
        })
    }

    fn expect_version(&mut self, version: i64) {
        self.version = version;
    }
}
