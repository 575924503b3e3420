//! A database and topics of its own for each test.

use std::time::Duration;

use ops::settings::Settings;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use settings::Secret;
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

/// Settings for three partitions, with names that nobody else has.
pub(crate) struct Stand {
    pub(crate) settings: Settings,
    database: Config,
}

impl Stand {
    /// Makes an empty database, runs `test` and removes what it made. What belongs to a test that
    /// failed stays, to be looked at, until the servers go.
    pub(crate) async fn with<F: Future<Output = ()>>(test: impl FnOnce(Self) -> F) {
        let url = variable("GATELOG_POSTGRES");
        let server: Config = url.parse().unwrap();
        let name = format!("gatelog_test_{}", Uuid::new_v4().simple());
        let admin = connect(&server).await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();

        let mut settings = Settings::default();
        settings.kafka.brokers = variable("GATELOG_KAFKA");
        // The path of the URL is the database.
        let (base, _) = url.rsplit_once('/').unwrap();
        settings.postgres.url = Secret::new(format!("{base}/{name}"));
        settings.topic.swipes = format!("{name}.swipes");
        settings.topic.decisions = format!("{name}.decisions");
        settings.topic.dlq = format!("{name}.dlq");
        settings.topic.partitions = 3;
        let topics = settings.topic.clone();
        let mut database = server.clone();
        database.dbname(&name);
        let stand = Self { settings, database };
        let kafka = stand.settings.kafka.clone();

        test(stand).await;
        forget(&kafka, &[&topics.swipes, &topics.decisions, &topics.dlq]).await;
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }

    pub(crate) async fn connect(&self) -> Client {
        connect(&self.database).await
    }

    /// Puts so many records into a partition of the log.
    pub(crate) async fn publish(&self, partition: i32, records: usize) {
        let mut config = self.settings.kafka.client_config("test");
        config.set("message.timeout.ms", "5000");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
        for _ in 0..records {
            let record = BaseRecord::<str, str>::to(&self.settings.topic.swipes);
            let record = record.partition(partition).payload("x");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(5)))
            .await
            .unwrap()
            .unwrap();
    }

    /// Deletes further topics.
    pub(crate) async fn forget(&self, topics: &[&str]) {
        forget(&self.settings.kafka, topics).await;
    }
}

async fn forget(kafka: &settings::Kafka, topics: &[&str]) {
    let admin: AdminClient<DefaultClientContext> = kafka.client_config("test").create().unwrap();
    // Those that the test did not make are missing.
    let _ = admin.delete_topics(topics, &AdminOptions::new()).await;
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo xtask test`"))
}
