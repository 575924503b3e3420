//! A dead letter that is put right becomes a row, once, and opens no door; one that cannot be is open
//! again, and its replays are counted as its own.

use anyhow::{Context, Result, ensure};
use dead_letters::{Action, By, LEASE};
use schemas::Millis;
use support::{Event, Totals, World, eventually, live, swipe};
use uuid::Uuid;

const EAGER: [(&str, &str); 1] = [("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "300")];
const IDLE: [(&str, &str); 1] = [("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "3600000")];

/// State, replays that failed, and version of a letter.
async fn letter(world: &World, id: Uuid) -> Result<(String, i32, i64)> {
    let sql = "SELECT state, replay_count, version FROM dead_letter WHERE dead_letter_id = $1";
    let row = world.db.query_one(sql, &[&id]).await?;
    Ok((row.get(0), row.get(1), row.get(2)))
}

async fn open_letters(world: &World) -> Result<Vec<(Uuid, i64)>> {
    let sql =
        "SELECT dead_letter_id, version FROM dead_letter WHERE state = 'open' ORDER BY log_offset";
    let rows = world.db.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn replay(world: &World, letters: &[(Uuid, i64)]) -> Result<()> {
    let by = By { actor: "a test", action: Action::Replay, reason: Some("to see") };
    let begun = dead_letters::replay(&world.db, letters, &by, LEASE).await?;
    ensure!(begun.len() == letters.len(), "{} of {} begun", begun.len(), letters.len());
    Ok(())
}

async fn settled(world: &World, id: Uuid) -> Result<(String, i32, i64)> {
    eventually("the replay is settled", async || {
        let letter = letter(world, id).await?;
        Ok((letter.0 != "replaying").then_some(letter))
    })
    .await
}

#[tokio::test]
async fn an_unknown_terminals_swipes_heal_once_it_is_registered() -> Result<()> {
    let mut world = World::new(2).await?;
    let cards: Vec<String> = (0..20).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    // Two compensators at it.
    let _consumers = [world.consumer_with(&EAGER)?, world.consumer_with(&EAGER)?];
    let swipes: Vec<_> = cards.iter().map(|card| swipe(card, "t-new", 0)).collect();
    world.log.publish_swipes(&swipes).await?;
    assert_eq!(world.caught_up().await?, Totals { dead: 20, ..Totals::default() });
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    eventually("all are rows", async || Ok((world.totals().await?.rows == 20).then_some(())))
        .await?;
    let sql = "SELECT count(*) FILTER (WHERE state = 'resolved' AND version = 3), \
               (SELECT count(*) FROM dead_letter_action WHERE action = 'compensate'), \
               (SELECT count(*) FROM dead_letter_action WHERE action = 'resolved') \
               FROM dead_letter";
    let row = world.db.query_one(sql, &[]).await?;
    let counted: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(counted, [20; 3], "letters resolved, replays, settlements");
    assert_eq!(world.caught_up().await?, Totals { rows: 20, dead: 20, ..Totals::default() });
    world.verify_clean().await
}

#[tokio::test]
async fn what_fails_again_is_open_again_and_what_is_there_already_is_superseded() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1"]).await?;
    let _consumer = world.consumer_with(&IDLE)?;
    let bad = Event { value: Some(b"rubbish".to_vec()), ..Event::from(&swipe("c1", "t-hall", 0)) };
    world.log.publish([bad]).await?;
    assert_eq!(world.caught_up().await?.dead, 1);
    let rubbish = open_letters(&world).await?[0];
    replay(&world, &[rubbish]).await?;
    let (state, count, version) = settled(&world, rubbish.0).await?;
    assert_eq!((state.as_str(), count, version), ("open", 1, 3));
    let sql = "SELECT count(*) FROM dead_letter WHERE state = 'merged' AND merged_into = $1";
    let merged: i64 = world.db.query_one(sql, &[&rubbish.0]).await?.get(0);
    assert_eq!(merged, 1);
    // Once more under its old version: nobody may.
    let by = By { actor: "another", action: Action::Replay, reason: None };
    ensure!(dead_letters::replay(&world.db, &[rubbish], &by, LEASE).await?.is_empty());

    world.log.publish_swipes(&[swipe("c1", "t-new", 5)]).await?;
    assert_eq!(world.caught_up().await?.dead, 3);
    let (stranger, version) =
        *open_letters(&world).await?.iter().find(|l| l.0 != rubbish.0).unwrap();
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    world.log.publish_swipes(&[swipe("c1", "t-new", 5)]).await?;
    assert_eq!(world.caught_up().await?.rows, 1);
    replay(&world, &[(stranger, version)]).await?;
    assert_eq!(settled(&world, stranger).await?.0, "superseded");
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 1, duplicates: 1, dead: 3, ..Totals::default() });
    world.verify_clean().await
}

#[tokio::test]
async fn a_replay_opens_no_door_however_fresh_it_is() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    // Whatever comes within an hour would be live.
    let hour = [("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"), IDLE[0]];
    let _consumer = world.consumer_with(&hour)?;
    let now = Millis::now().unix_ms() - swipe("c1", "t", 0).occurred_at.unix_ms();
    let swipes: Vec<_> =
        (0..60).map(|i| live(["c1", "c2", "c3"][i as usize % 3], "t-new", now - 60 + i)).collect();
    world.log.publish_swipes(&swipes).await?;
    assert_eq!(world.caught_up().await?.dead, 60);
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    replay(&world, &open_letters(&world).await?).await?;
    eventually("all are rows", async || Ok((world.totals().await?.rows == 60).then_some(())))
        .await?;
    // One that was not given up does open its door.
    world.log.publish_swipes(&[live("c1", "t-new", now + 1)]).await?;
    world.caught_up().await?;
    let published = world.decisions_are_whole().await?;
    assert_eq!(published.len(), 1, "decisions published");
    let sql =
        "SELECT count(*) FILTER (WHERE live), count(*) FILTER (WHERE granted) FROM access_log";
    let row = world.db.query_one(sql, &[]).await?;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 61), "live, granted");
    world.verify_clean().await
}

