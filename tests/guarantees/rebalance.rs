//! Members that come and go in good order lose and double nothing.

use anyhow::Result;
use support::{Process, World, eventually, swipe};

const CARDS: [&str; 7] = ["c1", "c2", "c3", "c4", "c5", "c6", "c7"];

/// Waits until so many members own partitions, and every partition has an owner among them.
pub(crate) async fn shared_by(world: &World, members: i64) -> Result<()> {
    let what = format!("{members} members share the partitions");
    let sql =
        "SELECT count(DISTINCT owner_name), count(*) FROM consumer_offset WHERE owner_name <> ''";
    let partitions = i64::from(world.partitions);
    eventually(&what, async || {
        let row = world.db.query_one(sql, &[]).await?;
        Ok(((row.get::<_, i64>(0), row.get::<_, i64>(1)) == (members, partitions)).then_some(()))
    })
    .await
}

#[tokio::test]
async fn three_members_come_and_go_under_load() -> Result<()> {
    let mut world = World::new(12).await?;
    world.open_the_hall(&CARDS).await?;
    let swipes: Vec<_> =
        (0..30_000).map(|i| swipe(CARDS[i % CARDS.len()], "t-hall", i as i64)).collect();

    let member = |world: &mut World, name: &str| {
        world.consumer_with(&[("GATELOG_CONSUMER_GROUP__MEMBER", name)])
    };
    let mut members: Vec<Process> = vec![member(&mut world, "m1")?];
    shared_by(&world, 1).await?;
    let mut places = world.log.publish_swipes(&swipes[..10_000]).await?;
    members.push(member(&mut world, "m2")?);
    members.push(member(&mut world, "m3")?);
    places.extend(world.log.publish_swipes(&swipes[10_000..20_000]).await?);
    shared_by(&world, 3).await?;

    // One leaves, then another: each with an exit code of 0, having finished what it had begun.
    let publishing = world.log.publish_swipes(&swipes[20_000..]);
    let mut first = members.remove(0);
    let (published, left) = tokio::join!(publishing, first.terminate());
    places.extend(published?);
    assert!(left?.success(), "it left in good order: {}", first.said());
    shared_by(&world, 2).await?;
    assert!(members.remove(0).terminate().await?.success());
    shared_by(&world, 1).await?;

    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 30_000, "{totals:?}");
    world.each_has_one_outcome(&places).await?;

    // What Kafka's own tools show is where we are.
    assert!(members.remove(0).terminate().await?.success());
    let hinted = world.log.hinted(&world.group, i32::from(world.partitions)).await?;
    assert_eq!(hinted, 30_000, "offsets committed to Kafka as a hint");
    Ok(())
}

#[tokio::test]
async fn the_brokers_own_protocol_works_too() -> Result<()> {
    let mut world = World::new(4).await?;
    world.open_the_hall(&CARDS).await?;
    let next = [("GATELOG_CONSUMER_GROUP__PROTOCOL", "consumer")];
    let mut members = vec![world.consumer_with(&next)?];
    shared_by(&world, 1).await?;
    let swipes: Vec<_> =
        (0..2_000).map(|i| swipe(CARDS[i % CARDS.len()], "t-hall", i as i64)).collect();
    let mut places = world.log.publish_swipes(&swipes[..1_000]).await?;
    members.push(world.consumer_with(&next)?);
    shared_by(&world, 2).await?;
    places.extend(world.log.publish_swipes(&swipes[1_000..]).await?);
    assert!(members.remove(0).terminate().await?.success());
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 2_000, "{totals:?}");
    world.each_has_one_outcome(&places).await
}
