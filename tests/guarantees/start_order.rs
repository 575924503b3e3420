//! Servers that are not there yet at start are waited for, and the log says for what.

use anyhow::Result;
use support::{Event, World, swipe};
use tokio::net::{TcpListener, TcpStream};

/// An address on which nobody listens, until [`open`] does.
async fn closed_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string())
}

/// From now on `address` leads to `server`.
async fn open(address: &str, server: String) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    Ok(())
}

#[tokio::test]
async fn postgres_comes_later() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1"]).await?;
    let address = closed_address().await?;
    let real = world.postgres_address()?;
    let url = world.postgres_at(&address);
    let mut consumer = world.consumer_with(&[("GATELOG_POSTGRES", &url)])?;
    consumer.says("not ready yet; waiting for it").await?;
    consumer.says("Postgres").await?;
    assert_eq!(consumer.page("/healthz").await?.0, 200, "it lives");
    assert_eq!(consumer.page("/readyz").await?.0, 503, "but it is not ready");
    world.log.publish_swipes(&[swipe("c1", "t-hall", 0)]).await?;
    open(&address, real).await?;
    assert_eq!(world.caught_up().await?.rows, 1);
    consumer.ready().await
}

#[tokio::test]
async fn kafka_comes_later() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1"]).await?;
    let address = closed_address().await?;
    let mut consumer = world.consumer_with(&[("GATELOG_KAFKA", &address)])?;
    let mut gateway = world.gateway_with(&[("GATELOG_KAFKA", &address)])?;
    consumer.says("not ready yet; waiting for it").await?;
    consumer.says("Kafka").await?;
    let (status, why) = gateway.page("/readyz").await?;
    assert_eq!(status, 503, "a gateway without Kafka is not ready: {why}");
    world.log.publish_swipes(&[swipe("c1", "t-hall", 0)]).await?;
    open(&address, world.kafka_address()).await?;
    assert_eq!(world.caught_up().await?.rows, 1);
    consumer.ready().await?;
    gateway.ready().await
}

#[tokio::test]
async fn several_places_set_up_at_once() -> Result<()> {
    let world = World::new(1).await?;
    let mut applied = 0;
    for printed in world.set_up_at_once(4).await? {
        let report: serde_json::Value = serde_json::from_str(&printed)?;
        applied += report["migrations_applied"].as_i64().unwrap_or_default();
    }
    let all = i64::from(migrations::latest());
    assert_eq!(applied, all, "each migration was applied once, by whoever came first");
    Ok(())
}

#[tokio::test]
async fn more_partitions_stop_it_and_dead_letter_nothing() -> Result<()> {
    let mut world = World::new(2).await?;
    let cards: Vec<String> = (0..40).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let mut consumer = world.consumer()?;
    consumer.ready().await?;
    world.add_partitions(3).await?;
    // Put where three partitions would have them, as producers now do.
    let moved = cards.iter().enumerate().map(|(i, card)| {
        let mut event = Event::from(&swipe(card, "t-hall", i as i64));
        event.partition = Some(schemas::partition_of(card.as_bytes(), 3) % 2);
        event
    });
    world.log.publish(moved).await?;
    assert_eq!(consumer.ended().await?.code(), Some(1), "{}", consumer.said());
    assert!(consumer.said().contains("partition count"), "it says why: {}", consumer.said());
    assert_eq!(world.totals().await?.dead, 0, "nothing was dead-lettered for it");
    Ok(())
}

#[tokio::test]
async fn a_server_that_says_nothing_is_named() -> Result<()> {
    let mut world = World::new(1).await?;
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let url = world.postgres_at(&silent.local_addr()?.to_string());
    let consumer = world.consumer_with(&[
        ("GATELOG_POSTGRES", &url),
        ("GATELOG_CONSUMER_POSTGRES__CONNECT_TIMEOUT_MS", "500"),
    ])?;
    consumer.says("did not answer within").await
}

#[tokio::test]
async fn a_database_of_another_log_is_refused() -> Result<()> {
    let mut world = World::new(2).await?;
    let mut consumer = world.consumer()?;
    consumer.ready().await?;
    assert!(consumer.terminate().await?.success());
    let mut other = world.consumer_with(&[("GATELOG_CONSUMER_GROUP__ID", "somebody-else")])?;
    assert_eq!(other.ended().await?.code(), Some(1), "it stops rather than mix two groups");
    assert!(other.said().contains("somebody-else"), "and names the difference: {}", other.said());
    Ok(())
}

#[tokio::test]
async fn a_topic_made_again_under_its_name_is_refused() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    world.log.publish_swipes(&[swipe("c1", "t-hall", 0)]).await?;
    let mut consumer = world.consumer()?;
    world.caught_up().await?;
    assert!(consumer.terminate().await?.success());

    // It holds more events than the other did: no offset is out of range.
    world.make_topic_again().await?;
    let swipes: Vec<_> = (0..20).map(|i| swipe("c1", "t-hall", 1_000 + i)).collect();
    world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer()?;
    assert_eq!(consumer.ended().await?.code(), Some(1), "{}", consumer.said());
    assert!(consumer.said().contains("topic id"), "it says why: {}", consumer.said());
    assert_eq!(world.totals().await?.all(), 1, "nothing of the other log was applied");
    // Nor do operators change or prove anything by another log.
    for command in [&["verify"][..], &["offsets", "accept-loss"], &["offsets", "show"]] {
        let (code, _, said) = world.gatelog(command).await?;
        assert!(code == 2 && said.contains("topic id"), "{command:?}: {code}: {said}");
    }
    Ok(())
}
