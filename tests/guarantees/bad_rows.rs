//! A row that Postgres refuses is given up alone; and where it refuses rows from everywhere, nothing
//! is given up.

use anyhow::{Context, Result, ensure};
use support::{Totals, World, eventually, swipe};

async fn forbid(world: &World, what: &str) -> Result<()> {
    let sql =
        format!("ALTER TABLE access_log ADD CONSTRAINT no_way CHECK (NOT ({what})) NOT VALID");
    Ok(world.db.batch_execute(&sql).await?)
}

#[tokio::test]
async fn the_neighbours_go_through_with_the_same_batch() -> Result<()> {
    let mut world = World::new(2).await?;
    let cards: Vec<String> = (0..100).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    forbid(&world, "terminal_id = 't-lab' AND card_id IN ('c3', 'c70')").await?;
    let swipes: Vec<_> = (0..30)
        .flat_map(|ms| cards.iter().map(move |card| (ms, card)))
        .map(|(ms, card)| swipe(card, if ms % 10 == 5 { "t-lab" } else { "t-hall" }, ms))
        .collect();
    let places = world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 2_994, dead: 6, ..Totals::default() });
    world.each_has_one_outcome(&places).await?;
    let sql = "SELECT DISTINCT reason, stage, sqlstate, card_id, message FROM dead_letter";
    let letters = world.db.query(sql, &[]).await?;
    ensure!(letters.len() == 2, "{} kinds of letters", letters.len());
    for letter in letters {
        let (reason, stage): (&str, &str) = (letter.get(0), letter.get(1));
        let (sqlstate, message): (&str, &str) = (letter.get(2), letter.get(4));
        assert_eq!((reason, stage, sqlstate), ("bad_row", "store", "23514"));
        ensure!(message.contains("no_way"), "{message}");
        ensure!(!message.contains(letter.get::<_, &str>(3)), "it names the card: {message}");
    }
    ensure!(consumer.runs() && !consumer.said().contains("c70"), "{}", consumer.said());
    // Its bad rows were never three in a row: the terminal is none the worse for them.
    let more: Vec<_> = (0..10).map(|i| swipe(&format!("c{}", 80 + i), "t-lab", 100 + i)).collect();
    world.log.publish_swipes(&more).await?;
    assert_eq!(world.caught_up().await?, Totals { rows: 3_004, dead: 6, ..Totals::default() });
    world.verify_clean().await
}

