use serde::Serialize;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};
use versioned::Versioned;

use super::{Ending, Entry, Word, Words};

/// The reader at one access point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Versioned)]
#[versioned(table = "terminal")]
pub struct Terminal {
    /// The key.
    #[version(key)]
    pub terminal_id: String,
    /// The zone it guards.
    pub zone_id: String,
    /// Which way its door leads.
    pub direction: Word<Passage>,
    /// Starts at 1, plus 1 at each change.
    #[version(auto)]
    pub version: i64,
}

/// Which way a terminal's door leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Into its zone.
    In,
    /// Out of it.
    Out,
    /// Both ways: each swipe says which.
    Both,
}

impl Passage {
    /// All, with the words that stand in the table.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::In, "in"), (Self::Out, "out"), (Self::Both, "both")];
}

impl Words for Passage {
    fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == word).map(|(passage, _)| passage)
    }
}

impl Terminal {
    /// All terminals, by zone.
    ///
    /// # Errors
    /// Postgres' own, or a row that this program does not understand.
    pub async fn all(client: &impl GenericClient) -> Result<Vec<Self>, tokio_postgres::Error> {
        let rows =
            client.query("SELECT * FROM terminal ORDER BY zone_id, terminal_id", &[]).await?;
        rows.iter().map(Self::read).collect()
    }
}

impl Entry for Terminal {
    const FIND: &'static str = "SELECT * FROM terminal WHERE terminal_id = $1";
    const INSERT: &'static str = include_str!("sql/insert_terminal.sql");

    fn columns(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.terminal_id, &self.zone_id, &self.direction]
    }

    fn id(&self) -> &str {
        &self.terminal_id
    }

    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            terminal_id: row.try_get("terminal_id")?,
            zone_id: row.try_get("zone_id")?,
            direction: row.try_get("direction")?,
            version: row.try_get("version")?,
        })
    }

    fn expect_version(&mut self, version: i64) {
        self.version = version;
    }
}

impl Ending for Terminal {
    const DELETE: &'static str = "DELETE FROM terminal WHERE terminal_id = $1 AND version = $2";
}
