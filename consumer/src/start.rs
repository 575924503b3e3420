//! Before the first event: both servers are there, and they belong together.

use std::future::Future;
use std::time::Duration;

use rand::rng;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{info, warn};
use uuid::Uuid;

use crate::error::Error;
use crate::follow::Follow;
use crate::settings::Settings;
use crate::store::Connector;

/// The log this database belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Namespace of ids that are derived from offsets.
    pub(crate) log_id: Uuid,
    /// What Kafka calls the topic.
    pub(crate) topic: Identity,
}

/// How Kafka tells the log from any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Kafka's own id: a topic that is deleted and made again has another. None where the broker
    /// keeps none.
    pub(crate) topic_id: Option<String>,
    /// Partitions: with another count, cards would have moved away from their order.
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
    let passing = |error: &Error| matches!(error, Error::Schema { .. }) || error.passes();
    wait_for("Postgres", settings, schema, passing).await
}

/// Waits, for ever if need be, until Kafka has the topic; then holds the two against each other.
async fn log(
    connector: &Connector,
    consumer: &'static BaseConsumer<Follow>,
    settings: &Settings,
) -> Result<Log, Error> {
    let asking = AskKafka { consumer, topic: settings.topic.swipes.clone() };
    let ask = || async {
        // Nobody else polls yet: this brings statistics, and no messages.
        drop(consumer.poll(Duration::ZERO));
        consumer.context().lifeline.pull(consumer.client());
        let identity = asking.identity().await?;
        let asked = tokio::task::spawn_blocking(move || consumer.client().fetch_cluster_id(ASK));
        let cluster_id = asked.await.map_err(|_| Error::Ended("asking Kafka"))?;
        Ok((cluster_id.ok_or(Error::NoCluster)?, identity))
    };
    let passing =
        |error: &Error| matches!(error, Error::Kafka { .. } | Error::NoTopic(_) | Error::NoCluster);
    let (cluster_id, identity) = wait_for("Kafka", settings, ask, passing).await?;
    let pin = || pin(connector, settings, &cluster_id, &identity);
    wait_for("Postgres", settings, pin, Error::passes).await
}

/// Asks Kafka which log it has under a name.
#[derive(Clone)]
pub(crate) struct AskKafka {
    pub(crate) consumer: &'static BaseConsumer<Follow>,
    pub(crate) topic: String,
}

impl AskKafka {
    /// Stops whoever goes on with another log than the database was pinned to.
    pub(crate) async fn must_be(&self, pinned: &Identity) -> Result<(), Error> {
        differs(pinned, &self.identity().await?)
    }

    async fn identity(&self) -> Result<Identity, Error> {
        let (consumer, topic) = (self.consumer, self.topic.clone());
        tokio::task::spawn_blocking(move || {
            let failed = |source| Error::Kafka { doing: "asking Kafka for the topic", source };
            let metadata = consumer.fetch_metadata(Some(&topic), ASK).map_err(failed)?;
            let found = metadata.topics().first();
            // A topic has a few thousand at the most.
            let partitions = found.map_or(0, |found| found.partitions().len()) as i32;
            if partitions == 0 {
                return Err(Error::NoTopic(topic));
            }
            let topic_id =
                librdkafka::topic_id::fetch(consumer.client(), &topic, ASK).map_err(failed)?;
            Ok(Identity { topic_id, partitions })
        })
        .await
        .map_err(|_| Error::Ended("asking Kafka"))?
    }
}

fn differs(stored: &Identity, found: &Identity) -> Result<(), Error> {
    let other = |what, stored: String, ours: String| Err(Error::OtherLog { what, stored, ours });
    if let (Some(stored), Some(found)) = (&stored.topic_id, &found.topic_id)
        && stored != found
    {
        return other("topic id", stored.clone(), found.clone());
    }
    if stored.partitions != found.partitions {
        let (stored, found) = (stored.partitions.to_string(), found.partitions.to_string());
        return other("partition count", stored, found);
    }
    Ok(())
}

