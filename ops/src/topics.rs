//! Topics: made where they are missing, never changed where they are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::{Instant, sleep};

use crate::connect::{KAFKA_TIMEOUT, admin};
use crate::{Error, settings};

/// How long a new topic may take until each of its partitions has a leader.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long decisions are kept: they are of no use after seconds, but they help to find out why.
const DECISIONS_RETENTION_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// A dead letter, at most: whatever Kafka took as a swipe, which it measures compressed, and headers.
const DLQ_MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(100);

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Partitions.
    pub partitions: u16,
    /// Copies of each partition; 0 for the broker's own default.
    pub replication_factor: u16,
    /// Kafka's topic settings, used where the topic is made.
    pub config: Vec<(&'static str, String)>,
}

/// What [`ensure`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// The topic was missing and is there now.
    Created,
    /// It was there, with as many partitions.
    Existed,
}

/// The three topics of `settings`: the log, the decisions and the dead letters.
pub fn of_settings(settings: &settings::Topic) -> [Topic; 3] {
    let topic = |name: &String, kept_for_ever: bool| {
        let mut config = vec![("cleanup.policy", "delete".to_owned())];
        if kept_for_ever {
            config.push(("retention.ms", "-1".to_owned()));
            config.push(("retention.bytes", "-1".to_owned()));
        } else {
            config.push(("retention.ms", DECISIONS_RETENTION_MS.to_string()));
        }
        if settings.min_insync_replicas > 0 {
            let replicas = settings.min_insync_replicas.to_string();
            config.push(("min.insync.replicas", replicas));
        }
        Topic {
            name: name.clone(),
            partitions: settings.partitions,
            replication_factor: settings.replication_factor,
            config,
        }
    };
    let mut dlq = topic(&settings.dlq, true);
    dlq.config.push(("max.message.bytes", DLQ_MESSAGE_BYTES_MAX.to_string()));
    [topic(&settings.swipes, true), topic(&settings.decisions, false), dlq]
}

/// Makes those of `topics` that are missing and returns once each partition of all of them has a
/// leader. Safe to run from several places at once.
///
/// # Errors
/// [`Error::Partitions`] for a topic that is there with another partition count, before anything
/// is made; otherwise Kafka's own.
pub async fn ensure(kafka: &::settings::Kafka, topics: &[Topic]) -> Result<Vec<Ensured>, Error> {
    let admin = Arc::new(admin(kafka)?);
    let found = partitions(&admin).await?;
    compare(topics, &found)?;
    let missing: Vec<&Topic> =
        topics.iter().filter(|topic| !found.contains_key(&topic.name)).collect();
    let created = create(&admin, &missing).await?;
    let until = Instant::now() + READY_TIMEOUT;
    loop {
        let found = partitions(&admin).await?;
        compare(topics, &found)?;
        let is_ready =
            |topic: &&Topic| found.get(&topic.name).is_some_and(|found| found.have_leaders);
        match topics.iter().find(|topic| !is_ready(topic)) {
            None => break,
            Some(topic) if Instant::now() >= until => {
                let (name, seconds) = (&topic.name, READY_TIMEOUT.as_secs());
                let problem =
                    format!("topic {name} has partitions without a leader after {seconds} s");
                return Err(Error::Kafka(problem));
            }
            Some(_) => sleep(PAUSE).await,
        }
    }
    let outcome = |topic: &Topic| match created.contains(&topic.name) {
        true => Ensured::Created,
        false => Ensured::Existed,
    };
    Ok(topics.iter().map(outcome).collect())
}

/// Names of the topics that this call has made; somebody else may have been faster.
async fn create(
    admin: &AdminClient<DefaultClientContext>,
    missing: &[&Topic],
) -> Result<Vec<String>, Error> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let replication = |topic: &Topic| match topic.replication_factor {
        0 => -1,
        copies => i32::from(copies),
    };
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|topic| {
            let replication = TopicReplication::Fixed(replication(topic));
            let new = NewTopic::new(&topic.name, i32::from(topic.partitions), replication);
            topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options = AdminOptions::new()
        .operation_timeout(Some(READY_TIMEOUT))
        .request_timeout(Some(READY_TIMEOUT));
    let mut created = Vec::new();
    for result in admin.create_topics(&new, &options).await? {
        match result {
            Ok(name) => created.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(Error::Kafka(format!("topic {name} cannot be made: {code}")));
            }
        }
    }
    Ok(created)
}

fn compare(topics: &[Topic], found: &HashMap<String, Found>) -> Result<(), Error> {
    for topic in topics {
        match found.get(&topic.name) {
            Some(found) if found.partitions != usize::from(topic.partitions) => {
                return Err(Error::Partitions {
                    topic: topic.name.clone(),
                    found: found.partitions,
                    wanted: usize::from(topic.partitions),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

struct Found {
    partitions: usize,
    have_leaders: bool,
}

/// All topics: asking for one by name would make it, where the broker allows that.
async fn partitions(
    admin: &Arc<AdminClient<DefaultClientContext>>,
) -> Result<HashMap<String, Found>, Error> {
    let admin = Arc::clone(admin);
    let metadata =
        tokio::task::spawn_blocking(move || admin.inner().fetch_metadata(None, KAFKA_TIMEOUT))
            .await??;
    let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
    Ok(topics
        .map(|topic| {
            let found = Found {
                partitions: topic.partitions().len(),
                have_leaders: topic.partitions().iter().all(|partition| partition.leader() >= 0),
            };
            (topic.name().to_owned(), found)
        })
        .collect())
}
