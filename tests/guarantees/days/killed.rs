//! A drop that is killed leaves a state that the same command completes, and sums nothing up twice.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use support::{World, eventually, swipe};

use super::{
    APPLY, BEFORE, CARDS, DAY_MS, applied, apply, chains, count, done, gatelog, gone, staying,
    sums_are,
};

/// A run of `gatelog` that is to be killed.
fn start(world: &World, arguments: &[&str]) -> Result<Child> {
    let mut command = Command::new(gatelog()?);
    command.args(arguments).envs(world.environment()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}

fn kill(mut child: Child) -> Result<()> {
    // Gone already is as good.
    std::mem::drop(child.kill());
    child.wait()?;
    Ok(())
}

/// What `partitions drop` comes to, one after the other.
const STEPS: [&str; 8] = [
    "SELECT gone_before IS NOT NULL FROM retention",
    "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'access_log'::regclass AND inhdetachpending) \
     OR (SELECT count(*) FROM pg_inherits WHERE inhparent = 'access_log'::regclass) < 4",
    "SELECT count(*) < 3 FROM pg_inherits WHERE inhparent = 'access_log'::regclass",
    "SELECT EXISTS (SELECT FROM dropped_sum WHERE duplicates > 0)",
    "SELECT EXISTS (SELECT FROM dropped_sum WHERE collisions > 0)",
    "SELECT EXISTS (SELECT FROM dropped_sum WHERE rows > 0)",
    "SELECT to_regclass('access_log_20160602') IS NULL",
    "SELECT EXISTS (SELECT FROM log_base)",
];

#[tokio::test]
async fn killed_at_any_moment_and_run_again() -> Result<()> {
    let mut world = World::new(2).await?;
    let log = applied(&mut world, 4, 8_000).await?;
    let (gone, chains) = (gone(&world, &log).await?, chains(&world).await?);
    let staying_before = staying(&world).await?;
    let drop = [&["partitions", "drop", "--before", BEFORE][..], &APPLY].concat();
    for step in STEPS {
        let mut running = start(&world, &drop)?;
        loop {
            // Looked at before the step: it may have done it and ended in between.
            let ended = running.try_wait()?.is_some();
            if world.db.query_one(step, &[]).await?.get::<_, bool>(0) {
                break;
            }
            ensure!(!ended, "it ended and never came to: {step}");
        }
        kill(running)?;
        world.verify_clean().await?;
    }
    done(&world, &drop).await?;
    world.verify_clean().await?;
    sums_are(&world, &gone, &chains).await?;
    assert_eq!(staying(&world).await?, staying_before, "something of a day that is kept");
    Ok(())
}

#[tokio::test]
async fn killed_in_mid_transaction_and_after_any_while() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&CARDS).await?;
    // Rows alone, so that the first sums to be written are those of a day.
    let swipes = (0..24_000_i64)
        .map(|i| swipe(CARDS[(i % 3) as usize], "t-hall", i / 6_000 * DAY_MS + i % 6_000));
    let log = apply(&mut world, swipes.collect()).await?;
    let (gone, chains) = (gone(&world, &log).await?, chains(&world).await?);
    let staying_before = staying(&world).await?;
    let drop = [&["partitions", "drop", "--before", BEFORE][..], &APPLY].concat();
    for table in ["operator_action", "dropped_sum"] {
        world.db.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN SHARE MODE")).await?;
        let running = start(&world, &drop)?;
        let watch = world.another_session().await?;
        let waits = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO {table}%')"
        );
        eventually("it has done all of a transaction but this", async || {
            Ok(watch.query_one(&waits, &[]).await?.get::<_, bool>(0).then_some(()))
        })
        .await?;
        kill(running)?;
        world.db.batch_execute("COMMIT").await?;
    }
    assert_eq!(count(&world, "dropped_sum").await?, 0, "what was cut off was taken back");
    assert!(count(&world, "access_log_20160601").await? > 0, "the day with it");
    // A little later each time, so that each step is cut off somewhere.
    let mut kills = 0;
    for ms in (20..2_000_u64).step_by(10) {
        let mut running = start(&world, &drop)?;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        if running.try_wait()?.is_some() {
            break;
        }
        kill(running)?;
        kills += 1;
    }
    assert!(kills > 2, "it was never killed: this has shown nothing");
    done(&world, &drop).await?;
    world.verify_clean().await?;
    sums_are(&world, &gone, &chains).await?;
    assert_eq!(staying(&world).await?, staying_before, "something of a day that is kept");
    Ok(())
}