/// What a client must know of Kafka before there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    /// The session timeout to join the group with, in ms: the setting, or the least that the broker
    /// takes where that is longer.
    pub(crate) session_timeout_ms: u32,
    /// Partitions of the log; none if it is not there yet.
    pub(crate) partitions: usize,
}

/// Asks Kafka. Waits, for ever if need be, until it is there.
pub(crate) async fn surroundings(settings: &Settings) -> Result<Surroundings, Error> {
    let topic = &settings.topic.swipes;
    let wanted = settings.group.session_timeout_ms;
    // A client a try: one that has lost its brokers may not find them again.
    let ask = || async {
        let config = settings.kafka.client_config("gatelog-consumer");
        let admin = config.create().map_err(Error::kafka("starting librdkafka"))?;
        look_around(std::sync::Arc::new(admin), topic).await
    };
    let passing = |error: &Error| match error {
        Error::Kafka { source, .. } => {
            !matches!(source, KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_))
        }
        _ => false,
    };
    let (least, partitions) = wait_for("Kafka", settings, ask, passing).await?;
    if least > wanted {
        let setting = "group.session_timeout_ms";
        warn!(setting, wanted, least, "the broker takes no less (group.min.session.timeout.ms)");
    }
    Ok(Surroundings { session_timeout_ms: wanted.max(least), partitions })
}

/// `group.min.session.timeout.ms` of a broker, or its default where we may not ask; and how many
/// partitions the topic has.
async fn look_around(
    admin: std::sync::Arc<AdminClient<DefaultClientContext>>,
    topic: &str,
) -> Result<(u32, usize), Error> {
    const NAME: &str = "group.min.session.timeout.ms";
    const DEFAULT: u32 = 6_000;
    let doing = "asking Kafka for its settings";
    let asking = admin.clone();
    let metadata = tokio::task::spawn_blocking(move || asking.inner().fetch_metadata(None, ASK));
    let metadata = metadata.await.map_err(|_| Error::Ended("asking Kafka"))?;
    let metadata = metadata.map_err(Error::kafka(doing))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions = found.map_or(0, |found| found.partitions().len());
    let Some(broker) = metadata.brokers().first() else { return Ok((DEFAULT, partitions)) };
    let options = AdminOptions::new().request_timeout(Some(ASK));
    let asked = [ResourceSpecifier::Broker(broker.id())];
    let answers = admin.describe_configs(&asked, &options).await.map_err(Error::kafka(doing))?;
    let resource = match answers.into_iter().next() {
        Some(Ok(resource)) => resource,
        Some(Err(RDKafkaErrorCode::ClusterAuthorizationFailed)) | None => {
            return Ok((DEFAULT, partitions));
        }
        Some(Err(code)) => {
            return Err(Error::kafka(doing)(KafkaError::AdminOp(code)));
        }
    };
    let value = resource.get(NAME).and_then(|entry| entry.value.as_deref());
    Ok((value.and_then(|ms| ms.parse().ok()).unwrap_or(DEFAULT), partitions))
}

/// Pins the database to this log, or finds that it was pinned to another.
async fn pin(
    connector: &Connector,
    settings: &Settings,
    cluster_id: &str,
    found: &Identity,
) -> Result<Log, Error> {
    let doing = "comparing the log with log_topic";
    let client = connector.connect().await?;
    let (topic, group) = (&settings.topic.swipes, &settings.group.id);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&cluster_id, topic, &found.topic_id, &found.partitions, group];
    let row = client.query_one(include_str!("sql/pin_log.sql"), &parameters).await;
    let row = row.map_err(Error::postgres(doing))?;
    for (what, column, ours) in [
        ("Kafka cluster", "cluster_id", cluster_id),
        ("topic", "topic", topic.as_str()),
        ("consumer group", "consumer_group", group.as_str()),
    ] {
        let stored: String = row.get(column);
        if stored != ours {
            return Err(Error::OtherLog { what, stored, ours: ours.to_owned() });
        }
    }
    let stored = Identity { topic_id: row.get("topic_id"), partitions: row.get("partitions") };
    differs(&stored, found)?;
    Ok(Log { log_id: row.get("log_id"), topic: stored })
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
