//! Nothing is read for a writer that cannot keep up; nothing is lost, and polling goes on.

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
        ("GATELOG_CONSUMER_BATCH__WRITERS", "1"),
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
    eventually("reading for a writer pauses", async || {
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
    consumer.ready().await?;

    // None of the partitions waited for the others: when a fifth was written, it was a fifth of each.
    let fifths = "SELECT log_partition, \
                      count(*) FILTER (WHERE nth <= 12_000)::float8 / count(*) \
                  FROM (SELECT log_partition, \
                               row_number() OVER (ORDER BY xmin::text::bigint) AS nth \
                        FROM access_log) AS written \
                  GROUP BY log_partition";
    let fifths = world.db.query(fifths, &[]).await?;
    let shares: Vec<(i32, f64)> = fifths.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(shares.len(), 4, "{shares:?}");
    let together = shares.iter().all(|(_, share)| (0.15..=0.25).contains(share));
    assert!(
        together,
        "shares of each partition among the first fifth of what was written: {shares:?}"
    );
    Ok(())
}
