//! A network that fails between the consumer and its servers costs time and nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use support::{Process, Proxy, World, eventually, swipe};

const CARDS: [&str; 4] = ["c1", "c2", "c3", "c4"];

/// Long enough for any batch here, and short for a test that waits for it.
const BATCH_TIMEOUT_MS: u64 = 2_000;

/// Publishes a part of a test's swipes; where they stand in the log.
async fn some_more(world: &World, part: i64) -> Result<Vec<(i32, i64)>> {
    let swipes: Vec<_> = (0..500)
        .map(|i| swipe(CARDS[i % CARDS.len()], "t-hall", part * 1_000 + i as i64))
        .collect();
    world.log.publish_swipes(&swipes).await
}

/// A consumer that finds Postgres by way of a proxy.
async fn behind_a_proxy(world: &mut World) -> Result<(Proxy, Process)> {
    world.open_the_hall(&CARDS).await?;
    let proxy = Proxy::before_postgres(&world.postgres_address()?).await?;
    let (postgres, timeout) = (world.postgres_at(proxy.address()), BATCH_TIMEOUT_MS.to_string());
    let mut consumer = world.consumer_with(&[
        ("GATELOG_POSTGRES", &postgres),
        ("GATELOG_CONSUMER_BATCH__TIMEOUT_MS", &timeout),
        ("GATELOG_CONSUMER_RETRY__CAP_MS", "500"),
    ])?;
    consumer.ready().await?;
    Ok((proxy, consumer))
}

/// Waits until everything has its outcome, and requires that it is the right one.
async fn whole(world: &World, places: &[(i32, i64)], consumer: &mut Process) -> Result<()> {
    let totals = world.caught_up().await.with_context(|| consumer.said())?;
    assert_eq!(totals.rows, places.len() as i64, "{totals:?}: {}", consumer.said());
    world.each_has_one_outcome(places).await?;
    assert!(consumer.runs(), "it heals by itself: {}", consumer.said());
    world.verify_clean().await
}

