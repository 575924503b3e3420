//! Killed or stopped between any two steps of a claim or a batch, a consumer loses and doubles
//! nothing, and whoever comes after it goes on.

use std::os::unix::process::ExitStatusExt;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use schemas::Swipe;
use support::{Event, Process, Totals, World, live, swipe};
use tokio::runtime;
use tokio::task::spawn_blocking;

/// Every step of a claim, of a batch and of publishing (`consumer/src/claim.rs`, `pipeline.rs`,
/// `outbox/worker.rs`), in order.
const STEPS: [&str; 28] = [
    "register",
    "claim",
    "decode",
    "days",
    "begin",
    "fence",
    "refused",
    "gaps",
    "seals",
    "lanes",
    "probe",
    "judge",
    "copying",
    "rows",
    "collisions",
    "duplicates",
    "conflicts",
    "dead-letters",
    "parked",
    "card-states",
    "letters",
    "ledger",
    "totals",
    "outbox",
    "clock",
    "commit",
    "noted",
    "published",
];
/// Live for as long as this takes.
const LIVE: [(&str, &str); 3] = [
    ("GATELOG_CONSUMER_LEDGER__INTERVAL_MS", "300"),
    ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
    ("GATELOG_CONSUMER_DECISION__COMMAND_TTL_MS", "60000"),
];
/// Worlds at a time: each has two consumers, one of which waits for the other's session to run out.
const AT_ONCE: usize = 5;

/// One of everything: rows, some of them live, a collision, a duplicate, conflicts, dead letters; from
/// this ms on.
fn events(from: i64) -> Vec<Event> {
    let counted = |i: i64| Swipe {
        terminal_epoch: Some(1),
        // The last ten have numbers of the first ten.
        terminal_seq: Some((from + i % 90) as u64),
        ..swipe(["c1", "c2", "c3"][i as usize % 3], "t-hall", from + i)
    };
    let mut events: Vec<Event> = (0..100).map(|i| Event::from(&counted(i))).collect();
    events.push(Event::from(&swipe("c1", "t-hall-2", from)));
    events.push(Event::from(&counted(0)));
    let mut altered = counted(1);
    altered.direction = Some(schemas::Direction::In);
    events.push(Event::from(&altered));
    events.push(Event::from(&swipe("c1", "t-nowhere", from + 1_000)));
    let doors = [("c1", "t-hall"), ("c2", "t-hall"), ("c2", "t-lab"), ("stranger", "t-hall-2")];
    let live = doors.iter().zip(2_000..).map(|((card, door), ms)| live(card, door, from + ms));
    events.extend(live.map(|swipe| Event::from(&swipe)));
    events
}

/// What one set of [`events`] becomes.
const EACH: Totals = Totals { rows: 104, collisions: 1, duplicates: 2, dead: 1, gaps: 0 };

/// A consumer that has met its fail point, and the places of what was published so far.
struct Struck {
    world: World,
    victim: Process,
    places: Vec<(i32, i64)>,
}

async fn strike(step: &str, action: &str) -> Result<Struck> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    let places = world.log.publish(events(0)).await?;
    let victim = world.faulty_consumer_with(&format!("{step}=return({action})"), &LIVE)?;
    victim.says("a fail point").await?;
    Ok(Struck { world, victim, places })
}

/// Another consumer takes over, and all is as if nothing had happened.
async fn taken_over(struck: &mut Struck) -> Result<Process> {
    let Struck { world, places, .. } = struck;
    places.extend(world.log.publish(events(10_000)).await?);
    let successor = world.consumer_with(&LIVE)?;
    settled(world, places, 2).await.with_context(|| successor.said())?;
    Ok(successor)
}

async fn settled(world: &World, places: &[(i32, i64)], sets: i64) -> Result<()> {
    let expected = Totals {
        rows: sets * EACH.rows,
        collisions: sets * EACH.collisions,
        duplicates: sets * EACH.duplicates,
        dead: sets * EACH.dead,
        gaps: 0,
    };
    let totals = world.caught_up().await?;
    ensure!(totals == expected, "the totals are {totals:?}, expected {expected:?}");
    world.each_has_one_outcome(places).await?;
    ensure!(world.disordered().await? == 0, "rows of a card out of the order of the log");
    world.decisions_are_whole().await?;
    let shared = world.ledger_is_whole().await?;
    ensure!(shared == sets * 20, "{shared} events share a counter, expected {}", sets * 20);
    world.verify_clean().await
}

async fn killed(step: &'static str) -> Result<()> {
    let mut struck = strike(step, "kill").await?;
    let status = struck.victim.ended().await?;
    ensure!(status.signal() == Some(9), "it ended with {status}, not by SIGKILL");
    taken_over(&mut struck).await?;
    Ok(())
}

async fn stopped(step: &'static str) -> Result<()> {
    let mut struck = strike(step, "stop").await?;
    let _successor = taken_over(&mut struck).await?;
    // When it wakes up it still believes that the partitions are its own.
    struck.victim.signal("CONT")?;
    struck.places.extend(struck.world.log.publish(events(20_000)).await?);
    settled(&struck.world, &struck.places, 3).await
}

/// Runs `fault` at every step, some at a time; an error says at which.
///
/// Each on a thread of its own: DROP DATABASE, at the end of a world, waits for every session of the
/// server, and one that is stopped in mid-COPY does not answer before it is taken over.
async fn at_every_step<F>(fault: fn(&'static str) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + 'static,
{
    stream::iter(STEPS)
        .map(|step| async move {
            let done = spawn_blocking(move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(fault(step))
            });
            done.await?.with_context(|| format!("after {step:?}"))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

#[tokio::test]
async fn killed_after_any_step() -> Result<()> {
    at_every_step(killed).await
}

#[tokio::test]
async fn stopped_after_any_step_and_woken_again() -> Result<()> {
    at_every_step(stopped).await
}
