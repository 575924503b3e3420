//! `gatelog verify` is clean on what is right, and finds by itself what is not.

mod days;
mod filters;
mod seals;
mod unread;

use anyhow::Result;
use schemas::Swipe;
use serde_json::{Value, json};
use support::{Event, World, swipe};

/// A log with rows, a collision, duplicates and dead letters, all applied.
async fn applied() -> Result<World> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    let mut events: Vec<Event> = (0..300)
        .map(|i| Event::from(&swipe(["c1", "c2", "c3"][i % 3], "t-hall", i as i64)))
        .collect();
    events.push(Event::from(&swipe("c1", "t-hall-2", 0)));
    events.push(Event::from(&swipe("c1", "t-hall", 0)));
    events.push(Event::from(&swipe("c1", "t-nowhere", 1_000)));
    let mut rubbish = Event::from(&swipe("c2", "t-hall", 2_000));
    rubbish.value = Some(b"rubbish".to_vec());
    events.push(rubbish);
    world.log.publish(events).await?;
    let mut consumer = world.consumer()?;
    world.caught_up().await?;
    consumer.terminate().await?;
    world.verify_clean().await?;
    Ok(world)
}

/// A log of one partition with three buckets, two of them sealed, that go on for three days: 25,000
/// rows, ten seconds apart, then a duplicate of the first, a collision with it, and a dead letter; all
/// applied. Also what was published, by offset.
async fn three_buckets() -> Result<(World, Vec<Swipe<'static>>)> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1", "c2", "c3"]).await?;
    let mut swipes: Vec<_> = (0..25_000)
        .map(|i| swipe(["c1", "c2", "c3"][i % 3], "t-hall", i as i64 * 10_000))
        .collect();
    swipes.push(swipes[0].clone());
    swipes.push(swipe("c1", "t-hall-2", 0));
    swipes.push(swipe("c1", "t-nowhere", 1));
    world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer()?;
    world.caught_up().await?;
    consumer.terminate().await?;
    world.verify_clean().await?;
    Ok((world, swipes))
}

/// Kind and offset of everything that was named.
fn named(report: &Value) -> Vec<(&str, i64)> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |finding: &'_ Value| finding["offset"].as_i64().unwrap_or(-1);
    findings.iter().map(|f| (f["kind"].as_str().unwrap_or_default(), named(f))).collect()
}

/// Whether the report says `what` among what was not checked.
fn says(report: &Value, what: &str) -> bool {
    let not = report["not_checked"].as_array().map(Vec::as_slice).unwrap_or_default();
    not.iter().any(|line| line.as_str().is_some_and(|line| line.contains(what)))
}

/// What verify says after `sql`: exit code and the kinds of what it found.
async fn after(world: &World, sql: &str) -> Result<(i32, Value)> {
    world.db.batch_execute(sql).await?;
    world.verify().await
}

#[tokio::test]
async fn a_collision_that_has_changed_places_with_its_row_is_found() -> Result<()> {
    let world = applied().await?;
    // Each still says what the log says, and names the other; but the first must have the row.
    let sql = "CREATE TEMP TABLE c AS SELECT * FROM collision; \
               CREATE TEMP TABLE r AS SELECT a.* FROM access_log a JOIN c USING (occurred_at, card_id); \
               DELETE FROM access_log a USING r WHERE a.log_partition = r.log_partition AND a.log_offset = r.log_offset; \
               DELETE FROM collision; \
               ALTER TABLE r ADD COLUMN row_offset bigint; UPDATE r SET row_offset = (SELECT log_offset FROM c); \
               ALTER TABLE r ADD COLUMN behind smallint; UPDATE r SET behind = notes; ALTER TABLE r DROP COLUMN notes; \
               INSERT INTO collision SELECT * FROM r; \
               ALTER TABLE c DROP COLUMN row_offset; \
               INSERT INTO access_log SELECT * FROM c";
    let (code, report) = after(&world, sql).await?;
    assert_eq!(code, 1, "{report:#}");
    assert!(report["unresolved"].as_u64() >= Some(1), "{report:#}");
    Ok(())
}

