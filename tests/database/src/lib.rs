//! A database of its own for each test of one crate, on the Postgres that `GATELOG_POSTGRES` names.
//!
//! Whatever goes wrong here is the test's end.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

/// A test's database; [`Self::connect`] gives further sessions.
#[derive(Debug)]
pub struct Database {
    config: Config,
    url: String,
}

impl Database {
    /// Makes a database with our own schema, runs `test` in it and drops it. A database whose test
    /// failed stays, to be looked at, until the server goes.
    pub async fn with<F: Future<Output = ()>>(test: impl FnOnce(Self) -> F) {
        Self::made(async |database, mut client| {
            migrations::run(&mut client).await.unwrap();
            test(database).await;
        })
        .await;
    }

    /// The same with tables of the test's own, and the session that made them.
    pub async fn with_tables<F: Future<Output = ()>>(
        tables: &str,
        test: impl FnOnce(Self, Client) -> F,
    ) {
        Self::made(async |database, client| {
            client.batch_execute(tables).await.unwrap();
            test(database, client).await;
        })
        .await;
    }

    async fn made(test: impl AsyncFnOnce(Self, Client)) {
        let server = std::env::var("GATELOG_POSTGRES")
            .expect("GATELOG_POSTGRES is not set: run the tests with `cargo xtask test`");
        // The path of the URL is the database.
        let (base, _) = server.rsplit_once('/').unwrap();
        let server: Config = server.parse().unwrap();
        let name = format!("gatelog_test_{}", Uuid::new_v4().simple());
        let admin = connect(&server).await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let mut config = server.clone();
        config.dbname(&name);
        let client = connect(&config).await;
        test(Self { config, url: format!("{base}/{name}") }, client).await;
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }

    /// Where it is, for programs that connect by themselves.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A session of its own.
    pub async fn connect(&self) -> Client {
        connect(&self.config).await
    }

    /// Waits until somebody waits for a lock.
    pub async fn until_blocked(&self) {
        let client = self.connect().await;
        let blocked = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let wait = async {
            while client.query_one(blocked, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("nobody waits for a lock");
    }
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
