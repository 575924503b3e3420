//! What the command does to a real Kafka and a real Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod index;
mod stand;

use std::time::Duration;

use ops::setup::{Report, prepare};
use ops::topics::{Ensured, Topic, ensure, of_settings};
use ops::{Error, offsets};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use stand::Stand;

const PATIENCE: Duration = Duration::from_secs(60);

async fn setup(stand: &Stand, keep_from: Option<&str>) -> Result<Report, Error> {
    let keep_from = keep_from.map(|day| day.parse().unwrap());
    prepare(&stand.settings, PATIENCE, keep_from).await
}

#[tokio::test]
async fn setup_makes_what_is_missing_and_nothing_twice() {
    Stand::with(async |stand| {
        let first = setup(&stand, Some("2016-01-01")).await.unwrap();
        assert!(first.migrations_applied > 0 && first.topics.iter().all(|topic| topic.created));
        assert_eq!((first.oldest_day.as_str(), first.oldest_day_moved), ("2016-01-01", true));
        let again = setup(&stand, Some("2016-01-01")).await.unwrap();
        assert_eq!((again.migrations_applied, again.oldest_day_moved), (0, false));
        assert!(again.topics.iter().all(|topic| !topic.created));
        assert_eq!(setup(&stand, None).await.unwrap(), again);
    })
    .await;
}

#[tokio::test]
async fn setups_at_the_same_time_do_it_once() {
    Stand::with(async |stand| {
        let run = async || setup(&stand, Some("2016-01-01")).await.unwrap();
        let reports = tokio::join!(run(), run(), run(), run());
        let reports = [reports.0, reports.1, reports.2, reports.3];
        let latest = migrations::latest() as usize;
        assert_eq!(reports.iter().map(|report| report.migrations_applied).sum::<usize>(), latest);
        let made = reports.iter().flat_map(|report| &report.topics).filter(|topic| topic.created);
        assert_eq!(made.count(), 3);
    })
    .await;
}

#[tokio::test]
async fn the_oldest_day_only_ever_moves_back() {
    Stand::with(async |stand| {
        setup(&stand, Some("2016-01-01")).await.unwrap();
        let error = setup(&stand, Some("2016-01-02")).await.unwrap_err();
        assert!(error.to_string().contains("days are kept from 2016-01-01 on"), "{error}");
        assert_eq!(error.exit_code(), 2);
        assert_eq!(setup(&stand, Some("0900-01-01")).await.unwrap().oldest_day, "0900-01-01");
    })
    .await;
}

#[tokio::test]
async fn a_topic_with_another_partition_count_stays_as_it_is() {
    Stand::with(async |stand| {
        setup(&stand, None).await.unwrap();
        let mut other = stand.settings.clone();
        other.topic.partitions = 5;
        other.topic.decisions = format!("{}-other", other.topic.decisions);
        let error = prepare(&other, PATIENCE, None).await.unwrap_err();
        let wanted = format!("topic {} has 3 partitions, the settings say 5", other.topic.swipes);
        assert!(error.to_string().starts_with(&wanted), "{error}");
        // Nor was the one made that is missing: the next try with three would fail.
        other.topic.partitions = 3;
        let report = prepare(&other, PATIENCE, None).await.unwrap();
        assert_eq!(
            report.topics.iter().map(|t| t.created).collect::<Vec<_>>(),
            [false, true, false]
        );
        stand.forget(&[&other.topic.decisions]).await;
    })
    .await;
}

#[tokio::test]
async fn topics_are_kept_for_ever_where_they_are_the_record() {
    Stand::with(async |stand| {
        let mut settings = stand.settings.clone();
        (settings.topic.replication_factor, settings.topic.min_insync_replicas) = (1, 1);
        let topics = of_settings(&settings.topic);
        let made = ensure(&settings.kafka, &topics).await.unwrap();
        assert_eq!(made, [Ensured::Created; 3]);
        let kafka = settings.kafka.client_config("test");
        let admin: AdminClient<DefaultClientContext> = kafka.create().unwrap();
        for (topic, wanted) in topics.iter().zip(["-1", "604800000", "-1"]) {
            let asked = [ResourceSpecifier::Topic(&topic.name)];
            let configs = admin.describe_configs(&asked, &AdminOptions::new()).await.unwrap();
            let config = configs.into_iter().next().unwrap().unwrap();
            let value = |key| config.get(key).unwrap().value.clone().unwrap();
            assert_eq!(value("retention.ms"), wanted, "{}", topic.name);
            assert_eq!(value("min.insync.replicas"), "1");
        }
    })
    .await;
}

#[tokio::test]
async fn a_topic_can_be_written_to_as_soon_as_it_is_ensured() {
    Stand::with(async |stand| {
        let topic = Topic {
            name: stand.settings.topic.swipes.clone(),
            partitions: 7,
            replication_factor: 0,
            config: Vec::new(),
        };
        ensure(&stand.settings.kafka, std::slice::from_ref(&topic)).await.unwrap();
        let mut config = stand.settings.kafka.client_config("test");
        config.set("message.timeout.ms", "5000");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
        for partition in 0..7 {
            let record = BaseRecord::<str, str>::to(&topic.name).partition(partition).payload("x");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(5)))
            .await
            .unwrap()
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn offsets_say_what_was_read_and_what_is_left() {
    Stand::with(async |stand| {
        let error = offsets::load(&stand.settings).await.unwrap_err();
        assert!(error.to_string().contains("log_topic"), "before setup: {error}");
        setup(&stand, None).await.unwrap();
        stand.publish(0, 5).await;
        stand.publish(2, 2).await;
        let client = stand.connect().await;
        client
            .batch_execute(
                "INSERT INTO consumer_offset (log_partition, owner, owner_name, claimed_at,
                     first_offset, next_offset, rows, duplicates, dead)
                 VALUES (0, gen_random_uuid(), 'consumer-1', now(), 0, 4, 2, 1, 1)",
            )
            .await
            .unwrap();
        let found = offsets::load(&stand.settings).await.unwrap();
        assert_eq!((&found.topic, &found.consumer_group), (&stand.settings.topic.swipes, &None));
        let lags: Vec<i64> = found.partitions.iter().map(|partition| partition.lag).collect();
        assert_eq!(lags, [1, 0, 2]);
        assert_eq!(found.partitions[0].owner.as_deref(), Some("consumer-1"));
        assert_eq!(found.partitions[2].next_offset, None);
        assert_eq!((found.sum.read, found.sum.lag, found.sum.outcomes.dead), (4, 3, 1));
    })
    .await;
}
