//! What Kafka has deleted is lost only where it has no outcome, and only when an operator says so.

use anyhow::{Result, ensure};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use schemas::Digest;
use seal::{Chain, Sum};
use serde_json::json;
use support::{World, swipe};

use super::{CARDS, at_the_end, done, events, everything, refused, topic};

/// Has Kafka delete what lies before `offset`, as retention would.
async fn delete_before(world: &World, partition: i32, offset: i64) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", world.kafka_address()).create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic(world)?, partition, Offset::Offset(offset))?;
    let deleted = admin.delete_records(&list, &AdminOptions::new()).await?;
    deleted.elements().iter().try_for_each(|element| Ok(element.error()?))
}

/// Every seal of a partition follows from the one before.
async fn chain_holds(world: &World, partition: i32) -> Result<Vec<i64>> {
    let sql = "SELECT bucket, events, digest, (extract(epoch FROM occurred_min) * 1000)::bigint, \
               (extract(epoch FROM occurred_max) * 1000)::bigint, chain \
               FROM log_seal WHERE log_partition = $1 ORDER BY bucket";
    let (mut chain, mut events) = (Chain::START, Vec::new());
    for (at, row) in world.db.query(sql, &[&partition]).await?.iter().enumerate() {
        let ms = |column| row.get::<_, Option<i64>>(column).map(schemas::Millis::from_unix_ms);
        let sum = Sum {
            events: u64::try_from(row.get::<_, i64>(1))?,
            digest: Digest(u128::from_be_bytes(row.get::<_, &[u8]>(2).try_into()?)),
            occurred: ms(3).zip(ms(4)),
        };
        ensure!(row.get::<_, i64>(0) == at as i64, "bucket {at} has no seal");
        chain = chain.next(partition, at as i64, &sum);
        ensure!(chain.0[..] == *row.get::<_, &[u8]>(5), "the chain breaks at bucket {at}");
        events.push(row.get(1));
    }
    let sql = "SELECT chain FROM consumer_offset WHERE log_partition = $1";
    let row = world.db.query_one(sql, &[&partition]).await?;
    ensure!(chain.0[..] == *row.get::<_, &[u8]>(0), "the partition goes on from another chain");
    Ok(events)
}

#[tokio::test]
async fn a_loss_is_accepted_once_and_counted() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let swipes = |from: i64, count: usize| -> Vec<_> {
        (0..count).map(|i| swipe(CARDS[i % 3], "t-hall", from + i as i64)).collect()
    };
    let mut kept = world.log.publish_swipes(&swipes(0, 4_000)).await?;
    let mut consumer = world.consumer()?;
    at_the_end(&world, &kept).await?;
    assert!(consumer.terminate().await?.success());
    let nothing = ["offsets", "accept-loss", "--apply", "--reason", "x"];
    assert_eq!(done(&world, &nothing).await?["lost"], json!(0));
    let (_, said, _) = world.gatelog(&["offsets", "accept-loss"]).await?;
    assert!(said.contains("nothing is lost"), "{said}");

    // 21,000 come while no consumer runs; Kafka keeps the last 2,000 of them.
    let later = world.log.publish_swipes(&swipes(100_000, 21_000)).await?;
    delete_before(&world, 0, 23_000).await?;
    let mut consumer = world.consumer()?;
    assert_eq!(
        consumer.ended().await?.code(),
        Some(1),
        "it does not skip them: {}",
        consumer.said()
    );
    assert!(consumer.said().contains("accept-loss"), "it says what to do: {}", consumer.said());
    let before = everything(&world).await?;
    let dry = done(&world, &["offsets", "accept-loss"]).await?;
    let wanted = json!([{"partition": 0, "next_offset": 4_000, "low_watermark": 23_000,
                         "not_read_again": 0, "lost": 19_000, "sealed": 2}]);
    assert_eq!((&dry["dry_run"], &dry["partitions"]), (&json!(true), &wanted), "{dry:#}");
    assert_eq!(everything(&world).await?, before, "a dry run changed something");
    let accept = ["offsets", "accept-loss", "--apply", "--reason", "retention was too short"];
    assert_eq!(done(&world, &accept).await?["partitions"], wanted);

    let _consumer = world.consumer()?;
    at_the_end(&world, &later).await?;
    kept.extend(later.into_iter().filter(|(_, offset)| *offset >= 23_000));
    world.each_has_one_outcome(&kept).await?;
    let sql = "SELECT rows, lost, gaps, next_offset FROM consumer_offset";
    let row = world.db.query_one(sql, &[]).await?;
    let found: [i64; 4] = [row.get(0), row.get(1), row.get(2), row.get(3)];
    assert_eq!(found, [6_000, 19_000, 0, 25_000]);
    let sql = "SELECT first_offset, end_offset, lost FROM offset_gap";
    let gap = world.db.query_one(sql, &[]).await?;
    assert_eq!((gap.get(0), gap.get(1), gap.get(2)), (4_000_i64, 23_000_i64, true));
    assert_eq!(chain_holds(&world, 0).await?, [4_000, 0], "two buckets were sealed by the loss");
    let actions: i64 =
        world.db.query_one("SELECT count(*) FROM operator_action", &[]).await?.get(0);
    assert_eq!(actions, 1, "nothing to accept is nothing to write down");

    world.verify_clean().await?;
    // What Kafka has lost cannot be read again; what it has, can.
    let said = refused(&world, &["offsets", "reset", "--to", "start", "--all"], 2).await?;
    assert!(said.contains("cannot go back at all"), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_was_only_to_be_read_again_is_not_lost() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let places = world.log.publish(events(0, 12_400)).await?;
    let mut consumer = world.consumer()?;
    at_the_end(&world, &places).await?;
    assert!(consumer.terminate().await?.success());
    let before = everything(&world).await?;
    let change = ["--apply", "--reason", "x"];
    let reset = ["offsets", "reset", "--to", "start", "--all"];
    done(&world, &[&reset[..], &change].concat()).await?;
    delete_before(&world, 0, 11_000).await?;
    let report = done(&world, &[&["offsets", "accept-loss"][..], &change].concat()).await?;
    let found = &report["partitions"][0];
    assert_eq!(
        (&found["not_read_again"], &found["lost"]),
        (&json!(11_000), &json!(0)),
        "{report:#}"
    );
    // The rest of an open bucket is read again, and sealed as it was.
    let _consumer = world.consumer()?;
    at_the_end(&world, &places).await?;
    assert_eq!(everything(&world).await?, before, "something was changed or counted otherwise");
    chain_holds(&world, 0).await?;
    world.verify_clean().await
}

#[tokio::test]
async fn a_log_that_was_cut_off_is_another_log() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let places = world.log.publish(events(0, 30)).await?;
    let mut consumer = world.consumer()?;
    at_the_end(&world, &places).await?;
    assert!(consumer.terminate().await?.success());
    // As if the topic had been longer once.
    let sql = "UPDATE consumer_offset SET next_offset = next_offset + 1, rows = rows + 1";
    world.db.batch_execute(sql).await?;
    let said = refused(&world, &["offsets", "accept-loss"], 2).await?;
    assert!(said.contains("another log"), "{said}");
    Ok(())
}
