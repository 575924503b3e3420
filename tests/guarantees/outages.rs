//! A server that is away costs time, and no event a try.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use support::{Proxy, Totals, World, eventually, swipe};

const AWAY: Duration = Duration::from_secs(60);

#[tokio::test]
async fn postgres_away_for_a_minute() -> Result<()> {
    let mut world = World::new(2).await?;
    let cards: Vec<String> = (0..50).map(|i| format!("c{i}")).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let proxy = Proxy::before_postgres(&world.postgres_address()?).await?;
    let postgres = world.postgres_at(proxy.address());
    let mut consumer = world.consumer_with(&[
        ("GATELOG_POSTGRES", &postgres),
        ("GATELOG_CONSUMER_RETRY__CAP_MS", "1000"),
    ])?;
    consumer.ready().await?;
    let all = |ms: i64, terminal: &'static str| {
        cards.iter().map(move |card| swipe(card, terminal, ms)).collect::<Vec<_>>()
    };
    let mut places = world.log.publish_swipes(&all(0, "t-hall")).await?;
    world.caught_up().await?;

    proxy.set_refusing(true);
    ensure!(proxy.cut() > 0, "no connection was there");
    let since = Instant::now();
    let mut ms = 0;
    while since.elapsed() < AWAY {
        ms += 10;
        places.extend(world.log.publish_swipes(&all(ms, "t-hall")).await?);
        // The same cards, where they would open a lane.
        if ms == 30 {
            places.extend(world.log.publish_swipes(&all(ms + 1, "t-nowhere")).await?);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    ensure!(consumer.runs(), "it has ended: {}", consumer.said());
    let open = consumer.metric("gatelog_consumer_breakers_open").await?;
    ensure!(open >= 1.0, "no breaker is open: {open}");
    let (ready, why) = consumer.page("/readyz").await?;
    ensure!(ready == 503, "it says that it is ready: {ready} {why}");
    proxy.heal();
    let totals = world.caught_up().await.with_context(|| consumer.said())?;
    let rows = places.len() as i64 - 50;
    assert_eq!(totals, Totals { rows, dead: 50, ..Totals::default() });
    // Those at the unknown terminal were tried as often as without an outage: within two seconds of
    // a lane, or not at all, once the terminal was known to be faulty.
    let sql =
        "SELECT count(*) FILTER (WHERE reason = 'unknown_terminal'), max(tries) FROM dead_letter";
    let row = world.db.query_one(sql, &[]).await?;
    let (letters, tries): (i64, i32) = (row.get(0), row.get(1));
    ensure!(letters == 50 && tries <= 20, "{letters} letters, {tries} tries");
    eventually("the breaker is closed", async || {
        Ok((consumer.metric("gatelog_consumer_breakers_open").await? == 0.0).then_some(()))
    })
    .await?;
    ensure!(world.disordered().await? == 0, "rows of a card are out of order");
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}
