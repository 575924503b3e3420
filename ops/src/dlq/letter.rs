//! A letter, all of it: what `show`, `export` and `import` are about. It holds the card.

use registry::Timestamptz;
use schemas::{Millis, Swipe};
use serde::{Deserialize, Serialize};
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

use super::blob::Blob;
use crate::Error;

/// A row of `dead_letter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Letter {
    pub(super) dead_letter_id: Uuid,
    pub(super) log_partition: i32,
    pub(super) log_offset: i64,
    pub(super) stage: String,
    #[serde(rename = "cause")]
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) sqlstate: Option<String>,
    pub(super) tries: i32,
    pub(super) state: String,
    pub(super) version: i64,
    pub(super) created_at: Millis,
    pub(super) published_at: Option<Millis>,
    pub(super) settled_at: Option<Millis>,
    pub(super) lease_until: Option<Millis>,
    pub(super) merged_into: Option<Uuid>,
    #[serde(rename = "failed_again")]
    pub(super) replay_count: i32,
    pub(super) compensations: i32,
    pub(super) compensate_at: Option<Millis>,
    /// None where its value could not be read.
    pub(super) says: Option<Says>,
    pub(super) original: Record,
    /// What an operator made of it.
    pub(super) amended: Option<Record>,
}

/// What its value says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Says {
    pub(super) event_id: Uuid,
    pub(super) card_id: String,
    pub(super) terminal_id: String,
    pub(super) occurred_at: Millis,
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) key: Option<Blob>,
    pub(super) value: Option<Blob>,
    pub(super) headers: Vec<Header>,
}

/// One of its headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) name: Blob,
    pub(super) value: Option<Blob>,
}

impl Letter {
    /// From a row with all columns.
    pub(super) fn of(row: &Row) -> Self {
        let moment = |column| row.get::<_, Option<Timestamptz>>(column).map(|at| at.0);
        let amended: Option<Vec<u8>> = row.get("amended_value");
        Self {
            dead_letter_id: row.get("dead_letter_id"),
            log_partition: row.get("log_partition"),
            log_offset: row.get("log_offset"),
            stage: row.get("stage"),
            reason: row.get("reason"),
            message: row.get("message"),
            sqlstate: row.get("sqlstate"),
            tries: row.get("tries"),
            state: row.get("state"),
            version: row.get("version"),
            created_at: row.get::<_, Timestamptz>("created_at").0,
            published_at: moment("published_at"),
            settled_at: moment("settled_at"),
            lease_until: moment("lease_until"),
            merged_into: row.get("merged_into"),
            replay_count: row.get("replay_count"),
            compensations: row.get("compensations"),
            compensate_at: moment("compensate_at"),
            says: Says::from_columns(row),
            original: Record {
                key: blob(row, "key"),
                value: blob(row, "value"),
                headers: headers(row, "header_names", "header_values"),
            },
            amended: amended.map(|value| Record {
                key: blob(row, "amended_key"),
                value: Some(Blob(value)),
                headers: headers(row, "amended_header_names", "amended_header_values"),
            }),
        }
    }

    /// The letter with this id.
    ///
    /// # Errors
    /// Postgres' own; it is gone.
    pub(super) async fn load(client: &impl GenericClient, id: Uuid) -> Result<Self, Error> {
        let sql = "SELECT * FROM dead_letter WHERE dead_letter_id = $1";
        let row = client.query_opt(sql, &[&id]).await?;
        let gone = || Error::Usage(format!("dead letter {id} is gone"));
        row.as_ref().map(Self::of).ok_or_else(gone)
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.original.bytes() + self.amended.as_ref().map_or(0, Record::bytes)
    }

    /// What a replay of it sends, headers of replays aside.
    pub(super) fn sent(&self) -> &Record {
        self.amended.as_ref().unwrap_or(&self.original)
    }
}

impl Says {
    /// What the columns of a row say.
    pub(super) fn from_columns(row: &Row) -> Option<Self> {
        row.get::<_, Option<Uuid>>("event_id").map(|event_id| Self {
            event_id,
            card_id: row.get("card_id"),
            terminal_id: row.get("terminal_id"),
            occurred_at: row.get::<_, Timestamptz>("occurred_at").0,
        })
    }

    /// Whether its identity is a row or a collision.
    ///
    /// # Errors
    /// Postgres' own.
    pub(super) async fn is_applied(&self, client: &impl GenericClient) -> Result<bool, Error> {
        let at = Timestamptz(self.occurred_at);
        let sql = include_str!("sql/is_applied.sql");
        Ok(client.query_one(sql, &[&at, &self.card_id, &self.event_id]).await?.get(0))
    }

    /// What a value says, where it can be read.
    pub(super) fn of(value: Option<&[u8]>) -> Option<Self> {
        let swipe = Swipe::decode(value?).ok()?;
        Some(Self {
            event_id: swipe.event_id,
            card_id: swipe.card_id.into_owned(),
            terminal_id: swipe.terminal_id.into_owned(),
            occurred_at: swipe.occurred_at,
        })
    }
}

impl Record {
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.value.as_ref().map(|blob| blob.0.as_slice())
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        self.key.as_ref().map(|blob| blob.0.as_slice())
    }

    fn bytes(&self) -> usize {
        let header = |Header { name, value }: &Header| {
            name.0.len() + value.as_ref().map_or(0, |value| value.0.len())
        };
        let (key, value) = (self.key().unwrap_or_default(), self.value().unwrap_or_default());
        key.len() + value.len() + self.headers.iter().map(header).sum::<usize>()
    }

    /// Names and values of the headers, as their columns hold them.
    pub(super) fn columns(&self) -> (Vec<&[u8]>, Vec<Option<&[u8]>>) {
        self.headers.iter().map(|header| (header.name.0.as_slice(), header_value(header))).unzip()
    }
}

fn header_value(header: &Header) -> Option<&[u8]> {
    header.value.as_ref().map(|value| value.0.as_slice())
}

fn blob(row: &Row, column: &str) -> Option<Blob> {
    row.get::<_, Option<Vec<u8>>>(column).map(Blob)
}

fn headers(row: &Row, names: &str, values: &str) -> Vec<Header> {
    let names: Vec<Vec<u8>> = row.get(names);
    let values: Vec<Option<Vec<u8>>> = row.get(values);
    let header =
        |(name, value): (_, Option<_>)| Header { name: Blob(name), value: value.map(Blob) };
    names.into_iter().zip(values).map(header).collect()
}