#[tokio::test]
async fn cuts_resets_refusals_and_latency_before_postgres() -> Result<()> {
    let mut world = World::new(4).await?;
    let (proxy, mut consumer) = behind_a_proxy(&mut world).await?;
    let mut places = Vec::new();
    for round in 0..12 {
        eventually("there are connections to hit", async || {
            Ok((proxy.connections() > 0).then_some(()))
        })
        .await?;
        let hit = match round % 4 {
            0 => {
                proxy.set_latency(Duration::from_millis(40));
                1
            }
            1 => proxy.cut(),
            2 => proxy.reset(),
            _ => {
                proxy.set_refusing(true);
                proxy.cut()
            }
        };
        assert!(hit > 0, "round {round} has hit no connection");
        places.extend(some_more(&world, round).await?);
        if round % 4 == 3 {
            // Nothing gets through meanwhile, and the next swipes come on top.
            places.extend(some_more(&world, 100 + round).await?);
            proxy.heal();
        }
    }
    whole(&world, &places, &mut consumer).await
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_recognised() -> Result<()> {
    let mut world = World::new(4).await?;
    let (proxy, mut consumer) = behind_a_proxy(&mut world).await?;
    let mut places = Vec::new();
    for part in 0..5 {
        let (lost, published) = tokio::join!(proxy.lose_a_commit_reply(), some_more(&world, part));
        lost?;
        places.extend(published?);
    }
    whole(&world, &places, &mut consumer).await?;
    let recognised = consumer.said().matches("a commit whose reply was lost had landed").count();
    // One a partition of the batch, and at least one for each of the five.
    assert!(recognised >= 5, "recognised {recognised} times: {}", consumer.said());
    Ok(())
}

#[tokio::test]
async fn a_half_open_connection_is_given_up_in_time() -> Result<()> {
    let mut world = World::new(4).await?;
    let (proxy, mut consumer) = behind_a_proxy(&mut world).await?;
    let mut places = some_more(&world, 0).await?;
    world.caught_up().await?;
    // They stay so for ever: it is the consumer that must give them up.
    assert!(proxy.half_open() > 0, "no connection was there");
    let since = Instant::now();
    places.extend(some_more(&world, 1).await?);
    let length = places.len() as i64;
    eventually("it goes on", async || Ok((world.totals().await?.all() >= length).then_some(())))
        .await?;
    // Its own limit, what a predecessor's session may hold up, and room for a busy machine.
    let limit = Duration::from_millis(3 * BATCH_TIMEOUT_MS) + Duration::from_secs(9);
    assert!(since.elapsed() < limit, "took {:?}: {}", since.elapsed(), consumer.said());
    whole(&world, &places, &mut consumer).await
}

/// The only test before Kafka: the broker tells its clients one address by which they come through
/// a proxy, so one proxy at a time can be there.
#[tokio::test]
async fn cuts_resets_latency_and_half_open_connections_before_kafka() -> Result<()> {
    let (Ok(behind), Ok(address)) = (
        std::env::var("GATELOG_TEST_KAFKA_BEHIND_PROXY"),
        std::env::var("GATELOG_TEST_KAFKA_PROXY"),
    ) else {
        eprintln!(
            "skipped: only a broker that `cargo xtask test` starts can have a proxy before it"
        );
        return Ok(());
    };
    let proxy = Proxy::at(&address, &behind).await?;
    let mut world = World::new(4).await?;
    world.open_the_hall(&CARDS).await?;
    let mut consumer = world.consumer_with(&[("GATELOG_KAFKA", proxy.address())])?;
    consumer.ready().await?;
    let mut places = Vec::new();
    for round in 0..8 {
        let since = Instant::now();
        let hit = match round % 4 {
            0 => {
                proxy.set_latency(Duration::from_millis(40));
                proxy.connections()
            }
            1 => proxy.cut(),
            2 => proxy.reset(),
            // For ever: it is the consumer that must give them up.
            _ => proxy.half_open(),
        };
        assert!(hit > 0, "round {round} has hit no connection");
        places.extend(some_more(&world, round).await?);
        world.caught_up().await.with_context(|| consumer.said())?;
        let limit = Duration::from_secs(45);
        assert!(since.elapsed() < limit, "took {:?}: {}", since.elapsed(), consumer.said());
    }
    whole(&world, &places, &mut consumer).await?;
    letters_wait_for_kafka(&mut world, consumer, &proxy).await
}

/// Dead letters that are made while Kafka is away, by a consumer that is killed meanwhile, all come
/// to their topic.
async fn letters_wait_for_kafka(
    world: &mut World,
    mut consumer: Process,
    proxy: &Proxy,
) -> Result<()> {
    let swipes: Vec<_> = CARDS.iter().map(|card| swipe(card, "t-nowhere", 90_000)).collect();
    world.log.publish_swipes(&swipes).await?;
    eventually("they wait in their lanes", async || {
        let sql = "SELECT count(*) FROM parked_event";
        Ok((world.db.query_one(sql, &[]).await?.get::<_, i64>(0) == 4).then_some(()))
    })
    .await?;
    proxy.set_refusing(true);
    proxy.cut();
    eventually("they are given up", async || {
        let sql = "SELECT count(*) FROM dead_letter";
        Ok((world.db.query_one(sql, &[]).await?.get::<_, i64>(0) == 4).then_some(()))
    })
    .await
    .with_context(|| consumer.said())?;
    assert_eq!(world.outbox_rows().await?, 4, "messages that wait for Kafka");
    consumer.kill()?;
    let _next = world.consumer_with(&[("GATELOG_KAFKA", proxy.address())])?;
    proxy.heal();
    world.outbox_is_empty().await?;
    let published = world.dead_letters.read(2).await?;
    let keys: std::collections::BTreeSet<_> = published.values().map(|l| l.key.clone()).collect();
    assert_eq!(keys.len(), 4, "cards whose letters are on the topic");
    world.verify_clean().await
}