#[tokio::test]
async fn a_replay_that_its_letter_does_not_wait_for_settles_nothing() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let consumer = world.consumer_with(&IDLE)?;
    let bad = Event { value: Some(b"rubbish".to_vec()), ..Event::from(&swipe("c1", "t-hall", 0)) };
    world.log.publish([bad]).await?;
    world.caught_up().await?;
    let rubbish = open_letters(&world).await?[0];
    replay(&world, &[rubbish]).await?;
    assert_eq!(settled(&world, rubbish.0).await?, ("open".to_owned(), 1, 3));
    // As if it came a second time, and as if the letter were under way once more: it waits for
    // another replay than this.
    let under_way = "UPDATE dead_letter SET state = 'replaying', version = 4, settled_at = NULL, \
                     lease_until = now() + interval '1 hour' WHERE dead_letter_id = $1";
    world.db.execute(under_way, &[&rubbish.0]).await?;
    let records = world.log.read(1).await?;
    let copy = records.get(&(0, 1)).cloned().context("the replay is not in the log")?;
    world.log.publish([Event { partition: None, ..copy }]).await?;
    assert_eq!(world.caught_up().await?.dead, 3, "{}", consumer.said());
    assert_eq!(letter(&world, rubbish.0).await?, ("replaying".to_owned(), 1, 4));
    let sql = "SELECT count(*) FROM dead_letter WHERE state = 'merged' AND merged_into = $1";
    let merged: i64 = world.db.query_one(sql, &[&rubbish.0]).await?.get(0);
    assert_eq!(merged, 2, "its own letters are merged all the same");
    world.verify_clean().await
}

#[tokio::test]
async fn reading_again_reopens_no_letter_and_headers_up_to_the_limit_are_read() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let mut consumer = world.consumer_with(&IDLE)?;
    let bad = Event { value: Some(b"rubbish".to_vec()), ..Event::from(&swipe("c1", "t-hall", 0)) };
    let mut stranger = Event::from(&swipe("c1", "t-new", 1));
    let more = 64 - stranger.headers.len();
    stranger.headers.extend((0..more).map(|i| (format!("x-{i}"), b"of others".to_vec())));
    world.log.publish([bad, stranger]).await?;
    world.caught_up().await?;
    let letters = open_letters(&world).await?;
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    replay(&world, &letters).await?;
    assert_eq!(settled(&world, letters[1].0).await?.0, "resolved", "64 headers and ours");
    let (state, count, version) = settled(&world, letters[0].0).await?;
    assert_eq!((state.as_str(), count), ("open", 1));

    // Under way once more, with nobody there to publish it; and everything is read again.
    ensure!(consumer.terminate().await?.success(), "{}", consumer.said());
    replay(&world, &[(letters[0].0, version)]).await?;
    let held = "UPDATE outbox SET kind = 'decision' WHERE kind = 'replay'";
    let reset = ["offsets", "reset", "--all", "--to", "start", "--apply", "--reason", "again"];
    let (code, out, err) = world.gatelog(&reset).await?;
    ensure!(code == 0, "{out}{err}");
    world.db.execute(held, &[]).await?;
    // With the version of the replay that has failed, so that only its having been read says so.
    let same = "UPDATE dead_letter SET version = 2 WHERE dead_letter_id = $1";
    world.db.execute(same, &[&letters[0].0]).await?;
    let _consumer = world.consumer_with(&IDLE)?;
    world.caught_up().await?;
    eventually("everything is read again", async || {
        let sql = "SELECT next_offset >= applied_to FROM consumer_offset";
        Ok(world.db.query_one(sql, &[]).await?.get::<_, bool>(0).then_some(()))
    })
    .await?;
    assert_eq!(letter(&world, letters[0].0).await?, ("replaying".to_owned(), 1, 2));
    Ok(())
}
