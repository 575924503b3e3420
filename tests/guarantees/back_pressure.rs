//! A writer that cannot keep up has its partitions paused; nothing is lost, and polling goes on.

use anyhow::Result;
use support::{World, eventually, swipe};

#[tokio::test]
async fn a_full_queue_pauses_and_resumes() -> Result<()> {
    let mut world = World::new(4).await?;
    let cards: Vec<String> = (0..50).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let mut consumer = world.consumer_with(&[
        ("GATELOG_CONSUMER_BATCH__QUEUE_CHUNKS_MAX", "1"),
        ("GATELOG_CONSUMER_BATCH__ROWS_MAX", "1000"),
        ("GATELOG_CONSUMER_STATUS__READY_LAG_MAX", "1000"),
        // Longer than the pause of this test, shorter than its patience.
        ("GATELOG_CONSUMER_BATCH__TIMEOUT_MS", "60000"),
    ])?;
    consumer.ready().await?;

    // Nobody may write: every batch waits for this lock.
    world.db.batch_execute("BEGIN; LOCK TABLE consumer_offset IN SHARE MODE").await?;
    let swipes: Vec<_> =
        (0..60_000).map(|i| swipe(&cards[i % cards.len()], "t-hall", i as i64)).collect();
    let places = world.log.publish_swipes(&swipes).await?;
    eventually("the partitions of a writer are paused", async || {
        let pauses = consumer.metric("gatelog_consumer_pauses_total").await?;
        Ok((pauses >= 1.0).then_some(()))
    })
    .await?;
    eventually("/readyz says that it is behind", async || {
        let (status, why) = consumer.page("/readyz").await?;
        Ok((status == 503 && why.contains("the limit is 1000")).then_some(()))
    })
    .await?;
    world.db.batch_execute("COMMIT").await?;

    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 60_000, "{totals:?}");
    world.each_has_one_outcome(&places).await?;
    consumer.ready().await
}
