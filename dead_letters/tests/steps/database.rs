//! A database of its own for each test.

use std::future::Future;

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
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
