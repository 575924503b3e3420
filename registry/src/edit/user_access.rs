use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use versioned::Versioned;

use super::Entry;

/// Where a card may go, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Versioned)]
#[versioned(table = "user_access")]
pub struct UserAccess {
    /// The key: the card's.
    #[version(key)]
    pub card_id: String,
    /// Zones it may enter; [`Self::add`] and [`Self::remove`] keep them in order, each once.
    pub zones: Vec<String>,
    /// When it may; at any time where there is none.
    pub schedule_id: Option<String>,
    /// Starts at 1, plus 1 at each change.
    #[version(auto)]
    pub version: i64,
}

impl UserAccess {
    /// Nothing is allowed yet; not written yet.
    pub fn new(card_id: &str) -> Self {
        Self { card_id: card_id.to_owned(), zones: Vec::new(), schedule_id: None, version: 0 }
    }

    /// Allows these zones too.
    pub fn add(&mut self, zones: &[String]) {
        self.zones.extend_from_slice(zones);
        self.zones.sort_unstable();
        self.zones.dedup();
    }

    /// Allows these zones no more.
    pub fn remove(&mut self, zones: &[String]) {
        self.zones.retain(|zone| !zones.contains(zone));
    }
}

impl Entry for UserAccess {
    const FIND: &'static str = "SELECT * FROM user_access WHERE card_id = $1";
    const INSERT: &'static str = include_str!("sql/insert_user_access.sql");

    fn columns(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.card_id, &self.zones, &self.schedule_id]
    }

    fn id(&self) -> &str {
        &self.card_id
    }

    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            card_id: row.try_get("card_id")?,
            zones: row.try_get("zones")?,
            schedule_id: row.try_get("schedule_id")?,
            version: row.try_get("version")?,
        })
    }

    fn expect_version(&mut self, version: i64) {
        self.version = version;
    }
}
