//! Permissions change as fast as several administrators can type while doors are being decided: no
//! decision is older than its commit, everybody gets on, and nobody's forgotten session stops a door.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use schemas::{DenialReason, Millis, Mode, Reasons, Swipe};
use support::{World, swipe};
use tokio::task::JoinHandle;

const CARDS: usize = 24;
const ADMINISTRATORS: usize = 8;
const CONSUMERS: usize = 3;
const ROUNDS: i64 = 60;
/// Longer than this, somebody starves.
const STARVED_AFTER: Duration = Duration::from_secs(10);
/// Live rows committed although a newer clock had been committed before. A change commits when its
/// row of permission_change does: nothing but Postgres' own commit timestamps is trusted.
pub(crate) const STALE: &str = "SELECT count(*) FROM access_log a \
     JOIN permission_change n ON n.clock = a.permission_clock + 1 \
     WHERE a.live AND pg_xact_commit_timestamp(n.xmin) < pg_xact_commit_timestamp(a.xmin)";
/// Live rows whose decision is not what the permissions of the clock that they name say.
pub(crate) const WRONG: &str = "SELECT count(*) FROM access_log a \
     LEFT JOIN LATERAL (SELECT * FROM user_access_history h \
         WHERE h.card_id = a.card_id AND h.clock <= a.permission_clock \
         ORDER BY h.clock DESC LIMIT 1) h ON true \
     WHERE a.live AND a.granted <> (h.state = 'enabled' AND 'hall' = ANY (h.zones))";

/// Live for as long as this takes.
const LIVE: (&str, &str) = ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000");
/// A process that stops at a step stops its other writers anywhere: perhaps with the permission lock.
const ONE_WRITER: (&str, &str) = ("GATELOG_CONSUMER_BATCH__WRITERS", "1");

fn card(number: usize) -> String {
    format!("c{number}")
}

fn live(card_id: &str, ms: i64) -> Swipe<'static> {
    let mut swipe = swipe(card_id, "t-hall", ms);
    (swipe.mode, swipe.age_ms, swipe.received_at) = (Mode::Online, Some(0), Millis::now());
    swipe
}

