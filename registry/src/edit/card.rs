use access::CardState;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use versioned::Versioned;

use super::{Entry, Word};
use crate::Timestamptz;

/// A credential: whether and how long it may be used. Bounds are in whole ms, rounded as
/// [`Timestamptz`] does; an edit writes them so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Versioned)]
#[versioned(table = "card")]
pub struct Card {
    /// The key.
    #[version(key)]
    pub card_id: String,
    /// Whether it may be used at all.
    pub state: Word<CardState>,
    /// Not before this moment.
    pub valid_from: Option<Timestamptz>,
    /// Not from this moment on.
    pub valid_until: Option<Timestamptz>,
    /// Starts at 1, plus 1 at each change.
    #[version(auto)]
    pub version: i64,
}

impl Card {
    /// A card that may be used, from now on and without end; not written yet.
    pub fn new(card_id: &str) -> Self {
        Self {
            card_id: card_id.to_owned(),
            state: Word(CardState::Enabled),
            valid_from: None,
            valid_until: None,
            version: 0,
        }
    }
}

impl Entry for Card {
    const FIND: &'static str = "SELECT * FROM card WHERE card_id = $1";
    const INSERT: &'static str = include_str!("sql/insert_card.sql");

    fn columns(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.card_id, &self.state, &self.valid_from, &self.valid_until]
    }

    fn id(&self) -> &str {
        &self.card_id
    }

    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            card_id: row.try_get("card_id")?,
            state: row.try_get("state")?,
            valid_from: row.try_get("valid_from")?,
            valid_until: row.try_get("valid_until")?,
            version: row.try_get("version")?,
        })
    }

    fn expect_version(&mut self, version: i64) {
        self.version = version;
    }
}
