//! Poison in the middle of every partition, under load: those beside it hardly notice.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use schemas::partition_of;
use support::{Event, World, swipe};
use tokio::time::{MissedTickBehavior, interval};

const PARTITIONS: u16 = 12;
/// Cards of each partition; the first of them gets the poison.
const CARDS: usize = 10;
/// One swipe a partition each time: 600 a second.
const EVERY: Duration = Duration::from_millis(20);
const CLEAN_ROUNDS: usize = 150;
const POISONED_ROUNDS: usize = 250;
/// When the poison comes, after the clean rounds.
const POISON_AT: usize = 50;
/// What the promise is, and a measure of what a busy machine does to the quickest of percentiles.
const HELD_UP_MS: i64 = 2_000;
const NOISE: i64 = 5;

/// By partition.
fn cards() -> BTreeMap<i32, Vec<String>> {
    let mut cards: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for number in 0.. {
        let card = format!("c{number}");
        let of = cards.entry(partition_of(card.as_bytes(), i32::from(PARTITIONS))).or_default();
        if of.len() < CARDS {
            of.push(card);
        }
        if cards.len() == usize::from(PARTITIONS) && cards.values().all(|of| of.len() == CARDS) {
            break;
        }
    }
    cards
}

/// What cannot be read, what Postgres refuses, and what nobody has registered.
fn poison(victim: &str, ms: i64) -> [Event; 3] {
    let rubbish = Event::from(&swipe(victim, "t-hall", ms));
    [
        Event { value: Some(b"\xff\x00".to_vec()), ..rubbish },
        Event::from(&swipe(victim, "t-lab", ms + 1)),
        Event::from(&swipe(victim, "t-nowhere", ms + 2)),
    ]
}

fn percentile(sorted: &[i64], part: f64) -> i64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

#[tokio::test]
async fn poison_in_every_partition_delays_no_neighbour() -> Result<()> {
    let mut world = World::new(PARTITIONS).await?;
    let cards = cards();
    world.open_the_hall(&cards.values().flatten().map(String::as_str).collect::<Vec<_>>()).await?;
    world
        .db
        .batch_execute(
            "ALTER TABLE access_log ADD CONSTRAINT no_lab CHECK (terminal_id <> 't-lab') NOT VALID",
        )
        .await?;
    let mut consumer = world.consumer()?;
    consumer.ready().await?;

    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut phases, mut places) = (HashMap::new(), Vec::new());
    for round in 0..CLEAN_ROUNDS + POISONED_ROUNDS {
        ticks.tick().await;
        let ms = round as i64 * 10;
        let mut events: Vec<Event> = Vec::new();
        if round == CLEAN_ROUNDS + POISON_AT {
            events.extend(cards.values().flat_map(|of| poison(&of[0], ms + 1)));
        }
        events
            .extend(cards.values().map(|of| Event::from(&swipe(&of[round % CARDS], "t-hall", ms))));
        for place in world.log.publish(events).await? {
            phases.insert(place, round >= CLEAN_ROUNDS + POISON_AT);
            places.push(place);
        }
    }
    let totals = world.caught_up().await.with_context(|| consumer.said())?;
    let dead = 3 * i64::from(PARTITIONS);
    assert_eq!((totals.dead, totals.rows), (dead, places.len() as i64 - dead));

    let published = world.log.read(PARTITIONS).await?;
    let victims: Vec<&String> = cards.values().map(|of| &of[0]).collect();
    let sql = "SELECT log_partition, log_offset, \
                      (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::bigint \
               FROM access_log WHERE NOT card_id = ANY ($1)";
    let mut took: BTreeMap<bool, Vec<i64>> = BTreeMap::new();
    for row in world.db.query(sql, &[&victims]).await? {
        let place = (row.get(0), row.get(1));
        let sent_ms = published[&place].timestamp_ms.context("no timestamp")?;
        took.entry(phases[&place]).or_default().push(row.get::<_, i64>(2) - sent_ms);
    }
    took.values_mut().for_each(|took| took.sort_unstable());
    let (clean, poisoned) = (&took[&false], &took[&true]);
    let said = |of: &[i64]| {
        let [p50, p99] = [0.5, 0.99].map(|part| percentile(of, part));
        format!("p50 {p50} ms, p99 {p99} ms, max {} ms", percentile(of, 1.0))
    };
    let figures = format!("before {}; after the poison {}", said(clean), said(poisoned));
    eprintln!("neighbours of poison in {PARTITIONS} partitions: {figures}");
    let limit_ms = HELD_UP_MS.min(NOISE * percentile(clean, 0.99) + HELD_UP_MS / 4);
    ensure!(percentile(poisoned, 0.99) < limit_ms, "neighbours were held up: {figures}");
    ensure!(world.disordered().await? == 0, "rows of a card are out of order");
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}
