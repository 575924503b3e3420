//! Sessions that Postgres ends in mid-batch, at whatever step, cost nothing but time.

use anyhow::Result;
use support::{World, swipe};

const CARDS: [&str; 4] = ["c1", "c2", "c3", "c4"];

#[tokio::test]
async fn sessions_ended_again_and_again() -> Result<()> {
    let mut world = World::new(4).await?;
    world.open_the_hall(&CARDS).await?;
    let mut consumer = world.consumer()?;
    consumer.ready().await?;
    let swipes: Vec<_> =
        (0..20_000).map(|i| swipe(CARDS[i % CARDS.len()], "t-hall", i as i64)).collect();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name LIKE 'gatelog-consumer%'";
    let mut places = Vec::new();
    let mut ended = 0;
    for some in swipes.chunks(500) {
        places.extend(world.log.publish_swipes(some).await?);
        ended += world.db.query_one(cut, &[]).await?.get::<_, i64>(0);
    }
    assert!(ended >= 10, "only {ended} sessions were there to be ended");
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 20_000, "{totals:?}");
    world.each_has_one_outcome(&places).await?;
    assert!(consumer.runs(), "an outage is waited out: {}", consumer.said());
    Ok(())
}
