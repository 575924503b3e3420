//! A door opens once for a swipe, whatever is done with the log, the letters and the database
//! afterwards.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use schemas::{Millis, Swipe};
use support::{Event, Process, World, eventually, live, swipe};
use uuid::Uuid;

const CARDS: [&str; 8] = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"];
/// Swipes of a day that open a door, and those that are given up first.
const DAY: i64 = 400;
const GIVEN_UP: i64 = 240;
/// What comes is live for an hour, so that nothing but its having come before keeps a door shut.
const AN_HOUR: [(&str, &str); 2] = [
    ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
    ("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "3600000"),
];
/// The same, but with a compensator.
const COMPENSATING: [(&str, &str); 2] =
    [AN_HOUR[0], ("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "300")];
/// What is read again is no news by then.
const AT_ONCE: [(&str, &str); 1] = [("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "100")];

fn swipes(count: i64, terminal: &'static str, from_ms: i64) -> Vec<Swipe<'static>> {
    let now = Millis::now().unix_ms() - swipe("c1", "t", 0).occurred_at.unix_ms();
    (0..count).map(|i| live(CARDS[i as usize % CARDS.len()], terminal, now - from_ms + i)).collect()
}

/// Events whose doors were told to open.
async fn opened(world: &World) -> Result<BTreeSet<Uuid>> {
    world.outbox_is_empty().await?;
    let published = world.published().await?;
    let with_command = published.into_iter().filter(|one| one.decision.command.is_some());
    Ok(with_command.map(|one| one.decision.event_id).collect())
}

/// How many commands there are on the topic, those that came twice counted twice.
async fn commands(world: &World) -> Result<usize> {
    world.outbox_is_empty().await?;
    let published = world.published().await?;
    Ok(published.iter().filter(|one| one.decision.command.is_some()).count())
}

async fn gatelog(world: &World, arguments: &[&str]) -> Result<()> {
    let (code, out, err) = world.gatelog(arguments).await?;
    ensure!(code == 0, "{arguments:?}: exit code {code}: {out}{err}");
    Ok(())
}

async fn unsettled(world: &World) -> Result<i64> {
    let sql = "SELECT count(*) FROM dead_letter WHERE settled_at IS NULL";
    Ok(world.db.query_one(sql, &[]).await?.get(0))
}

async fn read_to_its_end(world: &World, consumer: &Process) -> Result<()> {
    world.caught_up().await.with_context(|| consumer.said())?;
    let end = world.log.len().await?;
    eventually("the log is read to its end again", async || {
        let sql = "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offset";
        Ok((world.db.query_one(sql, &[]).await?.get::<_, i64>(0) >= end).then_some(()))
    })
    .await
}

#[tokio::test]
async fn replayed_in_every_way_there_is() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&CARDS).await?;
    let mut consumer = world.consumer_with(&AN_HOUR)?;
    let day = swipes(DAY, "t-hall", 60_000);
    world.log.publish_swipes(&day).await?;
    world.caught_up().await?;
    let expected: BTreeSet<Uuid> = day.iter().map(|swipe| swipe.event_id).collect();
    ensure!(opened(&world).await? == expected, "not every door was opened at first");

    // By a terminal that sends everything again; by whoever publishes the log's own records once
    // more, with the header of a replay, and with one that nobody can read.
    world.log.publish_swipes(&day).await?;
    let with = |header: &[u8]| {
        let header = ("gatelog-replay".to_owned(), header.to_vec());
        let spoil = |swipe: &Swipe<'_>| {
            let mut event = Event::from(swipe);
            event.headers.push(header.clone());
            event
        };
        day.iter().map(spoil).collect::<Vec<_>>()
    };
    world.log.publish(with(b"1")).await?;
    world.log.publish(with(b"\xff")).await?;
    // As new events, which have no row yet.
    let fresh = swipes(DAY, "t-hall-2", 30_000);
    let replayed = fresh.iter().map(|swipe| {
        let mut event = Event::from(swipe);
        event.headers.push(("gatelog-replay".to_owned(), b"1".to_vec()));
        event
    });
    world.log.publish(replayed).await?;
    world.caught_up().await?;
    assert_eq!(world.totals().await?.rows, 2 * DAY);
    assert_eq!(commands(&world).await?, expected.len(), "commands after replays of the records");

    // Letters: by id, by group, edited, taken out and back in, and by the compensator.
    world.log.publish_swipes(&swipes(GIVEN_UP, "t-new", 20_000)).await?;
    world.caught_up().await?;
    world.outbox_is_empty().await?;
    assert_eq!(unsettled(&world).await?, GIVEN_UP);
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    let sql = "SELECT dead_letter_id::text FROM dead_letter ORDER BY created_at, log_offset";
    let ids: Vec<String> = world.db.query(sql, &[]).await?.iter().map(|r| r.get(0)).collect();
    let why = ["--apply", "--reason", "again"];
    gatelog(&world, &[&["dlq", "replay", &ids[0], &ids[1]], &why[..]].concat()).await?;
    let edit = ["dlq", "edit", &ids[2], "--set", "terminal_id=t-hall", "--replay"];
    gatelog(&world, &[&edit[..], &why].concat()).await?;
    let few = ["dlq", "replay", "--group", "unknown_terminal/decide/t-new", "--limit", "40"];
    // More are left, and the exit code says so.
    let resolved = async || -> Result<i64> {
        let sql = "SELECT count(*) FROM dead_letter WHERE state = 'resolved'";
        Ok(world.db.query_one(sql, &[]).await?.get(0))
    };
    world.gatelog(&[&few[..], &why].concat()).await?;
    assert_eq!(resolved().await?, 43, "by id, edited, by group");
    let file = std::env::temp_dir().join(format!("{}-letters.ndjson", world.group));
    let file = file.to_str().context("a path that is no text")?;
    gatelog(&world, &["dlq", "export", file]).await?;
    let gone = "WITH g AS (DELETE FROM dead_letter WHERE settled_at IS NULL RETURNING 1) \
                SELECT count(*) FROM g";
    world.db.batch_execute("DELETE FROM dead_letter_action").await?;
    let gone: i64 = world.db.query_one(gone, &[]).await?.get(0);
    ensure!(gone > 100, "{gone} letters were left to take out");
    gatelog(&world, &[&["dlq", "import", file], &why[..]].concat()).await?;
    std::fs::remove_file(file)?;
    world.gatelog(&[&few[..], &why].concat()).await?;
    assert_eq!(resolved().await?, 83, "after an import");
    world
        .db
        .batch_execute(
            "DELETE FROM dead_letter_action; DELETE FROM dead_letter WHERE settled_at IS NULL",
        )
        .await?;
    gatelog(&world, &[&["dlq", "rebuild"], &why[..]].concat()).await?;
    // What was put back is replayed by operators alone.
    ensure!(unsettled(&world).await? > 0, "nothing was left to rebuild");
    let all = ["dlq", "replay", "--all"];
    gatelog(&world, &[&all[..], &why].concat()).await?;
    world.log.publish_swipes(&swipes(GIVEN_UP, "t-newer", 10_000)).await?;
    world.caught_up().await?;
    assert_eq!(unsettled(&world).await?, GIVEN_UP);
    ensure!(consumer.terminate().await?.success(), "{}", consumer.said());
    world.db.execute("INSERT INTO terminal VALUES ('t-newer', 'hall', 'in')", &[]).await?;
    let mut consumer = world.consumer_with(&COMPENSATING)?;
    eventually("the compensator has healed them", async || {
        Ok((unsettled(&world).await? == 0).then_some(()))
    })
    .await?;
    world.caught_up().await?;
    assert_eq!(world.totals().await?.rows, 2 * (DAY + GIVEN_UP));
    assert_eq!(commands(&world).await?, expected.len(), "commands after replays of letters");

    // Everything is read again.
    ensure!(consumer.terminate().await?.success(), "{}", consumer.said());
    let reset = ["offsets", "reset", "--to", "start", "--all"];
    gatelog(&world, &[&reset[..], &why].concat()).await?;
    let consumer = world.consumer_with(&AN_HOUR)?;
    read_to_its_end(&world, &consumer).await?;
    assert_eq!(world.totals().await?.rows, 2 * (DAY + GIVEN_UP));
    assert_eq!(commands(&world).await?, expected.len(), "commands after reading again");
    ensure!(opened(&world).await? == expected, "other doors were opened");
    world.verify_clean().await
}

#[tokio::test]
async fn a_database_that_was_put_back_opens_none_again() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&CARDS).await?;
    let mut consumer = world.consumer_with(&AN_HOUR)?;
    let before = swipes(DAY, "t-hall", 60_000);
    world.log.publish_swipes(&before).await?;
    world.log.publish_swipes(&swipes(GIVEN_UP, "t-new", 50_000)).await?;
    world.caught_up().await?;
    world.outbox_is_empty().await?;
    ensure!(consumer.terminate().await?.success(), "{}", consumer.said());
    let copy = world.copy().await?;

    let mut consumer = world.consumer_with(&AN_HOUR)?;
    let after = swipes(DAY, "t-hall-2", 40_000);
    world.log.publish_swipes(&after).await?;
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    let replay = ["dlq", "replay", "--all", "--apply", "--reason", "registered"];
    gatelog(&world, &replay).await?;
    world.caught_up().await?;
    let expected: BTreeSet<Uuid> =
        before.iter().chain(&after).map(|swipe| swipe.event_id).collect();
    ensure!(opened(&world).await? == expected, "not every door was opened at first");
    let sent = commands(&world).await?;

    // Yesterday's copy knows of none of that, not of the terminal, and not of the replays.
    ensure!(consumer.terminate().await?.success(), "{}", consumer.said());
    world.put_back(copy).await?;
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    let consumer = world.consumer_with(&[AT_ONCE[0], COMPENSATING[1]])?;
    read_to_its_end(&world, &consumer).await?;
    eventually("every letter is settled again", async || {
        Ok((unsettled(&world).await? == 0).then_some(()))
    })
    .await?;
    read_to_its_end(&world, &consumer).await?;
    let rows = world.totals().await?.rows;
    assert_eq!(rows, 2 * DAY + GIVEN_UP, "the log makes it whole again: {}", consumer.said());
    assert_eq!(commands(&world).await?, sent, "commands after the database was put back");
    world.verify_clean().await
}