#[tokio::test]
async fn a_deleted_row_is_missing() -> Result<()> {
    let world = applied().await?;
    let sql = "DELETE FROM access_log WHERE (log_partition, log_offset) = \
               (SELECT log_partition, log_offset FROM access_log ORDER BY event_id LIMIT 1)";
    let place = "SELECT log_partition, log_offset FROM access_log ORDER BY event_id LIMIT 1";
    let place = world.db.query_one(place, &[]).await?;
    let (code, report) = after(&world, sql).await?;
    assert_eq!((code, &report["missing"]), (1, &json!(1)), "{report:#}");
    let named = json!({"kind": "missing", "partition": place.get::<_, i32>(0),
                       "offset": place.get::<_, i64>(1), "tables": []});
    assert!(report["findings"].as_array().is_some_and(|f| f.contains(&named)), "{report:#}");
    Ok(())
}

#[tokio::test]
async fn an_altered_row_is_found_whichever_column_it_is() -> Result<()> {
    let world = applied().await?;
    let changes = [
        "card_id = 'c9'",
        "terminal_id = 't-lab'",
        "occurred_at = occurred_at + interval '1 hour'",
        "received_at = received_at + interval '1 second'",
        "event_id = gen_random_uuid()",
        "online = NOT online",
        "direction = 'out'",
        "age_ms = 7",
        "terminal_epoch = 0, terminal_seq = 0",
        "locally_granted = true",
    ];
    // Another row for each, so that each must be found.
    for (i, change) in changes.iter().enumerate() {
        let sql = format!(
            "UPDATE access_log a SET {change} FROM \
             (SELECT log_partition, log_offset FROM access_log ORDER BY log_partition, log_offset OFFSET {i} LIMIT 1) one \
             WHERE (a.log_partition, a.log_offset) = (one.log_partition, one.log_offset)"
        );
        world.db.batch_execute(&sql).await?;
    }
    let (code, report) = world.verify().await?;
    assert_eq!((code, &report["altered"]), (1, &json!(changes.len())), "{report:#}");
    Ok(())
}

#[tokio::test]
async fn a_doubled_event_is_found() -> Result<()> {
    let world = applied().await?;
    let sql = "INSERT INTO duplicate_event \
               SELECT log_partition, log_offset, 0, occurred_at, card_id, event_id, decode(repeat('00', 16), 'hex') \
               FROM access_log ORDER BY event_id LIMIT 1";
    let (code, report) = after(&world, sql).await?;
    assert_eq!((code, &report["doubled"]), (1, &json!(1)), "{report:#}");
    assert_eq!(report["totals_wrong"], json!(1), "the running totals tell it too: {report:#}");
    Ok(())
}

#[tokio::test]
async fn a_duplicate_that_is_recorded_twice_is_found() -> Result<()> {
    let world = applied().await?;
    let sql = "INSERT INTO duplicate_event \
               SELECT log_partition, log_offset, first_offset, occurred_at, card_id, event_id, digest, NULL \
               FROM duplicate_event LIMIT 1";
    let (code, report) = after(&world, sql).await?;
    assert_eq!((code, &report["doubled"]), (1, &json!(1)), "{report:#}");
    assert_eq!(report["totals_wrong"], json!(1), "the running totals tell it too: {report:#}");
    Ok(())
}

/// As somebody may who puts back by hand what he has deleted.
#[tokio::test]
async fn runs_of_duplicates_that_do_not_add_up_are_found() -> Result<()> {
    let world = applied().await?;
    let sql = "UPDATE duplicate_event SET run = 2 \
               WHERE (log_partition, log_offset) = \
                     (SELECT log_partition, log_offset FROM duplicate_event WHERE run = 1 LIMIT 1)";
    let (code, report) = after(&world, sql).await?;
    assert_eq!((code, &report["runs_wrong"]), (1, &json!(1)), "{report:#}");
    let (code, _) = after(&world, "UPDATE duplicate_event SET run = 1").await?;
    assert_eq!(code, 0, "each in a run of its own is right, too");
    Ok(())
}

