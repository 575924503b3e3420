use std::collections::BTreeMap;

use anyhow::Result;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Sums over `consumer_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Rows of `access_log`.
    pub rows: i64,
    /// Collisions.
    pub collisions: i64,
    /// Duplicates.
    pub duplicates: i64,
    /// Dead letters.
    pub dead: i64,
    /// Offsets that hold nothing.
    pub gaps: i64,
}

impl Totals {
    /// Offsets that have their outcome.
    pub fn all(&self) -> i64 {
        self.rows + self.collisions + self.duplicates + self.dead + self.gaps
    }
}

/// How often each offset of each partition stands in the tables.
pub type Outcomes = BTreeMap<(i32, i64), usize>;

/// Connects and keeps the connection going.
///
/// # Errors
/// Postgres' own.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// `url` with another database.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let path = url.rfind('/').unwrap_or(url.len());
    let parameters = url[path..].find('?').map_or("", |at| &url[path + at..]);
    format!("{}/{database}{parameters}", &url[..path])
}

/// A fresh name for a database.
pub(crate) fn fresh(kind: &str) -> String {
    format!("gatelog_{kind}_{}", Uuid::new_v4().simple())
}
