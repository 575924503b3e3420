//! A consumer that remembers permissions, and changes that nobody can tell it of one by one: they were
//! given up with their day, or are too many. It takes everything for changed.

use anyhow::Result;
use support::{Process, World, live};

use crate::permission_races::{STALE, WRONG};

const CARDS: [&str; 3] = ["a", "b", "untouched"];
/// One writer has one cache.
const LIVE: [(&str, &str); 2] = [
    ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
    ("GATELOG_CONSUMER_BATCH__WRITERS", "1"),
];
const LOADS: &str = "gatelog_consumer_permission_loads_total{kind=\"card\"}";

/// A consumer that has decided on each card, and so remembers them.
async fn warm() -> Result<(World, Process)> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let mut consumer = world.consumer_with(&LIVE)?;
    swipe_all(&world, 0).await?;
    assert_eq!(consumer.metric(LOADS).await?, 3.0, "each card was loaded once");
    // What is remembered is used.
    swipe_all(&world, 1).await?;
    assert_eq!(consumer.metric(LOADS).await?, 3.0, "no card has changed");
    Ok((world, consumer))
}

async fn swipe_all(world: &World, ms: i64) -> Result<()> {
    world.log.publish_swipes(&CARDS.map(|card| live(card, "t-hall", ms))).await?;
    world.caught_up().await?;
    Ok(())
}

/// After the changes, everything was loaded anew and each card has what it may do now.
async fn all_is_new(world: &World, consumer: &mut Process) -> Result<()> {
    swipe_all(world, 2).await?;
    let sql = "SELECT card_id FROM access_log WHERE live AND granted \
               AND occurred_at = '2016-06-01T00:00:00.002Z'";
    let rows = world.db.query(sql, &[]).await?;
    let granted: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(granted, ["untouched"], "who may still enter the hall");
    assert_eq!(consumer.metric(LOADS).await?, 6.0, "all three were loaded anew");
    for (what, sql) in [("stale", STALE), ("wrong", WRONG)] {
        let found: i64 = world.db.query_one(sql, &[]).await?.get(0);
        assert_eq!(found, 0, "{what} live rows");
    }
    Ok(())
}

#[tokio::test]
async fn where_changes_were_given_up_all_is_read_anew() -> Result<()> {
    let (world, mut consumer) = warm().await?;
    // Of three ticks the first is gone when the consumer asks what has changed.
    world
        .db
        .batch_execute(
            "UPDATE user_access SET zones = '{}' WHERE card_id = 'a'; \
             UPDATE user_access SET zones = '{}' WHERE card_id = 'b';",
        )
        .await?;
    let tick = "DELETE FROM permission_change WHERE clock = \
                (SELECT version FROM permission_clock)";
    assert!(world.db.execute(tick, &[]).await? > 0, "there was no change to give up");
    world.db.batch_execute("UPDATE zone SET name = 'Great hall' WHERE zone_id = 'hall'").await?;
    all_is_new(&world, &mut consumer).await
}

#[tokio::test]
async fn of_more_changes_than_it_looks_at_it_reads_all_anew() -> Result<()> {
    let (world, mut consumer) = warm().await?;
    // One transaction, one tick, and a change for each statement; `b` comes last.
    let many = "DO $$ BEGIN \
                    FOR n IN 1..10050 LOOP \
                        UPDATE user_access SET zones = '{}' WHERE card_id = 'a'; \
                    END LOOP; \
                    UPDATE user_access SET zones = '{}' WHERE card_id = 'b'; \
                END $$";
    world.db.batch_execute(many).await?;
    let sql = "SELECT count(*) FROM permission_change WHERE clock = \
               (SELECT version FROM permission_clock)";
    let changes: i64 = world.db.query_one(sql, &[]).await?.get(0);
    assert!(changes > 10_000, "{changes} changes");
    all_is_new(&world, &mut consumer).await
}
