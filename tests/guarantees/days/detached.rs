//! A day that is taken out of `access_log` while a batch is on its way to it takes no row any more.

use anyhow::{Result, ensure};
use support::{World, swipe};

use super::{CARDS, caught_up, count};

/// By hand, and beside every rule: the day is still one that is kept, so nothing else stands between
/// the batch and the table.
#[tokio::test]
async fn no_row_goes_into_a_day_that_was_detached() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let swipes: Vec<_> = (0..3_000).map(|i| swipe(CARDS[i % 3], "t-hall", i as i64)).collect();
    let places = world.log.publish_swipes(&swipes).await?;
    // All is decided, and about to be written straight to the day's own table. What came in batches of
    // a few rows before went through access_log.
    let mut victim = world.faulty_consumer("routed=return(stop)")?;
    victim.says("a fail point").await?;
    let detach = "ALTER TABLE access_log DETACH PARTITION access_log_20160601";
    world.db.batch_execute(detach).await?;
    let before = count(&world, "access_log_20160601").await?;
    victim.signal("CONT")?;
    victim.says("a day of access_log was detached while it was written to").await?;
    // Looked for again, it is what only an operator can put right.
    let status = victim.ended().await?;
    ensure!(
        !status.success() && victim.said().contains("is no partition of access_log"),
        "{status}"
    );
    let after = count(&world, "access_log_20160601").await?;
    assert_eq!(after, before, "rows that are in no access_log");

    let attach = "ALTER TABLE access_log ATTACH PARTITION access_log_20160601 \
                  FOR VALUES FROM ('2016-06-01Z') TO ('2016-06-02Z')";
    world.db.batch_execute(attach).await?;
    let _successor = world.consumer()?;
    caught_up(&world, places.len()).await?;
    assert_eq!(count(&world, "access_log").await?, 3_000);
    world.verify_clean().await
}
