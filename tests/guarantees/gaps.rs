//! Offsets without events, as transactional producers leave them, are recorded and hold up nobody.

use anyhow::Result;
use support::{Event, Totals, World, eventually, swipe};

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
    eventually("no lag is shown", async || {
        let applied = world.totals().await?.rows == expected.rows + 1;
        let lag = consumer.metric(r#"gatelog_consumer_lag_events{partition="0"}"#).await?;
        Ok((applied && lag == 0.0).then_some(()))
    })
    .await?;
    // Nor by what librdkafka counts once a second, from then on.
    for _ in 0..25 {
        let lag = consumer.metric(r#"gatelog_consumer_lag_events{partition="0"}"#).await?;
        assert_eq!(lag, 0.0, "a marker is nothing to be behind with");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Ok(())
}
