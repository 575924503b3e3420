//! An event that fails for now holds up its card and nobody else, in order, and not for long.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use schemas::Millis;
use support::{Event, Totals, World, eventually, live, swipe};

/// How long a lane may hold a card up, as promised; and what a busy machine may add to that.
const PROMISED: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(8);

async fn parked(world: &World) -> Result<i64> {
    Ok(world.db.query_one("SELECT count(*) FROM parked_event", &[]).await?.get(0))
}

async fn rows_of(world: &World, card: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM access_log WHERE card_id = $1";
    Ok(world.db.query_one(sql, &[&card]).await?.get(0))
}

#[tokio::test]
async fn a_card_waits_in_order_and_its_neighbours_do_not() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1", "c2"]).await?;
    let _consumer = world.consumer()?;
    let mut places = world.log.publish_swipes(&[swipe("c1", "t-nowhere", 0)]).await?;
    let published = Instant::now();
    let behind: Vec<_> = (1..=5).map(|ms| swipe("c1", "t-hall", ms)).collect();
    let others: Vec<_> = (1..=5).map(|ms| swipe("c2", "t-hall", ms)).collect();
    places.extend(world.log.publish_swipes(&behind).await?);
    places.extend(world.log.publish_swipes(&others).await?);

    eventually("the neighbour's swipes are rows", async || {
        Ok((rows_of(&world, "c2").await? == 5).then_some(()))
    })
    .await?;
    if published.elapsed() < PROMISED / 2 {
        let (waiting, rows) = (parked(&world).await?, rows_of(&world, "c1").await?);
        ensure!((waiting, rows) == (6, 0), "{waiting} of 6 wait, {rows} rows are ahead of them");
    }
    let totals = world.caught_up().await?;
    let held_up = published.elapsed();
    assert_eq!(totals, Totals { rows: 10, dead: 1, ..Totals::default() });
    ensure!(held_up < PROMISED + SLACK, "the card was held up for {held_up:?}");
    ensure!(parked(&world).await? == 0, "a lane is left over");
    let sql = "SELECT reason, tries FROM dead_letter";
    let letter = world.db.query_one(sql, &[]).await?;
    let (reason, tries): (&str, i32) = (letter.get(0), letter.get(1));
    ensure!(reason == "unknown_terminal" && tries > 1, "{reason} after {tries} tries");
    ensure!(world.disordered().await? == 0, "rows of the card are out of order");
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

#[tokio::test]
async fn what_heals_in_time_is_applied_and_a_live_one_opens_its_door() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let _consumer = world.consumer_with(&[("GATELOG_CONSUMER_LANES__OPEN_MS_MAX", "2000")])?;
    let now = Millis::now().unix_ms() - swipe("c1", "t", 0).occurred_at.unix_ms();
    let first = live("c1", "t-new", now);
    let second = live("c1", "t-hall", now + 1);
    let places = world.log.publish_swipes(&[first, second]).await?;
    eventually("both wait in the lane", async || Ok((parked(&world).await? == 2).then_some(())))
        .await?;
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    assert_eq!(world.caught_up().await?, Totals { rows: 2, ..Totals::default() });
    world.each_has_one_outcome(&places).await?;
    let published = world.decisions_are_whole().await?;
    let opened = published.iter().filter(|one| one.decision.command.is_some()).count();
    ensure!(opened == 2, "{opened} doors of 2 were opened");
    ensure!(world.disordered().await? == 0, "rows of the card are out of order");
    world.verify_clean().await
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_not_waited_for() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let mut late = Event::from(&swipe("c1", "t-nowhere", 0));
    late.headers.push((schemas::headers::DEADLINE.to_owned(), b"2016-06-01T00:00:02Z".to_vec()));
    world.log.publish([late, Event::from(&swipe("c1", "t-hall", 1))]).await?;
    let _consumer = world.consumer()?;
    assert_eq!(world.caught_up().await?, Totals { rows: 1, dead: 1, ..Totals::default() });
    let tries: i32 = world.db.query_one("SELECT tries FROM dead_letter", &[]).await?.get(0);
    ensure!(tries == 1, "it was tried {tries} times");
    Ok(())
}

#[tokio::test]
async fn whoever_takes_over_goes_on_where_the_last_owner_stopped() -> Result<()> {
    let mut world = World::new(2).await?;
    let cards: Vec<String> = (0..20).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let mut consumer = world.consumer()?;
    let swipes: Vec<_> = (0..3)
        .flat_map(|ms| cards.iter().map(move |card| (ms, card)))
        .map(|(ms, card)| swipe(card, if ms == 0 { "t-nowhere" } else { "t-hall" }, ms))
        .collect();
    let places = world.log.publish_swipes(&swipes).await?;
    eventually("all cards wait", async || Ok((parked(&world).await? == 60).then_some(()))).await?;
    consumer.kill()?;
    // What waits is accounted for, too.
    world.verify_clean().await?;
    let _next = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 40, dead: 20, ..Totals::default() });
    world.each_has_one_outcome(&places).await?;
    ensure!(world.disordered().await? == 0, "rows of a card are out of order");
    world.verify_clean().await
}

#[tokio::test]
async fn one_faulty_terminal_holds_up_its_cards_only_until_it_is_known() -> Result<()> {
    let mut world = World::new(1).await?;
    let cards: Vec<String> = (0..2_000).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    // Three cards learn it the hard way.
    let first: Vec<_> = (0..3).map(|ms| swipe(&cards[0], "t-nowhere", ms)).collect();
    let mut places = world.log.publish_swipes(&first).await?;
    let consumer = world.consumer()?;
    world.caught_up().await?;
    let swipes: Vec<_> = (10..15)
        .flat_map(|ms| cards.iter().map(move |card| swipe(card, "t-nowhere", ms)))
        .chain(cards.iter().map(|card| swipe(card, "t-hall", 20)))
        .collect();
    places.extend(world.log.publish_swipes(&swipes).await?);
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 2_000, dead: 10_003, ..Totals::default() });
    let sql = "SELECT max(tries) FROM dead_letter WHERE occurred_at > '2016-06-01 00:00:00.005Z'";
    let tries: i32 = world.db.query_one(sql, &[]).await?.get(0);
    ensure!(tries == 1, "a card waited for the faulty terminal: {tries} tries");
    ensure!(consumer.said().contains("t-nowhere"), "nobody was told: {}", consumer.said());
    // Its registration lifts the quarantine.
    world.db.execute("INSERT INTO terminal VALUES ('t-nowhere', 'hall', 'in')", &[]).await?;
    places.extend(world.log.publish_swipes(&[swipe(&cards[1], "t-nowhere", 30)]).await?);
    assert_eq!(world.caught_up().await?.rows, 2_001);
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}
