//! Before the first event: both servers are there, and they belong together.

use std::future::Future;
use std::time::Duration;

use rand::rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tracing::{info, warn};
use uuid::Uuid;

use crate::error::{Class, Error};
use crate::follow::Follow;
use crate::settings::Settings;
use crate::store::Connector;

/// The log this database belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Namespace of ids that are derived from offsets.
    pub(crate) log_id: Uuid,
    /// Partitions of the topic.
    pub(crate) partitions: i32,
}

/// How long one question to Kafka may take.
const ASK: Duration = Duration::from_secs(5);

/// Waits until both servers are there, and holds them against each other.
pub(crate) async fn servers(
    connector: &Connector,
    consumer: &'static BaseConsumer<Follow>,
    settings: &Settings,
) -> Result<Log, Error> {
    postgres(connector, settings).await?;
    log(connector, consumer, settings).await
}

/// Waits, for ever if need be, until Postgres answers with the schema that this program needs.
async fn postgres(connector: &Connector, settings: &Settings) -> Result<(), Error> {
    let schema = || async {
        let client = connector.connect().await?;
        let sql = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
        let read = async {
            if !client.query_one(sql, &[]).await?.get::<_, bool>(0) {
                return Ok(0);
            }
            let sql = "SELECT coalesce(max(version), 0)::int FROM refinery_schema_history";
            Ok(client.query_one(sql, &[]).await?.get::<_, i32>(0) as u32)
        };
        let found = read.await.map_err(Error::postgres("reading the schema's version"))?;
        let needed = migrations::latest();
        if found < needed { Err(Error::Schema { found, needed }) } else { Ok(()) }
    };
    let passing =
        |error: &Error| matches!(error, Error::Schema { .. }) || error.class() != Class::Bug;
    wait_for("Postgres", settings, schema, passing).await
}

/// Waits, for ever if need be, until Kafka has the topic; then holds the two against each other.
async fn log(
    connector: &Connector,
    consumer: &'static BaseConsumer<Follow>,
    settings: &Settings,
) -> Result<Log, Error> {
    let topic = &settings.topic.swipes;
    let count = PartitionCount { consumer, topic: topic.clone() };
    let ask = || async {
        let partitions = count.ask().await?;
        let asked = tokio::task::spawn_blocking(move || consumer.client().fetch_cluster_id(ASK));
        let cluster_id = asked.await.map_err(|_| Error::Ended("asking Kafka"))?;
        Ok((cluster_id.ok_or(Error::NoCluster)?, partitions))
    };
    let passing =
        |error: &Error| matches!(error, Error::Kafka { .. } | Error::NoTopic(_) | Error::NoCluster);
    let (cluster_id, partitions) = wait_for("Kafka", settings, ask, passing).await?;
    let pin = || pin(connector, settings, &cluster_id, partitions);
    wait_for("Postgres", settings, pin, |error| error.class() != Class::Bug).await
}

/// Asks Kafka how many partitions the log has.
pub(crate) struct PartitionCount {
    pub(crate) consumer: &'static BaseConsumer<Follow>,
    pub(crate) topic: String,
}

impl PartitionCount {
    /// Stops whoever goes on with another count than the log was pinned with: cards would have
    /// moved away from their order.
    pub(crate) async fn must_be(&self, pinned: i32) -> Result<(), Error> {
        match self.ask().await? {
            found if found == pinned => Ok(()),
            found => Err(Error::OtherLog {
                what: "partition count",
                stored: pinned.to_string(),
                ours: found.to_string(),
            }),
        }
    }

    async fn ask(&self) -> Result<i32, Error> {
        let (consumer, topic) = (self.consumer, self.topic.clone());
        tokio::task::spawn_blocking(move || {
            let metadata = consumer
                .fetch_metadata(Some(&topic), ASK)
                .map_err(Error::kafka("asking Kafka for the topic"))?;
            match metadata.topics().first().map_or(0, |found| found.partitions().len()) {
                0 => Err(Error::NoTopic(topic)),
                // A topic has a few thousand at the most.
                count => Ok(count as i32),
            }
        })
        .await
        .map_err(|_| Error::Ended("asking Kafka"))?
    }
}

/// Pins the database to this log, or finds that it was pinned to another.
async fn pin(
    connector: &Connector,
    settings: &Settings,
    cluster_id: &str,
    partitions: i32,
) -> Result<Log, Error> {
    let doing = "comparing the log with log_topic";
    let client = connector.connect().await?;
    let (topic, group) = (&settings.topic.swipes, &settings.group.id);
    client
        .execute(include_str!("sql/pin_log.sql"), &[&cluster_id, topic, &partitions, group])
        .await
        .map_err(Error::postgres(doing))?;
    let sql = "SELECT log_id, cluster_id, topic, partitions, consumer_group FROM log_topic";
    let row = client.query_one(sql, &[]).await.map_err(Error::postgres(doing))?;
    for (what, stored, ours) in [
        ("Kafka cluster", row.get::<_, String>(1), cluster_id.to_owned()),
        ("topic", row.get(2), topic.clone()),
        ("partition count", row.get::<_, i32>(3).to_string(), partitions.to_string()),
        ("consumer group", row.get(4), group.clone()),
    ] {
        if stored != ours {
            return Err(Error::OtherLog { what, stored, ours });
        }
    }
    Ok(Log { log_id: row.get(0), partitions })
}

/// Tries until it works; says once what it waits for, and then at every doubling.
async fn wait_for<T, F: Future<Output = Result<T, Error>>>(
    server: &'static str,
    settings: &Settings,
    try_once: impl Fn() -> F,
    passing: impl Fn(&Error) -> bool,
) -> Result<T, Error> {
    let mut failures: u32 = 0;
    loop {
        match try_once().await {
            Ok(answer) => {
                if failures > 0 {
                    info!(server, "is there now");
                }
                return Ok(answer);
            }
            Err(error) if passing(&error) => {
                failures += 1;
                if failures.is_power_of_two() {
                    let error = crate::chain(&error);
                    warn!(server, error, failures, "not ready yet; waiting for it");
                }
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(settings.retry.delay(failures, &mut rng())).await;
    }
}