#[tokio::test]
async fn a_doubled_row_is_found_wherever_it_stands() -> Result<()> {
    let world = applied().await?;
    let sql = "INSERT INTO access_log \
               SELECT occurred_at + interval '7 hours', received_at, log_offset, permission_clock, age_ms, \
                      terminal_seq, terminal_epoch, log_partition, reasons, granted, live, online, \
                      locally_granted, event_id, card_id, terminal_id, zone_id, direction \
               FROM access_log ORDER BY event_id LIMIT 1; \
               INSERT INTO duplicate_event \
               SELECT log_partition, -1, 0, occurred_at, card_id, event_id, decode(repeat('00', 16), 'hex') \
               FROM access_log ORDER BY event_id LIMIT 1";
    let (code, report) = after(&world, sql).await?;
    assert_eq!((code, &report["doubled"]), (1, &json!(1)), "{report:#}");
    assert!(named(&report).contains(&("invented", -1)), "at an offset of no log: {report:#}");
    Ok(())
}

#[tokio::test]
async fn people_are_told_the_verdict_first_and_never_a_card() -> Result<()> {
    let world = applied().await?;
    let (code, out, _) = world.gatelog(&["verify"]).await?;
    assert!(code == 0 && out.starts_with("ok: 304 events, 304 outcomes: 0 missing,"), "{out}");
    world.db.execute("DELETE FROM access_log WHERE card_id = 'c1'", &[]).await?;
    let (code, out, err) = world.gatelog(&["verify", "--identities"]).await?;
    assert!(code == 1 && out.starts_with("NOT ok: 304 events, 204 outcomes: 100 missing"), "{out}");
    assert!(!out.contains("c1") && !err.contains("c1"), "{out}{err}");
    assert!(!out.contains(" more: "), "all are named: {out}");
    world.db.execute("DELETE FROM access_log WHERE card_id = 'c2'", &[]).await?;
    let (_, out, _) = world.gatelog(&["verify"]).await?;
    assert!(out.contains("200 missing") && out.contains("and 100 more: the first 100"), "{out}");
    Ok(())
}

#[tokio::test]
async fn a_duplicate_that_names_nothing_and_a_gap_that_is_none_are_found() -> Result<()> {
    let world = applied().await?;
    let sql = "UPDATE duplicate_event SET first_offset = first_offset + 1; \
               INSERT INTO offset_gap (log_partition, first_offset, end_offset) \
               SELECT log_partition, log_offset, log_offset + 2 FROM access_log ORDER BY 1, 2 LIMIT 1";
    let (code, report) = after(&world, sql).await?;
    assert_eq!(
        (code, &report["unresolved"], &report["invented"]),
        (1, &json!(1), &json!(2)),
        "{report:#}"
    );
    Ok(())
}

#[tokio::test]
async fn altered_bytes_of_a_dead_letter_are_found() -> Result<()> {
    let world = applied().await?;
    let sql = "UPDATE dead_letter SET value = 'RUBBISH' WHERE reason = 'undecodable'";
    let (code, report) = after(&world, sql).await?;
    assert_eq!((code, &report["altered"]), (1, &json!(1)), "{report:#}");
    Ok(())
}

#[tokio::test]
async fn a_skipped_offset_is_missing() -> Result<()> {
    let world = applied().await?;
    // Somebody moves a partition on by hand, past an event, and makes the totals fit.
    let places = world.log.publish_swipes(&[swipe("c1", "t-hall", 5_000)]).await?;
    let sql = format!(
        "UPDATE consumer_offset SET next_offset = next_offset + 1, rows = rows + 1 \
         WHERE log_partition = {}",
        places[0].0
    );
    let (code, report) = after(&world, &sql).await?;
    assert_eq!((code, &report["missing"]), (1, &json!(1)), "{report:#}");
    assert_eq!(report["findings"][0]["offset"], json!(places[0].1), "{report:#}");
    Ok(())
}

#[tokio::test]
async fn while_consumers_run_it_proves_what_was_applied() -> Result<()> {
    let mut world = applied().await?;
    let _consumer = world.consumer()?;
    let swipes: Vec<_> = (0..20_000)
        .map(|i| swipe(["c1", "c2", "c3"][i % 3], "t-hall", 10_000 + i as i64))
        .collect();
    let (published, verified) = tokio::join!(world.log.publish_swipes(&swipes), async {
        let mut reports = Vec::new();
        for _ in 0..5 {
            reports.push(world.verify().await?);
        }
        anyhow::Ok(reports)
    });
    published?;
    for (code, report) in verified? {
        assert_eq!((code, &report["ok"]), (0, &json!(true)), "{report:#}");
    }
    world.caught_up().await?;
    world.verify_clean().await
}