async fn world() -> Result<World> {
    let world = World::new(12).await?;
    let cards: Vec<String> = (0..CARDS).map(card).collect();
    world.open_the_hall(&cards.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    Ok(world)
}

/// Changes permissions until told to stop; how often it did.
async fn administer(
    world: &World,
    nth: usize,
    stop: Arc<AtomicBool>,
) -> Result<JoinHandle<Result<u64>>> {
    let session = world.another_session().await?;
    Ok(tokio::spawn(async move {
        let (mut round, mut changes) = (nth, 0);
        while !stop.load(Ordering::Relaxed) {
            round += 1;
            let card = card((nth + round * 7) % CARDS);
            let zones = if round.is_multiple_of(2) { "{}" } else { "{hall}" };
            let sql = format!("UPDATE user_access SET zones = '{zones}' WHERE card_id = '{card}'");
            session.batch_execute(&sql).await.context("changing a card's zones")?;
            changes += 1;
        }
        Ok(changes)
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_decides_on_a_replaced_clock_and_nobody_starves() -> Result<()> {
    let mut world = world().await?;
    let mut consumers = Vec::new();
    for _ in 0..CONSUMERS {
        consumers.push(world.consumer()?);
    }
    for consumer in &mut consumers {
        consumer.ready().await?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut changes = Vec::new();
    for nth in 0..ADMINISTRATORS {
        changes.push(administer(&world, nth, Arc::clone(&stop)).await?);
    }
    let guard = world.another_session().await?;
    let mut places = Vec::new();
    let mut slowest_block = Duration::ZERO;
    for round in 0..ROUNDS {
        let swipes: Vec<_> = (0..CARDS).map(|number| live(&card(number), round)).collect();
        places.extend(world.log.publish_swipes(&swipes).await?);
        if round % 10 == 5 {
            let started = Instant::now();
            let blocked = card(round as usize % CARDS);
            let sql = format!("UPDATE card SET state = 'stolen' WHERE card_id = '{blocked}'");
            tokio::time::timeout(STARVED_AFTER, guard.batch_execute(&sql))
                .await
                .context("a block of a stolen card starves")??;
            slowest_block = slowest_block.max(started.elapsed());
        }
    }
    world.caught_up().await?;
    stop.store(true, Ordering::Relaxed);
    world.each_has_one_outcome(&places).await?;

    let mut made = 0;
    for (nth, changes) in changes.into_iter().enumerate() {
        let changes = changes.await??;
        assert!(changes >= 10, "administrator {nth} made {changes} changes: it starves");
        made += changes;
    }
    println!("{made} changes beside {} swipes; slowest block {slowest_block:?}", places.len());
    let stale: i64 = world.db.query_one(STALE, &[]).await?.get(0);
    assert_eq!(stale, 0, "live rows committed with a clock that had been replaced before");
    let wrong: i64 = world.db.query_one(WRONG, &[]).await?.get(0);
    assert_eq!(wrong, 0, "live rows that say something else than the permissions they name");
    let sql = "SELECT count(*) FROM access_log WHERE live";
    let live: i64 = world.db.query_one(sql, &[]).await?.get(0);
    assert!(live > 0, "no swipe was decided live: this has shown nothing");
    let mut again = 0.0;
    for consumer in &mut consumers {
        let name = "optimistic_lock_failure_total{operation=\"decide\",reason=\"stale_data\"}";
        again += consumer.metric(name).await?;
    }
    assert!(again >= 1.0, "no batch met a moved clock: this has shown nothing");
    Ok(())
}

#[tokio::test]
async fn a_forgotten_transaction_stops_no_door() -> Result<()> {
    let mut world = world().await?;
    let _consumer = world.consumer()?;
    let forgotten = world.another_session().await?;
    forgotten
        .batch_execute(
            "BEGIN; UPDATE user_access SET zones = '{}'; UPDATE zone SET mode = 'deny_all'",
        )
        .await?;
    let swipes: Vec<_> = (0..CARDS).map(|number| live(&card(number), 0)).collect();
    world.log.publish_swipes(&swipes).await?;
    world.caught_up().await?;
    let sql = "SELECT count(*) FILTER (WHERE granted), count(*) FROM access_log";
    let row = world.db.query_one(sql, &[]).await?;
    let all = CARDS as i64;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (all, all), "nothing has changed yet");
    forgotten.batch_execute("COMMIT").await?;
    world.log.publish_swipes(&[live("c0", 1)]).await?;
    world.caught_up().await?;
    let sql = "SELECT reasons FROM access_log ORDER BY occurred_at DESC LIMIT 1";
    let reasons = Reasons::from_bits(world.db.query_one(sql, &[]).await?.get(0));
    let expected: Reasons =
        [DenialReason::Unauthorized, DenialReason::DenyAll].into_iter().collect();
    assert_eq!(reasons, expected, "now it has");
    Ok(())
}

#[tokio::test]
async fn deleting_and_renaming_in_mid_batch_breaks_nothing() -> Result<()> {
    let mut world = world().await?;
    // Stopped with its decision made and not committed.
    let stopped = world.faulty_consumer_with("rows=1*return(stop)", &[LIVE, ONE_WRITER])?;
    let swipes: Vec<_> = (0..CARDS).map(|number| live(&card(number), 0)).collect();
    let places = world.log.publish_swipes(&swipes).await?;
    stopped.says("a fail point").await?;
    world
        .db
        .batch_execute(
            "DELETE FROM card WHERE card_id = 'c0'; \
             UPDATE zone SET zone_id = 'atrium', name = 'Atrium' WHERE zone_id = 'hall'; \
             UPDATE user_access SET zones = '{atrium}'",
        )
        .await?;
    stopped.signal("CONT")?;
    world.caught_up().await?;
    world.each_has_one_outcome(&places).await?;
    let sql = "SELECT card_id, zone_id, granted FROM access_log WHERE live";
    let rows = world.db.query(sql, &[]).await?;
    ensure!(!rows.is_empty(), "no swipe was decided live: this has shown nothing");
    for row in rows {
        let (card, zone, granted): (&str, &str, bool) = (row.get(0), row.get(1), row.get(2));
        assert_eq!((zone, granted), ("atrium", card != "c0"), "{card}");
    }
    let stale: i64 = world.db.query_one(STALE, &[]).await?.get(0);
    assert_eq!(stale, 0, "live rows committed with a clock that had been replaced before");
    Ok(())
}

#[tokio::test]
async fn killed_while_it_decides_again_under_the_lock_it_holds_nobody_up() -> Result<()> {
    let mut world = world().await?;
    // Its decision is made when the clock moves; then it takes the lock, decides again, and dies.
    let points = "rows=1*return(stop);lock=1*return(kill)";
    let mut victim = world.faulty_consumer_with(points, &[LIVE, ONE_WRITER])?;
    let swipes: Vec<_> = (0..CARDS).map(|number| live(&card(number), 0)).collect();
    let places = world.log.publish_swipes(&swipes).await?;
    victim.says("a fail point").await?;
    world.db.batch_execute("UPDATE user_access SET zones = '{}'").await?;
    victim.signal("CONT")?;
    victim.ended().await?;
    let change = world.db.batch_execute("UPDATE user_access SET zones = '{hall}'");
    tokio::time::timeout(STARVED_AFTER, change)
        .await
        .context("a change waits for a dead one")??;
    let _heir = world.consumer_with(&[LIVE])?;
    world.caught_up().await?;
    world.each_has_one_outcome(&places).await?;
    for (what, sql) in [("stale", STALE), ("wrong", WRONG)] {
        let found: i64 = world.db.query_one(sql, &[]).await?.get(0);
        assert_eq!(found, 0, "{what} live rows");
    }
    Ok(())
}

#[tokio::test]
async fn a_lockdown_of_all_zones_holds_for_the_next_batch() -> Result<()> {
    let mut world = world().await?;
    let _consumer = world.consumer()?;
    let sql = "INSERT INTO zone (zone_id, name) SELECT 'z' || n, 'Zone' FROM generate_series(1, 2000) n; \
               INSERT INTO terminal SELECT 't' || n, 'z' || n, 'in' FROM generate_series(1, 2000) n";
    world.db.batch_execute(sql).await?;
    let at = |ms: i64| {
        (1..=200_i64).map(move |n| {
            let mut swipe = live("c0", ms + n);
            swipe.terminal_id = format!("t{n}").into();
            swipe
        })
    };
    world.log.publish_swipes(&at(0).collect::<Vec<_>>()).await?;
    world.caught_up().await?;
    world.db.batch_execute("UPDATE zone SET mode = 'deny_all'").await?;
    world.log.publish_swipes(&at(1_000).collect::<Vec<_>>()).await?;
    world.caught_up().await?;
    let sql = "SELECT count(*) FILTER (WHERE reasons & 256 <> 0), count(*) FROM access_log \
               WHERE live AND occurred_at > '2016-06-01T00:00:01Z'";
    let row = world.db.query_one(sql, &[]).await?;
    ensure!(row.get::<_, i64>(1) > 0, "no swipe was decided live: this has shown nothing");
    assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1), "swipes after the lockdown say so");
    Ok(())
}

#[tokio::test]
async fn one_schedule_of_a_hundred_thousand_cards_is_one_reload() -> Result<()> {
    let mut world = World::new(4).await?;
    world.open_the_hall(&[]).await?;
    let always = r#"{"time_zone": "UTC", "special_days": [], "weekly": [{"from": "00:00",
        "until": "24:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}]}"#;
    let sql = format!(
        "INSERT INTO schedule (schedule_id, definition) VALUES ('office', '{always}'); \
         INSERT INTO card (card_id) SELECT 'k' || n FROM generate_series(1, 100000) n; \
         INSERT INTO user_access (card_id, zones, schedule_id) \
         SELECT 'k' || n, '{{hall}}', 'office' FROM generate_series(1, 100000) n"
    );
    world.db.batch_execute(&sql).await?;
    let mut consumer = world.consumer()?;
    let all = |ms: i64| (1..=2_000).map(move |n| live(&format!("k{n}"), ms));
    world.log.publish_swipes(&all(0).collect::<Vec<_>>()).await?;
    world.caught_up().await?;
    let [cards, schedules] = ["card", "schedule"]
        .map(|kind| format!("gatelog_consumer_permission_loads_total{{kind=\"{kind}\"}}"));
    let before = (consumer.metric(&cards).await?, consumer.metric(&schedules).await?);
    // Each of the two writers has a cache.
    assert_eq!(before, (2_000.0, 2.0), "cards and schedules loaded at first");
    let closed = r#"{"time_zone": "UTC", "weekly": [], "special_days": []}"#;
    let sql = format!("UPDATE schedule SET definition = '{closed}' WHERE schedule_id = 'office'");
    world.db.batch_execute(&sql).await?;
    world.log.publish_swipes(&all(1).collect::<Vec<_>>()).await?;
    world.caught_up().await?;
    let sql = "SELECT count(*) FILTER (WHERE reasons & 32 <> 0), count(*) FROM access_log \
               WHERE live AND occurred_at = '2016-06-01T00:00:00.001Z'";
    let row = world.db.query_one(sql, &[]).await?;
    ensure!(row.get::<_, i64>(1) > 0, "no swipe was decided live: this has shown nothing");
    assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1), "the closed schedule counts for all");
    let after = (consumer.metric(&cards).await?, consumer.metric(&schedules).await?);
    assert_eq!(after, (2_000.0, 4.0), "cards and schedules loaded when only the schedule changed");
    Ok(())
}