#[tokio::test]
async fn a_collision_that_is_refused_is_given_up_alone() -> Result<()> {
    let mut world = World::new(1).await?;
    let cards: Vec<String> = (0..200).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let forbidden =
        "ALTER TABLE collision ADD CONSTRAINT no_way CHECK (terminal_id <> 't-lab') NOT VALID";
    world.db.batch_execute(forbidden).await?;
    let rows = (5..15).flat_map(|ms| cards.iter().map(move |card| swipe(card, "t-hall", ms)));
    // Behind their rows, and far from them: three that are refused, two that are not, and in between
    // a row of the terminal, which is none the worse for them.
    let collide = [
        ("c3", "t-lab", 5),
        ("c70", "t-hall-2", 5),
        ("c150", "t-lab", 5),
        ("c4", "t-lab", 99),
        ("c3", "t-hall-2", 6),
        ("c3", "t-lab", 7),
    ];
    let collide = collide.map(|(card, terminal, ms)| swipe(card, terminal, ms));
    let swipes: Vec<_> = rows.chain(collide).collect();
    let places = world.log.publish_swipes(&swipes).await?;
    let consumer = world.consumer()?;
    let totals = world.caught_up().await.with_context(|| consumer.said())?;
    assert_eq!(totals, Totals { rows: 2_001, collisions: 2, dead: 3, ..Totals::default() });
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

#[tokio::test]
async fn where_the_table_is_at_fault_nothing_is_given_up() -> Result<()> {
    let mut world = World::new(2).await?;
    let cards: Vec<String> = (0..200).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    forbid(&world, "log_offset >= 0").await?;
    let terminals = ["t-hall", "t-hall-2", "t-lab"];
    let swipes: Vec<_> = (0..20)
        .flat_map(|ms| cards.iter().enumerate().map(move |(i, card)| (ms, i, card)))
        .map(|(ms, i, card)| swipe(card, terminals[i % 3], ms))
        .collect();
    let places = world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer_with(&[("GATELOG_CONSUMER_BATCH__WRITERS", "1")])?;
    eventually("the consumer says what is wrong", async || {
        Ok(consumer.said().contains("23514").then_some(()))
    })
    .await?;
    // Of the first few nobody can tell.
    let given_up = world.totals().await?.dead;
    ensure!(given_up < 200, "{given_up} were given up");
    ensure!(consumer.runs(), "{}", consumer.said());
    world.db.batch_execute("ALTER TABLE access_log DROP CONSTRAINT no_way").await?;
    let totals = world.caught_up().await.with_context(|| consumer.said())?;
    // And those that were refused while it was being mended.
    let dead = totals.dead;
    ensure!(dead - given_up < 100, "{dead} were given up in the end, {given_up} before");
    assert_eq!(totals, Totals { rows: 4_000 - dead, dead, ..Totals::default() });
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

#[tokio::test]
async fn a_terminal_whose_rows_are_refused_is_not_tried_for_ever() -> Result<()> {
    let mut world = World::new(1).await?;
    let cards: Vec<String> = (0..1_000).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let stand: Vec<_> = cards[..20].iter().map(|card| swipe(card, "t-lab", 500)).collect();
    let mut places = world.log.publish_swipes(&stand).await?;
    let mut consumer = world.consumer()?;
    world.caught_up().await?;
    assert!(consumer.terminate().await?.success(), "a consumer that is asked to stop exits with 0");
    forbid(&world, "terminal_id = 't-lab'").await?;
    let swipes: Vec<_> = (0..11)
        .flat_map(|ms| cards.iter().map(move |card| (ms, card)))
        .map(|(ms, card)| swipe(card, if ms == 10 { "t-hall" } else { "t-lab" }, ms))
        .collect();
    places.extend(world.log.publish_swipes(&swipes).await?);
    let _consumer = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 1_020, dead: 10_000, ..Totals::default() });
    // What it sends again stands, and needs no row.
    places.extend(world.log.publish_swipes(&stand).await?);
    let totals = world.caught_up().await?;
    let duplicates = 20;
    assert_eq!(totals, Totals { rows: 1_020, dead: 10_000, duplicates, ..Totals::default() });
    // Once its registration changes it is tried again.
    world.db.batch_execute("ALTER TABLE access_log DROP CONSTRAINT no_way").await?;
    places.extend(world.log.publish_swipes(&[swipe("c1", "t-lab", 20)]).await?);
    assert_eq!(world.caught_up().await?.dead, 10_001);
    let change = "UPDATE terminal SET direction = 'out' WHERE terminal_id = 't-lab'";
    world.db.execute(change, &[]).await?;
    places.extend(world.log.publish_swipes(&[swipe("c1", "t-lab", 21)]).await?);
    assert_eq!(world.caught_up().await?.rows, 1_021);
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

#[tokio::test]
async fn a_missing_table_stops_the_consumer_and_gives_up_nothing() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    world.db.batch_execute("ALTER TABLE collision RENAME TO elsewhere").await?;
    let swipes = [swipe("c1", "t-hall", 0), swipe("c1", "t-hall-2", 0)];
    let places = world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer()?;
    eventually("the consumer ends", async || Ok((!consumer.runs()).then_some(()))).await?;
    ensure!(consumer.said().contains("42P01"), "{}", consumer.said());
    assert_eq!(world.totals().await?, Totals::default());
    world.db.batch_execute("ALTER TABLE elsewhere RENAME TO collision").await?;
    let _next = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 1, collisions: 1, ..Totals::default() });
    world.each_has_one_outcome(&places).await
}
