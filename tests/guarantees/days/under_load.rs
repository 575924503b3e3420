//! Days go while swipes of just those days still come.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use support::{World, swipe};

use super::{APPLY, BEFORE, CARDS, DAY_MS, caught_up, count, done};

#[tokio::test]
async fn consumers_go_on_and_lose_nothing() -> Result<()> {
    let mut world = World::new(4).await?;
    world.open_the_hall(&CARDS).await?;
    let mut consumers = vec![world.consumer()?, world.consumer()?];
    for consumer in &mut consumers {
        consumer.ready().await?;
    }
    // Four days in turn, two of which are dropped meanwhile; each swipe once, some twice.
    let late = |round: i64| -> Vec<_> {
        let at = |i: i64| i % 4 * DAY_MS + round * 1_000 + i;
        let mut swipes: Vec<_> =
            (0..200).map(|i| swipe(CARDS[(i % 3) as usize], "t-hall", at(i))).collect();
        swipes.extend((0..4).map(|i| swipe(CARDS[(i % 3) as usize], "t-hall", at(i))));
        swipes.extend((0..4).map(|i| swipe(CARDS[(i % 3) as usize], "t-hall-2", at(i))));
        swipes
    };
    let mut places = world.log.publish_swipes(&late(0)).await?;
    caught_up(&world, places.len()).await?;
    let drop = [&["partitions", "drop", "--before", BEFORE][..], &APPLY].concat();
    let (published, dropped) = tokio::join!(
        async {
            let mut places = Vec::new();
            for round in 1..80 {
                places.extend(world.log.publish_swipes(&late(round)).await?);
            }
            anyhow::Ok(places)
        },
        async {
            // Some of the load is through, most is yet to come.
            caught_up(&world, 2_000).await?;
            done(&world, &drop).await
        }
    );
    let report = dropped?;
    places.extend(published?);
    caught_up(&world, places.len()).await?;
    for consumer in &mut consumers {
        assert!(consumer.runs(), "{}", consumer.said());
    }
    assert_eq!(report["days"].as_array().map(Vec::len), Some(2), "{report:#}");
    assert!(count(&world, "dead_letter").await? > 0, "late swipes of gone days are dead letters");
    each_is_somewhere(&world, &places).await?;

    let sql = "SELECT count(*) FROM access_log WHERE occurred_at < '2016-06-03Z'";
    assert_eq!(world.db.query_one(sql, &[]).await?.get::<_, i64>(0), 0);
    let leaves = "pg_class WHERE relname IN ('access_log_20160601', 'access_log_20160602')";
    assert_eq!(count(&world, leaves).await?, 0, "no day came back");
    world.verify_clean().await?;
    // What slipped in beside days that went is swept by the next run.
    done(&world, &drop).await?;
    each_is_somewhere(&world, &places).await
}

/// Each offset stands in one table, or is summed up with a day that is gone: as many of each bucket as
/// were published, and the running totals say the same.
async fn each_is_somewhere(world: &World, places: &[(i32, i64)]) -> Result<()> {
    let mut missing: BTreeMap<(i32, i64), i64> = BTreeMap::new();
    for (partition, offset) in places {
        *missing.entry((*partition, offset / 10_000)).or_default() += 1;
    }
    for ((partition, offset), times) in world.outcomes().await? {
        ensure!(times == 1, "offset {offset} of partition {partition} has {times} outcomes");
        ensure!(places.contains(&(partition, offset)), "an outcome of nothing");
        *missing.entry((partition, offset / 10_000)).or_default() -= 1;
    }
    let mut sums = [0_i64; 3];
    for row in world.db.query("SELECT * FROM dropped_sum", &[]).await? {
        let gone: [i64; 3] = [row.get("rows"), row.get("collisions"), row.get("duplicates")];
        let bucket = missing.entry((row.get("log_partition"), row.get("bucket"))).or_default();
        *bucket -= gone.iter().sum::<i64>();
        sums.iter_mut().zip(gone).for_each(|(sum, gone)| *sum += gone);
    }
    ensure!(missing.values().all(|left| *left == 0), "offsets without an outcome: {missing:?}");
    let totals = world.totals().await?;
    let stands = [
        count(world, "access_log").await? + sums[0],
        count(world, "collision").await? + sums[1],
        count(world, "duplicate_event").await? + sums[2],
        count(world, "dead_letter").await?,
    ];
    ensure!([totals.rows, totals.collisions, totals.duplicates, totals.dead] == stands);
    Ok(())
}
