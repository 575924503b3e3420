//! The same card twice in one millisecond, at two terminals: one row, one collision, nothing lost,
//! whichever comes first and whether or not they come together (S1).

use anyhow::Result;
use support::{Totals, World, swipe};

async fn two_at_once(first: &str, second: &str, together: bool) -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let (one, other) = (swipe("c1", first, 0), swipe("c1", second, 0));
    let mut places = world.log.publish_swipes(std::slice::from_ref(&one)).await?;
    let mut consumer = None;
    if !together {
        consumer = Some(world.consumer()?);
        world.caught_up().await?;
    }
    // The second one twice: a duplicate of a collision is a duplicate, not another collision.
    places.extend(world.log.publish_swipes(&[other.clone(), other.clone()]).await?);
    if together {
        consumer = Some(world.consumer()?);
    }
    let totals = world.caught_up().await?;
    drop(consumer);

    let expected = Totals { rows: 1, collisions: 1, duplicates: 1, ..Totals::default() };
    assert_eq!(totals, expected);
    world.each_has_one_outcome(&places).await?;
    let row = world.db.query_one("SELECT terminal_id, event_id FROM access_log", &[]).await?;
    assert_eq!(row.get::<_, String>(0), first, "the first in log order keeps the row");
    let sql = "SELECT terminal_id, event_id, row_offset, granted FROM collision";
    let collision = world.db.query_one(sql, &[]).await?;
    assert_eq!(collision.get::<_, String>(0), second, "the other is kept as a collision");
    assert_eq!(collision.get::<_, i64>(2), places[0].1, "which says what it collided with");
    assert_eq!(collision.get::<_, bool>(3), second != "t-lab", "with its own decision");
    Ok(())
}

#[tokio::test]
async fn in_one_batch() -> Result<()> {
    two_at_once("t-hall", "t-hall-2", true).await
}

#[tokio::test]
async fn in_one_batch_the_other_way_round() -> Result<()> {
    two_at_once("t-hall-2", "t-hall", true).await
}

#[tokio::test]
async fn in_two_batches() -> Result<()> {
    two_at_once("t-hall", "t-lab", false).await
}

#[tokio::test]
async fn in_two_batches_the_other_way_round() -> Result<()> {
    two_at_once("t-lab", "t-hall", false).await
}
