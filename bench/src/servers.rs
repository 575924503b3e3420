//! Where Kafka, Postgres and the binaries are.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::ClientConfig;
use tokio_postgres::{Client, NoTls};

/// The servers to measure on, and the binaries to measure.
#[derive(Debug)]
pub(crate) struct Servers {
    kafka: settings::Kafka,
    postgres: String,
    binaries: PathBuf,
}

impl Servers {
    /// Reads `GATELOG_KAFKA`, `GATELOG_POSTGRES` and `GATELOG_BIN_DIR`.
    ///
    /// # Errors
    /// One of them is not set.
    pub(crate) fn from_env() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| {
                anyhow!("{name} is not set: `cargo xtask bench` and `cargo xtask test` set it")
            })
        };
        Ok(Self {
            kafka: settings::Kafka {
                brokers: variable("GATELOG_KAFKA")?,
                ..settings::Kafka::default()
            },
            postgres: variable("GATELOG_POSTGRES")?,
            binaries: variable("GATELOG_BIN_DIR")?.into(),
        })
    }

    /// Bootstrap servers.
    pub(crate) fn brokers(&self) -> &str {
        &self.kafka.brokers
    }

    /// Settings of a Kafka client.
    pub(crate) fn kafka_client(&self) -> ClientConfig {
        self.kafka.client_config("gatelog-bench")
    }

    /// URL of another database of the same Postgres.
    pub(crate) fn postgres_url(&self, database: &str) -> String {
        let authority = self.postgres.find("://").map_or(0, |at| at + 3);
        let (server, rest) = match self.postgres[authority..].find(['/', '?']) {
            Some(at) => self.postgres.split_at(authority + at),
            None => (self.postgres.as_str(), ""),
        };
        let parameters = rest.find('?').map_or("", |at| &rest[at..]);
        format!("{server}/{database}{parameters}")
    }

    /// Connects to the database that `GATELOG_POSTGRES` names.
    pub(crate) async fn connect(&self) -> Result<Client> {
        connect(&self.postgres).await
    }

    /// A binary of this workspace.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }
}

/// Connects to one database.
///
/// # Errors
/// Postgres does not answer, or refuses.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let mut config: tokio_postgres::Config = url.parse().map_err(|_| {
        anyhow!("GATELOG_POSTGRES must be postgres://user:password@host:port/database")
    })?;
    config.application_name("gatelog-bench").connect_timeout(Duration::from_secs(10));
    let (client, connection) = config.connect(NoTls).await.context("connecting to Postgres")?;
    // Whoever uses the client sees how the connection ends.
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_of_the_same_server() {
        for (given, other) in [
            ("postgres://me:pw@h:5432/db", "postgres://me:pw@h:5432/x"),
            ("postgres://me@h", "postgres://me@h/x"),
            ("postgres://h/db?sslmode=disable", "postgres://h/x?sslmode=disable"),
            ("postgres://h?sslmode=disable", "postgres://h/x?sslmode=disable"),
        ] {
            let servers = Servers {
                kafka: settings::Kafka::default(),
                postgres: given.to_owned(),
                binaries: PathBuf::new(),
            };
            assert_eq!(servers.postgres_url("x"), other);
        }
    }
}
