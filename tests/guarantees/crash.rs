//! SIGKILL of a consumer at any moment loses nothing, doubles nothing and keeps each card's order.

use std::time::{Duration, Instant};

use anyhow::Result;
use schemas::Swipe;
use support::{Process, World, eventually, swipe};

use crate::rebalance::shared_by;

/// The terminals' ledger is kept all the time, so that kills meet that, too.
const FOLDING: [(&str, &str); 1] = [("GATELOG_CONSUMER_LEDGER__INTERVAL_MS", "100")];
const CARDS: [&str; 5] = ["c1", "c2", "c3", "c4", "c5"];

#[tokio::test]
async fn killed_again_and_again_under_load() -> Result<()> {
    let mut world = World::new(6).await?;
    world.open_the_hall(&CARDS).await?;
    // Two at a time; the one that has worked longer is killed, four times over.
    let mut members: Vec<Process> =
        vec![world.consumer_with(&FOLDING)?, world.consumer_with(&FOLDING)?];
    members[0].ready().await?;
    members[1].ready().await?;

    let mut places = Vec::new();
    for round in 0..4_i64 {
        let applied = world.totals().await?.all();
        let swipes: Vec<_> = (0..4_000)
            .map(|i| Swipe {
                terminal_epoch: Some(0),
                // Each round's last ones are the first of the next, too.
                terminal_seq: Some(round as u64 * 3_950 + i as u64),
                ..swipe(CARDS[i % CARDS.len()], "t-hall", round * 100_000 + i as i64)
            })
            .collect();
        let (publishing, killing) = tokio::join!(
            async {
                // In pieces, so that there is always something under way.
                let mut places = Vec::new();
                for some in swipes.chunks(200) {
                    places.extend(world.log.publish_swipes(some).await?);
                }
                anyhow::Ok(places)
            },
            async {
                // Another moment each time: after 1, 301, 601, 901 further events.
                let moment = applied + 1 + round * 300;
                eventually("some of this round's events are applied", async || {
                    Ok((world.totals().await?.all() >= moment).then_some(()))
                })
                .await?;
                members.remove(0).kill()
            }
        );
        places.extend(publishing?);
        killing?;
        members.push(world.consumer_with(&FOLDING)?);
    }
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 16_000, "every swipe became a row: {totals:?}");
    world.each_has_one_outcome(&places).await?;
    assert_eq!(world.disordered().await?, 0, "rows of a card out of the order of the log");
    assert_eq!(world.ledger_is_whole().await?, 3 * 2 * 50, "events that share a counter");
    Ok(())
}

#[tokio::test]
async fn its_partitions_are_worked_again_within_six_seconds() -> Result<()> {
    let mut world = World::new(6).await?;
    world.open_the_hall(&CARDS).await?;
    let mut members: Vec<Process> = vec![world.consumer()?, world.consumer()?];
    let mut took = Vec::new();
    // One of three in time will do: other tests are at work on this machine, too.
    for round in 0..3_i64 {
        shared_by(&world, 2).await?;
        members.remove(0).kill()?;
        let killed = Instant::now();
        let swipes: Vec<_> =
            CARDS.iter().map(|card| swipe(card, "t-hall", round * 100_000)).collect();
        let places = world.log.publish_swipes(&swipes).await?;
        world.caught_up().await?;
        took.push(killed.elapsed());
        world.each_has_one_outcome(&places).await?;
        if took[took.len() - 1] <= Duration::from_secs(6) {
            return Ok(());
        }
        members.push(world.consumer()?);
    }
    panic!("partitions of a killed consumer stood still for {took:?}, each time more than 6 s")
}

#[tokio::test]
async fn stopped_in_mid_transaction_it_does_not_hold_its_partitions() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&CARDS).await?;
    let mut sleeper = world.consumer()?;
    sleeper.ready().await?;
    let swipes: Vec<_> =
        (0..200).map(|i| swipe(CARDS[i % CARDS.len()], "t-hall", i as i64)).collect();
    let mut places = world.log.publish_swipes(&swipes[..100]).await?;
    world.caught_up().await?;

    // Its next batch gets past the fence, to where it wants to write, and no further.
    world.db.batch_execute("BEGIN; LOCK TABLE access_log IN SHARE MODE").await?;
    places.extend(world.log.publish_swipes(&swipes[100..]).await?);
    let watch = world.another_session().await?;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND query LIKE 'COPY access_log%'";
    eventually("a batch waits in mid-transaction", async || {
        let waiting: i64 = watch.query_one(waiting, &[]).await?.get(0);
        Ok((waiting > 0).then_some(()))
    })
    .await?;
    sleeper.signal("STOP")?;
    world.db.batch_execute("COMMIT").await?;

    // Its session stays open, waits for data that never comes, and holds the partition's row.
    let successor = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 200, "{totals:?}");
    successor.says("held a claimed partition for too long; ended it").await?;
    sleeper.signal("CONT")?;
    places.extend(world.log.publish_swipes(&[swipe("c1", "t-hall", 5_000)]).await?);
    world.caught_up().await?;
    world.each_has_one_outcome(&places).await
}

#[tokio::test]
async fn stopped_beyond_the_session_and_woken_again() -> Result<()> {
    let mut world = World::new(4).await?;
    world.open_the_hall(&CARDS).await?;
    let mut sleeper = world.consumer()?;
    sleeper.ready().await?;
    let swipes = |from: i64, count: usize| -> Vec<_> {
        (0..count).map(|i| swipe(CARDS[i % CARDS.len()], "t-hall", from + i as i64)).collect()
    };
    let mut places = world.log.publish_swipes(&swipes(0, 500)).await?;
    world.caught_up().await?;

    // It stops with events under way, and another takes its place.
    places.extend(world.log.publish_swipes(&swipes(10_000, 2_000)).await?);
    sleeper.signal("STOP")?;
    let _successor = world.consumer()?;
    places.extend(world.log.publish_swipes(&swipes(20_000, 500)).await?);
    world.caught_up().await?;

    // When it wakes up it still believes that the partitions are its own.
    sleeper.signal("CONT")?;
    places.extend(world.log.publish_swipes(&swipes(30_000, 500)).await?);
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 3_500, "{totals:?}");
    world.each_has_one_outcome(&places).await?;
    Ok(())
}
