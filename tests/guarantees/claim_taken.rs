//! A consumer whose claim was taken writes nothing, and says so.

use anyhow::Result;
use support::{World, eventually, swipe};

const TAKE: &str = "UPDATE consumer_offset SET owner = gen_random_uuid(), owner_name = 'thief'";

#[tokio::test]
async fn it_writes_nothing_more() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1", "c2", "c3", "c4"]).await?;
    // It would claim again after ten minutes: not within this test.
    let mut consumer =
        world.consumer_with(&[("GATELOG_CONSUMER_GROUP__RECLAIM_AFTER_MS", "600000")])?;
    let swipes: Vec<_> =
        (0..40).map(|i| swipe(["c1", "c2", "c3", "c4"][i % 4], "t-hall", i as i64)).collect();
    world.log.publish_swipes(&swipes[..20]).await?;
    world.caught_up().await?;
    let before = world.totals().await?;

    world.db.execute(TAKE, &[]).await?;
    let places = world.log.publish_swipes(&swipes[20..]).await?;
    let touched: std::collections::BTreeSet<i32> = places.iter().map(|place| place.0).collect();
    eventually("it has noticed for each partition that had events", async || {
        let noticed = consumer.metric("gatelog_consumer_claims_lost_total").await?;
        Ok((noticed >= touched.len() as f64).then_some(()))
    })
    .await?;
    // All that it had was tried and refused: what is in the tables now is what will be.
    assert_eq!(world.totals().await?, before, "a consumer without a claim has written");
    let rows: i64 = world.db.query_one("SELECT count(*) FROM access_log", &[]).await?.get(0);
    assert_eq!(rows, 20, "rows written without a claim");
    assert!(consumer.runs(), "it goes on: the group may give it other partitions");
    Ok(())
}

#[tokio::test]
async fn what_the_group_still_assigns_is_claimed_again() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1", "c2", "c3", "c4"]).await?;
    let _consumer = world.consumer_with(&[("GATELOG_CONSUMER_GROUP__RECLAIM_AFTER_MS", "1000")])?;
    let swipes: Vec<_> =
        (0..40).map(|i| swipe(["c1", "c2", "c3", "c4"][i % 4], "t-hall", i as i64)).collect();
    let mut places = world.log.publish_swipes(&swipes[..20]).await?;
    world.caught_up().await?;
    world.db.execute(TAKE, &[]).await?;
    places.extend(world.log.publish_swipes(&swipes[20..]).await?);
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 40, "{totals:?}");
    world.each_has_one_outcome(&places).await
}
