//! What one must never do to the log's topic.

use anyhow::{Result, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::World;
use crate::eventually;

impl World {
    /// Makes the log have more partitions, as one must never do.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn add_partitions(&self, count: usize) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.kafka).create()?;
        let new = [NewPartitions::new(&self.topic, count)];
        for outcome in admin.create_partitions(&new, &AdminOptions::new()).await? {
            outcome.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        Ok(())
    }

    /// Deletes the log's topic and makes another one of its name, with as many partitions.
    ///
    /// # Errors
    /// Kafka's own.
    pub async fn make_topic_again(&self) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.kafka).create()?;
        for outcome in admin.delete_topics(&[&self.topic], &AdminOptions::new()).await? {
            outcome.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        let new =
            [NewTopic::new(&self.topic, i32::from(self.partitions), TopicReplication::Fixed(1))];
        // The name is free again when every broker has let go of it.
        eventually("the topic is made again", async || {
            let outcomes = admin.create_topics(&new, &AdminOptions::new()).await?;
            match &outcomes[..] {
                [Ok(_)] => Ok(Some(())),
                [Err((_, RDKafkaErrorCode::TopicAlreadyExists))] => Ok(None),
                other => bail!("{other:?}"),
            }
        })
        .await
    }
}
