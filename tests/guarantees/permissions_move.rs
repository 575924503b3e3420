//! Permissions that change in the middle of a batch, at a moment that the test chooses: counted as
//! what it is, decided again by every consumer, and nothing of it half done when one is killed there.

use std::os::unix::process::ExitStatusExt;

use anyhow::{Context, Result, ensure};
use schemas::Swipe;
use support::{Process, World, eventually, live};

use crate::permission_races::{STALE, WRONG};

/// Live for as long as this takes; one writer has one batch at a time.
const LIVE: [(&str, &str); 3] = [
    ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
    ("GATELOG_CONSUMER_DECISION__COMMAND_TTL_MS", "60000"),
    ("GATELOG_CONSUMER_BATCH__WRITERS", "1"),
];
/// Stopped for a while, a consumer keeps its partitions.
const PATIENT: [(&str, &str); 4] =
    [LIVE[0], LIVE[1], LIVE[2], ("GATELOG_CONSUMER_GROUP__SESSION_TIMEOUT_MS", "45000")];
const CARDS: usize = 48;
const CONSUMERS: usize = 3;

async fn world(partitions: u16) -> Result<World> {
    let world = World::new(partitions).await?;
    let cards: Vec<String> = (0..CARDS).map(card).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    Ok(world)
}

fn card(number: usize) -> String {
    format!("c{number}")
}

fn swipes(ms: std::ops::Range<i64>) -> Vec<Swipe<'static>> {
    let all = |ms| (0..CARDS).map(move |number| live(&card(number), "t-hall", ms));
    ms.flat_map(all).collect()
}

/// How many live rows there are, and how many that query finds.
async fn count(world: &World, sql: &str) -> Result<(i64, i64)> {
    let live = world.db.query_one("SELECT count(*) FROM access_log WHERE live", &[]).await?.get(0);
    Ok((live, world.db.query_one(sql, &[]).await?.get(0)))
}

#[tokio::test]
async fn a_batch_that_was_decided_again_is_in_the_rate() -> Result<()> {
    let mut world = world(1).await?;
    let mut consumer = world.faulty_consumer_with("rows=1*return(stop)", &PATIENT)?;
    consumer.ready().await?;
    let rate = "optimistic_lock_failure_rate{operation=\"decide\"}";
    let failures = "optimistic_lock_failure_total{operation=\"decide\",reason=\"stale_data\"}";
    let (_, page) = consumer.page("/metrics").await?;
    assert!(page.contains(&format!("{failures} 0\n")), "nothing has failed yet:\n{page}");
    world.log.publish_swipes(&swipes(0..1)).await?;
    consumer.says("a fail point").await?;
    world.db.batch_execute("UPDATE user_access SET zones = '{}'").await?;
    consumer.signal("CONT")?;
    world.caught_up().await?;
    let lines = ["retry_count_count", "retry_count_sum"]
        .map(|name| format!("optimistic_lock_{name}{{operation=\"decide\"}}"));
    let [updates, retries] = lines;
    // The metrics are counted right after the commit that the rows were seen by.
    eventually("the batches are counted", async || {
        let failed = consumer.metric(failures).await? == 1.0;
        Ok((failed && consumer.metric(&retries).await? == 1.0).then_some(()))
    })
    .await?;
    let (found, updates) = (consumer.metric(rate).await?, consumer.metric(&updates).await?);
    assert!(found > 0.0, "the minute is not over");
    assert!((found - 1.0 / updates).abs() < 1e-9, "{found} of {updates} batches");
    Ok(())
}

#[tokio::test]
async fn killed_in_the_middle_of_its_second_copy_it_leaves_nothing_and_stops_nobody() -> Result<()>
{
    let mut world = world(1).await?;
    // The first try copies rows and outbox and finds the clock moved; the third COPY is that of the
    // second try: begun, and not at its end.
    let places = world.log.publish_swipes(&swipes(0..20)).await?;
    let points = "rows=1*return(stop);copying=2*off->1*return(kill)";
    let mut victim = world.faulty_consumer_with(points, &LIVE)?;
    victim.says(r#""step":"rows""#).await?;
    world.db.batch_execute("UPDATE user_access SET zones = '{}'").await?;
    victim.signal("CONT")?;
    assert_eq!(victim.ended().await?.signal(), Some(9), "{}", victim.said());
    victim.says(r#""step":"copying""#).await?;
    let (live, outbox) = count(&world, "SELECT count(*) FROM outbox").await?;
    assert_eq!((live, outbox), (0, 0), "neither try has left anything");

    // It died with the permission lock, which goes with its session.
    world.db.batch_execute("UPDATE user_access SET zones = '{hall}'").await?;
    let _heir = world.consumer_with(&LIVE)?;
    world.caught_up().await?;
    world.each_has_one_outcome(&places).await?;
    for (what, sql) in [("stale", STALE), ("wrong", WRONG)] {
        let (live, found) = count(&world, sql).await?;
        assert_eq!((live, found), (places.len() as i64, 0), "live rows, and {what} ones");
    }
    world.decisions_are_whole().await?;
    world.verify_clean().await
}

/// Several consumers, each of which holds some of the partitions.
async fn consumers(world: &mut World, fail_points: &str) -> Result<Vec<Process>> {
    let mut consumers = Vec::new();
    for _ in 0..CONSUMERS {
        consumers.push(world.faulty_consumer_with(fail_points, &PATIENT)?);
    }
    eventually("each has its share of the partitions", async || {
        let mut shares = Vec::new();
        for consumer in &mut consumers {
            shares.push(consumer.metric("gatelog_consumer_claimed_partitions").await?);
        }
        Ok(shares.iter().all(|share| *share == 4.0).then_some(()))
    })
    .await?;
    Ok(consumers)
}

#[tokio::test]
async fn a_lockdown_holds_for_the_batch_that_each_consumer_is_at() -> Result<()> {
    let mut world = world(12).await?;
    // Each stands still with its decisions made and written, and not committed.
    let mut consumers = consumers(&mut world, "rows=1*return(stop)").await?;
    let places = world.log.publish_swipes(&swipes(0..1)).await?;
    for consumer in &consumers {
        consumer.says("a fail point").await?;
    }
    let (code, _, said) =
        world.gatelog(&["access", "zone", "set", "--all", "--mode", "deny_all"]).await?;
    ensure!(code == 0, "the lockdown failed: {said}");
    for consumer in &consumers {
        consumer.signal("CONT")?;
    }
    world.caught_up().await?;
    world.each_has_one_outcome(&places).await?;
    let locked_down = "SELECT count(*) FROM access_log WHERE live AND reasons & 256 <> 0";
    let all = places.len() as i64;
    assert_eq!(count(&world, locked_down).await?, (all, all), "live rows, and those denied for it");
    for consumer in &mut consumers {
        let failures = "optimistic_lock_failure_total{operation=\"decide\",reason=\"stale_data\"}";
        let again = consumer.metric(failures).await.with_context(|| consumer.said())?;
        assert_eq!(again, 1.0, "each has decided again, once: {}", consumer.said());
    }
    Ok(())
}
