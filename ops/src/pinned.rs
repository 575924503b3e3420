//! The log that a database belongs to: it answers for the one that it was filled from, and no other.

use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use tokio_postgres::{Client, Row};

use crate::Error;
use crate::connect::{self, KAFKA_TIMEOUT};
use crate::settings::Settings;

/// What `log_topic` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) topic: String,
    pub(crate) consumer_group: String,
    cluster_id: String,
    /// Kafka's own id of the topic; none where no consumer that knows it has run yet.
    topic_id: Option<String>,
    partitions: i32,
}

impl Pinned {
    /// None before a consumer has run.
    pub(crate) async fn read(client: &Client) -> Result<Option<Self>, Error> {
        let row = client.query_opt("SELECT * FROM log_topic", &[]).await?;
        Ok(row.as_ref().map(Self::of))
    }

    /// From a row with the columns of `log_topic`.
    pub(crate) fn of(row: &Row) -> Self {
        Self {
            topic: row.get("topic"),
            consumer_group: row.get("consumer_group"),
            cluster_id: row.get("cluster_id"),
            topic_id: row.get("topic_id"),
            partitions: row.get("partitions"),
        }
    }

    /// Partitions that the log has.
    pub(crate) fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Holds the settings, and the log that Kafka has under that name, against it.
    ///
    /// # Errors
    /// [`Error::Usage`] with what differs; or Kafka cannot be asked.
    pub(crate) async fn must_be_ours(&self, settings: &Settings) -> Result<(), Error> {
        if self.topic != settings.topic.swipes {
            return Err(Error::Usage(format!(
                "this database belongs to topic {}, topic.swipes is {}",
                self.topic, settings.topic.swipes
            )));
        }
        let (admin, topic) = (connect::admin(&settings.kafka)?, self.topic.clone());
        let found = tokio::task::spawn_blocking(move || ask(&admin, &topic, KAFKA_TIMEOUT));
        let (cluster_id, topic_id, partitions) = found.await??;
        let topic_ids = self.topic_id.as_ref().zip(topic_id.as_ref());
        let differs = [
            ("Kafka cluster", &self.cluster_id, &cluster_id),
            ("partition count", &self.partitions.to_string(), &partitions.to_string()),
        ]
        .into_iter()
        .chain(topic_ids.map(|(stored, ours)| ("topic id", stored, ours)))
        .find(|(_, stored, ours)| stored != ours)
        .map(|(what, stored, ours)| {
            format!(
                "this database belongs to {what} {stored}, topic {} at kafka.brokers has {ours}: it \
                 is another log",
                self.topic
            )
        });
        differs.map_or(Ok(()), |problem| Err(Error::Usage(problem)))
    }
}

/// Cluster id, topic id and partition count of a topic.
fn ask(
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
    timeout: Duration,
) -> Result<(String, Option<String>, usize), Error> {
    let metadata = admin.inner().fetch_metadata(Some(topic), timeout)?;
    let partitions = metadata.topics().first().map_or(0, |found| found.partitions().len());
    if partitions == 0 {
        return Err(Error::Kafka(format!("there is no topic {topic}; `gatelog setup` makes it")));
    }
    let cluster_id = admin.inner().fetch_cluster_id(timeout);
    let cluster_id =
        cluster_id.ok_or_else(|| Error::Kafka("it does not say which cluster it is".to_owned()))?;
    Ok((cluster_id, librdkafka::topic_id::fetch(admin.inner(), topic, timeout)?, partitions))
}
