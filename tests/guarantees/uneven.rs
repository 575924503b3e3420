//! Writers that have unequally much to do share it, and nothing comes out of order by that.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use schemas::partition_of;
use support::{World, eventually, live};
use uuid::Uuid;

const PARTITIONS: u16 = 8;

/// Cards of the partitions that the first of two writers is dealt, five of each.
fn cards_of_the_first() -> Vec<String> {
    let names = || (0..).map(|i| format!("c{i}"));
    let of = |owed: i32| {
        names().filter(move |card| partition_of(card.as_bytes(), PARTITIONS.into()) == owed).take(5)
    };
    [0, 2, 4, 6].into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn a_writer_with_nothing_to_do_takes_over_partitions() -> Result<()> {
    let mut world = World::new(PARTITIONS).await?;
    let cards = cards_of_the_first();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let mut consumer = world.consumer_with(&[
        ("GATELOG_CONSUMER_BATCH__WRITERS", "2"),
        ("GATELOG_CONSUMER_BATCH__QUEUE_CHUNKS_MAX", "1"),
        ("GATELOG_CONSUMER_BATCH__ROWS_MAX", "500"),
        ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
        ("GATELOG_CONSUMER_DECISION__COMMAND_TTL_MS", "60000"),
    ])?;
    consumer.ready().await?;

    // The one waits for this lock, and has its queue full; for the other there is nothing.
    world.db.batch_execute("BEGIN; LOCK TABLE consumer_offset IN SHARE MODE").await?;
    let swipes: Vec<_> =
        (0..20_000).map(|i| live(&cards[i % cards.len()], "t-hall", i as i64)).collect();
    let places = world.log.publish_swipes(&swipes).await?;
    eventually("reading for a writer pauses", async || {
        let pauses = consumer.metric("gatelog_consumer_pauses_total").await?;
        Ok((pauses >= 1.0).then_some(()))
    })
    .await?;
    world.db.batch_execute("COMMIT").await?;
    eventually("partitions have come to the other writer", async || {
        let moved = consumer.metric("gatelog_consumer_partitions_moved_total").await?;
        Ok((moved >= 2.0).then_some(()))
    })
    .await?;

    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 20_000, "{totals:?}");
    world.each_has_one_outcome(&places).await?;
    ensure!(world.disordered().await? == 0, "rows of a card are out of order");
    // Two batches of one partition at once would have met at the fence.
    for met in ["gatelog_consumer_claims_lost_total", "gatelog_consumer_batch_retries_total"] {
        ensure!(consumer.metric(met).await? == 0.0, "{met} has counted");
    }
    // All of one terminal, and so in one partition.
    let sent: HashMap<Uuid, usize> =
        swipes.iter().enumerate().map(|(nth, swipe)| (swipe.event_id, nth)).collect();
    let mut latest = HashMap::new();
    for published in world.decisions_are_whole().await? {
        let nth = sent[&published.decision.event_id];
        let before = latest.insert(nth % cards.len(), nth);
        ensure!(before < Some(nth), "{:?}: number {nth} after {before:?}", published.at);
    }
    world.verify_clean().await
}
