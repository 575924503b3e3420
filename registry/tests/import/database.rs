//! A database of its own for each test.

use std::future::Future;
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

/// A migrated database; `connect` gives further sessions.
pub(crate) struct Database {
    config: Config,
}

impl Database {
    /// Makes a database, runs `test` in it and drops it. A database whose test failed stays, to be
    /// looked at, until the server goes.
    pub(crate) async fn with<F: Future<Output = ()>>(test: impl FnOnce(Self) -> F) {
        let server: Config = std::env::var("GATELOG_POSTGRES")
            .expect("GATELOG_POSTGRES is not set: run the tests with `cargo xtask test`")
            .parse()
            .unwrap();
        let name = format!("gatelog_test_{}", Uuid::new_v4().simple());
        let admin = connect(&server).await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let mut config = server.clone();
        config.dbname(&name);
        migrations::run(&mut connect(&config).await).await.unwrap();
        test(Self { config }).await;
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }

    /// A session of its own.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.config).await
    }

    /// Waits until somebody waits for a lock.
    pub(crate) async fn until_blocked(&self) {
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
