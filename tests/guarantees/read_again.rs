//! Reading the log again changes no row: an offset whose outcome stands keeps it.

use anyhow::Result;
use support::{Event, Totals, World, swipe};

/// Rows, a collision, a duplicate and a dead letter.
fn events() -> Vec<Event> {
    let mut events: Vec<Event> = (0..500)
        .map(|i| Event::from(&swipe(["c1", "c2", "c3"][i % 3], "t-hall", i as i64)))
        .collect();
    events.push(Event::from(&swipe("c1", "t-hall-2", 0)));
    events.push(Event::from(&swipe("c1", "t-hall", 0)));
    events.push(Event::from(&swipe("c1", "t-nowhere", 1_000)));
    events
}

const EVERYTHING: &str = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT a::text AS line FROM access_log a UNION ALL SELECT c::text FROM collision c
    UNION ALL SELECT d::text FROM duplicate_event d UNION ALL SELECT l::text FROM dead_letter l
    UNION ALL SELECT i::text FROM identity_conflict i) t";

pub(crate) async fn everything(world: &World) -> Result<String> {
    Ok(world.db.query_one(EVERYTHING, &[]).await?.get(0))
}

#[tokio::test]
async fn from_the_start_as_after_an_operators_mishap() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    let mut places = world.log.publish(events()).await?;
    let mut consumer = world.consumer()?;
    world.caught_up().await?;
    // One id for two swipes that do not meet in a batch, as they will when all is read again.
    let mut reused = swipe("c1", "t-hall", 50_000);
    reused.event_id = swipe("c1", "t-hall", 0).event_id;
    places.extend(world.log.publish_swipes(&[reused]).await?);
    let before = world.caught_up().await?;
    assert_eq!(before, Totals { rows: 501, collisions: 1, duplicates: 1, dead: 1, gaps: 0 });
    assert!(consumer.terminate().await?.success());
    let tables = everything(&world).await?;

    // All that says how far the log has been read is gone.
    world.db.execute("DELETE FROM consumer_offset", &[]).await?;
    let consumer = world.consumer()?;
    let again = world.caught_up().await?;
    assert_eq!(again, before, "the same offsets became something else: {}", consumer.said());
    let tables_again = everything(&world).await?;
    assert_eq!(tables_again, tables, "reading the log again changed a table");
    world.each_has_one_outcome(&places).await?;
    // As a word: the topic's name is random.
    let said = consumer.said();
    let mut words = said.split(|c: char| !c.is_ascii_alphanumeric());
    assert!(!words.any(|word| word == "c1"), "no card in the log: {said}");
    world.verify_clean().await
}

#[tokio::test]
async fn from_a_copy_of_the_database_taken_earlier() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    let mut places = world.log.publish(events()).await?;
    let consumer = world.consumer()?;
    world.caught_up().await?;
    places.extend(put_back(&world).await?);
    places.extend(
        world
            .log
            .publish_swipes(&[
                swipe("c1", "t-hall", 20_000),
                swipe("c2", "t-hall", 20_000),
                swipe("c3", "t-hall", 20_000),
            ])
            .await?,
    );
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 593, "the log made it whole again: {totals:?}: {}", consumer.said());
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

/// Whoever has lost `consumer_offset` puts it back from a backup: what was applied since stands beyond
/// it, and nothing there says so.
#[tokio::test]
async fn from_offsets_that_were_put_back_alone() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    let mut places = world.log.publish(events()).await?;
    let mut consumer = world.consumer()?;
    world.caught_up().await?;
    world.db.batch_execute("CREATE TABLE earlier AS SELECT * FROM consumer_offset").await?;
    // Rows, and much of what stands already once more.
    let more = (0..90).map(|i| Event::from(&swipe(["c1", "c2", "c3"][i % 3], "t-hall", 10_000)));
    places.extend(world.log.publish(more.chain(events())).await?);
    let before = world.caught_up().await?;
    assert!(before.duplicates > 500 && before.collisions == 1, "{before:?}");
    assert!(consumer.terminate().await?.success());
    let tables = everything(&world).await?;
    let back = "BEGIN; DELETE FROM consumer_offset; INSERT INTO consumer_offset SELECT * FROM earlier; \
                DROP TABLE earlier; COMMIT";
    world.db.batch_execute(back).await?;

    let consumer = world.consumer()?;
    let again = world.caught_up().await?;
    assert_eq!(again, before, "the same offsets became something else: {}", consumer.said());
    let tables_again = everything(&world).await?;
    assert_eq!(tables_again, tables, "reading the log again changed a table");
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

#[tokio::test]
async fn from_a_copy_taken_earlier_without_another_event() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    let mut places = world.log.publish(events()).await?;
    let consumer = world.consumer()?;
    world.caught_up().await?;
    places.extend(put_back(&world).await?);
    // No partition has traffic, so no batch finds out.
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 590, "the log made it whole again: {totals:?}: {}", consumer.said());
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

/// Publishes and waits for more swipes, then takes their rows back while the consumer runs, as by a
/// failover to a standby that had not received them. Their places.
async fn put_back(world: &World) -> Result<Vec<(i32, i64)>> {
    let offsets = "CREATE TABLE earlier AS SELECT * FROM consumer_offset";
    world.db.batch_execute(offsets).await?;
    let more: Vec<_> =
        (0..90).map(|i| swipe(["c1", "c2", "c3"][i % 3], "t-hall", 10_000 + i as i64)).collect();
    let places = world.log.publish_swipes(&more).await?;
    world.caught_up().await?;
    world
        .db
        .batch_execute(
            "BEGIN; \
             DELETE FROM access_log WHERE occurred_at >= '2016-06-01T00:00:10Z'; \
             DELETE FROM consumer_offset; \
             INSERT INTO consumer_offset SELECT * FROM earlier; \
             DROP TABLE earlier; \
             COMMIT",
        )
        .await?;
    Ok(places)
}
