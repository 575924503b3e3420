//! The worker against librdkafka's own broker, which can be told to give the one answer that no
//! broker in its senses gives: that the producer's sequence has a hole. For the producer that is
//! the end.

use ::settings::Secret;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use seal::Open;
use test_database::Database;
use uuid::Uuid;

use super::*;
use crate::chunk::Claim;
use crate::outbox::Outbox;
use crate::progress::Progress;

const TOPIC: &str = "decisions";
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_is_at_its_end_is_replaced_and_nothing_is_lost() {
    Database::with(async |database| {
        let kafka = MockCluster::new(1).unwrap();
        kafka.create_topic(TOPIC, 1, 1).unwrap();
        let client = database.connect().await;
        let claims = Arc::new(Claims::default());
        let metrics = Metrics::new().unwrap();
        let settings = settings(&kafka.bootstrap_servers(), database.url());
        let connector = Arc::new(Connector::new(&settings).unwrap());
        let (outbox, handed) = Outbox::new(1);
        let (stop, stopped) = watch::channel(false);
        let worker = Worker::new(
            Arc::new(settings),
            connector,
            Arc::clone(&claims),
            metrics.clone(),
            handed,
            stopped,
        );
        let worker = tokio::spawn(worker.unwrap().run());
        let claim = Claim { partition: 0, owner: Uuid::from_u128(1) };
        claims.hold(claim, progress(0), false);

        commit(&client, &claims, claim, 0).await;
        until_published(&client).await;
        assert_eq!(metrics.publish_failures.get(), 0);

        let hole = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        kafka.request_errors(RDKafkaApiKey::Produce, &[hole]);
        for offset in 1..4 {
            commit(&client, &claims, claim, offset).await;
        }
        until_published(&client).await;
        assert!(metrics.publish_failures.get() > 0, "the producer has met nothing");
        // What was refused may come behind what was not.
        let mut published = read(&kafka);
        published.sort_unstable();
        assert_eq!(published, ["0", "1", "2", "3"]);

        drop(outbox);
        stop.send_replace(true);
        worker.await.unwrap().unwrap();
    })
    .await;
}

fn settings(brokers: &str, postgres: &str) -> Settings {
    let mut settings = Settings::default();
    settings.kafka.brokers = brokers.to_owned();
    settings.postgres.url = Secret::new(postgres);
    settings.topic.decisions = TOPIC.to_owned();
    settings.decision.command_ttl_ms = 60_000;
    settings.outbox.sweep_interval_ms = 20;
    settings
}

fn progress(next_offset: i64) -> Progress {
    let occurred_at_max = Millis::from_unix_ms(0);
    Progress { open: Open::start(next_offset), occurred_at_max, applied_to: 0 }
}

/// What a writer leaves behind that ends before it could hand over.
async fn commit(client: &Client, claims: &Claims, claim: Claim, offset: i64) {
    let sql = "INSERT INTO outbox (log_partition, log_offset, kind, key, value, header_names, \
                                   header_values, since) \
               VALUES (0, $1, 'decision', 't', convert_to($1::bigint::text, 'UTF8'), '{}', '{}', now())";
    client.execute(sql, &[&offset]).await.unwrap();
    claims.committed(claim, progress(offset + 1));
}

/// Waits until Kafka has acknowledged everything: then no row is left.
async fn until_published(client: &Client) {
    let empty = async {
        let mut ticks = interval(Duration::from_millis(10));
        let sql = "SELECT count(*) FROM outbox";
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.expect("messages are left in the outbox");
}

/// The values on the topic.
fn read(kafka: &MockCluster<'_, impl rdkafka::ClientContext>) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let (_, end) = consumer.fetch_watermarks(TOPIC, 0, PATIENCE).unwrap();
    let value = |_| {
        let message = consumer.poll(PATIENCE).expect("a message").unwrap();
        String::from_utf8(message.payload().unwrap().to_vec()).unwrap()
    };
    (0..end).map(value).collect()
}
