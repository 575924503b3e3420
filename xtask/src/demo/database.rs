//! One connection to Postgres, for code that waits.

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};

/// Values of a statement's parameters.
pub(crate) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A session.
pub(crate) struct Database {
    runtime: Runtime,
    client: Client,
}

impl Database {
    /// Connects; `url` is what `GATELOG_POSTGRES` takes.
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot make a runtime")?;
        let mut config: tokio_postgres::Config = url.parse().context("no Postgres URL")?;
        config.application_name("gatelog-demo");
        let (client, connection) =
            runtime.block_on(config.connect(NoTls)).context("cannot connect to Postgres")?;
        // If it breaks, the next statement says so.
        runtime.spawn(connection);
        Ok(Self { runtime, client })
    }

    /// Statements without parameters and without results.
    pub(crate) fn execute(&self, sql: &str) -> Result<()> {
        self.runtime
            .block_on(self.client.batch_execute(sql))
            .with_context(|| format!("Postgres refuses: {sql}"))
    }

    /// All rows.
    pub(crate) fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        self.runtime
            .block_on(self.client.query(sql, values))
            .with_context(|| format!("Postgres refuses: {sql}"))
    }

    /// The only row.
    pub(crate) fn query_one(&self, sql: &str, values: Values<'_>) -> Result<Row> {
        self.runtime
            .block_on(self.client.query_one(sql, values))
            .with_context(|| format!("Postgres refuses: {sql}"))
    }
}

/// The same server with another database. `url` may also be of the form `host=… dbname=…`.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let Some(start) = url.find("://").map(|at| at + 3) else {
        return format!("{url} dbname={name}");
    };
    let (before, query) = match url.find('?') {
        Some(at) => url.split_at(at),
        None => (url, ""),
    };
    let server = match before[start..].find('/') {
        Some(at) => &before[..start + at],
        None => before,
    };
    format!("{server}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_of_the_same_server() {
        for (url, expected) in [
            ("postgres://u:p@h:5432/a", "postgres://u:p@h:5432/b"),
            ("postgres://u:p@h:5432", "postgres://u:p@h:5432/b"),
            ("postgresql://h/a?connect_timeout=3", "postgresql://h/b?connect_timeout=3"),
            ("postgres://h?host=/tmp", "postgres://h/b?host=/tmp"),
            ("host=/tmp user=u dbname=a", "host=/tmp user=u dbname=a dbname=b"),
        ] {
            let found = with_database(url, "b");
            assert_eq!(found, expected);
            let config: tokio_postgres::Config = found.parse().unwrap();
            assert_eq!(config.get_dbname(), Some("b"));
        }
    }
}
