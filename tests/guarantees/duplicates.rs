//! An event published twice, in one batch, in two, or after a restart, is one row and one recorded
//! duplicate that names where it stood first.

use anyhow::Result;
use support::{Totals, World, swipe};

#[tokio::test]
async fn published_twice_is_one_row_and_one_duplicate() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2"]).await?;
    let swipes: Vec<_> = (0..50).map(|i| swipe(["c1", "c2"][i % 2], "t-hall", i as i64)).collect();

    // Twice in what will be one batch.
    let first = world.log.publish_swipes(&swipes).await?;
    let again = world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 50, duplicates: 50, ..Totals::default() });

    // Once more, later.
    let later = world.log.publish_swipes(&swipes).await?;
    world.caught_up().await?;
    assert!(consumer.terminate().await?.success(), "a consumer that is asked to stop exits with 0");

    // And after a restart.
    let last = world.log.publish_swipes(&swipes).await?;
    let _restarted = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 50, duplicates: 150, ..Totals::default() });

    // And when nobody knows the terminal any more: what was decided once needs no decision.
    world.db.execute("DELETE FROM terminal", &[]).await?;
    let unknown = world.log.publish_swipes(&swipes).await?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 50, duplicates: 200, ..Totals::default() });

    let places: Vec<_> = [&first[..], &again, &later, &last, &unknown].concat();
    world.each_has_one_outcome(&places).await?;
    let sql = "SELECT count(*) FROM duplicate_event d JOIN access_log a \
               ON a.log_partition = d.log_partition AND a.log_offset = d.first_offset \
               AND a.event_id = d.event_id AND a.card_id = d.card_id AND a.occurred_at = d.occurred_at";
    let named: i64 = world.db.query_one(sql, &[]).await?.get(0);
    assert_eq!(named, 200, "each duplicate names the row it repeats");
    Ok(())
}

#[tokio::test]
async fn a_crowd_in_one_moment_hides_no_duplicate() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&[]).await?;
    // As a terminal whose clock knows only hours would have it.
    let cards: Vec<String> = (0..1_500).map(|i| format!("c{i}")).collect();
    let crowd: Vec<_> = cards.iter().map(|card| swipe(card, "t-hall", 0)).collect();
    let mut places = world.log.publish_swipes(&crowd).await?;
    let one = [("GATELOG_CONSUMER_BATCH__WRITERS", "1")];
    let mut consumer = world.consumer_with(&one)?;
    world.caught_up().await?;
    assert!(consumer.terminate().await?.success(), "a consumer that is asked to stop exits with 0");

    // Three hundred that are there, one of them once more with another id, and five that are not: in
    // one batch, or few.
    let mut some = crowd[700..1_000].to_vec();
    let mut other = crowd[705].clone();
    other.event_id = uuid::Uuid::new_v4();
    some.push(other);
    some.extend(["n1", "n2", "n3", "n4", "n5"].map(|card| swipe(card, "t-hall", 0)));
    places.extend(world.log.publish_swipes(&some).await?);
    let mut consumer = world.consumer_with(&one)?;
    let totals = world.caught_up().await?;
    let expected = Totals { rows: 1_505, duplicates: 300, collisions: 1, ..Totals::default() };
    assert_eq!(totals, expected);
    world.each_has_one_outcome(&places).await?;
    assert!(consumer.said_times("many rows in few moments") > 0, "the crowd was not met");
    let retries = consumer.metric("gatelog_consumer_batch_retries_total").await?;
    assert_eq!(retries, 0.0, "all that stands was found at the first look, and no COPY refused");
    Ok(())
}
