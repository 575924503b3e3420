//! Offsets without events, as transactional producers leave them, are recorded and hold up nobody.

use std::time::{Duration, Instant};

use anyhow::Result;
use rdkafka::producer::Producer;
use support::{Event, Process, Totals, World, eventually, swipe};

const TRANSACTIONS: i64 = 60;

#[tokio::test]
async fn markers_and_aborted_events_are_gaps() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let at = |ms| Event::from(&swipe("c1", "t-hall", ms));
    // Each commits one event and leaves a marker; each fourth is aborted, its event with it.
    let groups = (0..TRANSACTIONS).map(|i| (vec![at(i)], i % 4 != 3)).collect();
    world.log.publish_in_transactions(groups).await?;
    world.log.publish([at(10_000)]).await?;

    let mut consumer = world.consumer()?;
    let totals = world.caught_up().await?;
    let (committed, aborted) = (TRANSACTIONS * 3 / 4, TRANSACTIONS / 4);
    let expected =
        Totals { rows: committed + 1, gaps: committed + 2 * aborted, ..Totals::default() };
    assert_eq!(totals, expected);
    let recorded: i64 = world
        .db
        .query_one("SELECT sum(end_offset - first_offset)::bigint FROM offset_gap", &[])
        .await?
        .get(0);
    assert_eq!(recorded, expected.gaps, "every gap is recorded");
    // All gaps of a stretch of the log are looked at again together.
    let again = consumer.said_times("fetching again");
    assert!(again <= 10, "{again} fetches for {} gaps", expected.gaps);
    world.verify_clean().await?;

    // A marker at the end never becomes an event: nobody is behind for it.
    world.log.publish_in_transactions(vec![(vec![at(20_000)], true)]).await?;
    caught_up_for(&mut consumer, "after a marker").await?;
    assert_eq!(world.totals().await?.rows, expected.rows + 1);

    // A transaction that is left open holds back what comes after it: that is lag.
    let open = world.log.begin_transaction(vec![at(30_000)]).await?;
    world.log.publish([at(40_000), at(50_000)]).await?;
    eventually("what is held back is shown", async || {
        Ok((lag(&mut consumer).await? == 3.0).then_some(()))
    })
    .await?;
    tokio::task::spawn_blocking(move || open.commit_transaction(support::PATIENCE)).await??;
    caught_up_for(&mut consumer, "after it was committed").await?;
    assert_eq!(world.totals().await?.rows, expected.rows + 4);
    Ok(())
}

async fn lag(consumer: &mut Process) -> Result<f64> {
    consumer.metric(r#"gatelog_consumer_lag_events{partition="0"}"#).await
}

/// Waits until nothing is behind, and for as long as librdkafka, which counts once a second, may
/// take to say otherwise.
async fn caught_up_for(consumer: &mut Process, when: &str) -> Result<()> {
    let what = format!("no lag is shown {when}, for two seconds and a half");
    let mut since = Instant::now();
    eventually(&what, async || {
        if lag(consumer).await? != 0.0 {
            since = Instant::now();
        }
        Ok((since.elapsed() > Duration::from_millis(2_500)).then_some(()))
    })
    .await
}
