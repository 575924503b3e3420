//! A database of one run's own, with everything registered that a bench's swipes name.

use std::ops::Range;

use anyhow::{Context, Result};
use registry::Timestamptz;
use schemas::{Direction, Millis};
use tokio_postgres::Client;

use crate::servers::{Servers, connect};
use crate::site::Site;

const DAY_MS: i64 = 86_400_000;

/// A fresh database; [`Database::delete`] ends it.
pub(crate) struct Database {
    pub(crate) client: Client,
    pub(crate) url: String,
    name: String,
    admin: Client,
}

impl Database {
    /// Makes the database, its tables and the `days` (since the epoch) of `access_log`, and
    /// registers zones, terminals and cards, in force since before these days.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn create(
        servers: &Servers,
        name: &str,
        site: &Site,
        days: Range<i32>,
    ) -> Result<Self> {
        let admin = servers.connect().await?;
        let create = format!("CREATE DATABASE {name}");
        admin.batch_execute(&create).await.with_context(|| format!("making database {name}"))?;
        let url = servers.postgres_url(name);
        let database = async {
            let mut client = connect(&url).await?;
            client.batch_execute("SET timezone = 'UTC'").await.context("setting up the session")?;
            migrations::run(&mut client).await?;
            let since = Millis::from_unix_ms(i64::from(days.start - 1) * DAY_MS);
            register(&mut client, site, since).await.context("registering cards and terminals")?;
            make_days(&client, days).await.context("making days of access_log")?;
            let quiet = client.batch_execute(include_str!("sql/no_autovacuum.sql")).await;
            quiet.context("keeping autovacuum out")?;
            Ok(client)
        };
        match database.await {
            Ok(client) => Ok(Self { client, url, name: name.to_owned(), admin }),
            Err(error) => {
                drop_database(&admin, name).await?;
                Err(error)
            }
        }
    }

    /// Writes out what the shared buffers hold, so that a measurement does not pay for what was
    /// before it.
    ///
    /// # Errors
    /// Postgres' own; it takes a superuser or `pg_checkpoint`.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        self.client.batch_execute("CHECKPOINT").await.context("CHECKPOINT before a measurement")
    }

    /// Vacuums `access_log`.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn vacuum(&self) -> Result<()> {
        self.client.batch_execute("VACUUM ANALYZE access_log").await.context("vacuuming access_log")
    }

    /// Everything that `access_log` holds, in one number: the same rows, in whatever order, are the
    /// same number.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn contents(&self) -> Result<Contents> {
        let sql = include_str!("sql/contents.sql");
        let row = self.client.query_one(sql, &[]).await.context("reading access_log")?;
        Ok(Contents { rows: row.get(0), denied: row.get(1), hash: row.get(2) })
    }

    /// The same of `duplicate_event`, of which nothing is denied.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn duplicates(&self) -> Result<Contents> {
        let sql = include_str!("sql/duplicates.sql");
        let row = self.client.query_one(sql, &[]).await.context("reading duplicate_event")?;
        Ok(Contents { rows: row.get(0), denied: 0, hash: row.get(1) })
    }

    /// Deletes it.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn delete(self) -> Result<()> {
        drop_database(&self.admin, &self.name).await
    }
}

/// What a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) rows: i64,
    pub(crate) denied: i64,
    hash: String,
}

async fn drop_database(admin: &Client, name: &str) -> Result<()> {
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    admin.batch_execute(&sql).await.with_context(|| format!("dropping database {name}"))
}

/// Each in a transaction of its own, as the consumer makes them. Kept are all of them, though
/// midnight may pass before the bench is over.
async fn make_days(client: &Client, days: Range<i32>) -> Result<(), tokio_postgres::Error> {
    let keep = "UPDATE retention SET oldest_day = least(oldest_day, date 'epoch' + $1::int)";
    client.execute(keep, &[&days.start]).await?;
    let statement = client.prepare("SELECT ensure_day(date 'epoch' + $1::int)").await?;
    for day in days {
        client.execute(&statement, &[&day]).await?;
    }
    Ok(())
}

/// All in one transaction: the permission clock moves once, alike in every database.
async fn register(
    client: &mut Client,
    site: &Site,
    in_force_from: Millis,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let sql = "INSERT INTO zone (zone_id, name) SELECT z, z FROM unnest($1::text[]) AS z";
    transaction.execute(sql, &[&site.zones]).await?;

    let terminals = &site.terminals;
    let ids: Vec<&str> = terminals.iter().map(|terminal| terminal.id.as_str()).collect();
    let zones: Vec<&str> = terminals.iter().map(|t| site.zones[t.zone].as_str()).collect();
    let directions: Vec<&str> =
        terminals.iter().map(|terminal| Direction::as_str(terminal.direction)).collect();
    let sql = "INSERT INTO terminal (terminal_id, zone_id, direction)
               SELECT * FROM unnest($1::text[], $2::text[], $3::text[])";
    transaction.execute(sql, &[&ids, &zones, &directions]).await?;

    let cards: Vec<&str> = site.cards.iter().map(|card| card.id.as_str()).collect();
    let lists = site.cards.iter().map(|card| card.zones.map(|z| site.zones[z].as_str()).join(" "));
    let lists: Vec<String> = lists.collect();
    let sql = "INSERT INTO card (card_id) SELECT * FROM unnest($1::text[])";
    transaction.execute(sql, &[&cards]).await?;
    let sql = "INSERT INTO user_access (card_id, zones, in_force_from)
               SELECT c, string_to_array(z, ' '), $3 FROM unnest($1::text[], $2::text[]) AS t (c, z)";
    transaction.execute(sql, &[&cards, &lists, &Timestamptz(in_force_from)]).await?;
    transaction.commit().await?;
    // As autovacuum would have by the time that cards are used.
    client
        .batch_execute("VACUUM ANALYZE zone, terminal, card, user_access, user_access_history")
        .await
}
