//! Writers that have unequally much to do share it, and nothing comes out of order by that.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use schemas::partition_of;
use support::{Process, Proxy, World, eventually, live, swipe};
use uuid::Uuid;

const PARTITIONS: u16 = 8;
/// A few batches for the one, and three times as many for the other.
const EVENTS: usize = 80_000;
/// On each way to Postgres, so that batches take some time whatever machine this is.
const LATENCY: Duration = Duration::from_millis(20);

/// Cards of these partitions, five of each.
fn cards_of(partitions: [i32; 4]) -> Vec<String> {
    let names = || (0..).map(|i| format!("c{i}"));
    let of = |owed: i32| {
        names().filter(move |card| partition_of(card.as_bytes(), PARTITIONS.into()) == owed).take(5)
    };
    partitions.into_iter().flat_map(of).collect()
}

/// What the first of two writers is dealt, and the second.
const DEALT: [[i32; 4]; 2] = [[0, 2, 4, 6], [1, 3, 5, 7]];

/// Small queues and batches, so that a few thousand events are a backlog.
const SMALL: [(&str, &str); 3] = [
    ("GATELOG_CONSUMER_BATCH__WRITERS", "2"),
    ("GATELOG_CONSUMER_BATCH__QUEUE_CHUNKS_MAX", "1"),
    ("GATELOG_CONSUMER_BATCH__ROWS_MAX", "500"),
];

async fn moved(consumer: &mut Process, to: &str) -> Result<f64> {
    consumer.metric(&format!("gatelog_consumer_partitions_moved_total{{to=\"{to}\"}}")).await
}

#[tokio::test]
async fn a_writer_with_nothing_to_do_takes_over_partitions() -> Result<()> {
    let mut world = World::new(PARTITIONS).await?;
    let cards = cards_of(DEALT[0]);
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let live_ones = [
        ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
        ("GATELOG_CONSUMER_DECISION__COMMAND_TTL_MS", "60000"),
    ];
    let mut consumer = world.consumer_with(&[&SMALL[..], &live_ones].concat())?;
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
    eventually("partitions go to the other writer", async || {
        Ok((moved(&mut consumer, "idle").await? >= 1.0).then_some(()))
    })
    .await?;

    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 20_000, "{totals:?}");
    world.each_has_one_outcome(&places).await?;
    ensure!(world.disordered().await? == 0, "rows of a card are out of order");
    they_did_not_meet(&mut consumer).await?;
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

#[tokio::test]
async fn a_writer_that_will_be_done_first_takes_over_before_it_is() -> Result<()> {
    let mut world = World::new(PARTITIONS).await?;
    let cards = DEALT.map(cards_of);
    let all: Vec<&str> = cards.iter().flatten().map(String::as_str).collect();
    world.open_the_hall(&all).await?;
    // Three of four are the first writer's.
    let of = |nth: usize| match nth % 4 {
        0 => &cards[1][nth / 4 % 20],
        other => &cards[0][(nth / 4 * 3 + other) % 20],
    };
    let swipes: Vec<_> = (0..EVENTS).map(|nth| swipe(of(nth), "t-hall", nth as i64)).collect();
    let places = world.log.publish_swipes(&swipes).await?;

    let proxy = Proxy::before_postgres(&world.postgres_address()?).await?;
    proxy.set_latency(LATENCY);
    let url = world.postgres_at(proxy.address());
    let through_it = [("GATELOG_POSTGRES", url.as_str())];
    let mut consumer = world.consumer_with(&[&SMALL[..], &through_it].concat())?;
    consumer.ready().await?;
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, EVENTS as i64, "{totals:?}");
    let ahead = moved(&mut consumer, "ahead").await?;
    ensure!(ahead >= 1.0, "the second writer took over nothing before it had nothing to do");
    world.each_has_one_outcome(&places).await?;
    ensure!(world.disordered().await? == 0, "rows of a card are out of order");
    they_did_not_meet(&mut consumer).await?;
    world.verify_clean().await
}

/// Two batches of one partition at once would have met at the fence.
async fn they_did_not_meet(consumer: &mut Process) -> Result<()> {
    for met in ["gatelog_consumer_claims_lost_total", "gatelog_consumer_batch_retries_total"] {
        ensure!(consumer.metric(met).await? == 0.0, "{met} has counted");
    }
    Ok(())
}
